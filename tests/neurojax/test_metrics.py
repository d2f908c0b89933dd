"""Figures of merit against what can be said in closed form, and the data sheet of some devices."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

import neurojax as nj
import physics
from neurojax import metrics
from neurojax.cli import app
from physics.device import Environment
from physics.neurosim import NeuroSim
from physics.quantity import parameters


def test_readings_and_ratio():
    device = physics.Vteam()
    record = nj.simulate(device, nj.triangle(0.6, -0.6, 1e-6))
    g = metrics.conductances(device, record, 0.01)
    w = np.asarray(record.x.w)
    assert g.shape == w.shape
    # From R_on = 50 to R_off = 1000 ohm.
    assert float(metrics.on_off(jnp.asarray([1e-3, 2e-2]))) == pytest.approx(20.0)
    many = nj.simulate(physics.Vteam(r_on=jnp.asarray([50.0, 60.0])), nj.triangle(0.6, -0.6, 1e-6))
    with pytest.raises(nj.SimulationError, match="member"):
        metrics.conductances(device, many, 0.01)


def test_switching_voltage_and_energy_of_a_record():
    """A resistor whose current passes a level at a known voltage, after a known energy."""
    device = physics.Resistor(resistance=1e3)
    record = nj.simulate(device, nj.Waveform([0.0, 1.0], [0.0, 2.0]), ts=np.linspace(0, 1, 2001))
    assert float(metrics.switching_voltage(record, "current", 1e-3)) == pytest.approx(1.0, rel=1e-6)
    # Integral of (2t)^2/R to t = 1/2.
    assert float(metrics.switching_energy(record, "current", 1e-3)) == pytest.approx(4 / 24 * 1e-3, rel=1e-5)
    assert float(metrics.delay(record, 1e-3, 0.25)) == pytest.approx(0.25, rel=1e-6)
    assert np.isnan(float(metrics.switching_voltage(record, "current", 1.0)))


def test_threshold_and_hold_of_an_ag_filament():
    """The published pair of the fit that the device reproduces: 1.7566 and 1.5751 V at 5 V/s."""
    device, wave = physics.AgFilament(), nj.triangle(2.5, 0.0, 1.0)
    record = nj.simulate(device, wave, ts=np.linspace(0, 1, 4001))
    on, off = metrics.threshold_and_hold(record, 1e-6)
    assert float(on) == pytest.approx(1.756649, abs=3e-3)
    assert float(off) == pytest.approx(1.575059, abs=2e-2)
    quiet = metrics.threshold_and_hold(record, 1.0)
    assert np.isnan(np.asarray(quiet)).all()


def test_states():
    one = metrics.states(jnp.asarray(1e-6), jnp.asarray(7e-6), jnp.asarray(1e-7))
    g = jnp.linspace(1e-6, 7e-6, 101)
    assert float(one) == pytest.approx(11.0)
    assert float(metrics.states_between(g, jnp.full(101, 1e-7))) == pytest.approx(11.0)
    # Noise in proportion to the level: ln(7)/(6 x 0.02) more.
    assert float(metrics.states_between(g, 0.02 * g)) == pytest.approx(1 + np.log(7) / 0.12, rel=1e-3)


def test_linearity_and_symmetry():
    straight = jnp.linspace(1.0, 2.0, 21)
    assert float(metrics.nonlinearity(straight)) == pytest.approx(0.0, abs=1e-12)
    n = jnp.linspace(0.0, 1.0, 401)
    a = 0.5
    soft = (1 - jnp.exp(-n / a)) / (1 - np.exp(-1 / a))
    top = a * np.log(1 / (a * (1 - np.exp(-1 / a))))
    expected = (1 - np.exp(-top / a)) / (1 - np.exp(-1 / a)) - top
    assert float(metrics.nonlinearity(soft)) == pytest.approx(expected, rel=1e-4)
    assert float(metrics.asymmetry(straight, straight[::-1])) == pytest.approx(0.0, abs=1e-9)
    assert float(metrics.asymmetry(soft, soft[::-1])) == pytest.approx(0.0, abs=1e-2)
    # Both fast first: up is steep where down is flat.
    assert float(metrics.asymmetry(soft, 1 - soft)) > 0.5


def test_label_of_neurosim():
    """Of its own curves, up and (mirrored) down, the label that they were drawn with."""
    cell = NeuroSim()
    p = jnp.linspace(0.0, 1.0, 20_001)
    for g, label in ((cell.potentiated(p * cell.p_ltp), 2.4), (cell.depressed(p * cell.p_ltd), 4.88)):
        assert float(metrics.neurosim_label(g)) == pytest.approx(label, abs=2e-6)


def slope(function, at, step=1e-6):
    """Exact and central derivative to one number."""
    exact = float(jax.jacfwd(function)(jnp.asarray(at)))
    return exact, float(function(jnp.asarray(at * (1 + step))) - function(jnp.asarray(at * (1 - step)))) / (
        2 * step * at
    )


RAMP = np.linspace(0.0, 1.0, 41)
OF_READINGS = {
    "on_off": (lambda a: metrics.on_off(1.0 + a * RAMP), 3.0),
    "states": (lambda a: metrics.states(jnp.asarray(1.0), jnp.asarray(7.0), a), 0.1),
    "states_between": (
        lambda a: metrics.states_between(jnp.asarray(1.0 + 6 * RAMP), a + 0.02 * RAMP),
        0.1,
    ),
    "nonlinearity": (lambda a: metrics.nonlinearity(1 - jnp.exp(-RAMP / a)), 0.5),
    "neurosim_label": (lambda a: metrics.neurosim_label(1 - jnp.exp(-RAMP / a)), 0.5),
    "asymmetry": (lambda a: metrics.asymmetry(RAMP**a, jnp.asarray(1 - RAMP**0.9)), 0.7),
    "paired_pulse": (lambda a: metrics.paired_pulse(jnp.asarray(1.0), jnp.asarray(2.0), a), 2.5),
    "kinetics_slope": (lambda a: metrics.kinetics_slope(jnp.asarray(1 + RAMP), jnp.exp(-a * RAMP)), 9.0),
    "volatility": (lambda a: metrics.volatility(physics.Wox(tau=a)), 0.05),
    "volatility, warm": (
        lambda a: metrics.volatility(physics.MetastableSwitch(), env=Environment(temperature=a)),
        320.0,
    ),
}


@pytest.mark.parametrize("name", OF_READINGS)
def test_derivatives_of_figures_of_readings(name):
    exact, central = slope(*OF_READINGS[name])
    assert exact == pytest.approx(central, rel=1e-5) and exact != 0


def of_resistor(figure):
    """A figure of the run of a resistor (ohm) on a ramp."""
    wave, ts = nj.Waveform([0.0, 1.0], [0.0, 2.0]), np.linspace(0, 1, 2001)
    options = dict(ts=ts, gradient="forward", progress=False)
    return lambda r: figure(nj.simulate(physics.Resistor(resistance=r), wave, **options))


OF_RECORDS = {
    "switching_voltage": (of_resistor(lambda r: metrics.switching_voltage(r, "current", 1.0003e-3)), 1e3, 1.0003e-3),
    "switching_energy": (of_resistor(lambda r: metrics.switching_energy(r, "current", 1.0003e-3)), 1e3, None),
    "delay": (of_resistor(lambda r: metrics.delay(r, 1.0003e-3, 0.1)), 1e3, 0.5 * 1.0003e-3),
}


@pytest.mark.parametrize("name", OF_RECORDS)
def test_derivatives_of_figures_of_records(name):
    """V = I R, t = I R/2 at which a current is reached."""
    function, at, known = OF_RECORDS[name]
    exact, central = slope(function, at)
    assert exact == pytest.approx(central, rel=1e-5)
    assert known is None or exact == pytest.approx(known, rel=1e-6)


def test_derivatives_of_threshold_and_hold():
    """With all voltages of a record scaled, both are."""
    device, wave = physics.AndThreshold(), nj.triangle(1.0, 0.0, 1.0)
    record = nj.simulate(device, wave, ts=np.linspace(0, 1, 4001), progress=False)
    scaled = lambda s: eqx.tree_at(lambda r: r.v, record, record.v * s)  # noqa: E731
    both = metrics.threshold_and_hold(record, 1e-8)
    assert all(np.isfinite(float(b)) for b in both)
    for k in range(2):
        exact, central = slope(lambda s: metrics.threshold_and_hold(scaled(s), 1e-8)[k], 1.0)  # noqa: B023
        assert exact == pytest.approx(float(both[k]), rel=1e-9) and exact == pytest.approx(central, rel=1e-7)


def test_pairs_and_slopes():
    assert float(metrics.paired_pulse(jnp.asarray(1.0), jnp.asarray(2.0), jnp.asarray(2.5))) == pytest.approx(1.5)
    v = jnp.asarray([1.0, 1.1, 1.2])
    assert float(metrics.kinetics_slope(v, 1e-3 * 10 ** (-(v - 1.0) / 0.075))) == pytest.approx(-0.075, rel=1e-9)


def test_memory():
    """Wox forgets in 50 ms, a linear law; GapRram never."""
    assert float(metrics.volatility(physics.Wox())) == pytest.approx(0.05, rel=1e-9)
    assert float(metrics.volatility(physics.Vteam())) > 1e6
    slope = jax.grad(lambda tau: metrics.volatility(physics.Wox(tau=tau)))(jnp.asarray(0.05))
    assert float(slope) == pytest.approx(1.0, rel=1e-9)


@pytest.mark.slow
def test_data_sheet_of_a_synapse(tmp_path):
    sheet = nj.characterise(physics.Yakopcic(), pulses=8)
    assert sheet.role == "synapse" and sheet.up.shape == (9,)
    assert (np.diff(sheet.up) > 0).all() and (np.diff(sheet.down) < 0).all()
    assert 4 < sheet["states"] < 1000 and sheet["on_off"] > 1
    # i = a x sinh(b v): the readings, 5 % of the largest voltage, tell the current of a pulse. Edges are a hundredth.
    how = next(f.how for f in sheet.figures if f.name == "pulse_energy")
    v, width = (float(part.split()[-2]) for part in how.split(", "))
    device, env = physics.Yakopcic(), Environment()
    low = 0.05 * device.sweep.v_max
    currents = [float(device.current(device.init(env), jnp.asarray(u), env)) for u in (v, low)]
    usual = v * width * low * currents[0] / currents[1]
    assert 0.99 * sheet.up[0] * usual < sheet["pulse_energy"] < 1.02 * sheet.up[-1] * usual
    told = repr(sheet)
    assert "pulse_energy" in told and "J" in told
    left, right = sheet.plot()
    assert left.get_xlabel() and right.get_xlabel() == "pulse"
    with pytest.raises(KeyError, match="there is no figure 'energy'"):
        sheet["energy"]


def test_transfer_curves_are_drawn_over_the_gate():
    """Of ports (gate, drain) the gate is swept; with the drain swept it is the last port, as of two terminals."""
    ts = np.linspace(0.0, 1.0, 11)
    device = physics.Mosfet()
    for which, label in ((0, "voltage of port 1 of 2"), (1, "voltage")):
        wave = nj.triangle(np.where(np.arange(2) == which, 1.0, 0.1), np.asarray([0.0, 0.0]), 1.0)
        record = nj.simulate(device, wave, ts=ts)
        ax = record.plot()
        line = ax.lines[0]
        assert ax.get_xlabel() == label
        np.testing.assert_array_equal(line.get_xdata(), np.asarray(record.v)[:, which])
        np.testing.assert_array_equal(line.get_ydata(), np.asarray(record.i)[:, 1])


@pytest.mark.slow
def test_data_sheet_of_a_neuron_and_on_the_command_line(tmp_path):
    sheet = nj.characterise(physics.AndThreshold(), pulses=4)
    assert sheet.role == "neuron"
    assert sheet["threshold"] > sheet["hold"] > 0
    done = CliRunner().invoke(app, ["characterise", "Wox", "--pulses", "4", "--json"])
    assert done.exit_code == 0 and '"memory"' in done.output


def test_families():
    """Bistable or forgetful, by what is left of the readings."""
    table = nj.families("GapRram", "NbO2Mott", "Wox", "AxialMtj")
    rows = {r.device: r for r in table}
    assert [rows[n].role for n in ("GapRram", "AxialMtj", "NbO2Mott", "Wox")] == ["synapse"] * 2 + ["neuron"] * 2
    assert rows["NbO2Mott"].memory < 1e-6
    # Half of the decades are gone before half of w is.
    assert 0.01 < rows["Wox"].memory < 0.3
    assert len(repr(table).splitlines()) == len(table) + 1


@pytest.mark.slow
def test_switching_voltage_of_every_port():
    device = nj.device_named("ChargeTrap")
    record = nj.simulate(device, nj.triangle(*device.sweep))
    name = next(iter(parameters(record.x)))
    level = 0.5 * float(np.max(np.asarray(getattr(record.x, name))))
    found, t = metrics.switching_voltage(record, name, level), record.crossing_time(name, level)
    ends = [float(np.interp(float(t), np.asarray(record.t), np.asarray(record.v)[:, k])) for k in (0, 1)]
    np.testing.assert_allclose(found, ends, rtol=1e-5)
    many = device.replace(**{n: p.value * np.ones(2) for n, p in parameters(device).items()})
    both = metrics.switching_voltage(nj.simulate(many, nj.triangle(*device.sweep), progress=False), name, level)
    np.testing.assert_allclose(both, np.stack([ends, ends]), rtol=1e-4)
