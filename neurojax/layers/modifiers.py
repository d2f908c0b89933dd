"""What training adds to weights and inputs, so that it finds solutions that stand the hardware.

    modifier = nj.layers.chain(nj.layers.additive_noise(0.05), nj.layers.drop_cells(0.01), nj.layers.discretised(32))
    layer = nj.layers.CrossbarLinear(64, 10, modifier=modifier, rngs=nnx.Rngs(0))
    chip = nj.layers.written(model, nj.layers.programming_noise(statistics), key=key)      one chip, errors frozen

A modifier is `modifier(w, *, key)`, of any array in parts of a range: cells between 0 and 1, weights between -1 and 1,
inputs between -1 and 1. Noise is pathwise, rounding and limits are straight through, so gradients pass all of them.

V. Joshi et al., Nat. Commun. 11, 2473 (2020), 10.1038/s41467-020-16108-9; M. J. Rasch et al., Nat. Commun. 14, 5282
(2023), 10.1038/s41467-023-40770-4.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from neurojax.errors import CircuitError

Real = Float[Array, "..."]
Modifier = Callable[..., Array]


class AdditiveNoise(eqx.Module):
    """w + sigma xi."""

    sigma: Real

    def __call__(self, w: Real, *, key: Array) -> Real:
        """Of an array `w`, drawn from `key`."""
        return w + self.sigma.astype(w.dtype) * jax.random.normal(key, w.shape, w.dtype)


class MultiplicativeNoise(eqx.Module):
    """w (1 + sigma xi)."""

    sigma: Real

    def __call__(self, w: Real, *, key: Array) -> Real:
        """Of an array `w`, drawn from `key`."""
        return w * (1 + self.sigma.astype(w.dtype) * jax.random.normal(key, w.shape, w.dtype))


class PolynomialNoise(eqx.Module):
    """w + s(|w|) xi with s = sum of c_k |w|^k, such as measured spreads of programming."""

    coefficients: Float[Array, " k"]

    def __call__(self, w: Real, *, key: Array) -> Real:
        """Of an array `w`, drawn from `key`."""
        size, spread = jnp.abs(w), jnp.zeros_like(w)
        for c in self.coefficients[::-1]:
            spread = spread * size + c.astype(w.dtype)
        return w + spread * jax.random.normal(key, w.shape, w.dtype)


class ProgrammingNoise(eqx.Module):
    """Cells that are written with the spread of a statistics, in parts of the window."""

    statistics: Any
    g_min: Real
    g_max: Real

    def __call__(self, w: Real, *, key: Array) -> Real:
        """Of cells `w`, drawn from `key`."""
        low, span = self.g_min.astype(w.dtype), (self.g_max - self.g_min).astype(w.dtype)
        own: Any = jax.tree.map(lambda a: a.astype(w.dtype), self.statistics)
        g = own.programmed(low + span * w, jax.random.normal(key, w.shape, w.dtype))
        return (g - low) / span


class DropCells(eqx.Module):
    """Each cell is at `value` with a probability, else as it was."""

    probability: Real
    value: Real

    def __call__(self, w: Real, *, key: Array) -> Real:
        """Of an array `w`, drawn from `key`."""
        gone = jax.random.bernoulli(key, self.probability, w.shape)
        return jnp.where(gone, self.value.astype(w.dtype), w)


class Discretised(eqx.Module):
    """The nearest of `levels` values from low to high, or by chance one of the two beside."""

    low: Real
    high: Real
    levels: int = eqx.field(static=True)
    stochastic: bool = eqx.field(static=True)

    def __call__(self, w: Real, *, key: Array) -> Real:
        """Of an array `w`; `key` only if stochastic."""
        low, step = self.low.astype(w.dtype), ((self.high - self.low) / (self.levels - 1)).astype(w.dtype)
        place = jnp.clip((w - low) / step, 0, self.levels - 1)
        if self.stochastic:
            level = jnp.clip(jnp.floor(place + jax.random.uniform(key, w.shape, w.dtype)), 0, self.levels - 1)
        else:
            level = jnp.round(place)
        return w + lax.stop_gradient(low + step * level - w)


class Clipped(eqx.Module):
    """Held between limits, with the gradient of no limits."""

    low: Real
    high: Real

    def __call__(self, w: Real, *, key: Array | None = None) -> Real:
        """Of an array `w`; `key` is not needed."""
        del key
        return w + lax.stop_gradient(jnp.clip(w, self.low.astype(w.dtype), self.high.astype(w.dtype)) - w)


class Chain(eqx.Module):
    """One modifier after the other."""

    parts: tuple[Any, ...]

    def __call__(self, w: Real, *, key: Array) -> Real:
        """Of an array `w`; each part draws from its own part of `key`."""
        for part, own in zip(self.parts, jax.random.split(key, max(len(self.parts), 1)), strict=False):
            w = part(w, key=own)
        return w


def _number(value: Any) -> Array:
    return jnp.asarray(value, jnp.result_type(float))


def _positive(value: float, what: str) -> Array:
    if not value >= 0:
        raise CircuitError(f"{what} = {value}: not negative.")
    return _number(value)


def additive_noise(sigma: float) -> AdditiveNoise:
    """w + sigma xi.

    Args:
        sigma: standard deviation, in parts of the range.
    """
    return AdditiveNoise(_positive(sigma, "sigma"))


def multiplicative_noise(sigma: float) -> MultiplicativeNoise:
    """w (1 + sigma xi).

    Args:
        sigma: standard deviation, in parts of w.
    """
    return MultiplicativeNoise(_positive(sigma, "sigma"))


def polynomial_noise(coefficients: Any) -> PolynomialNoise:
    """w + s(|w|) xi, s = c_0 + c_1 |w| + c_2 |w|^2 + ...

    Args:
        coefficients: c_k, (k,).
    """
    return PolynomialNoise(jnp.atleast_1d(_number(coefficients)))


def programming_noise(statistics: Any, g_min: float, g_max: float) -> ProgrammingNoise:
    """Cells as they come out of programming, such as by `physics.PcmStatistics`.

    Args:
        statistics: with `programmed(target, noise)`, conductances (S) and standard normal numbers.
        g_min, g_max: window of the cells (S), that of the coding.
    """
    return ProgrammingNoise(statistics, _number(g_min), _number(g_max))


def drop_cells(probability: float, value: float = 0.0) -> DropCells:
    """Drop-connect: cells are now and then missing, or stuck.

    Args:
        probability: of each. value: that they have then, 0 for the lowest conductance.

    Raises:
        CircuitError: a probability that is none.
    """
    if not 0 <= probability <= 1:
        raise CircuitError(f"probability = {probability}: between 0 and 1.")
    return DropCells(_number(probability), _number(value))


def discretised(levels: int, low: float = 0.0, high: float = 1.0, *, stochastic: bool = False) -> Discretised:
    """Rounded to `levels` values, the gradient straight through.

    Args:
        levels: two or more. low, high: the first and the last. stochastic: up or down by chance, right on average.

    Raises:
        CircuitError: levels or limits that are none.
    """
    if levels < 2 or not high > low:
        raise CircuitError(f"{levels} levels from {low} to {high}: two or more, low below high.")
    return Discretised(_number(low), _number(high), levels, stochastic)


def clipped(low: float, high: float) -> Clipped:
    """Held between limits, the gradient straight through.

    Args:
        low, high: limits.
    """
    return Clipped(_number(low), _number(high))


def chain(*parts: Modifier) -> Chain:
    """One modifier after the other.

    Args:
        parts: in their order.
    """
    return Chain(tuple(parts))
