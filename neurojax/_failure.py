"""What to say where a simulation stopped early: which member, when, in what state, and what to try."""

import equinox as eqx
import numpy as np
from jax.core import Tracer

from neurojax._lanes import MEANING
from neurojax.errors import SimulationError
from neurojax.record import Record

_ADVICE = (
    "Try more steps (max_steps=...), a looser tolerance (rtol=1e-4), a series resistance or compliance "
    "(instrument=Instrument(...)) if the current runs away, or parameters closer to their defaults."
)


def checked(record: Record, name: str) -> Record:
    """The record of a device of this name, if all its members reached the end; under jit that is asked later."""
    if isinstance(record.code, Tracer):
        message = f"{name}: the solver did not reach the end of the waveform. {_ADVICE}"
        return eqx.error_if(record, ~record.ok, message)
    failed = np.flatnonzero(~np.atleast_1d(np.asarray(record.ok)))
    if failed.size:
        raise SimulationError(_describe(record, name, failed))
    return record


def _describe(record: Record, name: str, failed: np.ndarray) -> str:
    one = record.member(int(failed[0])) if record.ok.ndim else record
    flat = np.stack([np.asarray(s) for s in one.states.values()])
    good = np.flatnonzero(np.isfinite(flat).all(axis=0))
    last = int(good[-1]) if good.size else 0
    state = ", ".join(f"{k} = {float(s[last]):.4g}" for k, s in one.states.items())
    who = f"{name}, member {failed[0]} ({failed.size} of {record.ok.size} failed)" if record.ok.ndim else name
    return (
        f"{who}: stopped after {int(one.steps)} steps, as {MEANING[int(one.code)]}; last good sample at "
        f"t = {float(one.t[last]):.6g} s, v = {np.asarray(one.v)[last]} V, {state}. {_ADVICE}"
    )
