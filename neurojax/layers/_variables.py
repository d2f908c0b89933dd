"""Variables of layers, and how their values are read in every supported version of Flax."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array


class HardwareVariable(nnx.Variable):
    """The numbers of a `Hardware`; filter by this class for gradients with respect to wires and converters."""


class Scale(nnx.Variable):
    """Digital factors of a layer that are not trained."""


def value_of(variable: Any) -> Any:
    """What a variable holds."""
    return variable.get_value() if hasattr(variable, "get_value") else variable.value


def set_value(variable: Any, value: Any) -> None:
    """Put something into a variable."""
    if hasattr(variable, "set_value"):
        variable.set_value(value)
    else:
        variable.value = value


def cast(tree: Any, dtype: Any) -> Any:
    """Floating numbers of a tree in one precision."""
    return jax.tree.map(lambda a: a.astype(dtype) if eqx.is_inexact_array(a) else a, tree)


def split(hardware: Any, dtype: Any) -> tuple[HardwareVariable, Any]:
    """A hardware, or a modifier, as a variable of its numbers and what is static."""
    numbers, static = eqx.partition(cast(hardware, dtype), eqx.is_array)
    return HardwareVariable(numbers), static


def straight_clip(x: Array, low: float, high: float) -> Array:
    """x held between limits, with the gradient of x itself."""
    return x + jax.lax.stop_gradient(jnp.clip(x, low, high) - x)
