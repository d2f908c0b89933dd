"""X5: the equations of a niobium dioxide switch at a node, and one step of many neurons, each by its own clock.

        C dV/dt = (V_dc - V)/R_load + sum_k g_k (u_k(t) - V) - i(y, V),      dy/dt = rate(y, V)

The switch is `physics.NbO2Mott`, unchanged: y = ln(u/(1 - u)), u the metallic core over the radius of the channel. Its
rate is heating less cooling, y' = A(y) V^2/L^2 - B(y) kappa/r_ch^2 with A and B the same for all radii, lengths and
conductivities: they are read off the device once and interpolated (`Core`).

A step is `step` long where nothing happens and shorter where V or y moves, by

        dt = step/sqrt(1 + (V' step/dV)^2 + (y' step/dy)^2 + (lambda step)^2)

with lambda the rate at which y runs away, and y' counted only as far as y is away from a balance to which it returns,
so that all neurons take as many steps. It is the linearly implicit one of order two (ROS2, gamma = 1 - 1/sqrt 2,
L-stable; J. G. Verwer et al., SIAM J. Sci. Comput. 20, 1456 (1999), 10.1137/S1064827597326651), with the exact
Jacobian. Where it moves y otherwise than the implicit step of order one does, by more than dy/2, that one is taken: at
the end of a growth it would ring. `x5_neuron.py` takes the steps.
"""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from physics import Environment, NbO2Mott

GAMMA = 1 - 1 / math.sqrt(2)
SWING_V, SWING_Y = 0.15, 0.7
"""dV (V) and dy of a step at most."""
NEAR = 0.2
"""Distance of y from its balance, over dy, that needs no shorter steps."""
GRID = (-14.0, 10.0, 961)
"""Of y: first, last, points."""
INSIDE = (-13.9, 9.9)
"""Where y stays: beyond, a step was far too long."""
Lanes = Float[Array, "waveforms neurons"]


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


class Flow(eqx.Module):
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
