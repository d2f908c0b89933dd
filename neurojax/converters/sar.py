"""The converter that weighs its input against binary capacitors, from the largest on."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from neurojax.converters._straight import Real, as_float, drawn, like, normals, staged
from neurojax.converters.adc import AbstractADC


def binary_mismatch(z: Array, sigma: Any) -> Array:
    """Relative errors of 1, 2, 4 ... units in parallel, each unit with its own: sigma/sqrt(units), of the shape of z.

    Args:
        z: standard normal numbers, (bits, *columns). sigma: standard deviation of one unit.
    """
    part = jnp.asarray(2.0 ** (-np.arange(z.shape[0]) / 2), z.dtype)
    return jnp.asarray(sigma, z.dtype) * staged(part, (z.shape[0],), z[0]) * z


class SarADC(AbstractADC):
    """Successive approximation: from the highest bit on, b_k = 1 if v >= sum of what is kept + C_k/C + offset.

    C_k = 2^k (1 + m_k) units and one unit more, C is their sum. With units of relative deviation s_u the middle code
    has a differential error of deviation sqrt(2^n - 1) s_u steps, the largest of all. Textbook: Pelgrom,
    Analog-to-Digital Conversion, 10.1007/978-3-319-44971-5.

    Attributes:
        mismatch: m_k from the lowest bit on, then that of the unit more: (bits + 1, *columns), or a scalar. Zero of a
            scalar is none; any other scalar is common to all and changes nothing.
    """

    mismatch: Real = eqx.field(converter=as_float, default=0.0)

    @classmethod
    def sampled(
        cls, *, bits: int = 8, mismatch: float = 0.0, offset: float = 0.0, shape: tuple[int, ...] = (), key: Array,
        **fields: Any,
    ) -> "SarADC":  # fmt: skip
        """Converters with normal errors.

        Args:
            bits: of the code. mismatch: relative standard deviation of one unit of capacitance. offset: of the
                comparators, in the unit of the input. shape: of the columns. key: a `jax.random.key`. fields:
                keywords of the class.
        """
        units, more, comparators = normals(key, (bits, *shape), (1, *shape), shape)
        m = jnp.concatenate([binary_mismatch(units, mismatch), mismatch * more])
        return cls(bits=bits, mismatch=m, offset=offset * comparators, **fields)

    @property
    def cycles(self) -> int:
        """One a bit."""
        return self.bits

    def weights(self, x: Array) -> Array:
        """C_k/C from the lowest bit on, (bits, *x.shape), for an input `x`."""
        m = staged(self.mismatch, (self.bits + 1,), x)
        units = jnp.asarray(np.append(2.0 ** np.arange(self.bits), 1.0), x.dtype)
        c = staged(units, (self.bits + 1,), x) * (1 + m)
        return c[:-1] / jnp.sum(c, axis=0, keepdims=True)

    def decide(self, v: Array, span: Array, *, key: Array | None) -> tuple[Array, Array]:
        """As of `AbstractADC`; every comparison has its own noise."""
        offset = like(self.offset, v) / span
        noise = drawn(key, (self.bits, *v.shape), like(self.noise, v) / span)

        def compare(carry: tuple[Array, Array], bit: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
            level, code = carry
            trial = level + bit[0]
            keep = v + bit[1] >= trial + offset
            return (jnp.where(keep, trial, level), 2 * code + keep.astype(v.dtype)), None

        start = (jnp.zeros_like(v), jnp.zeros_like(v))
        (level, code), _ = lax.scan(compare, start, (self.weights(v)[::-1], noise))
        return lax.stop_gradient(code), level + offset + 0.5 / self.steps

    def thresholds(self) -> Array:
        """The inputs from which each code but 0 is weighed, (2^bits - 1, *columns); differentiable in all errors.

        Where they do not increase, the codes in between are missing or the transfer depends on the way.
        """
        shape = jnp.broadcast_shapes(self.low.shape, self.high.shape, self.offset.shape, self.mismatch.shape[1:])
        like_one = jnp.zeros(shape, self.mismatch.dtype)
        has = (np.arange(1, self.steps)[:, None] >> np.arange(self.bits)[None]) & 1
        part = jnp.tensordot(jnp.asarray(has, like_one.dtype), self.weights(like_one), axes=1)
        low, high, offset = (like(a, like_one) for a in (self.low, self.high, self.offset))
        return low[None] + offset[None] + (high - low)[None] * part

    def switching_energy(self, unit: Any, v_ref: Any, *, monotonic: bool = False) -> Array:
        """Mean energy of the capacitors of a differential pair of arrays over all codes (J).

        Conventional: sum over i = 1..n of 2^(n + 1 - 2 i) (2^i - 1) C V^2; monotonic: sum over i = 1..n - 1 of
        2^(n - 2 - i) C V^2. Liu et al., IEEE J. Solid-State Circuits 45, 731 (2010), 10.1109/JSSC.2010.2042254.

        Args:
            unit: C (F). v_ref: V. monotonic: whether capacitors are only ever switched down.
        """
        n, i = self.bits, np.arange(1, self.bits + 1)
        units = np.sum(2.0 ** (n - 2 - i[:-1])) if monotonic else np.sum(2.0 ** (n + 1 - 2 * i) * (2.0**i - 1))
        unit = as_float(unit)
        return float(units) * unit * as_float(v_ref).astype(unit.dtype) ** 2
