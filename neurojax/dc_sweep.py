"""Operating points of a circuit along the values of one source: the static characteristic at held states.

Device states do not move: the curve is that of a sweep too fast for them, as a read is. What they do along a sweep of
finite speed, with its hysteresis, is `circuit.transient` under a triangle.
"""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from neurojax._circuit_reading import of_sources
from neurojax._circuit_solve import begin
from neurojax._network import Member, Network
from neurojax.circuit import Circuit
from neurojax.errors import CircuitError
from neurojax.members import member_axes
from neurojax.transient import given, size_of
from physics.device import Environment
from physics.quantity import suggest


class DCSweep(eqx.Module):
    """Operating points, one a value of the source; for a population every array has a leading member axis.

    Attributes:
        values: of the source (V, or A), shape (n,). v: node -> voltage (V), (n,). i: instance -> current (A) into its
            ports, (n,) or (n, ports); of a source from + through it to -. ok: whether the point was found, (n,).
    """

    values: Float[Array, " n"]
    v: dict[str, Float[Array, "*members_n"]]
    i: dict[str, Array]
    ok: Bool[Array, "*members_n"]

    def __repr__(self) -> str:
        if isinstance(self.values, Tracer):
            return "DCSweep(traced)"
        ends = f"{float(self.values[0]):.4g} .. {float(self.values[-1]):.4g}"
        return f"DCSweep({len(self.values)} values {ends}, {int(np.sum(self.ok))} of {self.ok.size} points found)"


def dc_sweep(
    circuit: Circuit,
    source: str,
    values: Any,
    *,
    x0: Mapping[str, Any] | None = None,
    env: Environment | None = None,
    throw: bool = True,
) -> DCSweep:
    """Operating points along the values of a source; all others stay at their first instant. Differentiable.

    Args:
        source: its name. values: V, or A of a current source, shape (n,), in any order. x0: instance -> state that it
            is held at (default `device.init(env)`). env: ambient (300 K). throw: raise where a point is not found;
            else look at `ok`.

    Raises:
        CircuitError: unknown source, values that are not finite, a point that was not found.
    """
    if source not in circuit.sources:
        raise CircuitError(f"there is no source {source!r}.{suggest(source, tuple(circuit.sources))}")
    net, t, people, waves = given(circuit, 1.0, None, x0, env)
    swept = jnp.asarray(values, t.dtype)
    told = isinstance(swept, Tracer) or bool(np.isfinite(np.asarray(swept)).all())
    if swept.ndim != 1 or not swept.size or not told:
        raise CircuitError(f"values of {source} must be a non-empty list of finite numbers, got shape {swept.shape}.")
    v, i, ok = _points(people, {n: w[0] for n, w in waves.items()}, swept, net, source, size_of(*people))
    if throw and not isinstance(ok, Tracer) and not bool(jnp.all(ok)):
        first = np.argwhere(~np.asarray(ok))[0]
        who = f"member {first[0]}, " if ok.ndim == 2 else ""
        raise CircuitError(
            f"{who}{source} = {float(swept[first[-1]]):g}: no operating point, the currents of some node cannot be "
            f"balanced ({int(jnp.sum(~ok))} of {ok.size} points). throw=False gives the others."
        )
    return DCSweep(swept, v, i, ok)


@eqx.filter_jit
def _points(people: Any, first: Mapping[str, Array], swept: Array, net: Network, source: str, size: int | None) -> Any:
    def point(people, value):
        parts, constants, env, _ = people
        e = jnp.stack([value if n == source else first[n] if n in first else constants[n] for n in net.ends])
        stored, x, u, found = begin(net, (parts, env, people[3]), e)
        v = net.nodes([u[k] for k in range(u.shape[0])], e)
        i = dict(net.conduction(Member(parts, env, stored), x, v))
        i |= {n: jnp.zeros((), e.dtype) for n in net.places if n not in i}
        i |= of_sources(net, net.leaving(i, e), e)
        seen = {n: v[n] for n in net.topology.nodes}, i
        return *jax.tree.map(lambda a: jnp.where(found, a, jnp.full_like(a, jnp.nan)), seen), found

    over = jax.vmap(point, in_axes=(None, 0))
    if size is None:
        return over(people, swept)
    return jax.vmap(over, in_axes=(member_axes(people), None), axis_size=size)(people, swept)
