"""Noisy paths: dx = drift dt + kick(dW) (Ito) by Euler-Maruyama with a fixed step.

Strong order 1/2, and 1 where the noise does not depend on the state. Every knot of the waveform and
every sample time is an end of a step, so no pulse is stepped over and no sample is interpolated. The noise of
step k of a path is drawn from (key, k) alone: it does not depend on which other paths run beside it.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int

from neurojax._lanes import RUNNING, TOO_SMALL
from neurojax.errors import SimulationError
from neurojax.waveform import interpolate


class Grid(NamedTuple):
    """Intervals between knots and samples: their ends (s), steps in each, and which end belongs to each sample.

    `longest` is the largest of the counts, a Python number.
    """

    edges: Float[Array, " m1"]
    counts: Int[Array, " m"]
    samples: Int[Array, " n"]
    longest: int


def path_grid(wave_t: np.ndarray, ts: np.ndarray, dt: float) -> Grid:
    """`grid`, of numbers that a user gave.

    Raises:
        SimulationError: a step that is not positive, or more steps than anyone would wait for.
    """
    if not dt > 0:
        raise SimulationError(f"dt = {dt} s must be positive.")
    duration = float(wave_t[-1] - wave_t[0])
    if duration / dt > 2e8:
        raise SimulationError(
            f"a path of {duration:g} s in steps of {dt:.3g} s takes {duration / dt:.2g} steps. "
            "Use a shorter waveform, a larger dt=, or no key for the mean of many paths."
        )
    return grid(wave_t, ts, dt)


def grid(wave_t: np.ndarray, ts: np.ndarray, dt: float) -> Grid:
    """The steps of a path: not longer than `dt`, ending at each knot and sample."""
    edges = np.unique(np.concatenate([wave_t, ts]))
    counts = np.maximum(1, np.ceil(np.diff(edges) / dt - 1e-9)).astype(np.int32)
    samples = jnp.asarray(np.searchsorted(edges, ts), jnp.int32)
    return Grid(jnp.asarray(edges), jnp.asarray(counts), samples, int(counts.max()))


def path(member: Any, key: Array, steps: Grid, wave_t: Array, wave_v: Array, x0: Any, gradient: str):
    """States at the samples, steps and result code of one path.

    Args:
        member: has drift(x, v) and kick(x, v, noise). key: of this path. steps: from `grid`.
        gradient: "forward", or "reverse" (every interval then takes as long as the longest).
    """
    y0, unravel = ravel_pytree(x0)

    def advance(member, y, v, slope, h, i, drawn):
        """Explicit, with the voltage at its beginning."""
        x, now = unravel(y), v + slope * h * i
        drift, kick = (ravel_pytree(a)[0] for a in (member.drift(x, now), member.kick(x, now, unravel(drawn))))
        return y + h * drift + jnp.sqrt(h) * kick

    ys, code = walk(advance, member, key, steps, wave_t, wave_v, y0, gradient)
    return jax.vmap(unravel)(ys), jnp.sum(steps.counts), code


def walk(
    advance: Any,
    member: Any,
    key: Array,
    steps: Grid,
    wave_t: Array,
    wave_v: Array,
    y0: Array,
    gradient: str,
    drawn: int | None = None,
):
    """Flat states at the samples and result code of one path.

    Args:
        advance: (member, y, v, slope, h, i, drawn) -> y after step i of size h of an interval that begins at v; must
            not close over what is traced. drawn: how many normal numbers a step takes, default one for each of y.
            The rest as in `path`.
    """

    def once(arguments, y, interval, i):
        member, bits = arguments
        v, slope, h, first = interval
        key = jax.random.fold_in(jax.random.wrap_key_data(bits), first + i)
        numbers = jax.random.normal(key, y.shape if drawn is None else (drawn,), y.dtype)
        return advance(member, y, v, slope, h, i.astype(y.dtype), numbers)

    def quick(arguments, y, intervals, counts):
        def over(y, row):
            interval, n = row
            y = lax.fori_loop(0, n, lambda i, y: once(arguments, y, interval, i), y)
            return y, y

        return lax.scan(over, y, (intervals, counts))[1]

    def reversible(arguments, y, intervals, counts):
        @jax.checkpoint
        def over(y, row):
            interval, n = row

            def step(y, i):
                return jnp.where(i < n, once(arguments, y, interval, i), y), None

            y = lax.scan(step, y, jnp.arange(steps.longest, dtype=jnp.int32))[0]
            return y, y

        return lax.scan(over, y, (intervals, counts))[1]

    @jax.custom_vjp
    def whole(arguments, y, intervals, counts):
        return quick(arguments, y, intervals, counts)

    def backward(kept, cotangent):
        (member, bits), y, (v, slope, h, first), counts = kept

        def moved(m, y, v, s, h):
            return reversible((m, bits), y, (v, s, h, first), counts)

        member, y, v, slope, h = jax.vjp(moved, member, y, v, slope, h)[1](cotangent)
        none = [np.zeros(a.shape, jax.dtypes.float0) for a in (bits, first, counts)]
        return (member, none[0]), y, (v, slope, h, none[1]), none[2]

    whole.defvjp(lambda *inputs: (quick(*inputs), inputs), backward)
    v, slope = jax.vmap(lambda t: interpolate(wave_t, wave_v, t))(steps.edges[:-1])
    h = jnp.diff(steps.edges) / steps.counts.astype(y0.dtype)
    first = jnp.cumsum(steps.counts) - steps.counts
    run = quick if gradient == "forward" else whole
    ends = run((member, jax.random.key_data(key)), y0, (v, slope, h.astype(y0.dtype), first), steps.counts)
    ys = jnp.concatenate([y0[None], ends])
    code = jnp.where(jnp.all(jnp.isfinite(ys)), jnp.int32(RUNNING), jnp.int32(TOO_SMALL))
    return ys[steps.samples], code
