"""What a run along a cable returns, and when a spike arrives."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from neurojax.errors import CircuitError
from neurojax.switching import implicit

HALVINGS = 60
"""Of the interval of two samples."""


class CableRecord(eqx.Module):
    """Membrane voltages along a cable; for a population `v` and `x` have a leading member axis.

    Attributes:
        t: times (s), one a step, shape (n,). v: membrane voltage at each site (V), shape (sites, n).
        x: distance of each site from the start of its branch (m), shape (sites,). branch: name of the branch of each.
    """

    t: Float[Array, " n"]
    v: Float[Array, "*members sites n"]
    x: Float[Array, "*members sites"]
    branch: tuple[str, ...] = eqx.field(static=True)

    @property
    def ok(self) -> Bool[Array, "*members"]:
        """Whether every voltage is finite."""
        return jnp.all(jnp.isfinite(self.v), axis=(-2, -1))

    def arrivals(self, level: float = -20e-3) -> Float[Array, "*members sites"]:
        """When the voltage first rises through `level` (V) at each site (s), inf where it never does.

        Between samples by the cubic through four of them; the derivative is the implicit one, dt/dp = -(dV/dp)/(dV/dt).
        """
        flat = self.v.reshape(-1, self.v.shape[-1])
        found = jax.vmap(lambda v: _arrival(self.t, v, jnp.asarray(level, v.dtype)))(flat)
        return found.reshape(self.v.shape[:-1])

    def velocity(self, level: float = -20e-3) -> Float[Array, "*members"]:
        """Conduction velocity (m/s) between the first and the last site; zero if the spike does not arrive at both.

        Args:
            level: as in `arrivals` (V).

        Raises:
            CircuitError: the two are not on one branch.
        """
        if self.branch[0] != self.branch[-1] or len(self.branch) < 2:
            raise CircuitError(f"a velocity needs two sites of one branch; the sites are on {self.branch}.")
        times = self.arrivals(level)[..., jnp.asarray([0, -1])]
        there = jnp.all(jnp.isfinite(times), axis=-1)
        safe = jnp.where(there[..., None], times, jnp.asarray([0.0, 1.0], times.dtype))
        speed = (self.x[..., -1] - self.x[..., 0]) / (safe[..., 1] - safe[..., 0])
        return jnp.where(there, speed, jnp.zeros_like(speed))

    def plot(self, ax: Any = None) -> Any:
        """Voltages of the sites over time, into `ax` or new axes; returns Axes."""
        import matplotlib.pyplot as plt

        ax = plt.subplots()[1] if ax is None else ax
        rows = np.asarray(self.v).reshape(-1, len(self.branch), len(self.t))[0]
        for row, x, name in zip(rows, np.asarray(self.x).reshape(-1, len(self.branch))[0], self.branch, strict=True):
            ax.plot(1e3 * np.asarray(self.t), 1e3 * row, label=f"{name}, {1e3 * x:.4g} mm")
        ax.set(xlabel="t (ms)", ylabel="V (mV)")
        if len(rows) < 9:
            ax.legend()
        return ax

    def __repr__(self) -> str:
        if isinstance(self.v, Tracer) or not hasattr(self.v, "shape"):
            return "CableRecord(traced)"
        v = np.asarray(self.v)
        return (
            f"CableRecord({len(self.branch)} sites, {len(self.t)} samples to {float(self.t[-1]):.4g} s, "
            f"{1e3 * v.min():.4g} .. {1e3 * v.max():.4g} mV)"
        )


def _arrival(t: Array, v: Array, level: Array) -> Array:
    over = v >= level
    up = over[1:] & ~over[:-1]
    k, there = jnp.argmax(up), jnp.any(up)
    first = jnp.clip(k - 1, 0, v.shape[0] - 4)
    y = lax.dynamic_slice(v, (first,), (4,))
    still = lax.stop_gradient(y)

    def halved(_, ends):
        low, high = ends
        middle = (low + high) / 2
        below = _cubic(still, middle) < level
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    start = (k - first).astype(v.dtype)
    place = lax.stop_gradient(lax.fori_loop(0, HALVINGS, halved, (start, start + 1))[1])
    slope = jax.jvp(lambda s: _cubic(still, s), (place,), (jnp.ones_like(place),))[1]
    place = implicit(place, _cubic(y, place), slope, level, there)
    return jnp.where(there, t[first] + place * (t[1] - t[0]), jnp.inf)


def _cubic(y: Array, s: Array) -> Array:
    """Through y at s = 0, 1, 2, 3."""
    one, two, three = y[1] - y[0], y[2] - 2 * y[1] + y[0], y[3] - 3 * y[2] + 3 * y[1] - y[0]
    return y[0] + s * (one + (s - 1) / 2 * (two + (s - 2) / 3 * three))
