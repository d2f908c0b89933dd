"""Logic by currents of cells: XOR and majority on pillars of vertical RRAM, the kernels of hyperdimensional computing.

One component of a hypervector is one pillar: cells in layers, each with a line of its own, around one electrode that a
transistor connects to a comparator.

    XOR        a layer holds a, another its complement. b drives the line of one of them, its complement that of the
               other: current flows if a and b differ. Nothing is written but a.
    majority   n layers hold n vectors, all lines are driven: the current tells how many are True.

Lines that are not driven are at ground, so they take a part of the current; many conducting cells share the voltage
with the transistor, which brings their sums closer together. Both follow from the currents i(x, v) of the cells.

H. Li et al., IEDM 2016, 16.1.1 (10.1109/IEDM.2016.7838428), made such kernels in four layers and found them resilient
to failures of endurance. There XOR is a table of written cells, here an operand is voltages.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from learning.oneshot.write_window import WriteWindow, write_window
from neurojax.errors import CircuitError
from neurojax.programming import StuckCells
from physics import Environment, Mosfet, ReadNoise, ThermalFilament, gated
from physics.device import AbstractDevice
from physics.implicit import solve_increasing
from physics.quantity import Param, quantity

Real = Float[Array, "..."]
Bits = Bool[Array, "*batch d"]
LOWEST = 1.0
"""Frequency (Hz) from which noise counts: slower changes are calibrated away."""


class Cost(NamedTuple):
    """Energies of an operation on one component (J): of the reading, and of writing random operands before it."""

    read: Array
    write: Array


class Pillars(eqx.Module):
    """Cells around pillars, and comparators under them.

    Attributes:
        cell: of two terminals. select: the transistor under a pillar, of two terminals and without a state.
        window: where the pulses leave the cells. env: ambient. noise: of the current of a pillar, or None.
        v_read: of a driven line (V). t_read: of a reading (s). offset: spread of the comparators (A).
    """

    cell: AbstractDevice
    select: AbstractDevice
    window: WriteWindow
    env: Environment
    noise: ReadNoise | None = None
    v_read: Param = quantity(0.2, "V", (1e-3, 2.0), scale="log", doc="voltage of a driven line", source="chosen")
    t_read: Param = quantity(1e-8, "s", (1e-10, 1e-3), scale="log", doc="duration of a reading", source="chosen")
    offset: Param = quantity(0.0, "A", (0.0, 1e-3), doc="standard deviation of the thresholds", source="chosen: none")

    def __check_init__(self) -> None:
        for name, part in (("cell", self.cell), ("select", self.select)):
            if part.port_shape:
                raise CircuitError(f"Pillars.{name}: {type(part).__name__} has terminals {part.terminals}, not two.")

    @eqx.filter_jit
    def xor(
        self,
        a: Bits,
        b: Bits,
        *,
        faults: StuckCells | None = None,
        damage: Float[Array, "2 d"] | None = None,
        key: Array | None = None,
    ) -> Bits:
        """a XOR b as the comparators see it.

        Args:
            a: stored, with its complement, in two layers. b: voltages on their lines. faults: of the cells, (2, d).
            damage: of the cells, (2, d). key: for noise and offsets, a `jax.random.key`; without it there is none.
        """
        a, b = jnp.broadcast_arrays(a, b)
        i = self.currents(jnp.stack([a, ~a]), jnp.stack([~b, b]), faults=faults, damage=damage, key=key)
        return i > self._between(2, (0, 1), driven=1)

    @eqx.filter_jit
    def xor_table(self, d: int, **options: Any) -> Bool[Array, "2 2 d"]:
        """What each pillar answers to the four inputs, [a, b, component]; without faults their XOR.

        Args:
            d: components. options: keywords of `xor`.
        """
        each = jnp.asarray([[False, False], [False, True], [True, False], [True, True]])
        a, b = (jnp.broadcast_to(each[:, k, None], (4, d)) for k in range(2))
        return self.xor(a, b, **options).reshape(2, 2, d)

    @eqx.filter_jit
    def majority(
        self,
        bits: Bool[Array, "n *batch d"],
        *,
        faults: StuckCells | None = None,
        damage: Float[Array, "n d"] | None = None,
        key: Array | None = None,
    ) -> Bits:
        """Majority of n vectors, one a layer, as the comparators see it.

        Args:
            bits: with an odd n. faults: of the cells, (n, d). damage: of the cells, (n, d). key: as of `xor`.

        Raises:
            CircuitError: an even number of vectors.
        """
        n = bits.shape[0]
        if n % 2 == 0:
            raise CircuitError(f"majority of {n} vectors: ties. Give an odd number.")
        i = self.currents(bits, jnp.ones_like(bits), faults=faults, damage=damage, key=key)
        return i > self._between(n, (n // 2, n // 2 + 1), driven=n)

    @eqx.filter_jit
    def currents(
        self,
        bits: Bool[Array, "n *batch d"],
        driven: Bool[Array, "n *batch d"],
        *,
        faults: StuckCells | None = None,
        damage: Float[Array, "n d"] | None = None,
        key: Array | None = None,
    ) -> Float[Array, "*batch d"]:
        """Currents (A) into the comparators.

        Args:
            bits: that are written into n layers. driven: which lines are at v_read. faults, damage: of the cells,
                (n, d). key: for noise and offsets.
        """
        i = self._solved(bits, driven, faults, damage)[0]
        if key is None:
            return i
        one, two = jax.random.split(key)
        spread = self.offset * jax.random.normal(one, i.shape, i.dtype)
        if self.noise is not None:
            high = 0.5 / self.t_read
            variance = self.noise.variance(i, self.v_read, jnp.asarray(LOWEST, i.dtype), high, self.env)
            spread = spread + jnp.sqrt(variance) * jax.random.normal(two, i.shape, i.dtype)
        return i + spread

    @eqx.filter_jit
    def xor_cost(self) -> Cost:
        """Of an XOR of random bits, in each component."""
        each = jnp.asarray([[False, False], [False, True], [True, False], [True, True]])
        a, b = each[:, 0, None], each[:, 1, None]
        power = self._solved(jnp.stack([a, ~a]), jnp.stack([~b, b]), None, None)[1]
        return Cost(jnp.mean(power) * self.t_read, 2 * self._rewrite())

    @eqx.filter_jit
    def majority_cost(self, n: int) -> Cost:
        """Of a majority of random bits, in each component, all n layers rewritten.

        Args:
            n: vectors.
        """
        bits = jnp.arange(n + 1, dtype=jnp.int32)[:, None] > jnp.arange(n, dtype=jnp.int32)[None, :]
        power = self._solved(bits.T[..., None], jnp.ones((n, n + 1, 1), bool), None, None)[1][:, 0]
        ways = jax.scipy.special.gammaln(jnp.arange(1, n + 2, dtype=power.dtype))
        part = jnp.exp(ways[-1] - ways - ways[::-1] - n * jnp.log(jnp.asarray(2.0, power.dtype)))
        return Cost(jnp.sum(part * power) * self.t_read, n * self._rewrite())

    def _rewrite(self) -> Array:
        """Mean energy (J) of writing a random bit over a random bit: one in four is a SET, one in four a RESET."""
        return (self.window.e_set[0] + self.window.e_reset[0]) / 4

    def _solved(self, bits: Any, driven: Any, faults: Any, damage: Any) -> tuple[Array, Array]:
        """Currents (A) and powers (W) of all pillars, batch by batch."""
        n, batch, d = bits.shape[0], bits.shape[1:-1], bits.shape[-1]
        worn = jnp.zeros((n, d), self.v_read.dtype) if damage is None else damage
        flat, on = (a.reshape(n, -1, d) for a in (bits, driven))
        kept = flat if faults is None else _held(faults, flat)
        x = self.window.states(kept, jnp.broadcast_to(worn[:, None], flat.shape))
        v = jnp.where(on, self.v_read, jnp.zeros_like(self.v_read))
        solve = jax.vmap(jax.vmap(self._pillar, (1, 1)), (1, 1))
        return tuple(a.reshape(*batch, d) for a in solve(x, v))  # pyright: ignore[reportReturnType]

    def _pillar(self, x: Any, v: Float[Array, " n"]) -> tuple[Array, Array]:
        """Current (A) into the comparator and power (W) of one pillar."""
        into = lambda u: jax.vmap(lambda s, w: self.cell.current(s, w - u, self.env))(x, v)  # noqa: E731
        rest = self.select.init(self.env)
        out = lambda u: self.select.current(rest, u, self.env)  # noqa: E731
        # The voltage of the electrode: what the cells bring, the transistor takes.
        u = solve_increasing(lambda u: out(u) - jnp.sum(into(u)), jnp.zeros_like(v[0]), jnp.max(v))
        return out(u), jnp.sum(v * into(u))

    def _between(self, n: int, counts: tuple[int, int], *, driven: int) -> Array:
        """A threshold (A): halfway between the currents of two numbers of conducting cells, fresh ones."""
        layer = jnp.arange(n, dtype=jnp.int32)
        bits = jnp.stack([layer < c for c in counts], axis=1)[..., None]
        # Of XOR the line that is not driven has the other value than the one that is.
        bits = bits if driven == n else jnp.concatenate([bits[:1], ~bits[:1]])
        on = jnp.broadcast_to((layer < driven)[:, None, None], bits.shape)
        low, high = self._solved(bits, on, None, None)[0][:, 0]
        return (low + high) / 2


def _held(faults: StuckCells, bits: Bool[Array, "n batch d"]) -> Bool[Array, "n batch d"]:
    """Bits with the stuck ones where they rest."""
    on, off = (jnp.broadcast_to(m[:, None], bits.shape) for m in (faults.on, faults.off))
    return (bits | on) & ~off


def vertical_rram(
    cell: AbstractDevice | None = None,
    *,
    v_set: float = 1.2,
    v_reset: float = -1.0,
    width: float = 1e-7,
    select: AbstractDevice | None = None,
    noise: ReadNoise | None = None,
    v_read: float = 0.2,
    t_read: float = 1e-8,
    offset: float = 0.0,
    env: Environment | None = None,
    **options: Any,
) -> Pillars:
    """Pillars of cells that are written by pulses.

    Args:
        cell: of two terminals (default: `physics.ThermalFilament()`, for which the pulses are chosen).
        v_set, v_reset, width: of the pulses (V, V, s). select: under a pillar (default: a transistor of
            beta = 2e-2 A/V2 with 1.2 V at its gate, some 80 ohm). noise: of the current of a pillar.
        v_read: of a driven line (V). t_read: of a reading (s). offset: spread of the comparators (A).
        env: ambient (300 K). options: keywords of `write_window`, such as damage and counted.
    """
    number = lambda a: jnp.asarray(a, float)  # noqa: E731
    env = Environment() if env is None else env
    cell = ThermalFilament() if cell is None else cell
    if select is None:
        transistor: Any = Mosfet
        select = gated(transistor(beta=number(2e-2)), 1.2)
    window = write_window(cell, v_set, v_reset, width, v_read=v_read, env=env, **options)
    made: Any = Pillars
    return made(cell, select, window, env, noise, number(v_read), number(t_read), number(offset))
