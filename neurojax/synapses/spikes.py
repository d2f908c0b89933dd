"""Shapes of spikes, and trains of them: waveforms whose times may be traced."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from neurojax._sources import ramped
from neurojax.errors import DataError
from neurojax.waveform import Waveform, interpolate

PIECES = 25
"""Straight lines of an exponential tail, each a fifth of its time constant long."""
APART = 64
"""Roundings by which knots that fall on each other are told apart."""


def exponential_spike(peak: float, width: float, tail: float, tau: float) -> Waveform:
    """A square peak and an exponential tail, V = peak for `width`, then tail exp(-t/tau) for five time constants.

    The tail is a chain of straight lines of tau/5 each, which lie up to 0.5 % above it.

    Args:
        peak: of the square, V. width: of the square, s. tail: at its beginning, V, usually of the other sign. tau: s.

    Raises:
        DataError: a width or time constant that is not positive.
    """
    ends = np.linspace(0.0, PIECES / 5, PIECES + 1)
    return _tailed(peak, width, tail * np.exp(-ends), tau * ends)


def triangular_spike(peak: float, width: float, tail: float, length: float) -> Waveform:
    """A square peak and a triangular tail, V = peak for `width`, then tail (1 - t/length) until it is gone.

    Args:
        peak: of the square, V. width: of the square, s. tail: at its beginning, V. length: of the tail, s.

    Raises:
        DataError: a width or length that is not positive.
    """
    return _tailed(peak, width, tail * np.asarray([1.0, 0.0]), length * np.asarray([0.0, 1.0]))


def square_spike(peak: float, width: float, tail: float = 0.0, length: float | None = None) -> Waveform:
    """A square peak, and a square tail where one is asked for: V = peak for `width`, then `tail` for `length`.

    Args:
        peak: of the first square, V. width: of the first square, s. tail: of the second, V. length: of the second, s,
            default the width.

    Raises:
        DataError: a width or length that is not positive.
    """
    length = width if length is None else length
    edge = 0.01 * min(width, length)
    return _tailed(peak, width, tail * np.asarray([1.0, 1.0, 0.0]), np.asarray([0.0, length, length + edge]))


def _tailed(peak: float, width: float, volts: Any, after: Any) -> Waveform:
    if not (width > 0 and after[-1] > 0):
        raise DataError(f"a spike of {width:g} s with a tail of {float(after[-1]):g} s: both must be positive.")
    edge = 0.01 * width
    t = np.concatenate([[0.0, edge, edge + width], 2 * edge + width + after])
    v = np.concatenate([[0.0, peak, peak], volts])
    return Waveform(t, v) if volts[-1] == 0 else Waveform([*t, t[-1] + edge], [*v, 0.0])


def without_jumps(shape: Waveform) -> Waveform:
    """The shape with its jumps as ramps, where its times are numbers.

    Args:
        shape: of a spike.

    Raises:
        DataError: a shape of several ports.
    """
    if shape.v.ndim != 1:
        raise DataError(f"the shape of a spike has one voltage a knot; got {shape.v.shape}.")
    if isinstance(shape.t, Tracer):
        return shape
    return Waveform(ramped(np.asarray(shape.t)), shape.v)


def knots_of(pairs: Any, end: Array) -> Float[Array, " knots"]:
    """Where trains bend, in their order and apart by a rounding at least: (knots,).

    Args:
        pairs: of the shape of a spike and the times (s) at which it begins. end: last knot (s).
    """
    own = [(times[:, None] + (shape.t - shape.t[0])[None]).ravel() for shape, times in pairs]
    t = jnp.sort(jnp.concatenate([jnp.zeros_like(end)[None], *own, end[None]]))
    apart = APART * jnp.finfo(t.dtype).eps * jax.lax.stop_gradient(t[-1] - t[0])
    steps = apart * jnp.arange(t.shape[0], dtype=t.dtype)
    return jax.lax.cummax(t - steps) + steps


def train_at(shape: Waveform, times: Float[Array, " spikes"], t: Float[Array, " knots"]) -> Float[Array, " knots"]:
    """Voltage (V) of a train; where spikes overlap, they add.

    Args:
        shape: of a spike, zero before and after. times: at which one begins (s), (spikes,). t: asked for (s), (knots,).
    """
    if times.shape[0] == 0:
        return jnp.zeros_like(t)

    def one(since: Array) -> Array:
        v, inside = interpolate(shape.t, shape.v, since + shape.t[0])[0], (since >= 0) & (since <= shape.duration)
        return jnp.where(inside, v, jnp.zeros_like(v))

    return jnp.sum(jax.vmap(lambda begin: jax.vmap(one)(t - begin))(times), axis=0)
