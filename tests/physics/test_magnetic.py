"""Magnetic tunnel junctions and oscillators: closed forms, exact quadrature, and Fokker and Planck by moments."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate
from scipy.constants import physical_constants
from scipy.integrate import quad
from scipy.linalg import expm
from scipy.sparse import diags
from scipy.sparse.linalg import expm_multiply
from scipy.special import dawsn

import neurojax as nj
from physics import constants, magnetic
from physics.device import Environment
from physics.magnetic import AxialMtj, Mtj
from physics.spin_oscillator import SpinOscillator

ENV = Environment()
CELL = Mtj()
MU_0 = 4e-7 * np.pi
TAU_D = 1.949057e-9


def array(value):
    return jnp.asarray(value, dtype=float)


def tilted(angle):
    return Mtj.State(m_x=array(np.sin(angle)), m_y=array(0.0), m_z=array(np.cos(angle)))


class Fed:
    """The junction under a current; `integrate` sees it as a device under a voltage of that size."""

    def rate(self, x, i, env):
        return CELL.motion(x, i)


def test_constants():
    assert constants.MU_0 == pytest.approx(physical_constants["vacuum mag. permeability"][0], rel=1e-9)
    gamma = physical_constants["electron gyromag. ratio"][0]
    # Of another CODATA year, perhaps.
    assert magnetic.gyromagnetic_ratio() == pytest.approx(gamma, rel=3e-9)


def test_derived_numbers():
    assert float(CELL.anisotropy_field()) / MU_0 == pytest.approx(231891.19, rel=3e-8)
    assert float(CELL.delta(ENV)) == pytest.approx(82.8840, rel=1e-6)
    assert 1e9 * float(CELL.damping_time()) == pytest.approx(1.949057, rel=3e-7)
    assert 1e6 * float(CELL.critical_current()) == pytest.approx(33.11532, rel=2e-7)
    assert float(CELL.critical_current()) / (np.pi / 4 * 50e-9**2) == pytest.approx(1.68655e10, rel=3e-6)
    assert float(CELL.tmr()) == pytest.approx(1.316200, rel=3e-7)


def test_conductances():
    up, down = (Mtj.State(m_x=array(0.0), m_y=array(0.0), m_z=array(z)) for z in (1.0, -1.0))
    g = lambda x, v: 1e6 * float(CELL.current(x, array(v), ENV)) / v  # noqa: E731
    assert g(up, 1e-6) == pytest.approx(285.714, rel=2e-6)
    assert g(down, 1e-6) == pytest.approx(123.355, rel=3e-6)
    assert g(up, 1e-6) / g(down, 1e-6) == pytest.approx(2.316, rel=1e-4)
    assert g(down, 0.5) == pytest.approx(172.314, rel=3e-6)
    # 1 V for 10 ns, half of it in each state.
    assert 1e-8 * 0.5e-6 * (g(up, 1.0) + g(down, 1.0)) == pytest.approx(2.56e-12, rel=2e-3)


def test_precession_and_damping():
    """tan of the angle falls as exp(-t/tau_D) while the moment turns."""
    x = tilted(0.5)
    moved = CELL.rate(x, array(0.0), ENV)
    assert float(moved.m_y / x.m_x) / (2e9 * np.pi) == pytest.approx(7.16611, rel=1e-6)
    end = 3 * float(CELL.damping_time())
    _, y = integrate(CELL, lambda t: 0.0, (0.0, end), x, rtol=1e-10, method="LSODA")
    exact = np.cos(np.arctan(np.tan(0.5) * np.exp(-3)))
    assert exact == pytest.approx(0.99963032, abs=1e-8)
    assert y[-1, 2] == pytest.approx(exact, abs=1e-9)
    record = nj.simulate(CELL, nj.constant(0.0, end), ts=[end], x0=x, rtol=1e-9, atol=1e-11)
    assert float(record.x.m_z[-1]) == pytest.approx(exact, abs=1e-7)


@pytest.mark.parametrize(("i", "expected"), [(1.5, 5.0684862), (2.0, 2.7873470), (3.0, 1.4870198)])
def test_switching_time(i, expected):
    """From the antiparallel state, against the exact integral of the axial law."""
    delta = float(CELL.delta(ENV))
    z0 = -np.cos(1 / np.sqrt(2 * delta))
    exact = quad(lambda z: 1 / float((1 - z * z) * (z + i)), z0, 0, epsabs=1e-12, epsrel=1e-12)[0]
    assert exact == pytest.approx(expected, abs=5.1e-8)
    assert float(magnetic.axial_torque(array(z0), array(i))) == pytest.approx((1 - z0**2) * (z0 + i), rel=1e-12)
    amps, tau = i * float(CELL.critical_current()), float(CELL.damping_time())
    start = tilted(np.pi - 1 / np.sqrt(2 * delta))
    t, _ = integrate(Fed(), lambda t: amps, (0.0, 10 * tau), start, rtol=1e-12, method="LSODA", event=lambda y: y[2])
    assert t[-1] / tau == pytest.approx(exact, rel=1e-8)


def test_pulse_of_voltage():
    """Both solvers through a reversal and back; the length of the moment stays."""
    width = 1e-8
    wave = nj.Waveform([0.0, width, width, 2 * width], [0.5, 0.5, -0.8, -0.8])
    record = nj.simulate(CELL, wave, ts=[width, 2 * width], rtol=1e-8, atol=1e-10)
    _, y = integrate(CELL, lambda t: 0.5, (0.0, width), rtol=1e-10, method="LSODA")
    assert float(record.x.m_z[0]) > 0.99
    assert float(record.x.m_z[0]) == pytest.approx(y[-1, 2], abs=1e-6)
    norm = np.sqrt(np.asarray(record.x.m_x) ** 2 + np.asarray(record.x.m_y) ** 2 + np.asarray(record.x.m_z) ** 2)
    np.testing.assert_allclose(norm, 1.0, atol=1e-6)


@pytest.mark.slow
def test_second_half_of_the_usual_sweep_needs_a_small_absolute_error():
    """Held parallel, the moment comes within 7e-8 of its axis, and the way back starts there.

    Where the absolute error is not far below that (1e-8 of a state by default, 1e-9 V of ngspice, a rounding of
    float32), it is the error that says when the junction switches back.
    """
    v_max, v_min, period = (float(v) for v in CELL.sweep)
    volts = lambda t: float(np.interp(t, [0.0, period / 4, 3 * period / 4, period], [0.0, v_max, v_min, 0.0]))  # noqa: E731
    times = (0.0, 1e-8, 2.193e-8, 3e-8, 3.6e-8, 3.7e-8, 4e-8)
    t, y = integrate(CELL, volts, times, rtol=1e-11, atol=1e-17, method="LSODA")
    exact = y[[np.flatnonzero(t == at)[-1] for at in times[1:]]]
    assert np.hypot(y[:, 0], y[:, 1]).min() == pytest.approx(7.07e-8, rel=1e-2)
    wave = nj.triangle(v_max, v_min, period)
    options = dict(ts=np.asarray(times[1:]), gradient="forward", progress=False, max_steps=2**20)
    fine = np.asarray(nj.simulate(CELL, wave, rtol=1e-10, atol=1e-12, **options).x.m_z)
    np.testing.assert_allclose(fine, exact[:, 2], atol=1e-5)
    # The default tolerances turn it back 0.3 ns too early.
    coarse = np.asarray(nj.simulate(CELL, wave, **options).x.m_z)
    np.testing.assert_allclose(coarse[:3], exact[:3, 2], atol=1e-6)
    np.testing.assert_allclose(coarse[3:], exact[3:, 2], atol=0.25)


def test_moment_outside_of_the_sphere_comes_back():
    for scale in (0.7, 1.4):
        x = jax.tree.map(lambda a, s=scale: s * a, tilted(1.0))
        _, y = integrate(CELL, lambda t: 0.0, (0.0, 3e-10), x, rtol=1e-8)
        assert np.linalg.norm(y[-1]) == pytest.approx(1.0, abs=1e-4)


def test_start_and_axial_twin():
    x = CELL.init(ENV)
    assert float(x.m_z) == pytest.approx(-np.cos(1 / np.sqrt(2 * 82.8840)), rel=1e-6)
    assert float(CELL.replace(parallel=1.0).init(ENV).m_z) == pytest.approx(-float(x.m_z), rel=1e-12)
    twin = CELL.axial(ENV)
    assert float(twin.init(ENV).m_z) == pytest.approx(float(x.m_z), rel=1e-12)
    for v in (0.3, -0.4):
        full = float(CELL.rate(x, array(v), ENV).m_z)
        thermal = -float(x.m_z / twin.barrier(ENV) / twin.tau_d)
        assert float(twin.rate(AxialMtj.State(m_z=x.m_z), array(v), ENV).m_z) == pytest.approx(full + thermal, rel=1e-9)
    assert float(CELL.turning(ENV)) == pytest.approx(0.5 / float(twin.delta * twin.tau_d), rel=1e-9)
    for name in ("delta", "tau_d", "i_c0", "tmr"):
        assert float(getattr(twin, name)) == pytest.approx(float(getattr(AxialMtj(), name)), rel=2e-4)


def test_noise_of_a_moment_is_isotropic_across_it():
    """Covariance of the kicks, and the drift along m that keeps |m| in the mean."""
    x = jax.tree.map(lambda a: 1.1 * a, Mtj.State(m_x=array(0.48), m_y=array(-0.6), m_z=array(0.64)))
    zero, m = array(0.0), np.asarray(jax.tree.leaves(x))
    kick = lambda n: jnp.stack(jax.tree.leaves(CELL.kick(x, zero, Mtj.State(*n), ENV)))  # noqa: E731
    columns = np.stack([np.asarray(kick(e)) for e in jnp.eye(3)], axis=1)
    twice = 2 * float(CELL.turning(ENV))
    np.testing.assert_allclose(columns @ columns.T, twice * (m @ m * np.eye(3) - np.outer(m, m)), atol=1e-9 * twice)
    size = jax.tree.leaves(CELL.diffusion(x, zero, ENV))
    np.testing.assert_allclose(size, np.sqrt(np.diag(columns @ columns.T)), rtol=1e-6)
    difference = jax.tree.map(jnp.subtract, CELL.drift(x, zero, ENV), CELL.rate(x, zero, ENV))
    np.testing.assert_allclose(jax.tree.leaves(difference), -twice * m, rtol=1e-6)


def boltzmann(delta, n, seed, low=-1.0, high=1.0):
    """n numbers with the density exp(Delta z^2) between two ends."""
    z = np.linspace(low, high, 200001)
    density = np.exp(delta * (z * z - 1))
    share = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    return np.interp(np.random.default_rng(seed).uniform(size=n), share / share[-1], z)


def mean_square(delta):
    """Boltzmann's <m_z^2>."""
    root = np.sqrt(delta)
    return 0.5 / (root * dawsn(root)) - 0.5 / delta


def within(samples, expected, slack=0.0):
    """Whether a mean lies within three standard errors (and the error of the scheme, `slack`)."""
    return abs(np.mean(samples) - expected) < 3 * np.std(samples) / np.sqrt(len(samples)) + slack


def test_equilibrium_of_the_macrospin():
    """400 paths from the equator reach Boltzmann's mean of m_z^2 at Delta = 5, with moments of length one."""
    assert mean_square(5.0) == pytest.approx(0.764276, abs=2e-5)  # the reference is a sum on a grid
    small = CELL.replace(alpha=0.1, diameter=50e-9 * np.sqrt(5 / float(CELL.delta(ENV))))
    assert float(small.delta(ENV)) == pytest.approx(5.0, rel=1e-9)
    duration = 5 * float(small.damping_time())
    keys = jax.random.split(jax.random.key(0), 400)
    wave = nj.constant(0.0, duration)
    m = nj.simulate(small, wave, ts=[duration], key=keys, x0=tilted(1.4)).x
    x, y, z = (np.asarray(a)[:, -1] for a in (m.m_x, m.m_y, m.m_z))
    length = np.sqrt(x * x + y * y + z * z)
    np.testing.assert_allclose(length, 1.0, atol=0.08)
    assert within((z / length) ** 2, mean_square(5.0))
    assert within(x * y, 0.0)


@functools.cache
def generator(delta, i, order):
    """d<P_l(z)>/d tau as a matrix on the moments, l = 0 .. order - 1, by Brown's equation."""
    l = np.arange(order + 2)  # noqa: E741
    times_z = np.zeros((order + 2, order + 2))
    for k in l[:-1]:
        times_z[k, k + 1] = (k + 1) / (2 * k + 1)
        times_z[k + 1, k] = (k + 1) / (2 * k + 3)
    slope = np.zeros((order + 2, order + 2))
    for k in l[1:-1]:
        slope[k, k - 1], slope[k, k + 1] = k * (k + 1) / (2 * k + 1), -k * (k + 1) / (2 * k + 1)
    full = slope @ (times_z + i * np.eye(order + 2)) - np.diag(l * (l + 1) / (2 * delta))
    return full[:order, :order]


def moments(density, order, low, high):
    """<P_l> of a density between two ends."""
    nodes, weights = np.polynomial.legendre.leggauss(300)
    z = 0.5 * (high + low) + 0.5 * (high - low) * nodes
    weights = weights * density(z)
    return np.polynomial.legendre.legvander(z, order - 1).T @ weights / weights.sum()


def above(m):
    """P(z > 0) of moments."""
    order = len(m)
    series = (np.arange(order) + 0.5) * m
    whole = np.polynomial.legendre.legint(series, lbnd=0)
    return np.polynomial.legendre.legval(1.0, whole)


@functools.cache
def switched(i):
    """P_sw after tau = 0.5, 1, .. 4 at Delta = 60 from the lower well."""
    order = 120
    step = expm(0.5 * generator(60.0, i, order))
    m = moments(lambda z: np.exp(60 * (z * z - 1)), order, -1.0, 0.0)
    found = []
    for _ in range(8):
        m = step @ m
        found.append(above(m))
    return np.asarray(found)


def on_a_grid(i, cells):
    """P_sw of `switched` by finite volumes of z, their fluxes exact for a constant force (Scharfetter and Gummel)."""
    edge = np.linspace(-1, 1, cells + 1)
    z, h = 0.5 * (edge[1:] + edge[:-1]), 2 / cells
    inner = edge[1:-1]
    spread, lean = (1 - inner**2) / 120 / h, 120 * (inner + i) * h
    up, down = (spread * sign * lean / -np.expm1(-sign * lean) / h for sign in (1, -1))
    matrix = diags([up, -np.append(up, 0) - np.append(0, down), down], [-1, 0, 1])
    p = np.where(np.arange(cells) < cells // 2, np.exp(60 * (z * z - 1)), 0.0)
    p, found = p / p.sum(), []
    for _ in range(8):
        p = expm_multiply(0.5 * matrix, p)
        # Half of the cell in the middle.
        found.append(p[cells // 2 + 1 :].sum() + 0.5 * p[cells // 2])
    return np.asarray(found)


FPE2 = [1.09e-11, 4.227e-4, 0.0759357, 0.407968, 0.726381, 0.890995, 0.958947, 0.98485]
FPE3 = [3.0e-6, 0.186634, 0.798213, 0.970009, 0.995889, 0.999443, 0.999925, 0.99999]
CLOSED2 = [4.7e-10, 9.95e-4, 0.087906, 0.414663, 0.724728, 0.888527, 0.957485, 0.984149]


@pytest.mark.parametrize(("i", "expected"), [(2.0, FPE2), (3.0, FPE3)])
def test_switching_probability_of_fokker_and_planck(i, expected):
    """The reference is of 801 cells, whose error is 3e-3 and falls with their square: on that grid its numbers come out
    to 1.2e-5, and what is left beyond the grid is none of the model's. The moments are what finer grids lead to."""
    coarse, fine, exact = on_a_grid(i, 401), on_a_grid(i, 801), switched(i)
    np.testing.assert_allclose(fine, expected, atol=1.2e-5)
    np.testing.assert_allclose(fine + (fine - coarse) / 3, exact, atol=2.5e-4)
    np.testing.assert_allclose(exact, expected, atol=5e-3)
    np.testing.assert_allclose(exact[4:], expected[4:], atol=2e-3)
    np.testing.assert_allclose(switched(2.0)[2:5], [0.0743607, 0.4050778, 0.7245607], rtol=1e-6)


def test_switching_probability_in_closed_form():
    found = magnetic.switching_probability(array(2.0), array(60.0), array(np.arange(0.5, 4.1, 0.5)))
    np.testing.assert_allclose(found[2:], CLOSED2[2:], rtol=3e-6)
    # As printed, to two and to three digits.
    assert np.all(np.abs(found[:2] - array(CLOSED2[:2])) < array([5e-12, 5e-7]))
    assert np.abs(np.asarray(found) - switched(2.0)).max() < 0.014
    # The constant of small angles is far off.
    assert np.exp(-(np.pi**2) / 4 * 60 / (2 * np.exp(4) - 1)) == pytest.approx(0.2545, abs=1e-4)


@pytest.mark.parametrize("i", [2.0, 3.0])
def test_switching_probability_of_paths(i):
    """2000 paths of the axial law from Boltzmann's lower well."""
    cell = AxialMtj(delta=array(60.0), tmr=array(0.0))
    tau, amps = float(cell.tau_d), i * float(cell.i_c0)
    start = AxialMtj.State(m_z=array(boltzmann(60.0, 2000, 1, high=0.0)))
    keys = jax.random.split(jax.random.key(2), 2000)
    times = np.asarray([1.0, 1.5, 2.0, 3.0]) * tau
    wave = nj.constant(amps * float(cell.r_p), times[-1])
    z = np.asarray(nj.simulate(cell, wave, ts=times, key=keys, x0=start).x.m_z)
    for k, at in enumerate((1, 2, 3, 5)):
        p = switched(i)[at]
        assert np.mean(z[:, k] > 0) == pytest.approx(p, abs=3 * np.sqrt(p * (1 - p) / 2000))


@pytest.mark.parametrize(
    ("delta", "slowest", "brown"),
    [(5.0, 0.0135406, 0.0170007), (10.0, 1.44109e-4, 1.61998e-4), (20.0, 9.86492e-9, 1.04011e-8)],
)
def test_slowest_rate(delta, slowest, brown):
    rates = np.sort(-np.linalg.eigvals(generator(delta, 0.0, 120)).real)
    # The reference is of a grid, which is off by 7e-4 at Delta = 20.
    assert rates[1] == pytest.approx(slowest, rel=5e-6 if delta < 20 else 8e-4)
    assert float(magnetic.reversal_rate(array(delta))) == pytest.approx(brown, rel=4e-6)
    # Brown's asymptote is too large by 1/Delta.
    assert delta * (1 - rates[1] / brown) == pytest.approx(1.0, abs=0.11)


def test_reversals_without_a_current():
    """2000 paths at Delta = 5: the mean of z decays as Fokker and Planck say, m_z^2 is Boltzmann's."""
    cell = AxialMtj(delta=array(5.0))
    tau = float(cell.tau_d)
    start = AxialMtj.State(m_z=array(boltzmann(5.0, 2000, 3, high=0.0)))
    keys = jax.random.split(jax.random.key(4), 2000)
    times = np.asarray([20.0, 40.0])
    z = np.asarray(nj.simulate(cell, nj.constant(0.0, times[-1] * tau), ts=times * tau, key=keys, x0=start).x.m_z)
    m = moments(lambda z: np.exp(5 * (z * z - 1)), 60, -1.0, 0.0)
    for k, t in enumerate(times):
        exact = expm(t * generator(5.0, 0.0, 60)) @ m
        assert within(z[:, k], exact[1])
        assert within(z[:, k] ** 2, mean_square(5.0))
    # The decay is that of a telegraph signal with half the slowest rate each way.
    slowest = np.sort(-np.linalg.eigvals(generator(5.0, 0.0, 60)).real)[1]
    crossed = 0.5 * (1 - np.exp(-slowest * times[1]))
    assert np.mean(z[:, 1] > 0) == pytest.approx(crossed, abs=3 * np.sqrt(crossed * (1 - crossed) / 2000) + 0.01)


def test_telegraph():
    i, delta, tau0 = array(0.1), array(20.0), array(1e-9)
    out_of_p, out_of_ap = magnetic.telegraph_rates(i, delta, tau0)
    assert float(out_of_p) == pytest.approx(1e9 * np.exp(-20 * 1.21), rel=1e-12)
    assert float(out_of_ap / (out_of_p + out_of_ap)) == pytest.approx(
        float(magnetic.parallel_probability(i, delta)), rel=1e-12
    )
    assert float(magnetic.parallel_probability(i, delta)) == pytest.approx(1 / (1 + np.exp(-8)), rel=1e-12)
    weak = magnetic.telegraph_rates(i, delta, tau0, 1.0)
    assert float(weak[1] / (weak[0] + weak[1])) == pytest.approx(
        float(magnetic.parallel_probability(i, delta, 1.0)), rel=1e-12
    )
    assert float(magnetic.telegraph_rates(array(2.0), delta, tau0)[1]) == pytest.approx(1e9, rel=1e-12)
    # Brown's rate is that of both ways with tau0 = tau_D sqrt(pi/Delta).
    both = sum(magnetic.telegraph_rates(array(0.0), delta, jnp.sqrt(jnp.pi / delta)))
    assert float(both) == pytest.approx(float(magnetic.reversal_rate(delta)), rel=1e-12)


def test_mean_motion_rests_at_the_thermal_angle():
    """And leaves it again under a current, as the path of SciPy."""
    cell = AxialMtj()
    wave = nj.Waveform([0.0, 5e-8, 5e-8, 1e-7], [0.0, 0.0, 0.5, 0.5])
    record = nj.simulate(cell, wave, ts=[5e-8, 5.4e-8, 1e-7], rtol=1e-9, atol=1e-12)
    z = np.asarray(record.x.m_z)
    assert 1 + z[0] == pytest.approx(1 / (2 * 82.884), rel=5e-3)
    assert z[2] > 0.99
    _, y = integrate(cell, lambda t: 0.5 * (t > 5e-8), (0.0, 5e-8, 5.4e-8), rtol=1e-10)
    assert z[1] == pytest.approx(y[-1, 0], abs=1e-6)


def test_oscillator():
    """Power and frequency of the cycle, growth below and above the threshold, and the alternating current."""
    cell, v = SpinOscillator(), 0.5
    zeta = 1e-3 * v / 2e-4
    p0 = (zeta - 1) / (zeta + 2)
    assert float(cell.power_of_cycle(array(5e-4))) == pytest.approx(p0, rel=1e-12)
    assert float(cell.frequency(array(5e-4))) == pytest.approx(5e9 - 1e9 * p0, rel=1e-12)
    assert float(cell.power_of_cycle(array(1e-4))) == 0.0
    ts = np.concatenate([[1e-10], np.linspace(2.4e-8, 2.6e-8, 201)])
    record = nj.simulate(cell, nj.constant(v, 2.6e-8), ts=ts, rtol=1e-8, atol=1e-10)
    c = np.asarray(record.x.re) + 1j * np.asarray(record.x.im)
    assert abs(c[0]) == pytest.approx(0.05 * np.exp(3e8 * (zeta - 1) * 1e-10), rel=2e-3)
    np.testing.assert_allclose(np.abs(c[1:]) ** 2, p0, rtol=1e-6)
    turned = np.unwrap(np.angle(c[1:]))
    assert -(turned[-1] - turned[0]) / (2 * np.pi * 2e-9) == pytest.approx(5e9 - 1e9 * p0, rel=1e-6)
    i = np.asarray(record.i)[1:]
    assert 0.5 * np.ptp(i) == pytest.approx(1e-3 * v * 0.3 * np.sqrt(p0), rel=1e-3)
    _, y = integrate(cell, lambda t: v, (0.0, 5e-9), rtol=1e-10, method="LSODA")
    again = nj.simulate(cell, nj.constant(v, 5e-9), ts=[5e-9], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose([again.x.re[-1], again.x.im[-1]], y[-1], atol=1e-5)
