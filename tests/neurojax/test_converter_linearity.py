"""How straight converters are, against closed forms."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import j0, j1

import neurojax as nj
from neurojax import converters as co

KEY = jax.random.key(11)


def test_ideal_converter_is_straight():
    _, codes = co.transfer(co.IdealADC(bits=6, low=-1.0, high=3.0), 16)
    assert np.all(np.asarray(co.dnl(codes, 6)) == 0) and np.all(np.asarray(co.inl(codes, 6)) == 0)
    assert not np.any(np.asarray(co.missing_codes(codes, 6)))


@pytest.mark.parametrize("bits", [4, 8, 12])
def test_sine_through_an_ideal_converter(bits):
    """6.02 n + 1.76 dB for an error of uniform density; exactly, that of a sine of A = 2^(n - 1) steps has the power
    1/12 + sum J0(2 pi m A)/(pi m)^2, of which the part in phase, sum J1(2 pi m A)/(pi m), counts as signal."""
    found = co.sine_test(co.IdealADC(bits=bits), 65536, 8191)
    m, a = np.arange(1, 4001), 2.0 ** (bits - 1)
    power = 1 / 12 + np.sum(j0(2 * np.pi * m * a) / (np.pi * m) ** 2)
    phase = np.sum(j1(2 * np.pi * m * a) / (np.pi * m))
    exact = 10 * np.log10((a + 2 * phase) ** 2 / 2 / (power - 2 * phase**2))
    assert float(found.sndr) == pytest.approx(exact, abs=0.01)
    assert float(found.sndr) == pytest.approx(6.0206 * bits + 1.7609, abs=0.45 / 2 ** (bits / 4 - 1))
    assert float(found.bits) == pytest.approx((exact - 1.76091) / 6.0206, abs=0.002)


def test_sine_with_noise():
    """Noise of one step rms and of rounding together: 10 lg of (A^2/2)/(1 + 1/12)."""
    adc = co.IdealADC(bits=10, low=0.0, high=1024.0, noise=1.0)
    found = co.sine_test(adc, 32768, 4093, part=0.9, key=KEY)
    assert float(found.sndr) == pytest.approx(10 * np.log10((0.9 * 512) ** 2 / 2 / (1 + 1 / 12)), abs=0.06)


def test_middle_code_of_a_sar_against_its_formula():
    """sqrt(2^n - 1) s_u, from thresholds of 3000 converters; and thresholds are where codes change."""
    adc = co.SarADC.sampled(bits=8, mismatch=0.004, high=256.0, shape=(3000,), key=KEY)
    edges = np.asarray(eqx.filter_jit(lambda a: a.thresholds())(adc))
    width = edges[128] - edges[127]
    # Codes count from 1: edges[127] is the threshold of 128, and the code below it ends there.
    jump = edges[127] - edges[126] - 1
    assert jump.std() == pytest.approx(np.sqrt(255) * 0.004, rel=3 / np.sqrt(6000))
    assert width.std() < 0.1 * jump.std()
    few = jax.tree.map(lambda a: a[..., :4] if a.ndim else a, adc)
    x, codes = co.transfer(few, 200, (4,))
    by_counting = np.asarray(co.dnl(codes, 8))
    by_edges = np.diff(edges[:, :4], axis=0)
    by_edges = by_edges / by_edges.mean(axis=0) - 1
    assert by_counting == pytest.approx(by_edges, abs=0.012)
    assert np.asarray(co.inl(codes, 8))[-1] == pytest.approx(np.zeros(4), abs=1e-9)
    assert x.shape == codes.shape == (200 * 256, 4)


def test_thresholds_are_differentiable():
    adc = co.SarADC.sampled(bits=5, mismatch=0.05, offset=0.01, key=KEY)
    w = jnp.cos(jnp.arange(31.0))
    direction = jnp.sin(jnp.arange(6.0))

    @jax.jit
    def read(h):
        moved = (adc.mismatch + h * direction, adc.offset + h)
        return jnp.sum(w * eqx.tree_at(lambda a: (a.mismatch, a.offset), adc, moved).thresholds())

    differences = (read(jnp.asarray(1e-5)) - read(jnp.asarray(-1e-5))) / 2e-5
    assert float(jax.jit(jax.grad(read))(jnp.asarray(0.0))) == pytest.approx(float(differences), rel=1e-8)


@pytest.mark.parametrize("gain", [50.0, 400.0])
def test_bend_of_a_ramp(gain):
    """Integral error of an integrator of gain A: 2^n/(8 A) steps at the middle."""
    _, codes = co.transfer(co.RampADC(bits=9, gain=gain), 64)
    inl = np.asarray(co.inl(codes, 9))
    # The ramp falls short of the range by 1/(2 A); its last codes stay empty and are no part of the line.
    part = 1 - 1 / (2 * gain)
    reached = int(np.flatnonzero(~np.asarray(co.missing_codes(codes, 9))).max())
    assert reached == 511
    assert np.abs(inl).max() == pytest.approx(512 / (8 * gain) * part, rel=0.05, abs=0.03)


def test_slope_of_a_shared_ramp():
    """One slope for all columns, one offset each: code = (x - offset)/((1 + e) step)."""
    adc = co.RampADC.sampled(bits=10, slope=0.05, offset=0.02, shape=(5,), key=KEY, gain=1e9)
    assert adc.slope.shape == () and adc.offset.shape == (5,)
    assert co.RampADC.sampled(slope=0.05, shape=(5,), key=KEY, shared=False).slope.shape == (5,)
    x = jnp.full((5,), 0.5)
    expected = np.floor((0.5 - np.asarray(adc.offset)) / (1 + float(adc.slope)) * 1024)
    assert np.asarray(adc.convert(x).code).tolist() == expected.tolist()


def _stages(values, bits):
    return jnp.asarray([values[0] if k == 0 else values[1] for k in range(bits - 1)])


def test_gain_of_the_first_stage():
    """2/(1 + 1/(A b)): at each of its two thresholds the code jumps by 2^(n - 2) (1 - 1/(1 + 1/(A b)))."""
    amplifier, at = 100.0, jnp.asarray([[0.375, 0.625], [0.375, 0.625]]) + jnp.asarray([[-1e-9] * 2, [1e-9] * 2])
    loss = 1 - 1 / (1 + 1 / (amplifier * 0.5))
    fine = co.PipelineADC(bits=14, gain=_stages((amplifier, np.inf), 14))
    assert np.asarray(jnp.diff(fine.convert(at).code, axis=0)[0]) == pytest.approx(2**12 * np.full(2, loss), abs=1.01)
    # The slope between its thresholds is that of its gain.
    rise = float(jnp.diff(fine.convert(jnp.asarray([0.40, 0.60])).code)[0]) / (0.2 * 2**14)
    assert rise == pytest.approx(1 - loss, abs=1e-3)
    # The codes that are jumped over are those that are missing, beside the ends that are not reached.
    adc = co.PipelineADC(bits=10, gain=_stages((amplifier, np.inf), 10))
    missing = np.flatnonzero(np.asarray(co.missing_codes(co.transfer(adc, 32)[1], 10)))
    low, high = (adc.convert(at).code[k].astype(int) for k in range(2))
    jumped = np.concatenate([np.arange(low[k] + 1, high[k]) for k in range(2)])
    assert jumped.size >= 8 and missing[(missing > 10) & (missing < 1013)].tolist() == jumped.tolist()


def test_ratio_of_capacitors_of_the_first_stage():
    """Residue steps of 1 + m: 2^(n - 2) m codes come twice, so that the transfer falls at the thresholds."""
    adc = co.PipelineADC(bits=10, mismatch=_stages((0.04, 0.0), 10), gain=np.inf)
    around = jnp.asarray([0.375 - 1e-9, 0.375 + 1e-9])
    assert float(jnp.diff(adc.convert(around).code)[0]) == pytest.approx(-(2**8) * 0.04, abs=1.01)


def test_digits_overlap():
    """Comparators of stages that are wrong by less than an eighth of the range change no code."""
    wrong = np.random.default_rng(3).uniform(-0.12, 0.12, (8, 2, 1000))
    x = jnp.asarray(np.random.default_rng(4).uniform(0, 1, 1000))
    straight = co.PipelineADC(bits=9, gain=np.inf).convert(x).code
    assert co.PipelineADC(bits=9, gain=np.inf, offset=wrong).convert(x).code.tolist() == straight.tolist()
    cyclic = co.CyclicADC(bits=9, gain=np.inf, offset=wrong[0]).convert(x).code
    assert cyclic.tolist() == straight.tolist()
    too_wrong = co.PipelineADC(bits=9, gain=np.inf, offset=2 * wrong).convert(x).code
    assert np.any(np.asarray(too_wrong) != np.asarray(straight))


def test_cyclic_is_a_pipeline_of_equal_stages():
    cyclic = co.CyclicADC(bits=8, mismatch=0.01, gain=200.0, offset=np.asarray([0.02, -0.03]), offset_last=0.001)
    same = co.PipelineADC(
        bits=8, mismatch=0.01, gain=200.0, offset_last=0.001, offset=np.broadcast_to([0.02, -0.03], (7, 2))
    )
    x = jnp.linspace(0.0, 1.0, 999)
    assert cyclic.convert(x).code.tolist() == same.convert(x).code.tolist()


@pytest.mark.slow
def test_mismatch_costs_bits():
    found = [
        float(jnp.mean(co.sine_test(co.SarADC.sampled(bits=9, mismatch=s, shape=(6,), key=KEY), columns=(6,)).bits))
        for s in (0.0, 0.02, 0.1)
    ]
    assert found[0] == pytest.approx(9.0, abs=0.02) and found[0] > found[1] + 0.1 > found[2] + 0.8


def test_wrong_sines_are_told():
    with pytest.raises(nj.errors.CircuitError, match="common factor"):
        co.sine_test(co.IdealADC(), 4096, 64)
