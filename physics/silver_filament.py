"""Volatile silver filaments that surface tension pinches off: `AgFilament`."""

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.kinetics import thermal_voltage
from physics.quantity import Param, quantity, state_variable
from physics.smooth import end_stops, step

Real = Float[Array, "..."]
_CODE = "Volatile-Memristor-Models (public Verilog-A port)"
_FAR = 8.0
"""Largest |state| that enters an exponential: trial steps of a solver may look that far out of the box."""


class Circuit(NamedTuple):
    """Current (A) and voltage across the gap (V) behind the compliance."""

    current: Real
    drop: Real


class AgFilament(AbstractDevice):
    """dphi/dt = A exp(-(E_a0 - alpha |V_gap|)/kT) - B/max(phi, phi_a)^3 exp(-E_a1/kT), the state is ln(1 + phi/phi_a).

    phi is the diameter of the silver filament. Ions injected by the field make it grow; surface diffusion, driven by
    its curvature, thins it as 1/phi^3, so it lives for a time ~ phi^4 once the voltage is gone (`lifetime`). Both
    balance at V_th (`threshold`), where phi starts; phi ends where the compliance leaves V_gap ~ V_th.

        i    = V/R, limited to i_c;  R = R_stub + R_CF || R_gap,  V_gap = i (R_CF || R_gap)
        R_CF = rho(phi) g 4/(pi phi^2),  rho(d) = rho_m (1-p)/(1+p) l_f/d,  R_stub = rho(phi_m) (L-g) 4/(pi phi_m^2)
        R_gap = rho_ox/(1 + gamma V_gap/g) g 4/(pi (phi_m^2 - phi^2))
        g    = gap_a + (L - gap_a) (1 - tanh((phi - phi_a)/width))/2

    A growing phi slows down by 1 - phi/phi_m, a shrinking one ends at zero by phi/(phi + phi_s). For v < 0 the
    energies and alpha are exchanged for those of that polarity; at v = 0 the ones of v > 0 hold.

    W. Wang et al., IEEE Trans. Electron Devices 66, 3802 (2019), 10.1109/TED.2019.2928888; the 1/phi^3 law: Nat.
    Commun. 10, 81 (2019), 10.1038/s41467-018-07979-0. Deviations: g follows phi, where the paper lets it open as the
    root of the time since rupture; the filament stays at ambient temperature (the published conductivities heat it
    by 1 K at 3.5 uA, 10 K at 100 uA); a barrier that the field has removed leaves growth linear in V_gap.
    At one temperature A and B are degenerate with their barriers, so both are held by default.
    """

    class State(eqx.Module):
        size: Param = state_variable((0.0, 5.31), doc="ln(1 + phi/phi_a), phi is the diameter")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P7 diffusive memristor"
    doi: ClassVar[str] = "10.1109/TED.2019.2928888"
    sweep: ClassVar[Sweep] = Sweep(2.5, -2.5, 2.0)
    a: Param = quantity(
        1e2, "m/s", (1.0, 1e4), scale="log", doc="A, of the growth; as exp(e_a0/kT)", source=_CODE, free=False
    )
    b: Param = quantity(
        3e4, "m/s", (1e2, 1e6), scale="log", doc="B/phi_a^3, of the thinning; as e_a1", source=_CODE, free=False
    )
    e_a0: Param = quantity(0.99, "eV", (0.5, 1.3), doc="barrier of the growth, v > 0", source=_CODE)
    e_a1: Param = quantity(0.65, "eV", (0.4, 0.9), doc="barrier of surface diffusion, v >= 0", source=_CODE)
    alpha: Param = quantity(0.28, "1", (0.1, 1.2), doc="barrier lowering by the voltage, v > 0", source=_CODE)
    e_a0_neg: Param = quantity(0.648, "eV", (0.5, 1.3), doc="barrier of the growth, v < 0", source=_CODE)
    e_a1_neg: Param = quantity(0.52, "eV", (0.4, 0.9), doc="barrier of surface diffusion, v < 0", source=_CODE)
    alpha_neg: Param = quantity(1.1, "1", (0.1, 1.2), doc="barrier lowering by the voltage, v < 0", source=_CODE)
    phi_a: Param = quantity(1e-10, "m", (5e-11, 2e-10), doc="thinnest filament, an atom", source=_CODE, free=False)
    gap_a: Param = quantity(2e-10, "m", (1e-10, 5e-10), doc="gap under a filament", source=_CODE, free=False)
    rho_m: Param = quantity(2e-6, "ohm m", (1e-8, 1e-4), scale="log", doc="resistivity of the metal", source=_CODE)
    l_f: Param = quantity(28e-9, "m", (1e-8, 1e-7), doc="mean free path of electrons", source=_CODE, free=False)
    p: Param = quantity(0.5, "1", (0.0, 0.9), doc="specular share of surface scattering", source=_CODE, free=False)
    rho_ox: Param = quantity(2e4, "ohm m", (1.0, 1e7), scale="log", doc="resistivity of the oxide", source=_CODE)
    gamma: Param = quantity(
        55e-9, "m/V", (1e-10, 1e-6), scale="log", doc="oxide conduction per field", source=_CODE, free=False
    )
    length: Param = quantity(5e-9, "m", (2e-9, 2e-8), doc="L, oxide", source=_CODE, free=False)
    phi_m: Param = quantity(2e-9, "m", (1e-9, 1e-8), scale="log", doc="largest diameter", source=_CODE, free=False)
    i_c: Param = quantity(3.5e-6, "A", (1e-9, 1e-2), scale="log", doc="compliance", source=_CODE, free=False)
    seed: Param = quantity(
        1e-14, "m", (1e-15, 1e-12), scale="log", doc="phi_s, where a filament is gone", source="chosen", free=False
    )
    width: Param = quantity(
        1e-11, "m", (1e-12, 3e-11), scale="log", doc="of the step of the gap at phi_a", source="chosen", free=False
    )
    knee: Param = quantity(
        1e-12, "m", (1e-13, 2e-11), scale="log", doc="rounding of max(phi, phi_a)", source="chosen", free=False
    )
    ease: Param = quantity(
        0.01, "1", (1e-4, 0.2), scale="log", doc="exchange of the ends near balance", source="chosen", free=False
    )
    v_s: Param = quantity(
        1e-2, "V", (1e-3, 5e-2), scale="log", doc="exchange of the polarities", source="chosen", free=False
    )
    phi_init: Param = quantity(
        1e-13, "m", (1e-14, 1e-9), scale="log", doc="initial diameter", source="chosen", free=False
    )

    def init(self, env: Environment) -> State:
        del env
        return AgFilament.State(size=jnp.log1p(self.phi_init / self.phi_a))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        u = _relative(x.size)
        kt = thermal_voltage(env.temperature)
        # The exchange lies wholly at v < 0: at rest there is one lifetime, that of v > 0.
        sign = jnp.clip(v / self.v_s, -1.0, 1.0)
        sign = sign * (1.5 - 0.5 * sign * sign)
        e_a0, e_a1, alpha = self._polarity(jnp.minimum(sign, 0.0) ** 2)
        lowered = (alpha * sign * self.circuit(x, v).drop - e_a0) / kt
        # Relative to the decay of the thinnest filament, so that single precision holds all rates.
        decay = self.b * jnp.exp(-e_a1 / kt)
        grow = self.a / self.b * jnp.exp(jnp.minimum(lowered, 0.0) + e_a1 / kt) * (1 + jnp.maximum(lowered, 0.0))
        shrink = 1 / self._at_least_an_atom(u) ** 3
        high, low = _stop(u * self.phi_a / self.phi_m), u / (jnp.abs(u) + self.seed / self.phi_a)
        # Only the neighbourhood of balance counts in the exchange of the ends, and shrink is one at most.
        near = jnp.minimum(grow, 4.0)
        net = (grow - shrink) * end_stops((near - shrink) / (near + shrink), high, low, self.ease)
        return AgFilament.State(size=decay * net / self.phi_a / (1 + u))

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        return self.circuit(x, v).current

    def circuit(self, x: State, v: Volts) -> Circuit:
        """Stub, filament and oxide in series and in parallel, behind the compliance."""
        u = _relative(x.size)
        gap = self.gap_a + (self.length - self.gap_a) * step(1 - u, 0.5 * self.width / self.phi_a)
        diffuse = (1 - self.p) / (1 + self.p)
        stub = (
            4 / jnp.pi * self.rho_m / self.phi_m * diffuse * self.l_f / self.phi_m * ((self.length - gap) / self.phi_m)
        )
        # Conductances of filament and oxide in units of that of a column of oxide, pi phi_a^2/(4 rho_ox g).
        unit = 0.25 * jnp.pi * self.phi_a / gap * self.phi_a / self.rho_ox
        metal = self.rho_ox / self.rho_m * (self.phi_a / self.l_f) / diffuse * jnp.maximum(u, 0.0) ** 3
        oxide = jnp.maximum((self.phi_m / self.phi_a) ** 2 - u * u, 0.0)
        ohmic = metal + oxide
        bend = self.gamma / gap * oxide / ohmic
        # V = V_gap (1 + R_stub G), G = G_0 (1 + bend |V_gap|): a quadratic equation.
        load = stub * unit * ohmic
        free = 2 * v / (1 + load + jnp.sqrt((1 + load) ** 2 + 4 * load * bend * jnp.abs(v)))
        linear = free * (1 + bend * jnp.abs(free))
        # The compliance as a factor, which has no 0/0 at v = 0.
        share = _limit(unit * ohmic * jnp.abs(linear) / self.i_c)
        drop = 2 * share * linear / (1 + jnp.sqrt(1 + 4 * bend * share * jnp.abs(linear)))
        return Circuit(unit * ohmic * linear * share, drop)

    def threshold(self, env: Environment) -> Real:
        """V_th (V) for v > 0, where an atomic filament neither grows nor shrinks."""
        balance = thermal_voltage(env.temperature) * jnp.log(self.b / self.a)
        return (self.e_a0 - self.e_a1 + balance) / self.alpha

    def lifetime(self, start: Real, end: Real, env: Environment) -> Real:
        """Time (s) in which diffusion alone thins a filament from `start` to `end` >= phi_a (m)."""
        four = (start / self.phi_a) ** 4 - (end / self.phi_a) ** 4
        return 0.25 * self.phi_a / self.b * four * jnp.exp(self.e_a1 / thermal_voltage(env.temperature))

    def _polarity(self, negative: Real) -> tuple[Real, Real, Real]:
        """E_a0, E_a1 and alpha at a share `negative` of the parameters for v < 0."""
        e_a0 = self.e_a0 + (self.e_a0_neg - self.e_a0) * negative
        e_a1 = self.e_a1 + (self.e_a1_neg - self.e_a1) * negative
        return e_a0, e_a1, self.alpha + (self.alpha_neg - self.alpha) * negative

    def _at_least_an_atom(self, u: Real) -> Real:
        """max(u, 1), rounded within `knee` by a parabola and exact elsewhere."""
        knee = self.knee / self.phi_a
        t = (u - 1) / knee
        return 1 + knee * (0.25 * (1 + jnp.clip(t, -1.0, 1.0)) ** 2 + jnp.maximum(t - 1, 0.0))


def _relative(size: Real) -> Real:
    """phi/phi_a."""
    return jnp.expm1(jnp.clip(size, -_FAR, _FAR))


def _limit(ratio: Real) -> Real:
    """(1 + ratio^8)^(-1/8), the factor of `smooth.limit_current`, without overflow."""
    small, large = jnp.minimum(ratio, 1.0), jnp.maximum(ratio, 1.0)
    return 1 / (jnp.sqrt(jnp.sqrt(jnp.sqrt(small**8 + (1 / large) ** 8))) * large)


def _stop(ratio: Real) -> Real:
    """1 - ratio up to one, 1/ratio - 1 beyond: `smooth.stop` of the logarithm."""
    return 1 / jnp.maximum(ratio, 1.0) - jnp.minimum(ratio, 1.0)
