"""A circuit about its operating point: small signals, (i w M - J) dy = J_e de with the derivatives of its equations.

Small signals move the states of devices too, so a memristor has its inductive and capacitive loops. States are where
they are told to be: about a state that would move by itself the answer is that of the moment.
"""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Complex, Float

from neurojax._charts import Charts
from neurojax._circuit_solve import begin, equations_of
from neurojax._network import Member, Network
from neurojax.circuit import Circuit
from neurojax.errors import CircuitError
from neurojax.transient import given, size_of
from physics.device import Environment
from physics.quantity import suggest


class SmallSignal(eqx.Module):
    """Answers to one volt (or ampere) of a source, at each frequency.

    Attributes:
        f: frequencies (Hz), (n,). v: node -> voltage, (n,), complex. i: device -> current into its ports, (n,) or (n,
            ports), complex.
    """

    f: Float[Array, " n"]
    v: dict[str, Complex[Array, " n"]]
    i: dict[str, Array]


def small_signal(
    circuit: Circuit,
    source: str,
    f: Any,
    *,
    v0: Mapping[str, Any] | None = None,
    x0: Mapping[str, Any] | None = None,
    env: Environment | None = None,
) -> SmallSignal:
    """Linear answer to a source about the operating point of all sources at their first instant; differentiable.

    Args:
        source: its name; the amplitude is 1 V, or 1 A of a current source. f: frequencies (Hz), shape (n,).
        v0, x0, env: as in `transient`; one circuit, not a population.

    Raises:
        CircuitError: unknown source, a population, frequencies that are negative or not finite, no operating point
            (under jit the answer is nan).
    """
    if source not in circuit.sources:
        raise CircuitError(f"there is no source {source!r}.{suggest(source, tuple(circuit.sources))}")
    frequencies = np.asarray(f, dtype=float)
    if frequencies.ndim != 1 or not frequencies.size or not (np.isfinite(frequencies) & (frequencies >= 0)).all():
        raise CircuitError("f must be a non-empty list of frequencies (Hz), finite and not negative.")
    net, t, people, waves = given(circuit, 1.0, v0, x0, env)
    if size_of(*people) is not None:
        raise CircuitError("small_signal takes one circuit, and this is a population: take one of its members.")
    first = {n: w[0] for n, w in waves.items()}
    number = list(net.ends).index(source)
    v, i, found = _answer(people, first, jnp.asarray(frequencies, t.dtype), net, number)
    if not isinstance(found, Tracer) and not bool(found):
        raise CircuitError("no operating point: the currents of some node cannot be balanced.")
    v, i = jax.tree.map(lambda a: jnp.where(found, a, jnp.full_like(a, jnp.nan)), (v, i))
    return SmallSignal(jnp.asarray(frequencies, t.dtype), v, i)


@eqx.filter_jit
def _answer(people: Any, first: Mapping[str, Array], f: Array, net: Network, number: int) -> Any:
    parts, constants, env, start = people
    e = jnp.stack([jnp.asarray(first[n] if n in first else constants[n], f.dtype) for n in net.ends])
    stored, x, u, found = begin(net, (parts, env, start), e)
    member, charts = Member(parts, env, stored), {n: Charts(s) for n, s in x.items()}
    single = jax.tree.map(lambda a: np.zeros(a.shape, a.dtype), x)
    y = net.start(member, charts, x, u, e)
    mass, equations = equations_of(net, charts, single)
    along = jnp.zeros_like(e).at[number].set(1.0)

    def seen(y, e):
        x, v = net.look(charts, single, member, y, e)
        return {n: v[n] for n in net.topology.nodes}, net.conduction(member, x, v), net.charges(member, x, v)

    def everything(y, push):
        return equations.rate(member, y, e + push * along), seen(y, e + push * along)

    none = jnp.zeros((), e.dtype)
    by_y, seen_y = jax.jacfwd(everything, 0)(y, none)
    by_e, seen_e = jax.jacfwd(everything, 1)(y, none)
    weights = jnp.ones_like(y) if mass is None else jnp.asarray(mass, y.dtype)
    by_y, by_e, seen_y, seen_e, weights = jax.tree.map(_complex, (by_y, by_e, seen_y, seen_e, weights))

    def at(f):
        turn = lax.complex(jnp.zeros_like(f), 2 * jnp.pi * f)
        matrix = turn * jnp.diag(weights) - by_y
        size = _complex(1 / jnp.max(jnp.abs(matrix), axis=1))
        moved = jnp.linalg.solve(matrix * size[:, None], by_e * size)
        v, i, q = jax.tree.map(lambda a, b: a @ moved + b, seen_y, seen_e)
        charging = {n: turn * q[n] for n in q}
        return v, {n: sum(a[n] for a in (i, charging) if n in a) for n in net.places}

    return *jax.vmap(at)(f), found


def _complex(a: Array) -> Array:
    return lax.complex(a, jnp.zeros_like(a))
