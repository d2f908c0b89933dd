"""The rows of `neurojax bench crossbar`: reads of arrays with wires beside others, with and without the gradient.

Theirs are SciPy's SuperLU on the sparse equations of all nodes (assembly, factors and solution, symmetric ordering,
64 inputs with one factorisation), badcrossbar, and ngspice .op for nonlinear cells. Conductances are log-uniform from
1 to 100 uS unless a row says otherwise. Errors are of all node voltages beside SuperLU, over the largest input.
The last row, over eight devices, is in `_bench_sharded.py`.
"""

import contextlib
import io
import math
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as linalg

from neurojax import _bench_sharded
from neurojax._ngspice import NgspiceError, spice
from neurojax.bench import Row, in_turn
from neurojax.crossbar import Crossbar, Wires
from physics.switches import Selector

RTOL = 1e-10
OHM, STRONG = 2.0, 5.0
"""A segment; that of the adverse pattern."""
SIZES, MANY = (64, 128, 256, 512), 64
NONLINEAR, IN_NGSPICE = (64, 128), 64
SLOPE = 0.1
"""V of sinh cells: i = i_0 sinh(v/v_0)."""


def rows() -> Iterator[Row]:
    """All comparisons; some minutes."""
    for n in SIZES:
        yield _one_input(n)
    for many in (1, MANY):
        for n in SIZES:
            yield _badcrossbar(n, many)
    for n in SIZES:
        yield _many_inputs(n)
    for n in SIZES:
        yield _gradient(n, 1)
    yield _gradient(128, MANY)
    yield _adverse(512)
    for n in NONLINEAR:
        yield _nonlinear(n)
    yield _ngspice(IN_NGSPICE)
    yield from _scaling()
    yield _bench_sharded.row()


def pattern(n: int, *, rows: bool = False, seed: int = 0) -> np.ndarray:
    """Conductances (S), (n, n), log-uniform; with three rows of ten at 1 mS if `rows`."""
    rng = np.random.default_rng(seed)
    g = 10 ** rng.uniform(-6, -4, (n, n))
    if rows:
        g[rng.random(n) < 0.3] = 1e-3
    return g


def inputs(n: int, many: int = 1) -> np.ndarray:
    """V, (many, n)."""
    return np.random.default_rng(1).uniform(0, 0.3, (many, n))


def equations(g: np.ndarray, ohm: float) -> Any:
    """Nodal equations of an array with `ohm` in every segment: rows first, then columns."""
    n, m = g.shape
    row, column = np.arange(n * m).reshape(n, m), n * m + np.arange(n * m).reshape(n, m)
    pairs = [(row, column, g), (row[:, :-1], row[:, 1:], 1 / ohm), (column[:-1], column[1:], 1 / ohm)]
    a, b, y = (np.concatenate([np.ravel(np.broadcast_to(p[k], p[0].shape)) for p in pairs]) for k in range(3))
    held = np.concatenate([row[:, 0], column[-1]])
    i = np.concatenate([a, b, a, b, held])
    j = np.concatenate([a, b, b, a, held])
    y = np.concatenate([y, y, -y, -y, np.full(len(held), 1 / ohm)])
    return sp.coo_matrix((y, (i, j)), (2 * n * m, 2 * n * m)).tocsc()


def superlu(matrix: Any) -> Any:
    """Factors, with the ordering for symmetric matrices."""
    options = dict(SymmetricMode=True)
    return linalg.splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)


def sources(v: np.ndarray, m: int, ohm: float) -> np.ndarray:
    """Right-hand sides, (nodes, many)."""
    many, n = v.shape
    b = np.zeros((2 * n * m, many))
    b[np.arange(n) * m] = v.T / ohm
    return b


def exact(g: np.ndarray, v: np.ndarray, ohm: float) -> np.ndarray:
    """Node voltages by SuperLU, (nodes, many)."""
    return superlu(equations(g, ohm)).solve(sources(v, g.shape[1], ohm))


def newton_superlu(i_0: np.ndarray, v: np.ndarray, ohm: float) -> np.ndarray:
    """The same for sinh cells, by Newton's method from no voltages, each step one factorisation."""
    n, m = i_0.shape
    b, x = sources(v, m, ohm)[:, 0], np.zeros(2 * n * m)
    lines = equations(np.zeros_like(i_0), ohm)
    for _ in range(50):
        d = x[: n * m] - x[n * m :]
        i, g = i_0.ravel() * np.sinh(d / SLOPE), i_0.ravel() / SLOPE * np.cosh(d / SLOPE)
        wrong = lines @ x - b + np.concatenate([i, -i])
        step = superlu(equations(g.reshape(n, m), ohm)).solve(wrong)
        x = x - step
        if np.max(np.abs(step)) < 1e-9 * np.max(np.abs(v)):
            break
    return x[:, None]


def _volts(reading: Any) -> np.ndarray:
    many = reading.residual.size
    both = [np.asarray(a).reshape(many, -1) for a in (reading.v_rows, reading.v_columns)]
    return np.concatenate(both, axis=1).T


def _array(g: np.ndarray, ohm: float) -> Crossbar:
    return Crossbar(jnp.asarray(g), Wires.uniform(ohm))


def _reader(array: Crossbar, v: np.ndarray) -> Callable[[], Any]:
    return lambda: jax.block_until_ready(array.read(v, rtol=RTOL))


def _case(n: int, many: int = 1, what: str = "") -> str:
    return f"{n} x {n}, {many} input{'s' if many > 1 else ''}{what}"


def _one_input(n: int) -> Row:
    g, v = pattern(n), inputs(n)
    ratio, mine, theirs = in_turn(_reader(_array(g, OHM), v), lambda: exact(g, v, OHM))
    error = float(np.max(np.abs(_volts(mine) - theirs)) / np.max(v))
    return Row(_case(n), "SuperLU", ratio, error, note=f"{int(mine.iterations)} iterations")


def _many_inputs(n: int) -> Row:
    g, v = pattern(n), inputs(n, MANY)
    ratio, mine, theirs = in_turn(_reader(_array(g, OHM), v), lambda: exact(g, v, OHM), repeats=_repeats(n))
    error = float(np.max(np.abs(_volts(mine) - theirs)) / np.max(v))
    return Row(_case(n, MANY), "SuperLU, one factorisation", ratio, error)


def _badcrossbar(n: int, many: int) -> Row:
    try:
        import badcrossbar  # pyright: ignore[reportMissingImports]

        theirs = badcrossbar.compute
    except (ImportError, AttributeError):
        return Row(_case(n, many), "badcrossbar", float("nan"), note="not installed")
    g, v = pattern(n), inputs(n, many)

    def quietly() -> Any:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return theirs(v.T, 1 / g, OHM)

    ratio, mine, other = in_turn(_reader(_array(g, OHM), v), quietly, repeats=_repeats(n))
    i = np.asarray(mine.i)
    off = float(np.max(np.abs(np.asarray(other.currents.output) - i)) / np.max(np.abs(i)))
    return Row(_case(n, many), "badcrossbar", ratio, note=f"output currents {off:.0e} apart")


def _repeats(n: int) -> int:
    """Fewer where theirs takes long."""
    return 3 if n < 512 else 1


def _gradient(n: int, many: int) -> Row:
    g, v = pattern(n), inputs(n, many)
    loss = lambda g, v: jnp.sum(Crossbar(g, Wires.uniform(OHM)).read(v, rtol=RTOL).i ** 2)  # noqa: E731
    both, alone = jax.jit(jax.value_and_grad(loss, (0, 1))), jax.jit(loss)
    given = (jnp.asarray(g), jnp.asarray(v))
    run = lambda f: jax.block_until_ready(f(*given))  # noqa: E731
    ratio, *_ = in_turn(lambda: run(alone), lambda: run(both), repeats=5 if many == 1 else 3)
    return Row(_case(n, many), "value and gradient", ratio, note="its time over that of the value")


def _adverse(n: int) -> Row:
    v = inputs(n)
    plain, hard = (_reader(_array(pattern(n, rows=rows), STRONG), v) for rows in (False, True))
    ratio, mine, other = in_turn(plain, hard)
    note = f"{int(other.iterations)} iterations for {int(mine.iterations)}, {STRONG:g} ohm"
    return Row(_case(n), "three rows of ten at 1 mS", ratio, note=note)


def _sinh(n: int) -> tuple[np.ndarray, np.ndarray, Crossbar]:
    i_0, v = pattern(n) * SLOPE, inputs(n)
    cells = Selector(i_0=jnp.asarray(i_0), v_0=jnp.asarray(SLOPE))
    return i_0, v, Crossbar(cells, Wires.uniform(OHM), shape=(n, n))


def _nonlinear(n: int) -> Row:
    i_0, v, array = _sinh(n)
    ratio, mine, theirs = in_turn(_reader(array, v), lambda: newton_superlu(i_0, v, OHM), repeats=3)
    error = float(np.max(np.abs(_volts(mine) - theirs)) / np.max(v))
    note = f"{int(mine.iterations)} iterations"
    return Row(_case(n, what=", sinh cells"), "Newton + SuperLU", ratio, error, note=note)


def netlist(i_0: np.ndarray, v: np.ndarray, ohm: float) -> str:
    """The array of sinh cells for ngspice, with the operating point of all columns."""
    n, m = i_0.shape
    lines = [f"* {n} x {m} sinh cells", ".options reltol=1e-9 abstol=1e-18 vntol=1e-15 gmin=1e-18"]
    for i in range(n):
        lines.append(f"Vin{i} s{i} 0 {float(v[i])!r}")
        names = [f"s{i}", *(f"r{i}_{j}" for j in range(m))]
        lines += [f"Rr{i}_{j} {names[j]} {names[j + 1]} {ohm!r}" for j in range(m)]
    for j in range(m):
        names = [*(f"c{i}_{j}" for i in range(n)), f"e{j}"]
        lines += [f"Rc{i}_{j} {names[i]} {names[i + 1]} {ohm!r}" for i in range(n)]
        lines += [f"Vout{j} e{j} 0 0"]
    for i, j in np.ndindex(n, m):
        a, b = f"r{i}_{j}", f"c{i}_{j}"
        lines.append(f"B{i}_{j} {a} {b} I={float(i_0[i, j])!r}*sinh((V({a})-V({b}))/{SLOPE!r})")
    saved = " ".join(f"i(Vout{j})" for j in range(m))
    return "\n".join([*lines, f".save {saved}", ".op", ".end"]) + "\n"


def _ngspice(n: int) -> Row:
    i_0, v, array = _sinh(n)
    read = _reader(array, v)
    mine = read()
    seconds = [_timed(read) for _ in range(5)]
    try:
        table, _, theirs = spice(netlist(i_0, v[0], OHM), timeout=300.0)
    except NgspiceError as e:
        return Row(_case(n, what=", sinh cells"), "ngspice .op", float("nan"), note=str(e).split(".")[0])
    i = np.asarray(mine.i)[0]
    other = np.asarray([table[f"i(vout{j})"][0] for j in range(n)])
    off = float(np.max(np.abs(other - i)) / np.max(np.abs(i)))
    note = f"whole process, once; output currents {off:.0e} apart"
    return Row(_case(n, what=", sinh cells"), "ngspice .op", theirs / statistics.median(seconds), note=note)


def _timed(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _scaling() -> Iterator[Row]:
    """The exponent of the time of value and gradient from 256 to 1024."""
    seconds = {}
    loss = lambda g, v: jnp.sum(Crossbar(g, Wires.uniform(OHM)).read(v, rtol=RTOL).i ** 2)  # noqa: E731
    for n in (256, 1024):
        run, given = jax.jit(jax.value_and_grad(loss)), (jnp.asarray(pattern(n)), jnp.asarray(inputs(n)))
        call = lambda run=run, given=given: jax.block_until_ready(run(*given))  # noqa: E731
        call()
        seconds[n] = statistics.median(_timed(call) for _ in range(3))
    exponent = math.log(seconds[1024] / seconds[256], 4)
    yield Row("value and gradient, 256 to 1024", "itself", seconds[1024] / seconds[256], note=f"n^{exponent:.2f}")
