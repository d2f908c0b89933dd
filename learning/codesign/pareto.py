"""Two objectives at once, error and energy say: the front of what can be had, by a sweep over their exchange rate.

front = pareto(pair, design, weights=(0, 1e10, 1e11), steps=200, key=key)      pair(tree, key) -> (error, joules)
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax import lax
from jaxtyping import Array
from matplotlib.axes import Axes

from learning.codesign.design import Design
from learning.codesign.result import Result
from learning.codesign.search import optimise
from neurojax.errors import DesignError


class _Weighted(eqx.Module):
    """first + weight * second; the weight is an array, so that one compiled search serves all."""

    pair: Callable[..., Any] = eqx.field(static=True)
    weight: Array

    def __call__(self, tree: Any, key: Array) -> Array:
        first, second = self.pair(tree, key)
        return first + self.weight * second


@dataclasses.dataclass(frozen=True)
class Front:
    """What a sweep has found.

    Attributes:
        weights: exchange rates (points,). first, second: the two objectives (points,), on draws that no search has had.
        start: both of the design at which the sweep starts. results: of each search. names: of the two objectives.
    """

    weights: np.ndarray
    first: np.ndarray
    second: np.ndarray
    start: tuple[float, float]
    results: tuple[Result, ...]
    names: tuple[str, str]

    @property
    def efficient(self) -> np.ndarray:
        """Which points no other one beats in both, (points,)."""
        a, b = self.first[:, None], self.second[:, None]
        better = (a.T <= a) & (b.T <= b) & ((a.T < a) | (b.T < b))
        return np.asarray(~better.any(axis=1))

    def to_dict(self) -> dict[str, Any]:
        """For JSON: numbers and lists."""
        numbers = {n: np.asarray(getattr(self, n)).tolist() for n in ("weights", "first", "second", "efficient")}
        return numbers | {
            "start": list(self.start), "names": list(self.names), "results": [r.to_dict() for r in self.results]
        }  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Axes:
        """The points, the front through those that nothing beats, and the start, on `ax`."""
        ax = ax or plt.subplots(figsize=(4.5, 3.2), layout="constrained")[1]
        ax.plot(self.second, self.first, "o", color="C7", label="all")
        kept = np.flatnonzero(self.efficient)
        kept = kept[np.argsort(self.second[kept])]
        ax.plot(self.second[kept], self.first[kept], "o-", color="C0", label="front")
        ax.plot(self.start[1], self.start[0], "x", color="C3", label="start")
        ax.set_xlabel(self.names[1])
        ax.set_ylabel(self.names[0])
        ax.legend()
        return ax


def pareto(
    pair: Callable[..., Any],
    design: Design,
    weights: Sequence[int | float],
    *,
    steps: int,
    names: tuple[str, str] = ("first objective", "second objective"),
    test_draws: int = 32,
    search: Callable[..., Result] = optimise,
    key: Array,
    **keywords: Any,
) -> Front:
    """Make first + weight second small for each of some `weights`, each search starting where the last one ended.

    Args:
        pair: `pair(tree, key) -> (first, second)`, both smaller the better. design: as of `optimise`.
        weights: exchange rates, in units of first over second. steps: of each search. names: of both, with units.
        test_draws: keys by which the points are judged. search: `optimise`, or another of its signature.
        key: a `jax.random.key`. keywords: of the search, as `draws` and `learning_rate`.

    Raises:
        DesignError: no weights, or one below zero.
    """
    if not len(weights) or min(weights) < 0:
        raise DesignError(f"weights = {list(weights)}: give one or more, none below zero.")
    tested = jax.random.fold_in(key, len(weights))
    start, found = design, []
    for k, weight in enumerate(weights):
        objective = _Weighted(pair, jnp.asarray(weight, jnp.result_type(float)))
        result = search(objective, start, steps=steps, key=jax.random.fold_in(key, k), **keywords)
        start = start.moved(result.theta)
        found.append(result)
    points = np.asarray([_both(pair, design, r.theta, test_draws, tested) for r in found])
    before = _both(pair, design, design.theta, test_draws, tested)
    return Front(np.asarray(weights, float), points[:, 0], points[:, 1], before, tuple(found), names)


@eqx.filter_jit
def _means(pair: Callable[..., Any], design: Design, theta: Array, keys: Array) -> tuple[Array, Array]:
    a, b = lax.map(lambda k: pair(design.at(theta), k), keys)
    return jnp.mean(a), jnp.mean(b)


def _both(pair: Callable[..., Any], design: Design, theta: Array, draws: int, key: Array) -> tuple[float, float]:
    a, b = _means(pair, design, theta, jax.random.split(key, draws))
    return float(a), float(b)
