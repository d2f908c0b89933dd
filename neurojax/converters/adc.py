"""Converters from an analog number to a code: what all of them share, and the ideal one.

    adc = nj.converters.SarADC.sampled(bits=8, mismatch=0.02, offset=1e-3, shape=(64,), key=key)
    out = adc.convert(v)                 out.code, out.value, out.saturated, each of the shape of v
    adc.latency, adc.interval, adc.energy

An ideal converter of n bits over [low, high] has the step s = (high - low)/2^n, code = floor((x - low)/s), and
value = low + (code + 1/2) s. A real one comes to its code by decisions that have errors. Each decision is held for
the gradient: with T the input that belongs to the decisions and the errors of the circuit, the code moves by
d(x - T)/s. So the gradient in x is that of the ideal line (1 within the range, 0 beyond), that in offsets, mismatches
and gains is how a code moves with them on average, and that in low and high is as in `Quantiser`.
"""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from neurojax.converters._straight import Real, as_float, drawn, known, like, straight
from neurojax.converters.quantiser import Conversion, check_range
from neurojax.errors import CircuitError
from physics.quantity import Param, quantity


def walden_energy(figure: Any, bits: Any) -> Array:
    """Energy of a conversion (J): E = F 2^b. Walden, IEEE J. Sel. Areas Commun. 17, 539 (1999), 10.1109/49.761034.

    Args:
        figure: F, energy per step (J). bits: b, effective ones.
    """
    figure = as_float(figure)
    return figure * 2.0 ** as_float(bits).astype(figure.dtype)


def schreier_energy(figure: Any, sndr: Any) -> Array:
    """Energy of a conversion (J) at the Nyquist rate: E = 10^((S - F)/10)/2, of F = S + 10 log10(B/P), P = 2 B E.

    Schreier and Temes, Understanding Delta-Sigma Data Converters (2005), 10.1109/9780470546772; with the distortion
    in S as in surveys of converters.

    Args:
        figure: F (dB, of 1/J). sndr: S, ratio of signal to noise and distortion (dB).
    """
    figure = as_float(figure)
    return 0.5 * 10.0 ** ((as_float(sndr).astype(figure.dtype) - figure) / 10)


class AbstractADC(eqx.Module):
    """A converter whose errors are fields: `low`, `high`, `offset` and `noise` in the unit of the input (V or A).

    Arrays of errors end with the axes of the inputs that they belong to, (columns,); a scalar belongs to all.

    Attributes:
        bits: of the code. low, high: range. offset: of the comparators, which raises their thresholds. noise: rms, of
            every decision anew, where `convert` is given a key. clock: s. figure: energy per step (J).
    """

    bits: int = eqx.field(static=True, default=8)
    low: Real = eqx.field(converter=as_float, default=0.0)
    high: Real = eqx.field(converter=as_float, default=1.0)
    offset: Real = eqx.field(converter=as_float, default=0.0)
    noise: Real = eqx.field(converter=as_float, default=0.0)
    clock: Param = quantity(1e-9, "s", (1e-12, 1e-3), scale="log", doc="period of the clock", source="chosen")
    figure: Param = quantity(
        1e-14, "J", (1e-18, 1e-9), scale="log", doc="energy per step", source="chosen; 10.1109/49.761034 defines it"
    )

    def __check_init__(self) -> None:
        if not 1 <= self.bits <= 24:
            raise CircuitError(f"a converter of {self.bits} bits: between 1 and 24, what float32 counts exactly.")
        check_range(self.low, self.high)
        if known(self.noise) and np.any(np.asarray(self.noise) < 0):
            raise CircuitError(f"noise = {self.noise} of a converter is an rms value and cannot be negative.")

    @property
    @abc.abstractmethod
    def cycles(self) -> int:
        """Periods of the clock from the input to its code."""

    @abc.abstractmethod
    def decide(self, v: Array, span: Array, *, key: Array | None) -> tuple[Array, Array]:
        """The code of `v`, and the input T that belongs to its decisions, both of the shape of `v`.

        Args:
            v: input as a part of the range. span: width of the range, of the shape of v. key: of the noise, or None.

        Returns:
            The code (whole numbers), and T as a part of the range, differentiable in the errors.
        """

    def convert(self, x: Any, *, key: Array | None = None) -> Conversion:
        """Code, value and saturation of `x`; what is not a number stays so.

        Args:
            x: (..., columns), in the unit of the range. key: of the noise; none without.
        """
        return _converted(self, as_float(x), key)

    def __call__(self, x: Any, *, key: Array | None = None) -> Array:
        """The value that the code stands for, as of `convert`."""
        return self.convert(x, key=key).value

    @property
    def steps(self) -> int:
        """2^bits."""
        return 2**self.bits

    @property
    def step(self) -> Array:
        """Width of an ideal code, in the unit of the input."""
        return (self.high - self.low) / self.steps

    @property
    def latency(self) -> Array:
        """From the input to its code (s)."""
        return self.cycles * self.clock

    @property
    def interval(self) -> Array:
        """Between one input and the next (s), the inverse of the throughput."""
        return self.latency

    @property
    def energy(self) -> Array:
        """Of a conversion (J), by `walden_energy` with all the bits."""
        return walden_energy(self.figure, self.bits)


@eqx.filter_jit
def _converted(adc: AbstractADC, x: Array, key: Array | None) -> Conversion:
    low, high = like(adc.low, x), like(adc.high, x)
    v = (x - low) / (high - low)
    code, level = adc.decide(lax.stop_gradient(jnp.clip(v, -1, 2)), high - low, key=key)
    inside = (v >= 0) & (v <= 1)
    left = jnp.where(inside, v - level, jnp.zeros_like(v)) * adc.steps
    code = straight(jnp.where(jnp.isnan(x), x, code), left)
    return Conversion(code, low + (code + 0.5) * (high - low) / adc.steps, ~inside & ~jnp.isnan(x))


class IdealADC(AbstractADC):
    """A converter without errors but `offset` and `noise`, in one period of the clock."""

    @property
    def cycles(self) -> int:
        """One."""
        return 1

    def decide(self, v: Array, span: Array, *, key: Array | None) -> tuple[Array, Array]:
        """As of `AbstractADC`."""
        offset = like(self.offset, v) / span
        seen = lax.stop_gradient(v - offset + drawn_part(self, v, span, key))
        code = jnp.clip(jnp.floor(seen * self.steps), 0, self.steps - 1)
        return code, offset + (code + 0.5) / self.steps


def drawn_part(adc: AbstractADC, v: Array, span: Array, key: Array | None) -> Array:
    """Noise of one decision for each input, as a part of the range, of the shape of v.

    Args:
        adc: whose noise. v: inputs. span: of the range. key: or None for none.
    """
    return drawn(key, v.shape, like(adc.noise, v) / span)
