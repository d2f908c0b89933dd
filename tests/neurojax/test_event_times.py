"""Spike times of abstract neurons: exact, of fourth order, and their derivatives through resets."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
import pytest
from neuron_cases import central, relative_error, values

from neurojax import neurons as nn
from physics.quantity import with_values

STARTS, LEVELS = np.asarray([0.0, 0.05, 0.07, 0.2]), np.asarray([2.0, 1.0, 3.0, 1.0]) * 1e-9


def test_lif_derivatives():
    """Of each spike time by every parameter and the current: central differences, and the implicit formula."""
    names = ("tau", "r", "e_leak", "v_th", "v_reset", "t_ref")
    neuron = with_values(nn.LIF(), {"v_reset": -0.062})
    p = jnp.append(values(neuron, names), 2e-9)

    @jax.jit
    def f(p):
        return nn.spike_times(with_values(neuron, dict(zip(names, p, strict=False))), p[-1], 4)

    slope = np.asarray(jax.jit(jax.jacfwd(f))(p))
    assert np.max(relative_error(slope, central(f, p))) < 1e-6
    # dt/dp = -(dV/dp)/V' at the first threshold: V' = (E + R I - V_th)/tau, dV/dI = R (1 - exp(-t/tau)).
    t = float(f(p)[0])
    implicit = -1e7 * (1 - np.exp(-t / 0.02)) / ((-0.065 + 0.02 + 0.05) / 0.02)
    assert abs(slope[0, -1] / implicit - 1) < 1e-9
    silent = jax.jit(jax.grad(lambda i: jnp.where(i > 1.0, 0.0, jnp.sum(1 / nn.spike_times(neuron, i, 1)))))
    assert float(silent(jnp.asarray(1e-9))) == 0.0


def test_closed_form_beside_the_integrator():
    """A current in pieces, spikes that fall into another, refractory times over a change: two ways, one answer.

    ALIF without adaptation takes the way of nonlinear neurons. By the times of the changes, too, both differentiate.
    """
    general = with_values(nn.ALIF(), {"jump": 0.0, "t_ref": 4e-3})
    closed = with_values(nn.LIF(), {"t_ref": 4e-3})

    def f(neuron, starts):
        return nn.spike_times(neuron, LEVELS, 9, starts=starts, duration=0.3)

    tangent = jnp.asarray([0.0, 1.0, 0.0, 0.0])
    one, d_one = jax.jit(lambda s: jax.jvp(lambda s: f(closed, s), (s,), (tangent,)))(jnp.asarray(STARTS))
    two, d_two = jax.jit(lambda s: jax.jvp(lambda s: f(general, s), (s,), (tangent,)))(jnp.asarray(STARTS))
    there = np.isfinite(one)
    assert there.sum() == 8 and np.array_equal(there, np.isfinite(two))
    np.testing.assert_allclose(two[there], one[there], rtol=1e-11)
    np.testing.assert_allclose(d_two[there], d_one[there], rtol=1e-8, atol=1e-10)
    assert abs(float(d_one[1])) > 1e-3
    last = jax.jit(lambda s: f(closed, s))
    moved = [np.asarray(last(STARTS + 1e-6 * sign * np.asarray(tangent)))[there] for sign in (1, -1)]
    np.testing.assert_allclose((moved[0] - moved[1]) / 2e-6, d_one[there], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    "neuron, current, count, duration",
    [
        (nn.izhikevich_neuron("CH"), 10.0, 10, 0.1),
        pytest.param(nn.adex_neuron("regular"), 1e-9, 4, 0.1, marks=pytest.mark.slow),
    ],
)
def test_spike_times_converge_in_the_fourth_order(neuron, current, count, duration):
    """Through resets; AdEx runs away to 20 mV within nanoseconds."""
    fine, middle, coarse = (
        np.asarray(nn.spike_times(neuron, current, count, duration=duration, step=1e-5 * k, rise=2e-3 * k))
        for k in (0.5, 2, 4)
    )
    assert np.all(np.isfinite(fine))
    errors = [np.max(np.abs(times - fine)) for times in (middle, coarse)]
    assert errors[0] < 2e-8 and 3.6 < np.log2(errors[1] / errors[0]) < 4.6


def test_theta_is_exact():
    """f = sqrt(I)/(pi tau), the first spike after half of a period."""
    times = np.asarray(nn.spike_times(nn.Theta(), 0.25, 4))
    np.testing.assert_allclose(times, np.pi * 0.02 * (0.5 + np.arange(4)), rtol=1e-12)
    spikes = np.asarray(nn.run(nn.Theta(), jnp.full(5000, 0.25), 1e-4).spikes)
    np.testing.assert_allclose(1e-4 * (1 + np.flatnonzero(spikes)[:4]), times, atol=1e-4)


GRADIENTS = {
    "izhikevich": (nn.izhikevich_neuron("IB"), 10.0, ("a", "b", "c", "d", "v_peak")),
    "adex": (
        nn.adex_neuron("adapting"),
        5e-10,
        ("c", "g_leak", "e_leak", "v_t", "delta_t", "a", "tau_w", "b", "v_reset"),
    ),
    "alif": (nn.ALIF(), 4e-9, ("tau", "r", "e_leak", "v_th", "v_reset", "t_ref", "tau_a", "jump")),
    "theta": (nn.Theta(), 0.5, ("tau",)),
    "lif": (nn.LIF(), 2e-9, ("tau", "r", "e_leak", "v_th", "v_reset", "t_ref")),
    "wang": (nn.WangBuzsaki(), 1e-2, ("c", "g_na", "g_k", "g_leak", "e_na", "e_k", "phi")),
}


def times_of(name):
    neuron, current, names = GRADIENTS[name]
    count, step = (2, 1e-5) if name == "wang" else (5, 5e-5)

    @jax.jit
    def f(p):
        return nn.spike_times(
            with_values(neuron, dict(zip(names, p, strict=False))), p[-1], count, duration=0.2, step=step
        )

    return f, jnp.append(values(neuron, names), current)


@pytest.mark.parametrize(
    "name", ["izhikevich", *(pytest.param(n, marks=pytest.mark.slow) for n in ("adex", "alif", "theta", "wang"))]
)
def test_derivatives_of_spike_times(name):
    """By every parameter and the current, through resets, beside central differences."""
    f, p = times_of(name)
    slope = np.asarray(jax.jit(jax.jacfwd(f))(p))
    asked = central(f, p)
    moving = np.max(np.abs(asked), axis=0) > 0
    assert moving.sum() >= p.size - 1 and np.all(slope[:, ~moving] == 0)
    assert np.max(relative_error(slope[:, moving], asked[:, moving])) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lif", "izhikevich", "wang"])
def test_reverse_mode_of_spike_times(name):
    f, p = times_of(name)
    scale = np.max(np.abs(slope := np.asarray(jax.jit(jax.jacfwd(f))(p))), axis=0)
    np.testing.assert_allclose(np.asarray(jax.jit(jax.jacrev(f))(p)) / scale, slope / scale, atol=1e-10)


@pytest.mark.slow
def test_spike_times_beside_diffrax():
    """A solver of the eighth order with a root finder, restarted after each reset."""
    neuron, current = nn.izhikevich_neuron("IB"), jnp.asarray(10.0)

    @eqx.filter_jit
    def following(t, state):
        event = diffrax.Event(
            lambda t, y, args, **kw: neuron.excess(y), optimistix.Newton(1e-12, 1e-12, optimistix.rms_norm)
        )
        found = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: neuron.rate(y, current)),
            diffrax.Dopri8(),
            t,
            t + 0.2,
            1e-5,
            state,
            event=event,
            stepsize_controller=diffrax.PIDController(rtol=1e-11, atol=1e-13),
            max_steps=100_000,
        )
        return found.ts[-1], neuron.reset(jax.tree.map(lambda a: a[-1], found.ys))

    t, state, times = jnp.asarray(0.0), neuron.init(), []
    for _ in range(6):
        t, state = following(t, state)
        times.append(float(t))
    np.testing.assert_allclose(nn.spike_times(neuron, current, 6, step=2e-5, rise=2e-3), times, rtol=1e-8)


def test_too_few_steps_are_not_silence():
    """An inhibition far below rest uses up the steps: nan, not inf."""
    found = nn.spike_times(nn.ALIF(), [-1e-5, 5e-9], 2, starts=[0.0, 0.1], duration=0.2, step=1e-2, rise=5e-2)
    assert np.all(np.isnan(found))
