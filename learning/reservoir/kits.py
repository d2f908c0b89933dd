"""Reservoirs of the table: ten devices of one kind with ten slots each, as a function of drive, time and mask."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import neurojax as nj
import physics
from learning.reservoir.exponential import ExponentialFrames
from learning.reservoir.frames import AbstractFrames, devices
from learning.reservoir.masked import LeakyCell, MaskedMemristor
from learning.reservoir.node import NodeReservoir
from learning.reservoir.oscillator import OscillatorFrames
from learning.reservoir.reservoir import Noise

DEVICES, SLOTS = 10, 10
MASK = (-2.0, 2.0)
"""What a designed mask may be; one by hand has random signs."""
Knobs = Float[Array, " 3"]


class Kit(NamedTuple):
    """A kind of device with its knobs: lowest and highest voltage (V), and log10 of the time of a slot (s).

    Attributes:
        frames: of devices that are drawn by a key, for a time. nominal: knobs by hand. low, high: bounds of the knobs.
    """

    frames: Callable[[Array, Array], AbstractFrames]
    nominal: tuple[float, float, float]
    low: tuple[float, float, float]
    high: tuple[float, float, float]


class Board(eqx.Module):
    """What is designed: the lowest and the highest voltage of each device, the time of its slots, and the mask.

    Attributes:
        low, high: V. time: log10 of s. mask: of each slot.
    """

    low: Float[Array, " devices"]
    high: Float[Array, " devices"]
    time: Float[Array, " devices"]
    mask: Float[Array, "devices slots 1"]


def drawn_board(knobs: Knobs, *, key: Array) -> Board:
    """All devices with the same `knobs`, and a mask of random signs; `key` is of the mask."""
    mask = jax.random.choice(key, jnp.asarray([-1.0, 1.0], knobs.dtype), (DEVICES, SLOTS, 1))
    low, high, time = (jnp.full(DEVICES, knob) for knob in knobs)
    return Board(low, high, time, mask)


def reservoir_of(kit: Kit, board: Board, noise: float, *, key: Array) -> NodeReservoir:
    """The reservoir of a `board` for inputs between 0 and 1, of devices of a `kit` that are drawn by `key`.

    Args:
        kit: kind of device. board: drive, time and mask. noise: relative, of each reading.
    """
    frames = kit.frames(10**board.time, key)
    gain, offset = 0.5 * (board.high - board.low), 0.5 * (board.high + board.low)
    limits = jnp.asarray([kit.low[0], kit.high[1]], gain.dtype)
    drive: dict[str, Any] = dict(gain=gain, offset=offset, feedback=jnp.zeros_like(gain), limits=limits)
    return NodeReservoir(frames=frames, mask=board.mask, noise=Noise(noise), **drive)


def _spread(device: Any, spread: dict[str, float], key: Array) -> Any:
    return nj.population(device, DEVICES, {name: nj.LogNormal(width) for name, width in spread.items()}, key=key)


def _stepped(device: Any, spread: dict[str, float], steps: int, v_read: float = 0.1) -> Any:
    """Frames by exponential steps; how exact these are is measured in the tests."""

    def frames(time: Array, key: Array) -> AbstractFrames:
        cells = devices(_spread(device, spread, key), v_read=v_read)
        return ExponentialFrames(cells, time, None, steps)

    return frames


def _masked(time: Array, key: Array) -> AbstractFrames:
    """The published step is a hundredth of the memory; a time of t steps keeps r^t of the state."""
    made: Any = MaskedMemristor
    nominal = made()
    factor = jnp.exp(0.1 * jax.random.normal(key, (DEVICES,), time.dtype))
    return made(r=jnp.asarray(nominal.r) ** time, a=nominal.a * factor)


def _oscillator(time: Array, key: Array) -> AbstractFrames:
    drawn = _spread(physics.SpinOscillator(), {"i_th": 0.03, "damping": 0.1}, key)
    return OscillatorFrames(drawn, time, 1e-6 * time, jnp.zeros((), time.dtype), jnp.asarray(2.5e-3, time.dtype))


@cache
def kits() -> dict[str, Kit]:
    """The kinds of devices of the table, by name, each with ten per cent spread of its rates from device to device."""
    log = lambda t: float(np.log10(t))  # noqa: E731
    return {
        "Wox": Kit(
            _stepped(physics.Wox(), {"lam": 0.1, "tau": 0.1}, 1),
            (0.6, 1.2, log(1e-3)), (0.3, 0.8, log(1e-4)), (0.8, 1.6, log(1e-2)),
        ),
        "LeakyCell": Kit(
            _stepped(LeakyCell(), {"lam": 0.1, "tau": 0.1}, 1),
            (0.3, 1.5, log(1e-3)), (0.0, 0.8, log(1e-4)), (0.8, 2.5, log(1e-2)),
        ),
        "AndThreshold": Kit(
            _stepped(physics.AndThreshold(), {"tau_set": 0.1, "tau_reset": 0.1}, 2),
            (0.05, 0.4, log(5e-8)), (-0.1, 0.2, log(5e-9)), (0.2, 0.6, log(2e-7)),
        ),
        "MaskedMemristor": Kit(_masked, (-0.8, 2.5, 0.0), (-2.0, 0.5, -1.0), (0.5, 3.5, 1.5)),
        "SpinOscillator": Kit(_oscillator, (0.21, 0.35, log(3e-9)), (0.15, 0.22, log(3e-10)), (0.22, 0.45, log(3e-8))),
    }  # fmt: skip
