"""Open loop: how many pulses, or which amplitude, bring a cell to a target, read from the map of one pulse."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from neurojax.errors import ProgrammingError
from neurojax.programming.curve import Surface, _halved
from neurojax.programming.pulse_map import PulseMap

Real = Float[Array, "..."]


def pulses_to(
    table: PulseMap, x: Real, target: Real, *, limit: int = 10_000, throw: bool = True
) -> tuple[Int[Array, "..."], Real]:
    """Number of equal pulses after which cells are nearest to a target state, and the state that they then have.

    Args:
        table: map of one amplitude, `table.at(v)`. x: states before. target: states wanted, of the same shape
            (`table.state_of(g)` of conductances). limit: most pulses. throw: raise where a target is not reached;
            else its number is -1.

    Raises:
        ProgrammingError: the pulses lead the other way, stop before, or are more than `limit`.
    """
    n, after = _counted(table, x, target, limit)
    if throw and not isinstance(n, Tracer) and bool((np.asarray(n) < 0).any()):
        k = int(np.argmax(np.ravel(n) < 0))
        raise ProgrammingError(
            f"{int((np.asarray(n) < 0).sum())} of {n.size} targets are not reached in {limit} pulses; the first is "
            f"{table.state} = {float(np.ravel(target)[k]):.4g} from {float(np.ravel(x)[k]):.4g}. Take pulses of the "
            "other sign, higher ones, or throw=False."
        )
    return n, after


@eqx.filter_jit
def _counted(table: PulseMap, x: Real, target: Real, limit: int) -> tuple[Array, Real]:
    upwards = target > x

    def more(carry):
        k, _, _, going = carry
        return jnp.any(going) & (k < limit)

    def once(carry):
        k, n, x, going = carry
        after = table(x)
        nearer = going & (jnp.abs(after - target) < jnp.abs(x - target))
        passed = jnp.where(upwards, after >= target, after <= target)
        going = nearer & ~passed
        return k + 1, n + nearer.astype(n.dtype), jnp.where(nearer, after, x), going

    start = (jnp.zeros((), jnp.int32), jnp.zeros(x.shape, jnp.int32), x, x != target)
    _, n, end, going = lax.while_loop(more, once, start)
    # Nearest is on one of both sides of the target: within one more pulse of it.
    step = jnp.abs(table(end) - end)
    reached = ~going & (jnp.abs(end - target) <= jnp.maximum(step, _before(table, end, n)))
    return jnp.where(reached | (x == target), n, -1), end


def _before(table: PulseMap, end: Real, n: Array) -> Real:
    """Size of the pulse that led there; nothing where there was none."""
    after: Any = table.after
    there = after.inverse(end)
    return jnp.where((n > 0) & jnp.isfinite(there), jnp.abs(end - there), jnp.zeros_like(end))


def amplitude_to(
    table: PulseMap, x: Real, target: Real, volts: tuple[float, float], *, throw: bool = True
) -> Float[Array, "..."]:
    """Amplitude (V) of the one pulse that brings each cell to its target: the inverse of the map, by halving.

    Differentiable in states and targets.

    Args:
        table: map over a range of amplitudes. x: states before. target: states wanted, of the same shape. volts: ends
            of amplitudes between which the state after is monotone, those of one sign for instance. throw: raise where
            a target is not between what both do; else it is nan.

    Raises:
        ProgrammingError: such a target, or a map of one amplitude.
    """
    if not isinstance(table.after, Surface):
        raise ProgrammingError("this map has one amplitude; build it over a range, pulse_map(device, (a, b), ...).")
    found = _amplitudes(table, x, target, jnp.asarray(volts, x.dtype))
    if throw and not isinstance(found, Tracer) and not bool(np.isfinite(np.asarray(found)).all()):
        lost = ~np.isfinite(np.ravel(found))
        k = int(np.argmax(lost))
        raise ProgrammingError(
            f"{int(lost.sum())} of {found.size} targets cannot be reached by one pulse between {volts[0]} and "
            f"{volts[1]} V; the first is {table.state} = {float(np.ravel(target)[k]):.4g} from "
            f"{float(np.ravel(x)[k]):.4g}. Use more pulses, a wider range, or throw=False."
        )
    return found


@eqx.filter_jit
def _amplitudes(table: PulseMap, x: Real, target: Real, volts: Real) -> Real:
    held: Any = lax.stop_gradient((table, x, target))
    ends = [held[0](held[1], v) for v in volts]
    sign = jnp.where(ends[1] > ends[0], 1.0, -1.0).astype(x.dtype)
    wide = lambda v: jnp.broadcast_to(v, x.shape)  # noqa: E731
    beyond = lambda v: sign * (held[0](held[1], v) - held[2]) >= 0  # noqa: E731
    v = _halved(beyond, wide(volts[0]), wide(volts[1]))
    one = jnp.ones_like(v)
    _, steep = jax.jvp(lambda v: held[0](held[1], v), (v,), (one,))
    flat = steep == 0
    # One step of Newton's method carries the derivatives.
    newton = v - jnp.where(flat, jnp.zeros_like(v), (table(x, v) - target) / jnp.where(flat, one, steep))
    low, high = jnp.minimum(ends[0], ends[1]), jnp.maximum(ends[0], ends[1])
    there = (held[2] >= low) & (held[2] <= high)
    return jnp.where(there, jnp.clip(newton, jnp.min(volts), jnp.max(volts)), jnp.nan)


def symmetric_point(up: PulseMap, down: PulseMap) -> Float[Array, ""]:
    """The state at which one pulse up followed by one down changes nothing: where pairs of pulses lead every cell.

    Args:
        up, down: maps of one amplitude each, of one device.
    """
    low, high = up.span
    # Above the point a pair leads down.
    return _halved(lambda x: down(up(x)) <= x, low, high)
