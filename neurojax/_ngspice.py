"""Running ngspice: a netlist, or a subcircuit and a waveform, in; voltages and currents over time out.

    answer = transient(cell, wave, ts)                          answer.y, answer.i
    table, said, seconds = spice(text, timeout=60.0)            table["v(x1.x)"], table["i(vtop)"], table["time"]

A waveform that lasts nanoseconds or hours may be given to it in units of its own.
"""

import dataclasses
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neurojax._equations import Written
from neurojax.errors import NeurojaxError
from neurojax.waveform import Waveform

JUMP = 1e-9
"""Time that a jump takes in a piecewise linear source, which must not go back or stand still; part of the whole."""


class NgspiceError(NeurojaxError, RuntimeError):
    """There is no ngspice, or it gave up."""


@dataclasses.dataclass(frozen=True)
class NgspiceAnswer:
    """What ngspice found.

    Attributes:
        t: samples (s). y: states there (samples, n). i: currents into the ports (A), (samples, ports).
        points: accepted time points. seconds: of the whole process. analysis: of the analysis alone, as it says.
    """

    t: np.ndarray
    y: np.ndarray
    i: np.ndarray
    points: int
    seconds: float
    analysis: float | None


def transient(
    cell: Written,
    wave: Waveform,
    ts: Any = None,
    *,
    values: Mapping[str, float] | None = None,
    unit: float = 1.0,
    reltol: float = 1e-4,
    max_step: float | None = None,
    least: float | None = None,
    timeout: float = 300.0,
) -> NgspiceAnswer:
    """One subcircuit under a waveform, from its initial state.

    Args:
        ts: sample times (s), between the time points of ngspice on straight lines; if None, those are the samples.
        values: parameters of the subcircuit, else its defaults. unit: that of `subcircuit`.
        max_step: longest step (s), a thousandth of the waveform if None. least: absolute error of a state, a
            thousandth of `reltol` if None.

    Raises:
        NgspiceError: no ngspice, not done in time, or no convergence.
    """
    begin, end = float(wave.t[0]), float(wave.t[-1])
    table, said, seconds = spice(_netlist(cell, wave, values or {}, unit, reltol, max_step, least), timeout)
    t = table.get("time", np.zeros(0)) * unit + begin
    if t.size == 0 or t[-1] < end - 1e-6 * (end - begin):
        reached = f"stopped at {t[-1]:g} s" if t.size else "did not start"
        raise NgspiceError(f"ngspice {reached} with {cell.name}: {said.strip()[-400:]}")
    samples = t if ts is None else np.asarray(ts, dtype=float)
    columns = [np.interp(samples, t, table[f"v(x1.{n.lower()})"]) for n in cell.states]
    y = np.stack(columns, axis=1) if columns else np.zeros((samples.size, 0))
    # ngspice counts the current of a source into its positive pin.
    i = np.stack([-np.interp(samples, t, table[f"i(v{pin.lower()})"]) for pin in cell.pins[:-1]], axis=1)
    found = re.search(r"Total analysis time \(seconds\) = ([\d.eE+-]+)", said)
    return NgspiceAnswer(samples, y, i, t.size, seconds, float(found.group(1)) if found else None)


def _netlist(
    cell: Written,
    wave: Waveform,
    values: Mapping[str, float],
    unit: float,
    reltol: float,
    max_step: float | None,
    least: float | None,
) -> str:
    t = (np.asarray(wave.t, dtype=float) - float(wave.t[0])) / unit
    t[1:] += JUMP * t[-1] * np.cumsum(np.diff(t) == 0)
    v = np.asarray(wave.v, dtype=float).reshape(len(t), -1)
    step = 1e-3 * t[-1] if max_step is None else max_step / unit
    lines = [f"* {cell.name} by neurojax, time in units of {unit:g} s"]
    usual = f"vntol={1e-3 * reltol:g} abstol=1e-12"
    small = usual if least is None else f"vntol={least:g} abstol=1e-20 chgtol=1e-25 trtol=1"
    lines += [f".options reltol={reltol:g} {small} method=gear itl4=100 acct"]
    for k, pin in enumerate(cell.pins[:-1]):
        corners = " ".join(f"{float(a)!r} {float(b)!r}" for a, b in zip(t, v[:, k], strict=True))
        lines += [f"V{pin} {pin} 0 PWL({corners})"]
    given = " ".join(f"{cell.parameters[n]}={float(x)!r}" for n, x in values.items())
    lines += [f"X1 {' '.join(cell.pins[:-1])} 0 {cell.name} {given}".rstrip(), cell.text]
    saved = [*(f"v(x1.{n})" for n in cell.states), *(f"i(v{pin})" for pin in cell.pins[:-1])]
    lines += [f".save {' '.join(saved)}", f".tran {step:g} {float(t[-1])!r} 0 {step:g}", ".end"]
    return "\n".join(lines) + "\n"


def spice(text: str, timeout: float = 300.0) -> tuple[dict[str, np.ndarray], str, float]:
    """What ngspice wrote for the netlist `text` (names in lower case), what it said, and the seconds it took.

    Raises:
        NgspiceError: no ngspice on the path, or not done after `timeout` seconds.
    """
    ngspice = shutil.which("ngspice")
    if ngspice is None:
        raise NgspiceError("ngspice not found: it is not on the path (Debian: apt install ngspice).")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "device.cir").write_text(text, encoding="utf-8")
        command = [ngspice, "-n", "-b", "-r", "device.raw", "device.cir"]
        began = time.perf_counter()
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            raise NgspiceError(f"ngspice was not done after {timeout:g} s: {text.splitlines()[0]}") from None
        seconds = time.perf_counter() - began
        table = _read_raw(folder / "device.raw") if (folder / "device.raw").exists() else {}
    return table, done.stdout + done.stderr, seconds


def _read_raw(path: Path) -> dict[str, np.ndarray]:
    """Variable (lower case) -> values, of a binary raw file."""
    header, _, body = path.read_bytes().partition(b"Binary:\n")
    lines = header.decode("ascii", "replace").splitlines()
    count = next((int(line.split(":")[1]) for line in lines if line.startswith("No. Variables")), 0)
    first = next((k for k, line in enumerate(lines) if line.startswith("Variables:")), len(lines)) + 1
    names = [line.split()[1].lower() for line in lines[first : first + count]]
    table = np.frombuffer(body[: len(body) // 8 * 8]).reshape(-1, max(count, 1)) if count else np.zeros((0, 0))
    return dict(zip(names, table.T, strict=False))
