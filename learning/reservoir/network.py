"""Random networks of volatile devices: Kirchhoff's laws at every instant, memory on every edge."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

import neurojax as nj
from learning.readout import Linear
from learning.reservoir.exponential import ExponentialFrames
from learning.reservoir.frames import ExactFrames, axes_of
from learning.reservoir.reservoir import AbstractReservoir, Noise

Edges = tuple[tuple[int, int], ...]


class NetworkReservoir(AbstractReservoir):
    """Devices between the nodes of a graph; some nodes are driven, one is grounded, the others are read.

    At a driven node V = offset + gain (weights . u). In each of `slices` frames the voltages of the free nodes follow
    from the sum of currents at each being zero, with the devices as they are; then the devices move, under the voltages
    that this leaves them. More and shorter slices approach the circuit of the same devices. The reading is the voltage
    of the free nodes after the last slice.

    Attributes:
        frames: of the devices on the edges, of one slice. edges: pairs of nodes. nodes: how many. driven: those with an
            electrode; node 0 is ground. weights: (driven, inputs). gain, offset: (driven,), V. slices: frames a sample.
        newton: iterations for the node voltages. noise: of the readings. readout: of the fitted reservoir.
    """

    frames: ExactFrames | ExponentialFrames
    weights: Float[Array, "driven inputs"]
    gain: Float[Array, " driven"]
    offset: Float[Array, " driven"]
    noise: Noise
    edges: Edges = eqx.field(static=True)
    nodes: int = eqx.field(static=True)
    driven: tuple[int, ...] = eqx.field(static=True)
    slices: int = eqx.field(static=True, default=1)
    newton: int = eqx.field(static=True, default=8)
    readout: Linear | None = None

    @property
    def free(self) -> tuple[int, ...]:
        """Nodes without an electrode, in the order of the readings."""
        return tuple(k for k in range(1, self.nodes) if k not in self.driven)

    def initial(self) -> Any:
        """As of `AbstractReservoir`."""
        return self.frames.start(len(self.edges)), jnp.zeros(len(self.free), self.gain.dtype)

    def step(self, state: Any, u: Float[Array, " inputs"]) -> tuple[Any, Float[Array, " features"]]:
        """As of `AbstractReservoir`."""
        applied = self.offset + self.gain * (self.weights @ u)
        held = jnp.zeros(self.nodes, applied.dtype).at[jnp.asarray(self.driven)].set(applied)

        def slice_(carry, _):
            x, v = carry
            v = self._balanced(x, v, held)
            return (self.frames.step(x, self._across(v, held))[0], v), None

        x, v = lax.scan(slice_, state, None, length=self.slices)[0]
        v = self._balanced(x, v, held)
        return (x, v), v

    def _incidence(self) -> np.ndarray:
        """(edges, nodes): 1 at the first end of an edge, -1 at the second."""
        table = np.zeros((len(self.edges), self.nodes))
        for k, (a, b) in enumerate(self.edges):
            table[k, a], table[k, b] = 1.0, -1.0
        return table

    def _across(self, v: Array, held: Array) -> Array:
        """Voltages of the edges (V) from those of the free nodes."""
        return jnp.asarray(self._incidence(), v.dtype) @ held.at[jnp.asarray(self.free)].set(v)

    def _balanced(self, x: Any, v: Array, held: Array) -> Array:
        """Voltages of the free nodes (V) at which no current is left over."""
        ends = jnp.asarray(self._incidence()[:, list(self.free)], v.dtype)
        cells = self.frames.cells
        one = lambda d, x, v: d.current(x, v, cells.env)  # noqa: E731

        def improved(v: Array, cells_device: Any, x: Any, held: Array) -> Array:
            def currents(across):
                return jax.vmap(one, in_axes=(axes_of(cells_device), 0, 0))(cells_device, x, across)

            across = self._across(v, held)
            i, g = jax.jvp(currents, (across,), (jnp.ones_like(across),))
            return v - jnp.linalg.solve(ends.T @ (g[:, None] * ends), ends.T @ i)

        fixed = lax.stop_gradient((cells.device, x, held))
        start = lax.stop_gradient(v)
        near = lax.fori_loop(0, self.newton, lambda _, v: improved(v, *fixed), start)
        # One more step from the solution carries its derivatives.
        return improved(near, cells.device, x, held)


def network_reservoir(
    frames: ExactFrames | ExponentialFrames,
    nodes: int,
    *,
    driven: int = 1,
    inputs: int = 1,
    extra: int | None = None,
    gain: float = 1.0,
    offset: float = 0.0,
    slices: int = 1,
    noise: Noise | None = None,
    key: Array,
) -> NetworkReservoir:
    """A random connected network: a tree over all nodes, and further edges at random.

    Args:
        frames: of the devices, of one slice. nodes: how many, the ground included. driven: nodes with an electrode.
            inputs: size of a sample; each electrode gets a random sign of each. extra: edges beside the tree (as many
            as nodes). gain, offset: of the drive (V). slices: frames a sample. noise: of the readings (none).
        key: of the graph and of the signs.

    Raises:
        DataError: too few nodes, or more edges than pairs of nodes.
    """
    extra = nodes if extra is None else extra
    if driven < 1 or nodes < driven + 2:
        raise nj.DataError(f"network_reservoir: {nodes} nodes, {driven} of them driven, leave none to read.")
    if nodes - 1 + extra > nodes * (nodes - 1) // 2:
        raise nj.DataError(f"network_reservoir: {nodes - 1 + extra} edges on {nodes} nodes; give fewer `extra`.")
    one, two, three = jax.random.split(key, 3)
    dtype = jnp.result_type(float)
    parents = [int(p) for p in np.asarray(jax.random.uniform(one, (nodes,)) * jnp.arange(nodes, dtype=dtype))]
    tree = [(parents[k], k) for k in range(1, nodes)]
    others = [(a, b) for b in range(nodes) for a in range(b) if (a, b) not in tree]
    chosen = np.asarray(jax.random.permutation(two, len(others)))[:extra]
    edges = (*tree, *(others[int(k)] for k in chosen))
    signs = jax.random.choice(three, jnp.asarray([-1.0, 1.0], dtype), (driven, inputs))
    weights = jnp.ones((driven, 1), dtype) if driven == inputs == 1 else signs
    full = lambda a: jnp.full((driven,), a, dtype)  # noqa: E731
    electrodes = tuple(range(nodes - driven, nodes))
    silent = Noise() if noise is None else noise
    graph: dict[str, Any] = dict(edges=edges, nodes=nodes, driven=electrodes, slices=slices)
    drive: dict[str, Any] = dict(weights=weights, gain=full(gain), offset=full(offset))
    return NetworkReservoir(frames=frames, noise=silent, **drive, **graph)
