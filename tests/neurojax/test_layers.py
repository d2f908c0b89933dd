"""Layers on crossbars against the sums that they stand for, their gradients, conversion of models and back."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import neurojax as nj
import physics
from neurojax import layers
from neurojax.errors import CircuitError
from neurojax.layers import CrossbarConv, CrossbarLinear, Hardware

WIRES = nj.Wires.uniform(2.0)
RESISTIVE = Hardware(wires=WIRES, tile=(4, 3), fidelity="wires")
IDEAL = Hardware(tile=(4, 3))


def linear(hardware, **options):
    options = dict(input_range=3.0, param_dtype=jnp.float64, rngs=nnx.Rngs(0)) | options
    return CrossbarLinear(6, 4, hardware=hardware, **options)


def inputs(batch=3, n=6):
    return jax.random.normal(jax.random.key(1), (batch, n))


def reference(layer, x):
    kernel, bias = layer.weights()
    return x @ kernel + bias[None]


def total(layer, x):
    y = layer(x)
    return jnp.sum(y * jnp.sin(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))


def test_ideal_sums_are_those_of_the_weights():
    layer = linear(IDEAL)
    kernel = jax.random.normal(jax.random.key(0), (6, 4))
    bias = jnp.arange(4.0)
    layer.program(kernel, bias)
    found = layer.weights()
    np.testing.assert_allclose(found[0], kernel, atol=1e-14)
    np.testing.assert_allclose(found[1], bias, atol=1e-14)
    np.testing.assert_allclose(layer(inputs()), inputs() @ kernel + bias[None], rtol=1e-12)


@pytest.mark.parametrize("sided", ["one", "two"])
def test_a_scale_for_each_column(sided):
    layer = linear(Hardware(coding=layers.Pair(jnp.asarray(1e-6), jnp.asarray(1e-4), sided=sided)))
    kernel = jax.random.normal(jax.random.key(0), (6, 4)) * jnp.asarray([1.0, 10.0, 0.1, 0.0])[None]
    layer.program(kernel, per="column")
    np.testing.assert_allclose(layer(inputs()), inputs() @ kernel, atol=1e-12)
    assert layer.scale[...].shape == (4,)


def test_inputs_beyond_the_range_are_cut_and_move_a_learned_range():
    layer = linear(IDEAL, input_range=0.5, learn_range=True)
    x = inputs()
    np.testing.assert_allclose(layer(x), reference(layer, jnp.clip(x, -0.5, 0.5)), rtol=1e-12)
    grad = nnx.grad(total)(layer, x)["input_range"][...]

    def moved(r):
        layer.input_range[...] = jnp.asarray(r)
        return total(layer, x)

    np.testing.assert_allclose(grad, (moved(0.5 + 1e-6) - moved(0.5 - 1e-6)) / 2e-6, rtol=1e-6)


def test_wires_take_something_and_none_take_nothing():
    x, layer = inputs(), linear(RESISTIVE)
    off = np.abs(layer(x) - reference(layer, x))
    assert 1e-5 < off.max() < 0.1
    layer.run_on(eqx.tree_at(lambda h: h.wires, RESISTIVE, nj.Wires.uniform(0.0)))
    np.testing.assert_allclose(layer(x), reference(layer, x), atol=1e-10)


def test_tiles_are_arrays_of_their_own():
    """Partial sums of two arrays, each read by `Crossbar` for itself."""
    layer, x = linear(RESISTIVE), inputs()
    g, v = layer.conductances(), layer.voltages(x)
    first = jnp.concatenate([jnp.zeros((1, 4)), g[0, :3]])
    padded = jnp.pad(first[:, 2:], ((0, 0), (0, 0)))
    i = nj.Crossbar(padded, WIRES).read(jnp.pad(v[:, :3], ((0, 0), (1, 0)))).i
    i = i + nj.Crossbar(g[0, 3:, 2:], WIRES).read(v[:, 3:]).i
    minus = nj.Crossbar(jnp.pad(g[1, :3, 2:], ((1, 0), (0, 0))), WIRES).read(jnp.pad(v[:, :3], ((0, 0), (1, 0)))).i
    minus = minus + nj.Crossbar(g[1, 3:, 2:], WIRES).read(v[:, 3:]).i
    expected = (i - minus) / (99e-6 * 0.2) * 3.0 * layer.scale[...]
    np.testing.assert_allclose(layer(x)[:, 2:], expected, rtol=1e-9)


def test_gradients_through_wires_are_those_of_differences():
    layer, x = linear(RESISTIVE, use_bias=False), inputs()
    layer.cells[...] = 0.2 + 0.6 * jax.random.uniform(jax.random.key(3), layer.cells[...].shape)
    cells = layer.cells[...]
    graph, state, rest = nnx.split(layer, nnx.Param, ...)
    value = jax.jit(lambda cells, x: total(nnx.merge(graph, jax.tree.map(lambda _: cells, state), rest), x))
    by_cells, by_x = jax.jit(jax.grad(value, (0, 1)))(cells, x)
    for place in ((0, 1, 2), (1, 5, 3), (0, 0, 0)):
        e = jnp.zeros_like(cells).at[place].set(1e-5)
        np.testing.assert_allclose(by_cells[place], (value(cells + e, x) - value(cells - e, x)) / 2e-5, rtol=1e-6)
    e = jnp.zeros_like(x).at[1, 2].set(1e-5)
    np.testing.assert_allclose(by_x[1, 2], (value(cells, x + e) - value(cells, x - e)) / 2e-5, rtol=1e-6)
    np.testing.assert_allclose(value(cells, x), total(layer, x), rtol=1e-12)
    each = jnp.stack([value(cells, one[None]) for one in x])
    np.testing.assert_allclose(jax.vmap(lambda one: value(cells, one[None]))(x), each, rtol=1e-9)


@pytest.mark.slow
def test_a_transposed_reading_gives_the_exact_gradient():
    layer, x = linear(RESISTIVE), inputs()
    exact = nnx.grad(total, argnums=1)(layer, x)
    layer.run_on(eqx.tree_at(lambda h: h.back, RESISTIVE, Hardware(fidelity="wires"), is_leaf=lambda a: a is None))
    np.testing.assert_allclose(nnx.grad(total, argnums=1)(layer, x), exact, rtol=1e-8)


@pytest.mark.slow
def test_noise_of_a_transposed_reading_shows_in_the_gradient():
    layer, x = linear(RESISTIVE), inputs()
    exact = nnx.grad(total, argnums=1)(layer, x)
    noisy = Hardware(fidelity="wires", read_noise=jnp.asarray(0.05))
    layer.run_on(Hardware(wires=WIRES, tile=(4, 3), fidelity="wires", read_noise=jnp.asarray(1e-9), back=noisy))
    off = np.abs(nnx.grad(total, argnums=1)(layer, x) - exact)
    assert 1e-3 < off.max() < 1.0


def test_an_ideal_backward_pass_ignores_the_wires():
    """The gradient of tools that read wires forward and none backward: off by what the wires do."""
    layer, x = linear(RESISTIVE), inputs()
    exact = nnx.grad(total, argnums=1)(layer, x)
    layer.run_on(eqx.tree_at(lambda h: h.back, RESISTIVE, Hardware(), is_leaf=lambda a: a is None))
    kernel, _ = layer.weights()
    found = nnx.grad(total, argnums=1)(layer, x)
    weights = jnp.sin(jnp.arange(12.0)).reshape(3, 4)
    np.testing.assert_allclose(found, weights @ kernel.T, rtol=1e-9)
    assert np.abs(found - exact).max() > 1e-5


@pytest.mark.slow
def test_noise_of_reading_has_the_spread_of_its_cells():
    hardware = Hardware(fidelity="noisy", read_noise=jnp.asarray(0.02))
    layer, x = linear(hardware), jnp.broadcast_to(inputs(1), (4000, 6))
    y = layer(x)
    g, v = layer.conductances(), layer.voltages(x[:1])
    sigma = 0.02 * jnp.sqrt(jnp.sum(jnp.einsum("bn,knm->km", v**2, g**2), axis=0)) / (99e-6 * 0.2) * 3.0
    np.testing.assert_allclose(jnp.std(y, axis=0), sigma * layer.scale[...], rtol=0.06)
    assert np.abs(layer(x[:2]) - layer(x[:2])).max() > 0


def test_converters_are_any_callables():
    coarse = lambda v: jnp.round(v / 0.05) * 0.05  # noqa: E731
    keyed = lambda i, *, key=None: i + (0.0 if key is None else 1e-6 * jax.random.normal(key, i.shape))  # noqa: E731
    layer, x = linear(Hardware(fidelity="noisy", dac=coarse)), inputs()
    u = jnp.clip(x / 3, -1, 1)
    np.testing.assert_allclose(layer(x), reference(layer, 3 * coarse(0.2 * u) / 0.2), rtol=1e-9)
    layer.run_on(Hardware(fidelity="noisy", adc=keyed))
    assert 1e-3 < np.std(layer(x) - reference(layer, x)) < 1.0


@pytest.mark.slow
def test_cells_that_do_not_obey_ohm():
    layer, x = linear(Hardware(fidelity="nonlinear", cells=layers.SinhCells(0.3))), inputs()
    v = np.asarray(layer.voltages(x))
    found = np.asarray(reference_of_currents(layer, 0.3 * np.sinh(v / 0.3)))
    np.testing.assert_allclose(layer(x), found, rtol=1e-8)


def reference_of_currents(layer, v):
    g = np.asarray(layer.conductances())
    return (v @ g[0] - v @ g[1]) / (99e-6 * 0.2) * 3.0 * np.asarray(layer.scale[...])


def test_states_of_a_device_are_found_for_conductances():
    device = physics.Vteam(r_on=1e4, r_off=1e6)
    cells = layers.StateCells.between(
        device, physics.Vteam.State(w=jnp.asarray(1.0)), physics.Vteam.State(w=jnp.asarray(0.0)), 0.1
    )
    low, high = cells.window
    np.testing.assert_allclose([low, high], [1e-6, 1e-4], rtol=1e-12)
    g = jnp.asarray([[2e-6, 5e-5], [9e-5, 1.1e-6]])
    w = (1 / g - 1e4) / (1e6 - 1e4)
    np.testing.assert_allclose(cells(g).x.w, w, rtol=1e-6)
    slope = jax.grad(lambda g: jnp.sum(cells.state(cells.place(g)).w))(g)
    np.testing.assert_allclose(slope, -1 / (g**2 * (1e6 - 1e4)), rtol=1e-6)


@pytest.mark.slow
def test_a_layer_of_device_states_is_that_of_its_conductances():
    cells = layers.StateCells.between(
        physics.Vteam(r_on=1e4, r_off=1e6), physics.Vteam.State(w=jnp.asarray(1.0)),
        physics.Vteam.State(w=jnp.asarray(0.0)), 0.1,
    )  # fmt: skip
    layer = linear(Hardware(fidelity="nonlinear", cells=cells))
    np.testing.assert_allclose(layer(inputs()), reference(layer, inputs()), rtol=1e-6)


CONVOLUTIONS = [((2, 3), 2, "VALID"), ((3,), 1, ((1, 0),))]


@pytest.mark.parametrize(("size", "strides", "padding"), CONVOLUTIONS)
def test_convolutions_are_those_of_lax(size, strides, padding):
    """H1: at no wire resistance, to 1e-10."""
    d = len(size)
    hardware = Hardware(wires=nj.Wires.uniform(0.0), tile=(8, 3), fidelity="ideal")
    layer = CrossbarConv(
        3, 5, size, strides, padding=padding, hardware=hardware, input_range=5.0, param_dtype=jnp.float64,
        rngs=nnx.Rngs(0),
    )  # fmt: skip
    x = jax.random.normal(jax.random.key(2), (*(2, 7, 6)[: d + 1], 3))
    kernel = jax.random.normal(jax.random.key(3), (*size, 3, 5))
    layer.program(kernel, jnp.arange(5.0))
    layout = {1: ("NHC", "HIO", "NHC"), 2: ("NHWC", "HWIO", "NHWC")}[d]
    expected = jax.lax.conv_general_dilated(x, kernel, (strides,) * d, padding, dimension_numbers=layout)
    expected = expected + jnp.arange(5.0).reshape((1,) * (d + 1) + (5,))
    np.testing.assert_allclose(layer(x), expected, atol=1e-10)
    np.testing.assert_allclose(layer(x[0]), expected[0], atol=1e-10)
    np.testing.assert_allclose(layer.weights()[0], kernel, atol=1e-12)


def test_a_convolution_by_the_wire_solver_is_that_of_lax():
    """H1 with the network solved, its wires of zero ohm."""
    hardware = Hardware(wires=nj.Wires.uniform(0.0), tile=(4, 3), fidelity="wires")
    layer = CrossbarConv(1, 2, (2, 2), hardware=hardware, input_range=5.0, param_dtype=jnp.float64, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(2), (1, 3, 3, 1))
    kernel, _ = layer.weights()
    expected = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    np.testing.assert_allclose(layer(x), expected, atol=1e-10)


class Net(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(1, 3, (3, 3), rngs=rngs, param_dtype=jnp.float64, dtype=jnp.float64)
        self.dense = nnx.Sequential(
            nnx.Linear(48, 8, rngs=rngs, param_dtype=jnp.float64), nnx.relu,
            nnx.Linear(8, 2, use_bias=False, rngs=rngs, param_dtype=jnp.float64),
        )  # fmt: skip

    def __call__(self, x):
        return self.dense(nnx.relu(self.conv(x)).reshape(x.shape[0], -1))


def test_a_model_goes_to_crossbars_and_back():
    model, x = Net(nnx.Rngs(0)), jax.random.normal(jax.random.key(0), (2, 4, 4, 1))
    analog = layers.to_crossbar(model, Hardware(tile=(16, 4)), input_range=20.0)
    assert len(layers.crossbars(analog)) == 3
    np.testing.assert_allclose(analog(x), model(x), atol=1e-12)
    back = layers.to_digital(analog)
    assert isinstance(back.dense.layers[0], nnx.Linear) and isinstance(back.conv, nnx.Conv)
    np.testing.assert_allclose(back(x), model(x), atol=1e-12)
    chip = layers.written(analog, layers.additive_noise(0.02), key=jax.random.key(0))
    assert 1e-4 < np.abs(chip(x) - model(x)).max() < 1.0
    with pytest.raises(CircuitError, match="no Linear"):
        layers.to_crossbar(nnx.Dropout(0.1), Hardware())


CELLS = [
    (nnx.SimpleCell, layers.CrossbarRNNCell),
    (nnx.OptimizedLSTMCell, layers.CrossbarLSTMCell),
    (nnx.GRUCell, layers.CrossbarGRUCell),
]


@pytest.mark.parametrize(("theirs", "ours"), CELLS)
def test_recurrent_cells_are_those_of_flax(theirs, ours):
    """H2: all gates of a step in one array, the state digital."""
    cell = theirs(3, 5, rngs=nnx.Rngs(0), param_dtype=jnp.float64, dtype=jnp.float64)
    x = jax.random.normal(jax.random.key(0), (2, 6, 3))
    expected = nnx.RNN(cell)(x)
    analog = layers.to_crossbar(nnx.RNN(cell), Hardware(), input_range=4.0)
    assert isinstance(analog.cell, ours) and len(layers.crossbars(analog)) == 1
    np.testing.assert_allclose(analog(x), expected, atol=1e-12)
    np.testing.assert_allclose(layers.to_digital(analog)(x), expected, atol=1e-12)


def test_each_step_of_a_sequence_has_noise_of_its_own():
    hardware = Hardware(fidelity="noisy", read_noise=jnp.asarray(0.1))
    cell = layers.CrossbarRNNCell(1, 4, hardware=hardware, rngs=nnx.Rngs(0), param_dtype=jnp.float64)
    cell.array.cells[...] = jnp.full_like(cell.array.cells[...], 0.5)
    y = nnx.RNN(cell)(jnp.ones((1, 50, 1)))
    assert np.abs(np.corrcoef(np.asarray(y)[0, 1:, 0], np.asarray(y)[0, 1:, 1])[0, 1]) < 0.5
    assert np.std(np.asarray(y)[0, :, 0]) > 1e-3


def test_what_cannot_be_is_said():
    with pytest.raises(CircuitError, match="fidelity"):
        Hardware(fidelity="exact")
    with pytest.raises(CircuitError, match="needs cells"):
        Hardware(fidelity="nonlinear")
    with pytest.raises(CircuitError, match="has no"):
        Hardware(coding=object())
    with pytest.raises(CircuitError, match="positive"):
        linear(IDEAL, input_range=-1.0)
    layer = linear(IDEAL, use_bias=False)
    with pytest.raises(CircuitError, match="without a row"):
        layer.program(jnp.zeros((6, 4)), jnp.zeros(4))
    with pytest.raises(CircuitError, match="kernel of shape"):
        layer.program(jnp.zeros((4, 6)))
    with pytest.raises(CircuitError, match="padding"):
        CrossbarConv(1, 1, 3, padding="CIRCULAR", rngs=nnx.Rngs(0))


def test_single_precision_stays_single():
    layer = CrossbarLinear(6, 4, hardware=Hardware(fidelity="noisy", read_noise=0.01), rngs=nnx.Rngs(0))
    assert layer(inputs()).dtype == jnp.float32
