"""Side-by-side measurements: our loops against those of others, in one process, on one machine, as ratios.

    neurojax bench engine      neurojax bench precision     neurojax bench fit --json
    neurojax bench scaling     neurojax bench circuits      neurojax bench crossbar
    neurojax bench programming neurojax bench export

Absolute times say more about the machine than about the code, so each row is a ratio of two medians taken in
turn (A B A B ...). A turn is as many calls as take a tenth of a second: a shorter one, after seconds of something else,
would be mostly the time until its threads are awake and its numbers are in the cache. The rows of the integrator are in
`_bench_engine.py`, `_bench_scaling.py` and `_bench_precision.py`, those of the fit in `_bench_fit.py`. Those of the
export, in `_bench_export.py`, say how far others agree.
"""

import dataclasses
import datetime
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from neurojax._chunks import cores
from neurojax.errors import DataError
from neurojax.waveform import Waveform, pulse_train, triangle
from physics.device import AbstractDevice
from physics.quantity import parameters, with_values

SPREAD = 0.03
REPEATS = 5
TURN = 0.1
"""Seconds that a turn takes at least; its time is that of a call, in the mean."""
PATIENCE = 60.0
"""Seconds after which a comparison is not repeated once more."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One comparison: `ratio` of the time of `other` to ours (median of repeats), and both errors."""

    how: ClassVar[str] = f"one run, medians of up to {REPEATS} turns of {TURN} s or one call"
    head: ClassVar[tuple[str, ...]] = ("what", "beside", "ratio", "our error", "its error", "")
    case: str
    other: str
    ratio: float
    our_error: float | None = None
    other_error: float | None = None
    note: str = ""

    def cells(self) -> list[str]:
        """The row of a table."""
        errors = ("" if e is None else f"{e:.1e}" for e in (self.our_error, self.other_error))
        return [self.case, self.other, f"{self.ratio:.3g}", *errors, self.note]


def in_turn(
    ours: Callable[[], Any],
    other: Callable[[], Any],
    repeats: int = REPEATS,
    warm: Callable[[], Any] | None = None,
) -> tuple[float, Any, Any]:
    """Median time of `other` over that of `ours`, in turn when both are compiled, and what those gave.

    Less often than `repeats` where that would take longer than `PATIENCE`. warm: compiles both; else each is called
    once more.
    """
    for run in (ours, other) if warm is None else (warm,):
        run()
    answers: list[Any] = [None, None]
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for k, run in enumerate((ours, other)):
            answers[k], spent = _turn(run)
            seconds[k].append(spent)
        if sum(seconds[0] + seconds[1]) > PATIENCE:
            break
    return statistics.median(seconds[1]) / statistics.median(seconds[0]), answers[0], answers[1]


def _turn(run: Callable[[], Any]) -> tuple[Any, float]:
    """What the last call of a turn gives, and the seconds of a call."""
    began, calls, spent = time.perf_counter(), 0, 0.0
    answer: Any = None
    while spent < TURN:
        answer, calls = run(), calls + 1
        spent = time.perf_counter() - began
    return answer, spent / calls


def clocked(run: Callable[[], Any]) -> tuple[Any, np.ndarray]:
    """What a call gives, and its seconds by the wall and of the processor."""
    began = time.perf_counter(), time.process_time()
    answer = run()
    return answer, np.asarray([time.perf_counter() - began[0], time.process_time() - began[1]])


def uncached(run: Callable[[], Any]) -> np.ndarray:
    """Seconds of a call that compiles everything anew, as of `clocked`."""
    kept = jax.config.values["jax_enable_compilation_cache"]
    jax.config.update("jax_enable_compilation_cache", False)
    jax.clear_caches()
    seconds = clocked(run)[1]
    jax.config.update("jax_enable_compilation_cache", kept)
    return seconds


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
    ends = np.asarray([v_max, v_min], dtype=float)
    heights = np.linspace(0.8, 1.0, pulses // 2).reshape(-1, *([1] * ends.ndim)) * ends
    train = pulse_train(heights.reshape(-1, *ends.shape[1:]), period / 100)
    return {"triangle": triangle(v_max, v_min, period), "pulses": train}


def engine() -> Iterator[Row]:
    """Our integrator against diffrax, SciPy, ngspice and C: see `_bench_engine.py`."""
    from neurojax._bench_engine import rows

    yield from rows()


def scaling() -> Iterator[Row]:
    """Our integrator against itself: many devices, derivatives, the first call: see `_bench_scaling.py`."""
    from neurojax._bench_scaling import rows

    yield from rows()


def precision() -> Iterator[Row]:
    """What an error costs with every device of the catalogue, beside diffrax: see `_bench_precision.py`."""
    from neurojax._bench_precision import rows

    yield from rows()


def fits() -> Iterator[Row]:
    """Our fit against the same on diffrax, against SciPy's Powell and least_squares: see `_bench_fit.py`."""
    from neurojax._bench_fit import rows

    yield from rows()


def exports() -> Iterator[Any]:
    """Exported devices in ngspice and as compiled Verilog-A: see `_bench_export.py`."""
    from neurojax._bench_export import rows

    yield from rows()


def circuits() -> Iterator[Row]:
    """Spiking circuits by the thousand against ngspice and diffrax: see `_bench_circuit.py`."""
    from neurojax._bench_circuit import rows

    yield from rows()


def crossbars() -> Iterator[Row]:
    """Arrays with wires against SuperLU, badcrossbar and ngspice: see `_bench_crossbar.py`."""
    from neurojax._bench_crossbar import rows

    yield from rows()


def programming() -> Iterator[Row]:
    """Pulse maps against the integrator, targets by gradient against evolution: see `_bench_programming.py`."""
    from neurojax._bench_programming import rows

    yield from rows()


def table(rows: Sequence[Any]) -> str:
    """The rows as a table of Markdown, with the day and the machine."""
    head = f"Measured on {datetime.date.today()} on {machine()}: {rows[0].how}."
    lines = [head, "", f"| {' | '.join(rows[0].head)} |", "|---" * len(rows[0].head) + "|"]
    lines += [f"| {' | '.join(r.cells())} |" for r in rows]
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


BENCHES: dict[str, Callable[[], Iterator[Any]]] = {
    "engine": engine, "scaling": scaling, "precision": precision, "fit": fits, "export": exports, "circuits": circuits,
    "crossbar": crossbars, "programming": programming,
}  # fmt: skip
