"""What a reading of a crossbar found: voltages of all nodes, currents of all branches, power."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from neurojax.crossbar._solve import NO_PUSH, Resistances, Sources, line_currents, turned
from neurojax.crossbar.cells import AbstractCells


class Figures(NamedTuple):
    """What is known of each input: currents of columns and rows (A), power (W), residual, whether it converged, and
    currents at the left, right, top and bottom ends (A)."""

    i: Array
    i_rows: Array
    power: Array
    residual: Array
    ok: Array
    ends: tuple[Array, Array, Array, Array]


class Nodes(NamedTuple):
    """Voltages (V) of row nodes (tile, m, input, n) and of column nodes (tile, n, input, m), as they were solved for.

    cell: currents of cells (A), like the columns, where they do not follow from the drops.
    """

    r: Array
    c: Array
    cell: Array | None


class Part(NamedTuple):
    """Some inputs: what was found, what was asked, (input, ...), and resistances of the lines (ohm)."""

    figures: Figures
    iterations: Array
    nodes: tuple[Nodes, ...]
    sources: Sources
    r: Resistances


class Reading(eqx.Module):
    """Voltages and currents of an array (n, m) for one input or a batch of them, (...).

    Attributes:
        i: out of each column into what holds it (A), both ends together, (..., m).
        i_rows: from the sources into each row (A), both ends together, (..., n).
        power: taken from all sources (W), (...,).
        iterations: of conjugate gradients, all inputs together. residual: what was left, relative, (...,).
        ok: whether each input converged, (...,).

    Voltages of nodes are put into their order, and currents of branches computed from them, when they are asked for.
    """

    i: Float[Array, "*batch m"]
    i_rows: Float[Array, "*batch n"]
    power: Float[Array, "*batch"]
    iterations: Int[Array, ""]
    residual: Float[Array, "*batch"]
    ok: Bool[Array, "*batch"]
    _ends: tuple[Array, Array, Array, Array]
    _nodes: tuple[Nodes, ...]
    _cells: AbstractCells
    _lines: tuple[Sources, Resistances]
    _batch: tuple[int, ...] = eqx.field(static=True)

    def _outward(self, x: Array) -> Array:
        """(n, input, m) as (..., n, m)."""
        x = jnp.swapaxes(x, 0, 1)
        return x.reshape(*self._batch, *x.shape[1:])

    def _all(self, of: Sequence[Array]) -> Array:
        """Parts (tile, n, input, m) as (n, input, m); what only fills up a tile is left out."""
        flat = [jnp.moveaxis(a, 0, 1).reshape(a.shape[1], -1, a.shape[3]) for a in of]
        whole = flat[0] if len(flat) == 1 else jnp.concatenate(flat, axis=1)
        return whole[:, : math.prod(self._batch)]

    @property
    def _r(self) -> Array:
        return turned(self._all([part.r for part in self._nodes]))

    @property
    def _c(self) -> Array:
        return self._all([part.c for part in self._nodes])

    @property
    def _cell(self) -> Array:
        known = [part.cell for part in self._nodes if part.cell is not None]
        return self._all(known) if known else self._cells.current(self._r - self._c)

    @property
    def v_rows(self) -> Float[Array, "*batch n m"]:
        """Voltage of each cell's row node (V)."""
        return self._outward(self._r)

    @property
    def v_columns(self) -> Float[Array, "*batch n m"]:
        """Voltage of each cell's column node (V)."""
        return self._outward(self._c)

    @property
    def v_cells(self) -> Float[Array, "*batch n m"]:
        """Voltage across each cell, from row to column (V)."""
        return self._outward(self._r - self._c)

    @property
    def i_cells(self) -> Float[Array, "*batch n m"]:
        """Current through each cell, from row to column (A)."""
        return self._outward(self._cell)

    @property
    def i_along_rows(self) -> Float[Array, "*batch n segments"]:
        """Current in each segment of a row, to the right (A), (..., n, m - 1)."""
        return self._outward(turned(line_currents(self._cell, NO_PUSH, *self._lines)[0][2]))

    @property
    def i_along_columns(self) -> Float[Array, "*batch segments m"]:
        """Current in each segment of a column, downwards (A), (..., n - 1, m)."""
        return self._outward(line_currents(self._cell, NO_PUSH, *self._lines)[1][2])

    @property
    def i_left(self) -> Float[Array, "*batch n"]:
        """From the left ends into the rows (A)."""
        return self._ends[0]

    @property
    def i_right(self) -> Float[Array, "*batch n"]:
        """From the right ends into the rows (A)."""
        return self._ends[1]

    @property
    def i_top(self) -> Float[Array, "*batch m"]:
        """Out of the columns at their top ends (A)."""
        return self._ends[2]

    @property
    def i_bottom(self) -> Float[Array, "*batch m"]:
        """Out of the columns at their bottom ends (A)."""
        return self._ends[3]


def reading_of(part: Part, cells: AbstractCells, batch: tuple[int, ...]) -> Reading:
    """A reading of inputs (*batch, n), of which all figures are of that shape."""
    f = part.figures
    lines = part.sources, part.r
    return Reading(f.i, f.i_rows, f.power, part.iterations, f.residual, f.ok, f.ends, part.nodes, cells, lines, batch)


def joined(parts: Sequence[Part], batch: tuple[int, ...]) -> Part:
    """One part of several, in their order, that are a batch together."""
    together = lambda *a: jnp.concatenate(a)  # noqa: E731
    figures, sources = (
        jax.tree.map(together, *of) for of in zip(*((p.figures, p.sources) for p in parts), strict=True)
    )
    most = jnp.max(jnp.stack([p.iterations for p in parts]))
    return Part(shaped(figures, batch), most, sum((p.nodes for p in parts), ()), sources, parts[0].r)


def shaped(figures: Figures, batch: tuple[int, ...]) -> Figures:
    """Of inputs in a row, as those of a batch."""
    return jax.tree.map(lambda a: a.reshape(*batch, *a.shape[1:]), figures)
