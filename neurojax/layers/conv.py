"""Convolutions on crossbars: a kernel of four axes as a matrix, one patch of the input after the other on its rows."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from neurojax.errors import CircuitError
from neurojax.layers.hardware import Hardware
from neurojax.layers.linear import CrossbarLinear

DIMENSIONS = {1: "NHC", 2: "NHWC", 3: "NHWDC"}


def as_matrix(kernel: Float[Array, "..."]) -> Float[Array, "n m"]:
    """A kernel (k_1, .., k_d, in, out) as rows (in, k_1, .., k_d) and columns (out), the order of patches.

    Args:
        kernel: as of `nnx.Conv`, `in` the channels of one group.
    """
    d = kernel.ndim - 2
    return jnp.moveaxis(kernel, d, 0).reshape(-1, kernel.shape[-1])


def as_kernel(matrix: Float[Array, "n m"], size: tuple[int, ...]) -> Float[Array, "..."]:
    """The kernel of a matrix, as `as_matrix` makes it.

    Args:
        matrix: (rows, out). size: (k_1, .., k_d).
    """
    return jnp.moveaxis(matrix.reshape(-1, *size, matrix.shape[1]), 0, len(size))


class CrossbarConv(nnx.Module):
    """y = convolution of x with a kernel, plus a bias; each patch is one reading of the same arrays.

    The rows of a patch are (in, k_1, .., k_d); arrays that are too small share them (`Hardware.tile`), every group of
    channels has arrays of its own. Inputs are (batch, spatial axes, channels), as of `nnx.Conv`.

    Attributes:
        matrix: the arrays, a `CrossbarLinear` of the flattened kernel.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        *,
        padding: str | Sequence[tuple[int, int]] = "SAME",
        kernel_dilation: int | Sequence[int] = 1,
        feature_group_count: int = 1,
        kernel_init: Callable[..., Array] | None = None,
        param_dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """A new layer.

        Args:
            in_features, out_features: channels. kernel_size, strides, padding, kernel_dilation, kernel_init: as of
                `nnx.Conv`, padding "SAME", "VALID" or pairs. feature_group_count: groups of channels; as many as
                in_features make it depthwise. param_dtype: of all numbers. rngs: as of `CrossbarLinear`.
            options: further keywords of `CrossbarLinear`.

        Raises:
            CircuitError: more than three axes, another padding, or groups that do not divide the channels.
        """
        size = (kernel_size,) if isinstance(kernel_size, int) else tuple(kernel_size)
        if len(size) not in DIMENSIONS:
            raise CircuitError(f"kernel_size = {kernel_size}: 1 to 3 axes.")
        if isinstance(padding, str) and padding not in ("SAME", "VALID"):
            raise CircuitError(f"padding = {padding!r}: 'SAME', 'VALID' or pairs of numbers.")
        groups = feature_group_count
        if groups < 1 or in_features % groups or out_features % groups:
            raise CircuitError(
                f"feature_group_count = {groups} does not divide {in_features} channels in and {out_features} out."
            )
        self.in_features, self.out_features, self.kernel_size = in_features, out_features, size
        self.feature_group_count = groups
        self.strides = _each(strides, len(size))
        self.kernel_dilation = _each(kernel_dilation, len(size))
        self.padding: Any = padding if isinstance(padding, str) else tuple(tuple(p) for p in padding)
        init = kernel_init or nnx.initializers.lecun_normal()
        drawn = lambda key, shape, dtype: as_matrix(init(key, (*size, in_features // groups, out_features), dtype))  # noqa: E731
        self.matrix = CrossbarLinear(
            in_features * math.prod(size),
            out_features,
            groups=groups,
            kernel_init=drawn,
            param_dtype=param_dtype,
            rngs=rngs,
            **options,
        )

    def patches(self, x: Float[Array, "batch *spatial channels"]) -> Float[Array, "batch *out n"]:
        """Patches of inputs `x`, one row of numbers for each output place."""
        layout = DIMENSIONS[len(self.kernel_size)]
        spatial = layout[1:-1]
        return lax.conv_general_dilated_patches(
            jnp.asarray(x, self.matrix.param_dtype),
            self.kernel_size,
            self.strides,
            self.padding,
            rhs_dilation=self.kernel_dilation,
            dimension_numbers=(layout, spatial + "IO", layout),
            precision=lax.Precision.HIGHEST,
        )

    def __call__(self, x: Float[Array, "*batch channels"]) -> Float[Array, "*places out"]:
        """Outputs of inputs `x`, (batch, spatial axes, channels) or one of them without the batch."""
        single = jnp.ndim(x) == len(self.kernel_size) + 1
        y = self.matrix(self.patches(x[None] if single else x))
        return y[0] if single else y

    def weights(self) -> tuple[Float[Array, "..."], Float[Array, " out"] | None]:
        """Kernel (k_1, .., k_d, in/groups, out) and bias that the cells stand for."""
        matrix, bias = self.matrix.weights()
        return as_kernel(matrix, self.kernel_size), bias

    def program(self, kernel: Float[Array, "..."], bias: Array | None = None, **options: Any) -> None:
        """Write weights.

        Args:
            kernel: (k_1, .., k_d, in/groups, out). bias: (out,), or None.
            options: keywords of `CrossbarLinear.program`.
        """
        self.matrix.program(as_matrix(jnp.asarray(kernel)), bias, **options)

    @property
    def hardware(self) -> Hardware:
        """What the layer runs on."""
        return self.matrix.hardware

    def run_on(self, hardware: Hardware) -> None:
        """As of `CrossbarLinear`, on `hardware`."""
        self.matrix.run_on(hardware)

    def power(self, x: Float[Array, "*batch channels"]) -> Float[Array, "*places"]:
        """Taken by the arrays in the reading of each patch of inputs `x` (W)."""
        single = jnp.ndim(x) == len(self.kernel_size) + 1
        p = self.matrix.power(self.patches(x[None] if single else x))
        return p[0] if single else p


def _each(value: int | Sequence[int], count: int) -> tuple[int, ...]:
    return (value,) * count if isinstance(value, int) else tuple(value)
