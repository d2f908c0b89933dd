"""The transpose of one step of `_rodas.rodas4`, written out for all lanes at once (their axis is the last of all).

With W = M - gamma h J, a step is u_k = gamma h W^-1 b_k,

    b_k = f(Y_k, V_k) + gamma_k h f_v s + M sum_j C_kj u_j / h,    Y_k = y + sum_j A_kj u_j,    V_k = v + alpha_k h s

and y + sum m_k u_k comes out. The vectors u are known from the forward run, so all points (Y_k, V_k) are, and the rate
is linearised at all of them at once; what is left of the recursion are a few products. The dependence of u on J needs
derivatives of J along one direction only where there is one state, along n + 1 otherwise.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from neurojax._drive import over_ports
from neurojax._held import held
from neurojax._rodas import ALPHA, DENSE, GAMMA, GAMMAS, LAST, STAGES, A, C, flow_of
from neurojax._small import solver, total


class Taken(NamedTuple):
    """A step that was taken: where it began, how far it went, the vectors of its stages.

    y: (n, lanes). v, slope: (lanes, *ports). h: (lanes,). u: (6, n, lanes).
    """

    y: Array
    v: Array
    slope: Array
    h: Array
    u: Array


class Pulled(NamedTuple):
    """Cotangents of what a step depends on: leaves of the members that are asked for (each lane), state, voltage..."""

    asked: Any
    y: Array
    v: Array
    slope: Array
    h: Array


class Seeds(NamedTuple):
    """Cotangents of what comes out: state, and the two vectors of the dense output, (n, lanes) each."""

    y: Array
    bend: Array
    twist: Array


class Law(NamedTuple):
    """Whose steps they are: `Equations`, members, their axes, flags of the leaves asked for, number of lanes."""

    equations: Any
    members: Any
    axes: Any
    flags: Any
    lanes: int

    def each(self, what: Callable[..., Any], *axes: Any, out: Any = -1) -> Callable[..., Any]:
        """what(rate, mass, asked, ...) of every lane, rate and mass being functions of `asked` (mass maybe None)."""

        def one(member, *inputs):
            asked, still = eqx.partition(member, self.flags)
            rate = lambda a, y, v: self.equations.rate(eqx.combine(a, still), y, v)  # noqa: E731
            given = self.equations.mass
            mass = None if given is None else lambda a: given(eqx.combine(a, still))
            return what(rate, mass, asked, *inputs)

        mapped: Any = jax.vmap(one, in_axes=(self.axes, *axes), out_axes=out, axis_size=self.lanes)
        return lambda *inputs: mapped(self.members, *inputs)


def transposed(law: Law, step: Taken, seeds: Seeds, of_size: Array, slow: Array) -> Pulled:
    """The cotangents before a step from those after it.

    Args:
        of_size: cotangent of the size from elsewhere, (lanes,). slow: as of `_rodas.shifted`.
    """
    y, v, slope, h, u = step
    points = jnp.stack([y, *(held(y + _mixed(A[k], u[:k])) for k in range(1, STAGES))])
    volts = jnp.stack([v + over_ports(slope, float(a) * h) for a in ALPHA])
    value, stage_y, stage_v, pull = _linearised(law, points, volts)
    by_state, by_voltage = stage_y[0], stage_v[0]
    massive = law.equations.mass is not None
    matrix = law.each(lambda rate, mass, a: mass(a))() if massive else jnp.eye(y.shape[0], dtype=y.dtype)[..., None]
    wide, often = h[None], 1 / h[None]
    solve = jax.vmap(lambda w, g, b: solver(w, g)(b), in_axes=(-1, 0, -1), out_axes=-1)
    inverse = functools.partial(solve, jnp.swapaxes(matrix - GAMMA * wide[None] * by_state, 0, 1), GAMMA * h)
    drift = _along(by_voltage, slope)
    coupled = [_mixed(C[k], u[:k]) if k else jnp.zeros_like(y) for k in range(STAGES)]

    of_u = [float(LAST[k]) * seeds.y + float(DENSE[0, k]) * seeds.bend + float(DENSE[1, k]) * seeds.twist
            for k in range(STAGES)]  # fmt: skip
    of_y, of_h, bars, of_volts = seeds.y, jnp.zeros_like(h), [y] * STAGES, [v] * STAGES
    for k in reversed(range(STAGES)):
        b = bars[k] = held(inverse(of_u[k]))
        back = total(matrix * b[:, None], 0) if massive else b
        stage = held(total(stage_y[k] * b[:, None], 0))
        for j in range(k):
            of_u[j] = of_u[j] + (float(C[k, j]) * often) * back + float(A[k, j]) * stage
        of_u[:k] = [held(a) for a in of_u[:k]]
        of_y, of_volts[k] = of_y + stage, _weighed(stage_v[k], b)
        # h in gamma_k h f_v s, in 1/h, in V_k, and in gamma h W^-1.
        more = b * (float(GAMMAS[k]) * drift + often * total(by_state * u[k][None], 1)) + often * of_u[k] * u[k]
        of_h = held(
            of_h + total(more - often * often * back * coupled[k], 0) + float(ALPHA[k]) * _dot(of_volts[k], slope)
        )
    of_drift = held(wide * _mixed(GAMMAS, bars))
    of_jacobian = held(total(jnp.stack([b[:, None] * u[k][None] for k, b in enumerate(bars)]), 0))
    second = law.each(_second, -1, 0, -1, -1, 0, out=(0, -1, 0))(y, v, of_jacobian, of_drift, slope)
    of_slope = _mixed(ALPHA, [over_ports(o, h) for o in of_volts]) + _weighed(by_voltage, of_drift)
    found = jax.tree.map(jnp.add, pull(jnp.stack(bars)), second[0])
    if massive:
        parts = [b[:, None] * (often * (coupled[k] - u[k] / GAMMA))[None] for k, b in enumerate(bars)]
        of_mass = law.each(lambda rate, mass, a, bar: jax.vjp(mass, a)[1](bar)[0], -1, out=0)
        found = jax.tree.map(jnp.add, found, of_mass(total(jnp.stack(parts), 0)))
        slow = jnp.zeros_like(slow)
    of_h = of_h + of_size
    return Pulled(
        found, of_y + second[1] + _shift(of_h, value, slow), total(jnp.stack(of_volts), 0) + second[2], of_slope, of_h
    )


def _shift(of_h: Array, rate: Array, slow: Array) -> Array:
    """Cotangent of the state where the size of a step was shifted in its derivative, see `_rodas.shifted`."""
    flow = flow_of(rate, slow[None])
    return -flow * (of_h * slow / (1 + total(flow * flow, 0)))[None]


def _linearised(law: Law, points: Array, volts: Array) -> tuple[Array, Array, Array, Callable[[Array], Any]]:
    """At all points: the first rate (n, lanes), derivatives (6, n, n, lanes) and (6, n, lanes, *ports), and what pulls
    (6, n, lanes) back to the leaves asked for, summed over the stages."""
    n = points.shape[1]

    def row(rate, mass, asked, e, y, v):
        del mass
        value, pull = jax.vjp(rate, asked, y, v)
        of_asked, of_y, of_v = pull(e)
        return value, of_y, of_v, of_asked if n == 1 else None

    over_lanes = law.each(row, None, -1, 0, out=(-1, -1, 0, 0))
    over_rows = jax.vmap(over_lanes, in_axes=(0, None, None), out_axes=(None, 0, 0, 0))
    over_stages: Any = jax.vmap(over_rows, in_axes=(None, 0, 0))
    value, of_y, of_v, of_asked = over_stages(jnp.eye(n, dtype=points.dtype), points, volts)
    if n == 1:

        def pull(bars):
            weigh = lambda d: total(d[:, 0] * bars[:, 0].reshape(STAGES, -1, *[1] * (d.ndim - 3)), 0)  # noqa: E731
            return jax.tree.map(weigh, of_asked)
    else:

        def pull(bars):
            back = law.each(
                lambda rate, mass, a, b, y, v: jax.vjp(lambda a: rate(a, y, v), a)[1](b)[0], -1, -1, 0, out=0
            )
            return jax.tree.map(lambda d: total(d, 0), jax.vmap(back)(bars, points, volts))

    return value[0], of_y, of_v, pull


def _second(rate, mass, asked, y, v, of_jacobian, of_drift, slope):
    """Of one lane: gradient of sum(of_jacobian * J) + of_drift . f_v s to (asked, y, v)."""
    del mass
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


def _mixed(weights: Any, u: Any) -> Array:
    """Sum of the stages that count."""
    return functools.reduce(jnp.add, [float(w) * x for w, x in zip(weights, u, strict=False) if w])


def _dot(a: Array, b: Array) -> Array:
    """Over the ports: (lanes, *ports) each."""
    return total((a * b).reshape(a.shape[0], -1), 1)


def _along(by_voltage: Array, slope: Array) -> Array:
    """(n, lanes, *ports) times (lanes, *ports)."""
    return jnp.stack([_dot(row, slope) for row in by_voltage])


def _weighed(rows: Array, b: Array) -> Array:
    """Sum over n of (n, lanes, *ports) times (n, lanes)."""
    return total(rows * b.reshape(*b.shape, *[1] * (rows.ndim - 2)), 0)
