"""Programming of oxide memristors against the reference numbers of the published fits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from physics.rram_statistics import RramProgramming

MILO, WAN = RramProgramming(), RramProgramming.wan()


@pytest.mark.parametrize(
    ("law", "targets", "spreads"),
    [(MILO, (50, 100, 225), (4.326971, 3.871621, 2.733246)), (WAN, (5, 20, 39), (1.967450, 2.361800, 1.672928))],
    ids=["Milo", "Wan"],
)
def test_spread_of_the_published_fits(law, targets, spreads):
    found = law.programming_spread(1e-6 * jnp.asarray(targets, dtype=float))
    np.testing.assert_allclose(1e6 * found, spreads, atol=6e-7)


def test_largest_spread_of_wan():
    """1 uS for nothing, 2.5 uS at most, near 15 uS."""
    uS = jnp.linspace(0.0, 39.26, 400)
    found = 1e6 * WAN.programming_spread(1e-6 * uS)
    assert float(found[0]) == pytest.approx(1.053, rel=1e-6)
    assert 13 < float(uS[int(jnp.argmax(found))]) < 17 and 2.4 < float(jnp.max(found)) < 2.6


def test_samples_have_the_spread_and_are_never_negative():
    noise = jax.random.normal(jax.random.key(0), (20_000,))
    found = MILO.programmed(jnp.full(20_000, 1e-4), noise)
    assert float(jnp.std(found)) == pytest.approx(3.871621e-6, rel=3 / np.sqrt(40_000))
    low = WAN.programmed(jnp.zeros(20_000), noise)
    assert float(jnp.min(low)) >= 0
    # No spread where the line has come down to zero.
    assert float(MILO.programming_spread(jnp.asarray(6e-4))) < 1e-9


def test_gradient_along_a_path():
    one = jnp.asarray(0.7)
    slope = jax.grad(lambda g: MILO.programmed(g, one))(jnp.asarray(1e-4))
    assert float(slope) == pytest.approx(1 - 0.009107 * 0.7, rel=1e-9)
