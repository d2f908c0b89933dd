"""The one interface of abstract neurons, and their run over a sampled current.

    state, spike = neuron.step(state, current, dt)

A neuron is the module of its parameters; a population is one with a leading axis. `step` takes states and currents of
any shape, and stands in `jax.lax.scan`, `jax.vmap` and `jax.jit` as it is. Spikes are exactly 0 or 1; their derivative
is that of the `surrogate`. Spike times without steps are in `events.py`.
"""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from neurojax.neurons.surrogate import AbstractSurrogate

Real = Float[Array, "..."]
Seconds = Float[Array, ""] | float
SCHEMES = ("euler", "rk4")


class AbstractNeuron(eqx.Module):
    """A state, and what a step in time under a current does to it. The fields are the parameters (SI)."""

    @abc.abstractmethod
    def init(self, shape: tuple[int, ...] = ()) -> Any:
        """The state before any current, of neurons of this shape (and that of the parameters)."""

    @abc.abstractmethod
    def step(self, state: Any, current: Real, dt: Seconds, key: Any = None) -> tuple[Any, Real]:
        """State after dt (s) under a constant current, and spikes, 0 or 1. `key` is for neurons that draw."""

    @abc.abstractmethod
    def voltage(self, state: Any) -> Real:
        """What is plotted: the membrane potential (V), or what stands for it."""


class AbstractFlow(AbstractNeuron):
    """dy/dt = rate(y, I); a spike is where `excess` rises through zero."""

    surrogate: eqx.AbstractVar[AbstractSurrogate]

    @abc.abstractmethod
    def rate(self, state: Any, current: Real) -> Any:
        """Time derivative of the state (its units per second) between spikes."""

    @abc.abstractmethod
    def excess(self, state: Any) -> Real:
        """How far above the threshold, in the unit of `span`."""

    @abc.abstractmethod
    def span(self) -> Real:
        """The unit of length of the surrogate."""

    def margin(self, state: Any) -> Real:
        """excess/span, the argument of the surrogate."""
        return self.excess(state) / self.span()


class AbstractIntegrateAndFire(AbstractFlow):
    """A flow that is cut short by a reset at each spike.

    The reset is y <- s y_reset + (1 - s) y. With `detach` no gradient passes through this s (Zenke and Vogels, Neural
    Comput. 33, 899 (2021), 10.1162/neco_a_01367, find that better for training); the step as such has its surrogate.
    """

    detach: eqx.AbstractVar[bool]

    @abc.abstractmethod
    def advance(self, state: Any, current: Real, dt: Seconds) -> tuple[Any, Bool[Array, "..."]]:
        """The state after dt (s) without a spike, and whether the neuron could fire, i.e. is not refractory."""

    @abc.abstractmethod
    def reset(self, state: Any) -> Any:
        """The state just after a spike; a refractory time begins."""

    @abc.abstractmethod
    def rest(self, state: Any) -> tuple[Any, Real]:
        """The state at the end of the refractory time that follows a spike, and that time (s)."""

    def step(self, state: Any, current: Real, dt: Seconds, key: Any = None) -> tuple[Any, Real]:
        """State after dt (s) under a constant current, reset where it fires at the end of the step; and spikes."""
        del key
        moved, ready = self.advance(state, current, dt)
        spike = self.surrogate(self.margin(moved))
        spike = jnp.where(ready, spike, jnp.zeros_like(spike))
        return settled(moved, self.reset(moved), spike, self.detach), spike


class AbstractExcitable(AbstractFlow):
    """A flow whose spikes need no reset: the level is crossed upwards, and the trajectory returns by itself.

    Steps are of the fourth order (Runge and Kutta) or explicit Euler; the spike of a step has the surrogate of its end.
    """

    scheme: eqx.AbstractVar[str]

    def step(self, state: Any, current: Real, dt: Seconds, key: Any = None) -> tuple[Any, Real]:
        """State after dt (s) under a constant current; a spike where the level was crossed upwards in this step."""
        del key
        moved = integrated(self.rate, state, current, dt, self.scheme)
        below = jax.lax.stop_gradient(1 - self.surrogate(self.margin(state)))
        return moved, self.surrogate(self.margin(moved)) * below


def settled(moved: Any, after: Any, spike: Real, detach: bool) -> Any:
    """`after` where there is a spike, `moved` elsewhere, without a rounding of either.

    Args:
        moved, after: states. spike: 0 or 1. detach: whether the gradient of the spike stops here.
    """
    s = jax.lax.stop_gradient(spike) if detach else spike
    return jax.tree.map(lambda a, b: (1 - s) * a + s * b, moved, after)


def along(state: Any, slope: Any, dt: Any) -> Any:
    """state + dt slope, leaf by leaf.

    Args:
        state: where from. slope: per second. dt: s.
    """
    return jax.tree.map(lambda a, b: a + dt * b, state, slope)


def runge_kutta(slope: Callable[[Any], Any], state: Any, dt: Any) -> Any:
    """One classical step of the fourth order.

    Args:
        slope: time derivative of a state. state: where from. dt: s.
    """
    k1 = slope(state)
    k2 = slope(along(state, k1, dt / 2))
    k3 = slope(along(state, k2, dt / 2))
    k4 = slope(along(state, k3, dt))
    mean = jax.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, k1, k2, k3, k4)
    return along(state, mean, dt)


def integrated(rate: Callable[[Any, Real], Any], state: Any, current: Real, dt: Seconds, scheme: str) -> Any:
    """The state after dt under a constant current.

    Args:
        rate: of a neuron. state, current: as it takes them. dt: s. scheme: "euler" (all variables at once) or "rk4".
    """
    if scheme == "euler":
        return along(state, rate(state, current), dt)
    return runge_kutta(lambda y: rate(y, current), state, dt)


def known_scheme(scheme: str) -> str:
    """`scheme`, if there is such a one.

    Args:
        scheme: "euler" or "rk4".

    Raises:
        ValueError: another name.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"scheme {scheme!r} is not known; there are {' and '.join(SCHEMES)}.")
    return scheme


def filled(value: Real, shape: tuple[int, ...]) -> Real:
    """`value` of every neuron.

    Args:
        value: a scalar, or an array of the population. shape: of the neurons.
    """
    return jnp.broadcast_to(value, jnp.broadcast_shapes(value.shape, shape))


class SpikeRecord(NamedTuple):
    """What a neuron did under a sampled current; the first axis is time."""

    v: Real
    """At the end of each step, after a reset (V, or as `voltage` says)."""
    spikes: Real
    """0 or 1."""
    state: Any
    """The last one, from which a next run continues."""


@eqx.filter_jit
def run(neuron: AbstractNeuron, current: Real, dt: Seconds, state: Any = None, key: Any = None) -> SpikeRecord:
    """Voltages and spikes under a sampled current, step by step.

    Args:
        neuron: one, or a population with the shape of a sample. current: in its unit, shape (steps, *shape), each held
            for a step. dt: s. state: the first one, default `neuron.init(shape)`.
        key: of `jax.random`, needed by neurons that draw, one subkey a step.
    """
    first = neuron.init(current.shape[1:]) if state is None else state
    keys = None if key is None else jax.random.split(key, current.shape[0])

    def body(state, given):
        after, spike = neuron.step(state, given[0], dt, given[1])
        return after, (neuron.voltage(after), spike)

    last, (v, spikes) = jax.lax.scan(body, first, (current, keys))
    return SpikeRecord(v, spikes, last)
