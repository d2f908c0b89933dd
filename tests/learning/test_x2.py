"""X2: a crossbar whose weights and circuit are designed together: physics of the chip, gradients, the comparison."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from crossbar_netlist import answer, netlist
from established import rarely

from learning.experiments import x2_report
from learning.experiments.x2_array import Task, digits, ideal_error, software, windows
from learning.experiments.x2_resolve import resolve
from neurojax.errors import DataError

pytest.importorskip("sklearn")
QUIET = Task(read_noise=0.0, bits=30, spread=0.0)


@pytest.fixture(scope="module")
def chip():
    return software()


def test_weights_of_a_computer_are_as_good_as_logistic_regression(chip):
    """0.0867 to 0.0933 of the test digits wrong, whatever the penalty that suits."""
    assert ideal_error(chip) < 0.1
    assert chip.weights.shape == (17, 10) and float(jnp.abs(chip.weights).max()) == pytest.approx(1.0)


def test_without_wires_currents_are_products(chip):
    task = dataclasses.replace(QUIET, ohm=0.0)
    there = dataclasses.replace(chip, driver=jnp.asarray(1e-9))
    found = task.answer(there, digits().x[:9], None)
    part = 1 - 1 / task.contrast
    expected = chip.slope * part * digits().x[:9] @ chip.weights
    np.testing.assert_allclose(found.scores, expected, rtol=1e-7, atol=1e-7)
    g, v = np.asarray(task.conductances(there, None))[0], np.asarray(chip.v_read * digits().x[:9])
    assert float(found.power) == pytest.approx(np.mean(np.sum(v**2 * g.sum(1), axis=1)), rel=1e-6)


@pytest.mark.parametrize("tiles, selector", [(1, False), (3, False), (2, True)])
def test_currents_are_those_of_a_direct_solution(chip, tiles, selector):
    bent = dataclasses.replace(chip, v_0=jnp.asarray(0.05))
    assert resolve(Task(ohm=30.0, tiles=tiles, selector=selector), bent) < 1e-10


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ngspice") is None, reason="needs ngspice")
@pytest.mark.parametrize("selector", [False, True])
def test_currents_are_those_of_ngspice(chip, selector):
    """A chip with drivers and wide lines, one digit, every cell and every segment a part of the netlist."""
    number = lambda a: jnp.asarray(a, float)  # noqa: E731
    chip = dataclasses.replace(chip, v_0=number(0.06), g_max=number(4e-5), driver=number(90.0), pitch=number(1.5))
    task = Task(ohm=30.0, selector=selector)
    g, v = task.conductances(chip, None), chip.v_read * digits().x_test[:1]
    n, m = shape = (17, 20)
    full = lambda ohm, *s: np.full(s, float(ohm))  # noqa: E731
    wires = dict(row=full(20, n, m - 1), column=full(20, n - 1, m), left=full(110, n), bottom=full(20, m))
    scale = np.asarray(g[0] * chip.v_read / jnp.sinh(chip.v_read / chip.v_0))

    def cell(i, j, a, b):
        bent = f"B{i}x{j} {a} {b} I={float(scale[i, j])!r}*sinh((V({a})-V({b}))/0.06)"
        return [bent if selector else f"Rg{i}x{j} {a} {b} {float(1 / g[0, i, j])!r}"]

    text = netlist(shape, cell, wires | dict(right=full(np.inf, n)), np.asarray(v[0]))
    seen, ours = answer(text, shape)[2], np.asarray(task.currents(chip, g, v[None])[0])[0, 0]
    assert np.abs(ours - seen).max() < 1e-8 * np.abs(seen).max()


def test_a_bent_cell_spares_the_half_selected(chip):
    """Half the row and half the column, 35 cells, each with a quarter of the power if cells are ohmic."""
    task = Task(selector=True)
    straight, bent = (dataclasses.replace(chip, v_0=jnp.asarray(v)) for v in (3.0, 0.1))
    assert float(task.sneak(straight)) == pytest.approx(35 / 4, rel=0.02)
    assert float(task.sneak(bent)) == pytest.approx(35 / 2 * np.sinh(5.0) / np.sinh(10.0))


def test_tiles_lose_less_along_the_wires_and_take_converters(chip):
    whole, cut = (dataclasses.replace(QUIET, tiles=n) for n in (1, 3))
    ideal = dataclasses.replace(QUIET, ohm=0.0).answer(chip, digits().x, None).scores
    off = [float(jnp.sqrt(jnp.mean((t.answer(chip, digits().x, None).scores - ideal) ** 2))) for t in (whole, cut)]
    assert off[1] < 0.8 * off[0]
    assert float(cut.area(chip) - whole.area(chip)) == pytest.approx(2 * 20 * 5.0)


@pytest.mark.slow
def test_noise_has_the_spread_of_amplifier_and_converter(chip):
    task = Task(ohm=0.0, read_noise=2e-7, bits=8, spread=0.0)
    x = digits().x[:1]
    quiet = task.answer(chip, x, None).scores
    away = jax.vmap(lambda k: task.answer(chip, x, k).scores - quiet)(jax.random.split(jax.random.key(0), 4000))
    gain = float(chip.slope / (chip.g_max * chip.v_read))
    i = jnp.einsum("nr,rm->nm", chip.v_read * x, task.tables(chip, task.conductances(chip, None))[0][0])
    step = float(jnp.abs(i).max()) / 2**8
    expected = gain * np.sqrt(2 * (2e-7**2 + step**2 / 12))
    found = float(jnp.sqrt(jnp.mean(away**2)))
    assert found == pytest.approx(expected, rel=3 / np.sqrt(2 * away.size))


@pytest.mark.slow
@pytest.mark.parametrize("selector", [False, True])
def test_gradient_of_weights_and_circuit_is_that_of_differences(chip, selector):
    task = Task(ohm=20.0, selector=selector)
    # Off the corner at zero that a weight on one cell or the other has.
    chip = dataclasses.replace(chip, weights=jnp.where(jnp.abs(chip.weights) < 0.01, 0.02, chip.weights))
    key, design = jax.random.key(3), task.design(chip)
    f = jax.jit(lambda theta: task.objective(design.at(theta), key))
    theta, slope = design.theta, jax.grad(f)(design.theta)
    where = [*range(170, len(theta)), *np.argsort(-np.abs(slope[:170]))[:3]]
    for k in where:
        if k == design.part("pitch").start:
            continue  # It starts on its bound, where its slope is a thousandth of what differences resolve.
        h = 1e-5
        step = jnp.zeros_like(theta).at[int(k)].set(h)
        central = (f(theta + step) - f(theta - step)) / (2 * h)
        assert float(slope[int(k)]) == pytest.approx(float(central), rel=1e-5, abs=1e-8)


def test_windows_have_an_optimum_in_between(chip):
    """Low ones drown in noise, high ones lose their voltage."""
    task, key = Task(), jax.random.key(0)
    loss = jax.jit(lambda c: task.objective(c, key))
    found = [float(loss(c)) for c in windows(chip, 7) if float(c.v_read) == 0.2 and float(c.slope / chip.slope) == 1.0]
    best = int(np.argmin(found))
    assert len(found) == 7 and 0 < best < 6
    assert found[0] > 1.1 * found[best] and found[-1] > 1.1 * found[best]


@rarely
def test_the_comparison_runs_and_resumes(tmp_path):
    how = dict(seeds=1, steps=40, output=tmp_path, progress=False)
    report = x2_report.run(**how)
    again = x2_report.run(**how)
    assert report.to_dict() == again.to_dict()
    assert json.loads(json.dumps(report.to_dict()))["task"]["ohm"] == 30.0
    errors = {m: report.comparison.values(m).mean() for m in report.comparison.trials}
    assert errors["gradient"] < 0.7 * errors["start"]
    assert report.apart < 1e-10
    assert len(report.plot_conductances().patches) == 2


@pytest.mark.parametrize(
    "how, words", [(dict(ohm=-1.0), "negative"), (dict(bits=0), "bit"), (dict(contrast=1.0), "contrast")]
)
def test_chips_that_cannot_be(how, words):
    with pytest.raises(DataError, match=words):
        Task(**how)
