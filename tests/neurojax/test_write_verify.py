"""Closed-loop programming of arrays: what is reached, what it costs, what it does to the neighbours."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from programming_cases import WIDTH, Filling, filling, yakopcic

import physics
from neurojax import programming
from neurojax.errors import ProgrammingError

UP, DOWN = programming.Ramp(0.2, 0.01, 0.42), programming.Ramp(-0.2, -0.01, -0.42)
RNG = np.random.default_rng(1)


def _array(n, m):
    table = yakopcic()
    x = jnp.asarray(RNG.uniform(0.1, 0.3, (n, m)))
    return table, x, table.conductance(jnp.asarray(RNG.uniform(0.15, 0.6, (n, m))))


def test_ramp():
    up, down = programming.Ramp(0.2, 0.1, 0.45), programming.Ramp(-0.2, -0.1, -0.45)
    k = jnp.arange(5.0)
    assert np.asarray(up(k)) == pytest.approx([0.2, 0.3, 0.4, 0.45, 0.45])
    assert np.asarray(down(k)) == pytest.approx(-np.asarray(up(k)))


def test_schemes_are_potentials_of_lines():
    g = jnp.ones((3, 4))
    volts, row = jnp.asarray([0.0, 1.0, 0.8, 0.0]), jnp.asarray(1, jnp.int32)
    half, third = (np.asarray(s(volts, row, g)) for s in (programming.half_voltage, programming.third_voltage))
    assert half[1] == pytest.approx([0.5, 1.0, 0.8, 0.5]) and half[0] == pytest.approx([0.0, 0.5, 0.3, 0.0])
    assert third[1] == pytest.approx([1 / 3, 1.0, 0.8, 1 / 3])
    assert third[2] == pytest.approx([-1 / 3, 1 / 3, 0.8 - 2 / 3, -1 / 3])
    for seen in (half, third):
        # Differences of two lines: of rank two, and every loop of four cells adds up to zero.
        assert seen[:1, :1] - seen[:1] - seen[:, :1] + seen == pytest.approx(np.zeros((3, 4)), abs=1e-15)
    alone = np.asarray(programming.isolated(volts, row, g))
    assert alone[1] == pytest.approx(np.asarray(volts)) and not alone[[0, 2]].any()
    part = jnp.full((3, 4), 0.9)
    dropped = programming.WithDrop(programming.half_voltage, part)(volts, row, g)
    assert np.asarray(dropped) == pytest.approx(0.9 * half)


@pytest.mark.slow
def test_every_cell_reaches_its_target():
    table, x, g = _array(6, 5)
    record = programming.write_verify(table, x, g, up=UP, down=DOWN, tolerance=0.02)
    assert bool(record.ok.all()) and np.asarray(record.conductance) == pytest.approx(np.asarray(g), rel=0.02)
    assert np.asarray(record.conductance) == pytest.approx(np.asarray(table.conductance(record.x)))
    already = np.abs(np.asarray(table.conductance(x)) / np.asarray(g) - 1) <= 0.02
    assert ((np.asarray(record.pulses) == 0) == already).all()
    assert float(record.duration) == pytest.approx(int(record.pulses.max()) * float(table.period))
    assert (np.asarray(record.energy)[~already] > 0).all() and "30 of 30" in repr(record)


def test_a_single_cell_by_hand():
    """The same pulses one after the other: ramps begin anew where the direction changes."""
    table = yakopcic()
    x, g = jnp.asarray([[0.2]]), table.conductance(jnp.asarray([[0.334]]))
    record = programming.write_verify(table, x, g, up=UP, down=DOWN, tolerance=0.004)
    now, ups, downs, count, energy = jnp.asarray(0.2), 0, 0, 0, 0.0
    one = jax.jit(lambda x, v: table.step(x, v))
    while abs(float(table.conductance(now) / g[0, 0]) - 1) > 0.004:
        if table.conductance(now) < g[0, 0]:
            v, ups, downs = min(0.2 + 0.01 * ups, 0.42), ups + 1, 0
        else:
            v, ups, downs = max(-0.2 - 0.01 * downs, -0.42), 0, downs + 1
        now, more = one(now, jnp.asarray(v))
        count, energy = count + 1, energy + float(more)
    assert int(record.pulses[0, 0]) == count and float(record.x[0, 0]) == pytest.approx(float(now), abs=1e-12)
    assert float(record.energy[0, 0]) == pytest.approx(energy, rel=1e-9)


@pytest.mark.slow
def test_half_selected_cells_are_disturbed():
    """V/2 is above the threshold: rows that are done are lost again, a second pass repairs them; V/3 is below."""
    table, x, g = _array(8, 8)
    run = lambda scheme, passes: programming.write_verify(  # noqa: E731
        table, x, g, up=UP, down=DOWN, tolerance=0.02, scheme=scheme, passes=passes, throw=False
    )
    free, half, again, third = (
        run(programming.isolated, 1), run(programming.half_voltage, 1), run(programming.half_voltage, 2),
        run(programming.third_voltage, 1),
    )  # fmt: skip
    assert bool(free.ok.all()) and not bool(half.ok.all()) and bool(again.ok.all()) and bool(third.ok.all())
    assert float(half.energy.sum()) > 2 * float(free.energy.sum())
    with pytest.raises(ProgrammingError, match=r"of 64 cells are not within 0.02 .* more passes"):
        programming.write_verify(
            table, x, g, up=UP, down=DOWN, tolerance=0.02, scheme=programming.half_voltage, throw=True
        )


def test_what_a_disturbed_cell_sees():
    """One row of one cell is programmed, the other gets half of every pulse: replayed by hand."""
    table = yakopcic()
    x = jnp.asarray([[0.2], [0.5]])
    g, allowed = table.conductance(jnp.asarray([[0.9], [0.5]])), jnp.asarray([[0.05], [0.9]])
    up = programming.Ramp(0.36, 0.01, 0.44)
    record = programming.write_verify(
        table, x, g, up=up, down=DOWN, tolerance=allowed, scheme=programming.half_voltage, throw=False
    )
    other, one = jnp.asarray(0.5), jax.jit(lambda x, v: table(x, v))
    for k in range(int(record.pulses[0, 0])):
        other = one(other, jnp.asarray(0.5 * min(0.36 + 0.01 * k, 0.44)))
    assert int(record.pulses[1, 0]) == 0 and float(record.x[1, 0]) == pytest.approx(float(other), abs=1e-12)
    assert float(other) > 0.5


def test_drop_along_wires_costs_pulses():
    """Cells far from the driver see less, and need more; a drop that is too large fails, loudly."""
    table = yakopcic()
    x, g = jnp.full((2, 6), 0.2), table.conductance(jnp.full((2, 6), 0.4))
    part = jnp.broadcast_to(jnp.linspace(1.0, 0.7, 6), (2, 6))
    lossy = programming.WithDrop(programming.isolated, part)
    record = programming.write_verify(table, x, g, up=UP, down=DOWN, tolerance=0.03, scheme=lossy)
    pulses = np.asarray(record.pulses)
    # A ramp may pass a target by and come back, so not each cell needs more than the one before it.
    assert np.all(pulses[0] == pulses[1]) and pulses[:, 3:].min() > pulses[:, :3].max()
    lossy = programming.WithDrop(programming.isolated, part**8)
    with pytest.raises(ProgrammingError, match="higher pulses"):
        programming.write_verify(table, x, g, up=UP, down=DOWN, tolerance=0.03, scheme=lossy)


def test_stuck_cells_are_named():
    table, x, g = _array(4, 4)
    works = jnp.ones((4, 4), bool).at[1, 2].set(False)
    x = x.at[1, 2].set(0.1)
    g = g.at[1, 2].set(table.conductance(jnp.asarray(0.5)))
    options = dict(up=UP, down=DOWN, tolerance=0.02, works=works, max_pulses=40)
    with pytest.raises(ProgrammingError, match=r"1 of 16 cells .* \(1, 2\), .* after 40 pulses"):
        programming.write_verify(table, x, g, **options)
    record = programming.write_verify(table, x, g, throw=False, **options)
    assert float(record.x[1, 2]) == pytest.approx(0.1) and float(record.energy[1, 2]) == 0
    assert int((~record.ok).sum()) == 1


def test_noise_of_readings():
    """Cells end where a noisy reading said that they were within; the record itself is read without noise."""
    table, x, g = _array(12, 12)
    sigma = 0.02 * float(g.mean())
    run = lambda **k: programming.write_verify(table, x, g, up=UP, down=DOWN, tolerance=0.02, throw=False, **k)  # noqa: E731
    one, two = (run(read_noise=sigma, key=jax.random.key(s)) for s in (0, 1))
    assert not bool(one.ok.all()) and np.any(np.asarray(one.x) != np.asarray(two.x))
    missed = np.asarray(one.conductance - g)
    assert 0.3 * sigma < missed.std() < 2 * sigma
    with pytest.raises(ProgrammingError, match="needs a key"):
        run(read_noise=sigma)


@pytest.mark.slow
def test_compiled():
    table, x, g = _array(3, 3)
    plain = programming.write_verify(table, x, g, up=UP, down=DOWN, tolerance=0.02)
    call = lambda x, g: programming.write_verify(table, x, g, up=UP, down=DOWN, tolerance=0.02, throw=False).x  # noqa: E731
    assert np.asarray(jax.jit(call)(x, g)) == pytest.approx(np.asarray(plain.x), abs=1e-14)
    slope = jax.jacfwd(lambda s: jnp.sum(call(x + s, g)))(jnp.asarray(0.0))
    step = 1e-7
    differences = (jnp.sum(call(x + step, g)) - jnp.sum(call(x - step, g))) / (2 * step)
    assert float(slope) == pytest.approx(float(differences), rel=1e-4)


@pytest.mark.slow
def test_state_equation_and_map_agree():
    """The same loop with every pulse solved: as far apart as the map says."""
    cells = programming.device_cells(Filling(), WIDTH, rise=1e-5)
    table = filling()
    x = jnp.asarray(RNG.uniform(0.0, 0.2, (3, 2)))
    g = table.conductance(jnp.asarray(RNG.uniform(0.3, 0.6, (3, 2))))
    up, down = programming.Ramp(0.5, 0.05, 1.0), programming.Ramp(-0.5, -0.05, -1.0)
    options = dict(up=up, down=down, tolerance=0.06)
    exact = programming.write_verify(cells, Filling.State(x), g, **options)
    mapped = programming.write_verify(table, x, g, **options)
    assert exact.pulses.tolist() == mapped.pulses.tolist()
    assert np.abs(np.asarray(exact.x.x - mapped.x)).max() < int(mapped.pulses.max()) * table.error
    assert np.asarray(exact.energy) == pytest.approx(np.asarray(mapped.energy), rel=5e-3)
    assert cells.start((3, 2)).x.shape == (3, 2)


def test_wrong_calls():
    table, x, g = _array(2, 2)
    with pytest.raises(ProgrammingError, match="positive conductances"):
        programming.write_verify(table, x, -g, up=UP, down=DOWN)
    with pytest.raises(ProgrammingError, match="two terminals"):
        programming.device_cells(physics.Ecram(), 1e-3)
