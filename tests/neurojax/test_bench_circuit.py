"""What the comparison of spiking circuits calls an error, and as exact."""

import numpy as np
import pytest

from neurojax import _bench_circuit as bench

T = np.linspace(0.0, 1.0, 4001)


def beats(*shifts):
    """Five ramps through the level a member, later by so much (s)."""
    return np.stack([np.mod(T - s, 0.2) * 10 for s in shifts])


def test_error_of_spike_times():
    """Of the mean over spikes, the median over members, in periods; infinite where a spike is missing."""
    known = bench.first_spikes(T, beats(0.01, 0.02, 0.03), 4)
    assert known[0] == pytest.approx(0.08 + 0.2 * np.arange(4), abs=1e-9)
    later = beats(0.01 + 1e-8, 0.02 + 3e-8, 0.03 + 2e-8)
    exact = bench.first_spikes(T, beats(0.01, 0.02, 0.03))
    assert bench.off(exact, later, 1.0) == pytest.approx(2e-8 / bench.PERIOD, rel=1e-3)
    assert bench.off(exact, np.minimum(later, 0.5), 1.0) == np.inf
    assert bench.off(exact, later[:1], 1.0) == pytest.approx(1e-8 / bench.PERIOD, rel=1e-3)


def test_loosest_tolerance_that_is_as_exact(monkeypatch):
    exact = bench.first_spikes(T, beats(0.0))
    monkeypatch.setattr(bench, "_run", lambda few, end, rtol, atol: beats(1e-3 * rtol))
    one = bench.spiking(1)
    rtol, error = bench.as_exact(one, exact, 1.0, 5e-11 / bench.PERIOD)
    assert rtol == pytest.approx(10**-7.5, rel=1e-6) and error == pytest.approx(1e-3 * rtol / bench.PERIOD, rel=1e-3)
    assert bench.as_exact(one, exact, 1.0, 0.0)[0] == pytest.approx(1e-10)


@pytest.mark.slow
def test_exact_times_are_those_of_a_full_run():
    """From the samples that the run has, though it ends sooner: 27 periods, as 20 are kept."""
    one, end = bench.member(bench.spiking(2), np.arange(1)), 27 * bench.PERIOD
    known = bench.exact_times(one, end)
    assert not np.isnan(known).any()
    assert bench.off(known, bench._run(one, end, rtol=1e-8, atol=1e-10), end) < 1e-6
