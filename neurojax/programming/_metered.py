"""One pulse on one device as a function of the state before and the amplitude, the energy a state of its own."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from neurojax.simulate import simulate
from neurojax.waveform import Waveform
from physics.device import AbstractDevice, Amps, Environment, Sweep, Volts
from physics.quantity import Param, parameters, quantity, state_variable, with_values


class Metered(AbstractDevice):
    """d spent/dt = v i/unit beside the states of a two-terminal device: the solver controls the error of the energy."""

    class State(eqx.Module):
        device: Any
        spent: Param = state_variable((-1e12, 1e12), doc="energy over the unit")

    device: AbstractDevice
    unit: Param = quantity(1.0, "J", (1e-30, 1e3), scale="log", doc="of the energy", source="of the pulse", free=False)

    @property
    def terminals(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the device."""
        return self.device.terminals

    @property
    def sweep(self) -> Sweep:  # type: ignore[override]
        """That of the device."""
        return self.device.sweep

    def init(self, env: Environment) -> State:
        return Metered.State(self.device.init(env), jnp.zeros_like(self.unit))

    def rate(self, x: State, v: Volts, env: Environment) -> State:
        return Metered.State(self.device.rate(x.device, v, env), self.device.power(x.device, v, env) / self.unit)

    def current(self, x: State, v: Volts, env: Environment) -> Amps:
        return self.device.current(x.device, v, env)


def made_metered(device: AbstractDevice, unit: Array) -> Metered:
    """`Metered` with its two fields."""
    made: Any = Metered
    return made(device, unit)


def energy_unit(device: AbstractDevice, states: Any, volts: Array, duration: Array, env: Environment) -> Array:
    """Largest power (W) over some states and amplitudes, times a duration (s): the scale of the energy of a pulse."""
    over = jax.vmap(jax.vmap(lambda x, v: jnp.abs(device.power(x, v, env)), (None, 0)), (0, None))
    return jnp.maximum(jnp.max(over(states, volts)) * duration, jnp.asarray(1e-30, duration.dtype))


def pulsed(device: AbstractDevice, shape: Waveform, x: Any, v: Array, unit: Array, options: Any) -> Any:
    """State after one pulse, energy (J) in the device, and the result code of the solver.

    Args:
        shape: a pulse of 1 V. x: state before. v: amplitude (V). unit: of the energy (J). options: of `simulate`.
    """
    metered = made_metered(device, unit)
    wave = Waveform(shape.t, v * shape.v)
    start = Metered.State(x, jnp.zeros_like(unit))
    record = simulate(metered, wave, ts=shape.t[-1:], x0=start, throw=False, progress=False, **options)
    end = jax.tree.map(lambda a: a[-1], record.x)
    return end.device, end.spent * unit, record.code


def state_name(device: AbstractDevice, env: Environment, state: str | None) -> str | None:
    """The state that is tabulated: the one that is named, or the only one; None where there are several."""
    names = tuple(parameters(device.init(env)))
    return state if state is not None else names[0] if len(names) == 1 else None


def with_state(resting: Any, state: str, value: Array) -> Any:
    """The states at rest, one of them at a value."""
    return with_values(resting, {state: value})
