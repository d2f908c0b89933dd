"""Names of columns: what they measure and in which unit, in the spellings instruments use."""

import dataclasses
import re
from collections.abc import Mapping

from neurojax.errors import DataError
from physics.quantity import suggest

_PREFIX = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}
_LARGE = {"M": 1e6, "G": 1e9}
_BASE = {
    "s": ("time", _PREFIX), "V": ("voltage", _PREFIX | _LARGE), "A": ("current", _PREFIX),
    "S": ("conductance", _PREFIX), "ohm": ("resistance", _PREFIX | _LARGE), "Ohm": ("resistance", _PREFIX | _LARGE),
    "Ω": ("resistance", _PREFIX | _LARGE), "\u2126": ("resistance", _PREFIX | _LARGE),
}  # fmt: skip
_WORDED = {
    "sec": ("time", 1.0), "secs": ("time", 1.0), "second": ("time", 1.0), "seconds": ("time", 1.0),
    "min": ("time", 60.0), "minutes": ("time", 60.0), "h": ("time", 3600.0), "hours": ("time", 3600.0),
    "volt": ("voltage", 1.0), "volts": ("voltage", 1.0), "amp": ("current", 1.0), "amps": ("current", 1.0),
    "ampere": ("current", 1.0), "amperes": ("current", 1.0), "ohms": ("resistance", 1.0),
    "siemens": ("conductance", 1.0),
}  # fmt: skip
_DENSITY = {
    f"{p}A/{area}": ("current density", factor * per)
    for p, factor in _PREFIX.items()
    for area, per in (("m2", 1.0), ("m^2", 1.0), ("m²", 1.0), ("cm2", 1e4), ("cm^2", 1e4), ("cm²", 1e4))
}
UNITS: dict[str, tuple[str, float]] = (
    {p + base: (kind, f) for base, (kind, prefixes) in _BASE.items() for p, f in prefixes.items()} | _WORDED | _DENSITY
)
"""Unit -> what it measures and its size in SI; case matters, "mohm" is not "Mohm"."""

KIND = {
    "t": "time", "v": "voltage", "i": "current", "r": "resistance", "g": "conductance", "width": "time", "n": "number",
}  # fmt: skip
_ROLE = {"time": "t", "voltage": "v", "current": "i", "current density": "i", "resistance": "r", "conductance": "g"}
_SI = {"t": "s", "v": "V", "i": "A", "r": "ohm", "g": "S", "width": "s"}
ALIAS = {kind: role for kind, role in _ROLE.items()} | {"amplitude": "v", "cycle": "n"}

_WORDS: dict[str, str] = {
    "width": "width pulsewidth tpulse duration pw",
    "t": "time t timestamp elapsed elapsedtime zeit",
    "v": "voltage v volt volts bias u av anodev vd vds vtop vg vgs vgate vapp vin potential amplitude vpulse "
    "voltageamplitude spannung tension",
    "i": "current i curr ai anodei id ids ia itop strom j jd amps courant",
    "r": "resistance r res rread widerstand",
    "g": "conductance g cond gread leitwert",
    "n": "n number no index pulse pulsenumber pulseno cycle cyclenumber record loop run sweep repeat",
}
_EXACT = {word: role for role, words in _WORDS.items() for word in words.split()}
_INSIDE = {word: role for word, role in _EXACT.items() if len(word) > 3 and role != "n"}
_NOT_MEASURED = {"model", "fit", "fitted", "simulated", "sim", "error", "std", "sigma", "compliance", "limit", "target"}


@dataclasses.dataclass(frozen=True)
class Column:
    """One column: title, role ("" if unknown), unit as written, place, and how sure the name is (0 to 2)."""

    title: str
    role: str
    unit: str
    position: int
    score: int


def classify(title: str, position: int, unit: str = "") -> Column:
    """Role and unit from a title such as "V (mV)", "Id[uA]", "time_ms", "t/s" or "Voltage".

    Args:
        title: as in the header. position: from zero. unit: from a line of units below the header.
    """
    word, found = _split_unit(title)
    unit = found or unit.strip("()[]{} ")
    tokens = [t for t in re.split(r"[^a-z]+", word.lower()) if t]
    role, score = _role(tokens)
    if role == "" and unit in UNITS and not _NOT_MEASURED & set(tokens):
        role, score = _ROLE[UNITS[unit][0]], 0
    return Column(title, role, unit, position, score)


def _split_unit(title: str) -> tuple[str, str]:
    bracket = re.search(r"[(\[{]\s*([^)\]}]*?)\s*[)\]}]\s*$", title)
    if bracket:
        return title[: bracket.start()], bracket.group(1)
    for mark in ("/", "_", ",", " "):
        head, _, tail = title.strip().partition("/") if mark == "/" else title.strip().rpartition(mark)
        if head and tail.strip() in UNITS:
            return head, tail.strip()
    return title, ""


def _role(tokens: list[str]) -> tuple[str, int]:
    whole = "".join(tokens)
    if whole in _EXACT:
        return _EXACT[whole], 2
    if _NOT_MEASURED & set(tokens):
        return "", 0
    for word in [*tokens[::-1], whole]:
        role = _INSIDE.get(word) or next((r for w, r in _INSIDE.items() if w in word), "")
        # The voltage of the reading is not the voltage of the pulse.
        if role and not (role == "v" and "read" in whole):
            return role, 1
    return "", 0


def choose(
    columns: list[Column], wanted: Mapping[str, str], units: Mapping[str, str], *, pulse: bool, where: str
) -> dict[str, tuple[Column, str, float]]:
    """The column of each role with what it measures and its size in SI.

    Raises:
        DataError: names or units that do not exist, roles that are missing or claimed by two columns.
    """
    wanted = {_known_role(role, "columns"): title for role, title in wanted.items()}
    units = {_known_role(role, "units"): unit for role, unit in units.items()}
    titles = tuple(c.title for c in columns)
    taken: dict[str, Column] = {}
    for role, title in wanted.items():
        match = [c for c in columns if c.title == title]
        if not match:
            raise DataError(f"{where} has no column {title!r}.{suggest(str(title), titles)}")
        taken[role] = match[0]
    used = {c.position for c in taken.values()}
    readings = {"i", "r", "g"} & set(taken)
    for role in ("v", "i", "r", "g", "width", "n") if pulse else ("t", "v", "i", "r", "g", "n"):
        # A reading that the caller has named needs no second one.
        if role not in taken and not (role in "irg" and readings):
            claim = _best([c for c in columns if c.role == role and c.position not in used], role, where)
            taken |= {} if claim is None else {role: claim}
    _complete(taken, pulse, where, titles)
    return {role: (column, *_size(column, role, units.get(role), where)) for role, column in taken.items()}


def _known_role(role: str, argument: str) -> str:
    role = ALIAS.get(role, role)
    if role not in KIND:
        raise DataError(f"unknown role {role!r} in {argument}=.{suggest(role, (*KIND, *ALIAS))}")
    return role


def _best(claims: list[Column], role: str, where: str) -> Column | None:
    top = [c for c in claims if c.score == max(c.score for c in claims)]
    if len(top) > 1 and role != "n":
        names = " and ".join(repr(c.title) for c in top)
        raise DataError(
            f"{where}: {names} could each be the {KIND[role]}. Say which: columns={{{role!r}: {top[0].title!r}}}."
        )
    return top[0] if top else None


def _size(column: Column, role: str, override: str | None, where: str) -> tuple[str, float]:
    unit, kind = override or column.unit, KIND[role]
    if unit == "" or kind == "number":
        return kind, 1.0
    # "Time (S)" is seconds, not siemens: another case is accepted where the column allows one reading only.
    fits = {UNITS[u] for u in UNITS if u.lower() == unit.lower() and UNITS[u][0].startswith(kind)}
    if unit in UNITS and UNITS[unit][0].startswith(kind):
        return UNITS[unit]
    if len(fits) == 1:
        return fits.pop()
    if unit in UNITS:
        raise DataError(
            f"{where}: column {column.title!r} is taken as {kind}, but {unit!r} is a unit of {UNITS[unit][0]}. "
            f"Rename the column or give units={{{role!r}: {_SI[role]!r}}}."
        )
    near = tuple(u for u in UNITS if UNITS[u][0].startswith(kind) and "μ" not in u)
    raise DataError(
        f"{where}: column {column.title!r} has the unknown unit {unit!r}; give units={{{role!r}: {_SI[role]!r}}} "
        f"or correct the header.{suggest(unit, near)}"
    )


def _complete(taken: dict[str, Column], pulse: bool, where: str, titles: tuple[str, ...]) -> None:
    if titles[0] == "column 1" and not {"v", "i"} <= set(taken):
        raise DataError(
            f"{where} has {len(titles)} columns and no header row; add one such as 'time_s,voltage_V,current_A' "
            "or say what they are: columns={'t': 'column 1', 'v': 'column 2', 'i': 'column 3'}."
        )
    if "v" not in taken:
        what = "pulse amplitude" if pulse else "voltage"
        raise DataError(
            f"{where} has no {what} column among {', '.join(titles)}. Rename it (e.g. 'voltage_V') "
            "or say which it is: columns={'v': 'your name'} or --column v='your name'. "
            "If each column is a ramp: read_ramps or --ramps."
        )
    if not {"i", "r", "g"} & set(taken):
        raise DataError(
            f"{where} has no current, resistance or conductance column among {', '.join(titles)}. Rename it "
            "(e.g. 'current_A') or say which it is: columns={'i': 'your name'} or --column i='your name'."
        )


def without_unit(taken: Mapping[str, tuple[Column, str, float]], units: Mapping[str, str]) -> list[str]:
    """A note for each column whose unit had to be assumed."""
    given = {ALIAS.get(role, role) for role in units}
    return [
        f"column {column.title!r} names no unit: taken as {_SI[role]}"
        for role, (column, _, _) in taken.items()
        if role in _SI and column.unit == "" and role not in given
    ]
