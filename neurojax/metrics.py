"""Figures of merit: what device papers tabulate, each a differentiable function of a record or of readings.

    of a record      switching_energy, switching_voltage, threshold_and_hold, delay
    of readings      on_off, states, nonlinearity, neurosim_label, asymmetry, paired_pulse, kinetics_slope
    of a device      conductances (the reading at every sample of a record), volatility

`datasheet.py` measures them on any device by the usual protocols.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from neurojax.errors import SimulationError
from neurojax.instrument import Instrument
from neurojax.members import Members
from neurojax.record import Record, crossing
from physics.device import AbstractDevice, Environment
from physics.neurosim import LABEL

Real = Float[Array, "..."]


def conductances(
    device: AbstractDevice,
    record: Record,
    v_read: float | Real,
    *,
    env: Environment | None = None,
    instrument: Instrument | None = None,
) -> Float[Array, " n"]:
    """What a reading at `v_read` (V, on the last port) would have given at every sample: i/v (S), shape (n,).

    Args:
        device: of the record, one device. record: of one member. env, instrument: as in `simulate`.

    Raises:
        SimulationError: the record is one of a population.
    """
    if record.ok.ndim:
        raise SimulationError("conductances takes the record of one device: record.member(k), or vmap over members.")
    member = Members(device, Environment() if env is None else env, instrument)
    return _conductances(member, record.x, jnp.asarray(v_read, record.t.dtype))


@eqx.filter_jit
def _conductances(member: Members, x: Any, v_read: Real) -> Float[Array, " n"]:
    """Compiled in one piece: a device that solves for its current would else compile its loop at every call."""
    return jax.vmap(lambda state: member.conductance(state, v_read))(x)


def on_off(g: Real) -> Real:
    """Largest over smallest of some conductances (along the last axis)."""
    return jnp.max(g, axis=-1) / jnp.min(g, axis=-1)


def switching_voltage(record: Record, name: str, level: Any) -> Real:
    """Applied voltage (V), of each port, at which a state, or "current", first crosses a level; nan if it never does.

    Its derivative is that along the straight lines between samples, see `Record.crossing_time`.
    """
    return _at(record, record.v, record.crossing_time(name, level))


def switching_energy(record: Record, name: str, level: Any) -> Real:
    """Energy (J) taken from the source until a state, or "current", first crosses a level; nan if it never does."""
    return _at(record, record.energy, record.crossing_time(name, level))


def delay(record: Record, level: Any, start: float | Real = 0.0) -> Real:
    """Time (s) from `start` until the current first crosses a level (A); inf if it never does."""
    return record.crossing_time("current", level) - start


def threshold_and_hold(record: Record, level: float | Real) -> tuple[Real, Real]:
    """Voltages (V) at which the current of a volatile switch rises above a level (A), and falls below it again.

    Args:
        record: of one device, a sweep up and down again; the first rise and the first fall behind it count.

    Returns:
        (threshold, hold); nan for what does not happen.
    """
    i, level = jnp.abs(record.i), jnp.asarray(level, record.i.dtype)
    up = crossing(record.t, i, level)
    later = jnp.where(record.t > up, i, jnp.asarray(jnp.inf, i.dtype))
    # Before it has switched on it cannot switch off.
    first = jnp.argmax(later < level)
    there = (first > 0) & jnp.isfinite(up) & jnp.any(later < level)
    k = jnp.maximum(first, 1)
    fall = i[k - 1] - i[k]
    part = (i[k - 1] - level) / jnp.where(fall == 0, jnp.ones_like(fall), fall)
    down = record.t[k - 1] + part * (record.t[k] - record.t[k - 1])
    return _at(record, record.v, up), _at(record, record.v, jnp.where(there, down, jnp.nan))


def states(g_min: Real, g_max: Real, sigma: Real, separation: float = 6.0) -> Real:
    """How many levels fit between two conductances if neighbours are `separation` standard deviations apart.

    N = 1 + (g_max - g_min)/(separation sigma); 6 leaves 3 sigma on each side of every level. Not rounded, to be
    differentiable.
    """
    return 1 + (g_max - g_min) / (separation * sigma)


def states_between(g: Real, sigma: Real, separation: float = 6.0) -> Real:
    """`states` where the noise depends on the level: 1 + integral of dg/(separation sigma(g)) over readings g."""
    parts = jnp.diff(g) * 0.5 * (1 / sigma[1:] + 1 / sigma[:-1])
    return 1 + jnp.sum(jnp.abs(parts)) / separation


def nonlinearity(g: Float[Array, " n"]) -> Real:
    """Largest distance of a ramp of readings from its straight line, over its range: 0 is linear, 1 a step.

    Positive where the ramp runs ahead of the line (fast first).
    """
    n = g.shape[0]
    part = (g - g[0]) / (g[-1] - g[0])
    off = part - jnp.arange(n, dtype=g.dtype) / (n - 1)
    return off[jnp.argmax(jnp.abs(off))]


def neurosim_label(g: Float[Array, " n"]) -> Real:
    """NL, the label of NeuroSim, of a ramp of readings: 0 where it is straight, 10.1 where it jumps at once.

    10.1015 times `nonlinearity`, which is the label of `physics.neurosim.NeuroSim` where the readings follow its curve.
    """
    return LABEL * nonlinearity(g)


def asymmetry(up: Float[Array, " n"], down: Float[Array, " n"]) -> Real:
    """Mean distance between the steps up and the steps down at one conductance, over the mean step.

    Zero where a pulse down undoes a pulse up everywhere.

    Args:
        up: readings after pulses up, increasing. down: the same for pulses down, decreasing.
    """
    middle = lambda g: 0.5 * (g[1:] + g[:-1])  # noqa: E731
    at = middle(up)
    back = jnp.interp(at, middle(down)[::-1], -jnp.diff(down)[::-1])
    step = jnp.diff(up)
    return jnp.mean(jnp.abs(step - back)) / jnp.mean(0.5 * (step + back))


def paired_pulse(rest: Real, first: Real, second: Real) -> Real:
    """Second response over the first, each from the rest: above one is facilitation, below it depression."""
    return (second - rest) / (first - rest)


def kinetics_slope(v: Float[Array, " n"], t: Float[Array, " n"]) -> Real:
    """Volts by which a decade of switching time is bought (V/decade, negative): least squares over ln t."""
    x = jnp.log10(t)
    centred = x - jnp.mean(x)
    return jnp.sum(centred * (v - jnp.mean(v))) / jnp.sum(centred * centred)


def volatility(device: AbstractDevice, x: Any = None, *, env: Environment | None = None) -> Real:
    """Time constant (s) of the slowest motion at zero bias around a state: how long it remembers.

    1/min |Re(eigenvalue)| of the Jacobian of the rate at v = 0; inf where a state does not move at all. For a
    state that is no equilibrium it is the time in which the linearised motion changes it by e.

    Args:
        x: a state, `device.init(env)` if none. env: temperature (300 K).
    """
    env = Environment() if env is None else env
    start = device.init(env) if x is None else x
    flat, unravel = ravel_pytree(start)
    v = jnp.zeros(device.port_shape, flat.dtype)
    slopes = jax.jacfwd(lambda y: ravel_pytree(device.rate(unravel(y), v, env))[0])(flat)
    return 1 / jnp.min(jnp.abs(jnp.real(jnp.linalg.eigvals(slopes))))


def _at(record: Record, y: Real, t: Real) -> Real:
    """Samples at a time (one a member), by straight lines, of each port; nan where there is no such time."""
    ports = record.i.ndim - record.ok.ndim - 1
    found = jnp.isfinite(t)
    safe = jnp.where(found, t, record.t[0])

    def over(y: Real, t: Real) -> Real:
        one = lambda y: jnp.interp(t, record.t, y)  # noqa: E731
        return jax.vmap(one, in_axes=-1)(y) if ports else one(y)

    own = 0 if y.ndim > 1 + ports else None
    here = over(y, safe) if not record.ok.ndim else jax.vmap(over, in_axes=(own, 0))(y, safe)
    return jnp.where(found[..., None] if ports else found, here, jnp.nan)
