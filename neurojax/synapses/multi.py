"""Many memories as one synapse, of which a global counter picks the one that is programmed."""

from functools import partial
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurojax.synapses.bank import AbstractBank
from neurojax.synapses.differential import set_and_reset
from physics.device import AbstractDevice
from physics.phase_change import PhaseChangeCell


class MultiMemristive(AbstractBank):
    """w = sum of G_k, k = 1..N; each event goes to the memory at which the counter stands, which then moves on.

    Potentiation is a SET pulse. Depression is a RESET pulse, and as that takes all a memory has, only every
    `depress_every`-th is carried out. All memories are read, one is written: for N the step is a share 1/N of the
    range; how straight the sum is depends on the spread of the memories.

    I. Boybat et al., Nat. Commun. 9, 2514 (2018), 10.1038/s41467-018-04933-y.

    Attributes:
        device, shape, v_set, v_reset, v_read, t_ltp: as in `AbstractBank`. n: memories. depress_every: events of
            depression for one RESET. counter: where it stands at the start; it is shared by all synapses of an array.
    """

    n: int = eqx.field(static=True)
    depress_every: int = eqx.field(static=True)
    counter: int = eqx.field(static=True)

    @property
    def size(self) -> int:
        return self.n

    @property
    def signs(self) -> Float[Array, " n"]:
        return jnp.ones(self.n, self.v_set.dtype)

    @property
    def slots(self) -> int:
        return 1

    def begin(self) -> Any:
        """The counter of the selection, and that of depressions."""
        return jnp.asarray(self.counter % self.n), jnp.asarray(0)

    def choose(self, memory: Any, g: Array, up: Array, slot: Array) -> tuple[Any, Float[Array, " n"]]:
        """One pulse on the memory of the counter.

        Args:
            memory: both counters. g: conductances (S), (n,), not looked at. up: potentiation. slot: 0.
        """
        del slot
        at, downs = memory
        downs = jnp.where(up, downs, downs + 1)
        due = ~up & (downs % self.depress_every == 0)
        volts = jnp.where(up, self.v_set, jnp.where(due, self.v_reset, jnp.zeros_like(self.v_set)))
        here = jnp.arange(self.n) == at
        return ((at + 1) % self.n, downs), jnp.where(here, volts, jnp.zeros_like(g))


def multi_memristive(
    n: int,
    device: AbstractDevice | None = None,
    *,
    v_set: float = 1.0,
    v_reset: float = 1.47,
    depress_every: int = 1,
    counter: int = 0,
    t_ltp: float = 1e-2,
) -> MultiMemristive:
    """A synapse of `n` phase-change cells, amorphous to begin with: `MultiMemristive` with values that are chosen.

    Args:
        n: memories. device: of all, or with a leading axis (n,). v_set, v_reset: amplitudes (V). depress_every: events
            of depression for one RESET. counter: start. t_ltp: window of potentiation (s).
    """
    cell = PhaseChangeCell().replace(u_init=9e-9) if device is None else device
    number = partial(jnp.asarray, dtype=jnp.result_type(float))
    volts = (number(v_set), number(v_reset), number(0.1))
    return MultiMemristive(cell, set_and_reset(), *volts, number(t_ltp), n, depress_every, counter)
