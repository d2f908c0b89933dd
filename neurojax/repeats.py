"""Means of measurements that were repeated: ramps of equal pulses, and sequences run again and again."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from neurojax.errors import DataError
from neurojax.pulses import PulseTrace


def mean_ramp(
    ramps: Sequence[PulseTrace], name: str = "mean ramp", *, scatter: Literal["ramps", "overall", "pulses"] = "ramps"
) -> PulseTrace:
    """Mean of ramps of equal pulses, as far as the shortest goes; sigma is a standard error.

    A mean over the ramps that are left would jump where one ends, so the longer ones are cut.

    Args:
        ramps: two or more. name: of the result.
        scatter: "ramps" takes sigma_k = sd over the ramps / sqrt(N), drift between ramps included, "overall" the root
            mean square of that for all k, "pulses" only the scatter of the steps from pulse to pulse.

    Returns:
        PulseTrace, conductance (S) of shape (n,).

    Raises:
        DataError: fewer than two ramps, or ramps of different pulses.
    """
    if len(ramps) < 2:
        raise DataError(f"mean_ramp got {len(ramps)} ramps; a mean with an error needs two or more.")
    first, n = ramps[0], min(len(r) for r in ramps)
    for ramp in ramps[1:]:
        same = all(np.array_equal(getattr(ramp, x)[:n], getattr(first, x)[:n]) for x in ("amplitude", "width"))
        if not same or (ramp.v_read, ramp.rise, ramp.rest) != (first.v_read, first.rise, first.rest):
            raise DataError(f"mean_ramp: {ramp.name!r} has other pulses than {first.name!r}. Average only equal ones.")
    values = np.stack([r.conductance[:n] for r in ramps])
    mean = values.mean(axis=0)
    spread = np.std(values, axis=0, ddof=1)
    if scatter == "overall":
        spread = np.full(n, np.sqrt(np.mean(spread**2)))
    if scatter == "pulses":
        spread = np.full(n, np.std(np.diff(values - mean, axis=1), ddof=1) / np.sqrt(2))
    cut = [len(r) for r in ramps]
    notes = (f"mean of {len(ramps)} ramps of {min(cut)} to {max(cut)} pulses, cut to {n}",)
    return PulseTrace(
        first.amplitude[:n], first.width[:n], mean, first.v_read, first.rise, first.rest, name=name,
        sigma=_standard_error(spread, len(ramps), mean), notes=notes, source=first.source,
    )  # fmt: skip


def mean_repeats(trace: PulseTrace, *, lead: int | None = None) -> PulseTrace:
    """Geometric mean of each reading of a sequence of pulses that was run again and again.

    The length of the sequence is found from the amplitudes and widths; a last repeat that is not whole is left out.
    Each repeat finds the device as the one before has left it, so the last `lead` pulses go first, unread; not where
    the pulses are independent.

    Args:
        trace: readings in the order of measurement. lead: pulses of the repeat before (1, or 0 of independent ones).

    Returns:
        PulseTrace of lead + n pulses; sigma (S) is the standard error of each mean, NaN readings lead.

    Raises:
        DataError: no sequence is repeated twice or more, or `lead` is not among its pulses.
    """
    pulses = np.stack([trace.amplitude, trace.width])
    n, total = _period(pulses), len(trace)
    if n is None or total // n < 2:
        raise DataError(
            f"{trace.name}: no sequence of pulses is repeated (amplitudes start {_listed(trace.amplitude)}). Averaging "
            "needs equal sequences one after the other; sort the rows by time, or leave --average out."
        )
    lead = (0 if trace.independent else 1) if lead is None else lead
    if not 0 <= lead <= n:
        raise DataError(f"{trace.name}: lead = {lead} must be 0 to {n}, the pulses of one sequence.")
    count = total // n
    logs = np.log(trace.conductance[: count * n].reshape(count, n))
    mean = np.exp(logs.mean(axis=0))
    sigma = _standard_error(np.std(logs, axis=0, ddof=1) * mean, count, mean)
    order = np.concatenate([np.arange(n - lead, n), np.arange(n)])
    unread = np.where(np.arange(len(order)) < lead, np.nan, 1.0)
    note = f"geometric mean of {count} sequences of {n} pulses" + (f", {lead} of the one before first" if lead else "")
    return dataclasses.replace(
        trace, amplitude=trace.amplitude[order], width=trace.width[order], conductance=mean[order] * unread,
        sigma=sigma[order], notes=(*trace.notes, note),
    )  # fmt: skip


def _standard_error(spread: np.ndarray, count: int, mean: np.ndarray) -> np.ndarray:
    # Repeats that agree exactly in one point are a coincidence of the digits, not a perfect reading.
    return np.maximum(spread / np.sqrt(count), 1e-9 * np.max(mean))


def _period(pulses: np.ndarray) -> int | None:
    """Length of the shortest sequence that the pulses (2, n) repeat, None if they do not."""
    total = pulses.shape[1]
    again = np.flatnonzero((pulses[:, 1:] == pulses[:, :1]).all(axis=0)) + 1
    whole = (k for k in again if np.array_equal(pulses[:, k:], pulses[:, : total - k]))
    return int(next(whole, 0)) or None


def _listed(values: np.ndarray) -> str:
    return ", ".join(f"{v:g}" for v in values[:5]) + (" ..." if len(values) > 5 else "") + " V"
