"""Magnetic neurons: junctions that reverse by chance, domain walls, and the spin-torque oscillator."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import rarely
from neuron_cases import KEY, SLOTS, array, derivatives, keys

import neurojax as nj
from neurojax.neurons import DomainWallNeuron, StochasticMagneticNeuron
from physics.device import Environment
from physics.magnetic import AxialMtj
from physics.quantity import with_values
from physics.spin_oscillator import SpinOscillator

ENV = Environment()

# Magnetic junctions


@pytest.mark.parametrize(
    ("i", "width", "expected"), [(0.9, 1e-8, 0.167362), (0.9, 1e-7, 0.839837), (0.95, 1e-8, 0.741627)]
)
def test_probability_of_a_magnetic_neuron(i, width, expected):
    neuron = StochasticMagneticNeuron(width=array(width))
    assert float(neuron.probability(i * neuron.i_c)) == pytest.approx(expected, abs=6e-7)


def test_magnetic_neuron_is_a_sigmoid_that_fires_by_chance():
    """p rises from 0 to 1 with one point of inflection; pulses are independent, so intervals are geometric."""
    neuron = StochasticMagneticNeuron()
    i = np.linspace(0.7, 1.0, 301)
    p = np.asarray(jax.vmap(neuron.probability)(array(i) * neuron.i_c))
    assert p[0] < 1e-4 and p[-1] > 0.99 and np.all(np.diff(p) > 0)
    assert np.sum(np.diff(np.sign(np.diff(p, 2))) != 0) == 1
    for k in (200, 230, 250):
        answer = neuron.respond(jnp.full(SLOTS, i[k]) * neuron.i_c, key=keys(1000, k))
        n = answer.fired.size
        assert np.asarray(answer.fired).mean() == pytest.approx(p[k], abs=3 * np.sqrt(p[k] * (1 - p[k]) / n))
    many = answer.intervals()
    assert many.std() == pytest.approx(np.sqrt(1 - p[250]) / p[250], rel=0.05)
    assert not np.asarray(neuron.respond(jnp.zeros(SLOTS), key=keys(1000)).fired).any()
    gradient = float(jax.grad(neuron.probability)(0.92 * neuron.i_c))
    step = 1e-4 * float(neuron.i_c)
    both = [float(neuron.probability(0.92 * neuron.i_c + s)) for s in (step, -step)]
    assert gradient == pytest.approx((both[0] - both[1]) / (2 * step), rel=1e-4)


@pytest.mark.slow
def test_probability_of_noisy_paths_of_the_moment():
    """The junction in its thermal field, under the barrier: a sigmoid, of exponent 2 with the prefactor of Brown."""
    delta, tau, n = 15.0, 1.949e-9, 400
    cell = with_values(AxialMtj(), {"delta": delta, "tmr": 1e-9})
    part = np.asarray([0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    duration = 30 * tau
    found = []
    for i in part:
        wave = nj.constant(float(i * cell.i_c0 * cell.r_p), duration)
        path = nj.simulate(cell, wave, ts=[duration], key=keys(n, int(10 * i)), dt=0.02 * tau, gradient="forward")
        found.append(float(np.mean(np.asarray(path.x.m_z)[:, -1] > 0)))
    rate = np.sqrt(delta / np.pi) * (1 - part**2) * (1 - part) * np.exp(-delta * (1 - part) ** 2) / tau
    brown = 1 - np.exp(-duration * rate)
    assert np.all(np.diff(found) > 0) and found[0] < 0.1 and found[-1] > 0.85
    # Where the barrier is still several k_B T; its law holds no closer to I_c.
    np.testing.assert_allclose(found[:2], brown[:2], atol=0.065)
    linear = StochasticMagneticNeuron(delta=array(delta), tau0=array(tau), width=array(duration))
    assert abs(float(linear.probability(0.5 * linear.i_c)) - found[2]) > 0.2


# Domain walls


@functools.cache
def wall_table():
    return DomainWallNeuron().tabulated(0.0, 0.3, (65, 21))


@rarely
def test_wall_integrates_current_and_leaks():
    """A pulse moves it as far from anywhere on the track; in a pause it falls back as its mobility says."""
    neuron = DomainWallNeuron()
    wall = neuron.wall
    q = jnp.linspace(0.15, 0.6, 65)
    moved = np.asarray(neuron.absorb(q, array(0.2), KEY) - q)
    assert np.ptp(moved) < 1e-5 and moved[0] > 0.03
    velocity = 1.76085963e11 * 4e-7 * np.pi * float(wall.wall_width()) * 500.0 / 0.3
    fallen = np.asarray(q - neuron.absorb(q, array(0.0), KEY))
    np.testing.assert_allclose(fallen, velocity * 1.11e-8 / 5e-7, rtol=2e-3)
    assert float(neuron.behind_reset(jnp.zeros(65))[0]) == pytest.approx(-500 / 1e5 * 6.846532 / 500, abs=1e-6)


@pytest.mark.slow
def test_wall_fires_at_the_end_of_the_track():
    """ISI falls with height and rate of the pulses; below a rate the leak wins, and there is no firing ever."""
    quick = wall_table()
    counts = [int(np.asarray(quick.respond(jnp.full(SLOTS, v), key=KEY).fired).sum()) for v in (0.05, 0.1, 0.2, 0.3)]
    assert counts[0] == 0 and np.all(np.diff(counts) > 0)
    rates = []
    for pause in (0, 1, 2):
        slots = jnp.zeros(SLOTS).at[:: pause + 1].set(0.25)
        rates.append(int(np.asarray(quick.respond(slots, key=KEY).fired).sum()))
    assert rates[-1] == 0 and np.all(np.diff(rates) < 0)
    with pytest.raises(nj.DataError, match="wider"):
        quick.respond([0.2, 0.9], key=KEY)
    rest = np.asarray(quick.respond(jnp.zeros(SLOTS), key=KEY).potential)
    np.testing.assert_allclose(rest, rest[0], atol=2e-4)


@pytest.mark.slow
def test_table_of_a_wall():
    """Within 2e-4 of the track, and 6e-3 at the corner of its beginning, where a wall falls back no farther."""
    q = jnp.linspace(0.0, 0.85, 65)
    for height in (0.017, 0.11, 0.283):
        exact = DomainWallNeuron().absorb(q, array(height), KEY)
        found = jax.vmap(lambda x, v=height: wall_table().absorb(x, array(v), KEY))(q)
        np.testing.assert_allclose(found[6:-6], exact[6:-6], atol=2e-4)
        np.testing.assert_allclose(found, exact, atol=6e-3)


@rarely
def test_wall_by_the_ode_in_every_slot():
    drives = jnp.full(40, 0.2)
    exact = DomainWallNeuron().respond(drives, key=KEY)
    quick = wall_table().respond(drives, key=KEY)
    assert np.array_equal(exact.fired, quick.fired) and np.asarray(exact.fired).sum() == 2
    np.testing.assert_allclose(exact.potential, quick.potential, atol=5e-3)


@rarely
def test_gradient_of_the_latency_of_a_wall():
    def latency(p):
        wall = with_values(DomainWallNeuron().wall, {"theta_sh": p["theta_sh"], "h_z": p["h_z"], "alpha": p["alpha"]})
        neuron = DomainWallNeuron(wall=wall, rtol=1e-9)
        return neuron.tabulated(0.15, 0.25, (12, 4)).respond(jnp.full(40, 0.2), key=KEY).latency()

    values = {"theta_sh": 0.21, "h_z": -500.0, "alpha": 0.3}
    for name, tangent, difference in derivatives(latency, values, 1e-3):
        assert tangent == pytest.approx(difference, rel=1e-4), name


# Spin-torque oscillator


def test_power_of_a_spin_oscillator():
    cell = SpinOscillator()
    for q, expected in ((0.0, [0.166667, 0.333333, 0.5]), (2.0, [0.0625, 0.142857, 0.25])):
        found = with_values(cell, {"q_shift": q}).power_of_cycle(array([1.2, 1.5, 2.0]) * cell.i_th)
        np.testing.assert_allclose(found, expected, atol=5e-7)


def test_amplitude_of_a_spin_oscillator_grows_as_the_root():
    """The limit cycles of the ODE: the reference powers, and sqrt(I - I_th) near the threshold."""
    zeta = np.asarray([1.2, 1.5, 2.0, 1.2, 1.5, 2.0, 1.01, 1.02, 1.04, 1.08])
    q = np.asarray([0.0] * 3 + [2.0] * 7)
    cells = SpinOscillator().replace(f_0=1e8, n_shift=0.0, damping=5e9, q_shift=q, i_th=5e-4 / zeta)
    record = nj.simulate(cells, nj.constant(0.5, 4e-7), ts=[4e-7], gradient="forward", rtol=1e-7)
    power = np.asarray(record.x.re[:, -1] ** 2 + record.x.im[:, -1] ** 2)
    np.testing.assert_allclose(power[:6], [1 / 6, 1 / 3, 1 / 2, 1 / 16, 1 / 7, 1 / 4], rtol=1e-5)
    exponent = np.polyfit(np.log(zeta[6:] - 1), 0.5 * np.log(power[6:]), 1)[0]
    assert exponent == pytest.approx(0.5, abs=0.01)
