"""Infinite and zero resistances of wires are exact in every precision; what cannot be told from them is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurojax.crossbar import Crossbar, Wires, sneak_current
from neurojax.crossbar._ladder import factor, sweep
from neurojax.errors import CircuitError

ENDS = (jnp.asarray(30.0), jnp.asarray(20.0))


def sneak(g, n, dtype):
    """Of equal cells on floating lines, over its closed form."""
    wires = jax.tree.map(lambda a: a.astype(dtype), Wires())
    array = Crossbar(jnp.full((n, n), g, dtype), wires)
    found = sneak_current(array, (1, 0), jnp.asarray(0.5, dtype), "float")
    return float(found) / (0.5 * g / (2 / (n - 1) + 1 / (n - 1) ** 2))


@pytest.mark.parametrize("g", [1e-4, 1e-28])
def test_open_lines_do_not_leak(g):
    """However little the cells conduct: any number in the place of infinity would be in parallel with them."""
    assert abs(sneak(g, 5, jnp.float64) - 1) < 1e-11


@pytest.mark.parametrize("g", [1e-4, 1e-14])
def test_open_lines_do_not_leak_in_single_precision(g):
    assert abs(sneak(g, 5, jnp.float32) - 1) < 1e-5


def dense(s, r, q, ends, e):
    """Nodes of one line of finite resistances but for infinite ones, by inversion."""
    y = np.where(np.isinf(r), 0.0, 1 / r)
    matrix = np.diag(s + y[:-1] + y[1:]) - np.diag(y[1:-1], 1) - np.diag(y[1:-1], -1)
    right = q + y[:-1] * e[:-1] - y[1:] * e[1:]
    right[0] += y[0] * ends[0]
    right[-1] += y[-1] * ends[1]
    return np.linalg.solve(matrix, right)


@pytest.mark.parametrize("opened", [(), (0,), (4,), (0, 4), (2,), (0, 2), (2, 4), (1, 2), (0, 1, 4)])
def test_a_line_with_currents_and_sources(opened):
    """Beside inversion: conductances to elsewhere at some nodes only, so that parts hang on one side."""
    rng = np.random.default_rng(len(opened))
    s = np.asarray([[0.0, 1e-3, 0.0, 2e-3], [1e-3, 0.0, 1e-3, 0.0], [1e-4, 3e-3, 1e-3, 1e-3]])
    r = rng.uniform(50.0, 500.0, 5)
    r[list(opened)] = np.inf
    q, e = rng.normal(size=(3, 4)) * 1e-3, rng.normal(size=(3, 5))
    ends = rng.normal(size=(2, 3))
    lines = lambda a: jnp.asarray(np.transpose(a)[:, None, :])  # noqa: E731
    ladder = factor(lines(s), jnp.asarray(r)[:, None, None])
    at_ends = (jnp.asarray(ends[0])[None], jnp.asarray(ends[1])[None])
    found = np.asarray(sweep(ladder, lines(q), at_ends, lines(e)))[:, 0].T
    for k in range(3):
        try:
            known = dense(s[k], r, q[k], ends[:, k], e[k])
        except np.linalg.LinAlgError:
            assert np.all(np.isfinite(found[k]))
            continue
        np.testing.assert_allclose(found[k], known, rtol=1e-12, atol=1e-12 * np.abs(known).max())


def test_derivatives_at_open_wires():
    """An infinite resistance stays so: no derivative; all others are those of differences."""
    rng = np.random.default_rng(1)
    g, v = jnp.asarray(10 ** rng.uniform(-5, -3, (4, 3))), jnp.asarray(rng.uniform(-1, 1, 4))
    row = jnp.asarray(rng.uniform(10, 90, (4, 2))).at[1, 0].set(jnp.inf).at[3, 1].set(0.0)
    column = jnp.asarray(rng.uniform(10, 90, (3, 3))).at[1, 1].set(jnp.inf)

    def f(row, column):
        reading = Crossbar(g, Wires(row, column, *ENDS)).read(v)
        return 1e5 * reading.i @ jnp.asarray([1.0, -2.0, 0.5]) + jnp.sum(reading.v_columns**2)

    f, slopes = jax.jit(f), jax.jit(jax.grad(f, (0, 1)))(row, column)
    assert float(slopes[0][1, 0]) == 0.0 and float(slopes[1][1, 1]) == 0.0
    for k, wires in enumerate((row, column)):
        step = jnp.where((wires > 0) & jnp.isfinite(wires), jnp.asarray(rng.uniform(0.5, 1.5, wires.shape)), 0.0)
        at = lambda h, k=k, step=step: float(f(*(w + h * step if j == k else w for j, w in enumerate((row, column)))))  # noqa: E731
        seen = (8 * (at(0.1) - at(-0.1)) - (at(0.2) - at(-0.2))) / 1.2
        np.testing.assert_allclose(float(jnp.sum(slopes[k] * step)), seen, rtol=1e-7)


def test_no_current_leaves_an_open_end():
    g = jnp.asarray([[1e-4, 2e-5], [3e-5, 5e-5]])
    reading = Crossbar(g, Wires.uniform(10.0)).read(jnp.asarray([0.3, 0.1]), open_columns=[False, True])
    assert float(reading.i[1]) == float(reading.i_top[1]) == float(reading.i_bottom[1]) == 0.0
    assert float(reading.i_right[0]) == 0.0
    np.testing.assert_allclose(float(reading.i[0]), float(jnp.sum(reading.i_rows)), rtol=1e-12)


def test_large_and_absurd_resistances():
    """Up to where products overflow a number is taken as it is; beyond, only infinity is."""
    g, v = jnp.asarray([[1e-4, 2e-5], [3e-5, 5e-5]]), jnp.asarray([0.3, 0.1])
    read = lambda r: np.asarray(Crossbar(g, Wires(row=jnp.asarray(r), left=jnp.asarray(5.0))).read(v).i)  # noqa: E731
    np.testing.assert_allclose(read(1e150), read(jnp.inf), rtol=1e-12, atol=1e-140)
    leak = 1e-12 * np.sum(np.asarray(v) / (1 + 5.0 * np.asarray(g)[:, 0]))
    np.testing.assert_allclose(read(1e12)[1], leak, rtol=1e-6)
    assert read(jnp.inf)[1] == 0.0
    with pytest.raises(CircuitError, match=r"Wires.row = 1e\+200 ohm is more than float64 can tell from an open line"):
        Wires(row=jnp.asarray(1e200))
    with pytest.raises(CircuitError, match=r"float32.*jnp\.inf"):
        Wires(top=jnp.asarray([1.0, 1e25], jnp.float32))
