"""Electrochemical memory with its film resolved in depth: the writing transient. `EcramChannel`; lumped: `ionic.py`."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics import constants
from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.implicit import solve_increasing
from physics.kinetics import arrhenius, thermal_voltage
from physics.quantity import Param, quantity, state_variable
from physics.smooth import at_least_zero

Real = Float[Array, "..."]
Film = Float[Array, "cells"]


class EcramChannel(AbstractDevice):
    """dx/dt = D d2x/dz2 with -F c_max D dx/dz = j at z = 0 and 0 at z = L,  w + j A R_el = V_G + U0(x_s),
    j = F k0 c_max [(1 - x_s) exp(alpha w/U_T) - x_s exp(-(1 - alpha) w/U_T)].

    x(z) is the share of the sites that are filled, z = 0 at the electrolyte, in `cells` finite volumes of which each
    is `grading` times as thick as the one before. The kinetics are those of `Ecram`,
    U0 = U_T ln(x_eq/(1 - x_eq)) - g_U (x_s - x_eq). The surface is half a volume away from the middle of the first,
    x_s = x_1 + j dz_1/(2 F c_max D), which is eliminated exactly: j has a limit where the surface is full or empty.
    The channel is read apart from the gate, I_D = G V_D,

        G = G_min + (G_max - G_min) (<x^p> - x_lo^p)/(x_hi^p - x_lo^p)

    For p = 1 it depends on the charge alone. For p other than 1 it goes on moving after a pulse, until the ions are
    even: the writing transient. `at_rest` is the exact state after a time with the gate open.

    J. Tang et al., IEDM (2018), 10.1109/IEDM.2018.8614551; J. Newman and K. E. Thomas-Alyea, Electrochemical Systems
    (2004). A pulse of a time t shorter than dz_1^2/D meets a surface that is polarised too much, so the first volume
    should not be thicker than sqrt(D t): eight of them with a grading of 1.7 make it L/100, take 2 % less charge than a
    continuous film in pulses of 10 us, and let the slowest mode decay with 0.92 pi^2 D/L^2.
    """

    class State(eqx.Module):
        x: tuple[Param, ...] = state_variable((0.0, 1.0), doc="site fraction of a slice, the first at the electrolyte")

    terminals: ClassVar[tuple[str, ...]] = ("gate", "drain", "source")
    family: ClassVar[str] = "P10 ECRAM"
    doi: ClassVar[str] = "10.1109/IEDM.2018.8614551"
    stores_energy: ClassVar[bool] = True
    sweep: ClassVar[Sweep] = Sweep((0.5, 0.1), (-0.5, -0.1), 4e-3)

    ordered: ClassVar[tuple[tuple[str, str], ...]] = (("g_min", "g_max"), ("x_lo", "x_hi"))
    cells: int = eqx.field(default=8, static=True)
    area: Param = quantity(1e-12, "m2", (1e-14, 1e-8), scale="log", doc="gate area A", source="chosen", free=False)
    length: Param = quantity(50e-9, "m", (1e-8, 2e-7), scale="log", doc="film thickness L", source="chosen", free=False)
    c_max: Param = quantity(3.09e4, "mol/m3", (1e4, 5e4), scale="log", doc="sites, WO3", source="density of WO3")
    d_c: Param = quantity(1e-14, "m2/s", (1e-17, 1e-12), scale="log", doc="diffusivity at t_ref", source="recalled")
    e_d: Param = quantity(0.35, "eV", (0.2, 0.6), doc="activation energy of d_c", source="recalled", free=False)
    k0: Param = quantity(1e-8, "m/s", (1e-11, 1e-6), scale="log", doc="rate constant at t_ref", source="calibrated")
    e_k: Param = quantity(0.45, "eV", (0.2, 0.6), doc="activation energy of k0", source="recalled", free=False)
    alpha: Param = quantity(0.5, "1", (0.3, 0.7), doc="transfer coefficient of the insertion", source="recalled")
    r_el: Param = quantity(1e7, "ohm", (1e5, 1e14), scale="log", doc="electrolyte and access", source="calibrated")
    x_eq: Param = quantity(0.22, "1", (0.01, 0.9), doc="site fraction in rest with the gate shorted", source="chosen")
    g_u: Param = quantity(0.0, "V", (0.0, 0.5), doc="slope of the open-circuit potential", source="chosen")
    g_min: Param = quantity(5e-6, "S", (1e-9, 1e-3), scale="log", doc="conductance at x_lo", source="calibrated")
    g_max: Param = quantity(50e-6, "S", (1e-9, 1e-2), scale="log", doc="conductance at x_hi", source="calibrated")
    x_lo: Param = quantity(0.02, "1", (0.0, 0.3), doc="site fraction of g_min", source="calibrated", free=False)
    x_hi: Param = quantity(0.42, "1", (0.35, 1.0), doc="site fraction of g_max", source="calibrated", free=False)
    power_law: Param = quantity(1.0, "1", (0.5, 2.0), doc="p: local conductivity ~ x^p", source="chosen", free=False)
    x_init: Param = quantity(0.22, "1", (0.0, 1.0), doc="site fraction at the start", source="chosen", free=False)
    x_guard: Param = quantity(
        1e-9, "1", (1e-10, 1e-8), scale="log", doc="rounding at 0 and 1", source="chosen", free=False
    )
    grading: Param = quantity(1.7, "1", (1.0, 2.5), doc="thickness over that before", source="chosen", free=False)
    t_ref: Param = quantity(298.15, "K", (280.0, 320.0), doc="where d_c, k0 hold", source="convention", free=False)

    def init(self, env: Environment) -> State:
        return self.filled(self.x_init + jnp.zeros_like(env.temperature))

    def filled(self, fraction: Real) -> State:
        """The film with the same `fraction` everywhere."""
        return EcramChannel.State(x=(fraction,) * self.cells)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        film = jnp.stack(x.x)
        return EcramChannel.State(x=tuple(self.transport(film, self.gate_current(film[0], v[0], env), env)))

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        film = jnp.stack(x.x)
        return jnp.stack([self.gate_current(film[0], v[0], env), self.channel_conductance(film) * v[1]])

    def transport(self, film: Film, gate: Real, env: Environment) -> Film:
        """dx/dt (1/s) of the slices under a gate current (A): what `rate` does with the current of a gate voltage."""
        share = self.shares()
        inner = self._speeds(env) * (film[:-1] - film[1:])
        coming = jnp.concatenate([jnp.reshape(gate / self.capacity(), (1,)), inner])
        return (coming - jnp.concatenate([inner, jnp.zeros((1,), inner.dtype)])) / share

    def at_rest(self, x: State, duration: Real, env: Environment) -> State:
        """The exact state after a `duration` (s) with the gate open: every mode of z decays by itself."""
        film, root = jnp.stack(x.x), jnp.sqrt(self.shares())
        mean = self.mean_fraction(x)
        # The motion of the square root of a share times x is symmetric.
        moved = jax.vmap(lambda y: self.transport(y, jnp.zeros_like(mean), env))(
            jnp.eye(self.cells, dtype=film.dtype)
        ).T
        scaled = moved * root[:, None] / root[None, :]
        speeds, modes = jnp.linalg.eigh(0.5 * (scaled + scaled.T))
        # The mean stays, and no rounding of its speed may move it.
        decayed = jnp.exp(jnp.minimum(speeds, 0.0) * duration) * ((root * (film - mean)) @ modes)
        return EcramChannel.State(x=tuple(mean + modes @ decayed / root))

    def shares(self) -> Film:
        """Thickness of each volume over L."""
        thick = self.grading ** jnp.arange(self.cells, dtype=self.grading.dtype)
        return thick / jnp.sum(thick)

    def mean_fraction(self, x: State) -> Real:
        """<x> over the film: the charge over `capacity`."""
        return jnp.sum(self.shares() * jnp.stack(x.x))

    def capacity(self) -> Real:
        """Charge of a full film F c_max A L (C)."""
        return constants.FARADAY * self.c_max * self.area * self.length

    def diffusivity(self, env: Environment) -> Real:
        """D (m2/s) at the ambient temperature."""
        return self._activated(self.e_d, env) * self.d_c

    def exchange_current_density(self, fraction: Real, env: Environment) -> Real:
        """i0 (A/m2) of the insertion at a `fraction` of the sites of the film."""
        empty, full = self._sites(fraction)
        return self._kinetics(env) * empty ** (1 - self.alpha) * full**self.alpha

    def channel_conductance(self, film: Film) -> Real:
        """G (S), linear in the charge for p = 1."""

        def local(fraction):
            # max(x, x_guard), rounded: a power of nothing has no slope.
            inside = jax.nn.relu(fraction)
            return (inside + self.x_guard**2 / (inside + self.x_guard)) ** self.power_law

        low, high = local(self.x_lo), local(self.x_hi)
        g = self.g_min + (self.g_max - self.g_min) * (jnp.sum(self.shares() * local(film)) - low) / (high - low)
        # A thousandth of g_min rounds the conductance of a film emptied far below x_lo.
        return at_least_zero(g, 1e-3 * self.g_min)

    def surface(self, first: Real, gate: Real, env: Environment) -> Real:
        """x_s at the electrolyte, of the first slice and the gate current (A)."""
        return first + self._rise(env) * gate

    def gate_current(self, first: Real, v_gate: Real, env: Environment) -> Real:
        """Current into the gate (A) at a gate voltage: the root of w + i(w) (R_el + g_U dx_s/di) = V_G + U0(x_1)."""
        thermal = thermal_voltage(env.temperature)
        empty, full = self._sites(first)
        scale, rise = self._kinetics(env) * self.area, self._rise(env)
        biot = scale * rise
        rest = thermal * (jnp.log(self.x_eq) - jnp.log1p(-self.x_eq)) - self.g_u * (first - self.x_eq)
        forward, backward = self.alpha / thermal, (1 - self.alpha) / thermal

        def current(w):
            # Both over the larger one, which changes nothing, as that alone may be no float32.
            up, down = forward * w, -backward * w
            most = jax.lax.stop_gradient(jnp.maximum(up, down))
            inwards, outwards = jnp.exp(up - most), jnp.exp(down - most)
            return scale * (empty * inwards - full * outwards) / (jnp.exp(-most) + biot * (inwards + outwards))

        # Solved for y = w - (V_G + U0) in thermal voltages, the drop on the resistances with its sign turned.
        total = v_gate + rest
        drop = (self.r_el + self.g_u * rise) / thermal

        def excess(y):
            return y + drop * current(total + thermal * y)

        at_total = drop * current(total)
        down, up = jax.nn.relu(at_total), jax.nn.relu(-at_total)
        guess = jnp.log1p(self.alpha * down) / self.alpha
        other = jnp.log1p((1 - self.alpha) * up) / (1 - self.alpha)
        y = solve_increasing(excess, -down, up, start=jnp.where(at_total > 0, -guess, other))
        # By Ohm's law: fast kinetics near balance are a difference of two large currents.
        return -y / drop

    def _rise(self, env: Environment) -> Real:
        """dx_s/di (1/A) at a given first slice."""
        # Of L/D and the like one by one, as their squares are no float32.
        slow = self.length / self.d_c / self._activated(self.e_d, env)
        return 0.5 * self.shares()[0] * slow * (self.length / self.capacity())

    def _speeds(self, env: Environment) -> Real:
        """D/(L dz) (1/s) from the middle of each volume to that of the next."""
        share = self.shares()
        return self.diffusivity(env) / self.length / self.length * 2 / (share[1:] + share[:-1])

    def _activated(self, energy: Real, env: Environment) -> Real:
        one = jnp.ones_like(energy)
        return arrhenius(one, energy, env.temperature) / arrhenius(one, energy, self.t_ref)

    def _kinetics(self, env: Environment) -> Real:
        return constants.FARADAY * self.k0 * self.c_max * self._activated(self.e_k, env)

    def _sites(self, fraction: Real) -> tuple[Real, Real]:
        """Empty and filled sites, max(., 0) with a continuous slope."""
        empty, full = jax.nn.relu(1 - fraction), jax.nn.relu(fraction)
        return empty * empty / (empty + self.x_guard), full * full / (full + self.x_guard)
