"""How well answers fit targets, what a reservoir tells apart, what was learned of few examples.

    nmse(y, target), nmse(y, target, "power")              always both
    kernel_rank(reservoir, streams), generalisation_rank(reservoir, streams)
    few_shot_accuracy(learn, episodes)

How much of its past a reservoir holds is in `capacity.py`.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from learning.capacity import information_processing_capacity as information_processing_capacity
from learning.capacity import memory_capacity as memory_capacity
from learning.tasks.episodes import Episodes
from neurojax.errors import DataError

Real = Float[Array, "..."]
By = Literal["variance", "power"]
Reservoir = Callable[[Float[Array, " time"]], Float[Array, "time features"]]


class Accuracy(NamedTuple):
    """Part of right answers, its standard error over episodes, and that of each episode."""

    mean: Float[Array, ""]
    error: Float[Array, ""]
    each: Float[Array, " count"]


def nmse(y: Real, target: Float[Array, "..."], by: By = "variance") -> Float[Array, ""]:
    """Mean squared error over the variance of the target, or over its mean square (`by="power"`).

    The two differ by the part that the variance has of the power: where the mean is large, an error by power looks
    small and says little, so give both (`baselines.report`). Of several outputs, (time, outputs), errors and variances
    are added up, each about its own mean.

    Args:
        y: answers. target: of the same shape, time first. by: "variance" or "power".

    Raises:
        DataError: the shapes differ, or `by` is something else.
    """
    _same(y, target, "nmse")
    if by not in ("variance", "power"):
        raise DataError(f"nmse: by = {by!r}, use 'variance' or 'power'.")
    about = jnp.mean(target, axis=0, keepdims=True) if by == "variance" else jnp.zeros_like(target[:1])
    return jnp.mean((y - target) ** 2) / jnp.mean((target - about) ** 2)


def nrmse(y: Real, target: Real, by: By | Literal["minmax", "q1q3", "mean"] = "variance") -> Float[Array, ""]:
    """Root of the mean squared error over a size of the target.

    reservoirpy divides by the range unless told otherwise, and by the variance itself, not its root, for
    `norm="var"`.

    Args:
        y: answers. target: of the same shape, time first. by: what it is divided by: "variance" the standard
            deviation, "power" the root of the mean square, "minmax" the range, "q1q3" the distance of the quartiles,
            "mean" the mean.

    Raises:
        DataError: the shapes differ, or `by` is something else.
    """
    _same(y, target, "nrmse")
    if by == "variance" or by == "power":
        return jnp.sqrt(nmse(y, target, by))
    sizes = {
        "minmax": lambda: jnp.max(target) - jnp.min(target),
        "q1q3": lambda: jnp.quantile(target, 0.75) - jnp.quantile(target, 0.25),
        "mean": lambda: jnp.mean(target),
    }
    if by not in sizes:
        raise DataError(f"nrmse: by = {by!r}, use 'variance', 'power', 'minmax', 'q1q3' or 'mean'.")
    return jnp.sqrt(jnp.mean((y - target) ** 2)) / sizes[by]()


def kernel_rank(reservoir: Reservoir, streams: Float[Array, "streams time"], tolerance: float = 1e-3) -> Int[Array, ""]:
    """How many of the last states, one for each of some input streams, are linearly independent.

    As many different inputs can a linear readout give any answers. R. Legenstein and W. Maass, Neural Netw. 20, 323
    (2007), 10.1016/j.neunet.2007.04.017.

    Args:
        reservoir: gives states (time, features) for inputs (time,). streams: as many different inputs as there are
            features, or more. tolerance: singular values below this part of the largest count as none; noise of the
            reading is a choice.
    """
    return _rank(jax.vmap(reservoir)(streams)[:, -1], tolerance)


def generalisation_rank(
    reservoir: Reservoir, streams: Float[Array, "streams time"], recent: int = 5, tolerance: float = 1e-3
) -> Int[Array, ""]:
    """The rank of the last states after streams that differ in the far past only: the lower, the more alike are they.

    The last inputs of all streams are replaced by those of the first, as L. Buesing, B. Schrauwen and R. Legenstein
    did, Neural Comput. 22, 1272 (2010), 10.1162/neco.2009.01-09-947. Kernel rank less this rank tells how well a
    reservoir can compute on recent inputs.

    Args:
        reservoir: gives states (time, features) for inputs (time,). streams: as of `kernel_rank`. recent: how many
            last inputs are the same. tolerance: as of `kernel_rank`.

    Raises:
        DataError: `recent` is not below the length of a stream.
    """
    if not 0 <= recent < streams.shape[1]:
        raise DataError(f"generalisation_rank: recent = {recent} of streams of {streams.shape[1]} samples.")
    cut = streams.shape[1] - recent
    same = jnp.broadcast_to(streams[:1, cut:], (streams.shape[0], recent))
    return kernel_rank(reservoir, jnp.concatenate([streams[:, :cut], same], axis=1), tolerance)


def effective_rank(x: Float[Array, "streams features"]) -> Float[Array, ""]:
    """exp of the entropy of the singular values over their sum: a rank without a threshold, differentiable.

    O. Roy and M. Vetterli, EUSIPCO (2007).

    Args:
        x: states, one row for each stream or time.
    """
    s = jnp.linalg.svd(x, compute_uv=False)
    total = jnp.sum(s)
    p = s / jnp.where(total > 0, total, jnp.ones_like(total))
    return jnp.exp(-jnp.sum(jax.scipy.special.xlogy(p, jnp.maximum(p, jnp.finfo(p.dtype).tiny))))


def few_shot_accuracy(
    learn: Callable[..., Int[Array, "..."]], episodes: Episodes, *, key: Array | None = None
) -> Accuracy:
    """Part of questions that are answered rightly.

    Args:
        learn: from examples (ways, shots, ...) and questions (n, ...), and a key where one is given, to answers, (n,),
            numbers of ways; it sees one episode at a time and must be made for `jax.vmap`.
        episodes: of `tasks.few_shot_episodes`. key: of which each episode has its own part.
    """
    ways, asked = episodes.queries.shape[1:3]
    right = jnp.repeat(jnp.arange(ways), asked)

    def one(support: Array, queries: Array, *own: Array) -> Array:
        answers = learn(support, queries.reshape(-1, *queries.shape[2:]), *own)
        return jnp.mean((answers == right.astype(answers.dtype)).astype(jnp.result_type(float)))

    own = () if key is None else (jax.random.split(key, len(episodes.support)),)
    each = jax.vmap(one)(episodes.support, episodes.queries, *own)
    return Accuracy(jnp.mean(each), jnp.std(each) / jnp.sqrt(each.size), each)


def _rank(x: Float[Array, "streams features"], tolerance: float) -> Int[Array, ""]:
    s = jnp.linalg.svd(x, compute_uv=False)
    return jnp.sum(s > tolerance * s[0])


def _same(y: Real, target: Real, name: str) -> None:
    if y.shape != target.shape:
        raise DataError(f"{name}: answers {y.shape} and targets {target.shape}; give both the same shape.")
