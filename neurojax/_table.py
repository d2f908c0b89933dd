"""From the bytes of a file to its cells: encoding, preamble, delimiter, decimal mark, header, rows."""

import csv
import dataclasses
import difflib
import itertools
import os
import re
from pathlib import Path

import numpy as np

from neurojax._columns import UNITS, Column, classify
from neurojax.errors import DataError

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_COMMENT = re.compile(r"^\s*(#|%|//|!|\*)\s*")
_ASSUMED = {2: ["V (V)", "I (A)"], 3: ["t (s)", "V (V)", "I (A)"]}


@dataclasses.dataclass
class Table:
    """Cells of a file with the header understood and nothing converted yet.

    Attributes:
        path: where it came from. columns: title, role and unit of each. rows: cells.
        lines: number of each row in the file. decimal: "." or ",". notes: what was assumed.
    """

    path: str
    columns: list[Column]
    rows: list[list[str]]
    lines: list[int]
    decimal: str
    notes: list[str]

    def values(self, column: Column, *, factor: float = 1.0, blank: bool = False) -> np.ndarray:
        """The numbers of a column times `factor`; empty cells are NaN if `blank`.

        Raises:
            DataError: a cell that is not a finite number, with its line and column.
        """
        numbers = np.empty(len(self.rows))
        for k, row in enumerate(self.rows):
            cell = row[column.position]
            value = np.nan if blank and cell == "" else as_number(cell, self.decimal)
            if value is None or not (np.isfinite(value) or (blank and cell == "")):
                raise DataError(self._bad_cell(k, column, cell))
            numbers[k] = value
        return numbers * factor

    def _bad_cell(self, k: int, column: Column, cell: str) -> str:
        where = f"{self.path}, line {self.lines[k]}, data row {k + 1}, column {column.title!r}"
        other = "," if self.decimal == "." else "."
        if cell == "":
            return f"{where}: the cell is empty. Fill it or delete the row; nothing is dropped silently."
        if other in cell and as_number(cell.replace(other, self.decimal), self.decimal) is not None:
            return f"{where}: {cell!r} has a decimal {other!r}, not {self.decimal!r}. Try decimal={other!r}."
        return f"{where}: {cell!r} is not a finite number. Repair it or delete the row; nothing is dropped silently."


def read_table(path: str | os.PathLike, *, delimiter: str | None = None, decimal: str | None = None) -> Table:
    """The table of numbers in a text file.

    Raises:
        DataError: no such file, not text, no table, rows of unequal length.
    """
    if decimal not in (None, ".", ","):
        raise DataError(f"decimal = {decimal!r} must be '.' or ',', or None to find out.")
    lines = _measured(read_text(path).splitlines())
    if not any(line.strip() for line in lines):
        raise DataError(f"{path} is empty. Was the export interrupted? Export it again.")
    delimiter = _delimiter(lines) if delimiter is None else delimiter
    cells = [_split(line, delimiter) for line in lines]
    first = _first_row(cells, lines, path)
    titles, units, notes = _header(cells, lines, delimiter, first, path)
    rows, numbers = [], []
    for k in range(first, len(cells)):
        if any(cells[k]) and not _COMMENT.match(lines[k]):
            rows.append(_fitted(cells[k], len(titles), k + 1, path))
            numbers.append(k + 1)
    sample = [c for row in rows for c in row]
    commas = any("," in c for c in sample) and not any("." in c for c in sample)
    mark = decimal or ("," if commas else ".")
    if mark == "," and decimal is None:
        notes.append("decimal comma")
    columns = [classify(title, k, unit) for k, (title, unit) in enumerate(zip(titles, units, strict=True))]
    return Table(str(path), columns, rows, numbers, mark, notes)


def as_number(cell: str, decimal: str) -> float | None:
    """The number in a cell, or None."""
    if decimal == ",":
        # With a decimal comma a point groups thousands or is a mistake: neither is guessed.
        if "." in cell:
            return None
        cell = cell.replace(",", ".")
    try:
        return None if "_" in cell else float(cell.replace("−", "-"))
    except ValueError:
        return None


def read_text(path: str | os.PathLike) -> str:
    """The text of a file in UTF-8, UTF-16 or Latin-1.

    Raises:
        DataError: no such file, a folder, not readable, not text.
    """
    try:
        raw = Path(path).read_bytes()
    except FileNotFoundError:
        raise DataError(f"there is no file {path}.{_neighbours(Path(path))} Check the path.") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder; name one file in it.{_neighbours(Path(path) / 'x.csv')}") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}. Check its permissions.") from None
    if raw.startswith(b"PK\x03\x04") or raw.startswith(b"\xd0\xcf\x11\xe0"):
        raise DataError(f"{path} is a workbook, not text. Save the sheet as CSV and read that.")
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), None)
    if encoding is None and len(raw) > 8 and raw[1:400:2].count(0) > 0.9 * len(raw[1:400:2]):
        encoding = "utf-16-le"
    control = sum(b < 9 or 13 < b < 32 for b in raw[:4096])
    if encoding is None and control > 0.01 * len(raw[:4096]):
        raise DataError(f"{path} is a binary file, not text. Export it as CSV from the instrument or spreadsheet.")
    for candidate in (encoding,) if encoding else ("utf-8", "latin-1"):
        try:
            return raw.decode(candidate)
        except UnicodeDecodeError:
            continue
    raise DataError(f"{path} cannot be decoded as {encoding}. Save it as UTF-8.")


def _neighbours(path: Path) -> str:
    if not path.parent.is_dir():
        return f" The folder {path.parent} does not exist either."
    names = sorted(p.name for p in path.parent.iterdir() if p.suffix.lower() in (".csv", ".txt", ".tsv", ".dat"))
    near = difflib.get_close_matches(path.name, names, n=3)
    if near:
        return f" Did you mean {' or '.join(repr(n) for n in near)}?"
    return f" Tables in that folder: {', '.join(names[:8])}." if names else ""


def _measured(lines: list[str]) -> list[str]:
    """Blank what no reader needs: "sep=" lines, and what surrounds the DataName/DataValue lines of a B1500."""
    keep = [("" if line.lower().strip('"').startswith("sep=") else line) for line in lines]
    if any(line.startswith("DataName") for line in keep):
        return [re.split(r"[,;\t]", k, maxsplit=1)[1] if re.match(r"Data(Name|Value)[,;\t]", k) else "" for k in keep]
    return keep


def _split(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None or delimiter == " ":
        # "V (mV)" is one title although blanks separate the columns.
        return [c.strip("\"'") for c in re.sub(r"\s+([(\[])", r"\1", line).split()]
    cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    return [c.strip().strip('"').strip("'").strip() for c in cells]


def _numeric(cell: str) -> bool:
    return as_number(cell, ".") is not None or as_number(cell, ",") is not None


def _is_row(cells: list[str]) -> bool:
    filled = [c for c in cells if c]
    return len(cells) >= 2 and bool(cells[0]) and _numeric(cells[0]) and sum(map(_numeric, filled)) >= 2


def _delimiter(lines: list[str]) -> str | None:
    """The mark that makes most of the cells numbers; None for blanks."""

    def score(mark: str | None) -> float:
        rows = [c for c in (_split(line, mark) for line in lines[-200:]) if _is_row(c)]
        return float(sum(sum(map(_numeric, filter(None, c))) / len([x for x in c if x]) for c in rows))

    return max(("\t", ";", ",", None), key=score)


def _first_row(cells: list[list[str]], lines: list[str], path: str | os.PathLike) -> int:
    """First of two numeric rows of one width: below preamble, header and unit lines."""
    rows = [k for k, c in enumerate(cells) if _is_row(c) and not _COMMENT.match(lines[k])]
    pairs = (a for a, b in itertools.pairwise(rows) if len(cells[a]) == len(cells[b]))
    first = next(pairs, rows[0] if rows else None)
    if first is None:
        titles = [
            c for line in lines for c in re.split(r"[,;\t]", line) if not _numeric(c) and classify(c, 0).score > 1
        ]
        if titles:
            raise DataError(
                f"{path} has a header ({', '.join(titles[:5])}) but no rows of numbers below it. Export again."
            )
        raise DataError(
            f"{path} has no table of numbers: no row has two numeric columns. "
            "It needs voltage and current columns; if the delimiter is unusual give delimiter=."
        )
    # A damaged first row is data, not a header: it must be reported, not skipped.
    while first and any(map(_numeric, filter(None, cells[first - 1]))) and len(cells[first - 1]) == len(cells[first]):
        first -= 1
    return first


def _header(
    cells: list[list[str]], lines: list[str], delimiter: str | None, first: int, path: str | os.PathLike
) -> tuple[list[str], list[str], list[str]]:
    """Titles, units (from a line of their own) and notes."""
    width = max(k + 1 for row in cells[first : first + 1000] for k, c in enumerate(row[: len(cells[first])]) if c)
    above = [_titles(_COMMENT.sub("", line), delimiter, width) for line in lines[first - 1 :: -1]] if first else []
    above = [row for row in above if len([c for c in row if c]) >= 2]
    units = [""] * width
    if len(above) > 1 and all(c.strip("()[] ") in UNITS or not c for c in above[0]):
        units = above.pop(0)
    header = above[0] if above else []
    if len(header) < width and not any(classify(c, 0).score for c in header):
        titles = _ASSUMED.get(width) or [f"column {k + 1}" for k in range(width)]
        return titles, units, [f"no header: columns taken as {', '.join(titles)}"]
    if len(header) * 2 == width and delimiter == ",":
        raise DataError(
            f"{path}: the header has {len(header)} columns and the rows have {width}: the decimal mark is a comma "
            "like the delimiter. Export with decimal points or with ';' between the columns."
        )
    if len(header) < width:
        raise DataError(f"{path}: the header has {len(header)} columns but the rows have {width}. Name every column.")
    # More titles than cells: the first row is short, and every row is measured against the header.
    return header, [*units, *[""] * len(header)][: len(header)], []


def _titles(line: str, delimiter: str | None, width: int) -> list[str]:
    """The cells of a header line, which may be delimited in another way than the numbers."""
    ways = [_split(line, mark) for mark in (delimiter, "\t", ";", ",")] + [re.split(r"\s{2,}", line.strip())]
    for cells in ways:
        while cells and not cells[-1]:
            cells.pop()
    return next((cells for cells in ways if len(cells) == width), ways[0])


def _fitted(row: list[str], width: int, line: int, path: str | os.PathLike) -> list[str]:
    if len(row) < width or any(row[width:]):
        raise DataError(
            f"{path}, line {line}: {len(row)} cells where {width} columns were expected: {' | '.join(row)[:60]!r}. "
            "Repair or delete the line; a text note below the data must go too."
        )
    return row[:width]
