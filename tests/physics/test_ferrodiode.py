"""FerroDiode against closed forms, SciPy, and a measured double sweep of 10 nm AlScN (skipped without the data)."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

import neurojax as nj
from physics import constants
from physics.device import Environment
from physics.ferrodiode import FerroDiode
from physics.quantity import parameters, with_values

ENV = Environment()
CELL = FerroDiode()
KT = constants.K_B * 300 / constants.Q
PER_VOLT = 1 / (10e-9 + 4e-9)
"""E/V in the ferroelectric, 1/m: both layers have the same permittivity."""
QUARTERS = (0, 38, 76, 114, 152)
"""Samples at which the measured sweep turns or passes zero."""
TIMES = 0.1 * np.arange(153)
SWEEP = nj.Waveform(TIMES[list(QUARTERS)], [0.0, -9.5, 0.0, 9.5, 0.0])
"""The file has no times; 0.1 s a sample, as the defaults were fitted."""
FITTED = ("phi_p", "phi_n", "dphi", "eps_opt", "e_a", "f_init")


def array(value):
    return jnp.asarray(value, dtype=float)


def current(f, v, device=CELL, kelvin=300.0):
    return float(device.current(FerroDiode.State(f=array(f)), array(v), Environment(temperature=array(kelvin))))


def rate(f, v, device=CELL):
    return float(device.rate(FerroDiode.State(f=array(f)), array(v), ENV).f)


def lowering(v):
    return np.sqrt(constants.Q * abs(v) * PER_VOLT / (4 * np.pi * constants.EPS_0 * 3.78))


@pytest.mark.parametrize("v", [1.0, 4.0, 9.5])
def test_emission_over_two_barriers(v):
    """A A* T^2 of 3.39 mA over a barrier that is higher by dphi for the domains against the voltage."""
    most = 3.142e-14 * 1.2e6 * 300**2
    for sign, phi, along in ((1, 0.787, 0.3), (-1, 0.91, 0.7)):
        expected = most * np.exp(-(phi - lowering(v)) / KT) * (along + (1 - along) * np.exp(-0.12 / KT))
        assert current(0.3, sign * v) == pytest.approx(sign * expected, rel=1e-3)


def test_schottky_plot():
    """ln i over sqrt|V| is a line at a fixed polarisation; its slope is what the image force makes of eps_opt."""
    slope = np.sqrt(constants.Q * PER_VOLT / (4 * np.pi * constants.EPS_0 * 3.78)) / KT
    for f, sign in ((1.0, 1), (0.2, 1), (0.0, -1)):
        plot = np.log([abs(current(f, sign * v)) for v in (1.0, 2.25, 4.0, 9.0)])
        np.testing.assert_allclose(np.diff(plot) / 0.5, slope * np.asarray([1.0, 1.0, 2.0]), rtol=1e-4)


def test_barrier_from_a_richardson_plot():
    """ln(i/T^2) over 1/kT has the slope -(phi - s)."""
    kelvin = np.asarray([280.0, 320.0])
    plot = np.log([current(1.0, 4.0, kelvin=t) / t**2 for t in kelvin])
    over = constants.Q / constants.K_B / kelvin
    assert (plot[1] - plot[0]) / (over[1] - over[0]) == pytest.approx(-(0.787 - lowering(4.0)), rel=1e-4)


def test_polarisation_turns_the_diode():
    """Poled up it conducts for V > 0, poled down for V < 0, and the other way the less; nothing flows without V."""
    device = CELL.replace(phi_n=0.787)
    assert current(1.0, 3.0, device) == pytest.approx(-current(0.0, -3.0, device), rel=1e-12)
    assert current(1.0, 3.0, device) / -current(1.0, -3.0, device) == pytest.approx(np.exp(0.12 / KT), rel=1e-9)
    assert current(0.4, 0.0) == 0 and rate(0.4, 0.0) == 0


def test_merz_law():
    """ln of the rate over 1/|V| has the slope -E_a t; a constant voltage switches exponentially."""
    for v, f in ((5.0, 0.2), (9.5, 0.9)):
        pace = np.exp(-1.125e10 / (v * PER_VOLT)) / 1e-8
        assert rate(f, v) == pytest.approx((1 - f) * pace, rel=1e-5)
        assert rate(f, -v) == pytest.approx(-f * pace, rel=1e-5)
    tau = 1e-8 * np.exp(1.125e10 / (8.0 * PER_VOLT))
    later = CELL.after(FerroDiode.State(f=array(0.1)), array(8.0), array(2 * tau))
    assert float(later.f) == pytest.approx(1 - 0.9 * np.exp(-2), rel=1e-5)
    # Nothing moves at 3 V for years; at the ends of the sweep within a sample or two.
    assert 1e-8 * np.exp(1.125e10 / (3.0 * PER_VOLT)) > 1e7 and 0.05 < 1e-8 * np.exp(1.125e10 / (9.5 * PER_VOLT)) < 0.5


def simulate(numbers):
    """Current (A) at all samples of the sweep, of a device with some numbers; with the state."""
    device = with_values(CELL, dict(zip(FITTED, numbers, strict=True)))
    record = nj.simulate(device, SWEEP, ts=jnp.asarray(TIMES), gradient="forward", progress=False)
    return record.i, (record.i, record.x.f)


slopes = jax.jit(jax.jacfwd(simulate, has_aux=True))
DEFAULTS = np.asarray([float(parameters(CELL)[n].value) for n in FITTED])


def found(numbers):
    """Current (A) at all samples."""
    return np.asarray(slopes(jnp.asarray(numbers))[1][0])


def test_simulated_switching_is_that_of_scipy():
    """The state equation with its numbers written out."""

    def motion(t, f):
        v = np.interp(t, TIMES[list(QUARTERS)], [0.0, -9.5, 0.0, 9.5, 0.0])
        return ((v > 0) - f) * np.exp(-1.125e10 / (max(abs(v), 1e-3) * PER_VOLT)) / 1e-8

    f = solve_ivp(motion, (0.0, TIMES[-1]), [0.816], "LSODA", TIMES, rtol=1e-10, atol=1e-12, max_step=0.05).y[0]
    np.testing.assert_allclose(slopes(DEFAULTS)[1][1], f, atol=2e-5)
    assert f.max() > 0.9 and f.min() < 0.2


def test_gradient_of_a_sweep():
    """Of ln i against central differences: at the ends of the sweep and half-way back, where the past tells."""
    at = np.asarray([33, 38, 50, 105, 114, 130])
    jac, (i, _) = slopes(DEFAULTS)
    for k, value in enumerate(DEFAULTS):
        step = np.zeros(len(DEFAULTS))
        step[k] = 1e-3 * value
        up, down = (np.log(np.abs(found(DEFAULTS + s * step)[at])) for s in (1, -1))
        expected = (up - down) / (2 * step[k])
        np.testing.assert_allclose(np.asarray(jac[at, k] / i[at]), expected, rtol=2e-3, atol=2e-4 / value)


def test_slopes_are_finite():
    """At the corner V = 0 of |V| and of sqrt|V|, and where no barrier is left; the current rises with V."""

    def both(f, v):
        x = FerroDiode.State(f=f)
        return jnp.stack([CELL.current(x, v, ENV), CELL.rate(x, v, ENV).f])

    f, v = jnp.meshgrid(array([0.0, 0.5, 1.0]), array([-50.0, -1e-3, 0.0, 1e-3, 50.0]))
    by_f, by_v = jax.jit(jax.vmap(jax.jacfwd(both, (0, 1))))(f.ravel(), v.ravel())
    assert np.isfinite(by_f).all() and np.isfinite(by_v).all() and np.all(np.asarray(by_v)[:, 0] > 0)


@pytest.fixture
def measured(shared_data):
    """Current (A, turned, as it opposes the voltage in the file), which is above 0.5 pA, and that of another model."""
    file = shared_data / "ferrodiode_alscn/dc_iv_10nm_alscn_4nm_hfox.csv"
    table = np.genfromtxt(file, delimiter=",", names=True)
    np.testing.assert_allclose(table["voltage_V"], np.asarray(jax.vmap(SWEEP)(jnp.asarray(TIMES))), atol=1e-9)
    i = -table["current_A"]
    return i, np.abs(i) > 0.5e-12, table["repo_model_current_A"]


def decades(i, expected):
    with np.errstate(divide="ignore"):
        return np.abs(np.log10(np.abs(i / expected)))


def test_measured_sweep(measured):
    """0.16 decades in one run through four quarters; the authors' model misses by 0.91, a film at rest by 0.42."""
    i, above, theirs = measured
    error = decades(found(DEFAULTS), np.where(above, i, 1.0))
    assert above.sum() == 104 and np.all(found(DEFAULTS)[above] * i[above] > 0)
    assert error[above].mean() < 0.17
    for a, b in pairwise(QUARTERS):
        inside = above & (np.arange(153) > a) & (np.arange(153) <= b)
        assert inside.sum() > 20 and error[inside].mean() < 0.3
    assert decades(theirs[above], i[above]).mean() > 0.9
    frozen = DEFAULTS.copy()
    frozen[FITTED.index("e_a")], frozen[FITTED.index("f_init")] = 3e10, 0.5
    assert decades(found(frozen)[above], i[above]).mean() > 0.4


def test_last_quarter_is_predicted(measured):
    """Fitted to 0, -9.5, 0, 9.5 V from a poor start; the way back to 0 V, five decades of current, is predicted."""
    i, above, _ = measured
    known = above & (np.arange(153) <= QUARTERS[3])
    last = above & ~known
    scale = np.asarray([0.1, 0.1, 0.1, 1.0, 1e9, 0.1])

    def misfit(y):
        return np.log10(found(y * scale)[known] / i[known])

    def jacobian(y):
        jac, (i, _) = slopes(y * scale)
        return np.asarray(jac)[known] / np.asarray(i)[known, None] / np.log(10) * scale

    start = np.asarray([0.7, 0.8, 0.2, 6.0, 8e9, 0.5]) / scale
    bounds = np.asarray([parameters(CELL)[n].bounds for n in FITTED]).T / scale
    fit = least_squares(misfit, start, jacobian, bounds, loss="soft_l1", f_scale=0.2)  # pyright: ignore[reportArgumentType]
    error = decades(found(fit.x * scale), np.where(above, i, 1.0))
    assert error[known].mean() < 0.25
    assert last.sum() == 30 and error[last].mean() < 0.15
