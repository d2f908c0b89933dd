"""Measured data: sampled traces (t, v, i), checked once, in SI units; `pulses.py` has those read after pulses.

Host data (NumPy, float64): nothing here is differentiated. `read_csv` in `csvfile.py` makes them from
laboratory files; `fit` takes them.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from neurojax._checks import MIN_POINTS, check_columns, check_noise, check_ports, check_time, chosen, digest, summary
from neurojax._noise import estimate_noise, given_or_estimated
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
            return given_or_estimated(self, self.i)
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
