"""A noisy path of a circuit: M dy = drift dt + kick dW (Ito) by linearly implicit Euler-Maruyama with a fixed step.

    (M - h J) (y' - y) = h drift(y) + sqrt(h) kick(y, xi)

drift and J with the sources at the end of the step, kick at its beginning. Nodes are stiff, so the step is implicit:
fast nodes follow, and are not resolved. Strong order 1/2, and 1 where the noise does not depend on the state. States
that fluctuate are in their own coordinates, as in others the rule of Ito would add to their drift.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from neurojax import langevin
from neurojax._rodas import BLOCK, solver
from neurojax.stiff import Solution


def paths(drift: Callable, kick: Callable, mass: np.ndarray | None, members, axes, drive, y0: Array, how) -> Solution:
    """One path a lane.

    Args:
        drift: (member, y, e) -> (n,). kick: (member, y, e, xi) -> (n,). mass: diagonal of M, None for ones.
        drive: knots and sources at them, (K, sources) or (lanes, K, sources). y0: (n, lanes).
        how: keys (lanes,), `langevin.Grid`, and "forward" or "reverse".
    """
    (t, e), (keys, steps, gradient) = drive, how

    def advance(member, y, e, slope, h, i, drawn):
        before, after = e + slope * h * i, e + slope * h * (i + 1)
        rate, linear = jax.linearize(lambda y: drift(member, y, after), y)
        weights = np.eye(y.shape[0]) if mass is None else np.diag(mass)
        matrix = jnp.asarray(weights, y.dtype) - h * jax.vmap(linear, out_axes=1)(jnp.eye(y.shape[0], dtype=y.dtype))
        return y + _solved(matrix, h * rate + jnp.sqrt(h) * kick(member, y, before, drawn))

    def walk(member, key, e, y):
        return langevin.walk(advance, member, key, steps, t, e, y, gradient)

    ys, code = jax.vmap(walk, in_axes=(axes, 0, 0 if e.ndim == 3 else None, 1))(members, keys, e, y0)
    return Solution(ys, jnp.full(code.shape, jnp.sum(steps.counts)), code)


def _solved(matrix: Array, right: Array) -> Array:
    """In closed form where that is short; what `solver` does with larger ones has no transpose."""
    if matrix.shape[0] <= BLOCK:
        return solver(matrix, jnp.ones((), matrix.dtype))(right)
    size = lax.stop_gradient(1 / jnp.max(jnp.abs(matrix), axis=1))
    return jnp.linalg.solve(matrix * size[:, None], right * size)
