"""What is read of a solved circuit: voltages, and the currents that flow and charge, at every sample."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neurojax._lanes import Equations
from neurojax._network import Member, Network, Reading


def flow(equations: Equations, mass: np.ndarray | None, member: Member, y: Array, e: Array, slope: Array) -> Array:
    """dy/dt of a solution, also of the unknowns without mass, where the sources move by `slope` (V/s)."""
    moved = equations.rate(member, y, e)
    if mass is None:
        return moved
    moving, still = np.flatnonzero(mass == 1), np.flatnonzero(mass == 0)
    known = jnp.zeros_like(y).at[moving].set(moved[moving])
    pushed = jax.jvp(lambda y, e: equations.rate(member, y, e)[still], (y, e), (known, slope))[1]
    columns = jax.jacfwd(lambda u: equations.rate(member, y.at[still].set(u), e)[still])(y[still])
    size = jnp.max(jnp.abs(columns), axis=1)
    size = jnp.where(size > 0, size, jnp.ones_like(size))
    return known.at[still].set(jnp.linalg.solve(columns / size[:, None], -pushed / size))


def reading(net: Network, charts, single, equations: Equations, mass, member: Member, y, e, slope) -> Reading:
    """Of one lane at one instant."""

    seen = partial(net.look, charts, single, member)
    x, v = seen(y, e)
    i: dict[str, Any] = dict(net.conduction(member, x, v))
    if net.charged:
        along = flow(equations, mass, member, y, e, slope)
        charging = jax.jvp(lambda y, e: net.charges(member, *seen(y, e)), (y, e), (along, slope))[1]
        i |= {n: i[n] + q if n in i else q for n, q in charging.items()}
    i |= of_sources(net, net.leaving(i, e), e)
    return Reading({n: v[n] for n in net.topology.nodes}, i, _powers(net, v, i), x)


def _powers(net: Network, v: Mapping[str, Array], i: Mapping[str, Array]) -> dict[str, Array]:
    """Power taken up by each instance (W); that of a source which delivers is negative."""
    found = {n: jnp.sum(net.port(n, v) * i[n]) for n in net.places}
    for name, (plus, minus) in net.ends.items():
        found[name] = (v[plus] - v[minus]) * i[name]
    return found


def of_sources(net: Network, leaving: Mapping[str, Array], e: Array) -> dict[str, Array]:
    """Current from + through each source to -; of voltage sources from the leaves of their trees on."""
    found = {name: e[k] for name, (k, _, _) in net.currents.items()}
    sums, zero = dict(leaving), jnp.zeros((), e.dtype)
    for tie in net.topology.ties:
        out = -sums.get(tie.child, zero)
        found[net.voltage[tie.source]] = out if tie.sign > 0 else -out
        sums[tie.parent] = sums.get(tie.parent, zero) - out
    return found


def readings(net: Network, charts, single, equations: Equations, mass, members, axes, at, ys: Array) -> Reading:
    """Of all lanes at all samples: arrays (lanes, samples, ...).

    Args:
        at: voltages of the sources and their slopes at the samples, (samples, sources) or with lanes. ys: (lanes,
            samples, n).
    """
    one = lambda m, y, e, slope: reading(net, charts, single, equations, mass, m, y, e, slope)  # noqa: E731
    over_samples = jax.vmap(one, in_axes=(None, 0, 0, 0))
    own = 0 if at[0].ndim == 3 else None
    return jax.vmap(over_samples, in_axes=(axes, 0, own, own))(members, ys, *at)
