"""What the text of a Verilog-A file declares of its parameters: defaults, ranges, units and descriptions.

The compiler gives names, units and descriptions, but only defaults that are plain numbers and no ranges.
"""

import ast
import dataclasses
import math
import operator
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from neurojax._mir import VerilogError
from physics.units import dimension

WIDE = 1e3
"""By what factor a parameter may differ from its default where the file names no range."""
_SUFFIXES = {"T": 1e12, "G": 1e9, "M": 1e6, "K": 1e3, "k": 1e3, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12,
             "f": 1e-15, "a": 1e-18}  # fmt: skip
_MACROS = {"P_Q": 1.602176634e-19, "P_K": 1.380649e-23, "P_H": 6.62607015e-34, "P_EPS0": 8.8541878128e-12,
           "P_U0": 1.25663706212e-6, "P_C": 299792458.0, "P_CELSIUS0": 273.15, "M_PI": math.pi,
           "M_E": math.e}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": math.exp, "ln": math.log, "log": math.log10, "sqrt": math.sqrt, "pow": math.pow, "min": min, "max": max,
    "abs": abs, "sin": math.sin, "cos": math.cos, "tan": math.tan, "sinh": math.sinh, "cosh": math.cosh,
    "tanh": math.tanh,
}  # fmt: skip
_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Mod: operator.mod,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Declared:
    """A parameter: its default, a finite range, unit, sentence, and whether it is a real number."""

    default: float
    bounds: tuple[float, float]
    unit: str
    doc: str
    real: bool


def declared(path: str | os.PathLike, module: Any, values: Mapping[str, float]) -> dict[str, Declared]:
    """The numerical parameters of a compiled module, as the file has them or with another default from `values`.

    Raises:
        VerilogError: a value for something that is no parameter, or a default that cannot be read.
    """
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    lines = _statements(text)
    plain = {n.lower(): float(x) for n, x in module.get_param_defaults().items()}
    known: dict[str, float] = {}
    found: dict[str, Declared] = {}
    numerical = [p for p in module.get_osdi_descriptor()["params"] if p["flags"] & 3 != 2]
    unknown = set(values) - {p["name"] for p in numerical}
    if unknown:
        names = ", ".join(p["name"] for p in numerical)
        raise VerilogError(f"{module.name} has no parameter {sorted(unknown)[0]!r}; it has {names}.")
    for p in numerical:
        name = p["name"]
        default, ends = lines.get(name, (None, None))
        if name in values:
            known[name] = float(values[name])
        elif name.lower() in plain:
            known[name] = plain[name.lower()]
        elif default is not None:
            known[name] = number(default, known)
        else:
            raise VerilogError(f"the default of {name} is not in {path}: give it, values={{{name!r}: number}}.")
        box = _box(known[name], ends, known)
        unit, note = _unit(p["units"])
        found[name] = Declared(known[name], box, unit, (p["description"] + note).strip(), p["flags"] & 3 == 0)
    return found


def _statements(text: str) -> dict[str, tuple[str, tuple[str, ...] | None]]:
    """Name -> default and range (bracket, low, high, bracket), as written."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL)
    text = re.sub(r"\(\*.*?\*\)", " ", text, flags=re.DOTALL)
    found = {}
    for statement in re.findall(r"\bparameter\s+(.*?);", text, flags=re.DOTALL):
        for part in _split(re.sub(r"^(real|integer|string)\b", "", statement.strip())):
            parts = re.match(r"\s*(\w+)\s*=\s*(.*?)\s*(?:\b(?:from|exclude)\b(.*))?$", part, flags=re.DOTALL)
            if parts:
                ends = re.search(r"([\[(])([^:\[\]]*):([^:\[\]]*?)([\])])\s*(?:$|exclude)", parts[3] or "")
                found[parts[1]] = (parts[2], ends.groups() if ends else None)
    return found


def _split(text: str) -> list[str]:
    """At the commas outside of brackets."""
    depth, parts = 0, [""]
    for c in text:
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return parts


def number(text: str, known: Mapping[str, float]) -> float:
    """The number of a constant expression of Verilog-A, of numbers and `known` names.

    Raises:
        VerilogError: something else.
    """
    spelled = re.sub(r"(?<![\w.])((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([TGMKkmunpfa])\b", _scaled, text)
    spelled = re.sub(r"`(\w+)", r"\1", spelled).strip()
    try:
        return _evaluated(ast.parse(spelled, mode="eval").body, {"inf": math.inf} | _MACROS | dict(known))
    except (SyntaxError, KeyError, ValueError, ZeroDivisionError, OverflowError) as error:
        raise VerilogError(f"cannot read the number {text.strip()!r} ({error}).") from None


def _scaled(found: re.Match) -> str:
    return repr(float(found[1]) * _SUFFIXES[found[2]])


def _evaluated(node: ast.expr, known: Mapping[str, float]) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Name):
        return known[node.id]
    if isinstance(node, ast.UnaryOp):
        return _OPERATORS[type(node.op)](_evaluated(node.operand, known))
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_evaluated(node.left, known), _evaluated(node.right, known))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _FUNCTIONS[node.func.id](*(_evaluated(a, known) for a in node.args))
    raise ValueError("not a constant expression")


def _box(value: float, ends: tuple[str, ...] | None, known: Mapping[str, float]) -> tuple[float, float]:
    """A finite range around a value, within that of the file; an end that is excluded is a little off."""
    size = abs(value) * WIDE if value else 1.0
    least, most = (value / WIDE if value > 0 else -size), (value / WIDE if value < 0 else size)
    if ends is not None:
        low, high = number(ends[1], known), number(ends[2], known)
        bare = math.isfinite(low) and math.isfinite(high)
        if math.isfinite(low):
            inside = low + (value - low) / WIDE if ends[0] == "(" else low
            least = inside if bare else max(inside, least)
        if math.isfinite(high):
            inside = high - (high - value) / WIDE if ends[3] == ")" else high
            most = inside if bare else min(inside, most)
    return (least, most) if least < most else (value - 1.0, value + 1.0)


def _unit(text: str) -> tuple[str, str]:
    """A unit that can be read, or a pure number and a note."""
    if not text:
        return "1", ""
    try:
        dimension(text)
    except ValueError:
        return "1", f" ({text})"
    return text, ""
