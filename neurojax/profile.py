"""Profile likelihood: how bad the fit gets when one parameter is held elsewhere."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from neurojax import levenberg
from neurojax.errors import FitError
from neurojax.fitresult import Fit, check_names


@dataclasses.dataclass(frozen=True)
class Profile:
    """chi2 above its minimum, all other parameters refitted, at values of one parameter.

    `interval` holds the 95 % limits (delta chi2 = 3.84), infinite where the scan did not reach them.
    """

    name: str
    unit: str
    values: np.ndarray
    delta_chi2: np.ndarray
    best: float
    interval: tuple[float, float]
    log: bool

    def plot(self, ax: Any = None) -> Any:
        """Draw into `ax` or new axes; returns Axes."""
        from neurojax import plot

        return plot.profile(self, ax=ax)


def profile(fit: Fit, name: str, *, n: int = 15, span: float = 4.0, max_iterations: int = 40) -> Profile:
    """Scan one fitted parameter over `span` standard deviations to each side, refitting the others.

    All values are refitted together as one batch. chi2 is counted in units of the reduced chi2 of the
    fit, so that the 95 % line is at 3.84 whatever the scale of the noise.

    Args:
        fit: a result of `neurojax.fit`. name: one of its estimates. n: number of values, equally spaced on the scale
            of the parameter. max_iterations: of the refinement of each.

    Returns:
        Profile: `values` (SI) and `delta_chi2`, shape (n,).

    Raises:
        FitError: the name was not free, or the fit was loaded from a file (no data to refit).
    """
    check_names(fit, name)
    if fit.problem is None:
        raise FitError("this fit has no data attached; run fit() again to profile it.")
    problem, k = fit.problem, list(fit.estimates).index(name)
    weights = problem.weights()
    r, jacobian = problem.evaluate(fit.theta[None], weights)
    hessian = jacobian[0].T @ jacobian[0]
    width = min(float(np.sqrt(max(np.linalg.pinv(hessian)[k, k], 1e-16) * fit.chi2_reduced)), 4.0)
    theta = np.tile(fit.theta, (n, 1))
    theta[:, k] += np.linspace(-span, span, n) * width
    frozen = np.arange(len(fit.theta)) == k
    state = levenberg.begin(lambda th: problem.evaluate(th, weights), theta)
    while state.active.any() and state.iteration < max_iterations:
        state = levenberg.iterate(lambda th: problem.evaluate(th, weights), state, frozen=frozen)
    delta = (2 * state.cost - float(r[0] @ r[0])) / fit.chi2_reduced
    values = np.stack([np.asarray(problem.box.to_physical(jnp.asarray(th))) for th in theta])[:, k]
    return Profile(
        name, fit.estimates[name].unit, values, delta, fit.estimates[name].value, _limits(values, delta),
        problem.declared[k].quantity.scale == "log",
    )  # fmt: skip


def _limits(values: np.ndarray, delta: np.ndarray, level: float = 3.84) -> tuple[float, float]:
    low, high = -np.inf, np.inf
    centre = int(np.argmin(delta))
    for j in range(centre, 0, -1):
        if delta[j - 1] > level:
            low = float(np.interp(level, [delta[j], delta[j - 1]], [values[j], values[j - 1]]))
            break
    for j in range(centre, len(values) - 1):
        if delta[j + 1] > level:
            high = float(np.interp(level, [delta[j], delta[j + 1]], [values[j], values[j + 1]]))
            break
    return low, high
