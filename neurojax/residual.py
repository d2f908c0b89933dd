"""The residuals of a fit, written once: measured traces as arrays, and the model beside them.

    r = [asinh(y_model/s) - asinh(y/s)] sqrt(y^2 + s^2) / sigma(y)      (residual "asinh")
    r = [y_model - y] / sigma(y)                                        (residual "linear")

y is the current of a sampled trace or the conductance of a pulse-read sequence, y0 its noise floor,
sigma(y)^2 = y0^2 + (rel y)^2 its noise, s = SOFT y0. Where y >> s the first form compares logarithms, so
four decades of current count alike; below it is the second form. With s = y0 the noise of y itself would
count up to 1.6 times. Derivatives come from JAX; no gradient is written anywhere.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float

from neurojax import _diffrax
from neurojax.bijection import Box
from neurojax.instrument import Instrument
from neurojax.members import Members, member_axes, start_states
from neurojax.pulses import PulseTrace
from neurojax.simulate import solve
from neurojax.stiff import Drive
from neurojax.trace import Trace
from neurojax.waveform import interpolate
from physics.device import AbstractDevice, Environment
from physics.quantity import with_values

ResidualKind = Literal["asinh", "linear"]
SOFT = 4.0


class Data(eqx.Module):
    """m simulations padded to one shape: knots, n sample times, q observations.

    Attributes:
        wave_t, wave_v: (m, knots), (m, knots, *ports). ts: (m, n).
        at, port: which sample time and which port each observation belongs to, int (m, q).
        y, floor, sigma: observations, their noise floor and deviation, (m, q).
        v_read: voltage of the readings (V); zero where currents are compared.
        index: which entry of theta each named parameter of each simulation takes; int, (m, names).
    """

    wave_t: Float[Array, "m knots"]
    wave_v: Float[Array, "m knots *ports"]
    ts: Float[Array, "m n"]
    at: Any
    port: Any
    y: Float[Array, "m q"]
    floor: Float[Array, "m q"]
    sigma: Float[Array, "m q"]
    v_read: Float[Array, ""]
    index: Any


class Spec(NamedTuple):
    """What is static in a fit; equal specs and shapes share one compiled function. solver: of diffrax, or our own."""

    device_names: tuple[str, ...]
    instrument_names: tuple[str, ...]
    residual: ResidualKind
    pulsed: bool
    max_steps: int
    solver: diffrax.AbstractSolver | None = None


class Model(eqx.Module):
    """What is simulated, apart from the free numbers."""

    box: Box
    device: AbstractDevice
    instrument: Instrument
    env: Environment
    rtol: Float[Array, ""]
    atol: Float[Array, ""]


def as_arrays(
    traces: Sequence[Trace | PulseTrace], index: np.ndarray, ports: tuple[int, ...]
) -> tuple[Data, np.ndarray]:
    """Pad the traces to a common shape; returns the data and the mask of real observations, shape (m, q).

    `index` has one row a trace; an independent pulse sequence becomes one simulation a pulse.
    """
    rows: list[dict[str, Any]] = [piece for k, trace in enumerate(traces) for piece in _pieces(trace, index[k], ports)]
    sizes = {name: max(len(r[name]) for r in rows) for name in ("wave_t", "ts", "y")}
    mask = np.stack([np.arange(sizes["y"]) < len(r["y"]) for r in rows])

    def padded(name: str, like: str, dtype: Any = None) -> Array:
        filled = [np.concatenate([r[name], np.repeat(r[name][-1:], sizes[like] - len(r[name]), axis=0)]) for r in rows]
        return jnp.asarray(np.stack(filled), dtype=jnp.result_type(float) if dtype is None else dtype)

    v_read = traces[0].v_read if isinstance(traces[0], PulseTrace) else 0.0
    data = Data(
        padded("wave_t", "wave_t"),
        padded("wave_v", "wave_t"),
        padded("ts", "ts"),
        padded("at", "y", jnp.int32),
        padded("port", "y", jnp.int32),
        padded("y", "y"),
        padded("floor", "y"),
        padded("sigma", "y"),
        jnp.asarray(v_read, dtype=jnp.result_type(float)),
        jnp.asarray(np.stack([r["index"] for r in rows]), dtype=jnp.int32),
    )
    return data, mask


def blocks(mask: np.ndarray, fraction: float) -> np.ndarray:
    """Held-out samples in blocks: about 20 a trace, every 1/fraction-th of them, never the first."""
    held = np.zeros_like(mask)
    if fraction <= 0:
        return held
    every = max(2, round(1 / fraction))
    count = np.maximum(mask.sum(axis=1, keepdims=True), 1)
    if mask.shape[1] == 1:  # independent pulses: whole pulses are held out
        held[:, 0] = np.arange(mask.shape[0]) % every == every - 1
        return held & mask
    block = (np.arange(mask.shape[1])[None, :] * min(4 * every, mask.shape[1])) // count
    return (block % every == every - 1) & mask


def simulations(trace: Trace | PulseTrace) -> int:
    """How many simulations a trace takes: independent pulses are one each."""
    return int(trace.read.sum()) if isinstance(trace, PulseTrace) and trace.independent else 1


def _pieces(trace: Trace | PulseTrace, index: np.ndarray, ports: tuple[int, ...]) -> list[dict[str, Any]]:
    if isinstance(trace, Trace):
        return [_sampled(trace, index)]
    singles = [trace.single(int(k)) for k in np.flatnonzero(trace.read)] if trace.independent else [trace]
    # The noise of single pulses is told by all of them together.
    floor, relative = trace.noise()
    pieces = []
    for single in singles:
        at = np.flatnonzero(single.read)
        y, n = single.conductance[at], len(at)
        sigma = np.sqrt(floor**2 + (relative * y) ** 2) if single.sigma is None else single.sigma[at]
        wave = single.waveform(ports)
        pieces.append(
            dict(
                wave_t=np.asarray(wave.t), wave_v=np.asarray(wave.v), ts=single.read_times(), at=at,
                port=np.zeros(n, int), y=y, floor=np.full(n, floor), sigma=sigma, index=index,
            )
        )  # fmt: skip
    return pieces


def _sampled(trace: Trace, index: np.ndarray) -> dict[str, Any]:
    """The measured currents of all ports, one port after the other at each sample."""
    wave = trace.waveform()
    floor, relative = (np.atleast_1d(a) for a in trace.noise())
    i = trace.i.reshape(len(trace), -1)
    at, port = np.nonzero(np.isfinite(i))
    y = i[at, port]
    sigma = np.sqrt(floor[port] ** 2 + (relative[port] * y) ** 2)
    if trace.sigma is not None:
        sigma = np.asarray(trace.sigma).reshape(len(trace), -1)[at, port]
    return dict(
        wave_t=np.asarray(wave.t), wave_v=np.asarray(wave.v), ts=trace.t, at=at, port=port, y=y, floor=floor[port],
        sigma=sigma, index=index,
    )  # fmt: skip


def predict(theta: Float[Array, "starts p"], model: Model, data: Data, spec: Spec) -> tuple[Array, Array]:
    """Model values of every observation (starts, m, q), and whether the solver succeeded (starts, m).

    Every simulation of every start is one lane of the solver.
    """
    starts, m = theta.shape[0], data.index.shape[0]
    physical = jax.vmap(model.box.to_physical)(theta)[:, data.index].reshape(starts * m, -1)
    names, split = spec.device_names + spec.instrument_names, len(spec.device_names)
    taken = {name: physical[:, k] for k, name in enumerate(names)}
    device = with_values(model.device, {n: taken[n] for n in names[:split]})
    instrument = with_values(model.instrument, {n: taken[n] for n in names[split:]})
    members = Members(device, model.env, instrument)
    axes = member_axes(members)
    x0 = start_states(members, axes, None, starts * m)
    tables = jax.tree.map(lambda a: jnp.tile(a, (starts, *[1] * (a.ndim - 1))), data)
    if jtu.tree_leaves(x0):
        drive = Drive(tables.wave_t, tables.wave_v, tables.ts)
        options = (members, axes, drive, x0, (model.rtol, model.atol), spec.max_steps)
        other = spec.solver
        xs, _, code = solve(*options, "forward") if other is None else _diffrax.solve(other, *options)
    else:
        xs, code = x0, jnp.zeros(starts * m, jnp.int32)
    observe = jax.vmap(lambda member, x, one: _observe(member, x, one, spec.pulsed), in_axes=(axes, 0, 0))
    values = observe(
        members, xs, (tables.wave_t, tables.wave_v, tables.ts, tables.at, tables.port, _each(data, starts))
    )
    return values.reshape(starts, m, -1), (code == 0).reshape(starts, m)


def _each(data: Data, starts: int) -> Array:
    return jnp.broadcast_to(data.v_read, (starts * data.index.shape[0],))


def _observe(member: Members, x: Any, one: tuple[Array, ...], pulsed: bool) -> Array:
    """What is compared, of one lane: currents at the samples, or conductances of the readings."""
    wave_t, wave_v, ts, at, port, v_read = one
    if pulsed:
        return jax.vmap(lambda x: member.conductance(x, v_read), axis_size=ts.shape[0])(x)[at]
    v, slope = jax.vmap(lambda t: interpolate(wave_t, wave_v, t))(ts)
    i, _ = jax.vmap(member.observe)(x, v, slope)
    return i.reshape(ts.shape[0], -1)[at, port]


def residual(model: Array, data: Data, kind: ResidualKind) -> Array:
    """Weighted residuals (starts, m, q)."""
    y, soft, sigma = data.y[None], SOFT * data.floor[None], data.sigma[None]
    if kind == "linear":
        return (model - y) / sigma
    spread = sigma / jnp.sqrt(y**2 + soft**2)
    return (jnp.arcsinh(model / soft) - jnp.arcsinh(y / soft)) / spread


def from_residual(r: np.ndarray, data: Data, kind: ResidualKind) -> np.ndarray:
    """The model values (m, q) behind weighted residuals (m, q)."""
    y, soft, sigma = np.asarray(data.y), SOFT * np.asarray(data.floor), np.asarray(data.sigma)
    if kind == "linear":
        return y + r * sigma
    return soft * np.sinh(np.arcsinh(y / soft) + r * sigma / np.sqrt(y**2 + soft**2))


def residuals(theta: Float[Array, "starts p"], model: Model, data: Data, spec: Spec) -> tuple[Array, Array]:
    """For every start: residuals (starts, m, q) and success (starts, m)."""
    values, ok = predict(theta, model, data, spec)
    return residual(values, data, spec.residual), ok


def residuals_in_turn(theta: Float[Array, "starts p"], model: Model, data: Data, spec: Spec) -> tuple[Array, Array]:
    """`residuals`, one start after the other."""
    one = lambda th: jax.tree.map(lambda a: a[0], residuals(th[None], model, data, spec))  # noqa: E731
    return jax.lax.map(one, theta)


def residuals_and_jacobian(theta: Float[Array, "starts p"], model: Model, data: Data, spec: Spec):
    """For every start: residuals (starts, m, q), Jacobian (starts, m, q, p), success (starts, m)."""

    def along(direction):
        # Each start depends on its own theta alone, so one direction serves all starts at once.
        spread = jnp.broadcast_to(direction[None], theta.shape)
        return jax.jvp(lambda th: residuals(th, model, data, spec), (theta,), (spread,), has_aux=True)

    r, columns, ok = jax.vmap(along, out_axes=(None, -1, None))(jnp.eye(theta.shape[1], dtype=theta.dtype))
    return r, columns, ok
