"""The rows of `neurojax bench circuits`: Mott neuristors with 3 % spread that spike by themselves.

Theirs are ngspice, one after another on the exported netlist, and Kvaerno5 of diffrax under vmap on the same equations.
Errors are of the time of the last spike that all have, over the period, median of the members, to a run at 1e-9.
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

MANY, FEW, JUDGED = 1000, 64, 16
SPIKES, FEWER, PERIOD = 100, 2, 6e-7
"""Of each neuron, beside ngspice and else; about how long one takes (s)."""
SUPPLY, LEVEL = 1.9, 0.7
"""V: beyond the bifurcation; what counts as a spike."""
SAMPLES = 40
"""A period."""
TOLERANCE = 1e-5


def rows() -> Iterator[Row]:
    """All comparisons; some minutes."""
    many = spiking(MANY)
    yield _against_ngspice(many, SPIKES * PERIOD)
    yield _against_diffrax(many, FEWER * PERIOD)
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


def last_spikes(t: np.ndarray, v: np.ndarray, count: int) -> np.ndarray:
    """Time of rise number `count` through the level, of each row; NaN where there are fewer."""
    found = []
    for row in v:
        k = np.flatnonzero((row[:-1] < LEVEL) & (row[1:] >= LEVEL))
        k = k[count - 1] if len(k) >= count else None
        found.append(np.nan if k is None else t[k] + (LEVEL - row[k]) / (row[k + 1] - row[k]) * (t[k + 1] - t[k]))
    return np.asarray(found)


def _run(circuit: Circuit, end: float, **how: Any) -> np.ndarray:
    """Voltage of the output at `SPIKES * SAMPLES` times, however long it takes."""
    ts = jnp.linspace(0.0, end, SPIKES * SAMPLES)
    usual: dict[str, Any] = dict(ts=ts, gradient="forward", max_steps=2**18, progress=False)
    usual |= dict(rtol=TOLERANCE, atol=1e-2 * TOLERANCE)
    return np.asarray(transient(circuit, end, **(usual | how)).v["out"])


def _errors(circuit: Circuit, end: float, *answers: np.ndarray) -> list[float]:
    few = member(circuit, np.arange(JUDGED))
    exact = _run(few, end, rtol=1e-9, atol=1e-11, max_steps=2**21)
    t = np.linspace(0.0, end, exact.shape[1])
    counts = [np.sum((v[:, :-1] < LEVEL) & (v[:, 1:] >= LEVEL), axis=1).min() for v in (exact, *answers)]
    count = int(min(counts))
    known = last_spikes(t, exact, count)
    return [float(np.median(np.abs(last_spikes(t, a[:JUDGED], count) - known[: len(a)]))) / PERIOD for a in answers]


def _against_diffrax(many: Circuit, end: float) -> Row:
    ours = lambda end: _run(many, end)  # noqa: E731
    theirs = lambda end: _run(many, end, solver=diffrax.Kvaerno5(), max_steps=2**17)  # noqa: E731
    # Theirs takes minutes: compiled on a short run, and once.
    warm = lambda: (ours(1e-3 * end), theirs(1e-3 * end))  # noqa: E731
    ratio, mine, other = in_turn(lambda: ours(end), lambda: theirs(end), warm=warm)
    ours_off, its_off = _errors(many, end, mine, other)
    return Row(_case(FEWER), "diffrax Kvaerno5", ratio, ours_off, its_off)


def _against_ngspice(many: Circuit, end: float) -> Row:
    one, step = member(many, 0), 2e-9
    theirs = lambda end: through_ngspice(one, end, reltol=1e-4, max_step=step)[0]  # noqa: E731
    try:
        ratio, mine, other = in_turn(lambda: _run(many, end), lambda: theirs(end), warm=lambda: _run(many, 1e-3 * end))
    except NgspiceError as e:
        return Row(_case(SPIKES), "ngspice, a neuron", float("nan"), note=str(e).split(".")[0])
    t = np.linspace(0.0, end, mine.shape[1])
    seen = np.interp(t, other["t"], other["out"])[None]
    note = f"one process a core ({cores()}), reltol 1e-4, steps up to 2 ns"
    ours_off, its_off = _errors(many, end, mine, seen)
    return Row(_case(SPIKES), "ngspice, a neuron", MANY * ratio / cores(), ours_off, its_off, note)


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


def _case(spikes: int) -> str:
    return f"{MANY} Mott neuristors, {spikes} spikes"
