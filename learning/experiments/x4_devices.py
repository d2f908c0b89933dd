"""A memory in devices: a capacitor, a programmed filament and the film of an ECRAM, simulated as a circuit.

    cell = device_chain(Chain.of((1.0, 36.3), (0.429, 5.3e-4)))          the circuit of a pair, in devices
    kept = faded(cell)                                                  what is left of a kick, by the simulator
    lifetime(kept)                                                      in memories; its gradient is exact

A kick raises the node u1. Through the filament F1 (`physics.GapRram`, its gap a state that lasts) and the node u2 it
reaches the gate of E1 (`physics.Ecram`), where ions enter the surface of a film and diffuse into its bulk: two more
states, which last; only the resistor R1 at u2 lets the memory go. Currents are no straight lines - the sinh of the gap,
Butler-Volmer kinetics, the Nernst potential of the film -, so what is left depends on the size of the kick.
"""

from collections.abc import Mapping
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import neurojax as nj
import physics
from learning.codesign import Design
from learning.experiments.x4_chain import C_BOUNDS, G_BOUNDS, Chain
from learning.experiments.x4_circuit import gap_cell
from neurojax.errors import DataError
from physics.device import Environment
from physics.kinetics import thermal_voltage

SECONDS, FARADS, VOLTS = 1e-5, 1e-8, 0.1
"""Shortest time between two memories (s), C = 1 (F), a kick (V): chosen, so that the filament's 4.5 uS to 1.8 mS lie
within the budget of couplings."""
AGES = np.geomspace(1e-2, 1e8, 121)
"""Ages, in times of `SECONDS`, at which a memory is looked at; at the last one every leak has emptied all states."""
WIRE = 2.0
"""Largest capacitance of the node u2 itself: with more, a capacitor keeps the memory and the film is cut off."""
FREE = (
    "parts.C1.capacitance", "parts.C2.capacitance", "parts.F1.x_init", "parts.E1.area", "parts.E1.d_c", "parts.E1.k0",
    "parts.E1.r_el", "parts.R1.resistance",
)  # fmt: skip
"""Two capacitances, the gap, area, diffusivity, rate constant and electrolyte of the ECRAM, the leak."""


def film_capacitance(device: physics.Ecram, env: Environment | None = None) -> Float[Array, ""]:
    """C (F) of the film at its start for a slow and small change: F c_max A L/(U_T/(x (1 - x)) + g_U).

    The slope of the charge over the gate voltage at which no current flows, x the filled share of the sites.

    Args:
        device: any. env: 300 K.
    """
    x, env = device.x_init, Environment() if env is None else env
    return device.capacity() / (thermal_voltage(env.temperature) / (x * (1 - x)) + device.g_u)


def device_chain(pair: Chain) -> nj.Circuit:
    """The circuit of a pair: C_1, the filament g_1, C_2 in the film, the leak g_2; the film as quick as it can be.

    Args:
        pair: two states, in units of the budget; g_1 one that the filament has.

    Raises:
        DataError: another number of states, or a coupling that the filament has not.
    """
    if pair.c.shape != (2,):
        raise DataError(f"device_chain: {pair.c.shape[0]} states, the circuit is made from a pair.")
    (c1, c2), (g1, g2) = (np.asarray(a, float) for a in (pair.c, pair.g))
    siemens = FARADS / SECONDS
    parallel = 1.001 * FARADS  # a node needs some capacitance of its own
    film = physics.Ecram()
    area = float(film.area) * c2 * FARADS / float(film_capacitance(film))
    film = film.replace(area=area, d_c=9e-13, k0=9e-7, r_el=1.1e5, x_init=film.x_eq)
    number = lambda v: jnp.asarray(v, jnp.result_type(float))  # noqa: E731
    return nj.Circuit(
        C1=(physics.Capacitor(number(c1 * FARADS)), "u1", "gnd"),
        F1=(gap_cell(g1 * siemens), "u1", "u2"),
        C2=(physics.Capacitor(number(parallel)), "u2", "gnd"),
        E1=(film, "u2", "gnd", "gnd"),
        R1=(physics.Resistor(number(1 / (g2 * siemens))), "u2", "gnd"),
    )


def device_design(circuit: nj.Circuit) -> Design:
    """What may move: the parameters `FREE`, capacities and couplings within the budget of `x4_chain`.

    The node u2 has the capacitance of its wires only, up to `WIRE`, so that the slow states are those of the film. The
    film may have the area that makes its capacitance 1 to 200. All else has the bounds of its own declaration.

    Args:
        circuit: as of `device_chain`.
    """
    film: Any = circuit.parts["E1"]
    each = float(film.area) * FARADS / float(film_capacitance(film))
    farads = tuple(c * FARADS for c in C_BOUNDS)
    ohms = tuple(SECONDS / FARADS / g for g in reversed(G_BOUNDS))
    bounds: Mapping[str, Any] = {
        "parts.C1.capacitance": (*farads, "log"), "parts.C2.capacitance": (FARADS, WIRE * FARADS, "log"),
        "parts.E1.area": (C_BOUNDS[0] * each, C_BOUNDS[1] * each, "log"), "parts.R1.resistance": (*ohms, "log"),
    }  # fmt: skip
    return Design(circuit, FREE, bounds)


def faded(
    circuit: nj.Circuit, volts: float = VOLTS, *, ages: np.ndarray = AGES, tight: bool = False
) -> Float[Array, " n"]:
    """The voltage of u1 over that of a kick at some ages, differentiable; not a number where the solver gave up.

    Args:
        circuit: as of `device_chain`. volts: of the kick (V). ages: above zero, growing, in times of `SECONDS`.
        tight: by Kvaerno5 of diffrax at the same tolerances instead of our own solver, to check it.
    """
    ts = np.concatenate([[0.0], ages * SECONDS])
    how: dict[str, Any] = dict(rtol=1e-7, atol=1e-7 * volts, throw=False)
    if tight:
        how |= dict(solver=diffrax.Kvaerno5(), rtol=1e-7, atol=1e-8 * volts, max_steps=2**18)
    record = circuit.transient(float(ts[-1]), ts=ts, v0={"u1": volts, "u2": 0.0}, progress=False, **how)
    return record.v["u1"][1:] / volts


def interval(
    kept: Float[Array, " n"], *, synapses: float = 1e5, least: float = 40.0, ages: np.ndarray = AGES
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Time between two memories, in times of `SECONDS`, and int u_1^2 dt in the same unit.

    Memories come no faster than one in each `SECONDS`, and so much slower that a new one has an SNR of `least`. The
    noise is that of kicks that add up, which is exact for a chain that is linear.

    Args:
        kept: as of `faded`. synapses: N. least: SNR of a new memory. ages: those of `kept`.
    """
    x, density = jnp.asarray(np.log(ages), kept.dtype), kept**2 * jnp.asarray(ages, kept.dtype)
    power = jnp.sum((density[1:] + density[:-1]) / 2 * jnp.diff(x)) + ages[0] * (1 + kept[0] ** 2) / 2
    return jnp.maximum(least**2 * power / synapses, jnp.ones_like(power)), power


def signal_to_noise(
    kept: Float[Array, " n"], *, synapses: float = 1e5, ages: np.ndarray = AGES
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Ages in memories, and the SNR there, SNR = sqrt(N T/int u_1^2 dt) u_1 with T of `interval`.

    Args:
        kept: as of `faded`. synapses: N. ages: those of `kept`.
    """
    apart, power = interval(kept, synapses=synapses, ages=ages)
    return jnp.asarray(ages, kept.dtype) / apart, kept * jnp.sqrt(synapses * apart / power)


def lifetime(kept: Float[Array, " n"], *, synapses: float = 1e5, ages: np.ndarray = AGES) -> Float[Array, ""]:
    """The last age, in memories, with an SNR above one, by a straight line in both logarithms between two ages.

    Args:
        kept: as of `faded`. synapses: N. ages: those of `kept`.
    """
    t, ratio = signal_to_noise(kept, synapses=synapses, ages=ages)
    level, x = jnp.log(jnp.maximum(ratio, 1e-9)), jnp.log(t)
    numbers = jnp.arange(len(ages))
    k = jnp.clip(jnp.max(jnp.where(level > 0, numbers, jnp.zeros_like(numbers))), 0, len(ages) - 2)
    crossed = jnp.exp(x[k] + (x[k + 1] - x[k]) * level[k] / (level[k] - level[k + 1]))
    return jnp.where(jnp.isfinite(kept).all(), crossed, jnp.nan)


def device_loss(circuit: nj.Circuit, key: Array | None = None) -> Float[Array, ""]:
    """-ln of the lifetime in devices.

    Args:
        circuit: the design. key: not needed.
    """
    del key
    return -jnp.log(lifetime(faded(circuit)))


def best_pair(points: int = 4) -> tuple[nj.Circuit, int]:
    """The best circuit of a grid of pairs by its simulated lifetime, and how many there are.

    Args:
        points: of C_1, C_2, g_1 and g_2 each, evenly in their logarithms.
    """
    c1, c2 = np.geomspace(1.01, 30.0, points), np.geomspace(5.0, 190.0, points)
    g1, g2 = np.geomspace(5e-3, 0.9, points), np.geomspace(1.1e-4, 1e-2, points)
    pairs = [Chain.of((a, b), (g, h)) for a in c1 for b in c2 for g in g1 for h in g2]
    design = device_design(device_chain(pairs[0]))
    loss = jax.jit(lambda theta: device_loss(design.at(theta)))
    circuits = [device_chain(pair) for pair in pairs]
    losses = [float(loss(design.with_tree(circuit).theta)) for circuit in circuits]
    return circuits[int(np.nanargmin(losses))], len(pairs)
