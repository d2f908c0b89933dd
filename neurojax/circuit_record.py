"""What the simulation of a circuit returns."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from neurojax._lanes import MEANING
from neurojax.errors import CircuitError, SimulationError
from neurojax.record import cumulative

NO_OPERATING_POINT = 100
"""Result code of a member whose currents could not be balanced at the start."""
_ADVICE = (
    "Try more steps (max_steps=...), a looser tolerance (rtol=1e-4), a capacitance at nodes of devices that switch, "
    "or parameters closer to their defaults."
)


class CircuitRecord(eqx.Module):
    """Samples of one simulation of a circuit; for a population every array has a leading member axis.

    Attributes:
        t: times (s), shape (n,). v: node -> voltage (V), shape (n,).
        i: instance -> current (A) into its first terminal, (n,), or of all but the last, (n, ports); of a source from
            + through it to -. power: instance -> power that it takes up (W), (n,).
        x: instance -> state, a module of arrays (n,).
        steps: solver steps (accepted and rejected). code: 0 where the solver reached the end.
    """

    t: Float[Array, " n"]
    v: dict[str, Float[Array, "*members_n"]]
    i: dict[str, Array]
    power: dict[str, Float[Array, "*members_n"]]
    x: dict[str, Any]
    steps: Array
    code: Int[Array, "*members"]

    @property
    def ok(self) -> Bool[Array, "*members"]:
        """Whether the solver reached the end, one a member."""
        return self.code == 0

    @property
    def energy(self) -> dict[str, Float[Array, "*members_n"]]:
        """Instance -> energy taken up until each sample (J), by the trapezoidal rule over the samples."""
        over: Any = jax.vmap(cumulative, in_axes=(None, 0)) if self.ok.ndim else cumulative
        return {name: over(self.t, p) for name, p in self.power.items()}

    def member(self, k: int) -> "CircuitRecord":
        """Record of member `k` of a population."""
        parts = (self.v, self.i, self.power, self.x, self.steps, self.code)
        return CircuitRecord(self.t, *jax.tree.map(lambda a: a[k], parts))

    def plot(self, *nodes: str, ax: Any = None) -> Any:
        """Voltages of `nodes` (all if none is named) over time; returns Axes."""
        from neurojax import plot

        return plot.circuit(self, nodes or tuple(self.v), ax=ax)

    def __repr__(self) -> str:
        if isinstance(self.t, Tracer) or not hasattr(self.code, "shape"):
            return "CircuitRecord(traced)"
        members = f"{self.ok.size} members, {int(np.sum(self.ok))} ok, " if self.ok.ndim else ""
        ends = [f"{n} {np.nanmin(np.asarray(v)):.4g} .. {np.nanmax(np.asarray(v)):.4g} V" for n, v in self.v.items()]
        return (
            f"CircuitRecord({members}{len(self.t)} samples, {float(self.t[0]):.4g} .. {float(self.t[-1]):.4g} s, "
            f"{', '.join(ends)}, {int(np.max(self.steps))} steps)"
        )


def checked(record: CircuitRecord) -> CircuitRecord:
    """The record, if all its members reached the end; under jit that is asked later."""
    if isinstance(record.code, Tracer):
        message = f"circuit: no operating point, or the solver did not reach the end. {_ADVICE}"
        return eqx.error_if(record, ~record.ok, message)
    failed = np.flatnonzero(~np.atleast_1d(np.asarray(record.ok)))
    if not failed.size:
        return record
    one = record.member(int(failed[0])) if record.ok.ndim else record
    who = f"circuit, member {failed[0]} ({failed.size} of {record.ok.size} failed)" if record.ok.ndim else "circuit"
    if int(one.code) == NO_OPERATING_POINT:
        raise CircuitError(
            f"{who}: no operating point, the currents of some node cannot be balanced at the start. Is there a path to "
            "ground that conducts from every node without a capacitor? Else give v0={node: volts}."
        )
    good = np.flatnonzero(np.isfinite(np.stack([np.asarray(v) for v in one.v.values()])).all(axis=0))
    last = int(good[-1]) if good.size else 0
    volts = ", ".join(f"{n} = {float(np.asarray(v)[last]):.4g} V" for n, v in one.v.items())
    raise SimulationError(
        f"{who}: stopped after {int(one.steps)} steps, as {MEANING[int(one.code)]}; last good sample at "
        f"t = {float(one.t[last]):.6g} s, {volts}. {_ADVICE}"
    )
