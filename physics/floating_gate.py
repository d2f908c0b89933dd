"""Floating-gate transistors: electrons tunnel through oxide onto a gate that keeps them. `FloatingGate`."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics import constants
from physics.conduction import ekv_channel
from physics.device import AbstractReactive, Amps, Environment, Sweep, Volts
from physics.kinetics import thermal_voltage
from physics.quantity import Param, quantity, state_variable

Real = Float[Array, "..."]
_NO_FIELD = 1e-3
"""Of B: fields below it tunnel nothing, exp(-1000) being no number any more."""


def fowler_nordheim_constants(barrier: Real, mass: Real) -> tuple[Real, Real]:
    """A = q^3/(8 pi h phi m*) in A/V2 and B = 8 pi sqrt(2 m* phi^3)/(3 q h) in V/m.

    barrier: phi (eV). mass: m* over the electron mass.
    """
    a = constants.Q / constants.H * constants.Q / (8 * jnp.pi) / (barrier * mass)
    b = 8 * jnp.pi / (3 * constants.H) * (2 * constants.M_E * constants.Q) ** 0.5
    return a, b * jnp.sqrt(mass) * barrier * jnp.sqrt(barrier)


def fowler_nordheim(field: Real, barrier: Real, mass: Real) -> Real:
    """J = A E |E| exp(-B/|E|) (A/m2): electrons tunnel through the triangle that a field (V/m) leaves of a barrier.

    M. Lenzlinger and E. H. Snow, J. Appl. Phys. 40, 278 (1969), 10.1063/1.1657043.
    """
    a, b = fowler_nordheim_constants(barrier, mass)
    size = jnp.abs(field)
    return a * field * size * jnp.exp(-b / jnp.maximum(size, _NO_FIELD * b))


def fowler_nordheim_pulse(field: Real, duration: Real, speed: Real, barrier: Real, mass: Real) -> Real:
    """The field (V/m) that is left after a time (s) at constant voltages, where dE/dt = -speed J(E); exact.

    B/E(t) = B/E(0) + ln(1 + speed A B t exp(-B/|E(0)|)). speed: field by charge density that tunnelled (V m/C).
    """
    a, b = fowler_nordheim_constants(barrier, mass)
    size = jnp.maximum(jnp.abs(field), _NO_FIELD * b)
    grown = jnp.log1p(speed * a * b * duration * jnp.exp(-b / size))
    return field / (1 + size / b * grown)


class FloatingGate(AbstractReactive):
    """dV_T/dt = [A_t J(E) + I_inj]/(k_g C_T),  E = [k_g (V_G - dV_T) + k_d V_D]/t_ox,  J = A E |E| exp(-B/|E|).

    dV_T = -Q/(k_g C_T) is how far the charge Q of the floating gate shifts the threshold; the state is dV_T/v_ref.
    C_T = eps A_t/(t_ox (1 - k_g)) is all the capacitance of the floating gate, k_g and k_d the shares of the control
    gate and of the drain in it. `after` is the exact state after a pulse. The channel is an EKV transistor,

        I_D = 2 n beta U_T^2 [F(v_P) - F(v_P - V_D)],  v_P = (V_G - V_T0 - dV_T)/n,  F(v) = ln^2(1 + exp(v/2 U_T))

    Hot electrons are injected from it, I_inj = I_D/(1 + exp((V_hot - V_D)/V_inj)): tunnelling takes electrons out and
    injection, which takes a drain voltage and a current, puts them into one chosen cell of an array. With the default
    V_hot there is none. Control gate and drain take the charge of their capacitances, so a simulation tells the
    energy of a pulse.

    M. Lenzlinger and E. H. Snow, J. Appl. Phys. 40, 278 (1969), 10.1063/1.1657043; C. Diorio, P. Hasler, B. A. Minch
    and C. A. Mead, IEEE Trans. Electron Devices 43, 1972 (1996), 10.1109/16.543035 (injection; law recalled): their
    I_inj0 (I_S/I_S0)^a exp(dV_ds/V_inj) with a = 1 below V_hot, which is where all electrons would be injected.
    Deviations: no trapping in the oxide, no leak but tunnelling, and no temperature in it; fields below 1e-3 B tunnel
    nothing; injection does not ask whether the floating gate still attracts electrons.
    """

    class State(eqx.Module):
        shift: Param = state_variable((-30.0, 30.0), doc="dV_T/v_ref, positive where electrons are stored")

    terminals: ClassVar[tuple[str, ...]] = ("gate", "drain", "source")
    family: ClassVar[str] = "P11 floating-gate FET"
    doi: ClassVar[str] = "10.1063/1.1657043"
    sweep: ClassVar[Sweep] = Sweep((14.0, 0.1), (-14.0, -0.1), 1e-2)
    barrier: Param = quantity(3.2, "eV", (2.9, 3.4), doc="phi, from silicon into its oxide", source="recalled")
    mass: Param = quantity(0.42, "1", (0.3, 0.5), doc="m*/m_e of the tunnelling electron", source="Chanana 2014")
    t_ox: Param = quantity(8e-9, "m", (6e-9, 1e-8), scale="log", doc="tunnel oxide", source="recalled", free=False)
    eps_ox: Param = quantity(3.9, "1", (3.7, 4.1), doc="permittivity of the oxide", source="textbook", free=False)
    k_g: Param = quantity(0.6, "1", (0.5, 0.7), doc="share of the control gate in C_T", source="recalled")
    k_d: Param = quantity(0.0, "1", (0.0, 0.2), doc="share of the drain in C_T", source="chosen: none", free=False)
    area: Param = quantity(1e-14, "m2", (1e-15, 1e-12), scale="log", doc="A_t", source="calibrated", free=False)
    v_t0: Param = quantity(1.0, "V", (-2.0, 3.0), doc="threshold without charge", source="calibrated")
    n: Param = quantity(1.4, "1", (1.0, 2.5), doc="slope factor", source="calibrated")
    beta: Param = quantity(160e-6, "A/V2", (1e-9, 1e-1), scale="log", doc="mu C_ox W/L", source="calibrated")
    v_hot: Param = quantity(30.0, "V", (3.0, 50.0), doc="V_hot of the injection", source="chosen: none at 5 V")
    v_inj: Param = quantity(0.2, "V", (0.1, 0.3), doc="drain voltage for e times the injection", source="recalled")
    v_ref: Param = quantity(1.0, "V", (0.95, 1.05), doc="dV_T of state 1", source="convention", free=False)
    shift_init: Param = quantity(0.0, "1", (-30.0, 30.0), doc="initial state", source="no charge", free=False)

    def init(self, env: Environment) -> State:
        del env
        return FloatingGate.State(shift=self.shift_init)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        tunnelled = fowler_nordheim(self.field(x, v), self.barrier, self.mass) * self._speed() * self.t_ox / self.k_g
        injected = self.injection(x, v, env) / (self.k_g * self.capacitance())
        return FloatingGate.State(shift=(tunnelled + injected) / self.v_ref)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        drain = self._channel(x, v, env)
        return jnp.stack([jnp.zeros_like(drain), drain])

    def charge(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        floating = self.field(x, v) * self.t_ox
        return self.capacitance() * jnp.stack([self.k_g * (v[0] - floating), self.k_d * (v[1] - floating)])

    def field(self, x: State, v: Volts) -> Real:
        """E (V/m) in the tunnel oxide, positive where electrons come onto the floating gate."""
        return (self.k_g * (v[0] - x.shift * self.v_ref) + self.k_d * v[1]) / self.t_ox

    def capacitance(self) -> Real:
        """C_T, all of the floating gate (F)."""
        return constants.EPS_0 * self.eps_ox * (self.area / self.t_ox) / (1 - self.k_g)

    def injection(self, x: State, v: Volts, env: Environment) -> Real:
        """I_inj (A) of hot electrons, for V_D > 0."""
        heated = jax.nn.sigmoid((v[1] - self.v_hot) / self.v_inj)
        return jnp.maximum(self._channel(x, v, env), 0.0) * heated

    def after(self, x: State, v: Volts, duration: Real) -> State:
        """The exact state after constant voltages for a `duration` (s), without injection."""
        before = self.field(x, v)
        left = fowler_nordheim_pulse(before, duration, self._speed(), self.barrier, self.mass)
        return FloatingGate.State(shift=x.shift + (before - left) * self.t_ox / self.k_g / self.v_ref)

    def log10_rate(self, x: State, v: Volts) -> Real:
        """log10 of the size of the tunnelling rate (1/s): retention, where the rate itself is no number any more."""
        a, b = fowler_nordheim_constants(self.barrier, self.mass)
        size = jnp.maximum(jnp.abs(self.field(x, v)), 1e-9 * b)
        scale = jnp.log(a * b * self._speed()) + jnp.log(b * (self.t_ox / self.k_g / self.v_ref))
        return (scale + 2 * jnp.log(size / b) - b / size) / jnp.log(10.0)

    def electrons(self, change: Real) -> Real:
        """How many electrons change the state by `change`."""
        return jnp.abs(change) * (self.k_g * self.v_ref * (self.capacitance() / constants.Q))

    def shot_noise(self, change: Real) -> Real:
        """Standard deviation of a change of the state: electrons come one by one, sigma_Q = sqrt(q |dQ|)."""
        one = constants.Q / self.capacitance() / (self.k_g * self.v_ref)
        # The least change stands for the slope of the root at zero, a billionth of a volt.
        return jnp.sqrt(one * (jnp.abs(change) + 1e-9))

    def _speed(self) -> Real:
        """dE by charge density that has tunnelled, A_t/(C_T t_ox) (V m/C)."""
        return (1 - self.k_g) / (constants.EPS_0 * self.eps_ox)

    def _channel(self, x: State, v: Volts, env: Environment) -> Real:
        thermal = thermal_voltage(env.temperature)
        pinch = (v[0] - self.v_t0 - x.shift * self.v_ref) / self.n
        return 2 * self.n * self.beta * thermal**2 * ekv_channel(pinch, v[1], thermal)
