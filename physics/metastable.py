"""Memristors without a mechanism, or with half of one: `MetastableSwitch`, `LinearDrift` and `Strachan`."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.device import AbstractDevice, AbstractLangevin, Amps, Environment, Sweep, Volts
from physics.kinetics import thermal_voltage
from physics.quantity import Param, quantity, state_variable
from physics.smooth import blend, end_stops, softplus, stop

Real = Float[Array, "..."]
_HP = "SPICE model of Z. and D. Biolek, Radioengineering 18, 210 (2009)"
_PORT = "two public ports of 10.1109/TED.2013.2264476"


class MetastableSwitch(AbstractLangevin):
    """dx/dt = [s((V - V_on)/U_T) (1 - x) - s(-(V + V_off)/U_T) x]/tau,  i = V [x G_on + (1 - x) G_off].

    Many small switches, each with a barrier to both sides; x is the share of those that are on, s(u) = 1/(1 + e^-u)
    the chance that one switches within tau, U_T = k_B T/q. Smooth and bounded by itself. At a constant voltage x goes
    to x_inf = P_on/(P_on + P_off) with the rate (P_on + P_off)/tau. A path (a key) has the binomial noise of `n`
    switches, of variance [P_on (1 - x) + P_off x]/(n tau) a second.

    M. A. Nugent and T. W. Molter, PLoS ONE 9, e85175 (2014), 10.1371/journal.pone.0085175. Deviations: the diode in
    parallel of the paper is left out; time steps are a differential equation. Values are chosen.
    """

    class State(eqx.Module):
        x: Param = state_variable((0.0, 1.0), doc="share of the switches that are on")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P12 behavioural"
    doi: ClassVar[str] = "10.1371/journal.pone.0085175"
    sweep: ClassVar[Sweep] = Sweep(0.5, -0.5, 1e-2)
    ordered: ClassVar[tuple[tuple[str, str], ...]] = (("g_off", "g_on"),)
    tau: Param = quantity(1e-4, "s", (1e-9, 1e2), scale="log", doc="time of one attempt", source="chosen")
    v_on: Param = quantity(0.27, "V", (0.0, 3.0), doc="threshold of switching on", source="chosen")
    v_off: Param = quantity(0.27, "V", (0.0, 3.0), doc="threshold of switching off, at V < 0", source="chosen")
    g_on: Param = quantity(2e-3, "S", (1e-9, 1.0), scale="log", doc="conductance, all on", source="chosen")
    g_off: Param = quantity(6e-4, "S", (1e-12, 1.0), scale="log", doc="conductance, all off", source="chosen")
    n: Param = quantity(1e4, "1", (1e3, 1e8), scale="log", doc="number of switches", source="chosen", free=False)
    x_init: Param = quantity(0.0, "1", (0.0, 1.0), doc="initial share", source="all off", free=False)

    def init(self, env: Environment) -> State:
        del env
        return MetastableSwitch.State(x=self.x_init)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        on, off = self.chances(v, env)
        return MetastableSwitch.State(x=(on * (1 - x.x) - off * x.x) / self.tau)

    def diffusion(self, x: State, v: Volts, env: Environment) -> State:
        on, off = self.chances(v, env)
        inside = jnp.clip(x.x, 0.0, 1.0)
        # A floor far below one switch, as a square root has no slope at zero.
        variance = on * (1 - inside) + off * inside + 1e-12
        return MetastableSwitch.State(x=jnp.sqrt(variance / self.n / self.tau))

    def time_step(self, env: Environment) -> Real:
        """A twentieth of tau, the fastest relaxation being twice as fast as that."""
        del env
        return 0.05 * self.tau

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        return v * (self.g_off + (self.g_on - self.g_off) * x.x)

    def chances(self, v: Real, env: Environment) -> tuple[Real, Real]:
        """P_on and P_off within tau."""
        u_t = thermal_voltage(env.temperature)
        return jax.nn.sigmoid((v - self.v_on) / u_t), jax.nn.sigmoid(-(v + self.v_off) / u_t)


class LinearDrift(AbstractDevice):
    """dx/dt = mu_v R_on/D^2 i,  i = v/[R_on x + R_off (1 - x)],  x = w/D.

    w is how far the doped, conducting side of the film reaches. The vacancies drift in the uniform field of that
    side, so x follows the charge and nothing else, dx/dq = mu_v R_on/D^2, and the flux is a quadratic function of x:
    int v dt = [R_off (x - x_0) - (R_off - R_on) (x^2 - x_0^2)/2]/(mu_v R_on/D^2). Within `edge` of an end, x stops by
    1 - exp(-distance/edge).

    D. B. Strukov, G. S. Snider, D. R. Stewart and R. S. Williams, Nature 453, 80 (2008), 10.1038/nature06932.
    Deviation: the hard ends are rounded.
    """

    class State(eqx.Module):
        x: Param = state_variable((0.0, 1.0), doc="w/D, the doped share of the film")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P12 behavioural"
    doi: ClassVar[str] = "10.1038/nature06932"
    sweep: ClassVar[Sweep] = Sweep(1.0, -0.8, 1.0)
    ordered: ClassVar[tuple[tuple[str, str], ...]] = (("r_on", "r_off"),)
    r_on: Param = quantity(100.0, "ohm", (1.0, 1e6), scale="log", doc="resistance, all doped", source=_HP)
    r_off: Param = quantity(16e3, "ohm", (1e2, 1e9), scale="log", doc="resistance, all undoped", source=_HP)
    mu_v: Param = quantity(1e-14, "m2/(V s)", (1e-19, 1e-9), scale="log", doc="mobility of vacancies", source=_HP)
    d: Param = quantity(10e-9, "m", (2e-9, 1e-7), scale="log", doc="D, film thickness", source=_HP, free=False)
    edge: Param = quantity(
        1e-3, "1", (1e-4, 0.05), scale="log", doc="width of the stops at both ends", source="chosen", free=False
    )
    v_s: Param = quantity(
        1e-3, "V", (1e-4, 5e-2), scale="log", doc="exchange of the stops at v = 0", source="chosen", free=False
    )
    x_init: Param = quantity(0.1, "1", (0.0, 1.0), doc="initial x", source="chosen", free=False)

    def init(self, env: Environment) -> State:
        del env
        return LinearDrift.State(x=self.x_init)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        ends = end_stops(v, stop((x.x - 1) / self.edge), stop(-x.x / self.edge), self.v_s)
        # R_on i first, a voltage, as mobilities over squared lengths are large.
        return LinearDrift.State(x=self.mu_v / self.d / self.d * (self.r_on * self.current(x, v, env)) * ends)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        inside = jnp.clip(x.x, 0.0, 1.0)
        return v / (self.r_on * inside + self.r_off * (1 - inside))


class Strachan(AbstractDevice):
    """TaOx, fitted state dynamics: dx/dt = B sinh(V/s_on) exp(-(x/x_on)^2) exp(iV/s_p) for V > 0 and
    dx/dt = A sinh(V/s_off) exp(-(x_off/x)^2) exp(1/(1 + beta iV)) for V < 0,  i = V [G_m x + (1 - x) a exp(b |V|^1/2)].

    x is the metallic share of the conducting channel, the rest of which is a Frenkel-Poole conductor. The heat iV
    speeds switching on up, which therefore runs away (a circuit has to end it), and slows switching off down.

    J. P. Strachan et al., IEEE Trans. Electron Devices 60, 2194 (2013), 10.1109/TED.2013.2264476. Deviations: a
    rate cannot exceed `fastest`; x stops within `edge` of 0 and 1 (the published equations leave at 1 from 0.7 V on);
    the polarities are exchanged over v_s and |V| is rounded within v_root.
    """

    class State(eqx.Module):
        x: Param = state_variable((0.0, 1.0), doc="metallic share of the channel")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P12 behavioural"
    doi: ClassVar[str] = "10.1109/TED.2013.2264476"
    sweep: ClassVar[Sweep] = Sweep(0.9, -0.6, 1e-3)
    g_m: Param = quantity(0.025, "S", (1e-4, 0.1), scale="log", doc="conductance of the metal", source=_PORT)
    a: Param = quantity(7.2e-6, "S", (1e-8, 1e-4), scale="log", doc="Frenkel-Poole conductance", source=_PORT)
    b: Param = quantity(4.7, "1/V0.5", (0.5, 8.0), doc="Frenkel-Poole slope", source=_PORT)
    rate_off: Param = quantity(1e-10, "1/s", (1e-14, 1e-4), scale="log", doc="A, speed of RESET", source=_PORT)
    rate_on: Param = quantity(1e-4, "1/s", (1e-8, 1e2), scale="log", doc="B, speed of SET", source=_PORT)
    s_off: Param = quantity(0.013, "V", (5e-3, 0.1), scale="log", doc="voltage scale of RESET", source=_PORT)
    s_on: Param = quantity(0.45, "V", (0.05, 2.0), scale="log", doc="voltage scale of SET", source=_PORT)
    s_p: Param = quantity(4e-5, "W", (1e-5, 1e-3), scale="log", doc="power scale of SET", source=_PORT)
    beta: Param = quantity(500.0, "1/W", (1.0, 1e5), scale="log", doc="slowing of RESET by power", source=_PORT)
    x_off: Param = quantity(0.4, "1", (0.05, 1.0), doc="state where RESET slows down", source=_PORT)
    x_on: Param = quantity(0.06, "1", (0.02, 1.0), doc="state where SET slows down", source=_PORT)
    fastest: Param = quantity(
        1e12, "1/s", (1e9, 1e13), scale="log", doc="bound of a rate", source="chosen: attempts of an atom", free=False
    )
    edge: Param = quantity(
        1e-4, "1", (1e-5, 1e-2), scale="log", doc="width of the stops at 0 and 1", source="chosen", free=False
    )
    v_s: Param = quantity(
        3e-3, "V", (1e-3, 1e-2), scale="log", doc="exchange of the polarities", source="chosen", free=False
    )
    v_root: Param = quantity(
        1e-4, "V", (1e-5, 1e-3), scale="log", doc="rounding of |V| under the root", source="chosen", free=False
    )
    x_init: Param = quantity(0.01, "1", (0.0, 1.0), doc="initial x", source="chosen: off", free=False)

    def init(self, env: Environment) -> State:
        del env
        return Strachan.State(x=self.x_init)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        watts = v * self.current(x, v, env)
        # The root keeps 1/x^2 finite; it is nothing where RESET moves at all.
        slowed = self.x_off * self.x_off / (x.x * x.x + 1e-10)
        on = self._sinh(self.rate_on, v / self.s_on, watts / self.s_p - (x.x / self.x_on) ** 2)
        off = self._sinh(self.rate_off, -v / self.s_off, 1 / (1 + self.beta * watts) - slowed)
        ends = end_stops(v, stop((x.x - 1) / self.edge), stop(-x.x / self.edge), self.v_s)
        return Strachan.State(x=blend(-off, on, v, self.v_s) * ends)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        root = jnp.sqrt(jnp.sqrt(v * v + self.v_root**2))
        inside = jnp.clip(x.x, 0.0, 1.0)
        return v * (self.g_m * inside + (1 - inside) * self.a * jnp.exp(self.b * root))

    def _sinh(self, scale: Real, drive: Real, exponent: Real) -> Real:
        """scale sinh(drive) exp(exponent) for drive > 0, below `fastest`; no more than its slope for drive < 0."""
        grown = jnp.log(scale) + jnp.maximum(drive, 0.0) + exponent
        capped = jnp.exp(grown - softplus(grown - jnp.log(self.fastest), 0.5))
        return capped * 0.5 * -jnp.expm1(-2 * jnp.maximum(drive, -1.0))
