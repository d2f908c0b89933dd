"""The C of `_bench_c.py` that knows the device: parameters, rates, slopes, and the stages of Rodas4, as text.

Every function is a loop over lanes (EACH) between the arrays of `_bench_c.c`. The coefficients are those of
`_rodas.py`, the constants of the control those of `_lanes.py`.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

import numpy as np

from neurojax import _lanes, _rodas
from neurojax._dialects import C_DOUBLE, C_FLOAT, Dialect, write
from neurojax._expression import Node
from neurojax._source import Program


def c_sources(program: Program, dtype: Any, block: int) -> dict[str, str]:
    """The files of the reference: the loop, what it includes, by name."""
    names = ("rate", "jacobian", "by_voltage")
    dialect = C_FLOAT if np.dtype(dtype) == np.float32 else C_DOUBLE
    dialect = dataclasses.replace(dialect, forms={**dialect.forms, "exp": "soft_exp({0})", "expm1": "soft_expm1({0})"})
    early = [n for n in program.inputs if n.startswith("par_")]
    states, ports = program.outputs["by_voltage"].shape
    once = program.split(early, *names)
    sizes = {"STATES": states, "PORTS": ports, "PARAMS": len(early), "HOISTED": len(once), "BLOCK": block}
    sizes |= {"GAMMA": _rodas.GAMMA, "RAMP": _lanes.RAMP, "GROWTH": _lanes.GROWTH}
    sizes |= {"EXP_RANGE": float(np.floor(-np.log(np.finfo(dtype).tiny)))}
    sizes |= {"EXPM1_LEAST": float(np.floor(np.log(np.finfo(dtype).eps / 8)))}
    sizes |= {"EPSILON": float(np.finfo(dtype).eps), "HUGE_REAL": float(np.finfo(dtype).max)}
    listing = write(once, dialect)
    hoist = ["static void hoist(int l) {", *(f"    const real {n} = L[PAR + {k}][l];" for k, n in enumerate(early))]
    hoist += [f"    const real {a} = {b};" for a, b in listing.lines]
    hoist += [f"    L[PAR + PARAMS + {k}][l] = {root};" for k, root in enumerate(listing.roots)] + ["}"]
    functions = [
        *hoist,
        *_function("rates", program, {"F1": "rate"}, early, once, dialect),
        *_function("find_slopes", program, dict(zip(("F1", "J1", "D1"), names, strict=True)), early, once, dialect),
        *_step(states, ports),
    ]
    single = np.dtype(dtype) == np.float32
    sizes |= {"bits": "int" if single else "long long", "EXPONENT": "0x7f800000" if single else "0x7ff0000000000000LL"}
    header = ['#include "vectors.h"', *(f"#define {k} {v}" for k, v in sizes.items())]
    main = files("neurojax").joinpath("_bench_c.c").read_text(encoding="utf-8")
    return {"main.c": main, "sizes.h": "\n".join(header) + "\n", "device.h": "\n".join(functions) + "\n"}


def _function(
    name: str, program: Program, outputs: Mapping[str, str], early: list[str], once: list[Node], dialect: Dialect
) -> list[str]:
    """A loop over lanes from Y1, V1 to the arrays `outputs` (array in C -> output of the program)."""
    roots = {f"{a}[{k}][l]": n for a, o in outputs.items() for k, n in enumerate(program.outputs[o].ravel())}
    known = {node: f"once_{k}" for k, node in enumerate(once)}
    listing = write(roots.values(), dialect, known=known)
    states, ports = program.outputs["by_voltage"].shape
    volts = [n for n in program.inputs if n.startswith("volt")]
    loads = {n: f"L[PAR + {k}][l]" for k, n in enumerate(early)}
    loads |= {own: f"L[PAR + PARAMS + {k}][l]" for k, own in enumerate(known.values())}
    loads |= {f"state_{k}": f"Y1[{k}][l]" for k in range(states)}
    loads |= {volts[k]: f"V1[{k}][l]" for k in range(ports)}
    lines = [f"const real {a} = {b};" for a, b in [*loads.items(), *listing.lines]]
    lines += [f"{a} = {b};" for a, b in zip(roots, listing.roots, strict=True)]
    return [f"static __attribute__((noinline)) void {name}(int n) {{", *_loop(lines), "}"]


def _loop(lines: list[str]) -> list[str]:
    return ["    EACH {", *(f"        {line}" for line in lines), "    }"]


def _step(states: int, ports: int) -> list[str]:
    """take_step: the stages of Rodas4 for (I - gamma h J) u = gamma h (f + gamma_k h f_t) + gamma sum c u."""
    body = _loop(_matrix(states, ports) + _solved(0, states) + _following(1, states, ports))
    for k in range(1, _rodas.STAGES):
        after = _following(k + 1, states, ports) if k + 1 < _rodas.STAGES else _ends(states, ports)
        body += ["    rates(n);", *_loop(["const real h = SIZE[l];", *_solved(k, states), *after])]
    return ["static void take_step(int n) {", *body, "}"]


def _matrix(states: int, ports: int) -> list[str]:
    """Drift f_t of the moving voltage, and the inverse of I - gamma h J by cofactors."""
    lines = ["const real h = SIZE[l], scale = (real)GAMMA * h;"]
    for i in range(states):
        lines.append(f"DRIFT[{i}][l] = {_sum(f'L[D + {i * ports + p}][l] * L[SLOPE + {p}][l]' for p in range(ports))};")
        for j in range(states):
            lines.append(f"const real m_{i}_{j} = {int(i == j)} - scale * L[J + {i * states + j}][l];")
    everything = tuple(range(states))
    minors: dict[tuple, str] = {}
    whole = _minor(everything, everything, minors, lines)
    for i in range(states):
        for j in range(states):
            rows, columns = (tuple(k for k in everything if k != skip) for skip in (j, i))
            sign = "-" if (i + j) % 2 else ""
            lines.append(f"INVERSE[{i * states + j}][l] = {sign}{_minor(rows, columns, minors, lines)} / {whole};")
    return lines


def _minor(rows: tuple[int, ...], columns: tuple[int, ...], known: dict[tuple, str], lines: list[str]) -> str:
    if len(rows) < 2:
        return f"m_{rows[0]}_{columns[0]}" if rows else "1"
    if (rows, columns) not in known:
        parts = []
        for k, column in enumerate(columns):
            rest = _minor(rows[1:], columns[:k] + columns[k + 1 :], known, lines)
            parts.append(f"{'-' if k % 2 else '+'} m_{rows[0]}_{column} * {rest}")
        name = known[rows, columns] = f"minor_{len(known)}"
        lines.append(f"const real {name} = {' '.join(parts)};")
    return known[rows, columns]


def _solved(k: int, states: int) -> list[str]:
    """U[k] from the rates F1 (the first stage: from those that are kept)."""
    lines = []
    for i in range(states):
        rate = f"L[F + {i}][l]" if k == 0 else f"F1[{i}][l]"
        moved = f" + {_real(_rodas.GAMMAS[k])} * h * DRIFT[{i}][l]" if _rodas.GAMMAS[k] else ""
        lines.append(f"const real b_{i} = (real)GAMMA * (h * ({rate}{moved}){_mix(_rodas.C[k], i)});")
    for i in range(states):
        lines.append(f"U[{k}][{i}][l] = {_sum(f'INVERSE[{i * states + j}][l] * b_{j}' for j in range(states))};")
    return lines


def _following(k: int, states: int, ports: int) -> list[str]:
    """Where stage k asks for rates."""
    lines = [f"Y1[{i}][l] = L[Y + {i}][l]{_mix(_rodas.A[k], i)};" for i in range(states)]
    time = f"(L[TAU][l] + {_real(_rodas.ALPHA[k])} * h)"
    return lines + [f"V1[{p}][l] = L[V + {p}][l] + {time} * L[SLOPE + {p}][l];" for p in range(ports)]


def _ends(states: int, ports: int) -> list[str]:
    """The end of the step and the dense output; slopes are asked for there, before the first step at the start."""
    lines = []
    for i in range(states):
        lines.append(f"NEW[{i}][l] = L[Y + {i}][l]{_mix(_rodas.LAST, i)};")
        lines.append(f"BEND[{i}][l] = 0{_mix(_rodas.DENSE[0], i)};")
        lines.append(f"TWIST[{i}][l] = 0{_mix(_rodas.DENSE[1], i)};")
        lines.append(f"Y1[{i}][l] = L[STARTING][l] > 0 ? L[Y + {i}][l] : NEW[{i}][l];")
    for p in range(ports):
        lines.append(f"const real v_{p} = L[V + {p}][l] + (L[TAU][l] + h) * L[SLOPE + {p}][l];")
        lines.append(f"const real w_{p} = END[l] > 0 ? L[BEYOND + {p}][l] : v_{p};")
        lines.append(f"V1[{p}][l] = L[STARTING][l] > 0 ? L[V + {p}][l] : w_{p};")
    return lines


def _mix(weights: np.ndarray, i: int) -> str:
    return "".join(f" + {_real(w)} * U[{j}][{i}][l]" for j, w in enumerate(weights) if w)


def _sum(parts: Iterable[str]) -> str:
    return " + ".join(parts)


def _real(value: Any) -> str:
    return f"(real){float(value)!r}"
