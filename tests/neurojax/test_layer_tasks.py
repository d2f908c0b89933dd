"""Digits and sequences on crossbars: as in software, worse with what real arrays do, and better trained through it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import rarely
from flax import nnx

import neurojax as nj
from neurojax import layers
from neurojax.layers.handwriting import Perceptron, Split, accuracy, trained

pytest.importorskip("sklearn")
KEY = jax.random.key(0)


@pytest.fixture(autouse=True)
def promotion_as_optax_needs_it():
    """Its moments raise Python numbers to powers of counters."""
    with jax.numpy_dtype_promotion("standard"):
        yield


def means(rows):
    return {row.level: float(np.mean(row.accuracies)) for row in rows}


def test_a_quarter_of_the_digits_is_kept_for_the_test():
    data = layers.digits()
    assert data.x.shape == (1347, 8, 8, 1) and data.x_test.shape == (450, 8, 8, 1)
    assert float(data.x.max()) == 1.0 and set(np.unique(data.y_test)) == set(range(10))


@pytest.mark.slow
def test_a_bad_chip_loses_and_learns_again():
    """One seed, spread of 15 % of the window, no wires."""
    data = layers.digits()
    software = trained(Perceptron(16, rngs=nnx.Rngs(0)), data, epochs=15, rate=2e-2)
    test = lambda m: accuracy(m, data.x_test, data.y_test)  # noqa: E731
    best = test(software)
    hardware = layers.Hardware(fidelity="noisy", read_noise=jnp.asarray(0.02))
    analog = layers.to_crossbar(software, hardware.at("ideal"))
    assert best > 0.93 and abs(test(analog) - best) < 0.005
    layers.run_on(analog, hardware)
    chip = layers.written(analog, layers.additive_noise(0.15), key=KEY)
    lost = test(chip)
    back = test(trained(chip, data, epochs=4, rate=4e-3))
    assert lost < best - 0.04 and back > lost + 0.03


def test_a_table_is_told_in_per_cent():
    rows = [layers.LevelAccuracies("ideal", (0.9, 1.0))]
    assert layers.table_text(rows) == "ideal                    95.00 +- 5.00"


@rarely
@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_digits_over_levels_of_fidelity(kind):
    """Five seeds; lines of 40 ohm a segment, a spread of 5 % of the window."""
    hardware = layers.Hardware(
        wires=nj.Wires.uniform(40.0), tile=(144, 64), fidelity="wires", read_noise=jnp.asarray(0.02)
    )
    rows = layers.digits_table(kind, hardware=hardware, spread=layers.additive_noise(0.05), tuning=8)
    found = means(rows)
    print(layers.table_text(rows))
    assert found["software"] > 0.95 and abs(found["ideal"] - found["software"]) < 1e-3
    assert found["wires"] < found["software"] - 0.01
    assert found["wires, spread"] < found["software"] - 0.02
    assert found["trained through them"] > found["wires, spread"] + 0.02


class Recall(nnx.Module):
    """A recurrent cell and a readout of its last state."""

    def __init__(self, rngs):
        self.rnn = nnx.RNN(nnx.OptimizedLSTMCell(5, 12, rngs=rngs))
        self.out = nnx.Linear(12, 4, rngs=rngs)

    def __call__(self, x):
        return 4.0 * self.out(self.rnn(x)[:, -1])


def sequences(count, key):
    """Which of four symbols came first, of eight noisy ones; the first has a mark."""
    one, two = jax.random.split(key)
    symbols = jax.random.randint(one, (count, 8), 0, 4)
    x = jax.nn.one_hot(symbols, 4, dtype=jnp.float32) + 0.1 * jax.random.normal(two, (count, 8, 4), jnp.float32)
    mark = jnp.zeros((count, 8, 1), jnp.float32).at[:, 0].set(1.0)
    return jnp.concatenate([x, mark], axis=-1), symbols[:, 0].astype(jnp.int32)


def recall_data():
    one, two = jax.random.split(KEY)
    return Split(*sequences(640, one), *sequences(400, two))


@pytest.mark.slow
def test_a_memory_of_crossbars_remembers_and_learns_again():
    """H2: LSTM gates in one array; spread of the cells takes accuracy, training on the chip gives it back."""
    data = recall_data()
    software = trained(Recall(nnx.Rngs(0)), data, epochs=30, rate=2e-2)
    test = lambda m: accuracy(m, data.x_test, data.y_test)  # noqa: E731
    best = test(software)
    hardware = layers.Hardware(fidelity="noisy", read_noise=jnp.asarray(0.01))
    analog = layers.to_crossbar(software, hardware.at("ideal"), input_range=2.0)
    assert len(layers.crossbars(analog)) == 2
    assert best > 0.97 and abs(test(analog) - best) < 0.01
    layers.run_on(analog, hardware)
    chip = layers.written(analog, layers.additive_noise(0.15), key=KEY)
    lost = test(chip)
    back = test(trained(chip, data, epochs=8, rate=5e-3))
    print(best, lost, back)
    assert lost < best - 0.05 and back > lost + 0.04


@rarely
def test_a_memory_through_wires():
    data = recall_data()
    software = trained(Recall(nnx.Rngs(0)), data, epochs=30, rate=2e-2)
    test = lambda m: accuracy(m, data.x_test, data.y_test)  # noqa: E731
    best = test(software)
    hardware = layers.Hardware(wires=nj.Wires.uniform(100.0), fidelity="wires")
    analog = layers.to_crossbar(software, hardware, input_range=2.0)
    lost = test(analog)
    back = test(trained(analog, data, epochs=4, rate=5e-3))
    print(best, lost, back)
    assert lost < best - 0.02 and back > lost + 0.01


def layer(**options):
    hardware = layers.Hardware(tile=(4, 3), **options)
    return layers.CrossbarLinear(6, 4, hardware=hardware, param_dtype=jnp.float64, rngs=nnx.Rngs(0))


class Told:
    energy, latency = 2e-12, 3e-9

    def __call__(self, x):
        return x


def test_what_a_reading_costs():
    one, x = layer(fidelity="noisy", adc=Told()), jnp.full((2, 6), 0.5)
    cost = layers.cost(one, x)
    v, g = np.asarray(one.voltages(x)), np.asarray(one.conductances())
    np.testing.assert_allclose(cost.arrays, np.einsum("bn,knm->b", v**2, g) * 1e-8, rtol=1e-12)
    np.testing.assert_allclose(cost.converters, 2e-12 * 2 * 2 * 2 * 2, rtol=1e-12)
    np.testing.assert_allclose(cost.latency, 1e-8 + 2 * 3e-9, rtol=1e-9)
    np.testing.assert_allclose(cost.energy, cost.arrays + cost.lines + cost.converters, rtol=1e-12)
    assert float(cost.area) > 2 * 2 * 2 * 8 * 1e-14


@pytest.mark.slow
def test_the_energy_of_cells_has_the_gradient_of_differences():
    one, x = layer(fidelity="wires", wires=nj.Wires.uniform(5.0)), jnp.full((2, 6), 0.5)
    total = lambda layer: jnp.sum(layers.cost(layer, x).energy) * 1e12  # noqa: E731
    cells = 0.2 + 0.6 * jax.random.uniform(KEY, one.cells[...].shape)
    one.cells[...] = cells
    grad = nnx.grad(total)(one)["cells"][...]
    place, h = (1, 2, 3), 1e-5
    values = []
    for sign in (1.0, -1.0):
        one.cells[...] = cells.at[place].add(sign * h)
        values.append(total(one))
    np.testing.assert_allclose(grad[place], (values[0] - values[1]) / (2 * h), rtol=1e-6)
