"""A compiled function of many starts, a few of them a call, on all cores.

What does not change from call to call is taken apart once: as trees of a hundred numbers, with all that is static in
them compared, it would take as long in each as a simulation of two hundred samples.
"""

import functools
from collections.abc import Callable, Hashable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neurojax._chunks import side_by_side
from neurojax._garbage import uncollected

PROGRAMS = 256
"""How many of them are kept, each with what is compiled for its shapes."""


class Bound:
    """function(theta, *given) as a function of theta (starts, p) alone.

    given: trees of JAX arrays and of what is static. Where what is static is equal there is one program for all.
    raises: whether it may raise, as solvers of diffrax do (in forward mode they solve linear systems of their own,
    which `throw=False` does not reach); Equinox then tells why.

    Attributes:
        program: what is compiled, a function of theta and `arrays`. key: the same where there is nothing to compile.
    """

    def __init__(self, function: Callable[..., Any], *given: Any, raises: bool = False):
        leaves, structure = jax.tree.flatten(given)
        moving = tuple(eqx.is_array(a) for a in leaves)
        self.arrays = [a for a, is_array in zip(leaves, moving, strict=True) if is_array]
        still = tuple(a for a, is_array in zip(leaves, moving, strict=True) if not is_array)
        self.program = program(function, structure, moving, still, tuple(map(type, still)), raises)
        self.key: Hashable = self.program, tuple((a.shape, str(a.dtype)) for a in self.arrays)
        self.dtype = next(a.dtype for a in self.arrays if np.issubdtype(a.dtype, np.floating))
        self.raises = raises
        self._met: set[Any] = set()

    def __call__(self, theta: np.ndarray | Array) -> Any:
        if theta.shape in self._met:
            return self.program(theta, self.arrays)
        with uncollected():
            found = self.program(theta, self.arrays)
        self._met.add(theta.shape)
        return found

    def trace(self, starts: int, p: int) -> None:
        """Trace what is then compiled in the first call for so many starts of p numbers."""
        with uncollected():
            self.program.lower(np.zeros((starts, p), self.dtype), self.arrays)


@functools.lru_cache(PROGRAMS)
def program(
    function, structure: Any, moving: tuple[bool, ...], still: tuple[Any, ...], kinds: Any, raises: bool
) -> Any:
    """The compiled function of theta and the arrays; kinds: types of what is static, as 1 equals True."""

    def run(theta: Array, arrays: list[Array]) -> Any:
        some, others = iter(arrays), iter(still)
        return function(theta, *structure.unflatten([next(some if m else others) for m in moving]))

    return eqx.filter_jit(run) if raises else jax.jit(run)


def in_batches(bound: Bound, theta: np.ndarray, size: int) -> tuple[np.ndarray, ...]:
    """bound(theta) of all starts, `size` at a time (the last one repeated), on all cores.

    Where it `raises`, it does so for a whole batch: then the starts are taken one by one, and those for which it does
    so again are NaN, False.
    """
    padded = np.concatenate([theta, np.repeat(theta[-1:], -len(theta) % size, axis=0)]).astype(bound.dtype)
    batches = list(padded.reshape(-1, size, theta.shape[1]))

    def once(batch: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(map(np.asarray, bound(batch)))

    def alone(start: np.ndarray) -> tuple[np.ndarray, ...]:
        try:
            # As many as ever, as that is compiled already.
            return tuple(a[:1] for a in once(np.tile(start, (size, 1))))
        except RuntimeError:
            shapes = eqx.filter_eval_shape(bound.program, jnp.asarray(start[None]), bound.arrays)
            return tuple(np.full(s.shape, False if s.dtype == bool else np.nan, s.dtype) for s in shapes)

    def run(batch: np.ndarray) -> tuple[np.ndarray, ...]:
        try:
            return once(batch)
        except RuntimeError:
            if not bound.raises:
                raise
            return tuple(np.concatenate(a) for a in zip(*map(alone, batch), strict=True))

    parts = side_by_side(run, batches, (bound.key, batches[0].shape))
    return tuple(np.concatenate(p)[: len(theta)] for p in zip(*parts, strict=True))
