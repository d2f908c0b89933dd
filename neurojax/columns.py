"""Names of columns: what they measure and in which unit."""

import dataclasses
import re
from collections.abc import Mapping

from neurojax.errors import DataError
from physics.quantity import suggest

_PREFIX = {"": 1.0, "f": 1e-15, "p": 1e-12, "n": 1e-9, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9}
_PREFIX |= dict.fromkeys(("u", "µ", "μ"), 1e-6)
_BASE = {
    "s": "time",
    "V": "voltage",
    "A": "current",
    "S": "conductance",
    "ohm": "resistance",
    "Ω": "resistance",
    "Ohm": "resistance",
}
UNITS = {p + b: (kind, f) for b, kind in _BASE.items() for p, f in _PREFIX.items()} | {
    "sec": ("time", 1.0), "min": ("time", 60.0), "volt": ("voltage", 1.0), "volts": ("voltage", 1.0),
    "amp": ("current", 1.0), "amps": ("current", 1.0), "amperes": ("current", 1.0), "seconds": ("time", 1.0),
}  # fmt: skip
ROLE = {"time": "t", "voltage": "v", "current": "i", "resistance": "r", "conductance": "g"}
_WORDS = {
    "t": ("time", "t", "timestamp", "elapsed", "zeit"),
    "v": (
        "voltage",
        "v",
        "volt",
        "bias",
        "u",
        "av",
        "anodev",
        "vd",
        "vds",
        "vtop",
        "vg",
        "vgate",
        "amplitude",
        "spannung",
    ),
    "i": ("current", "i", "curr", "ai", "anodei", "id", "ids", "ia", "itop", "strom"),
    "r": ("resistance", "r", "res"),
    "g": ("conductance", "g", "cond"),
    "width": ("width", "pulsewidth", "tpulse", "duration"),
}


@dataclasses.dataclass(frozen=True)
class Column:
    """A column: its title, its role ("t", "v", "i", "r", "g", "width" or ""), factor to SI, position."""

    name: str
    role: str
    factor: float
    position: int


def classify(title: str, position: int) -> Column:
    """Role and unit from a title such as "V (mV)", "Id[uA]", "time_ms", "t/s" or "Voltage".

    Raises:
        DataError: brackets that hold a unit nobody knows.
    """
    bracket = re.search(r"[\(\[\{]\s*([^\)\]\}]*)\s*[\)\]\}]", title)
    word, unit = title, None
    if bracket:
        word, unit = title[: bracket.start()], bracket.group(1).strip()
    else:
        for mark in ("/", "_", " "):
            head, _, tail = title.strip().rpartition(mark)
            if head and tail in UNITS:
                word, unit = head, tail
                break
    role = _role(word)
    if unit is None or unit == "":
        return Column(title, role, 1.0, position)
    if unit not in UNITS:
        if role in ("", "width"):
            return Column(title, role, 1.0, position)
        raise DataError(f"column {title!r}: unknown unit {unit!r}.{suggest(unit, tuple(sorted(UNITS)))}")
    kind, factor = UNITS[unit]
    if role == "":
        role = ROLE[kind]
    expected = {"width": "time"}.get(role) or next(k for k, r in ROLE.items() if r == role)
    if kind != expected:
        raise DataError(f"column {title!r} looks like {expected}, but {unit!r} is a unit of {kind}. Rename the column.")
    return Column(title, role, factor, position)


def _role(word: str) -> str:
    plain = re.sub(r"[^a-z]", "", word.lower())
    for role, words in _WORDS.items():
        if plain in words:
            return role
    for role, words in _WORDS.items():
        if any(len(w) > 3 and w in plain for w in words):
            return role
    return ""


def as_number(cell: str, comma: bool) -> float | None:
    """The number in a cell, or None; `comma` allows a decimal comma."""
    try:
        return float(cell.replace(",", ".") if comma else cell)
    except ValueError:
        return None


def choose(columns: list[Column], wanted: Mapping[str, str], *, pulse: bool, where: str) -> dict[str, Column]:
    """The column of each role.

    Raises:
        DataError: names that do not exist, roles that are missing or claimed by two columns.
    """
    titles = tuple(c.name for c in columns)
    taken: dict[str, Column] = {}
    for role, title in wanted.items():
        if role not in _WORDS:
            raise DataError(f"unknown role {role!r} in columns=; roles are {', '.join(_WORDS)}.")
        match = [c for c in columns if c.name == title]
        if not match:
            raise DataError(f"{where} has no column {title!r}.{suggest(title, titles)}")
        taken[role] = dataclasses.replace(match[0], role=role)
    used = {c.position for c in taken.values()}
    needed = ("v", "i", "r", "g", "width") if pulse else ("t", "v", "i", "r", "g")
    for role in needed:
        claims = [c for c in columns if c.role == role and c.position not in used]
        if role in taken or not claims:
            continue
        if len(claims) > 1:
            names = " and ".join(repr(c.name) for c in claims)
            raise DataError(
                f"{where}: both {names} could be {role!r}. Say which: columns={{{role!r}: {claims[0].name!r}}}."
            )
        taken[role] = claims[0]
    _complete(taken, pulse, where, titles)
    return taken


def _complete(taken: dict[str, Column], pulse: bool, where: str, titles: tuple[str, ...]) -> None:
    if "v" not in taken:
        what = "pulse amplitude" if pulse else "voltage"
        raise DataError(
            f"{where} has no {what} column among {', '.join(titles)}. Rename it (e.g. 'voltage_V') "
            "or say which it is: columns={'v': 'your name'} or --column v='your name'."
        )
    if not {"i", "r", "g"} & set(taken):
        raise DataError(
            f"{where} has no current, resistance or conductance column among {', '.join(titles)}. Rename it "
            "(e.g. 'current_A') or say which it is: columns={'i': 'your name'} or --column i='your name'."
        )
