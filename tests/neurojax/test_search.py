"""The parts of the search without any device: robust refinement, giving up, islands that have settled."""

import numpy as np
import pytest

from neurojax import evolve, levenberg, search, stiff

FREE = np.zeros(2, bool)
X = np.linspace(-1, 1, 21)


def line(theta):
    """A line through points of which one lies far off: residuals (starts, 21), Jacobian (starts, 21, 2)."""
    y = 0.5 + 2 * X + 100.0 * (np.arange(21) == 3)
    columns = np.stack([np.ones(21), X], axis=1)
    return theta @ columns.T - y, np.broadcast_to(columns, (len(theta), 21, 2))


def refined(theta, **options):
    state = levenberg.begin(line, np.asarray(theta), options.get("c", np.inf))
    while state.active.any():
        state = levenberg.iterate(line, state, frozen=FREE, **options)
    return state


def test_robust_loss_passes_over_an_outlier():
    start = [[0.0, 1.0]]
    assert refined(start, c=levenberg.OUTLIER).theta[0] == pytest.approx([0.5, 2.0], abs=0.02)
    assert abs(refined(start).theta[0, 0] - 0.5) > 4


def test_gradient_of_the_robust_loss():
    theta, h = np.asarray([[0.4, 1.5]]), 1e-5
    _, gradient, *_ = levenberg.evaluate(line, theta, levenberg.OUTLIER)
    for k in range(2):
        up, down = (levenberg.evaluate(line, theta + s * h * np.eye(2)[k], levenberg.OUTLIER)[0] for s in (1, -1))
        assert gradient[0, k] == pytest.approx((up[0] - down[0]) / (2 * h), rel=1e-6)


def test_a_start_that_creeps_far_behind_is_given_up():
    """Residual offset + exp(-theta), the offset being frozen: the first start is at its end, the second creeps."""

    def slope(theta):
        falls = np.exp(-theta[:, :1])
        return theta[:, 1:] + falls, np.stack([-falls, np.ones_like(falls)], axis=2)

    def steps(race):
        state, taken = levenberg.begin(slope, np.asarray([[11.9, 1.0], [3.0, 10.0]])), 0
        while state.active.any():
            frozen = np.asarray([False, True])
            state, taken = levenberg.iterate(slope, state, frozen=frozen, race=race), taken + 1
        return taken

    assert steps(race=True) < steps(race=False)


def test_a_start_that_has_met_the_best_is_given_up():
    """Of three, one lies a tenth of a deviation beside the best, one many: only the first of them has met it."""
    hessian = np.broadcast_to(np.diag([1.0, 4.0]), (3, 2, 2))
    theta, none = np.asarray([[0.0, 0.0], [0.1, 0.0], [0.0, 5.0]]), np.zeros((3, 2))
    ones, jacobian = np.ones(3), np.zeros((3, 5, 2))
    rest = none, hessian, jacobian, np.zeros((3, 5)), hessian, none, ones, ones, ones > 0
    state = levenberg.State(theta, np.asarray([10.0, 10.1, 10.1]), *rest)
    assert levenberg._met(state, FREE).tolist() == [False, True, False]
    worse = levenberg.State(theta, np.asarray([10.0, 12.0, 10.1]), *rest)
    assert not levenberg._met(worse, FREE).any()


@pytest.mark.parametrize("before", [levenberg.OUTLIER, np.inf])
@pytest.mark.parametrize("after", [levenberg.OUTLIER, np.inf])
def test_another_loss_takes_no_evaluation(before, after):
    """What a search with one loss has found, weighed by another: as if evaluated there; what has failed has failed."""

    def function(theta):
        r = np.stack([theta[:, 0] ** 2 - 9.0, theta[:, 1] + 2.0, theta[:, 0] * theta[:, 1]], axis=1)
        zero, one = np.zeros(len(theta)), np.ones(len(theta))
        rows = [[2 * theta[:, 0], zero], [zero, one], [theta[:, 1], theta[:, 0]]]
        slopes = np.moveaxis(np.asarray(rows), 2, 0)
        return np.where(theta[:, :1] > 50, np.nan, r), slopes

    start = np.asarray([[4.0, 1.0], [99.0, 0.0], [-2.0, 7.0]])
    state = levenberg.iterate(function, levenberg.begin(function, start, before), frozen=FREE, c=before)
    anew, fresh = levenberg.again(state, before, after), levenberg.begin(function, state.theta, after)
    assert anew.active.tolist() == [True, False, True] and np.isinf(anew.cost[1])
    for name in ("theta", "cost", "gradient", "hessian", "jacobian", "turned", "mu"):
        np.testing.assert_allclose(getattr(anew, name)[[0, 2]], getattr(fresh, name)[[0, 2]], rtol=1e-12)


@pytest.mark.parametrize("at", [-11.5, -levenberg.LIMIT])
def test_a_parameter_at_its_bound_does_not_stop_the_others(at):
    """Residuals theta_0 - 1 and 1 + sigmoid(theta_1): the second wants an enormous step of theta_1, in vain."""

    def function(theta):
        s = 1 / (1 + np.exp(-theta[:, 1]))
        zero, one = np.zeros_like(s), np.ones_like(s)
        jacobian = np.stack([np.stack([one, zero], axis=1), np.stack([zero, s * (1 - s)], axis=1)], axis=1)
        return np.stack([theta[:, 0] - 1, 1 + s], axis=1), jacobian

    state = levenberg.begin(function, np.asarray([[5.0, at]]))
    while state.active.any():
        state = levenberg.iterate(function, state, frozen=FREE)
    assert state.theta[0] == pytest.approx([1.0, -levenberg.LIMIT], abs=0.05)
    kept = levenberg.begin(function, np.asarray([[5.0, at]]))
    kept = levenberg.iterate(function, kept, frozen=np.asarray([False, True]))
    assert kept.theta[0, 1] == at and kept.theta[0, 0] < 3


def test_a_step_bends_along_a_curved_valley(monkeypatch):
    """Residuals 30 (theta_1 - theta_0^2), 1 - theta_0: from three starts a fifth fewer steps than straight ones."""

    def banana(theta):
        x, y = theta[:, 0], theta[:, 1]
        one = np.ones_like(x)
        jacobian = np.stack([np.stack([-60 * x, 30 * one], axis=1), np.stack([-one, 0 * one], axis=1)], axis=1)
        return np.stack([30 * (y - x**2), 1 - x], axis=1), jacobian

    def steps():
        taken = 0
        for start in ([-3.0, 9.0], [-1.2, 1.0], [-2.0, 4.0]):
            state = levenberg.begin(banana, np.asarray([start]))
            while state.active.any():
                state = levenberg.iterate(banana, state, frozen=FREE)
            assert state.theta[0] == pytest.approx([1.0, 1.0], abs=0.05)
            taken += state.iteration
        return taken

    bent = steps()
    monkeypatch.setattr(levenberg, "BENT", 0.0)
    assert bent < 0.85 * steps()


def test_islands_settle():
    def sphere(u):
        return np.sum((u - 0.3) ** 2, axis=1) + 1e-3

    islands = evolve.begin(sphere, 3, 12, 2, [0])
    assert not islands.settled(0.0)
    assert islands.settled(np.inf)
    for _ in range(200):
        if islands.settled(0.0):
            break
        islands = evolve.step(sphere, islands, [0])
    assert evolve.PATIENCE <= islands.generation < 200
    assert islands.best() == pytest.approx(np.full((3, 2), 0.3), abs=0.02)


@pytest.mark.parametrize(
    "starts, simulations, cores, expected",
    [(16, 1, 2, 1), (252, 1, 2, 1), (256, 1, 2, 64), (16, 20, 2, 4), (16, 20, 8, 1), (1, 100, 2, 1)],
)
def test_starts_run_together_where_that_pays(monkeypatch, starts, simulations, cores, expected):
    """Two calls a core of at least MANY_LANES lanes, or one start a call."""
    monkeypatch.setattr(search, "cores", lambda: cores)
    monkeypatch.setattr(search.jax, "default_backend", lambda: "cpu")
    assert search.together(starts, simulations) == expected
    assert expected == 1 or expected * simulations >= stiff.MANY_LANES
