"""Many phase-change devices as one weight: what more of them even out, and what not.

I. Boybat et al., Nat. Commun. 9, 2514 (2018), 10.1038/s41467-018-04933-y: N devices in turn average their spread and
make finer steps, and accuracy rises with N. The devices are those of the same laboratory, from its measured response
to SET pulses (the preset "PCM": S. R. Nandakumar et al., 10.3389/fnins.2020.00406), each its own and each pulse
scattered.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurojax import layers
from neurojax.metrics import nonlinearity
from physics.pulsed_presets import PRESETS

PULSES, WEIGHTS = 20, 2000
"""For each device; alike."""
COUNTS = (1, 3, 7, 15)


@functools.cache
def curves(count):
    """W after each pulse, (pulses + 1, weights)."""
    device = PRESETS["PCM"]()
    rule = layers.MultiMemristive.of(device, count)
    state = rule.start((WEIGHTS,), key=jax.random.key(count))
    change = jnp.full(WEIGHTS, device.dw_min / count)

    def pulse(state, key):
        state = rule.update(state, change, key=key)
        return state, rule.weight(state)

    w = jax.lax.scan(pulse, state, jax.random.split(jax.random.key(100 + count), PULSES * count))[1]
    return np.asarray(jnp.concatenate([rule.weight(state)[None], w]))


def whole(count):
    """W over its range, after each pulse."""
    w = curves(count)
    return w / w[-1]


@pytest.mark.parametrize("pulses", [pytest.param(5, marks=pytest.mark.slow), 20])
def test_spread_falls_with_the_root_of_the_devices(pulses):
    """Standard deviation over mean: 0.275, 0.157, 0.105, 0.071 after 20 pulses each, 1/sqrt(N) within 3 errors of it.

    The mean is that of one device.
    """
    ends = {n: curves(n)[pulses * n] for n in COUNTS}
    one = ends[1].std(ddof=1) / ends[1].mean()
    for n, w in ends.items():
        # Of a standard deviation, of two, and the mean.
        error = np.sqrt(1 / WEIGHTS + one**2 * (1 + 1 / n) / WEIGHTS)
        assert np.sqrt(n) * w.std(ddof=1) / w.mean() == pytest.approx(one, rel=3 * error)
        assert w.mean() == pytest.approx(ends[1].mean(), rel=3 * one * np.sqrt((1 + 1 / n) / WEIGHTS))


def test_steps_are_finer():
    """The largest step over the range, mean of the weights: 0.33, 0.14, 0.069, 0.036."""
    steps = [np.abs(np.diff(whole(n), axis=0)).max(axis=0).mean() for n in COUNTS]
    assert steps[0] > 2.2 * steps[1] > 4 * steps[2] > 7.5 * steps[3]


def test_a_weight_becomes_straighter_up_to_the_mean_response():
    """Rms distance from the straight line over the range: 0.312, 0.255, 0.238, 0.230.

    It is about that of the mean response, 0.224, and a part that scatters, as squares: 0.20, 0.105, 0.069, 0.046, which
    falls a little faster than 1/sqrt(N) as the range of a single device scatters too. N does not straighten the mean
    response, which is ahead of the line by a third of the range however many devices there are.
    """
    distance, scatter, ahead = [], [], []
    for n in COUNTS:
        w, line = whole(n), np.linspace(0.0, 1.0, PULSES * n + 1)[:, None]
        mean = curves(n).mean(axis=1) / curves(n)[-1].mean()
        distance.append(np.sqrt(((w - line) ** 2).mean()))
        scatter.append(np.sqrt(((w - mean[:, None]) ** 2).mean()))
        ahead.append(float(nonlinearity(jnp.asarray(mean))))
    assert distance == pytest.approx([0.312, 0.255, 0.238, 0.230], rel=0.02)
    np.testing.assert_allclose(np.sqrt(COUNTS) * np.asarray(scatter) / scatter[0], 1.0, atol=0.15)
    assert distance[-1] > np.sqrt(((mean - line[:, 0]) ** 2).mean()) > 0.22
    assert np.ptp(ahead) < 0.02 and 0.28 < ahead[0] < 0.4
