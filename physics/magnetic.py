"""Magnetic tunnel junctions: one magnetic moment that turns, and its shadow on an axis. `Mtj`, `AxialMtj`.

Fields are in tesla inside (B = mu_0 H), currents are positive towards the parallel state.
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics import constants
from physics.device import AbstractLangevin, Amps, Environment, Sweep, Volts
from physics.quantity import Param, quantity, state_variable
from physics.smooth import smooth_max

Real = Float[Array, "..."]
_ARM = "public MRAM framework, Verilog-A"
_WIDE = 1.5
"""Bounds of a component of m beyond the sphere, as noise and errors may leave it for a moment."""


def gyromagnetic_ratio() -> float:
    """gamma = g q/(2 m_e) of the electron (rad/(s T))."""
    return 0.5 * constants.G_ELECTRON * constants.Q / constants.M_E


def junction_conductance(up: Real, v: Real, r_p: Real, tmr: Real, v_h: Real) -> Real:
    """G_AP + (G_P - G_AP) up (S), G_AP = G_P/(1 + TMR(v)), TMR = tmr/(1 + (v/v_h)^2); `up` is the parallel share."""
    ratio = tmr / (1 + (v / v_h) ** 2)
    return (1 + up * ratio) / (1 + ratio) / r_p


def thermal_angle(delta: Real) -> Real:
    """1/sqrt(2 Delta), a usual tilt out of the axis (rad); at most 1.3, where there is no barrier."""
    return 1 / jnp.sqrt(2 * smooth_max(delta, 0.3, 0.02))


class Mtj(AbstractLangevin):
    """dm/dt = -gamma [m x B + a m x (m x B) + b m x (m x z) - a b m x z]/(1 + a^2),  i = G(m_z, v) v.

        B = B_k m_z z + mu_0 (h_x x + h_z z),  B_k = 2 k_i/(M_s t) - (n_z - n_x) mu_0 M_s,  b = hbar P i/(2 q M_s V)

    a is alpha, V the volume. i > 0 turns m towards +z, the parallel state. G_P = 1/r_p; TMR = 2 P^2/(1 - P^2) at no
    voltage. A term along m, which is zero on the sphere, brings |m| back to one.

    One path (a key) feels a thermal field: dm = ... - 2 D m dt + sqrt(2 D) m x dW (Ito), D = a gamma k_B T/((1 + a^2)
    M_s V); that is the field of Brown, sqrt(2 a k_B T/(gamma M_s V)) in B, in law, as m x dW is isotropic. `rate` is
    the motion at zero temperature from a thermal tilt; at m = z or -z exactly it stands still. Explicit steps turn a
    little too far, which acts against damping, so that `time_step` goes as alpha: for long times and weak damping
    take `AxialMtj`.

    J. C. Slonczewski, J. Magn. Magn. Mater. 159, L1 (1996), 10.1016/0304-8853(96)00062-5; J. Z. Sun, Phys. Rev. B 62,
    570 (2000), 10.1103/PhysRevB.62.570; W. F. Brown, Phys. Rev. 130, 1677 (1963), 10.1103/PhysRev.130.1677.
    Deviations: the efficiency of the torque is P at any angle.
    """

    class State(eqx.Module):
        m_x: Param = state_variable((-_WIDE, _WIDE), doc="moment over its length, in the plane")
        m_y: Param = state_variable((-_WIDE, _WIDE), doc="moment over its length, in the plane")
        m_z: Param = state_variable((-_WIDE, _WIDE), doc="moment over its length, 1 is the parallel state")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P9 magnetic"
    doi: ClassVar[str] = "10.1103/PhysRevB.62.570"
    sweep: ClassVar[Sweep] = Sweep(0.6, -0.6, 4e-8)
    ms: Param = quantity(1.2e6, "A/m", (4e5, 1.5e6), doc="M_s, magnetisation", source=_ARM)
    alpha: Param = quantity(0.01, "1", (0.003, 0.1), scale="log", doc="damping", source=_ARM)
    k_i: Param = quantity(1e-3, "J/m2", (2e-4, 2.5e-3), scale="log", doc="anisotropy of the interface", source=_ARM)
    thickness: Param = quantity(1e-9, "m", (5e-10, 3e-9), scale="log", doc="t, free layer", source=_ARM, free=False)
    diameter: Param = quantity(50e-9, "m", (1e-8, 2e-7), scale="log", doc="free layer", source=_ARM, free=False)
    n_x: Param = quantity(0.029, "1", (0.0, 0.34), doc="demagnetising factor in the plane", source=_ARM, free=False)
    n_z: Param = quantity(0.941, "1", (0.32, 1.0), doc="demagnetising factor along z", source=_ARM, free=False)
    pol: Param = quantity(0.63, "1", (0.3, 0.75), doc="P, spin polarisation", source="calibrated on on/off 2.3")
    r_p: Param = quantity(3.5e3, "ohm", (1e2, 1e6), scale="log", doc="parallel resistance", source="NeuroSim STT-MRAM")
    v_h: Param = quantity(0.5, "V", (0.2, 1.0), doc="voltage that halves the TMR", source="a port of SPINLIB")
    h_x: Param = quantity(0.0, "A/m", (-2e5, 2e5), doc="applied field in the plane", source="chosen", free=False)
    h_z: Param = quantity(0.0, "A/m", (-2e5, 2e5), doc="applied field along z", source="chosen", free=False)
    parallel: Param = quantity(0.0, "1", (0.0, 1.0), doc="start: parallel 1, antiparallel 0", source="off", free=False)

    def init(self, env: Environment) -> State:
        tilt = thermal_angle(self.delta(env))
        angle = tilt + (1 - self.parallel) * (jnp.pi - 2 * tilt)
        return Mtj.State(m_x=jnp.sin(angle), m_y=jnp.zeros_like(angle), m_z=jnp.cos(angle))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        return self.motion(x, self.current(x, v, env))

    def drift(self, x: State, v: Volts, env: Environment) -> State:
        twice = 2 * self.turning(env)
        return jax.tree.map(lambda r, m: r - twice * m, self.rate(x, v, env), x)

    def diffusion(self, x: State, v: Volts, env: Environment) -> State:
        del v
        size = jnp.sqrt(2 * self.turning(env))
        across = lambda a, b: size * jnp.sqrt(a * a + b * b + 1e-12)  # noqa: E731
        return Mtj.State(m_x=across(x.m_y, x.m_z), m_y=across(x.m_z, x.m_x), m_z=across(x.m_x, x.m_y))

    def kick(self, x: State, v: Volts, noise: State, env: Environment) -> State:
        """sqrt(2 D) m x noise."""
        del v
        size = jnp.sqrt(2 * self.turning(env))
        return Mtj.State(
            m_x=size * (x.m_y * noise.m_z - x.m_z * noise.m_y),
            m_y=size * (x.m_z * noise.m_x - x.m_x * noise.m_z),
            m_z=size * (x.m_x * noise.m_y - x.m_y * noise.m_x),
        )

    def time_step(self, env: Environment) -> Real:
        """Where explicit steps take a fortieth from the damping: a twentieth of alpha of the precession."""
        del env
        applied = constants.MU_0**2 * (self.h_x * self.h_x + self.h_z * self.h_z)
        field = jnp.sqrt(self.anisotropy_field() ** 2 + applied + self._floor() ** 2)
        return 0.05 * self.alpha / (self._gamma() * field)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        return v * junction_conductance(self.parallel_share(x), v, self.r_p, self.tmr(), self.v_h)

    def motion(self, x: State, i: Real) -> State:
        """dm/dt (1/s) under a current (A) at zero temperature."""
        spin, bk = self.spin_field(i), self.anisotropy_field()
        bx, bz = constants.MU_0 * self.h_x, constants.MU_0 * self.h_z
        # m x c + m x (m x d) with c = B - a b z, d = a B + b z.
        cx, cz = bx, bk * x.m_z + bz - self.alpha * spin
        dx, dz = self.alpha * bx, self.alpha * (bk * x.m_z + bz) + spin
        square, along = x.m_x * x.m_x + x.m_y * x.m_y + x.m_z * x.m_z, x.m_x * dx + x.m_z * dz
        strength = jnp.sqrt(bk * bk + 4 * (spin * spin + bx * bx + bz * bz) + self._floor() ** 2)
        back, g = 0.5 * (1 - square) * strength - along, self._gamma()
        return Mtj.State(
            m_x=g * (back * x.m_x + dx * square - x.m_y * cz),
            m_y=g * (back * x.m_y + x.m_x * cz - x.m_z * cx),
            m_z=g * (back * x.m_z + dz * square + x.m_y * cx),
        )

    def parallel_share(self, x: State) -> Real:
        """(1 + cos)/2 of the angle to z."""
        least = 1e-6
        length = jnp.sqrt((x.m_x * x.m_x + x.m_y * x.m_y + x.m_z * x.m_z + least) / (1 + least))
        return 0.5 * (1 + x.m_z / length)

    def tmr(self) -> Real:
        """2 P^2/(1 - P^2) (Julliere)."""
        return 2 * self.pol * self.pol / (1 - self.pol * self.pol)

    def anisotropy_field(self) -> Real:
        """B_k (T); negative if the plane is easy."""
        surface = 2 * self.k_i / self.ms / self.thickness
        return surface - (self.n_z - self.n_x) * constants.MU_0 * self.ms

    def spin_field(self, i: Real) -> Real:
        """b (T) of a current (A)."""
        per_area = constants.HBAR / (2 * constants.Q) * self.pol * i / (0.25 * jnp.pi) / self.diameter / self.diameter
        return per_area / self.thickness / self.ms

    def moment(self) -> Real:
        """M_s V (A m2)."""
        return 0.25 * jnp.pi * (self.ms * self.thickness) * self.diameter * self.diameter

    def delta(self, env: Environment) -> Real:
        """Barrier M_s V B_k/(2 k_B T)."""
        return 0.5 * self.moment() / constants.K_B * self.anisotropy_field() / env.temperature

    def turning(self, env: Environment) -> Real:
        """D (1/s), the diffusion on the sphere: <m> decays by 2 D without any field."""
        flow = self.alpha * self._gamma() * constants.K_B * env.temperature / (0.25 * jnp.pi)
        return flow / self.diameter / self.diameter / self.thickness / self.ms

    def damping_time(self) -> Real:
        """tau_D (s) in which a small angle falls by e."""
        return 1 / (self.alpha * self._gamma() * self.anisotropy_field())

    def critical_current(self) -> Real:
        """I_c0 (A), where the torque is as strong as the damping."""
        return 2 * constants.Q / constants.HBAR * self.alpha * self.anisotropy_field() * self.moment() / self.pol

    def axial(self, env: Environment) -> "AxialMtj":
        """The same junction without a transverse field, by its angle to z alone."""
        return AxialMtj(
            delta=self.delta(env) * env.temperature / 300.0,
            tau_d=self.damping_time(),
            i_c0=self.critical_current(),
            r_p=self.r_p,
            tmr=self.tmr(),
            v_h=self.v_h,
            parallel=self.parallel,
        )

    def _gamma(self) -> Real:
        return gyromagnetic_ratio() / (1 + self.alpha * self.alpha)

    def _floor(self) -> Real:
        """A field (T) below all others, so that none is the root of nothing."""
        return 1e-3 * self.k_i / self.ms / self.thickness


def axial_torque(z: Real, i: Real) -> Real:
    """tau_D dz/dt = (1 - z^2)(z + i) of m_z at zero temperature, i over I_c0; exact without a transverse field."""
    return (1 - z * z) * (z + i)


class AxialMtj(AbstractLangevin):
    """dz = [(1 - z^2)(z + i/I_c0) - z/Delta] dt/tau_D + sqrt((1 - z^2)/(Delta tau_D)) dW,  i = G(z, v) v.

    z is m_z of `Mtj` without a transverse field, exactly: its Fokker-Planck equation is that of Brown with
    D = 1/(2 Delta tau_D), and -z/Delta is what the diffusion on the sphere does to the mean of z (Ito). `rate` is the
    same without dW: it rests at the thermal angle instead of at the poles, and leaves it when the torque turns around.
    Delta goes as 1/T. A neuron that switches with a probability, for small Delta a stochastic bit.

    A. Sengupta et al., Sci. Rep. 6, 30039 (2016), 10.1038/srep30039; W. F. Brown, Phys. Rev. 130, 1677 (1963),
    10.1103/PhysRev.130.1677. Deviations: behind |z| = 1, where explicit steps may go, all but -z/Delta is zero.
    """

    class State(eqx.Module):
        m_z: Param = state_variable((-1.0, 1.0), doc="moment over its length, 1 is the parallel state")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P9 magnetic"
    doi: ClassVar[str] = "10.1103/PhysRev.130.1677"
    sweep: ClassVar[Sweep] = Sweep(0.6, -0.6, 1e-7)
    delta: Param = quantity(82.884, "1", (1.0, 200.0), scale="log", doc="barrier over k_B T at t_ref", source="of Mtj")
    tau_d: Param = quantity(1.949e-9, "s", (1e-11, 1e-7), scale="log", doc="damping time", source="of Mtj")
    i_c0: Param = quantity(3.3115e-5, "A", (1e-7, 1e-3), scale="log", doc="critical current", source="of Mtj")
    r_p: Param = quantity(3.5e3, "ohm", (1e2, 1e6), scale="log", doc="parallel resistance", source="NeuroSim STT-MRAM")
    tmr: Param = quantity(1.3162, "1", (0.1, 5.0), doc="R_AP/R_P - 1 at no voltage", source="of Mtj")
    v_h: Param = quantity(0.5, "V", (0.2, 1.0), doc="voltage that halves the TMR", source="a port of SPINLIB")
    t_ref: Param = quantity(300.0, "K", (290.0, 310.0), doc="where delta holds", source="convention", free=False)
    parallel: Param = quantity(0.0, "1", (0.0, 1.0), doc="start: parallel 1, antiparallel 0", source="off", free=False)

    def init(self, env: Environment) -> State:
        return AxialMtj.State(m_z=(2 * self.parallel - 1) * jnp.cos(thermal_angle(self.barrier(env))))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        torque = self._inside(x) * (x.m_z + self.current(x, v, env) / self.i_c0)
        return AxialMtj.State(m_z=(torque - x.m_z / self.barrier(env)) / self.tau_d)

    def diffusion(self, x: State, v: Volts, env: Environment) -> State:
        del v
        inside = self._inside(x)
        # The root of 1 - z^2, but with a slope at the poles.
        root = inside / jnp.sqrt(inside + 1e-8)
        return AxialMtj.State(m_z=root / jnp.sqrt(self.barrier(env) * self.tau_d))

    def time_step(self, env: Environment) -> Real:
        """tau_D/200, and steps of the noise below a twentieth."""
        return jnp.minimum(0.005, 0.0025 * self.barrier(env)) * self.tau_d

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        up = 0.5 * (1 + jnp.clip(x.m_z, -1.0, 1.0))
        return v * junction_conductance(up, v, self.r_p, self.tmr, self.v_h)

    def barrier(self, env: Environment) -> Real:
        """Delta at the ambient temperature."""
        return self.delta * self.t_ref / env.temperature

    def _inside(self, x: State) -> Real:
        return jnp.maximum(1 - x.m_z * x.m_z, 0.0)


def switching_probability(i: Real, delta: Real, time: Real) -> Real:
    """P_sw of a pulse of i = I/I_c0 > 1 for a `time` over tau_D: exp(-C Delta (i-1)/(i exp(2 time (i-1)) - 1)).

    C = 2^(1 + (i-1)/(i+1)) ((i-1)/i)^(2/(i+1)) joins the noise near the pole to the exact motion behind. Not for i
    close to one, where that noise acts on all the way. The pi^2/4 often written for C holds for small angles only.
    """
    over = i - 1
    left = jnp.exp(-2 * time * over)
    c = 2 * 2 ** (over / (i + 1)) * (over / i) ** (2 / (i + 1))
    return jnp.exp(-c * delta * over * left / (i - left))


def telegraph_rates(i: Real, delta: Real, tau0: Real, exponent: float = 2.0) -> tuple[Real, Real]:
    """Rates (1/s) out of the parallel and out of the antiparallel state: exp(-Delta (1 +- i)^exponent)/tau0.

    i is I/I_c0, positive towards the parallel state. Exponent 2 is that of a uniaxial barrier, many experiments with
    |i| << 1 are read with 1. Beyond |i| = 1 there is no barrier left.
    """
    left = lambda side: jnp.exp(-delta * jnp.maximum(side, 0.0) ** exponent) / tau0  # noqa: E731
    return left(1 + i), left(1 - i)


def parallel_probability(i: Real, delta: Real, exponent: float = 2.0) -> Real:
    """1/(1 + exp(-2 exponent Delta i)) of being parallel in the end, by `telegraph_rates` for exponents 1 and 2."""
    return jax.nn.sigmoid(2 * exponent * delta * i)


def reversal_rate(delta: Real) -> Real:
    """Brown's slowest rate over 1/tau_D at no current: 2 sqrt(Delta/pi) exp(-Delta), for Delta >> 1."""
    return 2 * jnp.sqrt(delta / jnp.pi) * jnp.exp(-delta)
