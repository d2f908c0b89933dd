"""From cables and how they are joined to arrays: nodes at the ends of compartments, shared where branches meet."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array

from neurojax._cable_step import Bundle, Ends, currents
from neurojax.errors import CircuitError
from neurojax.waveform import Waveform, interpolate
from physics.device import Environment

Site = tuple[str, Any]
"""A branch and distances from its start (m), shape (sites,)."""


def joints(parents: Sequence[tuple[str, str | None]]) -> dict[str, tuple[int, int]]:
    """Numbers of the joints at the start and at the end of each branch; 0 is where those without a parent start."""
    number = {name: k + 1 for k, (name, _) in enumerate(parents)}
    return {name: (0 if parent is None else number[parent], number[name]) for name, parent in parents}


def bundles(parts: Any, joints: dict[str, tuple[int, int]]) -> list[tuple[tuple[str, ...], Bundle]]:
    """Branches that can be computed together, and their names.

    Args:
        parts: cables by name. joints: numbers of the joints at the start and at the end of each.
    """
    alike: dict[Any, list[str]] = {}
    for name, part in parts.items():
        kinds = tuple((key, jax.tree.structure(device)) for key, device in part.channels.items())
        alike.setdefault((kinds, part.compartments), []).append(name)
    return [(tuple(names), _bundle([parts[n] for n in names], [joints[n] for n in names])) for names in alike.values()]


def _bundle(parts: list[Any], joints: list[tuple[int, int]]) -> Bundle:
    one = jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)
    n = parts[0].compartments
    dx = one.length / n
    weight = jnp.ones(n + 1, dx.dtype).at[jnp.asarray([0, n])].set(0.5)
    area = (2 * jnp.pi * one.radius * dx)[:, None] * weight[None]
    axial = jnp.pi * one.radius**2 / (one.resistivity * dx)
    first, last = zip(*joints, strict=True)
    return Bundle(one.channels, area, area * one.capacitance[:, None], axial, first, last)


def start(bundle: Bundle, held: tuple[bool, ...], v0: Array, env: Environment) -> tuple[dict[str, Any], Array]:
    """States as the devices begin, and voltages: `v0` everywhere but at ends that are held at zero."""
    shape = bundle.area.shape
    spread = lambda a: jnp.broadcast_to(a[:, None], shape)  # noqa: E731
    x = {n: jax.tree.map(spread, jax.vmap(lambda d: d.init(env))(d)) for n, d in bundle.devices.items()}
    loose = 1.0 - np.asarray(held, dtype=float)
    v = jnp.full(shape, v0)
    v = v.at[:, 0].multiply(jnp.asarray(loose[list(bundle.first)], v.dtype))
    return x, v.at[:, -1].multiply(jnp.asarray(loose[list(bundle.last)], v.dtype))


def membrane(part: Any, v: Array, env: Environment) -> tuple[Array, Array]:
    """Current density outwards (A/m2) and conductance (S/m2) of a cable at a voltage, gates as the devices begin."""
    one = jax.tree.map(lambda a: a[None], part.channels)
    area = jnp.ones((1, 1), v.dtype)
    bundle = Bundle(one, area, area, area[0], (0,), (1,))
    x = {n: jax.tree.map(lambda a: a[:, None], jax.vmap(lambda d: d.init(env))(d)) for n, d in one.items()}
    i, slope = currents(bundle, x, v.reshape(1, 1), env)
    return i[0, 0], slope[0, 0]


def closing(parts: Any, joints: dict[str, tuple[int, int]], v0: Array, env: Environment) -> Ends:
    """What hangs on each joint: nothing where the end is sealed or branches meet."""
    size = 1 + max(max(pair) for pair in joints.values())
    conductance, battery, held = jnp.zeros(size, v0.dtype), jnp.zeros(size, v0.dtype), [False] * size
    for name, pair in joints.items():
        for joint, end in zip(pair, parts[name].ends, strict=True):
            held[joint] |= end == "killed"
            if end == "terminated":
                current, slope = membrane(parts[name], v0, env)
                conductance = conductance.at[joint].set(endless(parts[name], slope))
                battery = battery.at[joint].set(v0 - current / slope)
    return Ends(conductance, battery, tuple(held))


def endless(part: Any, slope: Array) -> Array:
    """Input conductance (S) at rest of a cable without end, pi sqrt(2 a^3 g/R_i), of a membrane of `slope` (S/m2)."""
    return jnp.pi * jnp.sqrt(2 * part.radius**3 * slope / part.resistivity)


def weights(parts: Any, groups: Sequence[tuple[tuple[str, ...], Bundle]], sites: Sequence[Site]) -> tuple[Any, ...]:
    """Number of the node before each site among all, and where the site lies between it and the next, in 0 .. 1."""
    begins, count = {}, 0
    for names, bundle in groups:
        for k, name in enumerate(names):
            begins[name] = count + k * bundle.area.shape[1]
        count += bundle.area.size
    dtype = groups[0][1].area.dtype
    if not sites:
        return jnp.zeros(0, jnp.int32), jnp.zeros(0, dtype), count
    index, part = [], []
    for name, x in sites:
        place = x * parts[name].compartments / parts[name].length
        before = jnp.clip(jnp.floor(place), 0.0, parts[name].compartments - 1.0)
        index.append(before.astype(jnp.int32) + begins[name])
        part.append(place - before)
    return jnp.concatenate(index), jnp.concatenate(part), count


def checked_site(parts: Any, site: Site) -> Site:
    """One site on its branch, of the usual precision.

    Raises:
        CircuitError: it lies beyond the ends.
    """
    name, x = site
    length = parts[name].length
    x = jnp.asarray(x, length.dtype)
    if not isinstance(x, Tracer) and not isinstance(length, Tracer):
        longest = float(np.min(np.asarray(length)))
        if not 0 <= float(x) <= longest * (1 + 1e-9):
            raise CircuitError(f"the site {float(x):g} m is not on {name!r}, which is {longest:g} m long (SI units).")
    return name, x[None]


def each_step(wave: Waveform, edges: Array) -> Array:
    """Mean of a waveform over each step, so that no charge is lost where a pulse begins or ends within one."""
    t, v, dtype = wave.t, wave.v, edges.dtype
    edges = edges.astype(t.dtype)
    whole = jnp.concatenate([jnp.zeros(1, t.dtype), jnp.cumsum((v[1:] + v[:-1]) / 2 * jnp.diff(t))])

    def value(at):
        k = jnp.clip(jnp.searchsorted(t, at, side="right") - 1, 0, t.shape[0] - 2)
        width = t[k + 1] - t[k]
        slope = (v[k + 1] - v[k]) / jnp.where(width > 0, width, jnp.ones_like(width))
        inside = jnp.clip(at, t[0], t[-1]) - t[k]
        beyond = v[0] * jnp.minimum(at - t[0], 0.0) + v[-1] * jnp.maximum(at - t[-1], 0.0)
        return whole[k] + inside * (v[k] + slope * inside / 2) + beyond

    mean = jnp.diff(jax.vmap(value)(edges)) / jnp.diff(edges)
    # Where no knot lies within, the value in the middle: no difference of two integrals.
    piece = jnp.searchsorted(t, edges, side="right")
    middle = jax.vmap(lambda at: interpolate(t, v, at)[0])((edges[1:] + edges[:-1]) / 2)
    return jnp.where(piece[1:] == piece[:-1], middle, mean).astype(dtype)
