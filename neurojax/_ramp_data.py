"""Ramps as numbers: checked, in units of a pulsed device, and what their differences tell of the scatter."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from neurojax.errors import DataError
from neurojax.pulses import PulseTrace
from physics.pulsed import AbstractPulsed

UP_DOWN = (1.0, -1.0)


def in_units(
    device: AbstractPulsed, ramps: Sequence[PulseTrace]
) -> tuple[Float[np.ndarray, "ramps n"], Float[np.ndarray, " ramps"], tuple[float, float]]:
    """Readings in units of w, NaN behind the end of a ramp; signs; and the conductances (S) of w_min and w_max.

    Raises:
        DataError: ramps of both signs, short, with gaps, single ones of a sign, or readings that are all the same.
    """
    signs = np.asarray([_sign(ramp) for ramp in ramps])
    for s in UP_DOWN:
        if (signs == s).sum() == 1 or not len(signs):
            raise DataError(
                f"{(signs == s).sum()} ramp of sign {s:g}: a spread from cycle to cycle needs two or more. "
                "`read_ramps` reads a table of them, `fit_response` fits one."
            )
    y = np.full((len(ramps), max(len(r) for r in ramps)), np.nan)
    for row, ramp in zip(y, ramps, strict=True):
        row[: len(ramp)] = ramp.conductance
    low, high = float(np.nanmin(y)), float(np.nanmax(y))
    if not high > low:
        raise DataError(f"all readings are {low:g} S: no pulse moves anything. Is it the right column?")
    w_min, w_max = float(device.w_min), float(device.w_max)
    w = w_min + (w_max - w_min) * (y - low) / (high - low)
    return w.astype(jnp.result_type(float)), signs, (low, high)


def first_guess(
    y: Float[np.ndarray, "ramps n"], signs: Float[np.ndarray, " ramps"]
) -> tuple[Float[np.ndarray, "2"], float, Float[np.ndarray, "2"]]:
    """Start of ramps up and down, scatter of a reading, and spread of the starts."""
    starts, spread, squares = np.zeros(2), np.full(2, np.nan), []
    for k, s in enumerate(UP_DOWN):
        rows = y[signs == s]
        if not len(rows):
            continue
        first = rows[:, :2].mean(axis=0)
        starts[k], spread[k] = 2 * first[0] - first[1], rows[:, 0].std()
        steps = np.diff(rows, axis=1)
        steps = steps[:, np.isfinite(steps).all(axis=0)]
        squares.append(np.var(steps - steps.mean(axis=0)))
    # Two readings and a pulse in each difference. Equal ramps have no scatter at all, which no logarithm likes.
    reading = max(float(np.sqrt(np.mean(squares) / 3)), 1e-6 * float(np.nanmax(np.abs(y))))
    return starts, reading, np.fmax(spread, reading)


def _sign(ramp: PulseTrace) -> float:
    of = np.unique(np.sign(ramp.amplitude))
    if len(of) != 1 or of[0] == 0:
        raise DataError(f"{ramp.name!r} has pulses of signs {of.tolist()}; a ramp goes up or down.")
    if not ramp.read.all() or len(ramp) < 3:
        raise DataError(
            f"{ramp.name!r} has {int(ramp.read.sum())} readings of {len(ramp)} pulses; needs all, of three."
        )
    return float(of[0])
