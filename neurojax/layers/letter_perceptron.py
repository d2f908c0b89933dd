"""A perceptron trained on its crossbar: three letters, 30 pictures, 60 devices and fixed pulses by the sign.

    epochs = nj.layers.letter_epochs(nj.layers.letter_device(), 100, key=key)           of 100 arrays

M. Prezioso et al., Nature 521, 61 (2015), 10.1038/nature14441: inputs of 0.1 V for pixels of z, v, n (3 x 3) and a
bias, pairs of devices for 10 x 3 weights, f = tanh(2e5/A I), targets of 0.85, one pulse to each device by the sign of
its gradient over all pictures, V/2 on what is not meant, row by row. On average 23 epochs to no error.

A pulse is the state equation of the device, by Runge-Kutta steps of fourth order; each device has parameters of its
own.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from neurojax.members import member_axes
from neurojax.spread import LogNormal, population
from physics.behavioural import Yakopcic
from physics.device import AbstractDevice, Environment
from physics.quantity import with_values

LETTERS = ("110010011", "101101010", "010101101")
PIXELS, CLASSES = 9, 3


def letters() -> tuple[Float[Array, "30 10"], Int[Array, " 30"]]:
    """The pictures, -1 or 1 for each pixel and 1 for the bias, and which letter each is: z, v, n and all with one
    pixel turned."""
    pictures, classes = [], []
    for k, text in enumerate(LETTERS):
        clean = np.array([2.0 * int(c) - 1 for c in text])
        flips = np.ones((PIXELS + 1, PIXELS)) - 2 * np.eye(PIXELS + 1, PIXELS)
        pictures.append(np.concatenate([clean * flips, np.ones((PIXELS + 1, 1))], axis=1))
        classes += [k] * (PIXELS + 1)
    return jnp.asarray(np.concatenate(pictures), jnp.result_type(float)), jnp.asarray(classes)


class LetterPerceptron(eqx.Module):
    """How the array is read and written.

    Attributes:
        up, down: pulses that raise and lower a conductance (V). width: of a pulse (s). v_read: of a pixel (V).
        beta: of the tanh (1/A). target: of the outputs. disturb: whether what is not meant sees half of a pulse.
        steps: of Runge-Kutta's method for a pulse. most: epochs.
    """

    up: Float[Array, ""]
    down: Float[Array, ""]
    width: Float[Array, ""]
    v_read: Float[Array, ""]
    beta: Float[Array, ""]
    target: Float[Array, ""]
    disturb: bool = eqx.field(static=True, default=True)
    steps: int = eqx.field(static=True, default=4)
    most: int = eqx.field(static=True, default=200)

    @classmethod
    def of(
        cls,
        *,
        up: float,
        down: float,
        width: float = 500e-6,
        v_read: float = 0.1,
        beta: float = 2e5,
        target: float = 0.85,
        disturb: bool = True,
        steps: int = 4,
        most: int = 200,
    ) -> "LetterPerceptron":
        """From numbers, those of the paper by default.

        Args:
            up, down: V. width: s. v_read: V. beta: 1/A. target: of tanh. disturb, steps, most: as of the class.
        """
        numbers = [jnp.asarray(a, jnp.result_type(float)) for a in (up, down, width, v_read, beta, target)]
        return cls(*numbers, disturb=disturb, steps=steps, most=most)

    def pulsed(self, device: AbstractDevice, x: Any, v: Array) -> Any:
        """State of one device after a pulse.

        Args:
            device: of two terminals. x: its state. v: V.
        """
        env: Environment = jax.tree.map(lambda a: a.astype(v.dtype), Environment())
        h = self.width / self.steps
        moved = lambda x, k, part: jax.tree.map(lambda a, b: a + part * h * b, x, k)  # noqa: E731

        def step(_: Any, x: Any) -> Any:
            k1 = device.rate(x, v, env)
            k2 = device.rate(moved(x, k1, 0.5), v, env)
            k3 = device.rate(moved(x, k2, 0.5), v, env)
            k4 = device.rate(moved(x, k3, 1.0), v, env)
            return jax.tree.map(lambda a, p, q, r, s: a + h / 6 * (p + 2 * q + 2 * r + s), x, k1, k2, k3, k4)

        return lax.fori_loop(0, self.steps, step, x)

    def conductances(self, device: AbstractDevice, x: Any) -> Float[Array, "20 3"]:
        """Readings (S) of the devices `device` in states `x`, (60,) each: ten rows of g+, ten of g-."""
        env: Environment = jax.tree.map(lambda a: a.astype(self.v_read.dtype), Environment())
        read = lambda d, x: d.current(x, self.v_read, env) / self.v_read  # noqa: E731
        g = jax.vmap(read, (member_axes(device), 0))(device, x)
        return g.reshape(2 * (PIXELS + 1), CLASSES)

    def outputs(self, g: Float[Array, "20 3"], pictures: Float[Array, "p 10"]) -> Float[Array, "p 3"]:
        """f of the currents of conductances `g` for `pictures`."""
        return jnp.tanh(self.beta * self.v_read * (pictures @ (g[: PIXELS + 1] - g[PIXELS + 1 :])))

    def signs(self, g: Float[Array, "20 3"], pictures: Float[Array, "p 10"], classes: Int[Array, " p"]) -> Array:
        """Which way each device shall go, (20, 3): the sign of the descent of the squared errors over all pictures.

        Args:
            g: S. pictures: as of `letters`. classes: of the pictures.
        """
        f = self.outputs(g, pictures)
        wanted = jnp.where(jax.nn.one_hot(classes, CLASSES, dtype=g.dtype) > 0, self.target, -self.target)
        errors = (wanted - f) * (1 - f**2)
        sign = jnp.sign(pictures.T @ errors)
        return jnp.concatenate([sign, -sign])

    def voltages(self, sign: Float[Array, "20 3"]) -> Float[Array, "pulses 20 3"]:
        """What each device sees in an epoch (V): for each row a pulse up and one down, others half of it.

        Args:
            sign: of each device.
        """
        if not self.disturb:
            return jnp.where(sign > 0, self.up, jnp.where(sign < 0, self.down, jnp.zeros_like(sign)))[None]
        rows = sign.shape[0]
        own = jnp.eye(rows, dtype=sign.dtype)[:, :, None]
        wave = []
        for way, v in ((1.0, self.up), (-1.0, self.down)):
            # The row and the columns that are meant get half each.
            column = (sign == way).astype(sign.dtype)[:, None, :]
            needed = jnp.any(sign == way, axis=1).astype(sign.dtype)[:, None, None]
            wave.append(0.5 * v * (own + column) * needed)
        return jnp.stack(wave, axis=1).reshape(-1, *sign.shape)

    def epoch(self, device: AbstractDevice, x: Any, pictures: Array, classes: Array) -> Any:
        """States after an update of all devices.

        Args:
            device: 60 of them. x: their states. pictures, classes: as of `letters`.
        """
        sign = self.signs(self.conductances(device, x), pictures, classes)
        axes = member_axes(device)

        def one(x: Any, v: Array) -> tuple[Any, None]:
            return jax.vmap(self.pulsed, (axes, 0, 0))(device, x, v.reshape(-1)), None

        return lax.scan(one, x, self.voltages(sign))[0]

    def errors(self, device: AbstractDevice, x: Any, pictures: Array, classes: Array) -> Int[Array, ""]:
        """How many pictures are taken for another letter.

        Args:
            device: 60 of them. x: their states. pictures, classes: as of `letters`.
        """
        f = self.outputs(self.conductances(device, x), pictures)
        return jnp.sum(jnp.argmax(f, axis=1) != classes.astype(jnp.int64 if f.dtype == jnp.float64 else jnp.int32))

    @eqx.filter_jit
    def epochs(self, device: AbstractDevice, x: Any) -> tuple[Int[Array, ""], Any]:
        """Epochs until no picture is wrong, `most` if that does not come, and the states then.

        Args:
            device: 60 of them, (60,). x: their states at the start, (60,).
        """
        pictures, classes = letters()

        def unfinished(carry: Any) -> Array:
            k, x = carry
            return (k < self.most) & (self.errors(device, x, pictures, classes) > 0)

        def once(carry: Any) -> Any:
            k, x = carry
            return k + 1, self.epoch(device, x, pictures, classes)

        return lax.while_loop(unfinished, once, (jnp.zeros((), jnp.int32), x))


G_MAX = 1e-4
"""Of a device (S)."""
START = (0.1, 0.5)
"""Parts of it between which arrays start."""


def letter_device(step: float = 0.35e-6, *, v: float = 1.3, width: float = 500e-6) -> Yakopcic:
    """A device of 100 uS and thresholds of 0.9 V, as fast as one pulse of 1.3 V says.

    Motion slows from the middle to both ends. The thresholds lie between half a pulse and a whole one, as those of
    the paper; its devices are known only by what they learned, so the speed is set by the size of one step.

    Args:
        step: mean change of the conductance by one pulse, of both signs, over the states of the start (S).
        v, width: of the pulse (V, s).
    """
    made: Any = with_values(
        Yakopcic(),
        dict(
            a_1=G_MAX, a_2=G_MAX, b=1.0, a_p=1.0, a_n=1.0, v_p=0.9, v_n=0.9, alpha_p=1.0, alpha_n=1.0, x_p=0.5, x_n=0.5
        ),
    )
    perceptron = LetterPerceptron.of(up=v, down=-v, width=width)
    x = jnp.linspace(*START, 41)
    moved = lambda v: jax.vmap(lambda x: perceptron.pulsed(made, Yakopcic.State(x), v).x - x)(x)  # noqa: E731
    # Steps are in proportion to the speed while they are small.
    unit = jnp.mean(jnp.abs(moved(perceptron.up)) + jnp.abs(moved(perceptron.down))) / 2 * G_MAX
    return with_values(made, dict(a_p=float(step / unit), a_n=float(step / unit)))


def letter_epochs(
    device: Yakopcic,
    arrays: int,
    *,
    spread: float = 0.1,
    perceptron: LetterPerceptron | None = None,
    key: Array,
) -> Int[Array, " arrays"]:
    """Epochs to no error of some arrays of 60 devices each; `perceptron.most` of those that do not get there.

    Args:
        device: mean device. arrays: how many. spread: of both thresholds, log-normal. perceptron: how it is read and
            written (default: 1.3 V, 500 us). key: of devices and first states.
    """
    perceptron = LetterPerceptron.of(up=1.3, down=-1.3) if perceptron is None else perceptron
    count = 2 * (PIXELS + 1) * CLASSES
    draw, begin = jax.random.split(key)
    thresholds = {name: LogNormal(jnp.asarray(spread, jnp.result_type(float))) for name in ("v_p", "v_n")}
    own = population(device, arrays * count, thresholds, key=draw) if spread else device
    own = jax.tree.map(lambda a: a.reshape(arrays, count) if jnp.ndim(a) else a, own)
    x = jax.random.uniform(begin, (arrays, count), minval=START[0], maxval=START[1])
    axes = jax.tree.map(lambda a: 0 if jnp.ndim(a) else None, own)
    return jax.vmap(lambda d, x: perceptron.epochs(d, Yakopcic.State(x))[0], (axes, 0))(own, x)
