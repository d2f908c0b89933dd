"""What a layer runs on: cells, wires, converters, noise, and how much of them a forward pass knows.

    hardware = nj.layers.Hardware(wires=nj.Wires.uniform(2.0), tile=(64, 64), fidelity="wires")
    layer = nj.layers.CrossbarLinear(64, 10, hardware=hardware, rngs=nnx.Rngs(0))

Fidelity, each level with all before it:

    "ideal"       sums of products of what the cells hold
    "noisy"       converters, noise of reading
    "wires"       resistance of the lines, as `nj.Crossbar` solves it
    "nonlinear"   currents of the cells that are not in proportion to the voltage

A DAC is any callable from voltages (V) to voltages, an ADC from currents (A) to currents; either may take a keyword
`key`. Cells are any callable from conductances (S), (n, m), to `nj.crossbar.AbstractCells`.
"""

import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from neurojax.crossbar import Wires
from neurojax.errors import CircuitError
from neurojax.layers.coding import Pair, check_coding
from physics.quantity import Param, quantity

LEVELS = ("ideal", "noisy", "wires", "nonlinear")


class Hardware(eqx.Module):
    """Arrays and their periphery, shared by any number of layers.

    Attributes:
        coding: of weights as conductances. wires: of each array. tile: largest rows and columns of one array, or None.
        fidelity: "ideal", "noisy", "wires" or "nonlinear". dac, adc: converters, or None. read_noise: of one cell
            in one reading, a part of its current, or a callable from conductances (S) to that part. cells: for
            "nonlinear". back: the hardware of transposed readings, which then make the gradients; None: exact ones.
        v_read: of an input of 1 (V). t_read: s. mesh: of one axis, over whose devices the tiles are spread, or None.
    """

    coding: Any = eqx.field(default_factory=Pair)
    wires: Wires = eqx.field(default_factory=Wires)
    tile: tuple[int, int] | None = eqx.field(static=True, default=None)
    fidelity: str = eqx.field(static=True, default="ideal")
    dac: Callable[..., Array] | None = None
    adc: Callable[..., Array] | None = None
    read_noise: Any = None
    cells: Callable[[Array], Any] | None = None
    back: "Hardware | None" = None
    mesh: Any = eqx.field(static=True, default=None)
    v_read: Param = quantity(0.2, "V", (1e-3, 5.0), scale="log", doc="voltage of an input of 1", source="chosen")
    t_read: Param = quantity(1e-8, "s", (1e-10, 1e-3), scale="log", doc="duration of a reading", source="chosen")

    def __check_init__(self) -> None:
        check_coding(self.coding)
        if self.fidelity not in LEVELS:
            raise CircuitError(f"fidelity = {self.fidelity!r}: one of {', '.join(LEVELS)}.")
        if self.tile is not None and min(self.tile) < 1:
            raise CircuitError(f"tile = {self.tile}: rows and columns of the largest array, one at least.")
        if self.mesh is not None and len(self.mesh.axis_names) != 1:
            raise CircuitError(
                f"mesh with axes {self.mesh.axis_names}: tiles are spread over one, as of "
                "jax.sharding.Mesh(jax.devices(), ('tiles',))."
            )
        if self.fidelity == "nonlinear" and self.cells is None:
            raise CircuitError("fidelity 'nonlinear' needs cells, such as nj.layers.SinhCells(0.3).")

    def knows(self, level: str) -> bool:
        """Whether a forward pass includes a level.

        Args:
            level: of the four.
        """
        return LEVELS.index(self.fidelity) >= LEVELS.index(level)

    def at(self, fidelity: str) -> "Hardware":
        """The same at another level.

        Args:
            fidelity: of the four.
        """
        fields: dict[str, Any] = {k: getattr(self, k) for k in self.__dataclass_fields__}
        fields["fidelity"] = fidelity
        return Hardware(**fields)

    @property
    def draws(self) -> bool:
        """Whether a reading needs random numbers."""
        takes = any(takes_key(f) for f in (self.dac, self.adc) if f is not None)
        return self.knows("noisy") and (self.read_noise is not None or takes)


def takes_key(f: Callable[..., Any]) -> bool:
    """Whether a converter takes a keyword `key`.

    Args:
        f: the converter.
    """
    return "key" in inspect.signature(f).parameters


def converted(f: Callable[..., Array] | None, x: Array, key: Array | None) -> Array:
    """What a converter makes of its input.

    Args:
        f: the converter, or None for none. x: its input. key: a `jax.random.key`, or None.
    """
    if f is None:
        return x
    y = f(x, key=key) if takes_key(f) and key is not None else f(x)
    return jnp.asarray(y, x.dtype)
