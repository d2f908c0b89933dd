"""The solvers of diffrax behind `simulate(..., solver=...)` and behind noisy paths, one member at a time.

A chosen solver runs adaptively and stops at every knot; a key asks for one path of a Langevin device by
Euler-Maruyama (Ito) with a fixed step.
"""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import lineax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from neurojax.stiff import RUNNING, TOO_MANY
from neurojax.waveform import interpolate

NOISY_STEPS = 2**27


def adaptive(solver, rate, wave_t, wave_v, ts, x0, rtol, atol, max_steps: int, gradient: str):
    """States at `ts`, steps and result code by a solver of diffrax; rate(x, v) of one member."""

    def term(t, x, args):
        del args
        return rate(x, interpolate(wave_t, wave_v, t)[0])

    duration = wave_t[-1] - wave_t[0]
    controller = diffrax.PIDController(rtol=rtol, atol=atol, dtmax=duration / 50, factormin=0.1, factormax=6.0)
    first = (wave_t[1] - wave_t[0]) * 1e-3 + duration * 1e-9
    return _solve(diffrax.ODETerm(term), solver, controller, first, wave_t, ts, x0, max_steps, gradient)


def noisy(rate, diffusion, key: Array, dt: float, wave_t, wave_v, ts, x0, gradient: str):
    """One path of dx = rate dt + diffusion dW at `ts`, steps and result code."""

    def drift(t, x, args):
        del args
        return rate(x, interpolate(wave_t, wave_v, t)[0])

    def amplitude(t, x, args):
        del args
        return lineax.DiagonalLinearOperator(diffusion(x, interpolate(wave_t, wave_v, t)[0]))

    shape = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), x0)
    noise = diffrax.ControlTerm(amplitude, diffrax.UnsafeBrownianPath(shape=shape, key=key))
    terms = diffrax.MultiTerm(diffrax.ODETerm(drift), noise)
    steps = None if gradient == "forward" else NOISY_STEPS
    return _solve(terms, diffrax.Euler(), diffrax.ConstantStepSize(), dt, wave_t, ts, x0, steps, gradient)


def _solve(terms, solver, controller, first, wave_t, ts, x0, max_steps, gradient) -> tuple[Any, Array, Array]:
    solution = diffrax.diffeqsolve(
        terms,
        solver,
        wave_t[0],
        wave_t[-1],
        first,
        x0,
        # jump_ts, not step_ts: a step then never sees the far side of a knot, whether it jumps or not.
        stepsize_controller=diffrax.ClipStepSizeController(controller, jump_ts=wave_t, store_rejected_steps=None),
        saveat=diffrax.SaveAt(ts=ts),
        max_steps=max_steps,
        adjoint=diffrax.ForwardMode() if gradient == "forward" else diffrax.RecursiveCheckpointAdjoint(),
        throw=False,
    )
    finite = jnp.all(jnp.isfinite(ravel_pytree(solution.ys)[0]))
    fine = (solution.result == diffrax.RESULTS.successful) & finite
    code = jnp.where(fine, jnp.int32(RUNNING), jnp.int32(TOO_MANY))
    return solution.ys, solution.stats["num_steps"], code
