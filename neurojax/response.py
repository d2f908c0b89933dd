"""How a pulsed device answers to pulses: reading such measurements, and fitting a model without a mechanism to them.

    signs, w = nj.read_response("gong_et_al.csv")
    found = nj.fit_response(physics.pulsed.PRESETS["ReRamES"](), signs, w)
    found.device, found.rmse                        a device for layers and in-situ training

The models are those of `physics.pulsed`, one number w that a pulse moves; `nj.fit` is for state equations.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from neurojax._marquardt import least_squares
from neurojax._table import read_table
from neurojax.bijection import Box, limits
from neurojax.errors import DataError, FitError
from physics.pulsed import AbstractPulsed
from physics.quantity import parameters, suggest, with_values

SHAPES = ("gamma_up", "gamma_down", "a_up", "a_down", "w_min", "w_max")
"""What is free beside the step and its asymmetry, where a model has it."""
FIXED = {"Exponential": ("w_min", "w_max")}
"""Bounds of z alone: they do what the gammas do."""


DRAWS = 13
"""Of which each start is the best."""


class Response(eqx.Module):
    """A fitted answer to pulses.

    Attributes:
        device: the model. w_0: before the first pulse. model: w after each pulse, (pulses,). rmse: of the readings.
        iterations: of the best start. costs: sum of squares of each start, (starts,).
    """

    device: AbstractPulsed
    w_0: Float[Array, ""]
    model: Float[Array, " pulses"]
    rmse: Float[Array, ""]
    iterations: Int[Array, ""]
    costs: Float[Array, " starts"]


def read_response(path: str | os.PathLike) -> tuple[Float[np.ndarray, " pulses"], Float[np.ndarray, " pulses"]]:
    """Readings after pulses up, and after as many down, from a table of two columns, with or without a head.

    Args:
        path: the file; the first column is the way up, the second the way down that follows it.

    Returns:
        The sign of each pulse, and the reading after it, both (pulses,).

    Raises:
        DataError: other than two columns, or cells that are not numbers.
    """
    try:
        cells = np.loadtxt(path, delimiter=",", ndmin=2)
    except ValueError:
        table = read_table(path)
        cells = np.stack([table.values(c) for c in table.columns], axis=1)
    if cells.shape[1] != 2 or not np.isfinite(cells).all():
        raise DataError(
            f"{path}: {cells.shape[1]} columns of {cells.shape[0]} rows; two columns of numbers are needed, readings "
            "after pulses up and after pulses down. For many ramps see `read_ramps`."
        )
    return np.repeat([1.0, -1.0], len(cells)), cells.T.ravel()


def fit_response(
    device: AbstractPulsed,
    signs: Any,
    w: Any,
    *,
    free: tuple[str, ...] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    n_starts: int = 1,
    max_iterations: int = 100,
    tolerance: float = 1e-5,
    key: Array | None = None,
) -> Response:
    """Least squares of a model of `physics.pulsed` to readings, compiled as one loop; w before the first pulse is free.

    Args:
        device: the model, whose values are the first start, with the step that fits best.
        signs: of the pulses, (pulses,), 1 up and -1 down, or parts of a pulse. w: reading after each, (pulses,), in
            units of w.
        free: names (default the step, its asymmetry, and what shapes it). bounds: other than the declared ones.
        n_starts: with more than one the others are random, and `key` is needed. max_iterations: of each.
        tolerance: gain of an iteration, in parts of the sum of squares, that is not worth another.

    Raises:
        DataError: readings or signs that cannot be used. FitError: unknown names, no key, or no finite start.
    """
    signs, w = _checked(signs, w)
    names, known, draws = _problem(device, w, free, bounds)
    if n_starts > 1 and key is None:
        raise FitError(f"n_starts = {n_starts} draws random starts: give key=jax.random.key(...).")
    how = signs, w, np.int32(max_iterations), np.asarray(tolerance, w.dtype)
    found = _search(device, names, known, draws, n_starts, key, how)
    if not np.isfinite(found.costs).any():
        raise FitError("no start gives finite readings. Other bounds, or a device that answers to the first pulses?")
    return found


def response_cost(device: AbstractPulsed, signs: Any, w: Any) -> tuple[Callable[[Any], Array], np.ndarray]:
    """What `fit_response` minimises, a compiled function of its coordinates on the whole line, and where it starts.

    For searches of others beside ours.

    Args:
        device, signs, w: as `fit_response` has them.
    """
    signs, w = _checked(signs, w)
    names, known, draws = _problem(device, w, None, None)
    region = Box(*jnp.asarray(known))
    cost = jax.jit(lambda theta: jnp.sum((_model(device, names, region, theta, signs) - w) ** 2))
    theta = [region.to_line(d) for d in draws]
    return cost, min(theta, key=lambda th: float(cost(th)))


def rolled(device: AbstractPulsed, w_0: Array, signs: Array) -> Float[Array, " pulses"]:
    """w after each of some pulses, without noise."""
    none = jnp.zeros((), signs.dtype)

    def step(w, sign):
        w = device.pulse(w, sign, none)
        return w, w

    return jax.lax.scan(step, w_0, signs)[1]


@eqx.filter_jit
def _search(
    device: AbstractPulsed, names: tuple[str, ...], known: Any, draws: Any, starts: int, key: Array | None, how: Any
) -> Response:
    """The best of all starts, each the best of some draws; physical ones for the first."""
    region, (signs, w, most, enough) = Box(*known), how
    model = lambda theta: _model(device, names, region, theta, signs)  # noqa: E731

    def search(draws):
        squares = jax.vmap(lambda th: jnp.sum((model(th) - w) ** 2))(draws)
        start = draws[jnp.argmin(jnp.where(jnp.isfinite(squares), squares, jnp.inf))]
        return least_squares(lambda th: model(th) - w, start, most, enough, 0.0)

    theta = jax.vmap(region.inverse)(draws)[None]
    if key is not None and starts > 1:
        u = jax.random.uniform(key, (starts - 1, *theta.shape[1:]), theta.dtype, 0.02, 0.98)
        theta = jnp.concatenate([theta, jnp.log(u) - jnp.log1p(-u)])
    found = jax.lax.map(search, theta)
    best = jnp.nanargmin(jnp.where(jnp.isfinite(found.cost), found.cost, jnp.inf))
    values = region.to_physical(found.theta[best])
    fitted = with_values(device, dict(zip(names, values[:-1], strict=True)))
    rmse = jnp.sqrt(2 * found.cost[best] / w.shape[0])
    return Response(fitted, values[-1], w + found.residual[best], rmse, found.tried[best], 2 * found.cost)


def _model(device: AbstractPulsed, names: tuple[str, ...], region: Box, theta: Array, signs: Array) -> Array:
    values = region.to_physical(theta)
    return rolled(with_values(device, dict(zip(names, values[:-1], strict=True))), values[-1], signs)


def _problem(
    device: AbstractPulsed,
    w: np.ndarray,
    free: tuple[str, ...] | None,
    bounds: Mapping[str, tuple[float, float]] | None,
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Names, limits, and draws of the first start with steps of all sizes, (draws, p), of which the best is taken."""
    known = parameters(device)
    names = shape_names(device, known) if free is None else tuple(free)
    for name in names:
        if name not in known:
            raise FitError(f"{type(device).__name__} has no parameter {name!r}.{suggest(name, tuple(known))}")
    low, high = float(w.min()), float(w.max())
    region = limits([known[n] for n in names], dict(bounds or {}))
    last = np.asarray([[low - (high - low)], [high + (high - low)], [0.0]], region.dtype)
    start = np.asarray([*(float(known[n].value) for n in names), w[0]], w.dtype)
    sizes = np.asarray([n == "dw_min" or "_nodes." in n for n in names] + [False])
    region = np.append(region, last, axis=1)
    return names, region, np.where(sizes, np.geomspace(1e-3, 1e3, DRAWS)[:, None], 1.0).astype(w.dtype) * start


def _checked(signs: Any, w: Any) -> tuple[np.ndarray, np.ndarray]:
    signs, w = (np.asarray(a, float) for a in (signs, w))
    if signs.shape != w.shape or w.ndim != 1 or len(w) < 3:
        raise DataError(f"signs {signs.shape} and readings {w.shape} must be one row of at least three pulses.")
    if not (np.isfinite(signs).all() and np.isfinite(w).all()):
        bad = int(np.argmin(np.isfinite(signs) & np.isfinite(w)))
        raise DataError(f"pulse {bad}: sign {signs[bad]}, reading {w[bad]} are not numbers.")
    if np.abs(signs).max() > 1:
        raise DataError(f"signs up to {np.abs(signs).max():g}; they lie between -1 and 1, as parts of one pulse.")
    dtype = jnp.result_type(float)
    return signs.astype(dtype), w.astype(dtype)


def shape_names(device: AbstractPulsed, known: Mapping[str, Any]) -> tuple[str, ...]:
    fixed = FIXED.get(type(device).__name__, ())
    nodes = tuple(n for n in known if "_nodes." in n)
    # Nodes hold the size of the step, too.
    step = () if nodes else ("dw_min", "up_down")
    return (*step, *(n for n in SHAPES if n in known and n not in fixed and not nodes), *nodes)
