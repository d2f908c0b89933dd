"""A neuron that is one phase-change cell: crystal grows pulse by pulse, melt and quench reset it."""

from functools import partial
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurojax.instrument import Instrument
from neurojax.members import member_axes
from neurojax.neurons.solved import AbstractSolved, slot_knots
from neurojax.record import Record
from neurojax.simulate import simulate
from neurojax.waveform import Waveform
from physics.device import Environment
from physics.implicit import solve_increasing
from physics.phase_change import PhaseChangeCell
from physics.quantity import Param, quantity, with_values

Real = Float[Array, ""]
State = Float[Array, "*members"]
SAMPLES = 40
"""Of the power within a pulse, for its energy."""


class PhaseChangeNeuron(AbstractSolved):
    """The amorphous thickness u is the membrane potential: pulses crystallise it, at G(u) > g_fire it fires.

        a slot:   the cell (`PhaseChangeCell`) behind r_load under a trapezoid of the given voltage and `width`, then
                  `rest`, in which it cools and its ovonic switch opens: du/dt = -v_g(T), C_th dT/dt = V I - dT/R_th
        a reset:  v_reset for w_reset melts, the fast edge quenches; R_th0 of that pulse is R_th0 exp(jitter z), z
                  standard normal, so the thickness that is frozen in is another one every time

    The state is u in m. It is all that is left of a slot: temperature and switch are back, and the drift of the glass
    (t0 = 1 s) is not felt within microseconds, so `age` starts from zero.

    T. Tuma et al., Nat. Nanotechnol. 11, 693 (2016), 10.1038/nnano.2016.70. Jitter: the measured scatter of partial
    RESET, as fitted in `PhaseChangeCell.partial_reset`; load, voltages, times and g_fire are chosen. In the
    experiment the configuration of the glass scatters as well, from reset to reset.

    Attributes:
        rtol: tolerance of the ODE. cell: the device. Every other is a parameter with unit and sentence
            (`physics.quantity.parameters`).
    """

    drive_unit: ClassVar[str] = "V"
    rtol: float = eqx.field(static=True, default=1e-6)
    cell: PhaseChangeCell = eqx.field(default_factory=PhaseChangeCell)
    r_load: Param = quantity(6e3, "ohm", (1e2, 1e5), scale="log", doc="resistor in series", source="chosen")
    width: Param = quantity(1e-8, "s", (1e-9, 1e-6), scale="log", doc="flat top of an input", source="chosen")
    rest: Param = quantity(1e-7, "s", (2e-8, 1e-3), scale="log", doc="pause behind a pulse", source="chosen")
    edge: Param = quantity(1e-9, "s", (1e-10, 1e-8), scale="log", doc="each edge of a pulse", source="chosen")
    g_fire: Param = quantity(4e-6, "S", (1e-7, 2e-5), scale="log", doc="conductance of firing", source="chosen")
    v_reset: Param = quantity(3.4, "V", (2.0, 6.0), doc="height of the reset", source="chosen")
    w_reset: Param = quantity(5e-8, "s", (1e-8, 1e-6), scale="log", doc="flat top of the reset", source="chosen")
    jitter: Param = quantity(0.026, "1", (0.0, 0.2), doc="scatter of ln R_th0 of a reset", source="partial_reset()")

    def absorb(self, x: State, drive: Real, key: Array) -> State:
        """The thickness (m) behind a slot that begins with x (m) and has a pulse of `drive` (V); no use of `key`."""
        del key
        return self.slot(self.cold(x), drive).x.amorphous[..., -1] * self.cell.u_max

    def behind_reset(self, z: State) -> State:
        """The thickness (m) that a reset with the deviation z freezes in, from the cell as it fires."""
        cell = with_values(self.cell, {"r_th0": self.cell.r_th0 * jnp.exp(self.jitter * z)})
        start = self.cold(self.thickness_of_firing() + jnp.zeros_like(z))
        wave = self._pulse(self.v_reset, self.w_reset)
        return _run(cell, self.r_load, start, *wave, self.rtol).x.amorphous[..., -1] * self.cell.u_max

    def potential(self, x: State) -> State:
        """G(x)/g_fire of a thickness x (m), read at a low voltage."""
        return self._conductance(x) / self.g_fire

    def span(self, resets: State) -> tuple[Real, Real]:
        """From the thickness (m) of firing to that of the largest of the `resets`."""
        return 0.98 * self.thickness_of_firing(), 1.02 * jnp.max(resets)

    def thickness_of_firing(self) -> State:
        """u (m) at which G(u) = g_fire."""
        axes = member_axes(self)
        solve = lambda n: solve_increasing(  # noqa: E731
            lambda u: 1 / n._conductance(u) - 1 / n.g_fire,
            jnp.zeros_like(n.cell.u_max),
            n.cell.u_max,
            start=0.1 * n.cell.u_max,
        )
        return jax.vmap(solve, in_axes=(axes,))(self) if jax.tree.leaves(axes) else solve(self)

    def energy(self, x: State, drive: Real) -> State:
        """Energy (J) from the supply, load included, in a slot from a thickness x (m) with a pulse of `drive` (V)."""
        return self.slot(self.cold(x), drive).energy[..., -1]

    def cold(self, x: State) -> PhaseChangeCell.State:
        """The cell with a thickness x (m), at room temperature and with its switch open."""
        none = jnp.zeros_like(x)
        room = Environment().temperature.astype(x.dtype) / self.cell.t_ref
        return PhaseChangeCell.State(amorphous=x / self.cell.u_max, temperature=none + room, on=none, age=none)

    def slot(self, state: PhaseChangeCell.State, drive: Real) -> Record:
        """One slot of the whole cell from a `state`, with a pulse of `drive` (V): the pulse sampled, and the end."""
        cell = with_values(self.cell, {"r_th0": self.cell.r_th0 + jnp.zeros_like(state.amorphous)})
        return _run(cell, self.r_load, state, *self._pulse(drive, self.width), self.rtol)

    def _conductance(self, u: State) -> State:
        return self.cell.low_field_conductance(self.cold(u), Environment())

    def _pulse(self, height: Real, width: Real) -> tuple[Waveform, Array]:
        """The waveform of a slot, and when it is sampled."""
        t = slot_knots(width, self.edge, self.rest)
        ts = jnp.concatenate([jnp.linspace(t[0], t[3], SAMPLES, dtype=t.dtype), t[-1:]])
        return Waveform(t, height * jnp.asarray([0.0, 1.0, 1.0, 0.0, 0.0], t.dtype)), ts


@partial(jax.jit, static_argnames=("rtol",))
def _run(
    cell: PhaseChangeCell, load: Array, x0: PhaseChangeCell.State, wave: Waveform, ts: Array, rtol: float
) -> Record:
    exact: Any = dict(rtol=rtol, atol=0.01 * rtol, gradient="forward", progress=False)
    return simulate(cell, wave, ts=ts, x0=x0, instrument=Instrument(series_resistance=load), **exact)
