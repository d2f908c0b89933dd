"""Lines of a crossbar: many ladders of resistors side by side, solved from one end to the other and back.

A line has nodes 0 .. p-1, a resistance before, between and behind them (p + 1 in all), a conductance to elsewhere at
every node, and may have a current into every node and a voltage source in series with every resistance. Going forward,
what lies behind is one source E behind one resistance Z (Thevenin):

    Z'_k = Z_k/(1 + s_k Z_k),  E'_k = (E_k + Z_k q_k)/(1 + s_k Z_k)
    Z_{k+1} = Z'_k + R_{k+1},  E_{k+1} = E'_k + e_{k+1}

and going back v_k lies between E'_k and v_{k+1} - e_{k+1}. Behind an infinite resistance it is a source of current J
instead (Norton, of no conductance): J + q at nodes without a conductance, and

    Z'_k = 1/s_k,  E'_k = (J_k + q_k)/s_k

at the first one that has some. Nothing is subtracted from anything near it, nothing is divided by a resistance alone
and no large number stands for an infinite one, so any resistance may be zero or infinite, and answers are sharp to
rounding. A node that nothing holds has the voltage of the next one.

Arrays are (position, batch, line): a step of a sweep works on all lines of all inputs at once.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


class Ladder(NamedTuple):
    """What the sweeps need of the resistances, each (position, 1 or batch, line).

    `pass_on` and `z` are what E (or J) and q at a node count for in E' (or J'), 1/(1 + s Z) and Z' (ohm), `shift` what
    a source along the line does. `held` is 1 where that is a voltage, and 0 where it is a current; `back` and `keep`
    are what E' (or J') and the next node count for in a voltage: R/(R + Z') and the rest for the one, R (ohm) and 1 for
    the other.
    """

    pass_on: Array
    z: Array
    back: Array
    keep: Array
    held: Array
    shift: Array


def factor(s: Float[Array, "p batch lines"], r: Array) -> Ladder:
    """A ladder of conductances `s` (S) and resistances `r` (ohm), (p + 1, 1, lines or 1)."""
    r = jnp.broadcast_to(r, (r.shape[0], *s.shape[1:]))
    ohm = jnp.where(jnp.isinf(r), jnp.zeros_like(r), r)

    def step(before, given):
        z, held, flows = before
        s, ohm, closed = given
        some = s > 0
        one, none = jnp.ones_like(z), jnp.zeros_like(z)
        # 1/(1 + s Z) of what is held, 1/s of what is not: one division, as they are what a step takes.
        inverse = 1 / jnp.where(held, 1 + s * z, jnp.where(some, s, one))
        pass_on = jnp.where(held | flows, inverse, none)
        gain = jnp.where(held, z * inverse, inverse)
        shift = jnp.where(held, inverse, none)
        z, now = jnp.where(held | some, gain, none), held | some
        total = ohm + z
        back = jnp.where(total > 0, ohm / jnp.where(total > 0, total, one), one)
        back = jnp.where(closed, jnp.where(now, back, ohm), jnp.where(now, one, none))
        held, flag = now & closed, now.astype(z.dtype)
        # What is left of one, lest equal neighbours be told apart by rounding.
        keep = 1 - back * flag
        return (jnp.where(held, total, none), held, closed), (pass_on, gain, back, keep, flag, shift)

    closed = jnp.isfinite(r)
    start = (ohm[0], closed[0], jnp.zeros_like(closed[0]))
    return Ladder(*lax.scan(step, start, (s, ohm[1:], closed[1:]))[1])


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

    def forward(y, given):
        pass_on, z, shift, q, e = given
        y = pass_on * y
        y = y if e is None else y + shift * e
        y = y if q is None else y + z * q
        return y, y

    def backward(x, given):
        back, keep, y, e = given
        x = x if e is None else x - e
        x = keep * x + back * y
        return x, x

    onward = ladder.pass_on, ladder.z, None if e is None else ladder.shift
    y = lax.scan(forward, first, (*onward, q, None if e is None else e[:-1]))[1]
    behind = None if e is None else e[1:]
    return lax.scan(backward, last, (ladder.back, ladder.keep, y, behind), reverse=True)[1]


def end_currents(
    into: Float[Array, "p batch lines"], r: Array, ends: tuple[Array, Array]
) -> tuple[Array, Array, Float[Array, "inner batch lines"]]:
    """Currents (A) of a line: from the source at its begin, from that at its end, and along it to the next node.

    Args:
        into: what leaves the line at each node. r: ohm, (p + 1, 1, lines or 1). ends: V at both ends.

    From Kirchhoff's voltage law around the line, not from differences of neighbouring voltages; where no resistance
    decides between two ends, each gives half. An infinite one parts the line: what is before it comes from the begin.
    """
    parted = jnp.isinf(r)
    some = jnp.any(parted, axis=0)
    ends_only = jnp.zeros_like(r).at[0].set(jnp.finfo(r.dtype).tiny * 1e6).at[-1].set(jnp.finfo(r.dtype).tiny * 1e6)
    ohm = jnp.where(some[None], (parted & (jnp.cumsum(parted, axis=0) == 1)).astype(r.dtype), r + ends_only)
    whole = jnp.sum(ohm, axis=0)
    around = jnp.where(some, jnp.zeros_like(whole), ends[0] - ends[1])
    # What leaves at a node comes from the begin as far as the resistance behind it is in the whole.
    share = jnp.flip(jnp.cumsum(jnp.flip(ohm / whole[None], 0), axis=0), 0)[1:]
    first = around / whole + jnp.sum(share * into, axis=0)
    last = jnp.where(parted[-1], jnp.zeros_like(first), jnp.sum(into, axis=0) - first)
    return first, last, first[None] - jnp.cumsum(into, axis=0)[:-1]
