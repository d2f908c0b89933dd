"""A device as a subcircuit of ngspice, and what ngspice makes of it: a yardstick of `neurojax bench engine`.

    answer = run(device, wave, ts, reltol=1e-4)          states, current, and how long it took

The states are voltages on capacitors of 1 F, charged by B-sources whose currents are the rates; the current is one
more B-source between the terminals. Time is in units of the whole waveform, so that neither nanoseconds nor hours
come near the absolute tolerances of a simulator made for volts and microamperes.
"""

import dataclasses
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jax.flatten_util import ravel_pytree

from neurojax._dialects import NGSPICE, lowered, write
from neurojax._source import device_program
from neurojax.errors import NeurojaxError
from neurojax.waveform import Waveform
from physics.device import AbstractDevice, Environment

JUMP = 1e-9
"""Time that a jump takes in a piecewise linear source, which must not go back or stand still; part of the whole."""
SHARES = (15, 30, 60, 200)
"""Sizes from which shared expressions become nodes, tried in turn: the first is up to ten times faster, as ngspice
differentiates all that is written out, but its Newton iteration runs away more easily with more nodes."""


class NgspiceError(NeurojaxError, RuntimeError):
    """There is no ngspice, or it gave up."""


@dataclasses.dataclass(frozen=True)
class NgspiceAnswer:
    """What ngspice found.

    Attributes:
        y: states at the samples (samples, n). i: currents into the ports (A), (samples, *ports).
        points: accepted time points. seconds: of the whole process. analysis: of the analysis alone, as it says.
    """

    y: np.ndarray
    i: np.ndarray
    points: int
    seconds: float
    analysis: float | None


def subcircuit(
    device: AbstractDevice,
    name: str = "cell",
    *,
    env: Environment | None = None,
    unit: float = 1.0,
    share: int = SHARES[-1],
) -> list[str]:
    """Lines of a subcircuit whose pins are the terminals; states are its nodes state_0, state_1, .. (V).

    Args:
        env: folded as numbers, as the parameters are. unit: of the time of the simulation, in s.
        share: operations from which an expression that is needed more than once becomes an inner node.

    Raises:
        UnsupportedError: the device solves an inner equation.
    """
    env = Environment() if env is None else env
    program = device_program(device, env=env, slopes=False)
    *pins, ground = device.terminals
    volts = [n for n in program.inputs if n.startswith("volt")]
    spelled = {n: f"V({pin},{ground})" for n, pin in zip(volts, pins, strict=True)}
    start = np.asarray(ravel_pytree(device.init(env))[0])
    spelled |= {f"state_{k}": f"V(state_{k})" for k in range(start.size)}
    rates = program.outputs["rate"].ravel()
    roots = [program.graph.make("mul", unit, r) for r in rates] + list(program.outputs["current"].ravel())
    dialect = dataclasses.replace(NGSPICE, share=share)
    listing = write(
        lowered(roots, dialect), dialect, name="inner_{}".format, refer="V({})".format, symbol=spelled.__getitem__
    )
    lines = [f".subckt {name} {' '.join(device.terminals)}"]
    lines += [f"B{own} {own} 0 V={text}" for own, text in listing.lines]
    for k, value in enumerate(start):
        lines += [f"Brate_{k} 0 state_{k} I={listing.roots[k]}", f"Cstate_{k} state_{k} 0 1 ic={float(value)!r}"]
    lines += [f"B{pin} {pin} {ground} I={text}" for pin, text in zip(pins, listing.roots[start.size :], strict=True)]
    return [*lines, f".ends {name}"]


def netlist(
    device: AbstractDevice,
    wave: Waveform,
    *,
    env: Environment | None = None,
    reltol: float = 1e-3,
    max_step: float | None = None,
    share: int = SHARES[-1],
) -> str:
    """The circuit of one device under one waveform; options as for `run`, `share` as for `subcircuit`."""
    unit = float(wave.duration)
    t = (np.asarray(wave.t, dtype=float) - float(wave.t[0])) / unit
    t[1:] += JUMP * np.cumsum(np.diff(t) == 0)
    v = np.asarray(wave.v, dtype=float).reshape(len(t), -1)
    pins = device.terminals[:-1]
    step = 1e-3 if max_step is None else max_step / unit
    lines = [f"* {type(device).__name__} by neurojax, time in units of {unit:g} s"]
    lines += [f".options reltol={reltol:g} vntol={1e-3 * reltol:g} abstol=1e-12 method=gear itl4=100 acct"]
    for k, pin in enumerate(pins):
        knots = " ".join(f"{float(a)!r} {float(b)!r}" for a, b in zip(t, v[:, k], strict=True))
        lines += [f"V{pin} {pin} 0 PWL({knots})"]
    lines += [f"X1 {' '.join(pins)} 0 cell", *subcircuit(device, env=env, unit=unit, share=share)]
    states = ravel_pytree(device.init(Environment() if env is None else env))[0].size
    saved = [*(f"v(x1.state_{k})" for k in range(states)), *(f"i(v{pin})" for pin in pins)]
    lines += [f".save {' '.join(saved)}", f".tran {step:g} {float(t[-1])!r} 0 {step:g} uic", ".end"]
    return "\n".join(lines) + "\n"


def run(
    device: AbstractDevice,
    wave: Waveform,
    ts: Any,
    *,
    env: Environment | None = None,
    reltol: float = 1e-3,
    max_step: float | None = None,
    timeout: float = 300.0,
    shares: Sequence[int] = SHARES,
) -> NgspiceAnswer:
    """Simulate one device by ngspice, from its default state; between its time points on straight lines.

    Args:
        ts: sample times (s). reltol: of ngspice. max_step: longest step (s), a thousandth of the waveform if None.
        timeout: seconds after which it is stopped. shares: ways to write it down, until one converges.

    Raises:
        NgspiceError: no ngspice on the path, not done in time, or no convergence.
    """
    ngspice = shutil.which("ngspice")
    if ngspice is None:
        raise NgspiceError("ngspice not found: it is not on the path (Debian: apt install ngspice).")
    samples = np.asarray(ts, dtype=float)
    for share in shares[:-1]:
        try:
            text = netlist(device, wave, env=env, reltol=reltol, max_step=max_step, share=share)
            return _answer(device, wave, samples, *_spice(ngspice, text, timeout))
        except NgspiceError:
            pass
    text = netlist(device, wave, env=env, reltol=reltol, max_step=max_step, share=shares[-1])
    return _answer(device, wave, samples, *_spice(ngspice, text, timeout))


def _spice(ngspice: str, text: str, timeout: float) -> tuple[dict[str, np.ndarray], str, float]:
    """What it wrote, what it said, and the seconds it took."""
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


def _answer(
    device: AbstractDevice, wave: Waveform, ts: np.ndarray, table: dict[str, np.ndarray], said: str, seconds: float
) -> NgspiceAnswer:
    t = table.get("time", np.zeros(0)) * float(wave.duration) + float(wave.t[0])
    if t.size == 0 or t[-1] < float(wave.t[-1]) * (1 - 1e-6):
        reached = f"stopped at {t[-1]:g} s" if t.size else "did not start"
        raise NgspiceError(f"ngspice {reached} with {type(device).__name__}: {said.strip()[-400:]}")
    states = sorted((n for n in table if "state_" in n), key=lambda n: int(re.findall(r"\d+", n)[-1]))
    y = np.stack([np.interp(ts, t, table[n]) for n in states], axis=1) if states else np.zeros((ts.size, 0))
    # ngspice counts the current of a source into its positive pin.
    i = np.stack([-np.interp(ts, t, table[f"i(v{pin})"]) for pin in device.terminals[:-1]], axis=1)
    found = re.search(r"Total analysis time \(seconds\) = ([\d.eE+-]+)", said)
    analysis = float(found.group(1)) if found else None
    return NgspiceAnswer(y, i.reshape(ts.size, *device.port_shape), t.size, seconds, analysis)


def _read_raw(path: Path) -> dict[str, np.ndarray]:
    """Variable (lower case) -> values, of a binary raw file."""
    header, _, body = path.read_bytes().partition(b"Binary:\n")
    lines = header.decode("ascii", "replace").splitlines()
    count = next((int(line.split(":")[1]) for line in lines if line.startswith("No. Variables")), 0)
    first = next((k for k, line in enumerate(lines) if line.startswith("Variables:")), len(lines)) + 1
    names = [line.split()[1].lower() for line in lines[first : first + count]]
    table = np.frombuffer(body[: len(body) // 8 * 8]).reshape(-1, max(count, 1)) if count else np.zeros((0, 0))
    return dict(zip(names, table.T, strict=False))
