"""Which devices the long tests of the engine run on every time, and which only with the slow ones."""

from collections.abc import Iterable
from typing import Any

import pytest

ESTABLISHED = (
    "AgDiffusive", "AgFilament", "Ecram", "GapRram", "JartVcm", "NbO2Mott", "PhaseChangeCell", "ThermalFilament",
    "Vteam", "Wox", "Yakopcic",
)  # fmt: skip
"""One to three of a kind: implicit equations, two and four states, three terminals, runaway, dead zones, noise."""


def others_slow(names: Iterable[str]) -> list[Any]:
    """The names as parameters of a test: slow but for the established."""
    return [n if n in ESTABLISHED else pytest.param(n, marks=pytest.mark.slow) for n in names]
