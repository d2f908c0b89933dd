"""Crossbars of cells that do not obey Ohm's law: Newton's method around the linear network, damped for each input.

At drops d the cells are replaced by their tangents, i(d) + G (d' - d), and the network of the G with sources is solved.
A solution of it obeys Kirchhoff's laws along the lines exactly with cell currents J, and so does every mean of two of
them: what is left to remove is i(d) - J in the cells alone. A step is taken as far as the sum of (i(d) - J)^2/G falls.
"""

from typing import Any

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
    direct,
    displaced,
    network,
    turned,
)
from neurojax.crossbar.cells import AbstractCells

STEPS, HALVINGS = 60, 12
ENOUGH = 1e-7
"""Of the largest drop: after a step as small the next would be of the order of its square."""


def conductances(cells: AbstractCells, d: Array) -> tuple[Array, Array]:
    """Currents and their slopes (S) at drops d; slopes of at least a trillionth of the largest."""
    i, g = jax.jvp(cells.current, (d,), (jnp.ones_like(d),))
    return i, jnp.maximum(g, 1e-12 * jnp.max(jnp.abs(g)))


def newton(cells: AbstractCells, r: Resistances, sources: Sources, limits: Limits) -> Solution:
    """Node voltages, without derivatives; iterations are those of all linear solves together."""

    def solved(g: Array, j: Array) -> tuple[Solution, Array, Array]:
        found = direct(network(g, r), Push(-turned(j), j), sources, limits)
        d = turned(found.r) - found.c
        return found, d, g * d + j

    def mismatch(d: Array, flow: Array, g: Array) -> Array:
        return jnp.sum((cells.current(d) - flow) ** 2 / g, axis=(0, 2))

    def unfinished(carry):
        return (carry[0] < STEPS) & jnp.any(carry[-1] > ENOUGH)

    def improve(carry):
        k, spent, r_old, c_old, d, flow, _, _ = carry
        i, g = conductances(cells, d)
        found, aim, aim_flow = solved(g, i - g * d)
        a = _damping(lambda a: mismatch(d + a * (aim - d), flow + a * (aim_flow - flow), g), d)
        move = jnp.max(jnp.abs(aim - d), axis=(0, 2)) / jnp.maximum(jnp.max(jnp.abs(aim), axis=(0, 2)), 1e-30)
        new = (r_old + a * (found.r - r_old), c_old + a * (found.c - c_old), d + a * (aim - d))
        return k + 1, spent + found.iterations, *new, flow + a * (aim_flow - flow), found.residual, move

    d = _ideal(cells, sources)
    g = jnp.abs(_secant(cells, d))
    found, d, flow = solved(jnp.maximum(g, 1e-12 * jnp.max(g)), jnp.zeros_like(d))
    far = jnp.full(d.shape[1], jnp.inf, d.dtype)
    start = (jnp.zeros((), jnp.int32), found.iterations, found.r, found.c, d, flow, found.residual, far)
    _, spent, rows, columns, _, _, left, move = lax.while_loop(unfinished, improve, start)
    return Solution(rows, columns, spent, jnp.where(move > ENOUGH, move, left))


def _ideal(cells: AbstractCells, sources: Sources) -> Array:
    """The drops without wires."""
    shape = (cells.shape[0], sources.rows[0].shape[0], cells.shape[1])
    return jnp.broadcast_to(sources.rows[0].T[:, :, None] - sources.columns[1][None], shape)


def _secant(cells: AbstractCells, d: Array) -> Array:
    """i(d)/d, also where there is no drop."""
    d = jnp.where(jnp.abs(d) > 1e-3, d, jnp.full_like(d, 1e-3))
    return cells.current(d) / d


def _damping(mismatch: Any, d: Array) -> Array:
    """The first of 1, 1/2, 1/4, ... with less mismatch than none, of each input of drops d, (batch, 1)."""
    before = mismatch(jnp.zeros((), d.dtype))

    def worse(carry):
        k, _, bad = carry
        return (k < HALVINGS) & jnp.any(bad)

    def halve(carry):
        k, a, bad = carry
        a = jnp.where(bad[:, None], 0.5 * a, a)
        return k + 1, a, ~(mismatch(a) < before)

    a = jnp.ones((d.shape[1], 1), d.dtype)
    return lax.while_loop(worse, halve, (jnp.zeros((), jnp.int32), a, ~(mismatch(a) < before)))[1]


@eqx.filter_custom_jvp
def solved(cells: AbstractCells, r: Resistances, sources: Sources, *, limits: Limits) -> Solution:
    """Node voltages of a crossbar of any cells."""
    return newton(cells, r, sources, limits)


@solved.def_jvp
def _solved_jvp(primals, tangents, *, limits):
    cells, r, sources = primals
    dcells, dr, dsources = tangents
    found = solved(cells, r, sources, limits=limits)
    d = turned(found.r) - found.c
    i, g = conductances(cells, d)
    di = None
    if jax.tree.leaves(dcells):
        di = eqx.filter_jvp(lambda c: c.current(d), (cells,), (dcells,))[1]
    shift = displaced((g, r, sources), (di, dr, dsources), found, i, limits)
    return found, Solution(*shift, None, None)
