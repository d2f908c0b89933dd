"""Device to device: populations whose parameters are drawn from any distribution, correlated if asked.

    devices = nj.population(physics.GapRram(), 1000, {"i_0": nj.LogNormal(0.2), "v_0": nj.Normal(0.02)}, key=key)

A draw is a quantile, value = F^-1(u), of standard normal numbers that are correlated first and made uniform then (a
Gaussian copula), within the bounds of the parameter. So it is a smooth function of centre, width and correlation:
gradients are pathwise. Member k is drawn from (key, k) alone, whatever the size of the population.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.special import ndtr, ndtri
from jax.scipy.stats import norm
from jaxtyping import Array, Float

from neurojax.errors import DataError
from physics.device import AbstractDevice
from physics.imperfect import Stuck
from physics.quantity import Parameter, parameters, suggest, with_values

D = TypeVar("D", bound=AbstractDevice)
Real = Float[Array, "..."]


class AbstractSpread(eqx.Module):
    """A distribution around the value that a device has."""

    def below(self, x: Real, centre: Real) -> Real:
        """The part of the draws below x."""
        raise NotImplementedError

    def quantile(self, u: Real, centre: Real) -> Real:
        """The value below which a part u of the draws lies."""
        raise NotImplementedError


class Normal(AbstractSpread):
    """Normal with standard deviation `sd`, in parts of the value (`relative`) or in its unit."""

    sd: Real = eqx.field(converter=jnp.asarray)
    relative: bool = eqx.field(static=True, default=True)

    def _width(self, centre: Real) -> Real:
        return self.sd * jnp.abs(centre) if self.relative else self.sd

    def below(self, x: Real, centre: Real) -> Real:
        """As of `AbstractSpread`."""
        return ndtr((x - centre) / self._width(centre))

    def quantile(self, u: Real, centre: Real) -> Real:
        """As of `AbstractSpread`."""
        return centre + self._width(centre) * ndtri(u)


class LogNormal(AbstractSpread):
    """The logarithm is normal with standard deviation `sigma`; the median is the value. Of either sign."""

    sigma: Real = eqx.field(converter=jnp.asarray)

    def below(self, x: Real, centre: Real) -> Real:
        """As of `AbstractSpread`."""
        ratio = x / centre
        known = ndtr(jnp.log(jnp.where(ratio > 0, ratio, jnp.ones_like(ratio))) / self.sigma)
        part = jnp.where(ratio > 0, known, jnp.zeros_like(known))
        return jnp.where(centre > 0, part, 1 - part)

    def quantile(self, u: Real, centre: Real) -> Real:
        """As of `AbstractSpread`."""
        return centre * jnp.exp(self.sigma * ndtri(jnp.where(centre > 0, u, 1 - u)))


class Uniform(AbstractSpread):
    """Uniform from `low` to `high`, in the unit of the parameter, whatever its value."""

    low: Real = eqx.field(converter=jnp.asarray)
    high: Real = eqx.field(converter=jnp.asarray)

    def below(self, x: Real, centre: Real) -> Real:
        """As of `AbstractSpread`."""
        del centre
        return jnp.clip((x - self.low) / (self.high - self.low), 0.0, 1.0)

    def quantile(self, u: Real, centre: Real) -> Real:
        """As of `AbstractSpread`."""
        del centre
        return self.low + u * (self.high - self.low)


class Empirical(AbstractSpread):
    """Measured values: their quantiles, straight lines in between."""

    values: Float[Array, " n"] = eqx.field(converter=lambda a: jnp.sort(jnp.asarray(a)))

    def _parts(self) -> Array:
        n = self.values.shape[0]
        return (jnp.arange(n, dtype=self.values.dtype) + 0.5) / n

    def below(self, x: Real, centre: Real) -> Real:
        """As of `AbstractSpread`."""
        del centre
        return jnp.interp(x, self.values, self._parts(), left=0.0, right=1.0)

    def quantile(self, u: Real, centre: Real) -> Real:
        """As of `AbstractSpread`."""
        del centre
        return jnp.interp(u, self._parts(), self.values)


Correlation = Mapping[tuple[str, str], float]


def population(
    device: D,
    n: int,
    spread: Mapping[str, AbstractSpread] | float = 0.03,
    *,
    key: Array,
    correlation: Correlation | None = None,
) -> D:
    """n devices around one: the same module with a leading axis on the parameters that are spread.

    Args:
        device: the centre (mean or median). n: members.
        spread: distribution of each parameter by name; a number spreads every free parameter log-normally by it
            (normally, in parts of its bounds, those whose scale is linear through zero).
        key: a `jax.random.key`. correlation: {(a, b): rho} of the normal numbers behind a and b.

    Returns:
        A device whose spread parameters have shape (n,), within their bounds.

    Raises:
        DataError: an unknown name, a correlation matrix that is none, or a distribution outside the bounds.
    """
    known = parameters(device)
    given = _usual(known, spread) if isinstance(spread, int | float) else dict(spread)
    for name in given:
        if name not in known:
            raise DataError(f"{type(device).__name__} has no parameter {name!r}.{suggest(name, tuple(known))}")
    names = sorted(given)
    root = _root(names, correlation or {})
    draw = jax.vmap(lambda k: jax.random.normal(jax.random.fold_in(key, k), (len(names),)))
    z = draw(jnp.arange(n, dtype=jnp.uint32)) @ root.T
    drawn = {name: _within(known[name], given[name], z[:, j]) for j, name in enumerate(names)}
    return with_values(device, drawn)


def _usual(known: dict[str, Parameter], part: float) -> dict[str, AbstractSpread]:
    if not part > 0:
        raise DataError(f"spread = {part} must be positive: the standard deviation in parts of each value.")
    found: dict[str, AbstractSpread] = {}
    for name, p in known.items():
        if p.quantity.free:
            low, high = p.bounds
            through = low < 0 < high or float(np.min(np.abs(np.asarray(p.value)))) == 0
            found[name] = Normal(part * (high - low), relative=False) if through else LogNormal(part)
    return found


def _root(names: list[str], correlation: Correlation) -> Array:
    """Cholesky factor of the correlations between the parameters."""
    matrix = np.eye(len(names))
    for (a, b), rho in correlation.items():
        for name in (a, b):
            if name not in names:
                raise DataError(f"correlation names {name!r}, which is not spread.{suggest(name, names)}")
        matrix[names.index(a), names.index(b)] = matrix[names.index(b), names.index(a)] = rho
    least = float(np.linalg.eigvalsh(matrix).min()) if names else 1.0
    if not least > 1e-12:
        raise DataError(
            f"correlation: no parameters can be correlated like this (least eigenvalue {least:.3g}, must be positive). "
            "Each |rho| is below 1, and what correlates with two others must not contradict them."
        )
    return jnp.asarray(np.linalg.cholesky(matrix))


def _within(p: Parameter, spread: AbstractSpread, z: Array) -> Array:
    """Draws within the bounds: the quantiles between those of the bounds themselves."""
    centre = jnp.asarray(p.value)
    low, high = (spread.below(jnp.asarray(b, centre.dtype), centre) for b in p.bounds)
    width = np.asarray(jax.lax.stop_gradient(high - low)) if not _traced(high, low) else np.ones(1)
    if np.any(width < 1e-6):
        raise DataError(
            f"{p.name}: {type(spread).__name__} around {np.asarray(centre)} {p.unit} lies outside the bounds "
            f"[{p.bounds[0]:g}, {p.bounds[1]:g}] {p.unit}. Check its unit and width."
        )
    return spread.quantile(low + norm.cdf(z) * (high - low), centre)


def _traced(*arrays: Any) -> bool:
    return any(isinstance(a, Tracer) for a in arrays)


def with_yield(device: AbstractDevice, n: int, on: float, off: float, *, states: tuple[Any, Any], key: Array) -> Stuck:
    """n devices of which a part `on` is stuck in the first of `states`, a part `off` in the second.

    Args:
        device: one device, or a population of n. on, off: probabilities. states: (on, off), of one device.
        key: a `jax.random.key`; member k is drawn from (key, k) alone.

    Raises:
        DataError: probabilities that are none.
    """
    if not (on >= 0 and off >= 0 and on + off <= 1):
        raise DataError(f"on = {on} and off = {off} must be probabilities whose sum is at most 1.")
    draw = jax.vmap(lambda k: jax.random.uniform(jax.random.fold_in(key, k)))
    u = draw(jnp.arange(n, dtype=jnp.uint32))
    at = jnp.where(u < on, 1.0, jnp.where(u < on + off, -1.0, 0.0))
    made: Any = Stuck
    return made(device, on=states[0], off=states[1], at=at.astype(u.dtype))
