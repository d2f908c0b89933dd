"""Measured data: sequences of pulses with a reading after each, checked once, in SI units.

The counterpart of `trace.py`; `csvfile.py` reads them from files, `repeats.py` averages repeated ones.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from neurojax._checks import check_columns, check_noise, digest, summary
from neurojax._noise import given_or_estimated
from neurojax.errors import DataError

if TYPE_CHECKING:
    from neurojax.waveform import Waveform


@dataclasses.dataclass(frozen=True, eq=False)
class PulseTrace:
    """A pulse-read sequence: after pulse k the conductance is read at `v_read`.

    On three terminals the pulses go to the first port (the gate) and the reading is taken at the last (the drain).

    Attributes:
        amplitude: height of each pulse (V), shape (n,). width: its flat top (s).
        conductance: reading after it (S), NaN if it was not read. v_read: read voltage (V), taken not to disturb.
        rise: edges (s, default a hundredth of the shortest width). rest: pause after each pulse (s,
            default the longest width); the reading is taken at its middle. Both zero: pulses back to back, for
            a device that keeps its state in between; equal neighbours are one long pulse, which saves most steps.
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
        check_columns(self, ("amplitude", "width", "conductance"), least=1, gaps="conductance")
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
        if not ((rise > 0 and rest > 0) or rise == rest == 0) or self.v_read == 0:
            raise DataError(
                f"{self.name}: rise {rise} s, rest {rest} s must be positive or both zero (pulses back to back), "
                "v_read not zero."
            )
        object.__setattr__(self, "rise", rise)
        object.__setattr__(self, "rest", rest)

    def __len__(self) -> int:
        return len(self.conductance)

    @property
    def n(self) -> int:
        """Number of pulses."""
        return len(self.conductance)

    @property
    def read(self) -> np.ndarray:
        """Which pulses were followed by a reading, booleans (n,)."""
        return np.isfinite(self.conductance)

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
        groups = None if groups is None else groups[self.read]
        return given_or_estimated(self, self.conductance[self.read], groups)

    def waveform(self, ports: tuple[int, ...] = ()) -> "Waveform":
        """All pulses one after the other, on the first of several ports (of independent pulses use `single`)."""
        from neurojax.waveform import Waveform, pulse_train

        if self.rest:
            wave = pulse_train(self.amplitude, self.width, rise=self.rise, rest=self.rest)
        else:
            wave = Waveform(*self._back_to_back())
        if not ports:
            return wave
        v = np.zeros((len(wave.t), *ports))
        v[:, 0] = wave.v
        return Waveform(wave.t, v)

    def _back_to_back(self) -> tuple[np.ndarray, np.ndarray]:
        """Knots (s, V) of the pulses without edges and pauses: one flat piece for each run of equal ones."""
        last = np.append(np.flatnonzero(np.diff(self.amplitude)), self.n - 1)
        ends = np.cumsum(self.width)[last]
        starts = np.concatenate([[0.0], ends[:-1]])
        return np.stack([starts, ends], axis=1).ravel(), np.repeat(self.amplitude[last], 2)

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
            f"{np.nanmin(self.conductance):.4g} .. {np.nanmax(self.conductance):.4g} S at {self.v_read:g} V)"
        )
