"""Cycles of one device whose parameters change, and figures of merit of records."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurojax as nj
import physics

WAVE = nj.triangle(0.6, -0.6, 1e-6)
SPREAD = {"r_on": nj.LogNormal(0.1), "k_on": nj.LogNormal(0.3)}


def test_state_is_handed_on_and_parameters_are_those_of_a_population():
    key = jax.random.key(4)
    record = nj.cycles(physics.Vteam(), WAVE, 5, SPREAD, key=key)
    np.testing.assert_array_equal(record.x.w[1:, 0], record.x.w[:-1, -1])
    members = nj.population(physics.Vteam(), 5, SPREAD, key=key)
    third = physics.Vteam(r_on=members.r_on[2], k_on=members.k_on[2])
    alone = nj.simulate(third, WAVE, x0=physics.Vteam.State(w=record.x.w[1, -1]))
    np.testing.assert_allclose(record.i[2], alone.i, rtol=1e-9, atol=1e-15)
    assert record.ok.shape == (5,) and len(np.unique(np.asarray(record.steps))) >= 1


def test_no_spread_repeats_one_cycle():
    quiet = {"r_on": nj.LogNormal(1e-12)}
    record = nj.cycles(physics.Vteam(), WAVE, 3, quiet, key=jax.random.key(0))
    np.testing.assert_allclose(record.i[2], record.i[1], rtol=1e-5, atol=1e-9)
    with pytest.raises(nj.SimulationError, match="n = 0 cycles"):
        nj.cycles(physics.Vteam(), WAVE, 0, quiet, key=jax.random.key(0))


@pytest.mark.slow
def test_gradient_through_cycles():
    def loss(sigma):
        record = nj.cycles(
            physics.Vteam(), WAVE, 2, {"k_on": nj.LogNormal(sigma)}, key=jax.random.key(0), ts=[0.0, 2e-7]
        )
        return record.x.w[-1, -1]

    at = jnp.asarray(0.2)
    slope, ends = jax.grad(loss)(at), [loss(at + s) for s in (1e-4, -1e-4)]
    assert float(slope) == pytest.approx(float(ends[0] - ends[1]) / 2e-4, rel=1e-4)
