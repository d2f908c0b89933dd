"""The surface-tension filament against its closed forms and against the reference numbers."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate, ramp
from scipy.integrate import solve_ivp

import neurojax as nj
from neurojax.waveform import triangle
from physics.device import Environment
from physics.quantity import with_values
from physics.silver_filament import AgFilament

ENV = Environment()
CELL = AgFilament()
# The reference has the corners of max(phi, phi_a) and of the change from growth to shrinking.
SHARP = AgFilament(knee=1e-13, ease=1e-4)
NM = 1e-9
ATOM = np.log(2)
"""State of a filament of one atom, phi = phi_a."""


def array(value):
    return jnp.asarray(value, dtype=float)


def state(phi):
    return AgFilament.State(size=jnp.log1p(array(phi) / CELL.phi_a))


def diameter(size):
    return 1e-10 * np.expm1(size)


def growth(cell, phi, volts):
    """dphi/dt (m/s)."""
    return float(cell.rate(state(phi), array(volts), ENV).size) * (phi + 1e-10)


@jax.jit
def speed(cell, size, volts):
    return cell.rate(AgFilament.State(size=size), volts, ENV).size


steepness = jax.jit(jax.grad(speed, 1))


def drive(cell, size, duration, volts, slope=0.0, atom=False, rtol=1e-9):
    """SciPy's (time, state) at the end of a line of voltage, or where phi = phi_a if `atom`.

    The independent integrator of the other tests, compiled once for all cells.
    """

    def stop(t, y):
        return y[0] - ATOM

    stop.terminal = True
    found = solve_ivp(
        lambda t, y: [speed(cell, y[0], volts + slope * t)],
        (0.0, duration),
        [size],
        method="Radau",
        jac=lambda t, y: [[steepness(cell, y[0], volts + slope * t)]],
        rtol=rtol,
        atol=1e-12,
        events=stop if atom else None,
    )
    assert found.status == int(atom)
    return found.t[-1], found.y[0, -1]


def life(cell, size):
    """How long a filament lives without voltage until it is one atom thin (s)."""
    return float(cell.lifetime(array(diameter(size)), cell.phi_a, ENV))


def test_growth_and_thinning():
    # phi = 0.01 nm sees all of 2 V; 1 - phi/phi_m is 0.995, and phi_s = 1e-14 m is gone for a growing filament.
    expected = (5.974725e-6 - 3.610787e-10 * 1e3) * (1 - 1e-11 / 2e-9)
    assert growth(CELL, 1e-11, 2.0) == pytest.approx(expected, rel=2e-7)
    # Thermally activated growth (2.3e-15 m/s) and phi_s together are 1.7e-5 of the thinning.
    assert growth(CELL, NM, 0.0) == pytest.approx(-3.610787e-10, rel=2e-5)
    still = CELL.replace(e_a0=1.3, seed=1e-15)
    assert growth(still, NM, 0.0) == pytest.approx(-3.610787e-10, rel=1.1e-6)


def test_threshold_and_its_slope():
    assert float(CELL.threshold(ENV)) == pytest.approx(1.740908, abs=5e-7)
    slope = jax.grad(lambda alpha: with_values(CELL, {"alpha": alpha}).threshold(ENV))(CELL.alpha)
    assert float(slope) == pytest.approx(-6.21753, abs=5e-6)
    # At the threshold an atomic filament stands still.
    thin = AgFilament(knee=1e-13)
    assert abs(growth(thin, 0.5e-10, float(thin.threshold(ENV)))) < 1e-12 < growth(thin, 0.5e-10, 1.7410)


@pytest.mark.parametrize(
    ("nm", "expected"), [(0.3, 5.538959e-3), (0.5, 4.320388e-2), (1.0, 0.6923006), (2.0, 11.07785)]
)
def test_lifetime(nm, expected):
    assert life(CELL, state(nm * NM).size) == pytest.approx(expected, rel=2e-7)


def test_lifetime_after_one_pulse():
    """Of 0.1448536 nm; its seven digits leave 2e-6 of phi^4 - phi_a^4."""
    assert life(CELL, state(0.1448536 * NM).size) == pytest.approx(2.355915e-4, rel=2e-6)


def test_lifetime_is_that_of_the_equation():
    time, _ = drive(SHARP, float(state(0.3 * NM).size), 1e-2, 0.0, atom=True)
    # phi_s makes the last decade 1e-4 slower.
    assert time == pytest.approx(5.538959e-3, rel=1e-4)
    slope = jax.grad(lambda e: jnp.log(with_values(CELL, {"e_a1": e}).lifetime(array(NM), CELL.phi_a, ENV)))(CELL.e_a1)
    assert float(slope) == pytest.approx(38.6817, abs=5e-5)


REFERENCE = {1.8: 3.166638e-4, 2.0: 1.825888e-5, 2.2: 1.979992e-6, 2.5: 7.631864e-8, 3.0: 3.393362e-10}


def delay(cell, volts):
    return drive(cell, float(cell.init(ENV).size), 2 * REFERENCE[volts], volts, atom=True)[0]


def test_delay():
    found = {volts: delay(SHARP, volts) for volts in REFERENCE}
    assert list(found.values()) == pytest.approx(list(REFERENCE.values()), rel=4e-7)
    assert delay(CELL, 1.8) == pytest.approx(REFERENCE[1.8], rel=5e-5)
    volts = [2.0, 2.2, 2.5]
    slope = np.polyfit(np.log10([found[v] for v in volts]), volts, 1)[0]
    assert 1e3 * slope == pytest.approx(-210.332, abs=5e-4)
    # Far above the threshold nothing thins: kT ln(10)/alpha a decade.
    assert -1e3 * np.log(10) * 0.025851999 / 0.28 == pytest.approx(-212.594, abs=1e-3)
    steep = 1e3 * 0.5 / np.log10(found[3.0] / found[2.5])
    assert steep == pytest.approx(-212.594, rel=2e-3)


def test_set_and_hold_of_a_slow_triangle():
    _, size = drive(SHARP, float(SHARP.init(ENV).size), 0.34, 0.0, 5.0)
    t_set, size = drive(SHARP, size, 0.16, 1.7, 5.0, atom=True)
    v_set = 1.7 + 5 * t_set
    assert v_set == pytest.approx(1.756649, abs=5e-7)
    _, size = drive(SHARP, size + 1e-9, (2.5 - v_set) / 5, v_set, 5.0)
    t_hold, _ = drive(SHARP, size, 0.5, 2.5, -5.0, atom=True)
    # 2 uV from the reference, which limits the current of the already limited gap (next test).
    assert 2.5 - 5 * t_hold == pytest.approx(1.575059, abs=3e-6)
    # The behavioural fit of this model in its repository has 1.744 and 1.5726 V.
    assert v_set == pytest.approx(1.744, rel=0.01) and 2.5 - 5 * t_hold == pytest.approx(1.5726, rel=2e-3)


@pytest.mark.parametrize(
    ("i_c", "nm", "retention", "rel"),
    # The gap conducts more at the voltage that it has without the compliance; the reference takes the one that it
    # has with it, which limits 1 uA by 1e-5 more. phi follows with 4e-6, phi^4 - phi_a^4 with 2e-5.
    [(1e-6, 0.1424755, 2.160616e-4, 5e-6), (3.5e-6, 0.2217785, 1.605767e-3, 1e-6), (1e-4, 0.6332180, 0.1112451, 4e-7)],
)
def test_compliance_sets_diameter_and_retention(i_c, nm, retention, rel):
    _, size = drive(SHARP.replace(i_c=i_c), float(SHARP.init(ENV).size), 5e-3, 2.5)
    assert diameter(size) / NM == pytest.approx(nm, rel=rel)
    assert life(SHARP, size) == pytest.approx(retention, rel=5 * rel)


def pulses(gap, rtol=1e-9):
    """Diameters (nm) after the first and tenth of ten pulses of 2.2 V, 3 us, and the retention then."""
    cell, found = SHARP.replace(i_c=1e-4), []
    size = float(cell.init(ENV).size)
    for _ in range(10):
        _, size = drive(cell, size, 3e-6, 2.2, rtol=rtol)
        found.append(size)
        _, size = drive(cell, size, gap, 0.0, rtol=rtol)
    return diameter(found[0]) / NM, diameter(found[-1]) / NM, life(cell, found[-1])


def test_short_intervals_turn_short_into_long_term():
    first, tenth, retention = pulses(2e-5)
    assert first == pytest.approx(0.1448536, rel=4e-7)
    assert tenth == pytest.approx(0.3658409, rel=4e-7)
    assert retention == pytest.approx(1.233321e-2, rel=1e-6)


def test_long_intervals_leave_no_trace():
    # From 0.6 ms on, not 0.5: the first filament takes 0.2356 ms to one atom and 0.2770 ms from there to none.
    first, tenth, retention = pulses(6e-4, rtol=1e-6)
    # What is left is nothing where the first pulse had found 1e-13 m, 2 ns of growth.
    assert tenth == pytest.approx(first, rel=1.5e-3) and tenth < first
    assert retention == pytest.approx(2.355915e-4, rel=1e-2)


def test_circuit_solves_its_equations():
    cell = CELL.replace(rho_m=1e-4, rho_ox=1e2)
    for phi in (0.05 * NM, 0.11 * NM, 0.6 * NM, 1.9 * NM):
        for volts in (-2.0, 0.3, 2.5):
            node = cell.replace(i_c=1e-2).circuit(state(phi), array(volts))
            current, drop = float(node.current), float(node.drop)
            gap = 0.2 * NM + 4.8 * NM * (1 - np.tanh((phi - 1e-10) / 1e-11)) / 2
            rho = lambda d: 1e-4 / 3 * 28e-9 / d  # noqa: E731
            filament = rho(phi) * gap * 4 / (np.pi * phi**2)
            oxide = 1e2 / (1 + 55e-9 * abs(drop) / gap) * gap * 4 / (np.pi * (4e-18 - phi**2))
            stub = rho(2 * NM) * (5 * NM - gap) * 4 / (np.pi * 4e-18)
            # The compliance of 10 mA, ten times the largest current, still takes 1e-9.
            assert current == pytest.approx(drop / filament + drop / oxide, rel=1e-8)
            assert volts == pytest.approx(drop + stub * current, rel=1e-8)


def test_bidirectional_and_one_lifetime_at_rest():
    # V_th = (0.128 eV + kT ln 300)/1.1 for v < 0.
    thin = AgFilament(knee=1e-13)
    lower = -(0.128 + 0.0258520 * np.log(300)) / 1.1
    assert growth(thin, 0.5e-10, lower - 1e-3) > 0 > growth(thin, 0.5e-10, lower + 1e-3)
    rates = [growth(CELL, NM, volts) for volts in (1e-9, 0.0, -1e-9)]
    assert rates == pytest.approx([rates[1]] * 3, rel=1e-12)
    still = CELL.replace(e_a0=1.3, e_a0_neg=1.3)
    ratio = growth(still, NM, -2e-2) / growth(still, NM, 0.0)
    assert ratio == pytest.approx(np.exp(0.13 / 0.025851999), rel=1e-6)


def test_simulated_loop_is_the_one_of_the_oracle():
    wave = triangle(*CELL.sweep)
    corners = tuple(np.asarray(wave.t))
    t, y = integrate(CELL, ramp(*zip(wave.t, wave.v, strict=True)), corners, rtol=1e-7)
    off = lambda record: np.abs(y[:, 0] - record.x.size).max()  # noqa: E731
    # On a flank the state moves by 5e5 a second: 2e-3 are 4 ns of these 2 s, and the interpolation between two steps.
    record = nj.simulate(CELL, wave, ts=t)
    assert off(record) < 2e-3 and off(nj.simulate(CELL, wave, ts=t, rtol=1e-7, atol=1e-9)) < 1e-4
    i, v = np.asarray(record.i), np.asarray(record.v)
    assert np.abs(i).max() == pytest.approx(3.5e-6, rel=5e-3)
    rising = np.asarray(record.t) < 0.5
    on = lambda part: v[part & (i > 1e-6)]  # noqa: E731
    assert on(rising).min() == pytest.approx(1.7605, abs=6e-3)
    assert on(~rising).min() == pytest.approx(1.5775, abs=6e-3)
    assert np.abs(i[(v > -0.1) & (v < 1.5)]).max() < 1e-11


def test_simulated_current_has_a_forward_gradient():
    wave = triangle(2.5, 0.0, 1.0)

    def current(numbers):
        return nj.simulate(with_values(CELL, numbers), wave, gradient="forward", progress=False).i

    numbers = {name: CELL.parameters()[name].value for name in ("alpha", "e_a1", "rho_m")}
    _, push = eqx.filter_jvp(current, (numbers,), ({k: 0.01 * v for k, v in numbers.items()},))
    assert bool(jnp.all(jnp.isfinite(push))) and float(jnp.max(jnp.abs(push))) > 1e-8
