"""Signed weights: pairs of cells G+ and G-, where they sit, and how inputs come in.

    apart: two arrays                       interleaved: one array, both cells of a pair at one node of a column

    +x1 --G+--G+--    +x1 --G---G---        +x1 --G+--G+--
          |   |             |   |           -x1 --G---G---
    +x2 --G+--G+--    +x2 --G---G---              |   |
          |   |             |   |           +x2 --G+--G+--
          I+  I+            I-  I-          -x2 --G---G---
             I = I+ - I-                          I   I      only what they differ by

"input" sources: the rows are driven by the inputs. "separate" sources: every row is held at the read voltage and its
input, one bit, connects its cells to the line or takes them off; analog inputs come bit by bit.

Where pairs are interleaved, most of what flows into a column flows out of it at the same node: columns carry less
current, heat less and rise less above ground. The error of the outputs is no smaller by that alone, as what voltage
is left on a column takes from one cell of a pair and adds to the other, where two columns of their own lose alike.

T. P. Xiao et al., IEEE Circuits Syst. Mag. 22(4), 26 (2022), 10.1109/MCAS.2022.3214409, compare such arrangements.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from neurojax.crossbar.array import Crossbar
from neurojax.crossbar.reading import Reading
from neurojax.crossbar.wires import Wires
from neurojax.errors import CircuitError

SOURCES = ("input", "separate")


class DifferentialCrossbar(eqx.Module):
    """Pairs of conductances, in one of four arrangements.

    Attributes:
        plus, minus: conductances (S), (n, m). wires: of an array of n rows; interleaved, every row is there twice.
        v_read: V of a row whose input is 1. interleaved: pairs on one column, else two arrays.
        sources: "input" or "separate".
    """

    plus: Float[Array, "n m"]
    minus: Float[Array, "n m"]
    wires: Wires
    v_read: Array
    interleaved: bool = eqx.field(static=True)
    sources: str = eqx.field(static=True)

    def __init__(
        self,
        plus: Any,
        minus: Any,
        wires: Wires | float | None = None,
        *,
        v_read: Any = 0.2,
        interleaved: bool = False,
        sources: str = "input",
    ):
        """Build an array of pairs.

        Args:
            plus, minus: conductances (S), (n, m). wires: `Wires`, or ohm a segment. v_read: V of an input of 1.
            interleaved: both cells of a pair at one node of a column. sources: "input" or "separate".

        Raises:
            CircuitError: shapes that differ, or no such kind of sources.
        """
        self.plus, self.minus = (jnp.asarray(g, None if hasattr(g, "dtype") else float) for g in (plus, minus))
        self.wires = Crossbar(self.plus, wires).wires
        self.v_read = jnp.asarray(v_read, self.plus.dtype)
        self.interleaved, self.sources = interleaved, sources
        if self.plus.shape != self.minus.shape:
            raise CircuitError(f"pairs: plus has shape {self.plus.shape}, minus {self.minus.shape}.")
        if sources not in SOURCES:
            raise CircuitError(f"sources = {sources!r} must be one of {', '.join(SOURCES)}.")

    @classmethod
    def of_weights(cls, w: Any, g_on: Any, g_off: Any = 0.0, **options: Any) -> "DifferentialCrossbar":
        """Pairs for weights in [-1, 1]: the one of the sign at g_off + |w| (g_on - g_off), the other at g_off.

        Args:
            w: weights, (n, m). g_on, g_off: conductances of 1 and 0 (S). options: of `DifferentialCrossbar`.
        """
        w = jnp.asarray(w, jnp.result_type(float))
        plus, minus = (g_off + (g_on - g_off) * jnp.maximum(s * w, jnp.zeros_like(w)) for s in (1.0, -1.0))
        return cls(plus, minus, **options)

    def ideal(self, x: Any) -> Float[Array, "*batch m"]:
        """Differences of currents (A) without wires.

        Args:
            x: inputs, (..., n).
        """
        return self.v_read * jnp.asarray(x, self.plus.dtype) @ (self.plus - self.minus)

    def read(self, x: Any, *, bits: int = 8, **options: Any) -> Float[Array, "*batch m"]:
        """I+ - I- (A) of each column.

        Args:
            x: inputs, (..., n): any numbers, times `v_read`, for "input" sources; from 0 to 1 for "separate" ones.
            bits: of an input with "separate" sources, which is rounded to steps of 1/(2^bits - 1). Rounding has no
                derivative. options: of `Crossbar.read`, such as rtol.

        Raises:
            CircuitError: inputs of another shape, or beyond 0 to 1 where they are bits.
        """
        x = jnp.asarray(x, self.plus.dtype)
        if x.ndim == 0 or x.shape[-1] != self.plus.shape[0]:
            raise CircuitError(f"read: inputs have shape {x.shape}; (..., {self.plus.shape[0]}) is needed.")
        if self.sources == "input":
            return self._driven(x, options)
        if not isinstance(x, Tracer) and not bool(np.all(np.abs(np.asarray(x) - 0.5) <= 0.5)):
            raise CircuitError("read: with separate sources an input is bits of a number from 0 to 1. Shift and scale.")
        whole = jnp.round(x * (2**bits - 1))
        planes = jnp.stack([jnp.floor(whole / 2**k) % 2.0 for k in range(bits)])
        flat = planes.reshape(-1, x.shape[-1])
        i = jax.lax.map(lambda on: self._gated(on, options), flat).reshape(*planes.shape[:-1], -1)
        weights = 2.0 ** jnp.arange(bits, dtype=x.dtype) / (2**bits - 1)
        return jnp.tensordot(weights, i, 1)

    def readings(self, x: Any, **options: Any) -> tuple[Reading, ...]:
        """All voltages and currents with "input" sources: of the array of pairs, or of both arrays.

        Args:
            x: inputs, (..., n). options: of `Crossbar.read`.

        Raises:
            CircuitError: separate sources, which take a reading for every bit.
        """
        if self.sources != "input":
            raise CircuitError("readings: with separate sources every bit is a reading of its own; see `read`.")
        return self._arrays(self.plus, self.minus, self.v_read * jnp.asarray(x, self.plus.dtype), options)

    def _driven(self, x: Array, options: dict[str, Any]) -> Array:
        return _difference(self._arrays(self.plus, self.minus, self.v_read * x, options))

    def _gated(self, on: Array, options: dict[str, Any]) -> Array:
        """Of inputs (n,) that are 0 or 1: cells of a row at 0 are off the line."""
        held = jnp.broadcast_to(self.v_read, on.shape)
        return _difference(self._arrays(on[:, None] * self.plus, on[:, None] * self.minus, held, options))

    def _arrays(self, plus: Array, minus: Array, v: Array, options: dict[str, Any]) -> tuple[Reading, ...]:
        if not self.interleaved:
            return tuple(Crossbar(g, self.wires).read(v, **options) for g in (plus, minus))
        both = jnp.stack([v, -v], axis=-1).reshape(*v.shape[:-1], -1)
        g = jnp.stack([plus, minus], axis=1).reshape(-1, plus.shape[1])
        return (Crossbar(g, _doubled(self.wires, plus.shape)).read(both, **options),)


def _difference(readings: tuple[Reading, ...]) -> Array:
    return readings[0].i if len(readings) == 1 else readings[0].i - readings[1].i


def _doubled(wires: Wires, shape: tuple[int, ...]) -> Wires:
    """For two rows at each node of the columns."""
    n, m = shape
    column = jnp.broadcast_to(wires.column, (n - 1, m))
    between = jnp.zeros((2 * n - 1, m), column.dtype).at[1::2].set(column)
    twice = lambda r: jnp.repeat(r, 2, axis=0) if r.ndim else r  # noqa: E731
    return Wires(twice(wires.row), between, twice(wires.left), wires.bottom, twice(wires.right), wires.top)
