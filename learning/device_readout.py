"""A readout whose weights are devices: the delta rule, written by pulses.

    rule = nj.layers.MultiMemristive.of(device, 1)           `device` of `physics.pulsed_presets`
    readout, errors = delta_rule(x, y, rule, 0.05, epochs=5, key=key)

What holds the weights is any rule of `neurojax.layers` (`DifferentialPair`, `MultiMemristive`), or `MapPair`: two
cells of any device of `physics`, by the map of one pulse of its state equation.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from neurojax.errors import DataError
from neurojax.programming import PulseMap, map_update

Real = Float[Array, "..."]


@runtime_checkable
class WeightRule(Protocol):
    """What the delta rule needs of the devices that hold weights."""

    def start(self, shape: tuple[int, ...], *, spread: bool = True, key: Array) -> Any:
        """State of new devices for weights of a `shape`, each its own where `spread`, drawn from `key`."""
        raise NotImplementedError

    def weight(self, state: Any) -> Real:
        """Weights of a `state`."""
        raise NotImplementedError

    def update(self, state: Any, change: Real, *, key: Array) -> Any:
        """The `state` after pulses for a wanted `change` of the weights; chance is drawn from `key`."""
        raise NotImplementedError


class MapState(NamedTuple):
    """States of the cells, (2, ...), and the energy that writing has taken so far (J)."""

    x: Real
    energy: Float[Array, ""]


class MapPair(eqx.Module):
    """W = (G+ - G-)/(G_max - G_min) of two cells of a physical device, each written up and down by fixed pulses.

    A change for the better is shared: half of it is asked of each cell, in pulses that are rounded by chance over the
    step in the middle of the range. The device's own nonlinearity, asymmetry and limits do the rest.

    Attributes:
        up, down: maps of one pulse each, `table.at(v)`. most: pulses of an update.
    """

    up: PulseMap
    down: PulseMap
    most: int = eqx.field(static=True)

    @classmethod
    def of(cls, table: PulseMap, v_up: float, v_down: float, *, most: int = 10) -> "MapPair":
        """From a map over a range of amplitudes.

        Args:
            table: of `neurojax.programming.pulse_map`. v_up, v_down: amplitudes (V) that raise and lower the
                conductance. most: pulses of an update.

        Raises:
            DataError: from the middle of the range the pulses do not move the conductance up and down.
        """
        pair = cls(table.at(v_up), table.at(v_down), most)
        rise, fall = (float(s) for s in pair._steps())
        if not (rise > 0 and fall > 0):
            raise DataError(
                f"pulses of {v_up} and {v_down} V change the weight by {rise:.3g} and {-fall:.3g}; exchange them, or "
                "take higher ones."
            )
        return pair

    def start(self, shape: tuple[int, ...], *, spread: bool = True, key: Array) -> MapState:
        """All cells in the middle of their conductance, apart by a tenth of the range by chance where `spread`.

        Args:
            shape: of the weights. spread: whether cells start apart; a map has the same device for all. key: of that.
        """
        low, high = self._limits()
        off = 0.1 * (jax.random.uniform(key, (2, *shape), low.dtype) - 0.5) if spread else jnp.zeros((2, *shape))
        g = low + (high - low) * (0.5 + off.astype(low.dtype))
        return MapState(self.up.state_of(g), jnp.zeros((), low.dtype))

    def weight(self, state: MapState) -> Real:
        """W of a state.

        Args:
            state: of the cells.
        """
        low, high = self._limits()
        g = self.up.conductance(state.x)
        return (g[0] - g[1]) / (high - low)

    def update(self, state: MapState, change: Real, *, key: Array) -> MapState:
        """After one change by pulses.

        Args:
            state: of the cells. change: wanted, of the shape of the weights. key: of the rounding.
        """
        rise, fall = self._steps()
        wanted = jnp.stack([change, -change]) / 2
        counts = jnp.where(wanted > 0, wanted / rise, wanted / fall)
        counts = jnp.floor(counts + jax.random.uniform(key, counts.shape, counts.dtype))
        counts = jnp.clip(counts, -self.most, self.most).reshape(2, -1)
        x, energy = map_update(self.up, self.down, state.x.reshape(2, -1), counts, self.most)
        return MapState(x.reshape(state.x.shape), state.energy + jnp.sum(energy))

    def _limits(self) -> tuple[Real, Real]:
        ends = jnp.stack([self.up.conductance(x) for x in self.up.span])
        return jnp.min(ends), jnp.max(ends)

    def _steps(self) -> tuple[Real, Real]:
        """Of the weight, by one pulse up and one down from the middle."""
        low, high = self._limits()
        x = self.up.state_of((low + high) / 2)
        part = lambda a, b: (self.up.conductance(a) - self.up.conductance(b)) / (high - low)  # noqa: E731
        return part(self.up(x), x), part(x, self.down(x))


class DeviceReadout(eqx.Module):
    """y = y_mean + scale W^T [(x - x_mean)/x_size, 1], the weights W read from devices.

    Attributes:
        rule: what holds the weights. state: of its devices. x_mean, x_size: of the features. y_mean: of the targets.
        scale: of the weights.
    """

    rule: Any
    state: Any
    x_mean: Float[Array, " features"]
    x_size: Float[Array, ""]
    y_mean: Float[Array, " outputs"]
    scale: Float[Array, ""]

    @property
    def weight(self) -> Float[Array, "features1 outputs"]:
        """W as the devices hold it, the bias last."""
        return self.rule.weight(self.state)

    def normalised(self, x: Float[Array, "*time features"]) -> Float[Array, "*time features1"]:
        """What is put on the rows for features `x`."""
        mean = jnp.broadcast_to(self.x_mean, x.shape)
        return jnp.concatenate([(x - mean) / self.x_size, jnp.ones((*x.shape[:-1], 1), x.dtype)], axis=-1)

    def __call__(self, x: Float[Array, "*time features"]) -> Float[Array, "*time outputs"]:
        """Answers to features `x`."""
        told = self.scale * self.normalised(x) @ self.weight
        return told + jnp.broadcast_to(self.y_mean, told.shape)


def delta_rule(
    x: Float[Array, "time features"],
    y: Float[Array, "targets outputs"],
    rule: WeightRule,
    rate: float | Float[Array, ""],
    *,
    scale: float | Float[Array, ""] = 1.0,
    epochs: int = 1,
    spread: bool = True,
    key: Array,
) -> tuple[DeviceReadout, Float[Array, " epochs"]]:
    """A readout learned by dW = rate x (y - W^T x), asked of devices as pulses after every sample.

    B. Widrow and M. E. Hoff, IRE WESCON Conv. Rec. 4, 96 (1960). Features are centred and divided by the root of their
    mean square before, so that rates below 2/features converge where devices are fine enough.

    Args:
        x: features. y: targets. rule: devices, see this module. rate: of learning. scale: output that the whole range
            of a weight makes; too small a one saturates the devices, too large a one makes pulses coarse.
        epochs: how often over all samples, each time in another order. spread: whether each device is its own.
        key: of devices, order and pulses.

    Returns:
        The readout, and the mean squared error of each epoch while it learned.

    Raises:
        DataError: x and y have not the same length.
    """
    if x.shape[0] != y.shape[0]:
        raise DataError(f"delta_rule: {x.shape[0]} samples of features and {y.shape[0]} of targets.")
    number = lambda a: jnp.asarray(a, x.dtype)  # noqa: E731
    return _learned(x, y, rule, number(rate), number(scale), epochs, spread, key)


@eqx.filter_jit
def _learned(x: Real, y: Real, rule: Any, rate: Array, scale: Array, epochs: int, spread: bool, key: Array) -> Any:
    begin, learn = jax.random.split(key)
    mean, centre = jnp.mean(x, axis=0), jnp.mean(y, axis=0)
    size = jnp.sqrt(jnp.mean((x - mean[None]) ** 2))
    state = rule.start((x.shape[1] + 1, y.shape[1]), spread=spread, key=begin)
    size = jnp.where(size > 0, size, jnp.ones_like(size))
    readout = DeviceReadout(rule, state, mean, size, centre, scale)
    rows, targets = readout.normalised(x), y - centre[None]

    def sample(state: Any, given: tuple[Array, Array, Array]) -> tuple[Any, Array]:
        row, target, key = given
        error = target - scale * row @ rule.weight(state)
        change = rate * row[:, None] * error[None] / scale
        return rule.update(state, change, key=key), jnp.mean(error**2)

    def epoch(state: Any, key: Array) -> tuple[Any, Array]:
        shuffle, pulses = jax.random.split(key)
        order = jax.random.permutation(shuffle, x.shape[0])
        keys = jax.random.split(pulses, x.shape[0])
        state, errors = lax.scan(sample, state, (rows[order], targets[order], keys))
        return state, jnp.mean(errors)

    state, errors = lax.scan(epoch, state, jax.random.split(learn, epochs))
    return eqx.tree_at(lambda r: r.state, readout, state), errors
