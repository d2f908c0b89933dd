"""What papers measured on volatile silver beside what the models give at the same conditions.

Each docstring has the paper, its number and ours; where ours is another one the test holds ours, and says why.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from follow import ENV, array, follow

from physics.device import Environment
from physics.diffusive import AgDiffusive
from physics.silver_filament import AgFilament
from physics.volatile import AndThreshold, UscDiffusive

# Silver: T. Ohno et al., Nat. Mater. 10, 591 (2011), 10.1038/nmat3054; S. La Barbera et al., ACS Nano 9, 941 (2015).


def test_silver_filament_has_no_memory_of_seconds():
    """Ag2S, 80 mV, 0.5 s: persistent after pulses 2 s apart, short-term ones 20 s apart (Ohno 2011). Ours: neither.

    80 mV are far below the V_th of 1.74 V of this oxide. Above it the pulse is long enough to reach the diameter that
    the voltage and the compliance leave, 0.64 nm at most at 2.2 V, which lives for 0.12 s: nothing is left after 2 s.
    Two seconds of life take 1.3 nm.
    """
    rest = AgFilament().init(ENV)
    thick = lambda cell, x: float(cell.phi_a * jnp.expm1(x.size))  # noqa: E731
    _, still = follow(AgFilament(), rest, 0.08, 0.5)
    assert thick(AgFilament(), still) < thick(AgFilament(), rest)
    cell = AgFilament().replace(i_c=1e-2)
    _, on = follow(cell, rest, 2.2, 0.5)
    assert 1e9 * thick(cell, on) == pytest.approx(0.6423, rel=1e-3)
    assert float(cell.lifetime(array(thick(cell, on)), cell.phi_a, ENV)) == pytest.approx(0.1178, rel=1e-3)
    for wait in (2.0, 20.0):
        _, left = follow(cell, on, 0.0, wait)
        assert thick(cell, left) < 1e-14
        assert thick(cell, follow(cell, left, 2.2, 0.5)[1]) == pytest.approx(thick(cell, on), rel=1e-6)
    assert 1.9 < float(cell.lifetime(array(1.3e-9), cell.phi_a, ENV)) < 2.1


def grown(pulses, volts, wait):
    """Conductance (S) of the residual switch in the last of some pulses of 0.5 s, and 20 s after it."""
    cell, x = UscDiffusive(), UscDiffusive().init(ENV)
    for k in range(pulses):
        if k > 0:
            _, x = follow(cell, x, 0.0, wait, rtol=1e-6)
        _, x = follow(cell, x, volts, 0.5, rtol=1e-6)
    _, later = follow(cell, x, 0.0, 20.0)
    return tuple(float(1 / cell.resistance(s)) for s in (x, later))


def test_residue_tells_two_seconds_from_twenty():
    """The protocol of Ohno (2011) on the residual switch: pulses 2 s apart add up, pulses 20 s apart do not, as there.

    But nothing persists: the residue decays in 1/gamma_2 = 2.4 s at any strength. And it takes 0.8 V: at 80 mV all is
    a change of 1 %.
    """
    (once, after), (near, left), (far, _) = grown(1, 0.8, 2.0), grown(4, 0.8, 2.0), grown(4, 0.8, 20.0)
    assert near > 1.2 * once and far == pytest.approx(once, rel=1e-3)
    assert left == pytest.approx(after, rel=1e-3) and left == pytest.approx(1e-10, rel=1e-3)
    faint = [grown(n, 0.08, 2.0)[0] for n in (1, 4)]
    assert 1.005 < faint[1] / faint[0] < 1.02


def test_retention_is_independent_of_conductance_with_two_states():
    """Short and long term are set apart by density and width of the dendrites (La Barbera 2015): that takes two states.

    The residual switch has them: of the same conductance after a strong short and a weak long pulse, the long one
    keeps ten times the excess half a second later. `AgFilament` and `OxideThreshold` have a diameter only.
    """
    cell, rest = UscDiffusive(), UscDiffusive().init(ENV)
    siemens = lambda x: float(1 / cell.resistance(x))  # noqa: E731
    _, weak = follow(cell, rest, 0.4, 10.0)
    _, strong = follow(cell, rest, 0.8, 1.0, until=lambda y: y.sum() - float(weak.f + weak.r))
    assert siemens(strong) == pytest.approx(siemens(weak), rel=1e-6)
    kept = [siemens(follow(cell, x, 0.0, 0.5)[1]) - siemens(rest) for x in (weak, strong)]
    assert kept[0] > 10 * kept[1] > 0
    assert len(jax.tree.leaves(AgFilament().init(ENV))) == 1


def mean_train(cell, x, wait, env=ENV, pulses=8):
    """Conductance at the end of each pulse of 2 V, 1 us (S)."""
    found = []
    for _ in range(pulses):
        _, x = follow(cell, x, 2.0, 1e-6, env=env, rtol=1e-6)
        found.append(float(cell.current(x, array(0.1), env)) / 0.1)
        _, x = follow(cell, x, 0.0, wait, env=env, rtol=1e-6)
    return np.asarray(found)


def test_diffusive_memristor_is_facilitated_and_never_depressed():
    """Facilitation at short intervals, and depression at high rates (Z. Wang 2017, 10.1038/nmat4756). Ours: only the
    former, from a kilohertz to half a megahertz: the mean bridge has one length, with which the conductance rises, and
    what each pulse adds only time takes away, so that G climbs to that of a closed gap and stays there.
    """
    cell = AgDiffusive()
    _, rest = follow(cell, cell.init(ENV), 0.0, 0.05)
    gains = []
    for wait in (1e-3, 1e-4, 1e-6):
        g = mean_train(cell, rest, wait)
        assert np.all(np.diff(g) > -1e-6 * g[-1])
        gains.append(g[1] / g[0])
    assert np.all(np.diff(gains) > 0) and gains[0] < 1.1 and gains[-1] > 3


def test_diffusive_memristor_relaxes_faster_in_warm_surroundings():
    """Z. Wang 2017: relaxation of about a millisecond, faster at higher ambient temperature. Ours, of the mean to a
    third of the gap: 0.66, 0.31 and 0.17 ms at 300, 330 and 360 K.
    """
    cell, found = AgDiffusive(), []
    for kelvin in (300.0, 330.0, 360.0):
        x = AgDiffusive.State(x=array(1.0), temperature=array(kelvin / 300))
        env = Environment(temperature=array(kelvin))
        found.append(follow(cell, x, 0.0, 0.05, until=lambda y: y[0] - 0.35, env=env)[0])
    np.testing.assert_allclose(found, [6.58e-4, 3.13e-4, 1.70e-4], rtol=5e-3)


def test_silver_dots_turn_on_less_steeply_than_measured():
    """0.66 mV a decade for V > 0, 0.65 for V < 0 (Ostrovskii 2025 of Hua 2019); ours 0.590 and 0.572, 1 nA to 1 uA.

    Both are that of the logistic, ln(10) V_S^2/(V_th+ - V_th-) = 0.585 mV, of the printed constants: 0.66 mV would
    take V_S = 10.5 mV, which does not round to the printed 9.9.
    """
    cell = AndThreshold()

    def at(amps, r_on, start, rate):
        share = amps * r_on / abs(start + 0.013 * rate)
        t, _ = follow(cell, cell.init(ENV), (start, rate), 0.02, until=lambda y: y[0] - share, rtol=1e-10)
        return abs(start + rate * t)

    for r_on, start, rate, found, published in ((806, 0.25, 1.0, 0.590, 0.66), (1434, -0.104, -1.0, 0.572, 0.65)):
        steep = 1e3 * (at(1e-6, r_on, start, rate) - at(1e-9, r_on, start, rate)) / 3
        assert steep == pytest.approx(found, rel=5e-3) and steep < 0.9 * published
    logistic = 1e3 * np.log(10) * float(cell.v_set**2 / (cell.v_th - cell.v_th_neg))
    assert logistic == pytest.approx(0.5847, rel=1e-3)
    assert float(cell.v_set) * np.sqrt(0.66 / logistic) == pytest.approx(0.0105, rel=5e-3)
