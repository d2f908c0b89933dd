"""Receptors against closed forms and SciPy, clamped in a circuit."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import neurojax as nj
import physics
from physics.device import Environment

ENV = Environment()
EXACT = dict(rtol=1e-9, atol=1e-11, gradient="forward", progress=False)


def test_transmitter_of_one_millimole_for_a_millisecond():
    """The closed form of r; what a clamped cell gets; nothing flows into the transmitter."""
    receptors = dict(A=physics.Ampa(), G=physics.GabaA(), N=physics.Nmda())
    circuit = nj.Circuit(
        V1=(nj.Waveform([0.0, 1e-3, 1e-3, 11e-3], [1.0, 1.0, 0.0, 0.0]), "glu", "gnd"), V2=(-40e-3, "in", "gnd"),
        **{name: (receptor, "glu", "in", "gnd") for name, receptor in receptors.items()},
    )  # fmt: skip
    t, total = np.asarray([0.25, 0.5, 1.0, 2.0, 5.0, 11.0]), np.zeros(6)
    record = circuit.transient(ts=1e-3 * t, **EXACT)
    for name, alpha, beta, free in (("A", 1.1, 0.19, 1.0), ("G", 5.0, 0.18, 1.0), ("N", 0.072, 0.0066, 0.230155)):
        both = alpha + beta
        bound = alpha / both * -np.expm1(-both * np.minimum(t, 1.0)) * np.exp(-beta * np.maximum(t - 1, 0))
        np.testing.assert_allclose(record.x[name].r, bound, rtol=2e-6)
        total += 1e-9 * bound * free * (-40e-3 - float(receptors[name].e_rev))
    np.testing.assert_allclose(record.i["V2"], -total, rtol=4e-6, atol=1e-16)
    assert float(jnp.abs(record.i["V1"]).max()) == 0.0


@pytest.mark.parametrize(
    "receptor, tau, e_rev", [(physics.BrunelWangAmpa(), 2e-3, 0.0), (physics.BrunelWangGabaA(), 10e-3, -70e-3)]
)
def test_each_spike_adds_one_that_decays(receptor, tau, e_rev):
    """s of one spike of 1 ms in closed form, 1 in all; the current of a clamped cell decays with tau."""
    spike = nj.Waveform([0.0, 1e-3, 1e-3, 21e-3], [1.0, 1.0, 0.0, 0.0])
    circuit = nj.Circuit(V1=(spike, "glu", "gnd"), V2=(-40e-3, "in", "gnd"), R1=(receptor, "glu", "in", "gnd"))
    t = 1e-3 * np.asarray([0.3, 1.0, 4.0, 9.0, 21.0])
    record = circuit.transient(ts=t, **EXACT)
    rise = tau / 1e-3 * -np.expm1(-np.minimum(t, 1e-3) / tau)
    np.testing.assert_allclose(record.x["R1"].s, rise * np.exp(-np.maximum(t - 1e-3, 0) / tau), rtol=2e-6)
    i = np.asarray(record.i["V2"])
    np.testing.assert_allclose(-i, 1e-9 * np.asarray(record.x["R1"].s) * (-40e-3 - e_rev), rtol=1e-7)
    assert 5e-3 / math.log(i[2] / i[3]) == pytest.approx(tau, rel=1e-6)


def test_saturating_receptor_of_spikes():
    """x and s against SciPy: 2 ms up, 100 ms down, and 100 spikes a second open 10/11 of it on average."""
    receptor = physics.BrunelWangNmda()
    start = 1e-2 * np.arange(41)
    knots = np.stack([start[:-1], start[:-1] + 1e-3, start[:-1] + 1e-3, start[1:]], axis=1).ravel()
    train = nj.Waveform(np.append(knots, 0.9), np.append(np.tile([1.0, 1.0, 0.0, 0.0], 40), 0.0))
    circuit = nj.Circuit(V1=(train, "glu", "gnd"), V2=(-40e-3, "in", "gnd"), R1=(receptor, "glu", "in", "gnd"))
    ts = np.asarray([1e-3, 10e-3, 0.1, 0.4, 0.6, 0.7])
    record = circuit.transient(ts=np.append(ts, 0.9), **EXACT)
    x, s = (np.asarray(a)[:-1] for a in (record.x["R1"].x, record.x["R1"].s))
    y, found, t = np.zeros(2), [], 0.0
    for stop in np.unique(np.concatenate([knots, ts])):
        if stop > t:
            k = 1e3 if t < 0.4 and (t + 1e-9) % 10e-3 < 1e-3 else 0.0
            slopes = lambda _, y: [k - y[0] / 2e-3, 500 * y[0] * (1 - y[1]) - y[1] / 0.1]  # noqa: B023, E731
            y, t = solve_ivp(slopes, (t, stop), y, rtol=1e-11, atol=1e-13).y[:, -1], stop
        if stop in ts:
            found.append(y)
    np.testing.assert_allclose(np.stack([x, s], axis=1), found, rtol=1e-6, atol=1e-9)
    assert 0.85 < s[3] < 10 / 11 and 0.1 / math.log(s[4] / s[5]) == pytest.approx(0.1, abs=1e-6)
    v = jnp.asarray([-65e-3, 20e-3])
    np.testing.assert_allclose(jax.vmap(receptor.unblocked)(v), [0.059668, 0.925018], atol=5e-7)


def test_magnesium_block():
    v = 1e-3 * jnp.asarray([-80.0, -65.0, -40.0, -20.0, 0.0, 20.0, 40.0])
    expected = [0.024425, 0.059668, 0.230155, 0.508141, 0.781182, 0.925018, 0.977080]
    np.testing.assert_allclose(jax.vmap(physics.Nmda().unblocked)(v), expected, atol=5e-7)


def test_no_transmitter_below_zero():
    """And the slope along [T] at none of it is that of what comes, so that it can be learned."""
    receptor = physics.Ampa()
    x = receptor.init(ENV)
    rate = jax.value_and_grad(lambda t: receptor.rate(x, jnp.stack([t, jnp.asarray(-65e-3)]), ENV).r)
    assert [float(a) for a in rate(jnp.asarray(-0.1))] == [0.0, 0.0]
    assert [float(a) for a in rate(jnp.asarray(0.0))] == pytest.approx([0.0, 1.1e3])
