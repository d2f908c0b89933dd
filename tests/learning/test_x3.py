"""X3: a training run on devices as one differentiable function: maps of pulses, the rule, gradients, the comparison."""

import dataclasses
import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import RARELY, rarely
from numpy.polynomial import chebyshev
from scipy.integrate import solve_ivp

from learning.experiments import x3_checks, x3_report
from learning.experiments.x3_cells import NODES, Fine, SoftBound, nodes, series
from learning.experiments.x3_devices import diffusive, electrochemical
from learning.experiments.x3_training import CLASSES, ROWS, SEGMENTS, Few, Task, alike, digits
from neurojax.errors import DataError

pytest.importorskip("sklearn")
SMALL = Task("soft_bound", steps=40, orders=2)
UP, DOWN = jnp.ones(1, bool), jnp.zeros(1, bool)


def _soft(_, y, a, nu):
    return a * (np.exp(-nu * y) - np.exp(-nu)) / (1 - np.exp(-nu))


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_soft_bounds_in_closed_form_are_those_of_the_equation(share):
    cell = dataclasses.replace(SoftBound(), share=jnp.asarray(share))
    maps = cell.maps(jnp.asarray([0.4]))
    for up, nu, first in ((UP, 8 * share, 0.05 * np.exp(0.4)), (DOWN, 8 * (1 - share), 0.05 * np.exp(-0.4))):
        for x, n in ((0.0, 3.0), (0.3, 0.2), (0.9, 40.0)):
            y = x if up is UP else 1 - x
            speed = partial(_soft, a=first, nu=nu)
            exact = solve_ivp(speed, (0, n), [y], rtol=1e-11, atol=1e-13, method="DOP853").y[0, -1]
            exact = exact if up is UP else 1 - exact
            found = float(maps.after(jnp.asarray([x]), jnp.asarray([n]), up)[0])
            assert found == pytest.approx(exact, abs=1e-9)
            assert float(Fine(maps).after(jnp.asarray([x]), jnp.asarray([n]), up)[0]) == pytest.approx(exact, abs=1e-5)


def test_no_train_of_pulses_leaves_the_bounds():
    maps = SoftBound().maps(jnp.zeros(1))
    x = jnp.asarray([[0.0], [0.5], [1.0]])
    for up, end in ((UP, 1.0), (DOWN, 0.0)):
        np.testing.assert_allclose(maps.after(x, jnp.full_like(x, 1e5), up), end, atol=1e-12)


def test_tables_hold_polynomials_exactly():
    x, matrix = nodes(NODES)
    truth = lambda x: 3 * x**7 - x**2 + 0.1  # noqa: E731
    rows = (truth(x) @ matrix)[:, None]
    at = jnp.linspace(0, 1, 17)[:, None]
    np.testing.assert_allclose(series(rows, at), truth(at), atol=1e-13)
    np.testing.assert_allclose(series(rows, at)[:, 0], chebyshev.chebval(2 * at[:, 0] - 1, rows[:, 0]), atol=1e-13)


def test_steps_are_those_of_the_delta_rule():
    """The first three digits of a run by hand, without spread and scatter."""
    task, key = dataclasses.replace(SMALL, spread=0.0, cycle=0.0), jax.random.key(4)
    learner = dataclasses.replace(task.start().learner(), lean=jnp.linspace(-0.5, 0.5, CLASSES))
    maps, data = learner.cell.maps(learner.lean), digits()
    along = np.asarray(task.trained(learner, maps, key)[1])
    shown = np.asarray(jax.random.permutation(jax.random.split(key, 3)[0], 900)[:3])
    plus = minus = jnp.full((ROWS, CLASSES), 0.5)
    for k in range(3):
        np.testing.assert_allclose(along[k], plus - minus, atol=1e-12)
        x, label = np.asarray(data.x[shown[k]]), int(data.y[shown[k]])
        p = np.exp(10.0 * x @ along[k])
        error = np.eye(CLASSES)[label] - p / p.sum()
        n, up = jnp.asarray(2.0 * np.outer(x, np.abs(error))), jnp.asarray(error > 0)
        plus, minus = maps.after(plus, n, up), maps.after(minus, n, ~up)
    assert np.abs(along[3]).max() > 1e-3


def test_runs_differ_by_their_key_alone():
    learner = SMALL.start().learner()
    f = jax.jit(lambda key: SMALL.objective(learner, key))
    one, same, other = (float(f(jax.random.key(k))) for k in (0, 0, 1))
    assert one == same and one != other


def test_an_array_learns():
    """From one in ten by chance to half within 400 digits."""
    task = Task("soft_bound", orders=4)
    tree = alike(task.start(), dict(rate=0.6, gain=50.0))
    error = np.asarray(jax.jit(lambda key: task.curve(tree, key))(jax.random.key(0)))
    assert error.shape == (SEGMENTS,)
    assert error[0] == pytest.approx(0.9, abs=0.02) and error[-4:].mean() < 0.55


def test_gradient_through_the_run_is_that_of_differences():
    learner = SMALL.start()
    slope, central = x3_checks.differences(SMALL, SMALL.design(learner), jax.random.key(1))
    assert len(slope) == 10
    np.testing.assert_allclose(slope, central, atol=1e-7 * np.abs(slope).max())


def test_six_scalars_are_the_same_everywhere():
    few = dataclasses.replace(SMALL.start(few=True), decay=jnp.asarray(0.25))
    assert isinstance(few, Few) and SMALL.design(few).size == 6
    learner = few.learner()
    assert learner.rate.shape == learner.start.shape == (ROWS,) and learner.lean.shape == (CLASSES,)
    np.testing.assert_allclose(learner.schedule[np.asarray([0, -1])], [0.25 ** (0.5 / 20), 0.25 ** (19.5 / 20)])


def test_random_designs_are_alike_in_rows():
    design = SMALL.design(SMALL.start())
    tree = design.at(x3_report.scalars(design, design.theta, jax.random.key(2)))
    for name in ("rate", "start", "lean"):
        assert float(np.ptp(getattr(tree, name))) < 1e-9
    assert len(np.unique(np.asarray(tree.schedule))) == SEGMENTS


@pytest.mark.parametrize(
    "how, words",
    [(dict(device="glass"), "there are"), (dict(steps=30), "multiple"), (dict(orders=0), "orders"),
     (dict(cycle=-0.1), "negative")],
)  # fmt: skip
def test_training_that_cannot_be(how, words):
    with pytest.raises(DataError, match=words):
        Task(**how)


def test_an_unknown_choice_is_told():
    with pytest.raises(DataError, match="many, six"):
        x3_report.run(variables="seven")


@pytest.mark.slow
@pytest.mark.parametrize("kind, tol", [(electrochemical, 1e-5), pytest.param(diffusive, 1e-4, marks=RARELY)])
def test_tables_are_pulses_of_the_state_equation(kind, tol):
    """Off the nodes of state and lean, by Kvaerno5 at 1e-9; changes are some hundredths."""
    cell = kind()
    lean, x = jnp.asarray([-0.7, 0.2]), jnp.asarray([0.07, 0.4, 0.93])
    maps, volts, tight = cell.maps(lean), cell.volts(lean), cell.tightened()
    wide = jnp.broadcast_to(x[:, None], (3, 2))
    for k, up in enumerate((True, False)):
        found = maps.change(wide, jnp.full(2, up))
        exact = tight.changes(wide.ravel(), jnp.broadcast_to(volts[k], (3, 2)).ravel()).reshape(3, 2)
        np.testing.assert_allclose(found, exact, atol=tol)
        assert np.all(np.asarray(exact) > 1e-3) if up else np.all(np.asarray(exact) < -1e-3)


@pytest.mark.slow
def test_gradient_reaches_the_material():
    task = Task("ecram", steps=20, orders=1)
    design = task.design(task.start())
    slope, central = x3_checks.differences(task, design, jax.random.key(1), each=1, h=1e-4)
    names = [v.name for v in design.variables]
    material = [k for k, n in enumerate(names) if n.startswith("cell.device")]
    assert len(material) == 6 and np.abs(slope[material]).max() > 1e-4
    np.testing.assert_allclose(slope, central, atol=2e-4 * np.abs(slope).max())


@pytest.mark.slow
def test_a_pair_of_spikes_writes_the_less_the_later_it_comes():
    cell, x = diffusive(), jnp.asarray([0.5])
    f = jax.jit(lambda gap, v: dataclasses.replace(cell, gap=gap).changes(x, v)[0])
    for sign in (1.0, -1.0):
        found = [sign * float(f(jnp.asarray(gap), jnp.asarray([3.0 * sign]))) for gap in (5e-5, 2e-4, 1e-3, 5e-3)]
        assert np.all(np.diff(found) < 0) and found[0] > 0.01 and found[-1] < 1e-5


@rarely
def test_the_comparison_runs_and_resumes(tmp_path):
    how = dict(seeds=1, steps=30, shown=100, orders=2, devices="soft_bound", output=tmp_path, progress=False)
    report = x3_report.run(**how)
    again = x3_report.run(**how)
    assert report.to_dict() == again.to_dict()
    study = report.studies["soft_bound"]
    assert json.loads(json.dumps(report.to_dict()))["soft_bound"]["task"]["steps"] == 100
    error = {m: study.comparison.values(m).mean() for m in study.comparison.trials}
    assert error["gradient"] < 0.9 * error[x3_report.BY_HAND]
    assert study.apart < 1e-6 and len(set(np.round(list(study.again.values()), 2))) == 1
    assert report.plot().get_ylabel() and study.plot_fields().lines and study.plot_slopes().lines
    assert len(study.plot_learning().lines) == 2
    assert "by hand" in repr(report)
