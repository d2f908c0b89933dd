"""Languages told apart by arrays of devices: accuracy over faults and over what the cells have been through.

    row = language_accuracy(vertical_rram(), dimensions=2048, stuck=0.05, key=key)

Markov chains over letters stand for languages (synthetic ones); each is learned from one text and asked for by short
ones. Words as in H. Li et al., IEDM 2016, 16.1.1 (10.1109/IEDM.2016.7838428), who told 21 European languages apart with
90.4 % accuracy by trigrams of letters.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from learning.oneshot.hyperdimensional import random_hypervectors
from learning.oneshot.pillars import Pillars
from learning.oneshot.texts import ClassMemory, TextEncoder, classify, exact_tables, learn_texts
from learning.tasks.languages import markov_languages, sample_texts
from neurojax.errors import DataError
from neurojax.programming import StuckCells, stuck_cells
from neurojax.progress import after_a_while

_sampled = eqx.filter_jit(sample_texts)
PLACES = ("items", "xor", "classes")
CYCLES_PER_LETTER = 0.25
"""Of a cell that a random bit is written into for each letter: it changes every second time, twice a cycle."""


class LanguageAccuracy(NamedTuple):
    """Of one run: part of the short texts that are told right, for each of their lengths, and what it took.

    Attributes:
        lengths: letters of the short texts. accuracy: of each length. cycles: that a cell of the XOR arrays has done
            at the end. energy: of binding one window in all components (J), or None without devices.
    """

    lengths: tuple[int, ...]
    accuracy: tuple[float, ...]
    cycles: float
    energy: float | None


def language_accuracy(
    array: Pillars | None,
    *,
    dimensions: int = 512,
    languages: int = 21,
    concentration: float = 0.14,
    length: int = 20_000,
    tests: int = 20,
    lengths: tuple[int, ...] = (100, 30),
    n: int = 3,
    stuck: float = 0.0,
    places: tuple[str, ...] = PLACES,
    endurance: float | None = None,
    spread: float = 0.5,
    progress: bool = True,
    key: Array,
) -> LanguageAccuracy:
    """Learn languages from one text each, tell which language short texts are of.

    Every n-gram is written into the cells of the XOR arrays, so they wear while they learn: the first languages are
    bound by fresh cells, the last ones and the short texts by worn ones. Counters add up the n-grams.

    Args:
        array: of the cells, or None for bits without devices. dimensions: of the vectors. languages: how many.
            concentration: of the chains, see `markov_languages`; chosen so that the accuracies are those of the
            reference in the tests. length: letters of a text that is learned. tests: short texts of a language.
            lengths: of these, in letters. n: letters of an n-gram.
        stuck: part of the cells that are stuck, half of them on, half off. places: which arrays have such cells, of
            "items", "xor" and "classes".
        endurance: cycles after which half of the cells have reached damage 1, None for cells that do not wear; the
            array needs a window over damage. spread: of its logarithm from cell to cell.
        key: a `jax.random.key`; the same key is the same languages, texts and items for any array.
        progress: show a bar after two seconds.

    Raises:
        DataError: an unknown place, or faults and wear without devices.
    """
    _check(array, stuck, places, endurance)
    chains_key, text_key, item_key, fault_key, wear_key = jax.random.split(key, 5)
    chains = markov_languages(languages, concentration=concentration, key=chains_key)
    texts = _sampled(chains, 1, length, key=text_key)[0]
    items = random_hypervectors(chains.shape[1], dimensions, key=item_key)
    broken = drawn_faults(stuck, places, (n - 1, dimensions, items.shape[0], languages), fault_key)
    if broken["items"] is not None:
        items = (items | broken["items"].on) & ~broken["items"].off
    wear = Wear(array, broken["xor"], n - 1, dimensions, endurance, spread, wear_key)
    with after_a_while("languages", languages, enabled=progress) as update:
        learned = []
        for k, part in enumerate(jnp.split(texts, languages) if endurance else [texts]):
            learned.append(learn_texts(TextEncoder(items, wear.tables(k * length)), part))
            update(k + 1)
    cycles = CYCLES_PER_LETTER * languages * length
    encoder = TextEncoder(items, wear.tables(languages * length))
    found = _tested(array, encoder, jnp.concatenate(learned), broken["classes"], chains, (tests, lengths), text_key)
    energy = None if array is None else float(sum(array.xor_cost())) * dimensions * (n - 1)
    return LanguageAccuracy(tuple(lengths), found, cycles, energy)


def _check(array: Pillars | None, stuck: float, places: tuple[str, ...], endurance: float | None) -> None:
    unknown = [p for p in places if p not in PLACES]
    if unknown:
        raise DataError(f"places = {places}: {unknown[0]!r} is none of {', '.join(PLACES)}.")
    if array is None and (stuck or endurance is not None):
        raise DataError("faults and wear are of devices: give an array, such as vertical_rram().")
    if endurance is not None and array is not None and array.window.damage.shape[0] < 2:
        raise DataError("wear needs a window over damage: vertical_rram(damage=(0.0, 1.0, 2.0, 3.0), counted=...).")


def drawn_faults(stuck: float, places: tuple[str, ...], sizes: Any, key: Array) -> dict[str, Any]:
    """Stuck cells of each array, or None."""
    stages, d, letters, languages = sizes
    shapes = {"items": (letters, d), "xor": (2 * stages, d), "classes": (2 * d, languages)}
    found: dict[str, Any] = dict.fromkeys(PLACES)
    for name, own in zip(PLACES, jax.random.split(key, 3), strict=True):
        if stuck and name in places:
            found[name] = stuck_cells(shapes[name], stuck / 2, stuck / 2, g_on=1.0, g_off=0.0, key=own)
    return found


class Wear:
    """Tables of the XOR arrays after any number of letters."""

    def __init__(self, array: Any, broken: StuckCells | None, stages: int, d: int, endurance: Any, spread: float, key):
        self.array, self.broken, self.size = array, broken, (stages, d)
        shape = (stages, 2, d)
        self.stands: Float[Array, "stages 2 d"] | None = None
        if endurance is not None:
            self.stands = endurance * jnp.exp(spread * jax.random.normal(key, shape))

    def tables(self, letters: int) -> Array:
        """[stage, a, b, component]."""
        stages, d = self.size
        if self.array is None:
            return exact_tables(stages, d)
        found = []
        for k in range(stages):
            own = None if self.broken is None else _layers(self.broken, 2 * k)
            damage = None if self.stands is None else CYCLES_PER_LETTER * letters / self.stands[k]
            found.append(self.array.xor_table(d, faults=own, damage=damage))
        return jnp.stack(found)


def _layers(faults: StuckCells, first: int) -> StuckCells:
    """Of two layers."""
    cut = lambda m: m[first : first + 2]  # noqa: E731
    return StuckCells(cut(faults.on), cut(faults.off), faults.g_on, faults.g_off)


def _tested(array: Any, encoder: TextEncoder, classes: Array, broken: Any, chains: Array, how: Any, key: Array) -> Any:
    """Accuracies, one a length."""
    tests, lengths = how
    found = []
    for k, length in enumerate(lengths):
        texts, labels = _sampled(chains, tests, length, key=jax.random.fold_in(key, k + 1))
        queries = encoder.encode_texts(texts)
        if array is None:
            agree = jnp.sum(queries[:, None] == classes[None], axis=-1)
            answers = jnp.argmax(agree, axis=1)
        else:
            answers = classify(queries, ClassMemory.written(array, classes, faults=broken))
        found.append(float(jnp.mean(answers.astype(labels.dtype) == labels)))
    return tuple(found)
