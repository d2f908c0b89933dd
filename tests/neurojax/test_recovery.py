"""Every device is recovered from its own noisy sweeps, from eight random starts in its bounds (slow)."""

import dataclasses

import jax
import numpy as np
import pytest
from established import others_rarely

import neurojax as nj
from neurojax.testing.draws import inside
from physics.quantity import parameters, with_values

pytestmark = pytest.mark.slow
KEY = jax.random.key(0)
IDENTIFIED = 0.03
"""Relative deviation up to which a parameter counts as identified."""


@dataclasses.dataclass(frozen=True)
class Protocol:
    """What is varied (empty: all that is declared free), how many times faster each sweep is, what is set."""

    free: tuple[str, ...] = ()
    rates: tuple[float, ...] = (1.0, 100.0)
    set_to: dict[str, float] = dataclasses.field(default_factory=dict)
    search: dict[str, int] = dataclasses.field(default_factory=dict)


PROTOCOLS = {
    "Vteam": Protocol(),
    "Yakopcic": Protocol(),
    "Wox": Protocol(("lam", "eta", "tau", "w_min", "gamma", "delta", "window")),
    "GapRram": Protocol(),
    "ThermalFilament": Protocol(("e_a0", "alpha", "k_th", "phi_init")),
    "NbO2Mott": Protocol(("kappa", "c_p", "dh", "rho_i", "rho_m")),
    # A plug of 20 nm at the start: the first ramp reads glass, up to its threshold.
    "PhaseChangeCell": Protocol(
        ("r_th0", "r_c", "r_w", "r_on", "r_a", "dz", "e_th", "v_c", "i_h"),
        set_to=dict(u_init=2e-8),
        search=dict(generations=40),
    ),
    "Ecram": Protocol(),
    "AgFilament": Protocol(("e_a0", "e_a1", "alpha", "e_a0_neg", "e_a1_neg", "alpha_neg", "rho_m")),
    "AgDiffusive": Protocol(("u_p", "u_k", "charge", "d_0", "r_c", "lam"), search=dict(generations=20)),
    # At the common rate RESET runs to its end, at a hundred times that it stops on the way.
    "JartVcm": Protocol(search=dict(screen=16, generations=28, max_iterations=40)),
}


def truth(device, names) -> dict[str, float]:
    """The default values, each moved by up to 4 % of its bounds (along its scale)."""
    rng = np.random.default_rng(1)
    values = {}
    for name in names:
        p = parameters(device)[name]
        lo, hi = p.bounds
        value = float(p.value)
        part = np.log(value / lo) / np.log(hi / lo) if p.quantity.scale == "log" else (value - lo) / (hi - lo)
        part = np.clip(part + 0.04 * rng.uniform(-1, 1), 0.02, 0.98) if 0 < part < 1 else part
        values[name] = float(inside(p, part))
    return values


def measured(device, rate, seed) -> nj.Trace:
    """A sweep with 2 % noise and a floor of 1e-4 of the largest current of each port."""
    v_max, v_min, period = (np.asarray(a, dtype=float) for a in device.sweep)
    wave = nj.triangle(v_max, v_min, float(period) / rate)
    ts = np.linspace(0, float(period) / rate, 300)
    record = nj.simulate(device, wave, ts=ts, rtol=1e-8, atol=1e-10)
    i, rng = np.asarray(record.i), np.random.default_rng(seed)
    floor = 1e-4 * np.abs(i).max(axis=0)
    noisy = i * (1 + 0.02 * rng.standard_normal(i.shape)) + floor * rng.standard_normal(i.shape)
    return nj.Trace(ts, record.v, noisy, noise_floor=floor, noise_relative=0.02)


@pytest.mark.parametrize("name", others_rarely(PROTOCOLS, dear=True, few=True))
def test_recovery(name):
    protocol = PROTOCOLS[name]
    device = nj.device_named(name).replace(**protocol.set_to)
    free = protocol.free or tuple(n for n, p in parameters(device).items() if p.quantity.free)
    true = truth(device, free)
    traces = [measured(with_values(device, true), rate, seed) for seed, rate in enumerate(protocol.rates)]
    options = dict(free=free, n_starts=8, key=KEY, use_current=False, progress=False) | protocol.search
    fit = nj.fit(device, traces, **options)
    print(fit.summary())  # shown where it fails

    # A wrong basin must have been flagged; this one is the right one.
    flagged = fit.chi2_reduced > 2 or fit.agreeing < 2
    assert not flagged and fit.chi2_reduced < 1.3
    known, errors = parameters(device), {}
    for n, e in fit.estimates.items():
        q = known[n].quantity
        least = 0.05 * (known[n].bounds[1] - known[n].bounds[0]) * (q.scale == "linear")
        size = max(abs(true[n]), least)
        # Whether it is identified is for the fit to say, which does not know the truth.
        if e.determined and e.std / max(abs(e.value), least) < IDENTIFIED:
            errors[n] = abs(e.value - true[n]) / size
            assert abs(e.value - true[n]) < 5 * e.std, n
    print({n: f"{100 * e:.2f} %" for n, e in errors.items()})
    assert len(errors) >= 2
    assert np.median(list(errors.values())) <= 0.01
    loose = [n for n, e in fit.estimates.items() if not e.determined]
    said = " ".join(fit.directions)
    assert all(n in said or fit.estimates[n].at_bound for n in loose)
