"""Targets of conductance that hold over time: which pair (g+, g-) a weight is written as, found by its gradient.

The error is the time-averaged normalised mean squared error of the weights that are read back,

    E = mean over times, weights and draws of (10 (alpha(t) w(t) - w)/max|w|)^2

w(t) is programmed, drifted and read (`physics.PcmStatistics`), alpha(t) the digital factor of `DriftCompensation`. All
chance is in standard normal numbers that are drawn once, so E is a smooth function of the targets. A pair is written
as a monotone function of |w|, its larger conductance, by few numbers; the smaller one stays at g_min. What is found
spends the range on the many weights and clips the few large ones, the factor sets the scale right.

C. Mackin et al., Nat. Commun. 13, 3765 (2022), 10.1038/s41467-022-31405-1; there by differential evolution.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neurojax._marquardt import least_squares
from neurojax.errors import ProgrammingError
from neurojax.programming.drift import DriftCompensation
from physics.pcm_statistics import PcmStatistics
from physics.smooth import logit

Real = Float[Array, "..."]
AMPLIFIED = 10.0
"""Of the published error, for comparison with it."""
EDGE = 1e-3
"""How near to 0 and 1 a part may be."""


class PairMapping(eqx.Module):
    """w -> (g+, g-): the larger conductance a line through nodes at even |w|/w_max, the smaller at g_min.

    Attributes:
        levels: g of the larger one (S), not decreasing, (nodes,). g_min: of the smaller one (S). w_max: largest |w|.
    """

    levels: Float[Array, " nodes"]
    g_min: Float[Array, ""]
    w_max: Float[Array, ""]

    def __call__(self, w: Real) -> tuple[Real, Real]:
        """Targets (S) of weights `w`."""
        large = self.large(w)
        small = jnp.broadcast_to(self.g_min, w.shape)
        return jnp.where(w >= 0, large, small), jnp.where(w >= 0, small, large)

    def large(self, w: Real) -> Real:
        """The larger conductance (S) of weights `w`."""
        at = jnp.linspace(0.0, 1.0, self.levels.shape[0], dtype=self.levels.dtype)
        return jnp.interp(jnp.abs(w) / self.w_max, at, self.levels)

    def weight(self, plus: Real, minus: Real) -> Real:
        """What a pair of conductances `plus`, `minus` (S) stands for before any factor."""
        return (plus - minus) * self.w_max / (self.levels[-1] - self.g_min)


class HorizonObjective(eqx.Module):
    """The error of a mapping over times, as a function of parts between 0 and 1, all numbers of chance drawn.

    Attributes:
        model: of the cells. weights: wanted, (n, m). times: s, (t,). noise: standard normal, (t, draws, 2, 3, n, m).
        g_min, g_max: S. compensation: of the weights wanted, or None for none.
    """

    model: PcmStatistics
    weights: Float[Array, "n m"]
    times: Float[Array, " t"]
    noise: Float[Array, "t draws 2 3 n m"]
    g_min: Float[Array, ""]
    g_max: Float[Array, ""]
    compensation: DriftCompensation | None

    def mapping(self, parts: Float[Array, " nodes"]) -> PairMapping:
        """The first level takes part 0 of the range, each further one its part of what is left: any parts are monotone.

        Args:
            parts: between 0 and 1, (nodes,).
        """
        levels = 1 - jnp.cumprod(1 - parts)
        return PairMapping(self.g_min + (self.g_max - self.g_min) * levels, self.g_min, jnp.max(jnp.abs(self.weights)))

    def plain(self, nodes: int) -> Float[Array, " nodes"]:
        """Parts of the linear mapping with `nodes` levels, |w| over the whole range."""
        k = jnp.arange(nodes, dtype=self.weights.dtype)
        return jnp.where(k == 0, jnp.zeros_like(k), 1 / jnp.maximum(nodes - k, 1.0))

    def residuals(self, parts: Float[Array, " nodes"]) -> Float[Array, "t draws n m"]:
        """10 (alpha w(t) - w)/max|w| of a mapping by `parts`."""
        mapping = self.mapping(parts)
        plus, minus = mapping(self.weights)

        def one(t: Real, noise: Real) -> Real:
            read = [
                self.model.conductance(g, t, (z[0], z[1], z[2]))
                for g, z in zip((plus, minus), (noise[0], noise[1]), strict=True)
            ]
            w = mapping.weight(*read)
            w = w if self.compensation is None else self.compensation(w)
            return AMPLIFIED * (w - self.weights) / mapping.w_max

        return jax.vmap(jax.vmap(one, (None, 0)))(self.times, self.noise)

    def __call__(self, parts: Float[Array, " nodes"]) -> Float[Array, ""]:
        """E of a mapping by `parts`."""
        r = self.residuals(parts)
        return jnp.mean(r * r)


class Horizon(eqx.Module):
    """A mapping for some times of use.

    Attributes:
        mapping: w -> (g+, g-). parts: its numbers. error, plain: E of it and of the linear mapping, on draws that were
            not used for the search. tried: steps of the search.
    """

    mapping: PairMapping
    parts: Float[Array, " nodes"]
    error: Float[Array, ""]
    plain: Float[Array, ""]
    tried: Array

    @property
    def gain(self) -> Float[Array, ""]:
        """Part of the plain error that is gone."""
        return 1 - self.error / self.plain


def horizon_objective(
    model: PcmStatistics,
    weights: Float[Array, "n m"],
    times: Any,
    *,
    g_min: float = 0.1e-6,
    draws: int = 4,
    compensate: bool = True,
    per_column: bool = False,
    key: Array,
) -> HorizonObjective:
    """The error that `programme_for_horizon` minimises, for any optimiser.

    Args:
        model: of the cells. weights: wanted, (n, m). times: after programming (s), (t,). g_min: least target (S).
        draws: of the whole array at each time. compensate: by one factor from the weights that were wanted, or
            (`per_column`) one for each column. key: a `jax.random.key`.

    Raises:
        ProgrammingError: weights that are all zero, or a g_min beyond the range.
    """
    weights, times = jnp.asarray(weights), jnp.atleast_1d(jnp.asarray(times, jnp.asarray(weights).dtype))
    if not bool(jnp.any(weights != 0)) or not 0 <= g_min < float(model.g_max):
        raise ProgrammingError(f"g_min = {g_min} S must be below {float(model.g_max)} S, and not all weights be zero.")
    noise = jax.random.normal(key, (times.shape[0], draws, 2, 3, *weights.shape), weights.dtype)
    how = DriftCompensation.exact(weights, per_column=per_column) if compensate else None
    number = lambda a: jnp.asarray(a, weights.dtype)  # noqa: E731
    return HorizonObjective(model, weights, times, noise, number(g_min), number(model.g_max), how)


@eqx.filter_jit
def descend(objective: HorizonObjective, start: Float[Array, " nodes"], most: int, enough: float) -> Any:
    """Parts and error after Levenberg-Marquardt steps from `start`.

    Args:
        objective: E. start: parts, within [EDGE, 1 - EDGE]. most: steps tried. enough: gain (of E) not worth another.
    """
    into = lambda theta: EDGE + (1 - 2 * EDGE) * jax.nn.sigmoid(theta)  # noqa: E731

    def residual(theta: Array) -> Array:
        r = objective.residuals(into(theta)).ravel()
        return r * (2 / r.shape[0]) ** 0.5

    inside = jnp.clip((start - EDGE) / (1 - 2 * EDGE), 0.02, 0.98)
    found = least_squares(residual, logit(inside), most, enough, 0.0)
    return into(found.theta), found.cost, found.tried


def programme_for_horizon(
    model: PcmStatistics,
    weights: Float[Array, "n m"],
    times: Any,
    *,
    nodes: int = 7,
    g_min: float = 0.1e-6,
    draws: int = 4,
    compensate: bool = True,
    per_column: bool = False,
    max_iterations: int = 30,
    key: Array,
) -> Horizon:
    """The mapping of weights to pairs of phase-change cells that is best over times of use, by its gradient.

    Args:
        model: of the cells. weights: wanted, (n, m). times: after programming (s), (t,). nodes: numbers of the mapping.
        g_min, draws, compensate, per_column: as in `horizon_objective`. max_iterations: steps tried.
        key: a `jax.random.key`; other draws than those of the search say how good it is.
    """
    search, check = jax.random.split(key)
    options: dict[str, Any] = dict(g_min=g_min, compensate=compensate, per_column=per_column)
    objective = horizon_objective(model, weights, times, draws=draws, **options, key=search)
    parts, _, tried = descend(objective, objective.plain(nodes), max_iterations, 1e-4)
    fresh = horizon_objective(model, weights, times, draws=4 * draws, **options, key=check)
    error, plain = (_value(fresh, p) for p in (parts, objective.plain(nodes)))
    return Horizon(objective.mapping(parts), parts, error, plain, tried)


@eqx.filter_jit
def _value(objective: HorizonObjective, parts: Array) -> Array:
    return objective(parts)


def as_host(objective: HorizonObjective):
    """The same error of a NumPy array, for optimisers without derivatives; compiled at the first call.

    Args:
        objective: E.
    """
    return lambda parts: float(_value(objective, jnp.asarray(np.asarray(parts), objective.weights.dtype)))
