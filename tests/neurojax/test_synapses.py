"""Synapses that are one circuit: windows, rates, pairs of spikes, access devices."""

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
from neurojax.synapses import BIOLOGICAL_MS as MS

DTS = np.asarray([-60.0, -40, -20, -10, -5, 5, 10, 15, 20, 30])
FACILITATED = {10: 1.897649, 20: 1.884330, 50: 1.844228, 100: 1.778144, 200: 1.654375, 500: 1.376741, 1000: 1.146995}
BI_POO = {
    -40: -0.083307,
    -20: -0.150807,
    -10: -0.202905,
    -5: -0.235357,
    5: 0.576988,
    10: 0.428462,
    20: 0.236267,
    40: 0.071843,
}


def slopes(dts, window):
    """Of ln |window| between neighbours."""
    return np.diff(np.log(np.abs(window))) / np.diff(dts)


# C16: spikes that overlap.


@pytest.fixture(scope="module")
def overlapping():
    synapse = synapses.overlap_synapse()
    pre, post = (np.where(s * DTS > 0, np.abs(DTS), 0.0)[:, None] * 1e-3 for s in (-1, 1))
    return synapse.respond(pre, post, samples=4)


def test_window_of_overlap_has_the_time_constants_of_the_tails(overlapping):
    """From one device model: 17 ms of the presynaptic tail, 34 ms of the postsynaptic one; a margin of 0.5 % of the
    threshold cuts the ends off, so the slopes are those of exp(-t/tau) - 0.01."""
    window = np.asarray(overlapping.change / overlapping.weight[:, 0])
    assert np.all(window[:5] < 0) and np.all(window[5:] > 0)
    late, early = window[5:], window[:5]
    assert -1 / slopes(DTS[5:9], late[:4]) == pytest.approx(np.full(3, 17.0), rel=0.05)
    assert 1 / slopes(DTS[1:5], early[1:]) == pytest.approx(np.full(3, 34.0), rel=0.05)
    # Without the margin the differences of the window are exactly exponential.
    expected = np.exp(-(DTS[5:] - 0.52) / 17) - 0.01
    assert late / late[0] == pytest.approx(expected / expected[0], rel=0.03)


def test_energy_is_what_the_cell_takes(overlapping):
    """Of the pair that is farthest apart and changes least: G times the integral of the voltage squared."""
    t = np.asarray(overlapping.t[0])
    v = np.asarray(overlapping.circuit.v["post"] - overlapping.circuit.v["pre"])[0]
    fine = np.linspace(t[0], t[-1], 200001)
    squared = np.interp(fine, t, v) ** 2
    integral = np.sum(0.5 * (squared[1:] + squared[:-1]) * np.diff(fine))
    assert float(overlapping.energy[0, -1]) == pytest.approx(float(overlapping.weight[0, 0]) * integral, rel=5e-3)


def test_peaks_alone_write_nothing(overlapping):
    """So far apart that nothing overlaps: a thousandth of the largest change is left."""
    synapse = synapses.overlap_synapse()
    dts = np.where(np.arange(len(DTS)) % 2 == 0, 0.5, -0.5)
    far = synapses.stdp_window(synapse, dts, samples=4)
    near = np.asarray(overlapping.change / overlapping.weight[:, 0])
    assert np.abs(far).max() < 1e-3 * np.abs(near).max()


@rarely
def test_population_of_synapses():
    members = synapses.overlap_synapse().replace({"cell.k_on": np.asarray([-1e-8, -2e-8])})
    window = np.asarray(synapses.stdp_window(members, [5e-3, 10e-3]))
    assert window.shape == (2, 2) and window[:, 1] == pytest.approx(2 * window[:, 0], rel=5e-3)


def test_wrong_calls():
    synapse = synapses.overlap_synapse()
    with pytest.raises(nj.SimulationError, match="shift all times"):
        synapse.respond([-1e-3], [0.0])
    with pytest.raises(nj.CircuitError, match="'pre' and 'post'"):
        synapses.Synapse(nj.neurons.mott_neuristor(), synapse.pre, synapse.post)
    with pytest.raises(nj.DataError, match="positive"):
        synapses.rate_response(synapse, [0.0], 2)
    with pytest.raises(nj.DataError, match="an interval of"):
        synapses.spike_charges(synapse, [1e-3], 2)


@rarely
def test_shape_of_the_spike_is_the_shape_of_the_window():
    """A triangular tail makes a triangular window, a square one a square window; an exponent of two halves tau."""
    dts, v = np.asarray([5e-3, 10e-3, 20e-3, 30e-3]), 0.5
    linear = synapses.triangular_spike(0.995 * v, 1e-3, -0.5 * v, 40e-3)
    window = np.asarray(synapses.stdp_window(synapses.overlap_synapse(pre=linear, post=linear), dts))
    expected = 0.5 * (1 - (dts - 0.52e-3) / 40e-3) - 0.005
    assert window / window[0] == pytest.approx(expected / expected[0], rel=0.03)
    flat = synapses.square_spike(0.995 * v, 1e-3, -0.5 * v, 40e-3)
    window = np.asarray(synapses.stdp_window(synapses.overlap_synapse(pre=flat, post=flat), [*dts, 80e-3]))
    assert np.ptp(window[:4]) < 0.02 * window[0] and abs(window[4]) < 1e-3 * window[0]
    steep = synapses.overlap_synapse(synapses.overlap_cell().replace(a_on=2.0), flip=True)
    window = np.asarray(synapses.stdp_window(steep, dts[:3]))
    assert -1 / slopes(dts[:3], window) == pytest.approx(np.full(2, 8.5e-3), rel=0.06)


@rarely
def test_gradient_of_overlap():
    """In the exponent and speed of the device, the tail of the spike and the interval of the pair."""
    synapse = synapses.overlap_synapse()

    def final(z):
        cell = {"cell.a_on": z[0], "cell.k_on": -1e-7 * z[1], "cell.r_off": 2e4 * z[2]}
        other = eqx.tree_at(lambda s: s.pre.v, synapse.replace(cell), synapse.pre.v * z[3])
        record = other.respond(jnp.zeros((1, 1)), 1e-2 * z[4][None, None], samples=1, rtol=1e-9, atol=1e-13)
        return jnp.log(record.change[0])

    fast = jax.jit(final)
    for k in range(5):
        exact, differences = directional(fast, jnp.ones(5), jnp.eye(5)[k])
        assert exact == pytest.approx(differences, rel=1e-4), k


# C17: heat.


SECOND = dict(rtol=1e-9, atol=1e-14)
WAITS = np.asarray([1.0, 1.5, 2, 3, 15, 16, 17, 18, 100]) * 1e-7


@pytest.fixture(scope="module")
def heated():
    """Changes of w, for the later pulse of the postsynaptic neuron and for that of the presynaptic one."""
    record = synapses.second_order_synapse().respond(*_pairs(np.concatenate([WAITS, -WAITS])), samples=1, **SECOND)
    w = np.asarray(record.circuit.x["cell"].w)
    return np.split(w[:, -1] - w[:, 0], 2)


def _pairs(dts):
    zero = np.zeros_like(dts)
    return np.where(dts < 0, -dts, zero)[:, None], np.where(dts < 0, zero, dts)[:, None]


@pytest.mark.slow
def test_order_of_identical_pulses_decides_the_sign(heated):
    """Identical square pulses that do not overlap (the pulse takes 40 ns, the shortest interval is 100 ns)."""
    late, early = heated
    assert np.all(late[:4] > 0) and np.all(early[:4] < 0)
    assert -early[:4] == pytest.approx(late[:4], rel=1e-3)
    assert abs(late[-1]) < 1e-3 * late[0]


def test_window_decays_as_the_heat_does(heated):
    """exp(-dt/tau) where little heat is left; more of it speeds hops up exponentially, so there the window is
    steeper."""
    late, _ = heated
    left = late[4:8] - late[-1]
    assert -1e-7 * np.asarray(slopes(WAITS[4:8], left)) == pytest.approx(np.full(3, 1 / 3), rel=0.03)
    near = late[:4] - late[-1]
    assert np.all(-slopes(WAITS[:4], near) > 1.4 / 3e-7)


@rarely
def test_gradient_of_the_heated_window():
    """In the thermal time constant and resistance, and in the barrier."""
    synapse = synapses.second_order_synapse()

    def change(z):
        cell = {"cell.tau": 3e-7 * z[0], "cell.r_th": 2e6 * z[1], "cell.e_a": 0.85 * z[2]}
        record = synapse.replace(cell).respond([0.0], [2e-7], samples=1, rtol=1e-10, atol=1e-15)
        return jnp.log(record.circuit.x["cell"].w[-1] - 0.5)

    fast = jax.jit(change)
    for k in range(3):
        exact, differences = directional(fast, jnp.ones(3), jnp.eye(3)[k], 1e-5)
        assert exact == pytest.approx(differences, rel=1e-4), k


# C18: a volatile switch in series with a memory.


@pytest.fixture(scope="module")
def diffusive():
    return synapses.diffusive_synapse()


@pytest.mark.slow
def test_diffusive_window_is_that_of_bi_and_poo(diffusive):
    """Both signs from one circuit without overlap: 16.8 and 33.7 ms; one spike alone changes nothing."""
    dts = np.asarray([*BI_POO, 3000.0, -3000.0])
    window = 100 * np.asarray(synapses.stdp_window(diffusive, dts * MS))
    assert window[:8] == pytest.approx(np.asarray(list(BI_POO.values())), rel=0.05)
    assert 35 / np.log(window[4] / window[7]) == pytest.approx(16.8, rel=0.02)
    assert 35 / np.log(window[3] / window[0]) == pytest.approx(33.7, rel=0.02)
    assert np.abs(window[8:]).max() < 1e-5
    assert float(diffusive.pre.duration) < 2.3 * MS


@pytest.mark.slow
def test_rate_decides_the_sign(diffusive):
    """Spikes of both neurons in turn, equally far apart: depression at low rates, potentiation at high ones."""
    rates = np.asarray([2.0, 5, 9, 11, 20, 40, 100])
    change = np.asarray(synapses.rate_response(diffusive, 1e-3 * rates / MS, 5))
    assert np.all(change[:3] < 0) and np.all(change[3:] > 0) and np.all(np.diff(change[3:]) > 0)


@pytest.mark.slow
def test_paired_pulses(diffusive):
    """Facilitation is that of U = 0.03, 530 and 130 ms (Tsodyks and Markram); and the response that a burst has
    facilitated is depressed again by an interval that is longer (PPD), to what two spikes have there."""
    intervals = np.asarray([*([dt] * 3 for dt in FACILITATED), [3.0, 3.0, 300.0], [300.0] * 3]) * MS
    charges = np.asarray(synapses.spike_charges(diffusive, intervals, 4))
    ratios = charges / charges[:, :1]
    assert ratios[:7, 1] == pytest.approx(np.asarray(list(FACILITATED.values())), abs=0.015)
    assert ratios[7, 2] > 1.9 and ratios[7, 3] == pytest.approx(ratios[8, 1], rel=0.01) and ratios[7, 3] < 1.6


@pytest.mark.slow
def test_post_tetanic_potentiation():
    """With a low pulse too short to open the bridge at once, a tetanus builds it up spike by spike; a test spike
    afterwards is larger than after a single spike at every pause, and decays back to the first response. The bridge
    is the only memory of it, so it takes some 500 ms of biology, as facilitation does, and not the seconds of nerve."""
    synapse = synapses.diffusive_synapse(spike=synapses.square_spike(4.0, 0.2 * MS, 0.5, 0.3 * MS))
    pauses = np.asarray([3.0, 30, 100, 300, 1000, 3000])
    trains = [[3000.0] * (5 - n) + [3.0] * n + [pause] for n in (0, 2, 5) for pause in pauses]
    charges = np.asarray(synapses.spike_charges(synapse, np.asarray(trains) * MS, 7))
    assert np.all(np.diff(charges[-1, :6]) > 0)
    left = (charges[:, -1] / charges[:, 0]).reshape(3, 6) - 1
    assert np.all(np.diff(left[:, :5], axis=0) > 0) and np.all(np.diff(left, axis=1) < 0)
    assert left[2, 0] > 1.5 * left[0, 0] > 3 and left[2, 4] > 0.5
    assert np.abs(left[:, -1]).max() < 0.01
    tau = np.diff(pauses[3:5]) / np.log(left[:, 3] / left[:, 4])
    assert tau == pytest.approx(np.full(3, 475.0), rel=0.05)


def silver(bias, spike, **values):
    """The silver bridge of `AgDiffusive`, in series with the memory of C18; a constant voltage on top of both."""
    circuit = nj.Circuit(
        pre=(spike, "pre", "gnd"), post=(spike, "post", "gnd"), bias=(bias, "top", "post"),
        volatile=(physics.AgDiffusive().replace(**values), "top", "mid"),
        cell=(synapses.diffusive_cell(), "pre", "mid"),
    )  # fmt: skip
    return synapses.Synapse(circuit, spike, spike)


def trapezoid(volts):
    return nj.Waveform([0.0, 1e-6, 1.01e-4, 1.02e-4], np.asarray([0.0, 1.0, 1.0, 0.0]) * volts)


@pytest.mark.slow
def test_paired_pulses_depress_a_bridge_that_a_bias_holds():
    """PPD: a bias of 0.4 V holds the bridge of a cell with one source of silver, spikes of 1 V drive silver back. The
    second of two finds less of it, the less the sooner it comes, and the bridge grows again in ms; the third falls on.
    The memory is not written, so that the depression is of short term."""
    synapse = silver(0.4, trapezoid(1.0), reverse=-1.0)
    gaps = np.asarray([5e-4, 1e-3, 2e-3, 5e-3, 2e-2])
    # The first spike comes before the bias has made the bridge; 20 ms later it is at rest.
    gaps = np.concatenate([np.stack([np.full(5, 2e-2), gaps, np.full(5, 2e-2)], axis=1), [[2e-2, 1e-3, 1e-3]]])
    record = synapse.respond(np.cumsum(gaps, axis=1), np.zeros((6, 0)), samples=2)
    assert np.abs(record.change / record.weight[:, 0]).max() < 1e-9
    charges = np.asarray(synapses.spike_charges(synapse, gaps, 4))[:, 1:]
    ratio = charges[:5, 1] / charges[:5, 0]
    assert np.all(np.diff(ratio) > 0) and ratio[0] < 0.15 and ratio[1] == pytest.approx(0.41, abs=0.02)
    assert charges[:5, [0, 2]] == pytest.approx(np.full((5, 2), charges[0, 0]), rel=1e-3)
    assert ratio[4] == pytest.approx(1.0, abs=1e-4)
    assert charges[5, 2] < 0.98 * charges[5, 1] < 0.45 * charges[5, 0]


@pytest.mark.slow
def test_bridge_at_rest_is_facilitated_by_spikes_that_make_it_and_depressed_by_others():
    """No pair of spikes that draw silver out gives less the second time, whatever their height and interval: at rest
    there is least of the bridge, and solutions of one state do not cross, so a start with more of it stays above (heat,
    the other state, is gone in 50 ns). Spikes that drive back the little that the noise holds out of a single source
    do give less. Depression at high rates that follows facilitation by the same spikes (Wang et al., recalled) is said
    to be silver that runs out at its source, which this model has no state for."""
    gaps = [[2e-2, gap] for gap in (1.1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 2e-2)]
    ratios = {}
    for reverse, volts in ((1.0, 2.0), (1.0, 1.0), (1.0, 0.5), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)):
        # The voltage is that of "post" less that of "pre".
        charges = np.asarray(synapses.spike_charges(silver(0.0, trapezoid(-volts), reverse=reverse), gaps, 3))
        ratios[reverse, volts] = charges[:, 2] / charges[:, 1]
    back = ratios.pop((-1.0, -1.0))
    assert np.all(np.diff(back[:6]) > 0) and back[0] < 0.85 and back[-1] == pytest.approx(1.0, abs=1e-5)
    for ratio in ratios.values():
        assert np.all(ratio > 1 - 1e-4) and np.all(np.diff(ratio) < 1e-4)
        assert ratio[0] > 1.03 and ratio[-1] == pytest.approx(1.0, abs=1e-5)
    assert ratios[1.0, 1.0][0] > 20 and ratios[1.0, 0.5][0] > 3
    assert ratios[1.0, -1.0] == pytest.approx(ratios[1.0, 1.0], rel=1e-5)


@pytest.mark.slow
def test_relaxation_time_is_fitted_through_the_circuit(diffusive):
    """Exact derivatives beside central differences; Gauss and Newton recover the relaxation time of the switch from
    the window, with the speeds of the memory."""
    dts = jnp.asarray([-20.0, -5.0, 5.0, 20.0]) * MS
    names, true = ("volatile.tau_reset", "cell.k_on", "cell.v_off"), jnp.asarray([4.6825e-3, -1.43287, 0.40302])

    def window(z):
        synapse = diffusive.replace(dict(zip(names, true * jnp.exp(z), strict=True)))
        found = jnp.log(jnp.abs(synapses.stdp_window(synapse, dts, rtol=1e-10, atol=1e-14)))
        return found, found

    both = jax.jit(jax.jacfwd(window, has_aux=True))
    jacobian, target = both(jnp.zeros(3))
    for k in range(3):
        step = 1e-3 * jnp.eye(3)[k]
        differences = (both(step)[1] - both(-step)[1]) / 2e-3
        assert np.abs(jacobian[:, k] - differences).max() < 1e-4 * np.abs(jacobian[:, k]).max(), names[k]
    z = jnp.asarray([0.2, -0.2, 0.02])
    for _ in range(6):
        slope, found = both(z)
        z = z - jnp.linalg.lstsq(slope, found - target)[0]
    assert np.abs(z).max() < 1e-4


@pytest.mark.slow
def test_gradients_of_pairs_in_a_resistance(diffusive):
    """Of pairs side by side, in a resistance that also moves the voltages at which they start."""
    dts = jnp.asarray([-10.0, 10.0]) * MS

    def window(z):
        synapse = diffusive.replace({"volatile.r_on": 4.9826e4 * z[0], "cell.r_off": 1.9e4 * z[1]})
        return 1e3 * synapses.stdp_window(synapse, dts, rtol=1e-10, atol=1e-14)

    slope, fast = np.asarray(jax.jit(jax.jacfwd(window))(jnp.ones(2))), jax.jit(window)
    for k, step in enumerate(1e-4 * np.eye(2)):
        differences = (np.asarray(fast(1 + step)) - np.asarray(fast(1 - step))) / 2e-4
        assert np.abs(slope[:, k] - differences).max() < 1e-4 * np.abs(slope[:, k]).max(), k


@rarely
def test_gradient_of_the_final_weight_in_every_parameter():
    """Of all 27 numbers of both devices, as elasticities: 1e-4 of each, or of a hundredth of the largest."""
    synapse = synapses.diffusive_synapse()
    known = synapse.circuit.parameters()
    names = [n for n, p in known.items() if float(p.value) != 0]
    start = jnp.asarray([float(known[n].value) for n in names])

    def weight(z):
        values = {n: start[k] * (1 + z[k]) for k, n in enumerate(names)}
        how = {"samples": 1, "rtol": 1e-10, "atol": 1e-13}
        return 1e6 * synapse.replace(values).respond([0.0], [10 * MS], **how).final

    fast, zero, eye = jax.jit(weight), jnp.zeros(len(names)), jnp.eye(len(names))
    slope, off = np.asarray(jax.jit(jax.jacfwd(weight))(zero)), np.full(len(names), np.inf)
    for h in (1e-4, 1e-5):
        f = np.asarray([[float(fast(m * h * e)) for e in eye] for m in (-2, -1, 1, 2)])
        off = np.minimum(off, np.abs((8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * h) - slope))
    assert np.isfinite(slope).all() and (np.abs(slope) > 0.1).sum() > 10
    assert np.all(off < 1e-4 * np.maximum(np.abs(slope), 1e-2 * np.abs(slope).max()))


# Memories behind a transistor or a selector.


@pytest.mark.slow
def test_transistor_answers_through_its_gate():
    """SET where the gate is open at the first part, RESET where it opens before the second; nothing outside. A lower
    gate stops the SET at a wider gap."""
    synapse = synapses.one_transistor_synapse()
    window = np.asarray(synapses.stdp_window(synapse, np.asarray([-150, -90, -10, 10, 90, 150]) * 1e-6))
    assert np.abs(window[[0, 5]]).max() < 1e-6
    assert np.all(window[1:3] < -0.9) and np.all(window[3:5] > 1.0)
    gates = [2.4, 2.8, 3.5]
    ends = []
    for gate in gates:
        other = synapses.one_transistor_synapse(pre=synapses.square_spike(gate, 1e-4))
        ends.append(float(synapses.stdp_window(other, np.asarray([-150, -90, -10, 10, 90, 150]) * 1e-6)[3]))
    assert ends[0] < ends[1] < ends[2]


@pytest.mark.slow
def test_half_of_the_voltage_does_not_write_through_a_selector():
    """Each spike alone is half of the voltage: with a selector nothing moves, without one the same cell is written."""
    synapse = synapses.one_selector_synapse()
    dts = np.asarray([-400e-6, -50e-6, 50e-6, 400e-6])
    window = np.asarray(synapses.stdp_window(synapse, dts))
    assert window[1] < -0.9 and window[2] > 5
    assert np.abs(window[[0, 3]]).max() < 1e-6
    bare = synapses.overlap_synapse(synapse.circuit.parts["cell"], synapse.pre, synapse.post)
    assert np.abs(np.asarray(synapses.stdp_window(bare, dts[[0, 3]]))).min() > 0.5
