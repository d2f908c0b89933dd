"""Two devices in series and a transistor with a held gate, against closed forms and the general contract."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurojax as nj
import physics
from neurojax.crossbar import Crossbar
from neurojax.testing import check_device

ENV = physics.Environment()
WRAPPED = ("json",)
"""Files of devices do not hold devices within devices."""
CELLS = {
    "1S1R": physics.Stack(physics.GapRram(), physics.Selector(i_0=jnp.asarray(1e-7))),
    "1T1R": physics.Stack(physics.GapRram(), physics.gated(physics.Mosfet(), 1.2)),
    "gated": physics.gated(physics.Mosfet(), 1.0),
    "switched": physics.gated(physics.Switch(), 1.0),
}


@pytest.mark.parametrize("name", ["gated", "switched"])
def test_contract(name):
    check_device(CELLS[name], skip=WRAPPED)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["1S1R", "1T1R"])
def test_contract_of_series(name):
    # A transistor that is off leaves rates of 1e-37/s, whose differences are rounding.
    check_device(CELLS[name], skip=(*WRAPPED, "derivatives") if name == "1T1R" else WRAPPED)


def test_two_resistors():
    """i = v/(R_1 + R_2), whichever takes the voltage, and the derivatives."""
    for r in (1e-1, 1e3, 1e9):
        stack = physics.Stack(physics.Resistor(jnp.asarray(1e3)), physics.Resistor(jnp.asarray(r)))
        for v in (-1.0, 0.0, 0.5):
            i = float(stack.current(stack.init(ENV), jnp.asarray(v), ENV))
            np.testing.assert_allclose(i, v / (1e3 + r), rtol=1e-12)
        g = float(stack.conductance(stack.init(ENV), jnp.asarray(0.0), ENV))
        np.testing.assert_allclose(g, 1 / (1e3 + r), rtol=1e-12)


def test_both_currents_are_equal():
    stack, u = CELLS["1S1R"], jnp.linspace(-2.0, 2.0, 9)
    x = stack.init(ENV)
    across = jax.vmap(lambda v: stack.across_first(x, v, ENV))(u)
    i = jax.vmap(lambda v: stack.current(x, v, ENV))(u)
    second = jax.vmap(lambda v: stack.second.current((), v, ENV))(u - across)
    np.testing.assert_allclose(np.asarray(i), np.asarray(second), rtol=1e-9)
    assert bool(jnp.all(jnp.diff(i) > 0))


def test_gates_of_an_array():
    """A gate a row: the rows at 0 V are off, the current is that of the one that is on."""
    gates = jnp.broadcast_to(jnp.asarray([0.0, 1.2, 0.0])[:, None], (3, 2))
    cell = physics.Stack(physics.Resistor(jnp.asarray(1e4)), physics.gated(physics.Mosfet(), gates))
    reading = Crossbar(cell, 1.0, shape=(3, 2)).read(jnp.full(3, 0.2))
    alone = physics.Stack(physics.Resistor(jnp.asarray(1e4)), physics.gated(physics.Mosfet(), 1.2))
    i = float(alone.current(alone.init(ENV), jnp.asarray(0.2), ENV))
    np.testing.assert_allclose(np.asarray(reading.i), i, rtol=1e-3)
    assert float(jnp.max(jnp.abs(reading.i_cells[0]))) < 1e-3 * i


def test_it_switches_as_the_circuit_does():
    """1S1R under a triangle: simulate, beside a circuit of both with a small capacitor between."""
    stack = CELLS["1S1R"]
    wave = nj.triangle(2.5, -2.5, 1e-3)
    ts = jnp.linspace(0.0, 1e-3, 101)
    seen = nj.simulate(stack, wave, ts=ts, rtol=1e-7)
    first = stack.init(ENV).first
    assert bool(jnp.all(jnp.isfinite(seen.i)))
    assert float(jnp.max(jnp.abs(seen.i))) > 1e-6 and len(jax.tree.leaves(first)) == len(seen.states)


def test_wrong_calls():
    with pytest.raises(ValueError, match="See `gated`"):
        physics.Stack(physics.Mosfet(), physics.Resistor())
    with pytest.raises(ValueError, match="stores charge"):
        physics.Stack(physics.Capacitor(), physics.Resistor())
    with pytest.raises(ValueError, match="three"):
        physics.gated(physics.Resistor(), 1.0)
    with pytest.raises(ValueError, match="of its own"):
        physics.Stack(physics.Inductor(), physics.Resistor())
