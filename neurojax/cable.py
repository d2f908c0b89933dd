"""Axons and dendrites: cables of membrane, alone or joined to a tree.

    axon = nj.Cable((physics.SodiumChannel(), physics.PotassiumChannel(), physics.LeakChannel()), length=5e-2)
    record = axon.transient(4e-3, dt=2e-6, inject={0.0: nj.pulse(5e-5, 2e-4)}, sites=(0.02, 0.04))
    record.velocity()                                      m/s, differentiable in every parameter

    tree = nj.CableTree(trunk=(nj.Cable(...), None), left=(nj.Cable(...), "trunk"), right=(nj.Cable(...), "trunk"))
    record = tree.transient(0.1, dt=1e-5, inject={("left", 0.0): ...}, sites=(("trunk", 0.0),))

(a/2 R_i) V_xx = C V_t + I_ion, second order in dx (nodes at the ends of compartments) and in dt (`_cable_step.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from neurojax import _cable_grid as grid
from neurojax import _cable_run as run
from neurojax._cable_record import CableRecord
from neurojax.errors import CircuitError, SimulationError
from neurojax.waveform import Waveform, constant
from physics.device import AbstractDevice, Environment
from physics.quantity import Param, Parameter, parameters, quantity, suggest, with_values

_AXON = "10.1113/jphysiol.1952.sp004764"
REST = -65e-3
"""Where a run starts (V) unless it is told otherwise."""
ENDS = ("sealed", "killed", "terminated")


def _named(channels: Any) -> dict[str, AbstractDevice]:
    if isinstance(channels, Mapping):
        return dict(channels)
    named = {type(device).__name__: device for device in channels}
    if len(named) < len(channels):
        raise CircuitError("two channels of one kind in a cable: name them, channels={'fast': ..., 'slow': ...}.")
    return named


class Cable(eqx.Module):
    """A cylinder of membrane, (a/2 R_i) V_xx = C V_t + sum of channel currents per area.

    W. Rall, Handbook of Physiology, 39 (1977), 10.1002/cphy.cp010103; of an axon with the channels of
    `physics.membrane` A. L. Hodgkin and A. F. Huxley, J. Physiol. 117, 500 (1952), 10.1113/jphysiol.1952.sp004764,
    whose giant axon the default values are. Lambda = sqrt(a/(2 R_i g)), tau = C/g with the conductance g per area.

    Attributes:
        channels: devices of two terminals with an `area`, as a sequence or by name; their own area does not matter.
        compartments: of equal length, at least four. ends: of the start and of the end, "sealed" (no current),
            "killed" (open to the outside, V = 0) or "terminated" (goes on without end as a cable at rest: exact for a
            passive one in the steady state).
    """

    channels: dict[str, AbstractDevice] = eqx.field(converter=_named)
    radius: Param = quantity(238e-6, "m", (1e-8, 1e-2), scale="log", doc="a, radius", source=_AXON)
    length: Param = quantity(5e-2, "m", (1e-6, 10.0), scale="log", doc="length", source="chosen", free=False)
    resistivity: Param = quantity(0.354, "ohm m", (0.05, 10.0), scale="log", doc="R_i, of the axoplasm", source=_AXON)
    capacitance: Param = quantity(1e-2, "F/m2", (1e-4, 0.1), scale="log", doc="C, of the membrane", source=_AXON)
    compartments: int = eqx.field(default=100, static=True)
    ends: tuple[str, str] = eqx.field(default=("sealed", "sealed"), static=True)

    def __check_init__(self) -> None:
        for name, device in self.channels.items():
            if not isinstance(device, AbstractDevice) or device.port_shape or "area" not in parameters(device):
                raise CircuitError(
                    f"channel {name!r}: {type(device).__name__} has no area or more than two terminals; a cable takes "
                    "channels such as physics.LeakChannel()."
                )
        if not self.channels or self.compartments < 4:
            raise CircuitError(
                f"a cable of {len(self.channels)} channels and {self.compartments} compartments: it needs one channel "
                "(a physics.LeakChannel) and four compartments at least."
            )
        for end in self.ends:
            if end not in ENDS:
                raise CircuitError(f"there is no end {end!r}.{suggest(end, ENDS)}")

    def parameters(self) -> dict[str, Parameter]:
        """ "radius", "channels.SodiumChannel.g_bar", ... -> value, unit, bounds."""
        return parameters(self)

    def replace(self, values: Mapping[str, Any]) -> "Cable":
        """A copy with some parameters (names as in `parameters`, SI) changed to `values`; arrays make a population.

        Raises:
            CircuitError: an unknown name, or a value outside its bounds.
        """
        known = self.parameters()
        for name, value in values.items():
            if name not in known:
                raise CircuitError(f"the cable has no {name!r}.{suggest(name, tuple(known))}")
            if not isinstance(value, Tracer) and not known[name].contains(value):
                unit, (lo, hi) = known[name].unit, known[name].bounds
                raise CircuitError(f"{name} = {value} {unit} is outside [{lo:g}, {hi:g}] {unit} (SI units).")
        return with_values(self, values)

    def space_constant(self, v: float = REST, env: Environment | None = None) -> Float[Array, ""]:
        """Lambda = sqrt(a/(2 R_i g)) (m), g the slope conductance per area at `v` (V) with the gates of the start."""
        slope = grid.membrane(self, jnp.asarray(v, self.radius.dtype), _usual(env, self.radius.dtype))[1]
        return jnp.sqrt(self.radius / (2 * self.resistivity * slope))

    def time_constant(self, v: float = REST, env: Environment | None = None) -> Float[Array, ""]:
        """Tau = C/g (s), g the slope conductance per area at `v` (V) with the gates of the start."""
        slope = grid.membrane(self, jnp.asarray(v, self.radius.dtype), _usual(env, self.radius.dtype))[1]
        return self.capacitance / slope

    def transient(self, duration: float, *, dt: float, **options: Any) -> CableRecord:
        """Simulate it; arguments and result are those of `CableTree.transient`, with sites `x` (m) alone."""
        return CableTree(cable=(self, None)).transient(duration, dt=dt, **_on_cable(options))

    def steady(self, **options: Any) -> CableRecord:
        """Where it comes to rest; arguments and result are those of `CableTree.steady`, with sites `x` (m) alone."""
        return CableTree(cable=(self, None)).steady(**_on_cable(options))


class CableTree(eqx.Module):
    """Cables joined at their ends, NAME=(cable, name of the one at whose end it starts); None where it starts free.

    Attributes:
        parts: cables by name. parents: pairs of names. Several without a parent start from one joint.
    """

    parts: dict[str, Cable]
    parents: tuple[tuple[str, str | None], ...] = eqx.field(static=True)

    def __init__(self, **branches: Any):
        """NAME=(cable, parent or None).

        Raises:
            CircuitError: an unknown parent, a circle, or an end that is not sealed where branches meet.
        """
        self.parts = {name: cable for name, (cable, _) in branches.items()}
        self.parents = tuple((name, parent) for name, (_, parent) in branches.items())
        for name, parent in self.parents:
            if parent is not None and parent not in self.parts:
                raise CircuitError(f"{name}: there is no branch {parent!r}.{suggest(parent, tuple(self.parts))}")
            _check_way(name, dict(self.parents))
        joints = grid.joints(self.parents)
        met = [joint for pair in joints.values() for joint in pair]
        for name, pair in joints.items():
            for joint, end in zip(pair, self.parts[name].ends, strict=True):
                if met.count(joint) > 1 and end != "sealed":
                    raise CircuitError(f"{name}: its {end} end is joined to another branch; say 'sealed' there.")

    def transient(
        self,
        duration: float,
        *,
        dt: float,
        inject: Mapping[Any, Waveform | float] | None = None,
        sites: Sequence[Any] | None = None,
        v0: Any = REST,
        env: Environment | None = None,
    ) -> CableRecord:
        """Simulate it with a fixed step; parameters with a leading axis make a population.

        A reverse gradient keeps the states of all nodes at about 2 sqrt(duration/dt) instants.

        Args:
            duration: s. dt: largest step (s). inject: (branch, x) -> current into the cable (A), a waveform or number.
            sites: (branch, x) whose voltage is recorded, default every node. v0: voltage at the start (V), where
                the devices begin as their `init` says. env: ambient (300 K; Hodgkin and Huxley's gates at 6.3 C).

        Raises:
            CircuitError: a site that is not there. SimulationError: a wrong duration or step, voltages not finite.
        """
        if not 0 < dt <= duration or duration / dt < 3 - 1e-9:
            raise SimulationError(f"duration = {duration:g} s with dt = {dt:g} s: three steps at least are needed.")
        count = int(np.ceil(duration / dt * (1 - 1e-12)))
        dtype = self._dtype()
        waves = {site: _wave(i, duration) for site, i in (inject or {}).items()}
        where, names = self._sites(sites)
        put = self._sites(tuple(waves))[0]
        t = jnp.linspace(0.0, duration, count + 1, dtype=dtype)
        given = (put, where, list(waves.values()), t, jnp.asarray(v0, dtype), _usual(env, dtype))
        v, x = run.transient(self, *given)
        record = CableRecord(t, v, x, names)
        if not isinstance(record.v, Tracer) and not bool(jnp.all(record.ok)):
            raise SimulationError(f"{record!r}: voltages are not finite. Try a smaller dt than {dt:g} s.")
        return record

    def steady(
        self,
        *,
        inject: Mapping[Any, float] | None = None,
        sites: Sequence[Any] | None = None,
        v0: Any = REST,
        env: Environment | None = None,
    ) -> CableRecord:
        """Voltages that balance constant currents while the gates stay where they start, so exact for passive cables.

        Args:
            inject: (branch, x) -> current into the cable (A). sites, v0, env: as in `transient`.

        Returns:
            CableRecord: of one sample.

        Raises:
            CircuitError: a site that is not there.
        """
        dtype = self._dtype()
        where, names = self._sites(sites)
        put = self._sites(tuple(inject or {}))[0]
        amps = [jnp.asarray(i, dtype) for i in (inject or {}).values()]
        v, x = run.steady(self, put, where, amps, jnp.asarray(v0, dtype), _usual(env, dtype))
        return CableRecord(jnp.zeros(1, dtype), v, x, names)

    def _dtype(self) -> Any:
        return next(iter(self.parts.values())).radius.dtype

    def _sites(self, sites: Any) -> tuple[tuple[tuple[str, Any], ...], tuple[str, ...]]:
        """Names of branches with distances, and the names alone."""
        if sites is None:
            parts = self.parts.items()
            every = tuple((n, part.length[..., None] * _parts(part)) for n, part in parts)
            return every, tuple(n for n, part in parts for _ in range(part.compartments + 1))
        for site in sites:
            if not isinstance(site, tuple) or len(site) != 2 or site[0] not in self.parts:
                raise CircuitError(f"{site!r} is no site: give (branch, x in m); branches: {', '.join(self.parts)}.")
        return tuple(grid.checked_site(self.parts, site) for site in sites), tuple(n for n, _ in sites)


def _parts(part: Cable) -> Array:
    return jnp.linspace(0.0, 1.0, part.compartments + 1, dtype=part.length.dtype)


def _on_cable(options: dict[str, Any]) -> dict[str, Any]:
    """Sites of a single cable as those of a tree."""
    named = dict(options)
    if options.get("inject") is not None:
        named["inject"] = {("cable", x): i for x, i in options["inject"].items()}
    if options.get("sites") is not None:
        named["sites"] = tuple(("cable", x) for x in options["sites"])
    return named


def _check_way(name: str, parents: dict[str, str | None]) -> None:
    at: str | None = name
    for _ in parents:
        at = parents.get(at) if at is not None else None
    if at is not None:
        raise CircuitError(f"{name}: its parents lead in a circle; one branch must start free (None).")


def _wave(current: Any, duration: float) -> Waveform:
    return current if isinstance(current, Waveform) else constant(current, duration)


def _usual(env: Environment | None, dtype: Any) -> Environment:
    return jax.tree.map(lambda a: a.astype(dtype), Environment()) if env is None else env
