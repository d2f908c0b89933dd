"""The crossbar as one linear network: rows are eliminated line by line, columns found by conjugate gradients.

    row nodes       D_r r + G (r - c) = q_r          D: conductances along the lines and at their ends
    column nodes    D_c c + G (c - r) = q_c

With K = (D_r + G)^-1 (one sweep, see `_ladder.py`) and M = D_c + G (another), the columns obey S c = (M - G K G) c = b.
M is the preconditioner. It is only ever inverted: M p follows from the residuals, so wires without resistance do no
harm. Derivatives are those of the equations at their solution, by one more solve with the same factors; forward,
reverse and higher ones.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from neurojax.crossbar._ladder import Ladder, end_currents, factor, sweep


class Network(NamedTuple):
    """Conductances of cells (S), (n, 1, m) and (m, 1, n), and the factors of both kinds of line."""

    g: Array
    g_rows: Array
    rows: Ladder
    columns: Ladder


class Resistances(NamedTuple):
    """Of the wires (ohm): (m + 1, 1, n or 1) along the rows, (n + 1, 1, m or 1) along the columns, with both ends."""

    rows: Array
    columns: Array


class Sources(NamedTuple):
    """Voltages (V) at both ends of all rows, (batch, n) each, and of all columns, (batch, m)."""

    rows: tuple[Array, Array]
    columns: tuple[Array, Array]


class Push(NamedTuple):
    """What moves nodes beside the ends: currents into row and column nodes (A), sources along both (V), or None."""

    q_rows: Array | None = None
    q_columns: Array | None = None
    e_rows: Array | None = None
    e_columns: Array | None = None


NO_PUSH = Push()


class Solution(NamedTuple):
    """Node voltages (V), rows (m, batch, n) and columns (n, batch, m), iterations, and the last relative residual."""

    r: Array
    c: Array
    iterations: Any
    residual: Any


class Limits(NamedTuple):
    """Residual, relative and in the norm of power, at which to stop; the most iterations."""

    rtol: float
    most: int


def turned(x: Array) -> Array:
    """(position, batch, line) of one kind of line for those of the other kind."""
    return jnp.transpose(x, (2, 1, 0))


def network(g: Array, r: Resistances) -> Network:
    """Factors for conductances (n, 1, m)."""
    g_rows = turned(g)
    return Network(g, g_rows, factor(g_rows, r.rows), factor(g, r.columns))


def coupled(net: Network, c: Array) -> Array:
    """G K G c: what comes back to the columns through cells, rows and cells (A)."""
    return net.g * turned(sweep(net.rows, net.g_rows * turned(c)))


def conjugate_gradients(net: Network, rest: Array, goal: Array, most: int) -> tuple[Array, Array, Array, Array]:
    """x with S x = rest, what is left of it, iterations, and left.M^-1.left (W, (batch,)), below `goal` if done."""

    def power(a, b):
        return jnp.sum(a * b, axis=(0, 2))

    def unfinished(carry):
        k, left = carry[0], carry[-1]
        return (k < most) & jnp.any(left > goal)

    def improve(carry):
        k, x, rest, p, m_p, left = carry
        s_p = m_p - coupled(net, p)
        size = power(p, s_p)
        alpha = _quotient(left, size)[None, :, None]
        x, rest = x + alpha * p, rest - alpha * s_p
        z = sweep(net.columns, rest)
        now = power(rest, z)
        beta = _quotient(now, left)[None, :, None]
        return k + 1, x, rest, z + beta * p, rest + beta * m_p, now

    z = sweep(net.columns, rest)
    start = (jnp.zeros((), jnp.int32), jnp.zeros_like(rest), rest, z, rest, power(rest, z))
    k, x, rest, _, _, left = lax.while_loop(unfinished, improve, start)
    return x, rest, k, left


def _quotient(a: Array, b: Array) -> Array:
    """a/b, zero where b is not positive: that input is done."""
    return jnp.where(b > 0, a / jnp.where(b > 0, b, jnp.ones_like(b)), jnp.where(jnp.isnan(b), b, jnp.zeros_like(b)))


def _first(net: Network, push: Push, sources: Sources | None) -> tuple[Array, Array]:
    """Rows as if the columns were at zero, and columns as if the rows stayed there."""
    ends = (None, None) if sources is None else sources
    q = push.q_rows
    shape = net.g_rows.shape
    q = jnp.zeros(shape, net.g.dtype) if q is None and ends[0] is None and push.e_rows is None else q
    r = sweep(net.rows, q, ends[0], push.e_rows)
    into = net.g * turned(r)
    into = into if push.q_columns is None else into + push.q_columns
    return r, sweep(net.columns, into, ends[1], push.e_columns)


def _last(net: Network, c: Array, push: Push, sources: Sources | None) -> Array:
    """The rows when the columns are known."""
    into = net.g_rows * turned(c)
    into = into if push.q_rows is None else into + push.q_rows
    return sweep(net.rows, into, None if sources is None else sources.rows, push.e_rows)


class Found(NamedTuple):
    """Nodes (V), the currents that column nodes still lack (A), iterations, power of the residual and of all (W)."""

    r: Array
    c: Array
    rest: Array
    iterations: Array
    left: Array
    scale: Array


def towards(net: Network, push: Push, sources: Sources | None, rtol: Any, least: Any, most: int) -> Found:
    """A solution to `rtol`, a number or (batch,), or until the residual is below `least` (W)."""
    r, c = _first(net, push, sources)
    scale = jnp.sum(net.g * (turned(r) ** 2 + c**2), axis=(0, 2))
    x, rest, k, left = conjugate_gradients(net, coupled(net, c), jnp.maximum(rtol**2 * scale, least), most)
    c = c + x
    return Found(_last(net, c, push, sources), c, rest, k, left, scale)


def direct(net: Network, push: Push, sources: Sources, limits: Limits) -> Solution:
    """The solution, without derivatives."""
    found = towards(net, push, sources, limits.rtol, 0.0, limits.most)
    return Solution(found.r, found.c, found.iterations, jnp.sqrt(_quotient(found.left, found.scale)))


def moved(net: Network, push: Push, sources: Sources | None, limits: Limits) -> tuple[Array, Array]:
    """Node voltages of pushes, linear in them: the tangent of a solution, with a transpose."""
    _, first = _first(net, push, sources)

    def goal(power):
        return limits.rtol**2 * power

    def matvec(c):
        return c - sweep(net.columns, coupled(net, c))

    def solve(_, b):
        x, *_ = conjugate_gradients(net, coupled(net, b), goal(jnp.sum(net.g * b**2, axis=(0, 2))), limits.most)
        return b + x

    def transposed(_, w):
        ready = jnp.sum(w * sweep(net.columns, w), axis=(0, 2))
        x, *_ = conjugate_gradients(net, w, goal(ready), limits.most)
        return w + coupled(net, x)

    c = lax.custom_linear_solve(matvec, first, solve, transposed)
    return _last(net, c, push, sources), c


@eqx.filter_custom_jvp
def solved(g: Array, r: Resistances, push: Push, sources: Sources, *, limits: Limits) -> Solution:
    """Node voltages of a crossbar: conductances (n, 1, m), wires, currents into nodes, voltages at the ends."""
    return direct(network(g, r), push, sources, limits)


@solved.def_jvp
def _solved_jvp(primals, tangents, *, limits):
    g, r, push, sources = primals
    dg, dr, dpush, dsources = tangents
    found = solved(g, r, push, sources, limits=limits)
    d = turned(found.r) - found.c
    shift = displaced(
        (g, r, sources), (None if dg is None else dg * d, dr, dsources), found, g * d, limits, push, dpush
    )
    return found, Solution(*shift, None, None)


def displaced(
    given: tuple[Array, Resistances, Sources],
    moving: tuple[Array | None, Resistances | None, Sources | None],
    found: Solution,
    cell: Array,
    limits: Limits,
    push: Push = NO_PUSH,
    dpush: Push | None = None,
) -> tuple[Array, Array]:
    """How the nodes of a solution move.

    Args:
        given: conductances of the cells, for small changes, (n, batch or 1, m); wires; sources. moving: what changes,
            currents of cells at held voltages (A) first, None for nothing. found, cell: nodes and currents of cells.
        push, dpush: currents into the nodes, and their changes.
    """
    g, r, sources = given
    di, dr, dsources = moving
    q_rows, q_columns = (None, None) if dpush is None else (dpush.q_rows, dpush.q_columns)
    if di is not None:
        q_rows, q_columns = _sum(q_rows, -turned(di)), _sum(q_columns, di)
    e_rows, e_columns = _dropped(cell, push, sources, r, dr)
    ends = _tangents_of_ends(dsources, sources)
    if all(a is None for a in (q_rows, q_columns, e_rows, e_columns, ends)):
        return jnp.zeros_like(found.r), jnp.zeros_like(found.c)
    return moved(network(g, r), Push(q_rows, q_columns, e_rows, e_columns), ends, limits)


def _sum(*terms: Array | None) -> Array | None:
    """Of those that are there."""
    given = [a for a in terms if a is not None]
    return sum(given[1:], given[0]) if given else None


def _tangents_of_ends(moving: Sources | None, sources: Sources) -> Sources | None:
    if not jax.tree.leaves(moving):
        return None
    return jax.tree.map(
        lambda t, a: jnp.zeros_like(a) if t is None else t, moving, sources, is_leaf=lambda t: t is None
    )


def line_currents(
    cell: Array, push: Push, sources: Sources, r: Resistances
) -> tuple[tuple[Array, Array, Array], tuple[Array, Array, Array]]:
    """`end_currents` of the rows and of the columns, from the currents of the cells (n, batch, m)."""
    out_of_rows = turned(cell) if push.q_rows is None else turned(cell) - push.q_rows
    out_of_columns = -cell if push.q_columns is None else -cell - push.q_columns
    return (
        end_currents(out_of_rows, r.rows, sources.rows),
        end_currents(out_of_columns, r.columns, sources.columns),
    )


def _dropped(cell: Array, push: Push, sources: Sources, r: Resistances, dr: Resistances | None) -> Any:
    """Sources along the lines that do what a change of their resistances does: -dR times the current."""
    if dr is None or (dr.rows is None and dr.columns is None):
        return None, None
    lines = line_currents(cell, push, sources, r)
    return tuple(
        None if d is None else -d * jnp.concatenate([first[None], along, -last[None]])
        for d, (first, last, along) in zip(dr, lines, strict=True)
    )
