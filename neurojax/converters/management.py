"""Inputs scaled to what the converters can take, and scaled again where an output saturates.

    y = nj.converters.managed(crossbar, x, nj.converters.abs_max_scale(x))
    found = nj.converters.bound_managed(crossbar, x, nj.converters.abs_max_scale(x), rounds=5)

y = s f(x/s), with f a crossbar between its converters: noise management chooses s by the input, bound management
doubles it until no output saturates. s is held for the gradient, which is then exact for a linear f, and that of the
straight line for one that quantises. Gokmen, Onen and Haensch, Front. Neurosci. 11, 538 (2017),
10.3389/fnins.2017.00538.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from neurojax.converters._straight import as_float, known
from neurojax.converters.quantiser import Conversion
from neurojax.errors import CircuitError

Scale = Float[Array, "..."]


def _positive(scale: Array) -> Array:
    return lax.stop_gradient(jnp.where(scale > 0, scale, jnp.ones_like(scale)))


def abs_max_scale(x: Any) -> Scale:
    """Largest magnitude of each input vector, (...); 1 for a vector of zeros.

    Args:
        x: (..., n).
    """
    return _positive(jnp.max(jnp.abs(as_float(x)), axis=-1))


def average_abs_max_scale(x: Any) -> Scale:
    """Mean of the largest magnitudes of all vectors, for each of them, (...); 1 where all are zero.

    Args:
        x: (..., n).
    """
    largest = jnp.max(jnp.abs(as_float(x)), axis=-1)
    return _positive(jnp.broadcast_to(jnp.mean(largest), largest.shape))


def constant_scale(x: Any, value: Any) -> Scale:
    """The same for each vector, (...).

    Args:
        x: (..., n). value: of the scale, positive.

    Raises:
        CircuitError: a scale that is not positive.
    """
    x = as_float(x)
    if known(value) and not np.all(np.asarray(value) > 0):
        raise CircuitError(f"a scale of {value} for inputs: it divides them, and must be positive.")
    return lax.stop_gradient(jnp.broadcast_to(jnp.asarray(value, x.dtype), x.shape[:-1]))


def moving_scale(before: Any, x: Any, decay: float = 0.99) -> Float[Array, ""]:
    """Moving average of the mean largest magnitude: decay * before + (1 - decay) * that of `x`; for `constant_scale`.

    Args:
        before: average so far. x: (..., n). decay: part of it that stays. Vectors of zeros do not count.
    """
    x = as_float(x)
    largest = jnp.max(jnp.abs(x), axis=-1)
    count = jnp.sum(largest > 0).astype(x.dtype)
    before = jnp.asarray(before, x.dtype)
    mean = jnp.sum(largest) / jnp.maximum(count, 1)
    return lax.stop_gradient(jnp.where(count > 0, decay * before + (1 - decay) * mean, before))


def managed(f: Callable[[Array], Array], x: Any, scale: Any) -> Float[Array, "..."]:
    """s f(x/s), (..., m).

    Args:
        f: from (..., n) to (..., m). x: (..., n). scale: s, (...), as of `abs_max_scale`.
    """
    x = as_float(x)
    s = jnp.asarray(scale, x.dtype)[..., None]
    y = f(x / jnp.broadcast_to(s, x.shape))
    return jnp.broadcast_to(s, y.shape) * y


class Managed(eqx.Module):
    """What bound management came to: `value`, s f(x/s), (..., m); `scale`, s, (...); `rounds`, how often each vector
    was scaled anew, (...); `saturated`, what still does after the last round, (..., m)."""

    value: Float[Array, "..."]
    scale: Scale
    rounds: Int[Array, "..."]
    saturated: Bool[Array, "..."]


def bound_managed(f: Callable[[Array], Conversion], x: Any, scale: Any, rounds: int = 10) -> Managed:
    """Halve the input of each vector until none of its outputs saturates, at most `rounds` times.

    Args:
        f: from (..., n) to the `Conversion` of outputs (..., m), each vector by itself; a key that it holds is the
            same in every round. x: (..., n). scale: s to begin with, (...). rounds: at most.

    Raises:
        CircuitError: fewer rounds than none.
    """
    if rounds < 0:
        raise CircuitError(f"rounds = {rounds} of bound management: 0 or more.")
    x = as_float(x)
    first = lax.stop_gradient(jnp.asarray(scale, x.dtype))
    s_of = lambda k: first * jnp.exp2(k.astype(x.dtype))  # noqa: E731

    def run(k: Array) -> Conversion:
        return f(x / jnp.broadcast_to(s_of(k)[..., None], x.shape))

    def full(k: Array) -> Array:
        return jnp.any(run(k).saturated, axis=-1)

    def more(carry: tuple[Array, Array]) -> Array:
        return jnp.any(carry[1])

    def halve(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        k = carry[0] + carry[1].astype(jnp.int32)
        return k, full(k) & (k < rounds)

    start = jnp.zeros(first.shape, jnp.int32)
    k, _ = lax.while_loop(more, halve, (start, full(start) & (rounds > 0)))
    out = run(k)
    value = jnp.broadcast_to(s_of(k)[..., None], out.value.shape) * out.value
    return Managed(value, s_of(k), k, out.saturated)
