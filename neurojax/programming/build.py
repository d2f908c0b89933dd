"""From a device to its `PulseMap`."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neurojax._chunks import side_by_side
from neurojax.errors import ProgrammingError
from neurojax.programming._metered import energy_unit, pulsed, state_name, with_state
from neurojax.programming._on_grid import on_grid
from neurojax.programming._tabulate import curve_table, curves, surface_table, surfaces
from neurojax.programming.pulse_map import PulseMap
from neurojax.waveform import Waveform, pulse
from physics.device import AbstractDevice, Environment
from physics.quantity import parameters, suggest

LANES = 32
"""Pulses that are simulated together."""


def pulse_map(
    device: AbstractDevice,
    amplitudes: float | tuple[float, float],
    width: float,
    *,
    rise: float | None = None,
    rest: float | None = None,
    state: str | None = None,
    span: tuple[float, float] | None = None,
    tol: float = 1e-4,
    forget: float = 1e-2,
    v_read: float = 0.1,
    env: Environment | None = None,
    max_steps: int = 2**14,
    grid: PulseMap | None = None,
    gradient: str = "reverse",
) -> PulseMap:
    """Tabulate what one pulse does to a device, from its state equation.

    The grid is refined until the table misses fresh solutions between its nodes by less than `tol`; that they are
    missed nowhere else by more cannot be known, tests look at random places.

    On the grid of another map nothing is refined, and the map is a differentiable function of the parameters of the
    device, which may be traced:

        table = pulse_map(device, (-0.4, 0.4), 1e-4)
        slope = jax.grad(lambda d: loss(pulse_map(d, (-0.4, 0.4), 1e-4, grid=table)))(device)

    Derivatives are those of the table: as exact as it where the device is smooth, some errors more at its thresholds.

    Args:
        device: of two terminals, one device. amplitudes: of the pulse (V), one or a range (low, high).
        width: of the flat top (s). rise, rest: edges and pause after it (s), as in `pulse`.
        state: name of the state that is tabulated; of a device with one state, that one. The others start each pulse
            at rest. span: its lowest and highest value, default its bounds.
        tol: largest error of the state, in parts of the span, of the energy, in parts of the largest one, and of the
            reading, relative. forget: largest distance of the other states from rest after a pulse (its `rest`
            included), in parts of their bounds.
        v_read: voltage (V) of a reading. env: ambient (300 K). max_steps: of the solver in one pulse.
        grid: a map of such pulses on a device with other parameters; state, span, forget, v_read, nodes and stated
            errors are those of it. nan where the solver stopped.
        gradient: with a grid, "reverse" for grad or "forward" for jvp, as of `simulate`.

    Raises:
        ProgrammingError: the tolerance is not reached, other states do not come to rest, the solver stopped, a reading
            is not positive, or arguments that make no table.
    """
    env = Environment() if env is None else env
    state = state if grid is None else grid.state
    _check(device, env, state, tol)
    name: Any = state_name(device, env, state)
    dtype = jnp.result_type(float)
    with jax.ensure_compile_time_eval():
        shape = pulse(1.0, width, rise=rise, rest=rest)
    low, high = parameters(device.init(env))[name].bounds if span is None else span
    one = np.ndim(amplitudes) == 0
    volts = np.sort(np.asarray(amplitudes, float).ravel())
    if not low < high or (not one and (len(volts) != 2 or volts[0] == volts[1])):
        raise ProgrammingError(f"span = {(low, high)} and a range of amplitudes = {amplitudes} must have two ends.")
    if grid is not None:
        return on_grid(device, env, shape, volts, grid, _tight(env, tol, max_steps) | dict(gradient=gradient))
    run = _Run(device, env, shape, name, device.init(env), tol, max_steps, jnp.asarray([low, high], dtype), volts)
    what = f"{type(device).__name__}, pulses of {amplitudes} V, {width:g} s"
    scale = run.scale()
    if one:
        nodes, y, errors = curve_table(lambda u: run(np.column_stack([u, 0 * u])), scale, tol, what)
        after, spent = curves(nodes, y, low, high)
    else:
        xs, vs, y, errors = surface_table(run, scale, tol, what)
        after, spent = surfaces(xs, vs, y, ((low, high), volts))
    if run.leftover > forget:
        raise ProgrammingError(
            f"{what}: after a pulse other states than {name!r} are {run.leftover:.2g} of their bounds from rest "
            f"(allowed: forget = {forget:g}). Give them time (rest=...); a map does not know of them."
        )
    ends = run.readings(np.linspace(0, 1, 33), v_read)
    log, largest = bool((ends > 0).all()), float(np.abs(ends).max())
    if not largest > 0:
        raise ProgrammingError(f"{what}: no state conducts at v_read = {v_read} V.")
    read = lambda u: (np.log if log else np.asarray)(run.readings(u[:, 0], v_read))[:, None]  # noqa: E731
    nodes, y, wrong = curve_table(read, 1.0 if log else largest, tol, f"{what}, readings at {v_read} V")
    period = jnp.asarray(float(shape.duration), dtype)
    parts = (after, spent, curves(nodes, y, low, high)[0], run.resting, jnp.asarray(v_read, dtype), period)
    return PulseMap(*parts, name, float(errors[0]), float(errors[1]), float(wrong[0]), run.leftover, log)


def _check(device: AbstractDevice, env: Environment, state: str | None, tol: float) -> None:
    name = type(device).__name__
    if device.port_shape:
        raise ProgrammingError(f"{name} has {len(device.terminals)} terminals; a map is of devices of two.")
    if any(getattr(p.value, "ndim", 0) for p in parameters(device).values()):
        raise ProgrammingError(f"{name} is a population; a map is of one device. Give cells an amplitude of their own.")
    names = tuple(parameters(device.init(env)))
    if not names:
        raise ProgrammingError(f"{name} has no state that a pulse could change.")
    if state is not None and state not in names:
        raise ProgrammingError(f"{name} has no state {state!r}.{suggest(state, names)}")
    if state is None and len(names) > 1:
        raise ProgrammingError(f"{name} has the states {', '.join(names)}: say which one stays, state={names[0]!r}.")
    if not 1e-7 <= tol < 0.5:
        raise ProgrammingError(f"tol = {tol} must be between 1e-7 and 0.5, in parts of the span.")


def _tight(env: Environment, tol: float, max_steps: int) -> dict[str, Any]:
    """Options of `simulate` for a table that is as exact as `tol`."""
    return dict(env=env, rtol=max(tol * 1e-2, 1e-9), atol=max(tol * 1e-3, 1e-11), max_steps=max_steps)


class _Run:
    """Places in the unit square -> state in parts of the span and energy, by fresh solutions, a few lanes at a time."""

    def __init__(self, device, env, shape: Waveform, name, resting, tol: float, max_steps: int, span, volts):
        self.name, self.resting, self.span, self.volts, self.leftover = name, resting, span, volts, 0.0
        self.device, self.env = device, env
        options = _tight(env, tol, max_steps) | dict(gradient="forward")
        ends = jax.vmap(lambda x: with_state(resting, name, x))(jnp.linspace(span[0], span[1], 5))
        unit = energy_unit(device, ends, jnp.asarray(volts, span.dtype), shape.duration, env)

        def one(x: Array, v: Array) -> Any:
            start = with_state(resting, name, x)
            end, energy, code = pulsed(device, shape, start, v, unit, options)
            return parameters(end)[name].value, energy, code, _away(end, resting, name)

        self.lanes = eqx.filter_jit(jax.vmap(one))
        read = lambda x, v: device.current(with_state(resting, name, x), v, env) / v  # noqa: E731
        self.read = eqx.filter_jit(jax.vmap(read, (0, None)))

    def scale(self) -> tuple[float, float]:
        """Of the state (1, as it is in parts of its span) and of the energy (J)."""
        corners = np.stack(np.meshgrid(np.linspace(0, 1, 9), np.linspace(0, 1, 9)), axis=-1).reshape(-1, 2)
        return float(self.span[1] - self.span[0]), max(float(np.abs(self(corners)[:, 1]).max()), 1e-300)

    def __call__(self, places: np.ndarray) -> np.ndarray:
        """State and energy (J) after a pulse, (n, 2)."""
        low, high = np.asarray(self.span)
        x, v = low + (high - low) * places[:, 0], self.volts[0] + (self.volts[-1] - self.volts[0]) * places[:, 1]
        rows = np.minimum(np.arange(-(-len(x) // LANES) * LANES), len(x) - 1)
        batches = np.stack([x[rows], v[rows]], axis=1).reshape(-1, LANES, 2)
        run = lambda b: [np.asarray(a) for a in self.lanes(*jnp.asarray(b.T, self.span.dtype))]  # noqa: E731
        parts = side_by_side(run, list(batches), self.lanes)
        after, energy, code, away = (np.concatenate(a)[: len(x)] for a in zip(*parts, strict=True))
        if code.any() or not np.isfinite(after).all():
            k = int(np.argmax((code != 0) | ~np.isfinite(after)))
            raise ProgrammingError(
                f"{type(self.device).__name__}: the solver stopped in a pulse of {v[k]:.4g} V from {self.name} = "
                f"{x[k]:.4g}. Try more steps (max_steps=...) or lower pulses."
            )
        self.leftover = max(self.leftover, float(away.max()))
        return np.stack([after, energy], axis=1)

    def readings(self, places: np.ndarray, v_read: float) -> np.ndarray:
        """Conductances (S) at places (n,)."""
        parts = [np.asarray(self.read(x, jnp.asarray(v_read, x.dtype))) for x in self._batches(places)]
        return np.concatenate(parts)[: len(places)]

    def _batches(self, places: np.ndarray) -> list[Array]:
        """States at places (n,), LANES at a time; the last is repeated."""
        low, high = np.asarray(self.span)
        rows = np.minimum(np.arange(-(-len(places) // LANES) * LANES), len(places) - 1)
        batches = (low + (high - low) * places[rows]).reshape(-1, LANES)
        return [jnp.asarray(b, self.span.dtype) for b in batches]


def _away(end: Any, resting: Any, name: str) -> Array:
    """Largest distance of the other states from rest, in parts of their bounds."""
    here, rest = parameters(end), parameters(resting)
    others = [n for n in rest if n != name]
    parts = [jnp.abs(here[n].value - rest[n].value) / (rest[n].bounds[1] - rest[n].bounds[0]) for n in others]
    return jnp.max(jnp.stack(parts)) if parts else jnp.zeros((), here[name].value.dtype)
