"""Reservoirs of volatile devices: frames against the solver, and what is built of them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import RARELY, rarely
from neuron_cases import directional
from reservoir_cases import KEY, ON, linear_frames, pulse_cell, pulse_frames, small_node

import neurojax as nj
import physics
from learning import baselines, tasks
from learning import reservoir as rc
from learning.metrics import nmse
from learning.readout import Linear
from neurojax.testing import check_device

pytestmark = pytest.mark.slow


@eqx.filter_jit
def followed(frames, volts):
    """Readings (pulses, lanes)."""
    return jax.lax.scan(lambda x, v: frames.step(x, v), frames.start(volts.shape[1]), volts)[1]


@eqx.filter_jit
def state_after(frames, volts):
    return jax.lax.scan(lambda x, v: (frames.step(x, v)[0], None), frames.start(volts.shape[1]), volts)[0]


def code(bits):
    volts = jnp.asarray([[float(bit) for bit in word] for word in bits]).T
    return np.asarray(state_after(pulse_frames(), ON * volts).w)


# Frames.


def test_pulse_codes():
    """Reference numbers: on = off = 1, tau = 5, A = 0.4; the 16 codes are told apart."""
    words = ["1111", "1000", "0001", "0101", "1010", "0110"]
    assert code(words) == pytest.approx([0.428985, 0.074174, 0.246268, 0.320442, 0.214799, 0.239253], abs=6e-7)
    found = np.sort(code([f"{k:04b}" for k in range(16)]))
    assert np.diff(found).min() == pytest.approx(0.003152, abs=6e-7)


def test_leaky_cell_is_a_device():
    check_device(rc.LeakyCell())


def test_one_exponential_step_is_exact_for_what_relaxes_linearly():
    exact = rc.exact_frames(pulse_cell(), 1.0, rest=1.0, rtol=1e-9)
    assert rc.frame_error(pulse_frames(), exact, (-1.0, 1.5)) < 1e-7


def test_fast_frames_are_as_exact_as_they_say():
    """Wox is not linear; steps are found, and the error that is stated is that of other pulses too."""
    frames = rc.fast_frames(physics.Wox(), 2e-3, rest=2e-3, volts=(0.0, 1.6), tol=1e-3)
    finer = rc.fast_frames(physics.Wox(), 2e-3, rest=2e-3, volts=(0.0, 1.6), tol=1e-5)
    assert frames.error <= 1e-3 and finer.error <= 1e-5 and finer.steps > frames.steps
    assert rc.frame_error(frames, finer, (0.0, 1.6)) == pytest.approx(frames.error, rel=0.1)


@rarely
def test_table_exact_and_fast_frames_agree():
    """One device, three ways: the solver, exponential steps, a table."""
    timing = dict(rest=1e-3)
    exact = rc.exact_frames(physics.Wox(), 1e-3, **timing)
    fast = rc.fast_frames(physics.Wox(), 1e-3, **timing, volts=(0.0, 1.4), tol=1e-5)
    table = rc.tabulated_frames(physics.Wox(), 1e-3, **timing, volts=(0.0, 1.4), tol=1e-3, span=(0.05, 1.0))
    volts = jnp.asarray(np.random.default_rng(1).uniform(0, 1.4, (20, 3)))
    read = [np.asarray(followed(frames, volts)) for frames in (exact, fast, table)]
    assert np.ptp(read[0]) > 1e-7
    for other in read[1:]:
        assert np.abs(other - read[0]).max() < 2e-3 * np.ptp(read[0])


@rarely
def test_oscillator_in_closed_form():
    """Fifty periods of the precession by the solver end at the power of the closed form, above and below threshold."""
    device = physics.SpinOscillator()
    frames = rc.oscillator_frames(device, 1e-8, rest=1e-12, floor=1e-6)
    for volts in (0.3, 0.15):
        record = nj.simulate(device, nj.constant(volts, 1e-8), ts=[1e-8], rtol=1e-9)
        power = float(record.x.re[0] ** 2 + record.x.im[0] ** 2)
        read = frames.step(jnp.full(1, device.amplitude**2), jnp.full(1, volts))[1]
        assert float(read[0]) ** 2 == pytest.approx(power, rel=1e-5)
    # Exactly at the threshold, and far above it.
    r = frames.step(jnp.full(2, 2.5e-3), jnp.asarray([0.2, 50.0]))[1]
    assert np.isfinite(np.asarray(r)).all() and 0.9 < float(r[1]) <= 1.0
    slope = jax.grad(lambda v: jnp.sum(frames.step(jnp.full(2, 2.5e-3), v)[1]))(jnp.asarray([0.2, 50.0]))
    assert np.isfinite(np.asarray(slope)).all()


@rarely
@pytest.mark.parametrize("kind", ["fast", pytest.param("exact", marks=RARELY)])
def test_gradient_through_frames(kind):
    """In parameters, times and voltages, through several pulses; by exponential steps and by the solver."""
    volts = jnp.asarray(np.random.default_rng(0).uniform(0.4, 1.3, (4, 2)))
    if kind == "fast":
        frames = linear_frames(physics.Wox(), 5e-3, 5e-3, 2)
    else:
        frames = rc.exact_frames(physics.Wox(), 5e-3, rest=5e-3, rtol=1e-9)

    def last(z):
        where = lambda f: (f.cells.device.tau, f.cells.device.lam, f.width)  # noqa: E731
        moved = eqx.tree_at(where, frames, tuple(a * b for a, b in zip(where(frames), z[:3], strict=True)))
        return 1e6 * jnp.sum(followed(moved, volts * z[3]))

    fast, slope = jax.jit(last), jax.jit(jax.grad(last))(jnp.ones(4))
    for k in range(4):
        step = 1e-5 * jnp.eye(4)[k]
        differences = float(fast(1 + step) - fast(1 - step)) / 2e-5
        assert float(slope[k]) == pytest.approx(differences, rel=1e-4), k


# Reservoirs.


def test_node_is_the_loop_of_its_frames():
    """Mask, drive and delay feedback by hand."""
    node = small_node(feedback=0.3)
    u, step = jnp.asarray([0.3, -0.7, 0.5]), eqx.filter_jit(node.frames.step)
    x, last, rows = node.frames.start(2), np.zeros((6, 2)), []
    for value in u:
        now = []
        for j in range(6):
            x, read = step(x, 0.6 + 0.8 * node.mask[:, j, 0] * value + 0.3 * last[j])
            now.append(np.asarray(read))
        last = np.asarray(now)
        rows.append(last.ravel())
    assert np.asarray(node.run(u)) == pytest.approx(np.asarray(rows), rel=1e-12)


def test_population_has_its_own_drives():
    """Members of a population, each with gain, offset and width of its own, are single devices side by side."""
    taus, widths, gains = jnp.asarray([2.0, 5.0, 9.0]), jnp.asarray([0.5, 1.0, 2.0]), jnp.asarray([0.5, 1.0, 1.5])
    u = tasks.uniform_inputs(10, key=KEY)
    exact = rc.exact_frames(pulse_cell().replace(tau=taus), widths, rest=1.0, rtol=1e-9)
    for frames in (linear_frames(pulse_cell().replace(tau=taus), widths), exact):
        features = np.asarray(rc.parallel_reservoir(frames, 3, gain=gains, offset=0.2, key=KEY).run(u))
        for k in range(3):
            alone = linear_frames(pulse_cell().replace(tau=taus[k]), widths[k])
            one = rc.parallel_reservoir(alone, 1, gain=gains[k], offset=0.2, key=KEY)
            assert features[:, k] == pytest.approx(np.asarray(one.run(u))[:, 0], rel=1e-6)


@rarely
def test_network_becomes_the_circuit():
    """With shorter slices, node voltages are those of the circuit of the same devices."""
    edges, taus = ((3, 1), (1, 0), (1, 2), (2, 0)), jnp.asarray([2e-3, 8e-3, 4e-3, 3e-2])
    cell = physics.Wox()
    many, levels = cell.replace(tau=taus), jnp.asarray([2.5, 0.5, 3.0])

    def network(slices):
        frames = linear_frames(many, 1e-2 / slices, 1e-12, 2)
        whole = jnp.ones((1, 1)), jnp.ones(1), jnp.zeros(1), rc.Noise()
        return rc.NetworkReservoir(frames, *whole, edges, 4, (3,), slices)

    assert network(1).free == (1, 2)
    parts = {
        f"M{k}": (cell.replace(tau=taus[k]), str(a) if a else "gnd", str(b) if b else "gnd")
        for k, (a, b) in enumerate(edges)
    }
    wave = nj.Waveform(np.repeat([0.0, 0.01, 0.02, 0.03], 2)[1:-1], np.repeat(levels, 2))
    record = nj.Circuit(V1=(wave, "3", "gnd"), **parts).transient(0.03, ts=[0.00999999, 0.01999999, 0.03])
    expected = np.stack([np.asarray(record.v["1"]), np.asarray(record.v["2"])], axis=1)
    far, near = (np.abs(np.asarray(network(n).run(levels)) - expected).max() for n in (2, 16))
    assert near < 0.01 and near < 0.25 * far


@rarely
@pytest.mark.parametrize("which", ["node", pytest.param("network", marks=RARELY)])
def test_gradient_of_a_task(which):
    """From the error of the fitted readout to mask, gain, decay time and network drive; jit is eager, vmap the loop."""
    u = tasks.uniform_inputs(60, key=KEY)
    y = tasks.second_order(u)
    node = small_node(feedback=0.1)
    network = rc.network_reservoir(pulse_frames(), 6, gain=2.0, offset=0.5, slices=2, key=KEY)

    def of_node(z):
        moved = eqx.tree_at(
            lambda n: (n.gain, n.mask, n.frames.cells.device.tau),
            node,
            (node.gain * z[0], node.mask * z[1], node.frames.cells.device.tau * z[2]),
        )
        return jnp.log(nmse(moved.fit(u, y, washout=10, penalty=1e-4).predict(u), y[:, None]))

    def of_network(z):
        moved = eqx.tree_at(lambda n: (n.gain, n.offset), network, (network.gain * z[0], network.offset * z[1]))
        return jnp.log(nmse(moved.fit(u, y, washout=10, penalty=1e-3).predict(u), y[:, None]))

    objective, size = (of_node, 3) if which == "node" else (of_network, 2)
    fast = jax.jit(objective)
    for k in range(size):
        exact, differences = directional(fast, jnp.ones(size), jnp.eye(size)[k], 1e-5)
        assert exact == pytest.approx(differences, rel=2e-4), k
    both = jnp.stack([jnp.ones(size), 1.1 * jnp.ones(size)])
    alone = [float(objective(both[0])), float(fast(both[1]))]
    assert np.asarray(jax.vmap(objective)(both)) == pytest.approx(alone, rel=1e-9)


def test_runs_can_be_continued():
    node = small_node(feedback=0.2)
    u = tasks.uniform_inputs(20, key=KEY)
    first, state = node.advance(u[:12])
    assert np.asarray(node.run(u)) == pytest.approx(np.concatenate([first, node.run(u[12:], state=state)]), rel=1e-12)


def test_noise_is_of_the_key_and_of_the_given_size():
    node = small_node(noise=rc.Noise(relative=0.05))
    u = tasks.uniform_inputs(300, key=KEY)
    clean, one, two = node.run(u), node.run(u, key=KEY), node.run(u, key=KEY)
    assert np.asarray(one == two).all()
    assert float(jnp.std(one / clean - 1)) == pytest.approx(0.05, rel=0.05)
    floor = eqx.tree_at(lambda n: n.noise, node, rc.Noise(floor=1e-3)).run(u, key=KEY)
    assert float(jnp.std(floor - clean)) == pytest.approx(1e-3, rel=0.05)


def test_past_inputs_are_those_of_the_baselines():
    u = tasks.uniform_inputs(30, key=KEY)
    assert np.asarray(rc.LinearLags(3).run(u)) == pytest.approx(np.asarray(baselines.lagged(u, 3)))


def test_forecast_feeds_itself_and_is_refreshed():
    """With a readout that repeats u_{k-1} the forecast has period two; refreshed, it follows the truth a step late."""
    repeats = Linear(jnp.asarray([[0.0], [1.0]]), jnp.zeros(1))
    taught = eqx.tree_at(lambda r: r.readout, rc.LinearLags(2), repeats, is_leaf=lambda a: a is None)
    u = jnp.asarray([1.0, 2.0] * 4)
    assert np.asarray(taught.forecast(u, 6)[:, 0]) == pytest.approx([1, 2, 1, 2, 1, 2])
    truth = jnp.asarray([2.0, 1.0, 2.0, 1.0])
    assert np.asarray(taught.forecast(u, 4, truth=truth, every=2, taught=2)[:, 0]) == pytest.approx([1, 2, 2, 1])
    assert np.asarray(taught.forecast(u, 4, truth=truth, every=2)[:, 0]) == pytest.approx([1, 2, 2, 2])


def test_joined_parts_are_read_together():
    parts = (small_node(), rc.LinearLags(2))
    u = tasks.uniform_inputs(8, key=KEY)
    found = rc.JoinedReservoir(parts, rc.Noise()).run(u)
    assert np.asarray(found) == pytest.approx(np.concatenate([p.run(u) for p in parts], axis=1))


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: rc.exact_frames(physics.Wox(), 0.0, rest=1.0), "width = 0"),
        (lambda: rc.exact_frames(physics.Ecram(), 1.0, rest=1.0), "3 terminals"),
        (lambda: rc.exact_frames(physics.Wox(), 1.0, rest=1.0, v_read=0.0), "reads nothing"),
        (lambda: small_node().predict(jnp.ones(5)), "no readout"),
        (lambda: small_node().fit(jnp.ones(5), jnp.ones(6)), "5 samples of u, 6 of y"),
        (lambda: rc.node_reservoir(pulse_frames(), 0, key=KEY), "0 slots"),
        (lambda: rc.drive_for(jnp.ones(4), (0.0, 1.0)), "everywhere"),
        (lambda: rc.network_reservoir(pulse_frames(), 2, key=KEY), "none to read"),
        (lambda: rc.LinearLags(2).fit(jnp.arange(9.0), jnp.arange(9.0)).forecast(jnp.ones(4), 3, every=2), "the truth"),
    ],
)
def test_what_cannot_be_is_said(call, says):
    with pytest.raises(nj.DataError, match=says):
        call()


@rarely
def test_population_of_another_size_and_voltages_beyond_a_table():
    spread = physics.Wox().replace(tau=jnp.asarray([0.04, 0.05, 0.06]))
    with pytest.raises(nj.DataError, match="population of 3"):
        rc.parallel_reservoir(rc.exact_frames(spread, 1e-3, rest=1e-3), 2, key=KEY).run(jnp.ones(3))
    table = rc.tabulated_frames(rc.LeakyCell(), 1e-3, rest=1e-3, volts=(0.0, 1.0), tol=1e-2)
    with pytest.raises(nj.SimulationError, match="step 1 are not finite"):
        rc.parallel_reservoir(table, 1, key=KEY).run(jnp.asarray([0.5, 2.0]))
    with pytest.raises(nj.ProgrammingError, match="exponential steps miss"):
        rc.fast_frames(rc.LeakyCell(), 1e-3, rest=1e-3, volts=(0.0, 0.5), tol=1e-16)
