"""Diffusive memristors: silver hops over barriers with the help of noise, and comes back. `AgDiffusive`."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jax.nn import sigmoid
from jaxtyping import Array, Float

from physics.device import AbstractLangevin, Amps, Environment, Sweep, Volts
from physics.kinetics import thermal_voltage
from physics.quantity import Param, quantity, state_variable
from physics.thermal import joule_rise, joule_warming

Real = Float[Array, "..."]
_TERMS = 20
"""Of the series 0F1: its error is 3e-6 at a barrier of 35 kT, rounding at 20 kT."""
_SPREAD = 2 / jnp.pi
"""x P/kT of paths that are spread from a wall as half a Gaussian."""


class AgDiffusive(AbstractLangevin):
    """eta dx = [-dU/dx + q u/L] dt + sqrt(2 eta k_B T) dW,  C_th dT/dt = V^2/R - (T - T_amb) C_th/tau.

    x is how far a bridge of silver has come from its source, 0 <= x <= L; the state is (x/L, T/t_ref).

        U = u_k (x/L)^2 + (u_p/2) (1 - cos(2 pi x/l)),  R = r_c + r_t exp((L - x)/lam),  eta = k_B t_ref/d_0

    u is V for V > 0 and reverse |V| for V < 0: 1 where silver lies at both electrodes, -1 where there is one source.
    D = k_B T/eta. T is a state of its own, so the noise depends on no x and Ito is Stratonovich.

    One path (a key) follows `drift`, which sits in a well until the noise takes it to the next. `rate` is the mean of
    many paths, and not the path without noise: the mean velocity in a tilted periodic potential is, exactly,

        <dx/dt> = F/eta / |0F1(1 + i F l/(2 pi kT); (u_p/4kT)^2)|^2,  F = (q u - 2 u_k x/L)/L + P(x) - P(L - x)

    P = (2/pi) (kT/x)/(1 + (F_away x/2kT)^2) is how a wall presses the mean away, as paths pile up before it: 2/pi is
    exact where the force is linear in x, the denominator stands for paths that have been driven off. The mean is that
    of the Fokker-Planck equation within 0.04 L, and within 0.015 L in the end; the current at the mean is not the mean
    current, which the foremost paths carry.

    Z. Wang et al., Nat. Mater. 16, 101 (2017), 10.1038/nmat4756; mean velocity: V. Ambegaokar and B. I.
    Halperin, Phys. Rev. Lett. 22, 1364 (1969), 10.1103/PhysRevLett.22.1364, their integral done in closed form.
    Deviations: one particle instead of many; the walls at 0 and L are springs for a path; `t_limit` and `t_floor` are
    guards, which change nothing from 180 K to 1500 K. Values are chosen, not a fit.
    """

    class State(eqx.Module):
        x: Param = state_variable((0.0, 1.0), doc="length of the bridge over L")
        temperature: Param = state_variable((0.6, 15.6), doc="T/t_ref")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P7 diffusive memristor"
    doi: ClassVar[str] = "10.1038/nmat4756"
    sweep: ClassVar[Sweep] = Sweep(2.0, -2.0, 1e-2)
    u_p: Param = quantity(0.25, "eV", (0.1, 0.6), doc="barrier between two sites", source="chosen")
    u_k: Param = quantity(0.25, "eV", (0.0, 0.5), doc="energy of a whole bridge, pulls it back", source="chosen")
    charge: Param = quantity(1.0, "1", (0.2, 2.0), doc="q over the elementary charge", source="chosen")
    d_0: Param = quantity(1e-12, "m2/s", (1e-16, 1e-11), scale="log", doc="free diffusivity at t_ref", source="chosen")
    r_c: Param = quantity(1e4, "ohm", (1e2, 1e5), scale="log", doc="series resistance", source="chosen")
    r_t: Param = quantity(1e5, "ohm", (1e2, 1e5), scale="log", doc="tunnelling at x = L", source="chosen", free=False)
    lam: Param = quantity(0.5e-9, "m", (1e-10, 1e-9), scale="log", doc="tunnelling length", source="chosen")
    c_th: Param = quantity(2e-15, "J/K", (1e-17, 1e-13), scale="log", doc="heat capacity", source="chosen", free=False)
    tau: Param = quantity(
        50e-9, "s", (1e-9, 1e-6), scale="log", doc="thermal time constant", source="chosen", free=False
    )
    length: Param = quantity(5e-9, "m", (2e-9, 5e-8), scale="log", doc="L, dielectric", source="chosen", free=False)
    site: Param = quantity(
        1e-9, "m", (3e-10, 2e-9), scale="log", doc="l, between two sites", source="chosen", free=False
    )
    reverse: Param = quantity(1.0, "1", (-1.0, 1.0), doc="u/|V| for V < 0", source="symmetric cell", free=False)
    wall: Param = quantity(
        2.5e-11, "m", (1e-11, 2.5e-11), doc="thermal width of the walls", source="chosen", free=False
    )
    v_s: Param = quantity(
        1e-2, "V", (1e-3, 5e-2), scale="log", doc="exchange of the polarities", source="chosen", free=False
    )
    t_ref: Param = quantity(300.0, "K", (290.0, 310.0), doc="T of state 1", source="convention", free=False)
    t_limit: Param = quantity(4e3, "K", (2e3, 4e3), doc="guard on the heating", source="chosen", free=False)
    t_floor: Param = quantity(180.0, "K", (170.0, 190.0), doc="guard on the cold side", source="chosen", free=False)
    x_init: Param = quantity(0.0, "1", (0.0, 1.0), doc="initial x/L", source="no bridge", free=False)

    def init(self, env: Environment) -> State:
        return AgDiffusive.State(x=self.x_init, temperature=env.temperature / self.t_ref)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        """Of the mean of many paths."""
        kt = thermal_voltage(self._kelvin(x))
        pull = self._pull(x, v)
        pull = pull + _SPREAD * kt * (self._pressure(x.x, pull / kt) - self._pressure(1 - x.x, -pull / kt))
        moved = self._mobility() * pull / self.resistance_to_hops(pull, kt)
        return AgDiffusive.State(x=moved, temperature=self._warming(x, v, env))

    def drift(self, x: State, v: Volts, env: Environment) -> State:
        """Of one path: the force of the well in which it is, and of the walls."""
        sites = self.length / self.site
        well = jnp.pi * self.u_p * sites * jnp.sin(2 * jnp.pi * sites * x.x)
        # Springs that begin inside by sqrt(pi/2) widths hold as much of a Boltzmann factor as a wall at 0 or L.
        width = self.wall / self.length
        start = jnp.sqrt(0.5 * jnp.pi) * width
        spring = jnp.maximum(start - x.x, 0.0) - jnp.maximum(x.x - 1 + start, 0.0)
        pull = self._pull(x, v) - well + thermal_voltage(self.t_ref) / width**2 * spring
        return AgDiffusive.State(x=self._mobility() * pull, temperature=self._warming(x, v, env))

    def diffusion(self, x: State, v: Volts, env: Environment) -> State:
        del v, env
        relative = self.d_0 / self.length / self.length * self._kelvin(x) / self.t_ref
        return AgDiffusive.State(x=jnp.sqrt(2 * relative), temperature=jnp.zeros_like(x.temperature))

    def time_step(self, env: Environment) -> Real:
        """A twentieth of the relaxation in a well and of tau; half of that in a wall."""
        del env
        well = thermal_voltage(self.t_ref) / (2 * jnp.pi**2 * self.u_p) * self.site**2 / self.d_0
        return jnp.minimum(0.05 * jnp.minimum(well, self.tau), 0.5 * self.wall**2 / self.d_0)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        # 1/R, written so that nothing overflows for thick dielectrics.
        behind = (1 - x.x) * self.length / self.lam + jnp.log(self.r_t / self.r_c)
        return v * sigmoid(-behind) / self.r_c

    def resistance_to_hops(self, pull: Real, kt: Real) -> Real:
        """|0F1(1 + i nu; z)|^2 >= 1, by how much the wells slow the mean motion; `pull` is L times the force (eV).

        nu = F l/(2 pi kT), z = (u_p/4kT)^2. The series sum z^n/(n! (1 + i nu)_n), nested, in real arithmetic.
        """
        nu = pull / kt * (self.site / self.length) / (2 * jnp.pi)
        z = (0.25 * self.u_p / kt) ** 2

        def outwards(inner, n):
            real, imaginary = inner
            share = z / (n * (n * n + nu * nu))
            return (1 + share * (n * real + nu * imaginary), share * (n * imaginary - nu * real)), None

        # A loop: written out, the gradient of a simulation takes four times as long to compile.
        terms = jnp.arange(_TERMS, 0, -1, dtype=nu.dtype)
        (real, imaginary), _ = lax.scan(outwards, (jnp.ones_like(nu), jnp.zeros_like(nu)), terms)
        return real * real + imaginary * imaginary

    def _pull(self, x: State, v: Volts) -> Real:
        """L times the force of the field and of the pull back (eV)."""
        turned = jnp.clip(-v / self.v_s, 0.0, 1.0)
        turned = turned * turned * (3 - 2 * turned)
        return self.charge * v * (1 - (1 + self.reverse) * turned) - 2 * self.u_k * x.x

    def _pressure(self, y: Real, away: Real) -> Real:
        """L P/((2/pi) kT) at a distance y from a wall, which the force `away` (over kT) helps to leave."""
        least = 0.2 * self.wall / self.length
        # 1/y, continued by its tangent close to the wall and behind it.
        inverse = (2 - jnp.minimum(y / least, 1.0)) / jnp.maximum(y, least)
        return inverse / (1 + (0.5 * jnp.maximum(away, 0.0) * jnp.maximum(y, 0.0)) ** 2)

    def _mobility(self) -> Real:
        """1/(eta L^2) in 1/(V s)."""
        return self.d_0 / self.length / self.length / thermal_voltage(self.t_ref)

    def _kelvin(self, x: State) -> Real:
        """T (K), bent towards 3/4 of t_floor below t_floor, where no device is."""
        kelvin = x.temperature * self.t_ref
        below = jnp.maximum(1 - kelvin / self.t_floor, 0.0)
        return jnp.maximum(kelvin - self.t_floor, 0.0) + self.t_floor * (1 - below / (1 + 4 * below))

    def _warming(self, x: State, v: Volts, env: Environment) -> Real:
        rise = joule_rise(v * self.current(x, v, env), self.tau / self.c_th, self.t_limit)
        return joule_warming(x.temperature, env.temperature / self.t_ref, rise / self.t_ref, self.tau)
