"""The transpose of one step of `_rodas.rodas4`, written out for one lane.

With W = M - gamma h J, a step is u_k = gamma h W^-1 b_k,

    b_k = f(Y_k, V_k) + gamma_k h f_v s + M sum_j C_kj u_j / h,    Y_k = y + sum_j A_kj u_j,    V_k = v + alpha_k h s

and y + sum m_k u_k comes out. The vectors u are known from the forward run, so all points (Y_k, V_k) are, and the rate
is linearised at all of them at once; what is left of the recursion are a few products. The dependence of u on J needs
derivatives of J along one direction only where there is one state, along n + 1 otherwise.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from neurojax._rodas import ALPHA, DENSE, GAMMA, GAMMAS, LAST, STAGES, A, C, flow_of, solver


class Pulled(NamedTuple):
    """Cotangents of what a step depends on: leaves of the member that are asked for, state, voltage, slope, size."""

    asked: Any
    y: Array
    v: Array
    slope: Array
    h: Array


class Seeds(NamedTuple):
    """Cotangents of what comes out: state, and the two vectors of the dense output."""

    y: Array
    bend: Array
    twist: Array


def transposed(rate, mass, asked: Any, y, v, slope, h, u, seeds: Seeds) -> tuple[Pulled, Array]:
    """The cotangents before a step from those after it, and the rate at its beginning.

    Args:
        rate: (asked, y, v) -> (n,). mass: asked -> (n, n), or None. u: (6, n), of the step.
        y, v, slope, h: where it began, how far it went.
    """
    a, c, alpha, gammas = (jnp.asarray(m, y.dtype) for m in (A, C, ALPHA, GAMMAS))
    points = y[None] + _mixed(a, u)
    volts = v[None] + (alpha * h).reshape(-1, *[1] * v.ndim) * slope[None]
    values, stage_y, stage_v, stage_asked = _linearised(rate, asked, points, volts)
    by_state, by_voltage = stage_y[0], stage_v[0]
    matrix = jnp.eye(y.size, dtype=y.dtype) if mass is None else mass(asked)
    inverse = solver((matrix - GAMMA * h * by_state).T, GAMMA * h)
    drift = _along(by_voltage, slope)
    coupled = _mixed(c, u)

    last, dense = (jnp.asarray(m, y.dtype) for m in (LAST, DENSE))
    of_u = [last[k] * seeds.y + dense[0, k] * seeds.bend + dense[1, k] * seeds.twist for k in range(STAGES)]
    of_y, of_b, of_volts = seeds.y, [seeds.y] * STAGES, [v] * STAGES
    of_h = jnp.zeros_like(h)
    for k in reversed(range(STAGES)):
        b = inverse(of_u[k])
        back = jnp.sum(matrix * b[:, None], axis=0)
        stage = jnp.sum(stage_y[k] * b[:, None], axis=0)
        for j in range(k):
            of_u[j] = of_u[j] + float(C[k, j]) / h * back + float(A[k, j]) * stage
        of_y, of_b[k], of_volts[k] = of_y + stage, b, _weighed(stage_v[k], b)
        # h in gamma_k h f_v s, in 1/h, in V_k, and in gamma h W^-1.
        of_h += jnp.sum(b * (gammas[k] * drift)) - jnp.sum(back * coupled[k]) / (h * h)
        of_h += alpha[k] * jnp.sum(of_volts[k] * slope)
        of_h += (jnp.sum(of_u[k] * u[k]) + jnp.sum(b * jnp.sum(by_state * u[k][None], axis=1))) / h

    bars, of_volts = jnp.stack(of_b), jnp.stack(of_volts)
    of_drift = h * jnp.sum(gammas[:, None] * bars, axis=0)
    of_jacobian = jnp.sum(bars[:, :, None] * u[:, None, :], axis=0)
    more = _second(rate, asked, y, v, of_jacobian, of_drift, slope)
    of_slope = jnp.tensordot(alpha * h, of_volts, 1) + _weighed(by_voltage, of_drift)
    found = jax.tree.map(jnp.add, stage_asked(bars), more[0])
    if mass is not None:
        of_mass = jnp.sum(bars[:, :, None] * (coupled / h - u / (GAMMA * h))[:, None, :], axis=0)
        found = jax.tree.map(jnp.add, found, jax.vjp(mass, asked)[1](of_mass)[0])
    return Pulled(found, of_y + more[1], jnp.sum(of_volts, axis=0) + more[2], of_slope, of_h), values[0]


def of_size(h_bar: Array, flow: Array, slow: Array) -> Array:
    """Cotangent of the state where the size of a step was shifted in its derivative, see `_rodas.shifted`."""
    flow = flow_of(flow, slow)
    return -h_bar * slow * flow / (1 + jnp.sum(flow * flow))


def _mixed(weights: Array, u: Array) -> Array:
    return jnp.sum(weights[:, :, None] * u[None], axis=1)


def _along(by_voltage: Array, slope: Array) -> Array:
    return jnp.sum(by_voltage * slope[None], axis=tuple(range(1, by_voltage.ndim)))


def _weighed(rows: Array, b: Array) -> Array:
    return jnp.sum(rows * b.reshape(-1, *[1] * (rows.ndim - 1)), axis=0)


def _linearised(rate, asked, points, volts):
    """At all points: rates (6, n), derivatives (6, n, n) and (6, n, *ports), and what pulls (6, n) back to `asked`."""
    n = points.shape[1]

    def at(y, v):
        value, pull = jax.vjp(rate, asked, y, v)
        if n == 1:
            by_asked, by_y, by_v = pull(jnp.ones_like(value))
            return value, by_y[None], by_v[None], by_asked
        _, by_y, by_v = jax.vmap(pull)(jnp.eye(n, dtype=y.dtype))
        return value, by_y, by_v, None

    values, by_y, by_v, by_asked = jax.vmap(at)(points, volts)
    if n == 1:
        return values, by_y, by_v, lambda b: jax.tree.map(lambda d: jnp.tensordot(b[:, 0], d, 1), by_asked)
    everywhere = lambda a: jax.vmap(lambda y, v: rate(a, y, v))(points, volts)  # noqa: E731
    return values, by_y, by_v, lambda b: jax.vjp(everywhere, asked)[1](b)[0]


def _second(rate, asked, y, v, of_jacobian, of_drift, slope):
    """Gradient of sum(of_jacobian * J) + of_drift . f_v s to (asked, y, v)."""
    n = y.size

    def tangent(asked, y, v, dy, dv):
        return jax.jvp(lambda y, v: rate(asked, y, v), (y, v), (dy, dv))[1]

    def weighed(asked, y, v):
        if n == 1:
            return jnp.sum(tangent(asked, y, v, of_jacobian[0], of_drift[0] * slope))
        columns = jax.vmap(lambda e: tangent(asked, y, v, e, jnp.zeros_like(v)), out_axes=1)
        flow = tangent(asked, y, v, jnp.zeros_like(y), slope)
        return jnp.sum(of_jacobian * columns(jnp.eye(n, dtype=y.dtype))) + jnp.sum(of_drift * flow)

    return jax.grad(weighed, argnums=(0, 1, 2))(asked, y, v)
