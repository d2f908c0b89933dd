"""Ovonic against the numbers of an independent SciPy script (which has no cap) and the closed form of its slope."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate
from scipy.optimize import brentq, minimize_scalar

import neurojax as nj
from neurojax.instrument import Instrument
from neurojax.waveform import triangle
from physics.device import Environment
from physics.implicit import solve_increasing
from physics.ovonic import Ovonic

ENV = Environment()
DEVICE = Ovonic()
FREE = Ovonic(g_on=1e-2)
"""The cap is out of reach of the reference points."""
R_S = 1e3
conductance = jax.jit(lambda device, v, kelvin: device.conductance_at(v, kelvin))


def array(value):
    return jnp.asarray(value, dtype=float)


def current(volts, kelvin, device=DEVICE):
    return volts * float(conductance(device, array(volts), array(kelvin)))


def static_voltage(kelvin, device=DEVICE):
    """V at which the heat keeps `kelvin`: V i R_th = T - T_amb."""
    excess = lambda v: v * current(v, kelvin, device) * 2e6 - (kelvin - 300)  # noqa: E731
    return brentq(excess, 1e-6, 5.0, xtol=1e-14)


@functools.cache
def threshold():
    """(V_th, T_th, I_th): the fold of V(T)."""
    top = minimize_scalar(
        lambda t: -static_voltage(t, FREE), bounds=(310, 500), method="bounded", options=dict(xatol=1e-7)
    )
    return -top.fun, top.x, current(-top.fun, top.x, FREE)


class BehindResistor:
    """The switch without its cap behind R_s; `integrate` sees a device under the voltage of the source."""

    def rate(self, x, v, env):
        def excess(u):
            return (u - v) / R_S + FREE.current(x, u, env)

        return FREE.rate(x, solve_increasing(excess, array(0.0), v + 1e-9), env)


def time_until(kelvin, volts, start):
    x = Ovonic.State(temperature=array(start / 300))
    found = integrate(BehindResistor(), lambda t: volts, (0.0, 1e-5), x, event=lambda y: y[0] - kelvin / 300)
    return found[0][-1]


def test_current():
    assert current(0.5, 300.0) == pytest.approx(1.897701e-7, rel=4e-7)
    assert current(1.0, 300.0) == pytest.approx(1.831984e-6, rel=4e-7)
    assert current(-1.0, 300.0) == -current(1.0, 300.0)


def test_subthreshold_slope():
    """ln(10) 2 kT u_a/(q dz) is 510.2 mV a decade, 507.77 with what the backward hops take between 0.5 and 1 V."""
    slope = 1e3 / np.log10(current(4.0, 300.0, FREE.replace(n_t=1e24)) / current(3.0, 300.0, FREE.replace(n_t=1e24)))
    assert slope == pytest.approx(510.2, abs=0.05)
    assert 500 / np.log10(current(1.0, 300.0) / current(0.5, 300.0)) == pytest.approx(507.77, abs=5e-3)


def test_threshold():
    volts, kelvin, amps = threshold()
    assert volts == pytest.approx(1.362003, abs=6e-7)
    # The script stopped at 395.5786 K and its current there; the maximum is flat, V the same to 1e-9.
    assert kelvin == pytest.approx(395.58, abs=0.02)
    assert amps == pytest.approx(3.50875e-5, rel=2e-4)
    assert static_voltage(395.5786, FREE) == pytest.approx(volts, abs=1e-8)
    assert current(static_voltage(395.5786, FREE), 395.5786, FREE) == pytest.approx(3.50875e-5, rel=2e-6)
    # The cap of the default moves it by less than a microvolt.
    assert static_voltage(kelvin) == pytest.approx(volts, abs=1e-6)


def hold(device=DEVICE):
    """(V_hold, T_hold, I_hold): the other fold."""
    fold = minimize_scalar(lambda t: static_voltage(t, device), bounds=(500, 2000), method="bounded")
    return fold.fun, fold.x, current(fold.fun, fold.x, device)


def test_cap_makes_a_holding_point():
    """V = sqrt(dT/(R_th G_on)) rises again where the conductance is G_on."""
    volts, kelvin, _ = hold()
    assert volts == pytest.approx(1.209, abs=2e-3) and 750 < kelvin < 850
    assert static_voltage(1500.0) > static_voltage(1500.0, FREE)
    low = DEVICE.replace(g_on=1e-4)
    assert static_voltage(1500.0, low) == pytest.approx(np.sqrt(1200 / 2e6 / 1e-4), rel=1e-3)
    # Without it the law has a fold of its own, far too hot: there exp(-E_a/kT) has nothing left to gain.
    volts, kelvin, _ = hold(FREE)
    assert volts == pytest.approx(1.128, abs=2e-3) and kelvin > 1200


@pytest.mark.parametrize(("over", "seconds"), [(1.05, 5.043576e-9), (1.2, 1.095556e-9), (1.5, 2.399387e-10)])
def test_delay(over, seconds):
    """To 450 K under a source of `over` V_th and R_s I_th."""
    volts, _, amps = threshold()
    assert time_until(450.0, over * volts + R_S * amps, 300.0) == pytest.approx(seconds, rel=2e-6)


def test_recovery():
    """To 320 K at 0.1 V, from where a source of 1.2 V_th and R_s I_th had held it."""
    volts, _, amps = threshold()
    source = 1.2 * volts + R_S * amps
    behind = lambda t: (v := static_voltage(t, FREE)) + R_S * (t - 300) / 2e6 / v  # noqa: E731
    on = brentq(lambda t: behind(t) - source, 500, 3000)
    assert on == pytest.approx(1508, abs=0.05)
    assert time_until(320.0, 0.1, on) == pytest.approx(4.107186e-9, rel=2e-6)


def test_delay_diverges_at_the_threshold():
    """Past a fold like 1/sqrt(dv): a hundred times closer takes ten times longer."""
    volts, kelvin, _ = threshold()
    warm = lambda dv: integrate(FREE, lambda t: volts + dv, (0.0, 1e-5), event=lambda y: y[0] - 1.5)[0][-1]  # noqa: E731
    assert warm(1e-6) / warm(1e-4) == pytest.approx(10, rel=0.05)
    still = float(FREE.rate(Ovonic.State(temperature=array(kelvin / 300)), array(volts), ENV).temperature)
    assert abs(still) < 1e3 < 1e-3 * abs(kelvin / 300 - 1) / 1e-9


def test_simulation_switches_and_lets_go():
    ohms = 100.0
    load = Instrument(series_resistance=ohms)
    wave = triangle(1.6, -1.6, 1e-3)
    record = nj.simulate(DEVICE, wave, instrument=load, ts=np.linspace(0, 1e-3, 2001))
    t, v, i = (np.asarray(a) for a in (record.t, record.v, record.i))
    volts, _, amps = threshold()
    low, _, most = hold()
    on = v[(t < 2.5e-4) & (i > 1e-4)].min()
    assert on == pytest.approx(volts + ohms * amps, abs=5e-3)
    off = v[(t > 2.5e-4) & (t < 5e-4) & (i > 1e-4)].min()
    assert off == pytest.approx(low + ohms * most, abs=0.02)
    # Volatile, and the same in the other polarity.
    assert np.abs(i[np.abs(v) < 0.1]).max() < 1e-7
    again = np.interp(t[t > 5e-4] - 5e-4, t, i)
    assert np.mean(np.abs(i[t > 5e-4] + again) > 1e-5) < 0.01
