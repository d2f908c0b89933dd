"""Mott threshold switches: a metallic core that grows in an insulating channel. `NbO2Mott`."""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.quantity import Param, quantity, state_variable
from physics.smooth import limexp, softplus, stop

Real = Float[Array, "..."]
_STEEP = 4.0
"""Exponent of the stop 1 - (u_min/u)^4 of the cooling, and of the same at u = 1."""


class NbO2Mott(AbstractDevice):
    """du/dt = (i^2 R - Gamma dT)/(dH/du),  dT = T_MIT - T_amb,  i = v/R,  u = r_met/r_ch.

    u is the radius of the metallic core over that of the channel; the interface is at the transition temperature.

        R     = (rho_i L/(pi r_ch^2))/(1 + (rho_i/rho_m - 1) u^2)
        Gamma = 2 pi L kappa/ln(1/u)
        dH/du = pi L r_ch^2 [c_p dT (1 - u^2 + 2 u^2 ln u)/(2 u ln^2 u) + 2 dh u]

    The state is y = ln(u/(1-u)). At rest the core shrinks until u_min, where the cooling stops by 1 - (u_min/u)^4;
    the heating stops likewise at 1 - u_min. The device has negative differential resistance: drive it through a
    resistance or a capacitance, else it jumps.

    M. D. Pickett and R. S. Williams, Nanotechnology 23, 215202 (2012), 10.1088/0957-4484/23/21/215202. Deviations:
    u_min stands for the fluctuations that the model lacks; dT is rounded to stay positive. Constants but t_mit are
    recalled.
    """

    class State(eqx.Module):
        y: Param = state_variable((-14.0, 14.0), doc="ln(u/(1-u)), u is the metallic share of the radius")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P2 Mott"
    doi: ClassVar[str] = "10.1088/0957-4484/23/21/215202"
    sweep: ClassVar[Sweep] = Sweep(2.0, -2.0, 1e-5)
    kappa: Param = quantity(1.5, "W/(m K)", (0.5, 5.0), scale="log", doc="heat conductivity", source="recalled")
    c_p: Param = quantity(2.6e6, "J/(m3 K)", (1e6, 5e6), scale="log", doc="heat capacity", source="recalled")
    dh: Param = quantity(1.6e8, "J/m3", (5e7, 3e8), scale="log", doc="enthalpy of the transition", source="recalled")
    t_mit: Param = quantity(
        1080.0, "K", (320.0, 1300.0), doc="transition temperature", source="1081 K, 10.3390/cryst11020217", free=False
    )
    rho_i: Param = quantity(1e-2, "ohm m", (1e-3, 1.0), scale="log", doc="resistivity, insulator", source="recalled")
    rho_m: Param = quantity(1e-4, "ohm m", (1e-6, 5e-4), scale="log", doc="resistivity, metal", source="recalled")
    length: Param = quantity(20e-9, "m", (5e-9, 1e-7), scale="log", doc="L, channel", source="chosen", free=False)
    r_ch: Param = quantity(30e-9, "m", (5e-9, 1e-7), scale="log", doc="channel radius", source="chosen", free=False)
    u_min: Param = quantity(
        1e-5, "1", (2e-6, 1e-4), scale="log", doc="core that never vanishes", source="chosen", free=False
    )
    t_round: Param = quantity(5.0, "K", (1.0, 20.0), doc="rounding of dT > 0", source="chosen", free=False)
    u_init: Param = quantity(1e-5, "1", (2e-6, 0.9), scale="log", doc="initial core", source="at rest", free=False)

    def init(self, env: Environment) -> State:
        del env
        return NbO2Mott.State(y=jnp.log(self.u_init) - jnp.log1p(-self.u_init))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        end = jnp.log(self.u_min) - jnp.log1p(-self.u_min)
        log = jax.nn.softplus(-x.y)
        # Per pi L r_ch^2; the conductance comes from current(), the rest is divided out by hand.
        heating = v * self.current(x, v, env) / (jnp.pi * self.length) * stop(_STEEP * (x.y + end))
        cooling = 2 * self.kappa * self.rise(env) / log * stop(_STEEP * (end - x.y))
        net = (heating - cooling) / self.r_ch / self.r_ch
        # (1 - u) log is (1-u) ln(1/u): the chain rule of y, one factor u of which is in `_enthalpy`.
        return NbO2Mott.State(y=net / (jax.nn.sigmoid(-x.y) * self._enthalpy(x.y, env)))

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        return v / self.resistance(x)

    def resistance(self, x: State) -> Real:
        """R (ohm) of the channel."""
        u = jax.nn.sigmoid(x.y)
        insulating = self.rho_i * (self.length / self.r_ch) / jnp.pi / self.r_ch
        return insulating / (1 + (self.rho_i / self.rho_m - 1) * u * u)

    def rise(self, env: Environment) -> Real:
        """dT (K), from the surroundings to the transition."""
        return softplus(self.t_mit - env.temperature, self.t_round)

    def static_voltage(self, x: State, env: Environment) -> Real:
        """V_ss = sqrt(R Gamma dT): the voltage at which u stands still. Its folds are V_th and V_hold."""
        gamma = 2 * jnp.pi * self.length * self.kappa / jax.nn.softplus(-x.y)
        return jnp.sqrt(self.resistance(x) * gamma * self.rise(env))

    def enthalpy_slope(self, x: State, env: Environment) -> Real:
        """dH/du (J), the heat that a change of the metallic fraction takes."""
        volume = jnp.pi * self.length * self.r_ch * self.r_ch
        return volume * self._enthalpy(x.y, env) / jax.nn.sigmoid(x.y)

    def _enthalpy(self, y: Real, env: Environment) -> Real:
        """u dH/du per pi L r_ch^2 (J/m3): with z = 2 ln(1/u), 2 c_p dT [1 - (1 + z) e^-z]/z^2 + 2 dh u^2."""
        z = 2 * jax.nn.softplus(-y)
        small = z < 0.5
        safe = jnp.where(small, jnp.ones_like(z), z)
        exact = (1 - (1 + safe) * limexp(-safe)) / (safe * safe)
        # Nothing over nothing at u = 1: the sum of (-z)^k (k + 1)/(k + 2)!, to rounding for z < 1/2.
        s, series = jnp.minimum(z, 0.5), jnp.zeros_like(z)
        for k in reversed(range(14)):
            series = (k + 1) / math.factorial(k + 2) - s * series
        share = jnp.where(small, series, exact)
        return 2 * self.c_p * self.rise(env) * share + 2 * self.dh * jax.nn.sigmoid(y) ** 2
