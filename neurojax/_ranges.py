"""Between which bounds expressions stay, by interval arithmetic.

    found = ranges(roots, {"par_r_on": (1.0, 1e6), "state_0": (0.0, 1.0)})         node -> (low, high)

Wider than the truth where a symbol occurs twice, never narrower.
"""

import math
from collections.abc import Callable, Iterable, Mapping

from neurojax._expression import BOOLEAN, Node, ordered

Range = tuple[float, float]
ANY: Range = (-math.inf, math.inf)


def ranges(roots: Iterable[Node], known: Mapping[str, Range]) -> dict[Node, Range]:
    """The bounds of all that the roots depend on, which are real numbers; inputs that are not `known` are any."""
    found: dict[Node, Range] = {}
    for node in ordered(roots):
        if node.is_boolean:
            continue
        if node.op == "const":
            found[node] = ANY if math.isnan(node.value) else (node.value, node.value)
        elif node.op == "input":
            found[node] = known.get(node.value, ANY)
        elif node.op == "mul" and node.args[0] is node.args[1]:
            found[node] = _squared(found[node.args[0]])
        elif node.op == "select":
            found[node] = _hull(*(found[a] for a in node.args[1:]))
        else:
            args = [found[a] for a in node.args]
            found[node] = _checked(_RULES[node.op](*args)) if node.op in _RULES else ANY
    return found


def _checked(r: Range) -> Range:
    return ANY if math.isnan(r[0]) or math.isnan(r[1]) else r


def _hull(*parts: Range) -> Range:
    return min(p[0] for p in parts), max(p[1] for p in parts)


def _times(x: float, y: float) -> float:
    return 0.0 if x == 0 or y == 0 else x * y


def _mul(a: Range, b: Range) -> Range:
    ends = [_times(x, y) for x in a for y in b]
    return min(ends), max(ends)


def _squared(a: Range) -> Range:
    low = 0.0 if a[0] <= 0 <= a[1] else min(abs(a[0]), abs(a[1]))
    return _times(low, low), max(_times(a[0], a[0]), _times(a[1], a[1]))


def _div(a: Range, b: Range) -> Range:
    if b[0] <= 0 <= b[1]:
        return _by_zero(a, b)
    return _mul(a, (_inverse(b[1]), _inverse(b[0])))


def _by_zero(a: Range, b: Range) -> Range:
    """Something may be divided by nothing; its sign may still be known."""
    if b == (0.0, 0.0) or (b[0] < 0 < b[1]):
        return ANY
    inverse = (_inverse(b[1]), math.inf) if b[0] == 0 else (-math.inf, _inverse(b[0]))
    return _mul(a, inverse)


def _inverse(x: float) -> float:
    return 0.0 if math.isinf(x) else 1 / x


def _rising(f: Callable[[float], float], low: float = -math.inf, high: float = math.inf) -> Callable[[Range], Range]:
    """The rule of a function that rises between `low` and `high`, where it is defined."""

    def end(x: float) -> float:
        try:
            return f(min(max(x, low), high))
        except OverflowError:
            return math.inf if x > 0 else -math.inf
        except ValueError:
            return math.nan

    return lambda a: (end(a[0]), end(a[1]))


def _log(x: float) -> float:
    return -math.inf if x <= 0 else math.log(x)


def _atanh(x: float) -> float:
    return math.copysign(math.inf, x) if abs(x) >= 1 else math.atanh(x)


def _tan(a: Range) -> Range:
    inside = -math.pi / 2 < a[0] and a[1] < math.pi / 2
    return (math.tan(a[0]), math.tan(a[1])) if inside else ANY


def _abs(a: Range) -> Range:
    return (0.0 if a[0] <= 0 <= a[1] else min(abs(a[0]), abs(a[1]))), max(abs(a[0]), abs(a[1]))


def _cosh(a: Range) -> Range:
    low, high = _abs(a)
    return _rising(math.cosh)((low, high))


def _pow(a: Range, b: Range) -> Range:
    return (0.0, math.inf) if a[0] >= 0 else ANY


def _sign(a: Range) -> Range:
    return float(a[0] > 0) - float(a[0] < 0), float(a[1] > 0) - float(a[1] < 0)


def _wave(a: Range) -> Range:
    return -1.0, 1.0


_RULES: dict[str, Callable[..., Range]] = {
    "add": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "sub": lambda a, b: (a[0] - b[1], a[1] - b[0]),
    "mul": _mul,
    "div": _div,
    "neg": lambda a: (-a[1], -a[0]),
    "abs": _abs,
    "sign": _sign,
    "exp": _rising(math.exp),
    "exp2": _rising(lambda x: math.exp(math.log(2) * x)),
    "expm1": _rising(math.expm1),
    "log": _rising(_log),
    "log1p": _rising(lambda x: _log(1 + x)),
    "sqrt": _rising(math.sqrt, 0.0),
    "cbrt": _rising(lambda x: math.copysign(abs(x) ** (1 / 3), x)),
    "pow": _pow,
    "sin": _wave,
    "cos": _wave,
    "tan": _tan,
    "asin": _rising(math.asin, -1.0, 1.0),
    "acos": lambda a: (0.0, math.pi),
    "atan": _rising(math.atan),
    "sinh": _rising(math.sinh),
    "cosh": _cosh,
    "tanh": _rising(math.tanh),
    "asinh": _rising(math.asinh),
    "acosh": _rising(lambda x: math.acosh(x) if math.isfinite(x) else x, 1.0),
    "atanh": _rising(_atanh),
    "floor": _rising(lambda x: math.floor(x) if math.isfinite(x) else x),
    "ceil": _rising(lambda x: math.ceil(x) if math.isfinite(x) else x),
    "max": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    "min": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
}
assert not BOOLEAN & set(_RULES)
