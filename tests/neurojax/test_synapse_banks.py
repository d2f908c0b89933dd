"""Synapses of several memories; kernels of currents, quanta of release."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import rarely
from neuron_cases import directional

import neurojax as nj
import physics
from neurojax import synapses

# Banks.


def _events(n_up, n_down):
    return np.asarray([True] * n_up + [False] * n_down)


QUICK = dict(r_on=1e4, r_off=1e6, v_on=-0.5, v_off=0.5, a_on=1.0, a_off=1.0, k_on=-0.02, k_off=1.0, w_init=0.99)
"""A `Vteam` that needs a dozen pulses for SET and one for RESET, as a phase-change cell does, and compiles in a second.
"""


def test_pair_goes_both_ways_and_a_refresh_keeps_the_difference():
    """Potentiation is a SET pulse on G+, depression the same on G-; once a cell is past `g_top` both are RESET, and w
    is restored: not below what it was without the refresh, and by the fewest pulses that reach it."""
    cell = physics.Vteam().replace(**QUICK)
    pairs = [
        synapses.differential_pair(cell, v_set=-1.0, v_reset=1.5, g_top=top, refresh_pulses=8) for top in (4.5e-6, 1.0)
    ]
    w, free = (np.asarray(pair.programme(_events(4, 7)).weight) for pair in pairs)
    up, down = free[:5], free[4] - free[4:]
    assert np.all(np.diff(up) > 0) and np.all(np.diff(down) > 0)
    # As much down as up, pulse by pulse: the cell that is not asked keeps what it has.
    assert down[:5] == pytest.approx(up, rel=1e-9, abs=1e-14) and abs(free[8]) < 1e-14
    assert w[:10] == pytest.approx(free[:10], rel=1e-12, abs=1e-18)
    # G- is past `g_top` at the tenth event, when w lies between the fifth and the sixth value of a fresh cell.
    assert down[5] < -free[10] < -w[10] < down[6] and w[10] == pytest.approx(-down[6], rel=0.06)
    assert w[11] < 2 * w[10]


def test_one_memory_an_event_by_the_counter():
    """Of three alike, each postsynaptic spike writes one, in turn from the counter on: the weight moves as that one
    alone does, the fourth potentiation is the second of its memory, and a depression takes all that one memory has."""
    cell = physics.Vteam().replace(**QUICK)
    ways = dict(v_set=-1.0, v_reset=1.5)
    alone = np.diff(np.asarray(synapses.multi_memristive(1, cell, **ways).programme(_events(2, 1)).weight))
    bank = synapses.multi_memristive(3, cell, counter=2, **ways)
    pre = np.asarray([0.0, 0.1, 0.2, 0.3])
    record = bank.respond(pre, np.append(pre + 1e-3, 0.4))
    steps = np.diff(np.asarray(record.weight))
    assert float(record.weight[0]) == pytest.approx(3 * float(bank.conductances(bank.start())[0]), rel=1e-12)
    assert steps[:4] == pytest.approx(alone[[0, 0, 0, 1]], rel=1e-6)
    # The fifth event finds the memory after that, which has had one SET only.
    assert steps[4] < 0 and -steps[4] == pytest.approx(-alone[2] - alone[1], rel=1e-6)


@rarely
def test_two_phase_change_cells():
    """Both directions by SET alone, evenly; a cell that is full is refreshed, so that neither leaves its range."""
    pair = synapses.differential_pair(refresh_pulses=14)
    up, down = (np.asarray(pair.programme(events).weight) for events in (_events(20, 0), _events(0, 20)))
    assert down == pytest.approx(-up, abs=1e-12)
    assert np.all(np.diff(up[:9]) > 0)
    refreshed = 1 + int(np.argmax(up > 1.5e-5))
    assert up.max() < 3e-5 and refreshed > 1
    both = pair.programme(_events(9, 3))
    w = np.asarray(both.weight)
    assert w[9] > 0 and np.all(np.diff(w[:10]) > 0) and np.all(np.diff(w[9:]) < 0)
    # By spikes: presynaptic first is potentiation.
    order = pair.respond([0.0, 0.1, 0.2], [1e-3, 0.101, 0.19])
    steps = np.diff(np.asarray(order.weight))
    assert steps[0] > 0 and steps[1] > 0 and steps[2] < 0
    assert np.all(np.diff(np.asarray(order.energy)) > 0)


@rarely
def test_gradient_of_a_bank():
    """Through SET pulses on both cells, in amplitude and thermal resistance."""
    pair = synapses.differential_pair(refresh_pulses=0)

    def weight(z):
        cell = pair.device.replace(r_th0=2e6 * z[0])
        other = eqx.tree_at(lambda b: b.v_set, synapses.differential_pair(cell, refresh_pulses=0), z[1])
        return 1e6 * other.programme(_events(3, 1), rtol=1e-9, atol=1e-12).final

    fast = jax.jit(weight)
    for k in range(2):
        exact, differences = directional(fast, jnp.ones(2), jnp.eye(2)[k], 1e-5)
        assert exact == pytest.approx(differences, rel=1e-4), k


@rarely
def test_more_memories_make_finer_weights():
    """Of cells that differ: the largest step over the range falls with their number."""
    rng = np.random.default_rng(0)
    found = []
    for n in (1, 4, 12):
        cell = physics.PhaseChangeCell().replace(u_init=rng.uniform(6e-9, 9.5e-9, n))
        w = np.asarray(synapses.multi_memristive(n, cell).programme(_events(14 * n, 0)).weight)
        w = w[: 1 + int(np.argmax(w > w[0] + 0.9 * (w[-1] - w[0])))]
        part = (w - w[0]) / (w[-1] - w[0])
        found.append(np.diff(part).max())
    assert found[0] > 2 * found[1] > 4 * found[2]


@rarely
def test_counter_of_selection():
    """One memory an event, in turn; of the depressions every second is carried out."""
    bank = synapses.multi_memristive(4, depress_every=2, counter=2)
    w = np.asarray(bank.programme(_events(4, 4)).weight)
    assert np.diff(w)[:4] == pytest.approx(np.full(4, np.diff(w)[0]), rel=1e-9)
    moved = np.abs(np.diff(w)[4:]) > 1e-10
    assert moved.tolist() == [False, True, False, True]


# B3, B5.


@pytest.mark.parametrize(
    ("tau_r", "tau_d", "n", "peak"),
    [(0.5, 2.0, 2.116535, 0.924196), (2.0, 100.0, 1.105215, 7.983720), (0.5, 10.0, 1.232400, 1.576701)],
)
def test_kernels(tau_r, tau_d, n, peak):
    assert float(synapses.psc_norm(tau_r, tau_d)) == pytest.approx(n, abs=5e-7)
    assert float(synapses.psc_peak_time(tau_r, tau_d)) == pytest.approx(peak, abs=5e-7)
    t = np.linspace(-1.0, 60.0, 6101)
    g = np.asarray(synapses.psc_kernel(t, tau_r, tau_d))
    assert (
        g.max() == pytest.approx(1.0, abs=1e-4)
        and np.all(g[t <= 0] == 0)
        and t[g.argmax()] == pytest.approx(peak, abs=0.011)
    )


def test_alpha_kernel_is_the_limit_of_equal_time_constants():
    t = np.linspace(0.0, 20.0, 101)
    alpha = np.asarray(synapses.alpha_kernel(t, 2.0))
    assert alpha == pytest.approx(np.asarray(synapses.psc_kernel(t, 2.0, 2.0 * (1 + 1e-5))), abs=1e-5)
    assert alpha[10] == pytest.approx(1.0, abs=1e-12)


def test_quanta():
    """Mean N p q, CV^2 = (1 - p)/(N p), p ~ [Ca]^4, and the analysis that recovers N, p and q."""
    release = synapses.Release(n=8, q=jnp.asarray(2e-11))
    ca = jnp.asarray([1.5, 3.0, 8.0])
    drawn = np.asarray(release.sample(jax.random.key(0), ca, 40000))
    p = np.asarray(release.probability(ca))
    assert drawn.shape == (3, 40000) and np.unique(np.round(drawn / 2e-11)).tolist() == list(range(9))
    assert drawn.mean(axis=1) == pytest.approx(np.asarray(release.mean(ca)), rel=0.02)
    assert drawn.mean(axis=1) == pytest.approx(8 * p * 2e-11, rel=0.02)
    assert drawn.var(axis=1) / drawn.mean(axis=1) ** 2 == pytest.approx((1 - p) / (8 * p), rel=0.03)
    assert np.asarray(release.cv_squared(ca)) == pytest.approx((1 - p) / (8 * p), rel=1e-12)
    found = synapses.quantal_analysis(drawn)
    assert float(found.n) == pytest.approx(8, rel=0.05) and float(found.q) == pytest.approx(2e-11, rel=0.03)
    assert np.asarray(found.p) == pytest.approx(p, rel=0.05)
    known = synapses.quantal_analysis(drawn[1], 2e-11)
    assert float(known.n) == pytest.approx(8, rel=0.05) and float(known.p[0]) == pytest.approx(p[1], rel=0.05)
    rare = np.asarray(release.probability(jnp.asarray([1e-5, 2e-5])))
    assert rare[1] / rare[0] == pytest.approx(16.0, rel=1e-4)
    with pytest.raises(nj.DataError, match="give q"):
        synapses.quantal_analysis(drawn[:1])
