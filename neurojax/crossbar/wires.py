"""Wires of a crossbar: resistance between neighbours, and from the sources and amplifiers to the first cells."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool

from neurojax.crossbar._solve import Resistances
from neurojax.errors import CircuitError
from physics.quantity import Param, quantity

_LINE = (0.0, 1e6)


def _strong(value: Any) -> Array:
    """An array whose precision is its own."""
    return jnp.asarray(value, None if hasattr(value, "dtype") else jnp.result_type(float))


class Wires(eqx.Module):
    """Resistances of the lines of an array (n, m), any of them zero or infinite; both are exact.

    Rows run from left to right, columns from top to bottom. By default there are none: rows are held from the left,
    columns end in the virtual ground of amplifiers at the bottom, their other ends are open.

    Attributes:
        row: between neighbours along a row (ohm), a scalar or (n, m - 1).
        column: between neighbours along a column (ohm), a scalar or (n - 1, m).
        left, right: from a source to the first and to the last cell of a row (ohm), a scalar or (n,).
        top, bottom: from a source or amplifier to the first and the last cell of a column (ohm), a scalar or (m,).
    """

    row: Param = quantity(0.0, "ohm", _LINE, doc="along a row, from cell to cell", source="chosen")
    column: Param = quantity(0.0, "ohm", _LINE, doc="along a column, from cell to cell", source="chosen")
    left: Param = quantity(0.0, "ohm", _LINE, doc="left end of a row", source="chosen")
    bottom: Param = quantity(0.0, "ohm", _LINE, doc="bottom end of a column", source="chosen")
    right: Param = eqx.field(default=jnp.inf, converter=_strong)
    top: Param = eqx.field(default=jnp.inf, converter=_strong)

    def __check_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, Tracer):
                _check(name, np.asarray(value))

    @classmethod
    def uniform(cls, r: Any, *, source: Any = 0.0, sense: Any = 0.0, both_ends: bool = False) -> "Wires":
        """The same resistance in every segment, also in those to the driver and to the amplifier.

        Args:
            r: ohm a segment. source, sense: what drivers and amplifiers add (ohm). both_ends: whether rows are driven
                from the right, too.
        """
        dtype = jnp.result_type(float)
        r, left, bottom = (jnp.asarray(a, dtype) for a in (r, r + source, r + sense))
        open_end = jnp.asarray(jnp.inf, dtype)
        return cls(r, r, left, bottom, left if both_ends else open_end, open_end)

    def resistances(
        self,
        shape: tuple[int, int],
        open_rows: Bool[Array, " n"] | None = None,
        open_columns: Bool[Array, " m"] | None = None,
    ) -> Resistances:
        """As the solver wants them: (m + 1, 1, n) and (n + 1, 1, m).

        Args:
            shape: of the array. open_rows, open_columns: which lines are held nowhere.

        Raises:
            CircuitError: resistances of another shape.
        """
        n, m = shape
        left, right = (_opened(self._end(k, n), open_rows) for k in ("left", "right"))
        top, bottom = (_opened(self._end(k, m), open_columns) for k in ("top", "bottom"))
        rows = [left[None], self._inner("row", (n, m - 1)).T, right[None]]
        columns = [top[None], self._inner("column", (n - 1, m)), bottom[None]]
        return Resistances(*(jnp.concatenate(a)[:, None, :] for a in (rows, columns)))

    def _end(self, name: str, count: int) -> Array:
        value = getattr(self, name)
        if value.shape not in ((), (count,)):
            raise CircuitError(f"Wires.{name} has shape {value.shape}; a scalar or ({count},) fits this array.")
        return jnp.broadcast_to(value, (count,))

    def _inner(self, name: str, shape: tuple[int, int]) -> Array:
        value = getattr(self, name)
        if value.shape not in ((), shape):
            raise CircuitError(f"Wires.{name} has shape {value.shape}; a scalar or {shape} fits this array.")
        return jnp.broadcast_to(value, shape)


def _check(name: str, value: np.ndarray) -> None:
    if np.any(~(value >= 0)):
        raise CircuitError(f"Wires.{name} = {value} ohm: resistances must not be negative or nan.")
    absurd = value[np.isfinite(value) & (value > most_ohm(value.dtype))]
    if absurd.size:
        raise CircuitError(
            f"Wires.{name} = {absurd.max():g} ohm is more than {value.dtype} can tell from an open line "
            f"({most_ohm(value.dtype):.2g} ohm at most). Give jnp.inf, which is exact, where a line is open."
        )


def most_ohm(dtype: Any) -> float:
    """The largest finite resistance (ohm) of a precision: products of two are still finite."""
    return float(jnp.finfo(dtype).max) ** 0.5


def _opened(r: Array, mask: Array | None) -> Array:
    return r if mask is None else jnp.where(mask, jnp.asarray(jnp.inf, r.dtype), r)
