"""Images as trains of pulses: what a short memory makes of a few pixels in a row.

    states = pulse_states(frames, rows, volts=(0.0, 1.4))         (images, trains), one device and one reading a train
    readout = learning.readout.logistic(states, labels, 1e-6)
    accuracy(readout, states_of_others, labels_of_others)

C. Du et al., Nat. Commun. 8, 2204 (2017), 10.1038/s41467-017-02337-y: five devices read the five rows of 5 x 4 digits,
88 devices the sections of the rows of larger ones, at two rates.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

import neurojax as nj
from learning.readout import Linear
from learning.reservoir.frames import AbstractFrames
from learning.reservoir.reservoir import Noise

Images = Float[Array, "images height width"]


def sections(images: Images, length: int, *, columns: bool = False) -> Float[Array, "images trains pulses"]:
    """The rows of images, cut into trains of `length` pixels; the last one of a row is filled up with zeros.

    Args:
        images: of values between 0 and 1. length: pixels a train. columns: the columns as well, behind the rows.

    Raises:
        DataError: a length below one.
    """
    if length < 1:
        raise nj.DataError(f"sections: length = {length}, a train has at least one pixel.")

    def cut(images: Array) -> Array:
        n, height, width = images.shape
        parts = -(-width // length)
        padded = jnp.pad(images, ((0, 0), (0, 0), (0, parts * length - width)))
        return padded.reshape(n, height * parts, length)

    rows = cut(images)
    return jnp.concatenate([rows, cut(jnp.swapaxes(images, 1, 2))], axis=1) if columns else rows


@eqx.filter_jit
def pulse_states(
    frames: AbstractFrames,
    trains: Float[Array, "images trains pulses"],
    volts: tuple[float, float],
    *,
    noise: Noise | None = None,
    key: Array | None = None,
) -> Float[Array, "images trains"]:
    """What each device reads after its train of pulses, beginning at rest for every image.

    Args:
        frames: what a pulse does; a population there has one member a train. trains: pixels between 0 and 1.
            volts: of a pixel of 0 and of one of 1. noise: of the readings, drawn by key; None for none.
    """
    levels = volts[0] + (volts[1] - volts[0]) * trains

    def one(train: Array) -> Array:
        return lax.scan(lambda x, v: frames.step(x, v), frames.start(train.shape[0]), train.T)[1][-1]

    read = jax.vmap(one)(levels)
    return read if noise is None or key is None else noise(read, key)


def accuracy(
    readout: Linear, states: Float[Array, "images features"], labels: Int[Array, " images"]
) -> Float[Array, ""]:
    """Share of images whose largest answer of a `readout` of `states` is that of their `labels`."""
    return jnp.mean((jnp.argmax(readout(states), axis=1) == labels).astype(states.dtype))
