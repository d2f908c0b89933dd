"""Which unknowns of a compiled module are its state, and how the others follow: `plan_of`."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from neurojax._compact import Compact, numbers
from neurojax._equations import double_precision
from neurojax._expression import Node, ordered
from neurojax._mir import VerilogError

_LOOKS = 6
"""Points at which the rank of dq/dz is looked at."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """Equations of the unknowns, counted from 0: `rows` are integrated, `others` are solved.

    direct: the state is the unknowns `columns`, of which dq[rows]/dz dz/dt = -f[rows]; f[others] = 0 gives the rest.
    Else the state is q[rows]/scale, which together with weights . f = 0 gives all unknowns. names, nodes: of the state.
    start: where unknowns are looked for.
    """

    rows: tuple[int, ...]
    direct: bool
    columns: tuple[int, ...]
    others: tuple[int, ...]
    scale: tuple[float, ...]
    weights: np.ndarray
    names: tuple[str, ...]
    nodes: tuple[str, ...]
    start: np.ndarray


def plan_of(model: Compact, defaults: Mapping[str, float], initial: Mapping[str, float]) -> Plan:
    """The plan of a module at its default parameters.

    Raises:
        VerilogError: an `initial` value of what is no inner node, or equations of a higher index.
    """
    start = np.zeros(len(model.unknowns))
    for node, value in initial.items():
        if node not in model.unknowns:
            raise VerilogError(
                f"{model.name} has no inner node {node!r}; it has {', '.join(model.unknowns) or 'none'}."
            )
        start[model.unknowns.index(node)] = value
    return _direct(model, defaults, start) or _by_charge(model, defaults, start)


def _direct(model: Compact, defaults: Mapping[str, float], start: np.ndarray) -> Plan | None:
    """Where charges depend on as many inner unknowns as there are charges, and on no voltage of a port."""
    n = len(model.unknowns)
    found = {k: _moving(q) for k, q in enumerate(model.q[model.ports :])}
    rows = tuple(k for k, of in found.items() if of)
    columns = set().union(*found.values())
    if len(columns) != len(rows) or any(s.startswith("v_") for s in columns):
        return None
    places = tuple(sorted(int(s[2:]) for s in columns))
    for look in _looks(model, defaults):
        if rows and _rank(look[np.ix_(rows, places)]) < len(rows):
            return None
    others = tuple(k for k in range(n) if k not in rows)
    nodes = tuple(model.unknowns[k] for k in places)
    return Plan(rows, True, places, others, (), np.zeros((0, n)), _names(nodes), nodes, start)


def _moving(node: Node) -> set[str]:
    """The unknowns and voltages in an expression."""
    return {n.value for n in ordered([node]) if n.op == "input" and n.value[:2] in ("z_", "v_")}


def _by_charge(model: Compact, defaults: Mapping[str, float], start: np.ndarray) -> Plan:
    """The general case: as many charges as are independent."""
    looks = _looks(model, defaults)
    wide = np.concatenate(looks, axis=1)
    size = np.abs(wide).max(axis=1)
    rows: list[int] = []
    for k in np.argsort(-size):
        if size[k] > 0 and _rank(wide[[*rows, k]]) == len(rows) + 1:
            rows.append(int(k))
    rows.sort()
    weights = _null(wide)
    rng = np.random.default_rng(1)
    other = _looks(model, {s: x * (1 + 0.1 * rng.standard_normal()) for s, x in defaults.items()})[0]
    alike = np.abs(weights @ other).max(initial=0.0) <= 1e-9 * np.abs(other).max(initial=0.0)
    if not alike or any(_rank(j[rows]) < len(rows) for j in looks):
        raise VerilogError(
            f"{model.name}: which charges are independent depends on voltages or parameters; such equations are not "
            "supported."
        )
    nodes = tuple(model.unknowns[k] for k in rows)
    scale = tuple(float(size[k]) for k in rows)
    return Plan(tuple(rows), False, (), (), scale, weights, _names(nodes), nodes, start)


def _looks(model: Compact, defaults: Mapping[str, float]) -> list[np.ndarray]:
    """dq/dz (n, n) at some unknowns and voltages."""
    n, rng = len(model.unknowns), np.random.default_rng(0)

    def charges(z: Any, v: Any) -> Any:
        values = dict(defaults) | {f"z_{k}": z[k] for k in range(n)} | {f"v_{k}": v[k] for k in range(model.ports)}
        return jnp.stack(numbers(model.q[model.ports :], values, jnp.float64))

    if n == 0:
        return [np.zeros((0, 0))]
    with double_precision():
        points = 0.3 * rng.standard_normal((_LOOKS, n + model.ports))
        return [np.asarray(jax.jacfwd(charges)(jnp.asarray(p[:n]), jnp.asarray(p[n:]))) for p in points]


def _rank(a: np.ndarray) -> int:
    scaled = a / np.maximum(np.abs(a).max(axis=1, keepdims=True), 1e-300)
    return int(np.linalg.matrix_rank(scaled, tol=1e-9))


def _null(a: np.ndarray) -> np.ndarray:
    """Rows w with w a = 0, as many as there are."""
    scale = np.abs(a).max(initial=0.0)
    u, s, _ = np.linalg.svd(a / (scale or 1.0))
    return u[:, np.count_nonzero(s > 1e-9) :].T


def _names(nodes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(re.sub(r"\W+", "_", n).strip("_") or f"x{k}" for k, n in enumerate(nodes))
