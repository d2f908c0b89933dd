"""Circuits against closed forms, power balance, ngspice, differences; and what is said of wrong ones."""

import shutil

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

import neurojax as nj
import physics
from neurojax._schematic import crossings, layout
from physics.quantity import with_values

R, C, TAU = 1e3, 1e-7, 1e-4
needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason="no ngspice")
resistor, capacitor = physics.Resistor, physics.Capacitor


def low_pass(wave, r=R, c=C):
    return nj.Circuit(V1=(wave, "in", "gnd"), R1=(resistor(r), "in", "out"), C1=(capacitor(c), "out", "gnd"))


def oscillator(v=2.2, r=1e4, c=1e-12):
    """Between V_th = 1.67 V and V_hold = 0.75 V the load line meets only the branch that is not stable."""
    return nj.Circuit(
        V1=(v, "in", "gnd"), R1=(resistor(r), "in", "mem"), C1=(capacitor(c), "mem", "gnd"),
        M1=(physics.NbO2Mott(), "mem", "gnd"),
    )  # fmt: skip


def balance(record):
    """What all instances take up, in parts of the largest: nothing."""
    total = sum(np.asarray(p) for p in record.power.values())
    return np.abs(total).max() / max(np.abs(np.asarray(p)).max() for p in record.power.values())


def test_low_pass_in_closed_form():
    ts = np.asarray([0.2, 0.9, 1.0, 1.7, 2.0]) * TAU
    record = low_pass(nj.Waveform([0.0, TAU, 2 * TAU], [0.0, 1.0, 1.0])).transient(ts=ts, rtol=1e-9, atol=1e-11)
    s = ts / TAU
    ramp = lambda s: s - 1 + np.exp(-s)  # noqa: E731
    v = np.where(s <= 1, ramp(s), 1 - (1 - ramp(1.0)) * np.exp(-(s - 1)))
    np.testing.assert_allclose(record.v["out"], v, atol=1e-8)
    for name in ("R1", "C1"):
        np.testing.assert_allclose(record.i[name], (np.minimum(s, 1) - v) / R, atol=1e-8 / R)
    np.testing.assert_allclose(record.i["V1"], -np.asarray(record.i["R1"]), atol=1e-15)
    assert balance(record) < 1e-12 and record.ok and "out 0" in repr(record)


def test_energy_of_a_charged_capacitor():
    """C V^2/2 in the capacitor and as much in the resistor, whatever it is; the source gives both."""
    record = low_pass(nj.Waveform([0.0, 1e-3 * TAU, 30 * TAU], [0.0, 2.0, 2.0])).transient(
        ts=np.concatenate([np.linspace(0, 1e-3, 20, endpoint=False), np.geomspace(1e-3, 30.0, 2000)]) * TAU
    )
    energy = {n: float(e[-1]) for n, e in record.energy.items()}
    assert energy["C1"] == pytest.approx(C * 2.0, rel=2e-3) and energy["R1"] == pytest.approx(C * 2.0, rel=2e-3)
    assert energy["V1"] == pytest.approx(-energy["C1"] - energy["R1"], rel=1e-9)


@pytest.mark.slow
def test_population_is_a_loop_and_reverse_is_forward():
    """Over resistors and constant sources at once; gradients of all against differences."""
    rs, vs = np.linspace(0.5e3, 2e3, 3), np.asarray([1.0, -2.0, 0.3])
    circuit = nj.Circuit(
        V1=(0.0, "in", "gnd"), R1=(resistor(R), "in", "out"), C1=(capacitor(C), "out", "gnd"),
        I1=(nj.CurrentSource(0.0), "gnd", "out"),
    )  # fmt: skip
    ts, options = np.asarray([0.5, 2.0]) * TAU, dict(rtol=1e-9, atol=1e-11, progress=False)

    def last(r, v, i, c, gradient="reverse"):
        changed = circuit
        for name, parameter, value in (("R1", "resistance", r), ("C1", "capacitance", c)):
            new = with_values(circuit.parts[name], {parameter: value})
            changed = eqx.tree_at(lambda q, n=name: q.parts[n], changed, new)
        for name, new in (("V1", nj.DC(v)), ("I1", nj.CurrentSource(nj.DC(i)))):
            changed = eqx.tree_at(lambda q, n=name: q.sources[n], changed, new)
        start = {"out": 0.1}
        return changed.transient(2 * TAU, ts=ts, v0=start, gradient=gradient, **options).v["out"]

    i, c = jnp.asarray(1e-4), jnp.asarray(C)
    many = last(jnp.asarray(rs), jnp.asarray(vs), i, c)
    s = ts / (rs[:, None] * C)
    end = vs[:, None] + 1e-4 * rs[:, None]
    np.testing.assert_allclose(many, end + (0.1 - end) * np.exp(-s), atol=1e-8)
    inputs = (jnp.asarray(rs), jnp.asarray(vs), i, c)
    gradient = jax.grad(lambda *a: jnp.sum(last(*a)), argnums=(0, 1, 2, 3))(*inputs)

    def exact(r, v, i, c):
        end = v + i * r
        return jnp.sum(end[:, None] + (0.1 - end)[:, None] * jnp.exp(-jnp.asarray(ts)[None] / (r * c)[:, None]))

    for ours, theirs in zip(gradient, jax.grad(exact, argnums=(0, 1, 2, 3))(*inputs), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    along = (jnp.full(3, 1e3), jnp.ones(3), jnp.asarray(1e-4), jnp.asarray(C))
    forward = jax.jvp(lambda *a: jnp.sum(last(*a, gradient="forward")), inputs, along)[1]
    assert float(forward) == pytest.approx(sum(float(jnp.sum(g * a)) for g, a in zip(gradient, along, strict=True)))


def test_a_large_population_runs_in_chunks():
    """Members, constant sources among them, are cut and joined in their order."""
    n, ts = 130, np.asarray([0.5, 1.0]) * TAU
    rs, vs = np.linspace(0.5e3, 2e3, n), np.linspace(-1.0, 1.0, n)
    circuit = low_pass(1.0).replace({"R1.resistance": rs, "V1.value": vs})
    record = circuit.transient(TAU, ts=ts, v0={"out": 0.0}, rtol=1e-9, atol=1e-11, gradient="forward")
    np.testing.assert_allclose(record.v["out"], vs[:, None] * (1 - np.exp(-ts / (rs[:, None] * C))), atol=1e-8)


def test_charge_is_kept_where_a_source_jumps():
    """A capacitive divider takes its share of the jump at once, and keeps the charge on its middle after it."""
    wave = nj.Waveform([0.0, 1.0, 1.0, 2.0], [0.0, 0.0, 1.0, 1.0])
    circuit = nj.Circuit(
        V1=(wave, "in", "gnd"), C1=(capacitor(1e-9), "in", "mid"), C2=(capacitor(3e-9), "mid", "gnd"),
        R2=(resistor(1e9), "mid", "gnd"),
    )  # fmt: skip
    record = circuit.transient(ts=np.asarray([0.5, 1.01, 2.0]), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(record.v["mid"], [0.0, 0.25 * np.exp(-0.01 / 4), 0.25 * np.exp(-1.0 / 4)], atol=2e-6)


def test_floating_capacitor_and_floating_source():
    """R-C-R in a row, and a battery between two nodes: closed form of one time constant."""
    wave = nj.Waveform([0.0, 1e-6 * TAU, 3 * TAU], [0.0, 1.0, 1.0])
    circuit = nj.Circuit(
        V1=(wave, "in", "gnd"), R1=(resistor(R), "in", "a"), C1=(capacitor(C), "a", "b"), V2=(0.25, "b", "c"),
        R2=(resistor(3 * R), "c", "gnd"),
    )  # fmt: skip
    ts = np.asarray([0.1, 1.0, 3.0]) * TAU
    record = circuit.transient(ts=ts, rtol=1e-9, atol=1e-11)
    # At rest the capacitor has no voltage but that of the leak: 0 = in, so that a = 0 and c = 0, b = 0.25 V.
    i = 1.0 / (4 * R) * np.exp(-ts / (4 * TAU))
    np.testing.assert_allclose(record.i["R2"], i, atol=2e-6 / R)
    np.testing.assert_allclose(np.asarray(record.v["b"]) - np.asarray(record.v["c"]), 0.25, rtol=1e-12)
    np.testing.assert_allclose(record.i["V2"], record.i["C1"], atol=1e-14)
    assert balance(record) < 1e-9


def test_operating_point_of_a_diode():
    circuit = nj.Circuit(
        V1=(5.0, "in", "gnd"), R1=(resistor(R), "in", "a"), D1=(physics.Diode(), "a", "b"),
        R2=(resistor(10.0), "b", "gnd"), D2=(physics.Diode(), "b", "gnd"),
    )  # fmt: skip
    record = circuit.transient(1e-3, ts=[0.0, 1e-3])
    diode = lambda v: 1e-14 * (np.exp(v / 0.025851999) - 1) + 1e-12 * v  # noqa: E731
    v = brentq(lambda v: diode(v) + v / 10 - (5 - v - brentq(lambda u: diode(u) - diode(v) - v / 10, 0, 2)) / R, 0, 1)
    assert float(record.v["b"][0]) == pytest.approx(v, rel=1e-6)
    np.testing.assert_allclose(record.v["b"], float(record.v["b"][0]), rtol=1e-9)


@pytest.mark.slow
def test_ferroelectric_between_two_resistors():
    """Charges that depend on the state: both sides carry one current, and nothing is lost."""
    circuit = nj.Circuit(
        V1=(nj.triangle(4.0, -4.0, 1e-3), "in", "gnd"), R1=(resistor(1e3), "in", "a"),
        F1=(physics.FerroCapacitor(), "a", "b"), R2=(resistor(1e5), "b", "gnd"),
    )  # fmt: skip
    record = circuit.transient(ts=np.linspace(0, 1e-3, 201))
    alone = nj.simulate(physics.FerroCapacitor(), nj.triangle(4.0, -4.0, 1e-3), ts=np.linspace(0, 1e-3, 201))
    # 8 uV fall on R1, and the solver is asked for 10 nV.
    np.testing.assert_allclose(record.i["R1"], record.i["R2"], atol=1e-3 * np.abs(record.i["R2"]).max())
    # 1 mV of 4 V falls on the resistors, so it is almost the capacitor alone; at the corners the current jumps.
    inside = np.setdiff1d(np.arange(1, 200), [50, 150])
    np.testing.assert_allclose(record.i["F1"][inside], alone.i[inside], atol=0.02 * np.abs(alone.i).max())
    assert balance(record) < 1e-4


@pytest.mark.slow
def test_spikes_and_their_gradients():
    """A relaxation oscillator: times against samples, and their derivatives against differences."""
    names = ("R1.resistance", "C1.capacitance", "V1.value", "M1.rho_i", "M1.kappa", "M1.dh")
    circuit = oscillator()
    usual = jnp.asarray([float(circuit.parameters()[n].value) for n in names])

    def spikes(values, gradient="reverse"):
        changed = circuit
        for name, value in zip(names, values, strict=True):
            part, parameter = name.split(".")
            home = "parts" if part in circuit.parts else "sources"
            new = with_values(getattr(changed, home)[part], {parameter: value})
            changed = eqx.tree_at(lambda q, h=home, p=part: getattr(q, h)[p], changed, new)
        options = dict(v0={"mem": 0.0}, rtol=1e-9, atol=1e-11, gradient=gradient)
        return nj.spike_times(changed, "mem", 1.4, 4, 8e-8, **options)

    times = np.asarray(spikes(usual))
    assert np.isfinite(times).all() and np.ptp(np.diff(times)[1:]) < 1e-3 * np.diff(times)[-1]
    record = circuit.transient(8e-8, ts=np.linspace(0, 8e-8, 20001), v0={"mem": 0.0})
    v, t = np.asarray(record.v["mem"]), np.asarray(record.t)
    k = np.flatnonzero((v[:-1] < 1.4) & (v[1:] >= 1.4))[:4]
    np.testing.assert_allclose(times, t[k] + (1.4 - v[k]) / (v[k + 1] - v[k]) * (t[k + 1] - t[k]), rtol=1e-4)
    gradient = np.asarray(jax.grad(lambda p: spikes(p)[-1])(usual)) * np.asarray(usual)
    for k, ours in enumerate(gradient):
        step = usual * jnp.asarray(np.where(np.arange(len(names)) == k, 1e-5, 0.0))
        differences = (spikes(usual + step)[-1] - spikes(usual - step)[-1]) / 2e-5
        assert float(ours) == pytest.approx(float(differences), rel=1e-4, abs=1e-4 * np.abs(gradient).max())
    assert np.isinf(nj.spike_times(circuit, "mem", 3.0, 2, 8e-8, v0={"mem": 0.0})).all()


@needs_ngspice
@pytest.mark.parametrize("name", ["oscillator", "rectifier"])
def test_waveforms_are_those_of_ngspice(name):
    if name == "oscillator":
        circuit, duration, v0, step = oscillator(), 4e-8, {"mem": 0.0}, 2e-12
    else:
        circuit, duration, v0, step = nj.Circuit(
            V1=(nj.triangle(2.0, -2.0, 1e-3).repeat(2), "in", "gnd"), D1=(physics.Diode(), "in", "out"),
            R1=(resistor(1e4), "out", "gnd"), C1=(capacitor(1e-7), "out", "gnd"),
        ), None, {}, 1e-7  # fmt: skip
    theirs, _ = nj.through_ngspice(circuit, duration, v0=v0, reltol=1e-5, max_step=step)
    record = circuit.transient(duration, v0=v0, ts=np.linspace(0, duration or 2e-3, 2001))
    for found, expected in ((record.v, circuit.nodes), (record.i, ("V1",))):
        for n in expected:
            other = np.interp(np.asarray(record.t), theirs["t"], theirs[n])
            assert np.abs(np.asarray(found[n]) - other).max() < 5e-3 * np.abs(other).max(), n


def test_names_and_changes():
    circuit = oscillator()
    assert circuit.nodes == ("in", "mem") and "M1   mem gnd" in repr(circuit).replace("  mem", "   mem")
    assert circuit.parameters()["R1.resistance"].unit == "ohm"
    assert float(circuit.replace({"R1.resistance": 5e3}).parts["R1"].resistance) == 5e3
    assert float(circuit.replace({"V1": 1.0}).sources["V1"].value) == 1.0
    assert float(circuit.replace({"M1": physics.NbO2Mott(kappa=2.0)}).parts["M1"].kappa) == 2.0
    with pytest.raises(nj.CircuitError, match=r"'R1\.resistance'"):
        circuit.replace({"R1.resistence": 5e3})
    with pytest.raises(nj.CircuitError, match="Resistor, not a Capacitor"):
        circuit.replace({"R1": capacitor(1e-9)})
    with pytest.raises(ValueError, match="SI units"):
        circuit.replace({"R1.resistance": -1.0})


WRONG = {
    "no device": (dict(R1=("1k", "a", "gnd")), "str is no device"),
    "nodes": (dict(R1=(resistor(R), "a")), "top, bottom"),
    "no ground": (dict(R1=(resistor(R), "a", "b"), R2=(resistor(R), "b", "a")), "no node is ground"),
    "floats": (dict(V1=(1.0, "in", "gnd"), R1=(resistor(R), "im", "gnd")), "'in'.*floats.*'im'"),
    "loop": (dict(V1=(1.0, "a", "gnd"), V2=(2.0, "a", "gnd"), R1=(resistor(R), "a", "gnd")), "V2 closes a loop"),
    "short": (dict(V1=(1.0, "gnd", "0"), R1=(resistor(R), "a", "gnd"), R2=(resistor(R), "a", "gnd")), "loop"),
    "island": (
        dict(V1=(1, "a", "gnd"), R1=(resistor(R), "a", "gnd"), R2=(resistor(R), "b", "c"), R3=(resistor(R), "b", "c")),
        "'b', 'c' have no connection",
    ),
    "ports": (dict(V1=(nj.constant([1.0, 2.0], 1.0), "a", "gnd"), R1=(resistor(R), "a", "gnd")), "one voltage a knot"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_circuits(case):
    instances, says = WRONG[case]
    with pytest.raises(nj.CircuitError, match=says):
        nj.Circuit(**instances)


def test_wrong_calls():
    circuit = low_pass(nj.constant(1.0, TAU))
    with pytest.raises(nj.CircuitError, match=r"no node 'ou'.*'out'"):
        circuit.transient(v0={"ou": 1.0})
    with pytest.raises(nj.CircuitError, match="no capacitor holds node 'in'"):
        circuit.transient(v0={"in": 1.0})
    with pytest.raises(nj.CircuitError, match="no device 'R2'"):
        circuit.transient(x0={"R2": ()})
    with pytest.raises(nj.CircuitError, match="duration="):
        oscillator().transient()
    with pytest.raises(nj.CircuitError, match="size of the population"):
        circuit.replace({"R1.resistance": np.full(2, R), "C1.capacitance": np.full(3, C)}).transient()
    with pytest.raises(nj.CircuitError, match="no operating point"):
        nj.Circuit(I1=(nj.CurrentSource(1e-3), "gnd", "a"), L1=(physics.Inductor(), "a", "gnd")).transient(1e-6)


def test_small_signals_of_a_resonator():
    circuit = nj.Circuit(
        V1=(0.0, "in", "gnd"), R1=(resistor(1e3), "in", "a"), L1=(physics.Inductor(1e-3, resistance=1.0), "a", "b"),
        C1=(capacitor(1e-9), "b", "gnd"), R2=(resistor(1e6), "b", "gnd"),
    )  # fmt: skip
    f = np.geomspace(1e3, 1e7, 9)
    found, w = circuit.small_signal("V1", f), 2j * np.pi * f
    load = 1 / (w * 1e-9 + 1e-6)
    whole = 1e3 + 1.0 + w * 1e-3 + load
    np.testing.assert_allclose(found.v["b"], load / whole, rtol=1e-10)
    np.testing.assert_allclose(found.i["L1"], 1 / whole, rtol=1e-10)
    np.testing.assert_allclose(found.i["C1"], w * 1e-9 * load / whole, rtol=1e-10)
    with pytest.raises(nj.CircuitError, match="'V2'"):
        circuit.small_signal("V2", f)
    many = circuit.replace({"V1.value": np.zeros(2)})
    with pytest.raises(nj.CircuitError, match="population"):
        many.small_signal("V1", f)
    with pytest.raises(nj.DataError, match=r"V1\.value makes a population"):
        many.to_spice(duration=1e-3)
    stuck = nj.Circuit(I1=(nj.CurrentSource(1e-3), "gnd", "a"), L1=(physics.Inductor(), "a", "gnd"))
    with pytest.raises(nj.CircuitError, match="no operating point"):
        stuck.small_signal("I1", f)
    with pytest.raises(nj.CircuitError, match="frequencies"):
        circuit.small_signal("V1", [-1.0])


def test_drawing():
    """Every name is there, three terminals are a box, and a ring with a chord has no crossing."""
    circuit = nj.Circuit(
        V1=(1.0, "in", "gnd"), VG=(1.0, "gate", "0"), M1=(physics.GapRram(), "in", "mid"),
        T1=(physics.Mosfet(), "gate", "mid", "gnd"),
    )  # fmt: skip
    words = {t.get_text() for t in circuit.draw().texts}
    assert {"V1\nvoltage", "VG\nvoltage", "M1\nGapRram", "T1\nMosfet", "drain", "gate", "mid", "gnd"} <= words
    square = np.asarray([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    sides = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2)]
    assert crossings(square, np.asarray([*sides, (1, 3)])) == 1 and crossings(square, np.asarray(sides)) == 0
    assert crossings(layout(list("abcd"), [("abcd"[i], "abcd"[j]) for i, j in sides]), np.asarray(sides)) == 0


def test_within_jit_it_is_the_same():
    """Knots of waveforms and default samples are numbers there, too."""
    circuit = nj.Circuit(
        V1=(nj.pulse(1.0, 1e-6, rise=1e-8, rest=1e-6), "in", "gnd"), R1=(resistor(1e3), "in", "out"),
        C1=(capacitor(1e-10), "out", "gnd"),
    )  # fmt: skip
    out = lambda r: circuit.replace({"R1.resistance": r}).transient(gradient="forward", progress=False).v["out"]  # noqa: E731
    r = jnp.asarray(2e3)
    np.testing.assert_allclose(np.asarray(jax.jit(out)(r)), np.asarray(out(r)), rtol=1e-10, atol=1e-12)


@pytest.mark.slow
def test_a_solver_of_diffrax_finds_the_same():
    circuit = nj.Circuit(
        V1=(nj.triangle(2.0, -2.0, 1e-3), "in", "gnd"), D1=(physics.Diode(), "in", "out"),
        R1=(resistor(1e4), "out", "gnd"), C1=(capacitor(1e-7), "out", "gnd"),
    )  # fmt: skip
    how = {"ts": np.linspace(0.0, 1e-3, 51), "rtol": 1e-8, "atol": 1e-10, "gradient": "forward", "progress": False}
    ours, theirs = (circuit.transient(solver=s, **how).v["out"] for s in (None, diffrax.Kvaerno5()))
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=0, atol=1e-6)
    bare = nj.Circuit(V1=(1.0, "in", "gnd"), R1=(resistor(1e4), "in", "out"), R2=(resistor(1e4), "out", "gnd"))
    with pytest.raises(nj.CircuitError, match="has a capacitor"):
        bare.transient(1e-3, solver=diffrax.Kvaerno5())
