"""Magnetic neurons: a junction that reverses by chance, and a domain wall that is pushed along its track."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurojax.neurons.accumulating import AbstractAccumulator
from neurojax.neurons.solved import AbstractSolved, slot_knots
from neurojax.simulate import simulate
from neurojax.waveform import Waveform
from physics.domain_wall import DomainWall
from physics.magnetic import telegraph_rates
from physics.quantity import Param, quantity

Real = Float[Array, "..."]
State = Float[Array, "*members"]


class StochasticMagneticNeuron(AbstractAccumulator):
    """A magnetic tunnel junction that a pulse of current reverses with a probability: p = 1 - exp(-t/tau).

        tau = tau0 exp(Delta (1 - I/I_c)^exponent)

    It fires where it has reversed, and is reset to the antiparallel state. Below I_c heat takes it over the barrier;
    beyond, where there is none left, tau = tau0. Nothing is left of a pulse that did not reverse it.

    A. Sengupta et al., Sci. Rep. 6, 30039 (2016), 10.1038/srep30039. The exponent 1 is that of most experiments; the
    barrier of a uniaxial moment (`AxialMtj`) falls with exponent 2, W. F. Brown, Phys. Rev. 130, 1677 (1963),
    10.1103/PhysRev.130.1677.
    """

    drive_unit: ClassVar[str] = "A"
    exponent: float = eqx.field(static=True, default=1.0)
    delta: Param = quantity(40.0, "1", (1.0, 200.0), scale="log", doc="Delta, barrier over k_B T", source="recalled")
    tau0: Param = quantity(1e-9, "s", (1e-11, 1e-7), scale="log", doc="time of an attempt", source="recalled")
    i_c: Param = quantity(3.3115e-5, "A", (1e-7, 1e-3), scale="log", doc="critical current", source="of Mtj")
    width: Param = quantity(1e-8, "s", (1e-10, 1e-3), scale="log", doc="t, width of an input", source="chosen")

    def renewed(self, key: Array) -> Real:
        """The antiparallel state, 0; no use of `key`."""
        del key
        return jnp.zeros_like(self.delta)

    def absorb(self, x: Real, drive: Real, key: Array) -> Real:
        """1 where x is 1 already, or where a pulse of `drive` (A) reverses it, drawn from `key`."""
        drawn = jax.random.uniform(key, dtype=self.delta.dtype)
        return jnp.where(drawn < self.probability(drive), jnp.ones_like(x), x)

    def potential(self, x: Real) -> Real:
        """x itself: 1 is the parallel state."""
        return x

    def probability(self, drive: Real) -> Real:
        """p of one pulse of `drive` (A): smooth below I_c, so that it can be trained."""
        rate = telegraph_rates(drive / self.i_c, self.delta, self.tau0, self.exponent)[1]
        return jnp.where(drive == 0, jnp.zeros_like(rate), -jnp.expm1(-self.width * rate))


def _free_wall() -> DomainWall:
    return DomainWall().replace(v_pin=0.0, alpha=0.3, h_z=-500.0)


class DomainWallNeuron(AbstractSolved):
    """The position q of a domain wall integrates the current beneath it; it fires where q/L passes q_fire.

    A field h_z < 0 drives the wall back in the pauses, with the velocity gamma mu_0 D_l h_z/alpha (below Walker's
    field): a leak that is the same at every position, until the wall rests at the beginning of the track. The equation
    is that of `DomainWall`; a slot is a trapezoid on the write line and a pause, a reset a pulse of v_reset.

    The state is q/L. The angle of the wall comes back to that of the leak within 1/(alpha gamma mu_0 (pi H_D/2 - H_k)),
    1 ns by default: `rest` must be some of it. Pinning sites (v_pin, none by default) hold the wall against the leak.

    N. Hassan et al., J. Appl. Phys. 124, 152127 (2018), 10.1063/1.5042452, where the leak is the field of a magnet
    beside the track; ours is uniform. All values are chosen.

    Attributes:
        rtol: tolerance of the ODE. wall: the device. Every other is a parameter with unit and sentence
            (`physics.quantity.parameters`).
    """

    drive_unit: ClassVar[str] = "V"
    rtol: float = eqx.field(static=True, default=1e-6)
    wall: DomainWall = eqx.field(default_factory=_free_wall)
    width: Param = quantity(1e-9, "s", (1e-10, 1e-6), scale="log", doc="flat top of an input", source="chosen")
    rest: Param = quantity(1e-8, "s", (1e-9, 1e-3), scale="log", doc="pause behind a pulse", source="chosen")
    edge: Param = quantity(5e-11, "s", (1e-12, 1e-9), scale="log", doc="each edge of a pulse", source="chosen")
    q_fire: Param = quantity(0.9, "1", (0.1, 1.0), doc="q/L of firing: under the junction", source="chosen")
    v_reset: Param = quantity(-0.3, "V", (-2.0, -0.01), doc="height of the reset", source="chosen")
    w_reset: Param = quantity(2e-8, "s", (1e-9, 1e-6), scale="log", doc="flat top of the reset", source="chosen")

    def absorb(self, x: State, drive: Real, key: Array) -> State:
        """q/L behind a slot that begins with x and has a pulse of `drive` (V); no use of `key`."""
        del key
        return _pushed(self, x, self._pulse(drive, self.width))

    def behind_reset(self, z: State) -> State:
        """q/L behind a reset, whatever z: where field and beginning of the track are in balance."""
        return _pushed(self, self.q_fire + jnp.zeros_like(z), self._pulse(self.v_reset, self.w_reset))

    def potential(self, x: State) -> State:
        """x/q_fire, 1 where the wall is under the junction."""
        return x / self.q_fire

    def span(self, resets: State) -> tuple[Real, Real]:
        """From a little behind the beginning of the track to q_fire; `resets` lie between."""
        return jnp.minimum(jnp.min(resets), 0.0) - 0.01, self.q_fire * jnp.ones_like(jnp.max(resets))

    def _pulse(self, height: Real, width: Real) -> Waveform:
        t = slot_knots(width, self.edge, self.rest)
        shape = jnp.asarray([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0]], t.dtype)
        return Waveform(t, height * shape)


@jax.jit
def _pushed(neuron: DomainWallNeuron, q: State, wave: Waveform) -> State:
    """q/L behind a waveform; the wall begins at the angle of the leak, to first order in it."""
    wall = neuron.wall
    slope = 0.5 * jnp.pi * wall.dmi_field() - wall.shape_field()
    sine = jnp.clip(wall.h_z / wall.alpha / jnp.where(slope > 0, slope, jnp.inf), -0.5, 0.5) + jnp.zeros_like(q)
    x0 = DomainWall.State(position=q, cos=jnp.sqrt(1 - sine * sine), sin=sine)
    exact: Any = dict(rtol=neuron.rtol, atol=0.01 * neuron.rtol, gradient="forward", progress=False)
    return simulate(wall, wave, ts=wave.t[-1:], x0=x0, **exact).x.position[..., -1]
