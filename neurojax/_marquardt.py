"""Levenberg-Marquardt in one compiled loop, for residuals that are cheap: what a call costs is then what they cost.

Damping as in `levenberg.py`, where there is more about it; that one is for simulations, watched and resumed in Python.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from neurojax.bijection import LIMIT


class Found(NamedTuple):
    """The end of a search: theta (p,), half the sum of squares, iterations, and whether it came to rest."""

    theta: Array
    cost: Array
    iterations: Array
    converged: Array


def least_squares(
    residual: Callable[[Float[Array, " p"]], Float[Array, " r"]],
    start: Float[Array, " p"],
    *,
    most: int = 100,
    gain: float = 1e-5,
) -> Found:
    """A minimum of the sum of squares near `start`, at rest where an iteration gains less than a part `gain` of it."""

    def measured(theta):
        jacobian, r = jax.jacfwd(lambda th: (residual(th),) * 2, has_aux=True)(theta)
        return 0.5 * r @ r, jacobian.T @ r, jacobian.T @ jacobian

    def unfinished(carry):
        return (carry[0] < most) & ~carry[-1]

    def improve(carry):
        k, theta, (cost, slope, curve), mu, grow, _ = carry
        weight = jnp.maximum(jnp.diagonal(curve), 1e-12 * jnp.max(jnp.diagonal(curve)))
        step = -jnp.linalg.solve(curve + mu * jnp.diag(weight), slope)
        tried = jnp.clip(theta + step, -LIMIT, LIMIT)
        step = tried - theta
        new = measured(tried)
        promised = -step @ slope - 0.5 * step @ curve @ step
        ratio = (cost - new[0]) / jnp.maximum(promised, jnp.finfo(cost.dtype).tiny)
        better = (new[0] < cost) & jnp.isfinite(new[0])
        shrink = jnp.maximum(1 / 3, 1 - (2 * ratio - 1) ** 3)
        mu, grow = jnp.where(better, mu * shrink, mu * grow), jnp.where(better, 2.0, 2 * grow).astype(mu.dtype)
        rest = jnp.where(better, cost - new[0] < gain * cost, mu > 1e12)
        kept = jax.tree.map(lambda a, b: jnp.where(better, a, b), (tried, new), (theta, (cost, slope, curve)))
        return k + 1, *kept, mu, grow, rest

    one = jnp.ones((), start.dtype)
    begin = (jnp.zeros((), jnp.int32), start, measured(start), 1e-3 * one, 2 * one, jnp.zeros((), bool))
    k, theta, (cost, *_), _, _, rest = lax.while_loop(unfinished, improve, begin)
    return Found(theta, cost, k, rest)
