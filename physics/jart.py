"""Valence-change memory: oxygen vacancies move in a disc under a Schottky electrode. `JartVcm`."""

import math
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics import constants
from physics.conduction import schottky_lowering
from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.implicit import solve_increasing
from physics.kinetics import mott_gurney_barriers, thermal_voltage
from physics.quantity import Param, quantity, state_variable
from physics.smooth import blend, end_stops, exp_difference, limexp, softplus, step, stop

Real = Float[Array, "..."]
_CODE = "JART-TUD-VCM (public port of JART VCM v1b)"
_PAPER = "10.1109/TCSI.2020.3018502"
_STEEP = 10.0
"""Exponent of the stops 1 - (N/N_max)^10 and 1 - (N_min/N)^10."""
_CLEAR = 10.0
"""Widths phi_s by which the lowering exceeds the barrier where phi counts as zero."""
_SLOPE = 0.8
"""The fastest rise of phi with V_s: at 1 the current would stay, above it would fall."""
_WIDEST = 64.0
"""Bound of the unknown of the circuit: e^64 is more than any ratio of ohmic drop and contact drop."""


class Node(NamedTuple):
    """The solved series circuit: current, drops over contact, disc and plug (V), temperature (K)."""

    current: Real
    contact: Real
    disc: Real
    plug: Real
    temperature: Real


class JartVcm(AbstractDevice):
    """JART VCM v1b: dN/dt = -(a nu0/l) (N_plug + N)/2 [exp(-W_-/kT) - exp(-W_+/kT)] F; the state is ln(N/n_ref).

    N is the density of vacancies in the disc (length l, radius r). SET, a growing N, is at V < 0. In series are

        V = V_s + I (R_d + R_p + R_s),  R_d = l/(q z mu_n N A),  R_p = (l_cell - l)/(q z mu_n N_plug A)
        R_s = R_TiOx + R_0 (1 + R_0 alpha_l I^2 R_th,line),  T = T_amb + I (V - I R_s) R_th
        V_s > 0 (thermionic):   I =  A A* T^2 exp(-q phi/kT) (exp(q V_s/kT) - 1)
        V_s < 0 (field emission): I = -A A* (T/k_B) sqrt(pi W00 q (|V_s| + phi/cosh^2(W00/kT))) exp(-q phi/W0)
                                       (exp(q |V_s|/eps') - 1),   W00 = (q h/4 pi) sqrt(z N/(m_e eps)),
                                       W0 = W00 coth(W00/kT),   eps' = W00/(W00/kT - tanh(W00/kT))

    with phi = (phi_B0 - [q^3 z N psi/(8 pi^2 eps_B^3)]^(1/4))_+, psi = (phi_B0 - phi_n - V_s)_+. W_-+ are the barriers
    of a hop in a strong field (`mott_gurney_barriers`), in E = V_disc/l for V < 0 and (V_s + V_disc + V_plug)/l_cell
    for V > 0. R_th = R_th0 (r_det/r)^2 {1, reset_factor} and F = {1 - (N/N_max)^10, 1 - (N_min/N)^10} for V < 0, V > 0.

    C. Bengel et al., IEEE Trans. Circuits Syst. I 67, 4618 (2020), 10.1109/TCSI.2020.3018502. Deviations: (.)_+ is
    rounded; where the lost lowering would let the current fall with V_s and the loop have three roots, phi rises by
    no more than 0.8 V_s, which leaves the root of the smallest V_s; the parts that depend on the polarity are
    exchanged over v_s; v_root keeps the contact conducting at V = 0, where field emission has no conductance; the
    hop barriers saturate where none is left. The bounds keep the quasi-static heating below its own runaway.
    """

    class State(eqx.Module):
        log_n: Param = state_variable((-5.62, 3.2), doc="ln(N/n_ref), N is the vacancy density of the disc")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P3 RRAM, filamentary"
    doi: ClassVar[str] = _PAPER
    sweep: ClassVar[Sweep] = Sweep(1.3, -1.3, 5.2)
    ordered: ClassVar[tuple[tuple[str, str], ...]] = (("n_min", "n_max"),)
    w: Param = quantity(1.35, "eV", (0.8, 1.5), doc="W, hopping barrier", source=_CODE)
    phi_b0: Param = quantity(0.18, "eV", (0.1, 0.3), doc="Schottky barrier", source=_CODE)
    phi_n: Param = quantity(0.10, "eV", (0.1, 0.3), doc="Fermi level below the band", source=_CODE, free=False)
    mu_n: Param = quantity(
        4e-6, "m2/(V s)", (1e-6, 1e-5), scale="log", doc="electron mobility", source=_CODE, free=False
    )
    n_min: Param = quantity(8e23, "m-3", (4e23, 2.5e25), scale="log", doc="least vacancy density", source=_CODE)
    n_max: Param = quantity(
        2e27, "m-3", (1.8e27, 2.2e27), scale="log", doc="largest vacancy density", source=_CODE, free=False
    )
    n_plug: Param = quantity(
        2e27, "m-3", (1e25, 1e28), scale="log", doc="density of the plug", source=_CODE, free=False
    )
    a: Param = quantity(0.25e-9, "m", (1e-10, 1e-9), scale="log", doc="hopping distance", source=_CODE, free=False)
    nu_0: Param = quantity(2e13, "Hz", (1e10, 1e14), scale="log", doc="attempt frequency", source=_CODE, free=False)
    r_th0: Param = quantity(15.72e6, "K/W", (1e6, 2e7), scale="log", doc="thermal resistance, V < 0", source=_CODE)
    reset_factor: Param = quantity(0.27, "1", (0.1, 1.0), doc="thermal resistance, V > 0 over V < 0", source=_CODE)
    r: Param = quantity(45e-9, "m", (1e-8, 1e-7), scale="log", doc="filament radius", source=_CODE, free=False)
    l: Param = quantity(0.4e-9, "m", (1e-10, 1.5e-9), scale="log", doc="disc length", source=_CODE, free=False)  # noqa: E741
    l_cell: Param = quantity(3e-9, "m", (2e-9, 5e-9), doc="disc and plug", source=_CODE, free=False)
    r_tiox: Param = quantity(650.0, "ohm", (0.0, 5e3), doc="R_TiOx, oxide electrode", source=_CODE)
    r_0: Param = quantity(719.2437, "ohm", (10.0, 5e3), scale="log", doc="R_0, line", source=_CODE, free=False)
    alpha_l: Param = quantity(
        3.92e-3, "1/K", (1e-4, 1e-2), scale="log", doc="temperature coefficient of the line", source=_CODE, free=False
    )
    r_line: Param = quantity(90471.47, "K/W", (1e3, 1e6), scale="log", doc="R_th of the line", source=_CODE, free=False)
    eps: Param = quantity(17.0, "1", (10.0, 25.0), doc="static permittivity over eps0", source=_CODE, free=False)
    eps_b: Param = quantity(5.5, "1", (3.0, 10.0), doc="image-force permittivity over eps0", source=_CODE, free=False)
    richardson: Param = quantity(
        6.01e5, "A/(m2 K2)", (1e5, 2e6), scale="log", doc="A*, Richardson constant", source=_CODE, free=False
    )
    z: Param = quantity(2.0, "1", (1.0, 3.0), doc="charge of a vacancy", source=_CODE, free=False)
    r_det: Param = quantity(45e-9, "m", (4e-8, 5e-8), scale="log", doc="radius of R_th0", source=_CODE, free=False)
    n_ref: Param = quantity(1e26, "m-3", (9e25, 1.1e26), scale="log", doc="N of state 0", source="chosen", free=False)
    n_init: Param = quantity(
        1.999e27, "m-3", (4e23, 2.2e27), scale="log", doc="initial N", source="LRS, as formed", free=False
    )
    phi_s: Param = quantity(
        1e-3, "V", (1e-4, 2e-2), scale="log", doc="rounding of phi > 0", source="chosen", free=False
    )
    v_s: Param = quantity(
        3e-3, "V", (1e-3, 2e-2), scale="log", doc="exchange of the polarities", source="chosen", free=False
    )
    v_root: Param = quantity(
        1e-5, "V", (1e-6, 1e-3), scale="log", doc="least energy under the root", source="chosen", free=False
    )

    def init(self, env: Environment) -> State:
        del env
        return JartVcm.State(log_n=jnp.log(self.n_init / self.n_ref))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        node = self.solve(x, v, env)
        field = blend(node.disc / self.l, (node.contact + node.disc + node.plug) / self.l_cell, v, self.v_s)
        with_field, against = mott_gurney_barriers(self.w, self.z * self.a * field)
        kt = thermal_voltage(node.temperature)
        hops = exp_difference(-with_field / kt, -against / kt)
        pace = self.a / self.l * self.nu_0 * 0.5 * (1 + self.n_plug / self.n_ref * limexp(-x.log_n))
        full = stop(_STEEP * (x.log_n - jnp.log(self.n_max / self.n_ref)))
        empty = stop(_STEEP * (jnp.log(self.n_min / self.n_ref) - x.log_n))
        return JartVcm.State(log_n=-pace * hops * end_stops(-v, full, empty, self.v_s))

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        return self.solve(x, v, env).current

    def temperature(self, x: State, v: Volts, env: Environment) -> Real:
        """T of the filament (K)."""
        return self.solve(x, v, env).temperature

    def solve(self, x: State, v: Volts, env: Environment) -> Node:
        """The series circuit, in magnitudes as all drops have the sign of V.

        Unknown is y = ln s/(1 - s) with s = |I|/I_max, I_max being the current of a contact without a drop;
        V_s(y) then follows from the series resistances, and ln(I/V_s) = ln(G) with G(V_s, T) of the contact is
        almost a straight line in y: some four Newton steps. The search starts at a small V_s, so of several roots
        it finds the one of the smallest V_s.
        """
        sign = jnp.where(v < 0, -jnp.ones_like(v), jnp.ones_like(v))
        disc, plug = self._resistances(limexp(x.log_n))
        linear = disc + plug + self.r_tiox + self.r_0
        bend = self.r_0 * self.r_0 * self.alpha_l * self.r_line
        most = _cubic(sign * v, linear, bend)
        series = linear + bend * most * most
        curved = bend * most * most / series
        heat = self.r_th0 * (self.r_det / self.r) ** 2 * blend(jnp.ones_like(v), self.reset_factor, v, self.v_s)
        conductance = self._contact(limexp(x.log_n), step(v, self.v_s), sign, series)

        def state(y):
            share, rest = jax.nn.sigmoid(y), jax.nn.sigmoid(-y)
            i, bow = share * most, 1 + curved * share * (1 + share)
            contact = sign * v * rest * bow
            return i, contact, env.temperature + heat * i * (contact + i * (disc + plug)), bow

        def excess(y):
            _, contact, kelvin, bow = state(y)
            return y - jnp.log(bow) - conductance(contact, kelvin)

        ones = jnp.ones_like(most)
        start = jnp.where(v < 0, 1.5 * ones, 4 * ones)
        rounding = 64 * float(jnp.finfo(most.dtype).eps)
        y = solve_increasing(excess, -_WIDEST * ones, _WIDEST * ones, start=start, tolerance=rounding)
        i, contact, kelvin, _ = state(y)
        return Node(sign * i, sign * contact, sign * disc * i, sign * plug * i, kelvin)

    def _resistances(self, n: Real) -> tuple[Real, Real]:
        """R_d and R_p (ohm) at N = n n_ref."""
        wall = jnp.pi * self.r * (constants.Q * self.z * self.n_ref * self.mu_n)
        return self.l / self.r / wall / n, (self.l_cell - self.l) / self.r / wall / (self.n_plug / self.n_ref)

    def _contact(self, n: Real, forward: Real, sign: Real, series: Real) -> Callable[[Real, Real], Real]:
        """ln(R G), G = |I|/|V_s| of the electrode, as a function of |V_s| and T; R = `series`.

        Both laws are G = P exp(-c phi) (exp(b |V_s|) - 1)/|V_s| with their own P, b, c; `forward` is 1 for V > 0.
        """
        natural = constants.H / (4 * jnp.pi) / (constants.M_E * constants.EPS_0) ** 0.5
        w00 = natural * jnp.sqrt(self.z * n * (self.n_ref / self.eps))
        area = jnp.pi * self.r * self.r * self.richardson * series
        # The least psi down to which phi rises with V_s by less than _SLOPE, or is zero.
        unit = schottky_lowering(self.phi_b0, n * self.n_ref, self.z, self.eps_b) / jnp.sqrt(jnp.sqrt(self.phi_b0))
        bare = (self.phi_b0 + _CLEAR * self.phi_s) / unit
        steep = unit / (4 * _SLOPE)
        least = jnp.minimum(bare**4, steep * jnp.cbrt(steep))

        def barrier(contact):
            psi = self.phi_b0 - self.phi_n - sign * contact
            kept = least + softplus(psi - least, self.phi_s)
            phi = softplus(self.phi_b0 - unit * jnp.sqrt(jnp.sqrt(kept)), self.phi_s)
            return self.phi_b0 - softplus(self.phi_b0 - phi - _SLOPE * (kept - psi), self.phi_s)

        def conductance(contact, kelvin):
            kt = thermal_voltage(kelvin)
            phi = barrier(contact)
            ratio = w00 / kt
            tanh = jnp.tanh(ratio)
            energy = contact + phi * (1 - tanh) * (1 + tanh)
            tunnelling = jnp.sqrt(jnp.pi * w00 * jnp.sqrt(energy * energy + self.v_root**2)) / kt
            b = forward / kt + (1 - forward) * _x_minus_tanh(ratio, tanh) / w00
            c = forward / kt + (1 - forward) * tanh / w00
            factor = forward + (1 - forward) * tunnelling
            drop = b * contact
            return drop - c * phi + jnp.log(area * kelvin * kelvin * factor * b * _slowed(drop))

        return conductance


def _cubic(total: Real, linear: Real, bend: Real) -> Real:
    """i >= 0 with linear i + bend i^3 = total."""
    scale = jnp.sqrt(linear / (3 * bend))
    return 2 * scale * jnp.sinh(jnp.arcsinh(1.5 * total / linear / scale) / 3)


def _x_minus_tanh(x: Real, tanh: Real) -> Real:
    """x - tanh(x); at small x as (x cosh(x) - sinh(x))/cosh(x), the sum of 2k x^(2k+1)/(2k+1)! over cosh(x)."""
    small = x < 0.7
    s, series = jnp.minimum(x, 0.7), jnp.zeros_like(x)
    for k in reversed(range(1, 8)):
        series = 2 * k / math.factorial(2 * k + 1) + s * s * series
    # Off the branch taken the root would have no slope where tanh rounds to one.
    sech = jnp.sqrt(1 - jnp.minimum(tanh, 0.7) ** 2)
    return jnp.where(small, s**3 * series * sech, x - tanh)


def _slowed(x: Real) -> Real:
    """(1 - exp(-x))/x for x >= 0."""
    small = x < 1e-3
    safe = jnp.where(small, jnp.ones_like(x), x)
    return jnp.where(small, 1 - x * (1 / 2 - x / 6), -jnp.expm1(-safe) / safe)
