"""Numbers as digits: inputs bit by bit or some bits at a time, weights over several cells, and back by shift and add.

    s = nj.converters.input_slices(8, 2)              8 bits in two's complement, 2 bits a pulse
    planes = s.split(codes)                           (slices, ...)
    s.join(jax.vmap(crossbar)(planes))                the same as crossbar(codes), if that is linear

Exact for whole numbers that the precision holds (2^24 in float32). Gradients are those of the numbers: each digit gets
its part w_s/(sum of w^2) of the slope, so that what is joined has the slope of what was split.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neurojax.converters._straight import as_float, first_bad, known, straight
from neurojax.errors import CircuitError, DataError

SIGNS = ("unsigned", "twos_complement", "sign_magnitude")
EXACT = 24
"""Bits that float32 holds."""


class Slices(eqx.Module):
    """Digits of a base, lowest first; in two's complement then a plane of the sign, of weight -span.

    Attributes:
        base: b; a digit is 0 to b - 1, with the sign of the number in "sign_magnitude". span: whole numbers below it
            are split. sign: "unsigned" (0 to span - 1), "twos_complement" (-span to span - 1) or "sign_magnitude"
            (1 - span to span - 1).
    """

    base: int = eqx.field(static=True)
    span: int = eqx.field(static=True)
    sign: str = eqx.field(static=True, default="unsigned")

    def __check_init__(self) -> None:
        if self.base < 2 or not 2 <= self.span <= 2**EXACT:
            raise CircuitError(
                f"digits of base {self.base} below {self.span}: the base is 2 or more, and the numbers are of 1 to "
                f"{EXACT} bits beside the sign."
            )
        if self.sign not in SIGNS:
            raise CircuitError(f"sign = {self.sign!r} of digits: one of {SIGNS}.")

    @property
    def digits(self) -> int:
        """How many, without the plane of the sign."""
        n = 1
        while self.base**n < self.span:
            n += 1
        return n

    @property
    def slices(self) -> int:
        """How many planes."""
        return self.digits + (self.sign == "twos_complement")

    @property
    def limits(self) -> tuple[int, int]:
        """Lowest and highest number."""
        low = {"unsigned": 0, "twos_complement": -self.span, "sign_magnitude": 1 - self.span}
        return low[self.sign], self.span - 1

    @property
    def weights(self) -> Float[np.ndarray, " slices"]:
        """What each plane counts for."""
        powers = [float(self.base**k) for k in range(self.digits)]
        return np.asarray(powers + ([-float(self.span)] if self.sign == "twos_complement" else []))

    def split(self, codes: Any) -> Float[Array, "slices ..."]:
        """The planes of whole numbers; in a traced program a number that cannot be split becomes NaN.

        Args:
            codes: whole numbers, as floats or integers.

        Raises:
            DataError: a number outside `limits`, or not a whole one.
        """
        codes = as_float(codes)
        low, high = self.limits
        if known(codes) and np.any(wrong := _wrong(self, np.asarray(codes))):
            raise DataError(
                f"{first_bad(wrong, codes):g} is no whole number from {low} to {high}. Round and clip first, as "
                "`Quantiser.convert(x).code` does."
            )
        return _split(self, codes)

    def join(self, planes: Any) -> Float[Array, "..."]:
        """Sum of weight times plane, of the digits or of anything linear that was made of each.

        Args:
            planes: (slices, ...).

        Raises:
            DataError: another number of planes.
        """
        planes = as_float(planes)
        if planes.shape[0] != self.slices:
            raise DataError(f"{planes.shape[0]} planes, but {self.slices} slices: the first axis counts the slices.")
        return jnp.tensordot(jnp.asarray(self.weights, planes.dtype), planes, axes=1)


def _wrong(s: Slices, codes: Any) -> Any:
    """Which numbers cannot be split."""
    low, high = s.limits
    return ~((codes >= low) & (codes <= high) & (codes == codes.round()))


@eqx.filter_jit
def _split(s: Slices, codes: Array) -> Array:
    bad = _wrong(s, codes)
    size = jnp.abs(codes) if s.sign == "sign_magnitude" else jnp.mod(codes, s.span)
    planes = [jnp.mod(jnp.floor(size / s.base**k), s.base) for k in range(s.digits)]
    if s.sign == "sign_magnitude":
        planes = [jnp.sign(codes) * p for p in planes]
    if s.sign == "twos_complement":
        planes.append((codes < 0).astype(codes.dtype))
    part = s.weights / np.sum(s.weights**2)
    return jnp.stack(
        [straight(jnp.where(bad, jnp.nan, p), float(k) * codes) for p, k in zip(planes, part, strict=True)]
    )


def input_slices(bits: int, width: int = 1, sign: str = "twos_complement") -> Slices:
    """Slices of inputs, `width` bits a pulse.

    Args:
        bits: of the number, with its sign. width: bits of a pulse; the last may have fewer. sign: of the numbers;
            "sign_magnitude" gives pulses of both polarities, "twos_complement" a pulse of the sign alone.

    Raises:
        CircuitError: a width below 1.
    """
    if width < 1:
        raise CircuitError(f"slices of {width} bits: 1 or more.")
    return Slices(2**width, 2 ** (bits if sign == "unsigned" else bits - 1), sign)


def weight_slices(bits: int, levels: int, sign: str = "sign_magnitude") -> Slices:
    """Slices of weights over cells of any number of levels.

    Args:
        bits: of the weight, with its sign. levels: of a cell, 2 or more. sign: of the weights; "sign_magnitude" is for
            pairs of cells, "unsigned" for weights with an offset.
    """
    return Slices(levels, 2 ** (bits if sign == "unsigned" else bits - 1), sign)
