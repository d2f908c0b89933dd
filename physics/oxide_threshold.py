"""Volatile oxide filaments: too thin to live on after the pulse, unless it was strong. `OxideThreshold`."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.conduction import cylinder_resistance
from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.kinetics import arrhenius, thermal_voltage
from physics.quantity import Param, quantity, state_variable
from physics.smooth import limexp, softplus, stop

Real = Float[Array, "..."]
_STEEP = 10.0
"""Exponent of the stop 1 - (phi/phi_max)^10 of the growth."""


class OxideThreshold(AbstractDevice):
    """dphi/dt = A exp(-(E_a - alpha q |V_f|)/kT) - (phi - phi_min)/tau,  tau = tau_0 (phi/phi_c)^4 + tau_a.

    phi is the diameter of a filament of silicon in its oxide. It grows hot, T = T_amb + V_f^2/(8 rho k_th), under
    either polarity, until the compliance i_c has taken the voltage away from it,

        i = i_R/(1 + (i_R/i_c)^8)^(1/8),  i_R = V G,  G = pi phi^2/(4 rho L) + G_ox,  V_f = i/G

    so its conductance goes with i_c, and then it breaks by itself: phi^4 falls linearly, a filament of phi lives for
    tau/4 (`lifetime`). With phi^2 ~ i_c that is ~ i_c^2: at a microampere the cell is a threshold switch and makes a
    neuron, at a milliampere a memory. tau_0 holds at t_ref and has the activation E_r. The state is ln(phi/phi_c).

    Neuron: A. Mehonic and A. J. Kenyon, Front. Neurosci. 10, 57 (2016), 10.3389/fnins.2016.00057. Growth: D. Ielmini,
    IEEE Trans. Electron Devices 58, 4309 (2011), 10.1109/TED.2011.2167513. Deviations: the rupture term is ours, with
    the power of surface diffusion, and heat does not speed it up; tau_a, the rounded end of the barrier at zero and
    of the growth at phi_max are guards. Values are chosen or recalled, not a fit.
    """

    class State(eqx.Module):
        size: Param = state_variable((-8.52, 6.51), doc="ln(phi/phi_c)")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P3 RRAM, filamentary"
    doi: ClassVar[str] = "10.3389/fnins.2016.00057"
    sweep: ClassVar[Sweep] = Sweep(1.0, -0.9, 4e-2)
    ordered: ClassVar[tuple[tuple[str, str], ...]] = (("phi_min", "phi_max"),)
    a: Param = quantity(
        1e2, "m/s", (1.0, 1e4), scale="log", doc="A, of the growth; as exp(E_a/kT)", source="chosen", free=False
    )
    e_a: Param = quantity(1.2, "eV", (0.7, 1.6), doc="barrier of the growth", source="recalled, as in Ielmini 2011")
    alpha: Param = quantity(0.3, "1", (0.0, 0.5), doc="barrier lowering by the voltage", source="recalled")
    rho: Param = quantity(
        4e-6, "ohm m", (1e-7, 1e-5), scale="log", doc="resistivity; as k_th and phi^2", source="chosen", free=False
    )
    k_th: Param = quantity(20.0, "W/(m K)", (5.0, 100.0), scale="log", doc="heat conductivity", source="chosen")
    length: Param = quantity(20e-9, "m", (3e-9, 5e-8), scale="log", doc="L, oxide", source="chosen", free=False)
    g_ox: Param = quantity(1e-9, "S", (1e-13, 1e-5), scale="log", doc="oxide beside the filament", source="chosen")
    i_c: Param = quantity(1e-6, "A", (1e-8, 1e-2), scale="log", doc="compliance", source="chosen", free=False)
    tau_0: Param = quantity(1e-2, "s", (1e-6, 1e3), scale="log", doc="tau at phi_c and t_ref", source="chosen")
    phi_c: Param = quantity(1e-9, "m", (3e-10, 5e-9), scale="log", doc="diameter of tau_0", source="chosen", free=False)
    e_r: Param = quantity(0.6, "eV", (0.0, 1.5), doc="E_r, activation of the rupture", source="chosen", free=False)
    tau_a: Param = quantity(
        1e-13, "s", (1e-14, 1e-12), scale="log", doc="least tau, an attempt", source="chosen", free=False
    )
    phi_min: Param = quantity(
        1e-11, "m", (1e-12, 5e-11), scale="log", doc="residue that never breaks", source="chosen", free=False
    )
    phi_max: Param = quantity(1e-7, "m", (5e-8, 2e-7), scale="log", doc="largest diameter", source="chosen", free=False)
    t_ref: Param = quantity(300.0, "K", (290.0, 310.0), doc="where tau_0 holds", source="convention", free=False)
    e_s: Param = quantity(
        0.02, "eV", (5e-3, 0.05), scale="log", doc="rounding of the barrier > 0", source="chosen", free=False
    )
    phi_init: Param = quantity(
        1e-11, "m", (1e-12, 5e-8), scale="log", doc="initial diameter", source="at rest", free=False
    )

    def init(self, env: Environment) -> State:
        del env
        return OxideThreshold.State(size=jnp.log(self.phi_init / self.phi_c))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        drop = v * self._share(x, v)
        full = jnp.maximum(stop(_STEEP * (x.size - jnp.log(self.phi_max / self.phi_c))), 0.0)
        grown = self.growth(drop, env) / self.phi_c * full * limexp(-x.size)
        broken = (1 - self.phi_min / self.phi_c * limexp(-x.size)) / self.rupture_time(x, env)
        return OxideThreshold.State(size=grown - broken)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        return v * self.conductance_of(x) * self._share(x, v)

    def conductance_of(self, x: State) -> Real:
        """G (S) of the filament and the oxide beside it."""
        ohms = cylinder_resistance(self.rho, self.length / self.phi_c, limexp(x.size)) / self.phi_c
        return 1 / ohms + self.g_ox

    def _share(self, x: State, v: Real) -> Real:
        """V_f/V = (1 + (i_R/i_c)^8)^(-1/8), powers of numbers below one only."""
        ratio = jnp.abs(v) * self.conductance_of(x) / self.i_c
        small, large = jnp.minimum(ratio, 1.0), jnp.maximum(ratio, 1.0)
        return 1 / (jnp.sqrt(jnp.sqrt(jnp.sqrt(small**8 + (1 / large) ** 8))) * large)

    def growth(self, drop: Real, env: Environment) -> Real:
        """dphi/dt (m/s) at a voltage across the filament."""
        kelvin = env.temperature + drop * drop / (8 * self.rho * self.k_th)
        # |V|, rounded close to zero, as growth without a voltage has a slope in it.
        size = drop * jnp.tanh(20 * drop / self.e_s)
        return arrhenius(self.a, softplus(self.e_a - self.alpha * size, self.e_s), kelvin)

    def rupture_time(self, x: State, env: Environment) -> Real:
        """tau (s) of a filament."""
        kt, ref = thermal_voltage(env.temperature), thermal_voltage(self.t_ref)
        power = limexp(4 * x.size + self.e_r / kt - self.e_r / ref)
        return self.tau_0 * power + self.tau_a

    def lifetime(self, x: State, env: Environment) -> Real:
        """Time (s) until a filament without a voltage is gone, the residue and the slow growth left aside."""
        return 0.25 * self.rupture_time(x, env)
