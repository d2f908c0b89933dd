"""Elements from plain numbers."""

from typing import Any

import jax.numpy as jnp


def made(kind: Any, value: Any) -> Any:
    """`kind(value)`, the value an array of the usual precision."""
    return kind(jnp.asarray(value, jnp.result_type(float)))
