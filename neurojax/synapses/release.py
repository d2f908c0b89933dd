"""Release of transmitter by the quantum: `Release`, `quantal_analysis`."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from neurojax.errors import DataError
from physics.quantity import Param, quantity

Real = Float[Array, "..."]
_DODGE = "10.1113/jphysiol.1967.sp008367"


class Release(eqx.Module):
    """k ~ Binomial(N, p), amplitude k q,  p = p_max [c/(1 + c)]^4,  c = [Ca]/K.

    N sites release one quantum each with the probability p, so the mean is N p q, the variance N p (1 - p) q^2, and
    CV^2 = (1 - p)/(N p). Where calcium is rare p ~ [Ca]^4: twice the calcium is sixteen times the release.

    B. Katz and R. Miledi; F. A. Dodge and R. Rahamimoff, J. Physiol. 193, 419 (1967), 10.1113/jphysiol.1967.sp008367,
    without the competition by magnesium. Values are chosen.
    """

    n: int = eqx.field(default=10, static=True)
    """N, sites."""
    q: Param = quantity(1e-11, "A", (1e-15, 1e-3), scale="log", doc="amplitude of one quantum", source="chosen")
    p_max: Param = quantity(1.0, "1", (0.0, 1.0), doc="probability at saturation", source="chosen")
    k_ca: Param = quantity(1.0, "mol/m3", (1e-6, 1e2), scale="log", doc="K, calcium that binds half", source=_DODGE)

    def probability(self, ca: Any) -> Real:
        """p of a site at a concentration of calcium `ca` (mol/m3)."""
        bound = jnp.asarray(ca, self.k_ca.dtype) / self.k_ca
        return self.p_max * (bound / (1 + bound)) ** 4

    def sample(self, key: Array, ca: Any, trials: int) -> Float[Array, "... trials"]:
        """Amplitudes (A) of a number of releases, (..., trials), for calcium `ca` (mol/m3), drawn with the `key`."""
        p = self.probability(ca)[..., None]
        shape = (*p.shape[:-1], trials)
        n = jnp.asarray(self.n, p.dtype)
        return self.q * jax.random.binomial(key, n, jnp.broadcast_to(p, shape), shape, dtype=p.dtype)

    def mean(self, ca: Any) -> Real:
        """N p q (A) at calcium `ca` (mol/m3)."""
        return self.n * self.probability(ca) * self.q

    def cv_squared(self, ca: Any) -> Real:
        """(1 - p)/(N p), the variance over the squared mean, at calcium `ca` (mol/m3)."""
        p = self.probability(ca)
        return (1 - p) / (self.n * p)


class Quanta(NamedTuple):
    """What `quantal_analysis` recovers.

    q: amplitude of one quantum (A). n: sites. p: probability of release, one a condition.
    """

    q: Real
    n: Real
    p: Float[Array, " conditions"]


def quantal_analysis(amplitudes: Any, q: Any = None) -> Quanta:
    """Quantum, sites and probabilities from amplitudes alone, by the parabola var = q mean - mean^2/N.

    With a known quantum one condition is enough, otherwise two or more that differ in p are fitted by least squares,
    weighted by the inverse of the variance.

    Args:
        amplitudes: A, shape (conditions, trials). q: the quantum (A), if it is known.

    Raises:
        DataError: one condition and no quantum.
    """
    a = jnp.atleast_2d(jnp.asarray(amplitudes, jnp.result_type(float)))
    mean, var = jnp.mean(a, axis=-1), jnp.var(a, axis=-1, ddof=1)
    known = mean > 0 if isinstance(a, Tracer) else np.asarray(mean) > 0
    if q is None and a.shape[0] < 2:
        raise DataError("one condition does not tell quantum and sites apart: give q, or amplitudes at two calcium.")
    m, v = jnp.where(known, mean, jnp.ones_like(mean)), jnp.where(known, var, jnp.ones_like(var))
    weight = jnp.where(known, m / v, jnp.zeros_like(v))
    # var/mean = q - mean/N is a straight line.
    y = v / m
    if q is None:
        centre, level = jnp.sum(weight * m) / jnp.sum(weight), jnp.sum(weight * y) / jnp.sum(weight)
        slope = jnp.sum(weight * (m - centre) * (y - level)) / jnp.sum(weight * (m - centre) ** 2)
        size, sites = level - slope * centre, -1 / slope
    else:
        size = jnp.asarray(q, a.dtype)
        sites = jnp.sum(weight * m * m) / jnp.sum(weight * m * (size - y))
    return Quanta(size, sites, mean / (sites * size))
