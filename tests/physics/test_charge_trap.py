"""Charge traps against the reference numbers, and the SONOS statistics against their own polynomials."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate

import neurojax as nj
from physics import constants
from physics.charge_trap import ChargeTrap, sonos_drift, sonos_read_noise, sonos_spread
from physics.device import Environment
from physics.floating_gate import fowler_nordheim

ENV = Environment()
CELL = ChargeTrap()
DAY = 86400.0


def array(value):
    return jnp.asarray(value, dtype=float)


def state(f):
    return ChargeTrap.State(f=array(f))


class Gated:
    """The cell under a gate voltage; `integrate` sees it as a device of two terminals."""

    def __init__(self, cell=CELL):
        self.cell = cell

    def init(self, env):
        return self.cell.init(env)

    def rate(self, x, v, env):
        return self.cell.rate(x, jnp.stack([v, jnp.zeros_like(v)]), env)


@pytest.mark.parametrize(
    ("volts", "seconds", "share", "shift"),
    [(12.0, 1e-3, 0.0010164, 0.00270502), (14.0, 1e-3, 0.0951432, 0.253212), (14.0, 0.1, 0.609456, 1.62199)],
)
def test_programming(volts, seconds, share, shift):
    _, y = integrate(Gated(), lambda t: volts, (0.0, seconds), env=ENV)
    assert y[-1, 0] == pytest.approx(share, rel=2e-6)
    assert float(CELL.shift(state(y[-1, 0]))) == pytest.approx(shift, rel=2e-6)


def test_simulation_agrees_with_scipy_and_erases():
    wave = nj.Waveform(
        [0.0, 1e-6, 1e-2, 1.0001e-2, 2e-2, 2.0001e-2, 0.12], [[v, 0.1] for v in (0, 14, 14, 0, 0, -15, -15)]
    )
    record = nj.simulate(CELL, wave, ts=[0.0, 1e-2, 2e-2, 0.12], rtol=1e-9, atol=1e-11, progress=False)
    f = np.asarray(record.states["f"])
    _, y = integrate(Gated(), lambda t: 14.0 * min(t / 1e-6, 1.0), (0.0, 1e-6, 1e-2), env=ENV)
    assert f[1] == pytest.approx(y[-1, 0], rel=1e-6)
    assert f[2] == pytest.approx(f[1], rel=1e-4) and 0.0 < f[3] < 0.2 * f[2]


def test_traps_fill_and_empty_between_nothing_and_all():
    for volts, full in ((14.0, 1.0), (-14.0, 0.0)):
        assert float(CELL.rate(state(full), array([volts, 0.0]), ENV).f) == 0.0
    field = CELL.field(state(0.3), array([14.0, 0.0]))
    expected = fowler_nordheim(field, CELL.barrier, CELL.mass) * 0.7 / (constants.Q * 6e16)
    assert float(CELL.rate(state(0.3), array([14.0, 0.0]), ENV).f) == pytest.approx(float(expected), rel=1e-12)
    # No corner where the field turns: nothing tunnels there at all.
    shift = float(CELL.shift(state(0.3)))
    slopes = [
        jax.grad(lambda v: CELL.rate(state(0.3), jnp.stack([v, 0 * v]), ENV).f)(array(shift + d)) for d in (-1e-3, 1e-3)
    ]
    assert [float(s) for s in slopes] == [0.0, 0.0]


def test_gate_charge_is_that_of_the_stack():
    """V = E EOT + f k, and the charge of the gate is that above the traps."""
    x, v = state(0.4), array([9.0, 0.0])
    field = float(CELL.field(x, v))
    above = 3.9 * constants.EPS_0 * field + constants.Q * 6e16 * 0.4
    below = 3.9 * constants.EPS_0 * field
    drop = below * (4e-9 / 3.9 + 3e-9 / 7.5) / constants.EPS_0 + above * (3e-9 / 7.5 + 8e-9 / 3.9) / constants.EPS_0
    assert drop == pytest.approx(9.0, rel=1e-12)
    assert float(CELL.charge(x, v, ENV)[0]) == pytest.approx(1e-14 * above, rel=1e-12)


def test_the_channel_follows_the_traps():
    read = array([2.0, 0.05])
    empty, half = (float(CELL.current(state(f), read, ENV)[1]) for f in (0.0, 0.5))
    shifted = float(CELL.current(state(0.0), array([2.0 - 0.5 * 2.661375775, 0.05]), ENV)[1])
    assert half == pytest.approx(shifted, rel=1e-8) and half < 0.01 * empty


@pytest.mark.parametrize(
    ("day", "nanoamps"),
    [(0, (8.60846, 19.6738, 19.8844)), (1, (10.6057, 25.2373, 25.5861)), (5, (13.2311, 33.8494, 34.5637))],
)
def test_sonos_spread(day, nanoamps):
    found = sonos_spread(array([1e-7, 8e-7, 1.6e-6]), array(day * DAY))
    np.testing.assert_allclose(1e9 * found, nanoamps, rtol=5e-6)


@pytest.mark.parametrize(
    ("day", "nanoamps"),
    [(1, (1.73521, 0.615458, -3.82678, -11.5322)), (5, (4.11776, -1.46793, -15.1731, -40.6984))],
)
def test_sonos_drift(day, nanoamps):
    i = [1e-7, 4e-7, 8e-7, 1.6e-6]
    np.testing.assert_allclose(1e9 * sonos_drift(array(i), array(day * DAY)), nanoamps, rtol=4e-6)
    single = sonos_drift(jnp.asarray(i, jnp.float32), jnp.asarray(day * DAY, jnp.float32))
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(1e9 * np.asarray(single), nanoamps, rtol=2e-5)


def test_sonos_between_days_and_beyond():
    i = array([2e-7, 9e-7])
    for law in (sonos_spread, sonos_drift):
        at = lambda day, law=law: np.asarray(law(i, array(day * DAY)))  # noqa: E731
        if law is sonos_drift:
            np.testing.assert_allclose(at(0.25), 0.25 * at(1.0), rtol=1e-12)
            np.testing.assert_allclose(at(3.5), 0.5 * (at(3.0) + at(4.0)), rtol=1e-9)
            assert not at(0.0).any()
        np.testing.assert_array_equal(at(5.0), at(50.0))
    # a and b are interpolated, not the curve.
    half = 0.5 * (19.88665 + 25.59102) * (1 - np.exp(-200 / (0.5 * (176.3115 + 186.85544))))
    assert float(sonos_spread(i[0], array(0.5 * DAY))) == pytest.approx(1e-9 * half, rel=1e-9)
    assert float(sonos_drift(array(3e-6), array(DAY))) == pytest.approx(float(sonos_drift(array(1.8e-6), array(DAY))))
    assert np.isfinite(np.asarray(jax.vmap(jax.grad(sonos_drift, (0, 1)))(i, array([1e4, 3e5])))).all()


def test_sonos_read_noise():
    found = sonos_read_noise(array([0.0, 2.1536557e-7, 1.6e-6]))
    np.testing.assert_allclose(1e9 * found, 12.58037 * (1 - np.exp([0.0, -1.0, -1600 / 215.36557])), rtol=1e-12)
