"""Crossbars of cells that do not obey Ohm's law: Newton's method around the linear network, damped for each input.

At drops d the cells are replaced by their tangents, i(d) + G (d' - d), and the network of the G with sources is solved.
A solution of it obeys Kirchhoff's laws along the lines with cell currents J, and so does every mean of two of them:
what is left to remove is i(d) - J in the cells alone. A step is taken as far as the sum of (i(d) - J)^2/G falls. Linear
solves are no sharper than the step is worth; what they leave at the columns is handed to the next one.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from neurojax.crossbar._solve import (
    Limits,
    Push,
    Resistances,
    Solution,
    Sources,
    displaced,
    network,
    towards,
    turned,
)
from neurojax.crossbar.cells import AbstractCells, Defective

STEPS, HALVINGS = 60, 12
ENOUGH = 1e-7
"""Of the largest drop: after a step as small the next would be of the order of its square, whatever is left."""
ROUGH = 0.03
"""To which the linear solves of the first steps are done; later ones as far as Newton's method will come."""


class _At(NamedTuple):
    """Where the iteration is: nodes, drops d, currents i(d); `flow` obeys Kirchhoff's laws but for `rest`."""

    steps: Array
    iterations: Array
    r: Array
    c: Array
    d: Array
    i: Array
    flow: Array
    rest: Array
    left: Array
    miss: Array
    move: Array


def conductances(cells: AbstractCells, d: Array) -> tuple[Array, Array]:
    """Currents and their slopes (S) at drops d; slopes of at least a trillionth of the largest, but in open cells."""
    i, g = jax.jvp(cells.current, (d,), (jnp.ones_like(d),))
    return i, _lifted(cells, g)


def _lifted(cells: AbstractCells, g: Array) -> Array:
    least = 1e-12 * jnp.max(jnp.abs(g))
    if isinstance(cells, Defective):
        least = jnp.where(cells.conducts[:, None], least, jnp.zeros_like(least))
    return jnp.maximum(g, least)


def newton(cells: AbstractCells, r: Resistances, push: Push, sources: Sources, limits: Limits) -> Solution:
    """Node voltages, without derivatives; iterations are those of all linear solves together."""

    def mismatch(miss: Array, g: Array) -> Array:
        return jnp.sum(miss**2 / jnp.where(g > 0, g, jnp.ones_like(g)), axis=(0, 2))

    def done(at: _At) -> Array:
        return (at.move <= ENOUGH) | ((at.miss <= least) & (at.left <= least))

    def unfinished(at: _At) -> Array:
        return (at.steps < STEPS) & ~jnp.all(done(at))

    def improve(at: _At) -> _At:
        _, g = conductances(cells, at.d)
        miss = at.i - at.flow
        rough = jnp.clip(at.move * jnp.minimum(at.move, 0.1), 1e-6, ROUGH)
        step = towards(network(g, r), Push(-turned(miss), miss + at.rest), None, rough, least, limits.most)
        dd = turned(step.r) - step.c

        def trial(a: Array) -> tuple[Array, Array, Array]:
            i, flow = cells.current(at.d + a * dd), at.flow + a * (miss + g * dd)
            return i, flow, mismatch(i - flow, g)

        a, i, flow, now = _damping(trial, mismatch(miss, g))
        size = jnp.maximum(jnp.max(jnp.abs(at.d + dd), axis=(0, 2)), 1e-30)
        return _At(
            at.steps + 1,
            at.iterations + step.iterations,
            at.r + a * step.r,
            at.c + a * step.c,
            at.d + a * dd,
            i,
            flow,
            at.rest + a * (step.rest - at.rest),
            step.left,
            now,
            jnp.max(jnp.abs(dd), axis=(0, 2)) / size,
        )

    d = ideal_drops(cells, sources)
    g = _lifted(cells, jnp.abs(secant(cells, d)))
    found = towards(network(g, r), push, sources, ROUGH, 0.0, limits.most)
    least, d = limits.rtol**2 * found.scale, turned(found.r) - found.c
    far = jnp.full(d.shape[1], jnp.inf, d.dtype)
    none = jnp.zeros((), jnp.int32)
    start = _At(none, found.iterations, found.r, found.c, d, cells.current(d), g * d, found.rest, found.left, far, far)
    at = lax.while_loop(unfinished, improve, start)
    left = jnp.sqrt(at.left / jnp.maximum(found.scale, jnp.finfo(d.dtype).tiny))
    return Solution(at.r, at.c, at.iterations, jnp.where(done(at), left, at.move))


def ideal_drops(cells: AbstractCells, sources: Sources) -> Array:
    """The drops without wires."""
    shape = (cells.shape[0], sources.rows[0].shape[0], cells.shape[1])
    return jnp.broadcast_to(sources.rows[0].T[:, :, None] - sources.columns[1][None], shape)


def secant(cells: AbstractCells, d: Array) -> Array:
    """i(d)/d, also where there is no drop."""
    d = jnp.where(jnp.abs(d) > 1e-3, d, jnp.full_like(d, 1e-3))
    return cells.current(d) / d


def _damping(trial: Callable[[Array], tuple[Array, Array, Array]], before: Array) -> tuple[Array, ...]:
    """The first of 1, 1/2, 1/4, ... with less mismatch than `before` for each input, (1, batch, 1); what `trial` says.

    trial: damping -> currents of the cells, their `flow`, mismatch (batch,).
    """

    def worse(carry):
        k, bad, _ = carry
        return (k < HALVINGS) & jnp.any(bad)

    def halve(carry):
        k, bad, (a, *_) = carry
        return judged(k + 1, jnp.where(bad[None, :, None], 0.5 * a, a))

    def judged(k, a):
        i, flow, mismatch = trial(a)
        return k, ~(mismatch < before), (a, i, flow, mismatch)

    whole = jnp.ones((1, before.shape[0], 1), before.dtype)
    return lax.while_loop(worse, halve, judged(jnp.zeros((), jnp.int32), whole))[2]


@eqx.filter_custom_jvp
def solved(cells: AbstractCells, r: Resistances, push: Push, sources: Sources, *, limits: Limits) -> Solution:
    """Node voltages of a crossbar of any cells, with currents into nodes and voltages at the ends."""
    return newton(cells, r, push, sources, limits)


@solved.def_jvp
def _solved_jvp(primals, tangents, *, limits):
    cells, r, push, sources = primals
    dcells, dr, dpush, dsources = tangents
    found = solved(cells, r, push, sources, limits=limits)
    d = turned(found.r) - found.c
    i, g = conductances(cells, d)
    di = None
    if jax.tree.leaves(dcells):
        di = eqx.filter_jvp(lambda c: c.current(d), (cells,), (dcells,))[1]
    shift = displaced((g, r, sources), (di, dr, dsources), found, i, limits, push, dpush)
    return found, Solution(*shift, None, None)
