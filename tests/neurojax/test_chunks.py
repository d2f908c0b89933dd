"""Large populations: chunks, threads and devices change neither the states nor the steps."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np

import neurojax as nj
import physics
from neurojax import _chunks

WAVE = nj.triangle(0.6, -0.6, 1e-6)


def members(n):
    return physics.Vteam(r_on=jnp.linspace(50.0, 200.0, n))


def test_chunks_on_all_cores_give_what_one_run_gives():
    ts = np.linspace(0.0, 1e-6, 20)
    whole = nj.simulate(members(70), WAVE, ts=ts)
    parts = nj.simulate(members(70), WAVE, ts=ts, chunk=32)
    assert parts.i.shape == (70, 20)
    np.testing.assert_allclose(parts.i, whole.i, rtol=1e-12)
    np.testing.assert_array_equal(parts.steps, whole.steps)


def test_a_population_below_a_chunk_is_one_run():
    assert not _chunks.worthwhile(32, members(32), 32)
    assert _chunks.worthwhile(33, members(33), 32)


def test_few_chunks_are_shared_evenly_among_the_cores(monkeypatch):
    monkeypatch.setattr(_chunks, "cores", lambda: 2)
    sizes = {n: _chunks.size_of_chunks(n, 1024) for n in (127, 300, 1000, 3000, 10_000, 1_000_000)}
    assert sizes == {127: 1024, 300: 150, 1000: 500, 3000: 750, 10_000: 1024, 1_000_000: 1024}


def test_gradients_of_a_population_larger_than_a_chunk():
    """Traced, a population is one run."""

    def loss(r_on, chunk):
        return jnp.sum(nj.simulate(physics.Vteam(r_on=r_on), WAVE, chunk=chunk, ts=jnp.linspace(0.0, 1e-6, 20)).i)

    r_on = jnp.linspace(50.0, 200.0, 6)
    np.testing.assert_allclose(jax.grad(loss)(r_on, 4), jax.grad(loss)(r_on, 1024), rtol=1e-12)


ON_EIGHT = """
import jax
jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
import neurojax as nj, physics
assert len(jax.devices()) == 8
wave, r_on = nj.triangle(0.6, -0.6, 1e-6), jnp.linspace(50.0, 200.0, 16)
there = jax.device_put(r_on, NamedSharding(jax.make_mesh((8,), ("members",)), PartitionSpec("members")))
one = nj.simulate(physics.Vteam(r_on=r_on), wave)
eight = nj.simulate(physics.Vteam(r_on=there), wave)
assert len(eight.i.sharding.device_set) == 8
np.testing.assert_allclose(np.asarray(eight.i), np.asarray(one.i), rtol=1e-12)
np.testing.assert_array_equal(np.asarray(eight.steps), np.asarray(one.steps))
elsewhere = jax.device_put(r_on, jax.devices()[3])
parts = nj.simulate(physics.Vteam(r_on=elsewhere), wave, chunk=4)
assert parts.i.sharding.device_set == {jax.devices()[3]}
np.testing.assert_allclose(np.asarray(parts.i), np.asarray(one.i), rtol=1e-12)
"""


def test_a_population_spread_over_eight_devices_stays_there():
    flag = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", ON_EIGHT], env=os.environ | flag, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
