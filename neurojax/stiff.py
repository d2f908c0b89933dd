"""The hot loop: many stiff devices, each at its own pace through its own waveform.

    M dy/dt = rate(member, y, v(t)),    v piecewise linear between knots, M = 1 unless said otherwise

All lanes (one a device) sit in one `while_loop`, but no lane waits for another: each has its own segment
of the waveform, its own time within it, its own step size. No step crosses a knot, within a segment the
voltage is a straight line whose slope enters the step exactly, and times are counted from the last knot,
with compensation, so that picoseconds in a sweep of seconds survive float32 too. Steps are those of
`_rodas.py`; they are written to pages, from which `_samples.py` reads the states at the samples and
`_adjoint.py` the gradient of the whole run. `simulate.py` is the friendly way in.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from neurojax._drive import Drive, Segment, Track, first_segment, over_ports, pieces, segment_at, track
from neurojax._rodas import Slopes, Step, rodas4, slopes, stiffness_growth
from neurojax._samples import ACCEPTED, ENDED, REJECTED, START, Page, blank, collect, samples, write

RUNNING, TOO_MANY, TOO_SMALL = 0, 1, 2
MEANING = {
    TOO_MANY: "more than max_steps steps were needed",
    TOO_SMALL: "the step size vanished (the state runs away, or a rate is not finite)",
}
MANY_LANES = 256
"""From here on the stages are written out: slower to compile, quicker to run."""
EVENT = 0.05
"""Part of a segment within which a state changes by its range where it switches, see `_rodas.shifted`."""
GROWTH = 0.5
"""ln of the factor by which stiffness is meant to change within a step, see `_rodas.stiffness_growth`."""
RAMP = 0.25
"""Largest part of a ramp that one step may take; where the voltage is constant there is no such limit."""
PAGE = 2**22
"""About how many numbers a page holds."""

Rate = Callable[[Any, Array, Array], Array]
"""(member, flat state (n,), voltage) -> flat rate (n,), of one lane."""


@dataclasses.dataclass(frozen=True)
class Equations:
    """What is solved, of one lane: M dy/dt = rate(member, y, v) with M = mass(member), (n, n); None for the identity.

    M may be singular as long as the rows without mass determine the rest (index 1); y0 must then obey them.
    """

    rate: Rate
    mass: Callable[[Any], Array] | None = None


@dataclasses.dataclass(frozen=True)
class Control:
    """What is static: bound on the steps, rows of a page."""

    max_steps: int
    rows: int
    unroll: bool = False


class Lanes(NamedTuple):
    """What every lane carries from step to step."""

    k: Int[Array, " lanes"]
    tau: Float[Array, " lanes"]
    rest: Float[Array, " lanes"]
    h: Float[Array, " lanes"]
    eighth: Float[Array, " lanes"]
    y: Float[Array, "n lanes"]
    slopes: Slopes
    tried: Int[Array, " lanes"]
    code: Int[Array, " lanes"]


class Move(NamedTuple):
    """One attempted step: where, how far, whether it ends the segment, whether it counts, what came out."""

    segment: Segment
    h: Array
    end: Array
    accepted: Array
    starting: Array
    step: Step


class Solution(NamedTuple):
    """States at the samples (lanes, S, n), steps tried and result code of each lane (0 is success)."""

    y: Float[Array, "lanes samples n"]
    steps: Int[Array, " lanes"]
    code: Int[Array, " lanes"]


class Book(NamedTuple):
    """What the adjoint needs of a run: the last page, its rows, its number, and how every page began (leading axis)."""

    page: Page
    count: Array
    last: Array
    lanes: Lanes
    passed: Array


def control(lanes: int, states: int, max_steps: int, page: int = PAGE) -> Control:
    """Pages of about `page` numbers."""
    rows = page // (lanes * (3 + 3 * states))
    rows = 2 ** max(6, min(10, rows.bit_length() - 1))
    return Control(max_steps, rows, lanes >= MANY_LANES)


def integrate(
    equations: Equations,
    members: Any,
    axes: Any,
    drive: Drive,
    y0: Float[Array, "n lanes"],
    rtol: Array,
    atol: Array,
    how: Control,
) -> Solution:
    """Integrate all lanes from the first knot to the last. Differentiable forwards.

    Args:
        equations: of one lane; must not close over traced values. members: their first argument for all lanes.
        axes: tree prefix of `members`, 0 where a leaf has a leading lane axis and None where it is shared.
        drive: waveform and samples. y0: initial states. rtol, atol: of the local error of a step.
    """
    return run(equations, members, axes, drive, y0, rtol, atol, how)[0]


def run(equations, members, axes, drive, y0, rtol, atol, how: Control, booked: bool = False):
    """`integrate`, which also keeps what the adjoint needs."""
    table, at, lanes = track(drive), samples(drive), begin(drive, y0)
    passed = jnp.zeros_like(lanes.k)
    out = jnp.full((drive.ts.shape[-1], *y0.shape), jnp.nan, y0.dtype)
    room = how.max_steps // how.rows + 2 if booked else 0
    book = jax.tree.map(lambda a: jnp.zeros((room, *a.shape), a.dtype), (lanes, passed))

    def unfinished(carry):
        return jnp.any(is_active(carry[0], table))

    def turn(carry):
        lanes, passed, out, page, _, book, number = carry
        if booked:
            book = jax.tree.map(lambda a, b: lax.dynamic_update_index_in_dim(a, b, number, 0), book, (lanes, passed))
        lanes, page, count = fill(equations, members, axes, table, lanes, page, rtol, atol, how)
        out, passed = collect(at, page, count, passed, out)
        return lanes, passed, out, page, count, book, number + 1

    none = jnp.zeros((), jnp.int32)
    carry = (lanes, passed, out, blank(how.rows, y0, booked), none, book, none)
    lanes, _, out, page, count, book, number = lax.while_loop(unfinished, turn, carry)
    return Solution(jnp.moveaxis(out, 2, 0), lanes.tried, lanes.code), Book(page, count, number - 1, *book)


def fill(equations, members, axes, table: Track, lanes: Lanes, page: Page, rtol, atol, how: Control):
    """Steps of all lanes until the page is full or all are done: (lanes, page, rows written)."""

    def going(carry):
        lanes, _, row = carry
        return (row < how.rows) & jnp.any(is_active(lanes, table))

    def once(carry):
        now, page, row = carry
        active = is_active(now, table)
        following, move = attempt(equations, members, axes, table, now, active, rtol, atol, how)
        kind = jnp.where(move.accepted, jnp.where(move.end, jnp.int32(ENDED), jnp.int32(ACCEPTED)), jnp.int32(REJECTED))
        kind = jnp.where(move.starting & active, jnp.int32(START), kind)
        # What is not a step must not put a NaN beside a zero weight.
        counts = move.accepted
        calm = jax.tree.map(lambda a: jnp.where(counts, a, jnp.zeros_like(a)), move.step)
        h = jnp.where(counts, move.h, jnp.ones_like(move.h))
        return following, write(page, row, now.y, now.tau, h, calm, 4 * now.k + kind), row + 1

    lanes, page, count = lax.while_loop(going, once, (lanes, page, jnp.zeros((), jnp.int32)))
    return lanes, page._replace(y=lax.dynamic_update_index_in_dim(page.y, lanes.y, count, 0)), count


def begin(drive: Drive, y0: Array) -> Lanes:
    """All lanes before the first step; their slopes are filled in by the first attempt."""
    (n, lanes), dtype, ports = y0.shape, y0.dtype, drive.v.shape[drive.t.ndim :]
    zero, none = jnp.zeros(lanes, dtype), jnp.zeros(lanes, jnp.int32)
    first = first_segment(drive, lanes)
    empty = Slopes(*(jnp.zeros((n, *m, lanes), dtype) for m in ((), (n,), (math.prod(ports),))))
    h = lax.stop_gradient(1e-3 * segment_at(track(drive), first).length)
    return Lanes(first, zero, zero, h, jnp.ones(lanes, dtype), y0, empty, none, none)


def is_active(lanes: Lanes, table: Track) -> Array:
    return (lanes.k < pieces(table)) & (lanes.code == RUNNING)


def attempt(equations, members, axes, table: Track, lanes: Lanes, active, rtol, atol, how: Control):
    """One step of every active lane, accepted or not; the very first only finds the slopes at the start."""
    segment, starting = segment_at(table, lanes.k), lanes.tried == 0
    size, end = _size(lanes, segment)
    y, tau = lanes.y, lanes.tau
    h, step = advance(equations, axes, how)(members, segment, y, tau, size / segment.length, end, lanes.slopes)
    ahead = jnp.where(starting[None], y, step.y)
    v = segment.v + over_ports(segment.slope, tau + jnp.where(starting, jnp.zeros_like(h), h))
    v = jnp.where((end & ~starting).reshape(-1, *[1] * (v.ndim - 1)), segment.beyond, v)
    found = slopes_at(equations, axes)(members, ahead, v)
    allowed = atol + rtol * jnp.maximum(jnp.abs(y), jnp.abs(step.y))
    error = lax.stop_gradient(jnp.max(jnp.abs(step.error) / allowed, axis=0))
    growth = _growth(equations, members, axes, lanes.slopes.jacobian, found.jacobian, h)
    growth = lax.stop_gradient(jnp.where(end, jnp.zeros_like(growth), growth))
    finite = jnp.isfinite(error) & jnp.isfinite(growth) & jnp.all(jnp.isfinite(found.rate), axis=0)
    error = jnp.where(finite, jnp.maximum(error, 1e-8), 1e8)
    accepted = active & (error <= 1) & (growth <= 1.5 * GROWTH) & ~starting
    move = Move(segment, h, end, accepted, starting, step)
    following = _after(table, lanes, move, active, error, growth, finite, how)
    kept = accepted | (active & starting)
    return following._replace(slopes=jax.tree.map(lambda a, b: jnp.where(kept, a, b), found, lanes.slopes)), move


def advance(equations: Equations, axes: Any, how: Control) -> Callable[..., tuple[Array, Step]]:
    """The differentiable part of a step of all lanes: (members, segment, y, tau, part, end, slopes) -> (h, Step).

    The size is a fixed part of the segment, but for what `rodas4` adds to its derivative, and but for the step that
    ends a segment, which ends there whatever its start. States have the lane axis last, everything else first.
    """

    def one(member, at, y, v, slope, h, slow):
        mass = None if equations.mass is None else equations.mass(member)
        # Algebraic unknowns have no flow along which an event could be shifted.
        slow = slow if mass is None else jnp.zeros_like(slow)
        rate = lambda y, v: equations.rate(member, y, v)  # noqa: E731
        return rodas4(rate, at, y, v, slope, h, slow, mass, unroll=how.unroll)

    def whole(members, segment, y, tau, part, end, at):
        h = jnp.where(end, segment.length - tau, lax.stop_gradient(part) * segment.length)
        slow = jnp.where(end, jnp.zeros_like(h), EVENT * segment.length)
        v = segment.v + over_ports(segment.slope, tau)
        step = jax.vmap(one, in_axes=(axes, -1, -1, 0, 0, 0, 0), out_axes=-1)
        return step(members, at, y, v, segment.slope, h, lax.stop_gradient(slow))

    return whole


def slopes_at(equations: Equations, axes: Any) -> Callable[..., Slopes]:
    """`slopes` of all lanes: (members, y, v) -> Slopes."""

    def one(member, y, v):
        return slopes(lambda y, v: equations.rate(member, y, v), y, v)

    return jax.vmap(one, in_axes=(axes, -1, 0), out_axes=-1)


def _growth(equations: Equations, members, axes, before, after, h) -> Array:
    def one(member, before, after, h):
        return stiffness_growth(before, after, h, None if equations.mass is None else equations.mass(member))

    return jax.vmap(one, in_axes=(axes, -1, -1, 0))(members, before, after, h)


def _size(lanes: Lanes, segment: Segment) -> tuple[Array, Array]:
    """How far this step may go, and whether that is the end of the segment."""
    remaining = segment.length - lanes.tau
    ramp = segment.slope != 0
    ramp = ramp if ramp.ndim == 1 else jnp.any(ramp, axis=-1)
    size = jnp.where(ramp, jnp.minimum(lanes.h, RAMP * segment.length), lanes.h)
    size = jnp.where(size > 0.95 * remaining, remaining, size)
    return size, size >= remaining


def _after(table: Track, lanes: Lanes, move: Move, active, error, growth, finite, how: Control) -> Lanes:
    """The lanes after a step: time, next step size (PI control), result code; the slopes as before."""
    accepted, ended, starting = move.accepted, move.accepted & move.end, move.starting
    # Powers of two as roots: error^(-3/16) times that of the step before to the 1/8.
    eighth = jnp.sqrt(jnp.sqrt(jnp.sqrt(error)))
    grow = jnp.minimum(0.9 * lanes.eighth / (eighth * jnp.sqrt(eighth)), GROWTH / (growth + 1e-30))
    grow = jnp.clip(grow, 0.2, 6.0)
    grow = jnp.where(finite, jnp.where(accepted, grow, jnp.minimum(grow, 0.9)), 0.1)
    h = lax.stop_gradient(move.h) * grow
    # A step cut short by a knot says nothing against the longer one.
    h = jnp.where(accepted & (grow > 1), jnp.maximum(h, lanes.h), h)
    moved = move.h + lanes.rest
    tau = lanes.tau + moved
    rest = lax.stop_gradient(moved - (tau - lanes.tau))
    zero = jnp.zeros_like(tau)
    tried = lanes.tried + active.astype(jnp.int32)
    small = jnp.asarray(1e-20 if tau.dtype == jnp.float64 else 1e-14, tau.dtype)
    vanished = active & ~starting & ~ended & (move.h < small * move.segment.length)
    code = jnp.where(vanished, jnp.int32(TOO_SMALL), lanes.code)
    last = ended & (move.segment.following >= pieces(table))
    code = jnp.where(active & (tried >= how.max_steps) & ~last, jnp.int32(TOO_MANY), code)
    return Lanes(
        jnp.where(ended, move.segment.following, lanes.k),
        jnp.where(ended, zero, jnp.where(accepted, tau, lanes.tau)),
        jnp.where(ended, zero, jnp.where(accepted, rest, lanes.rest)),
        jnp.where(active & ~starting, h, lanes.h),
        jnp.where(accepted, eighth, lanes.eighth),
        jnp.where(accepted, move.step.y, lanes.y),
        lanes.slopes,
        tried,
        code,
    )
