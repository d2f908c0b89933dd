"""How straight a converter is: transfer, differential and integral errors, missing codes, effective bits.

    x, codes = nj.converters.transfer(adc, 64)          a slow ramp, 64 samples a code
    nj.converters.dnl(codes, 8), nj.converters.inl(codes, 8), nj.converters.missing_codes(codes, 8)
    nj.converters.sine_test(adc).bits

By counting, as IEEE Std 1241-2010, 10.1109/IEEESTD.2011.5692956, does: it needs no thresholds in order.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from neurojax.converters._straight import like, staged
from neurojax.converters.adc import AbstractADC
from neurojax.errors import CircuitError

Columns = Float[Array, "codes ..."]


def transfer(
    adc: AbstractADC, samples: int = 64, columns: tuple[int, ...] = (), *, key: Array | None = None
) -> tuple[Columns, Columns]:
    """A slow ramp over the range, in the middle of `samples` equal parts of every ideal code.

    Args:
        adc: the converter. samples: per code. columns: shape of its columns. key: of its noise; none without.

    Returns:
        Inputs and codes, each (samples 2^bits, *columns).
    """
    return _swept(adc, samples, columns, key)


@eqx.filter_jit
def _swept(adc: AbstractADC, samples: int, columns: tuple[int, ...], key: Array | None) -> tuple[Array, Array]:
    n = samples * adc.steps
    part = (jnp.arange(n, dtype=adc.low.dtype) + 0.5) / n
    one = jnp.zeros(columns, part.dtype)
    low, high = like(adc.low, one)[None], like(adc.high, one)[None]
    x = low + (high - low) * staged(part, (n,), one)
    return x, adc.convert(x, key=key).code


@eqx.filter_jit
def _counts(codes: Array, bits: int) -> Array:
    whole = jnp.round(codes).astype(jnp.int32).reshape(codes.shape[0], -1)
    counted = jax.vmap(lambda c: jnp.bincount(c, length=2**bits), in_axes=1, out_axes=1)(whole)
    return counted.reshape(2**bits, *codes.shape[1:])


def dnl(codes: Array, bits: int) -> Columns:
    """Differential error of the inner codes, in steps: samples of a code over their mean, less 1; -1 is missing.

    Args:
        codes: of a slow ramp, (samples, *columns). bits: n.

    Returns:
        Of the codes 1 to 2^n - 2, (2^n - 2, *columns). The first and last have no width of their own.
    """
    inner = _counts(codes, bits)[1:-1].astype(codes.dtype)
    return inner / jnp.mean(inner, axis=0, keepdims=True) - 1


def inl(codes: Array, bits: int) -> Columns:
    """Integral error of the thresholds, in steps, from the straight line through the first and last: sums of `dnl`.

    Args:
        codes: of a slow ramp, (samples, *columns). bits: n.

    Returns:
        Of the thresholds to the codes 1 to 2^n - 1, (2^n - 1, *columns); zero at both ends.
    """
    sums = jnp.cumsum(dnl(codes, bits), axis=0)
    return jnp.concatenate([jnp.zeros_like(sums[:1]), sums])


def missing_codes(codes: Array, bits: int) -> Bool[Array, "codes ..."]:
    """Which of the 2^n codes never came up, (2^n, *columns).

    Args:
        codes: of a slow ramp, (samples, *columns). bits: n.
    """
    return _counts(codes, bits) == 0


class SineTest(eqx.Module):
    """Of a sine: `sndr`, power of the sine over that of all the rest (dB), and `bits`, (sndr - 1.76)/6.02, exactly
    (sndr - 10 lg 1.5)/(20 lg 2). A full sine through an ideal converter of n bits has n. Each (*columns)."""

    sndr: Float[Array, "..."]
    bits: Float[Array, "..."]


def sine_test(
    adc: AbstractADC, samples: int = 8192, periods: int = 1021, columns: tuple[int, ...] = (), *,
    part: float = 1.0, key: Array | None = None,
) -> SineTest:  # fmt: skip
    """Effective bits by a sine of whole periods, fitted by least squares.

    Args:
        adc: the converter. samples: of the sine. periods: of it in all samples; without a common factor with them,
            so that no sample repeats. columns: shape of the columns of the converter. part: amplitude as a part of
            half the range. key: of its noise; none without.

    Raises:
        CircuitError: samples and periods with a common factor, or fewer samples than two a period.
    """
    if math.gcd(samples, periods) != 1 or samples <= 2 * periods:
        raise CircuitError(
            f"sine of {periods} periods in {samples} samples: they need no common factor and more than two samples a "
            "period. Try a power of two of samples, and an odd number of periods."
        )
    return _sine(adc, samples, periods, columns, part, key)


@eqx.filter_jit
def _sine(
    adc: AbstractADC, samples: int, periods: int, columns: tuple[int, ...], part: float, key: Array | None
) -> SineTest:
    angle = 2 * np.pi * ((np.arange(samples) * periods) % samples) / samples
    one = jnp.zeros(columns, adc.low.dtype)
    basis = jnp.asarray(np.stack([np.sin(angle), np.cos(angle)]), one.dtype)
    low, high = like(adc.low, one)[None], like(adc.high, one)[None]
    wave = staged(basis[0], (samples,), one)
    y = adc.convert((low + high) / 2 + part * (high - low) / 2 * wave, key=key).value
    y = y - jnp.mean(y, axis=0, keepdims=True)
    fitted = jnp.tensordot(basis, y, axes=1) * (2 / samples)
    rest = y - jnp.tensordot(basis.T, fitted, axes=1)
    sndr = 10 * jnp.log10(jnp.sum(fitted**2, axis=0) / 2 / jnp.mean(rest**2, axis=0))
    return SineTest(sndr, (sndr - 10 * math.log10(1.5)) / (20 * math.log10(2)))
