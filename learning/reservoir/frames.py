"""What one frame of input does to volatile devices: a pulse, a pause, and a reading. `exact_frames` is the reference.

    frames = exact_frames(physics.Wox(), 1e-3, rest=1e-3)
    x, g = frames.step(frames.start(20), volts)        20 devices, each with a voltage of its own

Frames are the only thing that a reservoir knows of its devices. `exponential.py` has the same at a hundredth of the
cost, with its distance from these measured, `tabulated.py` by table, `oscillator.py` and `masked.py` in closed form.
"""

import abc
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Float

import neurojax as nj
import physics

Lanes = Float[Array, " lanes"]
Times = Float[Array, ""] | Float[Array, " lanes"]
Reading = Literal["conductance", "current"]


class AbstractFrames(eqx.Module):
    """State to state over one frame, for any number of devices side by side."""

    @abc.abstractmethod
    def start(self, n: int) -> Any:
        """The states of `n` devices before any input."""

    @abc.abstractmethod
    def step(self, x: Any, volts: Lanes) -> tuple[Any, Lanes]:
        """States after a frame of pulses of `volts` (V, one a device) on states `x`, and what is read of each."""


class Devices(eqx.Module):
    """Devices of one kind, alike or a population, and how they are read.

    Attributes:
        device: of two terminals. env: what surrounds it. v_read: voltage (V) of a reading of the conductance.
        reading: "conductance" (S) at the end of the frame, or "current" (A) at the end of the pulse, under its voltage.
    """

    device: physics.AbstractDevice
    env: physics.Environment
    v_read: Float[Array, ""]
    reading: Reading = eqx.field(static=True)

    def start(self, n: int) -> Any:
        """The states of `n` devices at rest.

        Raises:
            DataError: the devices are a population of another size.
        """
        axes = axes_of(self.device)
        sizes = {leaf.shape[0] for leaf in jax.tree.leaves(self.device) if jnp.ndim(leaf)}
        if sizes - {n}:
            raise nj.DataError(
                f"{type(self.device).__name__} is a population of {max(sizes)} devices, the reservoir has {n}; draw it "
                "with as many (nj.population), or leave the parameters scalar."
            )
        return jax.vmap(lambda d: d.init(self.env), in_axes=(axes,), axis_size=n)(self.device)

    def current(self, x: Any, volts: Lanes) -> Lanes:
        """Currents (A) of devices of states `x` under `volts` (V)."""
        axes = axes_of(self.device)
        one = lambda d, x, v: d.current(x, v, self.env)  # noqa: E731
        return jax.vmap(one, in_axes=(axes, 0, 0))(self.device, x, volts)

    def read(self, top: Any, end: Any, volts: Lanes) -> Lanes:
        """The reading of devices of states `top` at the end of the pulse of `volts` (V), `end` at that of the frame."""
        if self.reading == "current":
            return self.current(top, volts)
        return self.current(end, jnp.broadcast_to(self.v_read, volts.shape)) / self.v_read


def devices(
    device: physics.AbstractDevice,
    *,
    reading: Reading = "conductance",
    v_read: float = 0.1,
    env: physics.Environment | None = None,
) -> Devices:
    """Devices that reservoirs are made of.

    Args:
        device: of two terminals, one or a population. reading: "conductance" or "current". v_read: V, not zero.
        env: ambient (300 K).

    Raises:
        DataError: three terminals, another reading, or a v_read of zero.
    """
    if device.port_shape:
        raise nj.DataError(f"{type(device).__name__} has {len(device.terminals)} terminals; reservoirs take two.")
    if reading not in ("conductance", "current"):
        raise nj.DataError(f"reading = {reading!r}, use 'conductance' or 'current'.")
    if not v_read:
        raise nj.DataError("v_read = 0 V reads nothing; 0.1 V is usual.")
    env = physics.Environment() if env is None else env
    return Devices(device, env, jnp.asarray(v_read, jnp.result_type(float)), reading)


def axes_of(tree: Any) -> Any:
    """0 for every leaf of `tree` with a leading axis, None for those that all devices share."""
    return jax.tree.map(lambda a: 0 if jnp.ndim(a) else None, tree)


def pulse_and_pause(move: Any, x: Any, volts: Lanes, width: Times, rest: Times | None) -> tuple[Any, Any]:
    """States at the end of a pulse of `width` and of the pause of `rest` behind it, by `move(x, volts, time)`.

    Args:
        move: takes states `x`, `volts` and times of all devices to states. One loop over both parts compiles it once.
    """
    if rest is None:
        x = move(x, volts, jnp.broadcast_to(width, volts.shape))
        return x, x
    times = jnp.stack([jnp.broadcast_to(time, volts.shape) for time in (width, rest)])
    levels = jnp.stack([volts, jnp.zeros_like(volts)])

    def part(x: Any, given: tuple[Array, Array]) -> tuple[Any, Any]:
        x = move(x, *given)
        return x, x

    both = lax.scan(part, x, (levels, times))[1]
    return jax.tree.map(lambda a: a[0], both), jax.tree.map(lambda a: a[1], both)


class _Driven(physics.AbstractDevice):
    """A device under `volts` times the waveform, whose unit of time is `time` (s): each member has its own."""

    device: physics.AbstractDevice
    volts: Any = physics.quantity(1.0, "1", (-1e3, 1e3), doc="factor", source="the input", free=False)
    time: Any = physics.quantity(1.0, "1", (1e-15, 1e9), doc="factor", source="the input", free=False)

    @property
    def terminals(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.device.terminals

    @property
    def sweep(self) -> physics.Sweep:  # type: ignore[override]
        return self.device.sweep

    def init(self, env: physics.Environment) -> Any:
        return self.device.init(env)

    def rate(self, x: Any, v: Any, env: physics.Environment) -> Any:
        return jax.tree.map(lambda a: self.time * a, self.device.rate(x, self.volts * v, env))

    def current(self, x: Any, v: Any, env: physics.Environment) -> Any:
        return self.device.current(x, self.volts * v, env)


class ExactFrames(AbstractFrames):
    """Frames by `neurojax.simulate`, for any device; adaptive, differentiable in everything, slow.

    A device that the solver gives up becomes nan, which `run` of a reservoir tells.

    Attributes:
        cells: the devices. width, rest: of the pulse and of the pause after it (s; None for none), one or one a
            device. rtol, gradient: as of `neurojax.simulate`.
    """

    cells: Devices
    width: Times
    rest: Times | None
    rtol: float = eqx.field(static=True)
    gradient: str = eqx.field(static=True, default="reverse")

    def start(self, n: int) -> Any:
        """As of `AbstractFrames`."""
        return self.cells.start(n)

    def step(self, x: Any, volts: Lanes) -> tuple[Any, Lanes]:
        """As of `AbstractFrames`."""
        top, end = pulse_and_pause(self._moved, x, volts, self.width, self.rest)
        return end, self.cells.read(top, end, volts)

    def _moved(self, x: Any, volts: Lanes, time: Lanes) -> Any:
        made: Any = _Driven
        ends = jnp.asarray([0.0, 1.0], volts.dtype)
        driven = made(self.cells.device, volts, time)
        options: dict[str, Any] = dict(rtol=self.rtol, atol=0.01 * self.rtol, gradient=self.gradient, throw=False)
        wave = nj.Waveform(ends, jnp.ones_like(ends))
        record = nj.simulate(driven, wave, ts=ends[1:], x0=x, env=self.cells.env, progress=False, **options)
        return jax.tree.map(lambda a: jnp.where(record.ok, a[:, -1], jnp.nan), record.x)


def exact_frames(
    device: physics.AbstractDevice,
    width: float | Times,
    *,
    rest: float | Times | None,
    reading: Reading = "conductance",
    v_read: float = 0.1,
    env: physics.Environment | None = None,
    rtol: float = 1e-6,
    gradient: str = "reverse",
) -> ExactFrames:
    """Frames that the adaptive solver of `neurojax.simulate` takes: the reference for all others.

    Args:
        device: of two terminals, one or a population. width, rest: of the pulse and of the pause after it (s; None for
            none), one or one a device.
        reading, v_read, env: as of `devices`. rtol: of the solver. gradient: "reverse" (for grad) or "forward" (jvp).
    """
    timing = timed(width, rest)
    return ExactFrames(devices(device, reading=reading, v_read=v_read, env=env), *timing, rtol, gradient)


def timed(width: Any, rest: Any) -> tuple[Array, Any]:
    """Times of a frame as arrays: `width` of the pulse and `rest` of the pause (s), or None where there is none.

    Raises:
        DataError: one that is not positive.
    """
    for name, value in (("width", width), ("rest", rest)):
        known = value is not None and not isinstance(value, Tracer)
        if known and not bool(jnp.all(jnp.asarray(value) > 0)):
            raise nj.DataError(f"{name} = {value} s must be positive; for no pause, rest=None.")
    dtype = jnp.result_type(float)
    return jnp.asarray(width, dtype), None if rest is None else jnp.asarray(rest, dtype)
