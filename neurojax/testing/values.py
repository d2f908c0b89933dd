"""Checks of values: finite everywhere, zero at zero, passive, bounded states, units."""

import contextlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from neurojax.testing.draws import Draw, answer, at_bounds, draws, labels, one, words
from physics import constants
from physics.device import AbstractDevice, Environment
from physics.quantity import parameters, with_values
from physics.units import BASES, factor


def finite(device: AbstractDevice, size: int, seed: int) -> str:
    """Values and gradients are finite over the bounds and a tenth beyond the states', in float64 and float32.

    In float32 gradients to parameters that no optimiser moves (guards, geometry) are left out.
    """
    names, still = labels(device), [f"values.{n}" for n, p in parameters(device).items() if not p.quantity.free]
    both = jax.jit(jax.vmap(lambda d: (answer(device, d), jax.jacrev(lambda e: answer(device, e))(d))))
    for dtype in (jnp.float64, jnp.float32):
        drawn = at_bounds(device, draws(device, size, seed, beyond=0.1))
        drawn = jax.tree.map(lambda a, dtype=dtype: a.astype(dtype), drawn)
        values, slopes = both(drawn)
        bad = np.argwhere(~np.isfinite(np.asarray(values)))
        if bad.size:
            k, j = bad[0]
            return f"{names[j]} is {values[k, j]} in {dtype.__name__} at {words(drawn, k)}"
        for path, slope in jax.tree_util.tree_flatten_with_path(slopes)[0]:
            bad = np.argwhere(~np.isfinite(np.asarray(slope)))
            by = jax.tree_util.keystr(path, simple=True, separator=".")
            if bad.size and not (dtype == jnp.float32 and by in still):
                k, j = bad[0][:2]
                j = _guilty(device, one(drawn, k), int(j))
                return f"the gradient of {names[j]} to {by} is not finite in {dtype.__name__} at {words(drawn, k)}"
    return ""


def _guilty(device: AbstractDevice, draw: Draw, column: int) -> int:
    """The answer whose own derivative is not finite: backwards, a bad one spoils its neighbours."""
    slopes = jax.tree.leaves(jax.jacfwd(lambda d: answer(device, d))(draw))
    bad = np.any([~np.isfinite(np.asarray(s)).reshape(len(s), -1).all(axis=1) for s in slopes], axis=0)
    return int(np.argmax(bad)) if bad.any() else column


def zero_at_zero(device: AbstractDevice, size: int, seed: int) -> str:
    """No current without a voltage."""
    if device.stores_energy:
        return ""
    drawn = draws(device, size, seed)
    drawn = drawn._replace(v=jnp.zeros_like(drawn.v))
    i = np.asarray(jax.jit(jax.vmap(lambda d: _current(device, d)))(drawn)).reshape(size, -1)
    scale = np.asarray(jax.jit(jax.vmap(lambda d: _current(device, d)))(draws(device, size, seed))).reshape(size, -1)
    bad = np.argwhere(np.abs(i) > 1e-12 * np.abs(scale).max(axis=1, keepdims=True))
    return f"the current is {i[tuple(bad[0])]:.3g} A without a voltage at {words(drawn, bad[0][0])}" if bad.size else ""


def passive(device: AbstractDevice, size: int, seed: int) -> str:
    """No power out of the device."""
    if device.stores_energy:
        return ""
    drawn = draws(device, size, seed)
    i = jax.jit(jax.vmap(lambda d: _current(device, d)))(drawn)
    power = np.asarray(drawn.v * i).reshape(size, -1)
    total = power.sum(axis=1)
    bad = np.flatnonzero(total < -1e-12 * np.abs(power).sum(axis=1))
    return f"the device gives out {-total[bad[0]]:.3g} W at {words(drawn, bad[0])}" if bad.size else ""


def inward(device: AbstractDevice, size: int, seed: int) -> str:
    """At the bounds of a state its rate does not point outside."""
    drawn = draws(device, size, seed)
    names = labels(device)
    find = jax.jit(jax.vmap(lambda d: answer(device, d)))
    usual = np.abs(np.asarray(find(drawn)))
    for name, p in parameters(device.init(Environment())).items():
        column = names.index(f"rate of {name}")
        for end, sign in zip(p.bounds, (1, -1), strict=True):
            moved = drawn._replace(state=drawn.state | {name: jnp.full(size, end)})
            rate = np.asarray(find(moved))[:, column]
            slow = 1e-9 * (p.bounds[1] - p.bounds[0]) / device.sweep.period
            bad = np.flatnonzero(sign * rate < -1e-9 * usual[:, column] - slow)
            if bad.size:
                return f"{name} = {end} leaves its bounds at a rate of {rate[bad[0]]:.3g} /s at {words(moved, bad[0])}"
    return ""


def units(device: AbstractDevice, size: int, seed: int) -> str:
    """Other base units of kg, m, s, A, K and mol change the numbers as the declared units say, and nothing else."""
    rng = np.random.default_rng(seed)
    scales = {base: float(s) for base, s in zip(BASES, rng.uniform(0.3, 3.0, len(BASES)), strict=True)}
    drawn, names = draws(device, size, seed, beyond=0.1), labels(device)
    before = np.asarray(jax.jit(jax.vmap(lambda d: answer(device, d)))(drawn))
    declared = parameters(device)
    rescaled = Draw(
        {n: a * factor(declared[n].unit, scales) for n, a in drawn.values.items()},
        drawn.state,
        drawn.v * factor("V", scales),
        drawn.kelvin * factor("K", scales),
    )
    with _rescaled_constants(scales):
        # A new function object, so that nothing traced with the old constants is used.
        after = np.asarray(jax.jit(jax.vmap(lambda d: answer(device, d)))(rescaled))
    of = {"rate": "1/s", "drif": "1/s", "curr": "A", "char": "C", "nois": "1/s0.5"}
    expected = before * np.asarray([factor(of[name[:4]], scales) for name in names])
    gap = np.abs(after - expected) / np.maximum(np.abs(expected), 1e-9 * np.abs(expected).max(axis=0, initial=1e-300))
    bad = np.argwhere(~(gap < 1e-6))
    if not bad.size:
        return ""
    k, j = bad[0]
    return (
        f"{names[j]} depends on the choice of units (off by a factor {after[k, j] / expected[k, j]:.6g}): a unit of "
        f"{_suspects(device, one(drawn, k), int(j))} is wrong, a number in the code has a hidden unit, or a constant "
        f"is not read from physics.constants; at {words(drawn, k)}"
    )


def _suspects(device: AbstractDevice, draw: Draw, column: int) -> str:
    """The parameters on which the answer depends at all."""
    slopes = jax.jacfwd(lambda values: answer(device, draw._replace(values=values))[column])(draw.values)
    weights = {n: abs(float(s) * float(draw.values[n])) for n, s in slopes.items()}
    return (
        ", ".join(sorted((n for n, w in weights.items() if w > 0), key=lambda n: -weights[n]))
        or "none of its parameters"
    )


@contextlib.contextmanager
def _rescaled_constants(scales: dict[str, float]) -> Iterator[None]:
    kept = {name: getattr(constants, name) for name in constants.units_of}
    try:
        for name, unit in constants.units_of.items():
            setattr(constants, name, kept[name] * factor(unit, scales))
        yield
    finally:
        for name, value in kept.items():
            setattr(constants, name, value)


def _current(device: AbstractDevice, draw: Draw):
    member, x = with_values(device, draw.values), with_values(device.init(Environment()), draw.state)
    return member.current(x, draw.v, Environment(temperature=draw.kelvin))
