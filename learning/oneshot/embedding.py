"""An embedding that has seen other classes: pictures to points, in which one example of a new class is enough.

    model = pretrained(Embedding(rngs=nnx.Rngs(0)), x_old, labels_old, key=key)
    features = embed(model, x_new)

Trained by episodes: a few classes, one example of each, questions about them answered by the nearest `prototypes`, the
gradient through all of it. Turned and mirrored pictures are classes of their own, so few classes become many.

J. Snell, K. Swersky and R. Zemel, NeurIPS (2017), arXiv 1703.05175; A. Santoro et al., ICML (2016), arXiv 1605.06065.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Integer

from learning.oneshot.prototypes import prototypes
from neurojax.errors import DataError
from neurojax.progress import after_a_while

Pixels = Float[Array, "n pixels"]


class Embedding(nnx.Module):
    """Two convolutions of 3 x 3, the mean of 2 x 2, square roots, length `scale`.

    There is no dense layer: of some ten shapes that were tried on the handwritten digits those with one fell below the
    pixels themselves. So what this one reaches there is a little better than it would be on other pictures.

    Attributes:
        side: of the square pictures, in pixels. scale: of a point; 1/scale^2 is the temperature of the scores.
    """

    def __init__(self, channels: int = 16, side: int = 8, *, rngs: nnx.Rngs):
        """New weights.

        Args:
            channels: of each convolution. side: of the pictures, even. rngs: of the weights.

        Raises:
            DataError: an odd side.
        """
        if side < 4 or side % 2:
            raise DataError(f"side = {side} pixels: an even number, as means of 2 x 2 are taken.")
        self.side = side
        self.first = nnx.Conv(1, channels, (3, 3), rngs=rngs, kernel_init=nnx.initializers.he_normal())
        self.second = nnx.Conv(channels, channels, (3, 3), rngs=rngs, kernel_init=nnx.initializers.he_normal())
        self.scale = nnx.Param(jnp.asarray(5.0, self.first.kernel[...].dtype))

    @property
    def features(self) -> int:
        """Numbers of a point."""
        return self.second.out_features * (self.side // 2) ** 2

    def __call__(self, x: Float[Array, "n pixels"]) -> Float[Array, "n features"]:
        """Points of pictures `x`, rows of numbers from 0 to 1."""
        h = x.reshape(-1, self.side, self.side, 1).astype(self.scale[...].dtype)
        h = nnx.relu(self.second(nnx.relu(self.first(h))))
        half = self.side // 2
        h = jnp.mean(h.reshape(-1, half, 2, half, 2, h.shape[-1]), axis=(2, 4))
        # The root evens out strong and weak strokes; its slope stays finite at zero.
        h = jnp.sqrt(h.reshape(h.shape[0], -1) + 1e-4)
        return self.scale[...] * h / jnp.linalg.norm(h, axis=1, keepdims=True)


def turned_and_mirrored(
    x: Pixels, labels: Integer[Array, " n"], classes: int
) -> tuple[Float[Array, "m pixels"], Integer[Array, " m"]]:
    """The eight pictures that turns by a quarter and mirrors make of each, every one a class of its own.

    Args:
        x: square pictures. labels: 0 to classes - 1. classes: how many.

    Raises:
        DataError: pictures that are not square.
    """
    side = round(x.shape[1] ** 0.5)
    if side * side != x.shape[1]:
        raise DataError(f"pictures of {x.shape[1]} pixels are not square.")
    square = x.reshape(-1, side, side)
    turned = [jnp.rot90(p, k, axes=(1, 2)) for p in (square, square[:, :, ::-1]) for k in range(4)]
    names = jnp.concatenate([labels + k * classes for k in range(8)])
    return jnp.concatenate(turned).reshape(-1, side * side), names


class _Plan(NamedTuple):
    ways: int
    queries: int
    shift: int
    noise: float


def pretrained(
    model: Any,
    x: Pixels,
    labels: Integer[Array, " n"],
    *,
    steps: int = 300,
    ways: int = 10,
    queries: int = 3,
    rate: float = 2e-3,
    augment: bool = True,
    shift: int = 1,
    noise: float = 0.05,
    progress: bool = True,
    key: Array,
) -> Any:
    """A copy of a model after episodes of classes that it may see.

    Args:
        model: an `nnx.Module` from pictures (n, pixels) to points (n, features). x: pictures. labels: of each.
        steps: episodes. ways: classes of an episode. queries: questions about each. rate: of Adam.
        augment: let turned and mirrored pictures be further classes. shift: pixels by which pictures are moved at
            most. noise: standard deviation of what is added to pixels. key: of episodes. progress: a bar.

    Raises:
        DataError: fewer classes than `ways`, or a class with too few pictures.
    """
    names, again = np.unique(np.asarray(labels), return_inverse=True)
    found = jnp.asarray(again, jnp.int32)
    x, found = turned_and_mirrored(x, found, len(names)) if augment else (x, found)
    members = _members(np.asarray(found), ways, 1 + queries)
    dtype = jax.tree.leaves(nnx.state(model, nnx.Param))[0].dtype
    graph, params, rest = nnx.split(nnx.clone(model), nnx.Param, ...)
    plan = _Plan(ways, queries, shift, noise)
    optimiser = optax.adam(rate)
    run = _training(graph, rest, optimiser, plan)
    memory = optimiser.init(params)
    with after_a_while("episodes", steps, enabled=progress) as update:
        for done, keys in _parts(jax.random.split(key, steps)):
            params, memory = run(params, memory, x.astype(dtype), members, keys)
            update(done)
    return nnx.merge(graph, params, rest)


def embed(model: Any, x: Pixels) -> Float[Array, "n features"]:
    """Points of pictures, in the precision of these.

    Args:
        model: an `nnx.Module`. x: pictures.
    """
    return nnx.jit(lambda m, x: m(x))(model, x).astype(x.dtype)


def _parts(keys: Array, size: int = 50) -> Any:
    """Keys of some steps at a time, and how many are done after them."""
    for k in range(0, keys.shape[0], size):
        yield min(k + size, keys.shape[0]), keys[k : k + size]


def _members(labels: np.ndarray, ways: int, least: int) -> Array:
    """Rows of each class, as many of each, (classes, rows)."""
    counts = np.bincount(labels)
    if len(counts) < ways or counts.min() < least:
        raise DataError(
            f"pretrained: {len(counts)} classes, the smallest with {counts.min()} pictures; episodes of {ways} classes "
            f"and {least} pictures need more. Fewer ways or queries?"
        )
    return jnp.asarray(np.stack([np.flatnonzero(labels == c)[: counts.min()] for c in range(len(counts))]))


def _training(graph: Any, rest: Any, optimiser: optax.GradientTransformation, plan: _Plan) -> Any:
    def loss(params: Any, pictures: Array) -> Array:
        model = nnx.merge(graph, params, jax.tree.map(lambda a: a, rest))
        points = model(pictures.reshape(-1, pictures.shape[-1])).reshape(plan.ways, 1 + plan.queries, -1)
        names = jnp.arange(plan.ways, dtype=jnp.int32)
        scores = prototypes(points[:, 0], names, plan.ways)(points[:, 1:])
        truth = jnp.broadcast_to(names[:, None], scores.shape[:2])
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(scores, truth))

    @jax.jit
    def run(params: Any, memory: Any, x: Array, members: Array, keys: Array) -> Any:
        def step(carry: Any, key: Array) -> tuple[Any, Array]:
            params, memory = carry
            value, grads = jax.value_and_grad(loss)(params, _episode(x, members, plan, key))
            updates, memory = optimiser.update(grads, memory, params)
            return (optax.apply_updates(params, updates), memory), value

        return jax.lax.scan(step, (params, memory), keys)[0]

    return run


def _episode(x: Array, members: Array, plan: _Plan, key: Array) -> Array:
    """Pictures, (ways, 1 + queries, pixels), moved a little and with noise."""
    one, two, three, four = jax.random.split(key, 4)
    rows = members[jax.random.permutation(one, members.shape[0])[: plan.ways]]
    scores = jax.random.uniform(two, rows.shape)
    chosen = jnp.take_along_axis(rows, jnp.argsort(scores, axis=1)[:, : 1 + plan.queries], axis=1)
    pictures = x[chosen]
    side = round(x.shape[1] ** 0.5)
    by = jax.random.randint(three, (pictures.shape[0] * pictures.shape[1], 2), -plan.shift, plan.shift + 1)
    moved = jax.vmap(lambda p, s: _moved(p, s, plan.shift))(pictures.reshape(-1, side, side), by)
    return moved.reshape(pictures.shape) + plan.noise * jax.random.normal(four, pictures.shape, x.dtype)


def _moved(picture: Array, by: Array, most: int) -> Array:
    """A picture moved by some pixels; what comes in is empty."""
    padded = jnp.pad(picture, most)
    return jax.lax.dynamic_slice(padded, (most - by[0], most - by[1]), picture.shape)
