"""A value that the compiler keeps: y = x in a way that no loop which reads it computes it anew.

XLA fuses loops over lanes, and repeats in each what is cheap; sums of stages, read in dozens of places, made three
quarters of all work. A division counts as dear: its result is kept and read. It is an operation of its own, as there
are hundreds of them in the derivative of a step, and a function with a rule would be traced each time.
"""

from typing import Any

from jax.extend.core import Primitive
from jax.extend.mlir.dialects import stablehlo
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array


def held(x: Array) -> Array:
    """x itself (not a number if it is infinite), in a way that makes the compiler keep it, and its derivatives."""
    return _held.bind(x)


def _lowered(ctx: Any, x: Any) -> list[Any]:
    """x/(1 + 0 x)."""
    whole = mlir.ir.RankedTensorType(x.type)

    def number(value: float) -> Any:
        splat = mlir.ir.DenseElementsAttr.get_splat(whole, mlir.ir.FloatAttr.get(whole.element_type, value))
        return stablehlo.constant(splat)

    return [stablehlo.divide(x, stablehlo.add(number(1.0), stablehlo.multiply(number(0.0), x)))]


_held = Primitive("held")
_held.def_impl(lambda x: x / (1 + 0 * x))
_held.def_abstract_eval(lambda x: x)
ad.deflinear2(_held, lambda bar, _: [_held.bind(bar)])
batching.defvectorized(_held)
mlir.register_lowering(_held, _lowered)
