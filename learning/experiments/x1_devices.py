"""Devices as nodes of a reservoir: `Driven` sets what voltages inputs become, `Leaky` is a node in closed form."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.quantity import Param, quantity, state_variable
from physics.smooth import end_stops

Real = Float[Array, "..."]


class Driven(AbstractDevice):
    """Any device of two terminals behind an amplifier: v = v_low + (v_high - v_low) s for an input s of 0 to 1.

    What is applied to it (V of a waveform) is s. So all nodes of a reservoir share one waveform, and bounds on the two
    voltages are bounds on what a device ever sees.
    """

    terminals: ClassVar[tuple[str, ...]] = ("input", "ground")
    sweep: ClassVar[Sweep] = Sweep(1.0, 0.0, 1.0)
    stores_energy: ClassVar[bool] = True
    device: AbstractDevice
    v_low: Param = quantity(0.0, "V", (-5.0, 5.0), doc="voltage at s = 0", source="a circuit")
    v_high: Param = quantity(1.0, "V", (-5.0, 5.0), doc="voltage at s = 1", source="a circuit")

    def init(self, env: Environment) -> Any:
        """That of the device."""
        return self.device.init(env)

    def rate(self, x: Any, v: Volts, env: Environment) -> Any:
        """That of the device at its own voltage."""
        return self.device.rate(x, self.voltage(v), env)

    def current(self, x: Any, v: Volts, env: Environment) -> Amps:
        """Through the device, which the amplifier supplies."""
        return self.device.current(x, self.voltage(v), env)

    def voltage(self, s: Real) -> Real:
        """What an input `s` becomes (V)."""
        return self.v_low + (self.v_high - self.v_low) * s


class Leaky(AbstractDevice):
    """dw/dt = lam sinh(eta v) f(w) - w/tau,  f = 1 - w for v > 0 and w for v < 0,  i = g w v.

    The interface device of Chang et al., Appl. Phys. A 102, 857 (2011), 10.1007/s00339-011-6296-1, with a window that
    is linear: at a constant voltage the state is an exponential, so a pulse has a closed form (`after`). The two signs
    are exchanged within v_s by the state equation, at once by the closed form.
    """

    class State(eqx.Module):
        w: Param = state_variable((0.0, 1.0), doc="conducting fraction")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P4 RRAM, interface"
    doi: ClassVar[str] = "10.1007/s00339-011-6296-1"
    sweep: ClassVar[Sweep] = Sweep(2.0, -2.0, 0.1)
    lam: Param = quantity(5.0, "1/s", (0.1, 1e3), scale="log", doc="speed of the growth", source="chosen")
    eta: Param = quantity(2.0, "1/V", (0.1, 5.0), doc="voltage sensitivity of the growth", source="chosen")
    tau: Param = quantity(0.05, "s", (1e-3, 10.0), scale="log", doc="decay time", source="chosen")
    g: Param = quantity(1e-4, "S", (1e-7, 1e-2), scale="log", doc="conductance at w = 1", source="chosen", free=False)
    v_s: Param = quantity(
        1e-6, "V", (1e-8, 1e-2), scale="log", doc="exchange of the signs", source="chosen", free=False
    )

    def init(self, env: Environment) -> State:
        """At rest, whatever `env`."""
        del env
        return Leaky.State(w=jnp.zeros_like(self.tau))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        """Growth, or shrinking, and decay."""
        del env
        drive = self.lam * jnp.sinh(self.eta * v) * end_stops(v, 1 - x.w, x.w, self.v_s)
        return Leaky.State(w=drive - x.w / self.tau)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        """Ohmic, in proportion to the state."""
        del env
        return self.g * x.w * v

    def after(self, v: Real, width: float) -> tuple[Real, Real]:
        """(a, b) of w -> a w + b, what `width` (s) at a voltage `v` does to the state."""
        speed = self.lam * jnp.sinh(self.eta * v)
        up, down = jnp.maximum(speed, 0.0), jnp.maximum(-speed, 0.0)
        total = up + down + 1 / self.tau
        return jnp.exp(-total * width), -jnp.expm1(-total * width) * up / total
