"""A jaxpr as a graph of scalars: arrays become NumPy arrays of nodes, calls are inlined.

The rules of each primitive; `_source.py` says what for. Loops of known length are written out, both sides of a `cond`
computed, the search of `physics.implicit` becomes an unknown with a residual. Any other `while` is refused.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from neurojax._expression import FOLD, Graph, Node
from neurojax.errors import NeurojaxError
from physics.implicit import INNER

LONGEST_LOOP = 64
"""Iterations up to which a `scan` is written out."""
_CALLS = ("jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "remat", "checkpoint")
_SAME = ("stop_gradient", "copy", "copy_p", "device_put", "optimization_barrier", "pvary")
_RENAMED = {"add_any": "add", "square": "mul"}
_MOVES = {"gather": 1, "dynamic_slice": 1, "pad": 2, "dynamic_update_slice": 2}
"""How many of the arguments are moved; the others say where."""


class UnsupportedError(NeurojaxError, NotImplementedError):
    """A function has no straight-line form."""


@dataclasses.dataclass(frozen=True)
class Root:
    """An unknown of an inner equation: the input `symbol` where `residual`, which increases with it, is zero.

    Outside of the bracket of the search it is read as the nearer end, and the residual is a straight line. start: a
    first guess, of the other inputs.
    """

    symbol: Node
    residual: Node
    start: Node


class Walk:
    """What is carried along: the graph, and the inner equations if they are allowed."""

    def __init__(self, inner: bool):
        self.graph, self.inner = Graph(), inner
        self.roots: list[Root] = []
        self.known: dict[tuple[Node, ...], np.ndarray] = {}
        self.depth = 0


def symbols(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Names of the elements of an array: a_i_j."""
    parts = ["_".join(map(str, (name, *index))) for index in np.ndindex(shape)]
    return np.asarray(parts, dtype=object).reshape(shape)


def as_inputs(graph: Graph, names: np.ndarray) -> np.ndarray:
    """A new input of each name."""
    out = np.empty(names.shape, dtype=object)
    for index in np.ndindex(names.shape):
        out[index] = graph.input(str(names[index]))
    return out


def follow(
    walk: Walk, jaxpr: Any, consts: Sequence[Any], args: Sequence[np.ndarray], last: Any = None
) -> list[np.ndarray]:
    """The outputs of a jaxpr, or of its equation `last`."""
    known: dict[Any, np.ndarray] = {}

    def read(atom):
        return _numbers(walk.graph, atom.val) if isinstance(atom, Literal) else known[atom]

    known |= zip(jaxpr.constvars, (_numbers(walk.graph, c) for c in consts), strict=True)
    known |= zip(jaxpr.invars, args, strict=True)
    for eqn in jaxpr.eqns:
        known |= zip(eqn.outvars, _apply(walk, eqn, [read(a) for a in eqn.invars]), strict=True)
        if eqn is last:
            return [known[v] for v in eqn.outvars]
    return [read(a) for a in jaxpr.outvars]


def _numbers(graph: Graph, value: Any) -> np.ndarray:
    if isinstance(value, np.ndarray) and value.dtype == object:
        return value
    return _each(graph.const, np.asarray(value))


def _each(function: Callable[..., Node], *arrays: np.ndarray) -> np.ndarray:
    shape = np.broadcast_shapes(*(a.shape for a in arrays))
    out = np.empty(shape, dtype=object)
    wide = [np.broadcast_to(a, shape) for a in arrays]
    for index in np.ndindex(shape):
        out[index] = function(*(a[index] for a in wide))
    return out


def _apply(walk: Walk, eqn: Any, args: list[np.ndarray]) -> Sequence[np.ndarray]:
    name, params, graph = eqn.primitive.name, eqn.params, walk.graph
    if name in _SAME:
        return args
    if name in _CALLS:
        inner = next(params[k] for k in ("jaxpr", "call_jaxpr", "fun_jaxpr") if k in params)
        return follow(walk, getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), args)
    if name == "scan" and params["length"] <= LONGEST_LOOP:
        return _loop(walk, params, args)
    if name == "cond":
        return _branches(walk, params, args)
    if name == "while" and walk.inner and _equation(params) is not None:
        return _inner(walk, params, args)
    if name == "dot_general":
        return [_contracted(graph, params["dimension_numbers"], *args)]
    if name in _MOVES:
        return [_moved(graph, eqn, args)]
    if name == "split":
        return np.split(args[0], np.cumsum([int(s) for s in params["sizes"]])[:-1], axis=params["axis"])
    if name in _SHAPES:
        return [np.asarray(_SHAPES[name](params, *args), dtype=object)]
    if name in _SCALARS:
        return [_each(lambda *a: _SCALARS[name](graph, params, *a), *args)]
    if name in _SUMS:
        return [_reduced(graph, _SUMS[name], args[0], params["axes"])]
    if name == "iota":
        shape, axis = params["shape"], params["dimension"]
        return [_numbers(graph, np.broadcast_to(np.expand_dims(np.arange(shape[axis]), _others(shape, axis)), shape))]
    if _RENAMED.get(name, name) in FOLD:
        both = args * 2 if name == "square" else args
        return [_each(lambda *a: graph.make(_RENAMED.get(name, name), *a), *both)]
    raise UnsupportedError(
        f"the primitive {name!r} has no straight-line form. What loops on traced values cannot be written as source "
        "code; inner equations of `physics.implicit` can be exported to SPICE and Verilog-A."
    )


def _branches(walk: Walk, params: Any, args: list[np.ndarray]) -> list[np.ndarray]:
    """All branches, the outputs of one selected."""
    index, graph = args[0][()], walk.graph
    first, *others = (follow(walk, b.jaxpr, b.consts, args[1:]) for b in params["branches"])
    for k, other in enumerate(others, start=1):
        # An index beyond the last is the last.
        taken = graph.make("ge", index, float(k))
        first = [
            _each(lambda yes, no, taken=taken: graph.make("select", taken, yes, no), a, b)
            for a, b in zip(other, first, strict=True)
        ]
    return first


def _equation(params: Any) -> Any:
    """The evaluation of the residual within the search of `physics.implicit`; None in any other loop."""
    eqns = params["body_jaxpr"].jaxpr.eqns
    return next((e for e in eqns if e.primitive.name in _CALLS and INNER in str(e.params.get("name"))), None)


def _inner(walk: Walk, params: Any, args: list[np.ndarray]) -> list[np.ndarray]:
    """The outputs of a search: the unknown is a new input, or that of an equal equation; the others are not read."""
    body, first, last = params["body_jaxpr"], params["cond_nconsts"], _equation(params)
    constants, carry = args[first : first + params["body_nconsts"]], args[first + params["body_nconsts"] :]
    unused = [as_inputs(walk.graph, symbols("unused", a.shape)) for a in carry[1:]]

    def residual(y):
        return follow(walk, body.jaxpr, body.consts, [*constants, y, *unused], last)[0]

    # First with the same name for every unknown, so that equal equations are recognised.
    kept = len(walk.roots), dict(walk.known)
    walk.depth += 1
    key = tuple(residual(as_inputs(walk.graph, symbols(f"trial_{walk.depth}", carry[0].shape))).ravel())
    walk.depth -= 1
    del walk.roots[kept[0] :]
    walk.known = kept[1]
    if key not in walk.known:
        y = as_inputs(walk.graph, symbols(f"root_{len(walk.known)}", carry[0].shape))
        start, low, high = carry[:3]
        kept_in = _each(lambda *a: walk.graph.make("min", walk.graph.make("max", a[0], a[1]), a[2]), y, low, high)
        walk.known[key] = kept_in
        beyond = _each(lambda a, b: walk.graph.make("sub", a, b), y, kept_in)
        whole = _each(lambda a, b: walk.graph.make("add", a, b), residual(kept_in), beyond)
        walk.roots += [Root(*parts) for parts in zip(y.ravel(), whole.ravel(), start.ravel(), strict=True)]
    return [walk.known[key], *unused]


def _moved(graph: Graph, eqn: Any, args: list[np.ndarray]) -> np.ndarray:
    """An operation that only moves elements, at places that are known: done with their numbers instead of them."""
    operands = _MOVES[eqn.primitive.name]
    offsets = np.cumsum([0, *(a.size for a in args[:operands])])
    places = [np.arange(a.size).reshape(a.shape) + o for a, o in zip(args, offsets, strict=False)][:operands]
    rest = args[operands:]
    if any(n.op != "const" for a in rest for n in a.ravel()):
        raise UnsupportedError(f"{eqn.primitive.name!r} at a place that is computed has no straight-line form.")
    dtypes = [v.aval.dtype for v in eqn.invars[operands:]]
    known = [
        jnp.asarray(np.vectorize(lambda n: n.value, otypes=[float])(a), t) for a, t in zip(rest, dtypes, strict=True)
    ]
    params = eqn.params | ({"fill_value": -1} if eqn.params.get("fill_value") is not None else {})
    order = np.asarray(eqn.primitive.bind(*(jnp.asarray(p) for p in places), *known, **params))
    everything = [*(n for a in args[:operands] for n in a.ravel())]
    return _each(lambda k: everything[k] if k >= 0 else graph.const(math.nan), order)


def _contracted(graph: Graph, numbers: Any, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    (sum_a, sum_b), (same_a, same_b) = numbers
    free_a = [k for k in range(a.ndim) if k not in (*sum_a, *same_a)]
    free_b = [k for k in range(b.ndim) if k not in (*sum_b, *same_b)]
    same = [a.shape[k] for k in same_a]
    left = a.transpose(*same_a, *free_a, *sum_a).reshape(*same, math.prod(a.shape[k] for k in free_a), 1, -1)
    right = b.transpose(*same_b, *free_b, *sum_b).reshape(*same, 1, math.prod(b.shape[k] for k in free_b), -1)
    product = _each(lambda x, y: graph.make("mul", x, y), left, right)
    shape = [*same, *(a.shape[k] for k in free_a), *(b.shape[k] for k in free_b)]
    return _reduced(graph, "add", product, [product.ndim - 1]).reshape(shape)


def _loop(walk: Walk, params: Any, args: list[np.ndarray]) -> list[np.ndarray]:
    constants, carries = params["num_consts"], params["num_carry"]
    fixed, carry, series = args[:constants], args[constants : constants + carries], args[constants + carries :]
    steps = range(params["length"])
    rows: list[list[np.ndarray]] = []
    for k in reversed(steps) if params["reverse"] else steps:
        found = follow(
            walk, params["jaxpr"].jaxpr, params["jaxpr"].consts, [*fixed, *carry, *(s[k, ...] for s in series)]
        )
        carry = found[:carries]
        rows.append(found[carries:])
    rows = rows[::-1] if params["reverse"] else rows
    return [*carry, *(np.stack(column) for column in zip(*rows, strict=True))]


def _reduced(graph: Graph, op: str, array: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    for axis in sorted(axes, reverse=True):
        parts = np.moveaxis(array, axis, 0)
        whole = parts[0]
        for part in itertools.islice(parts, 1, None):
            whole = _each(lambda a, b: graph.make(op, a, b), np.asarray(whole), np.asarray(part))
        array = np.asarray(whole, dtype=object)
    return array


def _others(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    return tuple(k for k in range(len(shape)) if k != axis)


def _broadcast(params: Any, array: np.ndarray, *_: Any) -> np.ndarray:
    shape = params["shape"]
    sizes = [1] * len(shape)
    for axis, size in zip(params["broadcast_dimensions"], array.shape, strict=True):
        sizes[axis] = size
    return np.broadcast_to(array.reshape(sizes), shape)


def _slice(params: Any, array: np.ndarray) -> np.ndarray:
    strides = params["strides"] or (1,) * array.ndim
    limits = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
    return array[tuple(slice(*limit) for limit in limits)]


def _converted(graph: Graph, params: Any, x: Node) -> Node:
    to = params["new_dtype"]
    if jnp.issubdtype(to, jnp.bool_):
        return x if x.is_boolean else graph.make("ne", x, 0.0)
    if x.is_boolean:
        return graph.make("select", x, 1.0, 0.0)
    return x if jnp.issubdtype(to, jnp.floating) or x.op == "const" else graph.make("floor", x)


_SHAPES: dict[str, Callable[..., Any]] = {
    "broadcast_in_dim": _broadcast,
    "reshape": lambda p, a, *_: a.reshape(p["new_sizes"]),
    "squeeze": lambda p, a: np.squeeze(a, tuple(p["dimensions"])),
    "expand_dims": lambda p, a: np.expand_dims(a, tuple(p["dimensions"])),
    "transpose": lambda p, a: np.transpose(a, p["permutation"]),
    "concatenate": lambda p, *a: np.concatenate(a, axis=p["dimension"]),
    "stack": lambda p, *a: np.stack(a, axis=p["axis"]),
    "rev": lambda p, a: np.flip(a, p["dimensions"]),
    "slice": _slice,
}
_SUMS = {"reduce_sum": "add", "reduce_prod": "mul", "reduce_max": "max", "reduce_min": "min",
         "reduce_and": "and", "reduce_or": "or"}  # fmt: skip
_SCALARS: dict[str, Callable[..., Node]] = {
    "convert_element_type": _converted,
    "select_n": lambda g, p, which, no, yes=None: no if yes is None else g.make("select", which, yes, no),
    "clamp": lambda g, p, lo, x, hi: g.make("min", g.make("max", x, lo), hi),
    "integer_pow": lambda g, p, x: g.power(x, p["y"]),
    "logistic": lambda g, p, x: g.make("div", 1.0, g.make("add", 1.0, g.make("exp", g.make("neg", x)))),
    "rsqrt": lambda g, p, x: g.make("div", 1.0, g.make("sqrt", x)),
}
