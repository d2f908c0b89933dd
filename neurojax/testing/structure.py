"""Checks of form: declarations, shapes and types, files, compilation, batches."""

import dataclasses
import inspect
import json

import jax
import jax.numpy as jnp
import numpy as np

from neurojax.devicefile import device_from_dict, device_to_dict
from neurojax.testing.draws import answer, draws, labels, one, words
from physics.device import AbstractDevice, Environment
from physics.quantity import Quantity, parameters


def declarations(device: AbstractDevice, size: int, seed: int) -> str:
    """Every field says what it is, the class says its equation and where it comes from, states are of order one."""
    del size, seed
    cls = type(device)
    text = inspect.getdoc(cls) or ""
    if not text or ("=" not in text and "circuit element" not in text):
        return f"the docstring of {cls.__name__} holds no equation"
    if not cls.doi:
        return f"{cls.__name__}.doi is empty; give the DOI of the equations, 'textbook', or 'unpublished'"
    for name in ("conductance", "power", "port_shape"):
        if getattr(cls, name) is not getattr(AbstractDevice, name):
            return f"{name} is derived and final, {cls.__name__} defines another; call yours something else"
    for field in dataclasses.fields(device):
        declared = field.metadata.get("quantity")
        wrapped = isinstance(getattr(device, field.name), AbstractDevice)  # which declares what it has
        if declared is None and not wrapped and not field.metadata.get("static"):
            return f"field {field.name!r} is declared by neither quantity(...) nor eqx.field(static=True)"
        if isinstance(declared, Quantity) and not (declared.doc and declared.source):
            return f"parameter {field.name!r} has no {'sentence (doc=)' if not declared.doc else 'source (source=)'}"
    for name, p in parameters(device).items():
        if not p.contains(p.value):
            return f"{name} = {float(p.value):g} {p.unit} lies outside its own bounds {p.bounds}"
    for name, p in parameters(device.init(Environment())).items():
        if not p.contains(p.value):
            return f"the initial state {name} = {float(p.value):g} lies outside its own bounds {p.bounds}"
        if max(map(abs, p.bounds)) > 1e4:
            return f"the state {name} runs over {p.bounds}; scale it to order one"
    return ""


def shapes(device: AbstractDevice, size: int, seed: int) -> str:
    """`rate` answers with the structure, shapes and types of the state, `current` with one number a port."""
    del size
    drawn = one(draws(device, 1, seed), 0)
    env = Environment(temperature=drawn.kelvin)
    x = device.init(env)
    rate = jax.eval_shape(lambda: device.rate(x, drawn.v, env))
    if jax.tree.structure(rate) != jax.tree.structure(x):
        return f"rate returns {jax.tree.structure(rate)}, the state is {jax.tree.structure(x)}"
    for a, b in zip(jax.tree.leaves(rate), jax.tree.leaves(x), strict=True):
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return f"rate returns {a.shape} {a.dtype} for a state of {b.shape} {b.dtype}"
    i = jax.eval_shape(lambda: device.current(x, drawn.v, env))
    if i.shape != device.port_shape:
        return f"current returns shape {i.shape}; {len(device.terminals)} terminals need {device.port_shape}"
    if len(device.terminals) < 2 or len(set(device.terminals)) < len(device.terminals):
        return f"terminals {device.terminals} must be two or more different names"
    return ""


def one_trace(device: AbstractDevice, size: int, seed: int) -> str:
    """Compiled and not compiled agree, and other numbers need no second compilation."""
    drawn, names, count = draws(device, 2, seed), labels(device), 0
    del size

    @jax.jit
    def compiled(d):
        nonlocal count
        count += 1
        return answer(device, d)

    for k in range(2):
        fast = np.asarray(compiled(one(drawn, k)))
        slow = np.asarray(answer(device, one(drawn, k)))
        bad = np.flatnonzero(~np.isclose(fast, slow, rtol=1e-6, atol=1e-9 * np.abs(slow).max(initial=0.0)))
        if bad.size:
            return f"{names[bad[0]]} is {fast[bad[0]]:.9g} compiled and {slow[bad[0]]:.9g} not, at {words(drawn, k)}"
    return (
        "" if count == 1 else f"{count} compilations for two sets of numbers: a value decides in Python (if, float())"
    )


def batches(device: AbstractDevice, size: int, seed: int) -> str:
    """vmap over draws equals a loop over them."""
    drawn, names = draws(device, 4, seed), labels(device)
    del size
    together = np.asarray(jax.jit(jax.vmap(lambda d: answer(device, d)))(drawn))
    single = jax.jit(lambda d: answer(device, d))
    for k in range(4):
        alone = np.asarray(single(one(drawn, k)))
        bad = np.flatnonzero(~np.isclose(together[k], alone, rtol=1e-9, atol=1e-12 * np.abs(alone).max(initial=0.0)))
        if bad.size:
            j = bad[0]
            return f"{names[j]} is {together[k, j]:.9g} in a batch and {alone[j]:.9g} alone, at {words(drawn, k)}"
    return ""


def file(device: AbstractDevice, size: int, seed: int) -> str:
    """Written as JSON and read again it is the same device."""
    del size, seed
    back = device_from_dict(json.loads(json.dumps(device_to_dict(device))), cls=type(device))
    if jax.tree.structure(back) != jax.tree.structure(device):
        return "a static field did not come back from JSON"
    pairs = zip(parameters(device).items(), parameters(back).values(), strict=True)
    lost = [name for (name, p), q in pairs if not jnp.array_equal(p.value, q.value)]
    return f"{lost[0]} did not come back from JSON" if lost else ""
