"""Pulsed devices without a mechanism: what one programming pulse does to a weight. `Constant` to `Piecewise`.

    a pulse up    w <- clip(w + S+ u(w) (1 + s xi)),      a pulse down    w <- clip(w - S- d(w) (1 + s xi))

u and d (`up`, `down`) are what a class is; xi is a standard normal number from outside, s = `dw_std`. Pulses are alike:
no time, voltage or temperature. S+ = (gain + min(up_down, 0) + lean) dw_min and S- = (gain - max(up_down, 0) - lean)
dw_min belong to the device, as do its bounds: `sample` draws them. Everything is differentiable, a `sign` between -1
and 1 is a part of a pulse (the expected number of them), `clip` says what bounds do to gradients.

Equations and noise are those of IBM's aihwkit (rpu_*_device.cpp), whose steps without noise these repeat to rounding;
the presets are in `pulsed_presets.py`.
"""

import abc
from typing import Any, Literal, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from physics.quantity import Param, Quantity, quantity, with_values
from physics.smooth import limexp, softplus

Real = Float[Array, "..."]
P = TypeVar("P", bound="AbstractPulsed")
_OWN = "1 or 0: the mean device; `sample` draws it"
_SPREAD = "chosen: none; measured values in `pulsed_presets`"


class AbstractPulsed(eqx.Module):
    """A device that knows pulses only, w -> w; weights are dimensionless, w = 0 lies within the bounds."""

    dw_min: Param = quantity(1e-3, "1", (1e-6, 1.0), scale="log", doc="step at w = 0", source="chosen")
    w_min: Param = quantity(-1.0, "1", (-10.0, 0.0), doc="mean lower bound", source="chosen")
    w_max: Param = quantity(1.0, "1", (0.0, 10.0), doc="mean upper bound", source="chosen")
    up_down: Param = quantity(0.0, "1", (-1.0, 1.0), doc="S+ - S- over dw_min, takes from one", source="chosen: even")
    dw_std: Param = quantity(0.0, "1", (0.0, 10.0), doc="s, scatter of a step", source=_SPREAD)
    write_noise: Param = quantity(0.0, "1", (0.0, 200.0), doc="scatter of the apparent w over dw_min", source=_SPREAD)
    dw_dtod: Param = quantity(0.0, "1", (0.0, 2.0), doc="spread of the gain", source=_SPREAD)
    up_down_dtod: Param = quantity(0.0, "1", (0.0, 1.0), doc="spread of `lean`", source=_SPREAD)
    w_max_dtod: Param = quantity(0.0, "1", (0.0, 1.0), doc="spread of max_factor", source=_SPREAD)
    w_min_dtod: Param = quantity(0.0, "1", (0.0, 1.0), doc="spread of min_factor", source=_SPREAD)
    corrupt: Param = quantity(0.0, "1", (0.0, 1.0), doc="share of devices that do not answer", source=_SPREAD)
    lifetime: Param = quantity(1e12, "1", (1.0, 1e15), scale="log", doc="updates for a decay to 1/e", source="chosen")
    lifetime_dtod: Param = quantity(0.0, "1", (0.0, 1.0), doc="relative spread of the lifetime", source=_SPREAD)
    reset_to: Param = quantity(0.0, "1", (-1.0, 1.0), doc="w after a reset, to which w decays", source="chosen")
    reset_std: Param = quantity(0.0, "1", (0.0, 1.0), doc="scatter of a reset", source=_SPREAD)
    reset_dtod: Param = quantity(0.0, "1", (0.0, 1.0), doc="spread of reset_to", source=_SPREAD)
    gain: Param = quantity(1.0, "1", (0.0, 100.0), doc="steps of this device over those of the mean", source=_OWN)
    lean: Param = quantity(0.0, "1", (-10.0, 10.0), doc="r, asymmetry of this device", source=_OWN)
    max_factor: Param = quantity(1.0, "1", (0.0, 10.0), doc="upper bound over the mean one", source=_OWN)
    min_factor: Param = quantity(1.0, "1", (0.0, 10.0), doc="lower bound over the mean one", source=_OWN)
    alive: Param = quantity(1.0, "1", (0.0, 1.0), doc="0 does not answer to pulses", source=_OWN)
    clip: Literal["hard", "soft", "straight"] = eqx.field(default="hard", static=True)
    """At the bounds: cut off, rounded over dw_min, or cut off with the gradient of no bounds at all."""
    additive: bool = eqx.field(default=False, static=True)
    """Whether a step scatters by s S, whatever its size, or by s times its size."""
    log_normal: bool = eqx.field(default=False, static=True)
    """Whether the gain is drawn as exp(d xi), or as 1 + d xi."""

    @abc.abstractmethod
    def up(self, w: Real) -> Real:
        """Size of a step up over S+."""

    @abc.abstractmethod
    def down(self, w: Real) -> Real:
        """Size of a step down over S-."""

    def pulse(self, w: Real, sign: Real, noise: Real) -> Real:
        """w after one pulse, up for sign = 1, down for -1; `noise` is standard normal, one number a pulse."""
        rise, fall = self.scales()
        w = self._offset() + w
        grown = jnp.maximum(sign, 0.0) * self._step(rise, self.up(w), w, noise)
        shrunk = jnp.maximum(-sign, 0.0) * self._step(fall, self.down(w), w, noise)
        return self.bounded(w + grown - shrunk) - self._offset()

    def scales(self) -> tuple[Real, Real]:
        """S+ and S-."""
        up = jnp.abs(self.gain + jnp.minimum(self.up_down, 0.0) + self.lean)
        down = jnp.abs(self.gain - jnp.maximum(self.up_down, 0.0) - self.lean)
        return self.alive * up * self.dw_min, self.alive * down * self.dw_min

    def bounds(self) -> tuple[Real, Real]:
        """Of this device."""
        return self.w_min * self.min_factor, self.w_max * self.max_factor

    def bounded(self, w: Real) -> Real:
        """w within the bounds."""
        low, high = self.bounds()
        if self.clip == "soft":
            return low + softplus(w - low, self.dw_min) - softplus(w - high, self.dw_min)
        inside = jnp.minimum(jnp.maximum(w, low), high)
        return w + lax.stop_gradient(inside - w) if self.clip == "straight" else inside

    def apparent(self, w: Real, noise: Real) -> Real:
        """What is read of w: writing leaves it beside the w that the next pulse starts from."""
        return w + self.write_noise * self.dw_min * noise

    def forget(self, w: Real, updates: Real) -> Real:
        """w after a number of updates of the array without a pulse."""
        return self.reset_to + (w - self.reset_to) * (1 - 1 / jnp.maximum(self.lifetime, 1.0)) ** updates

    def reset(self, noise: Real) -> Real:
        """w after an erasing pulse."""
        return self.bounded(self.reset_to + self.reset_std * noise)

    def conductance(self, w: Real, g_min: Real, g_max: Real) -> Real:
        """G (S) of w, from g_min at w_min to g_max at w_max."""
        return g_min + (g_max - g_min) * (w - self.w_min) / (self.w_max - self.w_min)

    def sample(self: P, key: Array, shape: tuple[int, ...] = ()) -> P:
        """Devices of this kind, drawn from their spread from device to device."""
        return with_values(self, self._draw(key, shape))

    def _draw(self, key: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        keys = jax.random.split(key, 7)
        normal = [jax.random.normal(k, shape, self.dw_min.dtype) for k in keys[:6]]
        spread = self.dw_dtod * normal[0]
        works = jax.random.uniform(keys[6], shape, self.dw_min.dtype) >= self.corrupt
        return {
            "gain": jnp.exp(spread) if self.log_normal else 1 + spread,
            "lean": self.up_down_dtod * normal[1],
            "max_factor": jnp.abs(1 + self.w_max_dtod * normal[2]),
            "min_factor": jnp.abs(1 + self.w_min_dtod * normal[3]),
            "lifetime": self.lifetime * (1 + self.lifetime_dtod * normal[4]),
            "reset_to": self.reset_to + self.reset_dtod * normal[5],
            "alive": works.astype(self.dw_min.dtype),
        }

    def _step(self, scale: Real, shape: Real, w: Real, noise: Real) -> Real:
        return scale * shape + self._scatter(scale, scale * shape, w) * noise

    def _scatter(self, scale: Real, step: Real, w: Real) -> Real:
        del w
        return self.dw_std * (scale if self.additive else step)

    def _offset(self) -> Real:
        """What the device itself holds more than w."""
        return jnp.zeros_like(self.dw_min)


class Constant(AbstractPulsed):
    """u = d = 1."""

    def up(self, w: Real) -> Real:
        return jnp.ones_like(w)

    def down(self, w: Real) -> Real:
        return jnp.ones_like(w)


class Linear(AbstractPulsed):
    """u = 1 - gamma_up w/w_max,  d = 1 - gamma_down w/w_min; the bounds are the mean ones."""

    gamma_up: Param = quantity(0.0, "1", (-1.0, 2.0), doc="what is lost of a step up to w_max", source="chosen")
    gamma_down: Param = quantity(0.0, "1", (-1.0, 2.0), doc="what is lost of a step down to w_min", source="chosen")
    gamma_dtod: Param = quantity(0.0, "1", (0.0, 1.0), doc="spread of both gammas", source=_SPREAD)

    def up(self, w: Real) -> Real:
        return 1 - self.gamma_up * _part(w, self.w_max)

    def down(self, w: Real) -> Real:
        return 1 - self.gamma_down * _part(w, self.w_min)

    def _draw(self, key: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        key, one, two = jax.random.split(key, 3)
        drawn = lambda g, k: jnp.abs(g + self.gamma_dtod * jax.random.normal(k, shape, g.dtype))  # noqa: E731
        own = {"gamma_up": drawn(self.gamma_up, one), "gamma_down": drawn(self.gamma_down, two)}
        return super()._draw(key, shape) | own


class SoftBounds(AbstractPulsed):
    """u = 1 - v/v_max,  d = 1 - v/v_min,  v = w + reference; the bounds v_max, v_min are those of the device.

    A reference device is subtracted. Sampled with `subtract_symmetry` it holds the point where up and down are
    even, v = (S+ - S-)/(S+/v_max - S-/v_min), but for an error of standard deviation reference_std.
    """

    reference: Param = quantity(0.0, "1", (-10.0, 10.0), doc="what is subtracted from this device", source=_OWN)
    reference_std: Param = quantity(0.0, "1", (0.0, 1.0), doc="scatter of the reference", source=_SPREAD)
    subtract_symmetry: bool = eqx.field(default=False, static=True)

    def up(self, w: Real) -> Real:
        return 1 - _part(w, self.bounds()[1])

    def down(self, w: Real) -> Real:
        return 1 - _part(w, self.bounds()[0])

    def symmetry_point(self) -> Real:
        """Of the device, v where a pulse up and one down are even."""
        (rise, fall), (low, high) = self.scales(), self.bounds()
        slope = _part(rise, high) - _part(fall, low)
        return _part(rise - fall, slope)

    def _offset(self) -> Real:
        return self.reference

    def _draw(self, key: Array, shape: tuple[int, ...]) -> dict[str, Any]:
        key, other = jax.random.split(key)
        drawn = super()._draw(key, shape)
        middle = with_values(self, drawn).symmetry_point() if self.subtract_symmetry else 0.0
        error = self.reference_std * jax.random.normal(other, shape, self.dw_min.dtype)
        return drawn | {"reference": error + middle}


class Exponential(AbstractPulsed):
    """u = max(1 - A_up e^(gamma_up z), 0),  d = max(1 - A_down e^(-gamma_down z), 0),  z = 2 a w/(b_max - b_min) + b.

    b_max, b_min are the bounds of the device. The scatter of a step is s (|dw| + std_add + std_slope |w|).
    """

    a: Param = quantity(1.0, "1", (-5.0, 5.0), doc="slope of z", source="chosen")
    b: Param = quantity(0.0, "1", (-5.0, 5.0), doc="offset of z", source="chosen")
    gamma_up: Param = quantity(1.0, "1", (0.0, 20.0), doc="exponent, up", source="chosen")
    gamma_down: Param = quantity(1.0, "1", (0.0, 20.0), doc="exponent, down", source="chosen")
    a_up: Param = quantity(0.1, "1", (-100.0, 100.0), doc="A_up", source="chosen")
    a_down: Param = quantity(0.1, "1", (-100.0, 100.0), doc="A_down", source="chosen")
    std_add: Param = quantity(0.0, "1", (0.0, 1.0), doc="scatter that all steps have", source=_SPREAD)
    std_slope: Param = quantity(0.0, "1", (0.0, 1.0), doc="scatter that grows with |w|", source=_SPREAD)

    def up(self, w: Real) -> Real:
        return self._left(1 - self.a_up * limexp(self.gamma_up * self._z(w)))

    def down(self, w: Real) -> Real:
        return self._left(1 - self.a_down * limexp(-self.gamma_down * self._z(w)))

    def _z(self, w: Real) -> Real:
        low, high = self.bounds()
        return 2 * self.a * w / jnp.maximum(high - low, 1e-6) + self.b

    def _left(self, size: Real) -> Real:
        if self.clip == "soft":
            return softplus(size, 1e-2)
        left = jnp.maximum(size, 0.0)
        return size + lax.stop_gradient(left - size) if self.clip == "straight" else left

    def _scatter(self, scale: Real, step: Real, w: Real) -> Real:
        del scale
        return self.dw_std * (jnp.abs(step) + self.std_add + self.std_slope * jnp.abs(w))


class Power(AbstractPulsed):
    """u = ((b_max - w)/R)^gamma_up,  d = ((w - b_min)/R)^gamma_down,  R = b_max - b_min, the bounds of the device."""

    gamma_up: Param = quantity(1.0, "1", (0.1, 10.0), doc="exponent, up", source="chosen")
    gamma_down: Param = quantity(1.0, "1", (0.1, 10.0), doc="exponent, down", source="chosen")

    def up(self, w: Real) -> Real:
        low, high = self.bounds()
        return _power((high - w) / jnp.maximum(high - low, 1e-6), self.gamma_up)

    def down(self, w: Real) -> Real:
        low, high = self.bounds()
        return _power((w - low) / jnp.maximum(high - low, 1e-6), self.gamma_down)


def _nodes(doc: str) -> Any:
    """A field of numbers, any count of them."""
    declared = Quantity("1", (0.0, 100.0), "linear", doc, "chosen: even")
    # One number at a time, as a traced or batched one must pass, too.
    to_arrays = lambda values: tuple(jnp.asarray(v, getattr(v, "dtype", float)) for v in values)  # noqa: E731
    return eqx.field(default=(1.0, 1.0), converter=to_arrays, metadata={"quantity": declared})


class Piecewise(AbstractPulsed):
    """u, d = linear between nodes that are spread from one bound of the device to the other.

    Evenly, as in aihwkit, or closer at the bounds, at (1 - cos(pi k/n))/2, as pulses after a reversal are weak.
    """

    up_nodes: tuple[Param, ...] = _nodes("u at the nodes")
    down_nodes: tuple[Param, ...] = _nodes("d at the nodes")
    at_ends: bool = eqx.field(default=False, static=True)
    """Whether nodes are closer at the bounds."""

    def up(self, w: Real) -> Real:
        return self._between(w, self.up_nodes)

    def down(self, w: Real) -> Real:
        return self._between(w, self.down_nodes)

    def _between(self, w: Real, nodes: tuple[Param, ...]) -> Real:
        low, high = self.bounds()
        at = jnp.clip((w - low) / jnp.maximum(high - low, 1e-6), 0.0, 1.0)
        even = np.linspace(0.0, 1.0, len(nodes))
        places = (0.5 - 0.5 * np.cos(np.pi * even) if self.at_ends else even).tolist()
        pieces = [
            (right - left) * ((jnp.clip(at, x, y) - x) / (y - x))
            for left, right, x, y in zip(nodes[:-1], nodes[1:], places[:-1], places[1:], strict=True)
        ]
        return sum(pieces, start=nodes[0] + jnp.zeros_like(at))


def _part(w: Real, bound: Real) -> Real:
    """w/bound, nothing for a bound at zero."""
    none = bound == 0
    return jnp.where(none, jnp.zeros_like(bound), w / jnp.where(none, jnp.ones_like(bound), bound))


def _power(share: Real, exponent: Real) -> Real:
    # The slope of a power below one is infinite at zero.
    return jnp.maximum(share, 1e-9) ** exponent
