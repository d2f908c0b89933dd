"""A memory in devices: the figure against the exact chain, the linear limit, another solver, gradients, ngspice."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import rarely

from learning.experiments import x4_devices_study
from learning.experiments.x4_chain import Chain
from learning.experiments.x4_circuit import chain_circuit, gap_cell
from learning.experiments.x4_devices import (
    AGES,
    FARADS,
    SECONDS,
    device_chain,
    device_design,
    device_loss,
    faded,
    film_capacitance,
    interval,
    lifetime,
)
from neurojax import through_ngspice
from neurojax.errors import DataError
from physics.device import Environment
from physics.kinetics import thermal_voltage

N = 1e5
PAIR = Chain.of((2.0, 40.0), (0.3, 1e-3))


def test_the_figure_is_that_of_the_exact_chain():
    """Noise and lifetime from samples of u_1, of chains whose modes say both; a dim one is given time."""
    both = jax.jit(lambda kept: (*interval(kept), lifetime(kept)))
    pair = Chain.of((1.0, 36.3), (0.429, 5.3e-4))
    exact = jax.jit(lambda chain: (chain.response(jnp.asarray(AGES)), chain.noise(), chain.lifetime(N)))
    kept, noise, life = exact(pair)
    apart, power, found = (float(a) for a in both(kept))
    assert power == pytest.approx(float(noise), rel=1e-3) and apart == 1.0
    assert found == pytest.approx(float(life), rel=0.01)
    # One state of 1e3: a memory in each unit of time is too dim, one in every eight has an SNR of 40.
    dim = jnp.exp(-1e-3 * jnp.asarray(AGES))
    apart, _, found = (float(a) for a in both(dim))
    assert apart == pytest.approx(1600 * 500 / N, rel=2e-3)
    assert found == pytest.approx(125 * np.log(40.0), rel=0.01)
    assert np.isnan(float(both(dim.at[3].set(jnp.nan))[2]))


def test_the_budget_of_devices():
    circuit = device_chain(PAIR)
    film = circuit.parts["E1"]
    assert float(film_capacitance(film)) == pytest.approx(40 * FARADS, rel=1e-9)
    # The slope of the charge over the gate voltage at which no current flows.
    env, h, x = Environment(), 1e-3, float(film.x_init)
    kt = float(thermal_voltage(env.temperature))
    rest = [kt * np.log(y / (1 - y)) for y in (x - h, x + h)]
    assert 2 * h * float(film.capacity()) / (rest[1] - rest[0]) == pytest.approx(40 * FARADS, rel=1e-4)
    assert float(film.gate_current(film.x_init, jnp.asarray(0.0), env)) == pytest.approx(0.0, abs=1e-15)
    design = device_design(circuit)
    assert design.size == 8 and not design.at_bounds(design.theta, 1e-6)
    with pytest.raises(DataError, match="3 states"):
        device_chain(Chain.geometric(3))


@pytest.mark.slow
def test_small_kicks_see_a_linear_chain():
    """Two capacitors, surface and bulk of the film as capacities, by the exponential of their matrix."""
    circuit = device_chain(PAIR)
    film, env = circuit.parts["E1"], Environment()
    share, total, kt = 3 / (3 + np.pi**2), float(film_capacitance(film)), float(thermal_voltage(env.temperature))
    warm = float(film._activated(film.e_d, env))
    inner = 3 * (1 - share) ** 2 * warm * float(film.d_c / film.length**2) * total
    gate = 1 / (float(film.r_el) + kt / float(film.area * film.exchange_current_density(film.x_init, env)))
    c = np.asarray([float(circuit.parts[n].capacitance) for n in ("C1", "C2")] + [share * total, (1 - share) * total])
    flow, joints = np.zeros((4, 4)), (0.3 * FARADS / SECONDS, gate, inner)
    for k, g in enumerate(joints):
        flow[k, k] -= g
        flow[k + 1, k + 1] -= g
        flow[k, k + 1] += g
        flow[k + 1, k] += g
    flow[1, 1] -= 1 / float(circuit.parts["R1"].resistance)
    ages = AGES[(AGES > 0.1) & (AGES < 1e4)]
    exact = [float(jax.scipy.linalg.expm(jnp.asarray(flow / c[:, None] * t * SECONDS))[0, 0]) for t in ages]
    small, large = (np.asarray(faded(circuit, v, ages=ages)) / exact for v in (1e-3, 0.2))
    assert np.abs(small - 1).max() < 2e-3
    assert np.abs(large - 1).max() > 2e-2


@rarely
def test_another_solver_and_the_gradient():
    circuit = device_chain(PAIR)
    assert x4_devices_study.resolve(circuit) < 1e-5
    design = device_design(circuit)
    theta = jnp.clip(design.theta, -3.0, 3.0)
    f = jax.jit(lambda t: device_loss(design.at(t)))
    there = [float(f(theta + h) - f(theta - h)) / 2e-4 for h in 1e-4 * jnp.eye(design.size)]
    slope = jax.jit(jax.grad(lambda t: device_loss(design.at(t))))(theta)
    assert np.allclose(slope, there, rtol=1e-3, atol=1e-4 * np.abs(there).max())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ngspice") is None, reason="no ngspice")
def test_filaments_in_ngspice():
    """Capacitors and filaments of a pair through the netlist, the kick 0.2 V; an ECRAM cannot be written, it loops."""
    circuit = chain_circuit(Chain.of((2.0, 40.0), (0.3, 0.01)), SECONDS, FARADS, gap_cell)
    end, v0 = 300 * SECONDS, {"u1": 0.2, "u2": 0.0}
    ours = circuit.transient(end, ts=np.linspace(0, end, 3001), v0=v0, rtol=1e-8, atol=1e-10)
    theirs, _ = through_ngspice(circuit, end, v0=v0, reltol=1e-6, max_step=end / 3000)
    other = np.interp(np.asarray(ours.t), theirs["t"], theirs["u1"])
    assert np.abs(np.asarray(ours.v["u1"]) - other).max() < 1e-3 * 0.2


@rarely
def test_the_table_of_devices():
    """A small one: all methods, the best circuit simulated again by itself, by another solver and with other kicks."""
    told = x4_devices_study.study(seeds=1, steps=12, points=1)
    assert {"C = 2^k", "best exact pair", "best of 1 by hand", "random search", "CMA-ES", "gradient"} < set(
        told.comparison.trials
    )
    best = told.comparison.best(told.best)
    assert float(lifetime(faded(told.circuits[told.best]))) == pytest.approx(1 / best.test, rel=1e-6)
    assert told.apart < 1e-5 and told.lives[0.1] == pytest.approx(1 / best.test, rel=1e-6)
    assert "in devices" in told.plot().get_title() and "best circuit" in repr(told)
