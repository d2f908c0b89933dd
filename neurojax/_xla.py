"""What XLA is told before it starts: loops over up to a thousand devices become one function of machine code each.

On a CPU XLA runs a program as a list of kernels and dispatches them one after the other, at up to a microsecond each. A
step of one device is two hundred kernels of a few nanoseconds. XLA knows another way, by itself for loops that touch
less than a kilobyte a turn: such a loop is one function. Up to 16 megabytes, which is some thousand devices, that is
faster, seven times for one device and 1.3 to 2 times for hundreds, each of whose kernels XLA would divide
among the cores; and it compiles faster, too.

And kernels that stay by themselves are translated directly, without a pass through MLIR (`EMITTERS`): a tenth to a
third of the time of compilation, and the same speed. XLA ends the process where it does not know a flag, so this one
is only given to versions of jaxlib that have been seen to know it.

Nothing else about a program changes but the rounding of its last digits, and loops that multiply matrices, scatter or
call libraries stay as they are. What XLA_FLAGS says already about one of the two is left alone: with 1024 bytes for the
first (`OPTION`) and true for the second all is as it was. XLA reads its flags once, when it first computes something:
after that an import of neurojax changes nothing.
"""

import os

from jaxlib.version import __version__ as VERSION

FLAG = "--xla_backend_extra_options"
OPTION = "xla_cpu_small_while_loop_byte_threshold"
BYTES = 2**24
EMITTERS = "--xla_cpu_use_fusion_emitters"
KNOWN = ((0, 10),)
"""Versions of jaxlib (major, minor) that know `EMITTERS`."""


def loops_in_one_piece() -> None:
    """Put both into XLA_FLAGS, unless these have something of the kind."""
    flags = os.environ.get("XLA_FLAGS", "")
    if FLAG not in flags:
        flags = f"{flags} {FLAG}={OPTION}={BYTES}"
    if EMITTERS not in flags and tuple(map(int, VERSION.split(".")[:2])) in KNOWN:
        flags = f"{flags} {EMITTERS}=false"
    os.environ["XLA_FLAGS"] = flags.strip()
