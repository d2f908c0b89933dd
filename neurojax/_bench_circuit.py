"""The rows of `neurojax bench circuits`: Mott neuristors with 3 % spread that spike by themselves.

Theirs are ngspice, one after another on the exported netlist, and Kvaerno5 of diffrax under vmap on the same equations.
Errors are of the times of the first ten spikes, over the period: the mean of a member, median of some members, to a
run at 1e-11. Beside diffrax there are two ratios: at one tolerance, and with ours as tight as it takes to be no further
off.
"""

from collections.abc import Callable, Iterator
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from neurojax._chunks import cores
from neurojax._circuit_spice import through_ngspice
from neurojax._ngspice import NgspiceError
from neurojax.bench import SPREAD, Row, in_turn
from neurojax.circuit import Circuit
from neurojax.neurons import mott_neuristor
from neurojax.transient import transient
from neurojax.waveform import constant

MANY, FEW, JUDGED, TIMED = 1000, 64, 16, 10
"""Neurons, and spikes of which the time is compared."""
SPIKES, FEWER, PERIOD = 100, 2, 6e-7
"""Of each neuron, beside ngspice and else; about how long one takes (s)."""
SUPPLY, LEVEL = 1.9, 0.7
"""V: beyond the bifurcation; what counts as a spike."""
SAMPLES = 40
"""A period."""
TOLERANCE = 1e-5
TIGHTER = TOLERANCE * 10.0 ** (-0.5 * np.arange(11))
"""Ours, from which the loosest is taken that is as exact as another's."""


def rows() -> Iterator[Row]:
    """All comparisons; some minutes."""
    many = spiking(MANY)
    yield _against_ngspice(many, SPIKES * PERIOD)
    yield from _against_diffrax(many, FEWER * PERIOD)
    yield from _gradients(spiking(FEW), 10 * PERIOD)


def spiking(n: int, seed: int = 0) -> Circuit:
    """n neuristors beyond the bifurcation, each part with its own spread."""
    circuit, rng = mott_neuristor(constant(0.0, 1.0), v_dc=SUPPLY), np.random.default_rng(seed)
    names = [k for k in circuit.parameters() if k.split(".")[0] in ("R1", "R2", "C1", "C2")]
    names += [f"{m}.{k}" for m in ("M1", "M2") for k in ("rho_i", "rho_m", "kappa", "c_p", "dh")]
    known = circuit.parameters()
    return circuit.replace({k: float(known[k].value) * np.exp(SPREAD * rng.standard_normal(n)) for k in names})


def member(circuit: Circuit, k: Any) -> Circuit:
    """One of a population, or some."""
    many = {n: p.value for n, p in circuit.parameters().items() if np.ndim(p.value)}
    return circuit.replace({n: v[k] for n, v in many.items()})


def first_spikes(t: np.ndarray, v: np.ndarray, count: int = TIMED) -> np.ndarray:
    """Times of the first rises through the level, (members, count); NaN where there are fewer."""
    found = np.full((len(v), count), np.nan)
    for times, row in zip(found, v, strict=True):
        k = np.flatnonzero((row[:-1] < LEVEL) & (row[1:] >= LEVEL))[:count]
        times[: len(k)] = t[k] + (LEVEL - row[k]) / (row[k + 1] - row[k]) * (t[k + 1] - t[k])
    return found


def _run(circuit: Circuit, end: float, **how: Any) -> np.ndarray:
    """Voltage of the output at `SPIKES * SAMPLES` times, however long it takes."""
    ts = jnp.linspace(0.0, end, SPIKES * SAMPLES)
    usual: dict[str, Any] = dict(ts=ts, gradient="forward", max_steps=2**18, progress=False)
    usual |= dict(rtol=TOLERANCE, atol=1e-2 * TOLERANCE)
    return np.asarray(transient(circuit, end, **(usual | how)).v["out"])


def exact_times(few: Circuit, end: float) -> np.ndarray:
    """Of the first spikes of some neurons, from the samples that a run to `end` has."""
    t = np.linspace(0.0, end, SPIKES * SAMPLES)
    t = t[t <= 2 * TIMED * PERIOD]
    return first_spikes(t, _run(few, float(t[-1]), ts=jnp.asarray(t), rtol=1e-11, atol=1e-13, max_steps=2**21))


def off(known: np.ndarray, v: np.ndarray, end: float) -> float:
    """Error of the times of spikes, in periods; infinite where a spike is missing."""
    found = first_spikes(np.linspace(0.0, end, v.shape[1]), v)
    apart = np.abs(found - known[: len(v)])
    late = np.where(np.isnan(known[: len(v)]), 0.0, np.where(np.isnan(found), np.inf, apart))
    count = np.maximum(1, np.sum(~np.isnan(known[: len(v)]), axis=1))
    return float(np.median(np.sum(late, axis=1) / count)) / PERIOD


def as_exact(few: Circuit, known: np.ndarray, end: float, aim: float) -> tuple[float, float]:
    """Our loosest tolerance whose error is not above `aim` (the tightest where none is), and that error."""
    rtol, error = TOLERANCE, np.inf
    for rtol in TIGHTER.tolist():
        error = off(known, _run(few, end, rtol=rtol, atol=1e-2 * rtol), end)
        if error <= aim:
            break
    return rtol, error


def _against_diffrax(many: Circuit, end: float, judged: int = JUDGED, timed: int = TIMED) -> Iterator[Row]:
    """At one tolerance, and with ours as tight as it must be for no larger error."""
    number, few, long = len(_anyone(many)), member(many, np.arange(judged)), timed * PERIOD
    ours = lambda c, end, rtol=TOLERANCE: _run(c, end, rtol=rtol, atol=1e-2 * rtol)  # noqa: E731
    theirs = lambda c, end: _run(c, end, solver=diffrax.Kvaerno5(), max_steps=2**17)  # noqa: E731
    known = exact_times(few, long)
    its_off, our_off = (off(known, run(few, long), long) for run in (theirs, ours))
    rtol, close = as_exact(few, known, long, its_off)
    # Theirs takes minutes: compiled on a short run, and once.
    warm = lambda: (ours(many, 1e-3 * end), theirs(many, 1e-3 * end))  # noqa: E731
    exact, *_ = in_turn(lambda: ours(many, end, rtol), lambda: theirs(many, end), warm=warm)
    loose, *_ = in_turn(lambda: ours(many, end), lambda: ours(many, end, rtol))
    case, name = _case(number, FEWER), "diffrax Kvaerno5"
    yield Row(case, name, exact * loose, our_off, its_off, f"both at {TOLERANCE:g}")
    reached = "" if close <= its_off else ", which is not enough"
    yield Row(case, name, exact, close, its_off, f"ours at {rtol:.1g}, as exact as theirs at {TOLERANCE:g}{reached}")


def _anyone(many: Circuit) -> np.ndarray:
    """A parameter that every member has its own of."""
    return next(np.asarray(p.value) for p in many.parameters().values() if np.ndim(p.value))


def _against_ngspice(many: Circuit, end: float) -> Row:
    one, step = member(many, 0), 2e-9
    theirs = lambda end: through_ngspice(one, end, reltol=1e-4, max_step=step)[0]  # noqa: E731
    try:
        ratio, mine, other = in_turn(lambda: _run(many, end), lambda: theirs(end), warm=lambda: _run(many, 1e-3 * end))
    except NgspiceError as e:
        return Row(_case(MANY, SPIKES), "ngspice, a neuron", float("nan"), note=str(e).split(".")[0])
    t, known = np.linspace(0.0, end, mine.shape[1]), exact_times(member(many, np.arange(JUDGED)), end)
    seen = np.interp(t, other["t"], other["out"])[None]
    note = f"one process a core ({cores()}), reltol 1e-4, steps up to 2 ns"
    errors = off(known, mine[:JUDGED], end), off(known, seen, end)
    return Row(_case(MANY, SPIKES), "ngspice, a neuron", MANY * ratio / cores(), *errors, note)


def _gradients(few: Circuit, end: float) -> Iterator[Row]:
    """Of a loss of all members to ten parameters each, over the run."""
    known = few.parameters()
    theta = {n: jnp.asarray(known[n].value) for n in known if np.ndim(known[n].value)}

    def loss(theta, gradient):
        ts = jnp.linspace(0.0, end, int(SAMPLES * end / PERIOD))
        options: dict[str, Any] = dict(rtol=TOLERANCE, atol=1e-2 * TOLERANCE, gradient=gradient, progress=False)
        return jnp.sum(few.replace(theta).transient(end, ts=ts, **options).v["out"] ** 2)

    run, reverse = jax.jit(lambda x: loss(x, "forward")), jax.jit(jax.grad(lambda x: loss(x, "reverse")))
    call: Callable[[Any], Any] = lambda f: jax.block_until_ready(f(theta))  # noqa: E731
    ratio, *_ = in_turn(lambda: call(run), lambda: call(reverse))
    yield Row(
        f"{FEW} Mott neuristors, 10 spikes",
        "gradient by reverse mode",
        ratio,
        note="its time over that of the run",
    )


def _case(neurons: int, spikes: int) -> str:
    return f"{neurons} Mott neuristors, {spikes} spikes"
