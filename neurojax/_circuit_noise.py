"""A noisy path of a circuit: M dy = drift dt + kick dW (Ito) by linearly implicit Euler-Maruyama with a fixed step.

    (M - h J) (y' - y) = h drift(y) + sqrt(h) kick(y, xi)

drift and J with the sources at the end of the step, kick at its beginning. Nodes are stiff, so the step is implicit:
fast nodes follow, and are not resolved. Strong order 1/2, and 1 where the noise does not depend on the state. States
that fluctuate are in their own coordinates, as in others the rule of Ito would add to their drift.

Thermal noise is a current beside each element that dissipates, white, so it is part of the kick: in the rows of nodes
with a capacitor, and in those without. There the step solves 0 = I(y') + kick/sqrt(h): such a voltage is the mean of
white noise over a step, of variance ~ 1/h, and what it passes on to capacitors is right whatever h.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from neurojax import langevin
from neurojax._charts import Charts
from neurojax._network import Member, Network, group_rows
from neurojax._small import BLOCK, solver
from neurojax.errors import CircuitError
from neurojax.stiff import Solution
from physics.elements import Capacitor, Inductor, Resistor


class Noise(NamedTuple):
    """What a noisy path takes: keys (lanes,), the steps, and whether there is thermal noise."""

    keys: Array
    steps: langevin.Grid
    thermal: bool


def paths(drift: Callable, kick: Callable, mass: np.ndarray | None, members, axes, drive, y0: Array, how) -> Solution:
    """One path a lane.

    Args:
        drift: (member, y, e) -> (n,). kick: (member, y, e, xi) -> (n,). mass: diagonal of M, None for ones.
        drive: knots and sources at them, (K, sources) or (lanes, K, sources). y0: (n, lanes).
        how: keys (lanes,), `langevin.Grid`, "forward" or "reverse", and the length of xi.
    """
    (t, e), (keys, steps, gradient, drawn) = drive, how

    def advance(member, y, e, slope, h, i, drawn):
        before, after = e + slope * h * i, e + slope * h * (i + 1)
        rate, linear = jax.linearize(lambda y: drift(member, y, after), y)
        weights = np.eye(y.shape[0]) if mass is None else np.diag(mass)
        matrix = jnp.asarray(weights, y.dtype) - h * jax.vmap(linear, out_axes=1)(jnp.eye(y.shape[0], dtype=y.dtype))
        return y + _solved(matrix, h * rate + jnp.sqrt(h) * kick(member, y, before, drawn))

    def walk(member, key, e, y):
        return langevin.walk(advance, member, key, steps, t, e, y, gradient, drawn)

    ys, code = jax.vmap(walk, in_axes=(axes, 0, 0 if e.ndim == 3 else None, 1))(members, keys, e, y0)
    return Solution(ys, jnp.full(code.shape, jnp.sum(steps.counts)), code)


def kick(net: Network, charts: Mapping[str, Charts], single: Mapping[str, Any], n: int, thermal: bool) -> Any:
    """What standard normal numbers add to y (n,) of one lane, 1/sqrt(s), and how many they are."""
    agitated = net.agitated if thermal else ()
    states = {name: ravel_pytree(single[name])[0].size for name in agitated}
    ports = {name: len(net.places[name]) - 1 for name in agitated}

    def of(member: Member, y: Array, e: Array, noise: Array) -> Array:
        x, v = net.look(charts, single, member, y, e)
        drawn, _ = net.split(single, noise)
        found, flows, at = [], {}, n
        for name in x:
            device: Any = member.parts[name]
            moved = jax.tree.map(jnp.zeros_like, x[name])
            if name in net.noisy:
                moved = device.kick(x[name], net.port(name, v), drawn[name], member.env)
            flat = ravel_pytree(moved)[0]
            if name in agitated:
                shaken, amps = device.agitation(x[name], net.port(name, v), member.env)
                middle, end = at + states[name], at + states[name] + ports[name]
                flat = flat + ravel_pytree(shaken)[0] * noise[at:middle] if states[name] else flat
                flows[name], at = amps * noise[middle:end].reshape(jnp.shape(amps)), end
            found += [flat] if flat.size else []
        if not flows:
            return jnp.concatenate([*found, jnp.zeros(n - sum(a.size for a in found), y.dtype)])
        zero = jnp.zeros((), y.dtype)
        i = net.at_free(net.leaving(flows, None), zero)
        none, q = [zero] * n, [zero] * len(i)
        return net.joined(found, [group_rows(*g, none, i, q) for g in zip(net.groups, member.storage, strict=True)])

    return of, n + sum(states.values()) + sum(ports.values())


def check_thermal(net: Network) -> None:
    """Thermal noise needs something that dissipates, and finite voltages wherever something is not linear.

    Raises:
        CircuitError: nothing does; or on a node that no capacitor holds there is a device that is not linear.
    """
    if not net.agitated:
        raise CircuitError("thermal=True: nothing in this circuit has thermal noise (none is AbstractAgitated).")
    for g in net.groups:
        if g.grounded:
            continue
        there = {n: at for n, at in net.places.items() if any(net.topology.at(node) in g.nodes for node in at)}
        loud = [n for n in there if n in net.agitated]
        bent = [n for n in there if not issubclass(net.kinds[n], Resistor | Inductor | Capacitor)]
        if loud and bent:
            node = net.topology.free[g.nodes[0]]
            raise CircuitError(
                f"thermal=True: no capacitor holds node {node!r}, so the noise of {loud[0]} makes it white, and what "
                f"white noise does to {bent[0]}, which is not linear, depends on the step. Put what there is of "
                "capacitance from that node to ground, for instance Capacitor(1e-15)."
            )


def _solved(matrix: Array, right: Array) -> Array:
    """In closed form where that is short; what `solver` does with larger ones has no transpose."""
    if matrix.shape[0] <= BLOCK:
        return solver(matrix, jnp.ones((), matrix.dtype))(right)
    size = lax.stop_gradient(1 / jnp.max(jnp.abs(matrix), axis=1))
    return jnp.linalg.solve(matrix * size[:, None], right * size)
