"""Interface-type manganite memristors: oxygen moves a Schottky barrier. `SchottkyPcmo`."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.kinetics import thermal_voltage
from physics.quantity import Param, quantity, state_variable
from physics.smooth import blend, limexp, softplus

Real = Float[Array, "..."]
_PCMO = "calibrated to the PCMO row of NeuroSim"


class SchottkyPcmo(AbstractDevice):
    """dw/dt = (1 - w) k(u) - w k(-u),  k(u) = nu exp(-(E_a - u)/kT),  u = zeta V - e_w/2,
    i = A A* T^2 exp(-phi/kT) [1 - exp(-|V|/kT)] sign(V),  phi = phi_0 + dphi w - |V|/n.

    w is the share of the sites at the interface that oxygen has taken: it oxidises the reactive electrode and raises
    the barrier of the holes from the low-resistance state (w = 0) to the high (w = 1). n is the ideality, by which
    the voltage lowers the barrier: n_f for V < 0, which is forward as the film is of type p, n_r for V > 0. Both are
    large, as most of V drops in the film. The whole contact switches, so the current goes with the area.

    u tilts the barrier of a hop: V > 0 on the electrode attracts oxygen. Without a voltage the same hops forget: w
    goes to 1/(1 + exp(e_w/kT)) at the rate 2 nu exp(-E_a/kT) cosh(e_w/2kT) (`retention_rate`).

    A. Sawa et al., Appl. Phys. Lett. 85, 4073 (2004), 10.1063/1.1812580 (a barrier changed by what is trapped at
    Ti/PCMO); hops of oxygen between two sites: ours. Deviations: barriers end at zero, rounded over e_s; no series
    resistance (n stands for it) and no self-heating (microwatts). No number is fitted to one device: barriers and
    hops are chosen so that 50 pulses of -2 V, 1 ms make what NeuroSim tells of PCMO (23 Mohm, on/off 6.84).
    """

    class State(eqx.Module):
        w: Param = state_variable((0.0, 1.0), doc="oxygen at the interface, 1 is the high-resistance state")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P4 RRAM, interface"
    doi: ClassVar[str] = "10.1063/1.1812580"
    sweep: ClassVar[Sweep] = Sweep(2.0, -2.0, 1.0)
    phi_0: Param = quantity(0.4483, "eV", (0.2, 0.9), doc="barrier at w = 0", source=_PCMO)
    dphi: Param = quantity(0.0502, "eV", (0.0, 0.4), doc="rise of the barrier to w = 1", source=_PCMO)
    n_f: Param = quantity(10.0, "1", (1.0, 50.0), scale="log", doc="ideality, V < 0", source="chosen")
    n_r: Param = quantity(20.0, "1", (1.0, 50.0), scale="log", doc="ideality, V > 0", source="chosen")
    area: Param = quantity(1e-12, "m2", (1e-16, 1e-8), scale="log", doc="A, contact", source="chosen", free=False)
    richardson: Param = quantity(
        1.2e6, "A/(m2 K2)", (1e4, 3e6), scale="log", doc="A*, of a free electron", source="textbook", free=False
    )
    nu: Param = quantity(
        1e13, "Hz", (1e11, 1e14), scale="log", doc="attempts; as exp(E_a/kT)", source="textbook", free=False
    )
    e_a: Param = quantity(1.2, "eV", (0.6, 1.8), doc="barrier of an oxygen hop", source=_PCMO)
    zeta: Param = quantity(0.2726, "1", (0.01, 0.5), doc="share of V that lowers a hop", source=_PCMO)
    e_w: Param = quantity(0.0, "eV", (-0.5, 0.5), doc="energy of a site at the interface", source="chosen", free=False)
    e_s: Param = quantity(
        5e-3, "eV", (1e-3, 2e-2), scale="log", doc="rounding of barriers > 0", source="chosen", free=False
    )
    v_s: Param = quantity(
        5e-3, "V", (1e-3, 5e-2), scale="log", doc="exchange of the idealities", source="chosen", free=False
    )
    w_init: Param = quantity(0.5, "1", (0.0, 1.0), doc="initial share", source="at rest", free=False)

    def init(self, env: Environment) -> State:
        return SchottkyPcmo.State(w=self.w_init + jnp.zeros_like(env.temperature))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        tilt = self.zeta * v - 0.5 * self.e_w
        kt = thermal_voltage(env.temperature)
        hops = lambda lower: self.nu * jnp.exp(-softplus(self.e_a - lower, self.e_s) / kt)  # noqa: E731
        return SchottkyPcmo.State(w=(1 - x.w) * hops(tilt) - x.w * hops(-tilt))

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        kt = thermal_voltage(env.temperature)
        sign = jnp.where(v < 0, -jnp.ones_like(v), jnp.ones_like(v))
        size = sign * v
        ideality = blend(1 / self.n_f, 1 / self.n_r, v, self.v_s)
        barrier = softplus(self.phi_0 + self.dphi * x.w - size * ideality, self.e_s)
        most = self.area * self.richardson * env.temperature * env.temperature
        return -most * limexp(-barrier / kt) * sign * jnp.expm1(-size / kt)

    def retention_rate(self, env: Environment) -> Real:
        """1/s at which w forgets without a voltage."""
        kt = thermal_voltage(env.temperature)
        tilt = 0.5 * self.e_w
        return self.nu * (limexp(-(self.e_a - tilt) / kt) + limexp(-(self.e_a + tilt) / kt))

    def rest(self, env: Environment) -> Real:
        """w to which it goes."""
        return jax.nn.sigmoid(-self.e_w / thermal_voltage(env.temperature))
