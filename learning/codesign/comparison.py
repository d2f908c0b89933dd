"""What the methods have reached side by side, over seeds: the table, the JSON and the plots of a co-design."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from rich.console import Console
from rich.table import Table

GRADIENT = "gradient"
BOTH = "random, then gradient"


@dataclasses.dataclass(frozen=True)
class Trial:
    """One search, or one design by hand (no evaluations), judged by the test.

    Attributes:
        test: the value of the test, smaller is better. evaluations: spent. seconds: by the clock. seed: which.
        theta: the design, see `Design`. trace: evaluations and validations along the search.
        skipped: steps in which something was not finite. at_bounds: how many numbers of a variable ended on a bound.
    """

    test: float
    evaluations: float
    seconds: float
    seed: int
    theta: list[float]
    trace: list[list[float]]
    skipped: list[int]
    at_bounds: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All methods over the same seeds, by the same test, with as many evaluations.

    Attributes:
        title: what was designed. unit: what the test measures. ratio: evaluations that one gradient counted as.
        trials: by method, one a seed; the first method is where all searches start.
        notes: sentences that belong to the table.
    """

    title: str
    unit: str
    ratio: float
    trials: dict[str, list[Trial]]
    notes: tuple[str, ...] = ()

    @property
    def start(self) -> str:
        """Name of the design at which all searches start."""
        return next(iter(self.trials))

    def values(self, method: str) -> np.ndarray:
        """Test values (seeds,) of a `method`."""
        return np.asarray([t.test for t in self.trials[method]])

    def leader(self) -> str:
        """The gradient, or random search and then the gradient where that is lower in the median."""
        by_gradient = [m for m in (GRADIENT, BOTH) if m in self.trials]
        return min(by_gradient or [GRADIENT], key=lambda m: float(np.median(self.values(m))))

    def best(self, method: str | None = None) -> Trial:
        """The trial of a `method` (default the `leader`) with the lowest test value."""
        method = method or self.leader()
        return min(self.trials[method], key=lambda t: t.test if np.isfinite(t.test) else np.inf)

    def factor(self, method: str, over: str = GRADIENT) -> np.ndarray:
        """Test values of `method` over those of another one, `over`, seed by seed: above 1 the other one is better."""
        return self.values(method) / self.values(over)

    def verdict(self) -> str:
        """Whether the gradient is better than all others, in words and numbers."""
        others = [m for m in self.trials if m not in (GRADIENT, BOTH)]
        if GRADIENT not in self.trials or not others:
            return ""
        rival, ours = min(others, key=lambda m: float(np.median(self.values(m)))), self.leader()
        f = self.factor(rival, ours)
        wins = int((f > 1).sum())
        word = "wins" if wins == len(f) else "does not win" if np.median(f) <= 1 else "wins mostly"
        what = "The gradient" if ours == GRADIENT else "Random search and then the gradient"
        return (
            f"{what} {word}: the next is {rival}, whose {self.unit} is {np.median(f):.3g} times that of the "
            f"gradient (median; {f.min():.3g} to {f.max():.3g}), the gradient lower in {wins} of {len(f)} seeds."
        )

    def __rich__(self) -> Table:
        said = [self.verdict(), *self._not_finite(), *self.notes]
        table = Table(title=self.title, caption="\n".join(said), caption_justify="left")
        heads = ("method", self.unit, "lowest .. highest", "/ gradient", "evaluations", "s")
        for k, head in enumerate(heads):
            table.add_column(head, justify="left" if k == 0 else "right")
        for method in self.trials:
            table.add_row(*self._row(method))
        return table

    def _row(self, method: str) -> tuple[str, ...]:
        v, trials = self.values(method), self.trials[method]
        sd = f" +- {v.std(ddof=1):.1g}" if len(v) > 1 else ""
        part = f"{np.median(self.factor(method)):.3g}" if GRADIENT in self.trials else ""
        took = [f"{np.mean([getattr(t, n) for t in trials]):.4g}" for n in ("evaluations", "seconds")]
        return (method, f"{v.mean():.3g}{sd}", f"{v.min():.3g} .. {v.max():.3g}", part, *took)

    def _not_finite(self) -> list[str]:
        """A sentence for each method that met numbers that are not finite."""
        steps = {m: sum(len(t.skipped) for t in trials) for m, trials in self.trials.items()}
        return [f"{m}: in {n} steps something was not finite." for m, n in steps.items() if n]

    def __repr__(self) -> str:
        return as_text(self)

    def to_dict(self) -> dict[str, Any]:
        """For JSON; what is not finite is None."""
        return _plain(dataclasses.asdict(self) | {"verdict": self.verdict()})

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write all of it to `path` as JSON, in one go; returns the path."""
        return write_json(path, self.to_dict())

    def plot(self, ax: Axes | None = None) -> Axes:
        """Test values of all seeds by method, on `ax`."""
        ax = ax or plt.subplots(figsize=(6, 3.2), layout="constrained")[1]
        for k, method in enumerate(self.trials):
            v = self.values(method)
            ax.plot(np.full(len(v), k), v, "o", alpha=0.6)
            ax.hlines(np.median(v), k - 0.25, k + 0.25, color="black")
        ax.set_xticks(range(len(self.trials)), list(self.trials), rotation=20)
        ax.set_ylabel(self.unit)
        ax.set_title(self.title)
        if all((self.values(m) > 0).all() for m in self.trials):
            ax.set_yscale("log")
        return ax

    def plot_history(self, ax: Axes | None = None) -> Axes:
        """The best validation so far over the evaluations, a line a seed, on `ax`."""
        ax = ax or plt.subplots(figsize=(6, 3.2), layout="constrained")[1]
        searched = [m for m in self.trials if len(self.trials[m][0].trace) == 2]
        for k, method in enumerate(searched):
            for n, trial in enumerate(self.trials[method]):
                at, seen = trial.trace
                label = method if n == 0 else None
                ax.plot(at, np.minimum.accumulate(seen), color=f"C{k}", alpha=0.7, label=label)
        ax.set_xlabel("evaluations of the objective")
        ax.set_ylabel("best validation so far")
        ax.legend()
        return ax


def as_text(thing: Any) -> str:
    """What rich prints of a `thing`, in lines of up to 140 characters, without colours."""
    console = Console(width=140, no_color=True, force_terminal=False)
    with console.capture() as caught:
        console.print(thing)
    return caught.get()


def write_json(path: str | os.PathLike[str], content: Any) -> Path:
    """Write `content` to `path` as JSON, whole or not at all."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    part.write_text(json.dumps(content, indent=1), encoding="utf-8")
    os.replace(part, target)
    return target


def _plain(x: Any) -> Any:
    if isinstance(x, dict):
        return {k: _plain(v) for k, v in x.items()}
    if isinstance(x, list | tuple):
        return [_plain(v) for v in x]
    return None if isinstance(x, float) and not np.isfinite(x) else x
