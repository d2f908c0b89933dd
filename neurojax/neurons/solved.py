"""Neurons whose slot is a run of an ODE, and a table of it for thousands of them."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Float

from neurojax.errors import DataError
from neurojax.members import member_axes
from neurojax.neurons.accumulating import AbstractAccumulator, Response, answer, check_drives, keys_of, members_of

Real = Float[Array, ""]
State = Float[Array, "*members"]
FARTHEST = 4.0
"""Standard deviations up to which a reset is tabulated; draws beyond (six in 100 000) are taken as that."""


class AbstractSolved(AbstractAccumulator):
    """An accumulator of one state variable whose slot is a run of the ODE of its device (`simulate`).

    Its methods take one state or those of all members at once. Derivatives in forward mode (jvp, jacfwd); those of a
    table in its inputs also in reverse.
    """

    @abc.abstractmethod
    def behind_reset(self, z: State) -> State:
        """The state behind a reset of which z, a standard normal number, is what it has by chance."""

    @abc.abstractmethod
    def span(self, resets: State) -> tuple[Real, Real]:
        """Least and greatest state of one neuron from which a pulse is absorbed, given those behind all `resets`."""

    def renewed(self, key: Array) -> State:
        """As of `AbstractAccumulator`: z of `behind_reset` is drawn from `key`, or one from each of several."""
        draw = jax.vmap(_deviation) if key.ndim else _deviation
        return self.behind_reset(draw(key))

    def respond(self, drives: Any, *, key: Array) -> Response:
        """As of `AbstractAccumulator`, by the ODE in every slot: for few members and slots, and to check a table.

        Args:
            drives: (slots,), the same for all members. key: as there.

        Raises:
            DataError: as there, and for inputs of each member.
        """
        drives = jnp.asarray(drives, jnp.result_type(float))
        check_drives(drives)
        if drives.ndim > 1:
            raise DataError(f"drives {drives.shape}: the ODE of all members is solved under one input; tabulate first.")
        size = members_of(self, drives, key)
        found = answer(self, drives, key if size is None else keys_of(key, size))
        return Response(jnp.moveaxis(found.fired, 0, -1), jnp.moveaxis(found.potential, 0, -1), found.start)

    def tabulated(self, low: float, high: float, nodes: tuple[int, int] = (33, 13)) -> "Tabulated":
        """The same neuron with a table of one pulse in place of the ODE: for populations of thousands.

        Args:
            low, high: least and greatest height of a pulse, in `drive_unit`.
            nodes: numbers of states (and of resets) and of heights at which the ODE is solved; where the answer is
                smooth, the error falls with the fourth power of their distance.

        Raises:
            DataError: heights that are not increasing, fewer than four nodes, or populations of two sizes.
        """
        if not low < high or min(nodes) < 4:
            raise DataError(f"tabulated({low}, {high}, {nodes}): low must be below high, and nodes at least four each.")
        heights = jnp.linspace(jnp.asarray(low, jnp.result_type(float)), high, nodes[1])
        size = members_of(self, heights, jax.random.key(0))
        return _tables(self, heights, nodes[0], size)


class Tabulated(AbstractAccumulator):
    """x' = M(x, drive) between the nodes of a table that the ODE has filled, by polynomials through four of them.

    Attributes:
        neuron: the one that was tabulated, for its potential. states, drives: least and greatest of the table.
        pulses: the state behind a pulse, (*members, states, heights). resets: behind a reset, (*members, draws).

    At a corner, as where a wall falls back to the beginning of its track, the error is a third of the distance of
    nodes.
    A height outside the table raises in `respond` where it is a number and gives nan where it is traced. Without a
    pulse (0) a state stays, if the heights do not reach down to zero: for devices that forget nothing.
    """

    drive_unit: ClassVar[str] = "that of neuron"
    neuron: AbstractSolved
    states: tuple[Float[Array, "*members"], Float[Array, "*members"]]
    drives: tuple[Float[Array, "*members"], Float[Array, "*members"]]
    pulses: Float[Array, "*members states heights"]
    resets: Float[Array, "*members draws"]

    def renewed(self, key: Array) -> Real:
        """As of `AbstractSolved`, from the table; `key` as there."""
        return _cubic(self.resets, 0.5 + 0.5 * _deviation(key) / FARTHEST)

    def absorb(self, x: Real, drive: Real, key: Array) -> Real:
        """As of `AbstractSolved`, from the table; x, drive and key as there."""
        del key
        part = (x - self.states[0]) / (self.states[1] - self.states[0])
        height = (drive - self.drives[0]) / (self.drives[1] - self.drives[0])
        found = _cubic(jax.vmap(_cubic, in_axes=(0, None))(self.pulses, height), part)
        inside = (height >= -1e-9) & (height <= 1 + 1e-9)
        found = jnp.where(inside, found, jnp.full_like(found, jnp.nan))
        return jnp.where((drive == 0) & ~inside, x, found)

    def potential(self, x: Real) -> Real:
        """That of the neuron in the state x."""
        return self.neuron.potential(x)

    def respond(self, drives: Any, *, key: Array) -> Response:
        """As of `AbstractAccumulator`.

        Args:
            drives, key: as there.

        Raises:
            DataError: as there, and for heights outside the table.
        """
        if not isinstance(drives, Tracer) and not isinstance(self.pulses, Tracer):
            low, high = float(jnp.min(self.drives[0])), float(jnp.max(self.drives[1]))
            given = np.asarray(drives, dtype=float)
            if np.any((given != 0) & ((given < low - 1e-9) | (given > high + 1e-9))):
                raise DataError(
                    f"drives run from {given.min():g} to {given.max():g}, the table from {low:g} to {high:g}: "
                    "tabulate a wider range."
                )
        return super().respond(drives, key=key)

    def _sizes(self) -> dict[str, int]:
        return super()._sizes() | ({"table": self.resets.shape[0]} if self.resets.ndim > 1 else {})

    def _axes(self) -> Any:
        of_table = jax.tree.map(lambda _: 0 if self.resets.ndim > 1 else None, self)
        return eqx.tree_at(lambda t: t.neuron, of_table, member_axes(self.neuron), is_leaf=lambda a: a is None)


def slot_knots(width: Real, edge: Real, rest: Real) -> Float[Array, " 5"]:
    """Knots (s) of a slot: a trapezoid and a pause.

    Args:
        width: of its flat top (s). edge: s. rest: s.
    """
    return jnp.cumsum(jnp.stack([jnp.zeros_like(width), edge, width, edge, rest]))


def _tables(neuron: AbstractSolved, heights: Array, n: int, size: int | None) -> Tabulated:
    """The neuron with n nodes of its state and its resets, all of them and all members side by side."""
    members = 1 if size is None else size
    lanes: Any = jax.tree.map(lambda a: jnp.repeat(a, n) if getattr(a, "ndim", 0) else a, neuron)
    resets = lanes.behind_reset(jnp.tile(jnp.linspace(-FARTHEST, FARTHEST, n, dtype=heights.dtype), members))
    resets = resets.reshape(members, n)
    axes = (member_axes(neuron), 0)
    low, high = jax.vmap(lambda m, r: m.span(r), in_axes=axes, axis_size=members)(neuron, resets)
    states = (low[:, None] + (high - low)[:, None] * jnp.linspace(0.0, 1.0, n, dtype=low.dtype)[None]).ravel()
    none = jax.random.key(0)
    pulses = jnp.stack([lanes.absorb(states, height, none) for height in heights], axis=-1)
    ends = tuple(jnp.full(members, a) for a in (heights[0], heights[-1]))
    tables: Any = ((low, high), ends, pulses.reshape(members, n, -1), resets)
    if size is None:
        tables = jax.tree.map(lambda a: a[0], tables)
    return Tabulated(neuron, *tables)


def _cubic(values: Float[Array, " n"], part: Real) -> Real:
    """The polynomial through the four nearest of equidistant values; part = 0 is the first, 1 the last."""
    n = values.shape[0]
    place = part * (n - 1)
    k = jnp.clip(jnp.floor(lax.stop_gradient(place)), 1, n - 3).astype(jnp.int32)
    s = place - k.astype(place.dtype)
    below, above = (s + 1) * s, (s - 1) * (s - 2)
    weights = jnp.stack([-s * above / 6, (s + 1) * above / 2, -below * (s - 2) / 2, below * (s - 1) / 6])
    return jnp.sum(weights * lax.dynamic_slice(values, (k - 1,), (4,)))


def _deviation(key: Array) -> Real:
    """A standard normal number, cut at `FARTHEST`."""
    return jnp.clip(jax.random.normal(key, dtype=jnp.result_type(float)), -FARTHEST, FARTHEST)
