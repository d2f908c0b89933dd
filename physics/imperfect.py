"""Devices that are not as good as their equations: each class wraps any device and is one itself.

    Fluctuating    cycle-to-cycle noise through the state equation
    Worn           endurance: every cycle leaves a little damage, which slows the device down
    Stuck          some members of a population rest in their on or off state for ever

Spread from device to device is `neurojax.population`, read noise is `noise.ReadNoise`, loss at rest `retention.py`.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.device import (
    AbstractDevice,
    AbstractLangevin,
    AbstractReactive,
    Amps,
    Environment,
    Sweep,
    Volts,
    stores_charge,
)
from physics.quantity import Param, parameters, quantity, state_variable


class AbstractImperfect(AbstractReactive):
    """Wraps a device; terminals, sweep, family, current and charge are those of it."""

    device: eqx.AbstractVar[AbstractDevice]

    @property
    def terminals(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the device."""
        return self.device.terminals

    @property
    def sweep(self) -> Sweep:  # type: ignore[override]
        """That of the device."""
        return self.device.sweep

    @property
    def family(self) -> str:  # type: ignore[override]
        """That of the device."""
        return self.device.family

    @property
    def stores_energy(self) -> bool:  # type: ignore[override]
        """As the device does."""
        return self.device.stores_energy

    @property
    def charged(self) -> bool:
        return stores_charge(self.device)

    def of_device(self, x: Any) -> Any:
        """The state of the device within that of the whole."""
        return x

    def init(self, env: Environment) -> Any:
        return self.device.init(env)

    def current(self, x: Any, v: Volts, env: Environment) -> Amps:
        return self.device.current(self.of_device(x), v, env)

    def charge(self, x: Any, v: Volts, env: Environment) -> Float[Array, "*ports"]:
        if stores_charge(self.device):
            return self.device.charge(self.of_device(x), v, env)
        return jnp.zeros_like(v)


class Fluctuating(AbstractImperfect, AbstractLangevin):
    """dx = rate dt + sigma sqrt(span |rate|) dW: moving a state by D scatters it by sigma sqrt(D span).

    As if the motion were made of independent steps of sigma^2 of its range each, so that ten pulses scatter like one of
    ten times the length, and a state at rest does not scatter at all. span: width of the bounds of each state. `rate`
    is that of the device, the mean of many; explicit steps of a path must resolve the device (`dt`).
    """

    device: AbstractDevice
    sigma: Param = quantity(
        0.05, "1", (0.0, 1.0), doc="scatter of a motion through the whole range", source="chosen, 1 to 30 % are usual"
    )

    def rate(self, x: Any, v: Volts, env: Environment) -> Any:
        return self.device.rate(x, v, env)

    def diffusion(self, x: Any, v: Volts, env: Environment) -> Any:
        spans = {n: p.bounds[1] - p.bounds[0] for n, p in parameters(x).items()}
        rates = self.device.rate(x, v, env)
        # Smooth at rest: below 1e-9 of the range a sweep nothing is seen of it.
        least = 1e-9 / self.sweep.period
        root = lambda r, span: self.sigma * jnp.sqrt(span * jnp.sqrt(r * r + (least * span) ** 2))  # noqa: E731
        leaves, structure = jax.tree.flatten(rates)
        return jax.tree.unflatten(structure, [root(r, s) for r, s in zip(leaves, spans.values(), strict=True)])

    def time_step(self, env: Environment) -> Float[Array, ""]:
        del env
        return jnp.asarray(self.sweep.period / 2e4, self.sigma.dtype)


class Worn(AbstractImperfect):
    """d damage/dt = sum |dx/dt|/(2 cycles span), dx/dt = rate exp(-damage^order).

    A cycle moves a state through its range and back, so damage is 1 after `cycles` of them. The device slows down
    from then on, the window that a given pulse opens closes. order: how suddenly. Only states that keep still
    without a voltage should be counted as wear, so heat and the like are not: `counted` names those that are.
    """

    class State(eqx.Module):
        device: Any
        damage: Param = state_variable((0.0, 10.0), doc="cycles done over those it stands")

    device: AbstractDevice
    counted: tuple[str, ...] = eqx.field(static=True)
    cycles: Param = quantity(
        1e6, "1", (1.0, 1e15), scale="log", doc="full cycles it stands", source="chosen", free=False
    )
    order: Param = quantity(2.0, "1", (0.5, 8.0), doc="how suddenly it fails", source="chosen", free=False)

    def of_device(self, x: State) -> Any:
        return x.device

    def init(self, env: Environment) -> State:
        return Worn.State(self.device.init(env), jnp.zeros_like(self.cycles))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        rates = self.device.rate(x.device, v, env)
        worn = jnp.maximum(x.damage, 0.0) + 1e-12
        slower = jnp.exp(-(worn**self.order))
        rates = jax.tree.map(lambda r: r * slower, rates)
        known, moved = parameters(x.device), parameters(rates)
        parts = [jnp.abs(moved[n].value) / (known[n].bounds[1] - known[n].bounds[0]) for n in self.counted]
        return Worn.State(rates, sum(parts[1:], parts[0]) / (2 * self.cycles))


class Stuck(AbstractImperfect):
    """A device that works (at = 0), or rests in its state `on` (at = 1) or `off` (at = -1) whatever is done to it.

    `at` with a leading axis makes a population, see `neurojax.with_yield`.
    """

    device: AbstractDevice
    on: Any
    off: Any
    at: Param = quantity(0.0, "1", (-1.0, 1.0), doc="1 stuck on, -1 stuck off, 0 works", source="drawn", free=False)

    def init(self, env: Environment) -> Any:
        pick = lambda free, on, off: jnp.where(self.at > 0, on, jnp.where(self.at < 0, off, free))  # noqa: E731
        return jax.tree.map(pick, self.device.init(env), self.on, self.off)

    def rate(self, x: Any, v: Volts, env: Environment) -> Any:
        works = (self.at == 0).astype(self.at.dtype)
        return jax.tree.map(lambda r: r * works, self.device.rate(x, v, env))
