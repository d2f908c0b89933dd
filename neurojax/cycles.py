"""Cycle to cycle: one device whose parameters are drawn anew for every cycle, its state handed on.

    record = nj.cycles(physics.JartVcm(), nj.triangle(1.3, -1.3, 5.2), 50, {"r": nj.Normal(0.1)}, key=key)

Cycle k has the parameters of member k of `population`, each is reproducible by itself, and gradients are pathwise.
Noise within a cycle, through the state equation, is `physics.Fluctuating`.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from neurojax.errors import SimulationError
from neurojax.progress import after_a_while
from neurojax.record import Record
from neurojax.simulate import simulate
from neurojax.spread import AbstractSpread, Correlation, population
from neurojax.waveform import Waveform
from physics.device import AbstractDevice, Environment
from physics.quantity import parameters, with_values


def cycles(
    device: AbstractDevice,
    waveform: Waveform,
    n: int,
    spread: Mapping[str, AbstractSpread] | float,
    *,
    key: Array,
    correlation: Correlation | None = None,
    x0: Any = None,
    env: Environment | None = None,
    progress: bool = True,
    **options: Any,
) -> Record:
    """n times a waveform on one device, with other parameters each time.

    Args:
        device: one device. waveform: of one cycle. n: how many. spread, correlation, key: as in `population`.
        x0: the state before the first (`device.init(env)`). env: ambient. options: other keywords of `simulate`.

    Returns:
        Record with a leading axis of cycles; the times are those within a cycle.

    Raises:
        SimulationError: a cycle fails, or n is not positive; DataError as `population`.
    """
    if n < 1:
        raise SimulationError(f"n = {n} cycles: at least one is needed.")
    env = Environment() if env is None else env
    members = population(device, n, spread, key=key, correlation=correlation)
    drawn = {name: p.value for name, p in parameters(members).items() if p.value.ndim}
    state, parts = (device.init(env) if x0 is None else x0), []
    with after_a_while(f"cycling {type(device).__name__}", n, enabled=progress) as tell:
        for k in range(n):
            member = with_values(device, {name: value[k] for name, value in drawn.items()})
            record = simulate(member, waveform, x0=state, env=env, progress=False, **options)
            state = jax.tree.map(lambda a: a[-1], record.x)
            parts.append(record)
            tell(k + 1)
    rest = [tuple(getattr(r, f) for f in ("v", "i", "x", "power", "energy", "steps", "code")) for r in parts]
    return Record(parts[0].t, *jax.tree.map(lambda *a: jnp.stack(a), *rest))
