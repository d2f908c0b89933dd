"""Parallel update of a whole array by pulses that meet: W += dw (coincidences of row and column pulses).

Row i fires in each of BL slots with probability |x_i|, column j with |d_j|, and a cell takes a pulse where both do, up
where x_i d_j > 0. So n + m random streams update n m cells in one go; the mean is BL dw x_i d_j and the variance of one
cell BL dw^2 p (1 - p), p = |x_i d_j|.

The coincidences of all cells are one product of matrices of bits, (n, BL)(BL, m), which is never expanded to
(n, m, BL): what travels is the array of counts, and the states once for all pulses of an update.

T. Gokmen and Y. Vlasov, Front. Neurosci. 10, 333 (2016), 10.3389/fnins.2016.00333.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from neurojax.errors import ProgrammingError
from neurojax.programming.pulse_map import PulseMap
from physics.pulsed import AbstractPulsed

Real = Float[Array, "..."]


def stochastic_bits(p: Float[Array, " n"], slots: int, *, key: Array) -> Float[Array, "n slots"]:
    """Pulse trains: 1 in each of `slots` with probability `p` (cut at 1), else 0, drawn from `key`."""
    drawn = jax.random.uniform(key, (*p.shape, slots), p.dtype)
    return (drawn < p[..., None]).astype(p.dtype)


def even_bits(p: Float[Array, " n"], slots: int, *, columns: bool = False) -> Float[Array, "n slots"]:
    """Pulse trains without chance: the nearest number of pulses to slots `p`, which meet as often as independent ones.

    A row takes the first slots, a column those that come first in the order of reversed bits (Hammersley's points):
    the coincidences of p and q are slots p q to within two, for up to 31 slots.

    Args:
        p: parts between 0 and 1. slots: how many. columns: whether these are the trains of columns.
    """
    order = np.argsort(_reversed(slots), kind="stable") if columns else np.arange(slots)
    rank = np.empty(slots, int)
    rank[order] = np.arange(slots)
    due = (jnp.asarray(rank, p.dtype) + 0.5) / slots
    return (due[None] < p[..., None]).astype(p.dtype)


def _reversed(slots: int) -> np.ndarray:
    """The radical inverse to base two of 0 .. slots - 1."""
    k, found, part = np.arange(slots), np.zeros(slots), 0.5
    while k.any():
        found, k, part = found + part * (k % 2), k // 2, part / 2
    return found


def coincidences(
    x: Float[Array, " n"], d: Float[Array, " m"], rows: Float[Array, "n slots"], columns: Float[Array, "m slots"]
) -> Float[Array, "n m"]:
    """Pulses of each cell, with their sign: of the product of `x` and `d`.

    Args:
        x, d: values of rows and columns, of which the sign counts. rows, columns: their trains.
    """
    return (jnp.sign(x)[:, None] * rows) @ (jnp.sign(d)[:, None] * columns).T


def pulse_counts(
    x: Float[Array, " n"], d: Float[Array, " m"], slots: int, *, key: Array | None = None
) -> Float[Array, "n m"]:
    """Signed pulses of each cell in one parallel update, between -slots and slots.

    Args:
        x, d: values between -1 and 1. slots: length BL of the trains. key: a `jax.random.key`; without one the trains
            are `even_bits`.
    """
    p, q = jnp.abs(x), jnp.abs(d)
    if key is None:
        return coincidences(x, d, even_bits(p, slots), even_bits(q, slots, columns=True))
    one, two = jax.random.split(key)
    return coincidences(x, d, stochastic_bits(p, slots, key=one), stochastic_bits(q, slots, key=two))


def outer_update(w: Float[Array, "n m"], counts: Float[Array, "n m"], dw: Real | float) -> Float[Array, "n m"]:
    """Ideal cells: `w` + `dw` for each of the pulses `counts`."""
    return w + jnp.asarray(dw, w.dtype) * counts


def map_update(
    up: PulseMap, down: PulseMap, x: Float[Array, "n m"], counts: Float[Array, "n m"], most: int
) -> tuple[Float[Array, "n m"], Float[Array, "n m"]]:
    """Cells of a map after as many pulses as each has met, and the energy of each (J).

    Args:
        up, down: maps of one amplitude each. x: states. counts: signed pulses. most: the largest |count|, BL of the
            update; rounds beyond the largest one that occurs are not done.

    Raises:
        ProgrammingError: `most` below one.
    """
    if most < 1:
        raise ProgrammingError(f"most = {most} pulses of an update: at least one.")
    left = jnp.abs(counts)
    rises = counts > 0

    def once(carry):
        k, x, energy = carry
        (more, of_up), (less, of_down) = up.step(x), down.step(x)
        due = left > k
        after = jnp.where(due, jnp.where(rises, more, less), x)
        return k + 1, after, energy + jnp.where(due, jnp.where(rises, of_up, of_down), jnp.zeros_like(x))

    rounds = jnp.minimum(jnp.max(left), jnp.asarray(most, x.dtype))
    start = (jnp.zeros((), x.dtype), x, jnp.zeros_like(x))
    return lax.while_loop(lambda c: c[0] < rounds, once, start)[1:]


def pulsed_update(
    device: AbstractPulsed, w: Float[Array, "n m"], counts: Float[Array, "n m"], slots: int, *, key: Array
) -> Float[Array, "n m"]:
    """Weights of pulsed devices (`physics.pulsed`) after as many pulses as each has met, with their scatter.

    Args:
        device: one, or one a cell, `device.sample(key, w.shape)`. w: weights. counts: signed pulses. slots: the most
            that a cell can get. key: a `jax.random.key`; pulse k of an update is drawn from (key, k).
    """

    def once(k, w):
        noise = jax.random.normal(jax.random.fold_in(key, k), w.shape, w.dtype)
        sign = jnp.where(jnp.abs(counts) > k.astype(w.dtype), jnp.sign(counts), jnp.zeros_like(counts))
        return device.pulse(w, sign, noise)

    return lax.fori_loop(0, slots, once, w)


def overlap_update(
    table: PulseMap, x: Float[Array, "n m"], rows: Float[Array, "n slots"], columns: Float[Array, "m slots"], v: float
) -> tuple[Float[Array, "n m"], Float[Array, "n m"]]:
    """Overlapping pulses: half of the voltage on the row, half on the column; what meets adds up, the rest disturbs.

    In each slot a cell sees `v` where both fire, v/2 where one does, and nothing else.

    Args:
        table: a map over amplitudes, 0 to v at least. x: states. rows, columns: trains of 0 and 1. v: of both (V).

    Returns:
        States after all slots and the energy of each cell (J).
    """
    both, half = table.at(v), table.at(0.5 * v)

    def once(carry: Any, fire: Any) -> Any:
        x, energy = carry
        met = fire[0][:, None] + fire[1][None]
        (full, of_full), (part, of_part) = both.step(x), half.step(x)
        pick = lambda a, b, none: jnp.where(met > 1.5, a, jnp.where(met > 0.5, b, none))  # noqa: E731
        return (pick(full, part, x), energy + pick(of_full, of_part, jnp.zeros_like(x))), None

    return lax.scan(once, (x, jnp.zeros_like(x)), (rows.T, columns.T))[0]
