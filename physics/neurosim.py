"""Conductance over pulse number as NeuroSim tells it: one label of nonlinearity, `NeuroSim` and `BENCHMARKS`.

    G(P) = G_min + (G_max - G_min) (1 - e^(-P/A))/(1 - e^(-P_max/A)),   s = P_max/A

The label NL of a curve is 10.10151 times the largest distance of the normalised curve from the straight line. With
b = 1/(1 - e^-s) that is largest at x = ln(b s)/s, so NL = 10.10151 [b - 1/s - ln(b s)/s]: smooth, odd and increasing
in s, inverted here as an implicit equation and differentiable both ways. It stands for the table of NeuroSim.

P.-Y. Chen, X. Peng and S. Yu, IEEE Trans. Comput.-Aided Des. 37, 3067 (2018), 10.1109/TCAD.2018.2789723; numbers of
BENCHMARKS: manual of MLP+NeuroSim V3.0, tables I and II. The closed form is ours.
"""

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.device import check_values
from physics.implicit import solve_increasing
from physics.quantity import Param, quantity, with_values

Real = Float[Array, "..."]
LABEL = 10.1015145
"""NL of a curve that jumps; from the table of NeuroSim, which tells seven digits of it."""
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)


def nonlinearity(steepness: Real) -> Real:
    """NL of s = P_max/A."""
    size = jnp.abs(steepness)
    small = size < 1
    s = jnp.where(small, jnp.ones_like(size), size)
    b = -1 / jnp.expm1(-s)
    exact = jnp.sign(steepness) * (b - (1 + jnp.log(b * s)) / s)
    # The sum of B_2k (1 + 1/2k) s^(2k-1)/(2k)!, where the terms of the exact form cancel.
    series, near, factor = jnp.zeros_like(size), jnp.where(small, steepness, jnp.zeros_like(size)), 1.0
    power = near
    for k, bernoulli in enumerate(_BERNOULLI, start=1):
        factor /= (2 * k - 1) * (2 * k)
        series = series + bernoulli * (1 + 1 / (2 * k)) * factor * power
        power = power * near * near
    return LABEL * jnp.where(small, series, exact)


def steepness_of(label: Real) -> Real:
    """s = P_max/A of NL, |NL| < 10; zero for a straight line."""

    def solve(nl):
        end = jnp.full_like(nl, 1e3)
        return solve_increasing(lambda s: nonlinearity(s) - nl, -end, end, start=nl * (8 / LABEL))

    return jnp.vectorize(solve)(label)


def rise(p: Real, steepness: Real) -> Real:
    """(1 - e^(-s p))/(1 - e^-s): the share of the range after a share p of the pulses."""
    straight = jnp.abs(steepness) < 1e-5
    s = jnp.where(straight, jnp.ones_like(steepness), steepness)
    curved = jnp.expm1(-s * p) / jnp.expm1(-s)
    return jnp.where(straight, p * (1 + 0.5 * steepness * (1 - p)), curved)


def write_energy(v: Real, g_old: Real, g_new: Real, width: Real, pulses: Real, c_wire: Real) -> Real:
    """V^2 [(G_old + G_new)/2 t_p + C_wire] N (J): N pulses of a height (V) and a width (s), wires included."""
    return v * v * (0.5 * (g_old + g_new) * width + c_wire) * pulses


def gate_write_energy(v: Real, c_gate: Real, c_wire: Real, pulses: Real) -> Real:
    """V^2 (C_gate + C_wire) N (J): pulses on a gate that takes no current."""
    return v * v * (c_gate + c_wire) * pulses


class NeuroSim(eqx.Module):
    """G(P) = G_min + (G_max - G_min) (1 - e^(-s P/P_max))/(1 - e^-s), a curve for each direction.

    The curve down is drawn mirrored, G(P_max - P) after P pulses down from G_max, with its own label: NL < 0 is fast
    first and saturates, as NL > 0 does upwards; with NL > 0 it goes back the way that it came. A pulse is one step of
    its curve from any G, exactly, which does not need P: A ln(1 - ...) has no value beyond the ends of the curve.
    """

    ordered: ClassVar[tuple[tuple[str, str], ...]] = (("g_min", "g_max"),)
    g_min: Param = quantity(3.0769e-9, "S", (1e-12, 1e-2), scale="log", doc="lowest G", source="Ag:a-Si of NeuroSim")
    g_max: Param = quantity(3.8462e-8, "S", (1e-12, 1.0), scale="log", doc="highest G", source="Ag:a-Si of NeuroSim")
    p_ltp: Param = quantity(97.0, "1", (1.0, 1e6), scale="log", doc="pulses up the range", source="Ag:a-Si of NeuroSim")
    p_ltd: Param = quantity(100.0, "1", (1.0, 1e6), scale="log", doc="pulses down", source="Ag:a-Si of NeuroSim")
    nl_ltp: Param = quantity(2.4, "1", (-9.0, 9.0), doc="label up", source="Ag:a-Si of NeuroSim")
    nl_ltd: Param = quantity(-4.88, "1", (-9.0, 9.0), doc="label down", source="Ag:a-Si of NeuroSim")
    c2c: Param = quantity(0.035, "1", (0.0, 0.5), doc="scatter of a pulse over the range", source="Ag:a-Si of NeuroSim")
    d2d: Param = quantity(0.0, "1", (0.0, 3.0), doc="spread of both labels", source="chosen: none")

    def __check_init__(self) -> None:
        check_values(self)

    def potentiated(self, p: Real) -> Real:
        """G (S) after p pulses up from g_min."""
        return self._siemens(rise(p / self.p_ltp, steepness_of(self.nl_ltp)))

    def depressed(self, p: Real) -> Real:
        """G (S) after p pulses down from g_max."""
        return self._siemens(rise(1 - p / self.p_ltd, steepness_of(self.nl_ltd)))

    def pulse(self, g: Real, sign: Real, noise: Real) -> Real:
        """G (S) after one pulse, up for sign > 0, down for sign < 0; `noise` is standard normal.

        As |sign| pulses without noise, and noise of its root: a batch of pulses is one call.
        """
        y = (g - self.g_min) / (self.g_max - self.g_min)
        up = _moved(y, jnp.maximum(sign, 0.0) / self.p_ltp, steepness_of(self.nl_ltp))
        both = _moved(up, jnp.minimum(sign, 0.0) / self.p_ltd, steepness_of(self.nl_ltd))
        count = jnp.abs(sign)
        # The slope of a root is infinite at zero.
        several = jnp.sqrt(jnp.where(count > 0, count, jnp.ones_like(count)))
        scatter = self.c2c * jnp.where(count > 0, several, jnp.zeros_like(count))
        return self._siemens(jnp.clip(both + scatter * noise, 0.0, 1.0))

    def sample(self, key: Array, shape: tuple[int, ...] = ()) -> "NeuroSim":
        """Devices whose labels scatter by d2d."""
        one, two = jax.random.split(key)
        drawn = lambda nl, k: jnp.clip(nl + self.d2d * jax.random.normal(k, shape, nl.dtype), -9.0, 9.0)  # noqa: E731
        return with_values(self, {"nl_ltp": drawn(self.nl_ltp, one), "nl_ltd": drawn(self.nl_ltd, two)})

    def _siemens(self, share: Real) -> Real:
        return self.g_min + (self.g_max - self.g_min) * share


def _moved(y: Real, p: Real, steepness: Real) -> Real:
    """The share y, a share p of all pulses further on its curve (back for p < 0)."""
    return y + rise(p, steepness) + y * jnp.expm1(-steepness * p)


class Benchmark(NamedTuple):
    """A device of the manual: states, labels up and down, R_on (ohm), on/off, pulses (V, s), scatter of a pulse.

    v_up, v_down: of the first pulse or the average where amplitudes differ. c2c: "< 1 %" stands here as 0.01.
    """

    states: int
    nl_ltp: float
    nl_ltd: float
    r_on: float
    on_off: float
    v_up: float
    t_up: float
    v_down: float
    t_down: float
    c2c: float

    def device(self) -> NeuroSim:
        """The device of these numbers."""
        g_max, pulses = 1 / self.r_on, float(self.states - 1)
        labels = dict(nl_ltp=self.nl_ltp, nl_ltd=self.nl_ltd, c2c=self.c2c)
        own = dict(g_min=g_max / self.on_off, g_max=g_max, p_ltp=pulses, p_ltd=pulses)
        return with_values(NeuroSim(), own | labels)


BENCHMARKS = {
    "Ag:a-Si": Benchmark(97, 2.4, -4.88, 26e6, 12.5, 3.2, 300e-6, -2.8, 300e-6, 0.035),
    "TaOx/TiO2": Benchmark(102, 1.85, -1.79, 5e6, 2.0, 3.0, 40e-3, -3.0, 10e-3, 0.01),
    "TaOx/HfOx": Benchmark(128, 0.04, -0.63, 100e3, 10.0, 1.6, 50e-9, 1.6, 50e-9, 0.037),
    "PCMO": Benchmark(50, 3.68, -6.76, 23e6, 6.84, -2.0, 1e-3, 2.0, 1e-3, 0.01),
    "AlOx/HfO2": Benchmark(40, 1.94, -0.61, 16.9e3, 4.43, 0.9, 100e-6, -1.0, 100e-6, 0.05),
    "GST PCM": Benchmark(100, 0.105, 2.4, 4.71e3, 19.8, 0.7, 6e-6, 3.0, 125e-9, 0.015),
    "EpiRAM": Benchmark(64, 0.5, -0.5, 81e3, 50.2, 5.0, 5e-6, -3.0, 5e-6, 0.02),
    "HZO FeFET": Benchmark(32, 1.75, 1.46, 559.28e3, 45.0, 3.65, 75e-9, -2.95, 75e-9, 0.005),
    "STT-MRAM": Benchmark(2, 0.0, 0.0, 3.5e3, 2.3, 1.0, 10e-9, 1.0, 10e-9, 0.0),
}
"""By the names of the manual. GST PCM has 100 to 120 states; a magnetic cell has no label, which is 0 here."""
