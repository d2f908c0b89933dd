"""Lanes in blocks, the last of them with room for more: neither states nor derivatives may notice."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import RARELY

from neurojax import _adjoint, _blocks, _lanes, stiff

LANES = 5


def bent(member, y, v):
    speed, gain = member
    return speed * jnp.sinh(gain * v[None] - y**3)


def problem(own: bool):
    """Members of which one leaf is shared, knots, voltages and samples (each lane its own or all the same), starts."""
    t, v, ts = jnp.asarray([0.0, 0.7, 2.0]), jnp.asarray([0.0, 1.5, 0.2]), jnp.asarray([0.3, 0.9, 1.9])
    if own:
        t, v, ts = (jnp.linspace(1.0, 1.04, LANES)[:, None] * a[None] for a in (t, v, ts))
    return (jnp.linspace(3.0, 20.0, LANES), jnp.asarray(0.7)), (t, v, ts), jnp.linspace(0.0, 0.5, LANES)[None]


def states(member, drive, y0, by):
    how = _lanes.Control(2**12, 64)
    return by(
        _lanes.Equations(bent), member, (0, None), stiff.Drive(*drive), y0, jnp.asarray(1e-8), jnp.asarray(1e-10), how
    )


def loss(by):
    weights = jnp.sin(jnp.arange(3.0 * LANES)).reshape(LANES, 3, 1)
    return lambda *inputs: jnp.sum(weights * states(*inputs, by).y)


@pytest.mark.slow
@pytest.mark.parametrize("own", [pytest.param(False, marks=RARELY), True])
def test_blocks_give_what_one_run_gives(own, monkeypatch):
    """All at once; in blocks of two; so that of four lanes the steps are kept, and the others are run once more."""
    inputs, given = problem(own), {}
    for size, kept in ((LANES, LANES), (2, LANES), (2, 4)):
        monkeypatch.setattr(_blocks, "BLOCK", size)
        monkeypatch.setattr(_adjoint, "KEPT", kept)
        solution = states(*inputs, stiff.integrate)
        backwards = jax.grad(loss(_adjoint.integrate), argnums=(0, 1, 2))(*inputs)
        forwards = jax.jvp(loss(stiff.integrate), inputs, jax.tree.map(jnp.ones_like, inputs))[1]
        given[size, kept] = solution, backwards, forwards
    assert _blocks.blocks(LANES) == (3, 2)
    (one, back, ahead), *others = given.values()
    for parts, back_of_parts, ahead_of_parts in others:
        np.testing.assert_array_equal(parts.steps, one.steps)
        for a, b in zip(jax.tree.leaves((parts, back_of_parts)), jax.tree.leaves((one, back)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
        assert float(ahead_of_parts) == pytest.approx(float(ahead), rel=1e-10)
        assert float(sum(jnp.sum(a) for a in jax.tree.leaves(back_of_parts))) == pytest.approx(float(ahead), rel=1e-9)


def test_only_what_has_lanes_is_cut():
    inputs = {"each": jnp.arange(130.0), "all": jnp.arange(3.0)}

    def run(count, block, number):
        assert block["each"].shape == (48,) and block["all"].shape == (3,)
        return count + 1, block["each"] + 1000.0 * number.astype(float)

    count, out = _blocks.over_blocks(run, jnp.zeros((), jnp.int32), inputs, {"each": 0, "all": None}, 130)
    assert int(count) == 3
    np.testing.assert_array_equal(out, np.arange(130) + 1000 * (np.arange(130) // 48))
