"""The chain of `x4_chain.py` in devices: capacitors joined by resistors or by filaments, and one volatile device.

    kept = kicked(chain, times)                                by the transient simulator, to check the exact solution
    kept = kicked(chain, times, coupling=gap_cell)             with filaments in the place of the resistors
    chain = relaxing(physics.Wox(), seconds=1e-3)              the one state that a volatile device is

What real cells change: their currents are no straight lines, so that a strong kick fades faster at first; and they
cover some decades of conductance only.
"""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

import neurojax as nj
import physics
from learning.experiments.x4_chain import Chain
from neurojax.errors import DataError
from neurojax.metrics import volatility

Coupling = Callable[[float], physics.AbstractDevice]


def resistor(g: float) -> physics.AbstractDevice:
    """A resistor.

    Args:
        g: conductance (S).
    """
    return physics.Resistor(jnp.asarray(1 / g, jnp.result_type(float)))


def gap_cell(g: float) -> physics.AbstractDevice:
    """A filament whose gap is such that it has a conductance at small voltages (`physics.GapRram`).

    Args:
        g: conductance (S), from about 4e-6 to 2e-3 with the nominal device.

    Raises:
        DataError: no gap of the device has it.
    """
    cell = physics.GapRram()
    i_0, g_0, v_0, g_min, g_max = (float(a) for a in (cell.i_0, cell.g_0, cell.v_0, cell.g_min, cell.g_max))
    x = (-g_0 * math.log(g * v_0 / i_0) - g_min) / (g_max - g_min)
    if not 0 <= x <= 1:
        low, high = (i_0 / v_0 * math.exp(-gap / g_0) for gap in (g_max, g_min))
        raise DataError(f"gap_cell: {g:.3g} S, the device has {low:.3g} to {high:.3g} S; change `farads` or `seconds`.")
    return cell.replace(x_init=x)


def chain_circuit(chain: Chain, seconds: float, farads: float, coupling: Coupling = resistor) -> nj.Circuit:
    """The circuit of a chain, its nodes u1, u2, ..., u1 the weight.

    Args:
        chain: C and g in units of the budget. seconds: between two memories (s). farads: of C = 1 (F).
        coupling: from a conductance (S) to the device that has it.
    """
    c, g = chain.at_interval(seconds, farads)
    parts: dict[str, Any] = {}
    for k in range(1, len(c) + 1):
        following = f"u{k + 1}" if k < len(c) else "gnd"
        parts[f"C{k}"] = (physics.Capacitor(jnp.asarray(c[k - 1])), f"u{k}", "gnd")
        parts[f"G{k}"] = (coupling(float(g[k - 1])), f"u{k}", following)
    return nj.Circuit(**parts)


def kicked(
    chain: Chain,
    times: Float[Array, " n"],
    *,
    seconds: float = 1e-3,
    farads: float = 1e-6,
    volts: float = 0.1,
    coupling: Coupling = resistor,
    rtol: float = 1e-9,
) -> Float[Array, " n"]:
    """What is left of a kick at some ages, as a part of it: `chain.response(times)` by the transient simulator.

    Args:
        chain: as of `chain_circuit`. times: ages above zero, growing, in memories. seconds, farads: as of
            `chain_circuit`. volts: of the first node at once after the kick (V), all others at zero.
        coupling: as of `chain_circuit`. rtol: of the simulator.
    """
    circuit = chain_circuit(chain, seconds, farads, coupling)
    at = jnp.concatenate([jnp.zeros(1, times.dtype), times * seconds])
    start = {node: volts if node == "u1" else 0.0 for node in circuit.nodes}
    record = circuit.transient(float(at[-1]), ts=at, v0=start, rtol=rtol, atol=1e-13 * volts)
    return record.v["u1"][1:] / volts


def relaxing(device: physics.AbstractDevice, seconds: float) -> Chain:
    """The chain of one state that a volatile device is near rest at zero bias: g/C = seconds/tau.

    Args:
        device: of `physics`; tau is its slowest time constant, `neurojax.metrics.volatility`. seconds: between two
            memories (s).

    Raises:
        DataError: the device keeps its state.
    """
    tau = float(volatility(device))
    if not math.isfinite(tau):
        raise DataError(f"relaxing: {type(device).__name__} keeps its state, it is no volatile device.")
    return Chain.of((1.0,), (seconds / tau,))
