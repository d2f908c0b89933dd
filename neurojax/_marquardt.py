"""Levenberg-Marquardt in one compiled loop, for few parameters and any number of residuals."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

STRIDE = 2.0
"""Largest step of a coordinate of the logistic function: from 12 to 50 % of its range."""
Residual = Callable[[Float[Array, " p"]], Float[Array, " r"]]


class Found(NamedTuple):
    """Where it ended, the residual and half of its sum of squares there, and how many steps were tried."""

    theta: Float[Array, " p"]
    residual: Float[Array, " r"]
    cost: Float[Array, ""]
    tried: Array


def least_squares(
    residual: Residual, theta: Float[Array, " p"], most: int | Array, enough: float | Array, least: float
) -> Found:
    """Minimise the sum of squares; differentiation is forward, a column of the Jacobian for each parameter.

    Args:
        residual: to be squared. theta: start. most: trial steps. enough: end where a step gains less than this part of
            the cost. least: a cost that is good enough.
    """
    eye = jnp.eye(theta.shape[0], dtype=theta.dtype)

    def normal(theta: Array) -> tuple[Array, ...]:
        one = lambda e: jax.jvp(residual, (theta,), (e,))  # noqa: E731
        r, columns = jax.vmap(one, out_axes=(None, 0))(eye)
        return 0.5 * r @ r, columns @ r, columns @ columns.T, r

    def step(carry: Any) -> Any:
        theta, here, mu, k, _ = carry
        cost, gradient, hessian, _ = here
        d = jnp.diagonal(hessian)
        d = jnp.maximum(d, 1e-3 * jnp.max(d) + 1e-30)
        # Each by itself: what hardly matters must not hold up the others.
        move = jnp.clip(-jnp.linalg.solve(hessian + mu * jnp.diag(d), gradient), -STRIDE, STRIDE)
        there = normal(theta + move)
        better = there[0] < cost
        gain = (cost - there[0]) / jnp.maximum(-move @ (gradient + 0.5 * hessian @ move), 1e-30)
        settled = (better & (cost - there[0] <= enough * cost)) | (mu > 1e9) | (there[0] <= least)
        pick = lambda new, old: jnp.where(better, new, old)  # noqa: E731
        trust = jnp.maximum(0.2, 1 - (2 * jnp.clip(gain, 0, 1) - 1) ** 3)
        mu = jnp.where(better, jnp.maximum(mu * trust, 1e-9), mu * 4)
        return pick(theta + move, theta), jax.tree.map(pick, there, here), mu, k + 1, settled

    here = normal(theta)
    start = (theta, here, jnp.asarray(1e-3, theta.dtype), jnp.zeros((), jnp.int32), here[0] <= least)
    theta, here, _, tried, _ = lax.while_loop(lambda c: ~c[4] & (c[3] < most), step, start)
    return Found(theta, here[3], here[0], tried)
