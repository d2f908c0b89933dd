"""X5: a network of such neurons that tells delays apart, and what it pays for a decision.

    task = Task(price=0.003)                  per pJ, beside the error
    network = nominal(key=key)                the device as it is known, weights of the inputs at random
    task.objective(network, key)              error of the scores + price * energy of a decision
    task.error(network, key)                  part of wrong answers

Each decision: two pulses reach all neurons through their own resistors, some neurons spike, and a linear readout sees
for each neuron a low-pass trace of its spikes, with noise. The readout of each chip is fitted in closed form to the
first half of its decisions and judged by the second: squared error of the scores over their variance, differentiated
through the fit.

A trace jumps where a spike comes to be, so its derivative by the spike times, though exact, says nothing of spikes that
are about to appear. They come in by a surrogate on the way back: e^(-(T - t)/tau) s((V_free/V_th - 1.03)/w), s the
logistic function, V_free the highest voltage that the node would have reached behind an open switch. The value is the
one of the spikes, always.

What pulls apart: energy falls with higher resistances and smaller capacitors, films and channels. But delays must be
remembered for their time, R C, and small channels differ from each other: radius and length of each neuron of each
chip are off by some tenths of a nanometre, so their thresholds differ the more the smaller they are. kT/C noise is in.
The energy of the readout is not counted.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from learning.codesign import Design
from learning.experiments.x5_neuron import Neurons, Response
from learning.experiments.x5_task import DURATION, Pulses, delays
from learning.readout import ridge
from neurojax.errors import DataError
from physics import NbO2Mott
from physics.constants import K_B
from physics.quantity import Param, quantity

CHANNELS = 2
GEOMETRY = ("neurons.device.r_ch", "neurons.device.length", "neurons.device.kappa")
CIRCUIT = ("neurons.c", "neurons.r_load", "neurons.v_dc")
WEIGHTS = ("neurons.g", "tau")
PENALTY = 1e-3
"""Of the ridge."""
OVERDRIVE = 1.03
"""Peak over V_th from which pulses of some nanoseconds make a spike: 1.00 to 1.06 was seen, of the nominal switch."""
PICOJOULE = 1e-12


class Network(eqx.Module):
    """Neurons, and the traces of their spikes."""

    neurons: Neurons
    tau: Param = quantity(2e-8, "s", (2e-9, 2e-7), scale="log", doc="of the traces", source="chosen")

    def scaled(self, factor: float) -> "Network":
        """All lengths and C by `factor` smaller, all resistances larger: the same voltages for less energy, by hand.

        Lengths end at the bounds of the device.
        """
        n = self.neurons
        known = n.device.parameters()
        shorter = lambda name: jnp.maximum(getattr(n.device, name) / factor, known[name].bounds[0])  # noqa: E731
        device = n.device.replace(r_ch=shorter("r_ch"), length=shorter("length"))
        smaller = dataclasses.replace(n, device=device, c=n.c / factor, r_load=n.r_load * factor, g=n.g / factor)
        return dataclasses.replace(self, neurons=smaller)


def nominal(neurons: int = 6, v_rest: float = 1.4, v_dc: float = 3.4, *, key: Array) -> Network:
    """The device of the library (radius 30 nm, length 20 nm), 1 pF at each node, and inputs of about 40 uS at random.

    Args:
        neurons: how many. v_rest: of all of them at first (V), below the threshold of 1.67 V, by their loads. v_dc: V.
        key: of the draw.
    """
    full = lambda value: jnp.full(neurons, value, jnp.result_type(float))  # noqa: E731
    g = 4e-5 * jnp.exp(0.5 * jax.random.normal(key, (neurons, CHANNELS), jnp.result_type(float)))
    device = NbO2Mott()
    cells = Neurons(device.replace(r_ch=full(device.r_ch)), full(1e-12), full(1e4), jnp.asarray(v_dc, g.dtype), g)
    load = (v_dc - v_rest) / v_rest / (cells.open_conductance[0] + jnp.sum(g, axis=1))
    cells = dataclasses.replace(cells, r_load=load)
    return Network(cells)


@dataclasses.dataclass(frozen=True)
class Task:
    """What is asked, and what counts.

    Attributes:
        price: of a picojoule, in units of the error. classes, apart, jitter, spread: of the pulses, see `delays`.
        rough: standard deviation of radii and lengths (m). noise: of the traces. batch: decisions of an evaluation, all
            on one chip. steps, step: of the integrator (s). surrogate: w, 0: none. bound: see `bounded`, 0: none.
    """

    price: float = 0.0
    classes: int = 3
    apart: float = 6e-9
    jitter: float = 5e-10
    spread: float = 0.05
    rough: float = 2e-10
    noise: float = 0.02
    batch: int = 60
    steps: int = 300
    step: float = 5e-10
    surrogate: float = 0.02
    bound: float = 10.0

    def __post_init__(self) -> None:
        if min(self.price, self.jitter, self.spread, self.rough, self.noise) < 0:
            raise DataError(f"{self}: prices, spreads and noise must not be negative.")
        if self.batch < 4 * self.classes:
            raise DataError(f"{self}: a batch of {4 * self.classes} at least is needed to fit and judge a readout.")

    def pulses(self, key: Array) -> Pulses:
        """The inputs of `batch` decisions."""
        return delays(self.batch, self.classes, self.apart, self.jitter, spread=self.spread, key=key)

    def made(self, neurons: Neurons, key: Array) -> Neurons:
        """Neurons as they come out of fabrication: each radius and length off by `rough`."""
        off = self.rough * jax.random.normal(key, (2, *neurons.c.shape), neurons.c.dtype)
        device = neurons.device
        # Never less than half of what was asked for.
        r, length = (jnp.maximum(a + o, a / 2) for a, o in zip((device.r_ch, device.length), off, strict=True))
        return dataclasses.replace(neurons, device=device.replace(r_ch=r, length=length))

    def respond(self, network: Network, pulses: Pulses, key: Array | None) -> Response:
        """What the neurons do; without a key they are as designed, and still at first."""
        neurons, start = network.neurons, jnp.zeros((pulses.label.shape[0], *network.neurons.c.shape))
        if key is not None:
            rough, thermal = jax.random.split(key)
            neurons = self.made(neurons, rough)
            noise = jnp.sqrt(K_B * 300.0 / neurons.c)[None]
            start = noise * jax.random.normal(thermal, start.shape, start.dtype)
        how: dict[str, Any] = dict(tau=network.tau, steps=self.steps, step=self.step, bound=self.bound)
        found = neurons.respond(pulses.volts, start, DURATION, **how)
        if self.surrogate == 0:
            return found
        there = jnp.where(found.spikes > 0, found.first, found.peak_at)
        value = lax.stop_gradient(jnp.exp((there - DURATION) / network.tau))
        soft = jax.nn.sigmoid((found.peak / neurons.threshold - OVERDRIVE) / self.surrogate)
        return dataclasses.replace(found, events=found.events + value * (soft - lax.stop_gradient(soft)))

    def decide(self, network: Network, key: Array) -> tuple[Array, Array, Response]:
        """Scores (half, classes) and labels (half,) of the second half of the decisions of a chip; all responses."""
        inputs, chip, reading = jax.random.split(key, 3)
        pulses = self.pulses(inputs)
        found = self.respond(network, pulses, chip)
        x = found.events + self.noise * jax.random.normal(reading, found.events.shape, found.events.dtype)
        half, y = self.batch // 2, jax.nn.one_hot(pulses.label, self.classes, dtype=x.dtype)
        return ridge(x[:half], y[:half], PENALTY)(x[half:]), pulses.label[half:], found

    def pair(self, network: Network, key: Array) -> tuple[Array, Array]:
        """Error, with what is charged where the steps did not suffice, and energy of a decision (pJ).

        The error is that of the scores over the variance of what they should be, 1 for a readout that knows nothing.
        """
        scores, label, found = self.decide(network, key)
        y = jax.nn.one_hot(label, self.classes, dtype=scores.dtype)
        error = jnp.mean((scores - y) ** 2) / (1 / self.classes - 1 / self.classes**2)
        return error + 10 * jnp.mean(1 - found.reached), decision_energy(found) / PICOJOULE

    def objective(self, network: Network, key: Array) -> Float[Array, ""]:
        """Error and the price of the energy."""
        loss, energy = self.pair(network, key)
        return loss + self.price * energy

    def judged(self, network: Network, key: Array) -> tuple[Array, Array, Array]:
        """Part of wrong answers, energy of a decision (pJ), spikes of a decision."""
        scores, label, found = self.decide(network, key)
        wrong = jnp.mean((jnp.argmax(scores, axis=1) != label).astype(scores.dtype))
        return wrong, decision_energy(found) / PICOJOULE, jnp.mean(jnp.sum(found.spikes, axis=1))

    def design(self, network: Network, free: tuple[str, ...] = (*GEOMETRY, *CIRCUIT, *WEIGHTS)) -> Design:
        """What may move, starting at `network`; bounds are those of the device and of `Neurons`."""
        return Design(network, free=free)

    def sample(self, design: Design, around: Array, key: Array) -> Array:
        """A random circuit and geometry with the weights of the start: a random search over weights gets nowhere."""
        theta = design.draw(around, key=key)
        for name in WEIGHTS:
            theta = theta.at[design.part(name)].set(around[design.part(name)])
        return theta


def decision_energy(found: Response) -> Float[Array, ""]:
    """Mean energy out of all sources in a decision (J)."""
    return jnp.mean(jnp.sum(found.energy, axis=1))
