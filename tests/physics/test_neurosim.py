"""NeuroSim's curves: label and curve constant, both directions, benchmark numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from physics.neurosim import (
    BENCHMARKS,
    LABEL,
    NeuroSim,
    gate_write_energy,
    nonlinearity,
    rise,
    steepness_of,
    write_energy,
)
from physics.quantity import parameters, with_values


def array(value):
    return jnp.asarray(value, dtype=float)


solve = jax.jit(steepness_of)
LABELS = (0.5, 1.0, 1.75, 2.4, 4.88, 6.0)
CONSTANTS = (2.5198741, 1.2516514, 0.70207991, 0.4991806, 0.20030307, 0.13561876)


def test_label_and_curve_constant():
    """A = P_max/s of a label."""
    np.testing.assert_allclose(1 / np.asarray(solve(array(LABELS))), CONSTANTS, rtol=2e-8)
    np.testing.assert_allclose(nonlinearity(1 / array(CONSTANTS)), LABELS, rtol=2e-8)
    # The table of the manual, printed to four digits.
    assert 1 / float(solve(array(2.40))) == pytest.approx(0.4992, abs=5e-5)
    assert 1 / float(solve(array(4.88))) == pytest.approx(0.2003, abs=5e-5)


@pytest.mark.parametrize("s", [-30.0, -2.0, -1e-3, 1e-3, 0.3, 0.999, 1.001, 5.0, 40.0])
def test_label_is_the_largest_distance_from_the_line(s):
    x = np.linspace(0, 1, 2_000_001)
    distance = np.expm1(-s * x) / np.expm1(-s) - x
    expected = LABEL * (distance.max() if s > 0 else distance.min())
    assert float(nonlinearity(array(s))) == pytest.approx(expected, rel=1e-9)


def test_label_is_odd_smooth_and_invertible_both_ways():
    grid = array([0.0, 1e-12, 1e-3, 0.5, 1 - 1e-9, 1 + 1e-9, 3.0, 50.0])
    np.testing.assert_array_equal(nonlinearity(-grid), -nonlinearity(grid))
    assert float(nonlinearity(array(0.0))) == 0.0 and float(solve(array(0.0))) == 0.0
    assert abs(float(nonlinearity(grid[5]) - nonlinearity(grid[4]))) < 1e-8
    slope, inverse = jax.vmap(jax.grad(nonlinearity)), jax.jit(jax.vmap(jax.grad(steepness_of)))
    assert float(slope(array([0.0]))[0]) == pytest.approx(LABEL / 8, rel=1e-12)
    at = array([-20.0, -0.7, 0.0, 0.4, 6.0])
    np.testing.assert_allclose(inverse(nonlinearity(at)) * slope(at), 1.0, rtol=1e-9)
    np.testing.assert_allclose(solve(nonlinearity(at)), at, rtol=1e-10, atol=1e-12)
    second = jax.jit(jax.grad(jax.grad(steepness_of)))(array(2.0))
    apart = inverse(array([2.0 - 1e-5, 2.0 + 1e-5]))
    assert float(second) == pytest.approx(float(apart[1] - apart[0]) / 2e-5, rel=1e-6)


def test_single_precision():
    labels = jnp.asarray(LABELS, jnp.float32)
    found = solve(labels)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(1 / np.asarray(found), CONSTANTS, rtol=2e-5)


def test_curve_is_straight_at_no_label():
    p = array([0.0, 0.2, 0.9, 1.0])
    np.testing.assert_allclose(rise(p, array(0.0)), p, rtol=1e-12)
    for s in (-1.0001e-5, -0.9999e-5, 0.9999e-5, 1.0001e-5):
        np.testing.assert_allclose(rise(p, array(s)), p * (1 + 0.5 * s * (1 - p)), rtol=3e-11)
    assert np.isfinite(float(jax.grad(lambda s: rise(array(0.3), s))(array(0.0))))


@pytest.mark.parametrize(
    ("name", "microsiemens"),
    [
        ("Ag:a-Si", 0.0289566),
        ("TaOx/TiO2", 0.168034),
        ("PCMO", 0.0375630),
        ("AlOx/HfO2", 44.9149),
        ("EpiRAM", 6.89406),
        ("HZO FeFET", 1.21262),
    ],
)
def test_half_way_up(name, microsiemens):
    cell = BENCHMARKS[name].device()
    assert 1e6 * float(cell.potentiated(0.5 * cell.p_ltp)) == pytest.approx(microsiemens, rel=3e-6)


def test_benchmarks():
    assert len(BENCHMARKS) == 9
    assert BENCHMARKS["PCMO"].nl_ltd == -6.76 and BENCHMARKS["EpiRAM"].on_off == 50.2
    for row in BENCHMARKS.values():
        cell = row.device()
        assert all(p.contains(p.value) for p in parameters(cell).values())
        assert float(cell.potentiated(cell.p_ltp)) == pytest.approx(1 / row.r_on, rel=1e-9)
        assert float(cell.g_max / cell.g_min) == pytest.approx(row.on_off, rel=1e-9)
    default = NeuroSim()
    assert float(default.g_max) == pytest.approx(1 / 26e6, rel=1e-4)
    assert (float(default.p_ltp), float(default.p_ltd)) == (97.0, 100.0)


def test_down_is_drawn_mirrored():
    """A negative label is fast first, a positive one goes back as it came."""
    cell = with_values(NeuroSim(), {"nl_ltp": 2.0, "nl_ltd": -2.0, "p_ltd": 97.0})
    top, low = float(cell.g_max), float(cell.g_min)
    assert float(cell.depressed(array(0.0))) == pytest.approx(top, rel=1e-12)
    assert float(cell.depressed(array(97.0))) == pytest.approx(low, rel=1e-9)
    first, last = (float(cell.depressed(array(p)) - cell.depressed(array(p + 1))) for p in (0.0, 96.0))
    assert first > 3 * last
    # As much below the line as the way up is above it.
    up, down = float(cell.potentiated(array(30.0))), float(cell.depressed(array(30.0)))
    assert up + down == pytest.approx(top + low, rel=1e-9)
    back = with_values(cell, {"nl_ltd": 2.0})
    assert float(back.depressed(array(30.0))) == pytest.approx(float(cell.potentiated(array(67.0))), rel=1e-9)


@jax.jit
def walk(cell, start, signs):
    """G after each pulse without noise."""

    def step(g, sign):
        g = cell.pulse(g, sign, jnp.zeros_like(g))
        return g, g

    return jax.lax.scan(step, start, signs)[1]


pulse = jax.jit(NeuroSim.pulse)
curves = jax.jit(lambda cell, p: (cell.potentiated(p), cell.depressed(p)))


@pytest.mark.parametrize("labels", [(2.4, -4.88), (1.75, 1.46), (0.0, 0.0), (-1.0, 3.0)])
def test_pulses_walk_along_the_curves(labels):
    cell = with_values(NeuroSim(), {"nl_ltp": labels[0], "nl_ltd": labels[1]})
    up, down = walk(cell, cell.g_min, jnp.ones(100))[:97], walk(cell, cell.g_max, -jnp.ones(100))
    told_up, told_down = curves(cell, jnp.arange(1.0, 101.0))
    np.testing.assert_allclose(up, told_up[:97], rtol=1e-9)
    np.testing.assert_allclose(down, told_down, rtol=1e-8)
    # Any number of them at once.
    some = pulse(cell, cell.g_min, array(13.5), array(0.0))
    assert float(some) == pytest.approx(float(cell.potentiated(array(13.5))), rel=1e-9)
    assert float(pulse(cell, some, array(0.0), array(5.0))) == pytest.approx(float(some), rel=1e-12)


def test_step_is_that_of_the_slope():
    """dG/dP = (B + G_min - G)/A."""
    cell = with_values(NeuroSim(), {"p_ltp": 1e5})
    s = float(steepness_of(cell.nl_ltp))
    b = float(cell.g_max - cell.g_min) / -np.expm1(-s)
    g = 2e-8
    moved = float(pulse(cell, array(g), array(1.0), array(0.0))) - g
    assert moved == pytest.approx((b + float(cell.g_min) - g) * s / 1e5, rel=1e-4)
    full = pulse(cell, cell.g_max, array(1.0), array(0.0))
    assert float(full) == pytest.approx(float(cell.g_max), rel=1e-12)


def test_scatter():
    cell, n = NeuroSim(), 50_000
    noise = jax.random.normal(jax.random.key(0), (n,))
    middle = jnp.full(n, 2e-8)
    span = float(cell.g_max - cell.g_min)
    for count in (1.0, 9.0):
        g = pulse(cell, middle, jnp.full(n, count), noise)
        assert float(g.std()) == pytest.approx(0.035 * np.sqrt(count) * span, rel=3 / np.sqrt(2 * n))
    cells = with_values(cell, {"d2d": 0.3}).sample(jax.random.key(1), (4000,))
    assert float(cells.nl_ltp.std()) == pytest.approx(0.3, rel=3 / np.sqrt(8000))
    assert pulse(cells, cells.g_min, array(1.0), array(0.0)).shape == (4000,)


def test_gradients_to_labels_and_conductances():
    value = lambda cell: cell.pulse(cell.potentiated(array(20.0)), array(-3.0), array(0.2))  # noqa: E731
    slopes = jax.jit(jax.grad(value))
    by = slopes(NeuroSim())
    assert all(np.isfinite(float(g)) for g in jax.tree.leaves(by)) and float(by.nl_ltp) != 0 != float(by.nl_ltd)
    flat = slopes(with_values(NeuroSim(), {"nl_ltp": 0.0, "nl_ltd": 0.0}))
    assert all(np.isfinite(float(g)) for g in jax.tree.leaves(flat))


def test_write_energy():
    """V^2 (G_old + G_new)/2 t_p N + V^2 C_wire N."""
    found = write_energy(array(2.0), array(1e-6), array(3e-6), array(1e-7), array(5.0), array(1e-15))
    assert float(found) == pytest.approx(4 * 2e-6 * 1e-7 * 5 + 4 * 1e-15 * 5, rel=1e-12)
    gate = gate_write_energy(array(3.65), array(16.3324e-15), array(0.0), array(1.0))
    assert float(gate) == pytest.approx(217.6e-15, rel=1e-3)
