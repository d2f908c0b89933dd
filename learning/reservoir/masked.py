"""Two cells whose frames are one line: a leaky one, and the masked TiOx/TaOy memristor as published."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

import physics
from learning.reservoir.frames import AbstractFrames, Lanes
from physics.device import Amps, Volts
from physics.quantity import Param, quantity, state_variable
from physics.smooth import limsinh

_ZHONG = "Zhong 2021, model of the published simulation"


class LeakyCell(physics.AbstractDevice):
    """dw/dt = lam sinh(eta |v|) (1 - w) - w/tau,  i = (g_min + w (g_max - g_min)) v: volatile, and linear in w.

    The growth is that of `physics.Wox` at v > 0 with 1 - w for its window, so a pulse of constant voltage has a closed
    form: `ExponentialFrames` of one step are exact. It answers to pulses of both signs alike.

    T. Chang et al., Appl. Phys. A 102, 857 (2011), 10.1007/s00339-011-6296-1. Deviations: the window, the sign, an
    ohmic current.
    """

    class State(eqx.Module):
        w: Param = state_variable((0.0, 1.0), doc="conducting fraction")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P4 RRAM, interface"
    doi: ClassVar[str] = "10.1007/s00339-011-6296-1"
    sweep: ClassVar[physics.Sweep] = physics.Sweep(1.0, -1.0, 1e-2)
    lam: Param = quantity(10.0, "1/s", (1e-3, 1e6), scale="log", doc="speed of the growth", source="chosen")
    eta: Param = quantity(3.0, "1/V", (0.1, 12.0), doc="voltage sensitivity of the growth", source="chosen")
    tau: Param = quantity(5e-3, "s", (1e-6, 1e3), scale="log", doc="decay time", source="chosen")
    g_min: Param = quantity(1e-7, "S", (1e-12, 1e-2), scale="log", doc="conductance at w = 0", source="chosen")
    g_max: Param = quantity(1e-5, "S", (1e-10, 1.0), scale="log", doc="conductance at w = 1", source="chosen")
    v_s: Param = quantity(1e-3, "V", (1e-5, 0.1), scale="log", doc="rounding of |v|", source="chosen", free=False)

    def init(self, env: physics.Environment) -> State:
        del env
        return LeakyCell.State(w=jnp.zeros_like(self.tau))

    def rate(self, x: State, v: Volts, env: physics.Environment) -> State:
        del env
        size = self.eta * v * jnp.tanh(v / self.v_s)
        return LeakyCell.State(w=self.lam * limsinh(size) * (1 - x.w) - x.w / self.tau)

    def current(self, x: State, v: Volts, env: physics.Environment) -> Amps:
        del env
        return v * (self.g_min + x.w * (self.g_max - self.g_min))


class MaskedMemristor(AbstractFrames):
    """G <- r G + (1 - r) G_0 + s (H(V) - G),  s = a|V|/(a|V| + 1),  i = G (K_p max(V, 0)^3 + K_n min(V, 0)^3).

    One frame is one masked input, read as its current; H(V) is 1 for V > 0 and 0 otherwise. All is in the units of the
    publication (V in volts, the rest without). The step of H makes G jump at V = 0 by nothing, as s is zero there.

    Y. Zhong, J. Tang, X. Li, B. Gao, H. Qian and H. Wu, Nat. Commun. 12, 408 (2021), 10.1038/s41467-020-20692-1: 25
    parallel devices with 4 masked inputs a step between 2.5 and -0.8 V predict the Henon map with NRMSE 0.046
    (measured).

    Attributes:
        r: what a frame leaves of G. g_0: G at rest. k_p, k_n: of the current. a: of the update (1/V). Scalars, or one a
            device.
    """

    r: Param = quantity(0.99, "1", (0.0, 1.0), doc="kept share", source=_ZHONG)
    g_0: Param = quantity(0.5, "1", (0.0, 1.0), doc="G at rest", source=_ZHONG)
    k_p: Param = quantity(9.13, "1", (1e-3, 1e3), scale="log", doc="of the current at V > 0", source=_ZHONG)
    k_n: Param = quantity(0.32, "1", (1e-3, 1e3), scale="log", doc="of the current at V < 0", source=_ZHONG)
    a: Param = quantity(0.23, "1/V", (1e-3, 1e2), scale="log", doc="strength of an update", source=_ZHONG)

    def start(self, n: int) -> Any:
        """As of `AbstractFrames`."""
        return jnp.broadcast_to(self.g_0, (n,))

    def step(self, x: Any, volts: Lanes) -> tuple[Any, Lanes]:
        """As of `AbstractFrames`."""
        push = self.a * jnp.abs(volts)
        share = push / (push + 1)
        up = (volts > 0).astype(volts.dtype)
        g: Float[Array, " lanes"] = self.r * x + (1 - self.r) * self.g_0 + share * (up - x)
        return g, g * (self.k_p * jnp.maximum(volts, 0.0) ** 3 + self.k_n * jnp.minimum(volts, 0.0) ** 3)
