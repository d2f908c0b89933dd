"""Spike times of abstract neurons without time steps: exact, with exact derivatives through every reset.

The leaky integrate-and-fire neuron has a closed form. All other flows are integrated by the method of Runge and Kutta
of the fourth order along s instead of t,

    ds/dt = sqrt(1 + (u' step/rise)^2),      u = excess/span,

so that no step is longer than `step`, nor moves u by more than `rise`: where V runs away within nanoseconds, s does
not. A step over a threshold is shortened to end on it (Newton within a bracket), likewise one over a change of the
current. The length r of the shortened step carries its implicit derivative, dr/dp = -(du/dp)/(du/dr); time being a
variable of the flow, what follows has the jump in sensitivity ("saltation") of a reset at a time that moves. First
derivatives are exact, second ones are not. Steps begin anew on each spike, reset or not, as errors that depended on
where it falls between them would spoil the derivatives.
"""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from neurojax.neurons.lif import LIF
from neurojax.neurons.neuron import AbstractFlow, AbstractIntegrateAndFire, along

Real = Float[Array, "..."]
VARIATION = 4.0
"""How many spans u may move from one spike to the next, in the estimate of the number of steps."""
NEWTON = 8


def spike_times(
    neuron: AbstractFlow,
    current: Any,
    count: int,
    *,
    starts: Any = None,
    duration: float = 1.0,
    step: float = 5e-5,
    rise: float = 5e-3,
    state: Any = None,
) -> Float[Array, " count"]:
    """The first `count` spike times (s) of one neuron under a piecewise constant current; vmap for more.

    Args:
        neuron: any but those that draw. current: in its unit, constant, or of each piece, shape (pieces,).
        starts: of the pieces (s), shape (pieces,), increasing, the first 0; needed for more than one piece.
        duration: s, what is later is not looked for. step: longest step (s) and rise: largest change of excess/span
            in a step, both for neurons without a closed form: the error falls with the fourth power of both. Gates
            as fast as those of `WangBuzsaki` want a step of 1e-5.
        state: the first one, default `neuron.init()`; of `LIF` its wait is honoured.

    Returns:
        Times in their order, inf for what does not happen within `duration`, nan where the steps did not suffice.

    Raises:
        ValueError: pieces without starts, or a population.
    """
    first = neuron.init() if state is None else state
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves((neuron, first)) if jnp.ndim(leaf)]
    if shapes:
        raise ValueError(f"spike_times takes one neuron, not a population {shapes[0]}: map it with jax.vmap.")
    levels = jnp.atleast_1d(jnp.asarray(current, neuron.voltage(first).dtype))
    if starts is None and levels.shape[0] != 1:
        raise ValueError(f"a current of {levels.shape[0]} pieces needs starts=, the time at which each begins.")
    begins = jnp.zeros(1, levels.dtype) if starts is None else jnp.asarray(starts, levels.dtype)
    if begins.shape != levels.shape:
        raise ValueError(f"starts has shape {begins.shape}, current {levels.shape}: there must be one for each piece.")
    if isinstance(neuron, LIF):
        return _closed(neuron, levels, begins, count, first, duration)
    return _integrated(neuron, levels, begins, count, first, duration, step, rise)


def _piece(t: Real, levels: Real, begins: Real) -> tuple[Real, Real]:
    """The current at t, and when it changes next (inf: never)."""
    k = jnp.clip(jnp.searchsorted(begins, t, side="right") - 1, 0, levels.shape[0] - 1)
    return levels[k], jnp.append(begins[1:], jnp.inf)[k]


@eqx.filter_jit
def _closed(neuron: LIF, levels: Real, begins: Real, count: int, state: Any, duration: float) -> Real:
    """Of the leaky neuron: from event to event, a spike or a change of the current."""

    def body(carry, _):
        t, v = carry
        level, change = _piece(t, levels, begins)
        end = neuron.e_leak + neuron.r * level
        delay = neuron.delay(v, end)
        fires = t + delay < change
        spike = t + jnp.where(fires, delay, jnp.zeros_like(delay))
        # Without a spike and a change to come nothing moves any more.
        later = jnp.where(jnp.isinf(change), t, change)
        decayed = end + (v - end) * jnp.exp(-(later - t) / neuron.tau)
        after = jnp.where(fires, spike + neuron.t_ref, later), jnp.where(fires, neuron.v_reset, decayed)
        return after, jnp.where(fires & (spike < duration), spike, jnp.inf)

    _, times = lax.scan(body, (state.wait, state.v), None, count + levels.shape[0] - 1)
    return _gathered(times, count)


def _gathered(times: Real, count: int) -> Real:
    """The first `count` finite ones, in their order; inf beyond."""
    index = jnp.nonzero(jnp.isfinite(times), size=count, fill_value=-1)[0]
    return jnp.where(index >= 0, times[index], jnp.inf)


def _slope(neuron: AbstractFlow, level: Real, ratio: Real) -> Callable[[Any], Any]:
    """Derivative of (t, y) along s; ratio = step/rise."""

    def of(ty: Any) -> Any:
        rate = neuron.rate(ty[1], level)
        du = jax.jvp(neuron.excess, (ty[1],), (rate,))[1] / neuron.span()
        speed = jnp.sqrt(1 + (ratio * du) ** 2)
        return 1 / speed, jax.tree.map(lambda a: a / speed, rate)

    return of


def _moved(slope: Callable[[Any], Any], ty: Any, h: Real) -> Any:
    """One step of Runge and Kutta, its stages a loop: a third of the time to compile."""

    def stage(carry, given):
        k, total = carry
        k = slope(along(ty, k, given[0] * h))
        return (k, along(total, k, given[1] * h)), None

    nodes, weights = jnp.asarray([0, 0.5, 0.5, 1], h.dtype), jnp.asarray([1 / 6, 1 / 3, 1 / 3, 1 / 6], h.dtype)
    return lax.scan(stage, (jax.tree.map(jnp.zeros_like, ty), ty), (nodes, weights))[0][1]


def _landed(moved: Callable[[Real], Any], over: Callable[[Any], Real], one: Real) -> tuple[Real, Any]:
    """The r in [0, 1] where over(moved(r)) rises through zero, and moved(r): a guarded Newton, then implicitly."""

    def body(_, given):
        lo, hi, r = given[:3]
        there, speed = jax.jvp(moved, (r,), (one,))
        u, du = jax.jvp(over, (there,), (speed,))
        du = jnp.where(du == 0, one, du)
        lo, hi, newton = jnp.where(u < 0, r, lo), jnp.where(u < 0, hi, r), r - u / du
        return lo, hi, jnp.where((newton >= lo) & (newton <= hi), newton, (lo + hi) / 2), du, speed

    start = (0 * one, one, one / 2, one, jax.tree.map(jnp.zeros_like, moved(one)))
    _, _, r, du, speed = lax.stop_gradient(lax.fori_loop(0, NEWTON, body, lax.stop_gradient(start)))
    there = moved(r)
    # Nothing in value; the derivative of r by what `moved` and `over` depend on.
    dr = -over(there) / du
    return r + dr, along(there, speed, dr)


def _stepped(neuron: AbstractFlow, ty: Any, piece: tuple[Real, Real], h: Real, ratio: Real, many: bool, just: Any):
    """(t, y) after a step, shortened where it would pass a change of the current or a reset; the spike time or inf."""
    level, change = piece
    slope, one = _slope(neuron, level, ratio), jnp.ones_like(h)

    def moved(r):
        return _moved(slope, ty, r * h)

    def shortened(_):
        r, (_, y) = _landed(moved, lambda ty: ty[0] - change, one)
        return r, (change, y)

    most, end = one, moved(one)
    if many:
        most, end = lax.cond(end[0] > change, shortened, lambda _: (one, end), None)

    def spikes(_):
        t, y = _landed(lambda r: moved(r * most), lambda ty: neuron.excess(ty[1]), one)[1]
        if not isinstance(neuron, AbstractIntegrateAndFire):
            return (t, y), t
        after, pause = neuron.rest(y)
        return (t + pause, after), t

    over, before = neuron.excess(end[1]) >= 0, neuron.excess(ty[1]) < 0
    # Without a reset the step after a spike begins on the level, to rounding: it is not another one.
    fires = over if isinstance(neuron, AbstractIntegrateAndFire) else over & before & ~just
    return lax.cond(fires, spikes, lambda _: (end, jnp.full_like(h, jnp.inf)), None)


@eqx.filter_jit
def _integrated(neuron, levels, begins, count, state, duration, step, rise):
    """Of any flow: a fixed number of steps, of which those after the end do nothing."""
    h, ratio = jnp.asarray(step, levels.dtype), jnp.asarray(step / rise, levels.dtype)

    def going(given):
        ty, found, just = given
        after, spike = _stepped(neuron, ty, _piece(ty[0], levels, begins), h, ratio, levels.shape[0] > 1, just)
        spike = jnp.where(spike < duration, spike, jnp.inf)
        return (after, found + jnp.isfinite(spike).astype(int), jnp.isfinite(spike)), spike

    def body(carry, _):
        on = (carry[0][0] < duration) & (carry[1] < count)
        return lax.cond(on, going, lambda given: (given, jnp.full_like(h, jnp.inf)), carry)

    steps = math.ceil(duration / step) + math.ceil((count + 1) * VARIATION / rise) + count + levels.shape[0]
    start = (jnp.zeros_like(h), state), jnp.zeros((), int), jnp.zeros((), bool)
    ((t, _), found, _), times = lax.scan(body, start, None, steps)
    short = (t < duration) & (jnp.arange(count) >= found) & (found < count)
    return jnp.where(short, jnp.nan, _gathered(times, count))
