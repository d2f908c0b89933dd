"""The gradient of a whole run: the discrete adjoint of the steps that were really taken.

The forward run leaves a mark of every lane after each sqrt(max_steps) accepted steps. Backwards, one
block after the other is run again from its mark, its steps are written down, and their transposes are
applied in reverse, sample by sample. So the memory is 2 sqrt(max_steps) (n + 5) numbers a lane, the cost
one more forward run and one transposed step for each accepted one, and the result the exact derivative
of the discretised solution (step sizes are taken as fixed fractions of their segment).
"""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from neurojax import stiff
from neurojax._drive import Drive, over_ports, segment_at
from neurojax.stiff import Control, Lanes, Solution


class Taken(NamedTuple):
    """One accepted step of each lane, as it has to be known backwards; `at` and `part` in parts of the segment."""

    k: Array
    at: Array
    part: Array
    end: Array
    s: Array
    y: Array


def integrate(rate, members, axes, drive: Drive, y0, rtol, atol, how: Control) -> Solution:
    """`stiff.integrate`, differentiable in reverse: in members, waveform, sample times and initial state."""
    every = math.isqrt(how.max_steps - 1) + 1

    def forward(inputs):
        members, drive, y0, rtol, atol = jax.tree.map(lambda a: a.value, inputs, is_leaf=_is_primal)
        moving = jax.tree.map(lambda a: a.perturbed, inputs[:2], is_leaf=_is_primal)
        solution, (end, marks) = stiff.run(rate, members, axes, drive, y0, rtol, atol, how, every)
        # Which leaves are asked for travels in the structure: None on one side or the other.
        return solution, (eqx.partition((members, drive), moving), (rtol, atol), end, marks)

    def backward(kept, cotangent):
        (asked, still), (rtol, atol), end, marks = kept
        found, start = _reverse(rate, axes, asked, still, rtol, atol, how, every, end, marks, cotangent.y)
        zeros = jax.tree.map(jnp.zeros_like, eqx.combine(asked, still))
        members, drive = eqx.combine(found, zeros)
        return ((members, drive, start, jnp.zeros_like(rtol), jnp.zeros_like(atol)),)

    @jax.custom_vjp
    def whole(inputs):
        members, drive, y0, rtol, atol = inputs
        return stiff.integrate(rate, members, axes, drive, y0, rtol, atol, how)

    whole.defvjp(forward, backward, symbolic_zeros=True)
    return whole((members, drive, y0, rtol, atol))


def _is_primal(a: Any) -> bool:
    return hasattr(a, "perturbed")


def _reverse(
    rate, axes, asked, still, rtol, atol, how, every, end: Lanes, marks: Lanes, cotangent
) -> tuple[Any, Array]:
    """Gradients of the asked leaves, and of the initial state."""
    members, drive = eqx.combine(asked, still)
    seeds = jnp.moveaxis(cotangent, 0, 2)
    left = jnp.arange(seeds.shape[0], dtype=jnp.int32)[:, None] >= end.s[None]
    costate = jnp.sum(jnp.where(left[:, None], seeds, jnp.zeros_like(seeds)), axis=0)

    def block(carry):
        b, costates, found = carry
        start = jax.tree.map(lambda a: a[b], marks)
        lanes_in = end.taken > b * every
        idle = stiff.begin(drive, marks.y[0])
        start = jax.tree.map(lambda a, z: jnp.where(lanes_in.reshape(*[1] * (a.ndim - 1), -1), a, z), start, idle)
        record, count = _replay(rate, members, axes, drive, start, lanes_in, rtol, atol, how, every)

        def back(carry):
            j, costates, found = carry
            taken = jax.tree.map(lambda a: a[j], record)
            costates, more = _transposed(rate, axes, asked, still, how, taken, j < count, costates, seeds)
            return j - 1, costates, jax.tree.map(jnp.add, found, more)

        first = jnp.max(count) - 1
        _, costates, found = lax.while_loop(lambda c: c[0] >= 0, back, (first, costates, found))
        return b - 1, costates, found

    found = jax.tree.map(jnp.zeros_like, asked)
    last = jnp.maximum(jnp.max(end.taken) - 1, 0) // every
    costates = (costate, jnp.zeros_like(end.tau))
    _, (costate, _), found = lax.while_loop(lambda c: c[0] >= 0, block, (last, costates, found))
    return found, costate


def _replay(rate, members, axes, drive, start: Lanes, lanes_in, rtol, atol, how, every) -> tuple[Taken, Array]:
    """The accepted steps of one block again, written down; rows that a lane does not reach hold a harmless step."""
    origin, none = start.taken, jnp.zeros_like(start.h)
    segment = segment_at(drive, start.k)
    small = jnp.minimum(jnp.full_like(none, 1e-3), jnp.abs(start.h) / segment.length)
    idle = Taken(start.k, none, small, jnp.zeros_like(lanes_in), start.s, start.y)
    record = jax.tree.map(lambda a: jnp.broadcast_to(a[None], (every, *a.shape)), idle)

    def going(lanes):
        return lanes_in & stiff.is_active(lanes, drive) & (lanes.taken < origin + every)

    def body(carry):
        lanes, record = carry
        following, move = stiff.attempt(rate, members, axes, drive, lanes, going(lanes), rtol, atol, how)
        length = move.segment.length
        taken = Taken(lanes.k, lanes.tau / length, move.h / length, move.end, lanes.s, lanes.y)
        row = jnp.where(move.accepted, lanes.taken - origin, every)
        return following, stiff.put(record, row, taken)

    lanes, record = lax.while_loop(lambda c: jnp.any(going(c[0])), body, (start, record))
    return record, jnp.where(lanes_in, lanes.taken - origin, jnp.zeros_like(origin))


def _transposed(rate, axes, asked, still, how, taken: Taken, valid, costates, seeds) -> tuple[tuple[Array, Array], Any]:
    """The costates of state and time before a step from those after it, and what the step adds to the gradients."""

    def step(asked, y, tau):
        members, drive = eqx.combine(asked, still)
        segment = segment_at(drive, taken.k)
        # In parts of the segment, which stretch with it.
        tau = taken.at * segment.length + tau
        at = stiff.slopes_at(rate, axes)(members, y, segment.v + over_ports(segment.slope, tau))
        h, move = stiff.advance(rate, axes, how)(members, segment, y, tau, taken.part, taken.end, at)
        _, _, fraction = stiff.passed(drive, taken.s, segment, tau, h, valid, how)
        after = jnp.where(taken.end, jnp.zeros_like(tau), tau + h - (taken.at + taken.part) * segment.length)
        return move.y, after, stiff.between(y, move, fraction)

    _, drive = eqx.combine(asked, still)
    segment = segment_at(drive, taken.k)
    tau, h = taken.at * segment.length, taken.part * segment.length
    ids, inside, _ = stiff.passed(drive, taken.s, segment, tau, h, valid, how)
    lane = jnp.arange(h.shape[0], dtype=jnp.int32)[None]
    picked = jnp.moveaxis(seeds[jnp.minimum(ids, seeds.shape[0] - 1), :, lane], 2, 1)
    picked = jnp.where(inside[:, None], picked, jnp.zeros_like(picked))
    of_state, of_time = costates
    state = jnp.where(valid[None], of_state, jnp.zeros_like(of_state))
    time = jnp.where(valid, of_time, jnp.zeros_like(of_time))
    more, state, time = jax.vjp(step, asked, taken.y, jnp.zeros_like(h))[1]((state, time, picked))
    return (jnp.where(valid[None], state, of_state), jnp.where(valid, time, of_time)), more
