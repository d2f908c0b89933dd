"""Wox against the reference numbers, which are for growth with the soft window, and against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from physics import Environment, Wox
from physics.quantity import with_values

ENV = Environment()
CELL = Wox()
PULSE = (0.5e-3, 1.4)

growth = jax.jit(lambda device, w, v: device.rate(Wox.State(w=w), v, ENV).w)


def drive(steps, device=CELL, w=0.1):
    """w after each (seconds, volts) of `steps`."""
    found = []
    for seconds, volts in steps:
        v = jnp.asarray(float(volts))
        slope = lambda t, y, v=v: [float(growth(device, jnp.asarray(y[0]), v))]  # noqa: E731
        solution = solve_ivp(slope, (0.0, seconds), [w], method="DOP853", rtol=1e-11, atol=1e-14)
        assert solution.status == 0
        w = solution.y[0, -1]
        found.append(w)
    return found


def read(w, volts=0.6):
    return float(CELL.current(Wox.State(w=jnp.asarray(w)), jnp.asarray(volts), ENV))


def train(n, device=CELL):
    """w after each of n pulses at 200 Hz."""
    return drive([PULSE, (4.5e-3, 0.0)] * n, device)[::2]


def after(stream):
    """w after slots of 0.5 ms with or without a pulse, 2.5 ms apart."""
    return drive([step for bit in stream for step in ((0.5e-3, 1.4 * int(bit)), (2.5e-3, 0.0))])[-1]


@pytest.mark.parametrize(("w", "current"), [(0.1, 5.468562e-6), (0.3, 1.640050e-5)])
def test_current(w, current):
    assert read(w) == pytest.approx(current, rel=2e-7)


def test_speed_of_growth():
    """lam sinh(eta v) at 1.4 V, without what the window and the decay take."""
    still = CELL.replace(window=50.0)
    assert float(growth(still, jnp.asarray(0.1), jnp.asarray(1.4))) == pytest.approx(36.56522, rel=2e-7)


@pytest.mark.parametrize(
    ("milliseconds", "ratio"),
    [
        (1, 1.966691),
        (5, 1.892375),
        (10, 1.807461),
        (20, 1.661103),
        (50, 1.362832),
        (100, 1.133481),
        (200, 1.018065),
    ],
)
def test_paired_pulses(milliseconds, ratio):
    first, _, second = drive([PULSE, (1e-3 * milliseconds, 0.0), PULSE])
    assert first == pytest.approx(0.1169372, rel=3e-7)
    assert (second - 0.1) / (first - 0.1) == pytest.approx(ratio, abs=6e-7)
    # The soft window and the decay within a pulse are what is missing to 1 + exp(-dt/tau).
    assert ratio == pytest.approx(1 + np.exp(-milliseconds / 50), rel=1e-2)


def test_paired_pulses_without_the_window():
    """w2/w1 = 1 + exp(-(dt + width)/tau) exactly, as then all is linear in w - w_min."""
    free = CELL.replace(window=50.0)
    for wait in (1e-3, 2e-2, 0.1):
        first, _, second = drive([PULSE, (wait, 0.0), PULSE], free)
        assert (second - 0.1) / (first - 0.1) == pytest.approx(1 + np.exp(-(wait + 0.5e-3) / 0.05), rel=1e-9)


def test_ten_pulses_build_up_gradually():
    w = np.asarray(train(10))
    assert w[-1] == pytest.approx(0.2107660, rel=3e-7)
    assert read(w[-1]) / read(0.1) == pytest.approx(2.107135, rel=3e-7)
    # Every pulse adds, less than the one before, and ten are far from all of it.
    steps = np.diff(np.append(0.1, w))
    assert np.all(steps > 0) and np.all(np.diff(steps) < 0) and w[-1] < 0.3


@pytest.mark.parametrize(
    ("stream", "microamperes"),
    [
        ("1000", 6.204128),
        ("0100", 6.249612),
        ("0010", 6.297910),
        ("0001", 6.349194),
        ("1111", 8.676883),
        ("0110", 7.075941),
    ],
)
def test_streams_leave_currents_of_their_own(stream, microamperes):
    """Read at 0.6 V."""
    assert 1e6 * read(after(stream)) == pytest.approx(microamperes, abs=6e-7)


def test_all_sixteen_streams_can_be_told_apart():
    amps = np.sort([read(after(f"{k:04b}")) for k in range(16)])
    # The two nearest are 1.1e-3 apart, which is more than a hundred times the shot noise within 1 kHz.
    assert np.diff(amps).min() > 100 * np.sqrt(2 * 1.602e-19 * amps[-1] * 1e3)


@pytest.mark.parametrize(("name", "slope"), [("tau", 0.819470), ("eta", 0.152030)])
def test_sensitivities_of_ten_pulses(name, slope):
    value = float(getattr(CELL, name))
    ends = [train(10, with_values(CELL, {name: value * (1 + s)}))[-1] for s in (-1e-4, 1e-4)]
    assert (ends[1] - ends[0]) / (2e-4 * value) == pytest.approx(slope, abs=2e-6)


def test_forgetting():
    """w, and with it the excess of the read current, falls as exp(-t/50 ms)."""
    (end,) = drive([(0.05, 0.0)], w=0.3)
    assert (end - 0.1) / 0.2 == pytest.approx(0.3678794, abs=6e-8)
    waits = np.asarray([0.01, 0.05, 0.2])
    left = np.asarray([read(drive([(t, 0.0)], w=0.3)[0]) - read(0.1) for t in waits])
    np.testing.assert_allclose(left / (read(0.3) - read(0.1)), np.exp(-waits / 0.05), rtol=1e-9)
