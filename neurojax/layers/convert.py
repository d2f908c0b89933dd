"""Models of Flax onto crossbars and back, chips with frozen errors, other hardware, windows in training.

analog = nj.layers.to_crossbar(model, hardware)
nj.layers.run_on(analog, hardware.at("wires"))
model = nj.layers.to_digital(analog)
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.scipy.linalg import block_diag
from jaxtyping import Array

from neurojax.errors import CircuitError
from neurojax.layers._variables import set_value
from neurojax.layers.conv import CrossbarConv
from neurojax.layers.hardware import Hardware
from neurojax.layers.linear import CrossbarLinear
from neurojax.layers.modifiers import Modifier
from neurojax.layers.recurrent import CrossbarGRUCell, CrossbarLSTMCell, CrossbarRNNCell

RECURRENT: dict[Any, Any] = {
    nnx.SimpleCell: CrossbarRNNCell,
    nnx.OptimizedLSTMCell: CrossbarLSTMCell,
    nnx.GRUCell: CrossbarGRUCell,
}


def to_crossbar(
    model: Any,
    hardware: Hardware,
    *,
    input_range: Any = 1.0,
    per: str = "array",
    rngs: nnx.Rngs | None = None,
    **options: Any,
) -> Any:
    """A copy of a model whose dense and convolutional layers, and recurrent cells, are crossbars with the same weights.

    `nnx.Linear`, `nnx.Conv`, `nnx.SimpleCell`, `nnx.OptimizedLSTMCell` and `nnx.GRUCell` are replaced;
    `nnx.LSTMCell` keeps its eight dense layers, each on arrays of its own. Other layers stay as they are.

    Args:
        model: an `nnx.Module`. hardware: of all new layers.
        input_range: largest magnitude of an input, or a function from the name of a layer to it.
        per: "array" for one scale of the weights in each layer, "column" for one of each output.
        rngs: of noise and modifiers (default: `nnx.Rngs(0)`). options: further keywords of `CrossbarLinear`.

    Raises:
        CircuitError: a model without any layer that could be replaced, or a convolution of a dilated input.
    """
    rngs = nnx.Rngs(0) if rngs is None else rngs
    found: list[str] = []

    def replace(name: str, layer: Any) -> Any:
        own: dict[str, Any] = dict(hardware=hardware, rngs=rngs, **options)
        own["input_range"] = input_range(name) if callable(input_range) else input_range
        new = _crossbar_of(layer, own, per)
        if new is not None:
            found.append(name)
        return new

    new = _mapped(nnx.clone(model), replace, "")
    if not found:
        raise CircuitError(f"to_crossbar: {type(model).__name__} has no Linear, Conv or recurrent cell.")
    return new


def _crossbar_of(layer: Any, options: dict[str, Any], per: str) -> Any:
    if type(layer) is nnx.Linear:
        kernel, bias = layer.kernel[...], layer.bias[...] if layer.bias is not None else None
        n, m = kernel.shape
        new: Any = CrossbarLinear(n, m, use_bias=bias is not None, param_dtype=kernel.dtype, **options)
        new.program(kernel, bias, per=per)
        return new
    if type(layer) is nnx.Conv:
        return _conv_of(layer, options, per)
    ours = RECURRENT.get(type(layer))
    return None if ours is None else ours.of(layer, per=per, **options)


def _conv_of(layer: Any, options: dict[str, Any], per: str) -> CrossbarConv:
    if layer.input_dilation not in (None, 1, (1,) * len(layer.kernel_size)):
        raise CircuitError(f"to_crossbar: input_dilation = {layer.input_dilation}; only 1 has a crossbar here.")
    kernel, bias = layer.kernel[...], layer.bias[...] if layer.bias is not None else None
    kernel = kernel if layer.mask is None else kernel * layer.mask
    new = CrossbarConv(
        layer.in_features,
        layer.out_features,
        layer.kernel_size,
        layer.strides,
        padding=layer.padding,
        kernel_dilation=layer.kernel_dilation,
        feature_group_count=layer.feature_group_count,
        use_bias=bias is not None,
        param_dtype=kernel.dtype,
        **options,
    )
    new.program(kernel, bias, per=per)
    return new


def to_digital(model: Any, *, rngs: nnx.Rngs | None = None) -> Any:
    """A copy of a model whose crossbars are layers of Flax again, with the weights that their cells stand for.

    Args:
        model: with layers of this package. rngs: of the new layers, which are overwritten.
    """
    rngs = nnx.Rngs(0) if rngs is None else rngs
    return _mapped(nnx.clone(model), lambda name, layer: _digital_of(layer, rngs), "")


def _digital_of(layer: Any, rngs: nnx.Rngs) -> Any:
    if isinstance(layer, CrossbarLinear):
        kernel, bias = layer.weights()
        kernel = block_diag(*jnp.split(kernel, layer.groups, axis=1))
        new: Any = nnx.Linear(*kernel.shape, use_bias=bias is not None, param_dtype=kernel.dtype, rngs=rngs)
    elif isinstance(layer, CrossbarConv):
        kernel, bias = layer.weights()
        new = nnx.Conv(
            layer.in_features,
            layer.out_features,
            layer.kernel_size,
            layer.strides,
            padding=layer.padding,
            kernel_dilation=layer.kernel_dilation,
            feature_group_count=layer.feature_group_count,
            use_bias=bias is not None,
            param_dtype=kernel.dtype,
            rngs=rngs,
        )
    elif isinstance(layer, CrossbarRNNCell | CrossbarLSTMCell | CrossbarGRUCell):
        return layer.digital(rngs)
    else:
        return None
    set_value(new.kernel, kernel)
    if bias is not None:
        set_value(new.bias, bias)
    return new


def _mapped(node: Any, replace: Any, name: str) -> Any:
    """A tree of modules with some replaced, in place."""
    new = replace(name, node)
    if new is not None:
        return new
    if isinstance(node, nnx.Module):
        for key, child in list(vars(node).items()):
            changed = _child(child, replace, f"{name}.{key}" if name else key)
            if changed is not child:
                setattr(node, key, changed)
    return node


def _child(child: Any, replace: Any, name: str) -> Any:
    if isinstance(child, list | tuple | nnx.List):
        new = [_child(c, replace, f"{name}.{k}") for k, c in enumerate(child)]
        if all(a is b for a, b in zip(new, child, strict=True)):
            return child
        return nnx.List(new) if isinstance(child, nnx.List) else type(child)(new)
    if isinstance(child, dict):
        new = {k: _child(c, replace, f"{name}.{k}") for k, c in child.items()}
        return child if all(new[k] is child[k] for k in child) else new
    return _mapped(child, replace, name) if isinstance(child, nnx.Module) else child


def crossbars(model: Any) -> list[CrossbarLinear]:
    """All arrays of a model, in the order of their names.

    Args:
        model: an `nnx.Module`.
    """
    return [m for _, m in nnx.iter_modules(model) if isinstance(m, CrossbarLinear)]


def run_on(model: Any, hardware: Hardware | Callable[[Hardware], Hardware]) -> None:
    """Let all crossbars of a model run on other hardware, in place, with the cells that they have.

    Args:
        model: an `nnx.Module`. hardware: the new one, or a function from the one of a layer to it.
    """
    for layer in crossbars(model):
        layer.run_on(hardware(layer.hardware) if callable(hardware) else hardware)


def written(model: Any, modifier: Modifier, *, key: Array) -> Any:
    """A copy of a model as one chip: the cells of each crossbar are modified once and stay so.

    Args:
        model: an `nnx.Module`. modifier: of `nj.layers`, such as `programming_noise`. key: a `jax.random.key`.
    """
    model = nnx.clone(model)
    layers = crossbars(model)
    for layer, own in zip(layers, jax.random.split(key, max(len(layers), 1)), strict=False):
        set_value(layer.cells, jnp.clip(modifier(layer.cells[...], key=own), 0.0, 1.0))
    return model


def within_window(low: float = 0.0, high: float = 1.0) -> optax.GradientTransformation:
    """The last link of an optimiser: parameters end up between limits.

    Args:
        low, high: limits.

    Raises:
        CircuitError: an update without the parameters.
    """

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        if params is None:
            raise CircuitError("within_window needs the parameters: update(grads, state, params).")
        held = jax.tree.map(lambda u, p: jnp.clip(p + u, low, high) - p, updates, params)
        return held, state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)
