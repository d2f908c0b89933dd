"""From the box of the bounds to the whole line and back, so that a gradient step never leaves the box.

    linear:  p = lo + (hi - lo) s(theta)            log:  |p| = |lo| (|hi|/|lo|)^s(theta)

with s the logistic function. Bounds and scale come from the metadata of the parameters.
"""

from collections.abc import Mapping, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neurojax.errors import FitError
from physics.quantity import Parameter

LIMIT = 12.0
"""|theta| beyond which the logistic function is flat: a fit stops there and calls it "at bound"."""


class Box(eqx.Module):
    """The bounds of n parameters.

    Attributes:
        lower, upper: physical bounds, shape (n,). log: 1 where the scale is logarithmic, else 0.
    """

    lower: Float[Array, " n"]
    upper: Float[Array, " n"]
    log: Float[Array, " n"]

    def to_physical(self, theta: Float[Array, " n"]) -> Float[Array, " n"]:
        """`theta` on the whole line -> parameters (SI) inside the bounds, shape (n,)."""
        s = jax.nn.sigmoid(theta)
        straight = self.lower + (self.upper - self.lower) * s
        is_log = self.log > 0
        one = jnp.ones_like(self.lower)
        low, high = jnp.where(is_log, self.lower, one), jnp.where(is_log, self.upper, one)
        curved = jnp.sign(low) * jnp.exp(jnp.log(jnp.abs(low)) + s * jnp.log(high / low))
        return jnp.where(is_log, curved, straight)

    def inverse(self, values: Float[Array, " n"]) -> Float[Array, " n"]:
        """The same as `to_line`, compiled and differentiable, in the precision of the bounds."""
        is_log = self.log > 0
        one = jnp.ones_like(self.lower)
        low, high = jnp.where(is_log, self.lower, one), jnp.where(is_log, self.upper, 2 * one)
        p = jnp.clip(values, self.lower, self.upper)
        curved = jnp.log(jnp.where(is_log, p, low) / low) / jnp.log(high / low)
        s = jnp.where(is_log, curved, (p - self.lower) / (self.upper - self.lower))
        s = jnp.clip(s, 1e-4, 1 - 1e-4)
        return jnp.log(s) - jnp.log1p(-s)

    def at(self, theta: np.ndarray) -> np.ndarray:
        """The same as `to_physical`, of many `theta` (..., n) at once, in NumPy and float64."""
        lower, upper, is_log = (np.asarray(a, dtype=float) for a in (self.lower, self.upper, self.log))
        s = 1 / (1 + np.exp(-np.asarray(theta, dtype=float)))
        with np.errstate(invalid="ignore", divide="ignore"):
            curved = lower * (upper / lower) ** s
        return np.where(is_log > 0, curved, lower + (upper - lower) * s)

    def to_line(self, values: np.ndarray) -> np.ndarray:
        """Parameters `values` (SI) -> theta, shape (n,), in float64; pulled a little inside if they sit on a bound."""
        lower, upper, is_log = (np.asarray(a, dtype=float) for a in (self.lower, self.upper, self.log))
        p = np.clip(np.asarray(values, dtype=float), lower, upper)
        with np.errstate(invalid="ignore", divide="ignore"):
            curved = np.log(p / lower) / np.log(upper / lower)
        s = np.where(is_log > 0, curved, (p - lower) / (upper - lower))
        s = np.clip(s, 1e-4, 1 - 1e-4)
        return np.log(s) - np.log1p(-s)


def box(declared: Sequence[Parameter], bounds: Mapping[str, tuple[float, float]]) -> Box:
    """The box of some parameters, `bounds` overriding the declared ones by name.

    Raises:
        FitError: bounds that are not finite, not increasing, or of two signs on a log scale.
    """
    return Box(*(jnp.asarray(a) for a in limits(declared, bounds)))


def limits(declared: Sequence[Parameter], bounds: Mapping[str, tuple[float, float]]) -> Float[np.ndarray, "3 n"]:
    """Lower and upper bounds and which scale is logarithmic, of `box`.

    Raises:
        FitError: as `box`.
    """
    lower, upper, log = [], [], []
    for p in declared:
        lo, hi = (float(b) for b in bounds.get(p.name, p.bounds))
        is_log = p.quantity.scale == "log"
        if not (np.isfinite(lo) and np.isfinite(hi) and lo < hi):
            raise FitError(f"bounds of {p.name}: ({lo:g}, {hi:g}) {p.unit} must be finite and increasing.")
        if is_log and lo * hi <= 0:
            raise FitError(f"bounds of {p.name}: ({lo:g}, {hi:g}) must have one sign; {p.name} has a log scale.")
        lower.append(lo)
        upper.append(hi)
        log.append(1.0 if is_log else 0.0)
    return np.asarray([lower, upper, log], jnp.result_type(float))
