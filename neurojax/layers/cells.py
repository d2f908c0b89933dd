"""Cells that conduct out of proportion, from the conductance that they were written to."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from neurojax.crossbar import AbstractCells, devices
from neurojax.errors import CircuitError
from physics.device import AbstractDevice, Environment
from physics.smooth import limsinh

Drops = Float[Array, "n batch m"]


class Sinh(AbstractCells):
    """i = g v_0 sinh(v/v_0): Ohm's law at small voltages, hopping and Schottky barriers beyond."""

    g: Float[Array, "n m"]
    v_0: Float[Array, ""]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.g.shape  # pyright: ignore[reportReturnType]

    def current(self, v: Drops) -> Drops:
        """Of voltages `v` (V), (n, batch, m)."""
        return self.g[:, None] * self.v_0 * limsinh(v / self.v_0)


class SinhCells(eqx.Module):
    """Conductances (n, m) as `Sinh` cells; g is that at small voltages.

    Attributes:
        v_0: V, one number.
    """

    v_0: Float[Array, ""] = eqx.field(converter=lambda v: jnp.asarray(v, getattr(v, "dtype", jnp.result_type(float))))

    def __call__(self, g: Float[Array, "n m"]) -> Sinh:
        """Cells of conductances `g` (S)."""
        return Sinh(g, self.v_0.astype(g.dtype))


class StateCells(eqx.Module):
    """Conductances (n, m) as devices: each on the straight line between two states where it reads so at v_read.

    The place on the line is found by halving, its derivatives are those of the implicit equation. The conductance
    must rise from `off` to `on`; beyond the ends the state stays there.

    Attributes:
        device: of two terminals. off, on: states of one device. v_read: of the reading that tells g (V). env: ambient.
    """

    device: AbstractDevice
    off: Any
    on: Any
    v_read: Float[Array, ""]
    env: Environment

    @classmethod
    def between(
        cls, device: AbstractDevice, off: Any, on: Any, v_read: float = 0.1, env: Environment | None = None
    ) -> "StateCells":
        """From numbers.

        Args:
            device: of two terminals. off, on: states of one device, low and high conductance. v_read: V.
            env: ambient (300 K).

        Raises:
            CircuitError: the conductance of `on` is not the higher one.
        """
        env = Environment() if env is None else env
        made = cls(device, off, on, jnp.asarray(v_read, jnp.result_type(float)), env)
        low, high = (float(made.conductance(jnp.asarray(s, jnp.result_type(float)))) for s in (0.0, 1.0))
        if not high > low:
            raise CircuitError(f"StateCells: {low:.3g} S at `off` and {high:.3g} S at `on`; exchange them?")
        return made

    @property
    def window(self) -> tuple[Array, Array]:
        """Conductances (S) of both ends, for `Pair(g_min, g_max)`."""
        zero = jnp.zeros((), self.v_read.dtype)
        return self.conductance(zero), self.conductance(zero + 1)

    def state(self, place: Float[Array, "..."]) -> Any:
        """States at a `place`, 0 at `off` to 1 at `on`."""
        return jax.tree.map(lambda a, b: a + place * (b - a), self.off, self.on)

    def conductance(self, place: Float[Array, ""]) -> Float[Array, ""]:
        """Reading (S) of one cell at a `place`."""
        return self.device.current(self.state(place), self.v_read, self.env) / self.v_read

    def place(self, g: Float[Array, "..."]) -> Float[Array, "..."]:
        """Where conductances `g` (S) are found."""
        read = jnp.vectorize(self.conductance)
        low, high = jnp.zeros_like(g), jnp.ones_like(g)

        def halve(_: Any, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = ends
            middle = (low + high) / 2
            below = read(middle) < g
            return jnp.where(below, middle, low), jnp.where(below, high, middle)

        steps = 50 if g.dtype == jnp.float64 else 24
        low, high = lax.fori_loop(0, steps, halve, lax.stop_gradient((low, high)))
        at = lax.stop_gradient((low + high) / 2)
        slope = lax.stop_gradient(jnp.vectorize(jax.grad(self.conductance))(at))
        # One step of Newton's method from the solution: its value stays, its derivatives are those of the root.
        inside = (g >= read(jnp.zeros_like(g))) & (g <= read(jnp.ones_like(g)))
        moved = at + (g - read(at)) / slope
        return jnp.where(inside, moved, jnp.where(at < 0.5, jnp.zeros_like(at), jnp.ones_like(at)))

    def __call__(self, g: Float[Array, "n m"]) -> AbstractCells:
        """Cells of conductances `g` (S)."""
        n, m = g.shape
        own: Any = jax.tree.map(lambda a: a.astype(g.dtype), self)
        return devices(own.device, (n, m), own.state(own.place(g)), own.env)
