"""One step of a cable, and many: gates half a step ahead of voltages (Hines), so second order in time.

M. Hines, Int. J. Bio-Med. Comput. 15, 69 (1984), 10.1016/0020-7101(84)90008-4. With the gates known at the
middle of a step, the voltages of its end follow from one linear system: Crank-Nicolson, currents linear in V about the
start. Branches are tridiagonal; between them only the nodes at their ends are left (a Schur complement).
"""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from neurojax._small import solver
from physics.device import AbstractDevice, Environment
from physics.membrane import AbstractGated
from physics.quantity import with_values


class Bundle(eqx.Module):
    """Branches of the same channels and as many compartments each, stacked: arrays (branches,) or (branches, nodes).

    Attributes:
        devices: by name. area, capacity: of the membrane of each node (m2, F). axial: from node to node (S).
        first, last: number of the joint at the start and at the end of each branch.
    """

    devices: dict[str, AbstractDevice]
    area: Array
    capacity: Array
    axial: Array
    first: tuple[int, ...] = eqx.field(static=True)
    last: tuple[int, ...] = eqx.field(static=True)


class Ends(eqx.Module):
    """Conductance (S) to a battery (V) at each joint; and those that are held."""

    conductance: Array
    battery: Array
    held: tuple[bool, ...] = eqx.field(static=True)


def over_nodes(function: Any, devices: Any, *nodes: Any) -> Any:
    """function(device, ...) of each branch and node."""
    still: Any = (None, *(0 for _ in nodes))
    return jax.vmap(jax.vmap(function, in_axes=still))(devices, *nodes)


def currents(bundle: Bundle, x: dict[str, Any], v: Array, env: Environment) -> tuple[Array, Array]:
    """Current outwards through the membrane of each node (A), and its slope along v (S)."""

    def one(device, x, v, area):
        return with_values(device, {"area": area}).current(x, v, env)

    def total(v):
        each = [over_nodes(one, device, x[name], v, bundle.area) for name, device in bundle.devices.items()]
        return sum(each[1:], start=each[0])

    return jax.jvp(total, (v,), (jnp.ones_like(v),))


def gates(bundle: Bundle, x: dict[str, Any], v: Array, h: Array, env: Environment) -> dict[str, Any]:
    """The states after `h` (s) at voltages that stay."""

    def one(device, x, v):
        return _moved(device, x, v, h, env)

    return {name: over_nodes(one, device, x[name], v) for name, device in bundle.devices.items()}


def _moved(device: AbstractDevice, x: Any, v: Array, h: Array, env: Environment) -> Any:
    """Gates exactly, other states by the linearly implicit midpoint rule, of second order."""
    if isinstance(device, AbstractGated):
        exact = lambda x, a, b: x - (a - (a + b) * x) * jnp.expm1(-h * (a + b)) / (a + b)  # noqa: E731
        return jax.tree.map(exact, x, *device.rates(v, env))
    y, unravel = ravel_pytree(x)
    if not y.size:
        return x
    rate = lambda y: ravel_pytree(device.rate(unravel(y), v, env))[0]  # noqa: E731
    matrix = jnp.eye(y.size, dtype=y.dtype) / h - jax.jacfwd(rate)(y) / 2
    return unravel(y + solver(matrix, jnp.ones((), y.dtype))(rate(y)))


def change(bundles: Any, ends: Ends, xs: Any, vs: Any, put: Any, over: Array, env: Environment) -> list[Array]:
    """What balances the currents: (over C + dI/dv + axial) change = put - I - axial v, of each bundle.

    Args:
        put: current put into each node (A). over: 2/dt in 1/s; nought for the balance at rest.
    """
    rows = []
    for bundle, x, v, extra in zip(bundles, xs, vs, put, strict=True):
        i, slope = currents(bundle, x, v, env)
        along = bundle.axial[:, None] * jnp.diff(v, axis=1)
        none = jnp.zeros_like(v[:, :1])
        right = extra - i + jnp.concatenate([along, none], axis=1) - jnp.concatenate([none, along], axis=1)
        rows.append((over * bundle.capacity + slope, right))
    if len(bundles) == 1 and len(bundles[0].first) == 1:
        return [_line(bundles[0], ends, rows[0], vs[0])]
    return _tree(bundles, ends, rows, vs)


def _line(bundle: Bundle, ends: Ends, row: tuple[Array, Array], v: Array) -> Array:
    """Of a single branch, at once."""
    diagonal, right = row[0][0], row[1][0]
    pair = jnp.asarray([0, -1])
    loose = jnp.asarray([not held for held in ends.held], v.dtype)
    off = jnp.broadcast_to(bundle.axial, diagonal.shape)
    diagonal = (diagonal + 2 * off).at[pair].add(ends.conductance - bundle.axial)
    right = right.at[pair].add(-ends.conductance * (v[0, pair] - ends.battery)).at[pair].multiply(loose)
    lower, upper = (-off.at[0].set(0.0)).at[-1].multiply(loose[1]), (-off.at[-1].set(0.0)).at[0].multiply(loose[0])
    return lax.linalg.tridiagonal_solve(lower, diagonal, upper, right[:, None])[None, :, 0]


def _tree(bundles: Any, ends: Ends, rows: Any, vs: Any) -> list[Array]:
    """Inner nodes are eliminated from each branch; what is left couples the joints, densely."""
    size, dtype = len(ends.held), vs[0].dtype
    matrix, right = jnp.diag(ends.conductance), ends.conductance * ends.battery
    kept = []
    for bundle, row in zip(bundles, rows, strict=True):
        first, last = (jnp.asarray(np.eye(size)[list(at)], dtype) for at in (bundle.first, bundle.last))
        inner, block, rest = _eliminated(bundle.axial, *row)
        for side, a, b in ((first, block[0], block[1]), (last, block[2], block[3])):
            matrix = matrix + side.T @ (a[:, None] * first + b[:, None] * last)
        right = right + first.T @ rest[0] + last.T @ rest[1]
        kept.append((inner, first, last))
    right = right - ends.conductance * _at_joints(bundles, vs, size)
    held = jnp.asarray(ends.held)
    matrix = jnp.where(held[:, None], jnp.eye(size, dtype=dtype), matrix)
    joints = jnp.linalg.solve(matrix, jnp.where(held, jnp.zeros_like(right), right)[:, None])[:, 0]
    found = []
    for inner, first, last in kept:
        a, b = (first @ joints)[:, None], (last @ joints)[:, None]
        found.append(jnp.concatenate([a, inner[..., 0] + inner[..., 1] * a + inner[..., 2] * b, b], axis=1))
    return found


def _eliminated(axial: Array, diagonal: Array, right: Array) -> tuple[Array, Any, Any]:
    """Inner nodes as (own, per change at the start, per change at the end); what the two end nodes are left with."""
    off = jnp.broadcast_to(axial[:, None], diagonal[:, 1:-1].shape)
    zero = jnp.zeros_like(off)
    from_first, from_last = zero.at[:, 0].set(axial), zero.at[:, -1].set(axial)
    sides = jnp.stack([right[:, 1:-1], from_first, from_last], axis=-1)
    inner = lax.linalg.tridiagonal_solve(
        -off.at[:, 0].set(0.0), diagonal[:, 1:-1] + 2 * off, -off.at[:, -1].set(0.0), sides
    )
    y, p, q = (inner[..., k] for k in range(3))
    near, far = diagonal[:, 0] + axial, diagonal[:, -1] + axial
    block = (near - axial * p[:, 0], -axial * q[:, 0], -axial * p[:, -1], far - axial * q[:, -1])
    return inner, block, (right[:, 0] + axial * y[:, 0], right[:, -1] + axial * y[:, -1])


def _at_joints(bundles: Any, vs: Any, size: int) -> Array:
    """Voltage of each joint."""
    found = jnp.zeros(size, vs[0].dtype)
    for bundle, v in zip(bundles, vs, strict=True):
        found = found.at[jnp.asarray(bundle.first)].set(v[:, 0]).at[jnp.asarray(bundle.last)].set(v[:, -1])
    return found


def steps(
    bundles: Any, ends: Ends, xs: Any, vs: Any, dt: Array, put: Array, spread: Array, seen: Any, env: Any
) -> Array:
    """Voltages at sites at the start and after each step, (steps + 1, sites).

    The steps are cut into about sqrt(steps) pieces that are run again on the way back, so a reverse gradient holds the
    states at 2 sqrt(steps) instants, not at all.

    Args:
        put: current of each injection during each step (A), (steps, injections). spread: onto all nodes, (injections,
            nodes). seen: what makes voltages of sites from those of all nodes.
    """
    count = put.shape[0]
    length = math.isqrt(count - 1) + 1
    pieces = -(-count // length)
    shapes = [v.shape for v in vs]
    cuts = np.cumsum([math.prod(s) for s in shapes])[:-1]

    def step(carry, given):
        xs, vs = carry
        h, now = given
        xs = [gates(b, x, v, h, env) for b, x, v in zip(bundles, xs, vs, strict=True)]
        extra = [e.reshape(s) for e, s in zip(jnp.split(now @ spread, cuts), shapes, strict=True)]
        moves = change(bundles, ends, xs, vs, extra, 2 / dt, env)
        vs = [v + 2 * move for v, move in zip(vs, moves, strict=True)]
        return (xs, vs), seen(vs)

    # Gates run ahead by half a step from the start on.
    h = jnp.full(pieces * length, dt).at[0].multiply(0.5)
    put = jnp.concatenate([put, jnp.zeros((pieces * length - count, put.shape[1]), put.dtype)])
    cut = (h.reshape(pieces, length), put.reshape(pieces, length, -1))
    piece = jax.checkpoint(lambda carry, given: lax.scan(step, carry, given), prevent_cse=False)
    rows = lax.scan(piece, (xs, vs), cut)[1]
    return jnp.concatenate([seen(vs)[None], rows.reshape(pieces * length, -1)[:count]])
