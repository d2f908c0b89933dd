"""X5: the searches of a seed, each kept as a file: what is trained, made smaller by hand, searched and judged.

    plan = Plan(task, 6, [0.003], 150, 0.03, None, False)
    plan.seed(0)["gradient"]                    (trial, [part of wrong answers, pJ, spikes])

All searches of a seed begin at the same network, trained without a price, and have as many evaluations. Those by
gradient go in stages, each from the best network so far with half of the rate: a step too far, after which neurons are
silent, is taken back.
"""

import contextlib
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from learning import codesign
from learning.codesign import Design, Trial, write_json
from learning.experiments.x5_network import WEIGHTS, Network, Task, nominal

BEFORE = "weights only"
BOTH = "random, then gradient"
SMALLER = (2.0, 4.0)
"""By which factors lengths and capacitors are made smaller by hand."""
STAGES, AT_RANDOM = 3, 0.75
"""Of a gradient; part of the evaluations of `random, then gradient` that are spent at random."""
CHECKS, CHECKED = 18, 8
"""Validations of a gradient, all stages together and without those of their starts, and the draws of each."""
JUDGED = 40
"""Draws of the test, of `Task.batch` decisions each."""


@dataclasses.dataclass
class Plan:
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
        found[BOTH] = self.done(s, BOTH, lambda: self.afterwards(start, budget, key, s))
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
        how: dict[str, Any] = dict(steps=self.steps, learning_rate=self.rate, options=self.options(name, s))
        found = codesign.optimise(task.objective, design, ratio=3, **how, key=key)
        return self.trial(found.tree, found, s)

    def by_hand(self, network: Network, s: int) -> Trial:
        """A scaled network."""
        return Trial(0.0, 0.0, 0.0, s, _theta(self.design, network), [], [], {})

    def gradient(self, task: Task, start: Network, key: Array, s: int) -> Trial:
        """Everything, at a price."""
        steps = [self.steps // STAGES + (k < self.steps % STAGES) for k in range(STAGES)]
        return self.staged(task, start, steps, self.rate, CHECKS, f"gradient at {task.price:g}", key, s)

    def afterwards(self, start: Network, budget: float, key: Array, s: int) -> Trial:
        """A gradient of fewer steps and two thirds of the rate, from where a shorter random search has ended."""
        first = self.rival("random search", start, AT_RANDOM * budget, key, s, BOTH)
        checks = 2 * STAGES
        left = int((budget - first.evaluations - (checks + STAGES) * CHECKED) / self.ratio)
        steps = [max(left // STAGES + (k < left % STAGES), 1) for k in range(STAGES)]
        then = self.staged(self.task, self.network(first), steps, 2 * self.rate / 3, checks, BOTH, key, s)
        spent = [first.evaluations + n for n in then.trace[0]]
        return dataclasses.replace(
            then, evaluations=first.evaluations + then.evaluations, seconds=first.seconds + then.seconds,
            trace=[first.trace[0] + spent, first.trace[1] + then.trace[1]],
        )  # fmt: skip

    def staged(
        self, task: Task, start: Network, steps: list[int], rate: float, checks: int, name: str, key: Array, s: int
    ) -> Trial:
        """As many stages as there are `steps`, each from the best before, the rate halved from one to the next."""
        design, done, trace = task.design(start), [], [[], []]
        for k, n in enumerate(steps):
            options = self.options(f"{name}, stage {k + 1}", s, checks // len(steps))
            how: dict[str, Any] = dict(steps=n, learning_rate=rate / 2**k, ratio=self.ratio, options=options)
            found = codesign.optimise(task.objective, design, **how, key=jax.random.fold_in(key, k) if k else key)
            design, own = design.moved(found.theta), self.trial(found.tree, found, s)
            trace = [trace[0] + [sum(t.evaluations for t in done) + e for e in own.trace[0]], trace[1] + own.trace[1]]
            done.append(own)
        spent, took = (sum(getattr(t, n) for t in done) for n in ("evaluations", "seconds"))
        skipped = [sum(steps[:k]) + n for k, t in enumerate(done) for n in t.skipped]
        return dataclasses.replace(done[-1], evaluations=spent, seconds=took, trace=trace, skipped=skipped)

    def rival(self, method: str, start: Network, budget: float, key: Array, s: int, name: str = "") -> Trial:
        """A search without a gradient, by as many evaluations, kept under its own `name`."""
        design = self.task.design(start)
        same: dict[str, Any] = dict(evaluations=budget, options=self.options(name or method, s), key=key)
        if method == "random search":
            found = codesign.random_search(self.task.objective, design, sample=self.task.sample, **same)
        else:
            kind = "cma" if method == "CMA-ES" else "one"
            found = codesign.evolution_strategy(self.task.objective, design, kind=kind, sigma=0.1, **same)
        return self.trial(found.tree, found, s)

    def options(self, name: str, s: int, checks: int = 20) -> codesign.Options:
        """What searches share."""
        inside = None if self.place is None else self.place / "states" / f"{_plain(name)}_{s}"
        return codesign.Options(
            validations=checks, validation_draws=CHECKED, abreast=False, progress=self.progress,
            label=f"X5, seed {s}: {name}", checkpoint=inside, save_every=20.0,
        )  # fmt: skip

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
    return name.replace("(1+1)", "one").replace(",", "").replace(" ", "_").replace(".", "p")


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
