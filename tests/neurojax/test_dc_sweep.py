"""Operating points along a source, against closed forms and what the circuit does when it is swept slowly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

import neurojax as nj
import physics

SWEEP = np.linspace(-1.0, 1.0, 21)


def rectifier(resistance=1e3):
    return nj.Circuit(
        V1=(0.0, "in", "gnd"), R1=(physics.Resistor(jnp.asarray(resistance)), "in", "out"),
        D1=(physics.Diode(), "out", "gnd"), C1=(physics.Capacitor(jnp.asarray(1e-9)), "out", "gnd"),
    )  # fmt: skip


def test_a_diode_behind_a_resistor():
    found = rectifier().dc_sweep("V1", SWEEP)
    diode, env = physics.Diode(), physics.Environment()
    amps = lambda v: float(diode.current((), jnp.asarray(v), env))  # noqa: E731
    exact = [brentq(lambda u, e=e: amps(u) - (e - u) / 1e3, -2.0, 2.0, xtol=1e-14) for e in SWEEP]
    np.testing.assert_allclose(np.asarray(found.v["out"]), exact, rtol=0, atol=1e-8)
    np.testing.assert_allclose(np.asarray(found.i["V1"]), -(SWEEP - exact) / 1e3, rtol=0, atol=1e-11)
    assert bool(found.ok.all()) and "21 of 21" in repr(found)


def test_a_transistor_with_a_limiter_and_a_population():
    """Drain current never beyond the compliance, and at it where the transistor would let more pass."""
    drive = nj.Circuit(
        VG=(1.5, "g", "gnd"), VD=(0.0, "in", "gnd"), L1=(physics.CurrentLimiter(), "in", "d"),
        T1=(physics.Mosfet(), "g", "d", "gnd"),
    ).replace({"L1.compliance": np.asarray([1e-6, 1e-5, 1e-1])})  # fmt: skip
    found = drive.dc_sweep("VD", np.linspace(0.0, 2.0, 11))
    amps = np.asarray(found.i["L1"])
    assert amps.shape == (3, 11) and np.all(np.diff(amps[:2], axis=1) > 0)
    assert np.all(amps[:2].max(axis=1) < [1e-6, 1e-5]) and np.all(amps[:2, -1] > [0.99e-6, 0.99e-5])
    assert amps[2, -1] > 3e-5
    np.testing.assert_allclose(np.asarray(found.i["T1"])[..., 1], amps, rtol=1e-6)


def test_states_are_held():
    """A read does not move the memristor: its conductance at each point is that of the state."""
    device = physics.GapRram()
    one = nj.Circuit(V1=(0.0, "a", "gnd"), M1=(device, "a", "gnd"))
    x = device.init(physics.Environment())
    exact = [float(device.current(x, jnp.asarray(v), physics.Environment())) for v in SWEEP]
    np.testing.assert_allclose(np.asarray(one.dc_sweep("V1", SWEEP).i["M1"]), exact, rtol=1e-12)


def test_derivative():
    """Of the current, to the resistance: the implicit one beside a difference."""
    amps = lambda r: rectifier().replace({"R1.resistance": r}).dc_sweep("V1", SWEEP[-2:]).i["R1"]  # noqa: E731
    exact = np.asarray(jax.jacfwd(amps)(jnp.asarray(1e3)))
    difference = np.asarray(amps(jnp.asarray(1e3 + 1e-2)) - amps(jnp.asarray(1e3 - 1e-2))) / 2e-2
    np.testing.assert_allclose(exact, difference, rtol=1e-6)


def test_errors_say_what_is_wrong():
    with pytest.raises(nj.CircuitError, match="no source"):
        rectifier().dc_sweep("V2", SWEEP)
    with pytest.raises(nj.CircuitError, match="finite numbers"):
        rectifier().dc_sweep("V1", [0.0, np.nan])
    stuck = nj.Circuit(I1=(nj.CurrentSource(0.0), "gnd", "a"), R1=(physics.CurrentLimiter(), "a", "gnd"))
    with pytest.raises(nj.CircuitError, match=r"I1 = 0\.001: no operating point"):
        stuck.dc_sweep("I1", [1e-5, 1e-3])
    assert np.asarray(stuck.dc_sweep("I1", [1e-5, 1e-3], throw=False).ok).tolist() == [True, False]
