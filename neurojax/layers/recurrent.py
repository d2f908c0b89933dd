"""Recurrent cells whose gates share one crossbar: rows (x, h, 1), a block of columns for each gate.

    cell = nj.layers.CrossbarLSTMCell(3, 16, hardware=hardware, rngs=nnx.Rngs(0))
    y = nnx.RNN(cell)(x)                                x (batch, time, 3)

The state (h, c) is digital, as are the functions of the gates.
"""

import abc
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from neurojax.layers._variables import set_value
from neurojax.layers.linear import CrossbarLinear


class AbstractCrossbarCell(nnx.RNNCellBase):
    """A recurrent cell on one array.

    Attributes:
        array: the crossbar, inputs of magnitude 1. x_max: largest magnitude of x; h is within -1 and 1.
    """

    blocks: int
    """Blocks of columns, each of `hidden_features`."""

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        input_range: float = 1.0,
        param_dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """A new cell.

        Args:
            in_features, hidden_features: lengths of x and h. input_range: x_max. param_dtype: of all numbers.
            rngs: as of `CrossbarLinear`. options: further keywords of it.
        """
        self.in_features, self.hidden_features, self.x_max = in_features, hidden_features, input_range
        self.param_dtype = param_dtype
        rows, columns = in_features + hidden_features, self.blocks * hidden_features
        self.array = CrossbarLinear(rows, columns, param_dtype=param_dtype, rngs=rngs, **options)
        drawn = nnx.initializers.lecun_normal()(rngs.params(), (in_features, columns), param_dtype)
        fed_back = nnx.initializers.orthogonal()(rngs.params(), (hidden_features, columns), param_dtype)
        kernel, bias = self.merged(drawn, fed_back, jnp.zeros(columns, param_dtype))
        self.array.program(kernel, bias if self.array.bias_rows else None, headroom=1.5)

    def merged(self, of_x: Array, of_h: Array, bias: Array) -> tuple[Array, Array]:
        """The matrix of the array and its bias, of kernels of x and h.

        Args:
            of_x: (in_features, columns). of_h: (hidden_features, columns). bias: (columns,).
        """
        return jnp.concatenate([of_x * self.x_max, of_h]), bias

    def parted(self) -> tuple[Array, Array, Array]:
        """Kernels of x and h and the bias that the cells of the array stand for."""
        kernel, bias = self.array.weights()
        bias = jnp.zeros(kernel.shape[1], kernel.dtype) if bias is None else bias
        return kernel[: self.in_features] / self.x_max, kernel[self.in_features :], bias

    def sums(self, x: Array, h: Array) -> list[Array]:
        """What the array gives for each block, (..., hidden_features).

        Args:
            x: (..., in_features). h: (..., hidden_features).
        """
        x = jnp.asarray(x, self.param_dtype) / self.x_max
        return jnp.split(self.array(jnp.concatenate([x, h], axis=-1)), self.blocks, axis=-1)

    @abc.abstractmethod
    def digital(self, rngs: nnx.Rngs) -> Any:
        """The same cell of Flax.

        Args:
            rngs: of the new cell, which is overwritten.
        """

    def initialize_carry(self, input_shape: tuple[int, ...], rngs: Any = None, carry_init: Any = None) -> Any:
        """A state of zeros for inputs of a shape.

        Args:
            input_shape: (..., in_features). rngs, carry_init: as of `nnx.RNNCellBase`; not needed for zeros.
        """
        shape = (*input_shape[:-1], self.hidden_features)
        zero = jnp.zeros(shape, self.param_dtype)
        return zero if carry_init is None else carry_init(rngs(), shape, self.param_dtype)

    @property
    def num_feature_axes(self) -> int:
        """One."""
        return 1


def _filled(kind: Any, layer: Any, options: dict[str, Any], per: str) -> Any:
    """A cell of a kind with the weights of one of Flax."""
    x, h = layer.dense_i, layer.dense_h
    bias = x.bias if x.bias is not None else h.bias
    dtype = x.kernel[...].dtype
    cell = kind(layer.in_features, layer.hidden_features, param_dtype=dtype, **options)
    kernel, bias = cell.merged(x.kernel[...], h.kernel[...], bias[...])
    cell.array.program(kernel, bias, per=per)
    return cell


def _emptied(kind: Any, cell: AbstractCrossbarCell, rngs: nnx.Rngs, bias_of: str) -> Any:
    """A cell of Flax with the weights of one of ours."""
    of_x, of_h, bias = cell.parted()
    new = kind(cell.in_features, cell.hidden_features, param_dtype=cell.param_dtype, dtype=cell.param_dtype, rngs=rngs)
    set_value(new.dense_i.kernel, of_x)
    set_value(new.dense_h.kernel, of_h)
    set_value(getattr(new, bias_of).bias, bias)
    return new


class CrossbarRNNCell(AbstractCrossbarCell):
    """h' = tanh(W (x, h) + b)."""

    blocks = 1

    @classmethod
    def of(cls, layer: Any, *, per: str = "array", **options: Any) -> "CrossbarRNNCell":
        """From an `nnx.SimpleCell`.

        Args:
            layer: of Flax. per: as of `CrossbarLinear.program`. options: keywords of the class.
        """
        return _filled(cls, layer, options, per)

    def __call__(self, carry: Array, inputs: Array) -> tuple[Array, Array]:
        """The state after `inputs`, from `carry`, twice: to go on with and to look at."""
        h = jnp.tanh(self.sums(inputs, carry)[0])
        return h, h

    def digital(self, rngs: nnx.Rngs) -> Any:
        """An `nnx.SimpleCell`, from `rngs`."""
        return _emptied(nnx.SimpleCell, self, rngs, "dense_i")


class CrossbarLSTMCell(AbstractCrossbarCell):
    """c' = f c + i g,  h' = o tanh(c'),  (i, f, g, o) the four gates of W (x, h) + b."""

    blocks = 4

    @classmethod
    def of(cls, layer: Any, *, per: str = "array", **options: Any) -> "CrossbarLSTMCell":
        """From an `nnx.OptimizedLSTMCell`.

        Args:
            layer: of Flax. per: as of `CrossbarLinear.program`. options: keywords of the class.
        """
        return _filled(cls, layer, options, per)

    def initialize_carry(self, input_shape: tuple[int, ...], rngs: Any = None, carry_init: Any = None) -> Any:
        """c and h of zeros; `input_shape`, `rngs` and `carry_init` as of the other cells."""
        shape = (*input_shape[:-1], self.hidden_features)
        new = lambda: jnp.zeros(shape, self.param_dtype) if carry_init is None else carry_init(rngs(), shape)  # noqa: E731
        return new(), new()

    def __call__(self, carry: tuple[Array, Array], inputs: Array) -> tuple[tuple[Array, Array], Array]:
        """State (c, h) after `inputs`, from `carry`, and h."""
        c, h = carry
        i, f, g, o = self.sums(inputs, h)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (c, h), h

    def digital(self, rngs: nnx.Rngs) -> Any:
        """An `nnx.OptimizedLSTMCell`, from `rngs`."""
        return _emptied(nnx.OptimizedLSTMCell, self, rngs, "dense_h")


class CrossbarGRUCell(AbstractCrossbarCell):
    """h' = (1 - z) n + z h,  n = tanh(n_x + r n_h); columns r, z, n_x and n_h, the last two from x or h alone."""

    blocks = 4

    @classmethod
    def of(cls, layer: Any, *, per: str = "array", **options: Any) -> "CrossbarGRUCell":
        """From an `nnx.GRUCell`.

        Args:
            layer: of Flax. per: as of `CrossbarLinear.program`. options: keywords of the class.
        """
        return _filled(cls, layer, options, per)

    def merged(self, of_x: Array, of_h: Array, bias: Array) -> tuple[Array, Array]:
        """As of the other cells, of kernels (.., 3 or 4 blocks): cells of n_x in rows of h hold zero, and the reverse.

        Args:
            of_x, of_h: kernels. bias: (columns,).
        """
        n = self.hidden_features
        empty = lambda a: jnp.zeros((*a.shape[:-1], n), a.dtype)  # noqa: E731
        of_x = jnp.concatenate([of_x[:, : 3 * n], empty(of_x)], axis=1) * self.x_max
        of_h = jnp.concatenate([of_h[:, : 2 * n], empty(of_h), of_h[:, 2 * n : 3 * n]], axis=1)
        return jnp.concatenate([of_x, of_h]), jnp.concatenate([bias[: 3 * n], empty(bias)])

    def __call__(self, carry: Array, inputs: Array) -> tuple[Array, Array]:
        """The state after `inputs`, from `carry`, twice: to go on with and to look at."""
        r, z, n_x, n_h = self.sums(inputs, carry)
        z = jax.nn.sigmoid(z)
        h = (1 - z) * jnp.tanh(n_x + jax.nn.sigmoid(r) * n_h) + z * carry
        return h, h

    def parted(self) -> tuple[Float[Array, "n m"], Float[Array, "h m"], Float[Array, " m"]]:
        """As of the other cells, three blocks each."""
        of_x, of_h, bias = super().parted()
        n = self.hidden_features
        of_h = jnp.concatenate([of_h[:, : 2 * n], of_h[:, 3 * n :]], axis=1)
        return of_x[:, : 3 * n], of_h, bias[: 3 * n]

    def digital(self, rngs: nnx.Rngs) -> Any:
        """An `nnx.GRUCell`, from `rngs`."""
        return _emptied(nnx.GRUCell, self, rngs, "dense_i")
