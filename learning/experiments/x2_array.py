"""X2: a classifier on a crossbar whose weights and circuit are designed together, by gradient through the nodal solve.

    task = Task(ohm=30.0)                     digits of 4 x 4 pixels, 17 rows, ten pairs of columns
    task.objective(chip, key)                 cross-entropy + prices of power and of area
    task.error(chip, key)                     part of the test digits that a chip with its noise gets wrong

What pulls apart: high conductances drown the noise of amplifiers and converters, and lose voltage along the wires;
wide wires lose less and take area; strong drivers too; tiles shorten the columns, each with converters of its own. A
window of conductances has an optimum in between, which rescaling finds as well: the gradient moves weights and circuit
at once. With `selector`, cells have a selector in them, i ~ sinh(v/v_0): a bent one spares the half-selected cells when
one is written, and bends the inputs when all are read.

Figures of area and prices are chosen, the resistance of a segment is the question: 2 to 30 ohm for lines of 20 to 100
nm. Gradients through wires are those of Kirchhoff's equations (`nj.Crossbar`).
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.scipy.optimize import minimize
from jaxtyping import Array, Float, Int

import neurojax as nj
import physics
from learning.codesign import Design
from learning.tasks import handwritten_digits
from neurojax.errors import DataError
from physics.quantity import Param, quantity

CLASSES = 10
NOMINAL = 5e-4
"""g_max of a chip that nobody has thought about (S), at the upper end of filaments."""
DRIVER_AREA, CONVERTER_AREA = 2e4, 5.0
"""Area of a driver of one ohm, which goes with one over its resistance, and of the converter of a column; in cells of
the least pitch. Chosen."""


V_WRITE = 1.0
"""Voltage at which a cell is written, half of it at those of the same row or column (V). Chosen."""
SEEN = 256
"""Digits that a step of a design with selectors sees: each is a solution of its own."""


class Chip(eqx.Module):
    """The design: weights between -1 and 1, and the circuit.

    Attributes:
        weights: (inputs, classes). slope: of a class for the largest current of one cell. g_max: S. v_read: V.
        driver: ohm. pitch: over the least one. v_0: of a cell with a selector (V).
    """

    weights: Float[Array, "inputs classes"]
    slope: Param = quantity(10.0, "1", (0.5, 300.0), scale="log", doc="of the scores, digital", source="chosen")
    g_max: Param = quantity(NOMINAL, "S", (2e-6, 1e-3), scale="log", doc="conductance of weight 1", source="chosen")
    v_read: Param = quantity(0.2, "V", (0.02, 0.3), scale="log", doc="voltage of an input of 1", source="chosen")
    driver: Param = quantity(200.0, "ohm", (20.0, 5e3), scale="log", doc="resistance of a driver", source="chosen")
    pitch: Param = quantity(1.0, "1", (1.0, 4.0), scale="log", doc="of the lines over the least one", source="chosen")
    v_0: Param = quantity(1.0, "V", (0.03, 3.0), scale="log", doc="i ~ sinh(v/v_0) of a cell", source="chosen")


CIRCUIT = ("slope", "g_max", "v_read", "driver", "pitch")


@dataclasses.dataclass(frozen=True)
class Data:
    """Rows of inputs with a last one of 1, and classes; for training and for the test."""

    x: Float[Array, "n inputs"]
    y: Int[Array, " n"]
    x_test: Float[Array, "m inputs"]
    y_test: Int[Array, " m"]


def digits() -> Data:
    """Of scikit-learn, means of 2 x 2 pixels, 75 % for training.

    Raises:
        DataError: scikit-learn is missing.
    """
    found = handwritten_digits(0, pooled=True)
    ones = lambda x: jnp.concatenate([x, jnp.ones_like(x[:, :1])], axis=1)  # noqa: E731
    return Data(ones(found.x), found.y, ones(found.x_test), found.y_test)


class Answer(eqx.Module):
    """Scores (n, classes), mean power of an input (W), and area in cells of the least pitch."""

    scores: Float[Array, "n classes"]
    power: Float[Array, ""]
    area: Float[Array, ""]


@dataclasses.dataclass(frozen=True)
class Task:
    """How a chip is read, and what counts.

    Attributes:
        ohm: of a segment at the least pitch. read_noise: of the current of a column (A). bits: of the converters.
        spread: of conductances, in parts. contrast: largest over smallest conductance. tiles: rows are cut into.
        price_power: of 1 uW, price_area: of the area of the cells at the least pitch, price_write: of the power of
            half-selected cells over that of the one that is written; in units of the cross-entropy.
        selector: whether cells have one.
    """

    ohm: float = 30.0
    read_noise: float = 3e-7
    bits: int = 8
    spread: float = 0.03
    contrast: float = 50.0
    tiles: int = 1
    price_power: float = 1e-3
    price_area: float = 0.01
    price_write: float = 0.02
    selector: bool = False

    def __post_init__(self) -> None:
        prices = self.price_power, self.price_area, self.price_write
        if min(self.ohm, self.read_noise, self.spread, *prices) < 0 or self.contrast <= 1:
            raise DataError(f"{self}: resistances, noise and prices must not be negative, contrast must exceed 1.")
        if self.bits < 1 or self.tiles < 1:
            raise DataError(f"{self}: converters need a bit, an array a tile.")

    def answer(self, chip: Chip, x: Float[Array, "n inputs"], key: Array | None) -> Answer:
        """What the chip says to inputs `x` of 0 to 1; without a key nothing is drawn."""
        g = self.conductances(chip, None if key is None else jax.random.fold_in(key, 0))
        i, power = self.currents(chip, g, _in_tiles(chip.v_read * x, self.tiles))
        if key is not None:
            i = i + self._deviation(i) * jax.random.normal(jax.random.fold_in(key, 1), i.shape, i.dtype)
        i = jnp.sum(i, axis=0)
        scores = chip.slope * (i[:, ::2] - i[:, 1::2]) / (chip.g_max * chip.v_read)
        return Answer(scores, jnp.mean(power), self.area(chip))

    def currents(self, chip: Chip, g: Array, v: Float[Array, "tiles n rows"]) -> tuple[Array, Array]:
        """Currents of the columns (A), (tiles, n, columns), and power of each input (W), (n,), for voltages `v`.

        Args:
            chip: with its circuit. g: conductances (S), with selectors at v_read. v: of the rows (V).
        """
        if not self.selector:
            gain, loads = self.tables(chip, g)
            return jnp.einsum("tnr,trm->tnm", v, gain), jnp.einsum("tnr,trs,tns->n", v, loads, v)

        def one(given: tuple[Array, Array]) -> tuple[Array, Array]:
            cells = physics.Selector(i_0=given[0] * chip.v_read / jnp.sinh(chip.v_read / chip.v_0), v_0=chip.v_0)
            array = nj.Crossbar(cells, self.wires(chip), shape=(g.shape[1], g.shape[2]))
            reading = array.read(given[1], throw=False)
            return reading.i, jnp.sum(given[1] * reading.i_rows, axis=-1)

        i, power = jax.lax.map(one, (g, v))
        return i, jnp.sum(power, axis=0)

    def wires(self, chip: Chip) -> nj.Wires:
        """Lines and drivers of a `chip`."""
        return nj.Wires.uniform(self.ohm / chip.pitch, source=chip.driver)

    def sneak(self, chip: Chip) -> Float[Array, ""]:
        """Power of the half-selected cells over that of the one that is written, all cells of a `chip` alike.

        Of n + m - 2 cells at V/2: (n + m - 2)/2 sinh(V/2 v_0)/sinh(V/v_0).
        """
        rows, columns = -(-chip.weights.shape[0] // self.tiles), 2 * CLASSES
        return (rows + columns - 2) / 4 / jnp.cosh(V_WRITE / (2 * chip.v_0))

    def conductances(self, chip: Chip, key: Array | None) -> Float[Array, "tiles rows columns"]:
        """Of the cells (S), the pair of a class side by side, as they are made."""
        low = chip.g_max / self.contrast
        pair = jnp.stack([jnp.maximum(chip.weights, 0.0), jnp.maximum(-chip.weights, 0.0)], axis=-1)
        g = low + (chip.g_max - low) * pair.reshape(chip.weights.shape[0], -1)
        if key is not None:
            g = g * jnp.exp(self.spread * jax.random.normal(key, g.shape, g.dtype))
        return jnp.swapaxes(_in_tiles(g.T, self.tiles), 1, 2)

    def tables(self, chip: Chip, g: Float[Array, "tiles rows columns"]) -> tuple[Array, Array]:
        """Currents of columns and of rows for one volt on each row (S), (tiles, rows, columns) and (tiles, rows, rows).

        A linear array is known when each of its rows has been driven once.
        """
        wires = self.wires(chip)
        each = jnp.eye(g.shape[1], dtype=g.dtype)

        def one(g: Array) -> tuple[Array, Array]:
            reading = nj.Crossbar(g, wires).read(each, throw=False, shorts=0)
            return reading.i, reading.i_rows

        return jax.vmap(one)(g)

    def area(self, chip: Chip) -> Float[Array, ""]:
        """Of cells, drivers and converters, in cells of the least pitch."""
        rows, columns = chip.weights.shape[0], 2 * CLASSES
        return rows * columns * chip.pitch**2 + rows * DRIVER_AREA / chip.driver + self.tiles * columns * CONVERTER_AREA

    def objective(self, chip: Chip, key: Array) -> Float[Array, ""]:
        """Cross-entropy of the training digits, and the prices."""
        data, seen, price = _data(), slice(None), 0.0
        if self.selector:
            seen = jax.random.choice(jax.random.fold_in(key, 2), len(data.y), (SEEN,), replace=False)
            price = self.price_write * self.sneak(chip)
        found = self.answer(chip, data.x[seen], key)
        loss = jnp.mean(optax.softmax_cross_entropy_with_integer_labels(found.scores, data.y[seen]))
        cells = chip.weights.shape[0] * 2 * CLASSES
        return loss + self.price_power * found.power * 1e6 + self.price_area * found.area / cells + price

    def error(self, chip: Chip, key: Array | None) -> Float[Array, ""]:
        """Part of the test digits with a wrong answer."""
        data = _data()
        scores = self.answer(chip, data.x_test, key).scores
        return jnp.mean((jnp.argmax(scores, axis=1) != data.y_test).astype(scores.dtype))

    def design(self, chip: Chip) -> Design:
        """Weights and circuit, starting at `chip`."""
        return Design(chip, free=("weights", *self.circuit), bounds={"weights": (-1.0, 1.0)})

    @property
    def circuit(self) -> tuple[str, ...]:
        """Names of what may move beside the weights."""
        return (*CIRCUIT, "v_0") if self.selector else CIRCUIT

    def sample(self, design: Design, around: Array, key: Array) -> Array:
        """A random circuit with the weights of the start: a random search over weights gets nowhere."""
        weights = design.part("weights")
        return design.draw(around, key=key).at[weights].set(around[weights])

    def _deviation(self, i: Float[Array, "tiles n columns"]) -> Array:
        """Of a converted current: amplifier, and the steps of a converter whose range fits the largest current (A)."""
        step = jnp.max(jnp.abs(i), axis=(1, 2), keepdims=True) / 2**self.bits
        return jnp.sqrt(self.read_noise**2 + step**2 / 12)


def software(steps: int = 300, decay: float = 1e-5) -> Chip:
    """A chip with the weights that a computer finds, nominal circuit: what is put on a chip without thinking of it.

    Args:
        steps: of BFGS at most. decay: price of the sum of squared weights.
    """
    data = _data()

    def loss(w: Array) -> Array:
        score = optax.softmax_cross_entropy_with_integer_labels(data.x @ w, data.y)
        return jnp.mean(score) + decay * jnp.sum(w**2)

    shape = data.x.shape[1], CLASSES
    start = jnp.zeros(shape[0] * shape[1], data.x.dtype)
    w = minimize(lambda w: loss(w.reshape(shape)), start, method="BFGS", options={"maxiter": steps}).x.reshape(shape)
    largest = jnp.max(jnp.abs(w))
    return Chip(w / largest, slope=jnp.minimum(largest, 300.0))


def windows(chip: Chip, count: int = 16) -> list[Chip]:
    """The same weights in other windows, at other voltages and slopes of the scores: what is tuned by hand.

    Args:
        chip: with the weights. count: windows from 2 to 500 uS.
    """
    found = []
    for g in jnp.geomspace(2e-6, 5e-4, count):
        for v in (0.1, 0.2, 0.3):
            there = dataclasses.replace(chip, g_max=g, v_read=jnp.asarray(v, g.dtype))
            found += [dataclasses.replace(there, slope=chip.slope * f) for f in (0.5, 1.0, 2.0, 4.0)]
    return found


def ideal_error(chip: Chip) -> float:
    """Of the weights on a computer."""
    data = _data()
    return float(jnp.mean(jnp.argmax(data.x_test @ chip.weights, axis=1) != data.y_test))


def _in_tiles(x: Float[Array, "n inputs"], tiles: int) -> Float[Array, "tiles n rows"]:
    """The rows of an array in parts as even as can be; what does not fill the last is empty."""
    n, inputs = x.shape
    rows = -(-inputs // tiles)
    x = jnp.pad(x, ((0, 0), (0, tiles * rows - inputs)))
    return jnp.swapaxes(x.reshape(n, tiles, rows), 0, 1)


_kept: dict[str, Data] = {}


def _data() -> Data:
    """The digits, read once."""
    if "digits" not in _kept:
        with jax.ensure_compile_time_eval():
            _kept["digits"] = digits()
    return _kept["digits"]
