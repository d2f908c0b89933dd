"""The comparison of experiment X5, and what has to be said beside it. `neurojax run x5` is this `run`.

Each seed: weights of the known device are trained, without a price ("weights only"). All else starts there. By hand all
lengths and capacitors are made smaller, all resistances larger. The gradient moves geometry, circuit and weights at
several prices of a picojoule; random search and two evolution strategies have as many evaluations at one of them, and
one search goes on by gradient where the random one has ended. All are judged by the same draws of new chips and new
inputs, and the design of that last search, of the first seed, goes through other solvers.
"""

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax import lax
from jaxtyping import Array
from matplotlib.axes import Axes
from rich.console import Group
from rich.table import Table

from learning import codesign
from learning.codesign import Comparison, Design, Trial, write_json
from learning.codesign.checkpoint import claim
from learning.experiments.x5_check import Check, check
from learning.experiments.x5_network import WEIGHTS, Network, Task, nominal
from neurojax.errors import DataError

BEFORE = "weights only"
BOTH = "random, then gradient"
SMALLER = (2.0, 4.0)
"""By which factors lengths and capacitors are made smaller by hand."""
JUDGED = 40
"""Draws of the test, of `Task.batch` decisions each."""
WHY = (
    "Why a gradient is weak here: the mean over draws changes by spikes that come to be or vanish, of which the exact "
    "derivative of a draw knows nothing and the surrogate something; see `x5_network`."
)
POINT = 0.01
"""Part of wrong answers that may be lost for energy."""


@dataclasses.dataclass(frozen=True)
class Report:
    """X5 over some seeds.

    Attributes:
        task: with the price of the comparison. comparison: of all methods at that price. points: part of wrong answers,
            pJ and spikes of a decision by method, (seeds, 3), the gradient at other prices among them.
        networks: of each method, that of the first seed. check: of `random, then gradient` by other
            solvers.
    """

    task: Task
    comparison: Comparison
    points: dict[str, np.ndarray]
    networks: dict[str, Network]
    check: Check

    def saving(self, method: str) -> np.ndarray:
        """Energy of `weights only` over that of a method, (seeds,)."""
        return self.points[BEFORE][:, 1] / self.points[method][:, 1]

    def lost(self, method: str) -> np.ndarray:
        """Part of wrong answers less that of `weights only`, (seeds,)."""
        return self.points[method][:, 0] - self.points[BEFORE][:, 0]

    def verdict(self) -> str:
        """Whether a fifth of the energy is enough, in words and numbers."""
        said = []
        for method in self.points:
            if method == BEFORE:
                continue
            kept = (self.saving(method) >= 5) & (self.lost(method) <= POINT)
            said.append(f"{method} {int(kept.sum())}")
        seeds = len(self.points[BEFORE])
        return (
            f"At least five times less energy than {BEFORE} and at most one point lost, in how many of {seeds} seeds: "
            f"{', '.join(said)}."
        )

    def __rich__(self) -> Group:
        table = Table(title="X5: what a decision costs (mean and standard deviation over seeds)")
        for k, head in enumerate(("method", "wrong (%)", "pJ", "spikes", "energy saved", "points lost")):
            table.add_column(head, justify="left" if k == 0 else "right")
        for method, found in self.points.items():
            rows = [100 * found[:, 0], found[:, 1], found[:, 2], self.saving(method), 100 * self.lost(method)]
            table.add_row(method, *(_spread(r) for r in rows))
        table.caption = "\n".join((self.verdict(), str(self.check)))
        return Group(self.comparison.__rich__(), table)

    def __repr__(self) -> str:
        return codesign.as_text(self)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "task": dataclasses.asdict(self.task), "comparison": self.comparison.to_dict(),
            "points": {n: p.tolist() for n, p in self.points.items()}, "verdict": self.verdict(),
            "check": dataclasses.asdict(self.check),
        }  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Axes:
        """Accuracy over energy of a decision, all methods and seeds, on `ax`."""
        ax = ax or plt.subplots(figsize=(6.5, 4), layout="constrained")[1]
        for k, (method, found) in enumerate(self.points.items()):
            mark = "o" if "gradient" in method else "s" if method == BEFORE else "x"
            ax.semilogx(found[:, 1], 100 * (1 - found[:, 0]), mark, color=f"C{k}", alpha=0.7, label=method)
        ax.set(xlabel="energy of a decision (pJ)", ylabel="right answers (%)", title="X5: delays of two pulses")
        ax.legend(fontsize=7)
        return ax


def _spread(x: np.ndarray) -> str:
    return f"{x.mean():.3g}" + (f" +- {x.std(ddof=1):.2g}" if len(x) > 1 else "")


def run(
    *,
    seeds: int = 5,
    output: str | os.PathLike[str] | None = None,
    neurons: int = 6,
    prices: str = "0.001,0.003",
    steps: int = 150,
    learning_rate: float = 0.03,
    classes: int = 3,
    apart: float = 6e-9,
    rough: float = 2e-10,
    batch: int = 60,
    progress: bool = True,
) -> Report:
    """X5: geometry, circuit and weights of spiking Mott neurons designed for few joules, beside what needs no gradient.

    Args:
        seeds: of each search. output: folder, from which a killed run goes on. neurons: of the network.
        prices: of a picojoule beside the error, with commas; the (upper) middle one is that of the comparison.
        steps, learning_rate: of the gradient. classes, apart, rough, batch: see `Task`. progress: bars on a terminal.

    Raises:
        DataError: no prices or seeds. DesignError: the folder holds another run.
    """
    costs = [float(p) for p in prices.split(",") if p.strip()]
    if not costs or seeds < 1:
        raise DataError(f"x5: prices = {prices!r} and seeds = {seeds}: give one or more of each.")
    task = Task(costs[len(costs) // 2], classes, apart, rough=rough, batch=batch)
    place = None if output is None else Path(output) / "searches"
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
        claim(place, [dataclasses.asdict(task), neurons, costs, steps, learning_rate])
    plan = _Plan(task, neurons, costs, steps, learning_rate, place, progress)
    found = [plan.seed(s) for s in range(seeds)]
    trials = {name: [one[name][0] for one in found] for name in found[0]}
    points = {name: np.asarray([one[name][1] for one in found]) for name in found[0]}
    judged = {n: t for n, t in trials.items() if not n.startswith("gradient at")}
    title = f"X5 at {task.price:g} per pJ, {classes} delays {apart * 1e9:g} ns apart, {rough * 1e9:g} nm rough"
    comparison = Comparison(title, "error and price", plan.ratio, judged)
    if not comparison.verdict().startswith("The gradient wins"):
        comparison = dataclasses.replace(comparison, notes=(WHY,))
    first = {name: plan.network(t[0]) for name, t in trials.items()}
    return Report(task, comparison, points, first, check(task, first[BOTH], key=jax.random.key(seeds)))


@dataclasses.dataclass
class _Plan:
    """All searches of a seed, each read from the folder where it is there already."""

    task: Task
    neurons: int
    costs: list[float]
    steps: int
    rate: float
    place: Path | None
    progress: bool
    ratio: float = 0.0

    def seed(self, s: int) -> dict[str, tuple[Trial, list[float]]]:
        """Trial and point of each method."""
        key = jax.random.key(s)
        free = dataclasses.replace(self.task, price=0.0)
        known = nominal(self.neurons, key=key)
        found = {BEFORE: self.done(s, BEFORE, lambda: self.weights(free, known, BEFORE, key, s))}
        start = self.design.moved(jnp.asarray(found[BEFORE][0].theta)).tree
        for factor in SMALLER:
            name = f"scaled by {factor:g}"
            found[name] = self.done(s, name, lambda f=factor: self.by_hand(start.scaled(f), s))
        if self.ratio == 0:
            self.ratio = self.measured(start, key)
        main = self.done(s, "gradient", lambda: self.gradient(self.task, start, key, s))
        budget = main[0].evaluations
        for name in ("random search", "(1+1)-ES", "CMA-ES"):
            found[name] = self.done(s, name, lambda n=name: self.rival(n, start, budget, key, s))
        found["gradient"] = main
        found[BOTH] = self.done(s, BOTH, lambda: self.afterwards(found["random search"][0], key, s))
        for price in self.costs:
            if price != self.task.price:
                other = dataclasses.replace(self.task, price=price)
                name = f"gradient at {price:g}"
                found[name] = self.done(s, name, lambda o=other: self.gradient(o, start, key, s))
        return found

    @property
    def design(self) -> Design:
        """Of all variables, at the nominal network."""
        return self.task.design(nominal(self.neurons, key=jax.random.key(0)))

    def network(self, trial: Trial) -> Network:
        """That of a trial."""
        return self.design.at(jnp.asarray(trial.theta, self.design.theta.dtype))

    def done(self, s: int, name: str, make: Callable[[], Trial]) -> tuple[Trial, list[float]]:
        """A trial and its point, kept as a file."""
        file = None if self.place is None else self.place / f"{_plain(name)}_{s}.json"
        if file is not None and file.exists():
            with contextlib.suppress(ValueError, TypeError, KeyError):
                kept = json.loads(file.read_text(encoding="utf-8"))
                return Trial(**kept["trial"]), kept["point"]
        trial = make()
        wrong, energy, spikes, loss = judged(self.task, self.network(trial), jax.random.key(10_000 + s))
        trial = dataclasses.replace(trial, test=loss)
        if file is not None:
            write_json(file, {"trial": dataclasses.asdict(trial), "point": [wrong, energy, spikes]})
        return trial, [wrong, energy, spikes]

    def weights(self, task: Task, network: Network, name: str, key: Array, s: int) -> Trial:
        """Weights, loads and supply of given devices, trained without a price."""
        design = task.design(network, (*WEIGHTS, "neurons.v_dc", "neurons.r_load"))
        found = codesign.optimise(task.objective, design, ratio=3, **self.how(name, s), key=key)
        return self.trial(found.tree, found, s)

    def by_hand(self, network: Network, s: int) -> Trial:
        """A scaled network."""
        return Trial(0.0, 0.0, 0.0, s, _theta(self.design, network), [], [], {})

    def gradient(self, task: Task, start: Network, key: Array, s: int) -> Trial:
        """Everything, at a price."""
        how = self.how(f"gradient at {task.price:g}", s)
        found = codesign.optimise(task.objective, task.design(start), ratio=self.ratio, **how, key=key)
        return self.trial(found.tree, found, s)

    def afterwards(self, trial: Trial, key: Array, s: int) -> Trial:
        """Half as many steps of a third of the rate from where another trial has ended; evaluations of both."""
        how: dict[str, Any] = self.how(BOTH, s) | dict(steps=max(self.steps // 2, 1), learning_rate=self.rate / 3)
        design = self.task.design(self.network(trial))
        found = codesign.optimise(self.task.objective, design, ratio=self.ratio, **how, key=key)
        own = self.trial(found.tree, found, s)
        return dataclasses.replace(own, evaluations=own.evaluations + trial.evaluations)

    def rival(self, name: str, start: Network, budget: float, key: Array, s: int) -> Trial:
        """A search without a gradient, by as many evaluations."""
        design, options = self.task.design(start), self.how(name, s)["options"]
        same: dict[str, Any] = dict(evaluations=budget, options=options, key=key)
        if name == "random search":
            found = codesign.random_search(self.task.objective, design, sample=self.task.sample, **same)
        else:
            kind = "cma" if name == "CMA-ES" else "one"
            found = codesign.evolution_strategy(self.task.objective, design, kind=kind, sigma=0.1, **same)
        return self.trial(found.tree, found, s)

    def how(self, name: str, s: int) -> dict[str, Any]:
        """What searches share."""
        inside = None if self.place is None else self.place / "states" / f"{_plain(name)}_{s}"
        options = codesign.Options(
            abreast=False, progress=self.progress, label=f"X5, seed {s}: {name}", checkpoint=inside, save_every=20.0
        )
        return dict(steps=self.steps, learning_rate=self.rate, options=options)

    def trial(self, network: Network, result: codesign.Result, s: int) -> Trial:
        """In the coordinates of all variables."""
        found = result.to_dict()
        same = {n: found[n] for n in ("evaluations", "seconds", "trace", "skipped", "at_bounds")}
        return Trial(test=0.0, seed=s, theta=_theta(self.design, network), **same)

    def measured(self, start: Network, key: Array) -> float:
        """What a gradient counts as; kept, so that a resumed run allows the others as much as before."""
        file = None if self.place is None else self.place / "ratio.json"
        if file is not None and file.exists():
            with contextlib.suppress(ValueError, TypeError):
                return float(json.loads(file.read_text(encoding="utf-8")))
        ratio = codesign.gradient_ratio(self.task.objective, self.task.design(start), abreast=False, key=key)
        if file is not None:
            write_json(file, ratio)
        return ratio


def _plain(name: str) -> str:
    return name.replace("(1+1)", "one").replace(" ", "_").replace(".", "p")


def _theta(design: Design, network: Network) -> list[float]:
    return np.asarray(design.with_tree(network).theta, float).tolist()


def judged(task: Task, network: Network, key: Array) -> tuple[float, float, float, float]:
    """Part of wrong answers, pJ and spikes of a decision, and the objective, on `JUDGED` draws of chips and inputs."""
    wrong, energy, spikes, loss = (float(a) for a in _judged(task, network, jax.random.split(key, JUDGED)))
    return wrong, energy, spikes, loss


@eqx.filter_jit
def _judged(task: Task, network: Network, keys: Array) -> tuple[Array, ...]:
    both = lax.map(lambda k: (*task.judged(network, k), task.objective(network, k)), keys)
    return tuple(jnp.mean(a) for a in both)
