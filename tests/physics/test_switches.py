"""Switch and selectors against closed forms, SciPy and a slow ramp."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate, ramp

import neurojax as nj
from physics.device import Environment
from physics.switches import Selector, Switch, ThresholdSelector

ENV = Environment()
CELL = ThresholdSelector()


def array(value):
    return jnp.asarray(value, dtype=float)


def test_switch_opens_and_closes():
    found = lambda control, v=0.3: np.asarray(Switch().current((), array([control, v]), ENV))  # noqa: E731
    assert found(1.0)[1] == pytest.approx(0.3 / 100, rel=1e-6) and found(1.0)[0] == 0.0
    assert found(0.0)[1] == pytest.approx(0.3 / 1e9, rel=1e-6)
    # Half way in the logarithm at the threshold, and evenly on both sides of it.
    assert found(0.5)[1] == pytest.approx(0.3 / np.sqrt(1e11), rel=1e-9)
    assert found(0.52)[1] * found(0.48)[1] == pytest.approx(found(0.5)[1] ** 2, rel=1e-9)
    assert found(0.7, -0.3)[1] == -found(0.7)[1]


def test_selector():
    cell = Selector()
    assert float(cell.current((), array(0.5), ENV)) == pytest.approx(1e-11 * np.sinh(5.0), rel=1e-12)
    assert float(cell.current((), array(-0.5), ENV)) == -float(cell.current((), array(0.5), ENV))
    ratio = float(cell.current((), array(1.2), ENV) / cell.current((), array(0.6), ENV))
    assert float(cell.half_select(array(1.2))) == pytest.approx(ratio, rel=1e-12)
    assert float(cell.conductance((), array(0.0), ENV)) == pytest.approx(1e-10, rel=1e-12)


def test_time_constants():
    """On as 1 - exp(-t/tau_on) far above v_th, off as exp(-t/tau_off) without a voltage."""
    _, y = integrate(CELL, lambda t: 1.0, (0.0, 1.5e-8), env=ENV)
    assert y[-1, 0] == pytest.approx(1 - np.exp(-1.5), rel=1e-6)
    # A half-open one at zero volts is below its hold by far.
    for start in (0.5, 1.0):
        _, y = integrate(CELL, lambda t: 0.0, (0.0, 2e-7), ThresholdSelector.State(x=array(start)), ENV)
        assert y[-1, 0] == pytest.approx(start * np.exp(-2.0), rel=1e-6)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_thresholds_of_a_slow_ramp(sign):
    """0, 1 V, 0 within 20 ms: on at v_th, off at v_hold, each within a few v_w."""
    up = ramp((0.0, 0.0), (1e-2, sign), (2e-2, 0.0))
    half = lambda y: y[0] - 0.5  # noqa: E731
    on, _ = integrate(CELL, up, (0.0, 1e-2), env=ENV, event=half, max_step=1e-5)
    assert sign * up(on[-1]) == pytest.approx(0.6, abs=0.06) and on[-1] < 1e-2
    full = ThresholdSelector.State(x=array(1.0))
    off, _ = integrate(CELL, up, (1e-2, 2e-2), full, ENV, event=half, max_step=1e-5)
    assert sign * up(off[-1]) == pytest.approx(0.2, abs=0.06) and off[-1] < 2e-2
    assert sign * (up(on[-1]) - up(off[-1])) > 0.3


def test_state_is_kept_between_hold_and_threshold():
    for start in (0.0, 1.0):
        _, y = integrate(CELL, lambda t: 0.4, (0.0, 1e-3), ThresholdSelector.State(x=array(start)), ENV)
        assert y[-1, 0] == pytest.approx(start, abs=1e-6)


def test_simulated_hysteresis_agrees_with_scipy():
    """A triangle of 100 us, simulated, with a selector that is slower than its defaults."""
    cell = CELL.replace(tau_on=1e-6, tau_off=1e-6, v_w=2e-2)
    record = nj.simulate(cell, nj.triangle(1.0, -1.0, 1e-4), rtol=1e-8, atol=1e-10, gradient="forward", progress=False)
    x, v = np.asarray(record.states["x"]), np.asarray(record.v)
    assert x[np.argmax(v)] > 0.99 and x[-1] < 0.01
    volts = ramp((0.0, 0.0), (2.5e-5, 1.0), (7.5e-5, -1.0), (1e-4, 0.0))
    _, y = integrate(cell, volts, (0.0, 2.5e-5, 7.5e-5), env=ENV)
    at = np.argmin(np.abs(np.asarray(record.t) - 7.5e-5))
    assert x[at] == pytest.approx(y[-1, 0], rel=1e-5)


def test_current_and_slopes():
    on = float(CELL.current(ThresholdSelector.State(x=array(1.0)), array(0.5), ENV))
    off = float(CELL.current(ThresholdSelector.State(x=array(0.0)), array(0.5), ENV))
    assert on == pytest.approx(0.5e-3, rel=1e-12) and off == pytest.approx(0.5e-10, rel=1e-12)
    slope = jax.grad(lambda v: CELL.rate(ThresholdSelector.State(x=array(0.3)), v, ENV).x)
    assert all(np.isfinite(float(slope(array(v)))) for v in (-1.0, 0.0, 0.4, 50.0))
