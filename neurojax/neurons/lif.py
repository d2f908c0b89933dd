"""The leaky integrate-and-fire neuron, and the one whose threshold rises with each spike. Steps are exact."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from neurojax.neurons.neuron import AbstractIntegrateAndFire, Seconds, filled
from neurojax.neurons.surrogate import AbstractSurrogate, SuperSpike, Triangle
from physics.quantity import Param, quantity

Real = Float[Array, "..."]
_LSNN = "code of arXiv:1803.09574, sequential MNIST"


def _tau() -> Any:
    return quantity(20e-3, "s", (1e-4, 1.0), scale="log", doc="tau, of the membrane", source="chosen")


def _resistance() -> Any:
    return quantity(1e7, "ohm", (1e3, 1e10), scale="log", doc="R, of the membrane", source="chosen")


def _potential(value: float, doc: str) -> Any:
    return quantity(value, "V", (-0.2, 0.2), doc=doc, source="chosen")


def _t_ref() -> Any:
    return quantity(2e-3, "s", (0.0, 0.1), doc="refractory time", source="chosen")


def reset_rule(rule: str) -> str:
    """`rule`, if there is such a one.

    Args:
        rule: "value" or "subtract".

    Raises:
        ValueError: another name.
    """
    if rule not in ("value", "subtract"):
        raise ValueError(f"reset_by {rule!r} is not known; there are 'value' and 'subtract'.")
    return rule


class LIF(AbstractIntegrateAndFire):
    """tau V' = -(V - E_L) + R I; a spike at V_th, reset to V_r, then t_ref without motion.

    Between spikes a step is exact for the current held in it, a spike falls on the end of its step. Reset by "value"
    sets V_r, by "subtract" takes V_th - V_r away, which keeps what a step overshoots. No gradient reaches t_ref in
    steps (it counts them); `spike_times` is exact and has that gradient, too. W. Gerstner, W. M. Kistler, R. Naud and
    L. Paninski, Neuronal Dynamics (2014), 10.1017/CBO9781107447615.
    """

    class State(eqx.Module):
        v: Real
        wait: Real

    tau: Param = _tau()
    r: Param = _resistance()
    e_leak: Param = _potential(-65e-3, "E_L, rest")
    v_th: Param = _potential(-50e-3, "V_th, threshold")
    v_reset: Param = _potential(-65e-3, "V_r, after a spike")
    t_ref: Param = _t_ref()
    surrogate: AbstractSurrogate = eqx.field(default_factory=SuperSpike)
    reset_by: str = eqx.field(default="value", static=True, converter=reset_rule)
    detach: bool = eqx.field(default=True, static=True)

    def init(self, shape: tuple[int, ...] = ()) -> State:
        """At rest, not refractory."""
        v = filled(self.e_leak, shape)
        return self.State(v, jnp.zeros_like(v))

    def voltage(self, state: State) -> Real:
        """V (V) of a `state`."""
        return state.v

    def rate(self, state: State, current: Real) -> State:
        """V' (V/s) under a current (A), when not refractory."""
        return self.State((self.e_leak - state.v + self.r * current) / self.tau, jnp.zeros_like(state.v))

    def excess(self, state: State) -> Real:
        """V - V_th (V)."""
        return state.v - self.v_th

    def span(self) -> Real:
        """V_th - E_L (V)."""
        return self.v_th - self.e_leak

    def advance(self, state: State, current: Real, dt: Seconds) -> tuple[State, Bool[Array, "..."]]:
        """The exact solution over dt under a constant current (A)."""
        v, ready, wait = membrane(state.v, state.wait, self.e_leak + self.r * current, self.tau, dt)
        return self.State(v, wait), ready

    def reset(self, state: State) -> State:
        """V_r, or V - (V_th - V_r)."""
        v = filled(self.v_reset, state.v.shape) if self.reset_by == "value" else state.v - (self.v_th - self.v_reset)
        return self.State(v, filled(self.t_ref, v.shape))

    def rest(self, state: State) -> tuple[State, Real]:
        """Of the same voltage, t_ref later."""
        after = self.reset(state)
        return self.State(after.v, jnp.zeros_like(after.wait)), self.t_ref

    def frequency(self, current: Real) -> Real:
        """f = 1/[t_ref + tau ln((E_L + R I - V_r)/(E_L + R I - V_th))] (Hz) under a constant current (A); 0 below."""
        end = self.e_leak + self.r * current
        return jnp.where(end > self.v_th, 1 / (self.t_ref + self.delay(self.v_reset, end)), jnp.zeros_like(end))

    def delay(self, v: Real, end: Real) -> Real:
        """tau ln((end - v)/(end - V_th)), the time (s) from v to V_th on the way to `end` (V); inf if it is not met."""
        met, above = end > self.v_th, v >= self.v_th
        one = jnp.ones_like(end + v)
        gap = jnp.where(met & ~above, end - v, one)
        part = jnp.where(met & ~above, (self.v_th - v) / gap, one / 2)
        on_the_way = jnp.where(met, -self.tau * jnp.log1p(-part), jnp.inf * one)
        return jnp.where(above, jnp.zeros_like(one), on_the_way)


class ALIF(AbstractIntegrateAndFire):
    """A leaky integrate-and-fire neuron whose threshold V_th + w rises by `jump` with each spike and relaxes.

        tau V' = -(V - E_L) + R I      tau_a w' = -w      at V = V_th + w:  V <- V - (V_th + w - V_r),  w <- w + jump

    The adaptive neuron of G. Bellec, D. Salaj, A. Subramoney, R. Legenstein and W. Maass, NeurIPS 31 (2018),
    arXiv:1803.09574, in continuous time: jump is their beta (1 - exp(-dt/tau_a)) for their dt of 1 ms. The surrogate's
    span is V_th - E_L, not the moving threshold. Reset by subtraction as theirs, or by "value".
    """

    class State(eqx.Module):
        v: Real
        w: Real
        wait: Real

    tau: Param = _tau()
    r: Param = _resistance()
    e_leak: Param = _potential(-65e-3, "E_L, rest")
    v_th: Param = _potential(-50e-3, "V_th, threshold at rest")
    v_reset: Param = _potential(-65e-3, "V_r, after a spike")
    t_ref: Param = _t_ref()
    tau_a: Param = quantity(0.7, "s", (1e-3, 100.0), scale="log", doc="of the threshold", source=_LSNN)
    jump: Param = quantity(4e-3, "V", (0.0, 0.1), doc="rise of the threshold at a spike", source=f"scaled, {_LSNN}")
    surrogate: AbstractSurrogate = eqx.field(default_factory=Triangle)
    reset_by: str = eqx.field(default="subtract", static=True, converter=reset_rule)
    detach: bool = eqx.field(default=True, static=True)

    def init(self, shape: tuple[int, ...] = ()) -> State:
        """At rest, not adapted, not refractory."""
        v = filled(self.e_leak, shape)
        return self.State(v, jnp.zeros_like(v), jnp.zeros_like(v))

    def voltage(self, state: State) -> Real:
        """V (V) of a `state`."""
        return state.v

    def rate(self, state: State, current: Real) -> State:
        """V' and w' (V/s) under a current (A), when not refractory."""
        v = (self.e_leak - state.v + self.r * current) / self.tau
        return self.State(v, -state.w / self.tau_a, jnp.zeros_like(state.v))

    def excess(self, state: State) -> Real:
        """V - V_th - w (V)."""
        return state.v - self.v_th - state.w

    def span(self) -> Real:
        """V_th - E_L (V)."""
        return self.v_th - self.e_leak

    def advance(self, state: State, current: Real, dt: Seconds) -> tuple[State, Bool[Array, "..."]]:
        """The exact solution over dt under a constant current (A)."""
        v, ready, wait = membrane(state.v, state.wait, self.e_leak + self.r * current, self.tau, dt)
        return self.State(v, state.w * jnp.exp(-dt / self.tau_a), wait), ready

    def reset(self, state: State) -> State:
        """V - (V_th + w - V_r) or V_r, and w + jump."""
        fall = self.v_th + state.w - self.v_reset
        v = filled(self.v_reset, state.v.shape) if self.reset_by == "value" else state.v - fall
        return self.State(v, state.w + self.jump, filled(self.t_ref, v.shape))

    def rest(self, state: State) -> tuple[State, Real]:
        """Of the same voltage, t_ref later; the threshold has relaxed meanwhile."""
        after = self.reset(state)
        w = after.w * jnp.exp(-self.t_ref / self.tau_a)
        return self.State(after.v, w, jnp.zeros_like(after.wait)), self.t_ref


def membrane(v: Real, wait: Real, end: Real, tau: Real, dt: Seconds) -> tuple[Real, Bool[Array, "..."], Real]:
    """V after dt on its exponential way, held while there is refractory time left; whether it moved; the time left.

    Args:
        v: before (V). wait: refractory time left (s), in whole steps. end: where V goes (V). tau, dt: s.
    """
    ready = wait < dt / 2
    moved = end + (v - end) * jnp.exp(-dt / tau)
    return jnp.where(ready, moved, v), ready, jax.nn.relu(wait - dt)
