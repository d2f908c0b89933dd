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


class Segment(NamedTuple):
    """The straight piece of the waveform on which a lane is."""

    start: Array
    length: Array
    v: Array
    slope: Array


def segment_after(drive: Drive, k: Array) -> Array:
    """The segment after `k` that has a length."""
    return pick(_next_segment(drive.t), jnp.minimum(k + 1, drive.t.shape[-1] - 1))


def segment_at(drive: Drive, k: Array) -> Segment:
    """The piece of the waveform behind knot `k` of each lane."""
    k = jnp.minimum(k, drive.t.shape[-1] - 2)
    a, b = pick(drive.t, k), pick(drive.t, k + 1)
    # Finished lanes may rest on a jump, which has no length.
    length = jnp.where(b > a, b - a, jnp.ones_like(a))
    v = pick(drive.v, k, drive.t.ndim)
    rise = pick(drive.v, k + 1, drive.t.ndim) - v
    return Segment(a, length, v, over_ports(rise, 1 / length))


def over_ports(ports: Array, scale: Array) -> Array:
    """(lanes, *ports) times (lanes,)."""
    return ports * scale.reshape(scale.shape + (1,) * (ports.ndim - 1))


def pick(table: Array, k: Array, ndim: int | None = None) -> Array:
    """table[k] for a shared table (K, ...), table[lane, k] for one with lanes (lanes, K, ...); k is (..., lanes)."""
    if (table.ndim if ndim is None else ndim) == 1:
        return table[k]
    return table[jnp.arange(table.shape[0], dtype=jnp.int32), k]


def _next_segment(t: Array) -> Array:
    """For each knot the first segment at or after it that has a length; the last knot if there is none."""
    last = t.shape[-1] - 1
    here = jnp.arange(last, dtype=jnp.int32)
    real = jnp.where(jnp.diff(t) > 0, here, last)
    following = lax.cummin(real, axis=real.ndim - 1, reverse=True)
    return jnp.concatenate([following, jnp.full((*t.shape[:-1], 1), last, jnp.int32)], axis=-1)
