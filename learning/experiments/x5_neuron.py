"""X5: spiking neurons of one niobium dioxide switch each, and what a decision of theirs costs in joules.

    neurons = Neurons()                                   at each node C and a switch to ground, R_load to V_dc
    found = neurons.respond(pulses.volts, duration)       spikes, traces of them, energies; differentiable

A neuron spikes where the core of its switch grows through half of the radius. The time of that is found within the step
by a straight line in y, so that its derivative is the implicit one, dt/dp = -(dy/dp)/(dy/dt).

Waveforms by the hundred want a method of their own: each neuron has its own clock (`x5_flow.py`). Gradients are those
of the steps, clock and all. `x5_check.py` has the same in other solvers.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from learning.experiments.x5_flow import Core, Flow, Lanes
from physics import Environment, NbO2Mott
from physics.quantity import Param, quantity

LEVEL = 0.0
"""y of a spike: half of the radius is metal."""
Drive = Callable[[Lanes], Float[Array, "channels waveforms neurons"]]


class Response(eqx.Module):
    """What neurons have done, each (waveforms, neurons).

    Attributes:
        spikes: how many. events: sum of e^(-(T - t_k)/tau) over their times t_k. first: time of the first one (s), inf
            without one.
        peak: the highest V that an open switch would have let the node reach (V), at the time peak_at (s).
        supply, inputs: energy out of the sources (J). device, load: into switches and resistors (J).
        stored: what the capacitor has more at the end (J). reached: part of the duration that the steps sufficed for.
    """

    spikes: Lanes
    events: Lanes
    first: Lanes
    peak: Lanes
    peak_at: Lanes
    supply: Lanes
    inputs: Lanes
    device: Lanes
    load: Lanes
    stored: Lanes
    reached: Lanes

    @property
    def energy(self) -> Lanes:
        """Out of all sources (J)."""
        return self.supply + self.inputs


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def bounded(p: Array, bound: float) -> Array:
    """p itself, with |p dL/dp| at most `bound` on the way back: a waveform just about to spike may not outvote all."""
    del bound
    return p


def _forward(p: Array, bound: float) -> tuple[Array, Array]:
    del bound
    return p, p


def _backward(bound: float, p: Array, slope: Array) -> tuple[Array]:
    most = bound / jnp.maximum(jnp.abs(p), jnp.finfo(p.dtype).tiny)
    return (jnp.clip(slope, -most, most),)


bounded.defvjp(_forward, _backward)


class Neurons(eqx.Module):
    """Neurons with a common film (length, kappa) and supply.

    Attributes:
        device: the switch; `r_ch` may be of shape (neurons,) or (), all else (). g: (neurons, channels).
    """

    device: NbO2Mott
    c: Param = quantity(1e-12, "F", (2e-14, 1e-11), scale="log", doc="at the node, lines included", source="chosen")
    r_load: Param = quantity(3e4, "ohm", (1e3, 1e6), scale="log", doc="load, to the supply", source="chosen")
    v_dc: Param = quantity(3.0, "V", (0.3, 6.0), scale="log", doc="supply", source="chosen")
    g: Param = quantity(2e-5, "S", (1e-7, 2e-4), scale="log", doc="weights of the inputs", source="chosen")

    @property
    def open_conductance(self) -> Array:
        """Of the switch without a core (S), (1, neurons)."""
        d = self.device
        return jnp.broadcast_to(jnp.pi * d.r_ch * (d.r_ch / d.rho_i) / d.length, self.c.shape)[None]

    @property
    def threshold(self) -> Array:
        """Voltage at which the switch closes, if slowly driven (V), (1, neurons): sqrt(R Gamma dT) goes as L/r_ch.

        It is the fold of `NbO2Mott.static_voltage`, found on a grid of y for the nominal geometry.
        """
        d, nominal = lax.stop_gradient(self.device), NbO2Mott()
        cell = d.replace(kappa=nominal.kappa, length=nominal.length, r_ch=nominal.r_ch)
        y = jnp.linspace(-6.0, -1.0, 501, dtype=self.c.dtype)
        fold = jnp.max(cell.static_voltage(NbO2Mott.State(y), Environment()))
        d = self.device
        there = (d.length / nominal.length) * (nominal.r_ch / d.r_ch) * jnp.sqrt(d.kappa / nominal.kappa)
        return jnp.broadcast_to(fold * there, self.c.shape)[None]

    def rest(self) -> tuple[Array, Array]:
        """V (V) and y before anything happens, each (1, neurons): the divider of the open switch, no core."""
        into, u = 1 / self.r_load[None], self.device.u_min
        v = self.v_dc * into / (into + self.open_conductance + jnp.sum(self.g, axis=1)[None])
        return v, jnp.zeros_like(v) + jnp.log(u) - jnp.log1p(-u)

    def respond(
        self, drive: Drive, start: Lanes, duration: float, *, tau: Any, steps: int, step: float, bound: float = 0.0
    ) -> Response:
        """What the neurons do under a drive.

        Args:
            drive: inputs (V) at times (s), of shape (channels, waveforms, neurons). start: V less the one of rest, at
                first (V). duration: s. tau: of the traces (s). steps: that each neuron may take. step: the longest (s).
            bound: of the part of each waveform in a gradient, see `bounded`; over the number of waveforms; 0: none.
        """
        return _run(self, drive, start, duration, tau, steps, step, bound)[0]

    def traces(
        self, drive: Drive, start: Lanes, duration: float, *, steps: int, step: float
    ) -> tuple[Array, Array, Array]:
        """Times (s), V (V) and y along the steps of each neuron, each (steps, waveforms, neurons)."""
        return _run(self, drive, start, duration, jnp.asarray(duration, start.dtype), steps, step, 0.0)[1]

    def flow(self, like: Lanes) -> Flow:
        """Their equations, for waveforms and neurons as many as `like`."""
        d, wide = self.device, lambda a: jnp.broadcast_to(a, like.shape)
        g = jnp.broadcast_to(self.g.T[:, None], (self.g.shape[1], *like.shape))
        open_ = wide(self.open_conductance)
        return Flow(
            Core.of(d), wide(self.v_dc / self.r_load[None]), wide(1 / self.r_load[None]) + jnp.sum(g, axis=0), g, open_,
            open_ * (d.rho_i / d.rho_m - 1), wide(self.c[None]), wide(1 / d.length / d.length),
            wide(d.kappa / d.r_ch / d.r_ch),
        )  # fmt: skip


def _run(n: Neurons, drive: Drive, start: Lanes, duration: float, tau: Any, steps: int, step: float, bound: float):
    """The response, and the path (t, V, y) of all steps."""
    end, flow, zero = jnp.asarray(duration, start.dtype), n.flow(start), 0 * start
    if bound:
        rest = {f.name: getattr(flow, f.name) for f in dataclasses.fields(flow) if f.name != "core"}
        flow = dataclasses.replace(flow, **{k: bounded(p, bound / start.shape[0]) for k, p in rest.items()})
    v0, y0 = (a + zero for a in n.rest())
    v0 = v0 + start

    def densities(v: Lanes, y: Lanes, u: Array) -> tuple[Lanes, ...]:
        through = flow.switch(y)[1]
        along, own = jnp.sum(flow.g * u, axis=0), jnp.sum(flow.g * u * u, axis=0)
        return v, v * v, through * v * v, along * v, own

    def body(carry: Any, _: None) -> Any:
        (v, y, t, u), dense, total, (spikes, events, first), (free, peak, peak_at) = carry
        v1, y1, dt = flow.step(v, y, u, step, end - t, lambda dt: drive(t + dt))
        rising = (y < LEVEL) & (y1 >= LEVEL)
        part = (LEVEL - y) / jnp.where(rising, y1 - y, jnp.ones_like(y))
        at = t + jnp.where(rising, part, zero) * dt
        events = events + jnp.where(rising, jnp.exp((at - end) / tau), zero)
        seen = (spikes + rising.astype(y.dtype), events, jnp.where(rising, jnp.minimum(first, at), first))
        u1 = drive(t + dt)
        free = flow.free(free, (u + u1) / 2, dt)
        peak, peak_at = jnp.maximum(peak, free), jnp.where(free > peak, t + dt, peak_at)
        dense1 = densities(v1, y1, u1)
        total = tuple(s + (p + q) / 2 * dt for s, p, q in zip(total, dense, dense1, strict=True))
        return ((v1, y1, t + dt, u1), dense1, total, seen, (free, peak, peak_at)), (t + dt, v1, y1)

    u0 = drive(zero)
    begin = ((v0, y0, zero, u0), densities(v0, y0, u0), (zero,) * 5, (zero, zero, zero + jnp.inf), (v0, v0, zero))
    ((v1, _, t, _), _, total, seen, (_, peak, peak_at)), path = lax.scan(jax.checkpoint(body), begin, None, steps)
    v, square, device, along, own = total
    supply = n.v_dc * (n.v_dc * t - v) / n.r_load[None]
    load = supply - n.v_dc * v / n.r_load[None] + own - 2 * along + square * flow.out
    stored = n.c[None] * (v1**2 - v0**2) / 2
    energies = (supply, own - along, device, load, stored)
    return Response(*seen, peak, peak_at, *energies, t / end), path
