"""Devices against measured records: what is not fitted is predicted (skipped without the data)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import least_squares

from physics import constants
from physics.ferroelectric import Preisach

AREA, THICKNESS = 2.5e-9, 9e-9
NAMES = ("p_s", "e_c", "spread", "width", "eps_r")
LOWER, UPPER = np.array([0.05, 2e7, 0.02, 0.02, 15.0]), np.array([0.5, 2e8, 0.3, 0.3, 100.0])


def pulses(v):
    """Index ranges of the triangles of a record, which are apart by rest."""
    edges = np.flatnonzero(np.diff((np.abs(v) > 0.02).astype(int)))
    return [slice(a, b + 2) for a, b in zip(edges[::2], edges[1::2], strict=True)]


@jax.jit
def charge(numbers, v):
    """Charge (C) along the voltages of a capacitor that was poled down."""
    cell = Preisach(t_fe=THICKNESS).replace(**dict(zip(NAMES, numbers, strict=True)))
    return AREA * (cell.path(v) + constants.EPS_0 * cell.eps_r * v / THICKNESS)


def test_switched_charge_of_pund(shared_data):
    """Fitted to the positive pulses (P, U) of 9 nm between +-3 V, 10 kHz; the negative ones (N, D) are predicted.

    P - U and N - D are free of the offset of the instrument, as both pulses are as long: 48.8 and -49.1 uC/cm2.
    """
    file = shared_data / "ferroelectric_pund/pund_b1500_10kHz_3V.csv"
    table = np.genfromtxt(file, delimiter=",", names=True)
    t, v, i = table["time_s"], table["voltage_V"], -table["current_A"]
    _, p, u, n, d = pulses(v)
    i = i - np.median(i[np.abs(v) < 0.02])
    measured = np.concatenate([[0.0], np.cumsum(0.5 * (i[1:] + i[:-1]) * np.diff(t))])
    volts = jnp.asarray(v)
    scale = np.array([0.1, 5e7, 0.1, 0.1, 20.0])

    def misfit(numbers):
        found = np.asarray(charge(jnp.asarray(numbers), volts))
        error = found - measured
        return np.concatenate([error[s] - error[s.start] for s in (p, u)]) / (0.2 * AREA)

    fit = least_squares(misfit, [0.25, 1.2e8, 0.15, 0.1, 40.0], bounds=(LOWER, UPPER), x_scale=scale)
    found = np.asarray(charge(jnp.asarray(fit.x), volts))
    switched = lambda q, a, b: (q[a.stop - 1] - q[a.start] - q[b.stop - 1] + q[b.start]) / AREA  # noqa: E731
    for first, second, size in ((p, u, 0.488), (n, d, -0.491)):
        assert switched(measured, first, second) == pytest.approx(size, rel=5e-3)
        assert switched(found, first, second) == pytest.approx(switched(measured, first, second), rel=0.03)
