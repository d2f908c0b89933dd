"""Expressions in the syntax of other programs: C (double, float), ngspice (B-sources, .param) and Verilog-A.

A dialect says how each operation is spelled, how numbers look and what it lacks; `write` decides which expressions
get a name of their own. Booleans never do: they are written where they are used.
"""

import dataclasses
import math
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

from neurojax._expression import Graph, Node, ordered

Rewrite = Callable[..., Node]
"""(graph, *arguments) -> the same value by operations that a dialect has."""


@dataclasses.dataclass(frozen=True)
class Dialect:
    """How a language spells expressions.

    Attributes:
        forms: operation -> format with {0}, {1}, {2} for its arguments. number: how a constant looks.
        rewrites: operations that it lacks or gets wrong, by those that it has.
        share: size (operations) from which an expression used more than once gets a name; longest: size of any.
    """

    name: str
    forms: Mapping[str, str]
    number: Callable[[float | bool], str]
    rewrites: Mapping[str, Rewrite] = dataclasses.field(default_factory=dict)
    share: int = 1
    longest: int = 40


@dataclasses.dataclass(frozen=True)
class Listing:
    """Assignments (name, expression) in order, and one expression for each root."""

    lines: list[tuple[str, str]]
    roots: list[str]


def write(
    roots: Iterable[Node],
    dialect: Dialect,
    *,
    known: Mapping[Node, str] | None = None,
    name: Callable[[int], str] = "t{}".format,
    refer: Callable[[str, Node], str] = lambda own, node: own,
    inline: Container[Node] = (),
    symbol: Callable[[str], str] = str,
) -> Listing:
    """The roots in a dialect.

    Args:
        known: nodes that are there already, as they are read. symbol: how an input is read.
        name: of the k-th assignment. refer: how that is read, of its name and what it is: V(name) in a netlist.
        inline: nodes that get no name for being shared, only for being long.
    """
    roots = list(roots)
    spelled: dict[Node, str] = dict(known or {})
    order = [n for n in _open(roots, spelled) if n not in spelled]
    uses = _uses(order, roots)
    sizes: dict[Node, int] = {}
    lines: list[tuple[str, str]] = []
    for node in order:
        spelled[node] = symbol(node.value) if node.op == "input" else _spell(node, dialect, spelled)
        size = sizes[node] = 0 if node.is_leaf else 1 + sum(sizes.get(a, 0) for a in node.args)
        shared = uses[node] > 1 and size >= dialect.share and node not in inline
        wanted = size >= dialect.longest or shared
        if wanted and not node.is_boolean:
            own = name(len(lines))
            lines.append((own, spelled[node]))
            spelled[node], sizes[node] = refer(own, node), 0
    return Listing(lines, [spelled[r] for r in roots])


def lowered(roots: Iterable[Node], dialect: Dialect) -> list[Node]:
    """The same roots without the operations that a dialect rewrites, in a graph of their own."""
    graph, roots = Graph(), list(roots)
    made: dict[Node, Node] = {}
    for node in ordered(roots):
        args = [made[a] for a in node.args]
        if node.is_leaf:
            made[node] = graph.input(node.value) if node.op == "input" else graph.const(node.value)
        elif node.op in dialect.rewrites:
            made[node] = dialect.rewrites[node.op](graph, *args)
        else:
            made[node] = graph.make(node.op, *args)
    return [made[r] for r in roots]


def _open(roots: list[Node], known: Mapping[Node, str]) -> list[Node]:
    """Like `ordered`, but nothing that only known nodes need."""
    found: dict[Node, None] = {}
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        node, done = stack.pop()
        if done or node in known:
            found[node] = None
        elif node not in found:
            stack += [(node, True), *((a, False) for a in reversed(node.args))]
    return list(found)


def _uses(order: list[Node], roots: list[Node]) -> dict[Node, int]:
    """How often each node would be written out; what is in a boolean is written with each use of that."""
    uses = dict.fromkeys(order, 0)
    for root in roots:
        uses[root] = uses.get(root, 0) + 1
    for node in reversed(order):
        for a in node.args:
            if a in uses:
                uses[a] += uses[node] if node.is_boolean else 1
    return uses


def _spell(node: Node, dialect: Dialect, spelled: Mapping[Node, str]) -> str:
    if node.op == "const":
        return dialect.number(node.value)
    return dialect.forms[node.op].format(*(spelled[a] for a in node.args))


_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">",
          "ge": ">="}  # fmt: skip
_COMMON = {op: f"({{0}} {sign} {{1}})" for op, sign in _INFIX.items()}
_COMMON |= {"neg": "(-{0})", "select": "({0} ? {1} : {2})", "and": "({0} && {1})", "or": "({0} || {1})"}
_COMMON |= {"not": "(!{0})"}
_FUNCTIONS = ("exp", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh",
              "atanh", "floor", "ceil")  # fmt: skip
_IN_C = (*_FUNCTIONS, "log", "log1p", "expm1", "exp2", "cbrt")


def _c(suffix: str) -> Dialect:
    forms = _COMMON | {op: f"{op}{suffix}({{0}})" for op in _IN_C}
    forms |= {"and": "({0} & {1})", "or": "({0} | {1})", "abs": f"fabs{suffix}({{0}})"}
    forms |= {"pow": f"pow{suffix}({{0}}, {{1}})", "max": "larger({0}, {1})", "min": "smaller({0}, {1})"}
    forms |= {"sign": "sign({0})"}

    def number(value):
        if isinstance(value, bool):
            return str(int(value))
        if not math.isfinite(value):
            return "NAN" if math.isnan(value) else "INFINITY" if value > 0 else "(-INFINITY)"
        return f"({value!r}{suffix})" if value < 0 else f"{value!r}{suffix}"

    # Everything gets a name: what is selected is then computed in any case, and loops over lanes vectorise.
    return Dialect(f"C{suffix}", forms, number, longest=1)


C_PRELUDE = """\
static inline real larger(real a, real b) { return (a >= b) | (a != a) ? a : b; }
static inline real smaller(real a, real b) { return (a <= b) | (a != a) ? a : b; }
static inline real sign(real a) { return a > 0 ? 1 : a < 0 ? -1 : 0; }
"""
"""What expressions in C need beside <math.h> and a type `real`; not a number goes through, as in JAX."""
C_DOUBLE, C_FLOAT = _c(""), _c("f")


def _expm1(g: Graph, x: Node) -> Node:
    """tanh(x/2) (exp(x) + 1)."""
    return g.make("mul", g.make("tanh", g.make("mul", 0.5, x)), g.make("add", g.make("exp", x), 1.0))


def _log1p(g: Graph, x: Node) -> Node:
    """2 atanh(x/(2 + x)) up to one, where 1 + x would drown x."""
    small = g.make("mul", 2.0, g.make("atanh", g.make("div", x, g.make("add", 2.0, x))))
    if x.op == "exp" and x.args[0].op == "neg" and x.args[0].args[0].op == "abs":
        return small
    return g.make("select", g.make("gt", x, 1.0), g.make("log", g.make("add", 1.0, x)), small)


def _cbrt(g: Graph, x: Node) -> Node:
    root = g.make("exp", g.make("div", g.make("log", g.make("max", g.make("abs", x), 1e-300)), 3.0))
    return g.make("select", g.make("lt", x, 0.0), g.make("neg", root), root)


def _exp2(g: Graph, x: Node) -> Node:
    return g.make("exp", g.make("mul", math.log(2), x))


def _pow(g: Graph, x: Node, y: Node) -> Node:
    """exp(y ln x), x >= 0: the power of ngspice takes |x| or not, by version and mode."""
    return g.make("exp", g.make("mul", y, g.make("log", g.make("max", x, 1e-300))))


_ALMOST = 1 - 1e-12
"""Where the slopes of asin and acos are still finite."""


def _log(g: Graph, x: Node) -> Node:
    """Of x > 0, as `_sqrt`."""
    return g.make("log", g.make("max", x, 1e-300))


def _between(op: str, low: float, high: float) -> Rewrite:
    """Of an argument within bounds, as `_sqrt`."""
    return lambda g, x: g.make(op, g.make("min", g.make("max", x, low), high))


def _sqrt(g: Graph, x: Node) -> Node:
    """Of x > 0: an iteration that passes through x < 0 on its way is not stopped there."""
    return g.make("sqrt", g.make("max", x, 1e-60))


def _number(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if not math.isfinite(value):
        return "1e300" if value > 0 else "(-1e300)"
    return f"({value!r})" if value < 0 else repr(value)


NGSPICE = Dialect(
    "ngspice",
    _COMMON | {f: f"{f}({{0}})" for f in _FUNCTIONS} | {"abs": "abs({0})", "sign": "sgn({0})", "log": "ln({0})"}
    | {"max": "max({0}, {1})", "min": "min({0}, {1})", "not": "(!({0}))"},
    _number,
    {"expm1": _expm1, "log1p": _log1p, "cbrt": _cbrt, "exp2": _exp2, "pow": _pow, "sqrt": _sqrt, "log": _log,
     "asin": _between("asin", -_ALMOST, _ALMOST), "acos": _between("acos", -_ALMOST, _ALMOST)},
    share=8,
    longest=300,
)  # fmt: skip
"""B-sources. Only large shared expressions become nodes: each is one more unknown of the circuit."""
NGSPICE_PARAM = dataclasses.replace(
    NGSPICE, name="ngspice .param", forms=dict(NGSPICE.forms) | {"select": "ternary_fcn({0}, {1}, {2})"}, share=3
)
"""Numbers of a netlist, computed once."""


def _in_verilog(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if not math.isfinite(value):
        return "1.7e308" if value > 0 else "(-1.7e308)"
    return f"({value!r})" if value < 0 else repr(value)


def _sign(g: Graph, x: Node) -> Node:
    return g.make("select", g.make("gt", x, 0.0), 1.0, g.make("select", g.make("lt", x, 0.0), -1.0, 0.0))


VERILOG_A = Dialect(
    "Verilog-A",
    _COMMON | {f: f"{f}({{0}})" for f in _FUNCTIONS} | {"abs": "abs({0})", "log": "ln({0})", "pow": "pow({0}, {1})"}
    | {"max": "max({0}, {1})", "min": "min({0}, {1})"},
    _in_verilog,
    {"expm1": _expm1, "log1p": _log1p, "cbrt": _cbrt, "exp2": _exp2, "sign": _sign},
    share=2,
    longest=12,
)  # fmt: skip
"""Expressions of an analog block; variables cost nothing."""
