"""The reservoir table: searches of equal compute, and what is told of them."""

import numpy as np
import pytest

from learning.reservoir import search
from learning.reservoir.kits import kits
from learning.reservoir.table import Row, lowest, table_text


@pytest.mark.parametrize("way", search.WAYS)
def test_searches_spend_as_many_evaluations(way):
    """All of them within what the looks at the segment of choice round up to."""
    kit = kits()["Wox"]
    size = search.variables(kit)
    phases = search._phases(kit, way, 240)
    spent = sum(m.cost(size) * steps * (search.CHECKS // len(phases)) for m, steps in phases)
    assert 240 <= spent < 240 + search.CHECKS * max(m.cost(size) for m, _ in phases)
    assert len(phases) == (2 if way == search.BOTH else 1)


def test_the_table_says_which_search_is_lowest():
    """Mean over seeds, of each task and device; networks and what is by hand do not count."""
    errors = {"by hand": 0.1, "random search": 0.5, "CMA-ES": 0.4, "gradient": 0.3, search.BOTH: 0.2}
    rows = [Row("narma10", "Wox", how, np.full(2, e), np.full(2, e)) for how, e in errors.items()]
    rows += [Row("henon_map", "Wox", how, np.full(2, 1 - e), np.full(2, e)) for how, e in errors.items()]
    rows += [Row("narma10", "ESN-100", "random search", np.zeros(2), np.zeros(2))]
    assert lowest(rows) == {"random search": 1, "CMA-ES": 0, "gradient": 0, search.BOTH: 1}
    assert "in how many of 2: " in table_text(rows)
