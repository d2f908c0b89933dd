"""How a current fluctuates while the state rests: spectra (A2/Hz, one-sided) and their variances.

    thermal    4 k_B T G
    shot       2 q |i| coth(q |v| / 2 k_B T), which is thermal noise at v = 0
    flicker    K i^2 / f
    telegraph  4 di^2 / ((t_c + t_e) [(1/t_c + 1/t_e)^2 + (2 pi f)^2])

H. Nyquist, Phys. Rev. 32, 110 (1928), 10.1103/PhysRev.32.110; F. N. Hooge, Phys. Lett. A 29, 139 (1969); S. Machlup,
J. Appl. Phys. 25, 341 (1954), 10.1063/1.1721637.

t_c is the mean time in the state of high current before a charge is captured there, t_e that in the state of low
current before it is emitted. `ReadNoise` is all of them for a device; `neurojax.read_noise` draws samples.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics import constants
from physics.device import Environment
from physics.kinetics import thermal_voltage
from physics.quantity import Param, quantity

Real = Float[Array, "..."]


def thermal_psd(conductance: Real, temperature: Real) -> Real:
    """4 k_B T G (A2/Hz) of a conductance (S)."""
    return 4 * constants.K_B * temperature * conductance


def shot_psd(i: Real, v: Real, temperature: Real) -> Real:
    """2 q |i| coth(q|v|/2kT) (A2/Hz) of a current (A) over a barrier; 4 kT i/v where v goes to zero."""
    x = jnp.abs(v) / (2 * thermal_voltage(temperature))
    small = x < 1e-4
    safe = jnp.where(small, jnp.ones_like(x), x)
    # i coth(x) = (i/v) v coth(x), whose limit is 2 U_T i/v.
    over_v = jnp.abs(i) / jnp.maximum(jnp.abs(v), 1e-30)
    near = over_v * 2 * thermal_voltage(temperature) * (1 + x * x / 3)
    return 2 * constants.Q * jnp.where(small, near, jnp.abs(i) / jnp.tanh(safe))


def flicker_psd(i: Real, strength: Real, f: Real) -> Real:
    """K i^2/f (A2/Hz)."""
    return strength * i * i / f


def telegraph_psd(step: Real, t_capture: Real, t_emission: Real, f: Real) -> Real:
    """Lorentzian (A2/Hz) of a current that jumps by `step` (A) between two levels."""
    corner = 1 / t_capture + 1 / t_emission
    return 4 * step * step / ((t_capture + t_emission) * (corner * corner + (2 * jnp.pi * f) ** 2))


def telegraph_variance(step: Real, t_capture: Real, t_emission: Real) -> Real:
    """di^2 t_c t_e/(t_c + t_e)^2 (A2): that of the two levels, and the integral of the spectrum."""
    whole = t_capture + t_emission
    return step * step * t_capture * t_emission / (whole * whole)


def telegraph_corner(t_capture: Real, t_emission: Real) -> Real:
    """Frequency (Hz) at which the Lorentzian has fallen to half."""
    return (1 / t_capture + 1 / t_emission) / (2 * jnp.pi)


def ensemble_psd(step: Real, fastest: Real, slowest: Real, f: Real) -> Real:
    """di^2/(4 f ln(slowest/fastest)) (A2/Hz): 1/f from one telegraph signal with a log-uniform time constant.

    t_c = t_e = 2 tau, tau between `fastest` and `slowest` (s); exact between their corner frequencies:
    the difference of arctan(2 pi f tau) is then pi/2. McWhorter, in Semiconductor Surface Physics (1957).
    """
    turns = jnp.arctan(2 * jnp.pi * f * slowest) - jnp.arctan(2 * jnp.pi * f * fastest)
    return step * step * turns / (2 * jnp.pi * f * jnp.log(slowest / fastest))


class ReadNoise(eqx.Module):
    """What a reading adds to the current of a device: thermal and shot noise, 1/f, and one telegraph signal.

    White noise is the larger of both kinds (`shot_psd` is thermal noise at zero bias already) times `white`; the
    telegraph signal is a part of the current, `rtn` from level to level.
    """

    white: Param = quantity(1.0, "1", (0.0, 100.0), doc="factor on shot and thermal noise", source="1: none but those")
    flicker: Param = quantity(1e-6, "1", (0.0, 1e-2), doc="K of K i^2/f", source="chosen, 1e-8 to 1e-4 are measured")
    rtn: Param = quantity(0.0, "1", (0.0, 1.0), doc="step of the telegraph signal over the current", source="chosen")
    t_capture: Param = quantity(1e-3, "s", (1e-9, 1e6), scale="log", doc="mean time at high current", source="chosen")
    t_emission: Param = quantity(1e-3, "s", (1e-9, 1e6), scale="log", doc="mean time at low current", source="chosen")

    def psd(self, i: Real, v: Real, f: Real, env: Environment) -> Real:
        """Spectrum (A2/Hz) at frequency f (Hz) where a current i (A) flows at a voltage v (V)."""
        white = self.white * shot_psd(i, v, env.temperature)
        jumps = telegraph_psd(self.rtn * i, self.t_capture, self.t_emission, f)
        return white + flicker_psd(i, self.flicker, f) + jumps

    def variance(self, i: Real, v: Real, low: Real, high: Real, env: Environment) -> Real:
        """Integral of the spectrum (A2) from `low` to `high` (Hz): what a reading of that bandwidth scatters."""
        white = self.white * shot_psd(i, v, env.temperature) * (high - low)
        corner = telegraph_corner(self.t_capture, self.t_emission)
        jumps = telegraph_variance(self.rtn * i, self.t_capture, self.t_emission)
        part = (jnp.arctan(high / corner) - jnp.arctan(low / corner)) * 2 / jnp.pi
        return white + self.flicker * i * i * jnp.log(high / low) + jumps * part
