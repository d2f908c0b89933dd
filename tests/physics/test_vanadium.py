"""VO2 against the numbers of an independent script of the thermal neuristor, and against measured films.

The script remembers the last reversal (an event), the device a bank of play operators. What lies on the major loop
agrees to all digits; oscillations, which live on inner loops, within 1.5 %.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import rarely
from oracle import integrate, ramp
from scipy.integrate import solve_ivp

import neurojax as nj
from neurojax.waveform import triangle
from physics.device import Environment
from physics.vanadium import VO2

DEVICE = VO2()
BASE = Environment(temperature=jnp.asarray(325.0))


def array(value):
    return jnp.asarray(value, dtype=float)


branch = jax.jit(lambda device, kelvin, way: device.resistance(device.on_branch(kelvin, way)))
resistances = jax.jit(jax.vmap(branch, (None, 0, 0)))


@pytest.mark.parametrize(
    ("way", "kelvin", "ohms"),
    [
        (1.0, [325, 330, 335, 340, 345], [51843.35, 39543.39, 22329.63, 4771.194, 1541.802]),
        (-1.0, [325, 330, 335], [46605.79, 17243.36, 2881.122]),
    ],
)
def test_major_loop(way, kelvin, ohms):
    found = resistances(DEVICE, array(kelvin), jnp.full(len(kelvin), way))
    np.testing.assert_allclose(found, ohms, rtol=2e-7)


def test_time_constant():
    rate = DEVICE.rate(DEVICE.on_branch(array(330.0), array(1.0)), array(0.0), BASE)
    assert -5 / 300 / float(rate.temperature) == pytest.approx(241.395e-9, rel=2e-6)


@jax.jit
def warmed(y, ambient):
    rate = DEVICE.rate(VO2.State(*y), jnp.zeros(()), Environment(temperature=ambient))
    return jnp.stack([rate.temperature, rate.narrow, rate.middle, rate.wide])


def journey(*kelvin, start=1.0, pace=1e3):
    """Resistances (ohm) at the corners of a slow walk through ambient temperatures, without a voltage."""
    x = DEVICE.on_branch(array(kelvin[0]), array(start))
    y, found = np.asarray([x.temperature, x.narrow, x.middle, x.wide]), []
    for a, b in itertools.pairwise(kelvin):
        seconds = abs(b - a) / pace
        line = lambda t, y, a=a, b=b, s=seconds: np.asarray(warmed(jnp.asarray(y), array(a + (b - a) * t / s)))  # noqa: E731
        y = solve_ivp(line, (0.0, seconds), y, method="LSODA", rtol=1e-9, atol=1e-12, max_step=seconds / 50).y[:, -1]
        found.append(float(DEVICE.resistance(VO2.State(*(array(v) for v in y)))))
    return found


def test_slow_walks_follow_the_loop():
    heated, cooled = journey(325.0, 335.0), journey(355.0, 335.0, start=-1.0)
    assert heated[0] == pytest.approx(22329.63, rel=1e-3)
    assert cooled[0] == pytest.approx(2881.122, rel=1e-3)


def test_inner_loops_close_and_are_wiped_out():
    up = journey(325.0, 336.0, 331.0, 336.0)
    assert up[2] == pytest.approx(up[0], rel=1e-3) and up[1] < 0.8 * journey(325.0, 331.0)[0]
    # An outer excursion leaves nothing of the inner one.
    past, plain = journey(325.0, 336.0, 331.0, 338.0), journey(325.0, 338.0)
    assert past[2] == pytest.approx(plain[0], rel=1e-3)


def proximity(x):
    return 0.5 * (1 - np.sin(0.956269682 * x)) * (1 + np.tanh(np.pi**2 - 2 * np.pi * x))


def left(x):
    """Share of the loop that still separates a curve from the other branch, after x widths of way back."""
    widths = 1 + 0.53 * np.asarray([-1.0, 0.0, 1.0])
    return 1 - x + np.maximum(x - widths, 0.0).mean()


def test_curves_after_one_reversal_are_those_of_the_paper():
    """T_p = p - T - w/2 is -w P((T_r - T)/w) there when the major loop is left downwards at T_r."""
    width = 7.19357064
    off = [width * (left(x) - proximity(x)) for x in np.linspace(0.0, 1.6, 33)]
    assert np.abs(off).max() < 0.3
    for back in (3.0, 6.0):
        kelvin = 340.0 - back
        ohms = journey(325.0, 340.0, kelvin)[1]
        share = (ohms - 1286.316504) / (5.35882879e-3 * np.exp(5220.47417 / kelvin))
        p = 332.805839 + np.log(1 / share - 1) / (2 * 0.252796285)
        assert kelvin + width / 2 - p == pytest.approx(width * left(back / width), abs=0.02)


@jax.jit
def neuristor(y, device, source, load, c, env):
    """d/dt of (V, state) of the device beside C, behind `load` from a source: V of it, or A where load is infinite."""
    x = VO2.State(*y[1:])
    rate, current = device.rate(x, y[0], env), device.current(x, y[0], env)
    supply = jnp.where(jnp.isinf(load), source, (source - y[0]) / load)
    return jnp.stack([(supply - current) / c, rate.temperature, rate.narrow, rate.middle, rate.wide])


def oscillate(device, source, seconds, env, start, *, load=12e3, c=145.34619293e-12, rtol=1e-7, max_step=2e-8):
    """Times, voltages and currents of the circuit from an uncharged C."""
    x = device.on_branch(array(start), array(1.0))
    y = np.asarray([0.0, x.temperature, x.narrow, x.middle, x.wide])
    numbers = tuple(array(a) for a in (source, load, c))
    run = lambda t, y: np.asarray(neuristor(jnp.asarray(y), device, *numbers, env))  # noqa: E731
    found = solve_ivp(run, (0.0, seconds), y, method="LSODA", rtol=rtol, atol=1e-9, max_step=max_step)
    assert found.status == 0
    ohms = jax.vmap(device.resistance)(VO2.State(*jnp.asarray(found.y[1:])))
    return found.t, found.y[0], found.y[0] / np.asarray(ohms), found.y[1, -1] * 300


def frequency(t, signal, level):
    """Of the upward crossings of a level, after the first two."""
    k = np.flatnonzero((signal[1:] > level) & (signal[:-1] <= level))
    at = t[k] + (level - signal[k]) / (signal[k + 1] - signal[k]) * (t[k + 1] - t[k])
    return (len(at) - 2) / (at[-1] - at[1]) if len(at) > 2 else 0.0


@functools.cache
def driven(volts):
    return oscillate(DEVICE, volts, 20e-6, BASE, 324.9)


@pytest.mark.parametrize(("volts", "v_1", "kelvin", "rel"), [(8, 6.17640, 329.565, 2e-6), (10, 6.74412, 333.901, 1e-3)])
def test_neuristor_is_quiet_below(volts, v_1, kelvin, rel):
    """At 10 V it has swung a little before it rests, and both memories have an inner loop."""
    _, v, i, end = driven(volts)
    assert v[-1] == pytest.approx(v_1, rel=rel)
    assert end == pytest.approx(kelvin, rel=rel)
    assert i.max() < 1e-3


@pytest.mark.parametrize(
    ("volts", "megahertz", "milliamperes"),
    [
        (11, 0.277457, 4.56022),
        (12, 0.328947, 4.73384),
        (13, 0.371816, 4.77400),
        (14, 0.414680, 4.61798),
        (15, 0.489297, 3.81904),
    ],
)
def test_neuristor_spikes(volts, megahertz, milliamperes):
    t, _, i, _ = driven(volts)
    assert 1e-6 * frequency(t, i, 2e-3) == pytest.approx(megahertz, rel=0.015)
    assert 1e3 * i[t > 1e-5].max() == pytest.approx(milliamperes, rel=0.016)


def test_neuristor_is_latched_above():
    """One spike, then it stays metallic on an inner loop; which one depends on the memory."""
    t, v, i, kelvin = driven(16)
    assert i[t > 1e-5].max() < 1.5e-3
    assert v[-1] == pytest.approx(2.42712, rel=0.06)
    assert kelvin == pytest.approx(338.353, abs=0.7)


def test_simulated_loop_is_the_one_of_the_oracle():
    wave = triangle(10.0, -10.0, 4e-5)
    corners = tuple(np.asarray(wave.t))
    t, y = integrate(DEVICE, ramp(*zip(wave.t, wave.v, strict=True)), corners, env=BASE, rtol=1e-8, max_step=1e-7)
    ts = np.linspace(0.0, 4e-5, 401)
    record = nj.simulate(DEVICE, wave, ts=ts, env=BASE)
    away = 300 * np.abs(np.asarray(record.x.temperature) - np.interp(ts, t, y[:, 0]))
    assert np.sort(away)[-5] < 0.1
    v, i = np.asarray(record.v), np.asarray(record.i)
    quarter = ts < 1e-5
    assert (i / np.maximum(v, 0.1))[quarter].max() > 30 * (i / np.maximum(v, 0.1))[quarter & (v > 1)].min()


FILM = VO2.film()


@pytest.mark.slow
def test_branches_of_a_measured_film(shared_data):
    """264 R(T) over 2.4 decades; the published fit, without `skew`, leaves 0.0366 decades."""
    table = np.genfromtxt(
        shared_data / "vo2_neuristor/r_vs_t_major_loop.csv", delimiter=",", names=True, dtype=None, encoding="utf-8"
    )
    way = np.where(table["branch"] == "heat", 1.0, -1.0)
    found = resistances(FILM, jnp.asarray(table["temperature_K"]), jnp.asarray(way))
    error = np.log10(np.asarray(found)) - np.log10(table["resistance_ohm"])
    published = table["repo_model_log10_residual"]
    assert np.sqrt(np.mean(error**2)) < 0.0340 < np.sqrt(np.mean(published**2))
    # The worst place is the shoulder of the heating branch, where the film switches in steps.
    assert np.abs(error).max() < 0.12
    # Steepest at 340.2 K heating and 333.8 K cooling; the skewed loop has both within 2 K.
    kelvin = jnp.linspace(325.0, 350.0, 501)
    for direction, expected in ((1.0, 340.2), (-1.0, 333.8)):
        log = np.log(np.asarray(resistances(FILM, kelvin, jnp.full(501, direction))))
        assert float(kelvin[int(np.argmin(np.diff(log)))]) == pytest.approx(expected, abs=2.0)


@rarely  # `test_oscillating_devices.py` asks the same of the ready circuit
def test_window_of_oscillation_of_a_measured_film(shared_data):
    """A current beside 4.5 pF at the measured ambient of 314.4 K: on and off at the right ones of 17 currents.

    The published model of this film has 11.6 MHz rms; the amplitude here is 3 to 20 times the measured one.
    """
    table = np.genfromtxt(shared_data / "vo2_neuristor/f_vs_i_summary.csv", delimiter=",", names=True)
    measured, found = table["frequency_MHz"], []
    env = Environment(temperature=jnp.asarray(314.4))
    for amps in 1e-6 * table["current_uA"]:
        t, v, _, _ = oscillate(FILM, amps, 4e-7, env, 314.4, load=np.inf, c=4.5e-12, rtol=1e-6, max_step=1e-9)
        late = t > 2e-7
        swing = np.ptp(v[late])
        found.append(1e-6 * frequency(t[late], v[late], v[late].mean()) if swing > 0.015 else np.nan)
    on = np.isfinite(measured)
    np.testing.assert_array_equal(np.isfinite(found), on)
    assert np.sqrt(np.mean((np.asarray(found)[on] - measured[on]) ** 2)) < 3.0
