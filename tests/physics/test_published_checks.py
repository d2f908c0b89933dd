"""What papers measured on memories beside what the models give at the same conditions.

Each docstring has the paper, its number and ours; where ours is another one the test holds ours, and says why.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from follow import ENV, array, follow
from scipy.optimize import brentq

from physics.channel import EcramChannel
from physics.device import Environment
from physics.gap import GapRram
from physics.interfacial import Wox
from physics.ionic import Ecram
from physics.jart import JartVcm
from physics.mott import NbO2Mott
from physics.organic import Oect
from physics.quantity import with_values

GAP = GapRram()
COOL = Environment(temperature=array(296.0))


def ohms(x):
    return 0.1 / GAP.current(GapRram.State(x=x), array(0.1), ENV)


@jax.jit
def trains(volts, delta_0, keys):
    """R (ohm) at 0.1 V after each of 400 pulses of 10 ns; a key is a device.

    With the published noise added to the gap, delta_0/(1 + exp((450 K - T)/500 K)) sqrt(1 ns) dW.
    """
    dt = 2e-11

    def step(x, key):
        state = GapRram.State(x=x)
        hot = GAP.temperature(state, volts, ENV)
        size = delta_0 / (1 + jnp.exp((450 - hot) / 500)) * jnp.sqrt(1e-9) / (GAP.g_max - GAP.g_min)
        noise = size * jnp.sqrt(dt) * jax.random.normal(key, dtype=float)
        return jnp.clip(x + dt * GAP.rate(state, volts, ENV).x + noise, 0.0, 1.0), None

    def pulse(x, key):
        x, _ = jax.lax.scan(step, x, jax.random.split(key, 500))
        return x, ohms(x)

    return jax.vmap(lambda key: jax.lax.scan(pulse, jnp.zeros(()), jax.random.split(key, 400))[1])(keys)


def test_gap_reset_by_pulses():
    """S. Yu, IEDM 2012: 400 pulses of 10 ns at -1.1 or -1.3 V raise R gradually from about 500 ohm, with dR/R ~ 9 %.

    Ours begins at 542 ohm. Without noise no pulse of -1.1 V adds more than 7 %, but the first one of -1.3 V makes R
    2.6-fold, and half of the way in decades takes 37 and 7 pulses: gamma(g) |V| = t_ox f_min stops the gap. The
    noise of the published code, with its default 0.02 m/s, is a scatter of ln R of 10.5 % a pulse; 9 % are 0.0172 m/s.
    """
    key = jax.random.split(jax.random.key(0), 4)
    assert float(ohms(array(0.0))) == pytest.approx(500, rel=0.1)
    for volts, largest, half in ((-1.1, (1.06, 1.075), 37), (-1.3, (2.5, 2.8), 7)):
        r = np.append(float(ohms(array(0.0))), np.asarray(trains(array(volts), array(0.0), key)[0]))
        steps = r[1:] / r[:-1]
        assert np.all(steps >= 1) and largest[0] < steps.max() < largest[1]
        assert np.argmax(r > np.sqrt(r[0] * r[-1])) == pytest.approx(half, abs=1)
        for delta_0, scatter in ((0.02, 0.105), (0.0172, 0.09)):
            noisy = np.diff(np.log(np.asarray(trains(array(volts), array(delta_0), key)[:, 100:])), axis=1)
            assert noisy.std() == pytest.approx(scatter, abs=0.004)


def test_gap_energy_of_a_pulse():
    """Below 1 pJ a pulse from about 20 kohm (Yu 2012): ours takes 5.5 pJ at -1.1 V and 14 pJ at -1.3 V.

    An ohmic resistance of 20 kohm would take 0.61 and 0.85 pJ. The sinh of V_0 = 0.25 V makes the current at 1.3 V
    seventeen times that; below 1 pJ at -1.3 V, V_0 would have to be above 1.2 V.
    """
    x = brentq(lambda x: float(ohms(array(x))) - 20e3, 0.0, 1.0)
    for volts, picojoules in ((-1.1, 5.452), (-1.3, 14.34)):
        found = volts * float(GAP.current(GapRram.State(x=array(x)), array(volts), ENV)) * 1e-8
        assert 1e12 * found == pytest.approx(picojoules, rel=1e-3)
        assert volts**2 / 20e3 * 1e-8 < 1e-12
    excess = lambda v_0: np.sinh(1.3 / v_0) / np.sinh(0.1 / v_0) * 0.1 * 1.3 / 20e3 * 1e-8 - 1e-12  # noqa: E731
    assert excess(0.25) == pytest.approx(13.34e-12, rel=1e-3)
    assert 1.2 < brentq(excess, 0.3, 3.0) < 1.3


def enthalpy(device):
    """Heat (J) from a core of 1e-3 to one of 0.8."""
    log_u = jnp.linspace(jnp.log(1e-3), jnp.log(0.8), 2001)
    state = NbO2Mott.State(y=log_u - jnp.log1p(-jnp.exp(log_u)))
    return float(jnp.trapezoid(jnp.exp(log_u) * device.enthalpy_slope(state, COOL), log_u))


def test_niobium_oxide_of_the_published_area_takes_four_times_the_energy():
    """110 nm x 110 nm: on in 0.7 ns, off in 2.3 ns, with about 100 fJ (Pickett 2012). Ours of that area: off in 2.4 ns
    without a voltage; 387 fJ of heat for a core of 0.8, where the default radius of 30 nm takes 90 fJ and is four times
    too fast. Heat goes as L r_ch^2, times at one V/V_th as r_ch^2, so a channel of 5 nm would have both; L is chosen.

    How fast it is on follows the voltage, which was not read: 0.63 ns at 2 V_th, 3.3 ns at 1.2 V_th.
    """
    narrow = NbO2Mott()
    wide = narrow.replace(r_ch=110e-9 / np.sqrt(np.pi))
    area = 110e-9**2 / (np.pi * 30e-9**2)
    thin = NbO2Mott.State(y=array(np.log(1e-3 / 0.999)))
    on, end = NbO2Mott.State(y=array(np.log(0.97 / 0.03))), lambda u: lambda y: y[0] - np.log(u / (1 - u))
    time = lambda device, x, v, u: follow(device, x, v, 1e-7, until=end(u), env=COOL)[0]  # noqa: E731
    assert 1e9 * time(wide, on, 0.0, 0.05) == pytest.approx(2.41, rel=5e-3)
    assert 1e15 * enthalpy(wide) == pytest.approx(387, rel=0.01)
    assert enthalpy(wide) == pytest.approx(area * enthalpy(narrow), rel=1e-9)
    assert 1e15 * enthalpy(wide.replace(length=5e-9)) == pytest.approx(97, rel=0.01)
    threshold = 1.675814
    slow = [1e9 * time(wide, thin, k * threshold / np.sqrt(area), 0.3) for k in (1.2, 2.0)]
    assert slow == pytest.approx([3.293, 0.6258], rel=0.01)
    assert slow[1] == pytest.approx(1e9 * area * time(narrow, thin, 2.0 * threshold, 0.3), rel=1e-6)
    # At one voltage the wide one is even faster.
    assert time(wide, thin, 2.5, 0.3) < time(narrow, thin, 2.5, 0.3)


def test_valence_change_has_no_limit_to_its_reset():
    """RESET of TaOx and ZrOx is not faster than 400 ps unless oxygen is kept from the electrode (von Witzleben). Ours
    has no such limit: 1.2 ns at 2.5 V, 0.25 ns at 3 V, 17 ps at 5 V. All that it has is the hop of vacancies, and that
    is hot: 2200 K where the RESET at 3 V begins. Its SET is in `test_jart.py`.
    """
    cell, env = JartVcm(), Environment(temperature=array(293.0))
    on = JartVcm.State(log_n=array(np.log(19.99)))
    reset = lambda v: follow(cell, on, v, 1e-5, until=lambda y: y[0] - np.log(0.2), env=env)[0]  # noqa: E731
    found = [1e12 * reset(v) for v in (2.5, 3.0, 5.0)]
    assert found == pytest.approx([1211.4, 253.5, 17.45], rel=2e-3)
    assert float(cell.temperature(on, array(3.0), env)) == pytest.approx(2177, rel=2e-3)


def streams(cell):
    """Current (A) at 1.9 V after each of the sixteen sequences of four slots of 1 ms, 3.0 V or none."""
    states = [cell.init(ENV)]
    for _ in range(4):
        states = [follow(cell, x, v, 1e-3, rtol=1e-7)[1] for x in states for v in (0.0, 3.0)]
    return np.asarray([float(cell.current(x, array(1.9), ENV)) for x in states])


def decay(cell):
    """Time constant of the current at 1.9 V, read for 10 us every 100 us after 1 ms of 3.0 V (s)."""
    _, x = follow(cell, cell.init(ENV), 3.0, 1e-3)
    rest, excess = float(cell.current(cell.init(ENV), array(1.9), ENV)), []
    for _ in range(8):
        excess.append(float(cell.current(x, array(1.9), ENV)) - rest)
        _, x = follow(cell, x, 1.9, 1e-5)
        _, x = follow(cell, x, 0.0, 9e-5)
    return -1e-4 / np.polyfit(np.arange(8), np.log(excess), 1)[0]


def test_oxide_that_forgets_in_400_microseconds():
    """Y. Zhong 2021, 10.1038/s41467-020-20692-1: written by 3.0 V, 1 ms, read by 1.9 V, 10 us, decay in 400 us.

    With that tau but the growth of WOx, 3.0 V fill w within 0.1 us, so that a sequence is told by its last pulse only,
    and reading at 1.9 V writes: a decay of 460 us. With eta = 4 and lam = 0.01/s (ours) the decay is 401 us and all
    sixteen differ, but by 1.3e-4 of the current at least: e^-2.5 a slot is left, and at 1 % noise there are five.
    """
    fast = Wox(tau=array(4e-4))
    tuned = Wox(tau=array(4e-4), eta=array(4.0), lam=array(1e-2))
    assert float(follow(fast, fast.init(ENV), 3.0, 1e-7)[1].w) > 0.7
    last = [0, 4, 3, 4, 2, 4, 3, 4, 1, 4, 3, 4, 2, 4, 3, 4]
    found = streams(fast)
    alike = [found[np.asarray(last) == k] for k in range(5)]
    assert [a.max() for a in alike] == pytest.approx([a.min() for a in alike], rel=1e-6)
    assert np.all(np.diff([a[0] for a in alike]) > 0)
    assert decay(fast) == pytest.approx(464e-6, rel=0.01)
    found = np.sort(streams(tuned))
    assert np.diff(found).min() / found[-1] == pytest.approx(1.3e-4, rel=0.05)
    assert 1 + np.sum(found[1:] > 1.01 * found[:-1]) == 5
    assert decay(tuned) == pytest.approx(401.3e-6, rel=1e-3)


def moved(cell, seconds, volts):
    """Ions (in states, of a thousand) that a pulse of the gate brings."""
    x = cell.init(ENV)
    _, y = follow(cell, x, array([volts, 0.0]), seconds, rtol=1e-9)
    return 1e3 * float(cell.mean_fraction(y) - cell.mean_fraction(x)) / 0.4


def test_electrochemical_memory_in_five_nanoseconds():
    """J. Tang, IEDM 2018: pulses of the gate current down to 5 ns, steps linear in width and amplitude, 1000 states.

    Ours: linear in the width from 5 ns to 5 us within 0.05 %; in the current too (`test_ionic.py`), but not in the
    voltage, of which twice as much brings four times as much. 5 ns at 0.5 V and 10 Mohm are 0.0012 of a state, without
    the resistance 0.30 at any voltage: a full surface passes F c_max (1 - x) 2 sqrt(D t/pi), and D is recalled.
    """
    steps = [moved(Ecram(), t, 0.5) / t for t in (5e-9, 5e-8, 5e-6)]
    assert steps[0] * 5e-9 == pytest.approx(1.186e-3, rel=2e-3)
    assert np.ptp(steps) < 5e-4 * steps[0]
    assert moved(Ecram(), 5e-9, 1.0) / moved(Ecram(), 5e-9, 0.5) == pytest.approx(4.03, rel=2e-3)
    # The first of 24 volumes is thinner than what diffusion passes in 5 ns.
    film = with_values(EcramChannel(cells=24), {"grading": 1.4, "r_el": 1.0})
    most = [moved(film, 5e-9, v) for v in (5.0, 50.0)]
    assert most[1] == pytest.approx(most[0], rel=1e-6) and most[0] == pytest.approx(0.303, rel=5e-3)
    assert most[0] == pytest.approx(0.78 * 2 * np.sqrt(1e-14 * 5e-9 / np.pi) / 50e-9 * 1e3 / 0.4, rel=0.03)


def test_energies_of_electrochemical_memories():
    """Li/WO3: about 1 fJ projected at 100 nm x 100 nm (Tang 2018); ours 0.30 fJ for the charge of a state at 0.5 V.

    PEDOT:PSS (van de Burgt 2017): below 10 pJ at 1e3 um2 for one of 500 states in 1 V; ours, of 100 nm, 7.8 pJ at
    1 V. Projected: 35 aJ at 0.3 um x 0.3 um, 389 aJ/um2; ours has that where it is written by 50 mV, as the charge goes
    with the area. WO3 takes 77 times that: 7.6 times the charge a state, at ten times the voltage.
    """
    small = Ecram().replace(area=1e-14)
    assert 0.5 * 0.4e-3 * float(small.capacity()) == pytest.approx(0.298e-15, rel=2e-3)
    joules = []
    for width, length in ((100e-6, 10e-6), (0.3e-6, 0.3e-6)):
        cell = Oect().replace(width=width, length=length)
        seconds = -float(cell.time_constant()) * np.log(1 - 1 / 500)
        _, x = follow(cell, cell.init(ENV), array([1.0, 0.0]), seconds)
        joules.append(1.0 * float(x.q * cell.v_p * cell.capacitance()))
    assert joules[0] == pytest.approx(7.8e-12, rel=1e-3) and joules[0] < 1e-11
    assert joules[1] == pytest.approx(9e-5 * joules[0], rel=1e-6)
    assert 0.05 * joules[1] == pytest.approx(35e-18, rel=0.01)
    charges = 0.4e-3 * float(small.capacity()) / 1e-14, joules[0] / 1e-9
    assert charges[0] / charges[1] == pytest.approx(7.64, rel=2e-3)
    assert 0.5 * charges[0] / 389e-6 == pytest.approx(77, rel=0.01)
