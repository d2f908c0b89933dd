"""Receptors of chemical synapses, opened by transmitter: `Ampa`, `Nmda`, `GabaA`."""

import abc
from functools import partial
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.quantity import Param, quantity, state_variable

Real = Float[Array, "..."]
DESTEXHE = "10.1007/BF00961734"
_DEMO = "modeldb.science/18500"
_JAHR = "10.1523/JNEUROSCI.10-09-03178.1990, as in modeldb.science/150239"
_battery = partial(quantity, unit="V", bounds=(-0.12, 0.2), doc="E, where the current reverses")
_binding = partial(quantity, unit="m3/(mol s)", bounds=(1.0, 1e5), scale="log", doc="alpha, binding", source=_DEMO)
_unbinding = partial(quantity, unit="1/s", bounds=(0.1, 1e4), scale="log", doc="beta, unbinding", source=_DEMO)


class AbstractReceptor(AbstractDevice):
    """i = g_bar r B(V) (V - E),  r' = alpha [T] (1 - r) - beta r: r is the share that holds transmitter, none at first.

    The voltage of "transmitter" stands for its concentration [T], 1 V for `per_volt`, which is 1 mM; below zero it
    counts as none. It draws no current.
    """

    class State(eqx.Module):
        r: Param = state_variable((0.0, 1.0), doc="open of one")

    terminals: ClassVar[tuple[str, ...]] = ("transmitter", "inside", "outside")
    family: ClassVar[str] = "membrane"
    doi: ClassVar[str] = DESTEXHE
    stores_energy: ClassVar[bool] = True
    sweep: ClassVar[Sweep] = Sweep((1.0, 0.05), (0.0, -0.1), 0.05)
    e_rev: eqx.AbstractVar[Param]
    alpha: eqx.AbstractVar[Param]
    beta: eqx.AbstractVar[Param]
    g_bar: Param = quantity(1e-9, "S", (1e-13, 1e-3), scale="log", doc="g_bar, all receptors open", source="chosen")
    per_volt: Param = quantity(1.0, "mol/(m3 V)", (0.1, 10.0), doc="[T] of 1 V", source="definition", free=False)

    @abc.abstractmethod
    def unblocked(self, v: Real) -> Real:
        """B, the share that conducts at a membrane voltage `v`."""

    def init(self, env: Environment) -> State:
        del env
        return AbstractReceptor.State(r=jnp.zeros_like(self.alpha))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        del env
        # Not `maximum`, whose slope at zero is one half.
        transmitter = self.per_volt * jnp.where(v[0] < 0, jnp.zeros_like(v[0]), v[0])
        return AbstractReceptor.State(r=self.alpha * transmitter * (1 - x.r) - self.beta * x.r)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        del env
        return jnp.stack([jnp.zeros_like(v[0]), self.g_bar * x.r * self.unblocked(v[1]) * (v[1] - self.e_rev)])


class Ampa(AbstractReceptor):
    """i = g_bar r (V - E),  r' = alpha [T] (1 - r) - beta r; the voltage of "transmitter" is [T], 1 V = 1 mM.

    A. Destexhe, Z. F. Mainen and T. J. Sejnowski, J. Comput. Neurosci. 1, 195 (1994), 10.1007/BF00961734; the
    rates are those of their demonstration, modeldb.science/18500.
    """

    e_rev: Param = _battery(0.0, source=_DEMO)
    alpha: Param = _binding(1.1e3)
    beta: Param = _unbinding(190.0)

    def unblocked(self, v: Real) -> Real:
        return jnp.ones_like(v)


class GabaA(AbstractReceptor):
    """i = g_bar r (V - E),  r' = alpha [T] (1 - r) - beta r; the voltage of "transmitter" is [T], 1 V = 1 mM.

    A. Destexhe, Z. F. Mainen and T. J. Sejnowski, J. Comput. Neurosci. 1, 195 (1994), 10.1007/BF00961734. Binding
    is that of the mechanism in modeldb.science/18500, in a port to Jaxley; the demonstration there sets 530 m3/(mol s).
    """

    e_rev: Param = _battery(-75e-3, source=f"chosen; -80 mV in {_DEMO}")
    alpha: Param = _binding(5e3, source=f"{_DEMO}, in a port to Jaxley")
    beta: Param = _unbinding(180.0)

    def unblocked(self, v: Real) -> Real:
        return jnp.ones_like(v)


class Nmda(AbstractReceptor):
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
        return jax.nn.sigmoid(self.steep * v - jnp.log(self.mg / self.mg_half))
