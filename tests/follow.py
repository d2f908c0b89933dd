"""SciPy along pieces of constant or rising voltage, compiled once a kind of device: for checks with many pieces."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy.integrate import solve_ivp

from physics.device import Environment

ENV = Environment()


@jax.jit
def slope(device, like, y, v, env):
    """dy/dt of the flat state y, and how it changes with y."""
    flat = lambda y: ravel_pytree(device.rate(ravel_pytree(like)[1](y), v, env))[0]  # noqa: E731
    return flat(y), jax.jacfwd(flat)(y)


def array(value):
    return jnp.asarray(value, dtype=float)


def follow(device, x, volts, seconds, until=None, env=ENV, rtol=1e-8):
    """Time and state at the end of a voltage, or of a line of it (V, V/s), or where `until`(flat state) is zero."""
    flat, unravel = ravel_pytree(x)
    start, ramp = (np.asarray(a, dtype=float) for a in (volts if isinstance(volts, tuple) else (volts, 0.0)))

    ask = lambda t, y: slope(device, x, y, start + ramp * t, env)  # noqa: E731
    stop = None
    if until is not None:
        stop = lambda t, y: until(y)  # noqa: E731
        stop.terminal = True
    found = solve_ivp(
        lambda t, y: np.asarray(ask(t, y)[0]),
        (0.0, seconds),
        np.asarray(flat),
        method="Radau",
        jac=lambda t, y: np.asarray(ask(t, y)[1]),
        events=stop,
        rtol=rtol,
        atol=1e-12,
        max_step=np.inf if ramp == 0 else seconds / 100,
    )
    assert found.status == (0 if until is None else 1)
    return found.t[-1], unravel(array(found.y[:, -1]))
