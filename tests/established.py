"""Which devices the long tests of the engine run on every time, and which only where they are asked for.

NEUROJAX_DEVICES=all pytest -m slow ... asks for all of them, which takes an hour or two.
"""

import os
from collections.abc import Iterable
from typing import Any

import pytest

ESTABLISHED = (
    "AgDiffusive", "AgFilament", "Ecram", "GapRram", "JartVcm", "NbO2Mott", "PhaseChangeCell", "ThermalFilament",
    "Vteam", "Wox", "Yakopcic",
)  # fmt: skip
"""One to three of a kind: implicit equations, two and four states, three terminals, runaway, dead zones, noise."""
DEAR = ("AgDiffusive", "AgFilament", "JartVcm", "PhaseChangeCell")
"""Of these, what takes minutes to compile or to search."""
FEW = ("GapRram", "Vteam")
"""Of these, where each takes half a minute or more."""
RARELY = [
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get("NEUROJAX_DEVICES") != "all", reason="asked for by NEUROJAX_DEVICES=all"),
]


def rarely(test: Any) -> Any:
    """A slow test of minutes, only where it is asked for."""
    for mark in RARELY:
        test = mark(test)
    return test


def others_slow(names: Iterable[str], *, dear: bool = False) -> list[Any]:
    """The names as parameters of a test: those that are not established with the slow tests; dear: and of `DEAR`."""
    usual = [n for n in ESTABLISHED if not (dear and n in DEAR)]
    return [n if n in usual else pytest.param(n, marks=pytest.mark.slow) for n in names]


def others_rarely(names: Iterable[str], *, dear: bool = False, few: bool = False) -> list[Any]:
    """The names as parameters of a test: those that are not established with the slow tests, and only if asked for.

    dear: so are those of `DEAR`. few: so are all but `FEW`.
    """
    usual = [n for n in (FEW if few else ESTABLISHED) if not (dear and n in DEAR)]
    return [n if n in usual else pytest.param(n, marks=RARELY) for n in names]
