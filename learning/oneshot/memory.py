"""An associative memory on a crossbar: one writing is enough to know a class, one reading compares with all of them.

    memory = DeviceMemory.blank(slots=10, features=32, writing=nj.layers.additive_noise(0.05))
    memory = memory.write(point, label, key=key)
    scores, memory = memory.recall(query, ways=5, key=other)

Keys are unit vectors as pairs of conductances, a slot a column. A query on the rows makes a current in each column, the
cosine of the angle between both; a softmax over the slots is the attention, the labels of the slots weighted by it the
answer. What is new takes the place of what was least used:

    u <- gamma u + attention,    u[slot] <- gamma u[slot] + 1 where slot = argmin u is written

A. Graves et al., arXiv 1410.5401 (2014); A. Santoro et al., ICML (2016), arXiv 1605.06065; G. Karunaratne et al., Nat.
Commun. 12, 2462 (2021), 10.1038/s41467-021-22364-0 (such a memory of phase-change cells).
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from neurojax.crossbar import DifferentialCrossbar, Wires
from neurojax.errors import CircuitError
from neurojax.programming import StuckCells, stuck_cells
from physics.quantity import Param, quantity

Point = Float[Array, " features"]


def unit(x: Float[Array, "*batch features"]) -> Float[Array, "*batch features"]:
    """Vectors `x` at length one; zero stays zero, with gradients that are finite."""
    square = jnp.sum(x * x, axis=-1, keepdims=True)
    safe = jnp.where(square > 0, square, jnp.ones_like(square))
    return x / jnp.sqrt(safe)


class DeviceMemory(eqx.Module):
    """Keys in pairs of cells, labels and usage beside them.

    Attributes:
        cells: of the positive and of the negative components, in parts of the window, (2, features, slots).
        labels: of the slots, -1 where nothing was written. usage: how much each was used lately.
        writing: from cells that are wanted to those that result, `writing(cells, key=key)` as the modifiers of
            `nj.layers`, or None. faults: stuck cells, (2 features, slots), or None. wires: of each array, or
            None for none.
        read_noise: of one cell in one reading, in parts of its current. sharpness: factor on a cosine in the softmax.
            largest: component of a unit vector that takes the whole window. decay: gamma of the usage.
    """

    cells: Float[Array, "2 features slots"]
    labels: Int[Array, " slots"]
    usage: Float[Array, " slots"]
    writing: Callable[..., Array] | None
    faults: StuckCells | None
    wires: Wires | None
    g_min: Param = quantity(1e-6, "S", (1e-12, 1e-2), scale="log", doc="lowest conductance", source="chosen")
    g_max: Param = quantity(1e-4, "S", (1e-11, 1e-1), scale="log", doc="highest conductance", source="chosen")
    v_read: Param = quantity(0.2, "V", (1e-3, 5.0), scale="log", doc="voltage of a component of 1", source="chosen")
    read_noise: Param = quantity(0.0, "1", (0.0, 1.0), doc="of the current of a cell", source="chosen: none")
    sharpness: Param = quantity(20.0, "1", (0.1, 1e3), scale="log", doc="factor on a cosine", source="chosen")
    largest: Param = quantity(0.5, "1", (1e-2, 1.0), doc="component that fills the window", source="chosen")
    decay: Param = quantity(0.95, "1", (0.0, 1.0), doc="gamma, memory of the usage", source="Santoro 2016: 0.95")

    @classmethod
    def blank(
        cls,
        slots: int,
        features: int,
        *,
        writing: Callable[..., Array] | None = None,
        faults: StuckCells | None = None,
        wires: Wires | None = None,
        **values: Any,
    ) -> "DeviceMemory":
        """A memory in which nothing is written.

        Args:
            slots: how many keys it holds. features: of a key. writing, faults, wires: see the class.
            values: of the other attributes, by keywords.

        Raises:
            CircuitError: faults of another shape, or a window that is none.
        """
        if faults is not None and faults.on.shape != (2 * features, slots):
            raise CircuitError(f"faults have shape {faults.on.shape}; pairs need {(2 * features, slots)}.")
        low, high = (values.get(k, cls.__dataclass_fields__[k].default) for k in ("g_min", "g_max"))
        if not isinstance(low, Tracer) and not isinstance(high, Tracer) and not float(high) > float(low):
            raise CircuitError(f"window from {low} S to {high} S: exchange them?")
        dtype = jnp.result_type(float)
        numbers = {name: jnp.asarray(value, dtype) for name, value in values.items()}
        empty = jnp.zeros((2, features, slots), dtype), jnp.full(slots, -1), jnp.zeros(slots, dtype)
        made: Any = cls
        return made(*empty, writing, faults, wires, **numbers)

    @property
    def conductances(self) -> Float[Array, "2 features slots"]:
        """Of the cells (S)."""
        return self.g_min + (self.g_max - self.g_min) * self.cells

    def write(self, point: Point, label: Any, *, key: Array | None = None) -> "DeviceMemory":
        """The memory with a key in its least used slot.

        Args:
            point: the key, of any length. label: 0 or more. key: a `jax.random.key` for what draws in `writing`.
        """
        slot = jnp.argmin(self.usage)
        part = jnp.clip(unit(point) / self.largest, -1.0, 1.0)
        wanted = jnp.maximum(jnp.stack([part, -part]), jnp.zeros_like(part)[None])
        held = wanted if self.writing is None else self.writing(wanted, key=key)
        cells = self.cells.at[:, :, slot].set(jnp.maximum(held, -self.g_min / (self.g_max - self.g_min)))
        if self.faults is not None:
            cells = self.faults(cells.reshape(-1, cells.shape[2])).reshape(cells.shape)
        usage = (self.decay * self.usage).at[slot].add(1.0)
        labels = self.labels.at[slot].set(jnp.asarray(label, self.labels.dtype))
        return eqx.tree_at(lambda m: (m.cells, m.labels, m.usage), self, (cells, labels, usage))

    def cosines(
        self, queries: Float[Array, "*batch features"], *, key: Array | None = None
    ) -> Float[Array, "*batch slots"]:
        """Cosines of the angles between queries and keys, from the currents of the columns.

        Args:
            queries: of any length. key: a `jax.random.key` for the noise of reading; without it there is none.
        """
        g, u = self.conductances, unit(queries)
        array = DifferentialCrossbar(g[0], g[1], self.wires, v_read=self.v_read)
        i = array.ideal(u) if self.wires is None else array.read(u)
        if key is not None:
            spread = jnp.sqrt((self.v_read * u) ** 2 @ jnp.sum((self.read_noise * g) ** 2, axis=0))
            i = i + spread * jax.random.normal(key, i.shape, i.dtype)
        return i * (self.largest / (self.v_read * (self.g_max - self.g_min)))

    def attention(
        self, queries: Float[Array, "*batch features"], *, key: Array | None = None
    ) -> Float[Array, "*batch slots"]:
        """Softmax of the cosines over the slots in which something is written.

        Args:
            queries: of any length. key: as of `cosines`.
        """
        scores = self.sharpness * self.cosines(queries, key=key)
        written = jnp.broadcast_to(self.labels >= 0, scores.shape)
        return jax.nn.softmax(jnp.where(written, scores, jnp.full_like(scores, -1e9)), axis=-1)

    def scores(
        self, queries: Float[Array, "*batch features"], ways: int, *, key: Array | None = None
    ) -> Float[Array, "*batch ways"]:
        """Probabilities of the labels 0 to ways - 1.

        Args:
            queries: of any length. ways: how many labels. key: as of `cosines`.
        """
        attention = self.attention(queries, key=key)
        return attention @ jax.nn.one_hot(self.labels, ways, dtype=attention.dtype)

    def recall(self, query: Point, ways: int, *, key: Array | None = None) -> tuple[Array, "DeviceMemory"]:
        """Probabilities of the labels for one query, and the memory, which knows what was used.

        Args:
            query: of any length. ways: how many labels. key: as of `cosines`.
        """
        attention = self.attention(query, key=key)
        memory = eqx.tree_at(lambda m: m.usage, self, self.decay * self.usage + attention)
        return attention @ jax.nn.one_hot(self.labels, ways, dtype=attention.dtype), memory

    def power(self, query: Point) -> Float[Array, ""]:
        """Taken by both arrays while a query is read (W).

        Args:
            query: of any length.
        """
        g = self.conductances
        array = DifferentialCrossbar(g[0], g[1], self.wires, v_read=self.v_read)
        return sum((r.power for r in array.readings(unit(query))), jnp.zeros((), g.dtype))


def memory_faults(slots: int, features: int, part: float, *, key: Array) -> StuckCells:
    """Stuck cells of a memory, half of them at the top of the window, half at its bottom.

    Args:
        slots, features: of the memory. part: of the cells. key: a `jax.random.key`.
    """
    return stuck_cells((2 * features, slots), part / 2, part / 2, g_on=1.0, g_off=0.0, key=key)


class StatisticalWriting(eqx.Module):
    """Cells as a statistics of programming, drift and reading leaves them at a time after writing, `t` (s).

    Attributes:
        statistics: with `sample(key, target, t)` in S, such as `physics.PcmStatistics`. g_min, g_max: the window (S).
    """

    statistics: Any
    t: Float[Array, ""]
    g_min: Float[Array, ""]
    g_max: Float[Array, ""]

    def __call__(self, cells: Float[Array, "*cells"], *, key: Array) -> Float[Array, "*cells"]:
        """Of `cells` that are wanted, in parts of the window, drawn from `key`."""
        span = self.g_max - self.g_min
        return (self.statistics.sample(key, self.g_min + span * cells, self.t) - self.g_min) / span
