"""How much of its past a reservoir holds: memory capacity and information processing capacity.

    lags = memory_capacity(states, u, 40)                   r^2 of each lag; their sum is the capacity
    degrees = information_processing_capacity(states, u)    capacity of each degree; the sum is at most their number

Both are of states and inputs that were recorded together, whatever made them.
"""

import math
from itertools import combinations_with_replacement

import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
import numpy as np
from jaxtyping import Array, Float

from learning.readout import ridge
from neurojax.errors import DataError

States = Float[Array, "states features"]
Series = Float[Array, " time"]

BLOCK = 64
"""Products of inputs that are looked at together."""


def memory_capacity(
    x: States, u: Series, k_max: int, test_size: float = 0.5, penalty: float | Float[Array, ""] = 1e-9
) -> Float[Array, " k_max"]:
    """r^2 between u_{k-lag} and the best linear readout of it from x_k, for the lags 1 to `k_max`.

    The readouts are trained on the first part and told on the rest, so that a lag which is not there has about
    1/(samples of the test), not features/samples. The sum over all lags is at most the number of states, for
    independent inputs. H. Jaeger, GMD report 152 (2001).

    Args:
        x: states, x_k made with u_k as the last input; without their first transient. u: independent inputs of the
            same times. k_max: the largest lag; twice the states is usual. test_size: part at the end on which r^2 is
            told. penalty: of `ridge`.

    Raises:
        DataError: states and inputs of unlike length, or too few of them for the lags.
    """
    length = _lengths(x, u, k_max, "memory_capacity")
    past = jnp.stack([u[k_max - lag : u.shape[0] - lag] for lag in range(1, k_max + 1)], axis=1)
    x, cut = x[k_max:], round(length * (1 - test_size))
    if not 2 <= cut <= length - 2:
        raise DataError(f"memory_capacity: test_size = {test_size} leaves {cut} of {length} samples for training.")
    return _correlation(ridge(x[:cut], past[:cut], penalty)(x[cut:]), past[cut:])


def information_processing_capacity(
    x: States,
    u: Series,
    lags: tuple[int, ...] = (40, 12, 8),
    bounds: tuple[float, float] = (0.0, 0.5),
    chance: float = 1e-4,
    penalty: float | Float[Array, ""] = 1e-10,
) -> Float[Array, " degrees"]:
    """What the states hold of all products of Legendre polynomials of past inputs, summed up for each degree.

    C[z] = z^T X (X^T X)^-1 X^T z/(z^T z) of the centred states X, for each z = prod_i P_{d_i}(u_{k-i}) with
    sum_i d_i = degree. With independent inputs that are uniform the z are orthogonal and the sum over all is the
    number of independent states, if they forget; the first degree is the memory capacity with lag 0. A capacity that
    chance alone reaches (chi^2 of as many degrees of freedom as states, over the samples) counts as none, else the
    many small ones would add up. J. Dambre et al., Sci. Rep. 2, 514 (2012), 10.1038/srep00514.

    Args:
        x: states, x_k made with u_k as the last input; without their first transient. u: inputs, independent and
            uniform. lags: how many inputs (u_k is the first) the products of degree 1, 2, ... are made of. bounds: of
            the inputs. chance: how often a product that is not held may count. penalty: relative, as of `ridge`.

    Raises:
        DataError: states and inputs of unlike length, too few of them for the lags, or a chance out of 0 to 1.
    """
    if not 0 < chance < 1:
        raise DataError(f"information_processing_capacity: chance = {chance}, use a number between 0 and 1.")
    most = max(lags)
    length = _lengths(x, u, most, "information_processing_capacity")
    scaled = (2 * u - (bounds[0] + bounds[1])) / (bounds[1] - bounds[0])
    table = jnp.stack(_legendre(scaled, len(lags)))
    past = jnp.stack([table[:, most - lag : u.shape[0] - lag] for lag in range(most)])
    factor, centred = _projector(x[most:], penalty)
    least = jnp.asarray(_chance_level(x.shape[1], chance) / length, x.dtype)
    found = [_held(factor, centred, past, *_products(d, reach), least) for d, reach in enumerate(lags, start=1)]
    return jnp.stack(found)


def _lengths(x: States, u: Series, lag: int, name: str) -> int:
    """Samples that have their whole past."""
    if x.shape[0] != u.shape[0]:
        raise DataError(f"{name}: {x.shape[0]} states and {u.shape[0]} inputs; give both of the same times.")
    if lag < 1 or x.shape[0] - lag < 4:
        raise DataError(f"{name}: {x.shape[0]} samples for lags up to {lag}; give at least {lag + 4}.")
    return x.shape[0] - lag


def _correlation(y: Float[Array, "time k"], z: Float[Array, "time k"]) -> Float[Array, " k"]:
    """Squares of the coefficients of correlation; none where an answer never moves."""
    y, z = y - jnp.mean(y, axis=0, keepdims=True), z - jnp.mean(z, axis=0, keepdims=True)
    both = jnp.sum(y**2, axis=0) * jnp.sum(z**2, axis=0)
    still = both == 0
    return jnp.where(still, jnp.zeros_like(both), jnp.sum(y * z, axis=0) ** 2 / jnp.where(still, 1, both))


def _legendre(u: Series, degree: int) -> list[Series]:
    """P_0 ... P_degree, (n + 1) P_{n+1} = (2 n + 1) u P_n - n P_{n-1}."""
    found = [jnp.ones_like(u), u]
    for n in range(1, degree):
        found.append(((2 * n + 1) * u * found[n] - n * found[n - 1]) / (n + 1))
    return found


def _products(degree: int, reach: int) -> tuple[Array, Array]:
    """Lags and degrees of the factors of all products of a degree, (blocks, BLOCK, degree) each; a block is filled up
    with products that are zero, and a product with factors that are one."""
    rows = []
    for lags in combinations_with_replacement(range(reach), degree):
        factors = [(lag, lags.count(lag)) for lag in sorted(set(lags))]
        rows.append(factors + [(0, 0)] * (degree - len(factors)))
    rows += [[(0, -1)] * degree] * (-len(rows) % BLOCK)
    both = np.asarray(rows, np.int32).reshape(-1, BLOCK, degree, 2)
    return jnp.asarray(both[..., 0]), jnp.asarray(both[..., 1])


def _projector(x: States, penalty: float | Float[Array, ""]) -> tuple[Array, States]:
    """Cholesky factor of X^T X, and X, both over the root of the samples and centred."""
    xc = (x - jnp.mean(x, axis=0, keepdims=True)) / jnp.sqrt(jnp.asarray(x.shape[0], x.dtype))
    gram = xc.T @ xc
    scale = jnp.mean(jnp.diagonal(gram))
    loaded = gram + jnp.asarray(penalty, x.dtype) * jnp.where(scale > 0, scale, 1) * jnp.eye(x.shape[1], dtype=x.dtype)
    return jnp.linalg.cholesky(loaded), xc


@jax.jit
def _held(factor: Array, xc: States, past: Array, lags: Array, degrees: Array, least: Array) -> Float[Array, ""]:
    """Sum of the capacities of products that pass what chance reaches."""

    def block(given: tuple[Array, Array]) -> Array:
        lag, degree = given
        z = jnp.prod(past[lag, jnp.maximum(degree, 0)], axis=1)
        z = z - jnp.mean(z, axis=1, keepdims=True)
        seen = jsl.solve_triangular(factor, xc.T @ z.T, lower=True)
        each = jnp.sum(seen**2, axis=0) / (jnp.maximum(jnp.mean(z**2, axis=1), 1e-300) * z.shape[1])
        return jnp.sum(jnp.where((each > least) & (degree[:, 0] >= 0), each, jnp.zeros_like(each)))

    return jnp.sum(jax.lax.map(block, (lags, degrees)))


def _chance_level(states: int, chance: float) -> float:
    """t with P(chi^2 of so many degrees of freedom > t) = chance, by halving."""
    low, high = 0.0, 10.0 * states + 10 * math.log(1 / chance) + 10
    above = lambda t: float(jax.scipy.special.gammaincc(jnp.asarray(states / 2), jnp.asarray(t / 2)))  # noqa: E731
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if above(middle) > chance else (low, middle)
    return high
