"""What a reading of a layer costs: energy, time and area of its arrays and converters, differentiable.

    cost = nj.layers.cost(layer, x)                     cost.energy (J) of each input, cost.latency (s), cost.area (m^2)

    energy      power of the arrays while they are read, charging of the lines, conversions
    latency     settling of the lines and of the DAC, the reading, one ADC for `share` columns after the other
    area        cells, DACs of the rows, ADCs

A line of n cells is a ladder of resistances R and capacitances C: Elmore's delay is R C n (n + 1)/2, and 2.2 of it
lie between 10 and 90 per cent. W. C. Elmore, J. Appl. Phys. 19, 55 (1948), 10.1063/1.1697872. No plan of a chip:
buffers, control and what lies between arrays are not there.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurojax.layers import _read
from neurojax.layers.hardware import Hardware
from physics.quantity import Param, quantity


class Technology(eqx.Module):
    """Numbers of a process that a reading needs beside those of the converters."""

    pitch: Param = quantity(1e-7, "m", (1e-9, 1e-4), scale="log", doc="side of a cell", source="chosen: 2 F of 50 nm")
    c_line: Param = quantity(
        2e-10, "F/m", (1e-12, 1e-8), scale="log", doc="capacitance of a line", source="usual: 0.2 fF/um"
    )
    dac_area: Param = quantity(1e-10, "m2", (1e-14, 1e-6), scale="log", doc="of one DAC", source="chosen")
    adc_area: Param = quantity(1e-9, "m2", (1e-14, 1e-6), scale="log", doc="of one ADC", source="chosen")
    dac_energy: Param = quantity(
        1e-13, "J", (1e-18, 1e-9), scale="log", doc="of one output, of a DAC that does not tell", source="chosen"
    )
    share: int = eqx.field(default=8, static=True)
    """Columns that one ADC reads."""


class Cost(NamedTuple):
    """Of one reading of all arrays of a layer.

    Attributes:
        energy: J, of each input. arrays, lines, converters: its parts, of each input. latency: s. area: m^2.
    """

    energy: Float[Array, "*batch"]
    arrays: Float[Array, "*batch"]
    lines: Float[Array, "*batch"]
    converters: Float[Array, "*batch"]
    latency: Float[Array, ""]
    area: Float[Array, ""]


def cost(layer: Any, x: Float[Array, "*batch n"], technology: Technology | None = None) -> Cost:
    """Of a layer that reads inputs.

    Converters tell `energy` (J; of a DAC a method of the code or none) and `latency` (s) where they have them.

    Args:
        layer: a `CrossbarLinear`. x: inputs, (..., in_features). technology: numbers (default: those of the class).
    """
    hardware: Hardware = layer.hardware
    dtype = layer.param_dtype
    technology = Technology() if technology is None else technology
    tech: Any = jax.tree.map(lambda a: a.astype(dtype), technology)
    codes, rows, columns = layer.cells[...].shape
    (down, r), (across, c) = _read.tilings(rows // layer.groups, columns, hardware)
    arrays = codes * layer.groups
    v = layer.voltages(x)
    lead = jnp.shape(x)[:-1]
    power = layer.power(x)
    of_arrays = power * hardware.t_read
    lines = tech.c_line * tech.pitch * c * codes * across * jnp.sum(v**2, axis=1).reshape(lead)
    conversions = arrays * across * c * down
    adc = jnp.asarray(_told(hardware.adc, "energy", 0.0), dtype) * conversions
    of_dac = jnp.where(jnp.asarray(hardware.dac is not None), tech.dac_energy, jnp.zeros((), dtype)) * rows * across
    converters = jnp.broadcast_to(adc + of_dac, power.shape)
    delay = _delay(hardware, tech, r, c) + hardware.t_read
    delay = delay + jnp.asarray(_told(hardware.dac, "latency", 0.0), dtype)
    delay = delay + jnp.asarray(_told(hardware.adc, "latency", 0.0), dtype) * min(tech.share, c)
    area = tech.pitch**2 * (arrays * down * across * r * c)
    area = area + tech.dac_area * rows + tech.adc_area * (-(-c // tech.share) * across * down * arrays)
    return Cost(of_arrays + lines + converters, of_arrays, lines, converters, delay, area)


def _delay(hardware: Hardware, tech: Any, r: int, c: int) -> Array:
    capacitance = tech.c_line * tech.pitch
    row, column = jnp.mean(hardware.wires.row), jnp.mean(hardware.wires.column)
    return 2.2 * capacitance * (row * (c * (c + 1) / 2) + column * (r * (r + 1) / 2))


def _told(converter: Any, name: str, otherwise: float) -> Any:
    value = getattr(converter, name, otherwise)
    return otherwise if callable(value) else value
