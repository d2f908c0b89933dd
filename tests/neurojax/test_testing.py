"""check_device: every device keeps the contract, and every planted error is caught by the check made for it."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest
from established import ESTABLISHED, RARELY, others_rarely

import neurojax as nj
import physics
from neurojax.testing import NAMES, ContractError, check_device
from neurojax.testing.draws import answer, draws
from physics import constants
from physics.device import AbstractDevice, AbstractLangevin, Sweep
from physics.quantity import Param, quantity, state_variable

QUICK = ("GapRram", "Vteam", "Wox", "Resistor", "Capacitor", "Diode", "Selector", "LeakChannel")
ELEMENTS = sorted(set(nj.devices(elements=True)) - set(nj.devices()))


def others_than_quick(names):
    """Of the established devices and the elements the rest with the slow tests, of all others where asked for."""
    found = []
    for name in names:
        # Of JartVcm it takes a minute.
        asked = name not in (*ESTABLISHED, *ELEMENTS) or name == "JartVcm"
        marks = () if name in QUICK else RARELY if asked else (pytest.mark.slow,)
        found.append(pytest.param(name, marks=marks))
    return found


@pytest.mark.parametrize("name", others_than_quick(nj.devices()))
def test_every_device_keeps_the_contract(name):
    check_device(nj.device_named(name), draws=100)


@pytest.mark.parametrize("name", others_than_quick(ELEMENTS))
def test_every_element_keeps_the_contract(name):
    # Nothing but v/R bounds the current of an inductor.
    check_device(nj.device_named(name), draws=100, skip=("inward",) if name == "Inductor" else ())


@pytest.mark.parametrize("name", others_rarely(sorted(set(nj.devices()) - {"Vteam"})))
def test_slopes_in_single_precision_are_finite_forwards_too(name):
    """Fits go forwards. At the corners of the box a rate of Vteam is 1e30 /s, and its slope along a length no float."""
    device = nj.device_named(name)
    drawn = jax.tree.map(lambda a: a.astype(jnp.float32), draws(device, 300, 1, beyond=0.1))
    slopes = jax.jit(jax.vmap(jax.jacfwd(lambda d: answer(device, d))))(drawn)
    found = jax.tree_util.tree_flatten_with_path(slopes)[0]
    assert not [jax.tree_util.keystr(path) for path, slope in found if not bool(jnp.isfinite(slope).all())]


class State(eqx.Module):
    x: Param = state_variable((0.0, 1.0), doc="state")


def good_rate(self, x, v, env):
    return State(x=self.k * jnp.tanh(v / self.v_0) * x.x * (1 - x.x) + self.leak * (self.x_rest - x.x))


def good_current(self, x, v, env):
    thermal = constants.K_B * env.temperature / constants.Q
    inside = 0.5 * (x.x + jnp.sqrt(x.x * x.x + 1e-6))
    return self.g * jnp.exp(-self.e_a / thermal) * inside * v


EQUATION = "dx/dt = k tanh(v/v_0) x (1 - x) + leak (x_rest - x), i = g exp(-E_a/kT) x v."
SPEED = quantity(1e4, "1/s", (1e2, 1e6), scale="log", doc="speed", source="chosen")


def made(*, how=good_rate, law=good_current, text=EQUATION, of="unpublished", speed=SPEED) -> AbstractDevice:
    """A sound device, or one with a planted error: a class of its own, as in a notebook."""

    class Planted(AbstractDevice):
        terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
        doi: ClassVar[str] = of
        sweep: ClassVar[Sweep] = Sweep(1.0, -1.0, 1e-3)
        k: Param = speed
        leak: Param = quantity(1e2, "1/s", (1.0, 1e3), scale="log", doc="decay", source="chosen")
        v_0: Param = quantity(0.5, "V", (0.1, 2.0), doc="voltage scale", source="chosen")
        e_a: Param = quantity(0.2, "eV", (0.1, 0.3), doc="activation of the conductance", source="chosen")
        g: Param = quantity(1e-3, "S", (1e-6, 1e-2), scale="log", doc="conductance", source="chosen")
        x_rest: Param = quantity(0.3, "1", (0.0, 1.0), doc="state at rest", source="chosen")

        def init(self, env):
            return State(x=self.x_rest)

        rate = how
        current = law

    Planted.__doc__ = text
    return Planted()


def failures(device, *only) -> dict[str, str]:
    found = check_device(device, draws=60, only=only, throw=False)
    assert repr(found)
    return {r.check: r.failure for r in found.rows if r.failure}


def test_a_sound_device_of_a_notebook_passes_and_is_reported():
    found = check_device(made(), draws=60)
    assert found.ok and [r.check for r in found.rows] == list(NAMES)
    assert "keeps the contract" in repr(found)


def wrong_unit(self, x, v, env):
    return State(x=self.k * jnp.tanh(v / 0.5) * x.x * (1 - x.x) + self.leak * (self.x_rest - x.x))


def unread_constant(self, x, v, env):
    return self.g * jnp.exp(-self.e_a / (8.617333e-5 * env.temperature)) * v


def nan_gradient(self, x, v, env):
    return self.g * jnp.sqrt(jnp.maximum(x.x, 0.0)) * v  # 0/0 in the slope below zero


def active(self, x, v, env):
    return self.g * x.x * (v - 0.2 * self.v_0)


def generator(self, x, v, env):
    return self.g * jnp.sin(3 * v / self.v_0) * self.v_0


def outward(self, x, v, env):
    return State(x=self.k * jnp.tanh(v / self.v_0) + 0 * x.x)


def jumping(self, x, v, env):
    fast = jnp.where(v > 0.3 * self.v_0, self.k, 0.0 * self.k)
    return State(x=fast * x.x * (1 - x.x) + self.leak * (self.x_rest - x.x))


def lying(self, x, v, env):
    @jax.custom_jvp
    def square(u):
        return u * u

    square.defjvp(lambda primals, tangents: (square(*primals), 2.1 * primals[0] * tangents[0]))
    return State(x=self.leak * (self.x_rest - x.x) + self.k * square(v / self.v_0) * x.x * (1 - x.x))


def blowing_up(self, x, v, env):
    return State(x=self.k * (jnp.exp(300 * jnp.abs(v / self.v_0)) - 1) * x.x * (1 - x.x))


def python_branch(self, x, v, env):
    return self.g * v if isinstance(v, jax.core.Tracer) else 1.001 * self.g * v


def wrong_shape(self, x, v, env):
    return jnp.stack([self.g * v])


def bare_tuple(self, x, v, env):
    return (self.leak * x.x,)


@pytest.mark.parametrize(
    ("planted", "check", "says"),
    [
        (dict(how=wrong_unit), "units", "rate of x depends on the choice of units"),
        (dict(law=unread_constant), "units", "physics.constants"),
        (dict(law=nan_gradient), "finite", "gradient of current to"),
        (dict(how=blowing_up), "finite", "rate of x"),
        (dict(law=active), "zero", "without a voltage"),
        (dict(law=active), "passive", "gives out"),
        (dict(law=generator), "passive", "gives out"),
        (dict(how=outward), "inward", "leaves its bounds"),
        (dict(how=jumping), "continuous", "rate of x jumps where v ="),
        (dict(how=lying), "derivatives", "derivative of rate of x"),
        (dict(law=python_branch), "jit", "compiled"),
        (dict(law=wrong_shape), "shapes", "current returns shape"),
        (dict(how=bare_tuple), "shapes", "rate returns"),
        (dict(of=""), "declarations", "doi is empty"),
        (dict(text="Some device."), "declarations", "no equation"),
    ],
)
def test_planted_errors_are_caught(planted, check, says):
    found = failures(made(**planted), check)
    assert says in found.get(check, ""), found


def test_a_wrong_unit_in_a_declaration_is_caught_where_it_is_written():
    with pytest.raises(ValueError, match="cannot read 'mV'"):
        quantity(1.0, "mV", (0.0, 2.0))
    speed = quantity(1e4, "1/V", (1e2, 1e6), scale="log", doc="speed", source="chosen")
    assert "k" in failures(made(speed=speed), "units")["units"]


def test_missing_words_are_caught():
    silent = quantity(1e4, "1/s", (1e2, 1e6), scale="log", doc="", source="chosen")
    assert "'k' has no sentence" in failures(made(speed=silent), "declarations")["declarations"]


def test_what_is_derived_is_not_defined_anew():
    device = made()
    type(device).conductance = lambda self, x: self.g
    assert "conductance is derived and final" in failures(device, "declarations")["declarations"]


def test_a_discontinuous_rate_shows_in_the_convergence_or_by_itself():
    assert set(failures(made(how=jumping), "continuous", "jit", "vmap")) == {"continuous"}


class Frozen(AbstractLangevin):
    """dx/dt = leak (x_rest - x), i = g v, with a noise that is no noise."""

    class State(eqx.Module):
        x: Param = state_variable((0.0, 1.0), doc="state")

    terminals: ClassVar[tuple[str, ...]] = ("top", "bottom")
    doi: ClassVar[str] = "unpublished"
    sweep: ClassVar[Sweep] = Sweep(1.0, -1.0, 1e-3)
    leak: Param = quantity(1e2, "1/s", (1.0, 1e3), scale="log", doc="decay", source="chosen")
    g: Param = quantity(1e-3, "S", (1e-6, 1e-2), scale="log", doc="conductance", source="chosen")

    def init(self, env):
        return Frozen.State(x=0.5 * jnp.ones_like(self.g))

    def rate(self, x, v, env):
        return Frozen.State(x=self.leak * (0.3 - x.x))

    def current(self, x, v, env):
        return self.g * v

    def diffusion(self, x, v, env):
        return Frozen.State(x=0 * self.leak**0.5)

    def time_step(self, env):
        return 1e-3 / self.leak


def test_noise_without_noise_is_caught():
    assert "no amplitude" in failures(Frozen(), "noise")["noise"]


def test_wrong_calls():
    with pytest.raises(ValueError, match="Did you mean 'units'"):
        check_device(physics.Resistor(), only=("unit",))
    with pytest.raises(ContractError, match="FAILED passive"):
        check_device(made(law=generator), only=("passive",))
