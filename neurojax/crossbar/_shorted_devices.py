"""Cells without resistance among cells of any kind: as in `_shorts.py`, but what flows beside the bridges is a root.

Currents j from row to column beside the bridges change the drops at the shorts, now along a curve: d(j) = 0 is solved
by Newton's method, whose matrix is that of the network of the tangents, a step as long as it makes the drops smaller.
The root has the derivatives of the implicit equation.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from neurojax.crossbar import _nonlinear
from neurojax.crossbar._shorts import RIDGE, Shorts, beside, bridges, judged
from neurojax.crossbar._solve import Limits, Push, Resistances, Solution, Sources, turned
from neurojax.crossbar.cells import Defective

ROUNDS, HALVINGS = 20, 6
NEAR = 64
"""Roundings of the largest voltage of a source: drops below are none."""


def solved(cells: Defective, at: Shorts, r: Resistances, sources: Sources, *, limits: Limits) -> tuple[Solution, Array]:
    """Nodes, and currents of the cells (n, batch, m), of which those `at` are shorts; residuals as in `_shorts.py`."""
    usual = lax.stop_gradient(_nonlinear.secant(cells, _nonlinear.ideal_drops(cells, sources)))
    bridge = lax.stop_gradient(bridges(jnp.mean(jnp.abs(usual), axis=1), at, r))
    live = jnp.where(at.live, bridge, jnp.zeros_like(bridge))
    root = jnp.sqrt(live)
    bridged = Defective(
        cells.cells, cells.open, cells.short, jnp.zeros(cells.shape, bridge.dtype).at[at.i, at.j].add(live)
    )

    def nodes(j: Array) -> Solution:
        q = beside(root[None] * j, at, cells.shape)
        return _nonlinear.solved(bridged, r, Push(-turned(q), q), sources, limits=limits)

    def drops(j: Array) -> Array:
        now = nodes(j)
        d = root[None] * (turned(now.r) - now.c)[at.i, :, at.j].T
        return jnp.where(at.live[None], d, j)

    def improved(linear: Callable[[Array], Array], d: Array) -> Array:
        one = jnp.eye(root.size, dtype=d.dtype)
        basis = jnp.broadcast_to(one[:, None], (root.size, *d.shape))
        matrix = jax.vmap(linear, out_axes=-1)(basis) - RIDGE * jnp.where(at.live, one, jnp.zeros_like(one))[None]
        return jnp.linalg.solve(matrix, d[..., None])[..., 0]

    volts = jnp.max(jnp.abs(jnp.concatenate([*sources.rows, *sources.columns], axis=1)), axis=1)
    goal = NEAR * jnp.finfo(volts.dtype).eps * volts[:, None] * root[None]
    find = lambda f, j: _newton(f, j, improved, lax.stop_gradient(goal))  # noqa: E731
    j = lax.custom_root(drops, jnp.zeros((volts.size, root.size), volts.dtype), find, improved)
    now = nodes(j)
    cell = bridged.current(turned(now.r) - now.c) + beside(root[None] * j, at, cells.shape)
    return judged(now, at, jnp.asarray(cells.short)), cell


def _newton(f: Any, j: Array, improved: Any, goal: Array) -> Array:
    """A root of f, damped for each input by the largest of what is left of it over its goal."""

    def size(d: Array) -> Array:
        return jnp.max(jnp.abs(d) / jnp.where(goal > 0, goal, jnp.ones_like(goal)), axis=1)

    def unfinished(carry: Any) -> Array:
        k, _, left = carry
        return (k < ROUNDS) & jnp.any(left > 1)

    def improve(carry: Any) -> Any:
        k, j, left = carry
        d, linear = jax.linearize(f, j)
        step = improved(linear, d)

        def worse(tried: Any) -> Array:
            h, _, _, bad = tried
            return (h < HALVINGS) & jnp.any(bad)

        def halve(tried: Any) -> Any:
            h, a, _, bad = tried
            a = jnp.where(bad & (h > 0), 0.5 * a, a)
            now = size(f(j - a[:, None] * step))
            return h + 1, a, now, ~(now < left) & (left > 1)

        none = jnp.zeros((), jnp.int32)
        _, a, now, bad = lax.while_loop(worse, halve, (none, jnp.ones_like(left), left, jnp.ones_like(left, bool)))
        a = jnp.where(bad | ~(left > 1), jnp.zeros_like(a), a)
        return k + 1, j - a[:, None] * step, jnp.where(a > 0, now, left)

    start = (jnp.zeros((), jnp.int32), j, size(f(j)))
    return lax.while_loop(unfinished, improve, start)[1]
