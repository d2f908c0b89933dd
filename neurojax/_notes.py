"""What was decided about a step, in one byte, so that the same steps can be taken again.

The program that takes them again need not round as the first one did. So sizes that are tried are few: numbers of four
bits behind the point, sixteen in an octave. A note says which of them was tried next, modulo 128 where the step counted
and modulo 64 where it did not; which one of those is meant follows from the size of this step, as `GROWN` and `SHRUNK`
bound the ratio to far less than that. Rounding in between leaves the size as it is.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, UInt8

BITS, SMALLEST = dict(exponent_bits=8, mantissa_bits=4), float(np.finfo(np.float32).tiny)
"""Sizes that are tried are numbers of so many bits, and not smaller."""
GROWN, SHRUNK = (0.2, 6.0), (0.1, 0.9)
"""Bounds of the ratio of the next size to this one, of a step that counts and of one that does not."""
ALL, HALF = 128, 64
"""Of how many sizes in a row a note tells one, for both kinds of steps."""
KEPT, CUT = 192, 193
"""The size tried next is what was to be tried now; the next step ends at a sample, and this one does not count."""


def rounded(size: Float[Array, " lanes"]) -> Float[Array, " lanes"]:
    """To a size that can be tried."""
    return lax.reduce_precision(size, **BITS)


def noted(
    accepted: Bool[Array, " lanes"],
    cut: Bool[Array, " lanes"],
    tried: Float[Array, " lanes"],
    now: Float[Array, " lanes"],
) -> UInt8[Array, " lanes"]:
    """The note of a step: whether it counts, whether the next one is cut, the size tried next, that to be tried now."""
    low = _number(tried)
    note = jnp.where(accepted, low & (ALL - 1), ALL + (low & (HALF - 1)))
    note = jnp.where(accepted & (tried == now), KEPT, note)
    return jnp.where(cut, CUT, note).astype(jnp.uint8)


def recalled(
    note: UInt8[Array, " lanes"], h: Float[Array, " lanes"], now: Float[Array, " lanes"]
) -> tuple[Bool[Array, " lanes"], Bool[Array, " lanes"], Float[Array, " lanes"]]:
    """(accepted, cut, tried) of which `noted` made the note, from the size that this step had."""
    note, base = note.astype(jnp.int32), _number(h)
    grown = base + ((note - base + HALF) & (ALL - 1)) - HALF
    shrunk = base - ((base - note) & (HALF - 1))
    accepted = (note < ALL) | (note == KEPT)
    bits = jnp.where(accepted, grown, shrunk) << _behind()
    tried = lax.bitcast_convert_type(bits, jnp.float32).astype(h.dtype)
    return accepted, note == CUT, jnp.where(note == KEPT, now, tried)


def _number(size: Array) -> Array:
    """Which size it is, all being counted; of one between two the smaller."""
    return lax.bitcast_convert_type(size.astype(jnp.float32), jnp.int32) >> _behind()


def _behind() -> int:
    """Bits of a float32 that are zero."""
    return np.finfo(np.float32).nmant - BITS["mantissa_bits"]
