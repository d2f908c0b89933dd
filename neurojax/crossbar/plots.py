"""Pictures of a reading: every cell as a square. Each function takes an Axes or makes one, and returns it."""

from typing import Any

import numpy as np

from neurojax.crossbar.reading import Reading
from neurojax.errors import DataError
from neurojax.plot import axes

KINDS: dict[str, tuple[str, str]] = {
    "v_rows": ("voltage of the rows", "V"),
    "v_columns": ("voltage of the columns", "V"),
    "v_cells": ("voltage across the cells", "V"),
    "i_cells": ("current of the cells", "A"),
}


def heat_map(reading: Reading, kind: str = "v_cells", *, which: int = 0, ax: Any = None) -> Any:
    """Voltages or currents of all cells as a map.

    Args:
        reading: of an array. kind: "v_rows", "v_columns", "v_cells" or "i_cells". which: input of a batch, counted
            through all its axes. ax: where to draw.

    Raises:
        DataError: another kind.
    """
    from matplotlib.ticker import EngFormatter, MaxNLocator

    if kind not in KINDS:
        raise DataError(f"kind = {kind!r} must be one of {', '.join(KINDS)}.")
    name, unit = KINDS[kind]
    values = np.asarray(getattr(reading, kind))
    ax = axes(ax, title=name)
    ax.grid(False)
    image = ax.imshow(values.reshape(-1, *values.shape[-2:])[which], aspect="auto", interpolation="nearest")
    ax.figure.colorbar(image, ax=ax, format=EngFormatter(unit=unit))
    ax.set_xlabel("column")
    ax.set_ylabel("row")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    return ax


def output_errors(reading: Reading, ideal: Any, *, ax: Any = None) -> Any:
    """What wires take from the output currents, over the largest of them, column by column; inputs as points.

    Args:
        reading: of an array. ideal: currents without wires (A), of the shape of `reading.i`. ax: where to draw.

    Raises:
        DataError: currents of another shape.
    """
    i, ideal = np.asarray(reading.i), np.asarray(ideal)
    if i.shape != ideal.shape:
        raise DataError(f"ideal currents have shape {ideal.shape}, those of the reading {i.shape}.")
    ax = axes(ax, title="error of the outputs")
    error = 100 * (i - ideal) / np.max(np.abs(ideal))
    columns = np.broadcast_to(np.arange(i.shape[-1]), i.shape)
    ax.plot(columns.ravel(), error.ravel(), ".", color="C3", markersize=4)
    ax.axhline(0.0, color="0.4", linewidth=0.8)
    ax.set_xlabel("column")
    ax.set_ylabel("error (% of the largest)")
    return ax
