"""Independent random starts made good before they are refined: differential evolution on islands.

Each start is an island of its own, a small population that begins at random points of the bounds and never
sees the others, so that starts which end in the same minimum mean something. All members of all islands
are simulated together, as lanes of one batch; only values are needed, so this costs little beside Jacobians.

J. Zhang and A. C. Sanderson, JADE, IEEE Trans. Evol. Comput. 13, 945 (2009), 10.1109/TEVC.2009.2014613.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

Cost = Callable[[np.ndarray], np.ndarray]
"""Points of the unit cube (n, p) -> costs (n,), infinite where a point cannot be simulated."""
EDGE = 2e-3
"""How near to its bounds a parameter may be put: the bijection to the line is flat beyond."""
ELITE, ADAPTATION = 0.2, 0.1
PATIENCE, PROGRESS = 30, 0.05
"""Islands have settled where over so many generations ln(cost) fell by less than this, in the mean over islands."""


@dataclasses.dataclass
class Islands:
    """All populations: points u (islands, n, p) of the unit cube, costs (islands, n), JADE's means (islands,).

    trail: mean over the islands of ln(best cost), of every generation.
    """

    u: np.ndarray
    cost: np.ndarray
    scale: np.ndarray
    crossover: np.ndarray
    trail: np.ndarray
    generation: int = 0

    def best(self) -> np.ndarray:
        """The best point of each island (islands, p)."""
        return self.u[np.arange(len(self.u)), self.cost.argmin(axis=1)]

    def settled(self, enough: float) -> bool:
        """Whether half of the islands cost no more than `enough`, or hardly any progress is made."""
        if np.median(self.cost.min(axis=1)) <= enough:
            return True
        return self.generation >= PATIENCE and bool(self.trail[-1 - PATIENCE] - self.trail[-1] < PROGRESS)


def begin(cost: Cost, islands: int, n: int, p: int, seed: list[int]) -> Islands:
    """Each island a Latin hypercube: every parameter visits each of its n strata once."""
    rng = np.random.default_rng([*seed, 0])
    strata = np.stack([[rng.permutation(n) for _ in range(p)] for _ in range(islands)]).transpose(0, 2, 1)
    u = np.clip((strata + rng.random((islands, n, p))) / n, EDGE, 1 - EDGE)
    half = np.full(islands, 0.5)
    found = _evaluate(cost, u)
    return Islands(u, found, half, half.copy(), _height(found))


def put(state: Islands, island: int, point: np.ndarray, cost: Cost) -> None:
    """Give one island a known point, instead of its worst."""
    worst = int(np.argmax(state.cost[island]))
    state.u[island, worst] = np.clip(point, EDGE, 1 - EDGE)
    # As many as in a generation, as that is compiled already.
    state.cost[island, worst] = cost(np.tile(state.u[island, worst], (state.cost.size, 1)))[0]


def step(cost: Cost, state: Islands, seed: list[int]) -> Islands:
    """One generation of every island: current-to-pbest/1 with self-adapting scale and crossover."""
    rng = np.random.default_rng([*seed, state.generation + 1])
    islands, n, p = state.u.shape
    f = np.clip(state.scale[:, None] + 0.1 * rng.standard_cauchy((islands, n)), 0.05, 1.0)
    cr = np.clip(rng.normal(state.crossover[:, None], 0.1, (islands, n)), 0.0, 1.0)
    order = np.argsort(state.cost, axis=1, kind="stable")
    rows = np.arange(islands)[:, None]
    leader = order[rows, rng.integers(0, max(2, round(ELITE * n)), (islands, n))]
    a, b = (rng.integers(0, n, (islands, n)) for _ in range(2))
    move = state.u[rows, leader] - state.u + state.u[rows, a] - state.u[rows, b]
    mutant = _reflected(state.u + f[..., None] * move)
    taken = rng.random((islands, n, p)) < cr[..., None]
    taken[rows, np.arange(n)[None], rng.integers(0, p, (islands, n))] = True
    trial = np.where(taken, mutant, state.u)
    found = _evaluate(cost, trial)
    better = found < state.cost
    best = np.where(better, found, state.cost)
    return Islands(
        np.where(better[..., None], trial, state.u),
        best,
        _adapted(state.scale, better, f, f),
        _adapted(state.crossover, better, cr, np.ones_like(cr)),
        np.append(state.trail, _height(best)),
        state.generation + 1,
    )


def _height(cost: np.ndarray) -> np.ndarray:
    """The mean of ln(best cost), finite also where an island has nothing that can be simulated."""
    return np.log(np.clip(cost.min(axis=1), 1e-12, 1e12)).mean(keepdims=True)


def _adapted(mean: np.ndarray, better: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Towards the (weighted) mean of the values that were successful."""
    total = np.sum(better * weights, axis=1)
    success = np.sum(better * weights * values, axis=1) / np.maximum(total, 1e-300)
    return np.where(total > 0, (1 - ADAPTATION) * mean + ADAPTATION * success, mean)


def _evaluate(cost: Cost, u: np.ndarray) -> np.ndarray:
    return cost(u.reshape(-1, u.shape[-1])).reshape(u.shape[:-1])


def _reflected(u: np.ndarray) -> np.ndarray:
    """Back into the cube by mirrors at its faces."""
    low, high = EDGE, 1 - EDGE
    span = high - low
    folded = np.mod(u - low, 2 * span)
    return low + np.where(folded > span, 2 * span - folded, folded)
