"""The adaptive exponential integrate-and-fire neuron, with published sets of parameters."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from neurojax.neurons.neuron import AbstractIntegrateAndFire, Seconds, filled, integrated, known_scheme
from neurojax.neurons.surrogate import AbstractSurrogate, SuperSpike
from physics.quantity import Param, quantity, suggest
from physics.smooth import limexp

Real = Float[Array, "..."]
_BRETTE = "10.1152/jn.00686.2005"
_BEYOND = 2.0
"""By how many slope factors above the peak the exponential still grows."""

ADEX_FIELDS = ("c", "g_leak", "e_leak", "v_t", "delta_t", "a", "tau_w", "b", "v_reset", "v_peak", "current")
ADEX: dict[str, tuple[float, ...]] = {
    "regular": (281e-12, 30e-9, -70.6e-3, -50.4e-3, 2e-3, 4e-9, 144e-3, 80.5e-12, -70.6e-3, 20e-3, 1e-9),
    "tonic": (200e-12, 10e-9, -70e-3, -50e-3, 2e-3, 2e-9, 30e-3, 0.0, -58e-3, 0.0, 500e-12),
    "adapting": (200e-12, 12e-9, -70e-3, -50e-3, 2e-3, 2e-9, 300e-3, 60e-12, -58e-3, 0.0, 500e-12),
    "initial burst": (130e-12, 18e-9, -58e-3, -50e-3, 2e-3, 4e-9, 150e-3, 120e-12, -50e-3, 0.0, 400e-12),
    "regular bursting": (200e-12, 10e-9, -58e-3, -50e-3, 2e-3, 2e-9, 120e-3, 100e-12, -46e-3, 0.0, 210e-12),
    "delayed accelerating": (200e-12, 12e-9, -70e-3, -50e-3, 2e-3, -10e-9, 300e-3, 0.0, -58e-3, 0.0, 300e-12),
    "delayed bursting": (100e-12, 10e-9, -65e-3, -50e-3, 2e-3, -10e-9, 90e-3, 30e-12, -47e-3, 0.0, 110e-12),
    "transient": (100e-12, 10e-9, -65e-3, -50e-3, 2e-3, 10e-9, 90e-3, 100e-12, -47e-3, 0.0, 180e-12),
    "irregular": (100e-12, 12e-9, -60e-3, -50e-3, 2e-3, -11e-9, 130e-3, 30e-12, -48e-3, 0.0, 160e-12),
}
"""Values of `ADEX_FIELDS`: "regular" of Brette and Gerstner 2005 (its current is chosen), the rest of Naud 2008."""


class AdEx(AbstractIntegrateAndFire):
    """C V' = -g_L (V - E_L) + g_L Delta_T exp((V - V_T)/Delta_T) - w + I,  tau_w w' = a (V - E_L) - w.

    A spike where V reaches v_peak: V <- V_r, w <- w + b. R. Brette and W. Gerstner, J. Neurophysiol. 94, 3637 (2005),
    10.1152/jn.00686.2005. Above v_peak, where only the last step of a spike gets, the exponential soon ends to grow and
    w no longer sees V: what is there is reset, and nothing overflows. Steps are explicit Euler or "rk4".
    """

    class State(eqx.Module):
        v: Real
        w: Real

    c: Param = quantity(281e-12, "F", (1e-13, 1e-8), scale="log", doc="C, capacitance", source=_BRETTE)
    g_leak: Param = quantity(30e-9, "S", (1e-11, 1e-6), scale="log", doc="g_L, leak", source=_BRETTE)
    e_leak: Param = quantity(-70.6e-3, "V", (-0.1, -0.03), doc="E_L, rest but for the exponential", source=_BRETTE)
    v_t: Param = quantity(-50.4e-3, "V", (-0.08, 0.0), doc="V_T, threshold", source=_BRETTE)
    delta_t: Param = quantity(2e-3, "V", (2e-4, 2e-2), scale="log", doc="Delta_T, slope factor", source=_BRETTE)
    a: Param = quantity(4e-9, "S", (-1e-6, 1e-6), doc="adaptation by voltage", source=_BRETTE)
    tau_w: Param = quantity(144e-3, "s", (1e-3, 10.0), scale="log", doc="of the adaptation", source=_BRETTE)
    b: Param = quantity(80.5e-12, "A", (0.0, 1e-8), doc="rise of w at a spike", source=_BRETTE)
    v_reset: Param = quantity(-70.6e-3, "V", (-0.1, 0.0), doc="V_r, after a spike", source=_BRETTE)
    v_peak: Param = quantity(20e-3, "V", (-0.04, 0.1), doc="top of a spike", source=_BRETTE, free=False)
    surrogate: AbstractSurrogate = eqx.field(default_factory=SuperSpike)
    scheme: str = eqx.field(default="euler", static=True, converter=known_scheme)
    detach: bool = eqx.field(default=True, static=True)

    def init(self, shape: tuple[int, ...] = ()) -> State:
        """V = E_L, w = 0."""
        v = filled(self.e_leak, shape)
        return self.State(v, jnp.zeros_like(v))

    def voltage(self, state: State) -> Real:
        """V (V) of a `state`."""
        return state.v

    def rate(self, state: State, current: Real) -> State:
        """V' (V/s) and w' (A/s) under a current (A)."""
        x, top = (state.v - self.v_t) / self.delta_t, (self.v_peak - self.v_t) / self.delta_t + _BEYOND
        leak = self.e_leak - state.v + self.delta_t * limexp(jnp.minimum(x, top))
        bound = jnp.minimum(state.v, self.v_peak + _BEYOND * self.delta_t)
        v = (self.g_leak * leak - state.w + current) / self.c
        return self.State(v, (self.a * (bound - self.e_leak) - state.w) / self.tau_w)

    def excess(self, state: State) -> Real:
        """V - v_peak (V)."""
        return state.v - self.v_peak

    def span(self) -> Real:
        """v_peak - V_r (V)."""
        return self.v_peak - self.v_reset

    def advance(self, state: State, current: Real, dt: Seconds) -> tuple[State, Bool[Array, "..."]]:
        """One step of the scheme; never refractory."""
        moved = integrated(self.rate, state, current, dt, self.scheme)
        return moved, jnp.ones_like(moved.v, bool)

    def reset(self, state: State) -> State:
        """V_r, and w + b."""
        return self.State(filled(self.v_reset, state.v.shape), state.w + self.b)

    def rest(self, state: State) -> tuple[State, Real]:
        """The reset, at once."""
        after = self.reset(state)
        return after, jnp.zeros_like(after.v)


def adex_neuron(kind: str = "regular") -> AdEx:
    """A neuron of one of the firing patterns of `ADEX`, which show at `adex_current(kind)`.

    R. Naud, N. Marcille, C. Clopath and W. Gerstner, Biol. Cybern. 99, 335 (2008), 10.1007/s00422-008-0264-7, table 1.

    Args:
        kind: "regular", "tonic", "adapting", "initial burst", "regular bursting", "delayed accelerating", "delayed
            bursting", "transient" or "irregular".

    Raises:
        ValueError: another name.
    """
    if kind not in ADEX:
        raise ValueError(f"there is no firing pattern {kind!r}.{suggest(kind, tuple(ADEX))}")
    values = [jnp.asarray(value, jnp.result_type(float)) for value in ADEX[kind]]
    return AdEx(**dict(zip(ADEX_FIELDS[:-1], values[:-1], strict=True)))


def adex_current(kind: str = "regular") -> float:
    """The constant current (A) under which a pattern of `ADEX` shows.

    Args:
        kind: as in `adex_neuron`.

    Raises:
        ValueError: another name.
    """
    if kind not in ADEX:
        raise ValueError(f"there is no firing pattern {kind!r}.{suggest(kind, tuple(ADEX))}")
    return ADEX[kind][-1]
