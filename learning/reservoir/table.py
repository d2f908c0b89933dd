"""The reservoir table: tasks x devices x (by hand, random search, evolution, gradient, the first and the last of these
one after the other), beside what has to be beaten.

    rows = reservoir_table(seeds=5)                      python -m learning.reservoir.table --seeds 5 -o out
    print(table_text(rows))

Every reservoir has 100 readings with 1 % noise, as many as the echo-state network has units. Three segments follow a
washout: readouts learn on the first, designs and penalties are chosen on the second, what is told is of the third. Both
normalised errors are given, and linear readouts of past inputs beside them (where a target has little variance for its
size, an error by power says little). What differs from seed to seed: masks, devices, noise, and inputs if random.
"""

import argparse
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from rich.progress import Progress

from learning.baselines import driven_task
from learning.reservoir.baselines import LinearLags, echo_state
from learning.reservoir.kits import Kit, drawn_board, kits
from learning.reservoir.reservoir import Noise
from learning.reservoir.search import CHOOSE, TEST, TRAIN, WASHOUT, WAYS, Score, judged, scored, searched

AHEAD = 10
"""Steps by which Mackey-Glass is predicted in the table; one step is easy for two lags."""
TASKS = ("second_order", "narma10", "mackey_glass", "henon_map")


class Row(NamedTuple):
    """Errors on the test segment of one way to do one task.

    Attributes:
        task, who, how: names. variance, power: normalised mean squared errors, (seeds,).
    """

    task: str
    who: str
    how: str
    variance: np.ndarray
    power: np.ndarray


def series(task: str, *, key: Array) -> tuple[Float[Array, " time"], Float[Array, " time"]]:
    """Input between 0 and 1 and target of a `task` of the table; `key` is of inputs that are random."""
    length = WASHOUT + TRAIN + CHOOSE + TEST
    name: Any = task
    made = driven_task(name, length + AHEAD, key=key)
    late = AHEAD - 1 if task == "mackey_glass" else 0
    u, y = made.u[:length], made.y[late : late + length]
    return (u - jnp.min(u)) / (jnp.max(u) - jnp.min(u)), y


def _baselines(task: str, u: Array, y: Array, noise: float, draws: int, keys: Array) -> list[Row]:
    """Lags, and the echo-state network as it is, with the noise of the devices, and after a random search."""
    rows, told = [], jax.jit(scored)
    of = lambda name, how, scores: rows.append(_row(task, name, how, jax.tree.map(lambda *a: jnp.stack(a), *scores)))  # noqa: E731
    for lags in (1, 2, 5, 20):
        read = jax.jit(lambda u, lags=lags: LinearLags(lags=lags).run(u))
        of(f"{lags} lag{'s' if lags > 1 else ''}", "linear", [told(read(a), b) for a, b in zip(u, y, strict=True)])
    several = list(zip([echo_state(100, key=k) for k in keys], u, y, keys, strict=True))
    noisy = f"{100 * noise:g} % noise"
    of("ESN-100", "defaults", [told(n.run(a), b) for n, a, b, _ in several])
    of("ESN-100", noisy, [told(Noise(noise)(n.run(a), k), b) for n, a, b, k in several])
    of("ESN-100", "random search", [_best_network(a, b, 0.0, draws, k) for _, a, b, k in several])
    of("ESN-100", f"random search, {noisy}", [_best_network(a, b, noise, draws, k) for _, a, b, k in several])
    return rows


@eqx.filter_jit
def _best_network(u: Array, y: Array, noise: float, draws: int, key: Array) -> Score:
    network = echo_state(100, key=key)

    def one(k: Array) -> Score:
        lr, sr, scale, bias = jax.random.uniform(jax.random.fold_in(key, k), (4,))
        radius, into, shift = (0.2 + sr) / 0.9, 2 * 10 ** (2 * scale - 1.5), 5 * bias
        moved = eqx.tree_at(
            lambda n: (n.recurrent, n.into, n.bias, n.leak),
            network,
            (network.recurrent * radius, network.into * into, network.bias * shift, 0.1 + 0.9 * lr),
        )
        return scored(Noise(noise)(moved.run(u), jax.random.fold_in(key, k)), y)

    tried = jax.lax.map(one, jnp.arange(draws, dtype=jnp.uint32))
    return jax.tree.map(lambda a: a[jnp.nanargmin(tried.choice)], tried)


def _row(task: str, who: str, how: str, score: Score) -> Row:
    return Row(task, who, how, np.asarray(score.variance), np.asarray(score.power))


def reservoir_table(
    tasks: Sequence[str] = TASKS,
    who: Sequence[str] | None = None,
    *,
    seeds: int = 5,
    draws: int = 240,
    noise: float = 0.01,
    progress: bool = True,
) -> list[Row]:
    """Errors of reservoirs of devices and of baselines, from one run.

    Args:
        tasks: of the four. who: kinds of devices (`kits`), all by default. seeds: repetitions.
        draws: evaluations of each search, a gradient counted as `RATIO` of them, and random networks.
        noise: relative, of each reading of a device.
    """
    known, keys = kits(), jax.random.split(jax.random.key(0), seeds)
    chosen = list(known) if who is None else list(who)
    rows: list[Row] = []
    with Progress(disable=not progress) as bar:
        job = bar.add_task("reservoirs", total=len(tasks) * (len(chosen) + 1))
        for task in tasks:
            u, y = jax.vmap(lambda k, task=task: series(task, key=k))(keys)
            rows += _baselines(task, u, y, noise, draws, keys)
            bar.advance(job)
            for name in chosen:
                rows += _of_kit(task, name, known[name], u, y, noise, draws, keys)
                bar.advance(job)
    return rows


def _of_kit(task: str, name: str, kit: Kit, u: Any, y: Any, noise: float, draws: int, keys: Array) -> list[Row]:
    of = lambda how: _row(task, name, how, _of_seeds(kit, noise, how, draws, u, y, keys))  # noqa: E731
    return [of(how) for how in ("by hand", *WAYS)]


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _of_seeds(kit: Kit, noise: float, how: str, draws: int, u: Any, y: Any, keys: Array) -> Score:
    """Boards by hand or by a search, one a seed, on the segment of the test; compiled once for all tasks."""

    def one(u: Array, y: Array, key: Array) -> Score:
        chip, read, signs, search = jax.random.split(key, 4)
        board = drawn_board(jnp.asarray(kit.nominal), key=signs)
        if how != "by hand":
            board = searched(kit, noise, how, draws, u, y, chip, board.mask, key=search)
        return judged(kit, noise, board, u, y, chip, read)

    return jax.vmap(one)(u, y, keys)


def lowest(rows: Sequence[Row]) -> dict[str, int]:
    """How often each search has the lowest mean error over variance, of all pairs of task and device in some `rows`."""
    pairs: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        if row.how in WAYS and not row.who.startswith("ESN"):
            pairs.setdefault((row.task, row.who), {})[row.how] = float(np.mean(row.variance))
    best = [min(found, key=lambda how, found=found: found[how]) for found in pairs.values()]
    return {how: best.count(how) for how in WAYS}


def table_text(rows: Sequence[Row]) -> str:
    """The table, mean and standard deviation over seeds of both errors, of some `rows`, and which search is lowest."""
    lines = []
    for task in dict.fromkeys(row.task for row in rows):
        lines += ["", f"{task:40}{'NMSE, of variance':>24}{'NMSE, of power':>24}{'NRMSE':>9}"]
        for row in (r for r in rows if r.task == task):
            both = [f"{np.mean(e):.3g} +- {np.std(e):.1g}" for e in (row.variance, row.power)]
            root = np.mean(np.sqrt(row.variance))
            lines.append(f"{row.who + ', ' + row.how:40}{both[0]:>24}{both[1]:>24}{root:9.3g}")
    counts = lowest(rows)
    if pairs := sum(counts.values()):
        told = ", ".join(f"{how} ({n})" for how, n in sorted(counts.items(), key=lambda c: -c[1]))
        lines += ["", f"Lowest error over variance of the searches, in how many of {pairs}: {told}."]
    return "\n".join(lines[1:])


def main(arguments: Sequence[str] | None = None) -> None:
    """The table from a shell, by `arguments`: printed, and kept as reservoirs.json and reservoirs.txt in a folder."""
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(prog="python -m learning.reservoir.table", description=reservoir_table.__doc__)
    parser.add_argument("--tasks", default=",".join(TASKS), help="separated by commas")
    parser.add_argument("--devices", default=None, help="separated by commas; all by default")
    for name, value in (("seeds", 5), ("draws", 240)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--noise", type=float, default=0.01)
    parser.add_argument("-o", "--out", type=Path, default=None, help="folder")
    given = parser.parse_args(arguments)
    who = given.devices.split(",") if given.devices else None
    options: dict[str, Any] = dict(seeds=given.seeds, draws=given.draws, noise=given.noise)
    rows: list[Row] = []
    for task in given.tasks.split(","):
        found = reservoir_table([task], who, **options)
        print(table_text(found) + "\n", flush=True)
        rows += found
        if given.out is not None:
            _keep(given.out, rows, options)


def _keep(out: Path, rows: Sequence[Row], options: dict[str, Any]) -> None:
    """Written after every task: a run that is stopped has told what it had."""
    out.mkdir(parents=True, exist_ok=True)
    plain = [row._asdict() | {"variance": row.variance.tolist(), "power": row.power.tolist()} for row in rows]
    (out / "reservoirs.json").write_text(json.dumps({"options": options, "rows": plain}, indent=1))
    (out / "reservoirs.txt").write_text(table_text(rows) + "\n")


if __name__ == "__main__":
    main()
