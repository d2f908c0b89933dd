"""What is compared when the derivatives of devices that were drawn at random (`draws.py`) are asked for.

    quantities   final state, charge and energy up to the last sample (trapezoidal rule over the samples),
                 time at which a state has gone half of its farthest way, at a level that is kept fixed
    direction    every parameter, anywhere from -1 to 1 of its bounds a unit (along its scale), ambient temperature up
                 to 100 K, all voltages times 1 +- 1: one derivative dg/ds a draw
    forward      by jvp, all draws being lanes of one run
    differences  of order eight, of solutions at the same tolerance; the crossing is looked for anew in each, by inverse
                 interpolation of its eight nearest samples in a segment: nothing of `switching.py` is in it
    reverse      gradient to every parameter of every lane, times the direction

Where a crossing lies close to a knot its time has a corner, as the rate has: no central difference is any good, but
that of order four from the side on which s = 0 lies is.

The error of a difference is taken to be its distance from a lower order (six, three), from the same points: it sees the
steps that are too large and the noise of those too small, as adaptive steps change with s. Of several sizes h and the
three sides the one with the least error counts. Derivatives are measured on

    scale = max(|dg/ds|, FLOOR |g|)         for a state the width of its bounds instead of |g|

and a draw is wrong if they differ by more than TOLERANCE scale, and by more than ten errors of the difference where
that is larger: a device that runs away has derivatives which no difference can tell. Those are counted
(`Verdict.unclear`), so that nobody has to believe the excuse. It is not seen that the error of a solution may change
smoothly with s, and a derivative has an error of its own, larger than that of the solution where the rate has a corner;
so what disagrees is asked again at a tenth of the tolerance (`Verdict.coarse`).

Reverse and forward mode of one run (`gradient_replay.py`) agree to MIRROR at the tolerance of a user, in parts of the
sum of all |gradient x direction| or of the scale. Excused (`Verdict.soft`) are draws in which either mode along the
same steps changes by a tenth of that much where all places are off by 4e-16: those with corners of 1e-9 V.

Two runs, which is what a user compares, do not take the same steps to the last digit: the error of a step is a small
difference, and the next size follows from it. So their derivatives differ by the error of the method times what the
steps differ. These draws are counted: those where places off by 4e-16 change forward mode by a tenth of that
(`Verdict.excused`), the others (`torn`), and those where not even the number of steps is the same (`apart`).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gradient_lanes import (
    GROUPS,
    NEAR,
    RTOL,
    Answer,
    Asked,
    Problem,
    anywhere,
    eight,
    forward,
    problem,
    samples_of,
    take,
    value,
)
from gradient_replay import replayed

from physics.device import AbstractDevice, Environment
from physics.quantity import parameters

FINER = 1e-12
"""Of solver and differences where they disagree at `RTOL`; see `Verdict.coarse`."""
USUAL = 1e-6
"""Tolerance at which reverse mode is compared with forward mode: that of a user."""
TOLERANCE, MIRROR, FLOOR = 1e-6, 1e-10, 1e-3
STEPS = ((1e-3, 2e-4), (2e-4, 8e-6), (4e-5, 3e-7), (2e-4, 3e-4), (8e-6, 4e-7))
"""h, in parts of the bounds, and how far around its first-order place a crossing is looked for, in parts of dt/ds.

The next is tried where those before leave a difference less certain than TOLERANCE/3.
"""
SHIFTS = np.asarray([-4, -3, -2, -1, 1, 2, 3, 4], dtype=float)
BEHIND = (np.asarray([-25, 48, -36, 16, -3]) / 12, np.asarray([-11, 18, -9, 2, 0]) / 6)
DIFFERENCES = (
    (
        np.asarray([0, 1, 2, 3, 5, 6, 7, 8]),
        np.asarray([3, -32, 168, -672, 672, -168, 32, -3]) / 840,
        np.asarray([0, -1, 9, -45, 45, -9, 1, 0]) / 60,
    ),
    (np.asarray([4, 5, 6, 7, 8]), *BEHIND),
    (np.asarray([4, 3, 2, 1, 0]), *(-weights for weights in BEHIND)),
)
"""Of which of the points -4h .. 4h, their weights, and those of a lower order; central, and from either side."""
ROUNDS = 10


class Verdict(NamedTuple):
    """Of one device: per group arrays (draws,), the worst of its quantities, in parts of the scale; nan if not asked.

    gap: between forward mode and the difference; doubt: the error of the difference; coarse: draws whose gap and doubt
    are those of FINER. mirror: between reverse and forward mode of one run; modes: of two runs. shaken, rounding:
    between forward mode and itself with places off by rounding, in one run and in two. apart: numbers of steps of the
    two runs differ; code: 1 where the solver gave up.
    """

    gap: dict[str, np.ndarray]
    doubt: dict[str, np.ndarray]
    coarse: np.ndarray
    mirror: dict[str, np.ndarray]
    shaken: dict[str, np.ndarray]
    modes: dict[str, np.ndarray]
    rounding: dict[str, np.ndarray]
    apart: np.ndarray
    steps: np.ndarray
    code: np.ndarray

    def unclear(self, group: str) -> np.ndarray:
        """Draws whose difference cannot tell TOLERANCE."""
        return np.flatnonzero(~(self.doubt[group] <= TOLERANCE / 3) & ~np.isnan(self.gap[group]))

    def wrong(self, group: str) -> np.ndarray:
        """Draws whose derivative differs from the difference by more than TOLERANCE and ten errors of it."""
        gap, doubt = self.gap[group], self.doubt[group]
        return np.flatnonzero(np.isfinite(doubt) & (gap > np.maximum(TOLERANCE, 10 * doubt)))

    def askew(self, group: str) -> np.ndarray:
        """Draws whose reverse mode is not the transpose of forward mode, to MIRROR and ten times what rounding does."""
        return np.flatnonzero(self.mirror[group] > np.maximum(MIRROR, 10 * self.shaken[group]))

    def soft(self, group: str) -> np.ndarray:
        """Draws whose reverse mode differs from forward mode along the same steps by more than MIRROR, by rounding."""
        return np.setdiff1d(np.flatnonzero(self.mirror[group] > MIRROR), self.askew(group))

    def torn(self, group: str) -> np.ndarray:
        """Draws whose modes differ between two runs by more than MIRROR and ten times what rounding does."""
        allowed = np.maximum(MIRROR, 10 * self.rounding[group])
        return np.flatnonzero(~self.apart & (self.modes[group] > allowed))

    def excused(self, group: str) -> np.ndarray:
        """Draws whose modes differ between two runs by more than MIRROR, as rounding says or the steps are others."""
        return np.setdiff1d(np.flatnonzero(self.modes[group] > MIRROR), self.torn(group))


def campaign(device: AbstractDevice, size: int, seed: int, chunk: int = 25) -> Verdict:
    """Of `size` draws, a multiple of `chunk`; lanes of about as many steps run together."""
    given, name = problem(device, size, seed), next(iter(parameters(device.init(Environment()))))
    first = _first_look(given, name, size, chunk)
    order = np.argsort(first.steps + np.where(first.code != 0, 10**9, 0), kind="stable")
    parts = []
    for lanes in order.reshape(-1, chunk):
        parts.append(_compare(take(given, lanes), take(first, lanes), name, seed))
    back = np.argsort(order)
    return jax.tree.map(lambda *a: np.concatenate(a)[back], *parts)


def _first_look(given: Problem, name: str, size: int, chunk: int) -> Answer:
    """All draws once, in runs of 8 `chunk`."""
    parts = []
    for k in range(0, size, NEAR * chunk):
        lanes = np.arange(k, k + NEAR * chunk) % size
        some = take(given, lanes)
        some_asked = samples_of(some, anywhere(some), np.zeros(len(lanes)), np.zeros(len(lanes), bool))
        parts.append(jax.tree.map(np.asarray, value(some, some.place, some_asked, name, jnp.asarray(RTOL))))
    return jax.tree.map(lambda *a: np.concatenate(a)[:size], *parts)


def _levels(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half way to the farthest sample of the first state: level, whether it has moved at all, its range."""
    y = rows[:, :, 0]
    far = np.nanargmax(np.where(np.isnan(y), -1.0, np.abs(y - y[:, :1])), axis=1)
    end = np.take_along_axis(y, far[:, None], axis=1)[:, 0]
    height = np.abs(end - y[:, 0])
    return 0.5 * (end + y[:, 0]), height > 1e-4, height


def _crossings(given: Problem, rows: np.ndarray, name: str, rtol: float) -> tuple[np.ndarray, ...]:
    """Time, level, whether crossed, and how long a thousandth of the range takes then: by ever denser samples."""
    level, crossed, height = _levels(rows)
    t, y = np.asarray(given.drawn.drive.ts), rows[:, :, 0]
    rising = y[:, 0] < level
    many, lanes = eight(given), np.arange(len(level))
    for _ in range(ROUNDS):
        k = np.argmax(np.where(rising[:, None], y >= level[:, None], y <= level[:, None]), axis=1)
        k = np.where(crossed, np.maximum(k, 1), 1)
        a, b, low, high = t[lanes, k - 1], t[lanes, k], y[lanes, k - 1], y[lanes, k]
        rise = np.where(high == low, 1.0, high - low)
        t0 = a + np.clip((level - low) / rise, 0, 1) * (b - a)
        near = (b - a <= 1e3 * np.finfo(float).eps * b) | (np.abs(high - low) <= 1e-6 * height)
        if np.all(near | ~crossed):
            break
        t = _crowd(a[:, None], t0[:, None], b[:, None])
        t = np.where(crossed[:, None], t, np.linspace(0, 1, t.shape[1])[None] * b[:, None])
        asked = samples_of(many, t.reshape(-1, NEAR), np.repeat(level, NEAR), np.repeat(crossed, NEAR))
        y = np.asarray(value(many, many.place, asked, name, jnp.asarray(rtol)).y).reshape(len(lanes), -1)
    return t0, level, crossed, 1e-3 * height / np.maximum(np.abs(rise) / np.maximum(b - a, 1e-300), 1e-300)


def _crowd(a: np.ndarray, t0: np.ndarray, b: np.ndarray) -> np.ndarray:
    """64 times from a to b: evenly, and ever closer to t0."""
    part = np.geomspace(1.0, 1e-9, 16)[None]
    even = a + np.linspace(0, 1, 32)[None] * (b - a)
    return np.sort(np.concatenate([even, t0 - part * (t0 - a), t0 + part * (b - t0)], axis=1), axis=1)


class Judged(NamedTuple):
    """`Verdict.gap` and `doubt` at one tolerance, what was asked for, the groups asked for, and where that gave up."""

    gap: dict[str, np.ndarray]
    doubt: dict[str, np.ndarray]
    asked: Asked
    asked_for: dict[str, np.ndarray]
    out: np.ndarray

    def wrong(self) -> dict[str, np.ndarray]:
        return {n: self.gap[n] > np.maximum(TOLERANCE, 10 * self.doubt[n]) for n in GROUPS}


def _compare(given: Problem, first: Answer, name: str, seed: int) -> Verdict:
    judged = _judged(given, first, name, RTOL)
    gap, doubt, asked, asked_for, out = judged
    wrong, coarse = judged.wrong(), np.zeros(len(out), bool)
    if any(a.any() for a in wrong.values()):
        finer = _judged(given, first, name, FINER)
        again = {n: wrong[n] & ~finer.out for n in GROUPS}
        gap = {n: np.where(again[n], finer.gap[n], gap[n]) for n in GROUPS}
        doubt = {n: np.where(again[n], finer.doubt[n], doubt[n]) for n in GROUPS}
        coarse = np.any(list(again.values()), axis=0)
    mirror, shaken, modes, rounding, apart = _mirrored(given, asked, name, asked_for, seed)
    return Verdict(gap, doubt, coarse, mirror, shaken, modes, rounding, apart, first.steps, np.where(out, 1, 0))


def _judged(given: Problem, first: Answer, name: str, rtol: float) -> Judged:
    t0, level, crossed, brief = _crossings(given, first.rows, name, rtol)
    ends = np.asarray(given.drawn.drive.ts)[:, -1:]
    beside = np.where(crossed[:, None], np.minimum(t0[:, None] * (1 + 1e-9 * np.arange(NEAR)), ends), anywhere(given))
    asked = samples_of(given, beside, level, crossed)
    found, slope = jax.tree.map(np.asarray, forward(given, asked, name, jnp.asarray(rtol)))
    scale = _scale(given, found, slope)
    best, doubt = ({n: np.full(slope[n].shape, np.inf) for n in GROUPS} for _ in range(2))
    where = (t0, level, crossed, brief, slope["time"][:, 0])
    for h, reach in STEPS:
        g = _beside(given, h, reach, where, name, rtol)
        points = {n: np.insert(g[n], 4, found.g[n] if n != "time" else t0[:, None], axis=1) for n in GROUPS}
        for n in GROUPS:
            for at, weights, lower in DIFFERENCES:
                value, rough = (np.einsum("lsq,s->lq", points[n][:, at], w) / h for w in (weights, lower))
                better = np.abs(value - rough) < doubt[n]
                doubt[n] = np.where(better, np.abs(value - rough), doubt[n])
                best[n] = np.where(better, value, best[n])
        if all(np.all(doubt[n] <= TOLERANCE / 3 * scale[n]) for n in GROUPS):
            break
    out = (found.code != 0) | (first.code != 0)
    asked_for = {n: ~out & (crossed if n == "time" else True) for n in GROUPS}

    def worst(a, n, otherwise):
        part = np.max(a / np.where(scale[n] > 0, scale[n], 1), axis=1)
        # A derivative that is not finite is wrong whatever the difference says.
        return np.where(asked_for[n], np.where(np.isfinite(slope[n]).all(axis=1), part, otherwise), np.nan)

    gap = {n: worst(np.abs(best[n] - slope[n]), n, np.inf) for n in GROUPS}
    return Judged(gap, {n: worst(doubt[n], n, 0.0) for n in GROUPS}, asked, asked_for, out)


def _scale(given: Problem, found: Answer, slope: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """On what a derivative is measured, by group."""
    bounds = [p.bounds for p in parameters(given.drawn.device.init(given.drawn.env)).values()]
    span = {n: np.abs(found.g[n]) for n in GROUPS} | {"state": np.asarray([high - low for low, high in bounds])[None]}
    return {n: np.maximum(np.abs(slope[n]), FLOOR * span[n]) for n in GROUPS}


def _beside(given: Problem, h: float, reach: float, where: tuple[np.ndarray, ...], name: str, rtol: float) -> dict:
    """All quantities at the SHIFTS, (lanes, NEAR, quantities) by group."""
    t0, level, crossed, brief, moves = where
    many = eight(given)
    shift = h * jnp.asarray(np.tile(SHIFTS, len(t0)))
    place = {n: many.place[n] + shift * many.along[n] for n in many.place}
    # Where the crossing is expected; that it is there is told by the states, which must lie on both sides.
    middle = (t0[:, None] + h * SHIFTS[None] * moves[:, None]).reshape(-1)
    width = np.repeat(np.maximum(reach * np.abs(moves), brief / NEAR), NEAR)
    near = _within_a_segment(np.repeat(np.asarray(given.drawn.drive.t), NEAR, axis=0), middle, width)
    near = np.where(np.repeat(crossed, NEAR)[:, None], near, np.repeat(anywhere(given), NEAR, axis=0))
    asked = samples_of(many, near, np.repeat(level, NEAR), np.repeat(crossed, NEAR))
    found = jax.tree.map(np.asarray, value(many, place, asked, name, jnp.asarray(rtol)))
    g = {**found.g, "time": _inverse(near, found.y, np.repeat(level, NEAR))[:, None]}
    return {n: a.reshape(len(t0), NEAR, -1) for n, a in g.items()}


def _within_a_segment(knots: np.ndarray, middle: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Times around each middle; a state has a corner at a knot, so that all are on the side of the middle."""
    middle = np.clip(np.nan_to_num(middle), 0.0, np.nextafter(knots[:, -1], 0.0))
    a = np.max(np.where(knots <= middle[:, None], knots, 0.0), axis=1)
    b = np.min(np.where(knots > middle[:, None], knots, np.inf), axis=1)
    width = np.minimum(width, (b - a) / NEAR)
    middle = np.clip(middle, a + 3 * width, b - 4 * width)
    near = middle[:, None] + width[:, None] * np.asarray([0.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0])
    return np.clip(near, a[:, None], b[:, None])


def _inverse(t: np.ndarray, y: np.ndarray, level: np.ndarray) -> np.ndarray:
    """t at y = level on the polynomial t(y) through the samples of each lane (Neville's scheme); nan if none does."""
    start, off = t[:, :1], y - level[:, None]
    outside = (np.min(off, axis=1) > 0) | (np.max(off, axis=1) < 0)
    part = t - start
    with np.errstate(divide="ignore", invalid="ignore"):
        for k in range(1, t.shape[1]):
            part = (off[:, k:] * part[:, :-1] - off[:, :-k] * part[:, 1:]) / (off[:, k:] - off[:, :-k])
    return np.where(outside, np.nan, start[:, 0] + part[:, 0])


def _mirrored(given, asked, name, asked_for, seed) -> tuple[Any, ...]:
    """`Verdict.mirror`, `shaken`, `modes`, `rounding` and `apart`.

    For random weights of the quantities of a group, in parts of the larger of what reverse mode sums up and the scale.
    """
    rng, size, usual = np.random.default_rng(seed + 2), len(asked.level), jnp.asarray(USUAL)
    found, slope = jax.tree.map(np.asarray, forward(given, asked, name, usual))
    # At this tolerance the state may have crossed before, and rest where it is.
    moves = np.isfinite(slope["time"][:, 0])
    asked_for = asked_for | {"time": asked_for["time"] & moves}
    asked = asked._replace(crossed=asked.crossed & jnp.asarray(moves))
    scale = _scale(given, found, slope)
    weights = {n: np.where(asked_for[n][:, None], rng.uniform(0.5, 1.5, slope[n].shape), 0.0) for n in GROUPS}
    summed = lambda slope, n: np.sum(weights[n] * np.where(asked_for[n][:, None], slope[n], 0.0), axis=1)  # noqa: E731
    signs = np.asarray([[0.0], [1.0], [1.0]])
    off = {n: jnp.asarray(1 + 4e-16 * signs * rng.choice([-1.0, 1.0], (3, size))) for n in given.place}
    seeds = {n: jnp.asarray(w) for n, w in weights.items()}
    backwards, along, steps = jax.tree.map(np.asarray, replayed(given, asked, name, usual, seeds, off))
    others = []
    for k in (1, 2):
        place = {n: a * off[n][k] for n, a in given.place.items()}
        others.append(jax.tree.map(np.asarray, forward(given._replace(place=place), asked, name, usual)[1]))
    mirror, shaken, modes, rounding = {}, {}, {}, {}
    for n in GROUPS:
        (total, *turned), (parts, *_) = backwards[n]
        whole = np.maximum(parts, np.sum(weights[n] * np.where(asked_for[n][:, None], scale[n], 1.0), axis=1))
        part = lambda gap: np.where(asked_for[n], np.abs(gap) / np.where(whole > 0, whole, 1.0), np.nan)  # noqa: B023, E731
        ahead = summed(slope, n)
        blind = np.isfinite(ahead) & ~np.isfinite(total)
        once, *moved = [summed({m: a[k] for m, a in along.items()}, n) for k in range(3)]
        mirror[n] = np.where(blind, np.inf, part(total - once))
        shaken[n] = np.max([part(a - once) for a in moved] + [part(a - total) for a in turned], axis=0)
        modes[n] = np.where(blind, np.inf, part(total - ahead))
        rounding[n] = np.max([part(summed(other, n) - ahead) for other in others], axis=0)
    return mirror, shaken, modes, rounding, steps != found.steps
