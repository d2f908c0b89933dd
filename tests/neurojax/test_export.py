"""Devices as files of circuit simulators: the same currents in ngspice, the same residuals after compilation."""

import shutil
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import others_slow, rarely
from typer.testing import CliRunner

import neurojax as nj
from neurojax._bench_export import Agreement, in_ngspice, in_verilog
from neurojax._equations import equations
from neurojax._ngspice import NgspiceError, transient
from neurojax._spice import subcircuit
from neurojax.bench import table, waveforms
from neurojax.cli import app
from neurojax.errors import DataError, NeurojaxError
from physics.device import AbstractDevice, Sweep
from physics.quantity import Param, parameters, quantity, state_variable

needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")


class Leaky(AbstractDevice):
    """dw/dt = a sinh(v/v0) (1 - w^2) - w/tau,  i = g w v."""

    class State(eqx.Module):
        w: Param = state_variable((0.0, 1.0), doc="fraction that conducts")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "own"
    doi: ClassVar[str] = "unpublished"
    sweep: ClassVar[Sweep] = Sweep(1.5, -0.5, 1e-2)
    a: Param = quantity(0.5, "1/s", (1e-6, 1e6), scale="log", doc='growth "rate", 90° fast', source="chosen")
    v0: Param = quantity(0.2, "V", (0.1, 2.0), scale="log", doc="voltage scale", source="chosen")
    tau: Param = quantity(5e-3, "s", (1e-6, 10.0), scale="log", doc="forgetting time", source="chosen")
    temp: Param = quantity(1e-4, "S", (1e-9, 1.0), scale="log", doc="a name that ngspice has", source="chosen")

    def init(self, env):
        del env
        return Leaky.State(w=0.05 * jnp.ones_like(self.a))

    def rate(self, x, v, env):
        del env
        return Leaky.State(w=self.a * jnp.sinh(v / self.v0) * (1 - x.w**2) - x.w / self.tau)

    def current(self, x, v, env):
        del env
        return self.temp * x.w * v


@needs_ngspice
@pytest.mark.parametrize("name", ["LinearDrift", "MetastableSwitch", "Yakopcic"])
def test_currents_in_ngspice(name):
    device = nj.device_named(name)
    for wave in waveforms(device).values():
        assert in_ngspice(device, wave) < 1e-3


@needs_ngspice
def test_a_device_of_ones_own_in_ngspice():
    for wave in waveforms(Leaky()).values():
        assert in_ngspice(Leaky(), wave) < 1e-3


@needs_ngspice
@rarely
def test_an_inner_equation_that_settles_in_ngspice():
    """The first two pulses of `JartVcm`: at once ngspice stops as the first ends, within 1 ns it agrees."""
    device = nj.device_named("JartVcm")
    pulses, of = waveforms(device)["pulses"], equations(device)
    wave = nj.Waveform(pulses.t[:9], pulses.v[:9])
    ts = 0.5 * (np.asarray(wave.t[1:]) + np.asarray(wave.t[:-1]))
    how: dict[str, Any] = dict(reltol=1e-5, max_step=1e-3 * float(pulses.duration))
    with pytest.raises(NgspiceError, match="stopped"):
        transient(subcircuit(of, "cell", share=200), wave, ts, **how)
    found = transient(subcircuit(of, "cell", share=200, settle=1e-9), wave, ts, **how).i[:, 0]
    expected = np.asarray(nj.simulate(device, wave, ts=ts, rtol=1e-8, atol=1e-10, progress=False).i)
    # In the middle of the pulses and the pauses, and of the edges but the one on which it switches.
    settled = np.arange(len(ts)) != 4
    np.testing.assert_allclose(found[settled], expected[settled], atol=1e-3 * np.abs(expected).max())


def test_what_settles_is_written():
    """A capacitor on each inner equation, which is there only if it is asked for."""
    device = nj.device_named("JartVcm")
    at_once, settling = nj.export(device), nj.export(device, settle=1e-9)
    assert "Cinner_0" not in at_once and "Cinner_0 inner_0 0 1e-09" in settling
    assert len(nj.export(device, share=200)) > len(at_once)
    for share, settle in ((0, 0.0), (8, -1e-9)):
        with pytest.raises(DataError, match="settle = "):
            nj.export(device, share=share, settle=settle)


@needs_ngspice
def test_parameters_of_the_subcircuit():
    """Other numbers at the place where the subcircuit is used are the same as in the device."""
    device, wave = Leaky(), nj.triangle(1.0, -0.5, 1e-2)
    cell = subcircuit(equations(device), "leaky")
    ts = np.linspace(0, 1e-2, 200)
    for values in ({"a": 2.0}, {"tau": 1e-3, "temp": 1e-3}):
        expected = nj.simulate(device.replace(**values), wave, ts=ts, rtol=1e-8, atol=1e-10).i
        found = transient(cell, wave, ts, values=values, reltol=1e-5).i[:, 0]
        np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("name", others_slow(nj.devices()))
def test_residuals_of_compiled_verilog(name):
    pytest.importorskip("openvaf_py", reason="openvaf-py is not installed")
    assert in_verilog(nj.device_named(name), points=100) < 1e-12


def test_a_wrong_module_is_found(monkeypatch):
    """The comparison of residuals can fail."""
    pytest.importorskip("openvaf_py", reason="openvaf-py is not installed")
    assert in_verilog(Leaky(), points=5) < 1e-12
    monkeypatch.setattr(Leaky, "current", lambda self, x, v, env: self.temp * x.w * v * (1 + 1e-9 * v))
    of = equations(Leaky())
    monkeypatch.undo()
    monkeypatch.setattr("neurojax._bench_export.equations", lambda device: of)
    assert 1e-10 < in_verilog(Leaky(), points=5) < 1e-8


def test_units_sentences_and_names_are_carried_along():
    text = nj.to_verilog_a(Leaky())
    assert "module Leaky(top, bottom);" in text and 'desc = "forgetting time", units = "s"' in text
    assert "growth 'rate', 90 deg  fast" in text and "parameter real tau = 0.005 from [1e-06:10.0];" in text
    text = nj.to_spice(Leaky())
    # `temp` is a word of ngspice, so the parameter has another name.
    assert ".subckt Leaky top bottom" in text and "+ tau=0.005" in text and "+ temp_1=0.0001" in text
    assert text.isascii() and "forgetting time" in text
    assert "dw/dt = a sinh(v/v0)" in text


def test_numbers_of_single_precision_keep_their_decimals():
    single = jax.tree.map(lambda a: a.astype(jnp.float32), Leaky())
    assert nj.export(single, "verilog-a") == nj.export(Leaky(), "verilog-a")


def test_files_and_wrong_calls(tmp_path):
    text = nj.export(Leaky(), "spice", tmp_path / "cell.sub", name="cell")
    assert (tmp_path / "cell.sub").read_text() == text and ".subckt cell top bottom" in text
    with pytest.raises(DataError, match="format = 'va': there are 'spice' and 'verilog-a'"):
        nj.export(Leaky(), "va")
    with pytest.raises(DataError, match="name = '2cells' must be letters, digits and underscores"):
        nj.export(Leaky(), name="2cells")
    many = nj.population(Leaky(), 3, {"a": nj.LogNormal(0.1)}, key=jax.random.key(0))
    with pytest.raises(DataError, match="takes one device, and this is a population"):
        nj.export(many)


def test_loops_on_values_are_refused(monkeypatch):
    def current(self, x, v, env):
        return jax.lax.while_loop(lambda i: i < 1, lambda i: 2 * i, self.temp * x.w * v)

    monkeypatch.setattr(Leaky, "current", current)
    with pytest.raises(NeurojaxError, match="Leaky: the primitive 'while' has no straight-line form"):
        nj.export(Leaky())


def test_command_line(tmp_path):
    """A device by name, one that was saved, one with other numbers; a mistyped one."""
    run = CliRunner().invoke
    done = run(app, ["export", "Vteam", "--set", "r_on=120"])
    assert done.exit_code == 0 and "+ r_on=120.0" in done.output
    nj.save_device(nj.device_named("Vteam").replace(r_on=130.0), tmp_path / "d.json")
    done = run(app, ["export", str(tmp_path / "d.json"), "--format", "verilog-a", "-o", str(tmp_path / "d.va")])
    assert done.exit_code == 0 and "parameter real r_on = 130.0" in (tmp_path / "d.va").read_text()
    done = run(app, ["export", "Vteem"])
    assert done.exit_code == 1 and "Did you mean" in done.output


def test_table_of_agreement():
    rows = [Agreement("A", 1e-3, 2e-4, 3e-15), Agreement("B", float("nan"), 1e-3, 1e-15, "ngspice stopped")]
    text = table(rows)
    assert "| device | ngspice, triangle | ngspice, pulses | Verilog-A |  |\n|---|---|---|---|---|\n" in text
    assert "| A | 1.0e-03 | 2.0e-04 | 3.0e-15 |  |\n| B | nan |" in text


@pytest.mark.slow
def test_every_parameter_is_there():
    for name in nj.devices():
        of = equations(nj.device_named(name))
        assert set(subcircuit(of, name).parameters) | set(of.idle) >= set(parameters(nj.device_named(name)))
