"""Measured data: sampled traces (t, v, i) and pulse-read sequences, checked once, in SI units.

Host data (NumPy, float64): nothing here is differentiated. `read_csv` in `csvfile.py` makes them from
laboratory files; `fit` takes them.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from neurojax._checks import MIN_POINTS, check_columns, check_noise, check_ports, check_time, chosen, digest, summary
from neurojax._noise import estimate_noise
from neurojax.errors import DataError

if TYPE_CHECKING:
    from neurojax.waveform import Waveform


@dataclasses.dataclass(frozen=True, eq=False)
class Trace:
    """A sampled measurement.

    Attributes:
        t: times (s), strictly increasing, shape (n,).
        v: voltage across the device (V), shape (n,); for three terminals (n, 2), the voltage of each port.
        i: current into the top terminal (A), same shape; a port whose current was not measured is all NaN.
        noise_floor, noise_relative: sigma^2 = floor^2 + (relative i)^2; estimated from the trace if None. Numbers,
            or one a port.
        sigma: standard deviation of each current (A), shape of i, instead of that model.
        notes: what was assumed when the file was read. source: where the data come from.

    Raises:
        DataError: lengths that differ, too few points, NaN, unsorted time, constant voltage.
    """

    t: Any
    v: Any
    i: Any
    name: str = "trace"
    noise_floor: Any = None
    noise_relative: Any = None
    sigma: Any = None
    notes: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        check_ports(self)
        check_columns(self, ("t", "v", "i"))
        check_time(self.t, self.name)
        check_noise(self)
        if np.all(np.ptp(self.v, axis=0) == 0):
            raise DataError(
                f"{self.name}: the voltage is constant ({self.v.flat[0]:g} V), so there is nothing to fit. "
                "Check that the voltage column is the measured one, or the unit."
            )
        if np.max(np.abs(self.v)) > 1e4:
            raise DataError(f"{self.name}: |v| reaches {np.max(np.abs(self.v)):g} V. Is the column in mV or uV?")
        most = np.nanmax(np.abs(self.i))
        if most > 1e3:
            raise DataError(f"{self.name}: |i| reaches {most:g} A. Is the column in mA, uA or nA?")
        if most == 0:
            raise DataError(f"{self.name}: the current is zero everywhere. Check the current column and its range.")

    def __len__(self) -> int:
        return len(self.t)

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.t)

    @property
    def duration(self) -> float:
        """From the first sample to the last (s)."""
        return float(self.t[-1] - self.t[0])

    @property
    def ports(self) -> tuple[int, ...]:
        """() for two terminals, (2,) for three: the shape of one voltage."""
        return self.v.shape[1:]

    def noise(self) -> tuple[Any, Any]:
        """Noise floor (A) and relative noise: the given ones, else estimated from the trace; arrays for ports."""
        if not self.ports:
            return _given_or_estimated(self, self.i)
        given = [None if g is None else np.broadcast_to(g, self.ports) for g in (self.noise_floor, self.noise_relative)]
        known, all_given = [], all(g is not None for g in given)
        for k, column in enumerate(self.i.T):
            measured = np.isfinite(column).all() and not all_given
            estimate = estimate_noise(column) if measured else (np.nan, np.nan)
            known.append([e if g is None else g[k] for e, g in zip(estimate, given, strict=True)])
        floor, relative = np.asarray(known, dtype=float).T
        return floor, relative

    def waveform(self) -> "Waveform":
        """The voltage that was applied; samples on straight lines are merged."""
        from neurojax.waveform import sampled

        return sampled(self.t, self.v)

    def cycles(self) -> list["Trace"]:
        """The trace cut into its sweeps, each with its own clock starting at zero.

        A cycle ends where the voltage comes back through its first value in its first direction.
        """
        v = self._swept()
        start = v[0]
        span = np.ptp(v)
        first = np.sign(v[np.argmax(np.abs(v - start) > 0.02 * span)] - start)
        side = (v - start) * first
        crossing = np.flatnonzero((side[:-1] <= 1e-9 * span) & (side[1:] > 1e-9 * span))
        starts = [0]
        for k in crossing:
            part = v[starts[-1] : k + 1]
            if np.ptp(part) > 0.9 * span and k + 1 - starts[-1] >= MIN_POINTS:
                starts.append(int(k))
        # The noise of a voltage that came to rest is no cycle.
        if len(starts) > 1 and np.ptp(v[starts[-1] :]) < 0.1 * span:
            starts.pop()
        ends = [*starts[1:], len(self) - 1]
        parts = [slice(a, b + 1) for a, b in zip(starts, ends, strict=True) if b + 1 - a >= MIN_POINTS]
        return [self._part(p, f"{self.name} cycle {n + 1}") for n, p in enumerate(parts)]

    def _swept(self) -> np.ndarray:
        """The voltage that varies most, where there are several."""
        return self.v if not self.ports else self.v[:, int(np.argmax(np.ptp(self.v, axis=0)))]

    def head(self, fraction: float) -> "Trace":
        """The first part of the trace."""
        stop = max(MIN_POINTS, round(fraction * len(self)))
        return self._part(slice(0, stop), self.name)

    def subset(self, mask: Any) -> "Trace":
        """The samples where `mask` (booleans or indices) says so, with their own times.

        Raises:
            DataError: a mask of another length, or fewer samples left than a trace needs.
        """
        kept = chosen(mask, len(self), self.name)
        columns = {name: getattr(self, name)[kept] for name in ("t", "v", "i")}
        return dataclasses.replace(self, **columns, sigma=None if self.sigma is None else self.sigma[kept])

    def _part(self, part: slice, name: str) -> "Trace":
        sigma = None if self.sigma is None else self.sigma[part]
        return dataclasses.replace(
            self, t=self.t[part] - self.t[part][0], v=self.v[part], i=self.i[part], sigma=sigma, name=name
        )

    def hash(self) -> str:
        """SHA-256 of the data."""
        return digest(self.t, self.v, self.i)

    def plot(self, ax: Any = None, *, log: bool = True) -> Any:
        """|i| over v; returns Axes."""
        from neurojax import plot

        return plot.trace(self, ax=ax, log=log)

    def summary(self) -> str:
        """A few lines: what it is, how noisy, where from, what was assumed."""
        return summary(self, len(self.cycles()))

    def __repr__(self) -> str:
        floor, relative = (float(np.nanmax(a)) for a in self.noise())
        ports = f"{self.ports[0]} ports, " if self.ports else ""
        return (
            f"Trace({self.name!r}, {ports}{len(self)} samples, {self.duration:.4g} s, "
            f"{self.v.min():.4g} .. {self.v.max():.4g} V, "
            f"|i| up to {np.nanmax(np.abs(self.i)):.4g} A, noise {floor:.2g} A + {100 * relative:.2g} %)"
        )


@dataclasses.dataclass(frozen=True, eq=False)
class PulseTrace:
    """A pulse-read sequence: after pulse k the conductance is read at `v_read`.

    On three terminals the pulses go to the first port (the gate) and the reading is taken at the last (the drain).

    Attributes:
        amplitude: height of each pulse (V), shape (n,). width: its flat top (s).
        conductance: reading after it (S). v_read: read voltage (V), taken not to disturb.
        rise: edges (s, default a hundredth of the shortest width). rest: pause after each pulse (s,
            default the longest width); the reading is taken at its middle.
        independent: every pulse starts from the initial state (the device is re-initialised in between).
        initial: reading before the first pulse (S), if there was one.
        noise_floor (S), noise_relative, sigma (S), notes, source: as in `Trace`.

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
    source: str = ""
    initial: float | None = None

    def __post_init__(self) -> None:
        n = np.atleast_1d(np.asarray(self.conductance)).shape
        for name in ("amplitude", "width"):
            value = np.asarray(getattr(self, name), dtype=float)
            object.__setattr__(self, name, np.full(n, value) if value.ndim == 0 else value)
        check_columns(self, ("amplitude", "width", "conductance"), least=1)
        check_noise(self)
        for name in ("width", "conductance"):
            values = getattr(self, name)
            if np.any(values <= 0):
                k = int(np.argmax(values <= 0))
                raise DataError(f"{self.name}: {name}[{k}] = {values[k]:g} must be positive. Check sign and unit.")
        if np.max(np.abs(self.amplitude)) > 1e4:
            raise DataError(f"{self.name}: a pulse of {np.max(np.abs(self.amplitude)):g} V. Is the column in mV?")
        if self.initial is not None and not (np.isfinite(self.initial) and self.initial > 0):
            raise DataError(f"{self.name}: initial = {self.initial} S must be positive, or None if it was not read.")
        rise = float(np.min(self.width)) / 100 if self.rise is None else float(self.rise)
        rest = float(np.max(self.width)) if self.rest is None else float(self.rest)
        if not (rise > 0 and rest > 0 and self.v_read != 0):
            raise DataError(f"{self.name}: rise {rise} s, rest {rest} s must be positive, v_read not zero.")
        object.__setattr__(self, "rise", rise)
        object.__setattr__(self, "rest", rest)

    def __len__(self) -> int:
        return len(self.conductance)

    @property
    def n(self) -> int:
        """Number of pulses."""
        return len(self.conductance)

    @property
    def duration(self) -> float:
        """From the first edge to the end of the last rest (s)."""
        return float(np.sum(2 * self.rise + self.width + self.rest))

    def noise(self) -> tuple[float, float]:
        """Noise floor (S) and relative noise: the given ones, else estimated.

        Independent pulses tell it by the scatter between equal ones, a sequence by its steps.
        """
        groups = None
        if self.independent:
            _, groups = np.unique(np.stack([self.amplitude, self.width]), axis=1, return_inverse=True)
            groups = groups.ravel()
        return _given_or_estimated(self, self.conductance, groups)

    def waveform(self, ports: tuple[int, ...] = ()) -> "Waveform":
        """All pulses one after the other, on the first of several ports (of independent pulses use `single`)."""
        from neurojax.waveform import Waveform, pulse_train

        wave = pulse_train(self.amplitude, self.width, rise=self.rise, rest=self.rest)
        if not ports:
            return wave
        v = np.zeros((len(wave.t), *ports))
        v[:, 0] = wave.v
        return Waveform(wave.t, v)

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
        return digest(self.amplitude, self.width, self.conductance)

    def plot(self, ax: Any = None) -> Any:
        """Conductance over pulse number; returns Axes."""
        from neurojax import plot

        return plot.trace(self, ax=ax)

    def summary(self) -> str:
        """A few lines: what it is, how noisy, where from, what was assumed."""
        return summary(self)

    def __repr__(self) -> str:
        return (
            f"PulseTrace({self.name!r}, {len(self)} pulses of "
            f"{self.amplitude.min():.4g} .. {self.amplitude.max():.4g} V, "
            f"{self.conductance.min():.4g} .. {self.conductance.max():.4g} S at {self.v_read:g} V)"
        )


def _given_or_estimated(
    data: "Trace | PulseTrace", y: np.ndarray, groups: np.ndarray | None = None
) -> tuple[float, float]:
    floor, relative = data.noise_floor, data.noise_relative
    if floor is None or relative is None:
        estimate = estimate_noise(y, groups)
        floor, relative = estimate[0] if floor is None else floor, estimate[1] if relative is None else relative
    return float(floor), float(relative)
