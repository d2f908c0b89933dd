"""Electrochemical metallisation (CBRAM): a silver filament grows to within a tunnelling gap. `Ecm`."""

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics import constants
from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.implicit import solve_increasing
from physics.kinetics import thermal_voltage
from physics.quantity import Param, quantity, state_variable
from physics.smooth import end_stops, limexp, stop

Real = Float[Array, "..."]
_REC = "recalled (two sets conflict; the one with the expected regimes)"
_STEEP = 10.0
"""Exponent of the stops 1 - (x_min/x)^10 and 1 - (x/L)^10."""
_TUNNEL = 2.7
"""C of the tunnelling current."""
_NEWTON = 5
"""Steps from which on the inverse of Butler-Volmer is exact to rounding."""


class Cell(NamedTuple):
    """The solved circuit: currents (A) by ions and by tunnelling, voltage across the gap (V)."""

    ions: Real
    tunnel: Real
    gap: Real


class Ecm(AbstractDevice):
    """dx/dt = -M/(z q rho_m) I_ion/A_fil, the state is ln(x/x_ref); x is the gap before the filament.

    Ions are oxidised at the active electrode (area A_ac), hop through the gap and are reduced at the filament,

        I_ion = A j_0 [exp((1-alpha) z q eta/kT) - exp(-alpha z q eta/kT)]        at both, eta_ac > 0 > eta_fil
        I_ion = A_fil j_hop sinh(a z q eta_hop/(2 kT x)),  V_gap = eta_ac - eta_fil + eta_hop
        I_tu  = C 3 sqrt(2 m dW)/(2x) (q/h)^2 exp(-(4 pi x/h) sqrt(2 m dW)) A_fil V_gap
        V     = V_gap + (I_ion + I_tu) (R_s + R_el + rho_fil (L - x)/A_fil)

    Unknown is s = -z q eta_fil/kT: with it all currents and voltages rise. For V < 0 the same equations dissolve the
    filament; both electrodes are silver. x ends at x_min and L. The gap is not nucleated: `nucleation_time` is the
    mean of the exponentially distributed delay of the first atom, t_0 exp(dG/kT) exp(-(N_c + alpha) z q V/kT).

    S. Menzel, U. Boettger and R. Waser, J. Appl. Phys. 111, 014501 (2012), 10.1063/1.3673239; S. Menzel et al., Phys.
    Chem. Chem. Phys. 15, 6945 (2013), 10.1039/c3cp50738f. Deviations: the dead end of a contact is the guard
    x_min, V within 1 uV of zero is ohmic. All constants are recalled: they show the regimes, and are no fit.
    """

    class State(eqx.Module):
        log_x: Param = state_variable((-3.6, 4.0), doc="ln(x/x_ref), x is the gap")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P6 CBRAM / ECM"
    doi: ClassVar[str] = "10.1063/1.3673239"
    sweep: ClassVar[Sweep] = Sweep(0.4, -0.4, 4e-4)
    ordered: ClassVar[tuple[tuple[str, str], ...]] = (("x_min", "length"),)
    mass: Param = quantity(
        1.7912e-25, "kg", (5e-26, 4e-25), scale="log", doc="M, of an atom", source="silver", free=False
    )
    z: Param = quantity(1.0, "1", (1.0, 2.0), doc="charge of the ion", source=_REC, free=False)
    rho_m: Param = quantity(
        10490.0, "kg/m3", (2e3, 2e4), scale="log", doc="density of the metal", source="silver", free=False
    )
    m_eff: Param = quantity(0.86, "1", (0.1, 2.0), doc="m/m_e of the tunnelling electron", source=_REC, free=False)
    d_w: Param = quantity(3.6, "eV", (2.0, 5.0), doc="dW, tunnelling barrier", source=_REC)
    alpha: Param = quantity(0.3, "1", (0.1, 0.5), doc="transfer coefficient", source=_REC)
    j_0: Param = quantity(3.2e5, "A/m2", (1e-3, 1e6), scale="log", doc="exchange current density", source=_REC)
    j_hop: Param = quantity(1.1e11, "A/m2", (1e4, 1e12), scale="log", doc="hopping current density", source=_REC)
    a: Param = quantity(0.25e-9, "m", (1e-10, 5e-10), scale="log", doc="hopping distance", source=_REC, free=False)
    r_fil: Param = quantity(2e-9, "m", (5e-10, 1e-8), scale="log", doc="filament radius", source=_REC)
    r_ac: Param = quantity(
        16e-9, "m", (1e-8, 1e-6), scale="log", doc="radius of the active electrode", source=_REC, free=False
    )
    length: Param = quantity(30e-9, "m", (2e-9, 5e-8), scale="log", doc="L, electrolyte", source=_REC, free=False)
    rho_fil: Param = quantity(
        1.7e-8, "ohm m", (1e-8, 1e-6), scale="log", doc="resistivity of the filament", source=_REC, free=False
    )
    r_el: Param = quantity(76.4e-3, "ohm", (1e-3, 1e3), scale="log", doc="electrodes", source=_REC, free=False)
    r_s: Param = quantity(1e6, "ohm", (10.0, 1e8), scale="log", doc="series resistance", source=_REC)
    t_0: Param = quantity(
        2e-8, "s", (1e-12, 1e-3), scale="log", doc="prefactor of the nucleation", source=_REC, free=False
    )
    d_g: Param = quantity(0.8, "eV", (0.3, 1.5), doc="dG, barrier of the nucleation", source=_REC, free=False)
    n_c: Param = quantity(3.0, "1", (0.0, 6.0), doc="N_c, atoms of the nucleus", source=_REC, free=False)
    x_min: Param = quantity(
        1e-10, "m", (3e-11, 2e-10), scale="log", doc="least gap, a contact", source="chosen", free=False
    )
    x_ref: Param = quantity(1e-9, "m", (9.5e-10, 1.05e-9), doc="x of state 0", source="convention", free=False)
    v_s: Param = quantity(
        1e-3, "V", (1e-4, 1e-2), scale="log", doc="exchange of the ends at v = 0", source="chosen", free=False
    )
    v_0: Param = quantity(
        1e-6, "V", (1e-7, 1e-5), scale="log", doc="V below which the cell is ohmic", source="chosen", free=False
    )
    x_init: Param = quantity(
        5e-9, "m", (5e-11, 5e-8), scale="log", doc="initial gap", source="recalled, formed", free=False
    )

    def init(self, env: Environment) -> State:
        del env
        return Ecm.State(log_x=jnp.log(self.x_init / self.x_ref))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        density = self.solve(x, v, env).ions / self.r_fil / self.r_fil / jnp.pi
        # Volume per charge: the atom's over z q.
        speed = density * (self.mass / constants.Q) / self.z / self.rho_m
        log_l, log_min = jnp.log(self.length / self.x_ref), jnp.log(self.x_min / self.x_ref)
        ends = end_stops(-v, stop(_STEEP * (x.log_x - log_l)), stop(_STEEP * (log_min - x.log_x)), self.v_s)
        return Ecm.State(log_x=-speed * ends / self._gap(x))

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        cell = self.solve(x, v, env)
        return cell.ions + cell.tunnel

    def solve(self, x: State, v: Volts, env: Environment) -> Cell:
        """The series circuit at the voltage `v`."""
        # The electrode where electrons leave exchanges alpha with the other one when the current turns.
        reduction = jnp.where(v < 0, 1 - self.alpha, self.alpha)
        kt = thermal_voltage(env.temperature) / self.z
        width, area = self._gap(x), jnp.pi * self.r_fil * self.r_fil
        tunnel = self.tunnelling(x)
        series = self.r_s + self.r_el + self.rho_fil * (self.length - jnp.minimum(width, self.length)) / area
        scale = area * self.j_0
        size = jnp.sqrt(v * v + self.v_0 * self.v_0)

        def cell(s):
            share = jnp.exp(jnp.minimum(reduction * s, 60.0)) * -jnp.expm1(-s)
            share = share * (1 + jnp.maximum(reduction * s - 60.0, 0.0))
            ions = scale * share
            oxidised = butler_volmer_inverse(share * (self.r_fil / self.r_ac) ** 2, 1 - reduction)
            hops = 2 * width / self.a * jnp.arcsinh(ions / (area * self.j_hop))
            return ions, kt * (s + oxidised + hops)

        def surplus(s):
            ions, gap = cell(s)
            return gap + (ions + tunnel * gap) * series - size

        most = size / kt
        s = solve_increasing(surplus, 1e-12 * most, most, start=most / (1 + tunnel * series))
        ions, gap = cell(s)
        # Back from the rounded |V| to V: the cell is ohmic where they differ.
        part = v / size
        return Cell(part * ions, part * tunnel * gap, part * gap)

    def tunnelling(self, x: State) -> Real:
        """G (S) of the gap for electrons."""
        root = jnp.sqrt(2 * self.m_eff * (constants.M_E / constants.H) * (constants.Q / constants.H) * self.d_w)
        width = self._gap(x)
        quantum = constants.Q / constants.H * constants.Q
        decay = jnp.exp(-4 * jnp.pi * width * root)
        return _TUNNEL * 1.5 * quantum * root / width * (jnp.pi * self.r_fil * self.r_fil) * decay

    def nucleation_time(self, v: Real, env: Environment) -> Real:
        """Mean delay (s) of the first stable nucleus at a voltage v > 0."""
        kt = thermal_voltage(env.temperature)
        return self.t_0 * limexp((self.d_g - (self.n_c + self.alpha) * self.z * v) / kt)

    def _gap(self, x: State) -> Real:
        return self.x_ref * limexp(jnp.maximum(x.log_x, -8.0))


def butler_volmer_inverse(current: Real, forward: Real) -> Real:
    """u >= 0 with exp(forward u) - exp(-(1 - forward) u) = current > 0, in units of kT/zq.

    With e^u = 1 + e^w it is w - (1 - forward) ln(1 + e^w) = ln(current), nearly two straight lines: a few Newton steps
    from the greater of them reach it without a search.
    """
    log = jnp.log(current)
    w = jnp.maximum(log, log / forward)
    for _ in range(_NEWTON):
        value = w - (1 - forward) * jax.nn.softplus(w) - log
        w = w - value / (1 - (1 - forward) * jax.nn.sigmoid(w))
    return jax.nn.softplus(w)
