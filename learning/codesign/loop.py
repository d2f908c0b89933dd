"""The loop of all searches: steps, validation, the best one kept, checkpoints, compute counted.

    result = run(method, objective, design, steps=300, key=jax.random.key(0))
    result.tree, result.value, result.evaluations

`objective(tree, key) -> scalar` is what shall become small; whatever is random in it (spread of devices, noise,
inputs) comes from `key`. `search.py` has the methods by name.
"""

import dataclasses
import functools
import math
import os
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from learning.codesign.checkpoint import Checkpoint
from learning.codesign.design import Design
from learning.codesign.methods import AbstractMethod, Objective, mean_over_draws
from learning.codesign.result import Result
from neurojax.errors import DesignError
from neurojax.progress import after_a_while

STUCK = 20
"""Steps in a row with numbers that are not finite, after which a search gives up."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What all searches share.

    Attributes:
        validate: `validate(tree, key) -> scalar` by which the best theta is chosen; the objective itself if None.
        validation_draws: fixed keys of the validation. validations: how often, evenly over the run, with the last step.
        checkpoint: folder from which a run goes on after a kill. save_every: seconds between two saved states.
        abreast: whether draws and candidates are computed side by side (vmap); one after another is quicker for an
            objective with a simulation in it. progress: a bar on a terminal after 2 s. label: what the bar says.
    """

    validate: Objective | None = None
    validation_draws: int = 8
    validations: int = 20
    checkpoint: str | os.PathLike[str] | None = None
    save_every: float = 5.0
    abreast: bool = True
    progress: bool = True
    label: str = ""

    def count(self, steps: int) -> int:
        """How many validations `steps` steps have, that of the start among them."""
        return 1 + sum(self.due(k, steps) for k in range(steps))

    def due(self, k: int, steps: int) -> bool:
        """Whether step `k` of `steps` is validated."""
        return (k + 1) * self.validations // steps > k * self.validations // steps


@dataclasses.dataclass
class Progress:
    """Where a search is: all that a checkpoint holds."""

    state: Any
    best: np.ndarray
    value: np.ndarray
    first: np.ndarray
    step: np.ndarray
    seconds: np.ndarray
    cost: np.ndarray
    history: dict[str, np.ndarray]


jax.tree_util.register_dataclass(
    Progress, ["state", "best", "value", "first", "step", "seconds", "cost", "history"], []
)


@eqx.filter_jit
def _stepped(method: AbstractMethod, objective: Objective, design: Design, state: Any, key: Array) -> Any:
    return method.step(objective, design, state, key)


@eqx.filter_jit
def evaluate(objective: Objective, design: Design, theta: Array, draws: int, abreast: bool, key: Array) -> Array:
    """The mean of `objective` of `design` at `theta` over `draws` keys that come from `key`, see `Options.abreast`."""
    return mean_over_draws(objective, design.at(theta), key, draws, abreast)


def run(
    method: AbstractMethod,
    objective: Objective,
    design: Design,
    *,
    steps: int,
    options: Options | None = None,
    key: Array,
) -> Result:
    """Search by `method` for `steps` steps and keep the theta with the best validation.

    Args:
        method: as `Gradient`. objective: see the module. design: the variables and where they start.
        steps: of the method. options: validation, checkpoint, progress.
        key: a `jax.random.key`; step k is drawn from (key, k) alone, so a resumed run is the same to the last bit.

    Raises:
        DesignError: a start that is not finite, too many steps that are not, or a checkpoint of another search.
    """
    options = options or Options()
    if steps < 1:
        raise DesignError(f"steps = {steps}: at least one step is needed.")
    search, check = jax.random.split(key)
    start = design.theta
    judge = functools.partial(
        evaluate,
        options.validate or objective,
        design,
        draws=options.validation_draws,
        abreast=options.abreast,
        key=check,
    )
    at = _begin(method, design, start, float(judge(start)), steps)
    folder = None
    if options.checkpoint is not None:
        folder = Checkpoint(options.checkpoint, _settings(method, design, start, steps, options, key))
        at = _resumed(folder.load(at), at)
    try:
        with after_a_while(options.label or method.name, total=steps, enabled=options.progress) as update:
            _go(method, objective, design, at, steps, options, search, judge, folder, update)
    finally:
        if folder is not None:
            folder.close()
    return _result(method, design, at, steps, options)


def _begin(method: AbstractMethod, design: Design, start: Array, first: float, steps: int) -> Progress:
    if not math.isfinite(first):
        raise DesignError(
            f"the objective is {first} where the search starts. Start from a design that works, or narrow the bounds."
        )
    nothing = np.full(steps, np.nan)
    history = {n: nothing.copy() for n in ("loss", "validation", "size")} | {"ok": np.ones(steps, bool)}
    numbers = (np.asarray(x, float) for x in (first, first, 0.0, 0.0, method.cost(design)))
    value, initial, step, seconds, cost = numbers
    return Progress(
        method.start(design, start), np.asarray(start), value, initial, step.astype(int), seconds, cost, history
    )


def _resumed(saved: Progress | None, fresh: Progress) -> Progress:
    if saved is None:
        return fresh
    if not np.isclose(float(saved.first), float(fresh.first), rtol=1e-5, atol=1e-12):
        raise DesignError(
            f"the checkpoint began at {float(saved.first):.6g}, this objective is {float(fresh.first):.6g} there: "
            "it is another one. Use another folder, or delete this one."
        )
    return saved


def _go(method, objective, design, at: Progress, steps, options: Options, key, judge, folder, update) -> None:
    """All the steps that are left, `at` changed as they are done."""
    began, saved = time.perf_counter() - float(at.seconds), time.perf_counter()
    failed = 0
    while int(at.step) < steps:
        k = int(at.step)
        at.state, tried = _stepped(method, objective, design, at.state, jax.random.fold_in(key, k))
        at.history["loss"][k], at.history["size"][k] = float(tried.loss), float(tried.size)
        at.history["ok"][k] = ok = bool(tried.ok)
        failed = 0 if ok or not method.halts else failed + 1
        if failed >= STUCK:
            raise DesignError(
                f"{method.name}: loss {float(tried.loss):.4g} or its gradient was not finite in {STUCK} steps up to "
                f"step {k}. Narrow the bounds, lower the learning rate, or look at the objective where it starts."
            )
        if options.due(k, steps):
            _validate(at, k, np.asarray(tried.theta), float(judge(tried.theta)))
        at.step, at.seconds = np.asarray(k + 1), np.asarray(time.perf_counter() - began)
        update(k + 1, f"{options.label or method.name}: step {k + 1} of {steps}, best {float(at.value):.4g}")
        if folder is not None and (time.perf_counter() - saved > options.save_every or k + 1 == steps):
            folder.save(k + 1, at)
            saved = time.perf_counter()


def _validate(at: Progress, k: int, theta: np.ndarray, value: float) -> None:
    at.history["validation"][k] = value
    if value < float(at.value):
        at.value, at.best = np.asarray(value), theta


def _settings(method, design: Design, start, steps: int, options: Options, key) -> Any:
    """What tells one search from another, but for the objective."""
    sizes = {n: v for n, v in vars(method).items() if isinstance(v, int | float) and n != "ratio"}
    return [
        method.name, sizes, [dataclasses.astuple(v) for v in design.variables], np.asarray(start).tolist(), steps,
        options.validation_draws, options.validations, np.asarray(jax.random.key_data(key)).tolist(),
    ]  # fmt: skip


def _result(method: AbstractMethod, design: Design, at: Progress, steps: int, options: Options) -> Result:
    done = np.arange(1, steps + 1) * float(at.cost)
    checks = 1 + np.cumsum([options.due(k, steps) for k in range(steps)])
    history = {n: np.asarray(a) for n, a in at.history.items()}
    history["evaluations"] = done + checks * options.validation_draws
    return Result(
        method.name, design, jnp.asarray(at.best, design.theta.dtype), float(at.value), float(at.first),
        float(history["evaluations"][-1]), float(at.seconds), history,
    )  # fmt: skip
