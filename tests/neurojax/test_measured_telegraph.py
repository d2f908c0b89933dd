"""A filament at rest, read 20 000 times in 50 s: a telegraph signal of two levels, and its Lorentzian.

Level 24 of technology A in `rram_relaxation`; skipped where the data are not at hand.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import medfilt

from neurojax.reading import telegraph
from physics.noise import telegraph_psd, telegraph_variance

RATE = 400.0
OCTAVES = 2.0 ** np.arange(5)
"""Hz; beyond 16 Hz it is noise within a level that counts."""


@pytest.fixture
def readings(shared_data):
    """Conductance (uS); the first sample of a row is none, few are far outside, and the last 5 s are one long rest."""
    data = np.load(shared_data / "rram_relaxation" / "techA_rtn_timeseries_400Hz.npz")
    (row,) = np.flatnonzero(data["level"] == 24)
    return np.clip(np.asarray(data["G_S"][row, 1:18001], float) * 1e6, 180.0, 187.5)


def levels(g):
    """Means, deviations and shares of two normal distributions, the lower one first; by expectation and maximum."""
    mean, sd, share = np.percentile(g, [10, 90]), np.full(2, 0.3 * g.std()), np.full(2, 0.5)
    for _ in range(100):
        part = share * np.exp(-0.5 * ((g[:, None] - mean) / sd) ** 2) / sd
        part /= part.sum(axis=1, keepdims=True)
        share = part.mean(axis=0)
        mean = (part * g[:, None]).sum(axis=0) / part.sum(axis=0)
        sd = np.sqrt((part * (g[:, None] - mean) ** 2).sum(axis=0) / part.sum(axis=0))
    return mean, sd, share


def rests(g, low, high):
    """How long (s) it rests in the upper and in the lower level, both ends seen; medians of three readings change the
    level where they are two thirds of the way over."""
    up, found = g[0] > (low + high) / 2, []
    for x in medfilt(g, 3):
        up = bool(x > low + 0.35 * (high - low)) if up else bool(x > low + 0.65 * (high - low))
        found.append(up)
    ends = np.flatnonzero(np.diff(np.asarray(found, int)))
    upper = np.asarray(found)[ends[1:]]
    return np.diff(ends)[upper] / RATE, np.diff(ends)[~upper] / RATE


def spectrum(g, n=2048):
    """Frequencies (Hz) and one-sided density, mean of half overlapping windows of Hann."""
    window = np.hanning(n)
    parts = [g[k : k + n] - g[k : k + n].mean() for k in range(0, len(g) - n, n // 2)]
    density = np.mean([np.abs(np.fft.rfft(window * p)) ** 2 for p in parts], axis=0)
    return np.fft.rfftfreq(n, 1 / RATE), 2 * density / RATE / np.sum(window**2)


def over_lorentzian(g, step, upper, lower):
    """Density over that of a telegraph signal, in octaves."""
    f, density = spectrum(g)
    exact = np.asarray(telegraph_psd(*(jnp.asarray(a, float) for a in (step, upper, lower, f[1:]))))
    inside = [(f[1:] > o / np.sqrt(2)) & (f[1:] <= o * np.sqrt(2)) for o in OCTAVES]
    return np.asarray([density[1:][i].mean() / exact[i].mean() for i in inside])


def test_two_levels(readings):
    """2.0 uS apart (1.1 %), more than three deviations; both rests are exponential but for the longest."""
    mean, sd, share = levels(readings)
    assert mean == pytest.approx([182.84, 184.82], abs=0.02) and np.diff(mean)[0] > 3 * sd.max()
    upper, lower = rests(readings, *mean)
    assert len(upper) > 350 and len(lower) > 350
    assert upper.mean() / (upper.mean() + lower.mean()) == pytest.approx(share[1], abs=0.03)
    for found in (upper, lower):
        usual = found[found < 1.0]
        assert np.median(usual) / np.log(2) == pytest.approx(usual.mean(), rel=0.25)


def test_spectrum_is_a_lorentzian(readings):
    """Within a quarter from 1 to 16 Hz, the corner at 5 Hz, with nothing that is fitted to the spectrum."""
    mean, _, _ = levels(readings)
    step, upper, lower = np.diff(mean)[0], *(r.mean() for r in rests(readings, *mean))
    np.testing.assert_allclose(over_lorentzian(readings, step, upper, lower), 1.0, atol=0.25)


def test_the_model_with_these_numbers_looks_the_same(readings):
    """A signal of our own with the noise within the levels: levels, share, rests and spectrum are found again."""
    mean, sd, _ = levels(readings)
    step, upper, lower = np.diff(mean)[0], *(r.mean() for r in rests(readings, *mean))
    times = jnp.asarray(np.arange(len(readings)) / RATE)
    ours = np.asarray(telegraph(times, jnp.asarray(upper), jnp.asarray(lower), jax.random.key(0)))
    noise = np.random.default_rng(0).standard_normal(len(ours)) * np.where(ours < 0, sd[0], sd[1])
    g = mean[1] + step * ours + noise
    assert levels(g)[0] == pytest.approx(mean, abs=0.05)
    # About 400 rests each, and what is lost of those shorter than a sample.
    found = [r.mean() for r in rests(g, *mean)]
    assert found == pytest.approx([upper, lower], rel=3 / np.sqrt(400) + 0.05)
    np.testing.assert_allclose(over_lorentzian(g, step, upper, lower), 1.0, atol=0.25)
    variance = float(telegraph_variance(*(jnp.asarray(a) for a in (step, upper, lower))))
    assert np.var(step * ours) == pytest.approx(variance, rel=0.05)
