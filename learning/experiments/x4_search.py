"""One design, four searches from the same start at equal compute: what all exact aims of X4 share."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from learning import codesign
from learning.codesign import Design, Trial

GRADIENT_COUNTS = 3.0


def searches(
    loss: Any,
    start: Design,
    *,
    steps: int,
    rate: float,
    title: str,
    place: Path | None,
    abreast: bool = True,
    key: Array,
) -> dict[str, codesign.Result]:
    """Random search, two evolution strategies and the gradient from one start, by name.

    Args:
        loss: of a tree, nothing in it random. start: where all begin. steps, rate: of the gradient.
        title: of the bars. place: folder for what each search has so far. abreast: as of `codesign.Options`.
        key: a `jax.random.key`.
    """

    def how(name: str) -> codesign.Options:
        inside = None if place is None else place / name
        return codesign.Options(label=f"{title}: {name}", checkpoint=inside, abreast=abreast, validation_draws=1)

    found = {
        "gradient": codesign.optimise(
            loss, start, steps=steps, learning_rate=rate, ratio=GRADIENT_COUNTS, options=how("gradient"), key=key
        )
    }
    same: dict[str, Any] = dict(evaluations=found["gradient"].evaluations, key=key)
    found["random search"] = codesign.random_search(loss, start, options=how("random search"), **same)
    for name, kind in (("(1+1)-ES", "one"), ("CMA-ES", "cma")):
        found[name] = codesign.evolution_strategy(loss, start, kind=kind, noisy=False, options=how(name), **same)
    order = ("random search", "(1+1)-ES", "CMA-ES", "gradient")
    return {name: found[name] for name in order}


def by_hand(loss: Any, design: Design, tree: Any, seeds: int) -> list[Trial]:
    """The trials of a design by hand, the same for all seeds; `loss` is a logarithm."""
    theta = design.with_tree(tree).theta
    return [Trial(float(jnp.exp(loss(tree))), 0.0, 0.0, 0, np.asarray(theta).tolist(), [], [], {})] * seeds


def trial(loss: Any, result: codesign.Result, seed: int) -> Trial:
    """The trial of a search; `loss` is a logarithm."""
    found = result.to_dict()
    same = {n: found[n] for n in ("evaluations", "seconds", "theta", "trace", "skipped", "at_bounds")}
    return Trial(test=float(jnp.exp(loss(result.tree))), seed=seed, **same)
