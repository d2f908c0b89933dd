"""Wox against the reference numbers, which are for growth with the soft window."""

import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate

from physics import Environment, Wox

ENV = Environment()
CELL = Wox()


@pytest.mark.parametrize(("w", "current"), [(0.1, 5.468562e-6), (0.3, 1.640050e-5)])
def test_current(w, current):
    found = Wox().current(Wox.State(w=jnp.asarray(w)), jnp.asarray(0.6), ENV)
    assert float(found) == pytest.approx(current, rel=2e-7)


def pulses(gap):
    """w after the first and after the second of two 1.4 V, 0.5 ms pulses."""
    width = 0.5e-3
    times = (0.0, width, width + gap, 2 * width + gap)
    high = lambda t: 1.4 if t <= width or t > width + gap else 0.0  # noqa: E731
    t, y = integrate(CELL, high, times, max_step=1e-3)
    at = lambda s: y[np.argmin(np.abs(t - s)), 0]  # noqa: E731
    return at(width), at(width + gap), y[-1, 0]


@pytest.mark.parametrize(("gap", "ratio"), [(1e-3, 1.966691), (2e-2, 1.661103), (0.1, 1.133481)])
def test_one_pulse_and_paired_pulse_facilitation(gap, ratio):
    first, _, second = pulses(gap)
    assert first == pytest.approx(0.1169372, rel=2e-5)
    # The edges of the oracle's rectangular pulses are resolved to the solver's step only.
    assert (second - 0.1) / (first - 0.1) == pytest.approx(ratio, rel=1e-4)


def test_forgetting():
    _, y = integrate(CELL.replace(w_init=0.3), lambda t: 0.0, (0.0, 0.05))
    assert (y[-1, 0] - 0.1) / 0.2 == pytest.approx(np.exp(-1), rel=1e-6)
