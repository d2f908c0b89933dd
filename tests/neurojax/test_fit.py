"""fit: recovery, intervals, held-out data, checkpoints, files, profiles, wrong calls."""

import json

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import rarely

import neurojax as nj
import physics
from neurojax import _bench_fit, search
from neurojax._batches import Bound, in_batches, program
from neurojax.bijection import box
from neurojax.demo import FREE, TRUTH, measured_style, true_device
from neurojax.problem import prepare

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def trace():
    return measured_style(1, n=200)


@pytest.fixture(scope="module")
def fitted(trace):
    return nj.fit(physics.Vteam(), trace, free=FREE, key=KEY, use_current=False, holdout=0.2)


def test_truth_is_recovered(fitted):
    assert fitted.converged
    assert fitted.chi2_reduced < 1.5
    for name, true in TRUTH.items():
        e = fitted.estimates[name]
        assert abs(e.value - true) < 4 * e.std, name
    assert np.isfinite(fitted.held_out_rms)


def test_result_is_readable_and_comes_back(fitted, tmp_path):
    text = repr(fitted)
    assert all(name in text for name in FREE)
    fitted.save(tmp_path / "fit.json")
    content = json.loads((tmp_path / "fit.json").read_text())
    for key in (
        "model",
        "converged",
        "rms_error",
        "rms_unit",
        "held_out_rms",
        "chi2_reduced",
        "n_points",
        "parameters",
    ):
        assert key in content
    assert set(content["parameters"]["r_on"]) >= {"value", "std", "unit", "at_bound"}
    back = nj.load_fit(tmp_path / "fit.json")
    assert float(back.device.r_on) == pytest.approx(fitted.values["r_on"], rel=1e-12)
    assert repr(back) == repr(fitted)
    with pytest.raises(nj.FitError, match="no data attached"):
        nj.profile(back, "r_on")
    with pytest.raises(nj.DataError, match="other data"):
        nj.load_fit(tmp_path / "fit.json", measured_style(7, n=200))
    whole = nj.load_fit(tmp_path / "fit.json", fitted.problem.traces)
    np.testing.assert_allclose(whole.model[0], fitted.model[0], rtol=1e-10, atol=1e-18)
    assert "Vteam" in whole.plot().get_title()
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(nj.DataError, match="not a fit"):
        nj.load_fit(tmp_path / "bad.json")


def test_plots(fitted):
    assert "Vteam" in fitted.plot().get_title()
    assert fitted.problem.traces[0].plot().get_xlabel() == "voltage"


def test_profile_agrees_with_the_deviation(fitted):
    found = nj.profile(fitted, "r_on", n=9)
    low, high = found.interval
    e = fitted.estimates["r_on"]
    assert (high - low) / 2 == pytest.approx(1.96 * e.std, rel=0.15)
    assert found.plot().get_xlabel().startswith("r_on")
    with pytest.raises(nj.FitError, match="Did you mean"):
        nj.profile(fitted, "r_onn")


def test_jacobian_against_differences(fitted):
    problem, theta = fitted.problem, fitted.theta
    weights = problem.mask.astype(float)
    _, jacobian = problem.evaluate(theta[None], weights)
    # The solver tolerance (1e-6) limits a difference quotient, not the derivative.
    for k in range(len(theta)):
        h = 1e-3 * np.eye(len(theta))[k]
        central = (problem.evaluate(theta[None] + h, weights)[0] - problem.evaluate(theta[None] - h, weights)[0]) / 2e-3
        scale = np.abs(jacobian[0, :, k]).max()
        assert np.median(np.abs(central[0] - jacobian[0, :, k])) < 2e-3 * scale


@pytest.mark.parametrize("stage", [pytest.param("Islands", marks=pytest.mark.slow), "State"])
def test_killed_search_resumes_where_it_was(trace, tmp_path, monkeypatch, stage):
    path = tmp_path / "search.npz"
    options = dict(free=("r_on", "r_off"), key=KEY, n_starts=2, screen=6, generations=4, use_current=False)
    whole = nj.fit(true_device(), trace, **options)
    honest, kept = search._save, []

    def killed(state, *rest):
        honest(state, *rest)
        kept.append(type(state).__name__)
        if kept.count(stage) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(search, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        nj.fit(true_device(), trace, checkpoint=path, **options)
    assert kept[-2:] == [stage] * 2
    monkeypatch.setattr(search, "_save", lambda *a: kept.append("resumed") or honest(*a))
    again = nj.fit(true_device(), trace, checkpoint=path, **options)
    assert kept.count("resumed") < 60
    np.testing.assert_allclose(again.theta, whole.theta, rtol=1e-9)
    # A checkpoint of another problem is not taken.
    other = nj.fit(true_device(), trace, checkpoint=path, **{**options, "free": ("r_on",)})
    assert len(other.theta) == 1


@pytest.mark.slow
def test_several_traces_with_a_parameter_of_their_own(trace):
    device = true_device()
    both = nj.fit(device, [trace, measured_style(2, n=200)], free=("r_on",), per_trace=("w_init",), n_starts=1)
    assert set(both.estimates) == {"r_on", "w_init[0]", "w_init[1]"}
    assert both.estimates["w_init[1]"].value == pytest.approx(0.5, abs=0.05)


def test_series_resistance_of_the_instrument_is_fitted():
    device, circuit = physics.Resistor(resistance=1e3), nj.Instrument(series_resistance=250.0, offset=2e-6)
    t = np.linspace(0, 1, 60)
    record = nj.simulate(device, nj.triangle(1.0), ts=t, instrument=circuit)
    noisy = np.asarray(record.i) + 1e-7 * np.random.default_rng(0).standard_normal(60)
    measured = nj.Trace(t, record.v, noisy, noise_floor=1e-7, noise_relative=0.0)
    start = nj.Instrument(series_resistance=100.0, offset=0.0)
    names = ("instrument.series_resistance", "instrument.offset")
    found = nj.fit(device, measured, free=names, instrument=start, n_starts=1, residual="linear")
    assert found.values["instrument.series_resistance"] == pytest.approx(250.0, rel=1e-2)
    assert found.values["instrument.offset"] == pytest.approx(2e-6, rel=0.1)
    both = nj.fit(device, measured, free=("resistance", names[0]), instrument=start, n_starts=1)
    assert any("resistance" in d and "together" in d for d in both.directions)


def test_pulse_sequence():
    device = physics.Vteam(k_off=2e-4, w_init=0.05)
    empty = nj.PulseTrace(np.full(20, 0.1), 1e-7, np.ones(20))
    record = nj.simulate(device, empty.waveform(), ts=empty.read_times())
    g = np.asarray(
        [
            float(
                device.conductance(jax.tree.map(lambda a, k=k: a[k], record.x), jnp.asarray(0.1), physics.Environment())
            )
            for k in range(20)
        ]
    )
    noisy = g * (1 + 0.01 * np.random.default_rng(0).standard_normal(20))
    pulses = nj.PulseTrace(np.full(20, 0.1), 1e-7, noisy, noise_relative=0.01, noise_floor=1e-6)
    found = nj.fit(physics.Vteam(w_init=0.05), pulses, free=("k_off",), n_starts=1)
    e = found.estimates["k_off"]
    assert abs(e.value - 2e-4) < 4 * e.std
    assert e.std / e.value < 0.05


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        (dict(free=("r_onn",)), "Did you mean 'r_on'"),
        (dict(free=("r_on",), fixed={"r_on": 60.0}), "both free and fixed"),
        (dict(free=()), "no free parameter"),
        (dict(free=("r_on",), bounds={"r_on": (5.0, 1.0)}), "increasing"),
        (dict(free=("r_on",), bounds={"r_on": (-5.0, 1.0)}), "one sign"),
        (dict(free=("r_on",), bounds={"r_onn": (1.0, 2.0)}), "no parameter 'r_onn'"),
        (dict(free=("r_on",), n_starts=0), "at least one"),
        (dict(free=("r_on",), key=None), "need a key"),
        (dict(free=("r_on",), holdout=1.5), "holdout"),
        (dict(free=("r_on",), max_steps=5, n_starts=1), "none of 1 starts"),
        (dict(free=("instrument.compliance",)), "no parameter 'instrument.compliance'"),
    ],
)
def test_wrong_calls(trace, keywords, says):
    with pytest.raises(nj.FitError, match=says):
        nj.fit(physics.Vteam(), trace, **{"key": KEY, **keywords})


def test_wrong_data():
    with pytest.raises(nj.FitError, match="no traces"):
        nj.fit(physics.Vteam(), [], key=KEY)
    with pytest.raises(KeyError, match="Did you mean"):
        physics.Vteam().replace(r_onn=1.0)
    with pytest.raises(ValueError, match="outside"):
        physics.Vteam().replace(r_on=-1.0)


def test_bijection_round_trip():
    declared = [p for p in physics.Vteam().parameters().values() if p.quantity.free]
    bounds = box(declared, {})
    values = np.array([float(p.value) for p in declared])
    np.testing.assert_allclose(bounds.to_physical(jnp.asarray(bounds.to_line(values))), values, rtol=1e-10)
    many = np.random.default_rng(0).normal(size=(5, len(declared))) * 4
    np.testing.assert_allclose(bounds.at(many), jax.vmap(bounds.to_physical)(jnp.asarray(many)), rtol=1e-12)
    extreme = np.asarray(bounds.to_physical(jnp.full(len(declared), 40.0)))
    assert np.all(extreme <= np.asarray(bounds.upper) * (1 + 1e-9) + 1e-12)


def test_ranking_prefers_the_model_behind_the_data(trace):
    models = [physics.Resistor(), physics.Vteam()]
    table = nj.compare([trace], models, key=KEY, n_starts=2, screen=8, options={"Vteam": {"free": FREE}})
    assert table.rows[0].model == "Vteam"
    assert json.dumps(table.to_dict())
    assert "Resistor" in repr(table)


@rarely  # diffrax compiles for more than a minute
def test_the_same_fit_by_a_solver_of_diffrax():
    """Both solvers keep to their tolerance, so the minima differ by far less than the noise."""
    options = dict(free=("i_0", "g_0"), n_starts=1, progress=False)
    device, trace = physics.GapRram(), _bench_fit.sweep(61)
    ours, theirs = (nj.fit(device, trace, solver=s, **options) for s in (None, diffrax.Kvaerno5()))
    for name, e in ours.estimates.items():
        assert abs(theirs.values[name] - e.value) < 0.01 * e.std, name
        assert theirs.estimates[name].std == pytest.approx(e.std, rel=1e-2)
    assert theirs.chi2_reduced == pytest.approx(ours.chi2_reduced, rel=1e-4)
    with pytest.raises(nj.FitError, match="must be a solver of diffrax"):
        prepare(device, trace, solver="Kvaerno5")  # `fit` itself is checked by its type hints in the tests


def test_a_start_for_which_diffrax_raises_has_failed(trace):
    """And no other: it raises for all lanes of a batch."""

    def function(theta, model):
        theta = eqx.error_if(theta, theta[:, 0] > 2.5, "the linear solver returned non-finite output")
        return 2 * theta, theta[:, 0] > -1.0

    problem, theta = prepare(true_device(), trace, free=("r_on",)), np.arange(5.0)[:, None]
    with pytest.raises((RuntimeError, ValueError)):
        in_batches(Bound(function, problem.model), theta, 2)
    r, ok = in_batches(Bound(function, problem.model, raises=True), theta, 2)
    assert ok.tolist() == [True, True, True, False, False]
    np.testing.assert_array_equal(r[:, 0], [0.0, 2.0, 4.0, np.nan, np.nan])


def test_a_fit_compiles_once(trace):
    """However many starts are still searching, and whether the device is one of the starts."""
    before = program.cache_info().misses
    options = dict(
        free=("r_on", "r_off", "v_on"), n_starts=5, screen=6, generations=3, max_iterations=4, progress=False
    )
    found = nj.fit(physics.Vteam(), trace, key=KEY, **options)
    assert program.cache_info().misses - before <= 2
    assert [bound.program._cache_size() for bound in (found.problem._derived, found.problem._coarse)] == [1, 1]


@pytest.mark.slow
def test_coverage_of_the_intervals():
    """95 % intervals over 100 fresh noises contain the truth in 90 to 99 % of the cases."""
    inside = []
    for seed in range(100):
        found = nj.fit(true_device(), measured_style(1000 + seed, n=200), free=FREE, n_starts=1)
        for name, true in TRUTH.items():
            low, high = found.estimates[name].interval
            inside.append(low <= true <= high)
    print(f"{100 * np.mean(inside):.1f} % of {len(inside)} intervals cover the truth")  # shown where it fails
    assert 0.90 <= np.mean(inside) <= 0.99
