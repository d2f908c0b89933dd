"""What the reservoir of experiment X1 has to compute: pieces of inputs, scaled to 0 .. 1, and of targets.

    s, y = piece("narma10", 300, key=key)

Driven filters get new inputs with each key. A chaotic series is one and the same for ever: a key chooses a window, for
training in its first two thirds, for tests in what follows.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from learning import baselines
from learning.baselines import Named, driven_task
from neurojax.errors import DataError
from physics.quantity import suggest

Series = Float[Array, " time"]
TASKS: tuple[Named, ...] = ("second_order", "narma10", "mackey_glass", "henon_map")
SAMPLES = 6000
AHEAD = {"mackey_glass": 10, "henon_map": 1}
"""Samples (of unit time, of the map) that are to be predicted."""
LAGS = (1, 2, 5, 20)


def piece(task: str, length: int, *, unseen: bool = False, key: Array) -> tuple[Series, Series]:
    """Inputs (length,) of 0 to 1 and targets (length,), ten unread samples before them.

    Args:
        task: of `TASKS`. length: samples. unseen: of a chaotic series, whether from the part for tests.
        key: a `jax.random.key`.

    Raises:
        DataError: an unknown task, or a piece longer than a third of the series.
    """
    if task not in TASKS:
        raise DataError(f"there is no task {task!r}.{suggest(task, TASKS)}")
    if task in AHEAD:
        return _window(task, length, unseen, key)
    made = driven_task(task, length + 10, key=key)  # pyright: ignore[reportArgumentType]
    return 2 * made.u[10:], made.y[10:]


def _window(task: str, length: int, unseen: bool, key: Array) -> tuple[Series, Series]:
    ahead, cut = AHEAD[task], 2 * SAMPLES // 3
    first, last = (cut, SAMPLES) if unseen else (0, cut)
    if first + length + ahead > last:
        raise DataError(
            f"{task}: a piece of {length} is longer than the {last - first - ahead} samples that there are."
        )
    series = jnp.asarray(_chaos(task))  # pyright: ignore[reportArgumentType]
    at = jax.random.randint(key, (), first, last - length - ahead + 1)
    window = lax.dynamic_slice(series, (at,), (length + ahead,))
    return window[:length], window[ahead:]


@functools.cache
def _chaos(task: Named) -> np.ndarray:
    """The series, 0 to 1."""
    with jax.ensure_compile_time_eval():
        x = np.asarray(driven_task(task, SAMPLES, key=jax.random.key(0)).u, float)
    return (x - x.min()) / (x.max() - x.min())


def linear_lags(task: str, lags: int, length: int, *, key: Array) -> Float[Array, ""]:
    """Error over variance of a linear readout of the last `lags` inputs: what needs no reservoir.

    Args:
        task: of `TASKS`. lags: inputs that it sees, the present one among them. length: samples, half of them to learn
            from. key: a `jax.random.key`.
    """
    s, y = piece(task, length + lags, unseen=True, key=key)
    return baselines.linear_lags(s, y, lags, washout=lags).variance
