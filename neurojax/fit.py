"""trace + device -> fitted device with uncertainties: the main job of the package.

    fit(device, traces, free=..., n_starts=8, key=jax.random.key(0)) -> Fit

Random starts inside the bounds evolve apart from each other (`evolve.py`) and are refined together by
Levenberg-Marquardt (`levenberg.py`) on residuals written once (`residual.py`); `search.py` has the stages.
`problem.py` makes it ready, `fitresult.py` holds what comes back, `profile.py` and `compare.py` build on the same
`Problem`.
"""

import dataclasses
import os
import time
from collections.abc import Mapping, Sequence

import diffrax
from jaxtyping import Array

from neurojax.fitresult import Fit, conclude
from neurojax.instrument import Instrument
from neurojax.problem import prepare
from neurojax.progress import after_a_while
from neurojax.pulses import PulseTrace
from neurojax.residual import ResidualKind
from neurojax.search import in_turn, plan, search, together
from neurojax.simulate import MAX_STEPS
from neurojax.trace import Trace
from physics.device import AbstractDevice, Environment


def fit(
    device: AbstractDevice,
    traces: Trace | PulseTrace | Sequence[Trace | PulseTrace],
    *,
    free: Sequence[str] | None = None,
    fixed: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    per_trace: Sequence[str] = (),
    instrument: Instrument | None = None,
    env: Environment | None = None,
    n_starts: int = 8,
    key: Array | None = None,
    use_current: bool = True,
    screen: int = 32,
    generations: int = 120,
    windows: Sequence[float] = (1.0,),
    holdout: float = 0.0,
    unseen: Sequence[Trace | PulseTrace] = (),
    residual: ResidualKind = "asinh",
    rtol: float = 1e-6,
    atol: float = 1e-8,
    max_steps: int = MAX_STEPS,
    max_iterations: int = 80,
    solver: diffrax.AbstractSolver | None = None,
    checkpoint: str | os.PathLike | None = None,
    progress: bool = True,
) -> Fit:
    """Fit the parameters of a device to measured traces.

    Args:
        device: the model; its values are the first start and stay where they are not free.
        traces: one or several `Trace` or `PulseTrace` (not mixed).
        free: names to vary (default: all that the device declares free). `"instrument.series_resistance"`
            and the like vary the measuring circuit.
        n_starts: searches refined together; the first is `device` itself, the others random in the bounds.
        key: a `jax.random.key` for the random starts (needed if n_starts > 1).

    Other arguments:
        fixed: values to set and hold. bounds: name -> (low, high), instead of the declared ones.
        per_trace: free names that take a value of their own in every trace.
        instrument, env: measuring circuit and ambient. use_current: False leaves `device` out of the starts.
        screen, generations: population of each random start, and how long it evolves at most before it is refined.
        windows: fractions of the trace fitted in turn.
        holdout: fraction of the samples (in blocks) kept back and predicted. unseen: traces that are not fitted, only
            predicted; both count in `held_out_rms`. With `per_trace`, the k-th has the values of the k-th fitted one.
        residual: "asinh" (default) or "linear". rtol, atol, max_steps: of the solver.
        solver: a solver of diffrax instead of our own, for comparison; not kept in files. Where it raises, the start
            has failed.
        checkpoint: file in which the search is saved after every iteration, and from which it resumes.

    Returns:
        Fit.

    Raises:
        FitError: nothing free, unknown names, impossible bounds, or no start that could be simulated.
    """
    problem = prepare(
        device, traces, free=free, fixed=fixed, bounds=bounds, per_trace=per_trace, instrument=instrument, env=env,
        holdout=holdout, unseen=unseen, residual=residual, rtol=rtol, atol=atol, max_steps=max_steps,
        solver=solver,
    )  # fmt: skip
    how = plan(n_starts, use_current, screen, generations, windows, max_iterations, key)
    size = together(n_starts, len(problem.data.index))
    problem = dataclasses.replace(problem, batch=size, in_turn=in_turn(generations))
    fitted = problem.fitted_part()
    began, total = time.perf_counter(), generations + max_iterations * len(how.stages)
    with after_a_while(f"fitting {type(device).__name__}: compiling", total=total, enabled=progress) as update:
        state, compile_time = search(fitted, how, checkpoint, update)
    seconds = {"compile": compile_time, "run": time.perf_counter() - began - compile_time}
    return conclude(problem, state, seconds)
