"""Channels of biological membranes: a channel is a memristor behind a battery.

`SodiumChannel`, `PotassiumChannel`, `LeakChannel` are those of Hodgkin and Huxley; with a capacitor between the same
two nodes they are a patch of the squid axon:

    neurojax.Circuit(C1=(Capacitor(1e-6), "in", "gnd"), Na=(SodiumChannel(1e-4), "in", "gnd"), ...)

`CalciumChannel` fills a pool; receptors of synapses are in `receptors.py`. `nernst` and `ghk` tell the batteries
from concentrations. Currents are positive outwards, from "inside" to "outside"; a gate x in [0, 1] follows
x' = alpha(V) (1 - x) - beta(V) x, whose rates grow by the factor phi = q10^((T - t_ref)/t_step).
"""

import abc
import math
from functools import partial
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics import constants
from physics.device import AbstractDevice, AbstractStateless, Amps, Environment, Sweep, Volts, X
from physics.kinetics import thermal_voltage
from physics.quantity import Param, quantity, state_variable
from physics.smooth import limexp, softplus

Real = Float[Array, "..."]
HODGKIN_HUXLEY = "10.1113/jphysiol.1952.sp004764"
_HH = f"{HODGKIN_HUXLEY}, shifted to rest at -65 mV"


def nernst(outside: Real | float, inside: Real | float, valence: Real | float, temperature: Real | float) -> Real:
    """E = (R T/z F) ln(outside/inside), the voltage (V) at which an ion is at rest.

    Args:
        outside, inside: concentrations, both in one unit. valence: z, with its sign. temperature: K.
    """
    return thermal_voltage(jnp.asarray(temperature)) / valence * jnp.log(outside / inside)


def ghk(permeability: Real, outside: Real, inside: Real, sign: Real, temperature: Real | float) -> Real:
    """V = (R T/F) ln((sum P out)/(sum P in)) over ions of one charge each, of an anion with the sides exchanged (V).

    D. E. Goldman, J. Gen. Physiol. 27, 37 (1943), 10.1085/jgp.27.1.37; A. L. Hodgkin and B. Katz, J. Physiol. 108, 37
    (1949), 10.1113/jphysiol.1949.sp004310.

    Args:
        permeability, outside, inside: of each ion, shape (ions,), in any one unit.
        sign: +1 of a cation, -1 of an anion. temperature: K.
    """
    over = jnp.sum(permeability * jnp.where(sign > 0, outside, inside))
    under = jnp.sum(permeability * jnp.where(sign > 0, inside, outside))
    return thermal_voltage(jnp.asarray(temperature)) * jnp.log(over / under)


def linoid(x: Real) -> Real:
    """x/(1 - exp(-x)), one at zero, without 0/0 or overflow.

    Args:
        x: a pure number; above zero the result goes to x, below to nothing.
    """
    small = jnp.abs(x) < 0.5
    s, safe = jnp.where(small, x, jnp.zeros_like(x)), jnp.where(small, jnp.ones_like(x), x)
    # (1 - exp(-s))/s is the sum of (-s)^k/(k + 1)!, to rounding for |s| < 1/2.
    series = jnp.zeros_like(x)
    for k in reversed(range(14)):
        series = 1 / math.factorial(k + 1) - s * series
    e = jnp.exp(-jnp.abs(safe))
    return jnp.where(small, 1 / series, jnp.where(safe > 0, safe, -safe * e) / (1 - e))


_density = partial(quantity, unit="S/m2", bounds=(1e-2, 1e4), scale="log", doc="g_bar, all gates open")
_battery = partial(quantity, unit="V", bounds=(-0.12, 0.2), doc="E, where the current reverses")
_v_init = partial(quantity, -65e-3, "V", (-0.15, 0.1), doc="voltage of the first gates", source="chosen", free=False)
_speed = partial(quantity, unit="1/s", bounds=(1.0, 1e5), scale="log", source=_HH)
_at = partial(quantity, unit="V", bounds=(-0.15, 0.1), source=_HH)
_width = partial(quantity, unit="V", bounds=(4e-3, 0.2), scale="log", source=_HH)
_tau = partial(quantity, unit="s", bounds=(1e-5, 10.0), scale="log", source="chosen")


class AbstractChannel(AbstractDevice):
    """i = A g_bar (open share) (V - E), from "inside" to "outside"."""

    terminals: ClassVar[tuple[str, ...]] = ("inside", "outside")
    family: ClassVar[str] = "membrane"
    stores_energy: ClassVar[bool] = True
    sweep: ClassVar[Sweep] = Sweep(0.05, -0.1, 0.1)
    area: Param = quantity(1e-9, "m2", (1e-16, 1e-2), scale="log", doc="A, area", source="chosen", free=False)


class AbstractGated(AbstractChannel):
    """Gates x' = alpha (1 - x) - beta x in a membrane; they start at rest at `v_init`. `rates` tells alpha and beta."""

    q10: Param = quantity(3.0, "1", (1.0, 4.0), doc="growth of the rates in t_step", source=HODGKIN_HUXLEY, free=False)
    t_ref: Param = quantity(
        279.45, "K", (270.0, 320.0), doc="where the rates hold", source=f"6.3 C, {HODGKIN_HUXLEY}", free=False
    )
    t_step: Param = quantity(10.0, "K", (9.0, 11.0), doc="temperature step of q10", source="definition", free=False)
    v_init: Param = _v_init()

    @abc.abstractmethod
    def rates(self, v: Volts, env: Environment) -> tuple[X, X]:
        """alpha and beta (1/s) of all gates."""

    def warmth(self, env: Environment) -> Real:
        """ln phi."""
        return jnp.log(self.q10) * (env.temperature - self.t_ref) / self.t_step

    def init(self, env: Environment) -> X:
        del env
        # a/(a + b), where in single precision the square of a small sum is nothing; phi cancels.
        rates = self.rates(self.v_init, Environment(temperature=self.t_ref))
        return jax.tree.map(lambda a, b: jax.nn.sigmoid(jnp.log(a) - jnp.log(b)), *rates)

    def rate(self, x: X, v: Volts, env: Environment) -> X:
        return jax.tree.map(lambda x, a, b: a - (a + b) * x, x, *self.rates(v, env))


class SodiumChannel(AbstractGated):
    """i = A g_bar m^3 h (V - E),  m' = alpha_m (1 - m) - beta_m m, and likewise h.

        alpha_m = phi a_m L((V - v_am)/s_am)      beta_m = phi b_m exp(-(V - v_bm)/s_bm)      L(x) = x/(1 - exp(-x))
        alpha_h = phi a_h exp(-(V - v_ah)/s_ah)   beta_h = phi b_h/(1 + exp(-(V - v_bh)/s_bh))

    A memristor of second order behind a battery (Chua, Sbitnev and Kim 2012, 10.1142/S021812741230011X, recalled).
    A. L. Hodgkin and A. F. Huxley, J. Physiol. 117, 500 (1952), 10.1113/jphysiol.1952.sp004764.
    """

    class State(eqx.Module):
        m: Param = state_variable((0.0, 1.0), doc="activation, open of one")
        h: Param = state_variable((0.0, 1.0), doc="not inactivated, open of one")

    doi: ClassVar[str] = HODGKIN_HUXLEY
    g_bar: Param = _density(1200.0, source=HODGKIN_HUXLEY)
    e_rev: Param = _battery(50e-3, source=_HH)
    a_m: Param = _speed(1e3, doc="alpha_m at v_am")
    v_am: Param = _at(-40e-3, doc="knee of alpha_m")
    s_am: Param = _width(10e-3, doc="width of alpha_m")
    b_m: Param = _speed(4e3, doc="beta_m at v_bm")
    v_bm: Param = _at(-65e-3, doc="where beta_m is b_m")
    s_bm: Param = _width(18e-3, doc="width of beta_m")
    a_h: Param = _speed(70.0, doc="alpha_h at v_ah")
    v_ah: Param = _at(-65e-3, doc="where alpha_h is a_h")
    s_ah: Param = _width(20e-3, doc="width of alpha_h")
    b_h: Param = _speed(1e3, doc="largest beta_h")
    v_bh: Param = _at(-35e-3, doc="middle of beta_h")
    s_bh: Param = _width(10e-3, doc="width of beta_h")

    def rates(self, v: Volts, env: Environment) -> tuple[State, State]:
        warm = self.warmth(env)
        alpha_m = self.a_m * limexp(warm) * linoid((v - self.v_am) / self.s_am)
        beta_m = self.b_m * limexp(warm - (v - self.v_bm) / self.s_bm)
        alpha_h = self.a_h * limexp(warm - (v - self.v_ah) / self.s_ah)
        beta_h = self.b_h * limexp(warm) * jax.nn.sigmoid((v - self.v_bh) / self.s_bh)
        return SodiumChannel.State(m=alpha_m, h=alpha_h), SodiumChannel.State(m=beta_m, h=beta_h)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        return self.area * self.g_bar * x.m * x.m * x.m * x.h * (v - self.e_rev)


class PotassiumChannel(AbstractGated):
    """i = A g_bar n^4 (V - E),  n' = alpha_n (1 - n) - beta_n n.

        alpha_n = phi a_n L((V - v_an)/s_an)      beta_n = phi b_n exp(-(V - v_bn)/s_bn)      L(x) = x/(1 - exp(-x))

    A memristor of first order behind a battery (Chua, Sbitnev and Kim 2012, 10.1142/S021812741230011X, recalled).
    A. L. Hodgkin and A. F. Huxley, J. Physiol. 117, 500 (1952), 10.1113/jphysiol.1952.sp004764.
    """

    class State(eqx.Module):
        n: Param = state_variable((0.0, 1.0), doc="activation, open of one")

    doi: ClassVar[str] = HODGKIN_HUXLEY
    g_bar: Param = _density(360.0, source=HODGKIN_HUXLEY)
    e_rev: Param = _battery(-77e-3, source=_HH)
    a_n: Param = _speed(100.0, doc="alpha_n at v_an")
    v_an: Param = _at(-55e-3, doc="knee of alpha_n")
    s_an: Param = _width(10e-3, doc="width of alpha_n")
    b_n: Param = _speed(125.0, doc="beta_n at v_bn")
    v_bn: Param = _at(-65e-3, doc="where beta_n is b_n")
    s_bn: Param = _width(80e-3, doc="width of beta_n")

    def rates(self, v: Volts, env: Environment) -> tuple[State, State]:
        warm = self.warmth(env)
        alpha = self.a_n * limexp(warm) * linoid((v - self.v_an) / self.s_an)
        beta = self.b_n * limexp(warm - (v - self.v_bn) / self.s_bn)
        return PotassiumChannel.State(n=alpha), PotassiumChannel.State(n=beta)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        squared = x.n * x.n
        return self.area * self.g_bar * squared * squared * (v - self.e_rev)


class LeakChannel(AbstractStateless, AbstractChannel):
    """i = A g_bar (V - E): a conductance behind a battery.

    A. L. Hodgkin and A. F. Huxley, J. Physiol. 117, 500 (1952), 10.1113/jphysiol.1952.sp004764.
    """

    doi: ClassVar[str] = HODGKIN_HUXLEY
    g_bar: Param = _density(3.0, source=HODGKIN_HUXLEY)
    e_rev: Param = _battery(-54.387e-3, source=_HH)

    def current(self, x, v: Volts, env: Environment) -> Amps:
        del x, env
        return self.area * self.g_bar * (v - self.e_rev)


class CalciumChannel(AbstractChannel):
    """i = A g_bar m^2 h (V - E),  [Ca]' = -k i - ([Ca] - ca_rest)/tau_ca,  k = 1/(2 F A depth).

        m' = (m_inf - m)/tau_m,  m_inf = 1/(1 + exp(-(V - v_m)/s_m))
        h' = (h_inf - h)/tau_h,  h_inf = 1/(1 + exp((V - v_h)/s_h))

    The pool lies `depth` deep under the membrane; its state is y = ln([Ca]/ca_rest). Deviation: nothing leaves the pool
    through the channel where V > E (rounded over `v_round`), so it never falls below rest. No temperature in the gates.

    A common form without one source ("textbook"); numbers are chosen for a presynaptic channel of high threshold.
    """

    class State(eqx.Module):
        m: Param = state_variable((0.0, 1.0), doc="activation, open of one")
        h: Param = state_variable((0.0, 1.0), doc="not inactivated, open of one")
        y: Param = state_variable((-1.0, 20.0), doc="ln([Ca]/ca_rest)")

    doi: ClassVar[str] = "textbook"
    g_bar: Param = _density(10.0, bounds=(1e-2, 100.0), source="chosen")
    e_rev: Param = _battery(0.12, source="chosen")
    v_m: Param = _at(-20e-3, doc="middle of m_inf", source="chosen")
    s_m: Param = _width(7e-3, doc="width of m_inf", source="chosen")
    tau_m: Param = _tau(1e-3, doc="time constant of m")
    v_h: Param = _at(-40e-3, doc="middle of h_inf", source="chosen")
    s_h: Param = _width(10e-3, doc="width of h_inf", source="chosen")
    tau_h: Param = _tau(0.1, doc="time constant of h")
    ca_rest: Param = quantity(1e-4, "mol/m3", (2e-5, 1e-3), scale="log", doc="[Ca] at rest", source="chosen, 100 nM")
    tau_ca: Param = quantity(30e-3, "s", (1e-3, 0.2), scale="log", doc="decay of [Ca]", source="chosen, 20 to 50 ms")
    depth: Param = quantity(1e-6, "m", (5e-8, 1e-5), scale="log", doc="of the pool", source="chosen", free=False)
    v_round: Param = quantity(1e-3, "V", (1e-4, 5e-3), doc="rounding of V < E", source="chosen", free=False)
    v_init: Param = _v_init()

    def init(self, env: Environment) -> State:
        del env
        m, h = self.steady(self.v_init)
        return CalciumChannel.State(m=m, h=h, y=jnp.log1p(self.tau_ca * self.influx(m, h, self.v_init)))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        m, h = self.steady(v)
        less = limexp(-x.y)
        y = less * self.influx(x.m, x.h, v) - (1 - less) / self.tau_ca
        return CalciumChannel.State(m=(m - x.m) / self.tau_m, h=(h - x.h) / self.tau_h, y=y)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        return self.area * self.g_bar * x.m * x.m * x.h * (v - self.e_rev)

    def steady(self, v: Volts) -> tuple[Real, Real]:
        """m_inf and h_inf."""
        return jax.nn.sigmoid((v - self.v_m) / self.s_m), jax.nn.sigmoid((self.v_h - v) / self.s_h)

    def influx(self, m: Real, h: Real, v: Volts) -> Real:
        """What the current adds to [Ca]/ca_rest, 1/s."""
        density = self.g_bar * m * m * h * softplus(self.e_rev - v, self.v_round)
        return density / (2 * constants.FARADAY * self.depth * self.ca_rest)

    def calcium(self, x: State) -> Real:
        """[Ca] in mol/m3, which is mM."""
        return self.ca_rest * limexp(x.y)
