"""X4: how long a synapse of a few coupled states remembers, designed by hand, at random, by evolution and by gradient.

    report = run(states="2,4", seeds=5)
    print(report)

The budget is `x4_chain.C_BOUNDS`, `x4_chain.G_BOUNDS`, 1e5 synapses, and an SNR of 40 for a new memory. Two aims: the
lifetime of a memory, and the mean of ln SNR at ages of 1 to 1e4. Each seed starts all searches at the same random
chain; each search has as many evaluations, a gradient counted as three.
"""

import dataclasses
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array
from matplotlib.axes import Axes
from rich.console import Console, Group

from learning import codesign
from learning.codesign import Comparison, Design, Trial
from learning.experiments.x4_chain import Chain, brightened, hand_law, horizon_loss, lifetime_loss
from neurojax.errors import DataError

SYNAPSES = 1e5
AIMS: dict[str, tuple[Callable[..., Array], str]] = {
    "lifetime": (lifetime_loss, "1/lifetime"),
    "horizons": (horizon_loss, "1/SNR, mean of ages"),
}
GRADIENT_COUNTS = 3.0


@dataclasses.dataclass(frozen=True)
class Report:
    """Comparisons by aim and number of states, and the best chain of each.

    Attributes:
        comparisons, chains: by (aim, states).
    """

    comparisons: dict[tuple[str, int], Comparison]
    chains: dict[tuple[str, int], Chain]

    def __rich__(self) -> Group:
        rows = [f"best {aim}, {m} states: {self.told(aim, m)}" for aim, m in self.chains]
        return Group(*self.comparisons.values(), *rows)

    def __repr__(self) -> str:
        console = Console(width=140, no_color=True, force_terminal=False)
        with console.capture() as caught:
            console.print(self)
        return caught.get()

    def told(self, aim: str, states: int) -> str:
        """The best chain for an `aim` with some `states`, in words and numbers."""
        chain = self.chains[aim, states]
        numbers = lambda a: " ".join(f"{float(x):.3g}" for x in a)  # noqa: E731
        fresh = math.sqrt(SYNAPSES / float(chain.noise()))
        life = float(chain.lifetime(SYNAPSES))
        return f"C {numbers(chain.c)}, g {numbers(chain.g)}, SNR {fresh:.3g}, lifetime {life:.5g}"

    def to_dict(self) -> dict[str, Any]:
        """The comparisons and the best chains, for JSON."""
        return {
            f"{aim}, {m} states": c.to_dict() | {"best": self.told(aim, m)} for (aim, m), c in self.comparisons.items()
        }

    def plot(self, ax: Axes | None = None) -> Axes:
        """SNR over the age of a memory of the best chains, on `ax`, beside one state, the paper's chain and t^-1/2."""
        ax = ax or plt.subplots(figsize=(6, 4), layout="constrained")[1]
        t = jnp.geomspace(0.1, 1e6, 200)
        for (aim, m), chain in self.chains.items():
            ax.loglog(t, chain.signal_to_noise(t, SYNAPSES), label=f"{aim}, {m} states")
        one = brightened(hand_law(1))
        ax.loglog(t, one.signal_to_noise(t, SYNAPSES), ":", label="one state")
        ax.loglog(t, Chain.benna_fusi(8).signal_to_noise(t, SYNAPSES), "--", label="C = 2^k, 8 states")
        ax.loglog(t, 100 / jnp.sqrt(t), color="grey", lw=0.7, label="t^-1/2")
        ax.axhline(1.0, color="black", lw=0.7)
        ax.set(xlabel="age (memories)", ylabel="SNR", ylim=(0.3, 300), title=f"{SYNAPSES:g} synapses")
        ax.legend(fontsize=8)
        return ax


def run(
    *,
    states: str = "2,4",
    aims: str = "lifetime,horizons",
    seeds: int = 5,
    steps: int = 400,
    rate: float = 0.3,
    output: str | os.PathLike[str] | None = None,
) -> Report:
    """X4: memory lifetime of coupled states per device budget; no simulation, the modes of the chain are exact.

    Args:
        states: numbers of states, with commas. aims: of "lifetime" and "horizons", with commas. seeds: of each search.
        steps: of the gradient. rate: of its optimiser. output: folder, from which a killed run goes on.

    Raises:
        DataError: an unknown aim, or no seeds. DesignError: the folder holds another run.
    """
    folder = None if output is None else Path(output) / "searches"
    chosen = [a.strip() for a in aims.split(",")]
    if not set(chosen) <= set(AIMS) or seeds < 1:
        raise DataError(f"x4: aims = {aims!r}, there are {', '.join(AIMS)}; seeds = {seeds} must be one or more.")
    comparisons, chains = {}, {}
    for aim in chosen:
        for m in (int(s) for s in states.split(",")):
            comparisons[aim, m], chains[aim, m] = compared(aim, m, seeds, steps, rate, folder)
    return Report(comparisons, chains)


def compared(
    aim: str, m: int, seeds: int, steps: int, rate: float, folder: Path | None = None
) -> tuple[Comparison, Chain]:
    """All methods on one aim with one number of states, and the best chain of all.

    Args:
        aim: of `AIMS`. m: states. seeds: of each search. steps, rate: of the gradient.
        folder: for what each search has so far.
    """
    loss, unit = AIMS[aim]
    design = Design(Chain.geometric(m, 3.0, 4.0))
    hand = {"C = 2^k": Chain.geometric(m), "best geometric law": hand_law(m, loss)}
    trials: dict[str, list[Trial]] = {n: [_by_hand(loss, design, chain)] * seeds for n, chain in hand.items()}
    for s in range(seeds):
        key = jax.random.key(s)
        start = design.moved(design.draw(design.theta, key=key))
        place = None if folder is None else folder / f"{aim}_{m}_{s}"
        for name, result in _searches(loss, start, steps, rate, f"x4 {aim}, {m} states", place, key).items():
            trials.setdefault(name, []).append(_trial(loss, result, s))
    best = min((t for found in trials.values() for t in found), key=lambda t: t.test)
    chain = design.at(jnp.asarray(best.theta))
    note = "Smaller is better; methods by hand are the same for all seeds, searches start at a random chain each."
    title = f"X4 {aim}, {m} states"
    return Comparison(title, unit, GRADIENT_COUNTS, trials, (note,)), brightened(chain) if aim == "lifetime" else chain


def _searches(
    loss: Any, start: Design, steps: int, rate: float, title: str, place: Path | None, key: Array
) -> dict[str, codesign.Result]:
    def label(name: str) -> codesign.Options:
        return codesign.Options(label=f"{title}: {name}", checkpoint=None if place is None else place / name)

    found = {
        "gradient": codesign.optimise(
            loss, start, steps=steps, learning_rate=rate, ratio=GRADIENT_COUNTS, options=label("gradient"), key=key
        )
    }
    same: dict[str, Any] = dict(evaluations=found["gradient"].evaluations, key=key)
    found["random search"] = codesign.random_search(loss, start, options=label("random search"), **same)
    for name, kind in (("(1+1)-ES", "one"), ("CMA-ES", "cma")):
        found[name] = codesign.evolution_strategy(loss, start, kind=kind, noisy=False, options=label(name), **same)
    order = ("random search", "(1+1)-ES", "CMA-ES", "gradient")
    return {name: found[name] for name in order}


def _by_hand(loss: Any, design: Design, chain: Chain) -> Trial:
    theta = design.with_tree(chain).theta
    return Trial(float(jnp.exp(loss(chain))), 0.0, 0.0, 0, np.asarray(theta).tolist(), [], [], {})


def _trial(loss: Any, result: codesign.Result, seed: int) -> Trial:
    found = result.to_dict()
    same = {n: found[n] for n in ("evaluations", "seconds", "theta", "trace", "skipped", "at_bounds")}
    return Trial(test=float(jnp.exp(loss(result.tree))), seed=seed, **same)
