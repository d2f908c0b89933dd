"""The mean of the Langevin switch as a memory: it relaxes, longer after more, and the next pulse finds what is left."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from physics.device import Environment
from physics.diffusive import AgDiffusive

ENV = Environment()
CELL = AgDiffusive()


def array(value):
    return jnp.asarray(value, dtype=float)


@jax.jit
def mean_motion(y, volts):
    rate = CELL.rate(AgDiffusive.State(x=y[0], temperature=y[1]), volts, ENV)
    return jnp.stack([rate.x, rate.temperature])


bend = jax.jit(jax.jacfwd(mean_motion))


def drive(y, seconds, volts, until=None):
    """Seconds and state at the end of a voltage, or where the mean falls through `until`."""
    v = array(volts)
    stop = lambda t, y: y[0] - (-1.0 if until is None else until)  # noqa: E731
    stop.terminal = True
    found = solve_ivp(
        lambda t, y: np.asarray(mean_motion(jnp.asarray(y), v)),
        (0.0, seconds),
        y,
        method="Radau",
        jac=lambda t, y: np.asarray(bend(jnp.asarray(y), v)),
        rtol=1e-7,
        atol=1e-10,
        events=stop,
    )
    assert found.status >= 0
    return found.t[-1], found.y[:, -1]


def conductance(y):
    return float(CELL.current(AgDiffusive.State(x=array(y[0]), temperature=array(1.0)), array(0.1), ENV)) / 0.1


def test_relaxation_is_longer_after_stronger_pulses():
    """Of the mean back to a third of the gap, after pulses of growing voltage and of growing width."""
    rest = drive([0.0, 1.0], 0.05, 0.0)[1]
    relaxation = lambda volts, width: drive(drive(rest, width, volts)[1], 0.05, 0.0, until=0.35)[0]  # noqa: E731
    of_height = [relaxation(v, 5e-6) for v in (1.6, 1.8, 2.0)]
    of_width = [relaxation(2.0, w) for w in (2e-6, 5e-6, 2e-5)]
    for found in (of_height, of_width):
        assert np.all(np.diff(found) > 0) and found[-1] > 3 * found[0]
    assert 1e-5 < of_width[0] and of_width[-1] < 1e-2


def test_paired_pulses_are_facilitated():
    """The second of two pulses of 2 V, 4 us finds what has not relaxed; after milliseconds it finds nothing."""
    rest = drive([0.0, 1.0], 0.05, 0.0)[1]
    first, ratios = drive(rest, 4e-6, 2.0)[1], []
    for wait in (1e-4, 3e-4, 1e-3, 1e-2):
        second = drive(drive(first, wait, 0.0)[1], 4e-6, 2.0)[1]
        ratios.append(conductance(second) / conductance(first))
    assert np.all(np.diff(ratios) < 0) and ratios[0] > 10
    assert ratios[-1] == pytest.approx(1.0, abs=1e-6)
