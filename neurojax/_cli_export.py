"""The command `neurojax export`: a device as a file of a circuit simulator."""

from pathlib import Path
from typing import Annotated, Any

import typer

from neurojax._console import assignments, err, polite


def export(
    source: Annotated[str, typer.Argument(help="a fit.json, a file of save_device, or the name of a device")],
    format: Annotated[str, typer.Option(help="spice or verilog-a")] = "spice",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="file to write; else it is printed")] = None,
    name: Annotated[str | None, typer.Option(help="of the subcircuit or module")] = None,
    share: Annotated[int, typer.Option(help="SPICE: operations from which what is needed twice becomes a node")] = 8,
    settle: Annotated[float, typer.Option(help="SPICE: seconds in which inner equations settle, 0 at once")] = 0.0,
    assign: Annotated[list[str], typer.Option("--set", help="name=value in SI units; repeat as needed")] = [],  # noqa: B006
) -> None:
    """Write a device as a subcircuit of ngspice or as a module in Verilog-A.

    Examples: `neurojax export report/fit.json -o cell.sub`; `neurojax export GapRram --format verilog-a -o gap.va`
    """
    with polite():
        from neurojax.export import export as written

        device = _device(source).replace(**assignments(assign))
        text = written(device, format, output, name=name, share=share, settle=settle)
        if output is None:
            print(text, end="")
        else:
            err.print(f"wrote {output}", highlight=False)


def _device(source: str) -> Any:
    """The device of a fit, of a file or of that name."""
    from neurojax.catalogue import device_named
    from neurojax.devicefile import load_device, read_json
    from neurojax.fitfile import load_fit
    from physics.quantity import parameters

    if not (source.endswith(".json") or Path(source).exists()):
        return device_named(source)
    content = read_json(source)
    if not (isinstance(content, dict) and "theta" in content):
        return load_device(source)
    fit = load_fit(source)
    circuit = [f"{n} = {float(p.value):.4g} {p.unit}" for n, p in parameters(fit.instrument).items()]
    if circuit:
        err.print(f"note: the device alone is written, not the circuit it was measured in ({', '.join(circuit)})")
    return fit.device
