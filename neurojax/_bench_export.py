"""What leaves the house agrees with what stays: the rows of `neurojax bench export`.

ngspice runs the exported subcircuit of each device on its usual triangle and on pulses; openvaf-py compiles the
exported Verilog-A, and its residuals are compared with our equations at random points.
"""

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from numpy.lib.stride_tricks import sliding_window_view

from neurojax._equations import Equations, Written, double_precision, equations
from neurojax._expression import evaluate
from neurojax._ngspice import NgspiceError, transient
from neurojax._spice import SHARE, subcircuit
from neurojax._verilog_a import module
from neurojax.bench import waveforms
from neurojax.catalogue import device_named, devices
from neurojax.simulate import simulate
from neurojax.waveform import Waveform
from physics.device import AbstractDevice, Environment, stores_charge
from physics.quantity import with_values

SAMPLES = 40_000
LATE = 40
"""Samples by which an event may come earlier or later: a thousandth of the waveform, a step of ngspice."""
POINTS = 100
FAINT = 1e-6
"""Part of the largest below which a residual is compared with that, not with itself."""
WAYS = ((SHARE, 0.0), (30, 0.0), (200, 0.0), (200, 1e-6))
"""Ways to write a subcircuit, until ngspice converges: share, and settle as a part of the time of the device."""
EFFORTS = ((1e-5, 1e-3, None), (1e-6, 1e-4, None), (1e-6, 1e-4, 1e-13))
"""reltol of ngspice, its longest step (part of the waveform), absolute error: the next where one leaves over `CLOSE`.

The last for what grows from almost nothing, as a magnet does that leaves its easy axis.
"""
CLOSE = 1e-3


@dataclasses.dataclass(frozen=True)
class Agreement:
    """A device in ngspice and as Verilog-A beside ours.

    Attributes:
        triangle, pulses: largest distance of the currents over their peak, that of the worst port, with events up to a
            thousandth of the waveform earlier or later; NaN if ngspice gave up. verilog: largest relative
            difference of the residuals.
    """

    how: ClassVar[str] = "once each"
    head: ClassVar[tuple[str, ...]] = ("device", "ngspice, triangle", "ngspice, pulses", "Verilog-A", "")
    device: str
    triangle: float
    pulses: float
    verilog: float
    note: str = ""

    def cells(self) -> list[str]:
        """The row of a table."""
        return [self.device, *(f"{x:.1e}" for x in (self.triangle, self.pulses, self.verilog)), self.note]


def rows(*names: str) -> Iterator[Agreement]:
    """One row a device, all if none is named; some minutes."""
    for name in names or devices():
        device, notes = device_named(name), []
        found = {}
        for kind, wave in waveforms(device).items():
            try:
                found[kind] = in_ngspice(device, wave)
            except NgspiceError as error:
                found[kind] = float("nan")
                notes.append(f"{kind}: {str(error).split(':')[0]}")
        try:
            found["verilog"] = in_verilog(device)
        except ImportError:
            found["verilog"] = float("nan")
            notes.append("no openvaf-py")
        yield Agreement(name, **found, note="; ".join(notes))


def in_ngspice(device: AbstractDevice, wave: Waveform, *, timeout: float = 300.0) -> float:
    """Largest distance of the currents in ngspice from ours, over their peak (see `Agreement`), the best of `EFFORTS`.

    Raises:
        NgspiceError: no ngspice, or no way of writing the subcircuit converges.
    """
    ts = np.linspace(float(wave.t[0]), float(wave.t[-1]), SAMPLES + 1)
    sharp: Any = dict(rtol=1e-9, atol=1e-12, gradient="forward", max_steps=2**20, progress=False)
    ours = np.asarray(simulate(device, wave, ts=jnp.asarray(ts), **sharp).i).reshape(ts.size, -1)
    windows = sliding_window_view(np.pad(ours, ((LATE, LATE), (0, 0)), mode="edge"), 2 * LATE + 1, axis=0)
    low, high = windows.min(axis=-1), windows.max(axis=-1)
    peak, least = np.abs(ours).max(axis=0), np.inf
    for effort in EFFORTS:
        reltol, step, small = effort
        how: dict[str, Any] = dict(reltol=reltol, max_step=step * float(wave.duration), least=small, timeout=timeout)
        try:
            theirs = _run(device, wave, ts, **how)
        except NgspiceError:
            if effort == EFFORTS[0]:
                raise
            break
        # Not at the first sample, where ngspice has the operating point: without a displacement current.
        beyond = np.maximum(np.maximum(low - theirs, theirs - high), 0.0)[1:]
        least = min(least, float(np.max(beyond.max(axis=0) / peak)))
        if least <= CLOSE:
            break
    return least


def _run(device: AbstractDevice, wave: Waveform, ts: np.ndarray, **how: Any) -> np.ndarray:
    of, name = equations(device), type(device).__name__
    ways = WAYS if of.roots else WAYS[:-1]
    for share, settle in ways:
        cell = subcircuit(of, name, share=share, settle=settle * of.time)
        try:
            return transient(cell, wave, ts, **how).i
        except NgspiceError:
            if (share, settle) == ways[-1]:
                raise
    raise AssertionError


def in_verilog(device: AbstractDevice, points: int = POINTS, seed: int = 0) -> float:
    """Largest relative difference of the residuals of the compiled Verilog-A and ours at random points.

    States anywhere within their bounds, voltages up to those of the usual sweep, parameters a tenth beside their
    values, 250 to 400 K. Ours are rate, current and charge in JAX; with an inner equation, those of the trace.

    Raises:
        ImportError: no openvaf-py. RuntimeError: the module does not compile.
    """
    import openvaf_py

    of = equations(device)
    text = module(of, type(device).__name__)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "device.va"
        path.write_text(text.text, encoding="ascii")
        (compiled,) = openvaf_py.compile_va(str(path))
    rng, order = np.random.default_rng(seed), [n["name"] for n in compiled.get_dae_system()["nodes"]]
    expected, theirs, ours = _expecting(of), [], []
    for _ in range(points):
        known = _somewhere(of, rng)
        found, _ = compiled.run_init_eval(_given(compiled, of, text, known))
        theirs.append(_residuals(text, dict(zip(order, found, strict=True))))
        ours.append(expected(known))
    a, b = np.asarray(theirs), np.asarray(ours)
    least = np.maximum(FAINT * np.abs(b).max(axis=0), np.finfo(float).tiny)
    return float(np.max(np.abs(a - b) / np.maximum(np.abs(b), least)))


def _somewhere(of: Equations, rng: np.random.Generator) -> dict[str, float]:
    """A number for each symbol."""
    bounds, known = of.bounds(), of.defaults()
    for symbol in of.parameters:  # the ambient temperature among them
        low, high = bounds[symbol]
        known[symbol] = float(np.clip(known[symbol] * rng.uniform(0.9, 1.1), low, high))
    known["env_temperature"] = rng.uniform(250.0, 400.0)
    for s in of.states:
        low, high = s.declared.bounds if s.declared else (-1.0, 1.0)
        known[s.symbol] = rng.uniform(low, high)
    ends = zip(np.atleast_1d(of.device.sweep.v_max), np.atleast_1d(of.device.sweep.v_min), strict=True)
    for symbol, (top, bottom) in zip(of.volts, ends, strict=True):
        known[symbol] = rng.uniform(min(bottom, top), max(bottom, top))
    for root in of.roots:
        known[root.symbol.value] += 0.1 * rng.standard_normal()
    return known


def _given(compiled: Any, of: Equations, text: Written, known: Mapping[str, float]) -> dict[str, float]:
    """The arguments of the interpreter."""
    at = dict(zip(text.pins, [*(known[v] for v in of.volts), 0.0], strict=True))
    at |= dict(zip(text.states, (known[s.symbol] for s in of.states), strict=True))
    at |= dict(zip(text.roots, (known[r.symbol.value] for r in of.roots), strict=True))
    found = dict.fromkeys(compiled.param_names, 0.0) | {"$temperature": known["env_temperature"], "mfactor": 1.0}
    found |= {text.parameters[p.name]: known[s] for s, p in of.parameters.items() if p.name in text.parameters}
    for name, kind in zip(compiled.param_names, compiled.param_kinds, strict=True):
        if kind == "voltage":
            one, _, other = name[2:-1].partition(",")
            found[name] = at[one] - (at[other] if other else 0.0)
    return found


def _residuals(text: Written, found: Mapping[str, tuple[float, float]]) -> list[float]:
    names = [*text.pins[:-1], *text.roots, *text.states]
    return [found[n][0] for n in names] + [found[n][1] for n in names]


def _expecting(of: Equations) -> Callable[[Mapping[str, float]], list[float]]:
    """The residuals of ours at given numbers, in the order of `_residuals`."""
    n, ports = len(of.states), len(of.volts)
    moving = (lambda known: evaluate(of.moving(), dict(known))) if of.roots else _by_jax(of)

    def expected(known: Mapping[str, float]) -> list[float]:
        found = moving(known)
        rates, currents, rest = found[:n], found[n : n + ports], found[n + ports :]
        charges = rest[: len(of.charges)] + [0.0] * (ports - len(of.charges))
        balances = rest[len(of.charges) :]
        resistive = [*currents, *balances, *(-of.time * r for r in rates)]
        return [*resistive, *charges, *(0.0 for _ in balances), *(of.time * known[s.symbol] for s in of.states)]

    return expected


def _by_jax(of: Equations) -> Callable[[Mapping[str, float]], list[float]]:
    """What the device itself says: rates, currents, charges."""
    symbols = [s for s in of.parameters if s.startswith("par_")]

    @jax.jit
    def moving(own, x, v, temperature):
        device = with_values(of.device, dict(zip((s.removeprefix("par_") for s in symbols), own, strict=True)))
        env = Environment(temperature=temperature)
        state = ravel_pytree(device.init(env))[1](x)
        v = v.reshape(device.port_shape)
        found = [*jax.tree.leaves(device.rate(state, v, env)), device.current(state, v, env)]
        found += [device.charge(state, v, env)] if stores_charge(device) else []
        return jnp.concatenate([jnp.ravel(a) for a in found])

    def numbers(known: Mapping[str, float]) -> list[float]:
        volts, states = [known[v] for v in of.volts], [known[s.symbol] for s in of.states]
        with double_precision():
            given = ([known[s] for s in symbols], states, volts, known["env_temperature"])
            return np.asarray(moving(*(jnp.asarray(a, float) for a in given))).tolist()

    return numbers
