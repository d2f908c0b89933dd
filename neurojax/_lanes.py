"""One attempted step of every lane: how far it may go, what came out, whether it counts, what is next.

A step is refused where its error is beyond the tolerance, where the stiffness changes too much within it, where a rate
is not finite, where it passes a bound that the exact solution does not, and where a sample lies on a curve that is not
to be trusted. Used by the loop in `stiff.py`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from neurojax._drive import Segment, Track, over_ports, pick, pieces, segment_at
from neurojax._held import held
from neurojax._keep import kept
from neurojax._notes import GROWN, SHRUNK, SMALLEST, noted, recalled, rounded
from neurojax._rodas import (
    Slopes,
    Step,
    bare_slopes,
    curve_error,
    ramp_error,
    rodas4,
    slopes,
    stiffness_growth,
)
from neurojax._rows import over_lanes
from neurojax._samples import Samples, passed

RUNNING, TOO_MANY, TOO_SMALL, NOT_FINITE = 0, 1, 2, 3
MEANING = {
    TOO_MANY: "more than max_steps steps were needed",
    TOO_SMALL: "the step size vanished (the state runs away)",
    NOT_FINITE: "the rate or its derivative is not finite",
}
EVENT = 0.05
"""Part of a segment within which a state changes by its range where it switches, see `_rodas.shifted`."""
GROWTH = 0.5
"""ln of the factor by which stiffness is meant to change within a step, see `_rodas.stiffness_growth`."""
RAMP = 0.25
"""Largest part of a ramp that one step may take; where the voltage is constant there is no such limit."""

Rate = Callable[[Any, Array, Array], Array]
"""(member, flat state (n,), voltage) -> flat rate (n,), of one lane."""


@dataclasses.dataclass(frozen=True)
class Equations:
    """What is solved, of one lane: M dy/dt = rate(member, y, v) with M = mass(member), (n, n); None for the identity.

    M may be singular as long as the rows without mass determine the rest (index 1); y0 must then obey them.
    bounds: of each state, where its exact solution lives; None if there are none.
    """

    rate: Rate
    mass: Callable[[Any], Array] | None = None
    bounds: tuple[tuple[float, float], ...] | None = None


@dataclasses.dataclass(frozen=True)
class Control:
    """What is static: bound on the steps, rows of a page."""

    max_steps: int
    rows: int
    unroll: bool = False


class Lanes(NamedTuple):
    """What every lane carries from step to step; where `stale`, its slopes are still to be found.

    s: samples passed. eighth: of the error of the last accepted step, the eighth root.
    """

    k: Int[Array, " lanes"]
    tau: Float[Array, " lanes"]
    rest: Float[Array, " lanes"]
    h: Float[Array, " lanes"]
    eighth: Float[Array, " lanes"]
    y: Float[Array, "n lanes"]
    slopes: Slopes
    s: Int[Array, " lanes"]
    tried: Int[Array, " lanes"]
    code: Int[Array, " lanes"]
    stale: Bool[Array, " lanes"]


class Place(NamedTuple):
    """Where the lanes are: pieces of the waveform and samples."""

    table: Track
    at: Samples


class Move(NamedTuple):
    """One attempted step: where, how far, whether it ends the segment, whether it counts, what came out."""

    segment: Segment
    h: Array
    end: Array
    accepted: Array
    step: Step


def is_active(lanes: Lanes, table: Track) -> Array:
    return (lanes.k < pieces(table)) & (lanes.code == RUNNING)


def attempt(equations, members, axes, place: Place, lanes: Lanes, active, rtol, atol, how: Control, given=None):
    """One step of every active lane, accepted or not; the first, and that after a jump, only finds the slopes.

    Returns the lanes behind it, what was done, and a note of what was decided (`Page.notes`).
    given: the note from when this step was taken before.
    """
    segment, starting = segment_at(place.table, lanes.k), lanes.stale
    size, end = _size(*lax.stop_gradient((lanes, segment)))
    y, tau = lanes.y, lanes.tau
    h, step = advance(equations, axes, how)(members, segment, y, tau, size / segment.length, end, lanes.slopes)
    ahead = jnp.where(starting[None], y, step.y)
    v = segment.v + over_ports(segment.slope, tau + jnp.where(starting, jnp.zeros_like(h), h))
    v = jnp.where((end & ~starting).reshape(-1, *[1] * (v.ndim - 1)), segment.knot, v)
    found = slopes_at(equations, axes, how)(members, ahead, v)
    before, after, seen, began, size, slope = lax.stop_gradient((lanes.slopes, found, step, y, h, segment.slope))
    allowed = atol + rtol * jnp.maximum(jnp.abs(began), jnp.abs(seen.y))
    growth, over = _changes(equations, axes)(lax.stop_gradient(members), before, after, seen.y - began, size, slope)
    growth = jnp.where(starting, jnp.zeros_like(growth), growth)
    outside = _outside(equations.bounds, began, seen.y, after.rate)
    over = jnp.where(starting[None], jnp.zeros_like(over), over + outside)
    error = jnp.max((jnp.abs(seen.error) + over) / allowed, axis=0)
    finite = jnp.isfinite(error) & jnp.isfinite(growth) & jnp.all(jnp.isfinite(after.rate), axis=0)
    error, growth = held(jnp.where(finite, jnp.maximum(error, 1e-8), 1e8)), held(growth)
    fine = active & (error <= 1) & (growth <= 1.5 * GROWTH) & ~starting
    first = _first_sample(*lax.stop_gradient((place.at, lanes, segment)), size)
    between = jnp.max(curve_error(began, seen, size[None] * after.rate) / allowed, axis=0)
    if equations.mass is not None:
        # There `rate` is no slope of the state.
        between = jnp.max(jnp.abs(seen.twist) / (24 * allowed), axis=0)
    cut = fine & (between > 1) & (first < 1 - 1e-4)
    accepted = settled(fine & ~cut, h.dtype)
    if given is not None:
        accepted, cut, tried = recalled(given, lax.stop_gradient(h), lanes.h)
        accepted = active & accepted
    move = Move(segment, h, end, accepted, step)
    following = _after(place, lanes, move, active, error, growth, finite, how)
    if given is not None:
        following = following._replace(h=jnp.where(active & ~starting, tried, lanes.h))
    note = noted(accepted, cut, following.h, lanes.h)
    # Where the curve within the step is not to be trusted, the next one ends at the first of its samples; not close
    # before the end of a segment, which would be taken for it.
    to = lax.stop_gradient(jnp.where(first > 0.9, 0.5 * first, first) * h)
    following = following._replace(h=jnp.where(cut, to, following.h))
    kept = accepted | (active & starting)
    known = jax.tree.map(lambda a, b: jnp.where(kept, a, b), found, lanes.slopes)
    return following._replace(slopes=known), move, note


def settled(decision: Array, dtype: Any) -> Array:
    """What is decided from much and asked for in many places, as a number that is `held`."""
    return held(decision.astype(dtype)) > 0.5


def _first_sample(at: Samples, lanes: Lanes, segment: Segment, h: Array) -> Array:
    """Where in a step its first sample lies, in parts of it; beyond 1 if there is none."""
    total = at.tau.shape[-1]
    since = pick(at.tau, jnp.minimum(lanes.s, total - 1)) - lanes.tau
    # A sample at the start itself is one of the state before the step.
    later = since > 8 * jnp.finfo(h.dtype).eps * segment.length
    there = (lanes.s < pick(at.first, lanes.k + 1)) & later
    return jnp.where(there, since / h, jnp.full_like(h, 2.0))


def advance(equations: Equations, axes: Any, how: Control) -> Callable[..., tuple[Array, Step]]:
    """The differentiable part of a step of all lanes: (members, segment, y, tau, part, end, slopes) -> (h, Step).

    The size is a fixed part of the segment, but for what `rodas4` adds to its derivative, and but for the step that
    ends a segment, which ends there whatever its start. States have the lane axis last, everything else first.
    """

    def each(rows, member, at, y, v, slope, h, slow):
        mass = None if equations.mass is None else equations.mass(member)
        # Algebraic unknowns have no flow along which an event could be shifted.
        slow = slow if mass is None else jnp.zeros_like(slow)
        return rodas4(rows(equations.rate, member), at, y, v, slope, h, slow, mass, unroll=how.unroll)

    def whole(members, segment, y, tau, part, end, at):
        h = jnp.where(end, segment.length - tau, lax.stop_gradient(part) * segment.length)
        slow = jnp.where(end, jnp.zeros_like(h), EVENT * segment.length)
        v = segment.v + over_ports(segment.slope, tau)
        step = over_lanes(each, (axes, -1, -1, 0, 0, 0, 0), -1, how.unroll)
        return step(members, at, y, v, segment.slope, h, lax.stop_gradient(slow))

    return whole


def slopes_at(equations: Equations, axes: Any, how: Control) -> Callable[..., Slopes]:
    """`slopes` of all lanes: (members, y, v) -> Slopes."""

    def bare(member, y, v):
        return bare_slopes(lambda y, v: equations.rate(member, y, v), y, v)

    def each(rows, member, y, v):
        # A row of each derivative to the state is worth while where there is one state.
        if y.shape[0] == 1:
            return Slopes(*map(held, rows(bare, member)(y, v)))
        return slopes(lambda y, v: equations.rate(member, y, v), y, v, how.unroll)

    return kept(over_lanes(each, (axes, -1, 0), -1, how.unroll))


def _changes(equations: Equations, axes: Any) -> Callable[..., tuple[Array, Array]]:
    """`stiffness_growth` and `ramp_error` of all lanes."""

    def each(member, before, after, moved, h, slope):
        mass = None if equations.mass is None else equations.mass(member)
        growth = stiffness_growth(before.jacobian, after.jacobian, h, mass)
        return growth, ramp_error(before, after, moved, h, slope, mass)

    return jax.vmap(each, in_axes=(axes, -1, -1, -1, 0, 0), out_axes=(0, -1))


def _outside(bounds: Any, before: Array, after: Array, rate: Array) -> Array:
    """How much farther beyond its bounds a step has led each state, where the rate there does not lead on.

    An exact solution cannot have gone where the rate leads back. Where it leads on, the bounds are those of somebody
    who did not expect this; then nothing is said against the step.
    """
    if bounds is None:
        return jnp.zeros_like(after)
    low, high = (jnp.asarray(b, after.dtype)[:, None] for b in zip(*bounds, strict=True))
    beyond = lambda y: jnp.maximum(low - y, y - high)  # noqa: E731
    more = jnp.maximum(beyond(after), 0.0) - jnp.maximum(beyond(before), 0.0)
    leads_on = jnp.where(after > high, rate > 0, rate < 0)
    return jnp.where(leads_on, jnp.zeros_like(more), jnp.maximum(more, 0.0))


def _size(lanes: Lanes, segment: Segment) -> tuple[Array, Array]:
    """How far this step may go, and whether that is the end of the segment."""
    remaining = segment.length - lanes.tau
    ramp = segment.slope != 0
    ramp = ramp if ramp.ndim == 1 else jnp.any(ramp, axis=-1)
    size = jnp.where(ramp, jnp.minimum(lanes.h, RAMP * segment.length), lanes.h)
    size = jnp.where(size > 0.95 * remaining, remaining, size)
    return size, size >= remaining


def _after(place: Place, lanes: Lanes, move: Move, active, error, growth, finite, how: Control) -> Lanes:
    """The lanes after a step: time, next step size (PI control), result code; the slopes as before."""
    accepted, ended, starting = move.accepted, move.accepted & move.end, lanes.stale
    # Powers of two as roots: error^(-3/16) times that of the step before to the 1/8.
    eighth = jnp.sqrt(jnp.sqrt(jnp.sqrt(error)))
    grow = jnp.minimum(0.9 * lanes.eighth / (eighth * jnp.sqrt(eighth)), GROWTH / (growth + 1e-30))
    grow = jnp.clip(grow, *GROWN)
    least, most = SHRUNK
    grow = jnp.where(finite, jnp.where(accepted, grow, jnp.minimum(grow, most)), least)
    h = lax.stop_gradient(move.h) * grow
    # A step cut short by a knot says nothing against the longer one.
    h = jnp.where(accepted & (grow > 1), jnp.maximum(h, lanes.h), h)
    h = rounded(h)
    moved = move.h + lanes.rest
    tau = lanes.tau + moved
    rest = lax.stop_gradient(moved - (tau - lanes.tau))
    zero = jnp.zeros_like(tau)
    tried = lanes.tried + active.astype(jnp.int32)
    vanished = active & ~starting & ~ended & (move.h < _least(*lax.stop_gradient((lanes.tau, move.segment.length))))
    code = jnp.where(vanished, jnp.where(finite, jnp.int32(TOO_SMALL), jnp.int32(NOT_FINITE)), lanes.code)
    following = move.segment.following
    over = following >= pieces(place.table)
    code = jnp.where(active & (tried >= how.max_steps) & ~(ended & over), jnp.int32(TOO_MANY), code)
    until = lax.stop_gradient(jnp.where(starting, lanes.tau, lanes.tau + move.h))
    s = passed(place.at, lanes.k, until, lanes.s)
    s = jnp.where(ended, pick(place.at.first, lanes.k + 1), s)
    return Lanes(
        jnp.where(ended, following, lanes.k),
        jnp.where(ended, zero, jnp.where(accepted, tau, lanes.tau)),
        jnp.where(ended, zero, jnp.where(accepted, rest, lanes.rest)),
        jnp.where(active & ~starting, h, lanes.h),
        jnp.where(accepted, eighth, lanes.eighth),
        jnp.where(accepted, move.step.y, lanes.y),
        lanes.slopes,
        jnp.where(accepted | (active & starting), s, lanes.s),
        tried,
        code,
        jnp.where(active, ended & (following != lanes.k + 1) & ~over, lanes.stale),
    )


def _least(tau: Array, length: Array) -> Array:
    """Steps below this no longer move the compensated clock; at the start of a segment that is far below its length."""
    clock, start = (1e-20, 1e-60) if tau.dtype == jnp.float64 else (1e-14, 1e-25)
    return jnp.maximum(jnp.maximum(clock * tau, start * length), SMALLEST)
