"""The equations of a compiled Verilog-A module, f(z, v) + d/dt q(z, v) = 0, as a graph and in JAX.

z are the inner unknowns (node voltages, branch currents, integrals), v the voltages of the ports. `_mir.py` reads the
instructions; here they get names, and it is found out what of z is a state and what has to be solved for.
"""

import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from neurojax import _mir
from neurojax._expression import Graph, Node, ordered
from neurojax._mir import VerilogError

RESISTIVE, REACTIVE = "resist_var", "react_var"


@dataclasses.dataclass(frozen=True)
class Compact:
    """A compiled module.

    Attributes:
        terminals: the last one is the reference. unknowns: names of z; symbols z_0, z_1, ..; of the ports v_0, v_1, ..;
            of a parameter par_NAME; the temperature is `temperature`.
        f, q: one expression a terminal but the last, then one an unknown; f_static is f in a static analysis.
    """

    name: str
    terminals: tuple[str, ...]
    unknowns: tuple[str, ...]
    graph: Graph
    f: tuple[Node, ...]
    q: tuple[Node, ...]
    f_static: tuple[Node, ...]

    @property
    def ports(self) -> int:
        """How many voltages there are."""
        return len(self.terminals) - 1

    def parameters(self) -> set[str]:
        """Names of the parameters that matter."""
        used = {n.value for n in ordered([*self.f, *self.q, *self.f_static]) if n.op == "input"}
        return {name.removeprefix("par_") for name in used if name.startswith("par_")}


def compiled(path: str | os.PathLike, module: str | None, fixed: Callable[[Any], Mapping[str, float]]) -> Compact:
    """The module of a file.

    Args:
        fixed: of what openvaf-py says of the module, the parameters that are numbers.

    Raises:
        VerilogError: no openvaf-py, the file does not compile, no such module, or it cannot become a device.
    """
    try:
        import openvaf_py
    except ImportError:
        raise VerilogError("import_verilog_a needs the package openvaf-py: pip install openvaf-py.") from None
    try:
        found = openvaf_py.compile_va(str(path))
    except Exception as error:
        raise VerilogError(f"{path} does not compile: {error}") from None
    names = [m.name for m in found]
    if module is None and len(found) > 1:
        raise VerilogError(f"{path} has the modules {', '.join(names)}: say which one, module='{names[0]}'.")
    if not found or (module is not None and module not in names):
        raise VerilogError(f"{path} has no module {module!r}; it has {', '.join(names) or 'none'}.")
    chosen = found[0] if module is None else found[names.index(module)]
    return _read(chosen, fixed(chosen))


def _read(module: Any, fixed: Mapping[str, float]) -> Compact:
    dae = module.get_dae_system()
    count = dae["num_terminals"]
    everything = [n["name"] for n in dae["nodes"]]
    terminals, unknowns = everything[:count], everything[count:]
    graph = Graph()
    potential = {name: graph.input(f"v_{k}") for k, name in enumerate(terminals)}
    potential[terminals[-1]] = graph.const(0.0)
    potential |= {name: graph.input(f"z_{k}") for k, name in enumerate(unknowns)}
    merged = _collapsed(module, dae, fixed)
    potential |= {name: potential[into] for name, into in merged.items()}
    rows: dict[str, list[Node]] = {}
    for static in (False, True):
        values = _values(module, graph, potential, fixed, static)
        for kind in (RESISTIVE, REACTIVE):
            row = {r["node_name"]: values[r[kind].replace("mir_", "v")] for r in dae["residuals"]}
            for name, into in merged.items():
                row[into] = graph.make("add", row[into], row.pop(name))
            rows[f"{kind} {static}"] = [row[n] for n in everything if n in row and n != terminals[-1]]
    kept = [n for n in unknowns if n not in merged]
    order = {f"z_{unknowns.index(n)}": f"z_{k}" for k, n in enumerate(kept)}
    f, q, static = (
        _renamed(graph, rows[k], order) for k in (f"{RESISTIVE} False", f"{REACTIVE} False", f"{RESISTIVE} True")
    )
    compact = Compact(module.name, tuple(terminals), tuple(kept), graph, f, q, static)
    _check(compact)
    return compact


def _renamed(graph: Graph, nodes: Sequence[Node], names: Mapping[str, str]) -> tuple[Node, ...]:
    """With other names for some inputs, those that are not left away first."""
    if all(a == b for a, b in names.items()):
        return tuple(nodes)
    made: dict[Node, Node] = {}
    for node in ordered(nodes):
        if node.op == "input":
            made[node] = graph.input(names.get(node.value, node.value))
        else:
            made[node] = node if node.is_leaf else graph.make(node.op, *(made[a] for a in node.args))
    return tuple(made[n] for n in nodes)


def _collapsed(module: Any, dae: Mapping[str, Any], fixed: Mapping[str, float]) -> dict[str, str]:
    """Inner nodes that coincide with another one, at the parameters as they are: node -> the one that stays."""
    pairs = {p["pair_idx"]: p for p in dae["collapsible_pairs"]}
    if not pairs:
        return {}
    graph = Graph()
    values = _initial(module, graph, fixed, static=False)
    count, found = dae["num_terminals"], {}
    nodes = [n["name"] for n in dae["nodes"]]
    for index, decision in module.collapse_decision_outputs:
        node = values[decision.lstrip("!")]
        if node.op != "const":
            raise VerilogError(
                f"whether two nodes of {module.name} coincide depends on parameters; fix them: values={{name: number}}."
            )
        if bool(node.value) == decision.startswith("!"):
            continue
        pair = pairs[index]
        one, other = pair["node1_idx"], pair["node2_idx"]
        if other >= len(nodes):
            raise VerilogError(f"{module.name}: the node {nodes[one]} is tied to ground, which is no terminal.")
        inner, into = (one, other) if one >= count else (other, one)
        if inner < count:
            raise VerilogError(f"{module.name}: its terminals {nodes[one]} and {nodes[other]} are one node.")
        found[nodes[inner]] = found.get(nodes[into], nodes[into])
    return found


def _initial(module: Any, graph: Graph, fixed: Mapping[str, float], static: bool) -> dict[str, Node]:
    """Values of the function that depends on parameters alone."""
    code = module.get_init_mir_instructions()
    values = _mir.constants(graph, code)
    for name, kind, index in zip(
        module.init_param_names, module.init_param_kinds, module.init_param_value_indices, strict=True
    ):
        values[f"v{index}"] = _input(graph, name, kind, {}, fixed, static)
    _mir.follow(_mir.Run(graph, values, module.get_str_constants(), static, _calls(code, module)), code)
    return values


def _calls(code: Mapping[str, Any], module: Any) -> dict[str, str]:
    declared = code.get("function_decls") or {}
    return {name: d["name"] for name, d in declared.items()}


def _values(
    module: Any, graph: Graph, potential: Mapping[str, Node], fixed: Mapping[str, float], static: bool
) -> dict[str, Node]:
    """All values of both functions."""
    code, before = module.get_mir_instructions(), _initial(module, graph, fixed, static)
    values = _mir.constants(graph, code)
    for name, kind, index in zip(module.param_names, module.param_kinds, module.param_value_indices, strict=True):
        values[f"v{index}"] = _input(graph, name, kind, potential, fixed, static)
    for pair in module.get_init_mir_instructions()["cache_mapping"]:
        values[code["params"][pair["eval_param"]]] = before[pair["init_value"]]
    _mir.follow(_mir.Run(graph, values, module.get_str_constants(), static, _calls(code, module)), code)
    return values


def _input(
    graph: Graph, name: str, kind: str, potential: Mapping[str, Node], fixed: Mapping[str, float], static: bool
) -> Node:
    if kind == "param":
        return graph.const(float(fixed[name])) if name in fixed else graph.input(f"par_{name}")
    if kind == "voltage":
        one, _, other = name[2:-1].partition(",")
        return graph.make("sub", potential[one], potential[other]) if other else potential[one]
    if kind == "temperature":
        return graph.input("temperature")
    if kind == "enable_integration":
        return graph.const(not static)
    if kind == "implicit_unknown":
        return potential[f"implicit_equation_{re.sub('[^0-9]', '', name)}"]
    if kind == "current" and f"flow({name[2:-1]})" in potential:
        return potential[f"flow({name[2:-1]})"]
    known = {"sysfun": {"mfactor": 1.0}}.get(kind, {})
    if kind.startswith("param_given"):
        return graph.const(True)
    return graph.const(known[name]) if name in known else graph.input(f"{kind} {name}")


def _check(compact: Compact) -> None:
    """Nothing is read that has no value here."""
    reads = sorted({n.value for n in ordered([*compact.f, *compact.q, *compact.f_static]) if n.op == "input"})
    strange = [n for n in reads if " " in n]
    if strange:
        kind, _, name = strange[0].partition(" ")
        why = "is the time, which belongs to the waveform" if kind == "abstime" else f"is a {kind}, which no device has"
        raise VerilogError(f"{compact.name}: {name!r} {why}.")


def numbers(nodes: Iterable[Node], values: Mapping[str, Any], dtype: Any) -> list[Array]:
    """The nodes in JAX.

    Args:
        values: symbol -> scalar.
    """
    nodes, known = list(nodes), {}
    for node in ordered(nodes):
        if node.op == "input":
            known[node] = jnp.asarray(values[node.value], dtype)
        elif node.op == "const":
            # Plain numbers: JAX then takes no derivative of a power to its exponent.
            known[node] = node.value
        else:
            known[node] = _IN_JAX[node.op](*(known[a] for a in node.args))
    return [jnp.asarray(known[n], dtype) for n in nodes]


_SAME = ("abs", "sign", "exp", "exp2", "log", "log1p", "expm1", "sqrt", "cbrt", "sin", "cos", "tan", "sinh", "cosh",
         "tanh", "floor", "ceil")  # fmt: skip
_IN_JAX: dict[str, Callable[..., Any]] = {name: getattr(jnp, name) for name in _SAME} | {
    "add": jnp.add,
    "sub": jnp.subtract,
    "mul": jnp.multiply,
    "div": jnp.divide,
    "neg": jnp.negative,
    "pow": jnp.power,
    "asin": jnp.arcsin,
    "acos": jnp.arccos,
    "atan": jnp.arctan,
    "asinh": jnp.arcsinh,
    "acosh": jnp.arccosh,
    "atanh": jnp.arctanh,
    "max": jnp.maximum,
    "min": jnp.minimum,
    "eq": jnp.equal,
    "ne": jnp.not_equal,
    "lt": jnp.less,
    "le": jnp.less_equal,
    "gt": jnp.greater,
    "ge": jnp.greater_equal,
    "and": jnp.logical_and,
    "or": jnp.logical_or,
    "not": jnp.logical_not,
    "select": jnp.where,
}
