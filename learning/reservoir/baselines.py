"""What a reservoir of devices has to beat: past inputs themselves, and an echo-state network in software."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from learning.readout import Linear
from learning.reservoir.reservoir import AbstractReservoir, Noise


class LinearLags(AbstractReservoir):
    """The last `lags` samples of the input, as they are: what is left to a reservoir is what this cannot do.

    Attributes:
        lags: how many, the present one included. inputs: size of a sample. noise, readout: as of any reservoir.
    """

    lags: int = eqx.field(static=True)
    inputs: int = eqx.field(static=True, default=1)
    noise: Noise = eqx.field(default_factory=Noise)
    readout: Linear | None = None

    def initial(self) -> Any:
        """As of `AbstractReservoir`."""
        return jnp.zeros((self.lags, self.inputs), jnp.result_type(float))

    def step(self, state: Any, u: Float[Array, " inputs"]) -> tuple[Any, Float[Array, " features"]]:
        """As of `AbstractReservoir`."""
        state = jnp.concatenate([u[None], state[:-1]])
        return state, state.ravel()


class EchoState(AbstractReservoir):
    """x <- (1 - leak) x + leak tanh(W x + W_in u + bias).

    H. Jaeger, GMD Report 148 (2001); H. Jaeger and H. Haas, Science 304, 78 (2004), 10.1126/science.1091277.

    Attributes:
        recurrent: W, (units, units). into: W_in, (units, inputs). bias: (units,). leak: between 0 and 1.
        noise, readout: as of any reservoir.
    """

    recurrent: Float[Array, "units units"]
    into: Float[Array, "units inputs"]
    bias: Float[Array, " units"]
    leak: Float[Array, ""]
    noise: Noise = eqx.field(default_factory=Noise)
    readout: Linear | None = None

    def initial(self) -> Any:
        """As of `AbstractReservoir`."""
        return jnp.zeros_like(self.bias)

    def step(self, state: Any, u: Float[Array, " inputs"]) -> tuple[Any, Float[Array, " features"]]:
        """As of `AbstractReservoir`."""
        pushed = jnp.tanh(self.recurrent @ state + self.into @ u + self.bias)
        state = (1 - self.leak) * state + self.leak * pushed
        return state, state


def echo_state(
    units: int = 100,
    lr: float = 1.0,
    sr: float = 0.9,
    input_scaling: float = 0.5,
    bias_scaling: float = 0.2,
    *,
    inputs: int = 1,
    key: Array,
) -> EchoState:
    """A random network as a reservoir, see `learning.baselines.echo_states`; W, weights and biases dense and uniform.

    Args:
        units: neurons. lr: leak rate. sr: spectral radius of W. input_scaling: largest weight of an input.
            bias_scaling: largest bias. inputs: size of a sample. key: of the weights.
    """
    recurrent, inner, shift = jax.random.split(key, 3)
    draw = lambda k, *shape: jax.random.uniform(k, shape, jnp.result_type(float), -1.0, 1.0)  # noqa: E731
    w = draw(recurrent, units, units)
    w = w * (sr / jnp.max(jnp.abs(jnp.linalg.eigvals(w))))
    into = input_scaling * draw(inner, units * inputs).reshape(units, inputs)
    bias, leak = bias_scaling * draw(shift, units), jnp.asarray(lr, w.dtype)
    return EchoState(recurrent=w, into=into, bias=bias, leak=leak)
