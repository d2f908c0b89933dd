"""Ramps with their spread from cycle to cycle: what was put in comes out, and the ramps of an oxide memristor."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurojax as nj
from physics.pulsed import Linear, Piecewise
from physics.quantity import with_values


def changed(device, **values):
    return with_values(device, {k: jnp.asarray(v, float) for k, v in values.items()})


def ramps_of(g, sign):
    return [nj.PulseTrace(np.full(len(row), sign), 1e-6, row, name=f"ramp {k}") for k, row in enumerate(np.asarray(g))]


def pair(up, down=np.nan):
    return jnp.asarray([up, down], float)


def test_what_was_put_in_comes_out():
    """60 ramps of up to 50 pulses; three standard errors of each, those of a spread being 1/sqrt(2 N) of it."""
    device = changed(Linear(), dw_min=0.03, gamma_up=0.5, write_noise=0.05)
    scatter = pair(0.04), pair(0.03), pair(0.5), pair(0.002)
    true = nj.Ramps(device, 1e-5, 1e-4, pair(-0.8), *scatter, jnp.zeros(()), 0)
    drawn = ramps_of(true.draw(60, 50, key=jax.random.key(1)), 1.0)
    short = [
        dataclasses.replace(r, **{n: getattr(r, n)[:40] for n in ("amplitude", "width", "conductance")})
        for r in drawn[::4]
    ]
    found = nj.fit_ramps(changed(Linear(), dw_min=0.1), [*drawn[1::4], *drawn[2::4], *drawn[3::4], *short])
    scale = (true.g_max - true.g_min) / (found.g_max - found.g_min)
    for name, part in (("gain_std", 1.0), ("offset_std", scale)):
        value = float(getattr(true, name)[0]) * part
        assert float(getattr(found, name)[0]) == pytest.approx(value, rel=3 / np.sqrt(120))
    assert float(found.walk_std[0]) == pytest.approx(0.002 * scale, rel=0.15)
    reading = [float(d.write_noise * d.dw_min) for d in (device, found.device)]
    assert reading[1] == pytest.approx(reading[0] * scale, rel=0.1)
    assert float(found.correlation[0]) == pytest.approx(0.5, abs=0.35) and np.isnan(float(found.gain_std[1]))
    error = 3 * float(jnp.std(true.draw(500, 50, key=jax.random.key(2))[:, -1])) / np.sqrt(60)
    np.testing.assert_allclose(found.mean(50), true.mean(50), atol=error)
    # What the device says of the scatter of its steps is what ramps have beside w.
    steps = jnp.diff(jnp.concatenate([found.w_0[:1], found._path(50, True, jnp.zeros(()))]))
    rms = jnp.sqrt(jnp.mean((found.device.dw_std * steps) ** 2))
    assert float(rms) == pytest.approx(float(found.walk_std[0]), rel=0.02)


def figures(g):
    """Of ramps (count, n), in uS: mean, spread; scatter of a step, its correlation with the next; growth over lags."""
    g = np.asarray(g) * 1e6
    apart, steps = g - g.mean(0), np.diff(g - g.mean(0), axis=1)
    grown = [np.sqrt(np.mean((apart[:, k:] - apart[:, :-k]) ** 2)) for k in (1, 10, 50, 100)]
    return g.mean(0), g.std(0, ddof=1), np.mean(steps[:, 1:] * steps[:, :-1]) / np.mean(steps**2), np.asarray(grown)


def test_measured_ramps_with_their_spread(shared_data):
    """29 SET and 30 RESET ramps, one device of 18 nodes, as 2000 that are drawn from what was fitted.

    Mean ramps within 0.2 and 0.1 % of their range. Spread over the ramps, which grows from 10 to 16 uS and from 6 to
    13 uS: within 8 and 17 % (rms over the pulses; 30 ramps tell it within 13). Scatter of a step, 0.65 and 0.57 uS,
    within 4 %, growth over 10 pulses within 5.3 %, over 50 and 100 within 9 %; all at the end of the search, whose last
    parts in a million of the likelihood change these by half a per cent. The first RESET is 7 % stronger than the
    others and widens theirs; none is left out.
    """
    measured = {
        up: nj.read_ramps(shared_data / "reram_pulse_ramps" / f"{name}.csv", amplitude=1.0 if up else -1.0, width=1e-6)
        for name, up in (("set", True), ("reset", False))
    }
    start = Piecewise(up_nodes=(1.0,) * 9, down_nodes=(1.0,) * 9, dw_min=jnp.asarray(0.01), at_ends=True, additive=True)
    found = nj.fit_ramps(start, [*measured[True], *measured[False]])
    for up, mean_error, spread_error in ((True, 2.5e-3, 1.12), (False, 1.5e-3, 1.2)):
        n = min(map(len, measured[up]))
        mean, spread, next_one, grown = figures([r.conductance[:n] for r in measured[up]])
        drawn = figures(found.draw(2000, n, up=up, key=jax.random.key(0)))
        assert np.sqrt(np.mean((drawn[0] - mean) ** 2)) < mean_error * np.ptp(mean)
        assert np.exp(np.sqrt(np.mean(np.log(drawn[1] / spread) ** 2))) < spread_error
        assert np.abs(np.log(drawn[1] / spread)).max() < np.log(1.3)
        assert drawn[2] == pytest.approx(next_one, abs=0.04)
        np.testing.assert_allclose(drawn[3][:1], grown[:1], rtol=0.055)
        np.testing.assert_allclose(drawn[3], grown, rtol=0.12)
    assert 0.005 < float(found.gain_std[0]) < 0.015 and 0.05 < float(found.device.dw_std) < 0.15


RISING = np.linspace(1e-5, 2e-5, 5)


@pytest.mark.parametrize(
    "ramps, words",
    [
        ([], "0 ramp"),
        (ramps_of([RISING], 1.0), "1 ramp of sign 1"),
        ([nj.PulseTrace([1.0, -1.0, 1.0], 1e-6, RISING[:3])] * 2, "goes up or down"),
        ([nj.PulseTrace(np.ones(5), 1e-6, [1e-5, np.nan, 2e-5, 3e-5, 4e-5])] * 2, "4 readings of 5"),
        (ramps_of(np.full((2, 5), 1e-5), 1.0), "no pulse moves"),
    ],
    ids=["none", "one", "signs", "gap", "still"],
)
def test_ramps_that_tell_no_spread(ramps, words):
    with pytest.raises(nj.DataError, match=words):
        nj.fit_ramps(Linear(), ramps)
