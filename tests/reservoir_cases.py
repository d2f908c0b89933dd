"""The cell of the reference numbers, frames of it, and a small reservoir, for the tests of reservoirs."""

import jax
import jax.numpy as jnp
import numpy as np

from learning import reservoir as rc

KEY = jax.random.key(0)
ON = 1.0
"""A voltage at which sinh(eta v) = 1 for `pulse_cell`."""


def pulse_cell():
    """A = 0.4 and tau = 5 in units of the pulse: the cell of the reference numbers."""
    eta = float(np.arcsinh(1.0))
    return rc.LeakyCell().replace(lam=0.4, eta=eta, tau=5.0, g_min=1e-9, g_max=1.0)


def linear_frames(cell, width=1.0, rest=1.0, steps=1):
    """Exponential steps without a measurement of their error."""
    cells = rc.exact_frames(cell, 1.0, rest=1.0).cells
    return rc.ExponentialFrames(cells, jnp.asarray(width), jnp.asarray(rest), steps)


def pulse_frames():
    return linear_frames(pulse_cell())


def small_node(**options):
    return rc.node_reservoir(pulse_frames(), 6, devices=2, gain=0.8, offset=0.6, key=KEY, **options)
