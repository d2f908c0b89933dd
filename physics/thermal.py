"""Joule heating: how warm a cell gets, without ever getting infinite."""

from jaxtyping import Array, Float

from physics.smooth import saturate

Real = Float[Array, "..."]


def joule_temperature(ambient: Real, power: Real, resistance: Real, limit: Real) -> Real:
    """Quasi-static T = T0 + dT / (1 + dT/limit), dT = R_th P (K).

    The saturation is a guard, not physics: it keeps Arrhenius rates finite when a current runs away.
    It must stand well above the temperatures of the published fits (`limit` of some thousand K).
    """
    return ambient + saturate(resistance * power, limit)
