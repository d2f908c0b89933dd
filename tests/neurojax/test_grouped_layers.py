"""Convolutions in groups, and depthwise, beside those of Flax; dense layers in groups; what they cost."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import neurojax as nj
from neurojax import layers
from neurojax.errors import CircuitError
from neurojax.layers import CrossbarConv, CrossbarLinear, Hardware

GROUPED = [
    (2, 4, 2, (2, 3), 2, "VALID"),
    pytest.param((4, 6, 2, (3,), 1, "SAME"), marks=pytest.mark.slow),
    pytest.param((3, 3, 3, (1, 2, 2), 1, "VALID"), marks=pytest.mark.slow),
]
"""Channels in and out, groups, kernel, strides, padding; the first and third are depthwise."""


BIAS = nnx.initializers.normal()


def theirs(n, m, groups, size, strides=1, padding="SAME", **more) -> Any:
    double: Any = dict(param_dtype=jnp.float64, dtype=jnp.float64, rngs=nnx.Rngs(3))
    options: Any = more | dict(padding=padding, feature_group_count=groups, bias_init=BIAS)
    return nnx.Conv(n, m, size, strides, **double, **options)


def images(n, d, batch=2):
    return jax.random.normal(jax.random.key(2), (batch, *(5, 4, 3)[:d], n))


def total(y):
    return jnp.sum(y * jnp.sin(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))


def gradients(layer, x):
    """To the inputs, and to all parameters as a state; and what the weights of a layer move when these do."""
    graph, state, rest = nnx.split(layer, nnx.Param, ...)
    slope = jax.jit(jax.grad(lambda state, x: total(nnx.merge(graph, state, rest)(x)), (0, 1)))(state, x)
    back = lambda moved: jax.vjp(lambda state: nnx.merge(graph, state, rest).weights(), state)[1](moved)[0]  # noqa: E731
    return *slope, back


@pytest.mark.parametrize("case", GROUPED)
def test_groups_are_those_of_flax(case):
    """Outputs, gradients to inputs and to all cells; there and back."""
    layer, x = theirs(*case), images(case[0], len(case[3]))
    ours = layers.to_crossbar(nnx.Sequential(layer), Hardware(tile=(5, 2)), input_range=8.0).layers[0]
    np.testing.assert_allclose(ours(x), layer(x), rtol=0, atol=1e-12)
    (of_cells, dx, back), (known, dx_known, _) = gradients(ours, x), gradients(layer, x)
    np.testing.assert_allclose(dx, dx_known, rtol=0, atol=1e-12)
    expected = back((known["kernel"][...], known["bias"][...]))["matrix"]["cells"][...]
    np.testing.assert_allclose(of_cells["matrix"]["cells"][...], expected, rtol=0, atol=1e-10)
    assert bool(jnp.all(jnp.any(expected != 0, axis=(0, 2))))
    digital = layers.to_digital(nnx.Sequential(ours)).layers[0]
    np.testing.assert_allclose(digital(x), layer(x), rtol=0, atol=1e-12)
    assert digital.feature_group_count == case[2]


@pytest.mark.parametrize("coding", [nj.converters.Offset(1e-6, 1e-4), nj.converters.NPair(1e-6, 1e-4)])
def test_every_coding_has_groups_and_each_column_its_scale(coding):
    """The sum of the inputs that an offset subtracts is that of the group."""
    layer, x = theirs(4, 6, 2, (3,)), images(4, 1)
    ours = layers.to_crossbar(nnx.Sequential(layer), Hardware(coding=coding), input_range=8.0, per="column").layers[0]
    np.testing.assert_allclose(ours(x), layer(x), rtol=0, atol=1e-11)


def test_a_masked_kernel_goes_as_it_is_used():
    mask = jnp.zeros((3, 2, 6)).at[0].set(1.0)
    layer, x = theirs(4, 6, 2, (3,), mask=mask), images(4, 1)
    ours = layers.to_crossbar(layer, Hardware(), input_range=8.0)
    np.testing.assert_allclose(ours(x), layer(x), rtol=0, atol=1e-12)


def parts(whole, hardware):
    """Dense layers of the groups of another."""
    kernel, bias = whole.weights()
    for k in range(whole.groups):
        one = CrossbarLinear(3, 2, hardware=hardware, input_range=3.0, param_dtype=jnp.float64, rngs=nnx.Rngs(0))
        assert bias is not None
        own = slice(2 * k, 2 * k + 2)
        one.program(kernel[:, own], bias[own], w_max=whole.scale[...])
        yield one


@pytest.mark.parametrize("fidelity", ["ideal", "wires"])
def test_a_group_is_a_layer_of_its_own(fidelity):
    """Dense layers: with wires, tiles, their power and cost, and back to one dense layer."""
    hardware = Hardware(wires=nj.Wires.uniform(200.0), tile=(3, 2), fidelity=fidelity)
    options: Any = dict(input_range=3.0, param_dtype=jnp.float64, bias_init=BIAS, rngs=nnx.Rngs(1))
    whole = CrossbarLinear(6, 4, groups=2, hardware=hardware, **options)
    x = jax.random.normal(jax.random.key(4), (3, 6))
    given = list(zip(parts(whole, hardware), (x[:, :3], x[:, 3:]), strict=True))
    np.testing.assert_allclose(whole(x), jnp.concatenate([one(x) for one, x in given], axis=1), rtol=1e-10)
    np.testing.assert_allclose(whole.power(x), sum(one.power(x) for one, x in given), rtol=1e-10)
    costs, found = [layers.cost(one, x) for one, x in given], layers.cost(whole, x)
    for name in ("energy", "lines", "area"):
        np.testing.assert_allclose(getattr(found, name), sum(getattr(c, name) for c in costs), rtol=1e-10)
    np.testing.assert_allclose(found.latency, costs[0].latency)
    if fidelity == "ideal":
        np.testing.assert_allclose(layers.to_digital(whole)(x), whole(x), rtol=0, atol=1e-12)


def test_a_depthwise_layer_through_wires():
    """Each channel is an array read alone; gradients are those of differences."""
    hardware = Hardware(wires=nj.Wires.uniform(100.0), fidelity="wires")
    options: Any = dict(hardware=hardware, input_range=4.0, param_dtype=jnp.float64, rngs=nnx.Rngs(0))
    conv = CrossbarConv(2, 2, (2,), feature_group_count=2, padding="VALID", **options)
    x = images(2, 1, batch=1)
    alone = CrossbarConv(1, 1, (2,), padding="VALID", **options)
    kernel, bias = conv.weights()
    assert bias is not None
    alone.program(kernel[..., 1:], bias[1:], w_max=conv.matrix.scale[...])
    np.testing.assert_allclose(conv(x)[..., 1:], alone(x[..., 1:]), rtol=1e-10)
    wired = jnp.abs(conv(x) - jax.lax.conv_general_dilated(
        x, kernel, (1,), "VALID", feature_group_count=2, dimension_numbers=("NHC", "HIO", "NHC")
    ))  # fmt: skip
    assert float(jnp.max(wired)) > 1e-4
    f, h = jax.jit(jax.value_and_grad(lambda x: total(conv(x)))), 1e-5
    step = jnp.zeros_like(x).at[0, 2, 1].set(h)
    np.testing.assert_allclose(f(x)[1][0, 2, 1], (f(x + step)[0] - f(x - step)[0]) / (2 * h), rtol=1e-6)


def test_groups_that_do_not_divide_are_told():
    with pytest.raises(CircuitError, match="feature_group_count = 3 does not divide 4 channels in and 6 out"):
        CrossbarConv(4, 6, 3, feature_group_count=3, rngs=nnx.Rngs(0))
    with pytest.raises(CircuitError, match="feature_group_count = 0"):
        CrossbarConv(4, 6, 3, feature_group_count=0, rngs=nnx.Rngs(0))
    with pytest.raises(CircuitError, match="into 4 equal groups"):
        CrossbarLinear(4, 6, groups=4, rngs=nnx.Rngs(0))
