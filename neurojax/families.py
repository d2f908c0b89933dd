"""The families of the review at a glance, measured on the devices: `nj.families()`.

    Tang et al., Adv. Mater. 2019, 10.1002/adma.201902761, Table 1

Nothing is typed in. Of each device, states from everywhere within their bounds are left alone at zero bias; when half
of the scatter of their readings, in decades, is gone tells how long it remembers. (The slowest eigenvalue at zero bias,
`metrics.volatility`, tells how fast a state comes to rest in its own well, which a bistable device does not forget.)
Energies and numbers of states take pulses: `characterise`. Beside the ranges of Table 1: `Families.beside_table_one`.
"""

import inspect
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from neurojax.catalogue import devices
from neurojax.progress import after_a_while
from neurojax.simulate import simulate
from neurojax.waveform import constant
from physics.device import AbstractDevice, Environment
from physics.quantity import parameters

if TYPE_CHECKING:
    from neurojax._beside import BesideTableOne

VOLATILE = 1.0
"""Seconds below which what a device remembers is called volatile."""
STATES = 24
LONGEST = 1e6
"""Seconds that are waited."""


class Family(NamedTuple):
    """A device in the table.

    role: "neuron" if volatile, else "synapse". mechanism: its equations. memory: when half of the scatter of readings,
    in decades, is gone at zero bias (s); inf if that takes longer than `LONGEST`. on_off: largest over smallest.
    """

    device: str
    family: str
    role: str
    mechanism: str
    terminals: tuple[str, ...]
    memory: float
    on_off: float

    def __repr__(self) -> str:
        remembers = f"> {LONGEST:.0e} s" if math.isinf(self.memory) else f"{self.memory:.2g} s"
        ports = len(self.terminals)
        return f"{self.family:<26} {self.device:<18} {self.role:<8} {ports} terminals  {remembers:<9} {self.on_off:.3g}"


class Families(tuple[Family, ...]):
    """Rows of the table, in the order of the families."""

    def __repr__(self) -> str:
        head = f"{'family':<26} {'device':<18} {'role':<8} {'':<11}  {'remembers':<9} on/off"
        return "\n".join([head, *map(repr, self)])

    def beside_table_one(self, *, env: Environment | None = None, progress: bool = True) -> "BesideTableOne":
        """Energy, time and on/off of each device, measured, beside the ranges of Table 1; see `_beside.py`.

        Args:
            env: ambient (300 K). progress: a bar on a terminal after 2 s.
        """
        from neurojax._beside import beside

        return beside([row.device for row in self], env, progress)


def families(*names: str, env: Environment | None = None, progress: bool = True) -> Families:
    """Devices with their role, mechanism, terminals, memory and window of readings.

    Args:
        names: of devices, all if none. env: ambient (300 K). progress: a bar on a terminal after 2 s.
    """
    env = Environment() if env is None else env
    known, rows = devices(), []
    with after_a_while("families", len(names or known), enabled=progress) as tell:
        for k, name in enumerate(names or known):
            rows.append(_row(known[name](), env))
            tell(k + 1)
    return Families(sorted(rows, key=lambda r: (_number(r.family), r.device)))


def _number(family: str) -> int:
    digits = "".join(c for c in family.split()[0] if c.isdigit())
    return int(digits) if digits else 0


def _row(device: AbstractDevice, env: Environment) -> Family:
    lasts, window = memory(device, env)
    mechanism = (inspect.getdoc(type(device)) or "").split("\n\n")[0].replace("\n", " ")
    role = "neuron" if lasts < VOLATILE else "synapse"
    return Family(type(device).__name__, device.family, role, mechanism, device.terminals, lasts, window)


def memory(device: AbstractDevice, env: Environment) -> tuple[float, float]:
    """When half of the scatter of readings, in decades, is gone at zero bias (s, inf for never), and on/off at first.

    Args:
        device: one device. env: ambient.
    """
    ts = np.concatenate([[0.0], np.geomspace(1e-12, LONGEST, 109)])
    rest = constant(0.0 if not device.port_shape else np.zeros(device.port_shape), LONGEST)
    options: Any = dict(ts=ts, env=env, x0=_states(device, env), throw=False, progress=False, gradient="forward")
    record = simulate(device, rest, **options)
    logs = np.log(_readings(device, record.x, env)[np.asarray(record.ok)])
    scatter = logs.std(axis=0)
    half = np.flatnonzero(scatter <= 0.5 * scatter[0])
    # Currents that depend on no state, as those of a capacitor, have no window.
    lasts = float(ts[half[0]]) if len(half) and scatter[0] > 1e-9 else math.inf
    return lasts, float(np.exp(np.ptp(logs[:, 0])))


def _states(device: AbstractDevice, env: Environment) -> Any:
    """STATES states, each variable anywhere within its bounds."""
    rng, start = np.random.default_rng(0), device.init(env)
    bounds = [p.bounds for p in parameters(start).values()]
    leaves, structure = jax.tree.flatten(start)
    # In a direction of its own for each: all low, all high, and between.
    part = np.concatenate([[np.full(len(leaves), 0.05), np.full(len(leaves), 0.95)],
                           rng.uniform(0.05, 0.95, (STATES - 2, len(leaves)))])  # fmt: skip
    made = [jnp.asarray(lo + part[:, k] * (hi - lo)) for k, (lo, hi) in enumerate(bounds)]
    return jax.tree.unflatten(structure, made)


def _readings(device: AbstractDevice, x: Any, env: Environment) -> np.ndarray:
    """Conductance of the last port at a hundredth of the usual voltages, (states, samples)."""
    v = 0.01 * jnp.asarray(device.sweep.v_max, dtype=float)

    @jax.jit
    def all_of_them(x):
        def one(x):
            g = device.conductance(x, v, env)
            return jnp.abs(g[-1, -1] if g.ndim else g)

        return jax.vmap(jax.vmap(one))(x)

    return np.maximum(np.asarray(all_of_them(x)), 1e-300)
