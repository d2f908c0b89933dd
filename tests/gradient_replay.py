"""Reverse and forward mode of one and the same run: the steps that `_adjoint.py` goes back are gone forward again.

Two runs never take quite the same steps, as the error of a step is the small difference of large numbers and the next
size follows from it. So one run is recorded, all its steps in one page. Reverse mode is that of the library, handed
this record; forward mode is `jvp` of the recorded steps, from the recorded states. What differs is no more than
rounding: each is a product of the same matrices, in another order. Rounding is not always little: where a device has a
corner of 1e-9 V, the slope within is known to no more than 1e-7, as the voltage is known to 1e-16. So both modes are
asked also for parameters that differ in their last digit, along the same steps and states.
"""

from contextlib import contextmanager
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from gradient_lanes import GROUPS, Asked, Problem, Run, answers, motions, quantities, run_at
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from neurojax import _lanes, stiff
from neurojax._drive import over_ports, segment_at, track
from neurojax._samples import ENDED, REJECTED, START, Page, blank, close, collect, samples, write
from neurojax.members import member_axes

ROWS = 2**12
"""Steps of a recorded run; a lane that needs more is left out (nan)."""


@eqx.filter_jit
def replayed(given: Problem, asked: Asked, name: str, rtol: Any, weights: dict[str, Array], off: dict[str, Array]):
    """By group: the sum of weight times dg/ds by reverse mode and what it is a sum of; dg/ds by forward mode; steps.

    off: factors (m, lanes) of the places at which both are asked, all along the same steps and states.
    """
    solution, book = _recorded(given, asked, rtol)
    moved = motions(run_at(given, given.place, asked, rtol), asked)

    def backward(place):
        with _handed(solution, book):
            return answers(given, place, asked, name, rtol, "reverse", moved).g

    def forward(place):
        run = run_at(given, place, asked, rtol)
        return quantities(run, _again(run, book), asked, name, solution.steps, solution.code, moved).g

    def both(off):
        place = {n: given.place[n] * off[n] for n in off}
        found, pull = jax.vjp(backward, place)
        seeds = [{m: weights[m] if m == n else jnp.zeros_like(found[m]) for m in GROUPS} for n in GROUPS]
        pulled = lax.map(lambda seed: pull(seed)[0], jax.tree.map(lambda *a: jnp.stack(a), *seeds))
        parts = jnp.stack([pulled[n] * given.along[n][None] for n in given.along])
        parts = jnp.where(solution.code[None, None] == 0, parts, jnp.nan)
        sums = {n: (jnp.sum(parts, axis=0)[k], jnp.sum(jnp.abs(parts), axis=0)[k]) for k, n in enumerate(GROUPS)}
        return sums, jax.jvp(forward, (place,), (given.along,))[1]

    return *lax.map(both, off), solution.steps


@contextmanager
def _handed(solution: stiff.Solution, book: stiff.Book):
    """The adjoint is given this run instead of one of its own."""
    own = stiff.run
    stiff.run = lambda *_, **__: (solution, book)  # type: ignore[assignment]
    try:
        yield
    finally:
        stiff.run = own


def _flat(run: Run) -> tuple[Array, Any, _lanes.Equations, _lanes.Control]:
    """Initial states (n, lanes), what makes states of a row, equations, and how the run is to be taken."""
    _, unravel = ravel_pytree(jax.tree.map(lambda a: jnp.zeros(a.shape[1:], a.dtype), run.x0))
    y0 = jax.vmap(lambda x: ravel_pytree(x)[0], out_axes=1)(run.x0)
    equations = _lanes.Equations(lambda member, y, v: ravel_pytree(member.rate(unravel(y), v))[0])
    return y0, unravel, equations, _lanes.Control(ROWS, ROWS, False)


def _recorded(given: Problem, asked: Asked, rtol: Any) -> tuple[stiff.Solution, stiff.Book]:
    run = run_at(given, given.place, asked, rtol)
    y0, _, equations, how = _flat(run)
    return stiff.run(equations, run.lanes, member_axes(run.lanes), run.drive, y0, *run.exact, how, booked=True)


def _again(run: Run, book: stiff.Book) -> Any:
    """The states at all samples, by the steps of the record: a function of what is in `run`, for forward mode."""
    y0, unravel, equations, how = _flat(run)
    table, at, axes = track(run.drive), samples(run.drive), member_axes(run.lanes)
    # All lanes are one block.
    old, count = jax.tree.map(lambda a: a[0], (book.page, book.count))

    def once(row: Array, carry: tuple[Array, Array, Page]) -> tuple[Array, Array, Page]:
        y, tau, page = carry
        k, kind = old.code[row] >> 2, old.code[row] & 3
        counts, end, segment = (kind != REJECTED) & (kind != START), kind == ENDED, segment_at(table, k)
        y, tau = _valued(old.y[row], y), _valued(old.more[row, 0], tau)
        part = jnp.where(counts, old.more[row, 1] / segment.length, 1e-9)
        v = segment.v + over_ports(segment.slope, tau)
        slopes = _lanes.slopes_at(equations, axes, how)(run.lanes, y, v)
        h, step = _lanes.advance(equations, axes, how)(run.lanes, segment, y, tau, part, end, slopes)
        page = write(page, row, y, old.s[row], tau, h, step, old.code[row], h)
        ahead = jnp.where(end, jnp.zeros_like(tau), tau + h)
        return jnp.where(counts[None], step.y, y), jnp.where(counts, ahead, tau), page

    y, _, page = lax.fori_loop(0, count, once, (y0, jnp.zeros_like(y0[0]), blank(how.rows, y0, False)))
    page = close(page, count, _valued(old.y[count], y), old.s[count])
    out = jnp.full((run.drive.ts.shape[-1], *y0.shape), jnp.nan, y0.dtype)
    return jax.vmap(jax.vmap(unravel))(jnp.moveaxis(collect(at, page, count, out), 2, 0))


def _valued(value: Array, varies: Array) -> Array:
    """`value`, with the derivative of the other."""
    return lax.stop_gradient(value) + (varies - lax.stop_gradient(varies))
