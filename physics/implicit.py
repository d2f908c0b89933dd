"""Inner nodes: the root of one increasing function, with an implicit gradient.

Series resistances, thermal equilibria and electrode overpotentials are algebraic: f(y) = 0 with f
increasing. The search is a Newton iteration kept inside a shrinking bracket, so it cannot diverge;
the derivative is dy/dp = -(df/dp)/(df/dy) at the root, never an unrolled loop, so forward, reverse
and second derivatives all work.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Scalar = Float[Array, ""]
INNER = "inner_equation"
"""Name of f in the traced computation: an export finds the equation by it and leaves the search away."""


def _named(f: Callable[[Scalar], Scalar]) -> Callable[[Scalar], Scalar]:
    def inner_equation(y):
        return f(y)

    inner_equation.__name__ = INNER
    return jax.jit(inner_equation)


def _search(
    f: Callable[[Scalar], Scalar], start: Scalar, lower: Scalar, upper: Scalar, tolerance: Scalar, max_steps: int
) -> Scalar:
    eps, f = 4 * jnp.finfo(start.dtype).eps, _named(f)

    def unfinished(carry):
        _, lo, hi, move, _, found, step = carry
        scale = eps * jnp.maximum(jnp.abs(lo), jnp.abs(hi))
        return (step < max_steps) & ~found & (move > scale) & (hi - lo > scale)

    def improve(carry):
        y, lo, hi, move, converging, _, step = carry
        value, slope = jax.jvp(f, (y,), (jnp.ones_like(y),))
        lo, hi = jnp.where(value < 0, y, lo), jnp.where(value >= 0, y, hi)
        newton = y - value / jnp.where(slope > 0, slope, jnp.ones_like(slope))
        size = jnp.abs(newton - y)
        least = tolerance + eps * jnp.maximum(jnp.abs(y), jnp.finfo(y.dtype).tiny)
        done = (slope > 0) & (size <= least)
        # Bisect also where Newton only creeps (the steep side of an exponential).
        inside = (slope > 0) & (newton > lo) & (newton < hi) & (done | (size <= 0.5 * move))
        # Two Newton steps in a row tell the third: errors go as e, c e^2, so size^3/move^2 is left.
        found = done | (inside & converging & (size * (size / move) ** 2 <= least))
        # A last step that leaves the bracket by rounding alone means that y is the root already.
        following = jnp.where(inside, newton, jnp.where(done, y, 0.5 * (lo + hi)))
        return following, lo, hi, jnp.abs(following - y), inside, found, step + 1

    far = jnp.maximum(upper - lower, jnp.abs(upper)) + 1
    no = jnp.zeros((), bool)
    carry = (jnp.clip(start, lower, upper), lower, upper, far, no, no, jnp.zeros((), jnp.int32))
    return lax.while_loop(unfinished, improve, carry)[0]


def solve_increasing(
    f: Callable[[Scalar], Scalar],
    lower: Scalar,
    upper: Scalar,
    *,
    start: Scalar | None = None,
    tolerance: float = 0.0,
    max_steps: int = 100,
) -> Scalar:
    """The root of an increasing scalar function between two bounds.

    Args:
        f: increasing and differentiable; may close over traced values (gradients flow to them).
        lower, upper: a bracket with f(lower) <= 0 <= f(upper); outside of it the nearer end is returned.
        start: first guess (the middle of the bracket if none).
        tolerance: change of y below which it is found, beside the rounding of y; for roots near zero of an
            f that rounds more coarsely than its root, as the search would bisect in that noise.
        max_steps: bound on the iterations; bisection alone needs about 60 in float64.

    Returns:
        y with f(y) = 0, to rounding.
    """
    lower, upper = lax.stop_gradient(lower), lax.stop_gradient(upper)
    guess = 0.5 * (lower + upper) if start is None else lax.stop_gradient(start)

    def solve(fun, y0):
        return _search(fun, y0, lower, upper, jnp.asarray(tolerance, y0.dtype), max_steps)

    def tangent_solve(linear, rhs):
        return rhs / linear(jnp.ones_like(rhs))

    return lax.custom_root(f, guess, solve, tangent_solve)
