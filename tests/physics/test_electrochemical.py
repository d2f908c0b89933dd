"""Ecm against the numbers of an independent SciPy script; that script nests two searches where this solves one."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate, ramp
from scipy.optimize import brentq

import neurojax as nj
from neurojax.waveform import triangle
from physics.device import Environment
from physics.electrochemical import Ecm, butler_volmer_inverse
from physics.quantity import with_values

ENV = Environment(temperature=jnp.asarray(298.0))
CELL = Ecm()
DEEP = Ecm(x_min=3e-11)
"""The guard at the contact is out of reach."""
KT = 1.380649e-23 * 298 / 1.602176634e-19


def array(value):
    return jnp.asarray(value, dtype=float)


def gap(nm):
    return Ecm.State(log_x=jnp.log(array(nm)))


solved = jax.jit(lambda device, nm, v: device.solve(Ecm.State(log_x=jnp.log(nm)), v, ENV))
many = jax.jit(jax.vmap(lambda device, nm, v: device.solve(Ecm.State(log_x=jnp.log(nm)), v, ENV), (None, 0, 0)))
speeds = jax.jit(jax.vmap(lambda device, y, v: device.rate(Ecm.State(log_x=y), v, ENV).log_x, (None, 0, 0)))
NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)


def time_between(start, end, volts, device):
    """Seconds from one gap to another (nm) under volts(gap), by quadrature in ln x."""
    half = 0.5 * np.log(start / end)
    y = jnp.asarray(np.log(end) + half * (1 + NODES))
    rates = speeds(device, y, jnp.asarray(volts(np.exp(np.asarray(y)))))
    return half * np.sum(WEIGHTS / -np.asarray(rates))


def growth_time(volts, device=CELL, start=30.0, end=0.5):
    return time_between(start, end, lambda nm: np.full_like(nm, volts), device)


def test_inverse_of_butler_volmer():
    u = np.asarray([1e-12, 1e-3, 0.5, 3.0, 40.0])
    for forward in (0.1, 0.3, 0.5, 0.7, 0.9):
        current = np.exp(forward * u) * -np.expm1(-u)
        found = jax.vmap(butler_volmer_inverse, (0, None))(jnp.asarray(current), array(forward))
        np.testing.assert_allclose(found, u, rtol=1e-13)


@pytest.mark.parametrize(("nm", "siemens"), [(0.3, 4.221951e-5), (0.5, 6.881687e-7), (1.0, 4.185440e-11)])
def test_tunnelling(nm, siemens):
    assert float(CELL.tunnelling(gap(nm))) == pytest.approx(siemens, rel=2e-7)


@pytest.mark.parametrize(
    ("volts", "nm", "amps", "velocity"),
    [(0.2, 30.0, 3.965561e-11, -3.363202e-4), (0.5, 30.0, 7.654186e-10, -6.491534e-3)],
)
def test_ions(volts, nm, amps, velocity):
    assert float(solved(CELL, array(nm), array(volts)).ions) == pytest.approx(amps, rel=2e-7)
    rate = float(speeds(CELL, jnp.log(array([nm])), array([volts]))[0])
    assert rate * nm * 1e-9 == pytest.approx(velocity, rel=3e-7)


def test_points():
    node = solved(CELL, array(10.0), array(1.0))
    assert float(node.ions) == pytest.approx(2.813132e-8, rel=2e-7)
    assert float(node.gap) == pytest.approx(0.9718679, abs=6e-8)
    node = solved(CELL, array(0.6), array(0.5))
    assert float(node.ions + node.tunnel) == pytest.approx(4.367145e-8, rel=2e-7)
    assert float(node.ions) == pytest.approx(5.389240e-10, rel=2e-7)


@pytest.mark.parametrize("volts", [-3.0, -0.4, 0.15, 2.0])
def test_circuit_solves_its_equations(volts):
    """Butler-Volmer at both electrodes with their own signs, as printed."""
    cell = CELL.replace(r_s=2e3)
    nm, area = 2.0, np.pi * 4e-18
    node = solved(cell, array(nm), array(volts))
    ions, across = float(node.ions), float(node.gap)
    assert across + (ions + float(node.tunnel)) * (2e3 + 76.4e-3 + 1.7e-8 * 28e-9 / area) == pytest.approx(
        volts, rel=1e-9
    )
    eta_hop = 2 * KT * nm / 0.25 * np.arcsinh(ions / (area * 1.1e11))
    law = lambda eta: np.exp(0.7 * eta / KT) - np.exp(-0.3 * eta / KT)  # noqa: E731
    eta_ac = brentq(lambda eta: np.pi * 256e-18 * 3.2e5 * law(eta) - ions, -5, 5, xtol=1e-15)
    eta_fil = brentq(lambda eta: area * 3.2e5 * law(eta) + ions, -5, 5, xtol=1e-15)
    assert eta_ac - eta_fil + eta_hop == pytest.approx(across, rel=1e-8)


REFERENCE = {
    0.1: 2.793131e-4,
    0.2: 8.786275e-5,
    0.3: 2.972405e-5,
    0.4: 1.102774e-5,
    0.6: 1.979261e-6,
    0.8: 4.473359e-7,
    1.0: 1.380313e-7,
}


@functools.cache
def times():
    return {volts: growth_time(volts) for volts in REFERENCE}


def test_growth_times():
    found = times()
    assert list(found.values()) == pytest.approx(list(REFERENCE.values()), rel=5e-7)
    assert growth_time(3.0, CELL.replace(r_s=1e3)) == pytest.approx(4.424440e-9, rel=5e-7)
    _, y = integrate(CELL, lambda t: 0.3, (0.0, 1.0), gap(30.0), ENV, event=lambda y: y[0] - np.log(0.5))
    assert y[-1, 0] == pytest.approx(np.log(0.5), abs=1e-9)


def test_slopes_of_the_set_time():
    """The transfer coefficient gives 197.1 mV a decade; hops and both electrodes together flatten it."""
    found = times()
    slope = lambda *at: 1e3 * np.polyfit(np.log10([found[v] for v in at]), at, 1)[0]  # noqa: E731
    assert slope(0.2, 0.3, 0.4) == pytest.approx(-221.75, abs=6e-3)
    assert slope(0.6, 0.8, 1.0) == pytest.approx(-344.29, abs=6e-3)
    # Without the hops and with a large electrode, what is left is the filament.
    easy = CELL.replace(j_hop=1e12, r_ac=1e-6, length=2e-9, r_s=10.0, j_0=1.0)
    steep = 1e3 * 0.2 / np.log10(growth_time(0.5, easy, 2.0, 1.0) / growth_time(0.3, easy, 2.0, 1.0))
    assert steep == pytest.approx(-np.log(10) * KT / 0.3 * 1e3, rel=2e-3)
    assert np.log(10) * KT / 0.3 * 1e3 == pytest.approx(197.1, abs=0.05)


def test_sensitivity():
    """To the digits that are given."""
    up, down = (growth_time(0.3, with_values(CELL, {"alpha": array(0.3 + d)})) for d in (1e-5, -1e-5))
    assert np.log(up / down) / 2e-5 == pytest.approx(-10.0011, abs=5e-5)


@pytest.mark.parametrize(
    ("volts", "seconds"), [(0.05, 1096.869), (0.1, 1.776943), (0.15, 2.878672e-3), (0.2, 4.663490e-6)]
)
def test_nucleation(volts, seconds):
    assert float(CELL.nucleation_time(array(volts), ENV)) == pytest.approx(seconds, rel=4e-7)


def test_slope_of_the_nucleation():
    ratio = CELL.nucleation_time(array(0.1), ENV) / CELL.nucleation_time(array(0.2), ENV)
    assert 100 / np.log10(float(ratio)) == pytest.approx(17.92, abs=5e-3)


@pytest.mark.parametrize(
    ("limit", "nm", "ohms"), [(1e-8, 0.5200131, 2167947), (1e-6, 0.2939240, 20798.24), (1e-5, 0.1878169, 1962.111)]
)
def test_compliance_sets_the_gap(limit, nm, ohms):
    """2 us of 0.5 V through a source that gives no more than `limit` to the electrons: R_on = V_C/I_c, some 20 mV.

    The script's gaps are 5e-6 to 1.3e-5 off (the tolerance of its solver); the time goes as exp(-x/0.05 nm).
    """
    device = DEEP.replace(r_s=10.0)

    def volts(x):
        g = np.asarray(jax.vmap(lambda u: device.tunnelling(Ecm.State(log_x=jnp.log(u))))(jnp.asarray(x)))
        across = np.minimum(0.5, limit / g)
        v = across
        for _ in range(4):
            node = many(device, jnp.asarray(x), jnp.asarray(v))
            v = v + across - np.asarray(node.gap)
        return v

    bend = brentq(lambda x: 0.5 * float(CELL.tunnelling(gap(x))) - limit, 0.1, 1.0)
    seconds = time_between(1.0, bend, volts, device) + time_between(bend, nm, volts, device)
    assert seconds == pytest.approx(2e-6, rel=1e-4)
    assert 1 / float(CELL.tunnelling(gap(nm))) == pytest.approx(ohms, rel=2e-6)
    assert ohms * limit == pytest.approx(0.0207, rel=0.06)


def test_simulated_sweep_sets_and_resets():
    wave = triangle(*CELL.sweep)
    ts = np.linspace(0.0, float(CELL.sweep.period), 101)
    record = nj.simulate(CELL, wave, ts=ts, env=ENV)
    t, y = integrate(CELL, ramp(*zip(wave.t, wave.v, strict=True)), tuple(np.asarray(wave.t)), env=ENV, rtol=1e-7)
    away = np.abs(np.asarray(record.x.log_x) - np.interp(ts, t, y[:, 0]))
    assert np.sort(away)[-5] < 2e-3
    i, v = np.asarray(record.i), np.asarray(record.v)
    quarter = len(ts) // 4
    rising, falling = i[:quarter], i[quarter : 2 * quarter]
    # Off and on at 0.1 V; on, R_s alone is left of the voltage.
    off, on = np.interp(0.1, v[:quarter], rising), np.interp(-0.1, -v[quarter : 2 * quarter], falling)
    assert off < 2e-11 and on == pytest.approx(1e-7, rel=0.01)
    nm = np.exp(np.asarray(record.x.log_x))
    assert nm[2 * quarter] < 0.2 and nm[-1] > 25
