"""The command `neurojax characterise`: the data sheet of a device."""

import json
from pathlib import Path
from typing import Annotated

import typer

from neurojax._console import assignments, out, polite


def characterise(
    device: Annotated[str, typer.Argument(help="name of the device, see `neurojax devices`; or 'all'")],
    assign: Annotated[list[str], typer.Option("--set", help="name=value in SI units; repeat as needed")] = [],  # noqa: B006
    pulses: Annotated[int, typer.Option(help="about how many pulses are to cross the window")] = 32,
    v_read: Annotated[float | None, typer.Option(help="voltage of the readings (V)")] = None,
    temperature: Annotated[float, typer.Option(help="ambient (K)")] = 300.0,
    as_json: Annotated[bool, typer.Option("--json", help="for scripts")] = False,
    plot: Annotated[Path | None, typer.Option(help="PNG file to write: I-V and pulses")] = None,
) -> None:
    """Measure the figures of merit of a device on its usual sweep, and print its data sheet.

    Examples: `neurojax characterise GapRram --plot gap.png`; `neurojax characterise all --json`
    """
    with polite():
        import jax.numpy as jnp

        from neurojax.catalogue import device_named, devices
        from neurojax.datasheet import characterise as measure
        from physics.device import Environment

        names = list(devices()) if device == "all" else [device]
        sheets = []
        for name in names:
            member = device_named(name).replace(**assignments(assign))
            env = Environment(jnp.asarray(temperature))
            sheets.append(measure(member, v_read=v_read, pulses=pulses, env=env))
            if not as_json:
                out.print(repr(sheets[-1]), highlight=False)
        if as_json:
            print(json.dumps([s.to_dict() for s in sheets], indent=2))
        if plot is not None:
            sheets[-1].plot()[0].figure.savefig(plot, dpi=150)
            out.print(f"wrote {plot}", highlight=False)
