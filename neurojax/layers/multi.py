"""Weights of several devices: pairs that only rise and are refreshed, many devices in turn, a capacitor that is read
out into phase-change cells.

    rule = nj.layers.DifferentialPair.of(device)                    two devices, refreshed before they saturate
    rule = nj.layers.MultiMemristive.of(device, 7)                  N devices, a counter says which is next
    rule = nj.layers.CapacitorCell.of(slow, fast, gain=3.0)         a fine weight of capacitors, a coarse one of PCM

Each rule is `start(shape, key=...)`, `update(state, change, key=...)` and `weight(state)`; `change` is the wanted one.
Devices are pulsed devices of `physics`, one for each place of a weight.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from neurojax.errors import CircuitError
from neurojax.layers.pulsed import pulses, rounded
from physics.pulsed import AbstractPulsed

Real = Float[Array, "..."]


class PairState(NamedTuple):
    """Devices (2, ...), their w, and how many refreshes there were."""

    devices: Any
    w: Real
    refreshed: Array


class DifferentialPair(eqx.Module):
    """W = gain (w+ - w-) of two devices that only rise: up goes to the one, down to the other.

    A pair of which one comes within `margin` of its bound is refreshed: both are reset, and the difference is written
    anew to one of them by pulses. M. Suri et al., IEDM (2011), 10.1109/IEDM.2011.6131488.

    Attributes:
        device: mean device. margin: part of the range. gain: of the weight. most: pulses of an update.
    """

    device: AbstractPulsed
    margin: Float[Array, ""]
    gain: Float[Array, ""]
    most: int = eqx.field(static=True)

    @classmethod
    def of(
        cls, device: AbstractPulsed, *, margin: float = 0.1, gain: float = 1.0, most: int = 10
    ) -> "DifferentialPair":
        """From numbers.

        Args:
            device: mean device. margin, gain, most: as of the class.

        Raises:
            CircuitError: a margin that is no part of the range.
        """
        if not 0 <= margin < 1:
            raise CircuitError(f"margin = {margin} of a pair: a part of the range, from 0 and below 1.")
        number = lambda a: jnp.asarray(a, jnp.result_type(float))  # noqa: E731
        return cls(device, number(margin), number(gain), most)

    def start(self, shape: tuple[int, ...], *, spread: bool = True, key: Array) -> PairState:
        """New pairs, reset.

        Args:
            shape: of the weights. spread: whether each device is its own. key: a `jax.random.key`.
        """
        draw, noise = jax.random.split(key)
        devices = self.device.sample(draw, (2, *shape)) if spread else self.device
        dtype = self.device.dw_min.dtype
        w = devices.reset(jax.random.normal(noise, (2, *shape), dtype))
        return PairState(devices, jnp.maximum(jnp.broadcast_to(w, (2, *shape)), 0.0), jnp.zeros((), jnp.int32))

    def weight(self, state: PairState) -> Real:
        """W of a state.

        Args:
            state: of the pairs.
        """
        return self.gain * (state.w[0] - state.w[1])

    def update(self, state: PairState, change: Real, *, key: Array) -> PairState:
        """After one change by pulses, and a refresh where it is due.

        Args:
            state: of the pairs. change: wanted, of the shape of the weights. key: a `jax.random.key`.
        """
        one, two, three, four = jax.random.split(key, 4)
        wanted = jnp.stack([jnp.maximum(change, 0.0), jnp.maximum(-change, 0.0)]) / self.gain
        counts = self._counts(state, wanted, self.most, key=one)
        w = pulses(state.devices, state.w, counts, self.most, key=two)
        full = jnp.any(w > (1 - self.margin) * self._high(w), axis=0)
        state = state._replace(w=w, refreshed=state.refreshed + jnp.sum(full, dtype=jnp.int32))
        return state._replace(w=jnp.where(full[None], self._refreshed(state, (three, four)), w))

    def _high(self, w: Real) -> Real:
        return jnp.broadcast_to(jnp.asarray(self.device.w_max), w.shape)

    def _counts(self, state: PairState, wanted: Real, most: int, *, key: Array) -> Real:
        """Pulses for a wanted rise, by the step of the device at its w."""
        none = jnp.zeros_like(state.w)
        step = jnp.maximum(state.devices.pulse(state.w, none + 1, none) - state.w, 1e-6)
        return jnp.clip(rounded(wanted / step, key=key), 0, most)

    def _refreshed(self, state: PairState, keys: Any) -> Real:
        difference = state.w[0] - state.w[1]
        target = jnp.stack([jnp.maximum(difference, 0.0), jnp.maximum(-difference, 0.0)])
        noise = jax.random.normal(keys[0], state.w.shape, state.w.dtype)
        w = jnp.maximum(jnp.broadcast_to(state.devices.reset(noise), state.w.shape), 0.0)

        def once(k: Array, w: Real) -> Real:
            up = (w < target).astype(w.dtype)
            noise = jax.random.normal(jax.random.fold_in(keys[1], k), w.shape, w.dtype)
            return state.devices.pulse(w, up, noise)

        return jax.lax.fori_loop(0, 40, once, w)


class ManyState(NamedTuple):
    """Devices (N, ...), their w, and the counter of the next one."""

    devices: Any
    w: Real
    counter: Int[Array, ""]


class MultiMemristive(eqx.Module):
    """W = mean of N devices; an update is one pulse to one of them, which one says a counter that all weights share.

    N of them scatter 1/sqrt(N) as much and make steps of 1/N; their mean response is as curved as that of one.
    I. Boybat et al., Nat. Commun. 9, 2514 (2018), 10.1038/s41467-018-04933-y.

    Attributes:
        device: mean device. count: N. most: pulses of an update.
    """

    device: AbstractPulsed
    count: int = eqx.field(static=True)
    most: int = eqx.field(static=True)

    @classmethod
    def of(cls, device: AbstractPulsed, count: int, *, most: int = 10) -> "MultiMemristive":
        """From numbers.

        Args:
            device: mean device. count: N. most: pulses of an update.

        Raises:
            CircuitError: fewer devices than one.
        """
        if count < 1:
            raise CircuitError(f"{count} devices for a weight: one or more.")
        return cls(device, count, most)

    def start(self, shape: tuple[int, ...], *, spread: bool = True, key: Array) -> ManyState:
        """New weights, all devices at w = 0.

        Args:
            shape: of the weights. spread: whether each device is its own. key: a `jax.random.key`.
        """
        devices = self.device.sample(key, (self.count, *shape)) if spread else self.device
        return ManyState(devices, jnp.zeros((self.count, *shape), self.device.dw_min.dtype), jnp.zeros((), jnp.int32))

    def weight(self, state: ManyState) -> Real:
        """W of a state.

        Args:
            state: of the weights.
        """
        return jnp.mean(state.w, axis=0)

    def update(self, state: ManyState, change: Real, *, key: Array) -> ManyState:
        """After one change: pulses of the device whose turn it is, N times as large as those of a weight.

        Args:
            state: of the weights. change: wanted, of their shape. key: a `jax.random.key`.
        """
        one, two = jax.random.split(key)
        counts = jnp.clip(rounded(self.count * change / self.device.dw_min, key=one), -self.most, self.most)
        turn = jnp.arange(self.count, dtype=jnp.int32) == state.counter
        turn = turn.astype(counts.dtype).reshape(-1, *(1 for _ in change.shape))
        w = pulses(state.devices, state.w, turn * counts[None], self.most, key=two)
        return ManyState(state.devices, w, (state.counter + 1) % self.count)


class CapacitorState(NamedTuple):
    """Of the coarse pair, the fine devices and their w, the polarity, and updates since the last transfer."""

    coarse: PairState
    devices: Any
    fine: Real
    polarity: Float[Array, ""]


class CapacitorCell(eqx.Module):
    """W = F (g+ - g-) + p g of a pair of phase-change cells and a capacitor g that takes all updates.

    `transfer` writes p g to the pair and empties the capacitor; then the polarity p changes, so that what is uneven in
    the capacitor's steps, the same for all updates of a period, is subtracted as often as it is added. S. Ambrogio et
    al., Nature 558, 60 (2018), 10.1038/s41586-018-0180-5.

    Attributes:
        coarse: the pair, with its gain F. fine: mean device of the capacitor. invert: whether p changes.
        most: pulses of an update.
    """

    coarse: DifferentialPair
    fine: AbstractPulsed
    invert: bool = eqx.field(static=True)
    most: int = eqx.field(static=True)

    @classmethod
    def of(
        cls, slow: AbstractPulsed, fast: AbstractPulsed, *, gain: float = 3.0, invert: bool = True, most: int = 40
    ) -> "CapacitorCell":
        """From devices.

        Args:
            slow: of the pair. fast: of the capacitor. gain: F. invert: polarity. most: pulses of an update.
        """
        return cls(DifferentialPair.of(slow, gain=gain, most=most), fast, invert, most)

    def start(self, shape: tuple[int, ...], *, spread: bool = True, key: Array) -> CapacitorState:
        """New weights, the capacitors at w = 0.

        Args:
            shape: of the weights. spread: whether each device is its own. key: a `jax.random.key`.
        """
        one, two = jax.random.split(key)
        dtype = self.fine.dw_min.dtype
        devices = self.fine.sample(two, shape) if spread else self.fine
        coarse = self.coarse.start(shape, spread=spread, key=one)
        return CapacitorState(coarse, devices, jnp.zeros(shape, dtype), jnp.ones((), dtype))

    def weight(self, state: CapacitorState) -> Real:
        """W of a state.

        Args:
            state: of the weights.
        """
        return self.coarse.weight(state.coarse) + state.polarity * state.fine

    def update(self, state: CapacitorState, change: Real, *, key: Array) -> CapacitorState:
        """After one change of the capacitors.

        Args:
            state: of the weights. change: wanted, of their shape. key: a `jax.random.key`.
        """
        one, two = jax.random.split(key)
        counts = rounded(state.polarity * change / self.fine.dw_min, key=one)
        counts = jnp.clip(counts, -self.most, self.most)
        return state._replace(fine=pulses(state.devices, state.fine, counts, self.most, key=two))

    def transfer(self, state: CapacitorState, *, key: Array) -> CapacitorState:
        """After the capacitors were written to the pair; what the pair misses stays in them.

        Args:
            state: of the weights. key: a `jax.random.key`.
        """
        wanted = self.weight(state)
        coarse = self.coarse.update(state.coarse, state.polarity * state.fine, key=key)
        polarity = -state.polarity if self.invert else state.polarity
        left = polarity * (wanted - self.coarse.weight(coarse))
        low, high = self.fine.w_min.astype(left.dtype), self.fine.w_max.astype(left.dtype)
        return CapacitorState(coarse, state.devices, jnp.clip(left, low, high), polarity)
