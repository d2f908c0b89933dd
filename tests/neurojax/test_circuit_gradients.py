"""Spike time, frequency and final weight of circuits: derivatives in every parameter against differences.

Forward mode, and central differences of fourth order from a population with one parameter of each member moved.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import RARELY

import neurojax as nj
import physics
from neurojax import neurons, synapses
from physics.device import Environment

STEP = 2e-4
ORDER = (-2, -1, 1, 2)


class Case(NamedTuple):
    """A circuit that spikes three times within its duration, node and level of the spikes."""

    circuit: nj.Circuit
    duration: float
    node: str
    level: float
    v0: dict[str, float]
    env: Environment = Environment()


CASES = {
    "oscillator": lambda: Case(
        neurons.relaxation_oscillator(physics.NbO2Mott(), 2.2, 1e4, 1e-12), 6e-8, "out", 1.3, {"out": 0.0}
    ),
    "filament": lambda: Case(neurons.filament_neuron(), 5e-4, "mem", 0.5, {"mem": 0.0}),
    "vanadium": lambda: Case(
        neurons.vanadium_oscillator(), 8e-8, "out", 0.2, {"out": 0.0, "read": 0.0}, Environment(jnp.asarray(314.4))
    ),
}


def inside(known):
    """Numbers that are not zero, a little within their bounds."""
    found = {}
    for name, p in known.items():
        value, (low, high) = float(p.value), p.bounds
        if value != 0:
            found[name] = float(np.clip(value, low + 2e-3 * abs(low), high - 2e-3 * abs(high)))
    return found


def compare(measured, n, least):
    """measured(logs of what each parameter is multiplied by, n of them) -> (figures, ...), as elasticities.

    Within 1e-4 of their size, or of a fortieth of the largest.
    """
    forward, base = jax.jacfwd(lambda a: (measured(list(a)),) * 2, has_aux=True)(jnp.zeros(n))
    steps = np.concatenate([k * STEP * np.eye(n) for k in ORDER]).T
    there = np.asarray(measured([jnp.asarray(a) for a in steps])).reshape(len(base), 4, n)
    central = np.einsum("fkp,k->fp", there, np.asarray([1, -8, 8, -1]) / (12 * STEP))
    found, expected = np.asarray(forward) / np.asarray(base)[:, None], central / np.asarray(base)[:, None]
    assert np.isfinite(found).all() and (np.abs(found) > 0.05).sum() >= least
    largest = np.abs(expected).max(axis=1, keepdims=True)
    assert np.all(np.abs(found - expected) < 1e-4 * np.maximum(np.abs(expected), 0.025 * largest))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["oscillator", *(pytest.param(n, marks=RARELY) for n in ("filament", "vanadium"))])
def test_spikes_in_every_parameter(name):
    """The first spike, and one over the time between the two that follow."""
    case = CASES[name]()
    start = inside(case.circuit.parameters())
    how: Any = dict(v0=case.v0, env=case.env, rtol=1e-9, atol=1e-11, gradient="forward", throw=False, max_steps=2**20)
    ts = np.linspace(0.0, case.duration, 351)

    def measured(logs):
        changed = case.circuit.replace({n: v * jnp.exp(a) for (n, v), a in zip(start.items(), logs, strict=True)})
        times = nj.spike_times(changed, case.node, case.level, 3, case.duration, ts=ts, **how)
        return jnp.stack([times[..., 0], 1 / (times[..., 2] - times[..., 1])])

    compare(measured, len(start), 5)


@pytest.mark.slow
@pytest.mark.parametrize("make", [synapses.one_transistor_synapse, synapses.one_selector_synapse])
def test_final_weight_in_every_parameter(make):
    """Of a pair of spikes, 1T1R and 1S1R."""
    synapse = make()
    start = inside(synapse.circuit.parameters())

    def one(logs):
        changed = synapse.replace({n: v * jnp.exp(a) for (n, v), a in zip(start.items(), logs, strict=True)})
        return changed.respond([0.0], [1e-5], samples=1, rtol=1e-10, atol=1e-13).final

    def measured(logs):
        if jnp.ndim(logs[0]) == 0:
            return one(logs)[None]
        return jax.lax.map(lambda a: one(list(a)), jnp.stack(logs, axis=1))[None]

    compare(measured, len(start), 3)
