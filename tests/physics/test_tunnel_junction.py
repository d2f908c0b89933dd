"""The ferroelectric tunnel junction against independent reference numbers of its exact pulse law."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate

import neurojax as nj
from physics.device import Environment
from physics.tunnel_junction import Ftj, growing, grown

ENV = Environment()
# As many zones as the reference.
FINE = Ftj(zones=101)


def array(value):
    return jnp.asarray(value, dtype=float)


@jax.jit
def pulsed(x, volts, width):
    """<s> behind each of a sequence of pulses, and the last state."""

    def one(x, v):
        x = FINE.after(x, v, width)
        return x, FINE.fraction(x)

    return jax.lax.scan(one, x, volts)


def programmed(v, back=0.0):
    """<s> behind 30 pulses of 20 ns, and behind 10 more of another voltage."""
    volts = np.concatenate([np.full(30, v), np.full(10, back)])
    s = np.asarray(pulsed(FINE.init(ENV), array(volts), array(2e-8))[1])
    return s[[0, 2, 9, 29]], s[-1]


def resistance(s):
    return 1 / (s / 1.6e5 + (1 - s) / 4.8e7)


def test_switching_times():
    cell = Ftj(zones=1)
    found = [1 / float(cell.pace(array(v))[0]) for v in (1.5, 2.0, 3.0, 4.0)]
    np.testing.assert_allclose(found, [4.03429e-7, 9.00171e-8, 2.00855e-8, 9.48774e-9], rtol=2e-6)


@pytest.mark.parametrize(
    ("v", "up", "down"),
    [
        (2.0, [0.142291, 0.444812, 0.778734, 0.930031], 0.127173),
        (2.5, [0.356599, 0.741553, 0.945126, 0.990321], 0.0395299),
        (3.0, [0.587042, 0.903227, 0.98913, 0.999799], 0.00964124),
    ],
)
def test_pulses(v, up, down):
    s, last = programmed(v, -v)
    np.testing.assert_allclose(s, up, rtol=4e-6)
    assert last == pytest.approx(down, rel=1e-5)


def test_resistances_behind_pulses():
    x = Ftj.State(u=(array(0.3),) * 16)
    assert 0.1 / float(Ftj().current(x, array(0.1), ENV)) == pytest.approx(
        resistance(1 / (1 + np.exp(-0.3))), rel=1e-12
    )
    assert resistance(float(Ftj().fraction(Ftj().init(ENV)))) == pytest.approx(4.8e7, rel=1e-9)
    # Between all domains down and all up: the 300 of Table 1.
    ends = [0.1 / float(Ftj().current(Ftj.State(u=(array(u),) * 16), array(0.1), ENV)) for u in (-40.0, 40.0)]
    assert ends[0] / ends[1] == pytest.approx(300.0, rel=1e-9)
    np.testing.assert_allclose(resistance(programmed(2.0)[0]), [1.10231e6, 358212, 205267, 171994], rtol=4e-6)


@pytest.mark.parametrize(("v", "ratio"), [(3.0, 90.7257), (4.0, 187.474)])
def test_one_pulse_of_ten_nanoseconds(v, ratio):
    volts = array(np.concatenate([[v], np.zeros(39)]))
    s = float(pulsed(FINE.init(ENV), volts, array(1e-8))[1][0])
    assert 4.8e7 / resistance(s) == pytest.approx(ratio, rel=4e-6)


def test_energy():
    half = Ftj.State(u=(array(0.0),) * 16)
    assert 1e15 * 1e-8 * float(Ftj().power(half, array(3.0), ENV)) == pytest.approx(282.188, rel=3e-6)


after = jax.jit(lambda x, v, t: Ftj().after(x, v, t))


def test_no_read_disturb_and_pulses_add_up():
    x = Ftj().init(ENV)
    start = after(x, array(2.0), array(5e-8))
    np.testing.assert_allclose(after(start, array(0.1), array(1.0)).u, start.u, atol=1e-12)
    for _ in range(10):
        x = after(x, array(-3.0), array(0.0))
        x = after(x, array(2.0), array(1e-8))
    np.testing.assert_allclose(x.u, after(Ftj().init(ENV), array(2.0), array(1e-7)).u, atol=1e-9)


def test_growth_is_the_derivative_of_the_exact_law():
    for n in (1.0, 2.0, 2.7):
        for u in (-20.0, -3.0, 0.4, 12.0):
            slope = jax.grad(grown, 1)(array(u), array(0.0), array(n))
            assert float(growing(array(u), array(n))) == pytest.approx(float(slope), rel=1e-9)


def test_trajectory():
    """Up and down by SciPy and by simulate against the exact law: s = 0 is no fixed point."""
    cell, width = Ftj(zones=4), 5e-8
    x = cell.after(cell.after(cell.init(ENV), array(2.5), array(width)), array(-2.5), array(width))
    _, y = integrate(cell, lambda t: 2.5, (0.0, width), rtol=1e-10)
    np.testing.assert_allclose(y[-1], cell.after(cell.init(ENV), array(2.5), array(width)).u, rtol=1e-6)
    wave = nj.Waveform([0.0, width, width, 2 * width], [2.5, 2.5, -2.5, -2.5])
    record = nj.simulate(cell, wave, ts=[width, 2 * width], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose([s[-1] for s in record.states.values()], x.u, rtol=1e-6)
    assert np.all(np.asarray(jax.vmap(cell.fraction)(record.x)) > 0.01)
