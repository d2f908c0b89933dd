"""Laboratory files as they come: `read_csv` finds delimiter, preamble, header, units and columns.

Everything that had to be assumed is written into `trace.notes`; everything that cannot be used is a
`DataError` that names the row, the column and the cure. Units live in `columns.py`.
"""

import itertools
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from neurojax.columns import Column, as_number, choose, classify
from neurojax.errors import DataError
from neurojax.trace import PulseTrace, Trace

_ENCODINGS = (("utf-8-sig", b"\xef\xbb\xbf"), ("utf-16", b"\xff\xfe"), ("utf-16", b"\xfe\xff"))


def read_csv(
    path: str | os.PathLike,
    *,
    columns: Mapping[str, str] | None = None,
    sweep_rate: float | None = None,
    sign: int = 1,
    offset: float = 0.0,
    pulse: bool = False,
    width: float | None = None,
    v_read: float = 0.1,
    independent: bool = False,
    name: str | None = None,
) -> Trace | PulseTrace:
    """Read one measurement from a text table.

    Args:
        path: CSV, TSV or the text export of an instrument.
        columns: role -> column name, where the names do not tell: roles are "t", "v", "i", "r", "g" and, for
            pulses, "width". Units are read from the names ("V (mV)", "Id[uA]", "time_ms") and converted to SI.
        sweep_rate: V/s, when the file has no time column.
        sign: -1 if the instrument counts the current out of the device. offset: current to subtract (A).
        pulse: True for a pulse-read sequence (amplitude, reading after each pulse). width: its pulse width (s)
            when there is no such column; v_read: voltage of the reading; independent: re-initialised each time.

    Returns:
        Trace, or PulseTrace with `pulse=True`.

    Raises:
        DataError: anything that keeps the file from being understood, with the row and what to do.
    """
    table = _Table.read(path)
    label = Path(path).stem if name is None else name
    if sign not in (1, -1):
        raise DataError(f"sign = {sign} must be 1 or -1.")
    taken = choose(table.columns, columns or {}, pulse=pulse, where=str(path))
    data = {role: table.values(column) for role, column in taken.items()}
    if pulse:
        return _pulses(data, width, v_read, independent, label, tuple(table.notes), str(path))
    notes = list(table.notes)
    if "t" not in data:
        data["t"] = _time_from_rate(data["v"], sweep_rate, str(path))
        notes.append(f"time from a sweep rate of {sweep_rate:g} V/s")
    current = data["i"] if "i" in data else data["v"] / data["r"] if "r" in data else data["v"] * data["g"]
    return Trace(data["t"], data["v"], sign * current - offset, name=label, notes=tuple(notes))


def read_ramps(path: str | os.PathLike, *, amplitude: float, width: float, v_read: float = 0.1) -> list[PulseTrace]:
    """Read a matrix of pulse ramps: one header row, a row a pulse, a column a ramp, read currents in A.

    Returns:
        One PulseTrace a ramp, conductance = current / v_read; a ramp ends at its first empty cell.
    """
    table = _Table.read(path, ragged=True)
    ramps = []
    for column in table.columns:
        current = table.values(Column(column.name, "i", 1.0, column.position), shorter=True)
        ramps.append(PulseTrace(np.full(len(current), amplitude), width, current / v_read, v_read, name=column.name))
    return ramps


def mean_ramp(ramps: list[PulseTrace], name: str = "mean ramp") -> PulseTrace:
    """Mean of ramps of like pulses, cut to the shortest one.

    sigma is the standard error of the pulse-to-pulse part of the scatter.

    Raises:
        DataError: fewer than two ramps, or pulses that differ.
    """
    if len(ramps) < 2:
        raise DataError(f"mean_ramp needs two or more ramps, got {len(ramps)}.")
    n = min(len(r) for r in ramps)
    if any(np.any(r.amplitude[:n] != ramps[0].amplitude[:n]) or r.v_read != ramps[0].v_read for r in ramps):
        raise DataError("mean_ramp needs ramps of the same pulses and read voltage; average those that agree.")
    values = np.stack([r.conductance[:n] for r in ramps])
    steps = np.diff(values - values.mean(axis=0), axis=1) / np.sqrt(2)
    sigma = np.full(values.shape[1], np.std(steps) / np.sqrt(len(ramps)))
    first = ramps[0]
    return PulseTrace(first.amplitude[:n], first.width[:n], values.mean(axis=0), first.v_read, name=name, sigma=sigma)


class _Table:
    """Cells of the file, the header understood, nothing converted yet."""

    def __init__(self, path: str, columns: list[Column], rows: list[list[str]], first_line: int, notes: list[str]):
        self.path, self.columns, self.rows, self.first_line, self.notes = path, columns, rows, first_line, notes
        self.comma = _decimal_comma(rows)

    @staticmethod
    def read(path: str | os.PathLike, *, ragged: bool = False) -> "_Table":
        lines = _text(path).splitlines()
        if not any(line.strip() for line in lines):
            raise DataError(f"{path} is empty. Was the export interrupted?")
        delimiter = _delimiter(lines)
        cells = [_split(line, delimiter) for line in lines]
        first = _first_data_row(cells, path)
        width = len(cells[first])
        notes = []
        header = next((cells[k] for k in range(first - 1, -1, -1) if len(cells[k]) == width), None)
        if header is None:
            header = {2: ["V (V)", "I (A)"], 3: ["t (s)", "V (V)", "I (A)"]}.get(width)
            if header is None:
                raise DataError(
                    f"{path} has {width} columns and no header row; add one such as 'time_s,voltage_V,current_A'."
                )
            notes.append(f"no header: columns taken as {', '.join(header)}")
        columns = [classify(title, k) for k, title in enumerate(header)]
        rows = []
        for k in range(first, len(cells)):
            if not cells[k] or not any(cells[k]):
                continue
            if ragged and len(cells[k]) < width:
                cells[k] += [""] * (width - len(cells[k]))
            if len(cells[k]) != width:
                raise DataError(
                    f"{path}, line {k + 1}: {len(cells[k])} cells where the first data row has {width}: "
                    f"{' | '.join(cells[k])[:60]!r}. Repair or delete the line."
                )
            rows.append(cells[k])
        return _Table(str(path), columns, rows, first, notes)

    def values(self, column: Column, *, shorter: bool = False) -> np.ndarray:
        """The numbers of a column in SI units; `shorter` lets it end before the others."""
        numbers = []
        for k, row in enumerate(self.rows):
            cell = row[column.position]
            if shorter and not cell:
                break
            value = as_number(cell, self.comma)
            if value is None or not np.isfinite(value):
                raise DataError(
                    f"{self.path}, data row {k + 1}, column {column.name!r}: {cell!r} is not a finite number. "
                    "Repair the cell or delete the row; nothing is dropped silently."
                )
            numbers.append(value)
        return np.asarray(numbers) * column.factor


def _text(path: str | os.PathLike) -> str:
    try:
        raw = Path(path).read_bytes()
    except FileNotFoundError:
        folder = Path(path).parent
        near = (
            sorted(p.name for p in folder.glob("*") if p.suffix.lower() in (".csv", ".txt", ".tsv", ".dat"))
            if folder.is_dir()
            else []
        )
        found = f" Tables in that folder: {', '.join(near[:8])}." if near else ""
        raise DataError(f"there is no file {path}.{found} Check the path.") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder; name one file in it.") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}. Check its permissions.") from None
    encoding = next((e for e, mark in _ENCODINGS if raw.startswith(mark)), None)
    if encoding is None and b"\x00" in raw[:4096]:
        raise DataError(
            f"{path} is not text (it holds zero bytes). Export it as CSV from the instrument or spreadsheet."
        )
    for candidate in [encoding] if encoding else ["utf-8", "latin-1"]:
        try:
            return raw.decode(candidate)
        except UnicodeDecodeError:
            continue
    raise DataError(f"{path} cannot be decoded as {encoding}. Save it as UTF-8.")


def _delimiter(lines: list[str]) -> str | None:
    """The character that splits the numeric lines most consistently; None for blanks."""
    numeric = [line for line in lines if line.strip() and sum(c.isdigit() for c in line) > 0.3 * len(line.strip())]
    sample = (numeric or lines)[-50:]
    for mark in ("\t", ";"):
        if all(mark in line for line in sample):
            return mark
    if all("," in line for line in sample):
        return ","
    return None


def _split(line: str, delimiter: str | None) -> list[str]:
    if line.lower().startswith("sep="):
        return []
    parts = line.split(delimiter) if delimiter else line.split()
    cells = [p.strip().strip('"').strip("'").strip() for p in parts]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _is_row(cells: list[str]) -> bool:
    return (
        len(cells) >= 2
        and sum(as_number(c, True) is not None or as_number(c, False) is not None for c in cells) >= 2
        and (as_number(cells[0], True) is not None or as_number(cells[0], False) is not None)
    )


def _first_data_row(cells: list[list[str]], path: str | os.PathLike) -> int:
    """First of two numeric rows of one width: below preamble, header and unit lines."""
    rows = [k for k, c in enumerate(cells) if _is_row(c)]
    for a, b in itertools.pairwise(rows):
        if len(cells[a]) == len(cells[b]):
            return a
    raise DataError(
        f"{path} has no table of numbers: no two rows with two or more numeric columns. "
        "It needs at least voltage and current columns."
    )


def _decimal_comma(rows: list[list[str]]) -> bool:
    cells = [c for row in rows[:50] for c in row]
    return any("," in c for c in cells) and not any("." in c for c in cells)


def _time_from_rate(v: np.ndarray, rate: float | None, path: str) -> np.ndarray:
    if rate is None:
        raise DataError(
            f"{path} has no time column. Give the sweep rate in V/s: read_csv(..., sweep_rate=1.0) or --sweep-rate 1.0."
        )
    if not (np.isfinite(rate) and rate > 0):
        raise DataError(f"sweep_rate = {rate} must be a positive number of V/s.")
    step = np.abs(np.diff(v))
    # Where the voltage stands still (turning points, settling) a sample still takes time.
    pause = np.median(step[step > 0]) if np.any(step > 0) else 1.0
    return np.concatenate([[0.0], np.cumsum(np.where(step > 0, step, pause))]) / rate


def _pulses(data, width, v_read, independent, label, notes, path) -> PulseTrace:
    if "width" not in data:
        if width is None:
            raise DataError(
                f"{path} has no pulse width column. Give it in seconds: read_csv(..., width=1e-6) or --width 1e-6."
            )
        if not (np.isfinite(width) and width > 0):
            raise DataError(f"width = {width} s must be positive.")
        data["width"] = np.full(len(data["v"]), float(width))
    conductance = data["g"] if "g" in data else 1 / data["r"] if "r" in data else data["i"] / v_read
    return PulseTrace(data["v"], data["width"], conductance, v_read, independent=independent, name=label, notes=notes)
