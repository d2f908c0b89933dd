"""What time does to programmed arrays, and what a digital factor behind them can undo.

A factor alpha on all outputs, or one a column, is the ratio of two readings of summed |weights|: then, and now.

    alpha = sum |W(reference)|/sum |W(now)|

Where all cells drift by one exponent, that is exact: G(t) = G (t/t_0)^-nu gives alpha = (t/t_0)^nu. Where exponents
differ it restores the mean only. V. Joshi et al., Nat. Commun. 11, 2473 (2020), 10.1038/s41467-020-16108-9.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.pcm_statistics import PcmStatistics
from physics.retention import Relaxation, Retention

Real = Float[Array, "..."]


def power_law(g: Real, t: Real, t_0: Real | float, exponent: Real | float) -> Real:
    """Drift `g` (`t`/`t_0`)^-`exponent`, in S and s; R = R_0 (t/t_0)^exponent is the same."""
    return g * (t / t_0) ** (-exponent)


class DriftCompensation(eqx.Module):
    """A digital factor that brings summed |outputs| back to a reference.

    Attributes:
        reference: sum of the |weights|, of all (a number) or of each column (m,). per_column: which of both.
    """

    reference: Float[Array, "..."]
    per_column: bool = eqx.field(static=True, default=False)

    @classmethod
    def measured(cls, weights: Float[Array, "n m"], *, per_column: bool = False) -> "DriftCompensation":
        """By a reading of the programmed array just after programming: its noise stays in the factor.

        Args:
            weights: as read, (n, m), inputs by outputs. per_column: one factor for each output.
        """
        return cls(_summed(weights, per_column), per_column)

    @classmethod
    def exact(cls, target: Float[Array, "n m"], *, per_column: bool = False) -> "DriftCompensation":
        """By the weights that were wanted: also undoes what programming got wrong in the mean, and any scale.

        Args:
            target: weights wanted, (n, m). per_column: one factor for each output.
        """
        return cls(_summed(target, per_column), per_column)

    def factor(self, weights: Float[Array, "n m"]) -> Float[Array, "..."]:
        """alpha of a reading of the `weights` now; 1 where nothing is read."""
        now = _summed(weights, self.per_column)
        dark = now <= 2 * weights.size * jnp.sqrt(jnp.finfo(now.dtype).tiny)
        return jnp.where(dark, jnp.ones_like(now), self.reference / jnp.where(dark, jnp.ones_like(now), now))

    def __call__(self, weights: Float[Array, "n m"]) -> Float[Array, "n m"]:
        """The `weights` behind the factor that is found from them."""
        alpha = self.factor(weights)
        return weights * (alpha[None] if self.per_column else alpha)


def _summed(weights: Real, per_column: bool) -> Real:
    # Smooth where weights change their sign, far below what any reading tells.
    size = jnp.sqrt(weights * weights + 1e-24 * jnp.max(weights * weights) + jnp.finfo(weights.dtype).tiny)
    return jnp.sum(size, axis=0) if per_column else jnp.sum(size)


def over_time(
    model: PcmStatistics | Relaxation | Retention,
    g: Float[Array, "..."],
    times: Float[Array, " t"],
    *,
    g_rest: Real | float = 0.0,
    temperature: Real | float = 300.0,
    key: Array,
) -> Float[Array, "t ..."]:
    """Conductances of an array at some times after programming, each cell on one path of its own.

    Args:
        model: `PcmStatistics` (targets -> programmed, drifted, and read with fresh noise at each time), `Relaxation`
            (spread in log time, the more the hotter) or `Retention` (decay towards `g_rest`, no chance in it).
        g: targets of the first, else programmed conductances (S). times: s, (t,).
        g_rest: what is left in the end (S), of `Retention`. temperature: K, of the last two.
        key: a `jax.random.key`.
    """
    kelvin = jnp.asarray(temperature, g.dtype)
    one, two, three = jax.random.split(key, 3)
    if isinstance(model, PcmStatistics):
        programmed = jax.random.normal(one, g.shape, g.dtype), jax.random.normal(two, g.shape, g.dtype)
        keys = jax.random.split(three, times.shape[0])
        read = lambda t, k: model.conductance(g, t, (*programmed, jax.random.normal(k, g.shape, g.dtype)))  # noqa: E731
        return jax.vmap(read)(times, keys)
    if isinstance(model, Relaxation):
        noise = jax.random.normal(one, g.shape, g.dtype)
        return jax.vmap(lambda t: model.relaxed(g, t, noise, kelvin))(times)
    rest = jnp.asarray(g_rest, g.dtype)
    return jax.vmap(lambda t: rest + (g - rest) * model.kept(t, kelvin))(times)
