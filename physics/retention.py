"""How a stored conductance is lost: stretched exponentials, Arrhenius acceleration, and relaxation in log time.

    decay        g(t) = g_inf + (g_0 - g_inf) exp(-(t/tau)^b),   tau = tau_0 exp(E_a/k_B T)
    acceleration tau(T_use)/tau(T_bake) = exp(E_a/k_B (1/T_use - 1/T_bake))
    relaxation   g(t) - g_0 scatters with a standard deviation that grows with k_B T log(nu t)

The conducting state of oxide memristors follows Arrhenius' law, the insulating one no general law (Tang et al., Adv.
Mater. 2019, 10.1002/adma.201902761, section 3.3.2). Milliseconds after programming both have spread, and go on to.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.kinetics import thermal_voltage
from physics.quantity import Param, quantity
from physics.smooth import limexp, step

Real = Float[Array, "..."]
_ARRAY = "fitted to a 1T1R array of oxide memristors: slopes of 30 levels, 10 to 126 uS, and bakes at 100 to 260 C"
ROOM = 300.0


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
    """Spread of an array of filamentary memristors after programming, by barriers that are passed one after the other.

        front     E(t, T) = k_B T ln(1 + nu t exp(-e_0/k_B T)),  how far above e_0 barriers have been passed
        spread    sd(g - g_0) = w / sqrt(1 + (w/most)^2) + held exp(-(g - held_centre)^2 / (2 held_width^2)) f
                  w = E (floor + peak exp(-(g - centre)^2 / (2 width^2))),   f = 1/(1 + exp(-(e_0 + E - e_held)/soft))

    Barriers of about one density are passed evenly in log time, faster and further where it is hot: M. R. J. Gibbs,
    J. E. Evetts and J. A. Leake, J. Mater. Sci. 18, 278 (1983), 10.1007/BF00543836 (recalled).
    Thin filaments, about half a conductance quantum of 77 uS, spread most, and no further than `most`. Thick ones hold
    until the front comes to e_held. The forms in g are ours, no theory.
    """

    floor: Param = quantity(1.564e-6, "S/eV", (1e-9, 1e-4), scale="log", doc="spread everywhere", source=_ARRAY)
    peak: Param = quantity(2.646e-5, "S/eV", (1e-8, 1e-3), scale="log", doc="more at the centre", source=_ARRAY)
    centre: Param = quantity(4.505e-5, "S", (1e-7, 1e-2), scale="log", doc="where the spread is largest", source=_ARRAY)
    width: Param = quantity(1.943e-5, "S", (1e-7, 1e-2), scale="log", doc="how far around the centre", source=_ARRAY)
    most: Param = quantity(
        1.711e-5, "S", (1e-7, 1e-2), scale="log", doc="spread of thin filaments at last", source=_ARRAY
    )
    e_0: Param = quantity(0.4757, "eV", (0.05, 1.0), doc="lowest barrier", source=_ARRAY)
    held: Param = quantity(
        4.767e-6, "S", (1e-9, 1e-3), scale="log", doc="spread of thick filaments, once", source=_ARRAY
    )
    held_centre: Param = quantity(9.539e-5, "S", (1e-7, 1e-2), scale="log", doc="of thick filaments", source=_ARRAY)
    held_width: Param = quantity(1.951e-5, "S", (1e-7, 1e-2), scale="log", doc="of thick filaments", source=_ARRAY)
    e_held: Param = quantity(
        1.125,
        "eV",
        (0.5, 3.0),
        doc="barrier that holds thick filaments",
        source="between 1.01 and 1.24 in the same data",
    )
    soft: Param = quantity(0.02, "eV", (1e-3, 0.3), scale="log", doc="its width", source="chosen")
    nu: Param = quantity(1e13, "1/s", (1e10, 1e15), scale="log", doc="attempts", source="chosen, about a phonon's")

    def front(self, t: Real, temperature: Real | float = ROOM) -> Real:
        """How far above the lowest one barriers have been passed (eV) after t (s) at a temperature (K)."""
        heat = thermal_voltage(jnp.asarray(temperature, float))
        return heat * jnp.log1p(t * self.nu * jnp.exp(-self.e_0 / heat))

    def spread(self, g: Real, t: Real, temperature: Real | float = ROOM) -> Real:
        """Standard deviation (S) of cells programmed to g (S) after t (s) at a temperature (K)."""
        front = self.front(t, temperature)
        free = front * (self.floor + self.peak * _bell(g, self.centre, self.width))
        loose = step(self.e_0 + front - self.e_held, self.soft)
        return (
            free / jnp.sqrt(1 + (free / self.most) ** 2)
            + self.held * _bell(g, self.held_centre, self.held_width) * loose
        )

    def per_decade(self, g: Real, temperature: Real | float = ROOM) -> Real:
        """What a decade of time adds to it (S), on average from 10 ms to 10^4 s."""
        first, last = (self.spread(g, jnp.asarray(t, float), temperature) for t in (1e-2, 1e4))
        return (last - first) / 6

    def relaxed(self, g: Real, t: Real, noise: Real, temperature: Real | float = ROOM) -> Real:
        """Conductances (S) after t (s), from standard normal numbers of the shape of g; never below zero.

        One number a cell for all t: a cell that has moved goes on in its direction.
        """
        moved = g + self.spread(g, t, temperature) * noise
        least = 1e-3 * self.centre
        return least * jnp.logaddexp(jnp.zeros_like(moved), moved / least)


def _bell(g: Real, centre: Real, width: Real) -> Real:
    z = (g - centre) / width
    return jnp.exp(-0.5 * z * z)
