"""States integrated as their logarithm or logit, and steps that may not pass a bound."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurojax as nj
from neurojax import _lanes, stiff
from physics.device import AbstractDevice, Sweep
from physics.quantity import Param, quantity, state_variable

SECONDS = 60.0
WAVE = nj.Waveform([0.0, SECONDS], [-1.0, -1.0])


class Odds(eqx.Module):
    x: Param = state_variable((-2.0, 3.0), scale="logit")


class Amount(eqx.Module):
    x: Param = state_variable((1e-3, 10.0), scale="log")


class AbstractGrowth(AbstractDevice):
    """Grows or shrinks exponentially by its distance from a bound, with k v."""

    k: Param = quantity(0.9, "1/(V s)", (0.1, 10.0))
    start: Param = quantity(0.5, "1", (-2.0, 3.0), doc="state at the beginning")
    terminals = ("top", "bottom")
    sweep = Sweep(1.0, -1.0, 10.0)

    def current(self, x, v, env):
        return x.x * v


class Logistic(AbstractGrowth):
    def init(self, env):
        return Odds(self.start)

    def rate(self, x, v, env):
        return Odds(self.k * v * (x.x + 2.0) * (3.0 - x.x) / 5.0)


class Exponential(AbstractGrowth):
    def init(self, env):
        return Amount(self.start)

    def rate(self, x, v, env):
        return Amount(self.k * v * x.x)


@pytest.mark.parametrize(("device", "low"), [(Logistic(), -2.0), (Exponential(), 0.0)])
def test_the_distance_from_a_bound_is_right_over_many_decades(device, low):
    """e^-54 of it is left where a number at the bound can tell; each is one even motion, done in a dozen steps."""
    ts = np.linspace(0.0, SECONDS, 13)
    record = nj.simulate(device, WAVE, ts=ts)
    exact = 5.0 / (1 + np.exp(0.9 * ts)) if low else 0.5 * np.exp(-0.9 * ts)
    np.testing.assert_allclose(np.asarray(record.x.x) - low, exact, rtol=1e-5, atol=1e-15 if low else 0.0)
    assert int(record.steps) < 40


@pytest.mark.slow
def test_gradients_pass_through_the_coordinates():
    def final(values, gradient):
        there = Logistic(**values)
        return nj.simulate(there, nj.triangle(1.0, -0.4, 2.0), ts=jnp.asarray([0.7, 2.0]), gradient=gradient).x.x.sum()

    values = {"k": jnp.asarray(0.9), "start": jnp.asarray(0.5)}
    reverse, forward = jax.grad(final)(values, "reverse"), jax.jacfwd(final)(values, "forward")
    for name, step in (("k", 1e-5), ("start", 1e-5)):
        ends = [float(final(values | {name: values[name] + s * step}, "forward")) for s in (1, -1)]
        assert float(reverse[name]) == pytest.approx(float(forward[name]), rel=1e-10)
        assert float(reverse[name]) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-4)


def test_a_start_on_the_bound_is_pulled_inside():
    record = nj.simulate(Logistic(start=3.0), WAVE, ts=np.asarray([1.0, SECONDS]))
    assert np.isfinite(record.x.x).all()
    assert float(record.x.x[0]) == pytest.approx(3.0, abs=1e-10)
    assert float(record.x.x[1]) < -1.9


def test_declarations_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="positive bounds"):
        state_variable((-2.0, -1.0), scale="log")
    with pytest.raises(ValueError, match="for states"):
        quantity(0.5, "1", (0.0, 1.0), scale="logit")


def test_beyond_a_bound_counts_only_what_the_rate_leads_back_from():
    before, after = jnp.asarray([[0.9, 0.9, -0.2, 0.5]]), jnp.asarray([[1.1, 1.1, -0.3, -0.1]])
    rate = jnp.asarray([[-1.0, 1.0, 1.0, 0.0]])
    found = _lanes._outside(((0.0, 1.0),), before, after, rate)
    np.testing.assert_allclose(found, [[0.1, 0.0, 0.1, 0.1]], atol=1e-15)


def test_a_step_does_not_pass_a_bound_behind_which_the_rate_turns():
    """dy/dt = -1 above zero and 1 below, over a tenth of a thousandth: without the bound steps land further below."""
    drive = stiff.Drive(jnp.asarray([0.0, 3.0]), jnp.zeros(2), jnp.linspace(0.0, 3.0, 301))
    turning = lambda m, y, v: -jnp.tanh(y / 1e-4)  # noqa: E731
    below = []
    for bounds in (None, ((0.0, 1.0),)):
        how = stiff.control(240, 1, 2**12)
        coarse = jnp.asarray(1e-2), jnp.asarray(1e-2)
        equations = _lanes.Equations(turning, bounds=bounds)
        found = stiff.integrate(equations, jnp.zeros(()), None, drive, jnp.linspace(0.5, 1.0, 240)[None], *coarse, how)
        assert not found.code.any()
        below.append(np.maximum(-np.asarray(found.y).min(axis=(1, 2)), 0.0))
    assert below[1].max() <= 1e-2
    # Where a step lands is chance: of all lanes together it shows.
    assert below[1].mean() < 0.8 * below[0].mean()
