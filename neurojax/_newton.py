"""The root of a few equations with as many unknowns, with an implicit gradient."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import lu_factor, lu_solve
from jaxtyping import Array, Float

Vector = Float[Array, " n"]
MOST = 80
FRACTIONS = (1.0, 0.5, 0.25, 0.1, 0.03, 0.01, 0.001)
"""Of a Newton step: that is taken after which the next one would be the shortest."""


def solve(f: Callable[[Vector], Vector], start: Vector) -> Vector:
    """z with f(z) = 0, by Newton steps from `start` that are shortened where f bends.

    The length of a step, measured by the next one, does not depend on the units of equations and unknowns. Forward and
    reverse derivatives are those of the root. NaN where none is found.
    """
    return lax.custom_root(f, lax.stop_gradient(start), _search, _tangent)


def _tangent(linear: Callable[[Vector], Vector], rhs: Vector) -> Vector:
    return jnp.linalg.solve(jax.jacfwd(linear)(jnp.zeros_like(rhs)), rhs)


def _search(f: Callable[[Vector], Vector], start: Vector) -> Vector:
    eps = jnp.finfo(start.dtype).eps
    fractions = jnp.asarray(FRACTIONS, start.dtype)

    def unfinished(carry):
        _, done, step = carry
        return ~done & (step < MOST)

    def improve(carry):
        z, _, step = carry
        factors = lu_factor(jax.jacfwd(f)(z))
        move = -lu_solve(factors, f(z))
        tried = z[None] + fractions[:, None] * move[None]
        ahead = jax.vmap(lambda y: lu_solve(factors, f(y)))(tried)
        size = jnp.max(jnp.abs(ahead), axis=1)
        best = jnp.argmin(jnp.where(jnp.isfinite(size), size, jnp.inf))
        # Errors are squared by a whole step: after one of this size they are rounding.
        small = eps**0.6 * jnp.abs(z) + eps * jnp.max(jnp.abs(z)) + jnp.finfo(z.dtype).tiny
        return tried[best], (best == 0) & jnp.all(jnp.abs(move) <= small), step + 1

    z, done, _ = lax.while_loop(unfinished, improve, (start, jnp.zeros((), bool), jnp.zeros((), jnp.int32)))
    return jnp.where(done, z, jnp.nan)
