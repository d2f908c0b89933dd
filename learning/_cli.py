"""The command `neurojax run`: an experiment from the command line, resumed where it was killed.

It is found by the entry point `run` of the group `neurojax.commands`, so that neurojax need not know of learning.
"""

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

app = typer.Typer()
out = Console()


@app.command(context_settings={"ignore_unknown_options": True})
def run(
    experiment: Annotated[str, typer.Argument(help="x1, x2, ...; without one, what there is")] = "",
    options: Annotated[list[str] | None, typer.Argument(help="its own, --name value")] = None,
    seeds: Annotated[int, typer.Option(help="runs of each method")] = 5,
    output: Annotated[Path, typer.Option("--output", "-o", help="folder; a killed run goes on from there")] = Path(
        "out"
    ),
) -> None:
    """Run an experiment: gradient beside hand designs, random search and evolution. Its own options follow.

    Examples: `neurojax run`; `neurojax run x1 --seeds 5 -o out/`; `neurojax run x1 --device leaky --task narma10`
    """
    known = experiments()
    if not experiment:
        for name, module in known.items():
            function = _runner(name, known)
            out.print(f"[bold]{name}[/] {_summary(function)}", highlight=False)
            out.print(f"  {module}: {', '.join(_options(function))}", highlight=False, markup=False)
        return
    function = _runner(experiment, known)
    report = function(seeds=seeds, output=output, **_given(options or [], function))
    out.print(report)
    for path in write(report, output):
        out.print(f"written: {path}", highlight=False)


def experiments() -> dict[str, str]:
    """Modules of the experiments by name: a module `learning.experiments.x1_report` with a `run` is x1."""
    import learning.experiments as folder

    found: dict[str, str] = {}
    for info in pkgutil.iter_modules(folder.__path__):
        name, _, rest = info.name.partition("_")
        if rest and name[:1] == "x" and name[1:].isdigit():
            module = f"{folder.__name__}.{info.name}"
            if hasattr(importlib.import_module(module), "run"):
                found[name] = module
    return found


def write(report: Any, output: Path) -> list[Path]:
    """The report as report.json and, where it can be drawn, report.png in `output`."""
    from learning.codesign import write_json

    written = [write_json(output / "report.json", report.to_dict())]
    if hasattr(report, "plot"):
        written.append(output / "report.png")
        report.plot().figure.savefig(written[-1], dpi=140)
    return written


def _runner(name: str, known: dict[str, str]) -> Callable[..., Any]:
    from neurojax.errors import DesignError
    from physics.quantity import suggest

    if name not in known:
        raise DesignError(f"there is no experiment {name!r}.{suggest(name, tuple(known))}")
    return importlib.import_module(known[name]).run


def _summary(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def _options(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Keyword arguments of an experiment that the command line gives, by option."""
    own = inspect.signature(function).parameters
    return {f"--{n.replace('_', '-')}": p for n, p in own.items() if n not in ("seeds", "output")}


def _given(words: list[str], function: Callable[..., Any]) -> dict[str, Any]:
    """Pairs of option and value, each value of the kind of the default."""
    from neurojax.errors import DesignError
    from physics.quantity import suggest

    known, values = _options(function), {}
    pairs = [w for word in words for w in (word.split("=", 1) if word.startswith("--") else [word])]
    for option, text in zip(pairs[::2], [*pairs[1::2], *[None] * (len(pairs) % 2)], strict=True):
        if option not in known:
            raise DesignError(f"{option} is no option of this experiment.{suggest(option, tuple(known))}")
        if text is None:
            raise DesignError(f"{option} needs a value, as in {option} {known[option].default}.")
        values[known[option].name] = _read(option, text, known[option].default)
    return values


def _read(option: str, text: str, default: Any) -> Any:
    from neurojax.errors import DesignError

    if isinstance(default, str) or default is None:
        return text
    try:
        value = json.loads(text.lower())
        if isinstance(value, bool) is isinstance(default, bool):
            return type(default)(value)
    except (ValueError, TypeError):
        value = None
    raise DesignError(f"{option} {text}: give a value like {str(default).lower()}.") from None
