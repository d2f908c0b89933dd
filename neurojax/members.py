"""What a lane of the solver is made of: a device, what surrounds it, and the circuit that measures it."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from neurojax.instrument import Instrument
from physics.device import AbstractDevice, Environment, stores_charge


class Members(eqx.Module):
    """A device in its surroundings and measuring circuit: what a lane of the solver needs."""

    device: AbstractDevice
    env: Environment
    instrument: Instrument | None

    def voltage(self, x: Any, v: Array) -> Array:
        """The part of the applied voltage that falls on the device (V)."""
        return v if self.instrument is None else self.instrument.device_voltage(self.device, x, v, self.env)

    def rate(self, x: Any, v: Array) -> Any:
        """dx/dt (1/s) under an applied voltage."""
        return self.device.rate(x, self.voltage(x, v), self.env)

    def drift(self, x: Any, v: Array) -> Any:
        """Drift of one path of a Langevin device (1/s)."""
        device: Any = self.device
        return device.drift(x, self.voltage(x, v), self.env)

    def diffusion(self, x: Any, v: Array) -> Any:
        """Noise amplitude of a Langevin device (1/sqrt(s))."""
        device: Any = self.device
        return device.diffusion(x, self.voltage(x, v), self.env)

    def kick(self, x: Any, v: Array, noise: Any) -> Any:
        """What standard normal numbers add to the state of a Langevin device (1/sqrt(s))."""
        device: Any = self.device
        return device.kick(x, self.voltage(x, v), noise, self.env)

    def observe(self, x: Any, v: Array, slope: Array) -> tuple[Array, Array]:
        """Measured current (A) and power taken from the source (W)."""
        inner = self.voltage(x, v)
        i = self.device.current(x, inner, self.env)
        device = self.device
        if stores_charge(device):
            moved = device.rate(x, inner, self.env)
            i = i + jax.jvp(lambda y, u: device.charge(y, u, self.env), (x, inner), (moved, slope))[1]
        return (i if self.instrument is None else self.instrument.measured(i)), jnp.sum(v * i)

    def conductance(self, x: Any, v_read: Array) -> Array:
        """Reading i/v (S) at `v_read` on the last port, the others at zero."""
        v = v_read
        if self.device.port_shape:
            v = jnp.zeros(self.device.port_shape, v_read.dtype).at[-1].set(v_read)
        i = self.device.current(x, self.voltage(x, v), self.env)
        i = i[-1] if self.device.port_shape else i
        return (i if self.instrument is None else self.instrument.measured(i)) / v_read


def member_axes(members: Any) -> Any:
    """0 for every leaf with a leading axis, None for those that all members share."""
    return jax.tree.map(lambda a: 0 if getattr(a, "ndim", 0) else None, members)


def start_states(members: Any, axes: Any, x0: Any, lanes: int) -> Any:
    """Initial states with a lane axis."""
    if x0 is None:
        return jax.vmap(lambda m: m.device.init(m.env), in_axes=(axes,), axis_size=lanes)(members)
    return jax.tree.map(lambda a: jnp.asarray(a) if jnp.ndim(a) else jnp.full(lanes, a), x0)
