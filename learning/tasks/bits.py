"""Streams of symbols: exclusive or in time, parity, sines and squares, spikes for exclusive or."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurojax.errors import DataError

Series = Float[Array, " time"]


class XorSpikes(NamedTuple):
    """Times of spikes (s): of the inputs, (4, 3), the third a reference, and of the wanted answers, (4,)."""

    inputs: Float[Array, "4 3"]
    targets: Float[Array, " 4"]


def random_bits(length: int, *, key: Array) -> Series:
    """Independent zeros and ones.

    Args:
        length: how many. key: of the draw.
    """
    return jax.random.bernoulli(key, 0.5, (length,)).astype(jnp.result_type(float))


def temporal_xor(u: Series, delay: int = 1, separation: int = 1) -> Series:
    """y_k = u_{k-delay} xor u_{k-delay-separation}: the smallest task that needs both memory and nonlinearity.

    With a + b - 2ab for the exclusive or, so that it is smooth in u; bits before the first are zero.

    Args:
        u: zeros and ones. delay: of the later one. separation: between the two.

    Raises:
        DataError: a delay below zero, a separation below one, or u is not longer than both.
    """
    if delay < 0 or separation < 1:
        raise DataError(f"temporal_xor: delay = {delay}, separation = {separation}; use at least 0 and 1.")
    first, second = _delayed(u, delay, "temporal_xor"), _delayed(u, delay + separation, "temporal_xor")
    return first + second - 2 * first * second


def parity(u: Series, order: int = 3, delay: int = 0) -> Series:
    """Whether the number of ones among u_{k-delay} ... u_{k-delay-order+1} is odd.

    N. Bertschinger and T. Natschlaeger, Neural Comput. 16, 1413 (2004), 10.1162/089976604323057443.

    Args:
        u: zeros and ones. order: how many bits. delay: of the latest.

    Raises:
        DataError: an order below one, a delay below zero, or u is not longer than both.
    """
    if order < 1 or delay < 0:
        raise DataError(f"parity: order = {order}, delay = {delay}; use at least 1 and 0.")
    signs = [1 - 2 * _delayed(u, delay + k, "parity") for k in range(order)]
    product = signs[0]
    for s in signs[1:]:
        product = product * s
    return (1 - product) / 2


def sine_square(periods: int, points: int = 8, *, key: Array) -> tuple[Series, Series]:
    """A stream of whole sines and squares in random order, and which one it is: 0 for a sine, 1 for a square.

    A sine of eight points and a square have +1 and -1 in common, so that no memoryless readout tells all samples
    apart. Y. Paquot et al., Sci. Rep. 2, 287 (2012), 10.1038/srep00287; on one spin-torque oscillator
    J. Torrejon et al., Nature 547, 428 (2017), 10.1038/nature23011.

    Args:
        periods: how many. points: samples of one. key: of the order.

    Raises:
        DataError: an odd number of points, or fewer than four.
    """
    if points < 4 or points % 2:
        raise DataError(f"sine_square: points = {points}, use an even number from 4 on.")
    which = random_bits(periods, key=key)[:, None]
    turn = jnp.arange(points, dtype=which.dtype) / points
    sine = jnp.sin(2 * jnp.pi * turn)[None]
    square = jnp.where(turn < 0.5, jnp.ones_like(turn), -jnp.ones_like(turn))[None]
    stream = which * square + (1 - which) * sine
    return stream.reshape(-1), jnp.broadcast_to(which, stream.shape).reshape(-1)


def xor_spikes() -> XorSpikes:
    """Exclusive or in times of spikes: inputs at 0 or 6 ms, a reference at 0; answers at 10 ms if unlike, else 16 ms.

    S. M. Bohte, J. N. Kok and H. La Poutre, Neurocomputing 48, 17 (2002), 10.1016/S0925-2312(01)00658-0.
    """
    ms = jnp.asarray([[0.0, 0.0, 0.0], [0.0, 6.0, 0.0], [6.0, 0.0, 0.0], [6.0, 6.0, 0.0]], jnp.result_type(float))
    return XorSpikes(ms * 1e-3, jnp.asarray([16.0, 10.0, 10.0, 16.0], ms.dtype) * 1e-3)


def _delayed(u: Series, delay: int, name: str) -> Series:
    if delay >= u.shape[0]:
        raise DataError(f"{name}: the input has {u.shape[0]} samples, give more than {delay}.")
    return jnp.concatenate([jnp.zeros(delay, u.dtype), u[: u.shape[0] - delay]])
