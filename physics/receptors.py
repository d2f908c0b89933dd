"""Receptors of chemical synapses: bound transmitter opens `Ampa`, `Nmda`, `GabaA` (Destexhe), and each spike adds to
`BrunelWangAmpa`, `BrunelWangNmda`, `BrunelWangGabaA`, as networks use them."""

import abc
from functools import partial
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.quantity import Param, quantity, state_variable
from physics.smooth import stop

Real = Float[Array, "..."]
DESTEXHE = "10.1007/BF00961734"
BRUNEL = "10.1023/A:1011204814320"
MOST, EDGE = 10.0, 0.02
"""Spikes at once that a state of order one holds, and how close to them it stops to grow."""
_DEMO = "modeldb.science/18500"
_JAHR = "10.1523/JNEUROSCI.10-09-03178.1990, as in modeldb.science/150239"
_battery = partial(quantity, unit="V", bounds=(-0.12, 0.2), doc="E, where the current reverses")
_binding = partial(quantity, unit="m3/(mol s)", bounds=(1.0, 1e5), scale="log", doc="alpha, binding", source=_DEMO)
_unbinding = partial(quantity, unit="1/s", bounds=(0.1, 1e4), scale="log", doc="beta, unbinding", source=_DEMO)
_all_open = partial(quantity, 1e-9, "S", (1e-13, 1e-3), scale="log", doc="g_bar, all of them open", source="chosen")
_time = partial(quantity, unit="s", bounds=(1e-4, 10.0), scale="log", source=BRUNEL)
_spike = partial(
    quantity, 1e3, "1/(V s)", (1.0, 1e6), scale="log", doc="k, spikes a volt-second", source="definition", free=False
)


class AbstractReceptor(AbstractDevice):
    """i = g_bar O B(V) (V - E) from "inside" to "outside", O being what is open; "transmitter" draws no current.

    The voltage of "transmitter" stands for what the synapse releases; below zero it counts as none.
    """

    terminals: ClassVar[tuple[str, ...]] = ("transmitter", "inside", "outside")
    family: ClassVar[str] = "membrane"
    stores_energy: ClassVar[bool] = True
    sweep: ClassVar[Sweep] = Sweep((1.0, 0.05), (0.0, -0.1), 0.05)
    e_rev: eqx.AbstractVar[Param]
    g_bar: eqx.AbstractVar[Param]

    @abc.abstractmethod
    def opened(self, x: Any) -> Real:
        """O, open of all."""

    def unblocked(self, v: Real) -> Real:
        """B, the share that conducts at a membrane voltage `v`."""
        return jnp.ones_like(v)

    def current(self, x: Any, v: Volts, env: Environment) -> Amps:
        del env
        return jnp.stack(
            [jnp.zeros_like(v[0]), self.g_bar * self.opened(x) * self.unblocked(v[1]) * (v[1] - self.e_rev)]
        )


class AbstractBinding(AbstractReceptor):
    """O = r,  r' = alpha [T] (1 - r) - beta r: the share that holds transmitter, none at first; 1 V is 1 mM of it."""

    class State(eqx.Module):
        r: Param = state_variable((0.0, 1.0), doc="open of one")

    doi: ClassVar[str] = DESTEXHE
    alpha: eqx.AbstractVar[Param]
    beta: eqx.AbstractVar[Param]
    g_bar: Param = _all_open()
    per_volt: Param = quantity(1.0, "mol/(m3 V)", (0.1, 10.0), doc="[T] of 1 V", source="definition, 1 mM", free=False)

    def init(self, env: Environment) -> State:
        del env
        return AbstractBinding.State(r=jnp.zeros_like(self.alpha))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        return AbstractBinding.State(r=self.alpha * self.per_volt * _released(v) * (1 - x.r) - self.beta * x.r)

    def opened(self, x: State) -> Real:
        return x.r


class Ampa(AbstractBinding):
    """i = g_bar r (V - E),  r' = alpha [T] (1 - r) - beta r; the voltage of "transmitter" is [T], 1 V = 1 mM.

    A. Destexhe, Z. F. Mainen and T. J. Sejnowski, J. Comput. Neurosci. 1, 195 (1994), 10.1007/BF00961734; the
    rates are those of their demonstration, modeldb.science/18500.
    """

    e_rev: Param = _battery(0.0, source=_DEMO)
    alpha: Param = _binding(1.1e3)
    beta: Param = _unbinding(190.0)


class GabaA(AbstractBinding):
    """i = g_bar r (V - E),  r' = alpha [T] (1 - r) - beta r; the voltage of "transmitter" is [T], 1 V = 1 mM.

    A. Destexhe, Z. F. Mainen and T. J. Sejnowski, J. Comput. Neurosci. 1, 195 (1994), 10.1007/BF00961734. Binding
    is that of the mechanism in modeldb.science/18500, in a port to Jaxley; the demonstration there sets 530 m3/(mol s).
    """

    e_rev: Param = _battery(-75e-3, source=f"chosen; -80 mV in {_DEMO}")
    alpha: Param = _binding(5e3, source=f"{_DEMO}, in a port to Jaxley")
    beta: Param = _unbinding(180.0)


class Nmda(AbstractBinding):
    """i = g_bar r B(V) (V - E),  B = 1/(1 + (mg/mg_half) exp(-steep V)),  r' = alpha [T] (1 - r) - beta r.

    Magnesium blocks it at rest: it needs transmitter and a depolarised membrane at once. The voltage of "transmitter"
    is [T], 1 V = 1 mM, no current. Kinetics: Destexhe, Mainen and Sejnowski (1998), modeldb.science/18500. Block: C. E.
    Jahr and C. F. Stevens, J. Neurosci. 10, 3178 (1990), 10.1523/JNEUROSCI.10-09-03178.1990.
    """

    e_rev: Param = _battery(0.0, source=_DEMO)
    alpha: Param = _binding(72.0)
    beta: Param = _unbinding(6.6)
    mg: Param = quantity(1.0, "mol/m3", (1e-3, 10.0), scale="log", doc="magnesium outside", source="chosen, 1 mM")
    mg_half: Param = quantity(3.57, "mol/m3", (1.0, 10.0), doc="half a block at 0 V", source=_JAHR, free=False)
    steep: Param = quantity(62.0, "1/V", (20.0, 120.0), doc="steepness of the block", source=_JAHR, free=False)

    def unblocked(self, v: Real) -> Real:
        return _magnesium(v, self.mg, self.mg_half, self.steep)


class BrunelWangNmda(AbstractReceptor):
    """i = g_bar s B(V) (V - E),  s' = alpha x (1 - s) - s/tau_decay,  x' = k T - x/tau_rise: it saturates.

    A spike of the presynaptic neuron adds 1 to x; here it is a pulse of the voltage T of "transmitter", of which 1 V
    for 1 ms counts as one (k = 1000 /(V s)). N. Brunel and X.-J. Wang, J. Comput. Neurosci. 11, 63 (2001),
    10.1023/A:1011204814320; block by magnesium B as in `Nmda`. Deviation: x grows to `MOST` = 10 at
    most, so give the synapses of many cells a receptor each.
    """

    class State(eqx.Module):
        x: Param = state_variable((0.0, MOST), doc="transmitter, in spikes")
        s: Param = state_variable((0.0, 1.0), doc="open of one")

    doi: ClassVar[str] = BRUNEL
    e_rev: Param = _battery(0.0, source=BRUNEL)
    tau_rise: Param = _time(2e-3, doc="tau of the rise")
    tau_decay: Param = _time(0.1, doc="tau of the decay")
    alpha: Param = quantity(500.0, "1/s", (1.0, 1e5), scale="log", doc="opening, of x = 1", source=BRUNEL)
    g_bar: Param = _all_open()
    per_volt: Param = _spike()
    mg: Param = quantity(1.0, "mol/m3", (1e-3, 10.0), scale="log", doc="magnesium outside", source=BRUNEL)
    mg_half: Param = quantity(3.57, "mol/m3", (1.0, 10.0), doc="half a block at 0 V", source=_JAHR, free=False)
    steep: Param = quantity(62.0, "1/V", (20.0, 120.0), doc="steepness of the block", source=_JAHR, free=False)

    def init(self, env: Environment) -> State:
        del env
        return BrunelWangNmda.State(jnp.zeros_like(self.alpha), jnp.zeros_like(self.alpha))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        arrived = self.per_volt * _released(v) * _room(x.x) - x.x / self.tau_rise
        return BrunelWangNmda.State(arrived, self.alpha * x.x * (1 - x.s) - x.s / self.tau_decay)

    def opened(self, x: State) -> Real:
        return x.s

    def unblocked(self, v: Real) -> Real:
        return _magnesium(v, self.mg, self.mg_half, self.steep)


class AbstractDecaying(AbstractReceptor):
    """O = s,  s' = k T - s/tau: each spike adds 1, which decays; up to `MOST` at once."""

    class State(eqx.Module):
        s: Param = state_variable((0.0, MOST), doc="open, in parts of what one spike opens")

    doi: ClassVar[str] = BRUNEL
    tau: eqx.AbstractVar[Param]
    g_bar: Param = _all_open()
    per_volt: Param = _spike()

    def init(self, env: Environment) -> State:
        del env
        return AbstractDecaying.State(jnp.zeros_like(self.tau))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        return AbstractDecaying.State(self.per_volt * _released(v) * _room(x.s) - x.s / self.tau)

    def opened(self, x: State) -> Real:
        return x.s


class BrunelWangAmpa(AbstractDecaying):
    """i = g_bar s (V - E),  s' = k T - s/tau; 1 V of "transmitter" for 1 ms is a spike, which adds 1 to s.

    N. Brunel and X.-J. Wang, J. Comput. Neurosci. 11, 63 (2001), 10.1023/A:1011204814320. Deviation: s grows to
    `MOST` = 10 at most, so give the synapses of many cells a receptor each.
    """

    e_rev: Param = _battery(0.0, source=BRUNEL)
    tau: Param = _time(2e-3, doc="tau of the decay")


class BrunelWangGabaA(AbstractDecaying):
    """i = g_bar s (V - E),  s' = k T - s/tau; 1 V of "transmitter" for 1 ms is a spike, which adds 1 to s.

    N. Brunel and X.-J. Wang, J. Comput. Neurosci. 11, 63 (2001), 10.1023/A:1011204814320; tau is 5 ms in X.-J. Wang,
    Neuron 36, 955 (2002), 10.1016/S0896-6273(02)01092-9. Deviation: s grows to `MOST` = 10 at most,
    so give the synapses of many cells a receptor each.
    """

    e_rev: Param = _battery(-70e-3, source=BRUNEL)
    tau: Param = _time(10e-3, doc="tau of the decay")


def _released(v: Volts) -> Real:
    """Not `maximum`, whose slope at zero is one half."""
    return jnp.where(v[0] < 0, jnp.zeros_like(v[0]), v[0])


def _room(spikes: Real) -> Real:
    """One up to nine spikes at once; more than `MOST` there cannot be."""
    return stop((spikes - MOST) / EDGE)


def _magnesium(v: Real, mg: Real, mg_half: Real, steep: Real) -> Real:
    """1/(1 + (mg/mg_half) exp(-steep V))."""
    return jax.nn.sigmoid(steep * v - jnp.log(mg / mg_half))
