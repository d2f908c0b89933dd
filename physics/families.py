"""The families of the review at a glance, computed from the devices: `physics.families()`.

    Tang et al., Adv. Mater. 2019, 10.1002/adma.201902761, Table 1

Nothing here is typed in. How long a device remembers is the slowest time constant of its rate at zero bias, the on/off
ratio that of its readings over its states. Energies and numbers of states need pulses: `neurojax.characterise`.
"""

import importlib
import inspect
import math
import pkgutil
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from physics.device import AbstractDevice, Environment
from physics.quantity import parameters

VOLATILE = 1.0
"""Seconds below which what a device remembers is called volatile."""
GRID = 5
"""States are looked at on so many points of their bounds, each alone, the others as they are at the start."""


class Family(NamedTuple):
    """A device in the table.

    role: "neuron" if volatile, else "synapse". mechanism: its equations in a line. memory: slowest time constant at
    zero bias (s), inf for ever. on_off: largest over smallest small-signal conductance of its states.
    """

    device: str
    family: str
    role: str
    mechanism: str
    terminals: tuple[str, ...]
    memory: float
    on_off: float

    def __repr__(self) -> str:
        remembers = "for ever" if math.isinf(self.memory) else f"{self.memory:.2g} s"
        ports = len(self.terminals)
        return f"{self.family:<26} {self.device:<18} {self.role:<8} {ports} terminals  {remembers:<9} {self.on_off:.3g}"


class Families(tuple[Family, ...]):
    """Rows of the table, in the order of the families."""

    def __repr__(self) -> str:
        head = f"{'family':<26} {'device':<18} {'role':<8} {'':<11}  {'remembers':<9} on/off"
        return "\n".join([head, *map(repr, self)])


def families(env: Environment | None = None) -> Families:
    """All devices of this package with their role, mechanism, terminals, memory and window.

    Args:
        env: ambient (300 K).
    """
    env = Environment() if env is None else env
    rows = [_row(cls(), env) for cls in _classes()]
    return Families(sorted(rows, key=lambda r: (_number(r.family), r.device)))


def _classes() -> list[Any]:
    import physics

    found = []
    for info in pkgutil.iter_modules(physics.__path__):
        module = importlib.import_module(f"physics.{info.name}")
        members: dict[str, Any] = vars(module)
        for cls in members.values():
            own = inspect.isclass(cls) and issubclass(cls, AbstractDevice) and cls.__module__ == module.__name__
            if own and not inspect.isabstract(cls) and str(getattr(cls, "family", "")).startswith("P"):
                found.append(cls)
    return found


def _number(family: str) -> int:
    digits = "".join(c for c in family.split()[0] if c.isdigit())
    return int(digits) if digits else 0


def _row(device: AbstractDevice, env: Environment) -> Family:
    states = _states(device, env)
    memory = _memory(device, states, env)
    on_off = _window(device, states, env)
    mechanism = (inspect.getdoc(type(device)) or "").split("\n\n")[0].replace("\n", " ")
    role = "neuron" if memory < VOLATILE else "synapse"
    return Family(type(device).__name__, device.family, role, mechanism, device.terminals, memory, on_off)


def _states(device: AbstractDevice, env: Environment) -> list[Any]:
    """The initial state, and each state variable on a grid between its bounds."""
    start = device.init(env)
    flat, unravel = ravel_pytree(start)
    bounds = [p.bounds for p in parameters(start).values() for _ in range(p.value.size)]
    found = [start]
    for k, (low, high) in enumerate(bounds):
        for y in np.linspace(low, high, GRID + 2)[1:-1]:
            found.append(unravel(flat.at[k].set(y)))
    return found


def _memory(device: AbstractDevice, states: list[Any], env: Environment) -> float:
    """Time constant (s) of the slowest motion at zero bias, of the state that forgets fastest."""
    flat, unravel = ravel_pytree(states[0])
    if not flat.size:
        return math.inf
    v = jnp.zeros(device.port_shape, flat.dtype)
    slopes = jax.jit(jax.jacfwd(lambda y: ravel_pytree(device.rate(unravel(y), v, env))[0]))
    found = [np.abs(np.linalg.eigvals(np.asarray(slopes(ravel_pytree(x)[0]))).real).min() for x in states]
    return float(1 / max(found)) if max(found) > 0 else math.inf


def _window(device: AbstractDevice, states: list[Any], env: Environment) -> float:
    """Largest over smallest conductance di/dv of the last port, at a hundredth of the usual voltages."""
    v = 0.01 * jnp.asarray(device.sweep.v_max, dtype=float)

    @jax.jit
    def conductance(x):
        g = device.conductance(x, v, env)
        return jnp.abs(g[-1, -1] if g.ndim else g)

    found = np.asarray([float(conductance(x)) for x in states])
    return float(found.max() / found.min())
