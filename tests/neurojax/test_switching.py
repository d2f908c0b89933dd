"""Charge, and the time at which something is crossed: closed forms, derivatives, what never happens, wrong names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurojax as nj
import physics

COIL = physics.Inductor(resistance=50.0, inductance=1e-9)
"""1 V gives i = 20 mA (1 - exp(-t / 20 ps))."""
WAVE = nj.triangle(0.6, -0.6, 1e-6)


def when(inductance, level, gradient="reverse"):
    coil = physics.with_values(COIL, {"inductance": inductance})
    options = dict(rtol=1e-9, atol=1e-11, gradient=gradient)
    return nj.switching_time(coil, nj.constant(1.0, 1e-9), "current", level, **options)


def exactly(inductance, level):
    return -inductance / 50 * jnp.log1p(-50 * level)


def test_charge_of_one_and_of_a_population_and_of_every_port():
    record = nj.simulate(COIL, nj.constant(1.0, 1e-10), ts=np.linspace(0, 1e-10, 2001), rtol=1e-9, atol=1e-11)
    t = np.asarray(record.t)
    np.testing.assert_allclose(record.charge, 0.02 * (t - 20e-12 * (1 - np.exp(-t / 20e-12))), atol=1e-18)
    both = nj.simulate(physics.Resistor(resistance=jnp.asarray([1e3, 2e3])), nj.constant(1.0, 2.0))
    np.testing.assert_allclose(both.charge[:, -1], [2e-3, 1e-3], rtol=1e-12)
    np.testing.assert_allclose(both.member(1).charge[-1], 1e-3, rtol=1e-12)
    gate = nj.simulate(physics.Ecram(), nj.Waveform([0.0, 1e-3], [[0.5, 0.1], [0.5, 0.1]]))
    assert gate.charge.shape == gate.i.shape == (len(gate.t), 2)
    np.testing.assert_allclose(gate.charge[-1, 1], np.trapezoid(gate.i[:, 1], gate.t), rtol=1e-12)


def test_a_crossing_in_closed_form_with_both_gradients():
    at = jnp.asarray(1e-9), jnp.asarray(3e-3)
    assert float(when(*at)) == pytest.approx(float(exactly(*at)), rel=2e-9)
    exact = np.asarray(jax.grad(exactly, argnums=(0, 1))(*at))
    np.testing.assert_allclose(jax.grad(when, argnums=(0, 1))(*at), exact, rtol=1e-7)
    np.testing.assert_allclose(jax.jacfwd(lambda *a: when(*a, "forward"), argnums=(0, 1))(*at), exact, rtol=1e-7)


def test_a_switch_between_two_samples_moves_with_its_parameters():
    """Nothing between the samples of the record says when; a level and a derivative that a straight line gets wrong."""
    level, samples = 19.9e-3, np.linspace(0, 1e-9, 3)

    def on_the_samples(inductance):
        return nj.simulate(
            physics.with_values(COIL, {"inductance": inductance}), nj.constant(1.0, 1e-9), ts=samples
        ).crossing_time("current", level)

    inductance = jnp.asarray(1e-9)
    rough, slope = jax.value_and_grad(on_the_samples)(inductance)
    exact = float(exactly(inductance, level))
    assert float(rough) == pytest.approx(0.5e-9 * level / 20e-3, rel=1e-6)
    assert abs(float(slope)) < 1e-3 * exact / 1e-9
    found, sharp = jax.value_and_grad(lambda a: when(a, jnp.asarray(level)))(inductance)
    assert float(found) == pytest.approx(exact, rel=1e-6)
    assert float(sharp) == pytest.approx(exact / 1e-9, rel=1e-5)


def test_a_population_has_a_time_and_a_level_for_each_member():
    """Against the dense record; a member that never switches says inf, and its gradient is zero."""
    speeds, levels = jnp.asarray([-5.0, -20.0, -1e-3]), jnp.asarray([0.3, 0.4, 0.3])

    def times(speeds):
        device = physics.with_values(physics.Vteam(), {"k_on": speeds})
        return nj.switching_time(device, WAVE, "w", levels)

    found = np.asarray(times(speeds))
    device = physics.with_values(physics.Vteam(), {"k_on": speeds})
    dense = nj.simulate(device, WAVE, ts=np.linspace(0, 1e-6, 20001)).crossing_time("w", levels)
    np.testing.assert_allclose(found[:2], dense[:2], rtol=1e-6)
    assert np.isinf(found[2]) and np.isinf(dense[2])
    slope = np.asarray(jax.grad(lambda s: jnp.sum(times(s)[:2]))(speeds))
    assert (slope[:2] > 0).all() and slope[2] == 0


def test_a_current_that_jumps_over_a_level_moves_with_its_knot_only():
    def time(resistance, knot):
        wave = nj.Waveform(jnp.stack([0.0, knot, knot, 2.0]), jnp.asarray([0.0, 0.1, 1.0, 1.0]))
        device = physics.with_values(physics.Resistor(), {"resistance": resistance})
        return nj.switching_time(device, wave, "current", 5e-4, ts=[0.0, 0.7, 1.4, 2.0])

    value, slopes = jax.value_and_grad(time, argnums=(0, 1))(jnp.asarray(1e3), jnp.asarray(1.0))
    assert float(value) == 1.0
    assert [float(s) for s in slopes] == [0.0, 1.0]


def test_where_the_solver_gives_up_it_says_so():
    with pytest.raises(nj.SimulationError, match="max_steps"):
        nj.switching_time(physics.Vteam(), WAVE, "w", 0.3, max_steps=20)
    assert np.isnan(nj.switching_time(physics.Vteam(), WAVE, "w", 0.3, max_steps=20, throw=False))


def test_a_wrong_name_is_told():
    with pytest.raises(KeyError, match=r"'ww'.*Did you mean 'w'.*current"):
        nj.switching_time(physics.Vteam(), WAVE, "ww", 0.3)
    with pytest.raises(KeyError, match="current"):
        nj.simulate(physics.Resistor(), nj.constant(1.0, 1.0)).crossing_time("w", 0.3)


def test_single_precision():
    coil, wave = jax.tree.map(lambda a: a.astype(jnp.float32), (COIL, nj.constant(1.0, 1e-9)))
    low = nj.switching_time(coil, wave, "current", 3e-3, rtol=1e-5, atol=1e-6)
    assert low.dtype == jnp.float32
    assert float(low) == pytest.approx(float(exactly(1e-9, 3e-3)), rel=1e-4)
