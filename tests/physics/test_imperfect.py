"""Wear, faults and scatter around every device: what they change, and that they change nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurojax as nj
from neurojax.members import Members
from physics.device import Environment, stores_charge
from physics.imperfect import Fluctuating, Stuck, Worn
from physics.quantity import parameters

ENV = Environment()
WITH_STATES = [n for n, kind in nj.devices().items() if parameters(kind().init(ENV))]
QUICK = ("Ecram", "FeFet", "GapRram", "NbO2Mott", "PhaseChangeCell", "Vteam")
CASES = [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in WITH_STATES]
CYCLES, SIGMA = 50.0, 0.03


def volts(device):
    return jnp.ravel(jnp.asarray(device.sweep.v_max, float))[-1] * 0.7 * jnp.ones(device.port_shape)


def close(found, expected, **how):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, **({"rtol": 1e-12} | how))


@pytest.mark.parametrize("name", CASES)
def test_around_a_device(name):
    """Rates of a worn, a stuck and a scattering device in closed form; current and charge are those of the device."""
    device = nj.devices()[name]()
    counted = tuple(parameters(device.init(ENV)))[:1]
    v = volts(device)

    @jax.jit
    def everything(v):
        x = device.init(ENV)
        worn, noisy = Worn(device, counted, cycles=jnp.asarray(CYCLES)), Fluctuating(device, sigma=jnp.asarray(SIGMA))
        at = [Worn.State(x, jnp.asarray(d)) for d in (0.0, 1.5)]
        stuck = [Stuck(device, jax.tree.map(lambda a: a + 0.25, x), x, at=jnp.asarray(a)) for a in (0.0, 1.0)]
        bare = device.rate(x, v, ENV)
        seen = [
            Members(d, ENV, None).observe(y, v, jnp.ones_like(v)) for d, y in ((device, x), (stuck[0], x), (noisy, x))
        ]
        return (x, bare, [worn.rate(a, v, ENV) for a in at], [s.rate(x, v, ENV) for s in stuck],
                [s.init(ENV) for s in stuck], noisy.diffusion(x, v, ENV), noisy.rate(x, v, ENV), seen,
                Members(worn, ENV, None).observe(at[0], v, jnp.ones_like(v)))  # fmt: skip

    x, bare, (fresh, worn), (works, rests), (begins, on), diffusion, mean, seen, of_worn = everything(v)
    spans = {n: p.bounds[1] - p.bounds[0] for n, p in parameters(x).items()}
    close(fresh.device, bare)
    close(worn.device, jax.tree.map(lambda r: r * np.exp(-(1.5**2)), bare), rtol=1e-9)
    moved = sum(abs(float(parameters(fresh.device)[n].value)) / spans[n] for n in counted)
    assert float(fresh.damage) == pytest.approx(moved / (2 * CYCLES), rel=1e-12)
    close((works, mean, begins), (bare, bare, x))
    close(on, jax.tree.map(lambda a: a + 0.25, x))
    assert not any(np.any(r) for r in jax.tree.leaves(rests))
    least = 1e-9 / device.sweep.period
    for n, p in parameters(diffusion).items():
        rate = float(parameters(bare)[n].value)
        exact = SIGMA * np.sqrt(spans[n] * np.hypot(rate, least * spans[n]))
        assert float(p.value) == pytest.approx(exact, rel=1e-9)
    close(seen[1:], [seen[0]] * 2)
    # A fresh one moves as fast as its device to 1e-24.
    close(of_worn, seen[0], rtol=1e-9)
    assert Worn(device, counted).terminals == device.terminals and stores_charge(device) == stores_charge(
        stuck_of(device)
    )


def stuck_of(device):
    return Stuck(device, device.init(ENV), device.init(ENV))


@pytest.mark.slow
def test_what_charges_a_gate_flows_through_a_worn_transistor_too():
    """The current of a FeFET's gate is nearly all d/dt of its charge; a wrapper without it would lose it in silence."""
    device = nj.devices()["FeFet"]()
    wave, ts = nj.triangle(*device.sweep), np.linspace(0.0, device.sweep.period, 41)
    how = dict(ts=ts, gradient="forward", progress=False)
    counted = tuple(parameters(device.init(ENV)))[:1]
    plain, worn = (nj.simulate(d, wave, **how) for d in (device, Worn(device, counted, cycles=jnp.asarray(1e12))))
    largest = np.abs(np.asarray(plain.i)).max(axis=0)
    assert largest[0] > 0
    np.testing.assert_allclose(np.asarray(worn.i) / largest, np.asarray(plain.i) / largest, atol=1e-4)
