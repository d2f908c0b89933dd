"""The data sheet of a device: the figures that papers tabulate, measured on the model by the usual protocols.

    sheet = nj.characterise(physics.GapRram())        print(sheet); sheet.plot()

    sweep      a triangle over the usual voltages: on/off ratio, voltages of switching (threshold and hold)
    pulses     equal pulses up and down, as wide as it takes to cross the window in about `pulses` of them:
               energy of a pulse, nonlinearity, asymmetry, number of states
    constant   voltages below the largest: time of switching, and the volts that a decade of it costs
    rest       states left alone at zero bias: when half of the scatter of their readings, in decades, is gone

What does not apply to a device (a dead zone that is never left, a current that never switches) is nan.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neurojax import metrics
from neurojax.errors import NeurojaxError
from neurojax.families import VOLATILE, memory
from neurojax.instrument import Instrument
from neurojax.progress import after_a_while
from neurojax.record import Record
from neurojax.simulate import simulate
from neurojax.switching import switching_time
from neurojax.waveform import Waveform, constant, pulse_train, triangle
from physics.device import AbstractDevice, Environment

PART = 0.005
"""Standard deviation of a level, over the whole window, where none is given."""
WITHIN = np.linspace(0.0, 1.0, 32, endpoint=False) ** 2
"""Places of samples in a piece of a pulse: crowded at its start, where a device switches."""


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of a data sheet."""

    name: str
    value: float
    unit: str
    how: str


@dataclasses.dataclass(frozen=True)
class DataSheet:
    """Figures of merit of one device, with the sweep and the pulses behind them.

    Attributes:
        device, family, role: what it is; "neuron" if volatile, else "synapse". figures: the lines.
        sweep: record of the triangle. up, down: readings (S) before and after each pulse.
    """

    device: str
    family: str
    role: str
    figures: tuple[Figure, ...]
    sweep: Record
    up: np.ndarray
    down: np.ndarray

    def __getitem__(self, name: str) -> float:
        found = {f.name: f.value for f in self.figures}
        if name not in found:
            raise KeyError(f"there is no figure {name!r}; there are {', '.join(found)}.")
        return found[name]

    def to_dict(self) -> dict[str, Any]:
        """For JSON; what does not apply is None."""
        figures = {f.name: {"value": f.value if math.isfinite(f.value) else None, "unit": f.unit, "how": f.how}
                   for f in self.figures}  # fmt: skip
        return {"device": self.device, "family": self.family, "role": self.role, "figures": figures}

    def plot(self, axes: Any = None) -> Any:
        """I-V and pulses, into two Axes or new ones; returns both."""
        from neurojax import plot

        return plot.sheet(self, axes)

    def __repr__(self) -> str:
        width = max(len(f.name) for f in self.figures)
        lines = [f"{self.device}, {self.family}: {self.role}"]
        for f in self.figures:
            value = "does not apply" if math.isnan(f.value) else f"{f.value:.4g} {f.unit if f.unit != '1' else ''}"
            lines.append(f"  {f.name:<{width}}  {value:<18} {f.how}".rstrip())
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class Bench:
    """A device on the bench, and how it is read."""

    device: AbstractDevice
    env: Environment
    instrument: Instrument | None
    v_read: float

    def run(self, wave: Waveform, ts: Any, x0: Any = None) -> Record:
        """A simulation that may fail."""
        options: Any = dict(env=self.env, instrument=self.instrument, progress=False, throw=False, gradient="forward")
        return simulate(self.device, wave, ts=ts, x0=x0, **options)

    def read(self, record: Record) -> Array:
        """Conductance at every sample (S)."""
        return metrics.conductances(self.device, record, self.v_read, env=self.env, instrument=self.instrument)

    def ports(self, v: float) -> Any:
        """A voltage on the first port, the others at zero."""
        shape = self.device.port_shape
        return v if not shape else np.eye(shape[0])[0] * v

    def train(self, v: float, width: float, n: int) -> tuple[Waveform, np.ndarray]:
        """n pulses, and the times of the readings: at the start and at the end of every rest."""
        wave = pulse_train(np.broadcast_to(self.ports(v), (n, *self.device.port_shape)), width)
        return wave, np.concatenate([[0.0], np.asarray(wave.t)[4::4]])


def characterise(
    device: AbstractDevice,
    *,
    v_read: float | None = None,
    pulses: int = 32,
    sigma: float | None = None,
    env: Environment | None = None,
    instrument: Instrument | None = None,
    progress: bool = True,
) -> DataSheet:
    """Measure the figures of merit of one device on its usual sweep (`device.sweep`).

    Args:
        device: at its parameters. v_read: of the readings (V, default a twentieth of the largest voltage).
        pulses: how many are to cross the window. sigma: of a level (S, default 0.5 % of the window).
        env: ambient. instrument: the measuring circuit. progress: a bar on a terminal after 2 s.

    Raises:
        NeurojaxError: the sweep cannot be simulated.
    """
    env = Environment() if env is None else env
    v_max, v_min, period = device.sweep
    read = 0.05 * float(np.ravel(v_max)[-1]) if v_read is None else v_read
    bench = Bench(device, env, instrument, read)
    with after_a_while(f"characterising {type(device).__name__}", 4, enabled=progress) as tell:
        wave = triangle(v_max, v_min, period)
        sweep = bench.run(wave, np.unique(np.concatenate([np.linspace(0, period, 801), wave.knots])))
        if not bool(sweep.ok):
            raise NeurojaxError(f"{type(device).__name__}: its usual sweep {device.sweep} cannot be simulated.")
        g = np.asarray(bench.read(sweep))
        figures = [*_of_sweep(bench, sweep, g)]
        tell(1)
        up, down, more = _of_pulses(bench, sweep, g, pulses, sigma)
        figures += more
        tell(3)
        figures += _of_times(bench, sweep, g)
    lasts = next(f.value for f in figures if f.name == "memory")
    role = "neuron" if lasts < VOLATILE else "synapse"
    return DataSheet(type(device).__name__, device.family, role, tuple(figures), sweep, up, down)


def _of_sweep(bench: Bench, sweep: Record, g: np.ndarray) -> list[Figure]:
    lasts = memory(bench.device, bench.env)[0] if sweep.states else math.inf
    found = [
        Figure("on_off", float(g.max() / g.min()), "1", f"readings at {bench.v_read:g} V along the sweep"),
        Figure("memory", lasts, "s", "half of the scatter of its readings, in decades, is gone at zero bias"),
    ]
    i = np.abs(np.asarray(sweep.i).reshape(len(sweep.t), -1)[:, -1])
    if not bench.device.port_shape and lasts < VOLATILE:
        half = len(sweep.t) // 2
        first = sweep_part(sweep, half)
        level = math.sqrt(float(i[:half].max()) * float(i[max(1, half // 16)]))
        on, off = metrics.threshold_and_hold(first, level)
        found.append(Figure("threshold", float(on), "V", f"current rises above {level:.3g} A"))
        found.append(Figure("hold", float(off), "V", "and falls below it again"))
    elif sweep.states:
        name, level = _halfway(sweep)
        first = float(np.ravel(metrics.switching_voltage(sweep, name, level))[0])
        found.append(Figure("switching_voltage", first, "V", f"{name} passes {level:.3g}, half of its way"))
    return found


def sweep_part(record: Record, n: int) -> Record:
    """The first n samples of a record of one device."""
    cut: Any = jax.tree.map(lambda a: a[:n], (record.t, record.v, record.i, record.x, record.power, record.energy))
    made: Any = Record
    return made(*cut, record.steps, record.code)


def _halfway(sweep: Record) -> tuple[str, float]:
    """The state that goes farthest, over its bounds, and the middle of its way."""
    spans = {n: float(np.ptp(np.asarray(s))) for n, s in sweep.states.items() if np.asarray(s).ndim == 1}
    name = max(spans, key=lambda n: spans[n])
    s = np.asarray(sweep.states[name])
    return name, 0.5 * float(s.max() + s.min())


def _of_pulses(bench: Bench, sweep: Record, g: np.ndarray, n: int, sigma: float | None) -> Any:
    """Readings up and down, and what they tell."""
    low = jax.tree.map(lambda a: a[int(g.argmin())], sweep.x)
    window = float(g.max() - g.min())
    missing = np.full(n + 1, np.nan)
    ups = _ladder(bench, low, window, n, 1.0)
    if ups is None:
        return missing, missing, _pulse_figures(missing, missing, math.nan, math.nan, "no pulse moves it", sigma)
    up, x, energy, v, width = ups
    downs = _ladder(bench, x, window, n, -1.0)
    down = missing if downs is None else downs[0]
    return up, down, _pulse_figures(up, down, energy, width, f"pulses of {v:.3g} V, {width:.3g} s", sigma)


def _pulse_figures(up, down, energy: float, width: float, how: str, sigma: float | None) -> list[Figure]:
    span = float(up[-1] - up[0])
    noise = PART * span if sigma is None else sigma
    number = (
        float(metrics.states(jnp.asarray(up[0]), jnp.asarray(up[-1]), jnp.asarray(noise))) if span > 0 else math.nan
    )
    return [
        Figure("pulse_energy", energy, "J", f"mean of the {how}"),
        Figure("pulse_width", width, "s", "so that the window takes about as many pulses as asked"),
        Figure("nonlinearity_up", float(metrics.nonlinearity(jnp.asarray(up))), "1", "0 straight, + fast first"),
        Figure("nonlinearity_down", float(metrics.nonlinearity(jnp.asarray(down))), "1", "of the pulses down"),
        Figure("label_up", float(metrics.neurosim_label(jnp.asarray(up))), "1", "NL of NeuroSim"),
        Figure("label_down", float(metrics.neurosim_label(jnp.asarray(down))), "1", "NL of NeuroSim"),
        Figure("asymmetry", _asymmetry(up, down), "1", "steps up against steps down at one conductance"),
        Figure("states", number, "1", f"levels 6 sigma apart, sigma = {noise:.3g} S"),
    ]


def _asymmetry(up: np.ndarray, down: np.ndarray) -> float:
    if np.isnan(up).any() or np.isnan(down).any() or (np.diff(up) <= 0).any() or (np.diff(down) >= 0).any():
        return math.nan
    return float(metrics.asymmetry(jnp.asarray(up), jnp.asarray(down)))


def _ladder(bench: Bench, x0: Any, window: float, n: int, sign: float) -> Any:
    """Readings of n pulses that raise (sign 1) or lower the conductance, state behind them, energy, volts, width."""
    choice = _pulse(bench, x0, window / n, sign)
    if choice is None:
        return None
    v, width = choice
    wave, ts = bench.train(v, width, n)
    # The energy is an integral over the samples, so it takes some within the edges and the flat tops.
    inside = np.asarray(wave.t)[:-1, None] + np.diff(np.asarray(wave.t))[:, None] * WITHIN
    every = np.unique(np.concatenate([ts, inside.ravel()]))
    record = bench.run(wave, every, x0)
    if not bool(record.ok):
        return None
    g = np.asarray(bench.read(record))[np.searchsorted(every, ts)]
    return g, jax.tree.map(lambda a: a[-1], record.x), float(record.energy[-1]) / n, v, width


def _pulse(bench: Bench, x0: Any, step: float, sign: float) -> tuple[float, float] | None:
    """Voltage and width of the pulse that moves the reading by `step` in the direction of `sign`."""
    v_max, v_min, period = bench.device.sweep
    widths = period * np.geomspace(1e-9, 1.0, 28)
    for v in (float(np.ravel(v_max)[0]), float(np.ravel(v_min)[0])):
        moved = np.zeros(len(widths))
        for k, width in enumerate(widths):
            wave, ts = bench.train(v, width, 1)
            record = bench.run(wave, ts, x0)
            g = np.asarray(bench.read(record))
            moved[k] = sign * (g[-1] - g[0]) if bool(record.ok) else 0.0
            if moved[k] >= step:
                break
        k = int(np.argmax(moved >= step))
        if moved[k] >= step:
            before = max(moved[k - 1], 1e-3 * step) if k else step
            part = np.log(step / before) / np.log(moved[k] / before) if k and moved[k] > before else 1.0
            return v, float(widths[k - 1] * (widths[k] / widths[k - 1]) ** part) if k else float(widths[0])
    return None


def _of_times(bench: Bench, sweep: Record, g: np.ndarray) -> list[Figure]:
    """Switching from the state of low conductance at constant voltages."""
    how = "half of the way from low conductance at the largest voltage"
    missing = [Figure("switching_time", math.nan, "s", how), Figure("kinetics_slope", math.nan, "V/decade", "")]
    if not sweep.states or bench.device.port_shape:
        return missing
    low = jax.tree.map(lambda a: a[int(g.argmin())], sweep.x)
    name, level = _halfway(sweep)
    for top in (float(np.ravel(bench.device.sweep.v_max)[0]), float(np.ravel(bench.device.sweep.v_min)[0])):
        volts, times = top * np.asarray([0.85, 0.9, 0.95, 1.0]), []
        for v in volts:
            wave = constant(float(v), 1e4 * bench.device.sweep.period)
            ts = np.concatenate([[0.0], np.geomspace(1e-9, 1.0, 181) * float(wave.duration)])
            options: Any = dict(x0=low, env=bench.env, instrument=bench.instrument, throw=False, gradient="forward")
            times.append(float(switching_time(bench.device, wave, name, level, ts=ts, **options)))
        if np.isfinite(times).all():
            slope = float(metrics.kinetics_slope(jnp.asarray(np.abs(volts)), jnp.asarray(times)))
            found = Figure("kinetics_slope", slope, "V/decade", f"{volts[0]:.3g} to {top:.3g} V")
            return [Figure("switching_time", times[-1], "s", how + f", {top:.3g} V"), found]
    return missing
