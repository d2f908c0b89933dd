"""OxideThreshold against what follows from its equations: lifetimes ~ phi^4, volatile at low compliance only."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import integrate, ramp

import neurojax as nj
from neurojax.waveform import Waveform, triangle
from physics.device import Environment
from physics.oxide_threshold import OxideThreshold

ENV = Environment()
CELL = OxideThreshold()


def array(value):
    return jnp.asarray(value, dtype=float)


def state(nm):
    return OxideThreshold.State(size=jnp.log(array(nm)))


def test_a_filament_breaks_as_phi_to_the_fourth_falls_linearly():
    start, life = 0.6, float(CELL.lifetime(state(0.6), ENV))
    assert life == pytest.approx(0.25 * 1e-2 * 0.6**4, rel=1e-9)
    # The residue slows it by phi_min/phi.
    sharp = CELL.replace(phi_min=1e-12)
    for part in (0.2, 0.7):
        _, y = integrate(sharp, lambda t: 0.0, (0.0, part * life), state(start))
        assert np.exp(4 * y[-1, 0]) == pytest.approx(start**4 * (1 - part), rel=1.5e-2)
    _, y = integrate(CELL, lambda t: 0.0, (0.0, 1.5 * life), state(start))
    assert np.exp(y[-1, 0]) == pytest.approx(0.01, rel=1e-3)


def test_lifetime_is_activated():
    warm = Environment(temperature=array(330.0))
    ratio = float(CELL.lifetime(state(1.0), ENV) / CELL.lifetime(state(1.0), warm))
    assert np.log(ratio) == pytest.approx(0.6 / 8.617333e-5 * (1 / 300 - 1 / 330), rel=1e-5)


def test_growth():
    """As the thermal filament: 550 K at 0.4 V, and the reference numbers of its growth."""
    found = [float(CELL.growth(array(v), ENV)) for v in (0.4, -0.4, 0.6)]
    assert found[0] == found[1]
    assert found[::2] == pytest.approx([1.269721e-8, 1.096263e-4], rel=2e-6)
    assert float(jax.grad(lambda v: CELL.growth(v, ENV))(array(0.0))) == 0


LIMITS = np.asarray([1e-6, 1e-5, 1e-4, 1e-3])


@pytest.fixture(scope="module")
def formed():
    """Filaments (nm) after 10 ms of 1 V under compliances, and a second later."""
    cells = CELL.replace(i_c=LIMITS)
    wave = Waveform([0.0, 1e-2, 1e-2, 1.0], [1.0, 1.0, 0.0, 0.0])
    record = nj.simulate(cells, wave, ts=np.asarray([1e-2, 1.0]), gradient="forward", progress=False)
    return np.exp(np.asarray(record.x.size))


def test_strong_pulses_make_memories(formed):
    """phi^2 ~ i_c nearly, so the lifetime goes as i_c^2: below a millisecond at 1 uA, minutes at 1 mA."""
    lives = [float(CELL.lifetime(state(nm), ENV)) for nm in formed[:, 0]]
    assert lives[0] < 1e-3 and lives[3] > 60
    slope = np.polyfit(np.log10(LIMITS), np.log10(lives), 1)[0]
    assert 1.8 < slope < 2.2


def test_what_is_left_a_second_later(formed):
    assert formed[0, 1] == pytest.approx(0.01, rel=1e-2)
    assert formed[3, 1] > 0.95 * formed[3, 0]


def test_threshold_and_hold_of_a_sweep():
    wave = triangle(1.0, -1.0, 4.0)
    t, y = integrate(CELL, ramp(*zip(wave.t, wave.v, strict=True)), tuple(np.asarray(wave.t)), rtol=1e-6, max_step=5e-3)
    record = nj.simulate(CELL, wave, ts=np.linspace(0.0, 4.0, 801))
    away = np.abs(np.asarray(record.x.size) - np.interp(np.asarray(record.t), t, y[:, 0]))
    assert np.sort(away)[-8] < 1e-2
    v, i, at = (np.asarray(a) for a in (record.v, record.i, record.t))
    assert np.abs(i).max() == pytest.approx(1e-6, rel=1e-3)
    up, down = v[(at < 1) & (i > 5e-7)].min(), v[(at > 1) & (at < 2) & (i > 5e-7)].min()
    assert 0.3 < down < up - 0.1 < 0.9
    # Volatile: off again at 0 V, and the same for the other polarity.
    assert np.abs(i[np.abs(v) < 0.1]).max() < 1e-9
    np.testing.assert_allclose(i[at > 2], -i[at <= 2][: np.sum(at > 2)], atol=1e-6)
    assert v[(at > 2) & (at < 3) & (i < -5e-7)].max() == pytest.approx(-up, abs=0.03)
