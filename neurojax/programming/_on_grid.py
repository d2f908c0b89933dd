"""The map of a pulse on nodes that another one found, as a differentiable function of the parameters of a device.

Where nodes belong cannot be differentiated; what the state equation says there can. Slopes at nodes are linear in the
values at their neighbours, cut as in `_axis.py`, so that derivatives flow through them, too.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array

from neurojax.errors import ProgrammingError
from neurojax.programming._axis import Axis, slopes
from neurojax.programming._metered import energy_unit, pulsed, with_state
from neurojax.programming.curve import Curve, Surface, limited
from neurojax.programming.pulse_map import PulseMap
from neurojax.waveform import Waveform
from physics.device import AbstractDevice, Environment
from physics.quantity import parameters

LANES = 32
"""Pulses that are solved together: what reverse mode keeps in memory at a time."""


def on_grid(
    device: AbstractDevice, env: Environment, shape: Waveform, volts: np.ndarray, grid: PulseMap, options: Any
) -> PulseMap:
    """The map of a device on the nodes of another: its errors are those that were measured of the other.

    Args:
        shape: a pulse of 1 V. volts: its amplitude, or both ends of their range (V). grid: the other map.
        options: of `simulate`.

    Raises:
        ProgrammingError: the other map is of other pulses, or traced itself.
    """
    after = grid.after
    x_axis = after.axis if isinstance(after, Curve) else after.x_axis
    v_axis = None if isinstance(after, Curve) else after.v_axis
    _check(grid, shape, volts, v_axis)
    resting = device.init(env)
    values = _values(device, env, shape, resting, (grid.state, x_axis.nodes), _nodes(v_axis, volts), options)
    if v_axis is None:
        state, spent = (Curve(x_axis, y, bent(x_axis, y)) for y in (values[:, 0, 0], values[:, 0, 1]))
    else:
        state, spent = (_surface(x_axis, v_axis, values[..., c]) for c in range(2))
    read = jax.vmap(lambda x: device.current(with_state(resting, grid.state, x), grid.v_read, env) / grid.v_read)
    g = read(grid.reading.axis.nodes)
    g = jnp.log(g) if grid.logarithmic else g
    reading = Curve(grid.reading.axis, g, bent(grid.reading.axis, g))
    parts = (state, spent, reading, resting, grid.v_read, grid.period, grid.state)
    return PulseMap(*parts, grid.error, grid.energy_error, grid.reading_error, grid.leftover, grid.logarithmic)


def _check(grid: PulseMap, shape: Waveform, volts: np.ndarray, v_axis: Axis | None) -> None:
    if any(isinstance(a, Tracer) for a in jax.tree.leaves((grid.after, grid.reading, grid.period))):
        raise ProgrammingError("grid: a map that is traced itself; build it outside of what is differentiated.")
    ends = volts[:1] if v_axis is None else np.asarray(v_axis.nodes)[[0, -1]]
    duration = float(np.ptp(np.asarray(shape.t)))
    if volts.shape != ends.shape or not np.allclose(volts, ends) or not np.isclose(duration, float(grid.period)):
        raise ProgrammingError(
            f"grid: a map of pulses of {ends} V, {float(grid.period):.4g} s with their rest; these are of {volts} V, "
            f"{duration:.4g} s."
        )


def _nodes(v_axis: Axis | None, volts: np.ndarray) -> Array:
    return jnp.asarray(volts, jnp.result_type(float)) if v_axis is None else v_axis.nodes


def _values(device, env, shape: Waveform, resting, where: tuple[str, Array], vs: Array, options: Any) -> Array:
    """State and energy after a pulse from all nodes, (k, m, 2); nan where the solver stopped."""
    name, xs = where
    ends = jax.vmap(lambda x: with_state(resting, name, x))(jnp.linspace(xs[0], xs[-1], 5))
    unit = lax.stop_gradient(energy_unit(device, ends, vs, shape.duration, env))

    def one(place: Array) -> Array:
        end, energy, code = pulsed(device, shape, with_state(resting, name, place[0]), place[1], unit, options)
        both = jnp.stack([parameters(end)[name].value, energy])
        return jnp.where(code == 0, both, jnp.full_like(both, jnp.nan))

    places = jnp.stack(jnp.meshgrid(xs, vs, indexing="ij"), axis=-1).reshape(-1, 2)
    rows = np.minimum(np.arange(-(-len(places) // LANES) * LANES), len(places) - 1)
    found = lax.map(jax.vmap(one), places[rows].reshape(-1, LANES, 2))
    return found.reshape(-1, 2)[: len(places)].reshape(len(xs), -1, 2)


def bent(axis: Axis, y: Array) -> Array:
    """Slopes at the nodes of values (k, ...), as of a map that is refined."""
    weights = slopes(np.asarray(axis.nodes), np.eye(len(axis.nodes)))
    return limited(axis, y, jnp.tensordot(jnp.asarray(weights, y.dtype), y, axes=1))


def _surface(x_axis: Axis, v_axis: Axis, y: Array) -> Surface:
    by_v = bent(v_axis, y.T).T
    return Surface(x_axis, v_axis, *(a.ravel() for a in (y, bent(x_axis, y), by_v, bent(x_axis, by_v))))
