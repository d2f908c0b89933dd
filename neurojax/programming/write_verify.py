"""Closed-loop programming: read, pulse, read again, until every cell is where it should be, or is named.

    up, down = nj.programming.Ramp(0.2, 0.01, 0.4), nj.programming.Ramp(-0.2, -0.01, -0.4)
    record = nj.programming.write_verify(table, x, target, up=up, down=down, scheme=nj.programming.half_voltage)

Each cell gets pulses of its own amplitude (incremental step pulse programming): a ramp starts where the direction
changes and rises by a step with every further pulse. With a `scheme` rows are programmed one after the other, in two
phases, up and down, and all other cells of the array see what the scheme says, so what is done to one row disturbs
the others; `passes` over the array repair that. Without one the cells have transistors, all are programmed at once.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from neurojax.errors import ProgrammingError
from neurojax.programming.cells import Cells
from neurojax.programming.schemes import Scheme

Real = Float[Array, "..."]


class Ramp(eqx.Module):
    """Amplitudes of one direction: `start`, `start + step`, ..., `stop` (V), of one sign; a step of 0 keeps them."""

    start: Real = eqx.field(converter=lambda v: jnp.asarray(v, jnp.result_type(float)))
    step: Real = eqx.field(converter=lambda v: jnp.asarray(v, jnp.result_type(float)))
    stop: Real = eqx.field(converter=lambda v: jnp.asarray(v, jnp.result_type(float)))

    def __call__(self, k: Real) -> Real:
        """Amplitude (V) of the pulse number `k` in a direction, counted from zero."""
        v = self.start + self.step * k
        return jnp.where(self.stop >= self.start, jnp.minimum(v, self.stop), jnp.maximum(v, self.stop))


class Programmed(eqx.Module):
    """An array after programming, cell by cell.

    Attributes:
        x: states. conductance: read without noise (S), (n, m). target: S, (n, m). pulses: that each cell was selected
            for, (n, m). energy: of all pulses, those of disturbance included, in each cell (J), (n, m). duration: of
            all pulses (s), without readings. ok: whether a cell is within the tolerance at the end, (n, m).
    """

    x: Any
    conductance: Float[Array, "n m"]
    target: Float[Array, "n m"]
    pulses: Int[Array, "n m"]
    energy: Float[Array, "n m"]
    duration: Float[Array, ""]
    ok: Bool[Array, "n m"]

    def __repr__(self) -> str:
        if isinstance(self.ok, Tracer) or not hasattr(self.ok, "shape"):
            return "Programmed(traced)"
        return (
            f"Programmed({int(self.ok.sum())} of {self.ok.size} cells within tolerance, "
            f"{float(self.pulses.mean()):.3g} pulses a cell (at most {int(self.pulses.max())}), "
            f"{float(self.energy.sum()):.4g} J in all, {float(self.duration):.4g} s)"
        )


class _Loop(eqx.Module):
    x: Any
    up_count: Real
    down_count: Real
    pulses: Array
    energy: Real
    periods: Real
    left: Array
    tried: Array
    key: Any


class _Job(eqx.Module):
    cells: Any
    target: Real
    allowed: Real
    works: Array
    up: Ramp
    down: Ramp
    read_noise: Real
    scheme: Any = eqx.field(static=False)
    max_pulses: int = eqx.field(static=True)


def write_verify(
    cells: Cells,
    x: Any,
    target: Float[Array, "n m"],
    *,
    up: Ramp,
    down: Ramp,
    tolerance: float | Real = 0.01,
    max_pulses: int = 100,
    scheme: Scheme | None = None,
    passes: int = 1,
    works: Bool[Array, "n m"] | None = None,
    read_noise: float | Real = 0.0,
    throw: bool = True,
    key: Array | None = None,
) -> Programmed:
    """Programme an array of cells to conductances.

    Args:
        cells: a `PulseMap` over a range of amplitudes that includes what disturbed cells see, or `device_cells`.
        x: states before, (n, m). target: S, (n, m). up, down: amplitudes of pulses that raise and lower a conductance.
        tolerance: largest distance from the target, relative to it. max_pulses: for a cell in one pass.
        scheme: what the cells see while a row is selected, see `schemes.py`; None for cells with transistors.
        passes: over the array, for what was disturbed. works: cells that answer to pulses, others are stuck, (n, m).
        read_noise: standard deviation of a reading (S). throw: raise where cells fail; else look at `record.ok`.
        key: a `jax.random.key` for the noise of readings.

    Raises:
        ProgrammingError: cells that are not within the tolerance at the end, or a target that is not positive.
    """
    target = jnp.asarray(target)
    if not isinstance(target, Tracer) and (target.ndim != 2 or not bool((np.asarray(target) > 0).all())):
        raise ProgrammingError(f"target must be positive conductances (S), (n, m); its shape is {target.shape}.")
    number = lambda a: jnp.asarray(a, target.dtype)  # noqa: E731
    if key is None and not isinstance(read_noise, Tracer) and np.any(np.asarray(read_noise) > 0):
        raise ProgrammingError(f"read_noise = {read_noise} S needs a key, for instance key=jax.random.key(0).")
    works = jnp.ones(target.shape, bool) if works is None else works
    up, down = jax.tree.map(number, (up, down))
    allowed = number(tolerance) * target
    job = _Job(cells, target, allowed, works, up, down, number(read_noise), scheme, max_pulses)
    record = _programmed(job, x, jax.random.key(0) if key is None else key, passes)
    return _checked(record, tolerance, max_pulses) if throw else record


@eqx.filter_jit
def _programmed(job: _Job, x: Any, key: Array, passes: int) -> Programmed:
    zero = jnp.zeros_like(job.target)
    count = jnp.zeros(job.target.shape, jnp.int32)
    loop = _Loop(x, zero, zero, count, zero, zero[0, 0], jnp.ones(job.target.shape, bool), count[0, 0], key)
    if job.scheme is None:
        every = jnp.ones(job.target.shape, bool)
        loop = _until(job, loop, lambda loop: _together(job, loop, every), every)
    else:
        rows = jnp.tile(jnp.arange(job.target.shape[0], dtype=jnp.int32), passes)
        loop = lax.scan(lambda loop, row: (_row(job, loop, row), None), loop, rows)[0]
    g = job.cells.conductance(loop.x)
    ok = jnp.abs(g - job.target) <= job.allowed
    return Programmed(loop.x, g, job.target, loop.pulses, loop.energy, loop.periods * job.cells.period, ok)


def _until(job: _Job, loop: _Loop, once, selected: Array) -> _Loop:
    """Rounds of reading and pulses until all selected cells are read within the tolerance."""
    fresh = jnp.where(selected, jnp.zeros_like(loop.up_count), loop.up_count)
    loop = eqx.tree_at(
        lambda s: (s.up_count, s.down_count, s.left, s.tried),
        loop,
        (fresh, fresh, jnp.ones_like(loop.left), jnp.zeros_like(loop.tried)),
    )
    more = lambda loop: jnp.any(loop.left & selected) & (loop.tried < job.max_pulses)  # noqa: E731
    return lax.while_loop(more, once, loop)


def _asked(job: _Job, loop: _Loop, selected: Array) -> tuple[_Loop, Array, Array]:
    """A reading, and which of the selected cells must go up and down."""
    key, now = jax.random.split(loop.key)
    noise = job.read_noise * jax.random.normal(now, job.target.shape, job.target.dtype)
    off = job.cells.conductance(loop.x) + noise - job.target
    left = selected & ~(jnp.abs(off) <= job.allowed)
    raised, lowered = left & (off < 0), left & (off > 0)
    # Where the direction changes its ramp begins anew.
    up_count = jnp.where(lowered, jnp.zeros_like(off), loop.up_count)
    down_count = jnp.where(raised, jnp.zeros_like(off), loop.down_count)
    fields = lambda s: (s.up_count, s.down_count, s.left, s.tried, s.key)  # noqa: E731
    loop = eqx.tree_at(fields, loop, (up_count, down_count, left, loop.tried + 1, key))
    return loop, raised, lowered


def _together(job: _Job, loop: _Loop, selected: Array) -> _Loop:
    """One pulse on each cell that needs one, of its own sign."""
    loop, raised, lowered = _asked(job, loop, selected)
    none = jnp.zeros_like(job.target)
    volts = jnp.where(raised, job.up(loop.up_count), jnp.where(lowered, job.down(loop.down_count), none))
    return _applied(job, loop, volts, raised, lowered, jnp.any(raised | lowered))


def _row(job: _Job, loop: _Loop, row: Array) -> _Loop:
    """All pulses of one row; each round is a phase up and one down."""
    selected = jnp.broadcast_to(jnp.arange(job.target.shape[0], dtype=row.dtype)[:, None] == row, job.target.shape)
    none = jnp.zeros_like(job.target)

    def once(loop: _Loop) -> _Loop:
        loop, raised, lowered = _asked(job, loop, selected)
        for ramp, count, mask in ((job.up, loop.up_count, raised), (job.down, loop.down_count, lowered)):
            asked = jnp.where(mask, ramp(count), none)[row]
            volts = job.scheme(asked, row, job.cells.conductance(loop.x))
            here = mask if ramp is job.up else jnp.zeros_like(mask)
            loop = _applied(job, loop, volts, here, mask & ~here, jnp.any(mask))
        return loop

    return _until(job, loop, once, selected)


def _applied(job: _Job, loop: _Loop, volts: Real, raised: Array, lowered: Array, any_pulse: Array) -> _Loop:
    """A pulse on the whole array; those of no amplitude leave their cell as it is."""

    def pulse(x: Any) -> tuple[Any, Real]:
        after, energy = job.cells.step(x, volts)
        moves = job.works & (volts != 0)
        kept = lambda new, old: jnp.where(moves, new, old)  # noqa: E731
        return jax.tree.map(kept, after, x), kept(energy, jnp.zeros_like(energy))

    x, energy = lax.cond(any_pulse, pulse, lambda x: (x, jnp.zeros_like(loop.energy)), loop.x)
    one = lambda mask: mask.astype(loop.up_count.dtype)  # noqa: E731
    fields = lambda s: (s.x, s.up_count, s.down_count, s.pulses, s.energy, s.periods)  # noqa: E731
    new = (
        x,
        loop.up_count + one(raised),
        loop.down_count + one(lowered),
        loop.pulses + (raised | lowered).astype(jnp.int32),
        loop.energy + energy,
        loop.periods + any_pulse.astype(loop.periods.dtype),
    )
    return eqx.tree_at(fields, loop, new)


def _checked(record: Programmed, tolerance: Any, max_pulses: int) -> Programmed:
    if isinstance(record.ok, Tracer):
        return eqx.error_if(record, ~record.ok, "write_verify: cells are not within the tolerance. See throw=False.")
    ok = np.asarray(record.ok)
    if ok.all():
        return record
    i, j = np.argwhere(~ok)[0].tolist()
    raise ProgrammingError(
        f"{int((~ok).sum())} of {ok.size} cells are not within {tolerance} of their target; the first, ({i}, {j}), has "
        f"{float(record.conductance[i, j]):.4g} S and should have {float(record.target[i, j]):.4g} S after "
        f"{int(record.pulses[i, j])} pulses (max_pulses = {max_pulses}). Try more or higher pulses, smaller steps, "
        "targets within the range of the device, more passes if rows disturb each other, or throw=False to see all."
    )
