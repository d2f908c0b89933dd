"""The usual sweep in float32 beside float64: what is the default of JAX is what most users run."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from established import ESTABLISHED, RARELY

import neurojax as nj
import physics
from physics.device import Environment

FEW = ("FloatingGate", "GapRram")
KNOWN = {"Mtj": "leaves the hard axis by a rounding, so that the time of a switch is one"}


def single(tree):
    return jax.tree.map(lambda a: a.astype(jnp.float32) if getattr(a, "dtype", None) == jnp.float64 else a, tree)


def marks(name):
    known = [pytest.mark.xfail(reason=KNOWN[name], strict=True)] if name in KNOWN else []
    when = [] if name in FEW else [pytest.mark.slow] if name in ESTABLISHED else RARELY
    return pytest.param(name, marks=[*known, *when])


@pytest.mark.parametrize("name", [marks(n) for n in nj.devices()])
def test_sweep_in_single_precision(name):
    """Currents to 1e-3 of the largest of each port, but beside a corner of the voltage, where a capacitor's jumps."""
    device = nj.devices()[name]()
    v_max, v_min, period = device.sweep
    wave, ts = nj.triangle(v_max, v_min, period), np.linspace(0.0, period, 401)
    options = dict(gradient="forward", progress=False)
    double = np.asarray(nj.simulate(device, wave, ts=ts, **options).i)
    record = nj.simulate(single(device), single(wave), ts=jnp.asarray(ts, jnp.float32), **options)
    assert record.i.dtype == jnp.float32
    away = np.abs(ts[:, None] - np.asarray(wave.t)).min(axis=1) > 0.3 * ts[1]
    off = (np.abs(np.asarray(record.i, float) - double) / np.abs(double).max(axis=0)).reshape(401, -1).max(axis=1)
    assert off[away].max() < 1e-3


def test_a_transistor_whose_temperature_is_traced():
    """k_B^2 is no number of float32, and a compiler may take the square of k_B T/q apart."""
    device, v, env = single((physics.Mosfet(), jnp.asarray([1.5, 1.0]), Environment()))
    current = jax.jit(lambda device, v, env: device.current((), v, env))
    exact = physics.Mosfet().current((), jnp.asarray([1.5, 1.0]), Environment())
    np.testing.assert_allclose(current(device, v, env), exact, rtol=1e-5)
