"""When a device switches: the time at which a state, or the current, first crosses a level.

A switch often takes a thousandth of the time between two samples, so that the samples of a record do not tell when
(`Record.crossing_time`). Here the crossing is looked for between them: the solver samples its interval again, in
points that crowd around the best guess, until the time t0 is known to rounding. What is returned is then

    t = t0 - (y(t0, p) - y(t0)) / (dy/dt),     y(t0, p) the solution at the fixed time t0

so that its derivative is the implicit one, dt/dp = -(dy/dp) / (dy/dt), as exact as that of a state in `simulate`.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from neurojax.errors import SimulationError
from neurojax.instrument import Instrument
from neurojax.members import Members, member_axes, start_states
from neurojax.record import CURRENT, crossing, first_beyond, samples_of
from neurojax.simulate import MAX_STEPS, simulate, solve, tolerances
from neurojax.stiff import Drive
from neurojax.waveform import Waveform, interpolate
from physics.device import AbstractDevice, Environment
from physics.quantity import parameters

POINTS = 32
"""Samples of an interval in each search, evenly; as many again crowd around the guess."""
ROUNDS = 12
ENOUGH = 1e-6
"""Part of its whole range by which y may change within the last interval: it is straight enough there."""


class Question(NamedTuple):
    """Lanes, each with a waveform of its own, and the level that is to be crossed in each.

    name: of a state, or "current". x0: with lanes. exact: rtol and atol.
    """

    members: Members
    t: Array
    v: Array
    x0: Any
    level: Array
    exact: tuple[Array, Array]


class Bracket(NamedTuple):
    """Of each lane: the interval of the crossing, y at both ends, and whether nothing more is to be done.

    rising: y begins below the level. crossed: it is crossed, and not by the first sample itself.
    """

    start: Array
    end: Array
    before: Array
    behind: Array
    rising: Array
    crossed: Array
    done: Array


def switching_time(
    device: AbstractDevice,
    waveform: Waveform,
    name: str,
    level: Any,
    *,
    ts: Any = None,
    x0: Any = None,
    env: Environment | None = None,
    instrument: Instrument | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    max_steps: int = MAX_STEPS,
    gradient: str = "reverse",
    throw: bool = True,
) -> Float[Array, "*members"]:
    """When a state, or the current, first crosses a level (s): as exact as the solver, and differentiable (once).

    Args:
        device, waveform: as in `simulate`; a population gets one time a member.
        name: a state, or "current" (of the last port). level: in the unit of the state or in A; one, or one a
            member. A crossing is a change of side as seen from the first sample.

    Other arguments:
        ts: times (s) among which a crossing is looked for first; default 500 and all knots. A crossing that is undone
            before the next of them is not seen.
        x0, env, instrument, rtol, atol, max_steps, gradient, throw: as in `simulate`.

    Returns:
        Time (s); inf for what never crosses, nan where the solver gave up before and where a switch is quicker than
        time can be told in this precision. A current that crosses in a jump of the voltage does so at that knot.

    Raises:
        KeyError: unknown name (the message suggests the closest).
        SimulationError: as `simulate`.
    """
    if gradient not in ("reverse", "forward"):
        raise SimulationError(f"gradient = {gradient!r} must be 'reverse' (for grad) or 'forward' (for jvp, jacfwd).")
    usual: Environment = jax.tree.map(lambda a: a.astype(waveform.t.dtype), Environment())
    env = usual if env is None else env
    asked = (device, env, instrument, x0, waveform, jnp.asarray(level, waveform.t.dtype))
    still: Any = jax.tree.map(lambda a: lax.stop_gradient(jnp.asarray(a)), asked)
    options: Any = dict(rtol=rtol, atol=atol, max_steps=max_steps, throw=throw, gradient="forward", ts=ts)
    seen = simulate(still[0], still[4], env=still[1], instrument=still[2], x0=still[3], **options)
    exact = tolerances(rtol, atol, waveform.t.dtype)
    found = _located(still, exact, seen.t, samples_of(seen, name), name, max_steps)
    times = _differentiable(asked, exact, found, name, max_steps, gradient)
    return times if seen.ok.ndim else times[0]


@eqx.filter_jit
def _located(still: Any, exact: Any, t: Array, y: Array, name: str, max_steps: int) -> tuple[Array, Bracket]:
    """Of each lane the time of the crossing (inf, nan) and its interval, from samples of y, with lanes or of one."""
    rows = y if y.ndim > 1 else y[None]
    question = _question(still, exact, rows.shape[0])
    bracket = jax.vmap(_first, in_axes=(None, 0, 0))(t, rows, question.level)
    bracket = search(question, bracket, ENOUGH * (jnp.nanmax(rows, axis=1) - jnp.nanmin(rows, axis=1)), name, max_steps)
    roughly = jax.vmap(crossing, in_axes=(None, 0, 0))(t, rows, question.level)
    return jnp.where(bracket.crossed, guess(bracket, question.level), roughly), bracket


@eqx.filter_jit
def _differentiable(asked: Any, exact: Any, found: tuple[Array, Bracket], name: str, max_steps: int, gradient: str):
    """The times of all lanes with their derivatives."""
    t0, bracket = found
    question = _question(asked, exact, t0.shape[0])
    ts = jnp.where(bracket.crossed, t0, question.t[:, 0])[:, None]
    xs = _states(question, ts, max_steps, gradient)
    y, speed = observed(question, xs, ts, name, motion(question, ts, max_steps))
    t = implicit(t0, y[:, 0], speed[:, 0], question.level, bracket.crossed)
    if name == CURRENT:
        knot, jumps = jax.vmap(_jump)(question.t, bracket.start, bracket.end)
        t = jnp.where(bracket.crossed & jumps, knot, t)
    return t


def implicit(t0: Array, y: Array, speed: Array, level: Array, crossed: Array) -> Array:
    """t0 with the derivative of the time at which y = level, if y (of derivative `speed` in time) is so at t0."""
    off = y - level
    speed = jnp.where(crossed, speed, jnp.ones_like(speed))
    return jnp.where(crossed, t0 - (off - lax.stop_gradient(off)) / lax.stop_gradient(speed), t0)


def search(question: Question, bracket: Bracket, height: Array, name: str, max_steps: int) -> Bracket:
    """Narrow the brackets until y changes by less than `height` within, or time by hardly more than rounding."""

    def narrow(carry):
        old, number = carry
        grid = jax.vmap(_points)(old.start, guess(old, question.level), old.end)
        y = observed(question, _states(question, grid, max_steps, "forward"), grid, name)[0]
        new = jax.vmap(_narrower)(old, grid, y, question.level)
        new = jax.tree.map(lambda a, b: jnp.where(old.done, b, a), new, old)
        return _settled(new, height), number + 1

    def unfinished(carry):
        return (carry[1] < ROUNDS) & ~jnp.all(carry[0].done)

    return lax.while_loop(unfinished, narrow, (_settled(bracket, height), jnp.zeros((), jnp.int32)))[0]


def motion(question: Question, ts: Array, max_steps: int) -> Any:
    """dx/dt of the solution at times (lanes, samples), without a derivative of its own.

    Not the rate at the solution: where a state follows the voltage, the rate is the small difference that the solver
    has left times a large number.
    """
    still = jax.tree.map(lax.stop_gradient, question)
    over: Any = lambda ts: _states(still, ts, max_steps, "forward")  # noqa: E731
    return jax.tree.map(lax.stop_gradient, jax.jvp(over, (lax.stop_gradient(ts),), (jnp.ones_like(ts),))[1])


def observed(question: Question, xs: Any, ts: Array, name: str, moved: Any = None) -> tuple[Array, Array]:
    """y and dy/dt at samples: states (lanes, samples), times (lanes, samples); `moved` is dx/dt, the rate if none."""

    def one(member, x, t, dx, wave_t, wave_v):
        v, slope = interpolate(wave_t, wave_v, t)

        def y(x, v):
            if name != CURRENT:
                return parameters(x)[name].value
            i = member.observe(x, v, slope)[0]
            return i[-1] if i.ndim else i

        return jax.jvp(y, (x, v), (member.rate(x, v) if dx is None else dx, slope))

    each = jax.vmap(one, in_axes=(None, 0, 0, 0, None, None))
    axes = member_axes(question.members)
    return jax.vmap(each, in_axes=(axes, 0, 0, 0, 0, 0))(question.members, xs, ts, moved, question.t, question.v)


def guess(b: Bracket, level: Array) -> Array:
    """Where a straight line through the ends of the intervals crosses."""
    rise = b.behind - b.before
    part = (level - b.before) / jnp.where(rise == 0, jnp.ones_like(rise), rise)
    return b.start + jnp.clip(part, 0.0, 1.0) * (b.end - b.start)


def _states(question: Question, ts: Array, max_steps: int, gradient: str) -> Any:
    """At times (lanes, samples)."""
    members, t, v, x0, _, exact = question
    if not jax.tree.leaves(x0):
        return x0
    return solve(members, member_axes(members), Drive(t, v, ts), x0, exact, max_steps, gradient)[0]


def _first(t: Array, y: Array, level: Array) -> Bracket:
    rising = y[0] < level
    k, found = first_beyond(y, level, rising)
    before, crossed = jnp.maximum(k - 1, 0), found & (k > 0)
    return Bracket(t[before], t[k], y[before], y[k], rising, crossed, ~crossed)


def _narrower(old: Bracket, grid: Array, y: Array, level: Array) -> Bracket:
    """The interval between two points of the grid; the last where, within the tolerance, none crosses any more."""
    k, found = first_beyond(y, level, old.rising)
    k = jnp.where(found, jnp.maximum(k, 1), grid.shape[0] - 1)
    return old._replace(start=grid[k - 1], end=grid[k], before=y[k - 1], behind=y[k])


def _settled(b: Bracket, height: Array) -> Bracket:
    short = b.end - b.start <= 256 * jnp.finfo(b.end.dtype).eps * jnp.abs(b.end)
    return b._replace(done=b.done | short | (jnp.abs(b.behind - b.before) <= height))


def _points(start: Array, middle: Array, end: Array) -> Array:
    """Times within an interval: evenly, and ever closer to its middle, as close as rounding permits."""
    even = start + jnp.linspace(0.0, 1.0, POINTS, dtype=start.dtype) * (end - start)
    width = jnp.where(end > start, end - start, jnp.ones_like(end))
    nearest = jnp.clip(16 * jnp.finfo(end.dtype).eps * jnp.abs(end) / width, 1e-9, 1.0)
    part = nearest ** jnp.linspace(0.0, 1.0, POINTS // 2, dtype=start.dtype)
    return jnp.sort(jnp.concatenate([even, middle - part * (middle - start), middle + part * (end - middle)]))


def _jump(t: Array, start: Array, end: Array) -> tuple[Array, Array]:
    """The first jump of the voltage within an interval, and whether there is one."""
    inside = (t[1:] == t[:-1]) & (t[1:] >= start) & (t[1:] <= end)
    return t[1:][jnp.argmax(inside)], jnp.any(inside)


def _question(asked: Any, exact: tuple[Array, Array], lanes: int) -> Question:
    device, env, instrument, x0, waveform, level = asked
    members = Members(device, env, instrument)
    t, v = (jnp.broadcast_to(a[None], (lanes, *a.shape)) for a in (waveform.t, waveform.v))
    start = start_states(members, member_axes(members), x0, lanes)
    return Question(members, t, v, start, jnp.broadcast_to(level, (lanes,)), exact)
