"""SciPy's integrators, one device at a time: a yardstick of `neurojax bench engine`.

Rates and Jacobians are compiled, and the integrator is begun anew at each knot, as a careful user would.
"""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from neurojax.waveform import Waveform
from physics.device import AbstractDevice, Environment

_KEPT: dict[Any, Any] = {}


def run(device: AbstractDevice, wave: Waveform, ts: Array, method: str, rtol: float) -> np.ndarray:
    """Currents at the samples; where `method` gives up, Radau goes on until the next knot."""
    from scipy.integrate import solve_ivp

    env = Environment()
    flat, unravel = ravel_pytree(device.init(env))
    rate, jacobian = _compiled(type(device), unravel)
    times, volts, samples = (np.asarray(a) for a in (wave.t, wave.v, ts))
    y, found = np.asarray(flat), [np.asarray(flat)[:, None]]
    for a, b in itertools.pairwise(times):
        if a == b:
            continue
        piece = (times >= a) & (times <= b)

        def volt(t, piece=piece):
            return np.interp(t, times[piece], volts[piece])

        inside = samples[(samples > a) & (samples <= b)]
        options: dict[str, Any] = dict(method=method, rtol=rtol, atol=1e-2 * rtol, t_eval=np.union1d(inside, [b]))
        options["jac"] = lambda t, y, volt=volt: np.asarray(jacobian(device, y, volt(t)))
        flow = lambda t, y, volt=volt: np.asarray(rate(device, y, volt(t)))  # noqa: E731
        got = solve_ivp(flow, (a, b), y, **options)
        if not (got.success and np.isfinite(got.y).all()):
            # LSODA gives up where a device runs away.
            options["method"] = "Radau"
            got = solve_ivp(flow, (a, b), y, **options)
        y, found = got.y[:, -1], [*found, got.y[:, : len(inside)]]
    states = jax.vmap(unravel)(jnp.asarray(np.concatenate(found, axis=1)[:, : len(samples)].T))
    volts = jnp.asarray(np.interp(samples, times, volts))
    return np.asarray(jax.vmap(lambda x, v: device.current(x, v, env))(states, volts))


def _compiled(kind: type, unravel: Callable[[Array], Any]) -> Any:
    if kind not in _KEPT:

        def rate(device, y, v):
            return ravel_pytree(device.rate(unravel(y), v, Environment()))[0]

        _KEPT[kind] = jax.jit(rate), jax.jit(jax.jacfwd(rate, 1))
    return _KEPT[kind]
