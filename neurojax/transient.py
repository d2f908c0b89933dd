"""A circuit over time: `transient(circuit)` -> `CircuitRecord`.

Where it starts: devices at `device.init(env)`, nodes at the operating point of the sources at the first instant, or at
`v0` where a node has a capacitor. Failure is loud, see `neurojax.simulate`.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array

from neurojax import _chunks, langevin
from neurojax._circuit_noise import Noise, check_thermal
from neurojax._circuit_solve import Start, solve
from neurojax._network import Network
from neurojax._sources import DC, CurrentSource, knots, values
from neurojax.circuit import Circuit, network
from neurojax.circuit_record import CircuitRecord, checked
from neurojax.errors import CircuitError, SimulationError
from neurojax.progress import after_a_while
from neurojax.simulate import MAX_STEPS, sample_times, tolerances
from neurojax.waveform import Waveform
from physics.device import Environment
from physics.quantity import parameters, suggest


def transient(
    circuit: Circuit,
    duration: float | None = None,
    *,
    ts: Any = None,
    v0: Mapping[str, Any] | None = None,
    x0: Mapping[str, Any] | None = None,
    env: Environment | None = None,
    key: Array | None = None,
    solver: diffrax.AbstractSolver | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    dt: float | None = None,
    thermal: bool = False,
    max_steps: int = MAX_STEPS,
    gradient: str = "reverse",
    chunk: int = _chunks.CHUNK,
    throw: bool = True,
    progress: bool = True,
) -> CircuitRecord:
    """Simulate a circuit, or a population of it: any parameter of a device or constant source with a leading axis.

    Args:
        duration: s, default the end of the longest waveform. ts: sample times (s), default 500 and all knots.

    Other arguments:
        v0: node -> voltage (V) at the start, of nodes with a capacitor; all others at the operating point.
        x0: instance -> state at the start (default `device.init(env)`). env: ambient (300 K).
        key: a `jax.random.key` for one noisy path of the Langevin devices (Ito, linearly implicit Euler-Maruyama), an
            array of keys for one path each; None for the mean of many paths. dt: its step (s), default the smallest
            `device.time_step(env)`; it should resolve the circuit too.
        thermal: add the thermal noise of resistors and other elements (`physics.AbstractAgitated`) to a noisy path. A
            capacitor then has <v^2> = kT/C, less by dt/2RC of it. Currents of the record are without their white part;
            a node that no capacitor holds has the mean of white noise over dt, of variance ~ 1/dt.
        solver: a solver of diffrax instead of our own, where every node has a capacitor.
        rtol, atol: local error, of states and volts. max_steps, gradient, chunk, throw, progress: as in `simulate`.

    Returns:
        CircuitRecord: voltages of nodes, currents, powers and states of instances.

    Raises:
        CircuitError: unknown names, no operating point, a key where nothing fluctuates, a solver that cannot.
        SimulationError: the solver stopped early.
    """
    if gradient not in ("reverse", "forward"):
        raise SimulationError(f"gradient = {gradient!r} must be 'reverse' (for grad) or 'forward' (for jvp, jacfwd).")
    if thermal and key is None:
        raise CircuitError("thermal=True: thermal noise is that of a path, give a key=jax.random.key(0).")
    net, t, people, waves = given(circuit, duration, v0, x0, env)
    times = samples(t, ts, 500)
    shared, size = (t, waves, times, tolerances(rtol, atol, t.dtype)), size_of(*people, key=key)
    static: Any = dict(net=net, size=size, max_steps=max_steps, gradient=gradient)
    if solver is not None:
        _only_capacitors(net, key)
        static["solver"] = solver
    quiet = any(isinstance(a, Tracer) for a in jax.tree.leaves((people, waves)))
    with after_a_while("simulating a circuit", size, enabled=progress and not quiet) as tell:
        chunk = chunk if size is None else _chunks.size_of_chunks(size, chunk)
        if key is not None:
            found = _run(
                people, shared=shared, noise=_noise(circuit, net, key, size, t, times, dt, people[2], thermal), **static
            )
        elif size is not None and _chunks.worthwhile(size, (people, shared), chunk):
            run = partial(_run, shared=shared, **(static | dict(size=chunk)))
            found = _chunks.in_chunks(run, people, size, chunk, tell)
        else:
            found = _run(people, shared=shared, **static)
        record = CircuitRecord(times, *found)
        return checked(record) if throw else record


def samples(t: Array, ts: Any, count: int) -> Array:
    """Sample times (s): `ts`, or about `count` and all knots t."""
    if isinstance(t, Tracer):
        return sample_times(Waveform(t, jnp.zeros_like(t)), ts)
    with jax.ensure_compile_time_eval():
        wave = Waveform(t, jnp.zeros_like(t))
    return sample_times(wave, wave.sample_times(count) if ts is None else ts)


def given(circuit: Circuit, duration: float | None, v0: Any, x0: Any, env: Environment | None) -> Any:
    """Network, knots, people and waveforms of `solve`."""
    net, t = network(circuit), knots([_wave(s) for s in circuit.sources.values()], duration)
    usual: Environment = jax.tree.map(lambda a: a.astype(t.dtype), Environment())
    constants = {n: _wave(s).value for n, s in circuit.sources.items() if isinstance(_wave(s), DC)}
    start = _start(circuit, net, v0 or {}, x0 or {}, t.dtype)
    people = (circuit.parts, constants, usual if env is None else env, start)
    return net, t, people, {n: values(_wave(s), t) for n, s in circuit.sources.items() if n not in constants}


_run = eqx.filter_jit(solve)


def _wave(source: Any) -> Any:
    """The waveform or constant of a source."""
    return source.of if isinstance(source, CurrentSource) else source


def _start(circuit: Circuit, net: Network, v0: Mapping[str, Any], x0: Mapping[str, Any], dtype: Any) -> Start:
    moving = {n for g in net.groups if g.moving and g.grounded for n in g.nodes}
    for node in v0:
        if node not in net.topology.nodes:
            raise CircuitError(f"v0: there is no node {node!r}.{suggest(node, net.topology.nodes)}")
        if net.topology.at(node) not in moving:
            raise CircuitError(
                f"v0: no capacitor holds node {node!r}, so its voltage follows from the sources and the other nodes."
            )
    for name in x0:
        if name not in circuit.parts:
            raise CircuitError(f"x0: there is no device {name!r}.{suggest(name, tuple(circuit.parts))}")
    return Start({n: jnp.asarray(v, dtype) for n, v in v0.items()}, dict(x0))


def _only_capacitors(net: Network, key: Any) -> None:
    if key is not None or net.mass(0) is not None:
        raise CircuitError(
            "a solver of diffrax takes circuits without noise in which every node but those of sources has a capacitor "
            "to somewhere: leave solver= away, or add Capacitor(1e-15) where there is none."
        )


def _noise(circuit: Circuit, net: Network, key: Array, size: int | None, t, times, dt, env, thermal) -> Noise:
    """A key a lane, and the steps of a path."""
    if thermal:
        check_thermal(net)
    elif not net.noisy:
        raise CircuitError(
            "no device of this circuit fluctuates (none is AbstractLangevin): it takes no key. thermal=True adds the "
            "noise of its resistors."
        )
    if not net.noisy and dt is None:
        raise CircuitError("thermal=True: no device tells a step: give dt= (s), a small part of the fastest R times C.")
    if isinstance(t, Tracer) or isinstance(times, Tracer):
        raise CircuitError("a noisy path needs knots and sample times that are numbers, not traced.")
    parts: Any = circuit.parts
    longest = lambda n: float(np.min(np.asarray(parts[n].time_step(env))))  # noqa: E731
    step = min(longest(n) for n in net.noisy) if dt is None else float(dt)
    steps = langevin.path_grid(np.asarray(t), np.asarray(times), step)
    keys = key if key.ndim else jax.random.split(key, size) if size is not None and size > 1 else key[None]
    return Noise(keys, steps, thermal)


def size_of(parts: Any, constants: Mapping[str, Array], env: Environment, start: Start, key: Any = None) -> int | None:
    """Size of a population, None for one circuit."""
    named = {f"{n}.{p.name}": p.value for n, d in parts.items() for p in parameters(d).values()}
    named |= {f"env.{p.name}": p.value for p in parameters(env).values()}
    named |= {f"{n}.value": v for n, v in constants.items()} | {f"v0[{n!r}]": v for n, v in start.v0.items()}
    named |= {f"x0[{n!r}].{p.name}": p.value for n, x in start.x0.items() for p in parameters(x).values()}
    named |= {} if key is None else {"key": key}
    sizes = {n: v.shape[0] for n, v in named.items() if getattr(v, "ndim", 0)}
    if len(set(sizes.values())) > 1:
        raise CircuitError(f"parameters disagree about the size of the population: {sizes}.")
    return next(iter(sizes.values()), None)
