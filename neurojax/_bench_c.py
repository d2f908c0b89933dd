"""What a compiler can do with our equations: Rodas4 in C, on one core, the bound of `neurojax bench engine`.

    reference = build(members, block=64)                 the C of this device, written and compiled on the spot
    answer = reference.run(wave, ts, rtol, atol)         states at the samples, as `simulate` gives them

The loop is `_bench_c.c`, by hand, with a plain step control: it does not watch jumps, the ends of segments and the
curve between samples as `stiff.py` does, which is its advantage in time. Rate, slopes and stages come as text from
`_bench_ctext.py`. What depends on parameters alone is computed once a device. All loops over lanes vectorise, the
exponentials in them too where the C library has vectors of them.
"""

import ctypes
import dataclasses
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from neurojax._bench_ctext import c_sources
from neurojax._dialects import C_PRELUDE
from neurojax._source import device_program
from neurojax.errors import NeurojaxError
from neurojax.waveform import Waveform
from physics.device import AbstractDevice, Environment
from physics.quantity import parameters

_FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-freciprocal-math", "-fno-signed-zeros",
          "-fno-thread-jumps",
          "-fopenmp-simd", "-fPIC", "-shared")  # fmt: skip
_OLD = ("exp", "log", "sin", "cos", "pow")
_NEW = (*_OLD, "log1p", "expm1", "exp2", "cbrt", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh",
        "acosh", "atanh")  # fmt: skip
"""Functions of vectors in the C library of GNU: from 2.22 and from 2.35 on."""


class NoCompilerError(NeurojaxError, RuntimeError):
    """There is no C compiler, or it refuses what we wrote."""


class Answer(NamedTuple):
    """States at the samples (members, samples, n), steps tried, codes of `stiff.py`; rounds of the loop."""

    y: np.ndarray
    steps: np.ndarray
    code: np.ndarray
    rounds: int


def compile_c(sources: Mapping[str, str], dtype: Any = np.float64) -> ctypes.CDLL:
    """Compile and load the C in `sources` (file name -> text, "main.c" first among them).

    `real` is the type of `dtype`; VECTORS declares the functions of vectors that the C library has.

    Raises:
        NoCompilerError: neither gcc nor cc is on the path, or the text does not compile.
    """
    gcc = shutil.which("gcc") or shutil.which("cc")
    if gcc is None:
        raise NoCompilerError("no C compiler: neither gcc nor cc is on the path.")
    suffix = "f" if np.dtype(dtype) == np.float32 else ""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder, done = Path(name), None
        for file, text in sources.items():
            (folder / file).write_text(text, encoding="utf-8")
        # The newest functions of vectors first; an old C library lacks some, another has none.
        for functions, libraries in ((_NEW, ["-lmvec"]), (_OLD, ["-lmvec"]), ((), [])):
            (folder / "vectors.h").write_text(_vectors(functions, suffix), encoding="utf-8")
            target = folder / "main.so"
            command = [gcc, *_FLAGS, "main.c", "-Wl,--no-undefined", *libraries, "-lm", "-o", str(target)]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return ctypes.CDLL(str(target))
    raise NoCompilerError(f"{gcc} could not compile the reference: {done.stderr[:500] if done else ''}")


def _vectors(functions: Iterable[str], suffix: str) -> str:
    real = "float" if suffix else "double"
    lines = [
        f"typedef {real} real;",
        "#include <math.h>",
        *(f"#define {n.upper()} {n}{suffix}" for n in ("exp", "expm1", "log")),
    ]
    for name in functions:
        arguments = f"{real}, {real}" if name == "pow" else real
        lines.append(f'__attribute__((simd("notinbranch"))) extern {real} {name}{suffix}({arguments});')
    return "\n".join([*lines, C_PRELUDE])


@dataclasses.dataclass(frozen=True)
class Reference:
    """A compiled loop for one population. Parameters and initial states are those of the members."""

    library: ctypes.CDLL
    par: np.ndarray
    y0: np.ndarray
    dtype: Any

    def run(
        self,
        wave: Waveform,
        ts: Any,
        rtol: float = 1e-6,
        atol: float = 1e-8,
        *,
        max_steps: int = 2**16,
        window: int = 0,
    ) -> Answer:
        """All members under one waveform.

        Args:
            ts: sample times (s). window: samples that one step may pass, any number if 0.
        """
        samples, (states, devices) = np.ascontiguousarray(ts, dtype=float), self.y0.shape
        out = np.full((devices, samples.size, states), np.nan, self.dtype)
        steps, code = np.zeros(devices, np.int32), np.zeros(devices, np.int32)
        tables = self._segments(wave)
        eps = float(np.finfo(self.dtype).eps)
        job = _Job(
            devices, tables["start"].size, samples.size, window,
            *(tables[k].ctypes.data for k in ("start", "length")), samples.ctypes.data,
            *(tables[k].ctypes.data for k in ("v", "slope", "beyond")), self.par.ctypes.data, self.y0.ctypes.data,
            max(rtol, 64 * eps), max(atol, 8 * eps), float(np.abs(samples).max() + np.ptp(wave.knots)), max_steps,
            out.ctypes.data, steps.ctypes.data, code.ctypes.data,
        )  # fmt: skip
        self.library.integrate.restype = ctypes.c_long
        return Answer(out, steps, code, int(self.library.integrate(ctypes.byref(job))))

    def _segments(self, wave: Waveform) -> dict[str, np.ndarray]:
        """Pieces that have a length: start, length (s), voltage, its slope, and the voltage just behind the end."""
        t, v = np.asarray(wave.t, dtype=float), np.asarray(wave.v, dtype=float).reshape(len(wave.t), -1)
        k = np.flatnonzero(np.diff(t) > 0)
        slope = (v[k + 1] - v[k]) / (t[k + 1] - t[k])[:, None]
        beyond = np.concatenate([v[k[1:]], v[-1:]])
        own = {name: np.ascontiguousarray(a, self.dtype) for name, a in (("v", v[k]), ("slope", slope))}
        return own | {"start": t[k], "length": t[k + 1] - t[k], "beyond": np.ascontiguousarray(beyond, self.dtype)}


class _Job(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_long) for name in ("devices", "segments", "samples", "window")),
        *((name, ctypes.c_void_p) for name in ("start", "length", "ts", "v", "slope", "beyond", "par", "y0")),
        *((name, ctypes.c_double) for name in ("rtol", "atol", "horizon")),
        ("max_steps", ctypes.c_int),
        *((name, ctypes.c_void_p) for name in ("out", "steps", "code")),
    ]


def build(
    members: AbstractDevice, *, env: Environment | None = None, dtype: Any = np.float64, block: int = 64
) -> Reference:
    """Write and compile the loop for a population (every parameter with a leading axis is read, the rest folded).

    Args:
        dtype: float64 or float32. block: lanes that step together, a multiple of 16.

    Raises:
        NoCompilerError: see `compile_c`. UnsupportedError: the device solves an inner equation.
    """
    env = Environment() if env is None else env
    values = {n: np.asarray(p.value) for n, p in parameters(members).items() if p.value.ndim}
    size = max((v.size for v in values.values()), default=1)
    axes = jax.tree.map(lambda a: 0 if getattr(a, "ndim", 0) else None, members)
    start = jax.vmap(lambda m: ravel_pytree(m.init(env))[0], in_axes=(axes,), axis_size=size)
    y0 = np.asarray(start(members)).T if values else np.asarray(ravel_pytree(members.init(env))[0])[:, None]
    par = np.stack(list(values.values())) if values else np.zeros((0, 1))
    sources = c_sources(device_program(members, tuple(values), env=env), dtype, block)
    return Reference(compile_c(sources, dtype), np.array(par, dtype, order="C"), np.array(y0, dtype, order="C"), dtype)
