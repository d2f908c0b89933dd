"""Which model describes a measurement best: fit them all, rank by what they predict."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Array

from neurojax.errors import FitError, NeurojaxError
from neurojax.fit import fit
from neurojax.fitresult import Fit
from physics.device import AbstractDevice


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the ranking; `error` says why a model could not be fitted."""

    model: str
    held_out_rms: float
    rms_error: float
    rms_unit: str
    chi2_reduced: float
    delta_aic: float
    delta_bic: float
    n_free: int
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Ranking:
    """Fits of several models to the same data, best first (`rows`); `fits` by model name."""

    rows: list[Row]
    fits: dict[str, Fit]

    @property
    def best(self) -> Fit:
        """The fit of the first row."""
        return self.fits[self.rows[0].model]

    def to_dict(self) -> dict[str, Any]:
        """The stable content of `ranking.json`."""
        rows = [
            {k: (None if isinstance(v, float) and not np.isfinite(v) else v) for k, v in dataclasses.asdict(r).items()}
            for r in self.rows
        ]
        return {"best": self.rows[0].model, "criterion": "held_out_rms, then BIC", "ranking": rows}

    def save(self, path: str | os.PathLike) -> None:
        """Write `to_dict()` to the file `path` as readable JSON."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps(self.to_dict(), indent=2) + "\n")

    def plot(self, ax: Any = None) -> Any:
        """Bars of the held-out error, into `ax` or new axes; returns Axes."""
        from neurojax import plot

        return plot.ranking(self, ax=ax)

    def __repr__(self) -> str:
        titles = ("held out", "fitted", "unit", "chi2/dof", "dAIC", "dBIC")
        head = "   {:<16} {:>10} {:>10} {:<9} {:>9} {:>9} {:>9}  free".format("model", *titles)
        lines = [
            f"{k + 1:>2} {r.model:<16} {r.held_out_rms:>10.3g} {r.rms_error:>10.3g} {r.rms_unit:<9} "
            f"{r.chi2_reduced:>9.3g} {r.delta_aic:>9.3g} {r.delta_bic:>9.3g} {r.n_free:>5}"
            if not r.error
            else f" - {r.model:<16} {r.error}"
            for k, r in enumerate(self.rows)
        ]
        return "\n".join([head, *lines])


def compare(
    traces: Any,
    devices: Sequence[AbstractDevice],
    *,
    key: Array,
    holdout: float = 0.2,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    **keywords: Any,
) -> Ranking:
    """Fit every candidate to the same traces and rank by the error on samples kept back.

    Args:
        traces, key, holdout and other keywords: as in `fit`. devices: the candidates, of different classes.
        options: class name -> keywords of `fit` for that model alone (`{"Wox": {"free": ("tau",)}}`).

    Returns:
        Ranking, best first: by held-out error, ties by BIC. A model that cannot be fitted is listed last.

    Raises:
        FitError: no device could be fitted at all.
    """
    fits, failed, nan = {}, [], float("nan")
    for device in devices:
        name = type(device).__name__
        try:
            fits[name] = fit(
                device, traces, key=key, holdout=holdout, **{**keywords, **dict((options or {}).get(name, {}))}
            )
        except NeurojaxError as error:
            failed.append(Row(name, nan, nan, "", nan, nan, nan, 0, str(error)))
    if not fits:
        reasons = "; ".join(f"{r.model}: {r.error}" for r in failed)
        raise FitError(f"no model could be fitted. {reasons}")
    aic, bic = min(f.aic for f in fits.values()), min(f.bic for f in fits.values())
    rows = [
        Row(n, f.held_out_rms, f.rms_error, f.rms_unit, f.chi2_reduced, f.aic - aic, f.bic - bic, len(f.estimates))
        for n, f in fits.items()
    ]
    rows.sort(key=lambda r: (r.held_out_rms if np.isfinite(r.held_out_rms) else r.rms_error, r.delta_bic))
    return Ranking(rows + failed, fits)
