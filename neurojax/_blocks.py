"""Many lanes on a CPU: in blocks that run one after the other, so that a step's numbers stay in the fastest cache.

And a block is done as soon as its slowest lane is. On an accelerator all lanes are one block.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

BLOCK = 64
"""Lanes of a block at most."""
WIDTH = 16
"""Blocks are of a multiple of so many lanes: the rest is done lane by lane, and 63 cost half as much again as 64."""


def blocks(lanes: int, most: int | None = None) -> tuple[int, int]:
    """How many blocks, and of how many lanes each, at most BLOCK; the last may have room for a few more."""
    most = most or BLOCK
    count = 1 if jax.default_backend() != "cpu" else max(1, -(-lanes // most))
    if count == 1:
        return 1, lanes
    size = min(most, -(-lanes // (count * WIDTH)) * WIDTH)
    return -(-lanes // size), size


def over_blocks(
    run: Callable[[Any, Any, Array], tuple[Any, Any]],
    carry: Any,
    inputs: Any,
    axes: Any,
    lanes: int,
    most: int | None = None,
) -> tuple[Any, Any]:
    """(carry, out) = run(carry, inputs, number of the block) of one block after the other.

    Args:
        inputs: any arrays. axes: tree prefix of them, 0 where there is a leading lane axis and None elsewhere.
        lanes: how many there are; `out` of `run` must have a leading lane axis. most: instead of BLOCK.
    """
    count, size = blocks(lanes, most)
    if count == 1:
        return run(carry, inputs, jnp.zeros((), jnp.int32))
    leaves, structure = jax.tree.flatten(inputs)
    shared = jax.tree.leaves(_shared(axes, inputs))
    moving = [_cut(a, count, size) for a, still in zip(leaves, shared, strict=True) if not still]

    def part(carry, given):
        number, block = given[0], iter(given[1])
        here = [a if still else next(block) for a, still in zip(leaves, shared, strict=True)]
        return run(carry, jax.tree.unflatten(structure, here), number)

    carry, out = lax.scan(part, carry, (jnp.arange(count, dtype=jnp.int32), moving))
    return carry, jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[:lanes], out)


def room(lanes: int) -> int:
    """Lanes for which the blocks have room."""
    count, size = blocks(lanes)
    return count * size


def _shared(axes: Any, inputs: Any) -> Any:
    """Of every leaf, whether all lanes share it."""
    each = lambda axis, part: jax.tree.map(lambda _: axis is None, part)  # noqa: E731
    return jax.tree.map(each, axes, inputs, is_leaf=lambda a: a is None)


def _cut(a: Array, count: int, size: int) -> Array:
    """(lanes, ...) to (count, size, ...); the last lane is repeated where the blocks have room."""
    missing = count * size - a.shape[0]
    if missing:
        a = jnp.concatenate([a, jnp.broadcast_to(a[-1:], (missing, *a.shape[1:]))])
    return a.reshape(count, size, *a.shape[1:])
