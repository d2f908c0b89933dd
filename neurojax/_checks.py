"""Checks that every kind of measured data has to pass, and what they have in common."""

import hashlib
from typing import Any

import numpy as np

from neurojax.errors import DataError

MIN_POINTS = 8


def check_ports(data: Any) -> None:
    """Voltages and currents of several ports have one shape (n, ports)."""
    v, i = np.shape(data.v), np.shape(data.i)
    if len(v) == 2 and (v != i or v[1] < 2):
        raise DataError(
            f"{data.name}: v has shape {v} and i {i}. Several ports need both as (n, ports); fill the current of a "
            "port that was not measured with NaN."
        )


def check_columns(data: Any, names: tuple[str, ...], least: int = MIN_POINTS, gaps: str = "") -> None:
    """Make float64 columns of one length without NaN (but for a current of a port that is NaN throughout).

    In the column called `gaps` NaN means "not read"; something has to be.
    """
    lengths = {}
    several = np.ndim(getattr(data, "v", 0.0)) == 2
    for name in names:
        column = np.array(getattr(data, name), dtype=float)
        if column.ndim != 1 and not (several and name in ("v", "i")):
            raise DataError(f"{data.name}: {name} must be one column, got an array of shape {column.shape}.")
        column.setflags(write=False)
        object.__setattr__(data, name, column)
        lengths[name] = len(column)
    if len(set(lengths.values())) > 1:
        raise DataError(f"{data.name}: columns of different length {lengths}. Cut them to the same samples.")
    for name in names:
        table = getattr(data, name).reshape(lengths[name], -1)
        for k, column in enumerate(table.T):
            read = np.isfinite(column) | (np.isnan(column) & (name == gaps) & np.isfinite(column).any())
            bad = np.flatnonzero(~read)
            if bad.size and not (several and name == "i" and np.isnan(column).all() and np.isfinite(table).any()):
                label = f"{name}[:, {k}]" if table.shape[1] > 1 else name
                raise DataError(
                    f"{data.name}: {label} is {column[bad[0]]} at sample {bad[0]} ({bad.size} in all). "
                    "Remove or repair these rows; nothing is dropped silently."
                )
    if lengths[names[0]] < least:
        raise DataError(f"{data.name}: only {lengths[names[0]]} samples; at least {least} are needed.")
    if data.sigma is not None:
        sigma = np.array(data.sigma, dtype=float)
        if sigma.shape != getattr(data, names[-1]).shape or not np.all(sigma > 0):
            raise DataError(f"{data.name}: sigma needs one positive number a sample, got shape {sigma.shape}.")
        object.__setattr__(data, "sigma", sigma)


def check_time(t: np.ndarray, name: str) -> None:
    """Strictly increasing times, or an error that tells a restart from a repetition."""
    back = np.flatnonzero(np.diff(t) <= 0)
    if not back.size:
        return
    k = int(back[0])
    what = "occurs twice" if t[k + 1] == t[k] else f"is followed by {t[k + 1]:g} s"
    restarts = len(back) < len(t) // 4 and all(t[b + 1] <= t[0] + 0.01 * np.ptp(t) for b in back)
    hint = (
        "average or drop the repeated sample, or export more digits"
        if t[k + 1] == t[k]
        else f"the clock restarts ({len(back) + 1} cycles in one file?): take one, e.g. read_csv(..., cycle=0)"
        if restarts
        else "sort the rows by time"
    )
    raise DataError(f"{name}: time is not increasing: {t[k]:g} s at sample {k} {what}; {hint}.")


def chosen(mask: Any, n: int, name: str) -> np.ndarray:
    """A mask or indices as an array, checked against the number of samples."""
    kept = np.asarray(mask)
    if kept.dtype == bool and kept.shape != (n,):
        raise DataError(f"{name}: the mask has shape {kept.shape} for {n} samples. Make it as long as the data.")
    return kept


def summary(data: Any, cycles: int = 1) -> str:
    """A few lines about measured data."""
    floor, relative = (float(np.nanmax(a)) for a in data.noise())
    lines = [repr(data), f"noise: floor {floor:.3g}, relative {100 * relative:.3g} %"]
    lines += [f"cycles: {cycles}"] * (cycles > 1) + [f"source: {data.source}"] * bool(data.source)
    return "\n".join([*lines, *(f"note: {note}" for note in data.notes)])


def check_noise(data: Any) -> None:
    """A noise floor above zero and a relative noise not below it: one number, or one a port."""
    ports = np.shape(data.v)[1:] if hasattr(data, "v") else ()
    for name in ("noise_floor", "noise_relative"):
        value = getattr(data, name)
        if value is None:
            continue
        given = np.asarray(value, dtype=float)
        if given.shape not in ((), ports):
            raise DataError(f"{data.name}: {name} = {value} must be one number{' or one a port' if ports else ''}.")
        if not (np.isfinite(given).all() and np.all(given > 0 if name == "noise_floor" else given >= 0)):
            raise DataError(f"{data.name}: {name} = {value} must be positive and finite, or None to estimate it.")


def digest(*columns: np.ndarray) -> str:
    """SHA-256 of some columns."""
    state = hashlib.sha256()
    for column in columns:
        state.update(np.ascontiguousarray(column).tobytes())
    return state.hexdigest()
