"""X4: how long a synapse of a few coupled states remembers, designed by hand, at random, by evolution and by gradient.

    report = run(states="2,4", seeds=5)
    print(report)

The budget is `x4_chain.C_BOUNDS`, `x4_chain.G_BOUNDS`, 1e5 synapses, and an SNR of 40 for a new memory. Four aims: the
lifetime of a memory; the mean of ln SNR at ages of 1 to 1e4; permuted digits learned in turn by a network whose weights
are chains (`x4_digits_study.py`); the lifetime in devices, simulated (`x4_devices_study.py`). Each seed starts all
searches of an aim at the same place; each search has as many evaluations, a gradient counted as several.
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
from jaxtyping import Array
from matplotlib.axes import Axes
from rich.console import Group

from learning import codesign
from learning.codesign import Comparison, Design, Trial
from learning.experiments import x4_devices_study, x4_digits_study
from learning.experiments.x4_chain import Chain, brightened, hand_law, horizon_loss, lifetime_loss
from learning.experiments.x4_devices import faded, signal_to_noise
from learning.experiments.x4_devices_study import Devices
from learning.experiments.x4_digits_study import Digits
from learning.experiments.x4_search import GRADIENT_COUNTS, by_hand, searches, trial
from neurojax.errors import DataError

SYNAPSES = 1e5
AIMS: dict[str, tuple[Callable[..., Array], str]] = {
    "lifetime": (lifetime_loss, "1/lifetime"),
    "horizons": (horizon_loss, "1/SNR, mean of ages"),
}
OTHERS = ("digits", "devices")


@dataclasses.dataclass(frozen=True)
class Report:
    """Comparisons by aim and number of states, and the best chain of each.

    Attributes:
        comparisons, chains: by (aim, states). digits, devices: of these aims, None where they were not asked for.
    """

    comparisons: dict[tuple[str, int], Comparison]
    chains: dict[tuple[str, int], Chain]
    digits: Digits | None = None
    devices: Devices | None = None

    def __rich__(self) -> Group:
        rows = [f"best {aim}, {m} states: {self.told(aim, m)}" for aim, m in self.chains]
        others = (part for part in (self.digits, self.devices) if part)
        return Group(*self.comparisons.values(), *self.by_states(), *rows, *others)

    def __repr__(self) -> str:
        return codesign.as_text(self)

    def by_states(self) -> list[str]:
        """What further states bring: the best lifetime, or mean SNR, of all methods by the number of states."""
        found: dict[str, list[str]] = {}
        for (aim, m), c in self.comparisons.items():
            best = min(t.test for trials in c.trials.values() for t in trials)
            found.setdefault(aim, []).append(f"{m}: {1 / best:.5g}")
        return [f"{aim}, best of all methods by states: {', '.join(row)}" for aim, row in found.items()]

    def told(self, aim: str, states: int) -> str:
        """The best chain for an `aim` with some `states`, in words and numbers."""
        chain = self.chains[aim, states]
        numbers = lambda a: " ".join(f"{float(x):.3g}" for x in a)  # noqa: E731
        fresh = math.sqrt(SYNAPSES / float(chain.noise()))
        life = float(chain.lifetime(SYNAPSES))
        return f"C {numbers(chain.c)}, g {numbers(chain.g)}, SNR {fresh:.3g}, lifetime {life:.5g}"

    def to_dict(self) -> dict[str, Any]:
        """The comparisons and the best designs, for JSON."""
        found: dict[str, Any] = {
            f"{aim}, {m} states": c.to_dict() | {"best": self.told(aim, m)} for (aim, m), c in self.comparisons.items()
        }
        return found | {n: part.to_dict() for n in OTHERS if (part := getattr(self, n)) is not None}

    def plot(self, ax: Axes | None = None) -> Axes:
        """SNR over the age of a memory of the best chains, on `ax`, beside one state, the paper's chain and t^-1/2."""
        ax = ax or plt.subplots(figsize=(6, 4), layout="constrained")[1]
        t = jnp.geomspace(0.1, 1e6, 200)
        for (aim, m), chain in self.chains.items():
            ax.loglog(t, chain.signal_to_noise(t, SYNAPSES), label=f"{aim}, {m} states")
        if self.devices is not None:
            ages, ratio = signal_to_noise(faded(self.devices.circuits[self.devices.best]))
            ax.loglog(ages, ratio, "-.", label="in devices")
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
    states: str = "1,2,4,8",
    aims: str = "lifetime,horizons,digits,devices",
    seeds: int = 5,
    steps: int = 400,
    rate: float = 0.3,
    digit_steps: int = 40,
    device_steps: int = 100,
    output: str | os.PathLike[str] | None = None,
) -> Report:
    """X4: memory lifetime of coupled states per device budget, exact and in devices, and digits learned in turn.

    Args:
        states: numbers of states, with commas, of the first two aims. aims: of "lifetime", "horizons", "digits",
            "devices", with commas. seeds: of each search. steps: of the gradient, of the first two aims. rate: of its
            optimiser. digit_steps, device_steps: of the gradient, of the other two.
        output: folder, from which a killed run goes on.

    Raises:
        DataError: an unknown aim, or no seeds. DesignError: the folder holds another run.
    """
    folder = None if output is None else Path(output) / "searches"
    chosen = [a.strip() for a in aims.split(",")]
    known = (*AIMS, *OTHERS)
    if not set(chosen) <= set(known) or seeds < 1:
        raise DataError(f"x4: aims = {aims!r}, there are {', '.join(known)}; seeds = {seeds} must be one or more.")
    comparisons, chains = {}, {}
    for aim in (a for a in chosen if a in AIMS):
        for m in (int(s) for s in states.split(",")):
            comparisons[aim, m], chains[aim, m] = compared(aim, m, seeds, steps, rate, folder)
    digits = devices = None
    if "digits" in chosen:
        digits = x4_digits_study.study(seeds=seeds, steps=digit_steps, folder=folder, key=jax.random.key(0))
    if "devices" in chosen:
        devices = x4_devices_study.study(seeds=seeds, steps=device_steps, folder=folder)
    return Report(comparisons, chains, digits, devices)


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
    trials: dict[str, list[Trial]] = {n: by_hand(loss, design, chain, seeds) for n, chain in hand.items()}
    for s in range(seeds):
        key = jax.random.key(s)
        start = design.moved(design.draw(design.theta, key=key))
        place = None if folder is None else folder / f"{aim}_{m}_{s}"
        how: dict[str, Any] = dict(steps=steps, rate=rate, title=f"x4 {aim}, {m} states", place=place, key=key)
        for name, result in searches(loss, start, **how).items():
            trials.setdefault(name, []).append(trial(loss, result, s))
    best = min((t for found in trials.values() for t in found), key=lambda t: t.test)
    chain = design.at(jnp.asarray(best.theta))
    note = "Smaller is better; methods by hand are the same for all seeds, searches start at a random chain each."
    title = f"X4 {aim}, {m} states"
    return Comparison(title, unit, GRADIENT_COUNTS, trials, (note,)), brightened(chain) if aim == "lifetime" else chain
