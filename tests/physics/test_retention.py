"""Retention: the reference numbers of Arrhenius acceleration, and the relaxation of a measured array."""

import functools
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurojax as nj
from neurojax._bench_fit import data_folder
from neurojax._marquardt import least_squares
from neurojax.bijection import limits
from physics.quantity import parameters, with_values
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


def test_the_spread_grows_evenly_in_log_time_and_faster_where_it_is_hot():
    """Of thick filaments; thin ones come to an end, and cells follow the numbers they are given."""
    law, thick, t = Relaxation(), jnp.asarray(1.5e-4), jnp.asarray([1.0, 10.0, 100.0])
    for kelvin in (300.0, 350.0):
        grown = np.diff(np.asarray(law.spread(thick, t, kelvin)))
        slope = float(law.floor) * np.log(10) * 8.617333e-5 * kelvin
        np.testing.assert_allclose(grown, slope, rtol=2e-2)
    # Where and how long: one number, the front.
    t_hot = 1.0 / float(law.nu) * (np.exp((float(law.e_0) + float(law.front(t[2]))) / (8.617333e-5 * 400.0)))
    assert float(law.front(jnp.asarray(t_hot), 400.0)) == pytest.approx(float(law.front(t[2])), rel=1e-3)
    assert float(law.spread(law.centre, jnp.asarray(1e30), 1000.0)) < 1.01 * float(law.most + law.held)
    noise = jax.random.normal(jax.random.key(0), (20_000,))
    scattered = law.relaxed(jnp.full(20_000, 90e-6), jnp.asarray(1e4), noise)
    assert float(jnp.std(scattered)) == pytest.approx(
        float(law.spread(jnp.asarray(90e-6), jnp.asarray(1e4))), rel=3 / np.sqrt(40_000)
    )


TIMES = np.asarray([1e-2, 1e-1, 1.0, 1e2, 1e3, 1e4])
LINE = np.linalg.pinv(np.stack([np.log10(TIMES), np.ones(6)], axis=1))
"""Spreads at the times -> what a decade adds, and that at 1 s."""
PUBLISHED = {4: 0.68e-6, 12: 1.22e-6, 20: 0.34e-6, 28: 0.09e-6}


@functools.cache
def relaxing():
    """Of levels 2 to 31 of technology B: conductance, spread a decade, spread at 1 s (S)."""
    if not ARRAY.is_file():
        pytest.skip(f"no {ARRAY}; set NEUROJAX_DATA")
    data = np.load(ARRAY)
    level, time, g, start = (np.asarray(data[n], float) for n in ("level", "timepoint", "g_S", "g_initial_S"))

    def measured(k):
        moved = [(g - start)[(level == k) & (np.abs(time - t) < 1e-3 * t)] for t in TIMES]
        return np.mean(start[level == k]), *(LINE @ [np.nanstd(m) for m in moved])

    return np.asarray([measured(k) for k in range(2, 32)]).T


@functools.cache
def spread_by_bakes():
    """Of technology B, in steps of 10 uS from 10 to 130 uS: conductance (S), time (s), temperature (K), spread (S)."""
    rows = []
    for kelvin, (before, after, seconds) in baked("B").items():
        for low in np.arange(10, 130, 10) * 1e-6:
            level = (before >= low) & (before < low + 10e-6)
            rows.append([before[level].mean(), seconds, kelvin, (after - before)[level].std()])
    return np.asarray(rows).T


def predicted(law):
    """Spread a decade and at 1 s, (2, 30), and after the bakes, (60,), over what was measured."""
    here, slope, at_one = relaxing()
    g, seconds, kelvin, spread = spread_by_bakes()
    grown = jax.vmap(lambda g: law.spread(g, jnp.asarray(TIMES)))(jnp.asarray(here))
    return jnp.asarray(LINE) @ grown.T / np.stack([slope, at_one]), jax.vmap(law.spread)(
        *map(jnp.asarray, (g, seconds, kelvin))
    ) / spread


def rms(ratios):
    return np.exp(np.sqrt(np.mean(np.log(ratios) ** 2)))


def test_one_parameter_set_has_the_spread_of_relaxation_and_of_all_bakes():
    """Room temperature, six decades: 0.94, 0.88, 1.02, 1.10 of the four published slopes, all levels within a factor
    of 1.23 (rms; where they have 500 cells each with tails, of 1.1 to 1.2 by chance). Bakes at 100 to 260 degrees,
    10 to 130 uS: within 8 % (rms), the worst of the sixty 1.22 times what was measured.
    """
    (slopes, at_one), bakes = map(np.asarray, predicted(Relaxation()))
    here, slope, _ = relaxing()
    for k, published in PUBLISHED.items():
        assert slope[k - 2] == pytest.approx(published, rel=0.03)
        assert slopes[k - 2] == pytest.approx(1.0, abs=0.15) and at_one[k - 2] == pytest.approx(1.0, abs=0.35)
        mean = float(Relaxation().per_decade(jnp.asarray(here[k - 2])))
        assert mean == pytest.approx(slopes[k - 2] * slope[k - 2], rel=0.1)
    assert rms(slopes) < 1.25 and rms(at_one) < 1.25
    assert rms(bakes) < 1.09 and np.abs(np.log(bakes)).max() < np.log(1.25)


def test_the_set_is_what_a_fit_finds():
    """Nine numbers, from a fifth off: 35, 150 and 100 in a thousand weigh the four slopes, the others, the bakes."""
    law, weight = Relaxation(), np.full(30, 0.15)
    weight[[k - 2 for k in PUBLISHED]] = 0.035
    known = {n: p for n, p in parameters(law).items() if n not in ("nu", "soft", "e_held")}
    region = nj.Box(*jnp.asarray(limits(list(known.values()), {})))
    values = np.asarray([float(p.value) for p in known.values()])

    def residual(theta):
        (slopes, at_one), bakes = predicted(with_values(law, dict(zip(known, region.to_physical(theta), strict=True))))
        return jnp.concatenate([jnp.log(slopes) / weight, jnp.log(at_one) / 0.15, jnp.log(bakes) / 0.1])

    start = values * (1 + 0.2 * np.random.default_rng(0).choice([-1, 1], 9))
    search = jax.jit(lambda theta: least_squares(residual, theta, 60, 1e-8, 0.0))
    found = region.to_physical(search(jnp.asarray(region.to_line(start))).theta)
    np.testing.assert_allclose(found, values, rtol=0.01)


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


def test_what_the_bakes_say_beside_their_spread():
    """Technology B: the means stay (0.96 to 1.05 of them from 60 uS on, at any temperature), which a spread about the
    start says too.

    What holds thick filaments until e_held is not told apart from how they were programmed: at 80 to 100 uS the five
    readings before the bakes scatter by 3.3 uS about the mean of each cell, cells that relax for 10^4 s by 1.4 uS
    (half of what lies between the 16th and the 84th in the hundred), before any heat. No reading lies between
    1.01 eV, where the relaxation ends, and 1.24 eV, where the bakes begin.
    """
    bakes, law = baked("B"), Relaxation()
    for before, after, _ in bakes.values():
        thick = before > 60e-6
        assert after[thick].mean() / before[thick].mean() == pytest.approx(1.0, abs=0.045)
    before = np.stack([b for b, _, _ in bakes.values()])
    thick = np.abs(np.median(before, axis=0) - 90e-6) < 10e-6
    about = (before - before.mean(0))[:, thick] * np.sqrt(5 / 4)
    data = np.load(ARRAY)
    level, time, g, start = (np.asarray(data[n], float) for n in ("level", "timepoint", "g_S", "g_initial_S"))
    relaxed = (g - start)[(level == 20) & (time > 5e3)]
    halves = [0.5 * np.ptp(np.nanpercentile(a, [16, 84])) for a in (about, relaxed)]
    assert halves == pytest.approx([3.25e-6, 1.45e-6], rel=0.1)
    fronts = [float(law.e_0 + law.front(jnp.asarray(t), k)) for t, k in ((1e4, 300.0), (5230.0, 373.15))]
    assert fronts[0] + 0.1 < float(law.e_held) < fronts[1] - 0.1
