"""Checks of experiment X3: slopes beside finite differences, and a design by other solvers than that of the search.

`update_field` is what the pulses of a design do, for pictures.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from learning.codesign import Design
from learning.experiments.x3_cells import Fine, Simulated
from learning.experiments.x3_devices import Electrochemical
from learning.experiments.x3_training import Few, Learner, Task


def differences(task: Task, design: Design, key: Array, each: int = 2, h: float = 1e-5) -> np.ndarray:
    """Slopes (2, n) of the objective at the start in double precision: by gradient, and by central differences.

    Args:
        task, design: what is differentiated. key: of the draws, the same for all. each: numbers of each variable.
        h: step.
    """
    with jax.enable_x64(True):
        wide = _wide(design)
        f = eqx.filter_jit(lambda theta, key: task.objective(wide.at(theta), key))
        theta = wide.theta
        slope = eqx.filter_jit(jax.grad(lambda t, key: task.objective(wide.at(t), key)))(theta, key)
        parts = (wide.part(v.name) for v in wide.variables)
        places = [p.start + k for p in parts for k in range(min(each, p.stop - p.start))]
        found = []
        for k in places:
            step = jnp.zeros_like(theta).at[k].set(h)
            found.append((float(slope[k]), float(f(theta + step, key) - f(theta - step, key)) / (2 * h)))
    return np.asarray(found).T


def resolve(task: Task, tree: Learner | Few, key: Array) -> dict[str, float]:
    """Part of wrong answers of a design as it was searched, and by other solutions, with the same draws.

    Args:
        task: how it is tested. tree: the design. key: of orders, spread and scatter.
    """
    with jax.enable_x64(True):
        learner = _wide(tree).learner()
        cells = {"as searched": learner.cell}
        if isinstance(learner.cell, Simulated):
            cells["pulses by Kvaerno5 at 1e-9"] = learner.cell.tightened()
        if isinstance(learner.cell, Electrochemical):
            cells["film resolved in depth"] = learner.cell.resolved()
        maps = {name: cell.maps(learner.lean) for name, cell in cells.items()}
        judge = eqx.filter_jit(lambda m: task.judged(learner, m, key))
        found = {name: float(judge(m)) for name, m in maps.items()}
        exact = list(maps.values())[min(1, len(maps) - 1)]
        return found | {"and trains in 16 steps of Runge and Kutta": float(judge(Fine(exact)))}


def update_field(tree: Learner | Few) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States (n,), and what one pulse up and one down do to them in each column, both (n, columns)."""
    learner = tree.learner()
    maps = learner.cell.maps(learner.lean)
    x = jnp.linspace(0.0, 1.0, 61)
    wide = jnp.broadcast_to(x[:, None], (x.shape[0], learner.lean.shape[0]))
    up = jnp.ones(learner.lean.shape, bool)
    return np.asarray(x), np.asarray(maps.change(wide, up)), np.asarray(maps.change(wide, ~up))


def _wide(tree: Any) -> Any:
    """In double precision."""
    return jax.tree.map(lambda a: a.astype(float) if eqx.is_inexact_array(a) else a, tree)
