"""A device as a subcircuit of ngspice.

States are voltages of inner nodes on capacitors of C = `time` farad, charged by B-sources of C rate; inner equations
are nodes with a B-source of the residual; a charge is the current through a capacitor on which a B-source puts
charge/scale volts. What depends on parameters alone is a `.param`, what is large and shared is an inner node.
"""

import dataclasses
import math
import textwrap
from collections.abc import Iterable, Mapping

import numpy as np

from neurojax._dialects import NGSPICE, NGSPICE_PARAM, lowered, write
from neurojax._equations import Equations, Names, Written, about, plain
from neurojax._expression import Node, ordered
from neurojax._ranges import Range, ranges

SHARE = 8
"""Operations from which an expression that is needed more than once becomes an inner node."""
TAME = 1e3
WIDTH = 118
_RESERVED = frozenset(
    "time temper temp dtemp tnom hertz freq omega pi e c i j v m w l ad as pd ps nrd nrs area off ic gmin mult scale "
    "boltz echarge kelvin planck yes no true false all "
    "sqr sqrt sin cos tan exp ln log log10 arctan abs pow pwr max min int nint sgn sign floor ceil limit round "
    "asin acos atan sinh cosh tanh asinh acosh atanh u u2 uramp pwl ddt idt gauss agauss unif aunif if ternary_fcn "
    "vec var and or not params param subckt ends end model include lib func options".split()
)


def subcircuit(
    of: Equations, name: str, *, share: int = SHARE, unit: float | None = None, settle: float = 0.0
) -> Written:
    """The subcircuit of a device.

    Args:
        share: see `SHARE`. unit: what the time of the simulation counts (s), for waveforms beyond the range of a
            simulator; then the states lie on 1 F. By default time is in seconds. settle: in how many seconds inner
            equations settle, if not at once: where ngspice does not find their solution from that of the last step,
            shorter steps then help. All increase in their unknown, so they do settle.
    """
    names = Names(_RESERVED, case=False)
    pins = tuple(names.new(t) for t in of.device.terminals)
    called = {symbol: names.new(p.name) for symbol, p in of.parameters.items()}
    states = tuple(names.new(f"state_{s.name}") for s in of.states)
    roots = tuple(names.new(f"inner_{k}") for k in range(len(of.roots)))
    spelled = {v: f"V({pin},{pins[-1]})" for v, pin in zip(of.volts, pins, strict=False)}
    bounds = of.bounds()
    spelled |= {s.symbol: _within(f"V({node})", bounds[s.symbol]) for s, node in zip(of.states, states, strict=True)}
    spelled |= {r.symbol.value: f"V({node})" for r, node in zip(of.roots, roots, strict=True)}
    capacity, factor = (of.time, of.time) if unit is None else (1.0, unit)
    scaled = [of.graph.make("mul", factor, s.rate) for s in of.states]
    scaled += [of.graph.make("div", q, of.charge_scale()) for q in of.charges]
    body = _Body(of, called, spelled, share)
    body.spell([*scaled, *of.currents, *(r.residual for r in of.roots)], [s.start for s in of.states], names)
    texts = iter(body.texts)
    for node, start in zip(states, body.starts, strict=True):
        body.add(f"B{node} 0 {node} I={next(texts)}")
        body.add(f"C{node} {node} 0 {capacity:g} ic={start}", f".ic V({node})={start}")
    for pin, _ in zip(pins, of.charges, strict=False):
        body.charge(pin, pins[-1], next(texts), of.charge_scale(), names)
    for pin in pins[:-1]:
        body.add(f"B{names.new(f'i_{pin}')} {pin} {pins[-1]} I={next(texts)}")
    defaults = of.defaults()
    for node, root in zip(roots, of.roots, strict=True):
        body.add(f"B{node} {node} 0 I={next(texts)}", f".nodeset V({node})={defaults[root.symbol.value]!r}")
        if settle:
            body.add(f"C{node} {node} 0 {settle if unit is None else settle / unit:g}")
    head = _head(of, name, pins, called, states, roots, unit)
    values = [f"+ {called[s]}={float(np.asarray(p.value))!r}" for s, p in of.parameters.items()]
    text = "\n".join([*head, f".subckt {name} {' '.join(pins)}", *values, *body.lines, f".ends {name}"]) + "\n"
    return Written(text, name, pins, states, roots, {p.name: called[s] for s, p in of.parameters.items()})


def _within(text: str, bounds: tuple[float, float]) -> str:
    """What is always within bounds, kept there also on the way of an iteration."""
    low, high = (NGSPICE.number(b) if math.isfinite(b) else "" for b in bounds)
    text = f"max({text},{low})" if low else text
    return f"min({text},{high})" if high else text


class _Body:
    """The lines between .subckt and .ends."""

    def __init__(self, of: Equations, called: Mapping[str, str], spelled: Mapping[str, str], share: int):
        self._of, self._called, self._spelled = of, called, spelled
        self._dialect = dataclasses.replace(NGSPICE, share=share)
        self.lines: list[str] = []
        self.texts: list[str] = []
        self.starts: list[str] = []

    def add(self, *lines: str) -> None:
        for line in lines:
            first, *more = textwrap.wrap(line, WIDTH, break_long_words=False, break_on_hyphens=False)
            self.lines += [first, *(f"+ {part}" for part in more)]

    def spell(self, moving: list[Node], starts: list[Node], names: Names) -> None:
        """Writes what comes before the sources, and finds their expressions."""
        everything = lowered([*moving, *starts], self._dialect)
        moving, starts = everything[: len(moving)], everything[len(moving) :]
        fixed = _fixed(everything, self._of.parameters)
        early = list(_border(moving, starts, fixed))
        listing = write(
            early, NGSPICE_PARAM, name=lambda k: names.new(f"p{k}"),
            symbol=self._called.__getitem__,
        )  # fmt: skip
        for own, text in listing.lines:
            self.add(f".param {own}={{{text}}}")
        known: dict[Node, str] = {}
        for node, text in zip(early, listing.roots, strict=True):
            own = text if text.isidentifier() else names.new(f"p_{len(known)}")
            if own != text:
                self.add(f".param {own}={{{text}}}")
            known[node] = f"{{{own}}}"
        between = ranges(moving, self._of.bounds())
        rest = write(
            moving, self._dialect, known=known, name=lambda k: names.new(f"node_{k}"),
            refer=lambda own, node: _within(f"V({own})", between[node]),
            inline=_steep(moving, between, fixed),
            symbol=lambda s: self._spelled[s] if s in self._spelled else f"{{{self._called[s]}}}",
        )  # fmt: skip
        for own, text in rest.lines:
            self.add(f"B{own} {own} 0 V={text}")
        self.texts = rest.roots
        self.starts = [known[s] if s in known else write([s], NGSPICE_PARAM).roots[0] for s in starts]

    def charge(self, pin: str, ground: str, text: str, scale: float, names: Names) -> None:
        """A current of d/dt charge into a pin."""
        node, end = names.new(f"charge_{pin}"), names.new(f"sense_{pin}")
        self.add(f"B{node} {node} 0 V={text}", f"C{node} {node} {end} {scale:g}", f"V{end} {end} 0 0")
        self.add(f"F{node} {pin} {ground} V{end} 1")


_STRAIGHT = ("add", "sub", "neg", "max", "min", "abs")


def _steep(roots: list[Node], between: Mapping[Node, Range], fixed: Mapping[Node, bool]) -> set[Node]:
    """What an exponential or the like is taken of, but for sums and constant factors.

    A node holds during an iteration what its equation was a step before, or what follows from that on a straight line.
    In the argument of an exponential the difference is a factor of any size, and the iteration never comes back.
    """
    found: set[Node] = set()
    for node in reversed(ordered(roots)):
        if node.is_boolean or node.is_leaf:
            continue
        if node.op in ("exp", "sinh", "cosh") and max(map(abs, between[node])) > TAME:
            found |= set(node.args)
        elif node.op in ("asin", "acos") or (node.op in ("log", "atanh", "acosh") and not _finite(between[node])):
            found |= set(node.args)
        elif node.op == "div" and between[node.args[1]][0] <= 0 <= between[node.args[1]][1]:
            found.add(node.args[1])
        if node in found:
            scaled = node.op in ("mul", "div") and any(fixed[a] for a in node.args)
            if node.op in _STRAIGHT or scaled:
                found |= set(node.args)
            elif node.op == "select":
                found |= set(node.args[1:])
    return found


def _finite(bounds: Range) -> bool:
    return math.isfinite(bounds[0]) and math.isfinite(bounds[1])


def _fixed(roots: Iterable[Node], parameters: Mapping[str, object]) -> dict[Node, bool]:
    """Of each node: whether it depends on parameters alone."""
    found: dict[Node, bool] = {}
    for node in ordered(roots):
        found[node] = node.value in parameters if node.op == "input" else all(found[a] for a in node.args)
    return found


def _border(moving: list[Node], starts: list[Node], fixed: Mapping[Node, bool]) -> dict[Node, None]:
    """What is fixed and needed by what is not, or a whole expression; leaves and truth values are spelled in place."""
    needed: dict[Node, None] = {}
    for node in ordered(moving):
        if not fixed[node]:
            needed |= {a: None for a in node.args if fixed[a]}
    needed |= {r: None for r in [*moving, *starts] if fixed[r]}
    return {n: None for n in needed if not n.is_boolean and n.op != "const"}


def _head(of, name, pins, called, states, roots, unit) -> list[str]:
    lines = [*about(type(of.device)), "", "Written by neurojax from the equations of the device."]
    lines += [f"Time is in {'seconds' if unit is None else f'units of {unit:g} s'}; all voltages are over {pins[-1]}."]
    defaults = of.defaults()
    for node, s in zip(states, of.states, strict=True):
        what = "" if s.declared is None else f"{s.declared.doc}, {s.declared.bounds[0]:g} .. {s.declared.bounds[1]:g}"
        lines.append(f"State V({node}), starts at {defaults[s.symbol]:.6g}: {what}")
    if states:
        lines.append(
            f"The states lie on capacitors of {of.time if unit is None else 1:g} F, so that 1 V and some A are usual."
        )
    lines += [f"V({node}) is the unknown of an inner equation." for node in roots]
    lines.append(f"X1 {' '.join(pins)} {name} NAME=VALUE ...   with the parameters, in SI units:")
    rows = [(called[s], f"{float(np.asarray(p.value)):.6g}", p.unit, p.quantity.doc) for s, p in of.parameters.items()]
    widths = [max((len(r[k]) for r in rows), default=0) for k in range(3)]
    lines += [f"  {r[0]:<{widths[0]}}  {r[1]:>{widths[1]}} {r[2]:<{widths[2]}}  {r[3]}" for r in rows]
    if of.idle:
        lines += textwrap.wrap(f"Not in these equations: {', '.join(of.idle)}.", WIDTH - 2)
    return [f"* {plain(line)}".rstrip() for line in lines]
