"""Circuit elements as devices: R, current limiter, C, L, diode, EKV transistor. Circuits know no special cases.

Those that dissipate tell their thermal noise, see `AbstractAgitated`: 4 k_B T/R, shot noise, or along a channel.
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from physics import constants
from physics.conduction import ekv_channel
from physics.device import AbstractAgitated, AbstractReactive, AbstractStateless, Amps, Environment, Sweep, Volts, X
from physics.kinetics import thermal_voltage
from physics.noise import shot_psd
from physics.quantity import Param, quantity, state_variable
from physics.smooth import limexp

_AT, _SHARE = (0.5 * a for a in np.polynomial.legendre.leggauss(12))


class Resistor(AbstractStateless, AbstractAgitated):
    """i = v / R (Ohm's law); thermal noise 4 k_B T/R (A2/Hz)."""

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "element"
    doi: ClassVar[str] = "textbook"
    sweep: ClassVar[Sweep] = Sweep(1.0, -1.0, 1.0)
    resistance: Param = quantity(1e3, "ohm", (1e-3, 1e12), scale="log", doc="resistance", source="chosen")

    def current(self, x, v: Volts, env: Environment) -> Amps:
        del x, env
        return v / self.resistance

    def agitation(self, x, v: Volts, env: Environment) -> tuple[X, Amps]:
        return x, _nyquist(1 / self.resistance, env) + 0 * v


class CurrentLimiter(AbstractStateless, AbstractAgitated):
    """i = I_c u / sqrt(1 + u^2), u = v/V_c: a resistor V_c/I_c that lets no more than I_c pass, to either side.

    The compliance of a source meter, or a transistor in saturation, in series with what it protects. Chosen form:
    smooth and increasing, so that a voltage remains what it is told by; within 1 % of I_c from 7 V_c on. Thermal noise
    4 k_B T i/v, exact at rest and chosen beyond.
    """

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "element"
    doi: ClassVar[str] = "textbook"
    sweep: ClassVar[Sweep] = Sweep(1.0, -1.0, 1.0)
    compliance: Param = quantity(1e-4, "A", (1e-12, 1.0), scale="log", doc="largest current", source="chosen")
    v_corner: Param = quantity(0.01, "V", (1e-3, 1.0), scale="log", doc="V_c, where it sets in", source="chosen")

    def current(self, x, v: Volts, env: Environment) -> Amps:
        del x, env
        u = v / self.v_corner
        return self.compliance * u / jnp.sqrt(1 + u * u)

    def agitation(self, x, v: Volts, env: Environment) -> tuple[X, Amps]:
        u = v / self.v_corner
        return x, _nyquist(self.compliance / (self.v_corner * jnp.sqrt(1 + u * u)), env)


class Capacitor(AbstractStateless, AbstractReactive):
    """q = C v, i = dq/dt."""

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "element"
    doi: ClassVar[str] = "textbook"
    sweep: ClassVar[Sweep] = Sweep(1.0, -1.0, 1.0)
    capacitance: Param = quantity(1e-12, "F", (1e-18, 1e-3), scale="log", doc="capacitance", source="chosen")

    def current(self, x, v: Volts, env: Environment) -> Amps:
        del x, env
        return jnp.zeros_like(v)

    def charge(self, x, v: Volts, env: Environment) -> Amps:
        del x, env
        return self.capacitance * v


class Inductor(AbstractAgitated):
    """L di/dt = v with a series resistance; the state is the current over `i_scale`.

    The series resistance R gives a stable state: i_scale dy/dt = (v - R i_scale y)/L. No bound holds the current
    but v/R, so `check_device` is run on it without "inward". Thermal noise 4 k_B T R (V2/Hz) beside v.
    """

    class State(eqx.Module):
        current: Param = state_variable((-1e3, 1e3), doc="current over i_scale")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "element"
    doi: ClassVar[str] = "textbook"
    stores_energy: ClassVar[bool] = True
    sweep: ClassVar[Sweep] = Sweep(1.0, -1.0, 1e-5)
    inductance: Param = quantity(1e-6, "H", (1e-12, 1e3), scale="log", doc="inductance", source="chosen")
    resistance: Param = quantity(1.0, "ohm", (1e-6, 1e9), scale="log", doc="series resistance", source="chosen")
    i_scale: Param = quantity(1e-3, "A", (1e-9, 1e3), scale="log", doc="current of y = 1", source="chosen", free=False)

    def init(self, env: Environment) -> State:
        del env
        return Inductor.State(current=jnp.zeros_like(self.inductance))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        return Inductor.State(current=(v / self.i_scale - self.resistance * x.current) / self.inductance)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del v, env
        return self.i_scale * x.current

    def agitation(self, x: State, v: Volts, env: Environment) -> tuple[X, Amps]:
        volts = _nyquist(self.resistance, env)
        return Inductor.State(current=volts / (self.inductance * self.i_scale) + 0 * x.current), jnp.zeros_like(v)


class Diode(AbstractStateless, AbstractAgitated):
    """i = I_s (exp(v / n U_T) - 1) + g_min v, U_T = k_B T / q.

    Shot noise 2 q |i| coth(q |v|/2 k_B T), for n = 1 that of both currents over the barrier, 2 q (i + 2 I_s).
    Shockley, Bell Syst. Tech. J. 28, 435 (1949), 10.1002/j.1538-7305.1949.tb03645.x; g_min as in SPICE.
    """

    terminals: ClassVar[tuple[str, ...]] = ("anode", "cathode")
    family: ClassVar[str] = "element"
    doi: ClassVar[str] = "10.1002/j.1538-7305.1949.tb03645.x"
    sweep: ClassVar[Sweep] = Sweep(0.7, -1.0, 1.0)
    i_s: Param = quantity(1e-14, "A", (1e-20, 1e-3), scale="log", doc="saturation current", source="SPICE default")
    n: Param = quantity(1.0, "1", (0.5, 5.0), doc="ideality", source="SPICE default")
    g_min: Param = quantity(1e-12, "S", (1e-18, 1e-6), scale="log", doc="leak", source="SPICE default", free=False)

    def current(self, x, v: Volts, env: Environment) -> Amps:
        del x
        return self.i_s * (limexp(v / (self.n * thermal_voltage(env.temperature))) - 1) + self.g_min * v

    def agitation(self, x, v: Volts, env: Environment) -> tuple[X, Amps]:
        # shot_psd divides by v: at rest it is told of the current beside it.
        there = jnp.where(jnp.abs(v) < 1e-9, jnp.full_like(v, 1e-9), v)
        return x, jnp.sqrt(shot_psd(self.current(x, there, env), there, env.temperature) / 2)


class Mosfet(AbstractStateless, AbstractAgitated):
    """I_D = 2 n beta U_T^2 [L(v_P) - L(v_P - V_D)], v_P = (V_G - V_T)/n, L = ln^2(1 + exp(v/2U_T)).

    n-channel, source-referred EKV without channel-length modulation; no gate current at DC. Thermal noise of the drain
    4 k_B T int g^2 dV / int g dV along the channel, g = -dI_D/dV_D there: 2 q (I_f + I_r) in weak inversion, 2/3 of
    4 k_B T g_ms in strong inversion and saturation. Enz, Krummenacher and Vittoz (1995), 10.1007/BF01239381; noise:
    F. M. Klaassen, J. Prins, Philips Res. Rep. 22, 505 (1967).
    """

    terminals: ClassVar[tuple[str, ...]] = ("gate", "drain", "source")
    family: ClassVar[str] = "element"
    doi: ClassVar[str] = "10.1007/BF01239381"
    sweep: ClassVar[Sweep] = Sweep((1.5, 1.0), (0.0, 0.0), 1.0)
    v_t: Param = quantity(0.45, "V", (-2.0, 3.0), doc="threshold voltage", source="chosen")
    n: Param = quantity(1.3, "1", (1.0, 2.5), doc="slope factor", source="EKV")
    beta: Param = quantity(2e-4, "A/V2", (1e-9, 1.0), scale="log", doc="mu C_ox W/L", source="chosen")

    def current(self, x, v: Volts, env: Environment) -> Amps:
        del x
        thermal = thermal_voltage(env.temperature)
        pinch_off = (v[0] - self.v_t) / self.n
        drain = 2 * self.n * self.beta * thermal**2 * ekv_channel(pinch_off, v[1], thermal)
        return jnp.stack([jnp.zeros_like(drain), drain])

    def agitation(self, x, v: Volts, env: Environment) -> tuple[X, Amps]:
        thermal = thermal_voltage(env.temperature)
        pinch_off = (v[0] - self.v_t) / self.n
        # g = 2 n beta U_T s (1 - exp(-s)) and dV = -2 U_T ds/(1 - exp(-s)), s = ln(1 + exp((v_P - V)/2U_T)).
        source, drain = (jnp.maximum(jax.nn.softplus(a / (2 * thermal)), 1e-12) for a in (pinch_off, pinch_off - v[1]))
        s = 0.5 * (source + drain) + (source - drain) * jnp.asarray(_AT, v.dtype)
        mean = jnp.sum(jnp.asarray(_SHARE, v.dtype) * s * s * -jnp.expm1(-s))
        g = 2 * self.n * self.beta * thermal * mean / (0.5 * (source + drain))
        return x, jnp.stack([jnp.zeros_like(g), _nyquist(g, env)])


def _nyquist(g, env: Environment):
    """sqrt(2 k_B T g): noise of a conductance (A sqrt(s)), or, of a resistance, V sqrt(s)."""
    return jnp.sqrt(2 * constants.K_B * env.temperature) * jnp.sqrt(g)
