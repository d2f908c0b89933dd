"""The ideal quantiser: levels at equal distances, a gradient that goes straight through, rounding at random if asked.

    q = nj.converters.Quantiser.mid_tread(8, 0.5)       255 levels from -0.5 to 0.5, zero is one of them
    q(x)                                                values;  q.convert(x) tells codes and saturation too
    q(x, key=key)                                       up or down at random: right on average

With u = (x - low)/s, s = (high - low)/(N - 1), the value is low + s round(u). Its gradient treats the rounding error
as a constant of the level: 1 in x within the range and 0 beyond; in the limits that of the learned step size,
d value/ds = round(u) - u within, the number of the level beyond. Esser et al., ICLR 2020,
10.48550/arXiv.1902.08153.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from neurojax.converters._straight import Real, as_float, first_bad, held, known, like, straight
from neurojax.errors import CircuitError


class Conversion(eqx.Module):
    """What a converter made of its input: `code`, a whole number as a float; `value`, in the unit of the input;
    `saturated`, whether the input lay outside the range. All of the shape of the input."""

    code: Float[Array, "..."]
    value: Float[Array, "..."]
    saturated: Bool[Array, "..."]

    @property
    def count(self) -> Array:
        """How many inputs saturated."""
        return jnp.sum(self.saturated)


def check_range(low: Any, high: Any) -> None:
    """Limits that can be a range.

    Args:
        low, high: limits, scalars or arrays of one shape.

    Raises:
        CircuitError: a limit that is not finite, or a range without a width.
    """
    if not known(low, high):
        return
    low, high = np.asarray(low), np.asarray(high)
    bad = ~(np.isfinite(low) & np.isfinite(high) & (high > low))
    if np.any(bad):
        raise CircuitError(
            f"range [{first_bad(bad, low):g}, {first_bad(bad, high):g}] of a converter: low must be below high, both "
            "finite. `nj.converters.max_range(data)` finds a range from data."
        )


class Quantiser(eqx.Module):
    """`levels` values at equal distances from `low` to `high`, both included; codes count from `first`.

    Attributes:
        low, high: value of the lowest and of the highest level, scalars or (columns,). levels: how many. first: code
            of the lowest. grid: "plain", or "magnitude", which rounds the magnitude and keeps the sign.
    """

    low: Real = eqx.field(converter=as_float)
    high: Real = eqx.field(converter=as_float)
    levels: int = eqx.field(static=True)
    first: int = eqx.field(static=True, default=0)
    grid: str = eqx.field(static=True, default="plain")

    def __check_init__(self) -> None:
        if self.grid not in ("plain", "magnitude"):
            raise CircuitError(f"grid = {self.grid!r} of a quantiser: 'plain' or 'magnitude'.")
        if self.levels < 2:
            raise CircuitError(f"a quantiser of {self.levels} levels: it needs 2 or more, so 1 bit (with sign: 2).")
        check_range(self.low, self.high)

    @classmethod
    def unsigned(cls, bits: int, low: Any, high: Any) -> "Quantiser":
        """2^bits levels from `low` to `high`, codes from 0.

        Args:
            bits: of the code. low, high: value of the lowest and highest level.
        """
        return cls(low, high, 2**bits)

    @classmethod
    def mid_tread(cls, bits: int, limit: Any) -> "Quantiser":
        """2^bits - 1 levels from -limit to limit; zero is one of them. Codes of both signs.

        Args:
            bits: of the code. limit: highest value.
        """
        return cls(-as_float(limit), limit, 2**bits - 1, 1 - 2 ** (bits - 1))

    @classmethod
    def sign_magnitude(cls, bits: int, limit: Any) -> "Quantiser":
        """As `mid_tread`, by a sign and a magnitude of bits - 1: halves go away from zero, alike on both sides.

        Args:
            bits: of the code, with its sign. limit: highest value.
        """
        return cls(-as_float(limit), limit, 2**bits - 1, 1 - 2 ** (bits - 1), "magnitude")

    @classmethod
    def twos_complement(cls, bits: int, limit: Any) -> "Quantiser":
        """2^bits levels from -limit to limit less one step; zero is one of them.

        Args:
            bits: of the code. limit: magnitude of the lowest value.
        """
        limit, half = as_float(limit), 2 ** (bits - 1)
        return cls(-limit, limit * ((half - 1) / half), 2 * half, -half)

    @property
    def step(self) -> Array:
        """Distance of neighbouring levels."""
        return (self.high - self.low) / (self.levels - 1)

    def convert(self, x: Any, *, key: Array | None = None) -> Conversion:
        """Code, value and saturation of `x`, (..., columns).

        Args:
            x: in the unit of the limits. key: of a stochastic rounding, up with the probability of the part of the
                step that is left; without it to the nearest level.
        """
        return _converted(self, as_float(x), key)

    def _rounded(self, u: Array, key: Array | None) -> Array:
        centre = (self.levels - 1) / 2 if self.grid == "magnitude" else 0.0
        size = jnp.abs(u - centre)
        if key is None:
            whole = jnp.floor(size + 0.5) if self.grid == "magnitude" else jnp.round(size)
        else:
            whole = jnp.floor(size + jax.random.uniform(key, u.shape, u.dtype))
        # Rounding errors of the division never lead beyond the last level.
        return jnp.clip(centre + jnp.where(u < centre, -whole, whole), 0, self.levels - 1)

    def __call__(self, x: Any, *, key: Array | None = None) -> Array:
        """The value of the level, as of `convert`."""
        return self.convert(x, key=key).value

    def value_of(self, code: Any) -> Array:
        """Value of a code, (..., columns), in the unit of the limits."""
        return self._between(as_float(code) - self.first)

    def _between(self, level: Array) -> Array:
        """The value of a level; from both ends, so that zero is exactly zero where it is in the middle."""
        top = self.levels - 1
        return (like(self.low, level) * (top - level) + like(self.high, level) * level) / top


@eqx.filter_jit
def _converted(q: Quantiser, x: Array, key: Array | None) -> Conversion:
    low, high, step = (like(a, x) for a in (q.low, q.high, q.step))
    u = held((x - low) / step, jnp.zeros_like(x), jnp.full_like(x, q.levels - 1))
    level = straight(q._rounded(u, key), u)
    return Conversion(level + q.first, q._between(level), (x < low) | (x > high))
