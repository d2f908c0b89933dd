"""Coupled states: the numbers of row D16, lifetimes of pilots, gradients, the circuit, and the comparison."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import rarely

import physics
from learning.experiments import x4_report
from learning.experiments.x4_chain import (
    C_BOUNDS,
    G_BOUNDS,
    Chain,
    brightened,
    hand_law,
    horizon_loss,
    lifetime_loss,
)
from learning.experiments.x4_circuit import gap_cell, kicked, relaxing
from neurojax.errors import DataError, DesignError

N = 1e5
AGES = jnp.asarray([1.0, 10.0, 100.0, 1e3, 1e4, 1e5])


def test_impulse_of_the_chain():
    """Row D16, m = 12, to six digits, and the slope of t^-1/2."""
    u = np.asarray(Chain.benna_fusi(12).response(AGES))
    assert u.tolist() == pytest.approx([0.791262, 0.295004, 0.0951500, 0.0299513, 0.00948386, 0.00300697], rel=2e-6)
    slopes = np.diff(np.log10(u))[2:]
    assert slopes.tolist() == pytest.approx([-0.5020, -0.4994, -0.4989], abs=5e-5)
    assert float(Chain.benna_fusi(12).response(jnp.zeros(()))) == pytest.approx(1.0, abs=1e-12)


def test_noise_grows_by_the_same_for_each_state():
    noise = [float(Chain.benna_fusi(m).noise()) for m in (4, 8, 12)]
    assert noise == pytest.approx([6.490767, 11.561990, 16.559222], abs=5.1e-7)
    assert (noise[2] - noise[1]) / 4 == pytest.approx(1.2486, abs=1e-3)


def test_modes_are_the_matrix_exponential():
    chain = Chain.of((1.0, 3.0, 7.0), (0.3, 0.05, 0.01))
    flow = np.zeros((3, 3))
    for k, g in enumerate((0.3, 0.05, 0.01)):
        flow[k, k] += g
        if k < 2:
            flow[k + 1, k + 1] += g
            flow[k, k + 1] = flow[k + 1, k] = -g
    step = jnp.asarray(-flow / np.asarray([[1.0], [3.0], [7.0]]))
    for t in (0.5, 20.0, 900.0):
        assert float(chain.response(jnp.asarray(t))) == pytest.approx(
            float(jax.scipy.linalg.expm(t * step)[0, 0]), rel=1e-9
        )
    t = jnp.linspace(0, 4e4, 2_000_001)
    assert float(chain.noise()) == pytest.approx(float(jnp.trapezoid(chain.response(t) ** 2, t)), rel=1e-5)


def test_lifetimes_of_the_pilots():
    """One state in closed form; C = 2^k with four states 1320; a pair of a volatile and a lasting state 35 339."""
    one = Chain.of((1.0,), (1 / 125,))
    assert float(one.signal_to_noise(jnp.zeros(()), N)) == pytest.approx(40.0)
    assert float(one.lifetime(N)) == pytest.approx(125 * np.log(40.0), rel=1e-9)
    assert float(one.lifetime(N)) == pytest.approx(454, rel=0.02)
    assert float(Chain.benna_fusi(4).lifetime(N)) == pytest.approx(1320, rel=2e-3)
    pair = Chain.of((1.0, 36.3), (0.429, 5.3e-4))
    assert float(pair.lifetime(N)) == pytest.approx(35_339, rel=0.01)
    assert float(pair.signal_to_noise(pair.lifetime(N), N)) == pytest.approx(1.0, abs=1e-9)
    assert float(one.lifetime(1e-3)) == 0.0


def test_lifetime_grows_with_the_synapses_not_their_root():
    lives = [float(Chain.benna_fusi(12).lifetime(n)) for n in (1e3, 1e4, 1e5)]
    powers = np.diff(np.log10(lives))
    assert (powers > 0.9).all() and (powers < 1.05).all()


@pytest.mark.parametrize("of", [lambda c: c.lifetime(N), lifetime_loss, horizon_loss, lambda c: c.noise()])
def test_gradients_are_those_of_differences(of):
    chain = Chain.of((1.3, 9.0, 40.0), (0.5, 0.02, 6e-4))
    values, shape = jax.flatten_util.ravel_pytree(chain)
    f = jax.jit(lambda logs: of(shape(jnp.exp(logs))))
    at = jnp.log(values)
    there = [(f(at + h) - f(at - h)) / 2e-5 for h in 1e-5 * jnp.eye(6)]
    assert np.allclose(jax.grad(f)(at), there, rtol=1e-6, atol=1e-7 * np.abs(there).max())
    assert float(of(chain)) == pytest.approx(float(f(at)), rel=1e-10)
    both = jax.vmap(f)(jnp.stack([at, at + 0.1]))
    assert both.tolist() == pytest.approx([float(f(at)), float(f(at + 0.1))], rel=1e-9)


def test_bright_enough():
    dim = Chain.of((1.0, 30.0), (0.02, 1e-4))
    bright = brightened(dim)
    assert float(N / dim.noise()) < 1600 and float(N / bright.noise()) == pytest.approx(1600)
    assert jnp.array_equal(brightened(Chain.benna_fusi(4)).g, Chain.benna_fusi(4).g)
    # Where the bounds of the couplings do not allow it, the rest is charged for.
    slow = Chain.of((200.0,), (1.0,))
    bright, penalty = brightened(slow), 10 * np.log(1600 * float(brightened(slow).noise()) / N)
    assert float(bright.g[0]) == G_BOUNDS[1] and penalty > 0
    assert float(lifetime_loss(slow)) == pytest.approx(penalty - np.log(float(bright.lifetime(N))))


def test_hand_laws():
    """Within bounds; a pair lasts 79 times as long as one state, and more states do no better for one lifetime."""
    chains = [hand_law(m) for m in (1, 2, 4)]
    lives = [float(brightened(c).lifetime(N)) for c in chains]
    assert lives[0] == pytest.approx(461.1, rel=1e-3) and lives[1] > 35_339 and lives[2] < lives[1]
    for chain in chains:
        assert C_BOUNDS[0] <= float(chain.c.min()) and float(chain.c.max()) <= C_BOUNDS[1]
        assert G_BOUNDS[0] <= float(chain.g.min()) and float(chain.g.max()) <= G_BOUNDS[1]


@pytest.mark.slow
def test_more_states_serve_many_ages_better():
    losses = [float(horizon_loss(hand_law(m, horizon_loss))) for m in (1, 2, 3, 4)]
    assert losses[0] > losses[1] + 1 and losses[1] > losses[2] + 0.05 and losses[2] > losses[3] + 0.02
    chain = hand_law(2, horizon_loss)
    by_hand = -np.mean(np.log(np.asarray(chain.signal_to_noise(AGES[:5], N))))
    assert losses[1] == pytest.approx(by_hand)


def test_a_chain_needs_as_many_of_each():
    with pytest.raises(DataError, match="as many of each"):
        Chain.of((1.0, 2.0), (0.1,))
    with pytest.raises(DataError, match="above zero"):
        Chain.of((1.0, 0.0), (0.1, 0.1))


@pytest.mark.slow
def test_the_circuit_is_the_chain():
    """Capacitors and resistors by the transient simulator: another method, the same numbers."""
    for chain in (Chain.benna_fusi(4), Chain.of((1.0, 36.3), (0.429, 5.3e-4))):
        assert np.allclose(kicked(chain, AGES[:4]) / chain.response(AGES[:4]), 1.0, atol=1e-7)


@rarely
def test_filaments_in_the_place_of_resistors():
    """Their sinh makes a kick fade faster, the less the smaller it is: as the square of the voltage."""
    chain = Chain.of((4.18, 54.4), (0.0676, 0.00623))
    off = [
        np.asarray(kicked(chain, AGES[:4], coupling=gap_cell, volts=v) / chain.response(AGES[:4]) - 1)
        for v in (0.1, 0.05)
    ]
    assert (off[0] < 0).all() and np.abs(off[0]).max() < 0.02
    assert (off[0] / off[1]).tolist() == pytest.approx([4.0] * 4, rel=0.05)
    with pytest.raises(DataError, match=r"the device has 4\.46e-06 to 0\.0018 S"):
        gap_cell(1e-7)


def test_a_volatile_device_is_one_state():
    chain = relaxing(physics.Wox(), 1e-3)
    assert float(chain.g[0]) == pytest.approx(1e-3 / 0.05, rel=1e-9)
    assert float(chain.lifetime(N)) == pytest.approx(50 * np.log(np.sqrt(2 * N / 50)), rel=1e-9)
    with pytest.raises(DataError, match="keeps its state"):
        relaxing(physics.LinearDrift(), 1e-3)


@rarely
def test_the_comparison_is_honest():
    """One seed, few steps: the table has all methods and the text says who wins."""
    with jax.numpy_dtype_promotion("standard"):
        told = x4_report.run(states="2", aims="lifetime", seeds=1, steps=60)
    found = told.comparisons["lifetime", 2]
    assert set(found.trials) == {"C = 2^k", "best geometric law", "random search", "(1+1)-ES", "CMA-ES", "gradient"}
    assert 1 / found.best("best geometric law").test > 35_339
    best = min(t.test for trials in found.trials.values() for t in trials)
    assert float(told.chains["lifetime", 2].lifetime(N)) == pytest.approx(1 / best, rel=1e-4)
    assert "The gradient" in repr(told) and "lifetime, 2 states" in told.to_dict()
    with pytest.raises(DataError, match="aims = 'age'"):
        x4_report.run(aims="age")


@pytest.mark.slow
def test_a_run_goes_on_where_it_was(tmp_path):
    """Searches that are done are read, with the seconds they took; another run may not have the folder."""
    first, again = (x4_report.compared("lifetime", 2, 1, 60, 0.3, tmp_path)[0] for _ in range(2))
    assert first.trials == again.trials
    with pytest.raises(DesignError, match="other settings"):
        x4_report.compared("lifetime", 2, 1, 61, 0.3, tmp_path)
