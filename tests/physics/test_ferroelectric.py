"""Ferroelectric capacitors against independent reference numbers and the closed forms of their material laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate, ramp
from scipy.special import ndtri

import neurojax as nj
from physics.device import Environment
from physics.ferroelectric import (
    FerroCapacitor,
    Preisach,
    minor_branch,
    normal_quantiles,
    play_path,
    relaxed,
    saturated_branch,
    switching_rate,
)

ENV = Environment()
# All of the voltage on the ferroelectric, and as many classes as the reference.
FINE = FerroCapacitor(domains=401, t_il=0.0)
MANY = Preisach(hysterons=201)
JIANG = 0.25, 0.20, 1.0
PULSES = np.arange(0.7, 2.25, 0.1)


def array(value):
    return jnp.asarray(value, dtype=float)


@jax.jit
def share_up(v_fe, duration):
    """<f> of a capacitor poled down after a voltage on the ferroelectric."""
    x = FINE.after(FINE.init(ENV), v_fe, duration)
    return jnp.mean(jnp.stack(x.f))


def test_quantiles():
    middles = (np.arange(401) + 0.5) / 401
    np.testing.assert_allclose(normal_quantiles(401), ndtri(middles), rtol=1e-12, atol=1e-15)


def test_switching_time_of_the_mean_activation_field():
    fields = array([1e8, 2e8, 2.875e8, 4e8])
    found = 1 / switching_rate(fields, array(2.875e8), array(1.9e-8), array(3.0))
    np.testing.assert_allclose(found, [397.361, 3.70516e-7, 5.16474e-8, 2.75429e-8], rtol=2e-6)
    merz = switching_rate(fields, array(2.875e8), array(1.9e-8), array(1.0))
    np.testing.assert_allclose(merz, np.exp(-2.875e8 / np.asarray(fields)) / 1.9e-8, rtol=1e-8)


@pytest.mark.parametrize(
    ("v_fe", "expected"),
    [
        (1.2, [0.00743509, 0.0573443, 0.225177, 0.470128, 0.68789, 0.834942]),
        (1.6, [0.0469773, 0.309593, 0.758097, 0.952343, 0.99299, 0.999343]),
        (2.0, [0.120494, 0.639614, 0.978616, 0.999726, 1.0, 1.0]),
    ],
)
def test_nucleation_limited_switching(v_fe, expected):
    found = [float(share_up(array(v_fe), array(t))) for t in 10.0 ** np.arange(-8, -2)]
    np.testing.assert_allclose(found, expected, rtol=2e-6)


def decades(v_fe):
    """log10 of the time from 10 % to 90 %, by bisection on the exact update."""

    def reaches(level):
        low, high = -10.0, 4.0
        for _ in range(60):
            middle = 0.5 * (low + high)
            low, high = (low, middle) if float(share_up(array(v_fe), array(10.0**middle))) > level else (middle, high)
        return low

    return reaches(0.9) - reaches(0.1)


@pytest.mark.parametrize(("v_fe", "width"), [(1.2, 4.369), (1.6, 2.214), (2.0, 1.619)])
def test_the_transition_is_wider_than_of_one_class(v_fe, width):
    alone = np.log10(np.log(10) / np.log(10 / 9))
    assert alone == pytest.approx(1.3395, abs=1e-4)
    assert decades(v_fe) == pytest.approx(width, abs=6e-4)


def test_pulses_add_up():
    """N pulses are one of N times the length, exactly; pulses that scale as tau do the same at any voltage."""
    cell, v = FerroCapacitor(), array(3.0)
    x = cell.init(ENV)
    for _ in range(10):
        x = cell.after(x, v, array(2e-8))
    np.testing.assert_allclose(x.f, cell.after(cell.init(ENV), v, array(2e-7)).f, rtol=1e-12)
    one = cell.replace(spread=0.05)
    share = one.field(v) / one.e_a
    time = lambda part: 0.3 * 1.9e-8 * np.exp(float(part) ** -3)  # noqa: E731
    middle = lambda volts, part: float(one.after(one.init(ENV), volts, array(time(part))).f[8])  # noqa: E731
    field = float(one.e_a) * (1 + 0.05 * normal_quantiles(16)[8])
    found = [middle(u, one.field(u) / field) for u in (v, 1.5 * v)]
    np.testing.assert_allclose(found, 1 - np.exp(-0.3), rtol=1e-7)
    assert 0 < float(share) < 1


def test_divider_and_capacity():
    cell = FerroCapacitor()
    assert float(cell.field(array(1.0)) * 8e-9) == pytest.approx(0.527027, rel=1e-6)
    slope = jax.grad(lambda v: cell.charge(cell.init(ENV), v, ENV))(array(1.0))
    assert 1e15 * float(slope) == pytest.approx(16.3324, rel=1e-5)
    assert float(cell.polarisation(cell.init(ENV))) == -0.25
    assert float(FINE.field(array(1.0))) == 1 / 8e-9


def test_trajectory_of_domains():
    """A pulse by SciPy and by simulate against the exact update; then the charge of the current."""
    cell, v = FerroCapacitor(domains=4), 3.0
    exact = np.asarray(cell.after(cell.init(ENV), array(v), array(1e-6)).f)
    _, y = integrate(cell, lambda t: v, (0.0, 1e-6), rtol=1e-10)
    np.testing.assert_allclose(y[-1], exact, rtol=1e-7)
    wave = nj.Waveform([0.0, 0.0, 1e-6], [0.0, v, v])
    record = nj.simulate(cell, wave, ts=[5e-7, 1e-6], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose([s[-1] for s in record.states.values()], exact, rtol=1e-7)
    assert list(record.states) == ["f.0", "f.1", "f.2", "f.3"]
    # At the end of the pulse the voltage is constant: the current is that of the domains and of the leak.
    rates = jnp.stack(cell.rate(jax.tree.map(lambda a: a[-1], record.x), array(v), ENV).f)
    expected = 1e-12 * (2 * 0.25 * float(rates.mean()) + v)
    assert float(record.i[-1]) == pytest.approx(expected, rel=1e-6)


def test_loop_of_domains():
    """Slower sweeps have a smaller coercive voltage; up and down are mirror images."""
    cell, widths = FerroCapacitor(domains=8), []
    for period in (1e-5, 1e-2):
        wave = nj.Waveform(np.asarray([0.0, 0.25, 0.75, 1.25]) * period, [0.0, -5.0, 5.0, -5.0])
        ts = np.linspace(0.25, 1.25, 801) * period
        p = np.asarray(jax.vmap(cell.polarisation)(nj.simulate(cell, wave, ts=ts).x))
        v = np.interp(ts, np.asarray(wave.t), np.asarray(wave.v))
        up, down = np.flatnonzero(p[:400] > 0)[0], 400 + np.flatnonzero(p[400:] < 0)[0]
        assert v[up] == pytest.approx(-v[down], abs=0.03)
        widths.append(v[up])
    assert widths[0] > 1.3 * widths[1] > 1


def test_play_major_loop():
    """Sweep -4, 4, -4 V."""
    found = 100 * np.asarray(MANY.path(array([-4.0, 0.0, 4.0, 0.0, -4.0, 0.0])))
    np.testing.assert_allclose(found[[1, 3, 5]], [-24.8826, 24.8826, -24.8826], rtol=2e-6)
    ascending = array(np.concatenate([[-4.0], np.linspace(-4, 4, 8001)]))
    p = np.asarray(MANY.path(ascending))
    at = np.flatnonzero(p > 0)[0]
    crossing = np.interp(0.0, p[at - 1 : at + 1], np.asarray(ascending)[at - 1 : at + 1])
    assert crossing == pytest.approx(1.0, abs=1e-6)


def test_play_pulses():
    expected = [-16.7347, -12.2394, -6.54084, -0.0978463, 6.34597, 12.0471, 16.5468, 19.7608, 21.875, 23.1784]
    expected += [23.9439, 24.3801, 24.6279, 24.7659, 24.8345, 24.8641]
    path = np.stack([PULSES, np.zeros(16)], axis=1).ravel()
    found = 100 * np.asarray(MANY.path(array(np.concatenate([[-4.0, 0.0], path]))))
    np.testing.assert_allclose(found[3::2], expected, rtol=4e-6)


def test_play_memory():
    """A minor loop closes, a larger one wipes it out, and its height depends on its ends alone (congruency)."""
    path = lambda *v: np.asarray(MANY.path(array([-4.0, *v])))  # noqa: E731
    closed = path(1.3, 0.2, 1.3)
    assert closed[3] == closed[1]
    np.testing.assert_array_equal(path(1.3, 0.2, 1.0, 0.5, 1.5)[-1], path(1.5)[-1])
    # Of the play values, not of P, as hysterons are rounded.
    plays = lambda *v: np.asarray(play_path(array([-4.0, *v]), -MANY.thresholds(), MANY.thresholds())[1])  # noqa: E731
    first, second = plays(1.3, 0.2, 0.9), plays(2.0, 0.2, 0.9)
    np.testing.assert_allclose(first[3] - first[2], second[3] - second[2], atol=1e-12)
    assert np.abs(first[3] - second[3]).max() > 0.1


def test_play_operators_that_relax_follow_slow_sweeps():
    """SciPy and simulate against the exact path; the lag is tau times the slope of the sweep."""
    cell = Preisach(hysterons=5, tau=1e-7)
    knots = ((0.0, 0.0), (1e-3, 1.4), (2e-3, -0.3), (3e-3, 2.0), (4e-3, 0.0))
    exact = np.asarray(cell.path(array([v for _, v in knots])))
    _, y = integrate(cell, ramp(*knots), tuple(t for t, _ in knots), rtol=1e-8, atol=1e-10, method="LSODA")
    assert float(cell.polarisation(jnp.asarray(y[-1]))) == pytest.approx(exact[-1], rel=2e-3)
    record = nj.simulate(cell, nj.Waveform(*zip(*knots, strict=True)), ts=[t for t, _ in knots[1:]])
    p = jax.vmap(lambda x: cell.polarisation(jnp.stack(x.p)))(record.x)
    np.testing.assert_allclose(p, exact[1:], atol=1e-3 * 0.25)
    np.testing.assert_allclose(jnp.stack(record.x.p)[:, -1], y[-1], atol=1e-5)


@jax.jit
def branch(v, last, enclosing, up):
    return minor_branch(v, last, enclosing, up, *map(array, JIANG))


def jiang(volts):
    """Polarisations along a path of voltages of a capacitor poled down, by a stack of turning points."""
    point = lambda v, p: (array(v), array(p))  # noqa: E731
    turns, now, before = [point(100.0, 0.25), point(-100.0, -0.25)], point(-100.0, -0.25), 1.0
    found = []
    for v in volts:
        up = 1.0 if v > float(now[0]) else -1.0
        if up != before:
            turns.append(now)
        while len(turns) > 3 and up * (v - float(turns[-2][0])) >= 0:
            turns = turns[:-2]
        now, before = (array(v), branch(array(v), turns[-1], turns[-2], array(up))), up
        found.append(float(now[1]))
    return np.asarray(found)


def test_saturated_branch():
    """Miller's: P_r at no voltage, V_c where P = 0, slopes of both branches alike."""
    p_s, p_r, v_c = map(array, JIANG)
    for up in (1.0, -1.0):
        assert float(saturated_branch(array(0.0), array(up), p_s, p_r, v_c)) == pytest.approx(-up * 0.2, rel=1e-12)
        assert abs(float(saturated_branch(array(up), array(up), p_s, p_r, v_c))) < 1e-12
    far = [float(saturated_branch(array(9.0 * up), array(up), p_s, p_r, v_c)) for up in (1.0, -1.0)]
    np.testing.assert_allclose(far, [0.25, -0.25], rtol=1e-6)


def test_minor_branch_of_two_equal_turning_points():
    at = array(0.3), array(0.1)
    found = jax.value_and_grad(minor_branch)(array(0.3), at, at, array(1.0), *map(array, JIANG))
    assert float(found[0]) == 0.1
    assert np.isfinite(float(found[1]))


def test_jiang_loop_and_pulses():
    found = 100 * jiang([4.0, 1.0, 0.0, -4.0, 0.0, 1.0, 4.0])
    np.testing.assert_allclose(found[[0, 2, 4]], [24.9315, 19.9391, -19.9392], rtol=3e-6)
    # Straight lines of a sweep of 8001 points tell the coercive voltage to 1e-6 V.
    ascending = np.linspace(0.99, 1.01, 401)
    p = jiang([4.0, -4.0, *ascending])[2:]
    assert np.interp(0.0, p, ascending) == pytest.approx(0.998770, abs=1e-6)
    assert 100 * jiang([1.2, 0.0])[-1] == pytest.approx(2.58341, rel=2e-6)
    path = np.stack([PULSES, np.zeros(16)], axis=1).ravel()
    expected = [-9.29215, -7.02786, -4.65381, -2.22222, 0.209364, 2.58341, 4.8477, 6.95965]
    expected += [8.88889, 10.618, 12.1414, 13.4636, 14.5962, 15.5556, 16.3605, 17.0304]
    np.testing.assert_allclose(100 * jiang(path)[1::2], expected, rtol=3e-6)


def test_jiang_memory():
    """A minor loop closes, and a larger one wipes it out."""
    closed = jiang([1.3, 0.2, 0.9, 0.2, 1.3])
    np.testing.assert_allclose(closed[[3, 4]], closed[[1, 0]], atol=1e-15)
    np.testing.assert_allclose(jiang([1.3, 0.2, 1.0, 0.5, 1.5])[-1], jiang([1.5])[-1], rtol=1e-12)


def test_exact_relaxation():
    found = relaxed(array(0.2), array(0.9), array(3.0), array(0.5))
    assert float(found) == pytest.approx(0.9 - 0.7 * np.exp(-1.5), rel=1e-14)
