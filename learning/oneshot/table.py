"""One-shot learning in numbers: digits that were never seen, languages on broken cells, cells that wear.

    found = table(seeds=5, key=jax.random.key(0))            python -m learning.oneshot --seeds 5 -o out
    print(table_text(found))

Each seed has its own five new digits, embedding, episodes, chips, languages and item vectors.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from learning.metrics import few_shot_accuracy
from learning.oneshot.embedding import Embedding, embed, pretrained
from learning.oneshot.language_episodes import language_episodes
from learning.oneshot.language_study import language_accuracy
from learning.oneshot.memory import DeviceMemory, StatisticalWriting, memory_faults
from learning.oneshot.pillars import Pillars, vertical_rram
from learning.oneshot.prototypes import discriminant, prototypes, shared_covariance
from learning.tasks.episodes import Episodes, few_shot_episodes
from learning.tasks.pictures import handwritten_digits
from neurojax.errors import DataError
from neurojax.progress import after_a_while
from physics import PcmStatistics

WAYS = 5
REFERENCE = {(128, 100): 0.826, (128, 30): 0.495, (512, 100): 0.986, (512, 30): 0.807, (2048, 100): 1.0}
"""Accuracy on 21 synthetic languages without faults, of an independent script: (dimensions, letters) to accuracy."""


class Row(NamedTuple):
    """One line of the table: accuracy of each seed, and a published or independent number beside it, if there is one.

    Attributes:
        group: "digits", "languages", "one text" or "endurance". name: of the way. accuracies: a seed each.
        beside: number or None.
    """

    group: str
    name: str
    accuracies: tuple[float, ...]
    beside: float | None = None


class Split(NamedTuple):
    """Pictures of digits that an embedding may see, and of the five that it may not.

    Attributes:
        x_old, y_old, x_new, y_new: pictures (n, 64) and classes 0 to 4, counted anew in either part.
        digits: the five new ones.
    """

    x_old: Float[Array, "n pixels"]
    y_old: Int[Array, " n"]
    x_new: Float[Array, "m pixels"]
    y_new: Int[Array, " m"]
    digits: tuple[int, ...]


def split_digits(seed: int) -> Split:
    """All 1797 pictures, five digits for the embedding and five for the episodes.

    Args:
        seed: of the choice of digits.
    """
    data = handwritten_digits()
    x, y = jnp.concatenate([data.x, data.x_test]), np.concatenate([data.y, data.y_test])
    order = np.random.default_rng(seed).permutation(10)
    parts: list[Any] = []
    for chosen in (np.sort(order[:WAYS]), np.sort(order[WAYS:])):
        keep = np.isin(y, chosen)
        parts += [x[keep], jnp.asarray(np.searchsorted(chosen, y[keep]), jnp.int32)]
    old_x, old_y, new_x, new_y = parts
    return Split(old_x, old_y, new_x, new_y, tuple(int(d) for d in np.sort(order[WAYS:])))


def episode_accuracy(episodes: Episodes, scores: Callable[..., Array], *, key: Array) -> Float[Array, ""]:
    """Part of all questions that are answered right, each of chance 1/ways.

    Args:
        episodes: examples and questions. scores: from (examples (n, features), their classes (n,), questions
            (m, features), key) to (m, ways). key: a `jax.random.key`, of which each episode has its own part.
    """
    ways, shots = episodes.support.shape[1:3]
    labels = jnp.repeat(jnp.arange(ways, dtype=jnp.int32), shots)

    def learn(support: Array, queries: Array, key: Array) -> Array:
        return jnp.argmax(scores(support.reshape(-1, support.shape[-1]), labels, queries, key), axis=1)

    return jax.jit(lambda e, k: few_shot_accuracy(learn, e, key=k).mean)(episodes, key)


def memory_scores(blank: Callable[[Array], DeviceMemory], ways: int = WAYS) -> Callable[..., Array]:
    """Answers of a memory into which the examples are written one after the other, for `episode_accuracy`.

    Args:
        blank: from a key to a memory that holds nothing, a chip of its own for each episode. ways: classes.
    """

    def scores(support: Array, labels: Array, queries: Array, key: Array) -> Array:
        chip, write, read = jax.random.split(key, 3)

        def store(memory: DeviceMemory, given: Any) -> tuple[DeviceMemory, None]:
            point, label, own = given
            return memory.write(point, label, key=own), None

        keys = jax.random.split(write, support.shape[0])
        memory = jax.lax.scan(store, blank(chip), (support, labels, keys))[0]
        return memory.scores(queries, ways, key=read)

    return scores


def memories(features: int) -> dict[str, Callable[[Array], DeviceMemory]]:
    """Blank memories of the table by name: ideal, phase-change cells as measured after an hour, and broken ones.

    Args:
        features: of a point.
    """
    g_min, g_max = 1e-7, 25e-6
    number = lambda a: jnp.asarray(a, float)  # noqa: E731
    noisy = StatisticalWriting(PcmStatistics(), number(3600.0), number(g_min), number(g_max))
    window: dict[str, Any] = dict(g_min=g_min, g_max=g_max, largest=0.25)

    def blank(stuck: float, **options: Any) -> Callable[[Array], DeviceMemory]:
        def made(key: Array) -> DeviceMemory:
            faults = memory_faults(WAYS, features, stuck, key=key) if stuck else None
            return DeviceMemory.blank(WAYS, features, faults=faults, **(window | options))

        return made

    real: dict[str, Any] = dict(writing=noisy, read_noise=0.02)
    return {
        "memory, ideal cells": blank(0.0),
        "memory, phase-change cells, 1 h": blank(0.0, **real),
        "memory, the same, 5 % stuck": blank(0.05, **real),
        "memory, the same, 20 % stuck": blank(0.2, **real),
    }


def digit_rows(seed: int, *, episodes: int = 100, steps: int = 300, key: Array) -> dict[str, float]:
    """5-way 1-shot accuracy on five digits never seen, by name of the way.

    Args:
        seed: of the choice of digits and the first weights. episodes: how many, of 15 questions a class.
        steps: of the pretraining. key: a `jax.random.key`.
    """
    data = split_digits(seed)
    train_key, episode_key, run_key = jax.random.split(key, 3)
    model = pretrained(
        Embedding(rngs=nnx.Rngs(seed)), data.x_old, data.y_old, steps=steps, progress=False, key=train_key
    )
    old, new = embed(model, data.x_old), embed(model, data.x_new)
    centre = jnp.mean(old, axis=0, keepdims=True)
    old, new = old - centre, new - centre
    # The same key draws the same pictures, whatever they are embedded into.
    drawn = lambda x: few_shot_episodes(x, data.y_new, WAYS, 1, 15, episodes, key=episode_key)  # noqa: E731
    plain = lambda x, y, q, k: prototypes(x, y, WAYS)(q)  # noqa: E731
    pixels, points = (shared_covariance(x, data.y_old, WAYS, shrinkage=0.5) for x in (data.x_old, old))
    lda = lambda c: lambda x, y, q, k: discriminant(x, y, WAYS, covariance=c)(q)  # noqa: E731
    ways = [
        ("pixels, prototypes", drawn(data.x_new), plain),
        ("pixels, shared covariance", drawn(data.x_new), lda(pixels)),
        ("embedded, prototypes", drawn(new), plain),
        ("embedded, shared covariance", drawn(new), lda(points)),
    ]
    ways += [(f"embedded, {n}", drawn(new), memory_scores(b)) for n, b in memories(new.shape[1]).items()]
    return {name: float(episode_accuracy(e, scores, key=run_key)) for name, e, scores in ways}


def table(
    seeds: int = 5,
    *,
    episodes: int = 100,
    steps: int = 300,
    dimensions: int = 2048,
    length: int = 20_000,
    stuck: Sequence[float] = (0.0, 0.05, 0.2),
    endurances: Sequence[float] = (1e6, 2e5, 1e5, 5e4),
    groups: Sequence[str] = ("digits", "languages", "one text", "endurance"),
    progress: bool = True,
    key: Array,
) -> list[Row]:
    """All ways over some seeds.

    Args:
        seeds: how many. episodes: of digits in each. steps: of the pretraining. dimensions: of the vectors of
            languages. length: letters of a text that is learned. stuck: parts of all cells that are stuck, half on,
            half off. endurances: cycles that half of the cells stand. groups: which parts of the table.
        progress: show a bar after two seconds. key: a `jax.random.key`.

    Raises:
        DataError: no seed, or a group that there is not.
    """
    makers = {"digits": _digits, "languages": _languages, "one text": _one_text, "endurance": _endurance}
    if seeds < 1 or set(groups) - set(makers):
        raise DataError(f"table of {seeds} seeds, groups {tuple(groups)}: one seed at least, of {', '.join(makers)}.")
    how = (episodes, steps, dimensions, length, tuple(stuck), tuple(endurances))
    found: dict[tuple[str, str], list[float]] = {}
    with after_a_while("one-shot table", seeds * len(groups), enabled=progress) as update:
        for seed in range(seeds):
            for k, group in enumerate(groups):
                for name, accuracy in makers[group](seed, how, jax.random.fold_in(key, seed)):
                    found.setdefault((group, name), []).append(accuracy)
                update(seed * len(groups) + k + 1)
    return [Row(group, name, tuple(a), _beside(name, dimensions)) for (group, name), a in found.items()]


Pairs = Iterable[tuple[str, float]]


def _digits(seed: int, how: Any, key: Array) -> Pairs:
    episodes, steps = how[:2]
    return digit_rows(seed, episodes=episodes, steps=steps, key=key).items()


def _language_rows(name: str, array: Pillars, how: Any, key: Array, **options: Any) -> Pairs:
    found = language_accuracy(array, dimensions=how[2], length=how[3], progress=False, key=key, **options)
    for letters, accuracy in zip(found.lengths, found.accuracy, strict=True):
        yield f"{name}, {letters} letters", accuracy


def _languages(seed: int, how: Any, key: Array) -> Pairs:
    del seed
    array = vertical_rram()
    for part in how[4]:
        yield from _language_rows(f"{100 * part:g} % stuck" if part else "no faults", array, how, key, stuck=part)


def _one_text(seed: int, how: Any, key: Array) -> Pairs:
    del seed
    array = vertical_rram()
    for part in how[4]:
        for letters in (30, 100, 300):
            told: dict[str, Any] = dict(letters=letters, dimensions=how[2], count=how[0], stuck=part, key=key)
            name = f"{100 * part:g} % stuck" if part else "no faults"
            yield f"{name}, 5 ways, 1 text of {letters} letters", float(language_episodes(array, **told).mean)


def _endurance(seed: int, how: Any, key: Array) -> Pairs:
    del seed
    array = vertical_rram(damage=(0.0, 1.0, 1.5, 1.75, 2.0, 2.25, 2.5, 3.0), counted=("size",))
    for cycles in how[5]:
        yield from _language_rows(f"{cycles:.3g} cycles", array, how, key, endurance=cycles)


def _beside(name: str, dimensions: int) -> float | None:
    letters = name.removeprefix("no faults, ").removesuffix(" letters")
    return REFERENCE.get((dimensions, int(letters))) if letters.isdigit() else None


def table_text(rows: Sequence[Row]) -> str:
    """Mean and standard deviation over seeds, in per cent, one way a line.

    Args:
        rows: as of `table`.
    """
    lines = []
    for row in rows:
        mean, spread = 100 * np.mean(row.accuracies), 100 * np.std(row.accuracies)
        beside = "" if row.beside is None else f"   ({100 * row.beside:.1f} in an independent script)"
        lines.append(f"{row.group:<11}{row.name:<46}{mean:>7.2f} +- {spread:.2f}{beside}")
    return "\n".join(lines)
