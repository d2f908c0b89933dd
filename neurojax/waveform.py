"""What is applied to a device: voltages that are straight lines between knots.

A waveform owns its knots and its jumps, and `simulate` hands both to the solver, so no pulse can be
stepped over. The same constructors as in the laboratory: triangle, staircase, pulse, pulse train,
ISPP, PUND, rest, sampled; `a.then(b)` and `a.repeat(n)` compose them. Values are plain arrays, hence
differentiable and batchable; with port voltages of shape (2,) the values have shape (knots, 2).
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from neurojax.errors import DataError

FEW = 128
"""Numbers among which a place is found by counting; of many places its square, all together."""


class Waveform(eqx.Module):
    """A continuous or jumping piecewise-linear voltage.

    Attributes:
        t: knots (s), non-decreasing; a time that occurs twice is a jump. Shape (knots,).
        v: voltages at the knots (V). Shape (knots,) or (knots, ports).
    """

    t: Float[Array, " knots"]
    v: Float[Array, " knots *ports"]

    def __init__(self, t: Any, v: Any):
        self.t = jnp.asarray(t, dtype=jnp.result_type(float))
        self.v = jnp.asarray(v, dtype=jnp.result_type(float))
        _check(self.t, self.v)

    @property
    def duration(self) -> Float[Array, ""]:
        """From the first knot to the last (s)."""
        return self.t[-1] - self.t[0]

    @property
    def jumps(self) -> np.ndarray:
        """Times at which the voltage jumps (s)."""
        t = np.asarray(self.t)
        return np.unique(t[1:][np.diff(t) == 0])

    @property
    def knots(self) -> np.ndarray:
        """Times at which the slope or the value changes (s), each once."""
        return np.unique(np.asarray(self.t))

    def __call__(self, t: Float[Array, ""]) -> Float[Array, "*ports"]:
        """The voltage at time `t` (V); at a jump the value after it; constant outside the knots."""
        return interpolate(self.t, self.v, t)[0]

    def slope(self, t: Float[Array, ""]) -> Float[Array, "*ports"]:
        """dv/dt just after `t` (V/s), zero outside the knots."""
        return interpolate(self.t, self.v, t)[1]

    def then(self, other: "Waveform") -> "Waveform":
        """This waveform followed by `other`, of as many ports, whose clock is shifted to the end of this one."""
        t = jnp.concatenate([self.t, other.t - other.t[0] + self.t[-1]])
        return Waveform(*_join(t, jnp.concatenate([self.v, other.v]), len(self.t)))

    def repeat(self, n: int) -> "Waveform":
        """`n` times this waveform.

        Raises:
            DataError: if n < 1.
        """
        if n < 1:
            raise DataError(f"repeat({n}): a waveform can be repeated once or more.")
        whole = self
        for _ in range(n - 1):
            whole = whole.then(self)
        return whole

    def sample_times(self, n: int = 500) -> np.ndarray:
        """About `n` equally spaced times together with all knots: the default samples of a record."""
        knots = self.knots
        return np.unique(np.concatenate([np.linspace(knots[0], knots[-1], n), knots]))

    def __repr__(self) -> str:
        if isinstance(self.t, Tracer) or not hasattr(self.t, "shape"):
            return f"Waveform({self.t}, {self.v})"
        v = np.asarray(self.v)
        return f"Waveform({len(self.t)} knots, {float(self.duration):.4g} s, {v.min():.4g} .. {v.max():.4g} V)"


def interpolate(t: Array, v: Array, at: Array) -> tuple[Array, Array]:
    """Value and right-hand slope at `at` of the line through the knots (t, v)."""
    k = jnp.clip(rank(t, at, "right") - 1, 0, t.shape[0] - 2)
    width = t[k + 1] - t[k]
    flat = width <= 0
    slope = jnp.where(flat, jnp.zeros_like(v[k]), (v[k + 1] - v[k]) / jnp.where(flat, jnp.ones_like(width), width))
    outside = (at < t[0]) | (at >= t[-1])
    value = v[k] + slope * (jnp.clip(at, t[0], t[-1]) - t[k])
    return jnp.where(at >= t[-1], v[-1], value), jnp.where(outside, jnp.zeros_like(slope), slope)


def rank(t: Array, at: Array, side: str) -> Array:
    """`jnp.searchsorted`; among a few by counting, which is no loop to compile and none to run."""
    few = t.shape[0] * at.size <= FEW**2 and (at.ndim > 0 or t.shape[0] <= FEW)
    return jnp.searchsorted(t, at, side=side, method="compare_all" if few else "scan")


def _check(t: Array, v: Array) -> None:
    if t.ndim != 1 or v.ndim < 1 or t.shape[0] != v.shape[0] or t.shape[0] < 2:
        raise DataError(f"a waveform needs two or more knots and one voltage a knot; got t {t.shape}, v {v.shape}.")
    if isinstance(t, Tracer) or isinstance(v, Tracer):
        return
    t_host, v_host = np.asarray(t), np.asarray(v)
    if not (np.isfinite(t_host).all() and np.isfinite(v_host).all()):
        raise DataError("a waveform must be finite, but a time or voltage is NaN or infinite; drop those samples.")
    back = np.flatnonzero(np.diff(t_host) < 0)
    if back.size:
        k = int(back[0])
        raise DataError(
            f"time runs backwards at knot {k + 1}: {t_host[k]:g} s is followed by {t_host[k + 1]:g} s. "
            "Sort the knots, or join separate waveforms with a.then(b)."
        )
    if t_host[-1] <= t_host[0]:
        raise DataError(f"a waveform must last longer than {t_host[-1] - t_host[0]:g} s.")


def _join(t: Array, v: Array, seam: int) -> tuple[Array, Array]:
    """Drop the doubled knot at the seam where there is no jump."""
    if isinstance(v, Tracer) or not bool(jnp.all(v[seam] == v[seam - 1])):
        return t, v
    keep = np.arange(t.shape[0]) != seam
    return t[keep], v[keep]


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not np.all(np.asarray(value) > 0):
            raise DataError(f"{name} = {value} must be positive (SI units: V and s).")


def triangle(v_max: Any, v_min: Any = None, period: float = 1.0, *, start: Any = 0.0) -> Waveform:
    """One sweep start -> v_max -> v_min -> start at a constant rate (V/s).

    Args:
        v_max, v_min: turning voltages (V), floats or one a port; v_min defaults to -v_max.
        period: time of the whole sweep (s). start: first and last voltage (V).

    Raises:
        DataError: a period that is not positive, or no voltage but `start`.
    """
    _positive(period=period)
    points = jnp.stack(
        [
            jnp.asarray(p, dtype=float)
            for p in jnp.broadcast_arrays(
                *(
                    jnp.asarray(q, dtype=float)
                    for q in (start, v_max, -jnp.asarray(v_max, dtype=float) if v_min is None else v_min, start)
                )
            )
        ]
    )
    legs = np.max(np.abs(np.diff(np.asarray(points).reshape(4, -1), axis=0)), axis=1)
    if legs.sum() == 0:
        raise DataError(f"triangle({v_max}, {v_min}) never leaves {start} V.")
    keep = np.concatenate([[True], legs > 0])
    t = np.concatenate([[0.0], np.cumsum(legs)])[keep] * (period / legs.sum())
    return Waveform(t, points[keep])


def constant(v: Any, duration: float) -> Waveform:
    """A constant voltage `v` (V), a float or one a port, for `duration` (s)."""
    _positive(duration=duration)
    level = jnp.asarray(v, dtype=float)
    return Waveform([0.0, duration], jnp.stack([level, level]))


def rest(duration: float, ports: int = 1) -> Waveform:
    """Zero volt on each of `ports` ports for `duration` (s)."""
    return constant(0.0 if ports == 1 else np.zeros(ports), duration)


def pulse(amplitude: float, width: float, *, rise: float | None = None, rest: float | None = None) -> Waveform:
    """One trapezoid of `amplitude` (V): edges of `rise`, a flat top of `width`, then `rest` at zero (all s).

    `rise` defaults to a hundredth of the width, `rest` to the width.
    """
    return pulse_train([amplitude], [width], rise=rise, rest=rest)


def pulse_train(
    amplitudes: Sequence[float] | Any,
    widths: Sequence[float] | float | Any,
    *,
    rise: float | None = None,
    rest: float | None = None,
) -> Waveform:
    """Trapezoids one after the other, the first at t = 0, a rest after each.

    Pulse k takes rise + widths[k] + rise + rest.

    Args:
        amplitudes: voltages of the flat tops (V), shape (n,) or (n, ports). widths: their times (s), one for all or
            shape (n,).
        rise, rest: of each edge and after each pulse (s), see `pulse`.

    Raises:
        DataError: no amplitude, or a time that is not positive.
    """
    height = np.atleast_1d(np.asarray(amplitudes, dtype=float))
    if height.size == 0:
        raise DataError("a pulse train needs at least one amplitude.")
    width = np.broadcast_to(np.asarray(widths, dtype=float), height.shape[:1])
    edge = float(np.min(width)) / 100 if rise is None else float(rise)
    pause = float(np.max(width)) if rest is None else float(rest)
    _positive(width=np.min(width), rise=edge, rest=pause)
    steps = np.stack([np.full_like(width, edge), width, np.full_like(width, edge), np.full_like(width, pause)], axis=1)
    t = np.concatenate([[0.0], np.cumsum(steps.ravel())])
    zero = np.zeros_like(height)
    corners = np.stack([height, height, zero, zero], axis=1).reshape(-1, *height.shape[1:])
    return Waveform(t, np.concatenate([zero[:1], corners]))


def staircase(levels: Sequence[float], dwell: float, *, rise: float | None = None) -> Waveform:
    """Steps from level to level of `levels` (V), `dwell` seconds on each, edges of `rise` (a hundredth of dwell)."""
    _positive(dwell=dwell)
    edge = dwell / 100 if rise is None else rise
    _positive(rise=edge)
    times, volts, now = [0.0], [0.0], 0.0
    for level in levels:
        times += [now + edge, now + edge + dwell]
        volts += [float(level), float(level)]
        now += edge + dwell
    return Waveform([*times, now + edge], [*volts, 0.0])


def ispp(
    start: float, step: float, n: int, width: float, *, rise: float | None = None, rest: float | None = None
) -> Waveform:
    """Incremental step pulse programming: `n` pulses of `start`, `start + step`, ... (V).

    `width`, `rise` and `rest` (s) are those of `pulse`.
    """
    return pulse_train(start + step * np.arange(n), width, rise=rise, rest=rest)


def pund(v: float, width: float, *, rise: float | None = None, rest: float | None = None) -> Waveform:
    """Negative preset, then positive, up, negative, down, all of `v` (V): the measurement of switched charge.

    `width`, `rise` and `rest` (s) are those of `pulse`.
    """
    return pulse_train([-v, v, v, -v, -v], width, rise=rise, rest=rest)


def sampled(t: Any, v: Any, *, tol: float | None = None) -> Waveform:
    """The waveform through measured samples, with samples on a straight line merged.

    Fewer knots are fewer forced solver steps: a measured triangle of a thousand points keeps three.

    Args:
        t, v: samples (s, V), time strictly increasing.
        tol: largest deviation (V) allowed by the merging; default 1e-9 of the voltage range, which
            merges exact lines and keeps noise. Zero keeps every sample.
    """
    times, volts = np.asarray(t, dtype=float), np.asarray(v, dtype=float)
    _check(jnp.asarray(times), jnp.asarray(volts))
    limit = 1e-9 * float(np.ptp(volts)) if tol is None else tol
    keep = _corners(times, volts.reshape(len(times), -1), limit) if limit > 0 else np.arange(len(times))
    return Waveform(times[keep], volts[keep])


def _corners(t: np.ndarray, v: np.ndarray, tol: float) -> np.ndarray:
    """Greedy merging: indices such that the polyline through them misses no sample by more than tol."""
    keep, anchor = [0], 0
    low, high = np.full(v.shape[1], -np.inf), np.full(v.shape[1], np.inf)
    for k in range(1, len(t)):
        span = t[k] - t[anchor]
        slope = (v[k] - v[anchor]) / span
        if np.any(slope < low) or np.any(slope > high):
            anchor = k - 1
            keep.append(anchor)
            span = t[k] - t[anchor]
            low, high = (v[k] - tol - v[anchor]) / span, (v[k] + tol - v[anchor]) / span
        else:
            low = np.maximum(low, (v[k] - tol - v[anchor]) / span)
            high = np.minimum(high, (v[k] + tol - v[anchor]) / span)
    return np.asarray([*keep, len(t) - 1])
