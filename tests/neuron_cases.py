"""What tests of abstract neurons share: reference numbers, currents, central differences."""

import jax.numpy as jnp
import numpy as np

LIF_CURRENTS = np.asarray([1.4, 1.6, 2.0, 3.0, 5.0]) * 1e-9
LIF_RATES = np.asarray([0.0, 17.405903, 33.640712, 63.040002, 109.487067])


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
