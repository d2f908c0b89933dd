"""X5: neurons of a designed network in other solvers: diffrax, that of circuits, and ngspice where it is installed.

Neurons of a network meet at ideal sources only, so each is a circuit of its own: the sources, their resistors, the
load, the capacitor and the switch itself, with its own equations instead of their cubics.
"""

import dataclasses
import shutil
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import neurojax as nj
from learning.experiments.x5_network import Network, Task
from learning.experiments.x5_neuron import Neurons, Response
from learning.experiments.x5_task import DURATION, Pulses
from physics.elements import Capacitor, Resistor

SAMPLES = 10001


@dataclasses.dataclass(frozen=True)
class Check:
    """The differences that were found.

    Attributes:
        lanes: neurons that were compared. agree: in how many of them all solvers see as many spikes. through: how many
            diffrax got through; the solver of circuits stands for it in the others.
        late: largest difference of the first spike (s) of ours from theirs. energy: largest relative difference of the
            energy out of the sources. late_spice: largest difference of the times at which V falls through 3/4 of
            the threshold (s), energy_spice: of energies, ngspice from theirs; nan without ngspice.
    """

    lanes: int
    agree: int
    through: int
    late: float
    energy: float
    late_spice: float
    energy_spice: float

    def __str__(self) -> str:
        said = (
            f"By Kvaerno3 of diffrax (1e-6; {self.through} of {self.lanes} neurons) or the solver of circuits (1e-8): "
            f"as many spikes in {self.agree} of {self.lanes}, first ones within {self.late * 1e12:.3g} ps, energies "
            f"within {100 * self.energy:.2g} %"
        )
        if np.isnan(self.energy_spice):
            return said + "; there is no ngspice."
        return said + f"; ngspice from those: {self.late_spice * 1e12:.3g} ps, {100 * self.energy_spice:.2g} %."


def circuit(neurons: Neurons, neuron: int, pulses: Pulses, waveform: int) -> nj.Circuit:
    """One neuron and its inputs: node "n", supply E, load RL, C1, switch M1, sources V0, V1 and resistors R0, R1.

    Args:
        neurons: all of them. neuron: which. pulses: all waveforms. waveform: which.
    """
    one = lambda a: jnp.asarray(np.broadcast_to(np.asarray(a), neurons.c.shape)[neuron], jnp.result_type(float))  # noqa: E731
    device = jax.tree.map(one, neurons.device)
    parts: dict[str, Any] = dict(
        E=(float(neurons.v_dc), "supply", "gnd"), RL=(Resistor(one(neurons.r_load)), "supply", "n"),
        C1=(Capacitor(one(neurons.c)), "n", "gnd"), M1=(device, "n", "gnd"),
    )  # fmt: skip
    for k in range(neurons.g.shape[1]):
        parts[f"V{k}"] = (pulses.wave(waveform, k), f"in{k}", "gnd")
        parts[f"R{k}"] = (Resistor(1 / one(neurons.g[:, k])), f"in{k}", "n")
    return nj.Circuit(**parts)


def check(task: Task, network: Network, *, lanes: int = 6, key: Array) -> Check:
    """The neurons as they are designed, on fresh inputs, one after the other, by our steps and by other solvers.

    Of each neuron an input is taken to which it spikes, where there is one.

    Args:
        task: the inputs and the steps. network: what is checked. lanes: how many. key: of the inputs.
    """
    pulses, n = task.pulses(key), network.neurons
    ours = dataclasses.replace(task, surrogate=0.0).respond(network, pulses, None)
    rows = [_compared(n, lane % n.c.shape[0], ours, pulses) for lane in range(lanes)]
    table = np.asarray([row[2:] for row in rows])
    agree, through = sum(row[0] for row in rows), int(sum(row[1] for row in rows))
    return Check(lanes, agree, through, *(float(worst) for worst in table.max(axis=0)))


def _compared(n: Neurons, k: int, ours: Response, pulses: Pulses) -> tuple[int, float, float, float, float, float]:
    """Whether neuron k spikes as often in all solvers, whether diffrax got through, the four differences of `Check`."""
    waveform = int(np.argmax(np.asarray(ours.spikes)[:, k]))
    v0, level = {"n": float(n.rest()[0][0, k])}, 0.75 * float(n.threshold[0, k])
    with jax.enable_x64(True):
        there = circuit(n, k, pulses, waveform)
        exact, through = _exactly(there, v0)
    grown = _crossings(exact["t"], exact["y"], 0.0)
    falls, joules = _crossings(exact["t"], -exact["n"], -level), _energy(exact, n, k, pulses, waveform)
    same = len(grown) == float(ours.spikes[waveform, k])
    late = abs(float(ours.first[waveform, k]) - grown[0]) if same and len(grown) else 0.0
    off = abs(float(ours.energy[waveform, k]) / joules - 1)
    if not shutil.which("ngspice"):
        return int(same), float(through), late, off, float("nan"), float("nan")
    spice = _by_spice(there, v0)
    others = _crossings(spice["t"], -spice["n"], -level)
    alike = len(others) == len(falls)
    apart = float(np.abs(others - falls).max()) if alike and len(falls) else 0.0
    return (
        int(same and alike),
        float(through),
        late,
        off,
        apart,
        abs(_energy(spice, n, k, pulses, waveform) / joules - 1),
    )


def _exactly(there: nj.Circuit, v0: dict[str, float]) -> tuple[dict[str, np.ndarray], bool]:
    """Times, V and y; by diffrax, or else by the solver of circuits, and whether it was diffrax."""
    options: dict[str, Any] = dict(ts=np.linspace(0, DURATION, SAMPLES), v0=v0, gradient="forward", progress=False)
    tight = dict(rtol=1e-6, atol=1e-8, max_steps=2**14, throw=False)
    record = there.transient(DURATION, solver=diffrax.Kvaerno3(), **tight, **options)
    through = bool(record.ok)
    if not through:
        record = there.transient(DURATION, rtol=1e-8, atol=1e-10, **options)
    return {"t": np.asarray(record.t), "n": np.asarray(record.v["n"]), "y": np.asarray(record.x["M1"].y)}, through


def _by_spice(there: nj.Circuit, v0: dict[str, float]) -> dict[str, np.ndarray]:
    return nj.through_ngspice(there, DURATION, v0=v0, reltol=1e-6, max_step=5e-12, timeout=200.0)[0]


def _crossings(t: np.ndarray, x: np.ndarray, level: float) -> np.ndarray:
    """When x rises through a level."""
    k = np.flatnonzero((x[:-1] < level) & (x[1:] >= level))
    return t[k] + (level - x[k]) / (x[k + 1] - x[k]) * (t[k + 1] - t[k])


def _energy(record: dict[str, np.ndarray], n: Neurons, k: int, pulses: Pulses, waveform: int) -> float:
    """Out of all sources (J)."""
    t, v = record["t"], record["n"]
    v_dc, load = float(n.v_dc), float(np.broadcast_to(np.asarray(n.r_load), n.c.shape)[k])
    u = np.stack([np.interp(t, *_knots(pulses, waveform, c)) for c in range(n.g.shape[1])])
    power = v_dc * (v_dc - v) / load + np.sum(np.asarray(n.g)[k][:, None] * u * (u - v[None]), axis=0)
    return float(np.trapezoid(power, t))


def _knots(pulses: Pulses, waveform: int, channel: int) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    wave = pulses.wave(waveform, channel)
    return np.asarray(wave.t), np.asarray(wave.v)
