"""The comparison of experiment X1, and what has to be said beside it. `neurojax run x1` is this `run`.

The table has the nominal design, the best of a grid by hand, random search, two evolution strategies, the gradient, and
random search followed by it. Beside it stand both errors (over variance and over power), linear readouts of past
inputs, which need no reservoir, and the best design once more by another solver at tight tolerances.
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
from learning.codesign.compare import BASELINES, BOTH
from learning.experiments.x1_devices import Driven
from learning.experiments.x1_reservoir import Reservoir
from learning.experiments.x1_tasks import LAGS, linear_lags, piece
from learning.metrics import nmse
from neurojax.errors import DataError

PUBLISHED = {
    "second_order": "published for 90 WOx nodes: 3.1e-3 over power (10.1038/s41467-017-02337-y; number recalled)",
    "henon_map": "published with TiOx/TaOy: NRMSE .046, error over variance 2.1e-3 (10.1038/s41467-020-20692-1)",
}
STEPS = {"leaky": 600, "wox": 100, "diffusive": 60, "second_order": 60}
NODES = {"leaky": 20}


@dataclasses.dataclass(frozen=True)
class Report:
    """X1 for one device and one task.

    Attributes:
        reservoir: how it is tested. comparison: the table. errors: (over variance, over power) of the start and of the
            best design by gradient. lags: error over variance by number of past inputs of a linear readout.
        resolved: of the best design, error over variance by the integrator of the search, by another solver at tight
            tolerances, the largest difference of the readings in parts of their range, and how many nodes the other
            solver has given up, of which nothing can be said.
        nodes: how many.
    """

    reservoir: Reservoir
    comparison: codesign.Comparison
    errors: dict[str, tuple[float, float]]
    lags: dict[int, float]
    resolved: tuple[float, float, float, int]
    nodes: int

    def best(self) -> Driven:
        """The best design by gradient."""
        design = self.reservoir.design(self.nodes)
        return design.at(jnp.asarray(self.comparison.best().theta))

    def __rich__(self) -> Group:
        table = Table(title="beside it")
        table.add_column("what")
        table.add_column("error over variance", justify="right")
        table.add_column("over power", justify="right")
        for name, (variance, power) in self.errors.items():
            table.add_row(name, f"{variance:.3g}", f"{power:.3g}")
        for n, error in self.lags.items():
            table.add_row(f"linear readout of {n} past inputs", f"{error:.3g}", "")
        ours, other, apart, left = self.resolved
        table.add_row("best, integrator of the search", f"{ours:.4g}", "")
        exact = self.reservoir.kind.exact
        told = f"readings {apart:.1e} apart" + (f", {left} of {self.nodes} nodes given up" if left else "")
        table.add_row(f"best, Kvaerno5 at {exact:g} ({told})", f"{other:.4g}", "")
        table.caption = PUBLISHED.get(self.reservoir.task, "")
        return Group(self.comparison.__rich__(), table)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: numbers and lists, designs in SI."""
        design = self.reservoir.design(self.nodes)
        after = design.values(jnp.asarray(self.comparison.best().theta))
        return {
            "reservoir": dataclasses.asdict(self.reservoir), "nodes": self.nodes,
            "comparison": self.comparison.to_dict(), "errors": {n: list(e) for n, e in self.errors.items()},
            "lags": {str(n): e for n, e in self.lags.items()}, "resolved": list(self.resolved),
            "before": {n: v.tolist() for n, v in design.values().items()},
            "after": {n: v.tolist() for n, v in after.items()},
        }  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Axes:
        """The comparison, on `ax`."""
        return self.comparison.plot(ax)

    def plot_nodes(self, ax: Axes | None = None) -> Axes:
        """Voltages at the inputs 0 and 1 over the parameter that sets the time constant, before and after, on `ax`."""
        ax = ax or plt.subplots(figsize=(4.5, 3.2), layout="constrained")[1]
        name = self.reservoir.kind.tau
        unit = self.reservoir.kind.make().parameters()[name].unit
        for k, (label, tree) in enumerate((("before", self.reservoir.design(self.nodes).tree), ("after", self.best()))):
            slow = np.asarray(getattr(tree.device, name))
            ax.vlines(slow, np.asarray(tree.v_low), np.asarray(tree.v_high), color=f"C{k}", label=label)
            ax.plot(slow, np.asarray(tree.v_high), "^", color=f"C{k}")
        ax.set_xscale("log")
        ax.set_xlabel(f"{name} ({unit})")
        ax.set_ylabel("voltage from input 0 to input 1 (V)")
        ax.legend()
        return ax


def run(
    *,
    seeds: int = 5,
    output: str | os.PathLike[str] | None = None,
    device: str = "wox",
    task: str = "second_order",
    nodes: int = 0,
    steps: int = 0,
    draws: int = 1,
    length: int = 0,
    noise: float = 0.01,
    spread: float = 0.03,
    learning_rate: float = 0.1,
    seed: int = 0,
    progress: bool = True,
) -> Report:
    """X1: design a reservoir of volatile memristors by gradient, beside what needs no gradient.

    Args:
        seeds: runs of each method, each with its own draws. output: folder, from which a killed run goes on.
        device: leaky, wox, diffusive, second_order. task: second_order, narma10, mackey_glass, henon_map.
        nodes: devices; 0 for the usual 12 (20 leaky ones). steps: of the gradient, 0 for what takes minutes.
        draws: keys a step averages over. length: samples of a piece, 0 for 200 (1000 of leaky ones).
        noise: of a reading, in parts of it. spread: from device to device, in parts. learning_rate: of Adam.
        seed: of all random numbers. progress: bars on a terminal.

    Raises:
        DataError: an unknown device or task, or numbers that make no reservoir.
        DesignError: the folder holds another experiment.
    """
    quick = device == "leaky"
    reservoir = Reservoir(device, task, noise, spread, length or (1000 if quick else 200), 50 if quick else 40)
    nodes, steps = nodes or NODES.get(device, 12), steps or STEPS[device]
    if nodes < 2:
        raise DataError(f"nodes = {nodes}: a reservoir needs two or more.")
    design, key = reservoir.design(nodes), jax.random.key(seed)
    test = dataclasses.replace(reservoir, decades=False, unseen=True, length=2 * reservoir.length)
    options = codesign.Options(validation_draws=4, abreast=quick, progress=progress)
    by_hand, tried = _by_hand(reservoir, design, quick, jax.random.fold_in(key, 1))
    comparison = codesign.compare(
        reservoir, design,
        codesign.Setting(steps, draws, learning_rate, sample=reservoir.sample),
        seeds=seeds, baselines=(*BASELINES, BOTH), hand={f"best of {tried} by hand": by_hand},
        test=test, test_draws=8, options=options,
        folder=None if output is None else Path(output) / "searches", unit="NMSE", key=key,
        title=f"X1: {nodes} nodes of {device}, {task}, noise {noise:.3g}, spread {spread:.3g}; NMSE over variance",
    )  # fmt: skip
    best = design.at(jnp.asarray(comparison.best().theta))
    unseen = jax.random.split(jax.random.fold_in(key, 2), 8)
    errors = {name: both_errors(test, tree, unseen) for name, tree in (("start", design.tree), ("gradient", best))}
    lags = {n: float(np.mean([linear_lags(task, n, test.length, key=k) for k in unseen])) for n in LAGS}
    resolved = resolve(dataclasses.replace(test, length=reservoir.length), best, key=jax.random.fold_in(key, 3))
    return Report(test, comparison, errors, lags, resolved, nodes)


@eqx.filter_jit
def _targets(test: Reservoir, tree: Driven, keys: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jax.lax.map(lambda k: test.answers(tree, key=k), keys)


def both_errors(test: Reservoir, tree: Driven, keys: jax.Array) -> tuple[float, float]:
    """Error of a `tree` over variance and over power, by a reservoir `test`, means over some `keys`."""
    y, answers = _targets(test, tree, keys)
    variance = jax.vmap(lambda a, b: nmse(a, b, "variance"))(answers, y)
    power = jax.vmap(lambda a, b: nmse(a, b, "power"))(answers, y)
    return float(jnp.mean(variance)), float(jnp.mean(power))


def _by_hand(reservoir: Reservoir, design: codesign.Design, abreast: bool, key: jax.Array) -> tuple[Driven, int]:
    """The best of a grid over the voltages at both inputs, all nodes alike but for their time constants."""
    top = reservoir.kind.v_max
    pairs = [(a * top, b * top) for b in (0.2, 0.35, 0.5, 0.7, 0.9) for a in (-0.5, -0.2, 0.0, 0.2) if a < b]
    full = lambda v: jnp.full_like(design.tree.v_low, v)  # noqa: E731
    trees = [dataclasses.replace(design.tree, v_low=full(a), v_high=full(b)) for a, b in pairs]
    judged = [
        float(codesign.evaluate(reservoir, design, design.with_tree(t).theta, 4, abreast, key)) for t in trees
    ]  # fmt: skip
    return trees[int(np.nanargmin(judged))], len(trees)


def resolve(reservoir: Reservoir, tree: Driven, *, key: jax.Array) -> tuple[float, float, float, int]:
    """Whether a design is one of the device or one of the integrator: the same reservoir by two solvers.

    Args:
        reservoir: how it is driven and read. tree: the design. key: of inputs, spread and noise, the same for both.

    Returns:
        Error over variance by the integrator of the search, by Kvaerno5 of diffrax (`Kind.exact`), and the largest
        difference of a noiseless reading, in parts of the range of all; the number of nodes that Kvaerno5 gives up.
    """
    inputs, _, _ = jax.random.split(key, 3)
    s = piece(reservoir.task, reservoir.washout + reservoir.length, unseen=reservoir.unseen, key=inputs)[0]
    found = [_readings(r, tree, s, key) for r in (reservoir, dataclasses.replace(reservoir, tight=True))]
    (g, error), (exact, other) = ((np.asarray(g), float(error)) for g, error in found)
    done = np.isfinite(exact).all(axis=0)
    apart = np.max(np.abs(g - exact)[:, done], initial=0.0) / np.ptp(exact[:, done]) if done.any() else np.nan
    return error, other, float(apart), int(np.sum(~done))


@eqx.filter_jit
def _readings(reservoir: Reservoir, tree: Driven, s: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Without noise, and the error with it."""
    y, answers = reservoir.answers(tree, key=key)
    return reservoir.conductances(tree, reservoir.states(tree, s)), nmse(answers, y)
