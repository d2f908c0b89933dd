"""A dense layer on crossbars: what its cells hold are its parameters.

    layer = nj.layers.CrossbarLinear(64, 10, hardware=hardware, rngs=nnx.Rngs(0))
    y = layer(x)                                        x (..., 64), y (..., 10)
    kernel, bias = layer.weights()

With parts p = (g - g_min)/(g_max - g_min) of the window of the cells as parameters, the layer computes

    u = clip(x/x_max, -1, 1),   v = v_read (u, 1, .., 1),   i = crossbars(g, v),   y = w_max x_max decode(i)/v_read

The last rows, driven at full voltage, hold the bias b/x_max. Groups of inputs and outputs that do not meet have arrays
of their own. Gradients are those of exactly this: through wires by the adjoint network, through noise along the path;
converters bring their own. Values of p beyond 0 and 1 read as these, their gradient goes on (`within_window` keeps an
optimiser inside).
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from neurojax.errors import CircuitError
from neurojax.layers import _read
from neurojax.layers._variables import Scale, set_value, split, straight_clip, value_of
from neurojax.layers.hardware import Hardware

Initializer = Callable[..., Array]
HEADROOM = 1.5
"""Largest weight that a new layer can hold over the largest that it is drawn with."""


class CrossbarLinear(nnx.Module):
    """y = x W + b by Ohm's and Kirchhoff's laws.

    Attributes:
        cells: parts of the window of each cell, (arrays, rows, columns), the parameters; rows of all groups one after
            the other. scale: w_max, a scalar or (out_features,). input_range: x_max; a parameter if it is learned.
            modifier: what training does to the cells, `modifier(cells, key=...)`, switched off by `layer.eval()`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        hardware: Hardware | None = None,
        groups: int = 1,
        use_bias: bool = True,
        bias_rows: int = 1,
        input_range: float = 1.0,
        learn_range: bool = False,
        w_max: Any = None,
        modifier: Callable[..., Array] | None = None,
        kernel_init: Initializer | None = None,
        bias_init: Initializer | None = None,
        param_dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """A new layer.

        Args:
            in_features, out_features: lengths of inputs and outputs. hardware: what it runs on (default: ideal).
            groups: equal parts of the inputs, each of which feeds its own part of the outputs.
            use_bias: whether there is one. bias_rows: how many rows share it, in each group.
            input_range: largest magnitude of an input. learn_range: whether that is a parameter.
            w_max: largest weight, one number or (out_features,) (default: 1.5 times the largest of the new ones).
            modifier: of the cells in training. kernel_init, bias_init: as of `nnx.Linear`.
            param_dtype: of all numbers. rngs: "params" for weights, "noise" for readings and modifiers.

        Raises:
            CircuitError: numbers that make no layer.
        """
        if min(in_features, out_features) < 1 or (use_bias and bias_rows < 1) or not input_range > 0:
            raise CircuitError(
                f"CrossbarLinear of {in_features} inputs, {out_features} outputs, {bias_rows} rows for the bias and "
                f"input_range = {input_range}: all must be positive."
            )
        if groups < 1 or in_features % groups or out_features % groups:
            raise CircuitError(
                f"{in_features} inputs and {out_features} outputs cannot be parted into {groups} equal groups; the "
                "number of groups must divide both."
            )
        self.in_features, self.out_features, self.groups = in_features, out_features, groups
        self.bias_rows = bias_rows if use_bias else 0
        self.param_dtype = param_dtype
        self.modifier_numbers, self.modifier_fixed = split(modifier, param_dtype)
        self.deterministic = False
        self.rngs = rngs["noise"].fork()
        numbers, self.fixed = split(Hardware() if hardware is None else hardware, param_dtype)
        self.numbers = numbers
        range_ = jnp.asarray(input_range, param_dtype)
        self.input_range = nnx.Param(range_) if learn_range else Scale(range_)
        kernel_init = kernel_init or nnx.initializers.lecun_normal()
        kernel = kernel_init(rngs.params(), (in_features // groups, out_features), param_dtype)
        bias = (bias_init or nnx.initializers.zeros_init())(rngs.params(), (out_features,), param_dtype)
        self.scale = Scale(jnp.ones((), param_dtype))
        self.cells = nnx.Param(jnp.zeros((), param_dtype))
        self.program(kernel, bias if use_bias else None, w_max=w_max, headroom=HEADROOM)

    @property
    def modifier(self) -> Any:
        """What training does to the cells, or None."""
        return joined(self.modifier_numbers, self.modifier_fixed)

    @property
    def hardware(self) -> Hardware:
        """What the layer runs on."""
        return joined(self.numbers, self.fixed)

    def run_on(self, hardware: Hardware) -> None:
        """From now on, with the same cells.

        Args:
            hardware: of a coding with as many arrays.
        """
        numbers, self.fixed = split(hardware, self.param_dtype)
        set_value(self.numbers, value_of(numbers))

    def program(
        self, kernel: Array, bias: Array | None = None, *, w_max: Any = None, headroom: float = 1.0, per: str = "array"
    ) -> None:
        """Write weights, as exactly as the coding can.

        Args:
            kernel: (in_features/groups, out_features). bias: (out_features,), or None for zero.
            w_max: largest weight that the window holds (default: the largest of kernel and bias, times `headroom`).
            headroom: of the default. per: "array" for one largest weight, "column" for one of each.

        Raises:
            CircuitError: another shape, or a bias without a row for it.
        """
        dtype = self.param_dtype
        kernel = jnp.asarray(kernel, dtype)
        needed = (self.in_features // self.groups, self.out_features)
        if kernel.shape != needed:
            raise CircuitError(f"kernel of shape {kernel.shape}; {needed} is needed.")
        if bias is not None and not self.bias_rows:
            raise CircuitError("a bias for a layer without a row for it: use_bias=True, or bias=None.")
        b = jnp.zeros(self.out_features, dtype) if bias is None else jnp.asarray(bias, dtype)
        rows = jnp.broadcast_to(b / (self.input_range[...] * max(self.bias_rows, 1)), (self.bias_rows, b.shape[0]))
        rows = jnp.concatenate([kernel, rows])
        if w_max is None:
            largest = jnp.max(jnp.abs(rows), axis=0 if per == "column" else None)
            w_max = headroom * jnp.where(largest > 0, largest, jnp.ones_like(largest))
        w_max = jnp.asarray(w_max, dtype)
        coding = self.hardware.coding
        g = coding.encode(self._below(jnp.clip(rows / jnp.broadcast_to(w_max, rows.shape), -1, 1)))
        set_value(self.scale, w_max)
        set_value(self.cells, jnp.asarray((g - coding.g_min) / (coding.g_max - coding.g_min), dtype))

    def weights(self) -> tuple[Float[Array, "n m"], Float[Array, " m"] | None]:
        """Kernel (in_features/groups, out_features) and bias that the cells stand for."""
        coding = self.hardware.coding
        rows = self._beside(coding.decode(self.conductances(), jnp.ones((1, 1), self.param_dtype)))
        rows = rows * jnp.broadcast_to(self.scale[...], rows.shape)
        kernel, bias = jnp.split(rows, [self.in_features // self.groups])
        return kernel, jnp.sum(bias, axis=0) * self.input_range[...] if self.bias_rows else None

    def _below(self, rows: Array) -> Array:
        """Columns of all groups, (n, groups m), with those of one below those of the other, (groups n, m)."""
        n, groups = rows.shape[0], self.groups
        return jnp.swapaxes(rows.reshape(n, groups, -1), 0, 1).reshape(groups * n, -1)

    def _beside(self, rows: Array) -> Array:
        """What `_below` was given."""
        groups, m = self.groups, rows.shape[1]
        return jnp.swapaxes(rows.reshape(groups, -1, m), 0, 1).reshape(-1, groups * m)

    def conductances(self, *, key: Array | None = None) -> Float[Array, "arrays rows columns"]:
        """Of the cells (S).

        Args:
            key: with which the modifier draws; without it there is none.
        """
        coding, cells, modifier = self.hardware.coding, self.cells[...], self.modifier
        if modifier is not None and key is not None:
            cells = modifier(cells, key=key)
        return coding.g_min + (coding.g_max - coding.g_min) * straight_clip(cells, 0.0, 1.0)

    def voltages(self, x: Float[Array, "*batch n"]) -> Float[Array, "batch rows"]:
        """On the rows (V), of inputs `x`, all their leading axes as one; those of each group, then of its bias."""
        x = jnp.asarray(x, self.param_dtype).reshape(-1, self.groups, self.in_features // self.groups)
        u = jnp.clip(x / self.input_range[...], -1, 1)
        u = jnp.concatenate([u, jnp.ones((*u.shape[:2], self.bias_rows), u.dtype)], axis=2)
        return self.hardware.v_read * u.reshape(u.shape[0], -1)

    def __call__(self, x: Float[Array, "*batch n"]) -> Float[Array, "*batch m"]:
        """Outputs of inputs `x`."""
        hardware, lead = self.hardware, jnp.shape(x)[:-1]
        noisy = hardware.draws
        modified = self.modifier is not None and not self.deterministic
        one, two = jax.random.split(self.rngs()) if noisy or modified else (None, None)
        v = self.voltages(x)
        g = self.conductances(key=one if modified else None)
        i = _read.currents(g, v, hardware, two if noisy else None, self.groups)
        total = jnp.sum(v.reshape(v.shape[0], self.groups, -1), axis=-1, keepdims=True)
        y = hardware.coding.decode(i, total).reshape(v.shape[0], -1)
        y = y * jnp.broadcast_to(self.scale[...], y.shape) * (self.input_range[...] / hardware.v_read)
        return y.reshape(*lead, self.out_features)

    def power(self, x: Float[Array, "*batch n"]) -> Float[Array, "*batch"]:
        """Taken by the arrays while inputs `x` are read (W); without converters."""
        lead = jnp.shape(x)[:-1]
        return _read.power(self.conductances(), self.voltages(x), self.hardware, self.groups).reshape(lead)


def joined(numbers: Any, fixed: Any) -> Any:
    """A hardware or a modifier from its numbers and what is static."""
    return eqx.combine(value_of(numbers), fixed)
