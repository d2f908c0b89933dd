"""How noisy a measured column is, told from the column itself."""

import numpy as np

_FIFTH = np.array([1.0, -5.0, 10.0, -10.0, 5.0, -1.0])
"""Fifth differences: blind to anything that a polynomial of degree four can follow."""
_MAD = 1.4826


def estimate_noise(y: np.ndarray) -> tuple[float, float]:
    """Floor and relative part of sigma(y)^2 = floor^2 + (relative y)^2.

    Local fifth differences, binned by |y|; in each bin the median, so that jumps and kinks do not count.
    A noiseless trace gets a floor of 1e-6 of its largest value and no less than its resolution.

    Args:
        y: samples in the order of measurement, shape (n,).

    Returns:
        (floor, relative), floor in the unit of y and always positive.
    """
    y = np.asarray(y, dtype=float)
    top = float(np.max(np.abs(y))) or 1.0
    distinct = np.diff(np.unique(y))
    resolution = float(np.min(distinct)) if len(distinct) else 0.0
    least = max(1e-6 * top, min(0.3 * resolution, 1e-3 * top))
    if len(y) < 16:
        return least, 0.02
    local = np.convolve(y, _FIFTH, mode="valid") / np.linalg.norm(_FIFTH)
    size = np.median(np.abs(np.lib.stride_tricks.sliding_window_view(y, len(_FIFTH))), axis=1)
    order = np.argsort(size)
    bins = np.array_split(order, max(3, min(12, len(y) // 20)))
    level = np.array([np.median(size[b]) for b in bins])
    sigma = np.array([_MAD * np.median(np.abs(local[b])) for b in bins])
    return _two_parts(level, sigma, least)


def _two_parts(level: np.ndarray, sigma: np.ndarray, least: float) -> tuple[float, float]:
    """Robust fit of sigma^2 = floor^2 + (relative level)^2 on logarithms, on a grid."""
    ratio = sigma / np.maximum(level, 1e-300)
    floors = np.geomspace(max(least, sigma.min() / 10), max(least, sigma.max()) * 2, 60)
    relatives = np.concatenate([[0.0], np.geomspace(max(ratio.min() / 3, 1e-7), max(ratio.max(), 1e-6), 60)])
    model = np.sqrt(floors[:, None, None] ** 2 + (relatives[None, :, None] * level) ** 2)
    misfit = np.abs(np.log(np.maximum(sigma, least)) - np.log(model)).sum(axis=-1)
    k, j = np.unravel_index(np.argmin(misfit), misfit.shape)
    return float(max(floors[k], least)), float(min(relatives[j], 0.5))
