"""Measured data: sampled traces (t, v, i) and pulse-read sequences, checked once, in SI units.

Host data (NumPy, float64): nothing here is differentiated. `read_csv` in `csvfile.py` makes them from
laboratory files; `fit` takes them.
"""

import dataclasses
import hashlib
from typing import Any

import numpy as np

from neurojax.errors import DataError
from neurojax.noise import estimate_noise
from neurojax.waveform import Waveform, pulse_train, sampled

MIN_POINTS = 8


@dataclasses.dataclass(frozen=True, eq=False)
class Trace:
    """A sampled measurement.

    Attributes:
        t: times (s), strictly increasing, shape (n,). v: voltage across the device (V).
        i: current into the top terminal (A).
        noise_floor, noise_relative: sigma^2 = floor^2 + (relative i)^2; estimated from the trace if None.
        sigma: standard deviation of each current (A), shape (n,), instead of that model.
        notes: what was assumed when the file was read.

    Raises:
        DataError: lengths that differ, too few points, NaN, unsorted time, constant voltage.
    """

    t: Any
    v: Any
    i: Any
    name: str = "trace"
    noise_floor: float | None = None
    noise_relative: float | None = None
    sigma: Any = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _columns(self, ("t", "v", "i"))
        _sorted_time(self.t, self.name)
        _positive_noise(self)
        if np.ptp(self.v) == 0:
            raise DataError(
                f"{self.name}: the voltage is constant ({self.v[0]:g} V), so there is nothing to fit. "
                "Check that the voltage column is the measured one, or the unit."
            )
        if np.max(np.abs(self.v)) > 1e4:
            raise DataError(f"{self.name}: |v| reaches {np.max(np.abs(self.v)):g} V. Is the column in mV or uV?")
        if not np.any(self.i):
            raise DataError(f"{self.name}: the current is zero everywhere. Check the current column and its range.")

    def __len__(self) -> int:
        return len(self.t)

    @property
    def duration(self) -> float:
        """From the first sample to the last (s)."""
        return float(self.t[-1] - self.t[0])

    def noise(self) -> tuple[float, float]:
        """Noise floor (A) and relative noise: the given ones, else estimated from the trace."""
        floor, relative = estimate_noise(self.i)
        return (
            floor if self.noise_floor is None else float(self.noise_floor),
            relative if self.noise_relative is None else float(self.noise_relative),
        )

    def waveform(self) -> Waveform:
        """The voltage that was applied; samples on straight lines are merged."""
        return sampled(self.t, self.v)

    def cycles(self) -> list["Trace"]:
        """The trace cut into its sweeps, each with its own clock starting at zero.

        A cycle ends where the voltage comes back through its first value in its first direction.
        """
        start = self.v[0]
        span = np.ptp(self.v)
        first = np.sign(self.v[np.argmax(np.abs(self.v - start) > 0.02 * span)] - start)
        side = (self.v - start) * first
        crossing = np.flatnonzero((side[:-1] <= 1e-9 * span) & (side[1:] > 1e-9 * span))
        starts = [0]
        for k in crossing:
            part = self.v[starts[-1] : k + 1]
            if np.ptp(part) > 0.9 * span and k + 1 - starts[-1] >= MIN_POINTS:
                starts.append(int(k))
        ends = [*starts[1:], len(self) - 1]
        parts = [slice(a, b + 1) for a, b in zip(starts, ends, strict=True) if b + 1 - a >= MIN_POINTS]
        return [self._part(p, f"{self.name} cycle {n + 1}") for n, p in enumerate(parts)]

    def head(self, fraction: float) -> "Trace":
        """The first part of the trace."""
        stop = max(MIN_POINTS, round(fraction * len(self)))
        return self._part(slice(0, stop), self.name)

    def _part(self, part: slice, name: str) -> "Trace":
        sigma = None if self.sigma is None else self.sigma[part]
        return dataclasses.replace(
            self, t=self.t[part] - self.t[part][0], v=self.v[part], i=self.i[part], sigma=sigma, name=name
        )

    def hash(self) -> str:
        """SHA-256 of the data."""
        return _hash(self.t, self.v, self.i)

    def plot(self, ax: Any = None, *, log: bool = True) -> Any:
        """|i| over v; returns Axes."""
        from neurojax import plot

        return plot.trace(self, ax=ax, log=log)

    def __repr__(self) -> str:
        floor, relative = self.noise()
        return (
            f"Trace({self.name!r}, {len(self)} samples, {self.duration:.4g} s, "
            f"{self.v.min():.4g} .. {self.v.max():.4g} V, "
            f"|i| up to {np.max(np.abs(self.i)):.4g} A, noise {floor:.2g} A + {100 * relative:.2g} %)"
        )


@dataclasses.dataclass(frozen=True, eq=False)
class PulseTrace:
    """A pulse-read sequence: after pulse k the conductance is read at `v_read`.

    Attributes:
        amplitude: height of each pulse (V), shape (n,). width: its flat top (s).
        conductance: reading after it (S). v_read: read voltage (V), taken not to disturb.
        rise: edges (s, default a hundredth of the shortest width). rest: pause after each pulse (s,
            default the longest width); the reading is taken at its middle.
        independent: every pulse starts from the initial state (the device is re-initialised in between).
        noise_floor (S), noise_relative, sigma (S), notes: as in `Trace`.

    Raises:
        DataError: lengths that differ, NaN, widths or conductances that are not positive.
    """

    amplitude: Any
    width: Any
    conductance: Any
    v_read: float = 0.1
    rise: Any = None
    rest: Any = None
    independent: bool = False
    name: str = "pulses"
    noise_floor: float | None = None
    noise_relative: float | None = None
    sigma: Any = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = np.atleast_1d(np.asarray(self.conductance)).shape
        for name in ("amplitude", "width"):
            value = np.asarray(getattr(self, name), dtype=float)
            object.__setattr__(self, name, np.full(n, value) if value.ndim == 0 else value)
        _columns(self, ("amplitude", "width", "conductance"), least=1)
        _positive_noise(self)
        for name in ("width", "conductance"):
            values = getattr(self, name)
            if np.any(values <= 0):
                k = int(np.argmax(values <= 0))
                raise DataError(f"{self.name}: {name}[{k}] = {values[k]:g} must be positive. Check sign and unit.")
        rise = float(np.min(self.width)) / 100 if self.rise is None else float(self.rise)
        rest = float(np.max(self.width)) if self.rest is None else float(self.rest)
        object.__setattr__(self, "rise", rise)
        object.__setattr__(self, "rest", rest)
        if not (rise > 0 and rest > 0 and self.v_read != 0):
            raise DataError(f"{self.name}: rise {rise} s, rest {rest} s must be positive, v_read not zero.")

    def __len__(self) -> int:
        return len(self.conductance)

    def noise(self) -> tuple[float, float]:
        """Noise floor (S) and relative noise: the given ones, else estimated from the sequence."""
        floor, relative = estimate_noise(self.conductance)
        return (
            floor if self.noise_floor is None else float(self.noise_floor),
            relative if self.noise_relative is None else float(self.noise_relative),
        )

    def waveform(self) -> Waveform:
        """All pulses one after the other (of one pulse, if they are independent use `single`)."""
        return pulse_train(self.amplitude, self.width, rise=self.rise, rest=self.rest)

    def read_times(self) -> np.ndarray:
        """Time of each reading: the middle of the rest after the pulse (s)."""
        ends = np.cumsum(2 * self.rise + self.width + self.rest)
        return ends - 0.5 * self.rest

    def single(self, k: int) -> "PulseTrace":
        """Pulse k as a sequence of one."""
        sigma = None if self.sigma is None else self.sigma[k : k + 1]
        return dataclasses.replace(
            self, amplitude=self.amplitude[k : k + 1], width=self.width[k : k + 1], sigma=sigma,
            conductance=self.conductance[k : k + 1], independent=False,
        )  # fmt: skip

    def hash(self) -> str:
        """SHA-256 of the data."""
        return _hash(self.amplitude, self.width, self.conductance)

    def plot(self, ax: Any = None) -> Any:
        """Conductance over pulse number; returns Axes."""
        from neurojax import plot

        return plot.trace(self, ax=ax)

    def __repr__(self) -> str:
        return (
            f"PulseTrace({self.name!r}, {len(self)} pulses of "
            f"{self.amplitude.min():.4g} .. {self.amplitude.max():.4g} V, "
            f"{self.conductance.min():.4g} .. {self.conductance.max():.4g} S at {self.v_read:g} V)"
        )


def _columns(data: Any, names: tuple[str, ...], least: int = MIN_POINTS) -> None:
    """Make float64 columns of one length without NaN."""
    lengths = {}
    for name in names:
        column = np.array(getattr(data, name), dtype=float)
        if column.ndim != 1:
            raise DataError(f"{data.name}: {name} must be one column, got an array of shape {column.shape}.")
        object.__setattr__(data, name, column)
        lengths[name] = len(column)
    if len(set(lengths.values())) > 1:
        raise DataError(f"{data.name}: columns of different length {lengths}. Cut them to the same samples.")
    for name in names:
        bad = np.flatnonzero(~np.isfinite(getattr(data, name)))
        if bad.size:
            raise DataError(
                f"{data.name}: {name} is {getattr(data, name)[bad[0]]} at sample {bad[0]} ({bad.size} in all). "
                "Remove or repair these rows; nothing is dropped silently."
            )
    if lengths[names[0]] < least:
        raise DataError(f"{data.name}: only {lengths[names[0]]} samples; at least {least} are needed.")
    if data.sigma is not None:
        sigma = np.array(data.sigma, dtype=float)
        if sigma.shape != getattr(data, names[0]).shape or not np.all(sigma > 0):
            raise DataError(f"{data.name}: sigma needs one positive number a sample, got shape {sigma.shape}.")
        object.__setattr__(data, "sigma", sigma)


def _sorted_time(t: np.ndarray, name: str) -> None:
    back = np.flatnonzero(np.diff(t) <= 0)
    if not back.size:
        return
    k = int(back[0])
    what = "occurs twice" if t[k + 1] == t[k] else f"is followed by {t[k + 1]:g} s"
    hint = "average or drop the repeated sample" if t[k + 1] == t[k] else "the clock restarts there: split the file"
    raise DataError(f"{name}: time is not increasing: {t[k]:g} s at sample {k} {what}; {hint}, or sort the rows.")


def _positive_noise(data: Any) -> None:
    for name in ("noise_floor", "noise_relative"):
        value = getattr(data, name)
        least_ok = value is None or (np.isfinite(value) and (value > 0 if name == "noise_floor" else value >= 0))
        if not least_ok:
            raise DataError(f"{data.name}: {name} = {value} must be positive and finite, or None to estimate it.")


def _hash(*columns: np.ndarray) -> str:
    digest = hashlib.sha256()
    for column in columns:
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
