"""The sources of a circuit as one drive: their waveforms on common knots, constants beside them.

A jump becomes a ramp of a millionth of the shorter of its neighbours, as voltages of nodes without a capacitor cannot
follow one; at the jump itself a sample is that before it.
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array

from neurojax.errors import CircuitError
from neurojax.waveform import Waveform
from physics.quantity import Param, quantity

RAMP = 1e-6
"""Of a jump, in parts of the shorter of the pieces beside it."""


class DC(eqx.Module):
    """A constant source: voltage in V, or in A within a `CurrentSource`."""

    value: Param = quantity(0.0, "1", (-1e6, 1e6), doc="voltage (V), or current (A)", source="chosen")


class CurrentSource(eqx.Module):
    """A current (A), a waveform, `DC` or number: positive from the first node through the source to the second."""

    of: Waveform | DC

    def __init__(self, of: Any):
        self.of = of if isinstance(of, Waveform) else of if isinstance(of, DC) else DC(of)


def knots(sources: Sequence[Waveform | DC], duration: float | None) -> Array:
    """Common knots (s) of all waveforms, jumps as ramps, up to `duration` or the last.

    Raises:
        CircuitError: nothing says how long, or times that are traced and differ.
    """
    times = [s.t for s in sources if isinstance(s, Waveform)]
    if any(isinstance(t, Tracer) for t in times):
        if any(t is not times[0] for t in times) or duration is not None:
            raise CircuitError("traced knots of a waveform: all sources must share them, and give their duration.")
        return times[0]
    if not times and duration is None:
        raise CircuitError("no source says how long this takes: give duration=... (s).")
    each = [ramped(np.asarray(t)) for t in times]
    end = float(duration) if duration is not None else max(float(t[-1]) for t in each)
    begin = min([0.0, *(float(t[0]) for t in each)])
    if not end > begin:
        raise CircuitError(f"duration = {end:g} s must be after {begin:g} s, when the first source begins.")
    every = np.unique(np.concatenate([[begin, end], *each]))
    dtype = times[0].dtype if times else jnp.result_type(float)
    # Numbers, also within jit.
    with jax.ensure_compile_time_eval():
        return jnp.asarray(every[every <= end], dtype)


def values(source: Waveform | DC, t: Array) -> Array:
    """Of a source at common knots: (K,), or () for a constant."""
    if isinstance(source, DC):
        return source.value
    if isinstance(source.t, Tracer):
        return source.v
    own, at = ramped(np.asarray(source.t)), np.asarray(t)
    k = np.clip(np.searchsorted(own, at, side="right") - 1, 0, len(own) - 2)
    part = jnp.asarray(np.clip((at - own[k]) / (own[k + 1] - own[k]), 0.0, 1.0), source.v.dtype)
    return source.v[k] * (1 - part) + source.v[k + 1] * part


def ramped(t: np.ndarray) -> np.ndarray:
    """Strictly increasing: of a doubled knot the second moves back."""
    t, lengths = np.array(t, float), np.diff(t)
    for k in np.flatnonzero(lengths == 0):
        beside = [d for d in (lengths[k - 1] if k else 0.0, lengths[k + 1] if k + 1 < len(lengths) else 0.0) if d > 0]
        t[k + 1] = t[k] + RAMP * min(beside, default=max(float(t[-1] - t[0]), 1e-30))
    if (np.diff(t) <= 0).any():
        raise CircuitError("a waveform jumps more than once at one time.")
    return t
