"""Cells of experiment X3 that have a state equation: `Electrochemical` (ECRAM) and `Diffusive` (two memristors)."""

import dataclasses
from typing import Any, ClassVar

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

import neurojax as nj
import physics
from learning.experiments.x3_cells import Simulated
from neurojax import synapses
from neurojax.synapses.diffusive import diffusive_cell
from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.quantity import Param, quantity

PEAK, TAIL = 2e-6, 2e-5
"""Of a spike of `Diffusive` (s); the tail is a sixth of the peak."""


class Pulsed(AbstractDevice):
    """A device behind the driver of its column, whose pulses are `volts` high at a signal of 1.

    Of a device with a gate the pulses are on the gate, and the drain is at the source.
    """

    terminals: ClassVar[tuple[str, ...]] = ("signal", "ground")
    sweep: ClassVar[Sweep] = Sweep(1.0, 0.0, 1.0)
    stores_energy: ClassVar[bool] = True
    device: AbstractDevice
    volts: Param = quantity(0.5, "V", (-5.0, 5.0), doc="height of a pulse", source="a circuit")

    def init(self, env: Environment) -> Any:
        """That of the device."""
        return self.device.init(env)

    def rate(self, x: Any, v: Volts, env: Environment) -> Any:
        """That of the device at its own voltage."""
        return self.device.rate(x, self._ports(v), env)

    def current(self, x: Any, v: Volts, env: Environment) -> Amps:
        """Into the first terminal of the device."""
        return jnp.ravel(self.device.current(x, self._ports(v), env))[0]

    def _ports(self, v: Volts) -> Float[Array, "..."]:
        volts = self.volts * v
        return jnp.stack([volts, jnp.zeros_like(volts)]) if self.device.port_shape else volts


def final(device: AbstractDevice, wave: nj.Waveform, x0: Any, tight: bool) -> Any:
    """States after a waveform, one a lane, by the solver of the search or, `tight`, by Kvaerno5 at 1e-9."""
    how: dict[str, Any] = dict(rtol=1e-5, atol=1e-7)
    if tight:
        how = dict(solver=diffrax.Kvaerno5(), rtol=1e-9, atol=1e-11)
    record = nj.simulate(device, wave, ts=wave.t[-1:], x0=x0, throw=False, progress=False, **how)
    return jax.tree.map(lambda a: a[:, -1], record.x)


class Electrochemical(Simulated):
    """An `Ecram` whose gate gets pulses of 20 us; between pulses it is open, and its film evens out.

    x is the share of the window between x_lo and x_hi, in which the conductance is linear. A step needs some L^2/D of
    rest for the film, 0.25 s at the start. The window is one of the programmer: at its ends a cell gets no more pulses.
    The film in two compartments is less polarised in a short pulse than a resolved one: see `resolved`.
    """

    constants: ClassVar[tuple[str, ...]] = ("v_up", "v_down", "device.k0", "device.alpha", "device.r_el", "device.x_eq",
                                            "device.g_u", "device.d_c")  # fmt: skip
    device: physics.Ecram | physics.EcramChannel
    v_up: Param = quantity(0.45, "V", (0.2, 1.0), doc="height of a pulse up", source="chosen")
    v_down: Param = quantity(-0.45, "V", (-1.0, -0.2), doc="height of a pulse down", source="chosen")
    width: Param = quantity(2e-5, "s", (1e-6, 1e-3), scale="log", doc="of a pulse", source="chosen", free=False)
    tight: bool = eqx.field(default=False, static=True)

    def volts(self, lean: Float[Array, " leans"]) -> Float[Array, "2 leans"]:
        """As of `Simulated`: a tenth of the lean is one of the voltages."""
        return jnp.stack([self.v_up * jnp.exp(0.1 * lean), self.v_down * jnp.exp(-0.1 * lean)])

    def changes(self, x: Float[Array, " lanes"], volts: Float[Array, " lanes"]) -> Float[Array, " lanes"]:
        """As of `Simulated`, by the charge that a pulse moves."""
        low, span = self.device.x_lo, self.device.x_hi - self.device.x_lo
        filled = low + span * x
        edge = 0.01 * self.width
        t = jnp.stack([jnp.zeros_like(edge), edge, edge + self.width, 2 * edge + self.width])
        after = final(Pulsed(self.device, volts), nj.Waveform(t, jnp.asarray([0.0, 1.0, 1.0, 0.0], t.dtype)),
                      _even(self.device, filled), self.tight)  # fmt: skip
        return (jax.vmap(self.device.mean_fraction)(after) - filled) / span

    def tightened(self) -> "Electrochemical":
        """As of `Simulated`."""
        return dataclasses.replace(self, tight=True)

    def resolved(self) -> "Electrochemical":
        """The same cell with its film resolved in depth."""
        names = set(physics.EcramChannel().parameters())
        values = {n: p.value for n, p in self.device.parameters().items() if n in names}
        channel = eqx.tree_at(lambda d: [getattr(d, n) for n in values], physics.EcramChannel(), list(values.values()))
        return eqx.tree_at(lambda c: c.device, self, channel)


def _even(device: physics.Ecram | physics.EcramChannel, filled: Float[Array, " lanes"]) -> Any:
    if isinstance(device, physics.EcramChannel):
        return device.filled(filled)
    return physics.Ecram.State(surface=filled, bulk=filled)


class Diffusive(Simulated):
    """A diffusive memristor in series with one that drifts, written by pairs of spikes.

    The first spike opens the silver bridge, which relaxes; the second, `gap` later, drops on the cell what the bridge
    lets through. Pre before post sets the cell, post before pre resets it: V = V_pre - V_post with both signs. x is the
    share of the conductance between r_high and r_low; between pairs bridges come to rest, in some tau_reset.

    Z. Wang et al., Nat. Mater. 16, 101 (2017), 10.1038/nmat4756. Devices and spikes are chosen, 10 us standing for a
    millisecond; the cell is less steep than that of `synapses.diffusive_synapse`, which has the window of Bi and Poo.
    """

    constants: ClassVar[tuple[str, ...]] = ("v_up", "v_down", "gap", "device.first.v_on", "device.first.v_off",
                                            "device.second.tau_reset")  # fmt: skip
    limits: ClassVar[dict[str, tuple[float, float]]] = {
        "device.first.v_on": (-0.35, -0.18), "device.first.v_off": (0.18, 0.35),
        "device.second.tau_reset": (1e-3, 5e-3),
    }  # fmt: skip
    device: physics.Stack
    v_up: Param = quantity(3.0, "V", (2.7, 3.6), doc="peak of spikes, pre before post", source="chosen")
    v_down: Param = quantity(-3.0, "V", (-3.6, -2.7), doc="peak of spikes, post before pre", source="chosen")
    gap: Param = quantity(5e-5, "s", (3e-5, 4e-4), scale="log", doc="between spikes", source="chosen")
    r_low: Param = quantity(5e3, "ohm", (1e3, 1e5), scale="log", doc="R at x = 1", source="chosen", free=False)
    r_high: Param = quantity(1.5e4, "ohm", (1e3, 1e5), scale="log", doc="R at x = 0", source="chosen", free=False)
    tight: bool = eqx.field(default=False, static=True)

    def volts(self, lean: Float[Array, " leans"]) -> Float[Array, "2 leans"]:
        """As of `Simulated`: a tenth of the lean is one of the voltages."""
        return jnp.stack([self.v_up * jnp.exp(0.1 * lean), self.v_down * jnp.exp(-0.1 * lean)])

    def changes(self, x: Float[Array, " lanes"], volts: Float[Array, " lanes"]) -> Float[Array, " lanes"]:
        """As of `Simulated`, by the conductance that a pair of spikes changes."""
        cell: Any = self.device.first
        switch: Any = self.device.second
        low, high = 1 / self.r_high, 1 / self.r_low
        w = (1 / (low + (high - low) * x) - cell.r_on) / (cell.r_off - cell.r_on)
        begin = physics.Stack.State(cell.State(w=w), switch.State(x=jnp.zeros_like(w)))
        spike = synapses.square_spike(1.0, PEAK, 1 / 6, TAIL)
        t = jnp.concatenate([spike.t, self.gap + spike.t])
        after = final(
            Pulsed(self.device, volts), nj.Waveform(t, jnp.concatenate([spike.v, -spike.v])), begin, self.tight
        )
        return (1 / (cell.r_on + (cell.r_off - cell.r_on) * after.first.w) - low) / (high - low) - x

    def tightened(self) -> "Diffusive":
        """As of `Simulated`."""
        return dataclasses.replace(self, tight=True)


def diffusive() -> Diffusive:
    """The nominal pair: a switch of 40 kohm that opens in the tail of a spike, and a cell of 5 to 15 kohm."""
    cell = diffusive_cell().replace(a_on=1.5, a_off=1.5, v_on=-0.25, v_off=0.25, k_on=-1.5e-5, k_off=1.5e-5)
    switch = physics.AndThreshold().replace(
        v_th=0.3, v_th_neg=-0.3, v_hold=0.1, v_hold_neg=-0.1, tau_set=5e-6, tau_reset=2.0946e-3, a=1.0, d_reset=1.5,
        r_on=4e4, r_on_neg=4e4,
    )  # fmt: skip
    kind: Any = Diffusive
    stack: Any = physics.Stack
    return kind(stack(cell, switch))


def electrochemical() -> Electrochemical:
    """The nominal ECRAM."""
    kind: Any = Electrochemical
    return kind(physics.Ecram())
