"""Charge, and the time at which something is crossed: closed forms, derivatives, what never happens, wrong names."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurojax as nj
import physics
from neurojax.record import crossing

COIL = physics.Inductor(resistance=50.0, inductance=1e-9)
"""1 V gives i = 20 mA (1 - exp(-t / 20 ps))."""
INDUCTANCES, LEVELS = jnp.asarray([1e-9, 1e-9, 2e-9, 0.0]), jnp.asarray([3e-3, 19.9e-3, 21e-3, 3e-3])
"""The third never reaches its level, the rate of the last is not finite."""
FEW = np.linspace(0, 1e-9, 3)


def when(inductances, levels, *, name="current", **options):
    coils, given = physics.with_values(COIL, {"inductance": inductances}), dict(ts=FEW, throw=False) | options
    return nj.switching_time(coils, nj.constant(1.0, 1e-9), name, levels, rtol=3e-10, atol=3e-12, **given)


def exactly(inductance, level):
    return -inductance / 50 * jnp.log1p(-50 * level)


def test_charge_and_crossing_of_a_dense_record_of_one_and_of_every_port():
    record = nj.simulate(COIL, nj.constant(1.0, 1e-10), ts=np.linspace(0, 1e-10, 2001), rtol=1e-9, atol=1e-11)
    t = np.asarray(record.t)
    exact = 0.02 * (t - 20e-12 * (1 - np.exp(-t / 20e-12)))
    np.testing.assert_allclose(record.charge, exact, atol=1e-18)
    assert float(record.crossing_time("current", 3e-3)) == pytest.approx(float(exactly(1e-9, 3e-3)), rel=1e-5)
    with pytest.raises(KeyError, match="current"):
        record.crossing_time("w", 0.3)
    ports = eqx.tree_at(lambda r: r.i, record, jnp.stack([record.i, -record.i], axis=1))
    np.testing.assert_allclose(ports.charge, np.stack([exact, -exact], axis=1), atol=1e-18)


def test_charge_of_a_population():
    both = nj.simulate(physics.Resistor(resistance=jnp.asarray([1e3, 2e3])), nj.constant(1.0, 2.0))
    np.testing.assert_allclose(both.charge[:, -1], [2e-3, 1e-3], rtol=1e-12)
    np.testing.assert_allclose(both.member(1).charge[-1], 1e-3, rtol=1e-12)


@pytest.fixture(scope="module")
def reverse():
    """Times of a population, with the gradient of the sum of the first two, from three samples a member."""

    def total(inductances, levels):
        times = when(inductances, levels)
        return jnp.sum(times[:2]), times

    (_, times), slopes = jax.value_and_grad(total, argnums=(0, 1), has_aux=True)(INDUCTANCES, LEVELS)
    return np.asarray(times), slopes


def closed_form():
    """Times of the first two and their derivatives to inductance and level."""
    at = INDUCTANCES[:2], LEVELS[:2]
    return exactly(*at), jax.vmap(jax.grad(exactly, argnums=(0, 1)))(*at)


@pytest.mark.slow
def test_a_population_in_closed_form_with_a_time_and_a_level_for_each_member(reverse):
    """Nothing between the samples says when; one that never switches says inf, one that fails nan, and both no more."""
    times, slopes = reverse
    exact, moves = closed_form()
    np.testing.assert_allclose(times[:2], exact, rtol=2e-9)
    assert np.isinf(times[2])
    assert np.isnan(times[3])
    for slope, move in zip(slopes, moves, strict=True):
        np.testing.assert_allclose(slope[:2], move, rtol=1e-6)
        assert (np.asarray(slope[2:]) == 0).all()


def test_forward_mode_is_reverse_mode(reverse):
    ahead = lambda *a: when(*a, gradient="forward")  # noqa: E731
    times, moved = jax.jvp(ahead, (INDUCTANCES, LEVELS), (INDUCTANCES, 0.1 * LEVELS))
    np.testing.assert_allclose(times, reverse[0], rtol=1e-12)
    by_inductance, by_level = reverse[1]
    np.testing.assert_allclose(moved[:2], (INDUCTANCES * by_inductance + 0.1 * LEVELS * by_level)[:2], rtol=1e-10)


def test_a_state_that_follows_the_voltage_moves_as_fast_as_that():
    """A ramp of a second on a coil of 20 ps: the rate is an error of the solver times 5e10, the slope is 1/R V/s."""
    ramp, ts = nj.Waveform([0.0, 1.0], [0.0, 1.0]), np.linspace(0, 1, 5)
    time = lambda level: nj.switching_time(COIL, ramp, "current", level, ts=ts)  # noqa: E731
    assert float(jax.grad(time)(jnp.asarray(0.01))) == pytest.approx(50.0, rel=1e-6)


def test_few_samples_do_not_tell_when():
    """A time and a derivative that a straight line between samples gets wrong; `reverse` had no more of them."""
    t, (exact, moves) = jnp.linspace(0, 1e-9, 3), closed_form()

    def on_the_samples(inductance):
        return crossing(t, 20e-3 * -jnp.expm1(-50 * t / inductance), LEVELS[1])

    rough, slope = jax.value_and_grad(on_the_samples)(INDUCTANCES[1])
    assert float(rough) == pytest.approx(0.5e-9 * float(LEVELS[1]) / 20e-3, rel=1e-6)
    assert float(rough) > 4 * float(exact[1])
    assert abs(float(slope)) < 1e-3 * float(moves[0][1])


def test_a_current_that_jumps_over_a_level_moves_with_its_knot_only():
    def time(resistance, knot):
        wave = nj.Waveform(jnp.stack([0.0, knot, knot, 2.0]), jnp.asarray([0.0, 0.1, 1.0, 1.0]))
        device = physics.with_values(physics.Resistor(), {"resistance": resistance})
        return nj.switching_time(device, wave, "current", 5e-4, ts=[0.0, 0.7, 1.4, 2.0])

    value, slopes = jax.value_and_grad(time, argnums=(0, 1))(jnp.asarray(1e3), jnp.asarray(1.0))
    assert float(value) == 1.0
    assert [float(s) for s in slopes] == [0.0, 1.0]


def test_where_the_solver_gives_up_it_says_so():
    with pytest.raises(nj.SimulationError, match="member 3"):
        when(INDUCTANCES, LEVELS, throw=True)


def test_a_wrong_name_is_told():
    with pytest.raises(KeyError, match=r"'currant'.*Did you mean 'current'"):
        when(INDUCTANCES, LEVELS, name="currant")


def test_single_precision():
    coil, wave = jax.tree.map(lambda a: a.astype(jnp.float32), (COIL, nj.constant(1.0, 1e-9)))
    low = nj.switching_time(coil, wave, "current", 3e-3, rtol=1e-5, atol=1e-6)
    assert low.dtype == jnp.float32
    assert float(low) == pytest.approx(float(exactly(1e-9, 3e-3)), rel=1e-4)
