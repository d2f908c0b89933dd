"""Two dozen wrong calls: each gets an error of ours that names the cause, the value, and the cure."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

import neurojax as nj
import physics
from neurojax.cli import app
from neurojax.testing import check_device

T = np.linspace(0.0, 1.0, 40)
V = np.sin(2 * np.pi * T)
KEY = jax.random.key(0)
PROJECT = str(Path(__file__).resolve().parents[1] / "pyproject.toml")
WAVE = nj.triangle(0.6, -0.6, 1e-6)


def trace(**changes):
    return nj.Trace(**({"t": T, "v": V, "i": 1e-3 * V} | changes))


def simulate(device=None, wave=WAVE, **options):
    return nj.simulate(physics.Vteam() if device is None else device, wave, **options)


def fit(device=None, data=None, **options):
    known = {"free": ("r_on",), "n_starts": 1} | options
    return nj.fit(physics.Vteam() if device is None else device, trace() if data is None else data, **known)


CALLS = {
    "parameter misspelled": (lambda: physics.Vteam().replace(r_onn=50.0), KeyError, "r_onn", "Did you mean 'r_on'"),
    "value out of bounds": (lambda: physics.Vteam().replace(r_on=-5.0), ValueError, "-5", "SI units"),
    "value NaN": (lambda: physics.Vteam().replace(r_on=float("nan")), ValueError, "nan", "SI units"),
    "unit with a prefix": (
        lambda: physics.quantity(1.0, "mV", (0.0, 2.0), doc="x", source="y"),
        ValueError,
        "'mV'",
        "without prefixes",
    ),
    "bounds reversed": (
        lambda: physics.quantity(1.0, "V", (2.0, 0.0)),
        ValueError,
        r"\(2.0, 0.0\)",
        "finite and increasing",
    ),
    "default outside": (lambda: physics.quantity(5.0, "V", (0.0, 2.0)), ValueError, "5.0 V", "outside its own bounds"),
    "log scale through zero": (
        lambda: physics.quantity(1.0, "V", (-1.0, 2.0), scale="log"),
        ValueError,
        r"-1.0, 2.0",
        "one sign",
    ),
    "two precisions": (
        lambda: simulate(wave=jax.tree.map(lambda a: a.astype(jnp.float32), WAVE)),
        nj.SimulationError,
        "float32, but device has float64",
        r"astype\(float32\)",
    ),
    "device unknown": (lambda: nj.device_named("Vteem"), nj.DataError, "'Vteem'", "Did you mean 'Vteam'"),
    "waveform backwards": (
        lambda: nj.Waveform([0.0, 2.0, 1.0], [0.0, 1.0, 0.0]),
        nj.DataError,
        "2 s is followed by 1 s",
        "Sort",
    ),
    "waveform NaN": (lambda: nj.Waveform([0.0, 1.0], [0.0, np.nan]), nj.DataError, "NaN", "drop"),
    "pulse of no width": (lambda: nj.pulse(1.0, 0.0), nj.DataError, "0.0", "must be positive"),
    "triangle that stays": (lambda: nj.triangle(0.0, 0.0), nj.DataError, "never leaves", "0.0 V"),
    "samples beyond the waveform": (lambda: simulate(ts=[0.0, 1.0]), nj.SimulationError, "1 s", "unit of the times"),
    "samples not increasing": (lambda: simulate(ts=[0.0, 0.0]), nj.SimulationError, "strictly", "increasing"),
    "too few steps": (lambda: simulate(max_steps=10), nj.SimulationError, "10 steps", "max_steps"),
    "tolerance zero": (lambda: simulate(rtol=0.0), nj.SimulationError, "rtol = 0.0", "1e-6"),
    "key for a deterministic device": (lambda: simulate(key=KEY), nj.SimulationError, "Vteam", "takes no key"),
    "one voltage for two ports": (
        lambda: simulate(physics.Ecram()),
        nj.SimulationError,
        "gate, drain",
        "one voltage a port",
    ),
    "population of two sizes": (
        lambda: simulate(physics.Vteam(r_on=50 * jnp.ones(2), r_off=1e3 * jnp.ones(3))),
        nj.SimulationError,
        "r_off",
        "disagree",
    ),
    "gradient misspelled": (lambda: simulate(gradient="back"), nj.SimulationError, "'back'", "'reverse'"),
    "trace with NaN": (
        lambda: trace(i=np.where(T > 0.5, np.nan, V)),
        nj.DataError,
        "nan at sample",
        "Remove or repair",
    ),
    "trace unsorted": (lambda: trace(t=T[::-1]), nj.DataError, "not increasing", "sort the rows"),
    "trace in millivolts": (lambda: trace(v=2e4 * V), nj.DataError, r"2e\+04|[0-9]+ V", "mV"),
    "trace of constant voltage": (lambda: trace(v=np.ones(40)), nj.DataError, "constant", "voltage column"),
    "columns of two lengths": (lambda: trace(i=V[:-1]), nj.DataError, "different length", "same samples"),
    "currents of one port for two": (
        lambda: trace(v=np.stack([V, V], axis=1)),
        nj.DataError,
        r"\(40, 2\)",
        "NaN",
    ),
    "fit of nothing": (lambda: fit(free=()), nj.FitError, "no free parameter", "free="),
    "fit of a name that is not there": (lambda: fit(free=("r_onn",)), nj.FitError, "'r_onn'", "Did you mean"),
    "fit with a name free and fixed": (lambda: fit(fixed={"r_on": 60.0}), nj.FitError, "r_on", "both free and fixed"),
    "fit without a key": (lambda: fit(n_starts=3), nj.FitError, "need a key", "jax.random.key"),
    "fit of three terminals to two": (
        lambda: fit(physics.Ecram(), free=("r_el",)),
        nj.FitError,
        "3 terminals",
        "column",
    ),
    "fit of two kinds of data": (
        lambda: fit(data=[trace(), nj.PulseTrace(np.ones(9), 1e-6, np.ones(9))]),
        nj.FitError,
        "all Trace",
        "one after|apart",
    ),
    "windows that stop early": (lambda: fit(windows=(0.3, 0.6)), nj.FitError, r"0.6", "end with 1.0"),
    "profile of a fixed name": (lambda: nj.profile(fit(), "r_off"), nj.FitError, "'r_off' was not free", "Known names"),
    "check misspelled": (
        lambda: check_device(physics.Resistor(), only=("unit",)),
        ValueError,
        "'unit'",
        "Did you mean",
    ),
    "fit file of something else": (lambda: nj.load_fit(PROJECT), nj.DataError, "not JSON", "pyproject"),
}


@pytest.mark.parametrize("name", CALLS)
def test_wrong_call(name):
    call, error, cause, cure = CALLS[name]
    with pytest.raises(error, match=cause) as caught:
        call()
    assert re.search(cure, str(caught.value)), str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fit", "nothing_here.csv"], "there is no file"),
        (["fit", PROJECT], "no rows of numbers"),
        (["simulate", "Vteem"], "Did you mean 'Vteam'"),
        (["simulate", "Vteam", "--set", "r_onn=5"], "Did you mean 'r_on'"),
        (["simulate", "Vteam", "--set", "r_on"], "name=number"),
        (["simulate", "Vteam", "--set", "r_on=-5"], "outside"),
        (["simulate", "Vteam", "--waveform", "square:1,1"], "unknown kind 'square'"),
        (["simulate", "Vteam", "--waveform", "triangle:1,x"], "numbers"),
        (["simulate", "Vteam", "--waveform", "pulse:1"], "takes 2 numbers"),
        (["bench", "engin"], "Did you mean 'engine'"),
    ],
)
def test_wrong_command_line(arguments, says):
    """One sentence, exit code 1, no traceback."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert re.search(says, " ".join(result.output.split())), result.output
