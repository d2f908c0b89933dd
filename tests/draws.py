"""Devices, parameters and waveforms at random: the campaign that looks for wrong answers of the solver.

    parameters   anywhere in their bounds (log or linear, as declared), those that no fit varies too
    ambient      200 to 500 K
    waveform     2 to 30 knots within 1e-9 to 1e3 s, parts of six decades of length, jumps, holds, rests at zero,
                 up to one and a half times the voltages of the usual sweep, of either sign

All draws of a device are lanes of one run. What is compared and counted is in `campaign.py`.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from neurojax.stiff import Drive
from neurojax.testing.draws import KELVIN, OVERDRIVE, inside
from physics.device import AbstractDevice, Environment
from physics.quantity import parameters, with_values

KNOTS = (2, 30)
SECONDS = (1e-9, 1e3)
LONGEST = {"Mtj": 1e-8, "DomainWall": 1e-8}
"""Seconds, of those that turn at GHz: longer waveforms take more steps than any bound."""
SAMPLES = 50
DECADES = 6.0
"""Lengths of the segments of one waveform spread over so many decades."""


class Draws(NamedTuple):
    """Lanes: devices and surroundings whose numbers have a lane axis, waveforms padded to one number of knots."""

    device: AbstractDevice
    env: Environment
    drive: Drive


def draw(device: AbstractDevice, size: int, seed: int) -> Draws:
    """`size` random lanes of a device."""
    rng = np.random.default_rng(seed)
    values = {n: jnp.asarray(inside(p, rng.uniform(size=size))) for n, p in parameters(device).items()}
    env = Environment(temperature=jnp.asarray(rng.uniform(*KELVIN, size)))
    waves = [waveform(device, rng) for _ in range(size)]
    drive = Drive(*(jnp.asarray(np.stack(tables)) for tables in zip(*waves, strict=True)))
    return Draws(with_values(device, values), env, drive)


def waveform(device: AbstractDevice, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Knots (s), voltages and sample times of one waveform, padded by repeating the last."""
    n = int(rng.integers(KNOTS[0], KNOTS[1] + 1))
    t, v = knots(rng, n, LONGEST.get(type(device).__name__, SECONDS[1])), voltages(device, rng, n)
    t, v = (np.concatenate([a, np.repeat(a[-1:], KNOTS[1] - n, axis=0)]) for a in (t, v))
    return t, v, samples(rng, t)


def knots(rng: np.random.Generator, n: int, longest: float = SECONDS[1]) -> np.ndarray:
    """n times from 0 to a random end: segments of very unequal length, one in eight without any (a jump)."""
    lengths = 10.0 ** rng.uniform(-DECADES, 0.0, n - 1)
    lengths *= rng.uniform(size=n - 1) > 0.125
    lengths[rng.integers(n - 1)] = 1.0
    end = float(np.exp(rng.uniform(np.log(SECONDS[0]), np.log(longest))))
    t = np.concatenate([[0.0], np.cumsum(lengths)])
    return t * (end / t[-1])


def voltages(device: AbstractDevice, rng: np.random.Generator, n: int) -> np.ndarray:
    """Voltages (n, *ports): of a random size and either sign; a third are zero, a third as the one before."""
    low, high = (np.asarray(end, dtype=float) for end in (device.sweep.v_min, device.sweep.v_max))
    size = OVERDRIVE * rng.uniform() * np.maximum(np.abs(low), np.abs(high))
    v = rng.uniform(-1.0, 1.0, (n, *device.port_shape)) * size
    kind = rng.integers(0, 3, n)
    v[kind == 1] = 0.0
    for k in range(1, n):
        if kind[k] == 2:
            v[k] = v[k - 1]
    return v


def samples(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    """SAMPLES times: a third anywhere, the rest within segments taken at random, the last at the end."""
    third = SAMPLES // 3
    k = rng.integers(0, len(t) - 1, SAMPLES - third)
    within = t[k] + rng.uniform(size=len(k)) * (t[k + 1] - t[k])
    found = np.unique(np.concatenate([rng.uniform(0.0, t[-1], third), within, t[-1:]]))
    return np.concatenate([found, np.repeat(found[-1:], SAMPLES + 1 - len(found))])
