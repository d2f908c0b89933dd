"""Memories of experiment X3 as smooth maps of pulses: `SoftBound` in closed form, `Simulated` from a state equation.

    maps = cell.maps(lean)          the pulses up and down of each column, which leans by exp(+-lean)
    maps.after(x, n, up)            states after n >= 0 pulses, 0 the lowest, 1 the highest conductance

`Simulated` computes what one pulse does by the solver, within whatever is traced, so a gradient of what was learned
reaches the constants of the material: `x3_devices.py` has such cells. A real number of pulses is their expected number,
as in trains that coincide.
"""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

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
        constants: names of what may be designed, the most telling one first. limits: bounds of those, by name, that
            are narrower than the declared ones.
    """

    constants: eqx.AbstractClassVar[tuple[str, ...]]
    limits: ClassVar[dict[str, tuple[float, float]]] = {}

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
        nu, upward, size = self._rows(x, up)
        y = jnp.where(upward, x, 1 - x)
        return jnp.where(upward, size, -size) * (jnp.exp(-nu * y) - jnp.exp(-nu)) / -jnp.expm1(-nu)

    def after(self, x: Real, n: Real, up: Bool[Array, " columns"]) -> Real:
        """As of `AbstractMaps`."""
        nu, upward, size = self._rows(x, up)
        y = jnp.where(upward, x, 1 - x)
        left = jnp.exp(-n * (nu * size / jnp.expm1(nu)))
        # e^(nu (y - 1)), between e^-nu and 1.
        moved = 1 + jnp.log1p((jnp.exp(nu * (y - 1)) - 1) * left) / nu
        return jnp.where(upward, moved, 1 - moved)

    def _rows(self, x: Real, up: Bool[Array, " columns"]) -> tuple[Real, Array, Real]:
        """Nonlinearity, direction and first step, each of the shape of x."""
        found = jnp.where(up, self.nu_up, self.nu_down), up, jnp.where(up, self.rise, self.fall)
        nu, upward, size = (jnp.broadcast_to(a, x.shape) for a in found)
        return nu, upward, size


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
