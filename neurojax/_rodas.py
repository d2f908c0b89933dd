"""One step of Rodas4, a linearly implicit, L-stable Rosenbrock method of order 4 with an estimate of order 3.

Six linear systems with one matrix and no iteration, so there is no Newton convergence to fail where a
filament runs away. Stiffly accurate; the slope of the drive enters through df/dt. The loop around it is
in `stiff.py`.

E. Hairer and G. Wanner, Solving Ordinary Differential Equations II (1996), section IV.7 and the
coefficients of its code RODAS, 10.1007/978-3-642-05221-7.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from neurojax._held import held
from neurojax._small import solver, total

STAGES = 6
GAMMA = 0.25
A = np.zeros((STAGES, STAGES))
A[1, :1] = [1.544]
A[2, :2] = [0.9466785280815826, 0.2557011698983284]
A[3, :3] = [3.314825187068521, 2.896124015972201, 0.9986419139977817]
A[4, :4] = [1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950]
A[5, :5] = [*A[4, :4], 1.0]
LAST = np.asarray([*A[4, :4], 1.0, 1.0])
C = np.zeros((STAGES, STAGES))
C[1, :1] = [-5.6688]
C[2, :2] = [-2.430093356833875, -0.2063599157091915]
C[3, :3] = [-0.1073529058151375, -9.594562251023355, -20.47028614809616]
C[4, :4] = [7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160]
C[5, :5] = [8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054]
ALPHA = np.asarray([0.0, 0.386, 0.21, 0.63, 1.0, 1.0])
GAMMAS = np.asarray([0.25, -0.1043, 0.1035, -0.0362, 0.0, 0.0])
DENSE = np.asarray(
    [
        [10.12623508344586, -7.487995877610167, -34.80091861555747, -7.992771707568823, 1.025137723295662, 0.0],
        [-0.6762803392801253, 6.087714651680015, 16.43084320892478, 24.76722511418386, -6.594389125716872, 0.0],
    ]
)

Vector = Float[Array, " n"]
Rate = Callable[[Vector, Array], Vector]
"""dy/dt of a flat state under a voltage."""


class Step(NamedTuple):
    """End of a step, its error estimate, the two vectors of the dense output, and the vectors (6, n) of its stages."""

    y: Array
    error: Array
    bend: Array
    twist: Array
    u: Array


def interpolate(y0: Array, y1: Array, bend: Array, twist: Array, s: Array) -> Array:
    """The third-order dense output at the fraction `s` of a step from y0 to y1."""
    return y0 * (1 - s) + s * (y1 + (1 - s) * (bend + s * twist))


def curve_error(y0: Array, step: Step, last: Array) -> Array:
    """How far the dense output is off within the step, `last` being h times the rate at its end.

    The smaller of two estimates. By the slope at the end, e'(1)/10 for an error with e(0) = e(1) = 0: below the error
    of the step itself while that resolves the motion (0.4 of the estimate as h goes to zero), but spoilt by the last
    digits of the state where it is stiff. And by the cubic term, which is 24 times a transient that a step leaps over:
    then the end is right, as the method is L-stable, and what lies between is not.
    """
    end = 0.1 * (step.y - y0 - step.bend - step.twist - last)
    return jnp.minimum(jnp.abs(end), jnp.abs(step.twist) / 24)


class Slopes(NamedTuple):
    """Rate at a point and its derivatives: to the state (n, n), and to the voltage, one column a port (n, ports)."""

    rate: Array
    jacobian: Array
    by_voltage: Array


def slopes(rate: Rate, y: Vector, v: Array, by_rows: bool = True) -> Slopes:
    """The rate and its derivatives: row by row in reverse mode, or else column by column, which compiles faster."""
    if by_rows:
        return Slopes(*map(held, bare_slopes(rate, y, v)))
    n, ports = y.shape[0], v.size
    first, linear = jax.linearize(rate, y, v)
    basis = jnp.eye(n + ports, dtype=y.dtype)
    columns = jax.vmap(lambda e: linear(e[:n], e[n:].reshape(v.shape)), out_axes=1)(basis)
    return Slopes(*map(held, (first, columns[:, :n], columns[:, n:])))


def bare_slopes(rate: Rate, y: Vector, v: Array) -> Slopes:
    """`slopes` row by row, none of it `held`, so that it may be differentiated in reverse."""
    first, pull = jax.vjp(rate, y, v)
    rows = [pull(jnp.asarray(e, y.dtype)) for e in np.eye(y.shape[0])]
    return Slopes(first, jnp.stack([r[0] for r in rows]), jnp.stack([r[1].reshape(-1) for r in rows]))


def rodas4(
    rate: Rate,
    at: Slopes,
    y: Vector,
    v: Array,
    slope: Array,
    h: Array,
    slow: Array | None = None,
    mass: Array | None = None,
    *,
    unroll: bool = False,
) -> tuple[Array, Step]:
    """One step of size `h` from the state `y` while the voltage is v + slope t; returns that size and the step.

    `at` holds the slopes at its beginning. With `slow` (s) the size is shifted in its derivative, see `shifted`.
    With `mass` (n, n) it is a step of M dy/dt = rate, M possibly singular (index 1).
    `unroll` writes the stages out, each `held`: quicker for many lanes, slower to compile.
    """
    n, dtype = y.shape[0], y.dtype
    drift = total(at.by_voltage * slope.reshape(1, -1), 1)
    h = h if slow is None else shifted(h, y, at.rate, slow)
    matrix = jnp.eye(n, dtype=dtype) if mass is None else mass
    # Divisions are dear: one for h, one for the matrix, which has no 1/h that might overflow.
    often = 1 / h
    solve = solver(matrix - GAMMA * h * at.jacobian, GAMMA * h)
    weigh = (lambda u: often * u) if mass is None else (lambda u: often * total(mass * u[None], 1))
    if not unroll:
        u = _rolled(rate, drift, solve, weigh, y, v, slope, h)
        return h, Step(y + _mix(LAST, u), u[5], _mix(DENSE[0], u), _mix(DENSE[1], u), u)
    u = _unrolled(rate, at.rate, drift, solve, weigh, y, v, slope, h)
    bend, twist = (held(_sum(weights, u)) for weights in DENSE)
    return h, Step(held(y + _sum(LAST, u)), u[5], bend, twist, jnp.stack(u))


def stiffness_growth(before: Array, after: Array, h: Array, mass: Array | None = None) -> Array:
    """ln of the factor by which 1 + gamma h |J| changes within a step, the largest of its rows; from above.

    A Rosenbrock step takes the Jacobian of its beginning for all of it. Where h |J| is large and J changes by half,
    the step no longer damps a deviation from equilibrium but amplifies it; the deviation of the state is watched by
    the error estimate, that of its derivatives by nothing else. Row by row, as a slow state is not to be hidden by a
    fast one beside it, and of the difference, as a sign may change where the size does not. Rows without mass have no
    rate. Instead of ln(1 + x) its bound x/sqrt(1 + x), which costs a fifth.
    """
    least, change = (total(m, 1) for m in (jnp.minimum(jnp.abs(before), jnp.abs(after)), jnp.abs(after - before)))
    if mass is not None:
        least, change = _per_mass(mass) * least, _per_mass(mass) * change
    x = jnp.max(GAMMA * h * change / (1 + GAMMA * h * least))
    return x / jnp.sqrt(1 + x)


def ramp_error(before: Slopes, after: Slopes, moved: Array, h: Array, slope: Array, mass: Array | None = None) -> Array:
    """What the rate did along a ramp beyond what its derivatives at both ends tell, as an error of the state (n,).

    Where the device exchanges two laws within a few millivolts, a step may pass over all of it and find at every stage
    one law or the other, consistent with itself. Damped like a deviation from equilibrium; 24 as of the cubic term.
    """
    turned = 0.5 * h * total((before.by_voltage + after.by_voltage) * slope.reshape(1, -1), 1)
    moved = 0.5 * total((before.jacobian + after.jacobian) * moved[None], 1)
    # Less what is rounding, or the steps of a lane would depend on how it was compiled.
    size = jnp.abs(after.rate) + jnp.abs(before.rate) + jnp.abs(turned) + jnp.abs(moved)
    noise = 16 * jnp.finfo(h.dtype).eps * size
    off = h * jnp.maximum(jnp.abs(after.rate - before.rate - turned - moved) - noise, 0.0)
    least = total(jnp.minimum(jnp.abs(before.jacobian), jnp.abs(after.jacobian)), 1)
    heavy = jnp.ones_like(off) if mass is None else _per_mass(mass)
    return jnp.where(jnp.any(slope != 0), heavy * off / (24 * (1 + GAMMA * h * heavy * least)), jnp.zeros_like(off))


def _per_mass(mass: Array) -> Array:
    """1 over the mass of each row; zero for rows without."""
    weight = jnp.max(jnp.abs(mass), axis=1)
    return jnp.where(weight > 0, 1 / jnp.where(weight > 0, weight, jnp.ones_like(weight)), jnp.zeros_like(weight))


def shifted(h: Array, y: Vector, rate: Vector, slow: Array) -> Array:
    """The size h of a step; in its derivative an event is moved in time instead of the state amid it.

    Where a device switches, dy/dp = -(dt/dp) dy/dt is enormous, and forgotten a moment later; but a step of finite
    accuracy does not forget all of it, and what it keeps would spoil the gradient of everything that follows. So the
    end of the step moves by the time that leaves the least change of the state, dh = -(f.dy)/(f.f + 1/slow^2), and
    the clock of the lane with it. As any size is a valid one, no derivative changes but by the error of the method.
    """
    flow = flow_of(rate, slow)
    away = y - lax.stop_gradient(y)
    return h - slow * total(flow * away, 0) / (1 + total(flow * flow, 0))


def flow_of(rate: Array, slow: Array) -> Array:
    """How far the state moves in the time `slow`; a constant."""
    most = float(jnp.finfo(rate.dtype).max) ** 0.3
    return lax.stop_gradient(jnp.nan_to_num(jnp.clip(rate * slow, -most, most)))


def _mix(weights: Any, u: Array) -> Array:
    # Not a dot product: batched over lanes that would be a call of its own, this fuses.
    return jnp.sum(jnp.asarray(weights, u.dtype)[:, None] * u, axis=0)


def _rolled(rate, drift, solve, weigh, y, v, slope, h) -> Array:
    """The stages as a loop: the right-hand side, by far the largest thing to compile, appears once."""
    a, c, alpha, gamma = (jnp.asarray(m, y.dtype) for m in (A, C, ALPHA, GAMMAS))

    def stage(k, u):
        slopes = held(rate(held(y + _mix(a[k], u)), held(v + alpha[k] * h * slope)))
        return u.at[k].set(solve(slopes + gamma[k] * h * drift + weigh(_mix(c[k], u))))

    return lax.fori_loop(0, STAGES, stage, jnp.zeros((STAGES, *y.shape), y.dtype))


def _unrolled(rate, first, drift, solve, weigh, y, v, slope, h) -> list[Array]:
    u = [held(solve(first + GAMMA * h * drift))]
    for k in range(1, STAGES):
        at = held(y + _sum(A[k], u)), held(v + float(ALPHA[k]) * h * slope)
        right = rate(*at) + float(GAMMAS[k]) * h * drift
        u.append(held(solve(right + weigh(_sum(C[k], u)))))
    return u


def _sum(weights: np.ndarray, u: list[Array]) -> Array:
    return functools.reduce(jnp.add, [float(w) * x for w, x in zip(weights, u, strict=False) if w])
