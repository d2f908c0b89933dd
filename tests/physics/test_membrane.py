"""Channels against published kinetics, closed forms, SciPy; Hodgkin and Huxley's axon as a circuit; gap junctions.

Contracts of all of them are in `tests/neurojax/test_testing.py`, receptors in `test_receptors.py`.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import RARELY
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

import neurojax as nj
import physics
from neurojax.catalogue import device_named
from neurojax.spikes import spike_times
from neurojax.testing.draws import answer, draws
from physics.alamethicin import Alamethicin
from physics.membrane import linoid
from physics.quantity import with_values

COLD = physics.Environment(temperature=jnp.asarray(279.45))
SODIUM, POTASSIUM = physics.SodiumChannel(), physics.PotassiumChannel()
CENTIMETRE2 = 1e-4
REST = {"in": -65e-3}
EXACT = dict(rtol=1e-9, atol=1e-11, gradient="forward", progress=False)
NAMES = (
    "Alamethicin", "Ampa", "BrunelWangAmpa", "BrunelWangGabaA", "BrunelWangNmda", "CalciumChannel", "GabaA",
    "LeakChannel", "Nmda", "PotassiumChannel", "SodiumChannel",
)  # fmt: skip


def axon(current, sodium=SODIUM):
    """1 cm2 of membrane: 1 uF, the three channels, and a current (A)."""
    return nj.Circuit(
        I1=(nj.CurrentSource(0.0), "gnd", "in"), C1=(physics.Capacitor(1e-6), "in", "gnd"),
        Na=(sodium.replace(area=CENTIMETRE2), "in", "gnd"), K=(physics.PotassiumChannel(CENTIMETRE2), "in", "gnd"),
        L=(physics.LeakChannel(CENTIMETRE2), "in", "gnd"),
    ).replace({"I1.value": current})  # fmt: skip


def volts(value):
    return jnp.asarray(value, dtype=float)


@pytest.mark.parametrize("name", NAMES)
def test_finite_up_to_a_volt(name):
    """Values and slopes over the whole box of parameters, in both precisions, from 100 to 600 K; gates at the start."""
    device = device_named(name)
    drawn = draws(device, 200, 3)
    rng = np.random.default_rng(4)
    shape = drawn.v.shape
    drawn = drawn._replace(
        v=jnp.asarray(rng.uniform(-1, 1, shape)), kelvin=jnp.asarray(rng.uniform(100, 600, shape[0]))
    )
    slopes = jax.jit(jax.vmap(lambda d: (answer(device, d), jax.jacfwd(lambda e: answer(device, e))(d))))
    start = lambda values: jax.tree.leaves(with_values(device, values).init(COLD))  # noqa: E731
    starts = jax.jit(jax.vmap(lambda values: (start(values), jax.jacfwd(start)(values))))
    for dtype in (jnp.float64, jnp.float32):
        cast = jax.tree.map(lambda a, dtype=dtype: a.astype(dtype), drawn)
        found = jax.tree.leaves((slopes(cast), starts(cast.values)))
        assert all(bool(jnp.isfinite(a).all()) and a.dtype == dtype for a in found)


def test_nernst_and_ghk():
    """Squid axon at 20 C, a mammal at 37 C."""
    assert 1e3 * float(physics.nernst(math.e, 1.0, 1.0, 279.45)) == pytest.approx(24.081138, abs=1e-6)
    assert 1e3 * float(physics.nernst(20.0, 400.0, 1.0, 293.15)) == pytest.approx(-75.677327, abs=1e-6)
    assert 1e3 * float(physics.nernst(440.0, 50.0, 1.0, 293.15)) == pytest.approx(54.937953, abs=1e-6)
    sign = jnp.asarray([1.0, 1.0, -1.0])
    for permeability, outside, inside, kelvin, expected in (
        ([1.0, 0.04, 0.45], [20.0, 440.0, 560.0], [400.0, 50.0, 52.0], 293.15, -59.926680),
        ([1.0, 0.05, 0.45], [5.0, 145.0, 110.0], [140.0, 15.0, 10.0], 310.15, -64.944198),
    ):
        found = physics.ghk(*(jnp.asarray(a) for a in (permeability, outside, inside)), sign, kelvin)
        assert 1e3 * float(found) == pytest.approx(expected, abs=1e-6)
    alone = physics.ghk(
        jnp.asarray([0.0, 0.0, 1.0]), jnp.asarray([5.0, 145.0, 110.0]), jnp.asarray([140.0, 15.0, 10.0]), sign, 310.15
    )
    assert float(alone) == pytest.approx(float(physics.nernst(110.0, 10.0, -1.0, 310.15)), rel=1e-12)


def test_pump():
    """A pump of three sodium for two potassium ions carries a current I_p outwards, which shifts rest by -I_p/g from
    where it is by the batteries of the channels, and the channels carry as much inwards."""
    g_na, g_k, e_na, e_k, pump = 2e-6, 5e-5, 54.937953e-3, -75.677327e-3, 1e-7
    channel = lambda g, e: (physics.LeakChannel(1e-4, g_bar=g / 1e-4, e_rev=e), "in", "gnd")  # noqa: E731
    circuit = nj.Circuit(
        Na=channel(g_na, e_na), K=channel(g_k, e_k), C1=(physics.Capacitor(1e-6), "in", "gnd"),
        I1=(nj.CurrentSource(0.0), "in", "gnd"),
    ).replace({"I1.value": np.asarray([0.0, pump, 3 * pump])})  # fmt: skip
    record = circuit.transient(2.0, ts=[0.0, 1.0, 2.0], **EXACT)
    v, still = np.asarray(record.v["in"])[:, -1], (g_na * e_na + g_k * e_k) / (g_na + g_k)
    assert v - still == pytest.approx(-np.asarray([0.0, 1.0, 3.0]) * pump / (g_na + g_k), rel=1e-9, abs=1e-12)
    inwards = -np.asarray(record.i["Na"] + record.i["K"])[:, -1]
    assert inwards == pytest.approx(np.asarray([0.0, 1.0, 3.0]) * pump, rel=1e-8, abs=1e-15)


def test_linoid():
    x = np.asarray([-700.0, -30.0, -0.5000001, -0.4999999, -1e-3, 1e-3, 0.4999999, 0.5000001, 30.0, 700.0])
    exact = np.asarray([-x / -math.expm1(-x) if x < 0 else x / -math.expm1(-x) for x in x]) * np.sign(x)
    np.testing.assert_allclose(linoid(jnp.asarray(x)), exact, rtol=1e-14)
    slope, curvature = (jax.jit(jax.vmap(f)) for f in (jax.grad(linoid), jax.grad(jax.grad(linoid))))
    slopes = [f(jnp.asarray(x)) for f in (slope, curvature)]
    assert all(bool(jnp.isfinite(s).all()) for s in slopes)
    first, second = (s[jnp.asarray([2, 3])] for s in slopes)
    assert float(first[1] - first[0]) == pytest.approx(2e-7 * float(second[0]), rel=1e-5)
    at = jnp.zeros(1)
    found = [float(f(at)[0]) for f in (linoid, slope, curvature)]
    assert found == pytest.approx([1.0, 0.5, 1 / 6], rel=1e-15)


def test_rates_and_gates():
    """Rates (1/ms) at -65 mV, steady gates there and at -40 mV, where alpha_m is 0/0."""
    (a, b), (a_n, b_n) = SODIUM.rates(volts(-65e-3), COLD), POTASSIUM.rates(volts(-65e-3), COLD)
    found = [1e-3 * float(r) for r in (a.m, b.m, a.h, b.h, a_n.n, b_n.n)]
    np.testing.assert_allclose(found, [0.223564, 4.0, 0.07, 0.047426, 0.058198, 0.125], atol=5e-7)
    for v, expected in ((-65e-3, [0.052932, 0.596121, 0.317677]), (-40e-3, [0.500649, 0.050441, 0.678591])):
        gates = SODIUM.replace(v_init=v).init(COLD), POTASSIUM.replace(v_init=v).init(COLD)
        np.testing.assert_allclose([gates[0].m, gates[0].h, gates[1].n], expected, atol=5e-7)
    warm = physics.Environment(temperature=jnp.asarray(289.45))
    assert float(SODIUM.rates(volts(-65e-3), warm)[0].m) == pytest.approx(3 * float(a.m), rel=1e-12)
    knee = jax.grad(jax.grad(lambda v: POTASSIUM.rates(v, COLD)[0].n))(volts(-55e-3))
    assert float(knee) == pytest.approx(100.0 / 6 / 1e-4, rel=1e-12)


def test_rest():
    leak = physics.LeakChannel()

    @jax.jit
    def total(v):
        channels = SODIUM.replace(v_init=v), POTASSIUM.replace(v_init=v), leak
        return sum(c.current(c.init(COLD), v, COLD) for c in channels)

    rest = brentq(lambda v: float(total(volts(v))), -80e-3, -50e-3, xtol=1e-13)
    assert 1e3 * rest == pytest.approx(-64.996379, abs=1e-6)


def test_spikes_of_the_axon():
    """300 ms at seven currents: none, one, three, and repetitive firing from 6.3 uA/cm2; ends of the last interval.

    Highest and lowest voltage as given are those of samples; between them the equations go to 40.26884 and -75.07821
    mV, by a method of order 8 with events where V' = 0, and so does a parabola through three samples.
    """
    ts = np.linspace(0.0, 0.3, 60_001)
    circuit = axon(1e-6 * np.asarray([2.0, 2.3, 6.2, 6.3, 7.0, 10.0, 20.0]))
    v = np.asarray(circuit.transient(0.3, ts=ts, v0=REST, env=COLD, **EXACT).v["in"])
    times = []
    for row in v:
        k = np.flatnonzero((row[:-1] < 0) & (row[1:] >= 0))
        times.append(1e3 * (ts[k] - row[k] * (ts[k + 1] - ts[k]) / (row[k + 1] - row[k])))
    assert [len(t) for t in times] == [0, 1, 3, 16, 18, 21, 26]
    np.testing.assert_allclose([times[k][0] for k in (1, 3, 5, 6)], [7.230648, 2.546161, 1.900972, 1.270734], atol=1e-4)
    np.testing.assert_allclose([np.diff(times[k])[-1] for k in (3, 5, 6)], [19.094602, 14.63621, 11.564697], atol=1e-4)
    np.testing.assert_allclose([1e3 * v[5].max(), 1e3 * v[5].min()], [40.267, -75.078], atol=5e-4)
    for k, exact in ((v[5].argmax(), 40.268842), (v[5].argmin(), -75.078207)):
        left, top, right = 1e3 * v[5, k - 1 : k + 2]
        assert top - (right - left) ** 2 / (8 * (left - 2 * top + right)) == pytest.approx(exact, abs=1e-4)


@pytest.mark.parametrize(
    "gradient", [pytest.param("forward", marks=pytest.mark.slow), pytest.param("reverse", marks=RARELY)]
)
def test_first_spike_and_its_slope_along_a_conductance(gradient):
    """Against the difference of members beside it, of the same run."""

    def times(g):
        circuit = axon(1e-5, with_values(SODIUM, {"g_bar": g}))
        return spike_times(circuit, "in", 0.0, 1, 2.5e-3, ts=ts, v0=REST, env=COLD, gradient=gradient, **exact)[:, 0]

    ts, exact = np.linspace(0, 2.5e-3, 101), dict(rtol=1e-10, atol=1e-12, throw=False)
    g, middle = jnp.asarray([1199.0, 1200.0, 1201.0]), jnp.asarray([0.0, 1.0, 0.0])
    if gradient == "forward":
        found, slope = jax.jvp(times, (g,), (middle,))
    else:
        found, pull = jax.vjp(times, g)
        (slope,) = pull(middle)
    assert 1e3 * float(found[1]) == pytest.approx(1.900972, abs=1e-6)
    assert float(slope[1]) == pytest.approx(float(found[2] - found[0]) / 2, rel=1e-4) and float(slope[1]) < 0
    assert float(jnp.abs(slope[::2]).max()) == 0.0


def hodgkin_huxley(t, y, i=10.0):
    """Written out in mV, ms, uA/cm2."""
    del t
    v, m, h, n = y
    a_m = 0.1 * (v + 40) / -math.expm1(-(v + 40) / 10)
    a_n = 0.01 * (v + 55) / -math.expm1(-(v + 55) / 10)
    a_h, b_h = 0.07 * math.exp(-(v + 65) / 20), 1 / (1 + math.exp(-(v + 35) / 10))
    b_m, b_n = 4 * math.exp(-(v + 65) / 18), 0.125 * math.exp(-(v + 65) / 80)
    ions = 120 * m**3 * h * (v - 50) + 36 * n**4 * (v + 77) + 0.3 * (v + 54.387)
    return [i - ions, a_m * (1 - m) - b_m * m, a_h * (1 - h) - b_h * h, a_n * (1 - n) - b_n * n]


def test_two_memristors_are_the_equations_written_out():
    """Voltage (over 100 mV) and gates of two channels as memristors in a circuit, within 1e-10 at the 81 times."""
    ts = np.linspace(0.0, 20.0, 81)
    start = [-65.0, *(float(g) for g in jax.tree.leaves((SODIUM.init(COLD), POTASSIUM.init(COLD))))]
    exact = solve_ivp(hodgkin_huxley, (0.0, 20.0), start, method="DOP853", t_eval=ts, rtol=1e-13, atol=1e-13).y
    record = axon(1e-5).transient(20e-3, ts=1e-3 * ts, v0=REST, env=COLD, **(EXACT | dict(rtol=1e-11, atol=1e-13)))
    found = [1e3 * record.v["in"], record.x["Na"].m, record.x["Na"].h, record.x["K"].n]
    np.testing.assert_allclose(
        np.asarray(found) / [[100.0], [1.0], [1.0], [1.0]], exact / [[100.0], [1], [1], [1]], rtol=0, atol=1e-10
    )


def test_potassium_is_a_memristor():
    """Pinched where V = E, and no loop is left at high frequency."""
    loops = []
    for period in (20e-3, 2e-3, 2e-4, 2e-6):
        wave = nj.Waveform(
            period * np.asarray([0.0, 0.25, 0.75, 1.0]), np.asarray([-77.0, -27.0, -127.0, -77.0]) * 1e-3
        )
        ts = np.linspace(0.0, period, 401)
        record = nj.simulate(POTASSIUM, wave, ts=ts, env=COLD, rtol=1e-9, atol=1e-11)
        i, v = np.asarray(record.i), np.interp(ts, np.asarray(wave.t), np.asarray(wave.v))
        assert np.abs(i[[0, 200, 400]]).max() < 1e-9 * np.abs(i).max()
        loops.append(abs(np.trapezoid(i[:201], v[:201])) / (0.1 * np.abs(i[:201]).max()))
    assert loops[0] > 0.1 and loops[2] < 0.1 * loops[0] and loops[3] < 1e-3


@pytest.mark.parametrize("device", [SODIUM, POTASSIUM, Alamethicin()], ids=lambda d: type(d).__name__)
def test_lobe_falls_as_one_over_the_frequency(device):
    """Area between the ways up and down in V > E of the second period of a sine, once it is fast for the gates."""
    e = float(getattr(device, "e_rev", 0.0))
    device = device.replace(v_init=e) if e else device
    phase = np.linspace(0.0, 4 * np.pi, 401)
    areas = []
    for f in (1e5, 1e6, 1e7):
        v = e + 0.05 * np.sin(phase)
        ts = phase / (2 * np.pi * f)
        record = nj.simulate(device, nj.Waveform(ts, v), ts=ts, env=COLD, **(EXACT | dict(atol=1e-13)))
        i, v = np.asarray(record.i)[200:301], v[200:301]
        assert abs(i[0]) < 1e-9 * i.max() and abs(i[100]) < 1e-9 * i.max()
        areas.append(abs(np.trapezoid(i, v)))
    assert areas[0] > 0
    np.testing.assert_allclose([areas[0] / areas[1], areas[1] / areas[2]], 10.0, rtol=0.02)


def test_alamethicin():
    """Closed forms of a step; two lobes that are alike, and pinched; passive."""
    device = Alamethicin()
    ts = np.asarray([0.0, 0.02, 0.1, 1.0, 1.01, 1.02])
    wave = nj.Waveform([0.0, 1.0, 1.0, 1.1], [0.13, 0.13, 0.0, 0.0])
    n = np.asarray(nj.simulate(device, wave, ts=ts, **EXACT).x.n)
    size = math.hypot(0.13, 1e-3) - 1e-3
    steady, tau, none = (
        1 / (math.exp((0.12 - size) / 5.3e-3) + 1e-4),
        5e-3 * math.exp(size / 0.05),
        math.exp(-0.12 / 5.3e-3),
    )
    np.testing.assert_allclose(n[:4], steady - (steady - none) * np.exp(-ts[:4] / tau), rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(n[4:], n[3] * np.exp(-(ts[4:] - 1) / 5e-3), rtol=1e-6)
    phase = np.linspace(0.0, 4 * np.pi, 401)
    v = 0.15 * np.sin(phase)
    record = nj.simulate(device, nj.Waveform(phase / (2 * np.pi), v), ts=phase / (2 * np.pi), **EXACT)
    i = np.asarray(record.i)[200:]
    np.testing.assert_allclose(i[:101], -i[100:], rtol=1e-3, atol=1e-3 * i.max())
    up, down = i[25], i[75]  # both at 0.106 V
    assert down > 1.5 * up > 0 and abs(i[100]) < 1e-12 * i.max()


def test_calcium_against_scipy():
    """Under a step to 0 mV for 5 ms, and the decay of the pool after it."""
    wave = nj.Waveform([0.0, 1e-6, 5e-3, 5.001e-3, 65e-3], [-65e-3, 0.0, 0.0, -90e-3, -90e-3])
    ts = np.asarray([1e-3, 5e-3, 20e-3, 50e-3, 65e-3])
    channel = physics.CalciumChannel()
    known = {n: float(p.value) for n, p in channel.parameters().items()}
    p = lambda name: known[name]  # noqa: E731
    gates = lambda v: (1 / (1 + np.exp((p("v_m") - v) / p("s_m"))), 1 / (1 + np.exp((v - p("v_h")) / p("s_h"))))  # noqa: E731
    current = lambda m, h, v: p("area") * p("g_bar") * m * m * h * (v - p("e_rev"))  # noqa: E731
    k = 1 / (2 * 96485.33212 * p("area") * p("depth"))

    def slopes(t, y):
        v = np.interp(t, np.asarray(wave.t), np.asarray(wave.v))
        m, h = gates(v)
        pool = -k * current(y[0], y[1], v) - (y[2] - p("ca_rest")) / p("tau_ca")
        return [(m - y[0]) / p("tau_m"), (h - y[1]) / p("tau_h"), pool]

    m, h = gates(-65e-3)
    start = [m, h, p("ca_rest") - k * p("tau_ca") * current(m, h, -65e-3)]
    exact = solve_ivp(slopes, (0, 65e-3), start, t_eval=ts, rtol=1e-11, atol=1e-14, method="LSODA", max_step=1e-4).y
    record = nj.simulate(channel, wave, ts=ts, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose([record.x.m, record.x.h], exact[:2], rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(channel.calcium)(record.x), exact[2], rtol=1e-6)
    excess = exact[2] - p("ca_rest")
    assert excess[1] > 5 * p("ca_rest") and excess[4] / excess[3] == pytest.approx(math.exp(-15 / 30), rel=1e-3)


def test_electrical_synapse():
    """A resistor between two cells: the one that is not clamped follows by g_j/(g_j + g_L) = 1/4, both ways."""
    leak = physics.LeakChannel(1e-9, g_bar=3.0)
    pair = lambda a, b: {a.upper(): (leak, a, "gnd"), b.upper(): (leak, b, "gnd"), f"J{a}": (joint, a, b)}  # noqa: E731
    joint = physics.Resistor(1e9)
    circuit = nj.Circuit(V1=(-40e-3, "a", "gnd"), V2=(-40e-3, "d", "gnd"), **pair("a", "b"), **pair("c", "d"))
    v = circuit.transient(1.0, ts=[0.0, 1.0], **EXACT).v
    for far in ("b", "c"):
        assert (float(v[far][-1]) + 54.387e-3) / (-40e-3 + 54.387e-3) == pytest.approx(0.25, rel=1e-6)


def test_electrical_synapse_has_no_delay():
    """Without a capacitor the other cell follows a clamped one at once, at every sample of a sine; with one it sets off
    with the step, C V' = g_j (V1 - V) at a nanosecond, and what leaves one cell enters the other."""
    leak, joint, e = physics.LeakChannel(1e-9, g_bar=3.0), physics.Resistor(1e9), -54.387e-3
    t = np.linspace(0.0, 1e-2, 101)
    sine = nj.Waveform(t, e + 20e-3 * np.sin(2e3 * np.pi * t))
    circuit = nj.Circuit(V1=(sine, "a", "gnd"), B=(leak, "b", "gnd"), J=(joint, "a", "b"))
    v = circuit.transient(ts=t, **EXACT).v
    np.testing.assert_allclose(v["b"] - e, 0.25 * (v["a"] - e), rtol=0, atol=1e-12)
    step = nj.Waveform([0.0, 1e-2], [e + 20e-3] * 2)
    cells = dict(B=(leak, "b", "gnd"), C1=(physics.Capacitor(1e-12), "b", "gnd"), J=(joint, "a", "b"))
    ts = np.asarray([0.0, 1e-9, 1e-6, 1e-3, 1e-2])
    record = nj.Circuit(V1=(step, "a", "gnd"), **cells).transient(ts=ts, v0={"b": e}, **EXACT)
    rise = np.asarray(record.v["b"]) - e
    np.testing.assert_allclose(rise, -5e-3 * np.expm1(-ts * 4e-9 / 1e-12), rtol=1e-7, atol=1e-14)
    np.testing.assert_allclose(record.i["J"], 1e-9 * (record.v["a"] - record.v["b"]), rtol=1e-12)
    assert np.asarray(record.i["V1"]) == pytest.approx(-np.asarray(record.i["J"]), rel=1e-12)
