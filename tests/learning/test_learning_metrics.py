"""Errors by hand, capacities of reservoirs whose capacity is known, ranks, and the baselines of the time series."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import rarely

from learning import baselines, metrics, tasks
from learning.capacity import information_processing_capacity, memory_capacity
from neurojax.errors import DataError

KEY = jax.random.key(0)
TARGET = jnp.asarray([1.0, 2.0, 3.0, 6.0])
TOLD = jnp.asarray([1.0, 2.5, 3.0, 5.0])


def test_errors_by_hand():
    """Squares 0, .25, 0, 1: mean .3125; variance 3.5, power 12.5."""
    assert float(metrics.nmse(TOLD, TARGET)) == pytest.approx(0.3125 / 3.5)
    assert float(metrics.nmse(TOLD, TARGET, "power")) == pytest.approx(0.3125 / 12.5)
    assert float(metrics.nrmse(TOLD, TARGET)) == pytest.approx(np.sqrt(0.3125 / 3.5))
    for by, size in (("minmax", 5.0), ("mean", 3.0), ("q1q3", 2.0), ("power", np.sqrt(12.5))):
        assert float(metrics.nrmse(TOLD, TARGET, by)) == pytest.approx(np.sqrt(0.3125) / size)
    two = jnp.stack([TARGET, 100 + TARGET], axis=1)
    assert float(metrics.nmse(jnp.stack([TOLD, 100 + TOLD], axis=1), two)) == pytest.approx(0.3125 / 3.5)
    slope = jax.grad(lambda p: metrics.nrmse(TOLD * p, TARGET))(1.0)
    there = (metrics.nrmse(TOLD * (1 + 1e-6), TARGET) - metrics.nrmse(TOLD * (1 - 1e-6), TARGET)) / 2e-6
    assert float(slope) == pytest.approx(float(there), rel=1e-6)
    with pytest.raises(DataError, match="use 'variance' or 'power'"):
        metrics.nmse.__wrapped__(TOLD, TARGET, "range")
    with pytest.raises(DataError, match="same shape"):
        metrics.nrmse(TOLD[:3], TARGET)


def inputs(length, low=0.0, high=0.5):
    return tasks.uniform_inputs(length, low, high, key=KEY)


def test_a_delay_line_remembers_as_many_inputs_as_it_has_places():
    u = inputs(4000)
    x = baselines.lagged(u, 8)[:, 1:]
    found = memory_capacity(x, u, 12)
    assert found[:7].tolist() == pytest.approx([1.0] * 7, abs=1e-9)
    assert float(found[7:].max()) < 5e-3
    with pytest.raises(DataError, match="4000 states and 3999"):
        memory_capacity(x, u[1:], 12)
    with pytest.raises(DataError, match="give at least 4004"):
        memory_capacity(x, u, 4000)
    with pytest.raises(DataError, match="samples for training"):
        memory_capacity(x, u, 12, 1.0)


@rarely
def test_linear_states_remember_as_much_as_they_are():
    """Any n independent fading linear states hold n in all (H. Jaeger, 2001)."""
    u = inputs(6000)
    a = jnp.diag(jnp.asarray([0.2, 0.5, 0.7, -0.4]))
    x = jax.lax.scan(lambda x, u: 2 * (a @ x + u,), jnp.zeros(4), u)[1]
    of = lambda p: jnp.sum(memory_capacity(x + 0 * p, u, 25, penalty=1e-12 * p))  # noqa: E731
    held = float(of(1.0))
    # Lag 0 is one of the things they hold, and is not counted.
    assert 2.98 < held < 3.1
    still = memory_capacity(jnp.ones((6000, 3)), u, 5)
    assert float(still.max()) < 1e-20
    noisy = lambda p: jnp.sum(memory_capacity(x + p * jax.random.normal(KEY, x.shape), u, 8))  # noqa: E731
    there = (noisy(0.1 + 1e-5) - noisy(0.1 - 1e-5)) / 2e-5
    assert float(jax.grad(noisy)(0.1)) == pytest.approx(float(there), rel=1e-5) and float(noisy(0.1)) < held


def test_products_of_inputs_are_found_by_degree():
    u = inputs(4000)
    z = 4 * u - 1
    before = baselines.lagged(z, 3)
    second = (3 * z**2 - 1) / 2
    x = jnp.stack([before[:, 1], before[:, 2], second, before[:, 1] * second, before[:, 1] * before[:, 2] * z], axis=1)
    assert information_processing_capacity(x, u, (10, 6, 6)).tolist() == pytest.approx([2.0, 1.0, 2.0], abs=1e-6)
    assert information_processing_capacity(x, u, (10,)).tolist() == pytest.approx([2.0], abs=1e-6)
    with pytest.raises(DataError, match="between 0 and 1"):
        information_processing_capacity(x, u, (10,), chance=0.0)


@rarely
def test_a_reservoir_holds_as_much_as_it_has_states():
    """J. Dambre et al. (2012): n linearly independent fading states hold n, whatever the degrees."""
    u = inputs(20_000)
    x = baselines.echo_states(2 * u - 0.2, 10, sr=0.6, input_scaling=1.0, bias_scaling=0.5, key=KEY)
    found = information_processing_capacity(x, u, (30, 15, 10, 6))
    assert float(found.sum()) == pytest.approx(10.0, abs=0.2) and float(found[1]) > 0.5


def memory(u):
    return jax.lax.scan(lambda x, u: 2 * (jnp.append(x[1:], u),), jnp.zeros(6), u)[1]


def test_ranks():
    streams = jax.random.uniform(KEY, (20, 30))
    assert int(metrics.kernel_rank(memory, streams)) == 6
    # Of six inputs that it keeps, four are the same in all streams: two free ones and one common direction.
    assert int(metrics.generalisation_rank(memory, streams, 4)) == 3
    assert int(metrics.generalisation_rank(memory, streams, 6)) == 1
    with pytest.raises(DataError, match="recent = 30"):
        metrics.generalisation_rank(memory, streams, 30)
    assert float(metrics.effective_rank(jnp.eye(5))) == pytest.approx(5.0)
    assert float(metrics.effective_rank(jnp.ones((4, 3)))) == pytest.approx(1.0)
    f = lambda p: metrics.effective_rank(jnp.diag(jnp.asarray([1.0, 1.0, 2.0]) * p ** jnp.arange(3.0)))  # noqa: E731
    assert float(jax.grad(f)(0.7)) == pytest.approx(float((f(0.7 + 1e-6) - f(0.7 - 1e-6)) / 2e-6), rel=1e-6)


def nearest(support, queries):
    apart = jnp.sum((queries[:, None] - jnp.mean(support, axis=1)[None]) ** 2, axis=-1)
    return jnp.argmin(apart, axis=1)


def test_few_shot_accuracy():
    """Five classes of normal clouds d apart in one direction of two: prototypes know their share of right answers."""
    labels = jnp.repeat(jnp.arange(2), 400)
    x = jax.random.normal(KEY, (800, 2)) + 3.0 * labels[:, None].astype(float)
    told = tasks.few_shot_episodes(x, labels, 2, 50, 20, 100, key=KEY)
    found = metrics.few_shot_accuracy(nearest, told)
    # Half of the distance of the means is 3/sqrt(2): the normal distribution below it.
    assert float(found.mean) == pytest.approx(0.9831, abs=0.01) and float(found.error) < 0.003
    wrong = metrics.few_shot_accuracy(lambda s, q: 1 - nearest(s, q), told)
    assert float(wrong.mean) == pytest.approx(1 - float(found.mean))
    guess = lambda s, q, key: jax.random.randint(key, (len(q),), 0, 2)  # noqa: E731
    chance = metrics.few_shot_accuracy(guess, told, key=KEY)
    assert float(chance.mean) == pytest.approx(0.5, abs=0.03) and len(set(np.asarray(chance.each).tolist())) > 5


def test_one_example_of_handwritten_digits():
    """Nearest pixels: 74 % of 5 ways."""
    pytest.importorskip("sklearn")
    data = tasks.handwritten_digits()
    told = tasks.few_shot_episodes(data.x, data.y, count=100, key=KEY)
    assert 0.68 < float(metrics.few_shot_accuracy(nearest, told).mean) < 0.8


LAGS = {"second_order": {1: 0.4251, 2: 0.2835, 5: 0.1819, 20: 0.1730}, "narma10": {10: 0.349, 20: 0.173}}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAGS)
def test_linear_lags_are_what_trap_2_says(name):
    """Numbers of one draw of another script; draws of 1000 samples differ by a tenth of the smaller ones."""
    task = baselines.driven_task(name, 20_000 if name == "second_order" else 3000, key=KEY)
    for lags, expected in LAGS[name].items():
        errors = baselines.linear_lags(task.u, task.y, lags)
        assert float(errors.variance) == pytest.approx(expected, rel=0.12)
        part = float(jnp.var(task.y) / jnp.mean(task.y**2))
        assert float(errors.power) == pytest.approx(float(errors.variance) * part, rel=0.1)
    if name == "second_order":
        assert part == pytest.approx(0.0114, rel=0.05)
        # What looks small by power is nothing: no memory at all, and two inputs.
        assert float(baselines.linear_lags(task.u, task.y, 1).power) == pytest.approx(0.0048, rel=0.05)
        assert float(baselines.linear_lags(task.u, task.y, 2).power) == pytest.approx(0.0032, rel=0.05)


@pytest.mark.slow
def test_the_report_has_both_errors_and_the_baselines():
    task = baselines.driven_task("second_order", 3000, key=KEY)
    told = baselines.report(task, {"three inputs": baselines.lagged(task.u, 3)}, key=KEY)
    text = str(told)
    for name in (
        "linear, 1 lag ",
        "linear, 20 lags",
        "echo state network, 100",
        "three inputs",
        "of variance",
        "of power",
    ):
        assert name in text
    assert float(told["echo state network, 100"].variance) < 0.02 < float(told["linear, 20 lags"].variance)
    assert float(told["three inputs"].variance) == float(baselines.linear_lags(task.u, task.y, 3).variance)
    with pytest.raises(DataError, match="no row 'four'"):
        told["four"]


def test_tasks_are_aligned():
    """An exact formula of the inputs up to now gives the target."""
    task = baselines.driven_task("narma10", 200, key=KEY)
    y = np.asarray(task.y)
    ours = 0.3 * y[99] + 0.05 * y[99] * y[90:100].sum() + 1.5 * task.u[91] * task.u[100] + 0.1
    assert float(ours) == pytest.approx(y[100])
    henon = baselines.driven_task("henon_map", 50, key=KEY)
    assert henon.y[5] == henon.u[6] == pytest.approx(1 - 1.4 * float(henon.u[5]) ** 2 + 0.3 * float(henon.u[4]))
    glass = baselines.driven_task("mackey_glass", 20, key=KEY)
    assert float(glass.u[0]) == pytest.approx(1.186647, abs=1e-6) and glass.y[3] == glass.u[4]
    bits = baselines.driven_task("temporal_xor", 30, key=KEY)
    assert float(bits.y[9]) == (float(bits.u[8]) + float(bits.u[7])) % 2
    with pytest.raises(DataError, match="none of second_order"):
        baselines.driven_task.__wrapped__("narma20", 30, key=KEY)


def test_bad_calls_of_baselines():
    u = inputs(50)
    with pytest.raises(DataError, match="0 lags"):
        baselines.lagged(u, 0)
    with pytest.raises(DataError, match="washout = 60"):
        baselines.readout_errors(u[:, None], u, 60)
    with pytest.raises(DataError, match="50 features and 49"):
        baselines.readout_errors(u[:, None], u[1:], 10)


def test_echo_states_by_hand():
    u = inputs(5)
    x = baselines.echo_states(u, 3, lr=0.4, key=KEY)
    assert x.shape == (5, 3)
    # One step less is the same history.
    assert jnp.allclose(baselines.echo_states(u[:4], 3, lr=0.4, key=KEY), x[:4])
    assert float(jnp.abs(x).max()) < 1
    slope = lambda p: jnp.sum(baselines.echo_states(u * p, 3, key=KEY))  # noqa: E731
    assert float(jax.grad(slope)(1.0)) == pytest.approx(float((slope(1 + 1e-6) - slope(1 - 1e-6)) / 2e-6), rel=1e-6)
