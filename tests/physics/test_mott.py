"""NbO2Mott against the numbers of an independent SciPy script and the closed form of its static curve."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from physics.device import Environment
from physics.mott import NbO2Mott

ENV = Environment(temperature=jnp.asarray(296.0))
DEVICE = NbO2Mott()


def logit(u):
    return np.log(u / (1 - u))


def state(u):
    return NbO2Mott.State(y=jnp.asarray(logit(u)))


static = jax.jit(lambda device, y: device.static_voltage(NbO2Mott.State(y=y), ENV))
slope = jax.jit(jax.grad(lambda y, device: device.static_voltage(NbO2Mott.State(y=y), ENV)))
enthalpy = jax.jit(jax.vmap(lambda u: DEVICE.enthalpy_slope(NbO2Mott.State(y=jnp.log(u / (1 - u))), ENV)))


def fold(device, low, high):
    """The y between two u where the static voltage has its extremum."""
    return brentq(lambda y: float(slope(jnp.asarray(y), device)), logit(low), logit(high), xtol=1e-13)


class BehindResistor:
    """The switch in series with R_s; `integrate` sees it as a device under the voltage of the source."""

    def __init__(self, r_s, device=DEVICE):
        self.r_s, self.device = r_s, device

    def rate(self, x, v, env):
        r = self.device.resistance(x)
        return self.device.rate(x, v * r / (r + self.r_s), env)


def time_to(u, v, start, r_s, device=DEVICE):
    end = lambda y: y[0] - logit(u)  # noqa: E731
    return integrate(BehindResistor(r_s, device), lambda t: v, (0.0, 1e-7), state(start), ENV, event=end)[0][-1]


def test_resistance():
    assert float(DEVICE.resistance(state(1e-9))) == pytest.approx(70735.53, rel=2e-7)
    assert float(DEVICE.resistance(state(1 - 1e-12))) == pytest.approx(707.355, rel=1e-6)


def test_resistance_and_loss_of_the_neuristor():
    """With 3e-4 ohm m in the metal; the heat conductance is V^2/(R dT) where nothing moves."""
    device = DEVICE.replace(rho_m=3e-4)
    found = [float(device.resistance(state(u))) for u in (1e-9, 0.1, 0.5, 1 - 1e-12)]
    np.testing.assert_allclose(found, [70735.530, 53452.542, 7787.398, 2122.066], rtol=3e-7)
    loss = float(static(device, state(0.1).y)) ** 2 / found[1] / (1080.0 - float(ENV.temperature))
    assert loss == pytest.approx(8.186258e-8, rel=1e-7)


def test_static_curve():
    expected = [1.603222, 1.510404, 0.765290, 1.105445]
    found = [float(static(DEVICE, state(u).y)) for u in (0.02, 0.1, 0.5, 0.9)]
    np.testing.assert_allclose(found, expected, rtol=4e-7)
    for u in (0.02, 0.1, 0.5, 0.9):
        x = state(u)
        assert abs(float(DEVICE.rate(x, static(DEVICE, x.y), ENV).y)) < 1e-12 * abs(
            float(DEVICE.rate(x, jnp.zeros(()), ENV).y)
        )


@pytest.mark.parametrize(
    ("low", "high", "u", "volts", "amps"),
    [(0.01, 0.2, 0.0438462, 1.675814, 2.820033e-5), (0.3, 0.9, 0.598025, 0.747324, 3.846290e-4)],
)
def test_folds(low, high, u, volts, amps):
    """V_th and V_hold; at a fold of V^2 = R Gamma dT, 1 + k u^2 = 2 k u^2 ln(1/u) with k = rho_i/rho_m - 1."""
    y = fold(DEVICE, low, high)
    found, at = 1 / (1 + np.exp(-y)), jnp.asarray(y)
    assert found == pytest.approx(u, rel=1e-6)
    assert 1 + 99 * found**2 == pytest.approx(2 * 99 * found**2 * np.log(1 / found), rel=1e-9)
    assert float(static(DEVICE, at)) == pytest.approx(volts, rel=4e-7)
    closed = 7.073553e4 / (1 + 99 * found**2) * 2 * np.pi * 20e-9 * 1.5 / np.log(1 / found) * 784
    assert float(static(DEVICE, at)) == pytest.approx(np.sqrt(closed), rel=1e-7)
    assert float(static(DEVICE, at) / DEVICE.resistance(NbO2Mott.State(y=at))) == pytest.approx(amps, rel=4e-7)


def test_circuit_of_the_neuristor_has_a_shorter_channel():
    short = DEVICE.replace(length=12e-9)
    assert float(static(short, jnp.asarray(fold(short, 0.01, 0.2)))) == pytest.approx(1.00549, rel=4e-6)
    assert float(static(short, jnp.asarray(fold(short, 0.3, 0.9)))) == pytest.approx(0.448394, rel=2e-6)


def test_threshold_sensitivities():
    """At a fold the partial derivative is the whole one."""
    y = jnp.asarray(fold(DEVICE, 0.01, 0.2))
    by = jax.grad(lambda device: jnp.log(static(device, y)))(DEVICE)
    assert float(by.rho_i * DEVICE.rho_i) == pytest.approx(0.419245, rel=2e-6)
    assert float(by.length * DEVICE.length) == pytest.approx(1.0, rel=1e-9)
    for name, power in (("kappa", 0.5), ("r_ch", -1.0)):
        assert float(getattr(by, name) * getattr(DEVICE, name)) == pytest.approx(power, rel=1e-9)
    moved = [
        float(static(d, jnp.asarray(fold(d, 0.01, 0.2))))
        for d in (DEVICE.replace(rho_i=r) for r in (9.99e-3, 1.001e-2))
    ]
    assert np.log(moved[1] / moved[0]) / np.log(1.001 / 0.999) == pytest.approx(0.419245, rel=1e-5)


def test_enthalpy():
    found = enthalpy(jnp.asarray([0.02, 0.1, 0.5, 0.9]))
    np.testing.assert_allclose(found, [1.879967e-13, 1.044217e-13, 1.058366e-13, 1.277155e-13], rtol=6e-7)
    u = np.asarray([0.02, 0.3, 0.7, 0.77, 0.79, 0.99])
    volume, log = np.pi * 20e-9 * 30e-9**2, np.log(u)
    paper = volume * (2.6e6 * 784 * (1 - u * u + 2 * u * u * log) / (2 * u * log * log) + 2 * 1.6e8 * u)
    # The paper's form is 0/0 at u = 1, so it has lost digits itself at 0.99.
    np.testing.assert_allclose(enthalpy(jnp.asarray(u)), paper, rtol=1e-10)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    half = 0.5 * np.log(800)
    logs = np.log(1e-3) + half * (1 + nodes)
    total = half * np.sum(weights * np.exp(logs) * np.asarray(enthalpy(jnp.exp(logs))))
    assert 1e15 * total == pytest.approx(90.42938, rel=1e-7)


@pytest.mark.parametrize(("v", "nanoseconds"), [(1.8, 2.851956), (2.0, 1.037107), (2.5, 0.3954509)])
def test_switching_on(v, nanoseconds):
    """From u = 1e-3 to 0.3 behind 2.3 kohm."""
    assert 1e9 * time_to(0.3, v, 1e-3, 2.3e3) == pytest.approx(nanoseconds, rel=1e-6)


def test_switching_off():
    _, y = integrate(BehindResistor(2.3e3), lambda t: 2.5, (0.0, 1e-7), state(1e-3), ENV)
    on = 1 / (1 + np.exp(-y[-1, 0]))
    assert on == pytest.approx(0.7827642, rel=1e-7)
    assert 1e9 * time_to(0.05, 0.2, on, 2.3e3) == pytest.approx(0.5536736, rel=2e-7)
    assert 1e9 * time_to(0.05, 0.0, 0.5, 0.0) == pytest.approx(0.4459096, rel=2e-7)


def test_rest():
    """A core that is left alone shrinks to u_min and stays there."""
    for start in (1e-3, 0.5, 2e-6):
        _, y = integrate(DEVICE, lambda t: 0.0, (0.0, 1e-6), state(start), ENV)
        assert y[-1, 0] == pytest.approx(logit(1e-5), abs=1e-4)


def test_published_switching_times_are_those_of_the_published_area():
    """110 nm x 110 nm: 0.7 ns on, 2.3 ns off (Pickett and Williams 2012); 1.6 V, twice V_th, are chosen.

    At one V/V_th all times go as the area, as r_ch^2: the default channel of 30 nm is 4.3 times too fast to switch off.
    Heat goes as the area too, and is then four times the published 100 fJ: `test_published_checks.py`.
    """
    wide = DEVICE.replace(r_ch=110e-9 / np.sqrt(np.pi))
    _, y = integrate(BehindResistor(2.3e3, wide), lambda t: 2.5, (0.0, 1e-7), state(1e-3), ENV)
    on = 1 / (1 + np.exp(-y[-1, 0]))
    assert 1e9 * time_to(0.3, 1.6, 1e-3, 100.0, wide) == pytest.approx(0.7, rel=0.1)
    off = 1e9 * time_to(0.05, 0.2, on, 2.3e3, wide)
    assert off == pytest.approx(2.3, rel=0.05)
    quick = time_to(0.05, 0.0, 0.5, 0.0) / time_to(0.05, 0.0, 0.5, 0.0, wide)
    assert quick == pytest.approx(30e-9**2 * np.pi / 110e-9**2, rel=1e-5)


VANADIUM = dict(kappa=3.5, c_p=3.3e6, dh=2.35e8, t_mit=340.0, rho_i=1e-2, rho_m=3e-6)
"""VO2 in the same equations, as in W. Yi, arXiv:2403.01036; recalled."""


def test_published_picoseconds_of_vanadium_dioxide():
    """S. W. Schmid et al., ACS Nano (2024), 10.1021/acsnano.4c03840: 1.7 V for 20 ps switches, from a few fJ on, and
    the metal goes within hundreds of ps. A channel of 20 nm, chosen: the paper's is a gap between sharp electrodes."""
    device = DEVICE.replace(**VANADIUM, length=20e-9, r_ch=20e-9)
    on, states = integrate(device, lambda t: 1.7, (0.0, 2e-11), event=lambda y: y[0] - logit(0.5))
    assert 1.4e-11 < on[-1] < 2e-11
    states = NbO2Mott.State(y=jnp.asarray(states[:, 0]))
    power = 1.7**2 / np.asarray(device.resistance(states))
    assert 1e-15 < np.trapezoid(power, on) < 1e-14
    # Less voltage does not do it within the pulse.
    assert integrate(device, lambda t: 1.2, (0.0, 2e-11))[1][-1, 0] < logit(0.01)
    off, _ = integrate(device, lambda t: 0.0, (0.0, 1e-9), state(0.999), event=lambda y: y[0] - logit(0.1))
    assert 1e-10 < off[-1] < 1e-9


def test_threshold_with_less_loss_of_heat():
    """A quarter of the heat loss takes 75 % off P_th, as measured with thin electrodes (Nath et al. 2023).

    V_th falls by half here, 40 % there: V_th^2/P_th is R at the threshold, which no heat loss changes here, and which
    rose by 0.6^2/0.25, 44 %, there.
    """
    found = []
    for kappa in (4.0, 1.0):
        device = DEVICE.replace(kappa=kappa)
        y = jnp.asarray(fold(device, 0.01, 0.2))
        volts = float(static(device, y))
        found.append((volts, volts**2 / float(device.resistance(NbO2Mott.State(y=y)))))
    assert found[1][0] / found[0][0] == pytest.approx(0.5, rel=1e-6)
    assert found[1][1] / found[0][1] == pytest.approx(0.25, rel=1e-6)


SHORT = DEVICE.replace(length=12e-9)


@jax.jit
def neuristor(y, amps):
    """d/dt of (v1, v2, y1, y2): 5.1 nF and a switch to -0.9 V, 0.75 nF and a switch to 0.9 V, 2.2 kohm between."""
    v_1, v_2 = y[0], y[1]
    one, two = NbO2Mott.State(y=y[2]), NbO2Mott.State(y=y[3])
    low, high, across = v_1 + 0.9, 0.9 - v_2, (v_1 - v_2) / 2.2e3
    slope_1 = (amps - SHORT.current(one, low, ENV) - across) / 5.1e-9
    slope_2 = (across + SHORT.current(two, high, ENV)) / 0.75e-9
    return jnp.stack([slope_1, slope_2, SHORT.rate(one, low, ENV).y, SHORT.rate(two, high, ENV).y])


def spike(microamperes):
    """Largest and smallest v2 around a pulse of 10 us that begins 2 us after v1 = v2 = 0, u at rest below 0.9 V."""
    rest = brentq(lambda y: float(static(SHORT, jnp.asarray(y))) - 0.9, logit(1e-4), logit(0.0438))
    y, found = np.asarray([0.0, 0.0, rest, rest]), []
    for seconds, amps in ((2e-6, 0.0), (1e-5, 1e-6 * microamperes), (1e-5, 0.0)):
        i = jnp.asarray(amps)
        slope = lambda t, y, i=i: np.asarray(neuristor(jnp.asarray(y), i))  # noqa: E731
        solution = solve_ivp(slope, (0.0, seconds), y, method="LSODA", rtol=1e-10, atol=1e-13)
        assert solution.status == 0
        found.append(solution.y[1])
        y = solution.y[:, -1]
    return max(v.max() for v in found), min(v.min() for v in found)


@pytest.mark.parametrize(
    ("microamperes", "volts"), [(50, 0.112903), (100, 0.451499), (150, 0.451571), (200, 0.451631), (300, 0.451733)]
)
def test_neuristor_spikes_all_or_none(microamperes, volts):
    """Largest v2, below and above the threshold, and the smallest."""
    most, least = spike(microamperes)
    assert most == pytest.approx(volts, abs=6e-7)
    if microamperes == 100:
        assert least == pytest.approx(-0.10738, abs=1e-6)
