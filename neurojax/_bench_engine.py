"""The rows of `neurojax bench engine`: filament RRAM with 3 % spread in every free parameter.

    triangle    the usual sweep, 1000 samples           pulses    100 of them, 10 samples each

Errors are mean differences of the current to a run at a tolerance of 1e-10, in decades of asinh(i/i0).
"""

from collections.abc import Iterator

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
    for name in DEVICES:
        yield from _of("triangle", name, (1, FEW, MANY))
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
