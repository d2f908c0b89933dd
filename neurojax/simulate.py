"""device + waveform -> record.

The solver is adaptive and linearly implicit (`rosenbrock.Rodas4`, on diffrax) and stops at every knot
of the waveform; `solver=` takes any other of diffrax. A key asks a Langevin device for one noisy path
(Euler-Maruyama, Ito), no key for the noise-free drift. Failure is loud: `SimulationError` names the
member, the time, the state and what to try. Next: `record.py` for what comes back, `fit.py` for the use.
"""

from typing import Any, Literal

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import lineax
import numpy as np
from jax.core import Tracer
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from neurojax.errors import SimulationError
from neurojax.instrument import Instrument
from neurojax.progress import after_a_while
from neurojax.record import Record, cumulative
from neurojax.rosenbrock import Rodas4
from neurojax.waveform import Waveform, interpolate
from physics.device import AbstractDevice, AbstractLangevin, AbstractReactive, Environment
from physics.quantity import parameters

MAX_STEPS = 2**16
_ADVICE = (
    "Try more steps (max_steps=...), a looser tolerance (rtol=1e-4), a series resistance or compliance "
    "(instrument=Instrument(...)) if the current runs away, or parameters closer to their defaults."
)


def simulate(
    device: AbstractDevice,
    waveform: Waveform,
    *,
    ts: Any = None,
    x0: Any = None,
    env: Environment | None = None,
    instrument: Instrument | None = None,
    key: Array | None = None,
    solver: diffrax.AbstractSolver | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    dt: float | None = None,
    max_steps: int = MAX_STEPS,
    gradient: Literal["reverse", "forward"] = "reverse",
    throw: bool = True,
    progress: bool = True,
) -> Record:
    """Simulate a device (or a population: any parameter with a leading axis) under a waveform.

    Args:
        device: any `AbstractDevice`. waveform: voltage over time.
        ts: sample times (s), shape (n,), inside the waveform; default 500 and all knots.

    Other arguments:
        x0: initial state (`device.init(env)`). env: ambient (300 K). instrument: the measuring circuit.
        key: a `jax.random.key` for one path of a Langevin device; None for the noise-free drift.
        solver: a diffrax solver (Rodas4). rtol, atol: local error, states being of order one; float32
            cannot do better than about 1e-5.
        dt: step of the stochastic path (s); default `device.time_step(env)`.
        max_steps: bound on the solver steps. gradient: "forward" for jvp/jacfwd, "reverse" for grad.
        throw: raise on failure; else look at `record.ok`. progress: a bar on a terminal after 2 s.

    Returns:
        Record.

    Raises:
        SimulationError: the solver stopped early, or a sample time lies outside the waveform.
    """
    env = Environment() if env is None else env
    times = _sample_times(waveform, ts)
    method = Rodas4() if solver is None else solver
    size = _members(device)
    noisy = _path_step(device, waveform, env, key, dt)
    options = (method, rtol, atol, noisy, max_steps, gradient)

    arguments = (waveform.t, waveform.v, times, x0, env, instrument, key, options)
    with after_a_while(f"simulating {type(device).__name__}", enabled=progress and not _traced(device, waveform.v)):
        record = _one(device, *arguments) if size is None else _population(device, size, *arguments)
        record = _check(record, device, throw)
    return record


def solve(device, wave_t, wave_v, ts, x0, env, instrument, key, options) -> Record:
    """The pure function behind `simulate`: arrays in, Record out, nothing checked or raised.

    `options` is (solver, rtol, atol, dt or None, max_steps, gradient), all static.
    """
    method, rtol, atol, dt, max_steps, gradient = options

    def device_voltage(x, v):
        return v if instrument is None else instrument.device_voltage(device, x, v, env)

    def rate(t, x, args):
        del args
        return device.rate(x, device_voltage(x, interpolate(wave_t, wave_v, t)[0]), env)

    if not jtu.tree_leaves(x0):
        xs, steps, ok = x0, jnp.zeros((), jnp.int32), jnp.ones((), bool)
    else:
        adjoint = diffrax.ForwardMode() if gradient == "forward" else diffrax.RecursiveCheckpointAdjoint()
        terms: Any = diffrax.ODETerm(rate)
        longest = (wave_t[-1] - wave_t[0]) / 50
        controller: Any = diffrax.PIDController(rtol=rtol, atol=atol, dtmax=longest, factormin=0.1, factormax=6.0)
        first = (wave_t[1] - wave_t[0]) * 1e-3 + (wave_t[-1] - wave_t[0]) * 1e-9
        if key is not None:
            terms, first = _with_noise(device, terms, x0, device_voltage, wave_t, wave_v, env, key), dt
            method, controller = diffrax.Euler(), diffrax.ConstantStepSize()
            max_steps = None if gradient == "forward" else 2**27
        # jump_ts, not step_ts: a step then never sees the far side of a knot, whether it jumps or not.
        controller = diffrax.ClipStepSizeController(controller, jump_ts=wave_t, store_rejected_steps=None)
        solution = diffrax.diffeqsolve(
            terms,
            method,
            wave_t[0],
            wave_t[-1],
            first,
            x0,
            stepsize_controller=controller,
            saveat=diffrax.SaveAt(ts=ts),
            max_steps=max_steps,
            adjoint=adjoint,
            throw=False,
        )
        xs, steps = solution.ys, solution.stats["num_steps"]
        finite = jnp.all(jnp.isfinite(ravel_pytree(xs)[0]))
        ok = (solution.result == diffrax.RESULTS.successful) & finite
    return _observe(device, wave_t, wave_v, ts, xs, env, instrument, device_voltage, steps, ok)


def _observe(device, wave_t, wave_v, ts, xs, env, instrument, device_voltage, steps, ok) -> Record:
    """Currents and power at the samples."""

    def sample(t, x):
        v, slope = interpolate(wave_t, wave_v, t)
        inner = device_voltage(x, v)
        i = device.current(x, inner, env)
        if isinstance(device, AbstractReactive):
            moved = device.rate(x, inner, env)
            i = i + jax.jvp(lambda y, u: device.charge(y, u, env), (x, inner), (moved, slope))[1]
        return v, (i if instrument is None else instrument.measured(i)), jnp.sum(v * i)

    v, i, power = jax.vmap(sample)(ts, xs)
    return Record(ts, v, i, xs, power, cumulative(ts, power), steps, ok)


def _with_noise(device, drift, x0, device_voltage, wave_t, wave_v, env, key):
    def amplitude(t, x, args):
        del args
        v = interpolate(wave_t, wave_v, t)[0]
        return lineax.DiagonalLinearOperator(device.diffusion(x, device_voltage(x, v), env))

    shape = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), x0)
    return diffrax.MultiTerm(drift, diffrax.ControlTerm(amplitude, diffrax.UnsafeBrownianPath(shape=shape, key=key)))


@eqx.filter_jit
def _one(device, wave_t, wave_v, ts, x0, env, instrument, key, options) -> Record:
    start = device.init(env) if x0 is None else x0
    return solve(device, wave_t, wave_v, ts, start, env, instrument, key, options)


@eqx.filter_jit
def _population(device, size, wave_t, wave_v, ts, x0, env, instrument, key, options) -> Record:
    keys = None if key is None else jax.random.split(key, size)
    axes = jax.tree.map(lambda a: 0 if eqx.is_array(a) and a.ndim else None, device)

    def member(device, key):
        return _one(device, wave_t, wave_v, ts, x0, env, instrument, key, options)

    record = jax.vmap(member, in_axes=(axes, None if keys is None else 0))(device, keys)
    return eqx.tree_at(lambda r: r.t, record, ts)


def _sample_times(waveform: Waveform, ts: Any) -> Array:
    if ts is None:
        return jnp.asarray(waveform.sample_times())
    times = jnp.asarray(ts, dtype=waveform.t.dtype)
    if isinstance(times, Tracer) or isinstance(waveform.t, Tracer):
        return times
    host, first, last = np.asarray(times), float(waveform.t[0]), float(waveform.t[-1])
    slack = 1e-6 * (last - first)
    if host.ndim != 1 or host.size == 0 or not np.isfinite(host).all() or np.any(np.diff(host) < 0):
        raise SimulationError("sample times must be a non-empty, finite, increasing one-dimensional array (s).")
    if host[0] < first - slack or host[-1] > last + slack:
        raise SimulationError(
            f"sample times run from {host[0]:g} to {host[-1]:g} s, but the waveform from {first:g} to {last:g} s. "
            "Extend it with waveform.then(rest(...)), or check the unit of the times."
        )
    return jnp.clip(times, first, last)


def _path_step(device, waveform, env, key, dt) -> float | None:
    if key is None:
        return None
    if not isinstance(device, AbstractLangevin):
        raise SimulationError(
            f"{type(device).__name__} is deterministic: it takes no key (it is not AbstractLangevin)."
        )
    step = float(device.time_step(env)) if dt is None else float(dt)
    if not step > 0:
        raise SimulationError(f"dt = {step} s must be positive.")
    duration = float(waveform.duration)
    if duration / step > 2e8:
        raise SimulationError(
            f"a path of {duration:g} s in steps of {step:.3g} s takes {duration / step:.2g} steps. "
            "Use a shorter waveform, a larger dt=, or no key for the noise-free drift."
        )
    return step


def _members(device: AbstractDevice) -> int | None:
    """Size of a population, None for one device."""
    sizes = {p.name: p.value.shape[0] for p in parameters(device).values() if getattr(p.value, "ndim", 0)}
    if len(set(sizes.values())) > 1:
        raise SimulationError(f"parameters disagree about the size of the population: {sizes}.")
    return next(iter(sizes.values()), None)


def _traced(*trees: Any) -> bool:
    return any(isinstance(leaf, Tracer) for leaf in jtu.tree_leaves(trees))


def _check(record: Record, device: AbstractDevice, throw: bool) -> Record:
    if not throw:
        return record
    name = type(device).__name__
    if _traced(record.ok):
        message = f"{name}: the solver did not reach the end of the waveform. {_ADVICE}"
        return eqx.error_if(record, ~record.ok, message)
    failed = np.flatnonzero(~np.atleast_1d(np.asarray(record.ok)))
    if failed.size:
        raise SimulationError(_describe(record, name, failed))
    return record


def _describe(record: Record, name: str, failed: np.ndarray) -> str:
    """Which member stopped, when, in what state."""
    one = record.member(int(failed[0])) if record.ok.ndim else record
    flat = np.stack([np.asarray(s) for s in one.states.values()])
    good = np.flatnonzero(np.isfinite(flat).all(axis=0))
    last = int(good[-1]) if good.size else 0
    state = ", ".join(f"{k} = {float(s[last]):.4g}" for k, s in one.states.items())
    who = f"{name}, member {failed[0]} ({failed.size} of {record.ok.size} failed)" if record.ok.ndim else name
    return (
        f"{who}: stopped after {int(one.steps)} steps; last good sample at t = {float(one.t[last]):.6g} s, "
        f"v = {np.asarray(one.v)[last]} V, {state}. {_ADVICE}"
    )
