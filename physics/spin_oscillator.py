"""Spin-torque nano-oscillators: a current overcomes the damping of a precession. `SpinOscillator`."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.quantity import Param, quantity, state_variable

Real = Float[Array, "..."]
_SET = "chosen, of the order of published nano-oscillators"


class SpinOscillator(AbstractDevice):
    """dc/dt = -2 pi j (f_0 + n_shift p) c - Gamma (1 + q_shift p) c + Gamma (i/i_th) (1 - p) c,  p = |c|^2.

    c = re + j im is the amplitude of the precession, p = (1 - cos)/2 of its angle. Above the threshold, zeta = i/i_th
    > 1, it turns at p_0 = (zeta - 1)/(zeta + q_shift) and f_0 + n_shift p_0. The conductance follows the moment across
    the axis, i = g (1 + swing re) v, so a constant voltage gives an alternating current.

    A. Slavin and V. Tiberkevich, IEEE Trans. Magn. 45, 1875 (2009), 10.1109/TMAG.2008.2009935. Deviations: i/i_th is
    taken of the mean conductance g v; at p > 1, where there is no such angle, the torque is zero and a term along c
    leads back; no noise. c = 0 is a fixed point, as in the paper: the start stands for the thermal amplitude.
    """

    class State(eqx.Module):
        re: Param = state_variable((-1.5, 1.5), doc="real part of c")
        im: Param = state_variable((-1.5, 1.5), doc="imaginary part of c")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P9 magnetic"
    doi: ClassVar[str] = "10.1109/TMAG.2008.2009935"
    sweep: ClassVar[Sweep] = Sweep(0.5, -0.5, 2e-8)
    f_0: Param = quantity(5e9, "Hz", (1e8, 4e10), scale="log", doc="frequency of small amplitudes", source=_SET)
    n_shift: Param = quantity(-1e9, "Hz", (-5e9, 5e9), doc="N/2 pi, shift of the frequency with p", source=_SET)
    damping: Param = quantity(
        3e8, "1/s", (1e7, 5e9), scale="log", doc="Gamma, damping of small amplitudes", source=_SET
    )
    q_shift: Param = quantity(2.0, "1", (0.0, 10.0), doc="Q, growth of the damping with p", source=_SET)
    i_th: Param = quantity(2e-4, "A", (1e-6, 1e-2), scale="log", doc="threshold current Gamma/sigma", source=_SET)
    conductance_mean: Param = quantity(1e-3, "S", (1e-5, 0.1), scale="log", doc="g, mean conductance", source=_SET)
    swing: Param = quantity(0.3, "1", (0.0, 0.6), doc="relative change of the conductance with re", source=_SET)
    amplitude: Param = quantity(
        0.05, "1", (1e-3, 0.5), scale="log", doc="|c| at the start", source="chosen, thermal", free=False
    )

    def init(self, env: Environment) -> State:
        del env
        return SpinOscillator.State(re=self.amplitude, im=jnp.zeros_like(self.amplitude))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        p = x.re * x.re + x.im * x.im
        turn = 2 * jnp.pi * (self.f_0 + self.n_shift * p)
        zeta = self.conductance_mean * v / self.i_th
        gain = self.damping * (zeta * jnp.maximum(1 - p, 0.0) - 1 - self.q_shift * p)
        # Around the corners of the bounds, far from any angle, the turning itself leads outside.
        gain = gain - jnp.sqrt(turn * turn + self.damping * self.damping) * jnp.maximum(p - 1, 0.0)
        return SpinOscillator.State(re=gain * x.re + turn * x.im, im=gain * x.im - turn * x.re)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        return self.conductance_mean * (1 + self.swing * jnp.clip(x.re, -1.5, 1.5)) * v

    def power_of_cycle(self, i: Real) -> Real:
        """p_0 at a mean current (A); zero below the threshold."""
        zeta = i / self.i_th
        return jnp.maximum(zeta - 1, 0.0) / (jnp.maximum(zeta, 1.0) + self.q_shift)

    def frequency(self, i: Real) -> Real:
        """f_0 + n_shift p_0 (Hz) at a mean current (A)."""
        return self.f_0 + self.n_shift * self.power_of_cycle(i)
