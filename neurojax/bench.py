"""Side-by-side measurements: our loops against those of others, in one process, on one machine, as ratios.

    neurojax bench engine          neurojax bench fit --json

Absolute times say more about the machine than about the code, so each row is a ratio of two medians taken in
turn (A B A B ...). The rows of the integrator are in `_bench_engine.py`, those of the fit in
`_bench_fit.py`.
"""

import dataclasses
import datetime
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from neurojax._chunks import cores
from neurojax.errors import DataError
from neurojax.waveform import Waveform, pulse_train, triangle
from physics.device import AbstractDevice
from physics.quantity import parameters, with_values

SPREAD = 0.03
PATIENCE = 60.0
"""Seconds after which a comparison is not repeated once more."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One comparison: `ratio` of the time of `other` to ours (median of repeats), and both errors."""

    case: str
    other: str
    ratio: float
    our_error: float | None = None
    other_error: float | None = None
    note: str = ""


REPEATS = 5


def in_turn(
    ours: Callable[[], Any],
    other: Callable[[], Any],
    repeats: int = REPEATS,
    warm: Callable[[], Any] | None = None,
) -> tuple[float, Any, Any]:
    """Median time of `other` over that of `ours`, called alternately when both are compiled, and what those gave.

    Less often than `repeats` where that would take longer than `PATIENCE`. warm: compiles both; else each is called
    once more.
    """
    for run in (ours, other) if warm is None else (warm,):
        run()
    answers: list[Any] = [None, None]
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for k, run in enumerate((ours, other)):
            began = time.perf_counter()
            answers[k] = run()
            seconds[k].append(time.perf_counter() - began)
        if sum(seconds[0] + seconds[1]) > PATIENCE:
            break
    return statistics.median(seconds[1]) / statistics.median(seconds[0]), answers[0], answers[1]


def first(members: AbstractDevice, n: int) -> AbstractDevice:
    """The first n of a population."""
    return with_values(members, {k: p.value[:n] for k, p in parameters(members).items() if p.value.ndim})


def population(device: AbstractDevice, n: int, seed: int = 0) -> AbstractDevice:
    """n devices with 3 % log-normal spread in every free parameter, inside the bounds."""
    rng = np.random.default_rng(seed)
    rows = {}
    for name, p in parameters(device).items():
        if p.quantity.free:
            spread = float(p.value) * np.exp(SPREAD * rng.standard_normal(n))
            rows[name] = jnp.asarray(np.clip(spread, *p.bounds))
    return with_values(device, rows)


def waveforms(device: AbstractDevice, pulses: int = 20) -> dict[str, Waveform]:
    """The usual triangle, and pulses of alternating sign as long as a hundredth of it, each pair higher."""
    v_max, v_min, period = device.sweep
    heights = np.outer(np.linspace(0.8, 1.0, pulses // 2), [float(np.max(v_max)), float(np.min(v_min))])
    return {"triangle": triangle(v_max, v_min, period), "pulses": pulse_train(heights.ravel(), period / 100)}


def engine() -> Iterator[Row]:
    """Our integrator against diffrax, SciPy, ngspice and C, and against itself: see `_bench_engine.py`."""
    from neurojax._bench_engine import rows

    yield from rows()


def fits() -> Iterator[Row]:
    """Our fit against the same on diffrax, against SciPy's Powell and least_squares: see `_bench_fit.py`."""
    from neurojax._bench_fit import rows

    yield from rows()


def table(rows: list[Row]) -> str:
    """The rows as a table of Markdown, with the day and the machine."""
    head = f"Measured on {datetime.date.today()} on {machine()}: one run, medians of up to {REPEATS} calls in turn."
    lines = [head, "", "| what | beside | ratio | our error | its error | |", "|---|---|---|---|---|---|"]
    number = lambda a: "" if a is None else f"{a:.1e}"  # noqa: E731
    lines += [
        f"| {r.case} | {r.other} | {r.ratio:.3g} | {number(r.our_error)} | {number(r.other_error)} | {r.note} |"
        for r in rows
    ]
    return "\n".join(lines) + "\n"


def insert(path: Path, name: str, text: str) -> None:
    """Put `text` into a file between `<!-- bench NAME -->` and `<!-- end -->`.

    Raises:
        DataError: there are no such lines.
    """
    old = path.read_text()
    first, last = f"<!-- bench {name} -->\n", "<!-- end -->"
    before, found, rest = old.partition(first)
    _, closed, after = rest.partition(last)
    if not (found and closed):
        raise DataError(f"{path} has no lines '{first.strip()}' and '{last}' between which the table could go.")
    path.write_text(before + first + text + last + after)


def machine() -> str:
    """What computes here, in a few words."""
    device = jax.devices()[0]
    name = device.device_kind if device.platform != "cpu" else platform.processor() or platform.machine()
    return f"{cores()} cores ({name}), Python {platform.python_version()}, jax {jax.__version__}"


BENCHES: dict[str, Callable[[], Iterator[Row]]] = {"engine": engine, "fit": fits}
