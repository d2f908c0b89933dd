"""A device whose pulses have a closed form, and the map that several test modules share."""

import functools
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp

import physics
from neurojax import programming
from physics.device import AbstractDevice, Sweep
from physics.quantity import Param, quantity, state_variable


class Filling(AbstractDevice):
    """dx/dt = k |v| (full - x) upwards, -k |v| x downwards, i = (g_off + g_on x) v."""

    class State(eqx.Module):
        x: Param = state_variable((0.0, 1.0), doc="filling")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    sweep: ClassVar[Sweep] = Sweep(1.0, -1.0, 1.0)
    k: Param = quantity(100.0, "1/(V s)", (1e-3, 1e6), scale="log", doc="speed", source="chosen")
    full: Param = quantity(1.0, "1", (0.5, 2.0), doc="where it ends", source="chosen")
    g_on: Param = quantity(1e-5, "S", (1e-9, 1e-3), scale="log", doc="at x = 1, more", source="chosen")
    g_off: Param = quantity(1e-6, "S", (1e-9, 1e-3), scale="log", doc="at x = 0", source="chosen")

    def init(self, env):
        return Filling.State(jnp.zeros_like(self.k))

    def rate(self, x, v, env):
        up, down = jnp.maximum(v, 0.0), jnp.maximum(-v, 0.0)
        return Filling.State(self.k * (up * (self.full - x.x) - down * x.x))

    def current(self, x, v, env):
        return (self.g_off + self.g_on * x.x) * v


WIDTH, RISE = 1e-3, 1e-5


@functools.cache
def filling(low=0.5, high=1.0, full=1.0, tol=1e-4):
    """Its map over amplitudes, or of one where both are the same."""
    volts = low if low == high else (low, high)
    return programming.pulse_map(Filling().replace(full=full), volts, WIDTH, rise=RISE, tol=tol)


@functools.cache
def yakopcic():
    """Both directions in one map."""
    return programming.pulse_map(physics.Yakopcic(), (-0.45, 0.45), 1e-4, tol=1e-3)
