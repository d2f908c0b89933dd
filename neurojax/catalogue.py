"""Which devices there are: found by import, never listed by hand."""

import dataclasses
import importlib
import inspect
import pkgutil
from typing import Any

import numpy as np

import physics
from neurojax.errors import DataError
from physics.device import AbstractDevice, Environment
from physics.quantity import parameters, suggest

UNLISTED = ("element", "membrane")
"""Families of what circuits and neurons are made of, beside the devices."""


def devices(*, elements: bool = False) -> dict[str, Any]:
    """Name -> class of every device in `physics`, sorted; elements of circuits and membranes only if asked.

    What wraps another device (`physics.imperfect`) is none by itself.
    """
    found: dict[str, Any] = {}
    for info in pkgutil.iter_modules(physics.__path__):
        module = importlib.import_module(f"physics.{info.name}")
        members: dict[str, Any] = vars(module)
        for name, cls in members.items():
            here = inspect.isclass(cls) and issubclass(cls, AbstractDevice) and cls.__module__ == module.__name__
            if (
                here
                and not inspect.isabstract(cls)
                and _complete(cls)
                and (elements or getattr(cls, "family", "") not in UNLISTED)
            ):
                found[name] = cls
    return dict(sorted(found.items()))


def _complete(cls: Any) -> bool:
    """Whether it can be made without arguments: nothing is abstract, no attribute either, and all have defaults."""
    if getattr(cls, "__abstractvars__", ()):
        return False
    unset = dataclasses.MISSING
    return not any(f.default is unset and f.default_factory is unset for f in dataclasses.fields(cls))


def device_named(name: str) -> AbstractDevice:
    """The device of that name (case does not matter) at its default parameters, or at those of a preset.

    Args:
        name: a class, or a class and a preset of it: "Vteam", "PhaseChangeCell.partial_reset".

    Raises:
        DataError: no such device or preset, with the closest names.
    """
    known = devices(elements=True)
    wanted, _, preset = name.partition(".")
    found = next((cls for candidate, cls in known.items() if candidate.lower() == wanted.lower()), None)
    if found is None:
        raise DataError(f"there is no device {wanted!r}.{suggest(wanted, tuple(known))}")
    if not preset:
        return found()
    if preset not in presets(found):
        what = suggest(preset, presets(found)) if presets(found) else ""
        raise DataError(f"{found.__name__} has no preset {preset!r}.{what}")
    return getattr(found, preset)()


def presets(cls: Any) -> tuple[str, ...]:
    """Names of the published parameter sets of a device: its public class methods without arguments."""
    own = [n for n, f in vars(cls).items() if isinstance(f, classmethod) and not n.startswith("_")]
    return tuple(n for n in own if not inspect.signature(getattr(cls, n)).parameters)


def describe(cls: Any) -> dict[str, Any]:
    """The catalogue entry of a device class `cls`, as in `neurojax devices --json`."""
    device = cls()
    state = device.init(Environment())
    return {
        "name": cls.__name__,
        "family": cls.family,
        "terminals": list(cls.terminals),
        "states": list(parameters(state)),
        "doi": cls.doi,
        "summary": (inspect.getdoc(cls) or "").split("\n")[0],
        "parameters": {
            n: {
                "default": float(np.asarray(p.value)),
                "unit": p.unit,
                "bounds": list(p.bounds),
                "scale": p.quantity.scale,
                "doc": p.quantity.doc,
                "source": p.quantity.source,
                "free": p.quantity.free,
            }
            for n, p in parameters(device).items()
        },
    }
