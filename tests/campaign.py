"""What is compared, and what counts as a wrong answer, when devices are drawn at random (`draws.py`).

    error = max over the states of |x - x_ref| / (atol + rtol |x_ref|)        at each sample

in units of the tolerance that a user asked for. x_ref is the same lane at a thousandth of that tolerance; the
reference itself is compared with an integrator of somebody else (SciPy's LSODA) on some lanes. Up to LIMIT = 100 an
answer is right.

Beyond that it is asked whether the question can be answered to the tolerance at all: where a device runs away, leaves
an unstable equilibrium or switches just before the sample, the exact solution itself turns one tolerance into many,
whatever the solver. So a suspect lane is solved again, at the sharp tolerance of the reference, for RESPONSES
problems that differ from the given one by no more than the tolerance:

    parameters, ambient temperature and voltages   times 1 +- rtol, signs at random
    every segment of the waveform                  adds (atol + rtol |x|) to every state, inwards, as a constant rate

The response at a sample is the largest deviation of any of them from the reference there, in units of the tolerance.
A silent wrong answer is one with ok = True and, at any sample, error > LIMIT max(1, response). What was excused is
counted too (`Outcome.suspects`), so that nobody has to believe the excuse.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from draws import Draws, draw
from jax.flatten_util import ravel_pytree
from jaxtyping import Array
from scipy.integrate import solve_ivp

from neurojax._drive import Drive
from neurojax._lanes import TOO_MANY
from neurojax.members import Members, member_axes, start_states
from neurojax.simulate import MAX_STEPS, solve
from physics.device import AbstractDevice
from physics.quantity import parameters

RTOL, ATOL = 1e-6, 1e-8
SHARPER = 1e-3
"""The tolerance of the reference over that of the answer."""
LIMIT = 100.0
RESPONSES = 16
EVALUATIONS = 100_000
"""Of the rate in one segment, after which SciPy is given up."""


class Answer(NamedTuple):
    """States (lanes, samples, n), steps and result codes (lanes,)."""

    x: np.ndarray
    steps: np.ndarray
    code: np.ndarray


class Wrong(NamedTuple):
    """A suspect lane: its error in units of the tolerance, and the response, where their ratio is largest."""

    lane: int
    error: float
    response: float
    wrong: bool
    largest: float


class Outcome(NamedTuple):
    """Of one device: how many draws, errors of the lanes, suspects, codes and steps."""

    draws: int
    errors: np.ndarray
    suspects: list[Wrong]
    code: np.ndarray
    steps: np.ndarray
    unknown: int


class Disturbed(Members):
    """A device to which every segment of the waveform adds one tolerance; its rate is the last of the "voltages"."""

    rtol: Array
    atol: Array

    def rate(self, x: Any, v: Array) -> Any:
        flow = self.device.rate(x, v[:-1].reshape(self.device.port_shape), self.env)
        middle = [0.5 * (p.bounds[0] + p.bounds[1]) for p in parameters(x).values()]
        inwards = jax.tree.map(
            lambda a, m: jnp.where(a < m, 1.0, -1.0), x, jax.tree.unflatten(jax.tree.structure(x), middle)
        )
        add = jax.tree.map(lambda a, s: v[-1] * s * (self.atol + self.rtol * jnp.abs(a)), x, inwards)
        return jax.tree.map(jnp.add, flow, add)


@eqx.filter_jit
def _solve(members: Any, drive: Drive, x0: Any, rtol: Array, atol: Array, max_steps: int):
    xs, steps, code = solve(members, member_axes(members), drive, x0, (rtol, atol), max_steps, "forward")
    return jnp.stack(jax.tree.leaves(xs), axis=-1), steps, code


def start(drawn: Draws) -> Any:
    members = Members(drawn.device, drawn.env, None)
    return start_states(members, member_axes(members), None, drawn.drive.t.shape[0])


def answer(drawn: Draws, rtol: float = RTOL, atol: float = ATOL, max_steps: int = 4 * MAX_STEPS) -> Answer:
    """All lanes in one run; more steps than a user has by default, as answer and reference share what is compiled."""
    members, x0, drive = Members(drawn.device, drawn.env, None), start(drawn), drawn.drive
    found = _solve(members, drive, x0, *(jnp.asarray(a, drive.t.dtype) for a in (rtol, atol)), max_steps)
    return Answer(*(np.asarray(a) for a in found))


def reference(drawn: Draws) -> Answer:
    return answer(drawn, SHARPER * RTOL, SHARPER * ATOL)


def errors(x: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """(lanes, samples) in units of the tolerance, the worst of the states."""
    return np.max(np.abs(x - exact) / (ATOL + RTOL * np.abs(exact)), axis=-1)


def response(drawn: Draws, lane: int, seed: int = 0) -> np.ndarray:
    """(samples,) how far exact solutions of problems that differ by a tolerance lie apart, in units of it."""
    rng = np.random.default_rng(seed)
    many = jax.tree.map(lambda a: jnp.repeat(a[lane : lane + 1], RESPONSES + 1, axis=0), drawn)

    def off(a):
        # The first lane is the reference.
        signs = rng.choice([-1.0, 1.0], a.shape)
        signs[0] = 0.0
        return a * jnp.asarray(1 + RTOL * signs)

    device, env, v = jax.tree.map(off, (many.device, many.env, many.drive.v))
    drive = many.drive._replace(v=v)
    x0 = start(Draws(device, env, drive))
    members = Disturbed(device, env, None, jnp.asarray(RTOL), jnp.asarray(ATOL))
    x, _, code = _solve(
        members, _disturbed(drive), x0, *(jnp.asarray(SHARPER * a) for a in (RTOL, ATOL)), 4 * MAX_STEPS
    )
    x, code = np.asarray(x), np.asarray(code)
    away = errors(x[1:], x[:1])[code[1:] == 0]
    return np.max(away, axis=0) if len(away) and code[0] == 0 else np.full(x.shape[1], np.nan)


def _disturbed(drive: Drive) -> Drive:
    """Every segment with two knots of its own and one over its length as a further port; nothing for the first lane."""
    t, v = np.asarray(drive.t), np.asarray(drive.v)
    twice = lambda a: np.stack([a[:, :-1], a[:, 1:]], axis=2).reshape(a.shape[0], -1, *a.shape[2:])  # noqa: E731
    lengths = np.repeat(np.diff(t, axis=1), 2, axis=1)
    add = np.where(lengths > 0, 1 / np.where(lengths > 0, lengths, 1.0), 0.0)
    add[0] = 0.0
    volts = twice(v).reshape(len(t), add.shape[1], -1)
    return Drive(jnp.asarray(twice(t)), jnp.asarray(np.concatenate([volts, add[..., None]], axis=-1)), drive.ts)


def campaign(device: AbstractDevice, size: int, seed: int, chunk: int = 128) -> Outcome:
    """Draw, solve, compare: `size` lanes of a device in runs of `chunk`."""
    parts = [_compare(draw(device, min(chunk, size - k), seed + k), k) for k in range(0, size, chunk)]
    code, steps = (np.concatenate([getattr(p, name) for p in parts]) for name in ("code", "steps"))
    suspects = [w for p in parts for w in p.suspects]
    return Outcome(
        size, np.concatenate([p.errors for p in parts]), suspects, code, steps, sum(p.unknown for p in parts)
    )


def _compare(drawn: Draws, first: int) -> Outcome:
    found, exact = answer(drawn), reference(drawn)
    found = found._replace(code=np.where(found.steps > MAX_STEPS, TOO_MANY, found.code))
    off = errors(found.x, exact.x)
    known = (found.code == 0) & (exact.code == 0)
    suspects = []
    for lane in np.flatnonzero(known & ~(off.max(axis=1) <= LIMIT)):
        allowed = LIMIT * np.maximum(1.0, np.nan_to_num(response(drawn, lane)))
        at = int(np.nanargmax(off[lane] / allowed))
        wrong = bool(off[lane, at] > allowed[at])
        here = (float(off[lane, at]), float(allowed[at] / LIMIT))
        suspects.append(Wrong(first + int(lane), *here, wrong, float(off[lane].max())))
    unknown = int(np.sum((found.code == 0) & (exact.code != 0)))
    return Outcome(len(off), np.where(known, off.max(axis=1), np.nan), suspects, found.code, found.steps, unknown)


def by_scipy(drawn: Draws, lane: int, rtol: float = 1e-11, atol: float = 1e-13) -> np.ndarray:
    """States (samples, n) of one lane by LSODA, from knot to knot; raises RuntimeError where it fails."""
    device, env, drive = jax.tree.map(lambda a: a[lane], drawn)
    flat, unravel = ravel_pytree(device.init(env))
    rate, jacobian = _compiled(jax.tree.structure(device), unravel)
    t, v, ts = (np.asarray(a) for a in drive)
    found, y = np.full((len(ts), len(flat)), np.nan), np.asarray(flat)
    found[ts <= t[0]] = y
    for k in np.flatnonzero(np.diff(t) > 0):
        inside, length = (ts > t[k]) & (ts <= t[k + 1]), t[k + 1] - t[k]
        # Time in parts of the segment: counted from its own knot, and of order one.
        where = np.concatenate([(ts[inside] - t[k]) / length, [1.0]])
        flow, slope = (_over(f, device, env, length, v[k], v[k + 1]) for f in (rate, jacobian))
        options = dict(method="LSODA", t_eval=np.unique(where), rtol=rtol, atol=atol, jac=slope)
        got = solve_ivp(flow, (0.0, 1.0), y, **options)
        if got.status < 0 or not np.isfinite(got.y).all():
            raise RuntimeError(f"SciPy failed at t = {t[k] + got.t[-1] * length:g} s: {got.message}")
        found[inside] = got.y.T[np.searchsorted(got.t, where[:-1])]
        y = got.y[:, -1]
    return found


def _over(f: Any, device: Any, env: Any, length: float, before: np.ndarray, after: np.ndarray) -> Any:
    """f(s, y) of SciPy, s being the part of a segment of that length with those voltages at its ends."""
    count = 0

    def value(s, y):
        nonlocal count
        count += 1
        if count > EVALUATIONS:
            raise RuntimeError("SciPy does not get on: the rate rounds more coarsely than the tolerance asked for")
        return length * np.asarray(f(device, env, y, jnp.asarray(before + (after - before) * s)))

    return value


_KEPT: dict[Any, Any] = {}


def _compiled(key: Any, unravel: Any) -> Any:
    if key not in _KEPT:

        def rate(device, env, y, v):
            return ravel_pytree(device.rate(unravel(y), v, env))[0]

        _KEPT[key] = jax.jit(rate), jax.jit(jax.jacfwd(rate, 2))
    return _KEPT[key]
