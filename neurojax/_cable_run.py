"""A tree of cables from its parameters to voltages at sites, of one or of many."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from neurojax import _cable_grid as grid
from neurojax._cable_step import change, steps
from physics.device import Environment

NEWTON = 4
"""Rounds of the balance at rest; one is exact where currents are linear in the voltage."""


def over_members(one: Any) -> Any:
    """`one` over the members, where a parameter of the tree or a site of it has a leading axis."""

    @eqx.filter_jit
    def run(tree, put, where, *rest):
        on = lambda ndim: lambda a: 0 if getattr(a, "ndim", 0) > ndim else None  # noqa: E731
        axes = (jax.tree.map(on(0), tree), *jax.tree.map(on(1), (put, where)))
        if not jax.tree.leaves(axes):
            return one(tree, put, where, *rest)
        over = eqx.filter_vmap(lambda tree, put, where: one(tree, put, where, *rest), in_axes=axes)
        return over(tree, put, where)

    return run


def _system(tree: Any, put: Any, where: Any, v0: Array, env: Environment) -> Any:
    joints = grid.joints(tree.parents)
    groups = grid.bundles(tree.parts, joints)
    ends = grid.closing(tree.parts, joints, v0, env)
    xs, vs = map(list, zip(*(grid.start(bundle, ends.held, v0, env) for _, bundle in groups), strict=True))
    index, part, count = grid.weights(tree.parts, groups, put)
    number = jnp.arange(len(put))
    spread = jnp.zeros((len(put), count), v0.dtype).at[number, index].add(1 - part).at[number, index + 1].add(part)
    index, part, _ = grid.weights(tree.parts, groups, where)

    def seen(vs):
        flat = jnp.concatenate([v.ravel() for v in vs])
        return flat[index] * (1 - part) + flat[index + 1] * part

    return [bundle for _, bundle in groups], ends, xs, vs, spread, seen, jnp.concatenate([x for _, x in where])


def _transient(tree, put, where, waves, t, v0, env):
    bundles, ends, xs, vs, spread, seen, x = _system(tree, put, where, v0, env)
    amps = [grid.each_step(wave, t) for wave in waves]
    each = jnp.stack(amps, axis=1) if amps else jnp.zeros((t.shape[0] - 1, 0), t.dtype)
    return steps(bundles, ends, xs, vs, t[1], each, spread, seen, env).T, x


def _steady(tree, put, where, amps, v0, env):
    bundles, ends, xs, vs, spread, seen, x = _system(tree, put, where, v0, env)
    flat = jnp.stack(amps) @ spread if amps else jnp.zeros(spread.shape[1], v0.dtype)
    extra, begin = [], 0
    for v in vs:
        extra.append(flat[begin : begin + v.size].reshape(v.shape))
        begin += v.size

    def balanced(_, vs):
        moves = change(bundles, ends, xs, vs, extra, jnp.zeros_like(v0), env)
        return [v + move for v, move in zip(vs, moves, strict=True)]

    vs = lax.fori_loop(0, NEWTON, balanced, vs)
    return seen(vs)[:, None], x


transient: Any = over_members(_transient)
"""Voltages (sites, steps + 1) and places of the sites, (tree, put, where, waves, times, v0, env)."""
steady: Any = over_members(_steady)
"""Voltages (sites, 1) and places of the sites, (tree, put, where, currents, v0, env)."""
