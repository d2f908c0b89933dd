"""The variables of a design: any numbers of any PyTree, with unit and bounds, as one vector on the whole line.

    design = Design({"device": physics.Wox(), "weights": w}, free=("device.tau", "device.eta", "weights"))
    design.at(theta)      the same tree, with the numbers that belong to theta

Names are the ways to the leaves, joined by dots. Units, bounds and scales come from the declarations by
`physics.quantity`; the bijection between box and line is the one of the fits (`neurojax.bijection`).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float

from neurojax.bijection import Box
from neurojax.errors import DesignError
from physics.device import AbstractDevice
from physics.quantity import Quantity, declarations, suggest

Number = int | float
Bounds = tuple[Number, Number] | tuple[Number, Number, str]


@dataclasses.dataclass(frozen=True)
class Variable:
    """One leaf that may move.

    Attributes:
        name: way to the leaf. shape: of the leaf. unit: SI. bounds: None where the whole line is allowed.
        log: whether the bounds are those of orders of magnitude. scale: of an unbounded leaf, its root mean square.
    """

    name: str
    shape: tuple[int, ...]
    unit: str
    bounds: tuple[float, float] | None
    log: bool
    scale: float

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return int(np.prod(self.shape, dtype=int))


class Design(eqx.Module):
    """A tree of numbers of which some may move, within bounds.

    A bounded number is p = lo + (hi - lo) s(theta), on a logarithmic scale |p| = |lo| (hi/lo)^s(theta), s the logistic
    function; an unbounded one is its scale times theta. Without `free`, everything moves that is declared as free, and
    every array of floating point numbers that is declared nowhere.

    Attributes:
        tree: the numbers at which a search starts. variables: what may move, in the order of theta.
    """

    tree: Any
    variables: tuple[Variable, ...] = eqx.field(static=True)

    def __init__(
        self,
        tree: Any,
        free: Sequence[str] | str | None = None,
        bounds: Mapping[str, Bounds] | None = None,
    ):
        """The variables `free` of `tree`, by name or by the beginning of names up to a dot.

        Args:
            tree: devices, circuits, arrays, and lists and dictionaries of those.
            free: names. bounds: (lo, hi) or (lo, hi, "log") by name, in SI, instead of declared ones or of none.

        Raises:
            DesignError: an unknown name, bounds that are none, a value outside, or nothing that moves.
        """
        tree = jax.tree.map(_strong, tree)
        leaves = _named(tree)
        chosen = _chosen(leaves, free)
        given = _spelled(leaves, bounds or {})
        self.tree = tree
        self.variables = tuple(_variable(n, *leaves[n], given.get(n)) for n in chosen)
        _check_pairs(tree, self.variables)

    @property
    def size(self) -> int:
        """The length of theta."""
        return sum(v.size for v in self.variables)

    def part(self, name: str) -> slice:
        """Where the variable `name` lies in theta.

        Raises:
            DesignError: there is no such variable.
        """
        first = 0
        for v in self.variables:
            if v.name == name:
                return slice(first, first + v.size)
            first += v.size
        raise DesignError(f"{name!r} is no variable.{suggest(name, tuple(v.name for v in self.variables))}")

    @property
    def theta(self) -> Float[Array, " n"]:
        """Where the tree is on the line; what sits on a bound is pulled a ten-thousandth of the box inside."""
        leaves = _named(self.tree)
        flat = np.concatenate([np.ravel(np.asarray(leaves[v.name][0], dtype=float)) for v in self.variables])
        line = flat / self._each(lambda v: v.scale)
        inside = self._inside()
        # At once, also where somebody else's function is traced.
        with jax.ensure_compile_time_eval():
            if inside.any():
                line[inside] = self._box().to_line(flat[inside])
            return jnp.asarray(line, jnp.result_type(float))

    def at(self, theta: Float[Array, " n"]) -> Any:
        """The tree with the numbers that belong to `theta`; differentiable."""
        inside = self._inside()
        flat = theta * jnp.asarray(self._each(lambda v: v.scale), theta.dtype)
        if inside.any():
            where = np.flatnonzero(inside)
            flat = flat.at[where].set(self._box().to_physical(theta[where]))
        return self._placed(flat)

    def moved(self, theta: Float[Array, " n"]) -> "Design":
        """The same variables, starting at `theta`."""
        return eqx.tree_at(lambda d: d.tree, self, self.at(theta))

    def with_tree(self, tree: Any) -> "Design":
        """The same variables, starting at another `tree` of the same structure; values outside go to the bound.

        Raises:
            DesignError: another structure.
        """
        tree = jax.tree.map(_strong, tree)
        if jax.tree.structure(tree) != jax.tree.structure(self.tree):
            raise DesignError(
                f"the tree {jax.tree.structure(tree)} is none of this design, {jax.tree.structure(self.tree)}."
            )
        return eqx.tree_at(lambda d: d.tree, self, tree)

    def draw(self, around: Float[Array, " n"], *, key: Array) -> Float[Array, " n"]:
        """A theta at random: uniform in the box (in its logarithm), unbounded numbers normal about `around`.

        Args:
            around: a theta, as of the tree. key: a `jax.random.key`.
        """
        uniform, normal = jax.random.split(key)
        dtype = jnp.result_type(float)
        s = jnp.clip(jax.random.uniform(uniform, (self.size,), dtype), 1e-4, 1 - 1e-4)
        free = around + jax.random.normal(normal, (self.size,), dtype)
        return jnp.where(jnp.asarray(self._inside()), jnp.log(s) - jnp.log1p(-s), free)

    def values(self, theta: Float[Array, " n"] | None = None) -> dict[str, np.ndarray]:
        """The numbers (SI) by name, of `theta` or of the tree."""
        leaves = _named(self.tree if theta is None else self.at(theta))
        return {v.name: np.asarray(leaves[v.name][0]) for v in self.variables}

    def at_bounds(self, theta: Float[Array, " n"], part: float = 0.01) -> dict[str, int]:
        """How many numbers of each variable lie within `part` of the box of a bound, at `theta`; none is left out."""
        s = np.asarray(jax.nn.sigmoid(theta))
        near = ((s < part) | (s > 1 - part)) & self._inside()
        ends = np.cumsum([v.size for v in self.variables])[:-1]
        found = {v.name: int(n.sum()) for v, n in zip(self.variables, np.split(near, ends), strict=True)}
        return {name: n for name, n in found.items() if n}

    def __repr__(self) -> str:
        lines = [f"Design of {self.size} numbers"]
        for v in self.variables:
            box = "unbounded" if v.bounds is None else f"[{v.bounds[0]:.4g}, {v.bounds[1]:.4g}] {v.unit}".rstrip(" 1")
            lines.append(f"  {v.name} {list(v.shape) or ''}: {box}{', log' if v.log else ''}")
        return "\n".join(lines)

    def _each(self, of: Any) -> np.ndarray:
        """A number of each variable, repeated for each of its elements."""
        return np.repeat([of(v) for v in self.variables], [v.size for v in self.variables])

    def _inside(self) -> np.ndarray:
        return self._each(lambda v: v.bounds is not None)

    def _box(self) -> Box:
        dtype, bounded = jnp.result_type(float), [v for v in self.variables if v.bounds]
        rows = [(v.bounds[0], v.bounds[1], float(v.log)) for v in bounded for _ in range(v.size) if v.bounds]
        return Box(*(jnp.asarray(column, dtype) for column in np.asarray(rows).T))

    def _placed(self, flat: Array) -> Any:
        """The tree with `flat` in the place of its free leaves."""
        new = {v.name: flat[self.part(v.name)].reshape(v.shape) for v in self.variables}
        paths, structure = jtu.tree_flatten_with_path(self.tree)
        leaves = [new[n].astype(leaf.dtype) if (n := _name(path)) in new else leaf for path, leaf in paths]
        return jtu.tree_unflatten(structure, leaves)


def _strong(leaf: Any) -> Any:
    """Numbers as arrays of a fixed type, what else there is as it is."""
    if isinstance(leaf, float) or (
        isinstance(leaf, np.ndarray | np.floating) and np.issubdtype(leaf.dtype, np.floating)
    ):
        return jnp.asarray(leaf, jnp.result_type(float))
    return leaf


def _name(path: tuple[Any, ...]) -> str:
    return jtu.keystr(path, simple=True, separator=".")


def _named(tree: Any) -> dict[str, tuple[Any, Quantity | None]]:
    """Leaf and declaration by name."""
    paths = jtu.tree_flatten_with_path(tree)[0]
    return {_name(path): (leaf, q) for (path, leaf), q in zip(paths, declarations(tree), strict=True)}


def _chosen(leaves: dict[str, tuple[Any, Quantity | None]], free: Sequence[str] | str | None) -> list[str]:
    moving = [n for n, (leaf, _) in leaves.items() if eqx.is_inexact_array(leaf)]
    if free is None:
        found = [n for n in moving if (q := leaves[n][1]) is None or q.free]
    else:
        wanted = [free] if isinstance(free, str) else list(free)
        for name in wanted:
            if not any(_under(n, name) for n in moving):
                raise DesignError(f"there is no number {name!r} in the tree.{suggest(name, tuple(moving))}")
        found = [n for n in moving if any(_under(n, name) for name in wanted)]
    if not found:
        raise DesignError(f"nothing moves: name some numbers with free=(...).{suggest('', tuple(moving))}")
    return found


def _under(name: str, beginning: str) -> bool:
    return not beginning or name == beginning or name.startswith(beginning + ".")


def _spelled(leaves: Mapping[str, Any], bounds: Mapping[str, Bounds]) -> dict[str, Bounds]:
    """The bounds of each leaf that they name, the last ones that do."""
    found: dict[str, Bounds] = {}
    for name, given in bounds.items():
        beneath = [n for n in leaves if _under(n, name)]
        if not beneath:
            raise DesignError(f"bounds of {name!r}: no such number.{suggest(name, tuple(leaves))}")
        found |= {n: given for n in beneath}
    return found


def _variable(name: str, leaf: Any, declared: Quantity | None, given: Bounds | None) -> Variable:
    value = np.asarray(leaf, dtype=float)
    unit = "1" if declared is None else declared.unit
    if not np.isfinite(value).all():
        raise DesignError(f"{name} starts at {value}, which is not finite.")
    if given is None and declared is None:
        scale = float(np.sqrt(np.mean(value**2))) or 1.0
        return Variable(name, value.shape, unit, None, False, scale)
    lo, hi = (given or declared.bounds)[:2] if declared else given[:2]  # pyright: ignore[reportOptionalSubscript]
    log = given[2] == "log" if given and len(given) == 3 else bool(declared and declared.scale == "log")
    _check_bounds(name, float(lo), float(hi), log, value)
    return Variable(name, value.shape, unit, (float(lo), float(hi)), log, 1.0)


def _check_bounds(name: str, lo: float, hi: float, log: bool, value: np.ndarray) -> None:
    if not (np.isfinite(lo) and np.isfinite(hi) and lo < hi):
        raise DesignError(f"bounds of {name}: ({lo:g}, {hi:g}) must be finite and increasing.")
    if log and lo * hi <= 0:
        raise DesignError(f"bounds of {name}: ({lo:g}, {hi:g}) must have one sign on a logarithmic scale.")
    slack = 1e-6 * max(abs(lo), abs(hi))
    if value.size and (value.min() < lo - slack or value.max() > hi + slack):
        raise DesignError(
            f"{name} starts at {value.min():g} .. {value.max():g}, outside its bounds [{lo:g}, {hi:g}]. Widen the "
            "bounds or start elsewhere."
        )


def _check_pairs(tree: Any, variables: tuple[Variable, ...]) -> None:
    """Of two parameters of which one must stay below the other, the boxes may not overlap where both move."""
    free = {v.name: v.bounds for v in variables}
    nodes = jtu.tree_flatten_with_path(tree, is_leaf=lambda x: isinstance(x, AbstractDevice))[0]
    for path, node in nodes:
        for below, above in getattr(node, "ordered", ()) if isinstance(node, AbstractDevice) else ():
            low, high = (free.get(f"{_name(path)}.{n}".lstrip(".")) for n in (below, above))
            if low and high and low[1] > high[0]:
                raise DesignError(
                    f"{below} must stay below {above}, but their bounds {low} and {high} overlap. Give bounds that do "
                    "not, or hold one of the two."
                )
