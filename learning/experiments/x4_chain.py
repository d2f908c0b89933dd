"""A synapse that remembers: coupled states from fast to slow, and how long a memory stays above later ones.

    chain = Chain.benna_fusi(4)
    chain.lifetime(1e5)                            memories after which one is lost among 1e5 synapses
    chain.signal_to_noise(jnp.geomspace(1, 1e5, 50), 1e5)

Each new memory is a random kick of every synapse, one in each unit of time; an old one is the weight that is left of
its kick, and all others are noise. With u_1(t) the weight t after a kick of one,

    SNR(t) = sqrt(N) u_1(t)/sqrt(int_0^inf u_1^2 dt),        lifetime: the last t with SNR(t) > 1.

u_1 is a sum of decaying exponentials with positive weights, so it falls all the way and crosses once. States and
integral are exact, by the modes of the chain; the gradient of a lifetime is that of its crossing time.

M. K. Benna and S. Fusi, Nat. Neurosci. 19, 1697 (2016), 10.1038/nn.4401.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from neurojax.errors import DataError
from physics.quantity import quantity

Real = Float[Array, "..."]

C_BOUNDS, G_BOUNDS = (1.0, 200.0), (1e-4, 1.0)
_LATEST = 60.0
"""Logarithm of the latest time at which a crossing is looked for."""


class Chain(eqx.Module):
    """C_k u_k' = g_{k-1} (u_{k-1} - u_k) + g_k (u_{k+1} - u_k), the weight is u_1, and u_{m+1} = 0.

    As a circuit: capacitors to ground, neighbours joined by conductances, the last one leaking. The unit of time is
    that between two memories, that of C and g any in which C/g has this unit (`at_interval`).

    Attributes:
        c: C_1 ... C_m. g: g_1 ... g_m, the last one the leak.
    """

    c: Float[Array, " m"] = quantity(1.0, "1", C_BOUNDS, scale="log", doc="capacities", source="chosen: budget")
    g: Float[Array, " m"] = quantity(0.25, "1", G_BOUNDS, scale="log", doc="couplings", source="chosen: budget")

    @classmethod
    def of(cls, c: tuple[float, ...], g: tuple[float, ...]) -> "Chain":
        """From numbers.

        Args:
            c, g: as many of each as there are states.

        Raises:
            DataError: not as many of each, or one that is not above zero.
        """
        if len(c) != len(g) or not c or min(*c, *g) <= 0:
            raise DataError(f"a chain of capacities {c} and couplings {g}: as many of each, all above zero.")
        number = lambda a: jnp.asarray(a, jnp.result_type(float))  # noqa: E731
        return cls(number(c), number(g))

    @classmethod
    def geometric(cls, m: int, ratio_c: float = 2.0, ratio_g: float = 2.0, g: float = 0.25) -> "Chain":
        """C_k = ratio_c^(k-1), g_k = g ratio_g^(1-k), cut at the bounds of the budget.

        Args:
            m: states. ratio_c, ratio_g: of neighbours. g: the first coupling.
        """
        k = np.arange(m)
        return cls.of(tuple(np.clip(ratio_c**k, *C_BOUNDS)), tuple(np.clip(g * float(ratio_g) ** -k, *G_BOUNDS)))

    @classmethod
    def benna_fusi(cls, m: int) -> "Chain":
        """The chain of the paper, C_k = 2^(k-1), g_k = 2^(1-k)/4: the signal falls as t^-1/2 until t ~ 2^(2m).

        Not cut at any bounds.

        Args:
            m: states.
        """
        k = np.arange(m)
        return cls.of(tuple(2.0**k), tuple(2.0**-k / 4))

    def modes(self) -> tuple[Float[Array, " m"], Float[Array, " m"]]:
        """Rates and weights of the exponentials of u_1 after a kick of one."""
        rates, vectors = self._symmetric()
        return rates, vectors[0] ** 2

    def propagator(self, t: float | Float[Array, ""]) -> Float[Array, "m m"]:
        """exp(A t) of u' = A u: the states after a time `t` (memories) without a kick, exactly."""
        rates, vectors = self._symmetric()
        root = jnp.sqrt(self.c)
        flow = (vectors * jnp.exp(-rates * jnp.asarray(t, rates.dtype))[None]) @ vectors.T
        return flow * root[None] / root[:, None]

    def _symmetric(self) -> tuple[Float[Array, " m"], Float[Array, "m m"]]:
        """Rates and modes in the coordinates sqrt(C_k) u_k, in which the flow is symmetric."""
        inner, m = self.g[:-1], self.g.shape[0]
        diagonal = self.g + jnp.concatenate([jnp.zeros(1, inner.dtype), inner])
        root = jnp.sqrt(self.c)
        k = jnp.arange(m - 1)
        matrix = jnp.diag(diagonal / self.c).at[k, k + 1].set(-inner / (root[:-1] * root[1:]))
        matrix = matrix.at[k + 1, k].set(-inner / (root[:-1] * root[1:]))
        # A chain of joined states has modes of different rates, always: derivatives of eigenvectors are safe.
        rates, vectors = jnp.linalg.eigh(matrix)
        return jnp.maximum(rates, jnp.finfo(rates.dtype).tiny), vectors

    def response(self, t: Real) -> Real:
        """u_1 at times `t` after a kick that raised it to one."""
        rates, weights = self.modes()
        return jnp.exp(-jnp.einsum("...,m->...m", t, rates)) @ weights

    def noise(self) -> Float[Array, ""]:
        """int u_1^2 dt: the variance of a weight after many memories."""
        rates, weights = self.modes()
        return weights @ (1 / (rates[:, None] + rates[None])) @ weights

    def signal_to_noise(self, t: Real, synapses: float | Float[Array, ""]) -> Real:
        """SNR of a memory of age `t` in `synapses` N synapses."""
        return self.response(t) * jnp.sqrt(jnp.asarray(synapses, t.dtype) / self.noise())

    def lifetime(self, synapses: float | Float[Array, ""]) -> Float[Array, ""]:
        """The last time with SNR above one in `synapses` N synapses; zero where there is none.

        By halving in ln t; a step of Newton's method carries the derivatives, first order, of the crossing time.
        """
        rates, weights = self.modes()
        level = 0.5 * jnp.log(jnp.asarray(synapses, self.c.dtype) / self.noise())
        of = lambda x, r, w: jax.nn.logsumexp(jnp.log(w) - jnp.exp(x) * r)  # noqa: E731
        held = lax.stop_gradient((rates, weights, level))

        def halve(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = ends
            middle = (low + high) / 2
            above = of(middle, *held[:2]) + held[2] > 0
            return jnp.where(above, middle, low), jnp.where(above, high, middle)

        ends = (jnp.full_like(level, -_LATEST), jnp.full_like(level, _LATEST))
        x = lax.fori_loop(0, 70, halve, ends)[0]
        slope = jax.grad(of)(x, *held[:2])
        left = of(x, rates, weights) + level
        moved = x - (left - lax.stop_gradient(left)) / jnp.where(slope < 0, slope, -jnp.ones_like(slope))
        return jnp.where(held[2] > 0, jnp.exp(moved), jnp.zeros_like(moved))

    def at_interval(self, seconds: float, farads: float) -> tuple[np.ndarray, np.ndarray]:
        """Capacitances (F) and conductances (S) of this chain where memories come every so many seconds.

        Args:
            seconds: between two memories (s). farads: of C = 1 (F).
        """
        return np.asarray(self.c) * farads, np.asarray(self.g) * farads / seconds


def brightened(chain: Chain, synapses: float = 1e5, least: float = 40.0) -> Chain:
    """The chain made faster until a new memory has at least some SNR, as far as the bounds of the couplings allow.

    All couplings times s make SNR(0) sqrt(s) times as large. So every design that is looked at may be one that is
    allowed, and the search has no penalty to be tuned.

    Args:
        chain: any. synapses: N. least: SNR of a new memory.
    """
    fresh = synapses / chain.noise()
    faster = jnp.maximum(least**2 / fresh, jnp.ones_like(fresh))
    return eqx.tree_at(lambda c: c.g, chain, jnp.clip(chain.g * faster, *G_BOUNDS))


def lifetime_loss(chain: Chain, key: Array | None = None, *, synapses: float = 1e5, least: float = 40.0) -> Array:
    """-ln of the lifetime of a chain, made bright enough (`brightened`); what is still too dim is charged for.

    Args:
        chain: the design. key: not needed. synapses: N. least: SNR of a new memory.
    """
    del key
    bright = brightened(chain, synapses, least)
    dim = jnp.maximum(jnp.log(least**2 * bright.noise() / synapses), 0.0)
    return 10 * dim - jnp.log(jnp.maximum(bright.lifetime(synapses), 1e-6))


def horizon_loss(
    chain: Chain,
    key: Array | None = None,
    *,
    horizons: tuple[float, ...] = (1.0, 10.0, 100.0, 1e3, 1e4),
    synapses: float = 1e5,
) -> Array:
    """-mean of ln SNR over several ages of a memory, evenly: where it is not enough to last until one of them.

    Args:
        chain: the design. key: not needed. horizons: ages. synapses: N.
    """
    del key
    ages = jnp.asarray(horizons, chain.c.dtype)
    rates, weights = chain.modes()
    told = jax.nn.logsumexp(jnp.log(weights)[None] - ages[:, None] * rates[None], axis=1)
    return -jnp.mean(told) - 0.5 * jnp.log(synapses / chain.noise())


def hand_law(m: int, loss: Callable[..., Array] = lifetime_loss, *, ratios: int = 24, couplings: int = 16) -> Chain:
    """The best geometric chain within the bounds, by a grid over both ratios and the first coupling.

    Args:
        m: states. loss: what is to be small, of a chain. ratios, couplings: points of the grid.
    """
    c, r, g = np.meshgrid(
        np.geomspace(1.0, C_BOUNDS[1], ratios), np.geomspace(1.0, 1e4, ratios), np.geomspace(1e-3, 1.0, couplings)
    )
    k = np.arange(m)
    capacities = np.clip(c.reshape(-1, 1) ** k, *C_BOUNDS)
    conductances = np.clip(g.reshape(-1, 1) * r.reshape(-1, 1) ** -k, *G_BOUNDS)
    chains = Chain(jnp.asarray(capacities), jnp.asarray(conductances))
    values = jax.jit(jax.vmap(loss))(chains)
    return jax.tree.map(lambda a: a[int(jnp.nanargmin(values))], chains)
