"""Derivatives by forward mode of many lanes: what does not depend on the direction is computed once.

A run is often differentiated along several directions at once, a parameter each. JAX pushes every one through each
operation of the rate; here the rate of a lane is linearised once, to a row of derivatives to all that moves, and a
direction is a product with it. What remains, the algebra of a step, is left to JAX.
"""

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array

from neurojax._held import held
from neurojax._keep import kept_along


def over_lanes(each: Callable[..., Any], in_axes: Any, out_axes: Any, by_rows: bool) -> Callable[..., Any]:
    """vmap of each(rows, member, ...), where rows(function, member) is a function of (y, v) as function(member, y, v).

    With `by_rows` its derivative is taken as told above.
    """

    def plain(function: Callable[..., Any], member: Any) -> Callable[..., Any]:
        return functools.partial(function, member)

    def mapped(rows: Any) -> Any:
        return jax.vmap(functools.partial(each, rows), in_axes=in_axes, out_axes=out_axes)

    if not by_rows:
        return mapped(plain)

    @jax.custom_jvp
    def whole(*given: Any) -> Any:
        return mapped(plain)(*given)

    def push(primals: Any, tangents: Any) -> Any:
        flat, tree = jax.tree.flatten(primals)
        along = tree.flatten_up_to(tangents)
        flags = [not isinstance(t, SymbolicZero) for t in along]
        rows = functools.partial(_linear, jax.tree.unflatten(tree, flags)[0])

        def pushed(still: Any, moving: Any) -> Any:
            def of(*some: Any) -> Any:
                rest = iter(some)
                full = [next(rest) if f else a for f, a in zip(flags, still, strict=True)]
                return mapped(rows)(*jax.tree.unflatten(tree, full))

            return jax.jvp(of, [a for f, a in zip(flags, still, strict=True) if f], moving)

        return kept_along(pushed)(flat, [t for f, t in zip(flags, along, strict=True) if f])

    whole.defjvp(push, symbolic_zeros=True)
    return whole


def _linear(flags: Any, function: Callable[..., Any], member: Any) -> Callable[..., Any]:
    """function(member, y, v) of (y, v), whose derivative is a product with rows; `flags` are leaves that move.

    The others are arguments too, as a rule must not close over what is traced.
    """

    @jax.custom_jvp
    def linear(asked: Any, still: Any, y: Array, v: Array) -> Any:
        return function(eqx.combine(asked, still), y, v)

    @linear.defjvp
    def _push(primals: Any, tangents: Any) -> Any:
        asked, still, y, v = primals
        value, pull = jax.vjp(lambda a, y, v: function(eqx.combine(a, still), y, v), asked, y, v)
        along, tree = jax.tree.leaves((tangents[0], *tangents[2:])), jax.tree.structure(value)
        rows = [[jax.tree.leaves(pull(unit)) for unit in units] for units in _units(value)]
        moved = [jnp.stack([_dot(row, along) for row in of_one]) for of_one in rows]
        return value, jax.tree.unflatten(
            tree, [a.reshape(b.shape) for a, b in zip(moved, jax.tree.leaves(value), strict=True)]
        )

    return functools.partial(linear, *eqx.partition(member, flags))


def _units(tree: Any) -> list[list[Any]]:
    """For each array of a tree its unit vectors, each in a tree of zeros."""
    flat, structure = jax.tree.flatten(tree)
    zeros = [jnp.zeros_like(a) for a in flat]

    def unit(k: int, e: np.ndarray) -> Any:
        here = jnp.asarray(e.reshape(flat[k].shape), flat[k].dtype)
        return jax.tree.unflatten(structure, [*zeros[:k], here, *zeros[k + 1 :]])

    return [[unit(k, e) for e in np.eye(a.size)] for k, a in enumerate(flat)]


def _dot(row: list[Array], along: list[Array]) -> Array:
    return functools.reduce(jnp.add, [jnp.sum(held(r) * t) for r, t in zip(row, along, strict=True)])
