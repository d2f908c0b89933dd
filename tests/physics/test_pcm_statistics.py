"""Statistics of phase-change memory against the reference numbers, by formula and by Monte Carlo."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from physics.pcm_statistics import PcmStatistics
from physics.quantity import parameters, with_values

DAY = 86400.0
TARGETS = 1e-6 * np.array([0.25, 2.5, 5.0, 12.5, 25.0])
SHARP = 1e-8
"""A width at which the corners are those of the published, clipped fits."""


def array(value):
    return jnp.asarray(value, dtype=float)


def sharp(cell):
    return with_values(cell, {"width": SHARP})


CELL = sharp(PcmStatistics.joshi())


def test_programming():
    found = 1e6 * np.asarray(CELL.programming_spread(array(TARGETS)))
    np.testing.assert_allclose(found, [0.283013, 0.448249, 0.609556, 0.952705, 1.05538], rtol=5e-6)
    # A cell with another range scales with it.
    double = with_values(CELL, {"g_max": 50e-6})
    np.testing.assert_allclose(double.programming_spread(array(2 * TARGETS)), 2e-6 * found, rtol=1e-9)


def test_drift():
    mean, spread = CELL.drift_mean(array(TARGETS)), CELL.drift_spread(array(TARGETS))
    np.testing.assert_allclose(mean, [0.0957801, 0.0600901, 0.0493463, 0.049, 0.049], rtol=2e-6)
    np.testing.assert_allclose(spread, [0.045, 0.0228823, 0.014218, 0.008, 0.008], rtol=2e-6)
    now = CELL.drifted(array(TARGETS), array(DAY), mean)
    np.testing.assert_allclose(1e6 * now, [0.11213, 1.51174, 3.30801, 8.29404, 16.5881], rtol=4e-6)
    assert float(CELL.drifted(array(1e-5), array(0.0), array(0.1))) == pytest.approx(1e-5)


def test_plateau_of_the_mean_exponent():
    """0.049 from 5.113 uS on."""
    assert float(CELL.drift_mean(array(5.12e-6))) == pytest.approx(0.049, abs=1e-7)
    assert float(CELL.drift_mean(array(5.05e-6))) > 0.0491


def test_read_noise():
    strength = CELL.read_strength(array(TARGETS))
    np.testing.assert_allclose(strength, [0.175583, 0.0393082, 0.0250503, 0.0138087, 0.0088], rtol=3e-6)
    spread = CELL.read_spread(array(TARGETS), array(DAY))
    np.testing.assert_allclose(spread, [0.893158, 0.199953, 0.127426, 0.0702421, 0.0447639], rtol=3e-6)


def test_hermes_chip():
    two, one = sharp(PcmStatistics.hermes_two()), sharp(PcmStatistics.hermes_one())
    found = 1e6 * np.asarray(two.programming_spread(array([2.07e-6, 10.35e-6, 20.7e-6])))
    np.testing.assert_allclose(found, [0.557718, 0.991013, 1.0927], rtol=5e-6)
    r = array([0.02, 0.05, 0.5, 0.9])
    x = np.asarray(r)
    low = np.clip(-0.0387 * np.log(x) - 0.0182, 0.072, 0.13)
    mean = np.where(x < 0.0945, low, -0.0436 * x**2 - 0.0126 * x + 0.0736)
    np.testing.assert_allclose(two.drift_mean(r * 20.7e-6), mean, rtol=1e-6)
    np.testing.assert_allclose(one.drift_mean(r * 10.35e-6), mean, rtol=1e-6)
    spread = np.where(
        x < 0.3055, np.clip(-0.0117 * np.log(x) - 0.0057, 0.0091, 0.04), -0.0118 * x**2 + 0.0093 * x + 0.0073
    )
    np.testing.assert_allclose(two.drift_spread(r * 20.7e-6), spread, rtol=2e-6)
    spread = np.where(
        x < 0.3039, np.clip(-0.0120 * np.log(x) - 0.0023, 0.0124, 0.04), -0.0165 * x**2 + 0.0116 * x + 0.0104
    )
    np.testing.assert_allclose(one.drift_spread(r * 10.35e-6), spread, rtol=2e-6)
    strength = np.where(
        x < 0.16,
        np.clip(-0.0117 * np.log(x) - 0.0069, 0.015, 0.04),
        0.0069 * x**3 - 0.0280 * x**2 + 0.0211 * x + 0.0123,
    )
    np.testing.assert_allclose(two.read_strength(r * 20.7e-6), strength, rtol=2e-6)
    strength = np.where(
        x < 0.1591,
        np.clip(-0.0078 * np.log(x) + 0.0038, 0.0179, 0.04),
        0.0664 * x**3 - 0.1352 * x**2 + 0.0768 * x + 0.0088,
    )
    np.testing.assert_allclose(one.read_strength(r * 10.35e-6), strength, rtol=2e-6)
    assert (float(two.t_0), float(one.t_0)) == (300.0, 200.0)


def test_crosssim_agrees_with_aihwkit_to_eight_percent():
    found = sharp(PcmStatistics.crosssim()).programming_spread(array(TARGETS[[0, 3, 4]]))
    np.testing.assert_allclose(1e6 * found, [0.30524, 0.95528, 1.06552], rtol=1e-5)
    np.testing.assert_allclose(found, CELL.programming_spread(array(TARGETS[[0, 3, 4]])), rtol=0.08)


@pytest.mark.parametrize(("target", "mean", "std"), [(2.5e-6, 1.5388, 0.5113), (12.5e-6, 8.3105, 1.0253)])
def test_a_day_later(target, mean, std):
    """200 000 cells."""
    draw = jax.jit(lambda cell, key: cell.sample(key, jnp.full(200_000, target), array(DAY)))
    for cell, near in ((CELL, 3e-3), (PcmStatistics(), 1e-2)):
        g = 1e6 * np.asarray(draw(cell, jax.random.key(0)))
        assert g.min() >= 0 and g.mean() == pytest.approx(mean, rel=near)
        assert g.std() == pytest.approx(std, rel=1.5 * near)


def test_conductances_are_positive_and_have_gradients():
    cell = PcmStatistics()
    noise = (array(-8.0), array(-3.0), array(-30.0))
    value = lambda cell, g: cell.conductance(g, array(DAY), noise)  # noqa: E731
    for target in (0.0, 2.5e-7, 25e-6):
        found, by = jax.value_and_grad(value, (0, 1))(cell, array(target))
        assert float(found) >= 0.0
        assert all(np.isfinite(float(g)) for g in jax.tree.leaves(by))
    # On the plateau of the clipped fit, too, there is one.
    assert float(jax.grad(cell.drift_mean)(array(5.2e-6))) < 0.0


def test_rounding_is_of_the_declared_width():
    grid = array(np.geomspace(1e-8, 25e-6, 200))
    for smooth in (PcmStatistics.joshi(), PcmStatistics.hermes_two()):
        exact = sharp(smooth)
        for law in ("drift_mean", "drift_spread", "read_strength"):
            gap = np.abs(np.asarray(getattr(smooth, law)(grid)) - np.asarray(getattr(exact, law)(grid)))
            assert gap.max() < 1.1e-3
        gap = np.abs(np.asarray(smooth.programming_spread(grid) - exact.programming_spread(grid)))
        assert gap.max() < 1e-3 * float(smooth.g_max)


def test_a_path_is_made_of_its_three_parts():
    cell, t = PcmStatistics.hermes_one(), array(3600.0)
    target, xi = array(5e-6), (array(0.4), array(-1.1), array(0.7))
    g = cell.programmed(target, xi[0])
    later = cell.drifted(g, t, cell.drift_exponent(target, xi[1]))
    found = cell.conductance(target, t, xi)
    assert float(found) == pytest.approx(float(later * (1 + 0.7 * cell.read_spread(g, t))), rel=1e-6)


def test_declarations():
    for cell in (
        PcmStatistics.joshi(),
        PcmStatistics.crosssim(),
        PcmStatistics.hermes_two(),
        PcmStatistics.hermes_one(),
    ):
        for name, p in parameters(cell).items():
            assert p.contains(p.value), (name, p.value)
            assert p.quantity.doc and p.quantity.source
    assert "mu.slope" in parameters(PcmStatistics())
    single = jax.tree.map(lambda a: a.astype(jnp.float32), PcmStatistics())
    found = single.conductance(jnp.float32(5e-6), jnp.float32(DAY), (jnp.float32(0.1),) * 3)
    exact = PcmStatistics().conductance(array(5e-6), array(DAY), (array(0.1),) * 3)
    assert found.dtype == jnp.float32 and float(found) == pytest.approx(float(exact), rel=1e-4)
