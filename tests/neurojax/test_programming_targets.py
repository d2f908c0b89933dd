"""Parallel updates, pulses and targets by gradient, drift and its compensation, stuck cells, retention."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import rarely
from programming_cases import WIDTH, Filling, filling

import neurojax as nj
import physics
from neurojax import programming
from neurojax._bench_programming import horizon
from neurojax.errors import ProgrammingError
from neurojax.programming.targets import EDGE, as_host, descend
from physics.pulsed_presets import PRESETS

KEY = jax.random.key(0)
RNG = np.random.default_rng(2)

# Parallel updates.


def test_stochastic_update():
    """BL = 10, dw = 1e-3, x = 0.3, d = 0.2: mean 6e-4, sd 7.509993e-4 of one cell, on 250 000 updates."""
    n = 500
    x, d = jnp.asarray([0.3]), jnp.asarray([0.2])
    draw = jax.vmap(lambda k: programming.pulse_counts(x, d, 10, key=k)[0, 0])
    dw = 1e-3 * np.asarray(jax.jit(draw)(jax.random.split(KEY, n * n)))
    assert 10 * 1e-3 * 0.3 * 0.2 == pytest.approx(6e-4)
    assert 1e-3 * np.sqrt(10 * 0.06 * 0.94) == pytest.approx(7.509993e-4, abs=5e-11)
    assert dw.mean() == pytest.approx(6e-4, abs=4 * 7.51e-4 / n)
    assert dw.std() == pytest.approx(7.509993e-4, rel=5e-3)


def test_counts_are_coincidences():
    """Of the same bits, cell by cell; signs are those of the outer product."""
    x, d = jnp.asarray(RNG.uniform(-1, 1, 7)), jnp.asarray(RNG.uniform(-1, 1, 5))
    rows, columns = (programming.stochastic_bits(jnp.abs(a), 12, key=jax.random.key(k)) for k, a in enumerate((x, d)))
    found = np.asarray(programming.coincidences(x, d, rows, columns))
    for i in range(7):
        for j in range(5):
            met = float(np.sum(np.asarray(rows)[i] * np.asarray(columns)[j]))
            assert found[i, j] == np.sign(float(x[i] * d[j])) * met
    w = programming.outer_update(jnp.zeros((7, 5)), jnp.asarray(found), 1e-3)
    assert np.asarray(w) == pytest.approx(1e-3 * found)


@pytest.mark.parametrize("slots", [8, 10, 31])
def test_even_trains(slots):
    """Without chance: as many pulses as asked for, to rounding, and coincidences of slots p q to 2."""
    p = jnp.linspace(0.0, 1.0, 41)
    for columns in (False, True):
        bits = np.asarray(programming.even_bits(p, slots, columns=columns))
        assert np.abs(bits.sum(axis=1) - slots * np.asarray(p)).max() <= 0.5 + 1e-9
    counts = np.asarray(programming.pulse_counts(p, p, slots))
    assert np.abs(counts - slots * np.outer(p, p)).max() <= 2.0


@pytest.mark.slow
def test_update_of_mapped_cells():
    """As many pulses up or down as counted, one after the other."""
    up = filling().at(0.8)
    down = filling().at(0.6)
    x, counts = jnp.asarray([[0.2, 0.5, 0.4]]), jnp.asarray([[3.0, 0.0, -2.0]])
    after, energy = programming.map_update(up, down, x, counts, 10)
    by_hand = [up.repeat(x[0, 0], 3), (x[0, 1], 0.0), down.repeat(x[0, 2], 2)]
    assert np.asarray(after)[0] == pytest.approx([float(a) for a, _ in by_hand], abs=1e-14)
    assert np.asarray(energy)[0] == pytest.approx([float(e) for _, e in by_hand], rel=1e-12)
    assert np.asarray(jax.jit(lambda x: programming.map_update(up, down, x, counts, 10)[0])(x)) == pytest.approx(
        np.asarray(after), abs=1e-14
    )
    with pytest.raises(ProgrammingError, match="at least one"):
        programming.map_update(up, down, x, counts, 0)


def test_overlapping_pulses():
    """Full voltage where both fire, half of it where one does, in the order of the slots."""
    table = filling()
    rows, columns = jnp.asarray([[1.0, 1.0, 0.0]]), jnp.asarray([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    x = jnp.asarray([[0.2, 0.3]])
    after, energy = programming.overlap_update(table, x, rows, columns, 1.0)
    full, half = table.at(1.0), table.at(0.5)
    assert float(after[0, 0]) == pytest.approx(float(half(half(full(x[0, 0])))), abs=1e-14)
    assert float(after[0, 1]) == pytest.approx(float(half(half(x[0, 1]))), abs=1e-14)
    assert (np.asarray(energy) > 0).all()


def test_update_of_pulsed_devices():
    """Without scatter the steps of the device itself; with it their spread."""
    device = PRESETS["EcRam"]()
    counts = jnp.asarray([[4.0, -2.0, 0.0]])
    zero = jnp.zeros((1, 3))
    found = np.asarray(programming.pulsed_update(device, zero, counts, 10, key=KEY))[0]
    noise = [np.asarray(jax.random.normal(jax.random.fold_in(KEY, k), (1, 3)))[0] for k in range(4)]
    w = [0.0, 0.0, 0.0]
    for k in range(4):
        for j, sign in ((0, 1.0), (1, -1.0)):
            if k < abs(float(counts[0, j])):
                w[j] = float(device.pulse(jnp.asarray(w[j]), jnp.asarray(sign), jnp.asarray(noise[k][j])))
    assert found == pytest.approx(w, abs=1e-14)


# Pulses by gradient.


@pytest.mark.slow
def test_train_of_pulses():
    """Amplitudes of a train that ends where it should; the closed form says where it does."""
    device = Filling()
    target = jnp.asarray([3e-6, 5e-6, 6.5e-6])
    train = programming.programme_train(device, target, 3, amplitudes=(0.0, 3.0), widths=WIDTH)
    assert bool(train.ok.all()) and train.amplitudes.shape == (3, 3)
    area = np.asarray(train.amplitudes).sum(axis=1) * (WIDTH + WIDTH / 100)
    g = 1e-6 + 1e-5 * (1 - np.exp(-100.0 * area))
    assert g == pytest.approx(np.asarray(target), rel=1.1e-3)
    record = nj.simulate(device, train.waveform(1))
    assert 1e-6 + 1e-5 * float(record.x.x[-1]) == pytest.approx(5e-6, rel=1e-3)
    assert float(train.energy[1]) == pytest.approx(float(record.energy[-1]), rel=2e-2)
    with pytest.raises(ProgrammingError, match="1 of 1 targets are not reached with 3 pulses"):
        programming.programme_train(device, jnp.asarray([2e-5]), 3, amplitudes=(0.0, 3.0), widths=WIDTH)
    with pytest.raises(ProgrammingError, match="a lower and an upper bound"):
        programming.programme_train(device, target, 3, amplitudes=(1.0, 1.0), widths=WIDTH)


@rarely
def test_widths_too_and_energy_for_less():
    """A real device: the same conductance for less energy where energy has a price."""
    device = physics.Yakopcic()
    options = dict(amplitudes=(0.1, 0.45), widths=(2e-5, 4e-4), tolerance=5e-3)
    target = jnp.asarray([3e-3, 5e-3])
    free = programming.programme_train(device, target, 2, **options)
    thrifty = programming.programme_train(
        device, target, 2, energy_weight=1e-6, energy_unit=float(free.energy.mean()) / 10, **options
    )
    assert bool(free.ok.all()) and bool(thrifty.ok.all())
    assert (np.asarray(thrifty.energy) < np.asarray(free.energy)).all()


# Targets for a horizon.


@pytest.mark.slow
def test_targets_for_a_horizon():
    """At least an eighth less error than of the linear mapping, on draws that were not seen."""
    weights = 0.05 * jax.random.normal(KEY, (64, 64))
    found = programming.programme_for_horizon(
        physics.PcmStatistics(), weights, (1.0, 3600.0, 86400.0), draws=1, key=jax.random.key(3)
    )
    assert 0.125 < float(found.gain) < 0.5
    levels = np.asarray(found.mapping.levels)
    assert np.all(np.diff(levels) >= 0) and 1e-7 <= levels[0] and levels[-1] <= 25e-6
    plus, minus = found.mapping(weights)
    assert np.all((np.asarray(plus) >= np.asarray(minus)) == (np.asarray(weights) >= 0))


def _small(compensate=True, per_column=False):
    weights = 0.05 * jax.random.normal(KEY, (6, 5))
    options = dict(draws=2, compensate=compensate, per_column=per_column)
    return programming.horizon_objective(physics.PcmStatistics(), weights, (1.0, 3600.0), **options, key=KEY)


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, {"compensate": False}, {"per_column": True}])
def test_gradient_of_the_horizon(how):
    objective = _small(**how)
    parts = jnp.asarray([0.02, 0.2, 0.25, 0.4, 0.6])
    value = jax.jit(lambda p: objective(p))
    slope = jax.jit(jax.grad(lambda p: objective(p)))
    exact = np.asarray(slope(parts))
    for k in range(5):
        step = 1e-6 * jnp.eye(5)[k]
        assert exact[k] == pytest.approx(float(value(parts + step) - value(parts - step)) / 2e-6, rel=1e-5, abs=1e-8)
    assert np.isfinite(np.asarray(slope(objective.plain(5)))).all()


def test_linear_mapping_and_noiseless_weights():
    """The plain parts are the straight line; without noise and drift the weights come back."""
    objective = _small()
    mapping = objective.mapping(objective.plain(7))
    assert np.asarray(mapping.levels) == pytest.approx(np.linspace(1e-7, 25e-6, 7), rel=1e-9)
    assert np.asarray(mapping.weight(*mapping(objective.weights))) == pytest.approx(np.asarray(objective.weights))
    with pytest.raises(ProgrammingError, match="must be below"):
        programming.horizon_objective(physics.PcmStatistics(), jnp.ones((2, 2)), 1.0, g_min=1e-4, key=KEY)


@rarely
def test_gradient_against_evolution():
    """SciPy's differential evolution on the same objective finds nothing better in a few thousand evaluations."""
    from neurojax._bench_programming import evolved

    objective = horizon(draws=1)
    _, error, tried = descend(objective, objective.plain(7), 30, 1e-4)
    best, count = evolved(as_host(objective), 1.001 * float(error))
    assert best > 0.998 * float(error) and count > 50 * int(tried) and EDGE < 0.01


# Drift and faults.


def test_drift_of_a_power_law_is_undone():
    """R = R_0 (t/t_0)^0.1 after 1e4: 2.511886 times; one exponent is compensated exactly, whatever the reading."""
    g = jnp.asarray(RNG.uniform(-1, 1, (6, 4)))
    later = programming.power_law(g, jnp.asarray(1e4), 1.0, 0.1)
    assert np.asarray(g / later) == pytest.approx(2.511886, abs=5e-7)
    for per_column in (False, True):
        undo = programming.DriftCompensation.measured(g, per_column=per_column)
        assert np.asarray(undo.factor(later)) == pytest.approx(2.511886, abs=5e-7)
        assert np.asarray(undo(later)) == pytest.approx(np.asarray(g), rel=1e-12)


def test_columns_that_drift_apart_need_factors_of_their_own():
    g = jnp.asarray(RNG.uniform(0.1, 1, (6, 4)))
    exponent = jnp.asarray([[0.02, 0.05, 0.1, 0.12]])
    later = programming.power_law(g, jnp.full((1, 1), 1e4), 1.0, exponent)
    own = programming.DriftCompensation.measured(g, per_column=True)
    assert np.asarray(own.factor(later)) == pytest.approx(1e4 ** np.asarray(exponent)[0], rel=1e-12)
    one = programming.DriftCompensation.measured(g)
    assert float(one.factor(later)) == pytest.approx(float(g.sum() / later.sum()), rel=1e-12)
    # The reference that was wanted also undoes a scale.
    assert np.asarray(programming.DriftCompensation.exact(g)(0.7 * g)) == pytest.approx(np.asarray(g), rel=1e-12)
    assert float(one.factor(jnp.zeros((6, 4)))) == 1.0
    slope = jax.grad(lambda s: one.factor(s * later))(1.0)
    assert float(slope) == pytest.approx(-float(one.factor(later)), rel=1e-9)
    assert np.isfinite(np.asarray(jax.grad(lambda w: one.factor(w))(jnp.zeros((6, 4))))).all()


def test_arrays_over_time():
    g, times = jnp.full((40, 50), 12.5e-6), jnp.asarray([1.0, 86400.0])
    model = physics.PcmStatistics()
    read = np.asarray(programming.over_time(model, g, times, key=KEY))
    assert read.shape == (2, 40, 50)
    assert read[1].mean() == pytest.approx(8.3105e-6, rel=0.01) and read[1].std() == pytest.approx(1.0253e-6, rel=0.05)
    # One path a cell: what is programmed high stays high; independent ones would give less than 0.07.
    assert np.corrcoef(read[0].ravel(), read[1].ravel())[0, 1] > 0.3
    spread = np.asarray(programming.over_time(physics.Relaxation(), g, times, key=KEY))
    exact = np.asarray(jax.vmap(lambda t: physics.Relaxation().spread(g[0, 0], t))(times))
    assert spread.std(axis=(1, 2)) == pytest.approx(exact, rel=0.05)
    lost = physics.Retention()
    tau = lost.tau(jnp.asarray(400.0))
    kept = programming.over_time(lost, g, tau[None], g_rest=2.5e-6, temperature=400.0, key=KEY)
    assert np.asarray(kept) == pytest.approx(2.5e-6 + 1e-5 * np.exp(-1.0), rel=1e-9)


def test_stuck_cells():
    faults = programming.stuck_cells((200, 200), 0.02, 0.05, g_on=1e-4, g_off=1e-6, key=KEY)
    assert float(faults.on.mean()) == pytest.approx(0.02, abs=0.003)
    assert float(faults.off.mean()) == pytest.approx(0.05, abs=0.004)
    g = jnp.full((3, 200, 200), 2e-5)
    bad = np.asarray(faults(g))
    assert np.all(bad[:, np.asarray(faults.on)] == 1e-4) and np.all(bad[:, np.asarray(faults.off)] == 1e-6)
    assert np.all(bad[:, np.asarray(faults.works)] == 2e-5)
    passed = np.asarray(jax.grad(lambda g: jnp.sum(faults(g)))(g[0]))
    assert np.all(passed == np.asarray(faults.works))
    with pytest.raises(ProgrammingError, match="at most 1"):
        programming.stuck_cells((2, 2), 0.7, 0.7, g_on=1e-4, g_off=1e-6, key=KEY)
