"""What is compared when the derivatives of devices that were drawn at random (`draws.py`) are asked for.

    quantities   final state, charge and energy up to the last sample (trapezoidal rule over the samples),
                 time at which a state has gone half of its farthest way, at a level that is kept fixed
    direction    every parameter, anywhere from -1 to 1 of its bounds a unit (along its scale), ambient temperature up
                 to 100 K, all voltages times 1 +- 1: one derivative dg/ds a draw
    forward      by jvp, all draws being lanes of one run
    differences  central, of order eight, of solutions at the same tolerance; the crossing is looked for anew in each,
                 by inverse interpolation of its eight nearest samples, so that nothing of `switching.py` is in it
    reverse      gradient to every parameter of every lane, times the direction

The error of a difference is taken to be its distance from that of order six, from the same points: it sees the steps
that are too large and the noise of those too small, as adaptive steps change with s. Of several sizes h the one with
the least error counts. Derivatives are measured on

    scale = max(|dg/ds|, FLOOR |g|)         |g| being what it has gone from its start, for a state

and a draw is wrong if they differ by more than TOLERANCE scale, or by more than ten errors of the difference where
that is larger. The latter are counted (`Verdict.unclear`), so that nobody has to believe the excuse.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from draws import Draws, draw
from jaxtyping import Array

from neurojax._drive import Drive
from neurojax.members import Members, member_axes, start_states
from neurojax.record import cumulative
from neurojax.simulate import solve
from neurojax.switching import Question, _points, implicit, observed
from neurojax.testing.draws import inside
from neurojax.waveform import interpolate
from physics.device import AbstractDevice, Environment
from physics.quantity import Parameter, parameters, with_values

RTOL, ATOL = 1e-11, 1e-13
USUAL = 1e-6
TOLERANCE, MIRROR, FLOOR = 1e-6, 1e-10, 1e-3
STEPS = (1e-3, 2e-4, 4e-5, 5e-3)
"""h, in parts of the bounds; the next is tried where those before leave a difference less certain than TOLERANCE/3."""
SHIFTS = np.asarray([-4, -3, -2, -1, 1, 2, 3, 4], dtype=float)
EIGHTH = np.asarray([3, -32, 168, -672, 672, -168, 32, -3]) / 840
SIXTH = np.asarray([0, -1, 9, -45, 45, -9, 1, 0]) / 60
NEAR = 8
"""Samples of a lane beside those of the draw: where the crossing is looked for."""
ROUNDS = 10
MAX_STEPS = 2**15
GROUPS = ("state", "charge", "energy", "time")


class Problem(NamedTuple):
    """Lanes. place, along: fraction of the bounds of every parameter, kelvin and factor of the voltages, by name."""

    drawn: Draws
    place: dict[str, Array]
    along: dict[str, Array]


class Asked(NamedTuple):
    """ts: all sample times (lanes, S + NEAR), sorted; which of them are those of the draw, which the others.

    level: of the state that is to cross; crossed: whether it does; middle: at which of `near`.
    """

    ts: Array
    mine: Array
    near: Array
    level: Array
    crossed: Array
    middle: Array


class Answer(NamedTuple):
    """g: by group (lanes, quantities); y: of the state that crosses, at `near`; and how the solver fared."""

    g: dict[str, Array]
    y: Array
    rows: Array
    steps: Array
    code: Array


def problem(device: AbstractDevice, size: int, seed: int) -> Problem:
    """Random lanes and random directions; a little inside the bounds, so that there are two sides of each lane."""
    drawn, rng = draw(device, size, seed), np.random.default_rng(seed + 1)
    place = {n: jnp.clip(_fraction(p), 0.02, 0.98) for n, p in parameters(drawn.device).items()}
    place |= {"kelvin": drawn.env.temperature / 100, "volts": jnp.ones(size)}
    return Problem(drawn, place, {n: jnp.asarray(rng.uniform(-1, 1, size)) for n in place})


def _fraction(p: Parameter) -> Array:
    lo, hi = p.bounds
    return jnp.log(p.value / lo) / jnp.log(hi / lo) if p.quantity.scale == "log" else (p.value - lo) / (hi - lo)


def at(given: Problem, place: dict[str, Array]) -> Draws:
    """The draws with their numbers elsewhere."""
    device, env, drive = given.drawn
    known = parameters(device)
    device = with_values(device, {n: inside(p, place[n]) for n, p in known.items()})
    volts = place["volts"].reshape(-1, *[1] * (drive.v.ndim - 1))
    return Draws(device, Environment(temperature=100 * place["kelvin"]), drive._replace(v=drive.v * volts))


def answers(given: Problem, place: dict[str, Array], asked: Asked, name: str, rtol: Any, gradient: str) -> Answer:
    """All quantities of all lanes at `place`."""
    drawn = at(given, place)
    members = Members(drawn.device, drawn.env, None)
    axes, (t, v, _) = member_axes(members), drawn.drive
    x0 = start_states(members, axes, None, t.shape[0])
    exact = (jnp.asarray(rtol), jnp.asarray(ATOL / RTOL * rtol))
    xs, steps, code = solve(members, axes, Drive(t, v, asked.ts), x0, exact, MAX_STEPS, gradient)
    rows = jnp.stack(jax.tree.leaves(xs), axis=-1)
    ts = _pick(asked.ts, asked.mine)
    each = jax.vmap(jax.vmap(_seen, (None, 0, 0, None, None)), (axes, 0, 0, 0, 0))
    i, power = each(members, jax.tree.map(lambda a: _pick(a, asked.mine), xs), ts, t, v)
    i = i.reshape(*i.shape[:2], -1)
    charge = jax.vmap(jax.vmap(cumulative, (None, 1), 1))(ts, i)[:, -1]
    energy = jax.vmap(cumulative)(ts, power)[:, -1:]
    near = jax.tree.map(lambda a: _pick(a, asked.near), xs)
    y, speed = observed(Question(members, t, v, x0, asked.level, exact), near, _pick(asked.ts, asked.near), name)
    here = lambda a: _pick(a, asked.middle[:, None])[:, 0]  # noqa: E731
    when = implicit(here(_pick(asked.ts, asked.near)), here(y), here(speed), asked.level, asked.crossed)
    g = {"state": _pick(rows, asked.mine)[:, -1], "charge": charge, "energy": energy, "time": when[:, None]}
    return Answer(g, y, _pick(rows, asked.mine), steps, code)


def _seen(member: Members, x: Any, t: Array, wave_t: Array, wave_v: Array) -> tuple[Array, Array]:
    return member.observe(x, *interpolate(wave_t, wave_v, t))


def _pick(a: Array, k: Array) -> Array:
    return jnp.take_along_axis(a, k.reshape(*k.shape, *[1] * (a.ndim - 2)), axis=1)


@eqx.filter_jit
def value(given, place, asked, name) -> Answer:
    return answers(given, place, asked, name, RTOL, "forward")


@eqx.filter_jit
def forward(given, asked, name, rtol) -> tuple[Answer, dict[str, Array]]:
    """Answers, and dg/ds by forward mode."""
    found, slope = jax.jvp(lambda p: answers(given, p, asked, name, rtol, "forward"), (given.place,), (given.along,))
    return found, slope.g


@eqx.filter_jit
def reverse(given, asked, name, rtol, weights: dict[str, Array]) -> dict[str, tuple[Array, Array]]:
    """Sum over the quantities of a group of weight times dg/ds by reverse mode (lanes,), and what it is a sum of."""
    zero = {n: jnp.zeros_like(w) for n, w in weights.items()}
    seeds = [zero | {n: weights[n]} for n in GROUPS]
    _, pull = jax.vjp(lambda p: answers(given, p, asked, name, rtol, "reverse").g, given.place)
    found = jax.lax.map(lambda seed: pull(seed)[0], jax.tree.map(lambda *a: jnp.stack(a), *seeds))
    parts = jnp.stack([found[n] * given.along[n][None] for n in given.along])
    return {n: (jnp.sum(parts, axis=0)[k], jnp.sum(jnp.abs(parts), axis=0)[k]) for k, n in enumerate(GROUPS)}


class Verdict(NamedTuple):
    """Of one device: per group arrays (draws,), the worst of its quantities, in parts of the scale; nan if not asked.

    gap: between forward mode and the difference; doubt: the error of the difference; mirror: between reverse and
    forward mode, in parts of what they are a sum of. weak: |dg/ds| over the scale.
    """

    gap: dict[str, np.ndarray]
    doubt: dict[str, np.ndarray]
    mirror: dict[str, np.ndarray]
    rounding: dict[str, np.ndarray]
    steps: np.ndarray
    code: np.ndarray

    def unclear(self, group: str) -> np.ndarray:
        """Draws whose difference cannot tell TOLERANCE."""
        return np.flatnonzero(~(self.doubt[group] <= TOLERANCE / 3) & ~np.isnan(self.gap[group]))

    def wrong(self, group: str) -> np.ndarray:
        """Draws whose derivative differs from the difference by more than TOLERANCE and ten errors of it."""
        gap, doubt = self.gap[group], self.doubt[group]
        return np.flatnonzero(gap > np.maximum(TOLERANCE, 10 * np.minimum(doubt, 1e300)))

    def askew(self, group: str) -> np.ndarray:
        """Draws whose reverse mode differs from forward mode by more than MIRROR and ten times what rounding does."""
        return np.flatnonzero(self.mirror[group] > np.maximum(MIRROR, 10 * self.rounding[group]))

    def rounded(self, group: str) -> np.ndarray:
        """Draws in which rounding alone moves the derivative by more than MIRROR / 10."""
        return np.flatnonzero(self.rounding[group] > MIRROR / 10)


def campaign(device: AbstractDevice, size: int, seed: int, chunk: int = 25) -> Verdict:
    """Of `size` draws, a multiple of `chunk`; lanes of about as many steps run together."""
    given, name = problem(device, size, seed), next(iter(parameters(device.init(Environment()))))
    first = _first_look(given, name, size, chunk)
    order = np.argsort(first.steps + np.where(first.code != 0, 10**9, 0), kind="stable")
    parts = []
    for lanes in order.reshape(-1, chunk):
        parts.append(_compare(_take(given, lanes), _take(first, lanes), name, seed))
    back = np.argsort(order)
    return jax.tree.map(lambda *a: np.concatenate(a)[back], *parts)


def _take(tree: Any, lanes: np.ndarray) -> Any:
    return jax.tree.map(lambda a: a[lanes], tree)


def _eight(tree: Any) -> Any:
    """Every lane eight times, the copies of one lane side by side."""
    return jax.tree.map(lambda a: jnp.repeat(jnp.asarray(a), NEAR, axis=0), tree)


def _first_look(given: Problem, name: str, size: int, chunk: int) -> Answer:
    """All draws once, in runs of 8 `chunk`."""
    parts = []
    for k in range(0, size, NEAR * chunk):
        lanes = np.arange(k, k + NEAR * chunk) % size
        some = _take(given, lanes)
        some_asked = _asked(some, _spread(some), np.zeros(len(lanes)), np.zeros(len(lanes), bool))
        parts.append(jax.tree.map(np.asarray, value(some, some.place, some_asked, name)))
    return jax.tree.map(lambda *a: np.concatenate(a)[:size], *parts)


def _spread(given: Problem) -> np.ndarray:
    """NEAR times anywhere."""
    ends = np.asarray(given.drawn.drive.ts[:, -1])
    return ends[:, None] * (np.arange(NEAR)[None] + 0.5) / NEAR


def _asked(given: Problem, near: np.ndarray, level: np.ndarray, crossed: np.ndarray) -> Asked:
    """The samples of the draws and those `near`, of which the first is the crossing."""
    mine = np.asarray(given.drawn.drive.ts)
    both = np.concatenate([mine, near], axis=1)
    order = np.argsort(both, axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable").astype(np.int32)
    # The middle is counted among `near` in the order in which it was given.
    middle, samples = np.zeros(len(mine), np.int32), mine.shape[1]
    parts = (np.take_along_axis(both, order, axis=1), rank[:, :samples], rank[:, samples:], level, crossed, middle)
    return Asked(*map(jnp.asarray, parts))


def _levels(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half way to the farthest sample of the first state: level, whether it has moved at all, its range."""
    y = rows[:, :, 0]
    far = np.nanargmax(np.where(np.isnan(y), -1.0, np.abs(y - y[:, :1])), axis=1)
    end = np.take_along_axis(y, far[:, None], axis=1)[:, 0]
    height = np.abs(end - y[:, 0])
    return 0.5 * (end + y[:, 0]), height > 1e-4, height


def _crossings(given: Problem, rows: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Time, level, whether crossed, and range: by sampling the interval of the crossing ever more densely."""
    level, crossed, height = _levels(rows)
    t, y = np.asarray(given.drawn.drive.ts), rows[:, :, 0]
    rising = y[:, 0] < level
    many, lanes = _eight(given), np.arange(len(level))
    for _ in range(ROUNDS):
        k = np.argmax(np.where(rising[:, None], y >= level[:, None], y <= level[:, None]), axis=1)
        k = np.where(crossed, np.maximum(k, 1), 1)
        a, b, low, high = t[lanes, k - 1], t[lanes, k], y[lanes, k - 1], y[lanes, k]
        rise = np.where(high == low, 1.0, high - low)
        t0 = a + np.clip((level - low) / rise, 0, 1) * (b - a)
        near = (b - a <= 1e3 * np.finfo(float).eps * b) | (np.abs(high - low) <= 1e-6 * height)
        if np.all(near | ~crossed):
            break
        t = np.asarray(jax.vmap(_points)(*map(jnp.asarray, (a, t0, b))))
        t = np.where(crossed[:, None], t, np.linspace(0, 1, t.shape[1])[None] * b[:, None])
        asked = _asked(many, t.reshape(-1, NEAR), np.repeat(level, NEAR), np.repeat(crossed, NEAR))
        y = np.asarray(value(many, many.place, asked, name).y).reshape(len(lanes), -1)
    return t0, level, crossed, height


def _compare(given: Problem, first: Answer, name: str, seed: int) -> Verdict:
    t0, level, crossed, height = _crossings(given, first.rows, name)
    beside = np.where(crossed[:, None], t0[:, None] * (1 + 1e-9 * np.arange(NEAR)), _spread(given))
    asked = _asked(given, beside, level, crossed)
    found, slope = jax.tree.map(np.asarray, forward(given, asked, name, jnp.asarray(RTOL)))
    scale = _scale(given, found, slope)
    best, doubt = ({n: np.full(slope[n].shape, np.inf) for n in GROUPS} for _ in range(2))
    for h in STEPS:
        eighth, sixth = _differences(given, h, t0, level, crossed, height, slope["time"][:, 0], name)
        for n in GROUPS:
            error = np.abs(eighth[n] - sixth[n])
            better = error < doubt[n]
            best[n], doubt[n] = np.where(better, eighth[n], best[n]), np.where(better, error, doubt[n])
        if all(np.all(doubt[n] <= TOLERANCE / 3 * scale[n]) for n in GROUPS):
            break
    out = (found.code != 0) | (first.code != 0)
    asked_for = {n: ~out & (crossed if n == "time" else True) for n in GROUPS}
    worst = lambda a, n: np.where(asked_for[n], np.max(a / np.where(scale[n] > 0, scale[n], 1), axis=1), np.nan)  # noqa: E731
    gap = {n: worst(np.abs(best[n] - slope[n]), n) for n in GROUPS}
    doubt = {n: worst(doubt[n], n) for n in GROUPS}
    mirror, rounding = _mirrored(given, asked, name, asked_for, seed)
    return Verdict(gap, doubt, mirror, rounding, first.steps, np.where(out, 1, 0))


def _scale(given: Problem, found: Answer, slope: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """On what a derivative is measured, by group."""
    bounds = [p.bounds for p in parameters(given.drawn.device.init(given.drawn.env)).values()]
    span = {n: np.abs(found.g[n]) for n in GROUPS} | {"state": np.asarray([high - low for low, high in bounds])[None]}
    return {n: np.maximum(np.abs(slope[n]), FLOOR * span[n]) for n in GROUPS}


def _differences(given, h, t0, level, crossed, height, moves, name) -> tuple[dict, dict]:
    """dg/ds of order eight and of order six from solutions at -4h .. 4h, by group."""
    many = _eight(given)
    shift = h * jnp.asarray(np.tile(SHIFTS, len(t0)))
    place = {n: many.place[n] + shift * many.along[n] for n in many.place}
    width = np.maximum(1.5 * h * np.abs(moves), 1e3 * np.finfo(float).eps * t0)
    offsets = np.concatenate([[0.0], np.arange(1.0, NEAR) - NEAR // 2])
    offsets[NEAR // 2] = NEAR // 2
    near = np.where(crossed[:, None], t0[:, None] + width[:, None] * offsets[None], _spread(given))
    near = np.clip(near, 0.0, np.asarray(given.drawn.drive.ts)[:, -1:])
    asked = _asked(many, np.repeat(near, NEAR, axis=0), np.repeat(level, NEAR), np.repeat(crossed, NEAR))
    found = jax.tree.map(np.asarray, value(many, place, asked, name))
    times = _inverse(np.repeat(near, NEAR, axis=0), found.y, np.repeat(level, NEAR))
    g = {**found.g, "time": times[:, None]}
    g = {n: a.reshape(len(t0), NEAR, -1) for n, a in g.items()}
    return tuple({n: np.einsum("lsq,s->lq", a, c) / h for n, a in g.items()} for c in (EIGHTH, SIXTH))


def _inverse(t: np.ndarray, y: np.ndarray, level: np.ndarray) -> np.ndarray:
    """t at y = level on the polynomial t(y) through the samples of each lane (Neville's scheme)."""
    start, off = t[:, :1], y - level[:, None]
    part = t - start
    with np.errstate(divide="ignore", invalid="ignore"):
        for k in range(1, t.shape[1]):
            part = (off[:, k:] * part[:, :-1] - off[:, :-k] * part[:, 1:]) / (off[:, k:] - off[:, :-k])
    return start[:, 0] + part[:, 0]


def _mirrored(given, asked, name, asked_for, seed) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Reverse from forward mode, and forward mode from itself where all places differ by rounding, by group.

    For random weights of the quantities of a group, in parts of the larger of what reverse mode sums up and the scale.
    """
    rng, size, usual = np.random.default_rng(seed + 2), len(asked.level), jnp.asarray(USUAL)
    found, slope = jax.tree.map(np.asarray, forward(given, asked, name, usual))
    scale = _scale(given, found, slope)
    weights = {n: np.where(asked_for[n][:, None], rng.uniform(0.5, 1.5, slope[n].shape), 0.0) for n in GROUPS}
    summed = lambda slope, n: np.sum(weights[n] * np.where(asked_for[n][:, None], slope[n], 0.0), axis=1)  # noqa: E731
    backwards = reverse(given, asked, name, usual, {n: jnp.asarray(w) for n, w in weights.items()})
    others = []
    for _ in range(2):
        place = {n: a * jnp.asarray(1 + 4e-16 * rng.choice([-1.0, 1.0], size)) for n, a in given.place.items()}
        others.append(jax.tree.map(np.asarray, forward(given._replace(place=place), asked, name, usual)[1]))
    mirror, rounding = {}, {}
    for n in GROUPS:
        total, parts = map(np.asarray, backwards[n])
        whole = np.maximum(parts, np.sum(weights[n] * np.where(asked_for[n][:, None], scale[n], 1.0), axis=1))
        part = lambda gap: np.where(asked_for[n], np.abs(gap) / np.where(whole > 0, whole, 1.0), np.nan)  # noqa: B023, E731
        mirror[n] = part(total - summed(slope, n))
        rounding[n] = np.max([part(summed(other, n) - summed(slope, n)) for other in others], axis=0)
    return mirror, rounding
