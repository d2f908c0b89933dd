"""What tests of neurons share: reference numbers, currents, keys, differences."""

import jax
import jax.numpy as jnp
import numpy as np

LIF_CURRENTS = np.asarray([1.4, 1.6, 2.0, 3.0, 5.0]) * 1e-9
LIF_RATES = np.asarray([0.0, 17.405903, 33.640712, 63.040002, 109.487067])
KEY = jax.random.key(0)
SLOTS = 200
"""Of most answers, so that few programs are compiled."""


def held(levels, steps):
    """Constant currents side by side, (steps, levels)."""
    return jnp.asarray(np.tile(np.asarray(levels), (steps, 1)))


def values(neuron, names):
    return jnp.stack([jnp.asarray(getattr(neuron, name)) for name in names])


def central(f, p, relative=1e-5):
    """Columns of df/dp by central differences."""
    columns = []
    for i in range(p.shape[0]):
        h = relative * float(abs(p[i]))
        columns.append((np.asarray(f(p.at[i].add(h))) - np.asarray(f(p.at[i].add(-h)))) / (2 * h))
    return np.stack(columns, axis=-1)


def relative_error(found, asked):
    """Of each column, by its largest element."""
    return np.max(np.abs(found - asked), axis=0) / np.max(np.abs(asked), axis=0)


def array(value):
    return jnp.asarray(value, dtype=float)


def keys(n, seed=0):
    return jax.random.split(jax.random.key(seed), n)


def derivatives(f, values, step):
    """Of f in each of its values, times it: by jvp, and by differences of fourth order."""
    values = {name: array(value) for name, value in values.items()}
    compiled, tangent = jax.jit(f), jax.jit(lambda p, d: jax.jvp(f, (p,), (d,))[1])
    for name, value in values.items():
        only = {n: value if n == name else jnp.zeros(()) for n in values}
        moved = lambda k, n=name, v=value: float(compiled(values | {n: (1 + k * step) * v}))  # noqa: E731
        difference = (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * step)
        assert np.isfinite(difference)
        yield name, float(tangent(values, only)), difference


def directional(f, x, tangent, step=1e-4):
    """Derivative by forward mode, and by central differences."""
    exact = jax.jvp(f, (x,), (tangent,))[1]
    return np.asarray(exact), np.asarray(f(x + step * tangent) - f(x - step * tangent)) / (2 * step)


def crossings(t, v, level):
    """Times at which v rises through a level, by interpolation between the samples."""
    k = np.flatnonzero((v[:-1] < level) & (v[1:] >= level))
    return t[k] + (level - v[k]) / (v[k + 1] - v[k]) * (t[k + 1] - t[k])
