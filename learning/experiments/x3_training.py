"""X3: how a device learns, and what its learning shall be: the training run unrolled, and its result as a loss.

    task = Task("ecram")
    task.objective(learner, key)      cross-entropy of digits that were not trained on, after 400 pulsed steps
    task.error(learner, key)          part of the test digits with a wrong answer

Each step shows one digit, and every pair of cells gets the pulses of the delta rule: G+ of row i and column j gets
n = rate_i s(t) x_i (y_j - p_j) pulses, up or down, G- as many of the other direction. What the devices make of it is
their affair. The whole run of 400 steps with its spread and scatter is one differentiable function of rates, starts,
leans, schedule and the material.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float, Int

from learning.codesign import Design
from learning.experiments.x3_cells import AbstractCell, AbstractMaps, SoftBound
from learning.experiments.x3_devices import diffusive, electrochemical
from learning.tasks import handwritten_digits
from neurojax.errors import DataError
from physics.quantity import Param, quantity

CLASSES, ROWS, SEGMENTS = 10, 17, 20


class Learner(eqx.Module):
    """What may be designed of an array that learns.

    Attributes:
        rate: pulses for a full input and an error of 1, of each row. start: state of both cells of a pair, of each row.
            lean: of each column, see `AbstractCell.maps`. schedule: factor of the rate in each twentieth of the run.
            gain: of the scores. cell: the memory.
    """

    cell: AbstractCell
    rate: Param = quantity(2.0, "1", (0.02, 50.0), scale="log", doc="pulses for an error of 1", source="chosen")
    start: Param = quantity(0.5, "1", (0.05, 0.95), doc="state of both cells at first", source="chosen")
    lean: Param = quantity(0.0, "1", (-1.0, 1.0), doc="of a column to pulses up", source="chosen")
    schedule: Param = quantity(1.0, "1", (0.05, 5.0), scale="log", doc="of the rate in time", source="chosen")
    gain: Param = quantity(10.0, "1", (1.0, 100.0), scale="log", doc="of the scores", source="chosen")

    def learner(self) -> "Learner":
        """Itself."""
        return self


class Few(eqx.Module):
    """Six scalars: one rate, start and lean for all, a rate that decays evenly, a gain, one constant of the cell."""

    cell: AbstractCell
    rate: Param = quantity(2.0, "1", (0.02, 50.0), scale="log", doc="pulses for an error of 1", source="chosen")
    start: Param = quantity(0.5, "1", (0.05, 0.95), doc="state of both cells at first", source="chosen")
    lean: Param = quantity(0.0, "1", (-1.0, 1.0), doc="to pulses up", source="chosen")
    decay: Param = quantity(1.0, "1", (0.05, 5.0), scale="log", doc="of the rate until the end", source="chosen")
    gain: Param = quantity(10.0, "1", (1.0, 100.0), scale="log", doc="of the scores", source="chosen")

    def learner(self) -> Learner:
        """As rows, columns and segments have it."""
        full = lambda v, n: jnp.broadcast_to(v, (n,))  # noqa: E731
        time = (jnp.arange(SEGMENTS, dtype=self.decay.dtype) + 0.5) / SEGMENTS
        return Learner(self.cell, full(self.rate, ROWS), full(self.start, ROWS), full(self.lean, CLASSES),
                       self.decay**time, self.gain)  # fmt: skip


KINDS: dict[str, Callable[[], AbstractCell]] = {
    "soft_bound": SoftBound,
    "ecram": electrochemical,
    "diffusive": diffusive,
}
"""Cells by name."""


@dataclasses.dataclass(frozen=True)
class Data:
    """Digits (n, 17) of 4 x 4 pixels and a last input of 1, and classes: to learn, to design by, to test."""

    x: Float[Array, "n inputs"]
    y: Int[Array, " n"]
    x_held: Float[Array, "h inputs"]
    y_held: Int[Array, " h"]
    x_test: Float[Array, "m inputs"]
    y_test: Int[Array, " m"]


def digits() -> Data:
    """Of scikit-learn, means of 2 x 2 pixels: 900 to learn, 447 held out for the design, 450 for the test.

    Raises:
        DataError: scikit-learn is missing.
    """
    return _digits(str(jnp.result_type(float)))


@functools.cache
def _digits(precision: str) -> Data:
    del precision  # Each has its own.
    with jax.ensure_compile_time_eval():
        found = handwritten_digits(0, pooled=True)
        x, x_test = (jnp.concatenate([a, jnp.ones_like(a[:, :1])], axis=1) for a in (found.x, found.x_test))
        return Data(x[:900], found.y[:900], x[900:], found.y[900:], x_test, found.y_test)


@dataclasses.dataclass(frozen=True)
class Task:
    """How an array learns, and what counts.

    Attributes:
        device: of `KINDS`. steps: digits shown, a multiple of 20. orders: runs that are averaged, each with its own
            digits in its own order, its own devices and its own scatter. spread: of the steps from device to device,
            in parts. cycle: of a change, in parts of it.
    """

    device: str = "ecram"
    steps: int = 400
    orders: int = 3
    spread: float = 0.1
    cycle: float = 0.3

    def __post_init__(self) -> None:
        if self.device not in KINDS:
            raise DataError(f"device = {self.device!r}: there are {', '.join(KINDS)}.")
        if self.steps < SEGMENTS or self.steps % SEGMENTS or self.steps > 900 or self.orders < 1:
            raise DataError(f"{self}: steps must be a multiple of {SEGMENTS} up to 900, orders at least one.")
        if min(self.spread, self.cycle) < 0:
            raise DataError(f"{self}: spread and cycle must not be negative.")

    def objective(self, tree: Learner | Few, key: Array) -> Float[Array, ""]:
        """Cross-entropy of the digits held out, mean over the orders."""
        data = digits()
        learner = tree.learner()
        scores = self.scores(learner, learner.cell.maps(learner.lean), data.x_held, key)
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(scores, data.y_held[None]))

    def error(self, tree: Learner | Few, key: Array) -> Float[Array, ""]:
        """Part of the test digits with a wrong answer, mean over the orders."""
        learner = tree.learner()
        return self.judged(learner, learner.cell.maps(learner.lean), key)

    def judged(self, learner: Learner, maps: AbstractMaps, key: Array) -> Float[Array, ""]:
        """As `error`, with pulses that do what `maps` say."""
        data = digits()
        scores = self.scores(learner, maps, data.x_test, key)
        return jnp.mean((jnp.argmax(scores, axis=-1) != data.y_test[None]).astype(scores.dtype))

    def scores(
        self, learner: Learner, maps: AbstractMaps, x: Float[Array, "n inputs"], key: Array
    ) -> Float[Array, "orders n classes"]:
        """After training, of inputs `x`."""
        trained = jax.vmap(lambda k: self.trained(learner, maps, k)[0])(jax.random.split(key, self.orders))
        return learner.gain * jnp.einsum("ni,oij->onj", x, trained[:, 0] - trained[:, 1])

    def curve(self, tree: Learner | Few, key: Array) -> Float[Array, " segments"]:
        """Part of wrong test digits before each twentieth of a run, mean over the orders."""
        learner, data = tree.learner(), digits()
        maps = learner.cell.maps(learner.lean)
        along = jax.vmap(lambda k: self.trained(learner, maps, k)[1])(jax.random.split(key, self.orders))
        scores = jnp.einsum("ni,osij->osnj", data.x_test, along[:, :: self.steps // SEGMENTS])
        wrong = jnp.argmax(scores, axis=-1) != data.y_test[None, None]
        return jnp.mean(wrong.astype(scores.dtype), axis=(0, 2))

    def trained(self, learner: Learner, maps: AbstractMaps, key: Array) -> tuple[Array, Array]:
        """States (2, rows, columns) of all pairs after a run, and the weights (steps, rows, columns) along it."""
        data, (order, device, scatter) = digits(), jax.random.split(key, 3)
        chosen = jax.random.permutation(order, data.x.shape[0])[: self.steps]
        dtype = learner.rate.dtype
        start = jnp.broadcast_to(learner.start[None, :, None], (2, ROWS, CLASSES))
        gains = jnp.exp(self.spread * _normal(device, (2, *start.shape), dtype))
        speeds = learner.rate[None] * jnp.repeat(learner.schedule, self.steps // SEGMENTS)[:, None]
        labels = jax.nn.one_hot(data.y[chosen], CLASSES, dtype=dtype)
        noise = 1 + self.cycle * _normal(scatter, (self.steps, *start.shape), dtype)

        def step(state: Array, shown: tuple[Array, ...]) -> tuple[Array, Array]:
            x, label, speed, noise = shown
            weights = state[0] - state[1]
            error = label - jax.nn.softmax(learner.gain * (x @ weights))
            counts = (speed * x)[:, None] * jnp.abs(error)[None]
            up = error > 0
            after = []
            for k, goes_up in enumerate((up, ~up)):
                gain = jnp.where(goes_up[None], gains[0, k], gains[1, k])
                moved = maps.after(state[k], counts * gain, goes_up) - state[k]
                after.append(jnp.clip(state[k] + noise[k] * moved, 0.0, 1.0))
            return jnp.stack(after), weights

        # What a step computes is computed again backwards: to store it takes longer.
        return lax.scan(jax.checkpoint(step, prevent_cse=False), start, (data.x[chosen], labels, speeds, noise))

    def start(self, few: bool = False) -> Learner | Few:
        """The nominal design."""
        cell = KINDS[self.device]()
        if few:
            return Few(cell)
        return Few(cell).learner()

    def design(self, tree: Learner | Few) -> Design:
        """All that may move, starting at `tree`."""
        names = tree.cell.constants[:1] if isinstance(tree, Few) else tree.cell.constants
        own = ("rate", "start", "lean", "decay", "gain") if isinstance(tree, Few) else (
            "rate", "start", "lean", "schedule", "gain")  # fmt: skip
        limits = {f"cell.{n}": b for n, b in tree.cell.limits.items() if n in names}
        return Design(tree, free=(*own, *(f"cell.{n}" for n in names)), bounds=limits)


def _normal(key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    """Standard normal numbers, drawn in one row: the compiler takes ten seconds for as many in several axes."""
    return jax.random.normal(key, (math.prod(shape),), dtype).reshape(shape)


def grids() -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """What is tuned by hand, alike everywhere: rate and gain first, then the start and the lean. Values by name."""
    first = [dict(rate=r, gain=g) for r in np.geomspace(0.1, 20.0, 9) for g in np.geomspace(4.0, 80.0, 5)]
    second = [dict(start=s, lean=v) for s in (0.2, 0.35, 0.5, 0.65, 0.8) for v in (-0.6, -0.3, 0.0, 0.3, 0.6)]
    return first, second


def alike(tree: Learner | Few, values: dict[str, float]) -> Learner | Few:
    """The same design with other `values` by name, everywhere."""
    return dataclasses.replace(tree, **{n: jnp.full_like(getattr(tree, n), v) for n, v in values.items()})
