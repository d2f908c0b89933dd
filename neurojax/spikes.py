"""When a node of a circuit spikes: crossings of a level, as exact as the solver, differentiable.

The samples of a record tell between which of them a voltage rises through a level. There it is sampled again, in points
around the best guess, until it is known to rounding; the derivative of the time t0 is the implicit one, as in
`switching.py`: dt/dp = -(dv/dp)/(dv/dt).
"""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from neurojax._circuit_solve import solve
from neurojax._network import Network
from neurojax.circuit import Circuit
from neurojax.circuit_record import CircuitRecord, checked
from neurojax.errors import CircuitError
from neurojax.simulate import MAX_STEPS, tolerances
from neurojax.switching import implicit
from neurojax.transient import given, samples, size_of
from physics.device import Environment
from physics.quantity import suggest

SAMPLES = 2000
"""In which spikes are looked for first."""
POINTS, ROUNDS = 16, 4
"""Of an interval, and how often it is narrowed: to a 16^4th."""


def spike_times(
    circuit: Circuit,
    node: str,
    level: float,
    count: int,
    duration: float | None = None,
    *,
    rising: bool = True,
    ts: Any = None,
    v0: Mapping[str, Any] | None = None,
    x0: Mapping[str, Any] | None = None,
    env: Environment | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    max_steps: int = MAX_STEPS,
    gradient: str = "reverse",
    throw: bool = True,
) -> Float[Array, "*members count"]:
    """The first `count` times (s) at which the voltage of a node rises through a level (V), or falls.

    Args:
        circuit, duration, v0, x0, env, rtol, atol, max_steps, gradient, throw: as in `transient`.
        rising: or falling. ts: samples (s) among which crossings are looked for (default 2000): one that is undone
            before the next of them is not seen.

    Returns:
        Times in their order, shape (count,), or (members, count) of a population; inf for what never happens.

    Raises:
        CircuitError: unknown node. SimulationError: the solver stopped early.
    """
    if node not in circuit.nodes:
        raise CircuitError(f"there is no node {node!r}.{suggest(node, circuit.nodes)}")
    net, t, people, waves = given(circuit, duration, v0, x0, env)
    times = samples(t, ts, SAMPLES)
    size, exact = size_of(*people), tolerances(rtol, atol, t.dtype)
    still = jax.tree.map(lambda a: lax.stop_gradient(a) if eqx.is_array(a) else a, (people, (t, waves)))
    asked: Any = dict(net=net, size=1 if size is None else size, max_steps=max_steps)
    sign = 1.0 if rising else -1.0
    found, v, code = _located(still, times, exact, node, sign, level, count, **asked)
    if throw:
        checked(CircuitRecord(times, {node: v}, {}, {}, {}, jnp.zeros_like(code), code))
    exactly = _differentiable((people, (t, waves)), found, exact, node, level, gradient=gradient, **asked)
    return exactly if size is not None else exactly[0]


def _voltage(given: Any, ts: Array, exact: Any, node: str, net: Network, size: int, max_steps: int, gradient: str):
    """Of a node at samples, (lanes, samples); and the result codes."""
    people, (t, waves) = given
    seen = solve(people, (t, waves, ts, exact), net, size, max_steps, gradient)
    return seen[0][node], seen[-1]


@eqx.filter_jit
def _located(still, times, exact, node, sign, level, count, net, size, max_steps):
    """(lanes, count) times, inf where there is none; the voltage at `times` and result codes."""
    options = (exact, node, net, size, max_steps, "forward")
    seen, code = _voltage(still, times, *options)
    start, end, there = jax.vmap(lambda v: _intervals(times, sign * (v - level), count))(seen)

    def narrow(_, ends):
        start, end = ends
        part = jnp.linspace(0.0, 1.0, POINTS, dtype=start.dtype)
        grid = start[..., None] + part[None, None] * (end - start)[..., None]
        lanes = grid.shape[0]
        v = _voltage(still, _increasing(grid.reshape(lanes, -1)), *options)[0].reshape(grid.shape)
        over = sign * (v - level) >= 0
        k = jnp.clip(jnp.argmax(over, axis=-1), 1, POINTS - 1)[..., None]
        take = lambda k: jnp.take_along_axis(grid, k, axis=-1)[..., 0]  # noqa: E731
        return take(k - 1), take(k)

    start, end = lax.fori_loop(0, ROUNDS, narrow, (start, end))
    ends = _increasing(jnp.stack([start, end], axis=-1).reshape(start.shape[0], -1))
    v = _voltage(still, ends, *options)[0].reshape(*start.shape, 2)
    rise = v[..., 1] - v[..., 0]
    part = jnp.clip((level - v[..., 0]) / jnp.where(rise == 0, jnp.ones_like(rise), rise), 0.0, 1.0)
    return jnp.where(there, start + part * (end - start), jnp.inf), seen, code


@eqx.filter_jit
def _differentiable(given, found, exact, node, level, net, size, max_steps, gradient):
    """The times with their derivatives."""
    there, last = jnp.isfinite(found), given[1][0][-1]
    order = jnp.arange(found.shape[1], dtype=found.dtype) * jnp.finfo(found.dtype).eps * last
    ts = _increasing(jnp.where(there, found, last * (1 - 1e-9) + order[None]))
    v = _voltage(given, ts, exact, node, net, size, max_steps, gradient)[0]
    still = jax.tree.map(lambda a: lax.stop_gradient(a) if eqx.is_array(a) else a, given)
    over = lambda ts: _voltage(still, ts, exact, node, net, size, max_steps, "forward")[0]  # noqa: E731
    speed = jax.jvp(over, (ts,), (jnp.ones_like(ts),))[1]
    return jnp.where(there, implicit(ts, v, speed, jnp.asarray(level, v.dtype), there), jnp.inf)


def _intervals(t: Array, y: Array, count: int) -> tuple[Array, Array, Array]:
    """Ends of the first intervals in which y goes from negative to positive, and which of them there are."""
    up = (y[:-1] < 0) & (y[1:] >= 0)
    number = jnp.cumsum(up) - 1
    k = jnp.argmax(up[None] & (number[None] == jnp.arange(count)[:, None]), axis=1)
    there = jnp.arange(count) < jnp.sum(up)
    # Where there is none, some interval: samples must lie somewhere.
    k = jnp.where(there, k, t.shape[0] - 2)
    return t[k], t[k + 1], there


def _increasing(ts: Array) -> Array:
    """(lanes, samples) that may touch, as ends of two intervals do: later ones move by a rounding."""
    eps = 4 * jnp.finfo(ts.dtype).eps * jnp.max(jnp.abs(ts), axis=-1, keepdims=True)
    number = jnp.arange(ts.shape[-1], dtype=ts.dtype)
    return lax.cummax(ts - eps * number[None], axis=1) + eps * number[None]
