"""From the steps of the lanes to the states at the samples, and the gradient back.

The loop of `stiff.py` writes every attempted step into a row of a page, all lanes side by side: contiguous, where
writing the samples themselves would scatter. When the page is full, each sample is interpolated in the row in which
it lies.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from neurojax._drive import Drive, pick
from neurojax._rodas import STAGES, Step, interpolate
from neurojax.waveform import rank

REJECTED, ACCEPTED, ENDED, START = 0, 1, 2, 3
"""What became of a row: nothing, a step, a step that ended its segment, a look at the slopes (first, after a jump)."""


AT_ONCE = 2**15
"""Samples of all lanes up to which they are read together: there a loop costs more, beyond it keeps to the cache."""


class Samples(NamedTuple):
    """tau: time of each sample since the knot before it, (S,) or (lanes, S); due: the same, early by rounding.

    first: for each knot the number of samples up to it, (K,) or (lanes, K); density: samples a second behind it.
    """

    tau: Array
    due: Array
    first: Array
    density: Array


class Page(NamedTuple):
    """R attempted steps of all lanes. y: before each (R + 1, n, lanes), the last row being the state behind them.

    tau: time since the knot, h: size, bend and twist of the dense output, (R, 2 + 2n, lanes) together in `more`.
    s: samples passed before each, (R + 1, lanes). code: 4 k + what became of it, (R, lanes).
    u: vectors of the stages (R, 6, n, lanes), for the adjoint only. notes: of what was decided, see `_notes.py`,
    (R, lanes), to take the same steps again; None where that is not needed.
    """

    y: Array
    s: Array
    more: Array
    code: Array
    u: Array | None
    notes: Array | None


def samples(drive: Drive) -> Samples:
    """Where the samples lie among the knots; differentiable in both."""
    if drive.t.ndim > 1:
        return jax.vmap(lambda t, ts: samples(Drive(t, drive.v, ts)))(drive.t, drive.ts)
    t, ts = drive.t, drive.ts
    last = t.shape[0] - 2
    k = jnp.clip(rank(t, ts, "left").astype(jnp.int32) - 1, 0, last)
    tau = ts - t[k]
    slack = 4 * jnp.finfo(t.dtype).eps * (t[k + 1] - t[k])
    first = rank(k, jnp.arange(last + 2, dtype=jnp.int32), "left").astype(jnp.int32)
    density = jnp.diff(first).astype(t.dtype) / jnp.where(t[1:] > t[:-1], t[1:] - t[:-1], jnp.ones_like(t[1:]))
    return Samples(tau, lax.stop_gradient(tau - slack), first, lax.stop_gradient(density))


def blank(rows: int, y0: Array, booked: bool = False) -> Page:
    """An empty page, with room for the stages and the notes if it is `booked`."""
    n, lanes = y0.shape
    return Page(
        jnp.zeros((rows + 1, n, lanes), y0.dtype),
        jnp.zeros((rows + 1, lanes), jnp.int32),
        jnp.zeros((rows, 2 + 2 * n, lanes), y0.dtype),
        jnp.zeros((rows, lanes), jnp.int32),
        jnp.zeros((rows, STAGES, n, lanes), y0.dtype) if booked else None,
        jnp.zeros((rows, lanes), jnp.uint8) if booked else None,
    )


def write(page: Page, row: Array, y: Array, s: Array, tau: Array, h: Array, step: Step, code: Array, note: Array):
    """The page with one more row."""
    more = jnp.concatenate([tau[None], h[None], step.bend, step.twist])
    put = lax.dynamic_update_index_in_dim
    u = None if page.u is None else put(page.u, step.u, row, 0)
    notes = None if page.notes is None else put(page.notes, note, row, 0)
    rows = (put(page.y, y, row, 0), put(page.s, s, row, 0), put(page.more, more, row, 0), put(page.code, code, row, 0))
    return Page(*rows, u, notes)


def close(page: Page, count: Array, y: Array, s: Array) -> Page:
    """The page with what lies behind its last row."""
    put = lax.dynamic_update_index_in_dim
    return page._replace(y=put(page.y, y, count, 0), s=put(page.s, s, count, 0))


def passed(at: Samples, k: Array, until: Array, s: Array) -> Array:
    """How many samples lie up to the time `until` of segment k, if s do so already.

    A bisection that begins where the samples would be if they were evenly spread.
    """
    low, high, total = jnp.maximum(s, pick(at.first, k)), pick(at.first, k + 1), at.due.shape[-1]
    soon = pick(at.due, jnp.minimum(low, total - 1))
    ahead = jnp.clip(pick(at.density, k) * (until - soon), -1.0, jnp.asarray(total, until.dtype))
    guess = low + jnp.floor(ahead).astype(jnp.int32)

    def unfinished(carry):
        return jnp.any(carry[0] < carry[1])

    def narrow(carry):
        low, high, turn = carry
        middle = jnp.where(turn < 2, jnp.clip(guess + turn, low, high - 1), (low + high) >> 1)
        inside = (low < high) & (pick(at.due, jnp.clip(middle, 0, total - 1)) <= until)
        return jnp.where(inside, middle + 1, low), jnp.where(inside | (low >= high), high, middle), turn + 1

    return lax.while_loop(unfinished, narrow, (low, jnp.maximum(low, high), jnp.zeros((), jnp.int32)))[0]


def reached(page: Page, count: Array, total: int) -> Array:
    """For each of `total` samples and each lane the row in which it lies, -1 if none begins there, (S, lanes)."""
    lanes = page.s.shape[1]
    lane = jnp.arange(lanes, dtype=jnp.int32)

    def look(r, rows):
        before, after = page.s[r], page.s[r + 1]
        return rows.at[jnp.where(after > before, before, total), lane].set(r, mode="drop")

    return lax.fori_loop(0, count, look, jnp.full((total, lanes), -1, jnp.int32))


def collect(at: Samples, page: Page, count: Array, out: Array) -> Array:
    """The states (S, n, lanes) with those filled in that lie in this page."""
    rows, s, after = reached(page, count, out.shape[0]), page.s[0], page.s[count]
    if rows.size <= AT_ONCE:
        return _at_once(at, page, rows, s, after, out)

    def one(j, carry):
        row, out = carry
        row = jnp.maximum(row, rows[j])
        here = (j >= s) & (j < after)
        value = value_at(*lookup(page, jnp.maximum(row, 0)), tau_of(at, j))
        return row, out.at[j].set(jnp.where(here[None], value, out[j]))

    begin = jnp.full_like(s, -1)
    return lax.fori_loop(jnp.min(s), jnp.max(after), one, (begin, out))[1]


def _at_once(at: Samples, page: Page, rows: Array, s: Array, after: Array, out: Array) -> Array:
    """`collect` without a loop over the samples."""
    rows, j = lax.cummax(jnp.maximum(rows, 0), axis=0), jnp.arange(out.shape[0], dtype=jnp.int32)
    values = jax.vmap(lambda row, j: value_at(*lookup(page, row), tau_of(at, j)))(rows, j)
    here = (j[:, None] >= s[None]) & (j[:, None] < after[None])
    return jnp.where(here[:, None], values, out)


def lookup(page: Page, row: Array) -> tuple[Array, Array, Array]:
    """State before, state behind and the rest of one row of each lane."""
    lane = jnp.arange(row.shape[0], dtype=jnp.int32)

    def of(table, row):
        parts = jnp.arange(table.shape[1], dtype=jnp.int32)[:, None]
        return table.at[row[None], parts, lane[None]].get(mode="promise_in_bounds")

    return of(page.y, row), of(page.y, row + 1), of(page.more, row)


def value_at(y: Array, ahead: Array, more: Array, tau: Array) -> Array:
    """The state at `tau` within a row."""
    n = y.shape[0]
    fraction = (tau - more[0]) / more[1]
    # By rounding only is it beyond an end of the step; its derivative is not to stop there.
    fraction = fraction + lax.stop_gradient(jnp.clip(fraction, 0.0, 1.0) - fraction)
    return interpolate(y, ahead, more[2 : 2 + n], more[2 + n :], fraction[None])


def tau_of(at: Samples, j: Array) -> Array:
    """Time of sample j since its knot: of all lanes, or one a lane."""
    return at.tau[j] if at.tau.ndim == 1 else at.tau[:, j]


def spread(at: Samples, page: Page, count: Array, seeds: Array) -> tuple[Array, Array, Array]:
    """The transpose of `collect`: from seeds (S, n, lanes) to those of page.y, page.more and at.tau."""
    rows, s, after = reached(page, count, seeds.shape[0]), page.s[0], page.s[count]
    lane = jnp.arange(s.shape[0], dtype=jnp.int32)

    def add(table, values, row):
        parts = jnp.arange(values.shape[0], dtype=jnp.int32)[:, None]
        return table.at[row[None], parts, lane[None]].add(values, mode="promise_in_bounds")

    def one(j, carry):
        row, of_y, of_more, of_tau = carry
        row = jnp.maximum(row, rows[j])
        safe, here = jnp.maximum(row, 0), (j >= s) & (j < after)
        seed = jnp.where(here[None], seeds[j], jnp.zeros_like(seeds[j]))
        before, behind, more, tau = jax.vjp(value_at, *lookup(page, safe), tau_of(at, j))[1](seed)
        of_y = add(add(of_y, before, safe), behind, safe + 1)
        return row, of_y, add(of_more, more, safe), (of_tau.at[j] if at.tau.ndim == 1 else of_tau.at[:, j]).add(tau)

    begin = (jnp.full_like(s, -1), jnp.zeros_like(page.y), jnp.zeros_like(page.more), jnp.zeros_like(at.tau))
    return lax.fori_loop(jnp.min(s), jnp.max(after), one, begin)[1:]
