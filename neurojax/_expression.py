"""Scalar expressions as a graph: every value once, constants folded, nothing kept that nobody asks for.

The nodes that `_source.py` finds in a jaxpr and that `_dialects.py` prints. Operations bear the names of JAX where
they exist there; comparisons and logic give booleans, all else are real numbers. Simplifications are those that
change no finite value: x + 0, x 1, x 0, x/1, -(-x), selection by a constant, x = max(x, y) into x >= y.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

BOOLEAN = frozenset(("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not"))
_SYMMETRIC = frozenset(("add", "mul", "max", "min", "eq", "ne", "and", "or"))
_SWAPPED = {"max": "ge", "min": "le"}
FOLD: dict[str, Any] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "exp": np.exp,
    "exp2": np.exp2,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "sqrt": np.sqrt,
    "cbrt": np.cbrt,
    "pow": np.power,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "floor": np.floor,
    "ceil": np.ceil,
    "max": np.maximum,
    "min": np.minimum,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
    "select": lambda which, yes, no: yes if which else no,
}
"""Every operation there is, and what it does to numbers."""


class Node:
    """An operation on other nodes; or a constant ("const", its value) or an input ("input", its name) without any."""

    __slots__ = ("args", "number", "op", "value")

    def __init__(self, op: str, args: tuple["Node", ...], value: Any, number: int):
        self.op, self.args, self.value, self.number = op, args, value, number

    @property
    def is_leaf(self) -> bool:
        return not self.args

    @property
    def is_boolean(self) -> bool:
        return self.op in BOOLEAN or (self.op == "const" and isinstance(self.value, bool))

    def __repr__(self) -> str:
        return str(self.value) if self.is_leaf else f"{self.op}({', '.join(map(repr, self.args))})"


class Graph:
    """Makes nodes, equal ones only once."""

    def __init__(self) -> None:
        self._known: dict[tuple, Node] = {}

    def const(self, value: Any) -> Node:
        """A number or a truth value."""
        plain = bool(value) if isinstance(value, bool | np.bool_) else float(value)
        # -0.0 == 0.0, but 1/-0.0 is not 1/0.0; nan is never equal to itself.
        return self._node("const", (), plain, (type(plain), repr(plain)))

    def input(self, name: str) -> Node:
        """A symbol."""
        return self._node("input", (), name, name)

    def make(self, op: str, *args: Any) -> Node:
        """`op` of nodes or numbers, simplified; KeyError for an operation that is not in `FOLD`."""
        fold = FOLD[op]
        nodes = tuple(a if isinstance(a, Node) else self.const(a) for a in args)
        if all(a.op == "const" for a in nodes):
            with np.errstate(all="ignore"):
                return self.const(fold(*(a.value for a in nodes)))
        simpler = self._simplified(op, nodes)
        if simpler is not None:
            return simpler
        if op in _SYMMETRIC:
            nodes = tuple(sorted(nodes, key=lambda a: a.number))
        return self._node(op, nodes, None, tuple(a.number for a in nodes))

    def power(self, base: Node, exponent: int) -> Node:
        """base**exponent by multiplications."""
        if exponent < 0:
            return self.make("div", 1.0, self.power(base, -exponent))
        whole: Any = self.const(1.0)
        while exponent:
            whole = self.make("mul", whole, base) if exponent & 1 else whole
            exponent >>= 1
            base = self.make("mul", base, base) if exponent else base
        return whole

    def _node(self, op: str, args: tuple[Node, ...], value: Any, key: Any) -> Node:
        return self._known.setdefault((op, key), Node(op, args, value, len(self._known)))

    def _simplified(self, op: str, nodes: tuple[Node, ...]) -> Node | None:
        a, b = nodes[0], nodes[-1]
        if op == "select":
            return self._selected(*nodes)
        if op == "neg":
            return a.args[0] if a.op == "neg" else None
        if op in ("eq", "ne", "max", "min", "and", "or") and a is b:
            return self.const(op == "eq") if op in ("eq", "ne") else a
        if op == "eq":
            return self._is_extreme(a, b) or self._is_extreme(b, a)
        if op == "ge" and a.op == "select" and [n.value for n in (*a.args[1:], b)] == [1.0, 0.0, 1.0]:
            return a.args[0]  # a truth value that was a number in between
        if op in ("and", "or"):
            return next((_either(op, x, y) for x, y in ((a, b), (b, a)) if isinstance(x.value, bool)), None)
        return self._arithmetic(op, a, b)

    def _arithmetic(self, op: str, a: Node, b: Node) -> Node | None:
        zero, one, minus = (lambda x, n=n: x.op == "const" and x.value == n for n in (0.0, 1.0, -1.0))
        if op in ("add", "mul") and (zero(b) or one(b) or minus(b)):
            a, b = b, a
        if op == "add" and zero(a):
            return b
        if op == "mul":
            return a if zero(a) else b if one(a) else self.make("neg", b) if minus(a) else None
        if op == "sub":
            return a if zero(b) else self.make("neg", b) if zero(a) else self.const(0.0) if a is b else None
        if op == "div":
            return a if one(b) or zero(a) else self.make("neg", a) if minus(b) else None
        return None

    def _selected(self, which: Node, yes: Node, no: Node) -> Node | None:
        if which.op == "const":
            return yes if which.value else no
        if yes.is_boolean and no.is_boolean:
            other = self.make("and", self.make("not", which), no)
            return self.make("or", self.make("and", which, yes), other)
        return yes if yes is no else None

    def _is_extreme(self, x: Node, extreme: Node) -> Node | None:
        if extreme.op not in _SWAPPED or x not in extreme.args:
            return None
        other = extreme.args[0] if extreme.args[1] is x else extreme.args[1]
        return self.make(_SWAPPED[extreme.op], x, other)


def _either(op: str, constant: Node, other: Node) -> Node:
    return other if constant.value == (op == "and") else constant


def ordered(roots: Iterable[Node]) -> list[Node]:
    """All that the roots depend on, arguments before their users."""
    found: dict[Node, None] = {}
    stack = [(root, False) for root in reversed(list(roots))]
    while stack:
        node, done = stack.pop()
        if done:
            found[node] = None
        elif node not in found:
            stack += [(node, True), *((a, False) for a in reversed(node.args))]
    return list(found)


def evaluate(roots: Iterable[Node], values: dict[str, Any]) -> list[float]:
    """The numbers of the roots for given inputs, by NumPy."""
    known: dict[Node, Any] = {}
    roots = list(roots)
    for node in ordered(roots):
        if node.is_leaf:
            known[node] = values[node.value] if node.op == "input" else node.value
        else:
            with np.errstate(all="ignore"):
                known[node] = FOLD[node.op](*(known[a] for a in node.args))
    return [float(known[r]) for r in roots]
