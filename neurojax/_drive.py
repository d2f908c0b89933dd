"""The waveform as the lanes of `stiff.py` see it: each on a segment of its own, tables shared or one a lane."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array


class Drive(NamedTuple):
    """Waveform and sample times, shared by all lanes or with a leading lane axis.

    t: knots (s), (K,) or (lanes, K). v: (K, *ports) or (lanes, K, *ports). ts: samples, (S,) or (lanes, S),
    strictly increasing but for the last, which may be repeated.
    """

    t: Array
    v: Array
    ts: Array


class Track(NamedTuple):
    """The pieces of a waveform, (K - 1, ...) or (lanes, K - 1, ...): what a lane looks up in each step.

    length (s); voltage at the start, its slope, and the voltage at the end; number of the piece that follows.
    Pieces without length (jumps) are never visited; beyond the last one the number is K - 1.
    """

    length: Array
    v: Array
    slope: Array
    knot: Array
    following: Array


class Segment(NamedTuple):
    """The straight piece of the waveform on which a lane is."""

    length: Array
    v: Array
    slope: Array
    knot: Array
    following: Array


def track(drive: Drive) -> Track:
    """The table of all pieces; differentiable in knots and voltages."""
    t, v, knots = drive.t, drive.v, drive.t.ndim
    length = jnp.diff(t)
    # Finished lanes may rest on a jump, which has no length.
    length = jnp.where(length > 0, length, jnp.ones_like(length))
    before, knot = (v[:-1], v[1:]) if knots == 1 else (v[:, :-1], v[:, 1:])
    slope = (knot - before) / length.reshape(length.shape + (1,) * (before.ndim - length.ndim))
    return Track(length, before, slope, knot, _next_segment(t)[..., 1:])


def pieces(table: Track) -> int:
    """K - 1, how many there are."""
    return table.length.shape[-1]


def first_segment(drive: Drive, lanes: int) -> Array:
    """The piece with which each lane begins."""
    return jnp.broadcast_to(_next_segment(drive.t)[..., 0], (lanes,))


def segment_at(table: Track, k: Array) -> Segment:
    """The piece behind knot `k` of each lane."""
    k = jnp.minimum(k, pieces(table) - 1)
    ndim = table.length.ndim
    return Segment(*(pick(a, k, ndim) for a in table))


def over_ports(ports: Array, scale: Array) -> Array:
    """(lanes, *ports) times (lanes,)."""
    return ports * scale.reshape(scale.shape + (1,) * (ports.ndim - 1))


def pick(table: Array, k: Array, ndim: int | None = None) -> Array:
    """table[k] for a shared table (K, ...), table[lane, k] for one with lanes (lanes, K, ...); k is (..., lanes)."""
    if (table.ndim if ndim is None else ndim) == 1:
        return table.at[k].get(mode="promise_in_bounds")
    return table.at[jnp.arange(table.shape[0], dtype=jnp.int32), k].get(mode="promise_in_bounds")


def _next_segment(t: Array) -> Array:
    """For each knot the first segment at or after it that has a length; the last knot if there is none."""
    last = t.shape[-1] - 1
    here = jnp.arange(last, dtype=jnp.int32)
    real = jnp.where(jnp.diff(t) > 0, here, last)
    following = lax.cummin(real, axis=real.ndim - 1, reverse=True)
    return jnp.concatenate([following, jnp.full((*t.shape[:-1], 1), last, jnp.int32)], axis=-1)
