"""A device over its whole box: random parameters, states a tenth beyond their bounds, 200 to 500 K."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from physics.device import AbstractDevice, Environment
from physics.quantity import parameters, with_values


def draws(device: AbstractDevice, size: int, *, beyond: float = 0.0, seed: int = 0):
    """Random (parameters, state, voltage, temperature): each a tree of arrays [size]."""
    rng = np.random.default_rng(seed)
    values = {}
    for name, p in parameters(device).items():
        lo, hi = p.bounds
        u = rng.uniform(size=size)
        log = p.quantity.scale == "log"
        values[name] = jnp.asarray(lo * (hi / lo) ** u if log else lo + u * (hi - lo))
    start = device.init(Environment())
    state = {}
    for name, p in parameters(start).items():
        lo, hi = p.bounds
        slack = beyond * (hi - lo)
        state[name] = jnp.asarray(rng.uniform(lo - slack, hi + slack, size))
    volts = jnp.asarray(1.5 * rng.uniform(device.sweep.v_min, device.sweep.v_max, size))
    return values, state, volts, jnp.asarray(rng.uniform(200.0, 500.0, size))


def outputs(device: AbstractDevice, values, state, v, kelvin):
    """Rates, and the current last, of one draw as one vector."""
    x = with_values(device.init(Environment()), state)
    env = Environment(temperature=kelvin)
    member = with_values(device, values)
    rates = ravel_pytree(member.rate(x, v, env))[0]
    return jnp.append(rates, member.current(x, v, env))


def every_draw(function):
    """`function` for every draw; not fused, as these checks are nearly all compilation and that makes it a third."""
    return jax.jit(jax.vmap(function), compiler_options={"xla_disable_hlo_passes": "fusion"})


def assert_finite(device: AbstractDevice, size: int = 200) -> None:
    """Values and their gradient to parameters, state, voltage and temperature are finite, in both precisions."""

    def one(*draw):
        found, pull = jax.vjp(lambda *draw: outputs(device, *draw), *draw)
        return found, pull(jnp.ones_like(found))

    both = every_draw(one)
    for dtype in (jnp.float64, jnp.float32):
        arguments = jax.tree.map(lambda a, dtype=dtype: a.astype(dtype), draws(device, size, beyond=0.1))
        found = jax.tree_util.tree_flatten_with_path(both(*arguments))[0]
        bad = [jax.tree_util.keystr(path) for path, leaf in found if not bool(jnp.all(jnp.isfinite(leaf)))]
        assert not bad, (str(jnp.dtype(dtype)), bad)


def assert_inward_and_passive(device: AbstractDevice, size: int = 200) -> None:
    """At each bound of each state the rate points inside (to rounding); v i >= 0, and i(0) = 0."""
    values, state, volts, kelvin = draws(device, size)
    find = every_draw(lambda *draw: outputs(device, *draw))
    names = list(state)
    assert bool(jnp.all(volts * find(values, state, volts, kelvin)[:, -1] >= 0))
    assert bool(jnp.all(find(values, state, jnp.zeros_like(volts), kelvin)[:, -1] == 0))
    for k, (name, p) in enumerate(parameters(device.init(Environment())).items()):
        for end, sign in zip(p.bounds, (1, -1), strict=True):
            moved = state | {name: jnp.full_like(volts, end)}
            rate = find(values, moved, volts, kelvin)[:, names.index(name)]
            middle = find(values, state, volts, kelvin)[:, k]
            assert bool(jnp.all(sign * rate >= -1e-9 * jnp.abs(middle))), (name, end, float(jnp.min(sign * rate)))


def assert_gradients(device: AbstractDevice, size: int = 40) -> None:
    """Along a random direction of parameters, state, voltage and temperature, jvp equals the central difference."""
    draw = draws(device, size, seed=1)
    rng = np.random.default_rng(2)
    direction = jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape)) * jnp.abs(a), draw)

    def compare(draw, direction):
        along = lambda h: outputs(device, *jax.tree.map(lambda a, d: a + h * d, draw, direction))  # noqa: E731
        value, slope = jax.jvp(along, (jnp.zeros(()),), (jnp.ones(()),))
        # Of fourth order: logarithms of these rates have slopes of some ten thousand.
        around = jax.vmap(along)(1e-6 * jnp.asarray([-2.0, -1.0, 1.0, 2.0]))
        return value, slope, (around[0] - 8 * around[1] + 8 * around[2] - around[3]) / 12e-6

    value, slope, difference = every_draw(compare)(draw, direction)
    wrong = jnp.abs(slope - difference) > 1e-5 * (jnp.abs(slope) + jnp.abs(value)) + 1e-30
    assert not bool(jnp.any(wrong)), (slope[wrong], difference[wrong], value[wrong])
