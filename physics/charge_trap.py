"""Charge-trap transistors: electrons sit in the nitride under the gate. `ChargeTrap`, and measured SONOS statistics.

`sonos_spread`, `sonos_read_noise` and `sonos_drift` are fits of 128 000 cells of 40 nm, without a mechanism: V. Agrawal
et al., IEDM (2022), 10.1109/IEDM45625.2022.10019564, in the fit of CrossSim (SONOS.py). Times beyond the five days that
were measured count as five days, currents beyond the fit as its end.
"""

import itertools
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float
from numpy.polynomial import Chebyshev, Polynomial

from physics import constants
from physics.conduction import ekv_channel
from physics.device import AbstractReactive, Amps, Environment, Sweep, Volts
from physics.floating_gate import fowler_nordheim
from physics.kinetics import thermal_voltage
from physics.quantity import Param, quantity, state_variable

Real = Float[Array, "..."]
_STACK = "recalled stack, Nt calibrated"


class ChargeTrap(AbstractReactive):
    """df/dt = J(E)/(q N_t) {1 - f, f},  E = (V_G - f k)/EOT,  dV_T = f k,  J = A E |E| exp(-B/|E|).

    f is the share of the traps of the nitride (N_t an area) that hold an electron: 1 - f are left to fill for E > 0,
    f to empty for E < 0. Traps count as in the middle of the nitride: k = q N_t (t_b/eps_ox + t_n/2 eps_n) is the
    window, EOT = t_t + t_n eps_ox/eps_n + t_b the stack in thickness of oxide. J tunnels through the lower oxide,
    t_t. The channel is an EKV transistor as in `FloatingGate`; the gate takes the charge area (eps_ox E + q N_t f).

    M. H. White, D. A. Adams and J. Bu, IEEE Circuits Devices Mag. 16, 22 (2000), 10.1109/101.857747 (the stack);
    tunnelling: M. Lenzlinger and E. H. Snow (1969), 10.1063/1.1657043. Deviations: one sheet of
    traps, all electrons that come are kept (1 - f), emptied by the same law; no detrapping by heat, no holes.
    """

    class State(eqx.Module):
        f: Param = state_variable((0.0, 1.0), doc="share of the traps that are filled")

    terminals: ClassVar[tuple[str, ...]] = ("gate", "drain", "source")
    family: ClassVar[str] = "P11 charge-trap FET"
    doi: ClassVar[str] = "10.1109/101.857747"
    sweep: ClassVar[Sweep] = Sweep((15.0, 0.1), (-15.0, -0.1), 1.0)
    barrier: Param = quantity(3.2, "eV", (2.9, 3.4), doc="phi, from silicon into its oxide", source="recalled")
    mass: Param = quantity(0.42, "1", (0.3, 0.5), doc="m*/m_e of the tunnelling electron", source="Chanana 2014")
    t_t: Param = quantity(4e-9, "m", (2e-9, 6e-9), scale="log", doc="tunnel oxide", source=_STACK, free=False)
    t_n: Param = quantity(6e-9, "m", (3e-9, 1e-8), scale="log", doc="nitride", source=_STACK, free=False)
    t_b: Param = quantity(8e-9, "m", (4e-9, 1.2e-8), scale="log", doc="blocking oxide", source=_STACK, free=False)
    eps_ox: Param = quantity(3.9, "1", (3.7, 4.1), doc="permittivity of the oxide", source="textbook", free=False)
    eps_n: Param = quantity(7.5, "1", (6.0, 9.0), doc="permittivity of the nitride", source=_STACK, free=False)
    n_t: Param = quantity(6e16, "1/m2", (5e15, 2e17), scale="log", doc="N_t, traps an area", source=_STACK)
    v_t0: Param = quantity(1.0, "V", (-2.0, 3.0), doc="threshold with empty traps", source="calibrated")
    n: Param = quantity(1.4, "1", (1.0, 2.5), doc="slope factor", source="calibrated")
    beta: Param = quantity(160e-6, "A/V2", (1e-9, 1e-1), scale="log", doc="mu C_ox W/L", source="calibrated")
    area: Param = quantity(1e-14, "m2", (1e-15, 1e-12), scale="log", doc="gate area", source="chosen", free=False)
    f_init: Param = quantity(0.0, "1", (0.0, 1.0), doc="initial share", source="empty", free=False)

    def init(self, env: Environment) -> State:
        del env
        return ChargeTrap.State(f=self.f_init)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        field = self.field(x, v)
        # No corner: J and all its slopes are nothing at E = 0.
        left = jnp.where(field > 0, 1 - x.f, x.f)
        return ChargeTrap.State(f=fowler_nordheim(field, self.barrier, self.mass) * left / (constants.Q * self.n_t))

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        thermal = thermal_voltage(env.temperature)
        pinch = (v[0] - self.v_t0 - self.shift(x)) / self.n
        drain = 2 * self.n * self.beta * thermal**2 * ekv_channel(pinch, v[1], thermal)
        return jnp.stack([jnp.zeros_like(drain), drain])

    def charge(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        trapped = constants.Q * self.n_t * x.f
        gate = self.area * (constants.EPS_0 * self.eps_ox * self.field(x, v) + trapped)
        return jnp.stack([gate, jnp.zeros_like(gate)])

    def field(self, x: State, v: Volts) -> Real:
        """E (V/m) in the tunnel oxide, positive where electrons come in."""
        return (v[0] - self.shift(x)) / (self.t_t + self.t_n * self.eps_ox / self.eps_n + self.t_b)

    def shift(self, x: State) -> Real:
        """dV_T, shift of the threshold (V)."""
        return x.f * self.window()

    def window(self) -> Real:
        """k (V), the shift by full traps."""
        gap = self.t_b / self.eps_ox + 0.5 * self.t_n / self.eps_n
        return constants.Q / constants.EPS_0 * self.n_t * gap


_DAY, _NANO, _MOST = 86400.0, 1e-9, 1800.0
_SPREAD = (
    (19.88665, 176.3115),
    (25.59102, 186.85544),
    (28.72753, 193.56834),
    (31.04318, 198.90332),
    (33.76214, 204.77023),
    (34.57909, 207.34309),
)
"""Amplitude and scale (nA) after 0 to 5 days."""
_READ = (12.58037, 215.36557)
# fmt: off
_POLYNOMIALS = (
    (0.0,) * 11,
    (1.72684e-1, 5.72552e-2, -6.85715e-4, 3.50271e-6, -9.37682e-9, 1.40575e-11, -1.19803e-14, 5.41293e-18,
     -8.85448e-22, -1.66869e-25, 5.95180e-29),
    (2.50712e-1, 6.62195e-2, -6.83218e-4, 2.99442e-6, -6.78255e-9, 7.70482e-12, -3.04983e-15, -2.15919e-18,
     2.94617e-21, -1.23359e-24, 1.85329e-28),
    (-1.75300e-2, 9.76883e-2, -9.63791e-4, 4.55551e-6, -1.22391e-8, 1.93786e-11, -1.85899e-14, 1.07659e-17,
     -3.58211e-21, 5.96785e-25, -3.30410e-29),
    (4.03338e-2, 1.03111e-1, -1.04740e-3, 4.83961e-6, -1.28132e-8, 1.99484e-11, -1.85139e-14, 1.00008e-17,
     -2.84944e-21, 3.01008e-25, 1.18747e-29),
    (3.19927e-1, 1.06596e-1, -1.04054e-3, 4.50290e-6, -1.10352e-8, 1.56477e-11, -1.27592e-14, 5.45513e-18,
     -7.26841e-22, -2.43893e-25, 7.14608e-29),
)
"""Mean drift (nA) in powers of the current (nA) after 0 to 5 days."""
# fmt: on
# The same polynomials in the basis in which float32 can tell them: their powers cancel by five digits.
_SERIES = [Polynomial(c).convert(domain=[0.0, _MOST], kind=Chebyshev).coef.tolist() for c in _POLYNOMIALS]
_DRIFT: tuple[tuple[float, ...], ...] = tuple(itertools.zip_longest(*_SERIES, fillvalue=0.0))
"""Of each Chebyshev polynomial of 2 I/1800 nA - 1, the coefficients (nA) after 0 to 5 days."""


def sonos_spread(i: Real, t: Real) -> Real:
    """Standard deviation (A) of cells programmed to a current `i` (A), a time `t` (s) after: a (1 - exp(-i/b))."""
    a, b = (_at_day(t, column) for column in zip(*_SPREAD, strict=True))
    return _saturating(i, a, b)


def sonos_read_noise(i: Real) -> Real:
    """Standard deviation (A) of a reading of a current `i` (A)."""
    return _saturating(i, *_READ)


def sonos_drift(i: Real, t: Real) -> Real:
    """Mean change (A) of a current `i` (A, up to 1.8 uA) a time `t` (s) after programming."""
    u = 2 * jnp.clip(i / _NANO, 0.0, _MOST) / _MOST - 1
    one = two = jnp.zeros_like(u)
    for values in _DRIFT[:0:-1]:
        one, two = 2 * u * one - two + _at_day(t, values), one
    return (u * one - two + _at_day(t, _DRIFT[0])) * _NANO


def _at_day(t: Real, values: tuple[float, ...]) -> Real:
    """Linear between days, `values` being those of day 0, 1, ..."""
    day = jnp.clip(t / _DAY, 0.0, len(values) - 1.0)
    return sum((v * jnp.maximum(1 - jnp.abs(day - k), 0.0) for k, v in enumerate(values)), start=jnp.zeros_like(day))


def _saturating(i: Real, a: Real | float, b: Real | float) -> Real:
    return -a * jnp.expm1(-jnp.maximum(i / _NANO, 0.0) / b) * _NANO
