"""What a unit string means: its dimension, as exponents of kg, m, s, A, K and mol.

`quantity` refuses a unit that this module cannot read, so a typing error fails where the device is
declared. `neurojax.testing` rescales the base units with it, and export will print with it.
"""

import functools
import re
from collections.abc import Mapping

BASES = ("kg", "m", "s", "A", "K", "mol")
Dimension = tuple[float, ...]
"""Exponents of `BASES`."""

_SYMBOLS: dict[str, Dimension] = {
    "1": (0, 0, 0, 0, 0, 0),
    "kg": (1, 0, 0, 0, 0, 0),
    "m": (0, 1, 0, 0, 0, 0),
    "s": (0, 0, 1, 0, 0, 0),
    "A": (0, 0, 0, 1, 0, 0),
    "K": (0, 0, 0, 0, 1, 0),
    "mol": (0, 0, 0, 0, 0, 1),
    "Hz": (0, 0, -1, 0, 0, 0),
    "N": (1, 1, -2, 0, 0, 0),
    "Pa": (1, -1, -2, 0, 0, 0),
    "J": (1, 2, -2, 0, 0, 0),
    "W": (1, 2, -3, 0, 0, 0),
    "C": (0, 0, 1, 1, 0, 0),
    "V": (1, 2, -3, -1, 0, 0),
    # An energy in eV is a voltage; the charge that makes it an energy is constants.Q.
    "eV": (1, 2, -3, -1, 0, 0),
    "ohm": (1, 2, -3, -2, 0, 0),
    "S": (-1, -2, 3, 2, 0, 0),
    "F": (-1, -2, 4, 2, 0, 0),
    "H": (1, 2, -2, -2, 0, 0),
    "T": (1, 0, -2, -1, 0, 0),
    "Wb": (1, 2, -2, -1, 0, 0),
}
_FACTOR = re.compile(r"([A-Za-z]+|1)(-?\d+(?:\.\d+)?)?$")


@functools.cache
def dimension(unit: str) -> Dimension:
    """Exponents of kg, m, s, A, K, mol of a unit such as "V", "m2/(V s)", "A/(m2 K2)", "1/s0.5".

    Factors are separated by blanks, one slash divides by what follows it, an exponent is a number behind
    the symbol. There are no prefixes: values are in SI units (and eV).

    Raises:
        ValueError: a unit that cannot be read.
    """
    over, slash, under = unit.partition("/")
    if "/" in under or (slash and not under.strip()):
        raise ValueError(f"unit {unit!r}: write one slash and parentheses, as in 'A/(m2 K2)'.")
    total = [0.0] * len(BASES)
    for part, sign in ((over, 1.0), (under.strip().removeprefix("(").removesuffix(")"), -1.0)):
        for factor in part.split():
            found = _FACTOR.match(factor)
            if found is None or found[1] not in _SYMBOLS:
                raise ValueError(
                    f"unit {unit!r}: cannot read {factor!r}. Write SI units without prefixes, such as "
                    f"'V', 'm/s', '1/V', 'A/(m2 K2)'; known symbols: {', '.join(_SYMBOLS)}."
                )
            power = sign * float(found[2] or 1)
            total = [t + power * e for t, e in zip(total, _SYMBOLS[found[1]], strict=True)]
    if not unit.strip():
        raise ValueError("a unit must not be empty; write '1' for a pure number.")
    return tuple(total)


def factor(unit: str, scales: Mapping[str, float]) -> float:
    """By what a number in `unit` is multiplied when each base unit shrinks by `scales[base]`."""
    product = 1.0
    for base, power in zip(BASES, dimension(unit), strict=True):
        product *= scales[base] ** power
    return product
