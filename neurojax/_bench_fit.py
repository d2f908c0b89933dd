"""The rows of `neurojax bench fit`: whole fits, ours against the same on diffrax and against SciPy.

sweep    201 samples of a filament RRAM with noise, six free parameters, 16 random starts
Gong     1000 up and 1000 down pulses of an analog ReRAM, T. Gong et al., Nat. Commun. 9, 2102 (2018),
         10.1038/s41467-018-04485-1, in arbitrary units; read from $NEUROJAX_DATA, skipped where it is absent
demo     the demonstration fit, on the same residuals by SciPy's least_squares
"""

import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from neurojax.bench import Row, in_turn
from neurojax.catalogue import device_named
from neurojax.demo import FREE, TRUTH, measured_style
from neurojax.fit import Problem, fit, prepare
from neurojax.fitresult import Fit
from neurojax.pulses import PulseTrace
from neurojax.residual import residuals
from neurojax.search import plan, starting_points
from neurojax.simulate import simulate
from neurojax.trace import Trace
from neurojax.waveform import triangle
from physics.device import AbstractDevice

SIX = ("i_0", "g_0", "v_0", "gamma_0", "beta", "r_th")
SEARCH: dict[str, Any] = dict(n_starts=16, screen=8, generations=0, max_iterations=6, max_steps=2**13)
"""Short, as diffrax takes minutes: no evolution, few iterations in each of the two stages, and a bound on the steps,
as one start in fifty never ends there."""
SHIFT, UNIT, NOISE = 2.0, 1e-6, 0.15
"""Gong's arbitrary units as conductances (y + SHIFT) UNIT in S, and the deviation of one reading in those units."""


def rows() -> Iterator[Row]:
    """All comparisons; about a quarter of an hour on two cores."""
    yield from against_diffrax(sweep(), SEARCH)
    yield gong(data_folder())
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
    first = [_uncached(lambda s=s: run(s)) for s in solvers]
    yield Row(f"{case}, first call", "diffrax Kvaerno5", first[1] / first[0], note=f"once each; {note}")
    ratio, *fits = in_turn(run, lambda: run(solvers[1]))
    errors = [f.chi2_reduced - 1 for f in fits]
    yield Row(case, "diffrax Kvaerno5", ratio, errors[0], errors[1], note)


def _uncached(run: Callable[[], Any]) -> float:
    """Seconds of a call that compiles everything anew."""
    kept = jax.config.values["jax_enable_compilation_cache"]
    jax.config.update("jax_enable_compilation_cache", False)
    jax.clear_caches()
    began = time.perf_counter()
    run()
    seconds = time.perf_counter() - began
    jax.config.update("jax_enable_compilation_cache", kept)
    return seconds


def gong(folder: Path, most: int | None = None) -> Row:
    """Levenberg-Marquardt with exact Jacobians against Powell's search, from the same start on the same residuals.

    Generalised memristor whose motion slows exponentially on the way, as the exponential-step model that is usually
    fitted to these data; the errors are rms in their units. most: how many evaluations Powell may use.
    """
    case, other = "2000 pulses of Gong et al., 6 parameters", "SciPy Powell"
    path = folder / "reram_gong2018" / "gong_et_al.csv"
    if not path.is_file():
        return Row(case, other, float("nan"), note=f"skipped: no {path}; set NEUROJAX_DATA")
    trace, device, free = gong_problem(path)
    options: dict[str, Any] = dict(free=free, residual="linear")
    problem = prepare(device, trace, **options)
    ours = lambda: fit(device, trace, **options, n_starts=1, progress=False).model[0]  # noqa: E731
    theirs = lambda: _powell(problem, most)  # noqa: E731
    ratio, mine, (found, count) = in_turn(ours, theirs)
    errors = [float(np.sqrt(np.mean((m - trace.conductance) ** 2))) / UNIT for m in (mine, found)]
    return Row(case, other, ratio, errors[0], errors[1], f"its search takes {count} evaluations")


def gong_problem(path: Path) -> tuple[PulseTrace, AbstractDevice, tuple[str, ...]]:
    """The measured sequence, back to back, the device from which both begin, and what is free."""
    y = np.loadtxt(path, delimiter=",").T.ravel()
    volts = np.repeat([1.0, -1.0], len(y) // 2)
    floor: dict[str, Any] = dict(noise_floor=NOISE * UNIT, noise_relative=0.0)
    trace = PulseTrace(volts, 1e-6, (y + SHIFT) * UNIT, rise=0.0, rest=0.0, v_read=0.1, **floor)
    start: dict[str, Any] = dict(
        a_1=2e-6, b=5.0, a_p=300.0, a_n=1e5, alpha_p=3.0, alpha_n=6.0, x_p=0.0, x_n=0.0, x_init=0.15
    )
    return trace, device_named("Yakopcic").replace(**start), ("a_1", "a_p", "a_n", "alpha_p", "alpha_n", "x_init")


def _powell(problem: Problem, most: int | None) -> tuple[np.ndarray, int]:
    """Model values that Powell's search ends with, by its own defaults, and how many evaluations it took."""
    from scipy.optimize import minimize

    def evaluated(theta):
        r, ok = residuals(jnp.asarray(theta)[None], problem.model, problem.data, problem.spec)
        return np.asarray(r[0, 0]), bool(ok.all())

    def cost(theta):
        r, ok = evaluated(theta)
        return float(r @ r) if ok and np.isfinite(r).all() else 1e12

    start = problem.box.to_line(np.asarray([float(p.value) for p in problem.declared]))
    found = minimize(cost, start, method="Powell", options={} if most is None else dict(maxfev=most))
    y, sigma = (np.asarray(a)[0] for a in (problem.data.y, problem.data.sigma))
    return y + sigma * evaluated(found.x)[0], found.nfev


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
