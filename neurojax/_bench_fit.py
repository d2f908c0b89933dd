"""The rows of `neurojax bench fit`: whole fits, ours against the same on diffrax and against SciPy.

sweep    201 samples of a filament RRAM with noise, six free parameters, 16 random starts
Gong     1000 up and 1000 down pulses of an analog ReRAM, T. Gong et al., Nat. Commun. 9, 2102 (2018),
         10.1038/s41467-018-04485-1, in arbitrary units; read from $NEUROJAX_DATA, skipped where it is absent
response the same pulses by a model without a mechanism, `fit_response`
demo     the demonstration fit, on the same residuals by SciPy's least_squares
"""

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from neurojax._batches import Bound
from neurojax.bench import Row, clocked, in_turn, uncached
from neurojax.bijection import LIMIT
from neurojax.catalogue import device_named
from neurojax.demo import FREE, TRUTH, measured_style
from neurojax.fit import fit
from neurojax.fitresult import Fit
from neurojax.problem import Problem, prepare
from neurojax.pulses import PulseTrace
from neurojax.residual import residuals
from neurojax.response import fit_response, read_response, response_cost
from neurojax.search import plan, starting_points
from neurojax.simulate import simulate
from neurojax.trace import Trace
from neurojax.waveform import triangle
from physics.device import AbstractDevice
from physics.pulsed_presets import PRESETS

SIX = ("i_0", "g_0", "v_0", "gamma_0", "beta", "r_th")
SEARCH: dict[str, Any] = dict(n_starts=16, screen=8, generations=0, max_iterations=6, max_steps=2**13)
"""Short, as diffrax takes minutes: no evolution, few iterations in each of the two stages, and a bound on the steps,
as one start in fifty never ends there."""
FIRSTS = 3
"""First calls of each, in turn."""
STARTS = 9
SHIFT, UNIT, NOISE = 2.0, 1e-6, 0.15
"""Gong's arbitrary units as conductances (y + SHIFT) UNIT in S, and the deviation of one reading in those units."""


def rows() -> Iterator[Row]:
    """All comparisons; about two minutes on two cores."""
    yield from against_diffrax(sweep(), SEARCH)
    for starts in (1, STARTS):
        yield gong(data_folder(), starts)
    yield from responses(data_folder())
    yield from _least_squares()


def data_folder() -> Path:
    """Where the measured traces are: $NEUROJAX_DATA, or shared/data beside the package or its folder."""
    root = Path(__file__).resolve().parents[1]
    places = [root / "shared" / "data", root.parent / "shared" / "data"]
    return Path(os.environ.get("NEUROJAX_DATA", next((p for p in places if p.is_dir()), places[0])))


def sweep(n: int = 201) -> Trace:
    """A usual sweep of `GapRram` at n samples with 2 % noise and a floor of 1e-4 of the largest current."""
    device = device_named("GapRram")
    ts = np.linspace(0.0, float(device.sweep.period), n)
    record = simulate(device, triangle(*device.sweep), ts=ts, rtol=1e-8, atol=1e-10, progress=False)
    i, rng = np.asarray(record.i), np.random.default_rng(0)
    floor = 1e-4 * float(np.abs(i).max())
    noisy = i * (1 + 0.02 * rng.standard_normal(n)) + floor * rng.standard_normal(n)
    return Trace(ts, record.v, noisy, noise_floor=floor, noise_relative=0.02)


def against_diffrax(trace: Trace, how: dict[str, Any], free: tuple[str, ...] = SIX) -> Iterator[Row]:
    """The same fit by our solver and by Kvaerno5: the first call of each, compilation included, then in turn.

    The errors are chi2 per degree of freedom above one: a fit as good as the noise allows has about zero.
    """
    device = device_named("GapRram")

    def run(solver=None) -> Fit:
        options = dict(free=free, key=jax.random.key(0), use_current=False, progress=False, solver=solver)
        return fit(device, trace, **options, **how)

    solvers = None, diffrax.Kvaerno5()
    case = f"{len(free)} parameters of {len(trace)} samples, {how['n_starts']} starts"
    note = f"{how['generations']} generations, {how['max_iterations']} iterations a stage, {how['max_steps']} steps"
    first = [[uncached(lambda s=s: run(s)) for s in solvers] for _ in range(FIRSTS)]
    ours, theirs = np.median(first, axis=0)
    ratio, cpu = theirs / ours
    told = f"of {FIRSTS} each; {note}; CPU time {cpu:.3g}"
    yield Row(f"{case}, first call", "diffrax Kvaerno5", float(ratio), note=told)
    # Compiled already; ours takes seconds, the other minutes.
    mine, theirs = [clocked(run) for _ in range(3)], clocked(lambda: run(solvers[1]))
    ratio, cpu = theirs[1] / np.median([seconds for _, seconds in mine], axis=0)
    errors = [f.chi2_reduced - 1 for f in (mine[0][0], theirs[0])]
    yield Row(case, "diffrax Kvaerno5", float(ratio), errors[0], errors[1], f"{note}; CPU time {cpu:.3g}")


def gong(folder: Path, n_starts: int, budget: float = 60.0) -> Row:
    """The fit from all starts against Powell's search from the same, one after the other, on the same residuals.

    Generalised memristor whose motion slows exponentially on the way, as the exponential-step model that is usually
    fitted to these data. The first start is the middle of the bounds, the others are random (each the best of four
    draws). The errors are rms in the units of the data, of the best start of each. budget: seconds after which Powell
    is given no further start; the time of all is then scaled up from those it had.
    """
    word = "start" if n_starts == 1 else "starts"
    case, other = f"2000 pulses of Gong et al., 6 parameters, {n_starts} {word}", "SciPy Powell"
    path = folder / "reram_gong2018" / "gong_et_al.csv"
    if not path.is_file():
        return Row(case, other, float("nan"), note=f"skipped: no {path}; set NEUROJAX_DATA")
    trace, device, bounds = gong_problem(path)
    options: dict[str, Any] = dict(free=tuple(bounds), bounds=bounds, residual="linear")
    how: dict[str, Any] = dict(n_starts=n_starts, key=jax.random.key(0), screen=4, generations=0, max_iterations=80)
    problem = prepare(device, trace, **options)
    starts = starting_points(problem, plan(use_current=True, windows=(1.0,), **how))
    ours = lambda: fit(device, trace, **options, **how, progress=False)  # noqa: E731
    ours()
    mine = [clocked(ours) for _ in range(3)]
    found, spent, count = [], np.zeros(2), 0
    bound = Bound(residuals, problem.model, problem.data, problem.spec)
    _cost(bound, starts[0])
    for start in starts:
        answer, seconds = clocked(lambda s=start: _powell(bound, s))
        found.append(float(answer.fun))
        spent, count = spent + seconds, count + int(answer.nfev)
        if spent[0] > budget:
            break
    whole = spent * len(starts) / len(found)
    ratio, cpu = whole / np.median([seconds for _, seconds in mine], axis=0)
    best = mine[0][0]
    errors = float(np.sqrt(np.mean((best.model[0] - trace.conductance) ** 2))) / UNIT, _rms(min(found), trace)
    scaled = "" if len(found) == len(starts) else f", scaled from {len(found)} of its starts"
    agree = sum(_rms(f, trace) <= 1.01 * errors[0] for f in found)
    note = (
        f"within 1 % of our error: {best.agreeing} of our starts, {agree} of its; it takes {count} evaluations{scaled}"
    )
    return Row(case, other, float(ratio), *errors, f"{note}; CPU time {cpu:.3g}")


def responses(folder: Path) -> Iterator[Row]:
    """`fit_response` to its own end and to the error of Powell's search, which starts where ours does.

    The exponential model of six values and the first weight. Powell's search goes by our coordinates on the whole
    line, as within bounds it stops at once, and by its own defaults.
    """
    path, case, other = folder / "reram_gong2018" / "gong_et_al.csv", "2000 pulses of Gong et al.", "SciPy Powell"
    if not path.is_file():
        yield Row(f"{case}, response", other, float("nan"), note=f"skipped: no {path}; set NEUROJAX_DATA")
        return
    signs, w = read_response(path)
    device = PRESETS["ReRamES"]()
    cost, start = response_cost(device, signs, w)
    powell = lambda: _unbounded(lambda th: float(cost(th)), start)  # noqa: E731
    for label, tolerance in (("to the end", 1e-5), ("until an iteration gains 1 %", 1e-2)):
        ours = lambda t=tolerance: jax.block_until_ready(fit_response(device, signs, w, tolerance=t))  # noqa: E731
        ratio, mine, theirs = in_turn(ours, powell)
        note = f"{theirs.nfev} evaluations, of which ours is {int(mine.iterations)} iterations"
        errors = float(mine.rmse), float(np.sqrt(theirs.fun / len(w)))
        yield Row(f"{case}, exponential response, {label}", other, ratio, *errors, note)


def _unbounded(cost: Callable[[np.ndarray], float], start: np.ndarray) -> Any:
    from scipy.optimize import minimize

    return minimize(cost, start, method="Powell")


def _rms(squares: float, trace: PulseTrace) -> float:
    return NOISE * float(np.sqrt(squares / len(trace)))


def gong_problem(path: Path) -> tuple[PulseTrace, AbstractDevice, dict[str, tuple[float, float]]]:
    """The measured sequence, back to back, the device in the middle of the bounds, and the bounds of what is free.

    Currents within a factor of ten of the readings, rates from a hundredth of one over the time measured to 10^4 of
    it (as the motion slows by a factor up to e^20 on the way), the others as declared.
    """
    y = np.loadtxt(path, delimiter=",").T.ravel()
    volts = np.repeat([1.0, -1.0], len(y) // 2)
    floor: dict[str, Any] = dict(noise_floor=NOISE * UNIT, noise_relative=0.0)
    trace = PulseTrace(volts, 1e-6, (y + SHIFT) * UNIT, rise=0.0, rest=0.0, v_read=0.1, **floor)
    bounds = dict(a_1=(1e-7, 1e-5), a_p=(10.0, 1e7), a_n=(10.0, 1e7))
    bounds |= dict(alpha_p=(0.0, 20.0), alpha_n=(0.0, 20.0), x_init=(0.0, 1.0))
    device = device_named("Yakopcic").replace(b=5.0, x_p=0.0, x_n=0.0)
    middle = {n: float(np.sqrt(a * b)) if a > 0 else 0.5 * (a + b) for n, (a, b) in bounds.items()}
    return trace, device.replace(**middle), bounds


def _cost(bound: Bound, theta: np.ndarray) -> float:
    """Sum of the squared residuals; large where it cannot be simulated."""
    r, ok = map(np.asarray, bound(theta[None]))
    r = r.ravel()
    return float(r @ r) if bool(ok.all()) and np.isfinite(r).all() else 1e12


def _powell(bound: Bound, start: np.ndarray) -> Any:
    """What Powell's search finds from there, by its own defaults, within the same bounds."""
    from scipy.optimize import minimize

    return minimize(lambda th: _cost(bound, th), start, method="Powell", bounds=[(-LIMIT, LIMIT)] * len(start))


def _least_squares() -> Iterator[Row]:
    """The demonstration fit from eight evolved starts, against SciPy's least_squares from the same starts.

    SciPy takes them one after the other, on the same residuals, with differences for its Jacobian (what a user of a
    simulator without derivatives has), and once more with our Jacobian. The errors are the largest relative ones.
    """
    device, trace = device_named("Vteam"), measured_style(0)
    how = plan(8, False, 32, 30, (1.0,), 80, jax.random.key(0))
    single = dataclasses.replace(prepare(device, trace, free=FREE), batch=1)
    truth = np.asarray([TRUTH[n] for n in single.names])
    for label, exact in (("SciPy least_squares, differences", False), ("SciPy least_squares, our Jacobian", True)):

        def ours():
            found = fit(device, trace, free=FREE, key=jax.random.key(0), use_current=False, progress=False)
            return np.asarray([found.values[n] for n in single.names])

        def other(exact=exact):
            starts = starting_points(dataclasses.replace(single, batch=8), how)
            return np.asarray(single.box.to_physical(jnp.asarray(_scipy_fit(single, starts, exact))))

        ratio, *found = in_turn(ours, other)
        errors = [float(np.abs(values / truth - 1).max()) for values in found]
        yield Row("five parameters of a sweep, 8 starts", label, ratio, errors[0], errors[1])


def _scipy_fit(problem: Problem, starts: np.ndarray, exact: bool) -> np.ndarray:
    from scipy.optimize import least_squares

    weights = problem.weights()

    def residual(th):
        r = problem.evaluate(th[None], weights)[0][0]
        return np.where(np.isfinite(r), r, 1e3)

    slopes: Any = (lambda th: problem.evaluate(th[None], weights)[1][0]) if exact else "2-point"
    found = [least_squares(residual, th, jac=slopes, x_scale="jac", max_nfev=80) for th in starts]
    return min(found, key=lambda f: f.cost).x
