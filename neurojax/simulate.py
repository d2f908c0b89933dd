"""device + waveform -> record.

The solver is our own (`stiff.py`): adaptive, linearly implicit, every member at its own pace, no step
across a knot; `solver=` takes any of diffrax instead. A key asks a Langevin device for one noisy path
(Euler-Maruyama, Ito), no key for the mean of many. Failure is loud: `SimulationError` names the
member, the time, the state and what to try. Next: `record.py` for what comes back, `fit.py` for the use.
"""

from functools import partial
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jax.core import Tracer
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from neurojax import _adjoint, _chunks, _diffrax, _lanes, langevin, stiff
from neurojax._charts import Charts
from neurojax._failure import checked
from neurojax._garbage import uncollected
from neurojax.errors import SimulationError
from neurojax.instrument import Instrument
from neurojax.members import Members, member_axes, start_states
from neurojax.progress import after_a_while
from neurojax.record import Record, cumulative
from neurojax.waveform import Waveform, interpolate
from physics.device import AbstractDevice, AbstractLangevin, Environment
from physics.quantity import parameters

MAX_STEPS = 2**16


def simulate(
    device: AbstractDevice,
    waveform: Waveform,
    *,
    ts: Any = None,
    x0: Any = None,
    env: Environment | None = None,
    instrument: Instrument | None = None,
    key: Array | None = None,
    solver: diffrax.AbstractSolver | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    dt: float | None = None,
    max_steps: int = MAX_STEPS,
    gradient: str = "reverse",
    chunk: int = _chunks.CHUNK,
    throw: bool = True,
    progress: bool = True,
) -> Record:
    """Simulate a device (or a population: any parameter with a leading axis) under a waveform.

    Args:
        device: any `AbstractDevice`. waveform: voltage over time.
        ts: sample times (s), shape (n,), inside the waveform; default 500 and all knots.

    Other arguments:
        x0: initial state (`device.init(env)`), of one member or with a leading axis. env: ambient (300 K); its
            temperature may have a leading axis too. instrument: the measuring circuit.
        key: a `jax.random.key` for one path of a Langevin device, an array of keys for one path each; None for
            the mean of many paths.
        solver: a solver of diffrax instead of our own. rtol, atol: local error, states being of order one;
            in float32 not below 8e-6 and 1e-6.
        dt: step of the stochastic path (s); default `device.time_step(env)`.
        max_steps: bound on the solver steps. gradient: "forward" for jvp/jacfwd, "reverse" for grad.
        chunk: larger populations on a CPU run in parts of this size, on all its cores.
        throw: raise on failure; else look at `record.ok`. progress: a bar on a terminal after 2 s.

    Returns:
        Record.

    Raises:
        SimulationError: the solver stopped early, or a sample time lies outside the waveform.
    """
    if gradient not in ("reverse", "forward"):
        raise SimulationError(f"gradient = {gradient!r} must be 'reverse' (for grad) or 'forward' (for jvp, jacfwd).")
    # In the precision of the waveform, also where the default is the other one.
    usual: Environment = jax.tree.map(lambda a: a.astype(waveform.t.dtype), Environment())
    env = usual if env is None else env
    _check_ports(device, waveform)
    _check_precision(waveform, {"device": device, "env": env, "instrument": instrument, "x0": x0})
    times = sample_times(waveform, ts)
    steps = None if key is None else _path_grid(device, waveform, times, env, dt)
    size = _members(device, env, x0, key)
    shared = (waveform.t, waveform.v, times, tolerances(rtol, atol, waveform.t.dtype))
    members = (device, env, instrument, x0)
    quiet = _traced(members, waveform.v)
    with after_a_while(f"simulating {type(device).__name__}", size, enabled=progress and not quiet) as tell:
        if key is None and solver is None:
            record = Record(times, *_populate(members, shared, size, max_steps, gradient, chunk, tell))
        else:
            options = (key, solver, steps, max_steps, gradient)
            with uncollected():
                record = _run_members(device, env, instrument, size, *shared[:3], x0, shared[3], *options)
        return checked(record, type(device).__name__) if throw else record


def _populate(members: Any, shared: Any, size: int | None, max_steps: int, gradient: str, chunk: int, tell: Any):
    """`_run` in chunks where that is worthwhile, on all devices where the population lies on several."""
    lie = None if size is None or _traced(members) else _chunks.mesh_of(members)
    if lie is not None:
        local = size // lie[0].shape[lie[1]]
        static = dict(size=local, max_steps=max_steps, gradient=gradient)
        return _chunks.on_all_devices(_parts, members, shared, lie, **static)
    chunk = chunk if size is None else _chunks.size_of_chunks(size, chunk)
    if size is not None and _chunks.worthwhile(size, (members, shared), chunk):
        run = partial(_run, shared=shared, size=chunk, max_steps=max_steps, gradient=gradient)
        return _chunks.in_chunks(run, members, size, chunk, tell)
    with uncollected():
        return _run(members, shared, size, max_steps, gradient)


def solve(members: Members, axes: Any, drive: stiff.Drive, x0: Any, tolerances, max_steps: int, gradient: str):
    """The pure function behind `simulate`: nothing checked or raised.

    Args:
        members: leaves with a leading lane axis where `axes` has 0. drive: shared, or with lanes.
        x0: states with a leading lane axis. tolerances: (rtol, atol).

    Returns:
        States (lanes, samples), steps and result codes (lanes,).
    """
    lanes, charts = jax.tree.leaves(x0)[0].shape[0], Charts(x0)
    single = jax.tree.map(lambda a: jnp.zeros(a.shape[1:], a.dtype), x0)
    _, unravel = ravel_pytree(single)

    def rate(member, y, v):
        z = unravel(y)
        return ravel_pytree(charts.motion(z, member.rate(charts.to_state(z), v)))[0]

    flat = jax.vmap(lambda x: ravel_pytree(charts.to_line(x))[0], out_axes=1)(x0)
    how = stiff.control(lanes, flat.shape[0], max_steps, booked=gradient == "reverse")
    integrate = stiff.integrate if gradient == "forward" else _adjoint.integrate
    rtol, atol = tolerances
    equations = _lanes.Equations(rate, bounds=charts.bounds([a.size for a in jax.tree.leaves(single)]))
    solution = integrate(equations, members, axes, drive, flat, rtol, atol, how)
    return charts.to_state(jax.vmap(jax.vmap(unravel))(solution.y)), solution.steps, solution.code


def _parts(people: Any, shared: Any, size: int | None, max_steps: int, gradient: str) -> Any:
    """The fields of a `Record` behind its times."""
    (device, env, instrument, x0), (wave_t, wave_v, ts, tolerances) = people, shared
    lanes = 1 if size is None else size
    members = Members(device, env, instrument)
    axes = member_axes(members)
    start = start_states(members, axes, x0, lanes)
    if jtu.tree_leaves(start):
        drive = stiff.Drive(wave_t, wave_v, ts)
        xs, steps, code = solve(members, axes, drive, start, tolerances, max_steps, gradient)
    else:
        xs, steps, code = start, jnp.zeros(lanes, jnp.int32), jnp.zeros(lanes, jnp.int32)
    v, slope = jax.vmap(lambda t: interpolate(wave_t, wave_v, t))(ts)
    observe = jax.vmap(lambda m, x: jax.vmap(m.observe)(x, v, slope), in_axes=(axes, 0), axis_size=lanes)
    i, power = observe(members, xs)
    energy = jax.vmap(lambda p: cumulative(ts, p))(power)
    voltage = jnp.broadcast_to(v[None], (lanes, *v.shape))
    parts: Any = (voltage, i, xs, power, energy, steps, code)
    return parts if size is not None else jax.tree.map(lambda a: a[0], parts)


_run = eqx.filter_jit(_parts)


@eqx.filter_jit
def _run_members(
    device, env, instrument, size, wave_t, wave_v, ts, x0, tolerances, key, solver, steps, max_steps, gradient
) -> Record:
    lanes = 1 if size is None else size
    members, (rtol, atol) = Members(device, env, instrument), tolerances
    axes = member_axes(members)
    keys = None if key is None else key if key.ndim else jax.random.split(key, lanes) if lanes > 1 else key[None]

    def one(member, x, key):
        if not jtu.tree_leaves(x):
            xs, taken, code = x, jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32)
        elif key is None:
            options = (rtol, atol, max_steps, gradient)
            xs, taken, code = _diffrax.adaptive(solver, member.rate, wave_t, wave_v, ts, x, *options)
        else:
            xs, taken, code = langevin.path(member, key, steps, wave_t, wave_v, x, gradient)
        v, slope = jax.vmap(lambda t: interpolate(wave_t, wave_v, t))(ts)
        i, power = jax.vmap(member.observe)(xs, v, slope)
        return v, i, xs, power, cumulative(ts, power), taken, code

    in_axes = (axes, 0, None if keys is None else 0)
    parts: Any = jax.vmap(one, in_axes=in_axes, axis_size=lanes)(members, start_states(members, axes, x0, lanes), keys)
    return Record(ts, *(parts if size is not None else jax.tree.map(lambda a: a[0], parts)))


def tolerances(rtol: float, atol: float, dtype: Any) -> tuple[Array, Array]:
    """rtol and atol as arrays, not below what the precision allows."""
    if not (rtol > 0 and atol > 0):
        raise SimulationError(f"rtol = {rtol} and atol = {atol} must be positive, for instance 1e-6 and 1e-8.")
    # Below that the error estimate is rounding, and the steps would shrink for nothing.
    eps = float(jnp.finfo(dtype).eps)
    return jnp.asarray(max(rtol, 64 * eps), dtype), jnp.asarray(max(atol, 8 * eps), dtype)


def _check_ports(device: AbstractDevice, waveform: Waveform) -> None:
    if waveform.v.shape[1:] != device.port_shape:
        ports = ", ".join(device.terminals[:-1])
        raise SimulationError(
            f"{type(device).__name__} takes the voltage of {ports} over {device.terminals[-1]}, so a waveform of shape "
            f"(knots, *{device.port_shape}); this one has {tuple(waveform.v.shape)}. Give each knot one voltage a port."
        )


def _check_precision(waveform: Waveform, given: dict[str, Any]) -> None:
    usual = waveform.t.dtype
    for what, tree in ({"waveform.v": waveform.v} | given).items():
        for leaf in jtu.tree_leaves(tree):
            dtype = getattr(leaf, "dtype", usual)
            if jnp.issubdtype(dtype, jnp.floating) and dtype != usual:
                raise SimulationError(
                    f"waveform.t is {usual}, but {what} has {dtype}: all must have one precision. Cast what differs, "
                    f"for instance jax.tree.map(lambda a: a.astype({usual}), {what.split('.')[0]})."
                )


def sample_times(waveform: Waveform, ts: Any) -> Array:
    if ts is None:
        return jnp.asarray(waveform.sample_times())
    times = jnp.asarray(ts, dtype=waveform.t.dtype)
    if isinstance(times, Tracer) or isinstance(waveform.t, Tracer):
        return times
    host, knots = np.asarray(times), np.asarray(waveform.t)
    first, last = float(knots[0]), float(knots[-1])
    slack = 1e-6 * (last - first)
    if host.ndim != 1 or host.size == 0 or not np.isfinite(host).all() or np.any(np.diff(host) <= 0):
        raise SimulationError(
            "sample times must be a non-empty, finite, strictly increasing one-dimensional array (s)."
        )
    if host[0] < first - slack or host[-1] > last + slack:
        raise SimulationError(
            f"sample times run from {host[0]:g} to {host[-1]:g} s, but the waveform from {first:g} to {last:g} s. "
            "Extend it with waveform.then(rest(...)), or check the unit of the times."
        )
    return times if first <= host[0] and host[-1] <= last else jnp.asarray(np.clip(host, first, last))


def _path_grid(device, waveform, times, env, dt) -> langevin.Grid:
    if not isinstance(device, AbstractLangevin):
        raise SimulationError(
            f"{type(device).__name__} is deterministic: it takes no key (it is not AbstractLangevin)."
        )
    if _traced(waveform.t, times):
        raise SimulationError("a noisy path needs a waveform and sample times whose times are numbers, not traced.")
    step = float(np.min(np.asarray(device.time_step(env)))) if dt is None else float(dt)
    return langevin.path_grid(np.asarray(waveform.t), np.asarray(times), step)


def _members(device: AbstractDevice, env: Environment, x0: Any, key: Any) -> int | None:
    """Size of a population, None for one device."""
    sizes = {} if key is None or not key.ndim else {"key": key.shape[0]}
    for label, tree in (("", device), ("env.", env), ("x0.", x0)):
        found = {label + p.name: p.value for p in parameters(tree).values()}
        sizes |= {name: value.shape[0] for name, value in found.items() if getattr(value, "ndim", 0)}
    if len(set(sizes.values())) > 1:
        raise SimulationError(f"parameters disagree about the size of the population: {sizes}.")
    return next(iter(sizes.values()), None)


def _traced(*trees: Any) -> bool:
    return any(isinstance(leaf, Tracer) for leaf in jtu.tree_leaves(trees))
