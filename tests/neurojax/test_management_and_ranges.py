"""Scaling of inputs, and ranges from data."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import neurojax as nj
from neurojax import converters as co


def rng(seed=0):
    return np.random.default_rng([8, seed])


W = jnp.asarray(rng().normal(size=(6, 4)))


class Tile(eqx.Module):
    """Weights between converters: inputs of 8 bits within 1, outputs within `bound`."""

    w: jax.Array
    bound: float = 2.0

    def __call__(self, x):
        q = co.Quantiser.mid_tread(8, 1.0)
        return co.Quantiser.mid_tread(10, self.bound).convert(q(x) @ self.w)


@eqx.filter_jit
def bound_managed(tile, x, rounds=10):
    return co.bound_managed(tile, x, co.abs_max_scale(x), rounds)


# Management.


def test_scales():
    x = jnp.asarray([[0.5, -3.0], [0.0, 0.0], [1.0, 0.25]])
    assert co.abs_max_scale(x).tolist() == [3.0, 1.0, 1.0]
    assert co.average_abs_max_scale(x) == pytest.approx(4 / 3)
    assert co.average_abs_max_scale(jnp.zeros((2, 3))).tolist() == [1.0, 1.0]
    assert co.constant_scale(x, 2.0).tolist() == [2.0, 2.0, 2.0]
    # Of the vectors that are not zero the mean is 2.
    assert float(co.moving_scale(1.0, x, 0.9)) == pytest.approx(1.1)
    assert float(co.moving_scale(1.0, jnp.zeros((2, 3)), 0.9)) == 1.0
    with pytest.raises(nj.errors.CircuitError, match="positive"):
        co.constant_scale(x, 0.0)


def test_small_inputs_keep_their_precision():
    """Relative error of small and large inputs alike with management; without, small ones are lost, large ones cut."""
    draw = rng(2)
    x = jnp.asarray(draw.normal(size=(50, 6))) * jnp.asarray(10.0 ** draw.uniform(-4, 1, (50, 1)))
    f = lambda x: co.Quantiser.mid_tread(8, 1.0)(x) @ W  # noqa: E731
    exact = np.asarray(x @ W)
    norm_of = lambda a: np.linalg.norm(a, axis=1)  # noqa: E731
    with_it = norm_of(co.managed(f, x, co.abs_max_scale(x)) - exact) / norm_of(exact)
    without = norm_of(f(x) - exact) / norm_of(exact)
    assert with_it.max() < 0.03 and without.max() > 0.9
    zero = co.managed(f, jnp.zeros((2, 6)), co.abs_max_scale(jnp.zeros((2, 6))))
    assert zero.tolist() == np.zeros((2, 4)).tolist()


def test_gradient_of_management():
    """Exact for a linear crossbar, that of the straight line for one that quantises; finite for zeros."""
    draw = rng(3)
    x = jnp.asarray(draw.normal(size=(3, 6)))
    f = lambda x: co.managed(lambda z: z @ W, x, co.abs_max_scale(x))  # noqa: E731
    value = jax.jit(lambda x: jnp.sum(jnp.sin(f(x))))
    direction = jnp.asarray(draw.normal(size=(3, 6)))
    differences = (value(x + 1e-5 * direction) - value(x - 1e-5 * direction)) / 2e-5
    assert float(jnp.sum(jax.grad(value)(x) * direction)) == pytest.approx(float(differences), rel=1e-8)
    tile = lambda x: jnp.sum(co.managed(lambda z: Tile(W, 30.0)(z).value, x, co.abs_max_scale(x)))  # noqa: E731
    expected = np.broadcast_to(np.asarray(W).sum(axis=1), (3, 6))
    assert np.asarray(jax.jit(jax.grad(tile))(x)) == pytest.approx(expected, abs=1e-12)
    assert np.asarray(jax.jit(jax.grad(tile))(jnp.zeros((3, 6)))) == pytest.approx(expected, abs=1e-12)


def test_bounds():
    """Halved until no output saturates, each vector by itself: the least power of two that does."""
    draw = rng(4)
    x = jnp.asarray(draw.uniform(-1, 1, (40, 6))) * jnp.asarray(draw.choice([1.0, 4.0], (40, 1)))
    found = bound_managed(Tile(W), x)
    assert not np.any(found.saturated) and np.any(found.rounds > 0) and np.any(found.rounds == 0)
    largest = np.abs(np.asarray(x / found.scale[:, None] @ W)).max(axis=1)
    again = np.asarray(found.rounds) > 0
    assert np.all(largest < 2.02) and np.all(2 * largest[again] > 1.98)
    assert np.asarray(found.scale) == pytest.approx(np.asarray(co.abs_max_scale(x)) * 2.0 ** np.asarray(found.rounds))
    # Errors: of an output step, and of six inputs of half a step each.
    error = np.abs(np.asarray(found.value - x @ W)) / np.asarray(found.scale)[:, None]
    assert np.all(error <= 0.5 * (2 / 511) + np.asarray(jnp.abs(W).sum(axis=0)) * 0.5 / 127 + 1e-12)
    plain = co.managed(lambda z: Tile(W)(z).value, x, co.abs_max_scale(x))
    assert np.abs(np.asarray(plain - x @ W)).max() > 5 * np.abs(np.asarray(found.value - x @ W)).max()


def test_rounds_of_bound_management_end():
    x = jnp.full((2, 6), 1.0)
    tile = Tile(jnp.full((6, 1), 100.0))
    found = bound_managed(tile, x, 3)
    assert found.rounds.tolist() == [3, 3] and np.all(found.saturated)
    assert bound_managed(tile, x, 0).rounds.tolist() == [0, 0]
    zero = bound_managed(tile, 0 * x)
    assert zero.value.tolist() == [[0.0], [0.0]] and zero.rounds.tolist() == [0, 0]
    with pytest.raises(nj.errors.CircuitError, match="rounds = -1"):
        co.bound_managed(tile, x, co.abs_max_scale(x), rounds=-1)


def test_gradient_of_bound_management():
    """In inputs and weights that of the straight line, in both modes; jit = eager, a vector by itself = in a batch."""
    draw = rng(6)
    x = jnp.asarray(draw.uniform(-1, 1, (5, 6)))
    c = jnp.asarray(draw.normal(size=(5, 4)))
    f = lambda w, x: jnp.sum(c * co.bound_managed(Tile(w), x, co.abs_max_scale(x)).value)  # noqa: E731
    in_w, in_x = jax.jit(jax.grad(f, (0, 1)))(W, x)
    assert np.asarray(in_x) == pytest.approx(np.asarray(c @ W.T), abs=1e-12)
    # In weights the input is the one that the converter made.
    assert np.asarray(in_w) == pytest.approx(np.asarray(x.T @ c), abs=0.05)
    forward = jax.jit(lambda x: jax.jvp(lambda x: f(W, x), (x,), (jnp.ones_like(x),))[1])(x)
    assert float(forward) == pytest.approx(float(jnp.sum(c @ W.T)), abs=1e-11)
    whole = co.bound_managed(Tile(W), x, co.abs_max_scale(x)).value
    each = jax.jit(jax.vmap(lambda x: bound_managed(Tile(W), x).value))(x)
    assert np.asarray(each) == pytest.approx(np.asarray(whole), abs=1e-13)


# Ranges.

NORMAL = jnp.asarray(norm.ppf((np.arange(20_000) + 0.5) / 20_000))


def test_ranges_of_known_data():
    data = jnp.asarray([[-1.0, 2.0], [3.0, 4.0], [0.0, 12.0]])
    low, high = co.max_range(data, axis=0)
    assert low.tolist() == [-1, 2] and high.tolist() == [3, 12]
    assert [float(a) for a in co.max_range(data, symmetric=True)] == [-12, 12]
    both = {"symmetric": True}

    @jax.jit
    def ranges(x, y):
        of_x = *co.percentile_range(x, 95.0), *co.percentile_range(x, 95.0, **both)
        return *of_x, *co.sigma_range(y, 3.0), *co.sigma_range(y, 3.0, **both)

    expected = [-1.95996, 1.95996, -1.95996, 1.95996, -5, 7, -7, 7]
    assert [float(a) for a in ranges(NORMAL, 2 * NORMAL + 1)] == pytest.approx(expected, abs=2e-3)


def test_granular():
    """The next power of two of the unit that contains the limit; those that are one already stay."""
    granular = jax.jit(lambda low, high: co.granular_range(low, high, 1e-3))
    low, high = granular(jnp.asarray([-0.9, 0.0, -4e-3]), jnp.asarray([0.5, 0.51, 3e-3]))
    assert np.asarray(low) == pytest.approx([-1.024, 0.0, -4e-3], rel=1e-12)
    assert np.asarray(high) == pytest.approx([0.512, 0.512, 4e-3], rel=1e-12)
    slope = jax.jit(jax.grad(lambda h: jnp.sum(co.granular_range(-h, h, 0.3)[1])))(jnp.asarray([0.7, 1.2]))
    assert slope.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("bits", "step", "error"), [(2, 0.9957, 0.1188), (3, 0.5860, 0.03744), (4, 0.3352, 0.01154)])
def test_least_error_of_normal_data(bits, step, error):
    """Max (1960), table of uniform quantisers: step and mean square error for data of variance 1."""
    low, high = co.least_error_range(NORMAL, bits, symmetric=True, candidates=256)
    assert float(high) == pytest.approx((2**bits - 1) / 2 * step, rel=0.01) and float(low) == -float(high)
    found = jnp.mean((co.Quantiser.unsigned(bits, low, high)(NORMAL) - NORMAL) ** 2)
    assert float(found) == pytest.approx(error, rel=3e-3)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: co.max_range(x, axis=0),
        lambda x: co.percentile_range(x, 90.0, axis=0),
        lambda x: co.percentile_range(x, 90.0, axis=0, symmetric=True),
        lambda x: co.sigma_range(x, 2.0, axis=0),
        lambda x: co.least_error_range(x, 3, axis=0, candidates=16),
    ],
)
def test_ranges_are_functions_of_the_data(f):
    """Differentiable, of each column by itself, finite for data that are all one number."""
    draw = rng(9)
    x, direction = (jnp.asarray(draw.normal(size=(30, 3))) for _ in range(2))
    c = jnp.asarray([[1.0, 0.3, -2.0], [0.5, 1.1, 0.7]])

    @jax.jit
    def read(x):
        value, gradient = jax.value_and_grad(lambda x: jnp.sum(c * jnp.stack(f(x))))(x)
        return jnp.stack(f(x)), jnp.stack(f(x[:, 1:2])), value, gradient

    ranges, column, _, gradient = read(x)
    differences = (read(x + 1e-6 * direction)[2] - read(x - 1e-6 * direction)[2]) / 2e-6
    assert float(jnp.sum(gradient * direction)) == pytest.approx(float(differences), rel=1e-6)
    assert np.asarray(ranges[:, 1:2]) == pytest.approx(np.asarray(column), abs=1e-13)
    for same in (0.0, 2.0):
        (low, high), *_, slope = read(jnp.full((30, 3), same))
        assert np.all(low < high) and np.all(low <= same) and np.all(high >= same)
        assert np.all(np.isfinite(slope))


def test_wrong_data_are_told():
    with pytest.raises(nj.errors.DataError, match="finite"):
        co.max_range(jnp.asarray([1.0, np.nan]))
    with pytest.raises(nj.errors.DataError, match="per cent"):
        co.percentile_range(NORMAL, 101.0)
    with pytest.raises(nj.errors.DataError, match="k = 0"):
        co.sigma_range(NORMAL, 0.0)
    with pytest.raises(nj.errors.DataError, match="unit"):
        co.granular_range(-1.0, 1.0, 0.0)
