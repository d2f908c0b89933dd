"""The neuron of Izhikevich: two equations and a reset, and most of what cortical neurons do."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from neurojax.neurons.neuron import AbstractIntegrateAndFire, Seconds, filled, integrated, known_scheme
from neurojax.neurons.surrogate import AbstractSurrogate, SuperSpike
from physics.quantity import Param, quantity, suggest

Real = Float[Array, "..."]
_DOI = "10.1109/TNN.2003.820440"

IZHIKEVICH: dict[str, tuple[float, float, float, float]] = {
    "RS": (20.0, 200.0, -65e-3, 8.0),
    "IB": (20.0, 200.0, -55e-3, 4.0),
    "CH": (20.0, 200.0, -50e-3, 2.0),
    "FS": (100.0, 200.0, -65e-3, 2.0),
    "LTS": (20.0, 250.0, -65e-3, 2.0),
}
"""a, b (1/s), c (V), d (V/s): regular spiking, intrinsically bursting, chattering, fast spiking, low threshold."""


class Izhikevich(AbstractIntegrateAndFire):
    """v' = k2 v^2 + k1 v + k0 - u + I,  u' = a (b v - u);  where v >= v_peak: v <- c, u <- u + d.

    The equations of the paper, whose numbers are in mV and ms, in V and s: u, d and the current are in V/s, 1 V/s
    being its 1 mV/ms. Steps are explicit Euler, both variables from the old ones and then the reset, or "rk4"; counts
    of spikes depend on the scheme and its step. E. M. Izhikevich, IEEE Trans. Neural Netw. 14, 1569 (2003),
    10.1109/TNN.2003.820440.
    """

    class State(eqx.Module):
        v: Real
        u: Real

    a: Param = quantity(20.0, "1/s", (0.1, 1e3), scale="log", doc="speed of recovery", source=_DOI)
    b: Param = quantity(200.0, "1/s", (-1e3, 1e3), doc="recovery by voltage", source=_DOI)
    c: Param = quantity(-65e-3, "V", (-0.1, 0.0), doc="v after a spike", source=_DOI)
    d: Param = quantity(8.0, "V/s", (-20.0, 50.0), doc="rise of u at a spike", source=_DOI)
    k2: Param = quantity(4e4, "1/(V s)", (1e3, 1e6), scale="log", doc="of v^2", source=_DOI, free=False)
    k1: Param = quantity(5e3, "1/s", (1e2, 1e5), scale="log", doc="of v", source=_DOI, free=False)
    k0: Param = quantity(140.0, "V/s", (1.0, 1e3), scale="log", doc="constant", source=_DOI, free=False)
    v_peak: Param = quantity(30e-3, "V", (0.0, 0.1), doc="top of a spike", source=_DOI, free=False)
    v_init: Param = quantity(-65e-3, "V", (-0.1, 0.0), doc="first v; the first u is b v", source=_DOI, free=False)
    surrogate: AbstractSurrogate = eqx.field(default_factory=SuperSpike)
    scheme: str = eqx.field(default="euler", static=True, converter=known_scheme)
    detach: bool = eqx.field(default=True, static=True)

    def init(self, shape: tuple[int, ...] = ()) -> State:
        """v_init, and u = b v."""
        v, b = filled(self.v_init, shape), filled(self.b, shape)
        v, b = filled(v, b.shape), filled(b, v.shape)
        return self.State(v, b * v)

    def voltage(self, state: State) -> Real:
        """v (V) of a `state`."""
        return state.v

    def rate(self, state: State, current: Real) -> State:
        """v' (V/s) and u' (V/s2) under a current (V/s)."""
        v = self.k2 * state.v * state.v + self.k1 * state.v + self.k0 - state.u + current
        return self.State(v, self.a * (self.b * state.v - state.u))

    def excess(self, state: State) -> Real:
        """v - v_peak (V)."""
        return state.v - self.v_peak

    def span(self) -> Real:
        """v_peak - c (V)."""
        return self.v_peak - self.c

    def advance(self, state: State, current: Real, dt: Seconds) -> tuple[State, Bool[Array, "..."]]:
        """One step of the scheme; never refractory."""
        moved = integrated(self.rate, state, current, dt, self.scheme)
        return moved, jnp.ones_like(moved.v, bool)

    def reset(self, state: State) -> State:
        """c, and u + d."""
        return self.State(filled(self.c, state.v.shape), state.u + self.d)

    def rest(self, state: State) -> tuple[State, Real]:
        """The reset, at once."""
        after = self.reset(state)
        return after, jnp.zeros_like(after.v)


def izhikevich_neuron(kind: str = "RS") -> Izhikevich:
    """A neuron of one of the classes of `IZHIKEVICH`.

    Args:
        kind: "RS", "IB", "CH", "FS" or "LTS".

    Raises:
        ValueError: another name.
    """
    if kind not in IZHIKEVICH:
        raise ValueError(f"there is no class {kind!r}.{suggest(kind, tuple(IZHIKEVICH))}")
    a, b, c, d = (jnp.asarray(value, jnp.result_type(float)) for value in IZHIKEVICH[kind])
    return Izhikevich(a=a, b=b, c=c, d=d)
