"""Co-design: variables in their bounds, searches of equal compute, resumed runs, what is told when it goes wrong."""

import json
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neurojax as nj
import physics
from learning import codesign
from neurojax.errors import DesignError

ROOT = Path(__file__).resolve().parents[2]
TARGET = np.linspace(-0.5, 0.5, 4)
STIFF = np.logspace(0, 2, 4)
KEY = jax.random.key(0)
FEW = codesign.Options(validation_draws=4, validations=5, progress=False)


def valley(tree, key):
    """An ellipsoid whose bottom shakes."""
    x = tree["x"] + 0.01 * jax.random.normal(key, tree["x"].shape)
    return jnp.mean(jnp.asarray(STIFF) * (x - jnp.asarray(TARGET)) ** 2)


def still(tree, key):
    del key
    return jnp.mean(jnp.asarray(STIFF) * (tree["x"] - jnp.asarray(TARGET)) ** 2)


def four(start=0.0):
    return codesign.Design({"x": np.full(4, start)}, bounds={"x": (-1.0, 1.0)})


# Variables


def mixed():
    tree = {"device": physics.Wox(tau=np.geomspace(0.01, 0.1, 3)), "w": 0.3 * np.ones((2, 2)), "name": "cell"}
    return codesign.Design(tree, free=("device.tau", "device.eta", "w"), bounds={"device.eta": (6.0, 10.0)})


def test_bounds_units_and_scales_come_from_the_declarations():
    by = {v.name: v for v in mixed().variables}
    assert list(by) == ["device.eta", "device.tau", "w"]
    assert by["device.tau"].unit == "s" and by["device.tau"].log and by["device.tau"].bounds == (1e-3, 1e3)
    assert by["device.eta"].bounds == (6.0, 10.0) and not by["device.eta"].log
    assert by["w"].bounds is None and by["w"].scale == pytest.approx(0.3)
    assert "device.tau [3]: [0.001, 1000] s, log" in repr(mixed())


def test_theta_and_values_are_one_to_one():
    design = mixed()
    again = design.at(design.theta)
    assert again["name"] == "cell"
    np.testing.assert_allclose(again["device"].tau, np.geomspace(0.01, 0.1, 3), rtol=1e-12)
    np.testing.assert_allclose(again["device"].eta, 8.0, rtol=1e-12)
    np.testing.assert_allclose(again["w"], 0.3, rtol=1e-12)
    np.testing.assert_allclose(design.moved(design.theta + 0.1).theta, design.theta + 0.1, rtol=1e-10)


@pytest.mark.parametrize("far", [-50.0, 50.0])
def test_no_theta_leaves_the_box_and_gradients_stay_finite(far):
    design = mixed()
    theta = jnp.full(design.size, far)
    device = design.at(theta)["device"]
    assert np.all((device.tau >= 1e-3 * (1 - 1e-12)) & (device.tau <= 1e3 * (1 + 1e-12)))
    assert 6.0 <= float(device.eta) <= 10.0
    slope = jax.grad(lambda t: jnp.sum(design.at(t)["device"].tau) + design.at(t)["device"].eta)(theta)
    assert np.isfinite(slope).all()
    assert set(design.at_bounds(theta)) == {"device.tau", "device.eta"}


def test_gradient_through_the_box_is_that_of_differences_and_jit_and_vmap_change_nothing():
    design, draw = mixed(), jax.random.normal(KEY, (3, 8))

    def f(theta):
        tree = design.at(theta)
        return jnp.sum(jnp.log(tree["device"].tau)) * tree["device"].eta + jnp.sum(tree["w"] ** 2)

    theta, h = draw[0], 1e-5
    by_hand = [(f(theta.at[k].add(h)) - f(theta.at[k].add(-h))) / (2 * h) for k in range(8)]
    np.testing.assert_allclose(jax.grad(f)(theta), by_hand, rtol=1e-7)
    np.testing.assert_allclose(jax.jit(f)(theta), f(theta), rtol=1e-12)
    np.testing.assert_allclose(jax.vmap(f)(draw), [f(t) for t in draw], rtol=1e-12)


def test_theta_and_parts_of_it_are_there_while_a_function_is_traced():
    design = mixed()
    traced = jax.jit(lambda a: a * design.theta)(jnp.ones(()))
    np.testing.assert_array_equal(traced, design.theta)
    tau = design.theta[design.part("device.tau")]
    np.testing.assert_allclose(tau, design.theta[1:4])
    with pytest.raises(DesignError, match="no variable"):
        design.part("device.tua")


def test_circuits_are_trees_like_any_other():
    circuit = nj.Circuit(
        V1=(1.0, "in", "gnd"),
        R1=(physics.Resistor(jnp.asarray(1e4)), "in", "out"),
        R2=(physics.Resistor(jnp.asarray(1e3)), "out", "gnd"),
    )
    design = codesign.Design(circuit, free="parts.R1", bounds={"parts.R1": (1e3, 1e5, "log")})
    assert design.values()["parts.R1.resistance"] == pytest.approx(1e4)
    assert float(design.at(jnp.zeros(1)).parts["R1"].resistance) == pytest.approx(1e4)
    assert float(design.at(jnp.full(1, 40.0)).parts["R1"].resistance) == pytest.approx(1e5)


@pytest.mark.parametrize(
    ("free", "bounds", "said"),
    [
        ("divice", {}, "no number 'divice'"),
        ("x", {"x": (1.0, -1.0)}, "increasing"),
        ("x", {"x": (-1.0, 1.0, "log")}, "one sign"),
        ("x", {"x": (0.5, 1.0)}, "outside its bounds"),
        ("x", {"y": (0.5, 1.0)}, "bounds of 'y'"),
    ],
)
def test_wrong_variables_are_told(free, bounds, said):
    with pytest.raises(DesignError, match=said):
        codesign.Design({"x": np.zeros(4)}, free=free, bounds=bounds)


def test_what_cannot_be_designed_is_told():
    with pytest.raises(DesignError, match="nothing moves"):
        codesign.Design({"n": 3})
    with pytest.raises(DesignError, match="must stay below"):
        codesign.Design(physics.SecondOrder(), free=("g_min", "g_max"))
    with pytest.raises(DesignError, match="not finite"):
        codesign.Design({"x": np.asarray([np.nan])})
    with pytest.raises(DesignError, match="none of this design"):
        four().with_tree({"y": np.zeros(4)})


# Searches


def test_the_gradient_finds_the_bottom_and_keeps_the_best_on_validation():
    result = codesign.optimise(valley, four(), steps=150, draws=2, learning_rate=0.1, ratio=4.0, options=FEW, key=KEY)
    np.testing.assert_allclose(result.tree["x"], TARGET, atol=0.02)
    checked = result.history["validation"][np.isfinite(result.history["validation"])]
    assert result.value == checked.min() < 0.01 < result.first
    assert result.evaluations == 150 * 2 * 4.0 + (1 + len(checked)) * 4 and len(checked) == 5
    assert result.skipped.size == 0
    assert json.loads(json.dumps(result.to_dict()))["method"] == "gradient"
    before, after = result.values()["x"]
    assert np.all(before == 0) and not np.any(after == 0)


def test_a_worse_end_is_not_taken():
    away = optax.sgd(-0.5)
    result = codesign.optimise(still, four(0.4), steps=10, optimiser=away, ratio=3.0, options=FEW, key=KEY)
    assert result.value == result.first
    np.testing.assert_array_equal(result.theta, four(0.4).theta)


@pytest.mark.parametrize("abreast", [True, False])
def test_draws_abreast_and_one_after_another_are_the_same(abreast):
    value = codesign.evaluate(valley, four(), four().theta, 8, abreast, KEY)
    alone = [float(valley(four().tree, k)) for k in jax.random.split(KEY, 8)]
    assert float(value) == pytest.approx(np.mean(alone), rel=1e-12)


@pytest.mark.parametrize("kind", ["cma", "one"])
def test_evolution_goes_to_the_bottom(kind):
    result = codesign.evolution_strategy(
        still, four(), evaluations=1600, kind=kind, noisy=False, options=FEW, key=jax.random.key(3)
    )
    assert result.value < 1e-8
    assert 1600 <= result.evaluations < 1600 + 20


def test_the_covariance_of_many_numbers_is_kept_diagonal():
    method = codesign.CovarianceAdaptation(full=3)
    result = codesign.run(method, still, four(), steps=220, options=FEW, key=KEY)
    assert result.value < 1e-8 and method.start(four(), four().theta)[2].shape == (4,)


def test_random_search_keeps_the_best_and_may_be_told_where_to_look():
    result = codesign.random_search(still, four(), evaluations=800, options=FEW, key=KEY)
    assert result.value < 0.5 * result.first

    def alike(design, around, key):
        return jnp.full_like(around, design.draw(around, key=key)[0])

    result = codesign.random_search(still, four(0.1), evaluations=200, sample=alike, options=FEW, key=KEY)
    assert np.ptp(result.tree["x"]) == 0


def test_a_gradient_counts_as_three_evaluations_at_least():
    assert codesign.gradient_ratio(still, four(), key=KEY) >= 3.0


# What is not finite


def broken(tree, key):
    """Not finite for a third of the keys."""
    bad = jax.random.uniform(jax.random.fold_in(key, 9)) < 0.33
    return jnp.where(bad, jnp.nan, valley(tree, key))


def sheer(tree, key):
    """Finite, with a slope that is not."""
    return valley(tree, key) + jnp.sqrt(jnp.sum(0.0 * tree["x"]))


def test_steps_that_are_not_finite_are_left_out_and_reported():
    options = codesign.Options(validate=valley, validation_draws=4, progress=False)
    result = codesign.optimise(broken, four(), steps=150, learning_rate=0.1, ratio=3.0, options=options, key=KEY)
    assert 20 < len(result.skipped) < 80 and "steps something was not finite" in repr(result)
    assert np.isnan(result.history["loss"][result.skipped]).all()
    np.testing.assert_allclose(result.tree["x"], TARGET, atol=0.05)


def test_a_search_that_gets_nowhere_stops():
    with pytest.raises(DesignError, match="not finite in 20 steps up to step 19"):
        codesign.optimise(sheer, four(), steps=100, ratio=3.0, options=FEW, key=KEY)
    with pytest.raises(DesignError, match="nan where the search starts"):
        codesign.random_search(lambda tree, key: jnp.sum(tree["x"]) * jnp.nan, four(), evaluations=200, key=KEY)


def test_searches_without_room_are_told():
    with pytest.raises(DesignError, match="steps = 0"):
        codesign.optimise(still, four(), steps=0, ratio=3.0, key=KEY)
    with pytest.raises(DesignError, match="Allow more"):
        codesign.random_search(still, four(), evaluations=20, key=KEY)
    with pytest.raises(DesignError, match="kind = 'two'"):
        codesign.evolution_strategy(still, four(), evaluations=900, kind="two", key=KEY)


# Killed and resumed

SCRIPT = """
    import sys
    import jax
    jax.config.update("jax_enable_x64", True)
    sys.path.insert(0, {tests!r})
    from test_codesign import KEY, codesign, four, valley
    options = codesign.Options(validation_draws=4, validations=5, checkpoint=sys.argv[1], save_every=0.0)
    codesign.optimise(valley, four(), steps=2000, draws=2, ratio=3.0, options=options, key=KEY)
"""


def test_a_killed_search_ends_as_if_it_had_not_been(tmp_path):
    code = textwrap.dedent(SCRIPT.format(tests=str(Path(__file__).parent)))
    command = [sys.executable, "-c", code, str(tmp_path / "kept")]
    running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    states, deadline = tmp_path / "kept" / "states", time.monotonic() + 120
    while time.monotonic() < deadline and running.poll() is None and _last(states) < 20:
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    stderr = running.communicate()[1]
    assert 20 <= (reached := _last(states)) < 2000, stderr.decode()[-2000:]

    how = dict(steps=2000, draws=2, ratio=3.0, key=KEY)
    options = codesign.Options(validation_draws=4, validations=5, checkpoint=tmp_path / "kept", progress=False)
    resumed = codesign.optimise(valley, four(), options=options, **how)
    whole = codesign.optimise(valley, four(), options=FEW, **how)
    assert resumed.history["loss"].shape == (2000,) and reached < 2000
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    np.testing.assert_array_equal(resumed.history["loss"], whole.history["loss"])
    np.testing.assert_array_equal(resumed.history["validation"], whole.history["validation"])


def _last(states):
    """The last step whose state is complete."""
    return max((int(p.name) for p in states.glob("*") if p.name.isdigit()), default=0)


def test_a_checkpoint_of_another_search_is_refused(tmp_path):
    options = codesign.Options(validation_draws=4, validations=2, checkpoint=tmp_path, progress=False)
    first = codesign.optimise(still, four(), steps=4, ratio=3.0, options=options, key=KEY)
    again = codesign.optimise(still, four(), steps=4, ratio=3.0, options=options, key=KEY)
    assert again.seconds == first.seconds
    with pytest.raises(DesignError, match="other settings"):
        codesign.optimise(still, four(), steps=5, ratio=3.0, options=options, key=KEY)
    with pytest.raises(DesignError, match="another one"):
        codesign.optimise(
            lambda tree, key: still(tree, key) + 1.0, four(), steps=4, ratio=3.0, options=options, key=KEY
        )


# Side by side


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    return folder, side_by_side(folder)


def side_by_side(folder, steps=60):
    near = {"x": TARGET + 0.1}
    return codesign.compare(
        valley, four(), codesign.Setting(steps, learning_rate=0.1), seeds=2, hand={"by hand": near}, test=valley,
        test_draws=8, options=FEW, folder=folder, ratio=3.0, title="a valley", unit="depth", key=KEY,
    )  # fmt: skip


def test_all_methods_have_as_much_compute(compared):
    _, table = compared
    assert list(table.trials) == ["start", "by hand", "random search", "(1+1)-ES", "CMA-ES", "gradient"]
    spent = [t.evaluations for t in table.trials["gradient"]]
    for method in ("random search", "(1+1)-ES", "CMA-ES"):
        for trial, budget in zip(table.trials[method], spent, strict=True):
            assert budget <= trial.evaluations < budget + 20
    assert np.all(table.values("gradient") < table.values("start"))


def test_the_table_can_be_read_saved_and_drawn(compared, tmp_path):
    _, table = compared
    text = " ".join(repr(table).split())
    assert "a valley" in text and "CMA-ES" in text and ("The gradient wins" in text or "does not win" in text)
    saved = json.loads(table.save(tmp_path / "table.json").read_text())
    assert saved["trials"]["gradient"][1]["test"] == table.values("gradient")[1]
    assert table.plot().get_ylabel() == "depth"
    assert len(table.plot_history().get_lines()) == 8
    np.testing.assert_allclose(table.factor("start"), table.values("start") / table.values("gradient"))


def test_the_verdict_is_honest_where_the_gradient_loses(compared):
    _, table = compared
    worse = {m: list(t) for m, t in table.trials.items()}
    worse["gradient"], worse["CMA-ES"] = worse["start"], worse["gradient"]
    lost = codesign.Comparison("t", "depth", 3.0, worse)
    assert "does not win" in lost.verdict() and "lower in 0 of 2 seeds" in lost.verdict()


def test_what_is_done_is_not_done_again(compared):
    folder, table = compared
    assert side_by_side(folder).to_dict() == table.to_dict()
    with pytest.raises(DesignError, match="other settings"):
        side_by_side(folder, steps=61)
    with pytest.raises(DesignError, match="unknown"):
        codesign.compare(valley, four(), codesign.Setting(5), baselines=("magic",), key=KEY)


def test_random_search_and_then_the_gradient(tmp_path):
    """Of as much compute; only the random search finds the deeper of two wells, and only the gradient its bottom."""

    def wells(tree, key):
        del key
        x = tree["x"]
        return jnp.sum(1.001 - 0.5 * jnp.exp(-((x - 1.5) ** 2)) - jnp.exp(-(((x + 1.5) / 0.6) ** 2)))

    design = codesign.Design({"x": np.asarray([1.0, 1.0])}, bounds={"x": (-2.0, 2.0)})
    methods, setting = ("random search", "random, then gradient"), codesign.Setting(80, learning_rate=0.1)
    how = dict(baselines=methods, test_draws=1, options=FEW, folder=tmp_path, ratio=3.0, key=KEY)
    run = lambda: codesign.compare(wells, design, setting, seeds=2, **how)  # noqa: E731
    table = run()
    budget, both = table.trials["gradient"][0].evaluations, table.trials["random, then gradient"]
    assert all(0.9 * budget < t.evaluations <= budget + 20 for t in both)
    assert all(np.all(np.diff(t.trace[0]) > 0) for t in both)
    assert (table.values("random, then gradient") < 1e-2).all() and (table.values("gradient") > 0.9).all()
    assert (table.values("random search") > 2e-2).all()
    assert table.leader() == "random, then gradient" and table.best() in both
    assert table.verdict().startswith("Random search and then the gradient wins: the next is random search")
    assert run().to_dict() == table.to_dict()


# Two objectives


def test_the_front_of_two_parabolas_is_known():
    def pair(tree, key):
        del key
        return jnp.sum((tree["y"] - 1.0) ** 2), jnp.sum(tree["y"] ** 2)

    design = codesign.Design({"y": np.asarray([1.5])}, bounds={"y": (-2.0, 2.0)})
    weights = (0.0, 0.5, 2.0)
    front = codesign.pareto(
        pair, design, weights, steps=150, learning_rate=0.1, ratio=3.0, options=FEW, test_draws=1, key=KEY
    )
    at = 1 / (1 + np.asarray(weights))
    np.testing.assert_allclose(front.first, (at - 1) ** 2, atol=2e-3)
    np.testing.assert_allclose(front.second, at**2, atol=4e-3)
    assert front.efficient.all() and front.start == (0.25, 2.25)
    assert front.plot().get_xlabel() == "second objective"
    assert json.loads(json.dumps(front.to_dict()))["weights"] == list(weights)
    with pytest.raises(DesignError, match="none below zero"):
        codesign.pareto(pair, design, (-1.0,), steps=5, key=KEY)


def test_what_another_point_beats_is_not_efficient():
    front = codesign.Front(
        np.arange(3.0), np.asarray([1.0, 2.0, 3.0]), np.asarray([2.0, 3.0, 1.0]), (4.0, 4.0), (), ("a", "b")
    )
    assert front.efficient.tolist() == [True, False, True]
