"""A device as readable JSON, and the way back: class, parameters with units, and what is fixed in its make-up.

save_device(device, "cell.json");  load_device("cell.json")
"""

import dataclasses
import importlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from neurojax.errors import DataError
from physics.device import AbstractDevice
from physics.quantity import parameters, suggest, with_values


def device_to_dict(device: AbstractDevice) -> dict[str, Any]:
    """Class, static fields and parameters (value and unit) of a device, ready for `json.dump`.

    Raises:
        DataError: a static field that JSON cannot hold.
    """
    cls = type(device)
    static = {f.name: getattr(device, f.name) for f in dataclasses.fields(device) if f.metadata.get("static")}
    try:
        json.dumps(static)
    except TypeError as error:
        raise DataError(f"{cls.__name__}: a static field cannot be written as JSON ({error}).") from None
    return {
        "class": f"{cls.__module__}:{cls.__qualname__}",
        "static": static,
        "parameters": {
            n: {"value": np.asarray(p.value).tolist(), "unit": p.unit} for n, p in parameters(device).items()
        },
    }


def device_from_dict(
    content: dict[str, Any], cls: type[AbstractDevice] | None = None, source: Any = ""
) -> AbstractDevice:
    """The device that `device_to_dict` wrote.

    Args:
        content: what it wrote. cls: the class, where it cannot be imported (a notebook's). source: for messages.

    Raises:
        DataError: no such class, unknown parameters, another unit than the class declares.
    """
    try:
        path, static, values = content["class"], content["static"], content["parameters"]
    except (KeyError, TypeError) as error:
        raise DataError(f"{source}: this is not a device written by neurojax ({error}).") from None
    found = _class(path, source) if cls is None else cls
    device = found(**static)
    known = parameters(device)
    for name, entry in values.items():
        if name not in known:
            raise DataError(f"{source}: {path} has no parameter {name!r}.{suggest(name, tuple(known))}")
        if entry["unit"] != known[name].unit:
            raise DataError(f"{source}: {path}.{name} is in {entry['unit']!r}, but the class has {known[name].unit!r}.")
    return with_values(device, {n: np.asarray(entry["value"]) for n, entry in values.items()})


def save_device(device: AbstractDevice, path: str | os.PathLike) -> None:
    """Write a device to the file `path` as readable JSON.

    Raises:
        DataError: a static field that JSON cannot hold.
    """
    Path(path).write_text(json.dumps(device_to_dict(device), indent=2) + "\n", encoding="utf-8")


def load_device(path: str | os.PathLike, cls: type[AbstractDevice] | None = None) -> AbstractDevice:
    """Read a device from JSON.

    Args:
        path: file written by `save_device`. cls: the class, where it lives in a notebook.

    Returns:
        The device, with the values of the file at the precision of this session.

    Raises:
        DataError: no such file, not JSON, not a device.
    """
    return device_from_dict(read_json(path), cls, path)


def read_json(path: str | os.PathLike) -> Any:
    """The content of a JSON file, or a DataError."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not JSON ({error}).") from None


def _class(path: str, source: Any) -> Any:
    module, _, name = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise DataError(
            f"{source}: cannot import the device {path} ({error}). If it is a class of your notebook, pass it: cls=..."
        ) from None
    if not (isinstance(found, type) and issubclass(found, AbstractDevice)):
        raise DataError(f"{source}: {path} is not a device.")
    return found
