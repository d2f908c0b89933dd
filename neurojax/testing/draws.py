"""A device over its whole box: random parameters, states, voltages and temperatures, and what it answers."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from physics.device import AbstractDevice, AbstractLangevin, Environment, stores_charge
from physics.quantity import Parameter, parameters, with_values

KELVIN = (200.0, 500.0)
OVERDRIVE = 1.5
"""Voltages are drawn up to this many times those of the usual sweep of the device."""


class Draw(NamedTuple):
    """Arguments of one evaluation, or arrays: parameters and state by name, port voltages (V), temperature (K)."""

    values: dict[str, Array]
    state: dict[str, Array]
    v: Array
    kelvin: Array


def draws(device: AbstractDevice, size: int, seed: int, *, beyond: float = 0.0, default: bool = False) -> Draw:
    """Random draws (size,): states up to `beyond` of their range outside of it, parameters in bounds or default."""
    rng = np.random.default_rng(seed)
    known = parameters(device)
    if default:
        values = {name: jnp.full(size, np.asarray(p.value)) for name, p in known.items()}
    else:
        values = {name: jnp.asarray(inside(p, rng.uniform(size=size))) for name, p in known.items()}
    state = {}
    for name, p in parameters(device.init(Environment())).items():
        slack = beyond * (p.bounds[1] - p.bounds[0])
        state[name] = jnp.asarray(rng.uniform(p.bounds[0] - slack, p.bounds[1] + slack, size))
    low, high = (OVERDRIVE * np.asarray(end, dtype=float) for end in (device.sweep.v_min, device.sweep.v_max))
    v = rng.uniform(np.minimum(low, high), np.maximum(low, high), (size, *device.port_shape))
    return Draw(values, state, jnp.asarray(v), jnp.asarray(rng.uniform(*KELVIN, size)))


def at_bounds(device: AbstractDevice, drawn: Draw) -> Draw:
    """The same draws, but the states of the first exactly at their lower bounds, of the second at the upper ones."""
    bounds = {n: jnp.asarray(p.bounds) for n, p in parameters(device.init(Environment())).items()}
    return drawn._replace(state={n: jnp.concatenate([bounds[n], a[2:]]) for n, a in drawn.state.items()})


def inside(p: Parameter, u: Any) -> Any:
    """The point of the bounds at the fraction `u` (number or array), along the scale of the parameter."""
    lo, hi = p.bounds
    return lo * (hi / lo) ** u if p.quantity.scale == "log" else lo + u * (hi - lo)


def parts(device: AbstractDevice, draw: Draw) -> dict[str, Array]:
    """Everything that a device answers at one draw, by name: rates, currents, charges, drifts, noise amplitudes."""
    member = with_values(device, draw.values)
    x = with_values(device.init(Environment()), draw.state)
    env = Environment(temperature=draw.kelvin)
    found: dict[str, Any] = {f"rate of {n}": p.value for n, p in parameters(member.rate(x, draw.v, env)).items()}
    found |= _by_port(device, "current", member.current(x, draw.v, env))
    if stores_charge(member):
        found |= _by_port(device, "charge", member.charge(x, draw.v, env))
    if isinstance(member, AbstractLangevin):
        found |= {f"drift of {n}": p.value for n, p in parameters(member.drift(x, draw.v, env)).items()}
        found |= {f"noise of {n}": p.value for n, p in parameters(member.diffusion(x, draw.v, env)).items()}
    return found


def _by_port(device: AbstractDevice, what: str, value: Array) -> dict[str, Array]:
    if not device.port_shape:
        return {what: value}
    return {f"{what} into the {port}": value[k] for k, port in enumerate(device.terminals[:-1])}


def answer(device: AbstractDevice, draw: Draw) -> Array:
    """`parts` as one vector."""
    return ravel_pytree(list(parts(device, draw).values()))[0]


def labels(device: AbstractDevice) -> list[str]:
    """Names of the entries of `answer`."""
    names: list[str] = []
    # Not the keys of the result: dictionaries come back sorted.
    jax.eval_shape(lambda d: names.extend(parts(device, d)), one(draws(device, 1, 0), 0))
    return names


def one(draw: Draw, k: int | np.integer) -> Draw:
    """Member `k` of arrays of draws."""
    return jax.tree.map(lambda a: a[k], draw)


def words(draw: Draw, k: int | np.integer) -> str:
    """Draw `k` as a user can type it in again."""
    state = ", ".join(f"{n} = {float(a[k]):.6g}" for n, a in draw.state.items())
    values = ", ".join(f"{n}={float(a[k]):.6g}" for n, a in draw.values.items())
    return (
        f"v = {np.asarray(draw.v[k])} V, T = {float(draw.kelvin[k]):.1f} K, {state or 'no state'}, parameters {values}"
    )
