"""Noisy readings of a record: samples of what `physics.noise` says of spectra.

    noisy = nj.read_noise(record, physics.ReadNoise(flicker=1e-6, rtn=0.05), key=key, bandwidth=1e6)

White noise is independent from sample to sample, as each is a reading of its own with the given bandwidth. 1/f is a sum
of Ornstein-Uhlenbeck processes with a time constant each, evenly spread over the logarithm from the shortest to the
longest time between samples and beyond; the telegraph signal is a two-state Markov chain. Both are stepped by their
exact transition over the time between two samples, so the samples may lie anywhere and statistics do not depend on
them. All but the telegraph signal is a smooth function of the parameters: gradients are pathwise, that of the telegraph
signal with respect to its step, not to its times.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurojax.errors import SimulationError
from neurojax.record import Record
from physics.device import Environment
from physics.noise import ReadNoise, shot_psd

Real = Float[Array, "..."]
PER_DECADE = 3
"""Time constants a decade of the 1/f noise, where the samples span twelve decades; more where they span fewer."""
MARGIN = 10.0
"""How far, as a factor, they go beyond the shortest and the longest time between samples."""


def read_noise(
    record: Record, noise: ReadNoise, *, key: Array, bandwidth: float, env: Environment | None = None
) -> Record:
    """The record with noise on its current.

    Args:
        record: of one device, or of a population: every member, and every port of it, has noise of its own.
        noise: what there is of each kind. key: a `jax.random.key`.
        bandwidth: of one reading (Hz), for the white part. env: temperature (300 K).

    Returns:
        Record whose `i` is noisy; voltage, states and energy are as before.

    Raises:
        SimulationError: a bandwidth that is not positive.
    """
    if not bandwidth > 0:
        raise SimulationError(f"bandwidth = {bandwidth} Hz must be positive: that of one reading.")
    env = Environment() if env is None else env
    each: Any = lambda i, v, k: noisy(record.t, i, v, noise, k, bandwidth, env)  # noqa: E731
    if record.i.ndim > 1 + record.ok.ndim:
        port = jax.vmap(each, in_axes=(1, 1, 0), out_axes=1)
        each = lambda i, v, k: port(i, v, _keys(k, i.shape[1]))  # noqa: E731
    if record.ok.ndim:
        i = jax.vmap(each)(record.i, record.v, _keys(key, record.ok.size))
    else:
        i = each(record.i, record.v, key)
    return eqx.tree_at(lambda r: r.i, record, i)


def _keys(key: Array, n: int) -> Array:
    """The first of them do not depend on how many there are."""
    return jax.vmap(lambda k: jax.random.fold_in(key, k))(jnp.arange(n, dtype=jnp.uint32))


def noisy(t: Real, i: Real, v: Real, noise: ReadNoise, key: Array, bandwidth: Any, env: Environment) -> Real:
    """A current (A) at times t (s), shape (n,), with its noise."""
    white, pink, jumps = jax.random.split(key, 3)
    size = jnp.sqrt(noise.white * shot_psd(i, v, env.temperature) * bandwidth)
    drawn = size * jax.random.normal(white, i.shape, i.dtype)
    part = jnp.sqrt(noise.flicker) * flicker(t, pink) + noise.rtn * telegraph(
        t, noise.t_capture, noise.t_emission, jumps
    )
    return i + drawn + i * part


def flicker(t: Real, key: Array) -> Real:
    """Samples at times t (s) of a process whose spectrum is 1/f Hz^-1 between the times that can be seen.

    Args:
        t: increasing, shape (n,), numbers or traced. key: a `jax.random.key`.
    """
    gaps = jnp.diff(t)
    fastest, slowest = jnp.min(gaps) / MARGIN, (t[-1] - t[0]) * MARGIN
    count = 12 * PER_DECADE
    tau = jnp.exp(jnp.linspace(jnp.log(fastest), jnp.log(slowest), count))
    # Every process has the spectrum 4 s^2 tau/(1 + (2 pi f tau)^2); evenly over ln(tau) they sum up to s^2/(f dln tau).
    variance = jnp.log(slowest / fastest) / (count - 1)
    first, rest = jax.random.split(key)
    begin = jax.random.normal(first, (count,), t.dtype)
    drawn = jax.random.normal(rest, (gaps.shape[0], count), t.dtype)

    def step(x, row):
        gap, number = row
        x = jnp.exp(-gap / tau) * x + jnp.sqrt(-jnp.expm1(-2 * gap / tau)) * number
        return x, jnp.sum(x)

    sums = jax.lax.scan(step, begin, (gaps, drawn))[1]
    return jnp.sqrt(variance) * jnp.concatenate([jnp.sum(begin)[None], sums])


def telegraph(t: Real, t_capture: Real, t_emission: Real, key: Array) -> Real:
    """0 or -1 at times t (s): a Markov chain that falls after t_capture and rises after t_emission, on average."""
    rate = 1 / t_capture + 1 / t_emission
    high = (1 / t_emission) / rate
    first, rest = jax.random.split(key)
    begin = jax.random.uniform(first, (), t.dtype) < high
    drawn = jax.random.uniform(rest, (t.shape[0] - 1,), t.dtype)

    def step(up, row):
        gap, number = row
        kept = jnp.exp(-rate * gap)
        up = number < high + kept * (up.astype(t.dtype) - high)
        return up, up

    ups = jnp.concatenate([begin[None], jax.lax.scan(step, begin, (jnp.diff(t), drawn))[1]])
    return ups.astype(t.dtype) - 1
