"""The rows of `neurojax bench engine`: filament RRAM with 3 % spread in every free parameter.

    triangle    the usual sweep, 1000 samples           pulses    100 of them, 10 samples each

Errors are mean differences of the current to a run at a tolerance of 1e-10, in decades of asinh(i/i0).
"""

import itertools
import resource
import time
from collections.abc import Callable, Iterator
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from neurojax import _bench_c, _bench_ngspice
from neurojax._chunks import cores
from neurojax.bench import PATIENCE, Row, in_turn, population, waveforms
from neurojax.catalogue import device_named
from neurojax.simulate import simulate
from neurojax.waveform import Waveform
from physics.device import AbstractDevice, Environment
from physics.quantity import parameters, with_values

DEVICES = ("ThermalFilament", "GapRram")
TOLERANCE = 1e-5
MANY = 10_000
MOST_STEPS = 2**15
"""Where a solver is stopped that does not get on: one member in fifty can take a hundred times more than the rest."""


def rows() -> Iterator[Row]:
    """All comparisons; about ten minutes on two cores."""
    yield _first_call("GapRram")
    for name in DEVICES:
        device = device_named(name)
        for kind, wave in waveforms(device, 100).items():
            ts = jnp.linspace(0.0, float(wave.duration), 1000)
            case = f"{name}, {kind}"
            for n in (1, MANY):
                yield _against_diffrax(case, device, wave, ts, n, TOLERANCE)
            yield _single_precision(case, device, wave, ts, MANY)
            yield from _one_by_one(case, device, wave, ts)
            yield _against_c(case, device, wave, ts)
        yield from _gradients(name, device)
    yield from _scaling()


def _options(ts: Array, rtol: float, **other: Any) -> dict[str, Any]:
    return dict(ts=ts, rtol=rtol, atol=1e-2 * rtol, gradient="forward", progress=False, throw=False) | other


def _current(record: Any) -> np.ndarray:
    return np.asarray(jnp.where(record.ok.reshape(-1, 1), jnp.atleast_2d(record.i), jnp.nan).block_until_ready())


def _error(found: np.ndarray, reference: np.ndarray) -> float:
    found, reference = np.atleast_2d(found), np.atleast_2d(reference)[: len(np.atleast_2d(found))]
    floor = 1e-6 * np.abs(reference).max()
    return float(np.nanmean(np.abs(np.arcsinh(found / floor) - np.arcsinh(reference / floor))) / np.log(10))


def _against_diffrax(case: str, device: AbstractDevice, wave: Waveform, ts: Array, n: int, rtol: float) -> Row:
    """Kvaerno5 under vmap, told every knot, at the same tolerance."""
    members = population(device, n)
    ours = lambda: _current(simulate(members, wave, **_options(ts, rtol)))  # noqa: E731
    solver = diffrax.Kvaerno5()
    options = _options(ts, rtol, solver=solver, max_steps=MOST_STEPS)
    reference = _current(simulate(members, wave, **_options(ts, 1e-10)))
    ratio, mine, theirs = in_turn(ours, lambda: _current(simulate(members, wave, **options)))
    failed = int(np.sum(~np.isfinite(theirs).all(axis=1)))
    note = f"at least: {failed} of theirs not done after {MOST_STEPS} steps" if failed else ""
    return Row(f"{case}, N = {n}", "diffrax Kvaerno5", ratio, _error(mine, reference), _error(theirs, reference), note)


def _single_precision(case: str, device: AbstractDevice, wave: Waveform, ts: Array, n: int) -> Row:
    """Ours in float32 beside ours in float64."""
    double = population(device, n)
    single = jax.tree.map(lambda a: a.astype(jnp.float32), (double, wave, ts))
    reference = _current(simulate(double, wave, **_options(ts, 1e-10)))
    ours = lambda: _current(simulate(single[0], single[1], **_options(single[2], TOLERANCE)))  # noqa: E731
    other = lambda: _current(simulate(double, wave, **_options(ts, TOLERANCE)))  # noqa: E731
    ratio, mine, theirs = in_turn(ours, other)
    return Row(
        f"{case}, N = {n}, float32", "ours in float64", ratio, _error(mine, reference), _error(theirs, reference)
    )


def _one_by_one(case: str, device: AbstractDevice, wave: Waveform, ts: Array) -> Iterator[Row]:
    """Those that take one device at a time: SciPy with compiled rates, knot by knot, and ngspice."""
    n = 2048
    members = population(device, n)
    one = with_values(device, {k: p.value[0] for k, p in parameters(members).items() if p.value.ndim})
    reference = _current(simulate(one, wave, **_options(ts, 1e-10)))
    ours = lambda: _current(simulate(members, wave, **_options(ts, TOLERANCE)))  # noqa: E731
    ratio, mine, theirs = in_turn(ours, lambda: _lsoda(one, wave, ts))
    errors = _error(mine[:1], reference), _error(theirs, reference)
    yield Row(case, "SciPy LSODA, a device", n * ratio, *errors, "with Radau for a piece on which it gives up")
    try:
        spice = lambda: _bench_ngspice.run(one, wave, np.asarray(ts), reltol=1e-4).i  # noqa: E731
        ratio, mine, theirs = in_turn(ours, spice)
    except _bench_ngspice.NgspiceError as e:
        yield Row(case, "ngspice, a device", float("nan"), note=str(e).split(".")[0])
        return
    errors = _error(mine[:1], reference), _error(theirs, reference)
    yield Row(case, "ngspice, a device", n * ratio, *errors, "reltol 1e-4, the whole process")


def _lsoda(device: AbstractDevice, wave: Waveform, ts: Array) -> np.ndarray:
    from scipy.integrate import solve_ivp

    env = Environment()
    flat, unravel = ravel_pytree(device.init(env))
    rate, jacobian = _compiled(type(device), unravel)
    times, volts, samples = (np.asarray(a) for a in (wave.t, wave.v, ts))
    y, found = np.asarray(flat), [np.asarray(flat)[:, None]]
    for a, b in itertools.pairwise(times):
        if a == b:
            continue
        piece = (times >= a) & (times <= b)

        def volt(t, piece=piece):
            return np.interp(t, times[piece], volts[piece])

        inside = samples[(samples > a) & (samples <= b)]
        options: dict[str, Any] = dict(
            method="LSODA", rtol=TOLERANCE, atol=1e-2 * TOLERANCE, t_eval=np.union1d(inside, [b])
        )
        options["jac"] = lambda t, y, volt=volt: np.asarray(jacobian(device, y, volt(t)))
        flow = lambda t, y, volt=volt: np.asarray(rate(device, y, volt(t)))  # noqa: E731
        got = solve_ivp(flow, (a, b), y, **options)
        if not (got.success and np.isfinite(got.y).all()):
            # LSODA gives up where a device runs away.
            options["method"] = "Radau"
            got = solve_ivp(flow, (a, b), y, **options)
        y, found = got.y[:, -1], [*found, got.y[:, : len(inside)]]
    states = jax.vmap(unravel)(jnp.asarray(np.concatenate(found, axis=1)[:, : len(samples)].T))
    volts = jnp.asarray(np.interp(samples, times, volts))
    return np.asarray(jax.vmap(lambda x, v: device.current(x, v, env))(states, volts))


_KEPT: dict[Any, Any] = {}


def _compiled(kind: type, unravel: Callable[[Array], Any]) -> Any:
    if kind not in _KEPT:

        def rate(device, y, v):
            return ravel_pytree(device.rate(unravel(y), v, Environment()))[0]

        _KEPT[kind] = jax.jit(rate), jax.jit(jax.jacfwd(rate, 1))
    return _KEPT[kind]


def _against_c(case: str, device: AbstractDevice, wave: Waveform, ts: Array) -> Row:
    """The same method in C on one core, times the cores that we have; below one it is faster."""
    n = 2048
    members = population(device, n)
    try:
        reference = _bench_c.build(members)
    except _bench_c.NoCompilerError as e:
        return Row(case, "C, a core", float("nan"), note=str(e).split(".")[0])
    ours = lambda: simulate(members, wave, **_options(ts, TOLERANCE)).i.block_until_ready()  # noqa: E731
    other = lambda: reference.run(wave, np.asarray(ts), TOLERANCE, 1e-2 * TOLERANCE)  # noqa: E731
    ratio, *_ = in_turn(ours, other)
    return Row(f"{case}, N = {n}", "C, a core", ratio / cores(), note="ours with the currents, C with the states alone")


def _gradients(name: str, device: AbstractDevice) -> Iterator[Row]:
    """Reverse mode, and the Jacobian of six parameters by forward mode, over the run itself: how many times dearer."""
    for n in (1, 256):
        run, reverse, jacobian = _derivatives(device, n)
        for label, fn in (("gradient by reverse mode", reverse), ("Jacobian of six, forward mode", jacobian)):
            ratio, *_ = in_turn(run, fn)
            yield Row(f"{name}, triangle, N = {n}", label, ratio, note="its time over that of the run")


def _derivatives(device: AbstractDevice, n: int) -> tuple[Callable[[], Any], ...]:
    """A loss of n devices over a sweep, its gradient, its derivatives to six parameters: each a call."""
    wave = waveforms(device)["triangle"]
    ts, known = jnp.linspace(0.0, float(wave.duration), 201), parameters(population(device, n))
    names = sorted(known, key=lambda k: not known[k].quantity.free)[:6]
    theta = {k: jnp.broadcast_to(known[k].value, (n,)) for k in names}

    def loss(theta, gradient):
        record = simulate(with_values(device, theta), wave, **_options(ts, 1e-6, gradient=gradient))
        return jnp.sum(jnp.log(1 + jnp.abs(record.i) / 1e-6), axis=-1)

    def six(theta):
        along = {k: jnp.stack([jnp.full(n, float(k == j)) for j in theta]) for k in theta}
        return jax.vmap(lambda d: jax.jvp(lambda t: loss(t, "forward"), (theta,), (d,))[1])(along)

    compiled = [
        jax.jit(lambda t: loss(t, "forward")),
        jax.jit(jax.grad(lambda t: loss(t, "reverse").sum())),
        jax.jit(six),
    ]
    return tuple(lambda fn=fn: jax.block_until_ready(fn(theta)) for fn in compiled)


def _first_call(name: str) -> Row:
    """Compilation and all: a sweep of one device, once."""
    device = device_named(name)
    wave = waveforms(device)["triangle"]
    ts = jnp.linspace(0.0, float(wave.duration), 201)
    kept = jax.config.values["jax_enable_compilation_cache"]
    jax.config.update("jax_enable_compilation_cache", False)
    seconds = []
    for solver in (None, diffrax.Kvaerno5()):
        began = time.perf_counter()
        simulate(device, wave, **_options(ts, TOLERANCE, solver=solver)).i.block_until_ready()
        seconds.append(time.perf_counter() - began)
    jax.config.update("jax_enable_compilation_cache", kept)
    return Row(f"{name}, first call of simulate", "diffrax Kvaerno5", seconds[1] / seconds[0], note="once each")


def _scaling() -> Iterator[Row]:
    """Time of a device and sample in float32 beside that of a thousand devices; 50 samples."""
    device = device_named("ThermalFilament")
    wave = waveforms(device)["triangle"]
    ts = jnp.linspace(0.0, float(wave.duration), 50, dtype=jnp.float32)
    wave = jax.tree.map(lambda a: a.astype(jnp.float32), wave)
    few = jax.tree.map(lambda a: a.astype(jnp.float32), population(device, 2048))
    base = lambda: simulate(few, wave, **_options(ts, TOLERANCE)).i.block_until_ready()  # noqa: E731
    for n in (10_000, 100_000, 1_000_000):
        many = jax.tree.map(lambda a: a.astype(jnp.float32), population(device, n))
        run = lambda many=many: simulate(many, wave, **_options(ts, TOLERANCE)).i.block_until_ready()  # noqa: E731
        ratio, *_ = in_turn(base, run)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        note = f"float32, time of a device; the process has used {peak:.1f} GiB at most"
        yield Row(f"ThermalFilament, N = {n}", "N = 2048", ratio * 2048 / n, note=note)
        if n * ratio > PATIENCE * 1e6:
            return
