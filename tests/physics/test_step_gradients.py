"""Derivatives of single steps against central differences, as the catalogue did for fixed steps (3.1e-9 at worst).

Fourth order with the best of five steps; whole sweeps are left to `tests/neurojax/test_gradients.py`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from physics.channel import EcramChannel
from physics.device import Environment
from physics.ferroelectric import FerroCapacitor
from physics.ferrotransistor import FeFet
from physics.floating_gate import FloatingGate
from physics.ionic import Ecram
from physics.magnetic import Mtj
from physics.phase_change import PhaseChangeCell
from physics.pulsed_presets import PRESETS
from physics.tunnel_junction import Ftj

ENV = Environment()
WORST = 3.1e-9


def array(value):
    return jnp.asarray(value, dtype=float)


def euler(device, v, dt, steps):
    """Asinh of the current after some explicit steps, and the states."""

    def value(device):
        x = device.init(ENV)
        for _ in range(steps):
            x = jax.tree.map(lambda a, b: a + dt * b, x, device.rate(x, v, ENV))
        return jnp.append(1e5 * jnp.ravel(device.current(x, v, ENV)), ravel_pytree(x)[0])

    return device, value


def pulses(preset):
    device = PRESETS[preset]()

    def value(device):
        w = array(0.3)
        for sign in (1.0, 1.0, -1.0):
            w = device.pulse(w, array(sign), array(0.4))
        return w[None]

    return device, value


def exact(device, *drive):
    return device, lambda device: ravel_pytree(device.after(device.init(ENV), *map(array, drive)))[0]


HOT = PhaseChangeCell.State(array(0.15), array(2.3), array(0.9), array(0.0))
CASES = {
    # What the step adds alone: beside the temperature itself its rounding would be seen.
    "PCM": (PhaseChangeCell(), lambda d: ravel_pytree(d.rate(HOT, array(1.2), ENV))[0]),
    "NLS": exact(FerroCapacitor(domains=4), 3.0, 1e-7),
    "FeFet": exact(FeFet(domains=4), 3.4, 75e-9),
    "FTJ": exact(Ftj(zones=4), 2.5, 2e-8),
    "FG": exact(FloatingGate(), [14.0, 0.05], 1e-5),
    "LLGS": euler(Mtj(), array(0.5), array(1e-12), 3),
    "ExpStep": pulses("PCM"),
    "ExpStep of oxide": pulses("ReRamES"),
    "BV": euler(Ecram(), array([0.3, 0.1]), array(1e-7), 2),
    "BV, resolved": euler(EcramChannel(cells=4), array([0.3, 0.1]), array(1e-7), 2),
}


SLOW = {"BV", "BV, resolved"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in CASES])
def test_derivative_of_a_step(name):
    """Along each parameter, in units of its size; what moves the result little counts a thousandth of the most."""
    device, value = CASES[name]
    flat, unravel = ravel_pytree(device)
    of = jax.jit(jax.vmap(lambda p: value(unravel(p))))
    slopes, flat = jax.jit(jax.jacfwd(lambda p: value(unravel(p))))(flat), np.asarray(flat)
    slopes, moving = np.asarray(slopes) * flat, np.flatnonzero(flat)
    assert len(moving) > 0.6 * len(flat) and np.isfinite(slopes).all()
    scale = np.maximum(np.abs(slopes), 1e-3 * np.abs(slopes).max(axis=1, keepdims=True))[:, moving]
    gap = np.full(scale.shape, np.inf)
    for h in (1e-2, 3e-3, 1e-3, 3e-4, 1e-4):
        rows = np.concatenate([flat + k * h * np.diag(flat)[moving] for k in (-2, -1, 1, 2)])
        f = np.asarray(of(jnp.asarray(rows))).reshape(4, len(moving), -1)
        central = (8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * h)
        gap = np.minimum(gap, np.abs(central.T - slopes[:, moving]))
    assert (gap / scale).max() < WORST
