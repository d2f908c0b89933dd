"""Phase-change memory as statistics, for inference: how far programming misses, how G drifts, how a reading scatters.

    programmed   g = max(g_T + s_p xi, 0),        s_p = (c0 + c1 r + c2 r^2 + c3 r^3) g_max/g_ref,  r = g_T/g_max
    drifted      g(t) = g (1 + t/t_0)^-nu,        nu = |mu(r) + s_nu(r) xi|
    read         g(t) max(1 + s_r xi, 0),         s_r = Q(r) sqrt(ln((t + t_0 + t_r)/(2 t_r)))

xi are standard normal numbers from outside, so everything is differentiable along a path. Corners of mu, s_nu and Q
are rounded over `width` and maxima by a softplus, as clipped numbers have no gradient; with a small `width` the
published fits come back. No device: nothing here knows a voltage (`phase_change.PhaseChangeCell` does).

V. Joshi et al., Nat. Commun. 11, 2473 (2020), 10.1038/s41467-020-16108-9 and S. R. Nandakumar et al., ICECS (2019),
10.1109/ICECS46596.2019.8964852, in the numbers of aihwkit (pcm.py); Hermes chip: M. Le Gallo et al., Nat. Electron. 6,
680 (2023), 10.1038/s41928-023-01010-1, in those of aihwkit (hermes.py). CrossSim (PCM_Joshi.py) fits Joshi's figure
3b for itself.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.quantity import Param, quantity, with_values
from physics.smooth import blend, smooth_max, smooth_min, softplus

Real = Float[Array, "..."]
_FIT = "aihwkit pcm.py"
_LEAST = 1e-7
"""Of g_max: the r below which a logarithm stays where it is."""


class LogFit(eqx.Module):
    """y = clip(slope ln r + offset, low, high) below r = switch, c0 + c1 r + c2 r^2 + c3 r^3 above."""

    slope: Param = quantity(-0.0155, "1", (-1.0, 1.0), doc="slope over ln r", source=_FIT)
    offset: Param = quantity(0.0244, "1", (-1.0, 1.0), doc="y at r = 1", source=_FIT)
    low: Param = quantity(0.049, "1", (0.0, 1.0), doc="least y", source=_FIT)
    high: Param = quantity(0.1, "1", (0.0, 1.0), doc="largest y", source=_FIT)
    switch: Param = quantity(10.0, "1", (0.0, 10.0), doc="r from which the polynomial holds; 10: never", source=_FIT)
    c0: Param = quantity(0.0, "1", (-1.0, 1.0), doc="polynomial", source="none of this fit")
    c1: Param = quantity(0.0, "1", (-1.0, 1.0), doc="polynomial", source="none of this fit")
    c2: Param = quantity(0.0, "1", (-1.0, 1.0), doc="polynomial", source="none of this fit")
    c3: Param = quantity(0.0, "1", (-1.0, 1.0), doc="polynomial", source="none of this fit")

    def __call__(self, r: Real, width: Real) -> Real:
        """y, its corners rounded over `width`."""
        line = self.slope * jnp.log(r) + self.offset
        clipped = smooth_min(smooth_max(line, self.low, width), self.high, width)
        polynomial = self.c0 + r * (self.c1 + r * (self.c2 + r * self.c3))
        return blend(clipped, polynomial, r - self.switch, width)


class PowerFit(eqx.Module):
    """y = min(scale/r^power, high)."""

    scale: Param = quantity(0.0088, "1", (1e-4, 1.0), scale="log", doc="y at r = 1", source=_FIT)
    power: Param = quantity(0.65, "1", (0.0, 2.0), doc="how fast y falls", source=_FIT)
    high: Param = quantity(0.2, "1", (0.0, 1.0), doc="largest y", source=_FIT)

    def __call__(self, r: Real, width: Real) -> Real:
        """y, its corner rounded over `width`."""
        return smooth_min(self.scale * r**-self.power, self.high, width)


_S_NU = dict(slope=-0.0125, offset=-0.0059, low=0.008, high=0.045)


class PcmStatistics(eqx.Module):
    """g(t) = max(g_T + s_p xi, 0) (1 + t/t_0)^-nu max(1 + s_r xi, 0): a cell from its target to a reading.

    The defaults are `joshi`. t is the time since programming, less the t_0 that passed before the first reading.
    """

    g_max: Param = quantity(25e-6, "S", (1e-6, 1e-4), scale="log", doc="largest target", source=_FIT)
    g_ref: Param = quantity(25e-6, "S", (1e-6, 1e-4), scale="log", doc="g_max of the fit of s_p", source=_FIT)
    c0: Param = quantity(0.26348e-6, "S", (-1e-4, 1e-4), doc="s_p at r = 0", source=_FIT)
    c1: Param = quantity(1.9650e-6, "S", (-1e-4, 1e-4), doc="s_p by r", source=_FIT)
    c2: Param = quantity(-1.1731e-6, "S", (-1e-4, 1e-4), doc="s_p by r^2", source=_FIT)
    c3: Param = quantity(0.0, "S", (-1e-4, 1e-4), doc="s_p by r^3", source="none of this fit")
    t_0: Param = quantity(20.0, "s", (1e-3, 1e4), scale="log", doc="from programming to the first reading", source=_FIT)
    t_r: Param = quantity(250e-9, "s", (1e-9, 1e-3), scale="log", doc="duration of a reading", source=_FIT)
    width: Param = quantity(1e-3, "1", (1e-8, 1e-2), scale="log", doc="rounding of corners", source="chosen")
    mu: LogFit = eqx.field(default_factory=LogFit)
    s_nu: LogFit = eqx.field(default_factory=lambda: with_values(LogFit(), _S_NU))
    q: LogFit | PowerFit = eqx.field(default_factory=PowerFit)

    @classmethod
    def joshi(cls) -> "PcmStatistics":
        """Nandakumar 2019 and Joshi 2020, as in aihwkit."""
        return cls()

    @classmethod
    def crosssim(cls) -> "PcmStatistics":
        """Another fit of s_p of Joshi 2020, and its first reading after 27.36 s; drift and noise as `joshi`."""
        return with_values(cls(), dict(c0=0.28638599e-6, c1=25 * 0.07585724e-6, c2=-625 * 0.00178767e-6, t_0=27.36))

    @classmethod
    def hermes_two(cls) -> "PcmStatistics":
        """Hermes chip, two devices a weight."""
        s_nu = dict(slope=-0.0117, offset=-0.0057, low=0.0091, switch=0.3055, c0=0.0073, c1=0.0093, c2=-0.0118)
        q = dict(slope=-0.0117, offset=-0.0069, low=0.015, switch=0.16, c0=0.0123, c1=0.0211, c2=-0.0280, c3=0.0069)
        programming = dict(c0=0.16603222e-6, c1=4.71806468e-6, c2=-8.48101252e-6, c3=4.68961419e-6)
        return _hermes(dict(g_max=20.7e-6, g_ref=20.7e-6, t_0=300.0) | programming, s_nu, q)

    @classmethod
    def hermes_one(cls) -> "PcmStatistics":
        """Hermes chip, one device a weight."""
        s_nu = dict(slope=-0.0120, offset=-0.0023, low=0.0124, switch=0.3039, c0=0.0104, c1=0.0116, c2=-0.0165)
        q = dict(slope=-0.0078, offset=0.0038, low=0.0179, switch=0.1591, c0=0.0088, c1=0.0768, c2=-0.1352, c3=0.0664)
        programming = dict(c0=0.15781817e-6, c1=2.32443916e-6, c2=-2.16310839e-6, c3=0.68841818e-6)
        return _hermes(dict(g_max=10.35e-6, g_ref=10.35e-6, t_0=200.0) | programming, s_nu, q)

    def programming_spread(self, target: Real) -> Real:
        """s_p (S) at a target (S)."""
        r = target / self.g_max
        spread = self.c0 + r * (self.c1 + r * (self.c2 + r * self.c3))
        return self._positive(spread * (self.g_max / self.g_ref))

    def programmed(self, target: Real, noise: Real) -> Real:
        """g (S) of a target (S)."""
        return self._positive(target + self.programming_spread(target) * noise)

    def drift_mean(self, target: Real) -> Real:
        """mu, the mean exponent of cells of a target (S)."""
        return self.mu(self._share(target), self.width)

    def drift_spread(self, target: Real) -> Real:
        """s_nu, the standard deviation of the exponent."""
        return self.s_nu(self._share(target), self.width)

    def drift_exponent(self, target: Real, noise: Real) -> Real:
        """nu of a cell; |.| is rounded over `width`."""
        drawn = self.drift_mean(target) + self.drift_spread(target) * noise
        return jnp.sqrt(drawn * drawn + self.width * self.width)

    def drifted(self, g: Real, t: Real, exponent: Real) -> Real:
        """g(t) (S), g being that at t = 0."""
        return g * jnp.exp(-exponent * jnp.log1p(t / self.t_0))

    def read_strength(self, g: Real) -> Real:
        """Q of a cell programmed to g (S)."""
        return self.q(self._share(g), self.width)

    def read_spread(self, g: Real, t: Real) -> Real:
        """s_r, relative standard deviation of a reading at t (s), of a cell programmed to g (S)."""
        return self.read_strength(g) * jnp.sqrt(jnp.log((t + self.t_0 + self.t_r) / (2 * self.t_r)))

    def conductance(self, target: Real, t: Real, noise: tuple[Real, Real, Real]) -> Real:
        """A reading (S) at t (s) of a cell of a target (S), from numbers for programming, drift and reading."""
        g = self.programmed(target, noise[0])
        later = self.drifted(g, t, self.drift_exponent(target, noise[1]))
        return later * softplus(1 + self.read_spread(g, t) * noise[2], self.width)

    def sample(self, key: Array, target: Real, t: Real) -> Real:
        """`conductance` with numbers drawn from a key, one cell for each target."""
        drawn = jax.random.normal(key, (3, *target.shape), target.dtype)
        return self.conductance(target, t, (drawn[0], drawn[1], drawn[2]))

    def _share(self, g: Real) -> Real:
        return jnp.maximum(g / self.g_max, _LEAST)

    def _positive(self, g: Real) -> Real:
        return softplus(g, self.width * self.g_max)


def _hermes(own: dict[str, float], s_nu: dict[str, float], q: dict[str, float]) -> PcmStatistics:
    mu = dict(slope=-0.0387, offset=-0.0182, low=0.072, high=0.13, switch=0.0945, c0=0.0736, c1=-0.0126, c2=-0.0436)
    fits = [with_values(LogFit(), dict(high=0.04) | values) for values in (mu, s_nu, q)]
    return with_values(PcmStatistics(mu=fits[0], s_nu=fits[1], q=fits[2]), own | dict(t_r=512e-9))
