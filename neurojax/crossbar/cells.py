"""What sits at the crossings: resistors, or devices of a kind in states of their own."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from neurojax.errors import CircuitError
from physics.device import AbstractDevice, Environment

Drops = Float[Array, "n batch m"]


class AbstractCells(eqx.Module):
    """Cells of an array (n, m): the current from row to column as a function of the voltage across."""

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    @abc.abstractmethod
    def current(self, v: Drops) -> Drops:
        """Current (A) at voltages (V) from row to column, (n, batch, m)."""


class Resistors(AbstractCells):
    """i = g v with conductances g (S), (n, m); zero is an open cell, infinite a short one."""

    g: Float[Array, "n m"]

    def __check_init__(self) -> None:
        if self.g.ndim != 2 or 0 in self.g.shape:
            raise CircuitError(f"Resistors: conductances have shape {self.g.shape}, not (rows, columns).")
        if not isinstance(self.g, Tracer) and bool(np.any(~(np.asarray(self.g) >= 0))):
            raise CircuitError("Resistors: a conductance is negative or nan. Signed weights need pairs of cells.")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.g.shape  # pyright: ignore[reportReturnType]

    def current(self, v: Drops) -> Drops:
        """Of voltages `v`, as of `AbstractCells`."""
        return self.g[:, None] * v


class Defective(AbstractCells):
    """Cells of any kind, some of which are open and some short.

    Attributes:
        cells: all of them as if they were whole. open, short: which are not, masks (n, m).
        bridge: conductances (S) beside the cells, (n, m), or None.
    """

    cells: AbstractCells
    open: Bool[Array | np.ndarray, "..."]
    short: Bool[Array | np.ndarray, "..."]
    bridge: Float[Array, "n m"] | None = None

    def __check_init__(self) -> None:
        for name in ("open", "short"):
            if getattr(self, name).shape != self.cells.shape:
                raise CircuitError(
                    f"{name}_cells has shape {getattr(self, name).shape}; the array is {self.cells.shape}."
                )
        if not any(isinstance(a, Tracer) for a in (self.open, self.short)) and np.any(self.open & self.short):
            i, j = np.argwhere(np.asarray(self.open & self.short))[0]
            raise CircuitError(f"cell ({i}, {j}) is said to be open and short.")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.cells.shape

    @property
    def conducts(self) -> Bool[Array, "n m"]:
        """Where there is a current, a short taken for none but for its bridge."""
        whole = jnp.asarray(~(self.open | self.short))
        return whole if self.bridge is None else whole | (self.bridge > 0)

    def current(self, v: Drops) -> Drops:
        """Of voltages `v`, as of `AbstractCells`; of shorts, that of their bridges alone."""
        gone = (self.open | self.short)[:, None]
        i = jnp.where(gone, jnp.zeros_like(v), self.cells.current(jnp.where(gone, jnp.zeros_like(v), v)))
        return i if self.bridge is None else i + self.bridge[:, None] * v


class Devices(AbstractCells):
    """Devices of one kind: parameters are scalars or (n, m), every number of the state is (n, m).

    Attributes:
        device: of two terminals. x: states. size: rows and columns. env: ambient.
    """

    device: AbstractDevice
    x: Any
    size: tuple[int, int] = eqx.field(static=True)
    env: Environment

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.size

    def current(self, v: Drops) -> Drops:
        """Of voltages `v`, as of `AbstractCells`."""
        axes = jax.tree.map(lambda a: 0 if jnp.ndim(a) else None, self.device)
        one = lambda d, x, v: d.current(x, v, self.env)  # noqa: E731
        inner = jax.vmap(jax.vmap(one, (None, None, 0)), (axes, 0, 1), 1)
        return jax.vmap(inner, (axes, 0, 0))(self.device, self.x, v)


def devices(device: AbstractDevice, shape: tuple[int, int], x: Any = None, env: Environment | None = None) -> Devices:
    """Cells of one kind of device, or of a population of it.

    Args:
        device: of two terminals; parameters are scalars, (n m,) as of `population`, or (n, m). shape: (n, m).
        x: states of the same shapes (default `device.init(env)` of each). env: ambient (300 K).

    Raises:
        CircuitError: more than two terminals, or numbers that do not fit the shape.
    """
    if device.port_shape:
        raise CircuitError(f"{type(device).__name__} has terminals {device.terminals}; a cell of a crossbar has two.")
    dtype = jax.tree.leaves(device)[0].dtype if jax.tree.leaves(device) else jnp.result_type(float)
    usual: Environment = jax.tree.map(lambda a: a.astype(dtype), Environment())
    env = usual if env is None else env
    device = jax.tree.map(lambda a: _shaped(a, shape, "a parameter"), device)
    if x is None:
        axes = jax.tree.map(lambda a: 0 if jnp.ndim(a) else None, device)
        init = lambda d: d.init(env)  # noqa: E731
        n, m = shape
        x = jax.vmap(jax.vmap(init, (axes,), axis_size=m), (axes,), axis_size=n)(device)
    else:
        x = jax.tree.map(lambda a: jnp.broadcast_to(_shaped(a, shape, "a state"), shape), x)
    return Devices(device, x, shape, env)


def _shaped(a: Any, shape: tuple[int, int], what: str) -> Array:
    a = jnp.asarray(a)
    if a.ndim == 0 or a.shape == shape:
        return a
    if a.shape != (shape[0] * shape[1],):
        raise CircuitError(
            f"{what} of the cells has shape {a.shape}; an array {shape} takes (), {shape} or its product."
        )
    return a.reshape(shape)
