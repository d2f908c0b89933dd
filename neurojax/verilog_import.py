"""A compact model in Verilog-A as a device: `import_verilog_a`. Needs openvaf-py (`pip install openvaf-py`).

The compiler's equations f(z, v) + d/dt q(z, v) = 0 are read from its intermediate representation into JAX, so that
derivatives are those of the equations themselves. What of the inner unknowns z carries charge or is integrated is the
state; the others are solved for, with an implicit gradient.
"""

import keyword
import os
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from neurojax._compact import Compact, compiled, numbers
from neurojax._mir import VerilogError
from neurojax._newton import solve
from neurojax._plan import Plan, plan_of
from neurojax._verilog_text import Declared, declared
from physics.device import AbstractDevice, AbstractReactive, Amps, Environment, Sweep, Volts
from physics.quantity import quantity, state_variable

_TAKEN = frozenset(dir(AbstractReactive)) | {"State", "model", "plan", "names", "terminals", "sweep"}
_LEAK = 1e-12
"""What pulls a state to its start where the operating point leaves it open (1/s, or S): the gmin of simulators."""
_UNBOUNDED = (-1e3, 1e3)


def import_verilog_a(
    path: str | os.PathLike,
    *,
    module: str | None = None,
    values: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    initial: Mapping[str, float] | None = None,
    sweep: Sweep | None = None,
) -> AbstractDevice:
    """The device of a Verilog-A module, with its parameters, units and descriptions.

    The last terminal is the reference. The state starts at the operating point without a voltage; where that leaves
    it open (a memory), at `initial`. A parameter whose name means something in Python gets an underscore. Variables of
    the analog block start at zero each time: what a module is to remember must be a ddt or an idt.

    Args:
        path: file. module: which of its modules, if there are several. values: parameters with another default;
            integers, and numbers that decide whether two nodes coincide, are fixed at it.
        bounds: of parameters, and of states by the name of their node, where those of the file do not suit.
        initial: node -> where its state starts. sweep: the usual measurement (1 V in 1 s).

    Raises:
        VerilogError: no openvaf-py, the file does not compile, or the module cannot become a device (loops, the time).
    """
    model, known = _load(path, module, dict(values or {}))
    defaults = {f"par_{n}": d.default for n, d in known.items()} | {"temperature": 300.0}
    plan = plan_of(model, defaults, initial or {})
    own = {n: f"{n}_" if n in _TAKEN or keyword.iskeyword(n) or n.startswith("_") else n for n in known}
    one = model.ports == 1
    v_max, v_min = ((s if one else (s,) * model.ports) for s in (1.0, -1.0))
    usual = Sweep(v_max, v_min, 1.0) if sweep is None else sweep
    fixed = dict(terminals=model.terminals, family="imported", doi="", stores_energy=True, sweep=usual)
    fixed |= dict(model=model, plan=plan, names=own, State=_state_class(model, plan, bounds or {}))
    body: dict[str, Any] = fixed | {"__doc__": _doc(model, path), "__module__": __name__}
    body["__annotations__"] = dict.fromkeys(fixed, ClassVar[Any]) | dict.fromkeys(own.values(), Array)
    body |= {own[n]: _field(n, d, bounds or {}, Path(path).name) for n, d in known.items()}
    charged = any(n.op != "const" or n.value for n in model.q[: model.ports])
    bases = (_AbstractCharged,) if charged else (_AbstractCompiled,)
    return types.new_class(model.name, bases, {}, lambda namespace: namespace.update(body))()


class _AbstractCompiled(AbstractDevice):
    """What all imported devices do: f(z, v) + d/dt q(z, v) = 0."""

    model: eqx.AbstractClassVar[Compact]
    plan: eqx.AbstractClassVar[Plan]
    names: eqx.AbstractClassVar[dict[str, str]]
    State: eqx.AbstractClassVar[Any]

    def init(self, env: Environment) -> Any:
        """The operating point without a voltage."""
        if not self.plan.rows:
            return ()
        v, start = self._still(env), jnp.asarray(self.plan.start, env.temperature.dtype)
        ports = self.model.ports

        def balance(z):
            return jnp.stack(self._of(self.model.f_static[ports:], z, v, env)) + _LEAK * (z - start)

        z = solve(balance, start)
        if self.plan.direct:
            return self.State(*(z[k] for k in self.plan.columns))
        return self.State(*self._charges(z, v, env))

    def rate(self, x: Any, v: Volts, env: Environment) -> Any:
        plan, ports = self.plan, self.model.ports
        if not plan.rows:
            return ()
        z = self._unknowns(x, v, env)
        flow = jnp.stack(self._of([self.model.f[ports + k] for k in plan.rows], z, v, env))
        if plan.direct:
            place = jnp.asarray(plan.columns)
            nodes = [self.model.q[ports + k] for k in plan.rows]
            mass = jax.jacfwd(lambda y: jnp.stack(self._of(nodes, z.at[place].set(y), v, env)))(z[place])
            return self.State(*jnp.linalg.solve(mass, -flow))
        return self.State(*(-flow / jnp.asarray(plan.scale, flow.dtype)))

    def current(self, x: Any, v: Volts, env: Environment) -> Amps:
        return self._at_ports(self.model.f, x, v, env)

    def _at_ports(self, nodes: Any, x: Any, v: Volts, env: Environment) -> Amps:
        found = self._of(nodes[: self.model.ports], self._unknowns(x, v, env), v, env)
        return found[0] if self.model.ports == 1 else jnp.stack(found)

    def _unknowns(self, x: Any, v: Volts, env: Environment) -> Array:
        """z, of which the state is a part or follows."""
        plan, model, ports = self.plan, self.model, self.model.ports
        state = [getattr(x, n) for n in plan.names]
        start = jnp.asarray(plan.start, v.dtype)
        if plan.direct:
            place = {k: state[i] for i, k in enumerate(plan.columns)}
            free = [k for k in range(len(model.unknowns)) if k not in place]
            if free:
                nodes = [model.f[ports + k] for k in plan.others]
                whole = lambda w: self._merged(place, dict(zip(free, w, strict=True)))  # noqa: E731
                w = solve(lambda w: jnp.stack(self._of(nodes, whole(w), v, env)), start[jnp.asarray(free)])
                return whole(w)
            return self._merged(place, {})
        weights = jnp.asarray(plan.weights, v.dtype)

        def balance(z):
            flow = jnp.stack(self._of(model.f[ports:], z, v, env))
            return jnp.concatenate([jnp.stack(self._charges(z, v, env)) - jnp.stack(state), weights @ flow])

        return solve(balance, start)

    def _merged(self, *parts: Mapping[int, Array]) -> Array:
        known = {k: x for p in parts for k, x in p.items()}
        return jnp.stack([known[k] for k in range(len(known))]) if known else jnp.zeros(0)

    def _charges(self, z: Array, v: Volts, env: Environment) -> list[Array]:
        nodes = [self.model.q[self.model.ports + k] for k in self.plan.rows]
        return [q / s for q, s in zip(self._of(nodes, z, v, env), self.plan.scale, strict=True)]

    def _of(self, nodes: Any, z: Array, v: Volts, env: Environment) -> list[Array]:
        """Expressions at the unknowns z and voltages v."""
        values: dict[str, Any] = {f"par_{n}": getattr(self, own) for n, own in self.names.items()}
        values |= {f"z_{k}": z[k] for k in range(len(self.model.unknowns))}
        values |= {f"v_{k}": part for k, part in enumerate(jnp.atleast_1d(v))}
        return numbers(nodes, values | {"temperature": env.temperature}, v.dtype)

    def _still(self, env: Environment) -> Array:
        return jnp.zeros(self.port_shape, env.temperature.dtype)


class _AbstractCharged(_AbstractCompiled, AbstractReactive):
    """With charge on its terminals."""

    def charge(self, x: Any, v: Volts, env: Environment) -> Amps:
        return self._at_ports(self.model.q, x, v, env)


def _load(path: Any, module: str | None, values: Mapping[str, float]) -> tuple[Compact, dict[str, Declared]]:
    """The compiled module with its integers fixed, and the real parameters that matter."""
    if not Path(path).is_file():
        raise VerilogError(f"there is no file {path}.")
    everything: dict[str, Declared] = {}

    def fixed(found: Any) -> dict[str, float]:
        everything.update(declared(path, found, values))
        integers = {n: d.default for n, d in everything.items() if not d.real}
        return integers | {n: float(x) for n, x in values.items() if _decides(found, n)}

    model = compiled(path, module, fixed)
    used = model.parameters()
    return model, {n: d for n, d in everything.items() if n in used}


def _decides(module: Any, name: str) -> bool:
    """Whether nodes may coincide, so that given numbers are fixed."""
    return bool(module.collapsible_pairs) and name in module.init_param_names


def _field(name: str, d: Declared, bounds: Mapping[str, tuple[float, float]], source: str) -> Any:
    low, high = bounds.get(name, d.bounds)
    box = min(low, d.default), max(high, d.default)
    scale = "log" if box[0] > 0 and box[1] > 100 * box[0] else "linear"
    return quantity(d.default, d.unit, box, scale=scale, doc=d.doc, source=source)


def _state_class(model: Compact, plan: Plan, bounds: Mapping[str, tuple[float, float]]) -> Any:
    labels = dict(zip(plan.names, plan.nodes, strict=True))
    body: dict[str, Any] = {"__annotations__": dict.fromkeys(plan.names, Array), "__module__": __name__}
    what = "" if plan.direct else "charge over a scale, of "
    for name, node in labels.items():
        body[name] = state_variable(bounds.get(node, _UNBOUNDED), doc=f"{what}{node}")
    return types.new_class("State", (eqx.Module,), {}, lambda namespace: namespace.update(body))


def _doc(model: Compact, path: Any) -> str:
    return f"The module {model.name} of {Path(path).name}."
