"""A device as a file of a circuit simulator, from its equations as JAX traces them.

    nj.export(device, "spice", "cell.sub")              a subcircuit of ngspice
    nj.export(fit.device, "verilog-a", "cell.va")       a module in Verilog-A

Any device: one of ours, of a notebook, or fitted. Its parameters and the ambient temperature are parameters of the
file, with their units and sentences. Inner equations become inner nodes; what else loops on values is refused.
"""

import os
import re
from pathlib import Path

from neurojax._equations import equations
from neurojax._spice import SHARE, subcircuit
from neurojax._verilog_a import module
from neurojax.errors import DataError
from physics.device import AbstractDevice, Environment

FORMATS = ("spice", "verilog-a")


def export(
    device: AbstractDevice,
    format: str = "spice",
    path: str | os.PathLike | None = None,
    *,
    name: str | None = None,
    env: Environment | None = None,
    share: int = SHARE,
    settle: float = 0.0,
) -> str:
    """The text of a file for a circuit simulator.

    Args:
        device: one device, not a population. format: "spice" (ngspice) or "verilog-a". path: file to write, too.
        name: of the subcircuit or module; that of the class if None. env: the ambient (300 K) whose temperature is the
            default in SPICE; in Verilog-A it is that of the circuit.
        share, settle: of SPICE, for what ngspice does not get through. Expressions of `share` operations or more that
            are needed twice become inner nodes; more operations make longer lines that converge more often. Inner
            equations settle within `settle` seconds, at once if zero. With share=200 and settle=1e-9 ngspice takes
            `JartVcm` through the first pulses of a train at which it stops otherwise; the whole train was not shown.

    Raises:
        DataError: an unknown format, a name that no simulator takes, a population, share or settle that cannot be.
        UnsupportedError: the device loops on traced values.
    """
    name = type(device).__name__ if name is None else name
    if not re.fullmatch(r"[A-Za-z]\w*", name, flags=re.ASCII):
        raise DataError(f"name = {name!r} must be letters, digits and underscores, beginning with a letter.")
    if format not in FORMATS:
        raise DataError(f"format = {format!r}: there are {' and '.join(map(repr, FORMATS))}.")
    if share < 1 or not 0 <= settle < float("inf"):
        raise DataError(f"share = {share} must be one operation or more, settle = {settle} s must not be negative.")
    of = equations(device, env=env)
    text = subcircuit(of, name, share=share, settle=settle).text if format == "spice" else module(of, name).text
    if path is not None:
        Path(path).write_text(text, encoding="ascii")
    return text


def to_spice(device: AbstractDevice, path: str | os.PathLike | None = None, *, name: str | None = None) -> str:
    """`export` of `device` as a subcircuit of ngspice; path, name: see there."""
    return export(device, "spice", path, name=name)


def to_verilog_a(device: AbstractDevice, path: str | os.PathLike | None = None, *, name: str | None = None) -> str:
    """`export` of `device` as a module in Verilog-A; path, name: see there."""
    return export(device, "verilog-a", path, name=name)
