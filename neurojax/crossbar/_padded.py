"""Linear networks in arrays of a length that suits the cache.

Where rows lie a power of two apart, as those of 64, 128 or 256 lines do, all numbers of a column fall into the same few
places of the cache and drive each other out: each transposition, of which an iteration has two, then takes twice as
long. One more line each way, of open cells, moves them apart; nothing else about the network changes.
"""

import jax.numpy as jnp
from jaxtyping import Array

from neurojax.crossbar._solve import NO_PUSH, Limits, Resistances, Solution, Sources, solved

ALIKE = 128
"""Bytes of which a row is a multiple where it is lengthened."""
SMALL = 2**14
"""Bytes of an array that fits the nearest cache however it lies."""


def solved_apart(g: Array, r: Resistances, sources: Sources, *, limits: Limits) -> Solution:
    """`solved` for conductances (n, 1, m) without currents into nodes; nodes of the network as given."""
    (n, _, m), bytes_each = g.shape, g.dtype.itemsize
    if g.size * bytes_each < SMALL:
        return solved(g, r, NO_PUSH, sources, limits=limits)
    down, right = (int(k * bytes_each % ALIKE == 0) for k in (n, m))
    g = jnp.pad(g, ((0, down), (0, 0), (0, right)))
    wires = Resistances(_lengthened(r.rows, right, down), _lengthened(r.columns, down, right))
    more = lambda v, by: jnp.pad(v, ((0, 0), (0, by)))  # noqa: E731
    (left, end), (top, bottom) = sources
    ends = Sources((more(left, down), more(end, down)), (more(top, right), more(bottom, right)))
    found = solved(g, wires, NO_PUSH, ends, limits=limits)
    return found._replace(r=found.r[:m, :, :n], c=found.c[:n, :, :m])


def _lengthened(ohm: Array, positions: int, lines: int) -> Array:
    """Resistances with so many more nodes at the end of the lines, right at its source, and so many more lines."""
    ohm = jnp.pad(ohm, ((0, positions), (0, 0), (0, 0)))
    return ohm if ohm.shape[2] == 1 else jnp.pad(ohm, ((0, 0), (0, 0), (0, lines)), constant_values=1.0)
