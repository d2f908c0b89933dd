"""X5: spiking Mott neurons: their steps beside the device itself, joules that add up, gradients, the comparison."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import rarely

from learning.experiments import x5_report
from learning.experiments.x5_check import check, circuit
from learning.experiments.x5_flow import Core
from learning.experiments.x5_network import CIRCUIT, GEOMETRY, Network, Task, decision_energy, nominal
from learning.experiments.x5_neuron import bounded
from learning.experiments.x5_task import DURATION, delays
from neurojax.errors import DataError
from physics import Environment, NbO2Mott

PLAIN = Task(batch=12, steps=300, surrogate=0.0, bound=0.0)


@pytest.fixture(scope="module")
def network() -> Network:
    """Four neurons of which some spike."""
    return nominal(4, key=jax.random.key(0))


@pytest.fixture(scope="module")
def response(network):
    return jax.jit(lambda n: PLAIN.respond(n, PLAIN.pulses(jax.random.key(2)), None))(network)


def test_cubics_are_the_rate_of_the_device():
    """Heating and cooling of a switch of other radius, length and conductivity, and their derivatives by y."""
    cell = NbO2Mott().replace(r_ch=1e-8, length=8e-9, kappa=0.9)
    y, v = jnp.linspace(-11.4, 6.0, 1001), jnp.asarray(1.3)

    @jax.jit
    def both(y):
        rate = lambda y: cell.rate(NbO2Mott.State(y), jnp.full_like(y, v), Environment()).y  # noqa: E731
        a, b, a_y, b_y = Core.of(cell)(y[:, None])
        parts = ((a, b), (a_y, b_y))
        ours = [(p * (v / cell.length) ** 2 - q * cell.kappa / cell.r_ch**2)[:, 0] for p, q in parts]
        return ours, jax.jvp(rate, (y,), (jnp.ones_like(y),))

    ours, exact = both(y)
    for found, there, part in zip(ours, exact, (2e-6, 2e-3), strict=True):
        assert float(jnp.abs(found - there).max()) < part * float(jnp.abs(there).max())


def test_threshold_is_the_fold_of_the_static_curve(network):
    """1.67 V for the nominal switch; as length over radius, and as the root of the conductivity."""
    assert np.allclose(network.neurons.threshold, 1.6715, atol=1e-4)
    cell = NbO2Mott().replace(r_ch=2e-8, length=1e-8, kappa=1.0)
    other = dataclasses.replace(network.neurons, device=cell)
    y = jnp.linspace(-6.0, -1.0, 20001)
    fold = float(jnp.max(cell.static_voltage(NbO2Mott.State(y), Environment())))
    assert np.allclose(other.threshold, fold, rtol=1e-5)


def test_some_spike_and_joules_add_up(response):
    """What sources give is what resistors and switches take and capacitors keep."""
    assert float(response.reached.min()) == pytest.approx(1.0, abs=1e-12)
    spikes = np.asarray(response.spikes)
    assert 0 < (spikes > 0).mean() < 1
    assert np.array_equal(np.isfinite(response.first), spikes > 0)
    one = spikes == 1
    late = np.exp((np.asarray(response.first) - DURATION) / 2e-8)
    assert np.allclose(np.asarray(response.events)[one], late[one], rtol=1e-9)
    balance = response.supply + response.inputs - response.device - response.load - response.stored
    assert float(jnp.abs(balance).max()) < 2e-3 * float(response.energy.min())


def test_smaller_devices_of_the_same_shape_do_the_same_for_less(network, response):
    """Half of all lengths and C, twice the resistances: half of the energy, to the error of the steps."""
    half = jax.jit(lambda n: PLAIN.respond(n, PLAIN.pulses(jax.random.key(2)), None))(network.scaled(2.0))
    quiet = (np.asarray(response.spikes) == 0) & (np.asarray(half.spikes) == 0)
    assert quiet.any()
    ratio = np.asarray(response.energy / half.energy)
    assert np.allclose(ratio[quiet], 2.0, rtol=3e-3)
    assert float(decision_energy(half)) < 0.6 * float(decision_energy(response))


def test_gradients_are_those_of_differences(network):
    """Of the error and the energy of one draw, by geometry, circuit and weights."""
    task = dataclasses.replace(PLAIN, price=0.01)
    design, key = task.design(network), jax.random.key(6)
    f = jax.jit(lambda theta: task.objective(design.at(theta), key))
    theta = design.theta
    slope = np.asarray(jax.jit(jax.grad(f))(theta))
    for name in (*GEOMETRY, *CIRCUIT, "neurons.g", "tau"):
        where = design.part(name)
        k = where.start + int(np.argmax(np.abs(slope[where])))
        step = jnp.zeros_like(theta).at[k].set(1e-6)
        central = float(f(theta + step) - f(theta - step)) / 2e-6
        assert slope[k] == pytest.approx(central, rel=1e-3, abs=1e-7), name
        assert slope[k] != 0


def test_bounded_gradients():
    p = jnp.asarray([2.0, -1.0, 0.5])
    slope = jax.grad(lambda p: jnp.sum(bounded(p, 0.6) * jnp.asarray([10.0, 0.1, -10.0])))(p)
    assert slope.tolist() == pytest.approx([0.3, 0.1, -1.2])
    assert jnp.array_equal(bounded(p, 0.6), p)


def test_delays_are_what_the_channels_differ_by():
    found = delays(3000, 3, 6e-9, key=jax.random.key(0))
    delay = np.asarray(found.middle[:, 1] - found.middle[:, 0])
    for k, mean in enumerate((-6e-9, 0.0, 6e-9)):
        here = delay[np.asarray(found.label) == k]
        assert here.mean() == pytest.approx(mean, abs=1e-10) and here.std() == pytest.approx(0.5e-9 * 2**0.5, rel=0.06)
    # One channel alone says little: a spread of 1.4 ns of when the pair comes, besides.
    t = jnp.linspace(0.0, DURATION, 400)
    volts = found.volts(jnp.broadcast_to(t[None], (3000, 400)))
    assert volts.shape == (2, 3000, 400)
    wave = found.wave(7, 1)
    assert np.allclose(jax.vmap(wave)(t), volts[1, 7], atol=1e-6)
    with pytest.raises(DataError, match="do not fit"):
        delays(10, 12, 6e-9, key=jax.random.key(0))
    with pytest.raises(DataError, match="negative"):
        Task(noise=-1.0)
    with pytest.raises(DataError, match="fit and judge"):
        Task(batch=9)


@pytest.mark.slow
def test_the_surrogate_tells_of_spikes_that_are_about_to_appear(network):
    """Below its threshold a neuron changes nothing, and its traces have no slope; by the surrogate they have one."""
    low = dataclasses.replace(network, neurons=dataclasses.replace(network.neurons, v_dc=jnp.asarray(2.6)))
    pulses = PLAIN.pulses(jax.random.key(2))
    slopes = []
    for width in (0.0, 0.1):
        task = dataclasses.replace(PLAIN, surrogate=width)

        def events(v_dc, task=task):
            neurons = dataclasses.replace(low.neurons, v_dc=v_dc)
            return jnp.sum(task.respond(dataclasses.replace(low, neurons=neurons), pulses, None).events)

        value, slope = jax.value_and_grad(events)(low.neurons.v_dc)
        assert float(value) == 0.0
        slopes.append(float(slope))
    assert slopes[0] == 0.0 and slopes[1] > 1e-3


@pytest.mark.slow
def test_other_solvers_see_the_same_spikes(network):
    """Each neuron as a circuit, by Kvaerno3 of diffrax and by ngspice."""
    found = check(PLAIN, network, lanes=3, key=jax.random.key(5))
    assert found.agree == found.lanes == 3
    assert found.late < 5e-10 and found.energy < 0.01
    if shutil.which("ngspice"):
        assert found.late_spice < 5e-11 and found.energy_spice < 0.01
    there = circuit(network.neurons, 1, PLAIN.pulses(jax.random.key(5)), 0)
    assert "NbO2Mott" in there.to_spice()


@rarely
def test_the_comparison_runs_and_resumes(tmp_path):
    how = dict(seeds=1, steps=70, neurons=3, prices="0.01", batch=24, output=tmp_path, progress=False)
    with jax.numpy_dtype_promotion("standard"):
        report = x5_report.run(**how)
        again = x5_report.run(**how)
    assert report.to_dict() == again.to_dict()
    assert set(report.points) == {
        "weights only", "scaled by 2", "scaled by 4", "random search", "(1+1)-ES", "CMA-ES", "gradient",
        "random, then gradient",
    }  # fmt: skip
    assert report.saving("scaled by 4")[0] > 2
    best = min(t[0].test for t in report.comparison.trials.values())
    assert best < 0.9 * report.comparison.values("weights only")[0]
    assert "pJ" in repr(report) and json.loads(json.dumps(report.to_dict()))["task"]["price"] == 0.01
    assert report.plot().get_xscale() == "log"
    spent = {n: t[0].evaluations for n, t in report.comparison.trials.items()}
    assert spent["random, then gradient"] == pytest.approx(spent["gradient"], rel=0.06)
    assert spent["random search"] == pytest.approx(spent["gradient"], rel=0.06)


def test_what_makes_no_comparison():
    with pytest.raises(DataError, match="prices"):
        x5_report.run(prices=",")
    with pytest.raises(DataError, match="20 or more"):
        x5_report.run(steps=10)
