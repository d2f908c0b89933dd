"""The search of a fit: random starts made good by evolution, then refined together, saved all the while.

    islands (evolve.py)  ->  best of each  ->  Levenberg-Marquardt, robust first, then in windows (levenberg.py)

After every generation and every iteration the whole state goes to the checkpoint, from which the same fit
goes on after a kill, to the same result.
"""

import contextlib
import dataclasses
import os
import threading
import time
import zipfile
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from neurojax import evolve, levenberg
from neurojax._chunks import cores
from neurojax.errors import FitError
from neurojax.problem import Problem
from neurojax.stiff import MANY_LANES

NOISE = 0.0935
"""Robust cost of an observation that is off by its noise alone: the mean of log(1 + z^2/9), z normal."""
ENOUGH = 4.0
"""How many times the cost of noise alone the refinement can be trusted to close."""
FEW = 30
"""Generations of the random starts from which it has paid to compile for many at a time."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """How to search: number of starts, whether the device itself is one, islands, windows, iterations."""

    n_starts: int
    use_current: bool
    screen: int
    generations: int
    windows: tuple[float, ...]
    max_iterations: int
    seed: tuple[int, ...]

    @property
    def evolves(self) -> bool:
        """Whether there are random starts."""
        return self.n_starts > 1 or not self.use_current

    @property
    def stages(self) -> tuple[tuple[float, float], ...]:
        """Window and outlier scale of each refinement; random starts go on with the robust cost of the islands."""
        robust = ((self.windows[0], levenberg.OUTLIER),) if self.n_starts > 1 else ()
        return (*robust, *((w, np.inf) for w in self.windows))


def plan(n_starts, use_current, screen, generations, windows, max_iterations, key) -> Plan:
    """Check and collect the options of the search.

    Raises:
        FitError: numbers that make no search, or random starts without a key.
    """
    if n_starts < 1:
        raise FitError(f"n_starts = {n_starts}: at least one start is needed.")
    if screen < 4 or generations < 0 or max_iterations < 1:
        raise FitError(
            f"screen = {screen} (4 or more), generations = {generations}, max_iterations = {max_iterations}."
        )
    if not windows or any(not 0 < w <= 1 for w in windows) or windows[-1] != 1:
        raise FitError(f"windows = {tuple(windows)} must be fractions of the trace that end with 1.0.")
    if key is None and (n_starts > 1 or not use_current):
        raise FitError("random starts need a key: fit(..., key=jax.random.key(0)), or n_starts=1 for the device alone.")
    seed = () if key is None else tuple(np.asarray(jax.random.key_data(key)).ravel().tolist())
    return Plan(n_starts, use_current, screen, generations, tuple(windows), max_iterations, seed)


def search(problem: Problem, how: Plan, checkpoint: Any, update: Callable[..., None]) -> tuple[levenberg.State, float]:
    """All stages; returns the refined starts and the seconds that compilation took."""
    mark = problem.fingerprint(dataclasses.astuple(how))
    path = None if checkpoint is None else os.fspath(checkpoint)
    saved = None if path is None else _load(path, mark)
    state = saved if isinstance(saved, levenberg.State) else None
    if state is None:
        first = problem.weights(how.windows[0])
        islands = saved if isinstance(saved, evolve.Islands) else None
        ready = _compile_ahead(problem, first) if how.evolves else lambda: None
        theta = _starts(problem, how, islands, first, path, mark, update)
        began = time.perf_counter()
        ready()
        state = levenberg.begin(lambda th: problem.evaluate(th, first), theta, how.stages[0][1])
        compile_time = time.perf_counter() - began
    else:
        compile_time = 0.0
    state = _refine(problem, how, state, path, mark, update)
    if not np.isfinite(state.cost).any():
        raise FitError(
            f"{type(problem.device).__name__}: none of {how.n_starts} starts could be simulated to the end. "
            "Narrow the bounds (bounds={...}), raise max_steps, or add a series resistance."
        )
    return state, compile_time


def together(n_starts: int, simulations: int) -> int:
    """How many starts are one call: two calls a core, so that few wait for the slowest, or for one that has ended.

    But one start a call where so few lanes cost as much each as one alone, and compile faster.
    """
    part = max(1, -(-n_starts // (2 * cores())))
    return part if jax.default_backend() != "cpu" or part * simulations >= MANY_LANES else 1


def in_turn(generations: int) -> bool:
    """Whether candidates are simulated one after the other: for a short search, as that compiles in half of the time,
    and takes three times as long."""
    return jax.default_backend() == "cpu" and generations < FEW


def _compile_ahead(problem: Problem, weights: np.ndarray) -> Callable[[], None]:
    """Compile the residuals with their Jacobian while the starts evolve; returns what waits for that.

    They are traced here and now: XLA compiles beside Python, two threads that trace only slow each other down. What
    goes wrong there goes wrong again, and is told, where it is used.
    """
    dtype = jnp.result_type(float)
    with contextlib.suppress(Exception):
        problem.trace()

    def quietly() -> None:
        # A setting of the calling thread alone does not hold here.
        if jnp.result_type(float) == dtype:
            with contextlib.suppress(Exception):
                problem.evaluate(_current(problem)[None], weights)

    beside = threading.Thread(target=quietly, daemon=True)
    beside.start()
    return beside.join


def _current(problem: Problem) -> np.ndarray:
    """theta (p,) of the device itself."""
    return problem.box.to_line(np.asarray([np.asarray(p.value, dtype=float) for p in problem.declared]))


def starting_points(problem: Problem, how: Plan) -> np.ndarray:
    """theta (starts, p) from which the refinement begins."""
    return _starts(problem, how, None, problem.weights(how.windows[0]), None, "", lambda *a: None)


def _starts(problem, how: Plan, islands, weights, path, mark, update) -> np.ndarray:
    """theta (starts, p): the device itself, or the best of each island."""
    current = _current(problem)
    if not how.evolves:
        return current[None]

    def cost(u):
        return problem.costs(_line(u), weights)

    if islands is None:
        islands = evolve.begin(cost, how.n_starts, how.screen, len(current), list(how.seed))
        if how.use_current:
            evolve.put(islands, how.n_starts - 1, 1 / (1 + np.exp(-current)), cost)
    enough = ENOUGH * NOISE * float(weights.sum())
    while islands.generation < how.generations and not islands.settled(enough):
        islands = evolve.step(cost, islands, list(how.seed))
        lowest = float(islands.cost.min())
        update(islands.generation, f"fitting {type(problem.device).__name__}: random starts, cost {lowest:.4g}")
        if path is not None:
            _save(islands, path, mark)
    return _line(islands.best())


def _line(u: np.ndarray) -> np.ndarray:
    return np.log(u) - np.log1p(-u)


def _refine(problem, how: Plan, state: levenberg.State, path, mark, update) -> levenberg.State:
    """Levenberg-Marquardt, stage by stage."""
    frozen = np.zeros(len(problem.names), bool)
    total = how.max_iterations * len(how.stages)
    while state.iteration < total:
        stage = state.iteration // how.max_iterations
        window, c = how.stages[stage]
        weights = problem.weights(window)

        def evaluate(theta, weights=weights):
            return problem.evaluate(theta, weights)

        if state.iteration % how.max_iterations == 0 and stage > 0:
            former, before = how.stages[stage - 1]
            same = former == window
            fresh = levenberg.again(state, before, c) if same else levenberg.begin(evaluate, state.theta, c)
            state = dataclasses.replace(fresh, iteration=state.iteration)
        state = levenberg.iterate(evaluate, state, frozen=frozen, c=c, race=True)
        lowest = float(state.cost.min())
        update(how.generations + state.iteration, f"fitting {type(problem.device).__name__}: cost {lowest:.4g}")
        if path is not None:
            _save(state, path, mark)
        if not state.active.any():
            if stage == len(how.stages) - 1:
                break
            state.iteration = (stage + 1) * how.max_iterations
    return state


def _save(state: levenberg.State | evolve.Islands, path: str, mark: str) -> None:
    """Write the search atomically, so that a kill in the middle leaves the last whole one."""
    temporary = f"{path}.part"
    with open(temporary, "wb") as file:
        kind = np.asarray(type(state).__name__)
        np.savez(file, mark=np.asarray(mark), kind=kind, **dataclasses.asdict(state))
    os.replace(temporary, path)


def _load(path: str, mark: str) -> levenberg.State | evolve.Islands | None:
    """The saved search, or None if there is none or it belongs to another fit."""
    if not os.path.exists(path):
        return None
    kinds: dict[str, Any] = {"State": levenberg.State, "Islands": evolve.Islands}
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["mark"]) != mark:
                return None
            kind = kinds[str(file["kind"])]
            fields = {f.name: file[f.name] for f in dataclasses.fields(kind)}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    whole = {n: int(a) if n in ("iteration", "generation") else a for n, a in fields.items()}
    return kind(**whole)
