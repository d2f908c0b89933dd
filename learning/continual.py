"""Tasks learned one after another: what a network forgets, and elastic weight consolidation against it.

    tasks = permuted(handwritten_digits(0), 3, key=key)
    net = learn(perceptron(key=key), tasks, strength=30.0, key=key)
    accuracies(net, tasks)                          of all tasks, after the last one

Elastic weight consolidation holds each weight at what it was after an earlier task, the stiffer the more that task
depends on it. In a device the stiffness is a barrier against change.
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int

from learning.tasks import Pictures

Real = Float[Array, "..."]
CHUNK = 128
"""Pictures whose gradients are held at once for the Fisher information."""


class Perceptron(eqx.Module):
    """y = relu(x W_1 + b_1) W_2 + b_2, logits."""

    w1: Float[Array, "inputs hidden"]
    b1: Float[Array, " hidden"]
    w2: Float[Array, "hidden classes"]
    b2: Float[Array, " classes"]

    def __call__(self, x: Float[Array, "n inputs"]) -> Float[Array, "n classes"]:
        """Logits of pictures."""
        return jax.nn.relu(x @ self.w1 + self.b1[None]) @ self.w2 + self.b2[None]


def perceptron(inputs: int = 64, hidden: int = 64, classes: int = 10, *, dtype: Any = None, key: Array) -> Perceptron:
    """A network at random: normal weights of variance 2/(number of inputs of a layer), biases at zero.

    K. He et al., ICCV (2015), 10.1109/ICCV.2015.123.

    Args:
        inputs, hidden, classes: sizes. dtype: the usual one if None. key: of the draw.
    """
    dtype = jnp.result_type(float) if dtype is None else dtype
    first, second = jax.random.split(key)
    normal = lambda k, n, m: jax.random.normal(k, (n, m), dtype) * jnp.sqrt(jnp.asarray(2 / n, dtype))  # noqa: E731
    zeros = lambda n: jnp.zeros(n, dtype)  # noqa: E731
    return Perceptron(normal(first, inputs, hidden), zeros(hidden), normal(second, hidden, classes), zeros(classes))


def log_likelihood(net: Perceptron, x: Float[Array, "n inputs"], y: Int[Array, " n"]) -> Float[Array, " n"]:
    """ln p of the right class `y` of each picture `x`, by a `net`."""
    return jnp.take_along_axis(jax.nn.log_softmax(net(x)), y[:, None], axis=1)[:, 0]


def fisher(net: Perceptron, x: Float[Array, "n inputs"], y: Int[Array, " n"]) -> Perceptron:
    """F_i = <(d ln p(y|x)/d theta_i)^2> of a `net`, the mean over pictures with their own labels (the empirical one).

    Args:
        net: at the end of a task. x: its pictures. y: their classes.
    """

    def squares(picture: tuple[Array, Array]) -> Perceptron:
        slope = eqx.filter_grad(lambda n: log_likelihood(n, picture[0][None], picture[1][None])[0])(net)
        return jax.tree.map(lambda g: g**2, slope)

    return jax.tree.map(lambda f: jnp.mean(f, axis=0), lax.map(squares, (x, y), batch_size=CHUNK))


def elastic(weights: Any, anchors: Sequence[tuple[Any, Any]], strength: float | Float[Array, ""]) -> Float[Array, ""]:
    """strength/2 sum_i F_i (theta_i - theta*_i)^2, summed over earlier tasks.

    J. Kirkpatrick et al., PNAS 114, 3521 (2017), 10.1073/pnas.1611835114.

    Args:
        weights: a tree of arrays theta. anchors: (F, theta*) of each earlier task, trees of the same structure.
        strength: lambda.
    """
    parts = [
        jnp.sum(f * (w - held) ** 2)
        for stiffness, place in anchors
        for w, f, held in zip(*(jax.tree.leaves(t) for t in (weights, stiffness, place)), strict=True)
    ]
    total = jnp.sum(jnp.stack(parts))
    return 0.5 * jnp.asarray(strength, total.dtype) * total


@eqx.filter_jit
def learn(
    net: Perceptron,
    tasks: Sequence[Pictures],
    *,
    steps: int = 3000,
    batch: int = 32,
    rate: float | Float[Array, ""] = 0.1,
    strength: float | Float[Array, ""] = 0.0,
    alike: bool = False,
    key: Array,
) -> Perceptron:
    """Learn some tasks one after another by plain gradient descent on batches, held elastically.

    Args:
        net: at the start. tasks: in their order. steps: of each. batch: pictures a step, drawn with repetition.
        rate: of the descent. strength: lambda of `elastic`, 0 for none. alike: all weights as stiff as their mean,
            instead of each by its Fisher information. key: of the batches.
    """
    anchors: list[tuple[Perceptron, Perceptron]] = []
    for k, task in enumerate(tasks):
        net = _one_task(net, task, tuple(anchors), steps, batch, rate, strength, jax.random.fold_in(key, k))
        if k + 1 < len(tasks):
            stiffness = fisher(net, task.x, task.y)
            anchors.append((_mean(stiffness) if alike else stiffness, net))
    return net


def _mean(tree: Perceptron) -> Perceptron:
    """The mean of all numbers in the place of each."""
    flat, back = ravel_pytree(tree)
    return back(jnp.full_like(flat, jnp.mean(flat)))


def _one_task(net, task: Pictures, anchors, steps: int, batch: int, rate, strength, key: Array) -> Perceptron:
    def loss(now: Perceptron, chosen: Array) -> Array:
        wrong = -jnp.mean(log_likelihood(now, task.x[chosen], task.y[chosen]))
        return wrong + elastic(now, anchors, strength) if anchors else wrong

    def step(now: Perceptron, chosen: Array) -> tuple[Perceptron, None]:
        slope = eqx.filter_grad(loss)(now, chosen)
        return jax.tree.map(lambda w, g: w - jnp.asarray(rate, g.dtype) * g, now, slope), None

    return lax.scan(step, net, jax.random.randint(key, (steps, batch), 0, len(task.y)))[0]


def accuracies(net: Perceptron, tasks: Sequence[Pictures]) -> Float[Array, " tasks"]:
    """Parts of right answers of a `net` to the test pictures of each of `tasks`."""
    right = [jnp.mean((jnp.argmax(net(t.x_test), axis=1) == t.y_test).astype(t.x_test.dtype)) for t in tasks]
    return jnp.stack(right)
