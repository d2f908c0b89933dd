"""Ferroelectric tunnel junctions: the part of the barrier that is poled conducts. `Ftj`."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.ferroelectric import LEAST_FIELD, normal_quantiles
from physics.quantity import Param, quantity, state_variable
from physics.smooth import stop

Real = Float[Array, "..."]
SEED = 28.0
"""|u| of a zone at rest in a saturated state: the other phase has s = 7e-13 left, its nuclei."""
_FAR = 60.0
"""|u| beyond which the laws take it as that, so that nothing underflows in single precision."""


def growing(u: Real, exponent: Real) -> Real:
    """tau du/dt = n (-ln(1-s))^((n-1)/n)/s of a phase with the share s = 1/(1 + exp(-u)) that grows.

    That is h = (-ln(1 - s))^(1/n) growing by t/tau: Kolmogorov, Avrami and Ishibashi with n = `exponent`.
    """
    u = jnp.clip(u, -_FAR, _FAR)
    return exponent * jnp.exp((1 - 1 / exponent) * jnp.log(jax.nn.softplus(u)) + jax.nn.softplus(-u))


def grown(u: Real, time: Real, exponent: Real) -> Real:
    """u of a growing phase after a `time` over tau; exact."""
    h = jax.nn.softplus(jnp.clip(u, -_FAR, _FAR)) ** (1 / exponent) + time
    extent = h**exponent
    return extent + jnp.log(-jnp.expm1(-extent))


class Ftj(AbstractDevice):
    """ds_k/dt = (n/tau_k) (1-s_k) (-ln(1-s_k))^((n-1)/n),  tau_k = tau_inf exp(V_k/|V|).

    i = V [<s>/r_on + (1 - <s>)/r_off]. s_k is the share of a zone that is poled up; for V < 0 its law is that of
    1 - s_k. The `zones` have activation voltages V_k with a lognormal distribution of median v_a and width `spread`,
    in equally probable parts. The state is u = ln(s/(1-s)) of each zone: in s itself the law stands still at s = 0 for
    n > 1. It ends at |u| = 28, so that there are nuclei to start from.

    A. Chanthbouala et al., Nat. Mater. 11, 860 (2012), 10.1038/nmat3415. Deviations: a pulse finds the opposite phase
    with no more history than its share; the nuclei are ours. Values are recalled or calibrated (see each).
    """

    class State(eqx.Module):
        u: tuple[Param, ...] = state_variable((-SEED, SEED), doc="ln(s/(1-s)) of a zone")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P8 ferroelectric"
    doi: ClassVar[str] = "10.1038/nmat3415"
    sweep: ClassVar[Sweep] = Sweep(3.0, -3.0, 1e-6)
    ordered: ClassVar[tuple[tuple[str, str], ...]] = (("r_on", "r_off"),)
    zones: int = eqx.field(default=16, static=True)
    r_on: Param = quantity(1.6e5, "ohm", (1e3, 1e8), scale="log", doc="resistance poled up", source="recalled")
    r_off: Param = quantity(4.8e7, "ohm", (1e4, 1e11), scale="log", doc="resistance poled down", source="recalled")
    tau_inf: Param = quantity(1e-9, "s", (1e-12, 1e-6), scale="log", doc="time at infinite V", source="calibrated")
    v_a: Param = quantity(9.0, "V", (2.0, 40.0), scale="log", doc="median activation voltage", source="calibrated")
    spread: Param = quantity(0.25, "1", (0.02, 0.6), doc="width of the V_k", source="calibrated")
    exponent: Param = quantity(
        2.0, "1", (1.0, 3.0), doc="n, dimension of the growth", source="calibrated; 2 in 10.3389/fphy.2014.00007"
    )
    s_init: Param = quantity(0.0, "1", (0.0, 1.0), doc="initial share of each zone", source="off", free=False)

    def init(self, env: Environment) -> State:
        del env
        least = jax.nn.sigmoid(-SEED + jnp.zeros_like(self.s_init))
        u = jnp.log(self.s_init + least) - jnp.log(1 - self.s_init + least)
        return Ftj.State(u=(jnp.clip(u, -SEED, SEED),) * self.zones)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        u, pace = jnp.stack(x.u), self.pace(v)
        up = growing(u, self.exponent) * stop(u - SEED)
        down = growing(-u, self.exponent) * stop(-SEED - u)
        # Both vanish at V = 0 with all their derivatives.
        return Ftj.State(u=tuple(pace * jnp.where(v > 0, up, -down)))

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        s = self.fraction(x)
        return v * (s / self.r_on + (1 - s) / self.r_off)

    def fraction(self, x: State) -> Real:
        """<s>, the share of the junction that is poled up."""
        return jnp.mean(jax.nn.sigmoid(jnp.stack(x.u)), axis=0)

    def pace(self, v: Volts) -> Real:
        """1/tau_k (1/s), (zones,)."""
        quantiles = jnp.asarray(normal_quantiles(self.zones), self.v_a.dtype)
        part = v / (self.v_a * jnp.exp(self.spread * quantiles))
        return jnp.exp(-1 / jnp.sqrt(part * part + LEAST_FIELD**2)) / self.tau_inf

    def after(self, x: State, v: Volts, duration: Real) -> State:
        """The exact state after a constant voltage for a `duration` (s)."""
        sign = jnp.where(v < 0, -jnp.ones_like(v), jnp.ones_like(v))
        u = sign * grown(sign * jnp.stack(x.u), duration * self.pace(v), self.exponent)
        return Ftj.State(u=tuple(jnp.clip(u, -SEED, SEED)))
