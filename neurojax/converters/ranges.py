"""Ranges of converters from data that they will see. Each function gives (low, high).

low, high = nj.converters.percentile_range(currents, 99.9, axis=0)          of each column
adc = nj.converters.SarADC(bits=6, low=low, high=high)
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from neurojax.converters._straight import as_float, known, straight
from neurojax.converters.quantiser import Quantiser
from neurojax.errors import DataError

Range = tuple[Float[Array, "..."], Float[Array, "..."]]
Axis = int | None


def _data(data: Any) -> Array:
    data = as_float(data)
    if data.size == 0 or (known(data) and not np.all(np.isfinite(np.asarray(data)))):
        raise DataError(f"data of shape {data.shape} for a range must be finite, and one value at least.")
    return data


def _wide(low: Array, high: Array, symmetric: bool) -> Range:
    """Symmetric if asked, and with a width: one unit or the value itself about data that are all one number."""
    if symmetric:
        high = jnp.maximum(jnp.abs(low), jnp.abs(high))
        low = -high
    width = jnp.where(high == 0, jnp.ones_like(high), jnp.abs(high))
    flat = high <= low
    return jnp.where(flat, low - width / 2, low), jnp.where(flat, high + width / 2, high)


def max_range(data: Any, *, axis: Axis = None, symmetric: bool = False) -> Range:
    """Least and largest value.

    Args:
        data: any shape. axis: of the samples, such as 0 for a range of each column; None for one range of all.
        symmetric: whether about zero.
    """
    data = _data(data)
    return _wide(jnp.min(data, axis=axis), jnp.max(data, axis=axis), symmetric)


def percentile_range(data: Any, part: float = 99.9, *, axis: Axis = None, symmetric: bool = False) -> Range:
    """The middle `part` per cent of the data; symmetric: of the magnitudes.

    Args:
        data: any shape. part: per cent inside. axis: of the samples, or None. symmetric: whether about zero.

    Raises:
        DataError: a part that is none.
    """
    if not 0 < part <= 100:
        raise DataError(f"part = {part} per cent of the data: above 0, at most 100.")
    data = _data(data)
    if symmetric:
        high = jnp.percentile(jnp.abs(data), part, axis=axis)
        return _wide(-high, high, True)
    rest = (100 - part) / 2
    return _wide(jnp.percentile(data, rest, axis=axis), jnp.percentile(data, 100 - rest, axis=axis), False)


def sigma_range(data: Any, k: float = 3.0, *, axis: Axis = None, symmetric: bool = False) -> Range:
    """Mean - k sigma to mean + k sigma.

    Args:
        data: any shape. k: standard deviations. axis: of the samples, or None. symmetric: whether about zero; then
            |mean| + k sigma to either side.

    Raises:
        DataError: k that is not positive.
    """
    if not k > 0:
        raise DataError(f"k = {k} standard deviations of a range: positive.")
    data = _data(data)
    mean = jnp.mean(data, axis=axis, keepdims=True)
    square = jnp.mean((data - jnp.broadcast_to(mean, data.shape)) ** 2, axis=axis)
    some = square > 0  # the slope of a root at zero is infinite
    sigma = jnp.where(some, jnp.sqrt(jnp.where(some, square, jnp.ones_like(square))), jnp.zeros_like(square))
    mean = jnp.reshape(mean, sigma.shape)
    return _wide(mean - k * sigma, mean + k * sigma, symmetric)


def granular_range(low: Any, high: Any, unit: Any) -> Range:
    """The limits of another range, each brought to the next power of two of a unit that contains it.

    With the unit 2^bits times the current of one step of a cell, a step of the converter is a power of two of cells.
    The gradient goes straight through.

    Args:
        low, high: range to be contained. unit: positive, in the same unit.

    Raises:
        DataError: a unit that is not positive.
    """
    low, high = as_float(low), as_float(high)
    unit = jnp.asarray(unit, high.dtype)
    if known(unit) and not np.all(np.asarray(unit) > 0):
        raise DataError(f"unit = {unit} of granular ranges must be positive.")

    def above(limit: Array) -> Array:
        size = jnp.abs(limit) / jnp.broadcast_to(unit, limit.shape)
        some = jnp.where(size > 0, size, jnp.ones_like(size))
        part, power = jnp.frexp(lax.stop_gradient(some))  # some = part 2^power, part in [1/2, 1)
        power = jnp.where(part == 0.5, power - 1, power)
        power = jnp.ldexp(jnp.broadcast_to(unit, limit.shape), power)
        return straight(jnp.where(size > 0, jnp.sign(limit) * power, jnp.zeros_like(limit)), limit)

    return above(low), above(high)


def least_error_range(
    data: Any, bits: int, *, axis: Axis = None, symmetric: bool = False, candidates: int = 128
) -> Range:
    """The part of `max_range` about its middle with the least mean square error of 2^bits levels.

    For normal data the best limits are those of Max, IRE Trans. Inf. Theory 6, 7 (1960), 10.1109/TIT.1960.1057548.

    Args:
        data: any shape. bits: of the converter. axis: of the samples, or None. symmetric: whether about zero.
        candidates: parts that are tried, at equal distances from 1/candidates to 1.
    """
    return _least(_data(data), bits, axis, symmetric, candidates)


@eqx.filter_jit
def _least(data: Array, bits: int, axis: Axis, symmetric: bool, candidates: int) -> Range:
    low, high = max_range(data, axis=axis, symmetric=symmetric)
    middle, half = (low + high) / 2, (high - low) / 2
    parts = jnp.asarray((1 + np.arange(candidates)) / candidates, data.dtype)
    rows = data.reshape(-1)[:, None] if axis is None else jnp.moveaxis(data, axis, 0)

    def error(part: Array) -> Array:
        q = Quantiser.unsigned(bits, middle - part * half, middle + part * half)
        return jnp.mean((q(rows) - rows) ** 2, axis=0).reshape(half.shape)

    best = parts[jnp.argmin(lax.map(error, parts), axis=0)]
    return middle - best * half, middle + best * half
