"""The intermediate representation of a compiled Verilog-A module as a graph of scalars.

openvaf-py hands out two functions in single static assignment form: `init`, which depends on parameters alone, and
`eval`. Their blocks are followed in order; where paths meet, values are selected. What could divide by nothing on a
path that is not taken is guarded there, so that derivatives are finite on the path that is.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from neurojax._expression import Graph, Node
from neurojax.errors import NeurojaxError

Literal = tuple[Node, bool]
Path = frozenset[frozenset[Literal]]
"""When a block is reached: any of several sets of conditions, each with the value it must have."""
ALWAYS: Path = frozenset((frozenset(),))
SIMULATOR = {"gmin": 1e-12, "tnom": 27.0, "scale": 1.0, "shrink": 0.0, "sourceScaleFactor": 1.0, "iteration": 1.0}
"""What $simparam gives, where the module names no default."""


class VerilogError(NeurojaxError, ValueError):
    """A Verilog-A file that cannot become a device."""


@dataclasses.dataclass
class Run:
    """What is known while the blocks are followed.

    Attributes:
        values: name in the representation -> node. strings: name -> text. static: whether the analysis is static.
        calls: name of a function -> what it is.
    """

    graph: Graph
    values: dict[str, Node]
    strings: Mapping[str, str]
    static: bool
    calls: Mapping[str, str]


def constants(graph: Graph, code: Mapping[str, Any]) -> dict[str, Node]:
    """The numbers that a function mentions."""
    found = {}
    for kind in ("constants", "int_constants", "bool_constants"):
        found |= {name: graph.const(value) for name, value in code.get(kind, {}).items()}
    return found


def follow(run: Run, code: Mapping[str, Any]) -> None:
    """Puts the value of every instruction into `run.values`.

    Raises:
        VerilogError: a loop, or an instruction without a value.
    """
    by_block: dict[str, list[Mapping[str, Any]]] = {name: [] for name in code["blocks"]}
    for instruction in code["instructions"]:
        by_block[instruction["block"]].append(instruction)
    order = _order(code["blocks"])
    entries: dict[str, dict[str, Path]] = {name: {} for name in order}
    for name in order:
        edges = entries[name]
        path = ALWAYS if not code["blocks"][name]["predecessors"] else _union(edges.values())
        for instruction in by_block[name]:
            op = instruction["opcode"]
            if op == "phi":
                run.values[instruction["result"]] = _phi(run, instruction["phi_operands"], edges)
            elif op == "br":
                condition = run.values[instruction["condition"]]
                _arrive(entries, name, instruction["true_block"], _narrowed(path, condition, True))
                _arrive(entries, name, instruction["false_block"], _narrowed(path, condition, False))
            elif op == "jmp":
                _arrive(entries, name, instruction["destination"], path)
            elif "result" in instruction:
                run.values[instruction["result"]] = _value(run, instruction, path)


def _order(blocks: Mapping[str, Any]) -> list[str]:
    """Blocks after all that lead to them."""
    left = {name: set(block["predecessors"]) for name, block in blocks.items()}
    order: list[str] = []
    while left:
        ready = [name for name, before in left.items() if not before - set(order)]
        if not ready:
            raise VerilogError("the module has a loop: what repeats a number of times must be written out.")
        order += ready
        left = {name: before for name, before in left.items() if name not in ready}
    return order


def _arrive(entries: dict[str, dict[str, Path]], source: str, target: str, path: Path) -> None:
    known = entries[target].get(source)
    entries[target][source] = path if known is None else _union((known, path))


def _narrowed(path: Path, condition: Node, value: bool) -> Path:
    if condition.op == "const":
        return path if bool(condition.value) == value else frozenset()
    if condition.op == "not":
        return _narrowed(path, condition.args[0], not value)
    return frozenset(p | {(condition, value)} for p in path if (condition, not value) not in p)


def _union(paths: Any) -> Path:
    """Reached by any of the paths; those that differ in one condition only do not depend on it."""
    found = set().union(*paths)
    changed = True
    while changed:
        changed = False
        for a in list(found):
            for condition, value in a:
                other = (a - {(condition, value)}) | {(condition, not value)}
                if other in found:
                    found -= {a, other}
                    found.add(a - {(condition, value)})
                    changed = True
                    break
            if changed:
                break
    return frozenset(p for p in found if not any(q < p for q in found))


def _phi(run: Run, operands: list[Mapping[str, str]], edges: Mapping[str, Path]) -> Node:
    parts = [(edges[o["block"]], run.values[o["value"]]) for o in operands if edges.get(o["block"])]
    if not parts:  # in a block that is never reached
        return run.graph.const(0.0)
    shared = frozenset.intersection(*(p for path, _ in parts for p in path))
    whole = parts[-1][1]
    for path, value in reversed(parts[:-1]):
        whole = run.graph.make("select", _condition(run.graph, path, shared), value, whole)
    return whole


def _condition(graph: Graph, path: Path, shared: frozenset[Literal]) -> Node:
    """Whether a path is taken, the conditions that hold in any case left away."""
    whole = graph.const(False)
    for conditions in path:
        part = graph.const(True)
        for condition, value in sorted(conditions - shared, key=lambda c: c[0].number):
            part = graph.make("and", part, condition if value else graph.make("not", condition))
        whole = graph.make("or", whole, part)
    return whole


def _value(run: Run, instruction: Mapping[str, Any], path: Path) -> Node:
    op, graph = instruction["opcode"], run.graph
    if op == "call":
        return _called(run, instruction)
    args = [run.values[a] for a in instruction["operands"]]
    if op not in _OPERATIONS:
        raise VerilogError(f"the instruction {op!r} of the compiled module has no counterpart here.")
    if op in _HARMLESS and path != ALWAYS:
        taken = _condition(graph, path, frozenset())
        args = [
            a if safe is None else graph.make("select", taken, a, safe)
            for a, safe in zip(args, _HARMLESS[op], strict=True)
        ]
    return _OPERATIONS[op](graph, *args)


def _called(run: Run, instruction: Mapping[str, Any]) -> Node:
    what, operands = run.calls.get(instruction["func_ref"], "a function"), instruction["operands"]
    if what == "Analysis":
        kind = run.strings[operands[0]]
        return run.graph.const(float(kind in (("static", "ic", "dc", "nodeset") if run.static else ("tran",))))
    if what.startswith("SimParam"):
        name = run.strings[operands[0]]
        if what == "SimParamOpt":
            return run.graph.const(SIMULATOR[name]) if name in SIMULATOR else run.values[operands[1]]
        if name in SIMULATOR:
            return run.graph.const(SIMULATOR[name])
        raise VerilogError(f"$simparam({name!r}) has no value here and the module names no default.")
    if what.startswith("BuiltinLimit"):
        return run.values[operands[0]]
    if "Noise" in what or what in ("TimeDerivative", "NodeDerivative"):
        return run.graph.const(0.0)
    raise VerilogError(f"the module calls {what}, which has no value here.")


_HARMLESS: dict[str, tuple[float | None, ...]] = {
    **dict.fromkeys(("exp", "sinh", "cosh", "tan", "asin", "acos", "atanh"), (0.0,)),
    **dict.fromkeys(("ln", "log", "sqrt"), (1.0,)),
    **dict.fromkeys(("fdiv", "idiv", "irem", "frem"), (None, 1.0)),
    "acosh": (2.0,),
    "hypot": (None, 1.0),
    "pow": (1.0, 1.0),
}
"""Arguments at which operations and their slopes are finite, for where their results are not used."""


def _truth(g: Graph, a: Node) -> Node:
    return a if a.is_boolean else g.make("ne", a, 0.0)


def _count(g: Graph, a: Node) -> Node:
    return g.make("select", a, 1.0, 0.0) if a.is_boolean else a


def _rounded(g: Graph, a: Node) -> Node:
    """To the nearest integer, halves away from zero."""
    return _truncated(g, g.make("add", a, g.make("select", g.make("lt", a, 0.0), -0.5, 0.5)))


def _truncated(g: Graph, a: Node) -> Node:
    return g.make("select", g.make("lt", a, 0.0), g.make("ceil", a), g.make("floor", a))


def _remainder(g: Graph, a: Node, b: Node) -> Node:
    return g.make("sub", a, g.make("mul", b, _truncated(g, g.make("div", a, b))))


def _hypot(g: Graph, a: Node, b: Node) -> Node:
    return g.make("sqrt", g.make("add", g.make("mul", a, a), g.make("mul", b, b)))


def _atan2(g: Graph, y: Node, x: Node) -> Node:
    """2 atan(y/(r + x)), and pi on the negative axis."""
    below = g.make("add", _hypot(g, x, y), x)
    inside = g.make("gt", below, 0.0)
    angle = g.make("mul", 2.0, g.make("atan", g.make("div", y, g.make("select", inside, below, 1.0))))
    return g.make("select", inside, angle, g.make("select", g.make("lt", x, 0.0), math.pi, 0.0))


def _plain(op: str) -> Callable[..., Node]:
    return lambda g, *args: g.make(op, *args)


def _comparison(op: str) -> Callable[..., Node]:
    return lambda g, a, b: g.make(op, _count(g, a), _count(g, b))


_OPERATIONS: dict[str, Callable[..., Node]] = {
    **{f"f{op}": _plain(op) for op in ("add", "sub", "mul", "div", "neg")},
    **{f"i{op}": _plain(op) for op in ("add", "sub", "mul", "neg")},
    **{op: _plain(op) for op in ("exp", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh",
                                 "asinh", "acosh", "atanh", "floor", "ceil", "pow")},
    **{f"{kind}{op}": _comparison(op) for kind in "fib" for op in ("eq", "ne", "lt", "le", "gt", "ge")},
    "ln": _plain("log"),
    "log": lambda g, a: g.make("div", g.make("log", a), math.log(10)),
    "idiv": lambda g, a, b: _truncated(g, g.make("div", a, b)),
    "irem": _remainder,
    "frem": _remainder,
    "hypot": _hypot,
    "atan2": _atan2,
    "bnot": lambda g, a: g.make("not", _truth(g, a)),
    "ibcast": _truth,
    "fbcast": _truth,
    "bicast": _count,
    "bfcast": _count,
    "ifcast": lambda g, a: a,
    "ficast": _rounded,
    "optbarrier": lambda g, a: a,
}  # fmt: skip
