"""The command line as a user meets it: outputs, exit codes, no traceback for a wrong call."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from neurojax.cli import app

run = CliRunner()


def call(*words):
    return run.invoke(app, [str(w) for w in words])


def test_devices_json():
    done = call("devices", "--json")
    assert done.exit_code == 0
    entries = {e["name"]: e for e in json.loads(done.stdout)}
    vteam = entries["Vteam"]
    assert set(vteam) >= {"name", "family", "terminals", "states", "doi", "parameters"}
    assert vteam["parameters"]["r_on"]["default"] == 50.0
    assert set(vteam["parameters"]["r_on"]) >= {"default", "unit", "bounds", "scale", "doc", "source"}
    assert "Resistor" not in entries
    with_elements = {e["name"]: e for e in json.loads(call("devices", "--json", "--elements").stdout)}
    assert set(entries) < set(with_elements) and {"Resistor", "BrunelWangNmda", "Mosfet"} <= set(with_elements)


def test_devices_are_listed_with_elements_and_presets():
    done = call("devices")
    assert done.exit_code == 0
    for name in ("Vteam", "Resistor (top, bottom), element; states none", "BrunelWangNmda", "EcRamMO"):
        assert name in done.stdout
    assert "Abstract" not in done.stdout


@pytest.mark.slow
def test_simulate_and_fit(tmp_path):
    out, png = tmp_path / "out.csv", tmp_path / "out.png"
    done = call(
        "simulate", "Vteam", "--waveform", "triangle:0.6,-0.6,1e-6", "--set", "r_on=120", "-o", out, "--plot", png
    )
    assert done.exit_code == 0, done.output
    assert png.stat().st_size > 5000
    table = np.genfromtxt(out, delimiter=",", names=True)
    assert table.dtype.names[:3] == ("time_s", "voltage_V", "current_A")
    report = tmp_path / "report"
    done = call(
        *("fit", out, "--model", "Vteam", "--model", "Resistor", "--free", "r_on", "--set", "r_off=1000", "-o", report),
        *("--starts", "2"),
    )
    assert done.exit_code == 0, done.output
    assert "no parameter 'r_on'" in " ".join(done.output.split())
    done = call("fit", out, "--model", "Vteam", "--free", "r_on,k_on", "-o", report, "--starts", "2")
    assert done.exit_code == 0, done.output
    fit = json.loads((report / "fit.json").read_text())
    assert fit["model"] == "Vteam"
    assert fit["parameters"]["r_on"]["value"] == pytest.approx(120, rel=1e-3)
    page = (report / "report.html").read_text()
    assert "data:image/png;base64" in page and "http://" not in page
    assert json.loads((report / "ranking.json").read_text())["best"] == "Vteam"
    assert not list(report.glob("*.npz"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("simulate", "Vtaem"), "Did you mean 'Vteam'"),
        (("simulate", "Vteam", "--set", "r_on"), "name=number"),
        (("simulate", "Vteam", "--set", "r_onn=3"), "Did you mean 'r_on'"),
        (("simulate", "Vteam", "--set", "r_on=-3"), "outside"),
        (("simulate", "Vteam", "--waveform", "square:1"), "unknown kind"),
        (("simulate", "Vteam", "--waveform", "triangle:1"), "takes 3 numbers"),
        (("simulate", "Vteam", "--waveform", "triangle:1,x,2"), "after the colon come numbers"),
        (("fit", "absent.csv"), "no file"),
        (("fit", "absent.csv", "--ramps", "--amplitude", "1"), "--ramps needs --width"),
        (
            ("fit", "a.csv", "b.csv", "c.csv", "--ramps", "--width", "1e-6", "--amplitude", "1", "--amplitude", "2"),
            "in turn",
        ),
        (("fit", "absent.csv", "--ramps", "--width", "1e-6", "--amplitude", "1", "--holdout", "0.7"), "every fifth"),
    ],
)
def test_wrong_calls_are_one_sentence(words, says):
    done = call(*words)
    assert done.exit_code == 1
    assert says in " ".join(done.output.split())
    assert "Traceback" not in done.output


@pytest.mark.slow
def test_ramps_are_averaged_and_predicted(tmp_path):
    """Two files of ramps of opposite pulses, fitted together with an initial state each."""
    rng, n = np.random.default_rng(0), 12
    for name, slope in (("up", 1.0), ("down", -1.0)):
        clean = 1e-4 * (1 + slope * np.linspace(-0.2, 0.2, n))
        table = clean[:, None] * (1 + 1e-3 * rng.standard_normal((n, 6)))
        np.savetxt(tmp_path / f"{name}.csv", table, delimiter=",", header="a,b,c,d,e,f", comments="")
    done = call(
        *("fit", tmp_path / "up.csv", tmp_path / "down.csv", "--ramps", "--amplitude", 0.5, "--amplitude", -0.5),
        *("--width", 1e-6, "--model", "Wox", "--free", "lam,gamma", "--per-trace", "w_init", "--starts", 1),
        *("--holdout", 0.5, "-o", tmp_path),
    )
    assert done.exit_code == 0, done.output
    assert "mean of 3 ramps of 12 to 12 pulses" in " ".join(done.output.split())
    fit = json.loads((tmp_path / "fit.json").read_text())
    assert list(fit["parameters"]) == ["lam", "gamma", "w_init[0]", "w_init[1]"]
    assert fit["n_points"] == 24 and np.isfinite(fit["held_out_of_range"])


def test_help_has_examples():
    for command in ("devices", "simulate", "fit", "demo"):
        done = call(command, "--help")
        assert done.exit_code == 0
        assert "neurojax" in done.output


def test_the_table_of_a_benchmark_goes_between_its_lines(tmp_path):
    from neurojax.bench import Row, insert, table
    from neurojax.errors import DataError

    text = table([Row("a sweep", "others", 2.5, 1e-3, 2e-3), Row("a pulse", "others", 0.5)])
    assert "| a sweep | others | 2.5 | 1.0e-03 | 2.0e-03 |  |" in text
    path = tmp_path / "README.md"
    path.write_text("before\n<!-- bench engine -->\nold\n<!-- end -->\nafter\n")
    insert(path, "engine", text)
    assert path.read_text() == f"before\n<!-- bench engine -->\n{text}<!-- end -->\nafter\n"
    with pytest.raises(DataError, match="no lines '<!-- bench fit -->'"):
        insert(path, "fit", text)


def test_benchmarks_print_rows_with_and_without_errors(monkeypatch):
    from neurojax import bench
    from neurojax.bench import Row

    rows = [Row("a", "b", 2.0, 1e-3, 2e-3), Row("c", "d", 3.0, 1e-4), Row("e", "f", 4.0, note="once")]
    monkeypatch.setitem(bench.BENCHES, "engine", lambda: iter(rows))
    done = CliRunner().invoke(app, ["bench", "engine"])
    assert done.exit_code == 0
    first, second, third = done.output.splitlines()
    assert "ratio 2; our error 1.0e-03; its error 2.0e-03" in first and second.endswith("our error 1.0e-04")
    assert third.endswith("ratio 4; once")
