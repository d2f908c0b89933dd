"""The domain wall against closed forms of its velocity, reference numbers, and Boltzmann's distribution."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate
from scipy.integrate import quad

import neurojax as nj
from physics.device import Environment
from physics.domain_wall import DomainWall

ENV = Environment()
CELL = DomainWall()
Q = 1.602176634e-19
GAMMA = 1.76085963e11 * 4e-7 * np.pi
PER_TESLA = 2e-6 * 5e-7
"""Write voltage (V) of a current density of 1 A/m2."""


def array(value):
    return jnp.asarray(value, dtype=float)


def made(**values):
    """A track without pinning, so long that no end matters; bounds are not checked."""
    values = dict(v_pin=0.0, length=1e-2, q_init=0.5) | values
    return DomainWall(**{name: array(value) for name, value in values.items()})


def density(cell, j):
    """Voltages of both ports for a current density (A/m2)."""
    return array([j * float(cell.rho * cell.length), 0.0])


def flight(cell, j, times, rtol=1e-10, atol=1e-13):
    """States [position, cos, sin] at some times under a constant current density."""
    v = density(cell, j)
    _, y = integrate(cell, lambda t: v, (0.0, times[0]), rtol=rtol, atol=atol, method="LSODA")
    rows = [y[-1]]
    for a, b in pairwise(times):
        x = DomainWall.State(*map(array, rows[-1]))
        _, y = integrate(cell, lambda t: v, (a, b), x, rtol=rtol, atol=atol, method="LSODA")
        rows.append(y[-1])
    return np.asarray(rows)


def velocity(cell, j=0.0, settle=3e-7):
    """Velocity (m/s) once the angle stands still: there both coordinates move as `motion` says."""
    x = DomainWall.State(*map(array, flight(cell, j, [settle])[-1]))
    speed, turn = cell.motion(x, density(cell, j)[0])
    assert abs(float(turn)) < 1e-4 * GAMMA * 1e3
    return float(speed)


def test_derived_numbers():
    assert 1e9 * float(CELL.wall_width()) == pytest.approx(6.846532, rel=2e-7)
    assert float(CELL.shape_field()) == pytest.approx(35448.48, rel=5e-7)
    assert float(CELL.dmi_field()) == pytest.approx(31699.18, rel=2e-7)
    assert float(CELL.hall_field(array(1e12))) == pytest.approx(49997.99, rel=2e-7)
    assert float(made(pol=0.6).electron_velocity(array(1e12))) == pytest.approx(31.57299, rel=2e-7)
    assert 0.5 * float(CELL.alpha * CELL.shape_field()) == pytest.approx(886.2120, rel=3e-7)
    assert float(made(v_pin=2e-20 / Q, width=5e-7).pinning_field()) == pytest.approx(2164.502, rel=5e-7)
    u_c = 0.5 * GAMMA * float(CELL.shape_field() * CELL.wall_width())
    assert u_c == pytest.approx(26.85177, rel=5e-7)


@pytest.mark.parametrize(("part", "expected"), [(0.5, 13.42588), (0.9, 24.16659)])
def test_field_below_walker(part, expected):
    cell = made(dmi=0.0, h_z=part * 886.2120)
    found = velocity(cell)
    assert found == pytest.approx(GAMMA * 6.846532e-9 * part * 886.2120 / 0.05, rel=1e-6)
    assert found == pytest.approx(expected, rel=1e-6)


def test_field_above_walker():
    """The mean over whole turns of the angle."""
    h, h_w, a = 3 * 886.2120, 886.2120, 0.05
    root = np.sqrt(h * h - h_w * h_w)
    exact = (GAMMA * h - GAMMA * root / (1 + a * a)) * 6.846532e-9 / a
    assert exact == pytest.approx(4.79643, rel=2e-6)
    turn = 2 * np.pi / (GAMMA * root / (1 + a * a))
    cell = made(dmi=0.0, h_z=h)
    y = flight(cell, 0.0, [turn, 4 * turn])
    np.testing.assert_allclose(y[1, 1:], y[0, 1:], atol=1e-5)
    assert (y[1, 0] - y[0, 0]) * 1e-2 / (3 * turn) == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize(("beta", "expected"), [(0.0, 0.0), (0.05, 10.0), (0.1, 20.0)])
def test_spin_transfer(beta, expected):
    """beta u/alpha; without beta a wall does not move below u_c."""
    j = 10 / 31.57299e-12
    found = velocity(made(dmi=0.0, theta_sh=0.0, pol=0.6, beta=beta), j)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_wall_without_beta_moves_above_its_threshold():
    cell = made(dmi=0.0, theta_sh=0.0, pol=0.6)
    for part, moves in ((0.98, False), (1.05, True)):
        y = flight(cell, part * 26.85177 / 31.57299e-12, [2e-7, 2.2e-7])
        assert ((y[1, 0] - y[0, 0]) * 1e-2 / 2e-8 > 1.0) == moves


@pytest.mark.parametrize(
    ("j", "plain", "full"), [(1e11, 71.90842, 59.91790), (3e11, 75.01740, 69.84419), (1e12, 75.39718, 73.73555)]
)
def test_spin_hall(j, plain, full):
    """(pi/2) gamma D_l H_D/sqrt(1 + (alpha H_D/H_SH)^2) without H_k; slower with it."""
    h_d, h_sh = 31699.18, 49997.99 * j / 1e12
    exact = 0.5 * np.pi * GAMMA * 6.846532e-9 * h_d / np.sqrt(1 + (0.05 * h_d / h_sh) ** 2)
    assert exact == pytest.approx(plain, rel=2e-7)
    assert velocity(made(shape=0.0), j) == pytest.approx(plain, rel=1e-6)
    assert velocity(made(), j) == pytest.approx(full, rel=1e-6)


@pytest.mark.parametrize(("part", "expected"), [(0.95, 0.0), (1.05, 10.2363)])
def test_depinning(part, expected):
    """The mean from 200 to 400 ns, as of the reference; sites are passed in jerks."""
    cell = made(alpha=0.3, v_pin=2e-20 / Q, width=5e-7, h_z=part * 2164.502, length=1e-5, q_init=2.1e-3)
    y = flight(cell, 0.0, [2e-7, 4e-7], rtol=1e-8, atol=1e-11)
    assert (y[1, 0] - y[0, 0]) * 1e-5 / 2e-7 == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_synapse():
    """One site of pinning a pulse: 1 ns of 3e11 A/m2, 5 ns of rest, by the spin Hall effect alone."""
    cell = CELL.replace(alpha=0.3)
    v, pulse, rest = 3e11 * PER_TESLA, 1e-9, 5e-9
    starts = (pulse + rest) * np.arange(13)
    knots = np.stack([starts[:-1], starts[:-1] + pulse, starts[:-1] + pulse, starts[1:]], axis=1).ravel()
    volts = np.tile([v, v, 0.0, 0.0], 12)
    wave = nj.Waveform(knots, np.stack([volts, np.zeros(48)], axis=1))
    ends = starts[[1, 2, 4, 8, 12]]
    record = nj.simulate(cell, wave, ts=ends, rtol=1e-8, atol=1e-10)
    q = 500 * np.asarray(record.x.position)
    np.testing.assert_allclose(q, [21.0005, 42.0005, 84.0005, 168.0, 252.0], atol=6e-4)
    conductance = jax.jit(lambda x: 1e6 * cell.conductance(x, array([0.0, 0.0]), ENV)[1, 1])
    assert float(conductance(jax.tree.map(lambda a: a[-1], record.x))) == pytest.approx(205.184, rel=2e-5)
    assert float(conductance(cell.init(ENV))) == pytest.approx(123.355, rel=3e-6)
    # Table 1: on/off of a whole track, and as many sites as L/p.
    whole = float(conductance(DomainWall.State(array(1.0), array(1.0), array(0.0))))
    assert whole / float(conductance(cell.init(ENV))) == pytest.approx(2.316, abs=5e-4)
    assert round(float(cell.length / cell.pitch)) == 24
    watts = float(cell.power(cell.init(ENV), array([v, 0.0]), ENV))
    assert 1e15 * watts * pulse == pytest.approx(13.5, rel=1e-6)
    x0 = cell.init(ENV)
    _, y = integrate(cell, lambda t: array([v * (t <= pulse), 0.0]), (0.0, pulse, pulse + rest), x0, rtol=1e-9)
    assert q[0] == pytest.approx(500 * y[-1, 0], abs=1e-3)


def test_ends_of_the_track():
    """A wall stops at either end and comes back, also under a field that turns it while it moves."""
    cell = CELL.replace(v_pin=0.0)
    v = 1e12 * PER_TESLA
    wave = nj.Waveform([0.0, 2e-8, 2e-8, 5e-8], np.asarray([[v, 0], [v, 0], [-v, 0], [-v, 0]]))
    record = nj.simulate(cell, wave, ts=np.linspace(1e-9, 5e-8, 50))
    q = np.asarray(record.x.position)
    # The field of the spin Hall effect is balanced by that of the edge.
    behind = 0.5 * np.pi * 49997.99 * np.asarray(record.x.cos)[[19, -1]] / 1e5 * 6.846532 / 500
    np.testing.assert_allclose(q[[19, -1]], [1 + behind[0], -behind[1]], atol=1e-4)
    np.testing.assert_allclose(np.asarray(record.x.cos) ** 2 + np.asarray(record.x.sin) ** 2, 1.0, atol=1e-4)
    fast = cell.replace(h_z=2e4)
    record = nj.simulate(fast, nj.Waveform(4 * wave.t, 0 * wave.v), ts=np.linspace(4e-9, 2e-7, 50))
    assert float(record.x.position[-1]) == pytest.approx(1 + 2e4 / 1e5 * 6.846532 / 500, abs=1e-5)


def test_noise_is_of_two_coordinates():
    x = DomainWall.State(position=array(0.5), cos=array(0.6), sin=array(0.8))
    zero = array([0.0, 0.0])
    columns = np.stack(
        [np.asarray(jax.tree.leaves(CELL.kick(x, zero, DomainWall.State(*e), ENV))) for e in jnp.eye(3)], axis=1
    )
    twice = 2 * float(CELL.spreading(ENV))
    across, wide = np.asarray([0.0, -0.8, 0.6]), 6.846532 / 500
    expected = twice * (np.outer(across, across) + np.diag([wide**2, 0, 0]))
    np.testing.assert_allclose(columns @ columns.T, expected, rtol=1e-6, atol=1e-9 * twice)
    np.testing.assert_allclose(jax.tree.leaves(CELL.diffusion(x, zero, ENV)), np.sqrt(np.diag(expected)), rtol=1e-6)
    kt, a = 1.380649e-23 * 300, 0.05
    volume = 50e-9 * 1e-9 * 6.846532e-9
    assert 0.5 * twice == pytest.approx(a * 1.76085963e11 * kt / (2 * (1 + a * a) * 1.1e6 * volume), rel=1e-6)


def test_equilibrium_in_a_pinning_site():
    """400 paths: the position and the angle both reach the distribution of Boltzmann."""
    cell = CELL.replace(alpha=0.3, v_pin=0.6, pitch=2e-8, q_init=0.48)
    kt = 1.380649e-23 * 300
    scale = 2 * 4e-7 * np.pi * 1.1e6 * 50e-9 * 1e-9 * 6.846532e-9
    well = lambda q: 0.6 * Q * np.sin(np.pi * q / 2e-8) ** 2  # noqa: E731
    angle = lambda p: scale * (0.25 * 35448.48 * np.cos(2 * p) - 0.5 * np.pi * 31699.18 * np.cos(p))  # noqa: E731

    def mean(f, energy, low, high):
        weight = lambda y: np.exp(-(energy(y) - energy(0.0)) / kt)  # noqa: E731
        return quad(lambda y: f(y) * weight(y), low, high)[0] / quad(weight, low, high)[0]

    duration = 4e-9
    keys = jax.random.split(jax.random.key(0), 400)
    wave = nj.Waveform([0.0, duration], np.zeros((2, 2)))
    x = nj.simulate(cell, wave, ts=[duration], key=keys).x
    q = 5e-7 * (np.asarray(x.position)[:, -1] - 0.48)
    length = np.hypot(x.cos[:, -1], x.sin[:, -1])
    np.testing.assert_allclose(length, 1.0, atol=0.05)
    sine = np.asarray(x.sin)[:, -1] / length
    for found, exact in (
        (q**2, mean(np.square, well, -1e-8, 1e-8)),
        (sine**2, mean(lambda p: np.sin(p) ** 2, angle, -np.pi, np.pi)),
        (q, 0.0),
        (sine, 0.0),
    ):
        assert abs(found.mean() - exact) < 3 * found.std() / 20
