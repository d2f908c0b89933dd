"""Ferroelectric transistors: the polarisation under the gate shifts the threshold. `FeFet`, and a firing domain."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics import constants
from physics.conduction import ekv_channel
from physics.device import AbstractReactive, Amps, Environment, Sweep, Volts
from physics.ferroelectric import relaxed, spread_fields, switching_rate
from physics.kinetics import thermal_voltage
from physics.quantity import Param, quantity, state_variable
from physics.smooth import blend

Real = Float[Array, "..."]
_DENG = "public port of 10.1109/VLSITechnology18217.2020.9265014"
_JERRY = "calibrated on NeuroSim's numbers of 10.1109/IEDM.2017.8268338"


class FeFet(AbstractReactive):
    """df_k/dt = (H(E) - f_k)/tau_k(E),  i_D = I_s [F(v_P) - F(v_P - V_D)],  V_T = V_T0 - (MW/2)(2 <f> - 1).

    The domains are those of `FerroCapacitor`; E = k V_G/t_fe with k = k_pot for V_G > 0 and k_dep for V_G < 0, which
    stand for the divider of the gate stack, the flat band and trapped charge. v_P = (V_G - V_T)/n,
    F(v) = ln^2(1 + exp(v/2 U_T)). The gate takes the charge A P + C V_G, C of ferroelectric and insulator in series.

    M. Jerry et al., IEDM (2017), 10.1109/IEDM.2017.8268338 (32 states, 45-fold conductance, 75 ns); domains: S. Deng
    et al., IEEE Symp. VLSI Technol. (2020), 10.1109/VLSITechnology18217.2020.9265014; channel: Enz, Krummenacher and
    Vittoz (1995), 10.1007/BF01239381. Deviations: mean field (beta = 1); the drain does not bend the polarisation.
    """

    class State(eqx.Module):
        f: tuple[Param, ...] = state_variable((0.0, 1.0), doc="share of a class of domains that points up")

    terminals: ClassVar[tuple[str, ...]] = ("gate", "drain", "source")
    family: ClassVar[str] = "P8 ferroelectric"
    doi: ClassVar[str] = "10.1109/IEDM.2017.8268338"
    sweep: ClassVar[Sweep] = Sweep((4.0, 0.05), (-4.0, -0.05), 1e-4)
    domains: int = eqx.field(default=16, static=True)
    p_r: Param = quantity(0.25, "C/m2", (0.05, 0.35), doc="remanent polarisation", source=_DENG)
    tau0: Param = quantity(1.9e-8, "s", (1e-11, 1e-7), scale="log", doc="time in an infinite field", source=_DENG)
    alpha: Param = quantity(3.0, "1", (1.0, 4.0), doc="exponent of the switching time", source=_DENG)
    e_a: Param = quantity(2.875e8, "V/m", (1e8, 6e8), scale="log", doc="mean activation field", source=_DENG)
    spread: Param = quantity(0.4 / 2.3, "1", (0.05, 0.4), doc="deviation of E_k over e_a", source=_DENG)
    k_pot: Param = quantity(0.4293, "1", (0.1, 1.0), doc="share of V_G > 0 on the ferroelectric", source=_JERRY)
    k_dep: Param = quantity(0.4750, "1", (0.1, 1.0), doc="share of V_G < 0 on the ferroelectric", source=_JERRY)
    window: Param = quantity(1.2, "V", (0.2, 2.0), doc="MW, memory window", source=_JERRY)
    v_t0: Param = quantity(0.45, "V", (-1.0, 2.0), doc="threshold at P = 0", source=_JERRY)
    slope: Param = quantity(1.3, "1", (1.0, 2.5), doc="n, slope factor", source="chosen")
    i_s: Param = quantity(3.378857e-9, "A", (1e-12, 1e-3), scale="log", doc="specific current", source=_JERRY)
    t_fe: Param = quantity(8e-9, "m", (5e-9, 2e-8), scale="log", doc="ferroelectric layer", source=_DENG, free=False)
    t_il: Param = quantity(1e-9, "m", (0.0, 3e-9), doc="insulating layer", source=_DENG, free=False)
    eps_fe: Param = quantity(28.0, "1", (15.0, 40.0), doc="permittivity of the ferroelectric", source=_DENG, free=False)
    eps_il: Param = quantity(3.9, "1", (3.0, 25.0), doc="permittivity of the insulator", source=_DENG, free=False)
    area: Param = quantity(1e-12, "m2", (1e-16, 1e-9), scale="log", doc="A, gate area", source=_DENG, free=False)
    e_s: Param = quantity(
        1e6, "V/m", (1e5, 1e7), scale="log", doc="rounding of H at E = 0", source="chosen", free=False
    )
    v_s: Param = quantity(
        5e-3, "V", (1e-3, 5e-2), scale="log", doc="exchange of the polarities", source="chosen", free=False
    )
    f_init: Param = quantity(0.0, "1", (0.0, 1.0), doc="initial share", source="erased", free=False)

    def init(self, env: Environment) -> State:
        del env
        return FeFet.State(f=(self.f_init,) * self.domains)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        target, rate = self.kinetics(v[0])
        return FeFet.State(f=tuple(rate * (target - jnp.stack(x.f))))

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        thermal = thermal_voltage(env.temperature)
        drain = self.i_s * ekv_channel((v[0] - self.threshold(x)) / self.slope, v[1], thermal)
        return jnp.stack([jnp.zeros_like(drain), drain])

    def charge(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        gate = self.area * self.p_r * (2 * self.fraction(x) - 1) + self.gate_capacitance() * v[0]
        return jnp.stack([gate, jnp.zeros_like(gate)])

    def fraction(self, x: State) -> Real:
        """<f>, the share of all domains that points up."""
        return jnp.mean(jnp.stack(x.f), axis=0)

    def threshold(self, x: State) -> Real:
        """V_T, threshold of the channel (V)."""
        return self.v_t0 - 0.5 * self.window * (2 * self.fraction(x) - 1)

    def gate_capacitance(self) -> Real:
        """C (F) of the gate at constant polarisation."""
        return constants.EPS_0 * self.area / (self.t_fe / self.eps_fe + self.t_il / self.eps_il)

    def kinetics(self, v_gate: Real) -> tuple[Real, Real]:
        """H and 1/tau_k (domains,) under a gate voltage."""
        field = blend(self.k_dep, self.k_pot, v_gate, self.v_s) * v_gate / self.t_fe
        fields = spread_fields(self.e_a, self.spread, self.domains)
        return jax.nn.sigmoid(field / self.e_s), switching_rate(field, fields, self.tau0, self.alpha)

    def after(self, x: State, v_gate: Real, duration: Real) -> State:
        """The exact state after a constant gate voltage for a `duration` (s)."""
        target, rate = self.kinetics(v_gate)
        return FeFet.State(f=tuple(relaxed(jnp.stack(x.f), target, rate, duration)))


def progress(v_fe: Real, duration: Real, t_fe: Real, activation: Real, tau0: Real, alpha: Real) -> Real:
    """How much h = t/tau of a single domain grows in a pulse of v_fe (V) on the ferroelectric for a `duration` (s)."""
    return duration * switching_rate(v_fe / t_fe, activation, tau0, alpha)


def firing_probability(h: Real, beta: Real) -> Real:
    """1 - exp(-h^beta): that a domain with the progress h has switched, and with it the transistor has fired.

    A neuron of one domain: pulses that are too short to switch it add up, an erasing pulse takes h back to zero.
    H. Mulaosmanovic et al., Nanoscale 10, 21755 (2018), 10.1039/C8NR07135G; beta as in Deng et al. (2020).
    """
    return -jnp.expm1(-(h**beta))


def firing_threshold(uniform: Real, beta: Real) -> Real:
    """The progress h at which a domain fires, of numbers drawn evenly from (0, 1); smooth in beta and in the draw."""
    return (-jnp.log(uniform)) ** (1 / beta)
