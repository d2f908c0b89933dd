"""The state after one pulse, tabulated: as exact as it says, smooth, differentiable; open-loop look-ups."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from programming_cases import RISE, WIDTH, Filling, filling, yakopcic

import neurojax as nj
import physics
from neurojax import programming
from neurojax.errors import ProgrammingError

RNG = np.random.default_rng(0)


def _after(x, v, full=1.0):
    return full - (full - x) * np.exp(-100.0 * v * (WIDTH + RISE))


def _fresh(device, x, v, width, rtol=1e-9):
    """Straight from the state equation, one after the other."""
    cells = programming.device_cells(device, width, rtol=rtol, atol=1e-12)
    state = type(device.init(physics.Environment()))
    end, energy = jax.jit(lambda x, v: cells.step(state(x), v))(jnp.asarray(x), jnp.asarray(v))
    return np.asarray(end.x), np.asarray(energy)


def test_against_a_closed_form():
    table = filling()
    x, v = RNG.uniform(0, 1, 500), RNG.uniform(0.5, 1.0, 500)
    assert np.asarray(table(jnp.asarray(x), jnp.asarray(v))) == pytest.approx(_after(x, v), abs=1e-4)
    assert table.error < 1e-4 and table.energy_error < 1e-4 and table.reading_error < 1e-4 and table.leftover == 0
    assert float(table.period) == pytest.approx(2 * WIDTH + 2 * RISE)
    g = np.asarray(table.conductance(jnp.asarray(x)))
    assert g == pytest.approx(1e-6 + 1e-5 * x, rel=1e-4)
    assert np.asarray(table.state_of(jnp.asarray(g))) == pytest.approx(x, abs=1e-8)


@pytest.mark.slow
def test_error_is_what_fresh_solutions_say():
    """At random states and amplitudes, not those at which the table was refined."""
    table = yakopcic()
    x, v = RNG.uniform(0, 1, 256), RNG.uniform(-0.45, 0.45, 256)
    x[:2], v[:2] = 0.5, [0.299, 0.301]
    after, energy = table.step(jnp.asarray(x), jnp.asarray(v))
    exact, spent = _fresh(physics.Yakopcic(), x, v, 1e-4)
    missed = np.abs(np.asarray(after) - exact)
    assert 1e-5 < missed.max() <= table.error <= 1e-3
    assert np.abs(np.asarray(energy) - spent).max() <= 1.5 * table.energy_error * spent.max()
    assert (np.asarray(energy) > 0).all()
    # And so does its slope.
    slope = jax.grad(lambda v: table(jnp.asarray(0.5), v))(jnp.asarray(0.3))
    assert float(slope) == pytest.approx((exact[1] - exact[0]) / 2e-3, rel=0.02)


def test_one_amplitude_of_many():
    table = filling()
    one = table.at(0.7)
    x = jnp.linspace(0.0, 1.0, 1001)
    assert np.asarray(one(x)) == pytest.approx(np.asarray(table(x, jnp.full_like(x, 0.7))), abs=1e-5)
    assert np.all(np.diff(np.asarray(one(x))) > 0)
    assert np.all(np.diff(np.asarray(yakopcic().at(-0.4)(x))) >= -1e-12)
    with pytest.raises(ProgrammingError, match="one amplitude"):
        one(x, 0.7)
    with pytest.raises(ProgrammingError, match="range of amplitudes"):
        table(x)
    with pytest.raises(ProgrammingError, match="already"):
        one.at(0.7)
    assert "nodes" in repr(table) and "error" in repr(table)


@pytest.mark.slow
def test_smooth_across_nodes():
    """Value and slope are continuous, also where the table ends and goes on straight."""
    one = yakopcic().at(0.35)
    slope = jax.vmap(jax.grad(one))
    for node in (*np.asarray(one.after.axis.nodes)[1:-1], 0.0, 1.0):
        sides = jnp.asarray([node - 1e-9, node + 1e-9])
        assert np.ptp(np.asarray(one(sides))) < 1e-8 and np.ptp(np.asarray(slope(sides))) < 1e-5
    beyond = jnp.asarray([1.01, 1.02, 1.03])
    assert np.diff(np.asarray(one(beyond)), 2) == pytest.approx(0.0, abs=1e-12)


def test_beyond_the_amplitudes_is_no_number():
    assert np.isnan(np.asarray(filling()(jnp.asarray([0.5, 0.5]), jnp.asarray([0.4, 1.2])))).all()
    assert np.isfinite(float(filling()(jnp.asarray(0.5), jnp.asarray(1.0))))


@pytest.mark.parametrize("x, v", [(0.21, 0.33), (0.0, 0.2), (1.0, -0.31), (0.6, -0.05)])
def test_gradients(x, v):
    """In state and amplitude, of state and energy, against differences; and against the device's own."""
    table = yakopcic()
    both = lambda z: jnp.stack(table.step(z[0], z[1]))  # noqa: E731
    z = jnp.asarray([x, v]) + 3e-4
    forward, reverse = jax.jacfwd(both)(z), jax.jacrev(both)(z)
    assert np.asarray(forward) == pytest.approx(np.asarray(reverse), rel=1e-10, abs=1e-14)
    for k in range(2):
        step = 1e-6 * jnp.eye(2)[k]
        differences = (both(z + step) - both(z - step)) / 2e-6
        assert np.asarray(forward[:, k]) == pytest.approx(np.asarray(differences), rel=1e-4, abs=1e-8)


@pytest.mark.slow
def test_compiled_mapped_and_repeated():
    table = filling()
    x, v = jnp.asarray(RNG.uniform(0, 1, 20)), jnp.asarray(RNG.uniform(0.5, 1.0, 20))
    plain = np.asarray(table(x, v))
    assert np.asarray(jax.jit(lambda x, v: table(x, v))(x, v)) == pytest.approx(plain, abs=1e-15)
    assert np.asarray(jax.vmap(lambda x, v: table(x, v))(x, v)) == pytest.approx(plain, abs=1e-15)
    assert [float(table(a, b)) for a, b in zip(x[:3], v[:3], strict=True)] == pytest.approx(plain[:3], abs=1e-15)
    end, energy = table.repeat(x, 5, v)
    now, spent, one = x, jnp.zeros_like(x), jax.jit(lambda x: table.step(x, v))
    for _ in range(5):
        now, more = one(now)
        spent = spent + more
    assert np.asarray(end) == pytest.approx(np.asarray(now), abs=1e-14)
    assert np.asarray(energy) == pytest.approx(np.asarray(spent), rel=1e-12)
    states, _ = table.train(x, jnp.broadcast_to(v, (5, 20)))
    assert np.asarray(states[-1]) == pytest.approx(np.asarray(end), abs=1e-14)
    # Errors of five pulses do not add up to more than five times one.
    assert np.abs(np.asarray(end) - _after(np.asarray(x), 5 * np.asarray(v))).max() < 5 * table.error
    rough = table.astype(jnp.float32)
    single = rough(x.astype(jnp.float32), v.astype(jnp.float32))
    assert single.dtype == jnp.float32 and np.asarray(single) == pytest.approx(plain, abs=1e-6)


def test_update_nonlinearity():
    """G_n = B (1 - exp(-n/A)) + G_min of A = 0.5 by 2, 5, 10 and 15 pulses of a twentieth each."""
    volts = 0.1 / (100.0 * (WIDTH + RISE))
    table = filling(volts, volts, full=float(1 / (1 - np.exp(-2.0))), tol=1e-6)
    found = [float(table.repeat(jnp.asarray(0.0), n)[0]) for n in (2, 5, 10, 15)]
    assert found == pytest.approx([0.209641, 0.455054, 0.731059, 0.898464], abs=1e-6)
    n, after = programming.pulses_to(table, jnp.zeros(4), jnp.asarray([0.209641, 0.455054, 0.731059, 0.898464]))
    assert n.tolist() == [2, 5, 10, 15] and np.asarray(after) == pytest.approx(found, abs=1e-12)


def test_number_of_pulses():
    """The nearest of all numbers, found by trying them; loud where there is none."""
    table = yakopcic().at(0.25)
    x, target = jnp.asarray([0.2, 0.1, 0.3]), jnp.asarray([0.31, 0.42, 0.3])
    n, after = programming.pulses_to(table, x, target)
    one, states = jax.jit(lambda x: table(x)), [x]
    for _ in range(60):
        states.append(one(states[-1]))
    missed = np.abs(np.stack(states) - np.asarray(target))
    assert n.tolist() == missed.argmin(axis=0).tolist()
    assert np.abs(np.asarray(after - target)) == pytest.approx(missed.min(axis=0), abs=1e-14)
    lost, _ = programming.pulses_to(table, jnp.asarray([0.5, 0.1]), jnp.asarray([0.2, 0.9]), limit=4, throw=False)
    assert lost.tolist() == [-1, -1]
    with pytest.raises(ProgrammingError, match="1 of 1 targets are not reached"):
        programming.pulses_to(table, jnp.asarray([0.5]), jnp.asarray([0.2]))


def test_amplitude_of_one_pulse():
    table = filling()
    x, target = jnp.asarray([0.1, 0.5, 0.8]), jnp.asarray([0.16, 0.54, 0.814])
    v = programming.amplitude_to(table, x, target, (0.5, 1.0))
    exact = np.log((1 - np.asarray(x)) / (1 - np.asarray(target))) / (100.0 * (WIDTH + RISE))
    assert np.asarray(v) == pytest.approx(exact, abs=2e-3)
    assert np.asarray(table(x, v)) == pytest.approx(np.asarray(target), abs=1e-9)
    slope = jax.grad(lambda y: programming.amplitude_to(table, x[0], y, (0.5, 1.0), throw=False))(target[0])
    assert float(slope) == pytest.approx(1 / ((1 - 0.16) * 100.0 * (WIDTH + RISE)), rel=5e-3)
    with pytest.raises(ProgrammingError, match="cannot be reached"):
        programming.amplitude_to(table, x, target - 0.1, (0.5, 1.0))
    with pytest.raises(ProgrammingError, match="one amplitude"):
        programming.amplitude_to(table.at(0.7), x, target, (0.5, 1.0))


def test_symmetric_point():
    """Pairs of pulses lead there, from both sides."""
    up, down = yakopcic().at(0.3), yakopcic().at(-0.3)
    at = float(programming.symmetric_point(up, down))
    assert float(down(up(jnp.asarray(at)))) == pytest.approx(at, abs=1e-8)
    x = jax.jit(lambda x: jax.lax.fori_loop(0, 400, lambda _, x: down(up(x)), x))(jnp.asarray([0.05, 0.9]))
    assert np.asarray(x) == pytest.approx(at, abs=1e-4)


def test_refuses():
    device = Filling()
    build = lambda d=device, v=1.0, **k: programming.pulse_map(d, v, WIDTH, **k)  # noqa: E731
    with pytest.raises(ProgrammingError, match=r"1e-7 and 0"):
        build(tol=0.9)
    with pytest.raises(ProgrammingError, match="two ends"):
        build(v=(1.0, 1.0))
    with pytest.raises(ProgrammingError, match="population"):
        build(d=device.replace(k=[1.0, 2.0]))
    with pytest.raises(ProgrammingError, match="say which one stays"):
        build(d=physics.SecondOrder())
    with pytest.raises(ProgrammingError, match=r"no state 'y'.*Known names: x"):
        build(state="y")
    with pytest.raises(ProgrammingError, match="no state"):
        build(d=physics.Resistor(jnp.asarray(1e3)))
    with pytest.raises(ProgrammingError, match="of two"):
        build(d=physics.Ecram())


def test_refuses_what_it_cannot_reach(monkeypatch):
    """A jump within the span is told of, with its place and what to try, not smoothed over."""
    from neurojax.programming import _tabulate

    monkeypatch.setattr(_tabulate, "LEVELS", 6)
    monkeypatch.setattr(_tabulate, "FINEST", 2**8)
    jump = lambda u: np.where(u < 0.3, u, 0.9)  # noqa: E731
    with pytest.raises(ProgrammingError, match=r"at 0\.2.* runs away .* larger tol"):
        _tabulate.curve_table(jump, 1.0, 1e-3, "a jump")
    nodes, _, error = _tabulate.curve_table(lambda u: u**4, 1.0, 1e-5, "smooth")
    assert len(nodes) <= 65 and error[0] <= 1e-5


@pytest.mark.slow
def test_heat_is_forgotten_or_it_is_refused():
    """A second-order memristor: its heat is gone after the rest, or the map says that it is not."""
    device = physics.SecondOrder()
    names = list(physics.parameters(device.init(physics.Environment())))
    with pytest.raises(ProgrammingError, match="from rest"):
        programming.pulse_map(device, 1.0, 1e-6, rest=1e-9, state=names[0], tol=1e-2, forget=1e-4)


def test_every_field_of_the_record_is_told():
    doc = programming.PulseMap.__doc__
    assert all(f.name in doc for f in dataclasses.fields(programming.PulseMap))
    assert nj.errors.ProgrammingError is ProgrammingError
