"""Derivatives of whole simulated sweeps: to every parameter of every device, and over the whole box."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import others_rarely

import neurojax as nj
from neurojax.testing.draws import inside
from physics.quantity import parameters, with_values

pytestmark = pytest.mark.slow
STEPS = (1e-3, 3e-4, 1e-4, 3e-3, 3e-5, 1e-5)
"""Of the central differences, relative; the next is tried only where those before it are not enough."""

RTOL, FINER = 1e-10, {"NbO2Mott": 1e-11}
"""Of the solver. At 1e-10 the weakest slopes of the Mott switch are off by the 1e-5 that is allowed."""


def sweep(device):
    v_max, v_min, period = (np.asarray(a, dtype=float) for a in device.sweep)
    return nj.triangle(v_max, v_min, float(period))


def moved_inside(device):
    """The device with every parameter that sits on a bound moved off it, so that a central difference exists."""
    values = {}
    for name, p in parameters(device).items():
        lo, hi = p.bounds
        part = 0.02 * (hi - lo)
        value = float(p.value)
        if p.quantity.scale == "linear":
            values[name] = min(max(value, lo + part), hi - part)
    return with_values(device, values)


@pytest.mark.parametrize("name", others_rarely(nj.devices(), few=True))
def test_gradient_of_a_sweep_to_every_parameter(name):
    """Forward mode against central differences of the fourth order, the best of up to six steps, to 1e-5.

    Of the mean over samples and ports of asinh(i/i0); one lane a parameter. A parameter that moves it a thousand
    times less than the strongest is measured against that.
    """
    device = moved_inside(nj.device_named(name))
    wave, known, rtol = sweep(device), parameters(device), FINER.get(name, RTOL)
    ts = jnp.asarray(np.linspace(0, device.sweep.period, 62)[1:-1])
    scale = np.asarray(
        [abs(float(p.value)) if p.quantity.scale == "log" else p.bounds[1] - p.bounds[0] for p in known.values()]
    )
    start = np.asarray([float(p.value) for p in known.values()])
    i0 = 1e-2 * jnp.max(jnp.abs(nj.simulate(device, wave, ts=ts).i), axis=0)

    def mean(rows):
        members = with_values(device, {n: rows[:, k] for k, n in enumerate(known)})
        options = dict(rtol=rtol, atol=0.01 * rtol, gradient="forward", max_steps=2**20, progress=False)
        i = nj.simulate(members, wave, ts=ts, **options).i
        return jnp.mean(jnp.arcsinh(i / i0[None, None] if i.ndim == 3 else i / i0).reshape(len(rows), -1), axis=1)

    n = len(known)
    at = jnp.broadcast_to(jnp.asarray(start)[None], (n, n))
    slope = np.asarray(jax.jvp(mean, (at,), (jnp.diag(jnp.asarray(scale)),))[1])
    gap = np.full(n, np.inf)
    for h in STEPS:
        shifted = np.concatenate([start + k * h * np.diag(scale) for k in (-2, -1, 1, 2)])
        f = np.asarray(mean(jnp.asarray(shifted))).reshape(4, n)
        gap = np.minimum(gap, np.abs((8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * h) - slope))
        off = gap / np.maximum(np.abs(slope), 1e-3 * np.abs(slope).max())
        print(f"step {h}: worst {off.max():.1e}, {list(known)[int(off.argmax())]}")
        if off.max() <= 1e-5:
            break
    bad = {name: float(o) for name, o in zip(known, off, strict=True) if o > 1e-5}
    assert not bad


PARTS = {"JartVcm": 4, "PhaseChangeCell": 4, "AgFilament": 4, "AgDiffusive": 4}
"""Devices that take minutes to compile for many lanes: some parts of 60."""


@pytest.mark.parametrize("name", others_rarely(nj.devices(), dear=True, few=True))
def test_no_nan_over_the_box(name):
    """1000 random devices, 240 of some: currents and their derivative along a random direction are finite.

    Wherever the run succeeded, that is: a member that fails is told by its code, and few do.
    """
    device, size = nj.device_named(name), 60 * PARTS[name] if name in PARTS else 1000
    rng = np.random.default_rng(0)
    known = parameters(device)
    u = {n: rng.uniform(0.01, 0.99, size) for n in known}
    rows = {n: jnp.asarray(inside(p, u[n])) for n, p in known.items()}
    ends = {n: jnp.asarray(inside(p, u[n] + 1e-3) - inside(p, u[n])) for n, p in known.items()}
    along = {n: e * jnp.asarray(rng.standard_normal(size)) for n, e in ends.items()}
    wave, ts = sweep(device), np.linspace(0, device.sweep.period, 40)

    def current(values):
        options = dict(ts=ts, gradient="forward", throw=False, progress=False, rtol=1e-5, max_steps=20_000)
        record = nj.simulate(with_values(device, values), wave, **options)
        return record.i, record.ok

    both = jax.jit(lambda rows, along: jax.jvp(current, (rows,), (along,), has_aux=True))
    parts = [jax.tree.map(lambda a, k=k: a[k], (rows, along)) for k in np.split(np.arange(size), PARTS.get(name, 1))]
    i, slope, ok = (np.concatenate(a) for a in zip(*[both(*part) for part in parts], strict=True))
    assert ok.mean() > 0.97
    for values in (i, slope):
        finite = np.isfinite(np.asarray(values)).reshape(size, -1).all(axis=1)
        assert finite[ok].all(), np.flatnonzero(ok & ~finite)[:5]
