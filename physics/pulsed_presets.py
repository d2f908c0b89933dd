"""Pulsed devices as measured, or assumed: `PRESETS["EcRam"]()` is the mean device, `.sample(key)` draws others.

Parameters of IBM's aihwkit (devices.py), with its names. Measured: ReRamES and ReRamSB (Gong et al., Nat. Commun. 9,
2102 (2018), 10.1038/s41467-018-04485-1), ReRamArrayOM and ReRamArrayHfO2 (Gong, Rasch et al., IEDM (2022)), EcRam (Tang
et al., IEDM (2018), 10.1109/IEDM.2018.8614551), EcRamMO (Kim et al., IEDM (2019)), Capacitor (Li et al., VLSI (2018)),
PCM (Nandakumar et al., Front. Neurosci. 14, 406 (2020), 10.3389/fnins.2020.00406). Assumed: GokmenVlasov (Front.
Neurosci. 10, 333 (2016), 10.3389/fnins.2016.00333), Idealized.

Devices that do not answer (`corrupt`) are left out; 13.48 % were measured of ReRamArrayOM, 9.77 % of ReRamArrayHfO2.
PCM goes up only, take a pair of it.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from physics.pulsed import AbstractPulsed, Constant, Exponential, Linear, SoftBounds
from physics.quantity import with_values


def _d2d(gain: float, up_down: float, high: float, low: float) -> dict[str, float]:
    return dict(dw_dtod=gain, up_down_dtod=up_down, w_max_dtod=high, w_min_dtod=low)


_REF: Any = dict(additive=True, log_normal=True, subtract_symmetry=True, reference_std=0.05)
# fmt: off
PRESETS: dict[str, Callable[[], AbstractPulsed]] = {
    "ReRamES": partial(
        Exponential, dw_min=0.00135, up_down=0.259359, a=-0.5, b=-0.5, gamma_up=5.0, gamma_down=5.0, a_up=-1.18445,
        a_down=-0.081404, dw_std=5.0, write_noise=75.0, **_d2d(0.2, 0.05, 0.3, 0.3)),
    "ReRamSB": partial(
        SoftBounds, dw_min=0.002, w_min=-0.75, w_max=1.25, additive=True, dw_std=3.75, write_noise=56.0,
        **_d2d(0.3, 0.01, 0.24, 0.4)),
    "ReRamArrayOM": partial(
        SoftBounds, dw_min=0.0949, dw_std=0.4158, write_noise=1.4113, **_d2d(0.7829, 0.01, 0.3499, 0.5695), **_REF),
    "ReRamArrayHfO2": partial(
        SoftBounds, dw_min=0.4622, dw_std=0.2174, write_noise=0.5841, **_d2d(0.7125, 0.01, 0.4295, 0.5990), **_REF),
    "EcRam": partial(
        Linear, dw_min=0.002, w_min=-0.8276, w_max=1.1724, gamma_up=0.1153, gamma_down=0.5085, gamma_dtod=0.05,
        dw_std=0.3, **_d2d(0.1, 0.01, 0.05, 0.05)),
    "EcRamMO": partial(
        Linear, dw_min=2.8214e-4, w_min=-0.8286, w_max=1.1714, gamma_up=0.4152, gamma_down=0.7342, gamma_dtod=0.05,
        dw_std=2.0, **_d2d(0.1, 0.01, 0.05, 0.05)),
    "Capacitor": partial(
        Linear, dw_min=0.005, gamma_up=0.05, gamma_down=0.05, gamma_dtod=0.01, additive=True, dw_std=0.3,
        lifetime=1e6, lifetime_dtod=0.3, **_d2d(0.1, 0.06, 0.07, 0.07)),
    "GokmenVlasov": partial(Constant, dw_min=0.0016, dw_std=0.3, **_d2d(0.3, 0.01, 0.3, 0.3)),
    "Idealized": partial(Constant, dw_min=0.0002, dw_std=0.3, **_d2d(0.3, 0.0, 0.3, 0.3)),
    "PCM": partial(
        Exponential, dw_min=0.01, w_min=0.0, w_max=2.0, a=-1.0, b=0.0, gamma_up=2.5, gamma_down=2.5, a_up=-27.235,
        a_down=-2.235, dw_std=0.6, std_add=0.042, std_slope=0.108, reset_to=0.01, reset_dtod=0.02,
        **_d2d(0.2, 0.05, 0.1, 0.0)),
}
# fmt: on


def soft_bounds_of_curve(alpha: float, p_max: int | float, low: float, high: float) -> SoftBounds:
    """The steps of w = low + b (1 - exp(-alpha P)), P pulses up from `low` that reach `high` at p_max; mirrored down.

    This is the curve that aihwkit documents for its SoftBoundsPmax, with S+ = alpha w_max and S- = -alpha w_min; what
    it compiles are the steps of dw_min = alpha b, which leave that curve.
    """
    b = -(high - low) / math.expm1(-alpha * p_max)
    above, below = low + b, b - high
    # One pulse takes 1 - exp(-alpha) of the way.
    step = -math.expm1(-alpha)
    even, lean = (above + below) / 2, (above - below) / 2
    return with_values(SoftBounds(), dict(dw_min=step, w_max=above, w_min=-below, gain=even, lean=lean))
