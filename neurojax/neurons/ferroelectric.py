"""A neuron that is one ferroelectric transistor of a single domain: nuclei gather unseen until the domain reverses."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from neurojax.errors import DataError
from neurojax.neurons.accumulating import AbstractAccumulator, Response
from physics.device import Environment
from physics.ferrotransistor import FeFet, firing_probability, firing_threshold, progress
from physics.quantity import Param, quantity

Real = Float[Array, "..."]


def _one_domain() -> FeFet:
    return FeFet(domains=1)


class FerroelectricNeuron(AbstractAccumulator):
    """Every pulse adds dh = width/tau(E) to h, and the domain reverses, all at once, where h reaches its threshold.

        P_sw = 1 - exp(-h^beta),   1/tau = exp(-(E_a/E)^alpha)/tau0,   E = k_pot V/t_fe

    dh/dt = 1/tau(E) is solved exactly by the sum, whatever the pauses: nuclei stay. The threshold (-ln U)^(1/beta), U
    even in (0, 1), is drawn at each reset, which is an erasing pulse long enough to forget all nuclei. The drain
    current shows nothing of h: it is that of the off-state up to the firing pulse, then that of the on-state.

    H. Mulaosmanovic et al., Nanoscale 10, 21755 (2018), 10.1039/C8NR07135G; tau and beta: S. Deng et al., IEEE Symp.
    VLSI Technol. (2020), 10.1109/VLSITechnology18217.2020.9265014. The measured number of pulses falls about
    exponentially with their height; this law, ln N = (E_a/E)^alpha + const, does so over a few tenths of a volt.

    Attributes:
        transistor: the device, of one domain: its tau0, alpha, e_a, k_pot, t_fe and channel are used.
    """

    class State(eqx.Module):
        """h and the value of h at which this domain fires."""

        progress: Float[Array, "..."]
        threshold: Float[Array, "..."]

    drive_unit: ClassVar[str] = "V"
    transistor: FeFet = eqx.field(default_factory=_one_domain)
    width: Param = quantity(1e-6, "s", (1e-9, 1e-3), scale="log", doc="width of an input", source="chosen")
    beta: Param = quantity(2.0, "1", (0.5, 5.0), doc="exponent of the switching law", source="Deng 2020")
    v_gate: Param = quantity(0.45, "V", (-1.0, 2.0), doc="gate while reading, in the window", source="chosen")
    v_drain: Param = quantity(0.05, "V", (1e-3, 1.0), doc="drain while reading", source="chosen")

    def renewed(self, key: Array) -> State:
        """An erased domain, its threshold drawn from `key`."""
        drawn = jax.random.uniform(key, dtype=self.beta.dtype, minval=jnp.finfo(self.beta.dtype).tiny)
        return FerroelectricNeuron.State(jnp.zeros_like(drawn), firing_threshold(drawn, self.beta))

    def absorb(self, x: State, drive: Real, key: Array) -> State:
        """The state x behind a pulse of `drive` (V) on the gate; no use of `key`."""
        del key
        return FerroelectricNeuron.State(x.progress + self.step(drive), x.threshold)

    def potential(self, x: State) -> Real:
        """h of the state x over its threshold: 1 where it fires."""
        return x.progress / x.threshold

    def step(self, drive: Real) -> Real:
        """dh of one pulse of `drive` (V) on the gate; none without a pulse."""
        t = self.transistor
        known = progress(t.k_pot * jnp.maximum(drive, 0.0), self.width, t.t_fe, t.e_a, t.tau0, t.alpha)
        return jnp.where(drive > 0, known, jnp.zeros_like(known))

    def fired_by(self, drive: Real, pulses: Real) -> Real:
        """Probability of having fired after so many equal `pulses` of `drive` (V)."""
        return firing_probability(pulses * self.step(drive), self.beta)

    def drain_current(self, potential: Real) -> Real:
        """I_D (A) while reading, from a `potential`: off below 1, on from there."""
        up = jnp.where(potential >= 1, jnp.ones_like(potential), jnp.zeros_like(potential))
        read = jnp.stack([self.v_gate, self.v_drain])
        one = lambda f: self.transistor.current(FeFet.State(f=(f,)), read, Environment())[1]  # noqa: E731
        return jax.vmap(one)(up.ravel()).reshape(up.shape)

    def respond(self, drives: Any, *, key: Array) -> Response:
        """As of `AbstractAccumulator`.

        Args:
            drives, key: as there.

        Raises:
            DataError: as there, and for heights below zero: the reset is the neuron's own.
        """
        if not isinstance(drives, Tracer) and np.any(np.asarray(drives) < 0):
            raise DataError(f"drives go down to {np.min(np.asarray(drives)):g} V: pulses that erase are no inputs.")
        return super().respond(drives, key=key)
