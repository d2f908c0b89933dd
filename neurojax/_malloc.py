"""What the C library is told in a process of our own: keep large blocks of memory rather than hand them back.

XLA on a CPU allocates the memory of a program anew at each call. Beyond 32 MiB, glibc asks the kernel for it every
time, who clears each page of it when it is first touched: a sixth of the time of a gradient of 256 devices. Only the
command line does this, as an import must not change how memory is managed; elsewhere `VARIABLES` do it.
"""

import ctypes
import os
import sys

KEEP, TRIM = 2**26, 2**27
"""Blocks up to so many bytes are kept; beyond so many free bytes at the end, they are handed back after all."""
VARIABLES = {"MALLOC_TRIM_THRESHOLD_": (-1, TRIM), "MALLOC_MMAP_THRESHOLD_": (-3, KEEP)}
"""Variables by which glibc is told so from outside: the number of each in mallopt, and our value."""


def keep_memory() -> bool:
    """Tell glibc, unless the environment does; whether that was done (on Linux with glibc only)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None or any(name in os.environ for name in VARIABLES):
        return False
    return all([mallopt(number, value) == 1 for number, value in VARIABLES.values()])
