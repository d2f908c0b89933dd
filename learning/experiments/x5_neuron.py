"""X5: spiking neurons of one niobium dioxide switch each, and what a decision of theirs costs in joules.

    neurons = Neurons()                                   at each node C and a switch to ground, R_load to V_dc
    found = neurons.respond(pulses.volts, duration)       spikes, traces of them, energies; differentiable

        C dV/dt = (V_dc - V)/R_load + sum_k g_k (u_k(t) - V) - i(y, V),      dy/dt = rate(y, V)

The switch is `physics.NbO2Mott`, unchanged: y = ln(u/(1 - u)), u the metallic core over the radius of the channel. A
neuron spikes where its core grows through half of the radius. The time of that is found within the step by a straight
line in y, so that its derivative is the implicit one, dt/dp = -(dy/dp)/(dy/dt).

Waveforms by the hundred want a method of their own. Each neuron has its own clock: a step is `step` long where nothing
happens and shorter where V or y moves, by

        dt = step/sqrt(1 + (V' step/dV)^2 + (y' step/dy)^2 + (lambda step)^2)

with lambda the rate at which y runs away, and y' counted only as far as y is away from a balance to which it returns,
so that all of them take as many steps. A step is the linearly implicit one of order two (ROS2, gamma = 1 - 1/sqrt 2,
L-stable; J. G. Verwer et al., SIAM J. Sci. Comput. 20, 1456 (1999), 10.1137/S1064827597326651), with the exact
Jacobian. Where it moves y otherwise than the implicit step of order one does, by more than dy/2, that one is taken: at
the end of a growth it would ring. Gradients are those of the steps, clock and all. `x5_check.py` has the same in other
solvers.

The rate of the switch is heating less cooling, y' = A(y) V^2/L^2 - B(y) kappa/r_ch^2 with A and B the same for all
radii, lengths and conductivities: they are read off the device once and interpolated (`Core`).
"""

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from physics import Environment, NbO2Mott
from physics.quantity import Param, quantity

GAMMA = 1 - 1 / math.sqrt(2)
SWING_V, SWING_Y = 0.15, 0.7
"""dV (V) and dy of a step at most."""
NEAR = 0.2
"""Distance of y from its balance, over dy, that needs no shorter steps."""
LEVEL = 0.0
"""y of a spike: half of the radius is metal."""
GRID = (-14.0, 10.0, 961)
"""Of y: first, last, points."""
INSIDE = (-13.9, 9.9)
"""Where y stays: beyond, a step was far too long."""
Lanes = Float[Array, "waveforms neurons"]
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


class Core(eqx.Module):
    """A (m2/(V2 s)) and B (m3 K/(W s)) as cubics (Hermite) between points of y.

    Attributes:
        cubics: of both, by powers of the part of an interval, (2, 4, intervals).
    """

    cubics: Float[Array, "2 4 intervals"]

    @classmethod
    def of(cls, device: NbO2Mott) -> "Core":
        """Of the material of a `device`; its own radius, length and conductivity do not matter. No derivative by it."""
        nominal, big = NbO2Mott(), 1e4
        parts = dict(kappa=nominal.kappa, length=nominal.length, r_ch=nominal.r_ch)
        cell, env = lax.stop_gradient(device.replace(**parts)), Environment()
        y = jnp.linspace(*GRID, dtype=jnp.result_type(float))

        def both(y: Array) -> Array:
            rate = lambda v: cell.rate(NbO2Mott.State(y), jnp.full_like(y, v), env).y  # noqa: E731
            cold = rate(0.0)
            a, b = (rate(big) - cold) * (cell.length / big) ** 2, -cold * (cell.r_ch * cell.r_ch / cell.kappa)
            return jnp.stack([a, b])

        f, slope = jax.jvp(both, (y,), (jnp.ones_like(y),))
        p, q, m, n = f[:, :-1], f[:, 1:], slope[:, :-1] * (y[1] - y[0]), slope[:, 1:] * (y[1] - y[0])
        return cls(jnp.stack([p, m, 3 * (q - p) - 2 * m - n, 2 * (p - q) + m + n], axis=1))

    def __call__(self, y: Lanes) -> tuple[Lanes, Lanes, Lanes, Lanes]:
        """A and B at y, and their derivatives; beyond the grid the outermost cubic."""
        low, high, points = GRID
        dense = (points - 1) / (high - low)
        place = (y - low) * dense
        k = lax.stop_gradient(jnp.clip(jnp.floor(place), 0, points - 2))
        s, at = place - k, k.astype(int)
        found = []
        for cubic in self.cubics:
            p, q, r, t = (cubic[n, at] for n in range(4))
            found += [p + s * (q + s * (r + s * t)), dense * (q + s * (2 * r + 3 * s * t))]
        return found[0], found[2], found[1], found[3]


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


class _Flow(eqx.Module):
    """The equations, with what does not change worked out, for each waveform its own: gradients add up faster so.

    Attributes, each (waveforms, neurons) but g (channels, waveforms, neurons): into: from the supply (A). out: through
    load and inputs (S). g: of the inputs (S). open_: of the open switch (S). grown: of a whole core over that. c: F.
    heat: 1/L^2, cool: kappa/r_ch^2.
    """

    core: Core
    into: Array
    out: Array
    g: Array
    open_: Array
    grown: Array
    c: Array
    heat: Array
    cool: Array

    @classmethod
    def of(cls, n: Neurons, like: Lanes) -> "_Flow":
        d, wide = n.device, lambda a: jnp.broadcast_to(a, like.shape)
        g = jnp.broadcast_to(n.g.T[:, None], (n.g.shape[1], *like.shape))
        open_ = wide(n.open_conductance)
        return cls(
            Core.of(d), wide(n.v_dc / n.r_load[None]), wide(1 / n.r_load[None]) + jnp.sum(g, axis=0), g, open_,
            open_ * (d.rho_i / d.rho_m - 1), wide(n.c[None]), wide(1 / d.length / d.length),
            wide(d.kappa / d.r_ch / d.r_ch),
        )  # fmt: skip

    def switch(self, y: Lanes) -> tuple[Lanes, Lanes]:
        """u^2 and the conductance (S)."""
        u = jax.nn.sigmoid(y)
        return u * u, self.open_ + self.grown * u * u

    def rates(self, v: Lanes, y: Lanes, u: Array) -> tuple[Lanes, Lanes]:
        """dV/dt (V/s) and dy/dt (1/s) under inputs u (V)."""
        heat, cool = self.core(y)[:2]
        f = (self.into + jnp.sum(self.g * u, axis=0) - (self.out + self.switch(y)[1]) * v) / self.c
        return f, heat * self.heat * v * v - cool * self.cool

    def free(self, v: Lanes, u: Array, dt: Lanes) -> Lanes:
        """V behind an open switch a step later, under the mean input of the step; by the trapezoidal rule."""
        into, half = self.into + jnp.sum(self.g * u, axis=0), dt / 2 * (self.out + self.open_) / self.c
        return (v * (1 - half) + dt * into / self.c) / (1 + half)

    def step(self, v: Lanes, y: Lanes, u: Array, step: float, left: Lanes, drive: Callable[[Lanes], Array]):
        """V, y and the time gone after a step of at most `left`; `drive` of a time from now."""
        heat, cool, heat_y, cool_y = self.core(y)
        area, through = self.switch(y)
        f = (self.into + jnp.sum(self.g * u, axis=0) - (self.out + through) * v) / self.c
        h = heat * self.heat * v * v - cool * self.cool
        h_y = heat_y * self.heat * v * v - cool_y * self.cool
        growth = step * jnp.maximum(h_y, 0.0)
        # What y is from where it returns to by itself, as long as that is little, needs no shorter steps.
        far = jnp.maximum(jnp.abs(h) - NEAR * SWING_Y * jnp.maximum(-h_y, 0.0), 0.0) * (step / SWING_Y)
        dt = step / jnp.sqrt(1 + (f * (step / SWING_V)) ** 2 + far**2 + growth**2)
        dt = jnp.minimum(dt, left)
        b = 2 * self.grown * area * jax.nn.sigmoid(-y) * v / self.c
        slopes = ((self.out + through) / self.c, b, -2 * heat * self.heat * v, -h_y)
        solve = _solver(slopes, GAMMA * dt)
        k, m = solve(f, h)
        f2, h2 = self.rates(v + dt * k, jnp.clip(y + dt * m, *INSIDE), drive(dt))
        k2, m2 = solve(f2 - 2 * k, h2 - 2 * m)
        v2, y2 = v + dt * (1.5 * k + 0.5 * k2), y + dt * (1.5 * m + 0.5 * m2)
        k, m = _solver(slopes, dt)(f, h)
        v1, y1 = v + dt * k, y + dt * m
        good = jnp.abs(y2 - y1) < SWING_Y / 2
        return jnp.where(good, v2, v1), jnp.clip(jnp.where(good, y2, y1), *INSIDE), dt


def _solver(slopes: tuple[Lanes, ...], e: Lanes) -> Callable[[Lanes, Lanes], tuple[Lanes, Lanes]]:
    """The inverse of 1 - e J, of two by two, where -J are the slopes."""
    a, b, c, d = 1 + e * slopes[0], e * slopes[1], e * slopes[2], 1 + e * slopes[3]
    per = 1 / (a * d - b * c)
    return lambda p, q: ((d * p - b * q) * per, (a * q - c * p) * per)


def _run(n: Neurons, drive: Drive, start: Lanes, duration: float, tau: Any, steps: int, step: float, bound: float):
    """The response, and the path (t, V, y) of all steps."""
    end, flow, zero = jnp.asarray(duration, start.dtype), _Flow.of(n, start), 0 * start
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
