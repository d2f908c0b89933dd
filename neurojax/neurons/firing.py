"""What a spike train looks like in a few numbers: intervals, irregularity, adaptation, bursts."""

from typing import Any

import numpy as np

from neurojax.errors import DataError


def intervals(times: Any) -> np.ndarray:
    """Times from spike to spike (s); what is not finite is left out.

    Args:
        times: of the spikes (s), increasing, shape (spikes,).
    """
    t = np.asarray(times)
    return np.diff(t[np.isfinite(t)])


def interval_variation(times: Any) -> float:
    """CV, standard deviation of the intervals over their mean: 0 of a clock, 1 of a Poisson process.

    Args:
        times: as in `intervals`.

    Raises:
        DataError: fewer than three spikes.
    """
    gaps = _enough(times)
    return float(np.std(gaps, ddof=1) / np.mean(gaps))


def fano_factor(counts: Any) -> float:
    """Variance over mean of the number of spikes in windows of one length: 1 of a Poisson process.

    Args:
        counts: shape (windows,).

    Raises:
        DataError: fewer than two windows, or no spike in any.
    """
    n = np.asarray(counts, float)
    if n.size < 2 or not n.any():
        raise DataError(f"a Fano factor needs two windows and a spike, there are {n.size} and {n.sum():.0f}: go on.")
    return float(np.var(n, ddof=1) / np.mean(n))


def adaptation_index(times: Any) -> float:
    """Mean of (g_{k+1} - g_k)/(g_{k+1} + g_k) over the intervals g: above 0 when firing slows, below when it quickens.

    Args:
        times: as in `intervals`.

    Raises:
        DataError: fewer than three spikes.
    """
    gaps = _enough(times)
    return float(np.mean(np.diff(gaps) / (gaps[1:] + gaps[:-1])))


def burst_sizes(times: Any, gap: float) -> np.ndarray:
    """Numbers of spikes in groups within which no interval is longer than `gap`.

    Args:
        times: as in `intervals`. gap: s.
    """
    found = intervals(times)
    ends = np.flatnonzero(found > gap)
    return np.diff(np.concatenate([[-1], ends, [found.size]]))


def _enough(times: Any) -> np.ndarray:
    gaps = intervals(times)
    if gaps.size < 2:
        raise DataError(f"intervals are compared between three spikes or more, here are {gaps.size + 1}: look longer.")
    return gaps
