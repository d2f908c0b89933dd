"""A circuit as a drawing: nodes where springs between connected ones put them, every instance as a labelled line."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurojax._topology import GROUND
from neurojax.circuit import Circuit
from neurojax.plot import axes

_COLOUR = {"source": "C3", "device": "C0", "element": "0.35"}
ROUNDS, STARTS = 300, 32


def draw(circuit: Circuit, *, ax: Any = None) -> Any:
    """The graph of a circuit, into an Axes or new ones; returns it.

    Two terminals are a line between their nodes, labelled with name and kind; side by side where several share both
    ends. More terminals are a box joined to its nodes, the lines labelled with the terminals. Ground is at the bottom.
    """
    ax = axes(ax)
    ax.grid(False)
    ax.set_axis_off()
    joints = [(n, [_ground(p) for p in at]) for n, at in circuit.places]
    boxes = [n for n, at in joints if len(at) > 2]
    names = [*dict.fromkeys(p for _, at in joints for p in at), *(f"box {n}" for n in boxes)]
    edges = [(f"box {n}", p) for n, at in joints if n in boxes for p in at]
    edges += [(at[0], at[1]) for n, at in joints if n not in boxes]
    place = dict(zip(names, layout(names, edges), strict=True))
    seen: dict[frozenset[str], int] = {}
    for name, at in joints:
        thing: Any = circuit.parts[name] if name in circuit.parts else circuit.sources[name]
        colour = _COLOUR[_role(circuit, name)]
        if name in boxes:
            _box(ax, place, name, type(thing).__name__, at, thing.terminals, colour)
            continue
        ends = frozenset(at)
        number = seen[ends] = seen.get(ends, -1) + 1
        _line(ax, place[at[0]], place[at[1]], f"{name}\n{_kind(thing)}", number, colour)
    for node in (n for n in names if not n.startswith("box ")):
        x, y = place[node]
        ax.plot(x, y, marker="v" if node == "gnd" else "o", color="k", markersize=7 if node == "gnd" else 4)
        ax.annotate(node, (x, y), (4, -11), textcoords="offset points", fontsize=8, color="k")
    ax.margins(0.15)
    return ax


def layout(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> np.ndarray:
    """Places (nodes, 2): of some starts the one with the fewest crossings."""
    at = {name: k for k, name in enumerate(names)}
    pairs = np.asarray([(at[a], at[b]) for a, b in edges if a != b]).reshape(-1, 2)
    found = [_settled(names, pairs, np.random.default_rng(k)) for k in range(STARTS)]
    return min(found, key=lambda xy: crossings(xy, pairs))


def crossings(xy: np.ndarray, pairs: np.ndarray) -> int:
    """How many straight lines between pairs of nodes, without a common end, cross."""
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    a, b = xy[pairs[:, 0]], xy[pairs[:, 1]]

    def side(p, q, r):
        return np.sign((q - p)[..., 0] * (r - p)[..., 1] - (q - p)[..., 1] * (r - p)[..., 0])

    one, two = np.triu_indices(len(pairs), 1)
    apart = side(a[one], b[one], a[two]) * side(a[one], b[one], b[two]) < 0
    apart &= side(a[two], b[two], a[one]) * side(a[two], b[two], b[one]) < 0
    shared = (pairs[one][:, :, None] == pairs[two][:, None, :]).any(axis=(1, 2))
    return int((apart & ~shared).sum())


def _settled(names: Sequence[str], pairs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Springs of length one along the edges, all repel each other, ground is pulled down."""
    n, at = len(names), {name: k for k, name in enumerate(names)}
    xy = rng.standard_normal((n, 2)) * max(1.0, n / 6)
    for k in range(ROUNDS):
        away = xy[:, None] - xy[None]
        far = np.sqrt((away**2).sum(axis=2)) + 1e-3
        push = (away / far[..., None] ** 3).sum(axis=1)
        along = xy[pairs[:, 0]] - xy[pairs[:, 1]]
        pull = along * (1 - 1 / (np.sqrt((along**2).sum(axis=1)) + 1e-3))[:, None]
        np.add.at(push, pairs[:, 0], -2 * pull)
        np.add.at(push, pairs[:, 1], 2 * pull)
        if "gnd" in at:
            push[at["gnd"], 1] -= 1.0
        size = np.sqrt((push**2).sum(axis=1, keepdims=True)) + 1e-9
        xy = xy + push / size * np.minimum(size, 1.0) * 0.1 * (1 - k / ROUNDS)
    return xy


def _ground(node: str) -> str:
    return "gnd" if node in GROUND else node


def _role(circuit: Circuit, name: str) -> str:
    if name in circuit.sources:
        return "source"
    return "element" if circuit.parts[name].family == "element" else "device"


def _kind(thing: Any) -> str:
    return {"Waveform": "voltage", "DC": "voltage", "CurrentSource": "current"}.get(
        type(thing).__name__, type(thing).__name__
    )


def _line(ax: Any, a: np.ndarray, b: np.ndarray, label: str, number: int, colour: str) -> None:
    """A line with its label, bent away by its number from those with the same ends."""
    across = np.asarray([b[1] - a[1], a[0] - b[0]])
    middle = 0.5 * (a + b) + across * 0.28 * ((number + 1) // 2) * (-1) ** number
    s = np.linspace(0.0, 1.0, 24)[:, None]
    curve = (1 - s) ** 2 * a + 2 * s * (1 - s) * (2 * middle - 0.5 * (a + b)) + s**2 * b
    ax.plot(*curve.T, color=colour, linewidth=1.4, zorder=1)
    frame = dict(boxstyle="round,pad=0.15", facecolor="white", edgecolor="none")
    ax.text(*middle, label, fontsize=7, ha="center", va="center", color=colour, bbox=frame, zorder=2)


def _box(ax: Any, place: dict[str, np.ndarray], name: str, kind: str, at, terminals, colour: str) -> None:
    here = place[f"box {name}"]
    for node, terminal in zip(at, terminals, strict=True):
        there = place[node]
        ax.plot(*np.stack([here, there]).T, color=colour, linewidth=1.4, zorder=1)
        ax.text(*(0.65 * here + 0.35 * there), terminal, fontsize=6, color=colour, zorder=2)
    frame = dict(boxstyle="square,pad=0.3", facecolor="white", edgecolor=colour)
    ax.text(*here, f"{name}\n{kind}", fontsize=7, ha="center", va="center", color=colour, bbox=frame, zorder=3)
