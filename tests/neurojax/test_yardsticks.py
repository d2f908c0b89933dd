"""The yardsticks of the benchmark, in C and in ngspice, integrate to what `simulate` finds."""

import platform
import re
import shutil
import subprocess
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurojax as nj
from neurojax import _bench_c, _bench_ngspice
from neurojax._source import device_program
from neurojax.bench import population, waveforms
from physics.device import AbstractDevice, Sweep
from physics.quantity import parameters, quantity, state_variable, with_values

needs_gcc = pytest.mark.skipif(not (shutil.which("gcc") or shutil.which("cc")), reason="no C compiler")
needs_ngspice = pytest.mark.skipif(not shutil.which("ngspice"), reason="no ngspice")


class Gated(AbstractDevice):
    """Four states that pull at each other under two ports: dx/dt = gain (v_0 roll(x) + v_1) - x^2 - k x, k = 1..4."""

    class State(eqx.Module):
        x: jax.Array = state_variable((-1.0, 1.0))

    terminals: ClassVar[tuple[str, ...]] = ("gate", "drain", "source")
    sweep: ClassVar[Sweep] = Sweep((1.0, 0.5), (-1.0, 0.1), 2.0)
    gain: jax.Array = quantity(2.0, "1/(V s)", (0.1, 10.0))

    def init(self, env):
        return Gated.State(jnp.asarray([0.2, 0.1, -0.1, 0.3]))

    def rate(self, x, v, env):
        return Gated.State(self.gain * (v[0] * jnp.roll(x.x, 1) + v[1]) - x.x**2 - jnp.arange(1.0, 5.0) * x.x)

    def current(self, x, v, env):
        return jnp.stack([1e-3 * v[0], 1e-3 * jnp.exp(x.x[0]) * v[1]])


def states_of(record):
    leaves = [np.asarray(x) for x in jax.tree.leaves(record.x)]
    return leaves[0] if leaves[0].shape[-1] == 4 else np.stack(leaves, axis=-1)


LANES = 37


def samples(wave):
    return np.linspace(float(wave.t[0]), float(wave.t[-1]), 150)


def simulated(members, wave, rtol):
    options = dict(ts=samples(wave), atol=1e-2 * rtol, gradient="forward", progress=False)
    return nj.simulate(members, wave, rtol=rtol, **options)


def both(device, wave, rtol):
    members = population(device, LANES)
    record = simulated(members, wave, rtol)
    answer = _bench_c.build(members, block=16).run(wave, samples(wave), rtol, 1e-2 * rtol)
    return states_of(record), np.asarray(record.steps), answer


SLOW = pytest.mark.slow
CASES = [
    ("ThermalFilament", "triangle"),
    ("GapRram", "pulses"),
    pytest.param("ThermalFilament", "pulses", marks=SLOW),
    pytest.param("GapRram", "triangle", marks=SLOW),
]
IN_NGSPICE = [("GapRram", "triangle"), ("GapRram", "pulses"), ("PhaseChangeCell", "triangle")]


@needs_gcc
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_c_integrates_in_about_the_same_steps(name, kind):
    """More devices than lanes: each is entered, finished and followed by another. Its step control is plainer."""
    device = nj.device_named(name)
    expected, steps, answer = both(device, waveforms(device)[kind], 1e-6)
    assert not answer.code.any()
    off = np.abs(answer.y - expected)
    # Amid a switching event one tolerance in time is a thousand in the state.
    assert np.quantile(off, 0.99) < 1e-5 and off.max() < 2e-3
    assert answer.steps.sum() == pytest.approx(steps.sum(), rel=0.15)
    assert answer.steps.sum() <= 16 * answer.rounds


@needs_gcc
def test_c_is_as_exact_as_its_tolerance():
    """In both precisions, where a step may pass any number of samples."""
    device = nj.device_named("ThermalFilament")
    wave, members = waveforms(device)["triangle"], population(device, LANES)
    exact = states_of(simulated(members, wave, 1e-10))
    for dtype, rtol, worst in ((np.float64, 1e-6, 1e-4), (np.float32, 1e-5, 5e-3)):
        reference = _bench_c.build(members, dtype=dtype, block=16)
        answer = reference.run(wave, samples(wave), rtol, 1e-2 * rtol, window=0)
        assert answer.y.dtype == dtype
        np.testing.assert_allclose(answer.y, exact, atol=worst)


@needs_gcc
def test_c_with_several_states_ports_and_jumps():
    knots = np.asarray([[0.0, 0.3], [1.0, 0.5], [-1.0, 0.1], [-1.0, 0.1]])
    wave = nj.Waveform([-1.0, 1.0, 1.0, 3.0], knots)
    expected, steps, answer = both(Gated(), wave, 1e-7)
    np.testing.assert_allclose(answer.y, expected, atol=1e-5)
    assert answer.steps.sum() == pytest.approx(steps.sum(), rel=0.15)


@needs_gcc
def test_c_says_when_it_gave_up():
    device = nj.device_named("ThermalFilament")
    wave = waveforms(device)["triangle"]
    answer = _bench_c.build(device, block=16).run(wave, [0.0, 4.0], max_steps=20)
    assert answer.code.tolist() == [1]
    assert np.isnan(answer.y[0, -1]).all() and np.isfinite(answer.y[0, 0]).all()


@needs_gcc
@pytest.mark.skipif(
    platform.machine() != "x86_64"
    or platform.libc_ver()[0] != "glibc"
    or int(platform.libc_ver()[1].split(".")[1]) < 35,
    reason="the C library has no vectors of expm1",
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_loops_over_lanes_call_functions_of_vectors(tmp_path, dtype):
    """The bound would be none if a loop fell back to one lane at a time."""
    program = device_program(nj.device_named("GapRram"), ("i_0",))
    sources = _bench_c.c_sources(program, dtype, 64)
    sources["vectors.h"] = _bench_c._vectors(_bench_c._NEW, "f" if dtype == np.float32 else "")
    for name, text in sources.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    subprocess.run(["gcc", *_bench_c._FLAGS, "-S", "main.c", "-o", "main.s"], cwd=tmp_path, check=True)
    called = set(re.findall(r"call\s+([\w@]+)", (tmp_path / "main.s").read_text(encoding="utf-8")))
    named = {c.split("@")[0].removesuffix("f") for c in called}
    assert {re.sub("^_ZGV[a-zA-Z]N[0-9]+v_", "", n) for n in named if n.startswith("_ZGV")} >= {"exp", "expm1", "log"}
    assert not named & {"exp", "expm1", "log", "log1p", "sinh", "cosh"}


@needs_ngspice
@pytest.mark.parametrize(("name", "kind"), [CASES[0], *(pytest.param(*c, marks=SLOW) for c in IN_NGSPICE)])
def test_ngspice_integrates_to_the_same(name, kind):
    """Current to 1 % of its peak, and the largest deviation of a state to 2 % of its range, at sharp switching."""
    device = nj.device_named(name)
    wave, members = waveforms(device)[kind], population(device, LANES)
    # One of many, as that simulation is compiled already.
    record = simulated(members, wave, 1e-6)
    first = with_values(device, {n: p.value.ravel()[0] for n, p in parameters(members).items()})
    fine = float(wave.duration) / 4000
    answer = _bench_ngspice.run(first, wave, samples(wave), reltol=1e-5, max_step=fine, timeout=60.0)
    current, expected = np.asarray(record.i)[0], states_of(record)[0]
    assert np.abs(answer.i - current).max() < 0.01 * np.abs(current).max()
    assert np.all(np.abs(answer.y - expected).max(axis=0) < 0.02 * np.ptp(expected, axis=0))
    assert answer.points > 4000
    assert answer.analysis is not None and 0 < answer.analysis <= answer.seconds


@needs_ngspice
def test_ngspice_with_ports_and_a_jump():
    wave = nj.Waveform([-1.0, 1.0, 1.0, 3.0], [[0.0, 0.3], [1.0, 0.5], [-1.0, 0.1], [-1.0, 0.1]])
    members = population(Gated(), LANES)
    record, first = simulated(members, wave, 1e-7), Gated(members.gain[0])
    answer = _bench_ngspice.run(first, wave, samples(wave), reltol=1e-5)
    np.testing.assert_allclose(answer.i, record.i[0], atol=1e-6)
    np.testing.assert_allclose(answer.y, states_of(record)[0], atol=1e-4)


@needs_ngspice
def test_ngspice_out_of_time():
    device = nj.device_named("GapRram")
    with pytest.raises(_bench_ngspice.NgspiceError, match=r"not done after 0\.01 s"):
        _bench_ngspice.run(device, waveforms(device)["triangle"], [0.0], timeout=0.01)


def test_missing_programs_are_named(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    device = nj.device_named("Vteam")
    with pytest.raises(_bench_c.NoCompilerError, match="neither gcc nor cc"):
        _bench_c.build(device)
    with pytest.raises(_bench_ngspice.NgspiceError, match="ngspice not found"):
        _bench_ngspice.run(device, nj.triangle(1.0), [0.0])
