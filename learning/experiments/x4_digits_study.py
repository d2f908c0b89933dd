"""Chains that hold the weights of a network, beside plain descent and elastic weight consolidation.

All methods see the same permutations, first weights and batches. Whatever has a number to choose by hand (rate,
strength, hardness) has the best of a grid, judged as the searches judge; the table is made from the test part of the
digits and from permutations that nobody has seen.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from rich.console import Group
from rich.table import Table

from learning import codesign
from learning.codesign import Comparison, Design, Trial
from learning.experiments.x4_chain import Chain, brightened, hand_law
from learning.experiments.x4_digits import InTurn, Plastic, plastic

UNSEEN = 0x7E57
"""Folded into the keys of the test, as `learning.codesign.compare` does."""
DRAWS, JUDGED = 8, 4
"""Unseen sequences of tasks for each seed of the table, and those that choose among designs."""
FREE = {"chains": ("chains", "rate"), "hardening chains": ("chains", "rate", "hardness")}
"""What moves, by kind of synapse."""
GRADIENT_COUNTS = 10.0
"""Evaluations that a gradient takes by the clock; it has the derivatives of derivatives in it."""
RATES, CHAIN_RATES = (0.03, 0.1, 0.2, 0.4), (0.1, 0.3, 1.0, 3.0)
STRENGTHS, HARDNESSES = (1.0, 3.0, 10.0, 30.0), (10.0, 30.0, 100.0)
Trainer = Callable[[InTurn, Array], Any]
"""From the problem and a key to the network that is trained."""


@dataclasses.dataclass(frozen=True)
class Digits:
    """What permuted digits say.

    Attributes:
        comparisons: by kind of synapse, as `FREE`. told: accuracies (tasks,) of each row by kind, means of all seeds.
        designs: the best of all by kind. chosen: what the grids by hand have chosen, in words, by row.
    """

    comparisons: dict[str, Comparison]
    told: dict[str, dict[str, list[float]]]
    designs: dict[str, Plastic]
    chosen: dict[str, str]

    def __rich__(self) -> Group:
        return Group(*(part for kind, c in self.comparisons.items() for part in (c, self._tasks(kind))))

    def _tasks(self, kind: str) -> Table:
        best = self.designs[kind]
        each = lambda a: " ".join(f"{float(x):.3g}" for x in np.ravel(a))  # noqa: E731
        words = f"best, layer by layer: C {each(best.chains.c)}, g {each(best.chains.g)}, rate {each(best.rate)}"
        words += f", hardness {each(best.hardness)}" if kind != "chains" else ""
        said = [words, *(f"{name}: {text}" for name, text in self.chosen.items())]
        table = Table(title=f"accuracies, {kind}", caption="\n".join(said), caption_justify="left")
        for head in ("method", "first task", "second", "third", "mean"):
            table.add_column(head, justify="left" if head == "method" else "right")
        for name, told in self.told[kind].items():
            table.add_row(name, *(f"{a:.3f}" for a in (*told, float(np.mean(told)))))
        return table

    def __repr__(self) -> str:
        return codesign.as_text(self)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            kind: c.to_dict() | {"accuracies": self.told[kind], "chosen": self.chosen}
            for kind, c in self.comparisons.items()
        }

    def plot(self, ax: Axes | None = None, kind: str = "hardening chains") -> Axes:
        """Accuracies of all tasks as bars, by method, on `ax`."""
        return bars(self.told[kind if kind in self.told else next(iter(self.told))], ax)


def bars(told: dict[str, list[float]], ax: Axes | None = None) -> Axes:
    """Accuracies by method as bars, one a task, their mean as a line, on `ax`.

    Args:
        told: accuracies (tasks,) by name. ax: new ones if None.
    """
    ax = ax or plt.subplots(figsize=(7, 3.4), layout="constrained")[1]
    tasks = len(next(iter(told.values())))
    for task in range(tasks):
        at = np.arange(len(told)) + (task - (tasks - 1) / 2) * 0.8 / tasks
        ax.bar(at, [a[task] for a in told.values()], width=0.8 / tasks, label=f"task {task + 1}")
    for k, a in enumerate(told.values()):
        ax.hlines(float(np.mean(a)), k - 0.42, k + 0.42, color="black")
    ax.set_xticks(range(len(told)), list(told), rotation=25, ha="right")
    ax.set(ylabel="accuracy after the last task", ylim=(0, 1.05))
    ax.legend(loc="lower left", fontsize=8)
    return ax


def study(
    *,
    seeds: int = 5,
    steps: int = 40,
    learning_rate: float = 0.1,
    states: int = 2,
    problem: InTurn | None = None,
    kinds: tuple[str, ...] = tuple(FREE),
    folder: Path | None = None,
    progress: bool = True,
    key: Array,
) -> Digits:
    """All methods on permuted digits.

    Args:
        seeds: of each search. steps, learning_rate: of the gradient. states: of a chain. problem: the tasks.
        kinds: of `FREE`. folder: for what each search has so far. progress: bars on a terminal.
        key: a `jax.random.key`.
    """
    problem = problem or InTurn()
    others, chosen = elastic_rows(problem, key)
    comparisons, told, designs = {}, {}, {}
    for kind in kinds:
        rows, words = chain_rows(problem, states, key, hardening=kind != "chains")
        chosen |= words
        start = rows.pop("start")
        design = Design(start, FREE[kind])
        comparison = codesign.compare(
            problem, design, codesign.Setting(steps, 1, learning_rate), seeds=seeds, hand=rows,
            test=dataclasses.replace(problem, unseen=True).error, test_draws=DRAWS, ratio=GRADIENT_COUNTS,
            options=codesign.Options(validation_draws=JUDGED, validations=6, abreast=False, progress=progress),
            folder=None if folder is None else folder / f"digits_{kind.replace(' ', '_')}_{states}",
            unit="part of wrong answers", title=f"X4 digits in turn, {kind}, {states} states", key=key,
        )  # fmt: skip
        trials, told[kind] = _judged(problem, design, comparison, others, key)
        comparisons[kind] = dataclasses.replace(comparison, trials=trials)
        best = min((t for found in comparison.trials.values() for t in found), key=lambda t: t.test)
        designs[kind] = design.at(jnp.asarray(best.theta))
    return Digits(comparisons, told, designs, chosen)


def elastic_rows(problem: InTurn, key: Array) -> tuple[dict[str, tuple[float, float, bool]], dict[str, str]]:
    """(strength, rate, alike) of plain descent, of one stiffness for all weights and of EWC; and what was chosen.

    Args:
        problem: on which they are chosen. key: a `jax.random.key`.
    """
    keys = jax.random.split(jax.random.fold_in(key, 0xE1A), JUDGED)
    judge = _elastic(problem, keys, "guessed")
    grids = {
        "plain descent": [(0.0, r, False) for r in RATES],
        "one stiffness for all": [(s, 0.1, True) for s in STRENGTHS],
        "EWC": [(s, 0.1, False) for s in STRENGTHS],
    }
    best = {name: min(grid, key=lambda row: _low(judge(*row))) for name, grid in grids.items()}
    words = {name: f"strength {s:g}, rate {r:g}, the best of {len(grids[name])}" for name, (s, r, _) in best.items()}
    return best, words


def chain_rows(problem: InTurn, m: int, key: Array, *, hardening: bool) -> tuple[dict[str, Plastic], dict[str, str]]:
    """Chains by hand, each with its best rate, and where searches start; and what was chosen.

    Args:
        problem: on which they are chosen. m: states. key: a `jax.random.key`.
        hardening: whether weights harden; then there is a row of weights that do, and hardly are a chain.
    """
    keys = jax.random.split(jax.random.fold_in(key, 0xC4A), JUDGED)
    judge = eqx.filter_jit(lambda tree: jnp.mean(jax.lax.map(lambda k: problem(tree, k), keys)))
    idle = Chain.of((1.01,) * m, (1.1e-4,) * m)
    chains = {"C = 2^k": Chain.geometric(m), "best for one lifetime": brightened(hand_law(m))}
    hardest = 1.0 if hardening else 0.0
    grids: dict[str, list[tuple[Plastic, str]]] = {
        name: [(plastic(c, r, 1.01e-3 * hardest), f"rate {r:g}") for r in CHAIN_RATES] for name, c in chains.items()
    }
    if hardening:
        grids["hardening by hand"] = [
            (plastic(idle, r, h), f"rate {r:g}, hardness {h:g}") for r in CHAIN_RATES[1:3] for h in HARDNESSES
        ]
    best = {name: min(grid, key=lambda row: _low(judge(row[0]))) for name, grid in grids.items()}
    slow = Chain.of((1.5, *(20.0 * 2.0**k for k in range(m - 1))), (1e-3,) * (m - 1) + (2e-4,))
    start = plastic(slow, 0.3, 10.0 * hardest)
    words = {name: f"{word}, the best of {len(grids[name])}" for name, (_, word) in best.items()}
    return {"start": start} | {name: tree for name, (tree, _) in best.items()}, words


def _low(value: Any) -> float:
    return float(value) if np.isfinite(value) else np.inf


def _elastic(problem: InTurn, keys: Array, what: str) -> Callable[..., Array]:
    """Mean over `keys` of what is `told` or `guessed` of a network held elastically."""

    @eqx.filter_jit
    def judge(strength: Array, rate: Array, alike: bool) -> Array:
        def one(k: Array) -> Array:
            net = problem.elastic(strength, rate, k, alike=alike)
            return getattr(problem, what)(net, k)

        return jnp.mean(jax.lax.map(one, keys), axis=0)

    return lambda strength, rate, alike: judge(jnp.asarray(strength), jnp.asarray(rate), alike)


def _judged(
    problem: InTurn, design: Design, comparison: Comparison, others: dict[str, tuple[float, float, bool]], key: Array
) -> tuple[dict[str, list[Trial]], dict[str, list[float]]]:
    """Trials with those that are no chains in front of the searches, and accuracies of all, task by task."""
    test, seeds = dataclasses.replace(problem, unseen=True), len(next(iter(comparison.trials.values())))
    told: dict[str, list[Float[np.ndarray, " tasks"]]] = {}
    rows: dict[str, list[Trial]] = {name: [] for name in others}

    @eqx.filter_jit
    def of_tree(theta: Array, keys: Array) -> Array:
        tree = design.at(theta)
        return jnp.mean(jax.lax.map(lambda k: test.told(test.trained(tree, k), k), keys), axis=0)

    for s in range(seeds):
        keys = jax.random.split(jax.random.fold_in(jax.random.fold_in(key, s), UNSEEN), DRAWS)
        judge = _elastic(test, keys, "told")
        for name, how in others.items():
            found = np.asarray(judge(*how))
            told.setdefault(name, []).append(found)
            rows[name].append(Trial(float(1 - found.mean()), 0.0, 0.0, s, [], [], [], {}))
        for name, trials in comparison.trials.items():
            told.setdefault(name, []).append(np.asarray(of_tree(jnp.asarray(trials[s].theta), keys)))
    order = {n: t for n, t in comparison.trials.items() if not t[0].evaluations} | rows | comparison.trials
    return order, {name: np.mean(told[name], axis=0).tolist() for name in order}
