"""A crossbar: rows, columns, a cell at every crossing, and wires that have a resistance.

    array = nj.Crossbar(g, nj.Wires.uniform(2.0))          conductances (S), or a device and a shape
    reading = array.read(v)                                 v (..., n) on the rows, columns at virtual ground
    reading.i, reading.v_rows, reading.power                exact to rounding, derivatives too

Rows are driven from the left (and right), columns held at the bottom (and top); any line may be left open. Derivatives
with respect to voltages, conductances, parameters and states of devices, and wires are those of Kirchhoff's equations.
"""

import functools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float

from neurojax._chunks import cores, identity, mesh_of, side_by_side
from neurojax.crossbar import _nonlinear, _shorted_devices, _shorts
from neurojax.crossbar._padded import solved_apart
from neurojax.crossbar._solve import NO_PUSH, Limits, Solution, Sources, line_currents, turned
from neurojax.crossbar.cells import AbstractCells, Defective, Resistors, devices
from neurojax.crossbar.reading import Figures, Nodes, Part, Reading, joined, reading_of, shaped
from neurojax.crossbar.wires import Wires
from neurojax.errors import CircuitError, SimulationError
from physics.device import AbstractDevice, Environment

ITERATIONS = 2000
CACHED, AT_ONCE = 2**14, 2**24
"""Numbers of an array, inputs times cells, that are worked on at a time: on a CPU, and on accelerators."""


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
        open_cells: Any = None,
        short_cells: Any = None,
    ):
        """Build an array.

        Args:
            cells: conductances (S), (n, m); or a device of two terminals, with `shape`; or `AbstractCells`.
            wires: `Wires`, or ohm a segment as for `Wires.uniform`; none by default.
            shape: rows and columns of an array of devices. x: their states. env: their ambient.
            open_cells, short_cells: masks (n, m) of cells that carry no current, and no voltage, whatever they are.

        Raises:
            CircuitError: a shape that is missing or does not fit, a device of three terminals, a cell that is both
                open and short.
        """
        if isinstance(cells, AbstractDevice):
            if shape is None:
                raise CircuitError(f"Crossbar of {type(cells).__name__}: how many rows and columns? Give shape=(n, m).")
            cells = devices(cells, shape, x, env)
        elif not isinstance(cells, AbstractCells):
            cells = Resistors(jnp.asarray(cells, jnp.result_type(float) if np.ndim(cells) < 2 else None))
        if open_cells is not None or short_cells is not None:
            masks = (np.zeros(cells.shape, bool) if a is None else a for a in (open_cells, short_cells))
            opened, short = (a if isinstance(a, Tracer) else np.asarray(a, bool) for a in masks)
            cells = Defective(cells, opened, short)
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
        shorts: int | None = None,
        throw: bool = True,
    ) -> Reading:
        """Voltages and currents everywhere, at held states of the cells.

        Args:
            v: voltages of the row sources (V), (..., n); all inputs of a batch are solved together, where their first
                axis is spread over devices by `jax.sharding` on each device its own.
            columns: at the bottom ends of the columns (V), a scalar or (..., m).
            right: at the right ends of the rows (default `v`), top: at the top ends (default `columns`); of use
                where the wires there are not open.
            open_rows, open_columns: lines that are held nowhere, masks (n,) and (m,).
            rtol: relative residual at which to stop (default 1e-12 in float64, 1e-6 in float32).
            max_iterations: of conjugate gradients. throw: raise where an input did not converge.
            shorts: how many cells may be short, where conductances or masks are traced (else counted).

        Raises:
            CircuitError: inputs of another shape. SimulationError: no convergence, or shorts between two sources.
        """
        v = jnp.asarray(v)
        v = v if jnp.issubdtype(v.dtype, jnp.floating) else v.astype(jnp.result_type(float))
        limits = Limits(rtol or (1e-12 if v.dtype == jnp.float64 else 1e-6), max_iterations)
        masks = [None if a is None else jnp.asarray(a, bool) for a in (open_rows, open_columns)]
        shorts = _shorts.count(self.cells) if shorts is None else shorts
        reading = _in_tiles(self, (v, columns, right, top), masks, (limits, shorts))
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


def _in_tiles(array: Crossbar, given: tuple[Any, ...], masks: Any, how: tuple[Limits, int]) -> Reading:
    """All inputs, a tile at a time; halves of them on each core where nothing is traced."""
    batch, size = given[0].shape[:-1], _tile(array.shape)
    many, lie = math.prod(batch), mesh_of(given)
    if lie is not None:
        sources = jax.device_put(_sources(array.shape, *given), NamedSharding(lie[0], P(lie[1])))
        part = _on_all_devices(array, sources, masks, how, lie)
        part = part._replace(figures=shaped(part.figures, batch), iterations=jnp.max(part.iterations))
        return reading_of(part, array.cells, batch)
    parts = min(cores(), many // (2 * size))
    if parts < 2 or any(isinstance(a, Tracer) for a in jax.tree.leaves((array, given, masks))):
        return reading_of(_read(array, given, masks, how), array.cells, batch)
    sources, each = _sources(array.shape, *given), -(-many // (parts * size)) * size
    cut = [jax.tree.map(lambda a, k=k: a[k : k + each], sources) for k in range(0, many, each)]
    run = lambda part: jax.block_until_ready(_read(array, part, masks, how))  # noqa: E731
    done = side_by_side(run, cut, ("crossbar", array.shape, size, each, identity((array, masks)), how))
    return reading_of(joined(done, batch), array.cells, batch)


@eqx.filter_jit
def _on_all_devices(array: Crossbar, sources: Sources, masks: Any, how: Any, lie: tuple[Any, str]) -> Part:
    """A part of each device, which has its own inputs and waits for none."""
    (mesh, axis), (fixed, rest) = lie, eqx.partition((array, masks), eqx.is_array)
    own: Any = P(axis)
    inner: Any = P(None, None, axis)
    none: Any = P()

    def part(fixed: Any, sources: Sources) -> Part:
        array, masks = eqx.combine(fixed, rest)
        found = _read(array, sources, masks, how)
        nodes = (_one_tile(found.nodes[0], found.figures.ok.size),)
        return found._replace(iterations=found.iterations[None], nodes=nodes)

    places = Part(own, own, (Nodes(inner, inner, inner),), own, none)
    return jax.shard_map(part, mesh=mesh, in_specs=(P(), own), out_specs=places, check_vma=False)(fixed, sources)


def _one_tile(nodes: Nodes, many: int) -> Nodes:
    """So many inputs as one tile, without what only fills up."""
    flat = lambda a: jnp.moveaxis(a, 0, 1).reshape(1, a.shape[1], -1, a.shape[3])[:, :, :many]  # noqa: E731
    return jax.tree.map(flat, nodes)


def _tile(shape: tuple[int, int]) -> int:
    """Inputs whose numbers stay in the cache of a core; as many as memory allows where there is none."""
    return max(1, (CACHED if jax.default_backend() == "cpu" else AT_ONCE) // (shape[0] * shape[1]))


@eqx.filter_jit
def _read(array: Crossbar, given: Any, masks: Any, how: tuple[Limits, int]) -> Part:
    (limits, shorts), whole = how, not isinstance(given, Sources)
    sources = _sources(array.shape, *given) if whole else given
    r = array.wires.resistances(array.shape, *masks)
    r = jax.tree.map(lambda a: a.astype(sources.rows[0].dtype), r)
    many, size = sources.rows[0].shape[0], _tile(array.shape)
    batch = given[0].shape[:-1] if whole else (many,)
    if shorts or many <= size:
        figures, steps, nodes = _told(array, _solved(array.cells, r, sources, limits, shorts), sources, r, limits)
        return Part(shaped(figures, batch), steps, (jax.tree.map(lambda a: a[None], nodes),), sources, r)
    tiles = -(-many // size)
    fill = lambda a: jnp.concatenate([a, jnp.broadcast_to(a[-1:], (tiles * size - many, *a.shape[1:]))])  # noqa: E731
    cut = jax.tree.map(lambda a: fill(a).reshape(tiles, size, *a.shape[1:]), sources)
    told = lambda s: _told(array, _solved(array.cells, r, s, limits, 0), s, r, limits)  # noqa: E731
    figures, steps, nodes = lax.map(told, cut)
    figures = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[:many], figures)
    return Part(shaped(figures, batch), jnp.max(steps), (nodes,), sources, r)


def _solved(cells: AbstractCells, r: Any, sources: Sources, limits: Limits, shorts: int) -> tuple[Solution, Any]:
    """Nodes, and currents of the cells where they do not follow from the drops."""
    if isinstance(cells, Defective) and isinstance(cells.cells, Resistors):
        g = cells.cells.g
        g = jnp.where(cells.short, jnp.full_like(g, jnp.inf), jnp.where(cells.open, jnp.zeros_like(g), g))
        cells = Resistors(g)
    if isinstance(cells, Resistors):
        if shorts:
            at = _shorts.of(jnp.isinf(cells.g), shorts)
            return _shorts.solved_with_shorts(cells.g, at, r, sources, limits=limits)
        return solved_apart(cells.g[:, None], r, sources, limits=limits), None
    if isinstance(cells, Defective) and shorts:
        return _shorted_devices.solved(cells, _shorts.of(cells.short, shorts), r, sources, limits=limits)
    found = _nonlinear.solved(cells, r, NO_PUSH, sources, limits=limits)
    return _shorts.without(found, cells.short) if isinstance(cells, Defective) else found, None


def _told(array: Crossbar, solution: tuple[Solution, Any], sources: Sources, r: Any, limits: Limits) -> Any:
    """Figures, iterations and nodes of a solution."""
    found, known = solution
    cell = array.cells.current(turned(found.r) - found.c) if known is None else known
    (left, right, _), (top, bottom, _) = line_currents(cell, NO_PUSH, sources, r)
    pairs = zip((left, right, top, bottom), (*sources.rows, *sources.columns), strict=True)
    into = functools.reduce(jnp.add, [jnp.sum(i * v, axis=1) for i, v in pairs])
    ok = jnp.isfinite(found.residual) & (found.residual <= limits.rtol)
    ends = (left, right, -top, -bottom)
    figures = Figures(-top - bottom, left + right, into, found.residual, ok, ends)
    return figures, found.iterations, Nodes(found.r, found.c, known)


def _sources(shape: tuple[int, int], v: Array, columns: Any, right: Any, top: Any) -> Sources:
    n, m = shape
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
    if isinstance(reading.ok, Tracer) or bool(np.all(np.asarray(reading.ok))):
        return
    bad = int(jnp.argmin(reading.ok.ravel()))
    left, spent = float(reading.residual.ravel()[bad]), int(reading.iterations)
    raise SimulationError(
        f"crossbar: input {bad} did not converge, residual {left:.2g} ({limits.rtol:.2g} asked) after {spent} steps "
        "of all solves. Voltages and conductances finite? Try more (max_iterations=...) or a larger rtol; throw=False "
        "returns what there is. Cells of infinite conductance between two sources have no solution."
    )
