"""The rows of `neurojax bench engine`: filament RRAM with 3 % spread in every free parameter.

    triangle    the usual sweep, 1000 samples           pulses    100 of them, 10 samples each

Errors are mean differences of the current to a run at a tolerance of 1e-10, in decades of asinh(i/i0).
"""

import resource
import time
from collections.abc import Callable, Iterator
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neurojax import _bench_c, _bench_ngspice, _bench_scipy
from neurojax._bench_precision import MOST_STEPS, TOLERANCE, current, error, options, sharp
from neurojax._chunks import cores
from neurojax.bench import PATIENCE, Row, first, in_turn, population, waveforms
from neurojax.catalogue import device_named
from neurojax.simulate import simulate
from neurojax.waveform import Waveform
from physics.device import AbstractDevice
from physics.quantity import parameters, with_values

DEVICES = ("ThermalFilament", "GapRram")
FEW, MANY = 100, 10_000
JUDGED = 256
"""Of how many of the members the error is measured."""


def rows() -> Iterator[Row]:
    """All comparisons; an hour or so on two cores."""
    # First, as the memory of a process never shrinks again.
    yield from _scaling()
    yield _first_call("GapRram")
    for name in DEVICES:
        yield from _of("triangle", name, (1, FEW, MANY))
        yield from _gradients(name, device_named(name))
        yield _many_pulses(name)
    for name in DEVICES:
        yield from _of("pulses", name, (1, FEW))
    yield _hundred_thousand()


def _many_pulses(name: str) -> Row:
    """Ten thousand devices; theirs takes minutes."""
    device, wave, ts = _setting(name, "pulses")
    return _against_diffrax(f"{name}, pulses", device, wave, ts, MANY, TOLERANCE)


def _setting(name: str, kind: str) -> tuple[AbstractDevice, Waveform, Array]:
    """Device, waveform and a thousand sample times."""
    device = device_named(name)
    wave = waveforms(device, 100)[kind]
    return device, wave, jnp.linspace(0.0, float(wave.duration), 1000)


def _of(kind: str, name: str, sizes: tuple[int, ...]) -> Iterator[Row]:
    """Everything about one device on one waveform."""
    device, wave, ts = _setting(name, kind)
    case = f"{name}, {kind}"
    for n in sizes:
        yield _against_diffrax(case, device, wave, ts, n, TOLERANCE)
    yield _single_precision(case, device, wave, ts, MANY)
    yield from _one_by_one(case, device, wave, ts)
    yield _against_c(case, device, wave, ts)


def _against_diffrax(case: str, device: AbstractDevice, wave: Waveform, ts: Array, n: int, rtol: float) -> Row:
    """Kvaerno5 under vmap, told every knot, at the same tolerance."""
    members = population(device, n)
    reference = _exact(members, wave, ts)
    still, usual = Waveform(wave.t, 0.0 * wave.v), options(ts, rtol)
    most = MOST_STEPS if n > FEW else 8 * MOST_STEPS
    how = usual | dict(solver=diffrax.Kvaerno5(), max_steps=most)
    run = lambda wave, how: current(simulate(members, wave, **how))  # noqa: E731
    # Theirs can take ten minutes: compiled on a waveform on which nothing happens.
    warm = lambda: (run(still, usual), run(still, how))  # noqa: E731
    ratio, mine, theirs = in_turn(lambda: run(wave, usual), lambda: run(wave, how), warm=warm)
    failed = int(np.sum(~np.isfinite(theirs).all(axis=1)))
    note = f"at least: {failed} of theirs not done after {most} steps" if failed else ""
    return Row(f"{case}, N = {n}", "diffrax Kvaerno5", ratio, error(mine, reference), error(theirs, reference), note)


def _exact(members: AbstractDevice, wave: Waveform, ts: Array) -> np.ndarray:
    """The currents of the first members, on which errors are measured."""
    return current(simulate(first(members, JUDGED), wave, **sharp(ts)))


def _hundred_thousand() -> Row:
    """Once more with many devices and few samples."""
    device = device_named(DEVICES[0])
    wave = waveforms(device)["triangle"]
    ts = jnp.linspace(0.0, float(wave.duration), 50)
    return _against_diffrax(f"{DEVICES[0]}, triangle, 50 samples", device, wave, ts, 100_000, TOLERANCE)


def _single_precision(case: str, device: AbstractDevice, wave: Waveform, ts: Array, n: int) -> Row:
    """Ours in float32 beside ours in float64."""
    double = population(device, n)
    single = jax.tree.map(lambda a: a.astype(jnp.float32), (double, wave, ts))
    reference = _exact(double, wave, ts)
    ours = lambda: current(simulate(single[0], single[1], **options(single[2], TOLERANCE)))  # noqa: E731
    other = lambda: current(simulate(double, wave, **options(ts, TOLERANCE)))  # noqa: E731
    ratio, mine, theirs = in_turn(ours, other)
    return Row(f"{case}, N = {n}, float32", "ours in float64", ratio, error(mine, reference), error(theirs, reference))


def _one_by_one(case: str, device: AbstractDevice, wave: Waveform, ts: Array) -> Iterator[Row]:
    """Those that take one device at a time: SciPy with compiled rates, knot by knot, and ngspice."""
    n = 2048
    members = population(device, n)
    one = with_values(device, {k: p.value[0] for k, p in parameters(members).items() if p.value.ndim})
    reference = current(simulate(one, wave, **sharp(ts)))
    ours = lambda: current(simulate(members, wave, **options(ts, TOLERANCE)))  # noqa: E731
    for method, note in (("LSODA", "with Radau for a piece on which it gives up"), ("Radau", "")):
        alone = lambda method=method: _bench_scipy.run(one, wave, ts, method, TOLERANCE)  # noqa: E731
        ratio, mine, theirs = in_turn(ours, alone)
        errors = error(mine[:1], reference), error(theirs, reference)
        yield Row(case, f"SciPy {method}, a device", n * ratio, *errors, note)
    try:
        spice = lambda: _bench_ngspice.run(one, wave, np.asarray(ts), reltol=1e-4, timeout=PATIENCE).i  # noqa: E731
        ratio, mine, theirs = in_turn(ours, spice)
    except _bench_ngspice.NgspiceError as e:
        yield Row(case, "ngspice, a device", float("nan"), note=str(e).split(".")[0])
        return
    errors = error(mine[:1], reference), error(theirs, reference)
    yield Row(case, "ngspice, a device", n * ratio, *errors, "reltol 1e-4, the whole process")


def _against_c(case: str, device: AbstractDevice, wave: Waveform, ts: Array) -> Row:
    """The same method in C on one core, times the cores that we have; below one it is faster."""
    n = 2048
    members = population(device, n)
    try:
        reference = _bench_c.build(members)
    except _bench_c.NoCompilerError as e:
        return Row(case, "C, a core", float("nan"), note=str(e).split(".")[0])
    ours = lambda: simulate(members, wave, **options(ts, TOLERANCE)).i.block_until_ready()  # noqa: E731
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
        record = simulate(with_values(device, theta), wave, **options(ts, 1e-6, gradient=gradient))
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
        simulate(device, wave, **options(ts, TOLERANCE, solver=solver)).i.block_until_ready()
        seconds.append(time.perf_counter() - began)
    jax.config.update("jax_enable_compilation_cache", kept)
    return Row(f"{name}, first call of simulate", "diffrax Kvaerno5", seconds[1] / seconds[0], note="once each")


def _scaling() -> Iterator[Row]:
    """Time of a device and sample in float32 beside that of a thousand devices; 50 samples."""
    device = device_named("ThermalFilament")
    wave = waveforms(device)["triangle"]
    ts = jnp.linspace(0.0, float(wave.duration), 50, dtype=jnp.float32)
    wave = jax.tree.map(lambda a: a.astype(jnp.float32), wave)

    def of(n: int) -> Callable[[], Any]:
        many = jax.tree.map(lambda a: a.astype(jnp.float32), population(device, n))
        return lambda: simulate(many, wave, **options(ts, TOLERANCE)).i.block_until_ready()

    base = of(1000)
    base()
    before = _peak()
    for n in (10_000, 100_000, 1_000_000):
        ratio, *_ = in_turn(base, of(n))
        note = f"float32, time of a device; the process has used {_peak() - before:.2g} GiB more than for 1000"
        yield Row(f"ThermalFilament, N = {n}", "N = 1000", ratio * 1000 / n, note=note)


def _peak() -> float:
    """The most memory that this process has had (GiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
