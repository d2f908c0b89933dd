"""Domain walls in a magnetic track: moved by a current beneath it, read through a tunnel junction. `DomainWall`."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics import constants
from physics.device import AbstractLangevin, Amps, Environment, Sweep, Volts
from physics.magnetic import gyromagnetic_ratio, junction_conductance
from physics.quantity import Param, quantity, state_variable
from physics.smooth import end_stops, stop

Real = Float[Array, "..."]
_HAYASHI = "public one-dimensional model, W/CoFeB/MgO"
_BEHIND = 0.2
"""Of the length, how far behind the ends of the track the guards are."""


class DomainWall(AbstractLangevin):
    """(1 + a^2) dq/dt = D_l (O_A + a O_B),  (1 + a^2) dphi/dt = O_B - a O_A,  i_write = J w t_hm,  i_read = G v_read.

        O_A = -(g/2) H_k sin 2phi + (pi/2) g H_D sin phi + u/D_l
        O_B = g (h_z - H_pin sin(2 pi q/pitch)) + (pi/2) g H_SH cos phi + beta u/D_l

    q is the position of the wall, phi the angle of its moment, 0 in a Neel wall; g = gamma mu_0, a is alpha. Its width
    is D_l = sqrt(a_ex/k_eff); H_k = shape t M_s/(pi D_l), H_D = dmi/(mu_0 M_s D_l), H_pin = pi q v_pin/(2 pitch mu_0
    M_s w t). H_SH = hbar theta_sh J/(2 q mu_0 M_s t) and u = mu_B pol J/(q M_s) with J = v_write/(rho L).
    The states are q/L and the unit vector of phi, as a wall above Walker's field turns for ever; a term along it keeps
    it one. G = G_AP + (G_P - G_AP) q/L. h_z < 0 makes a leaky neuron.

    One path (a key) feels a thermal field on both coordinates: 2 D dt is the variance of dq/D_l and of dphi, with
    D = a gamma k_B T/(2 (1 + a^2) M_s w t D_l), so that in equilibrium both obey Boltzmann.

    A. Thiaville et al., EPL 100, 57002 (2012), 10.1209/0295-5075/100/57002; S. Emori et al., Nat. Mater. 12, 611
    (2013), 10.1038/nmat3675. Deviations: beyond the ends a field of h_edge for each D_l drives the wall back,
    and guards end its motion a fifth of L behind them; one current density J for both torques; the wall itself adds
    nothing to G; the thermal field is derived, not that of a field along z alone.
    """

    class State(eqx.Module):
        position: Param = state_variable((-_BEHIND, 1 + _BEHIND), doc="q/L, position of the wall, 0 .. 1 on the track")
        cos: Param = state_variable((-1.5, 1.5), doc="cos phi, along the track")
        sin: Param = state_variable((-1.5, 1.5), doc="sin phi, across the track")

    terminals: ClassVar[tuple[str, ...]] = ("write", "read", "reference")
    family: ClassVar[str] = "P9 magnetic"
    doi: ClassVar[str] = "10.1038/nmat3675"
    sweep: ClassVar[Sweep] = Sweep((0.3, 0.1), (-0.3, -0.1), 4e-8)
    ms: Param = quantity(1.1e6, "A/m", (6e5, 1.3e6), doc="M_s, magnetisation", source=_HAYASHI)
    k_eff: Param = quantity(3.2e5, "J/m3", (1e5, 8e5), scale="log", doc="effective anisotropy", source=_HAYASHI)
    a_ex: Param = quantity(1.5e-11, "J/m", (1e-11, 2e-11), scale="log", doc="exchange stiffness", source=_HAYASHI)
    alpha: Param = quantity(0.05, "1", (0.01, 0.3), scale="log", doc="damping", source=_HAYASHI)
    dmi: Param = quantity(3e-4, "J/m2", (0.0, 1.5e-3), doc="D, interfacial exchange", source=_HAYASHI)
    theta_sh: Param = quantity(0.21, "1", (0.0, 0.4), doc="size of the spin Hall angle", source=_HAYASHI)
    pol: Param = quantity(
        0.0, "1", (-0.75, 0.75), doc="P, spin polarisation in the wall, signed as u", source="chosen: spin Hall alone"
    )
    beta: Param = quantity(0.0, "1", (0.0, 0.3), doc="non-adiabatic part of u", source="chosen")
    shape: Param = quantity(
        0.693147, "1", (0.0, 1.0), doc="H_k over t M_s/(pi D_l), ln 2 of a thin film", source=_HAYASHI
    )
    v_pin: Param = quantity(0.12483, "eV", (0.0, 0.6), doc="depth of the pinning sites", source=_HAYASHI)
    pitch: Param = quantity(21e-9, "m", (1e-8, 1e-7), scale="log", doc="from site to site", source=_HAYASHI)
    h_z: Param = quantity(0.0, "A/m", (-1e5, 1e5), doc="applied field along the easy axis", source="none", free=False)
    rho: Param = quantity(
        2e-6, "ohm m", (1e-7, 1e-5), scale="log", doc="resistivity of the heavy metal", source="chosen, W"
    )
    thickness: Param = quantity(1e-9, "m", (5e-10, 2e-9), scale="log", doc="t, film", source=_HAYASHI, free=False)
    t_hm: Param = quantity(3e-9, "m", (1e-9, 1e-8), scale="log", doc="heavy metal", source="chosen", free=False)
    width: Param = quantity(5e-8, "m", (2e-8, 1e-6), scale="log", doc="w, track", source="chosen", free=False)
    length: Param = quantity(5e-7, "m", (1e-7, 1e-5), scale="log", doc="L, track", source="chosen", free=False)
    r_p: Param = quantity(3.5e3, "ohm", (1e2, 1e6), scale="log", doc="resistance at q = L", source="NeuroSim STT-MRAM")
    tmr: Param = quantity(1.3162, "1", (0.1, 5.0), doc="R_AP/R_P - 1 at no voltage", source="as Mtj")
    v_h: Param = quantity(0.5, "V", (0.2, 1.0), doc="voltage that halves the TMR", source="a port of SPINLIB")
    h_edge: Param = quantity(
        1e5, "A/m", (3e4, 1e6), scale="log", doc="field that keeps the wall on the track", source="chosen", free=False
    )
    v_stop: Param = quantity(
        0.1, "m/s", (1e-2, 1.0), scale="log", doc="exchange of the guards at a reversal", source="chosen", free=False
    )
    q_init: Param = quantity(0.0, "1", (0.0, 1.0), doc="initial q/L", source="chosen", free=False)

    def init(self, env: Environment) -> State:
        start = self.q_init + jnp.zeros_like(env.temperature)
        return DomainWall.State(position=start, cos=jnp.ones_like(start), sin=jnp.zeros_like(start))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        wall = self.wall_width()
        along, turn = self.motion(x, v[0])
        per_wall = self.length / wall
        high, low = stop((x.position - 1 - _BEHIND) * per_wall), stop(-(x.position + _BEHIND) * per_wall)
        factor, calm = end_stops(along, high, low, self.v_stop), self._calm()
        pull = jnp.sqrt(turn * turn + calm * calm) * (1 - x.cos * x.cos - x.sin * x.sin)
        return DomainWall.State(
            position=along * factor / self.length,
            cos=pull * x.cos - turn * x.sin,
            sin=pull * x.sin + turn * x.cos,
        )

    def drift(self, x: State, v: Volts, env: Environment) -> State:
        moved, spread = self.rate(x, v, env), self.spreading(env)
        return DomainWall.State(moved.position, moved.cos - spread * x.cos, moved.sin - spread * x.sin)

    def diffusion(self, x: State, v: Volts, env: Environment) -> State:
        del v
        size = jnp.sqrt(2 * self.spreading(env))
        root = lambda a: size * jnp.sqrt(a * a + 1e-12)  # noqa: E731
        return DomainWall.State(size * self.wall_width() / self.length, root(x.sin), root(x.cos))

    def kick(self, x: State, v: Volts, noise: State, env: Environment) -> State:
        """Position and angle, each with a noise of its own."""
        del v
        size = jnp.sqrt(2 * self.spreading(env))
        turned = size * noise.sin
        return DomainWall.State(
            size * self.wall_width() / self.length * noise.position, -turned * x.sin, turned * x.cos
        )

    def time_step(self, env: Environment) -> Real:
        """A twentieth of alpha of the fastest precession, so that explicit steps take little from the damping."""
        del env
        curved = self.pinning_field() * 2 * jnp.pi * self.wall_width() / self.pitch
        fields = self.shape_field() + 0.5 * jnp.pi * self.dmi_field() + curved + self.h_edge + jnp.abs(self.h_z)
        return 0.05 * self.alpha / (self._gamma() * fields + self._calm())

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        write, up = v[0] / self.rho * (self.width / self.length) * self.t_hm, jnp.clip(x.position, 0.0, 1.0)
        return jnp.stack([write, v[1] * junction_conductance(up, v[1], self.r_p, self.tmr, self.v_h)])

    def motion(self, x: State, v_write: Real) -> tuple[Real, Real]:
        """dq/dt (m/s) without the stops and dphi/dt (rad/s)."""
        wall, density, g = self.wall_width(), v_write / self.rho / self.length, self._gamma()
        drag, per_wall = self.electron_velocity(density) / wall, self.length / wall
        across = (0.5 * jnp.pi * self.dmi_field() - self.shape_field() * x.cos) * g * x.sin + drag
        pinned = self.pinning_field() * jnp.sin(2 * jnp.pi * x.position * self.length / self.pitch)
        held = pinned + self.h_edge * (jnp.maximum(x.position - 1, 0.0) - jnp.maximum(-x.position, 0.0)) * per_wall
        along = g * (self.h_z - held + 0.5 * jnp.pi * self.hall_field(density) * x.cos) + self.beta * drag
        share = 1 / (1 + self.alpha * self.alpha)
        return wall * share * (across + self.alpha * along), share * (along - self.alpha * across)

    def angle(self, x: State) -> Real:
        """phi, angle of the wall (rad)."""
        return jnp.arctan2(x.sin, x.cos)

    def wall_width(self) -> Real:
        """D_l, width of the wall (m)."""
        return jnp.sqrt(self.a_ex / self.k_eff)

    def shape_field(self) -> Real:
        """H_k (A/m); Walker's field is alpha H_k/2."""
        return self.shape * self.ms * (self.thickness / self.wall_width()) / jnp.pi

    def dmi_field(self) -> Real:
        """H_D, field of the DMI (A/m)."""
        return self.dmi / (constants.MU_0 * self.ms) / self.wall_width()

    def hall_field(self, density: Real) -> Real:
        """H_SH (A/m) of a current density (A/m2)."""
        per_area = constants.HBAR / (2 * constants.Q) * self.theta_sh * density
        return per_area / (constants.MU_0 * self.ms) / self.thickness

    def electron_velocity(self, density: Real) -> Real:
        """u (m/s) of a current density (A/m2); mu_B/q = hbar/(2 m_e)."""
        return constants.HBAR / (2 * constants.M_E) * self.pol * density / self.ms

    def pinning_field(self) -> Real:
        """H_pin (A/m), which frees the wall."""
        depth = 0.5 * jnp.pi * constants.Q * self.v_pin
        return depth / self.pitch / self.width / self.thickness / (constants.MU_0 * self.ms)

    def spreading(self, env: Environment) -> Real:
        """D (1/s): (dq/D_l)^2 and dphi^2 grow by 2 D each."""
        flow = 0.5 * self.alpha * gyromagnetic_ratio() / (1 + self.alpha * self.alpha) * constants.K_B * env.temperature
        return flow / self.wall_width() / self.width / self.thickness / self.ms

    def _gamma(self) -> Real:
        return gyromagnetic_ratio() * constants.MU_0 + jnp.zeros_like(self.ms)

    def _calm(self) -> Real:
        """A rate (1/s) at which errors of the state are taken back: alpha times a precession in the film."""
        return self.alpha * self._gamma() * self.ms * (self.thickness / self.wall_width()) / jnp.pi
