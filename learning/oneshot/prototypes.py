"""Classes from one example each: means, and what earlier classes taught about spread.

    known = shared_covariance(x_old, labels_old, 5)             how examples of a class scatter about their mean
    model = discriminant(support, labels, 5, covariance=known)  new classes, one example of each
    model(queries)                                              scores, one a class

`prototypes` measures distances in the plane as it is, `discriminant` in units of the scatter (linear discriminant
analysis). Both are closed forms, differentiable in all that they are given, so an embedding is trained through them.

L. Fei-Fei, R. Fergus and P. Perona, IEEE Trans. Pattern Anal. Mach. Intell. 28, 594 (2006), 10.1109/TPAMI.2006.79
(priors from earlier classes); J. Snell, K. Swersky and R. Zemel, NeurIPS (2017), arXiv 1703.05175 (prototypes).
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
from jaxtyping import Array, Float, Integer

from neurojax.errors import DataError

Examples = Float[Array, "n features"]
Labels = Integer[Array, " n"]


class Prototypes(eqx.Module):
    """score_c = -|x - m_c|^2/2: the nearest mean wins.

    Attributes:
        means: (classes, features).
    """

    means: Float[Array, "classes features"]

    def __call__(self, x: Float[Array, "*batch features"]) -> Float[Array, "*batch classes"]:
        """Scores of examples `x`; their differences are logarithms of likelihood ratios at unit variance."""
        return _scores(x, self.means)


class Discriminant(eqx.Module):
    """score_c = -(x - m_c)^T S^-1 (x - m_c)/2 + ln p_c with one S for all classes.

    Attributes:
        means: (classes, features). root: Cholesky factor of S, lower. log_prior: ln p_c, (classes,).
    """

    means: Float[Array, "classes features"]
    root: Float[Array, "features features"]
    log_prior: Float[Array, " classes"]

    def whiten(self, x: Float[Array, "*batch features"]) -> Float[Array, "*batch features"]:
        """Examples `x` in the coordinates in which S is one."""
        flat = x.reshape(-1, x.shape[-1])
        return jsl.solve_triangular(self.root, flat.T, lower=True).T.reshape(x.shape)

    def __call__(self, x: Float[Array, "*batch features"]) -> Float[Array, "*batch classes"]:
        """Scores of examples `x`; their differences are logarithms of ratios of posteriors."""
        scores = _scores(self.whiten(x), self.whiten(self.means))
        return scores + jnp.broadcast_to(self.log_prior, scores.shape)


def _scores(x: Array, means: Array) -> Array:
    away = x[..., None, :] - jnp.broadcast_to(means, (*x.shape[:-1], *means.shape))
    return -jnp.sum(away * away, axis=-1) / 2


def class_means(
    x: Examples, labels: Labels, classes: int, *, prior_mean: Any = None, strength: Any = 0.0
) -> Float[Array, "classes features"]:
    """(sum of a class + strength prior_mean)/(number + strength): the posterior mean of a normal prior.

    Args:
        x: examples. labels: 0 to classes - 1. classes: how many. prior_mean: where classes lie before one of them is
            seen, (features,) (default: the mean of x). strength: how many examples the prior is worth.
    """
    one = jax.nn.one_hot(labels, classes, dtype=x.dtype)
    strength = jnp.asarray(strength, x.dtype)
    prior = jnp.mean(x, axis=0) if prior_mean is None else jnp.asarray(prior_mean, x.dtype)
    number = jnp.sum(one, axis=0)[:, None] + strength
    least = jnp.asarray(jnp.finfo(x.dtype).tiny, x.dtype)
    return (one.T @ x + strength * prior[None]) / jnp.maximum(number, least)


def shared_covariance(
    x: Examples, labels: Labels, classes: int, *, shrinkage: Any = 0.1
) -> Float[Array, "features features"]:
    """(1 - s) W + s tr(W)/d: the scatter W about the class means, drawn to a round one.

    Args:
        x: examples. labels: 0 to classes - 1. classes: how many. shrinkage: s, 0 to 1, differentiable; above 0 where
            there are fewer examples than features.

    Raises:
        DataError: no example more than there are classes: nothing scatters.
    """
    n, d = x.shape
    if n <= classes:
        raise DataError(f"shared_covariance: {n} examples of {classes} classes; give more, of earlier classes.")
    away = x - class_means(x, labels, classes)[labels]
    within = away.T @ away / (n - classes)
    s = jnp.asarray(shrinkage, x.dtype)
    return (1 - s) * within + s * jnp.trace(within) / d * jnp.eye(d, dtype=x.dtype)


def prototypes(x: Examples, labels: Labels, classes: int, **prior: Any) -> Prototypes:
    """Class means.

    Args:
        x: examples, one or more of each class. labels: 0 to classes - 1. classes: how many.
        prior: keywords of `class_means`.
    """
    return Prototypes(class_means(x, labels, classes, **prior))


def discriminant(
    x: Examples,
    labels: Labels,
    classes: int,
    *,
    covariance: Float[Array, "features features"] | None = None,
    log_prior: Any = None,
    shrinkage: Any = 0.1,
    **prior: Any,
) -> Discriminant:
    """Class means with one covariance.

    Args:
        x: examples, one or more of each class. labels: 0 to classes - 1. classes: how many.
        covariance: of earlier classes, as of `shared_covariance` (default: of x itself, with the `shrinkage`).
        log_prior: logarithms of the probabilities of the classes (default: all alike). prior: keywords of
            `class_means`.
    """
    if covariance is None:
        covariance = shared_covariance(x, labels, classes, shrinkage=shrinkage)
    even = jnp.full(classes, -jnp.log(jnp.asarray(float(classes), x.dtype)))
    log_prior = even if log_prior is None else jnp.asarray(log_prior, x.dtype)
    return Discriminant(class_means(x, labels, classes, **prior), jnp.linalg.cholesky(covariance), log_prior)
