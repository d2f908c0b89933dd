"""The adaptive solvers of diffrax behind `simulate(..., solver=...)` and `fit(..., solver=...)`."""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from neurojax._drive import Drive
from neurojax._lanes import RUNNING, TOO_MANY
from neurojax.members import Members
from neurojax.waveform import interpolate


def adaptive(solver, rate, wave_t, wave_v, ts, x0, rtol, atol, max_steps: int, gradient: str):
    """States at `ts`, steps and result code of one member by a solver of diffrax, told every knot; rate(x, v)."""

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


def solve(
    solver: diffrax.AbstractSolver, members: Members, axes: Any, drive: Drive, x0: Any, tolerances, max_steps: int
):
    """`simulate.solve` by a solver of diffrax, in forward mode: lanes under vmap, each with a drive of its own.

    Args:
        solver: of diffrax. members: leaves with a leading lane axis where `axes` has 0. drive, x0: with lanes.
        tolerances: (rtol, atol).

    Returns:
        States (lanes, samples), steps and result codes (lanes,).
    """

    rtol, atol = tolerances

    def one(member, lane, x):
        return adaptive(solver, member.rate, lane.t, lane.v, lane.ts, x, rtol, atol, max_steps, "forward")

    return jax.vmap(one, in_axes=(axes, 0, 0))(members, drive, x0)
