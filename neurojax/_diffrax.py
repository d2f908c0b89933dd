"""The adaptive solvers of diffrax behind `simulate(..., solver=...)`, one member at a time."""

import diffrax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from neurojax._lanes import RUNNING, TOO_MANY
from neurojax.waveform import interpolate


def adaptive(solver, rate, wave_t, wave_v, ts, x0, rtol, atol, max_steps: int, gradient: str):
    """States at `ts`, steps and result code by a solver of diffrax, which stops at every knot; rate(x, v)."""

    def term(t, x, args):
        del args
        return rate(x, interpolate(wave_t, wave_v, t)[0])

    duration = wave_t[-1] - wave_t[0]
    controller = diffrax.PIDController(rtol=rtol, atol=atol, dtmax=duration / 50, factormin=0.1, factormax=6.0)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(term),
        solver,
        wave_t[0],
        wave_t[-1],
        (wave_t[1] - wave_t[0]) * 1e-3 + duration * 1e-9,
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
