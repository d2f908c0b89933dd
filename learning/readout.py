"""Readouts: linear maps from the states of a reservoir to its answers, in closed form or learned step by step.

readout = ridge(states, targets, 1e-6)
y = readout(states)
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import jax.scipy.linalg as jsl
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Float, Int

from neurojax.errors import DataError

Number = float | Float[Array, ""]


class Linear(eqx.Module):
    """y = x weight + bias.

    Attributes:
        weight: (features, outputs). bias: (outputs,).
    """

    weight: Float[Array, "features outputs"]
    bias: Float[Array, " outputs"]

    def __call__(self, x: Float[Array, "*time features"]) -> Float[Array, "*time outputs"]:
        """Answers to features `x`."""
        return jnp.einsum("...f,fo->...o", x, self.weight) + jnp.broadcast_to(
            self.bias, (*x.shape[:-1], *self.bias.shape)
        )


def ridge(x: Float[Array, "time features"], y: Float[Array, "targets outputs"], penalty: Number) -> Linear:
    """The linear readout of least squares with a penalty on its weights, in closed form and differentiable.

    With x and y less their means over time and T samples, W = (x^T x/T + penalty s 1)^-1 x^T y/T, where s is the mean
    square of a centred feature: the penalty is a pure number that does not depend on how large the features are, and
    the bias is not penalised. (`sklearn.linear_model.Ridge` with alpha = penalty s T.) Gradients pass through x, y and
    the penalty. A. E. Hoerl and R. W. Kennard, Technometrics 12, 55 (1970), 10.1080/00401706.1970.10488634.

    Args:
        x: features. y: targets. penalty: 1e-8 to 1e-2 is usual; above zero wherever features may depend on each other.

    Raises:
        DataError: the penalty is negative, or x and y have not the same length.
    """
    if not isinstance(penalty, Tracer) and float(penalty) < 0:
        raise DataError(f"ridge: the penalty is {float(penalty)}, give zero or more.")
    _same_length(x, y, "ridge")
    x_mean, y_mean = jnp.mean(x, axis=0, keepdims=True), jnp.mean(y, axis=0, keepdims=True)
    xc, yc = x - x_mean, y - y_mean
    gram = xc.T @ xc / x.shape[0]
    scale = jnp.mean(jnp.diagonal(gram))
    # Features that never move get no weight, and no division by zero.
    scale = jnp.where(scale > 0, scale, jnp.ones_like(scale))
    loaded = gram + jnp.asarray(penalty, x.dtype) * scale * jnp.eye(x.shape[1], dtype=x.dtype)
    weight = jsl.solve(loaded, xc.T @ yc / x.shape[0], assume_a="pos")
    return Linear(weight, (y_mean - x_mean @ weight)[0])


class Recursive(eqx.Module):
    """Recursive least squares, one sample at a time: `start`, then `learn` again and again.

    k = P x/(f + x^T P x), W <- W + k (y - x W), P <- (P - k x^T P)/f, where x has a one behind its features. With f = 1
    it is, after T samples, exactly (X^T X + alpha 1)^-1 X^T Y. S. Haykin, Adaptive Filter Theory (2002), chapter 9.

    Attributes:
        weight: W, (features + 1, outputs), the last row the bias. inverse: P. forgetting: f.
    """

    weight: Float[Array, "features1 outputs"]
    inverse: Float[Array, "features1 features1"]
    forgetting: Float[Array, ""]

    @classmethod
    def start(cls, features: int, outputs: int, alpha: Number = 1e-6, forgetting: Number = 1.0) -> "Recursive":
        """Before the first sample: no weights, P = 1/alpha.

        Args:
            features, outputs: how many. alpha: penalty of the squares of all weights and the bias, not relative.
            forgetting: f, part of what is known that is left after a sample.
        """
        number = lambda a: jnp.asarray(a, jnp.result_type(float))  # noqa: E731
        alpha, forgetting = number(alpha), number(forgetting)
        return cls(jnp.zeros((features + 1, outputs), alpha.dtype), jnp.eye(features + 1) / alpha, forgetting)

    def learn(self, x: Float[Array, " features"], y: Float[Array, " outputs"]) -> "Recursive":
        """After one sample more.

        Args:
            x: features. y: targets.
        """
        x = jnp.append(x, jnp.ones((), x.dtype))
        seen = self.inverse @ x
        gain = seen / (self.forgetting + x @ seen)
        weight = self.weight + gain[:, None] * (y - x @ self.weight)[None]
        inverse = (self.inverse - gain[:, None] * seen[None]) / self.forgetting
        # Rounding would make it unsymmetric, and that grows.
        return Recursive(weight, (inverse + inverse.T) / 2, self.forgetting)

    @property
    def readout(self) -> Linear:
        """What has been learned so far."""
        return Linear(self.weight[:-1], self.weight[-1])


def recursive_least_squares(
    x: Float[Array, "time features"],
    y: Float[Array, "targets outputs"],
    alpha: Number = 1e-6,
    forgetting: Number = 1.0,
) -> Linear:
    """The readout after all samples, by `Recursive`.

    Args:
        x: features. y: targets. alpha, forgetting: as of `Recursive.start`.

    Raises:
        DataError: x and y have not the same length.
    """
    _same_length(x, y, "recursive_least_squares")
    start = Recursive.start(x.shape[1], y.shape[1], alpha, forgetting)
    start = jax.tree.map(lambda a: a.astype(x.dtype), start)
    return lax.scan(lambda r, xy: (r.learn(*xy), None), start, (x, y))[0].readout


def logistic(
    x: Float[Array, "time features"],
    labels: Int[Array, " targets"],
    penalty: Number,
    classes: int | None = None,
    *,
    most: int = 100,
) -> Linear:
    """Multinomial logistic regression: a linear readout whose softmax gives the probabilities of classes.

    The mean cross-entropy plus penalty s/2 times the sum of the squared weights, s the mean square of a centred feature
    as of `ridge`; the bias is not penalised. (`sklearn.linear_model.LogisticRegression` with C = 1/(penalty s T).)
    Newton's method with conjugate gradients and halved steps; gradients of first order pass through x and the penalty
    by the implicit function theorem, whatever the iterations were.

    Args:
        x: features. labels: 0 to classes - 1. penalty: above zero. classes: how many, one more than the largest label
            if None. most: iterations of Newton's method.

    Raises:
        DataError: the penalty is not above zero, x and labels have not the same length, or a label is out of range.
    """
    if not isinstance(penalty, Tracer) and not float(penalty) > 0:
        raise DataError(f"logistic: the penalty is {float(penalty)}; above zero, or separable classes have no optimum.")
    _same_length(x, labels, "logistic")
    classes = _classes(labels, classes)
    mean = jnp.mean(x, axis=0, keepdims=True)
    xc = x - mean
    power = jnp.mean(xc**2)
    strength = jnp.asarray(penalty, x.dtype) * jnp.where(power > 0, power, jnp.ones_like(power))
    targets = jax.nn.one_hot(labels, classes, dtype=x.dtype)

    found = _minimised(_cross_entropy, (xc, targets, strength), most)
    return Linear(found.weight, found.bias - (mean @ found.weight)[0])


def _cross_entropy(w: Linear, data: tuple[Array, Array, Array]) -> Array:
    """Mean over the samples, and the penalty."""
    x, targets, strength = data
    entropy = -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(w(x), axis=-1), axis=-1))
    return entropy + strength / 2 * jnp.sum(w.weight**2)


@partial(jax.jit, static_argnums=(0, 2))
def _minimised(loss: Callable[[Linear, Any], Array], data: Any, most: int) -> Linear:
    """Minimum of a convex function by Newton's method, differentiable in the data by the implicit function theorem."""
    x, targets, _ = data
    start = Linear(jnp.zeros((x.shape[1], targets.shape[1]), x.dtype), jnp.zeros(targets.shape[1], x.dtype))
    flat, shape = jax.flatten_util.ravel_pytree(start)
    held = lax.stop_gradient(data)
    of = lambda w: loss(shape(w), held)  # noqa: E731
    slope = jax.grad(lambda w, data: loss(shape(w), data))
    tolerance = float(jnp.finfo(flat.dtype).eps) ** 0.75

    # The softmax does not see what is added to all biases; a stiffness along that makes the curvature regular.
    common = jax.flatten_util.ravel_pytree(eqx.tree_at(lambda r: r.bias, start, jnp.ones_like(start.bias)))[0]

    def curved(w: Array) -> Callable[[Array], Array]:
        return lambda v: jax.jvp(lambda w: slope(w, held), (w,), (v,))[1] + common * (common @ v)

    def going(carry: Any) -> Array:
        k, _, g = carry
        return (k < most) & (jnp.max(jnp.abs(g)) > tolerance)

    def once(carry: Any) -> Any:
        k, w, g = carry
        rough: Any = jnp.minimum(0.1, jnp.sqrt(jnp.linalg.norm(g)))
        step = -cg(curved(w), g, tol=rough, maxiter=500)[0]
        w = w + _length(of, w, step, g @ step) * step
        return k + 1, w, slope(w, held)

    _, w, _ = lax.while_loop(going, once, (jnp.zeros((), jnp.int32), flat, slope(flat, held)))
    w = lax.stop_gradient(w)
    # A step of nothing carries the derivatives.
    left = slope(w, data)
    return shape(w - cg(curved(w), left - lax.stop_gradient(left), tol=1e-12, maxiter=2000)[0])


def _length(of: Callable[[Array], Array], w: Array, step: Array, slope: Array) -> Array:
    """The largest of 1, 1/2, 1/4, ... by which a step lowers a function enough."""
    here = of(w)
    slack = 10 * jnp.finfo(w.dtype).eps * jnp.abs(here)
    bad = lambda a: (of(w + a * step) > here + 1e-4 * a * slope + slack) & (a > 1e-9)  # noqa: E731
    return lax.while_loop(bad, lambda a: a / 2, jnp.ones((), w.dtype))


def _classes(labels: Int[Array, " time"], classes: int | None) -> int:
    if isinstance(labels, Tracer):
        if classes is None:
            raise DataError("logistic: how many classes cannot be read from traced labels; give `classes`.")
        return classes
    low, high = int(np.min(np.asarray(labels))), int(np.max(np.asarray(labels)))
    classes = high + 1 if classes is None else classes
    if low < 0 or high >= classes:
        raise DataError(f"logistic: labels from {low} to {high} for {classes} classes; they go from 0 on.")
    return classes


def _same_length(x: Array, y: Array, name: str) -> None:
    if x.shape[0] != y.shape[0]:
        raise DataError(
            f"{name}: {x.shape[0]} samples of features and {y.shape[0]} of targets; cut both to one length."
        )
