"""What a fit knows and what it does not: covariance and its directions, in words."""

import numpy as np

UNSEEN = 1e12
UNDETERMINED = 2.0
"""Standard deviation in the coordinate of the bijection from which on the whole box is possible."""


def covariance(hessian: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Inverse of J^T J over the parameters that are not `held` (at a bound); infinite-like (1e12) variance for those.

    Each parameter is scaled by its own curvature first, so that one that the data do not see does not spoil
    the others by rounding. Directions that the data do not see get an infinite-like variance too.
    """
    curvature = np.diag(hessian)
    seen = ~held & (curvature > 1e-12)
    found = np.diag(np.full(len(hessian), UNSEEN))
    if seen.any():
        scale = 1 / np.sqrt(curvature[seen])
        values, vectors = np.linalg.eigh(scale[:, None] * hessian[np.ix_(seen, seen)] * scale)
        floor = len(values) * 1e-14
        inverse = np.where(values > floor, 1 / np.maximum(values, floor), UNSEEN)
        found[np.ix_(seen, seen)] = scale[:, None] * ((vectors * inverse) @ vectors.T) * scale
    return found


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
