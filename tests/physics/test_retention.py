"""Retention: the reference numbers of Arrhenius acceleration, and the relaxation of a measured array."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurojax._bench_fit import data_folder
from physics.retention import Relaxation, Retention

ARRAY = Path(os.environ.get("NEUROJAX_DATA", data_folder())) / "rram_relaxation" / "techB_relaxdata_10k.npz"
TEN_YEARS = 10 * 365.25 * 24 * 3600


@pytest.mark.parametrize(
    ("e_a", "factor", "seconds"),
    [(1.0, 2631.191, 1.199365e5), (1.2, 12711.09, 2.482682e4), (1.5, 134967.3, 2338.166)],
)
def test_ten_years_at_85_degrees_are_so_long_at_200(e_a, factor, seconds):
    law = Retention(e_a=e_a)
    found = law.acceleration(jnp.asarray(358.15), jnp.asarray(473.15))
    assert float(found) == pytest.approx(factor, rel=2e-6)
    assert TEN_YEARS / float(found) == pytest.approx(seconds, rel=2e-3)


def test_stretched_loss_and_its_inverse():
    law, hot = Retention(tau_0=1e-10, e_a=1.0, b=0.5), jnp.asarray(450.0)
    t = law.time(jnp.asarray(0.3), hot)
    assert float(law.kept(t, hot)) == pytest.approx(0.3, rel=1e-12)
    assert float(law.kept(law.tau(hot), hot)) == pytest.approx(np.exp(-1), rel=1e-12)
    slope = jax.grad(lambda t: law.kept(t, hot))(jnp.asarray(0.0))
    assert np.isfinite(float(slope))


def test_the_spread_grows_evenly_in_log_time():
    law, g, t = Relaxation(), jnp.asarray(50e-6), jnp.asarray([1.0, 10.0, 100.0])
    grown = np.diff(np.asarray(law.spread(g, t)))
    np.testing.assert_allclose(grown, float(law.per_decade(g)), rtol=1e-5)
    noise = jax.random.normal(jax.random.key(0), (20_000,))
    scattered = law.relaxed(jnp.full(20_000, 50e-6), jnp.asarray(1e4), noise)
    assert float(jnp.std(scattered)) == pytest.approx(float(law.spread(g, jnp.asarray(1e4))), rel=3 / np.sqrt(40_000))


@pytest.mark.skipif(not ARRAY.is_file(), reason=f"no {ARRAY}; set NEUROJAX_DATA")
def test_one_parameter_set_has_the_spread_of_a_measured_array_at_all_levels():
    data = np.load(ARRAY)
    level, time, g, start = (np.asarray(data[n], float) for n in ("level", "timepoint", "g_S", "g_initial_S"))
    times = np.asarray([1e-2, 1e-1, 1.0, 1e2, 1e3, 1e4])

    def measured(k):
        """Spread a decade, at 1 s, and conductance of one level."""
        moved = [(g - start)[(level == k) & (np.abs(time - t) < 1e-3 * t)] for t in times]
        slope, at_one = np.polyfit(np.log10(times), [np.nanstd(m) for m in moved], 1)
        return slope, at_one, np.mean(start[level == k])

    law = Relaxation()
    for k, published in ((4, 0.68e-6), (12, 1.22e-6), (20, 0.34e-6), (28, 0.09e-6)):
        slope, at_one, here = measured(k)
        assert slope == pytest.approx(published, rel=0.03)
        assert float(law.per_decade(jnp.asarray(here))) == pytest.approx(slope, rel=0.15)
        assert float(law.spread(jnp.asarray(here), jnp.asarray(1.0))) == pytest.approx(at_one, rel=0.35)
    every = np.asarray([(float(law.per_decade(jnp.asarray(here))) / s) for s, _, here in map(measured, range(2, 32))])
    assert np.exp(np.sqrt(np.mean(np.log(every) ** 2))) < 1.25
