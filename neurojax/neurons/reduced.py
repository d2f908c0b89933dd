"""Neurons of one and two variables without biophysical detail: theta, FitzHugh and Nagumo, Morris and Lecar."""

import math

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from neurojax.neurons.neuron import (
    AbstractExcitable,
    AbstractIntegrateAndFire,
    Seconds,
    filled,
    integrated,
    known_scheme,
)
from neurojax.neurons.surrogate import AbstractSurrogate, SuperSpike
from physics.quantity import Param, quantity

Real = Float[Array, "..."]
_ML = "Hopf set of Rinzel and Ermentrout; table 3.1 of 10.1007/978-0-387-87708-2"
_FHN = "10.1016/S0006-3495(61)86902-6, usual values"


class Theta(AbstractIntegrateAndFire):
    """tau theta' = 1 - cos theta + (1 + cos theta) I; a spike where theta passes pi, and theta <- theta - 2 pi.

    The quadratic neuron tau V' = V^2 + I on a circle, V = tan(theta/2), from minus to plus infinity without a
    singularity; f = sqrt(I)/(pi tau) for I > 0. G. B. Ermentrout and N. Kopell, SIAM J. Appl. Math. 46, 233 (1986),
    10.1137/0146017.
    """

    class State(eqx.Module):
        theta: Real

    tau: Param = quantity(10e-3, "s", (1e-5, 1.0), scale="log", doc="unit of time", source="chosen")
    surrogate: AbstractSurrogate = eqx.field(default_factory=SuperSpike)
    scheme: str = eqx.field(default="rk4", static=True, converter=known_scheme)
    detach: bool = eqx.field(default=True, static=True)

    def init(self, shape: tuple[int, ...] = ()) -> State:
        """theta = 0, that is V = 0, where it rests without current."""
        return self.State(filled(jnp.zeros_like(self.tau), shape))

    def voltage(self, state: State) -> Real:
        """theta (rad), from -pi to pi."""
        return state.theta

    def rate(self, state: State, current: Real) -> State:
        """theta' (1/s) under a current (1)."""
        cosine = jnp.cos(state.theta)
        return self.State((1 - cosine + (1 + cosine) * current) / self.tau)

    def excess(self, state: State) -> Real:
        """theta - pi (rad)."""
        return state.theta - math.pi

    def span(self) -> Real:
        """pi (rad), half a turn."""
        return jnp.full_like(self.tau, math.pi)

    def advance(self, state: State, current: Real, dt: Seconds) -> tuple[State, Bool[Array, "..."]]:
        """One step of the scheme; never refractory."""
        moved = integrated(self.rate, state, current, dt, self.scheme)
        return moved, jnp.ones_like(moved.theta, bool)

    def reset(self, state: State) -> State:
        """The same point of the circle."""
        return self.State(state.theta - 2 * math.pi)

    def rest(self, state: State) -> tuple[State, Real]:
        """The same point of the circle, at once."""
        return self.reset(state), jnp.zeros_like(state.theta)


class FitzHughNagumo(AbstractExcitable):
    """tau v' = v - v^3/3 - w + I,  tau w' = epsilon (v + a - b w); v, w and I are pure numbers.

    R. FitzHugh, Biophys. J. 1, 445 (1961), 10.1016/S0006-3495(61)86902-6; J. Nagumo, S. Arimoto and S. Yoshizawa, Proc.
    IRE 50, 2061 (1962), 10.1109/JRPROC.1962.288235. Rest loses stability where v^2 = 1 - epsilon b, for the usual
    values at I = 0.331286.
    """

    class State(eqx.Module):
        v: Real
        w: Real

    a: Param = quantity(0.7, "1", (-2.0, 2.0), doc="offset", source=_FHN)
    b: Param = quantity(0.8, "1", (0.0, 2.0), doc="recovery of w", source=_FHN)
    epsilon: Param = quantity(0.08, "1", (1e-3, 1.0), scale="log", doc="slowness of w", source=_FHN)
    tau: Param = quantity(1e-3, "s", (1e-9, 10.0), scale="log", doc="unit of time", source="chosen")
    v_init: Param = quantity(-1.199408, "1", (-3.0, 3.0), doc="rest at I = 0", source="computed", free=False)
    v_spike: Param = quantity(1.0, "1", (-2.0, 2.0), doc="level of a spike", source="chosen", free=False)
    surrogate: AbstractSurrogate = eqx.field(default_factory=SuperSpike)
    scheme: str = eqx.field(default="rk4", static=True, converter=known_scheme)

    def init(self, shape: tuple[int, ...] = ()) -> State:
        """v_init, and w in balance with it."""
        v = filled(self.v_init, shape)
        return self.State(v, v - v * v * v / 3)

    def voltage(self, state: State) -> Real:
        """v of a `state`, without a unit."""
        return state.v

    def rate(self, state: State, current: Real) -> State:
        """v' and w' (1/s) under a current (1)."""
        v = state.v - state.v * state.v * state.v / 3 - state.w + current
        return self.State(v / self.tau, self.epsilon * (state.v + self.a - self.b * state.w) / self.tau)

    def excess(self, state: State) -> Real:
        """v - v_spike (1)."""
        return state.v - self.v_spike

    def span(self) -> Real:
        """Two, half of what v moves."""
        return jnp.full_like(self.v_spike, 2.0)


class MorrisLecar(AbstractExcitable):
    """C V' = I - g_Ca m (V - E_Ca) - g_K w (V - E_K) - g_L (V - E_L),  w' = phi cosh((V - v3)/(2 v4)) (w_inf - w).

        m = [1 + tanh((V - v1)/v2)]/2      w_inf = [1 + tanh((V - v3)/v4)]/2

    C. Morris and H. Lecar, Biophys. J. 35, 193 (1981), 10.1016/S0006-3495(81)84782-0. The default begins to oscillate
    by a Hopf bifurcation (class 2); with g_ca 40, v3 12e-3, v4 17.4e-3 and phi 66.7 from frequency zero (class 1).
    """

    class State(eqx.Module):
        v: Real
        w: Real

    c: Param = quantity(0.2, "F/m2", (1e-3, 1.0), scale="log", doc="C, capacitance", source=_ML)
    g_ca: Param = quantity(44.0, "S/m2", (1.0, 1e3), scale="log", doc="of calcium", source=_ML)
    g_k: Param = quantity(80.0, "S/m2", (1.0, 1e3), scale="log", doc="of potassium", source=_ML)
    g_leak: Param = quantity(20.0, "S/m2", (0.1, 1e3), scale="log", doc="leak", source=_ML)
    e_ca: Param = quantity(0.12, "V", (0.0, 0.2), doc="battery of calcium", source=_ML)
    e_k: Param = quantity(-84e-3, "V", (-0.12, 0.0), doc="battery of potassium", source=_ML)
    e_leak: Param = quantity(-60e-3, "V", (-0.1, 0.0), doc="battery of the leak", source=_ML)
    v1: Param = quantity(-1.2e-3, "V", (-0.05, 0.05), doc="half of m", source=_ML)
    v2: Param = quantity(18e-3, "V", (2e-3, 0.1), scale="log", doc="width of m", source=_ML)
    v3: Param = quantity(2e-3, "V", (-0.05, 0.05), doc="half of w", source=_ML)
    v4: Param = quantity(30e-3, "V", (2e-3, 0.1), scale="log", doc="width of w", source=_ML)
    phi: Param = quantity(40.0, "1/s", (1.0, 1e3), scale="log", doc="speed of w", source=_ML)
    v_init: Param = quantity(-60.9e-3, "V", (-0.1, 0.0), doc="about rest at I = 0", source="computed", free=False)
    v_spike: Param = quantity(0.0, "V", (-0.05, 0.05), doc="level of a spike", source="chosen", free=False)
    v_span: Param = quantity(0.1, "V", (1e-3, 1.0), scale="log", doc="of the surrogate", source="chosen", free=False)
    surrogate: AbstractSurrogate = eqx.field(default_factory=SuperSpike)
    scheme: str = eqx.field(default="rk4", static=True, converter=known_scheme)

    def _open(self, v: Real) -> Real:
        return (1 + jnp.tanh((v - self.v3) / self.v4)) / 2

    def init(self, shape: tuple[int, ...] = ()) -> State:
        """v_init, and w in balance with it."""
        v = filled(self.v_init, shape)
        return self.State(v, self._open(v))

    def voltage(self, state: State) -> Real:
        """V (V) of a `state`."""
        return state.v

    def rate(self, state: State, current: Real) -> State:
        """V' (V/s) and w' (1/s) under a current (A/m2)."""
        v, w = state.v, state.w
        calcium = self.g_ca * (1 + jnp.tanh((v - self.v1) / self.v2)) / 2 * (v - self.e_ca)
        out = calcium + self.g_k * w * (v - self.e_k) + self.g_leak * (v - self.e_leak)
        speed = self.phi * jnp.cosh((v - self.v3) / (2 * self.v4))
        return self.State((current - out) / self.c, speed * (self._open(v) - w))

    def excess(self, state: State) -> Real:
        """V - v_spike (V)."""
        return state.v - self.v_spike

    def span(self) -> Real:
        """v_span (V), chosen for the surrogate."""
        return self.v_span
