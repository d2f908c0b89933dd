"""Ten circuits, from R and C to coupled Mott oscillators, beside ngspice on the netlists that are exported."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from circuits import CASES

import neurojax as nj
from physics.device import Environment
from physics.elements import Capacitor, Resistor

FEW = ("resonator", "diffusive_neuron")


def crossings(t, v, level):
    k = np.flatnonzero((v[:-1] < level) & (v[1:] >= level))
    return t[k] + (level - v[k]) / (v[k + 1] - v[k]) * (t[k + 1] - t[k])


@pytest.mark.skipif(shutil.which("ngspice") is None, reason="no ngspice")
@pytest.mark.parametrize("name", [n if n in FEW else pytest.param(n, marks=pytest.mark.slow) for n in CASES])
def test_waveforms_and_spikes(name):
    """All node voltages and source currents below 1 % of their peak, spikes below 0.5 % of the period (of the delay of
    a single one), the frequency too.
    """
    case, seen = CASES[name](), {}
    env, ts = Environment(temperature=jnp.asarray(case.kelvin)), np.linspace(0, case.duration, 20001)
    options = dict(rtol=1e-8, atol=1e-10, gradient="forward", max_steps=2**18, progress=False)
    record = case.circuit.transient(case.duration, v0=case.v0, env=env, ts=ts, **options)
    theirs, _ = nj.through_ngspice(
        case.circuit, case.duration, v0=case.v0, env=env, reltol=1e-6, max_step=case.step, timeout=200.0
    )
    for what in (record.v, {n: i for n, i in record.i.items() if n in case.circuit.sources}):
        for n, ours in what.items():
            other = np.interp(ts, theirs["t"], theirs[n])
            seen[n] = np.abs(np.asarray(ours) - other).max() / max(np.abs(other).max(), 1e-15)
    print({n: f"{e:.1e}" for n, e in seen.items()})
    assert max(seen.values()) < 0.01
    if case.level is not None:
        ours = crossings(ts, np.asarray(record.v[case.node]), case.level)
        others = crossings(theirs["t"], theirs[case.node], case.level)
        assert len(ours) == len(others) >= 1
        period = np.diff(ours).mean() if len(ours) > 1 else ours[0]
        assert np.abs(ours - others).max() < 5e-3 * period
        assert len(ours) == 1 or np.diff(others).mean() == pytest.approx(period, rel=5e-3)
    if case.moves is not None:
        x = np.asarray(jax.tree.leaves(record.x[case.moves])[0])
        there, back = x[len(x) // 2] - x[0], x[-1] - x[len(x) // 2]
        assert there * back < 0 and min(abs(there), abs(back)) > 1e-3, (there, back)


@pytest.mark.skipif(shutil.which("ngspice") is None, reason="no ngspice")
def test_a_source_that_begins_before_zero_is_not_cut():
    """A step of 1 V at -1 ms through a time constant of 1 ms: at zero the capacitor has 1 - 1/e of it."""
    before = nj.Waveform(jnp.asarray([-2e-3, -1e-3, -1e-3, 1e-3]), jnp.asarray([0.0, 0.0, 1.0, 1.0]))
    late = nj.Waveform(jnp.asarray([0.0, 5e-4, 5e-4, 1e-3]), jnp.asarray([0.0, 0.0, 0.5, 0.5]))
    one = jnp.asarray(1e-6)
    circuit = nj.Circuit(
        V1=(before, "in", "gnd"), V2=(late, "top", "in"), R1=(Resistor(jnp.asarray(1e3)), "top", "out"),
        C1=(Capacitor(one), "out", "gnd"),
    )  # fmt: skip
    theirs, _ = nj.through_ngspice(circuit, reltol=1e-6, max_step=2e-6)
    assert theirs["t"][0] == pytest.approx(-2e-3) and theirs["t"][-1] == pytest.approx(1e-3)
    record = circuit.transient(ts=np.linspace(-2e-3, 1e-3, 301), rtol=1e-8, atol=1e-10, progress=False)
    there = np.interp(record.t, theirs["t"], theirs["out"])
    np.testing.assert_allclose(there, record.v["out"], atol=2e-3)
    assert np.interp(0.0, theirs["t"], theirs["out"]) == pytest.approx(1 - np.exp(-1), abs=2e-3)
    assert "all times are later by 0.002 s" in circuit.to_spice()
