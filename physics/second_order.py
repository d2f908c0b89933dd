"""Second-order memristors: a temperature that forgets within a microsecond gates the memory. `SecondOrder`."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.kinetics import sinh_hopping
from physics.quantity import Param, quantity, state_variable
from physics.smooth import end_stops, softplus
from physics.thermal import joule_rise, joule_warming

Real = Float[Array, "..."]


class SecondOrder(AbstractDevice):
    """dw/dt = 2 k0 exp(-E_a/kT) sinh(q a V/(2 d kT)) {1 - w, w},  tau dT/dt = R_th V^2 G - (T - T_amb),  i = V G.

    G = G_min + w (G_max - G_min); the factor is 1 - w for V > 0 and w for V < 0, exchanged within v_s. The state w is
    the memory, T is its calcium: each pulse leaves some heat, in which the next one moves more ions. Between two
    pulses T - T_amb falls by exp(-dt/tau), so the gain of the second goes as
    (E_a/k_B) (1/T_amb - 1/T(dt)) in its logarithm, and plasticity depends on timing although pulses do not overlap.

    S. Kim, C. Du, P. Sheridan, W. Ma, S. Choi and W. D. Lu, Nano Lett. 15, 2203 (2015), 10.1021/acs.nanolett.5b00697.
    Deviations: the paper solves drift, diffusion and heat in space, this is the model of two states to which that
    comes down, with values that are chosen (E_a is recalled); hops are no more frequent than k0, and the heating is
    kept below t_limit, which changes nothing below 1500 K; below t_floor hops are as rare as there.
    """

    class State(eqx.Module):
        w: Param = state_variable((0.0, 1.0), doc="share of the conducting region")
        temperature: Param = state_variable((0.6, 15.6), doc="T/t_ref")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P5 second-order memristor"
    doi: ClassVar[str] = "10.1021/acs.nanolett.5b00697"
    sweep: ClassVar[Sweep] = Sweep(1.1, -1.1, 1e-4)
    ordered: ClassVar[tuple[tuple[str, str], ...]] = (("g_min", "g_max"),)
    k_0: Param = quantity(2e12, "1/s", (1e11, 1e14), scale="log", doc="attempts of an ion", source="chosen", free=False)
    e_a: Param = quantity(0.85, "eV", (0.6, 1.3), doc="hopping barrier", source="recalled")
    a: Param = quantity(0.3e-9, "m", (1e-10, 5e-10), scale="log", doc="hopping distance", source="chosen", free=False)
    d: Param = quantity(2e-9, "m", (1e-9, 1e-8), scale="log", doc="length over which V drops", source="chosen")
    g_min: Param = quantity(5e-5, "S", (1e-6, 1e-3), scale="log", doc="conductance at w = 0", source="chosen")
    g_max: Param = quantity(5e-4, "S", (1e-6, 1e-3), scale="log", doc="conductance at w = 1", source="chosen")
    r_th: Param = quantity(2e6, "K/W", (1e5, 1e7), scale="log", doc="thermal resistance", source="chosen")
    tau: Param = quantity(3e-7, "s", (1e-8, 2e-6), scale="log", doc="thermal time constant", source="chosen")
    v_s: Param = quantity(
        5e-3, "V", (1e-3, 5e-2), scale="log", doc="exchange of the ends at v = 0", source="chosen", free=False
    )
    t_ref: Param = quantity(300.0, "K", (290.0, 310.0), doc="T of state 1", source="convention", free=False)
    t_limit: Param = quantity(4e3, "K", (2e3, 4e3), doc="guard on the heating", source="chosen", free=False)
    t_floor: Param = quantity(150.0, "K", (140.0, 160.0), doc="guard on the cold side", source="chosen", free=False)
    w_init: Param = quantity(0.3, "1", (0.0, 1.0), doc="initial share", source="chosen", free=False)

    def init(self, env: Environment) -> State:
        warm = env.temperature / self.t_ref
        return SecondOrder.State(w=self.w_init + jnp.zeros_like(warm), temperature=warm)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        kelvin = self.t_floor + softplus(x.temperature * self.t_ref - self.t_floor, 0.01 * self.t_floor)
        hops = sinh_hopping(self.k_0, self.e_a, 0.5 * self.a / self.d * v, kelvin, 1.0)
        ends = end_stops(v, 1 - x.w, x.w, self.v_s)
        rise = joule_rise(v * self.current(x, v, env), self.r_th, self.t_limit)
        warming = joule_warming(x.temperature, env.temperature / self.t_ref, rise / self.t_ref, self.tau)
        return SecondOrder.State(w=hops * ends, temperature=warming)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        return v * self.conductance_of(x.w)

    def conductance_of(self, w: Real) -> Real:
        """G (S) of a share `w`."""
        return self.g_min + (self.g_max - self.g_min) * w
