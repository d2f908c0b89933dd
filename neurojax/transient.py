"""A circuit over time: `transient(circuit)` -> `CircuitRecord`.

Where it starts: devices at `device.init(env)`, nodes at the operating point of the sources at the first instant, or at
`v0` where a node has a capacitor. Failure is loud, see `neurojax.simulate`.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array

from neurojax import _adjoint, _chunks, _lanes, stiff
from neurojax._charts import Charts
from neurojax._circuit_reading import readings
from neurojax._network import Member, Network
from neurojax._operating_point import balanced
from neurojax._sources import DC, CurrentSource, knots, values
from neurojax._storage import leak, storage
from neurojax.circuit import Circuit, network
from neurojax.circuit_record import NO_OPERATING_POINT, CircuitRecord, checked
from neurojax.errors import CircuitError, SimulationError
from neurojax.members import member_axes
from neurojax.progress import after_a_while
from neurojax.simulate import MAX_STEPS, sample_times, tolerances
from neurojax.waveform import Waveform, interpolate
from physics.device import Environment
from physics.quantity import parameters, suggest

G_MIN = 1e-12
"""Leak (S) to ground of nodes with a capacitor, while the operating point is sought."""


class Start(eqx.Module):
    """What is told about the beginning: voltages of nodes, states of devices."""

    v0: dict[str, Array]
    x0: dict[str, Any]


def transient(
    circuit: Circuit,
    duration: float | None = None,
    *,
    ts: Any = None,
    v0: Mapping[str, Any] | None = None,
    x0: Mapping[str, Any] | None = None,
    env: Environment | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    max_steps: int = MAX_STEPS,
    gradient: str = "reverse",
    chunk: int = _chunks.CHUNK,
    throw: bool = True,
    progress: bool = True,
) -> CircuitRecord:
    """Simulate a circuit, or a population of it: any parameter of a device or constant source with a leading axis.

    Args:
        duration: s, default the end of the longest waveform. ts: sample times (s), default 500 and all knots.

    Other arguments:
        v0: node -> voltage (V) at the start, of nodes with a capacitor; all others at the operating point.
        x0: instance -> state at the start (default `device.init(env)`). env: ambient (300 K).
        rtol, atol: local error, of states and volts. max_steps, gradient, chunk, throw, progress: as in `simulate`.

    Returns:
        CircuitRecord: voltages of nodes, currents, powers and states of instances.

    Raises:
        CircuitError: unknown names, no operating point. SimulationError: the solver stopped early.
    """
    if gradient not in ("reverse", "forward"):
        raise SimulationError(f"gradient = {gradient!r} must be 'reverse' (for grad) or 'forward' (for jvp, jacfwd).")
    net, t = network(circuit), knots([_wave(s) for s in circuit.sources.values()], duration)
    usual: Environment = jax.tree.map(lambda a: a.astype(t.dtype), Environment())
    constants = {n: _wave(s).value for n, s in circuit.sources.items() if isinstance(_wave(s), DC)}
    start = _start(circuit, net, v0 or {}, x0 or {}, t.dtype)
    people = (circuit.parts, constants, usual if env is None else env, start)
    waves = {n: values(_wave(s), t) for n, s in circuit.sources.items() if n not in constants}
    times = sample_times(Waveform(t, jnp.zeros_like(t)), ts)
    shared, size = (t, waves, times, tolerances(rtol, atol, t.dtype)), _size(*people)
    static: Any = dict(net=net, size=size, max_steps=max_steps, gradient=gradient)
    quiet = any(isinstance(a, Tracer) for a in jax.tree.leaves((people, waves)))
    with after_a_while("simulating a circuit", size, enabled=progress and not quiet) as tell:
        chunk = chunk if size is None else _chunks.size_of_chunks(size, chunk)
        if size is not None and _chunks.worthwhile(size, (people, shared), chunk):
            run = partial(_run, shared=shared, **(static | dict(size=chunk)))
            found = _chunks.in_chunks(run, people, size, chunk, tell)
        else:
            found = _run(people, shared=shared, **static)
        record = CircuitRecord(times, *found)
        return checked(record) if throw else record


def _wave(source: Any) -> Any:
    """The waveform or constant of a source."""
    return source.of if isinstance(source, CurrentSource) else source


@eqx.filter_jit
def _run(people: Any, shared: Any, net: Network, size: int | None, max_steps: int, gradient: str) -> Any:
    """The fields of a `CircuitRecord` behind its times."""
    (parts, constants, env, start), (t, waves, ts, exact) = people, shared
    lanes, (rtol, atol) = 1 if size is None else size, exact
    e = _sources(net, waves, constants, t)
    own = 0 if e.ndim == 3 else None
    e0 = e[:, 0] if e.ndim == 3 else e[0]
    begin = jax.vmap(partial(_begin, net), in_axes=(member_axes((parts, env, start)), own), axis_size=lanes)
    stored, x, u, found = begin((parts, env, start), e0)
    charts = {n: Charts(s) for n, s in x.items()}
    single = jax.tree.map(lambda a: jnp.zeros(a.shape[1:], a.dtype), x)
    members = Member(parts, env, stored)
    axes = Member(member_axes(parts), member_axes(env), jax.tree.map(lambda a: 0, stored))
    line_up = jax.vmap(lambda m, x, u, e: net.start(m, charts, x, u, e), in_axes=(axes, 0, 0, own), out_axes=1)
    y0 = line_up(members, x, u, e0)
    mass, equations = _equations(net, charts, single)
    if own == 0:
        t, ts = (jnp.broadcast_to(a[None], (lanes, *a.shape)) for a in (t, ts))
    how = stiff.control(lanes, y0.shape[0], max_steps, booked=gradient == "reverse")
    integrate = stiff.integrate if gradient == "forward" else _adjoint.integrate
    solution = integrate(equations, members, axes, stiff.Drive(t, e, ts), y0, rtol, atol, how)
    over = jax.vmap(interpolate, in_axes=(None, None, 0))
    at = jax.vmap(over)(t, e, ts) if own == 0 else over(t, e, ts)
    seen = readings(net, charts, single, equations, mass, members, axes, at, solution.y)
    parts = (*seen, solution.steps, jnp.where(found, solution.code, NO_OPERATING_POINT))
    return parts if size is not None else jax.tree.map(lambda a: a[0], parts)


def _sources(net: Network, waves: Mapping[str, Array], constants: Mapping[str, Array], t: Array) -> Array:
    """Voltages and currents of all sources at the knots, (K, sources), or (lanes, K, sources)."""
    if not net.ends:
        return jnp.zeros((t.shape[0], 1), t.dtype)
    columns = [waves[n] if n in waves else constants[n][..., None] for n in net.ends]
    lanes = jnp.broadcast_shapes(*(c.shape[:-1] for c in columns))
    return jnp.stack([jnp.broadcast_to(c.astype(t.dtype), (*lanes, t.shape[0])) for c in columns], axis=-1)


def _begin(net: Network, given: Any, e0: Array) -> Any:
    """Storage, states and free voltages of one lane at the start, and whether there is an operating point."""
    parts, env, start = given
    member = Member(parts, env, storage(net, parts, env, e0.dtype))
    x = {n: start.x0[n] if n in start.x0 else d.init(env) for n, d in parts.items()}
    leaks, zero = jnp.asarray(leak(net) * G_MIN, e0.dtype), jnp.zeros((), e0.dtype)

    def balance(u: Array, part: Array) -> Array:
        e = part * e0
        v = net.nodes([u[k] for k in range(u.shape[0])], e)
        i = jnp.stack(net.at_free(net.leaving(net.conduction(member, x, v), e), zero)) + leaks * u
        for node, volts in start.v0.items():
            i = i.at[net.topology.at(node)].set(v[node] - part * volts)
        return i

    u, found = balanced(balance, jnp.zeros(len(net.topology.free), e0.dtype))
    return member.storage, x, u, found


def _equations(net: Network, charts: Mapping[str, Charts], single: Mapping[str, Any]) -> tuple[Any, _lanes.Equations]:
    """The diagonal of the mass matrix, and what is solved."""
    bounds: list[tuple[float, float]] = []
    for name, state in single.items():
        sizes = [a.size for a in jax.tree.leaves(state)]
        bounds += charts[name].bounds(sizes) or [(-np.inf, np.inf)] * sum(sizes)
    mass = net.mass(len(bounds))
    bounds += [(-np.inf, np.inf)] * sum(g.size for g in net.groups)
    matrix = None if mass is None else lambda member: jnp.diag(jnp.asarray(mass, member.env.temperature.dtype))
    return mass, _lanes.Equations(net.rate(charts, single), matrix, tuple(bounds))


def _start(circuit: Circuit, net: Network, v0: Mapping[str, Any], x0: Mapping[str, Any], dtype: Any) -> Start:
    moving = {n for g in net.groups if g.moving and g.grounded for n in g.nodes}
    for node in v0:
        if node not in net.topology.nodes:
            raise CircuitError(f"v0: there is no node {node!r}.{suggest(node, net.topology.nodes)}")
        if net.topology.at(node) not in moving:
            raise CircuitError(
                f"v0: no capacitor holds node {node!r}, so its voltage follows from the sources and the other nodes."
            )
    for name in x0:
        if name not in circuit.parts:
            raise CircuitError(f"x0: there is no device {name!r}.{suggest(name, tuple(circuit.parts))}")
    return Start({n: jnp.asarray(v, dtype) for n, v in v0.items()}, dict(x0))


def _size(parts: Any, constants: Mapping[str, Array], env: Environment, start: Start) -> int | None:
    """Size of a population, None for one circuit."""
    named = {f"{n}.{p.name}": p.value for n, d in parts.items() for p in parameters(d).values()}
    named |= {f"env.{p.name}": p.value for p in parameters(env).values()}
    named |= {f"{n}.value": v for n, v in constants.items()} | {f"v0[{n!r}]": v for n, v in start.v0.items()}
    named |= {f"x0[{n!r}].{p.name}": p.value for n, x in start.x0.items() for p in parameters(x).values()}
    sizes = {n: v.shape[0] for n, v in named.items() if getattr(v, "ndim", 0)}
    if len(set(sizes.values())) > 1:
        raise CircuitError(f"parameters disagree about the size of the population: {sizes}.")
    return next(iter(sizes.values()), None)
