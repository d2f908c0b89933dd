"""The gradient of a whole run: the discrete adjoint of the steps that were really taken.

The forward run leaves its last page of steps, and the lanes as they were when each page was begun. Backwards, page
by page, the seeds of the samples are spread over the steps (`_samples.spread`), and the transposes of the steps are
applied in reverse; a page that is no longer there is stepped through once more. So the cost is one transposed step
for each one taken, and one more run for what does not fit a page, of 256 to 1024 steps (of circuits 8192). The memory,
in numbers a lane: 9 n + 4 for each row of a page, n^2 + 3 n + 9 for each of max_steps/rows beginnings; with one state
and 2^16 steps 6 600, or 52 kB in float64, and a byte for each of max_steps, 66 kB. The result is the exact
derivative of the discretised solution (step sizes are taken as fixed fractions of their segment).

Of more than KEPT lanes nothing is kept: they are run once more, part by part. So on a CPU the memory is bounded.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from neurojax import _lanes, stiff
from neurojax._blocks import blocks, over_blocks, room
from neurojax._drive import Drive, Track, over_ports, segment_at, track
from neurojax._keep import kept
from neurojax._lanes import Control, Equations, Place
from neurojax._samples import ENDED, REJECTED, START, Page, Samples, samples, spread
from neurojax._transpose import Law, Pulled, Seeds, Taken, transposed
from neurojax.stiff import Book, Solution

KEPT = 512
"""Lanes whose steps are kept from the forward run on a CPU."""


class Problem(NamedTuple):
    """What stays the same from page to page. flags: which leaves of `members` are asked for; driven: is the track?"""

    equations: Equations
    members: Any
    axes: Any
    flags: Any
    table: Track
    at: Samples
    driven: bool
    how: Control


def integrate(equations, members, axes, drive: Drive, y0, rtol, atol, how: Control) -> Solution:
    """`stiff.integrate`, differentiable in reverse: in members, waveform, sample times and initial state."""
    lanes, own = y0.shape[1], 0 if drive.t.ndim > 1 else None

    @jax.checkpoint
    def part(inputs):
        members, drive, start = inputs
        return _integrate(equations, members, axes, drive, start.T, rtol, atol, how)

    parts: Any = lambda carry, inputs, number: (carry, part(inputs))  # noqa: E731
    if blocks(lanes, KEPT)[0] == 1:
        return _integrate(equations, members, axes, drive, y0, rtol, atol, how)
    return over_blocks(parts, None, (members, drive, y0.T), (axes, own, 0), lanes, KEPT)[1]


def _integrate(equations, members, axes, drive: Drive, y0, rtol, atol, how: Control) -> Solution:
    """`integrate` of lanes whose steps are kept."""

    def forward(inputs):
        members, drive, y0, rtol, atol = jax.tree.map(lambda a: a.value, inputs, is_leaf=_is_primal)
        moving = jax.tree.map(lambda a: a.perturbed, inputs[:2], is_leaf=_is_primal)
        solution, book = stiff.run(equations, members, axes, drive, y0, rtol, atol, how, booked=True)
        # Which leaves are asked for travels in the structure: None on one side or the other.
        return solution, (eqx.partition((members, drive), moving), (rtol, atol), book)

    def backward(kept, cotangent):
        ((asked, moving), (still, resting)), tolerances, book = kept
        members, drive = eqx.combine(asked, still), eqx.combine(moving, resting)
        flags = jax.tree.map(lambda a: a is not None, asked, is_leaf=lambda a: a is None)
        driven, own = bool(jax.tree.leaves(moving)), drive.t.ndim > 1
        lanes = cotangent.y.shape[0]

        def part(summed, given, block):
            members, drive, seeds = given
            problem = Problem(equations, members, axes, flags, track(drive), samples(drive), driven, how)
            (of_asked, of_table), of_tau, of_start = _reverse(problem, tolerances, book, block, seeds)
            of_track = (of_table, of_tau)
            out = (of_asked, of_start.T, of_track if own else None)
            return (None if own else jax.tree.map(jnp.add, summed, of_track)), out

        zero = jax.tree.map(jnp.zeros_like, (track(drive)[:3] if driven else None, samples(drive).tau))
        seeds = jnp.pad(cotangent.y, [(0, room(lanes) - lanes), (0, 0), (0, 0)])
        given, places = (members, drive, seeds), (axes, 0 if own else None, 0)
        summed, (of_asked, of_start, each) = over_blocks(part, None if own else zero, given, places, lanes)
        of_members = eqx.combine(_shared(of_asked, asked), jax.tree.map(jnp.zeros_like, members))
        of_drive = jax.tree.map(jnp.zeros_like, drive)
        if driven:
            looked_up = lambda d: (track(d)[:3], samples(d).tau)  # noqa: E731
            of_drive = jax.vjp(looked_up, drive)[1](each if own else summed)[0]
        return ((of_members, of_drive, of_start.T, *map(jnp.zeros_like, tolerances)),)

    @jax.custom_vjp
    def whole(inputs):
        members, drive, y0, rtol, atol = inputs
        return stiff.integrate(equations, members, axes, drive, y0, rtol, atol, how, moving=False)

    whole.defvjp(forward, backward, symbolic_zeros=True)
    return whole((members, drive, y0, rtol, atol))


def _shared(of_asked: Any, asked: Any) -> Any:
    """Gradients of leaves from those of each lane: a leaf that all lanes share gets the sum."""
    return jax.tree.map(lambda g, a: g if g.shape == a.shape else jnp.sum(g, axis=0), of_asked, asked)


def _is_primal(a: Any) -> bool:
    return hasattr(a, "perturbed")


def _reverse(problem: Problem, tolerances, book: Book, block: Array, cotangent: Array) -> tuple[Any, Array, Array]:
    """Of a block: gradients of the asked leaves (each lane) and the track, of sample times, and of the start."""
    at, seeds = problem.at, jnp.moveaxis(cotangent, 0, 2)

    def turn(carry):
        number, page, count, costate, of_tau, found = carry
        of_y, of_more, more = spread(at, page, count, seeds)
        costate, found = _through(problem, page, count, (of_y, of_more), costate, found)
        again = lambda: _again(problem, tolerances, book, page, block, jnp.maximum(number - 1, 0))  # noqa: E731
        page, count = lax.cond(number > 0, again, lambda: (page, count))
        return number - 1, page, count, costate, of_tau + more, found

    page, count, last = jax.tree.map(lambda a: a[block], book[:3])
    zero = jnp.zeros_like(page.y[0])
    lanes = zero.shape[-1]
    whole = _zeros(problem, lanes)
    table = jax.tree.map(jnp.zeros_like, problem.table[:3]) if problem.driven else None
    carry = (last, page, count, (zero, jnp.zeros_like(zero[0])), jnp.zeros_like(at.tau), (whole, table))
    _, _, _, (costate, _), of_tau, found = lax.while_loop(lambda c: c[0] >= 0, turn, carry)
    return found, of_tau, costate


def _zeros(problem: Problem, lanes: int) -> Any:
    """Room for the gradients of the asked leaves of every lane."""
    each = jax.vmap(lambda m: eqx.filter(m, problem.flags), in_axes=(problem.axes,), axis_size=lanes)
    return jax.tree.map(jnp.zeros_like, each(problem.members))


def _again(problem: Problem, tolerances, book: Book, page: Page, block: Array, number: Array) -> tuple[Page, Array]:
    """A page that was overwritten: the same steps, taken once more from where they began."""
    lanes, notes = jax.tree.map(lambda a: a[block, number], (book.lanes, book.notes))
    equations, members, axes, *_ = problem
    (rtol, atol), place, page = tolerances, Place(problem.table, problem.at), page._replace(notes=notes)
    _, page, count = stiff.fill(equations, members, axes, place, lanes, page, rtol, atol, problem.how, again=True)
    return page, count


def _through(problem: Problem, page: Page, count: Array, seeds, costate, found) -> tuple[tuple[Array, Array], Any]:
    """The costates of state and time at the beginning of a page from those at its end, and what it adds to `found`."""
    of_y, of_more = seeds

    def back(carry):
        row, (of_state, of_time), found = carry
        here = jax.tree.map(lambda a: a[row], page)
        costate, found = _transposed(problem, here, (of_state + of_y[row + 1], of_time), of_more[row], found)
        return row - 1, costate, found

    _, (of_state, of_time), found = lax.while_loop(lambda c: c[0] >= 0, back, (count - 1, costate, found))
    return (of_state + of_y[0], of_time), found


def _transposed(problem: Problem, row: Page, costate, of_more, found) -> tuple[tuple[Array, Array], Any]:
    """The costates before a step from those after it, and `found` with what the step adds.

    tau and h are fixed parts of their segment and stretch with it, but for a step that ends there.
    """
    k, kind, n = row.code >> 2, row.code & 3, row.y.shape[0]
    counts, ended = (kind != REJECTED) & (kind != START), kind == ENDED
    segment = segment_at(problem.table, k)
    none, tau = jnp.zeros_like(of_more[0]), row.more[0]
    # Where nothing counts, a step so small that nothing can happen.
    h = jnp.where(counts, row.more[1], 1e-9 * segment.length)
    of_state, of_time, of_tau, of_h, *dense = (
        jnp.where(counts, a, jnp.zeros_like(a))
        for a in (costate[0], costate[1], of_more[0], of_more[1], of_more[2 : 2 + n], of_more[2 + n :])
    )
    seeds = Seeds(of_state, *dense)
    slow = jnp.where(ended, none, _lanes.EVENT * segment.length)
    v = segment.v + over_ports(segment.slope, tau)
    of_end = jnp.where(ended, none, of_time)
    law = Law(problem.equations, problem.members, problem.axes, problem.flags, h.shape[0])
    u: Any = row.u
    taken = Taken(row.y, v, segment.slope, h, u)
    pulled = kept(lambda *given: transposed(law, *given))(taken, seeds, of_h + of_end, slow)
    of_tau = of_tau + of_end + _dot(pulled.v, segment.slope)
    of_tau = of_tau - jnp.where(ended, pulled.h, none)
    of_length = jnp.where(ended, pulled.h, h / segment.length * (pulled.h - of_end))
    of_length = of_length + tau / segment.length * (of_tau - of_end)
    found = _added(problem, found, pulled, k, of_length, tau, counts)
    return (jnp.where(counts, pulled.y, costate[0]), jnp.where(counts, of_tau, costate[1])), found


def _added(problem: Problem, found, pulled: Pulled, k, of_length, tau, counts) -> tuple[Any, Any]:
    """The gradients with those of one step, where it counts."""
    of_asked, of_table = found

    def kept(a):
        return jnp.where(counts.reshape(-1, *[1] * (a.ndim - 1)), a, jnp.zeros_like(a))

    of_asked = jax.tree.map(lambda a, b: a + kept(b), of_asked, pulled.asked)
    if not problem.driven:
        return of_asked, of_table
    parts = (of_length, pulled.v, pulled.slope + over_ports(pulled.v, tau))
    k = jnp.minimum(k, of_table[0].shape[-1] - 1)
    at = k if problem.table.length.ndim == 1 else (jnp.arange(k.shape[0], dtype=jnp.int32), k)
    return of_asked, tuple(a.at[at].add(kept(b)) for a, b in zip(of_table, parts, strict=True))


def _dot(a: Array, b: Array) -> Array:
    """Over the ports: (lanes, *ports) each."""
    return jnp.sum((a * b).reshape(a.shape[0], -1), axis=1)
