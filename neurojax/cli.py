"""The command line, `neurojax devices | simulate | fit | characterise | export | families | demo | bench`.

Every error is a sentence, exit code 1.
"""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from neurojax._cli_export import export
from neurojax._cli_families import families
from neurojax._cli_fit import fit
from neurojax._cli_sheet import characterise
from neurojax._console import assignments, out, polite, show

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Differentiable physics of neuromorphic devices: simulate them, fit them to measured traces.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def devices(as_json: Annotated[bool, typer.Option("--json", help="the whole catalogue for scripts")] = False) -> None:
    """List the devices with their states and parameters.

    Example: `neurojax devices --json`
    """
    with polite():
        from neurojax.catalogue import describe, presets
        from neurojax.catalogue import devices as known

        entries = [describe(cls) for cls in known().values()]
        if as_json:
            print(json.dumps(entries, indent=2))
            return
        for e in entries:
            out.print(
                f"[bold]{e['name']}[/] ({', '.join(e['terminals'])}), {e['family']}; states {', '.join(e['states'])}"
            )
            out.print(f"  {e['summary']}\n  parameters: {', '.join(e['parameters'])}", highlight=False)
            if sets := presets(known()[e["name"]]):
                out.print(f"  presets: {', '.join(e['name'] + '.' + n for n in sets)}", highlight=False)


def _waveform(text: str, device: Any) -> Any:
    """`triangle:1.2,-1.2,4e-3`, `pulse:1.0,1e-6`, `train:1.0,1e-6,50`, `ispp:0.5,0.1,20,1e-6`, `rest:1e-3`."""
    from neurojax import waveform
    from neurojax.errors import DataError

    if text == "default":
        return waveform.triangle(*device.sweep)
    kind, _, numbers = text.partition(":")
    try:
        values = [float(x) for x in numbers.split(",") if x]
    except ValueError:
        raise DataError(f"--waveform {text!r}: after the colon come numbers, as in triangle:1.2,-1.2,4e-3.") from None
    makers = {
        "triangle": (3, lambda a, b, p: waveform.triangle(a, b, p)),
        "pulse": (2, lambda a, w: waveform.pulse(a, w)),
        "train": (3, lambda a, w, n: waveform.pulse_train([a] * int(n), w)),
        "ispp": (4, lambda a, d, n, w: waveform.ispp(a, d, int(n), w)),
        "rest": (1, lambda d: waveform.rest(d)),
    }
    if kind not in makers:
        raise DataError(f"--waveform {text!r}: unknown kind {kind!r}; there are {', '.join(makers)} and default.")
    count, make = makers[kind]
    if len(values) != count:
        raise DataError(f"--waveform {text!r}: {kind} takes {count} numbers, got {len(values)}.")
    return make(*values)


@app.command()
def simulate(
    device: Annotated[str, typer.Argument(help="name of the device, see `neurojax devices`")],
    waveform: Annotated[
        str, typer.Option(help="triangle:MAX,MIN,PERIOD, pulse:V,WIDTH, train:V,WIDTH,N, ...")
    ] = "default",
    assign: Annotated[list[str], typer.Option("--set", help="name=value in SI units; repeat as needed")] = [],  # noqa: B006
    output: Annotated[Path | None, typer.Option("--output", "-o", help="CSV file to write")] = None,
    plot: Annotated[Path | None, typer.Option(help="PNG file to write")] = None,
    kind: Annotated[str, typer.Option(help="what to plot: iv, log, time or states")] = "iv",
) -> None:
    """Simulate a device.

    Example: `neurojax simulate Vteam --waveform triangle:0.6,-0.6,1e-6 --set r_on=120 -o out.csv --plot out.png`
    """
    with polite():
        from neurojax.catalogue import device_named
        from neurojax.simulate import simulate as run

        chosen = device_named(device)
        chosen = chosen.replace(**assignments(assign))
        record = run(chosen, _waveform(waveform, chosen))
        out.print(repr(record), highlight=False)
        if output:
            record.to_csv(output)
        if plot:
            record.plot(kind=kind).figure.savefig(plot, dpi=140)


app.command()(fit)
app.command()(characterise)
app.command()(export)
app.command()(families)


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for the report")] = Path("demo_report"),
) -> None:
    """Fit an embedded noisy trace, whose truth is known, with competing models.

    Example: `neurojax demo -o demo_report`
    """
    with polite():
        from neurojax.demo import TRUTH, demonstrate

        ranking = demonstrate(output)
        show(ranking, output / "report.html")
        out.print("the truth behind the trace, and how far the fit is from it:")
        for name, true in TRUTH.items():
            e = ranking.fits["Vteam"].estimates[name]
            out.print(f"  {name:<6} {true:>10.5g} {e.unit:<4} {(e.value - true) / e.std:+.2f} std", highlight=False)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="engine (the integrator), fit, export, circuits, crossbar, programming")],
    as_json: Annotated[bool, typer.Option("--json", help="for scripts")] = False,
    into: Annotated[Path | None, typer.Option(help="file with a line `<!-- bench NAME -->` for the table")] = None,
) -> None:
    """Measure ours against others side by side: ratios of time (above one we are faster), or how far they agree.

    Example: `neurojax bench engine --json`
    """
    with polite():
        from neurojax.bench import BENCHES, insert, table
        from neurojax.errors import DataError
        from physics.quantity import suggest

        if name not in BENCHES:
            raise DataError(f"there is no benchmark {name!r}.{suggest(name, tuple(BENCHES))}")
        rows = []
        for r in BENCHES[name]():
            rows.append(r)
            if not as_json:
                cells = [f"{what} {cell}".strip() for what, cell in zip(r.head, r.cells(), strict=True) if cell]
                out.print("; ".join(cells), highlight=False, soft_wrap=True)
            if into:
                # After each row, so that a run that is broken off leaves what it has found.
                insert(into, name, table(rows))
        if as_json:
            print(json.dumps([dataclasses.asdict(r) for r in rows], indent=2))


if __name__ == "__main__":
    app()
