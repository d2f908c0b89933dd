"""How good a response to the pulses of Gong et al. 2018 can be: what their noise leaves, and what follows it.

RMSE in the units of the data: 0.171 of steps at five weights, 0.162 of 17, 0.154 of 33, 0.145 of any monotone curve.
The data scatter about a smooth response by 0.17: 0.11 of each reading by itself, 0.13 that is forgotten within nine
pulses. Sequences of the first response with that noise give the same figures, so what is below the first follows
noise. One pulse ahead, from all readings before, the same noise is predicted within 0.14.
"""

import jax.numpy as jnp
import numpy as np
import pytest

import neurojax as nj
from physics.pulsed import Piecewise
from physics.quantity import with_values

pytestmark = pytest.mark.slow
DRAWS = 8


def steps_at(count):
    """A device of that many steps up and down."""
    even = Piecewise(up_nodes=(1.0,) * count, down_nodes=(1.0,) * count)
    return with_values(even, {k: jnp.asarray(v) for k, v in dict(dw_min=3e-3, w_max=1.6, w_min=-1.6).items()})


def noise_of(rest):
    """Scatter of a reading, of what is remembered, and how much of that a pulse leaves: from lags 0, 1 and 6."""
    c = [np.mean([np.mean(r[k:] * r[: len(r) - k]) for r in rest]) for k in (0, 1, 6)]
    left = (c[2] / c[1]) ** (1 / 5)
    return np.sqrt(c[0] - c[1] / left), np.sqrt(c[1] / left), left


def drawn(noise, shape, rng):
    reading, remembered, left = noise
    kicks, x = rng.standard_normal((shape[1], shape[0])), np.empty((shape[1], shape[0]))
    x[0] = kicks[0]
    for k in range(1, shape[1]):
        x[k] = left * x[k - 1] + np.sqrt(1 - left**2) * kicks[k]
    return remembered * x.T + reading * rng.standard_normal(shape)


def one_ahead(rest, noise):
    """RMSE of each reading from those before it, by the Kalman filter of the remembered part."""
    reading, remembered, left = noise
    x, p, errors = np.zeros(len(rest)), remembered**2, []
    for y in rest.T:
        x, p = left * x, left**2 * p + (1 - left**2) * remembered**2
        k = p / (p + reading**2)
        errors.append(y - x)
        x, p = x + k * (y - x), (1 - k) * p
    return np.sqrt(np.mean(np.square(errors)))


def monotone(y):
    """RMSE of the best curve that never falls, by pooling neighbours."""
    blocks = []
    for v in y:
        blocks.append((v, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (b, m), (a, n) = blocks.pop(), blocks.pop()
            blocks.append(((a * n + b * m) / (n + m), n + m))
    return np.sqrt(np.mean((np.concatenate([np.full(n, v) for v, n in blocks]) - y) ** 2))


def both(y):
    """`monotone` of the way up and the way down."""
    return np.sqrt(0.5 * (monotone(y[:1000]) ** 2 + monotone(-y[1000:]) ** 2))


def test_what_noise_leaves_of_the_pulses_of_gong(shared_data):
    signs, w = nj.read_response(shared_data / "reram_gong2018" / "gong_et_al.csv")
    fits = {k: nj.fit_response(steps_at(k), signs, w) for k in (5, 17)}
    smooth = np.asarray(fits[5].model)
    rest = np.stack([w[:1000] - smooth[:1000], w[1000:] - smooth[1000:]])
    noise = noise_of(rest)
    assert noise[:2] == pytest.approx([0.110, 0.130], abs=0.01) and 5 < 1 / (1 - noise[2]) < 13
    assert np.hypot(*noise[:2]) == pytest.approx(0.1709, abs=5e-4)
    assert 0.130 < one_ahead(rest, noise) < 0.145

    rng = np.random.default_rng(0)
    again = [smooth + drawn(noise, (2, 1000), rng).ravel() for _ in range(DRAWS)]
    measured = float(fits[5].rmse), float(fits[17].rmse), both(w)
    assert measured == pytest.approx((0.1709, 0.1617, 0.1452), abs=1e-3)
    of_draws = np.asarray(
        [[*(float(nj.fit_response(steps_at(k), signs, y).rmse) for k in (5, 17)), both(y)] for y in again]
    )
    apart = (np.asarray(measured) - of_draws.mean(0)) / of_draws.std(0, ddof=1)
    assert np.abs(apart).max() < 2.5
    # What 24 more steps gain of the measured sequence, they gain of noise.
    gained = of_draws[:, 0] ** 2 - of_draws[:, 1] ** 2
    assert measured[0] ** 2 - measured[1] ** 2 < gained.mean() + 2.5 * gained.std(ddof=1)
