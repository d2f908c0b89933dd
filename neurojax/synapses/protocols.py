"""What is asked of a synapse in a laboratory: pairs of spikes, trains, paired pulses."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from neurojax.errors import DataError
from neurojax.synapses.synapse import Synapse


def stdp_window(synapse: Synapse, dts: Any, **options: Any) -> Float[Array, "dts *members"]:
    """Change of the weight over the weight at the start, for a pair of spikes dt = t_post - t_pre apart each.

    All pairs run side by side, each from the initial state of the devices; differentiable in `dts`, too.

    Args:
        synapse: that answers. dts: s, shape (dts,). options: keywords of `Synapse.respond`.

    Returns:
        (w_end - w_start)/w_start, shape (dts,), or (dts, members).
    """
    pre, post = pair_times(dts)
    asked: Any = {"samples": 1} | options
    record = synapse.respond(pre, post, **asked)
    return record.change / record.weight[..., 0]


def pair_times(dts: Any) -> tuple[Float[Array, "dts 1"], Float[Array, "dts 1"]]:
    """Times (s) of pairs of spikes, the first of each pair at 0.

    Args:
        dts: t_post - t_pre (s), shape (dts,).
    """
    dt = jnp.atleast_1d(jnp.asarray(dts, jnp.result_type(float)))
    # Not `maximum`, which shares its slope at zero.
    none = jnp.zeros_like(dt)
    return jnp.where(dt < 0, -dt, none)[:, None], jnp.where(dt < 0, none, dt)[:, None]


def rate_response(synapse: Synapse, rates: Any, spikes: int, dt: Any = None, **options: Any) -> Float[Array, "..."]:
    """Change of the weight over the weight at the start, after trains of some rates in both neurons.

    Args:
        synapse: that answers. rates: 1/s, shape (rates,). spikes: of each neuron. dt: t_post - t_pre (s) of each
            period, default half a period, so that neither neuron comes first. options: keywords of `Synapse.respond`.

    Returns:
        (w_end - w_start)/w_start, shape (rates,), or (rates, members).

    Raises:
        DataError: rates that are not positive.
    """
    f = jnp.atleast_1d(jnp.asarray(rates, jnp.result_type(float)))
    if not isinstance(f, Tracer) and not np.all(np.asarray(f) > 0):
        raise DataError(f"rates = {np.asarray(f)} must be positive (1/s).")
    times = jnp.arange(spikes, dtype=f.dtype)[None] / f[:, None]
    apart = 0.5 / f if dt is None else jnp.broadcast_to(jnp.asarray(dt, f.dtype), f.shape)
    early, late = pair_times(apart)
    asked: Any = {"samples": 1} | options
    record = synapse.respond(times + early, times + late, **asked)
    return record.change / record.weight[..., 0]


def paired_pulse_ratio(synapse: Synapse, intervals: Any, spikes: int = 2, **options: Any) -> Float[Array, "..."]:
    """Charge that passes in the last of some presynaptic spikes over that in the first, without any postsynaptic one.

    Above one it is facilitation (PPF), below one depression (PPD).

    Args:
        synapse: that answers. intervals: between the beginnings of spikes (s), shape (intervals,), or
            (intervals, spikes - 1). spikes: how many, two unless said. options: keywords of `Synapse.respond`.

    Returns:
        Shape (intervals,), or (intervals, members).
    """
    charges = spike_charges(synapse, intervals, spikes, **options)
    return charges[..., -1] / charges[..., 0]


def spike_charges(synapse: Synapse, intervals: Any, spikes: int, **options: Any) -> Float[Array, "..."]:
    """Size of the charge (C) that passes the presynaptic source during each spike of a train, (intervals, spikes).

    Args:
        synapse: that answers. intervals: as in `paired_pulse_ratio`. spikes: of the presynaptic neuron.
        options: keywords of `Synapse.respond`.

    Raises:
        DataError: intervals shorter than a spike.
    """
    gaps = jnp.atleast_1d(jnp.asarray(intervals, jnp.result_type(float)))
    gaps = jnp.broadcast_to(gaps[:, None], (gaps.shape[0], spikes - 1)) if gaps.ndim == 1 else gaps
    if not isinstance(gaps, Tracer) and not np.all(np.asarray(gaps) >= float(synapse.pre.duration)):
        raise DataError(f"an interval of {float(gaps.min()):g} s: spikes take {float(synapse.pre.duration):g} s each.")
    begins = jnp.concatenate([jnp.zeros_like(gaps[:, :1]), jnp.cumsum(gaps, axis=1)], axis=1)
    none = jnp.zeros((gaps.shape[0], 0), gaps.dtype)
    asked: Any = {"samples": 16} | options
    record = synapse.respond(begins, none, **asked)
    circuit = record.circuit
    assert circuit is not None
    t, i = circuit.t, circuit.i["pre"]
    t = t.reshape(t.shape[0], *(1,) * (i.ndim - 2), t.shape[-1])
    middle, step = 0.5 * (t[..., 1:] + t[..., :-1]), 0.5 * jnp.diff(t) * (i[..., 1:] + i[..., :-1])
    start = begins.reshape(begins.shape[0], *(1,) * (i.ndim - 2), spikes, 1)
    within = (middle[..., None, :] >= start) & (middle[..., None, :] <= start + synapse.pre.duration)
    return jnp.abs(jnp.sum(jnp.where(within, step[..., None, :], jnp.zeros_like(step[..., None, :])), axis=-1))
