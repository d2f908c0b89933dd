"""Notes of steps: one byte says what was decided, whatever the rounding of the program that reads it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurojax._notes import CUT, GROWN, SHRUNK, noted, recalled, rounded

DRAWS = 20_000


def _steps(dtype, bounds):
    """Sizes of steps from picoseconds to kiloseconds, sizes that were to be tried, and ratios within `bounds`."""
    one, two, three = jax.random.split(jax.random.key(0), 3)
    h = 10 ** jax.random.uniform(one, (DRAWS,), dtype, -12, 3)
    longer = h * 10 ** jnp.linspace(0, 6, DRAWS, dtype=dtype)
    now = jnp.where(jax.random.bernoulli(two, 0.5, (DRAWS,)), rounded(h), longer)
    return h, now, jnp.exp(jax.random.uniform(three, (DRAWS,), dtype, *map(np.log, bounds)))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("counts", [True, False])
def test_a_note_says_the_size_that_was_tried_next(dtype, counts):
    h, now, ratio = _steps(dtype, GROWN if counts else SHRUNK)
    tried, accepted, none = rounded(h * ratio), jnp.full(DRAWS, counts), jnp.zeros(DRAWS, bool)
    note = noted(accepted, none, tried, now)
    assert note.dtype == jnp.uint8
    for off in (0.0, 8.0, -8.0):
        again = recalled(note, h * float(1 + off * np.finfo(np.float32).eps), now)
        assert jnp.array_equal(again[0], accepted)
        assert not jnp.any(again[1])
        assert jnp.array_equal(again[2], tried)


def test_a_note_says_that_the_size_stays():
    h, now, _ = _steps(jnp.float64, GROWN)
    yes = jnp.ones(DRAWS, bool)
    accepted, cut, tried = recalled(noted(yes, ~yes, now, now), h, now)
    assert jnp.all(accepted & ~cut) and jnp.array_equal(tried, now)


def test_a_note_says_that_the_next_step_is_cut():
    h, now, ratio = _steps(jnp.float64, SHRUNK)
    no = jnp.zeros(DRAWS, bool)
    note = noted(no, ~no, rounded(h * ratio), now)
    assert jnp.all(note == CUT)
    accepted, cut, _ = recalled(note, h, now)
    assert jnp.all(~accepted & cut)
