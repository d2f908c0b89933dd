"""The pure function behind `transient`: from numbers to what is read of a circuit at its samples."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neurojax import _adjoint, _diffrax, _lanes, stiff
from neurojax._charts import Charts
from neurojax._circuit_noise import kick, paths
from neurojax._circuit_reading import readings
from neurojax._network import Member, Network
from neurojax._operating_point import balanced
from neurojax._storage import leak, storage
from neurojax.circuit_record import NO_OPERATING_POINT
from neurojax.members import member_axes
from neurojax.waveform import interpolate

G_MIN = 1e-12
"""Leak (S) to ground of nodes with a capacitor, while the operating point is sought."""


class Start(eqx.Module):
    """What is told about the beginning: voltages of nodes, states of devices."""

    v0: dict[str, Array]
    x0: dict[str, Any]


def solve(
    people: Any,
    shared: Any,
    net: Network,
    size: int | None,
    max_steps: int,
    gradient: str,
    noise: Any = None,
    solver: Any = None,
) -> Any:
    """The fields of a `CircuitRecord` behind its times.

    Args:
        people: parts, constant sources, ambient and `Start`, with leading axes where members differ. shared: knots,
            waveforms at them, samples (S,) or (lanes, S), and (rtol, atol). size: of a population, None for one.
        noise: `Noise` of noisy paths. solver: of diffrax, where every node has a capacitor.
    """
    (parts, constants, env, start), (t, waves, ts, exact) = people, shared
    lanes = 1 if size is None else size
    e = _sources(net, waves, constants, t)
    own = 0 if e.ndim == 3 else None
    e0 = e[:, 0] if e.ndim == 3 else e[0]
    start_all = jax.vmap(partial(begin, net), in_axes=(member_axes((parts, env, start)), own), axis_size=lanes)
    stored, x, u, begun = start_all((parts, env, start), e0)
    straight = () if noise is None else net.noisy + net.agitated if noise.thermal else net.noisy
    charts = {n: Charts(s, straight=n in straight) for n, s in x.items()}
    # Not of JAX: the equations must not close over what is traced.
    single = jax.tree.map(lambda a: np.zeros(a.shape[1:], a.dtype), x)
    members = Member(parts, env, stored)
    axes = Member(member_axes(parts), member_axes(env), jax.tree.map(lambda a: 0, stored))
    line_up = jax.vmap(lambda m, x, u, e: net.start(m, charts, x, u, e), in_axes=(axes, 0, 0, own), out_axes=1)
    y0 = line_up(members, x, u, e0)
    mass, equations = equations_of(net, charts, single, noise is not None)
    if noise is not None:
        kicks, drawn = kick(net, charts, single, y0.shape[0], noise.thermal)
        how = (noise.keys, noise.steps, gradient, drawn)
        solution = paths(equations.rate, kicks, mass, members, axes, (t, e), y0, how)
    elif solver is not None:

        def one(member: Member, e: Array, y: Array) -> Any:
            rate = partial(equations.rate, member)
            return _diffrax.adaptive(solver, rate, t, e, ts, y, exact[0], exact[1], max_steps, gradient)

        solution = stiff.Solution(*jax.vmap(one, in_axes=(axes, own, 1))(members, e, y0))
    else:
        booked = gradient == "reverse"
        # A step of a circuit is dear, and thousands are usual: longer pages, so that few are taken twice.
        page, longest = (stiff.LONG_PAGE, 2**13) if booked else (stiff.PAGE, 2**10)
        how = stiff.control(lanes, y0.shape[0], max_steps, page, booked, longest)
        integrate = stiff.integrate if gradient == "forward" else _adjoint.integrate
        solution = integrate(equations, members, axes, _drive(t, e, ts, lanes), y0, exact[0], exact[1], how)
    seen = readings(net, charts, single, equations, mass, members, axes, _at_samples(t, e, ts), solution.y)
    found = (*seen, solution.steps, jnp.where(begun, solution.code, NO_OPERATING_POINT))
    return found if size is not None else jax.tree.map(lambda a: a[0], found)


def _drive(t: Array, e: Array, ts: Array, lanes: int) -> stiff.Drive:
    """Shared by all lanes, or all of it with lanes."""
    if e.ndim == 3 or ts.ndim == 2:
        t, e = (jnp.broadcast_to(a, (lanes, *a.shape[-k:])) for a, k in ((t, 1), (e, 2)))
        ts = jnp.broadcast_to(ts, (lanes, ts.shape[-1]))
    return stiff.Drive(t, e, ts)


def _at_samples(t: Array, e: Array, ts: Array) -> tuple[Array, Array]:
    """Sources and their slopes at the samples, (samples, sources) or with lanes."""
    at = jax.vmap(interpolate, in_axes=(None, None, 0))
    if e.ndim == 2 and ts.ndim == 1:
        return at(t, e, ts)
    return jax.vmap(at, in_axes=(None, 0 if e.ndim == 3 else None, 0 if ts.ndim == 2 else None))(t, e, ts)


def _sources(net: Network, waves: Mapping[str, Array], constants: Mapping[str, Array], t: Array) -> Array:
    """Voltages and currents of all sources at the knots, (K, sources), or (lanes, K, sources)."""
    if not net.ends:
        return jnp.zeros((t.shape[0], 1), t.dtype)
    columns = [waves[n] if n in waves else constants[n][..., None] for n in net.ends]
    lanes = jnp.broadcast_shapes(*(c.shape[:-1] for c in columns))
    return jnp.stack([jnp.broadcast_to(c.astype(t.dtype), (*lanes, t.shape[0])) for c in columns], axis=-1)


def begin(net: Network, given: Any, e0: Array) -> Any:
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


def equations_of(
    net: Network, charts: Mapping[str, Charts], single: Mapping[str, Any], path: bool = False
) -> tuple[Any, _lanes.Equations]:
    """The diagonal of the mass matrix, and what is solved; path: of a noisy one."""
    bounds: list[tuple[float, float]] = []
    for name, state in single.items():
        sizes = [a.size for a in jax.tree.leaves(state)]
        bounds += charts[name].bounds(sizes) or [(-np.inf, np.inf)] * sum(sizes)
    mass = net.mass(len(bounds))
    bounds += [(-np.inf, np.inf)] * sum(g.size for g in net.groups)
    matrix = None if mass is None else lambda member: jnp.diag(jnp.asarray(mass, member.env.temperature.dtype))
    return mass, _lanes.Equations(net.rate(charts, single, path), matrix, tuple(bounds))
