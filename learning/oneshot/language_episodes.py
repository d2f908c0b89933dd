"""Languages from one example each: five languages, one short text of each, and questions which of them a text is of.

    found = language_episodes(vertical_rram(), letters=300, stuck=0.05, key=key)
    found.mean, found.error

Texts are bound and bundled on the arrays as in `language_study.py`; the examples of an episode are written into a class
memory of their own chip, and the column with the largest current answers.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from learning.metrics import Accuracy, few_shot_accuracy
from learning.oneshot.hyperdimensional import random_hypervectors
from learning.oneshot.language_study import PLACES, Wear, drawn_faults
from learning.oneshot.pillars import Pillars
from learning.oneshot.texts import ClassMemory, TextEncoder, classify
from learning.tasks.episodes import Episodes, few_shot_episodes
from learning.tasks.languages import markov_languages, sample_texts
from neurojax.programming import stuck_cells


def language_episodes(
    array: Pillars | None,
    *,
    letters: int = 300,
    dimensions: int = 2048,
    languages: int = 21,
    ways: int = 5,
    questions: int = 15,
    count: int = 100,
    concentration: float = 0.14,
    n: int = 3,
    stuck: float = 0.0,
    key: Array,
) -> Accuracy:
    """Accuracy of one-shot episodes of synthetic languages, chance 1/ways.

    Args:
        array: of the cells, or None for bits without devices. letters: of an example, and of a question.
            dimensions: of the vectors. languages: from which an episode draws its own. ways: languages of an episode.
            questions: about each. count: episodes. concentration: of the chains, as of `language_accuracy`.
        n: letters of an n-gram. stuck: part of all cells that are stuck, half of them on, half off.
        key: a `jax.random.key`; the same key is the same languages, texts and episodes for any array.

    Raises:
        DataError: fewer languages than ways.
    """
    chains_key, text_key, item_key, fault_key, draw_key, chip_key = jax.random.split(key, 6)
    chains = markov_languages(languages, concentration=concentration, key=chains_key)
    texts, labels = eqx.filter_jit(sample_texts)(chains, questions + 1, letters, key=text_key)
    items = random_hypervectors(chains.shape[1], dimensions, key=item_key)
    broken = drawn_faults(stuck, PLACES, (n - 1, dimensions, items.shape[0], languages), fault_key)
    if broken["items"] is not None:
        items = (items | broken["items"].on) & ~broken["items"].off
    tables = Wear(array, broken["xor"], n - 1, dimensions, None, 0.0, fault_key).tables(0)
    points = TextEncoder(items, tables).encode_texts(texts).astype(jnp.float32)
    episodes = few_shot_episodes(points, labels, ways, 1, questions, count, key=draw_key)
    return _answered(array, episodes, stuck, chip_key)


@eqx.filter_jit
def _answered(array: Pillars | None, episodes: Episodes, stuck: float, key: Array) -> Accuracy:
    def learn(support: Array, queries: Array, key: Array) -> Array:
        classes, asked = support[:, 0] > 0.5, queries > 0.5
        if array is None:
            return jnp.argmax(jnp.sum(asked[:, None] == classes[None], axis=-1), axis=1)
        shape = (2 * classes.shape[1], classes.shape[0])
        faults = stuck_cells(shape, stuck / 2, stuck / 2, g_on=1.0, g_off=0.0, key=key) if stuck else None
        return classify(asked, ClassMemory.written(array, classes, faults=faults))

    return few_shot_accuracy(learn, episodes, key=key)
