"""The organic transistor against the equations of Bernards and Malliaras, and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate

import neurojax as nj
from physics.device import Environment
from physics.organic import Oect

ENV = Environment()
CELL = Oect()
G = 1.2e-4 * 3.9e7 * 100e-6 * 100e-9 / 10e-6 * 0.6
"""mu C* (W d/L) V_p."""


def array(value):
    return jnp.asarray(value, dtype=float)


def steady(volts, cell=CELL):
    """The current of the holes (A) where the ions have followed, and the ports."""
    v = array(volts)
    x = Oect.State(q=(v[0] - cell.f * v[1]) / cell.v_p)
    assert float(cell.rate(x, v, ENV).q) == pytest.approx(0.0, abs=1e-9)
    return float(cell.current(x, v, ENV)[1]) - float(cell.g_off) * volts[1]


class Gated:
    """The transistor with a constant drain; `integrate` sees it as a device of two terminals."""

    def __init__(self, cell, drain):
        self.cell, self.drain = cell, drain

    def init(self, env):
        return self.cell.init(env)

    def rate(self, x, v, env):
        return self.cell.rate(x, jnp.stack([v, array(self.drain)]), env)


def test_conductance_is_that_of_the_holes():
    """G = q mu p_0 W d/L with p_0 = C* V_p/q."""
    assert float(CELL.conductance_full()) == pytest.approx(G, rel=1e-12) == pytest.approx(2.808e-3, rel=1e-12)
    assert float(CELL.capacitance()) == pytest.approx(3.9e7 * 1e-16, rel=1e-12)
    assert float(CELL.time_constant()) == pytest.approx(39e-6, rel=1e-12)


@pytest.mark.parametrize("volts", [(0.3, -0.1), (0.2, -0.3), (0.5, -0.05), (0.4, 0.3)])
def test_open_channel(volts):
    v_g, v_d = volts
    expected = G * (1 - (v_g - v_d / 2) / 0.6) * v_d
    assert steady(volts) == pytest.approx(expected, rel=1e-3)
    assert steady(volts, CELL.replace(knee=1e-3)) == pytest.approx(expected, rel=5e-5)


@pytest.mark.parametrize("volts", [(0.3, -0.5), (0.1, -0.8), (0.5, -0.2)])
def test_pinched_off_channel(volts):
    expected = -G * (0.6 - volts[0]) ** 2 / (2 * 0.6)
    assert volts[1] < volts[0] - 0.6
    assert steady(volts, CELL.replace(knee=1e-3)) == pytest.approx(expected, rel=1e-3)


def test_first_quadrant_beyond_the_gate():
    """V_D > V_G > 0: nothing is taken out where the channel is above the electrolyte, I = G (V_D - V_G^2/(2 V_p))."""
    assert steady((0.2, 0.6), CELL.replace(knee=1e-3)) == pytest.approx(G * (0.6 - 0.2**2 / 1.2), rel=1e-4)


def test_accumulation_leaves_all_holes_and_depletion_none():
    assert steady((-0.5, -0.1)) == pytest.approx(-0.1 * G, rel=1e-3)
    left = steady((1.2, -1e-3)) / (-1e-3 * G)
    assert left == pytest.approx(5e-3**2 / (8 * 0.6**2), rel=5e-3)
    # Far beyond pinch-off the film is nothing and not rounding.
    assert 0 < steady((12.0, -1e-3)) / (-1e-3 * G) < 1e-7


@pytest.mark.parametrize("f", [0.2, 0.5])
@pytest.mark.parametrize("v_d", [-0.2, -0.01, 0.01])
def test_transient_of_a_step(f, v_d):
    """I(t) = I_ss + [I(0) - I_ss] (1 - f tau_e/tau) exp(-t/tau) where the channel stays open."""
    # Without rounding, which is not linear in the charge.
    cell, v_g = CELL.replace(f=f, knee=1e-3), 0.25
    tau, tau_e = float(cell.time_constant()), float(cell.transit_time(array(v_d)))
    assert tau_e == pytest.approx(1e-10 / (1.2e-4 * v_d), rel=1e-12)
    # The ions were at rest with the gate at 50 mV.
    start = Oect.State(q=(array(0.05) - cell.f * v_d) / cell.v_p)
    now = steady((v_g, v_d), cell)
    step = (steady((0.05, v_d), cell) - now) * (1 - f * tau_e / tau)
    for part in (0.3, 1.0, 3.0):
        _, y = integrate(Gated(cell, v_d), lambda t: v_g, (0.0, part * tau), start, ENV)
        i = float(cell.current(Oect.State(q=array(y[-1, 0])), array([v_g, v_d]), ENV)[1]) - float(cell.g_off) * v_d
        assert i - now == pytest.approx(step * np.exp(-part), rel=2e-3)


def test_undershoot_where_holes_are_slow():
    """V_D > 0: with f tau_e > tau the current falls too low and recovers; else it goes to its value evenly."""
    wave = nj.Waveform([0.0, 1e-4, 1.001e-4, 4e-4], [[0.0, 0.05], [0.0, 0.05], [0.2, 0.05], [0.2, 0.05]])
    ts = np.linspace(0.0, 4e-4, 801)
    for mobility, undershoots in ((1.2e-4, False), (1e-6, True)):
        cell = CELL.replace(mu=mobility)
        record = nj.simulate(cell, wave, ts=ts, gradient="forward", progress=False)
        late = np.asarray(record.i)[210:, 1]
        assert (0.5 * float(cell.transit_time(array(0.05))) > float(cell.time_constant())) is undershoots
        assert bool(late.min() < late[-1] - 0.1 * abs(late[-1])) is undershoots


def test_gate_charge_and_energy():
    """The gate takes C V_G in all, and the resistance of the electrolyte half of C V_G^2."""
    wave = nj.Waveform([0.0, 1e-9, 1e-3], [[0.0, 0.0], [0.4, 0.0], [0.4, 0.0]])
    ts = np.concatenate([[0.0], np.geomspace(1e-9, 1e-3, 2000)])
    record = nj.simulate(CELL, wave, ts=ts, gradient="forward", rtol=1e-9, atol=1e-11, progress=False)
    c = float(CELL.capacitance())
    assert np.trapezoid(np.asarray(record.i)[:, 0], ts) == pytest.approx(0.4 * c, rel=1e-3)
    assert float(record.energy[-1]) == pytest.approx(0.16 * c, rel=1e-3)
    assert float(record.states["q"][-1]) == pytest.approx(0.4 / 0.6, rel=1e-6)
    # 389 aJ/um2 of a film: the energy of a state goes with its area, as measured (van de Burgt 2017).
    small = CELL.replace(width=0.3e-6, length=0.3e-6)
    assert float(small.capacitance()) / c == pytest.approx(0.09e-12 / 1e-9, rel=1e-12)


def test_ports_are_reciprocal():
    """Q = C (V_i - f V_D) and a drain that carries f of the ions: with all holes gone only i^2 R is lost."""
    cell = CELL.replace(mu=1e-8, g_off=1e-12)
    x, v = Oect.State(q=array(0.8)), array([0.3, 0.2])
    power = float(cell.power(x, v, ENV))
    gate = float(cell.current(x, v, ENV)[0])
    stored = float(cell.rate(x, v, ENV).q * cell.v_p * cell.capacitance() * 0.8 * cell.v_p)
    channel = float(cell.channel_current(0.8 * cell.v_p + 0.5 * v[1], v[1])) * 0.2
    assert power == pytest.approx(gate**2 * float(cell.r_s) + stored + channel, rel=1e-9)


def test_slopes_are_finite_where_the_channel_closes():
    slope = jax.vmap(jax.grad(lambda q, v: CELL.current(Oect.State(q=q), v, ENV)[1], (0, 1)))
    found = slope(array([-5.0, 0.0, 0.9, 1.0, 5.0]), array([[0.6, 0.0]] * 5))
    assert all(np.isfinite(np.asarray(g)).all() for g in found)
