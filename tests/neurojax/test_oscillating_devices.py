"""Ovonic and vanadium dioxide oscillators against static curves, quadratures and a measured film."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import rarely
from neuron_cases import crossings
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar

import neurojax as nj
import physics
from neurojax import neurons
from physics.device import Environment

OPTIONS: Any = dict(gradient="forward", progress=False)


# The ovonic switch.

OTS = physics.Ovonic()
conductance = jax.jit(lambda v, kelvin: OTS.conductance_at(v, kelvin))


def amps(volts, kelvin):
    return volts * float(conductance(jnp.asarray(volts), jnp.asarray(kelvin)))


def static(kelvin):
    """Voltage at which the heat keeps a temperature."""
    volts: Any = brentq(lambda v: v * amps(v, kelvin) * 2e6 - (kelvin - 300), 1e-6, 5.0)
    return volts


@functools.cache
def folds():
    """(V, T, i) of threshold and of hold."""
    top: Any = minimize_scalar(lambda k: -static(k), bounds=(310, 500), method="bounded", options=dict(xatol=1e-7))
    low: Any = minimize_scalar(static, bounds=(500, 2000), method="bounded", options=dict(xatol=1e-5))
    return tuple((v, k, amps(v, k)) for v, k in ((-top.fun, float(top.x)), (low.fun, float(low.x))))


def quasi_static(v, r):
    """Seconds a farad that the rise and the fall take along the two static branches."""
    (v_th, t_th, _), (v_h, t_h, _) = folds()
    kelvin = lambda u, a, b: brentq(lambda k: u * amps(u, k) * 2e6 - (k - 300), a, b)  # noqa: E731
    rise = quad(lambda u: 1 / ((v - u) / r - amps(u, kelvin(u, 300, t_th))), v_h, v_th - 1e-9, epsrel=1e-4)[0]
    fall = quad(lambda u: 1 / (amps(u, kelvin(u, t_h, 3500)) - (v - u) / r), v_h + 1e-9, v_th, epsrel=1e-4)[0]
    return rise, fall


SIDES = [(v, part, which) for v in (2.0, 3.0, 4.0) for which in (0, 1) for part in (0.9, 1.1)]


def window(v):
    (v_th, _, i_th), (v_h, _, i_h) = folds()
    return [float(r) for r in neurons.load_window(v, v_th, v_h, v_th / i_th, v_h / i_h)]


@pytest.fixture(scope="module")
def oscillators():
    """Rising crossings of 1.29 V in the second half of 30 us: of the four sides, then of three c_th."""
    v = np.asarray([v for v, _, _ in SIDES] + [3.0] * 3)
    r = np.asarray([part * window(v)[which] for v, part, which in SIDES] + [2e4] * 3)
    c = np.concatenate([2e-6 / r[:-3], [1e-9] * 3])
    c_th = np.concatenate([[5e-16] * len(SIDES), [5e-15, 5e-16, 5e-17]])
    circuit = neurons.ovonic_neuron().replace({"V1.value": v, "R1.resistance": r, "C1.capacitance": c, "M1.c_th": c_th})
    ts = np.linspace(0.0, 3e-5, 6001)
    out = np.asarray(circuit.transient(3e-5, ts=ts, v0={"out": 1.0}, **OPTIONS).v["out"])
    return [crossings(ts[3000:], a[3000:], 1.29) for a in out]


@pytest.mark.slow
def test_oscillates_within_the_window_only(oscillators):
    """10 % inside of either limit it does, 10 % outside it does not."""
    for (v, part, which), times in zip(SIDES, oscillators[:-3], strict=True):
        inside = (part > 1) == (which == 0)
        assert (times.size >= 3) if inside else (times.size == 0), (v, part, which, times.size)


def test_frequency(oscillators):
    """The slower the circuit beside the heat the closer to the quadrature, by the power 2/3 of a passage by a fold."""
    (v_th, _, _), (v_h, _, _) = folds()
    rise, fall = (1e-9 * part for part in quasi_static(3.0, 2e4))
    periods = np.asarray([np.diff(times).mean() for times in oscillators[-3:]])
    excess = periods / (rise + fall) - 1
    assert excess[1] < 0.05 and 0 < excess[2] < 0.012
    np.testing.assert_allclose(np.log10(excess[:-1] / excess[1:]), 2 / 3, atol=0.05)
    # The formula, with the leak of the open switch halfway between the thresholds and without.
    half = 0.5 * (v_th + v_h)
    leak = amps(half, brentq(lambda k: half * amps(half, k) * 2e6 - (k - 300), 300, folds()[0][1])) / half
    given = (3.0, 2e4, 1e-9, v_th, v_h)
    assert periods[2] * float(neurons.relaxation_frequency(*given, t_on=fall, g_off=leak)) == pytest.approx(1, abs=0.04)
    assert periods[2] * float(neurons.relaxation_frequency(*given, t_on=fall)) > 1.12


def test_formulas():
    f = neurons.relaxation_frequency
    assert float(f(3.0, 1e4, 1e-9, 1.0, 0.5, t_on=1e-6)) == pytest.approx(
        1 / (1e-5 * np.log(2.5 / 2) + 1e-6), rel=1e-12
    )
    # A leak is a divider and a shorter time constant.
    assert float(f(3.0, 1e4, 1e-9, 1.0, 0.5, g_off=1e-4)) == pytest.approx(
        float(f(1.5, 5e3, 1e-9, 1.0, 0.5)), rel=1e-12
    )
    silent = lambda v: f(v, 1e4, 1e-9, 1.0, 0.5)  # noqa: E731
    assert float(silent(jnp.asarray(0.9))) == 0 and float(jax.grad(silent)(jnp.asarray(0.9))) == 0
    low, high = neurons.load_window(3.0, 1.0, 0.5, 1e6, 1e3)
    assert (float(low), float(high)) == pytest.approx((5e3, 2e6))


@rarely
def test_gradients_in_every_parameter():
    """Spike time, frequency and energy of the ovonic neuron, forward mode against central differences of fourth order.

    As elasticities (p/f) df/dp, within 1e-4 of their size, or of 1e-2 for those that are smaller.
    """
    circuit, duration = neurons.ovonic_neuron(c=2e-12, device=physics.Ovonic().replace(t_limit=3500.0)), 7e-8
    names = list(circuit.parameters())
    values = jnp.asarray([float(circuit.parameters()[n].value) for n in names])
    how: Any = dict(v0={"out": 0.0}, rtol=1e-9, atol=1e-11, gradient="forward", throw=False)
    ts = np.linspace(0.0, duration, 1401)

    def measured(logs):
        changed = circuit.replace({n: v * jnp.exp(a) for n, v, a in zip(names, values, logs, strict=True)})
        times = nj.spike_times(changed, "out", 1.3, 3, duration, ts=ts[::4], **how)
        energy = changed.transient(duration, ts=ts, progress=False, **how).energy["M1"]
        found = jnp.stack([times[..., 0], 1 / (times[..., 2] - times[..., 1]), energy[..., -1]])
        return found, found

    forward, base = jax.jacfwd(lambda a: measured(list(a)), has_aux=True)(jnp.zeros(len(names)))
    h, eye = 2e-4, np.eye(len(names))
    steps = np.concatenate([k * h * eye for k in (-2, -1, 1, 2)]).T
    there = np.asarray(measured([jnp.asarray(a) for a in steps])[0]).reshape(3, 4, len(names))
    central = np.einsum("fkp,k->fp", there, np.asarray([1, -8, 8, -1]) / (12 * h))
    found, expected = np.asarray(forward) / np.asarray(base)[:, None], central / np.asarray(base)[:, None]
    assert np.isfinite(found).all() and (np.abs(found) > 0.05).sum() > 20
    assert np.all(np.abs(found - expected) < 1e-4 * np.maximum(np.abs(expected), 1e-2))


# The vanadium dioxide film.

FILM = physics.VO2.film()
BASE = Environment(temperature=jnp.asarray(314.4))


@pytest.mark.slow
def test_first_overshoot_of_a_measured_film(shared_data):
    """Under the measured current: the read-out is chosen for the settled swing, the overshoot follows within 15 %.

    The film without the read-out overshoots by 24 % more than measured, and behind it 21 ns too late.
    """
    ts, amps, measured = trace(shared_data)
    circuit = neurons.vanadium_oscillator(nj.Waveform(ts, amps))
    record = circuit.transient(ts=ts, env=BASE, v0={"out": 0.0, "read": 0.0}, **OPTIONS)
    read, late = np.asarray(record.v["read"]), ts > 1.2e-7
    assert np.ptp(read[late]) == pytest.approx(np.ptp(measured[late]), rel=0.05)
    assert read[:60].max() == pytest.approx(measured[:60].max(), rel=0.15)
    found, period = (np.diff(crossings(ts[late], a[late], a[late].mean())).mean() for a in (read, measured))
    assert found == pytest.approx(period, rel=0.15)


def test_the_recorded_current_is_late(shared_data):
    """In the rise the voltage is at once what the current, 4.7 uA less for its offset, makes of the cold film.

    With both channels on one clock nothing of 4.5 pF is there: what the current has more than the film takes, I - V/R,
    charges less than 0.5 pF up to 10 ns. So the clocks differ by about R C, 12 ns, or there is no such capacitance, and
    when an overshoot comes cannot be told from this trace.
    """
    ts, amps, measured = trace(shared_data)
    cold = float(FILM.resistance(FILM.on_branch(jnp.asarray(314.4), jnp.asarray(1.0))))
    rise = (ts > 4e-9) & (ts < 22e-9)
    taken, slope = measured / cold, np.gradient(measured, ts)
    assert np.max((amps - 4.7e-6 - taken)[rise] / slope[rise]) < 5e-13
    assert np.median(slope[rise]) * 4.5e-12 > 0.8 * np.median(amps[rise])


@pytest.mark.slow
def test_overshoot_of_an_earlier_current(shared_data):
    """With the current 20 ns earlier: the first peak within 2 ns and 10 % of the measured one, the trough within 2 ns.

    The trough is 55 mV too deep: the film switches as one piece, down to the 18 ohm of its metal, where 0.79 kohm are
    measured.
    """
    ts, amps, measured = trace(shared_data)
    times = np.arange(-60, 60) * 1e-9
    wave = nj.Waveform(times - times[0], np.interp(times + 20e-9, ts - 12e-9, amps, left=0.0))
    how: Any = dict(env=BASE, v0={"out": 0.0, "read": 0.0}, **OPTIONS)
    read = np.asarray(neurons.vanadium_oscillator(wave).transient(ts=wave.t, **how).v["read"])
    (peak, high), (trough, low) = first_swing(times, read)
    (known_peak, known_high), (known_trough, known_low) = first_swing(ts - 12e-9, measured)
    assert high == pytest.approx(known_high, rel=0.1)
    assert abs(peak - known_peak) < 2e-9 and abs(trough - known_trough) < 2e-9
    assert 0.04 < known_low - low < 0.07


def first_swing(t, v):
    """(time, voltage) of the first peak above 0.1 V and of the trough that follows."""
    inner = slice(1, -1)
    peak = 1 + int(np.argmax((v[inner] > v[:-2]) & (v[inner] >= v[2:]) & (v[inner] > 0.1)))
    trough = peak + 1 + int(np.argmax(np.diff(v[peak + 1 :]) > 0))
    return (t[peak], v[peak]), (t[trough], v[trough])


def trace(shared_data):
    """Times from the first sample (s), current (A), voltage (V)."""
    table = np.genfromtxt(shared_data / "vo2_neuristor/trace_300mV_drive.csv", delimiter=",", names=True)
    return 1e-9 * (table["time_ns"] - table["time_ns"][0]), 1e-6 * table["current_uA"], 1e-3 * table["output_mV"]


@pytest.mark.slow
def test_window_and_frequency_of_a_measured_film(shared_data):
    """17 currents: on and off at the right ones, frequencies within 3 MHz rms; 5 are asked for."""
    table = np.genfromtxt(shared_data / "vo2_neuristor/f_vs_i_summary.csv", delimiter=",", names=True)
    measured, ts = table["frequency_MHz"], np.linspace(0.0, 4e-7, 2001)
    circuit = neurons.vanadium_oscillator().replace({"Iin.value": 1e-6 * table["current_uA"]})
    out = np.asarray(circuit.transient(4e-7, ts=ts, env=BASE, v0={"out": 0.0, "read": 0.0}, **OPTIONS).v["out"])
    late, found = ts > 2e-7, []
    for v in out[:, late]:
        times = crossings(ts[late], v, v.mean())
        found.append(1e-6 * (len(times) - 1) / np.ptp(times) if np.ptp(v) > 0.015 else np.nan)
    on = np.isfinite(measured)
    np.testing.assert_array_equal(np.isfinite(found), on)
    assert np.sqrt(np.mean((np.asarray(found)[on] - measured[on]) ** 2)) < 3.0
