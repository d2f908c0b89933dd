"""How fast atoms move: activated rates shared by the devices.

Energies are in eV, temperatures in K. Every exponent is bounded (`smooth.limexp`), so rates stay
finite when an optimiser or an implicit solver looks far outside the physical range.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from physics import constants
from physics.smooth import limexp, limit_current, softplus

Real = Float[Array, "..."]


def thermal_voltage(temperature: Real) -> Real:
    """k_B T / q in volts; multiplies an exponent in eV."""
    # One number for k_B/q: the compiler may take a square of the quotient apart, and k_B^2 is none in float32.
    return (constants.K_B / constants.Q) * temperature


def arrhenius(prefactor: Real, energy: Real, temperature: Real) -> Real:
    """prefactor exp(-E / k_B T), E in eV."""
    return prefactor * limexp(-energy / thermal_voltage(temperature))


def sinh_hopping(
    prefactor: Real, energy: Real, drop: Real, temperature: Real, ceiling: Real | float | None = None
) -> Real:
    """2 prefactor exp(-E/k_B T) sinh(q drop / k_B T): forward minus backward hops.

    `drop` (V) is the part of the voltage that lowers one barrier, usually half a hop times the field; `ceiling`
    limits the forward hops, over prefactor, where the field has pulled the barrier down: h/(1 + (h/c)^8)^(1/8).
    Mott and Gurney, Electronic Processes in Ionic Crystals (1940).
    """
    kt = thermal_voltage(temperature)
    sign = jnp.where(drop < 0, -jnp.ones_like(drop), jnp.ones_like(drop))
    up = (sign * drop - energy) / kt
    if ceiling is not None:
        up = up - softplus(up - jnp.log(ceiling), 0.125)
    # No difference of two exponentials, which would drown a small drop in the rounding of the barrier.
    return -sign * prefactor * limexp(up) * jnp.expm1(-2 * sign * drop / kt)


def mott_gurney_barriers(energy: Real, field_drop: Real) -> tuple[Real, Real]:
    """Barriers (eV) of a hop with and against a strong field, lowered through the whole hop.

    g = z a E / (pi W);  W_-+ = W (sqrt(1 - g^2) -+ g pi/2 + g asin g).  `field_drop` is z a E in eV.
    No barrier is left at |g| = 1, so g is limited to that by g/(1 + g^16)^(1/16), which leaves |g| < 0.4 as it is.
    Genreith-Schriever and De Souza, Phys. Rev. B 94, 224304 (2016), 10.1103/PhysRevB.94.224304.
    """
    # Not quite one: the slope of the square root is infinite there.
    g = limit_current(field_drop / (jnp.pi * energy), jnp.full_like(energy, 0.999), 16)
    common = jnp.sqrt(1 - g * g) + g * jnp.arcsin(g)
    return energy * (common - g * jnp.pi / 2), energy * (common + g * jnp.pi / 2)
