"""Laboratory files as they come: `read_csv` finds delimiter, preamble, header, units and columns.

Everything that had to be assumed is written into `trace.notes`; everything that cannot be used is a
`DataError` that names the row, the column and the cure. Cells are read in `_table.py`, names and units
of columns in `_columns.py`; `repeats.py` averages what was repeated.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from neurojax._columns import Column, choose, without_unit
from neurojax._table import Table, read_table
from neurojax.errors import DataError
from neurojax.pulses import PulseTrace
from neurojax.trace import Trace


def read_csv(
    path: str | os.PathLike,
    *,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    sweep_rate: float | None = None,
    sign: int = 1,
    offset: float = 0.0,
    area: float | None = None,
    kind: str = "auto",
    pulse: bool = False,
    width: float | None = None,
    v_read: float = 0.1,
    independent: bool = False,
    cycle: int | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    name: str | None = None,
) -> Trace | PulseTrace:
    """Read one measurement from a text table.

    Args:
        path: CSV, TSV or the text export of an instrument.
        columns: role -> column name, where the names do not tell: roles are "t", "v", "i", "r", "g", "n" (cycle or
            pulse number) and, for pulses, "width". Units are read from the names ("V (mV)", "Id[uA]", "time_ms").
        units: role -> unit, where the names are wrong or silent, e.g. {"v": "mV"}.
        sweep_rate: V/s, when the file has no time column.
        sign: -1 if the instrument counts the current out of the device. offset: current to subtract (A).
        area: of the device (m^2), when the file holds a current density.
        kind: "pulse" for a pulse-read sequence (amplitude, reading after each pulse), "trace" for a sweep; "auto"
            takes a file for pulses if a pulse width is given or is a column. pulse: short for kind="pulse".
        width: pulse width (s) when there is no such column; v_read: voltage of the reading (V); independent: the
            device is initialised before each pulse.
        cycle: keep this one of several sweeps: the rows with this number in the cycle column (`record`, `pulse`,
            `cycle` ...) or, without one, the sweep counted from zero.
        delimiter, decimal: found out if None. name: defaults to the name of the file.

    Returns:
        Trace, or PulseTrace for pulses.

    Raises:
        DataError: anything that keeps the file from being understood, with the row and what to do.
    """
    _check_options(sign, offset, area, width, sweep_rate, kind)
    table = read_table(path, delimiter=delimiter, decimal=decimal)
    pulsed = kind == "pulse" or pulse
    if kind == "auto" and not pulsed:
        pulsed = width is not None or any(c.role == "width" for c in table.columns)
    taken = choose(table.columns, columns or {}, units or {}, pulse=pulsed, where=str(path))
    data = {role: table.values(column, factor=factor) for role, (column, _, factor) in taken.items() if role != "n"}
    about = dict(
        name=Path(path).stem if name is None else name,
        source=str(path),
        notes=(*table.notes, *without_unit(taken, units or {})),
    )
    if "n" in taken and cycle is not None:
        data = _rows_of(cycle, table, taken["n"][0], data)
        cycle = None
    current = _current(data, taken, sign, offset, area, v_read if pulsed else None, table)
    if pulsed:
        return _pulses(data, current, width, v_read, independent, about)
    return _sweep(data, current, sweep_rate, cycle, about)


def read_ramps(
    path: str | os.PathLike, *, amplitude: float, width: float, v_read: float = 0.1, as_current: bool = True
) -> list[PulseTrace]:
    """Read a matrix of pulse ramps: one header row, a row a pulse, a column a ramp.

    Args:
        path: the file; ramps may end early (empty cells below). amplitude (V), width (s): of every pulse.
        v_read: voltage of the reading (V). as_current: cells are read currents (A), else conductances (S).

    Returns:
        One PulseTrace a ramp, conductance = current / v_read.

    Raises:
        DataError: as `read_csv`, and gaps inside a ramp.
    """
    table = read_table(path)
    ramps = []
    for column in table.columns:
        cells = table.values(column, blank=True)
        known = np.isfinite(cells)
        n = int(known.sum())
        if n == 0 or not known[:n].all():
            raise DataError(
                f"{path}, column {column.title!r}: reading {int(np.argmin(known)) + 1} is missing. A ramp may end "
                "early but not pause; fill the cell or delete the column."
            )
        ramps.append(
            PulseTrace(
                np.full(n, float(amplitude)), width, cells[:n] / (v_read if as_current else 1.0), v_read,
                name=column.title, source=str(path),
            )
        )  # fmt: skip
    return ramps


def _check_options(sign, offset, area, width, rate, kind) -> None:
    if sign not in (1, -1):
        raise DataError(f"sign = {sign} must be 1 or -1.")
    if not np.isfinite(offset):
        raise DataError(f"offset = {offset} must be a finite current in A.")
    if kind not in ("auto", "trace", "pulse"):
        raise DataError(f"kind = {kind!r} must be 'auto', 'trace' or 'pulse'.")
    for label, value, unit in (("area", area, "m^2"), ("width", width, "s"), ("sweep_rate", rate, "V/s")):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise DataError(f"{label} = {value} must be a positive number of {unit}. Leave it out if the file tells.")


def _rows_of(cycle: int, table: Table, column: Column, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    number = table.values(column)
    if not np.any(number == cycle):
        known = np.unique(number)
        listed = ", ".join(f"{x:g}" for x in known[:12]) + (" ..." if len(known) > 12 else "")
        raise DataError(f"{table.path}: column {column.title!r} has no cycle {cycle}; it holds {listed}.")
    return {role: values[number == cycle] for role, values in data.items()}


def _current(data, taken, sign, offset, area, v_read, table) -> np.ndarray:
    """The current of each row (A); of pulses, the one at the reading."""
    role = next(r for r in ("i", "g", "r") if r in data)
    column, kind, _ = taken[role]
    values = data[role]
    if role == "r":
        bad = np.flatnonzero(values <= 0)
        if bad.size:
            raise DataError(
                f"{table.path}, data row {bad[0] + 1}, column {column.title!r}: a resistance of {values[bad[0]]:g} ohm "
                "must be positive. Was the cell open or shorted? Remove the row."
            )
        values = 1 / values
    if role != "i":
        return values * (data["v"] if v_read is None else v_read)
    if (kind == "current density") != (area is not None):
        raise DataError(
            f"{table.path}: column {column.title!r} is a {kind}; "
            + ("give the area of the device in m^2: area=1e-12." if area is None else "leave area= out.")
        )
    return sign * values * (1.0 if area is None else area) - offset


def _sweep(data, current, rate, cycle, about) -> Trace:
    notes = list(about.pop("notes"))
    if "t" not in data:
        data["t"] = _time_from_rate(data["v"], rate, about["source"])
        notes.append(f"time from a sweep rate of {rate:g} V/s")
    elif rate is not None:
        notes.append("the file has a time column, so sweep_rate is not used")
    if cycle is not None and np.any(np.diff(data["t"]) < 0):
        # Each cycle has a clock of its own.
        starts = np.concatenate([[0], np.flatnonzero(np.diff(data["t"]) < 0) + 1, [len(data["t"])]])
        _check_cycle(cycle, len(starts) - 1, about["source"])
        part = slice(starts[cycle], starts[cycle + 1])
        return Trace(data["t"][part], data["v"][part], current[part], notes=tuple(notes), **about)
    trace = Trace(data["t"], data["v"], current, notes=tuple(notes), **about)
    if cycle is None:
        return trace
    cycles = trace.cycles()
    _check_cycle(cycle, len(cycles), about["source"])
    return cycles[cycle]


def _check_cycle(cycle: int, n: int, path: str) -> None:
    if not 0 <= cycle < n:
        raise DataError(f"{path} holds {n} cycles; cycle = {cycle} must be 0 to {n - 1}.")


def _time_from_rate(v: np.ndarray, rate: float | None, path: str) -> np.ndarray:
    if rate is None:
        raise DataError(
            f"{path} has no time column. Give the sweep rate in V/s: read_csv(..., sweep_rate=1.0) or "
            "--sweep-rate 1.0. "
            "If each row is a reading after a pulse: read_csv(..., width=1e-6) or --pulses --width 1e-6."
        )
    step = np.abs(np.diff(v))
    # Where the voltage stands still (turning points, settling) a sample still takes time.
    pause = np.median(step[step > 0]) if np.any(step > 0) else 1.0
    return np.concatenate([[0.0], np.cumsum(np.where(step > 0, step, pause))]) / rate


def _pulses(data, current, width, v_read, independent, about) -> PulseTrace:
    if "width" not in data:
        if width is None:
            raise DataError(
                f"{about['source']} has no pulse width column. Give it in seconds: read_csv(..., width=1e-6) "
                "or --width 1e-6."
            )
        data["width"] = np.full(len(data["v"]), float(width))
    if v_read == 0 or not np.isfinite(v_read):
        raise DataError(f"v_read = {v_read} V: a reading needs a voltage that is not zero.")
    return PulseTrace(data["v"], data["width"], current / v_read, v_read, independent=independent, **about)
