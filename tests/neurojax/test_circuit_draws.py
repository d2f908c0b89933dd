"""Random draws of the circuits of neurons: each ends or says that it does not, and none is silently wrong.

NEUROJAX_CIRCUIT_DRAWS=500 pytest -m slow tests/neurojax/test_circuit_draws.py for more of each.
"""

import os
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from neuron_cases import crossings

import physics
from neurojax import neurons
from neurojax.circuit_record import NO_OPERATING_POINT
from physics.device import Environment

MANY, SURE = int(os.environ.get("NEUROJAX_CIRCUIT_DRAWS", "50")), 20
OPTIONS: Any = dict(gradient="forward", progress=False, throw=False, max_steps=2**20)
ENV, BASE = Environment(), Environment(temperature=jnp.asarray(314.4))


def mott_oscillator():
    return neurons.relaxation_oscillator(physics.NbO2Mott(), 2.2, 1e4, 1e-12)


DRAWS = {
    "mott": (neurons.mott_neuristor, 6e-6, "out", 0.5, {}, ENV),
    "oscillator": (mott_oscillator, 6e-8, "out", 1.0, {"out": 0.0}, ENV),
    "diffusive": (neurons.diffusive_neuron, 5e-4, "out", 1e-3, {}, ENV),
    "ovonic": (neurons.ovonic_neuron, 5e-7, "out", 1.29, {"out": 0.0}, ENV),
    "filament": (neurons.filament_neuron, 5e-4, "mem", 0.5, {"mem": 0.0}, ENV),
    "vanadium": (neurons.vanadium_oscillator, 1e-7, "out", 0.2, {"out": 0.0, "read": 0.0}, BASE),
}
"""Circuit, duration, and the node and level at which it spikes."""


def drawn(circuit, n, seed=0):
    """All parameters at once, log-uniform within 30 % and within their bounds."""
    rng, values = np.random.default_rng(seed), {}
    for name, p in circuit.parameters().items():
        part = np.exp(rng.uniform(np.log(0.7), np.log(1.3), n))
        values[name] = np.clip(float(p.value) * part, *p.bounds)
    return circuit.replace(values)


def spikes_of(name, circuit, rtol):
    """Result code of each member, its voltage, and its crossings."""
    _, duration, node, level, v0, env = DRAWS[name]
    ts = np.linspace(0.0, duration, 4001)
    record = circuit.transient(duration, ts=ts, v0=v0, env=env, rtol=rtol, atol=1e-2 * rtol, **OPTIONS)
    v = np.asarray(record.v[node])
    return np.asarray(record.code), v, [crossings(ts, member, level) for member in v]


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWS)
def test_random_circuits(name):
    """Nearly all end; of a sample of those all spikes and the last voltage are those of a run a thousand times sharper.

    A level that is only just reached may be crossed or not.
    """
    circuit, level = drawn(DRAWS[name][0](), MANY), DRAWS[name][3]
    code, v, found = spikes_of(name, circuit, 1e-6)
    assert set(np.unique(code)) <= {0, 1, 2, 3, NO_OPERATING_POINT} and np.mean(code != 0) <= 0.02
    assert np.isfinite(v[code == 0]).all() and any(a.size for a in found)
    some = np.linspace(0, MANY - 1, SURE).astype(int)
    draws = {n: np.asarray(p.value)[some] for n, p in circuit.parameters().items()}
    sure, exact, times = spikes_of(name, DRAWS[name][0]().replace(draws), 1e-9)
    for k, j in enumerate(some):
        if code[j] or sure[k] or abs(exact[k].max() / level - 1) < 1e-3:
            continue
        assert found[j].size == times[k].size
        np.testing.assert_allclose(found[j], times[k], rtol=2e-3)
        assert v[j, -1] == pytest.approx(exact[k, -1], abs=0.02 * np.ptp(exact[k]))
