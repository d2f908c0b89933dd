"""New classes by the readout alone: the crossbar of features stays, only the devices of the last layer get pulses.

    result = transfer_digits(seeds=3)
    result.epochs_transfer, result.epochs_scratch        until 90 % of the test pictures are told right

Both networks learn in place by the same pulses of the same kind of devices; what differs is what they start from and
which cells may change. On pictures this small a network learns from nothing in as few epochs, so what is saved is
writing: the readout has a fourteenth of the cells.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array

from learning.oneshot.embedding import turned_and_mirrored
from learning.tasks.pictures import Pictures, handwritten_digits
from neurojax.errors import DataError
from neurojax.layers import Hardware, mixed_precision, to_crossbar
from neurojax.progress import after_a_while
from physics.pulsed import AbstractPulsed
from physics.pulsed_presets import PRESETS

BATCH = 16


class TwoLayers(nnx.Module):
    """Features that lie between 0 and 1, and a readout of them."""

    def __init__(self, pixels: int, hidden: int, classes: int, *, rngs: nnx.Rngs):
        """New weights.

        Args:
            pixels: inputs. hidden: features. classes: outputs. rngs: of the weights.
        """
        self.features = nnx.Linear(pixels, hidden, rngs=rngs)
        self.readout = nnx.Linear(hidden, classes, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Logits of inputs `x`, (n, pixels)."""
        h = self.features(x)
        return 4.0 * self.readout(jnp.clip(h / 4.0 + 0.25, 0.0, 1.0))


class TransferResult(NamedTuple):
    """Of each seed.

    Attributes:
        epochs_transfer, epochs_scratch: until the aim is reached, one more than were run where it is not.
        curve_transfer, curve_scratch: test accuracy before the first epoch and after each, (seeds, epochs + 1).
        aim: accuracy. rates: that were best for transfer and from scratch. cells: that get pulses, either way.
    """

    epochs_transfer: tuple[int, ...]
    epochs_scratch: tuple[int, ...]
    curve_transfer: np.ndarray
    curve_scratch: np.ndarray
    aim: float
    rates: tuple[float, float]
    cells: tuple[int, int]

    @property
    def ratio(self) -> float:
        """Mean epochs from scratch over mean epochs by transfer; a lower limit where a run was cut off."""
        return float(np.mean(self.epochs_scratch) / np.mean(self.epochs_transfer))

    @property
    def ratio_of_writes(self) -> float:
        """The same of epochs times cells that get pulses in them: what wears and what writing costs."""
        return self.ratio * self.cells[1] / self.cells[0]


def retrain(
    model: Any,
    data: Pictures,
    *,
    only: str | None = None,
    device: AbstractPulsed | None = None,
    rate: float = 0.1,
    epochs: int = 20,
    batch: int = 16,
    steps: int | None = None,
    seed: int = 0,
) -> tuple[Any, np.ndarray]:
    """A copy of a model after epochs of pulses on its cells, and the test accuracy before and after each epoch.

    Args:
        model: of crossbar layers. data: pictures and their classes. only: name of the layer whose cells get pulses
            (default: all). device: of the pulses (default: an ECRAM as measured), each cell one of its own.
        rate: of learning. epochs: over all pictures. batch: pictures of an update.
        steps: updates of an epoch (default: all pictures once). seed: of order and devices.

    Raises:
        DataError: no layer of that name, or fewer pictures than a batch.
    """
    if only is not None and not hasattr(model, only):
        raise DataError(f"retrain: {type(model).__name__} has no layer {only!r}.")
    if data.x.shape[0] < batch:
        raise DataError(f"retrain: {data.x.shape[0]} pictures are less than a batch of {batch}.")
    device = PRESETS["EcRam"]() if device is None else device
    chosen: Any = nnx.Param if only is None else nnx.All(nnx.Param, nnx.PathContains(only))
    graph, params, rest = nnx.split(nnx.clone(model), chosen, ...)
    memory = _optimiser(device, seed).init(params)
    rng, steps = np.random.default_rng(seed), (data.x.shape[0] // batch if steps is None else steps)
    x_test, y_test = _filled(data.x_test, data.y_test)
    found = []
    # An epoch at no rate leaves everything as it was and says how good that is.
    for k in range(epochs + 1):
        rows = jnp.asarray(rng.permutation(data.x.shape[0])[: steps * batch].reshape(steps, batch))
        own = jnp.asarray(rate if k else 0.0, x_test.dtype)
        params, rest, memory, right = _epoch(
            graph, device, params, rest, memory, own, (data.x[rows], data.y[rows]), (x_test, y_test)
        )
        found.append(float(right) / data.y_test.shape[0])
    return nnx.merge(graph, params, rest), np.asarray(found)


def _optimiser(device: AbstractPulsed, seed: int) -> optax.GradientTransformation:
    """At rate 1: gradients are multiplied by the rate before."""
    return mixed_precision(device, 1.0, window=True, key=jax.random.key(seed))


def _filled(x: Array, y: Array, size: int = 50) -> tuple[Array, Array]:
    """Pictures filled up to a multiple of `size` by some of class -1, so that one program serves all splits."""
    more = -x.shape[0] % size
    return jnp.pad(x, ((0, more), (0, 0))), jnp.pad(y, (0, more), constant_values=-1)


@partial(jax.jit, static_argnums=0)
def _epoch(graph: Any, device: Any, params: Any, rest: Any, memory: Any, rate: Array, train: Any, test: Any) -> Any:
    """Parameters, other variables and memory after an epoch, and how many of the test pictures are told right."""

    def loss(params: Any, rest: Any, x: Array, y: Array) -> tuple[Array, Any]:
        model = nnx.merge(graph, params, jax.tree.map(lambda a: a, rest))
        value = jnp.mean(optax.softmax_cross_entropy_with_integer_labels(model(x), y))
        return value, _rest_of(model, params)

    optimiser = _optimiser(device, 0)

    def step(carry: Any, batch: Any) -> tuple[Any, None]:
        params, rest, memory = carry
        grads, rest = jax.grad(loss, has_aux=True)(params, rest, *batch)
        grads = jax.tree.map(lambda g: rate.astype(g.dtype) * g, grads)
        updates, memory = optimiser.update(grads, memory, params)
        return (optax.apply_updates(params, updates), rest, memory), None

    params, rest, memory = jax.lax.scan(step, (params, rest, memory), train)[0]
    model = nnx.merge(graph, params, jax.tree.map(lambda a: a, rest))
    right = jnp.sum(jnp.argmax(model(test[0]), axis=1).astype(test[1].dtype) == test[1])
    return params, rest, memory, right


def _rest_of(model: Any, params: Any) -> Any:
    """All variables of a model that are none of `params`."""
    known = {path for path, _ in nnx.to_flat_state(params)}
    state = nnx.to_flat_state(nnx.state(model))
    return nnx.from_flat_state([(path, value) for path, value in state if path not in known])


def transfer_digits(
    *,
    seeds: int = 3,
    known: Sequence[int] = (0, 1, 2, 3, 4),
    hidden: int = 128,
    aim: float = 0.9,
    epochs: int = 12,
    pretraining: int = 100,
    rates: Sequence[float] = (0.3, 1.0, 3.0),
    hardware: Hardware | None = None,
    device: AbstractPulsed | None = None,
    progress: bool = True,
) -> TransferResult:
    """Features of some digits, readout of the others, against a network that starts anew on these.

    For either way the rate is taken that reaches the aim first on average.

    Args:
        seeds: how many. known: digits of which the features are learned; all others are new. hidden: features.
            aim: test accuracy that counts. epochs: at most, on the new digits. pretraining: epochs of as many
            updates on the known ones, turned and mirrored. rates: that are tried for each way.
        hardware: of the layers (default: noisy, 2 % of a cell's current in a reading). device: of the pulses, as of
            `retrain`. progress: a bar.

    Raises:
        DataError: no digit is new, or none is known.
    """
    if not 0 < len(set(known)) < 10:
        raise DataError(f"known = {tuple(known)}: some of the ten digits, not all.")
    hardware = Hardware(fidelity="noisy", read_noise=jnp.asarray(0.02)) if hardware is None else hardware
    curves: dict[tuple[str, float], list[np.ndarray]] = {}
    with after_a_while("transfer", seeds, enabled=progress) as update:
        for seed in range(seeds):
            for way, rate, curve in _both(seed, known, hidden, (epochs, pretraining, rates), hardware, device):
                curves.setdefault((way, rate), []).append(curve)
            update(seed + 1)
    best = {way: min(rates, key=lambda r, w=way: np.mean(_reached(curves[w, r], aim))) for way in ("new", "all")}
    one, two = (curves[way, best[way]] for way in ("new", "all"))
    readout = 2 * (hidden + 1) * (10 - len(set(known)))
    cells = (readout, readout + 2 * 65 * hidden)
    rated = best["new"], best["all"]
    return TransferResult(_reached(one, aim), _reached(two, aim), np.stack(one), np.stack(two), aim, rated, cells)


def _reached(curves: Sequence[np.ndarray], aim: float) -> tuple[int, ...]:
    return tuple(int(np.argmax(c >= aim)) if np.any(c >= aim) else len(c) for c in curves)


def _both(seed: int, known: Any, hidden: int, how: Any, hardware: Hardware, device: Any) -> Any:
    """Curves of one seed, each way at each rate."""
    epochs, pretraining, rates = how
    data = handwritten_digits(seed)
    known, fresh = sorted(set(known)), [c for c in range(10) if c not in known]
    old, new = _digits(data, known), _digits(data, fresh)
    many = turned_and_mirrored(old.x, old.y, len(known))
    old, steps = old._replace(x=many[0], y=many[1]), new.x.shape[0] // BATCH
    made = lambda classes, k: _crossbars(hidden, classes, hardware, 10 * seed + k)  # noqa: E731
    own = dict(device=device, seed=seed, batch=BATCH, steps=steps)
    first = retrain(made(8 * len(known), 0), old, rate=max(rates), epochs=pretraining, **own)[0]
    for rate in rates:
        model = made(len(fresh), 1)
        yield "all", rate, retrain(model, new, rate=rate, epochs=epochs, **own)[1]
        model = made(len(fresh), 1)
        model.features = nnx.clone(first).features
        yield "new", rate, retrain(model, new, only="readout", rate=rate, epochs=epochs, **own)[1]


def _crossbars(hidden: int, classes: int, hardware: Hardware, seed: int) -> Any:
    model = TwoLayers(64, hidden, classes, rngs=nnx.Rngs(seed))
    return to_crossbar(model, hardware, rngs=nnx.Rngs(seed))


def _digits(data: Pictures, classes: Sequence[int]) -> Pictures:
    """Pictures of some digits, their classes counted anew."""
    names = np.unique(np.asarray(classes))
    keep, keep_test = (np.isin(np.asarray(y), names) for y in (data.y, data.y_test))
    again = lambda y, k: jnp.asarray(np.searchsorted(names, np.asarray(y)[k]), jnp.int32)  # noqa: E731
    single = lambda x, k: x[k].astype(jnp.float32)  # noqa: E731
    return Pictures(
        single(data.x, keep), again(data.y, keep), single(data.x_test, keep_test), again(data.y_test, keep_test)
    )
