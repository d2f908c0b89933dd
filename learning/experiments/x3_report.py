"""The comparison of experiment X3, and what has to be said beside it. `neurojax run x3` is this `run`.

The table has the nominal array, the best of two grids by hand, random search over scalars, two evolution strategies and
the gradient through the whole training run, all by the same objective, the searches with as many evaluations. Beside it
stand derivatives by finite differences, and the best design once more: its pulses by Kvaerno5 at tight tolerances,
trains of pulses by many steps, and the film of an electrochemical cell resolved in depth.
"""

import dataclasses
import os
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array
from matplotlib.axes import Axes
from rich.console import Group
from rich.table import Table

from learning import codesign
from learning.codesign import Comparison, Design
from learning.experiments.x3_checks import differences, resolve, update_field
from learning.experiments.x3_training import Few, Learner, Task, alike, grids
from neurojax.errors import DataError

TEST_ORDERS = 20
STEPS = {"soft_bound": 150, "ecram": 60, "diffusive": 60}
VARIABLES = ("many", "six")
BY_HAND = "by hand"


@dataclasses.dataclass(frozen=True)
class Study:
    """One device.

    Attributes:
        task: how it learns. comparison: the table, in parts of wrong answers. design: the variables.
        slopes: (gradient, central difference) of the objective at the start, along some coordinates of the variables.
        again: of the best design by gradient, part of wrong answers as searched and by other solutions.
    """

    task: Task
    comparison: Comparison
    design: Design
    slopes: np.ndarray
    again: dict[str, float]

    def tree(self, method: str = "gradient") -> Learner | Few:
        """The best design of a `method`."""
        return self.design.at(jnp.asarray(self.comparison.best(method).theta, jnp.result_type(float)))

    @property
    def apart(self) -> float:
        """Largest difference of a slope from differences, over the largest slope."""
        return float(np.abs(self.slopes[0] - self.slopes[1]).max() / np.abs(self.slopes).max())

    def __rich__(self) -> Group:
        table = Table(title=f"the best design of {self.task.device} once more")
        table.add_column("how")
        table.add_column("wrong answers", justify="right")
        for name, error in self.again.items():
            table.add_row(name, f"{error:.4f}")
        table.caption = f"Slopes at the start differ from finite differences by {self.apart:.1e} of the largest."
        return Group(self.comparison.__rich__(), table)

    def constants(self) -> dict[str, tuple[float, float]]:
        """Constants of the cell, (by hand, by gradient), in SI, by name."""
        after = self.design.values(jnp.asarray(self.comparison.best().theta, jnp.result_type(float)))
        own = {n: v for n, v in self.design.values().items() if n.startswith("cell.")}
        return {n.removeprefix("cell."): (float(v), float(after[n])) for n, v in own.items()}

    def plot_slopes(self, ax: Axes | None = None) -> Axes:
        """Slopes by gradient over those by differences, on `ax`."""
        ax = ax or plt.subplots(figsize=(3.6, 3.4), layout="constrained")[1]
        ax.plot(self.slopes[1], self.slopes[0], "o", alpha=0.6)
        ends = [self.slopes.min(), self.slopes.max()]
        ax.plot(ends, ends, color="black", lw=0.7)
        ax.set(xlabel="central difference", ylabel="gradient through the run", title=self.task.device)
        return ax

    def plot_fields(self, ax: Axes | None = None) -> Axes:
        """What a pulse up and a pulse down do to a state, in each column, by hand (grey) and by gradient, on `ax`."""
        ax = ax or plt.subplots(figsize=(4.5, 3.2), layout="constrained")[1]
        for method, look in ((self.comparison.start, dict(color="grey", ls="--")), ("gradient", dict(color="C0"))):
            x, up, down = update_field(self.tree(method))
            for label, change in ((method, up), ("", down)):
                ax.plot(x, change[:, 0], label=label or None, **look)  # pyright: ignore[reportArgumentType]
                ax.plot(x, change[:, 1:], alpha=0.4, lw=0.7, **look)  # pyright: ignore[reportArgumentType]
        ax.axhline(0.0, color="black", lw=0.5)
        ax.set(xlabel="state x", ylabel="change by a pulse", title=self.task.device)
        ax.legend()
        return ax

    def plot_learning(self, ax: Axes | None = None, orders: int = 10) -> Axes:
        """Part of wrong test digits during a run, mean over some orders, by hand and by gradient, on `ax`."""
        ax = ax or plt.subplots(figsize=(4.5, 3.2), layout="constrained")[1]
        task = dataclasses.replace(self.task, orders=orders)
        curve = eqx.filter_jit(lambda tree: task.curve(tree, jax.random.key(5)))
        for method in (self.comparison.start, "gradient"):
            found = np.asarray(curve(self.tree(method)))
            ax.plot(np.arange(len(found)) * task.steps / len(found), found, label=method)
        ax.set(xlabel="digits shown", ylabel="part of wrong answers", title=task.device)
        ax.legend()
        return ax


@dataclasses.dataclass(frozen=True)
class Report:
    """X3 for some devices.

    Attributes:
        studies: by device.
    """

    studies: dict[str, Study]

    def __rich__(self) -> Group:
        return Group(*self.studies.values(), self._constants())

    def __repr__(self) -> str:
        return codesign.as_text(self)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            device: {
                "task": dataclasses.asdict(s.task), "comparison": s.comparison.to_dict(), "again": s.again,
                "slopes": s.slopes.tolist(), "constants": {n: list(v) for n, v in s.constants().items()},
            }
            for device, s in self.studies.items()
        }  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Axes:
        """Parts of wrong answers of all seeds by method, a colour a device, on `ax`."""
        ax = ax or plt.subplots(figsize=(6, 3.2), layout="constrained")[1]
        methods: list[str] = []
        for k, (device, study) in enumerate(self.studies.items()):
            methods = list(study.comparison.trials)
            for place, method in enumerate(methods):
                v = study.comparison.values(method)
                at = np.full(len(v), place + 0.15 * k)
                ax.plot(at, v, "o", color=f"C{k}", alpha=0.6, label=device if place == 0 else None)
        ax.set_xticks(range(len(methods)), methods, rotation=20)
        ax.set_ylabel("part of wrong answers")
        ax.legend()
        return ax

    def _constants(self) -> Table:
        table = Table(title="constants of the cells")
        for k, head in enumerate(("constant", "by hand", "by gradient")):
            table.add_column(head, justify="right" if k else "left")
        for device, study in self.studies.items():
            for name, (before, after) in study.constants().items():
                table.add_row(f"{device} {name}", f"{before:.4g}", f"{after:.4g}")
        return table


def run(
    *,
    seeds: int = 5,
    output: str | os.PathLike[str] | None = None,
    devices: str = "soft_bound,ecram",
    variables: str = "many",
    steps: int = 0,
    shown: int = 400,
    orders: int = 3,
    spread: float = 0.1,
    cycle: float = 0.3,
    learning_rate: float = 0.05,
    clip: float = 0.2,
    seed: int = 0,
    progress: bool = True,
) -> Report:
    """X3: a training run on devices designed by the gradient through all of its steps, beside what needs no gradient.

    Args:
        seeds: runs of each method, each with its own draws. output: folder, from which a killed run goes on.
        devices: of soft_bound, ecram, diffusive, with commas. variables: "many" (rates and starts of rows, leans of
            columns, schedule, gain, constants of the cell) or "six" scalars.
        steps: of the gradient, 0 for 150 (60 of simulated cells). shown: digits of a training run. orders: training
            runs that the objective averages.
        spread: of the steps from device to device, cycle: of a change from pulse to pulse, in parts.
        learning_rate, clip: of Adam and of its gradients. seed: of all random numbers. progress: bars on a terminal.

    Raises:
        DataError: an unknown device, numbers that make no training, or scikit-learn is missing.
        DesignError: the folder holds another experiment.
    """
    if variables not in VARIABLES:
        raise DataError(f"variables = {variables!r}: there are {', '.join(VARIABLES)}.")
    studies = {}
    for device in (d.strip() for d in devices.split(",")):
        task = Task(device, shown, orders, spread, cycle)
        folder = None if output is None else Path(output) / "searches" / f"{device}_{variables}"
        setting = codesign.Setting(steps or STEPS[device], 1, learning_rate, clip, sample=scalars, batch=8)
        studies[device] = _study(task, variables == "six", setting, seeds, folder, progress, jax.random.key(seed))
    return Report(studies)


def _study(
    task: Task, few: bool, setting: codesign.Setting, seeds: int, folder: Path | None, progress: bool, key: Array
) -> Study:
    nominal = task.start(few)
    by_hand, tried = best_by_hand(task, nominal, jax.random.fold_in(key, 1))
    design, test = task.design(by_hand), dataclasses.replace(task, orders=TEST_ORDERS)
    title = (
        f"X3: {task.device}, {design.size} variables, {task.steps} digits shown, spread {task.spread:g}, "
        f"cycle {task.cycle:g}"
    )
    comparison = codesign.compare(
        task.objective, design, setting, seeds=seeds, hand={"nominal": nominal}, test=test.error, test_draws=1,
        options=codesign.Options(validation_draws=3, validations=15, abreast=False, progress=progress),
        folder=folder, unit="part of wrong answers", key=key, title=title,
    )  # fmt: skip
    trials = {BY_HAND if m == "start" else m: t for m, t in comparison.trials.items()}
    note = f"All searches start at the best of {tried} by hand; random search draws what is alike everywhere."
    comparison = dataclasses.replace(comparison, trials=trials, notes=(note,))
    slopes = differences(task, design, jax.random.fold_in(key, 2))
    best = design.at(jnp.asarray(comparison.best().theta, jnp.result_type(float)))
    return Study(task, comparison, design, slopes, resolve(test, best, jax.random.fold_in(key, 3)))


def best_by_hand(task: Task, tree: Learner | Few, key: Array) -> tuple[Learner | Few, int]:
    """The best of two grids, one after the other, by the objective, and how many were tried."""
    design, tried = task.design(tree), 0
    for grid in grids():
        trees = [alike(tree, values) for values in grid]
        thetas = [design.with_tree(t).theta for t in trees]
        judged = [float(codesign.evaluate(task.objective, design, theta, 3, False, key)) for theta in thetas]
        tree, tried = trees[int(np.nanargmin(judged))], tried + len(trees)
    return tree, tried


def scalars(design: Design, around: Array, key: Array) -> Array:
    """A random design of scalars: what rows or columns share is drawn once, a schedule goes evenly from end to end."""
    drawn = design.draw(around, key=key)
    for v in design.variables:
        place = design.part(v.name)
        if v.size > 1:
            first = drawn[place.start]
            last = drawn[place.stop - 1] if v.name == "schedule" else first
            drawn = drawn.at[place].set(jnp.linspace(first, last, v.size))
    return drawn
