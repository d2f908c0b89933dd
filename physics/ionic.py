"""Electrochemical memory: ions pumped by a gate set the conductance of a channel."""

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
from physics.smooth import at_least_zero, limexp

Real = Float[Array, "..."]
SURFACE = 3 / (3 + jnp.pi**2)
"""Share of the film that answers as its surface: gives the offset and the slowest mode of diffusion."""


class Ecram(AbstractDevice):
    """j = F k0 c_max [(1 - x_s) exp(alpha w/U_T) - x_s exp(-(1 - alpha) w/U_T)],  w + j A R_el = V_G + U0(x_s).

    Ions enter the surface of the channel by Butler-Volmer kinetics, i0 = F k0 c_max (1-x)^(1-alpha) x^alpha,
    written without the logarithms of the Nernst potential, so that an empty or full film is no special case;
    U0 = U_T ln(x_eq/(1 - x_eq)) - g_U (x_s - x_eq). Two compartments stand for diffusion through the film:
    phi dx_s/dt = j/(F c_max L) - k (x_s - x_b),  (1 - phi) dx_b/dt = k (x_s - x_b),  k = 3 (1 - phi)^2 D/L^2.
    With phi = 3/(3 + pi^2) the slowest mode pi^2 D/L^2 and the steady offset x_s - <x> = j L/(3 F c_max D)
    are those of the resolved film; earlier than L^2/(pi^2 D) the surface is less polarised than that of a
    semi-infinite one, to a third at 0.008 L^2/D: there take `EcramChannel`. The channel is read apart from the
    gate: I_D = G V_D, G = G_min + (G_max - G_min) (<x^p> - x_lo^p)/(x_hi^p - x_lo^p).
    Tang et al., IEDM (2018), 10.1109/IEDM.2018.8614551; Newman and Thomas-Alyea, Electrochemical Systems (2004).
    """

    class State(eqx.Module):
        surface: Param = state_variable((0.0, 1.0), doc="site fraction at the electrolyte")
        bulk: Param = state_variable((0.0, 1.0), doc="site fraction in the rest of the film")

    terminals: ClassVar[tuple[str, ...]] = ("gate", "drain", "source")
    family: ClassVar[str] = "P10 ECRAM"
    doi: ClassVar[str] = "10.1109/IEDM.2018.8614551"
    stores_energy: ClassVar[bool] = True
    sweep: ClassVar[Sweep] = Sweep((0.5, 0.1), (-0.5, -0.1), 4e-3)
    ordered: ClassVar[tuple[tuple[str, str], ...]] = (
        ("g_min", "g_max"),
        ("x_lo", "x_hi"),
    )

    area: Param = quantity(1e-12, "m2", (1e-14, 1e-8), scale="log", doc="gate area A", source="chosen", free=False)
    length: Param = quantity(50e-9, "m", (1e-8, 2e-7), scale="log", doc="film thickness L", source="chosen", free=False)
    c_max: Param = quantity(3.09e4, "mol/m3", (1e4, 5e4), scale="log", doc="sites, WO3", source="density of WO3")
    d_c: Param = quantity(1e-14, "m2/s", (1e-17, 1e-12), scale="log", doc="diffusivity at t_ref", source="recalled")
    e_d: Param = quantity(0.35, "eV", (0.1, 0.8), doc="activation energy of d_c", source="recalled", free=False)
    k0: Param = quantity(1e-8, "m/s", (1e-11, 1e-6), scale="log", doc="rate constant at t_ref", source="calibrated")
    e_k: Param = quantity(0.45, "eV", (0.1, 0.8), doc="activation energy of k0", source="recalled", free=False)
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
    t_ref: Param = quantity(298.15, "K", (280.0, 320.0), doc="where d_c, k0 hold", source="convention", free=False)

    def init(self, env: Environment) -> State:
        start = self.x_init + jnp.zeros_like(env.temperature)
        return Ecram.State(surface=start, bulk=start)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        return self.transport(x, self.gate_current(x.surface, v[0], env), env)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        return jnp.stack([self.gate_current(x.surface, v[0], env), self.channel_conductance(x) * v[1]])

    def transport(self, x: State, gate: Real, env: Environment) -> State:
        """dx/dt under a gate current (A): what `rate` does with the current of a gate voltage."""
        inward = gate / self.capacity()
        warm = self._activated(self.e_d, env)
        flow = 3 * (1 - SURFACE) ** 2 * warm * self.d_c / self.length**2 * (x.surface - x.bulk)
        return Ecram.State(surface=(inward - flow) / SURFACE, bulk=flow / (1 - SURFACE))

    def capacity(self) -> Real:
        """Charge of a full film F c_max A L (C)."""
        return constants.FARADAY * self.c_max * self.area * self.length

    def mean_fraction(self, x: State) -> Real:
        """<x> over the film: the charge over `capacity`."""
        return SURFACE * x.surface + (1 - SURFACE) * x.bulk

    def exchange_current_density(self, fraction: Real, env: Environment) -> Real:
        """i0 (A/m2) of the insertion at a `fraction` of the sites of the film."""
        empty, full = self._sites(fraction)
        return self._kinetics(env) * empty ** (1 - self.alpha) * full**self.alpha

    def channel_conductance(self, x: State) -> Real:
        """G (S), linear in the charge for p = 1."""

        def local(fraction):
            # max(x, x_guard), rounded: a power of nothing has no slope.
            inside = jax.nn.relu(fraction)
            return (inside + self.x_guard**2 / (inside + self.x_guard)) ** self.power_law

        mean = SURFACE * local(x.surface) + (1 - SURFACE) * local(x.bulk)
        low, high = local(self.x_lo), local(self.x_hi)
        g = self.g_min + (self.g_max - self.g_min) * (mean - low) / (high - low)
        # A thousandth of g_min rounds the conductance of a film emptied far below x_lo.
        return at_least_zero(g, 1e-3 * self.g_min)

    def gate_current(self, surface: Real, v_gate: Real, env: Environment) -> Real:
        """Current into the gate (A) at a gate voltage: the root of w + R_el A j(w) = V_G + U0."""
        thermal = thermal_voltage(env.temperature)
        empty, full = self._sites(surface)
        scale = self._kinetics(env) * self.area
        rest = thermal * (jnp.log(self.x_eq) - jnp.log1p(-self.x_eq)) - self.g_u * (surface - self.x_eq)
        forward, backward = self.alpha / thermal, (1 - self.alpha) / thermal

        def current(w):
            return scale * (empty * limexp(forward * w) - full * limexp(-backward * w))

        # Solved for y = w - (V_G + U0) in thermal voltages, the drop on R_el with its sign turned.
        total = v_gate + rest
        drop = self.r_el / thermal

        def excess(y):
            return y + drop * current(total + thermal * y)

        at_total = drop * current(total)
        down, up = jax.nn.relu(at_total), jax.nn.relu(-at_total)
        guess = jnp.log1p(self.alpha * down) / self.alpha
        other = jnp.log1p((1 - self.alpha) * up) / (1 - self.alpha)
        y = solve_increasing(excess, -down, up, start=jnp.where(at_total > 0, -guess, other))
        # By Ohm's law: fast kinetics near balance are a difference of two large currents.
        return -y / drop

    def _activated(self, energy: Real, env: Environment) -> Real:
        one = jnp.ones_like(energy)
        return arrhenius(one, energy, env.temperature) / arrhenius(one, energy, self.t_ref)

    def _kinetics(self, env: Environment) -> Real:
        return constants.FARADAY * self.k0 * self.c_max * self._activated(self.e_k, env)

    def _sites(self, fraction: Real) -> tuple[Real, Real]:
        """Empty and filled sites at the surface, max(., 0) with a continuous slope."""
        empty, full = jax.nn.relu(1 - fraction), jax.nn.relu(fraction)
        return empty * empty / (empty + self.x_guard), full * full / (full + self.x_guard)
