"""Waveforms: shapes of the constructors, values between knots, errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurojax as nj


def test_triangle_turns_where_it_should():
    wave = nj.triangle(1.2, -0.8, 4.0)
    np.testing.assert_allclose(wave.v, [0, 1.2, -0.8, 0])
    np.testing.assert_allclose(np.diff(wave.v) / np.diff(wave.t), [1.0, -1.0, 1.0])
    assert float(wave(jnp.asarray(0.6))) == pytest.approx(0.6)
    assert float(wave.slope(jnp.asarray(2.0))) == pytest.approx(-1.0)


def test_pulses_of_several_ports():
    wave = nj.pulse_train([[1.0, 0.1], [-2.0, 0.2]], [1e-6, 2e-6], rise=1e-8, rest=1e-6)
    gate, drain = (nj.pulse_train(v, [1e-6, 2e-6], rise=1e-8, rest=1e-6) for v in ([1.0, -2.0], [0.1, 0.2]))
    assert wave.v.shape == (len(wave.t), 2)
    np.testing.assert_array_equal(wave.t, gate.t)
    np.testing.assert_array_equal(wave.v, np.stack([gate.v, drain.v], axis=1))


def test_pulse_train_is_where_the_reading_is():
    wave = nj.pulse_train([1.0, -2.0], [1e-6, 2e-6], rise=1e-8, rest=1e-6)
    assert float(wave.duration) == pytest.approx(5.04e-6)
    assert float(wave(jnp.asarray(0.5e-6))) == 1.0
    assert float(wave(jnp.asarray(1.5e-6))) == 0.0
    trace = nj.PulseTrace([1.0, -2.0], [1e-6, 2e-6], [1e-5, 1e-5], rise=1e-8, rest=1e-6)
    inside = jax.vmap(wave)(jnp.asarray(trace.read_times()))
    np.testing.assert_array_equal(inside, 0)


def test_then_and_repeat():
    one = nj.pulse(1.0, 1e-6)
    assert one.then(nj.rest(1e-6)).duration == pytest.approx(float(one.duration) + 1e-6)
    np.testing.assert_allclose(one.repeat(3).duration, 3 * one.duration)
    jumped = nj.constant(1.0, 1.0).then(nj.constant(-1.0, 1.0))
    np.testing.assert_array_equal(jumped.jumps, [1.0])
    assert float(jumped(jnp.asarray(1.0))) == -1.0


def test_sampled_triangle_keeps_its_corners_only():
    t = np.linspace(0, 4, 1001)
    wave = nj.sampled(t, np.interp(t, [0, 1, 3, 4], [0, 1, -1, 0]))
    assert len(wave.t) <= 6
    np.testing.assert_allclose(np.interp(t, wave.t, wave.v), np.interp(t, [0, 1, 3, 4], [0, 1, -1, 0]), atol=1e-8)
    noisy = nj.sampled(t, np.sin(5 * t), tol=0.0)
    assert len(noisy.t) == 1001


def test_pund_ispp_staircase():
    assert float(jnp.min(nj.pund(3.0, 1e-6).v)) == -3.0
    np.testing.assert_allclose(np.unique(nj.ispp(1.0, 0.5, 3, 1e-6).v), [0, 1, 1.5, 2])
    np.testing.assert_allclose(np.unique(nj.staircase([0.1, 0.2], 1.0).v), [0, 0.1, 0.2])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: nj.Waveform([0.0, 1.0, 0.5], [0, 1, 0]), "backwards"),
        (lambda: nj.Waveform([0.0, 1.0], [0, np.nan]), "finite"),
        (lambda: nj.Waveform([0.0], [0.0]), "two or more"),
        (lambda: nj.triangle(0.0, 0.0), "never leaves"),
        (lambda: nj.triangle(1.0, -1.0, -1.0), "positive"),
        (lambda: nj.pulse(1.0, 0.0), "positive"),
        (lambda: nj.pulse_train([], 1e-6), "at least one"),
        (lambda: nj.rest(-1.0), "positive"),
        (lambda: nj.pulse(1.0, 1.0).repeat(0), "once or more"),
        (lambda: nj.staircase([1.0], 0.0), "positive"),
    ],
)
def test_errors_name_the_cause(make, says):
    with pytest.raises(nj.DataError, match=says):
        make()
