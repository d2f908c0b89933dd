"""Functions of one and two numbers from a table: smooth (C1), cheap, differentiable, free of overshoot."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from neurojax.programming._axis import Axis, Where, _look, cubic, rate

Real = Float[Array, "..."]
HALVINGS = 30


class Curve(eqx.Module):
    """y(x), cubic between nodes, straight beyond the ends.

    Attributes:
        axis: of x. values, slopes: at its nodes, (k,).
    """

    axis: Axis
    values: Float[Array, " k"]
    slopes: Float[Array, " k"]

    def __call__(self, x: Real) -> Real:
        """y at `x`, of any shape."""
        return self.near(self.axis.locate(x))

    def near(self, where: Where) -> Real:
        """y at a place `where` that the axis has located; for several curves of one axis."""
        k, t, inverse = where
        return cubic(t, 1 / inverse, self._node(k), self._node(k + 1))

    def slope(self, x: Real) -> Real:
        """dy/dx at `x`."""
        k, t, inverse = self.axis.locate(x)
        return rate(t, 1 / inverse, self._node(k), self._node(k + 1))

    def inverse(self, y: Real) -> Real:
        """x at which a monotone curve is `y`; nan where it never is. Differentiable in y and the table."""
        rising = self.values[-1] > self.values[0]
        sign = jnp.where(rising, 1.0, -1.0).astype(self.values.dtype)
        wanted, heights = sign * lax.stop_gradient(y), lax.stop_gradient(sign * self.values)
        k = jnp.clip(jnp.searchsorted(heights, wanted, side="right") - 1, 0, heights.shape[0] - 2)
        h = 1 / _look(self.axis.inverse, k)
        ends = self._node(k), self._node(k + 1)
        held = lax.stop_gradient(ends)
        t = _halved(lambda t: sign * cubic(t, h, *held) >= wanted, jnp.zeros_like(y), jnp.ones_like(y))
        # One step of Newton's method from the solution carries its derivatives.
        steep = rate(t, h, *held) * h
        safe = jnp.where(steep == 0, jnp.ones_like(steep), steep)
        t = t - jnp.where(steep == 0, jnp.zeros_like(t), (cubic(t, h, *ends) - y) / safe)
        slack = 1e-6 * jnp.abs(heights[-1] - heights[0])
        inside = (wanted >= heights[0] - slack) & (wanted <= heights[-1] + slack)
        return jnp.where(inside, _look(self.axis.nodes, k) + jnp.clip(t, 0.0, 1.0) * h, jnp.nan)

    def _node(self, k: Array) -> tuple[Real, Real]:
        return _look(self.values, k), _look(self.slopes, k)


class Surface(eqx.Module):
    """y(x, v), cubic in both between nodes, straight beyond the ends of x; nan beyond those of v.

    Attributes:
        x_axis, v_axis: of both. values, by_x, by_v, by_both: y and its derivatives at the nodes, (k m,), v fastest.
    """

    x_axis: Axis
    v_axis: Axis
    values: Float[Array, " nodes"]
    by_x: Float[Array, " nodes"]
    by_v: Float[Array, " nodes"]
    by_both: Float[Array, " nodes"]

    def __call__(self, x: Real, v: Real) -> Real:
        """y at `x` and `v`, of one shape."""
        return self.near(self.x_axis.locate(x), self.v_axis.locate(v))

    def near(self, x: Where, v: Where) -> Real:
        """y at places `x` and `v` that both axes have located."""
        (k, t, inverse), (j, u, across) = x, v
        m, h = self.v_axis.nodes.shape[0], 1 / across
        corner = k * m + j
        left, right = self._row(corner, u, h), self._row(corner + m, u, h)
        y = cubic(t, 1 / inverse, left, right)
        return jnp.where((u > -1e-3) & (u < 1 + 1e-3), y, jnp.nan)

    def at(self, v: Real) -> Curve:
        """The curve y(x) at one `v`."""
        j, u, across = self.v_axis.locate(v)
        k, m = self.x_axis.nodes.shape[0], self.v_axis.nodes.shape[0]
        values, slopes = self._row(jnp.arange(k, dtype=jnp.int32) * m + j, u, 1 / across)
        slopes = limited(self.x_axis, values, slopes)
        inside = (u > -1e-3) & (u < 1 + 1e-3)
        return Curve(self.x_axis, jnp.where(inside, values, jnp.nan), slopes)

    def _row(self, corner: Array, u: Real, h: Real) -> tuple[Real, Real]:
        """y and dy/dx at a node of x, between two of v."""
        ends = lambda f, g: ((_look(f, k), _look(g, k)) for k in (corner, corner + 1))  # noqa: E731
        one = lambda f, g: cubic(u, h, *ends(f, g))  # noqa: E731
        return one(self.values, self.by_v), one(self.by_x, self.by_both)


def limited(axis: Axis, y: Real, m: Real) -> Real:
    """As `_axis.limited`, under jit."""
    rise = jnp.diff(y, axis=0) * axis.inverse.reshape(-1, *[1] * (y.ndim - 1))
    before, after = jnp.concatenate([rise[:1], rise]), jnp.concatenate([rise, rise[-1:]])
    most = 3 * jnp.minimum(jnp.abs(before), jnp.abs(after))
    same = jnp.where(before * after > 0, jnp.sign(before), jnp.zeros_like(before))
    return same * jnp.clip(same * m, 0.0, most)


def _halved(beyond, low: Real, high: Real) -> Real:
    """Where a condition that is false at `low` and true at `high` changes."""

    def step(_, ends):
        low, high = ends
        middle = 0.5 * (low + high)
        past = beyond(middle)
        return jnp.where(past, low, middle), jnp.where(past, middle, high)

    low, high = lax.fori_loop(0, HALVINGS, step, (low, high))
    return lax.stop_gradient(0.5 * (low + high))


def moved(table, dtype):
    """A table with all its numbers in another precision."""
    return jax.tree.map(lambda a: a.astype(dtype) if jnp.issubdtype(a.dtype, jnp.floating) else a, table)
