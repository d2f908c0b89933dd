"""What neurons have in common whose device sums up pulses until it fires; `solved.py` has those that solve an ODE.

    neuron = nj.neurons.PhaseChangeNeuron()
    quick = neuron.tabulated(2.3, 2.5)                 # the ODE of the cell once a node, then a table
    answer = quick.respond(jnp.full(200, 2.4), key=jax.random.split(jax.random.key(0), 1000))
    answer.fired, answer.intervals()

Time runs in slots, one input a slot; a slot without a pulse has the input zero.
"""

import abc
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from neurojax.errors import DataError
from neurojax.members import member_axes
from physics.quantity import parameters

Real = Float[Array, ""]


class Response(eqx.Module):
    """What a neuron, or each of many, answers to a sequence of inputs.

    Attributes:
        fired: in which slots it fires, (*members, slots).
        potential: read at the end of each slot, before the reset, over that of firing, (*members, slots).
        start: the potential before the first slot, (*members).
    """

    fired: Bool[Array, "*members slots"]
    potential: Float[Array, "*members slots"]
    start: Float[Array, "*members"]

    def intervals(self) -> np.ndarray:
        """Slots from one firing to the next, of all members one after the other."""
        fired = np.atleast_2d(np.asarray(self.fired))
        return np.concatenate([np.diff(np.flatnonzero(row)) for row in fired])

    def latency(self) -> Float[Array, "*members"]:
        """Slots until the first firing, with the part of the last by a straight line; inf if there is none.

        Differentiable, unlike a number of slots.
        """
        return _latency(self)


class AbstractAccumulator(eqx.Module):
    """A neuron whose device sums up pulses; the state is that at the end of a slot, any tree of numbers.

    Parameters with a leading axis make a population. Members are independent.
    """

    drive_unit: eqx.AbstractClassVar[str]
    """Unit of an input."""

    @abc.abstractmethod
    def renewed(self, key: Array) -> Any:
        """The state behind a reset, drawn from `key` where the device does not come back to the same."""

    @abc.abstractmethod
    def absorb(self, x: Any, drive: Real, key: Array) -> Any:
        """The state x a slot later, with a pulse of height `drive`; `key` for devices that switch by chance."""

    @abc.abstractmethod
    def potential(self, x: Any) -> Real:
        """How far the state x is, 1 where the neuron fires."""

    def respond(self, drives: Any, *, key: Array) -> Response:
        """What the neuron does with a sequence of inputs: absorb, fire at potential 1, be reset, go on.

        Args:
            drives: heights of the pulses in `drive_unit`, zero for none; (slots,), or (members, slots).
            key: a `jax.random.key`, or an array of keys for one neuron each (as in `simulate`). A population draws
                member k from (key, k).

        Raises:
            DataError: inputs of another shape or not finite, or sizes that contradict each other.
        """
        drives = jnp.asarray(drives, jnp.result_type(float))
        check_drives(drives)
        size = members_of(self, drives, key)
        if size is None:
            return answer(self, drives, key)
        return _answers(self, drives, keys_of(key, size), size)

    def _sizes(self) -> dict[str, int]:
        return {p.name: p.value.shape[0] for p in parameters(self).values() if p.value.ndim}

    def _axes(self) -> Any:
        return member_axes(self)


@jax.jit
def _latency(response: Response) -> Array:
    potential = jnp.concatenate([response.start[..., None], response.potential], axis=-1)
    k = jnp.argmax(response.fired, axis=-1)[..., None]
    before, behind = (jnp.take_along_axis(potential, k + j, axis=-1)[..., 0] for j in (0, 1))
    any_fired = jnp.any(response.fired, axis=-1)
    rise = jnp.where(any_fired, behind - before, jnp.ones_like(before))
    found = k[..., 0].astype(potential.dtype) + (1 - before) / rise
    return jnp.where(any_fired, found, jnp.full_like(found, jnp.inf))


def keys_of(key: Array, size: int) -> Array:
    """One key a member."""
    return key if key.ndim else jax.vmap(lambda k: jax.random.fold_in(key, k))(jnp.arange(size, dtype=jnp.uint32))


@jax.jit
def answer(neuron: AbstractAccumulator, drives: Array, key: Array) -> Response:
    """The response with the slots in front: of one neuron, or of all members of an `AbstractSolved` (a key each)."""

    def chances(number: Array) -> Array:
        two = lambda k: jax.random.split(jax.random.fold_in(k, number))  # noqa: E731
        return jnp.moveaxis(jax.vmap(two)(key), 1, 0) if key.ndim else two(key)

    def slot(x: Any, given: tuple[Array, Array]) -> tuple[Any, tuple[Array, Array]]:
        drive, number = given
        by_chance, anew = chances(number)
        x = neuron.absorb(x, drive, by_chance)
        potential = neuron.potential(x)
        fired = potential >= 1
        x = jax.tree.map(lambda a, b: jnp.where(fired, a, b), neuron.renewed(anew), x)
        return x, (fired, potential)

    numbers = jnp.arange(1, drives.shape[0] + 1, dtype=jnp.uint32)
    first = neuron.renewed(chances(jnp.zeros((), jnp.uint32))[1])
    fired, potential = lax.scan(slot, first, (drives, numbers))[1]
    return Response(fired, potential, neuron.potential(first))


@partial(jax.jit, static_argnames=("size",))
def _answers(neuron: AbstractAccumulator, drives: Array, keys: Array, size: int) -> Response:
    axes = (neuron._axes(), 0 if drives.ndim == 2 else None, 0)
    return jax.vmap(answer, in_axes=axes, axis_size=size)(neuron, drives, keys)


def check_drives(drives: Array) -> None:
    """Whether inputs have a usual shape and are finite."""
    if drives.ndim not in (1, 2) or drives.shape[-1] == 0:
        raise DataError(f"drives {drives.shape}: give (slots,) or (members, slots), at least one slot.")
    if not isinstance(drives, Tracer) and not np.isfinite(np.asarray(drives)).all():
        raise DataError("drives must be finite; use zero for a slot without a pulse.")


def members_of(neuron: AbstractAccumulator, drives: Array, key: Array) -> int | None:
    """Members, None for one neuron."""
    sizes = neuron._sizes()
    if key.ndim:
        sizes["key"] = key.shape[0]
    if drives.ndim == 2:
        sizes["drives"] = drives.shape[0]
    if len(set(sizes.values())) > 1:
        raise DataError(f"sizes of the population disagree: {sizes}.")
    return next(iter(sizes.values()), None)
