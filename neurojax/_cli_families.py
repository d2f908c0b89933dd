"""The command `neurojax families`: roles and figures of all devices, beside Table 1 of the review if asked."""

import json
import math
from typing import Annotated, Any

import typer

from neurojax._console import out, polite


def families(
    names: Annotated[
        list[str] | None, typer.Argument(help="names of devices, see `neurojax devices`; all if none")
    ] = None,
    figures: Annotated[
        bool, typer.Option("--figures", help="energy, time and on/off beside the ranges of Table 1")
    ] = False,
    temperature: Annotated[float, typer.Option(help="ambient (K)")] = 300.0,
    as_json: Annotated[bool, typer.Option("--json", help="for scripts")] = False,
) -> None:
    """Measure role, memory and window of every device; with --figures what a switch of it takes, beside Table 1.

    Examples: `neurojax families`; `neurojax families GapRram Ftj --figures`
    """
    with polite():
        import jax.numpy as jnp

        from neurojax.catalogue import device_named
        from neurojax.families import families as measure
        from physics.device import Environment

        env = Environment(jnp.asarray(temperature))
        table = measure(*(type(device_named(name)).__name__ for name in names or ()), env=env)
        beside = table.beside_table_one(env=env) if figures else None
        if as_json:
            rows = [_plain(row._asdict()) for row in table]
            for row, compared in zip(rows, beside.to_dict() if beside is not None else (), strict=False):
                row["figures"] = compared["figures"]
            print(json.dumps(rows, indent=2))
            return
        out.print(repr(table), highlight=False, soft_wrap=True, markup=False)
        if beside is not None:
            out.print(repr(beside), highlight=False, soft_wrap=True, markup=False)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """For JSON; what never ends is None."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
