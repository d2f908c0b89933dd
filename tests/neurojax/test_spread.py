"""Populations: moments, bounds, correlations, reproducible draws, pathwise gradients; devices that are stuck."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurojax as nj
import physics
from physics import Environment, GapRram, Vteam
from physics.imperfect import Fluctuating, Stuck, Worn
from physics.quantity import parameters

KEY = jax.random.key(0)
N = 20_000


def test_moments_of_each_distribution():
    values = {"i_0": nj.LogNormal(0.2), "v_0": nj.Normal(0.05), "g_0": nj.Normal(1e-11, relative=False),
              "t_ox": nj.Uniform(1.1e-8, 1.3e-8)}  # fmt: skip
    many = nj.population(GapRram(), N, values, key=KEY)
    sigma = 3 / np.sqrt(N)
    logs = np.log(np.asarray(many.i_0) / 1e-3)
    # The bound of i_0 may cut a tail.
    assert np.median(np.asarray(many.v_0)) == pytest.approx(0.25, rel=0.05 * sigma * 1.3)
    assert np.std(np.asarray(many.v_0)) == pytest.approx(0.0125, rel=sigma)
    assert np.std(np.asarray(many.g_0)) == pytest.approx(1e-11, rel=sigma)
    assert np.mean(np.asarray(many.t_ox)) == pytest.approx(1.2e-8, rel=0.05 * sigma)
    assert np.isfinite(logs).all()
    assert many.velocity.ndim == 0


def test_draws_stay_within_the_bounds_and_keep_their_form():
    p = parameters(Vteam())["r_on"]
    wide = np.asarray(nj.population(Vteam(), N, {"r_on": nj.LogNormal(3.0)}, key=KEY).r_on)
    assert wide.min() >= p.bounds[0] and wide.max() <= p.bounds[1]
    # Cut, not clipped: no value is drawn twice.
    assert len(np.unique(wide)) > 0.999 * N


def test_correlation():
    values = {"r_on": nj.LogNormal(0.1), "r_off": nj.LogNormal(0.2)}
    many = nj.population(Vteam(), N, values, key=KEY, correlation={("r_on", "r_off"): 0.8})
    rho = np.corrcoef(np.log(np.asarray(many.r_on)), np.log(np.asarray(many.r_off)))[0, 1]
    assert rho == pytest.approx(0.8, abs=3 * (1 - 0.64) / np.sqrt(N))


def test_members_do_not_depend_on_the_size_of_the_population():
    few, many = (nj.population(Vteam(), n, 0.1, key=KEY) for n in (3, 50))
    np.testing.assert_array_equal(few.r_on, many.r_on[:3])


def test_measured_values_come_back():
    measured = np.random.default_rng(0).gamma(3.0, 30.0, 500) + 10
    drawn = np.asarray(nj.population(Vteam(), N, {"r_on": nj.Empirical(measured)}, key=KEY).r_on)
    for q in (0.1, 0.5, 0.9):
        assert np.quantile(drawn, q) == pytest.approx(np.quantile(measured, q), rel=0.03)


def test_gradients_are_pathwise():
    """d sd/d sigma of a log-normal spread, by the draws and by their closed form."""

    def spread(sigma):
        return jnp.std(nj.population(Vteam(), 500, {"r_on": nj.LogNormal(sigma)}, key=KEY).r_on)

    slope = float(jax.grad(spread)(jnp.asarray(0.1)))
    ends = [float(spread(jnp.asarray(0.1 + s))) for s in (1e-5, -1e-5)]
    assert slope == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: nj.population(Vteam(), 3, {"ron": nj.Normal(0.1)}, key=KEY), "Did you mean 'r_on'"),
        (lambda: nj.population(Vteam(), 3, -0.1, key=KEY), "must be positive"),
        (lambda: nj.population(Vteam(), 3, {"r_on": nj.Uniform(-2.0, -1.0)}, key=KEY), "outside the bounds"),
        (
            lambda: nj.population(Vteam(), 3, 0.1, key=KEY, correlation={("r_on", "r_off"): 1.5}),
            "no parameters can be correlated like this",
        ),
        (lambda: nj.population(Vteam(), 3, 0.1, key=KEY, correlation={("r_on", "x"): 0.5}), "which is not spread"),
        (lambda: nj.with_yield(Vteam(), 3, 0.9, 0.2, states=(None, None), key=KEY), "sum is at most 1"),
    ],
)
def test_wrong_calls(call, says):
    with pytest.raises(nj.DataError, match=says):
        call()


def test_stuck_devices_rest_whatever_is_done():
    device, states = Vteam(), tuple(Vteam.State(w=jnp.asarray(w)) for w in (1.0, 0.0))
    array = nj.with_yield(device, 2000, 0.05, 0.1, states=states, key=KEY)
    at = np.asarray(array.at)
    for value, part in ((1, 0.05), (-1, 0.1)):
        assert np.mean(at == value) == pytest.approx(part, abs=3 * np.sqrt(part / 2000))
    some = jnp.asarray([1.0, -1.0, 0.0])
    record = nj.simulate(Stuck(device, *states, at=some), nj.pulse(1.0, 1e-6))
    moved = np.ptp(np.asarray(record.x.w), axis=1)
    assert moved[0] == moved[1] == 0 and moved[2] > 0.5
    np.testing.assert_array_equal(record.x.w[:2, 0], [1.0, 0.0])


@pytest.mark.slow
def test_wear_slows_a_device_after_its_cycles():
    device = Worn(physics.Vteam(), ("w",), cycles=10.0)
    wave = nj.triangle(0.6, -0.6, 1e-6).repeat(30)
    record = nj.simulate(device, wave, rtol=1e-8, atol=1e-10)
    damage = np.asarray(record.x.damage)
    assert (np.diff(damage) >= -1e-9).all() and damage[-1] > 1
    w = np.asarray(record.x.device.w)
    early, late = record.t < 2e-6, record.t > 28e-6
    assert np.ptp(w[late]) < 0.7 * np.ptp(w[early])
    # Sum of |dw| over two cycles is the damage, by definition.
    assert damage[-1] == pytest.approx(np.sum(np.abs(np.diff(w))) / 20, rel=0.05)


def test_fluctuations_grow_with_the_way_and_not_with_its_division():
    device = Fluctuating(physics.Vteam(), sigma=0.05)
    # Far from both ends, where the speed does not depend on the state.
    wave, middle = nj.constant(0.3, 1e-7), physics.Vteam.State(w=jnp.asarray(0.4))
    keys = jax.random.split(KEY, 400)
    record = nj.simulate(device, wave, key=keys, ts=[0.0, 1e-7], dt=1e-9, x0=middle)
    mean = nj.simulate(device, wave, ts=[0.0, 1e-7], x0=middle)
    way = float(jnp.abs(mean.x.w[-1] - mean.x.w[0]))
    assert 0.05 < way < 0.9
    sd = float(jnp.std(record.x.w[:, -1]))
    assert sd == pytest.approx(0.05 * np.sqrt(way), rel=3 / np.sqrt(800) + 0.02)
    assert float(jnp.max(jnp.abs(device.diffusion(device.init(Environment()), jnp.asarray(0.0), Environment()).w))) < 1
