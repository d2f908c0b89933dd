"""The converter that counts until a ramp, shared by all columns, passes the input."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from neurojax.converters._straight import Real, as_float, like, normals
from neurojax.converters.adc import AbstractADC, drawn_part
from physics.quantity import Param, quantity


class RampADC(AbstractADC):
    """code = edges of the clock before the ramp passes x - offset, by one comparator a column.

    The ramp is the output of an integrator of finite gain A with its slope wrong by e: after k of 2^n edges it has
    come to the part (1 + e) A (1 - exp(-k/(2^n A))) of the range. Its bend makes an integral error of 2^n/(8 A)
    steps at most, against the line through the ends (to first order in 1/A). Textbook: leaky integrator.

    Attributes:
        slope: e, a scalar where the columns share one ramp. gain: A.
    """

    slope: Real = eqx.field(converter=as_float, default=0.0)
    gain: Param = quantity(1e4, "1", (10.0, 1e9), scale="log", doc="gain of the integrator", source="chosen")

    @classmethod
    def sampled(
        cls, *, slope: float = 0.0, offset: float = 0.0, shape: tuple[int, ...] = (), key: Array,
        shared: bool = True, **fields: Any,
    ) -> "RampADC":  # fmt: skip
        """Converters with normal errors.

        Args:
            slope: standard deviation of the relative error of the slope. offset: of the comparators, in the unit of
                the input. shape: of the columns. key: a `jax.random.key`. shared: one ramp for all columns, or one
                each. fields: keywords of the class, such as bits, low and high.
        """
        ramps, comparators = normals(key, () if shared else shape, shape)
        return cls(slope=slope * ramps, offset=offset * comparators, **fields)

    @property
    def cycles(self) -> int:
        """2^bits."""
        return self.steps

    def decide(self, v: Array, span: Array, *, key: Array | None) -> tuple[Array, Array]:
        """As of `AbstractADC`; the comparator has one noise for a whole ramp."""
        offset = like(self.offset, v) / span
        height, gain = 1 + like(self.slope, v), like(self.gain, v)
        seen = lax.stop_gradient((v - offset + drawn_part(self, v, span, key)) / height)
        edges = -gain * self.steps * jnp.log1p(-jnp.minimum(seen / gain, 0.5))
        code = lax.stop_gradient(jnp.clip(jnp.floor(edges), 0, self.steps - 1))
        return code, offset - height * gain * jnp.expm1(-(code + 0.5) / (self.steps * gain))
