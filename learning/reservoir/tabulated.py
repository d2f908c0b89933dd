"""Frames by table: `neurojax.programming.pulse_map`, for devices of which one state remembers."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

import neurojax as nj
import physics
from learning.reservoir.frames import AbstractFrames, Lanes, timed

EDGE = 1e-6
"""Rise of a tabulated pulse, in parts of its width: tables know no jumps."""


class TabulatedFrames(AbstractFrames):
    """Frames of equal devices from a table of states and amplitudes; differentiable in voltages, not in the device.

    Read as conductance after the frame. Beyond the amplitudes of the table all is nan.

    Attributes:
        table: map of one pulse and its pause. first: state before any input.
    """

    table: nj.programming.PulseMap
    first: Float[Array, ""]

    def start(self, n: int) -> Any:
        """As of `AbstractFrames`."""
        return jnp.full((n,), self.first)

    def step(self, x: Any, volts: Lanes) -> tuple[Any, Lanes]:
        """As of `AbstractFrames`."""
        x = self.table(x, volts)
        return x, self.table.conductance(x)


def tabulated_frames(
    device: physics.AbstractDevice,
    width: float,
    *,
    rest: float,
    volts: tuple[float, float],
    state: str | None = None,
    tol: float = 1e-4,
    v_read: float = 0.1,
    env: physics.Environment | None = None,
    **options: Any,
) -> TabulatedFrames:
    """Tabulate one frame, from the state equation and with a stated error.

    Args:
        device: of two terminals, one device. width, rest: of the pulse and of the pause after it (s). volts: lowest and
            highest amplitude. state: the one that remembers, where there are several. tol: of the table.
        v_read: voltage of a reading (V). env: ambient (300 K). options: other keywords of
            `neurojax.programming.pulse_map`.
    """
    timing = timed(width, rest)
    shape: dict[str, Any] = dict(rise=EDGE * float(timing[0]), rest=float(timing[1]), state=state, tol=tol)
    table = nj.programming.pulse_map(device, volts, float(timing[0]), v_read=v_read, env=env, **shape, **options)
    first: Array = getattr(table.resting, table.state)
    return TabulatedFrames(table, jnp.asarray(first))
