"""What a result on a time series has to be compared with: linear readouts of past inputs, and an echo state network.

    task = driven_task("second_order", 4000, key=key)
    print(report(task, {"ours": states}, key=key))

A target of small variance and large mean is met by a constant to within a small part of its power. So the report always
gives both normalised errors, and what one, two, five and twenty past inputs reach without any reservoir.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from learning.metrics import nmse
from learning.readout import ridge
from learning.reservoir.baselines import echo_state
from learning.tasks.bits import random_bits, temporal_xor
from learning.tasks.series import henon_map, mackey_glass, narma, second_order, uniform_inputs
from neurojax.errors import DataError

Series = Float[Array, " time"]
States = Float[Array, "time features"]
Named = Literal["second_order", "narma10", "mackey_glass", "henon_map", "temporal_xor"]


class Task(NamedTuple):
    """What goes into a reservoir, u_k, and what it is asked for when it has seen it, y_k."""

    name: str
    u: Series
    y: Series


class Errors(NamedTuple):
    """Normalised mean squared errors on unseen samples, over the variance and over the power of the target."""

    variance: Float[Array, ""]
    power: Float[Array, ""]


class Report(eqx.Module):
    """Errors of some readouts on one task, those of the baselines first; printed as a table.

    Attributes:
        task: its name. rows: name and errors. washout, train: as of `readout_errors`.
    """

    task: str = eqx.field(static=True)
    rows: tuple[tuple[str, Errors], ...]
    washout: int = eqx.field(static=True)
    train: float = eqx.field(static=True)

    def __getitem__(self, name: str) -> Errors:
        """Errors of a row.

        Args:
            name: of the row.

        Raises:
            DataError: there is no such row.
        """
        found = dict(self.rows)
        if name not in found:
            raise DataError(f"the report has no row {name!r}; it has {', '.join(found)}.")
        return found[name]

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self.rows) + 2
        lines = [f"{self.task}: error on unseen samples", f"{'':{width}}{'of variance':>13}{'of power':>13}"]
        for name, errors in self.rows:
            lines.append(f"{name:{width}}{float(errors.variance):13.4g}{float(errors.power):13.4g}")
        return "\n".join(lines)

    __repr__ = __str__


def driven_task(name: Named, length: int, *, key: Array) -> Task:
    """A task of `length` samples, input and target aligned so that y_k can be computed from u up to k.

    "second_order" and "narma10" are driven by numbers between 0 and 0.5 (the target of narma10 is y_{k+1}),
    "temporal_xor" by bits. "mackey_glass" (unit steps, h = 0.1) and "henon_map" ask for the next value of x; theirs
    starts after 200 values.

    Args:
        name: of the task. length: samples. key: of the input; the chaotic series do not need it.

    Raises:
        DataError: there is no such task.
    """
    if name == "second_order":
        u = uniform_inputs(length, key=key)
        return Task(name, u, second_order(u))
    if name == "narma10":
        u = uniform_inputs(length + 1, key=key)
        return Task(name, u[:-1], narma(u)[1:])
    if name == "temporal_xor":
        u = random_bits(length, key=key)
        return Task(name, u, temporal_xor(u))
    if name == "mackey_glass":
        x = mackey_glass(10 * (length + 201))[2000::10, 0]
    elif name == "henon_map":
        x = henon_map(length + 201)[200:, 0]
    else:
        raise DataError(f"driven_task: {name!r} is none of {', '.join(Named.__args__)}.")
    return Task(name, x[:length], x[1 : length + 1])


def lagged(u: Series, lags: int) -> States:
    """The last inputs as features: u_k, u_{k-1}, ..., `lags` of them; zero before the first.

    Args:
        u: inputs. lags: how many, the present one counts.

    Raises:
        DataError: lags below one, or not below the samples.
    """
    if not 1 <= lags < u.shape[0]:
        raise DataError(f"lagged: {lags} lags of {u.shape[0]} samples; use at least one lag and more samples.")
    shifted = [jnp.concatenate([jnp.zeros(k, u.dtype), u[: u.shape[0] - k]]) for k in range(lags)]
    return jnp.stack(shifted, axis=1)


def readout_errors(
    x: States,
    y: Float[Array, " targets"],
    washout: int = 200,
    train: float = 0.5,
    penalty: float | Float[Array, ""] = 1e-9,
) -> Errors:
    """Errors on unseen samples of the ridge readout of some features, trained on the samples before.

    Args:
        x: features, such as states of a reservoir. y: target of the same times. washout: samples left out at the
            start. train: part of the rest on which the readout is trained. penalty: of `ridge`.

    Raises:
        DataError: x and y of unlike length, or nothing left for training or test.
    """
    cut = washout + round((x.shape[0] - washout) * train)
    if x.shape[0] != y.shape[0] or not washout + 2 <= cut <= x.shape[0] - 2:
        raise DataError(
            f"readout_errors: {x.shape[0]} features and {y.shape[0]} targets with washout = {washout} and train = "
            f"{train}; give both of the same times, and samples for training and test."
        )
    readout = ridge(x[washout:cut], y[washout:cut, None], penalty)
    told = readout(x[cut:])[:, 0]
    return Errors(nmse(told, y[cut:]), nmse(told, y[cut:], "power"))


def linear_lags(
    u: Series,
    y: Float[Array, " targets"],
    lags: int,
    washout: int = 200,
    train: float = 0.5,
    penalty: float | Float[Array, ""] = 1e-9,
) -> Errors:
    """Errors of a linear readout of the last inputs alone: what a reservoir must beat to be of use.

    Args:
        u: inputs. y: target. lags: how many inputs, the present one counts. washout, train, penalty: as of
            `readout_errors`.
    """
    return readout_errors(lagged(u, lags), y, washout, train, penalty)


def echo_states(
    u: Series,
    units: int = 100,
    lr: float = 1.0,
    sr: float = 0.9,
    input_scaling: float = 0.5,
    bias_scaling: float = 0.2,
    *,
    key: Array,
) -> States:
    """States of an echo state network: x_k = (1 - lr) x_{k-1} + lr tanh(W x_{k-1} + w u_k + b).

    W, w and b are dense and uniform; names are those of reservoirpy's `Reservoir`. With the defaults 100 units reach a
    variance error of about 0.007 on the second-order task and 0.08 on NARMA10; larger biases favour the first (0.0012
    at bias_scaling = 1), smaller inputs the second (0.05 at input_scaling = 0.1). H. Jaeger and H. Haas, Science 304,
    78 (2004), 10.1126/science.1091277.

    Args:
        u: inputs. units: how many. lr: leak rate. sr: spectral radius of W. input_scaling: largest w. bias_scaling:
            largest b. key: of the weights.
    """
    network = echo_state(units, lr, sr, input_scaling, bias_scaling, key=key)
    return jax.tree.map(lambda a: a.astype(u.dtype), network).run(u)


def report(
    task: Task,
    features: Mapping[str, States] | None = None,
    *,
    lags: tuple[int, ...] = (1, 2, 5, 20),
    units: int = 100,
    washout: int = 200,
    train: float = 0.5,
    penalty: float | Float[Array, ""] = 1e-9,
    key: Array,
) -> Report:
    """Both normalised errors of linear readouts of past inputs, of an echo state network, and of given features.

    Args:
        task: input and target. features: states to be told beside the baselines, by name. lags: of the linear
            readouts. units: of the network. washout, train, penalty: as of `readout_errors`, the same for all.
        key: of the network.
    """
    told: Any = dict(washout=washout, train=train, penalty=penalty)
    rows = [(f"linear, {n} lag{'s' if n > 1 else ''}", linear_lags(task.u, task.y, n, **told)) for n in lags]
    network = echo_states(task.u, units, key=key)
    rows.append((f"echo state network, {units}", readout_errors(network, task.y, **told)))
    rows += [(name, readout_errors(x, task.y, **told)) for name, x in (features or {}).items()]
    return Report(task.name, tuple(rows), washout, train)
