"""A fit as a file: readable JSON that scripts may rely on, and the way back to a Fit."""

import importlib.metadata
import os
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from neurojax.devicefile import device_from_dict, device_to_dict, read_json
from neurojax.errors import DataError
from neurojax.fitresult import Estimate, Fit, model_values
from neurojax.instrument import Instrument
from neurojax.pulses import PulseTrace
from neurojax.trace import Trace
from physics.device import AbstractDevice
from physics.quantity import parameters

FORMAT = 2
_NUMBERS = ("rms_error", "rms_of_range", "held_out_rms", "held_out_of_range", "chi2_reduced", "aic", "bic")


def fit_to_dict(fit: Fit) -> dict[str, Any]:
    """The content of `fit.json`; NaN and infinity become null, so any JSON reader takes it."""
    cls = type(fit.device)
    return {
        "format": FORMAT,
        "neurojax": _version(),
        "model": cls.__name__,
        "doi": cls.doi,
        "converged": fit.converged,
        "rms_unit": fit.rms_unit,
        **{name: _plain(getattr(fit, name)) for name in _NUMBERS},
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
        "device": device_to_dict(fit.device),
        "instrument": {n: {"value": float(p.value), "unit": p.unit} for n, p in parameters(fit.instrument).items()},
        "starts": {"chi2_half": [_plain(c) for c in fit.start_costs], "agreeing": fit.agreeing},
        "directions": fit.directions,
        "warnings": fit.warnings,
        "seconds": fit.seconds,
        "settings": fit.settings,
        "theta": fit.theta.tolist(),
        "traces": [{"name": t.name, "sha256": t.hash()} for t in (fit.problem.traces if fit.problem else ())],
    }


def load_fit(
    path: str | os.PathLike,
    traces: Trace | PulseTrace | Sequence[Trace | PulseTrace] | None = None,
    *,
    cls: type[AbstractDevice] | None = None,
) -> Fit:
    """Read a `fit.json`.

    Args:
        path: file written by `fit.save`. traces: the data of that fit; with them `plot` and `profile` work again.
        cls: class of the device, where it lives in a notebook.

    Raises:
        DataError: the file is missing, is not a fit, names a device that is not there, or belongs to other data.
    """
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT or "theta" not in content:
        raise DataError(f"{path} is not a fit written by this version of neurojax (format {FORMAT}).")
    device = device_from_dict(content["device"], cls, path)
    instrument = Instrument(**{n: entry["value"] for n, entry in content["instrument"].items()})
    theta = np.asarray(content["theta"])
    problem = None if traces is None else _problem(content, device, instrument, traces, path)
    return Fit(
        device=device,
        instrument=instrument,
        estimates={name: _estimate(name, e) for name, e in content["parameters"].items()},
        covariance=np.asarray([[_number(c) for c in row] for row in content["covariance"]["matrix"]]),
        rms_unit=content["rms_unit"],
        **{name: _number(content[name]) for name in _NUMBERS},
        n_points=content["n_points"],
        converged=content["converged"],
        start_costs=np.asarray([np.inf if c is None else c for c in content["starts"]["chi2_half"]]),
        agreeing=content["starts"]["agreeing"],
        directions=content["directions"],
        warnings=content["warnings"],
        seconds=content["seconds"],
        settings=content["settings"],
        model=[] if problem is None else model_values(problem, theta),
        theta=theta,
        problem=problem,
    )


def _problem(content, device, instrument, traces, path):
    from neurojax.problem import prepare

    traces = (traces,) if isinstance(traces, Trace | PulseTrace) else tuple(traces)
    known = [t["sha256"] for t in content["traces"]]
    if [t.hash() for t in traces] != known:
        names = ", ".join(t["name"] for t in content["traces"])
        raise DataError(f"{path} was fitted to other data ({names}); give load_fit the same traces in the same order.")
    settings = dict(content["settings"])
    seen = len(traces) - settings.pop("unseen", 0)
    return prepare(device, traces[:seen], unseen=traces[seen:], instrument=instrument, **settings)


def _estimate(name: str, e: dict[str, Any]) -> Estimate:
    low, high = (_number(b) for b in e["interval_95"])
    bounds = (float(e["bounds"][0]), float(e["bounds"][1]))
    value, std = _number(e["value"]), _number(e["std"])
    return Estimate(name, value, std, (low, high), e["unit"], bounds, e["at_bound"], e["determined"])


def _number(x: float | None) -> float:
    return float("nan") if x is None else float(x)


def _plain(x: Any) -> float | None:
    value = float(jnp.asarray(x))
    return value if np.isfinite(value) else None


def _version() -> str:
    try:
        return importlib.metadata.version("neurojax-devices")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
