"""Maps of pulses as functions of the parameters of a device: against a closed form, differences, and `simulate`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from programming_cases import RISE, WIDTH, Filling, filling

import physics
from neurojax import programming
from neurojax.errors import ProgrammingError
from physics.quantity import parameters, with_values

RNG = np.random.default_rng(0)
X, V = jnp.asarray(RNG.uniform(0, 1, 40)), jnp.asarray(RNG.uniform(0.5, 1.0, 40))


def mapped(grid, k, full, gradient="forward"):
    device = with_values(Filling(), {"k": k, "full": full})
    return programming.pulse_map(device, (0.5, 1.0), WIDTH, rise=RISE, grid=grid, gradient=gradient)


def exact(k, full):
    return full - (full - X) * jnp.exp(-k * V * (WIDTH + RISE))


def test_the_same_device_gives_the_same_map_and_the_derivatives_of_the_equation():
    """State by the closed form, energy by differences, readings by their law."""
    table = filling()
    at = (jnp.asarray(100.0), jnp.asarray(1.0))
    f = jax.jit(lambda k, full: (*mapped(table, k, full).step(X, V), mapped(table, k, full).conductance(X)))
    slopes = jax.jit(jax.jacfwd(f, (0, 1)))(*at)
    for found, known in zip(f(*at), (*table.step(X, V), table.conductance(X)), strict=True):
        np.testing.assert_allclose(found, known, rtol=1e-12)
    for found, known, parameter in zip(slopes[0], jax.jacfwd(exact, (0, 1))(*at), at, strict=True):
        np.testing.assert_allclose(parameter * found, parameter * known, rtol=0, atol=table.error)
    other = (jnp.asarray(110.0), jnp.asarray(0.9))
    np.testing.assert_allclose(f(*other)[0], exact(*other), rtol=0, atol=2 * table.error)
    for k in range(2):
        step = [1e-4 * a * float(j == k) for j, a in enumerate(at)]
        up, down = (f(*(a + s * h for a, h in zip(at, step, strict=True))) for s in (1, -1))
        for c in range(2):
            seen = (up[c] - down[c]) / (2 * step[k])
            np.testing.assert_allclose(slopes[c][k], seen, rtol=1e-4, atol=1e-6 * float(jnp.max(jnp.abs(seen))))


@pytest.mark.slow
def test_reverse_is_forward_also_through_many_pulses():
    table = filling()

    def loss(x, gradient):
        one = mapped(table, x["k"], x["full"], gradient)
        end, energy = one.repeat(X, 5, V)
        return jnp.sum(end * jnp.cos(jnp.arange(40.0))) + 1e6 * jnp.sum(energy)

    x = dict(k=jnp.asarray(90.0), full=jnp.asarray(1.1))
    back = jax.jit(jax.grad(lambda x: loss(x, "reverse")))(x)
    along = jax.jit(jax.jacfwd(lambda x: loss(x, "forward")))(x)
    for name in x:
        np.testing.assert_allclose(back[name], along[name], rtol=1e-6)


@pytest.mark.slow
def test_a_map_of_one_amplitude():
    """Linear in the state, so the table misses nothing: what is left is the tolerance of the solver."""
    volts = 0.7
    table = programming.pulse_map(Filling(), volts, WIDTH, rise=RISE)
    f = lambda k: programming.pulse_map(  # noqa: E731
        with_values(Filling(), {"k": k}), volts, WIDTH, rise=RISE, grid=table, gradient="forward"
    )(X)
    found, slope = jax.jvp(f, (jnp.asarray(100.0),), (jnp.asarray(100.0),))
    np.testing.assert_allclose(found, table(X), rtol=1e-12)
    t = volts * (WIDTH + RISE)
    np.testing.assert_allclose(slope, (1 - X) * 100.0 * t * jnp.exp(-100.0 * t), rtol=0, atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a_p", "v_p", "alpha_p"])
def test_beside_the_derivative_of_simulate(name):
    """A device with thresholds in voltage and state. Of a relative change, within five errors that the map states."""
    volts, device = (0.2, 0.4), physics.Yakopcic()
    table = programming.pulse_map(device, volts, 1e-4, tol=1e-3)
    x, v = jnp.asarray(RNG.uniform(0, 1, 64)), jnp.asarray(RNG.uniform(*volts, 64))
    value = parameters(device)[name].value
    of = lambda s: with_values(device, {name: value * jnp.exp(s)})  # noqa: E731
    on_grid = lambda s: programming.pulse_map(of(s), volts, 1e-4, tol=1e-3, grid=table, gradient="forward")(x, v)  # noqa: E731

    def solved(s):
        cells = programming.device_cells(of(s), 1e-4, rtol=1e-9, atol=1e-12)
        return cells.step(physics.Yakopcic.State(x), v)[0].x

    zero, one = jnp.zeros(()), jnp.ones(())
    found = jax.jit(lambda: jax.jvp(on_grid, (zero,), (one,))[1])()
    h, ours = 1e-3, jax.jit(solved)
    seen = (8 * (ours(h) - ours(-h)) - (ours(2 * h) - ours(-2 * h))) / (12 * h)
    assert float(jnp.max(jnp.abs(seen))) > 1e-2
    missed = np.abs(np.asarray(found - seen))
    assert missed.max() < 5 * table.error and np.median(missed) < table.error


def test_a_grid_of_other_pulses_is_refused():
    table = filling()
    with pytest.raises(ProgrammingError, match="grid: a map of pulses of"):
        programming.pulse_map(Filling(), (0.5, 0.9), WIDTH, rise=RISE, grid=table)
    with pytest.raises(ProgrammingError, match="grid: a map of pulses of"):
        programming.pulse_map(Filling(), (0.5, 1.0), 2 * WIDTH, rise=RISE, grid=table)
    with pytest.raises(ProgrammingError, match="traced itself"):
        jax.jit(lambda t: programming.pulse_map(Filling(), (0.5, 1.0), WIDTH, rise=RISE, grid=t)(X, V))(table)
