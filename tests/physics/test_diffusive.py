"""The Langevin switch: first passages by quadrature, paths against them, and the mean against Fokker and Planck."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate, ramp
from scipy.linalg import solve_banded
from scipy.special import i0, i0e

import neurojax as nj
from neurojax.waveform import Waveform, triangle
from physics.device import Environment
from physics.diffusive import AgDiffusive
from physics.quantity import with_values

ENV = Environment()
CELL = AgDiffusive()
# Walls as sharp as those of the reference, which reflects at 0 and L.
SHARP = AgDiffusive(wall=1e-16)
# Within 4 K of the surroundings at 2 V.
COLD = CELL.replace(tau=1e-8, c_th=1e-13)
KT = 1.380649e-23 * 300 / 1.602176634e-19
NM = 0.2
"""A nanometre in units of L."""


def array(value):
    return jnp.asarray(value, dtype=float)


def state(x, temperature=1.0):
    return AgDiffusive.State(x=array(x), temperature=array(temperature))


def test_resistance():
    for x, ohm in ((0.0, 2.202657e9), (1.0, 1.1e5)):
        assert 0.3 / float(CELL.current(state(x), array(0.3), ENV)) == pytest.approx(ohm, rel=2e-7)


def test_time_step():
    assert float(CELL.time_step(ENV)) == pytest.approx(2.62e-10, rel=1e-3)
    assert float(CELL.replace(tau=1e-9).time_step(ENV)) == pytest.approx(5e-11, rel=1e-6)
    assert float(CELL.replace(wall=1e-11).time_step(ENV)) == pytest.approx(5e-11, rel=1e-6)


@jax.jit
@functools.partial(jax.vmap, in_axes=(None, 0, None))
def moved(cell, x, volts):
    """Drift of a path at x (1/s)."""
    return cell.drift(AgDiffusive.State(x=x, temperature=jnp.ones_like(x)), volts, ENV).x


def spread(cell, warm=1.0):
    """D/L^2 (1/s) at `warm` t_ref; the drift is that of one mobility."""
    return 0.5 * float(cell.diffusion(state(0.0, warm), array(0.0), ENV).x) ** 2


def panels(low, high, pieces=400, order=16):
    """Gauss-Legendre nodes, weights and cumulative weights on equal pieces of an interval."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    half = 0.5 * (high - low) / pieces
    x = low + half * (2 * np.arange(pieces)[:, None] + 1 + nodes)
    basis = np.linalg.inv(np.polynomial.legendre.legvander(nodes, order - 1))
    integral = lambda c: np.polynomial.legendre.legval(nodes, np.polynomial.legendre.legint(c, lbnd=-1))  # noqa: E731
    inside = np.stack([integral(basis[:, j]) for j in range(order)], axis=1)

    def cumulative(f):
        whole = half * (f @ weights)
        return np.concatenate([[0.0], np.cumsum(whole)[:-1]])[:, None] + half * (f @ inside.T), whole.sum()

    return x, half * weights, cumulative


def first_passage(cell, volts, start, end, low=0.0, high=1.0, warm=1.0):
    """Mean time (s) from `start` to `end` with an end of the interval reflecting: (1/D) int e^u int e^-u."""
    x, weights, cumulative = panels(low, high)
    force = np.asarray(moved(cell, array(x.ravel()), array(volts))).reshape(x.shape) / spread(cell, warm)
    u = -cumulative(force)[0]
    below, total = cumulative(np.exp(-u))
    kept = np.where((x > min(start, end)) & (x < max(start, end)), np.exp(u), 0.0)
    return float(np.sum(kept * (below if end > start else total - below) * weights)) / spread(cell, warm)


DELAYS = {0.4: 2.352405e-3, 0.8: 3.768714e-4, 1.2: 9.763489e-5, 1.6: 2.908282e-5, 2.0: 9.901579e-6}


def test_mean_delay_and_relaxation():
    found = {volts: first_passage(SHARP, volts, 0.0, 1.0) for volts in DELAYS}
    assert list(found.values()) == pytest.approx(list(DELAYS.values()), rel=3e-7)
    volts = [1.2, 1.6, 2.0]
    slope = np.polyfit(np.log10([found[v] for v in volts]), volts, 1)[0]
    assert 1e3 * slope == pytest.approx(-804.0, abs=0.05)
    assert first_passage(SHARP, 0.0, 1.0, 0.5 * NM) == pytest.approx(1.025700e-3, rel=1e-6)


def test_relaxation_is_faster_in_warm_surroundings():
    """Of one mobility, D = D0 T/T0: the barrier of 0.25 eV is what the temperature acts on."""
    cold, warm, hot = (first_passage(SHARP, 0.0, 1.0, 0.5 * NM, warm=t) for t in (1.0, 1.1, 1.2))
    assert cold == pytest.approx(1.025700e-3, rel=1e-6)
    assert warm < 0.75 * cold and hot < 0.75 * warm
    still = AgDiffusive.State(x=array(0.5), temperature=array(1.1))
    assert float(SHARP.drift(still, array(0.0), ENV).x) == float(SHARP.drift(state(0.5), array(0.0), ENV).x)


def test_springs_stand_for_the_walls():
    """From behind one spring to x = L, where the other one begins to push back."""
    for volts, expected in DELAYS.items():
        soft = first_passage(CELL, volts, 0.0, 1.0, low=-0.05)
        assert soft == pytest.approx(expected, rel=1e-3)
    relaxed = first_passage(CELL, 0.0, 1.0, 0.5 * NM, high=1.05)
    assert relaxed == pytest.approx(1.025700e-3, rel=1e-3)


@jax.jit
def arrivals(cell, key, volts, heated):
    """Times (s) at which paths from x = 0 first see x = L, by Euler and Maruyama in single precision.

    `heated` is 1 for the paths that warm their surroundings and 0 for those at one temperature.
    """
    env = jax.tree.map(lambda a: a.astype(jnp.float32), ENV)
    dt = cell.time_step(env)

    @jax.vmap
    def local(x, kelvin):
        now = AgDiffusive.State(x=x, temperature=kelvin)
        return cell.drift(now, volts, env), cell.diffusion(now, volts, env)

    def step(carry):
        x, kelvin, arrived, n = carry
        change, noise = local(x, kelvin)
        dw = jnp.sqrt(dt) * jax.random.normal(jax.random.fold_in(key, n), x.shape, jnp.float32)
        x = x + dt * change.x + noise.x * dw
        arrived = jnp.where((x >= 1) & (arrived == 0), n + 1, arrived)
        return x, kelvin + heated * dt * change.temperature, arrived, n + 1

    none = jnp.zeros_like(heated)
    start = (none, none + 1, none.astype(jnp.int32), jnp.int32(0))
    return dt * jax.lax.while_loop(lambda c: jnp.any(c[2] == 0), step, start)[2].astype(jnp.float32)


@pytest.mark.slow
def test_delay_of_paths():
    single = jax.tree.map(lambda a: a.astype(jnp.float32), CELL)
    heated = jnp.concatenate([jnp.zeros(1000, jnp.float32), jnp.ones(300, jnp.float32)])
    times = np.asarray(arrivals(single, jax.random.key(0), jnp.float32(2.0), heated), dtype=float)
    cold, hot = times[:1000], times[1000:]
    error = cold.std() / np.sqrt(cold.size)
    assert abs(cold.mean() - 9.900607e-6) < 3 * error
    # The converged quadrature is 1e-4 above that number, with springs for walls 6e-4 below: both within the error.
    assert abs(cold.mean() - first_passage(CELL, 2.0, 0.0, 1.0, low=-0.05)) < 3 * error
    # Three standard errors of a coefficient of variation, of these 1000 times and of those behind the number.
    wide = 3 * 0.485 * np.sqrt((1 + 2 * 0.485**2) / cold.size)
    assert cold.std() / cold.mean() == pytest.approx(0.485, abs=wide)
    # The expected mean with heating is one of paths too, about as many as above.
    assert abs(hot.mean() - 7.018e-6) < 3 * hot.std() * np.sqrt(1 / hot.size + 1 / 1000)


def test_mean_velocity_is_the_one_of_ambegaokar_and_halperin():
    """f/|0F1|^2 = (1 - e^-f)/int_0^1 e^-fs I0(u_p/kT sin(pi s)) ds, with f the tilt over one period in kT."""
    s, weights = np.polynomial.legendre.leggauss(600)
    s, weights = 0.5 * (s + 1), 0.5 * weights
    tilt, barrier = (a.ravel() for a in np.meshgrid([1e-3, 1.0, 6.0, 20.0, 80.0], [0.1, 0.25, 0.6]))
    high = (barrier / KT)[:, None] * np.sin(np.pi * s)
    integral = (i0e(high) * np.exp(high - tilt[:, None] * s)) @ weights

    @jax.vmap
    def slowed(u_p, pull):
        return with_values(CELL, {"u_p": u_p}).resistance_to_hops(pull, array(KT))

    np.testing.assert_allclose(tilt / slowed(barrier, tilt * KT / NM), -np.expm1(-tilt) / integral, rtol=1e-8)


def test_mean_velocity_in_its_limits():
    small = CELL.resistance_to_hops(array(0.0), array(KT))
    assert float(small) == pytest.approx(i0(0.125 / KT) ** 2, rel=1e-12)  # Lifson and Jackson
    steep = CELL.resistance_to_hops(array(1e5 * KT), array(KT))
    assert float(steep) - 1 == pytest.approx(2 * (0.0625 / KT) ** 2 / (1e5 * NM / (2 * np.pi)) ** 2, rel=1e-4)
    # In the middle one wall is left behind; the other, 1.75 eV/L ahead, is felt as if the paths had spread to it.
    pull, mobility = 1.75, 1e-12 / 25e-18 / KT
    pull += 2 / np.pi * KT * 2 * (1 / (1 + (pull / KT / 4) ** 2) - 1)
    expected = mobility * pull / float(CELL.resistance_to_hops(array(pull), array(KT)))
    assert float(CELL.rate(state(0.5), array(2.0), ENV).x) == pytest.approx(expected, rel=1e-9)


def fokker_planck(volts, x0, times, cells=500):
    """Mean x/L of an ensemble at one temperature: finite volumes, implicit steps."""
    edge = np.arange(1, cells) / cells
    x = (np.arange(cells) + 0.5) / cells
    lean = np.asarray(moved(SHARP, array(edge), array(volts))) / spread(SHARP) / cells
    up, down = (spread(SHARP) * cells**2 * np.exp(sign * lean / 2) for sign in (1, -1))
    rates = np.zeros((3, cells))
    rates[1, :-1] -= up
    rates[2, :-1] += up
    rates[1, 1:] -= down
    rates[0, 1:] += down
    p, now, mean = np.zeros(cells), 0.0, []
    p[np.argmin(np.abs(x - x0))] = 1.0
    for t in times:
        steps = 40
        matrix = -rates * (t - now) / steps
        matrix[1] += 1
        for _ in range(steps):
            p = solve_banded((1, 1), matrix, p)
        now = t
        mean.append(p @ x)
    return np.asarray(mean)


class Isothermal:
    """The mean motion without its own heat, for the independent integrator."""

    def rate(self, x, v, env):
        return AgDiffusive.State(x=CELL.rate(x, v, env).x, temperature=jnp.zeros_like(x.temperature))


@pytest.mark.parametrize(
    ("volts", "x0", "scale"),
    [(2.0, 0.0, 9.9e-6), (1.2, 0.0, 9.8e-5), (0.4, 0.0, 2.4e-3), (0.2, 0.0, 2e-3), (0.0, 0.0, 1e-3), (0.0, 1.0, 1e-3)],
)
def test_mean_is_the_one_of_fokker_and_planck(volts, x0, scale):
    times = scale * np.asarray([0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 6.0])
    exact = fokker_planck(volts, x0, times)
    t, y = integrate(Isothermal(), lambda t: volts, (0.0, *times), state(x0), rtol=1e-6, atol=1e-9)
    found = np.asarray([y[np.argmin(np.abs(t - s)), 0] for s in times])
    assert np.abs(found - exact).max() < 0.04
    assert abs(found[-1] - exact[-1]) < 0.015
    # What the path without noise does: nothing, below the barrier.
    if volts and x0 == 0.0:
        stuck = integrate(Drifting(), lambda t: volts, (0.0, times[-1]), state(0.0), rtol=1e-6)[1][-1, 0]
        assert stuck < 0.5 * NM < exact[-1]


class Drifting:
    """A path without noise."""

    def rate(self, x, v, env):
        return AgDiffusive.State(x=CELL.drift(x, v, env).x, temperature=jnp.zeros_like(x.temperature))


def test_simulated_paths_have_the_simulated_mean():
    ts = np.asarray([1e-6, 2.5e-6, 5e-6])
    wave = Waveform([0.0, 5e-6], [2.0, 2.0])
    keys = jax.random.split(jax.random.key(1), 256)
    paths = np.asarray(nj.simulate(COLD, wave, ts=ts, key=keys, progress=False).x.x)
    mean = np.asarray(nj.simulate(COLD, wave, ts=ts).x.x)
    assert np.all(np.abs(paths.mean(axis=0) - mean) < 3 * paths.std(axis=0) / np.sqrt(len(keys)))
    assert paths.std(axis=0).min() > 0.1


def test_population_of_paths():
    cells = CELL.replace(u_p=np.asarray([0.2, 0.25, 0.3]))
    wave = Waveform([0.0, 1e-6], [2.0, 2.0])
    record = nj.simulate(cells, wave, ts=np.asarray([5e-7, 1e-6]), key=jax.random.key(2), dt=2e-10, progress=False)
    again = nj.simulate(cells, wave, ts=np.asarray([5e-7, 1e-6]), key=jax.random.key(2), dt=2e-10, progress=False)
    other = nj.simulate(cells, wave, ts=np.asarray([5e-7, 1e-6]), key=jax.random.key(3), dt=2e-10, progress=False)
    assert bool(jnp.all(record.ok)) and np.ptp(np.asarray(record.x.x)[:, -1]) > 0
    np.testing.assert_array_equal(record.x.x, again.x.x)
    assert bool(jnp.all(record.x.x != other.x.x))


def test_heat_is_joules():
    """In the steady state T - T_amb = R_th V^2/R, 909 K at 2 V through a whole bridge."""
    x, hot = 1.0, 300 + 25e6 * 4 / 1.1e5
    rate = float(CELL.rate(state(x, hot / 300), array(2.0), ENV).temperature)
    # The guard at 4000 K takes 1e-6 of the rise.
    assert abs(rate) * 50e-9 * 300 < 2e-3
    cooling = float(CELL.rate(state(x, 2.0), array(0.0), ENV).temperature)
    assert cooling == pytest.approx(-1 / 50e-9, rel=1e-9)


def test_symmetric_and_single_source():
    x = state(0.4)
    up, down = (CELL.rate(x, array(v), ENV).x for v in (1.5, -1.5))
    assert float(up) == pytest.approx(float(down), rel=1e-12)
    single = CELL.replace(reverse=-1.0)
    assert float(single.rate(x, array(-1.5), ENV).x) < float(single.rate(x, array(0.0), ENV).x) < 0
    assert (
        float(CELL.rate(state(0.8, 1.2), array(0.0), ENV).x) < 1.5 * float(CELL.rate(state(0.8), array(0.0), ENV).x) < 0
    )


def test_simulated_loop_is_the_one_of_the_oracle():
    wave = triangle(*CELL.sweep)
    corners = tuple(np.asarray(wave.t))
    t, y = integrate(CELL, ramp(*zip(wave.t, wave.v, strict=True)), corners, rtol=1e-7, atol=1e-10)
    record = nj.simulate(CELL, wave, ts=t)
    assert np.abs(y[:, 0] - record.x.x).max() < 1e-5
    assert np.abs(y[:, 1] - record.x.temperature).max() < 1e-4
    # A threshold switch: 1 nA before and 4 uA after 0.9 V, on until it is nearly without a voltage, off at zero.
    i, v, rising = np.asarray(record.i), np.asarray(record.v), t < 2.5e-3
    at = lambda part, volts: np.interp(volts, *(a[part][np.argsort(v[part])] for a in (v, i)))  # noqa: E731
    falling = (t > 2.5e-3) & (t < 5e-3)
    assert at(rising, 0.3) < 2e-9 and at(rising, 1.0) > 5e-6
    assert at(falling, 0.3) > 30 * at(rising, 0.3)
    assert float(record.x.x[np.searchsorted(t, 5e-3)]) < 0.6


@pytest.mark.slow
def test_simulated_current_has_a_forward_gradient():
    wave = triangle(2.0, 0.0, 2e-3)

    def current(numbers):
        return nj.simulate(with_values(CELL, numbers), wave, gradient="forward", progress=False).i

    numbers = {name: CELL.parameters()[name].value for name in ("u_p", "d_0", "lam")}
    _, push = eqx.filter_jvp(current, (numbers,), ({k: 0.01 * v for k, v in numbers.items()},))
    assert bool(jnp.all(jnp.isfinite(push))) and float(jnp.max(jnp.abs(push))) > 1e-8
