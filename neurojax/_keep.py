"""Arithmetic in the order that a compiler of loops likes: what is dear to compute and read more than once is kept.

XLA fuses the loops over lanes. A value that several of them read is computed anew in each, unless its last operation
is dear; in the derivatives of a device, long chains of products that all share, that made most of all work. `kept`
walks the jaxpr of a function once and keeps such values by `_held.held`; the numbers stay the same.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Literal

from neurojax._held import held

SHORT = 4
"""Cheap operations in a row that may be done twice."""
MOVING = -(2**60)
"""Cost of what is never kept."""
CALLS = ("jit", "pjit", "closed_call", "core_call", "remat", "checkpoint")
FREE = (
    "broadcast_in_dim",
    "reshape",
    "squeeze",
    "expand_dims",
    "convert_element_type",
    "slice",
    "copy",
    "stop_gradient",
)
CHEAP = {
    "add", "sub", "mul", "neg", "max", "min", "abs", "sign", "select_n", "add_any", "integer_pow", "square", "clamp",
    "concatenate", "pad", "transpose", "floor", "round", "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge",
    "is_finite", "mul_jvp", "custom_jvp_call",
}  # fmt: skip


def kept(function: Callable[..., Any], short: int = SHORT) -> Callable[..., Any]:
    """`function` of arrays (trees), with what it would compute in several loops computed in one."""

    def calm(*args: Any) -> Any:
        return _calmly(function, args, [(a, 0) for a in jax.tree.leaves(args)], short)

    return calm


def kept_along(function: Callable[..., Any], short: int = SHORT) -> Callable[..., Any]:
    """`kept` of function(still, moving), but for what depends on `moving`: of these there are many, and each is
    large, so that to compute them twice is cheaper than to write them down."""

    def calm(still: Any, moving: Any) -> Any:
        values = [(a, 0) for a in jax.tree.leaves(still)] + [(a, MOVING) for a in jax.tree.leaves(moving)]
        return _calmly(function, (still, moving), values, short)

    return calm


def _calmly(function: Callable[..., Any], args: Any, values: Sequence[Any], short: int) -> Any:
    closed, shape = jax.make_jaxpr(function, return_shape=True)(*args)
    found = _walk(closed.jaxpr, [(c, 0) for c in closed.consts], values, short)
    return jax.tree.unflatten(jax.tree.structure(shape), [a for a, _ in found])


def _walk(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any], short: int) -> list[tuple[Any, int]]:
    """Values and their costs: the cheap operations that a loop repeats to have them."""
    uses = Counter(v for eqn in jaxpr.eqns for v in eqn.invars if not isinstance(v, Literal))
    known: dict[Any, tuple[Any, int]] = {}

    def write(var: Any, value: Any, cost: int) -> None:
        if cost > short and uses[var] > 1 and jnp.issubdtype(value.dtype, jnp.floating) and value.ndim:
            value, cost = held(value), 0
        known[var] = value, cost

    def read(atom: Any) -> tuple[Any, int]:
        return (atom.val, 0) if isinstance(atom, Literal) else known[atom]

    for var, (value, cost) in (*zip(jaxpr.constvars, consts, strict=True), *zip(jaxpr.invars, args, strict=True)):
        write(var, value, cost)
    for eqn in jaxpr.eqns:
        given, name = [read(v) for v in eqn.invars], eqn.primitive.name
        if name in CALLS:
            inner = next(eqn.params[k] for k in ("jaxpr", "call_jaxpr") if k in eqn.params)
            out = _walk(getattr(inner, "jaxpr", inner), [(c, 0) for c in getattr(inner, "consts", ())], given, short)
        else:
            cost = sum(c for _, c in given) + 1 if name in CHEAP else max((c for _, c in given), default=0)
            cost = cost if (name in CHEAP or name in FREE) and not _ends_dear(eqn) else 0
            cost = MOVING if any(c == MOVING for _, c in given) else cost
            out = [(a, cost) for a in _bound(eqn, [a for a, _ in given])]
        for var, (value, cost) in zip(eqn.outvars, out, strict=True):
            write(var, value, cost)
    return [read(v) for v in jaxpr.outvars]


def _ends_dear(eqn: Any) -> bool:
    """Whether it is a function with a derivative of its own whose last operation is dear, such as a division."""
    inner = eqn.params.get("call_jaxpr")
    last = None if inner is None else inner.jaxpr.eqns[-1]
    return last is not None and last.primitive.name not in CHEAP and last.primitive.name not in FREE


def _bound(eqn: Any, values: list[Any]) -> list[Any]:
    params = eqn.primitive.get_bind_params(eqn.params)
    # Older versions of JAX give the functions apart.
    functions, params = params if isinstance(params, tuple) else ((), params)
    out = eqn.primitive.bind(*functions, *values, **params)
    return list(out) if eqn.primitive.multiple_results else [out]
