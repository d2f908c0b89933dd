"""How electrons get through: conduction laws shared by the devices (currents in A, voltages in V)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics import constants
from physics.smooth import limsinh

Real = Float[Array, "..."]


def cylinder_resistance(resistivity: Real, length: Real, diameter: Real) -> Real:
    """4 rho L / (pi d^2) of a filament (ohm)."""
    return 4 * resistivity * length / (jnp.pi * diameter * diameter)


def sinh_law(v: Real, scale: Real, v0: Real) -> Real:
    """scale sinh(v/v0): hopping or trap-assisted tunnelling (A)."""
    return scale * limsinh(v / v0)


def schottky_lowering(potential: Real, density: Real, charges: Real, permittivity: Real) -> Real:
    """Image-force lowering [q^3 z N psi / (8 pi^2 eps^3)]^(1/4) in eV; psi >= 0 in V, `permittivity` is eps/eps0.

    Sze and Ng, Physics of Semiconductor Devices (2007), section 3.2.4.
    """
    # As the root of a field times a length, float32 gradients do not overflow.
    field = jnp.sqrt(constants.Q / constants.EPS_0 * charges * density * potential / (8 * jnp.pi**2 * permittivity))
    return jnp.sqrt(constants.Q / constants.EPS_0 * field / permittivity)


def ekv_channel(pinch_off: Real, v_drain: Real, thermal: Real) -> Real:
    """F(v_P) - F(v_P - V_D), F(v) = ln^2(1 + exp(v/2 U_T)): the current of an EKV channel over 2 n beta U_T^2.

    Exactly zero at V_D = 0, whatever the rounding. Enz, Krummenacher and Vittoz, Analog Integr. Circuits Signal
    Process. 8, 83 (1995), 10.1007/BF01239381.
    """
    source, step = 0.5 * pinch_off / thermal, 0.5 * v_drain / thermal
    at_source, at_drain = jnp.logaddexp(0.0, source), jnp.logaddexp(0.0, source - step)
    small = jnp.abs(step) < 1
    safe = jnp.where(small, step, jnp.zeros_like(step))
    # (1 + exp(u - d))/(1 + exp(u)) = 1 + (exp(-d) - 1)/(1 + exp(-u)): no difference of two large numbers.
    near = -jnp.log1p(jnp.expm1(-safe) * jax.nn.sigmoid(source))
    return jnp.where(small, near, at_source - at_drain) * (at_source + at_drain)
