"""Readouts against closed forms, scikit-learn and central differences; on devices against what they can hold."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import rarely
from programming_cases import yakopcic

import neurojax as nj
from learning import tasks
from learning.device_readout import MapPair, delta_rule
from learning.metrics import nmse
from learning.readout import Recursive, logistic, recursive_least_squares, ridge
from neurojax.errors import DataError
from physics.pulsed_presets import PRESETS

KEY = jax.random.key(0)
X = jax.random.normal(KEY, (200, 5)) * jnp.asarray([[1.0, 2.0, 0.5, 1.0, 3.0]]) + 1.0
Y = X @ jax.random.normal(jax.random.key(1), (5, 2)) + 0.3
NOISY = Y + 0.5 * jax.random.normal(jax.random.key(2), Y.shape)


def difference(f, p, h=1e-5):
    return (f(p + h) - f(p - h)) / (2 * h)


def test_ridge_is_that_of_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    size = float(jnp.mean((X - X.mean(0, keepdims=True)) ** 2))
    for penalty in (1e-6, 0.1, 3.0):
        ours = ridge(X, NOISY, penalty)
        theirs = linear_model.Ridge(alpha=penalty * size * 200).fit(np.asarray(X), np.asarray(NOISY))
        assert np.allclose(ours.weight, theirs.coef_.T, atol=1e-11) and np.allclose(ours.bias, theirs.intercept_)
        assert np.allclose(ours(X[3]), theirs.predict(np.asarray(X[3:4]))[0])


def test_ridge_does_not_depend_on_scales_and_shifts():
    one, other = ridge(X, NOISY, 0.1), ridge(1e-6 * X + 3.0, NOISY, 0.1)
    assert jnp.allclose(one(X), other(1e-6 * X + 3.0), atol=1e-8)


def test_gradients_through_ridge():
    f = lambda p: jnp.sum(jnp.sin(ridge(X * p + jnp.sin(X), NOISY, 0.1 * p)(X)))  # noqa: E731
    one = jnp.ones(())
    assert float(jax.grad(f)(one)) == pytest.approx(float(difference(f, one)), rel=1e-6)
    assert float(jax.jit(f)(one)) == pytest.approx(float(f(one)), rel=1e-12)
    still = jax.grad(lambda x: jnp.sum(ridge(x, NOISY, 1e-3).weight))(jnp.ones((200, 5)))
    assert bool(jnp.isfinite(still).all())
    many = jax.vmap(lambda p: ridge(X, NOISY, p).weight)(jnp.asarray([0.1, 1.0]))
    assert jnp.allclose(many[1], ridge(X, NOISY, 1.0).weight)


def test_bad_calls_of_readouts():
    with pytest.raises(DataError, match=r"-1.0, give zero or more"):
        ridge(X, Y, -1.0)
    for fit in (lambda x: ridge(x, Y, 0.1), lambda x: recursive_least_squares(x, Y)):
        with pytest.raises(DataError, match="100 samples of features and 200"):
            fit(X[:100])
    labels = jnp.zeros(200, int)
    with pytest.raises(DataError, match="above zero"):
        logistic(X, labels, 0.0)
    with pytest.raises(DataError, match="labels from 0 to 0 for 0 classes"):
        logistic(X, labels, 0.1, 0)
    with pytest.raises(DataError, match="give `classes`"):
        jax.jit(lambda labels: logistic(X, labels, 0.1))(labels)
    rule = nj.layers.MultiMemristive.of(PRESETS["EcRam"](), 1)
    with pytest.raises(DataError, match="100 samples of features and 200"):
        delta_rule(X[:100], Y, rule, 0.1, key=KEY)
    with pytest.raises(DataError, match="exchange them"):
        MapPair.of(yakopcic(), -0.25, 0.25)


def test_recursive_least_squares_is_the_closed_form():
    rows = np.c_[np.asarray(X), np.ones(200)]
    for alpha in (1e-6, 1.0):
        w = np.linalg.solve(rows.T @ rows + alpha * np.eye(6), rows.T @ np.asarray(NOISY))
        ours = recursive_least_squares(X, NOISY, alpha)
        assert np.abs(np.r_[ours.weight, ours.bias[None]] - w).max() < 1e-9
    decay = 0.98 ** np.arange(199, -1, -1)[:, None]
    w = np.linalg.solve(rows.T @ (decay * rows) + 0.98**200 * np.eye(6), rows.T @ (decay * np.asarray(NOISY)))
    ours = recursive_least_squares(X, NOISY, 1.0, 0.98)
    assert np.abs(np.r_[ours.weight, ours.bias[None]] - w).max() < 1e-9


def test_recursive_least_squares_follows_a_change():
    start = Recursive.start(5, 2, 1.0, 0.9)
    turned = jnp.concatenate([Y, -Y])
    end = jax.lax.scan(lambda r, xy: (r.learn(*xy), None), start, (jnp.concatenate([X, X]), turned))[0].readout
    assert float(nmse(end(X), -Y)) < 1e-6
    slope = lambda a: jnp.sum(recursive_least_squares(X, NOISY, a).weight)  # noqa: E731
    one = jnp.ones(())
    assert float(jax.grad(slope)(one)) == pytest.approx(float(difference(slope, one)), rel=1e-6)


def of_c(x, c):
    """The relative penalty of scikit-learn's C."""
    return 1 / (c * float(jnp.mean((x - x.mean(0, keepdims=True)) ** 2)) * x.shape[0])


def accuracy(readout, data):
    return float(jnp.mean((jnp.argmax(readout(data.x_test), axis=-1) == data.y_test).astype(float)))


def test_digits_reach_the_published_baselines():
    """Logistic .968889, ridge .94, logistic of 4 x 4 means .913333: of 450 digits, the last within one digit."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    data = tasks.handwritten_digits()
    ours = logistic(data.x, data.y, of_c(data.x, 1.0))
    assert accuracy(ours, data) == pytest.approx(0.968889, abs=5e-7)
    theirs = linear_model.LogisticRegression(max_iter=5000, tol=1e-9).fit(np.asarray(data.x), np.asarray(data.y))
    assert np.abs(ours.weight - theirs.coef_.T).max() < 1e-4
    targets = 2 * jax.nn.one_hot(data.y, 10) - 1
    size = float(jnp.mean((data.x - data.x.mean(0, keepdims=True)) ** 2)) * 256
    assert accuracy(ridge(data.x, targets, 1 / (size * 1347)), data) == pytest.approx(0.94, abs=5e-7)
    pooled = tasks.handwritten_digits(pooled=True)
    assert accuracy(logistic(pooled.x, pooled.y, of_c(pooled.x, 100.0)), pooled) == pytest.approx(0.913333, abs=0.0023)


def test_ten_of_ten_digits_by_traces_of_pulses():
    x, labels = tasks.digit_bitmaps()
    state = jnp.zeros((10, 5))
    for bit in jnp.moveaxis(x, -1, 0):
        rest = jnp.exp(-(0.4 * bit + 0.2))
        state = (state * rest + 0.4 * bit / 0.6 * (1 - rest)) * jnp.exp(-0.2)
    assert jnp.array_equal(jnp.argmax(logistic(state, labels, 1e-4)(state), axis=-1), labels)


@rarely
def test_gradients_through_logistic():
    labels = (NOISY[:, 0] > 0).astype(int) + (NOISY[:, 1] > 1).astype(int)
    f = lambda p: jnp.sum(jnp.sin(logistic(X * p + jnp.sin(X), labels, 0.01 * p, 3)(X)))  # noqa: E731
    one = jnp.ones(())
    assert float(jax.grad(f)(one)) == pytest.approx(float(difference(f, one)), rel=1e-5)
    assert float(jax.jit(f)(one)) == pytest.approx(float(f(one)), rel=1e-9)
    still = jax.grad(lambda x: jnp.sum(logistic(x, labels, 1e-3, 3).weight))(jnp.ones((200, 5)))
    assert bool(jnp.isfinite(still).all())


@rarely
def test_the_delta_rule_on_electrochemical_cells():
    rule = nj.layers.MultiMemristive.of(PRESETS["EcRam"](), 1)
    readout, errors = delta_rule(X, Y, rule, 0.05, scale=8.0, epochs=6, key=KEY)
    assert float(errors[-1]) < 0.05 * float(errors[0])
    assert float(nmse(readout(X), Y)) < 2e-3 and readout.weight.shape == (6, 2)
    again, _ = delta_rule(X, Y, rule, 0.05, scale=8.0, epochs=6, key=KEY)
    assert jnp.array_equal(again.weight, readout.weight)


@rarely
def test_the_delta_rule_on_cells_of_a_state_equation():
    """Nonlinear, uneven steps of 1 to 2 % of the range: worse than ridge, far better than nothing; energy is told."""
    rule = MapPair.of(yakopcic(), 0.2, -0.2)
    readout, errors = delta_rule(X, Y, rule, 0.02, scale=12.0, epochs=8, key=KEY)
    assert float(nmse(readout(X), Y)) < 0.03 and float(errors[-1]) < 0.3 * float(errors[0])
    assert float(readout.state.energy) > 0
    low, high = (float(v) for v in rule.up.span)
    assert low - 0.05 < float(readout.state.x.min()) and float(readout.state.x.max()) < high + 0.05
