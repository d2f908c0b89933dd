"""Between the source-meter and the device: series resistance, compliance, current offset."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from physics.device import AbstractDevice, Environment
from physics.implicit import solve_increasing
from physics.quantity import Param, quantity


class Instrument(eqx.Module):
    """The measuring circuit of a two-terminal device.

    The source drives the device through one element, a resistor R_s whose current saturates at the
    compliance I_c (as the access transistor of a 1T1R cell or a source-meter in limit):

        i = (u/R_s) / (1 + |u/(R_s I_c)|^p)^(1/p),   u = V - V_device,   p = 8

    and the ammeter adds a constant offset. `Instrument()` is ideal.

    Args:
        series_resistance: R_s (ohm), or None for an ideal wire (1 ohm is taken if there is a compliance).
        compliance: I_c (A), or None for no limit.
        offset: current added by the ammeter (A), or None.
    """

    series_resistance: Param | None = quantity(
        100.0, "ohm", (1e-3, 1e8), scale="log", doc="series resistance", source="chosen"
    )
    compliance: Param | None = quantity(
        1e-3, "A", (1e-12, 10.0), scale="log", doc="current limit", source="chosen", free=False
    )
    offset: Param | None = quantity(0.0, "A", (-1e-3, 1e-3), doc="offset of the ammeter", source="chosen")

    def __init__(self, series_resistance: Any = None, compliance: Any = None, offset: Any = None):
        if compliance is not None and series_resistance is None:
            series_resistance = 1.0
        self.series_resistance = series_resistance
        self.compliance = compliance
        self.offset = offset

    def device_voltage(self, device: AbstractDevice, x: Any, v: Array, env: Environment) -> Array:
        """The part of the applied voltage `v` that falls on the device (V).

        Raises:
            ValueError: a device of more than two terminals.
        """
        resistance = self.series_resistance
        if resistance is None:
            return v
        if device.port_shape:
            raise ValueError(
                f"{type(device).__name__} has {len(device.terminals)} terminals; an Instrument drives two."
            )

        def surplus(y):
            return device.current(x, y, env) - self._through((v - y) / resistance)

        zero = jnp.zeros_like(v)
        return solve_increasing(surplus, jnp.minimum(v, zero), jnp.maximum(v, zero), start=v)

    def _through(self, ohmic: Array) -> Array:
        if self.compliance is None:
            return ohmic
        ratio = ohmic / self.compliance
        return ohmic * (1 + ratio**8) ** (-1 / 8)

    def measured(self, i: Array) -> Array:
        """The current (A) that the ammeter shows while `i` flows, of the same shape."""
        return i if self.offset is None else i + self.offset
