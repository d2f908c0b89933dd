"""Cells without resistance: each is bridged by a conductance, and what is missing flows as a current of its own.

With g_b at the shorts instead of infinity the network is an ordinary one. Currents j from row to column beside g_b
change the drops d there linearly, d = d_0 - Z j, Z one column a short, and d = 0 says what they are. Wherever g_b is,
the answer is the same; where it is close to what the wires offer to a cell, Z is of a good condition. Loops of shorts
and wires without resistance leave currents undecided (Z singular): the smallest ones are taken. All of it is made of
solutions with derivatives of every order, so it has them, too.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array

from neurojax.crossbar._ladder import factor
from neurojax.crossbar._solve import Limits, Push, Resistances, Solution, Sources, solved, turned
from neurojax.crossbar.cells import AbstractCells, Defective, Resistors

ROUNDS = 2
RIDGE = 1e-11
"""Of the bridges: what a direction of Z that is zero is taken for."""


class Shorts(NamedTuple):
    """Rows and columns (k,) of shorts; those that only fill up are not `live`."""

    i: Array
    j: Array
    live: Array


def count(cells: AbstractCells) -> int:
    """Places for the shorts that are known: none, or a multiple of eight, so that few programs are compiled."""
    masks = [cells.short] if isinstance(cells, Defective) else []
    whole = cells.cells if isinstance(cells, Defective) else cells
    masks += [jnp.isinf(whole.g)] if isinstance(whole, Resistors) and not isinstance(whole.g, Tracer) else []
    shorts = sum(int(np.sum(np.asarray(a))) for a in masks if not isinstance(a, Tracer))
    return -(-shorts // 8) * 8


def of(short: Any, k: int) -> Shorts:
    """The shorts of an array, at most k, from a mask."""
    i, j = jnp.nonzero(short, size=k, fill_value=0)
    return Shorts(i, j, jnp.arange(k) < jnp.sum(short))


def solved_with_shorts(
    g: Array, at: Shorts, r: Resistances, sources: Sources, *, limits: Limits
) -> tuple[Solution, Array]:
    """Nodes, and currents of the cells (n, batch, m), of which those `at` are shorts.

    The residual is nan where a short is left over, and the drop that is left at a short where sources contradict.
    """
    short = jnp.isinf(g)
    g = jnp.where(short, jnp.zeros_like(g), g)
    bridge = lax.stop_gradient(bridges(g, at, r))
    base = g.at[at.i, at.j].add(jnp.where(at.live, bridge, jnp.zeros_like(bridge)))[:, None]
    root = jnp.where(at.live, jnp.sqrt(bridge), jnp.zeros_like(bridge))

    def drops(j: Array, r: Resistances, sources: Sources, base: Array) -> tuple[Solution, Array]:
        q = beside(root[None] * j, at, g.shape)
        now = solved(base, r, Push(-turned(q), q), sources, limits=limits)
        return now, root[None] * (turned(now.r) - now.c)[at.i, :, at.j].T

    none = jax.tree.map(lambda a: jnp.zeros((root.size, a.shape[1]), a.dtype), sources)
    each, z = drops(-jnp.eye(root.size, dtype=g.dtype), r, none, base)
    z = 0.5 * (z + z.T) + jnp.diag(jnp.where(at.live, jnp.full_like(root, RIDGE), jnp.ones_like(root)))
    fixed = lax.stop_gradient((r, sources, base))

    def better(_: Any, j: Array) -> Array:
        return j + jnp.linalg.solve(lax.stop_gradient(z), drops(j, *fixed)[1].T).T

    j = lax.fori_loop(0, ROUNDS, better, jnp.zeros((sources.rows[0].shape[0], root.size), g.dtype))
    # From here on with derivatives: what is solved for is linear in j, so one more step has those of the solution.
    now, d = drops(j, r, sources, base)
    more = jnp.linalg.solve(z, d.T).T
    add = lambda a, b: a - jnp.einsum("pkl,bk->pbl", b, more)  # noqa: E731
    now = Solution(add(now.r, each.r), add(now.c, each.c), now.iterations, now.residual)
    cell = base * (turned(now.r) - now.c) + beside(root[None] * (j + more), at, g.shape)
    return judged(now, at, short), cell


def judged(now: Solution, at: Shorts, short: Array) -> Solution:
    """With nan as the residual where a short is left over, and what is left at a short where there is no solution."""
    d = turned(now.r) - now.c
    open_ended = jnp.where(at.live[:, None], jnp.abs(d[at.i, :, at.j]), 0.0 * jnp.abs(d[at.i, :, at.j]))
    largest = jnp.maximum(jnp.max(jnp.abs(now.r), axis=(0, 2)), jnp.max(jnp.abs(now.c), axis=(0, 2)))
    apart = jnp.max(open_ended, axis=0) / jnp.maximum(largest, jnp.finfo(d.dtype).tiny)
    apart = jnp.where(apart > SEEN * jnp.finfo(d.dtype).eps, apart, jnp.zeros_like(apart))
    left = jnp.maximum(now.residual, lax.stop_gradient(apart))
    now = eqx.tree_at(lambda s: s.residual, now, left)
    return without(now, jnp.sum(short) > jnp.sum(at.live))


def without(now: Solution, left_over: Any) -> Solution:
    """With nan as the residual where any short is left over."""
    nan = jnp.full_like(now.residual, jnp.nan)
    return eqx.tree_at(lambda s: s.residual, now, jnp.where(jnp.any(left_over), nan, now.residual))


SEEN = 1e6
"""Roundings of the largest voltage: a drop at a short beyond them means that it cannot be a short."""


def beside(j: Array, at: Shorts, shape: tuple[int, ...]) -> Array:
    """Currents (batch, k) from rows to columns, as (n, batch, m)."""
    return jnp.zeros((shape[0], j.shape[0], shape[1]), j.dtype).at[at.i, :, at.j].add(j.T)


def bridges(g: Array, at: Shorts, r: Resistances) -> Array:
    """About what the wires offer to each short (S): one over the resistances of both lines, seen from it."""
    g = g[:, None]
    z = _seen(turned(g), r.rows)[at.j, 0, at.i] + _seen(g, r.columns)[at.i, 0, at.j]
    usual = jnp.sum(g) / jnp.maximum(jnp.sum((g > 0).astype(g.dtype)), 1.0)
    usual = jnp.where(usual > 0, usual, 1e-6 * jnp.ones_like(usual))
    return jnp.clip(1 / jnp.maximum(z, 1e-6 / usual), usual, 1e6 * usual)


def _seen(s: Array, r: Array) -> Array:
    """Resistance to what holds the line, from each node, if all cells led to something held."""
    from_here, from_there = factor(s, r), factor(jnp.flip(s, 0), jnp.flip(r, 0))
    before, behind = from_here.z, jnp.flip(from_there.z, 0)
    total = before + behind - s * before * behind
    both = before * jnp.where(total > 0, behind / jnp.where(total > 0, total, jnp.ones_like(total)), 0.0 * behind)
    either = jnp.where(jnp.flip(from_there.held, 0) > 0, behind, jnp.full_like(both, jnp.inf))
    return jnp.where(from_here.held > 0, jnp.where(jnp.isinf(either), before, both), either)
