"""Measured traces from the command line: a fit is judged on what it predicts (slow; skipped without the data)."""

import json
import re
import shlex
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import rarely
from typer.testing import CliRunner

import neurojax as nj
import physics
from neurojax.cli import app
from physics.quantity import parameters, with_values

pytestmark = pytest.mark.slow
PCM = "pcm_gst_partial_reset/partial_reset_R_vs_V.csv"
JITTER = {"r_th0": 0.026, "r_c": 0.11, "r_a": 0.10, "u_by": 0.5}
"""Log-normal scatter from pulse to pulse, as the docstring of the preset says."""


README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)[0].replace("\\\n", " ").splitlines()


def fitted(name, data, folder, *more):
    """`fit.json` and `ranking.json` of the command in the README that writes reports/`name`, with more options."""
    line = next(c for c in COMMANDS if c.endswith(f"reports/{name}"))
    words = shlex.split(line.replace("$DATA", str(data)))[1:-1]
    done = CliRunner().invoke(app, [*words, str(folder), *more])
    assert done.exit_code == 0, done.output
    assert (folder / "report.html").stat().st_size > 10000
    return (json.loads((folder / f"{kind}.json").read_text()) for kind in ("fit", "ranking"))


def test_partial_reset_of_a_phase_change_cell(shared_data, tmp_path):
    """The mean of 300 repeats of 40 amplitudes; one sigmoid leaves 0.108 decades, noise alone about 0.004."""
    fit, _ = fitted("pcm", shared_data, tmp_path)
    assert fit["rms_unit"] == "decades" and fit["rms_error"] < 0.03


def test_spread_of_the_phase_change_cell(shared_data):
    """Scatter of four parameters from pulse to pulse gives sd(V), which goes from 0.019 to 0.175 decades."""
    trace = nj.read_csv(shared_data / PCM, pulse=True, width=5e-7, independent=True)
    measured = np.log10(trace.conductance).reshape(-1, 40).std(axis=0)
    mean, rng = nj.mean_repeats(trace), np.random.default_rng(0)
    cell = physics.PhaseChangeCell.partial_reset()
    known = parameters(cell)
    drawn = {n: float(known[n].value) * np.exp(s * rng.standard_normal(100)) for n, s in JITTER.items()}
    cells = with_values(cell, {n: jnp.asarray(np.clip(v, *known[n].bounds)) for n, v in drawn.items()})
    record = nj.simulate(cells, mean.waveform(), ts=mean.read_times(), rtol=1e-4, atol=1e-6, progress=False)
    states = physics.PhaseChangeCell.State(**record.states)
    axes = jax.tree.map(lambda a: 0 if jnp.ndim(a) else None, cells)

    def read(cell, states):
        return jax.vmap(lambda x: cell.current(x, jnp.asarray(mean.v_read), physics.Environment()))(states)

    current = jax.vmap(read, in_axes=(axes, 0))(cells, states)
    found = np.log10(np.asarray(current)).std(axis=0)
    assert np.sqrt(np.mean((found - measured) ** 2)) < 0.02
    assert np.corrcoef(found, measured)[0, 1] > 0.85


@pytest.mark.parametrize("name", ["set", "reset"])
def test_ramps_of_a_filament(shared_data, tmp_path, name):
    """Every other ramp is fitted, the mean of the rest predicted, both within 0.5 % of the range."""
    fit, _ = fitted(name, shared_data, tmp_path)
    assert fit["rms_of_range"] < 5e-3
    assert fit["held_out_of_range"] < 5e-3


@rarely
def test_cycle_of_a_memtransistor_is_ranked(shared_data, tmp_path):
    """One cycle of +-20 V without times and with an offset: three of the models, ranked by samples kept back."""
    _, ranking = fitted("mos2", shared_data, tmp_path, *("--model=Wox", "--model=Vteam", "--model=Yakopcic"))
    rows = ranking["ranking"]
    errors = [r["held_out_rms"] for r in rows]
    assert {r["model"] for r in rows} == {"Wox", "Vteam", "Yakopcic"}
    assert errors == sorted(errors) and errors[0] < 0.3
