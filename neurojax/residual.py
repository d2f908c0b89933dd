"""The residuals of a fit, written once: measured traces as arrays, and the model beside them.

    r = [asinh(y_model/y0) - asinh(y/y0)] sqrt(y^2 + y0^2) / sigma(y)      (residual "asinh")
    r = [y_model - y] / sigma(y)                                           (residual "linear")

y is the current of a sampled trace or the conductance of a pulse-read sequence, y0 its noise floor,
sigma(y)^2 = y0^2 + (rel y)^2 its noise. Where y >> y0 the first form compares logarithms, so four
decades of current count alike. Derivatives come from JAX; no gradient is written anywhere.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neurojax.bijection import Box
from neurojax.instrument import Instrument
from neurojax.rosenbrock import Rodas4
from neurojax.simulate import solve
from neurojax.trace import PulseTrace, Trace
from physics.device import AbstractDevice, Environment
from physics.quantity import with_values

ResidualKind = Literal["asinh", "linear"]


class Data(eqx.Module):
    """m traces padded to one shape. `v_read` is NaN where currents, not conductances, are compared."""

    wave_t: Float[Array, "m knots"]
    wave_v: Float[Array, "m knots"]
    ts: Float[Array, "m n"]
    y: Float[Array, "m n"]
    floor: Float[Array, " m"]
    sigma: Float[Array, "m n"]
    v_read: Float[Array, " m"]
    index: Any
    """Which entry of theta each named parameter of each trace takes; int, shape (m, names)."""


class Spec(NamedTuple):
    """What is static in a fit; equal specs and shapes share one compiled function."""

    device_names: tuple[str, ...]
    instrument_names: tuple[str, ...]
    residual: ResidualKind
    rtol: float
    atol: float
    max_steps: int
    solver: diffrax.AbstractSolver = Rodas4()


def as_arrays(traces: Sequence[Trace | PulseTrace], index: np.ndarray) -> tuple[Data, np.ndarray]:
    """Pad the traces to a common shape; returns the data and the mask of real samples, shape (m, n).

    `index` has one row a trace; an independent pulse sequence becomes one simulation a pulse.
    """
    rows: list[dict[str, Any]] = [piece for k, trace in enumerate(traces) for piece in _pieces(trace, index[k])]
    knots, samples = max(len(r["wave_t"]) for r in rows), max(len(r["ts"]) for r in rows)
    mask = np.stack([np.arange(samples) < len(r["ts"]) for r in rows])

    def padded(name: str, size: int) -> Array:
        filled = [np.concatenate([r[name], np.full(size - len(r[name]), r[name][-1])]) for r in rows]
        return jnp.asarray(np.stack(filled), dtype=jnp.result_type(float))

    def stacked(name: str) -> Array:
        return jnp.asarray(np.stack([r[name] for r in rows]), dtype=jnp.result_type(float))

    data = Data(
        padded("wave_t", knots),
        padded("wave_v", knots),
        padded("ts", samples),
        padded("y", samples),
        stacked("floor"),
        padded("sigma", samples),
        stacked("v_read"),
        jnp.asarray(np.stack([r["index"] for r in rows]), dtype=jnp.int32),
    )
    return data, mask


def _pieces(trace: Trace | PulseTrace, index: np.ndarray) -> list[dict[str, Any]]:
    floor, relative = trace.noise()
    piece: dict[str, Any]
    if isinstance(trace, Trace):
        wave = trace.waveform()
        piece = dict(ts=trace.t, y=trace.i, v_read=np.nan)
        waves = [(wave, piece)]
    elif trace.independent:
        waves = []
        for k in range(len(trace.amplitude)):
            single = trace.single(k)
            piece = dict(ts=single.read_times(), y=single.conductance, v_read=trace.v_read)
            waves.append((single.waveform(), piece))
    else:
        piece = dict(ts=trace.read_times(), y=trace.conductance, v_read=trace.v_read)
        waves = [(trace.waveform(), piece)]
    offset = 0
    for wave, piece in waves:
        n = len(piece["y"])
        given = None if trace.sigma is None else np.asarray(trace.sigma)[offset : offset + n]
        offset += n
        model = np.sqrt(floor**2 + (relative * piece["y"]) ** 2)
        piece |= dict(wave_t=np.asarray(wave.t), wave_v=np.asarray(wave.v), floor=floor, index=index)
        piece["sigma"] = model if given is None else given
    return [piece for _, piece in waves]


def predict(
    theta: Array, box: Box, one: Data, device: AbstractDevice, instrument: Instrument, env: Environment, spec: Spec
) -> tuple[Array, Array]:
    """Model values at the samples of one trace (a slice of `Data`), and whether the solver succeeded."""
    physical = box.to_physical(theta)
    taken = [physical[one.index[k]] for k in range(len(spec.device_names) + len(spec.instrument_names))]
    split = len(spec.device_names)
    device = with_values(device, dict(zip(spec.device_names, taken[:split], strict=True)))
    instrument = with_values(instrument, dict(zip(spec.instrument_names, taken[split:], strict=True)))
    options = (spec.solver, spec.rtol, spec.atol, None, spec.max_steps, "forward")
    record = solve(device, one.wave_t, one.wave_v, one.ts, device.init(env), env, instrument, None, options)
    pulsed = jnp.isfinite(one.v_read)
    v_read = jnp.where(pulsed, one.v_read, jnp.ones_like(one.v_read))
    conductance = jax.vmap(lambda t, x: device.current(x, v_read, env) / v_read)(one.ts, record.x)
    return jnp.where(pulsed, conductance, record.i), record.ok


def residual(model: Array, one: Data, kind: ResidualKind) -> Array:
    """Weighted residuals of one trace."""
    if kind == "linear":
        return (model - one.y) / one.sigma
    spread = one.sigma / jnp.sqrt(one.y**2 + one.floor**2)
    return (jnp.arcsinh(model / one.floor) - jnp.arcsinh(one.y / one.floor)) / spread


@eqx.filter_jit
def residuals_and_jacobian(theta: Float[Array, "starts p"], box, data, device, instrument, env, spec: Spec):
    """For every start: residuals (starts, m, n), Jacobian (starts, m, n, p), success (starts, m)."""

    def of_trace(parameters, one):
        model, ok = predict(parameters, box, one, device, instrument, env, spec)
        return residual(model, one, spec.residual), ok

    def with_jacobian(parameters, one):
        def along(direction):
            r, slope, ok = jax.jvp(lambda p: of_trace(p, one), (parameters,), (direction,), has_aux=True)
            return r, slope, ok

        basis = jnp.eye(parameters.shape[0], dtype=parameters.dtype)
        r, columns, ok = jax.vmap(along, out_axes=(None, -1, None))(basis)
        return r, columns, ok

    over_traces = jax.vmap(with_jacobian, in_axes=(None, 0))
    return jax.vmap(lambda p: over_traces(p, data))(theta)


@eqx.filter_jit
def predictions(theta: Float[Array, " p"], box, data, device, instrument, env, spec: Spec) -> Array:
    """Model values of every trace at one theta, shape (m, n)."""
    return jax.vmap(lambda one: predict(theta, box, one, device, instrument, env, spec)[0])(data)
