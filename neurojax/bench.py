"""Side-by-side measurements: our loops against those of others, in one process, on one machine, as ratios.

    neurojax bench engine          neurojax bench fit --json

Absolute times say more about the machine than about the code, so each row is a ratio of two medians taken in
turn (A B A B ...). Errors are mean differences to a reference of tolerance 1e-10, in decades of asinh(i/i0).
"""

import dataclasses
import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from neurojax.catalogue import device_named
from neurojax.demo import FREE, TRUTH, measured_style
from neurojax.fit import Problem, fit, prepare
from neurojax.search import plan, starting_points
from neurojax.simulate import simulate
from neurojax.waveform import Waveform, pulse_train, triangle
from physics.device import AbstractDevice, Environment
from physics.quantity import parameters, with_values

ENGINE_DEVICES = ("Vteam", "GapRram")
SPREAD = 0.03
TOLERANCE = 1e-5
PATIENCE = 5.0
"""Seconds after which a comparison is not repeated once more."""
MOST_STEPS = 2**15
"""Where a solver is stopped that does not get on: one member in fifty can take a hundred times more than the rest."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One comparison: how many times faster we are than `other` (median of repeats), and both errors."""

    case: str
    other: str
    times_faster: float
    our_error: float | None
    other_error: float | None
    note: str = ""


def in_turn(ours: Callable[[], Any], other: Callable[[], Any], repeats: int) -> tuple[float, Any, Any]:
    """Median time of `other` over that of `ours`, called alternately after one call of each, and what those gave.

    Less often than `repeats` where that would take longer than `PATIENCE`.
    """
    answers = ours(), other()
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for k, run in enumerate((ours, other)):
            began = time.perf_counter()
            run()
            seconds[k].append(time.perf_counter() - began)
        if sum(seconds[0] + seconds[1]) > PATIENCE:
            break
    return statistics.median(seconds[1]) / statistics.median(seconds[0]), *answers


def population(device: AbstractDevice, n: int, seed: int = 0) -> AbstractDevice:
    """n devices with 3 % log-normal spread in every free parameter, inside the bounds."""
    rng = np.random.default_rng(seed)
    rows = {}
    for name, p in parameters(device).items():
        if p.quantity.free:
            spread = float(p.value) * np.exp(SPREAD * rng.standard_normal(n))
            rows[name] = jnp.asarray(np.clip(spread, *p.bounds))
    return with_values(device, rows)


def waveforms(device: AbstractDevice) -> dict[str, Waveform]:
    """The usual triangle, and twenty pulses of alternating sign as long as a hundredth of it, each pair higher."""
    v_max, v_min, period = device.sweep
    heights = np.outer(np.linspace(0.8, 1.0, 10), [float(np.max(v_max)), float(np.min(v_min))])
    return {"triangle": triangle(v_max, v_min, period), "pulses": pulse_train(heights.ravel(), period / 100)}


def engine(sizes: Sequence[int] = (1, 50), names: Sequence[str] = ENGINE_DEVICES) -> Iterator[Row]:
    """Our integrator against Kvaerno5 of diffrax under vmap (knots declared to both) and against SciPy's LSODA."""
    for name in names:
        device = device_named(name)
        for kind, wave in waveforms(device).items():
            ts = jnp.asarray(np.linspace(0, float(wave.duration), 201))
            for n in sizes:
                yield _against_diffrax(f"{name} {kind}", population(device, n), wave, ts, n)
            if kind == "triangle":
                yield _against_scipy(f"{name} {kind}", device, wave, ts)


def _options(ts, rtol: float = TOLERANCE, **other: Any) -> dict[str, Any]:
    return dict(ts=ts, rtol=rtol, atol=1e-2 * rtol, gradient="forward", progress=False, **other)


def _against_diffrax(case: str, members: AbstractDevice, wave: Waveform, ts, n: int) -> Row:
    def ours():
        return simulate(members, wave, max_steps=MOST_STEPS, **_options(ts)).i.block_until_ready()

    def other():
        options = _options(ts, solver=diffrax.Kvaerno5(), max_steps=MOST_STEPS, throw=False)
        record = simulate(members, wave, **options)
        return jnp.where(record.ok[:, None], record.i, jnp.nan).block_until_ready()

    reference = simulate(members, wave, max_steps=2**18, **_options(ts, rtol=1e-10)).i
    ratio, mine, theirs = in_turn(ours, other, repeats=3)
    failed = int(np.sum(~np.isfinite(np.asarray(theirs)).all(axis=1)))
    note = f"at least: {failed} of {n} of theirs not done after {MOST_STEPS} steps" if failed else ""
    errors = _error(mine, reference), _error(theirs, reference)
    return Row(f"{case}, N = {n}", "diffrax Kvaerno5", ratio, *errors, note)


def _against_scipy(case: str, device: AbstractDevice, wave: Waveform, ts) -> Row:
    """One of a thousand of ours against one of theirs, which calls compiled right-hand sides piece by piece."""
    from scipy.integrate import solve_ivp

    n = 1000
    members, env = population(device, n), Environment()
    flat, unravel = ravel_pytree(device.init(env))
    rate = jax.jit(lambda y, v: ravel_pytree(device.rate(unravel(y), v, env))[0])
    jacobian = jax.jit(jax.jacfwd(lambda y, v: ravel_pytree(device.rate(unravel(y), v, env))[0]))
    times, volts, samples = (np.asarray(a) for a in (wave.t, wave.v, ts))

    def other():
        y = np.asarray(flat)
        options: dict[str, Any] = dict(method="LSODA", rtol=TOLERANCE, atol=1e-2 * TOLERANCE)
        options["jac"] = lambda t, y: np.asarray(jacobian(y, np.interp(t, times, volts)))
        for a, b in itertools.pairwise(times):
            options["t_eval"] = np.union1d(samples[(samples > a) & (samples <= b)], [b])
            y = solve_ivp(lambda t, y: np.asarray(rate(y, np.interp(t, times, volts))), (a, b), y, **options).y[:, -1]

    def ours():
        simulate(members, wave, **_options(ts)).i.block_until_ready()

    ratio, *_ = in_turn(ours, other, repeats=3)
    return Row(f"{case}, one of {n}", "SciPy LSODA", n * ratio, None, None, "per device")


def _error(found: Any, reference: Any) -> float:
    found, reference = np.asarray(found), np.asarray(reference)
    floor = 1e-6 * np.abs(reference).max()
    return float(np.nanmean(np.abs(np.arcsinh(found / floor) - np.arcsinh(reference / floor))) / np.log(10))


def fits() -> Iterator[Row]:
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

        ratio, *found = in_turn(ours, other, repeats=1)
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


BENCHES: dict[str, Callable[[], Iterator[Row]]] = {"engine": engine, "fit": fits}
