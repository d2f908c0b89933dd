"""A fit as a file: readable JSON that scripts may rely on, and the way back to a device."""

import importlib
import importlib.metadata
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from neurojax.errors import DataError
from neurojax.fitresult import Fit
from physics.device import AbstractDevice
from physics.quantity import parameters, suggest

FORMAT = 1


def fit_to_dict(fit: Fit) -> dict[str, Any]:
    """The content of `fit.json`; NaN and infinity become null, so any JSON reader takes it."""
    device, problem = fit.device, fit.problem
    cls = type(device)
    return {
        "format": FORMAT,
        "neurojax": _version(),
        "model": cls.__name__,
        "class": f"{cls.__module__}:{cls.__qualname__}",
        "doi": cls.doi,
        "converged": fit.converged,
        "rms_error": _plain(fit.rms_error),
        "rms_unit": fit.rms_unit,
        "rms_of_range": _plain(fit.rms_of_range),
        "held_out_rms": _plain(fit.held_out_rms),
        "chi2_reduced": _plain(fit.chi2_reduced),
        "aic": _plain(fit.aic),
        "bic": _plain(fit.bic),
        "n_points": fit.n_points,
        "parameters": {
            e.name: {
                "value": _plain(e.value),
                "std": _plain(e.std),
                "interval_95": [_plain(b) for b in e.interval],
                "unit": e.unit,
                "bounds": list(e.bounds),
                "at_bound": e.at_bound,
                "determined": e.determined,
            }
            for e in fit.estimates.values()
        },
        "covariance": {"names": list(fit.estimates), "matrix": [[_plain(c) for c in row] for row in fit.covariance]},
        "device": {n: {"value": np.asarray(p.value).tolist(), "unit": p.unit} for n, p in parameters(device).items()},
        "instrument": {n: {"value": float(p.value), "unit": p.unit} for n, p in parameters(fit.instrument).items()},
        "starts": {"chi2_half": [_plain(c) for c in fit.start_costs], "agreeing": fit.agreeing},
        "directions": fit.directions,
        "warnings": fit.warnings,
        "seconds": fit.seconds,
        "traces": [{"name": t.name, "sha256": t.hash()} for t in (problem.traces if problem else ())],
    }


def load_fit(path: str | os.PathLike) -> dict[str, Any]:
    """Read a `fit.json`: its content, with the fitted device rebuilt under the key "device".

    Raises:
        DataError: the file is missing, is not such a JSON, or names a device that is not there.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        cls_path, values = content["class"], content["device"]
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}. Write one with fit.save(path).") from error
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a fit written by neurojax ({error}).") from error
    device = _device_class(cls_path, path)()
    known = parameters(device)
    unknown = [n for n in values if n not in known]
    if unknown:
        raise DataError(f"{path}: {cls_path} has no parameter {unknown[0]!r}.{suggest(unknown[0], tuple(known))}")
    from physics.quantity import with_values

    content["device"] = with_values(device, {n: np.asarray(v["value"]) for n, v in values.items()})
    return content


def _device_class(path: str, file: Any) -> Any:
    module, _, name = path.partition(":")
    try:
        found = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise DataError(
            f"{file}: cannot import the device {path} ({error}). Import your notebook's class first."
        ) from error
    if not (isinstance(found, type) and issubclass(found, AbstractDevice)):
        raise DataError(f"{file}: {path} is not a device.")
    return found


def _plain(x: Any) -> float | None:
    value = float(x)
    return value if np.isfinite(value) else None


def _version() -> str:
    try:
        return importlib.metadata.version("neurojax-devices")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
