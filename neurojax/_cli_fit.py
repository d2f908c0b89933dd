"""The command `neurojax fit`: from files to traces, from options to fits."""

from pathlib import Path
from typing import Annotated, Any

import typer

from neurojax._console import assignments, out, polite, show

Text = typer.Option


def fit(
    data: Annotated[list[Path], typer.Argument(help="CSV files with time, voltage, current (or pulses and readings)")],
    model: Annotated[list[str], Text(help="device, or device.preset; repeat, or 'all'")] = ["all"],  # noqa: B006
    output: Annotated[Path, Text("--output", "-o", help="folder for the report")] = Path("report"),
    free: Annotated[str | None, Text(help="parameters to vary, separated by commas")] = None,
    per_trace: Annotated[str | None, Text(help="those that take a value of their own in each file")] = None,
    assign: Annotated[list[str], Text("--set", help="name=value to start from or hold")] = [],  # noqa: B006
    column: Annotated[list[str], Text(help="role=column name, e.g. i='Drain current'")] = [],  # noqa: B006
    sweep_rate: Annotated[float | None, Text(help="V/s, if the file has no time")] = None,
    flip: Annotated[bool, Text("--flip", help="the instrument counts the current out of the device")] = False,
    offset: Annotated[float, Text(help="current to subtract (A)")] = 0.0,
    fit_offset: Annotated[bool, Text("--fit-offset", help="fit the offset of the ammeter")] = False,
    pulses: Annotated[bool, Text("--pulses", help="one reading after each pulse")] = False,
    ramps: Annotated[bool, Text("--ramps", help="each column is a ramp of equal pulses; their mean is fitted")] = False,
    average: Annotated[bool, Text("--average", help="the pulses repeat one sequence; its mean is fitted")] = False,
    amplitude: Annotated[list[float], Text(help="pulse amplitude (V) of ramps; once, or for each file")] = [],  # noqa: B006
    width: Annotated[float | None, Text(help="pulse width (s), if there is no such column")] = None,
    v_read: Annotated[float, Text(help="voltage of the reading (V)")] = 0.1,
    independent: Annotated[bool, Text("--independent", help="the device is initialised before each pulse")] = False,
    noise: Annotated[float | None, Text(help="relative noise of a reading, if known (0.02 is 2 %)")] = None,
    residual: Annotated[str, Text(help="asinh (decades count alike) or linear")] = "asinh",
    series_resistance: Annotated[float | None, Text(help="ohm in series, fitted from this value")] = None,
    compliance: Annotated[float | None, Text(help="current limit of the instrument (A)")] = None,
    temperature: Annotated[float, Text(help="ambient (K)")] = 300.0,
    starts: Annotated[int, Text(help="number of searches")] = 8,
    holdout: Annotated[float, Text(help="fraction of samples (of ramps: of ramps) kept back and predicted")] = 0.2,
    seed: Annotated[int, Text(help="seed of the random starts")] = 0,
    resume: Annotated[bool, Text(help="save every iteration in the folder and resume from there")] = True,
) -> None:
    """Fit physical models to measured traces, rank them, and write a report.

    Examples: `neurojax fit mydata.csv` tries every model; `neurojax fit mydata.csv --model Vteam -o report/`;
    `neurojax fit pulses.csv --pulses --width 1e-6 --average --model PhaseChangeCell.partial_reset`
    """
    with polite():
        import jax
        import jax.numpy as jnp

        from neurojax import report
        from neurojax.instrument import Instrument
        from physics.device import Environment

        options: dict[str, Any] = dict(holdout=holdout)
        if ramps:
            traces, options = _ramps(data, amplitude, width, v_read, holdout)
        else:
            reading = dict(
                columns={role: title for role, _, title in (c.partition("=") for c in column)}, v_read=v_read,
                sweep_rate=sweep_rate, sign=-1 if flip else 1, offset=offset, pulse=pulses, width=width,
                independent=independent,
            )  # fmt: skip
            traces = [_read(path, average, noise, reading) for path in data]
        for trace in (*traces, *options.get("unseen", ())):
            out.print(repr(trace), highlight=False)
            for note in trace.notes:
                out.print(f"note: {note}", highlight=False)
        instrument = Instrument(series_resistance, compliance, 0.0 if fit_offset else None)
        output.mkdir(parents=True, exist_ok=True)
        ranking = _fit_models(
            traces, model, assignments(assign), output if resume else None, n_starts=starts, residual=residual,
            instrument=instrument, env=Environment(temperature=jnp.asarray(temperature)), key=jax.random.key(seed),
            free=_names(free, series_resistance, fit_offset), per_trace=_names(per_trace) or (), **options,
        )  # fmt: skip
        show(ranking, report.write(output, ranking))


def _names(listed: str | None, series_resistance: float | None = None, offset: bool = False) -> tuple[str, ...] | None:
    """Names separated by commas, and those of the measuring circuit that are asked for."""
    if listed is None:
        return None
    circuit = (("instrument.series_resistance", series_resistance is not None), ("instrument.offset", offset))
    names = [n.strip() for n in listed.split(",")]
    return tuple(names + [n for n, asked in circuit if asked and n not in names])


def _read(path: Path, average: bool, noise: float | None, reading: dict[str, Any]) -> Any:
    """One file as a trace; the mean of its sequences if asked."""
    import dataclasses

    from neurojax.csvfile import read_csv
    from neurojax.errors import DataError
    from neurojax.pulses import PulseTrace
    from neurojax.repeats import mean_repeats

    trace = read_csv(path, **reading)
    if average and not isinstance(trace, PulseTrace):
        raise DataError(f"{path}: --average takes pulses that repeat one sequence; add --pulses --width SECONDS.")
    trace = mean_repeats(trace) if isinstance(trace, PulseTrace) and average else trace
    if noise is None:
        return trace
    return dataclasses.replace(trace, noise_relative=noise, sigma=None)


def _ramps(paths, amplitudes, width, v_read, holdout) -> tuple[list[Any], dict[str, Any]]:
    """Means of the ramps of each file: those that are fitted, and those kept back."""
    from neurojax.csvfile import read_ramps
    from neurojax.errors import DataError
    from neurojax.repeats import mean_ramp

    if width is None or len(amplitudes) not in (1, len(paths)):
        raise DataError("--ramps needs --width SECONDS and --amplitude VOLTS (once, or for each file in turn).")
    if not 0 <= holdout <= 0.5:
        raise DataError(f"--holdout {holdout}: of ramps, 0 to 0.5 can be kept back (0.2 is every fifth).")
    heights = amplitudes * len(paths) if len(amplitudes) == 1 else amplitudes
    traces, unseen = [], []
    for path, height in zip(paths, heights, strict=True):
        all_ramps = read_ramps(path, amplitude=height, width=width, v_read=v_read)
        every = round(1 / holdout) if holdout else len(all_ramps) + 1
        kept = [r for k, r in enumerate(all_ramps) if k % every == every - 1]
        traces.append(
            mean_ramp([r for k, r in enumerate(all_ramps) if k % every != every - 1], path.stem, scatter="overall")
        )
        unseen += [mean_ramp(kept, f"{path.stem}, kept back", scatter="overall")] if holdout else []
    return traces, dict(unseen=unseen, holdout=0.0)


def _fit_models(traces, names, values, folder, **keywords):
    """Like `compare`, with checkpoints per model and the values only where a model has them."""
    from neurojax.catalogue import device_named
    from neurojax.catalogue import devices as known
    from neurojax.compare import compare
    from neurojax.errors import DataError
    from neurojax.pulses import PulseTrace

    # Pulses go to the gate of three terminals; a sweep of one voltage is for two.
    everything = [n for n, c in known().items() if isinstance(traces[0], PulseTrace) or len(c.terminals) == 2]
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
    ranking = compare(traces, chosen, options=options, **keywords)
    if folder is not None:
        for device in chosen:
            (folder / f"{type(device).__name__}.search.npz").unlink(missing_ok=True)
    return ranking
