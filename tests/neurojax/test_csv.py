"""read_csv: laboratory files that must read, and malformed ones that must be explained."""

import numpy as np
import pytest

import neurojax as nj

N = 20
T = np.linspace(0, 1, N)
V = np.round(np.sin(2 * np.pi * T), 6)
I = np.round(1e-3 * V + 1e-5, 9)  # noqa: E741


def rows(*columns, sep=",", fmt="{:g}"):
    return "\n".join(sep.join(fmt.format(x) for x in row) for row in zip(*columns, strict=True)) + "\n"


GOOD = {
    "plain": "time_s,voltage_V,current_A\n" + rows(T, V, I),
    "milli": "Time (ms),V (mV),I (uA)\n" + rows(T * 1e3, V * 1e3, I * 1e6),
    "square brackets": "t [s];Voltage [V];Current [mA]\n" + rows(T, V, I * 1e3, sep=";"),
    "slash": "t/s\tU/V\tI/nA\n" + rows(T, V, I * 1e9, sep="\t"),
    "decimal comma": "t (s);V (V);I (mA)\n" + rows(T, V, I * 1e3, sep=";").replace(".", ","),
    "byte-order mark": "\ufeffTime (s),AV (V),AI (A)\n" + rows(T, V, I),
    "preamble": "Instrument,B1500\nSetup: sweep 3\nDate,2024-01-02\n\nTime,Voltage,Current\n" + rows(T, V, I),
    "excel": 'sep=;\n"t (s)";"V (V)";"I (A)"\n' + rows(T, V, I, sep=";"),
    "no header": rows(T, V, I),
    "trailing commas": "t (s),V (V),I (A)\n" + rows(T, V, I).replace("\n", ",,\n"),
    "blanks": "t_s V_V I_A\n" + rows(T, V, I, sep="  "),
    "extra columns": "index,time_s,voltage_V,current_A,remark\n" + rows(np.arange(N), T, V, I, np.zeros(N)),
    "micro sign": "t (s),V (V),I (µA)\n" + rows(T, V, I * 1e6),
    "source-meter": "Index,Time,AV,AI\n" + rows(np.arange(N), T, V, I),
    "B1500": "SetupTitle, sweep\nTestParameter, Count, 20\nDataName, Time, V1, I1\n"
    + "".join(f"DataValue, {line}\n" for line in rows(T, V, I, sep=", ").splitlines()),
    "units below the names": "Time,Voltage,Current\ns,mV,nA\n" + rows(T, V * 1e3, I * 1e9),
    "numpy header": "# t (s), V (V), I (A)\n" + rows(T, V, I),
    "comments inside": "# one\n% two\nt (s),V (V),I (A)\n"
    + rows(T[:9], V[:9], I[:9])
    + "# range\n"
    + rows(T[9:], V[9:], I[9:]),
    "quoted decimal commas": "t (s),V (V),I (A)\n"
    + "".join('"' + line.replace(".", ",").replace("|", '","') + '"\n' for line in rows(T, V, I, sep="|").splitlines()),
    "blanks, decimal comma": "t (s)  V (V)  I (A)\n" + rows(T, V, I, sep="   ").replace(".", ","),
    "columns swapped": "Id(A)\tVd(V)\tTime (min)\n" + rows(I, V, T / 60, sep="\t", fmt="{:.10g}"),
    "capitals": "TIME (MS);VOLTAGE (V);CURRENT (UA)\n" + rows(T * 1e3, V, I * 1e6, sep=";"),
    "model beside it": "time_s,voltage_V,current_A,repo_model_current_A,sigma_A\n" + rows(T, V, I, I * 2, I),
    "conductance": "t (s),V (V),G (mS)\n" + rows(T, V, np.full(N, 1.0)),
    "resistance": "t (s),V (V),R (kΩ)\n" + rows(T, V, np.full(N, 1.0)),
    "text beside it": "t (s),branch,V (V),I (A)\n"
    + "".join("{},up,{},{}\n".format(*line.split(",")) for line in rows(T, V, I).splitlines()),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_files(tmp_path, name):
    trace = read(tmp_path, GOOD[name])
    np.testing.assert_allclose(trace.t, T, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(trace.v, V, rtol=1e-4, atol=1e-6)
    expected = 1e-3 * V if name in ("conductance", "resistance") else I
    np.testing.assert_allclose(trace.i, expected, rtol=1e-4, atol=1e-9)
    assert trace.source == str(tmp_path / "data.csv")


def read(tmp_path, text, **keywords):
    path = tmp_path / "data.csv"
    path.write_text(text, encoding=keywords.pop("encoding", "utf-8"))
    return nj.read_csv(path, **keywords)


def test_what_was_assumed_is_said(tmp_path):
    assert "columns taken as t (s), V (V), I (A)" in read(tmp_path, rows(T, V, I)).notes[0]
    assert "'Voltage' names no unit: taken as V" in str(read(tmp_path, "t (s),Voltage,I (A)\n" + rows(T, V, I)).notes)
    assert read(tmp_path, "t (s),V (V),I (A)\n" + rows(T, V, I)).notes == ()


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le", "utf-8-sig"])
def test_encodings(tmp_path, encoding):
    trace = read(tmp_path, "t (s),V (V),I (µA)\n" + rows(T, V, I * 1e6), encoding=encoding)
    np.testing.assert_allclose(trace.i, I, rtol=1e-4, atol=1e-9)


def test_named_columns_and_units(tmp_path):
    text = "a,b,c\n" + rows(T * 1e3, V * 1e3, I * 1e6)
    trace = read(
        tmp_path, text, columns={"time": "a", "v": "b", "current": "c"}, units={"t": "ms", "v": "mV", "i": "uA"}
    )
    np.testing.assert_allclose(trace.i, I, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(trace.v, V, rtol=1e-4, atol=1e-9)


def test_current_density_needs_an_area(tmp_path):
    trace = read(tmp_path, "t (s),V (V),J (A/cm2)\n" + rows(T, V, I), area=2e-8)
    np.testing.assert_allclose(trace.i, I * 1e4 * 2e-8, rtol=1e-4, atol=1e-12)


def test_sweep_rate_makes_the_clock(tmp_path):
    v = np.interp(np.arange(41), [0, 10, 30, 40], [0, 1, -1, 0])
    trace = read(tmp_path, "V (V),I (A)\n" + rows(v, v), sweep_rate=0.5)
    np.testing.assert_allclose(trace.t, 0.2 * np.arange(41), rtol=1e-6)


def test_cycles_of_a_file(tmp_path):
    twice = [np.concatenate([x, k * x]) for x, k in ((T, 1), (V, 1), (I, 2))]
    marked = "cycle,t (s),V (V),I (A)\n" + rows(np.repeat([1, 2], N), *twice)
    np.testing.assert_allclose(read(tmp_path, marked, cycle=2).i, 2 * I, rtol=1e-4, atol=1e-9)
    restarted = "t (s),V (V),I (A)\n" + rows(*twice)
    np.testing.assert_allclose(read(tmp_path, restarted, cycle=1).i, 2 * I, rtol=1e-4, atol=1e-9)
    with pytest.raises(nj.DataError, match="the clock restarts \\(2 cycles"):
        read(tmp_path, restarted)
    with pytest.raises(nj.DataError, match="has no cycle 7; it holds 1, 2"):
        read(tmp_path, marked, cycle=7)


def test_pulses_are_recognised_by_their_width(tmp_path):
    text = "pulse number,pulse amplitude (V),width_us,Conductance (uS)\n" + rows(np.arange(N), V + 2, T + 1, T + 5)
    pulses = read(tmp_path, text)
    assert isinstance(pulses, nj.PulseTrace)
    np.testing.assert_allclose(pulses.width, (T + 1) * 1e-6, rtol=1e-5)
    np.testing.assert_allclose(pulses.conductance, (T + 5) * 1e-6, rtol=1e-5)
    current = read(tmp_path, "amplitude_V,current_uA\n" + rows(V + 2, T + 5), width=1e-6, v_read=0.2)
    np.testing.assert_allclose(current.conductance, (T + 5) * 5e-6, rtol=1e-5)
    assert current.v_read == 0.2


def test_ramps(tmp_path):
    path = tmp_path / "ramps.csv"
    path.write_text("rmp1,rmp2,rmp3\n1e-5,2e-5,3e-5\n2e-5,4e-5,3e-5\n3e-5,,6e-5\n,,7e-5\n")
    ramps = nj.read_ramps(path, amplitude=1.5, width=1e-6, v_read=0.1)
    assert [len(r) for r in ramps] == [3, 2, 4]
    mean = nj.mean_ramp(ramps)
    np.testing.assert_allclose(mean.conductance, [2e-4, 3e-4])
    np.testing.assert_allclose(mean.sigma, np.array([1e-4, 1e-4]) / np.sqrt(3))
    assert "cut to 2" in mean.notes[0]
    assert nj.read_ramps(path, amplitude=1.5, width=1e-6, as_current=False)[0].conductance[0] == 1e-5
    with pytest.raises(nj.DataError, match="two or more"):
        nj.mean_ramp(ramps[:1])
    path.write_text("rmp1,rmp2\n1e-5,2e-5\n,3e-5\n3e-5,4e-5\n")
    with pytest.raises(nj.DataError, match="'rmp1': reading 2 is missing"):
        nj.read_ramps(path, amplitude=1.5, width=1e-6)


def test_utf16_sign_offset_rate_and_pulses(tmp_path):
    trace = read(tmp_path, "V (V),I (A)\n" + rows(V, -I), encoding="utf-16", sweep_rate=2.0, sign=-1, offset=1e-5)
    np.testing.assert_allclose(trace.i, I - 1e-5, rtol=1e-4, atol=1e-9)
    assert np.all(np.diff(trace.t) > 0)
    assert "sweep rate" in trace.notes[0]
    text = "amplitude_V,resistance_kohm\n" + rows(np.linspace(1, 2, N), np.linspace(10, 20, N))
    pulses = read(tmp_path, text, pulse=True, width=1e-7)
    np.testing.assert_allclose(pulses.conductance, 1e-3 / np.linspace(10, 20, N), rtol=1e-4)


HEAD = "t (s),V (V),I (A)\n"
SWAPPED = T.copy()
SWAPPED[[5, 6]] = SWAPPED[[6, 5]]
REPEATED = T.copy()
REPEATED[6] = REPEATED[5]
BAD = {
    "empty file": ("", {}, "is empty"),
    "header only": (HEAD, {}, "has a header .* but no rows of numbers"),
    "prose": ("dear diary\ntoday I measured nothing\n", {}, "no table of numbers"),
    "no voltage": ("t (s),x,I (A)\n" + rows(T, V, I), {}, "no voltage column"),
    "no current": ("t (s),V (V),foo\n" + rows(T, V, I), {}, "no current, resistance"),
    "no time": ("V (V),I (A)\n" + rows(V, I), {}, "sweep rate in V/s"),
    "bad rate": ("V (V),I (A)\n" + rows(V, I), {"sweep_rate": -1.0}, "positive number of V/s"),
    "two voltages": ("t (s),V1 (V),V2 (V),I (A)\n" + rows(T, V, V, I), {}, "Say which"),
    "unknown unit": ("t (s),V (furlong),I (A)\n" + rows(T, V, I), {}, "unknown unit 'furlong'"),
    "wrong unit": ("t (s),Voltage (mA),I (A)\n" + rows(T, V, I), {}, "unit of current"),
    "wrong column name": (HEAD + rows(T, V, I), {"columns": {"v": "V (v)"}}, "Did you mean 'V \\(V\\)'"),
    "wrong role": (HEAD + rows(T, V, I), {"columns": {"volt": "V (V)"}}, "unknown role"),
    "text in a cell": (
        HEAD + rows(T, V, I).replace(f"{V[7]:g}", "oops", 1),
        {},
        "data row 8, column 'V \\(V\\)': 'oops'",
    ),
    "NaN": (HEAD + rows(T, V, I).replace(f"{V[7]:g}", "nan", 1), {}, "not a finite number"),
    "short row": (
        HEAD + rows(T, V, I) + "0.5,1\n",
        {},
        "line 22: 2 cells where 3 columns were expected.*Repair or delete",
    ),
    "unsorted time": (HEAD + rows(SWAPPED, V, I), {}, "time is not increasing"),
    "repeated time": (HEAD + rows(REPEATED, V, I), {}, "occurs twice"),
    "constant voltage": (HEAD + rows(T, 0 * V + 1, I), {}, "voltage is constant"),
    "no signal": (HEAD + rows(T, V, 0 * I), {}, "zero everywhere"),
    "too few": (HEAD + rows(T[:4], V[:4], I[:4]), {}, "only 4 samples"),
    "huge voltage": (HEAD + rows(T, V * 1e6, I), {}, "mV or uV"),
    "five columns, no header": (rows(T, V, I, I, I), {}, "no header row"),
    "pulse width missing": ("V (V),G (S)\n" + rows(V, I + 1), {"pulse": True}, "no pulse width"),
    "pulse width zero": (
        "V (V),G (S)\n" + rows(V, I + 1),
        {"pulse": True, "width": 0.0},
        "width = 0.0 must be a positive",
    ),
    "negative conductance": ("V (V),G (S)\n" + rows(V, I - 1), {"pulse": True, "width": 1e-6}, "conductance\\[0\\]"),
    "bad sign": (HEAD + rows(T, V, I), {"sign": 0}, "must be 1 or -1"),
    "blank cell": (HEAD + rows(T, V, I) + "2,,1\n", {}, "line 22, data row 21, column 'V \\(V\\)': the cell is empty"),
    "long row": (HEAD + rows(T, V, I) + "2,1,1,9\n", {}, "line 22: 4 cells where 3 columns were expected"),
    "damaged first row": (HEAD + "0,oops,1\n" + rows(T + 1, V, I), {}, "line 2, data row 1, column 'V .*'oops'"),
    "headers are many": ("t (s),V (V),I (A),T (K)\n" + rows(T, V, I), {}, "3 cells where 4 columns were expected"),
    "headers are few": ("Time (s),Voltage (V)\n" + rows(T, V, I), {}, "header has 2 columns but the rows have 3"),
    "comma twice": (
        "V (V),I (A)\n" + rows(V + 1, I + 1, fmt="{:.3f}").replace(".", ","),
        {},
        "decimal mark is a comma",
    ),
    "decimal point given": (
        HEAD.replace(",", ";") + rows(T, V, I, sep=";").replace(".", ","),
        {"decimal": "."},
        "Try decimal=','",
    ),
    "decimal comma given": (HEAD.replace(",", ";") + rows(T, V, I, sep=";"), {"decimal": ","}, "Try decimal='.'"),
    "decimal unknown": (HEAD + rows(T, V, I), {"decimal": "'"}, "must be '.' or ','"),
    "unit misspelt": ("t (s),V (mVolt),I (A)\n" + rows(T, V, I), {}, "unknown unit 'mVolt'.*Did you mean"),
    "clock backwards": (HEAD + rows(T[::-1], V, I), {}, "sort the rows by time"),
    "huge current": ("t (s),V (V),I\n" + rows(T, V, I * 1e9), {}, "mA, uA or nA"),
    "zero resistance": ("t (s),V (V),R (ohm)\n" + rows(T, V, np.abs(V)), {}, "data row 1.*must be positive"),
    "density without area": ("t (s),V (V),J (A/cm2)\n" + rows(T, V, I), {}, "give the area"),
    "area without density": (HEAD + rows(T, V, I), {"area": 1e-12}, "leave area= out"),
    "negative width": (
        "amplitude_V,width_us,g_S\n" + rows(V + 2, T - 0.5, T + 1),
        {},
        "width\\[0\\] = -5e-07 must be positive",
    ),
    "no reading voltage": (
        "V (V),I (A)\n" + rows(V, I + 1),
        {"width": 1e-6, "v_read": 0.0},
        "a reading needs a voltage",
    ),
    "no such kind": (HEAD + rows(T, V, I), {"kind": "sweep"}, "must be 'auto', 'trace' or 'pulse'"),
    "no such cycle": (HEAD + rows(T, V, I), {"cycle": 3}, "holds 1 cycles; cycle = 3 must be"),
    "missing column": (HEAD + rows(T, V, I), {"columns": {"i": "I (a)"}}, "has no column 'I \\(a\\)'"),
}


@pytest.mark.parametrize("name", BAD)
def test_malformed_files_are_explained(tmp_path, name):
    text, keywords, says = BAD[name]
    with pytest.raises(nj.DataError, match=says):
        read(tmp_path, text, **keywords)


def test_files_that_are_none(tmp_path):
    with pytest.raises(nj.DataError, match="no file"):
        nj.read_csv(tmp_path / "absent.csv")
    with pytest.raises(nj.DataError, match="is a folder"):
        nj.read_csv(tmp_path)
    (tmp_path / "x.bin").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(nj.DataError, match="not text"):
        nj.read_csv(tmp_path / "x.bin")
    (tmp_path / "book.csv").write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(nj.DataError, match=r"is a workbook.*Save the sheet as CSV"):
        nj.read_csv(tmp_path / "book.csv")
    (tmp_path / "sweep_01.csv").write_text("x")
    with pytest.raises(nj.DataError, match=r"Did you mean 'sweep_01\.csv'"):
        nj.read_csv(tmp_path / "sweep_1.csv")
    with pytest.raises(nj.DataError, match="does not exist either"):
        nj.read_csv(tmp_path / "nowhere" / "x.csv")


def test_shared_sweeps(shared_data):
    sweep = nj.read_csv(shared_data / "mos2_memtransistor" / "iv_single_cycle.csv", sweep_rate=1.0)
    assert len(sweep) == 200 and sweep.v.max() == 20.0 and len(sweep.cycles()) == 1
    oect = shared_data / "oect_bistable" / "transfer_curve.csv"
    with pytest.raises(nj.DataError, match=r"'Drain Voltage \(V\)' and 'Gate Voltage \(V\)' could each be the voltage"):
        nj.read_csv(oect, sweep_rate=0.1)
    gate = nj.read_csv(oect, columns={"v": "Gate Voltage (V)", "i": "Drain Current (A)"}, sweep_rate=0.1)
    assert (gate.v[0], gate.i[0], gate.v.max()) == (-1.5, -6.08e-4, 1.5)
    diode = nj.read_csv(shared_data / "ferrodiode_alscn" / "dc_iv_10nm_alscn_4nm_hfox.csv", sweep_rate=0.1, sign=-1)
    assert len(diode) == 153 and diode.i[0] == -3.64095e-14
    # The noise floor of the instrument is below a picoampere and shows in the first samples of the file.
    assert 1e-15 < diode.noise()[0] < 1e-12


def test_shared_clocked_records(shared_data):
    spikes = nj.read_csv(shared_data / "vo2_neuristor" / "trace_300mV_drive.csv")
    assert spikes.t[0] == pytest.approx(-12e-9) and spikes.i[0] == pytest.approx(6.3e-6)
    assert spikes.v[0] == pytest.approx(0.6133e-3)
    pund = nj.read_csv(shared_data / "ferroelectric_pund" / "pund_b1500_10kHz_3V.csv", sign=-1)
    assert len(pund) == 1000 and pund.i[0] == 1.99035e-06
    path = shared_data / "ferroelectric_pund" / "pund_tfa3000_2500Hz_3V.csv"
    pulses = [nj.read_csv(path, cycle=k) for k in range(5)]
    assert [len(p) for p in pulses] == [401] * 5
    assert [len(p.cycles()) for p in pulses] == [1] * 5


def test_shared_pulses(shared_data):
    path = shared_data / "pcm_gst_partial_reset" / "partial_reset_R_vs_V.csv"
    pcm = nj.read_csv(path, kind="pulse", width=1e-7, independent=True)
    assert len(pcm) == 12000 and pcm.conductance[0] == pytest.approx(1 / 39847.46)
    # Sequence to sequence scatter: 0.02 to 0.18 decades, that is 4 to 50 %.
    assert 0.04 < pcm.noise()[1] < 0.5
    for name, ramps, pulses in (("set", 29, 185), ("reset", 30, 149)):
        matrix = nj.read_ramps(shared_data / "reram_pulse_ramps" / f"{name}.csv", amplitude=1.0, width=1e-6)
        mean = nj.mean_ramp(matrix)
        assert (len(matrix), len(mean)) == (ramps, pulses)
        # Scatter of one step from pulse to pulse as published with the data: 0.5 to 0.9 uS.
        step = nj.mean_ramp(matrix, scatter="pulses").sigma[0] * np.sqrt(2 * ramps)
        assert 0.5e-6 < step < 0.9e-6
        assert np.all(mean.sigma > step / np.sqrt(2 * ramps))
