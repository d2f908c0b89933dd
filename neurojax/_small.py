"""Arithmetic of a few unknowns for many lanes at once: linear systems in closed form, short sums.

Batched calls of linear algebra cost more than the physics, and reductions are calls of their own: what is written out
becomes one loop over the lanes.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from neurojax._held import held

BLOCK, LARGEST = 4, 32
"""Unknowns whose inverse is written out, and up to which a matrix is taken apart into such blocks."""
SHORT = 10
"""Terms of a sum up to which it is written out."""

Vector = Float[Array, " n"]


def total(a: Array, axis: int) -> Array:
    """The sum over a short axis, written out: batched over lanes, a reduction would be a call of its own."""
    if a.shape[axis] > SHORT:
        return jnp.sum(a, axis=axis)
    return functools.reduce(jnp.add, [lax.index_in_dim(a, k, axis, keepdims=False) for k in range(a.shape[axis])])


def solver(w: Float[Array, "n n"], scale: Array) -> Callable[[Vector], Vector]:
    """b -> scale w^-1 b; in closed form, as batched LU calls cost more than the physics."""
    n = w.shape[0]
    if n == 1:
        inverse = scale / w[0]
        return lambda b: inverse * b
    if n > LARGEST:
        factors = jax.scipy.linalg.lu_factor(w)
        return lambda b: jax.scipy.linalg.lu_solve(factors, scale * b)
    if n > BLOCK:
        return _by_blocks(w, scale)
    # Rows of order one: the product of four rates of 1e10/s overflows single precision.
    rows = lax.stop_gradient(1 / jnp.max(jnp.abs(w), axis=1))
    adjugate, determinant = {2: _adjugate2, 3: _adjugate3, 4: _adjugate4}[n](w * rows[:, None])
    inverse = adjugate * rows[None] * (scale / determinant)
    return lambda b: total(inverse * b[None], 1)


def _by_blocks(w: Array, scale: Array) -> Callable[[Vector], Vector]:
    """By the first unknowns and the Schur complement of the others.

    Without pivots from one block to another: a block is singular, if ever, for some step sizes alone (what it gives is
    not finite then, and the step is tried again), as states and voltages with a capacitor come first.
    """
    (a, b), (c, d) = ((part[:, :BLOCK], part[:, BLOCK:]) for part in (w[:BLOCK], w[BLOCK:]))
    one = jnp.ones_like(scale)
    first = solver(a, one)
    across = held(jnp.stack([first(b[:, k]) for k in range(b.shape[1])], axis=1))
    second = solver(held(d - jnp.stack([total(c * column[None], 1) for column in across.T], axis=1)), one)

    def solve(right: Vector) -> Vector:
        start = first(right[:BLOCK])
        rest = held(second(right[BLOCK:] - total(c * start[None], 1)))
        return scale * jnp.concatenate([start - total(across * rest[None], 1), rest])

    return solve


def _rows(rows: list[list[Array]]) -> Array:
    return jnp.stack([jnp.stack(row) for row in rows])


def _adjugate2(w: Array) -> tuple[Array, Array]:
    (a, b), (c, d) = w
    return _rows([[d, -b], [-c, a]]), a * d - b * c


def _adjugate3(w: Array) -> tuple[Array, Array]:
    (a, b, c), (d, e, f), (g, h, i) = w
    x, y, z = e * i - f * h, f * g - d * i, d * h - e * g
    rows = [[x, c * h - b * i, b * f - c * e], [y, a * i - c * g, c * d - a * f], [z, b * g - a * h, a * e - b * d]]
    return _rows(rows), a * x + b * y + c * z


def _adjugate4(w: Array) -> tuple[Array, Array]:
    """By the 2 x 2 minors of the upper (s) and the lower (t) half."""
    (a, b, c, d), (e, f, g, h), (i, j, k, l), (m, n, o, p) = w  # noqa: E741
    s = (a * f - b * e, a * g - c * e, a * h - d * e, b * g - c * f, b * h - d * f, c * h - d * g)
    t = (i * n - j * m, i * o - k * m, i * p - l * m, j * o - k * n, j * p - l * n, k * p - l * o)
    rows = [
        [f * t[5] - g * t[4] + h * t[3], -b * t[5] + c * t[4] - d * t[3]],
        [-e * t[5] + g * t[2] - h * t[1], a * t[5] - c * t[2] + d * t[1]],
        [e * t[4] - f * t[2] + h * t[0], -a * t[4] + b * t[2] - d * t[0]],
        [-e * t[3] + f * t[1] - g * t[0], a * t[3] - b * t[1] + c * t[0]],
    ]
    rows[0] += [n * s[5] - o * s[4] + p * s[3], -j * s[5] + k * s[4] - l * s[3]]
    rows[1] += [-m * s[5] + o * s[2] - p * s[1], i * s[5] - k * s[2] + l * s[1]]
    rows[2] += [m * s[4] - n * s[2] + p * s[0], -i * s[4] + j * s[2] - l * s[0]]
    rows[3] += [-m * s[3] + n * s[1] - o * s[0], i * s[3] - j * s[1] + k * s[0]]
    determinant = s[0] * t[5] - s[1] * t[4] + s[2] * t[3] + s[3] * t[2] - s[4] * t[1] + s[5] * t[0]
    return _rows(rows), determinant
