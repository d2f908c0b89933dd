"""Time series that reservoirs are tested on: driven filters and chaotic systems, each by one exact recipe.

    u = uniform_inputs(2000, key=key)
    y = second_order(u)                       what a readout shall compute from the past of u
    x = mackey_glass(2000, h=0.1)             what a readout shall predict

Names and arguments are those of reservoirpy where it has the series. The recipes differ from its own in what is said
of each. A chaotic series follows its equation until the rounding of the numbers has grown to its size; to compare runs
of different precision use the first Lyapunov times only.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Float

from neurojax.errors import DataError

Series = Float[Array, " time"]
Number = float | Float[Array, ""]


def uniform_inputs(length: int, low: float = 0.0, high: float = 0.5, *, key: Array) -> Series:
    """Independent numbers between two bounds.

    Args:
        length: how many. low, high: the bounds. key: of the draw.
    """
    return jax.random.uniform(key, (length,), jnp.result_type(float), low, high)


def second_order(u: Series) -> Series:
    """y_k = 0.4 y_{k-1} + 0.4 y_{k-1} y_{k-2} + 0.6 u_k^3 + 0.1 for k >= 2, y_0 = y_1 = 0.

    The nonlinear filter of second order that C. Du et al. solved with WOx memristors, Nat. Commun. 8, 2204 (2017),
    10.1038/s41467-017-02337-y, after A. F. Atiya and A. G. Parlos, IEEE Trans. Neural Netw. 11, 697 (2000),
    10.1109/72.846741. Its mean is large and its variance small, so tell which error is given (`metrics.nmse`).

    Args:
        u: the input; the task is set for numbers between 0 and 0.5.

    Raises:
        DataError: u has fewer than three samples.
    """
    _long_enough(u, 3, "second_order")

    def step(past: tuple[Array, Array], u: Array) -> tuple[tuple[Array, Array], Array]:
        one, two = past
        y = 0.4 * one + 0.4 * one * two + 0.6 * u**3 + 0.1
        return (y, one), y

    rest = jnp.zeros((), u.dtype)
    return jnp.concatenate([jnp.zeros(2, u.dtype), lax.scan(step, (rest, rest), u[2:])[1]])


def narma(u: Series, order: int = 10, a1: Number = 0.3, a2: Number = 0.05, b: Number = 1.5, c: Number = 0.1) -> Series:
    """y_{k+1} = a1 y_k + a2 y_k sum_{i<order} y_{k-i} + b u_{k-order+1} u_k + c, zero for the first `order` samples.

    A. F. Atiya and A. G. Parlos, IEEE Trans. Neural Netw. 11, 697 (2000), 10.1109/72.846741. y_k depends on u up to
    k - 1, so a reservoir that has just seen u_k is asked for y_{k+1} (`learning.driven_task` aligns the two). Some
    inputs make it diverge, long ones more often; the defaults are NARMA10.

    Args:
        u: the input, between 0 and 0.5. order: how far the memory reaches. a1, a2, b, c: of the equation.

    Raises:
        DataError: u is not longer than the order, the order is below one, or y grows without bounds.
    """
    if order < 1:
        raise DataError(f"narma: order = {order}, use at least 1.")
    _long_enough(u, order + 1, "narma")
    a1, a2, b, c = (jnp.asarray(p, u.dtype) for p in (a1, a2, b, c))

    def step(past: Array, uu: Array) -> tuple[Array, Array]:
        y = a1 * past[-1] + a2 * past[-1] * jnp.sum(past) + b * uu + c
        return jnp.append(past[1:], y), y

    products = u[: -order or None] * u[order - 1 : -1]
    rest = jnp.zeros(order, u.dtype)
    y = jnp.concatenate([rest, lax.scan(step, rest, products)[1]])
    if not isinstance(y, Tracer) and not bool(jnp.all(jnp.isfinite(y))):
        first = int(jnp.argmin(jnp.isfinite(y)))
        raise DataError(f"narma: y diverges at step {first} for this input; draw another one, or use a smaller order.")
    return y


def mackey_glass(
    n_timesteps: int,
    tau: float = 17.0,
    a: Number = 0.2,
    b: Number = 0.1,
    n: Number = 10.0,
    x0: Number = 1.2,
    h: float = 0.1,
) -> Float[Array, "time 1"]:
    """x' = a x(t - tau)/(1 + x(t - tau)^n) - b x, x = x0 for t <= 0.

    Runge-Kutta steps of fourth order; the delayed value in the middle of a step is the mean of those at its ends.
    reservoirpy keeps the delayed value constant over a step and starts from a random past. M. C. Mackey and L. Glass,
    Science 197, 287 (1977), 10.1126/science.267326.

    Args:
        n_timesteps: samples, the first at t = 0. tau: the delay, a whole number of steps. a, b, n: of the equation.
        x0: the past. h: time of a step; take every tenth sample of the default for the series of unit steps.

    Raises:
        DataError: tau is not a whole number of steps h.
    """
    delay = round(tau / h)
    if delay < 1 or abs(delay * h - tau) > 1e-9 * tau:
        raise DataError(
            f"mackey_glass: tau = {tau} is not a whole number of steps h = {h}; choose h = tau/{delay + 1}."
        )
    a, b, n, x0 = (jnp.asarray(p, jnp.result_type(float)) for p in (a, b, n, x0))

    def rate(x: Array, late: Array) -> Array:
        return a * late / (1 + late**n) - b * x

    def step(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        x, past = carry
        start, end = past[0], past[1]
        middle = (start + end) / 2
        k1 = rate(x, start)
        k2 = rate(x + h / 2 * k1, middle)
        k3 = rate(x + h / 2 * k2, middle)
        k4 = rate(x + h * k3, end)
        new = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return (new, jnp.append(past[1:], new)), x

    return lax.scan(step, (x0, jnp.full(delay + 1, x0)), None, length=n_timesteps)[1][:, None]


def lorenz(
    n_timesteps: int,
    rho: Number = 28.0,
    sigma: Number = 10.0,
    beta: Number = 8 / 3,
    x0: tuple[float, float, float] | Float[Array, " 3"] = (1.0, 1.0, 1.0),
    h: float = 0.01,
) -> Float[Array, "time 3"]:
    """x' = sigma (y - x), y' = x (rho - z) - y, z' = x y - beta z.

    Runge-Kutta steps of fourth order. E. N. Lorenz, J. Atmos. Sci. 20, 130 (1963),
    10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2.

    Args:
        n_timesteps: samples, the first is x0. rho, sigma, beta: of the equations. x0: the start. h: time of a step.
    """
    rho, sigma, beta = (jnp.asarray(p, jnp.result_type(float)) for p in (rho, sigma, beta))

    def rate(s: Array) -> Array:
        x, y, z = s
        return jnp.stack([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])

    def step(s: Array, _: None) -> tuple[Array, Array]:
        k1 = rate(s)
        k2 = rate(s + h / 2 * k1)
        k3 = rate(s + h / 2 * k2)
        k4 = rate(s + h * k3)
        return s + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), s

    return lax.scan(step, jnp.asarray(x0, jnp.result_type(float)), None, length=n_timesteps)[1]


def henon_map(
    n_timesteps: int,
    a: Number = 1.4,
    b: Number = 0.3,
    x0: tuple[float, float] | Float[Array, " 2"] = (0.0, 0.0),
) -> Float[Array, "time 2"]:
    """x_{k+1} = 1 - a x_k^2 + y_k, y_{k+1} = b x_k.

    M. Henon, Commun. Math. Phys. 50, 69 (1976), 10.1007/BF01608556.

    Args:
        n_timesteps: samples, the first is x0. a, b: of the map. x0: the start.
    """
    a, b = (jnp.asarray(p, jnp.result_type(float)) for p in (a, b))

    def step(s: Array, _: None) -> tuple[Array, Array]:
        return jnp.stack([1 - a * s[0] ** 2 + s[1], b * s[0]]), s

    return lax.scan(step, jnp.asarray(x0, jnp.result_type(float)), None, length=n_timesteps)[1]


def to_forecasting(series: Float[Array, "time d"], forecast: int = 1) -> tuple[Array, Array]:
    """Inputs and targets of a prediction, (time - forecast, d) each: series[k] and series[k + forecast].

    Args:
        series: what is to be predicted. forecast: how many samples ahead.

    Raises:
        DataError: the series is not longer than `forecast`, or that is below one.
    """
    if not 1 <= forecast < series.shape[0]:
        raise DataError(f"to_forecasting: forecast = {forecast}, use 1 to {series.shape[0] - 1} for this series.")
    return series[:-forecast], series[forecast:]


def _long_enough(u: Any, least: int, name: str) -> None:
    if u.shape[0] < least:
        raise DataError(f"{name}: the input has {u.shape[0]} samples, give at least {least}.")
