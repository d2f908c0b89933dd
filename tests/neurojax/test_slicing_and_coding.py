"""Numbers as digits, weights as conductances: exact round trips, products, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2

import neurojax as nj
from neurojax import converters as co

CODINGS = {
    "single": co.Single(1e-6, 1e-4),
    "column": co.Offset(1e-6, 1e-4),
    "digital": co.Offset(1e-6, 1e-4, "digital"),
    "one-sided": co.Differential(1e-6, 1e-4),
    "two-sided": co.Differential(1e-6, 1e-4, "two"),
    "three pairs": co.NPair(1e-6, 1e-4, (1.0, 2.0, 0.5)),
    "two balanced pairs": co.NPair(1e-6, 1e-4, (1.0, 1.0), "two"),
}
SLICES = [
    *(co.input_slices(8, width, "unsigned") for width in (1, 3)),
    *(co.input_slices(8, width) for width in (1, 2, 3, 7)),
    *(co.input_slices(8, width, "sign_magnitude") for width in (1, 3, 9)),
    co.weight_slices(6, 3),
    co.weight_slices(6, 5, "unsigned"),
]
OPTIONS = ("reference", "significance", "sided")


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng([5, seed]).normal(size=shape))


def weights_of(name):
    w = np.asarray(normal(5, 4))
    return jnp.asarray(np.abs(w) if name == "single" else w)


# Digits.


@pytest.mark.parametrize("s", SLICES, ids=lambda s: f"{s.base}-{s.sign}")
def test_every_number_is_its_digits(s):
    """All numbers, in both precisions; digits within the base; shift and add of what a linear map made of them."""
    low, high = s.limits
    for dtype in (jnp.float64, jnp.float32):
        codes = jnp.arange(low, high + 1, dtype=dtype)
        planes = s.split(codes)
        assert planes.shape == (s.slices, high - low + 1) and planes.dtype == dtype
        assert np.all(np.abs(planes) <= s.base - 1) and (s.sign == "sign_magnitude" or np.all(planes >= 0))
        assert s.join(planes).tolist() == codes.tolist()
    rng = np.random.default_rng(5)
    x = jnp.asarray(rng.integers(low, high + 1, (3, 6)), float)
    matrix = jnp.asarray(rng.integers(-9, 10, (6, 2)), float)
    assert s.join(s.split(x) @ matrix).tolist() == (x @ matrix).tolist()


def test_known_digits():
    """-3 of four bits is 1101 in two's complement, lowest first, the sign last; 3 with a sign."""
    codes = jnp.asarray([-3, 5])
    assert co.input_slices(4).split(codes).T.tolist() == [[1, 0, 1, 1], [1, 0, 1, 0]]
    assert co.input_slices(4).weights.tolist() == [1, 2, 4, -8]
    assert co.input_slices(4, 1, "sign_magnitude").split(codes).T.tolist() == [[-1, -1, 0], [1, 0, 1]]
    assert co.input_slices(8, 3).slices == 4 and co.weight_slices(6, 3).slices == 4


def test_slope_of_digits_is_that_of_the_number():
    matrix = normal(4, 3, seed=1)
    for s in SLICES:
        through = lambda x, s=s: s.join(s.split(x) @ matrix)  # noqa: E731
        slope = jax.jit(jax.jacobian(through))(jnp.asarray([0.0, 3.0, 5.0, 2.0]))
        assert np.asarray(slope) == pytest.approx(np.asarray(matrix).T, abs=1e-13), s


def test_numbers_that_cannot_be_split():
    s = co.input_slices(4)
    for bad in (8.0, -9.0, 0.5, np.nan):
        with pytest.raises(nj.errors.DataError, match="-8 to 7"):
            s.split(jnp.asarray([0.0, bad]))
    inside = jax.jit(s.split)(jnp.asarray([7.0, 8.0, 0.5]))
    assert np.isnan(inside).all(axis=0).tolist() == [False, True, True]
    with pytest.raises(nj.errors.DataError, match="4 slices"):
        s.join(jnp.zeros((3, 2)))
    with pytest.raises(nj.errors.CircuitError, match="base is 2 or more"):
        co.weight_slices(4, 1)
    with pytest.raises(nj.errors.CircuitError, match="'gray'"):
        co.input_slices(4, 1, "gray")
    with pytest.raises(nj.errors.CircuitError, match="0 bits"):
        co.input_slices(4, 0)


# Conductances.


@pytest.mark.parametrize("name", CODINGS)
@pytest.mark.parametrize("per", ["array", "column"])
def test_round_trip(name, per):
    """To 1e-12; within the range of the cells; and products of currents = products of weights."""
    coding, w = CODINGS[name], weights_of(name)
    w_max = co.weight_limit(w, per)
    g = coding.to_conductances(w, w_max)
    assert g.shape == (coding.arrays, 5, 4 + (name == "column"))
    assert np.all(g >= 1e-6 * (1 - 1e-12)) and np.all(g <= 1e-4 * (1 + 1e-12))
    assert np.asarray(coding.to_weights(g, w_max)) == pytest.approx(np.asarray(w), abs=1e-12)
    v = normal(7, 5, seed=2)
    products = coding.to_products(jnp.einsum("bn,anm->abm", v, g), v, w_max)
    assert np.asarray(products) == pytest.approx(np.asarray(v @ w), abs=1e-11)
    one = coding.to_products(jnp.einsum("n,anm->am", v[0], g), v[0], w_max)
    assert np.asarray(one) == pytest.approx(np.asarray(products[0]), abs=1e-12)


@pytest.mark.parametrize("name", CODINGS)
def test_gradients(name):
    """Of a function of the conductances in every weight, and in w_max and the range of the cells."""
    coding, w = CODINGS[name], weights_of(name)
    shape = coding.to_conductances(w, 3.0).shape
    c = normal(*shape, seed=22)

    @jax.jit
    def read(w, w_max, g_min, g_max):
        made = type(coding)(
            g_min, g_max, *(getattr(coding, f) for f in ("reference", "significance", "sided") if hasattr(coding, f))
        )
        g = made.to_conductances(w, w_max)
        return jnp.sum(jnp.sin(1e4 * c * g)) + jnp.sum(coding.to_weights(g, w_max) ** 2)

    at = (w, jnp.asarray(3.0), jnp.asarray(1e-6), jnp.asarray(1e-4))
    direction = (normal(5, 4, seed=21), jnp.asarray(0.7), jnp.asarray(2e-7), jnp.asarray(-3e-5))
    gradient = jax.jit(jax.grad(read, (0, 1, 2, 3)))(*at)
    for k in range(4):
        up, down = (read(*(a + h * direction[j] * float(j == k) for j, a in enumerate(at))) for h in (1e-5, -1e-5))
        exact = float(jnp.sum(gradient[k] * direction[k]))
        assert exact == pytest.approx(float(up - down) / 2e-5, rel=1e-6, abs=1e-8), k


@pytest.mark.parametrize("name", CODINGS)
def test_slope_at_zero_and_at_the_limit(name):
    """The round trip has the slope 1 from zero to w_max, both included, 0 beyond; jit = eager, vmap = loop."""
    coding = CODINGS[name]
    through = lambda w: coding.to_weights(coding.to_conductances(w, 2.0), 2.0)  # noqa: E731
    w = jnp.asarray([[0.0, 1.0, 2.0, 2.5]])
    slope = jax.jit(jax.grad(lambda w: jnp.sum(through(w))))(w)
    assert np.asarray(slope)[0] == pytest.approx([1, 1, 1, 0], abs=1e-12)
    assert np.asarray(through(w))[0] == pytest.approx([0, 1, 2, 2], abs=1e-12)
    many = jnp.stack([w, 0.3 * w])
    looped = np.stack([np.asarray(jax.jit(through)(one)) for one in many])
    assert np.asarray(jax.vmap(through)(many)) == pytest.approx(looped, abs=1e-14)


def test_balance_and_sides():
    """Two-sided pairs draw the same current whatever the weight; one cell of a one-sided pair is at g_min."""
    w = weights_of("pair")
    two = CODINGS["two-sided"].to_conductances(w, 4.0)
    assert np.asarray(two.sum(axis=0)) == pytest.approx(np.full((5, 4), 1.01e-4), rel=1e-12)
    one = np.asarray(CODINGS["one-sided"].to_conductances(w, 4.0))
    assert one.min(axis=0) == pytest.approx(np.full((5, 4), 1e-6), rel=1e-12)


def test_errors_of_pairs_average():
    """Independent errors of N equal pairs: the variance of the weight falls by N, within its 99.7 % interval."""
    w, errors = jnp.zeros((100, 100)), []
    for n in (1, 4):
        coding = co.NPair(0.0, 1e-4, (1.0,) * n)
        g = coding.to_conductances(w, 1.0)
        noisy = g + 1e-6 * normal(*g.shape, seed=n)
        errors.append(float(jnp.var(coding.to_weights(noisy, 1.0))))
    expected = 2 * 0.01**2 / np.asarray([1, 4])
    low, high = chi2.ppf([0.0015, 0.9985], 10_000) / 10_000
    assert np.all(errors > low * expected) and np.all(errors < high * expected)


@pytest.mark.parametrize("levels", [2, 3, 16])
def test_digits_over_pairs(levels):
    """Rounded to the steps of the weight, then exact; cells at their levels only; slope 1."""
    coding, w = co.Sliced(1e-6, 1e-4, bits=6, levels=levels), weights_of("sliced")
    w_max = co.weight_limit(w)
    g = coding.to_conductances(w, w_max)
    assert g.shape[0] == coding.arrays == 2 * coding.digits.slices
    level = (np.asarray(g) - 1e-6) / 9.9e-5 * (levels - 1)
    assert level == pytest.approx(np.round(level), abs=1e-9)
    expected = np.round(np.asarray(w / w_max) * 31) / 31 * float(w_max)
    assert np.asarray(coding.to_weights(g, w_max)) == pytest.approx(expected, abs=1e-12)
    v = normal(3, 5, seed=3)
    products = coding.to_products(jnp.einsum("bn,anm->abm", v, g), v, w_max)
    assert np.asarray(products) == pytest.approx(np.asarray(v) @ expected, abs=1e-11)
    slope = jax.jit(jax.grad(lambda w: jnp.sum(coding.to_weights(coding.to_conductances(w, 5.0), 5.0))))(w)
    assert np.asarray(slope) == pytest.approx(np.ones((5, 4)), abs=1e-12)


def test_an_array_without_weights():
    w = jnp.zeros((3, 2))
    for per, limit in (("array", 1.0), ("column", [1.0, 1.0])):
        assert co.weight_limit(w, per).tolist() == limit
    through = lambda w: co.Differential(0.0, 1e-4).to_conductances(w, co.weight_limit(w))  # noqa: E731
    assert np.all(np.isfinite(jax.jit(jax.jacobian(through))(w)))


def test_wrong_codings_are_told():
    with pytest.raises(nj.errors.CircuitError, match="g_min"):
        co.Single(1e-4, 1e-6)
    with pytest.raises(nj.errors.CircuitError, match="'left'"):
        co.Differential(0.0, 1e-4, "left")
    with pytest.raises(nj.errors.CircuitError, match="'row'"):
        co.Offset(0.0, 1e-4, "row")
    with pytest.raises(nj.errors.CircuitError, match="each pair"):
        co.NPair(0.0, 1e-4, ())
    with pytest.raises(nj.errors.DataError, match="'row'"):
        co.weight_limit(jnp.ones((2, 2)), "row")
    with pytest.raises(nj.errors.DataError, match="w_max = 0"):
        co.Single(0.0, 1e-4).to_conductances(jnp.ones((2, 2)), 0.0)
    with pytest.raises(nj.errors.DataError, match="3 arrays"):
        co.Differential(0.0, 1e-4).to_weights(jnp.ones((3, 2, 2)), 1.0)
