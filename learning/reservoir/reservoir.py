"""What all reservoirs do: run, fit, predict, forecast on their own answers.

    taught = reservoir.fit(u, y, washout=100)          a new reservoir, with a ridge readout
    y = taught.predict(u)
    x = taught.forecast(u, 200)                        its answers become its inputs

A reservoir remembers nothing between calls: every run begins with devices at rest, or from the `state` that `advance`
returned. Inputs are (time,) or (time, inputs); for many sequences use jax.vmap.
"""

import abc
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Float

import neurojax as nj
from learning.readout import Linear, ridge

R = TypeVar("R", bound="AbstractReservoir")
Number = float | Float[Array, ""]
Inputs = Float[Array, " time"] | Float[Array, "time inputs"]
Outputs = Float[Array, " samples"] | Float[Array, "samples outputs"]
Truth = Float[Array, " steps"] | Float[Array, "steps inputs"]


class Noise(eqx.Module):
    """Scatter of a reading, r -> r (1 + relative n) + floor n', of independent standard normal n, n'.

    Attributes:
        relative: in parts of the reading. floor: in its unit (S or A).
    """

    relative: Float[Array, ""] = eqx.field(default=0.0, converter=lambda a: jnp.asarray(a, jnp.result_type(float)))
    floor: Float[Array, ""] = eqx.field(default=0.0, converter=lambda a: jnp.asarray(a, jnp.result_type(float)))

    def __call__(self, readings: Float[Array, "..."], key: Array) -> Float[Array, "..."]:
        """Noisy `readings`, drawn by `key`."""
        one, two = (jax.random.normal(k, readings.shape, readings.dtype) for k in jax.random.split(key))
        return readings * (1 + self.relative * one) + self.floor * two


class AbstractReservoir(eqx.Module):
    """A driven system with a memory that fades, and a linear readout of it."""

    readout: eqx.AbstractVar[Linear | None]
    noise: eqx.AbstractVar[Noise]

    @abc.abstractmethod
    def initial(self) -> Any:
        """The state at rest."""

    @abc.abstractmethod
    def step(self, state: Any, u: Float[Array, " inputs"]) -> tuple[Any, Float[Array, " features"]]:
        """The state after one sample `u` of the input on a `state`, and what is read, without noise."""

    def advance(self, u: Inputs, state: Any = None, *, key: Array | None = None) -> tuple[Array, Any]:
        """Readings (time, features) under an input, and the state behind it.

        Args:
            u: the input. state: from which to begin (at rest). key: of the noise of the readings; None for none.

        Raises:
            SimulationError: a reading is not finite: the voltages leave the range of a table, or a solver gave up.
        """
        features, state = _run(self, _two(u), self.initial() if state is None else state)
        features = features if key is None else self.noise(features, key)
        if not isinstance(features, Tracer) and not bool(np.isfinite(np.asarray(features)).all()):
            bad = int(np.argmax(~np.isfinite(np.asarray(features)).all(axis=1)))
            raise nj.SimulationError(
                f"the readings of step {bad} are not finite: check that gain, offset and feedback keep the voltages "
                "within the range of the frames, and give the reservoir `limits` (V) where its own answers drive it."
            )
        return features, state

    def run(self, u: Inputs, *, state: Any = None, key: Array | None = None) -> Float[Array, "time features"]:
        """Readings under an input `u`, as of `advance` (`state`, `key`)."""
        return self.advance(u, state, key=key)[0]

    def fit(self: R, u: Inputs, y: Outputs, *, washout: int = 0, penalty: Number = 1e-8, key: Array | None = None) -> R:
        """The reservoir with a ridge readout that gives `y` from `u`.

        Args:
            u: the input. y: targets, of the same time. washout: first samples that are not learned from.
            penalty: of `learning.readout.ridge`, in parts of the mean square of a reading. key: of the noise.

        Raises:
            DataError: lengths that differ, or a washout that leaves nothing.
        """
        if u.shape[0] != y.shape[0] or not 0 <= washout < u.shape[0] - 1:
            raise nj.DataError(f"fit: {u.shape[0]} samples of u, {y.shape[0]} of y, washout {washout}.")
        features = self.run(u, key=key)
        taught = ridge(features[washout:], _two(y)[washout:], penalty)
        return eqx.tree_at(lambda r: r.readout, self, taught, is_leaf=lambda a: a is None)

    def predict(self, u: Inputs, *, state: Any = None, key: Array | None = None) -> Float[Array, "time outputs"]:
        """Answers to an input `u`, as of `advance` (`state`, `key`).

        Raises:
            DataError: the reservoir was not fitted.
        """
        if self.readout is None:
            raise nj.DataError("predict: this reservoir has no readout yet; taught = reservoir.fit(u, y).")
        return self.readout(self.run(u, state=state, key=key))

    def forecast(
        self,
        u: Inputs,
        n: int,
        *,
        truth: Truth | None = None,
        every: int = 0,
        taught: int = 1,
        key: Array | None = None,
    ) -> Float[Array, "n outputs"]:
        """`n` samples that follow `u`, each prediction being the next input; the readout must predict one step.

        Args:
            u: what came before, the last input of which leads to the first prediction. n: samples.
            truth: what really follows, (n,) or (n, inputs). every, taught: period after which, and number of steps for
                which, it is given instead of predictions, so that errors do not grow for ever. key: of the noise.

        Raises:
            DataError: no readout, outputs that are no inputs, or a refresh without the truth.
        """
        if self.readout is None:
            raise nj.DataError("forecast: this reservoir has no readout yet; taught = reservoir.fit(u[:-1], u[1:]).")
        if self.readout.bias.shape[0] != _two(u).shape[1]:
            raise nj.DataError(f"forecast: {self.readout.bias.shape[0]} outputs for {_two(u).shape[1]} inputs.")
        if every and (truth is None or truth.shape[0] < n):
            raise nj.DataError(f"forecast: to be refreshed every {every} steps it needs the truth of all {n} samples.")
        keys = (None, None) if key is None else jax.random.split(key)
        features, state = self.advance(u, key=keys[0])
        known = jnp.zeros((n, _two(u).shape[1]), u.dtype) if truth is None else _two(truth)[:n]
        return _alone(self, state, self.readout(features[-1]), known, every, taught, keys[1])


def _two(u: Array) -> Array:
    return u[:, None] if u.ndim == 1 else u


@eqx.filter_jit
def _run(reservoir: AbstractReservoir, u: Array, state: Any) -> tuple[Array, Any]:
    state, features = lax.scan(lambda x, u: reservoir.step(x, u), state, u)
    return features, state


@eqx.filter_jit
def _alone(reservoir: Any, state: Any, first: Array, truth: Array, every: int, taught: int, key: Array | None) -> Array:
    """The first prediction, and those that follow from it."""

    def step(carry, now):
        state, y = carry
        k, known = now
        given = (k % every < taught) if every else jnp.zeros((), bool)
        state, features = reservoir.step(state, jnp.where(given, known, y))
        if key is not None:
            features = reservoir.noise(features, jax.random.fold_in(key, k))
        following = reservoir.readout(features)
        return (state, following), following

    steps = jnp.arange(truth.shape[0] - 1, dtype=jnp.uint32)
    rest = lax.scan(step, (state, first), (steps, truth[:-1]))[1]
    return jnp.concatenate([first[None], rest])
