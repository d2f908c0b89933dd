"""Filaments that heat themselves, and grow or dissolve where they are hot: `ThermalFilament`."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.conduction import cylinder_resistance
from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.kinetics import arrhenius
from physics.quantity import Param, quantity, state_variable
from physics.smooth import blend, end_stops, limexp, limit_current, stop

Real = Float[Array, "..."]
_STEEP = 10.0
"""Exponent of the stops 1 - (phi/phi_max)^10 and 1 - (phi_min/phi)^10."""


class ThermalFilament(AbstractDevice):
    """dphi/dt = +-A exp(-(E_A0 - alpha q |V|)/kT),  T = T_amb + V^2/(8 rho k_th),  G = pi phi^2/(4 rho L) + G_ox.

    phi is the diameter of a metallic filament; it grows for V > 0 (SET) and shrinks for V < 0 (RESET), exchanged
    over v_s; G_ox is the oxide beside it, r_s the electrodes before it (none by default). T is the peak temperature of
    a uniformly heated wire. For v > 0 the current is limited to i_c, i = i_R/(1 + (i_R/i_c)^8)^(1/8) with
    i_R = v/(r_s + 1/G), and V = i/G is what remains across the filament: growth ends when V has fallen to V_C, so
    R_LRS = V_C/i_c. phi stays between phi_min (a residue, so that ln phi exists) and phi_max by 1 - (phi_min/phi)^10
    and 1 - (phi/phi_max)^10. The state is ln(phi/phi_ref).

    D. Ielmini, IEEE Trans. Electron Devices 58, 4309 (2011), 10.1109/TED.2011.2167513. Deviations: the compliance
    belongs to the device and is rounded; the stops are guards. Constants are recalled or chosen, not a fit. A trace
    tells phi^2/rho, rho k_th and A exp(-E_A0/kT)/sqrt(rho) only, so rho and A are held by default.
    """

    class State(eqx.Module):
        size: Param = state_variable((-7.61, 6.0), doc="ln(phi/phi_ref)")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P3 RRAM, filamentary"
    doi: ClassVar[str] = "10.1109/TED.2011.2167513"
    sweep: ClassVar[Sweep] = Sweep(1.0, -1.0, 4.0)
    ordered: ClassVar[tuple[tuple[str, str], ...]] = (("phi_min", "phi_max"),)
    a: Param = quantity(
        1e2, "m/s", (1.0, 1e4), scale="log", doc="A, of the growth; as exp(e_a0/kT)", source="chosen", free=False
    )
    e_a0: Param = quantity(1.2, "eV", (0.7, 1.6), doc="barrier of ion migration", source="recalled")
    alpha: Param = quantity(0.3, "1", (0.0, 0.5), doc="barrier lowering by the voltage", source="recalled")
    rho: Param = quantity(
        4e-6, "ohm m", (1e-7, 1e-5), scale="log", doc="resistivity; as k_th and phi^2", source="chosen", free=False
    )
    k_th: Param = quantity(20.0, "W/(m K)", (5.0, 100.0), scale="log", doc="heat conductivity", source="chosen")
    length: Param = quantity(20e-9, "m", (3e-9, 5e-8), scale="log", doc="L, oxide", source="chosen", free=False)
    g_ox: Param = quantity(0.0, "S", (0.0, 1e-2), doc="oxide beside the filament", source="chosen: none", free=False)
    r_s: Param = quantity(0.0, "ohm", (0.0, 1e3), doc="electrodes in series", source="chosen: none", free=False)
    i_c: Param = quantity(1e-4, "A", (1e-6, 1e-2), scale="log", doc="compliance for v > 0", source="chosen", free=False)
    phi_min: Param = quantity(
        1e-11, "m", (1e-12, 5e-11), scale="log", doc="residue that never dissolves", source="chosen", free=False
    )
    phi_max: Param = quantity(1e-7, "m", (5e-8, 2e-7), scale="log", doc="largest diameter", source="chosen", free=False)
    phi_ref: Param = quantity(1e-9, "m", (5e-10, 2e-9), scale="log", doc="phi of state 0", source="chosen", free=False)
    v_s: Param = quantity(
        5e-3, "V", (1e-3, 2e-2), scale="log", doc="exchange of growth and shrinking", source="chosen", free=False
    )
    phi_init: Param = quantity(1e-10, "m", (1e-11, 5e-8), scale="log", doc="initial diameter", source="pre-SET")

    def init(self, env: Environment) -> State:
        del env
        return ThermalFilament.State(size=jnp.log(self.phi_init / self.phi_ref))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        drop = self.current(x, v, env) / self.conductance_of(x)
        high = stop(_STEEP * (x.size - jnp.log(self.phi_max / self.phi_ref)))
        low = stop(_STEEP * (jnp.log(self.phi_min / self.phi_ref) - x.size))
        ends = end_stops(v, high, low, self.v_s)
        return ThermalFilament.State(size=self.growth(drop, env) * ends / self.phi_ref * limexp(-x.size))

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        g = self.conductance_of(x)
        free = v * g / (1 + self.r_s * g)
        return blend(free, limit_current(free, self.i_c), v, self.v_s)

    def resistance(self, x: State) -> Real:
        """R of the filament (ohm)."""
        return cylinder_resistance(self.rho, self.length / self.phi_ref, limexp(x.size)) / self.phi_ref

    def conductance_of(self, x: State) -> Real:
        """Of the filament and the oxide beside it (S)."""
        return 1 / self.resistance(x) + self.g_ox

    def growth(self, drop: Real, env: Environment) -> Real:
        """dphi/dt (m/s) at a voltage across the filament, without the stops at its ends."""
        sign = jnp.tanh(drop / (2 * self.v_s))
        barrier = self.e_a0 - self.alpha * drop * sign
        return sign * arrhenius(self.a, barrier, self.temperature(drop, env))

    def temperature(self, drop: Real, env: Environment) -> Real:
        """Peak T (K) of the filament at a voltage across it."""
        return env.temperature + drop * drop / (8 * self.rho * self.k_th)
