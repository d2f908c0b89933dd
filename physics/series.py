"""Two devices one after the other, and a transistor whose gate is held: cells of an array, as devices of two terminals.

    physics.Stack(physics.GapRram(), physics.Selector())                       1S1R
    physics.Stack(physics.GapRram(), physics.gated(physics.Mosfet(), 1.2))     1T1R

The voltage of the node between them is no state: it follows at once from equal currents, see `implicit.py`.
"""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.device import AbstractDevice, AbstractStateless, Amps, Environment, Sweep, Volts, stores_charge
from physics.implicit import solve_increasing
from physics.quantity import Param, quantity

Real = Float[Array, ""]


class Stack(AbstractDevice):
    """Two devices in series: i = i_1(x_1, u) = i_2(x_2, v - u), where u is the voltage across the first.

    Both currents must grow with their voltages (no negative differential resistance at a held state), so there is
    one u between 0 and v. The state is that of both. Neither may store charge, as the node between has no state.
    """

    doi: ClassVar[str] = "textbook"

    class State(eqx.Module):
        first: Any
        second: Any

    first: AbstractDevice
    second: AbstractDevice

    def __check_init__(self) -> None:
        for part in (self.first, self.second):
            name = type(part).__name__
            if part.port_shape:
                raise ValueError(f"Stack: {name} has terminals {part.terminals}, not two. See `gated`.")
            if stores_charge(part):
                raise ValueError(
                    f"Stack: {name} stores charge, which the node between cannot. Build a circuit instead."
                )
            if part.stores_energy:
                raise ValueError(f"Stack: {name} has a current of its own at 0 V. Build a circuit instead.")

    @property
    def terminals(self) -> tuple[str, ...]:  # type: ignore[override]
        """The free terminal of each."""
        return ("top", "bottom")

    @property
    def sweep(self) -> Sweep:  # type: ignore[override]
        """Both voltages, in the time of the slower one."""
        a, b = self.first.sweep, self.second.sweep
        return Sweep(a.v_max + b.v_max, a.v_min + b.v_min, max(a.period, b.period))  # type: ignore[operator]

    @property
    def family(self) -> str:  # type: ignore[override]
        """That of the first."""
        return self.first.family

    def init(self, env: Environment) -> State:
        return Stack.State(self.first.init(env), self.second.init(env))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        u = self.across_first(x, v, env)
        return Stack.State(self.first.rate(x.first, u, env), self.second.rate(x.second, v - u, env))

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        u = self.across_first(x, v, env)
        # Of the one whose current says more: where one takes all the voltage, its current is the sharper number.
        i, j = self.first.current(x.first, u, env), self.second.current(x.second, v - u, env)
        return jnp.where(jnp.abs(u) > jnp.abs(v - u), i, j)

    def across_first(self, x: State, v: Volts, env: Environment) -> Real:
        """Voltage (V) across the first device.

        Args:
            x: state. v: voltage across both (V). env: ambient.
        """

        def too_much(u):
            return self.first.current(x.first, u, env) - self.second.current(x.second, v - u, env)

        zero = jnp.zeros_like(v)
        return solve_increasing(too_much, jnp.minimum(v, zero), jnp.maximum(v, zero))


class Gated(AbstractStateless):
    """i = i_2(v_gate, v): a device of three terminals with the first of them held at a voltage has two left.

    `v_gate` may have one value a row or a cell of an array.
    """

    doi: ClassVar[str] = "textbook"
    device: AbstractDevice
    v_gate: Param = quantity(1.0, "V", (-10.0, 10.0), doc="voltage at which the gate is held", source="chosen")

    def __check_init__(self) -> None:
        if len(self.device.terminals) != 3 or not isinstance(self.device, AbstractStateless):
            name = type(self.device).__name__
            raise ValueError(f"Gated: {name} has terminals {self.device.terminals}; three and no state are needed.")

    @property
    def terminals(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the device without the gate."""
        return self.device.terminals[1:]

    @property
    def sweep(self) -> Sweep:  # type: ignore[override]
        """That of the device without the gate, to both sides: a channel conducts in either direction."""
        v = self.device.sweep.v_max[1]  # type: ignore[index]
        return Sweep(v, -v, self.device.sweep.period)

    @property
    def family(self) -> str:  # type: ignore[override]
        """That of the device."""
        return self.device.family

    def current(self, x: Any, v: Volts, env: Environment) -> Amps:
        return self.device.current(x, jnp.stack([self.v_gate.astype(v.dtype), v]), env)[1]


def gated(device: AbstractDevice, v_gate: Any) -> Gated:
    """A transistor or switch whose gate is held, as a device of two terminals.

    Args:
        device: of three terminals, the first its gate, without a state. v_gate: V from gate to source; a scalar, or
            one a cell, of the shape of the array's parameters.

    Raises:
        ValueError: a device of other terminals, or with a state.
    """
    dtype = jnp.result_type(v_gate) if hasattr(v_gate, "dtype") else jnp.result_type(float)
    return Gated(device=device, v_gate=jnp.asarray(v_gate, dtype))  # pyright: ignore[reportCallIssue]
