"""Several memories that make one synapse, and a controller that says which of them gets the next pulse."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from neurojax.errors import SimulationError
from neurojax.members import member_axes
from neurojax.simulate import simulate
from neurojax.synapses.synapse import SynapseRecord
from neurojax.waveform import Waveform
from physics.device import AbstractDevice, Environment

SAMPLES = 24
"""Of a pulse, for its energy."""


def causal(pre_times: Any, post_times: Any, t_ltp: Any) -> Bool[Array, " post"]:
    """Whether a presynaptic spike lies within `t_ltp` (s) before each postsynaptic one, (post,).

    Args:
        pre_times: s, (pre,). post_times: s, (post,), in their order. t_ltp: window of potentiation (s).
    """
    since = post_times[:, None] - pre_times[None]
    return jnp.any((since >= 0) & (since <= t_ltp), axis=1)


class AbstractBank(eqx.Module):
    """Memories of one kind, programmed by whole pulses that a controller chooses; the weight is a sum of conductances.

    At each postsynaptic spike there is one event: potentiation if the presynaptic neuron has spiked within `t_ltp`
    before, else depression. What a pulse does is the physics of the device.

    Attributes:
        device: of two terminals; a leading axis (n,) of its parameters makes the memories different. shape: of a pulse
            of 1 V, with the rest after it. v_set, v_reset, v_read: V. t_ltp: s.
    """

    device: AbstractDevice
    shape: Waveform
    v_set: Array
    v_reset: Array
    v_read: Array
    t_ltp: Array

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """How many memories there are."""

    @property
    @abc.abstractmethod
    def signs(self) -> Float[Array, " n"]:
        """With which each conductance enters the weight."""

    @property
    @abc.abstractmethod
    def slots(self) -> int:
        """Pulses that one event can take."""

    @abc.abstractmethod
    def begin(self) -> Any:
        """Memory of the controller before the first event."""

    @abc.abstractmethod
    def choose(self, memory: Any, g: Array, up: Array, slot: Array) -> tuple[Any, Float[Array, " n"]]:
        """The memory after a slot of an event, and the amplitude (V) that each device gets in it.

        Args:
            memory: before. g: conductances (S), (n,). up: whether the event is a potentiation. slot: its number.
        """

    def respond(self, pre_times: Any, post_times: Any, *, throw: bool = True, **options: Any) -> SynapseRecord:
        """The weight after each postsynaptic spike, from the states at the start.

        Args:
            pre_times, post_times: s, in their order, shape (spikes,). throw: raise on failure. options: keywords of
                `simulate` for the pulses, such as rtol.

        Raises:
            SimulationError: the solver stopped early.
        """
        dtype = self.shape.t.dtype
        pre, post = jnp.asarray(pre_times, dtype), jnp.asarray(post_times, dtype)
        record = self.programme(causal(pre, post, self.t_ltp), **options)
        begin = jnp.minimum(jnp.min(jnp.concatenate([pre, post])), jnp.zeros((), dtype))[None]
        record = eqx.tree_at(lambda r: r.t, record, jnp.concatenate([begin, post]))
        if throw and not isinstance(record.code, Tracer) and int(record.code):
            raise SimulationError("bank of memories: the solver stopped in a pulse. Try more steps (max_steps=...).")
        return record

    def programme(self, ups: Any, **options: Any) -> SynapseRecord:
        """The weight after each of some events; `t` counts them.

        Args:
            ups: whether each event is a potentiation, (events,). options: keywords of `simulate` for the pulses.
        """
        ups = jnp.asarray(ups, bool)
        slots = jnp.arange(self.slots)
        asked = (jnp.repeat(ups, self.slots), jnp.tile(slots, ups.shape[0]))
        options = dict(gradient="forward", rtol=1e-6, atol=1e-9) | options
        weight, energy, code = _programmed(self, asked, options)
        every = slice(None, None, self.slots)
        counted = jnp.arange(ups.shape[0] + 1, dtype=weight.dtype)
        return SynapseRecord(counted, weight[every], energy[every], code)

    def start(self) -> Any:
        """States of the memories at the start, with a leading axis (n,)."""
        x = jax.vmap(lambda d: d.init(Environment()), in_axes=(member_axes(self.device),), axis_size=self.size)
        return x(self.device)

    def conductances(self, x: Any) -> Float[Array, " n"]:
        """Read at `v_read` (S), of states `x` with a leading axis."""
        read = lambda d, x: d.current(x, self.v_read, Environment()) / self.v_read  # noqa: E731
        return jax.vmap(read, in_axes=(member_axes(self.device), 0))(self.device, x)


@eqx.filter_jit
def _programmed(bank: AbstractBank, asked: Any, options: Any) -> tuple[Array, Array, Array]:
    """Weight and energy before the first slot and after each, and the worst result code."""
    ts = bank.shape.sample_times(SAMPLES) if not isinstance(bank.shape.t, Tracer) else _samples(bank.shape.t)

    def pulse(device: AbstractDevice, x: Any, volts: Array) -> tuple[Any, Array, Array]:
        wave = Waveform(bank.shape.t, volts * bank.shape.v)
        record = simulate(device, wave, ts=ts, x0=x, throw=False, progress=False, **options)
        return jax.tree.map(lambda a: a[-1], record.x), record.energy[-1], record.code

    def step(carry: Any, slot: Any) -> Any:
        x, memory, spent, worst = carry
        memory, volts = bank.choose(memory, bank.conductances(x), *slot)
        x, energy, code = jax.vmap(pulse, in_axes=(member_axes(bank.device), 0, 0))(bank.device, x, volts)
        spent, worst = spent + jnp.sum(energy), jnp.maximum(worst, jnp.max(code).astype(worst.dtype))
        return (x, memory, spent, worst), (jnp.sum(bank.signs * bank.conductances(x)), spent)

    x, zero = bank.start(), jnp.zeros((), bank.v_set.dtype)
    carry = (x, bank.begin(), zero, jnp.zeros((), jnp.int32))
    (*_, worst), (weight, energy) = lax.scan(step, carry, asked)
    first = jnp.sum(bank.signs * bank.conductances(x))[None]
    return jnp.concatenate([first, weight]), jnp.concatenate([zero[None], energy]), worst


def _samples(t: Array) -> Array:
    """Four a piece of knots that are apart."""
    part = jnp.asarray(np.arange(4) / 4, t.dtype)
    return jnp.concatenate([(t[:-1, None] + part[None] * jnp.diff(t)[:, None]).ravel(), t[-1:]])
