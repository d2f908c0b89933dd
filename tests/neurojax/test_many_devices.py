"""Arrays spread over eight forced devices, and a batch over two processes: the same numbers as on one device."""

import os
import socket
import subprocess
import sys

import pytest

from neurojax import _bench_sharded

pytestmark = pytest.mark.slow

COMMON = """
import jax, numpy as np, jax.numpy as jnp
jax.config.update("jax_enable_x64", True)
import neurojax as nj
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
rng = np.random.default_rng(0)
g, v = 10 ** rng.uniform(-6, -4, (16, 12)), rng.uniform(0, 0.2, (40, 16))
wires = nj.Wires.uniform(5.0)
def loss(g, v):
    return jnp.sum(nj.Crossbar(g, wires).read(v).i ** 2) * 1e8
def same(a, b, rtol=1e-9):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=1e-20), a, b)
"""
EIGHT = """
mesh = Mesh(np.array(jax.devices()), ("x",))
assert mesh.size == 8
array = nj.Crossbar(jnp.asarray(g), wires)
there = jax.device_put(v, NamedSharding(mesh, P("x")))
one, eight = array.read(v), array.read(there)
for name in ("i", "i_rows", "power", "v_rows", "v_columns", "i_cells", "i_along_rows", "i_left", "i_bottom", "ok"):
    same(getattr(one, name), getattr(eight, name))
assert len(eight.i.sharding.device_set) == 8 and eight.v_rows.shape == (40, 16, 12)
assert array.read(there.reshape(8, 5, 16)).i.shape == (8, 5, 12)
same(jax.grad(loss, (0, 1))(g, v), jax.jit(jax.grad(loss, (0, 1)))(g, there))
def layer(mesh):
    hardware = nj.layers.Hardware(wires=wires, tile=(8, 6), fidelity="wires", mesh=mesh)
    return nj.layers.CrossbarLinear(20, 10, hardware=hardware, rngs=nnx.Rngs(0))
x = jnp.asarray(rng.normal(size=(5, 20)))
# Three by two tiles of two arrays each: twelve, which eight devices do not divide.
for of in (lambda m: m(x), nnx.grad(lambda m: jnp.sum(m(x) ** 2))):
    same(of(layer(None)), of(layer(mesh)), 1e-8)
print("as on one")
"""
JOIN = """
import sys, jax, neurojax
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(f"localhost:{sys.argv[1]}", num_processes=2, process_id=int(sys.argv[2]))
"""
HOSTS = """
assert jax.device_count() == 8 and jax.local_device_count() == 4
mesh = Mesh(np.array(jax.devices()), ("batch",))
mine = np.split(v, 2)[int(sys.argv[2])]
there = jax.make_array_from_process_local_data(NamedSharding(mesh, P("batch")), mine)
everywhere = jax.device_put(g, NamedSharding(mesh, P()))
step = jax.jit(jax.value_and_grad(loss), out_shardings=NamedSharding(mesh, P()))
value, slope = step(everywhere, there)
expected = jax.jit(jax.value_and_grad(loss))(g, v)
same(expected, (value.addressable_data(0), slope.addressable_data(0)))
print("as on one")
"""


def command(script: str, *args: str) -> list[str]:
    return [sys.executable, "-c", script, *args]


def environment(devices: int) -> dict[str, str]:
    forced = f"--xla_force_host_platform_device_count={devices}"
    return os.environ | {"XLA_FLAGS": forced, "JAX_PLATFORMS": "cpu"}


def test_inputs_and_tiles_over_eight_devices():
    done = subprocess.run(command(COMMON + EIGHT), env=environment(8), capture_output=True, text=True)
    assert done.stdout == "as on one\n", done.stderr[-2000:]


def test_a_batch_over_two_processes():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    pipes = dict(env=environment(4), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    both = [subprocess.Popen(command(JOIN + COMMON + HOSTS, port, str(k)), **pipes) for k in range(2)]
    said = [p.communicate(timeout=500) for p in both]
    assert all(out.endswith("as on one\n") for out, _ in said), said[0][1][-2000:] + said[1][1][-2000:]


def test_the_row_of_the_benchmark():
    """Eight devices in a process of its own, with the answers of one."""
    row = _bench_sharded.row()
    assert row.ratio > 0 and row.our_error is not None and row.our_error < 1e-12
    assert "32 arrays over 8 forced host devices" in row.note
