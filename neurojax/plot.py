"""Pictures: every function takes an Axes or makes one, and returns it. Matplotlib only."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import EngFormatter, MaxNLocator

from neurojax.pulses import PulseTrace
from physics.quantity import suggest

if TYPE_CHECKING:
    from neurojax.circuit_record import CircuitRecord
    from neurojax.compare import Ranking
    from neurojax.datasheet import DataSheet
    from neurojax.fitresult import Fit
    from neurojax.profile import Profile
    from neurojax.record import Record

_DATA = dict(color="0.55", marker="o", markersize=3, linestyle="none", markeredgewidth=0)
_MODEL = dict(color="C3", linewidth=1.5)
TICKS = 6
"""Intervals along the horizontal axis at most: labels with a unit are long."""


def axes(ax: Any = None, *, title: str = "") -> Any:
    """`ax`, or a new Axes with quiet decoration."""
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(figsize=(5.2, 3.6), layout="constrained")[1]
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, alpha=0.2)
    if title:
        ax.set_title(title, fontsize=10)
    return ax


def _units(ax: Any, x: tuple[str, str], y: tuple[str, str], log: bool = False) -> None:
    ax.set_xlabel(x[0])
    ax.set_ylabel(y[0])
    ax.xaxis.set_major_locator(MaxNLocator(TICKS))
    ax.xaxis.set_major_formatter(EngFormatter(unit=x[1]))
    if log:
        ax.set_yscale("log")
    else:
        ax.yaxis.set_major_formatter(EngFormatter(unit=y[1]))


def record(record: "Record", *, ax: Any = None, kind: str = "iv") -> Any:
    """A simulated measurement: "iv", "log" (|i| on a log scale), "time" (i over t) or "states".

    Populations are drawn as thin lines. Of more than two terminals the current is that of the last port, over the
    voltage that is swept the farthest: a transfer curve if it is the gate's.
    """
    if kind not in ("iv", "log", "time", "states"):
        raise ValueError(f"kind = {kind!r} must be 'iv', 'log', 'time' or 'states'.")
    ax = axes(ax)
    thin = dict(linewidth=0.6, alpha=0.5) if record.ok.ndim else dict(linewidth=1.4)
    if kind == "states":
        for k, (name, samples) in enumerate(record.states.items()):
            lines = np.atleast_2d(np.asarray(samples))
            ax.plot(np.asarray(record.t), lines.T, color=f"C{k}", label=[name] + [None] * (len(lines) - 1), **thin)
        _units(ax, ("time", "s"), ("state", ""))
        if record.states:
            ax.legend(frameon=False)
        return ax
    t, v, i, port = _ports(record)
    x = t if kind == "time" else v
    ax.plot(x.T, (np.abs(i) if kind == "log" else i).T, color="C0", **thin)
    names = ("time", "s") if kind == "time" else (f"voltage{port}", "V")
    _units(ax, names, ("|current| (A)", "") if kind == "log" else ("current", "A"), log=kind == "log")
    return ax


def circuit(record: "CircuitRecord", nodes: Sequence[str], *, ax: Any = None) -> Any:
    """Voltages of nodes over time; populations as thin lines."""
    ax = axes(ax)
    thin = dict(linewidth=0.6, alpha=0.5) if record.ok.ndim else dict(linewidth=1.2)
    for k, node in enumerate(nodes):
        if node not in record.v:
            raise KeyError(f"there is no node {node!r}.{suggest(node, tuple(record.v))}")
        lines = np.atleast_2d(np.asarray(record.v[node]))
        ax.plot(np.asarray(record.t), lines.T, color=f"C{k}", label=[node] + [None] * (len(lines) - 1), **thin)
    _units(ax, ("time", "s"), ("voltage", "V"))
    ax.legend(frameon=False)
    return ax


def _ports(record: "Record") -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """Time, swept voltage and current of the last port, each (members, samples); and which port is swept."""
    members, n = record.ok.size, len(record.t)
    v, i = (np.asarray(a).reshape(members, n, -1) for a in (record.v, record.i))
    swept, ports = int(np.ptp(v, axis=1).max(axis=0).argmax()), v.shape[-1]
    named = "" if swept == ports - 1 else f" of port {swept + 1} of {ports}"
    return np.tile(np.asarray(record.t), (members, 1)), v[..., swept], i[..., -1], named


def trace(trace: Any, *, ax: Any = None, log: bool = True) -> Any:
    """A measured trace: |i| over v, or conductance over pulse number."""
    ax = axes(ax, title=trace.name)
    if isinstance(trace, PulseTrace):
        ax.plot(np.arange(1, len(trace.conductance) + 1), trace.conductance, **_DATA)
        ax.set_xlabel("pulse")
        ax.set_ylabel("conductance")
        ax.yaxis.set_major_formatter(EngFormatter(unit="S"))
        return ax
    ax.plot(trace.v, np.abs(trace.i) if log else trace.i, **_DATA)
    _units(ax, ("voltage", "V"), ("|current| (A)", "") if log else ("current", "A"), log=log)
    return ax


def fitted(fit: "Fit", *, ax: Any = None, which: int = 0) -> Any:
    """One trace of a fit (the first, or number `which`) with the model through it."""
    if fit.problem is None:
        raise ValueError("this fit has no data attached: load_fit(path, traces) attaches them.")
    first, model = fit.problem.traces[which], fit.model[which]
    ax = trace(first, ax=ax)
    if isinstance(first, PulseTrace):
        varied = np.ptp(first.amplitude) > 0 and first.independent
        ax.plot(np.arange(1, len(model) + 1), model, **_MODEL)
        if varied or np.nanmax(model) > 30 * np.nanmin(np.abs(model)):
            ax.set_yscale("log")
    else:
        floor = first.noise()[0]
        ax.plot(first.v, np.maximum(np.abs(model), floor * 1e-2), **_MODEL)
    label = f"{first.name}: " if len(fit.problem.traces) > 1 else ""
    ax.set_title(f"{label}{fit.name}: {fit.rms_error:.3g} {fit.rms_unit}, chi2/dof {fit.chi2_reduced:.3g}", fontsize=10)
    return ax


def ranking(table: "Ranking", *, ax: Any = None) -> Any:
    """Held-out error of each model, the best on top."""
    ax = axes(ax, title="error on data kept back")
    rows = [r for r in table.rows if np.isfinite(r.held_out_rms)][::-1]
    ax.barh([r.model for r in rows], [r.held_out_rms for r in rows], color="C0")
    ax.set_xscale("log")
    ax.set_xlabel(f"rms ({rows[0].rms_unit if rows else ''})")
    return ax


def profile(profile: "Profile", *, ax: Any = None) -> Any:
    """chi2 above its minimum over the value of one parameter; the line is the 95 % limit."""
    ax = axes(ax, title=f"profile of {profile.name}")
    ax.plot(profile.values, profile.delta_chi2, color="C0", marker="o", markersize=3)
    ax.axhline(3.84, color="0.5", linestyle="--", linewidth=1)
    ax.axvline(profile.best, color="C3", linewidth=1)
    ax.set_ylim(0, min(float(np.max(profile.delta_chi2)) * 1.05, 40))
    ax.set_xlabel(f"{profile.name} ({profile.unit})")
    ax.set_ylabel("chi2 - minimum")
    if profile.log:
        ax.set_xscale("log")
    return ax


def sheet(sheet: "DataSheet", axes_: Any = None) -> Any:
    """The usual sweep, and the readings of pulses up and down; returns both Axes."""
    if axes_ is None:
        import matplotlib.pyplot as plt

        axes_ = plt.subplots(1, 2, figsize=(8.4, 3.4), layout="constrained")[1]
    left, right = axes_
    i = np.abs(np.asarray(sheet.sweep.i))
    wide = i.max() > 1e3 * max(float(np.median(i)), 1e-30)
    record(sheet.sweep, ax=left, kind="log" if wide else "iv")
    axes(right)
    g = np.concatenate([sheet.up, sheet.down[1:]])
    right.plot(np.arange(len(g)), g, marker=".", linewidth=0.8, color="C0")
    right.set_xlabel("pulse")
    right.set_ylabel("conductance")
    right.yaxis.set_major_formatter(EngFormatter(unit="S"))
    left.set_title(f"{sheet.device}, {sheet.family}", fontsize=10)
    return left, right
