"""Lines of a crossbar: many ladders of resistors side by side, solved from one end to the other and back.

A line has nodes 0 .. p-1, a resistance before, between and behind them (p + 1 in all), a conductance to elsewhere at
every node, and may have a current into every node and a voltage source in series with every resistance. Going forward,
what lies behind is one source E behind one resistance Z (Thevenin):

    Z'_k = Z_k/(1 + s_k Z_k),  E'_k = (E_k + Z_k q_k)/(1 + s_k Z_k)
    Z_{k+1} = Z'_k + R_{k+1},  E_{k+1} = E'_k + e_{k+1}

and going back v_k lies between E'_k and v_{k+1} - e_{k+1}. Nothing is subtracted from anything near it and nothing is
divided by a resistance alone, so a resistance may be zero or, as `OPEN`, infinite, and answers are sharp to rounding.

Arrays are (position, batch, line): a step of a sweep works on all lines of all inputs at once.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


class Ladder(NamedTuple):
    """What the sweeps need of the resistances, each (position, 1 or batch, line): 1/(1 + s Z), Z' (ohm), R/(R + Z')."""

    pass_on: Array
    z: Array
    back: Array


def without_infinity(r: Array) -> Array:
    """Resistances (ohm), infinite ones as large as the precision can stand."""
    return jnp.minimum(r, 1e30 if r.dtype == jnp.float64 else 1e15)


def factor(s: Float[Array, "p batch lines"], r: Array) -> Ladder:
    """A ladder of conductances `s` (S) and resistances `r` (ohm), (p + 1, 1, lines or 1)."""
    r = jnp.broadcast_to(r, (r.shape[0], *s.shape[1:]))

    def step(z, given):
        s, behind = given
        pass_on = 1 / (1 + s * z)
        z = z * pass_on
        total = behind + z
        some = total > 0
        back = jnp.where(some, behind / jnp.where(some, total, jnp.ones_like(total)), jnp.ones_like(total))
        return total, (pass_on, z, back)

    return Ladder(*lax.scan(step, r[0], (s, r[1:]))[1])


def sweep(
    ladder: Ladder, q: Array | None = None, ends: tuple[Array, Array] | None = None, e: Array | None = None
) -> Float[Array, "p batch lines"]:
    """Node voltages (V) of currents into the nodes, of the sources at both ends, and of sources along the line.

    Args:
        q: A, (p, batch, lines). ends: V before the first and behind the last resistance, (batch, lines) each.
        e: V in series with each resistance, raising what follows, (p + 1, batch, lines).
    """
    given = next(a for a in (q, e, ends) if a is not None)
    shape = jnp.shape(given[0])
    none = jnp.zeros(shape, ladder.z.dtype)
    first, last = (none, none) if ends is None else ends
    first, last = (first, last) if e is None else (first + e[0], last)

    def forward(y, given):
        ladder, q, e = given
        y = ladder.pass_on * (y if e is None else y + e)
        y = y if q is None else y + ladder.z * q
        return y, y

    def backward(x, given):
        ladder, y, e = given
        x = x if e is None else x - e
        x = x + ladder.back * (y - x)
        return x, x

    inner = None if e is None else jnp.concatenate([jnp.zeros_like(e[:1]), e[1:-1]])
    y = lax.scan(forward, first, (ladder, q, inner))[1]
    behind = None if e is None else e[1:]
    return lax.scan(backward, last, (ladder, y, behind), reverse=True)[1]


def end_currents(
    into: Float[Array, "p batch lines"], r: Array, ends: tuple[Array, Array]
) -> tuple[Array, Array, Float[Array, "inner batch lines"]]:
    """Currents (A) of a line: from the source at its begin, from that at its end, and along it to the next node.

    Args:
        into: what leaves the line at each node. r: ohm, (p + 1, 1, lines or 1). ends: V at both ends.

    From Kirchhoff's voltage law around the line, not from differences of neighbouring voltages; where no resistance
    decides between two ends, each gives half.
    """
    tiny = jnp.zeros_like(r).at[0].set(jnp.finfo(r.dtype).tiny * 1e6).at[-1].set(jnp.finfo(r.dtype).tiny * 1e6)
    r = r + tiny
    whole = jnp.sum(r, axis=0)
    # What leaves at a node comes from the begin as far as the resistance behind it is in the whole.
    share = jnp.flip(jnp.cumsum(jnp.flip(r / whole[None], 0), axis=0), 0)[1:]
    first = (ends[0] - ends[1]) / whole + jnp.sum(share * into, axis=0)
    return first, jnp.sum(into, axis=0) - first, first[None] - jnp.cumsum(into, axis=0)[:-1]
