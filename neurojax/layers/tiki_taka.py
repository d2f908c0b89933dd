"""Tiki-Taka: gradients by pulses on fast devices A, whose readings are transferred to slow devices, the weights C.

    optimiser = nj.layers.tiki_taka(device, 0.1, version=2, key=key)

A device that goes up and down unevenly drifts to its symmetric point under pulses of both signs. On C alone that
pulls weights away from the minimum; A is read relative to its symmetric point, where the drift means nothing.

    1   C gets pulses for the reading of a column of A
    2   readings are summed up in a digital H, and C gets a pulse for each whole step: noise of A is averaged
    3   as 2, with a chopper: the sign of what goes to A and comes from it is changed by chance, so that an offset
        of A's reference averages out
    4   as 3, and the reference is measured: the mean reading of the last period between two changes

1: T. Gokmen and W. Haensch, Front. Neurosci. 14, 103 (2020), 10.3389/fnins.2020.00103. 2: T. Gokmen, Front. Artif.
Intell. 4, 699148 (2021), 10.3389/frai.2021.699148. 3 and 4: M. J. Rasch et al., Nat. Commun. 15, 7133 (2024),
10.1038/s41467-024-51221-z.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from neurojax.errors import CircuitError
from neurojax.layers.pulsed import drawn_devices, pulses, rounded, symmetric_point, transformation
from physics.pulsed import AbstractPulsed

Real = Float[Array, "..."]


class Kept(NamedTuple):
    """Beside the weights: A and its devices, the zero of its reading, H, chopper, and sums of a period of it."""

    a: Real
    devices: Any
    zero: Real
    h: Real
    chopper: Array
    reference: Real
    total: Real
    readings: Real


def tiki_taka(
    device: AbstractPulsed,
    rate: float,
    *,
    version: int = 2,
    fast: AbstractPulsed | None = None,
    transfer: float = 1.0,
    every: int = 1,
    threshold: float | None = None,
    chop: float = 0.1,
    reference_error: float = 0.0,
    most: int = 10,
    spread: bool = True,
    key: Array,
) -> optax.GradientTransformation:
    """The transformation; parameters are the w of C, of two axes at least the last of which are columns.

    Args:
        device: of C. rate: of the gradient on A, in w. version: 1 to 4. fast: device of A (default: `device`).
        transfer: what a reading of A is multiplied with, in w of C. every: updates from one transfer of a column to
            the next. threshold: of H, for one pulse (default: dw_min of C). chop: probability of a change of the
            chopper after each sweep over the columns. reference_error: standard deviation of the zero of A.
        most: pulses of an update. spread: whether each weight has devices of its own. key: a `jax.random.key`.

    Raises:
        CircuitError: another version.
    """
    if version not in (1, 2, 3, 4):
        raise CircuitError(f"tiki_taka: version = {version}; 1 to 4.")
    fast = device if fast is None else fast
    begin, own = jax.random.split(key)

    def keep(p: Real) -> Kept:
        leaf = jax.random.fold_in(begin, p.size)
        a = drawn_devices(fast, p, spread, key=leaf)
        even = jnp.broadcast_to(symmetric_point(a), p.shape)
        zero = even + reference_error * jax.random.normal(jax.random.fold_in(leaf, 1), p.shape, p.dtype)
        none = jnp.zeros_like(p)
        ones = jnp.ones((), p.dtype)
        return Kept(even, a, zero, none, ones, none, none, jnp.zeros((), p.dtype))

    def change(w: Real, g: Real, d: Any, kept: Kept, count: Array, key: Array) -> tuple[Real, Kept]:
        up, scatter, down, flip = jax.random.split(key, 4)
        sign = kept.chopper if version > 2 else jnp.ones_like(kept.chopper)
        counts = jnp.clip(rounded(-rate * sign * g / kept.devices.dw_min, key=up), -most, most)
        a = pulses(kept.devices, kept.a, counts, most, key=scatter)
        kept = kept._replace(a=a)
        return _transferred(w, d, kept, count, (down, flip))

    def _transferred(w: Real, d: Any, kept: Kept, count: Array, keys: Any) -> tuple[Real, Kept]:
        columns = w.shape[-1]
        turn = count // every
        due = (count + 1) % every == 0
        here = (jnp.arange(columns, dtype=jnp.int32) == turn % columns) & due
        here = jnp.broadcast_to(here.reshape((1,) * (w.ndim - 1) + (columns,)), w.shape)
        read = kept.a - kept.zero
        reading = read * kept.chopper if version == 3 else read
        if version == 4:
            reading = (read - kept.reference) * kept.chopper
        step = jnp.where(here, transfer * reading, jnp.zeros_like(w))
        if version == 1:
            counts = jnp.clip(rounded(step / d.dw_min, key=keys[0]), -most, most)
            return pulses(d, w, jnp.where(here, counts, jnp.zeros_like(w)), most, key=keys[1]), kept
        unit = d.dw_min if threshold is None else jnp.asarray(threshold, w.dtype)
        h = kept.h + step
        counts = jnp.clip(jnp.trunc(h / unit), -most, most)
        w = pulses(d, w, counts, most, key=keys[0])
        kept = kept._replace(h=h - counts * unit)
        swept = due & (turn % columns == columns - 1)
        return w, _chopped(kept, read, swept, keys[1]) if version > 2 else kept

    def _chopped(kept: Kept, read: Real, swept: Array, key: Array) -> Kept:
        """After a sweep: the reading counts for the mean of this period, and the sign may change."""
        total = jnp.where(swept, kept.total + read, kept.total)
        readings = jnp.where(swept, kept.readings + 1, kept.readings)
        change = swept & jax.random.bernoulli(key, chop)
        mean = total / jnp.maximum(readings, 1)
        return kept._replace(
            chopper=jnp.where(change, -kept.chopper, kept.chopper),
            reference=jnp.where(change, mean, kept.reference),
            total=jnp.where(change, jnp.zeros_like(total), total),
            readings=jnp.where(change, jnp.zeros_like(readings), readings),
        )

    return transformation(device, change, keep, False, spread, own)
