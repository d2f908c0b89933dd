"""How a pulsed device answers to pulses: reading such measurements, and fitting a model without a mechanism to them.

    signs, w = nj.read_response("gong_et_al.csv")
    found = nj.fit_response(physics.pulsed.PRESETS["ReRamES"](), signs, w)
    found.device, found.rmse                        a device for layers and in-situ training

The models are those of `physics.pulsed`, one number w that a pulse moves; `nj.fit` is for state equations.
"""

import os
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from neurojax._marquardt import least_squares
from neurojax._table import read_table
from neurojax.bijection import Box, box
from neurojax.errors import DataError, FitError
from physics.pulsed import AbstractPulsed
from physics.quantity import parameters, suggest, with_values

SHAPES = ("gamma_up", "gamma_down", "a_up", "a_down", "w_min", "w_max")
"""What is free beside the step and its asymmetry, where a model has it."""
FIXED = {"Exponential": ("w_min", "w_max")}
"""Bounds of z alone: they do what the gammas do."""


DRAWS = 25
"""Of which each start is the best."""
ENOUGH = 1e-5
"""Gain of an iteration, in parts of the sum of squares, that is not worth another."""


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
    key: Array | None = None,
) -> Response:
    """Least squares of a model of `physics.pulsed` to readings, compiled as one loop; w before the first pulse is free.

    Args:
        device: the model, whose values are the first start, with the step that fits best.
        signs: of the pulses, (pulses,), 1 up and -1 down, or parts of a pulse. w: reading after each, (pulses,), in
            units of w.
        free: names (default the step, its asymmetry, and what shapes it). bounds: other than the declared ones.
        n_starts: with more than one the others are random, and `key` is needed. max_iterations: of each.

    Raises:
        DataError: readings or signs that cannot be used. FitError: unknown names, no key, or no finite start.
    """
    signs, w = _checked(signs, w)
    names = _free(device) if free is None else tuple(free)
    known = parameters(device)
    for name in names:
        if name not in known:
            raise FitError(f"{type(device).__name__} has no parameter {name!r}.{suggest(name, tuple(known))}")
    low, high = float(w.min()), float(w.max())
    region = _box([known[n] for n in names], dict(bounds or {}), low - (high - low), high + (high - low))
    start = np.asarray([*(float(known[n].value) for n in names), float(w[0])])
    sizes = np.asarray([n == "dw_min" or "_nodes." in n for n in names] + [False])
    starts = _starts(region, start, sizes, n_starts, key)
    values, costs, iterations, model, best = _search(device, names, region, starts, signs, w, max_iterations)
    if not np.isfinite(costs).any():
        raise FitError("no start gives finite readings. Other bounds, or a device that answers to the first pulses?")
    fitted = with_values(device, dict(zip(names, values[:-1], strict=True)))
    return Response(fitted, values[-1], model, jnp.sqrt(costs[best] / len(w)), iterations[best], costs)


def rolled(device: AbstractPulsed, w_0: Array, signs: Array) -> Float[Array, " pulses"]:
    """w after each of some pulses, without noise."""
    none = jnp.zeros((), signs.dtype)

    def step(w, sign):
        w = device.pulse(w, sign, none)
        return w, w

    return jax.lax.scan(step, w_0, signs)[1]


@eqx.filter_jit
def _search(
    device: AbstractPulsed, names: tuple[str, ...], region: Box, starts: Array, signs: Array, w: Array, most: int
) -> tuple[Array, ...]:
    """Values of the best start, sum of squares and iterations of each, the best model, and which it was."""

    def model(theta):
        values = region.to_physical(theta)
        return rolled(with_values(device, dict(zip(names, values[:-1], strict=True))), values[-1], signs)

    def search(draws):
        squares = jax.vmap(lambda th: jnp.sum((model(th) - w) ** 2))(draws)
        start = draws[jnp.argmin(jnp.where(jnp.isfinite(squares), squares, jnp.inf))]
        return least_squares(lambda th: model(th) - w, start, most, ENOUGH, 0.0)

    found = jax.lax.map(search, starts)
    best = jnp.nanargmin(jnp.where(jnp.isfinite(found.cost), found.cost, jnp.inf))
    theta = found.theta[best]
    return region.to_physical(theta), 2 * found.cost, found.tried, model(theta), best


def _checked(signs: Any, w: Any) -> tuple[Array, Array]:
    signs, w = (np.asarray(a, float) for a in (signs, w))
    if signs.shape != w.shape or w.ndim != 1 or len(w) < 3:
        raise DataError(f"signs {signs.shape} and readings {w.shape} must be one row of at least three pulses.")
    if not (np.isfinite(signs).all() and np.isfinite(w).all()):
        bad = int(np.argmin(np.isfinite(signs) & np.isfinite(w)))
        raise DataError(f"pulse {bad}: sign {signs[bad]}, reading {w[bad]} are not numbers.")
    if np.abs(signs).max() > 1:
        raise DataError(f"signs up to {np.abs(signs).max():g}; they lie between -1 and 1, as parts of one pulse.")
    return jnp.asarray(signs, jnp.result_type(float)), jnp.asarray(w, jnp.result_type(float))


def _free(device: AbstractPulsed) -> tuple[str, ...]:
    known, fixed = parameters(device), FIXED.get(type(device).__name__, ())
    nodes = tuple(n for n in known if "_nodes." in n)
    # Nodes hold the size of the step, too.
    step = () if nodes else ("dw_min", "up_down")
    return (*step, *(n for n in SHAPES if n in known and n not in fixed and not nodes), *nodes)


def _box(declared: Any, bounds: dict[str, tuple[float, float]], low: float, high: float) -> Box:
    region = box(declared, bounds)
    ends = ((region.lower, low), (region.upper, high), (region.log, 0.0))
    return Box(*(jnp.asarray(np.append(a, v)) for a, v in ends))


def _starts(region: Box, first: np.ndarray, sizes: np.ndarray, n_starts: int, key: Array | None) -> Array:
    """Draws of each start, of which the best is taken, (starts, draws, p): steps of all sizes, or random ones."""
    factors = np.where(sizes, np.geomspace(1e-3, 1e3, DRAWS)[:, None], 1.0)
    theta = jnp.asarray(np.stack([region.to_line(first * f) for f in factors]))[None]
    if n_starts == 1:
        return theta
    if key is None:
        raise FitError(f"n_starts = {n_starts} draws random starts: give key=jax.random.key(...).")
    u = jax.random.uniform(key, (n_starts - 1, *theta.shape[1:]), theta.dtype, 0.02, 0.98)
    return jnp.concatenate([theta, jnp.log(u) - jnp.log1p(-u)])
