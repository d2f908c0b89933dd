"""A circuit as a differential-algebraic system of index 1 for the solver of `stiff.py`.

Unknowns y: the states of the devices in their coordinates, then of each group of nodes (`Group`)

    linear, grounded    w = u + K e             C dw/dt = -I           u the free voltages, e those of the sources
    linear, floating    w of differences to the first node, whose own u follows from sum(I) = 0
    with charges        s = Q/c and u           c ds/dt = -I,  0 = s - Q(x, u, e)/c

I are the currents that leave a node, C the capacitances among the free voltages, K = C^-1 C_e with those to sources. w
and Q are continuous where a source jumps and need no derivative of e. A node that no capacitor touches is a group of
its own. So the mass matrix is a diagonal of ones and zeros, and all ones if every node has a capacitor.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from neurojax._charts import Charts
from neurojax._topology import GROUND, Topology
from physics.device import AbstractAgitated, AbstractDevice, AbstractLangevin, Environment
from physics.elements import Capacitor


class Group(NamedTuple):
    """Free voltages that capacitors couple. linear: all of them `Capacitor`; grounded: one leads to a known voltage."""

    nodes: tuple[int, ...]
    linear: bool
    grounded: bool

    @property
    def moving(self) -> int:
        """Unknowns with a derivative."""
        return len(self.nodes) - (not self.grounded)

    @property
    def size(self) -> int:
        """Unknowns in all."""
        return len(self.nodes) + (0 if self.linear else self.moving)


class Storage(NamedTuple):
    """What of a group follows from parameters alone: C^-1 and K, or the charges c of one volt."""

    inverse: Any = None
    coupling: Any = None
    scale: Any = None


class Member(NamedTuple):
    """A lane: devices by name, ambient, storage of each group."""

    parts: dict[str, AbstractDevice]
    env: Environment
    storage: tuple[Storage, ...]


class Reading(NamedTuple):
    """At one instant, by name: voltages of nodes (V), currents into ports (A), power (W), states."""

    v: dict[str, Array]
    i: dict[str, Array]
    power: dict[str, Array]
    x: dict[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """What is static of a circuit.

    Attributes:
        places: instance -> nodes, of devices. ends: source -> nodes. currents: current source -> (number, plus, minus).
        voltage: names of the voltage sources by number. sources: how many in all. charged: of each reactive device its
            charged ports.
    """

    topology: Topology
    places: Mapping[str, tuple[str, ...]]
    kinds: Mapping[str, type]
    ends: Mapping[str, tuple[str, ...]]
    currents: Mapping[str, tuple[int, str, str]]
    voltage: Mapping[int, str]
    sources: int
    groups: tuple[Group, ...]
    charged: Mapping[str, tuple[int, ...]]

    @property
    def noisy(self) -> tuple[str, ...]:
        """Names of the devices that fluctuate."""
        return tuple(n for n, kind in self.kinds.items() if issubclass(kind, AbstractLangevin))

    @property
    def agitated(self) -> tuple[str, ...]:
        """Names of those with thermal noise."""
        return tuple(n for n, kind in self.kinds.items() if issubclass(kind, AbstractAgitated))

    # The layout of y

    def split(self, single: Mapping[str, Any], y: Array) -> tuple[dict[str, Any], list[list[Array]]]:
        """States z of each device (in their coordinates) and the unknowns of each group."""
        z, at = {}, 0
        for name, state in single.items():
            flat, unravel = ravel_pytree(state)
            z[name] = unravel(y[at : at + flat.size]) if flat.size else state
            at += flat.size
        parts: list[list[Array]] = [[] for _ in self.groups]
        for number, (k, _) in enumerate(self.order()):
            parts[k].append(y[at + number])
        return z, parts

    def mass(self, states: int) -> np.ndarray | None:
        """Diagonal of M; None if it is all ones."""
        ones = [1.0] * states + [float(n < self.groups[k].moving) for k, n in self.order()]
        return None if all(ones) else np.asarray(ones)

    def order(self) -> list[tuple[int, int]]:
        """Group and number in it of the unknowns behind the states: those with a derivative first, see `solver`."""
        each = [(k, n) for k, g in enumerate(self.groups) for n in range(g.size)]
        return sorted(each, key=lambda at: at[1] >= self.groups[at[0]].moving)

    # From unknowns to voltages

    def free(self, member: Member, parts: Sequence[Sequence[Array]], e: Array) -> list[Array]:
        """The free voltages u of the unknowns of the groups."""
        u: list[Any] = [None] * len(self.topology.free)
        for g, storage, part in zip(self.groups, member.storage, parts, strict=True):
            if not g.linear:
                found = part[g.moving :]
            else:
                w = [p - _dot(storage.coupling, k, e) for k, p in enumerate(part[: g.moving])]
                found = w if g.grounded else [part[-1], *(part[-1] + d for d in w)]
            for n, value in zip(g.nodes, found, strict=True):
                u[n] = value
        return u

    def nodes(self, u: Sequence[Array], e: Array) -> dict[str, Array]:
        """Voltage of every node, ground among them."""
        found = {g: jnp.zeros((), e.dtype) for g in GROUND}
        t = self.topology
        for node, n, offset in zip(t.nodes, t.unknown, t.offsets, strict=True):
            terms = [u[n]] if n >= 0 else []
            terms += [e[k] if sign > 0 else -e[k] for k, sign in offset]
            found[node] = sum(terms[1:], terms[0]) if terms else jnp.zeros((), e.dtype)
        return found

    def port(self, name: str, v: Mapping[str, Array]) -> Array:
        """Voltages of the ports of a device over its last terminal."""
        *ports, last = self.places[name]
        over = [v[p] - v[last] for p in ports]
        return over[0] if len(over) == 1 else jnp.stack(over)

    # Currents and charges that leave the nodes

    def leaving(self, flows: Mapping[str, Array], e: Array | None) -> dict[str, Array]:
        """Sum over devices (and current sources, where e is given) of what leaves each node."""
        sums: dict[str, Any] = {}

        def add(node: str, value: Array) -> None:
            node = "gnd" if node in GROUND else node
            sums[node] = sums[node] + value if node in sums else value

        for name, flow in flows.items():
            *ports, last = self.places[name]
            each = [flow] if len(ports) == 1 else [flow[k] for k in range(len(ports))]
            for node, value in zip(ports, each, strict=True):
                add(node, value)
                add(last, -value)
        if e is not None:
            for k, plus, minus in self.currents.values():
                add(plus, e[k])
                add(minus, -e[k])
        return sums

    def at_free(self, sums: Mapping[str, Array], zero: Array) -> list[Array]:
        """Of each free voltage the sum over the nodes that share it."""
        found: list[Any] = [zero] * len(self.topology.free)
        for node, n in zip(self.topology.nodes, self.topology.unknown, strict=True):
            if n >= 0 and node in sums:
                found[n] = found[n] + sums[node]
        return found

    def conduction(self, member: Member, x: Mapping[str, Any], v: Mapping[str, Array]) -> dict[str, Array]:
        """Currents into the ports of all devices, without those that charge them."""
        # A capacitor conducts nothing.
        names = [n for n in self.places if self.kinds[n] is not Capacitor]
        return {n: member.parts[n].current(x[n], self.port(n, v), member.env) for n in names}

    def charges(self, member: Member, x: Mapping[str, Any], v: Mapping[str, Array]) -> dict[str, Array]:
        """Charges on the ports of the reactive devices."""
        found = {}
        for name in self.charged:
            device: Any = member.parts[name]
            found[name] = device.charge(x[name], self.port(name, v), member.env)
        return found

    def look(self, charts: Mapping[str, Charts], single: Mapping[str, Any], member: Member, y: Array, e: Array) -> Any:
        """States of the devices and voltages of the nodes."""
        z, parts = self.split(single, y)
        return {n: charts[n].to_state(z[n]) for n in z}, self.nodes(self.free(member, parts, e), e)

    # The system

    def rate(
        self, charts: Mapping[str, Charts], single: Mapping[str, Any], path: bool = False
    ) -> Callable[[Member, Array, Array], Array]:
        """M dy/dt of one lane; path: the drift of a noisy one instead of the mean of many."""

        def of(member: Member, y: Array, e: Array) -> Array:
            z, parts = self.split(single, y)
            x = {n: charts[n].to_state(z[n]) for n in z}
            v = self.nodes(self.free(member, parts, e), e)
            found = []
            for n in filter(lambda n: jax.tree.leaves(z[n]), z):
                device: Any = member.parts[n]
                motion = device.drift if path and n in self.noisy else device.rate
                moved = motion(x[n], self.port(n, v), member.env)
                found.append(ravel_pytree(charts[n].motion(z[n], moved))[0])
            zero = jnp.zeros((), y.dtype)
            i = self.at_free(self.leaving(self.conduction(member, x, v), e), zero)
            q = [zero] * len(i)
            if not all(g.linear for g in self.groups):
                q = self.at_free(self.leaving(self.charges(member, x, v), None), zero)
            each = zip(self.groups, member.storage, parts, strict=True)
            return self.joined(found, [group_rows(g, storage, part, i, q) for g, storage, part in each])

        return of

    def start(self, member: Member, charts, x: Mapping[str, Any], u: Array, e: Array) -> Array:
        """y of states and free voltages."""
        flat = [ravel_pytree(charts[n].to_line(x[n]))[0] for n in x if jax.tree.leaves(x[n])]
        q: list[Array] = []
        if not all(g.linear for g in self.groups):
            v = self.nodes([u[k] for k in range(u.shape[0])], e)
            q = self.at_free(self.leaving(self.charges(member, x, v), None), jnp.zeros((), u.dtype))
        rows = []
        for g, storage in zip(self.groups, member.storage, strict=True):
            moving = g.nodes[len(g.nodes) - g.moving :]
            if g.linear:
                first = jnp.zeros((), u.dtype) if g.grounded else u[g.nodes[0]]
                own = [u[n] - first + _dot(storage.coupling, k, e) for k, n in enumerate(moving)]
                rows.append(own if g.grounded else [*own, u[g.nodes[0]]])
            else:
                rows.append([q[n] / storage.scale[k] for k, n in enumerate(moving)] + [u[n] for n in g.nodes])
        return self.joined(flat, rows)

    def joined(self, flat: Sequence[Array], rows: Sequence[Sequence[Any]]) -> Array:
        """States and what there is of each group, in the order of y."""
        ordered = [rows[k][n] for k, n in self.order()]
        return jnp.concatenate([*flat, *([jnp.stack(ordered)] if ordered else [])])


def group_rows(g: Group, storage: Storage, part, i, q) -> list[Any]:
    """M dy/dt of the unknowns of a group."""
    moving = g.nodes[len(g.nodes) - g.moving :]
    if g.linear:
        found = [-sum(storage.inverse[k, j] * i[n] for j, n in enumerate(moving)) for k in range(g.moving)]
    else:
        found = [-i[n] / storage.scale[k] for k, n in enumerate(moving)]
        found += [part[k] - q[n] / storage.scale[k] for k, n in enumerate(moving)]
    return found if g.grounded else [*found, sum(i[n] for n in g.nodes)]


def _dot(matrix: Array, row: int, e: Array) -> Array:
    """One row of a matrix times the voltages of the sources."""
    return sum((matrix[row, k] * e[k] for k in range(1, e.shape[0])), matrix[row, 0] * e[0])
