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
BAKES = ARRAY.parent
TEN_YEARS = 10 * 365.25 * 24 * 3600


@pytest.mark.parametrize(
    ("e_a", "factor", "seconds"),
    [(1.0, 2631.191, 1.199365e5), (1.2, 12711.09, 2.482682e4), (1.5, 134967.3, 2338.166)],
)
def test_ten_years_at_85_degrees_are_so_long_at_200(e_a, factor, seconds):
    law = Retention(e_a=e_a)
    found = law.acceleration(jnp.asarray(358.15), jnp.asarray(473.15))
    assert float(found) == pytest.approx(factor, rel=4e-7)
    assert TEN_YEARS / float(found) == pytest.approx(seconds, rel=4e-7)


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


def baked(technology):
    """Conductances (S) of 16 384 cells before and after about 5000 s: by temperature (K), with the time (s)."""
    file = BAKES / f"tech{technology}_bake.npz"
    if not file.is_file():
        pytest.skip(f"no {file}; set NEUROJAX_DATA")
    data, found = np.load(file), {}
    time, g, celsius, address = (np.asarray(data[n], float) for n in ("time_s", "G_S", "temp_C", "addr"))
    for c in np.unique(celsius):
        before, after = (np.flatnonzero((celsius == c) & late) for late in (time == 0, time > 0))
        before, after = (k[np.argsort(address[k], kind="stable")] for k in (before, after))
        np.testing.assert_array_equal(address[before], address[after])
        found[c + 273.15] = g[before], g[after], time[after].mean()
    return found


def test_bake_of_conducting_cells_follows_arrhenius():
    """Technology A, cells above 100 uS at 100 to 260 degrees: one barrier (b = 1), two fitted numbers, five bakes.

    0.995, 1.000, 0.997, 0.885 and 0.561 of their mean are left. All bakes being as long, b is not told: 0.75 with
    1.156 eV and 1.27e-7 s fits as well. Levels apart: 0.47 to 0.69 at 260 degrees, which no law of g - g_inf tells.
    """
    bakes = baked("A")
    law = Retention(tau_0=7.52e-5, e_a=0.8544)
    law_of_many = Retention(tau_0=1.272e-7, e_a=1.156, b=0.75)
    for kelvin, (before, after, seconds) in bakes.items():
        on = before > 100e-6
        kept = after[on].mean() / before[on].mean()
        for one in (law, law_of_many):
            assert float(one.kept(jnp.asarray(seconds), jnp.asarray(kelvin))) == pytest.approx(kept, abs=0.02)
        for low, high in ((100, 120), (120, 150), (150, 180), (180, 210), (210, 240)):
            level = (before > low * 1e-6) & (before < high * 1e-6)
            of_level = after[level].mean() / before[level].mean()
            assert of_level == pytest.approx(float(law.kept(jnp.asarray(seconds), jnp.asarray(kelvin))), abs=0.13)


def test_insulating_cells_follow_no_general_law():
    """Technology A, below 30 uS: more conducting after a bake at up to 180 degrees, less at 260."""
    moved = []
    for before, after, _ in baked("A").values():
        off = before < 30e-6
        moved.append(after[off].mean() / before[off].mean())
    assert moved[2] > moved[1] > moved[0] > 1.2 and moved[4] < 1.0


def test_spread_after_a_bake_is_that_of_relaxation_but_of_thick_filaments():
    """Technology B at 100 degrees, 5 to 55 uS: within 20 % of what room temperature tells, with the same numbers.

    The means stay (0.96 to 1.01 of them from 55 uS on at any temperature), the spread grows by a third to a half up to
    260 degrees. Beyond 80 uS it is three to five times that of the relaxation at room temperature, already at 100
    degrees and hardly more at 260: that is in the data, and no activated law of one parameter set gives both.
    """
    bakes, law = baked("B"), Relaxation()

    def ratio(kelvin, low):
        before, after, seconds = bakes[kelvin]
        level = (before >= low * 1e-6) & (before < (low + 10) * 1e-6)
        spread = float(law.spread(jnp.asarray(before[level].mean()), jnp.asarray(seconds)))
        return (after - before)[level].std() / spread

    for low in (5, 15, 25, 35, 45):
        assert ratio(373.15, low) == pytest.approx(1.0, abs=0.2)
        assert 1.25 < ratio(533.15, low) / ratio(373.15, low) < 1.7
    for low in (85, 95, 105):
        assert ratio(373.15, low) > 3.0 and ratio(533.15, low) / ratio(373.15, low) < 1.5
    for before, after, _ in bakes.values():
        thick = before > 60e-6
        assert after[thick].mean() / before[thick].mean() == pytest.approx(1.0, abs=0.045)
