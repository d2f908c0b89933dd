"""Nodes that lie at fractions k/2^n of a range, dense where they must be, found again by one look into a list."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

Real = Float[Array, "..."]
Where = tuple[Int[Array, "..."], Real, Real]


class Axis(eqx.Module):
    """A range cut into intervals of dyadic width; `owner` has the interval of each piece of the finest width.

    Attributes:
        nodes: ascending, (k,). inverse: 1/width of each interval, (k - 1,). owner: (pieces,).
    """

    nodes: Float[Array, " k"]
    inverse: Float[Array, " intervals"]
    owner: Int[Array, " pieces"]

    def locate(self, x: Real) -> Where:
        """Interval of x, its place in it (0 at the left node, 1 at the right one; beyond the ends outside), 1/width."""
        low, high = self.nodes[0], self.nodes[-1]
        pieces = self.owner.shape[0]
        at = (x - low) * (pieces / (high - low))
        piece = jnp.clip(at, 0.0, pieces - 1.0).astype(jnp.int32)
        k = _look(self.owner, piece)
        inverse = _look(self.inverse, k)
        return k, (x - _look(self.nodes, k)) * inverse, inverse


def _look(table: Array, k: Array) -> Array:
    return table.at[k].get(mode="promise_in_bounds")


def axis(places: np.ndarray, finest: int, low: float, high: float) -> Axis:
    """An axis from nodes at `places`/`finest` of the range from `low` to `high`; places are integers, ascending."""
    widths = np.diff(places)
    piece = int(np.gcd.reduce(widths))
    owner = np.repeat(np.arange(len(widths), dtype=np.int32), widths // piece)
    nodes = low + (high - low) * places / finest
    dtype = jnp.result_type(float)
    return Axis(jnp.asarray(nodes, dtype), jnp.asarray(1 / np.diff(nodes), dtype), jnp.asarray(owner))


def cubic(t: Any, h: Any, left: tuple[Any, Any], right: tuple[Any, Any]) -> Any:
    """The cubic of values and slopes at both ends of an interval of width h; its tangents beyond the ends.

    Of arrays of JAX or of NumPy.
    """
    inside = t.clip(0.0, 1.0)
    (y0, m0), (y1, m1) = (left[0], left[1] * h), (right[0], right[1] * h)
    rise = y1 - y0
    c2, c3 = 3 * rise - 2 * m0 - m1, m0 + m1 - 2 * rise
    slope = m0 + inside * (2 * c2 + 3 * c3 * inside)
    return y0 + inside * (m0 + inside * (c2 + inside * c3)) + slope * (t - inside)


def rate(t: Real, h: Real, left: tuple[Real, Real], right: tuple[Real, Real]) -> Real:
    """The slope of `cubic`."""
    inside = t.clip(0.0, 1.0)
    rise = (right[0] - left[0]) / h
    c2, c3 = 3 * rise - 2 * left[1] - right[1], left[1] + right[1] - 2 * rise
    return left[1] + inside * (2 * c2 + 3 * c3 * inside)


def slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of values y (k, ...) at nodes x (k,): derivative of the cubic through the four nearest nodes."""
    k, found = len(x), np.empty_like(y)
    for j in range(k):
        first = int(np.clip(j - 1 if j < k - 2 else k - 4, 0, max(k - 4, 0)))
        near = slice(first, first + min(4, k))
        found[j] = np.tensordot(_weights(x[near], x[j]), y[near], axes=1)
    return found


def _weights(nodes: np.ndarray, at: float) -> np.ndarray:
    """What each value counts in the derivative at one of the nodes."""
    apart = nodes[:, None] - nodes[None]
    np.fill_diagonal(apart, 1.0)
    scale = 1 / apart.prod(axis=1)
    own = int(np.argmin(np.abs(nodes - at)))
    weight = scale / (scale[own] * apart[own])
    weight[own] = 0.0
    weight[own] = -weight.sum()
    return weight


def limited(x: np.ndarray, y: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Slopes m cut to where the cubics have no extremum between nodes: at most three times both neighbouring rises.

    F. N. Fritsch and R. E. Carlson, SIAM J. Numer. Anal. 17, 238 (1980), 10.1137/0717021.
    """
    rise = np.diff(y, axis=0) / np.diff(x).reshape(-1, *[1] * (y.ndim - 1))
    before, after = np.concatenate([rise[:1], rise]), np.concatenate([rise, rise[-1:]])
    most = 3 * np.minimum(np.abs(before), np.abs(after))
    same = np.where(before * after > 0, np.sign(before), 0.0)
    return same * np.clip(same * m, 0.0, most)
