"""Where charge is stored in a circuit: which free voltages capacitors couple, and by how much."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

from neurojax._network import Group, Network, Storage
from neurojax._topology import Topology
from neurojax.errors import CircuitError
from physics.device import AbstractDevice, Environment, stores_charge
from physics.elements import Capacitor

LEAST = 1e-30
"""Charge of one volt (C) below which a port has none."""


def charged_ports(device: AbstractDevice) -> tuple[int, ...]:
    """Ports of a device on which charge ever lies; the reference terminal has the opposite of all.

    Raises:
        CircuitError: its parameters are traced, so that nothing can be asked.
    """
    if not stores_charge(device):
        return ()
    if isinstance(device, Capacitor):
        return (0,)
    if any(isinstance(a, Tracer) for a in jax.tree.leaves(device)):
        raise CircuitError(
            f"{type(device).__name__}: make a circuit of it outside of jit and grad, and change its parameters there "
            'with circuit.replace({"NAME.parameter": value}).'
        )
    one: Any = jax.tree.map(lambda a: a.ravel()[0] if getattr(a, "ndim", 0) else a, device)
    n, env = max(1, len(device.terminals) - 1), Environment()
    x = one.init(env)
    seen = np.zeros(n, bool)
    for k, size in ((k, size) for k in range(n) for size in (0.3, -0.7)):
        v = jnp.asarray(np.where(np.arange(n) == k, size, 0.0).reshape(device.port_shape), jnp.result_type(float))
        seen |= np.asarray(jnp.abs(one.charge(x, v, env))).reshape(n) > LEAST
    return tuple(np.flatnonzero(seen).tolist())


def groups(
    topology: Topology,
    places: Mapping[str, Sequence[str]],
    kinds: Mapping[str, type],
    charged: Mapping[str, Sequence[int]],
) -> tuple[Group, ...]:
    """The free voltages by the charges that couple them."""
    root = list(range(len(topology.free)))
    linear, grounded = [True] * len(root), [False] * len(root)

    def find(n: int) -> int:
        while root[n] != n:
            n = root[n]
        return n

    for name, ports in charged.items():
        ends = {topology.at(places[name][k]) for k in (*ports, -1)}
        inner = [find(n) for n in ends if n >= 0]
        if len(ends) < 2 or not inner:
            # Both ends move together: nothing is stored that could change.
            continue
        for n in inner:
            root[find(n)] = find(inner[0])
        last = find(inner[0])
        linear[last] = all(linear[n] for n in inner) and kinds[name] is Capacitor
        grounded[last] = any(grounded[n] for n in inner) or -1 in ends
    together = [tuple(n for n in range(len(root)) if find(n) == r) for r in range(len(root)) if find(r) == r]
    return tuple(Group(g, linear[find(g[0])], grounded[find(g[0])]) for g in together)


def storage(network: Network, parts: Mapping[str, Any], env: Environment, dtype: Any) -> tuple[Storage, ...]:
    """`Storage` of each group, of one lane."""
    return tuple(
        _linear(network, g, parts, dtype) if g.linear else _scales(network, g, parts, env, dtype)
        for g in network.groups
    )


def _linear(network: Network, g: Group, parts: Mapping[str, Any], dtype: Any) -> Storage:
    k = len(g.nodes)
    if not g.moving:
        return Storage(jnp.zeros((0, 0), dtype), jnp.zeros((0, network.sources), dtype), None)
    among, across = jnp.zeros((k, k), dtype), jnp.zeros((k, network.sources), dtype)
    for name in network.charged:
        at = [network.topology.at(n) for n in network.places[name]]
        if not any(n in g.nodes for n in at) or at[0] == at[1]:
            continue
        # Charge c ((u_a + off_a e) - (u_b + off_b e)) on a, the opposite on b.
        own = np.asarray([[float(n == a) for n in g.nodes] for a in at])
        other = np.asarray([_offset(network, n) for n in network.places[name]])
        c = parts[name].capacitance
        difference = own[0] - own[1]
        among += c * jnp.asarray(np.outer(difference, difference), dtype)
        across += c * jnp.asarray(np.outer(difference, other[0] - other[1]), dtype)
    among, across = among[k - g.moving :, k - g.moving :], across[k - g.moving :]
    usual = lax.stop_gradient(jnp.max(jnp.abs(among)))
    inverse = 1 / among if g.moving == 1 else jnp.linalg.inv(among / usual) / usual
    coupling = jnp.sum(inverse[:, :, None] * across[None], axis=1)
    return Storage(inverse, coupling, None)


def _offset(network: Network, node: str) -> list[float]:
    """How much of each source is in the voltage of a node."""
    t, found = network.topology, [0.0] * network.sources
    for k, sign in t.offsets[t.nodes.index(node)] if node in t.nodes else ():
        found[k] += sign
    return found


def _scales(network: Network, g: Group, parts: Mapping[str, Any], env: Environment, dtype: Any) -> Storage:
    """Of each moving voltage the charge that one volt moves, about; without a derivative."""
    found = {n: jnp.zeros((), dtype) for n in range(len(network.topology.free))}
    for name, ports in network.charged.items():
        device: Any = parts[name]
        x, n = device.init(env), max(1, len(device.terminals) - 1)
        for k in ports:
            up = jnp.asarray(np.where(np.arange(n) == k, 1.0, 0.0).reshape(device.port_shape), dtype)
            moved = jnp.abs(device.charge(x, up, env) - device.charge(x, -up, env)).reshape(n)[k] / 2
            for node in (network.places[name][k], network.places[name][-1]):
                at = network.topology.at(node)
                if at >= 0:
                    found[at] = found[at] + moved
    moving = g.nodes[len(g.nodes) - g.moving :]
    most = jnp.stack([found[n] for n in moving])
    return Storage(None, None, lax.stop_gradient(jnp.maximum(most, LEAST)))


def leak(network: Network) -> np.ndarray:
    """1 where a free voltage has a derivative, so that at rest nothing else need hold it."""
    found = np.zeros(len(network.topology.free))
    for g in network.groups:
        found[list(g.nodes)] = 1.0 if g.moving else 0.0
    return found
