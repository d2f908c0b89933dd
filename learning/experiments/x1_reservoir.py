"""X1: a reservoir of volatile memristors, designed by gradient through device, noise, spread and readout.

    report = run(device="wox", task="second_order", seeds=5, output="out")

Nodes share the input and nothing else; each has its own device and its own voltages, held for one frame a sample. What
is read is the conductance at the end of a frame, with noise in proportion and thermal and shot noise. A linear readout
is fitted in closed form to the first half of a piece, and judged on the second: that error, of new inputs, new devices
and new noise in each step, is what the gradient follows. `x1_report.py` has the comparison.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

import neurojax as nj
import physics
from learning.codesign import Design
from learning.experiments.x1_devices import Driven, Leaky
from learning.experiments.x1_tasks import piece
from learning.metrics import nmse
from learning.readout import ridge
from neurojax.errors import DataError
from physics.noise import shot_psd, thermal_psd
from physics.quantity import suggest

PENALTY = 1e-8
"""Of the ridge: the noise of the readings regularises already."""
INPUT = 1e-9
"""Conductance (S) of the input of the amplifier, whose thermal noise remains where a device lets no current through."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """A device as it is used here.

    Attributes:
        make: the device with its nominal values. tau: name of the time constant that is spread over the nodes, and its
            bounds in frames. free: bounds of what else may be designed.
        frame: time of one input (s). v_read: voltage of the reading (V). v_max: largest voltage either way (V).
        drive: voltages of the nominal design at the inputs 0 and 1 (V). exact: relative tolerance at which Kvaerno5 of
            diffrax checks it; where devices switch within a frame it takes 10^5 steps for 1e-5.
    """

    make: Callable[[], physics.AbstractDevice]
    tau: str
    frames: tuple[float, float]
    free: Mapping[str, tuple[float, float]]
    frame: float
    v_read: float
    v_max: float
    drive: tuple[float, float]
    exact: float = 1e-7


KINDS = {
    # 20 devices and the bounds of a pilot in units of frames: lam .01 .. .3, tau 1 .. 55, eta 1 .. 3, |V| <= 3.
    "leaky": Kind(
        Leaky, "tau", (1.0, 55.0), {"lam": (1.0, 30.0), "eta": (1.0, 3.0)}, 1e-2, 0.1, 3.0, (0.0, 1.0)
    ),
    "wox": Kind(
        physics.Wox, "tau", (1.0, 55.0), {"lam": (3e-4, 3e-3), "eta": (6.0, 10.0)}, 1e-2, 0.3, 1.6, (0.0, 1.0)
    ),
    "diffusive": Kind(
        physics.AgDiffusive, "d_0", (1.0, 30.0), {"u_k": (0.1, 0.4), "u_p": (0.2, 0.3)}, 1e-4, 0.1, 1.0, (0.0, 0.6),
        1e-5,
    ),
    "second_order": Kind(
        physics.SecondOrder, "tau", (0.03, 2.0), {"e_a": (0.8, 0.9), "r_th": (1e6, 4e6)}, 1e-6, 0.1, 1.0, (-0.8, 0.8),
        1e-5,
    ),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Reservoir:
    """The objective: error over variance of the readout, `reservoir(tree, key)`; with `decades` its logarithm.

    Attributes:
        device: of `KINDS`. task: of `TASKS`. noise: of a reading, in parts of it. spread: of the devices, in parts.
        length: samples of a piece, half of them to learn from, after `washout` unread ones.
        rtol: of the integrator. decades: whether log10 of the error is returned. unseen: see `piece`.
        tight: whether Kvaerno5 of diffrax (`Kind.exact`) takes the place of the closed form or of our integrator.
    """

    device: str = "wox"
    task: str = "second_order"
    noise: float = 0.01
    spread: float = 0.03
    length: int = 240
    washout: int = 40
    rtol: float = 1e-2
    decades: bool = True
    unseen: bool = False
    tight: bool = False

    def __post_init__(self) -> None:
        if self.device not in KINDS:
            raise DataError(f"X1 knows no device {self.device!r}.{suggest(self.device, tuple(KINDS))}")
        if self.length < 4 or self.washout < 0 or self.noise < 0 or self.spread < 0:
            raise DataError(
                f"length = {self.length} (4 or more), washout = {self.washout}, noise = {self.noise}, spread = "
                f"{self.spread} (none below zero)."
            )

    @property
    def kind(self) -> Kind:
        """How its device is used."""
        return KINDS[self.device]

    def __call__(self, tree: Driven, key: Array) -> Float[Array, ""]:
        """The error of a reservoir `tree` on the piece, the devices and the noise of `key`."""
        y, answers = self.answers(tree, key=key)
        error = nmse(answers, y)
        return jnp.log10(error) if self.decades else error

    def answers(self, tree: Driven, *, key: Array) -> tuple[Array, Array]:
        """Targets and answers (samples, 1) of the half that the readout has not seen."""
        inputs, spreading, reading = jax.random.split(key, 3)
        s, y = piece(self.task, self.washout + self.length, unseen=self.unseen, key=inputs)
        x = self.readings(self.spread_out(tree, key=spreading), s, key=reading)[self.washout :]
        y, half = y[self.washout :, None], self.length // 2
        return y[half:], ridge(x[:half], y[:half], PENALTY)(x[half:])

    def spread_out(self, tree: Driven, *, key: Array) -> Driven:
        """The devices as they are made: each of the designed parameters off by a few parts in a hundred."""
        if self.spread == 0:
            return tree
        free = {n: nj.LogNormal(self.spread) for n in (self.kind.tau, *self.kind.free)}
        nodes = tree.v_low.shape[0]
        return dataclasses.replace(tree, device=nj.population(tree.device, nodes, free, key=key))

    def readings(self, tree: Driven, s: Float[Array, " time"], *, key: Array) -> Float[Array, "time nodes"]:
        """Noisy conductances (S) at the end of each frame of the inputs `s`."""
        g = self.conductances(tree, self.states(tree, s))
        scatter = self.noise * g
        env, v = physics.Environment(), jnp.asarray(self.kind.v_read, g.dtype)
        psd = shot_psd(g * v, v, env.temperature) + thermal_psd(jnp.asarray(INPUT, g.dtype), env.temperature)
        white = psd / (2 * self.kind.frame) / v**2
        return g + jnp.sqrt(scatter**2 + white) * jax.random.normal(key, g.shape, g.dtype)

    def states(self, tree: Driven, s: Float[Array, " time"]) -> Any:
        """States (nodes, time) at the end of each frame of the inputs `s`."""
        if isinstance(tree.device, Leaky) and not self.tight:
            return _closed_form(tree, s, self.kind.frame)
        frame, n = self.kind.frame, len(s)
        edges = np.repeat(np.arange(n + 1) * frame, 2)[1:-1]
        options: dict[str, Any] = dict(rtol=self.rtol, atol=1e-2 * self.rtol, max_steps=2**14)
        if self.tight:
            rtol = self.kind.exact
            options = dict(solver=diffrax.Kvaerno5(), rtol=rtol, atol=1e-3 * rtol, max_steps=2**18)
        held = nj.Waveform(edges, jnp.repeat(s, 2))
        record = nj.simulate(tree, held, ts=frame * np.arange(1, n + 1), throw=False, progress=False, **options)
        return jax.tree.map(lambda x: jnp.where(record.ok[:, None], x, jnp.nan), record.x)

    def conductances(self, tree: Driven, states: Any) -> Float[Array, "time nodes"]:
        """Readings (S) without noise."""
        env, v = physics.Environment(), jnp.asarray(self.kind.v_read, tree.v_low.dtype)

        def of_node(device: physics.AbstractDevice, x: Any) -> Array:
            return jax.vmap(lambda x: device.current(x, v, env) / v)(x)

        axes = jax.tree.map(lambda a: 0 if a.ndim else None, tree.device)
        return jax.vmap(of_node, in_axes=(axes, 0))(tree.device, states).T

    def design(self, nodes: int = 20) -> Design:
        """The variables: voltages, time constants and material of each of the `nodes`, the nominal design at first."""
        kind = self.kind
        slow, fast = _time_scale(kind)
        full = lambda value: jnp.full(nodes, value, jnp.result_type(float))  # noqa: E731
        device = kind.make()
        spread = {kind.tau: jnp.geomspace(slow, fast, nodes)} | {n: full(getattr(device, n)) for n in kind.free}
        bounds: dict[str, Any] = {f"device.{n}": b for n, b in kind.free.items()}
        log = [n for n in kind.free if device.parameters()[n].quantity.scale == "log"]
        bounds = {n: (*b, "log") if n.removeprefix("device.") in log else b for n, b in bounds.items()}
        bounds |= {f"device.{kind.tau}": (slow, fast, "log"), "v_low": (-kind.v_max, kind.v_max)}
        bounds |= {"v_high": bounds["v_low"]}
        tree = Driven(device.replace(**spread), full(kind.drive[0]), full(kind.drive[1]))
        return Design(tree, free=tuple(bounds), bounds=bounds)

    def sample(self, design: Design, around: Array, key: Array) -> Array:
        """A random theta whose nodes share their material and have voltages and time constants of their own."""
        theta = design.draw(around, key=key)
        for name in self.kind.free:
            where = design.part(f"device.{name}")
            theta = theta.at[where].set(theta[where.start])
        return theta


def _time_scale(kind: Kind) -> tuple[float, float]:
    """Bounds of the parameter that sets the time constant (SI)."""
    if kind.tau != "d_0":
        return kind.frames[0] * kind.frame, kind.frames[1] * kind.frame
    # A diffusivity: the larger, the faster.
    return 1e-12 / kind.frames[1], 1e-12 / kind.frames[0]


def _closed_form(tree: Driven, s: Float[Array, " time"], frame: float) -> Leaky.State:
    v = tree.v_low[None] + (tree.v_high - tree.v_low)[None] * s[:, None]
    keep, add = jax.vmap(lambda v: tree.device.after(v, frame))(v)  # pyright: ignore[reportAttributeAccessIssue]

    def step(w: Array, factors: tuple[Array, Array]) -> tuple[Array, Array]:
        w = factors[0] * w + factors[1]
        return w, w

    return Leaky.State(w=lax.scan(step, jnp.zeros_like(tree.v_low), (keep, add))[1].T)
