"""The lumped electrochemical memory against the reference numbers, those of the resolved film included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate
from scipy.optimize import brentq

from physics import constants
from physics.device import Environment
from physics.ionic import Ecram

CELL = Ecram()


def array(value):
    return jnp.asarray(value, dtype=float)


ENV = Environment(temperature=array(298.15))


def film(x):
    return Ecram.State(array(x), array(x))


def gate(cell, x, volts):
    return float(cell.gate_current(array(x), array(volts), ENV))


class Pumped:
    """The film under a gate current (A); `integrate` sees it as a device driven by that current."""

    def __init__(self, cell, x):
        self.cell, self.x = cell, x

    def init(self, env):
        del env
        return film(self.x)

    def rate(self, x, current, env):
        return self.cell.transport(x, current, env)


def gated(x, volts):
    """The film under a gate voltage with nothing on the channel."""
    return Ecram.State(*x), jnp.stack([volts, jnp.zeros_like(volts)])


def test_kinetics():
    i0 = float(CELL.exchange_current_density(array(0.22), ENV))
    assert i0 == pytest.approx(12.3503, rel=3e-6)
    assert 1e12 * float(CELL.capacity()) == pytest.approx(149.0698, rel=3e-7)
    assert 1e15 * float(CELL.capacity()) * 0.4 / 1000 == pytest.approx(59.6279, rel=1e-6)
    assert float(CELL.length**2 / CELL.d_c) == pytest.approx(0.25, rel=1e-12)
    slope = jax.grad(CELL.gate_current, 1)(array(0.22), array(0.0), ENV)
    resistance = (1 / float(slope) - float(CELL.r_el)) * float(CELL.area)
    assert resistance == pytest.approx(2.08032e-3, rel=3e-6)
    assert resistance == pytest.approx(constants.GAS * 298.15 / (constants.FARADAY * i0), rel=1e-6)


def test_tafel_slope():
    cell = CELL.replace(r_el=1e5, area=1e-14)
    currents = np.array([gate(cell, 0.22, v) for v in (0.2, 0.3)])
    behind = np.array([0.2, 0.3]) - currents * 1e5
    slope = 1e3 * np.diff(behind) / np.diff(np.log10(currents))
    # The resolved value is a secant between -0.2 and -0.3 V, where the back reaction is still 1e-4.
    assert slope[0] == pytest.approx(118.294, rel=1e-5)
    # Tafel's own, where it is gone.
    deep = np.array([gate(cell, 0.22, v) for v in (0.5, 0.6)])
    assert 1e3 * (0.1 - 1e5 * np.ptp(deep)) / np.log10(deep[1] / deep[0]) == pytest.approx(118.319, abs=5e-4)
    exact = constants.GAS * 298.15 / (0.5 * constants.FARADAY) * np.log(10)
    assert 1e3 * exact == pytest.approx(118.319, abs=5e-4)


@pytest.mark.parametrize("alpha", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("r_el", [1e5, 1e7, 1e12])
def test_gate_current_solves_the_nernst_form(alpha, r_el):
    """The same current from the logarithmic form, i0 [exp(-alpha f eta) - exp((1-alpha) f eta)], by bisection."""
    cell = CELL.replace(alpha=alpha, r_el=r_el, g_u=0.2)
    f = constants.FARADAY / (constants.GAS * 298.15)
    for x in (0.02, 0.22, 0.6):
        i0 = float(cell.exchange_current_density(array(x), ENV)) * float(cell.area)
        open_circuit = -(np.log(x / (1 - x)) - np.log(0.22 / 0.78)) / f - 0.2 * (x - 0.22)
        for volts in (-0.75, -0.1, 0.0, 0.3, 0.75):
            ceiling = abs(volts + open_circuit) / r_el

            def excess(i, volts=volts, i0=i0, open_circuit=open_circuit):
                eta = -(volts + open_circuit - i * r_el)
                return i - i0 * (np.exp(-alpha * f * eta) - np.exp((1 - alpha) * f * eta))

            expected = brentq(excess, -ceiling, ceiling, xtol=1e-30, rtol=1e-12)
            assert gate(cell, x, volts) == pytest.approx(expected, rel=1e-6, abs=1e-6 * min(i0, 0.1 / r_el))


def test_empty_and_full_films_take_no_more():
    for volts in (-0.75, 0.0, 0.75):
        assert gate(CELL, 0.0, volts) >= 0 >= gate(CELL, 1.0, volts)
        assert gate(CELL, -0.1, volts) >= 0 >= gate(CELL, 1.1, volts)
        for x in (film(0.0), film(1.0), Ecram.State(array(0.0), array(1.0)), Ecram.State(array(1.0), array(0.0))):
            rate = CELL.rate(x, array([volts, 0.1]), ENV)
            for value, slope in ((x.surface, rate.surface), (x.bulk, rate.bulk)):
                assert float(slope) * (1 - 2 * float(value)) >= 0


def test_offset_charge_and_slowest_mode():
    """10 A/m2 for 2 s, then open: x_s - <x> = j L/(3 F c_max D); it decays with pi^2 D/L^2."""
    density = 10.0
    _, found = integrate(Pumped(CELL, 0.1), lambda t: density * 1e-12, (0.0, 2.0), env=ENV)
    x = Ecram.State(*array(found[-1]))
    mean = float(CELL.mean_fraction(x))
    assert float(x.surface) - mean == pytest.approx(5.59022e-3, rel=2e-6)
    assert mean == pytest.approx(0.1 + density * 1e-12 * 2 / float(CELL.capacity()), abs=1e-9)
    _, found = integrate(Pumped(CELL, 0.1), lambda t: 0.0, (0.0, 0.05), x, ENV)
    left = Ecram.State(*array(found[-1]))
    ratio = (left.surface - left.bulk) / (x.surface - x.bulk)
    assert float(ratio) == pytest.approx(np.exp(-(np.pi**2) * 0.05 / 0.25), rel=1e-6)


def test_early_surface_is_underestimated():
    """1e3 A/m2 for 2 ms: x_s rises by 0.169258 = 2 j sqrt(t/pi D)/(F c_max) in a thick film, here by a third of it.

    Two compartments cannot follow sqrt(t): they answer by j t/(F c_max L phi), as long as little flows on.
    """
    density, time = 1e3, 2e-3
    _, found = integrate(Pumped(CELL, 0.1), lambda t: density * 1e-12, (0.0, time), env=ENV)
    flux = density / (constants.FARADAY * float(CELL.c_max))
    semi_infinite = 2 * flux * np.sqrt(time / (np.pi * float(CELL.d_c)))
    assert semi_infinite == pytest.approx(0.169258, rel=3e-6)
    rise = found[-1][0] - 0.1
    lumped = flux * time / float(CELL.length) * (3 + np.pi**2) / 3
    assert 0.95 * lumped < rise < lumped
    assert rise / semi_infinite == pytest.approx(1 / 3, rel=0.02)


def test_current_mode_is_linear_and_symmetric():
    """A hundred pulses of 0.1 s up and down; slower than diffusion, so the surface stays a physical one."""
    pulse = 0.4 / 100 * float(CELL.capacity()) / 0.1

    @jax.jit
    def train(signs):
        def step(x, sign):
            def euler(y, _):
                r = CELL.transport(y, sign * pulse, ENV)
                return jax.tree.map(lambda a, b: a + 1e-3 * b, y, r), None

            x = jax.lax.scan(euler, x, None, 100)[0]
            return x, CELL.channel_conductance(x)

        return jax.lax.scan(step, film(0.02), signs)[1]

    g = np.append(float(CELL.channel_conductance(film(0.02))), train(jnp.repeat(array([1.0, -1.0]), 100))) * 1e6
    np.testing.assert_allclose(g[[0, 50, 100, 150, 200]], [5.0, 27.5, 50.0, 27.5, 5.0], rtol=1e-6)
    np.testing.assert_allclose(np.diff(g), np.repeat([0.45, -0.45], 100), rtol=1e-6)


def test_steps_go_as_width_amplitude_and_charge():
    """Tang et al., IEDM (2018): the ions that a pulse of current brings are its charge, whatever its shape."""
    step = lambda i: jax.tree.map(lambda a, b: a + 1e-5 * b, film(0.3), CELL.transport(film(0.3), array(i), ENV))  # noqa: E731
    moved = lambda i: float(CELL.channel_conductance(step(i)) - CELL.channel_conductance(film(0.3)))  # noqa: E731
    exact = 45e-6 / 0.4 * 1e-9 * 1e-5 / float(CELL.capacity())
    for times in (-3.0, 1.0, 5.0):
        assert moved(times * 1e-9) == pytest.approx(times * exact, rel=1e-8)
    # The on/off of Table 1, from the channel at its two ends.
    ends = [float(CELL.channel_conductance(film(x))) for x in (0.02, 0.42)]
    assert ends[1] / ends[0] == pytest.approx(10.0, rel=1e-5)


def test_voltage_mode_near_the_resolved_film():
    """+-0.5 V, 10 us, then 5 ms open, 60 + 60 pulses from x = 0.12."""
    dt, steps = 1e-5 / 20, 20

    def slope(x, v):
        y, ports = gated(x, v)
        r = CELL.rate(y, ports, ENV)
        return jnp.stack([r.surface, r.bulk]), v * CELL.current(y, ports, ENV)[0]

    def midpoint(carry, _):
        x, energy, v = carry
        half = x + 0.5 * dt * slope(x, v)[0]
        change, power = slope(half, v)
        return (x + dt * change, energy + dt * power, v), None

    decay = np.exp(-(np.pi**2) * 5e-3 / 0.25)

    def pulse(x, v):
        x, energy, _ = jax.lax.scan(midpoint, (x, jnp.zeros_like(v), v), None, steps)[0]
        mean = CELL.mean_fraction(Ecram.State(*x))
        x = mean + (x - mean) * decay
        return x, jnp.stack([CELL.channel_conductance(Ecram.State(*x)) * 1e6, energy * 1e15])

    run = jax.jit(lambda signs: jax.lax.scan(pulse, array([0.12, 0.12]), signs)[1])
    found = np.asarray(run(jnp.repeat(array([0.5, -0.5]), 60)))
    g = np.append(16.25, found[:, 0])
    resolved = [16.25, 16.3577, 19.4580, 22.6351, 19.8566, 17.2399]
    # The blunter surface admits a little more charge a pulse; 0.7 % of G after 120 pulses.
    np.testing.assert_allclose(g[[0, 1, 30, 60, 90, 120]], resolved, rtol=7e-3)
    assert g[1] == pytest.approx(16.3577, rel=5e-5)
    assert g[30] == pytest.approx(19.4580, rel=8e-4) and g[60] == pytest.approx(22.6351, rel=1.3e-3)
    assert found[:60, 1].mean() == pytest.approx(70.506, rel=5e-3)
    line = np.linspace(g[0], g[60], 61)
    assert 0 < np.max(np.abs(g[:61] - line)) / (g[60] - g[0]) < 0.03


def test_write_transient_of_a_nonlinear_channel():
    """sigma ~ x^1.5: the conductance overshoots after the write and relaxes at constant charge."""
    cell = CELL.replace(power_law=1.5)
    _, found = integrate(Pumped(cell, 0.22), lambda t: 2e-9, (0.0, 1e-3), env=ENV)
    written = Ecram.State(*array(found[-1]))
    relaxed = film(cell.mean_fraction(written))
    assert 1.0005 < float(cell.channel_conductance(written) / cell.channel_conductance(relaxed)) < 1.04
    linear = CELL.channel_conductance(written) / CELL.channel_conductance(relaxed)
    assert float(linear) == pytest.approx(1.0, abs=1e-9)


def test_retention():
    _, found = integrate(Pumped(CELL, 0.42), lambda t: 0.0, (0.0, 3600.0), env=ENV)
    np.testing.assert_allclose(found[-1], 0.42, rtol=1e-12)
    for r_el, expected in ((1e9, 0.22), (1e11, 0.306427), (1e13, 0.418381)):
        cell = CELL.replace(r_el=r_el)

        class Shorted:
            def rate(self, x, volts, env, cell=cell):
                return cell.rate(x, jnp.stack([volts, volts]), env)

        _, found = integrate(Shorted(), lambda t: 0.0, (0.0, 100.0), film(0.42), ENV, rtol=1e-8)
        mean = CELL.mean_fraction(Ecram.State(*array(found[-1])))
        # Diffusion adds 4.7e-5 to a well-mixed film; the resolved surface is half a volume deep, 4 % less of that.
        assert float(mean) == pytest.approx(expected, rel=1e-5)


def test_read_is_decoupled_and_arrhenius_speeds_up():
    x = film(0.22)
    low, high = (CELL.current(x, array([0.3, v]), ENV) for v in (0.0, 0.1))
    assert float(low[0]) == float(high[0]) and float(low[1]) == 0.0
    assert float(high[1]) == pytest.approx(27.5e-7, rel=1e-6)
    warm = Environment(temperature=array(330.0))
    ratio = CELL.exchange_current_density(array(0.22), warm) / CELL.exchange_current_density(array(0.22), ENV)
    assert float(ratio) == pytest.approx(np.exp(0.45 / 8.617333262e-5 * (1 / 298.15 - 1 / 330)), rel=1e-6)


def test_an_emptied_film_keeps_a_conductance_with_a_slope():
    """Far below x_lo, G = delta^2/(4 |g|): as large as a root of g^2 + delta^2 less g, which is rounding in doubles."""
    cell = Ecram(g_min=array(1.5e-9), g_max=array(1e-3), x_lo=array(0.13), x_hi=array(0.78))

    def conductance(x):
        return cell.channel_conductance(film(x))

    for x in (0.0694, 0.13 - 1e-7, 0.13, 0.2):
        x = array(x)
        g = cell.g_min + (cell.g_max - cell.g_min) * (x - cell.x_lo) / (cell.x_hi - cell.x_lo)
        width = np.longdouble(1e-3 * 1.5e-9)
        exact = (np.longdouble(float(g)) + np.sqrt(np.longdouble(float(g)) ** 2 + width**2)) / 2
        if g < -1e3 * float(width):
            exact = width**2 / 4 / -np.longdouble(float(g))
        assert float(conductance(x)) == pytest.approx(float(exact), rel=1e-5)
        slope = (float(conductance(x + 1e-6)) - float(conductance(x - 1e-6))) / 2e-6
        if abs(float(x) - 0.13) > 1e-3:
            assert float(jax.grad(conductance)(x)) == pytest.approx(slope, rel=1e-4)
