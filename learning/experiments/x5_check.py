"""X5: one neuron of a designed network in other solvers: Kvaerno3 of diffrax, and ngspice where it is installed.

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
from learning.experiments.x5_neuron import Neurons
from learning.experiments.x5_task import DURATION, Pulses
from neurojax._circuit_spice import through_ngspice
from neurojax._made import made
from physics.elements import Capacitor, Resistor

SAMPLES = 10001


@dataclasses.dataclass(frozen=True)
class Check:
    """The differences that were found.

    Attributes:
        lanes: neurons and waveforms that were compared. agree: in how many of them all solvers see as many spikes.
        late: largest difference of the first spike (s) of ours from diffrax's. energy: largest relative difference of
            the energy out of the sources. late_spice, energy_spice: those of ngspice from diffrax; nan without ngspice.
    """

    lanes: int
    agree: int
    late: float
    energy: float
    late_spice: float
    energy_spice: float

    def __str__(self) -> str:
        said = (
            f"By diffrax (Kvaerno3, 1e-7), {self.lanes} neurons and inputs: as many spikes in {self.agree}, first ones "
            f"within {self.late * 1e12:.3g} ps, energies within {100 * self.energy:.2g} %"
        )
        if np.isnan(self.energy_spice):
            return said + "; there is no ngspice."
        return said + f"; ngspice from diffrax: {self.late_spice * 1e12:.3g} ps, {100 * self.energy_spice:.2g} %."


def circuit(neurons: Neurons, neuron: int, pulses: Pulses, waveform: int) -> nj.Circuit:
    """One neuron and its inputs: node "n", supply E, load RL, C1, switch M1, sources V0, V1 and resistors R0, R1.

    Args:
        neurons: all of them. neuron: which. pulses: all waveforms. waveform: which.
    """
    one = lambda a: float(np.broadcast_to(np.asarray(a), neurons.c.shape)[neuron])  # noqa: E731
    device = jax.tree.map(lambda a: jnp.asarray(one(a), jnp.result_type(float)), neurons.device)
    parts: dict[str, Any] = dict(
        E=(float(neurons.v_dc), "supply", "gnd"), RL=(made(Resistor, one(neurons.r_load)), "supply", "n"),
        C1=(made(Capacitor, one(neurons.c)), "n", "gnd"), M1=(device, "n", "gnd"),
    )  # fmt: skip
    for k in range(neurons.g.shape[1]):
        parts[f"V{k}"] = (pulses.wave(waveform, k), f"in{k}", "gnd")
        parts[f"R{k}"] = (made(Resistor, 1 / float(neurons.g[neuron, k])), f"in{k}", "n")
    return nj.Circuit(**parts)


def check(task: Task, network: Network, *, lanes: int = 4, key: Array) -> Check:
    """The neurons as they are designed, on fresh inputs, one after the other, by our steps and by other solvers.

    Args:
        task: the inputs and the steps. network: what is checked. lanes: how many. key: of the inputs.
    """
    pulses, n = task.pulses(key), network.neurons
    ours = dataclasses.replace(task, surrogate=0.0).respond(network, pulses, None)
    v_rest = n.rest()[0][0]
    rows, agree = [], 0
    for lane in range(lanes):
        k, waveform = lane % n.c.shape[0], lane
        v0 = {"n": float(v_rest[k])}
        with jax.enable_x64(True):
            there = circuit(n, k, pulses, waveform)
            exact = _by_diffrax(there, v0)
        level = 0.75 * float(n.threshold[0, k])
        seen = _seen(exact, n, k, pulses, waveform, level)
        count = float(ours.spikes[waveform, k])
        spice = (np.nan,) * 3
        if shutil.which("ngspice"):
            spice = _seen(_by_spice(there, v0), n, k, pulses, waveform, level)
        same = count == seen[0] and (spice[0] == seen[0] or np.isnan(spice[0]))
        agree += same
        first = _grown(exact)
        late = abs(float(ours.first[waveform, k]) - first) if same and seen[0] else 0.0
        off = abs(float(ours.energy[waveform, k]) / seen[2] - 1)
        late_spice = abs(spice[1] - seen[1]) if same and seen[0] else spice[1] * 0
        rows.append((late, off, late_spice, abs(spice[2] / seen[2] - 1)))
    worst = np.max(np.asarray(rows), axis=0)
    return Check(lanes, agree, *(float(w) for w in worst))


def _by_diffrax(there: nj.Circuit, v0: dict[str, float]) -> dict[str, np.ndarray]:
    """Times, V and y."""
    options: dict[str, Any] = dict(solver=diffrax.Kvaerno3(), rtol=1e-7, atol=1e-9, gradient="forward", progress=False)
    record = there.transient(DURATION, ts=np.linspace(0, DURATION, SAMPLES), v0=v0, max_steps=2**18, **options)
    return {"t": np.asarray(record.t), "n": np.asarray(record.v["n"]), "y": np.asarray(record.x["M1"].y)}


def _by_spice(there: nj.Circuit, v0: dict[str, float]) -> dict[str, np.ndarray]:
    return through_ngspice(there, DURATION, v0=v0, reltol=1e-6, max_step=5e-12, timeout=200.0)[0]


def _grown(record: dict[str, np.ndarray]) -> float:
    """When the core first grows through half of the radius (s), inf where it never does."""
    t, y = record["t"], record["y"]
    up = np.flatnonzero((y[:-1] < 0) & (y[1:] >= 0))
    if not up.size:
        return np.inf
    k = up[0]
    return float(t[k] - y[k] / (y[k + 1] - y[k]) * (t[k + 1] - t[k]))


def _seen(
    record: dict[str, np.ndarray], n: Neurons, k: int, pulses: Pulses, waveform: int, level: float
) -> tuple[float, float, float]:
    """How often V falls through a level (V), when it does so first (s), and the energy out of all sources (J)."""
    t, v = record["t"], record["n"]
    down = np.flatnonzero((v[:-1] >= level) & (v[1:] < level))
    first = np.inf
    if down.size:
        j = down[0]
        first = float(t[j] + (v[j] - level) / (v[j] - v[j + 1]) * (t[j + 1] - t[j]))
    v_dc, load = float(n.v_dc), float(np.broadcast_to(np.asarray(n.r_load), n.c.shape)[k])
    u = np.stack([np.interp(t, *_knots(pulses, waveform, c)) for c in range(n.g.shape[1])])
    power = v_dc * (v_dc - v) / load + np.sum(np.asarray(n.g)[k][:, None] * u * (u - v[None]), axis=0)
    return float(down.size), first, float(np.trapezoid(power, t))


def _knots(pulses: Pulses, waveform: int, channel: int) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    wave = pulses.wave(waveform, channel)
    return np.asarray(wave.t), np.asarray(wave.v)
