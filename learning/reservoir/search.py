"""Boards of the reservoir table designed: at random, by evolution, by gradient, or by half of each, at equal compute.

    board = searched(kit, 0.01, "gradient", 240, u, y, chip, mask, key=key)

Drive and time of each device and the mask of each slot may move, 130 numbers. The objective is the logarithm of the
error on the segment of choice, of the devices that are there, with new noise in each step. Pure: seeds go side by side
by `jax.vmap`.
"""

import functools
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float

from learning import codesign
from learning.metrics import nmse
from learning.readout import ridge
from learning.reservoir.kits import MASK, Board, Kit, drawn_board, reservoir_of

WASHOUT, TRAIN, CHOOSE, TEST = 100, 600, 300, 600
PENALTIES = (1e-9, 1e-7, 1e-5, 1e-3)
BOTH = "random, then gradient"
WAYS = ("random search", "CMA-ES", "gradient", BOTH)
RATIO = 4.0
"""Evaluations that a gradient counts as; by the clock it takes 3.6 (WOx, five seeds side by side)."""
CHECKS = 6
"""Looks at the segment of choice with one and the same noise, by which the best board of a search is kept."""
RATE, CLIP, SIGMA = 0.1, 1.0, 0.3
_ONE = math.log((1 - MASK[0]) / (MASK[1] - 1))
"""Where 1 lies on the line of a mask."""


class Score(NamedTuple):
    """On the segment of choice, and on that of the test by variance and by power."""

    choice: Float[Array, ""]
    variance: Float[Array, ""]
    power: Float[Array, ""]


def scored(features: Float[Array, "time features"], y: Float[Array, " time"]) -> Score:
    """Errors of the readout of some `features` for a target `y`, its penalty chosen on the second segment.

    Without the segment of the test, the errors there are nan.
    """
    ends = np.cumsum([WASHOUT, TRAIN, CHOOSE, TEST])
    train, choose, test = (slice(int(a), int(b)) for a, b in pairwise(ends))
    target = y[:, None]
    # One after another: where seeds go side by side, solutions that do not wait for each other can stop XLA for good,
    # as each holds a thread of its pool and waits for another one (jaxlib 0.10.2, two threads).
    answers = lax.map(lambda p: ridge(features[train], target[train], p)(features), jnp.asarray(PENALTIES, y.dtype))
    of = lambda part, by: jnp.stack([nmse(a[part], target[part], by) for a in answers])  # noqa: E731
    choice = of(choose, "variance")
    best = jnp.argmin(choice)
    if len(y) <= test.start:
        return Score(choice[best], *(jnp.full_like(choice[best], jnp.nan),) * 2)
    return Score(choice[best], of(test, "variance")[best], of(test, "power")[best])


def judged(kit: Kit, noise: float, board: Board, u: Array, y: Array, chip: Array, key: Array) -> Score:
    """Errors of a `board` of devices of a `kit` that are drawn by `chip`, read with `noise` by `key`, input `u`."""
    return scored(reservoir_of(kit, board, noise, key=chip).run(u, key=key), y)


def variables(kit: Kit) -> codesign.Design:
    """What may move on a board of a `kit`: the voltages and times within the bounds of its knobs, and the mask."""
    with jax.ensure_compile_time_eval():  # also where a search is traced
        blank = drawn_board(jnp.asarray(kit.nominal), key=jax.random.key(0))
    (a, c, e), (b, d, f) = kit.low, kit.high
    bounds: dict[str, Any] = {"low": (a, b), "high": (c, d), "time": (e, f), "mask": MASK}
    return codesign.Design(blank, bounds=bounds)


def drawn(kit: Kit, design: codesign.Design, around: Array, key: Array) -> Array:
    """A theta at random as one would draw it by hand: devices with the same knobs, a mask of random signs."""
    knobs, signs = jax.random.split(key)
    part = jnp.clip(jax.random.uniform(knobs, (3,), around.dtype), 1e-4, 1 - 1e-4)
    theta = around
    for name, s in zip(("low", "high", "time"), part, strict=True):
        theta = theta.at[design.part(name)].set(jnp.log(s) - jnp.log1p(-s))
    where = design.part("mask")
    mask = jax.random.choice(signs, jnp.asarray([-1.0, 1.0], around.dtype), (where.stop - where.start,))
    return theta.at[where].set(_ONE * mask)


def searched(
    kit: Kit, noise: float, way: str, evaluations: int, u: Array, y: Array, chip: Array, mask: Array, *, key: Array
) -> Board:
    """The best board that a search has found, from the one by hand on.

    Args:
        kit: kind of device. noise: relative, of each reading. way: of `WAYS`. evaluations: of the objective.
        u, y: input between 0 and 1 and target; the segment of the test is not looked at. chip: key of the devices.
        mask: signs of the board by hand. key: of the search.
    """
    seen = WASHOUT + TRAIN + CHOOSE
    u, y, design = u[:seen], y[:seen], variables(kit)
    check, search = jax.random.split(key)

    def objective(board: Board, k: Array) -> Array:
        return jnp.log10(judged(kit, noise, board, u, y, chip, k).choice)

    start = design.theta.at[design.part("mask")].set(_ONE * mask.ravel())
    found = start, objective(design.at(start), check)
    phases = _phases(kit, way, evaluations)
    for k, (method, steps) in enumerate(phases):
        own = search if k == 0 else jax.random.fold_in(search, k)
        keys = jax.random.split(own, (CHECKS // len(phases), steps))
        found = _followed(method, objective, design, found, keys, check)
    return design.at(found[0])


def _followed(
    method: codesign.AbstractMethod, objective: Callable[..., Array], design: codesign.Design, found: Any, keys: Array,
    check: Array,
) -> tuple[Array, Array]:  # fmt: skip
    """The best theta and its value by `check` after some looks, `found` before; keys of steps, (looks, steps)."""

    def part(carry: Any, keys: Array) -> tuple[Any, None]:
        state, best, lowest = carry
        state, tried = lax.scan(lambda s, k: method.step(objective, design, s, k), state, keys)
        theta = tried.theta[-1]
        value = objective(design.at(theta), check)
        better = value < lowest
        return (state, jnp.where(better, theta, best), jnp.where(better, value, lowest)), None

    _, best, lowest = lax.scan(part, (method.start(design, found[0]), *found), keys)[0]
    return best, lowest


def _phases(kit: Kit, way: str, evaluations: int) -> list[tuple[codesign.AbstractMethod, int]]:
    """Methods, each going on where the one before has ended, and how many steps each takes from look to look."""
    ways = ("random search", "gradient") if way == BOTH else (way,)
    return [_method(kit, w, evaluations / len(ways), CHECKS // len(ways)) for w in ways]


def _method(kit: Kit, way: str, evaluations: float, looks: int) -> tuple[codesign.AbstractMethod, int]:
    """The method and how many steps it takes from look to look."""
    batch = 4
    sample = functools.partial(drawn, kit)
    method: codesign.AbstractMethod = codesign.RandomSearch(batch=batch, sample=sample)
    if way == "CMA-ES":
        method = codesign.CovarianceAdaptation(sigma=SIGMA)
    if way != "gradient":
        return method, max(math.ceil(evaluations / method.cost(variables(kit)) / looks), 1)
    steps = max(math.ceil(evaluations / RATIO / looks), 1)
    rule = optax.chain(optax.clip_by_global_norm(CLIP), optax.adam(optax.cosine_decay_schedule(RATE, looks * steps)))
    return codesign.Gradient(optimiser=rule, ratio=RATIO), steps
