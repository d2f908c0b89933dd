"""One more line each way, where rows would lie a power of two apart, changes nothing else; benchmarks' turns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurojax import bench
from neurojax.crossbar import Crossbar, Wires, _padded


def case(n, m, rng):
    """An array with open cells, lines with resistances of zero and infinity, open at either end or at none."""
    g = np.where(rng.random((n, m)) < 0.1, 0.0, 10 ** rng.uniform(-6, -4, (n, m)))
    row, column = rng.uniform(1.0, 9.0, (n, m - 1)), rng.uniform(1.0, 9.0, (n - 1, m))
    row[rng.random(row.shape) < 0.1], column[rng.random(column.shape) < 0.1] = 0.0, 0.0
    row[3, 5] = column[20, 7] = np.inf
    ends = [rng.choice([0.0, 5.0, np.inf], k, p=[0.2, 0.7, 0.1]) for k in (n, m, n, m)]
    ends[:2] = [np.where(np.isinf(a), 5.0, a) for a in ends[:2]]
    return jnp.asarray(g), Wires(*(jnp.asarray(a) for a in (row, column, *ends))), jnp.asarray(rng.normal(size=(3, n)))


@pytest.mark.parametrize("shape", [(48, 64), (64, 45), (45, 48)])
def test_one_more_line_changes_nothing(shape, monkeypatch):
    """Beside the same without it: all nodes, and the derivatives to conductances, wires and inputs."""
    g, wires, v = case(*shape, np.random.default_rng(sum(shape)))
    weights = jnp.asarray(np.random.default_rng(1).normal(size=(3, shape[1])))

    def loss(g, wires, v):
        reading = Crossbar(g, wires).read(v, right=0.1, columns=0.02, top=-0.1)
        return 1e4 * jnp.sum(reading.i * weights) + jnp.sum(reading.v_rows**2) + jnp.sum(reading.v_columns**3), reading

    def run():
        jax.clear_caches()
        return jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))(g, wires, v)

    assert g.size * g.dtype.itemsize >= _padded.SMALL
    longer = run()
    monkeypatch.setattr(_padded, "SMALL", 2**40)
    for here, there in zip(jax.tree.leaves(longer), jax.tree.leaves(run()), strict=True):
        here, there = np.asarray(here, float), np.asarray(there, float)
        largest = np.abs(there[np.isfinite(there)]).max(initial=1e-30)
        np.testing.assert_allclose(here, there, rtol=1e-7, atol=1e-10 * largest)


def test_a_turn_is_filled(monkeypatch):
    """Calls of 30 ms are made until a tenth of a second is over, longer ones once."""
    now, made = [0.0], []
    monkeypatch.setattr(bench.time, "perf_counter", lambda: now[0])

    def call(name, seconds):
        made.append(name)
        now[0] += seconds
        return name

    ratio, *found = bench.in_turn(lambda: call("a", 0.03), lambda: call("b", 0.6), repeats=2)
    assert ratio == pytest.approx(20.0) and found == ["a", "b"]
    assert "".join(made[2:]) == "aaaabaaaab"
