"""Converters that double what is left: a pipeline of stages of 1.5 bits, and one such stage used again and again.

A stage compares s in [-1, 1] with -1/4 and 1/4, so d = -1, 0 or 1, and hands on (capacitors of ratio a = C_s/C_f, an
amplifier of gain A, a feedback factor b)

    s' = ((1 + a) s - a d) / (1 + 1/(A b)),

2 s - d in the ideal case. The codes of the stages overlap by half a bit: a comparator may be wrong by a quarter of
the reference, an eighth of the range, and the sum of the digits is still right. Lewis et al., IEEE J. Solid-State
Circuits 27, 351 (1992), 10.1109/4.121557.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from neurojax.converters._straight import Real, as_float, drawn, like, normals, staged
from neurojax.converters.adc import AbstractADC
from physics.quantity import Param, quantity

Doubled = tuple[Array, Array, Array, Array]
"""What is left, the input so far, the gain so far, the code so far."""


def _stage(carry: Doubled, errors: tuple[Array, Array, Array, Array]) -> tuple[Doubled, None]:
    """One stage: ratio of its capacitors, factor of its amplifier, thresholds of its two comparators, noise."""
    left, total, gain, code = carry
    ratio, factor, thresholds, noise = errors
    left = left + noise
    d = (left >= thresholds[0]).astype(left.dtype) + (left >= thresholds[1]).astype(left.dtype) - 1
    total = total + d * ratio / ((1 + ratio) * gain)
    return (factor * ((1 + ratio) * left - ratio * d), total, gain * factor * (1 + ratio), 2 * code + d), None


def _doubling(adc: Any, v: Array, span: Array, key: Array | None, offset: Array, last: Array) -> tuple[Array, Array]:
    """`AbstractADC.decide` of bits - 1 stages and one last comparator; errors are given for each stage."""
    stages = adc.bits - 1
    ratio = 1 + staged(adc.mismatch, (stages,), v)
    amplifier = staged(adc.gain, (stages,), v) * like(adc.feedback, v)[None]
    factor = 1 / (1 + 1 / amplifier)
    quarter = jnp.asarray([-0.25, 0.25], v.dtype).reshape(1, 2, *(1 for _ in v.shape))
    half = span / 2
    thresholds = offset / half[None, None] + jnp.broadcast_to(quarter, (stages, 2, *v.shape))
    noise = drawn(key, (stages, *v.shape), like(adc.noise, v) / half)
    start = (2 * v - 1, jnp.zeros_like(v), jnp.ones_like(v), jnp.zeros_like(v))
    (left, total, gain, code), _ = lax.scan(_stage, start, (ratio, factor, thresholds, noise))
    high = (left >= last / half).astype(v.dtype)
    level = total + (high - 0.5) / gain
    # Digit j weighs 2^(n - 1 - j), from 1 on; errors can lead the sum beyond the codes.
    code = jnp.clip(adc.steps // 2 - 1 + code + high, 0, adc.steps - 1)
    return lax.stop_gradient(code), (level + 1) / 2


class PipelineADC(AbstractADC):
    """bits - 1 stages of 1.5 bits and a last comparator: an input each period, its code after `bits` periods.

    Attributes:
        offset: of the comparators at -1/4 and 1/4, (bits - 1, 2, *columns) or a scalar. offset_last: of the last.
        mismatch: a - 1, (bits - 1, *columns) or a scalar. gain: A, likewise. feedback: b.
    """

    offset_last: Real = eqx.field(converter=as_float, default=0.0)
    mismatch: Real = eqx.field(converter=as_float, default=0.0)
    gain: Param = quantity(1e4, "1", (10.0, 1e9), scale="log", doc="gain of the amplifiers", source="chosen")
    feedback: Param = quantity(0.5, "1", (0.01, 1.0), doc="part of the output fed back", source="C_s = C_f, no others")

    @classmethod
    def sampled(
        cls, *, bits: int = 8, mismatch: float = 0.0, offset: float = 0.0, shape: tuple[int, ...] = (), key: Array,
        **fields: Any,
    ) -> "PipelineADC":  # fmt: skip
        """Converters with normal errors, of every stage its own.

        Args:
            bits: of the code. mismatch: standard deviation of the ratio of capacitors. offset: of the comparators, in
                the unit of the input. shape: of the columns. key: a `jax.random.key`. fields: keywords of the class.
        """
        ratios, pairs, last = normals(key, (bits - 1, *shape), (bits - 1, 2, *shape), shape)
        errors = {"mismatch": mismatch * ratios, "offset": offset * pairs, "offset_last": offset * last}
        return cls(bits=bits, **errors, **fields)

    @property
    def cycles(self) -> int:
        """One a stage, and one for the last comparator."""
        return self.bits

    @property
    def interval(self) -> Array:
        """One period (s): the stages work side by side."""
        return self.clock

    def decide(self, v: Array, span: Array, *, key: Array | None) -> tuple[Array, Array]:
        """As of `AbstractADC`; noise is added to the input of every stage."""
        offset = staged(self.offset, (self.bits - 1, 2), v)
        return _doubling(self, v, span, key, offset, like(self.offset_last, v))


class CyclicADC(AbstractADC):
    """One stage of 1.5 bits used bits - 1 times, then a last comparison: its errors repeat in every bit.

    Attributes:
        offset: of the comparators at -1/4 and 1/4, (2, *columns) or a scalar. offset_last: of the last one.
        mismatch: a - 1. gain: A. feedback: b.
    """

    offset_last: Real = eqx.field(converter=as_float, default=0.0)
    mismatch: Real = eqx.field(converter=as_float, default=0.0)
    gain: Param = quantity(1e4, "1", (10.0, 1e9), scale="log", doc="gain of the amplifier", source="chosen")
    feedback: Param = quantity(0.5, "1", (0.01, 1.0), doc="part of the output fed back", source="C_s = C_f, no others")

    @classmethod
    def sampled(
        cls, *, mismatch: float = 0.0, offset: float = 0.0, shape: tuple[int, ...] = (), key: Array, **fields: Any
    ) -> "CyclicADC":
        """Converters with normal errors.

        Args:
            mismatch: standard deviation of the ratio of capacitors. offset: of the comparators, in the unit of the
                input. shape: of the columns. key: a `jax.random.key`. fields: keywords of the class.
        """
        ratios, pairs, last = normals(key, shape, (2, *shape), shape)
        return cls(mismatch=mismatch * ratios, offset=offset * pairs, offset_last=offset * last, **fields)

    @property
    def cycles(self) -> int:
        """One a bit."""
        return self.bits

    def decide(self, v: Array, span: Array, *, key: Array | None) -> tuple[Array, Array]:
        """As of `AbstractADC`; noise is added to the input of every cycle."""
        stages = self.bits - 1
        offset = jnp.broadcast_to(staged(self.offset, (2,), v)[None], (stages, 2, *v.shape))
        return _doubling(self._repeated(v), v, span, key, offset, like(self.offset_last, v))

    def _repeated(self, v: Array) -> "CyclicADC":
        """With its errors of one stage as those of all."""
        lead = (self.bits - 1, *v.shape)
        same = [jnp.broadcast_to(like(a, v)[None], lead) for a in (self.mismatch, self.gain)]
        return eqx.tree_at(lambda a: (a.mismatch, a.gain), self, tuple(same))
