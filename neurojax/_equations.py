"""The equations of a device as they go into a file of another simulator: expressions, names, units and words.

of = equations(device)          parameters and ambient temperature stay symbols, everything else is folded
"""

import contextlib
import dataclasses
import importlib
import inspect
import math
import unicodedata
from collections.abc import Callable, Collection, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jax.flatten_util import ravel_pytree

from neurojax._expression import Graph, Node, evaluate, ordered
from neurojax._jaxpr import Root, UnsupportedError
from neurojax._source import Program, trace
from neurojax.errors import DataError
from physics.device import AbstractDevice, Environment, stores_charge
from physics.quantity import Parameter, Quantity, declarations, parameters, with_values

THREAD = 1e-3
"""The time that scales the states, in periods of the usual sweep."""


@dataclasses.dataclass(frozen=True)
class State:
    """A state variable: its symbol and name, what was declared of it, where it starts, how fast it moves (1/s)."""

    symbol: str
    name: str
    declared: Quantity | None
    start: Node
    rate: Node


@dataclasses.dataclass(frozen=True)
class Equations:
    """d/dt states = rates, currents + d/dt charges into the terminals but the last, residuals of `roots` = 0.

    Attributes:
        parameters: symbol -> parameter, of the device and its surroundings, those that occur. idle: names of the
            others. volts: symbols of the port voltages. charges: empty, or one a port. roots: inner ones first.
    """

    device: AbstractDevice
    graph: Graph
    parameters: dict[str, Parameter]
    idle: tuple[str, ...]
    volts: tuple[str, ...]
    states: tuple[State, ...]
    currents: tuple[Node, ...]
    charges: tuple[Node, ...]
    roots: tuple[Root, ...]

    def moving(self) -> list[Node]:
        """Rates, currents, charges, residuals."""
        return [*(s.rate for s in self.states), *self.currents, *self.charges, *(r.residual for r in self.roots)]

    def defaults(self) -> dict[str, float]:
        """Symbol -> number: the parameters, no voltage, the states where they start, unknowns at their first guess."""
        known = {symbol: float(np.asarray(p.value)) for symbol, p in self.parameters.items()}
        known |= dict.fromkeys(self.volts, 0.0)
        known |= dict(zip((s.symbol for s in self.states), self._numbers([s.start for s in self.states], known)))  # noqa: B905
        for root in self.roots:
            known[root.symbol.value] = self._numbers([root.start], known)[0]
        return known

    def bounds(self) -> dict[str, tuple[float, float]]:
        """Symbol -> between what it stays: a parameter within its bounds, a state not further out than their width."""
        found: dict[str, tuple[float, float]] = {}
        for symbol, p in self.parameters.items():
            value = float(np.asarray(p.value))
            found[symbol] = min(p.bounds[0], value), max(p.bounds[1], value)
        for s in self.states:
            low, high = s.declared.bounds if s.declared else (-math.inf, math.inf)
            found[s.symbol] = (low - (high - low), high + (high - low)) if s.declared else (low, high)
        return found

    def _numbers(self, nodes: list[Node], known: dict[str, float]) -> list[float]:
        return evaluate(nodes, known) if nodes else []

    @property
    def time(self) -> float:
        """A time that suits the device, a power of ten (s)."""
        return decade(THREAD * float(self.device.sweep.period))

    def charge_scale(self) -> float:
        """About the largest charge on a port in the usual sweep, a power of ten (C)."""
        known, found = self.defaults(), [0.0]
        for ends in (self.device.sweep.v_max, self.device.sweep.v_min):
            volts = np.broadcast_to(np.asarray(ends, dtype=float), (len(self.volts),))
            found += self._numbers(list(self.charges), known | dict(zip(self.volts, volts.tolist(), strict=True)))
        return decade(max(map(abs, found)))


@dataclasses.dataclass(frozen=True)
class Written:
    """Text, and the names of what is in it: pins, states, unknowns of inner equations, parameters."""

    text: str
    name: str
    pins: tuple[str, ...]
    states: tuple[str, ...]
    roots: tuple[str, ...]
    parameters: dict[str, str]


def equations(
    device: AbstractDevice, *, env: Environment | None = None, keep: Callable[[str], bool] = lambda name: True
) -> Equations:
    """The equations of one device, traced in double precision.

    Args:
        env: the ambient whose numbers are the defaults (300 K). keep: whether a parameter, by its name, stays a symbol
            (that of an ambient begins with "env."); else it is folded.

    Raises:
        UnsupportedError: a loop on traced values. DataError: a population.
    """
    with double_precision():
        own, around = _doubled(device), _doubled(Environment() if env is None else env)
        _check_single(own, around)
        kept = {f"par_{n}": p for n, p in parameters(own).items() if np.ndim(p.value) == 0 and keep(n)}
        kept |= {f"env_{n}": p for n, p in parameters(around).items() if keep(f"env.{n}")}
        state = own.init(around)
        try:
            program = _traced(own, around, list(kept), state)
        except UnsupportedError as error:
            raise UnsupportedError(f"{type(device).__name__}: {error}") from None
    nodes = {name: tuple(a.ravel()) for name, a in program.outputs.items()}
    used = {n.value for n in ordered(program.all_roots()) if n.op == "input"}
    symbols = [n for n in program.inputs if n.startswith("state_")]
    rows = zip(symbols, _state_names(state), nodes["init"], nodes["rate"], strict=True)
    return Equations(
        device=own,
        graph=program.graph,
        parameters={symbol: p for symbol, p in kept.items() if symbol in used},
        idle=tuple(p.name for symbol, p in kept.items() if symbol not in used),
        volts=tuple(n for n in program.inputs if n == "volt" or n.startswith("volt_")),
        states=tuple(State(symbol, name, declared, *rest) for symbol, (name, declared), *rest in rows),
        currents=nodes["current"],
        charges=nodes.get("charge", ()),
        roots=program.roots,
    )


def _traced(own: AbstractDevice, around: Environment, kept: list[str], state: Any) -> Program:
    flat, unravel = ravel_pytree(state)

    def everything(given):
        device = with_values(own, {n.removeprefix("par_"): given[n] for n in kept if n.startswith("par_")})
        env = with_values(around, {n.removeprefix("env_"): given[n] for n in kept if n.startswith("env_")})
        x, v = unravel(given["state"]), given["volt"]
        found = {"current": device.current(x, v, env)}
        found["rate"] = ravel_pytree(device.rate(x, v, env))[0] if flat.size else flat
        found["init"] = ravel_pytree(device.init(env))[0] if flat.size else flat
        return found | ({"charge": device.charge(x, v, env)} if stores_charge(device) else {})

    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(kept, ())
    return trace(everything, shapes | {"state": flat.shape, "volt": own.port_shape}, inner=True)


def _state_names(state: Any) -> list[tuple[str, Quantity | None]]:
    found: list[tuple[str, Quantity | None]] = []
    for (path, leaf), declared in zip(jtu.tree_flatten_with_path(state)[0], declarations(state), strict=True):
        name = jtu.keystr(path, simple=True, separator=".")
        found += [("_".join(map(str, (name, *index))), declared) for index in np.ndindex(np.shape(leaf))]
    return found


def _check_single(device: AbstractDevice, env: Environment) -> None:
    v = jnp.zeros(device.port_shape)
    shape = jax.eval_shape(lambda: device.current(device.init(env), v, env)).shape
    if shape != device.port_shape:
        raise DataError(
            f"{type(device).__name__}: an export takes one device, and this is a population (currents of shape "
            f"{shape}). Take one member, for instance jax.tree.map(lambda a: a[0] if a.ndim else a, device)."
        )


def _doubled(tree: Any) -> Any:
    """In double precision, a single one by its decimals: 0.1 is 0.1, not 0.10000000149."""

    def one(leaf):
        if not (hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)):
            return leaf
        host = np.asarray(leaf)
        if host.dtype == np.float32:
            host = np.asarray([float(str(x)) for x in host.ravel()]).reshape(host.shape)
        return jnp.asarray(host, jnp.float64)

    return jax.tree.map(one, tree)


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """float64 within, whatever the session uses."""
    # Older versions have it among what is experimental.
    home: Any = jax if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental")
    with home.enable_x64(True):
        yield


def decade(x: float) -> float:
    """The power of ten below |x|; one if there is none."""
    return 10.0 ** math.floor(math.log10(abs(x))) if x and math.isfinite(x) else 1.0


def about(cls: Any) -> list[str]:
    """What a file says of a device: its docstring as lines, family and source."""
    text = (inspect.getdoc(cls) or cls.__name__).splitlines()
    return [plain(line) for line in (*text, "", f"{cls.family}. {cls.doi}".rstrip(". ") + ".")]


def plain(text: str) -> str:
    """In ASCII."""
    spelled = text.replace("µ", "u").replace("°", " deg ").replace("²", "2").replace("Ω", "ohm")
    return unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()


class Names:
    """Legal names in another language, no two alike."""

    def __init__(self, reserved: Collection[str], *, case: bool):
        self._case, self._taken = case, {self._key(r, case) for r in reserved}

    @staticmethod
    def _key(name: str, case: bool) -> str:
        return name if case else name.lower()

    def new(self, wanted: str) -> str:
        """`wanted`, or something like it that is legal and free."""
        base = "".join(c if c.isascii() and c.isalnum() else "_" for c in wanted) or "x"
        base = base if base[0].isalpha() else f"x{base}"
        name, number = base, 1
        while self._key(name, self._case) in self._taken:
            name, number = f"{base}_{number}", number + 1
        self._taken.add(self._key(name, self._case))
        return name
