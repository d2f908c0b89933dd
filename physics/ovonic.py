"""Ovonic threshold switches: a current that heats its own traps and runs away. `Ovonic`."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics import constants
from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.kinetics import thermal_voltage
from physics.quantity import Param, quantity, state_variable
from physics.smooth import softplus
from physics.thermal import joule_rise, joule_warming

Real = Float[Array, "..."]
_SHARP = 8.0
"""Exponent of the cap on the conductance."""


class Ovonic(AbstractDevice):
    """C_th dT/dt = iV - (T - T_amb)/R_th,  i = 2 q A N_T (dz/t0) exp(-E_a/kT) sinh(q V dz/(2 kT u_a)).

    Electrons hop from trap to trap (distance dz) over Poole-Frenkel barriers E_a that the field V/u_a lowers; u_a is
    the thickness. The state is T/t_ref. Warm traps carry more current, which warms them: beyond V_th, the fold of the
    static curve V(T), nothing holds T. The conductance is capped, G = G_PF/(1 + (G_PF/G_on)^8)^(1/8), which makes a
    second fold, V_hold (the law alone has one too, where it is far too hot). Between the two the device jumps: drive
    it through a resistance. The slope below threshold is ln(10) 2 kT u_a/(q dz) a decade.

    D. Ielmini and Y. Zhang, J. Appl. Phys. 102, 054517 (2007), 10.1063/1.2773688; the same mechanism in NbO2:
    S. Slesazeck et al., RSC Adv. 5, 102318 (2015), 10.1039/C5RA19300A. Deviations: the cap stands for the conduction
    of extended states; t_limit and t_floor are guards. Values are chosen, not a fit.
    """

    class State(eqx.Module):
        temperature: Param = state_variable((0.6, 15.6), doc="T/t_ref")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P1 PCM"
    doi: ClassVar[str] = "10.1063/1.2773688"
    sweep: ClassVar[Sweep] = Sweep(1.5, -1.5, 1e-6)
    e_a: Param = quantity(0.30, "eV", (0.2, 0.5), doc="trap depth", source="chosen")
    dz: Param = quantity(7e-9, "m", (3e-9, 1e-8), scale="log", doc="distance of two traps", source="chosen")
    u_a: Param = quantity(30e-9, "m", (5e-9, 6e-8), scale="log", doc="thickness", source="chosen", free=False)
    n_t: Param = quantity(1e26, "m-3", (1e24, 1e27), scale="log", doc="density of traps", source="chosen")
    radius: Param = quantity(25e-9, "m", (5e-9, 1e-7), scale="log", doc="of the contact", source="chosen", free=False)
    t_0: Param = quantity(1e-13, "s", (1e-15, 1e-12), scale="log", doc="attempt time", source="chosen", free=False)
    g_on: Param = quantity(2e-4, "S", (1e-5, 1e-2), scale="log", doc="cap on the conductance", source="chosen")
    r_th: Param = quantity(2e6, "K/W", (1e5, 1e7), scale="log", doc="thermal resistance", source="chosen")
    c_th: Param = quantity(5e-16, "J/K", (1e-17, 1e-14), scale="log", doc="heat capacity", source="chosen")
    t_ref: Param = quantity(300.0, "K", (290.0, 310.0), doc="T of state 1", source="convention", free=False)
    t_limit: Param = quantity(4e3, "K", (2e3, 4e3), doc="guard on the heating", source="chosen", free=False)
    t_floor: Param = quantity(150.0, "K", (140.0, 160.0), doc="guard on the cold side", source="chosen", free=False)

    def init(self, env: Environment) -> State:
        return Ovonic.State(temperature=env.temperature / self.t_ref)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        rise = joule_rise(v * self.current(x, v, env), self.r_th, self.t_limit)
        ambient = env.temperature / self.t_ref
        return Ovonic.State(temperature=joule_warming(x.temperature, ambient, rise / self.t_ref, self.r_th * self.c_th))

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        return v * self.conductance_at(v, x.temperature * self.t_ref)

    def conductance_at(self, v: Real, kelvin: Real) -> Real:
        """i/v (S) at a voltage and a temperature."""
        kt = thermal_voltage(self.t_floor + softplus(kelvin - self.t_floor, 0.01 * self.t_floor))
        # Everything in logarithms: far above threshold sinh alone would be infinite.
        ohmic = jnp.log(constants.Q * jnp.pi * self.radius / self.t_0 * (self.radius * self.n_t * self.dz))
        ohmic = ohmic + jnp.log(self.dz / self.u_a / kt) - self.e_a / kt
        excess = ohmic + _log_sinh_ratio(0.5 * self.dz / self.u_a * v / kt) - jnp.log(self.g_on)
        return self.g_on * jnp.exp(-softplus(-_SHARP * excess) / _SHARP)


def _log_sinh_ratio(x: Real) -> Real:
    """ln(sinh(x)/x), even and smooth."""
    size = jnp.abs(x)
    small = size < 0.1
    safe = jnp.where(small, jnp.ones_like(size), size)
    square = jnp.where(small, x * x, jnp.zeros_like(x))
    series = square * (1 / 6 - square * (1 / 180 - square * (1 / 2835 - square / 37800)))
    return jnp.where(small, series, safe + jnp.log(-0.5 * jnp.expm1(-2 * safe) / safe))
