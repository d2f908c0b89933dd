"""In-situ training of pulsed devices: gradient transformations whose updates are what pulses do.

    optimiser = nj.layers.pulsed_sgd(physics.pulsed_presets.PRESETS["EcRam"](), 0.05, key=key)
    optimiser = nj.layers.manhattan(device, key=key)
    optimiser = nj.layers.mixed_precision(device, 0.05, key=key)

Parameters are the w of the devices (`window=False`), or parts of their range from w_min to w_max as the cells of a
layer are (`window=True`). `update` gives new less old parameters, so the transformations stand last in `optax.chain`;
they need the parameters. With `spread` each parameter is a device of its own, drawn when the state is made.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float

from neurojax.errors import CircuitError
from physics.pulsed import AbstractPulsed

Real = Float[Array, "..."]
Schedule = Callable[[Array], Array]


class PulsedState(NamedTuple):
    """Of a transformation: the devices of each parameter, how many updates there were, a key, and what is kept."""

    devices: Any
    count: Array
    key: Array
    kept: Any


def drawn_devices(device: AbstractPulsed, params: Any, spread: bool, *, key: Array) -> Any:
    """A device, or one of its own for each number, of each leaf of the parameters.

    Args:
        device: the mean one. params: a tree of arrays. spread: whether to draw. key: of the draw.
    """
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(key, max(len(leaves), 1))
    own = [
        jax.tree.map(lambda a, p=p: a.astype(p.dtype), device.sample(k, p.shape) if spread else device)
        for p, k in zip(leaves, keys, strict=False)
    ]
    return jax.tree.unflatten(tree, own)


def to_device(p: Real, device: AbstractPulsed, window: bool) -> Real:
    """w of a parameter `p` of a `device`; `window`: whether parameters are parts of the range."""
    return device.w_min + (device.w_max - device.w_min) * p if window else p


def from_device(w: Real, device: AbstractPulsed, window: bool) -> Real:
    """The parameter of w, as of `to_device`: of `w`, a `device` and whether by its `window`."""
    return (w - device.w_min) / (device.w_max - device.w_min) if window else w


def pulses(device: AbstractPulsed, w: Real, counts: Real, most: int, *, key: Array) -> Real:
    """w after signed numbers of pulses, each with its scatter.

    Args:
        device: one, or one for each w. w: before. counts: signed. most: what a device can get. key: of the scatter.
    """

    def once(k: Array, w: Real) -> Real:
        noise = jax.random.normal(jax.random.fold_in(key, k), w.shape, w.dtype)
        sign = jnp.where(jnp.abs(counts) > k.astype(w.dtype), jnp.sign(counts), jnp.zeros_like(counts))
        return device.pulse(w, sign, noise)

    return lax.fori_loop(0, most, once, w)


def rounded(x: Real, *, key: Array) -> Real:
    """Whole numbers beside `x` by chance drawn from `key`, right on average."""
    return jnp.floor(x + jax.random.uniform(key, x.shape, x.dtype))


def transformation(
    device: AbstractPulsed,
    change: Callable[..., Any],
    keep: Callable[[Real], Any],
    window: bool,
    spread: bool,
    key: Array,
) -> optax.GradientTransformation:
    """A transformation from what it does to one leaf.

    Args:
        device: mean device. change: from (w, gradient, device, kept, count, key) to (w, kept). keep: from the
            parameter to what is kept at first. window, spread: as of this module. key: of everything.
    """

    def init(params: Any) -> PulsedState:
        draw, later = jax.random.split(key)
        leaves = jax.tree.leaves(params)
        devices = drawn_devices(device, leaves, spread, key=draw)
        return PulsedState(tuple(devices), jnp.zeros((), jnp.int32), later, tuple(keep(p) for p in leaves))

    def update(grads: Any, state: PulsedState, params: Any = None) -> tuple[Any, PulsedState]:
        if params is None:
            raise CircuitError("training by pulses needs the parameters: update(grads, state, params).")
        leaves, tree = jax.tree.flatten(params)
        keys = jax.random.split(jax.random.fold_in(state.key, state.count), max(len(leaves), 1))
        updates, kept = [], []
        for p, g, d, k, key in zip(leaves, jax.tree.leaves(grads), state.devices, state.kept, keys, strict=False):
            w, k = change(to_device(p, d, window), g, d, k, state.count, key)
            updates.append(from_device(w, d, window) - p)
            kept.append(k)
        new = PulsedState(state.devices, state.count + 1, state.key, tuple(kept))
        return jax.tree.unflatten(tree, updates), new

    made: Any = optax.GradientTransformation
    return made(init, update)


def _nothing(p: Real) -> tuple[()]:
    del p
    return ()


def _span(device: AbstractPulsed, window: bool) -> Any:
    """w over parameter."""
    return device.w_max - device.w_min if window else jnp.ones_like(device.w_max)


def pulsed_sgd(
    device: AbstractPulsed, rate: float, *, most: int = 10, window: bool = False, spread: bool = True, key: Array
) -> optax.GradientTransformation:
    """Gradient descent by pulses: -rate g is rounded by chance to steps dw_min, at most `most` of them.

    Each pulse is that of the device, with its nonlinearity, asymmetry, scatter and bounds.

    Args:
        device: of `physics`. rate: of learning, for the parameter. most: pulses of an update.
        window, spread: as of this module. key: a `jax.random.key`.
    """

    def change(w: Real, g: Real, d: Any, kept: Any, count: Array, key: Array) -> tuple[Real, Any]:
        del count
        one, two = jax.random.split(key)
        wanted = -rate * g * _span(d, window) / d.dw_min
        counts = jnp.clip(rounded(wanted, key=one), -most, most)
        return pulses(d, w, counts, most, key=two), kept

    return transformation(device, change, _nothing, window, spread, key)


def manhattan(
    device: AbstractPulsed,
    *,
    pulses_each: int = 1,
    threshold: float = 0.0,
    window: bool = False,
    spread: bool = True,
    key: Array,
) -> optax.GradientTransformation:
    """The same pulse for all by the sign of the gradient: the Manhattan rule.

    W. Schiffmann et al., Optimization of the backpropagation algorithm (1994); on crossbars M. Prezioso et al.,
    Nature 521, 61 (2015), 10.1038/nature14441.

    Args:
        device: of `physics`. pulses_each: of an update. threshold: smaller gradients give none.
        window, spread: as of this module. key: a `jax.random.key`.
    """

    def change(w: Real, g: Real, d: Any, kept: Any, count: Array, key: Array) -> tuple[Real, Any]:
        del count
        counts = jnp.where(jnp.abs(g) > threshold, -jnp.sign(g) * pulses_each, jnp.zeros_like(g))
        return pulses(d, w, counts, pulses_each, key=key), kept

    return transformation(device, change, _nothing, window, spread, key)


def mixed_precision(
    device: AbstractPulsed,
    rate: float,
    *,
    granularity: float | None = None,
    most: int = 10,
    window: bool = False,
    spread: bool = True,
    key: Array,
) -> optax.GradientTransformation:
    """Gradients are summed up digitally, chi <- chi - rate g; whole steps of chi go to the devices as pulses.

    S. R. Nandakumar et al., Front. Neurosci. 14, 406 (2020), 10.3389/fnins.2020.00406.

    Args:
        device: of `physics`. rate: of learning, for the parameter. granularity: what a pulse stands for, in w
            (default: dw_min). most: pulses of an update; the rest stays in chi.
        window, spread: as of this module. key: a `jax.random.key`.
    """

    def change(w: Real, g: Real, d: Any, chi: Real, count: Array, key: Array) -> tuple[Real, Real]:
        del count
        step = d.dw_min if granularity is None else jnp.asarray(granularity, w.dtype)
        chi = chi - rate * g * _span(d, window)
        counts = jnp.clip(jnp.trunc(chi / step), -most, most)
        return pulses(d, w, counts, most, key=key), chi - counts * step

    return transformation(device, change, jnp.zeros_like, window, spread, key)


def coincidence_update(
    device: AbstractPulsed,
    w: Float[Array, "n m"],
    x: Float[Array, "batch n"],
    d: Float[Array, "batch m"],
    rate: float,
    *,
    slots: int = 10,
    key: Array,
) -> Float[Array, "n m"]:
    """w - rate x d for each of a batch by pulses that meet: rows fire with probability |x| c, columns with |d| c.

    c = sqrt(rate/(slots dw_min)), so that the mean of all coincidences is right where no probability passes 1.
    T. Gokmen and Y. Vlasov, Front. Neurosci. 10, 333 (2016), 10.3389/fnins.2016.00333.

    Args:
        device: of `physics`, one or one for each w. w: (n, m). x, d: inputs and errors, one update after the other.
        rate: of learning. slots: BL, length of the trains. key: a `jax.random.key`.
    """
    c = jnp.sqrt(jnp.asarray(rate, w.dtype) / (slots * device.dw_min.astype(w.dtype)))

    def one(w: Array, given: Any) -> tuple[Array, None]:
        x, d, key = given
        rows, columns, scatter = jax.random.split(key, 3)
        a = jax.random.uniform(rows, (x.shape[0], slots), w.dtype) < jnp.abs(x * c)[:, None]
        b = jax.random.uniform(columns, (d.shape[0], slots), w.dtype) < jnp.abs(d * c)[:, None]
        counts = (jnp.sign(x)[:, None] * a.astype(w.dtype)) @ (jnp.sign(d)[:, None] * b.astype(w.dtype)).T
        return pulses(device, w, -counts, slots, key=scatter), None

    return lax.scan(one, w, (x, d, jax.random.split(key, x.shape[0])))[0]


@eqx.filter_jit
def symmetric_point(device: AbstractPulsed, *, steps: int = 60) -> Real:
    """w where a pulse up and one down are even, by halving between the bounds of each device.

    Args:
        device: of `physics`, one or many. steps: of halving.
    """
    low, high = device.bounds()
    none = jnp.zeros_like(low)

    def halve(_: Any, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = (low + high) / 2
        rises = device.pulse(middle, none + 1, none) + device.pulse(middle, none - 1, none) > 2 * middle
        return jnp.where(rises, middle, low), jnp.where(rises, high, middle)

    low, high, _ = jnp.broadcast_arrays(low, high, device.gain)
    low, high = lax.fori_loop(0, steps, halve, (low, high))
    return (low + high) / 2
