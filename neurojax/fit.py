"""trace + device -> fitted device with uncertainties: the main job of the package.

    fit(device, traces, free=..., n_starts=8, key=jax.random.key(0)) -> Fit

Random starts inside the bounds evolve apart from each other (`evolve.py`) and are refined together by
Levenberg-Marquardt (`levenberg.py`) on residuals written once (`residual.py`); `search.py` has the stages.
`fitresult.py` holds what comes back, `profile.py` and `compare.py` build on the same `Problem`.
"""

import dataclasses
import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import diffrax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neurojax._checks import digest
from neurojax._chunks import cores
from neurojax.bijection import Box, box
from neurojax.errors import FitError
from neurojax.fitresult import Fit, conclude
from neurojax.instrument import Instrument
from neurojax.levenberg import OUTLIER
from neurojax.progress import after_a_while
from neurojax.pulses import PulseTrace
from neurojax.residual import (
    Data,
    Model,
    ResidualKind,
    Spec,
    as_arrays,
    blocks,
    in_batches,
    residuals,
    residuals_and_jacobian,
    simulations,
)
from neurojax.search import plan, search, together
from neurojax.simulate import MAX_STEPS, tolerances
from neurojax.trace import Trace
from physics.device import AbstractDevice, Environment
from physics.quantity import Parameter, parameters, suggest

SCREEN_LANES, SCREEN_STEPS = 512, 3000


@dataclasses.dataclass(frozen=True)
class Problem:
    """A fit made ready: what is compared with what, and which numbers may move."""

    model: Model
    traces: tuple[Trace | PulseTrace, ...]
    names: tuple[str, ...]
    declared: tuple[Parameter, ...]
    data: Data
    mask: np.ndarray
    held_out: np.ndarray
    spec: Spec
    settings: dict[str, Any]
    unseen: int = 0
    batch: int = 1

    @property
    def device(self) -> AbstractDevice:
        return self.model.device

    @property
    def box(self) -> Box:
        return self.model.box

    def evaluate(self, theta: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Residuals (starts, r) and Jacobian (starts, r, p) of the weighted observations; NaN where it failed.

        Always `batch` starts at once, so that one compiled function serves the whole fit; batches on all cores.
        """
        r, jacobian, ok = in_batches(residuals_and_jacobian, theta, self.batch, self.model, self.data, self.spec)
        r = np.where(ok[:, :, None], r, np.nan)
        use = weights > 0
        return r[:, use].reshape(len(theta), -1) * weights[use], jacobian[:, use] * weights[use][:, None]

    def trace(self) -> None:
        """Trace what `evaluate` calls, which is then compiled when that is first called."""
        theta = jnp.asarray(np.zeros((self.batch, len(self.names))))
        residuals_and_jacobian.lower(theta, self.model, self.data, self.spec)

    def fitted_part(self) -> "Problem":
        """The problem without the unseen traces."""
        if not self.unseen:
            return self
        traces = self.traces[: -self.unseen]
        rows = sum(simulations(t) for t in traces)
        cut = {n: v[:rows] for n, v in vars(self.data).items() if n != "v_read"}
        data = dataclasses.replace(self.data, **cut)
        kept = dict(traces=traces, data=data, mask=self.mask[:rows], held_out=self.held_out[:rows])
        return dataclasses.replace(self, unseen=0, **kept)

    def costs(self, theta: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """A coarse, cheap and robust cost of many candidates, infinite where one failed.

        log(1 + r^2/OUTLIER^2): a part of the trace that is right counts, however wrong the rest is.
        """
        loose = dataclasses.replace(self.model, rtol=jnp.asarray(np.maximum(np.asarray(self.model.rtol), 1e-4)))
        few = self.spec._replace(max_steps=min(self.spec.max_steps, SCREEN_STEPS + 40 * self.data.wave_t.shape[1]))
        size = max(1, min(-(-len(theta) // cores()), SCREEN_LANES // len(self.data.index)))
        r, ok = in_batches(residuals, theta, size, loose, self.data, few)
        with np.errstate(over="ignore", invalid="ignore"):
            cost = np.sum(np.log1p((np.where(weights > 0, r * weights, 0.0) / OUTLIER) ** 2), axis=(1, 2))
        return np.where(ok.all(axis=1) & np.isfinite(cost), cost, np.inf)

    def weights(self, window: float = 1.0) -> np.ndarray:
        """One for the observations to be fitted (first `window` of each trace), zero for the rest."""
        ts = np.take_along_axis(np.asarray(self.data.ts), np.asarray(self.data.at), axis=1)
        first, last = ts[:, :1], ts[:, -1:]
        inside = ts <= first + window * (last - first) * (1 + 1e-9)
        return (self.mask & ~self.held_out & inside).astype(float)

    def fingerprint(self, *extra: Any) -> str:
        """Identity of the problem, for checkpoints."""
        parts = [type(self.device).__name__, self.names, [t.hash() for t in self.traces], *extra]
        owners = (self.device, self.model.instrument, self.model.env)
        fixed = [{n: np.asarray(p.value).tolist() for n, p in parameters(o).items()} for o in owners]
        bounds = np.stack([np.asarray(self.box.lower), np.asarray(self.box.upper)]).tolist()
        weighted = digest(self.held_out, np.asarray(self.data.sigma), np.asarray(self.data.floor))
        return hashlib.sha256(repr((parts, fixed, bounds, weighted, self.spec)).encode()).hexdigest()


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
    problem = dataclasses.replace(problem, batch=together(n_starts, len(problem.data.index)))
    fitted = problem.fitted_part()
    began, total = time.perf_counter(), generations + max_iterations * len(how.stages)
    with after_a_while(f"fitting {type(device).__name__}: compiling", total=total, enabled=progress) as update:
        state, compile_time = search(fitted, how, checkpoint, update)
    seconds = {"compile": compile_time, "run": time.perf_counter() - began - compile_time}
    return conclude(problem, state, seconds)


def prepare(
    device, traces, *, free=None, fixed=None, bounds=None, per_trace=(), instrument=None, env=None, temperature=None,
    holdout=0.0, unseen=(), residual="asinh", rtol=1e-6, atol=1e-8, max_steps=MAX_STEPS,
    solver=None,
) -> Problem:  # fmt: skip
    """Check everything that can be wrong before anything is compiled."""
    traces = (traces,) if isinstance(traces, Trace | PulseTrace) else tuple(traces)
    if not traces:
        raise FitError("no traces given.")
    if unseen and per_trace and len(unseen) != len(traces):
        raise FitError(
            f"{', '.join(per_trace)} has a value for each trace, so every fitted trace needs one unseen counterpart: "
            f"{len(traces)} are fitted, {len(unseen)} unseen."
        )
    fitted, traces = len(traces), (*traces, *unseen)
    wrong = [type(t).__name__ for t in traces if not isinstance(t, Trace | PulseTrace)]
    if wrong:
        raise FitError(f"traces must be Trace or PulseTrace (from read_csv), got {wrong[0]}.")
    _check_kinds(device, traces)
    if residual not in ("asinh", "linear"):
        raise FitError(f"residual = {residual!r} must be 'asinh' or 'linear'.")
    if not (solver is None or isinstance(solver, diffrax.AbstractSolver)):
        raise FitError(f"solver = {solver!r} must be a solver of diffrax, as diffrax.Kvaerno5(), or None for our own.")
    if not 0 <= holdout < 0.9:
        raise FitError(f"holdout = {holdout} must be a fraction from 0 to 0.9.")
    instrument = Instrument() if instrument is None else instrument
    device = device.replace(**dict(fixed or {}))
    known = parameters(device) | {
        f"instrument.{n}": dataclasses.replace(p, name=f"instrument.{n}") for n, p in parameters(instrument).items()
    }
    names = _free_names(device, known, free, fixed or {}, per_trace, bounds or {})
    index, expanded, declared = _layout(names, known, tuple(per_trace), fitted)
    index = index[np.arange(len(traces)) % fitted]
    data, mask = as_arrays(traces, index, device.port_shape)
    row_of = np.repeat(np.arange(len(traces)), [simulations(t) for t in traces])
    held = np.where(row_of[:, None] < fitted, blocks(mask, holdout), mask)
    ours = tuple(n for n in names if not n.startswith("instrument."))
    theirs = tuple(n.removeprefix("instrument.") for n in names if n.startswith("instrument."))
    spec = Spec(ours, theirs, residual, isinstance(traces[0], PulseTrace), max_steps, solver)
    limits = {e: (bounds or {})[e.split("[")[0]] for e in expanded if e.split("[")[0] in (bounds or {})}
    if env is None:
        env = Environment() if temperature is None else Environment(temperature=temperature)
    settings = dict(
        free=list(names), bounds={n: list(b) for n, b in (bounds or {}).items()}, per_trace=list(per_trace),
        temperature=float(env.temperature), holdout=holdout, residual=residual, rtol=rtol, atol=atol,
        max_steps=max_steps, unseen=len(unseen),
    )  # fmt: skip
    model = Model(box(declared, limits), device, instrument, env, *tolerances(rtol, atol, data.ts.dtype))
    return Problem(model, traces, expanded, declared, data, mask, held, spec, settings, len(unseen))


def _check_kinds(device: AbstractDevice, traces: tuple[Trace | PulseTrace, ...]) -> None:
    name = type(device).__name__
    if len({type(t) for t in traces}) > 1:
        raise FitError("traces must be all Trace or all PulseTrace. Fit sweeps and pulse sequences apart.")
    for t in traces:
        if isinstance(t, Trace) and t.ports != device.port_shape:
            raise FitError(
                f"{name} has {len(device.terminals)} terminals, so voltages of shape (n, *{device.port_shape}); "
                f"{t.name!r} has {t.v.shape}. Give each port ({', '.join(device.terminals[:-1])}) a column."
            )
    readings = {t.v_read for t in traces if isinstance(t, PulseTrace)}
    if len(readings) > 1:
        raise FitError(f"the pulse sequences are read at different voltages {sorted(readings)} V: fit them apart.")


def _free_names(device, known, free, fixed, per_trace, bounds) -> tuple[str, ...]:
    if free is None:
        names = [n for n, p in known.items() if p.quantity.free and n not in fixed]
    else:
        names = [free] if isinstance(free, str) else list(free)
    for name in [*names, *per_trace, *bounds]:
        if name not in known:
            raise FitError(f"{type(device).__name__} has no parameter {name!r}.{suggest(name, tuple(known))}")
    names += [n for n in per_trace if n not in names]
    clash = [n for n in names if n in fixed]
    if clash or len(set(names)) < len(names):
        raise FitError(f"{clash or names} cannot be both free and fixed, or free twice.")
    if not names:
        raise FitError(
            f"{type(device).__name__}: no free parameter. Name some with free=(...).{suggest('', tuple(known))}"
        )
    # Device names first: `Spec` splits the list there.
    return tuple(sorted(names, key=lambda n: n.startswith("instrument.")))


def _layout(names, known, per_trace, m) -> tuple[np.ndarray, tuple[str, ...], tuple[Parameter, ...]]:
    """Entry of theta for (trace, name); names expanded as "x[0]", "x[1]" where they are per trace."""
    index, expanded, declared = np.zeros((m, len(names)), int), [], []
    for k, name in enumerate(names):
        copies = m if name in per_trace and m > 1 else 1
        for c in range(copies):
            label = f"{name}[{c}]" if copies > 1 else name
            declared.append(dataclasses.replace(known[name], name=label))
            expanded.append(label)
        first = len(expanded) - copies
        index[:, k] = first + (np.arange(m) if copies > 1 else 0)
    return index, tuple(expanded), tuple(declared)
