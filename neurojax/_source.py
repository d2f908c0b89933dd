"""The functions of a device as straight-line code: what JAX traces, taken apart into scalars.

    program = device_program(device, ("r_on",))              rate, current and slopes of scalars
    write(program.outputs["rate"], C)                        see `_dialects.py`

The jaxpr is walked once. Arrays become NumPy arrays of nodes, so shapes cost nothing; calls are inlined, loops of
known length written out, both sides of a `cond` computed. The inner equation of `physics.implicit` becomes an unknown
with its residual, for programs that solve equations themselves. What else has no straight-line form (a `while`) is
refused by name. Constants that JAX has computed already (folded parameters) are numbers of the precision it traced in.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from neurojax._expression import Graph, Node, ordered
from neurojax._jaxpr import Root, UnsupportedError, Walk, as_inputs, follow, symbols
from physics.device import AbstractDevice, Environment
from physics.quantity import parameters, with_values


@dataclasses.dataclass(frozen=True)
class Program:
    """Scalar expressions of named inputs.

    Attributes:
        inputs: names of the symbols, in the order of the arguments. outputs: name -> array of nodes.
        graph: where more nodes of the same inputs are made. roots: unknowns of inner equations, inner ones first.
    """

    inputs: tuple[str, ...]
    outputs: dict[str, np.ndarray]
    graph: Graph
    roots: tuple[Root, ...] = ()

    def all_roots(self) -> list[Node]:
        """All outputs and residuals."""
        return [n for a in self.outputs.values() for n in a.ravel()] + [r.residual for r in self.roots]

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


def trace(
    function: Callable[[dict[str, Any]], dict[str, Any]],
    inputs: Mapping[str, tuple[int, ...]],
    *,
    inner: bool = False,
) -> Program:
    """The program of a function of named arrays.

    Args:
        function: dictionary of arrays -> dictionary of arrays, in JAX. inputs: name -> shape; the element [i, j] of
            an array `a` becomes the symbol a_i_j, a scalar `a` the symbol a.
        inner: inner equations become unknowns (`Program.roots`, symbols root_0, root_1, ..) instead of being refused.

    Raises:
        UnsupportedError: naming the first primitive that has no straight-line form.
    """
    walk, dtype = Walk(inner), jnp.result_type(float)
    given = {name: jax.ShapeDtypeStruct(shape, dtype) for name, shape in inputs.items()}
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(given)
    names = {k: symbols(k, shape) for k, shape in inputs.items()}
    leaves = [as_inputs(walk.graph, names[k]) for k in sorted(inputs)]
    found = iter(follow(walk, closed.jaxpr, closed.consts, leaves))
    outputs = {name: next(found) for name in sorted(shapes)}
    return Program(tuple(n for k in inputs for n in names[k].ravel()), outputs, walk.graph, tuple(walk.roots))


def device_program(
    device: AbstractDevice, names: Sequence[str] = (), *, env: Environment | None = None, slopes: bool = True
) -> Program:
    """Rate (n,), current, and with `slopes` jacobian (n, n) and by_voltage (n, ports) of one device.

    Args:
        device: its parameters are folded as numbers, but for those called in `names`, which stay inputs.
        env: folded as numbers (300 K). The other inputs are state_0, state_1, .. and volt, or volt_0, volt_1.

    Raises:
        UnsupportedError: the device solves an inner equation (a `while`). KeyError: a symbol that is no parameter.
    """
    env = Environment() if env is None else env
    single = with_values(device, {n: p.value.ravel()[0] for n, p in parameters(device).items()})
    with_values(single, dict.fromkeys(names, 0.0))
    flat, unravel = ravel_pytree(single.init(env))
    ports, n = device.port_shape, flat.size

    def rate(own, y, v):
        return ravel_pytree(own.rate(unravel(y), v, env))[0] if n else jnp.zeros(0, v.dtype)

    def everything(given):
        own = with_values(single, {name: given[f"par_{name}"] for name in names})
        y, v = given["state"], given["volt"]
        found = {"rate": rate(own, y, v), "current": own.current(unravel(y), v, env)}
        if slopes:
            found["jacobian"] = jax.jacfwd(rate, 1)(own, y, v)
            found["by_voltage"] = jax.jacfwd(rate, 2)(own, y, v).reshape(n, max(1, v.size))
        return found

    inputs: dict[str, tuple[int, ...]] = {f"par_{name}": () for name in names}
    try:
        return trace(everything, inputs | {"state": (n,), "volt": ports})
    except UnsupportedError as error:
        raise UnsupportedError(f"{type(device).__name__}: {error}") from None
