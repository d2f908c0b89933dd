"""Behavioural memristors: a threshold and a rate, no mechanism. `Vteam` and `Yakopcic`."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp

from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.quantity import Param, quantity, state_variable
from physics.smooth import blend, limexp, limsinh, softplus


class Vteam(AbstractDevice):
    """Threshold-adaptive memristor, dw/dt = k_off/D g(v/v_off)^a_off f_off(w) + k_on/D g(v/v_on)^a_on f_on(w).

    g(u) = softplus((u - 1)/s) s is the rounded overdrive (v/v_th - 1)_+, of width s = `gate`; w = x/D is the
    position, w = 0 is R_on and w = 1 is R_off. The windows f_off = 1 - w^2p, f_on = 1 - (1-w)^2p (Biolek's, one for
    each direction) make the rates vanish at the ends. i = v / [R_on + (R_off - R_on) w].

    S. Kvatinsky et al., IEEE Trans. Circuits Syst. II 62, 786 (2015), 10.1109/TCSII.2015.2433536; Z. Biolek et al.,
    Radioengineering 18, 210 (2009). Deviation: the paper's dead zone has zero gradient, the rounded one has not.
    """

    class State(eqx.Module):
        w: Param = state_variable((0.0, 1.0), doc="position of the boundary, 1 is the high-resistance state")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P12 behavioural"
    doi: ClassVar[str] = "10.1109/TCSII.2015.2433536"
    sweep: ClassVar[Sweep] = Sweep(0.6, -0.6, 1e-6)
    ordered: ClassVar[tuple[tuple[str, str], ...]] = (("r_on", "r_off"),)
    window: int = eqx.field(default=4, static=True)
    r_on: Param = quantity(50.0, "ohm", (1.0, 1e7), scale="log", doc="resistance at w = 0", source="MemTorch VTEAM")
    r_off: Param = quantity(
        1000.0, "ohm", (10.0, 1e10), scale="log", doc="resistance at w = 1", source="MemTorch VTEAM"
    )
    k_off: Param = quantity(5e-4, "m/s", (1e-12, 1e3), scale="log", doc="speed of RESET", source="MemTorch VTEAM")
    k_on: Param = quantity(-10.0, "m/s", (-1e5, -1e-12), scale="log", doc="speed of SET", source="MemTorch VTEAM")
    v_off: Param = quantity(0.02, "V", (1e-3, 10.0), scale="log", doc="threshold of RESET", source="MemTorch VTEAM")
    v_on: Param = quantity(-0.2, "V", (-10.0, -1e-3), scale="log", doc="threshold of SET", source="MemTorch VTEAM")
    a_off: Param = quantity(1.0, "1", (0.5, 10.0), doc="exponent of RESET", source="MemTorch VTEAM")
    a_on: Param = quantity(3.0, "1", (0.5, 10.0), doc="exponent of SET", source="MemTorch VTEAM")
    length: Param = quantity(
        3e-9, "m", (1e-9, 1e-7), scale="log", doc="D = x_off - x_on", source="MemTorch", free=False
    )
    gate: Param = quantity(
        0.02, "1", (1e-4, 0.5), scale="log", doc="width of the threshold", source="chosen", free=False
    )
    w_init: Param = quantity(0.5, "1", (0.0, 1.0), doc="initial position", source="chosen", free=False)

    def init(self, env: Environment) -> State:
        del env
        return Vteam.State(w=self.w_init)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        up = self.k_off * self._overdrive(v / self.v_off) ** self.a_off
        down = self.k_on * self._overdrive(v / self.v_on) ** self.a_on
        f_off, f_on = (1 - x.w ** (2 * self.window), 1 - (1 - x.w) ** (2 * self.window)) if self.window else (1.0, 1.0)
        return Vteam.State(w=(up * f_off + down * f_on) / self.length)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        return v / (self.r_on + (self.r_off - self.r_on) * x.w)

    def _overdrive(self, ratio: Param) -> Param:
        # Never exactly zero: a power of zero has no gradient for exponents below one.
        return softplus(ratio - 1, self.gate) + 1e-30


class Yakopcic(AbstractDevice):
    """Generalised memristor, dx/dt = eta [A_p (e^V - e^V_p)_+ f_+(x) - A_n (e^-V - e^V_n)_+ f_-(x)].

    i = a x sinh(b V) with a = a_1 for V > 0, a_2 for V < 0. The motion slows near the ends,

        f_+ = exp(-alpha_p (x-x_p)_+) [1 - (x-x_p)_+/(1-x_p)]
        f_- = exp(-alpha_n (1-x_n-x)_+) [1 - (1-x_n-x)_+/(1-x_n)]

    with (.)_+ rounded over `knee` in x and over `gate` in exp(V). Voltages are in units of `v_unit` = 1 V.

    C. Yakopcic et al., IEEE Electron Device Lett. 32, 1436 (2011), 10.1109/LED.2011.2163292.
    """

    class State(eqx.Module):
        x: Param = state_variable((0.0, 1.0), doc="state, 1 is the low-resistance state")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P12 behavioural"
    doi: ClassVar[str] = "10.1109/LED.2011.2163292"
    sweep: ClassVar[Sweep] = Sweep(0.45, -0.45, 1e-2)
    a_1: Param = quantity(0.17, "A", (1e-9, 10.0), scale="log", doc="current scale, V > 0", source="Memristor-Models")
    a_2: Param = quantity(0.17, "A", (1e-9, 10.0), scale="log", doc="current scale, V < 0", source="Memristor-Models")
    b: Param = quantity(
        0.05, "1/V", (1e-3, 20.0), scale="log", doc="curvature of the current", source="Memristor-Models"
    )
    a_p: Param = quantity(4e3, "1/s", (1e-6, 1e10), scale="log", doc="speed of SET", source="Memristor-Models")
    a_n: Param = quantity(4e3, "1/s", (1e-6, 1e10), scale="log", doc="speed of RESET", source="Memristor-Models")
    v_p: Param = quantity(0.16, "V", (0.01, 5.0), scale="log", doc="threshold of SET", source="Memristor-Models")
    v_n: Param = quantity(0.15, "V", (0.01, 5.0), scale="log", doc="threshold of RESET", source="Memristor-Models")
    alpha_p: Param = quantity(1.0, "1", (0.0, 20.0), doc="slowing of SET", source="Memristor-Models")
    alpha_n: Param = quantity(5.0, "1", (0.0, 20.0), doc="slowing of RESET", source="Memristor-Models")
    x_p: Param = quantity(0.3, "1", (0.0, 0.95), doc="start of slowing, SET", source="Memristor-Models")
    x_n: Param = quantity(0.5, "1", (0.0, 0.95), doc="start of slowing, RESET", source="Memristor-Models")
    eta: Param = quantity(1.0, "1", (0.1, 10.0), doc="direction and scale of motion", source="paper", free=False)
    v_unit: Param = quantity(1.0, "V", (0.1, 10.0), doc="unit of V in exp(V)", source="paper", free=False)
    knee: Param = quantity(1e-6, "1", (1e-9, 0.1), scale="log", doc="rounding of f at x_p", source="chosen", free=False)
    gate: Param = quantity(
        1e-4, "1", (1e-9, 0.1), scale="log", doc="rounding of the threshold", source="chosen", free=False
    )
    x_init: Param = quantity(0.11, "1", (0.0, 1.0), doc="initial state", source="Memristor-Models", free=False)

    def init(self, env: Environment) -> State:
        del env
        return Yakopcic.State(x=self.x_init)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        u = v / self.v_unit
        up = self.a_p * softplus(limexp(u) - jnp.exp(self.v_p / self.v_unit), self.gate)
        down = self.a_n * softplus(limexp(-u) - jnp.exp(self.v_n / self.v_unit), self.gate)
        beyond_p, beyond_n = softplus(x.x - self.x_p, self.knee), softplus(1 - self.x_n - x.x, self.knee)
        f_p = jnp.exp(-self.alpha_p * beyond_p) * (1 - beyond_p / (1 - self.x_p))
        f_n = jnp.exp(-self.alpha_n * beyond_n) * (1 - beyond_n / (1 - self.x_n))
        return Yakopcic.State(x=self.eta * (up * f_p - down * f_n))

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        scale = blend(self.a_2, self.a_1, v, 1e-3 * self.v_unit)
        return scale * x.x * limsinh(self.b * v)
