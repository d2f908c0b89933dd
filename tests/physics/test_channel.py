"""The resolved electrochemical film against diffusion in closed form, SciPy and the reference numbers."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate
from scipy.linalg import expm
from scipy.optimize import brentq

import neurojax as nj
from physics import constants
from physics.channel import EcramChannel
from physics.device import Environment
from physics.ionic import Ecram

CELL = EcramChannel()


def array(value):
    return jnp.asarray(value, dtype=float)


ENV = Environment(temperature=array(298.15))


def even(cells):
    """`cells` volumes of the same thickness, as in the reference numbers."""
    return EcramChannel(cells=cells, grading=array(1.0))


_gate = jax.jit(lambda cell, first, volts: cell.gate_current(first, volts, ENV))


def gate(cell, first, volts):
    return float(_gate(cell, array(first), array(volts)))


class Pumped:
    """The film under a gate current (A); `integrate` sees it as a device driven by that current."""

    def __init__(self, cell, fraction):
        self.cell, self.fraction = cell, fraction

    def init(self, env):
        del env
        return jnp.full(self.cell.cells, self.fraction)

    def rate(self, film, current, env):
        return self.cell.transport(film, current, env)


def pumped(cell, fraction, density, seconds):
    """The film and its surface after a constant current density (A/m2), by the modes of the linear equation."""
    current = array(density * 1e-12)
    zero = jnp.zeros(cell.cells)
    matrix = np.asarray(jax.jacfwd(lambda y: cell.transport(y, current, ENV))(zero))
    root = np.sqrt(np.asarray(cell.shares()))
    speeds, modes = np.linalg.eigh(matrix * root[:, None] / root[None, :])
    passed = np.where(np.abs(speeds) * seconds < 1e-9, seconds, np.expm1(speeds * seconds) / speeds)
    push = modes.T @ (root * np.asarray(cell.transport(zero, current, ENV)))
    film = array(fraction + modes @ (passed * push) / root)
    return film, float(cell.surface(film[0], current, ENV))


def test_kinetics_are_those_of_the_lumped_cell():
    i0 = float(CELL.exchange_current_density(array(0.22), ENV))
    assert i0 == pytest.approx(12.3503, rel=3e-6)
    assert 1e12 * float(CELL.capacity()) == pytest.approx(149.0698, rel=3e-7)
    assert 1e15 * float(CELL.capacity()) * 0.4 / 1000 == pytest.approx(59.6279, rel=1e-6)
    assert float(CELL.length**2 / CELL.diffusivity(ENV)) == pytest.approx(0.25, rel=1e-12)
    # A film without depth: only the kinetics and R_el are left.
    thin = CELL.replace(length=1e-8, d_c=1e-12, grading=2.5)
    for volts in (-0.5, 0.1, 0.5):
        lumped = float(Ecram().gate_current(array(0.3), array(volts), ENV))
        assert gate(thin, 0.3, volts) == pytest.approx(lumped, rel=1e-5)


def test_charge_transfer_resistance_and_tafel_slope():
    fast = CELL.replace(d_c=1e-12, grading=2.5)
    slope = jax.grad(fast.gate_current, 1)(array(0.22), array(0.0), ENV)
    rise = float(jax.grad(fast.surface, 1)(array(0.22), array(0.0), ENV))
    # Beside that of the reaction R_el and the Nernst potential of what diffuses through half the first volume.
    nernst = constants.GAS * 298.15 / constants.FARADAY * rise / (0.22 * 0.78)
    resistance = (1 / float(slope) - 1e7 - nernst) * 1e-12
    assert resistance == pytest.approx(2.08032e-3, rel=1e-5)
    cell = fast.replace(r_el=1e5, area=1e-14)
    currents = np.array([gate(cell, 0.22, v) for v in (0.2, 0.3)])
    # Without the drop on R_el, and of the sites that are left at the surface.
    sites = [1 - float(cell.surface(array(0.22), array(i), ENV)) for i in currents]
    behind = np.array([0.2, 0.3]) - currents * 1e5
    slope = 1e3 * np.diff(behind) / np.diff(np.log10(currents / sites))
    assert slope[0] == pytest.approx(118.294, rel=3e-5)


@pytest.mark.parametrize("alpha", [0.3, 0.6])
@pytest.mark.parametrize("r_el", [1e5, 1e8])
def test_gate_current_solves_the_nernst_form_at_the_surface(alpha, r_el):
    """i0(x_s) [exp(-alpha f eta) - exp((1-alpha) f eta)] with x_s = x_1 + i dx_s/di, by bisection."""
    cell = even(8).replace(alpha=alpha, r_el=r_el, g_u=0.2)
    f = constants.FARADAY / (constants.GAS * 298.15)
    rise = float(jax.grad(cell.surface, 1)(array(0.3), array(0.0), ENV))
    for first in (0.05, 0.3, 0.8):
        for volts in (-0.6, -0.05, 0.2, 0.6):

            def excess(i, volts=volts, first=first):
                x = first + rise * i
                i0 = 1e-12 * constants.FARADAY * 1e-8 * 3.09e4 * (1 - x) ** (1 - alpha) * x**alpha
                rest = -(np.log(x / (1 - x)) - np.log(0.22 / 0.78)) / f - 0.2 * (x - 0.22)
                eta = -(volts + rest - i * r_el)
                return i - i0 * (np.exp(-alpha * f * eta) - np.exp((1 - alpha) * f * eta))

            least, most = -first / rise * (1 - 1e-12), (1 - first) / rise * (1 - 1e-12)
            expected = brentq(excess, least, most, xtol=1e-30, rtol=1e-13)
            assert gate(cell, first, volts) == pytest.approx(expected, rel=1e-6)


def test_the_surface_limits_the_current():
    """However high the voltage: it is full, or empty."""
    cell = even(8).replace(r_el=1e5)
    for volts, share in ((5.0, 1.0), (-5.0, 0.0)):
        found = float(cell.surface(array(0.4), array(gate(cell, 0.4, volts)), ENV))
        assert found == pytest.approx(share, abs=1e-6)
    for volts in (-0.75, 0.0, 0.75):
        assert gate(CELL, 0.0, volts) >= 0 >= gate(CELL, 1.0, volts)
        assert gate(CELL, -0.1, volts) >= 0 >= gate(CELL, 1.1, volts)


def test_surface_of_a_thick_film():
    """1e3 A/m2 for 2 ms: 2j/(F c_max) sqrt(t/(pi D)), Sand's law."""
    sand = 2e3 / (constants.FARADAY * 3.09e4) * np.sqrt(2e-3 / (np.pi * 1e-14))
    assert sand == pytest.approx(0.169258, rel=3e-6)
    _, surface = pumped(even(400), 0.1, 1e3, 2e-3)
    assert surface - 0.1 == pytest.approx(0.169267, rel=3e-6)
    _, few = pumped(CELL, 0.1, 1e3, 2e-3)
    assert few - 0.1 == pytest.approx(sand, rel=0.03)


def test_steady_offset_and_conserved_charge():
    """10 A/m2 for 2 s: x_s - <x> = j L/(3 F c_max D)."""
    exact = 10 * 50e-9 / (3 * constants.FARADAY * 3.09e4 * 1e-14)
    assert exact == pytest.approx(5.59022e-3, rel=1e-6)
    for cells in (8, 40):
        film, surface = pumped(even(cells), 0.1, 10.0, 2.0)
        mean = float(jnp.mean(film))
        assert surface - mean == pytest.approx(exact * (1 + 0.5 / cells**2), rel=1e-7)
        assert mean - 0.1 == pytest.approx(20e-12 / float(CELL.capacity()), rel=1e-12)
    assert surface - mean == pytest.approx(5.59197e-3, rel=2e-6)
    film, surface = pumped(CELL, 0.1, 10.0, 2.0)
    mean = float(CELL.mean_fraction(EcramChannel.State(x=tuple(film))))
    assert mean - 0.1 == pytest.approx(20e-12 / float(CELL.capacity()), rel=1e-12)
    assert surface - mean == pytest.approx(exact, rel=0.05)


@pytest.mark.parametrize("cell", [even(8), CELL])
def test_rest_is_exact(cell):
    """Against the exponential of the matrix, SciPy, and the slowest mode of a continuous film."""
    start = array(np.linspace(0.6, 0.1, 8) ** 2)
    matrix = jax.jacfwd(lambda y: cell.transport(y, array(0.0), ENV))(start)
    rested = lambda t: jnp.stack(cell.at_rest(EcramChannel.State(x=tuple(start)), array(t), ENV).x)  # noqa: E731
    for seconds in (0.0, 1e-4, 5e-3, 0.05):
        np.testing.assert_allclose(rested(seconds), expm(np.asarray(matrix) * seconds) @ start, rtol=1e-9, atol=1e-12)
    _, y = integrate(Pumped(cell, 0.0), lambda t: 0.0, (0.0, 5e-3), start, ENV)
    np.testing.assert_allclose(rested(5e-3), y[-1], rtol=1e-7)
    left = [float(rested(t)[-1] - rested(1e3)[-1]) for t in (0.08, 0.13)]
    expected = (16 * np.sin(np.pi / 16)) ** 2 if float(cell.grading) == 1 else 0.92 * np.pi**2
    assert np.log(left[0] / left[1]) * 0.25 / 0.05 == pytest.approx(expected, rel=2e-3)


def trains(current, transport, rested, conductance, start, steps=20):
    """G (uS) after each of 60 + 60 pulses of +-0.5 V, 10 us, each with 5 ms open, and the mean energy (fJ) upwards."""
    dt = 1e-5 / steps

    def slope(film, v):
        i = current(film, v)
        return transport(film, i), v * i

    def midpoint(carry, _):
        film, energy, v = carry
        change, power = slope(film + 0.5 * dt * slope(film, v)[0], v)
        return (film + dt * change, energy + dt * power, v), None

    def pulse(film, v):
        film, energy, _ = jax.lax.scan(midpoint, (film, jnp.zeros_like(v), v), None, steps)[0]
        film = rested(film)
        return film, jnp.stack([1e6 * conductance(film), 1e15 * energy])

    run = jax.jit(lambda signs: jax.lax.scan(pulse, start, signs)[1])
    found = np.asarray(run(jnp.repeat(array([0.5, -0.5]), 60)))
    return np.append(1e6 * float(conductance(start)), found[:, 0]), found[:60, 1].mean()


def label(g):
    share = (g[:61] - g[0]) / (g[60] - g[0])
    return 10.10152 * np.max(share - np.arange(61) / 60)


def rest_of(cell):
    state = lambda film: EcramChannel.State(x=tuple(film))  # noqa: E731
    return lambda film: jnp.stack(cell.at_rest(state(film), array(5e-3), ENV).x)


def test_voltage_pulses():
    """The reference takes 40 even volumes and the middle of the first for the surface, which is 0.6 nm too deep.

    Its numbers are met with that surface (the kinetics of the lumped cell). A film resolved near the surface, 100
    graded volumes down to 9 pm, takes 3 % less charge a pulse; eight graded volumes 2 % more, 40 even ones 7 %.
    """
    cell, lumped = even(40), Ecram()
    kinetics = lambda film, v: lumped.gate_current(film[0], v, ENV)  # noqa: E731
    transport = lambda film, i: cell.transport(film, i, ENV)  # noqa: E731
    start = jnp.full(40, 0.12)
    g, energy = trains(kinetics, transport, rest_of(cell), cell.channel_conductance, start)
    reference = [16.25, 16.3577, 19.4580, 22.6351, 19.8566, 17.2399]
    np.testing.assert_allclose(g[[0, 1, 30, 60, 90, 120]], reference, rtol=4e-6)
    assert energy == pytest.approx(70.506, rel=3e-6) and label(g) == pytest.approx(0.02443, abs=2e-5)
    # States of the first pulse in the range of 5 to 50 uS.
    assert 45 / (g[1] - g[0]) == pytest.approx(418, abs=0.5)

    # 100 volumes, grading 1.06, with an implicit trapezoid in steps of 12.5 ns, by a script apart from the tests.
    resolved, resolved_energy = [16.25, 16.354450, 19.359580, 22.436925, 20.172312, 18.084210], 68.31732
    for cells, grading, steps, near in ((8, 1.7, 150, 2e-2), (40, 1.0, 20, 7e-2)):
        cell = EcramChannel(cells=cells, grading=array(grading))
        kinetics = lambda film, v, cell=cell: cell.gate_current(film[0], v, ENV)  # noqa: E731
        transport = lambda film, i, cell=cell: cell.transport(film, i, ENV)  # noqa: E731
        start = jnp.full(cells, 0.12)
        g, energy = trains(kinetics, transport, rest_of(cell), cell.channel_conductance, start, steps)
        np.testing.assert_allclose(g[[0, 1, 30, 60, 90, 120]], resolved, rtol=near)
        assert energy == pytest.approx(resolved_energy, rel=1.1 * near)
        assert abs(energy / resolved_energy - 1) > 0.5 * near


def test_current_pulses_are_linear_and_symmetric():
    """A hundred pulses of 0.1 s up and down: 5, 27.5, 50, 27.5, 5 uS."""
    cell = even(8)
    charge = array(0.4 / 100 * float(cell.capacity()) / 0.1)

    def pulse(film, sign):
        euler = lambda y, _: (y + 1e-3 * cell.transport(y, sign * charge, ENV), None)  # noqa: E731
        film = jax.lax.scan(euler, film, None, 100)[0]
        return film, cell.channel_conductance(film)

    start = jnp.full(8, 0.02)
    g = jax.jit(lambda signs: jax.lax.scan(pulse, start, signs)[1])(jnp.repeat(array([1.0, -1.0]), 100))
    g = 1e6 * np.append(float(cell.channel_conductance(start)), g)
    np.testing.assert_allclose(g[[0, 50, 100, 150, 200]], [5.0, 27.5, 50.0, 27.5, 5.0], rtol=1e-6)
    np.testing.assert_allclose(np.diff(g), np.repeat([0.45, -0.45], 100), rtol=1e-6)


def test_write_transient_of_a_nonlinear_channel():
    """sigma ~ x^1.5, 2000 A/m2 for 1 ms from 0.1: <x^1.5> is 3.9 % above that of even ions, to which it relaxes."""
    cell = even(40).replace(power_law=1.5)
    film, _ = pumped(cell, 0.1, 2000.0, 1e-3)
    level = jnp.full(40, jnp.mean(film))
    assert float(jnp.mean(film**1.5) / level[0] ** 1.5) == pytest.approx(1.03919, abs=6e-6)
    assert float(cell.channel_conductance(film) / cell.channel_conductance(level)) > 1.02
    linear = even(40)
    assert float(linear.channel_conductance(film) / linear.channel_conductance(level)) == pytest.approx(1.0, abs=1e-9)
    relaxed = cell.at_rest(EcramChannel.State(x=tuple(film)), array(2.0), ENV)
    np.testing.assert_allclose(jnp.stack(relaxed.x), level, rtol=1e-9)


@pytest.mark.parametrize(("r_el", "expected"), [(1e9, 0.22), (1e11, 0.306427), (1e13, 0.418381)])
def test_retention_with_the_gate_shorted(r_el, expected):
    """100 s from 0.42 through a resistance."""
    cell = CELL.replace(r_el=r_el)

    class Shorted:
        def rate(self, x, volts, env):
            return cell.rate(x, jnp.stack([volts, volts]), env)

    start = cell.filled(array(0.42))
    _, found = integrate(Shorted(), lambda t: 0.0, (0.0, 100.0), start, ENV, rtol=1e-8)
    mean = float(cell.mean_fraction(EcramChannel.State(x=tuple(array(found[-1])))))
    assert mean == pytest.approx(expected, rel=2e-5)


def test_retention_with_the_gate_open():
    rested = CELL.at_rest(CELL.filled(array(0.42)), array(3600.0), ENV)
    np.testing.assert_allclose(jnp.stack(rested.x), 0.42, rtol=1e-12)


def test_the_charge_of_all_volumes_is_that_of_the_gate():
    """A simulated pulse of 0.5 V, against the integral of its gate current and against SciPy."""
    wave = nj.Waveform([0.0, 1e-6, 1.01e-4, 1.02e-4], [[0.0, 0.1], [0.5, 0.1], [0.5, 0.1], [0.0, 0.1]])
    ts = np.linspace(0, 1.02e-4, 1021)
    record = nj.simulate(CELL, wave, ts=ts, env=ENV, rtol=1e-8, atol=1e-10, gradient="forward", progress=False)
    film = np.stack([np.asarray(record.states[f"x.{k}"]) for k in range(8)], axis=1)
    moved = (film @ np.asarray(CELL.shares()))[[0, -1]]
    charge = np.trapezoid(np.asarray(record.i)[:, 0], ts)
    assert (moved[1] - moved[0]) * float(CELL.capacity()) == pytest.approx(charge, rel=1e-4)

    class Gated:
        def rate(self, x, volts, env):
            return CELL.rate(x, jnp.stack([volts, jnp.full_like(volts, 0.1)]), env)

    at = lambda t: float(np.interp(t, [0.0, 1e-6, 1.01e-4, 1.02e-4], [0.0, 0.5, 0.5, 0.0]))  # noqa: E731
    _, y = integrate(Gated(), at, (0.0, 1e-6, 1.01e-4, 1.02e-4), CELL.init(ENV), ENV)
    np.testing.assert_allclose(film[-1], y[-1], rtol=1e-6)
    assert all(b < a for a, b in pairwise(film[-1]))


def test_read_is_decoupled():
    x = CELL.filled(array(0.22))
    low, high = (CELL.current(x, array([0.3, v]), ENV) for v in (0.0, 0.1))
    assert float(low[0]) == float(high[0]) and float(low[1]) == 0.0
    assert float(high[1]) == pytest.approx(27.5e-7, rel=1e-6)
