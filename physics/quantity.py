"""What a number of a device means: unit, bounds, scale, sentence, source.

Every parameter of a device is declared once, as a dataclass field made by `quantity`; every state
variable by `state_variable`. From that declaration come the table printed by `repr(device)`, the
bijections of the fit, the catalogue `neurojax devices --json`, the test of the units and the export.
`parameters` is the one traversal that everybody uses.
"""

import dataclasses
import difflib
import functools
import math
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float

from physics.units import dimension

T = TypeVar("T")
Scale = Literal["log", "linear", "logit"]
Param = Float[Array, "..."]
"""A parameter: a scalar, or an array with leading axes for a population."""


@dataclasses.dataclass(frozen=True)
class Quantity:
    """The declaration of one number.

    `free` says whether `fit` may vary it when the user names nothing: False for geometry, for
    natural constants and for numbers that an I-V trace cannot tell.
    """

    unit: str
    bounds: tuple[float, float]
    scale: Scale = "linear"
    doc: str = ""
    source: str = ""
    free: bool = True

    def __post_init__(self) -> None:
        dimension(self.unit)  # a typing error in a unit fails here
        lo, hi = self.bounds
        if not (math.isfinite(lo) and math.isfinite(hi) and lo < hi):
            raise ValueError(f"bounds {self.bounds} must be finite and increasing: every fit needs a finite box.")
        if self.scale == "log" and lo * hi <= 0:
            raise ValueError(f"scale='log' needs bounds of one sign without zero, got {self.bounds}.")
        if self.scale not in ("log", "linear", "logit"):
            raise ValueError(f"scale must be 'log', 'linear' or (of a state) 'logit', got {self.scale!r}.")


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One entry of the traversal: dotted name, value, and the declaration."""

    name: str
    value: Any
    quantity: Quantity

    @property
    def unit(self) -> str:
        """SI unit in plain text, see `quantity`."""
        return self.quantity.unit

    @property
    def bounds(self) -> tuple[float, float]:
        """The box of an optimiser, in `unit`."""
        return self.quantity.bounds

    def contains(self, value: Any) -> bool:
        """Whether every element of `value` is finite and inside the bounds (with rounding slack)."""
        lo, hi = self.quantity.bounds
        low, high = lo - 1e-6 * abs(lo), hi + 1e-6 * abs(hi)
        array = np.asarray(value)
        return bool(np.all(np.isfinite(array)) and np.all(array >= low) and np.all(array <= high))


def _to_array(value: Any) -> Any:
    if value is None:  # an optional part that is switched off
        return None
    # A strong dtype, always: a weak-typed default would retrace every jitted function once.
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jnp.floating) and not value.weak_type:
        return value
    dtype = getattr(value, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jnp.floating) or getattr(value, "weak_type", False):
        dtype = jnp.result_type(float)
    return jnp.asarray(value, dtype=dtype)


def quantity(
    default: float,
    unit: str,
    bounds: tuple[float, float],
    *,
    scale: Scale = "linear",
    doc: str = "",
    source: str = "",
    free: bool = True,
) -> Any:
    """A dataclass field for one parameter of a device.

    Args:
        default: value in the SI unit `unit`; must lie inside `bounds`.
        unit: SI unit in plain text (`"V"`, `"m/s"`, `"A/(m2 K2)"`, `"1"`); energies may be in eV.
        bounds: finite box in which an optimiser may look and the model is finite.
        scale: `"log"` for positive (or negative) numbers known by their order of magnitude, else `"linear"`.
        doc: one sentence. source: where the value comes from (DOI, or "recalled", "chosen").
        free: whether `fit` may vary it by default.

    Raises:
        ValueError: on bounds that are not finite and increasing, a default outside of them, or a wrong scale.
    """
    if scale == "logit":
        raise ValueError("scale='logit' is for states; a parameter is 'log' or 'linear'.")
    declaration = Quantity(unit, (float(bounds[0]), float(bounds[1])), scale, doc, source, free)
    if not declaration.bounds[0] <= default <= declaration.bounds[1]:
        raise ValueError(f"default {default} {unit} lies outside its own bounds {bounds}.")
    return eqx.field(default=default, converter=_to_array, metadata={"quantity": declaration})


def state_variable(bounds: tuple[float, float], *, unit: str = "1", scale: Scale = "linear", doc: str = "") -> Any:
    """A dataclass field for one state variable, of order one.

    Args:
        bounds: where it physically lives, in `unit` (seldom other than "1"). doc: one sentence.
        scale: what the solver integrates: the state itself, its logarithm ("log"), or the logarithm of its distances
            from both bounds ("logit"). For states that approach a bound exponentially and never reach it: their
            error is then relative to the distance, and no step can pass the bound.

    Raises:
        ValueError: on bounds that are not finite and increasing; for "log" they must be positive.
    """
    declaration = Quantity(unit, (float(bounds[0]), float(bounds[1])), scale, doc)
    if scale == "log" and declaration.bounds[0] <= 0:
        raise ValueError(f"scale='log' of a state needs positive bounds, got {declaration.bounds}.")
    return eqx.field(metadata={"quantity": declaration})


def _declaration(module: Any, path: tuple[Any, ...]) -> Quantity | None:
    """The innermost declared field on the way from `module` to a leaf."""
    found, node = None, module
    for key in path:
        if isinstance(key, jtu.GetAttrKey):
            found = _declared(type(node)).get(key.name, found)
            node = getattr(node, key.name)
        elif isinstance(key, jtu.SequenceKey):
            node = node[key.idx]
        elif isinstance(key, jtu.DictKey):
            node = node[key.key]
        else:
            break
    return found


@functools.cache
def _declared(kind: type) -> dict[str, Quantity]:
    """Of the fields of a class those that declare a quantity."""
    fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    return {f.name: f.metadata["quantity"] for f in fields if "quantity" in f.metadata}


def _name(path: tuple[Any, ...]) -> str:
    return jtu.keystr(path, simple=True, separator=".")


def parameters(module: Any) -> dict[str, Parameter]:
    """Names, values, units and bounds of every declared number of `module`: a device, a state, an instrument.

    One traversal for all purposes: modules within it give dotted names (`"thermal.r_th"`).
    """
    found: dict[str, Parameter] = {}
    for path, value in jtu.tree_flatten_with_path(module)[0]:
        declaration = _declaration(module, path)
        if declaration is not None:
            found[_name(path)] = Parameter(_name(path), value, declaration)
    return found


def declarations(module: Any) -> list[Quantity | None]:
    """What is declared of each leaf of `module`, in the order of its leaves; None where nothing is."""
    return [_declaration(module, path) for path, _ in jtu.tree_flatten_with_path(module)[0]]


def suggest(name: str, known: list[str] | tuple[str, ...]) -> str:
    """The tail of an error message: `did you mean ...?` and what there is."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.4)
    hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
    return f"{hint} Known names: {', '.join(known)}."


def with_values(module: T, values: Mapping[str, Any]) -> T:
    """`module` with some of its declared numbers replaced; bounds are not checked, so it is safe under jit.

    Args:
        module: a device or another module of declared numbers. values: name -> number (SI), or array (members,).

    Raises:
        KeyError: if a name is not a parameter, with the closest ones.
    """
    flat, treedef = jtu.tree_flatten_with_path(module)
    names = [_name(path) for path, _ in flat]
    for name in values:
        if name not in names:
            known = tuple(parameters(module))
            raise KeyError(f"{type(module).__name__} has no parameter {name!r}.{suggest(name, known)}")
    leaves = [_to_array(values[name]) if name in values else leaf for name, (_, leaf) in zip(names, flat, strict=True)]
    return jtu.tree_unflatten(treedef, leaves)
