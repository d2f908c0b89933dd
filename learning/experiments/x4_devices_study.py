"""The lifetime of a memory in devices, designed by hand, at random, by evolution and by gradient.

Each seed starts all searches near the circuit of the best exact pair of states, moved at random. The best circuit is
simulated again by another solver, and with other kicks.
"""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array
from matplotlib.axes import Axes
from rich.console import Group

import neurojax as nj
from learning import codesign
from learning.codesign import Comparison, Trial
from learning.experiments.x4_chain import Chain, brightened, hand_law
from learning.experiments.x4_devices import (
    AGES,
    VOLTS,
    best_pair,
    device_chain,
    device_design,
    device_loss,
    faded,
    lifetime,
    signal_to_noise,
)
from learning.experiments.x4_search import GRADIENT_COUNTS, by_hand, searches, trial

KICKS = (0.001, 0.02, 0.1, 0.2)
"""Kicks (V) with which the best circuit is looked at."""
LATEST = 1e5
"""The last age, in times of `SECONDS`, to which the other solver goes."""


@dataclasses.dataclass(frozen=True)
class Devices:
    """Lifetimes of circuits.

    Attributes:
        comparison: all methods. circuits: the best one of each method. lives: lifetime of the best of all by kick (V).
        apart: largest difference of the voltage of u1 by Kvaerno5 of diffrax, in parts of a kick.
        exact: lifetime of the pair of states from which the circuit was made, as a linear chain.
    """

    comparison: Comparison
    circuits: dict[str, nj.Circuit]
    lives: dict[float, float]
    apart: float
    exact: float

    @property
    def best(self) -> str:
        """The method with the longest lifetime."""
        return min(self.comparison.trials, key=lambda m: self.comparison.best(m).test)

    def told(self) -> str:
        """The best circuit in words and numbers."""
        circuit: Any = self.circuits[self.best]
        values = device_design(circuit).values()
        parts = ", ".join(f"{name.removeprefix('parts.')} {float(v):.3g}" for name, v in values.items())
        lives = ", ".join(f"{life:.5g} at {volts:g} V" for volts, life in self.lives.items())
        return (
            f"best circuit ({self.best}): {parts}.\nLifetime by the kick: {lives}. The pair of states that it starts "
            f"from, as a linear chain: {self.exact:.5g}.\nKvaerno5 of diffrax is within {self.apart:.1e} of a kick."
        )

    def __rich__(self) -> Group:
        return Group(self.comparison, self.told())

    def __repr__(self) -> str:
        return codesign.as_text(self)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return self.comparison.to_dict() | {"best": self.told(), "lives": {str(v): x for v, x in self.lives.items()}}

    def plot(self, ax: Axes | None = None) -> Axes:
        """SNR over the age of a memory of the best circuit of each method, on `ax`."""
        ax = ax or plt.subplots(figsize=(6, 4), layout="constrained")[1]
        for method, circuit in self.circuits.items():
            t, ratio = signal_to_noise(faded(circuit))
            ax.loglog(t, ratio, label=f"{method}: {1 / self.comparison.best(method).test:.4g}")
        ax.axhline(1.0, color="black", lw=0.7)
        ax.set(xlabel="age (memories)", ylabel="SNR", xlim=(0.1, 1e6), ylim=(0.3, 300), title="in devices")
        ax.legend(fontsize=8)
        return ax


def study(
    *, seeds: int = 5, steps: int = 100, rate: float = 0.1, points: int = 4, folder: Path | None = None
) -> Devices:
    """All methods on the lifetime in devices.

    Args:
        seeds: of each search. steps, rate: of the gradient. points: of the grid by hand, see `best_pair`.
        folder: for what each search has so far.
    """
    pair = brightened(hand_law(2))
    made = device_chain(pair)
    design = device_design(made)
    found, tried = best_pair(points)
    rows = {
        "C = 2^k": device_chain(Chain.of((1.01, 2.0), (0.25, 0.125))),
        "best exact pair": made,
        f"best of {tried} by hand": found,
    }
    trials: dict[str, list[Trial]] = {n: by_hand(device_loss, design, c, seeds) for n, c in rows.items()}
    for s in range(seeds):
        key = jax.random.key(s)
        start = design.moved(_near(design.theta, key))
        place = None if folder is None else folder / f"devices_{s}"
        how: dict[str, Any] = dict(steps=steps, rate=rate, title="x4 devices", place=place, abreast=False, key=key)
        for name, result in searches(device_loss, start, **how).items():
            trials.setdefault(name, []).append(trial(device_loss, result, s))
    note = f"A kick of {VOLTS:g} V; searches start at the best exact pair, moved at random."
    comparison = Comparison("X4 lifetime in devices", "1/lifetime", GRADIENT_COUNTS, trials, (note,))
    # By hand as built: a vector of variables keeps a little away from the bounds.
    found_by = {m: design.at(jnp.asarray(comparison.best(m).theta)) for m in trials if m not in rows}
    circuits = rows | found_by
    best = circuits[min(trials, key=lambda m: comparison.best(m).test)]
    lives = {volts: float(lifetime(faded(best, volts))) for volts in KICKS}
    return Devices(comparison, circuits, lives, resolve(best), float(pair.lifetime(1e5)))


def _near(theta: Array, key: Array) -> Array:
    """Moved by normal noise of one, from no nearer to a bound than two, where a slope is left."""
    return jnp.clip(theta, -2.0, 2.0) + jax.random.normal(key, theta.shape, theta.dtype)


def resolve(circuit: nj.Circuit, volts: float = VOLTS) -> float:
    """What is left of a kick by our solver and by Kvaerno5 of diffrax: largest difference, in parts of the kick.

    Args:
        circuit: any of `x4_devices`. volts: of the kick (V).
    """
    ages = AGES[AGES < LATEST]
    ours, theirs = (np.asarray(faded(circuit, volts, ages=ages, tight=tight)) for tight in (False, True))
    return float(np.abs(ours - theirs).max())
