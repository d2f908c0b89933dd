"""Neurons made of devices: what the papers say of them, and ngspice."""

import numpy as np
import pytest

import neurojax as nj
import physics
from neurojax import neurons

SAMPLES = np.linspace(0.0, 6e-5, 6001)


def spikes(v, level=0.5):
    return int(((v[:-1] < level) & (v[1:] >= level)).sum())


def answers(amplitudes, **values):
    """Voltage of the output for inputs of 20 us, one a row."""
    circuit = neurons.mott_neuristor(**values)
    found = []
    for a in amplitudes:
        wave = nj.pulse(float(a), 2e-5, rise=1e-8, rest=4e-5)
        record = circuit.replace({"Vin": wave}).transient(ts=SAMPLES, gradient="forward", progress=False)
        found.append(np.asarray(record.v["out"]))
    return np.asarray(found)


def test_all_or_none_with_gain():
    """Below a threshold the output only follows; above it a spike of one height, larger than the input."""
    small, *large = answers([0.3, 0.45, 0.55, 0.65])
    assert spikes(small) == 0 and small.max() < 0.4
    heights = [v.max() for v in large]
    assert all(spikes(v) >= 1 for v in large)
    assert np.ptp(heights) < 0.03 * np.mean(heights) and heights[0] > 1.3 * 0.45
    # Silence again after the input.
    assert np.all(np.abs(np.asarray(large)[:, -1] - small[-1]) < 0.02)


def test_bifurcation_to_continuous_spiking():
    """Without input: nothing at 1.45 V, one burst of nine at 1.74 V, from 1.76 V on burst after burst without an end,
    and the more often the higher the supply."""
    quiet, once, always, oftener = (answers([0.0], v_dc=v)[0] for v in (1.45, 1.74, 1.76, 1.8))
    at = [SAMPLES[np.flatnonzero((v[:-1] < 0.5) & (v[1:] >= 0.5))] for v in (quiet, once, always, oftener)]
    assert at[0].size == 0 and at[1].size == 9 and at[1].max() < 1e-5
    pauses = [np.diff(a)[np.diff(a) > 3e-6] for a in at[2:]]
    assert at[2].max() > 45e-6 and at[3].max() > 55e-6 and len(pauses[0]) >= 2 < len(pauses[1])
    for p in pauses:
        assert np.ptp(p[1:]) < 0.05 * p[1:].mean()
    assert pauses[1][-1] < 0.7 * pauses[0][-1]


@pytest.mark.slow
def test_refractory_time():
    """A second pulse soon after the first finds the neuron exhausted, a late one does not."""

    def second(gap):
        wave = nj.pulse_train([0.6, 0.6], [1e-5, 1e-5], rise=1e-8, rest=gap).then(nj.rest(2e-5))
        circuit = neurons.mott_neuristor(wave)
        ts = np.linspace(0, float(wave.duration), 8001)
        v = np.asarray(circuit.transient(ts=ts, gradient="forward", progress=False).v["out"])
        return spikes(v[ts > 1e-5 + gap])

    assert second(1e-6) < second(8e-5)


@pytest.mark.slow
def test_period_of_a_relaxation_oscillator():
    """Between the formula without and that with the current through the open switch."""
    device = physics.NbO2Mott()
    circuit = neurons.relaxation_oscillator(device, 2.2, 1e4, 1e-10)
    times = np.asarray(nj.spike_times(circuit, "out", 1.3, 6, 1.2e-5, v0={"out": 0.0}))
    period = np.diff(times)[-1]
    simple = 1e4 * 1e-10 * np.log((2.2 - 0.745) / (2.2 - 1.672))
    # The open switch is 59 to 71 kohm in parallel: a divider of 1.9 V, and a time constant shorter by as much.
    part = 59.4 / 69.4
    leaky = part * 1e4 * 1e-10 * np.log((2.2 * part - 0.745) / (2.2 * part - 1.672))
    assert simple < period < 1.15 * leaky and np.ptp(np.diff(times)[1:]) < 1e-3 * period


@pytest.mark.slow
def test_spread_of_a_population():
    """Supply and threshold varied: some are silent, some spike, none fails."""
    rng = np.random.default_rng(0)
    circuit = neurons.mott_neuristor(nj.pulse(0.4, 2e-5, rise=1e-8, rest=4e-5)).replace(
        {"M1.rho_i": 1e-2 * np.exp(0.05 * rng.standard_normal(64)), "R1.resistance": rng.uniform(8e3, 1.6e4, 64)}
    )
    record = circuit.transient(ts=SAMPLES, gradient="forward", progress=False)
    counts = np.asarray([spikes(v) for v in np.asarray(record.v["out"])])
    assert bool(record.ok.all()) and counts.min() == 0 and counts.max() >= 1
