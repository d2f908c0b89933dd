"""The floating gate against the reference numbers, its closed form and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate
from scipy.optimize import brentq

import neurojax as nj
from physics import constants
from physics.conduction import ekv_channel
from physics.device import Environment
from physics.floating_gate import FloatingGate, fowler_nordheim, fowler_nordheim_constants

ENV = Environment()
CELL = FloatingGate()
V_D = 0.05
"""Drain voltage of the readings."""


def array(value):
    return jnp.asarray(value, dtype=float)


def state(shift):
    return FloatingGate.State(shift=array(shift))


@jax.jit
def after(shift, v_gate, duration, cell=CELL):
    return cell.after(FloatingGate.State(shift=shift), jnp.stack([v_gate, 0 * v_gate]), duration).shift


@jax.jit
def drain(shift, v_gate, v_drain, cell=CELL, env=ENV):
    return cell.current(FloatingGate.State(shift=shift), jnp.stack([v_gate, v_drain]), env)[1]


def conductances(shifts, v_read):
    return np.array([float(drain(array(s), array(v_read), array(V_D))) / V_D for s in shifts])


class Gated:
    """The cell under a gate voltage, the drain at `v_drain`; `integrate` sees it as a device of two terminals."""

    def __init__(self, cell=CELL, v_drain=0.0):
        self.cell, self.v_drain = cell, v_drain

    def init(self, env):
        return self.cell.init(env)

    def rate(self, x, v, env):
        return self.cell.rate(x, jnp.stack([v, array(self.v_drain)]), env)


@pytest.fixture(scope="module")
def cycle():
    """dV_T of the third cycle of 32 pulses of -14 V and 32 of +14 V, 10 us each."""
    shift, down, up = array(0.0), [], []
    for _ in range(3):
        down, up = [float(shift)], []
        for volts, out in ((-14.0, down), (14.0, up)):
            for _ in range(32):
                shift = after(shift, array(volts), array(1e-5))
                out.append(float(shift))
        up = [down[-1], *up]
    return np.array(down), np.array(up)


def test_tunnelling_current():
    a, b = fowler_nordheim_constants(CELL.barrier, CELL.mass)
    assert float(a) == pytest.approx(1.1469e-6, rel=5e-6) and float(b) == pytest.approx(253.4e8, rel=5e-5)
    found = [float(fowler_nordheim(array(e), CELL.barrier, CELL.mass)) for e in (0.8e9, 1.0e9, 1.2e9)]
    np.testing.assert_allclose(found, [0.0128465, 11.3237, 1113.29], rtol=4e-6)
    assert float(fowler_nordheim(array(-1e9), CELL.barrier, CELL.mass)) == -found[1]


def test_no_field_tunnels_nothing_and_has_a_slope():
    slope = jax.grad(lambda e: fowler_nordheim(e, CELL.barrier, CELL.mass))
    for e in (0.0, 1e3, -1e7, 2e8):
        assert np.isfinite(float(slope(array(e))))
    assert float(CELL.rate(state(0.0), array([0.0, 0.0]), ENV).shift) == 0.0


def test_charge_of_a_state():
    assert 1e18 * float(CELL.capacitance()) == pytest.approx(107.910, rel=5e-6)
    assert float(CELL.electrons(array(-0.1))) == pytest.approx(40.411, rel=2e-5)
    # Electrons come one by one: the square root of their number.
    assert float(CELL.shot_noise(array(0.1))) == pytest.approx(0.1 / np.sqrt(40.411), rel=2e-5)


@pytest.mark.parametrize(
    ("volts", "shifts"),
    [
        (14.0, (0.00640659, 0.420416, 2.289888)),
        (16.0, (0.153475, 2.085577, 4.286429)),
        (18.0, (1.094456, 4.063244, 6.286267)),
    ],
)
def test_single_pulses(volts, shifts):
    """To half a unit of the last digit, but for one, 1.094456 V, of which the closed form is 1.0944555 V."""
    times = (1e-6, 1e-4, 1e-2)
    found = [float(after(array(0.0), array(volts), array(t))) for t in times]
    digits = np.where(np.asarray(shifts) < 0.01, 5e-9, np.where(np.asarray(shifts) == 1.094456, 5.4e-7, 5e-7))
    assert np.all(np.abs(np.asarray(found) - np.asarray(shifts)) < digits)
    for t, closed in zip(times, found, strict=True):
        _, y = integrate(Gated(), lambda t: volts, (0.0, t), env=ENV, rtol=1e-10)
        assert y[-1, 0] == pytest.approx(closed, rel=1e-8)
    # Late, B/E grows by ln 10 a decade.
    fields = [float(CELL.field(state(after(array(0.0), array(volts), array(t))), array([volts, 0.0]))) for t in (1, 10)]
    assert 253.41182742e8 * (1 / fields[1] - 1 / fields[0]) == pytest.approx(np.log(10), rel=1e-4)


@pytest.mark.parametrize(("volts", "femtojoules"), [(14.0, 2.1), (16.0, 4.4)])
def test_energy_of_tunnelling(volts, femtojoules):
    """Charge through the oxide times the gate voltage, 10 ms long: the two energies beside Table 1, as we read it."""
    electrons = float(CELL.electrons(after(array(0.0), array(volts), array(1e-2))))
    assert abs(1e15 * electrons * constants.Q * volts) == pytest.approx(femtojoules, abs=0.05)


def test_closed_form_is_additive_odd_and_differentiable():
    half = after(after(array(0.3), array(-15.0), array(2e-5)), array(-15.0), array(3e-5))
    assert float(half) == pytest.approx(float(after(array(0.3), array(-15.0), array(5e-5))), rel=1e-12)
    assert float(after(array(-1.0), array(13.0), array(1e-4))) == -float(after(array(1.0), array(-13.0), array(1e-4)))
    assert float(after(array(0.7), array(14.0), array(0.0))) == 0.7
    by = jax.grad(after, (0, 1, 2))(array(0.2), array(14.0), array(1e-5))
    rate = CELL.rate(FloatingGate.State(shift=after(array(0.2), array(14.0), array(1e-5))), array([14.0, 0.0]), ENV)
    assert float(by[2]) == pytest.approx(float(rate.shift), rel=1e-9)
    assert float(by[0] + by[1]) == pytest.approx(1.0, rel=1e-9)  # both shift together
    assert all(np.isfinite(float(g)) for g in jax.grad(after, (0, 1, 2))(array(0.0), array(0.0), array(0.0)))


def test_ispp_steps_become_those_of_the_pulses():
    """12 V + 0.3 k, 10 us."""
    shift, path = array(0.0), [0.0]
    for k in range(30):
        shift = after(shift, array(12 + 0.3 * k), array(1e-5))
        path.append(float(shift))
    np.testing.assert_allclose(np.diff(path)[[5, 10, 20, 29]], [0.0227532, 0.169972, 0.298498, 0.299983], rtol=3e-6)
    assert path[-1] == pytest.approx(5.970156, rel=1e-7)


def test_identical_pulses(cycle):
    down, up = cycle
    np.testing.assert_allclose(down[[0, 1, 8, 32]], [0.740963, 0.539532, -0.0983131, -0.740984], rtol=1e-6)
    v_read = brentq(lambda v: np.divide(*conductances(down[[32, 0]], v)) - 50, 1.5, 2.0, xtol=1e-12)
    assert v_read == pytest.approx(1.784154, abs=5e-7)
    g_down, g_up = (1e6 * conductances(s, 1.784154) for s in (down, up))
    np.testing.assert_allclose(g_down[[0, 1, 8, 32]], [4.76844, 32.3787, 135.594, 238.422], rtol=4e-6)
    np.testing.assert_allclose(g_up[[0, 1, 8, 32]], [238.422, 206.192, 104.123, 4.76696], rtol=5e-6)
    # 33 states, 19 electrons each.
    assert float(CELL.electrons(array(np.ptp(down)))) / 32 == pytest.approx(18.7, abs=0.05)
    for g, label in ((g_down, 3.174), (g_up, 3.325)):
        share = (g - g[0]) / (g[-1] - g[0])
        assert 10.10152 * np.max(share - np.arange(33) / 32) == pytest.approx(label, abs=5e-4)


def test_subthreshold_slope_and_saturation():
    low, high = (float(drain(array(0.0), array(v), array(1.0))) for v in (0.2, 0.3))
    assert 1e2 / np.log10(high / low) == pytest.approx(83.338, abs=6e-4)
    exact = 1.4 * constants.K_B * 300 / constants.Q * np.log(10)
    assert 1e3 * exact == pytest.approx(83.337, abs=1e-3)
    deep = [float(drain(array(0.0), array(v), array(1.0))) for v in (-0.5, -0.4)]
    assert 0.1 / np.log10(deep[1] / deep[0]) == pytest.approx(exact, rel=1e-6)
    strong = float(drain(array(0.0), array(6.0), array(8.0)))
    assert strong == pytest.approx(160e-6 * 25 / 2.8, rel=1e-9)


def test_channel_is_exact_at_small_drain_voltages():
    """Where a difference of two logarithms would be rounding; and nothing at zero."""
    thermal = array(0.025)
    for pinch in (-1.0, 0.0, 2.0):
        assert float(ekv_channel(array(pinch), array(0.0), thermal)) == 0.0
        slope = jax.grad(ekv_channel, 1)(array(pinch), array(0.0), thermal)
        small = ekv_channel(array(pinch), array(1e-9), thermal)
        assert float(small) == pytest.approx(1e-9 * float(slope), rel=1e-7)
        for v in (-0.3, 0.0499, 0.0501, 0.8):
            plain = np.logaddexp(0, pinch / 0.05) ** 2 - np.logaddexp(0, (pinch - v) / 0.05) ** 2
            assert float(ekv_channel(array(pinch), array(v), thermal)) == pytest.approx(plain, rel=1e-9)


def test_hot_electrons_are_put_into_the_cell_that_conducts():
    hot = CELL.replace(v_hot=8.0)
    rates = {v: float(hot.rate(state(0.0), array(v), ENV).shift) for v in ((3.0, 5.0), (3.0, 0.1), (0.0, 5.0))}
    assert rates[3.0, 5.0] > 0 and rates[0.0, 5.0] < 1e-9 * rates[3.0, 5.0] > rates[3.0, 0.1]
    current = float(drain(array(0.0), array(3.0), array(5.0), hot))
    expected = current * np.exp((5.0 - 8.0) / 0.2) / (0.6 * float(hot.capacitance()))
    assert rates[3.0, 5.0] == pytest.approx(expected, rel=1e-6)
    # e times the injection every V_inj, and in proportion to the current: Diorio's form with a = 1.
    more = float(hot.rate(state(0.0), array([3.0, 5.2]), ENV).shift) / rates[3.0, 5.0]
    assert more == pytest.approx(np.e * float(drain(array(0.0), array(3.0), array(5.2), hot)) / current, rel=1e-6)
    # Without being asked for there is none.
    assert float(CELL.injection(state(0.0), array([3.0, 5.0]), ENV)) < 1e-50


def test_retention_is_told_in_decades():
    x, nothing = state(-2.0), array([0.0, 0.0])
    assert float(CELL.rate(x, nothing, ENV).shift) < 1e-40
    x = state(-9.0)
    told, rate = float(CELL.log10_rate(x, nothing)), float(CELL.rate(x, nothing, ENV).shift)
    assert told == pytest.approx(np.log10(rate), rel=1e-9)
    assert np.isfinite(float(jax.grad(lambda s: CELL.log10_rate(FloatingGate.State(shift=s), nothing))(array(-0.5))))


def test_simulation_meets_the_closed_form_and_tells_the_energy():
    """10 us of 14 V with edges of 10 ns, and back to zero."""
    knots = np.array([0.0, 1e-8, 1.001e-5, 1.002e-5, 2e-5])
    wave = nj.Waveform(knots, [[0.0, 0.0], [14.0, 0.0], [14.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    around = np.concatenate([knots[:-1] + 1e-14, knots[1:] - 1e-14, np.geomspace(1e-9, 1e-5, 400) + 1e-8])
    record = nj.simulate(CELL, wave, ts=np.unique([0.0, *around, 2e-5]), rtol=1e-9, atol=1e-11, progress=False)
    shift = float(record.states["shift"][-1])
    assert shift == pytest.approx(float(after(array(0.0), array(14.0), array(1e-5))), rel=2e-4)
    # What the gate was charged with comes back, but for its share of the charge that went through the oxide.
    through = 14.0 * 0.6 * float(CELL.electrons(array(shift))) * constants.Q
    assert float(record.energy[-1]) == pytest.approx(through, rel=1e-3)


def test_drain_couples_by_its_share():
    cell = CELL.replace(k_d=0.1)
    x, v = state(0.4), array([3.0, 1.5])
    moved = jax.jacfwd(lambda u: cell.charge(x, u, ENV))(v)
    np.testing.assert_allclose(moved, moved.T, rtol=1e-12)
    assert float(cell.field(x, v) * cell.t_ox) == pytest.approx(0.6 * 2.6 + 0.15, rel=1e-12)
