"""Linear systems of some thirty unknowns in many lanes: Gauss-Jordan with pivots, written out for the compiler.

A library is called once a lane, which costs a microsecond whatever the size; written out, all lanes are done at once and
loops that contain it stay in one piece (`_xla.py`). Rows keep their places; what was a pivot is remembered by a mask.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

LARGEST = 32
"""Unknowns up to which it is used."""
TIES = 1e-6
"""By which a row is preferred as a pivot to the next of the same size."""


@jax.custom_jvp
def inverse(a: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """a^-1, not finite if a is singular; its derivative is -a^-1 da a^-1."""
    n, dtype = a.shape[0], a.dtype
    rows = 1 / jnp.max(jnp.abs(a), axis=1)
    work, left, order = a * rows[:, None], jnp.asarray(1 - TIES * np.arange(n), dtype), []
    # Column k of `work` becomes, in place, that of the inverse which belongs to the row of the pivot.
    for k in range(n):
        here = jnp.asarray(np.arange(n) == k)
        column = work[:, k]
        size = jnp.abs(column) * left
        pick = size >= jnp.max(size)
        left = jnp.where(pick, jnp.zeros_like(left), left)
        row = jnp.sum(jnp.where(pick[:, None], work, jnp.zeros_like(work)), axis=0)
        pivot = 1 / row[k]
        row = jnp.where(here, jnp.ones_like(row), row) * pivot
        rest = jnp.where(here[None], jnp.zeros_like(work), work)
        work = jnp.where(pick[:, None], row[None], rest - column[:, None] * row[None])
        order.append(pick.astype(dtype))
    # Row order[k] holds unknown k, and column k belongs to equation order[k].
    which = jnp.stack(order)
    found = jnp.sum(which[:, :, None] * work[None], axis=1)
    return jnp.sum(found[:, :, None] * which[None], axis=1) * rows[None]


@inverse.defjvp
def _inverse_jvp(primals, tangents):
    found = inverse(*primals)
    moved = jnp.sum(tangents[0][:, :, None] * found[None], axis=1)
    return found, -jnp.sum(found[:, :, None] * moved[None], axis=1)
