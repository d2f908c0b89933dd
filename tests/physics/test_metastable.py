"""MetastableSwitch and LinearDrift against their closed forms, Strachan against reference numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate, ramp

import neurojax as nj
from neurojax.waveform import Waveform, triangle
from physics.device import Environment
from physics.metastable import LinearDrift, MetastableSwitch, Strachan

ENV = Environment()
SWITCH = MetastableSwitch()
DRIFT = LinearDrift()
OXIDE = Strachan()


def array(value):
    return jnp.asarray(value, dtype=float)


def chance(u):
    return 1 / (1 + np.exp(-u / 0.025851999))


def test_switches_relax_exponentially_to_the_share_of_their_chances():
    volts, times = 0.28, np.linspace(0.0, 4e-4, 9)
    record = nj.simulate(SWITCH, Waveform([0.0, 4e-4], [volts, volts]), ts=times)
    on, off = chance(volts - 0.27), chance(-volts - 0.27)
    share = on / (on + off)
    exact = share * (1 - np.exp(-(on + off) * times / 1e-4))
    np.testing.assert_allclose(record.x.x, exact, atol=2e-6)
    half = SWITCH.rate(MetastableSwitch.State(x=array(0.5)), array(0.0), ENV)
    assert float(half.x) == pytest.approx(0.0, abs=1e-9)
    assert float(SWITCH.current(MetastableSwitch.State(x=array(0.25)), array(0.4), ENV)) == pytest.approx(0.4 * 9.5e-4)


def test_the_slope_of_the_chance_is_thermal():
    """b = q/kT = 38.68 /V at 300 K."""
    slope = jax.grad(lambda v: jnp.log(SWITCH.chances(v, ENV)[0]))(array(-1.0))
    assert float(slope) == pytest.approx(38.6817, abs=1e-4)


def test_noise_of_the_switches_is_binomial():
    device = SWITCH.replace(n=1e3, v_on=0.05, v_off=0.05)
    wave = Waveform([0.0, 6e-3], [0.03, 0.03])
    keys = jax.random.split(jax.random.key(0), 200)
    record = nj.simulate(device, wave, ts=np.linspace(4e-3, 6e-3, 11), key=keys, progress=False)
    on, off = chance(0.03 - 0.05), chance(-0.03 - 0.05)
    share = on / (on + off)
    found = np.asarray(record.x.x)
    assert found.mean() == pytest.approx(share, abs=3 * np.sqrt(share * (1 - share) / 1e3 / 400))
    # 200 paths of some eight correlation times; a twentieth of tau a step makes 2 % too much.
    assert found.var() == pytest.approx(share * (1 - share) / 1e3, rel=0.12)


def flux(x, x_0, device):
    """int v dt (V s) that takes the boundary from x_0 to x."""
    per_charge = float(device.mu_v * device.r_on / device.d**2)
    on, off = float(device.r_on), float(device.r_off)
    return (off * (x - x_0) - (off - on) * (x**2 - x_0**2) / 2) / per_charge


def test_the_doped_side_is_a_function_of_the_flux():
    device = DRIFT.replace(x_init=0.3)
    wave = triangle(1.0, -1.0, 1.0)
    record = nj.simulate(device, wave, ts=np.linspace(0.0, 1.0, 41), rtol=1e-8, atol=1e-10)
    x, t, v = (np.asarray(a) for a in (record.x.x, record.t, record.v))
    # By trapezoids, exact on straight lines.
    knots, volts = np.asarray(wave.t), np.asarray(wave.v)
    fine = np.union1d(np.linspace(0.0, 1.0, 4001), knots)
    line = np.interp(fine, knots, volts)
    total = np.concatenate([[0.0], np.cumsum(np.diff(fine) * (line[1:] + line[:-1]) / 2)])
    applied = np.interp(t, fine, total)
    inside = (x > 0.01) & (x < 0.99)
    assert inside.all() and np.ptp(x) > 0.01
    np.testing.assert_allclose(flux(x, 0.3, device), applied, atol=1e-6)
    # Pinched: no voltage, no current; back at the start after a whole period.
    assert float(record.i[0]) == 0 and x[-1] == pytest.approx(0.3, abs=1e-6)
    np.testing.assert_allclose(record.i, v / (100 * x + 16e3 * (1 - x)), rtol=1e-9, atol=1e-15)


def test_the_boundary_stops_at_the_electrode():
    _, y = integrate(DRIFT, lambda t: 1.0, (0.0, 10.0))
    assert 0.999 < y[-1, 0] < 1 + 1e-9
    _, y = integrate(DRIFT.replace(x_init=1.0), lambda t: -1.0, (0.0, 100.0))
    assert abs(y[-1, 0]) < 1e-3


def strachan(x):
    return Strachan.State(x=array(x))


def test_strachan_points():
    assert float(OXIDE.current(strachan(0.2), array(0.3), ENV)) == pytest.approx(1.522675e-3, rel=4e-7)
    assert float(OXIDE.rate(strachan(0.2), array(-0.3), ENV).x) == pytest.approx(-2.175289e-2, rel=4e-7)
    assert float(OXIDE.rate(strachan(0.02), array(0.3), ENV).x) == pytest.approx(2.434537e-4, rel=4e-7)


@pytest.mark.parametrize(
    ("volts", "start", "seconds", "x"),
    [
        (-0.3, 0.5, 1e-3, 0.499475),
        (-0.35, 0.5, 1e-3, 0.477695),
        (-0.4, 0.5, 1e-3, 0.203668),
        (0.7, 0.01, 1e-6, 0.010000405),
        (0.8, 0.01, 1e-6, 0.010031757),
        (0.85, 0.01, 1e-6, 0.010593266),
    ],
)
def test_strachan_pulses(volts, start, seconds, x):
    _, y = integrate(OXIDE, lambda t: volts, (0.0, seconds), strachan(start), rtol=1e-10)
    assert y[-1, 0] == pytest.approx(x, abs=6e-7 if start == 0.5 else 6e-10)


def test_strachan_switches_and_keeps():
    """A triangle through both thresholds: on by running away, off gradually, and still at 0 V; as the oracle says."""
    wave = triangle(*OXIDE.sweep)
    t, y = integrate(OXIDE, ramp(*zip(wave.t, wave.v, strict=True)), tuple(np.asarray(wave.t)), rtol=1e-8)
    record = nj.simulate(OXIDE, wave, ts=np.linspace(0.0, 1e-3, 201), rtol=1e-7, atol=1e-9)
    x = np.asarray(record.x.x)
    assert x.max() > 0.3 and x[-1] < 0.5 * x.max()
    away = np.abs(x - np.interp(np.asarray(record.t), t, y[:, 0]))
    assert np.sort(away)[-3] < 1e-3
    rest = OXIDE.rate(strachan(0.3), array(0.0), ENV)
    assert float(rest.x) == 0
