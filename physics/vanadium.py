"""Vanadium dioxide: heated by its current it turns metallic, and back with a hysteresis. `VO2`."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.quantity import Param, quantity, state_variable
from physics.smooth import limexp, softplus
from physics.thermal import joule_rise, joule_warming

Real = Float[Array, "..."]
_CODE = "collective_dynamics_neuristor, 10.1038/s41467-024-51254-4"


class VO2(AbstractDevice):
    """C_th dT/dt = v^2/R - S_th (T - T_amb),  R = R_d exp(E_a/T) g + R_m,  g = 1/2 - tanh(beta (p - T_c))/2.

    g is the insulating share. p is the temperature that the domains have followed, the mean of three play operators of
    widths w_k = w (1 - s), w, w (1 + s) (s = `spread`): each rests while |T - p_k| < w_k/2 and then follows T,

        dp_k/dt = [(T - p_k - w_k/2)_+ - (p_k - T - w_k/2)_+]/tau_d

    within tau_d, the time of a domain. Heated slowly p = T - w/2, cooled p = T + w/2: the major loop, of width w. After
    a reversal p turns over by and by, inner loops are closed and wipe each other out. (.)_+ is rounded over `knee`,
    and exactly zero below. R keeps its shape with `skew` = 1; else g is raised to that power. States are T/t_ref and
    p_k/t_ref. Self-oscillation takes a capacitance beside the device, and a source of a high resistance.

    E. Qiu et al., Adv. Mater. 36, 2306818 (2024), 10.1002/adma.202306818; Y.-H. Zhang et al., Nat. Commun. 15, 6986
    (2024), 10.1038/s41467-024-51254-4. Deviations: the published memory is of the last reversal (L. A. L. de Almeida
    et al., Opt. Eng. 41, 2582 (2002), 10.1117/1.1501095: p - T -+ w/2 = T_pr P((T - T_r)/T_pr)), which is an event and
    no state; play operators have the same major loop, and with s = 0.45 the same curves after one reversal within
    0.3 K. T is not clamped; t_limit and t_floor are guards.
    """

    class State(eqx.Module):
        temperature: Param = state_variable((0.5, 5.3), doc="T/t_ref")
        narrow: Param = state_variable((0.5, 5.3), doc="p/t_ref of the domains of the narrowest loop")
        middle: Param = state_variable((0.5, 5.3), doc="p/t_ref of those of the mean loop")
        wide: Param = state_variable((0.5, 5.3), doc="p/t_ref of those of the widest loop")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P2 Mott"
    doi: ClassVar[str] = "10.1038/s41467-024-51254-4"
    sweep: ClassVar[Sweep] = Sweep(18.0, -17.0, 1e-3)
    w: Param = quantity(7.19357064, "K", (1.0, 20.0), doc="width of the major loop", source=_CODE)
    t_c: Param = quantity(332.805839, "K", (300.0, 360.0), doc="T_c, middle of the loop", source=_CODE)
    beta: Param = quantity(0.252796285, "1/K", (0.05, 2.0), scale="log", doc="steepness of the loop", source=_CODE)
    skew: Param = quantity(1.0, "1", (0.2, 5.0), scale="log", doc="power of g", source="chosen: none", free=False)
    r_d: Param = quantity(5.35882879e-3, "ohm", (1e-6, 1e4), scale="log", doc="insulator, prefactor", source=_CODE)
    e_a: Param = quantity(5220.47417, "K", (500.0, 8000.0), doc="E_a over k_B of the insulator", source=_CODE)
    r_m: Param = quantity(1286.316504375, "ohm", (1.0, 1e5), scale="log", doc="metal and contacts", source=_CODE)
    c_th: Param = quantity(49.62776831e-12, "J/K", (1e-15, 1e-6), scale="log", doc="heat capacity", source=_CODE)
    s_th: Param = quantity(0.20558726e-3, "W/K", (1e-7, 1e-1), scale="log", doc="heat loss", source=_CODE)
    spread: Param = quantity(0.53, "1", (0.0, 0.9), doc="s, of the widths of the domains", source="chosen", free=False)
    tau_d: Param = quantity(1e-10, "s", (1e-11, 1e-8), scale="log", doc="time of a domain", source="chosen", free=False)
    knee: Param = quantity(
        0.02, "K", (5e-3, 0.1), scale="log", doc="rounding of the play operators", source="chosen", free=False
    )
    t_ref: Param = quantity(300.0, "K", (290.0, 310.0), doc="T of state 1", source="convention", free=False)
    t_limit: Param = quantity(1e3, "K", (5e2, 1e3), doc="guard on the heating", source="chosen", free=False)
    t_floor: Param = quantity(170.0, "K", (160.0, 180.0), doc="guard on the cold side", source="chosen", free=False)
    start: Param = quantity(1.0, "1", (-1.0, 1.0), doc="1 heated, -1 cooled before", source="chosen", free=False)

    @classmethod
    def film(cls) -> "VO2":
        """A film of 264 measured R(T) (0.033 decades rms) that oscillates between 0.23 and 0.61 mA at 42 to 62 MHz.

        The branches are a fit. Heat, tau_d and spread are chosen so that with 4.5 pF beside it at 314.4 K it oscillates
        at just those currents, within 3 MHz (rms). The amplitude is 3 to 20 times the measured one: the read-out, or
        the film, is more than one node of one temperature.
        """
        branches: dict[str, Any] = dict(
            w=6.84821, t_c=335.4895, beta=0.1902347, skew=2.17903, r_d=1.727193, e_a=2304.357, r_m=18.47863
        )
        heat: dict[str, Any] = dict(c_th=1.37e-14, s_th=3.16e-6, tau_d=3.8e-9, spread=0.75)
        return cls(**branches, **heat)

    def init(self, env: Environment) -> State:
        return self.on_branch(env.temperature, self.start)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        rise = joule_rise(v * self.current(x, v, env), 1 / self.s_th, self.t_limit)
        ambient = env.temperature / self.t_ref
        warming = joule_warming(x.temperature, ambient, rise / self.t_ref, self.c_th / self.s_th)
        moved = [self._follow(x.temperature - p, half) for p, half in zip(_played(x), self._halves(), strict=True)]
        return VO2.State(warming, *moved)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        return v / self.resistance(x)

    def resistance(self, x: State) -> Real:
        """R, of both phases (ohm)."""
        kelvin = self.t_floor + softplus(x.temperature * self.t_ref - self.t_floor, 0.01 * self.t_floor)
        return self.r_d * limexp(self.e_a / kelvin) * self.insulating(x) + self.r_m

    def insulating(self, x: State) -> Real:
        """g, the insulating share."""
        p = sum(_played(x)) / 3 * self.t_ref
        return jnp.exp(-self.skew * jax.nn.softplus(2 * self.beta * (p - self.t_c)))

    def on_branch(self, kelvin: Real, direction: Real) -> State:
        """The state at a temperature (K) that was reached slowly, from below for `direction` 1, from above for -1."""
        moved = [(kelvin - direction * half) / self.t_ref for half in self._halves()]
        return VO2.State(kelvin / self.t_ref + 0 * moved[0], *moved)

    def _halves(self) -> tuple[Real, Real, Real]:
        """w_k/2 (K)."""
        half = 0.5 * self.w
        return half * (1 - self.spread), half, half * (1 + self.spread)

    def _follow(self, ahead: Real, half: Real) -> Real:
        """d(p/t_ref)/dt where T is `ahead` of p (over t_ref)."""
        knee, half = self.knee / self.t_ref, half / self.t_ref
        return (_beyond(ahead - half, knee) - _beyond(-ahead - half, knee)) / self.tau_d


def _played(x: VO2.State) -> tuple[Real, Real, Real]:
    return x.narrow, x.middle, x.wide


def _beyond(u: Real, knee: Real) -> Real:
    """u - knee above 2 knee, a parabola down to zero, zero below."""
    t = jnp.clip(0.5 * u / knee, 0.0, 1.0)
    return knee * t * t + jnp.maximum(u - 2 * knee, 0.0)
