"""How far programming of an oxide memristor misses its target: the spread that arrays have been measured to have.

    programmed   g = max(g_T + s_p(g_T) xi, 0),   s_p = max(c0 + c1 r + c2 r^2 + c3 r^3, 0) g_ref,   r = g_T/g_ref

xi are standard normal numbers from outside, so everything is differentiable along a path; both maxima are a softplus
over `width`. No device: nothing here knows a voltage. How a programmed conductance is lost is `retention.py`.

V. Milo et al., IRPS (2021), 10.1109/IRPS46558.2021.9405119, 50 to 225 uS, and W. Wan et al., Nature 608, 504 (2022),
10.1038/s41586-022-04992-8, up to 39.26 uS, in the fits of CrossSim (RRAM_Milo.py, RRAM_Wan.py).
"""

import equinox as eqx
from jaxtyping import Array, Float

from physics.quantity import Param, quantity, with_values
from physics.smooth import softplus

Real = Float[Array, "..."]
_MILO = "CrossSim RRAM_Milo.py"


class RramProgramming(eqx.Module):
    """Spread of the programmed conductance of oxide memristors as a polynomial of the target; by default Milo 2021.

        s_p = (c0 + c1 r + c2 r^2 + c3 r^3)_+ g_ref,  r = g_T/g_ref

    V. Milo et al., IRPS (2021), 10.1109/IRPS46558.2021.9405119. `wan` is that of W. Wan et al., Nature 608, 504 (2022),
    10.1038/s41586-022-04992-8. The rounding of (.)_+ is ours.
    """

    c0: Param = quantity(4.782321, "1", (-100.0, 100.0), doc="spread at r = 0", source=_MILO)
    c1: Param = quantity(-0.009107, "1", (-10.0, 10.0), doc="linear part", source=_MILO)
    c2: Param = quantity(0.0, "1", (-1.0, 1.0), doc="quadratic part", source="none of this fit")
    c3: Param = quantity(0.0, "1", (-0.1, 0.1), doc="cubic part", source="none of this fit")
    g_ref: Param = quantity(1e-6, "S", (1e-7, 1e-5), scale="log", doc="unit of the fit", source="1 uS", free=False)
    width: Param = quantity(1e-3, "1", (1e-6, 1.0), scale="log", doc="rounding over g_ref", source="chosen", free=False)

    @classmethod
    def wan(cls) -> "RramProgramming":
        """Wan 2022: 1 uS at r = 0, largest, 2.5 uS, near 15 uS, which holds up to 39.26 uS."""
        return with_values(cls(), dict(c0=1.053, c1=0.2374, c2=-1.167e-2, c3=1.536e-4))

    def programming_spread(self, target: Real) -> Real:
        """s_p (S) at a target (S)."""
        r = target / self.g_ref
        return self._positive(self.c0 + r * (self.c1 + r * (self.c2 + r * self.c3)))

    def programmed(self, target: Real, noise: Real) -> Real:
        """g (S) of a target (S), from standard normal numbers of its shape."""
        return self._positive((target + self.programming_spread(target) * noise) / self.g_ref)

    def _positive(self, r: Real) -> Real:
        return softplus(r, self.width) * self.g_ref
