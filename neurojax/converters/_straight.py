"""Arrays of converters: one precision, explicit shapes, and gradients that go straight through decisions."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Float

from neurojax.errors import CircuitError

Real = Float[Array, "..."]


def as_float(value: Any) -> Array:
    """An array of the precision that it has, or of the usual one where it has none."""
    dtype = getattr(value, "dtype", None)
    weak = getattr(value, "weak_type", False)
    if dtype is None or weak or not jnp.issubdtype(dtype, jnp.floating):
        dtype = jnp.result_type(float)
    return jnp.asarray(value, dtype)


def known(*values: Any) -> bool:
    """Whether the numbers can be looked at: none is traced."""
    return not any(isinstance(v, Tracer) for v in values)


def like(value: Any, x: Array) -> Array:
    """`value` with the precision and the shape of `x`; its own axes are the last ones."""
    return jnp.broadcast_to(jnp.asarray(value, x.dtype), x.shape)


def staged(value: Array, lead: tuple[int, ...], x: Array) -> Array:
    """`value`, a scalar or of shape (*lead, *last axes of x), as (*lead, *x.shape).

    Raises:
        CircuitError: an array that does not begin with `lead`.
    """
    value = jnp.asarray(value, x.dtype)
    if value.ndim:
        if value.shape[: len(lead)] != lead:
            raise CircuitError(f"an array of shape {value.shape} in a converter: {lead} first, then the columns.")
        own = value.shape[len(lead) :]
        value = jnp.reshape(value, (*lead, *(1 for _ in range(x.ndim - len(own))), *own))
    return jnp.broadcast_to(value, (*lead, *x.shape))


def held(x: Real, low: Real, high: Real) -> Real:
    """`x` between its limits; the slope is 1 from limit to limit, both included, and that of the limit beyond."""
    return jnp.where(x < low, low, jnp.where(x > high, high, x))


def straight(exact: Real, line: Real) -> Real:
    """The value of `exact` with the gradient of `line`."""
    return lax.stop_gradient(exact) + (line - lax.stop_gradient(line))


def drawn(key: Array | None, shape: tuple[int, ...], rms: Array) -> Array:
    """Normal numbers of the given standard deviation, of the shape; zero without a key."""
    if key is None:
        return jnp.zeros(shape, rms.dtype)
    return jnp.broadcast_to(rms, shape) * jax.random.normal(key, shape, rms.dtype)


@eqx.filter_jit
def normals(key: Array, *shapes: tuple[int, ...]) -> tuple[Array, ...]:
    """Standard normal numbers of each shape, independent of each other."""
    return tuple(jax.random.normal(k, s) for k, s in zip(jax.random.split(key, len(shapes)), shapes, strict=True))


def first_bad(bad: Any, value: Any) -> float:
    """The first value of those that are wrong, for a message."""
    value = np.broadcast_to(np.asarray(value), np.shape(bad))
    return float(value.ravel()[int(np.argmax(np.asarray(bad).ravel()))])
