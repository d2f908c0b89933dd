"""What a search has found: the best design, how it got there, what it took."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Array, Float

from learning.codesign.design import Design


@dataclasses.dataclass(frozen=True)
class Result:
    """The best design of one search.

    Attributes:
        method: its name. design: the variables and the start. theta: the best on validation.
        value: its validation. first: the validation of the start.
        evaluations: of the objective, validation among them, a gradient counted as several. seconds: by the clock.
        history: by step `loss`, `validation` (nan where there was none), `size` (norm of the gradient, width of an
            evolution strategy), `ok` (False where a number was not finite), `evaluations` up to there.
    """

    method: str
    design: Design
    theta: Float[Array, " n"]
    value: float
    first: float
    evaluations: float
    seconds: float
    history: dict[str, np.ndarray]

    @property
    def tree(self) -> Any:
        """The best design itself."""
        return self.design.at(self.theta)

    @property
    def skipped(self) -> np.ndarray:
        """Numbers of the steps in which something was not finite; a gradient was not followed there."""
        return np.flatnonzero(~self.history["ok"])

    def values(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """(before, after) of each variable, in SI, by name."""
        after = self.design.values(self.theta)
        return {name: (before, after[name]) for name, before in self.design.values().items()}

    def to_dict(self) -> dict[str, Any]:
        """For JSON: numbers and lists."""
        validation = self.history["validation"]
        seen = np.isfinite(validation)
        return {
            "method": self.method, "value": self.value, "first": self.first, "evaluations": self.evaluations,
            "seconds": self.seconds, "skipped": self.skipped.tolist(), "theta": np.asarray(self.theta).tolist(),
            "trace": [self.history["evaluations"][seen].tolist(), validation[seen].tolist()],
            "values": {name: [before.tolist(), after.tolist()] for name, (before, after) in self.values().items()},
            "at_bounds": self.design.at_bounds(self.theta),
        }  # fmt: skip

    def __repr__(self) -> str:
        bad = len(self.skipped)
        return (
            f"{self.method}: {self.first:.4g} -> {self.value:.4g} by {self.evaluations:.4g} evaluations in "
            f"{self.seconds:.3g} s"
            + (f"; in {bad} of {len(self.history['ok'])} steps something was not finite" if bad else "")
        )
