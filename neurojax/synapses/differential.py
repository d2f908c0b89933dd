"""Two phase-change cells as one synapse: each only ever crystallises, one for more and one for less."""

from functools import partial
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurojax.synapses.bank import AbstractBank
from neurojax.waveform import Waveform, pulse
from physics.device import AbstractDevice
from physics.phase_change import PhaseChangeCell


def set_and_reset() -> Waveform:
    """A pulse of 1 V for 20 ns with edges of 2 ns, and 300 ns for heat and electrons to settle."""
    return pulse(1.0, 20e-9, rise=2e-9, rest=3e-7)


class DifferentialPair(AbstractBank):
    """w = G+ - G-: potentiation is a SET pulse on G+, depression a SET pulse on G-, which crystallises bit by bit.

    As RESET is abrupt and costs most, it is left to a refresh: once a conductance has passed `g_top`, both cells are
    melted, and the one that w calls for gets SET pulses until w is there again, to within a step; `refresh_pulses` at
    most.

    M. Suri et al., IEDM 2011, 4.4.1 (10.1109/IEDM.2011.6131488); O. Bichler et al., IEEE Trans. Electron Devices 59,
    2206 (2012), 10.1109/TED.2012.2197951.

    Attributes:
        device, shape, v_set, v_reset, v_read, t_ltp: as in `AbstractBank`. g_top: S. refresh_pulses: at most.
    """

    g_top: Array
    refresh_pulses: int = eqx.field(static=True)

    @property
    def size(self) -> int:
        return 2

    @property
    def signs(self) -> Float[Array, " n"]:
        return jnp.asarray([1.0, -1.0], self.v_set.dtype)

    @property
    def slots(self) -> int:
        return 2 + self.refresh_pulses

    def begin(self) -> Any:
        """Whether a refresh is going on, and the weight that it has to restore."""
        return jnp.asarray(False), jnp.zeros((), self.v_set.dtype)

    def choose(self, memory: Any, g: Array, up: Array, slot: Array) -> tuple[Any, Float[Array, " n"]]:
        """SET on one cell; then, where a cell is full, RESET on both and SET until the weight is there again.

        Args:
            memory: refreshing, and the weight (S). g: conductances (S), (2,). up: potentiation. slot: number.
        """
        going, target = memory
        w, none = g[0] - g[1], jnp.zeros_like(g)
        full = (slot == 1) & (jnp.max(g) > self.g_top)
        going = jnp.where(slot <= 1, full, going)
        target = jnp.where(slot == 1, w, target)
        by_event = jnp.where(up, jnp.asarray([1.0, 0.0], g.dtype), jnp.asarray([0.0, 1.0], g.dtype))
        by_weight = jnp.where(target > 0, jnp.asarray([1.0, 0.0], g.dtype), jnp.asarray([0.0, 1.0], g.dtype))
        short = going & (w * jnp.sign(target) < jnp.abs(target))
        later = jnp.where(short, self.v_set * by_weight, none)
        volts = jnp.where(slot == 1, jnp.where(full, self.v_reset + none, none), later)
        return (going, target), jnp.where(slot == 0, self.v_set * by_event, volts)


def differential_pair(
    device: AbstractDevice | None = None,
    *,
    v_set: float = 1.0,
    v_reset: float = 1.47,
    g_top: float = 1.5e-5,
    refresh_pulses: int = 12,
    t_ltp: float = 1e-2,
) -> DifferentialPair:
    """Two phase-change cells, both amorphous to begin with: `DifferentialPair` with values that are chosen.

    Args:
        device: of both cells, or with a leading axis (2,). v_set, v_reset: amplitudes (V). g_top: conductance (S) that
            calls for a refresh. refresh_pulses: of SET, at most. t_ltp: window of potentiation (s).
    """
    cell = PhaseChangeCell().replace(u_init=9e-9) if device is None else device
    number = partial(jnp.asarray, dtype=jnp.result_type(float))
    volts = (number(v_set), number(v_reset), number(0.1))
    return DifferentialPair(cell, set_and_reset(), *volts, number(t_ltp), number(g_top), refresh_pulses)
