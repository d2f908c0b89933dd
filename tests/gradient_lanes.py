"""The lanes of `gradient_campaign.py`: devices drawn at random, and what is asked of them, as compiled functions.

Everything is a function of `place`, one number a lane for every parameter, for the ambient temperature and for the size
of the voltages, so that one direction in it has one derivative a lane in both modes.
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
from neurojax.switching import Question, implicit, motion, observed
from neurojax.testing.draws import inside
from neurojax.waveform import interpolate
from physics.device import AbstractDevice, Environment
from physics.quantity import Parameter, parameters, with_values

RTOL, ATOL = 1e-11, 1e-13
"""Of the solver, also for the differences."""
NEAR = 8
"""Samples of a lane beside those of the draw: where the crossing is looked for."""
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
    device, _, drive = given.drawn
    known = parameters(device)
    device = with_values(device, {n: inside(p, place[n]) for n, p in known.items()})
    volts = place["volts"].reshape(-1, *[1] * (drive.v.ndim - 1))
    return Draws(device, Environment(temperature=100 * place["kelvin"]), drive._replace(v=drive.v * volts))


class Run(NamedTuple):
    """What the solver is given at one place. lanes: devices, surroundings; x0: initial states."""

    lanes: Members
    drive: Drive
    x0: Any
    exact: tuple[Array, Array]


def run_at(given: Problem, place: dict[str, Array], asked: Asked, rtol: Any) -> Run:
    drawn = at(given, place)
    members = Members(drawn.device, drawn.env, None)
    x0 = start_states(members, member_axes(members), None, drawn.drive.t.shape[0])
    exact = (jnp.asarray(rtol), jnp.asarray(ATOL / RTOL * rtol))
    return Run(members, Drive(drawn.drive.t, drawn.drive.v, asked.ts), x0, exact)


def answers(
    given: Problem, place: dict[str, Array], asked: Asked, name: str, rtol: Any, gradient: str, moved: Any = None
) -> Answer:
    """All quantities of all lanes at `place`. moved: from `motions`, which is asked here if none."""
    run = run_at(given, place, asked, rtol)
    moved = motions(run, asked) if moved is None else moved
    xs, steps, code = solve(run.lanes, member_axes(run.lanes), run.drive, run.x0, run.exact, MAX_STEPS, gradient)
    return quantities(run, xs, asked, name, steps, code, moved)


def motions(run: Run, asked: Asked) -> Any:
    """dx/dt at all samples, without a derivative."""
    members, (t, v, ts), x0, exact = run
    return motion(Question(members, t, v, x0, asked.level, exact), ts, MAX_STEPS)


def quantities(run: Run, xs: Any, asked: Asked, name: str, steps: Array, code: Array, moved: Any) -> Answer:
    """Of the states at all samples, and their motion."""
    (members, (t, v, _), x0, exact), axes = run, member_axes(run.lanes)
    rows = jnp.stack(jax.tree.leaves(xs), axis=-1)
    ts = _pick(asked.ts, asked.mine)
    each = jax.vmap(jax.vmap(_seen, (None, 0, 0, None, None)), (axes, 0, 0, 0, 0))
    i, power = each(members, jax.tree.map(lambda a: _pick(a, asked.mine), xs), ts, t, v)
    i = i.reshape(*i.shape[:2], -1)
    charge = jax.vmap(jax.vmap(cumulative, (None, 1), 1))(ts, i)[:, -1]
    energy = jax.vmap(cumulative)(ts, power)[:, -1:]
    near = jax.tree.map(lambda a: _pick(a, asked.near), xs)
    question, moved = (
        Question(members, t, v, x0, asked.level, exact),
        jax.tree.map(lambda a: _pick(a, asked.near), moved),
    )
    y, speed = observed(question, near, _pick(asked.ts, asked.near), name, moved)
    here = lambda a: _pick(a, asked.middle[:, None])[:, 0]  # noqa: E731
    when = implicit(here(_pick(asked.ts, asked.near)), here(y), here(speed), asked.level, asked.crossed)
    g = {"state": _pick(rows, asked.mine)[:, -1], "charge": charge, "energy": energy, "time": when[:, None]}
    return Answer(g, y, _pick(rows, asked.mine), steps, code)


def _seen(member: Members, x: Any, t: Array, wave_t: Array, wave_v: Array) -> tuple[Array, Array]:
    return member.observe(x, *interpolate(wave_t, wave_v, t))


def _pick(a: Array, k: Array) -> Array:
    return jnp.take_along_axis(a, k.reshape(*k.shape, *[1] * (a.ndim - 2)), axis=1)


@eqx.filter_jit
def value(given, place, asked, name, rtol) -> Answer:
    return answers(given, place, asked, name, rtol, "forward")


@eqx.filter_jit
def forward(given, asked, name, rtol) -> tuple[Answer, dict[str, Array]]:
    """Answers, and dg/ds by forward mode."""
    found, slope = jax.jvp(lambda p: answers(given, p, asked, name, rtol, "forward"), (given.place,), (given.along,))
    return found, slope.g


def take(tree: Any, lanes: np.ndarray) -> Any:
    return jax.tree.map(lambda a: a[lanes], tree)


def eight(tree: Any) -> Any:
    """Every lane eight times, the copies of one lane side by side."""
    return jax.tree.map(lambda a: jnp.repeat(jnp.asarray(a), NEAR, axis=0), tree)


def anywhere(given: Problem) -> np.ndarray:
    """NEAR times anywhere."""
    ends = np.asarray(given.drawn.drive.ts[:, -1])
    return ends[:, None] * (np.arange(NEAR)[None] + 0.5) / NEAR


def samples_of(given: Problem, near: np.ndarray, level: np.ndarray, crossed: np.ndarray) -> Asked:
    """The samples of the draws and those `near`, of which the first is the crossing."""
    mine = np.asarray(given.drawn.drive.ts)
    both = np.concatenate([mine, near], axis=1)
    order = np.argsort(both, axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable").astype(np.int32)
    # The middle is counted among `near` in the order in which it was given.
    middle, samples = np.zeros(len(mine), np.int32), mine.shape[1]
    parts = (np.take_along_axis(both, order, axis=1), rank[:, :samples], rank[:, samples:], level, crossed, middle)
    return Asked(*map(jnp.asarray, parts))
