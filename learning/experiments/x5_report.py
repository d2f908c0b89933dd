"""The comparison of experiment X5, and what has to be said beside it. `neurojax run x5` is this `run`.

Each seed: weights of the known device are trained, without a price ("weights only"). All else starts there. By hand all
lengths and capacitors are made smaller, all resistances larger. The gradient moves geometry, circuit and weights at
several prices of a picojoule; random search and two evolution strategies have as many evaluations at one of them, and
so has a search that spends three quarters of them at random and goes on by gradient from there. All are judged by the
same draws of new chips and new inputs, and the design of that last search, of the first seed, goes through other
solvers.
"""

import dataclasses
import os
from pathlib import Path
from typing import Any

import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from rich.console import Group
from rich.table import Table

from learning import codesign
from learning.codesign import Comparison
from learning.codesign.checkpoint import claim
from learning.experiments.x5_check import Check, check
from learning.experiments.x5_network import Network, Task
from learning.experiments.x5_searches import BEFORE, BOTH, Plan
from neurojax.errors import DataError

WHY = (
    "Why a gradient is weak here: the mean over draws changes by spikes that come to be or vanish, of which the exact "
    "derivative of a draw knows nothing and the surrogate something; see `x5_network`."
)
LEAST = 20
"""Steps of a gradient."""
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
        steps, learning_rate: of the gradient, `LEAST` steps or more. classes, apart, rough, batch: see `Task`.
        progress: bars on a terminal.

    Raises:
        DataError: no prices or seeds, too few steps. DesignError: the folder holds another run.
    """
    costs = [float(p) for p in prices.split(",") if p.strip()]
    if not costs or seeds < 1:
        raise DataError(f"x5: prices = {prices!r} and seeds = {seeds}: give one or more of each.")
    if steps < LEAST:
        raise DataError(
            f"x5: steps = {steps}: {LEAST} or more leave evaluations for a random search beside its checks."
        )
    task = Task(costs[len(costs) // 2], classes, apart, rough=rough, batch=batch)
    place = None if output is None else Path(output) / "searches"
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
        claim(place, [dataclasses.asdict(task), neurons, costs, steps, learning_rate])
    plan = Plan(task, neurons, costs, steps, learning_rate, place, progress)
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
