"""What a synapse made of devices is: a circuit between the spikes of two neurons. `Synapse`."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from neurojax.circuit import Circuit
from neurojax.circuit_record import CircuitRecord
from neurojax.errors import CircuitError, SimulationError
from neurojax.record import cumulative
from neurojax.simulate import MAX_STEPS
from neurojax.synapses.spikes import knots_of, train_at, without_jumps
from neurojax.waveform import Waveform
from physics.device import Environment


class SynapseRecord(eqx.Module):
    """What a synapse answered; of several runs or members every array has leading axes.

    Attributes:
        t: times (s), shape (n,). weight: conductance that is read of the memory (S), (n,). energy: taken up by all
            devices until then (J), (n,). code: 0 where the solver reached the end. circuit: voltages, currents and
            states, if the synapse is one circuit.
    """

    t: Float[Array, "*runs n"]
    weight: Float[Array, "*runs_n"]
    energy: Float[Array, "*runs_n"]
    code: Array
    circuit: CircuitRecord | None = None

    @property
    def final(self) -> Float[Array, "*runs"]:
        """Weight at the end (S)."""
        return self.weight[..., -1]

    @property
    def change(self) -> Float[Array, "*runs"]:
        """Weight at the end less that at the start (S)."""
        return self.weight[..., -1] - self.weight[..., 0]

    def __repr__(self) -> str:
        if isinstance(self.weight, Tracer):
            return "SynapseRecord(traced)"
        w, e = np.asarray(self.weight), np.asarray(self.energy)
        return (
            f"SynapseRecord({w[..., 0].size} runs, {w.shape[-1]} samples, weight from {w[..., 0].min():.4g} to "
            f"{w[..., -1].min():.4g} .. {w[..., -1].max():.4g} S, at most {e[..., -1].max():.3g} J)"
        )


class Synapse(eqx.Module):
    """A circuit between the spikes of two neurons, that are waveforms of its sources "pre" and "post".

    The weight is the conductance G = i(V_read)/V_read of the instance `cell`, in its own state, at `v_read`. Whatever
    happens to it is what the devices do in the voltages of the spikes; no rule of learning is added.

    Attributes:
        circuit: with sources "pre" and "post" (whatever waveforms they have) and else constant ones. pre, post: shape
            of one spike at each source (V), zero before and after. cell: name of the instance that holds the weight.
            v_read: V.
    """

    circuit: Circuit
    pre: Waveform
    post: Waveform
    v_read: Array
    cell: str = eqx.field(static=True)

    def __init__(self, circuit: Circuit, pre: Waveform, post: Waveform, cell: str = "cell", v_read: float = 0.1):
        """From a circuit and the shapes of spikes.

        Raises:
            CircuitError: no sources "pre" and "post", other sources that move, no such cell.
        """
        moving = {n for n, s in circuit.sources.items() if isinstance(s, Waveform)}
        if moving != {"pre", "post"} or cell not in circuit.parts:
            raise CircuitError(
                f"a synapse needs the moving sources 'pre' and 'post' and no other, and a device {cell!r}; this "
                f"circuit has the moving sources {sorted(moving)} and the devices {sorted(circuit.parts)}."
            )
        self.circuit, self.pre, self.post = circuit, without_jumps(pre), without_jumps(post)
        self.v_read, self.cell = jnp.asarray(v_read, jnp.result_type(float)), cell

    def replace(self, values: dict[str, Any]) -> "Synapse":
        """A copy with other parameters of the circuit, as `Circuit.replace` ("NAME.parameter", SI)."""
        return eqx.tree_at(lambda s: s.circuit, self, self.circuit.replace(values))

    def weight(self, state: Any, env: Environment | None = None) -> Float[Array, "..."]:
        """Conductance (S) of the cell in a `state`, at the temperature of `env`."""
        env = Environment() if env is None else env
        return self.circuit.parts[self.cell].current(state, self.v_read, env) / self.v_read

    def respond(
        self,
        pre_times: Any,
        post_times: Any,
        *,
        rest: Any = None,
        samples: int = 8,
        x0: Mapping[str, Any] | None = None,
        rtol: float = 1e-7,
        atol: float = 1e-10,
        max_steps: int = MAX_STEPS,
        gradient: str = "forward",
        throw: bool = True,
    ) -> SynapseRecord:
        """The weight over time while both neurons spike; differentiable in parameters, shapes and times.

        Args:
            pre_times, post_times: when spikes begin (s), not before 0, shape (spikes,), or (runs, spikes) for runs side
                by side. rest: from the end of the last spike to the end of the run (s), default the longest spike.
            samples: in each straight piece of the waveforms. x0: instance -> state at the start.

        Other arguments:
            rtol, atol, max_steps, gradient, throw: as in `transient`; gradient is "forward" unless said.

        Raises:
            SimulationError: the solver stopped early, or a spike before 0.
        """
        pre, post = (jnp.asarray(times, self.pre.t.dtype) for times in (pre_times, post_times))
        for times in (pre, post):
            if not isinstance(times, Tracer) and times.size and not float(times.min()) >= 0:
                raise SimulationError(f"a spike at {float(times.min()):g} s: the run begins at 0, shift all times.")
        rest = jnp.maximum(self.pre.duration, self.post.duration) if rest is None else jnp.asarray(rest, pre.dtype)
        runs = jnp.broadcast_shapes(pre.shape[:-1], post.shape[:-1])
        pre, post = (jnp.broadcast_to(a, (*(runs or (1,)), a.shape[-1])) for a in (pre, post))
        options = dict(rtol=rtol, atol=atol, max_steps=max_steps, gradient=gradient)
        record = _answers(self, pre, post, rest, dict(x0 or {}), samples, options)
        record = _checked(record, pre, post) if throw else record
        return record if runs else jax.tree.map(lambda a: a[0], record)


@eqx.filter_jit
def _answers(synapse: Synapse, pre: Array, post: Array, rest: Array, x0: Any, samples: int, options: Any):
    return jax.vmap(lambda a, b: _answer(synapse, a, b, rest, x0, samples, options))(pre, post)


def _answer(synapse: Synapse, pre: Array, post: Array, rest: Array, x0: Any, samples: int, options: Any):
    """One run."""
    pairs = [(synapse.pre, pre), (synapse.post, post)]
    last = [jnp.max(times) + shape.duration for shape, times in pairs if times.shape[0]]
    t = knots_of(pairs, jnp.max(jnp.stack([*last, jnp.zeros_like(rest)])) + rest)
    waves = tuple(train_at(shape, times, t) for shape, times in pairs)
    where = lambda c: [getattr(c.sources[n], k) for n in ("pre", "post") for k in ("t", "v")]  # noqa: E731
    circuit = eqx.tree_at(where, synapse.circuit, [t, waves[0], t, waves[1]])
    part = jnp.arange(samples, dtype=t.dtype) / samples
    ts = jnp.concatenate([(t[:-1, None] + part[None] * jnp.diff(t)[:, None]).ravel(), t[-1:]])
    record = circuit.transient(ts=ts, x0=x0, throw=False, progress=False, **options)
    weigh = lambda device, x: device.current(x, synapse.v_read, Environment()) / synapse.v_read  # noqa: E731
    device, x = circuit.parts[synapse.cell], record.x[synapse.cell]
    over: Any = jax.vmap(weigh, in_axes=(None, 0))
    power = jnp.sum(jnp.stack([record.power[n] for n in circuit.parts]), axis=0)
    spent = lambda p: cumulative(ts, p)  # noqa: E731
    if record.code.ndim:
        axes = jax.tree.map(lambda a: 0 if a.ndim else None, device)
        over, spent = jax.vmap(over, in_axes=(axes, 0)), jax.vmap(spent)
    return SynapseRecord(ts, over(device, x), spent(power), record.code, record)


def _checked(record: SynapseRecord, pre: Array, post: Array) -> SynapseRecord:
    advice = "Try more steps (max_steps=...) or a looser tolerance (rtol=1e-5)."
    if isinstance(record.code, Tracer):
        return eqx.error_if(record, record.code != 0, f"synapse: the solver did not reach the end. {advice}")
    failed = np.argwhere(np.asarray(record.code) != 0)
    if not failed.size:
        return record
    k = int(failed[0][0])
    raise SimulationError(
        f"synapse, run {k} ({len(failed)} of {record.code.size} failed), spikes from {np.asarray(pre[k])[:3]} and "
        f"{np.asarray(post[k])[:3]} s on: the solver stopped with code {int(record.code[tuple(failed[0])])}. {advice}"
    )
