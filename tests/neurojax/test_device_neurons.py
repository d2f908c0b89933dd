"""Neurons of silver and oxide filaments against quadratures, closed forms and SciPy."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from neuron_cases import crossings
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

import neurojax as nj
import physics
from neurojax import neurons
from physics.device import Environment

OPTIONS: Any = dict(gradient="forward", progress=False)
ENV = Environment()


# The diffusive memristor.


@pytest.fixture(scope="module")
def regimes():
    """Delays (s) and highest membrane voltages: migration (2 V, 10 fF) and R_s C_m (5 V, 1 nF), each varied."""
    more = 1.1
    c_m = np.asarray([1e-14, 1e-14 * more, 1e-14, 1e-9, 1e-9 * more, 1e-9])
    d_0 = 1e-12 * np.asarray([1.0, 1.0, more, 1.0, 1.0, more])
    v = np.asarray([2.0] * 3 + [5.0] * 3)
    circuit = neurons.diffusive_neuron(2.0).replace({"Vin.value": v, "Cm.capacitance": c_m, "M1.d_0": d_0})
    ts = np.geomspace(1e-7, 1e-3, 3000)
    record = circuit.transient(1e-3, ts=ts, v0={"mem": 0.0}, **OPTIONS)
    out = np.asarray(record.v["out"])
    # It has fired when half of the input is gone.
    delays = np.asarray([crossings(ts, a, 1e3 * 0.5 * b / 1e6)[0] for a, b in zip(out, v, strict=True)])
    slopes = np.log(delays[[1, 2, 4, 5]] / delays[[0, 0, 3, 3]]) / np.log(more)
    return delays, slopes.reshape(2, 2), np.asarray(record.v["mem"]).max(axis=1)


@pytest.mark.slow
def test_silver_or_membrane_sets_the_delay(regimes):
    """d ln t/d ln C and -d ln t/d ln D: 0 and 1 where silver is slow, 0.8 and 0.2 where the membrane is.

    Not 1 and 0, as the voltage at which silver comes falls by 0.35 V for each factor e of time. They add up to 1, as
    nothing else has a time (but the heat, in 50 ns).
    """
    slopes = regimes[1]
    assert abs(slopes[0, 0]) < 0.01 and slopes[0, 1] == pytest.approx(-1.0, abs=0.02)
    assert slopes[1, 0] > 0.75 and -0.25 < slopes[1, 1] < 0
    np.testing.assert_allclose(slopes[:, 0] - slopes[:, 1], 1.0, atol=0.02)


@pytest.mark.slow
def test_delay_of_the_membrane_is_that_of_its_charging(regimes):
    """R C ln(V/(V - V_f)), V_f the highest voltage that the membrane reaches."""
    delays, _, highest = regimes
    for k, farad in ((3, 1e-9), (4, 1.1e-9)):
        assert delays[k] == pytest.approx(1e6 * farad * np.log(5 / (5 - highest[k])), rel=0.05)


def train(width, gap):
    """Output at samples of a train of six pulses of 2 V on a membrane of 0.1 ms."""
    wave = nj.pulse_train([2.0] * 6, width, rise=1e-8, rest=gap)
    ts = np.linspace(0.0, float(wave.duration), 4001)
    record = neurons.diffusive_neuron(wave, c_m=1e-10).transient(ts=ts, **OPTIONS)
    return ts, np.asarray(record.v["out"]), np.asarray(record.v["mem"])


def test_integrates_and_leaks():
    """Pulses that are too short to fire add up where they follow soon, and not where the membrane leaks in between."""
    ts, soon, _ = train(4e-5, 1e-5)
    fired = crossings(ts, soon, 1e-3)
    assert fired.size and fired[0] > 5e-5
    assert crossings(*train(4e-5, 3e-3)[:2], 1e-3).size == 0


def test_resets_itself():
    """Each pulse fires once, at the same time after its start, though the voltage never becomes negative."""
    ts, out, mem = train(2e-4, 6e-3)
    fired = crossings(ts, out, 1e-3)
    assert fired.size == 6 and mem.min() > -1e-6
    starts = np.arange(6) * (2e-4 + 6e-3 + 2e-8)
    delays = fired - starts
    assert np.ptp(delays[1:]) < 0.02 * delays[1] and 5e-5 < delays[0] < 2e-4
    assert abs(out[-1]) < 1e-3 * out.max()


@functools.partial(jax.jit, static_argnums=1)
@functools.partial(jax.vmap, in_axes=(0, None))
def pulled(x, volts):
    """Drift (1/s) of a cold path behind 1 Mohm, and the conductance (S)."""
    cell, state = physics.AgDiffusive(), physics.AgDiffusive.State(x=x, temperature=jnp.ones_like(x))
    g = cell.current(state, jnp.ones_like(x), ENV)
    return cell.drift(state, volts / (1 + 1e6 * g), ENV).x, g


def passage(volts):
    """Mean and coefficient of variation of the time of the first passage to R(x) = R_s, by quadrature."""
    x = np.linspace(-0.05, 1.0, 40001)
    drift, g = (np.asarray(a) for a in pulled(jnp.asarray(x), volts))
    end, start = np.argmax(g >= 1e-6), np.argmin(np.abs(x))
    x, drift, spread = x[: end + 1], drift[: end + 1], 1e-12 / 5e-9**2
    summed = lambda f: np.concatenate([[0.0], np.cumsum(0.5 * np.diff(x) * (f[1:] + f[:-1]))])  # noqa: E731
    u = -summed(drift) / spread
    # The time from x to the end, weighted with what follows: (1/D) int_x e^u int^y e^-u w.
    until = lambda weight: (lambda a: (a[-1] - a) / spread)(summed(np.exp(u) * summed(np.exp(-u) * weight)))  # noqa: E731
    first = until(np.ones_like(x))
    mean, square = first[start], 2 * until(first)[start]
    return mean, np.sqrt(square - mean**2) / mean


@pytest.mark.slow
def test_delay_is_stochastic():
    """Of paths: the mean falls with the input, within three standard errors of the quadrature where nothing heats."""
    keys = jax.random.split(jax.random.key(0), 128)
    cold = physics.AgDiffusive().replace(tau=1e-8, c_th=1e-13)
    found = {
        v: np.asarray(neurons.stochastic_delays(v, keys, 2.5e-5, device=cold, samples=2000)) for v in (2.4, 2.8, 3.2)
    }
    for volts, delays in found.items():
        mean, variation = passage(volts)
        assert np.isfinite(delays).all()
        assert abs(delays.mean() - mean) < 3 * delays.std() / np.sqrt(keys.size) + 1.25e-8
        assert delays.std() / delays.mean() == pytest.approx(variation, rel=0.3)
        assert 0.3 < variation < 0.9
    assert found[2.4].mean() > 2 * found[2.8].mean() > 3 * found[3.2].mean()
    again = np.asarray(neurons.stochastic_delays(3.2, keys, 2.5e-5, device=cold, samples=2000))
    np.testing.assert_array_equal(again, found[3.2])


def test_wrong_input():
    with pytest.raises(ValueError, match="nothing fires"):
        neurons.stochastic_delays(0.0, jax.random.split(jax.random.key(0), 2), 1e-6)


# The oxide filament.

CURRENTS = np.asarray([3e-9, 1e-8, 3e-8, 1e-7, 3e-7])
CELL = physics.OxideThreshold()


@pytest.fixture(scope="module")
def filaments():
    """Times, voltages and filaments (nm) under currents, the last member with a compliance of 1 mA."""
    circuit = neurons.filament_neuron().replace(
        {"Iin.value": np.append(CURRENTS, 1e-7), "M1.i_c": np.asarray([1e-6] * 5 + [1e-3])}
    )
    ts = np.geomspace(1e-6, 5e-3, 4000)
    record = circuit.transient(5e-3, ts=ts, v0={"mem": 0.0}, **OPTIONS)
    return ts, np.asarray(record.v["mem"]), np.exp(np.asarray(record.x["M1"].size))


def latency(ts, v):
    """When the voltage falls through 0.5 V for the first time."""
    return crossings(ts, -v, -0.5)[0]


@jax.jit
def slope(y, current):
    state = physics.OxideThreshold.State(size=y[1])
    return jnp.stack([(current - CELL.current(state, y[0], ENV)) / 1e-11, CELL.rate(state, y[0], ENV).size])


@pytest.mark.slow
def test_latency_falls_with_the_current(filaments):
    """Against SciPy, and against the charging to where growth outruns the fastest rupture."""
    ts, v, _ = filaments
    found = np.asarray([latency(ts, a) for a in v[:5]])
    assert np.all(np.diff(found) < 0)
    start = np.asarray([0.0, np.log(0.01)])
    for current, expected in zip(CURRENTS[[0, 2, 4]], found[[0, 2, 4]], strict=True):
        run = lambda t, y, i=float(current): np.asarray(slope(jnp.asarray(y), jnp.asarray(i)))  # noqa: E731
        scipy = solve_ivp(run, (0.0, 1.2 * expected), start, method="LSODA", rtol=1e-8, atol=1e-10)
        assert latency(scipy.t, scipy.y[0]) == pytest.approx(expected, rel=5e-3)
    sizes = jnp.linspace(np.log(0.0101), np.log(0.05), 2001)
    rupture = jax.vmap(lambda s: (jnp.exp(s) - 0.01) / CELL.rupture_time(CELL.State(size=s), ENV))(sizes).max()
    v_th: Any = brentq(lambda u: float(CELL.growth(jnp.asarray(u), ENV)) - 1e-9 * float(rupture), 0.3, 1.2)
    g = float(CELL.conductance_of(CELL.init(ENV)))
    closed = -1e-11 / g * np.log1p(-g * v_th / CURRENTS)
    peaks = [ts[np.argmax(np.where(ts < 1.2 * at, a, 0.0))] for a, at in zip(v, found, strict=False)]
    np.testing.assert_allclose(peaks, closed, rtol=0.03)


def test_compliance_sets_how_long_a_filament_lives(filaments):
    """Between two spikes the filament of a neuron is gone; at 1 mA it outlives thirty of them."""
    ts, v, nm = filaments
    counts = [crossings(ts, a, 0.5).size for a in v]
    assert counts[:4] == sorted(counts[:4]) and counts[3] > 30 and counts[5] == 1
    assert nm[3][ts > 1e-3].min() < 0.011 and nm[5][-1] > 0.5 * nm[5].max()
