"""Frames of spin-torque oscillators: the power of the precession in closed form, over any number of its periods."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

import neurojax as nj
import physics
from learning.reservoir.frames import AbstractFrames, Lanes, Times, timed


class OscillatorFrames(AbstractFrames):
    """dp/dt = 2 Gamma p [zeta - 1 - (zeta + Q) p], the power of `physics.SpinOscillator`, whose phase is not read.

    With a = 2 Gamma (zeta - 1), b = 2 Gamma (zeta + Q) and zeta = g v/i_th the solution over a time t is
    p e^(at)/(1 + p b (e^(at) - 1)/a), above and below the threshold (zeta = 1), as long as the voltage stays. What is
    read is the amplitude sqrt(p) at the end of the pulse, what a diode behind the oscillator would measure. The thermal
    power `floor` is where p starts and below which it does not fall.

    J. Torrejon et al., Nature 547, 428 (2017), 10.1038/nature23011; equation: 10.1109/TMAG.2008.2009935. Deviation: the
    thermal fluctuation that restarts a damped precession is this floor.

    Attributes:
        device: the oscillator, one or a population. width, rest: of the pulse and of the pause after it (s), one or
            one a device.
        bias: voltage on top of every pulse and in every pause (V). floor: smallest power.
    """

    device: physics.SpinOscillator
    width: Times
    rest: Times
    bias: Float[Array, ""]
    floor: Float[Array, ""]

    def start(self, n: int) -> Any:
        """As of `AbstractFrames`."""
        return jnp.full((n,), self.floor)

    def step(self, x: Any, volts: Lanes) -> tuple[Any, Lanes]:
        """As of `AbstractFrames`."""
        top = self._moved(x, volts + self.bias, self.width)
        end = self._moved(top, jnp.zeros_like(volts) + self.bias, self.rest)
        return end, jnp.sqrt(top)

    def _moved(self, p: Array, v: Array, time: Array) -> Array:
        device = self.device
        zeta = device.conductance_mean * v / device.i_th
        a = 2 * device.damping * (zeta - 1) * time
        size = jnp.abs(a)
        small = size < 1e-6
        safe = jnp.where(small, jnp.ones_like(a), size)
        mean = jnp.where(small, 1 - size / 2, -jnp.expm1(-safe) / safe)
        b = 2 * device.damping * (jnp.maximum(zeta, 0.0) + device.q_shift) * time
        # Of e^a p/(1 + p b (e^a - 1)/a), with nothing that overflows far above the threshold.
        fall = jnp.exp(-size)
        above, below = p / (fall + p * b * mean), p * fall / (1 + p * b * mean)
        return jnp.maximum(jnp.where(a > 0, above, below), self.floor)


def oscillator_frames(
    device: physics.SpinOscillator, width: float, *, rest: float, bias: float = 0.0, floor: float | None = None
) -> OscillatorFrames:
    """Frames of spin-torque oscillators.

    Args:
        device: one or a population. width, rest: of the pulse and of the pause after it (s). bias: voltage that is
            always there (V). floor: smallest power, that of the start of the device unless given.

    Raises:
        DataError: a floor that is not between 0 and 1.
    """
    low = jnp.mean(jnp.asarray(device.amplitude)) ** 2 if floor is None else jnp.asarray(floor, jnp.result_type(float))
    if not 0 < float(low) < 1:
        raise nj.DataError(f"floor = {float(low):g} must be between 0 and 1, for instance 1e-3.")
    return OscillatorFrames(device, *timed(width, rest), jnp.asarray(bias, jnp.result_type(float)), low)
