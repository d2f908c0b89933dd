"""A device as a module in Verilog-A.

States are voltages of inner nodes, I(state) <+ ddt(C V(state)) - C rate with C = `time`; in a static analysis they are
held where they start. Inner equations are nodes with I(node) <+ residual, charges are ddt(charge).
"""

import textwrap
from collections.abc import Iterator

import numpy as np

from neurojax._dialects import VERILOG_A, lowered, write
from neurojax._equations import Equations, Names, Written, about, plain

WIDTH = 116
_RESERVED = frozenset(
    "above abs absdelay abstol ac_stim acos acosh aliasparam always analog analysis and asin asinh assign atan "
    "atan2 atanh automatic begin branch buf case casex casez ceil cell cmos config connectmodule connectrules "
    "continuous cos cosh cross ddt ddt_nature ddx deassign default defparam design disable discipline discrete "
    "domain edge else end endcase endconfig endconnectrules enddiscipline endfunction endgenerate endmodule "
    "endnature endparamset endprimitive endspecify endtable endtask event exclude exp final_step flicker_noise "
    "floor flow for force forever fork from function generate genvar ground highz0 highz1 hypot idt idt_nature "
    "idtmod if ifnone incdir include inf initial initial_step inout input instance integer join laplace_nd "
    "laplace_np laplace_zd laplace_zp large last_crossing liblist library limexp ln localparam log macromodule max "
    "medium merged min module nand nature negedge net_resolution nmos noise_table none nor not notif0 notif1 or "
    "output parameter paramset pmos posedge potential pow primitive pull0 pull1 pulldown pullup rcmos real realtime "
    "reg release repeat resolveto rnmos rpmos rtran rtranif0 rtranif1 scalared sin sinh slew small specify "
    "specparam split sqrt string strong0 strong1 supply0 supply1 table tan tanh task time timer tran tranif0 "
    "tranif1 transition tri tri0 tri1 triand trior trireg units unsigned use uwire vectored wait wand weak0 weak1 "
    "while white_noise wire wor wreal xnor xor zi_nd zi_np zi_zd zi_zp V I Q Phi Temp Pwr electrical voltage "
    "current access desc".split()
)


def module(of: Equations, name: str) -> Written:
    """The module of a device; its ambient temperature is that of the circuit."""
    names = Names(_RESERVED, case=True)
    pins = tuple(names.new(t) for t in of.device.terminals)
    own = {s: p for s, p in of.parameters.items() if s != "env_temperature"}
    called = {s: names.new(p.name) for s, p in own.items()}
    states = tuple(names.new(f"state_{s.name}") for s in of.states)
    roots = tuple(names.new(f"inner_{k}") for k in range(len(of.roots)))
    spelled = called | {"env_temperature": "$temperature"}
    spelled |= {v: f"V({pin}, {pins[-1]})" for v, pin in zip(of.volts, pins, strict=False)}
    spelled |= {s.symbol: f"V({node})" for s, node in zip(of.states, states, strict=True)}
    spelled |= {r.symbol.value: f"V({node})" for r, node in zip(of.roots, roots, strict=True)}
    nodes = lowered([*of.moving(), *(s.start for s in of.states)], VERILOG_A)
    listing = write(nodes, VERILOG_A, name=lambda k: names.new(f"t{k}"), symbol=spelled.__getitem__)
    analog = [f"{a} = {text};" for a, text in listing.lines]
    analog += [*_contributions(of, listing.roots, pins, states, roots)]
    lines = [
        *(f"// {plain(line)}".rstrip() for line in _head(of, pins, states, roots)),
        '`include "disciplines.vams"',
        "",
    ]
    lines += [f"module {name}({', '.join(pins)});", f"    inout {', '.join(pins)};"]
    lines += _wrapped(f"electrical {', '.join([*pins, *states, *roots])};", "    ")
    lines += _parameters(own, called)
    if listing.lines:
        lines += _wrapped(f"real {', '.join(a for a, _ in listing.lines)};", "    ")
    lines += [
        "",
        "    analog begin",
        *(part for a in analog for part in _wrapped(a, "        ")),
        "    end",
        "endmodule",
    ]
    return Written("\n".join(lines) + "\n", name, pins, states, roots, {p.name: called[s] for s, p in own.items()})


def _contributions(of: Equations, texts: list[str], pins, states, roots) -> Iterator[str]:
    """What flows out of each node; `texts` in the order of `Equations.moving` and the initial states."""
    rest, ground = iter(texts), pins[-1]
    rates = [next(rest) for _ in states]
    for pin, text in zip(pins[:-1], rest, strict=False):
        yield f"I({pin}, {ground}) <+ {text};"
    for pin, text in zip(pins[: len(of.charges)], rest, strict=False):
        yield f"I({pin}, {ground}) <+ ddt({text});"
    for node, text in zip(roots, rest, strict=False):
        yield f"I({node}) <+ {text};"
    for node, rate, start in zip(states, rates, rest, strict=True):
        yield f"I({node}) <+ ddt({of.time:g} * V({node}));"
        yield f'I({node}) <+ analysis("static") ? V({node}) - {start} : -{of.time:g} * {rate};'


def _parameters(own, called) -> Iterator[str]:
    for symbol, p in own.items():
        value, (low, high) = float(np.asarray(p.value)), p.bounds
        doc = plain(p.quantity.doc).replace("\\", "/").replace('"', "'")
        units = "" if p.unit == "1" else f', units = "{p.unit}"'
        box = f" from [{low!r}:{high!r}]" if low <= value <= high else ""
        yield f'    (* desc = "{doc}"{units} *)'
        yield f"    parameter real {called[symbol]} = {value!r}{box};"


def _wrapped(line: str, indent: str) -> list[str]:
    return textwrap.wrap(
        line, WIDTH, initial_indent=indent, subsequent_indent=indent + "    ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def _head(of: Equations, pins, states, roots) -> list[str]:
    lines = [*about(type(of.device)), "", "Written by neurojax from the equations of the device."]
    lines.append(f"All voltages are over {pins[-1]}; the ambient temperature is that of the circuit.")
    for node, s in zip(states, of.states, strict=True):
        what = "" if s.declared is None else f"{s.declared.doc}, {s.declared.bounds[0]:g} .. {s.declared.bounds[1]:g}"
        lines.append(f"State V({node}): {what}")
    lines += [f"V({node}) is the unknown of an inner equation." for node in roots]
    if states:
        lines.append("In a static analysis the states are held where they start; a transient one sets them free.")
    if of.idle:
        lines += textwrap.wrap(f"Not in these equations: {', '.join(of.idle)}.", WIDTH)
    return lines
