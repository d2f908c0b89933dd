"""No collection of garbage while a function is traced.

A trace makes millions of objects, nearly all of which live until it is done; Python looks through them, and through
all that was imported, again and again, for a fifth of the time that tracing takes.
"""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Garbage waits until the end; in other threads, too, unless one of them leaves first."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
