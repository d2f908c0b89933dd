"""What a fit returns: values, uncertainties, warnings, words; saved as readable JSON."""

import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from neurojax import identify, levenberg
from neurojax.bijection import Box
from neurojax.errors import FitError
from neurojax.residual import SOFT, from_residual, simulations
from neurojax.trace import Trace
from physics.device import AbstractDevice
from physics.quantity import with_values

if TYPE_CHECKING:
    from neurojax.problem import Problem


AT_BOUND = levenberg.FLAT


@dataclasses.dataclass(frozen=True)
class Estimate:
    """One fitted number: value, standard deviation, 95 % interval, unit, whether it sits on a bound."""

    name: str
    value: float
    std: float
    interval: tuple[float, float]
    unit: str
    bounds: tuple[float, float]
    at_bound: bool
    determined: bool


@dataclasses.dataclass(frozen=True)
class Fit:
    """The result of `fit`.

    Attributes:
        device: the device with the fitted values (the first trace's, where they are per trace).
        instrument: the measuring circuit with the fitted values.
        estimates: name -> Estimate. covariance: of the parameters in their units, shape (p, p).
        rms_error: root mean square misfit in `rms_unit` ("decades" of asinh(y/s), or "of range").
        rms_of_range: the same misfit as a fraction of the range of the data.
        held_out_rms, held_out_of_range: on samples kept back and traces unseen (NaN without them).
        chi2_reduced: of the fitted samples; about 1 if model and noise are right.
        model: model values of each trace's samples. converged: whether the best search ended by itself.
        settings: how the fit was set up, as `load_fit` needs it.
        start_costs: chi2/2 of every start. agreeing: how many starts ended in the same minimum.
        warnings: sentences that a user must read.
    """

    device: AbstractDevice
    instrument: Any
    estimates: dict[str, Estimate]
    covariance: np.ndarray
    rms_error: float
    rms_unit: str
    rms_of_range: float
    held_out_rms: float
    held_out_of_range: float
    chi2_reduced: float
    n_points: int
    aic: float
    bic: float
    converged: bool
    start_costs: np.ndarray
    agreeing: int
    directions: list[str]
    warnings: list[str]
    seconds: dict[str, float]
    settings: dict[str, Any]
    model: list[np.ndarray]
    theta: np.ndarray
    problem: "Problem | None"

    @property
    def values(self) -> dict[str, float]:
        """Name -> fitted value (SI)."""
        return {name: e.value for name, e in self.estimates.items()}

    @property
    def name(self) -> str:
        return type(self.device).__name__

    def summary(self) -> str:
        """The result as text: numbers with units and deviations, then what to beware of."""
        from neurojax.report import summary

        return summary(self)

    def __repr__(self) -> str:
        return self.summary()

    def plot(self, ax: Any = None, *, which: int = 0) -> Any:
        """Measured and modelled trace number `which` (unseen ones are last); returns Axes."""
        from neurojax import plot

        return plot.fitted(self, ax=ax, which=which)

    def to_dict(self) -> dict[str, Any]:
        """The stable content of `fit.json`."""
        from neurojax.fitfile import fit_to_dict

        return fit_to_dict(self)

    def save(self, path: str | os.PathLike) -> None:
        """Write readable JSON; `neurojax.load_fit` reads it back."""
        text = json.dumps(self.to_dict(), indent=2)
        temporary = f"{os.fspath(path)}.part"
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.replace(temporary, path)


def conclude(problem: "Problem", state: levenberg.State, seconds: dict[str, float]) -> Fit:
    """From the finished search to values, deviations and warnings."""
    best = state.best()
    theta, weights = state.theta[best], problem.weights()
    r, jacobian = problem.evaluate(theta[None], (problem.mask).astype(float))
    fitted = weights[problem.mask] > 0
    r, jacobian = r[0], jacobian[0]
    chi2, n = float(r[fitted] @ r[fitted]), int(fitted.sum())
    dof = max(n - len(theta), 1)
    reduced = chi2 / dof
    likelihood = n * np.log(max(chi2, np.finfo(float).tiny) / n)
    # The noise of a trace is itself an estimate: let the scatter of the residuals set its scale.
    held = np.abs(theta) > AT_BOUND
    cov_theta = identify.covariance(jacobian[fitted].T @ jacobian[fitted], held) * reduced
    values, slope, ends = _physical(problem.box, theta, np.sqrt(np.diag(cov_theta)))
    covariance = slope[:, None] * cov_theta * slope[None, :]
    estimates = _estimates(problem, theta, values, covariance, cov_theta, ends)
    model = model_values(problem, theta, r)
    unit, rms, of_range = _misfit(problem, fitted, model)
    _, held, held_of_range = _misfit(problem, ~fitted, model)
    agree = int(np.sum(state.cost <= state.cost[best] * 1.02 + 2.0))
    directions = identify.words(problem.names, _relative(problem, values, covariance))
    fit = Fit(
        device=with_values(problem.device, _first(problem, estimates, "device")),
        instrument=with_values(problem.model.instrument, _first(problem, estimates, "instrument")),
        estimates=estimates, covariance=covariance, rms_error=rms, rms_unit=unit, rms_of_range=of_range,
        held_out_rms=held, held_out_of_range=held_of_range, chi2_reduced=reduced, n_points=n,
        aic=likelihood + 2 * len(theta), bic=likelihood + len(theta) * np.log(n),
        converged=not bool(state.active[best]), start_costs=state.cost, agreeing=agree, directions=directions,
        warnings=[], seconds=seconds, settings=problem.settings, model=model, theta=theta, problem=problem,
    )  # fmt: skip
    return dataclasses.replace(fit, warnings=_warnings(fit))


def _physical(box: Box, theta: np.ndarray, std: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, their derivatives to theta, and the values at 1.96 deviations below and above, shape (2, p)."""
    moved = 1.96 * np.minimum(std, 50.0)
    values, *ends = box.at(np.stack([theta, theta - moved, theta + moved]))
    lower, upper, log = (np.asarray(a, dtype=float) for a in (box.lower, box.upper, box.log))
    s = 1 / (1 + np.exp(-theta))
    with np.errstate(invalid="ignore", divide="ignore"):
        span = np.where(log > 0, values * np.log(upper / lower), upper - lower)
    return values, span * s * (1 - s), np.stack(ends)


def _estimates(problem, theta, values, covariance, cov_theta, ends) -> dict[str, Estimate]:
    std, std_theta = np.sqrt(np.diag(covariance)), np.sqrt(np.diag(cov_theta))
    found, low, high = {}, np.asarray(problem.box.lower), np.asarray(problem.box.upper)
    for k, name in enumerate(problem.names):
        lo, hi = float(ends[0, k]), float(ends[1, k])
        bounds = (float(low[k]), float(high[k]))
        found[name] = Estimate(
            name, float(values[k]), float(std[k]), (min(lo, hi), max(lo, hi)), problem.declared[k].unit, bounds,
            bool(abs(theta[k]) > AT_BOUND), bool(std_theta[k] < identify.UNDETERMINED),
        )  # fmt: skip
    return found


def _relative(problem, values, covariance) -> np.ndarray:
    log = np.asarray(problem.box.log) > 0
    width = np.asarray(problem.box.upper) - np.asarray(problem.box.lower)
    scale = np.where(log, np.abs(values), width)
    return covariance / scale[:, None] / scale[None, :]


def model_values(problem: "Problem", theta: np.ndarray, r: np.ndarray | None = None) -> list[np.ndarray]:
    """Model values, shaped like the data of each trace (NaN where nothing was measured)."""
    if r is None:
        r = problem.evaluate(theta[None], problem.mask.astype(float))[0][0]
    whole = np.full(problem.mask.shape, np.nan)
    whole[problem.mask] = r
    rows = from_residual(whole, problem.data, problem.spec.residual)
    rows, out = [row[m] for row, m in zip(rows, problem.mask, strict=True)], []
    for trace in problem.traces:
        measured = trace.i if isinstance(trace, Trace) else trace.conductance
        known = np.isfinite(measured)
        pieces = simulations(trace)
        values = np.full(measured.shape, np.nan)
        values[known] = np.concatenate(rows[:pieces])
        out.append(values)
        rows = rows[pieces:]
    return out


def _misfit(problem, chosen: np.ndarray, model) -> tuple[str, float, float]:
    """(unit, rms in that unit, rms over the range of the data) of some observations; NaN if there are none."""
    y = np.asarray(problem.data.y)[problem.mask]
    soft = SOFT * np.asarray(problem.data.floor)[problem.mask]
    flat = np.concatenate([m[np.isfinite(m)] for m in model])
    unit = "of range" if problem.spec.residual == "linear" else "decades"
    if not chosen.any():
        return unit, float("nan"), float("nan")
    error = ((flat - y) / np.ptp(y))[chosen]
    decades = ((np.arcsinh(flat / soft) - np.arcsinh(y / soft)) / np.log(10))[chosen]
    of_range = float(np.sqrt(np.mean(error**2)))
    return unit, of_range if unit == "of range" else float(np.sqrt(np.mean(decades**2))), of_range


def _first(problem, estimates, owner: str) -> dict[str, float]:
    """The values of the first trace, for the device or for the instrument."""
    found = {}
    for name, e in estimates.items():
        if name.startswith("instrument.") == (owner == "instrument") and not ("[" in name and not name.endswith("[0]")):
            found[name.removeprefix("instrument.").removesuffix("[0]")] = e.value
    return found


def _warnings(fit: Fit) -> list[str]:
    """Sentences about what a user must not overlook."""
    said = []
    if not fit.converged:
        said.append("the best search had not converged: raise max_iterations.")
    if fit.chi2_reduced > 2.0:
        said.append(
            f"chi2 per degree of freedom is {fit.chi2_reduced:.3g}: this model does not describe the trace within its "
            "noise (a wrong basin, a missing mechanism, or noise estimated too small). Deviations are scaled up by it."
        )
    tried = int(np.isfinite(fit.start_costs).sum())
    if len(fit.start_costs) > 1 and fit.agreeing < 2:
        said.append(
            f"only 1 of {tried} starts reached the best minimum: it may not be the global one; use more starts."
        )
    stuck = [e.name for e in fit.estimates.values() if e.at_bound]
    if stuck:
        said.append(
            f"at a bound: {', '.join(stuck)}. Widen it with bounds= if physics allows, or fix the parameter; the "
            "deviations of the others are those for it held there."
        )
    loose = [e.name for e in fit.estimates.values() if not e.determined]
    if loose:
        said.append(
            f"not determined by these data: {', '.join(loose)}. Fix them, or measure something that moves them."
        )
    return said


def check_names(fit: Fit, name: str) -> None:
    """Raise FitError unless `name` was free in `fit`."""
    if name not in fit.estimates:
        from physics.quantity import suggest

        raise FitError(f"{name!r} was not free in this fit.{suggest(name, tuple(fit.estimates))}")
