"""Is it a device? `check_device` runs the whole contract on any device, ours or one of your notebook.

    neurojax.testing.check_device(MyMemristor())

Each check is a function of its own in this folder, which answers with what failed and where, or with nothing.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence

import jax.numpy as jnp

from neurojax.errors import NeurojaxError
from neurojax.instrument import Instrument
from neurojax.progress import after_a_while
from neurojax.testing import smoothness, solution, structure, values
from physics.device import AbstractDevice
from physics.quantity import suggest

CHECKS: dict[str, Callable[[AbstractDevice, int, int], str]] = {
    "declarations": structure.declarations,
    "shapes": structure.shapes,
    "finite": values.finite,
    "zero": values.zero_at_zero,
    "passive": values.passive,
    "inward": values.inward,
    "units": values.units,
    "derivatives": smoothness.derivatives,
    "continuous": smoothness.continuous,
    "jit": structure.one_trace,
    "vmap": structure.batches,
    "json": structure.file,
}
"""Checks of `rate` and `current`; "convergence" and "noise" simulate besides."""
NAMES = (*CHECKS, "convergence", "noise")


class ContractError(NeurojaxError, AssertionError):
    """A device does not keep the contract."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One check: its name, what it means, what failed and where (empty if nothing did), seconds taken."""

    check: str
    meaning: str
    failure: str
    seconds: float


@dataclasses.dataclass(frozen=True)
class Findings:
    """All checks of one device."""

    device: str
    rows: list[Finding]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not any(r.failure for r in self.rows)

    def __repr__(self) -> str:
        failed = sum(bool(r.failure) for r in self.rows)
        head = f"{self.device}: {'keeps the contract' if self.ok else f'{failed} of {len(self.rows)} checks failed'}"
        return "\n".join(
            [
                head,
                *(f"  {'FAILED' if r.failure else 'ok':<6} {r.check:<12} {r.failure or r.meaning}" for r in self.rows),
            ]
        )


def check_device(
    device: AbstractDevice,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    draws: int = 200,
    seed: int = 0,
    instrument: Instrument | None = None,
    throw: bool = True,
    progress: bool = True,
) -> Findings:
    """Run the contract of `AbstractDevice` on a device.

    Args:
        device: at the parameters around which it is used; most checks draw others from the bounds.

    Other arguments:
        only, skip: names of checks (`NAMES`). draws: random draws a check. seed: of the draws.
        instrument: circuit in which it is simulated (a series resistance for a device that jumps).
        throw: raise if something failed. progress: a bar on a terminal after 2 s.

    Returns:
        Findings; print it.

    Raises:
        ContractError: what failed and where, if `throw`.
        RuntimeError: float64 is off. ValueError: an unknown check.
    """
    if jnp.result_type(float) != jnp.float64:
        raise RuntimeError('check_device compares in float64: jax.config.update("jax_enable_x64", True) first.')
    for name in (*only, *skip):
        if name not in NAMES:
            raise ValueError(f"there is no check {name!r}.{suggest(name, NAMES)}")
    chosen = [n for n in NAMES if (not only or n in only) and n not in skip]
    rows: list[Finding] = []
    with after_a_while(f"checking {type(device).__name__}", len(chosen), enabled=progress) as update:
        for k, name in enumerate(chosen):
            update(k, f"checking {type(device).__name__}: {name}")
            rows.append(_run(name, device, draws, seed, instrument))
            if name == "shapes" and rows[-1].failure:
                break  # nothing else can be asked
    findings = Findings(type(device).__name__, rows)
    if throw and not findings.ok:
        raise ContractError(repr(findings))
    return findings


def _run(name: str, device: AbstractDevice, draws: int, seed: int, instrument: Instrument | None) -> Finding:
    began = time.perf_counter()
    if name == "convergence":
        meaning, failure = solution.converges.__doc__, solution.converges(device, instrument)
    elif name == "noise":
        meaning, failure = solution.mean_of_paths.__doc__, solution.mean_of_paths(device, seed)
    else:
        meaning, failure = CHECKS[name].__doc__, CHECKS[name](device, draws, seed)
    first = (meaning or "").split("\n")[0]
    return Finding(name, first, failure, time.perf_counter() - began)
