"""simulate: closed forms, no skipped waveform, loud failure, gradients, populations."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurojax as nj
import physics


def test_stiff_linear_problem_in_closed_form():
    inductor = physics.Inductor(resistance=50.0, inductance=1e-9)
    record = nj.simulate(inductor, nj.constant(1.0, 1e-9), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(record.i, 0.02 * (1 - np.exp(-record.t * 50e9)), atol=1e-9)


@pytest.mark.parametrize("solver", [None, diffrax.Kvaerno5()])
def test_sweep_with_no_rate_at_its_ends_is_not_skipped(solver):
    device = physics.Vteam(k_on=-1e-7, k_off=1e-7, v_on=-0.5, v_off=0.5, w_init=0.5)
    record = nj.simulate(device, nj.triangle(1.2, -1.2, 4.0), solver=solver)
    assert float(jnp.max(record.x.w)) > 0.95
    assert float(jnp.min(record.x.w)) < 0.05


def test_short_pulses_in_a_long_pause_are_all_seen():
    device = physics.Vteam(k_off=2e-4, k_on=-1e-4, w_init=0.05)
    train = nj.pulse_train([0.1] * 5, 1e-7, rest=1.0)
    record = nj.simulate(device, train, ts=np.arange(1, 6) * (1 + 1.02e-7) - 0.5)
    assert np.all(np.diff(np.asarray(record.x.w)) > 1e-3)


def test_charge_gives_displacement_current():
    record = nj.simulate(physics.Capacitor(capacitance=1e-9), nj.triangle(1.0, -1.0, 4.0))
    np.testing.assert_allclose(record.i[:100], 1e-9, rtol=1e-9)


def test_failure_names_time_state_and_cure():
    with pytest.raises(nj.SimulationError, match=r"Vteam: stopped after 20 steps.*w = .*max_steps"):
        nj.simulate(physics.Vteam(), nj.triangle(0.6, -0.6, 1e-6), max_steps=20)
    record = nj.simulate(physics.Vteam(), nj.triangle(0.6, -0.6, 1e-6), max_steps=20, throw=False)
    assert not bool(record.ok)


def test_population_equals_loop_and_names_the_member():
    speeds = jnp.array([-5.0, -20.0])
    wave = nj.triangle(0.6, -0.6, 1e-6)
    both = nj.simulate(physics.Vteam(k_on=speeds), wave)
    for k in range(2):
        alone = nj.simulate(physics.Vteam(k_on=speeds[k]), wave)
        np.testing.assert_allclose(both.member(k).i, alone.i, rtol=1e-7)
    with pytest.raises(nj.SimulationError, match=r"member \d"):
        nj.simulate(physics.Vteam(k_on=speeds), wave, max_steps=20)


def test_reverse_and_forward_gradients_agree_with_differences():
    wave, ts = nj.triangle(0.6, -0.6, 1e-6), np.linspace(0, 1e-6, 60)

    def loss(k, gradient):
        device = physics.with_values(physics.Vteam(), {"k_off": k})
        return jnp.sum(nj.simulate(device, wave, ts=ts, gradient=gradient, rtol=1e-9, atol=1e-11).i * 1e3)

    k = jnp.asarray(5e-4)
    forward = jax.jacfwd(lambda k: loss(k, "forward"))(k)
    reverse = jax.grad(lambda k: loss(k, "reverse"))(k)
    h = 5e-8
    central = (loss(k + h, "forward") - loss(k - h, "forward")) / (2 * h)
    np.testing.assert_allclose(forward, reverse, rtol=1e-8)
    np.testing.assert_allclose(forward, central, rtol=1e-4)


def test_instrument_limits_and_shares_the_voltage():
    resistor = physics.Resistor(resistance=1e3)
    shared = nj.simulate(resistor, nj.constant(1.0, 1.0), instrument=nj.Instrument(series_resistance=1e3, offset=1e-6))
    np.testing.assert_allclose(shared.i, 0.5e-3 + 1e-6, rtol=1e-9)
    limited = nj.simulate(resistor, nj.constant(1.0, 1.0), instrument=nj.Instrument(compliance=1e-5))
    np.testing.assert_allclose(limited.i, 1e-5, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda w: nj.simulate(physics.Vteam(), w, ts=[0.0, 2.0]), "beyond|waveform from"),
        (lambda w: nj.simulate(physics.Vteam(), w, ts=[]), "non-empty"),
        (lambda w: nj.simulate(physics.Vteam(), w, key=jax.random.key(0)), "deterministic"),
        (lambda w: nj.simulate(physics.Vteam(r_on=jnp.ones(2) * 50, k_on=-jnp.ones(3)), w), "disagree"),
    ],
)
def test_wrong_calls(call, says):
    with pytest.raises(nj.SimulationError, match=says):
        call(nj.triangle(0.6, -0.6, 1e-6))


def test_record_speaks_and_writes(tmp_path):
    record = nj.simulate(physics.Vteam(), nj.triangle(0.6, -0.6, 1e-6))
    assert "states w" in repr(record)
    record.to_csv(tmp_path / "out.csv")
    back = nj.read_csv(tmp_path / "out.csv")
    np.testing.assert_allclose(back.i, record.i, rtol=1e-6, atol=1e-12)
    for kind in ("iv", "log", "time", "states"):
        assert record.plot(kind=kind).get_xlabel()
