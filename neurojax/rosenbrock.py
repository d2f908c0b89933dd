"""Rodas4: a linearly implicit, L-stable method of order 4(3) for diffrax.

A Rosenbrock step solves six linear systems with one matrix and never iterates, so there is no Newton
convergence to fail on a filament that runs away, and the compiled step is small. Written for few
states: the Jacobian comes from forward mode, the linear algebra is closed form up to two states.
Stiffly accurate; the slope of the drive enters through df/dt.

E. Hairer and G. Wanner, Solving Ordinary Differential Equations II (1996), section IV.7 and the
coefficients of its code RODAS, 10.1007/978-3-642-05221-7.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

_GAMMA = 0.25
_A = np.zeros((6, 6))
_A[1, :1] = [1.544]
_A[2, :2] = [0.9466785280815826, 0.2557011698983284]
_A[3, :3] = [3.314825187068521, 2.896124015972201, 0.9986419139977817]
_A[4, :4] = [1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950]
_A[5, :5] = [*_A[4, :4], 1.0]
_LAST = np.asarray([*_A[4, :4], 1.0, 1.0])
_C = np.zeros((6, 6))
_C[1, :1] = [-5.6688]
_C[2, :2] = [-2.430093356833875, -0.2063599157091915]
_C[3, :3] = [-0.1073529058151375, -9.594562251023355, -20.47028614809616]
_C[4, :4] = [7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160]
_C[5, :5] = [8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054]
_ALPHA = np.asarray([0.0, 0.386, 0.21, 0.63, 1.0, 1.0])
_GAMMAS = np.asarray([0.25, -0.1043, 0.1035, -0.0362, 0.0, 0.0])
_DENSE = np.asarray(
    [
        [10.12623508344586, -7.487995877610167, -34.80091861555747, -7.992771707568823, 1.025137723295662, 0.0],
        [-0.6762803392801253, 6.087714651680015, 16.43084320892478, 24.76722511418386, -6.594389125716872, 0.0],
    ]
)


class RodasInterpolation(diffrax.AbstractLocalInterpolation):
    """The third-order dense output of the step."""

    t0: Float[Array, ""]
    t1: Float[Array, ""]
    y0: Any
    y1: Any
    curvature: Float[Array, "2 n"]

    def evaluate(self, t0, t1=None, left: bool = True):
        del left
        if t1 is not None:
            return jax.tree.map(jnp.subtract, self.evaluate(t1), self.evaluate(t0))
        span = self.t1 - self.t0
        s = (t0 - self.t0) / jnp.where(span == 0, jnp.ones_like(span), span)
        y0, unravel = ravel_pytree(self.y0)
        y1 = ravel_pytree(self.y1)[0]
        return unravel(y0 * (1 - s) + s * (y1 + (1 - s) * (self.curvature[0] + s * self.curvature[1])))


class Rodas4(diffrax.AbstractAdaptiveSolver):
    """Rosenbrock method of order 4 with an embedded error estimate of order 3.

    Use as `simulate(..., solver=Rodas4())` (the default) or in `diffrax.diffeqsolve` for any small
    stiff ODE. Ten states or fewer; a dense LU above two.
    """

    term_structure: ClassVar = diffrax.ODETerm
    interpolation_cls: ClassVar[Callable[..., RodasInterpolation]] = RodasInterpolation

    def order(self, terms):
        del terms
        return 4

    def init(self, terms, t0, t1, y0, args):
        del terms, t0, t1, y0, args

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        del solver_state, made_jump
        flat, unravel = ravel_pytree(y0)

        def rate(t, y):
            return ravel_pytree(terms.vf(t, unravel(y), args))[0]

        y1, error, curvature = _step(rate, jnp.asarray(t0), jnp.asarray(t1 - t0), flat)
        dense = dict(y0=y0, y1=unravel(y1), curvature=curvature)
        return unravel(y1), unravel(error), dense, None, diffrax.RESULTS.successful


def _step(rate: Callable[[Array, Array], Array], t: Array, h: Array, y: Array) -> tuple[Array, Array, Array]:
    n, dtype = y.shape[0], y.dtype
    _, linear = jax.linearize(rate, t, y)
    columns = jax.vmap(lambda e: linear(e[0], e[1:]))(jnp.eye(n + 1, dtype=dtype))
    slope, jacobian = columns[0], columns[1:].T
    solve = _solver(jnp.eye(n, dtype=dtype) / (_GAMMA * h) - jacobian)
    a, c, alpha, gamma = (jnp.asarray(m, dtype=dtype) for m in (_A, _C, _ALPHA, _GAMMAS))

    def stage(k, u):
        slopes = rate(t + alpha[k] * h, y + a[k] @ u)
        return u.at[k].set(solve(slopes + gamma[k] * h * slope + c[k] @ u / h))

    # A loop, not six copies: the right-hand side is by far the largest thing to compile.
    u = lax.fori_loop(0, 6, stage, jnp.zeros((6, n), dtype))
    return y + jnp.asarray(_LAST, dtype) @ u, u[5], jnp.asarray(_DENSE, dtype) @ u


def _solver(w: Float[Array, "n n"]) -> Callable[[Array], Array]:
    if w.shape[0] == 1:
        return lambda b: b / w[0]
    if w.shape[0] == 2:
        determinant = w[0, 0] * w[1, 1] - w[0, 1] * w[1, 0]
        adjugate = jnp.stack([jnp.stack([w[1, 1], -w[0, 1]]), jnp.stack([-w[1, 0], w[0, 0]])])
        return lambda b: adjugate @ b / determinant
    factors = jax.scipy.linalg.lu_factor(w)
    return lambda b: jax.scipy.linalg.lu_solve(factors, b)
