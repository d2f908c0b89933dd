"""Large populations: in chunks that fit the cache, on all cores, or on all devices over which their numbers lie.

A chunk is one call of a compiled function; calls from several threads run side by side on a CPU. Chunks have one
size, so there is one compilation, and what is in memory at a time is bounded by them and by what is kept.
"""

import functools
import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from neurojax._garbage import uncollected

CHUNK = 512
"""Lanes whose numbers stay in the cache of one core."""
LEAST = 64
"""Lanes below which it is not worth giving each core its own part."""
_compiled: set[Any] = set()


def cores() -> int:
    """How many calls run side by side: one on an accelerator, which is busy with one."""
    if jax.default_backend() != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worthwhile(size: int, trees: Any, chunk: int) -> bool:
    """Whether a population is large enough, on a CPU, and made of numbers that lie in one place."""
    leaves = jax.tree.leaves(trees)
    if size <= chunk or jax.default_backend() != "cpu":
        return False
    return not any(isinstance(a, Tracer) for a in leaves) and mesh_of(trees) is None


def size_of_chunks(size: int, chunk: int) -> int:
    """How many members run at a time: `chunk`, or fewer where few chunks would leave a core without work.

    A large population keeps to `chunk`, so that one of another size needs no compilation.
    """
    workers = cores()
    rounds = -(-size // (chunk * workers))
    if rounds > 4 or size < workers * LEAST:
        return chunk
    return min(chunk, -(-size // (rounds * workers)))


def in_chunks(run: partial, members: Any, size: int, chunk: int, tell: Callable[..., None]) -> Any:
    """run(members) of `size` members chunk by chunk, on all cores; its results must have a leading member axis.

    Args:
        run: gets `members` with `chunk` rows in every array that had a leading axis. tell: of a progress bar.
    """
    starts = range(0, size, chunk)
    key = (identity((members, run.keywords)), chunk)
    parts: list[Any] = []
    rest = iter(starts)
    if key not in _compiled:
        # Alone, or every thread would compile it.
        with uncollected():
            first = run(_rows(members, next(rest), chunk, size))
        parts.append(jax.block_until_ready(first))
        _compiled.add(key)
    once = lambda k: jax.block_until_ready(run(_rows(members, k, chunk, size)))  # noqa: E731
    waiting = [_threads(cores(), "chunks").submit(once, k) for k in rest]
    try:
        for job in waiting:
            tell(done=len(parts) * chunk)
            parts.append(job.result())
    finally:
        for job in waiting:
            job.cancel()
    whole = len(parts) * chunk == size
    return jax.tree.map(lambda *a: jnp.concatenate(a) if whole else jnp.concatenate(a)[:size], *parts)


def side_by_side(run: Callable[[Any], Any], parts: Sequence[Any], key: Any) -> list[Any]:
    """[run(part) for part in parts] on all cores; the first alone where nothing with this key was compiled before."""
    first = 0 if key in _compiled else 1
    done = [run(part) for part in parts[:first]]
    _compiled.add(key)
    rest = parts[first:]
    if len(rest) < 2 or cores() == 1:
        return done + [run(part) for part in rest]
    answers, turn = [None] * len(rest), itertools.count()

    def work() -> None:
        while (k := next(turn)) < len(rest):
            answers[k] = run(rest[k])

    # This thread works, too: it has nothing else to do, and whoever calls from a thread of the pool does not wait
    # for one that is free.
    others = [_threads(cores(), "side by side").submit(work) for _ in range(min(cores(), len(rest)) - 1)]
    try:
        work()
    finally:
        running = [other for other in others if not other.cancel()]
        wait(running)
    for other in running:
        other.result()
    return done + answers


@functools.cache
def _threads(workers: int, name: str) -> ThreadPoolExecutor:
    """Kept, as a thread that starts takes as long as a short call; one pool a name, as one must not wait for itself."""
    return ThreadPoolExecutor(workers, name)


def _rows(members: Any, start: int, chunk: int, size: int) -> Any:
    """Members from `start` on, where they lie; behind the last one it is repeated."""
    rows = np.minimum(np.arange(start, start + chunk), size - 1)

    def cut(a: Any) -> Any:
        # By NumPy: a gather of each array would be a program of its own, a fifth of the time of a chunk.
        return jax.device_put(np.asarray(a)[rows], a.sharding if a.committed else None)

    return jax.tree.map(lambda a: cut(a) if getattr(a, "ndim", 0) else a, members)


def identity(tree: Any) -> Any:
    """What tells, of a tree of arrays, whether there is compiled code for it: its structure and all shapes."""
    shapes = tuple((a.shape, str(a.dtype)) for a in jax.tree.leaves(tree) if isinstance(a, jax.Array))
    return jax.tree.structure(tree), shapes


def mesh_of(trees: Any) -> tuple[Any, Any] | None:
    """Mesh and axis over which the members of a population are spread, if they are."""
    for a in jax.tree.leaves(trees):
        if isinstance(a, jax.Array) and not isinstance(a, Tracer) and a.ndim and isinstance(a.sharding, NamedSharding):
            if a.sharding.mesh.size > 1 and a.sharding.spec and a.sharding.spec[0] is not None:
                return a.sharding.mesh, a.sharding.spec[0]
    return None


@eqx.filter_jit
def on_all_devices(run: Callable[..., Any], members: Any, shared: Any, where: tuple[Any, Any], **static: Any) -> Any:
    """run(members, shared, **static) where every device has its own part of the members and none waits for another."""
    mesh, axis = where
    moving, fixed = eqx.partition(members, lambda a: eqx.is_array(a) and a.ndim > 0)
    still, rest = eqx.partition((fixed, shared), eqx.is_array)

    def part(moving: Any, still: Any) -> Any:
        fixed, shared = eqx.combine(still, rest)
        return run(eqx.combine(moving, fixed), shared, **static)

    return jax.shard_map(part, mesh=mesh, in_specs=(P(axis), P()), out_specs=P(axis), check_vma=False)(moving, still)
