"""The hot loop: many stiff devices, each at its own pace through its own waveform.

    M dy/dt = rate(member, y, v(t)),    v piecewise linear between knots, M = 1 unless said otherwise

All lanes (one a device) sit in one `while_loop`, but no lane waits for another: each has its own segment
of the waveform, its own time within it, its own step size. No step crosses a knot, within a segment the
voltage is a straight line whose slope enters the step exactly, and times are counted from the last knot,
with compensation, so that picoseconds in a sweep of seconds survive float32 too. Steps are those of
`_rodas.py`, accepted or not in `_lanes.py`; they are written to pages, from which `_samples.py` reads the
states at the samples and `_adjoint.py` the gradient of the whole run. `simulate.py` is the friendly way in.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float, Int

from neurojax._blocks import blocks, over_blocks
from neurojax._drive import Drive, first_segment, segment_at, track
from neurojax._lanes import Control, Equations, Lanes, Place, attempt, is_active
from neurojax._rodas import Slopes
from neurojax._samples import ACCEPTED, ENDED, REJECTED, START, Page, blank, close, collect, samples, write

MANY_LANES = 64
"""From here on the stages are written out: slower to compile, quicker to run."""
PAGE, LONG_PAGE = 2**20, 2**23
"""About how many numbers a page holds: more would only be memory to fetch."""


class Solution(NamedTuple):
    """States at the samples (lanes, S, n), steps tried and result code of each lane (0 is success)."""

    y: Float[Array, "lanes samples n"]
    steps: Int[Array, " lanes"]
    code: Int[Array, " lanes"]


class Book(NamedTuple):
    """What the adjoint needs of a run: the last page, its rows, its number, how pages began and their `Page.notes`.

    Everything has a leading axis of blocks, the last two one of pages behind it.
    """

    page: Page
    count: Array
    last: Array
    lanes: Lanes
    notes: Array


def control(
    lanes: int, states: int, max_steps: int, page: int = PAGE, booked: bool = True, longest: int = 2**10
) -> Control:
    """Pages of about `page` numbers and at most `longest` rows."""
    rows = page // (blocks(lanes)[1] * (3 + 3 * states))
    # Where it is `booked`, a run of 2^16 steps keeps its lanes at the beginning of each page.
    rows = 2 ** max(8 if booked else 6, min(longest.bit_length() - 1, rows.bit_length() - 1))
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
    moving: bool = True,
) -> Solution:
    """Integrate all lanes from the first knot to the last. Differentiable forwards.

    Args:
        equations: of one lane; must not close over traced values. members: their first argument for all lanes.
        axes: tree prefix of `members`, 0 where a leaf has a leading lane axis and None where it is shared.
        moving: whether it will be differentiated, which is then traced sooner.
        drive: waveform and samples. y0: initial states. rtol, atol: of the local error of a step.
    """
    return run(equations, members, axes, drive, y0, rtol, atol, how, moving=moving)[0]


def run(equations, members, axes, drive: Drive, y0, rtol, atol, how: Control, booked=False, moving=False):
    """`integrate`, which also keeps what the adjoint needs (`booked`); block by block, see `_blocks.py`."""

    def part(book, given, block):
        members, drive, start = given
        return _run(equations, members, axes, drive, start.T, rtol, atol, how, book, block, moving)

    lanes, own = y0.shape[1], 0 if drive.t.ndim > 1 else None
    book = _blank_book(drive, y0, how) if booked else None
    book, solution = over_blocks(part, book, (members, drive, y0.T), (axes, own, 0), lanes)
    return solution, book


def _blank_book(drive: Drive, y0: Array, how: Control) -> Book:
    """A book with room for all blocks."""
    count, size = blocks(y0.shape[1])
    some = jax.tree.map(lambda a: a[:size] if drive.t.ndim > 1 else a, drive)
    lanes = begin(some, jnp.broadcast_to(y0[:, :1], (y0.shape[0], size)))
    page, pages = blank(how.rows, lanes.y, True), how.max_steps // how.rows + 2
    whole = lambda *room: lambda a: jnp.zeros((count, *room, *a.shape), a.dtype)  # noqa: E731
    none = jnp.zeros(count, jnp.int32)
    return Book(jax.tree.map(whole(), page), none, none, *jax.tree.map(whole(pages), (lanes, page.notes)))


def _run(equations, members, axes, drive, y0, rtol, atol, how: Control, book: Book | None, block: Array, moving: bool):
    """One block: the book, and `Solution`."""
    place, lanes = Place(track(drive), samples(drive)), begin(drive, y0)
    out = jnp.full((drive.ts.shape[-1], *y0.shape), jnp.nan, y0.dtype)
    kept = None if book is None else (book.lanes, book.notes)

    def unfinished(carry):
        return jnp.any(is_active(carry[0], place.table))

    def turn(carry):
        lanes, out, page, _, kept, number = carry
        before = lanes
        lanes, page, count = fill(equations, members, axes, place, lanes, page, rtol, atol, how)
        if kept is not None:
            kept = jax.tree.map(lambda a, b: _put(a, b, block, number), kept, (before, page.notes))
        return lanes, collect(place.at, page, count, out), page, count, kept, number + 1

    none, page = jnp.zeros((), jnp.int32), blank(how.rows, y0, kept is not None)
    if moving:
        lanes, out, page = _moving(lanes, out, page, (members, drive, y0))
    carry = (lanes, out, page, none, kept, none)
    lanes, out, page, count, kept, number = lax.while_loop(unfinished, turn, carry)
    if book is not None and kept is not None:
        put = lambda a, b: jax.tree.map(lambda a, b: _put(a, b, block), a, b)  # noqa: E731
        last = put(book.page, page), put(book.count, count), put(book.last, number - 1)
        book = Book(*last, *kept)
    return book, Solution(jnp.moveaxis(out, 2, 0), lanes.tried, lanes.code)


def _moving(lanes: Lanes, out: Array, page: Page, inputs: Any) -> tuple[Lanes, Array, Page]:
    """The same, but what will depend on the inputs in the loop has a derivative to them, of zero, from the beginning.

    JAX finds out what moves in a loop by differentiating and mapping it again until nothing is added.
    """
    some = lanes.tau, lanes.y, lanes.slopes, out, page.y, page.more
    floats = [a for a in jax.tree.leaves(inputs) if jnp.issubdtype(a.dtype, jnp.floating)]
    tau, y, slopes, out, *of_page = _tied(some, floats)
    return lanes._replace(tau=tau, y=y, slopes=slopes), out, page._replace(y=of_page[0], more=of_page[1])


@jax.custom_jvp
def _tied(some: Any, inputs: list[Array]) -> Any:
    """`some`, unchanged; its derivative is one of `inputs`, too.

    Mapped wherever an input is: the rule is mapped after the function, and must find the same.
    """
    none = _nothing(inputs)
    return jax.tree.map(lambda a: a + none.reshape((1,) * a.ndim).astype(a.dtype), some)


def _tie(primals: Any, tangents: Any) -> tuple[Any, Any]:
    along, inputs = jax.tree.leaves(tangents[0], is_leaf=_still), jax.tree.leaves(tangents[1], is_leaf=_still)
    # Not zeros of their own, which vmap would take for the same in all directions.
    none = _nothing([t for t in inputs if not _still(t)])
    values, structure = jax.tree.flatten(primals[0])
    moved = [jnp.zeros_like(a) if _still(t) else t for a, t in zip(values, along, strict=True)]
    moved = [t + none.reshape((1,) * t.ndim) for t in moved]
    return _tied(*primals), jax.tree.unflatten(structure, moved)


def _nothing(arrays: list[Array]) -> Array:
    """Zero, (1,), that depends on all of them."""
    first = jnp.concatenate([lax.slice(a.reshape(-1), (0,), (1,)) for a in arrays if a.size])
    return jnp.sum(lax.select(jnp.zeros(first.shape, bool), first, jnp.zeros_like(first)), keepdims=True)


_tied.defjvp(_tie, symbolic_zeros=True)


def _still(tangent: Any) -> bool:
    return isinstance(tangent, SymbolicZero)


def _put(whole: Array, part: Array, *at: Array) -> Array:
    """whole[at] = part, in place."""
    rows = part.reshape((1,) * len(at) + part.shape)
    return lax.dynamic_update_slice(whole, rows, (*at, *[jnp.zeros((), jnp.int32)] * part.ndim))


def fill(
    equations, members, axes, place: Place, lanes: Lanes, page: Page, rtol, atol, how: Control, again: bool = False
):
    """Steps of all lanes until the page is full or all are done: (lanes, page, rows written).

    again: those that the page has notes of. The program that does so need not round as the first one did.
    """

    def going(carry):
        lanes, _, row = carry
        return (row < how.rows) & jnp.any(is_active(lanes, place.table))

    def once(carry):
        now, page, row = carry
        active = is_active(now, place.table)
        given = page.notes[row] if again else None
        following, move, note = attempt(equations, members, axes, place, now, active, rtol, atol, how, given)
        kind = jnp.where(move.accepted, jnp.where(move.end, jnp.int32(ENDED), jnp.int32(ACCEPTED)), jnp.int32(REJECTED))
        kind = jnp.where(now.stale & active, jnp.int32(START), kind)
        # What is not a step must not put a NaN beside a zero weight.
        calm = jax.tree.map(lambda a: jnp.where(move.accepted, a, jnp.zeros_like(a)), move.step)
        h = jnp.where(move.accepted, move.h, jnp.ones_like(move.h))
        page = write(page, row, now.y, now.s, now.tau, h, calm, 4 * now.k + kind, note)
        return following, page, row + 1

    lanes, page, count = lax.while_loop(going, once, (lanes, page, jnp.zeros((), jnp.int32)))
    return lanes, close(page, count, lanes.y, lanes.s), count


def begin(drive: Drive, y0: Array) -> Lanes:
    """All lanes before the first step; their slopes are filled in by the first attempt."""
    (n, lanes), dtype, ports = y0.shape, y0.dtype, drive.v.shape[drive.t.ndim :]
    zero, none = jnp.zeros(lanes, dtype), jnp.zeros(lanes, jnp.int32)
    first = first_segment(drive, lanes)
    empty = Slopes(*(jnp.zeros((n, *m, lanes), dtype) for m in ((), (n,), (math.prod(ports),))))
    h = lax.stop_gradient(1e-3 * segment_at(track(drive), first).length)
    return Lanes(first, zero, zero, h, jnp.ones(lanes, dtype), y0, empty, none, none, none, none == 0)
