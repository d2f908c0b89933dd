"""An array of cells that take pulses: by the state equation itself, with the same two calls as a `PulseMap`."""

from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurojax.errors import ProgrammingError
from neurojax.programming._metered import energy_unit, pulsed
from neurojax.waveform import Waveform, pulse
from physics.device import AbstractDevice, Environment
from physics.quantity import parameters

Real = Float[Array, "..."]


@runtime_checkable
class Cells(Protocol):
    """What programming needs of cells: `PulseMap` and `DeviceCells` have it."""

    period: Real

    def step(self, x: Any, v: Real) -> tuple[Any, Real]:
        """States `x` after one pulse of amplitudes `v` (V), of the shape of the array, and the energy of each (J)."""
        raise NotImplementedError

    def conductance(self, x: Any) -> Real:
        """Readings (S) of states `x`."""
        raise NotImplementedError


class DeviceCells(eqx.Module):
    """Cells of one device, each pulse solved for every cell: exact, with all states, and as slow as that.

    Attributes:
        device: of two terminals, one device. shape: a pulse of 1 V with its rest. v_read: V. unit: of the energy (J).
        env: ambient. rtol, atol: of the solver.
    """

    device: AbstractDevice
    shape: Waveform
    v_read: Float[Array, ""]
    unit: Float[Array, ""]
    env: Environment
    rtol: float = eqx.field(static=True, default=1e-6)
    atol: float = eqx.field(static=True, default=1e-9)

    @property
    def period(self) -> Real:
        """Duration of a pulse with its rest (s)."""
        return self.shape.duration

    def start(self, shape: tuple[int, ...]) -> Any:
        """States of an array of `shape` as the device is made."""
        return jax.tree.map(lambda a: jnp.broadcast_to(a, shape), self.device.init(self.env))

    def step(self, x: Any, v: Real) -> tuple[Any, Real]:
        """States `x` after one pulse of amplitudes `v` (V) and the energy (J); nan where the solver stopped early."""
        options: Any = dict(env=self.env, rtol=self.rtol, atol=self.atol, gradient="forward")
        one = lambda x, v: pulsed(self.device, self.shape, x, v, self.unit, options)  # noqa: E731
        flat = jax.tree.map(lambda a: a.reshape(-1), (x, v))
        end, energy, code = jax.vmap(one)(*flat)
        good = lambda a: jnp.where(code == 0, a, jnp.nan).reshape(v.shape)  # noqa: E731
        return jax.tree.map(good, end), good(energy)

    def conductance(self, x: Any) -> Real:
        """Readings (S) at v_read of states `x`."""
        shape = jax.tree.leaves(x)[0].shape
        read = jax.vmap(lambda x: self.device.current(x, self.v_read, self.env) / self.v_read)
        return read(jax.tree.map(lambda a: a.reshape(-1), x)).reshape(shape)


def device_cells(
    device: AbstractDevice,
    width: float,
    *,
    rise: float | None = None,
    rest: float | None = None,
    v_read: float = 0.1,
    env: Environment | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
) -> DeviceCells:
    """`DeviceCells` under pulses of one shape.

    Args:
        device: of two terminals, one device. width: of the flat top (s). rise, rest: edges and pause (s), see `pulse`.
        v_read: V. env: ambient (300 K). rtol, atol: of the solver.

    Raises:
        ProgrammingError: a device of three terminals, or a population.
    """
    if device.port_shape or any(getattr(p.value, "ndim", 0) for p in parameters(device).values()):
        raise ProgrammingError(f"{type(device).__name__}: cells are of one device of two terminals.")
    env = Environment() if env is None else env
    shape = pulse(1.0, width, rise=rise, rest=rest)
    number = lambda a: jnp.asarray(a, shape.t.dtype)  # noqa: E731
    states = jax.tree.map(lambda a: a[None], device.init(env))
    volts = number([device.sweep.v_max, device.sweep.v_min])
    unit = energy_unit(device, states, volts, shape.duration, env)
    return DeviceCells(device, shape, number(v_read), unit, env, rtol, atol)
