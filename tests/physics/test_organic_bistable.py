"""The bistable organic transistor against a measured sweep, the closed forms of a regular solution, and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.special import expit, xlogy

import neurojax as nj
from physics.device import Environment
from physics.organic_bistable import BistableOect

COLD = Environment(temperature=jnp.asarray(293.0))
CELL = BistableOect()
U_T = 1.380649e-23 * 293.0 / 1.602176634e-19
ALPHA, H, V_0 = 6.67e-3, 66.13e-3, -0.1


def array(value):
    return jnp.asarray(value, dtype=float)


def state(p):
    return BistableOect.State(p=array(p))


def drain(p, volts):
    return float(CELL.current(state(p), array(volts), COLD)[1])


def equilibrium(p, h=H):
    """V_i under which p is at rest: the slope of p V + [U_T (p ln p + (1 - p) ln(1 - p)) + h p (1 - p)]/alpha is 0."""
    slope = lambda f: (f(p + 1e-6) - f(p - 1e-6)) / 2e-6  # noqa: E731
    return V_0 - slope(lambda q: U_T * (xlogy(q, q) + xlogy(1 - q, 1 - q)) + h * q * (1 - q)) / ALPHA


def ends(h=H):
    """Shares and potentials at which the doped and the undoped branch end."""
    root = np.sqrt(1 - 2 * U_T / h)
    p = np.array([0.5 * (1 + root), 0.5 * (1 - root)])
    return p, V_0 - (U_T * np.log(p / (1 - p)) + h * (1 - 2 * p)) / ALPHA


def sweep(cell, low, high, period, env=COLD, p=1.0):
    """Gate from low to high and back, the drain at the source: V_i and p of both ways, as (2, n) in the order of V."""
    wave = nj.Waveform([0.0, 0.5 * period, period], [[low, 0.0], [high, 0.0], [low, 0.0]])
    ts = np.linspace(0.0, period, 8001)
    found = nj.simulate(cell, wave, ts=ts, x0=state(p), env=env, gradient="forward", progress=False)
    v, p = np.asarray(found.v)[:, 0], np.asarray(found.states["p"])
    return np.stack([v[:4001], v[:3999:-1]]), np.stack([p[:4001], p[:3999:-1]])


def threshold(v, i, level=1e-7):
    """Gate voltage at which the current of one way, in the order of v, falls through the level for the last time."""
    k = np.flatnonzero((i[:-1] > level) & (i[1:] <= level))[-1]
    return float(np.interp(np.log(level), np.log(i[[k + 1, k]]), v[[k + 1, k]]))


def test_measured_transfer_curve(shared_data):
    """10.1038/s41467-024-51001-9: V_D = -0.2 V, gate from -1.5 V to 1.5 V and back in steps of 50 mV."""
    table = np.loadtxt(shared_data / "oect_bistable/transfer_curve.csv", delimiter=",", skiprows=1)
    v_d, measured, v = table[:, 0], -table[:, 1], table[:, 2]
    ts = 0.5 * np.arange(len(v))
    found = nj.simulate(CELL, nj.Waveform(ts, np.stack([v, v_d], 1)), ts=ts, env=COLD, progress=False)
    model, up, down = -np.asarray(found.i)[:, 1], slice(0, 61), slice(None, 60, -1)
    pairs = [[threshold(v[way], i[way]) for way in (up, down)] for i in (measured, model)]
    assert pairs[0] == pytest.approx([0.846, 0.233], abs=1e-3)
    assert pairs[1] == pytest.approx(pairs[0], abs=0.015)
    assert model.max() == pytest.approx(measured.max(), rel=0.1)
    # Where the channel, and not the charging of the gate, makes the current: 86 points in four and a half decades.
    on = measured > 2.2e-8
    error = np.log10(np.abs(model[on]) / measured[on])
    assert on.sum() == 86 and np.sqrt(np.mean(error**2)) < 0.05 and np.abs(error).max() < 0.15
    # At V_G = 0 the two ways are a factor of 200 apart.
    high, low = (np.interp(0.0, v[way], model[way]) for way in (up, down))
    assert high / low == pytest.approx(3.53e-4 / 1.76e-6, rel=0.2)
    # Ions that charge the gate leave through the drain: the floor before the sweep turns.
    assert np.median(model[55:61]) == pytest.approx(np.median(measured[55:61]), rel=0.2)


def test_most_of_the_window_is_no_lag():
    """A thousand times slower leaves 0.36 V between the thresholds at 0.1 uA, and with a small interaction nothing."""
    wave = nj.Waveform([0.0, 3e4, 6e4], [[-1.5, -0.2], [1.5, -0.2], [-1.5, -0.2]])
    ts = np.linspace(0.0, 6e4, 2401)
    for h, window in ((H, 0.364), (0.04, 0.0)):
        cell = CELL.replace(h=h)
        found = nj.simulate(cell, wave, ts=ts, env=COLD, gradient="forward", progress=False)
        v, i = np.asarray(found.v)[:, 0], -np.asarray(found.i)[:, 1]
        up, down = threshold(v[:1201], i[:1201]), threshold(v[:1199:-1], i[:1199:-1])
        assert up - down == pytest.approx(window, abs=0.01)


def test_potential_is_the_slope_of_the_free_energy():
    for p in (0.01, 0.2, 0.5, 0.97):
        assert float(CELL.potential(array(p), COLD)) == pytest.approx(equilibrium(p), abs=1e-6)


@pytest.mark.parametrize("h", [H, 0.075])
def test_slow_sweep_jumps_where_the_branches_end(h):
    cell, (_, limits) = CELL.replace(h=h), ends(h)
    v, p = sweep(cell, -4.0, 4.0, 1e5)
    up, down = (np.interp(0.5, q[::-1], u[::-1]) for u, q in zip(v, p, strict=True))
    assert limits[0] - limits[1] > 0.4
    assert up == pytest.approx(limits[0], abs=0.02) and up > limits[0]
    assert down == pytest.approx(limits[1], abs=0.02) and down < limits[1]
    for way in (0, 1):  # on the branches each p is at rest
        far = (np.abs(v[way] - limits[way]) > 0.1) & (np.abs(v[way]) < 3)
        assert equilibrium(p[way][far][::50], h) == pytest.approx(v[way][far][::50], abs=2e-3)


def test_rests_at_the_roots():
    """Between the ends there are three: the two outer ones are reached, from both sides of the middle one."""
    (doped, undoped), limits = ends()
    rest = nj.Waveform([0.0, 400.0], [[float(limits.mean()), 0.0]] * 2)
    root = lambda a, b: np.asarray(brentq(lambda p: equilibrium(p) - limits.mean(), a, b)).item()  # noqa: E731
    low, middle, high = root(1e-5, undoped), root(undoped, doped), root(doped, 1 - 1e-5)
    for start, end in ((0.0, low), (middle - 0.01, low), (middle + 0.01, high), (1.0, high)):
        found = nj.simulate(CELL, rest, ts=[400.0], x0=state(start), env=COLD, gradient="forward", progress=False)
        assert float(found.states["p"][-1]) == pytest.approx(end, abs=1e-5)


def test_sweep_against_scipy():
    gate = lambda t: np.interp(t, [0.0, 30.0, 60.0], [-1.5, 1.5, -1.5])  # noqa: E731

    def rate(t, p):
        return (expit(-(ALPHA * (gate(t) + 0.1 - V_0) + H * (1 - 2 * p)) / U_T) - p) / 0.162

    ts = np.linspace(0.0, 60.0, 121)
    exact = solve_ivp(rate, (0.0, 60.0), [0.9], t_eval=ts, rtol=1e-10, atol=1e-12, max_step=0.25).y[0]
    wave = nj.Waveform([0.0, 30.0, 60.0], [[-1.5, -0.2], [1.5, -0.2], [-1.5, -0.2]])
    found = nj.simulate(CELL, wave, ts=ts, x0=state(0.9), env=COLD, progress=False)
    assert np.asarray(found.states["p"]) == pytest.approx(exact, abs=2e-5)
    assert exact.max() - exact.min() > 0.8


@pytest.mark.parametrize(("h", "kelvin", "bistable"), [(0.045, 293.0, False), (H, 400.0, False), (H, 293.0, True)])
def test_no_hysteresis_below_the_critical_interaction(h, kelvin, bistable):
    """2 U_T is 50.5 meV at 293 K and 68.9 meV at 400 K."""
    _, p = sweep(CELL.replace(h=h), -4.0, 4.0, 2e6, Environment(temperature=kelvin))
    assert bool(np.abs(p[0] - p[1]).max() > 0.5) is bistable
    # The first sample is the initial state.
    assert bistable or np.abs(p[0] - p[1])[1:].max() < 5e-3


def test_channel_of_closed_form():
    """Open, the contacts are in series with b (V_T + k p - V_G + n V_D/2); closed, n U_T is the slope."""
    for p, v_g, v_d in ((1.0, -1.5, -0.01), (0.5, -1.5, -0.1), (1.0, -1.5, 0.05)):
        open_channel = 0.02 * (-0.407 + 1.05 * p - v_g + 3.233 * v_d / 2)
        assert drain(p, (v_g, v_d)) == pytest.approx(v_d / (276.0 + 1 / open_channel), rel=1e-3)
    fall = np.log(drain(0.2, (1.0, -0.3)) / drain(0.2, (1.1, -0.3)))
    assert fall == pytest.approx(0.1 / (3.233 * U_T), rel=1e-3)
    # Doped sites and a lower gate voltage are the same to the holes.
    assert drain(0.6, (0.5, -0.2)) == pytest.approx(drain(0.1, (0.5 - 0.5 * 1.05, -0.2)), rel=1e-9)


def test_charge_of_the_gate():
    """A step takes C (12 V) + Q_s in all, as all sites are emptied, and half of it comes out of the drain."""
    wave = nj.Waveform([0.0, 1.0, 400.0], [[-6.0, 0.0], [6.0, 0.0], [6.0, 0.0]])
    ts = np.concatenate([np.linspace(0.0, 1.0 - 1e-9, 50), np.linspace(1.0 + 1e-9, 400.0, 4000)])
    cell = CELL.replace(q_s=1e-6)
    found = nj.simulate(cell, wave, ts=ts, env=COLD, rtol=1e-8, atol=1e-10, gradient="forward", progress=False)
    p = np.asarray(found.states["p"])
    assert p[0] - p[-1] > 0.97
    moved = np.trapezoid(np.asarray(found.i), ts, axis=0)
    assert moved[0] == pytest.approx(3.18e-7 * 12.0 + 1e-6 * (p[0] - p[-1]), rel=1e-3)
    assert moved[1] == pytest.approx(-0.5 * moved[0], rel=1e-6)


@pytest.mark.slow
def test_gradient_against_differences():
    names = ("h", "alpha", "v_0", "tau", "shift", "v_t", "n", "beta", "r_c", "c_g", "q_s", "f")
    start = np.array([float(getattr(CELL, name)) for name in names])
    wave = nj.Waveform([0.0, 30.0, 50.0], [[-1.5, -0.2], [1.5, -0.2], [-0.5, -0.2]])
    ts = np.linspace(2.0, 50.0, 25)

    def losses(scales):
        """One a row of factors on the parameters, which are members of a population."""
        cells = CELL.replace(**dict(zip(names, scales.T * start[:, None], strict=True)))
        found = nj.simulate(cells, wave, ts=ts, env=COLD, rtol=1e-8, atol=1e-10, progress=False)
        return jnp.mean(jnp.arcsinh(found.i[..., 1] / 1e-8) + found.states["p"], axis=-1)

    ones, steps = np.ones((1, len(names))), 1e-4 * np.eye(len(names))
    slope = np.asarray(jax.jit(jax.grad(lambda scales: losses(scales)[0]))(jnp.asarray(ones)))[0]
    near = np.asarray(jax.jit(losses)(jnp.asarray(np.concatenate([ones + steps, ones - steps]))))
    differences = (near[: len(names)] - near[len(names) :]) / 2e-4
    assert slope == pytest.approx(differences, rel=2e-4, abs=1e-5)
    assert (np.abs(differences) > 1e-4).all()
