"""The command line: `neurojax devices | simulate | fit | demo`. Every error is a sentence, exit code 1."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Differentiable physics of neuromorphic devices: simulate them, fit them to measured traces.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
out, err = Console(), Console(stderr=True)


@contextlib.contextmanager
def _polite() -> Iterator[None]:
    """Turn the errors we raise on purpose into one line and exit code 1; run in float64."""
    import jax

    jax.config.update("jax_enable_x64", True)
    from neurojax.errors import NeurojaxError

    try:
        yield
    except (NeurojaxError, KeyError, ValueError) as error:
        message = error.args[0] if error.args else error
        err.print("error:", style="bold red", end=" ")
        err.print(str(message), highlight=False, soft_wrap=True, markup=False)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        err.print("interrupted")
        raise typer.Exit(130) from None


def _assignments(pairs: list[str]) -> dict[str, float]:
    from neurojax.errors import DataError

    values = {}
    for pair in pairs:
        name, mark, number = pair.partition("=")
        try:
            values[name.strip()] = float(number)
        except ValueError:
            raise DataError(f"--set {pair!r}: write name=number in SI units, as in --set r_on=120.") from None
        if not mark:
            raise DataError(f"--set {pair!r}: write name=number.")
    return values


@app.command()
def devices(as_json: Annotated[bool, typer.Option("--json", help="the whole catalogue for scripts")] = False) -> None:
    """List the devices with their states and parameters.

    Example: `neurojax devices --json`
    """
    with _polite():
        from neurojax.catalogue import describe
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
    with _polite():
        from neurojax.catalogue import device_named
        from neurojax.simulate import simulate as run

        chosen = device_named(device)
        chosen = chosen.replace(**_assignments(assign))
        record = run(chosen, _waveform(waveform, chosen))
        out.print(repr(record), highlight=False)
        if output:
            record.to_csv(output)
        if plot:
            record.plot(kind=kind).figure.savefig(plot, dpi=140)


@app.command()
def fit(
    data: Annotated[Path, typer.Argument(help="CSV file with time, voltage and current (or pulses and readings)")],
    model: Annotated[list[str], typer.Option(help="device to fit; repeat, or 'all'")] = ["all"],  # noqa: B006
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for the report")] = Path("report"),
    free: Annotated[str | None, typer.Option(help="parameters to vary, separated by commas")] = None,
    assign: Annotated[list[str], typer.Option("--set", help="name=value to start from or hold")] = [],  # noqa: B006
    column: Annotated[list[str], typer.Option(help="role=column name, e.g. i='Drain current'")] = [],  # noqa: B006
    sweep_rate: Annotated[float | None, typer.Option(help="V/s, if the file has no time")] = None,
    flip: Annotated[bool, typer.Option("--flip", help="the instrument counts the current out of the device")] = False,
    offset: Annotated[float, typer.Option(help="current to subtract (A)")] = 0.0,
    pulses: Annotated[bool, typer.Option("--pulses", help="the file holds one reading after each pulse")] = False,
    width: Annotated[float | None, typer.Option(help="pulse width (s), if there is no such column")] = None,
    v_read: Annotated[float, typer.Option(help="voltage of the reading (V)")] = 0.1,
    independent: Annotated[
        bool, typer.Option("--independent", help="the device is initialised before each pulse")
    ] = False,
    series_resistance: Annotated[float | None, typer.Option(help="ohm in series, fitted from this value")] = None,
    compliance: Annotated[float | None, typer.Option(help="current limit of the instrument (A)")] = None,
    starts: Annotated[int, typer.Option(help="number of searches")] = 8,
    holdout: Annotated[float, typer.Option(help="fraction of the samples kept back")] = 0.2,
    seed: Annotated[int, typer.Option(help="seed of the random starts")] = 0,
    resume: Annotated[bool, typer.Option(help="save every iteration in the folder and resume from there")] = True,
) -> None:
    """Fit physical models to a measured trace, rank them, and write a report.

    Examples: `neurojax fit mydata.csv` tries every model; `neurojax fit mydata.csv --model Vteam -o report/`
    """
    with _polite():
        import jax

        from neurojax import report
        from neurojax.instrument import Instrument

        roles = {role: title for role, _, title in (c.partition("=") for c in column)}
        from neurojax.csvfile import read_csv

        trace = read_csv(
            data, columns=roles, sweep_rate=sweep_rate, sign=-1 if flip else 1, offset=offset, pulse=pulses,
            width=width, v_read=v_read, independent=independent,
        )  # fmt: skip
        out.print(repr(trace), highlight=False)
        for note in trace.notes:
            out.print(f"note: {note}", highlight=False)
        instrument = Instrument(series_resistance=series_resistance, compliance=compliance)
        output.mkdir(parents=True, exist_ok=True)
        ranking = _fit_models(
            trace, model, _assignments(assign), output if resume else None, n_starts=starts, holdout=holdout,
            instrument=instrument, key=jax.random.key(seed), free=None if free is None else tuple(free.split(",")),
        )  # fmt: skip
        _show(ranking, report.write(output, ranking))


def _fit_models(trace, names, values, folder, **keywords):
    """Like `compare`, with checkpoints per model and the values only where a model has them."""
    from neurojax.catalogue import device_named
    from neurojax.catalogue import devices as known
    from neurojax.compare import compare
    from neurojax.errors import DataError

    everything = [n for n, cls in known().items() if len(cls.terminals) == 2]
    chosen = [device_named(n) for n in (everything if "all" in names else names)]
    options: dict[str, dict[str, Any]] = {}
    for k, device in enumerate(chosen):
        ours = {n: v for n, v in values.items() if n in device.parameters()}
        chosen[k] = device.replace(**ours)
        name = type(device).__name__
        options[name] = {} if folder is None else {"checkpoint": folder / f"{name}.search.npz"}
    unknown = [n for n in values if not any(n in d.parameters() for d in chosen)]
    if unknown:
        raise DataError(f"--set {unknown[0]}: no chosen model has that parameter.")
    ranking = compare([trace], chosen, options=options, **keywords)
    if folder is not None:
        for device in chosen:
            (folder / f"{type(device).__name__}.search.npz").unlink(missing_ok=True)
    return ranking


def _show(ranking, page: Path) -> None:
    if len(ranking.rows) > 1:
        out.print(repr(ranking), highlight=False)
    out.print(ranking.best.summary(), highlight=False)
    out.print(f"report: {page}", highlight=False)


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for the report")] = Path("demo_report"),
) -> None:
    """Fit an embedded noisy trace, whose truth is known, with competing models.

    Example: `neurojax demo -o demo_report`
    """
    with _polite():
        from neurojax.demo import TRUTH, demonstrate

        ranking = demonstrate(output)
        _show(ranking, output / "report.html")
        out.print("the truth behind the trace, and how far the fit is from it:")
        for name, true in TRUTH.items():
            e = ranking.fits["Vteam"].estimates[name]
            out.print(f"  {name:<6} {true:>10.5g} {e.unit:<4} {(e.value - true) / e.std:+.2f} std", highlight=False)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="engine (the integrator) or fit")],
    as_json: Annotated[bool, typer.Option("--json", help="for scripts")] = False,
) -> None:
    """Measure ours against others side by side, as ratios.

    Example: `neurojax bench engine --json`
    """
    with _polite():
        from neurojax.bench import BENCHES
        from neurojax.errors import DataError
        from physics.quantity import suggest

        if name not in BENCHES:
            raise DataError(f"there is no benchmark {name!r}.{suggest(name, tuple(BENCHES))}")
        if as_json:
            print(json.dumps([dataclasses.asdict(r) for r in BENCHES[name]()], indent=2))
            return
        for r in BENCHES[name]():
            errors = "" if r.our_error is None else f"; error {r.our_error:.2g} against {r.other_error:.2g}"
            note = f" ({r.note})" if r.note else ""
            out.print(f"{r.case:<36} {r.times_faster:>8.3g} times {r.other}{errors}{note}", highlight=False)


if __name__ == "__main__":
    app()
