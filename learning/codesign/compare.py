"""The gradient beside hand designs, random search and evolution at equal compute, over seeds, one command for all.

    table = compare(objective, design, steps=300, seeds=5, folder="out", key=jax.random.key(0))

With a folder, what is done is kept there, search by search, and each search keeps its own state: a run that was killed
goes on where it was, to the same table.
"""

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from learning.codesign.checkpoint import claim
from learning.codesign.comparison import BOTH, GRADIENT, Comparison, Trial, write_json
from learning.codesign.design import Design
from learning.codesign.loop import Options, evaluate
from learning.codesign.methods import Objective
from learning.codesign.result import Result
from learning.codesign.search import evolution_strategy, gradient_ratio, optimise, random_search
from neurojax.errors import DesignError

BASELINES = ("random search", "(1+1)-ES", "CMA-ES")
HAND = "start"
AT_RANDOM = 0.5
"""Part of the evaluations of `random, then gradient` that are spent at random."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """How each search of a comparison is done.

    Attributes:
        steps: of the gradient. draws: keys a step averages over. learning_rate, clip: of the gradient.
        sigma: first width of the evolution strategies. noisy: whether the objective needs its key.
        batch: designs side by side in the random search. sample: where the random search looks, see `random_search`.
        optimiser: of optax, instead of Adam.
    """

    steps: int
    draws: int = 1
    learning_rate: float = 0.05
    clip: float = 1.0
    sigma: float = 0.3
    noisy: bool = True
    batch: int = 16
    sample: Callable[..., Any] | None = None
    optimiser: optax.GradientTransformation | None = None


def compare(
    objective: Objective,
    design: Design,
    setting: Setting,
    *,
    seeds: int = 5,
    baselines: Sequence[str] = BASELINES,
    hand: Mapping[str, Any] | None = None,
    test: Objective | None = None,
    test_draws: int = 32,
    options: Options | None = None,
    folder: str | os.PathLike[str] | None = None,
    ratio: int | float | None = None,
    title: str = "co-design",
    unit: str = "objective",
    key: Array,
) -> Comparison:
    """Run the gradient and the baselines, each with as many evaluations, and judge all by the same unseen draws.

    Args:
        objective, design: as of `optimise`. setting: how each search is done. seeds: how often, each with its own keys.
        baselines: of "random search", "(1+1)-ES", "CMA-ES", and "random, then gradient", half of each.
        hand: trees designed by hand, by name.
        test: `test(tree, key) -> scalar` for the table; the objective if None. test_draws: keys, new ones a seed.
        options: validation and progress of each search. folder: for resuming. ratio: evaluations that a gradient
            counts as; measured if None. title, unit: of the table. key: a `jax.random.key`.

    Raises:
        DesignError: an unknown baseline, no seeds, or a folder of another comparison.
    """
    unknown = [b for b in baselines if b not in (*BASELINES, BOTH)]
    if unknown or seeds < 1:
        raise DesignError(f"baselines {unknown} are unknown, there are {BASELINES}; seeds = {seeds} must be 1 or more.")
    options = options or Options()
    judge = _Judge(test or objective, design, test_draws, options.abreast)
    place = None if folder is None else _claimed(Path(folder), design, setting, judge, options, key)
    if ratio is None:
        how: dict[str, Any] = dict(draws=setting.draws, abreast=options.abreast, key=key)
        ratio = _ratio(place, lambda: gradient_ratio(objective, design, **how))
    ratio, trials = float(ratio), {}
    for name, tree in {HAND: design.tree, **(hand or {})}.items():
        theta = design.with_tree(tree).theta
        trials[name] = [judge.by_hand(theta, s, jax.random.fold_in(key, s)) for s in range(seeds)]
    for method in (*baselines, GRADIENT):
        trials[method] = []
    for s in range(seeds):
        budget = 0.0
        for method in (GRADIENT, *baselines):
            own = dataclasses.replace(options, label=f"{title}, seed {s}: {method}")
            searching = _Search(objective, design, setting, own, ratio, jax.random.fold_in(key, s))
            trial = searching.done(method, s, budget, judge, place)
            trials[method].append(trial)
            budget = budget or trial.evaluations
    return Comparison(title, unit, ratio, trials)


@dataclasses.dataclass(frozen=True)
class _Judge:
    """The test on draws that no search has seen."""

    test: Objective
    design: Design
    draws: int
    abreast: bool

    def __call__(self, theta: Array, key: Array) -> float:
        unseen = jax.random.fold_in(key, 0x7E57)
        return float(evaluate(self.test, self.design, theta, self.draws, self.abreast, unseen))

    def by_hand(self, theta: Array, seed: int, key: Array) -> Trial:
        return Trial(self(theta, key), 0.0, 0.0, seed, np.asarray(theta).tolist(), [], [], {})


@dataclasses.dataclass(frozen=True)
class _Search:
    """One seed of one method."""

    objective: Objective
    design: Design
    setting: Setting
    options: Options
    ratio: float
    key: Array

    def done(self, method: str, seed: int, budget: float, judge: _Judge, place: Path | None) -> Trial:
        """Its trial, from the folder where it is there already."""
        name = f"{method.strip('()').replace('+', '').replace(')', '').replace(' ', '_')}_{seed}"
        file = None if place is None else place / f"{name}.json"
        if file is not None and file.exists():
            with contextlib.suppress(ValueError, TypeError):
                return Trial(**json.loads(file.read_text(encoding="utf-8")))
        inside = None if place is None else place / "searches" / name
        own = dataclasses.replace(self.options, checkpoint=inside)
        found = self.both(budget, own) if method == BOTH else self.run(method, budget, own).to_dict()
        same = {n: found[n] for n in ("evaluations", "seconds", "theta", "trace", "skipped", "at_bounds")}
        trial = Trial(test=judge(jnp.asarray(found["theta"], self.design.theta.dtype), self.key), seed=seed, **same)
        if file is not None:
            write_json(file, dataclasses.asdict(trial))
        return trial

    def both(self, budget: float, options: Options) -> dict[str, Any]:
        """A gradient of fewer steps from where a shorter random search has ended; its dictionary is that of both."""
        looks = max(1, options.validations // 2)
        early, late = (
            dataclasses.replace(options, validations=looks, checkpoint=_inside(options.checkpoint, part))
            for part in ("random", "gradient")
        )
        first = self.run("random search", AT_RANDOM * budget, early)
        left = budget - first.evaluations - (looks + 1) * options.validation_draws
        steps = max(int(left / (self.ratio * self.setting.draws)), 1)
        setting, key = dataclasses.replace(self.setting, steps=steps), jax.random.fold_in(self.key, 1)
        rest = dataclasses.replace(self, design=self.design.with_tree(first.tree), setting=setting, key=key)
        a, b = first.to_dict(), rest.run(GRADIENT, 0.0, late).to_dict()
        spent = [a["evaluations"] + n for n in b["trace"][0]]
        later = [len(first.history["ok"]) + n for n in b["skipped"]]
        return b | {
            "evaluations": a["evaluations"] + b["evaluations"], "seconds": a["seconds"] + b["seconds"],
            "trace": [a["trace"][0] + spent, a["trace"][1] + b["trace"][1]], "skipped": a["skipped"] + later,
        }  # fmt: skip

    def run(self, method: str, budget: float, options: Options) -> Result:
        s, parts = self.setting, (self.objective, self.design)
        same: dict[str, Any] = dict(draws=s.draws, options=options, key=self.key)
        if method == GRADIENT:
            how = dict(learning_rate=s.learning_rate, clip=s.clip, optimiser=s.optimiser, ratio=self.ratio)
            return optimise(*parts, steps=s.steps, **how, **same)
        if method == "random search":
            return random_search(*parts, evaluations=budget, batch=s.batch, sample=s.sample, **same)
        kind = "cma" if method == "CMA-ES" else "one"
        return evolution_strategy(*parts, evaluations=budget, kind=kind, sigma=s.sigma, noisy=s.noisy, **same)


def _inside(folder: str | os.PathLike[str] | None, part: str) -> Path | None:
    return None if folder is None else Path(folder) / part


def _claimed(folder: Path, design: Design, setting: Setting, judge: _Judge, options: Options, key: Array) -> Path:
    """The folder, marked as that of this comparison."""
    plain = {n: v for n, v in dataclasses.asdict(setting).items() if isinstance(v, int | float)}
    start = f"{judge(design.theta, key):.5e}"
    known = [plain, start, [dataclasses.astuple(v) for v in design.variables], judge.draws, options.validations,
             options.validation_draws, np.asarray(jax.random.key_data(key)).tolist()]  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    claim(folder, known)
    return folder


def _ratio(place: Path | None, measure: Callable[[], float]) -> float:
    """Measured once, so that a resumed comparison allows the baselines as much as before."""
    file = None if place is None else place / "ratio.json"
    if file is not None and file.exists():
        with contextlib.suppress(ValueError, TypeError):
            return float(json.loads(file.read_text(encoding="utf-8")))
    ratio = measure()
    if file is not None:
        write_json(file, ratio)
    return ratio
