"""Ramps of equal pulses with their spread from cycle to cycle: a pulsed device fitted to mean and scatter at once.

    ramps = nj.read_ramps("set.csv", amplitude=1.0, width=1e-6)
    found = nj.fit_ramps(Piecewise(up_nodes=(1.0,) * 9, at_ends=True), ramps)
    found.device, found.gain_std            for layers; how much the steps of one ramp differ from those of another
    found.draw(200, 185, key=key)           ramps (S) as they would be measured

Pulse k of a ramp:   w_k = pulse(w_(k-1)) with steps (1 + gamma) of the mean ones,    reading  w_k + b_k + r_k,
                     b_k = b_(k-1) + h_k

gamma and b_0 are correlated normal numbers of the ramp, h_k those of a pulse, r_k of a reading. b is beside w: what a
ramp is higher than another is not in its further steps. Measured ramps bear that out, as a fit that has scatter in w as
well leaves none there. What is maximised is the likelihood of all readings, each ramp by the extended Kalman filter of
(w, gamma, b): R. E. Kalman, J. Basic Eng. 82, 35 (1960), 10.1115/1.3662552.
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neurojax._marquardt import least_squares
from neurojax._ramp_data import UP_DOWN, first_guess, in_units
from neurojax.bijection import Box, limits
from neurojax.errors import FitError
from neurojax.pulses import PulseTrace
from neurojax.response import DRAWS, rolled, shape_names
from physics.pulsed import AbstractPulsed
from physics.quantity import parameters, with_values

APART = 300.0
"""How far, as a factor, each scatter may lie from what the differences between readings tell."""
TOGETHER = 0.99
"""Largest correlation."""


class Ramps(eqx.Module):
    """A pulsed device with its spread from cycle to cycle. Of pairs the first is of ramps up, the second of ramps down.

    Attributes:
        device: the mean device; dw_std and write_noise are the scatter of a pulse and of a reading.
        g_min, g_max: conductance (S) at w_min and w_max. w_0: before the first pulse, (2,).
        gain_std: relative spread of the steps of a ramp, (2,), NaN where no ramp went that way. offset_std: spread of
            the start, and walk_std: scatter of a pulse, in units of w, (2,). correlation: of gain and start, (2,).
        log_likelihood: of all readings, in units of w. iterations: steps tried.
    """

    device: AbstractPulsed
    g_min: float
    g_max: float
    w_0: Float[Array, "2"]
    gain_std: Float[Array, "2"]
    offset_std: Float[Array, "2"]
    correlation: Float[Array, "2"]
    walk_std: Float[Array, "2"]
    log_likelihood: Float[Array, ""]
    iterations: int

    def draw(self, count: int, pulses: int, *, up: bool = True, key: Array) -> Float[Array, "count pulses"]:
        """Readings (S) after each pulse of `count` ramps."""
        side, one = int(not up), jax.random.split(key)
        own = jax.random.normal(one[0], (2, count, 1), self.w_0.dtype)
        walk, reading = jax.random.normal(one[1], (2, count, pulses), self.w_0.dtype)
        r = self.correlation[side]
        gamma = self.gain_std[side] * own[0]
        offset = self.offset_std[side] * (r * own[0] + jnp.sqrt(1 - r * r) * own[1])
        path = jax.vmap(lambda g: self._path(pulses, up, g))(gamma[:, 0])
        beside = offset + self.walk_std[side] * jnp.cumsum(walk, axis=1)
        return self._conductance(self.device.apparent(path, reading) + beside)

    def mean(self, pulses: int, *, up: bool = True) -> Float[Array, " pulses"]:
        """Reading (S) after each pulse of a ramp without any scatter."""
        return self._conductance(self._path(pulses, up, jnp.zeros_like(self.w_0[0])))

    def _path(self, pulses: int, up: bool, gamma: Array) -> Array:
        signs = jnp.full(pulses, 1.0 if up else -1.0, self.w_0.dtype)
        return rolled(_stronger(self.device, gamma), self.w_0[int(not up)], signs)

    def _conductance(self, w: Array) -> Array:
        return self.device.conductance(w, jnp.asarray(self.g_min, w.dtype), jnp.asarray(self.g_max, w.dtype))


def fit_ramps(
    device: AbstractPulsed, ramps: Sequence[PulseTrace], *, max_iterations: int = 200, tolerance: float = 1e-8
) -> Ramps:
    """Maximum likelihood of a model of `physics.pulsed` and of its spread from cycle to cycle.

    Free are the sizes and shapes of the steps in the directions that occur and all scatter; the readings fill the
    bounds of w, which are those of the device.

    Args:
        device: the model, which is the first start but for the size of its steps. ramps: of pulses of one sign each,
            two or more of a sign, of any lengths; ramps up and ramps down are fitted together.
        max_iterations: trial steps. tolerance: gain of a step, in parts of the whole, that is not worth another.

    Raises:
        DataError: ramps of pulses of both signs, single ramps, or readings that do not change.
        FitError: no start has a finite likelihood.
    """
    y, signs, g = in_units(device, ramps)
    problem = _problem(device, y, signs)
    found = problem.search(max_iterations, tolerance)
    if not np.isfinite(found.cost):
        raise FitError("no start gives finite readings. Does the device answer to the first pulses, within its bounds?")
    fitted, scatter = problem.made(found.theta)
    e, s = problem.innovations(fitted, scatter)
    known = jnp.isfinite(problem.y)
    likelihood = jnp.sum(jnp.where(known, -0.5 * (e * e / s + jnp.log(2 * jnp.pi * s)), 0.0))
    occurs = jnp.asarray([(signs == s).any() for s in UP_DOWN])
    gain, offset, walk, together = jnp.where(occurs, scatter, jnp.nan)
    found = Ramps(fitted, *g, problem.w_0, gain, offset, together, walk, likelihood, int(found.tried))
    return eqx.tree_at(lambda f: f.device, found, _scattered(found, y.shape[1]))


class _Problem(eqx.Module):
    """Readings in units of w, NaN where a ramp has ended; signs of the ramps, where they start, and what is free."""

    device: AbstractPulsed
    y: Float[Array, "ramps n"]
    signs: Float[Array, " ramps"]
    w_0: Float[Array, "2"]
    names: tuple[str, ...] = eqx.field(static=True)
    box: Box
    starts: Float[Array, "draws p"]
    floor: Float[Array, ""]
    """A variance below that of any reading."""

    def made(self, theta: Array) -> tuple[AbstractPulsed, Float[Array, "4 2"]]:
        """Device; spread of gain and offset, scatter of a pulse, and correlation, of ramps up and down."""
        values = self.box.to_physical(theta)
        n = len(self.names)
        named = dict(zip((*self.names, "write_noise"), values[: n + 1], strict=True))
        return with_values(self.device, named), values[n + 1 :].reshape(4, 2)

    def innovations(self, device: AbstractPulsed, scatter: Array) -> tuple[Array, Array]:
        """How far each reading is from what is expected after those before it, and the variance of that, (ramps, n)."""
        side = (self.signs < 0).astype(int)
        one = lambda y, sign, k: _filtered(device, y, sign, self.w_0[k], scatter[:, k])  # noqa: E731
        return jax.vmap(one)(self.y, self.signs, side)

    def residual(self, theta: Array) -> Float[Array, " r"]:
        """Their squares add up to -2 log L and a constant."""
        e, s = self.innovations(*self.made(theta))
        both = jnp.stack([e / jnp.sqrt(s), jnp.sqrt(jnp.log(jnp.maximum(s / self.floor, 1.001)))])
        return jnp.where(jnp.isfinite(self.y), both, 0.0).ravel()

    @eqx.filter_jit
    def search(self, most: int, tolerance: float) -> Any:
        """From the best of the starts."""
        thetas = jax.vmap(self.box.inverse)(self.starts)
        squares = jax.lax.map(lambda theta: jnp.sum(self.residual(theta) ** 2), thetas)
        start = thetas[jnp.argmin(jnp.where(jnp.isfinite(squares), squares, jnp.inf))]
        return least_squares(self.residual, start, most, tolerance, 0.0)


def _problem(device: AbstractPulsed, y: np.ndarray, signs: np.ndarray) -> _Problem:
    known = parameters(device)
    names = _names(device, [s for s in UP_DOWN if (signs == s).any()])
    w_0, reading, spread = first_guess(y, signs)
    scatter = np.r_[reading / float(device.dw_min), 0.02, 0.02, spread, reading, reading]
    low, high, log = limits([known[n] for n in names], {})
    box = [
        np.r_[low, scatter / APART, -TOGETHER, -TOGETHER],
        np.r_[high, scatter * APART, TOGETHER, TOGETHER],
        np.r_[log, np.ones(len(scatter)), 0.0, 0.0],
    ]
    values = np.asarray([float(known[n].value) for n in names])
    size = np.asarray([n == "dw_min" or "_nodes." in n for n in names])
    values = np.where(size, np.geomspace(1e-3, 1e3, 4 * DRAWS)[:, None], 1.0) * values
    starts = np.concatenate([values, np.tile(np.r_[scatter, 0.0, 0.0], (len(values), 1))], axis=1)
    floor = np.asarray((reading / APART) ** 2)
    real = lambda a: jnp.asarray(a, float)  # noqa: E731
    return _Problem(device, real(y), real(signs), real(w_0), names, Box(*map(real, box)), real(starts), real(floor))


def _filtered(
    device: AbstractPulsed, y: Array, sign: Array, w_0: Array, scatter: Float[Array, "4"]
) -> tuple[Array, Array]:
    """The extended Kalman filter of (w, gamma, b) along one ramp: innovations and their variances, (n,) each."""
    gain, offset, walk, together = scatter
    read, none = jnp.asarray([1.0, 0.0, 1.0], y.dtype), jnp.zeros_like(w_0)
    noise = (device.write_noise * device.dw_min) ** 2

    def step(carry, y):
        x, p = carry
        pulse = lambda w, gamma: _stronger(device, gamma).pulse(w, sign, none)  # noqa: E731
        slopes = jnp.stack(jax.jacfwd(pulse, argnums=(0, 1))(x[0], x[1]))
        x = x.at[0].set(pulse(x[0], x[1]))
        f = jnp.eye(3, dtype=y.dtype).at[0, :2].set(slopes)
        p = (f @ p @ f.T).at[2, 2].add(walk**2)
        known = jnp.isfinite(y)
        s = read @ p @ read + noise
        e = jnp.where(known, y, 0.0) - read @ x
        k = jnp.where(known, p @ read / s, 0.0)
        return (x + k * e, p - jnp.outer(k, k) * s), (e, s)

    both = together * gain * offset
    p = jnp.zeros((3, 3), y.dtype).at[1, 1].set(gain**2).at[2, 2].set(offset**2).at[1, 2].set(both).at[2, 1].set(both)
    return jax.lax.scan(step, (jnp.stack([w_0, none, none]), p), y)[1]


def _stronger(device: AbstractPulsed, gamma: Array) -> AbstractPulsed:
    return with_values(device, {"gain": device.gain * (1 + gamma)})


def _scattered(found: Ramps, pulses: int) -> AbstractPulsed:
    """The device with the scatter of a pulse, over all steps or each, as the device counts it."""
    parts = []
    for k, up in enumerate((True, False)):
        path = found._path(pulses, up, jnp.zeros_like(found.w_0[0]))
        size = found.device.scales()[k] if found.device.additive else jnp.sqrt(jnp.mean(jnp.diff(path) ** 2))
        parts.append(found.walk_std[k] / size)
    return with_values(found.device, {"dw_std": jnp.sqrt(jnp.nanmean(jnp.stack(parts) ** 2))})


def _names(device: AbstractPulsed, sides: list[float]) -> tuple[str, ...]:
    """What `fit_response` has free but the bounds, of the directions that occur."""
    names = [n for n in shape_names(device, parameters(device)) if n not in ("w_min", "w_max")]
    if len(sides) == 2:
        return tuple(names)
    other = "down" if sides[0] > 0 else "up"
    return tuple(n for n in names if other not in n)
