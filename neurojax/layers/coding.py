"""A weight as a pair of conductances, in parts of what cells can hold.

Layers take any coding with the same four things: `g_min`, `g_max` (S), `arrays`, `encode`, `decode`. Those of the
converters (offset, several pairs, digits over pairs) have them too.
"""

from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurojax.errors import CircuitError
from physics.quantity import Param, quantity


class Pair(eqx.Module):
    """w = w_max (g+ - g-)/(g_max - g_min), g+ and g- in arrays of their own.

    Attributes:
        g_min, g_max: S. sided: "one": one cell of a new pair is at g_min, little current; "two": both start from the
            middle, so there is room in both directions.
    """

    g_min: Param = quantity(1e-6, "S", (1e-12, 1e-2), scale="log", doc="lowest conductance", source="chosen")
    g_max: Param = quantity(1e-4, "S", (1e-11, 1e-1), scale="log", doc="highest conductance", source="chosen")
    sided: Literal["one", "two"] = eqx.field(static=True, default="one")

    @property
    def arrays(self) -> int:
        """Two."""
        return 2

    def encode(self, part: Float[Array, "n m"]) -> Float[Array, "2 n m"]:
        """Conductances (S) of weights in parts of the largest, within -1 and 1.

        Args:
            part: of the largest weight, (n, m).
        """
        zero, span = jnp.zeros_like(part), self.g_max - self.g_min
        if self.sided == "two":
            up, down = (1 + part) / 2, (1 - part) / 2
        else:
            up, down = jnp.maximum(part, zero), jnp.maximum(-part, zero)
        return self.g_min + span * jnp.stack([up, down])

    def decode(self, read: Float[Array, "2 ..."], total: Array) -> Float[Array, "..."]:
        """Weights in parts of the largest from conductances, or from currents (A) their products with voltages.

        Args:
            read: (2, ..., m). total: sum of the voltages (V), or 1; not needed here.
        """
        del total
        return (read[0] - read[1]) / (self.g_max - self.g_min)


def check_coding(coding: Any) -> None:
    """Whether an object can be the coding of a layer.

    Args:
        coding: with g_min, g_max, arrays, encode and decode.

    Raises:
        CircuitError: something of it is missing.
    """
    missing = [k for k in ("g_min", "g_max", "arrays", "encode", "decode") if not hasattr(coding, k)]
    if missing:
        raise CircuitError(f"coding {type(coding).__name__} has no {', '.join(missing)}; compare `nj.layers.Pair()`.")
