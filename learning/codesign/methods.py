"""Ways to look for a better theta, all of them `state = start(...)`, `state, tried = step(...)`: pure, resumable.

The gradient stands beside what needs none: random search, the (1+1) evolution strategy with the rule of one fifth, and
the evolution strategy with covariance matrix adaptation. All of them see the same objective, averaged over `draws` keys
a step, all in the coordinates of `Design`.
"""

import abc
import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Bool, Float

from learning.codesign.design import Design

Objective = Callable[..., Any]
"""`objective(tree, key) -> scalar`, smaller is better."""
Theta = Float[Array, " n"]
GRADIENT_COST = 3.0
"""A gradient counts as this many evaluations at least: forwards, backwards, and what the backward pass needs again."""


class Tried(NamedTuple):
    """What one step has found: a theta that may be the best so far, the loss that was seen, whether all was finite."""

    theta: Theta
    loss: Float[Array, ""]
    ok: Bool[Array, ""]
    size: Float[Array, ""]


class AbstractMethod(eqx.Module):
    """A method: how it starts, what a step does, and how many evaluations of the objective a step costs."""

    name: eqx.AbstractClassVar[str]
    halts: ClassVar[bool] = False
    """Whether a step that is not ok has led nowhere."""
    draws: eqx.AbstractVar[int]
    abreast: eqx.AbstractVar[bool]

    @abc.abstractmethod
    def start(self, design: Design, theta: Theta) -> Any:
        """The state, a tree of arrays, with which the search of `design` begins at `theta`."""

    @abc.abstractmethod
    def step(self, objective: Objective, design: Design, state: Any, key: Array) -> tuple[Any, Tried]:
        """The next `state` of the search for a low `objective` of `design`, and what was tried; `key` is its own."""

    @abc.abstractmethod
    def cost(self, design: Design) -> float:
        """Evaluations of the objective that a step costs."""

    def _losses(self, objective: Objective, design: Design, thetas: Array, key: Array) -> Float[Array, " many"]:
        """Of some thetas (many, n), all by the same draws."""

        def loss_of(theta: Theta) -> Array:
            return mean_over_draws(objective, design.at(theta), key, self.draws, self.abreast)

        return each(loss_of, thetas, self.abreast)


def mean_over_draws(objective: Objective, tree: Any, key: Array, draws: int, abreast: bool = True) -> Float[Array, ""]:
    """The mean of `objective(tree, key)` over `draws` keys that come from `key`, all `abreast` or one after another."""
    if draws == 1:
        return objective(tree, key)
    return jnp.mean(each(lambda k: objective(tree, k), jax.random.split(key, draws), abreast))


def each(function: Callable[..., Any], xs: Any, abreast: bool) -> Any:
    """`function` of each of `xs`: `abreast` by vmap, or one after another, which is quicker where each has loops of its
    own length, as an adaptive simulation."""
    return jax.vmap(function)(xs) if abreast else lax.map(function, xs)


class Gradient(AbstractMethod):
    """A step of optax along the gradient. A step with a number that is not finite leaves everything as it is.

    Attributes:
        optimiser: of optax. draws: keys to average over. ratio: evaluations that a gradient counts as.
        abreast: see `each`.
    """

    name: ClassVar[str] = "gradient"
    halts: ClassVar[bool] = True
    optimiser: optax.GradientTransformation
    draws: int = eqx.field(static=True, default=1)
    ratio: float = eqx.field(static=True, default=GRADIENT_COST)
    abreast: bool = eqx.field(static=True, default=True)

    def start(self, design: Design, theta: Theta) -> Any:
        """As of `AbstractMethod`."""
        return theta, self.optimiser.init(theta)

    def step(self, objective: Objective, design: Design, state: Any, key: Array) -> tuple[Any, Tried]:
        """As of `AbstractMethod`."""
        theta, moments = state
        loss, slope = jax.value_and_grad(
            lambda t: mean_over_draws(objective, design.at(t), key, self.draws, self.abreast)
        )(theta)
        ok = jnp.isfinite(loss) & jnp.all(jnp.isfinite(slope))
        slope_or_zero = jnp.where(ok, slope, jnp.zeros_like(slope))
        with jax.numpy_dtype_promotion("standard"):  # optax counts its steps in integers
            updates, following = self.optimiser.update(slope_or_zero, moments, theta)
        moved = theta + updates
        new = jax.tree.map(lambda a, b: jnp.where(ok, a, b), (moved, following), (theta, moments))
        return new, Tried(new[0], loss, ok, jnp.linalg.norm(slope))

    def cost(self, design: Design) -> float:
        """As of `AbstractMethod`."""
        return self.ratio * self.draws


class RandomSearch(AbstractMethod):
    """Designs at random, the best of all kept; `batch` of them a step, all judged by the keys of their step.

    Attributes:
        batch: designs a step. draws: keys to average over. abreast: see `each`.
        sample: `sample(design, around, key) -> theta` instead of the whole box, for a search that knows a good shape.
    """

    name: ClassVar[str] = "random search"
    batch: int = eqx.field(static=True, default=16)
    draws: int = eqx.field(static=True, default=1)
    sample: Callable[..., Any] | None = eqx.field(static=True, default=None)
    abreast: bool = eqx.field(static=True, default=True)

    def start(self, design: Design, theta: Theta) -> Any:
        """As of `AbstractMethod`."""
        return theta, theta, jnp.asarray(jnp.inf, theta.dtype)

    def step(self, objective: Objective, design: Design, state: Any, key: Array) -> tuple[Any, Tried]:
        """As of `AbstractMethod`."""
        around, best, lowest = state
        drawing, noise = jax.random.split(key)
        keys = jax.random.split(drawing, self.batch)
        if self.sample is None:
            found = jax.vmap(lambda k: design.draw(around, key=k))(keys)
        else:
            sample = self.sample
            found = jax.vmap(lambda k: sample(design, around, k))(keys)
        losses = self._losses(objective, design, found, noise)
        ok = jnp.all(jnp.isfinite(losses))
        losses = jnp.where(jnp.isfinite(losses), losses, jnp.inf)
        k = jnp.argmin(losses)
        better = losses[k] < lowest
        best = jnp.where(better, found[k], best)
        return (around, best, jnp.where(better, losses[k], lowest)), Tried(best, losses[k], ok, jnp.zeros_like(lowest))

    def cost(self, design: Design) -> float:
        """As of `AbstractMethod`."""
        return float(self.batch * self.draws)


class OnePlusOne(AbstractMethod):
    """The (1+1) evolution strategy: a child with normal noise of width sigma, kept where it is not worse.

    sigma grows by e^0.8 with a child that is kept and shrinks by e^-0.2 with one that is not, so that one in five is
    kept (I. Rechenberg 1973; S. Kern et al., Nat. Comput. 3, 77 (2004), 10.1023/B:NACO.0000023416.59689.4e). Parent and
    child meet on the same fresh keys, so a lucky draw is not kept for ever; without noise the parent is known already.

    Attributes:
        generations: a step. draws: keys to average over. sigma: first width. noisy: whether the key matters.
        abreast: see `each`.
    """

    name: ClassVar[str] = "(1+1)-ES"
    generations: int = eqx.field(static=True, default=10)
    draws: int = eqx.field(static=True, default=1)
    sigma: float = eqx.field(static=True, default=0.3)
    noisy: bool = eqx.field(static=True, default=True)
    abreast: bool = eqx.field(static=True, default=True)

    def start(self, design: Design, theta: Theta) -> Any:
        """As of `AbstractMethod`."""
        return theta, jnp.asarray(self.sigma, theta.dtype), jnp.asarray(jnp.inf, theta.dtype)

    def step(self, objective: Objective, design: Design, state: Any, key: Array) -> tuple[Any, Tried]:
        """As of `AbstractMethod`."""

        def generation(state: Any, key: Array) -> tuple[Any, Array]:
            theta, sigma, lowest = state
            change, noise = jax.random.split(key)
            child = theta + sigma * jax.random.normal(change, theta.shape, theta.dtype)
            if self.noisy:
                lowest, new = self._losses(objective, design, jnp.stack([theta, child]), noise)
            else:
                new = self._losses(objective, design, child[None], noise)[0]
            kept = jnp.isfinite(new) & ~(new > lowest)
            theta, lowest = jnp.where(kept, child, theta), jnp.where(kept, new, lowest)
            sigma = sigma * jnp.exp(jnp.where(kept, 0.8, -0.2).astype(sigma.dtype))
            return (theta, sigma, lowest), jnp.isfinite(new)

        state, ok = lax.scan(generation, state, jax.random.split(key, self.generations))
        return state, Tried(state[0], state[2], jnp.all(ok), state[1])

    def cost(self, design: Design) -> float:
        """As of `AbstractMethod`."""
        return float(self.generations * self.draws * (2 if self.noisy else 1))


class CovarianceAdaptation(AbstractMethod):
    """The evolution strategy that learns the covariance of good steps (CMA-ES), all its settings the usual ones.

    lambda = 4 + 3 ln n children a generation, judged by the same keys; the mean moves to the weighted mean of the
    better half, the covariance by what moved it. Above `full` numbers only its diagonal is kept, and it learns
    (n + 2)/3 times faster (R. Ros and N. Hansen, 10.1007/978-3-540-87700-4_30). N. Hansen, The CMA evolution strategy:
    a tutorial, arXiv 1604.00772.

    Attributes:
        generations: a step. draws: keys to average over. sigma: first width. full: most numbers with a full covariance.
        abreast: see `each`.
    """

    name: ClassVar[str] = "CMA-ES"
    generations: int = eqx.field(static=True, default=1)
    draws: int = eqx.field(static=True, default=1)
    sigma: float = eqx.field(static=True, default=0.3)
    full: int = eqx.field(static=True, default=200)
    abreast: bool = eqx.field(static=True, default=True)

    def start(self, design: Design, theta: Theta) -> Any:
        """As of `AbstractMethod`."""
        zero, n = jnp.zeros_like(theta), theta.shape[0]
        c = jnp.eye(n, dtype=theta.dtype) if n <= self.full else jnp.ones_like(theta)
        return theta, jnp.asarray(self.sigma, theta.dtype), c, zero, zero, jnp.zeros((), theta.dtype)

    def step(self, objective: Objective, design: Design, state: Any, key: Array) -> tuple[Any, Tried]:
        """As of `AbstractMethod`."""

        def generation(state: Any, key: Array) -> tuple[Any, tuple[Array, Array]]:
            drawing, noise = jax.random.split(key)
            z = jax.random.normal(drawing, (_children(design.size), design.size), state[0].dtype)
            root, back = _roots(state[2])
            y = z @ root.T if root.ndim == 2 else z * root[None]
            theta = state[0][None] + state[1] * y
            losses = self._losses(objective, design, theta, noise)
            ok = jnp.all(jnp.isfinite(losses))
            losses = jnp.where(jnp.isfinite(losses), losses, jnp.inf)
            new, some = _adapted(state, y, losses, back), jnp.isfinite(losses).any()
            return jax.tree.map(lambda a, b: jnp.where(some, a, b), new, state), (jnp.min(losses), ok)

        state, (losses, ok) = lax.scan(generation, state, jax.random.split(key, self.generations))
        return state, Tried(state[0], losses[-1], jnp.all(ok), state[1])

    def cost(self, design: Design) -> float:
        """As of `AbstractMethod`."""
        return float(self.generations * self.draws * _children(design.size))


def _children(n: int) -> int:
    return 4 + int(3 * math.log(n))


def _roots(c: Array) -> tuple[Array, Array]:
    """C^(1/2) and C^(-1/2), of a matrix or of its diagonal."""
    if c.ndim == 1:
        return jnp.sqrt(c), 1 / jnp.sqrt(c)
    values, vectors = jnp.linalg.eigh(c)
    values = jnp.sqrt(jnp.maximum(values, 1e-14 * values[-1]))
    return vectors * values[None] @ vectors.T, vectors / values[None] @ vectors.T


def _adapted(state: Any, y: Array, losses: Array, back: Array) -> Any:
    """Mean, width, covariance and the two paths after a generation of steps `y`, equations 38 to 47 of the tutorial."""
    mean, sigma, c, p_sigma, p_c, g = state
    n, mu = mean.shape[0], len(losses) // 2
    raw = jnp.log((len(losses) + 1) / 2) - jnp.log(jnp.arange(1, mu + 1, dtype=mean.dtype))
    w = raw / raw.sum()
    mu_eff = 1 / jnp.sum(w**2)
    c_s = (mu_eff + 2) / (n + mu_eff + 5)
    d_s = 1 + 2 * jnp.maximum(0.0, jnp.sqrt((mu_eff - 1) / (n + 1)) - 1) + c_s
    c_c = (4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n)
    faster = 1.0 if c.ndim == 2 else (n + 2) / 3
    c_1 = faster * 2 / ((n + 1.3) ** 2 + mu_eff)
    c_mu = jnp.minimum(1 - c_1, faster * 2 * (mu_eff - 2 + 1 / mu_eff) / ((n + 2) ** 2 + mu_eff))
    better = y[jnp.argsort(losses)[:mu]]
    step = w @ better
    whitened = back @ step if c.ndim == 2 else back * step
    p_sigma = (1 - c_s) * p_sigma + jnp.sqrt(c_s * (2 - c_s) * mu_eff) * whitened
    usual = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))
    length = jnp.linalg.norm(p_sigma)
    steady = length / jnp.sqrt(1 - (1 - c_s) ** (2 * (g + 1))) < (1.4 + 2 / (n + 1)) * usual
    h = steady.astype(mean.dtype)
    p_c = (1 - c_c) * p_c + h * jnp.sqrt(c_c * (2 - c_c) * mu_eff) * step
    if c.ndim == 2:
        one, many = jnp.outer(p_c, p_c), (better * w[:, None]).T @ better
    else:
        one, many = p_c**2, w @ better**2
    c = (1 - c_1 - c_mu) * c + c_1 * (one + (1 - h) * c_c * (2 - c_c) * c) + c_mu * many
    sigma = sigma * jnp.exp(jnp.minimum(1.0, c_s / d_s * (length / usual - 1)))
    return mean + state[1] * step, sigma, c, p_sigma, p_c, g + 1
