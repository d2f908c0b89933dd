"""What a fit solves: measured traces beside a model, which numbers may move, and how well they do.

    prepare(device, traces, free=..., bounds=...) -> Problem

Everything that can be wrong is found here, before anything is compiled.
"""

import dataclasses
import functools
import hashlib
from typing import Any

import diffrax
import jax.numpy as jnp
import numpy as np

from neurojax._batches import Bound, in_batches
from neurojax._checks import digest
from neurojax._chunks import cores
from neurojax.bijection import Box, box
from neurojax.errors import FitError
from neurojax.instrument import Instrument
from neurojax.levenberg import OUTLIER
from neurojax.pulses import PulseTrace
from neurojax.residual import (
    Data,
    Model,
    Spec,
    as_arrays,
    blocks,
    residuals,
    residuals_and_jacobian,
    residuals_in_turn,
    simulations,
)
from neurojax.simulate import MAX_STEPS, tolerances
from neurojax.trace import Trace
from physics.device import AbstractDevice, Environment
from physics.quantity import Parameter, parameters, suggest

SCREEN_LANES, SCREEN_STEPS = 512, 3000
"""Simulations at a time, and about how many steps, of candidates."""


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
    in_turn: bool = False

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
        r, jacobian, ok = in_batches(self._derived, theta, self.batch)
        r = np.where(ok[:, :, None], r, np.nan)
        use = weights > 0
        return r[:, use].reshape(len(theta), -1) * weights[use], jacobian[:, use] * weights[use][:, None]

    def trace(self) -> None:
        """Trace what `evaluate` calls, which is then compiled when that is first called."""
        self._derived.trace(self.batch, len(self.names))

    @functools.cached_property
    def _derived(self) -> Bound:
        return Bound(residuals_and_jacobian, self.model, self.data, self.spec, raises=self.spec.solver is not None)

    @functools.cached_property
    def _coarse(self) -> Bound:
        loose = dataclasses.replace(self.model, rtol=jnp.asarray(np.maximum(np.asarray(self.model.rtol), 1e-4)))
        few = self.spec._replace(max_steps=min(self.spec.max_steps, SCREEN_STEPS + 40 * self.data.wave_t.shape[1]))
        function = residuals_in_turn if self.in_turn else residuals
        return Bound(function, loose, self.data, few, raises=few.solver is not None)

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
        size = max(1, min(-(-len(theta) // cores()), SCREEN_LANES // len(self.data.index)))
        r, ok = in_batches(self._coarse, theta, size)
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
