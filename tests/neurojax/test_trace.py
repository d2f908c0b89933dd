"""Measured data: what is refused, what is derived, and how well the noise is told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurojax as nj

T = np.linspace(0, 1, 21)
V = np.sin(2 * np.pi * T)
I = 1e-3 * V + 1e-5  # noqa: E741


def changed(column, k, value):
    column = column.copy()
    column[k] = value
    return column


def sweep(n, cycles=1, decades=2):
    """A hysteretic sweep: two states `decades` apart, switched by jumps at +-0.8 V, current 1e-4 A g sinh v."""
    t = np.linspace(0, cycles, n)
    v = 1.5 * np.sin(2 * np.pi * t)
    on, state = np.zeros(n), 0.0
    for k in range(n):
        state = 1.0 if v[k] > 0.8 else 0.0 if v[k] < -0.8 else state
        on[k] = state
    return t, v, 1e-4 * np.sinh(v) * (on + (1 - on) * 10.0**-decades)


WRONG = {
    "lengths": ((T, V[:-1], I), {}, "columns of different length .*Cut them"),
    "matrix": ((T, np.ones((21, 2)), I), {}, r"v has shape \(21, 2\) and i \(21,\). Several ports"),
    "too few": ((T[:7], V[:7], I[:7]), {}, "only 7 samples; at least 8"),
    "NaN": ((T, V, changed(I, 4, np.nan)), {}, "i is nan at sample 4.*Remove or repair"),
    "infinite": ((T, changed(V, 2, np.inf), I), {}, "v is inf at sample 2"),
    "repeated time": ((changed(T, 4, T[3]), V, I), {}, "at sample 3 occurs twice; average or drop"),
    "swapped time": ((changed(T, 4, T[2]), V, I), {}, "at sample 3 is followed by.*sort the rows"),
    "restart": ((np.tile(T[:11], 2)[:21], V, I), {}, r"clock restarts \(2 cycles"),
    "constant voltage": ((T, 0 * V + 0.3, I), {}, r"voltage is constant \(0.3 V\)"),
    "millivolts": ((T, 2e4 * V, I), {}, "reaches 20000 V. Is the column in mV"),
    "microamperes": ((T, V, 1e7 * I), {}, "Is the column in mA, uA or nA"),
    "no current": ((T, V, 0 * I), {}, "zero everywhere"),
    "floor": ((T, V, I), {"noise_floor": 0.0}, "noise_floor = 0.0 must be positive"),
    "relative": ((T, V, I), {"noise_relative": -0.1}, "noise_relative = -0.1 must be positive"),
    "sigma": ((T, V, I), {"sigma": np.ones(3)}, "one positive number a sample"),
    "sigma zero": ((T, V, I), {"sigma": np.zeros(21)}, "one positive number a sample"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_traces_are_explained(name):
    columns, keywords, says = WRONG[name]
    with pytest.raises(nj.DataError, match=says):
        nj.Trace(*columns, **keywords)


WRONG_PULSES = {
    "lengths": (([1.0, 2.0], 1e-6, [1e-5] * 3), {}, "columns of different length"),
    "width": (([1.0, 2.0], [1e-6, -1e-6], [1e-5, 1e-5]), {}, r"width\[1\] = -1e-06 must be positive"),
    "conductance": (([1.0, 2.0], 1e-6, [1e-5, 0.0]), {}, r"conductance\[1\] = 0 must be positive"),
    "amplitude": (([1.0, 2e4], 1e-6, [1e-5, 1e-5]), {}, "20000 V. Is the column in mV"),
    "initial": (([1.0], 1e-6, [1e-5]), {"initial": -1.0}, "initial = -1.0 S must be positive"),
    "rest": (([1.0], 1e-6, [1e-5]), {"rest": 0.0}, "must be positive"),
    "v_read": (([1.0], 1e-6, [1e-5]), {"v_read": 0.0}, "v_read not zero"),
}


@pytest.mark.parametrize("name", WRONG_PULSES)
def test_wrong_pulses_are_explained(name):
    columns, keywords, says = WRONG_PULSES[name]
    with pytest.raises(nj.DataError, match=says):
        nj.PulseTrace(*columns, **keywords)


def test_data_cannot_change_behind_the_fit():
    trace = nj.Trace(T, V, I)
    with pytest.raises(ValueError, match="read-only"):
        trace.i[0] = 1.0
    assert V.flags.writeable
    assert trace.hash() == nj.Trace(list(T), V, I).hash()
    assert trace.hash() != nj.Trace(T, V, changed(I, 3, 0.0)).hash()


def test_parts():
    trace = nj.Trace(T + 5, V, I, sigma=np.arange(1.0, 22), notes=("assumed",), source="a file")
    half = trace.head(0.5)
    assert (half.t[0], half.n, len(half.sigma), half.source) == (0.0, 10, 10, "a file")
    even = trace.subset(np.arange(21) % 2 == 0)
    np.testing.assert_array_equal(even.t, trace.t[::2])
    np.testing.assert_array_equal(even.sigma, trace.sigma[::2])
    with pytest.raises(nj.DataError, match=r"mask has shape \(3,\) for 21 samples"):
        trace.subset(np.ones(3, dtype=bool))
    assert trace.duration == pytest.approx(1.0)
    for word in ("21 samples", "a file", "assumed", "noise"):
        assert word in trace.summary()


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("start", [0.0, 0.4])
def test_cycles(noise, start):
    t = np.linspace(0, 12, 601)
    v = np.interp((t + start) % 4, [0, 1, 3, 4], [0, 1, -1, 0])
    v = v + noise * np.random.default_rng(0).standard_normal(601)
    parts = nj.Trace(t, v, 1e-3 * v + 1e-6).cycles()
    assert len(parts) == 3
    for part in parts:
        assert part.t[0] == 0
        assert part.duration == pytest.approx(4, abs=0.15)
    one = nj.Trace(t[:201], v[:201], 1e-3 * v[:201] + 1e-6)
    assert len(one.cycles()) == 1 and one.cycles()[0].n == 201


def test_a_rest_after_the_sweep_is_no_cycle():
    t = np.linspace(0, 2, 201)
    v = np.interp(t, [0, 0.5, 1, 2], [0, 1, 0, 0]) + 1e-3 * np.random.default_rng(0).standard_normal(201)
    assert len(nj.Trace(t, v, v).cycles()) == 1


def test_waveform_of_a_trace():
    t = np.linspace(0, 4, 401)
    v = np.interp(t, [0, 1, 3, 4], [0, 1, -1, 0])
    wave = nj.Trace(t, v, v).waveform()
    assert len(wave.t) == 4
    np.testing.assert_allclose(jax.vmap(wave)(jnp.asarray(t)), v, atol=1e-8)


def test_readings_lie_in_the_rests():
    pulses = nj.PulseTrace([1.0, -2.0, 0.5], [1e-6, 2e-6, 4e-6], [1e-5] * 3, rise=1e-7, rest=3e-6, initial=2e-5)
    period = 2e-7 + pulses.width + 3e-6
    np.testing.assert_allclose(pulses.read_times(), np.cumsum(period) - 1.5e-6)
    wave = pulses.waveform()
    assert float(wave.duration) == pytest.approx(pulses.duration) == pytest.approx(period.sum())
    for shift in (-1.4e-6, 0.0, 1.4e-6):
        np.testing.assert_array_equal(jax.vmap(wave)(jnp.asarray(pulses.read_times() + shift)), 0.0)
    tops = np.cumsum(period) - 3e-6 - 1e-7 - pulses.width / 2
    np.testing.assert_allclose(jax.vmap(wave)(jnp.asarray(tops)), pulses.amplitude)
    np.testing.assert_array_equal(pulses.single(1).amplitude, [-2.0])
    assert "3 pulses" in pulses.summary()


def test_plots():
    assert nj.Trace(T, V, I).plot().get_xlabel()
    assert nj.PulseTrace([1.0, 2.0], 1e-6, [1e-5, 2e-5]).plot().get_ylabel()


@pytest.mark.parametrize(
    ("n", "floor", "relative"), [(400, 1e-7, 0.02), (400, 1e-7, 0.005), (2000, 1e-8, 0.05), (2000, 1e-6, 0.02)]
)
def test_noise_is_found(n, floor, relative):
    t, v, i = sweep(n)
    # Ten seeds: the typical estimate is right to 10 %, the worst to 36 %.
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        noisy = i * (1 + relative * rng.standard_normal(n)) + floor * rng.standard_normal(n)
        found.append(nj.Trace(t, v, noisy).noise())
    found = np.array(found) / [floor, relative]
    np.testing.assert_allclose(np.median(found, axis=0), 1, atol=0.1)
    np.testing.assert_allclose(found, 1, atol=0.36)


def test_no_relative_noise_where_there_is_none():
    t, v, i = sweep(400)
    floor, relative = nj.Trace(t, v, i + 1e-6 * np.random.default_rng(0).standard_normal(400)).noise()
    assert floor == pytest.approx(1e-6, rel=0.2)
    assert relative < 0.005


@pytest.mark.parametrize("signal", [sweep(2000)[2], np.linspace(-1, 1, 100), np.sinh(np.linspace(-5, 5, 400))])
def test_smooth_signals_are_not_noisy(signal):
    floor, relative = nj.Trace(np.arange(len(signal)), np.linspace(0, 1, len(signal)), signal).noise()
    assert floor == pytest.approx(1e-6 * np.max(np.abs(signal)))
    assert relative < 1e-5


def test_quantisation_is_a_floor():
    t, v, i = sweep(2000)
    floor, relative = nj.Trace(t, v, np.round(i / 1e-7) * 1e-7).noise()
    assert floor == pytest.approx(1e-7 / np.sqrt(12), rel=0.3)
    assert relative < 1e-3


def test_given_noise_is_taken():
    assert nj.Trace(T, V, I, noise_floor=1e-9, noise_relative=0.3).noise() == (1e-9, 0.3)
    assert nj.Trace(T, V, I, noise_floor=1e-9).noise()[0] == 1e-9


def test_noise_of_pulses():
    rng = np.random.default_rng(0)
    ramp = np.linspace(1e-5, 9e-5, 300)
    floor, relative = nj.PulseTrace(1.0, 1e-6, ramp + 5e-7 * rng.standard_normal(300)).noise()
    assert np.sqrt(floor**2 + (relative * 5e-5) ** 2) == pytest.approx(5e-7, rel=0.2)
    # Independent pulses of random height: neighbours say nothing, equal pulses do.
    height = rng.integers(1, 11, 600).astype(float)
    scattered = 1e-5 * height * (1 + 0.1 * rng.standard_normal(600))
    floor, relative = nj.PulseTrace(height, 1e-6, scattered, independent=True).noise()
    assert relative == pytest.approx(0.1, rel=0.2)
    assert nj.PulseTrace(height, 1e-6, scattered).noise()[0] > 10 * floor
