"""Tables that are refined until what they miss between their nodes, as measured there, is below a tolerance.

Errors are of each of some channels, in parts of its scale. Intervals are halved where their middle is missed by more
than half of the tolerance; in the end all are looked at once more at a quarter and at three quarters of their width.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from neurojax.errors import ProgrammingError
from neurojax.programming._axis import axis, cubic, limited, slopes
from neurojax.programming.curve import Curve, Surface

Sample = Callable[[np.ndarray], np.ndarray]
"""Places (n, dims) in the unit cube -> values (n, channels)."""
START, LEVELS = 4, 12
"""A first grid of 2^START intervals, a finest of 2^LEVELS of them."""
FINEST = 2 ** (LEVELS + 2)
MOST = 100_000
"""Values that one table may take."""


class Known:
    """Values at places of the finest lattice, each asked for once."""

    def __init__(self, sample: Sample, dims: int):
        self.sample, self.dims, self.found = sample, dims, {}

    def __call__(self, places: np.ndarray) -> np.ndarray:
        """Values (n, channels) at integer places (n, dims)."""
        keys = [tuple(p) for p in places.tolist()]
        new = list(dict.fromkeys(k for k in keys if k not in self.found))
        if len(self.found) + len(new) > MOST:
            raise ProgrammingError(
                f"the table would take more than {MOST} runs. Ask for a larger tol, shorter pulses or fewer amplitudes."
            )
        if new:
            values = self.sample(np.asarray(new, float) / FINEST)
            self.found.update(zip(new, values, strict=True))
        return np.stack([self.found[k] for k in keys])


def curve_table(sample: Sample, scale: Any, tol: float, what: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places of nodes (k,), values there (k, channels), and the error of each channel.

    Args:
        sample: see `Sample`, of one dimension. scale: of each channel. tol: allowed. what: for the message.

    Raises:
        ProgrammingError: it is missed where intervals are finest.
    """
    known, scale = Known(sample, 1), np.asarray(scale, float)
    nodes = np.arange(0, FINEST + 1, FINEST >> START)
    for parts, least in ((np.asarray([2]), 0.5), (np.asarray([1, 3]), 1.0)) * (LEVELS + 1):
        while True:
            y = known(nodes[:, None])
            at = (nodes[:-1, None] + np.diff(nodes)[:, None] * parts // 4).ravel()
            missed = np.abs(known(at[:, None]) - _along(nodes, y, at)) / scale
            worst = missed.max(axis=1).reshape(-1, len(parts)).max(axis=1)
            split = worst > least * tol
            if not split.any():
                break
            nodes = _halved(nodes, split, worst, tol, what)
        if parts[0] == 1 and not (_middles(known, nodes, scale) > tol).any():
            return nodes, known(nodes[:, None]), np.maximum(missed.max(axis=0), _middles(known, nodes, scale))
    raise ProgrammingError(f"{what}: a table with tol = {tol:g} was not found. Ask for a larger tol.")


def _middles(known: Known, nodes: np.ndarray, scale: np.ndarray) -> np.ndarray:
    at = (nodes[:-1] + nodes[1:]) // 2
    return (np.abs(known(at[:, None]) - _along(nodes, known(nodes[:, None]), at)) / scale).max(axis=0)


def _halved(nodes: np.ndarray, split: np.ndarray, worst: np.ndarray, tol: float, what: str) -> np.ndarray:
    widths = np.diff(nodes)
    if (split & (widths <= 4)).any():
        k = int(np.argmax(np.where(split & (widths <= 4), worst, 0.0)))
        raise ProgrammingError(
            f"{what}: at {nodes[k] / FINEST:.5g} of the range the table misses by {worst[k]:.2g} of the scale, and its "
            f"intervals are as small as they get (2^-{LEVELS}); tol = {tol:g}. The device runs away there: try shorter "
            "or lower pulses, a smaller span, or a larger tol."
        )
    return np.sort(np.concatenate([nodes, (nodes[:-1] + widths // 2)[split]]))


def _bends(nodes: np.ndarray, y: np.ndarray) -> np.ndarray:
    x = nodes / FINEST
    return limited(x, y, slopes(x, y))


def _along(nodes: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The table at places `at`, (n, ...)."""
    x, m = nodes / FINEST, _bends(nodes, y)
    k = np.clip(np.searchsorted(nodes, at, side="right") - 1, 0, len(nodes) - 2)
    wide = lambda a: a.reshape(-1, *[1] * (y.ndim - 1))  # noqa: E731
    h = wide(x[k + 1] - x[k])
    return cubic(wide(at / FINEST - x[k]) / h, h, (y[k], m[k]), (y[k + 1], m[k + 1]))


def curves(nodes: np.ndarray, y: np.ndarray, low: float, high: float) -> list[Curve]:
    """A curve for each channel, over the range from `low` to `high`."""
    shared = axis(nodes, FINEST, low, high)
    dtype, m = shared.nodes.dtype, _bends(nodes, y) / (high - low)
    return [Curve(shared, jnp.asarray(y[:, c], dtype), jnp.asarray(m[:, c], dtype)) for c in range(y.shape[1])]


def surface_table(sample: Sample, scale: Any, tol: float, what: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, Any]:
    """Places of the nodes of x (k,) and v (m,), values (k, m, channels), and the error of each channel.

    Args:
        sample: see `Sample`, of two dimensions. scale, tol, what: as in `curve_table`.

    Raises:
        ProgrammingError: as `curve_table`.
    """
    known, scale = Known(sample, 2), np.asarray(scale, float)
    xs = vs = np.arange(0, FINEST + 1, FINEST >> START)
    while True:
        x_mid, v_mid = (xs[:-1] + xs[1:]) // 2, (vs[:-1] + vs[1:]) // 2
        table = _grid(known, xs, vs)
        of_x = _missed(known, table, xs, vs, x_mid, vs, scale).max(axis=(1, 2))
        of_v = _missed(known, table, xs, vs, xs, v_mid, scale).max(axis=(0, 2))
        if (of_x > tol / 2).any() or (of_v > tol / 2).any():
            xs, vs = _halved(xs, of_x > tol / 2, of_x, tol, what), _halved(vs, of_v > tol / 2, of_v, tol, what)
            continue
        off = _missed(known, table, xs, vs, x_mid, v_mid, scale)
        off_x = xs[:-1] + np.diff(xs) // 4 * (1 + 2 * (np.arange(len(xs) - 1) % 2))
        off = np.maximum(off, _missed(known, table, xs, vs, off_x, v_mid, scale))
        worst = off.max(axis=2)
        if not (worst > tol).any():
            either = max(of_x.max(), of_v.max())
            return xs, vs, table, np.maximum(off.max(axis=(0, 1)), either)
        xs = _halved(xs, worst.max(axis=1) > tol, worst.max(axis=1), tol, what)
        vs = _halved(vs, worst.max(axis=0) > tol, worst.max(axis=0), tol, what)


def _grid(known: Known, xs: np.ndarray, vs: np.ndarray) -> np.ndarray:
    pairs = np.stack(np.meshgrid(xs, vs, indexing="ij"), axis=-1)
    return known(pairs.reshape(-1, 2)).reshape(len(xs), len(vs), -1)


def _missed(known: Known, table: np.ndarray, xs, vs, at_x, at_v, scale: np.ndarray) -> np.ndarray:
    """By how much the table misses on a grid of places, in parts of the scale, (n, m, channels)."""
    rows = _along(xs, table, at_x)
    bends = _along(xs, _across(vs, table), at_x)
    found = _between(vs, rows, bends, at_v)
    return np.abs(found - _grid(known, at_x, at_v)) / scale


def _across(vs: np.ndarray, table: np.ndarray) -> np.ndarray:
    return np.swapaxes(_bends(vs, np.swapaxes(table, 0, 1)), 0, 1)


def _between(vs: np.ndarray, y: np.ndarray, m: np.ndarray, at: np.ndarray) -> np.ndarray:
    k = np.clip(np.searchsorted(vs, at, side="right") - 1, 0, len(vs) - 2)
    x = vs / FINEST
    h = (x[k + 1] - x[k])[None, :, None]
    return cubic((at / FINEST - x[k])[None, :, None] / h, h, (y[:, k], m[:, k]), (y[:, k + 1], m[:, k + 1]))


def surfaces(xs: np.ndarray, vs: np.ndarray, table: np.ndarray, spans: Any) -> list[Surface]:
    """A surface for each channel; spans: (low, high) of x and of v."""
    (low, high), (least, most) = spans
    axes = axis(xs, FINEST, low, high), axis(vs, FINEST, least, most)
    by_x, by_v = _bends(xs, table) / (high - low), _across(vs, table) / (most - least)
    # The same as along x of the slopes across, which is how the table was measured.
    by_both = _bends(xs, by_v) / (high - low)
    parts = (table, by_x, by_v, by_both)
    dtype = axes[0].nodes.dtype
    return [Surface(*axes, *(jnp.asarray(p[..., c].ravel(), dtype) for p in parts)) for c in range(table.shape[2])]
