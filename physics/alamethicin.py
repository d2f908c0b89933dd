"""A memristor of two droplets: peptides in a lipid bilayer that gather to pores under voltage, on either side."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.quantity import Param, quantity, state_variable
from physics.smooth import limexp

Real = Float[Array, "..."]
NAJEM = "10.1021/acsnano.8b01282"
_FORM = f"chosen; form of {NAJEM}, recalled"


class Alamethicin(AbstractDevice):
    """i = A g_ref n V,  n' = (n_inf(V) - n)/tau(V): n pores for each one at rest at `v_ref`, none at first.

        1/n_inf = exp(-(|V| - v_ref)/v_e) + 1/n_max        tau = tau_0 exp(|V|/v_tau)

    A volatile memristor of first order: the loop of i(V) is pinched at nought, and closes at high frequency. |V| is
    rounded over `v_round`. The number of pores, N of i = g N V, is n A g_ref/g for pores of conductance g. Added: no
    more than n_max; it matters where a bilayer would break, above 0.16 V. No temperature.

    J. S. Najem et al., ACS Nano 12, 4702 (2018), 10.1021/acsnano.8b01282 (form and page recalled). The numbers are
    chosen: a tenfold conductance each 12 mV, answers in tens of milliseconds, 10 nS at 0.12 V.
    """

    class State(eqx.Module):
        n: Param = state_variable((0.0, 1e4), doc="pores, one at rest at v_ref")

    terminals: ClassVar[tuple[str, ...]] = ("inside", "outside")
    family: ClassVar[str] = "membrane"
    doi: ClassVar[str] = NAJEM
    sweep: ClassVar[Sweep] = Sweep(0.15, -0.15, 1.0)
    area: Param = quantity(1e-8, "m2", (1e-16, 1e-2), scale="log", doc="A, area", source="chosen", free=False)
    g_ref: Param = quantity(1.0, "S/m2", (1e-4, 1e4), scale="log", doc="conductance of n = 1", source=_FORM)
    v_e: Param = quantity(5.3e-3, "V", (3e-3, 20e-3), scale="log", doc="e-fold of the pores", source=_FORM)
    tau_0: Param = quantity(5e-3, "s", (1e-5, 1.0), scale="log", doc="tau at V = 0", source=_FORM)
    v_tau: Param = quantity(50e-3, "V", (20e-3, 1.0), scale="log", doc="e-fold of tau", source=_FORM)
    n_max: Param = quantity(1e4, "1", (1e2, 1e4), scale="log", doc="all peptides in pores", source="chosen", free=False)
    v_ref: Param = quantity(0.12, "V", (0.05, 0.2), doc="where n = 1 at rest", source="definition", free=False)
    v_round: Param = quantity(1e-3, "V", (1e-4, 5e-3), doc="rounding of |V|", source="chosen", free=False)

    def init(self, env: Environment) -> State:
        del env
        return Alamethicin.State(n=self.steady(jnp.zeros_like(self.v_e)))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        return Alamethicin.State(n=(self.steady(v) - x.n) * limexp(-self._size(v) / self.v_tau) / self.tau_0)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        return self.area * self.g_ref * x.n * v

    def steady(self, v: Volts) -> Real:
        """n_inf at a voltage `v` (V) that lasts."""
        return self.n_max * jax.nn.sigmoid((self._size(v) - self.v_ref) / self.v_e - jnp.log(self.n_max))

    def _size(self, v: Volts) -> Real:
        return jnp.sqrt(v * v + self.v_round * self.v_round) - self.v_round
