"""Prezioso 2015: three letters learned on a crossbar by fixed pulses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurojax as nj
import physics
from neurojax import layers

KEY = jax.random.key(0)
PERCEPTRON = layers.LetterPerceptron.of(up=1.3, down=-1.3)


def test_thirty_pictures_of_three_letters():
    pictures, classes = layers.letters()
    assert pictures.shape == (30, 10) and len(np.unique(pictures, axis=0)) == 30
    np.testing.assert_array_equal(np.bincount(classes), [10, 10, 10])
    np.testing.assert_array_equal((pictures[9, :9] > 0).reshape(3, 3), [[1, 1, 0], [0, 1, 0], [0, 1, 1]])


def ideal_epochs(step):
    """Devices that move by the same step, within 10 and 100 uS, from 10 to 50 uS."""
    pictures, classes = layers.letters()

    def wrong(g):
        return jnp.sum(jnp.argmax(PERCEPTRON.outputs(g, pictures), axis=1) != classes)

    def once(carry):
        k, g = carry
        return k + 1, jnp.clip(g + step * PERCEPTRON.signs(g, pictures, classes), 10e-6, 100e-6)

    def one(key):
        g = jax.random.uniform(key, (20, 3), minval=10e-6, maxval=50e-6)
        return jax.lax.while_loop(lambda c: (c[0] < 200) & (wrong(c[1]) > 0), once, (jnp.zeros((), jnp.int32), g))[0]

    return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(KEY, 100)))


@pytest.mark.parametrize(("step", "mean"), [(0.2e-6, 39.8), (0.5e-6, 16.3), (1e-6, 8.5), (2e-6, 4.7)])
def test_even_steps_take_the_reference_number_of_epochs(step, mean):
    epochs = ideal_epochs(step)
    assert epochs.max() < 200
    assert abs(epochs.mean() - mean) < 3 * epochs.std() / 10


def test_the_sign_is_that_of_the_descent():
    pictures, classes = layers.letters()
    g = jax.random.uniform(KEY, (20, 3), minval=10e-6, maxval=50e-6)

    def loss(g):
        wanted = jnp.where(jax.nn.one_hot(classes, 3) > 0, 0.85, -0.85)
        return jnp.sum((wanted - PERCEPTRON.outputs(g, pictures)) ** 2)

    np.testing.assert_array_equal(PERCEPTRON.signs(g, pictures, classes), -jnp.sign(jax.grad(loss)(g)))


def test_a_pulse_is_that_of_the_simulation():
    device = layers.letter_device()
    wave = nj.Waveform(jnp.asarray([0.0, 1e-9, 500e-6 - 1e-9, 500e-6]), jnp.asarray([0.0, 1.3, 1.3, 0.0]))
    x0 = physics.Yakopcic.State(jnp.asarray(0.3))
    record = nj.simulate(device, wave, x0=x0, rtol=1e-9, atol=1e-12, progress=False)
    found = PERCEPTRON.pulsed(device, x0, jnp.asarray(1.3)).x
    np.testing.assert_allclose(found - 0.3, record.x.x[-1] - 0.3, rtol=1e-4)


def test_who_is_meant_sees_the_pulse_and_others_half_of_it():
    sign = jnp.zeros((20, 3)).at[2, 0].set(1.0).at[2, 1].set(-1.0)
    v = PERCEPTRON.voltages(sign)
    assert v.shape == (40, 20, 3)
    np.testing.assert_allclose(v[4, 2], [1.3, 0.65, 0.65])
    np.testing.assert_allclose(v[4, 5], [0.65, 0.0, 0.0])
    np.testing.assert_allclose(v[5, 2], [-0.65, -1.3, -0.65])
    np.testing.assert_allclose(v[0], 0.0)


def test_the_mean_step_of_the_device_is_the_one_asked_for():
    device = layers.letter_device(0.5e-6)
    x = jnp.linspace(0.1, 0.5, 41)
    step = [
        jax.vmap(lambda x, v=v: PERCEPTRON.pulsed(device, physics.Yakopcic.State(x), v).x - x)(x)
        for v in (PERCEPTRON.up, PERCEPTRON.down)
    ]
    np.testing.assert_allclose(np.mean(np.abs(step)) * 1e-4, 0.5e-6, rtol=1e-2)
    half = PERCEPTRON.pulsed(device, physics.Yakopcic.State(jnp.asarray(0.3)), 0.5 * PERCEPTRON.up).x
    assert abs(float(half) - 0.3) < 1e-9


def test_an_array_of_devices_learns_the_letters():
    epochs = np.asarray(layers.letter_epochs(layers.letter_device(2e-6), 4, key=KEY))
    assert epochs.max() < 20 and epochs.min() > 0


@pytest.mark.slow
def test_a_hundred_arrays_take_about_the_published_epochs():
    """Published: 23 on average. The step of the devices is set beforehand, to that of even steps with 23 epochs."""
    epochs = np.asarray(layers.letter_epochs(layers.letter_device(), 100, key=KEY))
    assert epochs.max() < 200
    assert 18 < epochs.mean() < 28
