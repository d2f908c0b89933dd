"""Texts as hypervectors, and a memory of classes: n-grams bound on arrays, answers by currents.

    encoder = TextEncoder(items, array.xor_table(d)[None].repeat(2, axis=0))     trigrams, two XOR after each other
    classes = learn_texts(encoder, texts)                                        one vector a class
    labels = classify(encoder.encode_texts(sentences), ClassMemory.written(array, classes))

What a pillar answers is a table of four bits, so an array of any size is solved once and then looked up.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Integer

from learning.oneshot.hyperdimensional import counted, permute
from learning.oneshot.pillars import Pillars
from neurojax.crossbar import Crossbar, Wires
from neurojax.errors import DataError
from neurojax.programming import StuckCells


def exact_tables(stages: int, d: int) -> Bool[Array, "stages 2 2 d"]:
    """Tables of XOR without faults.

    Args:
        stages: of an encoder, one less than the letters of an n-gram. d: components.
    """
    xor = jnp.asarray([[False, True], [True, False]])
    return jnp.broadcast_to(xor[None, :, :, None], (stages, 2, 2, d))


class TextEncoder(eqx.Module):
    """n-grams of letters, bound by one array after the other.

    g = ... table_2(table_1(permute^(n-1)(a_1), permute^(n-2)(a_2)), permute^(n-3)(a_3)) ...; with tables of XOR these
    are the `ngrams` of the letters.

    Attributes:
        items: a vector of each letter, (letters, d). tables: of the stages, [stage, a, b, component].
    """

    items: Bool[Array, "letters d"]
    tables: Bool[Array, "stages 2 2 d"]

    @property
    def n(self) -> int:
        """Letters of a window."""
        return self.tables.shape[0] + 1

    def __call__(self, letters: Integer[Array, " time"]) -> Bool[Array, "windows d"]:
        """The n-grams of a text.

        Args:
            letters: their numbers.
        """
        stages, windows = self.n - 1, letters.shape[0] - self.n + 1
        a = self.items[letters]
        found = permute(a[:windows], stages)
        for k, table in enumerate(self.tables, start=1):
            found = _answer(table, found, permute(a[k : k + windows], stages - k))
        return found

    def counts(self, letters: Integer[Array, " time"]) -> Float[Array, " d"]:
        """n-grams of a text that are True in each component, less those that are False.

        Args:
            letters: their numbers.
        """
        return counted(self, letters, self.n, self.items.shape[1])

    @eqx.filter_jit
    def encode_texts(self, texts: Integer[Array, "texts time"]) -> Bool[Array, "texts d"]:
        """Majority of the n-grams of each text; False where they are tied.

        Args:
            texts: numbers of letters.
        """
        return jax.lax.map(self.counts, texts) > 0


def _answer(table: Array, a: Array, b: Array) -> Array:
    """What pillars with a table [a, b, component] answer."""
    rows = [jnp.broadcast_to(t, a.shape) for t in table.reshape(4, 1, -1)]
    return jnp.where(a, jnp.where(b, rows[3], rows[2]), jnp.where(b, rows[1], rows[0]))


class ClassMemory(eqx.Module):
    """Bits of classes in pairs of cells, compared with a query by one current a class.

    Row pairs hold a bit and its complement, a column is a class. The query drives one row of each pair, so the
    current of a column counts the components that agree.

    Attributes:
        g: conductances (S), rows of the bits before rows of the complements. v_read: of a driven row (V).
        wires: of the array, or None.
    """

    g: Float[Array, "rows classes"]
    v_read: Float[Array, ""]
    wires: Wires | None = None

    @classmethod
    def written(
        cls,
        array: Pillars,
        classes: Bool[Array, "classes d"],
        *,
        faults: StuckCells | None = None,
        damage: Any = 0.0,
        wires: Wires | None = None,
    ) -> "ClassMemory":
        """Vectors in cells as the pulses of an array leave them.

        Args:
            array: of which the cells are. classes: bits, a class a row. faults: of the cells, (2 d, classes).
            damage: of the cells, a number or (2 d, classes). wires: of the array.
        """
        bits = jnp.concatenate([classes, ~classes], axis=1).T
        kept = bits if faults is None else (bits | faults.on) & ~faults.off
        damage = jnp.broadcast_to(jnp.asarray(damage, array.v_read.dtype), bits.shape)
        return cls(array.window.conductance(kept, damage), array.window.v_read, wires)

    def currents(self, queries: Bool[Array, "*batch d"]) -> Float[Array, "*batch classes"]:
        """Currents (A) of the columns.

        Args:
            queries: bits.

        Raises:
            DataError: queries of other than half as many components as there are rows.
        """
        if 2 * queries.shape[-1] != self.g.shape[0]:
            raise DataError(f"queries of {queries.shape[-1]} components; the memory has {self.g.shape[0] // 2}.")
        driven = jnp.concatenate([queries, ~queries], axis=-1)
        v = self.v_read * driven.astype(self.g.dtype)
        return v @ self.g if self.wires is None else Crossbar(self.g, self.wires).read(v).i


@eqx.filter_jit
def learn_texts(encoder: TextEncoder, texts: Integer[Array, "classes time"]) -> Bool[Array, "classes d"]:
    """One vector of each class: the majority of all n-grams of its text.

    Args:
        encoder: of the letters. texts: numbers of letters, one text a class.
    """
    return jax.lax.map(encoder.counts, texts) > 0


def classify(queries: Bool[Array, "*batch d"], memory: ClassMemory) -> Int[Array, "*batch"]:
    """The class of the largest current.

    Args:
        queries: bits. memory: of the classes.
    """
    return jnp.argmax(memory.currents(queries), axis=-1)
