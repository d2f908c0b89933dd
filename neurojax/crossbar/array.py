"""A crossbar: rows, columns, a cell at every crossing, and wires that have a resistance.

    array = nj.Crossbar(g, nj.Wires.uniform(2.0))          conductances (S), or a device and a shape
    reading = array.read(v)                                 v (..., n) on the rows, columns at virtual ground
    reading.i, reading.v_rows, reading.power                exact to rounding, derivatives too

Rows are driven from the left (and right), columns held at the bottom (and top); any line may be left open. Derivatives
with respect to voltages, conductances, parameters and states of devices, and wires are those of Kirchhoff's equations.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from neurojax.crossbar import _nonlinear
from neurojax.crossbar._solve import NO_PUSH, Limits, Solution, Sources, line_currents, solved, turned
from neurojax.crossbar.cells import AbstractCells, Resistors, devices
from neurojax.crossbar.reading import Reading
from neurojax.crossbar.wires import Wires
from neurojax.errors import CircuitError, SimulationError
from physics.device import AbstractDevice, Environment

ITERATIONS = 2000


class Crossbar(eqx.Module):
    """Cells at the crossings of n rows and m columns, and the wires.

    Attributes:
        cells: `Resistors`, `Devices`, or your own. wires: resistances of the lines.
    """

    cells: AbstractCells
    wires: Wires

    def __init__(
        self,
        cells: Any,
        wires: Wires | float | None = None,
        *,
        shape: tuple[int, int] | None = None,
        x: Any = None,
        env: Environment | None = None,
    ):
        """Build an array.

        Args:
            cells: conductances (S), (n, m); or a device of two terminals, with `shape`; or `AbstractCells`.
            wires: `Wires`, or ohm a segment as for `Wires.uniform`; none by default.
            shape: rows and columns of an array of devices. x: their states. env: their ambient.

        Raises:
            CircuitError: a shape that is missing or does not fit, or a device of three terminals.
        """
        if isinstance(cells, AbstractDevice):
            if shape is None:
                raise CircuitError(f"Crossbar of {type(cells).__name__}: how many rows and columns? Give shape=(n, m).")
            cells = devices(cells, shape, x, env)
        elif not isinstance(cells, AbstractCells):
            cells = Resistors(jnp.asarray(cells, jnp.result_type(float) if np.ndim(cells) < 2 else None))
        self.cells = cells
        self.wires = wires if isinstance(wires, Wires) else Wires() if wires is None else Wires.uniform(wires)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.cells.shape

    def read(
        self,
        v: Any,
        *,
        columns: Any = 0.0,
        right: Any = None,
        top: Any = None,
        open_rows: Any = None,
        open_columns: Any = None,
        rtol: float | None = None,
        max_iterations: int = ITERATIONS,
        throw: bool = True,
    ) -> Reading:
        """Voltages and currents everywhere, at held states of the cells.

        Args:
            v: voltages of the row sources (V), (..., n); all inputs of a batch are solved together.
            columns: at the bottom ends of the columns (V), a scalar or (..., m).
            right: at the right ends of the rows (default `v`), top: at the top ends (default `columns`); of use
                where the wires there are not open.
            open_rows, open_columns: lines that are held nowhere, masks (n,) and (m,).
            rtol: relative residual at which to stop (default 1e-12 in float64, 1e-6 in float32).
            max_iterations: of conjugate gradients. throw: raise where an input did not converge.

        Raises:
            CircuitError: inputs of another shape. SimulationError: no convergence.
        """
        sources = _sources(self.shape, v, columns, right, top)
        dtype = sources.rows[0].dtype
        limits = Limits(rtol or (1e-12 if dtype == jnp.float64 else 1e-6), max_iterations)
        masks = [None if a is None else jnp.asarray(a, bool) for a in (open_rows, open_columns)]
        reading = _read(self, sources, masks, limits, jnp.shape(v)[:-1])
        if throw:
            _check(reading, limits)
        return reading

    def effective(self, **options: Any) -> Float[Array, "n m"]:
        """What the array multiplies with: i = v @ G for resistors, wires included (S).

        Args:
            options: keywords of `read`, such as open_rows.
        """
        n, m = self.shape
        return self.read(jnp.eye(n, dtype=self._dtype()), **options).i.reshape(n, m)

    def _dtype(self) -> Any:
        return jnp.result_type(*jax.tree.leaves(eqx.filter(self.cells, eqx.is_inexact_array)))


@eqx.filter_jit
def _read(array: Crossbar, sources: Sources, masks: Any, limits: Limits, batch: tuple[int, ...]) -> Reading:
    r = array.wires.resistances(array.shape, *masks)
    r = jax.tree.map(lambda a: a.astype(sources.rows[0].dtype), r)
    cells, push = array.cells, NO_PUSH
    if isinstance(cells, Resistors):
        found = solved(cells.g[:, None], r, push, sources, limits=limits)
    else:
        found = _nonlinear.solved(cells, r, sources, limits=limits)
    cell = cells.current(turned(found.r) - found.c)
    return _told(found, cell, sources, line_currents(cell, push, sources, r), limits, batch)


def _told(found: Solution, cell: Array, sources: Sources, lines: Any, limits: Limits, batch: Any) -> Reading:
    (left, right, along_rows), (top, bottom, along_columns) = lines
    into = sum(
        jnp.sum(i * v, axis=1)
        for i, v in zip((left, right, top, bottom), (*sources.rows, *sources.columns), strict=True)
    )
    ok = jnp.isfinite(found.residual) & (found.residual <= limits.rtol)
    shaped = lambda a: a.reshape(*batch, *a.shape[1:])  # noqa: E731
    return Reading(
        shaped(-top - bottom),
        shaped(left + right),
        shaped(into),
        found.iterations,
        shaped(found.residual),
        shaped(ok),
        found.r,
        found.c,
        cell,
        (along_rows, along_columns),
        (left, right, -top, -bottom),
        batch,
    )


def _sources(shape: tuple[int, int], v: Any, columns: Any, right: Any, top: Any) -> Sources:
    n, m = shape
    v = jnp.asarray(v)
    v = v if jnp.issubdtype(v.dtype, jnp.floating) else v.astype(jnp.result_type(float))
    if v.ndim == 0 or v.shape[-1] != n:
        raise CircuitError(f"read: voltages have shape {v.shape}; the array has {n} rows, so (..., {n}) is needed.")
    batch = v.shape[:-1]

    def lines(a: Any, count: int, name: str) -> Array:
        a = jnp.asarray(a, v.dtype)
        try:
            return jnp.broadcast_to(a, (*batch, count)).reshape(-1, count)
        except ValueError:
            raise CircuitError(f"read: {name} has shape {a.shape}; a scalar or (..., {count}) is needed.") from None

    rows = (lines(v, n, "v"), lines(v if right is None else right, n, "right"))
    bottom = lines(columns, m, "columns")
    return Sources(rows, (bottom if top is None else lines(top, m, "top"), bottom))


def _check(reading: Reading, limits: Limits) -> None:
    if isinstance(reading.ok, Tracer) or bool(jnp.all(reading.ok)):
        return
    bad = int(jnp.argmin(reading.ok.ravel()))
    left, spent = float(reading.residual.ravel()[bad]), int(reading.iterations)
    raise SimulationError(
        f"crossbar: input {bad} did not converge, residual {left:.2g} ({limits.rtol:.2g} asked) after {spent} steps "
        "of all solves. Voltages and conductances finite? Try more (max_iterations=...) or a larger rtol; throw=False "
        "returns what there is."
    )
