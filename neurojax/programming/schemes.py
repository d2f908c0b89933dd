"""What every cell of a passive array sees while one row is programmed: half-select schemes, drops along wires.

A scheme is any function of the amplitudes that the cells of the selected row are to see (m,), the row, and the
conductances (n, m); it gives the voltages of all cells (n, m). Those here are potentials of lines: the word line of
the row, the others, and each bit line have one each, so what a cell sees is the difference of its two lines.
"""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Real = Float[Array, "..."]
Scheme = Callable[[Float[Array, " m"], Int[Array, ""], Float[Array, "n m"]], Float[Array, "n m"]]


def half_voltage(volts: Float[Array, " m"], row: Int[Array, ""], g: Float[Array, "n m"]) -> Float[Array, "n m"]:
    """The V/2 scheme: half of the voltage at cells that share a line with a selected one, none elsewhere.

    The word line of the row is at V/2, V being the largest of the amplitudes, the others and the bit lines without a
    pulse at zero, the others at V/2 - volts.

    Args:
        volts: amplitudes (V) of the cells of the row, zero for those that get none, of one sign. row: its number.
            g: conductances, of which only the shape is used.
    """
    top = _largest(volts)
    bits = jnp.where(volts == 0, jnp.zeros_like(volts), 0.5 * top - volts)
    return _across(0.5 * top, jnp.zeros_like(top), bits, row, g)


def third_voltage(volts: Float[Array, " m"], row: Int[Array, ""], g: Float[Array, "n m"]) -> Float[Array, "n m"]:
    """The V/3 scheme: a third of the voltage at all other cells, of the other sign at those that share no line.

    The word line of the row is at V, the others at V/3, bit lines without a pulse at 2V/3, the others at V - volts.

    Args:
        volts: amplitudes (V) of the cells of the row, zero for those that get none, of one sign. row: its number.
            g: conductances, of which only the shape is used.
    """
    top = _largest(volts)
    bits = jnp.where(volts == 0, top * 2 / 3, top - volts)
    return _across(top, top / 3, bits, row, g)


def isolated(volts: Float[Array, " m"], row: Int[Array, ""], g: Float[Array, "n m"]) -> Float[Array, "n m"]:
    """A transistor in each cell: the row sees its amplitudes, all others nothing.

    Args:
        volts: amplitudes (V) of the cells of the row. row: its number. g: conductances, only for the shape.
    """
    here = jnp.arange(g.shape[0], dtype=row.dtype)[:, None] == row
    return jnp.where(here, volts[None], jnp.zeros_like(g))


class WithDrop(eqx.Module):
    """A scheme of which each cell gets a part only, the rest being lost along the wires.

    Attributes:
        scheme: without wires. part: of its voltage that reaches each cell, (n, m).
    """

    scheme: Scheme
    part: Float[Array, "n m"]

    def __call__(self, volts: Float[Array, " m"], row: Int[Array, ""], g: Float[Array, "n m"]) -> Float[Array, "n m"]:
        """As of a scheme: `volts` (V), `row`, conductances `g` (S)."""
        return self.part * self.scheme(volts, row, g)


def _largest(volts: Real) -> Real:
    return volts[jnp.argmax(jnp.abs(volts))]


def _across(selected: Real, other: Real, bits: Real, row: Array, g: Real) -> Real:
    words = jnp.where(jnp.arange(g.shape[0], dtype=row.dtype) == row, selected, other)
    return words[:, None] - bits[None]
