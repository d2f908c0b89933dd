"""Organic transistors that remember: the doping of the polymer has two stable values. `BistableOect`."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.conduction import ekv_channel
from physics.device import AbstractReactive, Amps, Environment, Sweep, Volts
from physics.kinetics import thermal_voltage
from physics.quantity import Param, quantity, state_variable
from physics.smooth import logit

Real = Float[Array, "..."]
_PUBLISHED = "public fit of 10.1038/s41467-024-51001-9"
_FITTED = "fitted to the transfer curve published with 10.1038/s41467-024-51001-9"
_RATE = "fitted, for a sweep of 0.1 V/s (chosen: not recorded)"


class BistableOect(AbstractReactive):
    """dp/dt = (1/(1 + exp(A/U_T)) - p)/tau,  A = alpha (V_i - V_0) + h (1 - 2 p),  V_i = V_G - f V_D.

    p is the share of the sites of the polymer that are doped. Its free energy is that of a regular solution, entropy
    of mixing against an interaction h of doped with undoped sites, of which a gate voltage does a share alpha:

        V_i = V_0 - [U_T ln(p/(1 - p)) + h (1 - 2 p)]/alpha   in equilibrium

    For h > 2 U_T it has two branches, which end at p = [1 -+ sqrt(1 - 2 U_T/h)]/2; above the temperature h/(2 k) it
    has one. Sites change as those of a mean-field lattice do, at a rate 1/tau. Doped sites raise the threshold of the
    holes, and these flow in an EKV channel of p-type behind the contacts:

        I_D = -2 n b U_T^2 [F(u) - F(u + V_D)]/(1 + R_c g),  u = (V_T + k p - V_G)/n,  F(u) = ln^2(1 + exp(u/2 U_T))

    g = n b U_T [F(u)^(1/2) + F(u + V_D)^(1/2)] is the conductance of the channel where it is open. The gate takes the
    charge C V_i - Q_s p, of which a share f comes out of the drain.

    L. M. Bongartz et al., Nat. Commun. 15, 6819 (2024), 10.1038/s41467-024-51001-9 (the free energy); kinetics: M.
    Suzuki and R. Kubo, J. Phys. Soc. Jpn. 24, 51 (1968), 10.1143/JPSJ.24.51 (DOI from memory); channel: Enz,
    Krummenacher and Vittoz (1995), 10.1007/BF01239381. Deviations: in the paper the current goes with p and alpha is
    0.0148; in equilibrium both ways of a sweep then end in one exponential tail, and those measured are 0.6 V apart,
    so here p shifts the threshold, as trapped ions do. h is that of the paper, b is chosen, the rest is fitted at 293
    K. The curve has no time axis: tau and C are those of a chosen sweep rate. Of the 0.63 V between the thresholds at
    0.1 uA a sweep without lag leaves 0.36 V. Q_s is chosen so small that the gate current has no peak, as measured.
    """

    class State(eqx.Module):
        p: Param = state_variable((0.0, 1.0), doc="share of the sites that are doped")

    terminals: ClassVar[tuple[str, ...]] = ("gate", "drain", "source")
    family: ClassVar[str] = "P10 OECT"
    doi: ClassVar[str] = "10.1038/s41467-024-51001-9"
    stores_energy: ClassVar[bool] = True
    sweep: ClassVar[Sweep] = Sweep((1.5, -0.2), (-1.5, 0.2), 60.0)
    h: Param = quantity(66.13e-3, "eV", (0.0, 0.2), doc="interaction, h_du - (h_dd + h_uu)/2", source=_PUBLISHED)
    alpha: Param = quantity(6.67e-3, "1", (2e-3, 0.2), scale="log", doc="share of V_G on a site", source=_FITTED)
    v_0: Param = quantity(-0.1, "V", (-2.0, 2.0), doc="V_0, where both phases are as stable", source=_FITTED)
    tau: Param = quantity(0.162, "s", (1e-6, 1e4), scale="log", doc="time of a site", source=_RATE)
    shift: Param = quantity(1.05, "V", (0.0, 3.0), doc="k, threshold by all doped sites", source=_FITTED)
    v_t: Param = quantity(-0.407, "V", (-2.0, 2.0), doc="V_T, threshold without doped sites", source=_FITTED)
    n: Param = quantity(3.233, "1", (1.0, 6.0), doc="slope factor of the channel", source=_FITTED)
    beta: Param = quantity(0.02, "A/V2", (1e-6, 1.0), scale="log", doc="b, mu C* W d/L", source="chosen")
    r_c: Param = quantity(276.0, "ohm", (1.0, 1e6), scale="log", doc="R_c, contacts", source=_FITTED)
    c_g: Param = quantity(3.18e-7, "F", (1e-12, 1e-3), scale="log", doc="C, of the gate", source=_RATE)
    q_s: Param = quantity(1e-8, "C", (1e-15, 1e-3), scale="log", doc="Q_s, ions of all doped sites", source="chosen")
    f: Param = quantity(0.5, "1", (0.0, 1.0), doc="share of the gate current through the drain", source="symmetry")
    p_init: Param = quantity(1.0, "1", (0.0, 1.0), doc="initial share", source="doped as made", free=False)

    def init(self, env: Environment) -> State:
        del env
        return BistableOect.State(p=self.p_init)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        work = self.alpha * (v[0] - self.f * v[1] - self.v_0) + self.h * (1 - 2 * x.p)
        return BistableOect.State(p=(jax.nn.sigmoid(-work / thermal_voltage(env.temperature)) - x.p) / self.tau)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        thermal = thermal_voltage(env.temperature)
        pinch = (self.v_t + self.shift * x.p - v[0]) / self.n
        ends = jnp.logaddexp(0.0, 0.5 * pinch / thermal) + jnp.logaddexp(0.0, 0.5 * (pinch + v[1]) / thermal)
        open_channel = self.n * self.beta * thermal * ends
        holes = -2 * self.n * self.beta * thermal**2 * ekv_channel(pinch, -v[1], thermal)
        drain = holes / (1 + self.r_c * open_channel)
        return jnp.stack([jnp.zeros_like(drain), drain])

    def charge(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        gate = self.c_g * (v[0] - self.f * v[1]) - self.q_s * x.p
        return jnp.stack([gate, -self.f * gate])

    def potential(self, p: Real, env: Environment) -> Real:
        """V_i (V) under which a share `p` is in equilibrium, stable where it falls with `p`."""
        return self.v_0 - (thermal_voltage(env.temperature) * logit(p) + self.h * (1 - 2 * p)) / self.alpha
