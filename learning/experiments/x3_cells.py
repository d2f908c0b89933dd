"""Memories of experiment X3 as smooth maps of pulses: `SoftBound` in closed form, others from their state equations.

    maps = cell.maps(lean)          the pulses up and down of each column, which leans by exp(+-lean)
    maps.after(x, n, up)            states after n >= 0 pulses, 0 the lowest, 1 the highest conductance

`Simulated` computes what one pulse does by the solver, within whatever is traced, so a gradient of what was learned
reaches the constants of the material. A real number of pulses is their expected number, as in trains that coincide.
"""

import abc
import dataclasses
from typing import Any, ClassVar

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

import neurojax as nj
import physics
from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.quantity import Param, quantity

Real = Float[Array, "..."]
NODES, LEANS = 10, 4
"""Chebyshev nodes of a table, in the state and in the lean, at which pulses are simulated."""
BUDGET = 8.0
"""Nonlinearity up plus nonlinearity down of `SoftBound`."""


class AbstractMaps(eqx.Module):
    """What pulses do in each column."""

    @abc.abstractmethod
    def change(self, x: Real, up: Bool[Array, " columns"]) -> Real:
        """dx/dn of states (..., columns), of the direction `up` of each column."""

    @abc.abstractmethod
    def after(self, x: Real, n: Real, up: Bool[Array, " columns"]) -> Real:
        """States (..., columns) after `n` >= 0 pulses."""


class AbstractCell(eqx.Module):
    """A memory cell and its drivers.

    Attributes:
        constants: names of what may be designed, of the material first, the most telling one first of all.
    """

    constants: eqx.AbstractClassVar[tuple[str, ...]]

    @abc.abstractmethod
    def maps(self, lean: Float[Array, " columns"]) -> AbstractMaps:
        """The pulses of columns whose driver leans by `lean` to pulses up."""


class SoftBound(AbstractCell):
    """dx/dn = +-a (e^(-nu y) - e^-nu)/(1 - e^-nu),  y = x for pulses up, 1 - x for pulses down: never beyond a bound.

    nu_up + nu_down = 8, of which `share` is that of the pulses up: a cell that is more even in one direction is less so
    in the other. In closed form, e^(nu y) = e^nu - (e^nu - e^(nu y_0)) e^(-n r), r = nu a/(e^nu - 1). The shape is that
    of P.-Y. Chen et al., IEEE Trans. Comput.-Aided Des. 37, 3067 (2018), 10.1109/TCAD.2018.2789723; the budget and the
    step are chosen.
    """

    constants: ClassVar[tuple[str, ...]] = ("share",)
    share: Param = quantity(0.5, "1", (0.1, 0.9), doc="nu_up/(nu_up + nu_down)", source="chosen")
    step: Param = quantity(0.05, "1", (1e-3, 0.5), scale="log", doc="a, first step", source="chosen", free=False)

    def maps(self, lean: Float[Array, " columns"]) -> "SoftMaps":
        """The lean is one of the steps."""
        return SoftMaps(
            BUDGET * self.share, BUDGET * (1 - self.share), self.step * jnp.exp(lean), self.step / jnp.exp(lean)
        )


class SoftMaps(AbstractMaps):
    """Of `SoftBound`: nonlinearities, and the first steps of each column."""

    nu_up: Float[Array, ""]
    nu_down: Float[Array, ""]
    rise: Float[Array, " columns"]
    fall: Float[Array, " columns"]

    def change(self, x: Real, up: Bool[Array, " columns"]) -> Real:
        """As of `AbstractMaps`."""
        nu = jnp.where(up, self.nu_up, self.nu_down)
        y = jnp.where(up, x, 1 - x)
        size = jnp.where(up, self.rise, -self.fall)
        return size * (jnp.exp(-nu * y) - jnp.exp(-nu)) / -jnp.expm1(-nu)

    def after(self, x: Real, n: Real, up: Bool[Array, " columns"]) -> Real:
        """As of `AbstractMaps`."""
        nu = jnp.where(up, self.nu_up, self.nu_down)
        y = jnp.where(up, x, 1 - x)
        part = jnp.exp(-n * (nu * jnp.where(up, self.rise, self.fall) / jnp.expm1(nu)))
        # e^(nu (y - 1)), between e^-nu and 1.
        moved = 1 + jnp.log1p((jnp.exp(nu * (y - 1)) - 1) * part) / nu
        return jnp.where(up, moved, 1 - moved)


class Pulsed(AbstractDevice):
    """A device behind the driver of its column, whose pulses are `volts` high at a signal of 1.

    Of a device with a gate the pulses are on the gate, and the drain is at the source.
    """

    terminals: ClassVar[tuple[str, ...]] = ("signal", "ground")
    sweep: ClassVar[Sweep] = Sweep(1.0, 0.0, 1.0)
    stores_energy: ClassVar[bool] = True
    device: AbstractDevice
    volts: Param = quantity(0.5, "V", (-5.0, 5.0), doc="height of a pulse", source="a circuit")

    def init(self, env: Environment) -> Any:
        """That of the device."""
        return self.device.init(env)

    def rate(self, x: Any, v: Volts, env: Environment) -> Any:
        """That of the device at its own voltage."""
        return self.device.rate(x, self._ports(v), env)

    def current(self, x: Any, v: Volts, env: Environment) -> Amps:
        """Into the first terminal of the device."""
        return jnp.ravel(self.device.current(x, self._ports(v), env))[0]

    def _ports(self, v: Volts) -> Volts:
        volts = self.volts * v
        return jnp.stack([volts, jnp.zeros_like(volts)]) if self.device.port_shape else volts


class Simulated(AbstractCell):
    """A cell of a device with a state equation: one pulse of each direction is simulated from some states and leans.

    Attributes:
        tight: by Kvaerno5 of diffrax at 1e-9 instead of the solver of the search.
    """

    tight: eqx.AbstractVar[bool]

    @abc.abstractmethod
    def volts(self, lean: Float[Array, " leans"]) -> Float[Array, "2 leans"]:
        """Heights (V) of the pulses up and down of a driver with a `lean` of -1 to 1."""

    @abc.abstractmethod
    def tightened(self) -> "Simulated":
        """The same cell with `tight`."""

    @abc.abstractmethod
    def changes(self, x: Float[Array, " lanes"], volts: Float[Array, " lanes"]) -> Float[Array, " lanes"]:
        """What one pulse of `volts` adds to each of the states `x`, by the solver."""

    def maps(self, lean: Float[Array, " columns"]) -> "TableMaps":
        """Tables of all columns from one batch of simulations."""
        x, to_x = nodes(NODES, lean.dtype)
        leans, to_lean = nodes(LEANS, lean.dtype)
        volts = self.volts(2 * leans - 1)
        shape = (2, LEANS, NODES)
        lanes = (jnp.broadcast_to(a, shape).ravel() for a in (x[None, None], volts[..., None]))
        found = jnp.einsum("dlx,xn,lm->dmn", self.changes(*lanes).reshape(shape), to_x, to_lean)
        rows = jnp.einsum("mc,dmn->dnc", polynomials(LEANS, lean), found)
        return TableMaps(rows[0], rows[1])


class TableMaps(AbstractMaps):
    """Chebyshev coefficients (degrees, columns) of what one pulse up and one down add to a state."""

    rise: Float[Array, "degrees columns"]
    fall: Float[Array, "degrees columns"]

    def change(self, x: Real, up: Bool[Array, " columns"]) -> Real:
        """As of `AbstractMaps`."""
        return series(jnp.where(up[None], self.rise, self.fall), x)

    def after(self, x: Real, n: Real, up: Bool[Array, " columns"]) -> Real:
        """As of `AbstractMaps`: a step of the midpoint rule; at the ends cells get no more pulses."""
        rows = jnp.where(up[None], self.rise, self.fall)
        middle = jnp.clip(x + 0.5 * n * series(rows, x), 0.0, 1.0)
        return jnp.clip(x + n * series(rows, middle), 0.0, 1.0)


class Fine(AbstractMaps):
    """The pulses of other maps, a number of them taken by many steps of Runge and Kutta: another solver, to check."""

    maps: AbstractMaps
    steps: int = eqx.field(static=True, default=16)

    def change(self, x: Real, up: Bool[Array, " columns"]) -> Real:
        """That of the maps."""
        return self.maps.change(x, up)

    def after(self, x: Real, n: Real, up: Bool[Array, " columns"]) -> Real:
        """As of `AbstractMaps`."""
        h = n / self.steps

        def step(_: Any, x: Real) -> Real:
            one = self.maps.change(x, up)
            two = self.maps.change(x + 0.5 * h * one, up)
            three = self.maps.change(x + 0.5 * h * two, up)
            four = self.maps.change(x + h * three, up)
            return jnp.clip(x + h / 6 * (one + 2 * two + 2 * three + four), 0.0, 1.0)

        return lax.fori_loop(0, self.steps, step, x)


def series(rows: Float[Array, "degrees columns"], x: Real) -> Real:
    """Sum of Chebyshev polynomials on 0 <= x <= 1 by Clenshaw's recurrence, x of shape (..., columns)."""
    z = 2 * (2 * x - 1)
    one, two = jnp.zeros_like(x), jnp.zeros_like(x)
    for row in rows[:0:-1]:
        one, two = jnp.broadcast_to(row, x.shape) + z * one - two, one
    return jnp.broadcast_to(rows[0], x.shape) + 0.5 * z * one - two


def nodes(count: int, dtype: Any = float) -> tuple[Float[Array, " nodes"], Float[Array, "nodes degrees"]]:
    """Chebyshev nodes in 0 .. 1, and the matrix from values there to coefficients."""
    z = jnp.cos(jnp.pi * (jnp.arange(count, dtype=dtype) + 0.5) / count)
    weight = jnp.full(count, 2.0 / count, dtype).at[0].set(1.0 / count)
    return 0.5 + 0.5 * z, polynomials(count, z).T * weight[None]


def polynomials(count: int, z: Float[Array, " n"]) -> Float[Array, "degrees n"]:
    """The first Chebyshev polynomials at -1 <= z <= 1."""
    found = [jnp.ones_like(z), z]
    while len(found) < count:
        found.append(2 * z * found[-1] - found[-2])
    return jnp.stack(found[:count])


def final(device: AbstractDevice, wave: nj.Waveform, x0: Any, tight: bool) -> Any:
    """States after a waveform, one a lane, by the solver of the search or, `tight`, by Kvaerno5 at 1e-9."""
    how: dict[str, Any] = dict(rtol=1e-5, atol=1e-7)
    if tight:
        how = dict(solver=diffrax.Kvaerno5(), rtol=1e-9, atol=1e-11)
    record = nj.simulate(device, wave, ts=wave.t[-1:], x0=x0, throw=False, progress=False, **how)
    return jax.tree.map(lambda a: a[:, -1], record.x)


class Electrochemical(Simulated):
    """An `Ecram` whose gate gets pulses of 20 us; between pulses it is open, and its film evens out.

    x is the share of the window between x_lo and x_hi, in which the conductance is linear. A step needs some L^2/D of
    rest for the film, 0.25 s at the start. The window is one of the programmer: at its ends a cell gets no more pulses.
    The film in two compartments is less polarised in a short pulse than a resolved one: see `resolved`.
    """

    constants: ClassVar[tuple[str, ...]] = ("v_up", "v_down", "device.k0", "device.alpha", "device.r_el", "device.x_eq",
                                            "device.g_u", "device.d_c")  # fmt: skip
    device: physics.Ecram | physics.EcramChannel
    v_up: Param = quantity(0.45, "V", (0.2, 1.0), doc="height of a pulse up", source="chosen")
    v_down: Param = quantity(-0.45, "V", (-1.0, -0.2), doc="height of a pulse down", source="chosen")
    width: Param = quantity(2e-5, "s", (1e-6, 1e-3), scale="log", doc="of a pulse", source="chosen", free=False)
    tight: bool = eqx.field(default=False, static=True)

    def volts(self, lean: Float[Array, " leans"]) -> Float[Array, "2 leans"]:
        """As of `Simulated`: a tenth of the lean is one of the voltages."""
        return jnp.stack([self.v_up * jnp.exp(0.1 * lean), self.v_down * jnp.exp(-0.1 * lean)])

    def changes(self, x: Float[Array, " lanes"], volts: Float[Array, " lanes"]) -> Float[Array, " lanes"]:
        """As of `Simulated`, by the charge that a pulse moves."""
        low, span = self.device.x_lo, self.device.x_hi - self.device.x_lo
        filled = low + span * x
        edge = 0.01 * self.width
        t = jnp.stack([jnp.zeros_like(edge), edge, edge + self.width, 2 * edge + self.width])
        after = final(Pulsed(self.device, volts), nj.Waveform(t, jnp.asarray([0.0, 1.0, 1.0, 0.0], t.dtype)),
                      _even(self.device, filled), self.tight)  # fmt: skip
        return (jax.vmap(self.device.mean_fraction)(after) - filled) / span

    def tightened(self) -> "Electrochemical":
        """As of `Simulated`."""
        return dataclasses.replace(self, tight=True)

    def resolved(self) -> "Electrochemical":
        """The same cell with its film resolved in depth."""
        names = set(physics.EcramChannel().parameters())
        values = {n: p.value for n, p in self.device.parameters().items() if n in names}
        channel = eqx.tree_at(lambda d: [getattr(d, n) for n in values], physics.EcramChannel(), list(values.values()))
        return eqx.tree_at(lambda c: c.device, self, channel)


def _even(device: physics.Ecram | physics.EcramChannel, filled: Float[Array, " lanes"]) -> Any:
    if isinstance(device, physics.EcramChannel):
        return device.filled(filled)
    return physics.Ecram.State(surface=filled, bulk=filled)
