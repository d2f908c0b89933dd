"""Gradient programming: amplitudes and widths of a train of pulses, found through the state equation of the device."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from neurojax._marquardt import least_squares
from neurojax.bijection import Box
from neurojax.errors import ProgrammingError
from neurojax.programming._metered import Metered, made_metered
from neurojax.simulate import simulate
from neurojax.waveform import Waveform
from physics.device import AbstractDevice, Environment


class Train(eqx.Module):
    """Pulses for each of some targets.

    Attributes:
        amplitudes: V, (targets, n). widths: of the flat tops (s), (targets, n). conductance: after the train (S).
        energy: of the train in the device (J). ok: whether the target is reached, all (targets,). rise, rest: s.
    """

    amplitudes: Float[Array, "targets n"]
    widths: Float[Array, "targets n"]
    conductance: Float[Array, " targets"]
    energy: Float[Array, " targets"]
    ok: Bool[Array, " targets"]
    rise: Float[Array, ""]
    rest: Float[Array, ""]

    def waveform(self, k: int) -> Waveform:
        """What to apply for target number `k`."""
        return train_waveform(self.amplitudes[k], self.widths[k], self.rise, self.rest)


def train_waveform(amplitudes: Float[Array, " n"], widths: Float[Array, " n"], rise: Any, rest: Any) -> Waveform:
    """Trapezoids one after the other, differentiable in everything.

    Args:
        amplitudes: V. widths: flat tops (s). rise, rest: edges and the pause after each (s).
    """
    edge, pause = (jnp.broadcast_to(jnp.asarray(a, widths.dtype), widths.shape) for a in (rise, rest))
    t = jnp.cumsum(jnp.stack([edge, widths, edge, pause], axis=1).ravel())
    zero = jnp.zeros_like(amplitudes)
    v = jnp.stack([amplitudes, amplitudes, zero, zero], axis=1).ravel()
    return Waveform(jnp.concatenate([jnp.zeros_like(t[:1]), t]), jnp.concatenate([zero[:1], v]))


def programme_train(
    device: AbstractDevice,
    target: Float[Array, " targets"],
    n: int,
    *,
    amplitudes: tuple[float, float],
    widths: float | tuple[float, float],
    x0: Any = None,
    energy_weight: float = 0.0,
    energy_unit: float = 1e-12,
    tolerance: float = 1e-3,
    rise: float | None = None,
    rest: float | None = None,
    v_read: float = 0.1,
    env: Environment | None = None,
    rtol: float = 1e-6,
    max_iterations: int = 40,
    throw: bool = True,
) -> Train:
    """Find trains of `n` pulses that bring a device to conductances, by least squares with exact derivatives.

    What is minimised is (ln G - ln target)^2 + energy_weight (energy/energy_unit)^2; all targets are looked for side
    by side.

    Args:
        device: of two terminals. target: S, (targets,). n: pulses. amplitudes: bounds (V); the search begins in their
            middle. widths: of the flat tops (s), one, or bounds within which they are found, too.
        x0: state before (`device.init(env)`). energy_weight, energy_unit (J): price of the energy.
        tolerance: largest distance from the target, relative. rise, rest: edges and pause (s), by default a hundredth
            of the shortest width and the longest one. v_read: V. env: ambient (300 K). rtol: of the solver.
        max_iterations: steps tried. throw: raise where a target is not reached; else look at `ok`.

    Raises:
        ProgrammingError: targets that are not reached, or bounds that are none.
    """
    env = Environment() if env is None else env
    target = jnp.asarray(target, jnp.result_type(float))
    ends = np.broadcast_to(np.asarray(widths, float), (2,)) if np.ndim(widths) == 0 else np.asarray(widths, float)
    free = ends[1] > ends[0]
    if not amplitudes[0] < amplitudes[1] or not ends[0] > 0 or ends[1] < ends[0]:
        raise ProgrammingError(f"amplitudes = {amplitudes} V and widths = {widths} s need a lower and an upper bound.")
    edge, pause = (ends[0] / 100 if rise is None else rise), (ends[1] if rest is None else rest)
    bounds = [(*amplitudes, 0.0)] * n + ([(*ends, 1.0)] * n if free else [])
    box = Box(*(jnp.asarray(a, target.dtype) for a in np.asarray(bounds, float).T))
    start = jnp.zeros(len(bounds), target.dtype)
    number = lambda a: jnp.asarray(a, target.dtype)  # noqa: E731
    problem = _Problem(
        device, env, device.init(env) if x0 is None else x0, box, number(ends[0]), number(edge), number(pause),
        number(v_read), number(energy_weight), number(energy_unit), n, rtol,
    )  # fmt: skip
    amplitude, width, g, energy = _searched(problem, target, start, max_iterations, 0.1 * tolerance)
    ok = jnp.abs(g / target - 1) <= tolerance
    if throw and not isinstance(ok, Tracer) and not bool(np.asarray(ok).all()):
        k = int(np.argmin(np.asarray(ok)))
        raise ProgrammingError(
            f"{int((~np.asarray(ok)).sum())} of {ok.size} targets are not reached with {n} pulses; number {k} ends at "
            f"{float(g[k]):.4g} S and should at {float(target[k]):.4g} S. Widen the bounds, take more pulses, or a "
            "target within the range of the device."
        )
    return Train(amplitude, width, g, energy, ok, number(edge), number(pause))


class _Problem(eqx.Module):
    device: AbstractDevice
    env: Environment
    x0: Any
    box: Box
    width: Array
    rise: Array
    rest: Array
    v_read: Array
    price: Array
    unit: Array
    n: int = eqx.field(static=True)
    rtol: float = eqx.field(static=True)

    def pulses(self, theta: Array) -> tuple[Array, Array]:
        """Amplitudes and widths."""
        values = self.box.to_physical(theta)
        free = theta.shape[0] > self.n
        return values[: self.n], values[self.n :] if free else jnp.broadcast_to(self.width, (self.n,))

    def run(self, theta: Array) -> tuple[Array, Array]:
        """Conductance (S) and energy (in its unit) after the train."""
        wave = train_waveform(*self.pulses(theta), self.rise, self.rest)
        metered = made_metered(self.device, self.unit)
        start = Metered.State(self.x0, jnp.zeros_like(self.unit))
        options: dict[str, Any] = dict(env=self.env, rtol=self.rtol, atol=0.01 * self.rtol, gradient="forward")
        record = simulate(metered, wave, ts=wave.t[-1:], x0=start, throw=False, progress=False, **options)
        end = jax.tree.map(lambda a: a[-1], record.x)
        g = self.device.current(end.device, self.v_read, self.env) / self.v_read
        return jnp.where(record.code == 0, g, jnp.nan), end.spent


@eqx.filter_jit
def _searched(problem: _Problem, target: Array, start: Array, most: int, close: float) -> tuple[Array, ...]:
    def one(target: Array) -> tuple[Array, ...]:
        def residual(theta: Array) -> Array:
            g, energy = problem.run(theta)
            return jnp.stack([jnp.log(g / target), jnp.sqrt(problem.price) * energy])

        found = least_squares(residual, start, most, 1e-6, 0.5 * close**2)
        g, energy = problem.run(found.theta)
        return *problem.pulses(found.theta), g, energy * problem.unit

    return jax.vmap(one)(target)
