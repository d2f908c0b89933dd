"""Thermal noise of circuits: equipartition, the spectrum of RC, the equation of Lyapunov, the theorem of Nyquist."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm, solve_continuous_lyapunov

import neurojax as nj
import physics
from physics.constants import K_B, Q
from physics.device import Environment

R, C = 1e4, 1e-14
TAU = R * C
KT = K_B * 300.0
OPTIONS = {"thermal": True, "gradient": "forward", "progress": False}


def of(device, value):
    return device(jnp.asarray(value, float))


def rc(**more):
    parts = {"R1": (of(physics.Resistor, R), "out", "gnd"), "C1": (of(physics.Capacitor, C), "out", "gnd")}
    return nj.Circuit(**parts, **more)


def equals(found, exact, independent, bias=0.0):
    """Within three standard errors of a variance of normal numbers, and what the step leaves."""
    assert abs(found / exact - 1) < 3 * np.sqrt(2 / independent) + bias, (found / exact, independent)


def test_equipartition():
    """<v^2> = kT/C (0.64 mV rms at 10 fF), at another temperature too, and nothing of R in it."""
    ts = np.linspace(6, 30, 9) * TAU
    keys = jax.random.split(jax.random.key(0), 500)
    for kelvin, ohms in ((300.0, R), (150.0, R / 2)):
        env = Environment(temperature=jnp.asarray(kelvin))
        circuit = rc().replace({"R1.resistance": ohms})
        record = circuit.transient(30 * TAU, ts=ts, key=keys, dt=TAU / 100, env=env, **OPTIONS)
        v = np.asarray(record.v["out"])
        equals(np.mean(v**2), K_B * kelvin / C, v.size, bias=1e-2 * R / ohms)
        assert abs(v.mean()) < 3 * v.std() / np.sqrt(v.size)


def test_spectrum():
    """4 kTR/(1 + (2 pi f R C)^2), one-sided, in seven octaves."""
    h, n = TAU / 40, 2**12
    ts = 10 * TAU + h * np.arange(n)
    keys = jax.random.split(jax.random.key(1), 40)
    record = rc().transient(float(ts[-1]), ts=ts, key=keys, dt=h, **OPTIONS)
    v = np.asarray(record.v["out"])
    f = np.fft.rfftfreq(n, h)[1:]
    window = np.hanning(n)
    density = 2 * h * np.abs(np.fft.rfft(window * v))[:, 1:] ** 2 / np.sum(window**2)
    exact = 4 * KT * R / (1 + (2 * np.pi * f * TAU) ** 2)
    for octave in 2.0 ** np.arange(-3, 4):
        inside = (f * 2 * np.pi * TAU > octave / 1.4) & (f * 2 * np.pi * TAU < octave * 1.4)
        ratio = density[:, inside] / exact[inside]
        # A window of Hann makes 1.5 neighbours one; that of the step is w^2 tau h/(1 + w^2 tau^2) < h/tau.
        error = np.sqrt(1.9 / ratio.size)
        assert abs(ratio.mean() - 1) < 3 * error + h / TAU, (octave, ratio.mean(), error)


def ladder():
    """Two nodes with three capacitors: the matrices of C dv/dt = -G v + noise."""
    g = np.asarray([[1 / R + 0.5 / R, -0.5 / R], [-0.5 / R, 0.5 / R + 2 / R]])
    c = np.asarray([[1.5, -0.5], [-0.5, 2.5]]) * C
    ohms = {"R1": (R, "a", "gnd"), "R2": (2 * R, "a", "b"), "R3": (R / 2, "b", "gnd")}
    farads = {"C1": (C, "a", "gnd"), "C2": (0.5 * C, "a", "b"), "C3": (2 * C, "b", "gnd")}
    parts = {n: (of(physics.Resistor, r), *at) for n, (r, *at) in ohms.items()}
    parts |= {n: (of(physics.Capacitor, r), *at) for n, (r, *at) in farads.items()}
    return nj.Circuit(**parts), g, c


def test_covariance_of_two_nodes():
    """Now and a little later: expm(A t) S, A S + S A' = -2 kT C^-1 G C^-1, which is kT C^-1 of equipartition."""
    circuit, g, c = ladder()
    inverse = np.linalg.inv(c)
    a = -inverse @ g
    exact = solve_continuous_lyapunov(a, -2 * KT * inverse @ g @ inverse)
    np.testing.assert_allclose(exact, KT * inverse, rtol=1e-9)
    later = 0.5 * TAU
    starts = np.linspace(10, 40, 7) * TAU
    ts = np.sort(np.concatenate([starts, starts + later]))
    keys = jax.random.split(jax.random.key(2), 700)
    record = circuit.transient(float(ts[-1]), ts=ts, key=keys, dt=TAU / 100, **OPTIONS)
    v = np.stack([np.asarray(record.v[n]) for n in "ab"])
    now, then = v[..., ::2].reshape(2, -1), v[..., 1::2].reshape(2, -1)
    n = now.shape[1]
    sizes = np.outer(np.diag(exact), np.diag(exact))
    for found, expected in ((now @ now.T / n, exact), (then @ now.T / n, expm(a * later) @ exact)):
        error = np.sqrt((sizes + expected**2) / n)
        assert np.all(np.abs(found - expected) < 3 * error + 0.01 * np.sqrt(sizes))
    assert abs(exact[0, 1]) > 5 * np.sqrt((sizes[0, 1] + exact[0, 1] ** 2) / n)


def test_a_node_without_a_capacitor():
    """In two halves of R the capacitor has the same noise; between them is the mean over a step, 2 kT (R/4)/h."""
    parts = {"R1": (of(physics.Resistor, R / 2), "out", "mid"), "R2": (of(physics.Resistor, R / 2), "mid", "gnd")}
    circuit = nj.Circuit(**parts, C1=(of(physics.Capacitor, C), "out", "gnd"))
    h, ts = TAU / 50, np.linspace(6, 24, 7) * TAU
    record = circuit.transient(24 * TAU, ts=ts, key=jax.random.split(jax.random.key(3), 800), dt=h, **OPTIONS)
    out, mid = np.asarray(record.v["out"]), np.asarray(record.v["mid"])
    equals(np.mean(out**2), KT / C, out.size, bias=0.02)
    own = mid - 0.5 * out
    equals(np.mean(own**2), 2 * KT * (R / 4) / h, own.size, bias=0.02)


@pytest.mark.slow
def test_between_two_floating_nodes():
    """Capacitor and resistor side by side, held to ground at one end by another resistor alone."""
    circuit = nj.Circuit(
        R1=(of(physics.Resistor, R), "a", "b"), C1=(of(physics.Capacitor, C), "a", "b"),
        R2=(of(physics.Resistor, R), "b", "gnd"),
    )  # fmt: skip
    ts = np.linspace(6, 24, 7) * TAU
    record = circuit.transient(24 * TAU, ts=ts, key=jax.random.split(jax.random.key(4), 600), dt=TAU / 100, **OPTIONS)
    across = np.asarray(record.v["a"] - record.v["b"])
    equals(np.mean(across**2), KT / C, across.size, bias=0.01)


@pytest.mark.slow
def test_inductor():
    """<i^2> = kT/L and <v^2> = kT/C of a series circuit, whose only resistance is that of the coil."""
    henry, ohms = 1e-6, 1e4
    coil = physics.Inductor().replace(inductance=henry, resistance=ohms, i_scale=1e-7)
    circuit = nj.Circuit(L1=(coil, "out", "gnd"), C1=(of(physics.Capacitor, C), "out", "gnd"))
    ts = np.linspace(2, 8, 7) * 1e-9
    keys = jax.random.split(jax.random.key(5), 600)
    record = circuit.transient(8e-9, ts=ts, key=keys, dt=4e-13, **OPTIONS)
    equals(np.mean(np.asarray(record.i["L1"]) ** 2), KT / henry, keys.size * 7, bias=0.01)
    equals(np.mean(np.asarray(record.v["out"]) ** 2), KT / C, keys.size * 7, bias=0.01)


ELEMENTS = [physics.Resistor(), physics.CurrentLimiter(), physics.Diode(i_s=jnp.asarray(1e-9)), physics.Mosfet()]


def density(device, v, env):
    """One-sided (A2/Hz), of the last port."""
    return 2 * np.ravel(np.asarray(device.agitation((), v, env)[1])) ** 2


@pytest.mark.parametrize("device", ELEMENTS, ids=lambda d: type(d).__name__)
def test_nyquist(device):
    """4 kT G at rest, whatever the element and the temperature, and a finite gradient there."""
    for kelvin in (200.0, 350.0):
        env = Environment(temperature=jnp.asarray(kelvin))
        v = jnp.zeros(device.port_shape) if not device.port_shape else jnp.asarray([0.7, 0.0])
        g = np.atleast_2d(np.asarray(device.conductance((), v, env)))[-1, -1]
        assert density(device, v, env)[-1] == pytest.approx(4 * K_B * kelvin * g, rel=1e-6)
        slope = jax.jacfwd(lambda u, env=env: device.agitation((), u, env)[1])(v)
        assert np.isfinite(np.asarray(slope)).all()


def test_shot_noise_and_channels():
    env = Environment()
    diode = ELEMENTS[2].replace(g_min=1e-18, n=1.0)
    for volts in (-0.2, 0.2):
        v = jnp.asarray(volts)
        i = float(diode.current((), v, env))
        assert density(diode, v, env)[0] == pytest.approx(2 * Q * (i + 2e-9), rel=1e-6)
    mosfet, drain = physics.Mosfet(), lambda g, d: jnp.asarray([g, d])
    weak = drain(0.1, 0.5)
    assert density(mosfet, weak, env)[1] == pytest.approx(2 * Q * float(mosfet.current((), weak, env)[1]), rel=1e-3)
    strong = drain(3.0, 3.0)
    # g_ms = n g_m, far above threshold; the source end is in strong inversion up to 2/y.
    g_ms = 1.3 * float(mosfet.conductance((), strong, env)[1, 0])
    assert density(mosfet, strong, env)[1] == pytest.approx(4 * KT * g_ms * 2 / 3, rel=0.02)


@pytest.mark.slow
def test_biased_transistor():
    """A diode-connected transistor in weak inversion with C: <dv^2> = (kT/C)/2, half the noise of a resistor 1/g."""
    load = nj.Circuit(
        I1=(nj.CurrentSource(1e-9), "gnd", "out"),
        M1=(physics.Mosfet(v_t=jnp.asarray(0.45), n=jnp.asarray(1.0)), "out", "out", "gnd"),
        C1=(of(physics.Capacitor, 1e-13), "out", "gnd"),
    )
    tau = 1e-13 * 0.02585 / 1e-9
    ts = np.linspace(6, 24, 7) * tau
    record = load.transient(24 * tau, ts=ts, key=jax.random.split(jax.random.key(6), 600), dt=tau / 100, **OPTIONS)
    v = np.asarray(record.v["out"])
    equals(v.var(), 0.5 * KT / 1e-13, v.size, bias=0.02)


def test_by_key_and_beside_others():
    keys = jax.random.split(jax.random.key(3), 3)
    how = OPTIONS | {"ts": np.linspace(0.0, 5 * TAU, 6), "dt": TAU / 20}
    together = np.asarray(rc().transient(5 * TAU, key=keys, **how).v["out"])
    alone = np.asarray(rc().transient(5 * TAU, key=keys[1], **how).v["out"])
    np.testing.assert_allclose(together[1], alone, rtol=1e-12)
    assert np.abs(together[0] - together[1]).max() > 1e-4


@pytest.mark.slow
def test_gradient_along_a_path():
    """With the same numbers drawn, v scales with sqrt(T): dv/dT = v/2T; reverse mode too."""

    def last(kelvin, gradient):
        env, how = Environment(temperature=kelvin), OPTIONS | {"gradient": gradient}
        ts = np.asarray([0.0, 5 * TAU])
        return rc().transient(5 * TAU, ts=ts, key=jax.random.key(7), dt=TAU / 20, env=env, **how).v["out"][-1]

    at = jnp.asarray(300.0)
    value = float(last(at, "forward"))
    assert float(jax.jacfwd(lambda t: last(t, "forward"))(at)) == pytest.approx(value / 600, rel=1e-9)
    assert float(jax.grad(lambda t: last(t, "reverse"))(at)) == pytest.approx(value / 600, rel=1e-9)


def test_errors_say_what_is_wrong():
    with pytest.raises(nj.CircuitError, match="give a key"):
        rc().transient(TAU, **OPTIONS)
    with pytest.raises(nj.CircuitError, match="give dt="):
        rc().transient(TAU, key=jax.random.key(0), **OPTIONS)
    with pytest.raises(nj.CircuitError, match="thermal=True adds"):
        rc().transient(TAU, key=jax.random.key(0), dt=TAU)
    quiet = nj.Circuit(V1=(1.0, "a", "gnd"), C1=(of(physics.Capacitor, C), "a", "gnd"))
    with pytest.raises(nj.CircuitError, match="nothing in this circuit"):
        quiet.transient(TAU, key=jax.random.key(0), dt=TAU, **OPTIONS)
    bent = nj.Circuit(V1=(0.1, "a", "gnd"), R1=(of(physics.Resistor, R), "a", "b"), D1=(physics.Diode(), "b", "gnd"))
    with pytest.raises(nj.CircuitError, match="Put what there is of capacitance"):
        bent.transient(TAU, key=jax.random.key(0), dt=TAU, **OPTIONS)
