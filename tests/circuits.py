"""Ten circuits that are compared with ngspice: each with its duration, its start, and the longest step of ngspice."""

from typing import NamedTuple

import jax.numpy as jnp

import neurojax as nj
import physics
from neurojax import neurons, synapses
from neurojax.synapses.spikes import knots_of, train_at
from physics.elements import Capacitor, Resistor


class Case(NamedTuple):
    """A circuit, and what is compared: the waveforms, and the times at which `node` rises through a level, if any.

    moves: the cell whose first state goes one way in the first half of the run and back in the other.
    """

    circuit: nj.Circuit
    duration: float
    step: float
    node: str
    v0: dict[str, float]
    level: float | None = None
    kelvin: float = 300.0
    moves: str | None = None


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
    """A capacitor is charged until silver bridges the gap beside it; the bridge dissolves without a pulse."""
    wave = nj.pulse(2.0, 1e-4, rise=1e-8, rest=3e-4)
    return Case(neurons.diffusive_neuron(wave), float(wave.duration), 2e-8, "out", {}, 1e-3)


def one_transistor_one_resistor():
    """SET until the channel has no more current to give, then RESET."""
    wave = nj.pulse_train([2.2, -1.9], 5e-6, rise=5e-8, rest=2e-6)
    cell, access = physics.GapRram().replace(x_init=0.5), physics.Mosfet().replace(beta=1e-3)
    parts = dict(VG=(3.0, "gate", "gnd"), M1=(cell, "bit", "mid"), T1=(access, "gate", "mid", "gnd"))
    circuit = nj.Circuit(V1=(wave, "bit", "gnd"), **parts)
    return Case(circuit, float(wave.duration), 1e-9, "mid", {}, moves="M1")


def one_selector_one_resistor():
    """SET and RESET through a selector."""
    wave = nj.pulse_train([3.4, -3.4], 5e-6, rise=5e-8, rest=2e-6)
    parts = dict(S1=(physics.Selector(), "bit", "mid"), M1=(physics.GapRram().replace(x_init=0.5), "mid", "gnd"))
    circuit = nj.Circuit(V1=(wave, "bit", "gnd"), **parts)
    return Case(circuit, float(wave.duration), 1e-9, "mid", {}, moves="M1")


def diffusive_in_series():
    """The synapse of a volatile switch and a cell that drifts: a pair of spikes pre-post, then one post-pre."""
    synapse = synapses.diffusive_synapse()
    times = {"pre": jnp.asarray([0.0, 4e-3]), "post": jnp.asarray([1e-4, 3.9e-3])}
    t = knots_of([(synapse.pre, times["pre"]), (synapse.post, times["post"])], jnp.asarray(4.1e-3))
    waves = {n: nj.Waveform(t, train_at(getattr(synapse, n), at, t)) for n, at in times.items()}
    return Case(synapse.circuit.replace(waves), float(t[-1]), 1e-7, "mid", {}, moves="cell")


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
