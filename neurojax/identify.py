"""What a fit knows and what it does not: covariance and its directions, in words."""

import numpy as np

UNDETERMINED = 2.0
"""Standard deviation in the coordinate of the bijection from which on the whole box is possible."""


def covariance(hessian: np.ndarray) -> np.ndarray:
    """Inverse of J^T J; directions that the data do not see get infinite-like (1e12) variance."""
    values, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T))
    floor = max(values.max(initial=0.0) * 1e-13, 1e-12)
    inverse = np.where(values > floor, 1 / np.maximum(values, floor), 1e12)
    return (vectors * inverse) @ vectors.T


def words(names: tuple[str, ...], relative: np.ndarray, threshold: float = 0.1) -> list[str]:
    """The badly determined directions of a covariance of relative changes, worst first.

    Args:
        relative: covariance of ln p (log scale) or of p over its range (linear scale), shape (n, n).
        threshold: standard deviation from which a direction is mentioned (0.1 is 10 %).
    """
    values, vectors = np.linalg.eigh(relative)
    sentences = []
    for k in np.argsort(values)[::-1]:
        spread = float(np.sqrt(max(values[k], 0.0)))
        if spread < threshold:
            break
        weights = vectors[:, k]
        strong = [j for j in np.argsort(-np.abs(weights)) if abs(weights[j]) > 0.15]
        sign = np.sign(weights[strong[0]])
        parts = [f"{names[j]}{'' if sign * weights[j] > 0 else ' (opposite)'}" for j in strong]
        amount = "not determined by these data" if spread > 10 else f"known to {100 * spread:.0f} % only"
        together = f"{parts[0]} alone" if len(parts) == 1 else "moving " + ", ".join(parts) + " together"
        sentences.append(f"{together}: {amount}")
    return sentences
