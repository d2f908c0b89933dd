"""Small pictures: digits of 5 x 4 and letters of 4 x 4 pixels, handwritten digits, and permutations of pixels.

    x, labels = digit_bitmaps()             (10, 5, 4), one row of four pulses for each of five devices
    one, two, three = permuted(data, 3, key=key)

Letters of 3 x 3 pixels (z, v, n and all with one pixel turned) are `neurojax.layers.letters`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from neurojax.errors import DataError

DIGIT_ROWS = ("69996", "26227", "6924F", "E161E", "99F11", "F8E1E", "68E96", "F1244", "69696", "69716")
"""Rows of the digits 0 to 9 from the top, one hexadecimal figure each, its highest bit on the left."""
LETTER_ROWS = {"U": "999F", "M": "9FF9", "A": "69F9", "S": "7C3E"}
"""Rows of four letters, in the same way."""


class Pictures(NamedTuple):
    """Pictures as rows of numbers between 0 and 1, and their classes, for training and for the test."""

    x: Float[Array, "n pixels"]
    y: Int[Array, " n"]
    x_test: Float[Array, "m pixels"]
    y_test: Int[Array, " m"]


def digit_bitmaps() -> tuple[Float[Array, "10 5 4"], Int[Array, " 10"]]:
    """The digits 0 to 9 in 5 rows of 4 pixels, 1 where there is ink, and their labels.

    The task that C. Du et al. gave to five WOx memristors, Nat. Commun. 8, 2204 (2017), 10.1038/s41467-017-02337-y:
    each device gets one row as four pulses or pauses. The bitmaps are ours.
    """
    return _bitmaps(DIGIT_ROWS), jnp.arange(10)


def letter_bitmaps() -> tuple[Float[Array, "4 4 4"], Int[Array, " 4"]]:
    """U, M, A, S in 4 x 4 pixels, 1 where there is ink, and their labels 0 to 3.

    The letters of Z. Wang et al., Nat. Electron. 1, 137 (2018), 10.1038/s41928-018-0023-2. The bitmaps are ours.
    """
    return _bitmaps(tuple(LETTER_ROWS.values())), jnp.arange(4)


def turned_pixels(x: Float[Array, "n ..."], p: float, copies: int = 1, *, key: Array) -> Float[Array, "m ..."]:
    """Noisy copies of black and white pictures, (copies n, ...), each pixel turned with a probability.

    Args:
        x: pictures of zeros and ones. p: the probability. copies: of each; copy c of picture i is number c n + i.
        key: of the draw.
    """
    many = jnp.tile(x, (copies, *(1 for _ in x.shape[1:])))
    return jnp.where(jax.random.bernoulli(key, p, many.shape), 1 - many, many)


def handwritten_digits(
    seed: int | None = 0, *, test_size: float = 0.25, stratified: bool = True, pooled: bool = False
) -> Pictures:
    """The 1797 digits of 8 x 8 pixels that come with scikit-learn, as rows of 64 numbers between 0 and 1.

    They are the test part of the set of E. Alpaydin and C. Kaynak (1998), 10.24432/C50P49; papers that train on 3823
    digits and test on 1797 use the whole set.

    Args:
        seed: of the split; None keeps the order, the first part for training. test_size: part for the test.
            stratified: the same part of each class. pooled: means of 2 x 2 pixels, 16 numbers.

    Raises:
        DataError: scikit-learn is missing, or the order is kept and classes are to be stratified.
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise DataError(
            "handwritten_digits: they come with scikit-learn, which is not installed: pip install scikit-learn."
        ) from error
    if seed is None and stratified:
        raise DataError("handwritten_digits: a split in order (seed=None) cannot be stratified; stratified=False.")
    found: Any = load_digits()
    x, y = found.images / 16, found.target
    if pooled:
        x = x.reshape(-1, 4, 2, 4, 2).mean((2, 4))
    choice: Any = dict(shuffle=False) if seed is None else dict(random_state=seed, stratify=y if stratified else None)
    parts = train_test_split(x.reshape(len(x), -1), y, test_size=test_size, **choice)
    x, x_test = (jnp.asarray(a, jnp.result_type(float)) for a in parts[:2])
    y, y_test = (jnp.asarray(a, jnp.result_type(int)) for a in parts[2:])
    return Pictures(x, y, x_test, y_test)


def permuted(data: Pictures, tasks: int, *, key: Array) -> tuple[Pictures, ...]:
    """The same pictures in several tasks, each with its own order of pixels; the first keeps the order.

    What a network learned of one task is of no use for the next, so it shows how fast that is forgotten. I. J.
    Goodfellow et al. (2013), arXiv 1312.6211; J. Kirkpatrick et al., PNAS 114, 3521 (2017), 10.1073/pnas.1611835114.

    Args:
        data: the pictures. tasks: how many. key: of the permutations.

    Raises:
        DataError: fewer tasks than one.
    """
    if tasks < 1:
        raise DataError(f"permuted: {tasks} tasks, use at least one.")
    pixels = jnp.arange(data.x.shape[1])
    orders = [pixels] + [jax.random.permutation(k, pixels) for k in jax.random.split(key, tasks)[1:]]
    return tuple(data._replace(x=data.x[:, order], x_test=data.x_test[:, order]) for order in orders)


def _bitmaps(rows: tuple[str, ...]) -> Float[Array, "n rows 4"]:
    bits = [[[int(b) for b in f"{int(row, 16):04b}"] for row in picture] for picture in rows]
    return jnp.asarray(bits, jnp.result_type(float))
