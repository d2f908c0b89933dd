"""Frames without a solver: exponential steps, exact where the state relaxes linearly, their error measured elsewhere.

    frames = fast_frames(physics.Wox(), 1e-3, rest=1e-3, volts=(0.0, 1.4))       frames.error says how exact

A step from y is y + h phi(h J) f(y), phi(z) = (e^z - 1)/z, with f the rate at the voltage of the pulse and J its
derivative by the state: the solution itself if f is linear in y (a leaky cell, two-state kinetics, a pause in which
ions relax), an error of third order otherwise (D. A. Pope, Commun. ACM 6, 491 (1963), 10.1145/366707.367592). Results
of n and 2 n steps are extrapolated. Differentiable in device, voltages and times, at the cost of a few rates a frame.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

import neurojax as nj
import physics
from learning.reservoir.frames import (
    AbstractFrames,
    Devices,
    ExactFrames,
    Lanes,
    Reading,
    Times,
    axes_of,
    devices,
    pulse_and_pause,
    timed,
)

TRIALS = 64
"""Frames of random pulses over which the error is measured."""
LANES = 8
"""Devices on which it is measured; the first members of a population."""
FEW = 4
"""Steps that are written out: quicker to compile backwards than a loop."""
MOST = 64
"""Steps a pulse that are tried at most."""


class ExponentialFrames(AbstractFrames):
    """Frames by exponential steps.

    Attributes:
        cells: the devices. width, rest: of the pulse and of the pause after it (s; None for none), one or one a
            device. steps: of a pulse, and of a pause.
        error: largest distance of a state from `ExactFrames` over `TRIALS` random pulses, in parts of the range that
            the state went through; nan where it was not measured.
    """

    cells: Devices
    width: Times
    rest: Times | None
    steps: int = eqx.field(static=True, default=4)
    error: float = eqx.field(static=True, default=float("nan"))

    def start(self, n: int) -> Any:
        """As of `AbstractFrames`."""
        return self.cells.start(n)

    def step(self, x: Any, volts: Lanes) -> tuple[Any, Lanes]:
        """As of `AbstractFrames`."""
        return _frame(self.cells, (self.width, self.rest), x, volts, self.steps)

    def with_device(
        self, device: physics.AbstractDevice, width: float | Times | None = None, rest: float | Times | None = None
    ) -> "ExponentialFrames":
        """As many steps of another device, in other times; the error is not measured again (`frame_error`).

        Args:
            device: one or a population. width, rest: of the pulse and of the pause (s), those of this by default. With
                shorter pulses of the same voltages the steps are shorter, too.
        """
        cells = eqx.tree_at(lambda c: c.device, self.cells, device)
        times = timed(self.width if width is None else width, self.rest if rest is None else rest)
        return ExponentialFrames(cells, *times, self.steps)


def _frame(
    cells: Devices, times: tuple[Array, Array | None], x: Any, volts: Lanes, steps: int | Array
) -> tuple[Any, Lanes]:
    each = jax.vmap(_extrapolated, in_axes=(axes_of(cells.device), None, 0, 0, 0, None))
    move = lambda x, volts, time: each(cells.device, cells.env, x, volts, time, steps)  # noqa: E731
    top, end = pulse_and_pause(move, x, volts, *times)
    return end, cells.read(top, end, volts)


def _extrapolated(device: Any, env: Any, x: Any, v: Array, time: Array, steps: int | Array) -> Any:
    y, unravel = ravel_pytree(x)
    rate = lambda y: ravel_pytree(device.rate(unravel(y), v, env))[0]  # noqa: E731
    once, twice = (_moved(rate, y, time, n * steps) for n in (1, 2))
    return unravel(twice + (twice - once) / 3)


def _moved(rate: Any, y: Array, time: Array, n: int | Array) -> Array:
    """States after `n` exponential steps over a time (s); not differentiable backwards where n is an array."""
    step, h = (_scalar if y.shape[0] == 1 else _matrix), time / n
    if isinstance(n, int) and n <= FEW:
        for _ in range(n):
            y = step(rate, y, h)
        return y
    if isinstance(n, int):
        return lax.scan(lambda y, _: (step(rate, y, h), None), y, None, length=n)[0]
    return lax.fori_loop(0, n, lambda _, y: step(rate, y, h), y)


def _scalar(rate: Any, y: Array, h: Array) -> Array:
    f, slope = jax.jvp(rate, (y,), (jnp.ones_like(y),))
    z = h * slope
    small = jnp.abs(z) < 1e-5
    safe = jnp.where(small, jnp.ones_like(z), z)
    phi = jnp.where(small, 1 + z / 2 * (1 + z / 3), jnp.expm1(safe) / safe)
    return y + h * phi * f


def _matrix(rate: Any, y: Array, h: Array) -> Array:
    """h phi(h J) f is the last column of the exponential of a matrix."""
    jacobian, f = jax.jacfwd(rate)(y), rate(y)
    whole = jnp.zeros((y.shape[0] + 1,) * 2, y.dtype).at[:-1, :-1].set(h * jacobian).at[:-1, -1].set(h * f)
    return y + jsl.expm(whole)[:-1, -1]


def fast_frames(
    device: physics.AbstractDevice,
    width: float | Times,
    *,
    rest: float | Times | None,
    volts: tuple[float, float],
    tol: float = 1e-4,
    reading: Reading = "conductance",
    v_read: float = 0.1,
    env: physics.Environment | None = None,
) -> ExponentialFrames:
    """Exponential frames with as few steps as keep within `tol` of the exact ones, found by trying.

    The error is that of the given device and times: measure it again (`frame_error`) after changing them much.

    Args:
        device: of two terminals, one or a population, and no traced values. width, rest: of the pulse and of the pause
            after it (s; None for none). volts: lowest and highest amplitude. tol: largest error of a state, in parts of
            the range through which it goes. reading, v_read, env: as of `devices`.

    Raises:
        ProgrammingError: the tolerance is not reached.
    """
    cells, timing = devices(device, reading=reading, v_read=v_read, env=env), timed(width, rest)
    few = _few(ExactFrames(cells, *timing, 1e-8, "forward"))
    pulses = _pulses(few, volts)
    exact, steps, error = _history(few, pulses), 1, float("nan")
    while steps <= MOST:
        error = _distance(_trial(few, pulses, jnp.asarray(steps)), exact)
        if error <= tol:
            return ExponentialFrames(cells, *timing, steps, error)
        steps *= 2
    raise nj.ProgrammingError(
        f"{type(device).__name__}, pulses of {volts} V, {float(jnp.max(timing[0])):g} s: {MOST} exponential steps miss "
        f"the exact frames by {error:.2g} (allowed: tol = {tol:g}). Take exact_frames, or shorter pulses."
    )


def frame_error(frames: AbstractFrames, exact: AbstractFrames, volts: tuple[float, float]) -> float:
    """Largest distance between the states of two kinds of frames over `TRIALS` random pulses.

    Args:
        frames, exact: of the same devices. volts: lowest and highest amplitude.

    Returns:
        In parts of the range through which each state goes.
    """
    frames, exact = _few(frames), _few(exact)
    pulses = _pulses(exact, volts)
    return _distance(_history(frames, pulses), _history(exact, pulses))


def _few(frames: Any) -> Any:
    """Frames of the first members of a population: what `LANES` devices do is compiled once."""
    cut = lambda a: a[:LANES] if eqx.is_array(a) and a.ndim else a  # noqa: E731
    return jax.tree.map(cut, frames) if hasattr(frames, "cells") else frames


def _pulses(frames: Any, volts: tuple[float, float]) -> Array:
    """Random amplitudes (trials, lanes), on the members of a population or on as many equal devices."""
    leaves = jax.tree.leaves(frames) if hasattr(frames, "cells") else []
    lanes = max([leaf.shape[0] for leaf in leaves if jnp.ndim(leaf)], default=LANES)
    return jnp.asarray(np.random.default_rng(0).uniform(*volts, (TRIALS, lanes)), jnp.result_type(float))


@eqx.filter_jit
def _history(frames: AbstractFrames, pulses: Array) -> Any:
    """States (trials, lanes) over pulses."""
    return _followed(lambda x, v: frames.step(x, v)[0], frames.start(pulses.shape[1]), pulses)


@eqx.filter_jit
def _trial(frames: Any, pulses: Array, steps: Array) -> Any:
    """The same by exponential steps, compiled once for all numbers of them."""
    move = lambda x, v: _frame(frames.cells, (frames.width, frames.rest), x, v, steps)[0]  # noqa: E731
    return _followed(move, frames.start(pulses.shape[1]), pulses)


def _followed(move: Any, x: Any, pulses: Array) -> Any:
    def one(x, v):
        x = move(x, v)
        return x, x

    return lax.scan(one, x, pulses)[1]


def _distance(a: Any, b: Any) -> float:
    apart = [
        float(np.max(np.abs(np.asarray(x - y))) / max(float(np.ptp(np.asarray(y))), 1e-12))
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    ]
    return max(apart) if np.isfinite(apart).all() else float("inf")
