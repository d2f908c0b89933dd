"""Organic electrochemical transistors: ions from an electrolyte take the holes out of a polymer. `Oect`."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.quantity import Param, quantity, state_variable
from physics.smooth import at_least_zero

Real = Float[Array, "..."]
_RIVNAY = "10.1126/sciadv.1400251, 39 F/cm3"
_INAL = "recalled, 10.1038/s41467-017-01812-w, mu C* = 47 F/(cm V s)"


class Oect(AbstractDevice):
    """dQ/dt = I_G = (V_G - f V_D - Q/C)/R_s,  I_D = G [S(V_i) - S(V_i - V_D)] - f I_G,  V_i = Q/C + f V_D.

    Cations driven into the doped polymer (PEDOT:PSS, holes) by V_G > 0 each take one hole out: Q is their charge,
    C = C* W L d the capacitance of the whole film, R_s that of the electrolyte. The state is Q/(C V_p). V_i is the
    potential of the electrolyte in the film. Where V_i exceeds the potential V of the channel by u, a share s of the
    holes is left, 1 for u < 0, 1 - u/V_p, and nothing beyond the pinch-off V_p = q p_0/C*; S is its integral, and

        I_D = G V_D [1 - (V_i - V_D/2)/V_p]   everywhere open,   G = mu C* (W d/L) V_p = q mu p_0 W d/L
        I_D = -G (V_p - V_i)^2/(2 V_p)        pinched off, V_D < V_i - V_p

    plus g_off V_D, what an undoped film conducts. A share f of the gate current comes out of the drain, so after a step
    of V_G at a small V_D, with the ions at rest before,

        I_D(t) = I_D(inf) + [I_D(0) - I_D(inf)] (1 - f tau_e/tau) exp(-t/tau),  tau = R_s C,  tau_e = L^2/(mu V_D)

    of either sign: for V_D < 0 holes that leave add a spike to the current, for V_D > 0 and f tau_e > tau it falls too
    low first and recovers.

    D. A. Bernards and G. G. Malliaras, Adv. Funct. Mater. 17, 3538 (2007), 10.1002/adfm.200601239; C*: J. Rivnay et
    al., Sci. Adv. 1, e1400251 (2015), 10.1126/sciadv.1400251. Deviations: ions follow the mean potential f V_D of the
    channel; corners of s are rounded over `knee`, by which a film at twice the pinch-off keeps knee^2/(8 V_p^2)
    of its holes; no contact resistance. Volatile: for a memory (ENODe) open the gate, or let R_s be that of its switch.
    """

    class State(eqx.Module):
        q: Param = state_variable((-6.0, 6.0), doc="Q/(C V_p): 1 has taken out all holes at V_D = 0")

    terminals: ClassVar[tuple[str, ...]] = ("gate", "drain", "source")
    family: ClassVar[str] = "P10 OECT"
    doi: ClassVar[str] = "10.1002/adfm.200601239"
    stores_energy: ClassVar[bool] = True
    sweep: ClassVar[Sweep] = Sweep((0.6, -0.6), (-0.2, 0.2), 1e-3)
    v_p: Param = quantity(0.6, "V", (0.3, 3.0), scale="log", doc="V_p, pinch-off", source="chosen")
    mu: Param = quantity(1.2e-4, "m2/(V s)", (1e-8, 1e-2), scale="log", doc="mobility of holes", source=_INAL)
    c_star: Param = quantity(3.9e7, "F/m3", (1e6, 1e9), scale="log", doc="C*, capacitance by volume", source=_RIVNAY)
    width: Param = quantity(100e-6, "m", (1e-7, 1e-2), scale="log", doc="W, channel", source="chosen", free=False)
    length: Param = quantity(10e-6, "m", (1e-7, 1e-2), scale="log", doc="L, channel", source="chosen", free=False)
    depth: Param = quantity(100e-9, "m", (1e-8, 1e-6), scale="log", doc="d, film", source="chosen", free=False)
    r_s: Param = quantity(1e4, "ohm", (1e2, 1e12), scale="log", doc="R_s, electrolyte", source="chosen")
    g_off: Param = quantity(1e-6, "S", (1e-12, 1e-3), scale="log", doc="undoped film", source="chosen")
    f: Param = quantity(0.5, "1", (0.0, 1.0), doc="share of the gate current through the drain", source="symmetry")
    knee: Param = quantity(5e-3, "V", (1e-3, 3e-2), scale="log", doc="rounding of s", source="chosen", free=False)
    q_init: Param = quantity(0.0, "1", (-6.0, 6.0), doc="initial state", source="no cations", free=False)

    def init(self, env: Environment) -> State:
        del env
        return Oect.State(q=self.q_init)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        return Oect.State(q=((v[0] - self.f * v[1]) / self.v_p - x.q) / self.time_constant())

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        gate = (v[0] - self.f * v[1] - x.q * self.v_p) / self.r_s
        ions = x.q * self.v_p + self.f * v[1]
        return jnp.stack([gate, self.channel_current(ions, v[1]) - self.f * gate])

    def channel_current(self, ions: Real, v_drain: Real) -> Real:
        """Current of the holes (A) between V = 0 and V_D under an electrolyte at a potential V_i = `ions`."""
        # In what is left of the holes, not in what is gone: a pinched-off film would be rounding.
        left = _ramp(self.v_p - ions + v_drain, self.knee) - _ramp(self.v_p - ions, self.knee)
        more = _ramp(v_drain - ions, self.knee) - _ramp(-ions, self.knee)
        return self.conductance_full() * ((left - more) / self.v_p) + self.g_off * v_drain

    def conductance_full(self) -> Real:
        """G (S) with all holes."""
        return self.mu * (self.c_star * self.width * (self.depth / self.length)) * self.v_p

    def capacitance(self) -> Real:
        """C, of the whole channel (F)."""
        return self.c_star * self.width * self.length * self.depth

    def time_constant(self) -> Real:
        """tau = R_s C (s) of the ions."""
        return self.r_s * self.capacitance()

    def transit_time(self, v_drain: Real) -> Real:
        """tau_e = L^2/(mu V_D) (s) of the holes, of the sign of V_D."""
        return self.length / self.mu * (self.length / v_drain)


def _ramp(u: Real, knee: Real) -> Real:
    """u^2/2 for u > 0 and nothing below: the integral of (u + sqrt(u^2 + knee^2))/2."""
    return 0.5 * u * at_least_zero(u, knee) + 0.25 * knee * knee * jnp.arcsinh(u / knee)
