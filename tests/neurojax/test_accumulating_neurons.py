"""Neurons whose device sums up pulses: phase change and ferroelectric; wrong inputs of all of them."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import rarely
from neuron_cases import KEY, SLOTS, array, derivatives, keys

import neurojax as nj
from neurojax.neurons import FerroelectricNeuron, PhaseChangeNeuron
from physics.device import Environment
from physics.ferrotransistor import FeFet
from physics.phase_change import PhaseChangeCell
from physics.quantity import with_values

ENV = Environment()
PCM = PhaseChangeNeuron()
LOW, HIGH = 2.25, 2.6


@functools.cache
def table(width=1e-8):
    return PhaseChangeNeuron(width=array(width)).tabulated(LOW, HIGH)


# Phase change


@pytest.mark.slow
def test_table_is_the_ode_between_its_nodes():
    """One pulse and one reset at random states and heights: to 1e-4 nm, of a span of 20 nm."""
    rng = np.random.default_rng(0)
    quick, u = table(), array(rng.uniform(5.2e-9, 25e-9, 33))
    for height in (2.2713, 2.4412, 2.587):
        exact = PCM.absorb(u, array(height), KEY)
        found = jax.vmap(lambda x, v=height: quick.absorb(x, array(v), KEY))(u)
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-13)
    drawn = keys(33)
    z = jnp.clip(jax.vmap(lambda k: jax.random.normal(k))(drawn), -4.0, 4.0)
    np.testing.assert_allclose(jax.vmap(quick.renewed)(drawn), PCM.behind_reset(z), rtol=0, atol=1e-13)


@functools.cache
def intervals(volts, width=1e-8):
    return table(width).respond(jnp.full(400, volts), key=keys(1000)).intervals()


@pytest.mark.slow
def test_intervals_fall_with_power_and_width():
    by_power = [intervals(v).mean() for v in (2.35, 2.4, 2.45, 2.5, 2.55)]
    assert np.all(np.diff(by_power) < 0) and by_power[0] > 3 * by_power[-1]
    by_width = [intervals(2.4, width).mean() for width in (8e-9, 1e-8, 1.3e-8)]
    assert np.all(np.diff(by_width) < 0) and by_width[0] > 1.5 * by_width[-1]


@rarely
def test_resets_make_the_intervals_stochastic():
    """No two resets leave the same thickness; without jitter every interval is the same."""
    many = intervals(2.4)
    assert 0.15 < many.std() / many.mean() < 0.4
    quick = table()
    still = eqx.tree_at(lambda t: t.resets, quick, jnp.full_like(quick.resets, quick.resets[16]))
    alike = still.respond(jnp.full(SLOTS, 2.4), key=KEY).intervals()
    assert alike.size > 5 and np.ptp(alike) == 0


@rarely
def test_accumulation_up_to_the_threshold_and_on():
    """The conductance never falls between resets, and nothing moves in a slot without a pulse."""
    quick = table()
    drives = jnp.full(SLOTS, 2.4)
    answer = quick.respond(drives, key=KEY)
    fired, potential = np.asarray(answer.fired), np.asarray(answer.potential)
    assert np.array_equal(fired, potential >= 1) and fired.sum() > 2
    assert np.all(np.diff(potential)[~fired[:-1]] > 0)
    assert np.all(potential[1:][fired[:-1]] < 1)
    first = float(answer.latency())
    assert np.flatnonzero(fired)[0] < first <= np.flatnonzero(fired)[0] + 1
    sparse = quick.respond(drives.at[1::2].set(0.0), key=KEY)
    np.testing.assert_allclose(sparse.potential[1:19:2], sparse.potential[:18:2], rtol=1e-12)
    np.testing.assert_allclose(sparse.potential[:10:2], potential[:5], rtol=1e-12)


def correlations(fired, signal, sizes):
    """Mean correlation of the number of firings in a slot with the signal, over populations of each size."""
    found = []
    for n in sizes:
        groups = fired[: len(fired) // n * n].reshape(-1, n, fired.shape[-1]).sum(axis=1)
        found.append(np.mean([np.corrcoef(count, signal)[0, 1] for count in groups if count.std() > 0]))
    return np.asarray(found)


@pytest.mark.slow
def test_population_follows_a_signal_above_the_nyquist_rate_of_a_neuron():
    """A sine of 11 slots, neurons that fire every 17: one tells nothing, 1000 tell it; the noise falls as 1/N."""
    slots, settled = 400, 150
    signal = np.sin(2 * np.pi * np.arange(slots) / 11)
    fired = np.asarray(table().respond(array(2.4 + 0.1 * signal), key=keys(1000)).fired, dtype=float)[:, settled:]
    # Even above the rate at which it fires, of which half is Nyquist's.
    assert 1 / 11 > fired.mean()
    sizes = np.asarray([1, 10, 100, 1000])
    found = correlations(fired, signal[settled:], sizes)
    assert found[0] < 0.12 and found[3] > 0.9
    noise = 100 * (found[2] ** -2 - 1)
    np.testing.assert_allclose(found[[1, 3]], 1 / np.sqrt(1 + noise / sizes[[1, 3]]), rtol=0.1)


@rarely
def test_nothing_but_the_thickness_is_left_of_a_slot():
    """Twelve slots of the whole cell, with all that it carries on, and with its thickness alone."""
    whole = PCM.cold(PCM.behind_reset(jnp.linspace(-4.0, 4.0, 33)))
    u = whole.amorphous * PCM.cell.u_max
    for _ in range(12):
        whole = jax.tree.map(lambda a: a[:, -1], PCM.slot(whole, array(2.4)).x)
        u = PCM.absorb(u, array(2.4), KEY)
        np.testing.assert_allclose(whole.amorphous * PCM.cell.u_max, u, rtol=0, atol=2e-12)
    assert float(u[16]) < 1.6e-8


@pytest.mark.slow
def test_energy_of_a_step():
    """Below the 5 pJ of the experiment in the cell, about as much with the load, from every reset to the firing."""
    u = jnp.linspace(5.25e-9, 25e-9, 33)
    joules, hot = np.asarray(PCM.energy(u, array(2.4))), np.asarray(PCM.cell.on_resistance(u))
    assert np.all(joules < 5.6e-12) and np.all(joules > 3e-12)
    assert np.all(joules * hot / (6e3 + hot) < 3e-12)
    # Of a thin glass; a thick one switches later.
    np.testing.assert_allclose(joules[:8], 2.4**2 / (6e3 + hot[:8]) * 1.1e-8, rtol=0.1)


@rarely
def test_population_of_cells():
    """Every member has its own table, and answers as it does alone."""
    cells = nj.population(PhaseChangeCell(), 3, {"r_th0": nj.LogNormal(0.03)}, key=KEY)
    many = PhaseChangeNeuron(cell=cells).tabulated(2.3, 2.5, (11, 6))
    answer = many.respond(jnp.full(SLOTS, 2.4), key=KEY)
    assert answer.fired.shape == (3, SLOTS) and np.all(np.asarray(answer.fired).sum(axis=1) > 0)
    assert np.ptp(np.asarray(answer.latency())) > 1
    alone = PhaseChangeNeuron(cell=with_values(PhaseChangeCell(), {"r_th0": cells.r_th0[2]}))
    one = alone.tabulated(2.3, 2.5, (33, 6)).respond(jnp.full(SLOTS, 2.4), key=jax.random.fold_in(KEY, 2))
    np.testing.assert_allclose(one.potential[:6], answer.potential[2, :6], rtol=2e-3)


@rarely
def test_gradient_of_the_latency_of_a_phase_change_neuron():
    """With respect to heating, conduction, threshold and width, through every run of the ODE: to 1e-4; minutes."""

    def latency(p):
        cell = with_values(PhaseChangeCell(), {"r_th0": p["r_th0"], "r_a": p["r_a"]})
        neuron = PhaseChangeNeuron(cell=cell, g_fire=p["g_fire"], width=p["width"], rtol=1e-9)
        return neuron.tabulated(2.3, 2.5, (12, 4)).respond(jnp.full(30, 2.42), key=KEY).latency()

    values = {"r_th0": 2e6, "r_a": 4e13, "g_fire": 4e-6, "width": 1e-8}
    for name, tangent, difference in derivatives(latency, values, 1e-3):
        assert tangent == pytest.approx(difference, rel=1e-4), name


# Ferroelectric


@functools.cache
def ferroelectric(volts=2.8, beta=2.0):
    return FerroelectricNeuron(beta=array(beta)).respond(jnp.full(SLOTS, volts), key=keys(1000))


def test_all_or_none_after_a_number_of_pulses():
    """The drain shows nothing of what has gathered; then the whole window of the transistor in one pulse."""
    answer = ferroelectric()
    fired = np.asarray(answer.fired)[:50]
    current = np.asarray(FerroelectricNeuron().drain_current(answer.potential[:50]))
    levels = np.unique(current)
    assert levels.size == 2 and levels[1] > 1e6 * levels[0]
    assert np.array_equal(current == levels[1], fired)
    waiting = np.argmax(fired, axis=1)
    assert np.all(waiting >= 1) and np.median(waiting) > 5


def test_number_of_pulses_falls_exponentially_with_their_height():
    """ln N is a straight line over 0.3 V and a factor of eight, and exactly (E_a/E)^alpha plus a constant."""
    neuron, volts = FerroelectricNeuron(), np.asarray([2.7, 2.8, 2.9, 3.0])
    number = np.asarray([float(jnp.median(ferroelectric(float(v)).latency())) for v in volts])
    residual = np.log(number) - np.polyval(np.polyfit(volts, np.log(number), 1), volts)
    assert number[0] > 8 * number[-1] and np.all(np.diff(number) < 0)
    assert 1 - np.var(residual) / np.var(np.log(number)) > 0.99
    exact = np.sqrt(np.log(2)) / np.asarray([float(neuron.step(array(v))) for v in volts])
    np.testing.assert_allclose(number, exact, rtol=0.08)
    t = neuron.transistor
    law = (float(t.e_a * t.t_fe / t.k_pot) / volts) ** 3 + np.log(1.9e-8 / 1e-6 * np.sqrt(np.log(2)))
    np.testing.assert_allclose(np.log(exact), law, rtol=1e-6)


def test_switching_law_of_a_population():
    """P_sw = 1 - exp(-(n h)^beta), and for beta = 1 the mean-field equation of the transistor itself."""
    pulses = np.arange(1, 41)
    for beta in (1.0, 2.0):
        neuron = FerroelectricNeuron(beta=array(beta))
        part = np.maximum.accumulate(np.asarray(ferroelectric(beta=beta).fired)[:, :40], axis=1).mean(axis=0)
        exact = np.asarray(neuron.fired_by(array(2.8), array(pulses)))
        assert np.all(np.abs(part - exact) < 3 * np.sqrt(exact * (1 - exact) / 1000) + 1e-9)
    mean = FeFet(domains=1)
    after = mean.after(mean.init(ENV), array(2.8), array(7e-6))
    one = FerroelectricNeuron(beta=array(1.0))
    assert float(mean.fraction(after)) == pytest.approx(float(one.fired_by(array(2.8), array(7.0))), rel=1e-9)


def test_ferroelectric_neuron_goes_on_and_forgets_nothing():
    rows = [np.diff(np.flatnonzero(row))[:3] for row in np.asarray(ferroelectric(2.9).fired)]
    assert min(len(row) for row in rows) == 3
    # The interval is a Weibull number, rounded up: its mean is the sum of the chances of being longer.
    neuron = FerroelectricNeuron()
    h = float(neuron.step(array(2.9)))
    assert np.mean(rows) == pytest.approx(np.exp(-((h * np.arange(200)) ** 2)).sum(), rel=0.03)
    dense = neuron.respond(jnp.full(SLOTS, 2.8), key=KEY)
    sparse = neuron.respond(jnp.full(SLOTS, 2.8).at[1::2].set(0.0), key=KEY)
    first = int(np.argmax(np.asarray(dense.fired)))
    np.testing.assert_allclose(sparse.potential[: 2 * first + 1 : 2], dense.potential[: first + 1], rtol=1e-12)
    with pytest.raises(nj.DataError, match="erase"):
        neuron.respond([2.9, -1.0], key=KEY)


def test_gradient_of_the_latency_of_a_ferroelectric_neuron():
    def latency(p):
        device = with_values(FeFet(domains=1), {"e_a": p["e_a"], "tau0": p["tau0"], "k_pot": p["k_pot"]})
        neuron = FerroelectricNeuron(transistor=device, beta=p["beta"])
        return neuron.respond(jnp.full(SLOTS, 2.8), key=KEY).latency()

    values = {"e_a": 2.875e8, "tau0": 1.9e-8, "k_pot": 0.4293, "beta": 2.0}
    for name, tangent, difference in derivatives(latency, values, 1e-3):
        assert tangent == pytest.approx(difference, rel=1e-4), name


def test_population_of_ferroelectric_neurons():
    devices = nj.population(FeFet(domains=1), 1000, {"e_a": nj.LogNormal(0.04)}, key=KEY)
    neurons = FerroelectricNeuron(transistor=devices)
    answer = neurons.respond(jnp.full(SLOTS, 2.8), key=KEY)
    assert answer.fired.shape == (1000, SLOTS)
    spread = lambda a: np.ptp(np.percentile(np.log(np.asarray(a.latency())), [15, 85]))  # noqa: E731
    assert spread(answer) > 1.3 * spread(ferroelectric())
    with pytest.raises(nj.DataError, match="disagree"):
        neurons.respond(jnp.full(3, 2.8), key=keys(4))


def test_wrong_inputs_of_neurons():
    with pytest.raises(nj.DataError, match="finite"):
        FerroelectricNeuron().respond([2.8, np.nan], key=KEY)
    with pytest.raises(nj.DataError, match="slots"):
        FerroelectricNeuron().respond(2.4, key=KEY)
    with pytest.raises(nj.DataError, match="below high"):
        PCM.tabulated(2.5, 2.4)
    with pytest.raises(nj.DataError, match="tabulate"):
        PCM.respond(np.full((2, 3), 2.4), key=KEY)
