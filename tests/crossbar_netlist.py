"""A crossbar as a netlist of ngspice, and what that says of it."""

import numpy as np

from neurojax._ngspice import spice


def between(a, b, ohm):
    """A resistor, or a wire."""
    return f"R{a}_{b} {a} {b} {ohm!r}" if ohm > 0 else f"V{a}_{b} {a} {b} 0"


def netlist(shape, cells, wires, v):
    """An operating point; `cells(i, j, row, column)` gives the lines of a cell. Columns end at sources of 0 V."""
    (n, m), lines = shape, ["* crossbar", ".options reltol=1e-12 abstol=1e-18 vntol=1e-15 gmin=1e-18"]
    row, column, left, right, bottom = (wires[k] for k in ("row", "column", "left", "right", "bottom"))
    for i in range(n):
        lines += [f"Vs{i} s{i} 0 {float(v[i])!r}", between(f"s{i}", f"r{i}x0", float(left[i]))]
        lines += [between(f"r{i}x{j}", f"r{i}x{j + 1}", float(row[i, j])) for j in range(m - 1)]
        lines += [between(f"s{i}", f"r{i}x{m - 1}", float(right[i]))] if np.isfinite(right[i]) else []
    for j in range(m):
        lines += [between(f"c{i}x{j}", f"c{i + 1}x{j}", float(column[i, j])) for i in range(n - 1)]
        lines += [between(f"c{n - 1}x{j}", f"e{j}", float(bottom[j])), f"Vout{j} e{j} 0 0"]
    for i, j in np.ndindex(n, m):
        lines += cells(i, j, f"r{i}x{j}", f"c{i}x{j}")
    saved = " ".join(f"v({k}{i}x{j})" for k in "rc" for i, j in np.ndindex(n, m))
    currents = " ".join(f"i(Vout{j})" for j in range(m))
    return "\n".join([*lines, f".save {saved} {currents}", ".op", ".end"]) + "\n"


def answer(text, shape):
    """Voltages of rows and columns, and currents out of the columns."""
    table, said, _ = spice(text)
    assert table, said
    volts = [np.asarray([table[f"v({k}{i}x{j})"][0] for i, j in np.ndindex(*shape)]).reshape(shape) for k in "rc"]
    return *volts, np.asarray([table[f"i(vout{j})"][0] for j in range(shape[1])])
