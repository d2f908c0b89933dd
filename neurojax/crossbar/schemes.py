"""How one cell of an array is read or written while all others are there: what the other lines are held at.

    scheme      selected row, column    other rows    other columns
    "half"      v, 0                    v/2           v/2               others see v/2 on the lines of the cell, or 0
    "third"     v, 0                    v/3           2 v/3             no other cell sees more than v/3
    "ground"    v, 0                    0             0                 amplifiers and drivers hold everything
    "float"     v, 0                    open          open              current takes every way round: sneak paths

The current through other cells into the selected column is what spoils a reading. All figures are differentiable.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurojax.crossbar.array import Crossbar
from neurojax.crossbar.reading import Reading
from neurojax.errors import CircuitError

SCHEMES: dict[str, tuple[float, float]] = {
    "half": (1 / 2, 1 / 2), "third": (1 / 3, 2 / 3), "ground": (0.0, 0.0), "float": (0.0, 0.0),
}  # fmt: skip
"""Voltages of the other rows and columns, of that of the selected row."""


def select(shape: tuple[int, int], cell: tuple[int, int], v: Any, scheme: str = "half") -> dict[str, Any]:
    """Keywords of `Crossbar.read` that put a voltage across one cell.

    Args:
        shape: rows and columns of the array. cell: row and column of the cell. v: V from row to column.
        scheme: "half", "third", "ground" or "float", see `neurojax.crossbar.schemes`.

    Raises:
        CircuitError: there is no such cell or scheme.
    """
    if scheme not in SCHEMES:
        raise CircuitError(f"scheme = {scheme!r} must be one of {', '.join(SCHEMES)}.")
    if not all(0 <= k < size for k, size in zip(cell, shape, strict=True)):
        raise CircuitError(f"there is no cell {cell} in an array {shape}.")
    v = jnp.asarray(v, None if hasattr(v, "dtype") else jnp.result_type(float))
    this_row, this_column = (jnp.arange(size) == k for k, size in zip(cell, shape, strict=True))
    row, column = SCHEMES[scheme]
    keywords = dict(v=jnp.where(this_row, v, row * v), columns=jnp.where(this_column, 0.0 * v, column * v))
    if scheme == "float":
        keywords |= dict(open_rows=~this_row, open_columns=~this_column)
    return keywords


def read_cell(array: Crossbar, cell: tuple[int, int], v: Any, scheme: str = "half", **options: Any) -> Reading:
    """The whole array while one cell is read.

    Args:
        array: with the cell in it. cell: its row and column. v: V. scheme: of `select`. options: of `Crossbar.read`.

    Raises:
        CircuitError: there is no such cell or scheme.
    """
    keywords = select(array.shape, cell, v, scheme)
    return array.read(keywords.pop("v"), **keywords, **options)


def sneak_current(
    array: Crossbar, cell: tuple[int, int], v: Any, scheme: str = "half", **options: Any
) -> Float[Array, ""]:
    """What flows out of the selected column beside the current of the selected cell (A).

    Args:
        array: with the cell in it. cell: its row and column. v: V. scheme: of `select`. options: of `Crossbar.read`.

    Raises:
        CircuitError: there is no such cell or scheme.
    """
    reading = read_cell(array, cell, v, scheme, **options)
    return reading.i[cell[1]] - reading.i_cells[cell]


def worst_pattern(shape: tuple[int, int], cell: tuple[int, int], on: Any, off: Any) -> tuple[Any, Any]:
    """All cells on, and all but one: conductances, or states of a device, of arrays that are hardest to tell apart.

    Args:
        shape: rows and columns. cell: the one that is read. on, off: conductance (S), or state, of one cell.
    """
    selected = jnp.zeros(shape, bool).at[cell].set(True)

    def filled(on: Any, off: Any) -> tuple[Array, Array]:
        on, off = (jnp.asarray(a, None if hasattr(a, "dtype") else jnp.result_type(float)) for a in (on, off))
        return jnp.broadcast_to(on, shape), jnp.where(selected, off, on)

    both = jax.tree.map(filled, on, off)
    pick = lambda k: jax.tree.map(lambda pair: pair[k], both, is_leaf=lambda a: isinstance(a, tuple) and len(a) == 2)  # noqa: E731
    return pick(0), pick(1)


def read_margin(
    on: Crossbar, off: Crossbar, cell: tuple[int, int], v: Any, scheme: str = "half", **options: Any
) -> Float[Array, ""]:
    """(i_on - i_off)/i_on of the selected column: 1 where the states are told apart at best, 0 where they are not.

    Args:
        on, off: the array with the cell on, and off, as of `worst_pattern`. cell: its row and column. v: V.
        scheme: of `select`. options: of `Crossbar.read`.

    Raises:
        CircuitError: there is no such cell or scheme.
    """
    i_on, i_off = (read_cell(a, cell, v, scheme, **options).i[cell[1]] for a in (on, off))
    return (i_on - i_off) / i_on
