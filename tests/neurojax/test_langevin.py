"""Noisy paths: moments in closed form, strong order, keys, both gradients."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurojax as nj
from physics.device import AbstractLangevin, Environment, Sweep
from physics.quantity import Param, quantity, state_variable, with_values

N = 2000


class Ornstein(AbstractLangevin):
    """dx = (v/v_0 - x)/tau dt + sigma (1 + b x) dW, i = g x v: linear, so mean and variance have closed forms."""

    class State(eqx.Module):
        x: Param = state_variable((-5.0, 5.0), doc="state")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    doi: ClassVar[str] = "textbook"
    sweep: ClassVar[Sweep] = Sweep(1.0, -1.0, 10.0)
    tau: Param = quantity(1.0, "s", (0.1, 10.0), scale="log", doc="relaxation time", source="chosen")
    sigma: Param = quantity(0.5, "1/s0.5", (0.01, 2.0), scale="log", doc="noise", source="chosen")
    b: Param = quantity(0.0, "1", (0.0, 1.0), doc="dependence of the noise on the state", source="chosen")
    v_0: Param = quantity(1.0, "V", (0.1, 10.0), doc="voltage of x = 1", source="chosen")
    g: Param = quantity(1.0, "S", (0.1, 10.0), doc="conductance", source="chosen")

    def init(self, env):
        return Ornstein.State(x=jnp.zeros_like(self.g))

    def rate(self, x, v, env):
        return Ornstein.State(x=(v / self.v_0 - x.x) / self.tau)

    def current(self, x, v, env):
        return self.g * x.x * v

    def diffusion(self, x, v, env):
        return Ornstein.State(x=self.sigma * (1 + self.b * x.x))

    def time_step(self, env):
        return 0.01 * self.tau


WAVE = nj.Waveform([0.0, 1.0, 1.0, 3.0], [0.0, 1.0, -1.0, -1.0])
TS = np.asarray([0.7, 1.0, 2.0, 3.0])
KEYS = jax.random.split(jax.random.key(3), N)


def test_mean_and_variance_in_closed_form():
    """Under a ramp and a jump; no key gives the mean itself."""
    x = np.asarray(nj.simulate(Ornstein(), WAVE, ts=TS, key=KEYS).x.x)
    top = 1 - (1 - np.exp(-1))
    mean = [0.7 - (1 - np.exp(-0.7)), top, -1 + (top + 1) * np.exp(-1), -1 + (top + 1) * np.exp(-2)]
    variance = 0.5**2 / 2 * (1 - np.exp(-2 * TS))
    assert np.all(np.abs(x.mean(axis=0) - mean) < 3 * np.sqrt(variance / N) + 6e-3)  # + Euler at dt = 0.01
    assert np.all(np.abs(x.var(axis=0) / variance - 1) < 3 * np.sqrt(2 / N) + 1e-2)
    np.testing.assert_allclose(nj.simulate(Ornstein(), WAVE, ts=TS).x.x, mean, atol=1e-6)


@pytest.mark.parametrize(("b", "order"), [(0.0, 1.0), (0.8, 0.5)])
def test_strong_order(b, order):
    """Against a path of 2^-12 steps with the same Brownian increments, added up for the coarse ones."""
    steps = 2**12
    increments = jax.random.normal(jax.random.key(0), (400, steps)) / np.sqrt(steps)

    def end(n):
        device = Ornstein(b=jnp.asarray(b))

        def step(y, dw):
            x = Ornstein.State(x=y)
            one, env = jnp.asarray(1.0), Environment()
            return y + device.drift(x, one, env).x / n + device.diffusion(x, one, env).x * dw, None

        coarse = increments.reshape(400, n, -1).sum(axis=-1)
        return jax.lax.scan(step, jnp.zeros(400), coarse.T)[0]

    exact = end(steps)
    error = [float(jnp.mean(jnp.abs(end(n) - exact))) for n in (16, 256)]
    assert np.log(error[0] / error[1]) / np.log(16) == pytest.approx(order, abs=0.15)


def test_the_steps_of_the_loop_are_those_of_the_scheme():
    """One path again by hand, with the increments that its key gives."""
    ts, dt = np.asarray([0.25, 1.0]), 0.125
    wave = nj.Waveform([0.0, 1.0], [0.0, 2.0])
    key = jax.random.key(5)
    found = nj.simulate(Ornstein(), wave, ts=ts, key=key, dt=dt).x.x
    x, kept = 0.0, []
    for k in range(8):
        drawn = float(jax.random.normal(jax.random.fold_in(key, k), (1,))[0])
        x = x + dt * (2.0 * k * dt - x) + 0.5 * np.sqrt(dt) * drawn
        kept.append(x)
    np.testing.assert_allclose(found, [kept[1], kept[7]], rtol=1e-12)


def test_a_path_depends_on_its_key_alone():
    many = nj.simulate(Ornstein(), WAVE, ts=TS, key=KEYS[:5])
    alone = nj.simulate(Ornstein(), WAVE, ts=TS, key=KEYS[3])
    np.testing.assert_allclose(many.member(3).x.x, alone.x.x, rtol=1e-12)
    others = nj.simulate(Ornstein(tau=jnp.asarray([1.0, 2.0, 3.0])), WAVE, ts=TS, key=jax.random.key(1))
    assert others.ok.shape == (3,)
    assert len(np.unique(np.asarray(others.x.x)[:, -1])) == 3


def test_gradients_of_a_path():
    def end(tau, gradient):
        device = with_values(Ornstein(), {"tau": tau, "b": jnp.asarray(0.3)})
        return nj.simulate(device, WAVE, ts=TS, key=KEYS[0], dt=0.01, gradient=gradient).x.x[-1]

    tau = jnp.asarray(1.3)
    forward, reverse = jax.jacfwd(lambda t: end(t, "forward"))(tau), jax.grad(lambda t: end(t, "reverse"))(tau)
    central = (end(tau + 1e-5, "forward") - end(tau - 1e-5, "forward")) / 2e-5
    assert float(reverse) == pytest.approx(float(forward), rel=1e-10)
    assert float(reverse) == pytest.approx(float(central), rel=1e-6)


def test_wrong_calls():
    with pytest.raises(nj.SimulationError, match=r"takes 3e\+09 steps"):
        nj.simulate(Ornstein(), WAVE, key=KEYS[0], dt=1e-9)
    with pytest.raises(nj.SimulationError, match="must be positive"):
        nj.simulate(Ornstein(), WAVE, key=KEYS[0], dt=0.0)
    with pytest.raises(nj.SimulationError, match="disagree"):
        nj.simulate(Ornstein(tau=jnp.ones(3)), WAVE, key=KEYS[:2])
