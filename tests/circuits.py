"""Ten circuits that are compared with ngspice: each with its duration, its start, and the longest step of ngspice."""

from typing import NamedTuple

import neurojax as nj
import physics
from neurojax import neurons
from physics.elements import Capacitor, Resistor


class Case(NamedTuple):
    """A circuit, and what is compared: the waveforms, and the times at which `node` rises through a level, if any."""

    circuit: nj.Circuit
    duration: float
    step: float
    node: str
    v0: dict[str, float]
    level: float | None = None
    kelvin: float = 300.0


def low_pass():
    wave = nj.pulse(1.0, 1e-3, rise=1e-5, rest=1e-3)
    parts = dict(R1=(Resistor(1e3), "in", "out"), C1=(Capacitor(1e-7), "out", "gnd"))
    return Case(nj.Circuit(V1=(wave, "in", "gnd"), **parts), 2.02e-3, 2e-6, "out", {})


def resonator():
    wave = nj.pulse(1.0, 1e-3, rise=1e-5, rest=1e-3)
    parts = dict(L1=(physics.Inductor(1e-2, resistance=10.0), "in", "out"), C1=(Capacitor(1e-7), "out", "gnd"))
    return Case(nj.Circuit(V1=(wave, "in", "gnd"), **parts), 2.02e-3, 2e-7, "out", {}, 0.5)


def rectifier():
    wave = nj.triangle(2.0, -2.0, 1e-3).repeat(3)
    parts = dict(
        D1=(physics.Diode(), "in", "out"), R1=(Resistor(1e4), "out", "gnd"), C1=(Capacitor(1e-7), "out", "gnd")
    )
    return Case(nj.Circuit(V1=(wave, "in", "gnd"), **parts), 3e-3, 2e-7, "out", {})


def mott_oscillator():
    circuit = neurons.relaxation_oscillator(physics.NbO2Mott(), 2.2, 1e4, 1e-12)
    return Case(circuit, 8e-8, 2e-12, "out", {"out": 0.0}, 1.3)


def neuristor():
    return Case(neurons.mott_neuristor(), 6e-5, 5e-10, "out", {}, 0.5)


def diffusive_neuron():
    """Voltage of the source until the silver bridges the gap; then the capacitor is discharged."""
    wave = nj.pulse(0.8, 2e-2, rise=1e-5, rest=1e-2)
    parts = dict(
        R1=(Resistor(1e6), "in", "out"), C1=(Capacitor(1e-10), "out", "gnd"), M1=(physics.AndThreshold(), "out", "gnd")
    )
    return Case(nj.Circuit(V1=(wave, "in", "gnd"), **parts), 3e-2, 3e-6, "out", {})


def one_transistor_one_resistor():
    parts = dict(
        VG=(1.0, "gate", "gnd"), M1=(physics.GapRram(), "bit", "mid"), T1=(physics.Mosfet(), "gate", "mid", "gnd")
    )
    return Case(nj.Circuit(V1=(nj.triangle(2.0, -2.0, 1e-3), "bit", "gnd"), **parts), 1e-3, 2e-8, "mid", {})


def one_selector_one_resistor():
    parts = dict(S1=(physics.Selector(), "bit", "mid"), M1=(physics.GapRram(), "mid", "gnd"))
    return Case(nj.Circuit(V1=(nj.triangle(2.5, -2.5, 1e-3), "bit", "gnd"), **parts), 1e-3, 1e-7, "mid", {})


def diffusive_in_series():
    """A volatile switch before a cell that drifts: only after enough pulses does the cell get its voltage."""
    wave = nj.pulse_train([1.2] * 6, 1e-3, rise=1e-5, rest=1e-3)
    parts = dict(D1=(physics.AndThreshold(), "in", "mid"), M1=(physics.MetastableSwitch(), "mid", "gnd"))
    return Case(nj.Circuit(V1=(wave, "in", "gnd"), **parts), float(wave.duration), 2e-7, "mid", {})


def coupled_oscillators():
    parts = {}
    for k, r in ((1, 12e3), (2, 12.6e3)):
        parts[f"R{k}"] = (Resistor(r), "in", f"n{k}")
        parts[f"C{k}"] = (Capacitor(145e-12), f"n{k}", "gnd")
        parts[f"M{k}"] = (physics.VO2(), f"n{k}", "gnd")
    circuit = nj.Circuit(V1=(13.0, "in", "gnd"), CC=(Capacitor(2e-11), "n1", "n2"), **parts)
    return Case(circuit, 2e-5, 5e-10, "n1", {"n1": 0.0, "n2": 0.0}, 5.0, 325.0)


CASES = {f.__name__: f for f in (
    low_pass, resonator, rectifier, mott_oscillator, neuristor, diffusive_neuron, one_transistor_one_resistor,
    one_selector_one_resistor, diffusive_in_series, coupled_oscillators,
)}  # fmt: skip
