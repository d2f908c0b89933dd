"""The command line, `neurojax devices | simulate | fit | characterise | export | families | demo | bench`.

Other packages add commands by entry points of the group `neurojax.commands`, each a typer app of one command, which is
loaded when it is asked for. Every error is a sentence, exit code 1.
"""

import dataclasses
import functools
import json
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core
import typer.main

from neurojax._cli_export import export
from neurojax._cli_families import families
from neurojax._cli_fit import fit
from neurojax._cli_sheet import characterise
from neurojax._console import assignments, out, polite, show


def added() -> dict[str, EntryPoint]:
    """Commands of other packages, by name."""
    return {entry.name: entry for entry in entry_points(group="neurojax.commands")}


class Commands(typer.core.TyperGroup):
    """Our commands and those that are `added`."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all, ours first; `ctx` as of click."""
        own = super().list_commands(ctx)
        return [*own, *(name for name in added() if name not in own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command `cmd_name`, None where there is none; `ctx` as of click."""
        own = super().get_command(ctx, cmd_name)
        return _loaded(entry) if own is None and (entry := added().get(cmd_name)) else own

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Name, command and the rest of `args`; `ctx` as of click. What is not known is said in a sentence."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            from physics.quantity import suggest

            with polite():
                known = suggest(args[0], tuple(self.list_commands(ctx)))
                raise ValueError(
                    f"there is no command {args[0]!r}.{known} Packages add theirs when they are installed: after an "
                    "update, install again."
                )
        return super().resolve_command(ctx, args)


def _loaded(entry: EntryPoint) -> Any:
    """The command of an entry point, its errors as polite as ours."""
    command: Any = typer.main.get_command(entry.load())
    command.name, callback = entry.name, command.callback

    @functools.wraps(callback)
    def politely(*args: Any, **keywords: Any) -> Any:
        with polite():
            return callback(*args, **keywords)

    command.callback = politely
    return command


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Differentiable physics of neuromorphic devices: simulate them, fit them to measured traces.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def devices(
    as_json: Annotated[bool, typer.Option("--json", help="the whole catalogue for scripts")] = False,
    elements: Annotated[bool, typer.Option("--elements", help="with --json: elements and membranes, too")] = False,
) -> None:
    """List the devices with their states, parameters and presets; what circuits and membranes have; pulsed models.

    Example: `neurojax devices --json`
    """
    with polite():
        from neurojax.catalogue import describe, presets
        from neurojax.catalogue import devices as known
        from physics.pulsed_presets import PRESETS

        listed, own = known(elements=elements or not as_json), known()
        entries = [describe(cls) for cls in listed.values()]
        if as_json:
            print(json.dumps(entries, indent=2))
            return
        for e in sorted(entries, key=lambda e: e["name"] not in own):
            states = ", ".join(e["states"]) or "none"
            out.print(f"[bold]{e['name']}[/] ({', '.join(e['terminals'])}), {e['family']}; states {states}")
            out.print(f"  {e['summary']}\n  parameters: {', '.join(e['parameters'])}", highlight=False)
            if sets := presets(listed[e["name"]]):
                out.print(f"  presets: {', '.join(e['name'] + '.' + n for n in sets)}", highlight=False)
        out.print("[bold]Pulsed models without a mechanism[/], by name in physics.pulsed_presets.PRESETS")
        out.print(f"  {', '.join(PRESETS)}", highlight=False)


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
    name: Annotated[
        str, typer.Argument(help="engine, scaling, precision, fit, export, circuits, crossbar or programming")
    ],
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
