"""Hyperdimensional computing: long random vectors, and four operations on them, with the names of torchhd.

    items = random_hypervectors(27, 2048, key=key)          27 letters, bits
    pair = bind(items[0], permute(items[1]))                unlike either of them, and bind(pair, items[0]) undoes it
    bag = bundle(items[:5])                                 like each of them
    similarity(bag, items)                                  parts of the components that agree

Bits (bool) are bound by XOR and bundled by the majority; signs (floats, -1 and 1) are bound by products and bundled by
sums, so that they are differentiable. `to_bipolar` and `to_binary` go from one to the other: True is -1, so that XOR
is the product.

P. Kanerva, Cogn. Comput. 1, 139 (2009), 10.1007/s12559-009-9009-8; M. Heddes et al., J. Mach. Learn. Res. 24, 255
(2023), torchhd.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer, Shaped

from neurojax.errors import DataError

Hypervectors = Shaped[Array, "*batch d"]
"""Bits (bool) or signs (floats)."""


def random_hypervectors(n: int, dimensions: int, kind: str = "binary", *, key: Array) -> Shaped[Array, "n d"]:
    """Independent vectors, each component a fair coin.

    Args:
        n: how many. dimensions: components of each. kind: "binary" (bool) or "bipolar" (-1, 1).
        key: a `jax.random.key`.

    Raises:
        DataError: no such kind.
    """
    if kind not in ("binary", "bipolar"):
        raise DataError(f"kind = {kind!r}: 'binary' for bits, 'bipolar' for -1 and 1.")
    bits = jax.random.bernoulli(key, 0.5, (n, dimensions))
    return bits if kind == "binary" else to_bipolar(bits)


def to_bipolar(bits: Bool[Array, "*batch d"]) -> Float[Array, "*batch d"]:
    """Signs of `bits`: -1 where one is True, else 1."""
    return 1.0 - 2.0 * bits.astype(jnp.result_type(float))


def to_binary(signs: Float[Array, "*batch d"]) -> Bool[Array, "*batch d"]:
    """Bits of `signs`, or of sums of them: True where one is negative."""
    return signs < 0


def is_binary(a: Hypervectors) -> bool:
    """Whether vectors `a` are bits."""
    return a.dtype == jnp.bool_


def bind(a: Hypervectors, b: Hypervectors) -> Hypervectors:
    """XOR of bits, product of signs: unlike both, and its own inverse.

    Args:
        a, b: of one kind, (..., d).

    Raises:
        DataError: bits with signs.
    """
    if is_binary(a) != is_binary(b):
        raise DataError("bind: bits with signs. Convert one of them, `to_bipolar` or `to_binary`.")
    return jnp.logical_xor(a, b) if is_binary(a) else a * b


def bundle(a: Shaped[Array, "n *batch d"], *, tie: Any = None) -> Shaped[Array, "*batch d"]:
    """Majority of bits, sum of signs: like each of them.

    Args:
        a: what is bundled, along the first axis. tie: bits that decide where as many are True as False (default:
            False there); of use if n is even.
    """
    if not is_binary(a):
        return jnp.sum(a, axis=0)
    twice = 2 * jnp.sum(a, axis=0, dtype=jnp.int32)
    won = twice > a.shape[0]
    return won if tie is None else won | ((twice == a.shape[0]) & tie)


def permute(a: Hypervectors, shifts: int = 1) -> Hypervectors:
    """Components moved on cyclically: unlike the vector, so it can tell places in a sequence.

    Args:
        a: (..., d). shifts: by how many places; negative ones undo it.
    """
    return jnp.roll(a, shifts, axis=-1)


def similarity(a: Shaped[Array, "*one d"], b: Shaped[Array, "*two d"]) -> Float[Array, "*both"]:
    """Part of the bits that agree, 1/2 +- 1/(2 sqrt d) for strangers; cosine of signs or sums, 0 +- 1/sqrt d.

    Args:
        a, b: of one kind, (..., d); leading axes are broadcast, so one vector is compared with each of (n, d).

    Raises:
        DataError: bits with signs.
    """
    if is_binary(a) != is_binary(b):
        raise DataError("similarity: bits with signs. Convert one of them, `to_bipolar` or `to_binary`.")
    shape = jnp.broadcast_shapes(a.shape, b.shape)
    a, b = jnp.broadcast_to(a, shape), jnp.broadcast_to(b, shape)
    if is_binary(a):
        return jnp.mean(a == b, axis=-1, dtype=jnp.result_type(float))
    square = jnp.sum(a * a, axis=-1) * jnp.sum(b * b, axis=-1)
    return jnp.sum(a * b, axis=-1) / jnp.sqrt(jnp.maximum(square, jnp.finfo(a.dtype).tiny))


def majority_similarity(n: int) -> float:
    """What `similarity` expects between a majority of n random vectors and each: 1/2 + C(n-1, (n-1)/2)/2^n.

    A vector decides where the other n - 1 are tied.

    Args:
        n: odd.

    Raises:
        DataError: an even number, or none.
    """
    if n < 1 or n % 2 == 0:
        raise DataError(f"n = {n}: a majority without ties is of an odd number.")
    return 0.5 + math.comb(n - 1, (n - 1) // 2) / 2.0**n


def flip(a: Hypervectors, part: float | Array, *, key: Array) -> Hypervectors:
    """Vectors in which components are wrong.

    Args:
        a: bits or signs. part: probability of each component. key: a `jax.random.key`.
    """
    wrong = jax.random.bernoulli(key, part, a.shape)
    return jnp.logical_xor(a, wrong) if is_binary(a) else jnp.where(wrong, -a, a)


def ngrams(a: Shaped[Array, "time d"], n: int = 3) -> Shaped[Array, "windows d"]:
    """Each window of a sequence as one vector: its vectors bound, the earlier the more often permuted.

        g_k = permute^(n-1)(a_k) bind ... bind permute(a_(k+n-2)) bind a_(k+n-1)

    Args:
        a: the sequence. n: length of a window.

    Raises:
        DataError: a sequence shorter than a window.
    """
    windows = a.shape[0] - n + 1
    if n < 1 or windows < 1:
        raise DataError(f"ngrams: windows of {n} in a sequence of {a.shape[0]}.")
    found = permute(a[:windows], n - 1)
    for k in range(1, n):
        found = bind(found, permute(a[k : k + windows], n - 1 - k))
    return found


def text_counts(letters: Integer[Array, " time"], items: Shaped[Array, "k d"], n: int = 3) -> Float[Array, " d"]:
    """How many n-grams of a text are True in each component, less how many are False (of signs: their sum, negative).

    The sum is made a part of the text at a time, so that long texts take little memory.

    Args:
        letters: numbers of letters. items: a vector of each letter. n: length of a window.
    """
    return counted(lambda part: ngrams(items[part], n), letters, n, items.shape[1])


CHUNK = 256


def counted(encode: Any, letters: Integer[Array, " time"], n: int, dimensions: int) -> Float[Array, " d"]:
    """As `text_counts`, with any encoder.

    Args:
        encode: from letters (m,) to bits or signs (m - n + 1, d). letters: numbers of letters, (time,).
        n: length of a window. dimensions: d.

    Raises:
        DataError: a text shorter than a window.
    """
    windows = letters.shape[0] - n + 1
    if windows < 1:
        raise DataError(f"a text of {letters.shape[0]} letters has no window of {n}.")
    size = min(CHUNK, windows)
    whole = windows // size
    starts = size * jnp.arange(whole, dtype=jnp.int32)
    zero = jnp.zeros(dimensions, jnp.result_type(float))

    def more(total: Array, start: Array) -> tuple[Array, None]:
        part = jax.lax.dynamic_slice(letters, (start,), (size + n - 1,))
        return total + _votes(encode(part)), None

    total = jax.lax.scan(more, zero, starts)[0]
    return total if whole * size == windows else total + _votes(encode(letters[whole * size :]))


def _votes(found: Array) -> Array:
    """Of True less of False, (d,)."""
    if not is_binary(found):
        return -jnp.sum(found, axis=0)
    ones = jnp.sum(found, axis=0, dtype=jnp.int32)
    return (2 * ones - found.shape[0]).astype(jnp.result_type(float))
