"""Interface-type oxide memristors: a fraction of the contact switches, and forgets. `Wox`."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp

from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.quantity import Param, quantity, state_variable
from physics.smooth import end_stops, limexp, limsinh

_DU = "Du 2017, supplementary table 1 (public port)"


class Wox(AbstractDevice):
    """dw/dt = lam sinh(eta v) f(w) - (w - w_min)/tau,  i = (1-w) alpha (1 - e^(-beta v)) + w gamma sinh(delta v).

    w is the fraction of the interface that tunnels; the rest is a Schottky contact. f = 1 - exp(k (w-1)) for v > 0
    (k = `window`) stops the growth at w = 1, and the mirrored f = 1 - exp(-k w) for v < 0 the shrinking at w = 0;
    the decay has no window. A large k switches the window off. The decay time tau e^(s w) may grow with
    w (s = `persistence`, zero by default), which turns short-term into long-term memory.

    Chang et al., Appl. Phys. A 102, 857 (2011), 10.1007/s00339-011-6296-1; Du et al., Nat. Commun. 8, 2204 (2017),
    10.1038/s41467-017-02337-y. Deviations: the mirrored window and `persistence` are ours; lam is per second (read
    per millisecond, one pulse would saturate w).
    """

    class State(eqx.Module):
        w: Param = state_variable((0.0, 1.0), doc="conducting fraction of the interface")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P4 RRAM, interface"
    doi: ClassVar[str] = "10.1038/s41467-017-02337-y"
    sweep: ClassVar[Sweep] = Sweep(1.4, -1.4, 0.4)
    lam: Param = quantity(1e-3, "1/s", (1e-5, 1e3), scale="log", doc="speed of the growth", source=_DU)
    eta: Param = quantity(8.0, "1/V", (0.1, 12.0), doc="voltage sensitivity of the growth", source=_DU)
    tau: Param = quantity(0.05, "s", (1e-3, 1e3), scale="log", doc="decay time of w", source=_DU)
    w_min: Param = quantity(0.1, "1", (0.0, 0.5), doc="fraction at rest", source=_DU)
    alpha: Param = quantity(1e-8, "A", (1e-11, 1e-4), scale="log", doc="Schottky current", source=_DU)
    beta: Param = quantity(0.5, "1/V", (0.01, 5.0), doc="curvature of the Schottky current", source=_DU)
    gamma: Param = quantity(1e-5, "A", (1e-8, 1e-2), scale="log", doc="tunnelling current", source=_DU)
    delta: Param = quantity(4.0, "1/V", (0.01, 6.0), doc="curvature of the tunnelling current", source=_DU)
    window: Param = quantity(3.0, "1", (1.0, 50.0), scale="log", doc="k, steepness of the window", source=_DU)
    persistence: Param = quantity(0.0, "1", (0.0, 10.0), doc="s, slowing of the decay by w", source="chosen: none")
    v_s: Param = quantity(
        5e-3, "V", (1e-3, 5e-2), scale="log", doc="exchange of the windows at v = 0", source="chosen", free=False
    )
    w_init: Param = quantity(0.1, "1", (0.0, 1.0), doc="initial fraction", source="at rest", free=False)

    def init(self, env: Environment) -> State:
        del env
        return Wox.State(w=self.w_init)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        shrinking = 1 - limexp(-self.window * x.w)
        growing = 1 - limexp(self.window * (x.w - 1))
        drive = self.lam * limsinh(self.eta * v) * end_stops(v, growing, shrinking, self.v_s)
        return Wox.State(w=drive - (x.w - self.w_min) / self.tau * limexp(-self.persistence * x.w))

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        schottky = -self.alpha * jnp.expm1(-self.beta * v)
        return (1 - x.w) * schottky + x.w * self.gamma * limsinh(self.delta * v)
