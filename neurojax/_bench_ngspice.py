"""What ngspice makes of a device: a yardstick of `neurojax bench engine`.

    answer = run(device, wave, ts, reltol=1e-4)          states, current, and how long it took

The subcircuit of the export, with numbers instead of parameters. Time is in units of the whole waveform, so that
neither nanoseconds nor hours come near the absolute tolerances of a simulator made for volts and microamperes.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from neurojax._equations import equations
from neurojax._ngspice import NgspiceAnswer, NgspiceError, transient
from neurojax._spice import subcircuit
from neurojax.waveform import Waveform
from physics.device import AbstractDevice, Environment

SHARES = (15, 30, 60, 200)
"""Sizes from which shared expressions become nodes, tried in turn: the first is up to ten times faster, as ngspice
differentiates all that is written out, but its Newton iteration runs away more easily with more nodes."""


def run(
    device: AbstractDevice,
    wave: Waveform,
    ts: Any,
    *,
    env: Environment | None = None,
    reltol: float = 1e-3,
    max_step: float | None = None,
    timeout: float = 300.0,
    shares: Sequence[int] = SHARES,
) -> NgspiceAnswer:
    """Simulate one device by ngspice, from its default state; between its time points on straight lines.

    Args:
        ts: sample times (s). reltol: of ngspice. max_step: longest step (s), a thousandth of the waveform if None.
        timeout: seconds after which it is stopped. shares: ways to write it down, until one converges.

    Raises:
        NgspiceError: no ngspice on the path, not done in time, or no convergence.
        UnsupportedError: the device loops on traced values.
    """
    of, unit = equations(device, env=env, keep=lambda name: False), float(wave.duration)
    failed: NgspiceError | None = None
    for share in shares:
        cell = subcircuit(of, "cell", share=share, unit=unit)
        try:
            answer = transient(cell, wave, ts, unit=unit, reltol=reltol, max_step=max_step, timeout=timeout)
        except NgspiceError as error:
            failed = error
        else:
            return dataclasses.replace(answer, i=answer.i.reshape(-1, *device.port_shape))
    assert failed is not None
    raise failed
