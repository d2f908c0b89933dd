"""Spikes with a derivative: a step of exactly 0 or 1, whose derivative is replaced by a bell around the threshold.

The argument u is the distance above the threshold in units of a span (rest to threshold, say), a pure number. All work
in forward and in reverse mode; a second derivative is that of the bell.
"""

import abc
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.quantity import Param, quantity

Real = Float[Array, "..."]


@jax.custom_jvp
def step_with_slope(u: Real, slope: Real) -> Real:
    """1 where u >= 0, else 0, of the type of u; its derivative by u is said to be `slope`.

    Args:
        u: a pure number. slope: what stands for the derivative at u, of the same shape.
    """
    del slope
    return jnp.where(u >= 0, jnp.ones_like(u), jnp.zeros_like(u))


@step_with_slope.defjvp
def _(primals, tangents):
    u, slope = primals
    return step_with_slope(u, slope), slope * tangents[0]


class AbstractSurrogate(eqx.Module):
    """A step at u = 0 with the derivative `slope(u)`."""

    @abc.abstractmethod
    def slope(self, u: Real) -> Real:
        """What stands for d(spike)/du."""

    def __call__(self, u: Real) -> Real:
        """0 or 1, of the type of u."""
        return step_with_slope(u, self.slope(u))


class SuperSpike(AbstractSurrogate):
    """1/(1 + beta |u|)^2, the derivative of the fast sigmoid, one at the threshold; its area is 2/beta.

    F. Zenke and S. Ganguli, Neural Comput. 30, 1514 (2018), 10.1162/neco_a_01086.
    """

    beta: Param = quantity(
        10.0, "1", (0.1, 1e3), scale="log", doc="steepness", source="chosen; 10.1162/neco_a_01086", free=False
    )

    def slope(self, u: Real) -> Real:
        return 1 / (1 + self.beta * jnp.abs(u)) ** 2


class Arctan(AbstractSurrogate):
    """(alpha/2)/(1 + (pi alpha u/2)^2), the derivative of 1/2 + arctan(pi alpha u/2)/pi; its area is one.

    W. Fang et al., ICCV 2021, 10.1109/ICCV48922.2021.00266.
    """

    alpha: Param = quantity(
        2.0, "1", (0.1, 1e3), scale="log", doc="steepness", source="its code; 10.1109/ICCV48922.2021.00266", free=False
    )

    def slope(self, u: Real) -> Real:
        return self.alpha / 2 / (1 + (math.pi / 2 * self.alpha * u) ** 2)


class Triangle(AbstractSurrogate):
    """gamma max(0, 1 - |u|), nothing beyond one span of the threshold; its area is gamma.

    G. Bellec, D. Salaj, A. Subramoney, R. Legenstein and W. Maass, NeurIPS 31 (2018), arXiv:1803.09574.
    """

    gamma: Param = quantity(
        0.3, "1", (0.01, 10.0), scale="log", doc="height, dampens the gradient", source="arXiv:1803.09574", free=False
    )

    def slope(self, u: Real) -> Real:
        return self.gamma * jnp.maximum(1 - jnp.abs(u), 0)


class Sigmoid(AbstractSurrogate):
    """k s (1 - s) with s = 1/(1 + exp(-k u)), the derivative of the logistic function; its area is one."""

    k: Param = quantity(4.0, "1", (0.1, 1e3), scale="log", doc="steepness", source="chosen", free=False)

    def slope(self, u: Real) -> Real:
        return self.k * jax.nn.sigmoid(self.k * u) * jax.nn.sigmoid(-self.k * u)
