"""From a number to the voltage of a row: binary sources that do not match, a gain and an offset that are off."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from neurojax.converters._straight import Real, as_float, held, like, normals, staged, straight
from neurojax.converters.quantiser import Conversion, Quantiser, check_range
from neurojax.converters.sar import binary_mismatch
from neurojax.errors import CircuitError
from physics.quantity import Param, quantity


class DAC(eqx.Module):
    """out = offset + (1 + gain_error) (low + (high - low) sum of b_k 2^k (1 + m_k)/(2^n - 1)), b the bits of the code.

    The gradient holds the bits: in the input that of the ideal line times the gain, in the errors the exact one.

    Attributes:
        bits: n. low, high: outputs of the lowest and highest code without errors. gain_error: relative. offset: in the
            unit of the output. mismatch: m_k from the lowest bit on, (bits, *columns), or a scalar for all.
        settling: s. unit: capacitance (F) of a bit of 2^0, for the energy.
    """

    bits: int = eqx.field(static=True, default=8)
    low: Real = eqx.field(converter=as_float, default=0.0)
    high: Real = eqx.field(converter=as_float, default=1.0)
    gain_error: Real = eqx.field(converter=as_float, default=0.0)
    offset: Real = eqx.field(converter=as_float, default=0.0)
    mismatch: Real = eqx.field(converter=as_float, default=0.0)
    settling: Param = quantity(1e-9, "s", (1e-12, 1e-3), scale="log", doc="until the output stands", source="chosen")
    unit: Param = quantity(1e-15, "F", (1e-18, 1e-9), scale="log", doc="capacitance of one unit", source="chosen")

    def __check_init__(self) -> None:
        if not 1 <= self.bits <= 24:
            raise CircuitError(f"a converter of {self.bits} bits: between 1 and 24, what float32 counts exactly.")
        check_range(self.low, self.high)

    @classmethod
    def sampled(
        cls, *, bits: int = 8, mismatch: float = 0.0, gain_error: float = 0.0, offset: float = 0.0,
        shape: tuple[int, ...] = (), key: Array, **fields: Any,
    ) -> "DAC":  # fmt: skip
        """Converters with normal errors.

        Args:
            bits: of the code. mismatch: relative standard deviation of one unit source. gain_error: relative. offset:
                in the unit of the output. shape: of the rows. key: a `jax.random.key`. fields: keywords of the class.
        """
        units, gains, offsets = normals(key, (bits, *shape), shape, shape)
        errors = {"gain_error": gain_error * gains, "offset": offset * offsets}
        return cls(bits=bits, mismatch=binary_mismatch(units, mismatch), **errors, **fields)

    @property
    def latency(self) -> Array:
        """From a code to its output (s)."""
        return self.settling

    def output(self, code: Any) -> Array:
        """The output of a code, (..., rows), clipped to those that there are; slope of the ideal line times the gain.

        Args:
            code: whole numbers from 0 to 2^bits - 1, as floats or integers.
        """
        return _output(self, as_float(code))

    def convert(self, x: Any, *, key: Array | None = None) -> Conversion:
        """Code of the level nearest to `x` without errors, the output with them, and whether `x` is out of the range.

        Args:
            x: wanted output, (..., rows). key: of a stochastic rounding.
        """
        found = Quantiser.unsigned(self.bits, self.low, self.high).convert(x, key=key)
        inside = jnp.where(found.saturated, lax.stop_gradient(found.code), found.code)
        return Conversion(found.code, self.output(inside), found.saturated)

    def __call__(self, x: Any, *, key: Array | None = None) -> Array:
        """The output, as of `convert`."""
        return self.convert(x, key=key).value

    def levels(self) -> Array:
        """All outputs, (2^bits, *rows)."""
        shape = jnp.broadcast_shapes(*(a.shape for a in (self.low, self.high, self.offset, self.gain_error)))
        shape = jnp.broadcast_shapes(shape, self.mismatch.shape[1:])
        codes = jnp.arange(2**self.bits, dtype=self.low.dtype)
        return self.output(staged(codes, (2**self.bits,), jnp.zeros(shape, codes.dtype)))

    def energy(self, code: Any) -> Array:
        """From the supply for a code (J), of discharged capacitors: C V^2 p (1 - p), p the part that is switched on.

        The part p C is charged in series with (1 - p) C, C = 2^n units; the mean over all codes is C V^2/6.
        Textbook: charge redistribution. V is high - low.

        Args:
            code: (..., rows).
        """
        code = as_float(code)
        p = code / 2**self.bits
        total = 2**self.bits * like(self.unit, code)
        return total * (like(self.high, code) - like(self.low, code)) ** 2 * p * (1 - p)


@eqx.filter_jit
def _output(dac: DAC, code: Array) -> Array:
    top = 2**dac.bits - 1
    code = held(code, jnp.zeros_like(code), jnp.full_like(code, top))
    whole = lax.stop_gradient(jnp.round(code))
    power = staged(jnp.asarray(2.0 ** np.arange(dac.bits), code.dtype), (dac.bits,), code)
    bit = jnp.mod(jnp.floor(whole[None] / power), 2)
    errors = jnp.sum(bit * power * staged(dac.mismatch, (dac.bits,), code), axis=0)
    low, high = like(dac.low, code), like(dac.high, code)
    ideal = low + (high - low) * (straight(whole, code) + errors) / top
    return like(dac.offset, code) + (1 + like(dac.gain_error, code)) * ideal
