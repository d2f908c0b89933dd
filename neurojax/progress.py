"""Signs of life: nothing for two seconds, then a line that says what is going on."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

DELAY = 2.0


@contextlib.contextmanager
def after_a_while(label: str, total: int | None = None, *, enabled: bool = True) -> Iterator[Callable[..., None]]:
    """A progress bar that appears after two seconds of work, on a terminal only.

    Yields a function `update(done=None, text=None)`. Nothing is printed when standard error is not a
    terminal, so logs stay clean.
    """
    if not (enabled and sys.stderr.isatty()):
        yield lambda done=None, text=None: None
        return
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task(label, total=total)
    finished = threading.Event()
    started = time.monotonic()

    def show() -> None:
        if not finished.wait(DELAY - (time.monotonic() - started)):
            bar.start()

    waiter = threading.Thread(target=show, daemon=True)
    waiter.start()

    def update(done: int | None = None, text: str | None = None) -> None:
        bar.update(task, completed=done, description=text or label)

    try:
        yield update
    finally:
        finished.set()
        waiter.join()
        bar.stop()
