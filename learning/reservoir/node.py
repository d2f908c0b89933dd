"""Reservoirs of devices that do not touch: one node used many times by a mask, and many devices side by side.

node = node_reservoir(frames, 40, gain=0.5, offset=0.9, key=key)             one device, 40 virtual nodes
array = parallel_reservoir(frames, 20, gain=1.0, offset=0.4, key=key)         20 devices
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Float

import neurojax as nj
from learning.readout import Linear
from learning.reservoir.frames import AbstractFrames
from learning.reservoir.reservoir import AbstractReservoir, Noise

Real = float | Float[Array, "..."]


class NodeReservoir(AbstractReservoir):
    """One device, or a few, each of which gets every sample several times through a mask and is read each time.

        V_dj = offset_d + gain_d (mask_dj . u) + feedback_d r_dj,  j = 1 ... slots within a sample

    r_dj is what slot j read a sample ago (the delay line; `feedback` in V a unit of reading). Slots within the memory
    of the device are coupled by its own dynamics.

    L. Appeltant et al., Nat. Commun. 2, 468 (2011), 10.1038/ncomms1476.

    Attributes:
        frames: what a slot does to the devices. mask: (devices, slots, inputs). gain, offset, feedback: (devices,).
        limits: (low, high) in V to which voltages are clipped. noise: of the readings. readout: of the fitted one.
    """

    frames: AbstractFrames
    mask: Float[Array, "devices slots inputs"]
    gain: Float[Array, " devices"]
    offset: Float[Array, " devices"]
    feedback: Float[Array, " devices"]
    limits: Float[Array, " 2"]
    noise: Noise
    readout: Linear | None = None

    def initial(self) -> Any:
        """As of `AbstractReservoir`."""
        devices, slots, _ = self.mask.shape
        return self.frames.start(devices), jnp.zeros((slots, devices), self.mask.dtype)

    def volts(self, u: Float[Array, " inputs"], last: Float[Array, "slots devices"]) -> Float[Array, "slots devices"]:
        """Voltages of the slots of one sample `u`, where `last` was read a sample ago."""
        masked = jnp.einsum("dsi,i->sd", self.mask, u)
        return jnp.clip(self.offset[None] + self.gain[None] * masked + self.feedback[None] * last, *self.limits)

    def step(self, state: Any, u: Float[Array, " inputs"]) -> tuple[Any, Float[Array, " features"]]:
        """As of `AbstractReservoir`."""
        x, last = state
        x, readings = lax.scan(lambda x, v: self.frames.step(x, v), x, self.volts(u, last))
        return (x, readings), readings.ravel()


class ParallelReservoir(AbstractReservoir):
    """Devices side by side, each with a drive of its own: V_d = offset_d + gain_d (weights_d . u).

    C. Du et al., Nat. Commun. 8, 2204 (2017), 10.1038/s41467-017-02337-y.

    Attributes:
        frames: what a sample does to the devices; a population there has as many members. weights: (devices, inputs).
        gain, offset: (devices,), V. limits: (low, high) in V to which voltages are clipped. noise: of the readings.
        readout: of the fitted reservoir.
    """

    frames: AbstractFrames
    weights: Float[Array, "devices inputs"]
    gain: Float[Array, " devices"]
    offset: Float[Array, " devices"]
    limits: Float[Array, " 2"]
    noise: Noise
    readout: Linear | None = None

    def initial(self) -> Any:
        """As of `AbstractReservoir`."""
        return self.frames.start(self.weights.shape[0])

    def step(self, state: Any, u: Float[Array, " inputs"]) -> tuple[Any, Float[Array, " features"]]:
        """As of `AbstractReservoir`."""
        volts = jnp.clip(self.offset + self.gain * (self.weights @ u), *self.limits)
        return self.frames.step(state, volts)


class JoinedReservoir(AbstractReservoir):
    """Several reservoirs under one input, read together; their frames may take different times.

    Attributes:
        parts: the reservoirs, whose own noise and readouts are not used. noise: of all readings. readout: of the whole.
    """

    parts: tuple[AbstractReservoir, ...]
    noise: Noise
    readout: Linear | None = None

    def initial(self) -> Any:
        """As of `AbstractReservoir`."""
        return tuple(part.initial() for part in self.parts)

    def step(self, state: Any, u: Float[Array, " inputs"]) -> tuple[Any, Float[Array, " features"]]:
        """As of `AbstractReservoir`."""
        done = [part.step(x, u) for part, x in zip(self.parts, state, strict=True)]
        return tuple(x for x, _ in done), jnp.concatenate([read for _, read in done])


def node_reservoir(
    frames: AbstractFrames,
    slots: int,
    *,
    devices: int = 1,
    inputs: int = 1,
    gain: Real = 1.0,
    offset: Real = 0.0,
    feedback: Real = 0.0,
    limits: tuple[float, float] = (-jnp.inf, jnp.inf),
    levels: Sequence[float] = (-1.0, 1.0),
    noise: Noise | None = None,
    key: Array,
) -> NodeReservoir:
    """A `NodeReservoir` with a random mask.

    Args:
        frames: what a slot does. slots: virtual nodes a device. devices: how many of these, each with its own mask.
        inputs: size of a sample. gain, offset (V), feedback (V a unit of reading), limits (V): of the drive, one or one
            a device. levels: values that the mask takes, equally often in the mean. noise: of the readings (none).
        key: of the mask.

    Raises:
        DataError: no slot or no device.
    """
    if slots < 1 or devices < 1:
        raise nj.DataError(f"node_reservoir: {devices} devices with {slots} slots; at least one of each.")
    dtype = jnp.result_type(float)
    mask = jax.random.choice(key, jnp.asarray(levels, dtype), (devices, slots, inputs))
    names = ("gain", "offset", "feedback")
    each = dict(zip(names, _each(devices, gain, offset, feedback), strict=True))
    silent = Noise() if noise is None else noise
    return NodeReservoir(frames=frames, mask=mask, limits=jnp.asarray(limits, dtype), noise=silent, **each)


def parallel_reservoir(
    frames: AbstractFrames,
    devices: int,
    *,
    inputs: int = 1,
    gain: Real = 1.0,
    offset: Real = 0.0,
    limits: tuple[float, float] = (-jnp.inf, jnp.inf),
    sigma: float = 0.0,
    noise: Noise | None = None,
    key: Array,
) -> ParallelReservoir:
    """A `ParallelReservoir`.

    Args:
        frames: what a sample does. devices: how many. inputs: size of a sample; of one input all weights are 1, of more
            they are random signs. gain, offset, limits (V): of the drive, one or one a device. sigma: spread of the
            gain from device to device, log-normal. noise: of the readings (none). key: of weights and spread.

    Raises:
        DataError: no device.
    """
    if devices < 1:
        raise nj.DataError(f"parallel_reservoir: {devices} devices; at least one.")
    one, two = jax.random.split(key)
    dtype = jnp.result_type(float)
    signs = jax.random.choice(one, jnp.asarray([-1.0, 1.0], dtype), (devices, inputs))
    weights = jnp.ones((devices, 1), dtype) if inputs == 1 else signs
    gain, offset = _each(devices, gain, offset)
    gain = gain * jnp.exp(sigma * jax.random.normal(two, (devices,), dtype))
    drive: dict[str, Any] = dict(weights=weights, gain=gain, offset=offset, limits=jnp.asarray(limits, dtype))
    return ParallelReservoir(frames=frames, noise=Noise() if noise is None else noise, **drive)


def drive_for(u: Float[Array, "..."], volts: tuple[float, float], *, signed: bool = False) -> tuple[Array, Array]:
    """Gain and offset (V) that bring an input into a range of voltages.

    Args:
        u: a typical input; its extremes are taken. volts: lowest and highest voltage. signed: where a mask of both
            signs multiplies u first.

    Raises:
        DataError: an input that never moves.
    """
    low, high = (-jnp.max(jnp.abs(u)), jnp.max(jnp.abs(u))) if signed else (jnp.min(u), jnp.max(u))
    if not isinstance(low, Tracer) and not float(high) > float(low):
        raise nj.DataError(f"drive_for: the input is {float(low):g} everywhere; a range needs two ends.")
    gain = (volts[1] - volts[0]) / (high - low)
    return gain, volts[0] - gain * low


def _each(n: int, *values: Real) -> list[Array]:
    return [jnp.broadcast_to(jnp.asarray(a, jnp.result_type(float)), (n,)) for a in values]
