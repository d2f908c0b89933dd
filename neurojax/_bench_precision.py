"""Work and precision: what an error costs, for every device of the catalogue, beside solvers of diffrax.

A curve is the (error, time) of one solver at several tolerances. Errors are mean differences of the current to a run at
a tolerance of 1e-10, in decades of asinh(i/i0); both solvers are told every knot of the waveform.
"""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import diffrax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neurojax.bench import PATIENCE, Row, population, waveforms
from neurojax.catalogue import devices
from neurojax.simulate import simulate
from neurojax.waveform import Waveform
from physics.device import AbstractDevice

TOLERANCE = 1e-5
TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
MOST_STEPS = 2**15
"""Where a solver is stopped that does not get on: one member in fifty can take a hundred times more than the rest."""
MEMBERS = 16
SAMPLES = 201


class Curve(NamedTuple):
    """Of each tolerance the mean error, the seconds, and how many members were not done after MOST_STEPS steps."""

    error: np.ndarray
    seconds: np.ndarray
    failed: np.ndarray

    def at(self, error: float) -> tuple[float, str]:
        """Seconds for an error, between the tolerances on a straight line of logarithms; and what is to be said of it.

        Beyond the ends those of the nearest.
        """
        order = np.argsort(self.error)
        e, s = self.error[order], np.minimum.accumulate(self.seconds[order])
        if not len(e) or not np.isfinite(e).any():
            return float("nan"), "never done"
        note = "" if e[0] <= error else f"at least: it gets to {e[0]:.1e} only"
        return float(np.exp(np.interp(np.log(error), np.log(e), np.log(s)))), note


def rows() -> Iterator[Row]:
    """Of every device the time of Kvaerno5 for the error of ours at a tolerance of 1e-5; of Tsit5 on the triangle."""
    for name, kind in devices().items():
        device = kind()
        members = population(device, MEMBERS)
        for shape, wave in waveforms(device).items():
            ts = jnp.linspace(0.0, float(wave.duration), SAMPLES)
            exact = current(simulate(members, wave, **sharp(ts)))
            ours = curve(members, wave, ts, exact, None, (TOLERANCE,))
            mine = float(ours.error[0])
            others = {"Kvaerno5": diffrax.Kvaerno5()} | ({"Tsit5": diffrax.Tsit5()} if shape == "triangle" else {})
            for other, solver in others.items():
                found = curve(members, wave, ts, exact, solver)
                seconds, note = found.at(mine)
                failed = int(found.failed.max())
                note = f"{note}; {failed} of {MEMBERS} not done after {MOST_STEPS} steps" if failed else note
                case = f"{name}, {shape}, N = {MEMBERS}, at one error"
                yield Row(case, f"diffrax {other}", seconds / float(ours.seconds[0]), mine, None, note.lstrip("; "))


def curve(
    members: AbstractDevice,
    wave: Waveform,
    ts: Array,
    exact: np.ndarray,
    solver: Any,
    tolerances: tuple[float, ...] = TOLERANCES,
    repeats: int = 3,
) -> Curve:
    """Error and median time of one solver, None being ours, at several tolerances.

    A tolerance at which no member is done has an error of infinity.
    """
    found = []
    for rtol in tolerances:
        how = options(ts, rtol, solver=solver, max_steps=MOST_STEPS)
        answer, seconds = current(simulate(members, wave, **how)), []
        while len(seconds) < repeats and sum(seconds) < PATIENCE / 2:
            began = time.perf_counter()
            current(simulate(members, wave, **how))
            seconds.append(time.perf_counter() - began)
        failed = int(np.sum(~np.isfinite(answer).all(axis=1)))
        off = error(answer, exact) if failed < len(answer) else np.inf
        found.append((off, float(np.median(seconds)), failed))
    return Curve(*(np.asarray(a) for a in zip(*found, strict=True)))


def options(ts: Array, rtol: float, **other: Any) -> dict[str, Any]:
    """Of `simulate`, for a run that is timed."""
    return dict(ts=ts, rtol=rtol, atol=1e-2 * rtol, gradient="forward", progress=False, throw=False) | other


def sharp(ts: Array) -> dict[str, Any]:
    """Of the run that counts as exact: a hundred pulses may take it hundreds of thousands of steps."""
    return options(ts, 1e-10, max_steps=2**20)


def current(record: Any) -> np.ndarray:
    """Of all members (members, samples), not a number where one was not done."""
    return np.asarray(jnp.where(record.ok.reshape(-1, 1), jnp.atleast_2d(record.i), jnp.nan).block_until_ready())


def error(found: np.ndarray, reference: np.ndarray) -> float:
    """Mean difference of two currents in decades, down to a millionth of the largest; of those that are done."""
    n = min(len(np.atleast_2d(found)), len(np.atleast_2d(reference)))
    found, reference = np.atleast_2d(found)[:n], np.atleast_2d(reference)[:n]
    if not np.isfinite(found).any():
        return float("nan")
    floor = 1e-6 * np.abs(reference).max()
    return float(np.nanmean(np.abs(np.arcsinh(found / floor) - np.arcsinh(reference / floor))) / np.log(10))
