"""The gradient, and what it has to beat with as much compute: `optimise`, `random_search`, `evolution_strategy`.

    result = optimise(objective, design, steps=300, key=jax.random.key(0))
    rival = evolution_strategy(objective, design, evaluations=result.evaluations, key=jax.random.key(1))

Compute is counted in evaluations of the objective, validation among them; a gradient counts as many as it takes by the
clock, and as three at least.
"""

import functools
import math
import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import optax
from jaxtyping import Array

from learning.codesign.design import Design
from learning.codesign.loop import Options, evaluate, run
from learning.codesign.methods import (
    GRADIENT_COST,
    AbstractMethod,
    CovarianceAdaptation,
    Gradient,
    Objective,
    OnePlusOne,
    RandomSearch,
    mean_over_draws,
)
from learning.codesign.result import Result
from neurojax.errors import DesignError


@functools.cache
def _usual(learning_rate: float, clip: float, steps: int) -> optax.GradientTransformation:
    """One object for equal numbers, so that what is compiled for it serves every seed."""
    schedule = optax.cosine_decay_schedule(learning_rate, steps)
    return optax.chain(optax.clip_by_global_norm(clip), optax.adam(schedule))


def gradient_ratio(
    objective: Objective, design: Design, *, draws: int = 1, abreast: bool = True, repeats: int = 5, key: Array
) -> float:
    """How many evaluations of `objective` a gradient takes, by the clock, and never below three.

    Args:
        objective: as of `optimise`. design: where it is measured. draws: averaged over. abreast: see `Options`.
        repeats: the quickest of them counts. key: a `jax.random.key`.
    """
    theta = design.theta
    slope = eqx.filter_jit(jax.value_and_grad(lambda t, k: mean_over_draws(objective, design.at(t), k, draws, abreast)))

    both: list[Callable[[], Any]] = [
        lambda: slope(theta, key),
        lambda: evaluate(objective, design, theta, draws, abreast, key),
    ]
    times: list[list[float]] = [[], []]
    for _ in range(repeats + 1):  # in turn, so that a busy machine slows both; the first time they are compiled
        for own, f in zip(times, both, strict=True):
            began = time.perf_counter()
            jax.block_until_ready(f())
            own.append(time.perf_counter() - began)
    return max(GRADIENT_COST, min(times[0][1:]) / min(times[1][1:]))


def optimise(
    objective: Objective,
    design: Design,
    *,
    steps: int,
    draws: int = 1,
    learning_rate: int | float = 0.05,
    clip: int | float = 1.0,
    optimiser: optax.GradientTransformation | None = None,
    ratio: int | float | None = None,
    options: Options | None = None,
    key: Array,
) -> Result:
    """Follow the gradient: Adam with clipped norm and a cosine schedule to zero, or any optimiser of optax.

    Args:
        objective: `objective(tree, key) -> scalar`. design: what moves, within which bounds.
        steps: of the optimiser. draws: keys that each step averages over (spread, noise, inputs).
        learning_rate, clip: of theta, see `Design`; clip is the largest norm of a gradient. optimiser: instead of both.
        ratio: evaluations that a gradient counts as, 3 or more; measured if None.
        options: validation, checkpoint, progress. key: a `jax.random.key`.

    Returns:
        Result, its tree the best on validation, the start among them.

    Raises:
        DesignError: a start that is not finite, too many steps that are not, or a checkpoint of another search.
    """
    options = options or Options()
    if ratio is None:
        ratio = gradient_ratio(objective, design, draws=draws, abreast=options.abreast, key=key)
    how = optimiser or _usual(float(learning_rate), float(clip), max(steps, 1))
    method = Gradient(optimiser=how, draws=draws, ratio=max(float(ratio), GRADIENT_COST), abreast=options.abreast)
    return run(method, objective, design, steps=steps, options=options, key=key)


def random_search(
    objective: Objective,
    design: Design,
    *,
    evaluations: int | float,
    draws: int = 1,
    batch: int = 16,
    sample: Callable[..., Any] | None = None,
    options: Options | None = None,
    key: Array,
) -> Result:
    """Draw designs within the bounds, and keep the best: what a gradient has to beat with as much compute.

    Args:
        objective, design: as of `optimise`. evaluations: of the objective, those of the validation among them.
        draws: keys by which each design is judged. batch: designs side by side.
        sample: `sample(design, around, key) -> theta`, where a search by hand would know a good shape.
        options: validation, checkpoint, progress. key: a `jax.random.key`.

    Raises:
        DesignError: fewer evaluations than one step takes.
    """
    options = options or Options()
    method = RandomSearch(batch=batch, draws=draws, sample=sample, abreast=options.abreast)
    return _within(method, objective, design, evaluations, options, key)


def evolution_strategy(
    objective: Objective,
    design: Design,
    *,
    evaluations: int | float,
    kind: str = "cma",
    draws: int = 1,
    sigma: float = 0.3,
    noisy: bool = True,
    options: Options | None = None,
    key: Array,
) -> Result:
    """Evolve the design: what a gradient has to beat with as much compute.

    Args:
        objective, design: as of `optimise`. evaluations: of the objective, those of the validation among them.
        kind: "cma" (CMA-ES) or "one" ((1+1) with the rule of one fifth). draws: keys by which each child is judged.
        sigma: first width, in coordinates of theta. noisy: whether the objective needs its key, of "one".
        options: validation, checkpoint, progress. key: a `jax.random.key`.

    Raises:
        DesignError: an unknown kind, or fewer evaluations than one step takes.
    """
    if kind not in ("cma", "one"):
        raise DesignError(f"kind = {kind!r} must be 'cma' or 'one'.")
    options = options or Options()
    same: dict[str, Any] = dict(draws=draws, sigma=sigma, abreast=options.abreast)
    method: AbstractMethod = CovarianceAdaptation(**same)
    if kind == "one":
        method = OnePlusOne(noisy=noisy, **same)
    return _within(method, objective, design, evaluations, options, key)


def _within(method: AbstractMethod, objective, design, evaluations: int | float, options: Options, key) -> Result:
    """As many steps as it takes to spend the evaluations, the validations taken off."""
    steps = math.ceil((evaluations - (options.validations + 1) * options.validation_draws) / method.cost(design))
    if steps < 1:
        raise DesignError(
            f"evaluations = {evaluations:g}: a step of {method.name} takes {method.cost(design):g}, "
            f"{options.validations + 1} validations {options.validation_draws} each. Allow more, or validate less."
        )
    return run(method, objective, design, steps=steps, options=options, key=key)
