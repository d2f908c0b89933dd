"""Circuits of devices: a tree of named instances, simulated by the thousand, exact and differentiable.

    circuit = nj.Circuit(
        V1=(nj.pulse(1.2, 1e-6), "in", "gnd"),             a waveform is a voltage source, a number a constant one
        R1=(physics.Resistor(1e4), "in", "mem"),           a device, and a node for each of its terminals
        C1=(physics.Capacitor(1e-12), "mem", "gnd"),
        M1=(physics.NbO2Mott(), "mem", "gnd"),
    )
    record = circuit.transient()                           record.v["mem"], record.i["M1"], record.x["M1"].y

The voltages of nodes and the states of devices are one differential-algebraic system of index 1 (`_network.py`), solved
by the loop of `stiff.py`. Any parameter with a leading axis makes a population. Nodes "gnd" and "0" are ground.
"""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from neurojax._network import Network
from neurojax._sources import DC, CurrentSource
from neurojax._storage import charged_ports, groups
from neurojax._topology import topology
from neurojax.errors import CircuitError
from neurojax.waveform import Waveform
from physics.device import AbstractDevice
from physics.quantity import Parameter, parameters, suggest, with_values

Source = Waveform | DC | CurrentSource


class Circuit(eqx.Module):
    """Instances by name, each a device or a source at its nodes.

    Attributes:
        parts: devices by name. sources: by name: `Waveform` or `DC` for voltages, `CurrentSource`. places: pairs of a
            name and its nodes, in the order of the terminals; of a source first +, then -.
    """

    parts: dict[str, AbstractDevice]
    sources: dict[str, Source]
    places: tuple[tuple[str, tuple[str, ...]], ...] = eqx.field(static=True)
    charged: tuple[tuple[str, tuple[int, ...]], ...] = eqx.field(static=True)

    def __init__(self, **instances: Any):
        """NAME=(device or source, node, node, ...).

        Raises:
            CircuitError: nodes that are not those of the terminals, a node that floats, a loop of voltage sources.
        """
        self.parts, self.sources, places = {}, {}, []
        for name, given in instances.items():
            thing, nodes = _read(name, given)
            (self.parts if isinstance(thing, AbstractDevice) else self.sources)[name] = thing
            places.append((name, nodes))
        self.places = tuple(places)
        self.charged = tuple((n, ports) for n, d in self.parts.items() if (ports := charged_ports(d)))
        network(self)

    @property
    def nodes(self) -> tuple[str, ...]:
        """All nodes but ground."""
        return network(self).topology.nodes

    def parameters(self) -> dict[str, Parameter]:
        """ "NAME.parameter" -> value, unit, bounds, of all devices and constant sources."""
        found = {}
        for name, thing in (self.parts | self.sources).items():
            found |= {f"{name}.{p.name.removeprefix('of.')}": p for p in parameters(thing).values()}
        return found

    def replace(self, values: dict[str, Any]) -> "Circuit":
        """A copy with some parameters ("NAME.parameter", SI; arrays make a population) or whole instances changed.

        Raises:
            CircuitError: an unknown name (the message suggests the closest). ValueError: as `device.replace`.
        """
        circuit, known = self, self.parameters()
        for key, value in values.items():
            name, _, parameter = key.partition(".")
            home = "parts" if name in self.parts else "sources"
            if name not in getattr(self, home) or (parameter and key not in known):
                names = tuple(known) if parameter else (*self.parts, *self.sources)
                raise CircuitError(f"the circuit has no {key!r}.{suggest(key, names)}")
            old = getattr(circuit, home)[name]
            new = _changed(old, parameter, value) if parameter else _like(name, old, value)
            circuit = eqx.tree_at(lambda c, home=home, name=name: getattr(c, home)[name], circuit, new)
        return circuit

    def transient(self, duration: float | None = None, **options: Any) -> Any:
        """Simulate it; arguments and result are those of `neurojax.transient`."""
        from neurojax.transient import transient

        return transient(self, duration, **options)

    def dc_sweep(self, source: str, values: Any, **options: Any) -> Any:
        """Operating points along the values of a source; arguments and result are those of `dc_sweep`."""
        from neurojax.dc_sweep import dc_sweep

        return dc_sweep(self, source, values, **options)

    def draw(self, ax: Any = None) -> Any:
        """The graph of the circuit, into `ax` or new axes; returns Axes."""
        from neurojax._schematic import draw

        return draw(self, ax=ax)

    def small_signal(self, source: str, f: Any, **options: Any) -> Any:
        """Linear answer to a source at frequencies `f` (Hz); arguments and result are those of `small_signal`."""
        from neurojax.small_signal import small_signal

        return small_signal(self, source, f, **options)

    def to_spice(self, path: Any = None, *, duration: float | None = None, v0: Any = None, env: Any = None) -> str:
        """A file that ngspice runs, written to `path` too: netlist, devices from their own equations, analysis.

        Args:
            duration: s, default the end of the longest waveform. v0: node -> voltage (V) at the start. env: 300 K.

        Times of ngspice begin at zero: where a source begins before, all are later by so much, and the file says so.

        Raises:
            DataError: a population. UnsupportedError: a device that loops on traced values.
        """
        from neurojax._circuit_spice import to_spice

        return to_spice(self, path, duration=duration, v0=v0, env=env)

    def __repr__(self) -> str:
        width = max(len(n) for n, _ in self.places)
        lines = [f"Circuit of {len(self.parts)} devices and {len(self.sources)} sources, nodes {', '.join(self.nodes)}"]
        for name, nodes in self.places:
            thing = (self.parts | self.sources)[name]
            lines.append(f"  {name:<{width}}  {' '.join(nodes):<14}  {_words(thing)}")
        return "\n".join(lines)


def network(circuit: Circuit) -> Network:
    """What is static of a circuit."""
    kinds = tuple((n, type(d)) for n, d in circuit.parts.items())
    is_current = tuple((n, isinstance(s, CurrentSource)) for n, s in circuit.sources.items())
    return _network(circuit.places, kinds, is_current, circuit.charged)


@functools.lru_cache(maxsize=256)
def _network(places: Any, kinds: Any, is_current: Any, charged: Any) -> Network:
    at, kind, charge = dict(places), dict(kinds), dict(charged)
    numbers = {name: k for k, (name, _) in enumerate(is_current)}
    voltage = {n: numbers[n] for n, current in is_current if not current}
    found = topology(at, voltage)
    currents = {n: (numbers[n], at[n][0], at[n][1]) for n, current in is_current if current}
    devices, ends = {n: at[n] for n in kind}, {n: at[n] for n in numbers}
    return Network(
        found, devices, kind, ends, currents, {k: n for n, k in voltage.items()}, max(1, len(is_current)),
        groups(found, devices, kind, charge), charge,
    )  # fmt: skip


def _read(name: str, given: Any) -> tuple[Any, tuple[str, ...]]:
    if not isinstance(given, tuple) or not given:
        raise CircuitError(f"{name}: give a device or source and its nodes, {name}=(device, 'a', 'b'); got {given!r}.")
    thing: Any = given[0]
    nodes = given[1:]
    if isinstance(thing, int | float | np.number | jax.Array | np.ndarray):
        thing = DC(jnp.asarray(thing, jnp.result_type(float)))
    if not isinstance(thing, AbstractDevice | Waveform | DC | CurrentSource):
        raise CircuitError(
            f"{name}: {type(thing).__name__} is no device, waveform, number or CurrentSource: circuits are of these."
        )
    terminals = thing.terminals if isinstance(thing, AbstractDevice) else ("+", "-")
    if len(nodes) != len(terminals) or not all(isinstance(n, str) and n for n in nodes):
        raise CircuitError(
            f"{name}: {type(thing).__name__} has the terminals {', '.join(terminals)}, so it takes {len(terminals)} "
            f"names of nodes; got {list(nodes)}."
        )
    wave = thing.of if isinstance(thing, CurrentSource) else thing
    if isinstance(wave, Waveform) and wave.v.ndim != 1:
        raise CircuitError(f"{name}: a source has one voltage a knot; this waveform has the shape {wave.v.shape}.")
    return thing, tuple(nodes)


def _changed(thing: Any, parameter: str, value: Any) -> Any:
    if isinstance(thing, AbstractDevice):
        return thing.replace(**{parameter: value})
    if isinstance(thing, CurrentSource):
        return eqx.tree_at(lambda s: s.of, thing, with_values(thing.of, {parameter: value}))
    return with_values(thing, {parameter: value})


def _like(name: str, old: Any, new: Any) -> Any:
    """A whole instance, of the kind that was there."""
    new = DC(new) if isinstance(old, DC) and not isinstance(new, DC) else new
    same = isinstance(old, DC | Waveform) and isinstance(new, DC | Waveform)
    if not same and type(new) is not type(old):
        raise CircuitError(f"{name} is a {type(old).__name__}, not a {type(new).__name__}: make a new Circuit.")
    return new


def _words(thing: Any) -> str:
    if isinstance(thing, CurrentSource):
        return f"current source, {_words(thing.of)}"
    if isinstance(thing, DC):
        return f"DC {thing.value if isinstance(thing.value, Tracer) else np.asarray(thing.value)}"
    if isinstance(thing, Waveform):
        return repr(thing)
    return repr(thing).splitlines()[0]
