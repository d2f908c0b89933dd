"""read_csv: laboratory files that must read, and malformed ones that must be explained."""

import numpy as np
import pytest

import neurojax as nj

N = 20
T = np.linspace(0, 1, N)
V = np.round(np.sin(2 * np.pi * T), 6)
AMP = np.round(1e-3 * V + 1e-5, 9)


def rows(*columns, sep=",", fmt="{:g}"):
    return "\n".join(sep.join(fmt.format(x) for x in row) for row in zip(*columns, strict=True)) + "\n"


GOOD = {
    "plain": "time_s,voltage_V,current_A\n" + rows(T, V, AMP),
    "milli": "Time (ms),V (mV),I (uA)\n" + rows(T * 1e3, V * 1e3, AMP * 1e6),
    "square brackets": "t [s];Voltage [V];Current [mA]\n" + rows(T, V, AMP * 1e3, sep=";"),
    "slash": "t/s\tU/V\tI/nA\n" + rows(T, V, AMP * 1e9, sep="\t"),
    "decimal comma": "t (s);V (V);I (mA)\n" + rows(T, V, AMP * 1e3, sep=";").replace(".", ","),
    "byte-order mark": "\ufeffTime (s),AV (V),AI (A)\n" + rows(T, V, AMP),
    "preamble": "Instrument,B1500\nSetup: sweep 3\nDate,2024-01-02\n\nTime,Voltage,Current\n" + rows(T, V, AMP),
    "excel": 'sep=;\n"t (s)";"V (V)";"I (A)"\n' + rows(T, V, AMP, sep=";"),
    "no header": rows(T, V, AMP),
    "trailing commas": "t (s),V (V),I (A)\n" + rows(T, V, AMP).replace("\n", ",,\n"),
    "blanks": "t_s V_V I_A\n" + rows(T, V, AMP, sep="  "),
    "extra columns": "index,time_s,voltage_V,current_A,remark\n" + rows(np.arange(N), T, V, AMP, np.zeros(N)),
    "micro sign": "t (s),V (V),I (µA)\n" + rows(T, V, AMP * 1e6),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_files(tmp_path, name):
    path = tmp_path / "data.csv"
    path.write_text(GOOD[name], encoding="utf-8")
    trace = nj.read_csv(path)
    np.testing.assert_allclose(trace.t, T, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(trace.v, V, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(trace.i, AMP, rtol=1e-4, atol=1e-9)


def test_utf16_sign_offset_rate_and_pulses(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("V (V),I (A)\n" + rows(V, -AMP), encoding="utf-16")
    trace = nj.read_csv(path, sweep_rate=2.0, sign=-1, offset=1e-5)
    np.testing.assert_allclose(trace.i, AMP - 1e-5, atol=1e-8)
    assert np.all(np.diff(trace.t) > 0)
    assert "sweep rate" in trace.notes[0]
    path.write_text("amplitude_V,resistance_kohm\n" + rows(np.linspace(1, 2, N), np.linspace(10, 20, N)))
    pulses = nj.read_csv(path, pulse=True, width=1e-7)
    np.testing.assert_allclose(pulses.conductance, 1e-3 / np.linspace(10, 20, N), rtol=1e-4)


HEAD = "t (s),V (V),I (A)\n"
SWAPPED = T.copy()
SWAPPED[[5, 6]] = SWAPPED[[6, 5]]
REPEATED = T.copy()
REPEATED[6] = REPEATED[5]
BAD = {
    "empty file": ("", {}, "is empty"),
    "header only": (HEAD, {}, "no table of numbers"),
    "prose": ("dear diary\ntoday I measured nothing\n", {}, "no table of numbers"),
    "no voltage": ("t (s),x,I (A)\n" + rows(T, V, AMP), {}, "no voltage column"),
    "no current": ("t (s),V (V),foo\n" + rows(T, V, AMP), {}, "no current, resistance"),
    "no time": ("V (V),I (A)\n" + rows(V, AMP), {}, "sweep rate in V/s"),
    "bad rate": ("V (V),I (A)\n" + rows(V, AMP), {"sweep_rate": -1.0}, "positive number of V/s"),
    "two voltages": ("t (s),V1 (V),V2 (V),I (A)\n" + rows(T, V, V, AMP), {}, "Say which"),
    "unknown unit": ("t (s),V (furlong),I (A)\n" + rows(T, V, AMP), {}, "unknown unit 'furlong'"),
    "wrong unit": ("t (s),Voltage (mA),I (A)\n" + rows(T, V, AMP), {}, "unit of current"),
    "wrong column name": (HEAD + rows(T, V, AMP), {"columns": {"v": "V (v)"}}, "Did you mean 'V \\(V\\)'"),
    "wrong role": (HEAD + rows(T, V, AMP), {"columns": {"volt": "V (V)"}}, "unknown role"),
    "text in a cell": (
        HEAD + rows(T, V, AMP).replace(f"{V[7]:g}", "oops", 1),
        {},
        "data row 8, column 'V \\(V\\)': 'oops'",
    ),
    "NaN": (HEAD + rows(T, V, AMP).replace(f"{V[7]:g}", "nan", 1), {}, "not a finite number"),
    "short row": (HEAD + rows(T, V, AMP) + "0.5,1\n", {}, "2 cells where the first data row has 3"),
    "unsorted time": (HEAD + rows(SWAPPED, V, AMP), {}, "time is not increasing"),
    "repeated time": (HEAD + rows(REPEATED, V, AMP), {}, "occurs twice"),
    "constant voltage": (HEAD + rows(T, 0 * V + 1, AMP), {}, "voltage is constant"),
    "no signal": (HEAD + rows(T, V, 0 * AMP), {}, "zero everywhere"),
    "too few": (HEAD + rows(T[:4], V[:4], AMP[:4]), {}, "only 4 samples"),
    "huge voltage": (HEAD + rows(T, V * 1e6, AMP), {}, "mV or uV"),
    "five columns, no header": (rows(T, V, AMP, AMP, AMP), {}, "no header row"),
    "pulse width missing": ("V (V),G (S)\n" + rows(V, AMP + 1), {"pulse": True}, "no pulse width"),
    "pulse width zero": ("V (V),G (S)\n" + rows(V, AMP + 1), {"pulse": True, "width": 0.0}, "must be positive"),
    "negative conductance": ("V (V),G (S)\n" + rows(V, AMP - 1), {"pulse": True, "width": 1e-6}, "conductance\\[0\\]"),
    "bad sign": (HEAD + rows(T, V, AMP), {"sign": 0}, "must be 1 or -1"),
}


@pytest.mark.parametrize("name", BAD)
def test_malformed_files_are_explained(tmp_path, name):
    text, keywords, says = BAD[name]
    path = tmp_path / "data.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(nj.DataError, match=says):
        nj.read_csv(path, **keywords)


def test_files_that_are_none(tmp_path):
    with pytest.raises(nj.DataError, match="no file"):
        nj.read_csv(tmp_path / "absent.csv")
    with pytest.raises(nj.DataError, match="is a folder"):
        nj.read_csv(tmp_path)
    (tmp_path / "x.bin").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(nj.DataError, match="not text"):
        nj.read_csv(tmp_path / "x.bin")


def test_noise_is_found():
    rng = np.random.default_rng(0)
    t = np.linspace(0, 4, 801)
    v = np.interp(t, [0, 1, 3, 4], [0, 1, -1, 0])
    i = 1e-3 * np.sinh(2 * v) * np.where(t > 0.8, 5, 1)
    trace = nj.Trace(t, v, i * (1 + 0.03 * rng.standard_normal(801)) + 2e-6 * rng.standard_normal(801))
    floor, relative = trace.noise()
    assert relative == pytest.approx(0.03, rel=0.3)
    # A floor seen only at the few samples near zero volt is known to its order of magnitude.
    assert 4e-7 < floor < 1e-5
    assert nj.Trace(t, v, i).noise()[0] < 1e-5 * np.abs(i).max() * 10


def test_cycles():
    t = np.linspace(0, 12, 601)
    v = np.interp(t % 4, [0, 1, 3, 4], [0, 1, -1, 0])
    parts = nj.Trace(t, v, 1e-3 * v + 1e-6).cycles()
    assert len(parts) == 3
    assert all(p.t[0] == 0 for p in parts)


def test_shared_files(shared_data):
    sweep = nj.read_csv(shared_data / "mos2_memtransistor" / "iv_single_cycle.csv", sweep_rate=1.0)
    assert len(sweep) == 200 and sweep.v.max() == 20.0
    pcm = nj.read_csv(shared_data / "pcm_gst_partial_reset" / "partial_reset_R_vs_V.csv", pulse=True, width=1e-7)
    assert len(pcm) == 12000
    ramps = nj.read_ramps(shared_data / "reram_pulse_ramps" / "set.csv", amplitude=1.0, width=1e-6)
    mean = nj.mean_ramp(ramps)
    assert len(mean) > 180 and mean.conductance[0] == pytest.approx(1.6e-3, rel=0.05)
