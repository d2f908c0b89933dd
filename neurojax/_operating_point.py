"""Voltages at which the currents of a circuit balance while the states of its devices rest.

The sources rise from zero in `RISE` steps; at each a Newton iteration, no step longer than `LONGEST` volts and only as
much of it as leads closer, goes to its end. The derivative is that of the root (implicit), of any order, both ways.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

RISE = 10
TURNS = 60
LONGEST = 0.3
"""Longest step of a voltage (V): about ten times that over which a junction conducts e times as much."""
PARTS = (1.0, 0.5, 0.25, 0.1, 0.02)
"""Of a step, the first that leads closer is taken."""

Balance = Callable[[Array, Array], Array]
"""(voltages (n,), part of the sources) -> currents that leave the nodes (n,), zero where they balance."""


def balanced(balance: Balance, guess: Array) -> tuple[Array, Array]:
    """Voltages with balance(u, 1) = 0 from a guess at 0, and whether they were found."""
    if not guess.size:
        return guess, jnp.ones((), bool)
    one = jnp.ones((), guess.dtype)

    def solve(f: Callable[[Array], Array], start: Array) -> Array:
        # f is balance(., 1); no derivative is taken of the way to it.
        def rise(k, u):
            return _newton(lambda u: balance(u, (k + 1).astype(u.dtype) / RISE), u)

        return _newton(f, lax.fori_loop(0, RISE, rise, start))

    def tangent(linear: Callable[[Array], Array], right: Array) -> Array:
        matrix = jax.jacfwd(linear)(jnp.zeros_like(right))
        return _solve(matrix, right)

    u = lax.custom_root(lambda u: balance(u, one), lax.stop_gradient(guess), solve, tangent)
    still = lax.stop_gradient(u)
    matrix, off = jax.jacfwd(lambda u: balance(u, one))(still), balance(still, one)
    left = lax.stop_gradient(jnp.abs(_solve(matrix, off)))
    return u, jnp.all(left <= 1e3 * _close(still))


def _newton(f: Callable[[Array], Array], start: Array) -> Array:
    def unfinished(carry):
        u, move, turn = carry
        return (turn < TURNS) & ~jnp.all(move <= _close(u))

    def improve(carry):
        u, _, turn = carry
        matrix = jax.jacfwd(f)(u)
        step = _finite(_solve(matrix, -f(u)))
        longest = jnp.max(jnp.abs(step))
        part = jnp.minimum(1.0, LONGEST / jnp.maximum(longest, jnp.finfo(u.dtype).tiny)).astype(u.dtype)
        parts = part * jnp.asarray(PARTS, u.dtype)
        # With the same matrix the next step must be shorter, else the currents bent within this one.
        following = jax.vmap(lambda part: f(u + part * step))(parts)
        left = jnp.max(jnp.abs(_solve(matrix, following.T)), axis=0)
        good = (left <= (1 - 0.25 * parts) * longest) | jnp.all(jnp.abs(step) <= 1e3 * _close(u))
        part = parts[jnp.where(jnp.any(good), jnp.argmax(good), len(PARTS) - 1)]
        return u + part * step, jnp.abs(step), turn + 1

    far = jnp.full_like(start, jnp.inf)
    return lax.while_loop(unfinished, improve, (start, far, jnp.zeros((), jnp.int32)))[0]


def _finite(step: Array) -> Array:
    return jnp.where(jnp.isfinite(step), step, jnp.zeros_like(step))


def _close(u: Array) -> Array:
    return 64 * jnp.finfo(u.dtype).eps * (1 + jnp.abs(u))


def _solve(matrix: Array, right: Array) -> Array:
    """By rows of order one: currents of a circuit span many decades. right: (n,) or (n, many)."""
    size = jnp.max(jnp.abs(matrix), axis=1)
    size = lax.stop_gradient(jnp.where(size > 0, size, jnp.ones_like(size)))
    return jnp.linalg.solve(matrix / size[:, None], right / (size if right.ndim == 1 else size[:, None]))
