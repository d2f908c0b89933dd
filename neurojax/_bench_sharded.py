"""The row of `neurojax bench crossbar` on several devices: one layer whose arrays are spread over eight of them.

Devices are counted when JAX starts, so this runs in a process of its own, on a CPU that is taken for eight. They share
its cores: the row shows that the answers are those of one device, and what spreading costs or gains there.
"""

import json
import os
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from neurojax.bench import Row, in_turn

DEVICES, FEATURES, TILE, INPUTS = 8, 255, 64, 16
OHM = 2.0
SECONDS = 600.0
"""After which it is given up."""


def row() -> Row:
    """Measured in another process."""
    case = f"layer of {FEATURES + 1} x {FEATURES + 1} in arrays of {TILE} x {TILE}, {INPUTS} inputs"
    other = "one device"
    flag = f"--xla_force_host_platform_device_count={DEVICES}"
    flags = " ".join([os.environ.get("XLA_FLAGS", ""), flag]).strip()
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "neurojax._bench_sharded"]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return Row(case, other, float("nan"), note=f"not done in {SECONDS:g} s")
    if done.returncode:
        return Row(case, other, float("nan"), note=f"failed: {done.stderr.strip().splitlines()[-1][:80]}")
    found = json.loads(done.stdout)
    note = f"value and gradient; {found['arrays']} arrays over {found['devices']} forced host devices"
    return Row(case, other, found["ratio"], max(found["value"], found["gradient"]), note=note)


def measure() -> dict[str, Any]:
    """Ratio of the times of value and gradient, and how far both are apart, over the largest."""
    from flax import nnx
    from jax.sharding import Mesh

    from neurojax.crossbar import Wires
    from neurojax.layers import CrossbarLinear, Hardware

    mesh = Mesh(np.asarray(jax.devices()), ("arrays",))
    x = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (INPUTS, FEATURES)))

    def run(mesh: Any) -> Any:
        hardware = Hardware(wires=Wires.uniform(OHM), tile=(TILE, TILE), fidelity="wires", mesh=mesh)
        options: Any = dict(hardware=hardware, param_dtype=jnp.float64, rngs=nnx.Rngs(0))
        layer = CrossbarLinear(FEATURES, FEATURES + 1, **options)
        graph, params, rest = nnx.split(layer, nnx.Param, ...)
        f = jax.jit(jax.value_and_grad(lambda p: jnp.sum(nnx.merge(graph, p, rest)(x) ** 2)))
        return lambda: jax.block_until_ready(f(params))

    ratio, eight, one = in_turn(run(mesh), run(None))
    of = lambda found: [np.asarray(a) for a in (found[0], jax.tree.leaves(found[1])[0])]  # noqa: E731
    value, gradient = (float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(of(eight), of(one), strict=True))
    arrays = 2 * (-(-(FEATURES + 1) // TILE)) ** 2
    return dict(ratio=ratio, value=value, gradient=gradient, arrays=arrays, devices=mesh.size)


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    print(json.dumps(measure()))
