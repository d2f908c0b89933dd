"""Handwritten digits on crossbars: what software reaches, what hardware takes, what training through it gives back.

    rows = nj.layers.digits_table("mlp", seeds=5)
    print(nj.layers.table_text(rows))

8 x 8 pixels of scikit-learn, three quarters for training, seed 0; a perceptron with one hidden layer or a network with
one convolution. Each seed has its own first weights, order of pictures and chip.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array

from neurojax.crossbar import Wires
from neurojax.errors import DataError
from neurojax.layers.convert import run_on, to_crossbar, within_window, written
from neurojax.layers.hardware import Hardware
from neurojax.layers.modifiers import Modifier, additive_noise


class Split(NamedTuple):
    """Pictures (n, 8, 8, 1) between 0 and 1 and their digits (n,), for training and for the test."""

    x: Array
    y: Array
    x_test: Array
    y_test: Array


def digits(seed: int = 0) -> Split:
    """The pictures, three quarters of them for training.

    Args:
        seed: of the split.

    Raises:
        DataError: scikit-learn is missing.
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise DataError("digits: they come with scikit-learn, which is not installed.") from error
    found: Any = load_digits()
    x, y = (found.images[..., None] / 16).astype(np.float32), found.target.astype(np.int32)
    parts = train_test_split(x, y, test_size=0.25, random_state=seed)
    x, x_test, y, y_test = (jnp.asarray(a) for a in parts)
    return Split(x, y, x_test, y_test)


class Perceptron(nnx.Module):
    """64 inputs, hidden units that rectify, 10 outputs."""

    def __init__(self, hidden: int = 32, *, rngs: nnx.Rngs):
        """New weights.

        Args:
            hidden: units. rngs: of the weights.
        """
        self.hidden = nnx.Linear(64, hidden, rngs=rngs)
        self.out = nnx.Linear(hidden, 10, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Logits of pictures `x`."""
        return self.out(jnp.minimum(nnx.relu(self.hidden(x.reshape(x.shape[0], -1))), 4.0) / 4.0) * 4.0


class Convolutional(nnx.Module):
    """A convolution of 3 x 3, the mean of 2 x 2, 10 outputs."""

    def __init__(self, channels: int = 8, *, rngs: nnx.Rngs):
        """New weights.

        Args:
            channels: of the convolution. rngs: of the weights.
        """
        self.conv = nnx.Conv(1, channels, (3, 3), rngs=rngs)
        self.out = nnx.Linear(16 * channels, 10, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Logits of pictures `x`."""
        h = nnx.avg_pool(jnp.minimum(nnx.relu(self.conv(x)), 2.0) / 2.0, (2, 2), (2, 2))
        return self.out(h.reshape(x.shape[0], -1)) * 4.0


MODELS: dict[str, Callable[..., Any]] = {"mlp": Perceptron, "cnn": Convolutional}


def trained(model: Any, data: Split, *, epochs: int, rate: float, batch: int = 64, seed: int = 0) -> Any:
    """A copy of a model after Adam on the cross-entropy; cells stay within their window.

    Args:
        model: an `nnx.Module`. data: pictures. epochs: over all of them. rate: of learning, falling to zero.
        batch: pictures of a step. seed: of their order.
    """
    graph, params, rest = nnx.split(nnx.clone(model), nnx.Param, ...)
    cells = bool(jax.tree.leaves(params)) and any("cells" in map(str, path) for path, _ in nnx.to_flat_state(params))
    steps = data.x.shape[0] // batch
    links = [optax.adam(optax.cosine_decay_schedule(rate, epochs * steps))] + ([within_window()] if cells else [])
    optimiser = optax.chain(*links)
    params, rest = _epochs(graph, optimiser)(params, rest, data.x, data.y, orders(data, epochs, steps, batch, seed))
    return nnx.merge(graph, params, rest)


def orders(data: Split, epochs: int, steps: int, batch: int, seed: int) -> Array:
    """Indices of pictures, (steps of all epochs, batch).

    Args:
        data: pictures. epochs, steps, batch: how many. seed: of the order.
    """
    rng = np.random.default_rng(seed)
    each = [rng.permutation(data.x.shape[0])[: steps * batch].reshape(steps, batch) for _ in range(epochs)]
    return jnp.asarray(np.concatenate(each), jnp.int32)


def _epochs(graph: Any, optimiser: optax.GradientTransformation) -> Callable[..., Any]:
    def loss(params: Any, rest: Any, x: Array, y: Array) -> tuple[Array, Any]:
        # New variables: those from outside must not change in here.
        model = nnx.merge(graph, params, jax.tree.map(lambda a: a, rest))
        value = jnp.mean(optax.softmax_cross_entropy_with_integer_labels(model(x), y))
        return value, nnx.split(model, nnx.Param, ...)[2]

    @jax.jit
    def run(params: Any, rest: Any, x: Array, y: Array, order: Array) -> Any:
        def step(carry: Any, batch: Array) -> tuple[Any, Array]:
            params, rest, memory = carry
            (value, rest), grads = jax.value_and_grad(loss, has_aux=True)(params, rest, x[batch], y[batch])
            updates, memory = optimiser.update(grads, memory, params)
            return (optax.apply_updates(params, updates), rest, memory), value

        (params, rest, _), _ = jax.lax.scan(step, (params, rest, optimiser.init(params)), order)
        return params, rest

    return run


def accuracy(model: Any, x: Array, y: Array) -> float:
    """Part of the pictures that are told right.

    Args:
        model: an `nnx.Module`. x, y: pictures and digits.
    """
    model = nnx.clone(model)
    model.eval()
    return float(np.mean(np.argmax(np.asarray(_answers(model, x)), axis=1) == np.asarray(y)))


@nnx.jit
def _answers(model: Any, x: Array) -> Array:
    """One program for all models of a kind on hardware of a kind."""
    return model(x)


class LevelAccuracies(NamedTuple):
    """One level: its name and the accuracy of each seed on the test pictures."""

    level: str
    accuracies: tuple[float, ...]


def digits_table(
    kind: str = "mlp",
    *,
    seeds: int = 5,
    hardware: Hardware | None = None,
    spread: Modifier | None = None,
    epochs: int = 60,
    tuning: int = 10,
    rate: float = 5e-3,
    data: Split | None = None,
) -> list[LevelAccuracies]:
    """Accuracies of software, of ideal crossbars, with noise, with wires, on chips with spread, and retrained there.

    Args:
        kind: "mlp" or "cnn". seeds: how many. hardware: with wires (default: 10 ohm a segment, arrays up to 144 rows).
        spread: of the cells of a chip (default: 3 % of the window). epochs, tuning: of training in software and on
            the chip. rate: of learning, on the chip a third of it. data: pictures (default: `digits()`).
    """
    data = digits() if data is None else data
    if hardware is None:
        wires = Wires.uniform(10.0)
        hardware = Hardware(wires=wires, tile=(144, 64), fidelity="wires", read_noise=jnp.asarray(0.02))
    spread = additive_noise(0.03) if spread is None else spread
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        for level, value in _levels(kind, seed, hardware, spread, (epochs, tuning, rate), data):
            found.setdefault(level, []).append(value)
    return [LevelAccuracies(level, tuple(values)) for level, values in found.items()]


def _levels(kind: str, seed: int, hardware: Hardware, spread: Modifier, how: Any, data: Split) -> Any:
    epochs, tuning, rate = how
    test = lambda m: accuracy(m, data.x_test, data.y_test)  # noqa: E731
    software = trained(MODELS[kind](rngs=nnx.Rngs(seed)), data, epochs=epochs, rate=rate, seed=seed)
    yield "software", test(software)
    analog = to_crossbar(software, hardware.at("ideal"), rngs=nnx.Rngs(seed))
    yield "ideal", test(analog)
    for level in ("noisy", "wires"):
        run_on(analog, hardware.at(level))
        yield level, test(analog)
    chip = written(analog, spread, key=jax.random.key(seed))
    yield "wires, spread", test(chip)
    yield "trained through them", test(trained(chip, data, epochs=tuning, rate=rate / 3, seed=seed))


def table_text(rows: Sequence[LevelAccuracies]) -> str:
    """Mean and standard deviation over seeds, in per cent, one level a line.

    Args:
        rows: as of `digits_table`.
    """
    line = "{:<22}{:>8.2f} +- {:.2f}"
    return "\n".join(line.format(r.level, 100 * np.mean(r.accuracies), 100 * np.std(r.accuracies)) for r in rows)
