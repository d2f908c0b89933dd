"""Values that no device has are refused where it is made, with the reason."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurojax as nj
import physics
from physics.neurosim import NeuroSim
from physics.quantity import parameters, with_values

PAIRS = [(n, *pair) for n, cls in nj.devices().items() for pair in cls.ordered]


def test_there_are_pairs():
    assert {("PhaseChangeCell", "t_g", "t_m"), ("SecondOrder", "g_min", "g_max")} <= set(PAIRS)


@pytest.mark.parametrize(("name", "below", "above"), PAIRS, ids=[f"{n}-{b}" for n, b, _ in PAIRS])
def test_exchanged_values_are_refused(name, below, above):
    """At construction and by `replace`; equal ones too."""
    cls, known = nj.devices()[name], parameters(nj.device_named(name))
    low, high = (float(known[p].value) for p in (below, above))
    assert low < high
    for make in (cls, cls().replace):
        for wrong in ({below: high, above: low}, {below: low, above: low}):
            with pytest.raises(ValueError, match=rf"{name}: {below} = .* must be below {above} = "):
                make(**wrong)


def test_what_is_not_changed_is_not_looked_at():
    """A fit looks at bounds alone; its device can still be changed elsewhere, and mended."""
    fitted = with_values(nj.device_named("Vteam"), {"r_on": 2e3, "r_off": 1e3})
    assert float(fitted.replace(k_on=-5.0).k_on) == -5.0
    assert float(fitted.replace(r_off=3e3).r_off) == 3e3
    with pytest.raises(ValueError, match="must be below"):
        fitted.replace(r_off=1.5e3)


def test_values_beyond_the_bounds_are_refused():
    device = nj.device_named("GapRram")
    with pytest.raises(ValueError, match=r"GapRram.t_ox = .* is outside .* check the prefix"):
        device.replace(t_ox=12.0)
    with pytest.raises(ValueError, match=r"GapRram.v_0 = nan V is outside"):
        device.replace(v_0=float("nan"))


def test_what_nobody_can_mean_is_refused_at_construction():
    """Whatever the bounds, in which a wall of no width may lie; populations too."""
    for make, told in (
        (lambda: physics.Vteam(r_on=-50.0), r"Vteam.r_on = -50.* must be positive"),
        (lambda: physics.GapRram(v_0=jnp.asarray(np.nan)), r"GapRram.v_0 = nan V is not a number"),
        (lambda: physics.GapRram(i_0=jnp.asarray([1e-3, -1e-3])), r"GapRram.i_0 = .* must be positive"),
        (lambda: physics.EcramChannel(g_min=1e-4, g_max=1e-5), r"g_min = .* must be below g_max"),
        (lambda: physics.ThresholdSelector(v_th=0.3, v_hold=0.4), r"v_hold = .* must be below v_th"),
        (lambda: physics.Switch(r_on=1e9, r_off=1e3), r"r_on = .* must be below r_off"),
        (lambda: NeuroSim(g_min=1e-6, g_max=1e-7), r"NeuroSim: g_min = .* must be below g_max"),
    ):
        with pytest.raises(ValueError, match=told):
            make()
    assert float(physics.AgDiffusive(wall=1e-16).wall) == pytest.approx(1e-16)


def test_traced_values_are_not_looked_at():
    cls = nj.devices()["SecondOrder"]
    of = jax.jit(lambda g: cls(g_min=g, g_max=1e-4).g_min * cls().replace(g_min=2 * g, g_max=g).g_max)
    assert float(of(jnp.asarray(2e-4))) == pytest.approx(4e-8, rel=1e-6)
    many = cls().replace(g_min=jnp.asarray([1e-5, 2e-5]))
    assert many.g_min.shape == (2,)
    with pytest.raises(ValueError, match="must be below"):
        cls().replace(g_min=jnp.asarray([1e-5, 1e-3]))
