"""Weights as conductances and back: single cells, pairs, an offset, several pairs, digits over pairs.

    coding = nj.converters.Differential(1e-6, 1e-4)
    w_max = nj.converters.weight_limit(w)                      of the array, or of each column
    g = coding.to_conductances(w, w_max)                       (arrays, n, m)
    coding.to_weights(g, w_max)                                w again
    coding.to_products(currents, inputs, w_max)                inputs @ w, of currents (arrays, ..., m)

Every coding is linear in what it reads: w = w_max (sum over arrays of c_a g_a - r)/(g_max - g_min), r a conductance
that is known and subtracted digitally (times the sum of the inputs, for currents). Weights beyond w_max are held there.
"""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neurojax.converters._straight import Real, as_float, held, known, like, straight
from neurojax.converters.slicing import Slices, weight_slices
from neurojax.errors import CircuitError, DataError

Weights = Float[Array, "n m"]
Stack = Float[Array, "arrays n columns"]


def weight_limit(w: Any, per: str = "array") -> Float[Array, "..."]:
    """Largest magnitude of the weights; 1 where all are zero.

    Args:
        w: (n, m). per: "array" for one number, "column" for (m,).

    Raises:
        DataError: another word for `per`.
    """
    if per not in ("array", "column"):
        raise DataError(f"per = {per!r}: 'array' or 'column'.")
    largest = jnp.max(jnp.abs(as_float(w)), axis=0 if per == "column" else None)
    return jnp.where(largest > 0, largest, jnp.ones_like(largest))


def _parts(w: Array, w_max: Any) -> Array:
    """Weights as parts of the largest, held within -1 and 1."""
    part = w / like(w_max, w)
    return held(part, -jnp.ones_like(part), jnp.ones_like(part))


class AbstractCoding(eqx.Module):
    """From weights (n, m) to arrays of conductances (arrays, n, columns) within [g_min, g_max] (S), and back."""

    g_min: Real = eqx.field(converter=as_float)
    g_max: Real = eqx.field(converter=as_float)

    def __check_init__(self) -> None:
        low, high = self.g_min, self.g_max
        if known(low, high) and not (np.all(np.asarray(low) >= 0) and np.all(np.asarray(high) > np.asarray(low))):
            raise CircuitError(f"g_min = {low}, g_max = {high}: conductances in siemens, 0 <= g_min < g_max.")

    @property
    def span(self) -> Array:
        """g_max - g_min (S)."""
        return self.g_max - self.g_min

    @property
    @abc.abstractmethod
    def arrays(self) -> int:
        """How many arrays of conductances."""

    @abc.abstractmethod
    def encode(self, part: Weights) -> Stack:
        """Conductances (S), (arrays, n, columns), of weights in parts of the largest, within [-1, 1], (n, m)."""

    @abc.abstractmethod
    def decode(self, read: Float[Array, "arrays ..."], total: Array) -> Float[Array, "..."]:
        """Weights in parts of the largest, or products with them, of what was read.

        Args:
            read: conductances, or currents over volts, (arrays, ..., columns). total: 1 of conductances, the sum of
                the inputs of currents, (..., 1).
        """

    def to_conductances(self, w: Any, w_max: Any) -> Stack:
        """Conductances (S), (arrays, n, columns); the slope beyond w_max is zero.

        Args:
            w: weights, (n, m). w_max: positive; one number, or one a column, (m,).

        Raises:
            DataError: w_max that is not positive.
        """
        if known(w_max) and not np.all(np.asarray(w_max) > 0):
            raise DataError(f"w_max = {np.min(np.asarray(w_max)):g} must be positive; `weight_limit(w)` finds it.")
        return _encoded(self, as_float(w), w_max)

    def to_weights(self, g: Any, w_max: Any) -> Weights:
        """Weights (n, m) of conductances.

        Args:
            g: S, (arrays, n, columns). w_max: as given to `to_conductances`.
        """
        return self.to_products(g, jnp.ones((1,), as_float(g).dtype), w_max)

    def to_products(self, currents: Any, inputs: Any, w_max: Any) -> Float[Array, "..."]:
        """inputs @ w of the currents that the inputs give, (..., m).

        Args:
            currents: A, (arrays, ..., columns). inputs: V, (..., n). w_max: as given to `to_conductances`.

        Raises:
            DataError: currents of another number of arrays.
        """
        currents = as_float(currents)
        if currents.shape[0] != self.arrays:
            raise DataError(f"{currents.shape[0]} arrays, but {type(self).__name__} has {self.arrays}: first axis.")
        return _decoded(self, currents, jnp.asarray(inputs, currents.dtype), w_max)


@eqx.filter_jit
def _encoded(coding: AbstractCoding, w: Array, w_max: Any) -> Array:
    return coding.encode(_parts(w, w_max))


@eqx.filter_jit
def _decoded(coding: AbstractCoding, currents: Array, inputs: Array, w_max: Any) -> Array:
    total = jnp.sum(inputs, axis=-1, keepdims=True)
    found = coding.decode(currents, jnp.broadcast_to(total, (*currents.shape[1:-1], 1)))
    return found * like(w_max, found)


class Single(AbstractCoding):
    """One cell: g = g_min + (g_max - g_min) w/w_max for w >= 0; negative weights are held at g_min."""

    @property
    def arrays(self) -> int:
        """One."""
        return 1

    def encode(self, part: Weights) -> Stack:
        """As of `AbstractCoding`."""
        part = jnp.where(part < 0, jnp.zeros_like(part), part)
        return (like(self.g_min, part) + like(self.span, part) * part)[None]

    def decode(self, read: Float[Array, "arrays ..."], total: Array) -> Float[Array, "..."]:
        """As of `AbstractCoding`; g_min is subtracted digitally."""
        return (read[0] - like(self.g_min * total, read[0])) / like(self.span, read[0])


class Offset(AbstractCoding):
    """One cell about the middle: g = (g_min + g_max)/2 + (g_max - g_min)/2 w/w_max; the middle is subtracted.

    Attributes:
        reference: "column", one column more that holds the middle and is read like the others; or "digital".
    """

    reference: str = eqx.field(static=True, default="column")

    def __check_init__(self) -> None:
        if self.reference not in ("column", "digital"):
            raise CircuitError(f"reference = {self.reference!r} of an offset: 'column' or 'digital'.")

    @property
    def arrays(self) -> int:
        """One."""
        return 1

    def encode(self, part: Weights) -> Stack:
        """As of `AbstractCoding`; the last column is the reference, if there is one."""
        if self.reference == "column":
            part = jnp.concatenate([part, jnp.zeros_like(part[:, :1])], axis=1)
        return ((like(self.g_min + self.g_max, part) + like(self.span, part) * part) / 2)[None]

    def decode(self, read: Float[Array, "arrays ..."], total: Array) -> Float[Array, "..."]:
        """As of `AbstractCoding`."""
        cells, middle = read[0], (self.g_min + self.g_max) / 2 * total
        if self.reference == "column":
            cells, middle = cells[..., :-1], cells[..., -1:]
        return 2 * (cells - like(middle, cells)) / like(self.span, cells)


def _pair(coding: AbstractCoding, part: Array, balanced: bool) -> Array:
    """Conductances of a pair, (2, n, m), whose difference is the part of the span."""
    zero, span = jnp.zeros_like(part), like(coding.span, part)
    if balanced:
        up, down = (1 + part) / 2, (1 - part) / 2
    else:
        # Of two equal arguments each has half the slope: together that of the weight, at zero too.
        up, down = jnp.maximum(part, zero), jnp.maximum(-part, zero)
    return like(coding.g_min, part)[None] + jnp.stack([span * up, span * down])


def _check_sided(sided: str) -> None:
    if sided not in ("one", "two"):
        raise CircuitError(f"sided = {sided!r} of a pair: 'one' or 'two'.")


class Differential(AbstractCoding):
    """A pair: w = w_max (g+ - g-)/(g_max - g_min).

    Attributes:
        sided: "one": one cell of the pair is at g_min, little current; "two": both move from the middle, balanced.
    """

    sided: str = eqx.field(static=True, default="one")

    def __check_init__(self) -> None:
        _check_sided(self.sided)

    @property
    def arrays(self) -> int:
        """Two: of g+ and g-."""
        return 2

    def encode(self, part: Weights) -> Stack:
        """As of `AbstractCoding`."""
        return _pair(self, part, self.sided == "two")

    def decode(self, read: Float[Array, "arrays ..."], total: Array) -> Float[Array, "..."]:
        """As of `AbstractCoding`."""
        del total
        return (read[0] - read[1]) / like(self.span, read[0])


class NPair(AbstractCoding):
    """Pairs that hold the same weight: w = w_max (sum of f_k (g+_k - g-_k))/((g_max - g_min) sum of f_k).

    Independent errors of N equal pairs fall by sqrt(N). Arrays: g+ and g- of the first pair, then of the next.

    Attributes:
        significance: f_k, of each pair, positive. sided: as of `Differential`.
    """

    significance: tuple[float, ...] = eqx.field(static=True, default=(1.0, 1.0))
    sided: str = eqx.field(static=True, default="one")

    def __check_init__(self) -> None:
        _check_sided(self.sided)
        if not self.significance or min(self.significance) <= 0:
            raise CircuitError(f"significance = {self.significance}: one positive number for each pair.")

    @property
    def arrays(self) -> int:
        """Two a pair."""
        return 2 * len(self.significance)

    def encode(self, part: Weights) -> Stack:
        """As of `AbstractCoding`."""
        return jnp.concatenate([_pair(self, part, self.sided == "two")] * len(self.significance))

    def decode(self, read: Float[Array, "arrays ..."], total: Array) -> Float[Array, "..."]:
        """As of `AbstractCoding`."""
        del total
        f = np.asarray(self.significance) / sum(self.significance)
        pairs = (read[0::2] - read[1::2]) / like(self.span, read[0])[None]
        return jnp.tensordot(jnp.asarray(f, read.dtype), pairs, axes=1)


class Sliced(AbstractCoding):
    """Digits of the weight on one-sided pairs of cells of few levels; lowest digit first, g+ then g- of each.

    The weight is rounded to 2^(bits - 1) - 1 steps to either side; its gradient goes straight through.

    Attributes:
        bits: of the weight, with its sign. levels: of a cell, at equal distances from g_min to g_max.
    """

    bits: int = eqx.field(static=True, default=8)
    levels: int = eqx.field(static=True, default=4)

    @property
    def digits(self) -> Slices:
        """How weights are split."""
        return weight_slices(self.bits, self.levels)

    @property
    def arrays(self) -> int:
        """Two a digit."""
        return 2 * self.digits.slices

    def encode(self, part: Weights) -> Stack:
        """As of `AbstractCoding`."""
        top = self.digits.span - 1
        code = straight(jnp.round(part * top), part * top)
        planes = self.digits.split(code) / (self.levels - 1)
        return jnp.concatenate([_pair(self, plane, False) for plane in planes])

    def decode(self, read: Float[Array, "arrays ..."], total: Array) -> Float[Array, "..."]:
        """As of `AbstractCoding`."""
        del total
        planes = (read[0::2] - read[1::2]) / like(self.span, read[0])[None]
        return self.digits.join(planes * (self.levels - 1)) / (self.digits.span - 1)
