"""Smooth twins of the functions that break gradients: clips, switches, overflows, 0/0.

Each is equal to the sharp original away from the corner to rounding, has a width where it needs
one, and is finite with a finite derivative for every finite argument, in float32 and float64.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Real = Float[Array, "..."]
EXP_LIMIT = 60.0
"""Above this argument exponentials are continued linearly; exp(60) = 1e26 still fits float32."""


def limexp(x: Real) -> Real:
    """exp(x), continued linearly above `EXP_LIMIT` (SPICE's limexp): large but never infinite."""
    capped = jnp.minimum(x, EXP_LIMIT)
    return jnp.exp(capped) * (1 + (x - capped))


def exp_difference(up: Real, down: Real) -> Real:
    """exp(up) - exp(down) without overflow or cancellation: 2 exp(-E) sinh(x) with up = x - E, down = -x - E."""
    sign = jnp.where(up < down, -jnp.ones_like(up), jnp.ones_like(up))
    return -sign * limexp(jnp.maximum(up, down)) * jnp.expm1(-sign * (up - down))


def limsinh(x: Real) -> Real:
    """sinh(x), continued linearly beyond `EXP_LIMIT`; exact (no cancellation) at small x."""
    inner = jnp.clip(x, -EXP_LIMIT, EXP_LIMIT)
    return jnp.sinh(inner) + jnp.cosh(inner) * (x - inner)


def softplus(x: Real, width: Real | float = 1.0) -> Real:
    """max(x, 0) rounded over `width`."""
    return width * jax.nn.softplus(x / width)


def smooth_max(a: Real | float, b: Real | float, width: Real | float) -> Real:
    """max(a, b) rounded over `width`."""
    return b + softplus(jnp.asarray(a - b), width)


def at_least_zero(x: Real, width: Real | float) -> Real:
    """(x + sqrt(x^2 + width^2))/2: max(x, 0) rounded over `width`, positive to the last digit for every x.

    Below zero as width^2/4 over the other root, as the sum would cancel.
    """
    below = x < 0
    size = jnp.where(below, -x, x)
    root = 0.5 * (size + jnp.sqrt(size * size + width * width))
    return jnp.where(below, 0.25 * width * width / root, root)


def smooth_min(a: Real | float, b: Real | float, width: Real | float) -> Real:
    """min(a, b) rounded over `width`."""
    return b - softplus(jnp.asarray(b - a), width)


def step(x: Real, width: Real | float) -> Real:
    """The logistic step 0 -> 1 at x = 0 over `width`."""
    return jax.nn.sigmoid(x / width)


def blend(negative: Real, positive: Real, x: Real, width: Real | float) -> Real:
    """`negative` for x < 0 and `positive` for x > 0, exchanged over `width`."""
    s = step(x, width)
    return negative * (1 - s) + positive * s


def limit_current(i: Real, limit: Real, sharpness: int = 8) -> Real:
    """The current i under a compliance: i / (1 + |i/limit|^p)^(1/p), p = `sharpness` (a power of two)."""
    ratio = jnp.abs(i) / limit
    free = ratio < 1
    # Powers of a number below one only, so nothing overflows; square roots, as a general power costs ten times more.
    small = jnp.where(free, ratio, 1 / jnp.where(free, jnp.ones_like(ratio), ratio))
    root = 1 + small**sharpness
    for _ in range(sharpness.bit_length() - 1):
        root = jnp.sqrt(root)
    return jnp.where(free, i, jnp.sign(i) * limit) / root


def stop(x: Real) -> Real:
    """1 - exp(x) below zero, exp(-x) - 1 above: the factor that ends a motion at x = 0, within [-1, 1].

    1 - (N/N_max)^10 is stop(10 ln(N/N_max)); beyond the end the motion turns back at a bounded rate.
    """
    sign = jnp.where(x > 0, jnp.ones_like(x), -jnp.ones_like(x))
    return sign * jnp.expm1(-sign * x)


def end_stops(direction: Real, high: Real, low: Real, width: Real | float) -> Real:
    """The factor `high` on a motion upwards (direction > 0), `low` on one downwards; both are `stop` values.

    Within `width` of a reversal both act, so the factor is smooth there and never lets a motion pass an end.
    """
    t = jnp.clip(direction / width, -1.0, 1.0)
    eased = t * t * (3 - 2 * jnp.abs(t))
    weight_high = jnp.where(t < 0, 1 - eased, jnp.ones_like(t))
    weight_low = jnp.where(t > 0, 1 - eased, jnp.ones_like(t))
    # A motion away from an end is never turned around, only one into it.
    high = jnp.where(t > 0, high, jnp.maximum(high, 0.0))
    low = jnp.where(t < 0, low, jnp.maximum(low, 0.0))
    return (1 - weight_high * (1 - high)) * (1 - weight_low * (1 - low))


def x_over_sinh(x: Real) -> Real:
    """x / sinh(x), one at zero, without 0/0 or overflow."""
    small = jnp.abs(x) < 1e-2
    safe = jnp.where(small, jnp.ones_like(x), x)
    return jnp.where(small, 1 - x * x / 6 + 7 * x**4 / 360, safe / limsinh(safe))


def logit(p: Real) -> Real:
    """ln(p / (1 - p))."""
    return jnp.log(p) - jnp.log1p(-p)
