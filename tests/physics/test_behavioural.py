"""Vteam and Yakopcic against the published numbers of their reference implementations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate

from physics import Environment, Vteam, Yakopcic

ENV = Environment()
# The reference numbers are for the sharp threshold and no window.
SHARP = Vteam(gate=1e-4, window=0)


@pytest.mark.parametrize(("v", "rate"), [(0.5, 0.0120000), (-0.5, -33.7500)])
def test_vteam_rate(v, rate):
    found = SHARP.rate(Vteam.State(w=jnp.asarray(0.5)), jnp.asarray(v), ENV).w * 3e-9
    assert float(found) == pytest.approx(rate, rel=2e-7)


def test_vteam_sine():
    period = 2e-8
    times = tuple(period * f for f in (0, 0.25, 0.5))
    device = SHARP.replace(w_init=0.0)
    voltage = lambda t: float(np.sin(2 * np.pi * t / period))  # noqa: E731
    for stop, nm in ((2, 0.0770934), (3, 0.154187)):
        _, y = integrate(device, voltage, times[:stop])
        assert y[-1, 0] * 3 == pytest.approx(nm, abs=6e-7 if nm > 0.1 else 6e-8)


def test_vteam_sets_within_a_nanosecond_after_the_sine_turns():
    """1.005 ns, which was read off a grid of 1 ps."""
    period, device = 2e-8, SHARP.replace(w_init=0.154187 / 3)
    voltage = lambda t: float(-np.sin(2 * np.pi * t / period))  # noqa: E731
    t, _ = integrate(device, voltage, (0.0, period / 4), event=lambda y: y[0], max_step=period / 400)
    assert 1.004 < 1e9 * t[-1] <= 1.005


def test_vteam_resistance():
    state = Vteam.State(w=jnp.asarray(1.0))
    assert float(0.1 / Vteam().current(state, jnp.asarray(0.1), ENV)) == pytest.approx(1000)


@pytest.mark.parametrize(("v", "x", "rate"), [(0.3, 0.5, 412.5185), (-0.3, 0.3, -166.0089)])
def test_yakopcic_rate(v, x, rate):
    device = Yakopcic(knee=1e-9, gate=1e-9)
    found = device.rate(Yakopcic.State(x=jnp.asarray(x)), jnp.asarray(v), ENV).x
    assert float(found) == pytest.approx(rate, rel=2e-7)


def test_yakopcic_current():
    found = Yakopcic().current(Yakopcic.State(x=jnp.asarray(0.5)), jnp.asarray(0.3), ENV)
    assert float(found) == pytest.approx(1.275048e-3, rel=2e-7)


def test_yakopcic_sine():
    period = 1e-2
    fractions = (0, 0.125, 0.25, 0.5, 0.75, 1.0)
    device = Yakopcic(knee=1e-9, gate=1e-9)
    t, y = integrate(
        device,
        lambda t: float(0.45 * np.sin(2 * np.pi * t / period)),
        tuple(f * period for f in fractions),
        max_step=period / 500,
    )
    found = [y[np.argmin(np.abs(t - f * period)), 0] for f in fractions[1:]]
    np.testing.assert_allclose(found, [0.377416, 0.870871, 0.969737, 0.173065, 0.0929252], rtol=3e-6)


@pytest.mark.parametrize("device", [Vteam(), Yakopcic()], ids=["Vteam", "Yakopcic"])
def test_default_widths_stay_close_to_the_sharp_model(device):
    sharp = Vteam(gate=1e-4) if isinstance(device, Vteam) else Yakopcic(knee=1e-9, gate=1e-9)
    x = device.init(ENV)
    for v in (-0.4, 0.4):
        soft, hard = (jax.tree.leaves(d.rate(x, jnp.asarray(v), ENV))[0] for d in (device, sharp))
        assert float(soft) == pytest.approx(float(hard), rel=1e-4)
