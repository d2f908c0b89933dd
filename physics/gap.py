"""Filamentary oxide memories as a tunnelling gap that opens and closes: `GapRram`."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.conduction import sinh_law
from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.kinetics import sinh_hopping
from physics.quantity import Param, quantity, state_variable
from physics.smooth import end_stops, limexp, softplus, step, stop

Real = Float[Array, "..."]
_CODE = "Stanford RRAM model 1.0.0 (Verilog-A)"
_ROUND = 0.05


class GapRram(AbstractDevice):
    """dg/dt = -v0 exp(-E_a/kT) sinh(gamma a_0 q V/(t_ox kT)),  i = I_0 exp(-g/g_0) sinh(V/V_0).

    g is the gap between the filament and the electrode, g_min <= g <= g_max; the state is its fraction
    x = (g - g_min)/(g_max - g_min). T = T_amb + r_th |V i|. The local field is enhanced by

        gamma = (gamma_0 - beta (g/g_unit)^3)_+  (1 + tanh(u/gate))/2,    u = gamma |V|/(t_ox f_min) - 1

    so nothing moves below the field f_min; RESET follows gamma(g) |V| = t_ox f_min, which makes it gradual. Within
    `edge` of an end, x stops by 1 - exp(-distance/edge). V > 0 is SET. Only a circuit limits the current: use a
    series resistance.

    Z. Jiang et al., SISPAD 2014, 41 (10.1109/SISPAD.2014.6931558) and Stanford RRAM model 1.0.0 (10.4231/D37H1DN48).
    Deviations: the sharp gate and clips are smooth; the gap moves no faster than sound; the noise of the gap is left
    out: the published one depends on the time step of the solver, and with steps of 1 ns it would carry the gap from
    one end to the other within 31 us at no voltage. `imperfect.Fluctuating` scatters what moves, and only that.
    """

    class State(eqx.Module):
        x: Param = state_variable((0.0, 1.0), doc="gap, 0 is g_min (conducting) and 1 is g_max")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P3 RRAM, filamentary"
    doi: ClassVar[str] = "10.1109/SISPAD.2014.6931558"
    sweep: ClassVar[Sweep] = Sweep(1.6, -1.6, 12.8e-3)
    ordered: ClassVar[tuple[tuple[str, str], ...]] = (("g_min", "g_max"),)
    i_0: Param = quantity(1e-3, "A", (1e-6, 1e-2), scale="log", doc="current scale", source=_CODE)
    g_0: Param = quantity(0.25e-9, "m", (1e-10, 5e-10), scale="log", doc="tunnelling length", source=_CODE)
    v_0: Param = quantity(0.25, "V", (0.1, 2.0), scale="log", doc="curvature of the current", source=_CODE)
    velocity: Param = quantity(
        10.0, "m/s", (1e-2, 1e3), scale="log", doc="v0, speed of the gap; as exp(e_a/kT)", source=_CODE, free=False
    )
    e_a: Param = quantity(0.6, "eV", (0.3, 1.6), doc="migration barrier; as gamma_0", source=_CODE, free=False)
    a_0: Param = quantity(0.25e-9, "m", (1e-10, 5e-10), scale="log", doc="hopping distance", source=_CODE, free=False)
    t_ox: Param = quantity(12e-9, "m", (3e-9, 3e-8), scale="log", doc="oxide thickness", source=_CODE, free=False)
    f_min: Param = quantity(
        1.4e9, "V/m", (1e8, 3e9), scale="log", doc="least field that moves ions", source=_CODE, free=False
    )
    gamma_0: Param = quantity(16.0, "1", (5.0, 50.0), doc="field enhancement of a closed gap", source=_CODE)
    beta: Param = quantity(0.8, "1", (0.0, 5.0), doc="loss of field enhancement with the gap", source=_CODE)
    r_th: Param = quantity(2.1e3, "K/W", (1e2, 1e6), scale="log", doc="thermal resistance", source=_CODE)
    g_min: Param = quantity(0.2e-9, "m", (1e-10, 4e-10), doc="smallest gap", source=_CODE, free=False)
    g_max: Param = quantity(1.7e-9, "m", (1e-9, 3e-9), doc="largest gap", source=_CODE, free=False)
    g_unit: Param = quantity(1e-9, "m", (5e-10, 2e-9), doc="unit of g in gamma", source=_CODE, free=False)
    gate: Param = quantity(
        0.01, "1", (2e-3, 0.2), scale="log", doc="width of the f_min threshold", source="chosen", free=False
    )
    edge: Param = quantity(
        1e-3, "1", (1e-4, 0.05), scale="log", doc="width of the stops at g_min, g_max", source="chosen", free=False
    )
    v_s: Param = quantity(
        5e-3, "V", (1e-3, 5e-2), scale="log", doc="exchange of the stops at v = 0", source="chosen", free=False
    )
    v_sound: Param = quantity(
        4e3, "m/s", (1e3, 1e4), scale="log", doc="fastest motion", source="chosen: a speed of sound", free=False
    )
    x_init: Param = quantity(1.0, "1", (0.0, 1.0), doc="initial gap as a fraction", source="HRS", free=False)

    def init(self, env: Environment) -> State:
        del env
        return GapRram.State(x=self.x_init)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        kelvin = self.temperature(x, v, env)
        gamma = self._enhancement(self.gap(x.x), v)
        drop = gamma * self.a_0 / self.t_ox * v
        speed = sinh_hopping(0.5 * self.velocity, self.e_a, drop, kelvin, 2 * self.v_sound / self.velocity)
        ends = end_stops(-v, stop((x.x - 1) / self.edge), stop(-x.x / self.edge), self.v_s)
        return GapRram.State(x=-speed * ends / (self.g_max - self.g_min))

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        return sinh_law(v, self.i_0 * limexp(-self.gap(x.x) / self.g_0), self.v_0)

    def gap(self, fraction: Real) -> Real:
        """g (m) of a state x."""
        return self.g_min + (self.g_max - self.g_min) * fraction

    def temperature(self, x: State, v: Volts, env: Environment) -> Real:
        """T of the filament (K)."""
        return env.temperature + self.r_th * v * self.current(x, v, env)

    def _enhancement(self, gap: Real, v: Real) -> Real:
        gamma = softplus(self.gamma_0 - self.beta * (gap / self.g_unit) ** 3, _ROUND)
        # The gate is flat and zero at v = 0, where |v| has its corner.
        over = gamma * jnp.abs(v) / (self.t_ox * self.f_min) - 1
        return gamma * step(over, 0.5 * self.gate)
