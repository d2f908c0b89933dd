"""Few-shot episodes: a few examples of a few classes, and questions about them.

    episodes = few_shot_episodes(x, labels, ways=5, shots=1, queries=15, count=200, key=key)

O. Vinyals et al., NeurIPS (2016), arXiv 1606.04080.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from neurojax.errors import DataError


class Episodes(NamedTuple):
    """Examples and questions of many episodes.

    Attributes:
        support: (count, ways, shots, ...), the examples. queries: (count, ways, questions, ...), of the same classes
            in the same order, never an example. classes: (count, ways), which class of the data each way is.
    """

    support: Float[Array, "count ways shots *features"]
    queries: Float[Array, "count ways questions *features"]
    classes: Int[Array, "count ways"]


def few_shot_episodes(
    x: Float[Array, "n ..."],
    labels: Int[Array, " n"],
    ways: int = 5,
    shots: int = 1,
    queries: int = 15,
    count: int = 100,
    *,
    key: Array,
) -> Episodes:
    """Episodes drawn from labelled data: classes without repetition, examples and questions without repetition.

    Args:
        x: the data. labels: of each. ways: classes of an episode. shots: examples of a class. queries: questions about
            a class. count: episodes. key: of the draw.

    Raises:
        DataError: the data have fewer classes than `ways`, or one has too few samples for examples and questions.
    """
    table = _by_class(np.asarray(labels), ways, shots + queries)
    draw_classes, draw_samples = jax.random.split(key)
    pick = lambda k: jax.random.permutation(k, len(table))[:ways]  # noqa: E731
    rows = jax.vmap(pick)(jax.random.split(draw_classes, count))
    members, sizes = _padded(table)

    def sample(k: Array, row: Array) -> Array:
        scores = jax.random.uniform(k, (members.shape[1],))
        empty = jnp.arange(members.shape[1]) >= sizes[row]
        order = jnp.argsort(jnp.where(empty, jnp.full_like(scores, jnp.inf), scores))
        return members[row, order[: shots + queries]]

    keys = jax.random.split(draw_samples, (count, ways))
    chosen = x[jax.vmap(jax.vmap(sample))(keys, rows)]
    names = jnp.asarray(np.unique(np.asarray(labels)), labels.dtype)
    return Episodes(chosen[:, :, :shots], chosen[:, :, shots:], names[rows])


def _by_class(labels: np.ndarray, ways: int, least: int) -> list[np.ndarray]:
    table = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    smallest = min(len(rows) for rows in table)
    if len(table) < ways or smallest < least:
        raise DataError(
            f"few_shot_episodes: {len(table)} classes, the smallest with {smallest} samples; {ways} ways need as many "
            f"classes, and each class {least} samples for examples and questions."
        )
    return table


def _padded(table: list[np.ndarray]) -> tuple[Array, Array]:
    width = max(len(rows) for rows in table)
    filled = np.stack([np.pad(rows, (0, width - len(rows))) for rows in table])
    return jnp.asarray(filled), jnp.asarray([len(rows) for rows in table])
