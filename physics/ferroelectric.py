"""Ferroelectric capacitors: domains that switch by nucleation, and hysterons. `FerroCapacitor`, `Preisach`.

The material laws are functions beside the devices, as ferroelectric transistors and tunnel junctions use them too.
"""

import functools
from statistics import NormalDist
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from physics import constants
from physics.device import AbstractReactive, Amps, Environment, Sweep, Volts
from physics.quantity import Param, quantity, state_variable

Real = Float[Array, "..."]
LEAST_FIELD = 1e-5
"""Of the activation field; below, the field counts as that: a domain waits for ever in either."""
PLAY_LIMIT = 8.0
"""Coercive voltages beyond which a play operator does not follow: all is saturated there."""
_DENG = "public port of 10.1109/VLSITechnology18217.2020.9265014"
_JIANG = "public port of 10.1109/VLSIT.1997.623738"


@functools.cache
def normal_quantiles(n: int) -> np.ndarray:
    """The middles (n,) of n equally probable parts of the standard normal distribution."""
    return np.asarray([NormalDist().inv_cdf((k + 0.5) / n) for k in range(n)])


def spread_fields(mean: Real, spread: Real, n: int) -> Float[Array, " n"]:
    """Activation fields (n,) of domains: normal, `spread` is the standard deviation over the mean; all positive."""
    return mean * jnp.maximum(1 + spread * jnp.asarray(normal_quantiles(n), mean.dtype), 0.05)


def switching_rate(field: Real, activation: Real, tau0: Real, alpha: Real) -> Real:
    """1/tau = exp(-(E_a/|E|)^alpha)/tau0 (1/s) of domains with activation fields E_a (V/m); alpha = 1 is Merz' law."""
    part = field / activation
    return jnp.exp(-((part * part + LEAST_FIELD**2) ** (-0.5 * alpha))) / tau0


def relaxed(fraction: Real, target: Real, rate: Real, duration: Real) -> Real:
    """Exact solution of df/dt = rate (target - f) after a `duration` (s)."""
    return target + (fraction - target) * jnp.exp(-rate * duration)


def field_share(t_fe: Real, eps_fe: Real, t_il: Real, eps_il: Real) -> Real:
    """C_il/(C_il + C_fe): the part of a voltage that falls on a ferroelectric over an insulator, both linear."""
    return 1 / (1 + t_il / t_fe * eps_fe / eps_il)


class FerroCapacitor(AbstractReactive):
    """df_k/dt = (H(E) - f_k)/tau_k(E),  tau_k = tau0 exp((E_k/|E|)^alpha),  i = d/dt A (P + eps0 eps_fe E) + A g V.

    f_k is the share of the domains of class k that point up, P = P_r (2 <f> - 1), H = 1/(1 + exp(-E/e_s)). The classes
    (`domains` of them) are equally probable parts of a normal distribution of the activation field E_k, of mean e_a.
    E = V/t_fe C_il/(C_il + C_fe) behind an insulating layer of thickness t_il (none for t_il = 0).

    A. K. Tagantsev et al., Phys. Rev. B 66, 214109 (2002), 10.1103/PhysRevB.66.214109; C. Alessandri et al., IEEE
    Trans. Electron Devices 66, 3527 (2019), 10.1109/TED.2019.2922268; values: a public port of S. Deng et al., IEEE
    Symp. VLSI Technol. (2020), 10.1109/VLSITechnology18217.2020.9265014. Deviations: mean field, so each class follows
    an exponential (beta = 1 of the domains of Deng et al.); the charge of the polarisation is screened where it lies,
    so it does not change E; g and the rounding of H are ours.
    """

    class State(eqx.Module):
        f: tuple[Param, ...] = state_variable((0.0, 1.0), doc="share of a class of domains that points up")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P8 ferroelectric"
    doi: ClassVar[str] = "10.1103/PhysRevB.66.214109"
    sweep: ClassVar[Sweep] = Sweep(4.0, -4.0, 1e-3)
    domains: int = eqx.field(default=16, static=True)
    p_r: Param = quantity(0.25, "C/m2", (0.05, 0.35), doc="remanent polarisation", source=_DENG)
    tau0: Param = quantity(1.9e-8, "s", (1e-11, 1e-7), scale="log", doc="time in an infinite field", source=_DENG)
    alpha: Param = quantity(3.0, "1", (1.0, 4.0), doc="exponent of the switching time", source=_DENG)
    e_a: Param = quantity(2.875e8, "V/m", (1e8, 6e8), scale="log", doc="mean activation field", source=_DENG)
    spread: Param = quantity(0.4 / 2.3, "1", (0.05, 0.4), doc="deviation of E_k over e_a", source=_DENG)
    t_fe: Param = quantity(8e-9, "m", (5e-9, 2e-8), scale="log", doc="ferroelectric layer", source=_DENG, free=False)
    t_il: Param = quantity(1e-9, "m", (0.0, 3e-9), doc="insulating layer", source=_DENG, free=False)
    eps_fe: Param = quantity(28.0, "1", (15.0, 40.0), doc="permittivity of the ferroelectric", source=_DENG)
    eps_il: Param = quantity(3.9, "1", (3.0, 25.0), doc="permittivity of the insulator", source=_DENG, free=False)
    area: Param = quantity(1e-12, "m2", (1e-16, 1e-7), scale="log", doc="A, area", source="chosen", free=False)
    leak: Param = quantity(1.0, "S/m2", (1e-6, 1e4), scale="log", doc="g, leakage", source="chosen", free=False)
    e_s: Param = quantity(
        1e6, "V/m", (1e5, 1e7), scale="log", doc="rounding of H at E = 0", source="chosen", free=False
    )
    f_init: Param = quantity(0.0, "1", (0.0, 1.0), doc="initial share", source="poled down", free=False)

    def init(self, env: Environment) -> State:
        del env
        return FerroCapacitor.State(f=(self.f_init,) * self.domains)

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        target, rate = self.kinetics(v)
        return FerroCapacitor.State(f=tuple(rate * (target - jnp.stack(x.f))))

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del x, env
        return self.area * self.leak * v

    def charge(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        return self.area * (self.polarisation(x) + constants.EPS_0 * self.eps_fe * self.field(v))

    def field(self, v: Volts) -> Real:
        """E (V/m) in the ferroelectric."""
        return v * field_share(self.t_fe, self.eps_fe, self.t_il, self.eps_il) / self.t_fe

    def polarisation(self, x: State) -> Real:
        """P, mean polarisation (C/m2)."""
        return self.p_r * (2 * jnp.mean(jnp.stack(x.f), axis=0) - 1)

    def kinetics(self, v: Volts) -> tuple[Real, Real]:
        """H and 1/tau_k (domains,) under a voltage."""
        field = self.field(v)
        fields = spread_fields(self.e_a, self.spread, self.domains)
        return jax.nn.sigmoid(field / self.e_s), switching_rate(field, fields, self.tau0, self.alpha)

    def after(self, x: State, v: Volts, duration: Real) -> State:
        """The exact state after a constant voltage for a `duration` (s)."""
        target, rate = self.kinetics(v)
        return FerroCapacitor.State(f=tuple(relaxed(jnp.stack(x.f), target, rate, duration)))


def play(u: Real, p: Real, half: Real) -> Real:
    """The play operator: p moves only when pushed by an end of the gap u - half .. u + half."""
    return jnp.maximum(u - half, jnp.minimum(u + half, p))


def play_path(u: Float[Array, " n"], p: Real, half: Real) -> tuple[Real, Float[Array, "n ..."]]:
    """The last and all play values behind a sequence of inputs u, from p on; exact for any path between them."""

    def push(p: Any, now: Any) -> Any:
        p = play(now, p, half)
        return p, p

    return lax.scan(push, p, u)


class Preisach(AbstractReactive):
    """dp_k/dt = (max(u - r_k, min(u + r_k, p_k)) - p_k)/tau,  i = d/dt A (P + eps0 eps_r V/t_fe) + A g V.

    u = V/V_c with V_c = e_c t_fe. P = P_s <tanh(p_k/(2 width))>; the p_k are play operators. r_k are the middles of
    `hysterons` equally probable parts of a logistic distribution of mean 1 and scale `spread`. Sweeps slower than tau
    give the rate-independent hysteresis with return-point memory, wiping out and congruent minor loops; there is no
    other kinetics.

    F. Preisach, Z. Phys. 94, 277 (1935), 10.1007/BF01349418, by play operators as in M. Brokate and J. Sprekels,
    Hysteresis and Phase Transitions (1996), 10.1007/978-1-4612-4048-8. Deviations: the distribution and the rounding
    by tanh are ours; play values stop at 8 V_c, where all is saturated; g is ours.
    """

    class State(eqx.Module):
        p: tuple[Param, ...] = state_variable((-PLAY_LIMIT, PLAY_LIMIT), doc="play value over V_c")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    family: ClassVar[str] = "P8 ferroelectric"
    doi: ClassVar[str] = "10.1007/978-1-4612-4048-8"
    sweep: ClassVar[Sweep] = Sweep(4.0, -4.0, 1e-3)
    hysterons: int = eqx.field(default=16, static=True)
    p_s: Param = quantity(0.25, "C/m2", (0.05, 0.5), doc="saturated polarisation", source=_JIANG)
    e_c: Param = quantity(1e8, "V/m", (2e7, 2e8), scale="log", doc="coercive field", source="HfO2, 10.1063/1.3634052")
    spread: Param = quantity(0.15, "1", (0.02, 0.3), doc="spread of the r_k", source="chosen")
    width: Param = quantity(0.10, "1", (0.02, 0.3), doc="rounding of a hysteron over V_c", source="chosen")
    tau: Param = quantity(1e-7, "s", (1e-10, 1e-3), scale="log", doc="lag behind the voltage", source="chosen")
    t_fe: Param = quantity(1e-8, "m", (5e-9, 1e-6), scale="log", doc="ferroelectric layer", source="chosen", free=False)
    eps_r: Param = quantity(30.0, "1", (15.0, 2000.0), scale="log", doc="permittivity", source="recalled, HfO2")
    area: Param = quantity(1e-12, "m2", (1e-16, 1e-7), scale="log", doc="A, area", source="chosen", free=False)
    leak: Param = quantity(1.0, "S/m2", (1e-6, 1e4), scale="log", doc="g, leakage", source="chosen", free=False)
    poled: Param = quantity(-1.0, "1", (-1.0, 1.0), doc="start: poled down -1, virgin 0", source="chosen", free=False)

    def init(self, env: Environment) -> State:
        del env
        return Preisach.State(p=tuple(self.poled * self.thresholds()))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        p = jnp.stack(x.p)
        pushed = jnp.clip(play(v / (self.e_c * self.t_fe), p, self.thresholds()), -PLAY_LIMIT, PLAY_LIMIT)
        return Preisach.State(p=tuple((pushed - p) / self.tau))

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del x, env
        return self.area * self.leak * v

    def charge(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        linear = constants.EPS_0 * self.eps_r * v / self.t_fe
        return self.area * (self.polarisation(jnp.stack(x.p)) + linear)

    def thresholds(self) -> Float[Array, " n"]:
        """r_k over V_c, (hysterons,)."""
        part = (np.arange(self.hysterons) + 0.5) / self.hysterons
        logits = jnp.asarray(np.log(part / (1 - part)), self.spread.dtype)
        return jnp.maximum(1 + self.spread * logits, 0.0)

    def polarisation(self, p: Real) -> Real:
        """P (C/m2) of play values (hysterons, ...)."""
        return self.p_s * jnp.mean(jnp.tanh(0.5 * p / self.width), axis=0)

    def path(self, v: Float[Array, " n"], p: Float[Array, " k"] | None = None) -> Float[Array, " n"]:
        """P (C/m2) at a sequence of voltages, without any lag, from play values p on (those of `init` if none)."""
        start = self.poled * self.thresholds() if p is None else p
        values = play_path(v / (self.e_c * self.t_fe), start, self.thresholds())[1]
        return self.polarisation(values.T)


def saturated_branch(v: Real, up: Real, p_s: Real, p_r: Real, v_c: Real) -> Real:
    """Miller's loop: P_s tanh((V - d V_c)/2 delta), d = `up` is 1 ascending and -1 descending; P(0) = -d P_r.

    delta = V_c/ln((1 + P_r/P_s)/(1 - P_r/P_s)). S. L. Miller et al., J. Appl. Phys. 68, 6463 (1990), 10.1063/1.346845.
    """
    delta = v_c / (jnp.log1p(p_r / p_s) - jnp.log1p(-p_r / p_s))
    return p_s * jnp.tanh((v - up * v_c) / (2 * delta))


def minor_branch(
    v: Real, last: tuple[Real, Real], enclosing: tuple[Real, Real], up: Real, p_s: Real, p_r: Real, v_c: Real
) -> Real:
    """P on the branch from the turning point `last` (V, P) towards the one that encloses it: a saturated one, scaled.

    B. Jiang et al., Symp. VLSI Technol. (1997), 10.1109/VLSIT.1997.623738. Beyond the enclosing turning point both are
    forgotten (wiping out), which is left to the caller. Two turning points at one voltage give its own polarisation.
    """
    shape = lambda u: saturated_branch(u, up, p_s, p_r, v_c)  # noqa: E731
    span = shape(enclosing[0]) - shape(last[0])
    empty = span == 0
    part = (shape(v) - shape(last[0])) / jnp.where(empty, jnp.ones_like(span), span)
    return last[1] + (enclosing[1] - last[1]) * jnp.where(empty, jnp.zeros_like(part), part)
