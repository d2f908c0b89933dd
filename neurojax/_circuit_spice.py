"""A circuit as a netlist of ngspice: its devices as subcircuits from their own equations, R and C as they are."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from neurojax._equations import Names, Written, equations
from neurojax._ngspice import NgspiceError, spice
from neurojax._sources import DC, CurrentSource, knots, ramped
from neurojax._spice import subcircuit
from neurojax._topology import GROUND
from neurojax.circuit import Circuit
from neurojax.errors import DataError
from neurojax.waveform import Waveform
from physics.device import Environment
from physics.elements import Capacitor, Resistor
from physics.quantity import parameters

_NATIVE = {Resistor: ("R", "resistance"), Capacitor: ("C", "capacitance")}


@dataclasses.dataclass(frozen=True)
class Netlist:
    """Text without analysis, and how things are called in it: nodes, and sources (lower case)."""

    text: str
    nodes: dict[str, str]
    sources: dict[str, str]


def netlist(
    circuit: Circuit, v0: Mapping[str, float] | None = None, env: Environment | None = None, begin: float = 0.0
) -> Netlist:
    """The netlist of one circuit, in its ambient (300 K); sources are what they are `begin` later (s).

    Raises:
        DataError: a population. UnsupportedError: a device that loops on traced values.
    """
    many = [n for n, p in circuit.parameters().items() if np.ndim(p.value)]
    if many:
        raise DataError(f"a netlist is of one circuit, and {many[0]} makes a population: take one of its members.")
    places, cells = dict(circuit.places), {}
    names = Names((), case=False)
    nodes = {g: "0" for g in GROUND} | {n: names.new(n) for n in circuit.nodes}
    own = Names((), case=False)
    lines: list[str] = []
    sources: dict[str, str] = {}
    for name, at in places.items():
        ends, called = " ".join(nodes[n] for n in at), own.new(name)
        if name in circuit.sources:
            letter = "I" if isinstance(circuit.sources[name], CurrentSource) else "V"
            lines.append(f"{letter}{called} {ends} {_wave(circuit.sources[name], begin)}")
            sources[name] = f"{letter}{called}".lower()
            continue
        device: Any = circuit.parts[name]
        if type(device) in _NATIVE:
            letter, parameter = _NATIVE[type(device)]
            lines.append(f"{letter}{called} {ends} {float(getattr(device, parameter))!r}")
            continue
        cell = _cell(cells, device, env)
        given = " ".join(f"{cell.parameters[p.name]}={float(np.asarray(p.value))!r}" for p in
                         parameters(device).values() if p.name in cell.parameters)  # fmt: skip
        lines.append(f"X{called} {ends} {cell.name} {given}".rstrip())
    lines += [f".ic V({nodes[n]})={float(v)!r}" for n, v in (v0 or {}).items()]
    return Netlist("\n".join([*lines, *(c.text for c in cells.values())]) + "\n", nodes, sources)


def _cell(cells: dict[Any, Written], device: Any, env: Environment | None) -> Written:
    """The subcircuit of a device, one of each kind."""
    key = jax.tree.structure(device)
    if key not in cells:
        name = type(device).__name__
        taken = {c.name for c in cells.values()}
        cells[key] = subcircuit(equations(device, env=env), name if name not in taken else f"{name}_{len(cells)}")
    return cells[key]


def _wave(source: Any, begin: float) -> str:
    source = source.of if isinstance(source, CurrentSource) else source
    if isinstance(source, DC):
        return f"DC {float(source.value)!r}"
    t, v = ramped(np.asarray(source.t)) - begin, np.asarray(source.v, float)
    corners = [f"{float(a)!r} {float(b)!r}" for a, b in zip(t, v, strict=True)]
    rows = [" ".join(corners[k : k + 4]) for k in range(0, len(corners), 4)]
    return "PWL(" + "\n+ ".join(rows) + ")"


def to_spice(
    circuit: Circuit,
    path: str | os.PathLike | None = None,
    *,
    duration: float | None = None,
    v0: Any = None,
    env: Environment | None = None,
) -> str:
    """A file that ngspice runs: the netlist and a transient analysis up to `duration` (s).

    There time begins at zero; where a source begins before, all of it is later by that much, as the file says.
    """
    begin, end = _span(circuit, duration)
    made, length = netlist(circuit, v0, env, begin), end - begin
    head = f"* {len(circuit.parts)} devices at the nodes {', '.join(circuit.nodes)}, by neurojax\n"
    head += f"* all times are later by {-begin!r} s\n" if begin else ""
    text = f"{head}{made.text}.tran {1e-3 * length:g} {length!r} 0 {1e-3 * length:g}\n.end\n"
    if path is not None:
        Path(path).write_text(text, encoding="ascii")
    return text


def _span(circuit: Circuit, duration: float | None) -> tuple[float, float]:
    waves = [s.of if isinstance(s, CurrentSource) else s for s in circuit.sources.values()]
    every = knots([w for w in waves if isinstance(w, Waveform)], duration)
    return float(every[0]), float(every[-1])


def through_ngspice(
    circuit: Circuit,
    duration: float | None = None,
    *,
    v0: Mapping[str, float] | None = None,
    env: Environment | None = None,
    reltol: float = 1e-4,
    max_step: float | None = None,
    timeout: float = 300.0,
) -> tuple[dict[str, np.ndarray], float]:
    """What ngspice finds for one circuit: beside `Circuit.transient`, an answer of somebody else.

    Args:
        circuit: one, not a population. duration: s; without it, until the last source ends. v0: voltages of nodes at
            first (V), by name. env: the ambient, 300 K if None.

    Other arguments:
        reltol: relative tolerance of ngspice. max_step: longest step (s), a thousandth of the time if None.
        timeout: seconds that it may take.

    Returns:
        "t" (s), voltages by node (V) and currents of voltage sources by name (A, into the positive pin), each
        (points,); and the seconds it took.

    Raises:
        DataError: a population. UnsupportedError: a device that loops on traced values.
        NgspiceError: there is none, it gave up or was not done in time; a `NeurojaxError`.
    """
    begin, end = _span(circuit, duration)
    made, length = netlist(circuit, v0, env, begin), end - begin
    step = 1e-3 * length if max_step is None else max_step
    wanted = {n: f"v({c.lower()})" for n, c in made.nodes.items() if c != "0"}
    wanted |= {n: f"i({c})" for n, c in made.sources.items() if c.startswith("v")}
    lines = [f".options reltol={reltol:g} vntol={1e-3 * reltol:g} abstol=1e-12 method=gear itl4=100"]
    lines += [f".save {' '.join(wanted.values())}", f".tran {step:g} {length!r} 0 {step:g}", ".end"]
    table, said, seconds = spice(f"* by neurojax\n{made.text}" + "\n".join(lines) + "\n", timeout)
    t = table.get("time", np.zeros(0))
    if t.size == 0 or t[-1] < length * (1 - 1e-6):
        reached = f"stopped at {t[-1] + begin:g} s" if t.size else "did not start"
        raise NgspiceError(f"ngspice {reached}: {said.strip()[-400:]}")
    return {"t": t + begin} | {n: table[c] for n, c in wanted.items()}, seconds
