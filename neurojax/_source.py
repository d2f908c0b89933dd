"""The functions of a device as straight-line code: what JAX traces, taken apart into scalars.

    program = device_program(device, symbols=("r_on",))      rate, current and slopes of scalars
    write(program.outputs["rate"], C)                        see `_dialects.py`

The jaxpr is walked once. Arrays become NumPy arrays of nodes, so shapes cost nothing; calls are inlined, loops of
known length written out. What has no straight-line form (a `while` of an implicit solve, a `cond`) is refused by
name. Constants that JAX has computed already (folded parameters) are numbers of the precision it traced in.
"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal
from jax.flatten_util import ravel_pytree

from neurojax._expression import FOLD, Graph, Node, ordered
from neurojax.errors import NeurojaxError
from physics.device import AbstractDevice, Environment
from physics.quantity import parameters, with_values

LONGEST_LOOP = 64
"""Iterations up to which a `scan` is written out."""
_CALLS = ("jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "remat", "checkpoint")
_SAME = ("stop_gradient", "copy", "copy_p", "device_put", "optimization_barrier", "pvary")
_RENAMED = {"add_any": "add", "square": "mul"}


class UnsupportedError(NeurojaxError, NotImplementedError):
    """A function has no straight-line form."""


@dataclasses.dataclass(frozen=True)
class Program:
    """Scalar expressions of named inputs.

    Attributes:
        inputs: names of the symbols, in the order of the arguments. outputs: name -> array of nodes.
        graph: where more nodes of the same inputs are made.
    """

    inputs: tuple[str, ...]
    outputs: dict[str, np.ndarray]
    graph: Graph

    def split(self, early: Sequence[str], *names: str) -> list[Node]:
        """What the outputs `names` need of things that depend on the inputs `early` alone: to be computed once."""
        roots = [n for name in names for n in self.outputs[name].ravel()]
        known: dict[Node, bool] = {}
        needed: dict[Node, None] = {}
        for node in ordered(roots):
            known[node] = node.value in early if node.op == "input" else all(known[a] for a in node.args)
            if not known[node]:
                needed |= {a: None for a in node.args if known[a] and not a.is_leaf}
        needed |= {r: None for r in roots if known[r] and not r.is_leaf}
        return [n for n in needed if not n.is_boolean]


def trace(function: Callable[[dict[str, Any]], dict[str, Any]], inputs: Mapping[str, tuple[int, ...]]) -> Program:
    """The program of a function of named arrays.

    Args:
        function: dictionary of arrays -> dictionary of arrays, in JAX. inputs: name -> shape; the element [i, j] of
            an array `a` becomes the symbol a_i_j, a scalar `a` the symbol a.

    Raises:
        UnsupportedError: naming the first primitive that has no straight-line form.
    """
    graph, dtype = Graph(), jnp.result_type(float)
    given = {name: jax.ShapeDtypeStruct(shape, dtype) for name, shape in inputs.items()}
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(given)
    names = {k: symbols(k, shape) for k, shape in inputs.items()}
    leaves = [np.vectorize(graph.input, otypes=[object])(names[k]) for k in sorted(inputs)]
    found = iter(_walk(graph, closed.jaxpr, closed.consts, leaves))
    outputs = {name: next(found) for name in sorted(shapes)}
    return Program(tuple(n for k in inputs for n in names[k].ravel()), outputs, graph)


def symbols(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Names of the elements of an array input of `trace`."""
    parts = ["_".join(map(str, (name, *index))) for index in np.ndindex(shape)]
    return np.asarray(parts, dtype=object).reshape(shape)


def device_program(
    device: AbstractDevice, symbols: Sequence[str] = (), *, env: Environment | None = None, slopes: bool = True
) -> Program:
    """Rate (n,), current, and with `slopes` jacobian (n, n) and by_voltage (n, ports) of one device.

    Args:
        device: its parameters are folded as numbers, but for those called in `symbols`, which stay inputs.
        env: folded as numbers (300 K). The other inputs are state_0, state_1, .. and volt, or volt_0, volt_1.

    Raises:
        UnsupportedError: the device solves an inner equation. KeyError: a symbol that is no parameter.
    """
    env = Environment() if env is None else env
    single = with_values(device, {n: p.value.ravel()[0] for n, p in parameters(device).items()})
    with_values(single, dict.fromkeys(symbols, 0.0))
    flat, unravel = ravel_pytree(single.init(env))
    ports, n = device.port_shape, flat.size

    def rate(own, y, v):
        return ravel_pytree(own.rate(unravel(y), v, env))[0] if n else jnp.zeros(0, v.dtype)

    def everything(given):
        own = with_values(single, {name: given[f"par_{name}"] for name in symbols})
        y, v = given["state"], given["volt"]
        found = {"rate": rate(own, y, v), "current": own.current(unravel(y), v, env)}
        if slopes:
            found["jacobian"] = jax.jacfwd(rate, 1)(own, y, v)
            found["by_voltage"] = jax.jacfwd(rate, 2)(own, y, v).reshape(n, max(1, v.size))
        return found

    inputs: dict[str, tuple[int, ...]] = {f"par_{name}": () for name in symbols}
    try:
        return trace(everything, inputs | {"state": (n,), "volt": ports})
    except UnsupportedError as error:
        raise UnsupportedError(f"{type(device).__name__}: {error}") from None


def _walk(graph: Graph, jaxpr: Any, consts: Sequence[Any], args: Sequence[np.ndarray]) -> list[np.ndarray]:
    known: dict[Any, np.ndarray] = {}

    def read(atom):
        return _numbers(graph, atom.val) if isinstance(atom, Literal) else known[atom]

    known |= zip(jaxpr.constvars, (_numbers(graph, c) for c in consts), strict=True)
    known |= zip(jaxpr.invars, args, strict=True)
    for eqn in jaxpr.eqns:
        known |= zip(eqn.outvars, _apply(graph, eqn, [read(a) for a in eqn.invars]), strict=True)
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


def _apply(graph: Graph, eqn: Any, args: list[np.ndarray]) -> Sequence[np.ndarray]:
    name, params = eqn.primitive.name, eqn.params
    if name in _SAME:
        return args
    if name in _CALLS:
        inner = next(params[k] for k in ("jaxpr", "call_jaxpr", "fun_jaxpr") if k in params)
        return _walk(graph, getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), args)
    if name == "scan" and params["length"] <= LONGEST_LOOP:
        return _loop(graph, params, args)
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
        f"the primitive {name!r} has no straight-line form. Devices that solve an inner equation, loop or branch on "
        "traced values cannot be written as source code; a table of values or a netlist of parts may do."
    )


def _loop(graph: Graph, params: Any, args: list[np.ndarray]) -> list[np.ndarray]:
    constants, carries = params["num_consts"], params["num_carry"]
    fixed, carry, series = args[:constants], args[constants : constants + carries], args[constants + carries :]
    steps = range(params["length"])
    rows: list[list[np.ndarray]] = []
    for k in reversed(steps) if params["reverse"] else steps:
        found = _walk(
            graph, params["jaxpr"].jaxpr, params["jaxpr"].consts, [*fixed, *carry, *(s[k, ...] for s in series)]
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
