"""Open and short cells of any kind against exact nodal analysis, ngspice, and central differences."""

import shutil
from typing import Any

import crossbar_reference as reference
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from crossbar_netlist import answer, netlist
from established import rarely

import physics
from neurojax.crossbar import Crossbar, Wires
from neurojax.errors import CircuitError, SimulationError

N, M = 4, 3
OPEN = np.asarray([[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 1, 0]], bool)
SHORT = np.asarray([[0, 0, 1], [0, 1, 0], [0, 0, 0], [0, 0, 1]], bool)
V = np.asarray([[0.5, 1.0, -0.2, 0.9], [0.0, 0.3, 0.7, -0.6]])
SPREAD = 10 ** np.random.default_rng(0).uniform(-1, 1, (N, M))
KINDS: dict[str, Any] = {
    "selectors": physics.Selector(i_0=jnp.asarray(1e-7 * SPREAD), v_0=jnp.asarray(0.15)),
    "gaps": physics.GapRram(),
    "diodes": physics.Diode(i_s=jnp.asarray(1e-9 * SPREAD), n=jnp.asarray(3.0), g_min=jnp.asarray(0.0)),
}
MASKS: Any = dict(open_cells=OPEN, short_cells=SHORT)


def wires(ohm=20.0):
    """The first row on two resistances of zero."""
    row = jnp.full((N, M - 1), ohm).at[0].set(0.0)
    return Wires(row, *(jnp.asarray(float(k)) * ohm / 20.0 for k in (15, 30, 25)))


def in_full():
    ends = {k: np.full(c, r) for k, c, r in (("left", N, 30.0), ("right", N, np.inf), ("bottom", M, 25.0))}
    return dict(row=np.asarray(wires().row), column=np.full((N - 1, M), 15.0), top=np.full(M, np.inf)) | ends


@pytest.mark.parametrize("kind", [k if k == "selectors" else pytest.param(k, marks=pytest.mark.slow) for k in KINDS])
def test_cells_of_any_kind(kind):
    """Beside the sparse solution with the chords of the cells for conductances, defects merged or left out."""
    reading = Crossbar(KINDS[kind], wires(), shape=(N, M), **MASKS).read(V)
    whole = Crossbar(KINDS[kind], shape=(N, M)).cells
    for k, v in enumerate(V):
        d = np.asarray(reading.v_cells[k])
        i = np.asarray(whole.current(reading.v_cells[k][:, None]))[:, 0]
        known = reference.solve(np.where(SHORT, np.inf, np.where(OPEN, 0.0, i / np.where(SHORT, 1.0, d))), in_full(), v)
        most = np.abs(known.i_cells).max()
        np.testing.assert_allclose(reading.v_rows[k], known.v_rows, rtol=0, atol=1e-11)
        np.testing.assert_allclose(reading.v_columns[k], known.v_columns, rtol=0, atol=1e-11)
        np.testing.assert_allclose(reading.i_cells[k], known.i_cells, rtol=0, atol=1e-10 * most)
        np.testing.assert_allclose(reading.i[k], known.i, rtol=0, atol=1e-10 * most)
        assert np.all(np.asarray(reading.i_cells[k])[OPEN] == 0) and np.abs(d[SHORT]).max() < 1e-13


@pytest.mark.slow
def test_masks_of_resistors_are_conductances():
    g = 1e-5 * SPREAD
    masked = Crossbar(jnp.asarray(g), wires(), **MASKS).read(V)
    known = Crossbar(jnp.asarray(np.where(SHORT, np.inf, np.where(OPEN, 0.0, g))), wires()).read(V)
    np.testing.assert_array_equal(masked.i, known.i)
    np.testing.assert_array_equal(masked.i_cells, known.i_cells)


@pytest.mark.slow
def test_open_devices_alone():
    """A column of which no cell is whole carries nothing; the others are those of the smaller array."""
    device: Any = KINDS["selectors"]
    no_column = np.broadcast_to(np.arange(M) == 1, (N, M))
    ends = Wires(left=jnp.asarray(50.0))
    reading = Crossbar(device, ends, shape=(N, M), open_cells=no_column).read(V)
    rest = physics.Selector(i_0=device.i_0[:, [0, 2]], v_0=device.v_0)
    known = Crossbar(rest, ends, shape=(N, M - 1)).read(V)
    np.testing.assert_allclose(reading.i[:, [0, 2]], known.i, rtol=1e-11)
    assert np.all(np.asarray(reading.i)[:, 1] == 0)


@rarely
def test_derivatives_beside_differences():
    """To voltages, wires and parameters; of a short and an open cell, none. Forward is reverse."""

    def f(x):
        device = physics.Selector(i_0=x["i_0"], v_0=x["v_0"])
        reading = Crossbar(device, wires(x["ohm"]), shape=(N, M), **MASKS).read(x["v"])
        return 1e4 * jnp.sum(reading.i * jnp.asarray([1.0, 0.5, -2.0])) + 1e3 * reading.power

    x = dict(
        i_0=jnp.asarray(1e-7 * SPREAD), v_0=jnp.asarray(0.15), ohm=jnp.asarray(20.0), v=jnp.asarray(V[0])
    )  # fmt: skip
    value, slope = jax.jit(f), jax.jit(jax.grad(f))(x)
    assert np.all(np.asarray(slope["i_0"])[OPEN | SHORT] == 0)
    for name, leaf in x.items():
        along = leaf * jnp.asarray(np.random.default_rng(3).uniform(0.5, 1.5, leaf.shape))
        at = lambda k, name=name, along=along: float(value(x | {name: x[name] + k * 1e-3 * along}))  # noqa: E731
        seen = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * 1e-3)
        np.testing.assert_allclose(float(jnp.sum(slope[name] * along)), seen, rtol=1e-6)
    still = jax.tree.map(jnp.zeros_like, x) | dict(ohm=jnp.ones(()))
    np.testing.assert_allclose(jax.jit(lambda x: jax.jvp(f, (x,), (still,))[1])(x), slope["ohm"], rtol=1e-9)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ngspice") is None, reason="needs ngspice")
def test_beside_ngspice():
    """Shorts as sources of zero volts."""
    device: Any = KINDS["selectors"]

    def cells(i, j, a, b):
        if OPEN[i, j]:
            return []
        name = f"{i}x{j}"
        if SHORT[i, j]:
            return [f"Vsh{name} {a} {b} 0"]
        return [f"B{name} {a} {b} I={float(device.i_0[i, j])!r}*sinh((V({a})-V({b}))/0.15)"]

    rows, columns, i = answer(netlist((N, M), cells, in_full(), V[0]), (N, M))
    reading = Crossbar(device, wires(), shape=(N, M), **MASKS).read(V[0])
    np.testing.assert_allclose(reading.v_rows, rows, rtol=0, atol=1e-8)
    np.testing.assert_allclose(reading.v_columns, columns, rtol=0, atol=1e-8)
    np.testing.assert_allclose(reading.i, i, rtol=0, atol=1e-8 * np.abs(i).max())


@pytest.mark.slow
def test_a_short_between_two_sources_is_told():
    with pytest.raises(SimulationError, match="infinite conductance"):
        Crossbar(KINDS["selectors"], shape=(N, M), short_cells=SHORT).read(V)


def test_wrong_masks():
    array = Crossbar(KINDS["selectors"], wires(), shape=(N, M), short_cells=SHORT)
    assert bool(jnp.all(jnp.isnan(array.read(V, shorts=0, throw=False).residual)))
    with pytest.raises(CircuitError, match=r"cell \(0, 2\) is said to be open and short"):
        Crossbar(KINDS["gaps"], shape=(N, M), open_cells=SHORT, short_cells=SHORT)
    with pytest.raises(CircuitError, match=r"open_cells has shape \(2, 2\)"):
        Crossbar(KINDS["gaps"], shape=(N, M), open_cells=np.ones((2, 2), bool))
