"""The rounded twins against numbers with sixty digits."""

from decimal import Decimal, localcontext

import jax
import jax.numpy as jnp
import pytest

from physics.smooth import at_least_zero


def exact(x: float, width: float) -> tuple[float, float]:
    """(x + sqrt(x^2 + width^2))/2 and its slope (1 + x/sqrt(x^2 + width^2))/2."""
    with localcontext() as digits:
        digits.prec = 60
        u, w = Decimal(x), Decimal(width)
        root = (u * u + w * w).sqrt()
        return float((u + root) / 2), float((1 + u / root) / 2)


@pytest.mark.parametrize("dtype, rel", [("float64", 1e-14), ("float32", 1e-5)])
@pytest.mark.parametrize("part", [-1e8, -1e3, -2.0, -1e-3, 0.0, 1e-3, 2.0, 1e8])
def test_at_least_zero_to_the_last_digits(part, dtype, rel):
    """Far below zero the sum of both terms would be rounding, and its slope nothing."""
    width = jnp.asarray(1e-10, dtype)
    x = jnp.asarray(part, dtype) * width
    value, slope = exact(float(x), float(width))
    assert float(at_least_zero(x, width)) == pytest.approx(value, rel=rel)
    assert float(jax.grad(at_least_zero)(x, width)) == pytest.approx(slope, rel=rel)
