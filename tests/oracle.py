"""An integrator of somebody else (SciPy) for the reference numbers: slow, simple, independent."""

from collections.abc import Callable
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy.integrate import solve_ivp

from physics.device import AbstractDevice, Environment


def integrate(
    device: AbstractDevice,
    voltage: Callable[[float], float],
    times: tuple[float, ...],
    x0=None,
    env: Environment | None = None,
    *,
    rtol: float = 1e-9,
    atol: float = 1e-12,
    method: str = "Radau",
    event: Callable[[np.ndarray], float] | None = None,
    max_step: float = np.inf,
):
    """SciPy's solution of a device under `voltage(t)` (python scalar -> V), through the knots `times`.

    Integrates piece by piece from one entry of `times` to the next, so no edge is stepped over.
    `event(flat_state)` stops at its zero. Returns (t, states) as arrays [n], [n, n_states]; raises
    RuntimeError if SciPy reports a failure.
    """
    env = Environment() if env is None else env
    start = device.init(env) if x0 is None else x0
    flat, unravel = ravel_pytree(start)

    @jax.jit
    def rate(y, v):
        return ravel_pytree(device.rate(unravel(y), v, env))[0]

    jacobian = jax.jit(jax.jacfwd(rate))
    y, ts, ys = np.asarray(flat), [times[0]], [np.asarray(flat)]
    stop = None
    if event is not None:

        def stop(t, y):
            del t
            return event(y)

        stop.terminal = True
    for a, b in pairwise(times):
        found = solve_ivp(
            lambda t, y: np.asarray(rate(jnp.asarray(y), jnp.asarray(voltage(t), dtype=float))),
            (a, b),
            y,
            method=method,
            jac=lambda t, y: np.asarray(jacobian(jnp.asarray(y), jnp.asarray(voltage(t), dtype=float))),
            rtol=rtol,
            atol=atol,
            events=stop,
            max_step=max_step,
        )
        if found.status < 0:
            raise RuntimeError(f"SciPy failed at t = {found.t[-1]:g} s: {found.message}")
        ts.extend(found.t[1:])
        ys.extend(found.y.T[1:])
        y = found.y[:, -1]
        if found.status == 1:
            break
    return np.asarray(ts), np.asarray(ys)


def ramp(*points: tuple[float, float]) -> Callable[[float], float]:
    """The piecewise-linear voltage through (t, v) points."""
    t, v = np.asarray(points, dtype=float).T
    return lambda s: float(np.interp(s, t, v))
