"""Crossbars beside ngspice: operating points of ten arrays, three of them of nonlinear cells."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from crossbar_netlist import answer, netlist

import physics
from neurojax.crossbar import Crossbar, Wires

pytestmark = pytest.mark.skipif(shutil.which("ngspice") is None, reason="needs ngspice")
SHAPES = ((1, 1), (2, 3), (4, 4), (3, 7), (8, 5), (10, 10), (12, 6))
NONLINEAR = ((3, 2), (5, 5), (8, 6))
"""Selectors alone; selectors behind resistors; diodes that are driven from both ends."""


def drawn(shape, both_ends=False):
    rng = np.random.default_rng(sum(shape))
    n, m = shape
    ohm = lambda *s: np.where(rng.random(s) < 0.1, 0.0, 10 ** rng.uniform(-1, 2, s))  # noqa: E731
    wires = dict(row=ohm(n, m - 1), column=ohm(n - 1, m), left=1.0 + ohm(n), bottom=1.0 + ohm(m))
    right = 2.0 + ohm(n) if both_ends else np.full(n, np.inf)
    return wires | dict(right=right), rng.uniform(-0.5, 1.0, n), rng


def compare(reading, seen, tolerance):
    """Nodes over the largest of their kind, currents over the largest."""
    rows, columns, i = seen
    np.testing.assert_allclose(np.asarray(reading.v_rows), rows, rtol=0, atol=tolerance * np.abs(rows).max())
    np.testing.assert_allclose(np.asarray(reading.v_columns), columns, rtol=0, atol=tolerance * np.abs(rows).max())
    np.testing.assert_allclose(np.asarray(reading.i), i, rtol=0, atol=tolerance * np.abs(i).max())


@pytest.mark.parametrize("shape", [pytest.param(s, marks=[] if s == (4, 4) else pytest.mark.slow) for s in SHAPES])
def test_linear_arrays(shape):
    wires, v, rng = drawn(shape, both_ends=shape[0] == 8)
    g = 10 ** rng.uniform(-6, -3, shape)
    cells = lambda i, j, a, b: [f"Rg{i}x{j} {a} {b} {float(1 / g[i, j])!r}"]  # noqa: E731
    seen = answer(netlist(shape, cells, wires, v), shape)
    compare(Crossbar(jnp.asarray(g), Wires(**jax.tree.map(jnp.asarray, wires))).read(v), seen, 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("kind", range(3))
def test_nonlinear_arrays(kind):
    shape = NONLINEAR[kind]
    wires, v, rng = drawn(shape, both_ends=kind == 2)
    i_0, ohm = 10 ** rng.uniform(-8, -6, shape), 10 ** rng.uniform(3, 5, shape)
    thermal = float(physics.constants.K_B) * 300.0 / float(physics.constants.Q)

    def cells(i, j, a, b):
        name, scale = f"{i}x{j}", float(i_0[i, j])
        if kind == 2:
            law = f"{scale!r}*(exp((V({a})-V({b}))/{3 * thermal!r})-1)"
            return [f"B{name} {a} {b} I={law}"]
        inner = f"m{name}" if kind else b
        line = [f"B{name} {a} {inner} I={scale!r}*sinh((V({a})-V({inner}))/0.15)"]
        return line + ([f"Rm{name} {inner} {b} {float(ohm[i, j])!r}"] if kind else [])

    selector = physics.Selector(i_0=jnp.asarray(i_0), v_0=jnp.asarray(0.15))
    device = {
        0: selector,
        1: physics.Stack(selector, physics.Resistor(jnp.asarray(ohm))),
        2: physics.Diode(i_s=jnp.asarray(i_0), n=jnp.asarray(3.0), g_min=jnp.asarray(0.0)),
    }[kind]
    array = Crossbar(device, Wires(**jax.tree.map(jnp.asarray, wires)), shape=shape)
    compare(array.read(v), answer(netlist(shape, cells, wires, v), shape), 1e-8)
