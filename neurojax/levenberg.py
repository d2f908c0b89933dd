"""Levenberg-Marquardt for a batch of starts in lockstep, with one compiled function.

The compiled part gives residuals and Jacobians of all starts at once; the small linear algebra and
the bookkeeping stay in NumPy (float64), where they can be watched, saved after every iteration and
resumed. Damping follows Nielsen: mu shrinks by the gain ratio of the step.

A loss may be robust: sum (c^2/2) log(1 + r^2/c^2) instead of r.r/2, by weights 1/(1 + r^2/c^2). Where a device
switches abruptly, one sample on the wrong side of the switching would otherwise outweigh all the others.

Valleys of sloppy models are narrow and curved, and a straight step leads out of them; so a step is bent by half the
acceleration -(H + mu D)^-1 J^T r''(d, d), of which the second derivative along the step d comes free from the step
before, d': r''(d', d) = (J - J') d to first order, J' being the Jacobian before it, times the part of d that goes on
along d'. (Transtrum and Sethna take it from one more evaluation; that gains as much, and costs it.)

M. K. Transtrum, B. B. Machta and J. P. Sethna, Geometry of nonlinear least squares, Phys. Rev. E 83, 036701 (2011),
10.1103/PhysRevE.83.036701; H. B. Nielsen, Damping parameter in Marquardt's method, IMM-REP-1999-05 (1999); K. Madsen,
H. B. Nielsen and O. Tingleff, Methods for non-linear least squares problems (2004).
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from neurojax.bijection import LIMIT

Evaluate = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""theta (starts, p) -> residuals (starts, r) and Jacobians (starts, r, p); failures are NaN."""


WORTH = 1e-3
"""Gain of chi2/2 not worth another step."""
ROUGHLY = 1e-4
"""The same in parts of the cost, where the search is only to find the valley and another follows (the robust loss)."""
OUTLIER = 3.0
"""c of the robust loss, in standard deviations."""
FLAT = 6.0
"""|theta| beyond which a parameter is within a four-hundredth of its range (or of its decades) of a bound."""
BENT = 0.75
"""Largest acceleration in parts of the step; beyond it the second order says nothing."""
BEHIND, CREEPING = 2.0, 3e-3
"""How many times the cost of a finished start, and at which gain per step, another is given up."""


@dataclasses.dataclass
class State:
    """All starts of a search: what is carried from one iteration to the next (and saved).

    jacobian is that at theta, residual what it is of, without the weights of a robust loss. turned: the product of the
    Jacobian, transposed, with that before the last step, `last`.
    """

    theta: np.ndarray
    cost: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray
    jacobian: np.ndarray
    residual: np.ndarray
    turned: np.ndarray
    last: np.ndarray
    mu: np.ndarray
    grow: np.ndarray
    active: np.ndarray
    iteration: int = 0

    def best(self) -> int:
        return int(np.argmin(self.cost))


def evaluate(function: Evaluate, theta: np.ndarray, c: float = np.inf) -> tuple[np.ndarray, ...]:
    """`judged` of residuals and Jacobians at theta."""
    return judged(*function(theta), c)


def judged(r: np.ndarray, jacobian: np.ndarray, c: float) -> tuple[np.ndarray, ...]:
    """Cost r.r/2 (or robust), gradient, Gauss-Newton Hessian, Jacobian, residuals; infinite cost where it failed.

    Of a robust loss gradient, Hessian and Jacobian are those of the weighted residuals.
    """
    bad = np.logical_not(np.isfinite(r).all(axis=1) & np.isfinite(jacobian).all(axis=(1, 2)))
    r, jacobian = np.where(bad[:, None], 0.0, r), np.where(bad[:, None, None], 0.0, jacobian)
    with np.errstate(over="ignore"):
        weight = 1 / (1 + (r / c) ** 2)
        cost = 0.5 * np.einsum("sr,sr->s", r, r) if np.isinf(c) else -0.5 * c**2 * np.sum(np.log(weight), axis=1)
        root = np.sqrt(weight)
        jacobian = root[:, :, None] * jacobian
        turned = np.swapaxes(jacobian, 1, 2)
        gradient, hessian = (turned @ (root * r)[:, :, None])[:, :, 0], turned @ jacobian
    bad |= ~(np.isfinite(cost) & np.isfinite(hessian).all(axis=(1, 2)))
    return np.where(bad, np.inf, cost), np.nan_to_num(gradient), np.nan_to_num(hessian), jacobian, r


def begin(function: Evaluate, theta: np.ndarray, c: float = np.inf) -> State:
    return _begun(theta, *evaluate(function, theta, c))


def again(state: State, before: float, c: float) -> State:
    """Begin from where a search with the loss `before` ended, with another; nothing is evaluated."""
    failed = ~np.isfinite(state.cost)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        root = np.sqrt(1 / (1 + (state.residual / before) ** 2))
        jacobian = state.jacobian / root[:, :, None]
    return _begun(state.theta, *judged(np.where(failed[:, None], np.nan, state.residual), jacobian, c))


def _begun(theta, cost, gradient, hessian, jacobian, residual) -> State:
    starts = len(theta)
    # Relative to diag(H): 1e-2 trusts the quadratic model moderately from the start.
    damping = np.full(starts, 1e-2), np.full(starts, 2.0)
    none, able = np.zeros_like(theta), np.isfinite(cost)
    return State(theta, cost, gradient, hessian, jacobian, residual, hessian, none, *damping, able)


def iterate(function: Evaluate, state: State, *, frozen: np.ndarray, c: float = np.inf, race: bool = False) -> State:
    """One trial step of every active start; the others are not evaluated.

    With `race` a start that creeps far behind one that has ended is given up, as all of them are simulated together,
    and so is one that has met the best (`_met`), as it would only go the same way.
    A start ends when neither the step nor its prediction gains more than is worth having: a thousandth of a unit
    of chi2/2 is a thirtieth of a standard deviation, and rounding hides less than a millionth of the cost.
    """
    straight, step = _steps(state, frozen)
    trial = np.clip(state.theta + step, -LIMIT, LIMIT)
    straight, step = np.clip(state.theta + straight, -LIMIT, LIMIT) - state.theta, trial - state.theta
    todo = np.flatnonzero(state.active)
    old = state.gradient, state.hessian, state.jacobian, state.residual
    fresh = [np.full_like(state.cost, np.inf), *map(np.copy, old)]
    if len(todo):
        for whole, part in zip(fresh, evaluate(function, trial[todo], c), strict=True):
            whole[todo] = part
    cost, gradient, hessian, jacobian, residual = fresh
    turned = np.swapaxes(jacobian, 1, 2) @ state.jacobian
    slope = np.einsum("sp,sp->s", state.gradient, straight)
    predicted = -slope - 0.5 * np.einsum("sp,spq,sq->s", straight, state.hessian, straight)
    with np.errstate(invalid="ignore"):
        drop = np.where(np.isfinite(cost), state.cost - cost, -np.inf)
    better = (drop > 0) & state.active
    gain = np.clip(drop / np.maximum(predicted, 1e-300), -10, 10)
    shrink = np.maximum(1 / 3, 1 - (2 * gain - 1) ** 3)
    small = np.max(np.abs(step), axis=1) < 1e-7
    worth = np.maximum(WORTH, (1e-6 if np.isinf(c) else ROUGHLY) * state.cost)
    still = (better & (drop <= worth) & (predicted <= 10 * worth)) | (~better & (predicted <= 1e-3 * worth))

    def chosen(trial, old):
        return np.where(better.reshape(-1, *[1] * (old.ndim - 1)), trial, old)

    new = State(
        chosen(trial, state.theta),
        chosen(cost, state.cost),
        chosen(gradient, state.gradient),
        chosen(hessian, state.hessian),
        chosen(jacobian, state.jacobian),
        chosen(residual, state.residual),
        chosen(turned, state.turned),
        chosen(step, state.last),
        np.where(better, np.maximum(state.mu * shrink, 1e-12), np.minimum(state.mu * state.grow, 1e12)),
        np.where(better, 2.0, np.minimum(2 * state.grow, 1e6)),
        state.active,
        state.iteration + 1,
    )
    new.active = state.active & ~still & ~small & (new.mu < 1e10)
    if race:
        lowest = np.min(new.cost[~new.active], initial=np.inf)
        creeps = np.where(better, drop, predicted) < CREEPING * new.cost
        new.active &= ~(creeps & (new.cost > BEHIND * lowest)) & ~_met(new, frozen)
    return new


def _met(state: State, frozen: np.ndarray) -> np.ndarray:
    """Which starts are where the best is: as good, and by the curvature of both within a standard deviation of it."""
    best = state.best()
    away = np.where(frozen, 0.0, state.theta - state.theta[best])
    far = np.einsum("sp,spq,sq->s", away, state.hessian + state.hessian[best], away)
    near = (far <= 1.0) & (state.cost <= state.cost[best] + max(0.5, 1e-3 * state.cost[best]))
    near[best] = False
    return near


def _steps(state: State, frozen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(H + mu diag H) step = -g for each start, straight and bent by its acceleration.

    Frozen coordinates are left alone, others held where the box ends.
    """
    straight, bent = np.zeros_like(state.theta), np.zeros_like(state.theta)
    todo = np.flatnonzero(state.active)
    if frozen.all() or not len(todo):
        return straight, bent
    theta, h = state.theta[todo], state.hessian[todo]
    d = np.diagonal(h, axis1=1, axis2=2)
    d = np.maximum(d, 1e-9 * np.maximum(np.max(d[:, ~frozen], axis=1, keepdims=True), 1e-12))
    damped = h + state.mu[todo, None, None] * (d[:, :, None] * np.eye(len(frozen)))
    step, left = _within(damped, state.gradient[todo], theta, ~frozen)
    straight[todo], bent[todo] = step, step + _accelerations(state, todo, damped, d, step, left)
    # A logit step above 3 crosses most of the box on trust in one Jacobian; in its flat ends it crosses nothing.
    flat = (np.abs(state.theta) > FLAT) & (bent * state.theta > 0)
    size = np.max(np.where(flat, 0.0, np.abs(bent)), axis=1, keepdims=True)
    cut = np.minimum(1.0, 3.0 / np.maximum(size, 1e-300))
    return straight * cut, bent * cut


def _solve(matrices: np.ndarray, b: np.ndarray, free: np.ndarray) -> np.ndarray:
    """The smallest x of least |A x - b| of symmetric A (k, n, n), all at once; zero where it is not free (k, n)."""
    inside = free[:, :, None] & free[:, None, :]
    largest = np.max(np.where(inside, np.abs(matrices), 0.0), axis=(1, 2))
    largest = np.where(largest > 0, largest, 1.0)
    values, vectors = np.linalg.eigh(np.where(inside, matrices, largest[:, None, None] * np.eye(free.shape[1])))
    lost = np.abs(values) <= 1e-14 * np.max(np.abs(values), axis=1, keepdims=True)
    inverse = np.where(lost, 0.0, 1 / np.where(lost, 1.0, values))
    x = vectors @ (inverse[:, :, None] * (np.swapaxes(vectors, 1, 2) @ np.where(free, b, 0.0)[:, :, None]))
    return np.where(free, x[:, :, 0], 0.0)


def _accelerations(state, todo, damped, d, step, free) -> np.ndarray:
    """By how much the steps are to be bent; zero where that is out of proportion, or no step has been taken."""
    last = state.last[todo]
    length = np.sum(last * d * last, axis=1)
    along = np.sum(step * d * last, axis=1) / np.where(length > 0, length, 1.0)
    curved = along[:, None] * ((state.hessian[todo] - state.turned[todo]) @ step[:, :, None])[:, :, 0]
    bend = -0.5 * _solve(damped, curved, free)
    moderate = 4 * np.sum(bend * d * bend, axis=1) <= BENT**2 * np.sum(step * d * step, axis=1)
    return np.where(((length > 0) & moderate)[:, None], bend, 0.0)


def _within(h: np.ndarray, gradient: np.ndarray, theta: np.ndarray, able: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """h step = -gradient of each start; what would leave |theta| < LIMIT goes there, and the others make the best of
    it. Returns the steps, and what was left free, of those who are `able`.

    Or a parameter at its bound, where theta hardly matters any more, would want an enormous step, to whose size all
    are cut, and the search would end where the others are.
    """
    step, free = np.zeros_like(theta), np.tile(able, (len(theta), 1))
    todo = np.arange(len(theta))
    while len(todo):
        some, left, there = h[todo], free[todo], theta[todo]
        held = np.where(left, 0.0, step[todo])
        right = -gradient[todo] - (some @ held[:, :, None])[:, :, 0]
        moved = held + _solve(some, right, left)
        beyond = left & (np.abs(there + moved) > LIMIT)
        step[todo] = np.where(beyond, np.sign(moved) * LIMIT - there, moved)
        free[todo] = left & ~beyond
        todo = todo[beyond.any(axis=1)]
    return step, free
