"""The demonstration: a noisy sweep whose truth is known, fitted by competing models."""

from pathlib import Path

import jax
import numpy as np

from neurojax.catalogue import device_named
from neurojax.compare import Ranking, compare
from neurojax.simulate import simulate
from neurojax.trace import Trace
from neurojax.waveform import triangle
from physics.device import AbstractDevice

TRUTH = {"k_on": -25.0, "k_off": 8e-4, "r_on": 120.0, "r_off": 2.2e3, "v_on": -0.25}
FREE = ("r_on", "r_off", "k_on", "k_off", "v_on")
MODELS = {
    "Vteam": {"free": FREE},
    "Yakopcic": {"free": ("a_1", "a_2", "b", "a_p", "a_n", "v_p", "v_n")},
}


def true_device() -> AbstractDevice:
    """The device behind the demonstration trace."""
    return device_named("Vteam").replace(**TRUTH)


def measured_style(seed: int = 0, *, relative: float = 0.02, n: int = 400) -> Trace:
    """Its I-V sweep as a source-meter would show it: `relative` noise and a floor of 1e-3 of the maximum."""
    device = true_device()
    sweep = triangle(device.sweep.v_max, device.sweep.v_min, device.sweep.period)
    record = simulate(device, sweep, ts=np.linspace(0, device.sweep.period, n), rtol=1e-8, atol=1e-10)
    rng = np.random.default_rng(seed)
    i = np.asarray(record.i)
    floor = 1e-3 * float(np.max(np.abs(i)))
    noisy = i * (1 + relative * rng.standard_normal(n)) + floor * rng.standard_normal(n)
    return Trace(record.t, record.v, noisy, name="demonstration sweep", noise_floor=floor, noise_relative=relative)


def demonstrate(folder: str | Path, *, seed: int = 0, progress: bool = True) -> Ranking:
    """Fit the demonstration trace with every model of `MODELS` and write the report into `folder`."""
    from neurojax import report

    trace = measured_style(seed)
    Path(folder).mkdir(parents=True, exist_ok=True)
    header = "time_s,voltage_V,current_A"
    np.savetxt(
        Path(folder) / "trace.csv",
        np.column_stack([trace.t, trace.v, trace.i]),
        delimiter=",",
        header=header,
        comments="",
    )
    devices = [device_named(name) for name in MODELS]
    ranking = compare([trace], devices, key=jax.random.key(0), options=MODELS, use_current=False, progress=progress)
    report.write(folder, ranking)
    return ranking
