"""Checks of whole simulations: tighter tolerances converge, the mean of noisy paths is the mean."""

from typing import Any

import jax
import numpy as np

from neurojax.errors import SimulationError
from neurojax.instrument import Instrument
from neurojax.simulate import simulate
from neurojax.waveform import Waveform, pulse, triangle
from physics.device import AbstractDevice, AbstractLangevin, Environment
from physics.quantity import parameters

_TOLERANCES = (1e-4, 1e-6, 1e-8)
_REFERENCE = 1e-9
_SAMPLES, _STEPS = 200, 2**18
PATHS, PATH_STEPS = 400, 3000


def waveforms(device: AbstractDevice) -> dict[str, Waveform]:
    """The usual triangle, and a pulse of its largest voltage as long as a tenth of it; with as many knots."""
    v_max, v_min, period = (np.asarray(a, dtype=float) for a in device.sweep)
    sweep, single = triangle(v_max, v_min, float(period)), pulse(1.0, float(period) / 10)
    height = np.asarray(single.v).reshape(-1, *[1] * v_max.ndim) * v_max[None]
    both = sweep, Waveform(single.t, height)
    most = max(len(w.t) for w in both)
    return dict(zip(("triangle", "pulse"), (_with_knots(w, most) for w in both), strict=True))


def _with_knots(wave: Waveform, n: int) -> Waveform:
    """The same waveform with n knots, more of them on its last piece, so that one compiled function serves all."""
    t, v = np.asarray(wave.t), np.asarray(wave.v)
    part = np.arange(1, n - len(t) + 1) / (n - len(t) + 1)
    more = v[-2] + part.reshape(-1, *[1] * (v.ndim - 1)) * (v[-1] - v[-2])
    between = t[-2] + part * (t[-1] - t[-2])
    return Waveform(np.concatenate([t[:-1], between, t[-1:]]), np.concatenate([v[:-1], more, v[-1:]]))


def converges(device: AbstractDevice, instrument: Instrument | None) -> str:
    """On the triangle and on the pulse the current goes to one limit as the tolerance is tightened.

    The distance is the mean over the samples of |asinh(i/i0)| differences in decades, i0 a millionth of the
    largest current: a switching edge that moves by a sample counts as one sample.
    """
    for name, wave in waveforms(device).items():
        ts = np.linspace(float(wave.t[0]), float(wave.t[-1]), _SAMPLES)
        try:
            found = [_current(device, wave, ts, instrument, rtol) for rtol in (*_TOLERANCES, _REFERENCE)]
        except SimulationError as error:
            return f"on the {name}: {error}"
        floor = 1e-6 * np.abs(found[-1]).max() + 1e-300
        away = [np.mean(np.abs(np.arcsinh(i / floor) - np.arcsinh(found[-1] / floor))) / np.log(10) for i in found[:-1]]
        if not (away[2] < 1e-4 and away[1] < 1e-2 and away[2] <= max(away[0], 1e-8)):
            told = ", ".join(f"{a:.2g} at {r:g}" for a, r in zip(away, _TOLERANCES, strict=True))
            return f"on the {name} the current does not converge: {told} decades from that at {_REFERENCE:g}"
    return ""


def _current(device, wave, ts, instrument, rtol) -> np.ndarray:
    options: dict[str, Any] = dict(ts=ts, instrument=instrument, gradient="forward", max_steps=_STEPS, progress=False)
    return np.asarray(simulate(device, wave, rtol=rtol, atol=1e-2 * rtol, **options).i)


def mean_of_paths(device: AbstractDevice, seed: int) -> str:
    """Paths of a Langevin device are told apart by their keys and by nothing else, and stay in the bounds."""
    if not isinstance(device, AbstractLangevin):
        return ""
    dt = float(device.time_step(Environment()))
    v_max = np.asarray(device.sweep.v_max, dtype=float)
    wave = Waveform([0.0, PATH_STEPS * dt], np.stack([v_max, v_max]))
    ts = np.linspace(0, PATH_STEPS * dt, 5)
    keys = jax.random.split(jax.random.key(seed), PATHS)
    paths = simulate(device, wave, ts=ts, key=keys, dt=dt, progress=False)
    again = simulate(device, wave, ts=ts, key=keys[:1], dt=dt, progress=False)
    for name, samples in paths.states.items():
        p = parameters(paths.member(0).x)[name]
        rows = np.asarray(samples)
        if not np.allclose(rows[:1], np.asarray(again.states[name]), rtol=1e-9, atol=1e-12):
            return f"the path of {name} depends on the paths beside it"
        slack = 0.1 * (p.bounds[1] - p.bounds[0])
        if rows.min() < p.bounds[0] - slack or rows.max() > p.bounds[1] + slack:
            return f"noise drives {name} to {rows.min():.3g} .. {rows.max():.3g}, far out of its bounds {p.bounds}"
    if not any(np.ptp(np.asarray(s)[:, -1]) > 0 for s in paths.states.values()):
        return "all keys give the same path: the noise has no amplitude"
    return ""
