"""Devices beside Table 1 of the review (`_table_one.py`): `nj.families().beside_table_one()`.

Only the ranges are typed in. What the devices do is measured at their default parameters on their usual sweep:

    on_off   largest over smallest reading along it
    time     from the least to the largest reading, or back, until four fifths of the decades between are passed, at the
             largest voltage of the sweep held constant (on the gate if there is one); the longer of the two
    energy   taken from the source until then; the larger of the two

The reading follows at once what passes by itself too: of a phase-change cell, time and energy are those of its
electronic threshold switching, not of melt or growth.

Table 1 has no times. Its numbers of states cannot be compared: they take the noise of a level, and no device has
any by default. Where a figure is outside, the reason is measured if it can be: the sweep, compliance or size with which
the device is inside; else it is a sentence in `WHY`.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from neurojax import metrics
from neurojax._table_one import TABLE_ONE, WHY, Range
from neurojax.catalogue import devices
from neurojax.datasheet import Bench
from neurojax.instrument import Instrument
from neurojax.progress import after_a_while
from neurojax.record import Record, crossing
from neurojax.waveform import constant, triangle
from physics.device import AbstractDevice, Environment
from physics.quantity import parameters

SAMPLES = 400
"""On either side of a switch, crowded around it."""
PASSES = 12
STEPS, FINER = 12, 4
"""Of a search until it is inside, and then towards the least change."""
PERIODS = 100.0
"""Of the sweep, that a constant voltage is held."""
KNOBS = ("area", "r_ch", "i_c")
"""Parameters that may say why an energy is small, the first that does: area, radius of a channel, compliance."""
SWITCHED = 1.5
"""On/off from which a sweep has switched a device."""
MOST = 0.8
"""Of the way, in decades, that counts as a switch."""
LEAST_WINDOW = 1.001
"""On/off below which a device is no resistive memory: a capacitor, an oscillator."""


class Compared(NamedTuple):
    """One figure of one device.

    value: nan if it does not apply. published: the cell of Table 1, None if there is none. inside: None if there is
    nothing to compare. why: where it is outside, the reason.
    """

    name: str
    value: float
    unit: str
    published: Range | None
    inside: bool | None
    why: str


class Beside(NamedTuple):
    """A device beside its row of Table 1: energy (J), time (s), on/off."""

    device: str
    family: str
    figures: tuple[Compared, ...]

    def __getitem__(self, name: Any) -> Any:
        return next(f for f in self.figures if f.name == name) if isinstance(name, str) else tuple(self)[name]

    def __repr__(self) -> str:
        published = ["" if f.published is None else repr(f.published) for f in self.figures]
        cells = [f"{_number(f.value, f.unit):<10} {cell:<10} {_MARK[f.inside]}"
                 for f, cell in zip(self.figures, published, strict=True) if f.name != "time"]  # fmt: skip
        line = f"{self.family:<26} {self.device:<17} {_number(self['time'].value, 's'):<10} {'  '.join(cells)}".rstrip()
        return "\n".join([line, *(f"    {f.name}: {f.why}" for f in self.figures if f.inside is False)])


_MARK = {True: "inside ", False: "OUTSIDE", None: "       "}


def _number(value: float, unit: str) -> str:
    return "-" if math.isnan(value) else f"{value:.3g} {unit if unit != '1' else ''}".rstrip()


class BesideTableOne(tuple[Beside, ...]):
    """Rows of the comparison, in the order of the families."""

    def __repr__(self) -> str:
        head = f"{'family':<26} {'device':<17} {'time':<10} {'energy':<10} {'Table 1 (J)':<20}{'on/off':<10} Table 1"
        return "\n".join([head, *map(repr, self)])

    def to_dict(self) -> list[dict[str, Any]]:
        """For JSON; what does not apply is None."""
        return [
            {"device": r.device, "family": r.family, "figures": {f.name: _cell(f) for f in r.figures}} for r in self
        ]


def _cell(f: Compared) -> dict[str, Any]:
    ends = None if f.published is None else [f.published.least, f.published.most]
    ends = ends and [e if math.isfinite(e) else None for e in ends]
    value = f.value if math.isfinite(f.value) else None
    return {"value": value, "unit": f.unit, "published": ends, "inside": f.inside, "why": f.why}


def beside(names: Sequence[str], env: Environment | None = None, progress: bool = True) -> BesideTableOne:
    """Measure devices, and compare them with Table 1.

    Args:
        names: of devices, in the order of the rows. env: ambient (300 K). progress: a bar on a terminal after 2 s.
    """
    env, known, rows = Environment() if env is None else env, devices(), []
    with after_a_while("beside Table 1", len(names), enabled=progress) as tell:
        for k, name in enumerate(names):
            rows.append(_row(known[name](), env))
            tell(k + 1)
    return BesideTableOne(rows)


def _row(device: AbstractDevice, env: Environment) -> Beside:
    name, row = type(device).__name__, TABLE_ONE.get(device.family.split()[0])
    bench = Bench(device, env, None, 0.05 * float(np.ravel(device.sweep.v_max)[-1]))
    sweep = swept(bench)
    time, energy = switch(bench, sweep)
    found = [("energy", energy, "J", row and row.energy), ("time", time, "s", None),
             ("on_off", on_off(bench, sweep), "1", row and row.on_off)]  # fmt: skip
    figures = []
    for figure, value, unit, cell in found:
        inside = None if cell is None or math.isnan(value) else value in cell
        told = WHY.get((name, figure), "")
        why = " ".join(filter(None, [_reason(bench, figure, value, cell), told])) if inside is False and cell else ""
        figures.append(Compared(figure, value, unit, cell, inside, why))
    return Beside(name, device.family, tuple(figures))


def swept(bench: Bench, volts: float = 1.0, slower: float = 1.0) -> Record:
    """The usual sweep, with its voltages and its period times factors."""
    v_max, v_min, period = bench.device.sweep
    wave = triangle(volts * np.asarray(v_max), volts * np.asarray(v_min), slower * period)
    return bench.run(wave, np.unique(np.concatenate([np.linspace(0, 1, 801) * slower * period, wave.knots])))


def on_off(bench: Bench, sweep: Record) -> float:
    """Largest over smallest reading along a sweep; nan if it failed, or the device is not read by its conductance."""
    g = bench.read(sweep)
    if not bool(sweep.ok) or float(g.max()) <= 0:
        return math.nan
    ratio = float(metrics.on_off(g)) if float(g.min()) > 0 else math.inf
    return ratio if ratio > LEAST_WINDOW else math.nan


def switch(bench: Bench, sweep: Record) -> tuple[float, float]:
    """Time (s) and energy (J) of a switch, up or down, whichever takes more; nan if there is none."""
    if not sweep.states or not bool(sweep.ok):
        return math.nan, math.nan
    followed = _followed(bench, sweep)
    y = np.asarray(followed(sweep))
    found = []
    for start, end in ((int(y.argmin()), int(y.argmax())), (int(y.argmax()), int(y.argmin()))):
        level = float(y[start] + MOST * (y[end] - y[start]))
        x0 = jax.tree.map(lambda a, k=start: a[k], sweep.x)
        for v in (bench.device.sweep.v_max, bench.device.sweep.v_min):
            held = _held(bench, x0, float(np.ravel(v)[0]), followed, level)
            if held is not None:
                found.append(held)
                break
    return (max(t for t, _ in found), max(e for _, e in found)) if found else (math.nan, math.nan)


def _followed(bench: Bench, sweep: Record) -> Callable[[Record], Any]:
    """What is followed through a switch: decades of the reading, or of a device that is not read its widest state."""
    if on_off(bench, sweep) > LEAST_WINDOW:
        return lambda record: jnp.log10(jnp.maximum(bench.read(record), 1e-300))
    spans = {n: float(np.ptp(np.asarray(s))) for n, s in sweep.states.items()}
    name = max(spans, key=lambda n: spans[n])
    return lambda record: record.states[name]


def _held(bench: Bench, x0: Any, v: float, followed: Any, level: float) -> tuple[float, float] | None:
    """One switch at one voltage: the samples crowd around the last guess of the time until it stays."""
    end = PERIODS * bench.device.sweep.period
    wave = constant(bench.ports(v), end)
    ts, before = np.concatenate([[0.0], end * np.geomspace(1e-12, 1.0, 2 * SAMPLES - 1)]), math.inf
    crowd = np.geomspace(1e-6, 1.0, SAMPLES)
    for _ in range(PASSES):
        record = bench.run(wave, ts, x0)
        time = float(crossing(record.t, followed(record), jnp.asarray(level)))
        if not 0 < time < end:
            return None
        if abs(time - before) < 1e-6 * time:
            break
        ts, before = np.concatenate([time * (1 - crowd[::-1]), time + min(0.5 * time, end - time) * crowd]), time
    return time, float(np.interp(time, np.asarray(record.t), np.asarray(record.energy)))


def _reason(bench: Bench, figure: str, value: float, cell: Range) -> str:
    """With which sweep, or area, the device would be inside; empty if with none."""
    if figure == "on_off":
        return _of_another_sweep(bench, value > cell.most, cell)
    known = parameters(bench.device)
    for name in KNOBS:
        if figure != "energy" or name not in known:
            continue
        usual, hi = float(known[name].value), known[name].bounds[1]

        def energy(f: float, name: str = name, usual: float = usual) -> float:
            other = dataclasses.replace(bench, device=bench.device.replace(**{name: f * usual}))
            return switch(other, swept(other))[1]

        found = _search(energy, cell, 0.999 * hi / usual, 0.0)
        if found.inside:
            return f"{found.value:.3g} J, inside, with {name} = {found.factor * usual:.3g} {known[name].unit}."
    return ""


def _of_another_sweep(bench: Bench, large: bool, cell: Range) -> str:
    """The voltages, the compliance or the time of a sweep along which on/off is inside, or how it jumps past."""
    volts = _search(lambda f: on_off(bench, swept(bench, f)), cell, 0.2 if large else 1.5)
    if volts.inside:
        return f"{volts.value:.3g}, inside, on a sweep to {volts.factor:.3g} of the usual voltages."
    peak = float(np.abs(np.asarray(swept(bench).i)).max())

    def limited(f: float) -> float:
        at = dataclasses.replace(bench, instrument=Instrument(compliance=f * peak))
        return on_off(at, swept(at))

    if large and not bench.device.port_shape:
        limit = _search(limited, cell, 1e-6)
        if limit.inside:
            return f"{limit.value:.3g}, inside, with a compliance of {limit.factor * peak:.3g} A."
    slower = _search(lambda f: on_off(bench, swept(bench, 1.0, f)), cell, 1e-4 if large else 1e4)
    if slower.inside:
        return f"{slower.value:.3g}, inside, on a sweep {slower.factor:.3g} times as long."
    if math.isnan(volts.past):
        return ""
    return f"jumps from {volts.past:.3g} to {volts.value:.3g} at {volts.factor:.3g} of the usual voltages."


class Search(NamedTuple):
    """A factor and the figure there; if none is inside, those next to the jump and the figure past it, nan if none."""

    inside: bool
    factor: float
    value: float
    past: float


def _search(measure: Callable[[float], float], cell: Range, end: float, floor: float = SWITCHED) -> Search:
    """The factor nearest to 1, as far as `end`, with which a figure is inside; halves, as if it were monotone."""
    near, far, value, past = 1.0, end, measure(1.0), math.nan
    large, inside, left = value > cell.most, None, STEPS
    while left:
        factor = far if left == STEPS else math.sqrt(near * far)
        found = measure(factor)
        # What has no window, or does not switch, is as small as can be.
        found = min(floor, 1.0) if math.isnan(found) else found
        left -= 1
        if found in cell and found > floor:
            inside, far, left = Search(True, factor, found, math.nan), factor, min(left, FINER)
        elif (found > cell.most) != large:
            far, past = factor, found
        elif factor == end:
            return Search(False, 1.0, value, math.nan)
        else:
            near, value = factor, found
    return Search(False, near, value, past) if inside is None else inside
