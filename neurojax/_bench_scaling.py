"""The rows of `neurojax bench scaling`: what many devices, derivatives and the first call cost.

Filament RRAM with 3 % spread in every free parameter on the usual sweep, beside itself: a thousand devices, the run
without derivatives. Only the first call is beside diffrax.
"""

import resource
from collections.abc import Callable, Iterator
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from neurojax._bench_precision import TOLERANCE, options
from neurojax.bench import REPEATS, Row, in_turn, population, uncached, waveforms
from neurojax.catalogue import device_named
from neurojax.simulate import simulate
from physics.device import AbstractDevice
from physics.quantity import parameters, with_values

DEVICES = ("ThermalFilament", "GapRram")


def rows() -> Iterator[Row]:
    """All comparisons; some minutes."""
    # First, as the memory of a process never shrinks again.
    yield from _scaling()
    yield _first_call("GapRram")
    for name in DEVICES:
        yield from _gradients(name, device_named(name))


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


def _first_call(name: str) -> Row:
    """Compilation and all: a sweep of one device, with nothing compiled before."""
    device = device_named(name)
    wave = waveforms(device)["triangle"]
    ts = jnp.linspace(0.0, float(wave.duration), 201)
    run = lambda solver: simulate(device, wave, **options(ts, TOLERANCE, solver=solver)).i.block_until_ready()  # noqa: E731
    seconds = [[uncached(lambda s=s: run(s))[0] for s in (None, diffrax.Kvaerno5())] for _ in range(REPEATS)]
    ours, theirs = np.median(seconds, axis=0)
    return Row(f"{name}, first call of simulate", "diffrax Kvaerno5", float(theirs / ours))


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
