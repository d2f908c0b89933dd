"""Where the write pulses of a cell leave it, fresh and worn."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from neurojax.errors import ProgrammingError
from neurojax.programming import DeviceCells, device_cells
from physics import Environment, Worn
from physics.device import AbstractDevice

Real = Float[Array, "..."]


class WriteWindow(eqx.Module):
    """States after a SET and after a RESET pulse, and what the pulses cost, over the damage that a cell has.

    Attributes:
        damage: cycles done over those that a cell stands, increasing, (k,). on, off: states, every number (k,).
        g_on, g_off: readings of them (S), (k,). e_set, e_reset: energies of the pulses that change a cell (J), (k,).
        v_read: of the readings (V). period: of one pulse with its rest (s).
    """

    damage: Float[Array, " k"]
    on: Any
    off: Any
    g_on: Float[Array, " k"]
    g_off: Float[Array, " k"]
    e_set: Float[Array, " k"]
    e_reset: Float[Array, " k"]
    v_read: Float[Array, ""]
    period: Float[Array, ""]

    def states(self, bits: Bool[Array, "*cells"], damage: Real) -> Any:
        """States of cells that hold `bits` and have a `damage` of the same shape; straight lines between the table."""

        def one(on: Array, off: Array) -> Array:
            along = lambda table: jnp.interp(damage, self.damage, table)  # noqa: E731
            return jnp.where(bits, along(on), along(off))

        return jax.tree.map(one, self.on, self.off)

    def conductance(self, bits: Bool[Array, "*cells"], damage: Real) -> Real:
        """Readings (S) of cells that hold `bits` and have a `damage` of the same shape."""
        along = lambda table: jnp.exp(jnp.interp(damage, self.damage, jnp.log(table)))  # noqa: E731
        return jnp.where(bits, along(self.g_on), along(self.g_off))


def write_window(
    cell: AbstractDevice,
    v_set: float,
    v_reset: float,
    width: float,
    *,
    damage: Sequence[float] = (0.0,),
    counted: tuple[str, ...] = (),
    order: float = 2.0,
    cycles: int = 3,
    v_read: float = 0.2,
    env: Environment | None = None,
) -> WriteWindow:
    """Write a cell on and off by its state equation until the two states repeat.

    Worn cells are `physics.Worn`: their state moves slower by exp(-damage^order), so the same pulses open a smaller
    window, in the end none.

    Args:
        cell: of two terminals, one device. v_set, v_reset: amplitudes (V). width: of the pulses (s).
        damage: for which the window is found, increasing. counted: states whose motion wears the cell, as for
            `physics.Worn`; needed where a damage is not zero. order: how suddenly a cell fails.
        cycles: SET and RESET pulses that are solved. v_read: V. env: ambient (300 K).

    Raises:
        ProgrammingError: a damage that does not increase from zero or more, pulses that do not switch the fresh cell,
            or a worn cell without `counted`.
    """
    grid = np.asarray(damage, float)
    if grid.ndim != 1 or not grid.size or grid[0] < 0 or np.any(np.diff(grid) <= 0):
        raise ProgrammingError(f"damage = {damage}: numbers that increase from zero or more.")
    worn = bool(np.any(grid > 0))
    if worn and not counted:
        raise ProgrammingError("write_window: which states wear the cell? Give counted=('size',) or the like.")
    number = lambda a: jnp.asarray(a, float)  # noqa: E731
    env = Environment() if env is None else env
    kind: Any = Worn
    device = kind(cell, counted, cycles=number(1e12), order=number(order)) if worn else cell
    cells = device_cells(device, width, v_read=v_read, env=env)
    x = cells.start((grid.size,))
    x = eqx.tree_at(lambda s: s.damage, x, number(grid)) if worn else x
    on, off, e_set, e_reset = _cycled(cells, x, number([v_set, v_reset]), cycles)
    g_on, g_off = cells.conductance(on), cells.conductance(off)
    _check(g_on, g_off, v_set, v_reset)
    inner = (lambda s: s.device) if worn else (lambda s: s)
    return WriteWindow(number(grid), inner(on), inner(off), g_on, g_off, e_set, e_reset, number(v_read), cells.period)


@eqx.filter_jit
def _cycled(cells: DeviceCells, x: Any, volts: Array, cycles: int) -> tuple[Any, Any, Array, Array]:
    """States after the last SET and RESET, and the energies of both."""
    k = jax.tree.leaves(x)[0].shape[0]

    def pair(carry: Any, _: None) -> tuple[Any, None]:
        on, e_set = cells.step(carry[1], jnp.broadcast_to(volts[0], (k,)))
        off, e_reset = cells.step(on, jnp.broadcast_to(volts[1], (k,)))
        return (on, off, e_set, e_reset), None

    zero = jnp.zeros(k, volts.dtype)
    return jax.lax.scan(pair, (x, x, zero, zero), None, length=cycles)[0]


def _check(g_on: Array, g_off: Array, v_set: float, v_reset: float) -> None:
    high, low = float(g_on[0]), float(g_off[0])
    if not high > 1.5 * low:
        raise ProgrammingError(
            f"pulses of {v_set} V and {v_reset} V leave the fresh cell at {high:.3g} S and {low:.3g} S: no bit. "
            "Try longer or higher pulses, or exchange their signs."
        )
