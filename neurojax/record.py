"""What a simulation returns."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from physics.quantity import parameters, suggest

CURRENT = "current"
"""What is no state, but crosses levels too."""


class Record(eqx.Module):
    """Samples of one simulated measurement; for a population every array has a leading member axis.

    Attributes:
        t: times (s), shape (n,).
        v: applied voltage (V), shape (n,) or (n, ports).
        i: measured current (A), same shape.
        x: states, a module of arrays of shape (n,).
        power: electrical power taken from the source (W), shape (n,).
        energy: its integral by the trapezoidal rule over the samples (J), shape (n,).
        steps: solver steps taken (accepted and rejected).
        code: 0 where the solver reached the end, one a member; `_lanes.MEANING` has the words for the others.
    """

    t: Float[Array, " n"]
    v: Float[Array, "*n_ports"]
    i: Float[Array, "*n_ports"]
    x: Any
    power: Float[Array, "*members_n"]
    energy: Float[Array, "*members_n"]
    steps: Array
    code: Int[Array, "*members"]

    @property
    def ok(self) -> Bool[Array, "*members"]:
        """Whether the solver reached the end, one a member."""
        return self.code == 0

    @property
    def states(self) -> dict[str, Array]:
        """Name -> samples of each state variable."""
        return {name: p.value for name, p in parameters(self.x).items()}

    @property
    def charge(self) -> Float[Array, "*n_ports"]:
        """Integral of the current by the trapezoidal rule over the samples (C), of the shape of `i`."""
        over: Any = cumulative
        if self.i.ndim > 1 + self.ok.ndim:
            over = jax.vmap(over, in_axes=(None, 1), out_axes=1)
        if self.ok.ndim:
            over = jax.vmap(over, in_axes=(None, 0))
        return over(self.t, self.i)

    def crossing_time(self, name: str, level: Any) -> Float[Array, "*members"]:
        """When a state, or the current, first crosses a level (s): on the straight lines between the samples.

        As exact as the samples are dense, and so is its derivative: a switch that happens between two samples moves
        hardly with any parameter. `neurojax.switching_time` finds the crossing of the solution itself.

        Args:
            name: a state, or "current" (of the last port). level: in the unit of the state or in A; one, or one a
                member. A crossing is a change of side as seen from the first sample.

        Returns:
            Time (s), differentiable; inf for what never crosses, nan where the solver gave up before.

        Raises:
            KeyError: unknown name (the message suggests the closest).
        """
        y = samples_of(self, name)
        level = jnp.broadcast_to(jnp.asarray(level, y.dtype), self.ok.shape)
        return (
            jax.vmap(crossing, in_axes=(None, 0, 0))(self.t, y, level) if self.ok.ndim else crossing(self.t, y, level)
        )

    def to_csv(self, path: Any) -> None:
        """Write t, v, i and the states of one member to `path`, as columns with units in the header.

        Raises:
            ValueError: for a population; take one member with `record.member(k)`.
        """
        if self.ok.ndim:
            raise ValueError("a population has one table a member; write record.member(k).to_csv(path).")
        v, i = (np.asarray(a).reshape(len(self.t), -1) for a in (self.v, self.i))
        ports = [""] if v.shape[1] == 1 else [str(k + 1) for k in range(v.shape[1])]
        names = ["time_s", *(f"voltage{p}_V" for p in ports), *(f"current{p}_A" for p in ports), *self.states]
        table = np.column_stack([np.asarray(self.t), v, i, *(np.asarray(s) for s in self.states.values())])
        np.savetxt(path, table, delimiter=",", header=",".join(names), comments="", fmt="%.9g")

    def member(self, k: int) -> "Record":
        """Record of member `k` of a population."""
        taken = jax.tree.map(lambda a: a[k], (self.v, self.i, self.x, self.power, self.energy, self.steps, self.code))
        return Record(self.t, *taken)

    def plot(self, ax: Any = None, *, kind: str = "iv") -> Any:
        """Draw into `ax` or new axes; returns Axes. `kind` is "iv", "log", "time" or "states"."""
        from neurojax import plot

        return plot.record(self, ax=ax, kind=kind)

    def __repr__(self) -> str:
        if isinstance(self.t, Tracer) or not hasattr(self.code, "shape"):
            return "Record(traced)"
        members = f"{self.ok.size} members, {int(np.sum(self.ok))} ok, " if self.ok.ndim else ""
        energy = np.asarray(self.energy)[..., -1]
        return (
            f"Record({members}{len(self.t)} samples, {float(self.t[0]):.4g} .. {float(self.t[-1]):.4g} s, "
            f"|i| up to {np.nanmax(np.abs(np.asarray(self.i))):.4g} A, energy {np.nanmean(energy):.4g} J, "
            f"states {', '.join(self.states) or 'none'}, {int(np.max(self.steps))} steps)"
        )


def cumulative(t: Array, y: Array) -> Array:
    """Integral of y over t by the trapezoidal rule, zero at the first sample."""
    parts = 0.5 * (y[1:] + y[:-1]) * jnp.diff(t)
    return jnp.concatenate([jnp.zeros_like(y[:1]), jnp.cumsum(parts)])


def samples_of(record: Record, name: str) -> Array:
    """The samples of a state, or the current of the last port.

    Raises:
        KeyError: unknown name (the message suggests the closest).
    """
    i = record.i
    known = record.states | {CURRENT: i[..., -1] if i.ndim > 1 + record.ok.ndim else i}
    if name not in known:
        raise KeyError(f"there is no state {name!r} to cross a level.{suggest(name, tuple(known))}")
    return known[name]


def crossing(t: Array, y: Array, level: Array) -> Array:
    """Time at which the straight lines through (t, y) first reach a level; inf if never, nan if y ends in nan."""
    k, found = first_beyond(y, level, y[0] < level)
    before = jnp.maximum(k - 1, 0)
    rise = y[k] - y[before]
    part = (level - y[before]) / jnp.where(rise == 0, jnp.ones_like(rise), rise)
    never = jnp.where(jnp.any(jnp.isnan(y)), jnp.nan, jnp.inf).astype(t.dtype)
    return jnp.where(found, t[before] + part * (t[k] - t[before]), never)


def first_beyond(y: Array, level: Array, rising: Array) -> tuple[Array, Array]:
    """Index of the first sample at or beyond a level, seen from below where `rising`, and whether there is one."""
    beyond = jnp.where(rising, y >= level, y <= level)
    return jnp.argmax(beyond).astype(jnp.int32), jnp.any(beyond)
