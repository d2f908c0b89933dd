"""The state of a search on the disk, by orbax: complete or not there, so that a kill at any moment does no harm."""

import contextlib
import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np

from neurojax.errors import DesignError

KEPT = 2


class Checkpoint:
    """A folder with the last states of one search."""

    def __init__(self, folder: str | os.PathLike[str], settings: Any):
        """In `folder`, which is made; `settings` is anything for JSON that tells one search from another.

        Raises:
            DesignError: the folder belongs to another search.
        """
        import orbax.checkpoint as ocp

        logging.getLogger("absl").setLevel(logging.ERROR)
        path = Path(folder).absolute()
        path.mkdir(parents=True, exist_ok=True)
        claim(path, settings)
        options = ocp.CheckpointManagerOptions(max_to_keep=KEPT, enable_async_checkpointing=False, create=True)
        self._args = ocp.args
        self._manager = ocp.CheckpointManager(path / "states", options=options)

    def save(self, step: int, state: Any) -> None:
        """Write the arrays of `state` as those of a `step`."""
        arrays = {str(k): np.asarray(leaf) for k, leaf in enumerate(jax.tree.leaves(state))}
        self._manager.save(step, args=self._args.StandardSave(arrays), force=True)

    def load(self, like: Any) -> Any:
        """The last state, of the structure of `like`; None where there is none yet.

        Raises:
            DesignError: what is there has another shape.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        leaves, structure = jax.tree.flatten(like)
        wanted = {str(k): np.asarray(leaf) for k, leaf in enumerate(leaves)}
        try:
            found = self._manager.restore(step, args=self._args.StandardRestore(wanted))
        except (ValueError, KeyError, TypeError) as error:
            raise DesignError(
                f"the checkpoint of step {step} is of another search: {error}. Use another folder."
            ) from None
        return jax.tree.unflatten(structure, [found[str(k)] for k in range(len(leaves))])

    def close(self) -> None:
        """Let go of the folder."""
        self._manager.close()


def claim(path: Path, settings: Any) -> None:
    """Mark the folder `path` as that of a search with `settings`, anything for JSON.

    Raises:
        DesignError: it is marked as that of another one.
    """
    mark = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()
    file, known = path / "search.json", None
    with contextlib.suppress(OSError, ValueError, KeyError):
        known = json.loads(file.read_text(encoding="utf-8"))["mark"]
    if known is None:
        part = path / "search.json.part"
        part.write_text(json.dumps({"mark": mark}), encoding="utf-8")
        os.replace(part, file)
    elif known != mark:
        raise DesignError(
            f"{path} holds a search with other settings (steps, method, variables, bounds, objective or key). Use "
            "another folder, or delete this one."
        )
