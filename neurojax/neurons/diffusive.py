"""The neuron of Wang: a diffusive memristor beside a membrane capacitor fires when its silver bridges the gap."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neurojax._made import made
from neurojax.circuit import Circuit
from neurojax.instrument import Instrument
from neurojax.simulate import simulate
from neurojax.waveform import Waveform, constant, pulse
from physics.device import AbstractDevice
from physics.diffusive import AgDiffusive
from physics.elements import Capacitor, Resistor


def diffusive_neuron(
    v_in: float | Waveform | None = None,
    *,
    r_s: float = 1e6,
    c_m: float = 1e-11,
    r_out: float = 1e3,
    device: AbstractDevice | None = None,
) -> Circuit:
    """A leaky integrate-and-fire neuron: a capacitor is charged until silver bridges the gap of a memristor beside it.

        C_m dV/dt = (V_in - V)/R_s - i(x, V)

    in - Rs - mem, at `mem` Cm to ground, and M1 to `out`, which Rout ties to ground: `out` shows the current of a
    spike. Without input the capacitor leaks through R_s and the bridge dissolves, so no pulse resets the neuron. Two
    times decide when it fires, R_s C_m and that of the migration of silver; whichever is longer sets the delay. With
    `AgDiffusive` the neuron follows the mean of many bridges; `stochastic_delays` has single ones.

    Z. Wang et al., Nat. Electron. 1, 137 (2018), 10.1038/s41928-018-0023-2. Values are chosen for our device, not
    those of the paper; R_out is ours.

    Args:
        v_in: input (V), default a pulse of 2 V for 0.1 ms and 3 ms of rest. r_s: between input and membrane (ohm).
        c_m: of the membrane (F). r_out: read-out (ohm), small beside the bridge.
        device: two terminals, volatile; default `AgDiffusive`.
    """
    wave = pulse(2.0, 1e-4, rise=1e-8, rest=3e-3) if v_in is None else v_in
    return Circuit(
        Vin=(wave, "in", "gnd"),
        Rs=(made(Resistor, r_s), "in", "mem"),
        Cm=(made(Capacitor, c_m), "mem", "gnd"),
        M1=(AgDiffusive() if device is None else device, "mem", "out"),
        Rout=(made(Resistor, r_out), "out", "gnd"),
    )


def stochastic_delays(
    v: float,
    keys: Array,
    duration: float,
    *,
    r_s: float = 1e6,
    device: AgDiffusive | None = None,
    samples: int = 1000,
    dt: float | None = None,
) -> Float[Array, " paths"]:
    """Times (s) at which single bridges fire under a constant input, where C_m is negligible: one a key.

    The device is behind R_s alone, V = V_in R/(R + R_s), which is the circuit for R_s C_m well below the delay. It has
    fired at the first sample at which half of the input or less is left on it: R(x) <= R_s.

    Args:
        v: input (V), not zero. keys: of `jax.random`, shape (paths,). duration: how long is looked (s). r_s: ohm.
        device: default `AgDiffusive`. samples: a delay is late by up to duration/samples. dt: step of a path (s),
            default `device.time_step`.

    Returns:
        Delays, shape (paths,); inf for those that have not fired by the end.

    Raises:
        ValueError: v = 0.
    """
    if v == 0:
        raise ValueError("v = 0 V: nothing fires without an input; give a voltage, for instance 2.0.")
    ts = np.linspace(0.0, duration, samples + 1)
    cell = AgDiffusive() if device is None else device
    behind: Any = dict(instrument=Instrument(series_resistance=r_s), key=keys, dt=dt)
    record = simulate(cell, constant(v, duration), ts=ts, gradient="forward", progress=False, **behind)
    over = record.i / v >= 0.5 / r_s
    first = jnp.asarray(ts, record.t.dtype)[jnp.argmax(over, axis=1)]
    return jnp.where(jnp.any(over, axis=1), first, jnp.inf)
