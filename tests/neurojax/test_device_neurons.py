"""Neurons of one device each, against static curves, quadratures, SciPy and a measured film."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import rarely
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq, minimize_scalar

import neurojax as nj
import physics
from neurojax import neurons
from physics.device import Environment

OPTIONS: Any = dict(gradient="forward", progress=False)
ENV = Environment()
BASE = Environment(temperature=jnp.asarray(314.4))


def crossings(t, v, level):
    """Times at which v rises through a level, by interpolation between the samples."""
    k = np.flatnonzero((v[:-1] < level) & (v[1:] >= level))
    return t[k] + (level - v[k]) / (v[k + 1] - v[k]) * (t[k + 1] - t[k])


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


# The ovonic switch.

OTS = physics.Ovonic()
conductance = jax.jit(lambda v, kelvin: OTS.conductance_at(v, kelvin))


def amps(volts, kelvin):
    return volts * float(conductance(jnp.asarray(volts), jnp.asarray(kelvin)))


def static(kelvin):
    """Voltage at which the heat keeps a temperature."""
    volts: Any = brentq(lambda v: v * amps(v, kelvin) * 2e6 - (kelvin - 300), 1e-6, 5.0)
    return volts


@functools.cache
def folds():
    """(V, T, i) of threshold and of hold."""
    top: Any = minimize_scalar(lambda k: -static(k), bounds=(310, 500), method="bounded", options=dict(xatol=1e-7))
    low: Any = minimize_scalar(static, bounds=(500, 2000), method="bounded", options=dict(xatol=1e-5))
    return tuple((v, k, amps(v, k)) for v, k in ((-top.fun, float(top.x)), (low.fun, float(low.x))))


def quasi_static(v, r):
    """Seconds a farad that the rise and the fall take along the two static branches."""
    (v_th, t_th, _), (v_h, t_h, _) = folds()
    kelvin = lambda u, a, b: brentq(lambda k: u * amps(u, k) * 2e6 - (k - 300), a, b)  # noqa: E731
    rise = quad(lambda u: 1 / ((v - u) / r - amps(u, kelvin(u, 300, t_th))), v_h, v_th - 1e-9, epsrel=1e-4)[0]
    fall = quad(lambda u: 1 / (amps(u, kelvin(u, t_h, 3500)) - (v - u) / r), v_h + 1e-9, v_th, epsrel=1e-4)[0]
    return rise, fall


SIDES = [(v, part, which) for v in (2.0, 3.0, 4.0) for which in (0, 1) for part in (0.9, 1.1)]


def window(v):
    (v_th, _, i_th), (v_h, _, i_h) = folds()
    return [float(r) for r in neurons.load_window(v, v_th, v_h, v_th / i_th, v_h / i_h)]


@pytest.fixture(scope="module")
def oscillators():
    """Rising crossings of 1.29 V in the second half of 30 us: of the four sides, then of three c_th."""
    v = np.asarray([v for v, _, _ in SIDES] + [3.0] * 3)
    r = np.asarray([part * window(v)[which] for v, part, which in SIDES] + [2e4] * 3)
    c = np.concatenate([2e-6 / r[:-3], [1e-9] * 3])
    c_th = np.concatenate([[5e-16] * len(SIDES), [5e-15, 5e-16, 5e-17]])
    circuit = neurons.ovonic_neuron().replace({"V1.value": v, "R1.resistance": r, "C1.capacitance": c, "M1.c_th": c_th})
    ts = np.linspace(0.0, 3e-5, 6001)
    out = np.asarray(circuit.transient(3e-5, ts=ts, v0={"out": 1.0}, **OPTIONS).v["out"])
    return [crossings(ts[3000:], a[3000:], 1.29) for a in out]


@pytest.mark.slow
def test_oscillates_within_the_window_only(oscillators):
    """10 % inside of either limit it does, 10 % outside it does not."""
    for (v, part, which), times in zip(SIDES, oscillators[:-3], strict=True):
        inside = (part > 1) == (which == 0)
        assert (times.size >= 3) if inside else (times.size == 0), (v, part, which, times.size)


def test_frequency(oscillators):
    """The slower the circuit beside the heat the closer to the quadrature, by the power 2/3 of a passage by a fold."""
    (v_th, _, _), (v_h, _, _) = folds()
    rise, fall = (1e-9 * part for part in quasi_static(3.0, 2e4))
    periods = np.asarray([np.diff(times).mean() for times in oscillators[-3:]])
    excess = periods / (rise + fall) - 1
    assert excess[1] < 0.05 and 0 < excess[2] < 0.012
    np.testing.assert_allclose(np.log10(excess[:-1] / excess[1:]), 2 / 3, atol=0.05)
    # The formula, with the leak of the open switch halfway between the thresholds and without.
    half = 0.5 * (v_th + v_h)
    leak = amps(half, brentq(lambda k: half * amps(half, k) * 2e6 - (k - 300), 300, folds()[0][1])) / half
    given = (3.0, 2e4, 1e-9, v_th, v_h)
    assert periods[2] * float(neurons.relaxation_frequency(*given, t_on=fall, g_off=leak)) == pytest.approx(1, abs=0.04)
    assert periods[2] * float(neurons.relaxation_frequency(*given, t_on=fall)) > 1.12


def test_formulas():
    f = neurons.relaxation_frequency
    assert float(f(3.0, 1e4, 1e-9, 1.0, 0.5, t_on=1e-6)) == pytest.approx(
        1 / (1e-5 * np.log(2.5 / 2) + 1e-6), rel=1e-12
    )
    # A leak is a divider and a shorter time constant.
    assert float(f(3.0, 1e4, 1e-9, 1.0, 0.5, g_off=1e-4)) == pytest.approx(
        float(f(1.5, 5e3, 1e-9, 1.0, 0.5)), rel=1e-12
    )
    silent = lambda v: f(v, 1e4, 1e-9, 1.0, 0.5)  # noqa: E731
    assert float(silent(jnp.asarray(0.9))) == 0 and float(jax.grad(silent)(jnp.asarray(0.9))) == 0
    low, high = neurons.load_window(3.0, 1.0, 0.5, 1e6, 1e3)
    assert (float(low), float(high)) == pytest.approx((5e3, 2e6))


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


# The vanadium dioxide film.


@pytest.mark.slow
def test_first_overshoot_of_a_measured_film(shared_data):
    """Under the measured current: the read-out is chosen for the settled swing, the overshoot follows within 15 %.

    The film without the read-out overshoots by 24 % more than measured, and behind it 20 ns too late.
    """
    table = np.genfromtxt(shared_data / "vo2_neuristor/trace_300mV_drive.csv", delimiter=",", names=True)
    ts, measured = 1e-9 * (table["time_ns"] - table["time_ns"][0]), 1e-3 * table["output_mV"]
    circuit = neurons.vanadium_oscillator(nj.Waveform(ts, 1e-6 * table["current_uA"]))
    record = circuit.transient(ts=ts, env=BASE, v0={"out": 0.0, "read": 0.0}, **OPTIONS)
    read, late = np.asarray(record.v["read"]), ts > 1.2e-7
    assert np.ptp(read[late]) == pytest.approx(np.ptp(measured[late]), rel=0.05)
    assert read[:60].max() == pytest.approx(measured[:60].max(), rel=0.15)
    found, period = (np.diff(crossings(ts[late], a[late], a[late].mean())).mean() for a in (read, measured))
    assert found == pytest.approx(period, rel=0.15)


@pytest.mark.slow
def test_window_and_frequency_of_a_measured_film(shared_data):
    """17 currents: on and off at the right ones, frequencies within 3 MHz rms; 5 are asked for."""
    table = np.genfromtxt(shared_data / "vo2_neuristor/f_vs_i_summary.csv", delimiter=",", names=True)
    measured, ts = table["frequency_MHz"], np.linspace(0.0, 4e-7, 2001)
    circuit = neurons.vanadium_oscillator().replace({"Iin.value": 1e-6 * table["current_uA"]})
    out = np.asarray(circuit.transient(4e-7, ts=ts, env=BASE, v0={"out": 0.0, "read": 0.0}, **OPTIONS).v["out"])
    late, found = ts > 2e-7, []
    for v in out[:, late]:
        times = crossings(ts[late], v, v.mean())
        found.append(1e-6 * (len(times) - 1) / np.ptp(times) if np.ptp(v) > 0.015 else np.nan)
    on = np.isfinite(measured)
    np.testing.assert_array_equal(np.isfinite(found), on)
    assert np.sqrt(np.mean((np.asarray(found)[on] - measured[on]) ** 2)) < 3.0


# All of them.


@rarely
def test_gradients_in_every_parameter():
    """Spike time, frequency and energy of the ovonic neuron, forward mode against central differences of fourth order.

    As elasticities (p/f) df/dp, within 1e-4 of their size, or of 1e-2 for those that are smaller.
    """
    circuit, duration = neurons.ovonic_neuron(c=2e-12, device=physics.Ovonic().replace(t_limit=3500.0)), 7e-8
    names = list(circuit.parameters())
    values = jnp.asarray([float(circuit.parameters()[n].value) for n in names])
    how: Any = dict(v0={"out": 0.0}, rtol=1e-9, atol=1e-11, gradient="forward", throw=False)
    ts = np.linspace(0.0, duration, 1401)

    def measured(logs):
        changed = circuit.replace({n: v * jnp.exp(a) for n, v, a in zip(names, values, logs, strict=True)})
        times = nj.spike_times(changed, "out", 1.3, 3, duration, ts=ts[::4], **how)
        energy = changed.transient(duration, ts=ts, progress=False, **how).energy["M1"]
        found = jnp.stack([times[..., 0], 1 / (times[..., 2] - times[..., 1]), energy[..., -1]])
        return found, found

    forward, base = jax.jacfwd(lambda a: measured(list(a)), has_aux=True)(jnp.zeros(len(names)))
    h, eye = 2e-4, np.eye(len(names))
    steps = np.concatenate([k * h * eye for k in (-2, -1, 1, 2)]).T
    there = np.asarray(measured([jnp.asarray(a) for a in steps])[0]).reshape(3, 4, len(names))
    central = np.einsum("fkp,k->fp", there, np.asarray([1, -8, 8, -1]) / (12 * h))
    found, expected = np.asarray(forward) / np.asarray(base)[:, None], central / np.asarray(base)[:, None]
    assert np.isfinite(found).all() and (np.abs(found) > 0.05).sum() > 20
    assert np.all(np.abs(found - expected) < 1e-4 * np.maximum(np.abs(expected), 1e-2))


def drawn(circuit, n, seed=0):
    """All parameters at once, log-uniform within 30 % and within their bounds."""
    rng, values = np.random.default_rng(seed), {}
    for name, p in circuit.parameters().items():
        part = np.exp(rng.uniform(np.log(0.7), np.log(1.3), n))
        values[name] = np.clip(float(p.value) * part, *p.bounds)
    return circuit.replace(values)


DRAWS = {
    "mott": (neurons.mott_neuristor, 6e-6, "out", 0.5, {}, ENV),
    "diffusive": (neurons.diffusive_neuron, 5e-4, "out", 1e-3, {}, ENV),
    "ovonic": (neurons.ovonic_neuron, 5e-7, "out", 1.29, {"out": 0.0}, ENV),
    "filament": (neurons.filament_neuron, 5e-4, "mem", 0.5, {"mem": 0.0}, ENV),
    "vanadium": (neurons.vanadium_oscillator, 1e-7, "out", 0.2, {"out": 0.0, "read": 0.0}, BASE),
}


def spikes_of_draws(name, n, rtol):
    """Whether each member got to the end, and its crossings."""
    make, duration, node, level, v0, env = DRAWS[name]
    ts = np.linspace(0.0, duration, 2001)
    circuit = drawn(make(), n)
    # A spike of the neuristor takes 400 steps, and some thousands at 1e-9.
    how = OPTIONS | dict(rtol=rtol, atol=1e-2 * rtol, throw=False, max_steps=2**20)
    record = circuit.transient(duration, ts=ts, v0=v0, env=env, **how)
    return np.asarray(record.ok), [crossings(ts, v, level) for v in np.asarray(record.v[node])]


@rarely
@pytest.mark.parametrize("name", DRAWS)
def test_random_circuits(name):
    """Every member gets to the end, and has the spikes of a tight run."""
    ok, found = spikes_of_draws(name, 10, 1e-6)
    sure, exact = spikes_of_draws(name, 10, 1e-9)
    assert ok.all() and sure.all()
    assert [a.size for a in found] == [a.size for a in exact]
    assert any(a.size for a in found)
    for k in range(10):
        assert found[k].size == 0 or found[k][0] == pytest.approx(exact[k][0], rel=0.01)
