"""Crossbars by nodal analysis, sparse and without iteration: what the structured solver is compared with.

Nodes at the two ends of a resistance of zero are merged, infinite ones are left out, groups of nodes that no source
holds are set to zero, so nothing is approximated. Currents through resistances of zero follow from Kirchhoff's law
where it decides, and are nan where it does not.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import scipy.sparse.csgraph as graph
import scipy.sparse.linalg as linalg


class Branches(NamedTuple):
    """Resistances between nodes; the nodes are 2 n m inner ones, then left, right, top and bottom ends."""

    a: np.ndarray
    b: np.ndarray
    r: np.ndarray


class Answer(NamedTuple):
    """Voltages of rows and columns (n, m), which of them are held, and currents of cells and out of the columns."""

    v_rows: np.ndarray
    v_columns: np.ndarray
    held: np.ndarray
    i_cells: np.ndarray
    i: np.ndarray


def branches(g, row, column, left, right, top, bottom):
    """Of an array of conductances g (n, m), wires as of `Wires`, in full shapes: cells first, then lines."""
    n, m = g.shape
    rows, columns = np.arange(n * m).reshape(n, m), n * m + np.arange(n * m).reshape(n, m)
    ends = 2 * n * m + np.arange(2 * n + 2 * m)
    lefts, rights, tops, bottoms = np.split(ends, np.cumsum([n, n, m]))
    with np.errstate(divide="ignore"):
        r = [1 / g, row, column, left, right, top, bottom]
    a = [rows, rows[:, :-1], columns[:-1], rows[:, 0], rows[:, -1], columns[0], columns[-1]]
    b = [columns, rows[:, 1:], columns[1:], lefts, rights, tops, bottoms]
    return Branches(*(np.concatenate([np.ravel(part) for part in parts]) for parts in (a, b, r)))


def solve(g, wires, v, right=None, columns=0.0, top=None):
    """Voltages and currents for row voltages v (n,); wires is a dict of full arrays."""
    n, m = g.shape
    net = branches(g, **wires)
    bottom = np.broadcast_to(columns, m)
    fixed = np.concatenate([v, v if right is None else right, bottom if top is None else top, bottom])
    u, held = potentials(net, 2 * n * m, fixed)
    currents = branch_currents(net, u, 2 * n * m)
    into = np.zeros(len(u))
    np.add.at(into, net.b, currents)
    i = into[2 * n * m + 2 * n : 2 * n * m + 2 * n + m] + into[2 * n * m + 2 * n + m :]
    cut = lambda x, k: x[k * n * m : (k + 1) * n * m].reshape(n, m)  # noqa: E731
    return Answer(cut(u, 0), cut(u, 1), np.stack([cut(held, 0), cut(held, 1)]), cut(currents, 0), i)


def potentials(net, inner, fixed):
    """Of all nodes, and which are held; sources that contradict each other raise `ValueError`."""
    total = inner + len(fixed)
    groups, group = _merged(net, net.r == 0, total)
    known = np.full(groups, np.nan)
    for node, volts in enumerate(fixed, start=inner):
        if np.isfinite(known[group[node]]) and known[group[node]] != volts:
            raise ValueError("two sources at one node")
        known[group[node]] = volts
    some = (net.r > 0) & np.isfinite(net.r) & (group[net.a] != group[net.b])
    a, b, y = group[net.a[some]], group[net.b[some]], 1 / net.r[some]
    islands, island = graph.connected_components(sp.coo_matrix((y, (a, b)), (groups, groups)), directed=False)
    has_source = np.zeros(islands, bool)
    has_source[island[np.isfinite(known)]] = True
    free = np.isnan(known) & has_source[island]
    u = np.where(np.isfinite(known), known, 0.0)
    laplace = sp.coo_matrix((np.concatenate([y, y, -y, -y]), (np.r_[a, b, a, b], np.r_[a, b, b, a])), (groups, groups))
    laplace = laplace.tocsr()
    if free.any():
        lu = linalg.splu(laplace[free][:, free].tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0)
        # Refined with currents of branches in long numbers: sums on the diagonal round what is held weakly away.
        u, y = u.astype(np.longdouble), y.astype(np.longdouble)
        for _ in range(6):
            into, flow = np.zeros_like(u), y * (u[b] - u[a])
            np.add.at(into, a, flow)
            np.add.at(into, b, -flow)
            u[free] += lu.solve(into[free].astype(float))
        u = u.astype(float)
    return u[group], has_source[island][group]


def branch_currents(net, u, inner):
    """From a to b of every branch."""
    with np.errstate(divide="ignore", invalid="ignore"):
        i = np.where(net.r > 0, (u[net.a] - u[net.b]) / net.r, np.nan)
    # A node of which one branch alone is unknown says what that carries.
    while True:
        unknown = np.isnan(i)
        open_ends = np.bincount(net.a, unknown, len(u)) + np.bincount(net.b, unknown, len(u))
        for end, sign in ((net.a, 1.0), (net.b, -1.0)):
            k = np.flatnonzero(unknown & (end < inner) & (open_ends[end] == 1))
            if k.size:
                flows = np.where(unknown, 0.0, i)
                out = np.bincount(net.a, flows, len(u)) - np.bincount(net.b, flows, len(u))
                i[k] = -sign * out[end[k]]
                break
        else:
            return i


def _merged(net, which, total):
    ones = np.ones(np.sum(which))
    return graph.connected_components(
        sp.coo_matrix((ones, (net.a[which], net.b[which])), (total, total)), directed=False
    )
