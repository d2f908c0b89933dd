"""Neurons that fire by chance: escape noise, and trains of Poisson. All randomness comes from a key of `jax.random`."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurojax.neurons.neuron import AbstractIntegrateAndFire, AbstractNeuron, Seconds, settled
from neurojax.neurons.surrogate import step_with_slope
from physics.quantity import Param, quantity
from physics.smooth import limexp

Real = Float[Array, "..."]


class EscapeNeuron(AbstractNeuron):
    """A neuron whose threshold is soft: it fires with P = 1 - exp(-rho dt), rho = rho_0 exp((V - V_th)/delta).

    Membrane, threshold, reset and refractory time are those of `neuron`. Each step takes a key, and draws for all
    neurons of the state. The derivative of a spike is that of its P, for one step the exact one of its mean. W.
    Gerstner, W. M. Kistler, R. Naud and L. Paninski, Neuronal Dynamics (2014), 10.1017/CBO9781107447615, chapter 9.
    """

    neuron: AbstractIntegrateAndFire
    rho_0: Param = quantity(100.0, "1/s", (1e-3, 1e6), scale="log", doc="rho at the threshold", source="chosen")
    delta: Param = quantity(2e-3, "V", (1e-5, 0.1), scale="log", doc="softness of the threshold", source="chosen")

    def init(self, shape: tuple[int, ...] = ()) -> Any:
        """That of `neuron`."""
        return self.neuron.init(shape)

    def voltage(self, state: Any) -> Real:
        """That of `neuron`."""
        return self.neuron.voltage(state)

    def intensity(self, state: Any) -> Real:
        """rho (1/s), were the neuron not refractory."""
        return self.rho_0 * limexp(self.neuron.excess(state) / self.delta)

    def probability(self, state: Any, dt: Seconds) -> Real:
        """1 - exp(-rho dt), of a spike in dt (s)."""
        return -jnp.expm1(-self.intensity(state) * dt)

    def step(self, state: Any, current: Real, dt: Seconds, key: Any = None) -> tuple[Any, Real]:
        """State after dt (s) under a constant current, reset where a spike is drawn; and spikes.

        Raises:
            ValueError: no key.
        """
        if key is None:
            raise ValueError("an escape neuron draws its spikes: give key=jax.random.key(...), another one each step.")
        moved, ready = self.neuron.advance(state, current, dt)
        p = self.probability(moved, dt)
        spike = drawn(key, p)
        spike = jnp.where(ready, spike, jnp.zeros_like(spike))
        return settled(moved, self.neuron.reset(moved), spike, self.neuron.detach), spike


def drawn(key: Any, probability: Real) -> Real:
    """1 with a probability, else 0, of its type; the derivative is taken to be that of the probability.

    Args:
        key: of `jax.random`. probability: any shape, each element drawn by itself.
    """
    # One minus a uniform number lies in (0, 1]: zero never fires, and one always does.
    level = 1 - jax.random.uniform(key, probability.shape, probability.dtype)
    return step_with_slope(probability - level, jnp.ones_like(probability))


def poisson_spikes(key: Any, rate: Real, dt: float, steps: int) -> Real:
    """Spike trains of independent Poisson processes, P = 1 - exp(-rate dt) a step; shape (steps, *shape).

    Args:
        key: of `jax.random`. rate: 1/s, any shape. dt: s. steps: how many.
    """
    p = -jnp.expm1(-rate * dt)
    return drawn(key, jnp.broadcast_to(p, (steps, *rate.shape)))
