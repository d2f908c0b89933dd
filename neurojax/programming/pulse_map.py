"""What one programming pulse does to a state, tabulated from the state equation with a stated error.

    table = nj.programming.pulse_map(physics.Yakopcic(), (-0.4, 0.4), 1e-4)
    x, energy = table.step(x, volts)        a million cells in milliseconds, each with its own amplitude

A map is as exact as `error` says, differentiable in state and amplitude (C1), on the grid of another also in the
parameters of the device (`pulse_map(..., grid=table)`), and knows neither history nor heat: all
states but the one that is tabulated start every pulse at rest, and `leftover` says how far from that a pulse leaves
them. One application reads and writes each state once and looks up 4 numbers (16 with an amplitude of its own).
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Float

from neurojax.errors import ProgrammingError
from neurojax.programming.curve import Curve, Surface, moved

Real = Float[Array, "..."]


class PulseMap(eqx.Module):
    """State and energy after one pulse, from the state before and, over a range of amplitudes, from the amplitude.

    The spread of cells: an `amplitude` of each cell is exact for whatever scales its voltage (a divider, wires, all
    thresholds of a device alike). Spread of other parameters needs other maps.

    Attributes:
        after: state after. spent: energy in the device (J), of the voltage across and the current through it.
        reading: conductance (S) at v_read, of a state; its logarithm where `logarithmic`.
        resting: all states at rest. v_read: V. period: a pulse with its rest (s). state: name of the tabulated state.
        error: largest distance from the state equation that was measured, of the state in parts of its span.
        energy_error: the same of the energy, in parts of the largest. reading_error: relative error of the
            conductance, or where that is not `logarithmic` in parts of the largest.
        leftover: largest distance of the other states from rest after a pulse, in parts of their bounds.
    """

    after: Curve | Surface
    spent: Curve | Surface
    reading: Curve
    resting: Any
    v_read: Float[Array, ""]
    period: Float[Array, ""]
    state: str = eqx.field(static=True)
    error: float = eqx.field(static=True)
    energy_error: float = eqx.field(static=True)
    reading_error: float = eqx.field(static=True)
    leftover: float = eqx.field(static=True)
    logarithmic: bool = eqx.field(static=True, default=True)

    def __call__(self, x: Real, v: Real | float | None = None) -> Real:
        """The state after one pulse of `v` (V; None of a map of one amplitude) on cells of state `x`, any shape.

        Beyond the span of the table it goes on straight; beyond the range of amplitudes it is nan.
        """
        return self.step(x, v)[0]

    def step(self, x: Real, v: Real | float | None = None) -> tuple[Real, Real]:
        """State and energy (J) of one pulse of `v` (V) on cells of state `x`.

        Raises:
            ProgrammingError: an amplitude that the map does not know, or none where it needs one.
        """
        if isinstance(self.after, Curve) and isinstance(self.spent, Curve):
            if v is not None:
                raise ProgrammingError(
                    "this map has one amplitude; build it over a range, pulse_map(device, (a, b), ...)."
                )
            where = self.after.axis.locate(x)
            return self.after.near(where), self.spent.near(where)
        after: Any = self.after
        spent: Any = self.spent
        if v is None:
            raise ProgrammingError("this map covers a range of amplitudes: map(x, v), or map.at(v) for one of them.")
        x, v = jnp.broadcast_arrays(x, jnp.asarray(v, x.dtype))
        place = after.x_axis.locate(x), after.v_axis.locate(v)
        return after.near(*place), spent.near(*place)

    def at(self, v: Real | float) -> "PulseMap":
        """The map of one amplitude `v` (V): cheaper, and never with an extremum between nodes; differentiable in it.

        Raises:
            ProgrammingError: it is one already.
        """
        if isinstance(self.after, Curve) or isinstance(self.spent, Curve):
            raise ProgrammingError("this map has one amplitude already.")
        v = jnp.asarray(v, self.v_read.dtype)
        return eqx.tree_at(lambda m: (m.after, m.spent), self, (self.after.at(v), self.spent.at(v)))

    def repeat(self, x: Real, n: int | Array, v: Real | float | None = None) -> tuple[Real, Real]:
        """States `x` after `n` pulses (of `v`), and the energy of all (J).

        An `n` that is no array is differentiable in both modes. The error is at most that of one pulse times n, and
        less where pulses draw states together.
        """

        def once(_, carry):
            x, energy = carry
            x, more = self.step(x, v)
            return x, energy + more

        return lax.fori_loop(0, n, once, (x, jnp.zeros_like(x)))

    def train(self, x: Real, volts: Real) -> tuple[Real, Real]:
        """States (pulses, ...) and energies after each of some pulses.

        Args:
            x: states before. volts: amplitudes (V), (pulses,), or (pulses, ...) with the shape of x.
        """

        def once(x, v):
            x, more = self.step(x, jnp.broadcast_to(v, x.shape))
            return x, (x, more)

        return lax.scan(once, x, volts)[1]

    def conductance(self, x: Real) -> Real:
        """Readings (S) at v_read of states `x`."""
        read = self.reading(x)
        return jnp.exp(read) if self.logarithmic else read

    def state_of(self, g: Real) -> Real:
        """States of conductances `g` (S); nan of what no state has."""
        return self.reading.inverse(jnp.log(g) if self.logarithmic else g)

    def astype(self, dtype: Any) -> "PulseMap":
        """The map in another precision `dtype`; float32 has half the traffic, and its rounding adds up over pulses."""
        return moved(self, dtype)

    @property
    def span(self) -> tuple[Real, Real]:
        """The states between which the map was tabulated."""
        axis = self.reading.axis
        return axis.nodes[0], axis.nodes[-1]

    @property
    def nodes(self) -> tuple[int, ...]:
        """How many nodes the table has, of state (and amplitude)."""
        if isinstance(self.after, Curve):
            return self.after.axis.nodes.shape
        return self.after.x_axis.nodes.shape + self.after.v_axis.nodes.shape

    def __repr__(self) -> str:
        if isinstance(self.period, Tracer) or not hasattr(self.period, "shape"):
            return "PulseMap(traced)"
        return (
            f"PulseMap(state {self.state}, nodes {'x'.join(map(str, self.nodes))}, a pulse takes "
            f"{float(self.period):.4g} s, error {self.error:.1e}, of the energy {self.energy_error:.1e}, of the "
            f"reading {self.reading_error:.1e}, other states {self.leftover:.1e} from rest)"
        )
