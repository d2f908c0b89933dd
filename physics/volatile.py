"""Volatile silver memristors in a line or two, safe for gradients: `AndThreshold` and `UscDiffusive`.

What the silver does is in `silver_filament.py` and `diffusive.py`; these are fits of its outcome.
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.quantity import Param, quantity, state_variable
from physics.smooth import blend, limexp, smooth_min, softplus, step

Real = Float[Array, "..."]
_AND = "Ostrovskii 2025, equations 3 and 4"
_USC = "Memristor-Model (public SPICE deck)"


class AndThreshold(AbstractDevice):
    """dX/dt = s(b_S) a_S/tau_S - (1 - s(b_R)) a_R/tau_R,  i = V X/R_on + i_lk tanh(V/v_s),  s(u) = 1/(1 + e^-u).

    X is the share of the silver bridge between nanodots. It is set outside the thresholds and decays inside those of
    holding, each one a parabola in V that is positive outside:

        b_S = (V - V_th+)(V - V_th-)/V_S^2,  b_R = (V - V_h+)(V - V_h-)/V_R^2
        a_S = (1 - e^-(a X + d_S)) (1 - X) + (1 - e^-a(1-X)) X
        a_R = (1 - e^-a X) (1 - X) + (1 - e^-(a(1-X) + d_R)) X

    R_on has one value for each polarity. To make any other threshold switch (ovonic, NbO2, VO2) of it, change
    V_th, V_h, R_on, tau.

    V. Ostrovskii et al. (2025); device: Q. Hua et al., Adv. Sci. 6, 1900024 (2019), 10.1002/advs.201900024.
    Deviations: the leakage +-i_lk and the two R_on are exchanged over v_s. As printed, setting takes 246 ns where the
    paper states less than 210 ns, and a decade of current 0.59 mV (0.57 for V < 0) where it has 0.66 (0.65), so
    equation 3 may have been read wrongly.
    """

    class State(eqx.Module):
        x: Param = state_variable((0.0, 1.0), doc="share of the bridge")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P7 diffusive memristor"
    doi: ClassVar[str] = "10.1002/advs.201900024"
    sweep: ClassVar[Sweep] = Sweep(0.5, -0.5, 2e-3)
    ordered: ClassVar[tuple[tuple[str, str], ...]] = (
        ("v_hold", "v_th"),
        ("v_th_neg", "v_hold_neg"),
    )
    v_th: Param = quantity(0.267, "V", (0.1, 3.0), scale="log", doc="V_th+, threshold", source=_AND)
    v_hold: Param = quantity(0.080, "V", (0.01, 2.0), scale="log", doc="V_h+, hold", source=_AND)
    v_th_neg: Param = quantity(-0.119, "V", (-3.0, -0.05), scale="log", doc="V_th-, threshold, V < 0", source=_AND)
    v_hold_neg: Param = quantity(-0.006, "V", (-2.0, -1e-3), scale="log", doc="V_h-, hold, V < 0", source=_AND)
    v_set: Param = quantity(0.0099, "V", (3e-3, 0.1), scale="log", doc="V_S, width of the set", source=_AND)
    v_reset: Param = quantity(0.0175, "V", (3e-3, 0.1), scale="log", doc="V_R, width of the decay", source=_AND)
    tau_set: Param = quantity(1.2e-7, "s", (1e-10, 1e-2), scale="log", doc="tau_S", source=_AND)
    tau_reset: Param = quantity(1.3e-7, "s", (1e-10, 1e-2), scale="log", doc="tau_R", source=_AND)
    a: Param = quantity(2.0, "1", (0.2, 10.0), scale="log", doc="steepness of a_S and a_R", source=_AND, free=False)
    d_set: Param = quantity(0.05, "1", (1e-3, 2.0), scale="log", doc="d_S, set of nothing", source=_AND, free=False)
    d_reset: Param = quantity(0.5, "1", (1e-3, 2.0), scale="log", doc="d_R, decay of all", source=_AND, free=False)
    r_on: Param = quantity(806.0, "ohm", (10.0, 1e7), scale="log", doc="resistance at X = 1, V > 0", source=_AND)
    r_on_neg: Param = quantity(1434.0, "ohm", (10.0, 1e7), scale="log", doc="resistance at X = 1, V < 0", source=_AND)
    i_lk: Param = quantity(1e-12, "A", (1e-15, 1e-6), scale="log", doc="leakage", source=_AND)
    v_s: Param = quantity(
        1e-3, "V", (1e-4, 1e-2), scale="log", doc="exchange of the polarities", source="chosen", free=False
    )
    x_init: Param = quantity(0.0, "1", (0.0, 1.0), doc="initial share", source="at rest", free=False)

    def init(self, env: Environment) -> State:
        del env
        return AndThreshold.State(x=self.x_init)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        u = x.x
        set_on = jax.nn.sigmoid((v - self.v_th) / self.v_set * ((v - self.v_th_neg) / self.v_set))
        let_go = jax.nn.sigmoid(-(v - self.v_hold) / self.v_reset * ((v - self.v_hold_neg) / self.v_reset))
        gone = lambda exponent: 1 - limexp(-exponent)  # noqa: E731
        growing = gone(self.a * u + self.d_set) * (1 - u) + gone(self.a * (1 - u)) * u
        fading = gone(self.a * u) * (1 - u) + gone(self.a * (1 - u) + self.d_reset) * u
        return AndThreshold.State(x=set_on * growing / self.tau_set - let_go * fading / self.tau_reset)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        on = blend(1 / self.r_on_neg, 1 / self.r_on, v, self.v_s)
        return v * on * x.x + self.i_lk * jnp.tanh(v / self.v_s)


class UscDiffusive(AbstractDevice):
    """df/dt = min(r_max, mu |V|/(alpha + 1 - f - r) - gamma_1 f - beta f),  dr/dt = beta f - gamma_2 r.

    f is silver in a bridge that breaks fast, r what has become a residue that lasts; mu = gamma_1/v_0. Together they
    bridge the gap, s = min(f + r, 1), and i = V/R with R = R_on s + R_off (e^((1-s)/lam) - 1)/(e^(1/lam) - 1). The
    growth runs away with f + r and stops where the bridge is closed. A pulse that leaves some r behind makes the next
    one faster, for a time 1/gamma_2, although its bridge is gone after 1/gamma_1.

    T. Wang et al., Memristor-Model, github.com/TongWang-USC/Memristor-Model (SPICE, MIT licence). Deviations: the
    clips at 0 and 1 and the min are rounded, over `edge` and a fiftieth of r_max; f + r may pass 1 by ten `edge`, so
    that s is 1; |V| is rounded within v_s; the jumps of f (noise) and the limit of 10 mA are left out.
    """

    class State(eqx.Module):
        f: Param = state_variable((0.0, 1.1), doc="fresh share of the bridge")
        r: Param = state_variable((0.0, 1.1), doc="residual share of the bridge")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P7 diffusive memristor"
    doi: ClassVar[str] = "unpublished"
    sweep: ClassVar[Sweep] = Sweep(1.0, -1.0, 20.0)
    ordered: ClassVar[tuple[tuple[str, str], ...]] = (("r_on", "r_off"),)
    v_0: Param = quantity(3.125, "V", (0.5, 20.0), scale="log", doc="gamma_1/mu, voltage of a bridge", source=_USC)
    alpha: Param = quantity(0.1, "1", (0.02, 0.5), scale="log", doc="what keeps the growth finite", source=_USC)
    beta: Param = quantity(0.2, "1/s", (1e-3, 1e3), scale="log", doc="fresh becomes residual", source=_USC)
    gamma_1: Param = quantity(50.0, "1/s", (1.0, 1e5), scale="log", doc="decay of the fresh share", source=_USC)
    gamma_2: Param = quantity(0.42, "1/s", (1e-3, 1e3), scale="log", doc="decay of the residue", source=_USC)
    r_max: Param = quantity(1.0, "1/s", (0.1, 1e5), scale="log", doc="fastest growth", source=_USC)
    lam: Param = quantity(0.1, "1", (0.05, 0.5), scale="log", doc="tunnelling length over the gap", source=_USC)
    r_on: Param = quantity(1.7e4, "ohm", (1e2, 1e8), scale="log", doc="resistance of a bridge", source=_USC)
    r_off: Param = quantity(1e10, "ohm", (1e6, 1e13), scale="log", doc="resistance without", source=_USC)
    edge: Param = quantity(
        1e-3, "1", (5e-4, 2e-3), scale="log", doc="rounding at a closed bridge", source="chosen", free=False
    )
    v_s: Param = quantity(1e-3, "V", (1e-4, 1e-2), scale="log", doc="rounding of |V|", source="chosen", free=False)
    f_init: Param = quantity(0.0, "1", (0.0, 1.0), doc="initial fresh share", source="at rest", free=False)
    r_init: Param = quantity(0.0, "1", (0.0, 1.0), doc="initial residue", source="at rest", free=False)

    def init(self, env: Environment) -> State:
        del env
        return UscDiffusive.State(f=self.f_init, r=self.r_init)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        left = 1 - x.f - x.r
        open_ = step(left + 10 * self.edge, self.edge)
        growth = self.gamma_1 / self.v_0 * v * jnp.tanh(v / self.v_s) / (self.alpha + softplus(left, self.edge)) * open_
        # The residue lives within a bridge, too.
        aged = self.beta * x.f * step(1 + 10 * self.edge - x.r, self.edge)
        f = smooth_min(growth - self.gamma_1 * x.f - aged, self.r_max, 0.02 * self.r_max)
        return UscDiffusive.State(f=f, r=aged - self.gamma_2 * x.r)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        return v / self.resistance(x)

    def resistance(self, x: State) -> Real:
        """R (ohm) of a bridge of f + r."""
        gap = softplus(1 - x.f - x.r, self.edge)
        tunnel = jnp.expm1(gap / self.lam) / jnp.expm1(1 / self.lam)
        return self.r_on * softplus(1 - gap, self.edge) + self.r_off * tunnel
