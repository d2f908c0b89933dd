"""Ferroelectric diodes: the polarisation lowers the barrier of the direction in which it points. `FerroDiode`."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics import constants
from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.ferroelectric import field_share, relaxed, switching_rate
from physics.kinetics import thermal_voltage
from physics.quantity import Param, quantity, state_variable
from physics.smooth import blend, limexp, softplus, step

Real = Float[Array, "..."]
_SWEEP = "fitted to a sweep of Ti/HfOx/AlScN/Al, see docstring"
_STACK = "10 nm AlScN under 4 nm HfOx, 200 nm wide, of that sweep"
_LEAST = "chosen; that sweep tells only that it is above 0.07 eV"
_REPOSITORY = "used in the repository of that sweep"


class FerroDiode(AbstractDevice):
    """df/dt = (H(V) - f)/tau,  tau = tau0 exp(E_a/|E|),  i = A A* T^2 <exp(-phi/kT)> [1 - exp(-|V|/kT)] sign(V).

    f is the share of the domains that point up, H = 1 for V > 0 and 0 for V < 0. Up and down conduct side by side, as
    f and 1 - f: electrons leave over phi = phi_p - s (V > 0) or phi_n - s (V < 0) where the domain points along V, and
    over dphi more where it points against it; s = sqrt(q |E|/(4 pi eps0 eps_opt)) is the Schottky lowering. The field
    E = V/t_fe C_il/(C_il + C_fe) is that in the ferroelectric behind the oxide.

    T. Choi et al., Science 324, 63 (2009), 10.1126/science.1168636 (a diode turned by its polarisation); W. J. Merz,
    Phys. Rev. 95, 690 (1954), 10.1103/PhysRev.95.690; the two barriers side by side: ours. Deviations: one
    activation field for all domains, at all temperatures; their charge is screened where it lies; no tunnelling, leak
    or displacement current; |V| in s is sqrt(V^2 + v_s^2), barriers end at zero over e_s.

    Fitted to one DC double sweep 0, -9.5, 9.5, 0 V (github.com/krishkc5/ferroelectric-diode-model, MIT), the sign of
    its current turned: 0.16 decades mean error above 0.5 pA. The file has no times; 0.1 s for each 0.25 V is assumed.
    tau0 is chosen: from 1e-9 to 1e-4 s, with e_a fitted anew, the error is 0.15 to 0.16. On the way up the current is
    up to four times too high from 3 to 5 V, so that the window is 13 at 4.25 V and 63 in the measurement, and six times
    too low at 2 V, near the floor. Normally spread activation fields, another one for V < 0 or a built-in field gained
    less than 0.01 decades. f_init is that of the virgin film. eps_opt comes near the values of HfOx (3.9 to 4.4) and
    AlScN (4.5 to 4.8) at optical frequencies; phi_p and phi_n lie below the 1.2 to 2 eV of contacts to them (recalled).
    """

    class State(eqx.Module):
        f: Param = state_variable((0.0, 1.0), doc="share of the domains that points up, which conducts for V > 0")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P8 ferroelectric"
    doi: ClassVar[str] = "10.1126/science.1168636"
    sweep: ClassVar[Sweep] = Sweep(9.5, -9.5, 15.2)
    phi_p: Param = quantity(0.787, "eV", (0.3, 1.5), doc="barrier of domains along V > 0", source=_SWEEP)
    phi_n: Param = quantity(0.91, "eV", (0.3, 1.5), doc="barrier of domains along V < 0", source=_SWEEP)
    dphi: Param = quantity(0.12, "eV", (0.0, 0.5), doc="rise of the barrier of domains against V", source=_LEAST)
    eps_opt: Param = quantity(3.78, "1", (1.5, 20.0), scale="log", doc="permittivity at the barrier", source=_SWEEP)
    e_a: Param = quantity(1.125e10, "V/m", (1e8, 3e10), scale="log", doc="activation field", source=_SWEEP)
    tau0: Param = quantity(
        1e-8, "s", (1e-12, 1e-3), scale="log", doc="time in an infinite field", source="chosen", free=False
    )
    f_init: Param = quantity(0.816, "1", (0.0, 1.0), doc="initial share", source=_SWEEP)
    area: Param = quantity(3.142e-14, "m2", (1e-16, 1e-8), scale="log", doc="A, area", source=_STACK, free=False)
    richardson: Param = quantity(
        1.2e6, "A/(m2 K2)", (1e4, 3e6), scale="log", doc="A*, of a free electron", source="textbook", free=False
    )
    t_fe: Param = quantity(1e-8, "m", (4e-9, 1e-7), scale="log", doc="ferroelectric layer", source=_STACK, free=False)
    t_il: Param = quantity(4e-9, "m", (0.0, 1e-8), doc="oxide", source=_STACK, free=False)
    eps_fe: Param = quantity(
        18.0, "1", (8.0, 40.0), doc="permittivity of the ferroelectric", source=_REPOSITORY, free=False
    )
    eps_il: Param = quantity(18.0, "1", (3.0, 30.0), doc="permittivity of the oxide", source=_REPOSITORY, free=False)
    e_s: Param = quantity(
        5e-3, "eV", (1e-3, 2e-2), scale="log", doc="rounding of barriers > 0", source="chosen", free=False
    )
    v_s: Param = quantity(
        5e-3, "V", (1e-3, 5e-2), scale="log", doc="exchange of the polarities", source="chosen", free=False
    )

    def init(self, env: Environment) -> State:
        return FerroDiode.State(f=self.f_init + jnp.zeros_like(env.temperature))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        target, rate = self.kinetics(v)
        return FerroDiode.State(f=rate * (target - x.f))

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        kt = thermal_voltage(env.temperature)
        sign = jnp.where(v < 0, -jnp.ones_like(v), jnp.ones_like(v))
        up, down = self.barriers(v)
        share = x.f * limexp(-up / kt) + (1 - x.f) * limexp(-down / kt)
        most = self.area * self.richardson * env.temperature * env.temperature
        return -most * share * sign * jnp.expm1(-sign * v / kt)

    def barriers(self, v: Volts) -> tuple[Real, Real]:
        """phi (eV) of domains that point up and down, under a voltage."""
        size = jnp.sqrt(v * v + self.v_s * self.v_s)
        lowering = jnp.sqrt(constants.Q * self.field(size) / (4 * jnp.pi * constants.EPS_0 * self.eps_opt))
        along = blend(self.phi_n, self.phi_p, v, self.v_s) - lowering
        up, down = along + self.dphi * step(-v, self.v_s), along + self.dphi * step(v, self.v_s)
        return softplus(up, self.e_s), softplus(down, self.e_s)

    def field(self, v: Volts) -> Real:
        """E (V/m) in the ferroelectric."""
        return v * field_share(self.t_fe, self.eps_fe, self.t_il, self.eps_il) / self.t_fe

    def kinetics(self, v: Volts) -> tuple[Real, Real]:
        """H and 1/tau (1/s) under a voltage."""
        # The rate vanishes at V = 0 with all its derivatives, so H needs no rounding.
        target = jnp.where(v > 0, jnp.ones_like(v), jnp.zeros_like(v))
        return target, switching_rate(self.field(v), self.e_a, self.tau0, jnp.ones_like(v))

    def after(self, x: State, v: Volts, duration: Real) -> State:
        """The exact state after a constant voltage for a `duration` (s)."""
        target, rate = self.kinetics(v)
        return FerroDiode.State(f=relaxed(x.f, target, rate, duration))
