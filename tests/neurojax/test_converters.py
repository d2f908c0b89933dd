"""Quantisers and converters: codes, reconstruction, gradients through held decisions, errors, noise."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import neurojax as nj
from neurojax import converters as co

KEY = jax.random.key(7)
ADCS = {
    "ideal": lambda **f: co.IdealADC(**f),
    "ramp": lambda **f: co.RampADC(gain=1e9, **f),
    "sar": lambda **f: co.SarADC(**f),
    "pipeline": lambda **f: co.PipelineADC(gain=np.inf, **f),
    "cyclic": lambda **f: co.CyclicADC(gain=np.inf, **f),
}
SAMPLED = {
    "ideal": lambda s: co.IdealADC(bits=7, low=-0.3, high=0.9, offset=0.01 * jax.random.normal(KEY, s)),
    "ramp": lambda s: co.RampADC.sampled(
        bits=7, low=-0.3, high=0.9, slope=0.02, offset=0.01, shape=s, key=KEY, gain=30.0
    ),
    "sar": lambda s: co.SarADC.sampled(bits=7, low=-0.3, high=0.9, mismatch=0.1, offset=0.01, shape=s, key=KEY),
    "pipeline": lambda s: co.PipelineADC.sampled(
        bits=7, low=-0.3, high=0.9, mismatch=0.01, offset=0.03, shape=s, key=KEY, gain=300.0
    ),
    "cyclic": lambda s: co.CyclicADC.sampled(
        bits=7, low=-0.3, high=0.9, mismatch=0.01, offset=0.03, shape=s, key=KEY, gain=300.0
    ),
}


@functools.cache
def sampled(kind, shape):
    return SAMPLED[kind](shape)


def slopes(f, x):
    """Of a function element by element."""
    return np.asarray(jax.jit(jax.grad(lambda x: jnp.sum(f(x))))(x))


# The quantiser.


@pytest.mark.parametrize(
    ("q", "x", "code", "value"),
    [
        (co.Quantiser.unsigned(2, 0.0, 3.0), [-1.0, 0.4, 1.6, 9.0], [0, 0, 2, 3], [0, 0, 2, 3]),
        (co.Quantiser.mid_tread(3, 0.6), [-0.7, -0.25, 0.04, 0.45], [-3, -1, 0, 2], [-0.6, -0.2, 0.0, 0.4]),
        (co.Quantiser.sign_magnitude(3, 3.0), [-0.5, 0.5, -1.5, 2.5], [-1, 1, -2, 3], [-1, 1, -2, 3]),
        (co.Quantiser.twos_complement(3, 4.0), [-9.0, -3.6, 0.2, 9.0], [-4, -4, 0, 3], [-4, -4, 0, 3]),
    ],
)
def test_levels(q, x, code, value):
    out = q.convert(jnp.asarray(x))
    assert np.asarray(out.code) == pytest.approx(code, abs=0)
    assert np.asarray(out.value) == pytest.approx(value, abs=1e-15)
    assert np.asarray(q.value_of(out.code)) == pytest.approx(np.asarray(out.value), abs=1e-15)
    outside = (np.asarray(x) < np.asarray(q.low)) | (np.asarray(x) > np.asarray(q.high))
    assert out.saturated.tolist() == outside.tolist() and int(out.count) == outside.sum()


def test_gradient_of_the_quantiser():
    """1 within and 0 beyond; in the limits round(u) - u of the step within, the number of the level beyond."""
    low, high, x = -0.5, 1.0, jnp.asarray([-0.7, -0.5, 0.13, 0.61, 1.0, 1.4])
    q = lambda x, low, high: co.Quantiser.unsigned(3, low, high)(x)  # noqa: E731
    assert slopes(lambda x: q(x, low, high), x).tolist() == [0, 1, 1, 1, 1, 0]
    in_high = np.asarray(jax.jit(jax.jacfwd(lambda h: q(x, low, h)))(jnp.asarray(high)))
    u = np.clip((np.asarray(x) - low) / (high - low) * 7, 0, 7)
    inside = (x >= low) & (x <= high)
    assert in_high == pytest.approx(np.where(inside, np.round(u) - u, np.round(u)) / 7, abs=1e-14)
    in_low = np.asarray(jax.jit(jax.jacfwd(lambda a: q(x, a, high)))(jnp.asarray(low)))
    assert in_low == pytest.approx(np.where(inside, u - np.round(u), 7 - np.round(u)) / 7, abs=1e-14)


@pytest.mark.parametrize("limit", [1.5, 2.5, 3.5])
def test_range_learns_by_the_true_gradient_of_the_error(limit):
    """Mean square error of normal data: the straight-through gradient in the limit is that of central differences."""
    x = jnp.asarray(norm.ppf((np.arange(100_000) + 0.5) / 100_000))
    loss = jax.jit(lambda h: jnp.mean((co.Quantiser.mid_tread(5, h)(x) - x) ** 2))
    h = jnp.asarray(limit)
    differences = (loss(h + 1e-2) - loss(h - 1e-2)) / 2e-2
    assert float(jax.grad(loss)(h)) == pytest.approx(float(differences), rel=2e-2)


@pytest.mark.parametrize("grid", ["plain", "magnitude"])
def test_rounding_at_random_is_right_on_average(grid):
    """Mean u and variance f (1 - f) of the steps, f the part that is left, within three standard errors."""
    q = co.Quantiser(-1.0, 1.0, 9, -4, grid)
    u, n = np.asarray([-3.3, -0.75, 0.0, 0.1, 2.5]), 40_000
    codes = jax.vmap(lambda k: q.convert(jnp.asarray(u / 4), key=k).code)(jax.random.split(KEY, n))
    codes, f = np.asarray(codes), u - np.floor(u)
    variance = f * (1 - f)
    assert np.all(np.abs(codes.mean(axis=0) - u) <= 3 * np.sqrt(variance / n) + 1e-12)
    of_variance = np.sqrt((variance * (1 - 3 * variance) - variance**2) / n)
    assert np.all(np.abs(codes.var(axis=0) - variance) <= 3 * of_variance + 2 / n)
    assert slopes(lambda x: q(x, key=KEY), jnp.asarray(u / 4)).tolist() == [1.0] * 5


def test_rounding_at_random_never_leaves_the_levels():
    q = co.Quantiser.mid_tread(4, 0.7)
    out = q.convert(jnp.asarray([-9.0, -0.7, 0.7, 9.0]), key=KEY)
    assert out.code.tolist() == [-7, -7, 7, 7]


# All converters.


@pytest.mark.parametrize("kind", ADCS)
@pytest.mark.parametrize("bits", [1, 9])
def test_without_errors_all_are_ideal(kind, bits):
    x = jnp.asarray(np.random.default_rng(0).uniform(-2.4, 2.4, 2000))
    adc = ADCS[kind](bits=bits, low=-2.0, high=2.0)
    out = adc.convert(x)
    expected = np.clip(np.floor((np.asarray(x) + 2) / 4 * 2**bits), 0, 2**bits - 1)
    assert np.asarray(out.code).tolist() == expected.tolist()
    assert np.asarray(out.value) == pytest.approx(-2 + 4 * (expected + 0.5) / 2**bits, abs=1e-14)
    assert out.saturated.tolist() == (np.abs(np.asarray(x)) > 2).tolist()
    assert np.all(np.abs(out.value - x)[~out.saturated] <= adc.step / 2 + 1e-14)


@pytest.mark.parametrize("kind", SAMPLED)
def test_one_program_for_all_shapes(kind):
    """A batch = its rows, columns = converters one by one, members = a loop; noise with a key only."""
    x = jnp.asarray(np.random.default_rng(1).uniform(-0.4, 1.0, (5, 3)))
    adc = sampled(kind, (3,))
    noisy = eqx.tree_at(lambda a: a.noise, adc, jnp.asarray(0.02))
    moved = lambda k: eqx.tree_at(lambda a: a.offset, adc, k * adc.offset)(x)  # noqa: E731
    column = jax.tree.map(lambda a: a[..., 1] if a.ndim else a, adc)

    @jax.jit
    def all_of_them(x, k):
        rows = jax.vmap(lambda x: adc.convert(x).code)(x)
        noise = noisy.convert(x).code, noisy.convert(x, key=KEY).code
        return column.convert(x[:, 1]).code, rows, *noise, jax.vmap(moved)(k), moved(k[1])

    codes = np.asarray(adc.convert(x).code)
    single, rows, without_key, with_key, mapped, one = all_of_them(x, jnp.asarray([1.0, 2.0]))
    assert single.tolist() == codes[:, 1].tolist() and rows.tolist() == without_key.tolist() == codes.tolist()
    assert np.any(np.asarray(with_key) != codes)
    assert np.all(codes == np.round(codes)) and codes.min() >= 0 and codes.max() <= 127
    assert np.asarray(mapped[1]) == pytest.approx(np.asarray(one), abs=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ramp", "sar"])
def test_compiled_is_eager(kind):
    adc, x = sampled(kind, ()), jnp.asarray([-0.2, 0.3])
    with jax.disable_jit():
        codes = np.asarray(adc.convert(x).code)
    assert np.asarray(adc.convert(x).code).tolist() == codes.tolist()


@pytest.mark.parametrize("kind", SAMPLED)
def test_gradient_in_the_input_is_that_of_the_ideal_line(kind):
    """Finite in all errors, too; and what is no number stays none."""
    x = jnp.asarray([-0.5, -0.3, -0.1, 0.2, 0.7, 0.9, 1.2])
    adc = sampled(kind, ())
    loss = lambda both: jnp.sum(jnp.sin(both[0](both[1])))  # noqa: E731
    in_adc, in_x = eqx.filter_jit(eqx.filter_grad(loss))((adc, x))
    assert np.asarray(in_x) == pytest.approx([0, 1, 1, 1, 1, 1, 0] * np.cos(np.asarray(adc(x))), abs=1e-12)
    assert all(np.all(np.isfinite(a)) for a in jax.tree.leaves(in_adc))
    out = adc.convert(x.at[0].set(jnp.nan))
    assert np.isnan(out.code[0]) and np.isnan(out.value[0]) and np.all(np.isfinite(out.value[1:]))


@pytest.mark.slow
@pytest.mark.parametrize("kind", SAMPLED)
def test_gradient_in_the_errors_is_how_codes_move_on_average(kind):
    """Sums of codes over a dense ramp, by central differences wider than a step: offset; slope, mismatch and gain."""
    adc = sampled(kind, ())
    x = jnp.asarray(np.linspace(-0.25, 0.8, 40_001))
    weight = jnp.sin(4 * x)

    def moved(adc, name, h):
        value = getattr(adc, name)
        direction = jnp.cos(jnp.arange(value.size, dtype=value.dtype)).reshape(value.shape)
        scale = value if name == "gain" else jnp.ones_like(value)
        return eqx.tree_at(lambda a: getattr(a, name), adc, value + h * scale * direction)

    # The comparators of stages of 1.5 bits move no code: that is their purpose.
    names = {"ideal": ["offset"], "ramp": ["offset", "slope", "gain"], "sar": ["offset", "mismatch"]}
    for name in names.get(kind, ["mismatch"]):
        read = jax.jit(lambda h, name=name: jnp.mean(weight * moved(adc, name, h).convert(x).code))
        h = {"gain": 0.1}.get(name, 0.02)
        differences = float(read(jnp.asarray(h)) - read(jnp.asarray(-h))) / (2 * h)
        assert float(jax.grad(read)(jnp.asarray(0.0))) == pytest.approx(differences, rel=0.1), name


def test_single_precision_stays_single():
    x = jnp.asarray([0.1, 0.7], jnp.float32)
    for kind, adc in ADCS.items():
        single = jax.tree.map(lambda a: a.astype(jnp.float32), adc(bits=8))
        out = single.convert(x)
        assert out.value.dtype == jnp.float32 and out.code.tolist() == [25, 179], kind


def test_noise_of_a_comparator_spreads_its_threshold():
    """Part of ones at a distance d from the threshold of one bit: the normal distribution of d/noise."""
    adc = co.IdealADC(bits=1, low=-1.0, high=1.0, noise=0.1)
    x = jnp.broadcast_to(jnp.asarray([-0.15, 0.0, 0.05]), (40_000, 3))
    ones = np.asarray(adc.convert(x, key=KEY).code).mean(axis=0)
    expected = norm.cdf([-1.5, 0.0, 0.5])
    assert np.all(np.abs(ones - expected) < 3 * np.sqrt(expected * (1 - expected) / 40_000))


def test_time_and_energy():
    """2^n, n, n and n periods; the pipeline takes an input each period. Energies by their formulas, differentiable."""
    for kind, periods in {"ideal": 1, "ramp": 256, "sar": 8, "pipeline": 8, "cyclic": 8}.items():
        adc = ADCS[kind](bits=8, clock=2e-9)
        assert float(adc.latency) == pytest.approx(2e-9 * periods, rel=1e-12)
        assert float(adc.interval) == pytest.approx(2e-9 * (1 if kind == "pipeline" else periods), rel=1e-12)
        assert float(adc.energy) == pytest.approx(256e-14, rel=1e-12)
        assert float(eqx.filter_grad(lambda a: a.energy)(adc).figure) == pytest.approx(256.0)
    # 74 dB at 174 dB of 1/J: P = B 10^(-10), so half of that for one of the 2 B conversions.
    assert float(co.schreier_energy(174.0, 74.0)) == pytest.approx(0.5e-10, rel=1e-12)
    assert float(jax.grad(lambda b: co.walden_energy(1e-14, b))(8.0)) == pytest.approx(256e-14 * np.log(2))
    # Liu et al.: 1363.3 and 255.5 C V^2 of ten bits.
    ten = co.SarADC(bits=10)
    assert float(ten.switching_energy(1.0, 1.0)) == pytest.approx(1363.3, abs=0.05)
    assert float(ten.switching_energy(1.0, 1.0, monotonic=True)) == pytest.approx(255.5, abs=1e-9)


def test_wrong_converters_are_told():
    with pytest.raises(nj.errors.CircuitError, match=r"\[1, 0.5\]"):
        co.IdealADC(low=1.0, high=0.5)
    with pytest.raises(nj.errors.CircuitError, match="30 bits"):
        co.SarADC(bits=30)
    with pytest.raises(nj.errors.CircuitError, match="rms"):
        co.IdealADC(noise=-0.1)
    with pytest.raises(nj.errors.CircuitError, match="1 levels"):
        co.Quantiser(0.0, 1.0, 1)
    with pytest.raises(nj.errors.CircuitError, match="then the columns"):
        co.SarADC(bits=4, mismatch=np.zeros(3))(jnp.zeros(3))
    with pytest.raises(nj.errors.CircuitError, match="0 bits"):
        co.DAC(bits=0)


# From code to output.


def test_dac():
    dac = co.DAC.sampled(
        bits=6, low=-0.2, high=0.2, mismatch=0.05, gain_error=0.03, offset=2e-3, shape=(3,), key=KEY, unit=2e-15
    )
    levels = np.asarray(dac.levels())
    bits = (np.arange(64)[:, None] >> np.arange(6)) & 1
    part = bits @ (2.0 ** np.arange(6)[:, None] * (1 + np.asarray(dac.mismatch))) / 63
    expected = np.asarray(dac.offset) + (1 + np.asarray(dac.gain_error)) * (-0.2 + 0.4 * part)
    assert levels == pytest.approx(expected, abs=1e-14)
    assert np.asarray(co.DAC(bits=6, low=-0.2, high=0.2).levels()) == pytest.approx(np.linspace(-0.2, 0.2, 64))
    x = jnp.asarray(np.random.default_rng(2).uniform(-0.25, 0.25, (7, 3)))
    out = dac.convert(x)
    assert np.asarray(out.value) == pytest.approx(
        np.take_along_axis(levels, np.asarray(out.code).astype(int), axis=0), abs=1e-14
    )
    gain = np.broadcast_to(1 + np.asarray(dac.gain_error), (7, 3))
    assert slopes(dac, x) == pytest.approx(np.where(np.abs(x) > 0.2, 0.0, gain), abs=1e-14)

    @jax.jit
    def read(h):
        moved = [getattr(dac, n) + h[k] for k, n in enumerate(("mismatch", "gain_error", "offset"))]
        return jnp.sum(eqx.tree_at(lambda d: (d.mismatch, d.gain_error, d.offset), dac, tuple(moved))(x) ** 2)

    gradient = jax.jit(jax.grad(read))(jnp.zeros(3))
    for k in range(3):
        h = jnp.zeros(3).at[k].set(1e-5)
        assert float(gradient[k]) == pytest.approx(float(read(h) - read(-h)) / 2e-5, rel=1e-7), k
    # C V^2 p (1 - p), whose mean over all codes is C V^2/6 but for 1/4^n.
    mean = float(jnp.mean(dac.energy(jnp.broadcast_to(jnp.arange(64.0)[:, None], (64, 3)))))
    assert mean == pytest.approx(64 * 2e-15 * 0.16 / 6 * (1 - 1 / 64**2), rel=1e-12)
    assert float(dac.latency) == pytest.approx(1e-9)


@pytest.mark.slow
def test_middle_code_of_a_dac_against_its_formula():
    """Differential error of the middle code: deviation sqrt(2^n - 1) s_u of units that differ by s_u."""
    levels = np.asarray(co.DAC.sampled(bits=6, mismatch=0.01, high=63.0, shape=(4000,), key=KEY).levels())
    middle = levels[32] - levels[31] - 1
    assert middle.std() == pytest.approx(np.sqrt(63) * 0.01, rel=3 / np.sqrt(2 * 4000))
