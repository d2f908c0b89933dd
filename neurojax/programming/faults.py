"""Cells of an array that do not work: drawn once, applied to conductances or states."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from neurojax.errors import ProgrammingError

Real = Float[Array, "..."]


class StuckCells(eqx.Module):
    """Which cells rest at a value whatever is done to them.

    Attributes:
        on, off: masks, (n, m); no cell is in both. g_on, g_off: where they rest (S, or in the unit of a state).
    """

    on: Bool[Array, "n m"]
    off: Bool[Array, "n m"]
    g_on: Float[Array, ""]
    g_off: Float[Array, ""]

    @property
    def works(self) -> Bool[Array, "n m"]:
        """Cells that answer."""
        return ~(self.on | self.off)

    def __call__(self, g: Float[Array, "*batch n m"]) -> Float[Array, "*batch n m"]:
        """Conductances (or states) `g` with the stuck ones where they rest; gradients pass through the others only."""
        on, off = (jnp.broadcast_to(m, g.shape) for m in (self.on, self.off))
        return jnp.where(on, self.g_on.astype(g.dtype), jnp.where(off, self.g_off.astype(g.dtype), g))


def stuck_cells(shape: tuple[int, int], on: float, off: float, *, g_on: float, g_off: float, key: Array) -> StuckCells:
    """Draw which cells of an array are stuck.

    Args:
        shape: (n, m). on, off: probabilities. g_on, g_off: where stuck cells rest (S). key: a `jax.random.key`.

    Raises:
        ProgrammingError: probabilities that are none.
    """
    if not (on >= 0 and off >= 0 and on + off <= 1):
        raise ProgrammingError(f"on = {on} and off = {off} must be probabilities whose sum is at most 1.")
    u = jax.random.uniform(key, shape)
    number = lambda a: jnp.asarray(a, jnp.result_type(float))  # noqa: E731
    return StuckCells(u < on, (u >= on) & (u < on + off), number(g_on), number(g_off))
