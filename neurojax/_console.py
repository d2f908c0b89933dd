"""What the commands share: consoles, polite errors, values on the command line."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import typer
from rich.console import Console

from neurojax._malloc import keep_memory

out, err = Console(), Console(stderr=True)


@contextlib.contextmanager
def polite() -> Iterator[None]:
    """Turn the errors we raise on purpose into one line and exit code 1; run in float64, and keep large memory."""
    import jax

    keep_memory()
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


def assignments(pairs: list[str]) -> dict[str, float]:
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


def show(ranking, page: Path) -> None:
    """The ranking, the best fit and where the report lies."""
    if len(ranking.rows) > 1:
        out.print(repr(ranking), highlight=False)
    out.print(ranking.best.summary(), highlight=False)
    out.print(f"report: {page}", highlight=False)
