"""What a reading of a crossbar found: voltages of all nodes, currents of all branches, power."""

import math
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from neurojax.crossbar._solve import turned


class Reading(eqx.Module):
    """Voltages and currents of an array (n, m) for one input or a batch of them, (...).

    Attributes:
        i: out of each column into what holds it (A), both ends together, (..., m).
        i_rows: from the sources into each row (A), both ends together, (..., n).
        power: taken from all sources (W), (...,).
        iterations: of conjugate gradients, all inputs together. residual: what was left, relative, (...,).
        ok: whether each input converged, (...,).
    """

    i: Float[Array, "*batch m"]
    i_rows: Float[Array, "*batch n"]
    power: Float[Array, "*batch"]
    iterations: Int[Array, ""]
    residual: Float[Array, "*batch"]
    ok: Bool[Array, "*batch"]
    _r: Array
    _c: Array
    _cell: Array
    _along: tuple[Array, Array]
    _ends: tuple[Array, Array, Array, Array]
    _batch: tuple[int, ...] = eqx.field(static=True)

    def _outward(self, x: Array) -> Array:
        """(n, batch, m) as (..., n, m)."""
        x = jnp.swapaxes(x, 0, 1)
        return x.reshape(*self._batch, *x.shape[1:])

    @property
    def v_rows(self) -> Float[Array, "*batch n m"]:
        """Voltage of each cell's row node (V)."""
        return self._outward(turned(self._r))

    @property
    def v_columns(self) -> Float[Array, "*batch n m"]:
        """Voltage of each cell's column node (V)."""
        return self._outward(self._c)

    @property
    def v_cells(self) -> Float[Array, "*batch n m"]:
        """Voltage across each cell, from row to column (V)."""
        return self.v_rows - self.v_columns

    @property
    def i_cells(self) -> Float[Array, "*batch n m"]:
        """Current through each cell, from row to column (A)."""
        return self._outward(self._cell)

    @property
    def i_along_rows(self) -> Float[Array, "*batch n segments"]:
        """Current in each segment of a row, to the right (A), (..., n, m - 1)."""
        return self._outward(turned(self._along[0]))

    @property
    def i_along_columns(self) -> Float[Array, "*batch segments m"]:
        """Current in each segment of a column, downwards (A), (..., n - 1, m)."""
        return self._outward(self._along[1])

    @property
    def i_left(self) -> Float[Array, "*batch n"]:
        """From the left ends into the rows (A)."""
        return self._ends[0].reshape(*self._batch, -1)

    @property
    def i_right(self) -> Float[Array, "*batch n"]:
        """From the right ends into the rows (A)."""
        return self._ends[1].reshape(*self._batch, -1)

    @property
    def i_top(self) -> Float[Array, "*batch m"]:
        """Out of the columns at their top ends (A)."""
        return self._ends[2].reshape(*self._batch, -1)

    @property
    def i_bottom(self) -> Float[Array, "*batch m"]:
        """Out of the columns at their bottom ends (A)."""
        return self._ends[3].reshape(*self._batch, -1)


def joined(parts: Reading | Sequence[Reading], batch: tuple[int, ...]) -> Reading:
    """One reading of an input of shape (*batch, n): of several, or of one that is stacked, (tile, ...).

    Args:
        parts: with batches of one axis, in order; beyond the size of `batch` they only fill up. batch: of the whole.
    """
    axes = inputs_at()
    if isinstance(parts, Reading):
        leaves = jax.tree.map(_unstacked, leaves_of(parts), axes)
        most = jnp.max(parts.iterations)
    else:
        leaves = jax.tree.map(lambda axis, *a: jnp.concatenate(a, axis), axes, *(leaves_of(p) for p in parts))
        most = jnp.max(jnp.stack([p.iterations for p in parts]))
    many = math.prod(batch)
    leaves = jax.tree.map(lambda a, axis: lax.slice_in_dim(a, 0, many, axis=axis), leaves, axes)
    leaves = jax.tree.map(lambda a, axis: a if axis else a.reshape(*batch, *a.shape[1:]), leaves, axes)
    return reading_of(leaves, most, batch)


def reading_of(leaves: tuple[Any, ...], iterations: Array, batch: tuple[int, ...]) -> Reading:
    """What `leaves_of` took apart."""
    i, i_rows, power, residual, ok, r, c, cell, along, ends = leaves
    return Reading(i, i_rows, power, iterations, residual, ok, r, c, cell, along, ends, batch)


def _unstacked(a: Array, axis: int) -> Array:
    """(tile, ...) with the inputs of all tiles one after another along an axis."""
    a = jnp.moveaxis(a, 0, axis)
    return a.reshape(*a.shape[:axis], -1, *a.shape[axis + 2 :])


def leaves_of(one: Reading) -> tuple[Any, ...]:
    """All but the iterations."""
    return (one.i, one.i_rows, one.power, one.residual, one.ok, one._r, one._c, one._cell, one._along, one._ends)


def inputs_at() -> tuple[Any, ...]:
    """Where the inputs are, in each."""
    return (0, 0, 0, 0, 0, 1, 1, 1, (1, 1), (0, 0, 0, 0))
