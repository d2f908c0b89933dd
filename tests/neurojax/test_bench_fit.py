"""The rows of `neurojax bench fit` at the smallest size, and what they rest on."""

import numpy as np
import pytest
from established import rarely

import neurojax as nj
import physics
from neurojax import _bench_fit, bench


@pytest.fixture(autouse=True)
def once(monkeypatch):
    monkeypatch.setattr(bench, "PATIENCE", 0.0)


@rarely
@pytest.mark.slow  # it compiles everything twice, without the cache
def test_the_same_fit_on_diffrax():
    """Twice the one-parameter fit of a few samples: the first call and the second, equally good on both."""
    how = dict(n_starts=2, screen=4, generations=0, max_iterations=3, max_steps=2**12)
    first, second = _bench_fit.against_diffrax(_bench_fit.sweep(31), how, ("i_0",))
    assert "first call" in first.case and first.ratio > 0 and second.ratio > 0
    assert second.our_error == pytest.approx(second.other_error, rel=1e-3)


@pytest.mark.slow
def test_powell_on_pulses(tmp_path):
    """A made-up sequence in the format of the measured one, from two starts, of which Powell is given one."""
    folder = tmp_path / "reram_gong2018"
    folder.mkdir()
    k, rng = np.arange(60), np.random.default_rng(0)
    clean = np.stack([1.2 - 2 * np.exp(-k / 20), -1.2 + 2 * np.exp(-k / 10)], axis=1)
    np.savetxt(folder / "gong_et_al.csv", clean + 0.1 * rng.standard_normal(clean.shape), delimiter=",")
    row = _bench_fit.gong(tmp_path, 2, budget=0.0)
    assert row.our_error is not None and row.other_error is not None
    assert row.our_error <= 1.001 * row.other_error and row.ratio > 0 and "scaled from 1" in row.note


def test_without_the_measured_pulses(tmp_path):
    row = _bench_fit.gong(tmp_path, 2)
    assert np.isnan(row.ratio) and "NEUROJAX_DATA" in row.note


def test_pulses_back_to_back():
    """Runs of equal pulses are one piece; a device that rests at zero volt ends where edges and pauses take it."""
    volts, widths = [0.1, 0.1, -0.2, 0.1], [1e-7, 2e-7, 1e-7, 1e-7]
    close = nj.PulseTrace(volts, widths, np.ones(4), rise=0.0, rest=0.0)
    wave = close.waveform()
    np.testing.assert_allclose(wave.t, [0.0, 3e-7, 3e-7, 4e-7, 4e-7, 5e-7], rtol=1e-12)
    assert np.asarray(wave.v).tolist() == [0.1, 0.1, -0.2, -0.2, 0.1, 0.1]
    device = physics.Vteam(w_init=0.4)
    apart = nj.PulseTrace(volts, widths, np.ones(4), rise=1e-13, rest=1e-7)
    found = [
        np.asarray(nj.simulate(device, t.waveform(), ts=t.read_times(), progress=False).states["w"])
        for t in (close, apart)
    ]
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)
    assert np.ptp(found[0]) > 0.01
    with pytest.raises(nj.DataError, match="both zero"):
        nj.PulseTrace(volts, widths, np.ones(4), rise=0.0, rest=1e-7)
