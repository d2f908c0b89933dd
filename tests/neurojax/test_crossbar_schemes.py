"""Reading one cell among others, pairs of cells, pictures: closed forms and what the arrangement is for."""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest

import physics
from neurojax.crossbar import (
    Crossbar,
    DifferentialCrossbar,
    Wires,
    heat_map,
    output_errors,
    read_cell,
    read_margin,
    select,
    sneak_current,
    worst_pattern,
)
from neurojax.errors import CircuitError, DataError


@pytest.mark.parametrize("n", [2, 5, 12])
def test_sneak_path_of_equal_cells(n):
    """Floating lines: R (2/(n - 1) + 1/(n - 1)^2) lies beside the cell."""
    array = Crossbar(jnp.full((n, n), 1e-4))
    sneak = float(sneak_current(array, (1, 0), 0.5, "float"))
    np.testing.assert_allclose(sneak, 0.5 * 1e-4 / (2 / (n - 1) + 1 / (n - 1) ** 2), rtol=1e-11)


def test_schemes_without_wires():
    """Drops of all kinds of cells, and the currents that follow from them."""
    array = Crossbar(jnp.full((4, 5), 1e-5))
    drops = {"half": (0.6, 0.3, 0.3, 0.0), "third": (0.6, 0.2, 0.2, -0.2), "ground": (0.6, 0.6, 0.0, 0.0)}
    for scheme, (cell, row, column, rest) in drops.items():
        v = np.asarray(read_cell(array, (2, 1), 0.6, scheme).v_cells)
        found = v[2, 1], v[2, 0], v[0, 1], v[0, 0]
        np.testing.assert_allclose(found, (cell, row, column, rest), rtol=0, atol=1e-12)
        np.testing.assert_allclose(float(sneak_current(array, (2, 1), 0.6, scheme)), 3e-5 * column, rtol=0, atol=1e-16)


@pytest.mark.slow
def test_read_margin():
    """Floating lines: closed form for equal cells; a selector keeps the others out; its derivative."""
    n, cell = 6, (5, 0)
    on, off = worst_pattern((n, n), cell, 1e-4, 1e-6)
    assert float(off[cell]) == 1e-6 and float(off.sum()) == pytest.approx(1e-6 + 35e-4)
    sneak = 1e-4 / (2 / (n - 1) + 1 / (n - 1) ** 2)
    margin = float(read_margin(Crossbar(on), Crossbar(off), cell, 0.5, "float"))
    np.testing.assert_allclose(margin, (1e-4 - 1e-6) / (1e-4 + sneak), rtol=1e-10)

    def with_selector(v_0):
        arrays = [Crossbar(physics.Selector(i_0=i, v_0=v_0), 5.0, shape=(n, n)) for i in (1e-3 * on, 1e-3 * off)]
        return read_margin(arrays[0], arrays[1], cell, 1.0, "half")

    f, at = jax.jit(jax.value_and_grad(with_selector)), jnp.asarray(0.1)
    value, slope = f(at)
    assert value > 0.9 > margin
    seen = (f(at + 1e-6)[0] - f(at - 1e-6)[0]) / 2e-6
    np.testing.assert_allclose(float(slope), float(seen), rtol=1e-6)


def test_wires_lower_the_margin():
    on, off = worst_pattern((8, 8), (0, 7), 1e-3, 1e-5)
    margins = [float(read_margin(Crossbar(on, w), Crossbar(off, w), (0, 7), 0.3, "ground")) for w in (0.0, 5.0, 50.0)]
    assert margins[0] > margins[1] > margins[2] > 0


@pytest.fixture(scope="module")
def weights():
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (32, 16)), rng.uniform(0, 1, (4, 32))


def arrangement(w, wires, **options):
    return DifferentialCrossbar.of_weights(w, 1e-4, 1e-6, wires=wires, **options)


@pytest.mark.slow
def test_all_arrangements_without_wires(weights):
    w, x = weights
    x = np.round(x * 15) / 15
    for interleaved in (False, True):
        for sources in ("input", "separate"):
            pair = arrangement(w, None, interleaved=interleaved, sources=sources)
            ideal = np.asarray(pair.ideal(x))
            np.testing.assert_allclose(ideal, 0.2 * 0.99e-4 * x @ w, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(
                np.asarray(pair.read(x, bits=4)), ideal, rtol=0, atol=1e-12 * np.abs(ideal).max()
            )


@pytest.mark.slow
def test_interleaved_columns_carry_less():
    """Voltage of the columns, and heat in them, at 1 ohm a segment; the error of the outputs stays of its size."""
    rng = np.random.default_rng(0)
    w, x, columns = rng.uniform(-1, 1, (128, 16)), rng.uniform(0, 1, (4, 128)), Wires(column=jnp.asarray(1.0))
    highest, heat, error = {}, {}, {}
    for interleaved in (False, True):
        pair = arrangement(w, columns, interleaved=interleaved)
        readings, ideal = pair.readings(x), np.asarray(pair.ideal(x))
        highest[interleaved] = max(float(jnp.max(jnp.abs(r.v_columns))) for r in readings)
        # Segments inside of a pair have no resistance.
        kept = [np.asarray(r.i_along_columns)[:, 1 if interleaved else 0 :: 2 if interleaved else 1] for r in readings]
        heat[interleaved] = sum(float(np.sum(i**2)) for i in kept)
        error[interleaved] = np.sqrt(np.mean((np.asarray(pair.read(x)) - ideal) ** 2))
    assert highest[True] < highest[False] / 2 and heat[True] < heat[False] / 4
    assert 0.5 < error[True] / error[False] < 2


@pytest.mark.slow
def test_pairs_are_differentiable(weights):
    """To conductances, in all four arrangements."""
    w, x = weights[0][:4, :3], weights[1][:2, :4]
    for interleaved in (False, True):
        for sources in ("input", "separate"):
            pair = arrangement(w, 20.0, interleaved=interleaved, sources=sources)

            def f(plus, pair=pair):
                other = DifferentialCrossbar(
                    plus, pair.minus, pair.wires, interleaved=pair.interleaved, sources=pair.sources
                )
                return 1e12 * jnp.sum(other.read(x, bits=2) ** 2)

            f = jax.jit(f)
            step = 1e-4 * pair.plus
            seen = (f(pair.plus + step) - f(pair.plus - step)) / 2e-4
            slope = float(jnp.sum(jax.jit(jax.grad(f))(pair.plus) * pair.plus))
            np.testing.assert_allclose(slope, float(seen), rtol=1e-6)


def test_wrong_calls(weights):
    with pytest.raises(CircuitError, match="one of half"):
        select((2, 2), (0, 0), 1.0, "quarter")
    with pytest.raises(CircuitError, match="no cell"):
        select((2, 2), (2, 0), 1.0)
    with pytest.raises(CircuitError, match="minus"):
        DifferentialCrossbar(np.ones((2, 2)), np.ones((2, 3)))
    with pytest.raises(CircuitError, match="sources"):
        DifferentialCrossbar(np.ones((2, 2)), np.ones((2, 2)), sources="gate")
    with pytest.raises(CircuitError, match="from 0 to 1"):
        arrangement(weights[0], None, sources="separate").read(-weights[1])
    with pytest.raises(CircuitError, match="every bit"):
        arrangement(weights[0], None, sources="separate").readings(weights[1])
    with pytest.raises(CircuitError, match="inputs have shape"):
        arrangement(weights[0], None).read(np.ones(3))


def test_pictures(weights):
    pair = arrangement(weights[0], 10.0)
    reading = Crossbar(pair.plus, 10.0).read(0.2 * weights[1])
    for kind in ("v_rows", "v_columns", "v_cells", "i_cells"):
        ax = heat_map(reading, kind, which=1)
        shown = np.asarray(ax.images[0].get_array())
        np.testing.assert_allclose(shown, np.asarray(getattr(reading, kind))[1])
    ax = output_errors(reading, 0.2 * weights[1] @ np.asarray(pair.plus))
    assert len(ax.lines[0].get_xdata()) == 64 and np.max(ax.lines[0].get_ydata()) < 0
    with pytest.raises(DataError, match="one of v_rows"):
        heat_map(reading, "power")
    with pytest.raises(DataError, match="shape"):
        output_errors(reading, np.ones(3))
    plt.close("all")
