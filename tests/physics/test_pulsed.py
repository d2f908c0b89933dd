"""Pulsed devices against what the compiled aihwkit answered, in closed form, and on average."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from physics.pulsed import Constant, Exponential, Linear, Piecewise, Power, SoftBounds
from physics.pulsed_presets import PRESETS, soft_bounds_of_curve
from physics.quantity import parameters, with_values

COUNTS = (1, 10, 100, 1000)


def array(value):
    return jnp.asarray(value, dtype=float)


def device(cls, **values):
    return with_values(cls(), values)


@jax.jit
def train(cell, start, signs):
    """w after each pulse without noise."""

    def step(w, sign):
        w = cell.pulse(w, sign, jnp.zeros_like(w))
        return w, w

    return jax.lax.scan(step, start, signs)[1]


def after(cell, start, sign, counts=COUNTS):
    return np.asarray(train(cell, array(start), jnp.full(1000, float(sign))))[np.asarray(counts) - 1]


MIRROR = object()
REFERENCE = {
    "ReRamES": ((0.00148125, 0.0147909, 0.146008, 1), (-0.00199144, -0.0196971, -0.179472, -1)),
    "ReRamSB": ((0.002, 0.0198566, 0.184957, 0.997953), (-0.002, -0.0197617, -0.175758, -0.698073)),
    "Capacitor": ((0.005, 0.0499438, 0.493863, 1), MIRROR),
    "EcRam": ((0.002, 0.0199823, 0.198065, 1.1724), (-0.002, -0.0198898, -0.188308, -0.8276)),
    "EcRamMO": (
        (0.00028214, 0.00282013, 0.0280748, 0.268504),
        (-0.00028214, -0.00281823, -0.0278677, -0.249664),
    ),
    "PCM": ((0.28235, 0.924401, 2, 2), (0.717721, 0.0756970, 0, 0)),
    "ReRamArrayOM": ((0.0949, 0.631052, 0.999953, 1), MIRROR),
    "ReRamArrayHfO2": ((0.4622, 0.997976, 1, 1), MIRROR),
    "GokmenVlasov": ((0.0016, 0.016, 0.16, 1), MIRROR),
    "Idealized": ((0.0002, 0.002, 0.02, 0.2), MIRROR),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_presets_up_and_down(name):
    """From w = 0, the one of PCM that goes down from w = 1."""
    up, down = REFERENCE[name]
    np.testing.assert_allclose(after(PRESETS[name](), 0.0, 1), up, rtol=4e-6)
    start = 1.0 if name == "PCM" else 0.0
    down = [-u for u in up] if down is MIRROR else down
    np.testing.assert_allclose(after(PRESETS[name](), start, -1), down, rtol=4e-6, atol=1e-15)


def test_all_presets_are_there_and_inside_their_bounds():
    assert set(PRESETS) == set(REFERENCE)
    for make in PRESETS.values():
        for name, p in parameters(make()).items():
            assert p.contains(p.value), name
            assert p.quantity.doc and p.quantity.source


def test_pcm_saturates():
    found = after(PRESETS["PCM"](), 0.0, 1, (2, 5, 20, 50))
    np.testing.assert_allclose(found, [0.426803, 0.681657, 1.21736, 1.72969], rtol=4e-6)


@pytest.mark.parametrize(
    ("name", "pulses"),
    [
        ("ReRamES", 1179),
        ("ReRamSB", 1871),
        ("EcRam", 965),
        ("EcRamMO", 7351),
        ("GokmenVlasov", 1188),
        ("Idealized", 9501),
        ("PCM", 64),
        ("ReRamArrayOM", 31),
        ("ReRamArrayHfO2", 5),
    ],
)
def test_pulses_over_95_percent_of_the_range(name, pulses):
    cell = PRESETS[name]()
    low, high = float(cell.w_min), float(cell.w_max)
    found = np.asarray(train(cell, cell.w_min, jnp.ones(9600)))
    assert int(np.argmax(found >= low + 0.95 * (high - low))) + 1 == pulses


def test_power_and_piecewise():
    power = device(Power, dw_min=0.02, gamma_up=2.0, gamma_down=2.0)
    np.testing.assert_allclose(after(power, 0.0, 1, (1, 10, 100)), [0.005, 0.0478419, 0.334238], rtol=4e-6)
    nodes = (1.5, 1.0, 1.5)
    pieces = with_values(Piecewise(up_nodes=nodes, down_nodes=nodes), {"dw_min": 0.01})
    np.testing.assert_allclose(after(pieces, 0.0, 1, (1, 10, 50)), [0.01, 0.10228, 0.566452], rtol=4e-6)
    np.testing.assert_allclose(after(pieces, 0.0, -1, (1, 10, 50)), [-0.01, -0.10228, -0.566452], rtol=4e-6)
    uneven = with_values(Piecewise(up_nodes=(1.0, 2.0, 5.0), down_nodes=(1.0, 1.0)), {"dw_min": 0.01})
    assert float(uneven.up(array(0.25))) == pytest.approx(2.75) and float(uneven.down(array(0.25))) == 1.0
    nodes = (0.2, 0.9, 1.5, 1.1, 0.4)
    ends = Piecewise(up_nodes=nodes, down_nodes=nodes, at_ends=True)
    places = -np.cos(np.pi * np.arange(5) / 4)
    np.testing.assert_allclose(ends.up(array(places)), nodes, rtol=1e-12)
    middle = 0.5 * (places[1:] + places[:-1])
    np.testing.assert_allclose(ends.down(array(middle)), np.convolve(nodes, [0.5, 0.5], "valid"), rtol=1e-12)


def test_soft_bounds_of_a_curve():
    """w(500) of 1000 pulses is 0.124353 of the documented curve and 0.359828 of the compiled steps."""
    cell = soft_bounds_of_curve(5e-4, 1000, -1.0, 1.0)
    found = after(cell, -1.0, 1, (500, 1000))
    curve = -1 + 2 * np.expm1(-5e-4 * np.array([500, 1000])) / np.expm1(-0.5)
    np.testing.assert_allclose(found, curve, rtol=1e-9)
    assert found[0] == pytest.approx(0.124353, rel=4e-6) and found[1] == pytest.approx(1.0, rel=1e-9)
    np.testing.assert_allclose(after(cell, 1.0, -1, (500, 1000)), -curve, rtol=1e-9)
    b = 2 / -np.expm1(-0.5)
    compiled = device(SoftBounds, dw_min=5e-4 * b, w_max=b - 1, w_min=1 - b)
    np.testing.assert_allclose(after(compiled, -1.0, 1, (500, 1000)), [0.359828, 1.355868], rtol=3e-6)


def test_asymmetry_takes_from_one_side_only():
    """Not dw_min (1 +- up_down): what is positive makes the steps down smaller and leaves those up."""
    up, down = (float(s) for s in device(Constant, dw_min=0.1, up_down=0.3).scales())
    assert up == pytest.approx(0.1) and down == pytest.approx(0.07)
    up, down = (float(s) for s in device(Constant, dw_min=0.1, up_down=-0.3).scales())
    assert up == pytest.approx(0.07) and down == pytest.approx(0.1)


def steps(cell, w, n=100_000, sign=1.0):
    noise = jax.random.normal(jax.random.key(0), (n,))
    return np.asarray(cell.pulse(jnp.full(n, float(w)), jnp.full(n, sign), noise)) - w


def test_scatter_of_a_step():
    """s times the step, s S whatever the step, or s (|dw| + add + slope |w|)."""
    shape = dict(dw_min=1e-3, gamma_up=0.5, dw_std=0.4)
    for additive, expected in ((False, 0.4 * 0.8e-3), (True, 0.4e-3)):
        moved = steps(with_values(Linear(additive=additive), shape), 0.4)
        assert moved.mean() == pytest.approx(0.8e-3, abs=3 * expected / np.sqrt(1e5))
        assert moved.std() == pytest.approx(expected, rel=3 / np.sqrt(2e5))
    pcm = PRESETS["PCM"]()
    w, size = 1.0, 0.01 * (1 + 27.235 * np.exp(-2.5))
    std = 0.6 * (size + 0.042 + 0.108 * w)
    assert steps(pcm, w).std() == pytest.approx(std, rel=3 / np.sqrt(2e5))
    assert steps(pcm, w).mean() == pytest.approx(size, abs=3 * std / np.sqrt(1e5))


def test_write_noise_hides_the_weight():
    cell = PRESETS["ReRamES"]()
    noise = jax.random.normal(jax.random.key(1), (100_000,))
    seen = np.asarray(cell.apparent(jnp.full(100_000, 0.2), noise))
    std = 75 * 0.00135
    assert seen.mean() == pytest.approx(0.2, abs=3 * std / np.sqrt(1e5))
    assert seen.std() == pytest.approx(std, rel=3 / np.sqrt(2e5))


def test_sampled_devices_spread_as_declared():
    key, n = jax.random.key(2), 40_000
    cells = PRESETS["EcRam"]().sample(key, (n,))
    for name, mean, std in (
        ("gain", 1.0, 0.1),
        ("lean", 0.0, 0.01),
        ("max_factor", 1.0, 0.05),
        ("min_factor", 1.0, 0.05),
        ("gamma_up", 0.1153, 0.05),
        ("gamma_down", 0.5085, 0.05),
    ):
        drawn = np.asarray(getattr(cells, name))
        # The gammas are folded at zero, 0.1153 is 2.3 standard deviations from it.
        folded = 0.015 if name == "gamma_up" else 0.0
        assert drawn.mean() == pytest.approx(mean, abs=(3 / np.sqrt(n) + folded) * std)
        assert drawn.std() == pytest.approx(std, rel=3 / np.sqrt(2 * n) + folded)
    w = cells.pulse(jnp.zeros(n), jnp.ones(n), jnp.zeros(n))
    assert w.shape == (n,) and float(jnp.std(w)) == pytest.approx(0.002 * np.hypot(0.1, 0.01), rel=3 / np.sqrt(2 * n))
    assert cells.w_max.shape == () and len({float(x) for x in cells.bounds()[1][:5]}) == 5
    again = PRESETS["EcRam"]().sample(key, (n,))
    np.testing.assert_array_equal(cells.gain, again.gain)
    log = PRESETS["ReRamArrayOM"]().sample(key, (n,))
    assert float(jnp.log(log.gain).std()) == pytest.approx(0.7829, rel=3 / np.sqrt(2 * n))


def test_devices_that_do_not_answer():
    cell = with_values(PRESETS["ReRamArrayOM"](), {"corrupt": 0.1348})
    cells = cell.sample(jax.random.key(3), (20_000,))
    still = np.asarray(cells.pulse(jnp.zeros(20_000), jnp.ones(20_000), jnp.zeros(20_000))) == 0
    assert still.mean() == pytest.approx(0.1348, abs=3 * np.sqrt(0.1348 * 0.8652 / 20_000))


def test_subtracted_symmetry_point_is_where_steps_are_even():
    """Up and down cancel at w = 0, but for the error of the reference."""
    shape = {"reference_std": 0.0, "w_max_dtod": 0.2, "w_min_dtod": 0.2}
    cells = with_values(PRESETS["ReRamArrayOM"](), shape).sample(jax.random.key(4), (200,))
    zero, no = jnp.zeros(200), jnp.zeros(200)
    up, down = cells.pulse(zero, jnp.ones(200), no), cells.pulse(zero, -jnp.ones(200), no)
    np.testing.assert_allclose(up + down, 0.0, atol=1e-12)
    assert float(jnp.abs(cells.reference).max()) > 1e-3
    np.testing.assert_allclose(cells.symmetry_point(), cells.reference, atol=1e-12)
    noisy = PRESETS["ReRamArrayOM"]().sample(jax.random.key(4), (20_000,))
    assert float(jnp.std(noisy.reference - noisy.symmetry_point())) == pytest.approx(0.05, rel=3 / np.sqrt(40_000))


def test_reset_and_leakage():
    pcm = PRESETS["PCM"]()
    assert float(pcm.reset(array(0.0))) == pytest.approx(0.01)
    spread = pcm.sample(jax.random.key(5), (20_000,)).reset_to
    assert float(jnp.std(spread)) == pytest.approx(0.02, rel=3 / np.sqrt(40_000))
    cell = PRESETS["Capacitor"]()
    assert float(cell.forget(array(0.5), array(1e6))) == pytest.approx(0.5 / np.e, rel=1e-5)
    assert float(PRESETS["EcRam"]().forget(array(0.5), array(1e6))) == pytest.approx(0.5, rel=1e-5)


def test_part_of_a_pulse_and_none():
    cell = device(Linear, dw_min=0.01, gamma_up=0.3, gamma_down=0.6)
    whole = float(cell.pulse(array(0.2), array(1.0), array(0.0))) - 0.2
    assert float(cell.pulse(array(0.2), array(0.25), array(0.0))) - 0.2 == pytest.approx(0.25 * whole, rel=1e-9)
    assert float(cell.pulse(array(0.2), array(0.0), array(3.0))) == 0.2


@pytest.mark.parametrize("cls", [Constant, Linear, SoftBounds, Exponential, Power, Piecewise])
def test_gradients_at_the_bounds(cls):
    """Hard bounds have none, soft and straight ones do; all are finite, also beyond the bounds and in float32."""
    total = lambda cell, w: cell.pulse(w, array(1.0), array(0.5))  # noqa: E731
    for clip in ("hard", "soft", "straight"):
        for w in (-1.3, -1.0, 0.0, 1.0, 1.3):
            made = with_values(cls(clip=clip), {"dw_min": 0.05, "dw_std": 0.2})
            by = jax.grad(total, (0, 1))(made, array(w))
            assert all(np.isfinite(np.asarray(g)).all() for g in jax.tree.leaves(by))
        # Constant steps into a wall: w + dw > w_max for all near it.
        made = device(cls, dw_min=0.05) if clip == "hard" else with_values(cls(clip=clip), {"dw_min": 0.05})
        slope = float(jax.grad(total, 1)(made, array(1.2)))
        assert (slope == 0.0) if clip == "hard" else (slope > 1e-3)
    single = jax.tree.map(lambda a: a.astype(jnp.float32), made)
    moved = single.pulse(jnp.float32(0.3), jnp.float32(1.0), jnp.float32(0.5))
    assert moved.dtype == jnp.float32
    assert float(moved) == pytest.approx(float(made.pulse(array(0.3), array(1.0), array(0.5))), rel=1e-5)


def test_soft_bounds_of_the_clip_are_those_of_the_hard_one_far_away():
    soft, hard = (with_values(Constant(clip=c), {"dw_min": 0.01}) for c in ("soft", "hard"))
    for w in (-0.5, 0.0, 0.7):
        values = [float(c.pulse(array(w), array(1.0), array(0.0))) for c in (soft, hard)]
        assert values[0] == pytest.approx(values[1], abs=1e-9)
    assert float(soft.pulse(array(0.99), array(1.0), array(0.0))) == pytest.approx(1 - 0.01 * np.log(2), rel=1e-6)
    # The largest share a pulse can take it beyond is nothing.
    assert float(soft.bounded(array(50.0))) == pytest.approx(1.0, rel=1e-12)


def test_a_whole_train_is_differentiable():
    """d w(100)/d dw_min of soft bounds, 1 - (1 - dw/b)^n in closed form."""
    value = lambda dw: train(device(SoftBounds, dw_min=dw), array(0.0), jnp.ones(100))[-1]  # noqa: E731
    found, slope = jax.value_and_grad(value)(array(0.01))
    assert float(found) == pytest.approx(1 - 0.99**100, rel=1e-9)
    assert float(slope) == pytest.approx(100 * 0.99**99, rel=1e-9)


def test_conductance_is_linear_in_the_weight():
    cell = PRESETS["EcRam"]()
    for w, g in ((-0.8276, 1e-6), (0.1724, 5.5e-6), (1.1724, 1e-5)):
        assert float(cell.conductance(array(w), array(1e-6), array(1e-5))) == pytest.approx(g, rel=1e-9)
