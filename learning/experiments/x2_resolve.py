"""The currents of a chip of experiment X2 once more: Kirchhoff's equations of all nodes as one matrix, Newton's method.

resolve(task, chip)          largest difference over the largest current
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from learning.experiments.x2_array import Chip, Task, digits

STEPS = 60
INPUTS = 5
Matrix = Float[np.ndarray, "n m"]


class Cells(NamedTuple):
    """Cells of an array: i = g v, or with v_0 (V) i = g v_read sinh(v/v_0)/sinh(v_read/v_0)."""

    g: Matrix
    v_read: float
    v_0: float | None

    def current(self, v: Matrix) -> tuple[Matrix, Matrix]:
        """Currents (A) and their slopes (S) at voltages `v`."""
        if self.v_0 is None:
            return self.g * v, self.g
        scale = self.g * self.v_read / np.sinh(self.v_read / self.v_0)
        return scale * np.sinh(v / self.v_0), scale * np.cosh(v / self.v_0) / self.v_0


def resolve(task: Task, chip: Chip) -> float:
    """Currents of all columns for some digits, by a direct solution beside ours: largest difference over largest.

    Args:
        task: with the wires. chip: whose circuit is solved, without spread and noise.
    """
    g = task.conductances(chip, None)
    v = chip.v_read * digits().x_test[:INPUTS]
    rows = -(-v.shape[1] // task.tiles)
    tiles = np.pad(np.asarray(v), ((0, 0), (0, task.tiles * rows - v.shape[1]))).reshape(INPUTS, task.tiles, rows)
    tiles = tiles.swapaxes(0, 1)
    ours = np.asarray(task.currents(chip, g, jnp.asarray(tiles))[0])
    segment, driver = task.ohm / float(chip.pitch), float(chip.driver)
    v_0 = float(chip.v_0) if task.selector else None
    exact = [
        [direct(Cells(np.asarray(tile), float(chip.v_read), v_0), segment, driver, one) for one in several]
        for tile, several in zip(g, tiles, strict=True)
    ]
    return float(np.abs(ours - np.asarray(exact)).max() / np.abs(np.asarray(exact)).max())


def direct(cells: Cells, segment: float, driver: float, v: Float[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    """Currents out of the columns (A).

    Args:
        cells: of the array. segment: of a line, driver: of a row (ohm). v: of the rows (V).
    """
    n, m = cells.g.shape
    row, column = np.arange(n * m).reshape(n, m), n * m + np.arange(n * m).reshape(n, m)
    y, along, into = np.zeros((2 * n * m, 2 * n * m)), 1 / segment, 1 / (segment + driver)
    _join(y, row[:, :-1], row[:, 1:], along)
    _join(y, column[:-1], column[1:], along)
    y[row[:, 0], row[:, 0]] += into
    y[column[-1], column[-1]] += along
    pushed = np.zeros(2 * n * m)
    pushed[row[:, 0]] = into * v
    u = np.zeros(2 * n * m)
    for _ in range(STEPS):
        i, slope = cells.current(u[row] - u[column])
        miss = y @ u - pushed
        np.add.at(miss, row.ravel(), i.ravel())
        np.add.at(miss, column.ravel(), -i.ravel())
        whole = y.copy()
        _join(whole, row, column, slope)
        step = np.linalg.solve(whole, -miss)
        if cells.v_0 is not None:  # a sinh is never left by more than its own scale
            step *= min(1.0, cells.v_0 / max(np.abs(step[row] - step[column]).max(), 1e-300))
        u = u + step
        if np.abs(step).max() < 1e-13 * np.abs(v).max():
            break
    return u[column[-1]] * along


def _join(y: np.ndarray, a: np.ndarray, b: np.ndarray, g: Matrix | float) -> None:
    """Conductances `g` between nodes `a` and `b` of a matrix `y`."""
    a, b, value = a.ravel(), b.ravel(), np.broadcast_to(g, a.shape).ravel()
    for p, q, sign in ((a, b, -1), (b, a, -1), (a, a, 1), (b, b, 1)):
        np.add.at(y, (p, q), sign * value)
