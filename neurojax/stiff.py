"""The hot loop: many stiff devices, each at its own pace through its own waveform.

    dy/dt = rate(member, y, v(t)),    v piecewise linear between knots

All lanes (one a device) sit in one `while_loop`, but no lane waits for another: each has its own segment
of the waveform, its own time within it, its own step size. No step crosses a knot, within a segment the
voltage is a straight line whose slope enters the step exactly, and times are counted from the last knot,
with compensation, so that picoseconds in a sweep of seconds survive float32 too. Steps are those of
`_rodas.py`; the gradient of the whole run is in `_adjoint.py`; `simulate.py` is the friendly way in.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from neurojax._drive import Drive, Segment, over_ports, pick, segment_after, segment_at
from neurojax._rodas import Slopes, Step, interpolate, rodas4, slopes, stiffness_growth

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

Rate = Callable[[Any, Array, Array], Array]
"""(member, flat state (n,), voltage) -> flat rate (n,), of one lane."""


@dataclasses.dataclass(frozen=True)
class Control:
    """What is static: bound on the steps, and the window of samples that one step may pass."""

    max_steps: int
    window: int = 4
    unroll: bool = False


class Lanes(NamedTuple):
    """What every lane carries from step to step."""

    k: Int[Array, " lanes"]
    tau: Float[Array, " lanes"]
    rest: Float[Array, " lanes"]
    h: Float[Array, " lanes"]
    error: Float[Array, " lanes"]
    y: Float[Array, "n lanes"]
    slopes: Slopes
    s: Int[Array, " lanes"]
    taken: Int[Array, " lanes"]
    tried: Int[Array, " lanes"]
    code: Int[Array, " lanes"]


class Move(NamedTuple):
    """One attempted step: from where, how far, whether it ends the segment, whether it counts, what came out.

    ids, inside: the samples that it may pass and those that it does, (window, lanes); fraction: where in the step.
    """

    segment: Segment
    h: Array
    end: Array
    accepted: Array
    step: Step
    ids: Array
    inside: Array
    fraction: Array


class Solution(NamedTuple):
    """States at the samples (lanes, S, n), steps tried and result code of each lane (0 is success)."""

    y: Float[Array, "lanes samples n"]
    steps: Int[Array, " lanes"]
    code: Int[Array, " lanes"]


def control(lanes: int, samples: int, max_steps: int) -> Control:
    return Control(max_steps, max(2, min(8, samples // 100)), lanes >= MANY_LANES)


def integrate(
    rate: Rate,
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
        rate: of one lane; must not close over traced values. members: its first argument for all lanes.
        axes: tree prefix of `members`, 0 where a leaf has a leading lane axis and None where it is shared.
        drive: waveform and samples. y0: initial states. rtol, atol: of the local error of a step.
    """
    solution, _ = run(rate, members, axes, drive, y0, rtol, atol, how)
    return solution


def run(rate, members, axes, drive, y0, rtol, atol, how: Control, every: int = 0):
    """`integrate`, which also keeps the lanes as they were after each `every` accepted steps (for the adjoint)."""
    lanes, samples = y0.shape[1], drive.ts.shape[-1]
    out = jnp.full((samples, *y0.shape), jnp.nan, y0.dtype)
    marks = None if not every else start_marks(drive, y0, how, every)

    def unfinished(carry):
        return jnp.any(is_active(carry[0], drive))

    def body(carry):
        now, out, marks = carry
        if marks is not None:
            marks = _mark(marks, now, every)
        following, move = attempt(rate, members, axes, drive, now, is_active(now, drive), rtol, atol, how)
        values = between(now.y, move.step, move.fraction)
        ids = jnp.where(move.inside, move.ids, samples)
        out = out.at[ids, :, jnp.arange(lanes, dtype=jnp.int32)[None]].set(jnp.moveaxis(values, 1, 2), mode="drop")
        return following, out, marks

    end, out, marks = lax.while_loop(unfinished, body, (begin(drive, y0), out, marks))
    # Samples at the very end, however many, and NaN where a lane did not get there.
    left = jnp.arange(samples, dtype=jnp.int32)[:, None] >= end.s[None]
    last = jnp.where(end.code == RUNNING, end.y, jnp.nan)
    out = jnp.where(left[:, None, :], last[None], out)
    return Solution(jnp.moveaxis(out, 2, 0), end.tried, end.code), (end, marks)


def begin(drive: Drive, y0: Array) -> Lanes:
    """All lanes before the first step; their slopes are filled in by the first attempt."""
    (n, lanes), dtype, ports = y0.shape, y0.dtype, drive.v.shape[drive.t.ndim :]
    zero, none = jnp.zeros(lanes, dtype), jnp.zeros(lanes, jnp.int32)
    first = segment_after(drive, none - 1)
    lengths = segment_at(drive, first).length
    empty = Slopes(*(jnp.zeros((n, *m, lanes), dtype) for m in ((), (n,), (math.prod(ports),))))
    h = lax.stop_gradient(1e-3 * lengths)
    return Lanes(first, zero, zero, h, jnp.ones(lanes, dtype), y0, empty, none, none, none, none)


def is_active(lanes: Lanes, drive: Drive) -> Array:
    return (lanes.k < drive.t.shape[-1] - 1) & (lanes.code == RUNNING)


def attempt(rate, members, axes, drive: Drive, lanes: Lanes, active, rtol, atol, how: Control) -> tuple[Lanes, Move]:
    """One step of every active lane, accepted or not; the very first only finds the slopes at the start."""
    segment, starting = segment_at(drive, lanes.k), lanes.tried == 0
    size, end = _size(drive, lanes, segment, how)
    y, tau = lanes.y, lanes.tau
    h, step = advance(rate, axes, how)(members, segment, y, tau, size / segment.length, end, lanes.slopes)
    ahead = jnp.where(starting[None], y, step.y)
    v = segment.v + over_ports(segment.slope, tau + jnp.where(starting, jnp.zeros_like(h), h))
    beyond = segment_at(drive, segment_after(drive, lanes.k)).v
    v = jnp.where((end & ~starting).reshape(-1, *[1] * (v.ndim - 1)), beyond, v)
    found = slopes_at(rate, axes)(members, ahead, v)
    allowed = atol + rtol * jnp.maximum(jnp.abs(y), jnp.abs(step.y))
    error = lax.stop_gradient(jnp.max(jnp.abs(step.error) / allowed, axis=0))
    growth = jax.vmap(stiffness_growth, in_axes=-1)(lanes.slopes.jacobian, found.jacobian, h)
    growth = lax.stop_gradient(jnp.where(end, jnp.zeros_like(growth), growth))
    finite = jnp.isfinite(error) & jnp.isfinite(growth) & jnp.all(jnp.isfinite(found.rate), axis=0)
    error = jnp.where(finite, jnp.maximum(error, 1e-8), 1e8)
    accepted = active & (error <= 1) & (growth <= 1.5 * GROWTH) & ~starting
    move = Move(segment, h, end, accepted, step, *passed(drive, lanes.s, segment, tau, h, accepted, how))
    following = _after(drive, lanes, move, active, error, growth, finite, how)
    kept = accepted | (active & starting)
    return following._replace(slopes=jax.tree.map(lambda a, b: jnp.where(kept, a, b), found, lanes.slopes)), move


def advance(rate: Rate, axes: Any, how: Control) -> Callable[..., tuple[Array, Step]]:
    """The differentiable part of a step of all lanes: (members, segment, y, tau, part, end, slopes) -> (h, Step).

    The size is a fixed part of the segment, but for what `rodas4` adds to its derivative, and but for the step that
    ends a segment, which ends there whatever its start. States have the lane axis last, everything else first.
    """

    def one(member, at, y, v, slope, h, slow):
        return rodas4(lambda y, v: rate(member, y, v), at, y, v, slope, h, slow, unroll=how.unroll)

    def whole(members, segment, y, tau, part, end, at):
        h = jnp.where(end, segment.length - tau, lax.stop_gradient(part) * segment.length)
        slow = jnp.where(end, jnp.zeros_like(h), EVENT * segment.length)
        v = segment.v + over_ports(segment.slope, tau)
        step = jax.vmap(one, in_axes=(axes, -1, -1, 0, 0, 0, 0), out_axes=-1)
        return step(members, at, y, v, segment.slope, h, lax.stop_gradient(slow))

    return whole


def slopes_at(rate: Rate, axes: Any) -> Callable[..., Slopes]:
    """`slopes` of all lanes: (members, y, v) -> Slopes."""

    def one(member, y, v):
        return slopes(lambda y, v: rate(member, y, v), y, v)

    return jax.vmap(one, in_axes=(axes, -1, 0), out_axes=-1)


def passed(drive: Drive, s, segment: Segment, tau, h, accepted, how: Control) -> tuple[Array, Array, Array]:
    """Samples within a step: indices, whether they count, and their fraction of the step, (window, lanes) each."""
    samples = drive.ts.shape[-1]
    ids = s[None] + jnp.arange(how.window, dtype=jnp.int32)[:, None]
    at = pick(drive.ts, jnp.minimum(ids, samples - 1))
    since = at - (segment.start + tau)[None]
    slack = 4 * jnp.finfo(h.dtype).eps * (jnp.abs(at) + segment.length[None])
    inside = accepted[None] & (ids < samples) & (since <= h[None] + slack)
    return ids, inside, jnp.clip(since / h[None], 0.0, 1.0)


def between(y0: Array, step: Step, fraction: Array) -> Array:
    """The states (window, n, lanes) at fractions (window, lanes) of a step."""
    return interpolate(y0[None], Step(*(a[None] for a in step)), fraction[:, None])


def _size(drive: Drive, lanes: Lanes, segment: Segment, how: Control) -> tuple[Array, Array]:
    """How far this step may go, and whether that is the end of the segment."""
    remaining = segment.length - lanes.tau
    ramp = segment.slope != 0
    ramp = ramp if ramp.ndim == 1 else jnp.any(ramp, axis=-1)
    size = jnp.where(ramp, jnp.minimum(lanes.h, RAMP * segment.length), lanes.h)
    size = jnp.where(size > 0.95 * remaining, remaining, size)
    ahead = lanes.s + how.window - 1
    samples = drive.ts.shape[-1]
    window = pick(drive.ts, jnp.minimum(ahead, samples - 1)) - segment.start - lanes.tau
    size = jnp.where((ahead < samples) & (window > 0), jnp.minimum(size, window), size)
    return size, size >= remaining


def _after(drive, lanes: Lanes, move: Move, active, error, growth, finite, how: Control) -> Lanes:
    """The lanes after a step: time, sample pointer, next step size (PI control), result code; the slopes as before."""
    accepted, ended, starting = move.accepted, move.accepted & move.end, lanes.tried == 0
    grow = jnp.minimum(0.9 * error**-0.175 * lanes.error**0.1, GROWTH / (growth + 1e-30))
    grow = jnp.clip(grow, 0.2, 6.0)
    grow = jnp.where(finite, jnp.where(accepted, grow, jnp.minimum(grow, 0.9)), 0.1)
    h = lax.stop_gradient(move.h) * grow
    # A step cut short by a knot or a sample says nothing against the longer one.
    h = jnp.where(accepted & (grow > 1), jnp.maximum(h, lanes.h), h)
    moved = move.h + lanes.rest
    tau = lanes.tau + moved
    rest = lax.stop_gradient(moved - (tau - lanes.tau))
    zero = jnp.zeros_like(tau)
    k = segment_after(drive, lanes.k)
    tried = lanes.tried + active.astype(jnp.int32)
    small = jnp.asarray(1e-20 if tau.dtype == jnp.float64 else 1e-14, tau.dtype)
    vanished = active & ~starting & ~ended & (move.h < small * move.segment.length)
    code = jnp.where(vanished, jnp.int32(TOO_SMALL), lanes.code)
    last = ended & (k >= drive.t.shape[-1] - 1)
    code = jnp.where(active & (tried >= how.max_steps) & ~last, jnp.int32(TOO_MANY), code)
    return Lanes(
        jnp.where(ended, k, lanes.k),
        jnp.where(ended, zero, jnp.where(accepted, tau, lanes.tau)),
        jnp.where(ended, zero, jnp.where(accepted, rest, lanes.rest)),
        jnp.where(active & ~starting, h, lanes.h),
        jnp.where(accepted, error, lanes.error),
        jnp.where(accepted, move.step.y, lanes.y),
        lanes.slopes,
        lanes.s + jnp.sum(move.inside, axis=0, dtype=jnp.int32),
        lanes.taken + accepted.astype(jnp.int32),
        tried,
        code,
    )


def start_marks(drive: Drive, y0: Array, how: Control, every: int) -> Lanes:
    """Room for the lanes after every `every` accepted steps: a leading axis on each field."""
    room = how.max_steps // every + 1
    return jax.tree.map(lambda a: jnp.zeros((room, *a.shape), a.dtype), begin(drive, y0))


def _mark(marks: Lanes, now: Lanes, every: int) -> Lanes:
    row = jnp.where(now.taken % every == 0, now.taken // every, marks.k.shape[0])
    return put(marks, row, now)


def put(tables: Any, row: Array, values: Any) -> Any:
    """values (*, lanes) into tables (rows, *, lanes) at row (lanes,); a row beyond the end is dropped."""
    lane = jnp.arange(row.shape[0], dtype=jnp.int32)

    def one(table, value):
        between = (slice(None),) * (value.ndim - 1)
        return table.at[(row, *between, lane)].set(jnp.moveaxis(value, -1, 0), mode="drop")

    return jax.tree.map(one, tables, values)
