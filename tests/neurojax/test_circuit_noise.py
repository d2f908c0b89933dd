"""Noisy paths of circuits: closed forms of linear ones, what no noise leaves, gradients along a path."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

import neurojax as nj
import physics
from physics.device import AbstractLangevin, Sweep
from physics.quantity import Param, quantity, state_variable

R, C, TAU, G, K, NOISE = 1e3, 1e-9, 2e-6, 4e-4, 0.5, 9e4


class Leaky(AbstractLangevin):
    """dz = (k v - z)/tau dt + sqrt(noise) dW, i = g z."""

    class State(eqx.Module):
        z: Param = state_variable((-10.0, 10.0), doc="state")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "test"
    doi: ClassVar[str] = "none"
    sweep: ClassVar[Sweep] = Sweep(1.0, -1.0, 1e-3)
    noise: Param = quantity(NOISE, "1/s", (0.0, 1e8), doc="variance of the noise", source="test")

    def init(self, env):
        return Leaky.State(jnp.zeros((), env.temperature.dtype))

    def rate(self, x, v, env):
        return Leaky.State((K * v - x.z) / TAU)

    def diffusion(self, x, v, env):
        return Leaky.State(jnp.sqrt(self.noise) * jnp.ones_like(x.z))

    def time_step(self, env):
        return jnp.asarray(TAU / 50)

    def current(self, x, v, env):
        return G * x.z


def circuit(noise=NOISE, capacitor=True):
    parts = {
        "V1": (nj.constant(0.0, 4e-5), "in", "gnd"),
        "R1": (physics.Resistor(jnp.asarray(R)), "in", "out"),
        "M1": (Leaky(jnp.asarray(noise)), "out", "gnd"),
    }
    if capacitor:
        parts["C1"] = (physics.Capacitor(jnp.asarray(C)), "out", "gnd")
    return nj.Circuit(**parts)


def test_covariance_of_a_linear_circuit():
    """Stationary covariance of state and voltage against the equation of Lyapunov, within three standard errors."""
    ts = np.linspace(2e-5, 4e-5, 6)
    keys = jax.random.split(jax.random.key(0), 1500)
    record = circuit().transient(ts=ts, key=keys, gradient="forward", progress=False)
    assert bool(record.ok.all())
    seen = np.stack([np.asarray(record.x["M1"].z), np.asarray(record.v["out"])]).reshape(2, -1)
    a = np.array([[-1 / TAU, K / TAU], [-G / C, -1 / (R * C)]])
    exact = solve_continuous_lyapunov(a, -np.diag([NOISE, 0.0]))
    found, n = np.cov(seen), seen.shape[1]
    error = np.sqrt((np.outer(np.diag(exact), np.diag(exact)) + exact**2) / n)
    # Samples of one path are 2 tau apart and the step is tau/50: both are small beside three standard errors.
    assert np.all(np.abs(found - exact) < 3 * error + 0.01 * np.abs(exact))
    assert np.all(np.abs(seen.mean(1)) < 3 * np.sqrt(np.diag(exact) / n) * 1.5)


def test_a_node_without_a_capacitor_follows_at_once():
    record = circuit(capacitor=False).transient(
        ts=np.linspace(0.0, 4e-5, 41), key=jax.random.key(1), gradient="forward", progress=False
    )
    z = np.asarray(record.x["M1"].z)
    assert np.ptp(z) > 0.1
    np.testing.assert_allclose(np.asarray(record.v["out"]), -R * G * z, rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.asarray(record.i["M1"]), G * z, rtol=1e-12)


def test_without_noise_it_is_the_mean_to_first_order():
    wave = nj.triangle(1.0, -1.0, 2e-5)
    quiet = circuit(0.0).replace({"V1": wave})
    options = {"ts": np.linspace(0.0, 2e-5, 21), "gradient": "forward", "progress": False}
    exact = np.asarray(quiet.transient(rtol=1e-9, **options).v["out"])
    off = [
        np.abs(np.asarray(quiet.transient(key=jax.random.key(0), dt=dt, **options).v["out"]) - exact).max()
        for dt in (4e-8, 2e-8)
    ]
    assert 1.8 < off[0] / off[1] < 2.2 and off[1] < 0.01


def test_paths_do_not_depend_on_what_runs_beside_them():
    keys = jax.random.split(jax.random.key(3), 3)
    options = {"ts": np.linspace(0.0, 4e-5, 5), "gradient": "forward", "progress": False}
    together = np.asarray(circuit().transient(key=keys, **options).v["out"])
    alone = np.asarray(circuit().transient(key=keys[1], **options).v["out"])
    np.testing.assert_allclose(together[1], alone, rtol=1e-12)
    assert np.abs(together[0] - together[1]).max() > 1e-3


@pytest.mark.slow
def test_gradients_along_a_path():
    """Forward and reverse agree, and with central differences of the same path."""
    ts = np.linspace(0.0, 4e-5, 5)

    def last(r, noise, gradient):
        c = circuit().replace({"R1.resistance": r, "M1.noise": noise})
        return c.transient(ts=ts, key=jax.random.key(5), gradient=gradient, progress=False).v["out"][-1]

    at = (jnp.asarray(R), jnp.asarray(NOISE))
    forward = np.asarray(jax.jacfwd(lambda r, s: last(r, s, "forward"), (0, 1))(*at))
    reverse = np.asarray(jax.grad(lambda r, s: last(r, s, "reverse"), (0, 1))(*at))
    np.testing.assert_allclose(forward, reverse, rtol=1e-10)
    for k, size in enumerate((1e-2, 1.0)):
        ends = [last(*(a + s * size * (j == k) for j, a in enumerate(at)), "forward") for s in (1.0, -1.0)]
        assert forward[k] == pytest.approx(float(ends[0] - ends[1]) / (2 * size), rel=1e-6)


def test_errors_say_what_is_wrong():
    plain = nj.Circuit(V1=(nj.pulse(1.0, 1e-6), "a", "gnd"), R1=(physics.Resistor(1e3), "a", "gnd"))
    with pytest.raises(nj.CircuitError, match="no device of this circuit fluctuates"):
        plain.transient(key=jax.random.key(0))
    with pytest.raises(nj.SimulationError, match="must be positive"):
        circuit().transient(key=jax.random.key(0), dt=-1.0)
    with pytest.raises(nj.CircuitError, match="size of the population"):
        both = circuit().replace({"R1.resistance": np.asarray([1e3, 2e3])})
        both.transient(key=jax.random.split(jax.random.key(0), 3))
