"""Digits with permuted pixels, one task after another, where each weight of the network is a chain of states.

    problem = InTurn(steps=200, batch=10)
    error = problem(plastic(Chain.of((1.0, 20.0), (0.01, 1e-3))), key)       differentiable, through all the training
    problem.told(problem.trained(design, key), key)                          accuracies of the three tasks

Plain descent kicks the first state of a chain, the chain relaxes exactly (`Chain.propagator`) between two steps, and
the weight is that first state. Beside the chain a weight may harden: a further state counts the squares of its
gradients, and a hard weight moves less.
"""

import dataclasses
import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from learning.continual import Perceptron, accuracies, learn, log_likelihood, perceptron
from learning.experiments.x4_chain import Chain
from learning.tasks import Pictures, handwritten_digits, permuted
from physics.quantity import quantity

LEARNED = 1000
"""Pictures of the training part that are learned; the rest judges a design while it is searched for."""
LAYERS = (0, 0, 1, 1)
"""Which chain each array of weights has, in the order of the fields of `Perceptron`."""


class Plastic(eqx.Module):
    """How weights are held: w = w_0 + u_1,  u_1 -> u_1 - rate g/(1 + hardness sum g^2),  then u -> exp(A) u.

    g is the gradient of a batch, the sum is over all batches so far; A is the chain's. Hardening is that of EWC without
    knowing where a task ends, in the spirit of metaplastic devices (A. Laborieux et al., Nat. Commun. 12, 2549 (2021),
    10.1038/s41467-021-22768-y); its form is chosen.

    Attributes:
        chains: of the two layers, (2, m). rate, hardness: of the two layers.
    """

    chains: Chain
    rate: Float[Array, " 2"] = quantity(0.1, "1", (1e-3, 30.0), scale="log", doc="of the descent", source="chosen")
    hardness: Float[Array, " 2"] = quantity(
        1.0, "1", (1e-3, 1e4), scale="log", doc="stiffness gained by a squared gradient", source="chosen"
    )


def plastic(chain: Chain, rate: float = 0.1, hardness: float = 0.0) -> Plastic:
    """The same in both layers.

    Args:
        chain: of each weight. rate: of the descent. hardness: of the weights, 0 for none.
    """
    both = lambda a: jnp.stack([a, a])  # noqa: E731
    number = lambda v: both(jnp.asarray(v, chain.c.dtype))  # noqa: E731
    return Plastic(jax.tree.map(both, chain), number(rate), number(hardness))


def pictures(unseen: bool) -> Pictures:
    """What is learned, and what judges it: other pictures of the training part, or the test part (`unseen`)."""
    return Pictures(*(jnp.asarray(a) for a in _pictures(unseen)))


@functools.cache
def _pictures(unseen: bool) -> tuple[np.ndarray, ...]:
    """As numbers, also where the caller is traced."""
    with jax.ensure_compile_time_eval():
        found = tuple(np.asarray(a) for a in handwritten_digits(0))
    x, y, x_test, y_test = (a.astype(np.float32) if a.ndim == 2 else a for a in found)
    judged = (x_test, y_test) if unseen else (x[LEARNED:], y[LEARNED:])
    return x[:LEARNED], y[:LEARNED], *judged


@dataclasses.dataclass(frozen=True)
class InTurn:
    """Three permutations of the digits learned in turn by a 64-64-10 network.

    The gradient through the training is that of the path that was taken: where a hidden unit turns on or off, a step
    of descent jumps, which no derivative sees.

    Attributes:
        steps: of each task. batch: pictures a step. tasks: how many. unseen: whether it is judged by the test part.
        precision: of weights and pictures, "float32" or, where x64 is on, "float64".
    """

    steps: int = 200
    batch: int = 10
    tasks: int = 3
    unseen: bool = False
    precision: str = "float32"

    def __call__(self, tree: Plastic, key: Array) -> Float[Array, ""]:
        """1 - <p of the right class> over all tasks after the last one: the errors of guesses drawn from p.

        Args:
            tree: how weights are held. key: of the permutations, the first weights and the batches.
        """
        return self.guessed(self.trained(tree, key), key)

    def error(self, tree: Plastic, key: Array) -> Float[Array, ""]:
        """The part of wrong answers, mean of the tasks; arguments as of a call."""
        return 1 - jnp.mean(self.told(self.trained(tree, key), key))

    def guessed(self, net: Perceptron, key: Array) -> Float[Array, ""]:
        """1 - <p of the right class> of a network that is trained."""
        found = [jnp.mean(jnp.exp(log_likelihood(net, t.x_test, t.y_test))) for t in self.given(key)]
        return 1 - jnp.mean(jnp.stack(found)).astype(jnp.result_type(float))

    def told(self, net: Perceptron, key: Array) -> Float[Array, " tasks"]:
        """Accuracies of a network that is trained, task by task."""
        return accuracies(net, self.given(key)).astype(jnp.result_type(float))

    def given(self, key: Array) -> tuple[Pictures, ...]:
        """The tasks of a `key`."""
        found = pictures(self.unseen)
        found = found._replace(x=found.x.astype(self.precision), x_test=found.x_test.astype(self.precision))
        return permuted(found, self.tasks, key=jax.random.fold_in(key, 0))

    def fresh(self, key: Array) -> Perceptron:
        """The first weights of a `key`."""
        return perceptron(dtype=self.precision, key=jax.random.fold_in(key, 1))

    def elastic(self, strength: Array, rate: Array, key: Array, *, alike: bool = False) -> Perceptron:
        """Plain descent with elastic weight consolidation on the same tasks, weights and batches.

        Args:
            strength: lambda, 0 for none. rate: of the descent. key: as of a call.
            alike: one stiffness for all weights instead of the Fisher information.
        """
        how: dict[str, Any] = dict(steps=self.steps, batch=self.batch, alike=alike, key=jax.random.fold_in(key, 2))
        return learn(self.fresh(key), self.given(key), rate=rate, strength=strength, **how)

    def trained(self, tree: Plastic, key: Array) -> Perceptron:
        """The network after all tasks, its weights held as by `tree`."""
        first, flow = self.fresh(key), jax.vmap(lambda c: c.propagator(1.0))(tree.chains)
        m, batches = flow.shape[-1], jax.random.fold_in(key, 2)
        held = jax.tree.map(lambda w: jnp.zeros((m, *w.shape), w.dtype), first)
        hard = jax.tree.map(jnp.zeros_like, first)
        for k, task in enumerate(self.given(key)):
            chosen = jax.random.randint(jax.random.fold_in(batches, k), (self.steps, self.batch), 0, len(task.y))
            held, hard = _one_task(tree, flow, first, task, held, hard, chosen)
        return _weights(first, held)


def _weights(first: Perceptron, held: Any) -> Perceptron:
    return jax.tree.map(lambda w, u: w + u[0], first, held)


@jax.checkpoint
def _one_task(tree: Plastic, flow, first: Perceptron, task: Pictures, held, hard, chosen) -> tuple[Any, Any]:
    """States and hardness after a task; what the backward pass needs is computed again, task by task."""

    def step(state: tuple[Any, Any], batch: Array) -> tuple[tuple[Any, Any], None]:
        held, hard = state
        loss = lambda net: -jnp.mean(log_likelihood(net, task.x[batch], task.y[batch]))  # noqa: E731
        slope = jax.grad(loss)(_weights(first, held))
        hard = jax.tree.map(lambda s, g: s + g**2, hard, slope)

        def moved(u: Array, g: Array, s: Array, layer: int) -> Array:
            rate, hardness = (a[layer].astype(u.dtype) for a in (tree.rate, tree.hardness))
            return _relaxed(flow[layer].astype(u.dtype), u.at[0].add(-rate * g / (1 + hardness * s)))

        layers = jax.tree.unflatten(jax.tree.structure(first), LAYERS)
        return (jax.tree.map(moved, held, slope, hard, layers), hard), None

    return lax.scan(step, (held, hard), chosen)[0]


def _relaxed(flow: Float[Array, "m m"], u: Float[Array, "m ..."]) -> Float[Array, "m ..."]:
    """exp(A) u of each weight, written out: for a few states that is quicker than a product of matrices."""
    m = flow.shape[0]
    return jnp.stack([sum((flow[i, j] * u[j] for j in range(1, m)), start=flow[i, 0] * u[0]) for i in range(m)])
