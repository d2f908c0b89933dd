"""Repeated sequences of pulses and their mean; traces that are predicted and not fitted."""

import dataclasses

import numpy as np
import pytest

import neurojax as nj
import physics

VOLTS = np.array([0.5, 0.6, 0.7, 0.6])


def repeated(times=5, extra=0, independent=False):
    """A sequence of four pulses run again and again, each reading a known multiple of 1e-5 S."""
    rng = np.random.default_rng(0)
    logs = np.log([1.0, 2.0, 4.0, 8.0]) + 0.1 * rng.standard_normal((times + 1, 4))
    n = 4 * times + extra
    readings = 1e-5 * np.exp(logs).ravel()[:n]
    return nj.PulseTrace(np.resize(VOLTS, n), 1e-6, readings, independent=independent), logs[:times]


@pytest.mark.parametrize("extra", [0, 3])
def test_mean_is_geometric_and_leads_in(extra):
    trace, logs = repeated(extra=extra)
    mean = nj.mean_repeats(trace)
    np.testing.assert_array_equal(mean.amplitude, [0.6, *VOLTS])
    np.testing.assert_array_equal(mean.read, [False, True, True, True, True])
    np.testing.assert_allclose(mean.conductance[1:], 1e-5 * np.exp(logs.mean(axis=0)), rtol=1e-12)
    expected = logs.std(axis=0, ddof=1) / np.sqrt(5)
    np.testing.assert_allclose(mean.sigma[1:] / mean.conductance[1:], expected, rtol=1e-12)
    assert "5 sequences of 4 pulses, 1 of the one before first" in mean.notes[-1]


def test_independent_pulses_have_no_history():
    trace, _ = repeated(independent=True)
    mean = nj.mean_repeats(trace)
    np.testing.assert_array_equal(mean.amplitude, VOLTS)
    assert mean.independent and mean.read.all()
    assert len(nj.mean_repeats(trace, lead=4)) == 8


def test_wrong_sequences_are_explained():
    trace, _ = repeated()
    with pytest.raises(nj.DataError, match=r"lead = 9 must be 0 to 4"):
        nj.mean_repeats(trace, lead=9)
    with pytest.raises(nj.DataError, match=r"no sequence of pulses is repeated \(amplitudes start 0.5, 0.6"):
        nj.mean_repeats(nj.PulseTrace(np.linspace(0.5, 1.5, 9), 1e-6, np.full(9, 1e-5)))
    with pytest.raises(nj.DataError, match="nan at sample"):
        nj.PulseTrace(VOLTS, 1e-6, np.full(4, np.nan))


def test_unread_pulses_are_simulated_and_not_compared():
    """A fit with a lead-in pulse equals one to the readings that a whole simulation gives."""
    truth = physics.Vteam(r_on=120.0)
    wave = nj.PulseTrace(np.array([0.5, -0.5, 0.5, 0.5, -0.5]), 1e-9, np.full(5, 1e-3))
    record = nj.simulate(truth, wave.waveform(), ts=wave.read_times(), rtol=1e-9, atol=1e-11)
    readings = 1 / (120.0 + (float(truth.r_off) - 120.0) * np.asarray(record.states["w"]))
    readings = np.where(np.arange(5) == 0, np.nan, readings)
    trace = dataclasses.replace(wave, conductance=readings, noise_floor=1e-9, noise_relative=1e-3)
    fit = nj.fit(physics.Vteam(), trace, free=("r_on",), n_starts=1)
    assert fit.n_points == 4 and np.isnan(fit.model[0][0])
    assert fit.values["r_on"] == pytest.approx(120.0, rel=1e-4)


@pytest.mark.slow
def test_unseen_traces_are_predicted(tmp_path):
    """The unseen trace changes nothing but the held-out error, which is the one computed by hand."""
    device, waves = physics.Vteam(r_on=120.0), [nj.triangle(v, -v, 1e-6) for v in (0.6, 0.5)]
    records = [nj.simulate(device, w, ts=np.linspace(0, 1e-6, 60)) for w in waves]
    seen, unseen = (nj.Trace(r.t, r.v, r.i, noise_floor=1e-6, noise_relative=0.02) for r in records)
    unseen = dataclasses.replace(unseen, i=1.1 * unseen.i)
    options = dict(free=("r_on", "r_off"), n_starts=1)
    alone, both = nj.fit(physics.Vteam(), seen, **options), nj.fit(physics.Vteam(), seen, unseen=[unseen], **options)
    assert both.values == pytest.approx(alone.values, rel=1e-9)
    assert both.n_points == 60 and np.isnan(alone.held_out_rms)
    off = (both.model[1] - unseen.i) / np.ptp([seen.i, unseen.i])
    assert both.held_out_of_range == pytest.approx(np.sqrt(np.mean(off**2)), rel=1e-6)
    both.save(tmp_path / "fit.json")
    back = nj.load_fit(tmp_path / "fit.json", [seen, unseen])
    np.testing.assert_allclose(back.model[1], both.model[1], rtol=1e-9, atol=1e-18)
    with pytest.raises(nj.FitError, match="one unseen counterpart: 1 are fitted, 2 unseen"):
        nj.fit(physics.Vteam(), seen, unseen=[unseen, unseen], per_trace=("r_on",), **options)


def test_presets_have_names():
    assert repr(nj.device_named("phasechangecell.partial_reset")) == repr(physics.PhaseChangeCell.partial_reset())
    with pytest.raises(nj.DataError, match="Did you mean 'partial_reset'"):
        nj.device_named("PhaseChangeCell.partial")
    with pytest.raises(nj.DataError, match="Vteam has no preset 'new'"):
        nj.device_named("Vteam.new")
