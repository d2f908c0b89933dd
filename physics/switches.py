"""What is put in series with a memory cell: a switch, and selectors. `Switch`, `Selector`, `ThresholdSelector`."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.conduction import sinh_law
from physics.device import AbstractDevice, AbstractStateless, Amps, Environment, Sweep, Volts
from physics.quantity import Param, quantity, state_variable

Real = Float[Array, "..."]


class Switch(AbstractStateless):
    """i = v g,  ln g = s ln(1/r_on) + (1 - s) ln(1/r_off),  s = 1/(1 + exp(-(v_c - v_th)/v_w)).

    Closed where the control is more than a few v_w above v_th; the control takes no current. As the voltage-controlled
    switch of SPICE, with the logarithm of the conductance going smoothly from one to the other.
    """

    terminals: ClassVar[tuple[str, ...]] = ("control", "top", "bottom")
    family: ClassVar[str] = "element"
    doi: ClassVar[str] = "textbook"
    sweep: ClassVar[Sweep] = Sweep((1.0, 1.0), (0.0, -1.0), 1e-3)
    ordered: ClassVar[tuple[tuple[str, str], ...]] = (("r_on", "r_off"),)
    r_on: Param = quantity(100.0, "ohm", (1e-3, 1e6), scale="log", doc="resistance, closed", source="chosen")
    r_off: Param = quantity(1e9, "ohm", (1e3, 1e15), scale="log", doc="resistance, open", source="chosen")
    v_th: Param = quantity(0.5, "V", (-5.0, 5.0), doc="control at which it switches", source="chosen")
    v_w: Param = quantity(0.02, "V", (1e-3, 1.0), scale="log", doc="width of the transition", source="chosen")

    def current(self, x, v: Volts, env: Environment) -> Amps:
        del x, env
        closed = jax.nn.sigmoid((v[0] - self.v_th) / self.v_w)
        i = v[1] * jnp.exp(-closed * jnp.log(self.r_on) - (1 - closed) * jnp.log(self.r_off))
        return jnp.stack([jnp.zeros_like(i), i])


class Selector(AbstractStateless):
    """i = i_0 sinh(v/v_0).

    An exponential selector, such as a tunnel barrier or mixed ionic-electronic conductor: at half the voltage it
    carries exp(-v/2 v_0) of the current (`half_select` is the inverse of that).
    """

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "element"
    doi: ClassVar[str] = "textbook"
    sweep: ClassVar[Sweep] = Sweep(1.5, -1.5, 1e-3)
    i_0: Param = quantity(1e-11, "A", (1e-18, 1e-3), scale="log", doc="current scale", source="chosen")
    v_0: Param = quantity(0.1, "V", (0.03, 1.0), scale="log", doc="voltage for e times the current", source="chosen")

    def current(self, x, v: Volts, env: Environment) -> Amps:
        del x, env
        return sinh_law(v, self.i_0, self.v_0)

    def half_select(self, v: Real) -> Real:
        """i(v)/i(v/2) = 2 cosh(v/2 v_0): how well it keeps half-selected cells out."""
        return 2 * jnp.cosh(0.5 * v / self.v_0)


class ThresholdSelector(AbstractDevice):
    """dx/dt = h (1 - x)/tau_on - (1 - h) x/tau_off,  h = 1/(1 + exp((v_x - |v|)/v_w)),  v_x = v_th - (v_th - v_hold) x.

    x is the conducting share, i = v [g_off + (g_on - g_off) x]. At x = 0 it takes |v| > v_th to switch on, at x = 1
    |v| < v_hold to switch off, and in between x stays where it is: a volatile threshold switch with hysteresis, in
    one equation. Far above v_th it is on with the time constant tau_on, without a voltage off with tau_off. The
    device is polarity-free; it jumps, so put it in series with something. Ours; |v| is rounded within v_w.
    """

    class State(eqx.Module):
        x: Param = state_variable((0.0, 1.0), doc="conducting share")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "element"
    doi: ClassVar[str] = "unpublished"
    sweep: ClassVar[Sweep] = Sweep(1.0, -1.0, 1e-4)
    ordered: ClassVar[tuple[tuple[str, str], ...]] = (("v_hold", "v_th"), ("g_off", "g_on"))
    v_th: Param = quantity(0.6, "V", (0.1, 3.0), scale="log", doc="threshold", source="chosen")
    v_hold: Param = quantity(0.2, "V", (0.01, 2.0), scale="log", doc="hold", source="chosen")
    v_w: Param = quantity(5e-3, "V", (1e-3, 5e-2), scale="log", doc="width of both", source="chosen", free=False)
    tau_on: Param = quantity(1e-8, "s", (1e-12, 1e-2), scale="log", doc="time to switch on", source="chosen")
    tau_off: Param = quantity(1e-7, "s", (1e-12, 1e-2), scale="log", doc="time to switch off", source="chosen")
    g_on: Param = quantity(1e-3, "S", (1e-9, 1.0), scale="log", doc="conductance, on", source="chosen")
    g_off: Param = quantity(1e-10, "S", (1e-16, 1e-6), scale="log", doc="conductance, off", source="chosen")
    x_init: Param = quantity(0.0, "1", (0.0, 1.0), doc="initial share", source="off", free=False)

    def init(self, env: Environment) -> State:
        del env
        return ThresholdSelector.State(x=self.x_init)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        over = (v * jnp.tanh(v / self.v_w) - self.v_th + (self.v_th - self.v_hold) * x.x) / self.v_w
        on, off = jax.nn.sigmoid(over) / self.tau_on, jax.nn.sigmoid(-over) / self.tau_off
        return ThresholdSelector.State(x=on * (1 - x.x) - off * x.x)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        return v * (self.g_off + (self.g_on - self.g_off) * jnp.clip(x.x, 0.0, 1.0))
