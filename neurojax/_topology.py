"""Which node is connected with which: what is wrong with a circuit, and which voltages are unknown.

Voltage sources tie nodes together. Nodes that are tied to one another share one unknown, nodes that are tied to ground
have none, so a circuit has as few unknowns as can be and no unknown current. What is left of a source is its place in
a tree, along which its current follows from those of the devices.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from neurojax.errors import CircuitError
from physics.quantity import suggest

GROUND = ("gnd", "0", "GND")
"""Names of the node at zero volt."""


@dataclasses.dataclass(frozen=True)
class Tie:
    """A voltage source in the tree: from `child`, the farther from the root, to `parent`; source number, sign.

    v[child] = v[parent] + sign v[source].
    """

    child: str
    parent: str
    source: int
    sign: int


@dataclasses.dataclass(frozen=True)
class Topology:
    """Voltages of nodes: v[node] = u[unknown[node]] + sum of signs times voltages of sources.

    Attributes:
        nodes: all but ground. unknown: number of the unknown voltage of each, -1 if tied to ground. offsets: of each,
            pairs of source and sign. free: name of the node of each unknown. ties: from the leaves to the roots.
    """

    nodes: tuple[str, ...]
    unknown: tuple[int, ...]
    offsets: tuple[tuple[tuple[int, int], ...], ...]
    free: tuple[str, ...]
    ties: tuple[Tie, ...]

    def at(self, node: str) -> int:
        """Number of the unknown voltage of a node, -1 if it has none."""
        return -1 if node in GROUND else self.unknown[self.nodes.index(node)]


def topology(places: Mapping[str, Sequence[str]], voltage_sources: Mapping[str, int]) -> Topology:
    """The topology of instances at their nodes.

    Args:
        places: name of each instance -> its nodes. voltage_sources: name -> number of the source.

    Raises:
        CircuitError: no ground, a node with one connection, a loop of sources, an island without ground.
    """
    _check_connections(places)
    nodes = tuple(dict.fromkeys(n for at in places.values() for n in at if n not in GROUND))
    edges = [(name, k, *places[name]) for name, k in voltage_sources.items()]
    edges = [(name, k, *("gnd" if n in GROUND else n for n in ends)) for name, k, *ends in edges]
    unknown: dict[str, int] = {"gnd": -1}
    offsets: dict[str, tuple[tuple[int, int], ...]] = {"gnd": ()}
    free: list[str] = []
    ties: list[Tie] = []
    used: set[str] = set()
    for root in ("gnd", *nodes):
        if root not in unknown:
            unknown[root], offsets[root] = len(free), ()
            free.append(root)
        elif root != "gnd":
            continue
        _grow(root, edges, unknown, offsets, ties, used)
    _check_islands(places, nodes)
    return Topology(
        nodes, tuple(unknown[n] for n in nodes), tuple(offsets[n] for n in nodes), tuple(free), tuple(reversed(ties))
    )


def _grow(root: str, edges, unknown, offsets, ties, used) -> None:
    """The tree of sources from a root, breadth first."""
    waiting = [root]
    for parent in waiting:
        for name, k, plus, minus in edges:
            if name in used or parent not in (plus, minus):
                continue
            used.add(name)
            child, sign = (plus, 1) if parent == minus else (minus, -1)
            if child in unknown:
                raise CircuitError(
                    f"{name} closes a loop of voltage sources from {plus!r} to {minus!r}: no equation tells its "
                    "current. Put a resistor in series, or leave the source away."
                )
            unknown[child], offsets[child] = unknown[root], (*offsets[parent], (k, sign))
            ties.append(Tie(child, parent, k, sign))
            waiting.append(child)


def _check_connections(places: Mapping[str, Sequence[str]]) -> None:
    if not any(n in GROUND for at in places.values() for n in at):
        raise CircuitError(f"no node is ground: call one of them {' or '.join(map(repr, GROUND[:2]))}.")
    ends = [(n, name) for name, at in places.items() for n in at if n not in GROUND]
    known = tuple(dict.fromkeys(n for n, _ in ends))
    for node in known:
        there = [name for n, name in ends if n == node]
        if len(there) == 1:
            others = tuple(n for n in known if n != node)
            raise CircuitError(
                f"node {node!r} floats: only {there[0]} is connected to it.{suggest(node, others) if others else ''}"
            )


def _check_islands(places: Mapping[str, Sequence[str]], nodes: Sequence[str]) -> None:
    reached = {"gnd"}
    while True:
        more = {
            n for at in places.values() if any(m in GROUND or m in reached for m in at) for n in at if n not in GROUND
        } - reached
        if not more:
            break
        reached |= more
    left = [n for n in nodes if n not in reached]
    if left:
        raise CircuitError(f"nodes {', '.join(map(repr, left))} have no connection to ground at all.")
