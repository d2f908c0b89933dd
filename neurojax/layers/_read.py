"""Readings of stacks of arrays: tiles, wires, converters, noise, and transposed readings for gradients.

A stack (k, groups n, m) is cut into tiles (k, groups tile rows, tile columns, r, c). What does not fill a tile is left
empty: rows at the top and columns at the right, where nothing flows. Partial sums of a group are added behind the
converters.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array

from neurojax.crossbar import Crossbar, Wires
from neurojax.layers.hardware import Hardware, converted


def tiling(count: int, most: int | None) -> tuple[int, int]:
    """Tiles along a line of `count` cells and cells of each, at most `most`, as even as can be."""
    tiles = 1 if most is None else -(-count // most)
    return tiles, -(-count // tiles)


def cut(g: Array, hardware: Hardware, groups: int) -> Array:
    """(k, groups n, m) as tiles (k, groups tile rows, tile columns, r, c)."""
    k, rows, m = g.shape
    n = rows // groups
    (a, r), (b, c) = tilings(n, m, hardware)
    g = jnp.pad(g.reshape(k * groups, n, m), ((0, 0), (a * r - n, 0), (0, b * c - m)))
    return jnp.transpose(g.reshape(k, groups * a, r, b, c), (0, 1, 3, 2, 4))


def tilings(n: int, m: int, hardware: Hardware) -> tuple[tuple[int, int], tuple[int, int]]:
    rows, columns = hardware.tile or (None, None)
    return tiling(n, rows), tiling(m, columns)


def cut_inputs(v: Array, hardware: Hardware, groups: int) -> Array:
    """(batch, groups n) as (groups tile rows, batch, r)."""
    batch, n = v.shape[0], v.shape[1] // groups
    a, r = tiling(n, (hardware.tile or (None, None))[0])
    v = jnp.pad(v.reshape(batch, groups, n), ((0, 0), (0, 0), (a * r - n, 0)))
    return jnp.swapaxes(v.reshape(batch, groups * a, r), 0, 1)


def currents(g: Array, v: Array, hardware: Hardware, key: Array | None, groups: int) -> Array:
    """Sums over the tiles of each group of what their converters say (A), (k, batch, groups, m), of voltages."""
    k, _, m = g.shape
    keys = (None,) * 3 if key is None else jax.random.split(key, 3)
    if hardware.knows("noisy"):
        v = converted(hardware.dac, v, keys[0])
    tiles, given = cut(g, hardware, groups), cut_inputs(v, hardware, groups)
    i = analog(tiles, given, hardware, keys[1])
    if hardware.knows("noisy"):
        i = converted(hardware.adc, i, keys[2])
    i = jnp.sum(i.reshape(k, groups, -1, *i.shape[2:]), axis=2)
    return jnp.transpose(i, (0, 3, 1, 2, 4)).reshape(k, v.shape[0], groups, -1)[..., :m]


def analog(tiles: Array, v: Array, hardware: Hardware, key: Array | None) -> Array:
    """Currents of tiles (k, a, b, r, c) at voltages (a, batch, r) with their noise, (k, a, b, batch, c)."""
    i = _with_own_backward(tiles, v, hardware, key) if hardware.back is not None else read_tiles(tiles, v, hardware)
    if hardware.read_noise is None or key is None or not hardware.knows("noisy"):
        return i
    part = _part(hardware, tiles)
    variance = jnp.einsum("xby,kxzyc->kxzbc", v**2, (part * tiles) ** 2)
    some = variance > 0
    deviation = jnp.where(some, jnp.sqrt(jnp.where(some, variance, jnp.ones_like(variance))), jnp.zeros_like(variance))
    return i + deviation * jax.random.normal(key, i.shape, i.dtype)


def _part(hardware: Hardware, g: Array) -> Array:
    """Noise of a reading of cells `g` over their current."""
    part: Any = hardware.read_noise
    found: Any = part(g) if callable(part) else jnp.asarray(part, g.dtype)
    return found


def read_tiles(tiles: Array, v: Array, hardware: Hardware) -> Array:
    """Without noise, (k, a, b, batch, c)."""
    if not hardware.knows("wires"):
        return jnp.einsum("xby,kxzyc->kxzbc", v, tiles)
    lead = tiles.shape[:3]
    i = each_tile(lambda g, v: _read_one(g, v, hardware), *_flat(tiles, v), hardware.mesh)
    return i.reshape(*lead, *i.shape[1:])


def each_tile(one: Callable[[Array, Array], Array], g: Array, v: Array, mesh: Any) -> Array:
    """one(g, v) of all tiles, spread over the devices of a mesh; each goes on by itself.

    Empty tiles fill up where the devices do not divide the tiles.
    """
    if mesh is None:
        return jax.vmap(one)(g, v)
    count, (axis,) = g.shape[0], mesh.axis_names
    fill = lambda a: jnp.pad(a, ((0, -count % mesh.size), *((0, 0),) * (a.ndim - 1)))  # noqa: E731
    run = jax.shard_map(jax.vmap(one), mesh=mesh, in_specs=P(axis), out_specs=P(axis), check_vma=False)
    return run(*jax.device_put((fill(g), fill(v)), NamedSharding(mesh, P(axis))))[:count]


def _flat(tiles: Array, v: Array) -> tuple[Array, Array]:
    """All tiles in one axis, and the voltages of each."""
    given = jnp.broadcast_to(v[None, :, None], (*tiles.shape[:3], *v.shape[1:]))
    return tiles.reshape(-1, *tiles.shape[3:]), given.reshape(-1, *v.shape[1:])


def _read_one(g: Array, v: Array, hardware: Hardware) -> Array:
    if hardware.cells is not None and hardware.knows("nonlinear"):
        return Crossbar(hardware.cells(g), hardware.wires).read(v).i
    array = Crossbar(g, hardware.wires)
    # A linear array is known when each row has been read once.
    return v @ array.effective() if v.shape[0] > g.shape[0] else array.read(v).i


def turned(wires: Wires) -> Wires:
    """Wires of the same array driven where it was read and read where it was driven: what was below is on the right."""
    across = lambda a: a.T if jnp.ndim(a) == 2 else a  # noqa: E731
    return Wires(across(wires.column), across(wires.row), wires.top, wires.right, wires.bottom, wires.left)


def _with_own_backward(tiles: Array, v: Array, hardware: Hardware, key: Array | None) -> Array:
    fixed = lax.stop_gradient(eqx.filter(hardware, eqx.is_array))
    hardware = eqx.combine(fixed, hardware)

    def plain(given: Any, hardware: Hardware, key: Any) -> Array:
        del key
        return read_tiles(given[0], given[1], hardware)

    read: Any = eqx.filter_custom_vjp(plain)

    def forward(perturbed: Any, given: Any, hardware: Hardware, key: Any) -> Any:
        del perturbed, key
        return read_tiles(given[0], given[1], hardware), None

    def backward(residuals: Any, di: Array, perturbed: Any, given: Any, hardware: Hardware, key: Any) -> Any:
        del residuals, perturbed
        tiles, v = given
        return jnp.einsum("xby,kxzbc->kxzyc", v, di), transposed(tiles, di, hardware, key)

    read.def_fwd(forward)
    read.def_bwd(backward)
    return read((tiles, v), hardware, key)


def transposed(tiles: Array, di: Array, hardware: Hardware, key: Array | None) -> Array:
    """Errors (k, a, b, batch, c) read backwards through the arrays, (a, batch, r).

    Each vector of errors is scaled to the voltages of a reading by its largest, and its currents back.
    """
    back: Any = eqx.tree_at(lambda h: h.wires, hardware.back, turned(hardware.wires))
    back = jax.tree.map(lambda a: a.astype(tiles.dtype) if eqx.is_inexact_array(a) else a, back)
    k, a, b, r, c = tiles.shape
    largest = jnp.max(jnp.abs(di), axis=-1, keepdims=True)
    scale = jnp.where(largest > 0, largest, jnp.ones_like(largest)) / back.v_read
    flat = jnp.swapaxes(tiles, -1, -2).reshape(k * a * b, c, r)
    v = (di / scale).reshape(k * a * b, -1, c)
    keys = (None,) * 3 if key is None else jax.random.split(jax.random.fold_in(key, 1), 3)
    v = converted(back.dac, v, keys[0]) if back.knows("noisy") else v
    out = jax.vmap(lambda g, v: read_tiles(g[None, None, None], v[None], back)[0, 0, 0])(flat, v)
    out = _noise(flat, v, out, back, keys[1])
    out = converted(back.adc, out, keys[2]) if back.knows("noisy") else out
    return jnp.sum(out.reshape(k, a, b, -1, r) * scale, axis=(0, 2))


def _noise(g: Array, v: Array, i: Array, hardware: Hardware, key: Array | None) -> Array:
    if hardware.read_noise is None or key is None or not hardware.knows("noisy"):
        return i
    part = _part(hardware, g)
    deviation = jnp.sqrt(jnp.einsum("tbc,tcr->tbr", v**2, (part * g) ** 2))
    return i + deviation * jax.random.normal(key, i.shape, i.dtype)


def power(g: Array, v: Array, hardware: Hardware, groups: int) -> Array:
    """Taken from the sources of the rows by all tiles (W), (batch,)."""
    tiles, given = cut(g, hardware, groups), cut_inputs(v, hardware, groups)
    if not hardware.knows("wires"):
        return jnp.einsum("xby,kxzyc->b", given**2, tiles)

    def one(g: Array, v: Array) -> Array:
        cells: Any = hardware.cells(g) if hardware.knows("nonlinear") and hardware.cells is not None else g
        return Crossbar(cells, hardware.wires).read(v).power

    return jnp.sum(each_tile(one, *_flat(tiles, given), hardware.mesh), axis=0)
