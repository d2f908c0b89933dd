"""Rows of `neurojax bench programming`: the map of a pulse against solving it, targets by gradient against evolution.

Everything is compiled before it is timed. Differential evolution is SciPy's with its defaults (15 points a parameter),
on the very same objective, stopped in the generation in which it comes within a thousandth of our error.
"""

import statistics
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from neurojax.bench import Row, in_turn
from neurojax.catalogue import device_named
from neurojax.programming.build import pulse_map
from neurojax.programming.cells import device_cells
from neurojax.programming.pulse_map import PulseMap
from neurojax.programming.targets import EDGE, HorizonObjective, as_host, descend, horizon_objective
from physics.pcm_statistics import PcmStatistics

CELLS, MANY, PULSES = 4096, 1_000_000, 1000
TIMES = (1.0, 3600.0, 86400.0)
"""A second, an hour, a day."""
SEARCHES = 5
GENERATIONS = 400


def rows() -> Iterator[Row]:
    """Both comparisons."""
    yield from maps()
    yield from horizons()


def maps() -> Iterator[Row]:
    """One pulse on cells of all states and amplitudes, and a million cells a thousand times."""
    device = device_named("Yakopcic")
    table = pulse_map(device, (-0.45, 0.45), 1e-4)
    rng = np.random.default_rng(0)
    x, v = jnp.asarray(rng.uniform(0.05, 0.95, CELLS)), jnp.asarray(rng.uniform(-0.45, 0.45, CELLS))
    cells = device_cells(device, 1e-4)
    state = type(device.init(cells.env))
    ours = jax.jit(lambda x, v: table.step(x, v))
    theirs = jax.jit(lambda x, v: cells.step(state(x), v))
    run, other = (lambda: jax.block_until_ready(ours(x, v))), (lambda: jax.block_until_ready(theirs(x, v)))
    ratio, mine, exact = in_turn(run, other)
    missed = float(jnp.max(jnp.abs(mine[0] - exact[0].x)))
    note = f"own state and amplitude each; the map states {table.error:.1e}, nodes {table.nodes}"
    yield Row(f"one pulse on {CELLS} cells", "our integrator", ratio, missed, None, note)
    for dtype in (jnp.float64, jnp.float32):
        seconds, rate = _many(table.at(0.3).astype(dtype), dtype)
        note = f"{seconds:.3g} s in all, {rate:.3g} updates/s, {jnp.dtype(dtype)}"
        alone = _seconds(other) / CELLS * MANY * PULSES
        yield Row(f"{MANY} cells, {PULSES} equal pulses", "our integrator, from 4096", alone / seconds, note=note)


def _many(table: PulseMap, dtype: Any) -> tuple[float, float]:
    x = jnp.linspace(0.05, 0.95, MANY, dtype=dtype)
    run = jax.jit(lambda x: table.repeat(x, PULSES))
    jax.block_until_ready(run(x))
    seconds = _seconds(lambda: jax.block_until_ready(run(x)), 1)
    return seconds, MANY * PULSES / seconds


def _seconds(run: Any, repeats: int = 3) -> float:
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def horizon(draws: int = 4) -> HorizonObjective:
    """64x64 weights of N(0, 0.05) on pairs of phase-change cells, read after a second, an hour and a day."""
    weights = 0.05 * jax.random.normal(jax.random.key(0), (64, 64))
    return horizon_objective(PcmStatistics.joshi(), weights, TIMES, draws=draws, key=jax.random.key(1))


def horizons() -> Iterator[Row]:
    """Seven numbers of the mapping, by our gradient and by differential evolution; errors on fresh draws."""
    objective = horizon()
    cost, start = as_host(objective), objective.plain(7)
    plain = cost(np.asarray(start))
    ours = lambda: jax.block_until_ready(descend(objective, start, 30, 1e-4))  # noqa: E731
    _, error, tried = ours()
    seconds = _seconds(ours, SEARCHES)
    began = time.perf_counter()
    found, count = evolved(cost, 1.001 * float(error))
    taken = time.perf_counter() - began
    note = (
        f"{100 * (1 - float(error) / plain):.1f} % below the plain mapping's {plain:.4f}; {int(tried)} steps in "
        f"{seconds:.3g} s, {count} evaluations in {taken:.3g} s"
    )
    yield Row(
        "64x64 weights, 1 s, 1 h, 1 day", "SciPy differential_evolution", taken / seconds, float(error), found, note
    )


def evolved(cost: Any, goal: float) -> tuple[float, int]:
    """Least error that SciPy finds until it is below the goal, and how many evaluations that took."""
    from scipy.optimize import differential_evolution

    def enough(intermediate_result: Any) -> None:
        if intermediate_result.fun <= goal:
            raise StopIteration

    options: dict[str, Any] = dict(seed=0, polish=False, tol=0.0, maxiter=GENERATIONS, callback=enough)
    found: Any = differential_evolution(cost, [(EDGE, 1 - EDGE)] * 7, **options)
    return float(found.fun), int(found.nfev)
