"""The ferroelectric transistor against independent reference numbers: a synapse of 32 states and a firing domain."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate
from scipy.optimize import brentq

import neurojax as nj
from physics.device import Environment
from physics.ferrotransistor import FeFet, firing_probability, firing_threshold, progress

ENV = Environment()
FINE = FeFet(domains=401)
V_READ = 0.859908
WIDTH = 75e-9
STEPS = 0.05 * np.arange(32)
LTP, LTD = 2.85 + STEPS, -2.10 - STEPS


def array(value):
    return jnp.asarray(value, dtype=float)


@jax.jit
def programmed(x, volts):
    """<f> behind each of a sequence of pulses, and the last state."""

    def one(x, v):
        x = FINE.after(x, v, array(WIDTH))
        return x, FINE.fraction(x)

    return jax.lax.scan(one, x, volts)


@functools.cache
def third_cycle():
    """<f> before and behind each pulse up, and the same down."""
    x, last = FINE.init(ENV), 0.0
    for _ in range(3):
        x, up = programmed(x, array(LTP))
        up = np.concatenate([[last], up])
        x, down = programmed(x, array(LTD))
        down = np.concatenate([up[-1:], down])
        last = down[-1]
    return up, down


@jax.jit
def conductance(f, v_read=V_READ):
    """I_D/V_D (uS) at the reading voltages of the reference, 0.859908 V on the gate and 50 mV on the drain."""
    x = FeFet.State(f=(f,) * 401)
    return 1e6 * FINE.current(x, jnp.stack([jnp.asarray(v_read, float), array(0.05)]), ENV)[1] / 0.05


def test_cycle_of_a_synapse():
    up, down = third_cycle()
    np.testing.assert_allclose(up[::8], [0.177538, 0.468383, 0.703457, 0.87134, 0.951762], rtol=3e-6)
    np.testing.assert_allclose(down[::8], [0.951762, 0.857529, 0.676068, 0.418533, 0.187003], rtol=3e-6)


def test_conductances_of_the_cycle():
    up, down = (np.asarray([float(conductance(array(f))) for f in part[::8]]) for part in third_cycle())
    np.testing.assert_allclose(up, [0.0397336, 0.656658, 1.20851, 1.60035, 1.78801], rtol=1e-5)
    np.testing.assert_allclose(down, [1.78801, 1.56812, 1.14455, 0.537332, 0.0487109], rtol=1e-5)
    assert up[-1] / up[0] == pytest.approx(45.0, rel=2e-4)
    assert 1e3 / up[-1] == pytest.approx(559.28, rel=1e-4)


def test_reading_voltage_of_a_ratio_of_45():
    """And the 32 pulses between the two ends each make another state."""
    up, _ = third_cycle()
    ratio = lambda v: float(conductance(array(up[-1]), array(v)) / conductance(array(up[0]), array(v)))  # noqa: E731
    assert brentq(lambda v: ratio(v) - 45, 0.7, 1.0, xtol=1e-12) == pytest.approx(V_READ, abs=5e-7)
    g = np.asarray([float(conductance(array(f))) for f in up])
    assert len(g) == 33 and np.all(np.diff(g) > 0)


def nonlinearity(curve):
    """NeuroSim's label: 10.10152 times how far a curve of equal pulses lies above the straight line."""
    part = (np.asarray(curve) - min(curve)) / (max(curve) - min(curve))
    return 10.10152 * np.max(part - np.linspace(part[0], part[-1], len(part)))


def test_linearity_and_energy_of_the_cycle():
    up, down = third_cycle()
    labels = [nonlinearity([float(conductance(array(f))) for f in part]) for part in (up, down)]
    np.testing.assert_allclose(labels, [1.75230, 1.46031], rtol=5e-6)
    # At the mean of the heights; of the polarisation the part that it takes from the voltage on the ferroelectric.
    joules = float(FINE.gate_capacitance()) * 3.65**2 + 2 * 0.25e-12 * (up[-1] - up[0]) / 32 * 0.4293 * 3.65
    assert 1e15 * joules == pytest.approx(236.544, rel=3e-6)


def test_pulses_of_one_height_are_less_linear():
    _, f = programmed(FINE.init(ENV), array(np.full(32, 3.65)))
    np.testing.assert_allclose(np.asarray(f)[[0, 7, 31]], [0.232334, 0.635125, 0.833611], rtol=3e-6)
    assert nonlinearity([0.0, *np.asarray(f)]) == pytest.approx(5.19, abs=5e-3)


def test_gate_takes_the_charge_of_the_domains():
    cell = FeFet()
    assert 1e15 * float(cell.gate_capacitance()) == pytest.approx(16.3324, rel=1e-5)
    up, down = (FeFet.State(f=(array(f),) * 16) for f in (1.0, 0.0))
    v = array([0.5, 0.1])
    moved = cell.charge(up, v, ENV) - cell.charge(down, v, ENV)
    np.testing.assert_allclose(moved, [2 * 0.25e-12, 0.0], rtol=1e-12)
    np.testing.assert_array_equal(cell.current(up, v, ENV)[0], 0.0)


def test_transistor():
    """The window of thresholds; source and drain may be exchanged; e-fold per n U_T below the threshold."""
    cell = FeFet()
    up, down = (FeFet.State(f=(array(f),) * 16) for f in (1.0, 0.0))
    assert float(cell.threshold(down) - cell.threshold(up)) == pytest.approx(1.2, rel=1e-12)
    drain = lambda g, d: float(cell.current(up, array([g, d]), ENV)[1])  # noqa: E731
    # With the drain as reference the gate is 0.1 V higher, n times that over the threshold as EKV counts from the bulk.
    assert drain(0.3, -0.1) == pytest.approx(-drain(0.3 + 1.3 * 0.1, 0.1), rel=1e-12)
    assert np.log(drain(-0.7, 0.3) / drain(-0.8, 0.3)) == pytest.approx(0.1 / 1.3 / 0.02585199, rel=1e-3)


def test_trajectory():
    """A pulse on the gate by SciPy and by simulate against the exact update."""
    cell, v = FeFet(domains=4), array([3.5, 0.05])
    exact = np.asarray(cell.after(cell.init(ENV), v[0], array(WIDTH)).f)
    _, y = integrate(cell, lambda t: v, (0.0, WIDTH), rtol=1e-10)
    np.testing.assert_allclose(y[-1], exact, rtol=1e-7)
    wave = nj.Waveform([0.0, WIDTH], np.stack([v, v]))
    record = nj.simulate(cell, wave, ts=[WIDTH], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose([s[-1] for s in record.states.values()], exact, rtol=1e-7)


H = [2.73644e-4, 5.63966e-3, 0.0460618, 0.207072]
MEDIAN = [3042.48, 147.625, 18.0747, 4.02061]
LAW = dict(t_fe=array(8e-9), activation=array(2.3 / 8e-9), tau0=array(1.9e-8), alpha=array(3.0))


def test_progress_and_median_of_a_firing_domain():
    found = np.asarray([float(progress(array(v), array(1e-6), **LAW)) for v in (1.0, 1.1, 1.2, 1.3)])
    np.testing.assert_allclose(found, H, rtol=3e-6)
    median = float(firing_threshold(array(0.5), array(2.0))) / found
    np.testing.assert_allclose(median, MEDIAN, rtol=3e-6)
    np.testing.assert_allclose(firing_probability(array(median * found), array(2.0)), 0.5, rtol=1e-12)


def test_accumulation_of_a_firing_domain():
    """The median number of pulses goes as 1/t_p and as exp((E_a/E)^alpha)."""
    median = lambda v, t: float(firing_threshold(array(0.5), array(2.0)) / progress(array(v), array(t), **LAW))  # noqa: E731
    assert median(1.2, 1e-6) == pytest.approx(10 * median(1.2, 1e-5), rel=1e-12)
    for v in (1.0, 1.1, 1.3):
        expected = np.exp((2.3 / v) ** 3 - (2.3 / 1.2) ** 3)
        assert median(v, 1e-6) / median(1.2, 1e-6) == pytest.approx(expected, rel=1e-8)


def test_spread_of_a_firing_domain_that_is_not_pulsed():
    """Weibull's numbers of beta = 2 have the deviation sqrt(4/pi - 1) = 0.522723 of their mean."""
    square = np.linspace(0, 9, 200_001)
    alive = 1 - np.asarray(firing_probability(array(square), array(2.0)))
    mean, second = np.trapezoid(alive, square), np.trapezoid(2 * square * alive, square)
    assert np.sqrt(second / mean**2 - 1) == pytest.approx(0.522723, abs=6e-7)
    drawn = firing_threshold(array((np.arange(1000) + 0.5) / 1000), array(2.0))
    np.testing.assert_allclose(firing_probability(drawn, array(2.0)), 1 - (np.arange(1000) + 0.5) / 1000, atol=1e-12)


def test_statistics_of_a_firing_domain():
    """20000 neurons at 1.2 V: the number of pulses is a rounded-up Weibull number, whose moments are sums."""
    n, h = 20000, H[2]
    drawn = jax.random.uniform(jax.random.key(0), (n,), minval=1e-12)
    pulses = np.ceil(np.asarray(firing_threshold(drawn, array(2.0))) / h)
    k = np.arange(400)
    alive = np.exp(-((k * h) ** 2))
    mean, square = alive.sum(), ((2 * k + 1) * alive).sum()
    deviation = np.sqrt(square - mean**2)
    # The reference drew 20000 as well: mean 19.660, deviation over mean 0.5106.
    assert mean == pytest.approx(19.660, abs=3 * deviation / np.sqrt(n))
    assert deviation / mean == pytest.approx(0.5106, abs=0.01)
    assert pulses.mean() == pytest.approx(mean, abs=3 * deviation / np.sqrt(n))
    fourth = np.mean((pulses - mean) ** 4)
    assert pulses.var() == pytest.approx(deviation**2, abs=3 * np.sqrt((fourth - deviation**4) / n))
