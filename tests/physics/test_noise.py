"""Spectra and noisy readings against closed forms: variances, corners, slopes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.signal import periodogram, welch

import neurojax as nj
import physics
from neurojax import reading
from physics import Environment, constants
from physics.noise import (
    ReadNoise,
    ensemble_psd,
    flicker_psd,
    shot_psd,
    telegraph_corner,
    telegraph_psd,
    telegraph_variance,
    thermal_psd,
)

ENV = Environment()
T = jnp.asarray(300.0)
RTN = dict(step=jnp.asarray(1e-7), t_capture=jnp.asarray(1e-3), t_emission=jnp.asarray(4e-3))


def test_shot_noise_is_thermal_noise_at_no_bias_and_2qI_at_high_bias():
    g = jnp.asarray(1e-5)
    for v in (1e-9, 1e-6, 1e-3):
        # On both sides of the series, to the second order of q v/2kT.
        x = v / (2 * 0.02585)
        assert float(shot_psd(g * v, jnp.asarray(v), T) / thermal_psd(g, T)) == pytest.approx(1 + x * x / 3, rel=1e-6)
    assert float(shot_psd(jnp.asarray(1e-6), jnp.asarray(2.0), T)) == pytest.approx(2 * constants.Q * 1e-6, rel=1e-12)
    slope = jax.grad(lambda v: shot_psd(g * v, v, T))(jnp.asarray(0.0))
    assert np.isfinite(float(slope))


def test_telegraph_reference_numbers():
    assert float(telegraph_variance(**RTN)) == pytest.approx(1.6e-15, rel=1e-12)
    assert float(telegraph_psd(**RTN, f=jnp.asarray(100.0))) == pytest.approx(4.087296e-18, rel=2e-7)
    assert float(telegraph_corner(RTN["t_capture"], RTN["t_emission"])) == pytest.approx(198.9437, rel=4e-7)
    whole = quad(lambda f: float(telegraph_psd(**RTN, f=jnp.asarray(f))), 0, np.inf, points=None, limit=200)[0]
    assert whole == pytest.approx(1.6e-15, rel=1e-6)


def test_one_over_f_of_an_ensemble():
    f = jnp.asarray(100.0)
    found = f * ensemble_psd(jnp.asarray(1.0), jnp.asarray(1e-6), jnp.asarray(10.0), f)
    # One signal of unit step; the reference adds the sum of the arctangents to 1/4 ln.
    assert float(found) == pytest.approx(1 / (4 * np.log(1e7)), rel=3e-3)
    assert 1 / (4 * np.log(1e7)) == pytest.approx(0.0155105, rel=1e-5)
    more = f * ensemble_psd(jnp.asarray(1.0), jnp.asarray(1e-6), jnp.asarray(10.0), 10 * f) * 10
    assert float(more) == pytest.approx(float(found), rel=5e-3)


def test_ensemble_of_telegraph_signals():
    """As many time constants as the reference had, evenly over seven decades: a sum is 1/512 short of the integral."""
    tau = jnp.logspace(-6.0, 1.0, 512)
    f = jnp.logspace(0.0, 4.0, 41)
    spectra = jax.vmap(lambda t: telegraph_psd(jnp.asarray(1.0), 2 * t, 2 * t, f))(tau)
    total = np.asarray(jnp.mean(spectra, axis=0))
    assert 100 * np.interp(100.0, f, total) == pytest.approx(0.0154724, rel=2e-5)
    assert np.polyfit(np.log10(f), np.log10(total), 1)[0] == pytest.approx(-1.001667, abs=2e-4)
    smooth = ensemble_psd(jnp.asarray(1.0), jnp.asarray(1e-6), jnp.asarray(10.0), f)
    np.testing.assert_allclose(total, (1 - 1 / 512) * smooth, rtol=1e-3)


def test_variance_is_the_integral_of_the_spectrum():
    noise = ReadNoise(flicker=1e-5, rtn=0.1, t_capture=1e-3, t_emission=4e-3)
    i, v = jnp.asarray(1e-9), jnp.asarray(0.1)
    over = lambda u: float(noise.psd(i, v, jnp.exp(jnp.asarray(u)), ENV)) * np.exp(u)  # noqa: E731
    whole = quad(over, np.log(1.0), np.log(1e5), limit=200)[0]
    assert float(noise.variance(i, v, jnp.asarray(1.0), jnp.asarray(1e5), ENV)) == pytest.approx(whole, rel=1e-7)


def test_telegraph_samples_have_the_occupancy_and_the_spectrum():
    t = jnp.arange(200_000.0) * 2e-4
    chain = jax.jit(lambda key: reading.telegraph(t, RTN["t_capture"], RTN["t_emission"], key))
    ups = np.asarray(chain(jax.random.key(0)))
    assert set(np.unique(ups)) == {-1.0, 0.0}
    high = 1 / 5
    # Successive samples are correlated over t_c t_e/(t_c + t_e).
    error = np.sqrt(high * (1 - high) * 2 * 8e-4 / 40.0)
    assert np.mean(ups + 1) == pytest.approx(high, abs=3 * error)
    f, s = welch(ups, fs=5e3, nperseg=4096, detrend="constant")
    theory = np.asarray(telegraph_psd(jnp.asarray(1.0), RTN["t_capture"], RTN["t_emission"], jnp.asarray(f)))
    band = (f > 10) & (f < 500)
    assert np.mean(s[band] / theory[band]) == pytest.approx(1.0, abs=0.06)


def test_flicker_samples_have_the_slope_and_the_level():
    t = jnp.arange(2.0**15) * 1e-3
    draw = jax.jit(jax.vmap(lambda key: reading.flicker(t, key)))
    f, s = periodogram(np.asarray(draw(jax.random.split(jax.random.key(1), 16))), fs=1e3, window="hann", axis=1)
    f, s = f[1:], np.mean(s, axis=0)[1:]
    # Higher up, what lies beyond half the sampling rate is folded back.
    band = (f > 0.2) & (f < 5)
    slope = np.polyfit(np.log(f[band]), np.log(s[band]), 1, w=1 / np.sqrt(f[band]))[0]
    assert slope == pytest.approx(-1.0, abs=0.03)
    assert np.mean(s[band] * f[band]) == pytest.approx(1.0, abs=0.05)


def test_readings_of_a_record():
    device = physics.Resistor(resistance=1e5)
    record = nj.simulate(device, nj.constant(0.2, 1.0), ts=np.linspace(0, 1, 2001))
    quiet = ReadNoise(flicker=0.0, rtn=0.0)
    noisy = nj.read_noise(record, quiet, key=jax.random.key(0), bandwidth=1e3)
    sd = float(jnp.std(noisy.i - record.i))
    expected = float(jnp.sqrt(shot_psd(jnp.asarray(2e-6), jnp.asarray(0.2), T) * 1e3))
    assert sd == pytest.approx(expected, rel=3 / np.sqrt(4000))
    jumping = nj.read_noise(record, ReadNoise(white=0.0, flicker=0.0, rtn=0.1), key=jax.random.key(0), bandwidth=1e3)
    np.testing.assert_allclose(np.unique(np.asarray(jumping.i)), [1.8e-6, 2e-6], rtol=1e-9)
    again = nj.read_noise(record, quiet, key=jax.random.key(0), bandwidth=1e3)
    np.testing.assert_array_equal(again.i, noisy.i)
    with pytest.raises(nj.SimulationError, match="bandwidth = 0"):
        nj.read_noise(record, quiet, key=jax.random.key(0), bandwidth=0.0)


@pytest.mark.parametrize("members", [0, 3])
def test_every_port_of_a_transistor_is_noisy_by_itself(members):
    """The gate carries nothing and has no noise; the drain has its own, and that of each member."""
    device = physics.Mosfet()
    if members:
        device = device.replace(v_t=jnp.asarray([0.5, 0.6, 0.7]))
    ts = np.linspace(0, 1, 2001)
    record = nj.simulate(device, nj.constant(jnp.asarray([1.0, 0.5]), 1.0), ts=ts, progress=False)
    noisy = nj.read_noise(record, ReadNoise(flicker=0.0, rtn=0.0), key=jax.random.key(0), bandwidth=1e3)
    assert noisy.i.shape == record.i.shape == (*(members,) * bool(members), 2001, 2)
    off = np.asarray(noisy.i - record.i).reshape(-1, 2001, 2)
    i, v = (np.asarray(a).reshape(-1, 2001, 2) for a in (record.i, record.v))
    assert np.all(off[:, :, 0] == 0)
    expected = np.sqrt(np.asarray(shot_psd(jnp.asarray(i[:, 0, 1]), jnp.asarray(v[:, 0, 1]), T)) * 1e3)
    np.testing.assert_allclose(off[:, :, 1].std(axis=1), expected, rtol=3 / np.sqrt(4000))
    if members:
        assert abs(np.corrcoef(off[0, :, 1], off[1, :, 1])[0, 1]) < 3 / np.sqrt(2001)


def test_pathwise_gradients():
    record = nj.simulate(physics.Resistor(), nj.constant(0.2, 1.0), ts=np.linspace(0, 1, 51))

    def loss(flicker):
        noise = ReadNoise(white=0.0, flicker=flicker, rtn=0.0)
        noisy = nj.read_noise(record, noise, key=jax.random.key(3), bandwidth=1e3)
        return jnp.sum((noisy.i / record.i - 1) ** 2)

    at = jnp.asarray(1e-5)
    # The variance is proportional to the strength.
    assert float(jax.grad(loss)(at)) == pytest.approx(float(loss(at)) / 1e-5, rel=1e-9)
    assert float(flicker_psd(jnp.asarray(2.0), at, jnp.asarray(10.0))) == pytest.approx(4e-6, rel=1e-12)
