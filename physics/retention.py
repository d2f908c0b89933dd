"""How a stored conductance is lost: stretched exponentials, Arrhenius acceleration, and relaxation in log time.

    decay        g(t) = g_inf + (g_0 - g_inf) exp(-(t/tau)^b),   tau = tau_0 exp(E_a/k_B T)
    acceleration tau(T_use)/tau(T_bake) = exp(E_a/k_B (1/T_use - 1/T_bake))
    relaxation   g(t) - g_0 scatters with standard deviation s(g_0) log10(1 + t/t_0)

The conducting state of oxide memristors follows Arrhenius' law, the insulating one no general law (Tang et al., Adv.
Mater. 2019, 10.1002/adma.201902761, section 3.3.2). Milliseconds after programming both have spread, and go on to.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.kinetics import thermal_voltage
from physics.quantity import Param, quantity
from physics.smooth import limexp

Real = Float[Array, "..."]
_ARRAY = "fitted to the slopes of 30 levels of a 1T1R array of oxide memristors, 10 to 126 uS"


class Retention(eqx.Module):
    """Stretched-exponential loss with an activated time constant."""

    tau_0: Param = quantity(
        1e-12, "s", (1e-18, 1e-3), scale="log", doc="time constant without a barrier", source="recalled: 1e-14 to 1e-10"
    )
    e_a: Param = quantity(1.2, "eV", (0.1, 3.0), doc="activation energy", source="recalled: 1.0 to 1.6 of HfOx, TaOx")
    b: Param = quantity(1.0, "1", (0.1, 1.0), doc="stretching: 1 of one barrier, less of many", source="chosen")

    def tau(self, temperature: Real) -> Real:
        """Time constant (s) at a temperature (K)."""
        return self.tau_0 * limexp(self.e_a / thermal_voltage(temperature))

    def kept(self, t: Real, temperature: Real) -> Real:
        """The part of g_0 - g_inf that is left after t (s)."""
        ratio = t / self.tau(temperature)
        # The slope of a power below one is infinite at zero.
        safe = jnp.where(ratio > 0, ratio, jnp.ones_like(ratio))
        return jnp.where(ratio > 0, jnp.exp(-(safe**self.b)), jnp.ones_like(ratio))

    def time(self, kept: Real, temperature: Real) -> Real:
        """When a part `kept` is left (s)."""
        return self.tau(temperature) * (-jnp.log(kept)) ** (1 / self.b)

    def acceleration(self, use: Real, bake: Real) -> Real:
        """How many times longer it takes at the temperature `use` than at `bake` (K)."""
        return limexp(self.e_a * (1 / thermal_voltage(use) - 1 / thermal_voltage(bake)))


class Relaxation(eqx.Module):
    """sd(g - g_0) = s(g_0) log10(1 + t/t_0),  s(g) = floor + peak exp(-(g - centre)^2/(2 width^2)).

    The spread of an array of filamentary memristors after programming, which grows evenly in log time at all
    conductances. t_0 is about as long as a programming pulse: what is measured after 10 ms has spread for four decades.
    Thick filaments, beyond the conductance quantum of 77 uS, hold together. The form of s is ours, no theory.
    """

    floor: Param = quantity(7.7e-8, "S", (1e-10, 1e-5), scale="log", doc="spread a decade everywhere", source=_ARRAY)
    peak: Param = quantity(1.119e-6, "S", (1e-9, 1e-4), scale="log", doc="more at the centre", source=_ARRAY)
    centre: Param = quantity(4.19e-5, "S", (1e-7, 1e-2), scale="log", doc="where the spread is largest", source=_ARRAY)
    width: Param = quantity(2.34e-5, "S", (1e-7, 1e-2), scale="log", doc="how far around the centre", source=_ARRAY)
    t_0: Param = quantity(
        1e-6, "s", (1e-12, 1e2), scale="log", doc="time from which it spreads", source="intercepts of the same slopes"
    )

    def per_decade(self, g: Real) -> Real:
        """Standard deviation (S) that a decade of time adds to cells programmed to g (S)."""
        z = (g - self.centre) / self.width
        return self.floor + self.peak * jnp.exp(-0.5 * z * z)

    def spread(self, g: Real, t: Real) -> Real:
        """Standard deviation (S) after t (s)."""
        return self.per_decade(g) * jnp.log1p(t / self.t_0) / jnp.log(10.0)

    def relaxed(self, g: Real, t: Real, noise: Real) -> Real:
        """Conductances (S) after t (s), from standard normal numbers of the shape of g; never below zero.

        One number a cell for all t: a cell that has moved goes on in its direction.
        """
        moved = g + self.spread(g, t) * noise
        least = 0.01 * self.floor
        return least * jnp.logaddexp(jnp.zeros_like(moved), moved / least)
