"""X5: temporal classes that no single channel can tell: two pulses, and the delay between them is the class.

    pulses = delays(64, key=key)        pulses.volts(t) at the ears, pulses.label

As the delay between the ears tells from where a sound comes, here at the pace of fast switches: nanoseconds instead of
a tenth of a millisecond. When the pair comes, how high each pulse is and its jitter are drawn anew, so that neither
channel knows anything alone. Synthetic; all numbers are chosen.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from neurojax.errors import DataError
from neurojax.waveform import Waveform

DURATION = 5e-8
"""Of a decision (s)."""
RISE, WIDTH = 5e-10, 3e-9
"""Of the edges of a pulse, and of it at half of its height (s)."""


class Pulses(eqx.Module):
    """One pulse a channel.

    Attributes:
        middle: of each pulse (s). height: V. label: which delay.
    """

    middle: Float[Array, "waveforms channels"]
    height: Float[Array, "waveforms channels"]
    label: Int[Array, " waveforms"]

    def volts(self, t: Float[Array, "waveforms neurons"]) -> Float[Array, "channels waveforms neurons"]:
        """Of the channels (V) at times t (s), those of each neuron its own."""
        away = jnp.abs(t[None] - self.middle.T[..., None])
        return self.height.T[..., None] * jnp.clip(((WIDTH + RISE) / 2 - away) / RISE, 0.0, 1.0)

    def wave(self, waveform: int, channel: int) -> Waveform:
        """The same pulse as a waveform."""
        m, h = float(self.middle[waveform, channel]), float(self.height[waveform, channel])
        a, b = (WIDTH + RISE) / 2, (WIDTH - RISE) / 2
        return Waveform(np.asarray([0.0, m - a, m - b, m + b, m + a, DURATION]), np.asarray([0, 0, h, h, 0, 0]))


def delays(
    count: int,
    classes: int = 5,
    apart: float = 5e-9,
    jitter: float = 5e-10,
    height: float = 2.0,
    spread: float = 0.05,
    *,
    key: Array,
) -> Pulses:
    """`count` pairs of pulses, the classes in turn.

    Args:
        count: of pairs. classes: delays, `apart` (s) from each other and even about zero. jitter: standard deviation
            of each pulse (s). height: V, `spread` its standard deviation in parts. key: of the draw.

    Raises:
        DataError: fewer than two classes, or delays that do not fit into `DURATION`.
    """
    reach = (classes - 1) / 2 * apart + 6 * jitter
    if classes < 2 or not 0 < 2 * reach < 0.8 * DURATION:
        raise DataError(f"delays: {classes} classes {apart:g} s apart do not fit into {DURATION:g} s, or are too few.")
    label = jnp.arange(count) % classes
    when, shake, high = jax.random.split(key, 3)
    dtype = jnp.result_type(float)
    middle = DURATION * (0.4 + 0.1 * jax.random.uniform(when, (count, 1), dtype))
    delay = (label.astype(dtype) - (classes - 1) / 2)[:, None] * apart
    middle = middle + delay * jnp.asarray([[-0.5, 0.5]], dtype)
    middle = middle + jitter * jax.random.normal(shake, middle.shape, dtype)
    return Pulses(middle, height * (1 + spread * jax.random.normal(high, middle.shape, dtype)), label)
