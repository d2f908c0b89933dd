"""Joule heating: how warm a cell gets and how fast, without ever getting infinite."""

from jaxtyping import Array, Float

from physics.smooth import limit_current

Real = Float[Array, "..."]


def joule_rise(power: Real, resistance: Real, limit: Real) -> Real:
    """Steady dT = R_th P (K), kept below `limit`.

    The limit is a guard, not physics: it keeps Arrhenius rates finite when a current runs away, and must stand well
    above the temperatures of the published fits.
    """
    return limit_current(resistance * power, limit)


def joule_warming(temperature: Real, ambient: Real, rise: Real, time: Real) -> Real:
    """dT/dt = (T_amb + dT - T)/tau (K/s), tau = R_th C_th: a heat capacity on its way to the steady rise dT."""
    return (ambient + rise - temperature) / time
