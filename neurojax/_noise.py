"""How noisy a measured column is, told from the column itself: sigma(y)^2 = floor^2 + (relative y)^2.

What a smooth signal cannot do from sample to sample is noise. Fifth differences d_k are blind to anything
that a polynomial of degree four can follow, and the scale of d_k is fitted with a Cauchy likelihood, which
counts a switching jump as one odd sample and not as noise.
"""

from typing import Any

import numpy as np

_FIFTH = np.array([1.0, -5.0, 10.0, -10.0, 5.0, -1.0])
# The Cauchy scale that fits Gaussian samples of unit deviation best: mean(x^2 / (c^2 + x^2)) = 1/2.
_CAUCHY = 0.6120
_FEW = 16
_MANY = 4000


def estimate_noise(y: np.ndarray, groups: np.ndarray | None = None) -> tuple[float, float]:
    """Floor and relative part of the noise of a column.

    A noiseless column gets a floor of 1e-6 of its largest value, a quantised one the deviation of its step.

    Args:
        y: samples in the order of measurement, shape (n,).
        groups: number of the condition of each sample, shape (n,): the noise is then the scatter between samples
            of one condition, for columns whose neighbours are not related.

    Returns:
        (floor, relative), floor in the unit of y and always positive.
    """
    y = np.asarray(y, dtype=float)
    top = float(np.max(np.abs(y), initial=0.0)) or 1.0
    least = max(1e-6 * top, _quantum(y) / np.sqrt(12))
    if len(y) < _FEW:
        return least, 0.02
    deviation, level = _differences(y) if groups is None else _scatter(y, groups)
    if len(deviation) > _MANY:
        every = np.linspace(0, len(deviation) - 1, _MANY).astype(int)
        deviation, level = deviation[every], level[every]
    return _likeliest(deviation, level, least, top) if len(deviation) else (least, 0.02)


def given_or_estimated(data: Any, y: np.ndarray, groups: np.ndarray | None = None) -> tuple[float, float]:
    """The noise that a measurement declares; what it does not, estimated from its samples y."""
    floor, relative = data.noise_floor, data.noise_relative
    if floor is None or relative is None:
        estimate = estimate_noise(y, groups)
        floor, relative = estimate[0] if floor is None else floor, estimate[1] if relative is None else relative
    return float(floor), float(relative)


def _differences(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normalised fifth differences and the mean square of the samples in each."""
    weight = _FIFTH**2 / np.sum(_FIFTH**2)
    return np.convolve(y, _FIFTH, mode="valid") / np.linalg.norm(_FIFTH), np.convolve(y**2, weight, mode="valid")


def _scatter(y: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Deviation from the median of its group and the square of that median, of groups of three and more."""
    deviation, level = [np.empty(0)], [np.empty(0)]
    for group in np.unique(groups):
        member = y[groups == group]
        if len(member) > 2:
            deviation.append((member - np.median(member)) * np.sqrt(len(member) / (len(member) - 1)))
            level.append(np.full(len(member), np.median(member) ** 2))
    return np.concatenate(deviation), np.concatenate(level)


def _likeliest(deviation: np.ndarray, level: np.ndarray, least: float, top: float) -> tuple[float, float]:
    """Maximum of the Cauchy likelihood over (floor, relative), by grids that close in."""
    floors, relatives = np.geomspace(least, top, 25), np.concatenate([[0.0], np.geomspace(1e-5, 0.5, 24)])
    best = (least, 0.0)
    for _ in range(3):
        costs = [[_cost(f, r, deviation, level) for r in relatives] for f in floors]
        k, j = np.unravel_index(np.argmin(costs), (len(floors), len(relatives)))
        best = (float(floors[k]), float(relatives[j]))
        floors = np.geomspace(floors[max(k - 1, 0)], floors[min(k + 1, len(floors) - 1)], 7)
        low, high = relatives[max(j - 1, 0)], relatives[min(j + 1, len(relatives) - 1)]
        relatives = np.linspace(low, high, 7)
    # A floor far below the noise of the smallest sample cannot be told from none; half of that costs 12 % in sigma.
    return max(best[0], 0.5 * best[1] * float(np.sqrt(np.min(level)))), best[1]


def _cost(floor: float, relative: float, deviation: np.ndarray, level: np.ndarray) -> float:
    scale = _CAUCHY * np.sqrt(floor**2 + relative**2 * level)
    return float(np.sum(np.log(scale + deviation**2 / scale)))


def _quantum(y: np.ndarray) -> float:
    """The step of a quantised column, or zero: all values are multiples of it and neighbours often agree."""
    steps = np.diff(np.unique(y))
    if len(steps) == 0 or np.mean(np.diff(y) == 0) < 0.05:
        return 0.0
    step = float(np.median(steps[steps < 1.5 * np.min(steps)]))
    multiples = steps / step
    return step if np.all(np.abs(multiples - np.round(multiples)) < 0.01) else 0.0
