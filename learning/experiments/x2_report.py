"""The comparison of experiment X2, and what has to be said beside it. `neurojax run x2` is this `run`.

The table has the weights of a computer as they are, the best window by hand, random search over the circuit, two
evolution strategies and the gradient over weights and circuit, all by the same objective. Beside it stand power, area
and circuit of each, and the currents of the best chip by a direct solution of Kirchhoff's equations.
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
from matplotlib.axes import Axes
from rich.console import Group
from rich.table import Table

from learning import codesign
from learning.experiments.x2_array import Chip, Task, digits, ideal_error, software, windows
from learning.experiments.x2_resolve import resolve

UNITS = {
    "slope": ("", 1.0), "g_max": ("uS", 1e6), "v_read": ("mV", 1e3), "driver": ("ohm", 1.0), "pitch": ("", 1.0),
    "v_0": ("mV", 1e3),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Report:
    """X2 for one resistance of the wires.

    Attributes:
        task: how chips are read. comparison: the table, in parts of wrong answers. ideal: those of the weights of a
            computer on a computer. chips: the best of each method. watts, cells: power of an input and area of those.
        apart: currents of the columns of the best chip by a direct solution, largest difference over largest current.
    """

    task: Task
    comparison: codesign.Comparison
    ideal: float
    chips: dict[str, Chip]
    watts: dict[str, float]
    cells: dict[str, float]
    apart: float

    def __rich__(self) -> Group:
        table = Table(title="the best of each")
        table.add_column("method")
        units = {n: UNITS[n] for n in self.task.circuit}
        for head in ("power (uW)", "area (cells)", *(f"{n} ({u})" if u else n for n, (u, _) in units.items())):
            table.add_column(head, justify="right")
        for name, chip in self.chips.items():
            circuit = (f"{float(getattr(chip, n)) * f:.3g}" for n, (_, f) in units.items())
            table.add_row(name, f"{self.watts[name] * 1e6:.3g}", f"{self.cells[name]:.4g}", *circuit)
        table.caption = (
            f"On a computer the weights of the start are wrong on {self.ideal:.3g}. A direct solution of the best chip "
            f"by gradient differs by {self.apart:.1e}."
        )
        return Group(self.comparison.__rich__(), table)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        circuits = {m: {n: float(getattr(c, n)) for n in self.task.circuit} for m, c in self.chips.items()}
        return {
            "task": dataclasses.asdict(self.task), "comparison": self.comparison.to_dict(), "ideal": self.ideal,
            "circuits": circuits, "watts": self.watts, "cells": self.cells, "apart": self.apart,
        }  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Axes:
        """The comparison, on `ax`."""
        return self.comparison.plot(ax)

    def plot_conductances(self, ax: Axes | None = None) -> Axes:
        """How many cells have which conductance, at the start and in the best chip by gradient, on `ax`."""
        ax = ax or plt.subplots(figsize=(4.5, 3.2), layout="constrained")[1]
        for name in (self.comparison.start, "gradient"):
            g = np.asarray(self.task.conductances(self.chips[name], None)) * 1e6
            ax.hist(g[g > 0], bins=list(np.geomspace(1e-2, 1e3, 41)), histtype="step", label=name)
        ax.set_xscale("log")
        ax.set_xlabel("conductance (uS)")
        ax.set_ylabel("cells")
        ax.legend()
        return ax


def run(
    *,
    seeds: int = 5,
    output: str | os.PathLike[str] | None = None,
    ohm: float = 30.0,
    read_noise: float = 3e-7,
    bits: int = 8,
    spread: float = 0.03,
    tiles: int = 1,
    price_power: float = 1e-3,
    price_area: float = 0.01,
    price_write: float = 0.02,
    selector: bool = False,
    steps: int = 300,
    learning_rate: float = 0.05,
    seed: int = 0,
    progress: bool = True,
) -> Report:
    """X2: weights and circuit of a crossbar designed together, through its wires, beside what needs no gradient.

    Args:
        seeds: runs of each method, each with its own draws. output: folder, from which a killed run goes on.
        ohm: of a segment. read_noise: of the current of a column (A). bits: of the converters. spread: of the
            conductances, in parts. tiles: arrays that the rows are cut into.
        price_power: of 1 uW, price_area: of the area of all cells, price_write: of the power that half-selected cells
            take, over that of the one that is written; beside the cross-entropy.
        selector: whether cells have one, whose bend is designed too.
        steps: of the gradient. learning_rate: of Adam. seed: of all random numbers. progress: bars on a terminal.

    Raises:
        DataError: numbers that make no chip, or scikit-learn is missing. DesignError: the folder holds another
            experiment.
    """
    prices = dict(price_power=price_power, price_area=price_area, price_write=price_write)
    task = Task(ohm, read_noise, bits, spread, tiles=tiles, selector=selector, **prices)
    key, start = jax.random.key(seed), software()
    design = task.design(start)
    by_hand, tried = _by_hand(task, design, start, jax.random.fold_in(key, 1))
    comparison = codesign.compare(
        task.objective, design,
        codesign.Setting(steps, 1, learning_rate, sample=task.sample, batch=8),
        seeds=seeds, hand={f"best of {tried} by hand": by_hand}, test=task.error, test_draws=16,
        options=codesign.Options(validation_draws=4, abreast=False, progress=progress),
        folder=None if output is None else Path(output) / "searches", unit="part of wrong answers", key=key,
        title=f"X2: digits, {ohm:g} ohm a segment, {read_noise * 1e9:g} nA, {bits} bits, spread {spread:g}"
        + (", selectors" if selector else ""),
    )  # fmt: skip
    chips = {m: design.at(jnp.asarray(comparison.best(m).theta)) for m in comparison.trials}
    found = {m: task.answer(chip, digits().x, None) for m, chip in chips.items()}
    watts, cells = ({m: float(getattr(a, n)) for m, a in found.items()} for n in ("power", "area"))
    apart = resolve(task, chips["gradient"])
    return Report(task, comparison, ideal_error(start), chips, watts, cells, apart)


def _by_hand(task: Task, design: codesign.Design, chip: Chip, key: jax.Array) -> tuple[Chip, int]:
    """The best of all windows, by the objective."""
    trees = [
        dataclasses.replace(c, v_0=jnp.asarray(v, c.slope.dtype))
        for c in windows(chip, 8 if task.selector else 16)
        for v in ((0.1, 0.2, 0.5) if task.selector else (1.0,))
    ]
    judge = eqx.filter_jit(lambda theta: codesign.evaluate(task.objective, design, theta, 4, False, key))
    judged = [float(judge(design.with_tree(t).theta)) for t in trees]
    return trees[int(np.nanargmin(judged))], len(trees)
