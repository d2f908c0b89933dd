"""The coordinates in which the states of a device are integrated: as declared by `state_variable(scale=...)`.

    linear   z = x                       log   z = ln x                  logit   z = ln((x - lo)/(hi - x))

In z a state that approaches its bound exponentially moves evenly, its error is relative to the distance, and no step
can pass the bound. Within 1e-30 of the range from a bound the motion in z is slowed down, where x no longer tells it.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from physics.quantity import Quantity, declarations

NEAREST = 1e-30
"""Of the distance from a bound, in parts of the range."""


class Charts:
    """Of all leaves of a state, in their order.

    Attributes:
        declared: what is known of each leaf, None for one without a declaration.
    """

    def __init__(self, state: Any, straight: bool = False):
        """straight: in its own coordinates, whatever is declared."""
        self.declared: Sequence[Quantity | None] = declarations(state)
        self.structure = jax.tree.structure(state)
        self.straight = straight or all(q is None or q.scale == "linear" for q in self.declared)

    def to_line(self, x: Any) -> Any:
        """z of a state x; one that sits on a bound is pulled inside by a thousand roundings."""
        return self._each(_to_line, x)

    def to_state(self, z: Any) -> Any:
        """x of z."""
        return self._each(_to_state, z)

    def motion(self, z: Any, flow: Any) -> Any:
        """dz/dt from dx/dt."""
        return self._each(_motion, z, flow)

    def bounds(self, sizes: Sequence[int]) -> tuple[tuple[float, float], ...] | None:
        """Of each number of a flat state, `sizes` being those of its leaves; None where nothing is declared."""
        if not any(self.declared):
            return None
        ends = [q.bounds if q is not None and q.scale == "linear" else (-np.inf, np.inf) for q in self.declared]
        return tuple(end for end, size in zip(ends, sizes, strict=True) for _ in range(size))

    def _each(self, change: Any, *trees: Any) -> Any:
        if self.straight:
            return trees[-1]
        leaves = zip(self.declared, *map(jax.tree.leaves, trees), strict=True)
        changed = [a[-1] if q is None or q.scale == "linear" else change(q, *a) for q, *a in leaves]
        return jax.tree.unflatten(self.structure, changed)


def _to_line(q: Quantity, x: Array) -> Array:
    (lo, hi), near = q.bounds, 1e3 * float(jnp.finfo(x.dtype).eps)
    if q.scale == "log":
        return jnp.log(jnp.maximum(x, near * lo))
    part = jnp.clip((x - lo) / (hi - lo), near, 1 - near)
    return jnp.log(part) - jnp.log1p(-part)


def _to_state(q: Quantity, z: Array) -> Array:
    lo, hi = q.bounds
    return jnp.exp(z) if q.scale == "log" else lo + (hi - lo) * jax.nn.sigmoid(z)


def _motion(q: Quantity, z: Array, flow: Array) -> Array:
    lo, hi = q.bounds
    if q.scale == "log":
        return flow / jnp.maximum(jnp.exp(z), NEAREST * lo)
    return flow / ((hi - lo) * jnp.maximum(jax.nn.sigmoid(z) * jax.nn.sigmoid(-z), NEAREST))
